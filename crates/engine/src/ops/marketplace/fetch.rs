//! Fetches a marketplace: from its place to its catalogue and the documents that the search reads.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde_json::{Value, json};

use super::left_out::{LeftOut, Why};
use super::plugin_manifest::{plugin_manifest, plugin_manifests};
use super::recorded::{archive_pin, at_pin, place_of, root_of_catalogue, settled_reference_name};
use crate::fetch::marketplace::{self, Place};
use crate::fetch::{self, OpenOptions, PackageSource, World};
use crate::store::marketplaces::RegisteredMarketplace;
use ba_agent_core::catalog::{
    self as catalogue, Catalog, CatalogEntry, CatalogFormat, EntryRequirement, EntryScan,
};
use ba_agent_core::digest::Digest;
use ba_agent_core::discover;
use ba_agent_core::error::{Result, error};
use ba_agent_core::listing::{FileEntry, Listing};
use ba_agent_core::package::Package;
use ba_agent_core::path::RelPath;
use ba_agent_core::registry::RevisionRecord;
use ba_agent_core::search::{BorrowedText, SearchDocument};
use ba_agent_core::skill::{self, Finding, Frontmatter, LOWER_MANIFEST, MANIFEST, Profile, SkillName};
use ba_agent_core::source::{Request, Revision, Source};
use ba_agent_system::cache::CachedCatalog;

/// Characters of a skill's text that the search takes: what it is for stands at its beginning,
/// and more of it finds no more (`crates/core/tests/search/`).
const BODY: usize = 600;

/// A marketplace as it is now.
#[derive(Debug)]
pub struct FetchedMarketplace {
    pub marketplace: RegisteredMarketplace,
    pub catalogue: Catalog,
    pub(crate) copy: CachedCatalog,
    /// Skills of the marketplace's own tree; those of other repositories are not known yet.
    pub skills: usize,
    /// Entries that are sources of their own: repositories, archives, packages.
    pub elsewhere: usize,
    /// What went on all the same, one sentence each.
    pub warnings: Vec<String>,
    /// What of it can be neither found nor installed.
    pub left_out: LeftOut,
}

/// Fetches the marketplace at a place.
///
/// # Errors
/// Those of fetching; `NotFound` for a place with neither a catalogue nor a skill, `Invalid`
/// for a catalogue that is none.
pub(crate) fn fetch(place: &Place, world: &World<'_>) -> Result<FetchedMarketplace> {
    match place {
        Place::Tree { request, manifest } => {
            let source = fetch::open_source(request, OpenOptions::default(), world)?;
            of_source(place, source, request, manifest.as_deref(), world)
        }
        Place::File(url) => {
            let text = marketplace::download(world, url)?;
            let manner = CatalogFormat::of(url.path(), true);
            let read = Catalog::parse(&text, url.as_str(), manner)?;
            Ok(without_tree(place, None, read, text, Vec::new(), world))
        }
        Place::Served(url) => {
            let (index, text) = marketplace::fetch_served_index(world, url)?;
            let served = catalogue::read_well_known(&text, &index)?;
            let skipped = served.skipped.iter().map(|reason| format!("left out {reason}")).collect();
            Ok(without_tree(place, Some(index.to_string()), served.catalogue, text, skipped, world))
        }
    }
}

/// Fetches a registered marketplace in the state that is recorded.
///
/// # Errors
/// Those of [`fetch`]; `NotFound` when the state is gone.
pub(super) fn restore(known: &RegisteredMarketplace, world: &World<'_>) -> Result<FetchedMarketplace> {
    match place_of(known)? {
        Place::Tree { request, .. } => {
            let request = at_pin(&request, &known.pin)?;
            let place = place_of(known)?;
            let (integrity, named) = (archive_pin(known), known.manifest.as_deref().filter(|_| known.named));
            // The commit says what it is, wherever its repository is now.
            let follow_moves = known.pin.commit.is_some();
            let options =
                OpenOptions { integrity: integrity.as_ref(), follow_moves, ..OpenOptions::default() };
            of_source(&place, fetch::open_source(&request, options, world)?, &request, named, world)
        }
        place => {
            let fetched = fetch(&place, world)?;
            if fetched.marketplace.pin == known.pin {
                return Ok(fetched);
            }
            Err(error!(Integrity, "the catalogue at `{}` is no longer the recorded one", known.source)
                .hint("to use the current one: `ba-agent marketplace update`"))
        }
    }
}

