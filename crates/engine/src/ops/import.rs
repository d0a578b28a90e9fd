//! `skill install --from FILE`: what another tool's lock file names.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use super::gather::{self, Candidate, Choice, Gathered, SkillRequest};
use super::marketplace;
use crate::workspace::Session;
use ba_agent_core::error::{Context as _, Kind, Result, error, printable};
use ba_agent_core::interop::{self, FetchedSkill, ImportedSkill, InstalledPlugin, IntegrityClaim};
use ba_agent_core::source::{Reference, Request, Revision, Source};
use ba_agent_core::text::count_noun;
use ba_agent_system::fsx;

/// The largest lock file that is read: thousands of skills make a few MB.
const LARGEST: u64 = 64 << 20;

/// The text of the file that was named. It may be a pipe of the shell, as `<(command)` and
/// `/dev/stdin` give it; one that lies in a folder like a file is refused, since nothing may
/// ever write to it.
///
/// # Errors
/// `NotFound` where it is not there, `Invalid` for one that is too large; those of reading.
pub(crate) fn read_lock_file(path: &Path) -> Result<String> {
    let is_of_the_shell = ["/dev/stdin", "/dev/fd", "/proc"].into_iter().any(|place| path.starts_with(place));
    let file = if is_of_the_shell {
        Some(std::fs::File::open(path)?)
    } else {
        fsx::open_plain_file(path)?.map(|(file, _)| file)
    };
    let not_there = || error!(NotFound, "the lock file `{}` does not exist", path.display());
    let mut text = String::new();
    file.ok_or_else(not_there)?.take(LARGEST + 1).read_to_string(&mut text)?;
    if text.len() as u64 > LARGEST {
        return Err(error!(Invalid, "`{}` has more than {LARGEST} bytes", path.display())
            .hint("lock files have a few MB at most: is it the right file?"));
    }
    Ok(text)
}

/// What a lock file names, as its source has it.
pub(super) struct ImportedSource {
    pub(super) gathered: Gathered,
    /// What its content was when the file was written.
    pub(super) integrity: Option<IntegrityClaim>,
}

/// Reads the file and gathers the skills that it names, each at the recorded commit where
/// there is one, else as its source is now.
///
/// # Errors
/// `NotFound` and `Invalid` for the file; those of gathering; `Integrity` for content that is
/// not what the file promised of that very commit or digest.
pub(super) fn gather_imported(session: &Session<'_>, file: &Path) -> Result<Vec<ImportedSource>> {
    let path = session.env.absolute(file);
    let text = read_lock_file(&path)?;
    let shown = path.display().to_string();
    if let Some(plugins) = interop::read_installed_plugins(&shown, &text)? {
        return gather_plugins(session, &plugins, &path);
    }
    let import = interop::read_lock_file(&shown, &text)?;
    for one in &import.left_out {
        session.warn(&format!("`{}` is left out: {}", one.name, one.reason));
    }
    let folder = path.parent().unwrap_or(Path::new(".")).to_path_buf();
    let world = session.world();
    let requests: Vec<SkillRequest> =
        import.skills.iter().map(|skill| request_of(session, skill, &folder)).collect();
    let gathered = gather::gather_each(&requests, &world)?;
    let mut all = Vec::new();
    for (skill, gathered) in import.skills.iter().zip(gathered) {
        if let Some(note) = &skill.note {
            session.note(&format!("{}: {note}", skill.name));
        }
        let gathered =
            gathered.context(|| format!("`{}` of `{}` cannot be imported", skill.name, file.display()))?;
        for candidate in &gathered.candidates {
            check_promise(session, skill, candidate)?;
        }
        all.push(ImportedSource { gathered, integrity: skill.integrity.clone() });
    }
    if all.is_empty() {
        return Err(error!(NotFound, "`{}` has no skill that can be imported", file.display()));
    }
    Ok(all)
}

