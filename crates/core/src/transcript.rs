//! What agents write down of their conversations, read for one thing: which skills were used. Of
//! what people and models said nothing is taken.
//!
//! Claude Code 2.1 writes a line an entry: the use of its tool `Skill` in a message, what came of it
//! in a later one; of a skill that a person started by its name, the hidden text with its folder.
//! Codex 0.171 has the whole skill in a message where it was named, and the command that read its
//! `SKILL.md` where the model chose it.

use std::collections::{HashMap, HashSet};

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use crate::usage::{UsageChannel, UseEvent, UseOutcome};

/// Whose transcripts are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TranscriptAgent {
    ClaudeCode,
    Codex,
}

impl TranscriptAgent {
    pub const ALL: [Self; 2] = [Self::ClaudeCode, Self::Codex];

    /// As `--import` takes it.
    pub fn id(self) -> &'static str {
        match self {
            Self::ClaudeCode => "claude-code",
            Self::Codex => "codex",
        }
    }

    /// The agent with this id.
    pub fn of_id(id: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|agent| agent.id() == id)
    }
}

/// A use of a skill, and the folder that the agent was working in.
#[derive(Debug, Clone, PartialEq)]
pub struct TranscribedUse {
    pub event: UseEvent,
    pub cwd: Option<String>,
}

/// Reads one transcript, line by line. Lines that are not understood are passed over: a transcript
/// may be cut, and other versions write other lines.
#[derive(Debug)]
pub struct TranscriptReader {
    agent: TranscriptAgent,
    session: Option<String>,
    cwd: Option<String>,
    /// Uses whose outcome is not known yet, by what the agent calls them.
    open: HashMap<String, TranscribedUse>,
    /// Skills whose file was read in this conversation.
    read: HashSet<String>,
    /// The last command that a person typed.
    command: Option<String>,
}

const BASE: &str = "Base directory for this skill: ";

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ClaudeLine {
    timestamp: Option<Timestamp>,
    session_id: Option<String>,
    cwd: Option<String>,
    uuid: Option<String>,
    prompt_id: Option<String>,
    #[serde(default)]
    is_meta: bool,
    #[serde(rename = "sourceToolUseID")]
    source: Option<String>,
    message: Option<ClaudeMessage>,
}

#[derive(Deserialize)]
struct ClaudeMessage {
    #[serde(default)]
    content: ClaudeContent,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum ClaudeContent {
    Text(String),
    Blocks(Vec<ClaudeBlock>),
    Other(serde::de::IgnoredAny),
}

impl Default for ClaudeContent {
    fn default() -> Self {
        Self::Blocks(Vec::new())
    }
}

#[derive(Deserialize)]
struct ClaudeBlock {
    #[serde(rename = "type", default)]
    kind: String,
    id: Option<String>,
    name: Option<String>,
    input: Option<Value>,
    tool_use_id: Option<String>,
    is_error: Option<bool>,
    text: Option<String>,
}

#[derive(Deserialize)]
struct CodexLine {
    timestamp: Option<Timestamp>,
    #[serde(rename = "type", default)]
    kind: String,
    #[serde(default)]
    payload: Value,
}

impl TranscriptReader {
    /// A reader at the beginning of a transcript.
    pub fn new(agent: TranscriptAgent) -> Self {
        Self { agent, session: None, cwd: None, open: HashMap::new(), read: HashSet::new(), command: None }
    }

    /// Reads the next line; the uses that are known with it.
    pub fn read_line(&mut self, line: &[u8]) -> Vec<TranscribedUse> {
        let has = |text: &str| line.windows(text.len()).any(|window| window == text.as_bytes());
        match self.agent {
            TranscriptAgent::ClaudeCode => {
                let is_wanted = has("\"Skill\"")
                    || has(BASE)
                    || has("<command-name>")
                    || (!self.open.is_empty() && has("tool_use_id"));
                let read = if is_wanted { serde_json::from_slice(line).ok() } else { None };
                read.map(|line| self.read_claude(line)).unwrap_or_default()
            }
            TranscriptAgent::Codex => {
                let is_wanted =
                    has("session_meta") || has("turn_context") || has("SKILL.md") || has("<skill>");
                let read = if is_wanted { serde_json::from_slice(line).ok() } else { None };
                read.map(|line: CodexLine| self.read_codex(&line)).unwrap_or_default()
            }
        }
    }