/// Everything that is wrong with the catalogue of a marketplace, by its text; nothing for one
/// that has no catalogue of its own.
pub(crate) fn check(known: &RegisteredMarketplace, text: &str) -> Vec<Finding> {
    match (place_of(known), known.manifest.as_deref()) {
        (Ok(Place::File(url)), _) => {
            catalogue::check_catalog(text, url.as_str(), CatalogFormat::of(url.path(), true), None)
        }
        (Ok(Place::Tree { request, .. }), Some(file)) => {
            let official = catalogue::is_official(&request.source);
            catalogue::check_catalog(
                text,
                file,
                CatalogFormat { official, ..CatalogFormat::of(file, known.named) },
                None,
            )
        }
        _ => Vec::new(),
    }
}

/// Reads the marketplace at a place whose source is open. Of a repository that costs the
/// catalogue, the plugin manifests and those of the skills that the catalogue names.
///
/// # Errors
/// As [`fetch`].
pub(super) fn of_source(
    place: &Place,
    mut source: PackageSource<'_>,
    request: &Request,
    named: Option<&str>,
    world: &World<'_>,
) -> Result<FetchedMarketplace> {
    let base = source.resolved.subdirectory.clone().unwrap_or(RelPath::ROOT);
    let chosen = source
        .resolved
        .chosen
        .as_deref()
        .or_else(|| settled_reference_name(&request.reference, &source.resolved));
    let pin = RevisionRecord::of(&source.resolved.pin, chosen, None);
    // In one request, though which of them count is known only when the catalogue is read.
    let is_manifest = |entry: &FileEntry| matches!(entry.path.name(), "marketplace.json" | "plugin.json");
    source.ensure_files(is_manifest)?;
    let (manifest, text) = match marketplace::find(&mut source, &base, named)? {
        Some((path, text)) => (Some(path), text),
        None => (None, catalogue_of_plain_skills(&mut source, &base, request, world)?),
    };
    let file = manifest.as_deref().unwrap_or("marketplace.json");
    let mut text = text;
    let mut read = Catalog::parse(&text, file, CatalogFormat::of(file, named.is_some()))?;
    let mut warnings = doubts_about_catalogue(&read, Some(&request.source));
    if manifest.is_none() {
        // Its name is our own making.
        warnings.clear();
    }
    let root = manifest.as_deref().map_or_else(|| Ok(base.clone()), root_of_catalogue)?;
    let mut left_out = LeftOut::default();
    let mut folders = folders(&read, &mut source, &root)?;
    // Who names one catalogue of several means that and no more.
    if manifest.is_some() && named.is_none() {
        let loose = documents_of_loose_skills(&read, &folders, &mut source, &root, world, &mut left_out)?;
        if let Some(longer) = with_entries(&text, loose) {
            read = Catalog::parse(&longer, file, CatalogFormat::of(file, false))?;
            text = longer;
            folders = self::folders(&read, &mut source, &root)?;
        }
    }
    let documents = documents_of_entries(&read, folders, &mut source, world, &mut warnings, &mut left_out)?;
    left_out.rest(source.listing(), &base, &documents);
    if let Some(cache) = &world.cache {
        source.remember(cache);
    }
    let marketplace = RegisteredMarketplace {
        named: named.is_some(),
        committed_at: source.committed_at(),
        ..record(place, manifest, pin, world.env.now)
    };
    Ok(FetchedMarketplace { left_out, ..fetched(marketplace, read, text, &documents, warnings) })
}

fn without_tree(
    place: &Place,
    manifest: Option<String>,
    read: Catalog,
    text: String,
    mut warnings: Vec<String>,
    world: &World<'_>,
) -> FetchedMarketplace {
    let pin =
        RevisionRecord::of(&Revision::Archive(Digest::of(text.as_bytes()).as_hex().to_owned()), None, None);
    warnings.extend(doubts_about_catalogue(&read, None));
    let documents: Vec<SearchDocument<'_>> =
        read.plugins.iter().filter(|plugin| plugin.usable_source().is_ok()).map(of_entry).collect();
    fetched(record(place, manifest, pin, world.env.now), read, text, &documents, warnings)
}

fn record(
    place: &Place,
    manifest: Option<String>,
    pin: RevisionRecord,
    now: Timestamp,
) -> RegisteredMarketplace {
    RegisteredMarketplace {
        source: place.text(),
        manifest,
        named: false,
        enabled: true,
        pin,
        fetched_at: now,
        committed_at: None,
        entries: None,
        extra: BTreeMap::new(),
    }
}

