//! World: a marketplace's catalogue out of wherever it is: a tree, a URL, a host that serves
//! an index.

use url::Url;

use super::{PackageSource, World};
use ba_agent_net::http;
use ba_agent_net::policy::is_loopback;

use ba_agent_core::catalog::{MANIFESTS, MAX_BYTES, WELL_KNOWN};
use ba_agent_core::error::{Error, Kind, Result, error, printable};
use ba_agent_core::listing::Node;
use ba_agent_core::package::Package;
use ba_agent_core::path::RelPath;
use ba_agent_core::source::{Request, Source};

/// Where a marketplace is, understood.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Place {
    /// Anything that a skill can be installed from, and the catalogue in it if it was named.
    Tree { request: Box<Request>, manifest: Option<String> },
    /// The catalogue alone, by its URL: entries that are paths have nothing to start from.
    File(Url),
    /// A host, or the index that it serves.
    Served(Url),
}

/// Folders that hold a catalogue and belong to no path inside the marketplace.
const HOLDERS: [&str; 7] = [
    ".claude-plugin/",
    ".github/plugin/",
    ".agents/plugins/",
    ".cursor-plugin/",
    ".kimi-plugin/",
    ".grok-plugin/",
    ".omp-plugin/",
];

impl Place {
    /// Reads what a person writes behind `marketplace add NAME`.
    ///
    /// # Errors
    /// Those of [`Request::parse`], and `Usage` for a catalogue below one.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let place = Self::understand(text)?;
        // What is recorded is the text of the place, which must lead to it again.
        let recorded = place.text();
        if !Self::understand(&recorded).is_ok_and(|again| again.text() == recorded) {
            return Err(error!(
                Usage,
                "`{}` could be read as another catalogue when it is recorded",
                printable(text, false)
            )
            .hint(
                "a folder or repository named `marketplace.json` cannot contain a marketplace; rename it",
            ));
        }
        Ok(place)
    }

    fn understand(text: &str) -> Result<Self> {
        let text = with_host_in_lower_case(text.trim_ascii());
        let text = text.as_str();
        let (body, fragment) = text.split_once('#').map_or((text, None), |(body, rest)| (body, Some(rest)));
        let web = body.starts_with("https://") || body.starts_with("http://");
        if let Some(url) = web.then(|| Url::parse(body).ok()).flatten() {
            let bare = matches!(url.path(), "" | "/");
            if bare || (url.path().contains("/.well-known/") && url.path().ends_with("index.json")) {
                return Ok(Self::Served(url));
            }
        }
        // A slash at the end is no part of what is named; a canonical text has none.
        let Some((base, manifest)) = split_manifest(body.trim_end_matches('/')) else {
            return Ok(Self::Tree { request: Box::new(Request::parse(text)?), manifest: None });
        };
        if web {
            let url = Url::parse(body).map_err(|e| error!(Usage, "the URL cannot be read").cause(e))?;
            // As it is recorded: without a port that goes without saying.
            if !is_page(url.as_str()) {
                return Ok(Self::File(url));
            }
        }
        let base = folder_page(base);
        let base = match fragment {
            Some(reference) => format!("{base}#{reference}"),
            None => base,
        };
        match Request::parse(&base) {
            Ok(request) => Ok(Self::Tree { request: Box::new(request), manifest: Some(manifest) }),
            // The repository itself may have the name of a catalogue: `owner/marketplace.json`.
            Err(error) => match Request::parse(text) {
                Ok(request) if request.subdirectory.is_none() => {
                    Ok(Self::Tree { request: Box::new(request), manifest: None })
                }
                _ => Err(error),
            },
        }
    }

    /// The canonical text, which [`Place::parse`] reads to the same place but for the
    /// manifest of a tree.
    pub(crate) fn text(&self) -> String {
        match self {
            Self::Tree { request, .. } => request.to_string(),
            Self::File(url) | Self::Served(url) => url.to_string(),
        }
    }

    /// True when it lies on this machine, so that it may name other places of it.
    pub(crate) fn is_local(&self) -> bool {
        match self {
            Self::Tree { request, .. } => match &request.source {
                Source::Local { .. } => true,
                Source::Git { url: address }
                | Source::Archive { location: address }
                | Source::Served { url: address } => is_here(address),
                _ => false,
            },
            Self::File(url) | Self::Served(url) => is_here(url.as_str()),
        }
    }
}

