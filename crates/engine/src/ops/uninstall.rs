//! `skill uninstall`: skills leave every target and the registry, or single targets.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::apply::{self, Report};
use super::ask::LISTED;
use super::installed::find_installed;
use super::plan::{self, Action, Content, Plan, Step, error_of_edited_skill, user_edits_of_skill};
use super::recorded::{Recorded, RecordedFiles};
use super::settle::open_session;
use super::supply::Supply;
use crate::fetch::local::open_folder;
use crate::install_state::{DriftKind, InstallState};
use crate::skill_graph::read_graph;
use crate::workspace::{Observer, Session, Workspace};
use ba_agent_core::agents::InstallTarget;
use ba_agent_core::dependency_graph::DependencyGraph;
use ba_agent_core::error::{Result, error};
use ba_agent_core::path::RelPath;
use ba_agent_core::registry::{InstallMode, LockEntry, Registry};
use ba_agent_core::skill::SkillName;
use ba_agent_core::text::list_some;

/// What is removed, and how.
#[derive(Debug, Default)]
pub struct UninstallOptions {
    /// Skills as a person names them.
    pub names: Vec<String>,
    /// Edited skills too, and those that others need; what was edited is kept for `rollback`.
    pub force: bool,
    /// Also what came along with other skills and is needed by none any more; without names that
    /// alone.
    pub prune: bool,
}

/// Removes skills from every target and from the registry.
///
/// # Errors
/// `NotFound` for a name that is not installed; `Conflict` for a skill that was edited or that
/// others need (unless forced) and where another command holds the lock; those of
/// [`apply::apply`].
pub fn uninstall(
    workspace: &Workspace,
    options: &UninstallOptions,
    observer: &dyn Observer,
) -> Result<Report> {
    let session = open_session(workspace, observer)?;
    // Before the lock is taken: who mistyped a name does not wait for another command.
    let names = find_installed(&options.names, &session.store.read()?, &session.places)?;
    let transaction = session.begin()?;
    let registry = transaction.registry();
    let names = with_orphans(names, registry, options, &session)?;
    let seen = session.places.inspect_recorded(names.iter(), registry)?;
    let plan = plan::uninstall(&names, registry, &seen, options.force)?;
    for name in
        names.iter().filter(|name| registry.skills.get(*name).is_some_and(|entry| entry.kind == "own"))
    {
        session.warn(&format!(
            "`{name}` has no source to install it from again: `ba-agent skill rollback {name}` brings it back, as long as this is among the last 20 changes"
        ));
    }
    apply::apply(plan, transaction, &session, "uninstall")
}

/// The skills that leave, with those that nothing needs any more where they are to go too.
///
/// # Errors
/// `Conflict` for what a skill that stays needs.
fn with_orphans(
    mut names: Vec<SkillName>,
    registry: &Registry,
    options: &UninstallOptions,
    session: &Session<'_>,
) -> Result<Vec<SkillName>> {
    let graph = read_graph(registry, session);
    let mut leaving: BTreeSet<&str> = BTreeSet::new();
    leaving.extend(registry.skills.keys().filter(|name| names.contains(name)).map(SkillName::as_str));
    let orphans = graph.orphans(&leaving);
    if options.prune {
        leaving.extend(&orphans);
    }
    if !options.force {
        check_not_needed(&graph, &leaving, &orphans)?;
    }
    let known = |name: &&str| registry.skills.keys().find(|known| known.as_str() == *name).cloned();
    if options.prune {
        names.extend(orphans.iter().filter_map(known));
    } else if !orphans.is_empty() {
        session.note(&format!(
            "needed by nothing any more: {}; `ba-agent skill uninstall --prune` removes what came along like this",
            list_some(&orphans, LISTED)
        ));
    }
    Ok(names)
}

/// # Errors
/// `Conflict` where a skill that stays needs one that leaves.
fn check_not_needed(graph: &DependencyGraph, leaving: &BTreeSet<&str>, orphans: &[&str]) -> Result<()> {
    let by = graph.dependents();
    let stays =
        |one: &&&str| !leaving.contains(**one) && graph.skills.get(**one).is_some_and(|skill| skill.enabled);
    let needed = leaving.iter().find_map(|name| {
        let by: Vec<&str> = by.get(name)?.iter().filter(stays).copied().collect();
        (!by.is_empty()).then_some((*name, by))
    });
    let Some((name, by)) = needed else { return Ok(()) };
    let all = graph.dependents_of_all(leaving);
    let together: Vec<&str> = leaving.iter().chain(&all).copied().collect();
    let error = error!(Conflict, "`{name}` is needed by {}", list_some(&by, LISTED));
    let error = match all.iter().all(|one| orphans.contains(one)) {
        true => error.hint(format!(
            "what came along with it goes too with `ba-agent skill uninstall {} --prune`",
            leaving.iter().copied().collect::<Vec<_>>().join(" ")
        )),
        false => {
            error.hint(format!("to remove them together: `ba-agent skill uninstall {}`", together.join(" ")))
        }
    };
    Err(error.hint("`--force` removes it and leaves them without it"))
}

