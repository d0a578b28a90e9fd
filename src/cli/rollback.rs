//! `ba-agent skill rollback [NAME]`.

use std::collections::BTreeSet;

use clap::Args;
use clap_complete::engine::ArgValueCandidates;

use super::CommandContext;
use super::complete::installed_names;
use crate::picker::{PickerItem, PickerQuestion, SelectionMode};
use ba_agent_core::error::Result;
use ba_agent_core::registry::FollowedRevision;
use ba_agent_core::skill::SkillName;
use ba_agent_core::text::format_age;
use ba_agent_engine::history::Record;
use ba_agent_engine::ops;
use ba_agent_engine::ops::ask::Unattended;
use ba_agent_engine::ops::plan::Action;
use ba_agent_engine::ops::rollback::{RollbackOptions, describe_undone};

/// Go back to the state before the last change, or an earlier one.
#[derive(Debug, Args)]
#[command(
    long_about = "Go back to the state before the last change, or an earlier one.\n\n\
        Works offline: what the last 20 changes took away is kept beside their record, whatever \
        becomes of the cache. Edits that `--force` discarded come back too. A rollback is a change of its own, and can be \
        rolled back.\n\n\
        Without a NAME you choose on a terminal from the changes and the skills; the last change comes first. \
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
        let mut options = RollbackOptions { name: self.name, to: self.to, force: self.force, dry_run };
        let is_open = options.name.is_none() && options.to.is_none() && cx.ui.may_choose_on_screen();
        let report = if is_open && choose_what_to_undo(cx, &mut options)? {
            // Whoever chose the change has agreed to it.
            let mut agreed = Unattended { agrees: true };
            ops::rollback::rollback(&cx.workspace, &options, &mut agreed, cx.ui)?
        } else {
            let mut ask = cx.ui.terminal_questions();
            ops::rollback::rollback(&cx.workspace, &options, &mut ask, cx.ui)?
        };
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

/// Lets the person choose how far back, or for which skill alone; false where nothing is recorded.
///
/// # Errors
/// `Interrupted` when the person leaves; those of [`ops::history::list_changes`].
fn choose_what_to_undo(cx: &CommandContext<'_>, options: &mut RollbackOptions) -> Result<bool> {
    let records = ops::history::list_changes(&cx.workspace, cx.ui)?;
    let names: BTreeSet<&SkillName> = records.iter().flat_map(Record::skill_names).collect();
    let names: Vec<&SkillName> = names.into_iter().collect();
    if records.is_empty() {
        return Ok(false);
    }
    let change = |record: &Record| {
        PickerItem::new(&record.title())
            .with_fact(&format_age(record.at, cx.env().now))
            .described(&record.describe_changes().join(", "))
            .with_detail("Goes back to the state before this change: later ones are undone with it.")
    };
    let alone = |name: &&SkillName| {
        PickerItem::new(&format!("{name} alone")).described("Undoes the last change of this skill only.")
    };
    let items = records.iter().map(change).chain(names.iter().map(alone)).collect();
    let title = "Which change to undo?";
    let chosen = cx.ui.choose(PickerQuestion::new(title, "undo", SelectionMode::One, items))?;
    if let Some(at) = chosen.first() {
        options.to = records.get(*at).map(|record| record.id);
        options.name = at.checked_sub(records.len()).and_then(|at| names.get(at)).map(ToString::to_string);
    }
    Ok(true)
}
