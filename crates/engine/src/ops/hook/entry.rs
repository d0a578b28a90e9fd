//! The entry of the hook in an agent's settings: put in, taken out, looked at.

use std::path::PathBuf;

use serde::Serialize;

use crate::store::lock::Lock;
use crate::workspace::{Notice, Observer, Session, Workspace};
use ba_agent_core::error::{Context as _, Result, error};
use ba_agent_core::hook::{HookAgent, HookState, find_hooks, install_hooks, uninstall_hooks};
use ba_agent_core::json_edit::JsonEditFault;
use ba_agent_system::fsx;

/// The largest settings file that is read.
const LARGEST: u64 = 8 << 20;

/// The hook of one agent.
#[derive(Debug, Serialize)]
pub struct HookStatus {
    pub agent: &'static str,
    /// The settings that hold it.
    pub file: PathBuf,
    pub state: HookState,
    /// The file is another one now.
    pub changed: bool,
    /// What a person has to do before the agent runs it.
    pub trust: Option<&'static str>,
}

/// Puts the hook into an agent's settings, where nothing else is changed. `program` is how the
/// binary is called.
///
/// # Errors
/// `Failed` for settings that cannot be read as JSON, or written: they are as they were. `Usage`
/// where a project's settings lead out of it.
pub fn install_hook(
    workspace: &Workspace,
    agent: HookAgent,
    program: &str,
    observer: &dyn Observer,
) -> Result<HookStatus> {
    let status =
        change_entry(workspace, agent, program, observer, |text| install_hooks(agent, text, program))?;
    if status.changed && !workspace.is_of_user() && program != "ba-agent" {
        observer.notice(Notice::Warning(&format!(
            "the hook is `{program}`, a path of this machine, in settings that everybody shares who has the \
             project; with ba-agent in PATH it is `ba-agent`"
        )));
    }
    Ok(status)
}

/// Takes the hook out of an agent's settings again.
///
/// # Errors
/// Those of [`install_hook`].
pub fn uninstall_hook(
    workspace: &Workspace,
    agent: HookAgent,
    program: &str,
    observer: &dyn Observer,
) -> Result<HookStatus> {
    change_entry(workspace, agent, program, observer, uninstall_hooks)
}

/// Whether the hook stands in the settings of these agents.
///
/// # Errors
/// Those of [`install_hook`].
pub fn hook_status(
    workspace: &Workspace,
    agents: &[HookAgent],
    program: &str,
    observer: &dyn Observer,
) -> Result<Vec<HookStatus>> {
    let session = workspace.open_unrepaired(observer)?;
    agents.iter().map(|agent| status_of(&SettingsOfAgent::open(&session, *agent)?, program, false)).collect()
}

fn change_entry(
    workspace: &Workspace,
    agent: HookAgent,
    program: &str,
    observer: &dyn Observer,
    change: impl FnOnce(&str) -> std::result::Result<Option<String>, JsonEditFault>,
) -> Result<HookStatus> {
    let session = workspace.open_unrepaired(observer)?;
    let lock_file = session.store.state_dir().settings_lock_file();
    let lock = Lock::take(&lock_file, session.lock_wait()?, &|what: &str| session.note(what))?;
    let outcome = SettingsOfAgent::open(&session, agent).and_then(|mut settings| {
        let new = change(&settings.text).map_err(|fault| settings.fault(&fault))?;
        if let Some(new) = &new {
            settings.write(new)?;
        }
        status_of(&settings, program, new.is_some())
    });
    lock.release();
    outcome
}

fn status_of(settings: &SettingsOfAgent, program: &str, changed: bool) -> Result<HookStatus> {
    let agent = settings.agent;
    let state = find_hooks(agent, &settings.text, program).map_err(|fault| settings.fault(&fault))?;
    let trust = agent.trust_needed().filter(|_| state != HookState::Absent);
    Ok(HookStatus { agent: agent.id(), file: settings.file.clone(), state, changed, trust })
}

/// The settings file of an agent, as text.
struct SettingsOfAgent {
    agent: HookAgent,
    /// As a person knows it, and without links: what is replaced as a whole.
    file: PathBuf,
    real: PathBuf,
    text: String,
    has_mark: bool,
}

impl SettingsOfAgent {
    /// Reads it; nothing where there is none.
    ///
    /// # Errors
    /// `Usage` where it is a project's and leads out of it; `Failed` where it is not UTF-8.
    fn open(session: &Session<'_>, agent: HookAgent) -> Result<Self> {
        let place = if session.scope.is_project() { agent.file().project } else { agent.file().user };
        let file = session.scope.base().join(place);
        let what = format!("settings of {}", agent.name());
        let real = match session.scope.is_project() {
            true => session.places.check_inside(&what, &file)?,
            false => fsx::real_path(&file),
        };
        let bytes = fsx::read_plain_file(&real, LARGEST)?.unwrap_or_default();
        let text = String::from_utf8(bytes)
            .map_err(|_| error!(Failed, "`{}` is not UTF-8; nothing was written", file.display()))?;
        let has_mark = text.starts_with('\u{feff}');
        let text = text.trim_start_matches('\u{feff}').to_owned();
        Ok(Self { agent, file, real, text, has_mark })
    }

    fn fault(&self, fault: &JsonEditFault) -> ba_agent_core::error::Error {
        error!(
            Failed,
            "the settings of {} cannot be changed: `{}`, {fault}",
            self.agent.name(),
            self.file.display()
        )
        .hint("nothing was written; correct the file and try again")
    }

    /// # Errors
    /// `Failed` where it cannot be written; it is then as it was.
    fn write(&mut self, new: &str) -> Result<()> {
        let mark = if self.has_mark { "\u{feff}" } else { "" };
        fsx::create_folders(fsx::parent(&self.real))?;
        fsx::write_atomic(&self.real, format!("{mark}{new}").as_bytes())
            .context(|| format!("the settings of {} were not written", self.agent.name()))?;
        new.clone_into(&mut self.text);
        Ok(())
    }
}
