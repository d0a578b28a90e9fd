//! Which agents there are and where each reads its skills.
//!
//! The table is data and changes often: facts from the agents' own documentation and from
//! public tables of other installers, November 2026. Who uses an agent that is missing, or
//! has moved its folder, names the folder itself ([`InstallTarget::Folder`]).

use std::fmt;

use crate::error::{Error, Result, error, fail, is_unprintable, printable};
use crate::text::find_nearest;

/// One agent.
#[derive(Debug, PartialEq, Eq)]
pub struct Agent {
    /// What `--agent` takes.
    pub id: &'static str,
    /// What it calls itself.
    pub name: &'static str,
    /// Its skill folder, from the root of a project.
    pub project_dir: &'static str,
    /// Its skill folder, from the home directory.
    pub user_dir: &'static str,
    /// Folders that show that it is in use, in a project or in the home directory. Empty
    /// where only folders speak for it that several agents share.
    pub(crate) marks: &'static [&'static str],
}

impl Agent {
    /// True where a folder that only this agent makes is below `base`: a project, or a home.
    pub fn is_used_in(&self, base: &std::path::Path) -> bool {
        self.marks.iter().any(|mark| base.join(mark).is_dir())
    }
}

/// The agents, `claude-code` first: it is the default target.
const AGENTS: &[Agent] = &[
    define_agent("claude-code", "Claude Code", ".claude/skills", ".claude/skills", &[".claude"]),
    define_agent("adal", "AdaL", ".adal/skills", ".adal/skills", &[".adal"]),
    define_agent("aider-desk", "AiderDesk", ".aider-desk/skills", ".aider-desk/skills", &[".aider-desk"]),
    define_agent("amp", "Amp", ".agents/skills", ".config/agents/skills", &[".config/amp"]),
    define_agent(
        "antigravity",
        "Antigravity",
        ".agents/skills",
        ".gemini/antigravity/skills",
        &[".gemini/antigravity"],
    ),
    define_agent("augment", "Augment", ".augment/skills", ".augment/skills", &[".augment"]),
    define_agent("bob", "IBM Bob", ".bob/skills", ".bob/skills", &[".bob"]),
    define_agent("cline", "Cline", ".agents/skills", ".agents/skills", &[".cline"]),
    define_agent("codebuddy", "CodeBuddy", ".codebuddy/skills", ".codebuddy/skills", &[".codebuddy"]),
    define_agent("codex", "Codex", ".agents/skills", ".codex/skills", &[".codex"]),
    define_agent(
        "command-code",
        "Command Code",
        ".commandcode/skills",
        ".commandcode/skills",
        &[".commandcode"],
    ),
    define_agent("continue", "Continue", ".continue/skills", ".continue/skills", &[".continue"]),
    define_agent("crush", "Crush", ".crush/skills", ".config/crush/skills", &[".crush", ".config/crush"]),
    define_agent("cursor", "Cursor", ".agents/skills", ".cursor/skills", &[".cursor"]),
    define_agent("deepagents", "Deep Agents", ".agents/skills", ".deepagents/agent/skills", &[".deepagents"]),
    define_agent(
        "devin",
        "Devin for Terminal",
        ".devin/skills",
        ".config/devin/skills",
        &[".devin", ".config/devin"],
    ),
    define_agent("droid", "Droid", ".agents/skills", ".factory/skills", &[".factory"]),
    define_agent("firebender", "Firebender", ".agents/skills", ".firebender/skills", &[".firebender"]),
    define_agent("forgecode", "ForgeCode", ".forge/skills", ".forge/skills", &[".forge"]),
    define_agent("gemini-cli", "Gemini CLI", ".agents/skills", ".gemini/skills", &[".gemini"]),
    define_agent("github-copilot", "GitHub Copilot", ".agents/skills", ".copilot/skills", &[".copilot"]),
    define_agent("goose", "Goose", ".goose/skills", ".config/goose/skills", &[".goose", ".config/goose"]),
    define_agent("grok", "Grok Build", ".grok/skills", ".grok/skills", &[".grok"]),
    define_agent("hermes-agent", "Hermes Agent", ".hermes/skills", ".hermes/skills", &[".hermes"]),
    define_agent("iflow-cli", "iFlow CLI", ".iflow/skills", ".iflow/skills", &[".iflow"]),
    define_agent("junie", "Junie", ".junie/skills", ".junie/skills", &[".junie"]),
    define_agent("kilo", "Kilo Code", ".agents/skills", ".kilo/skills", &[".kilo", ".kilocode"]),
    define_agent(
        "kimi-code-cli",
        "Kimi Code CLI",
        ".agents/skills",
        ".agents/skills",
        &[".kimi-code", ".kimi"],
    ),
    define_agent("kiro-cli", "Kiro CLI", ".kiro/skills", ".kiro/skills", &[".kiro"]),
    define_agent("kode", "Kode", ".kode/skills", ".kode/skills", &[".kode"]),
    define_agent("lingma", "Lingma", ".lingma/skills", ".lingma/skills", &[".lingma"]),
    define_agent("mistral-vibe", "Mistral Vibe", ".vibe/skills", ".vibe/skills", &[".vibe"]),
    define_agent("mux", "Mux", ".mux/skills", ".mux/skills", &[".mux"]),
    define_agent("neovate", "Neovate", ".neovate/skills", ".neovate/skills", &[".neovate"]),
    define_agent("ona", "Ona", ".ona/skills", ".ona/skills", &[".ona"]),
    define_agent("openclaw", "OpenClaw", "skills", ".openclaw/skills", &[".openclaw"]),
    define_agent(
        "opencode",
        "OpenCode",
        ".agents/skills",
        ".config/opencode/skills",
        &[".opencode", ".config/opencode"],
    ),
    define_agent("openhands", "OpenHands", ".openhands/skills", ".openhands/skills", &[".openhands"]),
    define_agent("pi", "Pi", ".pi/skills", ".pi/agent/skills", &[".pi"]),
    define_agent("qoder", "Qoder", ".qoder/skills", ".qoder/skills", &[".qoder"]),
    define_agent("qwen-code", "Qwen Code", ".qwen/skills", ".qwen/skills", &[".qwen"]),
    define_agent("replit", "Replit", ".agents/skills", ".config/agents/skills", &[".replit"]),
    define_agent("roo", "Roo Code", ".roo/skills", ".roo/skills", &[".roo"]),
    define_agent("rovodev", "Rovo Dev", ".rovodev/skills", ".rovodev/skills", &[".rovodev"]),
    define_agent(
        "tabnine-cli",
        "Tabnine CLI",
        ".tabnine/agent/skills",
        ".tabnine/agent/skills",
        &[".tabnine"],
    ),
    define_agent("trae", "Trae", ".trae/skills", ".trae/skills", &[".trae"]),
    define_agent("trae-cn", "Trae CN", ".trae/skills", ".trae-cn/skills", &[".trae-cn"]),
    define_agent("universal", "the folder that agents share", ".agents/skills", ".agents/skills", &[]),
    define_agent("warp", "Warp", ".agents/skills", ".agents/skills", &[".warp"]),
    define_agent(
        "windsurf",
        "Windsurf",
        ".windsurf/skills",
        ".codeium/windsurf/skills",
        &[".windsurf", ".codeium/windsurf"],
    ),
    define_agent("zed", "Zed", ".agents/skills", ".agents/skills", &[".zed", ".config/zed"]),
    define_agent("zencoder", "Zencoder", ".zencoder/skills", ".zencoder/skills", &[".zencoder"]),
];

