//! `ba-agent skill rollback [NAME]`.

use clap::Args;
use clap_complete::engine::ArgValueCandidates;

use super::CommandContext;
use super::completions::installed_names;
use ba_agent_core::error::Result;
use ba_agent_engine::ops;
use ba_agent_engine::ops::plan::Action;
use ba_agent_engine::ops::rollback::RollbackOptions;

/// Go back to the state before the last change, or an earlier one.
#[derive(Debug, Args)]
#[command(
    long_about = "Go back to the state before the last change, or an earlier one.\n\n\
        Works offline: what the last 20 changes took away is kept beside their record, whatever \
        becomes of the cache. Edits that `--force` discarded come back too. A rollback is a change of its own, and can be \
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
    /// Undoes changes.
    ///
    /// # Errors
    /// Those of [`ops::rollback::rollback`].
    pub(crate) fn run(self, cx: &CommandContext<'_>) -> Result<u8> {
        let dry_run = self.dry_run;
        let options = RollbackOptions { name: self.name, to: self.to, force: self.force, dry_run };
        let report = ops::rollback::rollback(&cx.workspace, &options, cx.ui)?;
        if cx.ui.json() {
            cx.ui.print_json_document(&serde_json::json!({ "skills": report.skills, "dry_run": dry_run }));
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
            let verb = if dry_run && done.action != Action::Keep { "Would undo" } else { verb };
            cx.ui.status(verb, &format!("{} {preposition} {}", done.name, done.places.join(", ")));
        }
        Ok(0)
    }
}
