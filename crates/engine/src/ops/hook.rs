//! `hook`: what an agent is answered when it asks a hook, and the entry of the hook in its settings.
//!
//! An agent waits for the answer, so there is no repair, no lock of another command that is waited
//! for, and no connection. What a project says can only forbid more than its user does.

mod entry;
mod guard;

pub use entry::{HookStatus, hook_status, install_hook, uninstall_hook};

use std::path::Path;

use super::activate::{ActivateOptions, activate_in};
use super::recommend::{RecommendInput, agents_name_of, recommend_installed};
use crate::loader::{find_loaded_skill, load_skills};
use crate::usage_log::record_use;
use crate::workspace::{Notice, Observer, Session, Workspace};
use ba_agent_core::agents::find_agent;
use ba_agent_core::category::SkillCategory;
use ba_agent_core::error::{Result, error, printable};
use ba_agent_core::hook::{HookAgent, HookAnswer, HookEvent, HookInput, NamedSkill};
use ba_agent_core::usage::{UsageChannel, UseEvent, UseOutcome};

/// Skills that are looked at beyond those that are named: some a conversation has already.
const LOOKED_AT: usize = 16;

/// The agent of this name.
///
/// # Errors
/// `Usage` for one whose hooks are not known.
pub fn hook_agent(id: &str) -> Result<HookAgent> {
    HookAgent::of_id(id.trim()).ok_or_else(|| {
        let known = HookAgent::ALL.map(HookAgent::id).join(", ");
        error!(Usage, "the hooks of `{}` are not known", printable(id, false))
            .hint(format!("known are those of {known}"))
    })
}

/// The answer to what an agent told its hook on standard input, as it is to be printed; nothing where
/// there is nothing to say.
///
/// # Errors
/// `Usage` for what is no input of a hook; those of finding and reading what is asked for. Whoever
/// calls this must not hinder the agent with them.
pub fn run_hook(
    workspace: &Workspace,
    agent: Option<HookAgent>,
    input: &[u8],
    observer: &dyn Observer,
) -> Result<Option<String>> {
    let input = HookInput::parse(input, agent).map_err(|why| error!(Usage, "{}", printable(&why, false)))?;
    let workspace = workspace.at_folder(input.cwd.as_deref().map(Path::new)).or_user_at_home();
    let session = open_in_any_case(&workspace, observer)?;
    let answer = match input.event {
        HookEvent::Prompt => name_fitting_skills(&session, &input)?,
        HookEvent::SessionStart => name_standing_skills(&session, &input)?,
        HookEvent::BeforeTool => guard::answer_tool_use(&session, &input),
        HookEvent::AfterTool | HookEvent::ToolFailed | HookEvent::CommandTyped => {
            note_loaded_skill(&session, &input)?;
            HookAnswer::Nothing
        }
    };
    Ok(answer.to_json(input.agent, input.event).map(|json| json.to_string()))
}

/// A session of the project; where its settings cannot be used, with the user's alone: a project
/// that spoils its settings does not get rid of what its user forbids.
///
/// # Errors
/// Those of the user's own settings.
fn open_in_any_case<'o>(workspace: &Workspace, observer: &'o dyn Observer) -> Result<Session<'o>> {
    let error = match workspace.open_unrepaired(observer) {
        Ok(session) => return Ok(session),
        Err(error) => error,
    };
    let settings = workspace.for_user().settings().map_err(|_| error.clone())?;
    let session = workspace.open_with(workspace.find_scope()?, settings, observer)?;
    observer.notice(Notice::Warning(&format!("{}; only your own settings count", error.message)));
    Ok(session)
}

