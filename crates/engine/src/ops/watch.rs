//! `skill watch`: what happens to the skills of an agent, until somebody stops it.

use std::time::Duration;

use crate::poll::{Poll, SkillEvent};
use crate::workspace::{Observer, Workspace};
use ba_agent_core::agents::{Agent, InstallTarget};
use ba_agent_core::error::{Error, Result, error};
use ba_agent_system::interrupt;

/// Whose skills are watched.
#[derive(Debug, Default)]
pub struct WatchOptions {
    /// The agent that has them; all skills here without one.
    pub agent: Option<String>,
    /// How long; until somebody stops it without.
    pub time: Option<Duration>,
}

/// Nobody needs to know sooner, and a look costs something.
const SHORTEST_INTERVAL: u64 = 100;

/// Tells each event until the time is over, or `tell` says that nobody listens any more. Only reads.
///
/// # Errors
/// `Interrupted` where somebody stops it, which is how it usually ends; `Usage` for an agent that is
/// not known; those of opening the workspace the first time. What goes wrong later is told once, and
/// tried again.
pub fn watch(
    workspace: &Workspace,
    options: &WatchOptions,
    tell: &mut dyn FnMut(&SkillEvent) -> bool,
    observer: &dyn Observer,
) -> Result<()> {
    let mut poll = Poll::new(options.agent.as_deref().map(find_known_agent).transpose()?);
    let (mut interval, mut failed, mut left) = (None, None, options.time);
    loop {
        let looked = workspace.open_unrepaired(observer).and_then(|session| {
            interval = Some(session.settings.runtime.hot_swap.watch_interval);
            if failed.take().is_some() {
                session.note("the skills can be looked at again");
            }
            poll.look(&session)
        });
        match looked {
            Ok(events) => {
                if events.iter().any(|event| !tell(event)) {
                    return Ok(());
                }
            }
            Err(error) => {
                observer.check_cancelled()?;
                let Some(_) = interval else { return Err(error) };
                tell_once(error, &mut failed, observer);
            }
        }
        let mut time = Duration::from_millis(interval.unwrap_or_default().max(SHORTEST_INTERVAL));
        match &mut left {
            Some(left) if left.is_zero() => return Ok(()),
            Some(left) => {
                time = time.min(*left);
                *left -= time;
            }
            None => {}
        }
        interrupt::sleep(time, || observer.check_cancelled())?;
    }
}

/// The agent of this id; a folder is none.
fn find_known_agent(id: &str) -> Result<&'static Agent> {
    match InstallTarget::parse(id)? {
        InstallTarget::Agent(agent) => Ok(agent),
        InstallTarget::Folder(_) => Err(error!(Usage, "`{id}` is a folder, expected the id of an agent")
            .hint("`ba-agent agents --all` lists them")),
    }
}

fn tell_once(error: Error, failed: &mut Option<String>, observer: &dyn Observer) {
    let text = std::iter::once(error.message).chain(error.causes).collect::<Vec<_>>().join(": ");
    if failed.as_ref() != Some(&text) {
        observer.notice(crate::workspace::Notice::Warning(&text));
    }
    *failed = Some(text);
}
