//! `skill activate`: the instructions of a skill as a model gets them, and what changes for the
//! conversation. Nothing of the skill is run, and nothing of it is written.

mod finding;
mod follow_up;
mod source;

use std::collections::BTreeSet;
use std::time::Instant;

use serde::Serialize;
use serde_json::{Map, Value};

use super::settle::open_session;
use crate::agent_sessions::{check_session_id, read_agent_session};
use crate::skill_content::{ContentFiles, base_dir_of, plugin_root_of};
use crate::usage_log::record_use;
use crate::workspace::{Observer, Session, Workspace};
use ba_agent_core::activation::{
    ActivationMessage, ContextModifier, DynamicCommand, InstructionFrame, MessageFormat, PermissionRules,
    PlaceholderValues, SkillBody, SkillResource, argument_names, estimate_tokens, fill_placeholders,
    find_dynamic,
};
use ba_agent_core::agents::{Agent, find_agent};
use ba_agent_core::digest::{Digest, Files};
use ba_agent_core::error::{Error, Result, error};
use ba_agent_core::usage::{UsageChannel, UseEvent, UseOutcome};

pub use finding::ActivationFinding;
pub(super) use follow_up::view_session;
pub use follow_up::{FollowUpAnswer, SessionView};
pub(super) use source::find_version;
use source::{ActivatedSkill, open_skill};

/// What is activated, and for whom.
#[derive(Debug, Clone)]
pub struct ActivateOptions {
    /// As it is listed: `pdf`, `project:deploy`, `plugin:deploy`.
    pub name: String,
    /// As they are typed behind the name.
    pub arguments: Option<String>,
    /// What `{input.KEY}` stands for. See [`parse_input`].
    pub input: Option<Map<String, Value>>,
    /// Another version than the active one.
    pub version: Option<String>,
    /// The conversation.
    pub session: Option<String>,
    pub messages: MessageFormat,
    /// The id of the agent whose skills and words for tools count.
    pub agent: Option<String>,
    /// The instructions are wanted whole, also where the conversation has them.
    pub full: bool,
    /// What the person wrote, to see whether it goes on with the skill.
    pub message: Option<String>,
    /// Whether the caller takes it for a follow-up.
    pub follow_up: Option<bool>,
    /// Bytes that differ from the registry are an error.
    pub verify: bool,
    /// Who asks, for the log.
    pub channel: UsageChannel,
}

impl ActivateOptions {
    /// An activation of this skill, with nothing else said.
    pub fn of(name: &str, channel: UsageChannel) -> Self {
        Self {
            name: name.to_owned(),
            arguments: None,
            input: None,
            version: None,
            session: None,
            messages: MessageFormat::Host,
            agent: None,
            full: false,
            message: None,
            follow_up: None,
            verify: false,
            channel,
        }
    }
}

/// A skill, activated.
#[derive(Debug, Clone, Serialize)]
pub struct Activation {
    pub skill_name: String,
    /// Always true: what fails is an error.
    pub success: bool,
    pub error: Option<String>,
    pub version: Option<String>,
    /// Of the tree that the text comes from.
    pub digest: Option<Digest>,
    pub base_dir: String,
    /// `user`, `project`, `plugin`, `builtin` or `extra`.
    pub source: &'static str,
    /// True where the text on the disk cannot be used and the last good one stands in for it.
    pub fallback: bool,
    pub messages: Vec<ActivationMessage>,
    pub context_modifier: ContextModifier,
    /// Skills that it needs, each behind those that it needs itself.
    pub dependencies: Vec<String>,
    /// Its other files.
    pub resources: Vec<SkillResource>,
    /// Commands in the text, which were not run.
    pub dynamic: Vec<DynamicCommand>,
    /// Unicode scalar values of the instructions.
    pub chars: usize,
    pub tokens_estimated: usize,
    /// True where a short message stands for instructions that the conversation has.
    pub light: bool,
    pub follow_up: Option<FollowUpAnswer>,
    pub session: Option<SessionView>,
    pub findings: Vec<ActivationFinding>,
    /// What the model gets, whatever form the messages have.
    #[serde(skip)]
    pub instructions: String,
    /// All its files, manifest included; `None` where they were too many to be read.
    #[serde(skip)]
    pub files: Option<Files>,
}