/// Names the skills that fit a request: the one that surely does, else the few that may.
fn name_fitting_skills(session: &Session<'_>, input: &HookInput) -> Result<HookAnswer> {
    if input.prompt.trim().is_empty() {
        return Ok(HookAnswer::Nothing);
    }
    let asked = RecommendInput {
        text: &input.prompt,
        files: &[],
        emotion: None,
        profile: None,
        usage: false,
        limit: LOOKED_AT,
    };
    let (all, _) = recommend_installed(session, Some(find_agent(input.agent.id())?), &asked)?;
    let settings = &session.settings.runtime.hook;
    let active = guard::active_skills(session, input);
    let is_new = |name: &str| !active.iter().any(|skill| skill.name == name);
    let fitting = all.into_iter().filter(|one| f64::from(one.score) >= settings.min_score);
    let fitting: Vec<_> = fitting.filter(|one| is_new(&one.skill_id) && is_new(&one.name)).collect();
    let is_sure = fitting.first().is_some_and(|best| f64::from(best.score) >= settings.confident);
    let limit = if is_sure { 1 } else { settings.limit };
    let named: Vec<NamedSkill> = fitting
        .into_iter()
        .take(limit)
        .map(|one| NamedSkill {
            name: one.called,
            description: one.description,
            why: one.context,
            manifest: one.manifest.unwrap_or_default().to_string_lossy().into_owned(),
        })
        .collect();
    Ok(HookAnswer::naming(input.agent, &named))
}

/// Names the skills that count in every conversation: core ones, and modes.
fn name_standing_skills(session: &Session<'_>, input: &HookInput) -> Result<HookAnswer> {
    let loaded = load_skills(session, Some(find_agent(input.agent.id())?))?;
    let is_core = |category: &Option<String>| {
        category.as_deref().is_some_and(|category| SkillCategory::of(category) == SkillCategory::Core)
    };
    let standing = loaded.listed.iter().filter(|skill| skill.facts.mode || is_core(&skill.facts.category));
    let named: Vec<NamedSkill> = standing
        .map(|skill| NamedSkill {
            name: agents_name_of(skill),
            description: skill.facts.description.clone(),
            why: String::new(),
            manifest: skill.manifest.to_string_lossy().into_owned(),
        })
        .collect();
    Ok(HookAnswer::starting(input.agent, &named))
}

/// Notes that a skill was loaded, by the model or by a person who typed its name.
fn note_loaded_skill(session: &Session<'_>, input: &HookInput) -> Result<()> {
    let name = match input.event {
        HookEvent::CommandTyped => input.command.as_deref().map(|name| name.trim_start_matches('/')),
        _ => input.loaded_skill(),
    };
    let Some(name) = name.filter(|name| !name.is_empty()) else { return Ok(()) };
    let known = find_loaded_skill(session, Some(find_agent(input.agent.id())?), name)?;
    // Claude Code has commands of its own, which no skill stands for.
    if known.is_none() && input.event == HookEvent::CommandTyped {
        return Ok(());
    }
    let outcome = if input.has_failed() { UseOutcome::Failed } else { UseOutcome::Activated };
    let agent = input.agent.id();
    let mut event = UseEvent::new(session.env.now, name, UsageChannel::Hook, outcome)
        .in_session(Some(agent), input.session.as_deref());
    if let Some(call) = &input.call {
        event = event.of_call(agent, call);
    }
    event.ms = input.milliseconds;
    if let Some(skill) = known {
        event.digest.clone_from(&skill.digest);
        event.version.clone_from(&skill.facts.version);
    }
    record_use(session, &event);
    if outcome == UseOutcome::Activated {
        note_activation(session, input, name);
    }
    Ok(())
}

/// Remembers that the conversation has a skill, so that what it forbids is denied from now on.
fn note_activation(session: &Session<'_>, input: &HookInput, name: &str) {
    let Some(id) = &input.session else { return };
    let options = ActivateOptions {
        session: Some(id.clone()),
        agent: Some(input.agent.id().to_owned()),
        full: true,
        ..ActivateOptions::of(name, UsageChannel::Hook)
    };
    if let Err(error) = activate_in(session, &options) {
        session.warn(&error.message);
    }
}
