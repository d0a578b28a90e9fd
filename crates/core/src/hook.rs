//! The hooks of agents, as values: what each tells a hook, what it understands as an answer, and
//! what stands in its settings. As of Claude Code 2.1.332, Codex 0.171 and Gemini CLI 0.61.
//!
//! An answer never allows anything: that would go before what the person has settled with the
//! agent. It names skills, denies, asks, or says nothing.

mod entries;
mod operations;
mod shell;

use serde::Deserialize;
use serde_json::{Value, json};

pub use entries::{HookFile, HookState, find_hooks, install_hooks, is_own_command, uninstall_hooks};
pub use operations::{Operation, find_forbidden};

use crate::error::printable;
use crate::transcript::typed_call;

/// An agent whose hooks are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HookAgent {
    ClaudeCode,
    Codex,
    GeminiCli,
}

/// What happens in an agent when it runs a hook, whatever it calls that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HookEvent {
    /// A person has sent a request.
    Prompt,
    /// A conversation begins, or goes on after it was cleared.
    SessionStart,
    /// A tool is about to be used.
    BeforeTool,
    /// It was.
    AfterTool,
    /// It was, and failed.
    ToolFailed,
    /// A person has typed the name of a skill.
    CommandTyped,
}

impl HookAgent {
    pub const ALL: [Self; 3] = [Self::ClaudeCode, Self::Codex, Self::GeminiCli];

    /// As `--agent` takes it.
    pub fn id(self) -> &'static str {
        match self {
            Self::ClaudeCode => "claude-code",
            Self::Codex => "codex",
            Self::GeminiCli => "gemini-cli",
        }
    }

    /// What it calls itself.
    pub fn name(self) -> &'static str {
        match self {
            Self::ClaudeCode => "Claude Code",
            Self::Codex => "Codex",
            Self::GeminiCli => "Gemini CLI",
        }
    }

    /// The agent with this id.
    pub fn of_id(id: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|agent| agent.id() == id)
    }

    /// The events that it runs a hook for, by its own names.
    fn events(self) -> &'static [(&'static str, HookEvent)] {
        match self {
            Self::ClaudeCode => &[
                ("UserPromptSubmit", HookEvent::Prompt),
                ("SessionStart", HookEvent::SessionStart),
                ("PreToolUse", HookEvent::BeforeTool),
                ("PostToolUse", HookEvent::AfterTool),
                ("PostToolUseFailure", HookEvent::ToolFailed),
                ("UserPromptExpansion", HookEvent::CommandTyped),
            ],
            Self::Codex => &[
                ("UserPromptSubmit", HookEvent::Prompt),
                ("SessionStart", HookEvent::SessionStart),
                ("PreToolUse", HookEvent::BeforeTool),
            ],
            Self::GeminiCli => &[
                ("BeforeAgent", HookEvent::Prompt),
                ("SessionStart", HookEvent::SessionStart),
                ("BeforeTool", HookEvent::BeforeTool),
                ("AfterTool", HookEvent::AfterTool),
            ],
        }
    }

    /// How a model of it loads a skill, for the middle of a sentence.
    fn way_to_load(self) -> &'static str {
        match self {
            Self::ClaudeCode => "the Skill tool",
            Self::Codex => "a look at its SKILL.md, the path behind its name,",
            Self::GeminiCli => "the activate_skill tool",
        }
    }
}

/// What an agent tells a hook, as far as it is used.
#[derive(Debug, Clone, PartialEq)]
pub struct HookInput {
    pub agent: HookAgent,
    pub event: HookEvent,
    pub session: Option<String>,
    pub cwd: Option<String>,
    pub prompt: String,
    pub tool: String,
    pub tool_input: Value,
    pub tool_response: Value,
    /// What the agent calls this one use of a tool.
    pub call: Option<String>,
    pub milliseconds: Option<u64>,
    /// The name that a person has typed behind a slash.
    pub command: Option<String>,
}

