//! `skill verify`: what stands on the disk, held against the registry to the last byte. Only reads.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::settle::open_session;
use crate::install_dirs::RecordedLink;
use crate::install_state::{self, Drift, DriftKind, FolderState};
use crate::workspace::{Observer, Session, Workspace};
use ba_agent_core::agents::InstallTarget;
use ba_agent_core::digest::{self, Digest, Files};
use ba_agent_core::error::{Kind, Result, printable};
use ba_agent_core::registry::{InstallMode, LockEntry, Registry};
use ba_agent_core::skill::SkillName;
use ba_agent_core::source::{Request, Source};
use ba_agent_core::text::count_noun;
use ba_agent_system::fsx;

use super::installed::find_installed;
use super::revoked::{RevocationKnowledge, RevokedSkill, find_revoked};
use ba_agent_system::parallel;

/// One difference.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// As a person names it, from the base of the scope.
    pub path: String,
    pub what: DriftKind,
    /// What stands there instead; always said of whole folders and links.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// The link that would mend it without touching anything that is there.
    #[serde(skip)]
    pub(crate) relink: Option<Relink>,
}

impl Fault {
    /// True when the whole folder is not there, so that there are no edits to look at.
    pub fn is_whole(&self) -> bool {
        self.what == DriftKind::Missing && self.detail.is_some()
    }
}

/// A link that could be made again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Relink {
    pub(crate) root: PathBuf,
    pub(crate) at: PathBuf,
    pub(crate) target: PathBuf,
}

/// One skill and every way in which it is not what was recorded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Verified {
    pub name: SkillName,
    /// What its tree must hash to.
    pub(crate) digest: Digest,
    pub faults: Vec<Fault>,
}

/// What stands on the disk, beside the registry.
#[derive(Debug)]
pub struct VerifyReport {
    /// `project` or `user`.
    pub scope: &'static str,
    pub skills: Vec<Verified>,
    /// What makes the differences harmless, if something does, and what to do.
    pub harmless: Vec<String>,
    /// Skills that their registries took down, as far as this machine knows.
    pub revoked: Vec<RevokedSkill>,
}

impl VerifyReport {
    /// How many skills are not as they were recorded.
    pub fn drifted(&self) -> usize {
        self.skills.iter().filter(|one| !one.faults.is_empty()).count()
    }

    /// What the outcome is when something differs.
    pub fn failure(&self) -> Option<Kind> {
        (self.drifted() > 0 || !self.revoked.is_empty()).then_some(Kind::Integrity)
    }
}

/// Checks the files of the named skills, or of all, against the registry, to the last byte.
/// Opens no connection, writes nothing.
///
/// # Errors
/// `NotFound` for a name that is not installed; those of [`verify_skills`].
pub fn verify(workspace: &Workspace, names: &[String], observer: &dyn Observer) -> Result<VerifyReport> {
    let session = open_session(workspace, observer)?;
    let skills = verify_settled(&session, names)?;
    let registry = session.store.read()?;
    let checked = skills.iter().filter_map(|one| registry.skills.get_key_value(&one.name));
    let revoked = find_revoked(checked, RevocationKnowledge::Kept, &session.world())?;
    let root = session
        .places
        .roots(&[InstallTarget::default()])
        .first()
        .map(|root| session.places.shown_to_user(root));
    let harmless = describe_harmless_extras(&skills, &root.unwrap_or_default());
    Ok(VerifyReport { scope: session.scope.name(), skills, harmless, revoked })
}

/// What is found once no other command is in the middle of a change: who reads registry
/// and folders while they are swapped sees differences that are none.
fn verify_settled(session: &Session<'_>, names: &[String]) -> Result<Vec<Verified>> {
    let registry = session.store.read()?;
    let verified = verify_named(session, names, &registry)?;
    let is_clean = verified.iter().all(|one| one.faults.is_empty());
    if is_clean || (!session.store.needs_recovery() && session.store.read()? == registry) {
        return Ok(verified);
    }
    // Looked at again with the lock held. Cannot it be had, for instance where nothing can
    // be written, what was found is what there is to say.
    match session.begin() {
        Ok(held) => verify_named(session, names, held.registry()),
        Err(_) => Ok(verified),
    }
}

fn verify_named(session: &Session<'_>, names: &[String], registry: &Registry) -> Result<Vec<Verified>> {
    let names = match names {
        [] => registry.skills.keys().cloned().collect(),
        names => find_installed(names, registry, &session.places)?,
    };
    verify_skills(&names, registry, session)
}

