//! A skill as a client of the server gets it.

use std::fmt::Write as _;
use std::path::Path;

use serde_json::{Map, Value};

use super::SkillService;
use super::activated_versions::ActivatedVersion;
use crate::ops::activate::{ActivateOptions, Activation, activate};
use ba_agent_core::error::{Result, error, printable};
use ba_agent_core::usage::UsageChannel;

/// Files that are named with the instructions; a skill can have thousands.
const NAMED_FILES: usize = 100;

/// What is activated.
#[derive(Debug, Clone, Default)]
pub struct ActivateCall {
    pub name: String,
    /// As a person types them behind the name.
    pub arguments: Option<String>,
    /// By name.
    pub input: Option<Map<String, Value>>,
    /// A kept version instead of the one in use.
    pub version: Option<String>,
    /// The conversation.
    pub session: Option<String>,
}

/// A skill, activated.
#[derive(Debug, Clone)]
pub struct ServedActivation {
    /// What the model reads.
    pub content: String,
    /// Everything, as `skill activate --json` has it.
    pub result: Value,
}

impl SkillService {
    /// The instructions of a skill, and what changes while it is active.
    ///
    /// # Errors
    /// Those of [`activate`]; `Conflict` for a skill that only a person may start.
    pub fn activate(&self, call: &ActivateCall) -> Result<ServedActivation> {
        let name = self.with_skill(&call.name, |_, _, skill| Ok(skill.qualified.clone()))?;
        let options = ActivateOptions {
            arguments: call.arguments.clone(),
            input: call.input.clone(),
            version: call.version.clone(),
            session: call.session.clone(),
            agent: self.agent.map(|agent| agent.id.to_owned()),
            ..ActivateOptions::of(&name, UsageChannel::Mcp)
        };
        let activation = activate(&self.workspace, &options, &*self.observer)?;
        self.note_activated(call, &activation)?;
        let result = serde_json::to_value(&activation)
            .map_err(|e| error!(Failed, "the answer cannot be written as JSON").cause(e))?;
        Ok(ServedActivation { content: content_of(&activation), result })
    }
}

impl SkillService {
    /// Remembers which state the client has, so that it gets the files of the same.
    ///
    /// # Errors
    /// Those of opening a session.
    fn note_activated(&self, call: &ActivateCall, activation: &Activation) -> Result<()> {
        let (Some(digest), Some(files)) = (&activation.digest, &activation.files) else { return Ok(()) };
        let session = self.workspace.open_unrepaired(&*self.observer)?;
        let (name, conversation) = (&activation.skill_name, call.session.as_deref());
        let mut one = ActivatedVersion::new(name, conversation, digest.clone(), files.clone());
        one.version.clone_from(&call.version);
        one.hold_files(&session, Path::new(&activation.base_dir));
        self.state().activated.note(one);
        Ok(())
    }
}

/// The instructions between marks that tell them from the rest of a conversation, as the guide of
/// the open specification has it.
fn content_of(activation: &Activation) -> String {
    let mut text = String::new();
    for finding in &activation.findings {
        let _ = writeln!(text, "Note: {}", printable(&finding.message, false));
    }
    if activation.light {
        text.push_str(&activation.instructions);
        return text;
    }
    let head = format!("Base directory for this skill: {}\n\n", activation.base_dir);
    let body = activation.instructions.strip_prefix(&head).unwrap_or(&activation.instructions);
    let name = escape_xml(&activation.skill_name);
    let _ = write!(text, "<skill_content name=\"{name}\">\n{}\n\n", body.trim_end());
    let _ = write!(
        text,
        "Skill directory: {}\nRelative paths in this skill are relative to the skill directory.\n",
        printable(&activation.base_dir, false)
    );
    if !activation.resources.is_empty() {
        text.push_str("\n<skill_resources>\n");
        for resource in activation.resources.iter().take(NAMED_FILES) {
            let _ = writeln!(text, "  <file>{}</file>", escape_xml(&printable(&resource.path, false)));
        }
        let more = activation.resources.len().saturating_sub(NAMED_FILES);
        if more > 0 {
            let _ = writeln!(text, "  and {more} more");
        }
        text.push_str("</skill_resources>\n");
    }
    text.push_str("</skill_content>\n");
    text
}

fn escape_xml(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
