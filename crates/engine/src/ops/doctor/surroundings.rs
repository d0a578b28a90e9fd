//! What the program needs around it: folders, tokens, programs, libraries.

use std::path::{Path, PathBuf};

use super::{DoctorContext, DoctorFinding, Examination, shown};
use crate::ops::marketplace::{CopyAge, is_live};
use crate::store::marketplaces::Marketplaces;
use ba_agent_core::error::{Result, printable};
use ba_agent_core::registry::Registry;
use ba_agent_core::source::{Request, Source};
use ba_agent_core::text::count_noun;
use ba_agent_git::{self as git, ssh};
use ba_agent_system::env::Env;
use ba_agent_system::fsx;

/// The oldest libgit2 that is sound: seven fixes of 2026, see `Cargo.toml`.
const LIBGIT2: (u32, u32, u32) = (1, 9, 7);

/// Registry, cache and data folder: where they are, and whether they can be used.
pub(super) fn examine_own_folders(context: &DoctorContext<'_>, seen: &mut Examination) {
    let env = &context.session.env;
    seen.fact("scope", context.session.scope.name());
    seen.fact("base", &shown(context.session.scope.base()));
    seen.fact("registry", &shown(context.session.store.registry_file()));
    let places: [(&'static str, Result<PathBuf>, &str); 2] = [
        (
            "cache",
            env.cache_dir(),
            "the cache for --offline cannot be written; set BA_AGENT_CACHE_DIR to a writable folder",
        ),
        ("data", env.data_dir(), "`rollback` will not work; set BA_AGENT_DATA_DIR to a writable folder"),
    ];
    for (code, place, hint) in places {
        match place {
            Ok(folder) => {
                seen.fact(code, &shown(&folder));
                if let Err(why) = fsx::check_writable(&folder) {
                    let message = format!("the {code} folder `{}` cannot be used", shown(&folder));
                    seen.add(DoctorFinding::wrong(code, message).details(vec![why]).hint(hint));
                }
            }
            Err(error) => seen.add(DoctorFinding::of_error(code, &error)),
        }
    }
}

/// How old the copies of catalogues are; one that is old is worth a word.
pub(super) fn examine_catalogue_copies(
    context: &DoctorContext<'_>,
    all: &Marketplaces,
    seen: &mut Examination,
) {
    let copies = all.enabled().filter(|(_, known)| !is_live(known));
    let copies = copies.map(|(name, known)| (name.as_str(), known.fetched_at));
    let Some(age) = CopyAge::of_oldest(copies, context.session.env.now) else { return };
    seen.fact("catalogues", &format!("as of {}", age.words));
    if age.is_old() {
        let message = format!("the copies of catalogues are as of {}", age.words);
        seen.add(
            DoctorFinding::note("catalogues", message)
                .hint("`ba-agent marketplace update` fetches them again"),
        );
    }
}

/// What is kept for projects that are gone. It is not removed here: a project may lie on a
/// disk that is not there today.
pub(super) fn examine_abandoned_states(context: &DoctorContext<'_>, seen: &mut Examination) {
    let abandoned = context.session.store.state_dir().abandoned();
    if !abandoned.is_empty() {
        let what =
            format!("the history of {} that no longer exists there", count_noun(abandoned.len(), "project"));
        let details =
            abandoned.iter().map(|(project, kept)| format!("{} in {}", shown(project), shown(kept)));
        seen.add(
            DoctorFinding::note("history", what)
                .details(details.collect())
                .hint("only `rollback` reads it; if the project will not come back, remove the folder"),
        );
    }
}

/// Folders of ours that another user owns, which mostly means that `sudo` ran here once: what
/// is written there next fails.
pub(super) fn examine_folder_owners(context: &DoctorContext<'_>, roots: &[PathBuf], seen: &mut Examination) {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt as _;
        let us = rustix::process::geteuid().as_raw();
        let base = context.session.scope.base();
        let registry = context.session.store.registry_file();
        let workspace = context.session.store.state_dir().folder();
        let mut places: Vec<PathBuf> = roots
            .iter()
            .flat_map(|root| {
                root.ancestors()
                    .take_while(|at| *at != base && at.starts_with(base))
                    .map(Path::to_path_buf)
                    .collect::<Vec<_>>()
            })
            .collect();
        places.extend(
            [registry, fsx::parent(registry), workspace, fsx::parent(workspace)].map(Path::to_path_buf),
        );
        places.sort();
        places.dedup();
        for place in places {
            let Ok(meta) = std::fs::metadata(&place) else { continue };
            if meta.uid() != us && us != 0 && fsx::check_writable(&place).is_err() {
                let owner = if meta.uid() == 0 { "root".to_owned() } else { format!("user {}", meta.uid()) };
                let message = format!("`{}` belongs to {owner} and cannot be written", shown(&place));
                let hint = format!("fix the owner: `sudo chown -R $(id -un) {}`", shown(&place));
                seen.add(DoctorFinding::wrong("owner", message).hint(hint));
            }
        }
    }
    #[cfg(not(unix))]
    let _ = (context, roots, seen);
}

