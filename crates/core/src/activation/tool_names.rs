//! The one table of what agents call their tools.
//!
//! Settings and skills may name what is done (`shell_exec`) instead of an agent's tool (`Bash`).
//! The words of Claude Code are those that skills use, so they are translated as well.

use crate::agents::Agent;

/// What is done, and the tools with which each agent does it. An empty list: the agent has no
/// tool of its own for it.
struct OperationRow {
    operation: &'static str,
    claude: &'static [&'static str],
    codex: &'static [&'static str],
    gemini: &'static [&'static str],
    opencode: &'static [&'static str],
}

/// Tools as the agents' requests to their models list them: `tests/it/real_agents/tools.rs` asks
/// them. Codex reads, searches and fetches with its shell, as Claude Code may search with its own.
const OPERATIONS: &[OperationRow] = &[
    row("file_read", &["Read"], &["exec_command"], &["read_file"], &["read"]),
    row("file_write", &["Write"], &["apply_patch"], &["write_file"], &["write"]),
    row("file_edit", &["Edit"], &["apply_patch"], &["replace"], &["edit"]),
    row("file_search", &["Glob", "Grep"], &["exec_command"], &["glob", "grep_search"], &["glob", "grep"]),
    row("shell_exec", &["Bash"], &["exec_command"], &["run_shell_command"], &["bash"]),
    row("git", &["Bash(git:*)"], &["exec_command(git:*)"], &["run_shell_command(git)"], &["bash(git *)"]),
    row("http_get", &["WebFetch"], &["exec_command"], &["web_fetch"], &["webfetch"]),
    row("web_search", &["WebSearch"], &["web_search"], &["google_web_search"], &["websearch"]),
    row("skill_use", &["Skill"], &[], &["activate_skill"], &["skill"]),
    row("agent_run", &["Task"], &[], &[], &["task"]),
    // No agent has a tool of its own for databases; servers that have name theirs themselves.
    row("database_read", &[], &[], &[], &[]),
    row("database_write", &[], &[], &[], &[]),
];

const fn row(
    operation: &'static str,
    claude: &'static [&'static str],
    codex: &'static [&'static str],
    gemini: &'static [&'static str],
    opencode: &'static [&'static str],
) -> OperationRow {
    OperationRow { operation, claude, codex, gemini, opencode }
}

impl OperationRow {
    /// The tools of this agent; without one, or for one that is not in the table, Claude Code's.
    fn tools_of(&self, agent: Option<&Agent>) -> &'static [&'static str] {
        match agent.map(|agent| agent.id) {
            Some("codex") => self.codex,
            Some("gemini-cli" | "qwen-code") => self.gemini,
            Some("opencode") => self.opencode,
            _ => self.claude,
        }
    }
}

/// What an agent calls a tool: an operation of the table, or a tool of Claude Code. A word that is
/// neither stays as it is, and so does a part of a tool that the agent has no way to write.
pub fn translate_tool(name: &str, agent: Option<&Agent>) -> Vec<String> {
    let stays = || vec![name.to_owned()];
    if let Some(row) = OPERATIONS.iter().find(|row| row.operation == name) {
        let tools = row.tools_of(agent);
        return if tools.is_empty() {
            stays()
        } else {
            tools.iter().map(|tool| (*tool).to_owned()).collect()
        };
    }
    let (tool, part) = match name.split_once('(') {
        Some((tool, rest)) => (tool, rest.strip_suffix(')')),
        None => (name, None),
    };
    let Some(row) = OPERATIONS.iter().find(|row| row.claude.contains(&tool)) else { return stays() };
    let place = row.claude.iter().position(|known| *known == tool).unwrap_or_default();
    let tools = row.tools_of(agent);
    let Some(theirs) = tools.get(place).or(tools.first()) else { return stays() };
    match part {
        None if !name.contains('(') => vec![(*theirs).to_owned()],
        Some(part) => vec![translate_part(theirs, part, agent)],
        None => stays(),
    }
}

/// A part of a tool, `git:*` of `Bash(git:*)`, as the agent writes it.
fn translate_part(tool: &str, part: &str, agent: Option<&Agent>) -> String {
    let command = part.strip_suffix(":*").unwrap_or(part);
    match agent.map(|agent| agent.id) {
        Some("gemini-cli" | "qwen-code") => format!("{tool}({command})"),
        Some("opencode") if part.ends_with(":*") => format!("{tool}({command} *)"),
        _ => format!("{tool}({part})"),
    }
}

/// What a tool of an agent does: the operations of the table that it is used for. One that is not
/// in the table does nothing that is known.
pub fn operations_of_tool(tool: &str, agent: Option<&Agent>) -> Vec<&'static str> {
    let name = tool.split_once('(').map_or(tool, |(name, _)| name);
    let does = |row: &&OperationRow| row.tools_of(agent).iter().any(|known| *known == tool || *known == name);
    OPERATIONS.iter().filter(does).map(|row| row.operation).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agents::all_agents;

    fn agent(id: &str) -> Option<&'static Agent> {
        let found = all_agents().iter().find(|agent| agent.id == id);
        assert!(found.is_some(), "{id}");
        found
    }

    #[test]
    fn operations_and_tools_get_the_agents_names() {
        let check = |name: &str, id: &str, expected: &[&str]| {
            let agent = if id.is_empty() { None } else { agent(id) };
            assert_eq!(translate_tool(name, agent), expected, "{name} {id}");
        };
        for (id, expected) in [
            ("", "Read"),
            ("claude-code", "Read"),
            ("codex", "exec_command"),
            ("gemini-cli", "read_file"),
            ("opencode", "read"),
        ] {
            check("file_read", id, &[expected]);
            check("Read", id, &[expected]);
        }
        check("git", "", &["Bash(git:*)"]);
        check("git", "gemini-cli", &["run_shell_command(git)"]);
        check("file_search", "opencode", &["glob", "grep"]);
        check("Grep", "gemini-cli", &["grep_search"]);
        check("Bash(git:*)", "", &["Bash(git:*)"]);
        check("Bash(git:*)", "codex", &["exec_command(git:*)"]);
        check("Bash(npm run test)", "gemini-cli", &["run_shell_command(npm run test)"]);
        check("Bash(jq:*)", "opencode", &["bash(jq *)"]);
        check("database_write", "", &["database_write"]);
        check("Skill", "codex", &["Skill"]);
        check("mcp__server__tool", "gemini-cli", &["mcp__server__tool"]);
        check("Bash(open", "gemini-cli", &["Bash(open"]);
        check("Read", "cursor", &["Read"]);
    }

    #[test]
    fn a_tool_says_what_is_done_with_it() {
        assert_eq!(operations_of_tool("Bash", agent("claude-code")), ["shell_exec"]);
        assert_eq!(operations_of_tool("Bash(git:*)", None), ["shell_exec", "git"]);
        assert_eq!(operations_of_tool("run_shell_command", agent("gemini-cli")), ["shell_exec"]);
        assert_eq!(operations_of_tool("mcp__db__query", None), [""; 0]);
    }
}
