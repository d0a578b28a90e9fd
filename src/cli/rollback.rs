//! `ba-agent skill rollback [NAME]`.

use clap::Args;
use clap_complete::engine::ArgValueCandidates;

use super::completions::installed_names;
use super::{Context, Place};
use crate::error::Result;
use crate::history::Change;
use crate::ops::apply::Report;
use crate::ops::plan::{Action, Plan};
use crate::ops::restore::Supply;
use crate::ops::rollback;
use crate::registry::Registry;
use crate::skill::SkillName;
use std::collections::BTreeMap;

/// Go back to the state before the last change, or an earlier one.
#[derive(Debug, Args)]
#[command(
    long_about = "Go back to the state before the last change, or an earlier one.\n\n\
        Works offline from the cache; what is not there is fetched at its recorded pin. Edits \
        that `--force` gave up come back too. A rollback is a change of its own, and can be \
        rolled back.",
    after_help = "Examples:\n  ba-agent skill rollback\n  ba-agent skill rollback pdf\n  \
        ba-agent skill history && ba-agent skill rollback --to 7"
)]
pub(crate) struct Rollback {
    /// Only this skill.
    #[arg(value_name = "NAME", add = ArgValueCandidates::new(installed_names))]
    name: Option<String>,
    /// Back before the change of this number.
    #[arg(long, value_name = "NUMBER")]
    to: Option<u64>,
    /// Give up edits that were made since.
    #[arg(long, short)]
    force: bool,
    /// Say what would be done, change nothing.
    #[arg(long)]
    dry_run: bool,
}

impl Rollback {
    pub(crate) fn run(self, cx: &Context<'_>) -> Result<u8> {
        let place = cx.place()?;
        let history = place.store.history();
        let name: Option<SkillName> = self.name.as_deref().map(str::parse).transpose()?;
        let state = rollback::state(&history.records()?, name.as_ref(), self.to)?;
        let world = cx.world(&place);
        let supply = Supply::new(&world, vec![place.cache.clone(), history.trees()]);
        let report = if self.dry_run {
            let registry = place.store.read()?;
            Report::of_plan(self.plan(&state, &registry, &place, &supply)?, &place.places, cx.env.now)?
        } else {
            let transaction = place.store.begin(&cx.waiting())?;
            let plan = self.plan(&state, transaction.registry(), &place, &supply)?;
            cx.apply(&place, plan, transaction, "rollback")?
        };
        self.tell(cx, &report);
        Ok(0)
    }

    fn plan(
        &self,
        state: &BTreeMap<SkillName, Change>,
        registry: &Registry,
        place: &Place,
        supply: &Supply<'_>,
    ) -> Result<Plan> {
        let seen = place.places.see_recorded(state.keys(), registry)?;
        rollback::plan(state, registry, &seen, supply, self.force)
    }

    fn tell(&self, cx: &Context<'_>, report: &Report) {
        if cx.ui.json() {
            cx.ui.data(&serde_json::json!({ "skills": report.skills, "dry_run": self.dry_run }));
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