pub(super) fn versions(seen: &mut Examination) {
    seen.fact("version", env!("CARGO_PKG_VERSION"));
    let found = git::library_version();
    let text = |(major, minor, patch): (u32, u32, u32)| format!("{major}.{minor}.{patch}");
    seen.fact("libgit2", &text(found));
    if let Some(fault) = too_old(found) {
        seen.add(fault.hint("build again with the lock file of this project: `cargo install --locked`"));
    }
}

fn too_old(found: (u32, u32, u32)) -> Option<DoctorFinding> {
    let text = |(major, minor, patch): (u32, u32, u32)| format!("{major}.{minor}.{patch}");
    let message =
        format!("this program was built with libgit2 {}, older than {}", text(found), text(LIBGIT2));
    (found < LIBGIT2).then(|| DoctorFinding::wrong("libgit2", message))
}

/// Hosts that skills come from, and whether a token is set for them: a fact and no finding, since
/// public repositories need none, and one that does says so where it is fetched.
pub(super) fn examine_tokens(context: &DoctorContext<'_>, registry: &Registry, seen: &mut Examination) {
    let set = &context.session.settings;
    let hosts = [
        ("github", set.hosts.github_token.is_some(), "GITHUB_TOKEN"),
        ("gitlab", set.hosts.gitlab_token.is_some(), "GITLAB_TOKEN"),
        ("bitbucket", set.hosts.bitbucket_token.is_some(), "BITBUCKET_TOKEN"),
    ];
    let mut tokens = Vec::new();
    for (kind, is_set, variable) in hosts {
        let from = registry.skills.values().filter(|entry| entry.kind == kind).count();
        if from > 0 {
            let token = if is_set { format!("{variable} is set") } else { format!("{variable} is not set") };
            tokens.push(format!("{kind} ({}): {token}", count_noun(from, "skill")));
        }
    }
    if !tokens.is_empty() {
        seen.fact("tokens", &tokens.join(", "));
    }
}

/// The programs of other people that may be started: ssh, and what git's credential helpers
/// need. They are looked for, not run.
pub(super) fn examine_needed_programs(
    context: &DoctorContext<'_>,
    registry: &Registry,
    seen: &mut Examination,
) {
    let env = &context.session.env;
    let git = find("git", env);
    let shown_or =
        |found: &Option<PathBuf>| found.as_ref().map_or("not found".to_owned(), |path| shown(path));
    seen.fact("git", &shown_or(&git));
    let over_ssh = registry.skills.values().filter(|entry| is_ssh(&entry.source)).count();
    let world = context.session.world();
    let ssh = match ssh::find_program(world.net()) {
        Ok(words) => words.first().cloned().unwrap_or_default(),
        // Nobody who needs no ssh wants to hear of a setting for it.
        Err(_) if over_ssh == 0 => return seen.fact("ssh", "not usable as it is configured"),
        Err(error) => return seen.add(DoctorFinding::of_error("ssh", &error)),
    };
    let found = find(&ssh, env);
    seen.fact("ssh", &shown_or(&found));
    if over_ssh > 0 && found.is_none() {
        let message = format!("{} over ssh, and there is no program `{ssh}`", count_noun(over_ssh, "skill"));
        seen.add(DoctorFinding::wrong("ssh", message).hint("install an ssh client, or name one in GIT_SSH"));
    }
}

