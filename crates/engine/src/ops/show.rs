//! `skill show`: everything about one skill, installed or not.

use jiff::Timestamp;
use serde::Serialize;

use super::settle::open_session;
use crate::fetch::World;
use crate::install_state::InstallStates;
use crate::store::marketplaces::Marketplaces;
use crate::workspace::{Observer, Session, Workspace};
use ba_agent_core::error::{Error, Kind, Result, error, printable};
use ba_agent_core::registry::{LockEntry, Registry};
use ba_agent_core::skill::{Finding, SkillName};
use ba_agent_core::source::Request;
use ba_agent_core::text::find_nearest;

use super::gather::{Candidate, Choice, SkillRequest};
use super::installed::match_installed;
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
}

/// Everything about an installed skill, or about the skills of a source, which are not installed.
///
/// # Errors
/// `NotFound` for what is neither an installed skill nor a source, with the nearest name; those
/// of fetching a source.
pub fn show(workspace: &Workspace, options: &ShowOptions, observer: &dyn Observer) -> Result<Vec<SkillView>> {
    let session = open_session(workspace, observer)?;
    let registry = session.store.read()?;
    let installed = match_installed(&options.what, &registry).cloned();
    if let Some(name) = installed.filter(|_| options.skill.is_none() && options.reference.is_none()) {
        let seen = session.places.inspect_recorded(std::iter::once(&name), &registry)?;
        return Ok(vec![view_installed(&name, &registry.skills[&name], &seen)]);
    }
    session.note_typed(&options.what);
    let all = session.marketplaces()?;
    let world = session.world();
    let request = marketplace::request(&options.what, None, &all, &world).map_err(|error| {
        let is_ambiguous = error.kind != Kind::NotFound && all.enabled().next().is_some();
        if is_ambiguous { error } else { unknown_word(&options.what, error, &registry) }
    })?;
    show_source(&session, options, request, &all, &world)
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

fn show_source(
    session: &Session<'_>,
    options: &ShowOptions,
    request: Request,
    all: &Marketplaces,
    world: &World<'_>,
) -> Result<Vec<SkillView>> {
    let request = session.anchor(request.with_flags(options.reference.as_deref(), None, None)?);
    let mut names: Vec<String> = options.skill.iter().cloned().collect();
    names.extend(request.skill.clone());
    let request = SkillRequest {
        choice: if names.is_empty() { Choice::All } else { Choice::Named(names) },
        ..SkillRequest::of(request)
    };
    let gathered = marketplace::gather(&request, all, world, &mut |_| Ok(Vec::new()))?;
    for note in &gathered.notes {
        session.warn(note);
    }
    for skipped in &gathered.skipped {
        session.warn(&format!("{} is not valid: {}", skipped.path, skipped.reason));
    }
    let now = session.env.now;
    let views: Vec<SkillView> =
        gathered.candidates.iter().map(|candidate| view_candidate(candidate, now)).collect::<Result<_>>()?;
    if views.is_empty() {
        return Err(Error::new(Kind::NotFound, "there is nothing to show"));
    }
    Ok(views)
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
        findings: candidate.document.findings.clone(),
    })
}