const fn define_agent(
    id: &'static str,
    name: &'static str,
    project_dir: &'static str,
    user_dir: &'static str,
    marks: &'static [&'static str],
) -> Agent {
    Agent { id, name, project_dir, user_dir, marks }
}

/// The whole table.
pub fn all_agents() -> &'static [Agent] {
    AGENTS
}

/// What people call some agents for short.
const SHORT: [(&str, &str); 7] = [
    ("claude", "claude-code"),
    ("copilot", "github-copilot"),
    ("gemini", "gemini-cli"),
    ("kiro", "kiro-cli"),
    ("qwen", "qwen-code"),
    ("roo-code", "roo"),
    ("vibe", "mistral-vibe"),
];

/// The agent of this id, of either case.
///
/// # Errors
/// `Usage`, with the ids that come near.
pub fn find_agent(id: &str) -> Result<&'static Agent> {
    let wanted = id.trim().to_ascii_lowercase();
    AGENTS.iter().find(|agent| agent.id == wanted).ok_or_else(|| unknown_agent(&wanted))
}

fn unknown_agent(wanted: &str) -> Error {
    let shown = printable(wanted, false);
    let error = error!(Usage, "unknown agent `{shown}`");
    let short = SHORT.iter().find(|(short, _)| *short == wanted).map(|(_, id)| *id);
    let near = short.or_else(|| find_nearest(wanted, AGENTS.iter().map(|agent| agent.id)));
    let error = match near {
        Some(id) => error.hint(format!("did you mean `{id}`?")),
        None => {
            let ids: Vec<&str> = AGENTS.iter().map(|agent| agent.id).collect();
            error.hint(format!("known are {}", ids.join(", ")))
        }
    };
    error.hint(format!("for a folder write a path: `./{shown}/skills`"))
}

