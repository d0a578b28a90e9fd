//! `skill uninstall`: skills leave every target and the registry.

use super::apply::{self, Report};
use super::installed::find_installed;
use super::plan;
use super::settle::open_session;
use crate::workspace::{Observer, Workspace};
use ba_agent_core::error::Result;

/// What is removed, and how.
#[derive(Debug, Default)]
pub struct UninstallOptions {
    /// Skills as a person names them.
    pub names: Vec<String>,
    /// Edited skills too; what was edited is kept for `rollback`.
    pub force: bool,
}

/// Removes skills from every target and from the registry.
///
/// # Errors
/// `NotFound` for a name that is not installed; `Conflict` for a skill that was edited (unless
/// forced) and where another command holds the lock; those of [`apply::apply`].
pub fn uninstall(
    workspace: &Workspace,
    options: &UninstallOptions,
    observer: &dyn Observer,
) -> Result<Report> {
    let session = open_session(workspace, observer)?;
    // Before the lock is taken: who mistyped a name does not wait for another command.
    let names = find_installed(&options.names, &session.store.read()?, &session.places)?;
    let transaction = session.begin()?;
    let registry = transaction.registry();
    let seen = session.places.inspect_recorded(names.iter(), registry)?;
    let plan = plan::uninstall(&names, registry, &seen, options.force)?;
    for name in
        names.iter().filter(|name| registry.skills.get(*name).is_some_and(|entry| entry.kind == "own"))
    {
        session.warn(&format!(
            "`{name}` has no source to install it from again: `ba-agent skill rollback {name}` brings it back, as long as this is among the last 20 changes"
        ));
    }
    apply::apply(plan, transaction, &session, "uninstall")
}
