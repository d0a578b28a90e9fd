//! `skill pin` and `skill unpin`: a skill is held at a commit, or may move again.

use std::sync::Arc;

use super::apply::{self, Report};
use super::gather::{self, Offered};
use super::installed::find_one_installed;
use super::plan::{
    Action, Content, InstallReason, Plan, Step, Wanted, error_of_edited_skill, still_clean,
    user_edits_of_skill,
};
use super::settle::open_session;
use super::supply::TRIES;
use crate::fetch::{self, OpenOptions, PackageSource, World};
use crate::workspace::{Observer, Session, Workspace};
use ba_agent_core::agents::InstallTarget;
use ba_agent_core::error::{Result, error, printable};
use ba_agent_core::registry::{LockEntry, ReferenceRecord, Registry};
use ba_agent_core::skill::SkillName;
use ba_agent_core::source::{Reference, Request, Resolved, Revision, Sha};
use ba_agent_git::Extent;
use ba_agent_git::Remote;

/// Which skill is held, and where.
#[derive(Debug, Default)]
pub struct PinOptions {
    pub name: String,
    /// The commit, 40 hex digits, or the version of a registry's skill; without it what is installed.
    pub sha: Option<String>,
    /// Give up edits.
    pub force: bool,
}

/// Holds a skill at a commit: `update` leaves it there.
///
/// # Errors
/// `NotFound` for a name that is not installed, or a commit that its repository does not have;
/// `Usage` for a skill whose source has no commits; `Conflict` for local edits (unless forced);
/// those of [`apply::apply`].
pub fn pin(workspace: &Workspace, options: &PinOptions, observer: &dyn Observer) -> Result<Report> {
    let session = open_session(workspace, observer)?;
    for _ in 0..TRIES {
        // Nobody waits for a host while the lock is held: what was looked at before it was
        // taken has to be what is there under it.
        let registry = session.store.read()?;
        let step = plan_pin(&session, options, &registry)?;
        let transaction = session.begin()?;
        if transaction.registry().skills.get(&step.name) == registry.skills.get(&step.name) {
            let plan = Plan { steps: vec![step] };
            let names = plan.steps.iter().filter(|step| step.action != Action::Keep);
            let seen = session.places.inspect_recorded(names.map(|step| &step.name), &registry)?;
            still_clean(&plan, &seen, options.force)?;
            return apply::apply(plan, transaction, &session, "pin");
        }
    }
    Err(error!(Conflict, "other commands keep changing `{}`", printable(&options.name, false))
        .hint("wait for them to end, then run the command again"))
}

fn plan_pin(session: &Session<'_>, options: &PinOptions, registry: &Registry) -> Result<Step> {
    let name = find_one_installed(&options.name, registry, &session.places)?;
    let entry = registry.skills[&name].clone();
    if let Some(version) = options.sha.as_deref().filter(|_| entry.kind == "registry") {
        return pin_version(session, name, entry, version, registry, options.force);
    }
    let sha: Option<Sha> = options.sha.as_deref().map(str::parse).transpose()?;
    match sha {
        Some(sha) if entry.pin.commit.as_deref() != Some(sha.as_str()) => {
            move_to(session, name, entry, &sha, registry, options.force)
        }
        _ if entry.pin.commit.is_none() && entry.pin.archive.is_none() => {
            Err(error!(Usage, "`{name}` comes from {}, which has no commits", entry.source)
                .hint("only skills from git and archives can be held"))
        }
        _ => Ok(change_record(name, &entry, LockEntry { pinned: true, ..entry.clone() })),
    }
}

/// Holds a registry's skill at a version, which is not the installed one perhaps.
fn pin_version(
    session: &Session<'_>,
    name: SkillName,
    entry: LockEntry,
    version: &str,
    registry: &Registry,
    force: bool,
) -> Result<Step> {
    let asked = Request::parse(&entry.source)?.with_flags(Some(version), None, None)?;
    if asked.reference.exact_version().is_none() {
        return Err(error!(Usage, "`{}` is not one version", printable(version, false))
            .hint(format!("write it whole: `ba-agent skill pin {name} 1.2.0`")));
    }
    let world = session.world();
    let source = fetch::open_source(&asked, OpenOptions::default(), &world)?;
    if source.resolved.pin == entry.pin.to_revision()? {
        return Ok(change_record(name, &entry, LockEntry { pinned: true, ..entry.clone() }));
    }
    let drift = user_edits_of_skill(&entry, &session.inspect_one(&name, registry)?);
    if !drift.is_empty() && !force {
        return Err(error_of_edited_skill(&name, &drift, "pin"));
    }
    let wanted = held_in_source(&name, &entry, source, &world)?;
    let content = Some(Content::Found(Box::new(wanted)));
    let gives_up_edits = !drift.is_empty();
    Ok(Step { name, action: Action::Replace, content, before: Some(entry), gives_up_edits })
}