fn fetched(
    marketplace: RegisteredMarketplace,
    catalogue: Catalog,
    text: String,
    documents: &[SearchDocument<'_>],
    warnings: Vec<String>,
) -> FetchedMarketplace {
    let skills = documents.iter().filter(|document| !document.plugin.is_empty()).count();
    let elsewhere = catalogue.plugins.iter().filter(|plugin| is_elsewhere(plugin)).count();
    let marketplace = RegisteredMarketplace { entries: Some(catalogue.plugins.len()), ..marketplace };
    let documents = serde_json::to_string(documents).unwrap_or_default();
    let copy = CachedCatalog { text, documents };
    let left_out = LeftOut::default();
    FetchedMarketplace { marketplace, catalogue, copy, skills, elsewhere, warnings, left_out }
}

/// True for an entry whose files are not in the marketplace's own tree.
fn is_elsewhere(plugin: &CatalogEntry) -> bool {
    let source = plugin.usable_source().and_then(|source| source.to_requirement(true));
    matches!(source, Ok(wanted) if !matches!(wanted, EntryRequirement::Inside(_)))
}

/// Entries that cannot be used, and a name that belongs to somebody else.
fn doubts_about_catalogue(catalogue: &Catalog, source: Option<&Source>) -> Vec<String> {
    let fault = |plugin: &CatalogEntry| {
        plugin.unusable_because().map(|fault| format!("the entry `{}` cannot be used: {fault}", plugin.name))
    };
    let foreign = catalogue.reserved_name().filter(|_| !source.is_some_and(catalogue::is_official));
    let foreign = foreign.map(|name| {
        format!("it calls itself `{name}`, a name that is reserved for marketplaces of Anthropic, and does not come from there")
    });
    foreign.into_iter().chain(catalogue.plugins.iter().filter_map(fault)).collect()
}

/// A catalogue for a repository that has none: each skill that it offers is an entry.
fn catalogue_of_plain_skills(
    opened: &mut PackageSource<'_>,
    base: &RelPath,
    request: &Request,
    world: &World<'_>,
) -> Result<String> {
    let source = request.source.display_name();
    let found = discover::find_skills(opened.listing(), base);
    let any_offered = found.iter().any(|found| found.offered);
    let found: Vec<_> = found.into_iter().filter(|found| found.offered || !any_offered).collect();
    if found.is_empty() {
        return Err(error!(NotFound, "{source} has no catalogue and no skill")
            .hint("catalogues are searched in .claude-plugin/, .github/plugin/, .agents/plugins/ and at the top")
            .hint("to use another one, name it: `SOURCE/.cursor-plugin/marketplace.json`"));
    }
    let entries = entries_of(opened, base, &found, request.default_skill_name().unwrap_or("skill"), world)?;
    let name = request.default_skill_name().unwrap_or("skills");
    let document = json!({ "name": name, "owner": { "name": source }, "plugins": entries });
    Ok(serde_json::to_string_pretty(&document).unwrap_or_default())
}

/// An entry for each of these skills; `base` is the folder that their sources are seen from.
fn entries_of(
    opened: &mut PackageSource<'_>,
    base: &RelPath,
    found: &[discover::FoundSkill],
    default: &str,
    world: &World<'_>,
) -> Result<Vec<Value>> {
    let folders = found.iter().map(|found| found.folder.as_str()).collect();
    let tree = ensure_manifests(opened, &folders)?;
    let fronts: Vec<Frontmatter> =
        found.iter().map(|found| frontmatter(tree, &found.folder, world).unwrap_or_default()).collect();
    let unnamed: Vec<discover::UnnamedSkill<'_>> = found
        .iter()
        .zip(&fronts)
        .map(|(found, front)| discover::UnnamedSkill {
            folder: &found.folder,
            written: front.name.as_deref(),
        })
        .collect();
    let names = discover::name_all(&unnamed, default);
    let entry = |((found, front), (name, _)): ((&discover::FoundSkill, &Frontmatter), &(SkillName, _))| {
        // Its own folder is the only one that is not below it.
        let below = found.folder.strip(base).unwrap_or(RelPath::ROOT);
        json!({
            "name": name.as_str(), "source": format!("./{below}"), "skills": ["."],
            "description": front.description, "version": front.version, "category": front.category, "tags": front.tags,
        })
    };
    Ok(found.iter().zip(&fronts).zip(&names).map(entry).collect())
}

/// Entries for the skills in `skills/` beside the catalogue that no entry of it has.
fn documents_of_loose_skills(
    catalogue: &Catalog,
    folders: &[Option<Result<Vec<RelPath>>>],
    source: &mut PackageSource<'_>,
    root: &RelPath,
    world: &World<'_>,
    left_out: &mut LeftOut,
) -> Result<Vec<Value>> {
    let had: BTreeSet<&RelPath> = folders.iter().flatten().flatten().flatten().collect();
    let mut found = discover::find_skills(source.listing(), &root.child("skills"));
    found.retain(|found| found.offered && !had.contains(&found.folder));
    if found.is_empty() {
        return Ok(Vec::new());
    }
    // Both in one request.
    let wanted =
        had.iter().copied().chain(found.iter().map(|found| &found.folder)).map(RelPath::as_str).collect();
    ensure_manifests(source, &wanted)?;
    let names: BTreeSet<&str> = catalogue.plugins.iter().map(|plugin| plugin.name.as_str()).collect();
    let mut entries = entries_of(source, root, &found, "skill", world)?;
    let mut found = found.iter();
    entries.retain(|entry| {
        let folder = found.next().map_or("", |found| found.folder.as_str());
        let free = !names.contains(entry.get("name").and_then(Value::as_str).unwrap_or_default());
        if !free {
            left_out.note(Why::NameTaken, folder);
        }
        free
    });
    Ok(entries)
}

/// The text of a catalogue with more entries; `None` where there are none to be had.
fn with_entries(text: &str, more: Vec<Value>) -> Option<String> {
    if more.is_empty() {
        return None;
    }
    let mut document: Value = serde_json::from_str(text).ok()?;
    document.get_mut("plugins")?.as_array_mut()?.extend(more);
    serde_json::to_string_pretty(&document).ok()
}

/// For each entry the folders of its skills, where its files are in the source.
fn folders(
    catalogue: &Catalog,
    source: &mut PackageSource<'_>,
    root: &RelPath,
) -> Result<Vec<Option<Result<Vec<RelPath>>>>> {
    let inside = |plugin: &CatalogEntry| match plugin.usable_source().ok()?.to_requirement(true) {
        Ok(EntryRequirement::Inside(path)) => Some((path.is_root(), root.join(&path))),
        _ => None,
    };
    let roots: Vec<Option<(bool, RelPath)>> = catalogue.plugins.iter().map(inside).collect();
    let manifests: BTreeSet<String> =
        roots.iter().flatten().flat_map(|(_, root)| plugin_manifests(root)).collect();
    let tree = source.ensure_files(|entry| manifests.contains(entry.path.as_str()))?;
    let folders = catalogue.plugins.iter().zip(&roots).map(|(plugin, own)| {
        let (is_marketplace, own) = own.as_ref()?;
        Some(folders_of(plugin, tree, own, root, *is_marketplace))
    });
    Ok(folders.collect())
}

/// What the search reads: each entry, and each skill of an entry whose files are in the source.
/// Entries that are known to hold no skill are left out; an entry that is its one skill is one
/// document.
fn documents_of_entries(
    catalogue: &Catalog,
    folders: Vec<Option<Result<Vec<RelPath>>>>,
    source: &mut PackageSource<'_>,
    world: &World<'_>,
    warnings: &mut Vec<String>,
    left_out: &mut LeftOut,
) -> Result<Vec<SearchDocument<'static>>> {
    let wanted = folders.iter().flatten().flatten().flatten().map(RelPath::as_str).collect();
    let tree = ensure_manifests(source, &wanted)?;
    let mut documents = Vec::new();
    for (plugin, folders) in catalogue.plugins.iter().zip(folders) {
        let folders = match folders {
            Some(Ok(folders)) => folders,
            Some(Err(error)) => {
                warnings.push(error.message);
                continue;
            }
            None => {
                documents.extend(plugin.usable_source().is_ok().then(|| of_entry(plugin)));
                continue;
            }
        };
        let mut skills = Vec::new();
        for folder in &folders {
            match of_skill(plugin, tree, folder, world) {
                Some(skill) => skills.push(skill),
                None => left_out.note(Why::Unreadable, folder.as_str()),
            }
        }
        match skills.as_mut_slice() {
            [] if folders.is_empty() => left_out.note(Why::NoSkill, &plugin.name),
            [] => {}
            [skill] if is_its_skill(plugin, skill) => {
                skill.tags.extend(texts(&plugin.tags));
                skill.keywords.extend(texts(&plugin.keywords));
            }
            _ => documents.push(of_entry(plugin)),
        }
        documents.extend(skills);
    }
    Ok(documents)
}