/// True for a path, a `file://` and a URL of this very machine.
fn is_here(address: &str) -> bool {
    let Ok(url) = Url::parse(address) else {
        // `git@host:path` is no URL, and neither is a path.
        return !address.contains('@') || address.starts_with(['/', '.', '~']);
    };
    url.host().is_none() || is_loopback(&url)
}

fn is_web(address: &str) -> bool {
    address.split_once("://").is_some_and(|(scheme, _)| {
        scheme.eq_ignore_ascii_case("https") || scheme.eq_ignore_ascii_case("http")
    })
}

/// A web address as its host is recorded, whatever letters were typed.
fn with_host_in_lower_case(text: &str) -> String {
    let host_at = text.find("://").map_or(0, |at| at + 3);
    let end =
        text.get(host_at..).and_then(|rest| rest.find(['/', '?', '#'])).map_or(text.len(), |at| host_at + at);
    match (text.get(..end), text.get(end..)) {
        // Before the host there may be a user, whose letters are meant.
        (Some(address), Some(rest)) if is_web(address) && !address.contains('@') => {
            address.to_ascii_lowercase() + rest
        }
        _ => text.to_owned(),
    }
}

/// Hosts whose addresses of files lead into a repository.
fn is_page(url: &str) -> bool {
    let host = url.split('/').nth(2).unwrap_or_default();
    matches!(
        host,
        "github.com" | "www.github.com" | "raw.githubusercontent.com" | "gitlab.com" | "bitbucket.org"
    )
}

/// The page of a folder out of that of a file in it: `/blob/` is `/tree/`, and what a raw
/// address of GitHub leads to has a page, too.
fn folder_page(base: String) -> String {
    let raw = base
        .strip_prefix("https://raw.githubusercontent.com/")
        .map(|path| path.splitn(3, '/').collect::<Vec<_>>());
    match raw.as_deref() {
        Some([owner, repo, rest]) => format!("https://github.com/{owner}/{repo}/tree/{rest}"),
        _ if is_page(&base) => base.replacen("/blob/", "/tree/", 1),
        _ => base,
    }
}

/// `base/.claude-plugin/marketplace.json` as `base` and the rest.
fn split_manifest(text: &str) -> Option<(String, String)> {
    let slashed = text.replace('\\', "/");
    let (folder, _) = slashed.strip_suffix("marketplace.json")?.rsplit_once('/').unwrap_or(("", ""));
    if !slashed.ends_with("/marketplace.json") && slashed != "marketplace.json" {
        return None;
    }
    let holder = HOLDERS.iter().find(|holder| {
        let holder = holder.trim_end_matches('/');
        folder == holder || folder.ends_with(&format!("/{holder}"))
    });
    let base =
        holder.map_or(folder, |holder| folder.strip_suffix(holder.trim_end_matches('/')).unwrap_or(folder));
    let manifest = format!("{}marketplace.json", holder.copied().unwrap_or(""));
    let base = match base.trim_end_matches('/') {
        "" if slashed.starts_with('/') => "/",
        "" => ".",
        base => base,
    };
    Some((base.to_owned(), manifest))
}

