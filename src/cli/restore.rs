//! `ba-agent skill restore NAME…`.

use clap::Args;
use clap_complete::engine::ArgValueCandidates;

use super::CommandContext;
use super::choice::SkillChoice;
use super::complete::installed_names;
use crate::picker::SelectionMode;
use ba_agent_core::error::Result;
use ba_agent_engine::ops;
use ba_agent_engine::ops::plan::Action;

/// Put skills back as they were installed, and discard local edits.
#[derive(Debug, Args)]
#[command(
    long_about = "Put skills back as they were installed, and discard local edits.\n\n\
        Changed, added and deleted files, modes and links are as the registry records them afterwards, to \
        the last byte. The files come out of the cache, else from the source at the recorded commit. \
        Edits are asked about (`d` shows them); without a terminal they need --yes. A copy of them is \
        kept, so that `rollback` brings them back.",
    after_help = "Examples:\n  ba-agent skill restore pdf\n  ba-agent skill restore pdf docx --yes\n  \
        ba-agent skill restore pdf --dry-run"
)]
pub(crate) struct RestoreArgs {
    /// The skills to put back. Without one you choose from the edited ones, on a terminal.
    #[arg(value_name = "NAME", add = ArgValueCandidates::new(installed_names))]
    names: Vec<String>,
    /// Show what would be done, without changing anything.
    #[arg(long)]
    dry_run: bool,
}

impl RestoreArgs {
    /// Puts skills back as they were installed.
    ///
    /// # Errors
    /// Those of [`ops::restore::restore`].
    pub(crate) fn run(self, cx: &CommandContext<'_>) -> Result<u8> {
        let dry_run = self.dry_run;
        let names = match self.names.is_empty() {
            true => {
                let choice = SkillChoice {
                    mode: SelectionMode::Many,
                    fits: |skill| skill.state.is_some_and(|state| state != "ok"),
                    none: "no installed skill was edited",
                    with_state: true,
                    ..SkillChoice::new("restore", "<NAME>...", "skill restore <NAME>...")
                };
                choice.choose_skills(cx)?
            }
            false => self.names,
        };
        if names.is_empty() {
            return Ok(0);
        }
        let mut ask = cx.ui.terminal_questions();
        let report = ops::restore::restore(&cx.workspace, &names, dry_run, &mut ask, cx.ui)?;
        if cx.ui.json() {
            cx.ui.print_json_document(&serde_json::json!({
                "skills": report.skills, "faults": report.faults, "dry_run": dry_run,
            }));
        }
        for done in &report.skills {
            let verb = match (done.action, dry_run) {
                (Action::Keep, _) => "Unchanged",
                (_, true) => "Would restore",
                (_, false) => "Restored",
            };
            cx.ui.status(verb, &format!("{} in {}", done.name, done.places.join(", ")));
            if done.action != Action::Keep {
                for fault in report.faults.get(&done.name).into_iter().flatten() {
                    cx.ui.detail(&format!("{}: {}", fault.what.word(), fault.path));
                }
            }
        }
        Ok(0)
    }
}
