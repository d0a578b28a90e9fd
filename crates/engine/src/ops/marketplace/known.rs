//! `marketplace add --known`: the known catalogues, and which of them are registered.

use serde::Serialize;

use crate::fetch::typed_host::parse_typed;
use crate::ops::settle::open_session;
use crate::workspace::{Observer, Workspace};
use ba_agent_core::catalog::{KNOWN_CATALOGS, KnownCatalog};
use ba_agent_core::error::Result;

/// A known catalogue.
#[derive(Debug, Serialize)]
pub struct ListedKnown {
    #[serde(flatten)]
    pub catalog: KnownCatalog,
    /// What it is called here; absent where it is not registered.
    pub registered_as: Option<String>,
}

/// The known catalogues. Opens no connection.
///
/// # Errors
/// Those of reading the records.
pub fn list_known(workspace: &Workspace, observer: &dyn Observer) -> Result<Vec<ListedKnown>> {
    let workspace = workspace.or_user_at_home();
    let session = open_session(&workspace, observer)?;
    let all = session.marketplaces()?;
    let row = |catalog: &KnownCatalog| {
        let request = parse_typed(&catalog.page(), &session.settings.hosts);
        let source = request.map(|request| request.to_string()).unwrap_or_default();
        let here = all.all().find(|(_, known)| known.source == source);
        ListedKnown { catalog: *catalog, registered_as: here.map(|(name, _)| name.clone()) }
    };
    Ok(KNOWN_CATALOGS.iter().map(row).collect())
}
