//! The catalogue of a recorded marketplace as the cache has it, with the documents and the index
//! that the search reads.

use serde_json::value::RawValue;

use super::fetch::FetchedMarketplace;
use super::recorded::{is_live, place_of};
use crate::fetch::marketplace::Place;
use crate::fetch::{self, World};
use crate::store::marketplaces::RegisteredMarketplace;
use ba_agent_core::catalog::{self as catalogue, Catalog, CatalogFormat};
use ba_agent_core::error::{Error, Result, error};
use ba_agent_core::search::{IndexBuilder, SearchDocument};
use ba_agent_system::cache::{CachedCatalog, Rows};

/// What the catalogue is kept under: where it really is and in which state, so that no
/// project answers for another, and what decides how it is read.
fn key(known: &RegisteredMarketplace, world: &World<'_>) -> Option<String> {
    let at = match Place::parse(&known.source).ok()? {
        Place::Tree { request, .. } => fetch::origin_key(&request.source, world),
        Place::File(url) | Place::Served(url) => ba_agent_git::canonical_url(url.as_str()),
    };
    let pin = known.pin.commit.as_deref().or(known.pin.archive.as_deref()).unwrap_or("live");
    let manifest = known.manifest.as_deref().unwrap_or("");
    let how = if known.named { "named" } else { "found" };
    Some([at.as_str(), &known.source, manifest, how, pin].join("\n"))
}

/// The catalogue as the cache has it.
pub(super) fn cached(known: &RegisteredMarketplace, world: &World<'_>) -> Option<CachedCatalog> {
    world.cache.as_ref()?.cached_catalog_of(&key(known, world)?)
}

/// The rows that the search reads, where the cache has them and they are not those of a folder
/// that may be another one now.
pub(crate) fn search_rows(known: &RegisteredMarketplace, world: &World<'_>) -> Option<Rows> {
    if is_live(known) {
        return None;
    }
    world.cache.as_ref()?.cached_document_rows(&key(known, world)?)
}

/// The rows as the cache has them, also of a folder that may be another one now, and their index.
pub(crate) fn known_rows(known: &RegisteredMarketplace, world: &World<'_>) -> Option<(Rows, Vec<u8>)> {
    let (cache, key) = (world.cache.as_ref()?, key(known, world)?);
    Some((cache.cached_document_rows(&key)?, cache.cached_search_index(&key).unwrap_or_default()))
}

/// The index of those rows, if the cache has one; nothing says that it is sound, or of them.
pub(crate) fn search_index(known: &RegisteredMarketplace, world: &World<'_>) -> Option<Vec<u8>> {
    world.cache.as_ref()?.cached_search_index(&key(known, world)?)
}

/// Keeps an index of those rows.
pub(crate) fn keep_search_index(known: &RegisteredMarketplace, index: &[u8], world: &World<'_>) {
    if let (Some(cache), Some(key)) = (&world.cache, key(known, world)) {
        cache.put_index(&key, index);
    }
}

/// Keeps a fetched catalogue in the cache, for every project that has it in this state.
pub(crate) fn keep_fetched_catalogue(fetched: &FetchedMarketplace, world: &World<'_>) {
    if let (Some(cache), Some(key)) = (&world.cache, key(&fetched.marketplace, world)) {
        cache.put_catalog(&key, &fetched.copy);
        // A folder of this machine is another one with the next keystroke; whoever searches it
        // makes the index.
        if !is_live(&fetched.marketplace)
            && let Ok(index) = index_of(&fetched.copy.documents)
        {
            cache.put_index(&key, &index);
        }
    }
}

/// The index of search documents.
///
/// # Errors
/// `Failed` for documents that are damaged.
pub(crate) fn index_of(documents: &str) -> Result<Vec<u8>> {
    let rows: Vec<&RawValue> = serde_json::from_str(documents).map_err(error_of_damaged_copy)?;
    let mut builder = IndexBuilder::default();
    for row in rows {
        let row = row.get();
        let document: SearchDocument<'_> = serde_json::from_str(row).map_err(error_of_damaged_copy)?;
        // The row is a part of the text.
        let offset = (row.as_ptr() as usize).saturating_sub(documents.as_ptr() as usize);
        builder.add_document(&document, offset, row.as_bytes());
    }
    Ok(builder.into_bytes(documents))
}

/// The error for search documents that cannot be read.
pub(super) fn error_of_damaged_copy(error: serde_json::Error) -> Error {
    error!(Failed, "the cached copy of a marketplace is damaged")
        .cause(error)
        .hint("run `ba-agent marketplace update`")
}

/// The catalogue of a copy.
///
/// # Errors
/// `Usage` where the recorded source does not parse, `Invalid` where the text is not a catalogue.
pub(super) fn read(text: &str, known: &RegisteredMarketplace) -> Result<Catalog> {
    let file = known.manifest.as_deref().unwrap_or("marketplace.json");
    match place_of(known)? {
        Place::Served(url) => {
            let index = known.manifest.as_ref().and_then(|index| url.join(index).ok()).unwrap_or(url);
            Ok(catalogue::read_well_known(text, &index)?.catalogue)
        }
        Place::File(url) => Catalog::parse(text, url.as_str(), CatalogFormat::of(url.path(), true)),
        Place::Tree { .. } => Catalog::parse(text, file, CatalogFormat::of(file, known.named)),
    }
}
