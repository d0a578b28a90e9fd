//! `registry remove`: a registry out of the settings; skills that came from it stay.

use std::path::PathBuf;

use crate::registry_tokens;
use crate::settings::change::SettingsFile;
use crate::store::lock::Lock;
use crate::workspace::{Observer, Session, Workspace};
use ba_agent_core::error::{Result, error};

/// What was removed.
#[derive(Debug)]
pub struct RemoveRegistryReport {
    pub name: String,
    pub url: String,
    pub file: PathBuf,
    /// The token that was kept for it is gone too.
    pub logged_out: bool,
}

/// Takes a registry out of the user's settings or, where only the project names it, out of the
/// project's.
///
/// # Errors
/// `NotFound` for a name that the settings do not have; those of writing them.
pub fn remove(workspace: &Workspace, name: &str, observer: &dyn Observer) -> Result<RemoveRegistryReport> {
    let session = workspace.or_user_at_home().open_unrepaired(observer)?;
    let one = session.settings.remote_registries.named(name)?.clone();
    let user = workspace.for_user().open_unrepaired(observer)?;
    let is_of_user = user.settings.remote_registries.named(name).is_ok();
    let (file, changed) = take_out(if is_of_user { &user } else { &session }, name)?;
    if !changed {
        return Err(error!(NotFound, "`{}` does not name the registry `{name}`", file.display()));
    }
    let logged_out = is_of_user && registry_tokens::forget_token(&session.env, &one.url)?;
    Ok(RemoveRegistryReport { name: one.name, url: one.url, file, logged_out })
}

fn take_out(session: &Session<'_>, name: &str) -> Result<(PathBuf, bool)> {
    let path = session.store.state_dir().settings_lock_file();
    let lock = Lock::take(&path, session.lock_wait()?, &|what: &str| session.note(what))?;
    let outcome = take_out_locked(session, name);
    lock.release();
    outcome
}

fn take_out_locked(session: &Session<'_>, name: &str) -> Result<(PathBuf, bool)> {
    let root = session.scope.is_project().then(|| session.scope.base());
    let file = SettingsFile::read(&session.scope.settings_file(), root, &session.settings.allow_links_to)?;
    let changed = file.with_registry(name, None, &session.env)?;
    if let Some(text) = &changed {
        file.write(text)?;
    }
    Ok((file.file, changed.is_some()))
}
