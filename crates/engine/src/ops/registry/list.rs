//! `registry list`: the remote registries that the settings name.

use jiff::Timestamp;
use serde::Serialize;

use crate::fetch::remote_registry::RemoteRegistry;
use crate::registry_tokens::{TokenOrigin, find_token_with_origin};
use crate::workspace::{Observer, Workspace};
use ba_agent_core::error::Result;
use ba_agent_core::remote_registry::OwnerName;

/// A registry that the settings name.
#[derive(Debug, Serialize)]
pub struct ListedRegistry {
    pub name: String,
    pub url: String,
    /// The owners whose skills come from it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub scopes: Vec<OwnerName>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub mirrors: Vec<String>,
    /// It has the owners that no registry names.
    pub default: bool,
    /// True where only the project names it: it gets nothing of the user's.
    pub of_project: bool,
    /// Where the token for it comes from, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token: Option<TokenOrigin>,
    /// When it was last asked what it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub copied_at: Option<Timestamp>,
}

/// The remote registries that count here. Opens no connection.
///
/// # Errors
/// Those of reading settings and tokens.
pub fn list(workspace: &Workspace, observer: &dyn Observer) -> Result<Vec<ListedRegistry>> {
    let session = workspace.or_user_at_home().open_unrepaired(observer)?;
    let world = session.world();
    let listed = session.settings.remote_registries.iter().map(|one| {
        let registry = RemoteRegistry::open(&one.url, &world)?;
        Ok(ListedRegistry {
            name: one.name.clone(),
            url: one.url.clone(),
            scopes: one.scopes.clone(),
            mirrors: one.mirrors.clone(),
            default: one.is_default,
            of_project: one.is_of_project,
            token: find_token_with_origin(&session.env, one)?.map(|(_, origin)| origin),
            copied_at: registry.description_copied_at(),
        })
    });
    listed.collect()
}