/// Takes skills away from single targets; a skill that has no other leaves altogether. Where the
/// files were in the folder of a target that goes, the next target has them from now on.
///
/// # Errors
/// As [`uninstall`]; `NotFound` for a target that a skill is not installed in.
pub fn uninstall_from_targets(
    workspace: &Workspace,
    options: &UninstallOptions,
    targets: &[String],
    observer: &dyn Observer,
) -> Result<Report> {
    let session = open_session(workspace, observer)?;
    let leaving: Vec<String> =
        targets.iter().map(|text| Ok(InstallTarget::parse(text)?.to_string())).collect::<Result<_>>()?;
    let names = find_installed(&options.names, &session.store.read()?, &session.places)?;
    let transaction = session.begin()?;
    let registry = transaction.registry();
    let seen = session.places.inspect_recorded(names.iter(), registry)?;
    check_leaving(&names, &leaving, registry, options, &session)?;
    let (mut steps, mut taken) = (Vec::new(), Vec::new());
    for name in &names {
        let Some(entry) = registry.skills.get(name) else { continue };
        let rest = remaining_targets(name, entry, &leaving)?;
        if rest.is_empty() {
            steps.extend(plan::uninstall(std::slice::from_ref(name), registry, &seen, options.force)?.steps);
            taken.push(None);
            continue;
        }
        let state = seen.get(name).cloned().unwrap_or_default();
        let reduced = LockEntry { targets: rest, ..entry.clone() };
        taken.push(Some(places_taken(entry, &reduced, &session)?));
        steps.push(step_to_fewer_targets(name, entry, reduced, &state, &session)?);
    }
    let mut report = apply::apply(Plan { steps }, transaction, &session, "uninstall")?;
    for (done, taken) in report.skills.iter_mut().zip(taken) {
        if let Some(taken) = taken {
            done.places = taken;
        }
    }
    Ok(report)
}

/// # Errors
/// `Conflict` where a skill that has no other target is needed by one that stays.
fn check_leaving(
    names: &[SkillName],
    targets: &[String],
    registry: &Registry,
    options: &UninstallOptions,
    session: &Session<'_>,
) -> Result<()> {
    let goes = |name: &&SkillName| {
        let entry = registry.skills.get(*name);
        entry.is_some_and(|entry| entry.targets.iter().all(|target| targets.contains(target)))
    };
    let leaving: BTreeSet<&str> = names.iter().filter(goes).map(SkillName::as_str).collect();
    if options.force || leaving.is_empty() {
        return Ok(());
    }
    let graph = read_graph(registry, session);
    let orphans = graph.orphans(&leaving);
    check_not_needed(&graph, &leaving, &orphans)
}

/// The targets of a skill without those that leave.
///
/// # Errors
/// `NotFound` for one that it does not have.
fn remaining_targets(name: &SkillName, entry: &LockEntry, leaving: &[String]) -> Result<Vec<String>> {
    if let Some(missing) = leaving.iter().find(|target| !entry.targets.contains(target)) {
        return Err(error!(NotFound, "`{name}` is not installed for `{missing}`")
            .hint(format!("it is installed for {}", entry.targets.join(", "))));
    }
    Ok(entry.targets.iter().filter(|target| !leaving.contains(target)).cloned().collect())
}

/// The folders that no remaining target reads, as a person names them.
fn places_taken(before: &LockEntry, after: &LockEntry, session: &Session<'_>) -> Result<Vec<String>> {
    let kept = session.places.roots_of(after)?;
    let gone = session.places.roots_of(before)?.into_iter().filter(|root| !kept.contains(root));
    Ok(gone.map(|root| session.places.shown_to_user(&root)).collect())
}

fn step_to_fewer_targets(
    name: &SkillName,
    entry: &LockEntry,
    reduced: LockEntry,
    state: &InstallState,
    session: &Session<'_>,
) -> Result<Step> {
    let drift = user_edits_of_skill(entry, state);
    let first =
        |entry: &LockEntry| Ok(session.places.roots_of(entry)?.first().map(|root| root.join(name.as_str())));
    let (had, has): (Result<_>, Result<_>) = (first(entry), first(&reduced));
    let (had, has) = (had?, has?);
    let keeps_first = entry.mode == InstallMode::Link && had == has;
    if !keeps_first && drift.iter().any(|one| one.change != DriftKind::Missing) {
        return Err(error_of_edited_skill(name, &drift, "uninstall")
            .hint(format!("to discard the edits first: `ba-agent skill restore {name}`")));
    }
    let recorded = match (entry.mode, had) {
        _ if keeps_first => Recorded::in_place(&reduced),
        (InstallMode::Live, _) => {
            let world = session.world();
            Supply::new(&world, vec![session.cache.clone()]).recorded(name, &reduced, &entry.digest)?
        }
        (_, Some(folder)) => {
            let package = open_folder(&folder, &[], &session.settings.limits)?;
            let files = RecordedFiles::Fetched(Arc::new(package), RelPath::ROOT);
            Recorded { digest: entry.digest.clone(), files, entry: reduced }
        }
        (_, None) => Recorded::in_place(&reduced),
    };
    Ok(Step {
        name: name.clone(),
        action: Action::Replace,
        content: Some(Content::Recorded(Box::new(recorded))),
        before: Some(entry.clone()),
        gives_up_edits: false,
    })
}
