//! How real agents look for their skills: which folders in which order, how deep, under which
//! name, and which of several of one name they take. Facts of November 2026, from what the agents
//! themselves do with folders made for it, and from their documentation.

use super::{ManifestDialect, NameRule};
use crate::agents::Agent;

/// What an agent calls a skill.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NamedBy {
    /// The name of its folder.
    Folder,
    /// The name that it gives itself, else that of its folder.
    Manifest,
}

/// In which folders of a project an agent looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProjectWalk {
    /// From the working directory up to the root, the nearest first.
    Up,
    /// The working directory alone.
    Here,
}

/// The rules of one agent.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AgentRules {
    /// Its folders in a project, and from the home directory; of each, the first count first.
    pub project: &'static [&'static str],
    pub user: &'static [&'static str],
    /// Folders of the whole machine.
    pub machine: &'static [&'static str],
    pub walk: ProjectWalk,
    /// The user's skills count before the project's.
    pub user_first: bool,
    pub names: NameRule,
    pub named_by: NamedBy,
    /// How it reads a manifest.
    pub dialect: ManifestDialect,
    /// Folders below a skills folder that a skill may lie in.
    pub depth: usize,
    /// Skills inside of skills are found too.
    pub nested: bool,
    /// A skills folder may be a skill itself.
    pub root_itself: bool,
    /// The most folders that are looked through below one.
    pub most_folders: Option<usize>,
    /// It keeps skills from the model that only a person starts.
    pub hides_by_flag: bool,
    /// It says in another file that only a person starts a skill: `agents/openai.yaml`.
    pub hides_by_policy: bool,
    /// It leaves out what cannot work on this machine.
    pub checks_machine: bool,
    /// What somebody should know who relies on the list.
    pub caution: Option<&'static str>,
}

/// What most agents do: the project's folder, then the user's, one level.
const USUAL: AgentRules = AgentRules {
    project: &[],
    user: &[],
    machine: &[],
    walk: ProjectWalk::Up,
    user_first: false,
    names: NameRule::FirstWins,
    named_by: NamedBy::Manifest,
    dialect: ManifestDialect::Ours,
    depth: 1,
    nested: false,
    root_itself: false,
    most_folders: None,
    hides_by_flag: false,
    hides_by_policy: false,
    checks_machine: false,
    caution: None,
};

const CLAUDE_CODE: AgentRules = AgentRules {
    project: &[".claude/skills"],
    user: &[".claude/skills"],
    user_first: true,
    named_by: NamedBy::Folder,
    dialect: ManifestDialect::ClaudeCode,
    hides_by_flag: true,
    caution: Some(
        "Claude Code lists skills of its own besides, which take about 6,000 of its 30,000 characters",
    ),
    ..USUAL
};

const CODEX: AgentRules = AgentRules {
    project: &[".codex/skills", ".agents/skills"],
    user: &[".codex/skills", ".agents/skills", ".codex/skills/.system"],
    machine: &["/etc/codex/skills"],
    names: NameRule::AllListed,
    dialect: ManifestDialect::Codex,
    depth: 6,
    nested: true,
    root_itself: true,
    most_folders: Some(2_000),
    hides_by_policy: true,
    ..USUAL
};

const GEMINI_CLI: AgentRules = AgentRules {
    project: &[".agents/skills", ".gemini/skills"],
    user: &[".agents/skills", ".gemini/skills"],
    walk: ProjectWalk::Here,
    dialect: ManifestDialect::GeminiCli,
    root_itself: true,
    ..USUAL
};

const OPENCODE: AgentRules = AgentRules {
    project: &[".opencode/skills", ".opencode/skill", ".agents/skills", ".claude/skills"],
    user: &[
        ".config/opencode/skills",
        ".config/opencode/skill",
        ".opencode/skills",
        ".agents/skills",
        ".claude/skills",
    ],
    dialect: ManifestDialect::OpenCode,
    depth: 6,
    nested: true,
    root_itself: true,
    caution: Some(
        "OpenCode reads its folders at the same time: of several skills of one name it takes now one, now another",
    ),
    ..USUAL
};

const GOOSE: AgentRules = AgentRules {
    project: &[".agents/skills", ".goose/skills", ".claude/skills"],
    user: &[".config/goose/skills", ".config/agents/skills", ".claude/skills"],
    walk: ProjectWalk::Here,
    ..USUAL
};

const DEEPAGENTS: AgentRules = AgentRules {
    project: &[".deepagents/skills", ".agents/skills"],
    user: &[".deepagents/agent/skills", ".agents/skills"],
    dialect: ManifestDialect::DeepAgents,
    ..USUAL
};

const CURSOR: AgentRules = AgentRules {
    project: &[".cursor/skills", ".agents/skills", ".claude/skills", ".codex/skills"],
    user: &[".cursor/skills", ".agents/skills", ".claude/skills", ".codex/skills"],
    hides_by_flag: true,
    ..USUAL
};

const GITHUB_COPILOT: AgentRules = AgentRules {
    project: &[".github/skills", ".agents/skills", ".claude/skills"],
    user: &[".copilot/skills", ".agents/skills", ".claude/skills"],
    ..USUAL
};

const OPENCLAW: AgentRules = AgentRules {
    project: &["skills", ".agents/skills"],
    user: &[".agents/skills", ".openclaw/skills"],
    depth: 6,
    checks_machine: true,
    ..USUAL
};

impl AgentRules {
    /// The rules of an agent. Of one that is not known better: its folder in the project, then
    /// its folder in the home directory.
    pub fn of(agent: &Agent) -> Self {
        match agent.id {
            "claude-code" => CLAUDE_CODE,
            "codex" => CODEX,
            "gemini-cli" => GEMINI_CLI,
            "opencode" => OPENCODE,
            "goose" => GOOSE,
            "deepagents" => DEEPAGENTS,
            "cursor" => CURSOR,
            "github-copilot" => GITHUB_COPILOT,
            "openclaw" => OPENCLAW,
            _ => USUAL,
        }
    }
}
