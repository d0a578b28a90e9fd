//! What a conversation has already, and what it gets instead of the same text once more.

use serde::Serialize;

use super::source::ActivatedSkill;
use super::{ActivateOptions, Activation, ActivationFinding};
use crate::agent_sessions::{ActiveSkill, AgentSession, change_agent_session};
use crate::install_state::find_drift;
use crate::workspace::Session;
use ba_agent_core::activation::{ContextModifier, estimate_tokens};
use ba_agent_core::digest::sha256_hex;
use ba_agent_core::error::Result;
use ba_agent_core::follow_up::{FollowUpQuestion, FollowUpStep, decide_follow_up};
use ba_agent_core::text::list_some;

/// Whether the message goes on with what the skill was activated for.
#[derive(Debug, Clone, Serialize)]
pub struct FollowUpAnswer {
    pub is_follow_up: bool,
    /// Which question decided; null where there was no message to ask about.
    pub step: Option<FollowUpStep>,
    pub confidence: Option<f64>,
    /// What the full instructions would have cost more.
    pub tokens_saved: usize,
}

/// A conversation after the activation.
#[derive(Debug, Clone, Serialize)]
pub struct SessionView {
    pub id: String,
    /// The active skills, in the order of their activation.
    pub active: Vec<String>,
    /// What holds for all of them together.
    pub context_modifier: ContextModifier,
}

/// Makes the activation light where the conversation has the instructions, and remembers it.
///
/// # Errors
/// Those of [`change_agent_session`].
pub(super) fn apply_session(
    session: &Session<'_>,
    options: &ActivateOptions,
    skill: &ActivatedSkill,
    known: &AgentSession,
    activation: &mut Activation,
) -> Result<()> {
    let manifest = sha256_hex(&skill.content.manifest);
    let before = known.find_active(&activation.skill_name);
    let same_text = before.filter(|before| before.manifest == manifest);
    if before.is_some() && same_text.is_none() {
        let message = "its instructions have changed since this session got them, so they are given whole";
        activation.findings.push(ActivationFinding::new("changed", message));
    }
    let full_text = sha256_hex(activation.instructions.as_bytes());
    let full_tokens = estimate_tokens(&activation.instructions);
    let mut answer = answer_of(options, known, same_text.is_some());
    if let Some(before) = same_text.filter(|_| answer.as_ref().is_some_and(|one| one.is_follow_up)) {
        let text = describe_again(skill, before, activation, options);
        activation.messages = options.messages.write_messages(
            &activation.skill_name,
            options.arguments.as_deref(),
            &text,
            &activation.context_modifier,
        );
        activation.instructions = text;
        activation.light = true;
    }
    if let Some(answer) = &mut answer {
        let light_tokens = estimate_tokens(&activation.instructions);
        answer.tokens_saved = if activation.light { full_tokens.saturating_sub(light_tokens) } else { 0 };
    }
    activation.follow_up = answer;
    let active = ActiveSkill {
        name: activation.skill_name.clone(),
        version: activation.version.clone(),
        digest: activation.digest.clone(),
        manifest,
        text: full_text,
        files: skill.content.files.hashed().cloned().unwrap_or_default(),
        activated_at: session.env.now,
        modifier: activation.context_modifier.clone(),
        own_approval: ContextModifier::of(&skill.front, None).require_approval,
    };
    let changed = change_agent_session(session, known.id(), |one| {
        if let Some(message) = &options.message {
            let terms = one.hash_terms(message);
            one.note_message(terms);
        }
        one.note_activation(active);
    })?;
    activation.findings.extend(changed.fault.map(|fault| ActivationFinding::new("session", fault)));
    activation.session = Some(view_session(&changed.session));
    Ok(())
}

/// The conversation as a report shows it.
pub(in crate::ops) fn view_session(session: &AgentSession) -> SessionView {
    SessionView {
        id: session.id().to_owned(),
        active: session.skills.iter().map(|skill| skill.name.clone()).collect(),
        context_modifier: session.join_modifiers(),
    }
}

/// Whether a light answer is right; `None` where the conversation does not have the text.
fn answer_of(options: &ActivateOptions, known: &AgentSession, is_active: bool) -> Option<FollowUpAnswer> {
    if !is_active {
        return None;
    }
    let Some(message) = options.message.as_deref() else {
        // Nothing says that something new begins, and the model has the text.
        let is_follow_up = options.follow_up.unwrap_or(true) && !options.full;
        return Some(FollowUpAnswer { is_follow_up, step: None, confidence: None, tokens_saved: 0 });
    };
    let terms = known.hash_terms(message);
    let verdict = decide_follow_up(&FollowUpQuestion {
        message,
        is_active,
        terms: &terms,
        earlier: known.earlier_terms(),
        caller: options.follow_up,
    });
    Some(FollowUpAnswer {
        is_follow_up: verdict.is_follow_up && !options.full,
        step: Some(verdict.step),
        confidence: Some(verdict.confidence),
        tokens_saved: 0,
    })
}

/// One line: that the model has the instructions, what else has changed, where they stand. Behind
/// it come arguments, which are new each time.
fn describe_again(
    skill: &ActivatedSkill,
    before: &ActiveSkill,
    activation: &Activation,
    options: &ActivateOptions,
) -> String {
    let mut text = format!(
        "The skill \"{}\" is active in this conversation already: go on by its instructions above.",
        activation.skill_name
    );
    let drifts = match skill.content.files.hashed() {
        Some(found) if before.digest != activation.digest && !before.files.is_empty() => {
            find_drift(&before.files, found)
        }
        _ => Vec::new(),
    };
    let changed: Vec<String> =
        drifts.iter().map(|drift| format!("{} {}", drift.path, drift.change.word())).collect();
    if !changed.is_empty() {
        let changed: Vec<&str> = changed.iter().map(String::as_str).collect();
        text.push_str(&format!(" Since then in its folder: {}.", list_some(&changed, 8)));
    } else if before.digest != activation.digest {
        text.push_str(" Other files in its folder have changed since then.");
    }
    text.push_str(&format!(" Their full text is in {}.", skill.loaded.manifest.display()));
    if let Some(arguments) = options.arguments.as_deref().filter(|text| !text.is_empty()) {
        text.push_str(&format!("\n\nARGUMENTS: {arguments}"));
    }
    if let Some(input) = options.input.as_ref().filter(|input| !input.is_empty()) {
        text.push_str(&format!("\n\nINPUT: {}", serde_json::Value::Object(input.clone())));
    }
    text
}
