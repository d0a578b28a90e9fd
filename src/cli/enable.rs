//! `ba-agent skill enable NAME…`.

use clap::Args;
use clap_complete::engine::ArgValueCandidates;

use super::CommandContext;
use super::choice::SkillChoice;
use super::complete::{agent_names, installed_names};
use crate::picker::SelectionMode;
use ba_agent_core::agents::split_agent_names;
use ba_agent_core::error::Result;
use ba_agent_engine::ops;
use ba_agent_engine::ops::enable::EnableOptions;
use ba_agent_engine::ops::plan::Action;

/// Give disabled skills back to agents.
#[derive(Debug, Args)]
#[command(
    long_about = "Give disabled skills back to agents.\n\n\
        The files come back as they were, with every edit, and so does what the skill needs. Without --agent a disabled \
        skill comes back to the agents that had it last; an enabled one to all that it was installed for.",
    after_help = "Examples:\n  ba-agent skill enable pdf\n  ba-agent skill enable pdf --agent cursor"
)]
pub(crate) struct Enable {
    /// The skills. Without one you choose from a list, on a terminal.
    #[arg(value_name = "NAME", add = ArgValueCandidates::new(installed_names))]
    names: Vec<String>,
    /// Give it back to these agents, or this folder, alone (repeatable; `cursor,codex`).
    #[arg(long = "agent", short = 'a', value_name = "NAME", add = ArgValueCandidates::new(agent_names))]
    agents: Vec<String>,
}

impl Enable {
    /// Enables skills.
    ///
    /// # Errors
    /// Those of [`ops::enable::enable`].
    pub(crate) fn run(self, cx: &CommandContext<'_>) -> Result<u8> {
        let names = match self.names.is_empty() {
            true => {
                let choice = SkillChoice {
                    mode: SelectionMode::Many,
                    fits: |skill| !skill.entry.enabled || !skill.entry.disabled_for.is_empty(),
                    none: "no skill is disabled",
                    ..SkillChoice::new("enable", "<NAME>...", "skill enable <NAME>...")
                };
                choice.choose_skills(cx)?
            }
            false => self.names,
        };
        if names.is_empty() {
            return Ok(0);
        }
        let options = EnableOptions { names, agents: split_agent_names(&self.agents) };
        let report = ops::enable::enable(&cx.workspace, &options, cx.ui)?;
        for done in &report.skills {
            let needed = if report.pulled.contains(&done.name) { " (needed)" } else { "" };
            match done.action {
                Action::Keep => cx.ui.note(&format!("`{}` is enabled already", done.name)),
                _ => {
                    let places = done.places.join(", ");
                    cx.ui.status("Enabled", &format!("{} in {places}{needed}", done.name));
                }
            }
        }
        if cx.ui.json() {
            cx.ui.print_json_document(&report);
        }
        Ok(0)
    }
}