/// Where a skill is to be put.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InstallTarget {
    /// The folder that this agent reads, by scope.
    Agent(&'static Agent),
    /// A folder as it was written: absolute, below `~`, or from the base of the scope.
    Folder(String),
}

/// What receives a skill when nothing else was asked for: Claude Code.
impl Default for InstallTarget {
    fn default() -> Self {
        Self::Agent(&AGENTS[0])
    }
}

/// Agents that were named in one word, `cursor,codex`, each by itself. A folder stays whole: a
/// comma may be part of it.
#[must_use]
pub fn split_agent_names(texts: &[String]) -> Vec<String> {
    let split = |text: &String| match is_folder(text.trim()) {
        true => vec![text.clone()],
        false => text.split(',').map(str::to_owned).collect(),
    };
    texts.iter().flat_map(split).collect()
}

impl InstallTarget {
    /// An id of the table, or a path: what holds a slash, or begins with `.` or `~`.
    ///
    /// # Errors
    /// `Usage` for anything else, and for a path with invisible characters.
    pub fn parse(text: &str) -> Result<Self> {
        let text = text.trim();
        if text.is_empty() {
            return Err(
                error!(Usage, "a target is empty").hint("write an agent like `claude-code`, or a folder")
            );
        }
        if !is_folder(text) {
            return find_agent(text).map(Self::Agent);
        }
        if text.chars().any(is_unprintable) {
            fail!(Usage, "the folder `{}` has invisible characters in its name", printable(text, false));
        }
        if text.starts_with('~') && text.len() > 1 && !text.starts_with("~/") && !text.starts_with("~\\") {
            return Err(
                error!(Usage, "`{text}` begins with another user's home").hint("write the whole path")
            );
        }
        Ok(Self::Folder(without_empty_parts(text)))
    }
}

/// True for the text of a target that is a folder and not an agent.
fn is_folder(text: &str) -> bool {
    text.contains(['/', '\\']) || text.starts_with(['.', '~'])
}

/// A path of one spelling: `./a/./b//` is `./a/b`.
fn without_empty_parts(path: &str) -> String {
    let (share, rest) = if path.starts_with("//") { ("/", &path[1..]) } else { ("", path) };
    let mut parts = rest.split('/');
    let first = parts.next().unwrap_or_default();
    let rest: Vec<&str> = parts.filter(|part| !matches!(*part, "" | ".")).collect();
    match (first, rest.is_empty()) {
        ("", true) => format!("{share}/"),
        (first, true) => first.to_owned(),
        (first, false) => format!("{share}{first}/{}", rest.join("/")),
    }
}

