//! `agents`: which agents are known, which of them are used here, and which receive skills.

use std::path::Path;

use serde::Serialize;

use crate::workspace::{Session, Workspace};
use ba_agent_core::agents::{Agent, InstallTarget, all_agents};
use ba_agent_core::error::Result;

/// The agents, and which receive skills when none is named.
#[derive(Debug, Serialize)]
pub struct AgentsReport {
    /// `project` or `user`.
    pub scope: &'static str,
    pub agents: Vec<AgentView>,
    /// What receives skills: ids of agents, and folders.
    pub default: Vec<String>,
}

/// One agent.
#[derive(Debug, Serialize)]
pub struct AgentView {
    pub id: &'static str,
    pub name: &'static str,
    /// Where it reads skills in this scope, from its base.
    pub folder: &'static str,
    /// A folder of it is in the project.
    pub in_project: bool,
    /// A folder of it is in the home directory.
    pub in_home: bool,
    /// It receives skills when no agent is named.
    pub is_default: bool,
}

/// Lists the known agents in the order of their ids, the first one being the one that is taken
/// where nobody says anything.
///
/// # Errors
/// Those of finding the scope and reading the settings, also for an agent in them that is not known.
pub fn list_agents(workspace: &Workspace) -> Result<AgentsReport> {
    let workspace = workspace.or_user_at_home();
    let (scope, settings) = (workspace.find_scope()?, workspace.settings()?);
    let targets = settings.targets()?;
    let home = workspace.env().home.clone();
    let is_user = !scope.is_project();
    let view = |agent: &'static Agent| AgentView {
        id: agent.id,
        name: agent.name,
        folder: if is_user { agent.user_dir } else { agent.project_dir },
        in_project: !is_user && agent.is_used_in(scope.base()),
        in_home: home.as_deref().is_some_and(|home| agent.is_used_in(home)),
        is_default: targets.contains(&InstallTarget::Agent(agent)),
    };
    let default = targets.iter().map(ToString::to_string).collect();
    Ok(AgentsReport { scope: scope.name(), agents: all_agents().iter().map(view).collect(), default })
}

/// What is worth saying before skills go where nobody has asked for them: other agents are used
/// here, and the one that receives them is not.
pub(crate) fn note_other_agents(session: &Session<'_>) {
    if !session.settings.agents.is_empty() || session.settings.install_dir.is_some() {
        return;
    }
    let base: &Path = session.scope.base();
    let used: Vec<&str> = all_agents().iter().filter(|a| a.is_used_in(base)).map(|a| a.id).collect();
    let (Some(default), false) = (all_agents().first(), used.is_empty()) else { return };
    if used.contains(&default.id) {
        return;
    }
    let flags: Vec<String> = used.iter().map(|id| format!("--agent {id}")).collect();
    session.note(&format!(
        "skills go to {} ({}), which is not used here; {} {}: add `{}`, or `ba-agent config set agents {}`",
        default.project_dir,
        default.id,
        used.join(", "),
        if used.len() == 1 { "is" } else { "are" },
        flags.join(" "),
        used.join(",")
    ));
}
