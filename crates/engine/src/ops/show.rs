//! `skill show`: everything about one skill, installed or not, up to the text of its files.

use jiff::Timestamp;
use serde::Serialize;

use super::settle::open_session;
use crate::fetch::World;
use crate::install_state::InstallStates;
use crate::store::marketplaces::Marketplaces;
use crate::unmanaged;
use crate::workspace::{Observer, Session, Workspace};
use ba_agent_core::error::{Error, Kind, Result, error, printable};
use ba_agent_core::listing::Limits;
use ba_agent_core::path::RelPath;
use ba_agent_core::registry::{LockEntry, Registry};
use ba_agent_core::skill::{self, Finding, MANIFEST, Profile, SkillName};
use ba_agent_core::source::Request;
use ba_agent_core::text::find_nearest;
use ba_agent_system::fsx;

use super::gather::{Candidate, Choice, SkillRequest};
use super::installed::{error_of_unmanaged, match_installed};
use super::installed_state::installed_state;
use super::marketplace;

/// What is shown.
#[derive(Debug, Default)]
pub struct ShowOptions {
    /// The name of an installed skill, or a source as `install` takes it.
    pub what: String,
    /// The skill of the source.
    pub skill: Option<String>,
    /// Branch, tag, sha or version range of the source.
    pub reference: Option<String>,
    /// The instructions of each skill are wanted also where several are shown.
    pub with_bodies: bool,
}

/// Everything about an installed skill, or about the skills of a source, which are not installed.
///
/// # Errors
/// `NotFound` for what is neither an installed skill nor a source, with the nearest name; those
/// of fetching a source.
pub fn show(workspace: &Workspace, options: &ShowOptions, observer: &dyn Observer) -> Result<Vec<SkillView>> {
    let session = open_session(workspace, observer)?;
    match find_shown(&session, options, Choice::All)? {
        Shown::Installed { registry, name } => {
            let seen = session.places.inspect_recorded(std::iter::once(&name), &registry)?;
            let mut view = view_installed(&name, &registry.skills[&name], &seen);
            // A skill that is gone from the disk is shown as the registry has it.
            if let Ok(bytes) = read_installed(&session, &name, &registry.skills[&name], MANIFEST) {
                view.body = Some(body_of(&bytes, &session.settings.limits));
            }
            Ok(vec![view])
        }
        Shown::Offered(candidates) => {
            let (now, limits) = (session.env.now, &session.settings.limits);
            let with_bodies = options.with_bodies || candidates.len() == 1;
            let views = candidates.iter().map(|candidate| {
                let mut view = view_candidate(candidate, now)?;
                if with_bodies {
                    view.body = Some(body_of(&candidate.read_manifest()?, limits));
                }
                Ok(view)
            });
            views.collect()
        }
    }
}

/// The bytes of one file of a skill, installed or not, as they are.
///
/// # Errors
/// `Usage` for a path that leads out of the skill, and where several skills are meant; `NotFound`
/// where the skill has no such file, with the nearest; those of [`show`].
pub fn show_file(
    workspace: &Workspace,
    options: &ShowOptions,
    path: &str,
    observer: &dyn Observer,
) -> Result<Vec<u8>> {
    let path = RelPath::parse(path.trim_start_matches("./").as_bytes()).map_err(|why| {
        error!(Usage, "`{}` is not a path in a skill: it {why}", printable(path, false))
            .hint("write it as `ba-agent skill show` lists it")
    })?;
    let session = open_session(workspace, observer)?;
    match find_shown(&session, options, Choice::Sole)? {
        Shown::Installed { registry, name } => {
            read_installed(&session, &name, &registry.skills[&name], path.as_str())
        }
        Shown::Offered(candidates) => match &candidates[..] {
            [candidate] => {
                let paths = candidate.entries();
                if !paths.iter().any(|entry| entry.path == path) {
                    let paths = paths.iter().map(|entry| entry.path.as_str());
                    return Err(no_such_file(candidate.name.as_str(), path.as_str(), paths));
                }
                candidate.read(path.as_str())
            }
            several => {
                Err(error!(Usage, "a file is shown of one skill, and the source has {}", several.len())
                    .hint("add `--skill NAME`"))
            }
        },
    }
}

/// The record of one skill, installed or of a source.
///
/// # Errors
/// Those of [`show`]; `Usage` for a source with several skills.
pub(crate) fn find_one(session: &Session<'_>, options: &ShowOptions) -> Result<(SkillName, LockEntry)> {
    match find_shown(session, options, Choice::Sole)? {
        Shown::Installed { mut registry, name } => match registry.skills.remove(&name) {
            Some(entry) => Ok((name, entry)),
            None => Err(error!(NotFound, "there is nothing to show")),
        },
        Shown::Offered(candidates) => {
            let one = candidates.first().ok_or_else(|| error!(NotFound, "there is nothing to show"))?;
            let (digest, files) = one.digest()?.clone();
            Ok((one.name.clone(), one.record(digest, files, session.env.now)))
        }
    }
}

/// What is meant by the words of a person.
enum Shown {
    Installed {
        registry: Registry,
        name: SkillName,
    },
    /// At least one.
    Offered(Vec<Candidate>),
}