/// The text that [`InstallTarget::parse`] reads back, and the registry keeps.
impl fmt::Display for InstallTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Agent(agent) => f.write_str(agent.id),
            Self::Folder(folder) => f.write_str(folder),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::path::RelPath;

    #[test]
    fn the_table_is_sound() {
        assert!(all_agents().len() >= 20);
        assert_eq!(InstallTarget::default().to_string(), "claude-code");
        assert_eq!(AGENTS[0].id, "claude-code");
        assert_eq!((AGENTS[0].project_dir, AGENTS[0].user_dir), (".claude/skills", ".claude/skills"));
        assert!(AGENTS[1..].is_sorted_by_key(|agent| agent.id), "sorted behind the first");
        let ids: BTreeSet<_> = AGENTS.iter().map(|agent| agent.id).collect();
        let names: BTreeSet<_> = AGENTS.iter().map(|agent| agent.name).collect();
        assert_eq!((ids.len(), names.len()), (AGENTS.len(), AGENTS.len()));
        for agent in AGENTS {
            let id = agent.id;
            assert!(id.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-'), "{id}");
            for path in [agent.project_dir, agent.user_dir].iter().chain(agent.marks) {
                assert!(RelPath::parse(path.as_bytes()).is_ok(), "{id}: {path}");
            }
            for folder in [agent.project_dir, agent.user_dir] {
                assert!(folder == "skills" || folder.ends_with("/skills"), "{id}: {folder}");
            }
            // A mark that several agents own would detect the wrong one.
            assert!(!agent.marks.iter().any(|mark| *mark == ".agents" || *mark == ".config"), "{id}");
            assert_eq!(find_agent(id).unwrap(), agent);
        }
        let marks: Vec<_> = AGENTS.iter().flat_map(|agent| agent.marks).collect();
        assert_eq!(
            marks.iter().collect::<BTreeSet<_>>().len(),
            marks.len(),
            "each mark speaks for one agent"
        );
        assert!(SHORT.iter().all(|(short, id)| find_agent(id).is_ok() && find_agent(short).is_err()));
    }

    #[test]
    fn several_agents_may_stand_in_one_word() {
        let split = |texts: &[&str]| {
            split_agent_names(&texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>())
        };
        assert_eq!(split(&["claude-code,cursor", "codex"]), ["claude-code", "cursor", "codex"]);
        assert_eq!(split(&["./a,b", "~/x,y", "c,d/e"]), ["./a,b", "~/x,y", "c,d/e"]);
        // What is left out between commas is refused where it is parsed.
        assert_eq!(split(&["cursor,"]), ["cursor", ""]);
    }

    #[test]
    fn an_unknown_agent_is_named_with_what_comes_near() {
        for (text, hint) in [
            ("claude", "did you mean `claude-code`?"),
            ("cursr", "did you mean `cursor`?"),
            ("copilot", "did you mean `github-copilot`?"),
            ("windsruf", "did you mean `windsurf`?"),
            ("nothing-like-it", "known are claude-code, adal"),
        ] {
            let error = find_agent(text).expect_err(text);
            assert!(error.hints[0].starts_with(hint), "{text}: {:?}", error.hints);
        }
        assert_eq!(find_agent(" Codex ").unwrap().id, "codex");
    }

    #[test]
    fn a_target_is_an_agent_or_a_folder() {
        for (text, shown) in [
            ("claude-code", "claude-code"),
            ("./skills/", "./skills"),
            ("./a/.//b/.", "./a/b"),
            ("a/./b", "a/b"),
            ("./", "."),
            ("//server/share/", "//server/share"),
            ("team/skills", "team/skills"),
            (".custom", ".custom"),
            ("~/skills", "~/skills"),
            ("/srv/skills", "/srv/skills"),
            ("C:\\skills", "C:\\skills"),
            ("/", "/"),
        ] {
            let target = InstallTarget::parse(text).unwrap();
            assert_eq!(target.to_string(), shown);
            assert_eq!(InstallTarget::parse(&target.to_string()).unwrap(), target);
            assert_eq!(matches!(target, InstallTarget::Agent(_)), text == "claude-code");
        }
        for bad in ["", " ", "skills", "claud code", "./a\u{7}", "~me/skills"] {
            assert!(InstallTarget::parse(bad).is_err(), "{bad:?}");
        }
    }
}