/// True where nothing tells an entry from its one skill: the name, or the description.
fn is_its_skill(plugin: &CatalogEntry, skill: &SearchDocument<'_>) -> bool {
    let description = plugin.description.as_deref().unwrap_or_default().trim();
    skill.name == plugin.name.as_str() || description.is_empty() || description == skill.description.trim()
}

/// The tree, with the manifests of the skills in these folders at hand.
fn ensure_manifests<'s>(source: &'s mut PackageSource<'_>, folders: &BTreeSet<&str>) -> Result<&'s Package> {
    source.ensure_files(|entry| {
        matches!(entry.path.name(), MANIFEST | LOWER_MANIFEST) && folders.contains(entry.path.folder())
    })
}

fn texts(words: &[String]) -> Vec<BorrowedText<'static>> {
    words.iter().map(|word| BorrowedText::from(word.as_str())).collect()
}

fn owned_or_empty_text(text: Option<&String>) -> Cow<'static, str> {
    Cow::Owned(text.cloned().unwrap_or_default())
}

fn of_entry(plugin: &CatalogEntry) -> SearchDocument<'static> {
    let repository = match plugin.usable_source().ok().and_then(|source| source.to_requirement(true).ok()) {
        Some(EntryRequirement::Elsewhere { request, .. }) => request.source.to_string(),
        Some(EntryRequirement::Npm(package)) => format!("npm:{}", package.name),
        _ => String::new(),
    };
    SearchDocument {
        repository: Cow::Owned(repository),
        name: Cow::Owned(plugin.name.clone()),
        description: owned_or_empty_text(plugin.description.as_ref()),
        tags: texts(&plugin.tags),
        keywords: texts(&plugin.keywords),
        category: owned_or_empty_text(plugin.category.as_ref()),
        version: owned_or_empty_text(plugin.version.as_ref()),
        ..SearchDocument::default()
    }
}