/// The skills of Claude Code's plugins, as their marketplaces have them: those of this project, or
/// of the user.
fn gather_plugins(
    session: &Session<'_>,
    plugins: &[InstalledPlugin],
    file: &Path,
) -> Result<Vec<ImportedSource>> {
    let here = |plugin: &&InstalledPlugin| match &plugin.project {
        Some(project) => {
            session.scope.is_project() && is_same_folder(Path::new(project), session.scope.base())
        }
        None => !session.scope.is_project(),
    };
    let (mine, others): (Vec<_>, Vec<_>) = plugins.iter().partition(here);
    if mine.is_empty() {
        let whose = if session.scope.is_project() { "this project" } else { "your user account" };
        return Err(error!(NotFound, "`{}` has no plugin that is installed for {whose}", file.display())
            .hint("`--global` imports those of your user account, `--project DIR` those of a project"));
    }
    if !others.is_empty() {
        session.note(&format!("{} for others are left out", count_noun(others.len(), "plugin")));
    }
    let (all, world) = (session.marketplaces()?, session.world());
    let mut sources = Vec::new();
    for plugin in mine {
        let name = format!("{}@{}", plugin.entry, plugin.marketplace);
        let source =
            Source::Marketplace { entry: plugin.entry.clone(), marketplace: plugin.marketplace.clone() };
        let request = Request { source, reference: Reference::Default, subdirectory: None, skill: None };
        let ask = SkillRequest { choice: Choice::All, ..SkillRequest::of(request) };
        let gathered = match marketplace::gather(&ask, &all, &world, &mut |_| Ok(Vec::new())) {
            Ok(gathered) => gathered,
            Err(error) if error.kind == Kind::NotFound && all.get(&plugin.marketplace).is_ok() => {
                // Many plugins bring commands or servers, and no skills.
                session.warn(&format!("`{}` is left out: {}", printable(&name, false), error.message));
                continue;
            }
            Err(error) => {
                let known = file.with_file_name("known_marketplaces.json");
                return Err(error
                    .wrap(format!("the plugin `{}` cannot be imported", printable(&name, false)))
                    .hint(format!(
                        "to register what Claude Code has registered: `ba-agent marketplace add --from {}`",
                        known.display()
                    )));
            }
        };
        if let (Some(then), Revision::Commit(now)) = (&plugin.commit, &gathered.resolved.pin)
            && then != now
        {
            session.note(&format!(
                "{}: Claude Code has it at {}, its marketplace names {} now, and that is taken",
                printable(&name, false),
                then.short(),
                now.short()
            ));
        }
        sources.push(ImportedSource { gathered, integrity: None });
    }
    if sources.is_empty() {
        return Err(error!(NotFound, "`{}` has no plugin with skills", file.display()));
    }
    Ok(sources)
}

fn is_same_folder(one: &Path, other: &Path) -> bool {
    one == other || matches!((one.canonicalize(), other.canonicalize()), (Ok(one), Ok(other)) if one == other)
}

pub(super) fn request_of(session: &Session<'_>, skill: &ImportedSkill, folder: &Path) -> SkillRequest {
    let mut request = skill.request.clone();
    // Paths of a lock file start from where it stands, not from where we are.
    if let Source::Local { path: text } | Source::Archive { location: text } = &mut request.source
        && !text.contains("://")
    {
        let path: PathBuf = folder.join(&*text);
        *text = path.display().to_string();
    }
    let integrity = match &skill.integrity {
        Some(IntegrityClaim::Archive(digest)) => Some(digest.clone()),
        _ => None,
    };
    SkillRequest {
        choice: skill.choice.clone().map_or(Choice::Only, |name| Choice::Named(vec![name])),
        commit: skill.commit.clone(),
        integrity,
        ..SkillRequest::of(session.anchor(request))
    }
}

/// Holds what came against what the lock file says of it.
fn check_promise(session: &Session<'_>, skill: &ImportedSkill, candidate: &Candidate) -> Result<()> {
    let Some(promise) = &skill.integrity else { return Ok(()) };
    let (digest, files) = candidate.digest()?;
    let pin = candidate.pin_record();
    let archive = pin.archive.as_deref().and_then(|text| text.parse().ok());
    let content = FetchedSkill { digest, files, tree: pin.tree.as_deref(), archive: archive.as_ref() };
    match promise.is_kept(&content, |path| candidate.read(path))? {
        Some(false) if skill.commit.is_some() || matches!(promise, IntegrityClaim::Digest(_)) => {
            Err(error!(Integrity, "`{}` does not match the lock file", skill.name)
                .cause(format!("expected: {promise}"))
                .cause(format!("received: {digest}"))
                .hint("nothing was changed; install it from its source if you trust what is there now"))
        }
        Some(false) => {
            session.warn(&format!("{}: its source has changed since the lock file was written", skill.name));
            Ok(())
        }
        Some(true) | None => Ok(()),
    }
}