    fn use_of(&self, at: Timestamp, skill: &str, call: &str) -> TranscribedUse {
        let agent = self.agent.id();
        let event = UseEvent::new(at, skill, UsageChannel::Import, UseOutcome::Activated)
            .in_session(Some(agent), self.session.as_deref())
            .of_call(agent, call);
        TranscribedUse { event, cwd: self.cwd.clone() }
    }

    fn read_claude(&mut self, line: ClaudeLine) -> Vec<TranscribedUse> {
        self.session = line.session_id.or_else(|| self.session.take());
        self.cwd = line.cwd.or_else(|| self.cwd.take());
        let (Some(at), Some(message)) = (line.timestamp, line.message) else { return Vec::new() };
        let blocks = match message.content {
            ClaudeContent::Text(text) => {
                self.note_command(&text);
                return Vec::new();
            }
            ClaudeContent::Blocks(blocks) => blocks,
            ClaudeContent::Other(_) => return Vec::new(),
        };
        let mut found = Vec::new();
        for block in blocks {
            match block.kind.as_str() {
                "tool_use" if block.name.as_deref() == Some("Skill") => {
                    let skill = block.input.as_ref().and_then(|input| input.get("skill")?.as_str());
                    if let (Some(id), Some(skill)) = (block.id, skill.filter(|skill| !skill.is_empty())) {
                        let open = self.use_of(at, skill.trim_start_matches('/'), &id);
                        self.open.insert(id, open);
                    }
                }
                "tool_result" => {
                    let open = block.tool_use_id.and_then(|id| self.open.remove(&id));
                    found.extend(open.map(|mut one| {
                        if block.is_error == Some(true) {
                            one.event.event = UseOutcome::Failed;
                        }
                        one
                    }));
                }
                "text" => {
                    let text = block.text.unwrap_or_default();
                    if line.is_meta && line.source.is_none() {
                        let id = (line.prompt_id.as_deref(), line.uuid.as_deref());
                        found.extend(self.started_by_name(at, &text, id));
                    } else {
                        self.note_command(&text);
                    }
                }
                _ => {}
            }
        }
        found
    }

    /// Notes the name of a command in the visible message that Claude Code writes for it.
    fn note_command(&mut self, text: &str) {
        let name = text.split_once("<command-name>").and_then(|(_, rest)| rest.split_once("</command-name>"));
        if let Some((name, _)) = name {
            self.command = Some(name.trim().trim_start_matches('/').to_owned());
        }
    }

    /// A skill that a person started: its instructions follow in a hidden message.
    fn started_by_name(
        &mut self,
        at: Timestamp,
        text: &str,
        (prompt, line): (Option<&str>, Option<&str>),
    ) -> Option<TranscribedUse> {
        let folder = text.strip_prefix(BASE)?.lines().next()?;
        let folder = folder.trim_end_matches(['/', '\\']).rsplit(['/', '\\']).next()?;
        let typed = self.command.take();
        let is_of_folder = |name: &String| name.rsplit(':').next() == Some(folder);
        let skill = typed.filter(is_of_folder).unwrap_or_else(|| folder.to_owned());
        let call = prompt.map(|prompt| typed_call(prompt, &skill)).or_else(|| line.map(str::to_owned))?;
        Some(self.use_of(at, &skill, &call))
    }