/// The fields of all agents together; others are passed over.
#[derive(Debug, Deserialize)]
struct WireInput {
    hook_event_name: String,
    session_id: Option<String>,
    cwd: Option<String>,
    prompt: Option<String>,
    tool_name: Option<String>,
    #[serde(default)]
    tool_input: Value,
    #[serde(default)]
    tool_response: Value,
    tool_use_id: Option<String>,
    duration_ms: Option<f64>,
    expansion_type: Option<String>,
    command_name: Option<String>,
    prompt_id: Option<String>,
}

impl HookInput {
    /// Reads what an agent wrote; without an agent it is told from the name of the event.
    ///
    /// # Errors
    /// What is wrong with it, in a sentence.
    pub fn parse(bytes: &[u8], agent: Option<HookAgent>) -> Result<Self, String> {
        let wire: WireInput = serde_json::from_slice(bytes).map_err(|e| {
            let what =
                if bytes.iter().all(u8::is_ascii_whitespace) { "nothing".to_owned() } else { e.to_string() };
            format!("expected what an agent tells a hook as JSON, found {what}")
        })?;
        let named = |agent: &HookAgent| {
            let mut events = agent.events().iter();
            events.find(|(name, _)| *name == wire.hook_event_name).map(|(_, event)| (*agent, *event))
        };
        let known = match agent {
            Some(agent) => named(&agent),
            None => HookAgent::ALL.iter().find_map(named),
        };
        let (agent, event) = known.ok_or_else(|| {
            let event = printable(&wire.hook_event_name, false);
            match agent {
                Some(agent) => format!("`{event}` is not an event of {} that is answered", agent.name()),
                None => format!("`{event}` is not an event that is answered"),
            }
        })?;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "milliseconds, rounded")]
        let milliseconds = wire.duration_ms.filter(|ms| *ms >= 0.0).map(|ms| ms.round() as u64);
        let typed = wire.command_name.as_deref().zip(wire.prompt_id.as_deref());
        let typed = typed.filter(|_| event == HookEvent::CommandTyped);
        let typed = typed.map(|(name, prompt)| typed_call(prompt, name.trim_start_matches('/')));
        let is_skill = wire.expansion_type.as_deref().is_none_or(|kind| kind == "slash_command");
        Ok(Self {
            agent,
            event,
            session: wire.session_id.filter(|id| !id.is_empty()),
            cwd: wire.cwd.filter(|cwd| !cwd.is_empty()),
            prompt: without_contexts(wire.prompt.unwrap_or_default()),
            tool: wire.tool_name.unwrap_or_default(),
            tool_input: wire.tool_input,
            tool_response: wire.tool_response,
            call: typed.or(wire.tool_use_id),
            milliseconds,
            command: wire.command_name.filter(|_| is_skill),
        })
    }

    /// The skill that a tool loads, where it is the tool that loads skills.
    pub fn loaded_skill(&self) -> Option<&str> {
        let key = match (self.agent, self.tool.as_str()) {
            (HookAgent::ClaudeCode, "Skill") => "skill",
            (HookAgent::GeminiCli, "activate_skill") => "name",
            _ => return None,
        };
        self.tool_input.get(key)?.as_str().map(|name| name.trim_start_matches('/'))
    }

    /// The commands that the use of a tool gives to a shell.
    pub fn shell_commands(&self) -> Vec<String> {
        if !operations::is_shell_tool(&self.tool) {
            return Vec::new();
        }
        let texts = ["command", "cmd", "script"].iter().filter_map(|key| self.tool_input.get(key));
        texts.filter_map(command_text).collect()
    }

    /// True where what a tool answered says that it failed.
    pub fn has_failed(&self) -> bool {
        let response = &self.tool_response;
        self.event == HookEvent::ToolFailed
            || response.get("success").and_then(Value::as_bool) == Some(false)
            || response.get("error").is_some_and(|error| !error.is_null())
    }
}

/// A request without what hooks before have put in front of it, which Gemini CLI leaves there.
fn without_contexts(prompt: String) -> String {
    let mut rest = prompt.as_str();
    while let Some((_, behind)) =
        rest.strip_prefix("<hook_context>").and_then(|rest| rest.split_once("</hook_context>"))
    {
        rest = behind.trim_start();
    }
    if rest.len() == prompt.len() { prompt } else { rest.to_owned() }
}

