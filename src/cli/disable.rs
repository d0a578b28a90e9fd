//! `ba-agent skill disable NAME…`.

use clap::Args;
use clap_complete::engine::ArgValueCandidates;

use super::CommandContext;
use super::choice::SkillChoice;
use super::complete::{agent_names, installed_names};
use crate::picker::SelectionMode;
use ba_agent_core::agents::split_agent_names;
use ba_agent_core::error::Result;
use ba_agent_engine::ops;
use ba_agent_engine::ops::apply::Done;
use ba_agent_engine::ops::disable::DisableOptions;
use ba_agent_engine::ops::plan::Action;

/// Take skills away from agents without uninstalling them.
#[derive(Debug, Args)]
#[command(
    long_about = "Take skills away from agents without uninstalling them.\n\n\
        The files, with every edit, go to .ba-agent/disabled (for the skills of your account: into the data folder), \
        which no agent reads; `enable` puts them back. No agent's settings are touched, so it works for every agent. \
        The skill stays in the registry: `list`, `verify`, `update`, `diff` and `uninstall` work as ever.\n\n\
        A skill of the category `core` cannot be disabled, nor one that an enabled skill needs.",
    after_help = "Examples:\n  ba-agent skill disable pdf docx\n  ba-agent skill disable pdf --agent cursor\n  \
        ba-agent skill enable pdf"
)]
pub(crate) struct Disable {
    /// The skills. Without one you choose from a list, on a terminal.
    #[arg(value_name = "NAME", add = ArgValueCandidates::new(installed_names))]
    names: Vec<String>,
    /// Take it away from these agents, or this folder, alone (repeatable; `cursor,codex`).
    #[arg(long = "agent", short = 'a', value_name = "NAME", add = ArgValueCandidates::new(agent_names))]
    agents: Vec<String>,
}

impl Disable {
    /// Disables skills.
    ///
    /// # Errors
    /// Those of [`ops::disable::disable`].
    pub(crate) fn run(self, cx: &CommandContext<'_>) -> Result<u8> {
        let names = match self.names.is_empty() {
            true => {
                let choice = SkillChoice {
                    mode: SelectionMode::Many,
                    fits: |skill| skill.entry.enabled,
                    none: "no skill is enabled",
                    ..SkillChoice::new("disable", "<NAME>...", "skill disable <NAME>...")
                };
                choice.choose_skills(cx)?
            }
            false => self.names,
        };
        if names.is_empty() {
            return Ok(0);
        }
        let options = DisableOptions { names, agents: split_agent_names(&self.agents) };
        let report = ops::disable::disable(&cx.workspace, &options, cx.ui)?;
        report.skills.iter().for_each(|done| tell_disabled(cx, done));
        if cx.ui.json() {
            cx.ui.print_json_document(&report);
        }
        Ok(0)
    }
}

fn tell_disabled(cx: &CommandContext<'_>, done: &Done) {
    let Done { name, entry, places, .. } = done;
    if done.action == Action::Keep {
        return cx.ui.note(&format!("`{name}` is disabled already"));
    }
    if !entry.enabled {
        return cx.ui.status("Disabled", &format!("{name}, kept in {}", places.join(", ")));
    }
    let others: Vec<&str> = entry.disabled_for.keys().map(String::as_str).collect();
    let has = entry.targets.join(", ");
    cx.ui.status("Disabled", &format!("{name} for {}; it stays for {has}", others.join(", ")));
}
