//! Deeds: marketplaces. What is written behind `add` becomes a copy of a catalogue; an entry
//! of one becomes candidates, as any other source does.

mod add;
mod cached;
mod change;
mod copy_age;
mod entry;
mod fetch;
mod init;
mod known;
mod left_out;
mod plugin_manifest;
mod recorded;
mod resolve;
#[cfg(test)]
mod tests;
mod update;
mod validate;

use serde::Serialize;

use super::settle::open_session;
use crate::fetch::World;
use crate::store::marketplaces::RegisteredMarketplace;
use crate::workspace::{Observer, Workspace};
use ba_agent_core::catalog::Catalog;
use ba_agent_core::error::{Result, error, printable};
use ba_agent_core::search::SearchDocument;
use ba_agent_core::skill::Finding;
use ba_agent_core::source::Request;

pub use add::{AddKnownReport, AddOptions, AddReport, add, add_from, add_known};
pub use ba_agent_core::catalog::CatalogHead;
pub(crate) use cached::search_index;
pub(crate) use cached::{index_of, keep_search_index, known_rows, search_rows};
pub use change::{remove, set_enabled};
pub(crate) use copy_age::CopyAge;
pub use entry::{EntryView, gather};
pub(crate) use entry::{
    WantedEntry, allowed_by, gather_all, lend_plugin, manifests_above, published_versions, want_of,
};
pub use fetch::FetchedMarketplace;
pub use init::{CatalogInitOptions, CatalogInitReport, init};
pub use known::{ListedKnown, list_known};
pub(crate) use recorded::is_live;
pub(crate) use resolve::{locate, request};
pub use update::{Updated, update};
pub use validate::{CheckedCatalog, validate};

/// The marketplace's catalogue in its recorded state, and its search documents; fetched where
/// the cache has lost them. A folder of this machine has no other state than its present one.
///
/// # Errors
/// `Network` offline where the cache does not have it, else those of fetching and reading.
fn load_catalog(marketplace: &RegisteredMarketplace, world: &World<'_>) -> Result<(Catalog, String)> {
    let is_live = recorded::is_live(marketplace);
    if !is_live && let Some(kept) = cached::cached(marketplace, world) {
        return Ok((cached::read(&kept.text, marketplace)?, kept.documents));
    }
    if world.offline && !is_live {
        return Err(error!(
            Network,
            "the catalogue of `{}` is not in the cache, and this run is offline", marketplace.source
        )
        .hint("run the command once without `--offline`, then the cache has it"));
    }
    let fetched = fetch::restore(marketplace, world)?;
    cached::keep_fetched_catalogue(&fetched, world);
    Ok((fetched.catalogue, fetched.copy.documents))
}

/// Everything that is wrong with the catalogue of a registered marketplace, in its recorded
/// state; fetched where the cache has lost it.
///
/// # Errors
/// `Network` offline where the cache does not have it, else those of fetching and reading.
fn check_registered(marketplace: &RegisteredMarketplace, world: &World<'_>) -> Result<Vec<Finding>> {
    let is_live = recorded::is_live(marketplace);
    if !is_live && let Some(kept) = cached::cached(marketplace, world) {
        return Ok(fetch::check(marketplace, &kept.text));
    }
    let fetched = fetch::restore(marketplace, world)?;
    Ok(fetch::check(marketplace, &fetched.copy.text))
}

/// What the search reads of a copy.
///
/// # Errors
/// `Failed` for documents that do not parse; the hint says how to fetch them anew.
pub(crate) fn parse_documents(text: &str) -> Result<Vec<SearchDocument<'_>>> {
    serde_json::from_str(text).map_err(cached::error_of_damaged_copy)
}

/// A registered marketplace.
#[derive(Debug, Serialize)]
pub struct ListedMarketplace {
    pub name: String,
    pub source: String,
    pub(crate) manifest: Option<String>,
    pub enabled: bool,
    pub pin: Option<String>,
    pub fetched_at: jiff::Timestamp,
    /// `project` or `user`.
    pub scope: &'static str,
    /// Entries of its catalogue in the recorded state; of a folder of this machine, now. Absent
    /// where that cannot be read, or was not recorded.
    pub entries: Option<usize>,
}

/// Every marketplace that the scope sees, in the order of their names.
///
/// # Errors
/// Those of reading the records.
pub fn list(workspace: &Workspace, observer: &dyn Observer) -> Result<Vec<ListedMarketplace>> {
    let session = open_session(&workspace.or_user_at_home(), observer)?;
    let all = session.marketplaces()?;
    let world = session.world();
    let entries = |known: &RegisteredMarketplace| match is_live(known) {
        true => load_catalog(known, &world).ok().map(|(catalogue, _)| catalogue.plugins.len()),
        false => known.entries,
    };
    let listed = |(name, known): (&String, &RegisteredMarketplace)| ListedMarketplace {
        name: name.clone(),
        source: known.source.clone(),
        manifest: known.manifest.clone(),
        enabled: known.enabled,
        pin: known.pin.short_text(),
        fetched_at: known.fetched_at,
        scope: if all.is_own(name) { session.scope.name() } else { "user" },
        entries: entries(known),
    };
    let mut rows: Vec<ListedMarketplace> = all.all().map(listed).collect();
    rows.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(rows)
}

/// The entries of a marketplace, or the one of a name.
///
/// # Errors
/// `NotFound` for an unknown marketplace or entry, and those of reading its catalogue.
pub fn show(
    workspace: &Workspace,
    name: &str,
    entry: Option<&str>,
    observer: &dyn Observer,
) -> Result<(Catalog, Vec<EntryView>)> {
    let session = open_session(&workspace.or_user_at_home(), observer)?;
    let world = session.world();
    let described = entry::describe(name, entry, &session.marketplaces()?, &world)?;
    session.note_moved_marketplaces(&world);
    Ok(described)
}

/// A name that can stand behind `@`.
fn check_name(name: &str) -> Result<()> {
    if Request::bare_name(name) == Some(name) {
        return Ok(());
    }
    Err(error!(Usage, "`{}` is not a valid marketplace name", printable(name, false))
        .hint("use letters, digits, `-` and `_`"))
}

/// What the search reads of a marketplace, whole; fetched where the cache has lost it.
///
/// # Errors
/// `Network` offline without a copy, else those of fetching it again.
pub(crate) fn search_text(marketplace: &RegisteredMarketplace, world: &World<'_>) -> Result<String> {
    if !is_live(marketplace)
        && let Some(kept) = cached::cached(marketplace, world)
    {
        return Ok(kept.documents);
    }
    Ok(load_catalog(marketplace, world)?.1)
}

/// The catalogue as the cache has it, if it does and it can be read.
fn cached(marketplace: &RegisteredMarketplace, world: &World<'_>) -> Option<Catalog> {
    cached::read(&cached::cached(marketplace, world)?.text, marketplace).ok()
}
