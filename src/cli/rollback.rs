//! `ba-agent skill rollback [NAME]`.

use clap::Args;
use clap_complete::engine::ArgValueCandidates;

use super::CommandContext;
use super::completions::installed_names;
use ba_agent_core::error::Result;
use ba_agent_core::registry::FollowedRevision;
use ba_agent_engine::ops;
use ba_agent_engine::ops::plan::Action;
use ba_agent_engine::ops::rollback::{RollbackOptions, describe_undone};

/// Go back to the state before the last change, or an earlier one.
#[derive(Debug, Args)]
#[command(
    long_about = "Go back to the state before the last change, or an earlier one.\n\n\
        Works offline: what the last 20 changes took away is kept beside their record, whatever \
        becomes of the cache. Edits that `--force` discarded come back too. A rollback is a change of its own, and can be \
        rolled back.\n\n\
        It says which change it takes back. Where that was an installation, so that skills would go, it asks first \
        on a terminal.",
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
        let mut ask = cx.ui.terminal_questions();
        let report = ops::rollback::rollback(&cx.workspace, &options, &mut ask, cx.ui)?;
        if cx.ui.json() {
            let undone = report.undone.iter().map(
                |change| serde_json::json!({ "id": change.id, "at": change.at, "command": change.command }),
            );
            cx.ui.print_json_document(&serde_json::json!({
                "skills": report.skills, "dry_run": dry_run, "undone": undone.collect::<Vec<_>>(),
            }));
        }
        let verb = if dry_run { "Would undo" } else { "Undone" };
        cx.ui.status(verb, &describe_undone(&report.undone, cx.env().now));
        if report.skills.iter().all(|done| done.action == Action::Keep) {
            cx.ui.note("nothing to change: the skills are as they were before that change");
        }
        for done in &report.skills {
            let (verb, preposition) = match (done.action, dry_run) {
                (Action::Remove, false) => ("Removed", "from"),
                (Action::Remove, true) => ("Would remove", "from"),
                (Action::Keep, _) => ("Unchanged", "in"),
                (Action::Add | Action::Replace, false) => ("Restored", "in"),
                (Action::Add | Action::Replace, true) => ("Would restore", "in"),
                (Action::Adopt, false) => ("Recorded", "again, in"),
                (Action::Adopt, true) => ("Would record", "again, in"),
                (Action::Forget, false) => ("Forgot", "which stays in"),
                (Action::Forget, true) => ("Would forget", "which stays in"),
            };
            let label = FollowedRevision::from(&done.entry).label();
            let label = label.filter(|_| done.action != Action::Remove);
            let at = label.map_or_else(String::new, |label| format!(" {label}"));
            cx.ui.status(verb, &format!("{}{at} {preposition} {}", done.name, done.places.join(", ")));
        }
        Ok(0)
    }
}
