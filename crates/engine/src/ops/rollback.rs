//! `skill rollback`: back to the state before an earlier change.

pub(super) mod plan;

use std::collections::BTreeMap;

use super::apply::{self, Report};
use super::settle::open_session;
use super::supply::{Supply, try_until_settled};
use crate::history::Change;
use crate::install_state::InstallStates;
use crate::workspace::{Observer, Session, Workspace};
use ba_agent_core::agents::InstallTarget;
use ba_agent_core::error::Result;
use ba_agent_core::registry::Registry;
use ba_agent_core::skill::SkillName;
use plan::{find_name, plan, state, wanted};

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

/// Goes back to the state before the last change, or an earlier one.
///
/// # Errors
/// Those of [`find_name`], [`state`], [`plan`] and [`apply::apply`]; `Conflict` where other
/// commands change these skills all the time.
pub fn rollback(workspace: &Workspace, options: &RollbackOptions, observer: &dyn Observer) -> Result<Report> {
    let session = open_session(workspace, observer)?;
    let world = session.world();
    let supply = Supply::new(&world, vec![session.cache.clone(), session.store.history().kept_trees_cache()]);
    try_until_settled(&supply, || attempt(&session, options, &supply))
}

/// Plans and does it; `None` where another command changed something between. Nobody waits
/// for a host while the lock is held: what was planned before it was taken has to be what is
/// planned under it.
fn attempt(session: &Session<'_>, options: &RollbackOptions, supply: &Supply<'_>) -> Result<Option<Report>> {
    let registry = session.store.read()?;
    let state = state_here(session, options, &registry)?;
    let wanted = wanted(&state, &registry);
    supply.prepare(&wanted)?;
    let seen = inspect_places(session, &state, &registry)?;
    let planned = plan(&state, &registry, &seen, supply, options.force)?;
    if options.dry_run {
        planned.check_recorded(session.observer)?;
        return Report::of_plan(planned, &session.places, session.env.now).map(Some);
    }
    let transaction = session.begin()?;
    let is_same = *transaction.registry() == registry && state_here(session, options, &registry)? == state;
    if !is_same || supply.lacks_any_recorded(&wanted) {
        return Ok(None);
    }
    let seen = inspect_places(session, &state, &registry)?;
    let planned = plan(&state, &registry, &seen, supply, options.force)?;
    apply::apply(planned, transaction, session, "rollback").map(Some)
}

/// What stands at the places of these skills, and at those that they were in before.
fn inspect_places(
    session: &Session<'_>,
    state: &BTreeMap<SkillName, Change>,
    registry: &Registry,
) -> Result<InstallStates> {
    let targets = |change: &Change| -> Result<Vec<InstallTarget>> {
        let texts = change.before.iter().flat_map(|entry| &entry.targets);
        texts.map(|text| InstallTarget::parse(text)).collect()
    };
    let places: Vec<(&SkillName, Vec<InstallTarget>)> =
        state.iter().map(|(name, change)| Ok((name, targets(change)?))).collect::<Result<_>>()?;
    session.places.inspect(places.iter().map(|(name, targets)| (*name, &targets[..])), registry)
}

fn state_here(
    session: &Session<'_>,
    options: &RollbackOptions,
    registry: &Registry,
) -> Result<BTreeMap<SkillName, Change>> {
    let records = session.store.history().records()?;
    let name = options.name.as_deref().map(|name| find_name(name, registry, &records));
    state(&records, name.transpose()?.as_ref(), options.to)
}