/// Skills of a project whose source others with the project do not have.
pub(super) fn examine_sources_of_one_machine(
    context: &DoctorContext<'_>,
    registry: &Registry,
    seen: &mut Examination,
) {
    let of_one_machine = registry.skills.iter().filter(|(_, entry)| {
        Request::parse(&entry.source).is_ok_and(|request| request.source.is_of_this_machine())
    });
    let named: Vec<String> =
        of_one_machine.map(|(name, entry)| printable(&format!("{name}: {}", entry.source), false)).collect();
    if context.session.scope.is_project() && !named.is_empty() {
        let what = format!("the sources of {} are on this machine alone", count_noun(named.len(), "skill"));
        seen.add(
            DoctorFinding::warning("machine", what)
                .details(named)
                .hint("others with the project cannot restore them: put them into the project or a repository, then run `ba-agent skill update NAME --source SOURCE`"),
        );
    }
}

/// True for `ssh://host/x` and `git@host:x`.
fn is_ssh(source: &str) -> bool {
    match Request::parse(source).map(|request| request.source) {
        Ok(Source::Git { url }) => url.starts_with("ssh://") || !url.contains("://"),
        _ => false,
    }
}

/// The file that a program's name stands for: a path, or what `PATH` has.
fn find(program: &str, env: &Env) -> Option<PathBuf> {
    if program.contains(std::path::is_separator) {
        return Some(env.absolute(Path::new(program))).filter(|path| path.is_file());
    }
    let folders = env.var("PATH").map(std::env::split_paths)?;
    let names = [program.to_owned(), format!("{program}.exe")];
    let names = if cfg!(windows) { &names[..] } else { &names[..1] };
    folders.flat_map(|folder| names.iter().map(move |name| folder.join(name))).find(|path| path.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_library_in_this_program_is_new_enough() {
        assert_eq!(too_old(git::library_version()), None);
        assert_eq!(too_old((1, 9, 7)), None);
        assert_eq!(too_old((2, 0, 0)), None);
        assert!(
            too_old((1, 9, 6)).is_some_and(|finding| finding.message.contains("1.9.6, older than 1.9.7"))
        );
    }

    #[test]
    fn a_folder_that_cannot_be_used_says_why() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(fsx::check_writable(&dir.path().join("not/yet/there")), Ok(()));
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0, "nothing was made to find out");
        std::fs::write(dir.path().join("file"), "").unwrap();
        assert!(fsx::check_writable(&dir.path().join("file/below")).unwrap_err().contains("not a folder"));
    }

    #[test]
    fn ssh_sources_are_known() {
        for (source, expected) in [
            ("git@example.org:o/r.git", true),
            ("ssh://git@example.org/o/r", true),
            ("https://example.org/o/r.git", false),
            ("file:///srv/r.git", false),
            ("github:o/r", false),
            ("./x", false),
        ] {
            assert_eq!(is_ssh(source), expected, "{source}");
        }
    }

    #[test]
    fn a_program_is_found_in_the_path_or_by_its_own() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("bin")).unwrap();
        let name = if cfg!(windows) { "tool.exe" } else { "tool" };
        std::fs::write(dir.path().join("bin").join(name), "").unwrap();
        let path = dir.path().join("bin").display().to_string();
        let env = Env::isolated(dir.path(), &[("PATH", &path)]);
        assert_eq!(find("tool", &env), Some(dir.path().join("bin").join(name)));
        assert_eq!(find("other", &env), None);
        assert_eq!(find(&format!("bin/{name}"), &env), Some(dir.path().join("bin").join(name)));
        assert_eq!(find("bin/other", &env), None);
    }
}
