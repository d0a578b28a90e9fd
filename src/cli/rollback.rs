//! `ba-agent skill rollback [NAME]`.

use clap::Args;
use clap_complete::engine::ArgValueCandidates;

use super::completions::installed_names;
use super::{Context, Place};
use crate::error::{Result, error};
use crate::history::Change;
use crate::ops::apply::Report;
use crate::ops::plan::{Action, Plan};
use crate::ops::restore::{Supply, TRIES};
use crate::ops::rollback;
use crate::registry::Registry;
use crate::skill::SkillName;
use std::collections::BTreeMap;

/// Go back to the state before the last change, or an earlier one.
#[derive(Debug, Args)]
#[command(
    long_about = "Go back to the state before the last change, or an earlier one.\n\n\
        Works offline: what the last 20 changes removed is kept with their record, \
        whatever happens to the cache. Edits that `--force` discarded come back too. A rollback is a change of its own, and can be \
        rolled back.",
    after_help = "Examples:\n  ba-agent skill rollback\n  ba-agent skill rollback pdf\n  \
        ba-agent skill history && ba-agent skill rollback --to 7"
)]
pub(crate) struct Rollback {
    /// Only this skill.
    #[arg(value_name = "NAME", add = ArgValueCandidates::new(installed_names))]
    name: Option<String>,
    /// Go back to the state before the change of this number.
    #[arg(long, value_name = "NUMBER")]
    to: Option<u64>,
    /// Discard edits made since then.
    #[arg(long, short)]
    force: bool,
    /// Show what would be done, without changing anything.
    #[arg(long)]
    dry_run: bool,
}

impl Rollback {
    pub(crate) fn run(self, cx: &Context<'_>) -> Result<u8> {
        let place = cx.place()?;
        let world = cx.world(&place);
        let supply = Supply::new(&world, vec![place.cache.clone(), place.store.history().trees()]);
        for _ in 0..TRIES {
            let lost = supply.lost();
            match self.attempt(cx, &place, &supply) {
                Ok(Some(report)) => {
                    self.tell(cx, &report);
                    return Ok(0);
                }
                Ok(None) => {}
                Err(_) if supply.lost() > lost => {}
                Err(error) => return Err(error),
            }
        }
        Err(error!(Conflict, "other commands keep changing these skills")
            .hint("wait for them to end, then run the command again"))
    }

    /// Plans and does it; `None` where another command changed something between. Nobody waits
    /// for a host while the lock is held: what was planned before it was taken has to be what is
    /// planned under it.
    fn attempt(&self, cx: &Context<'_>, place: &Place, supply: &Supply<'_>) -> Result<Option<Report>> {
        let registry = place.store.read()?;
        let state = self.state(&registry, place)?;
        let wanted = rollback::wanted(&state, &registry);
        supply.prepare(&wanted)?;
        let plan = self.plan(&state, &registry, place, supply)?;
        if self.dry_run {
            plan.check_recorded()?;
            return Report::of_plan(plan, &place.places, cx.env.now).map(Some);
        }
        let transaction = place.store.begin(&cx.waiting())?;
        let is_same = *transaction.registry() == registry && self.state(&registry, place)? == state;
        if !is_same || supply.lacks(&wanted) {
            return Ok(None);
        }
        let plan = self.plan(&state, &registry, place, supply)?;
        cx.apply(place, plan, transaction, "rollback").map(Some)
    }

    /// What the skills in question were.
    fn state(&self, registry: &Registry, place: &Place) -> Result<BTreeMap<SkillName, Change>> {
        let records = place.store.history().records()?;
        let name = self.name.as_deref().map(|name| rollback::find_name(name, registry, &records));
        rollback::state(&records, name.transpose()?.as_ref(), self.to)
    }

    fn plan(
        &self,
        state: &BTreeMap<SkillName, Change>,
        registry: &Registry,
        place: &Place,
        supply: &Supply<'_>,
    ) -> Result<Plan> {
        let seen = place.places.inspect_recorded(state.keys(), registry)?;
        rollback::plan(state, registry, &seen, supply, self.force)
    }

    fn tell(&self, cx: &Context<'_>, report: &Report) {
        if cx.ui.json() {
            cx.ui.data(&serde_json::json!({ "skills": report.skills, "dry_run": self.dry_run }));
        }
        if report.skills.iter().all(|done| done.action == Action::Keep) {
            cx.ui.note("nothing to change: the skills are as they were before that change");
        }
        for done in &report.skills {
            let (verb, preposition) = match done.action {
                Action::Remove => ("Removed", "from"),
                Action::Keep => ("Unchanged", "in"),
                Action::Add | Action::Replace => ("Restored", "in"),
            };
            let verb = if self.dry_run && done.action != Action::Keep { "Would undo" } else { verb };
            cx.ui.status(verb, &format!("{} {preposition} {}", done.name, done.places.join(", ")));
        }
    }
}