    fn read_codex(&mut self, line: &CodexLine) -> Vec<TranscribedUse> {
        let text = |key: &str| line.payload.get(key).and_then(Value::as_str);
        if matches!(line.kind.as_str(), "session_meta" | "turn_context") {
            self.session = text("id").map(str::to_owned).or_else(|| self.session.take());
            self.cwd = text("cwd").map(str::to_owned).or_else(|| self.cwd.take());
            return Vec::new();
        }
        let Some(at) = line.timestamp.filter(|_| line.kind == "response_item") else { return Vec::new() };
        match text("type") {
            Some("message") if text("role") == Some("user") => {
                let contents = line.payload.get("content").and_then(Value::as_array).into_iter().flatten();
                let texts = contents.filter_map(|content| content.get("text")?.as_str());
                let named = texts.filter_map(injected_skill).next();
                let id = text("id").unwrap_or_default();
                named.map(|name| self.use_of(at, name, &format!("{id}{name}"))).into_iter().collect()
            }
            Some("function_call" | "custom_tool_call" | "local_shell_call") => {
                let given = ["arguments", "input", "action"].iter().filter_map(|key| line.payload.get(key));
                let given: Vec<String> = given.map(all_text).collect();
                let session = self.session.clone().unwrap_or_default();
                let mut found = Vec::new();
                for name in given.iter().flat_map(|text| read_skills(text)) {
                    if self.read.insert(name.clone()) {
                        found.push(self.use_of(at, &name, &codex_call(&session, &name)));
                    }
                }
                found
            }
            _ => Vec::new(),
        }
    }
}

/// What tells a skill that a person started in Claude Code from others, for [`UseEvent::of_call`]: a
/// hook and a transcript know the request by the same id.
pub fn typed_call(prompt: &str, skill: &str) -> String {
    format!("{prompt}/{skill}")
}

/// What tells the reading of a skill in a conversation of Codex from others, for
/// [`UseEvent::of_call`].
pub fn codex_call(session: &str, skill: &str) -> String {
    format!("{session}/{skill}")
}

/// The name of a skill whose text Codex has put into a message.
fn injected_skill(text: &str) -> Option<&str> {
    let rest = text.strip_prefix("<skill>\n<name>")?;
    let (name, rest) = rest.split_once("</name>\n<path>")?;
    let is_whole = rest.contains("</path>") && rest.trim_end().ends_with("</skill>");
    (is_whole && !name.is_empty() && !name.contains('\n')).then_some(name)
}

/// Everything that is text in a value, in one.
fn all_text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(all) => all.iter().map(all_text).collect::<Vec<_>>().join(" "),
        Value::Object(all) => all.values().map(all_text).collect::<Vec<_>>().join(" "),
        _ => String::new(),
    }
}

