//! `skill rollback`: back to the state before an earlier change.

pub(super) mod plan;

use std::collections::BTreeMap;

use super::apply::{self, Done, Report};
use super::ask::{Ask, Attendance};
use super::plan::{Action, Plan};
use super::relocate::{Relocation, relocation_step};
use super::settle::open_session;
use super::supply::{Supply, try_until_settled};
use crate::history::{Change, Record};
use crate::install_state::InstallStates;
use crate::workspace::{Observer, Session, Workspace};
use ba_agent_core::agents::InstallTarget;
use ba_agent_core::error::{Result, error};
use ba_agent_core::registry::{LockEntry, Registry};
use ba_agent_core::skill::SkillName;
use ba_agent_core::text::{count_noun, format_age, list_some};
use plan::{find_name, plan, records_undone, state, wanted};

/// How far it goes back.
#[derive(Debug, Default)]
pub struct RollbackOptions {
    /// Only this skill, as a person names it.
    pub name: Option<String>,
    /// Back before the change of this number; without it, before the last one.
    pub to: Option<u64>,
    /// Discard edits made since then.
    pub force: bool,
    /// Change nothing.
    pub dry_run: bool,
}

/// What was rolled back.
#[derive(Debug)]
pub struct RollbackReport {
    pub skills: Vec<Done>,
    /// The changes that were undone, newest first.
    pub undone: Vec<Record>,
}

/// Goes back to the state before the last change, or an earlier one. Where that takes installed
/// skills away, a person is asked.
///
/// # Errors
/// Those of [`find_name`], [`state`], [`plan`] and [`apply::apply`]; `Usage` where the person does
/// not agree; `Conflict` where other commands change these skills all the time.
pub fn rollback(
    workspace: &Workspace,
    options: &RollbackOptions,
    ask: &mut dyn Ask,
    observer: &dyn Observer,
) -> Result<RollbackReport> {
    let session = open_session(workspace, observer)?;
    let world = session.world();
    let supply = Supply::new(&world, vec![session.cache.clone(), session.store.history().kept_trees_cache()]);
    let mut undoing = Undoing { changes: Vec::new(), agreed: BTreeMap::new(), ask };
    let report = try_until_settled(&supply, || attempt(&session, options, &supply, &mut undoing))?;
    Ok(RollbackReport { skills: report.skills, undone: undoing.changes })
}

/// What is being undone, and what of it a person agreed to.
struct Undoing<'a> {
    changes: Vec<Record>,
    agreed: BTreeMap<SkillName, Change>,
    ask: &'a mut dyn Ask,
}

/// Plans and does it; `None` where another command changed something between. Nobody waits
/// for a host or a person while the lock is held: what was planned before it was taken has to be
/// what is planned under it.
fn attempt(
    session: &Session<'_>,
    options: &RollbackOptions,
    supply: &Supply<'_>,
    undoing: &mut Undoing<'_>,
) -> Result<Option<Report>> {
    let registry = session.store.read()?;
    let (state, changes) = state_here(session, options, &registry)?;
    let wanted = wanted(&state, &registry);
    supply.prepare(&wanted)?;
    let seen = inspect_places(session, &state, &registry)?;
    let planned = plan_here(session, &state, &registry, &seen, supply, options.force)?;
    undoing.changes = changes;
    if options.dry_run {
        planned.check_recorded(session.observer)?;
        return Report::of_plan(planned, &session.places, session.env.now).map(Some);
    }
    if undoing.agreed != state {
        agree_to_undo(&planned, session, undoing)?;
        undoing.agreed.clone_from(&state);
    }
    let transaction = session.begin()?;
    let is_same = *transaction.registry() == registry && state_here(session, options, &registry)?.0 == state;
    if !is_same || supply.lacks_any_recorded(&wanted) {
        return Ok(None);
    }
    let seen = inspect_places(session, &state, &registry)?;
    let planned = plan_here(session, &state, &registry, &seen, supply, options.force)?;
    apply::apply(planned, transaction, session, "rollback").map(Some)
}