/// Finds what is meant; of a source of which no skill is named, `unnamed`.
fn find_shown(session: &Session<'_>, options: &ShowOptions, unnamed: Choice) -> Result<Shown> {
    let registry = session.store.read()?;
    let installed = match_installed(&options.what, &registry).cloned();
    if let Some(name) = installed.filter(|_| options.skill.is_none() && options.reference.is_none()) {
        return Ok(Shown::Installed { registry, name });
    }
    session.note_typed(&options.what);
    let all = session.marketplaces()?;
    let world = session.world();
    let request = marketplace::request(&options.what, None, &all, &world).map_err(|error| {
        if let Some(path) = unmanaged::find_by_hand(&options.what, &session.places) {
            return error_of_unmanaged(&options.what, &path);
        }
        let is_ambiguous = error.kind != Kind::NotFound && all.enabled().next().is_some();
        if is_ambiguous { error } else { unknown_word(&options.what, error, &registry) }
    })?;
    let unnamed = (unnamed, request);
    gather_shown(session, options, unnamed, &all, &world).map(Shown::Offered)
}

/// The bytes of a file of an installed skill, from the first of its folders that has it.
fn read_installed(session: &Session<'_>, name: &SkillName, entry: &LockEntry, path: &str) -> Result<Vec<u8>> {
    let roots = session.places.roots_of(entry)?;
    let mut folders = roots.iter().map(|root| root.join(name.as_str())).filter(|folder| folder.is_dir());
    let Some(folder) = folders.next() else {
        return Err(error!(NotFound, "the folder of `{name}` is missing")
            .hint("`ba-agent skill install` restores what the registry records"));
    };
    let file = folder.join(path);
    session.places.check_inside("file of a skill", &file)?;
    match fsx::read_plain_file(&file, session.settings.limits.file)? {
        Some(bytes) => Ok(bytes),
        None => Err(no_such_file(name.as_str(), path, entry.files.keys().map(String::as_str))),
    }
}

fn no_such_file<'a>(name: &str, path: &str, paths: impl Iterator<Item = &'a str>) -> Error {
    let error = error!(NotFound, "`{name}` has no file `{}`", printable(path, false));
    match find_nearest(path, paths) {
        Some(near) => error.hint(format!("did you mean `{near}`?")),
        None => error.hint(format!("`ba-agent skill show {name}` lists its files")),
    }
}

/// The instructions of a manifest: what stands behind its frontmatter.
fn body_of(manifest: &[u8], limits: &Limits) -> String {
    let text = String::from_utf8_lossy(manifest);
    let read = skill::read_manifest(MANIFEST, None, manifest, Profile::Install, limits);
    let behind = text.split_inclusive('\n').skip(read.body_starts_line.saturating_sub(1));
    behind.collect::<String>().trim_start_matches(['\r', '\n']).to_owned()
}

/// A word that is no source was probably meant as a name.
fn unknown_word(what: &str, error: Error, registry: &Registry) -> Error {
    if Request::bare_name(what).is_none() {
        return error;
    }
    let mut error = error!(NotFound, "no skill named `{}` is installed here", printable(what, false));
    if let Some(hint) = find_nearest(what, registry.skills.keys().map(SkillName::as_str)) {
        error = error.hint(format!("did you mean `{hint}`?"));
    }
    error.hint("for a skill that is not installed give its source, for example owner/repo@NAME")
}

fn gather_shown(
    session: &Session<'_>,
    options: &ShowOptions,
    (unnamed, request): (Choice, Request),
    all: &Marketplaces,
    world: &World<'_>,
) -> Result<Vec<Candidate>> {
    let request = session.anchor(request.with_flags(options.reference.as_deref(), None, None)?);
    let mut names: Vec<String> = options.skill.iter().cloned().collect();
    names.extend(request.skill.clone());
    let request = SkillRequest {
        choice: if names.is_empty() { unnamed } else { Choice::Named(names) },
        ..SkillRequest::of(request)
    };
    let gathered = marketplace::gather(&request, all, world, &mut |_| Ok(Vec::new()))?;
    for note in &gathered.notes {
        session.warn(note);
    }
    for skipped in &gathered.skipped {
        session.warn(&format!("{} is not valid: {}", skipped.path, skipped.reason));
    }
    if gathered.candidates.is_empty() {
        return Err(Error::new(Kind::NotFound, "there is nothing to show"));
    }
    Ok(gathered.candidates)
}

/// What `show` shows.
#[derive(Debug, Serialize)]
pub struct SkillView {
    pub name: SkillName,
    pub installed: bool,
    /// `ok`, `edited` or `missing`, for an installed skill.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<&'static str>,
    #[serde(flatten)]
    pub entry: LockEntry,
    /// Bytes of all files, where they are known.
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes: Option<u64>,
    /// The instructions: the manifest without its frontmatter.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    pub findings: Vec<Finding>,
}

/// How much a skill is.
pub struct Files {
    pub count: usize,
    pub bytes: Option<u64>,
}

impl SkillView {
    pub fn size(&self) -> Files {
        Files { count: self.entry.files.len(), bytes: self.bytes }
    }
}

/// An installed skill.
fn view_installed(name: &SkillName, entry: &LockEntry, seen: &InstallStates) -> SkillView {
    SkillView {
        name: name.clone(),
        installed: true,
        state: Some(installed_state(name, entry, seen)),
        entry: entry.clone(),
        bytes: None,
        body: None,
        findings: Vec::new(),
    }
}

/// A skill that could be installed.
///
/// # Errors
/// Those of [`Candidate::digest`].
fn view_candidate(candidate: &Candidate, now: Timestamp) -> Result<SkillView> {
    let (digest, files) = candidate.digest()?.clone();
    Ok(SkillView {
        name: candidate.name.clone(),
        installed: false,
        state: None,
        entry: candidate.record(digest, files, now),
        bytes: Some(candidate.entries().iter().map(|entry| entry.size).sum()),
        body: None,
        findings: candidate.document.findings.clone(),
    })
}