/// A command as text; one that is a list of words becomes the line that means the same.
fn command_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Array(words) => {
            let quoted = words
                .iter()
                .filter_map(Value::as_str)
                .map(|word| format!("'{}'", word.replace('\'', "'\\''")));
            Some(quoted.collect::<Vec<_>>().join(" "))
        }
        _ => None,
    }
}

/// A skill that an answer names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedSkill {
    /// As the agent knows it.
    pub name: String,
    pub description: String,
    /// Why it fits, in a few words; empty where nothing is to be said.
    pub why: String,
    /// The whole path of its SKILL.md.
    pub manifest: String,
}

/// Characters of a description that are shown.
const LONGEST_DESCRIPTION: usize = 1_024;
/// Characters of an answer; what is longer some agents cut, or put into a file.
const LONGEST_ANSWER: usize = 9_000;

/// What a hook answers.
#[derive(Debug, Clone, PartialEq)]
pub enum HookAnswer {
    Nothing,
    /// Text for the model.
    Context(String),
    /// Text for the model at the beginning; Claude Code looks at the skills anew.
    Start(String),
    Deny(String),
    Ask(String),
}

impl HookAnswer {
    /// The answer that names skills which fit a request.
    pub fn naming(agent: HookAgent, skills: &[NamedSkill]) -> Self {
        let lines = list_skills(agent, skills);
        if lines.is_empty() {
            return Self::Nothing;
        }
        Self::Context(format!(
            "These installed skills fit this request:\n{lines}Decide for each, yes or no; load each yes with {} \
             before you begin.",
            agent.way_to_load()
        ))
    }

    /// The answer at the beginning of a conversation: the skills that always count.
    pub fn starting(agent: HookAgent, skills: &[NamedSkill]) -> Self {
        let lines = list_skills(agent, skills);
        if lines.is_empty() {
            return Self::Start(String::new());
        }
        Self::Start(format!(
            "These skills are for every conversation here:\n{lines}Load one with {} when it is wanted.",
            agent.way_to_load()
        ))
    }

    /// As the agent reads it on stdout; nothing where there is nothing to say.
    pub fn to_json(&self, agent: HookAgent, event: HookEvent) -> Option<Value> {
        let name = agent.events().iter().find(|(_, known)| *known == event).map(|(name, _)| *name)?;
        let context =
            |text: &str| json!({"hookSpecificOutput": {"hookEventName": name, "additionalContext": text}});
        let decide = |decision: &str, reason: &str| match agent {
            HookAgent::GeminiCli => json!({"decision": decision, "reason": reason}),
            _ => json!({"hookSpecificOutput": {
                "hookEventName": name, "permissionDecision": decision, "permissionDecisionReason": reason,
            }}),
        };
        match self {
            Self::Nothing => None,
            Self::Context(text) => Some(context(text)),
            Self::Start(text) => {
                let mut answer = if text.is_empty() { None } else { Some(context(text)) };
                if agent == HookAgent::ClaudeCode {
                    let value =
                        answer.get_or_insert_with(|| json!({"hookSpecificOutput": {"hookEventName": name}}));
                    value["hookSpecificOutput"]["reloadSkills"] = Value::Bool(true);
                }
                answer
            }
            Self::Deny(reason) => Some(decide("deny", reason)),
            // Codex takes a hook that asks for a faulty one, and goes on: what may not be done
            // unasked is then not done.
            Self::Ask(reason) if agent == HookAgent::Codex => {
                let reason = format!(
                    "{reason}; a hook of Codex cannot ask, so it is denied: a person may do it in a terminal"
                );
                Some(decide("deny", &reason))
            }
            Self::Ask(reason) => Some(decide("ask", reason)),
        }
    }
}