/// The plan of [`plan`]; a skill that only lay elsewhere goes back with the edits that it has.
///
/// # Errors
/// Those of [`plan`] and of [`relocation_step`].
fn plan_here(
    session: &Session<'_>,
    state: &BTreeMap<SkillName, Change>,
    registry: &Registry,
    seen: &InstallStates,
    supply: &Supply<'_>,
    force: bool,
) -> Result<Plan> {
    let mut rest = state.clone();
    let mut steps = Vec::new();
    for (name, change) in state {
        let (Some(before), Some(after)) = (registry.skills.get(name), &change.before) else { continue };
        if change.edited.is_none() && lies_elsewhere(before, after) {
            let one = Relocation { name: name.clone(), before: before.clone(), after: after.clone() };
            steps.push(relocation_step(&one, registry, session, supply)?);
            rest.remove(name);
        }
    }
    steps.extend(plan(&rest, registry, seen, supply, force)?.steps);
    steps.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(Plan { steps })
}

/// True for two records of the same files, of which one is disabled somewhere.
fn lies_elsewhere(one: &LockEntry, other: &LockEntry) -> bool {
    let is_moved = one.enabled != other.enabled || one.disabled_for != other.disabled_for;
    is_moved && one.digest == other.digest && one.mode == other.mode
}

/// What is undone, in a line: `change 4: install of pdf, 2 min ago`.
pub fn describe_undone(changes: &[Record], now: jiff::Timestamp) -> String {
    let title = |record: &Record| format!("{}, {}", record.title(), format_age(record.at, now));
    match changes {
        [one] => title(one),
        [newest, .., oldest] => {
            format!("{}, from {} back to {}", count_noun(changes.len(), "change"), newest.id, title(oldest))
        }
        [] => "nothing".to_owned(),
    }
}

/// Asks a person before installed skills are taken away.
///
/// # Errors
/// `Usage` where the person does not agree, `Interrupted` when they leave.
fn agree_to_undo(planned: &Plan, session: &Session<'_>, undoing: &mut Undoing<'_>) -> Result<()> {
    let removed = planned.steps.iter().filter(|step| step.action == Action::Remove);
    let removed: Vec<&str> = removed.map(|step| step.name.as_str()).collect();
    if removed.is_empty() || undoing.ask.attendance() != Attendance::Person {
        return Ok(());
    }
    let what = describe_undone(&undoing.changes, session.env.now);
    let question = format!("Undo {what}? This removes {}.", list_some(&removed, 8));
    if undoing.ask.consent(&question, None)? {
        return Ok(());
    }
    Err(error!(Usage, "not confirmed; nothing was changed"))
}

/// What stands at the places of these skills, and at those that they were in before.
fn inspect_places(
    session: &Session<'_>,
    state: &BTreeMap<SkillName, Change>,
    registry: &Registry,
) -> Result<InstallStates> {
    let targets = |change: &Change| match &change.before {
        Some(entry) => session.places.targets_of(entry),
        None => Ok(Vec::new()),
    };
    let places: Vec<(&SkillName, Vec<InstallTarget>)> =
        state.iter().map(|(name, change)| Ok((name, targets(change)?))).collect::<Result<_>>()?;
    session.places.inspect(places.iter().map(|(name, targets)| (*name, &targets[..])), registry)
}

fn state_here(
    session: &Session<'_>,
    options: &RollbackOptions,
    registry: &Registry,
) -> Result<(BTreeMap<SkillName, Change>, Vec<Record>)> {
    let records = session.store.history().records()?;
    let name = options.name.as_deref().map(|name| find_name(name, registry, &records)).transpose()?;
    let state = state(&records, name.as_ref(), options.to)?;
    Ok((state, records_undone(records, name.as_ref(), options.to)))
}
