//! `ba-agent skill uninstall NAME…`.

use std::collections::BTreeSet;

use clap::Args;
use clap_complete::engine::ArgValueCandidates;

use super::CommandContext;
use super::choice::SkillChoice;
use super::complete::{agent_names, installed_names};
use crate::picker::SelectionMode;
use crate::ui::LISTED_ALONE;
use ba_agent_core::agents::split_agent_names;
use ba_agent_core::error::Result;
use ba_agent_core::text::count_noun;
use ba_agent_engine::ops;
use ba_agent_engine::ops::apply::Done;
use ba_agent_engine::ops::plan::Action;
use ba_agent_engine::ops::uninstall::UninstallOptions;

/// Remove skills from every target and from the registry.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  ba-agent skill uninstall pdf docx\n  ba-agent skill uninstall pdf --force\n  \
        ba-agent skill uninstall pdf --agent cursor\n  ba-agent skill uninstall report-kit --prune"
)]
pub(crate) struct Uninstall {
    /// The skills to remove. Without one you choose from a list, on a terminal.
    #[arg(value_name = "NAME", add = ArgValueCandidates::new(installed_names))]
    names: Vec<String>,
    /// Take it away from these agents, or this folder, alone (repeatable; `cursor,codex`); the others keep it.
    #[arg(long = "agent", short = 'a', value_name = "NAME", add = ArgValueCandidates::new(agent_names))]
    agents: Vec<String>,
    /// Remove it even if it was edited, or other skills need it.
    #[arg(long, short)]
    force: bool,
    /// Also remove what came along with other skills and is needed by none any more; without NAME that alone.
    #[arg(long, conflicts_with = "agents")]
    prune: bool,
}

impl Uninstall {
    /// Removes skills.
    ///
    /// # Errors
    /// Those of [`ops::uninstall::uninstall`].
    pub(crate) fn run(self, cx: &CommandContext<'_>) -> Result<u8> {
        let names = match self.names.is_empty() && !self.prune {
            true => {
                let mode = SelectionMode::Many;
                let usage = "skill uninstall <NAME>...";
                SkillChoice { mode, ..SkillChoice::new("uninstall", "<NAME>...", usage) }.choose_skills(cx)?
            }
            false => self.names,
        };
        if names.is_empty() && !self.prune {
            return Ok(0);
        }
        let options = UninstallOptions { names, force: self.force, prune: self.prune };
        let report = match self.agents.is_empty() {
            true => ops::uninstall::uninstall(&cx.workspace, &options, cx.ui)?,
            false => {
                let agents = split_agent_names(&self.agents);
                ops::uninstall::uninstall_from_targets(&cx.workspace, &options, &agents, cx.ui)?
            }
        };
        let is_told_in_sum = |done: &Done| done.untouched.is_empty();
        if report.skills.len() > LISTED_ALONE && !cx.ui.verbose() {
            let (plain, others): (Vec<&Done>, _) =
                report.skills.iter().partition(|done| is_told_in_sum(done));
            tell_sum(cx, &plain);
            others.into_iter().for_each(|done: &Done| tell_removed(cx, done));
        } else {
            report.skills.iter().for_each(|done| tell_removed(cx, done));
        }
        if report.skills.is_empty() {
            cx.ui.note("nothing came along that is needed by nothing");
        }
        if cx.ui.json() {
            cx.ui.print_json_document(&report);
        }
        Ok(0)
    }
}

/// One line for all, for those who remove hundreds.
fn tell_sum(cx: &CommandContext<'_>, skills: &[&Done]) {
    let folders: BTreeSet<&str> = skills.iter().flat_map(|done| &done.places).map(String::as_str).collect();
    let folders: Vec<&str> = folders.into_iter().collect();
    cx.ui.status("Removed", &format!("{} from {}", count_noun(skills.len(), "skill"), folders.join(", ")));
}

fn tell_removed(cx: &CommandContext<'_>, done: &Done) {
    if done.action == Action::Replace {
        let others = done.entry.targets.join(", ");
        let from = if done.places.is_empty() {
            "that agent, whose folder others read".to_owned()
        } else {
            done.places.join(", ")
        };
        return cx.ui.status("Removed", &format!("{} from {from}; it stays for {others}", done.name));
    }
    if done.untouched.is_empty() {
        return cx.ui.status("Removed", &format!("{} from {}", done.name, done.places.join(", ")));
    }
    cx.ui.status("Removed", &format!("{} from the registry", done.name));
    cx.ui.note(&format!("`{}` is its source and stays", done.untouched.join("`, `")));
}