/// The catalogue of a tree below `base`: the named one, else the first that is there.
///
/// # Errors
/// Those of fetching it; `NotFound` for a named one that is missing, `Invalid` for one that is too large, no file
/// or no text.
pub(crate) fn find(
    source: &mut PackageSource<'_>,
    base: &RelPath,
    named: Option<&str>,
) -> Result<Option<(String, String)>> {
    let at = |path: &str| base.file(path);
    let path = match named {
        Some(named) => Some(at(named)),
        None => {
            let mut all = MANIFESTS.iter().map(|(path, _)| at(path));
            all.find(|path| source.listing().entry_at(path).is_some())
        }
    };
    let Some(path) = path else { return Ok(None) };
    let tree = source.ensure_files(|entry| entry.path.as_str() == path)?;
    match text(tree, &path)? {
        Some(text) => Ok(Some((path, text))),
        None => Err(error!(NotFound, "there is no `{}`", printable(&path, false))),
    }
}

/// The text of a small file of a tree, which must be at hand; `None` where there is none.
///
/// # Errors
/// `Invalid` for one that is too large, a link, or no UTF-8.
pub(crate) fn text(tree: &Package, path: &str) -> Result<Option<String>> {
    let Some(entry) = tree.listing.entry_at(path) else { return Ok(None) };
    if !matches!(entry.node, Node::File { .. }) {
        return Err(error!(Invalid, "`{}` is not a regular file", entry.path));
    }
    if entry.size > MAX_BYTES {
        return Err(too_large(entry.path.as_str()));
    }
    let bytes = tree.read(entry)?.into_owned();
    String::from_utf8(bytes).map(Some).map_err(|_| error!(Invalid, "`{}` is not UTF-8", entry.path))
}

fn too_large(what: &str) -> Error {
    error!(
        Invalid,
        "`{}` is too large: the limit for a catalogue is {MAX_BYTES} bytes",
        printable(what, false)
    )
}

/// The text at a URL, at most as large as a catalogue may be.
///
/// # Errors
/// Those of [`Net::download`](http::Net::download), `Invalid` for too much and for no UTF-8.
pub(crate) fn download(world: &World<'_>, url: &Url) -> Result<String> {
    world.progress.begin(&format!("Fetching {}", url.host_str().unwrap_or("a catalogue")));
    let bytes = world.net().download(url.as_str(), MAX_BYTES)?;
    if http::is_web_page(&bytes) {
        let shown = printable(url.as_str(), false);
        return Err(error!(Invalid, "`{shown}` is a web page, not a catalogue")
            .hint("it may be a sign-in page of the network: open the address in a browser")
            .hint("for a repository write `owner/repo`, or its address for cloning"));
    }
    String::from_utf8(bytes).map_err(|_| error!(Invalid, "`{}` is not UTF-8", printable(url.as_str(), false)))
}

