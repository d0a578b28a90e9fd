//! `ba-agent agents`.

use clap::Args;

use super::CommandContext;
use ba_agent_core::error::Result;
use ba_agent_engine::ops;
use ba_agent_engine::ops::agents::{AgentView, AgentsReport};

/// List the agents that skills can be installed for, and which of them are used here.
#[derive(Debug, Args)]
#[command(
    long_about = "List the agents that skills can be installed for, and which of them are used here.\n\n\
        An agent counts as used where a folder of it is in the project or in your home directory. Skills go to \
        the default ones: claude-code (.claude/skills), or what the setting `agents` names. What was found \
        changes nothing by itself. Any folder is a target too: `--agent ./my/skills`.",
    after_help = "Examples:\n  ba-agent agents\n  ba-agent agents --all\n  \
        ba-agent config set agents claude-code,cursor\n  ba-agent skill install owner/repo@pdf --agent cursor"
)]
pub(crate) struct Agents {
    /// List every known agent, also those that are not used here.
    #[arg(long, short)]
    all: bool,
}

impl Agents {
    /// Prints the agents.
    ///
    /// # Errors
    /// Those of [`ops::agents::list_agents`].
    pub(crate) fn run(self, cx: &CommandContext<'_>) -> Result<u8> {
        let report = ops::agents::list_agents(&cx.workspace)?;
        if cx.ui.json() {
            cx.ui.print_json_document(&report);
            return Ok(0);
        }
        let is_told = |agent: &&AgentView| self.all || agent.is_default || agent.in_project || agent.in_home;
        let rows: Vec<Vec<String>> = report.agents.iter().filter(is_told).map(cells_of).collect();
        cx.ui.print_as_table(&["agent", "name", "used in", "skills", "default"], &rows);
        tell_folders(cx, &report);
        if !self.all {
            cx.ui.note(&format!("{} are known: `ba-agent agents --all`", report.agents.len()));
        }
        Ok(0)
    }
}

fn cells_of(agent: &AgentView) -> Vec<String> {
    let used = match (agent.in_project, agent.in_home) {
        (true, true) => "project, home",
        (true, false) => "project",
        (false, true) => "home",
        (false, false) => "-",
    };
    let default = if agent.is_default { "yes" } else { "-" };
    [agent.id, agent.name, used, agent.folder, default].map(str::to_owned).to_vec()
}

/// Folders among the default targets, which belong to no agent that is known.
fn tell_folders(cx: &CommandContext<'_>, report: &AgentsReport) {
    let is_folder = |target: &&String| !report.agents.iter().any(|agent| agent.id == target.as_str());
    for folder in report.default.iter().filter(is_folder) {
        cx.ui.note(&format!("skills also go to the folder `{folder}`"));
    }
}
