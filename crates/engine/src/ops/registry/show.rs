//! `registry show`: what a registry says of itself, and what the settings say of it.

use serde::Serialize;

use super::list::{self, ListedRegistry};
use crate::fetch::remote_registry::RemoteRegistry;
use crate::workspace::{Observer, Workspace};
use ba_agent_core::error::{Result, error};
use ba_agent_core::remote_registry::RegistryDescription;

/// Everything about one registry.
#[derive(Debug, Serialize)]
pub struct RegistryView {
    #[serde(flatten)]
    pub listed: ListedRegistry,
    /// What it says of itself.
    pub description: RegistryDescription,
}

/// Asks a registry what it is; offline, what it said last.
///
/// # Errors
/// `NotFound` for a name that the settings do not have, `Integrity` for a log that is signed with
/// another key than before; those of asking.
pub fn show(workspace: &Workspace, name: &str, observer: &dyn Observer) -> Result<RegistryView> {
    let session = workspace.or_user_at_home().open_unrepaired(observer)?;
    let one = session.settings.remote_registries.named(name)?;
    let world = session.world();
    let description = RemoteRegistry::open(&one.url, &world)?.description(true)?;
    let listed = list::list(workspace, observer)?.into_iter().find(|listed| listed.name == one.name);
    let listed = listed.ok_or_else(|| error!(NotFound, "there is no registry named `{name}`"))?;
    Ok(RegistryView { listed, description })
}