/// The index that a host serves, and its URL: the newer version, else the older one.
///
/// # Errors
/// `NotFound` when it serves neither; what else keeps one from being read.
pub(crate) fn fetch_served_index(world: &World<'_>, url: &Url) -> Result<(Url, String)> {
    if url.path().ends_with("index.json") {
        return Ok((url.clone(), download(world, url)?));
    }
    // Some sites answer for any address with their page for people.
    let mut page = None;
    for path in WELL_KNOWN {
        let mut index = url.clone();
        index.set_path(path);
        match download(world, &index) {
            Ok(text) => return Ok((index, text)),
            Err(error) if error.kind == Kind::NotFound => {}
            Err(error) if error.kind == Kind::Invalid => page = page.or(Some(error)),
            Err(error) => return Err(error),
        }
    }
    if let Some(page) = page {
        return Err(page);
    }
    Err(error!(NotFound, "{} does not serve an index of skills", url.host_str().unwrap_or("the host"))
        .hint(format!("looked for {}", WELL_KNOWN.join(" and ")))
        .hint("for a repository write its full address: `https://host/owner/repo.git`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_understood_as_they_are_written() {
        let check = |text: &str, expected: &str| {
            let shown = match Place::parse(text) {
                Ok(Place::Tree { request, manifest }) => {
                    format!("{request} {}", manifest.unwrap_or_default())
                }
                Ok(Place::File(url)) => format!("file {url}"),
                Ok(Place::Served(url)) => format!("served {url}"),
                Err(error) => format!("{:?}", error.kind),
            };
            assert_eq!(shown.trim_end(), expected, "{text}");
        };
        check("anthropics/skills", "github:anthropics/skills");
        check("https://github.com/anthropics/skills", "github:anthropics/skills");
        check("owner/repo#marketplace", "github:owner/repo#marketplace");
        check(
            "owner/repo/.agents/plugins/marketplace.json",
            "github:owner/repo .agents/plugins/marketplace.json",
        );
        check("owner/marketplace.json", "github:owner/marketplace.json");
        check("owner/repo/a@b@c/marketplace.json", "Usage");
        check("/.claude-plugin/marketplace.json/marketplace.json", "Usage");
        check("owner/marketplace.json/marketplace.json", "github:owner/marketplace.json marketplace.json");
        check("owner/repo/marketplace.json/", "github:owner/repo marketplace.json");
        check(
            "owner/repo/.agents/plugins/marketplace.json#v1",
            "github:owner/repo#v1 .agents/plugins/marketplace.json",
        );
        check(
            "https://github.com/o/r/blob/main/.claude-plugin/marketplace.json",
            "github:o/r#main .claude-plugin/marketplace.json",
        );
        check(
            "https://raw.githubusercontent.com/o/r/main/.claude-plugin/marketplace.json",
            "github:o/r#main .claude-plugin/marketplace.json",
        );
        // A host is the same in capitals; what is recorded of it is not typed that way.
        check(
            "https://rAw.githubusercontent.com/o/r/main/.claude-plugin/marketplace.json",
            "github:o/r#main .claude-plugin/marketplace.json",
        );
        check(
            "https://GitHub.com/o/r/blob/main/.claude-plugin/marketplace.json",
            "github:o/r#main .claude-plugin/marketplace.json",
        );
        check("https://rAw.githubusercontent.com/h-p$ug:W?examp.+e/marketplace.json", "Usage");
        check("https://Example.ORG/a/marketplace.json", "file https://example.org/a/marketplace.json");
        check("httPs://git/a]b/marketplace.json", "file https://git/a]b/marketplace.json");
        check("/m/\"u:///marketplace.json /", "Usage");
        check("./m/.claude-plugin/marketplace.json", "./m .claude-plugin/marketplace.json");
        check("./marketplace.json", ". marketplace.json");
        check("/marketplace.json", "/ marketplace.json");
        check(".claude-plugin/marketplace.json", ". .claude-plugin/marketplace.json");
        check("https://x.example/m/marketplace.json", "file https://x.example/m/marketplace.json");
        check("https://x.example", "served https://x.example/");
        check(
            "https://x.example/docs/.well-known/skills/index.json",
            "served https://x.example/docs/.well-known/skills/index.json",
        );
        check("./x", "./x");
        check("nothing", "Usage");
    }

    #[test]
    fn only_what_lies_here_is_local() {
        for (text, local) in [
            ("./m", true),
            ("./m.zip", true),
            ("file:///srv/m.git", true),
            ("http://127.0.0.1:9/marketplace.json", true),
            ("http://[::1]:9/m.git", true),
            ("http://localhost/", true),
            ("http://m.example/marketplace.json", false),
            ("http://m.example/m.git", false),
            ("http://m.example/m.zip", false),
            ("http://localhost.example/", false),
            ("https://m.example/", false),
            ("git@m.example:o/r.git", false),
            ("o/r", false),
        ] {
            assert_eq!(Place::parse(text).unwrap().is_local(), local, "{text}");
        }
    }

    #[test]
    fn a_place_is_read_back_from_its_text() {
        for text in [
            "anthropics/skills",
            "o/r#v1",
            "https://x.example/",
            "https://x.example/marketplace.json",
            "./m",
            "./p.zip",
            "o/marketplace.json",
            "o/marketplace.json/",
        ] {
            let place = Place::parse(text).unwrap();
            assert_eq!(Place::parse(&place.text()).unwrap(), place, "{text}");
        }
    }
}
