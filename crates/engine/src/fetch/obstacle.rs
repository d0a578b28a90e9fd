//! What stands in a source where a folder or a skill was looked for in vain: a submodule,
//! which is never fetched with its repository, or a link, which is never followed.

use super::{PackageSource, World};
use ba_agent_core::error::{Error, Result, printable};
use ba_agent_core::listing::{FileEntry, Node};
use ba_agent_core::path::{RelPath, resolve_link};
use ba_agent_core::skill::MANIFEST;
use ba_agent_core::source::{Request, Resolved};
use ba_agent_git as git;

/// Where git says what its submodules are.
const MODULES: &str = ".gitmodules";
/// Bytes of one that is read.
const MAX_MODULES: u64 = 256 * 1024;
/// So many are named in one message.
const NAMED: usize = 3;

/// Something that is there, but is no folder of the source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Obstacle {
    Submodule { path: RelPath, url: Option<String>, commit: Option<String> },
    Link { path: RelPath, target: String },
}

/// What keeps a skill from being found at or below the folder `wanted`.
///
/// # Errors
/// Those of fetching the files that say where submodules and links lead.
pub(crate) fn find_obstacles(
    source: &mut PackageSource<'_>,
    wanted: &RelPath,
    world: &World<'_>,
) -> Result<Vec<Obstacle>> {
    let entries = source.listing().entries().iter().filter(|entry| is_in_the_way(entry, wanted));
    let entries: Vec<FileEntry> = entries.take(NAMED).cloned().collect();
    if entries.is_empty() {
        return Ok(Vec::new());
    }
    let base = git::url_of(&source.resolved.source, &world.settings.hosts).unwrap_or_default();
    let is_asked = |entry: &FileEntry| {
        entry.path.as_str() == MODULES || entries.iter().any(|asked| asked.path == entry.path)
    };
    let package = source.ensure_files(is_asked)?;
    let modules = match package.listing.entry_at(MODULES).filter(|entry| entry.size <= MAX_MODULES) {
        Some(entry) => String::from_utf8_lossy(&package.read(entry)?).into_owned(),
        None => String::new(),
    };
    let obstacle = |entry: &FileEntry| {
        let entry = source.listing().entry_at(entry.path.as_str())?;
        let path = entry.path.clone();
        match &entry.node {
            Node::Submodule => {
                let url = module_url(&modules, path.as_str()).map(|url| absolute_http_url(url, &base));
                Some(Obstacle::Submodule { url, commit: source.object_id(entry), path })
            }
            Node::Link { target } => Some(Obstacle::Link { target: target.clone(), path }),
            _ => None,
        }
    };
    Ok(entries.iter().filter_map(obstacle).collect())
}

/// True for a submodule or link on the way to `wanted`, a submodule below it, and a manifest
/// below it that is a link.
fn is_in_the_way(entry: &FileEntry, wanted: &RelPath) -> bool {
    let is_on_the_way = || wanted.starts_with(&entry.path);
    let is_below = || entry.path.starts_with(wanted);
    match entry.node {
        Node::Submodule => is_on_the_way() || is_below(),
        Node::Link { .. } => is_on_the_way() || (entry.path.name() == MANIFEST && is_below()),
        _ => false,
    }
}

/// The same error, with what stands in the way and how to have it all the same.
pub(crate) fn explain_obstacles(
    error: Error,
    obstacles: &[Obstacle],
    resolved: &Resolved,
    wanted: &RelPath,
) -> Error {
    obstacles.iter().fold(error, |error, obstacle| match obstacle {
        Obstacle::Submodule { path, url, commit } => {
            let at = commit.as_ref().map_or_else(String::new, |commit| format!(" at {commit}"));
            let shown =
                url.as_ref().map_or_else(String::new, |url| format!(": {}{at}", printable(url, false)));
            let error = error.cause(format!(
                "`{path}` is a git submodule, which is never fetched with its repository{shown}"
            ));
            let Some(source) = url.as_ref().and_then(|url| Request::parse(url).ok()) else { return error };
            let below = wanted.strip(path);
            let below = below.map_or_else(String::new, |below| format!(" --subdirectory {below}"));
            let commit = commit.as_ref().filter(|_| source.source.is_git());
            let sha = commit.map_or_else(String::new, |commit| format!(" --sha {commit}"));
            error.hint(format!("install from it: `ba-agent skill install {source}{below}{sha}`"))
        }
        Obstacle::Link { path, target } if path.name() == MANIFEST && !wanted.starts_with(path) => error
            .cause(format!("`{path}` is a link to `{}`", printable(target, false)))
            .hint("a manifest must be a file, which agents read without following links"),
        Obstacle::Link { path, target } => {
            let error = error.cause(format!("`{path}` is a link to `{}`", printable(target, false)));
            let Some(leads) = resolve_link(path.as_str(), target) else { return error };
            let below = match wanted.strip(path) {
                Some(below) => leads.join(&below),
                None => leads,
            };
            let source = Request {
                source: resolved.source.clone(),
                reference: resolved.reference.clone(),
                subdirectory: Some(below),
                skill: None,
            };
            error.hint(format!("install what it points at: `ba-agent skill install {source}`"))
        }
    })
}

/// The `url` of the section of `.gitmodules` whose `path` this is.
fn module_url<'m>(modules: &'m str, path: &str) -> Option<&'m str> {
    let value = |line: &'m str, key: &str| {
        let (name, value) = line.split_once('=')?;
        (name.trim().eq_ignore_ascii_case(key)).then(|| value.trim().trim_matches('"'))
    };
    modules.split('[').find_map(|section| {
        let of = |key| section.lines().filter_map(|line| value(line, key)).next_back();
        (of("path")? == path).then(|| of("url"))?
    })
}

/// An address that may begin with `./` or `../`, from the address of its repository.
fn absolute_http_url(url: &str, base: &str) -> String {
    if !url.starts_with("./") && !url.starts_with("../") {
        return url.to_owned();
    }
    let (mut base, mut rest) = (base.trim_end_matches('/'), url);
    loop {
        if let Some(below) = rest.strip_prefix("./") {
            rest = below;
        } else if let Some(above) = rest.strip_prefix("../") {
            rest = above;
            base = base.rsplit_once('/').map_or(base, |(above, _)| above);
        } else {
            return format!("{base}/{rest}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_of_a_submodule_is_read_as_git_reads_it() {
        let modules = "[submodule \"a\"]\n\tpath = skills/a\n\turl = https://h/o/a.git\n[submodule \"b c\"]\n\
                       \tURL = ../b.git\n\tpath = skills/b\n\tbranch = main\n[submodule \"d\"]\n\tpath = d\n";
        for (path, expected) in [
            ("skills/a", Some("https://h/o/a.git")),
            ("skills/b", Some("../b.git")),
            ("d", None),
            ("skills", None),
        ] {
            assert_eq!(module_url(modules, path), expected, "{path}");
        }
        for (url, base, expected) in [
            ("https://h/x", "https://k/o/r", "https://h/x"),
            ("../b.git", "https://h/o/r.git", "https://h/o/b.git"),
            ("../../p/b", "https://h/o/r/", "https://h/p/b"),
            ("./b", "https://h/o/r", "https://h/o/r/b"),
            ("../b", "git@h:o/r", "git@h:o/b"),
        ] {
            assert_eq!(absolute_http_url(url, base), expected, "{url} {base}");
        }
    }
}
