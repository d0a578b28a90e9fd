//! What an agent is about to do, held against what is forbidden while the skills of its conversation
//! are active.

use super::note_activation;
use crate::agent_sessions::{ActiveSkill, read_agent_session};
use crate::usage_log::record_use;
use crate::workspace::Session;
use ba_agent_core::error::printable;
use ba_agent_core::hook::{HookAgent, HookAnswer, HookInput, find_forbidden};
use ba_agent_core::transcript::{codex_call, read_skills};
use ba_agent_core::usage::{UsageChannel, UseEvent, UseOutcome};

/// A skill of a conversation, with what holds while it is active.
pub(super) struct ActiveRules {
    pub(super) name: String,
    forbidden: Vec<String>,
    approval: Vec<String>,
}

/// The skills that are active in the conversation.
pub(super) fn active_skills(session: &Session<'_>, input: &HookInput) -> Vec<ActiveRules> {
    let known = input.session.as_deref().map(|id| read_agent_session(session, id));
    let known = match known {
        None => return Vec::new(),
        Some(Ok(known)) => known,
        Some(Err(error)) => {
            session.warn(&error.message);
            return Vec::new();
        }
    };
    if let Some(fault) = known.fault {
        session.warn(&fault);
    }
    let runtime = &session.settings.runtime;
    let rules_of = |skill: ActiveSkill| {
        let mut rules = ActiveRules {
            forbidden: skill.modifier.forbidden_operations,
            approval: skill.own_approval,
            name: skill.name,
        };
        // As the settings are now: they may have been changed since.
        let name = rules.name.rsplit(':').next().unwrap_or(&rules.name);
        if let Some(own) = runtime.skill_permissions.get(name) {
            rules.forbidden.extend(own.forbidden_operations.iter().cloned());
            rules.approval.extend(own.require_approval.iter().cloned());
        }
        if runtime.permissions.is_approval_named {
            rules.approval.extend(runtime.permissions.require_approval.iter().cloned());
        }
        rules
    };
    known.session.skills.into_iter().map(rules_of).collect()
}

/// Denies what an active skill may not do, asks for what needs approval, and says nothing else.
pub(super) fn answer_tool_use(session: &Session<'_>, input: &HookInput) -> HookAnswer {
    let active = active_skills(session, input);
    for skill in &active {
        if let Some(operation) = find_forbidden(input, skill.forbidden.iter().map(String::as_str)) {
            let event = UseEvent::new(session.env.now, &skill.name, UsageChannel::Hook, UseOutcome::Denied)
                .in_session(Some(input.agent.id()), input.session.as_deref());
            record_use(session, &event);
            return HookAnswer::Deny(format!(
                "`{}` is forbidden while the skill `{}` is active (forbidden_operations); do it another way, or \
                 tell the user why it is needed",
                shown(operation),
                shown(&skill.name)
            ));
        }
    }
    for skill in &active {
        if let Some(operation) = find_forbidden(input, skill.approval.iter().map(String::as_str)) {
            return HookAnswer::Ask(format!(
                "`{}` needs approval while the skill `{}` is active (require_approval)",
                shown(operation),
                shown(&skill.name)
            ));
        }
    }
    if input.agent == HookAgent::Codex {
        note_read_skills(session, input);
    }
    HookAnswer::Nothing
}

/// Text of a settings file or a skill, for a sentence that a model reads.
fn shown(text: &str) -> String {
    printable(&ba_agent_core::text::shorten_text(text, 100), false)
}

/// A model of Codex loads a skill by reading its `SKILL.md`.
fn note_read_skills(session: &Session<'_>, input: &HookInput) {
    let commands = input.shell_commands();
    let conversation = input.session.as_deref().unwrap_or_default();
    for name in commands.iter().flat_map(|command| read_skills(command)) {
        let event = UseEvent::new(session.env.now, &name, UsageChannel::Hook, UseOutcome::Activated)
            .in_session(Some(input.agent.id()), Some(conversation))
            .of_call(input.agent.id(), &codex_call(conversation, &name));
        record_use(session, &event);
        note_activation(session, input, &name);
    }
}