/// One folder of one skill.
struct FolderCheck<'a> {
    skill: usize,
    entry: &'a LockEntry,
    root: PathBuf,
    at: PathBuf,
    /// The folder that holds the files, for the links to it.
    first: PathBuf,
    is_first: bool,
    /// The link that belongs here, where one does.
    link: Option<RecordedLink>,
}

/// Reads every byte of `names` in every target, several folders at a time. What cannot be
/// read is a fault like any other, so that one bad folder hides nothing about the rest.
///
/// # Errors
/// `Usage` for a target in the registry that is none.
pub(crate) fn verify_skills(
    names: &[SkillName],
    registry: &Registry,
    session: &Session<'_>,
) -> Result<Vec<Verified>> {
    let (mut verified, mut jobs) = (Vec::new(), Vec::new());
    for (name, entry) in names.iter().filter_map(|name| registry.skills.get_key_value(name)) {
        let roots = session.places.roots_of(entry)?;
        let first = roots.first().map(|root| root.join(name.as_str())).unwrap_or_default();
        jobs.extend(roots.iter().enumerate().map(|(n, root)| FolderCheck {
            skill: verified.len(),
            entry,
            at: root.join(name.as_str()),
            root: root.clone(),
            first: first.clone(),
            is_first: n == 0,
            link: session.places.recorded_link(name, entry, &roots, n),
        }));
        let faults = record(name, entry).into_iter().collect();
        verified.push(Verified { name: name.clone(), digest: entry.digest.clone(), faults });
    }
    let found = parallel::run_jobs(
        parallel::count_cores(),
        &jobs,
        || session.observer.check_cancelled(),
        |job| Ok(verify_one_folder(job, session)),
    )?;
    for (job, faults) in jobs.iter().zip(found) {
        if let Some(one) = verified.get_mut(job.skill) {
            one.faults.extend(faults);
        }
    }
    Ok(verified)
}

/// The registry held against itself: who edits the hash of a file in it, but not the digest,
/// is found out here.
fn record(name: &SkillName, entry: &LockEntry) -> Option<Fault> {
    let sum = digest::digest_of_files(&entry.files);
    (sum != entry.digest).then(|| Fault {
        path: format!("registry: {name}"),
        what: DriftKind::Record,
        detail: Some(format!("its files make {sum}, its digest says {}", entry.digest)),
        relink: None,
    })
}

fn verify_one_folder(job: &FolderCheck<'_>, session: &Session<'_>) -> Vec<Fault> {
    let here = || session.places.shown_to_user(&job.at);
    let found = match install_state::inspect_folder(&job.at) {
        Ok(found) => found,
        Err(error) => return vec![fault(here(), DriftKind::Unreadable, error.message)],
    };
    match job.entry.mode {
        InstallMode::Live => verify_live_link(job, &found, session).into_iter().collect(),
        InstallMode::Link if !job.is_first => link(job, &found, &here()).into_iter().collect(),
        InstallMode::Copy | InstallMode::Link => folder(job, found, &here()),
    }
}

fn fault(path: String, what: DriftKind, detail: String) -> Fault {
    Fault { path, what, detail: Some(detail), relink: None }
}

/// A place that holds the files themselves.
fn folder(job: &FolderCheck<'_>, found: FolderState, here: &str) -> Vec<Fault> {
    let recorded = &job.entry.files;
    let whole = count_noun(recorded.len(), "file");
    match found {
        FolderState::Folder(files) => {
            let drifts = install_state::drift_in(&job.at, recorded, &files);
            drifts.iter().map(|drift| file(drift, recorded, &files, here)).collect()
        }
        FolderState::Missing => {
            vec![fault(here.to_owned(), DriftKind::Missing, format!("the whole skill, {whole}"))]
        }
        FolderState::Link(to) => {
            let detail = format!("a link to `{}` where the folder was", shown(&to));
            vec![fault(here.to_owned(), DriftKind::Changed, detail)]
        }
        FolderState::File => {
            vec![fault(here.to_owned(), DriftKind::Changed, "a file where the folder was".to_owned())]
        }
    }
}

fn file(drift: &Drift, recorded: &Files, found: &Files, here: &str) -> Fault {
    let mode = |files: &Files| files.get(&drift.path).and_then(|line| line.get(..6)).map(str::to_owned);
    let detail = match (mode(recorded), mode(found)) {
        (Some(was), Some(is)) if was != is => {
            Some(format!("{}, was {}", kind_of_file_mode(&is), kind_of_file_mode(&was)))
        }
        _ => None,
    };
    Fault { path: format!("{here}/{}", drift.path), what: drift.change, detail, relink: None }
}