/// The value of `--input`: a JSON object.
///
/// # Errors
/// `Usage` for what is not JSON, is nested too deeply, or is not an object.
pub fn parse_input(text: &str) -> Result<Map<String, Value>> {
    match serde_json::from_str::<Value>(text) {
        Ok(Value::Object(input)) => Ok(input),
        Ok(other) => {
            let found = match other {
                Value::Array(_) => "a list",
                Value::String(_) => "a text",
                Value::Number(_) => "a number",
                Value::Bool(_) => "true or false",
                _ => "null",
            };
            Err(error!(Usage, "`--input` must be a JSON object, found {found}")
                .hint("write it like `--input '{\"city\":\"Berlin\"}'`"))
        }
        Err(fault) => Err(error!(Usage, "`--input` is not valid JSON: {fault}")
            .hint("write it like `--input '{\"city\":\"Berlin\"}'`")),
    }
}

/// The instructions of a skill with arguments in their places, and what changes while it is active.
///
/// # Errors
/// `NotFound` for a name that there is none of, that several have, or for a version that is not
/// kept; `Invalid` for a skill that cannot be read and of which no good state is kept;
/// `Integrity` with [`ActivateOptions::verify`] for bytes that differ from the registry; `Usage`
/// for an agent that is not known and for a session id that cannot be one.
pub fn activate(
    workspace: &Workspace,
    options: &ActivateOptions,
    observer: &dyn Observer,
) -> Result<Activation> {
    let began = Instant::now();
    let session = open_session(workspace, observer)?;
    let result = activate_in(&session, options);
    let (outcome, saved) = match &result {
        Ok(done) if done.light => (UseOutcome::Followup, done.follow_up.as_ref().map(|one| one.tokens_saved)),
        Ok(_) => (UseOutcome::Activated, None),
        Err(_) => (UseOutcome::Failed, None),
    };
    let name = result.as_ref().map_or(options.name.as_str(), |done| &done.skill_name);
    let mut event = UseEvent::new(session.env.now, name, options.channel, outcome)
        .in_session(options.agent.as_deref(), options.session.as_deref());
    event.ms = u64::try_from(began.elapsed().as_millis()).ok();
    event.tokens_saved = saved.map(|tokens| tokens as u64);
    if let Ok(done) = &result {
        event.digest.clone_from(&done.digest);
        event.version.clone_from(&done.version);
    }
    // A name that was never a skill's says nothing of skills.
    if result.as_ref().is_ok() || !matches!(&result, Err(error) if is_not_about_skill(error)) {
        record_use(&session, &event);
    }
    result
}

fn is_not_about_skill(error: &Error) -> bool {
    use ba_agent_core::error::Kind;
    matches!(error.kind, Kind::NotFound | Kind::Usage)
}

/// As [`activate`] in a session that is open, without a line in the log.
///
/// # Errors
/// Those of [`activate`].
pub(super) fn activate_in(session: &Session<'_>, options: &ActivateOptions) -> Result<Activation> {
    if let Some(id) = &options.session {
        check_session_id(id)?;
    }
    let agent = options.agent.as_deref().map(find_agent).transpose()?;
    let skill = open_skill(session, options, agent)?;
    let mut activation = write_activation(session, options, agent, &skill)?;
    if let Some(id) = &options.session {
        let known = read_agent_session(session, id)?;
        activation.findings.extend(known.fault.map(|fault| ActivationFinding::new("session", fault)));
        follow_up::apply_session(session, options, &skill, &known.session, &mut activation)?;
    }
    if !activation.light {
        activation.messages = options.messages.write_messages(
            &activation.skill_name,
            options.arguments.as_deref(),
            &activation.instructions,
            &activation.context_modifier,
        );
    }
    activation.chars = activation.instructions.chars().count();
    activation.tokens_estimated = estimate_tokens(&activation.instructions);
    Ok(activation)
}