/// A line for each skill. What a skill says of itself is one line, whatever is in it.
fn list_skills(agent: HookAgent, skills: &[NamedSkill]) -> String {
    let mut lines = String::new();
    let mut left = LONGEST_ANSWER;
    for skill in skills {
        let one_line = |text: &str| printable(&text.split_whitespace().collect::<Vec<_>>().join(" "), false);
        let description = crate::text::shorten_text(&one_line(&skill.description), LONGEST_DESCRIPTION);
        let why = if skill.why.is_empty() { String::new() } else { format!(" ({})", one_line(&skill.why)) };
        let path = match agent {
            HookAgent::Codex => format!(" [{}]", one_line(&skill.manifest)),
            _ => String::new(),
        };
        let line = format!("- {}{path}: {description}{why}.\n", one_line(&skill.name));
        let line = line.replace("..\n", ".\n");
        let length = line.chars().count();
        if length > left {
            break;
        }
        left -= length;
        lines.push_str(&line);
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn skill(name: &str, description: &str) -> NamedSkill {
        let manifest = format!("/h/.claude/skills/{name}/SKILL.md");
        NamedSkill { name: name.into(), description: description.into(), why: "named".into(), manifest }
    }

    #[test]
    fn each_agent_is_understood_and_answered() {
        let parse = |text: &str| HookInput::parse(text.as_bytes(), None);
        let claude = parse(
            r#"{"hook_event_name":"UserPromptSubmit","session_id":"s","cwd":"/p","prompt":"hi","new":[1]}"#,
        )
        .unwrap();
        assert_eq!(
            (claude.agent, claude.event, claude.prompt.as_str()),
            (HookAgent::ClaudeCode, HookEvent::Prompt, "hi")
        );
        let gemini = parse(r#"{"hook_event_name":"BeforeAgent","prompt":"hi","timestamp":"x"}"#).unwrap();
        assert_eq!((gemini.agent, gemini.event), (HookAgent::GeminiCli, HookEvent::Prompt));
        let behind = parse(
            r#"{"hook_event_name":"BeforeAgent","prompt":"<hook_context>core skills</hook_context>\n\nhi"}"#,
        );
        assert_eq!(behind.unwrap().prompt, "hi");
        let json = HookAnswer::naming(gemini.agent, &[skill("pdf", "Reads PDF.\nWell.")])
            .to_json(gemini.agent, gemini.event);
        assert_eq!(
            json.unwrap(),
            json!({"hookSpecificOutput": {"hookEventName": "BeforeAgent", "additionalContext":
            "These installed skills fit this request:\n- pdf: Reads PDF. Well. (named).\nDecide for each, yes or no; load each yes with the activate_skill tool before you begin."}})
        );
        let HookAnswer::Context(text) = HookAnswer::naming(HookAgent::Codex, &[skill("pdf", "Reads PDF.")])
        else {
            panic!()
        };
        assert!(text.contains("- pdf [/h/.claude/skills/pdf/SKILL.md]: Reads PDF. (named).\n"), "{text}");
        assert_eq!(HookAnswer::naming(HookAgent::Codex, &[]), HookAnswer::Nothing);
    }

    #[test]
    fn the_beginning_reloads_skills_in_claude_code_alone() {
        let start = |agent: HookAgent, skills: &[NamedSkill]| {
            HookAnswer::starting(agent, skills).to_json(agent, HookEvent::SessionStart)
        };
        assert_eq!(
            start(HookAgent::ClaudeCode, &[]).unwrap(),
            json!({"hookSpecificOutput": {"hookEventName": "SessionStart", "reloadSkills": true}})
        );
        assert_eq!(start(HookAgent::Codex, &[]), None);
        let text = start(HookAgent::Codex, &[skill("core", "Always.")]).unwrap();
        assert!(text["hookSpecificOutput"]["additionalContext"].as_str().unwrap().contains("- core"));
        assert!(text["hookSpecificOutput"].get("reloadSkills").is_none());
    }

    #[test]
    fn denying_and_asking_is_said_as_each_agent_reads_it() {
        let said =
            |agent: HookAgent, answer: HookAnswer| answer.to_json(agent, HookEvent::BeforeTool).unwrap();
        let deny = || HookAnswer::Deny("no".into());
        let ask = || HookAnswer::Ask("sure?".into());
        assert_eq!(
            said(HookAgent::ClaudeCode, deny()),
            json!({"hookSpecificOutput": {"hookEventName": "PreToolUse", "permissionDecision": "deny", "permissionDecisionReason": "no"}})
        );
        assert_eq!(said(HookAgent::ClaudeCode, ask())["hookSpecificOutput"]["permissionDecision"], "ask");
        assert_eq!(said(HookAgent::GeminiCli, deny()), json!({"decision": "deny", "reason": "no"}));
        assert_eq!(said(HookAgent::GeminiCli, ask())["decision"], "ask");
        assert_eq!(said(HookAgent::Codex, ask())["hookSpecificOutput"]["permissionDecision"], "deny");
    }

    #[test]
    fn what_is_no_input_is_said() {
        let fault = |text: &str, agent| HookInput::parse(text.as_bytes(), agent).unwrap_err();
        assert!(fault("", None).contains("found nothing"));
        assert!(fault("hello", None).contains("expected what an agent tells a hook as JSON"));
        assert!(fault("{\"hook_event_name\":\"UserPrompt", None).contains("EOF"));
        assert!(fault("[]", None).contains("invalid"));
        assert!(fault(r#"{"hook_event_name":7}"#, None).contains("invalid type"));
        assert!(
            fault(r#"{"hook_event_name":"UserPromptSubmit","prompt":["x"]}"#, None).contains("invalid type")
        );
        assert!(fault(r#"{"hook_event_name":"Stop"}"#, None).contains("`Stop` is not an event"));
        let other = fault(r#"{"hook_event_name":"BeforeAgent"}"#, Some(HookAgent::ClaudeCode));
        assert!(other.contains("not an event of Claude Code"), "{other}");
    }

    #[test]
    fn the_tool_that_loads_skills_is_known() {
        let loaded =
            |text: &str| HookInput::parse(text.as_bytes(), None).unwrap().loaded_skill().map(str::to_owned);
        assert_eq!(
            loaded(r#"{"hook_event_name":"PostToolUse","tool_name":"Skill","tool_input":{"skill":"pdf"}}"#)
                .as_deref(),
            Some("pdf")
        );
        assert_eq!(
            loaded(
                r#"{"hook_event_name":"AfterTool","tool_name":"activate_skill","tool_input":{"name":"pdf"}}"#
            )
            .as_deref(),
            Some("pdf")
        );
        assert_eq!(loaded(r#"{"hook_event_name":"PostToolUse","tool_name":"Skill","tool_input":[]}"#), None);
        assert_eq!(
            loaded(r#"{"hook_event_name":"PostToolUse","tool_name":"Bash","tool_input":{"skill":"pdf"}}"#),
            None
        );
    }

    /// What skills say of themselves can neither make lines of its own nor be endless.
    #[test]
    fn names_and_descriptions_stay_in_their_lines() {
        let long = skill("a\n- b", &format!("x\u{1b}[2J\r\n\n{}", "word ".repeat(5_000)));
        let HookAnswer::Context(text) = HookAnswer::naming(HookAgent::ClaudeCode, &vec![long; 20]) else {
            panic!()
        };
        assert!(text.lines().skip(1).take(5).all(|line| line.starts_with("- a")), "{text}");
        assert!(text.chars().count() < 9_500 && !text.contains('\u{1b}'));
    }

    proptest! {
        #[test]
        fn nothing_that_is_told_breaks_it(bytes in proptest::collection::vec(any::<u8>(), 0..300), name in "\\PC{0,30}") {
            let _ = HookInput::parse(&bytes, None);
            for event in ["UserPromptSubmit", "PreToolUse", "AfterTool"] {
                let text = json!({"hook_event_name": event, "tool_name": name, "tool_input": {"command": name}}).to_string();
                if let Ok(input) = HookInput::parse(text.as_bytes(), None) {
                    let _ = (input.loaded_skill().map(str::len), input.shell_commands(), input.has_failed());
                }
            }
        }
    }
}