/// Lets a held skill move again.
///
/// # Errors
/// `NotFound` for a name that is not installed; those of [`apply::apply`].
pub fn unpin(workspace: &Workspace, name: &str, observer: &dyn Observer) -> Result<Report> {
    let session = open_session(workspace, observer)?;
    let transaction = session.begin()?;
    let name = find_one_installed(name, transaction.registry(), &session.places)?;
    let entry = transaction.registry().skills[&name].clone();
    // A commit does not move: what was asked for by sha follows the default branch now.
    let reference = entry.reference.clone().filter(|asked| !matches!(asked, ReferenceRecord::Sha(_)));
    let step = change_record(name, &entry, LockEntry { pinned: false, reference, ..entry.clone() });
    apply::apply(Plan { steps: vec![step] }, transaction, &session, "unpin")
}

/// The step that replaces a skill by what it is at another commit.
fn move_to(
    session: &Session<'_>,
    name: SkillName,
    entry: LockEntry,
    sha: &Sha,
    registry: &Registry,
    force: bool,
) -> Result<Step> {
    let drift = user_edits_of_skill(&entry, &session.inspect_one(&name, registry)?);
    if !drift.is_empty() && !force {
        return Err(error_of_edited_skill(&name, &drift, "pin"));
    }
    let wanted = at_commit(&name, &entry, sha, &session.world())?;
    let content = Some(Content::Found(Box::new(wanted)));
    let gives_up_edits = !drift.is_empty();
    Ok(Step { name, action: Action::Replace, content, before: Some(entry), gives_up_edits })
}

fn change_record(name: SkillName, before: &LockEntry, after: LockEntry) -> Step {
    let content = Some(Content::Noted(Box::new(after)));
    Step { name, action: Action::Keep, content, before: Some(before.clone()), gives_up_edits: false }
}

/// A skill at a commit that a person names, held there.
///
/// # Errors
/// `NotFound` when the repository or the skill is not there, `Invalid` when it breaks the rules.
fn at_commit(name: &SkillName, entry: &LockEntry, sha: &Sha, world: &World<'_>) -> Result<Wanted> {
    let request = Request::parse(&entry.source)?;
    if !request.source.is_git() {
        return Err(error!(Usage, "`{name}` comes from {}, which has no commits", entry.source));
    }
    // What was asked for stays recorded, so that `unpin` follows it again.
    let reference = entry.reference.as_ref().map_or(Ok(Reference::Default), ReferenceRecord::to_reference)?;
    let pin = Revision::Commit(sha.clone());
    let resolved = Resolved { source: request.source, reference, chosen: None, pin, subdirectory: None };
    let remote = Remote::open(&resolved.source, &world.git)?;
    let source = PackageSource::of_commit(remote, resolved, Extent::Partial)?;
    held_in_source(name, entry, source, world)
}

/// A recorded skill as it is in an opened state of its source, to be held there.
fn held_in_source(
    name: &SkillName,
    entry: &LockEntry,
    mut source: PackageSource<'_>,
    world: &World<'_>,
) -> Result<Wanted> {
    // What was asked for stays recorded, so that `unpin` follows it again.
    source.resolved.reference =
        entry.reference.as_ref().map_or(Ok(Reference::Default), ReferenceRecord::to_reference)?;
    let offered = Offered::default();
    gather::ensure_again(&mut source, &[(name, entry)], &offered, world)?;
    let (resolved, fetched) = source.into_package(&[], |_| false)?;
    let fetched = Arc::new(fetched);
    let candidate =
        gather::candidate_fetched_again(name, entry, (&fetched, &offered), Arc::new(resolved), world)?;
    let targets = entry.targets.iter().map(|text| InstallTarget::parse(text)).collect::<Result<_>>()?;
    let reason = InstallReason::Kept;
    Ok(Wanted { candidate, targets, mode: entry.mode, pinned: true, enabled: entry.enabled, keep: 0, reason })
}
