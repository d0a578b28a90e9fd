//! `skill deactivate`: takes a skill off the list of a conversation.

use serde::Serialize;

use super::activate::SessionView;
use super::activate::view_session;
use super::settle::open_session;
use crate::agent_sessions::{change_agent_session, read_agent_session};
use crate::workspace::{Observer, Workspace};
use ba_agent_core::error::{Result, error, printable};
use ba_agent_core::text::find_nearest;

/// What is left of a conversation.
#[derive(Debug, Clone, Serialize)]
pub struct DeactivateReport {
    pub skill_name: String,
    /// The conversation without the skill.
    pub session: SessionView,
}

/// Takes a skill off a conversation: it no longer counts among the active ones, and its
/// instructions are given whole the next time.
///
/// # Errors
/// `NotFound` where the skill is not active there, with the nearest name that is; `Usage` for a
/// session id that cannot be one.
pub fn deactivate(
    workspace: &Workspace,
    name: &str,
    session_id: &str,
    observer: &dyn Observer,
) -> Result<DeactivateReport> {
    let session = open_session(workspace, observer)?;
    let known = read_agent_session(&session, session_id)?;
    known.fault.iter().for_each(|fault| session.warn(fault));
    let known = known.session;
    let is_it = |active: &str| active == name || active.rsplit(':').next() == Some(name);
    let Some(active) = known.skills.iter().map(|skill| skill.name.clone()).find(|active| is_it(active))
    else {
        let shown = printable(name, false);
        let mut error = error!(NotFound, "`{shown}` is not active in session `{session_id}`");
        if let Some(near) = find_nearest(name, known.skills.iter().map(|skill| skill.name.as_str())) {
            error = error.hint(format!("did you mean `{near}`?"));
        }
        let names: Vec<&str> = known.skills.iter().map(|skill| skill.name.as_str()).collect();
        return Err(match names.is_empty() {
            true => error.hint("no skill is active there"),
            false => error.hint(format!("active are {}", names.join(", "))),
        });
    };
    let changed = change_agent_session(&session, session_id, |one| {
        one.skills.retain(|skill| skill.name != active);
    })?;
    changed.fault.iter().for_each(|fault| session.warn(fault));
    Ok(DeactivateReport { skill_name: active, session: view_session(&changed.session) })
}
