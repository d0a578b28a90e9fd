//! `ba-agent skill deactivate NAME --session ID`.

use clap::Args;
use clap_complete::engine::ArgValueCandidates;

use super::CommandContext;
use super::complete::installed_names;
use ba_agent_core::error::{Result, printable};
use ba_agent_engine::ops::deactivate::deactivate;

/// Take a skill off the list of a conversation.
#[derive(Debug, Args)]
#[command(
    long_about = "Take a skill off the list of a conversation.\n\n\
        What it was given no longer counts, and its instructions are given whole the next time.",
    after_help = "Examples:\n  ba-agent skill deactivate pdf --session 4f1c"
)]
pub(crate) struct DeactivateArgs {
    /// The skill.
    #[arg(value_name = "NAME", add = ArgValueCandidates::new(installed_names))]
    name: String,
    /// The conversation.
    #[arg(long, value_name = "ID")]
    session: String,
}

impl DeactivateArgs {
    /// Takes a skill off a conversation.
    ///
    /// # Errors
    /// Those of [`deactivate`].
    pub(crate) fn run(self, cx: &CommandContext<'_>) -> Result<u8> {
        let report = deactivate(&cx.workspace, &self.name, &self.session, cx.ui)?;
        if cx.ui.json() {
            cx.ui.print_json_document(&report);
            return Ok(0);
        }
        let left = match report.session.active.is_empty() {
            true => "no skill is active there now".to_owned(),
            false => format!("active there: {}", report.session.active.join(", ")),
        };
        cx.ui.status("Deactivated", &printable(&format!("{}; {left}", report.skill_name), false));
        Ok(0)
    }
}