/// Everything but the conversation: text, permissions, what stands beside it.
///
/// # Errors
/// `Invalid` for a manifest that is not text.
fn write_activation(
    session: &Session<'_>,
    options: &ActivateOptions,
    agent: Option<&'static Agent>,
    skill: &ActivatedSkill,
) -> Result<Activation> {
    let loaded = &skill.loaded;
    let not_text = || error!(Invalid, "the `SKILL.md` of `{}` is not UTF-8 text", loaded.qualified);
    let body = SkillBody::of(&skill.manifest, &skill.content.manifest).ok_or_else(not_text)?;
    let base_dir = base_dir_of(loaded);
    let project = session.scope.is_project().then(|| session.scope.base().to_string_lossy().into_owned());
    let plugin = plugin_root_of(loaded).map(|root| root.to_string_lossy().into_owned());
    let filled = fill_placeholders(
        body.text,
        &PlaceholderValues {
            arguments: options.arguments.as_deref(),
            names: &argument_names(&skill.front),
            input: options.input.as_ref(),
            base_dir: &base_dir,
            project_dir: project.as_deref(),
            session: options.session.as_deref(),
            plugin_root: plugin.as_deref(),
        },
    );
    let mut findings = skill.findings.clone();
    findings.extend(finding::of_options(options));
    findings.extend(finding::of_missing_inputs(&filled.missing_inputs));
    findings.extend(finding::of_dynamic(&find_dynamic(body.text, body.first_line)));
    if let ContentFiles::Unread(why) = &skill.content.files {
        findings.push(ActivationFinding::new("files-unread", format!("its files were not checked: {why}")));
    }
    let frame = InstructionFrame {
        name: skill.front.name.as_deref().unwrap_or(&loaded.name),
        base_dir: &base_dir,
        manifest: &loaded.manifest.to_string_lossy(),
        head: body.head,
    };
    Ok(Activation {
        skill_name: loaded.qualified.clone(),
        success: true,
        error: None,
        version: skill.version.clone(),
        digest: skill.digest.clone(),
        source: loaded.origin.name(),
        fallback: skill.is_fallback,
        messages: Vec::new(),
        context_modifier: modifier_of(session, skill, agent),
        dependencies: skill.dependencies.clone(),
        resources: skill.content.resources.clone(),
        dynamic: find_dynamic(body.text, body.first_line),
        chars: 0,
        tokens_estimated: 0,
        light: false,
        follow_up: None,
        session: None,
        findings,
        instructions: frame.write_instructions(&filled.text, agent),
        files: skill.content.files.hashed().cloned(),
        base_dir,
    })
}

/// What the skill asks for, under the rules of the settings.
fn modifier_of(
    session: &Session<'_>,
    skill: &ActivatedSkill,
    agent: Option<&'static Agent>,
) -> ContextModifier {
    let runtime = &session.settings.runtime;
    let own = runtime.skill_permissions.get(&skill.loaded.name);
    let mut approval: BTreeSet<String> = runtime.permissions.require_approval.iter().cloned().collect();
    approval.extend(own.into_iter().flat_map(|own| own.require_approval.iter().cloned()));
    let approval: Vec<String> = approval.into_iter().collect();
    let rules = PermissionRules {
        allowed_tools: own.and_then(|own| own.allowed_tools.as_deref()),
        narrowed_to: own.and_then(|own| own.narrowed_to.as_deref()),
        forbidden_operations: own.map_or(&[], |own| &own.forbidden_operations),
        require_approval: &approval,
        resource_limits: own.map(|own| own.resource_limits.clone()).unwrap_or_default(),
    };
    ContextModifier::of(&skill.front, agent).under(&rules, agent)
}
