//! Deeds: marketplaces. What is written behind `add` becomes a copy of a catalogue; an entry
//! of one becomes candidates, as any other source does.

mod cached;
mod entry;
mod fetch;
mod left_out;
mod plugin_manifest;
mod recorded;
mod resolve;
#[cfg(test)]
mod tests;
mod update;

use serde::Serialize;

use crate::catalog::Catalog;
use crate::error::{Result, error};
use crate::fetch::World;
use crate::fetch::git::url_of;
use crate::fetch::marketplace::Place;
use crate::search::SearchDocument;
use crate::settings::Settings;
use crate::skill::Finding;
use crate::source::Source;
use crate::store::marketplaces::{Marketplaces, RegisteredMarketplace};

pub(crate) use cached::{index_of, keep, keep_search_index, search_index, search_rows};
pub(crate) use entry::{EntryView, describe, gather, gather_all, lend_version, manifests_above, want_of};
pub(crate) use fetch::{Fetched, check, fetch};
pub(crate) use recorded::is_live;
pub(in crate::ops) use resolve::parts;
pub(crate) use resolve::request;
pub(crate) use update::{Updated, record, refresh};

/// Where a marketplace of the user is for a project whose settings name another host: the
/// whole address, which does not hang on settings. `None` where both mean the same.
pub(crate) fn at_hosts_of(source: &str, user: &Settings, project: &Settings) -> Option<String> {
    let Ok(Place::Tree { mut request, manifest }) = Place::parse(source) else { return None };
    let url = url_of(&request.source, user)?;
    if url_of(&request.source, project).as_ref() == Some(&url) {
        return None;
    }
    request.source = Source::Git { url };
    Some(Place::Tree { request, manifest }.text())
}

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
    cached::keep(&fetched, world);
    Ok((fetched.catalogue, fetched.copy.documents))
}

/// Everything that is wrong with the catalogue of a registered marketplace, in its recorded
/// state; fetched where the cache has lost it.
///
/// # Errors
/// `Network` offline where the cache does not have it, else those of fetching and reading.
pub(crate) fn check_registered(
    marketplace: &RegisteredMarketplace,
    world: &World<'_>,
) -> Result<Vec<Finding>> {
    let is_live = recorded::is_live(marketplace);
    if !is_live && let Some(kept) = cached::cached(marketplace, world) {
        return Ok(fetch::check(marketplace, &kept.text));
    }
    let fetched = fetch::restore(marketplace, world)?;
    Ok(fetch::check(marketplace, &fetched.copy.text))
}

/// What the search reads of a copy.
pub(crate) fn parse_documents(text: &str) -> Result<Vec<SearchDocument<'_>>> {
    serde_json::from_str(text).map_err(cached::damaged)
}

/// A row of `marketplace list`.
#[derive(Debug, Serialize)]
pub(crate) struct Row<'a> {
    pub(crate) name: &'a str,
    pub(crate) source: &'a str,
    pub(crate) manifest: Option<&'a str>,
    pub(crate) enabled: bool,
    pub(crate) pin: Option<String>,
    pub(crate) fetched_at: jiff::Timestamp,
    /// `project` or `user`.
    pub(crate) scope: &'static str,
    /// Entries of its catalogue in the recorded state; of a folder of this machine, now. Absent
    /// where that cannot be read, or was not recorded.
    pub(crate) entries: Option<usize>,
}

/// Every marketplace that the scope sees.
pub(crate) fn list<'a>(all: &'a Marketplaces, scope: &'static str, world: &World<'_>) -> Vec<Row<'a>> {
    let entries = |known: &RegisteredMarketplace| match is_live(known) {
        true => load_catalog(known, world).ok().map(|(catalogue, _)| catalogue.plugins.len()),
        false => known.entries,
    };
    let row = |(name, known): (&'a String, &'a RegisteredMarketplace)| Row {
        name,
        source: &known.source,
        manifest: known.manifest.as_deref(),
        enabled: known.enabled,
        pin: known.pin.short_text(),
        fetched_at: known.fetched_at,
        scope: if all.is_own(name) { scope } else { "user" },
        entries: entries(known),
    };
    let mut rows: Vec<Row<'a>> = all.all().map(row).collect();
    rows.sort_by_key(|row| row.name);
    rows
}

/// What the search reads of a marketplace, whole; fetched where the cache has lost it.
///
/// # Errors
/// `Network` offline without a copy, else those of fetching it again.
pub(crate) fn search_text(marketplace: &RegisteredMarketplace, world: &World<'_>) -> Result<String> {
    match cached::cached(marketplace, world).filter(|_| !is_live(marketplace)) {
        Some(kept) => Ok(kept.documents),
        None => Ok(load_catalog(marketplace, world)?.1),
    }
}

/// The catalogue as the cache has it, if it does and it can be read.
fn cached(marketplace: &RegisteredMarketplace, world: &World<'_>) -> Option<Catalog> {
    cached::read(&cached::cached(marketplace, world)?.text, marketplace).ok()
}