/// The skills whose `SKILL.md` a command reads: the folders that hold it.
pub fn read_skills(command: &str) -> Vec<String> {
    let mut names = Vec::new();
    for (at, _) in command.match_indices("/SKILL.md") {
        let before = command.get(..at).unwrap_or_default();
        let is_end =
            |c: char| matches!(c, '/' | '\\' | '"' | '\'' | '=' | ':' | '(' | ')') || c.is_whitespace();
        let name = before.rsplit(is_end).next().unwrap_or_default();
        let is_name = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.');
        if !name.is_empty() && name != "." && name != ".." && name.chars().all(is_name) {
            names.push(name.to_owned());
        }
    }
    names.dedup();
    names
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn read(agent: TranscriptAgent, lines: &[Value]) -> Vec<TranscribedUse> {
        let mut reader = TranscriptReader::new(agent);
        lines.iter().flat_map(|line| reader.read_line(line.to_string().as_bytes())).collect()
    }

    fn claude(kind: &str, content: &Value, more: &Value) -> Value {
        let mut line = json!({"type": kind, "timestamp": "2026-11-28T01:36:27.660Z", "sessionId": "s1", "cwd": "/p",
            "uuid": "u1", "message": {"role": kind, "content": content}});
        for (key, value) in more.as_object().unwrap() {
            line[key] = value.clone();
        }
        line
    }

    fn used(id: &str, skill: &str) -> Value {
        claude(
            "assistant",
            &json!([{"type": "text", "text": "ok"}, {"type": "tool_use", "id": id, "name": "Skill", "input": {"skill": skill, "args": "x"}}]),
            &json!({}),
        )
    }

    fn result(id: &str, more: &Value) -> Value {
        let mut block = json!({"type": "tool_result", "tool_use_id": id, "content": "Launching skill"});
        if more == &json!(true) {
            block["is_error"] = json!(true);
        }
        claude("user", &json!([block]), &json!({"toolUseResult": {"success": true}}))
    }

    #[test]
    fn claude_codes_use_of_a_skill_counts_with_its_outcome() {
        let agent = TranscriptAgent::ClaudeCode;
        let hidden = |source: &Value| {
            let text = json!([{"type": "text", "text": "Base directory for this skill: /h/.claude/skills/pdf\n\n# PDF"}]);
            claude("user", &text, &json!({"isMeta": true, "sourceToolUseID": source}))
        };
        let found = read(agent, &[used("t1", "pdf"), result("t1", &json!(null)), hidden(&json!("t1"))]);
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].event.skill.as_str(), found[0].event.event), ("pdf", UseOutcome::Activated));
        assert_eq!(found[0].cwd.as_deref(), Some("/p"));
        let twice = UseEvent::new(Timestamp::UNIX_EPOCH, "pdf", UsageChannel::Hook, UseOutcome::Activated)
            .of_call("claude-code", "t1");
        assert_eq!(found[0].event.id, twice.id, "a hook that saw the same use says the same");
        let failed = read(agent, &[used("t2", "x"), result("t2", &json!(true))]);
        assert_eq!(failed[0].event.event, UseOutcome::Failed);
        // Cut before its outcome: not known, so not counted.
        assert!(read(agent, &[used("t3", "x")]).is_empty());
        // Typed by a person.
        let typed = claude(
            "user",
            &json!("<command-message>pdf</command-message>\n<command-name>/tools:pdf</command-name>"),
            &json!({}),
        );
        let found = read(agent, &[typed, hidden(&json!(null))]);
        assert_eq!(found[0].event.skill, "tools:pdf");
        assert_eq!(read(agent, &[hidden(&json!(null))])[0].event.skill, "pdf");
        // What somebody only writes about it.
        let said = claude("user", &json!("Base directory for this skill: /x/pdf and \"Skill\""), &json!({}));
        assert!(read(agent, &[said]).is_empty());
    }

    fn codex(payload: &Value) -> Value {
        json!({"timestamp": "2026-11-28T01:37:52.360Z", "type": "response_item", "payload": payload})
    }

    #[test]
    fn codex_has_the_skill_in_a_message_or_reads_it() {
        let agent = TranscriptAgent::Codex;
        let meta = json!({"timestamp": "2026-11-28T01:37:52Z", "type": "session_meta", "payload": {"id": "s", "cwd": "/p"}});
        let message = |text: &str| {
            codex(
                &json!({"type": "message", "id": "m1", "role": "user", "content": [{"type": "input_text", "text": text}]}),
            )
        };
        let call = |arguments: &Value| {
            codex(
                &json!({"type": "function_call", "name": "exec_command", "call_id": "c1", "arguments": arguments}),
            )
        };
        let injected = "<skill>\n<name>argy</name>\n<path>/h/.agents/skills/argy/SKILL.md</path>\n---\nname: argy\n---\n\n</skill>";
        let reads = json!("{\"cmd\":\"sed -n 1,200p /h/.agents/skills/pdf/SKILL.md\"}");
        let found = read(agent, &[meta, message("use $argy"), message(injected), call(&reads), call(&reads)]);
        let names: Vec<&str> = found.iter().map(|one| one.event.skill.as_str()).collect();
        assert_eq!(names, ["argy", "pdf"]);
        assert_eq!(found[0].cwd.as_deref(), Some("/p"));
        assert!(read(agent, &[message("look: <skill>\n<name>x</name> in SKILL.md")]).is_empty());
        let listed = codex(
            &json!({"type": "message", "role": "developer", "content": [{"type": "input_text", "text": injected}]}),
        );
        assert!(read(agent, &[listed]).is_empty());
    }

    #[test]
    fn names_come_out_of_commands() {
        let check = |text: &str, names: &[&str]| assert_eq!(read_skills(text), names, "{text}");
        check("cat /a/pdf/SKILL.md", &["pdf"]);
        check("cat 'x y/pdf/SKILL.md' && cat ../docx/SKILL.md", &["pdf", "docx"]);
        check("cat SKILL.md; cat ./SKILL.md; cat $D/SKILL.md", &[]);
    }

    proptest! {
        #[test]
        fn no_line_is_too_much(bytes in proptest::collection::vec(any::<u8>(), 0..120), text in "\\PC{0,60}") {
            for agent in TranscriptAgent::ALL {
                let mut reader = TranscriptReader::new(agent);
                let _ = reader.read_line(&bytes);
                let lines = [used(&text, &text), result(&text, &json!(null)), codex(&json!({"type": "message", "role": "user", "content": [{"text": text}]}))];
                // Cut anywhere.
                for line in lines.map(|line| line.to_string()) {
                    for end in [line.len(), line.len() / 2, line.len() - 1] {
                        let _ = reader.read_line(line.as_bytes().get(..end).unwrap_or_default());
                    }
                }
            }
        }
    }
}