/// The folders of an entry's skills.
fn folders_of(
    plugin: &CatalogEntry,
    tree: &Package,
    root: &RelPath,
    top: &RelPath,
    is_marketplace: bool,
) -> Result<Vec<RelPath>> {
    let manifest = plugin_manifest(tree, root)?;
    let scan = EntryScan { listing: &tree.listing, root, top, is_marketplace };
    Ok(catalogue::resolve_skills(plugin, manifest.as_ref(), scan)?.folders)
}

fn of_skill(
    plugin: &CatalogEntry,
    tree: &Package,
    folder: &RelPath,
    world: &World<'_>,
) -> Option<SearchDocument<'static>> {
    let (front, body) = manifest(tree, folder, world)?;
    let last = folder.last_name().unwrap_or(&plugin.name);
    Some(SearchDocument {
        name: Cow::Owned(front.name.clone().unwrap_or_else(|| last.to_owned())),
        description: Cow::Owned(front.description.clone()),
        tags: texts(&front.tags),
        triggers: texts(&front.triggers),
        category: owned_or_empty_text(front.category.as_ref().or(plugin.category.as_ref())),
        version: owned_or_empty_text(front.version.as_ref()),
        plugin: Cow::Owned(plugin.name.clone()),
        body: Cow::Owned(body),
        folder: Cow::Owned(folder.to_string()),
        grants: texts(&front.allowed_tools),
        scripts: has_scripts(&tree.listing, folder),
        ..SearchDocument::default()
    })
}

/// Whether a folder holds what can be run.
fn has_scripts(listing: &Listing, folder: &RelPath) -> bool {
    listing.entries_below(folder).iter().any(skill::is_program)
}

/// The frontmatter of the skill in a folder, if it can be read.
fn frontmatter(tree: &Package, folder: &RelPath, world: &World<'_>) -> Option<Frontmatter> {
    manifest(tree, folder, world).map(|(front, _)| front)
}

/// The frontmatter of the skill in a folder, if it can be read, and what the search takes of
/// the text below it.
fn manifest(tree: &Package, folder: &RelPath, world: &World<'_>) -> Option<(Frontmatter, String)> {
    let limits = &world.settings.limits;
    let entry =
        [MANIFEST, LOWER_MANIFEST].iter().find_map(|name| tree.listing.entry_at(&folder.file(name)))?;
    if entry.size > limits.manifest {
        return None;
    }
    let bytes = tree.read(entry).ok()?;
    let document =
        skill::read_manifest(entry.path.name(), folder.last_name(), &bytes, Profile::Install, limits);
    let text = String::from_utf8_lossy(&bytes);
    let body =
        text.split_inclusive('\n').skip(document.body_starts_line.saturating_sub(1)).flat_map(str::chars);
    Some((document.frontmatter?, body.take(BODY).collect()))
}