/// A git mode in words.
fn kind_of_file_mode(mode: &str) -> &'static str {
    match mode {
        "100644" => "a plain file",
        "100755" => "executable",
        "120000" => "a link",
        _ => "not a regular file or link",
    }
}

/// A place that is a link to the first one.
fn link(job: &FolderCheck<'_>, found: &FolderState, here: &str) -> Option<Fault> {
    let way = fsx::relative(&job.root, &job.first).unwrap_or_else(|| job.first.clone());
    let (what, detail) = match found {
        // A link as it was made needs no second look: is the first place gone, that is said there.
        FolderState::Link(to) if *to == way || is_same(&job.at, &job.first) => return None,
        FolderState::Link(to) => {
            (DriftKind::Link, format!("points at `{}` instead of `{}`", shown(to), shown(&way)))
        }
        FolderState::Missing => (DriftKind::Missing, format!("the link to `{}`", shown(&way))),
        FolderState::Folder(_) => {
            (DriftKind::Changed, format!("a folder where the link to `{}` was", shown(&way)))
        }
        FolderState::File => (DriftKind::Changed, format!("a file where the link to `{}` was", shown(&way))),
    };
    let can = matches!(found, FolderState::Missing | FolderState::Link(_)) && is_folder(&job.first);
    Some(Fault { relink: can.then(|| relink(job, way)), ..fault(here.to_owned(), what, detail) })
}

/// A place that is a live link to the author's folder: it must lead there, to a skill. What
/// the skill says is the author's business.
fn verify_live_link(job: &FolderCheck<'_>, found: &FolderState, session: &Session<'_>) -> Option<Fault> {
    let author = author_folder_of_live(job.entry, session)?;
    let (what, detail) = match found {
        FolderState::Link(_) if !author.exists() => (
            DriftKind::Link,
            format!("points at its author's folder `{}`, which no longer exists", shown(&author)),
        ),
        FolderState::Link(to) if !is_same(&job.at, &author) => {
            (DriftKind::Link, format!("points at `{}` instead of `{}`", shown(to), shown(&author)))
        }
        FolderState::Link(_) if job.at.join("SKILL.md").is_file() => return None,
        FolderState::Link(to) => {
            (DriftKind::Link, format!("points at `{}`, which has no SKILL.md", shown(to)))
        }
        FolderState::Missing => (DriftKind::Missing, format!("the live link to `{}`", shown(&author))),
        _ => (DriftKind::Changed, format!("no longer the live link to `{}`", shown(&author))),
    };
    let can = matches!(found, FolderState::Missing | FolderState::Link(_)) && author.is_dir();
    let text = job.link.as_ref().filter(|_| can).map(|link| link.text.clone());
    let fault = fault(session.places.shown_to_user(&job.at), what, detail);
    Some(Fault { relink: text.map(|text| relink(job, text)), ..fault })
}

/// What makes all these differences harmless, if something does, and what to do.
fn describe_harmless_extras(verified: &[Verified], skills: &str) -> Vec<String> {
    let faults = verified.iter().flat_map(|one| &one.faults);
    install_state::harmless_hints(faults.map(|fault| fault.what), skills)
}

/// The folder that a live link leads to; none where the record names no folder.
fn author_folder_of_live(entry: &LockEntry, session: &Session<'_>) -> Option<PathBuf> {
    let Source::Local { path } = Request::parse(&entry.source).ok()?.source else { return None };
    let folder = session.env.from(session.scope.base(), &path);
    Some(entry.path.as_ref().map_or_else(|| folder.clone(), |below| folder.join(below)))
}

fn relink(job: &FolderCheck<'_>, target: PathBuf) -> Relink {
    Relink { root: job.root.clone(), at: job.at.clone(), target }
}

/// True when both lead to one folder that is there.
fn is_same(a: &Path, b: &Path) -> bool {
    matches!((std::fs::canonicalize(a), std::fs::canonicalize(b)), (Ok(a), Ok(b)) if a == b)
}

fn is_folder(path: &Path) -> bool {
    std::fs::symlink_metadata(path).is_ok_and(|meta| meta.is_dir())
}

fn shown(path: &Path) -> String {
    printable(&path.to_string_lossy(), false)
}

#[cfg(test)]
#[cfg(unix)]
mod mutations;
