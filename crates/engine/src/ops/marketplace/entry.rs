//! From an entry of a marketplace to candidates, and to a view of it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use semver::Version;
use serde::Serialize;

use super::plugin_manifest::{plugin_manifest, plugin_manifests};
use super::recorded::{archive_pin, at_pin, place_of, root_of_catalogue};
use super::resolve::resolve_name;
use super::{load_catalog, parse_documents};
use crate::fetch::marketplace::Place;
use crate::fetch::{self, OpenOptions, PackageSource, World, npm};
use crate::ops::ask::Ask;
use crate::ops::gather::{self, Candidate, Choice, Gathered, GatheredPlugin, Offer, SkillRequest};
use crate::store::marketplaces::{Marketplaces, RegisteredMarketplace};
use ba_agent_core::catalog::{
    self, Catalog, CatalogEntry, EntryRequirement, EntryScan, EntrySkills, PluginManifest,
};
use ba_agent_core::dependency::PluginNeed;
use ba_agent_core::error::{Error, Kind, Result, error, fail, printable};
use ba_agent_core::listing::Listing;
use ba_agent_core::path::RelPath;
use ba_agent_core::registry::MarketplaceOrigin;
use ba_agent_core::source::{Reference, Request, Source};
use ba_agent_core::text::find_nearest;
use ba_agent_core::version::{parse_label, version_in_tag};
use ba_agent_system::parallel;

/// An entry whose source is open.
struct OpenedEntry<'w> {
    source: PackageSource<'w>,
    /// The plugin's root in the source.
    root: RelPath,
    /// The marketplace's root in it, or that of a source of its own.
    top: RelPath,
    is_marketplace: bool,
}

/// Like [`gather::gather`], for every source: an entry of a marketplace is resolved to where
/// its files are, and only the skills that are the entry's can be chosen. The candidates know
/// the marketplace; everything else that is recorded of them needs it no more.
///
/// # Errors
/// Those of [`gather::gather`]; `NotFound` for an unknown marketplace or entry and for an
/// entry without skills, saying what it has instead; `Invalid` for one that breaks the rules.
pub fn gather(
    ask: &SkillRequest,
    all: &Marketplaces,
    world: &World<'_>,
    choose: &mut dyn FnMut(&[Offer]) -> Result<Vec<usize>>,
) -> Result<Gathered> {
    let mut looked = look(ask, all, world)?;
    looked.source.choose(choose)?;
    looked.gather(world)
}

/// As [`gather`] for several sources: they are fetched several at a time, those of one
/// repository one after the other, and questions are asked in the order of `requests`.
///
/// # Errors
/// Those of [`gather`], of the first source that has one.
pub(crate) fn gather_all(
    requests: &[SkillRequest],
    all: &Marketplaces,
    world: &World<'_>,
    ask: &mut dyn Ask,
) -> Result<Vec<Gathered>> {
    let mut groups: BTreeMap<String, Vec<(usize, &SkillRequest)>> = BTreeMap::new();
    for (at, request) in requests.iter().enumerate() {
        groups.entry(request.request.source.to_string()).or_default().push((at, request));
    }
    let groups: Vec<_> = groups.into_values().collect();
    let looked = parallel::run_jobs(
        parallel::MAX_HOSTS,
        &groups,
        || world.check_cancelled(),
        |group| Ok(group.iter().map(|(at, ask)| (*at, look(ask, all, world))).collect::<Vec<_>>()),
    )?;
    let mut looked: Vec<_> = looked.into_iter().flatten().collect();
    looked.sort_by_key(|(at, _)| *at);
    let mut chosen = Vec::new();
    for ((_, looked), request) in looked.into_iter().zip(requests) {
        let mut looked =
            looked.map_err(|error| with_nearest_repository(error, &request.request.source, all))?;
        let source = request.request.source.display_name();
        looked.source.choose(&mut |offers| choose_skills(ask, &source, offers))?;
        chosen.push(Mutex::new(Some(looked)));
    }
    parallel::run_jobs(
        parallel::MAX_HOSTS,
        &chosen,
        || world.check_cancelled(),
        |looked| {
            let looked = looked.lock().unwrap_or_else(PoisonError::into_inner).take();
            looked.ok_or_else(|| error!(Failed, "a source was gathered twice"))?.gather(world)
        },
    )
}

fn choose_skills(ask: &mut dyn Ask, source: &str, offers: &[Offer]) -> Result<Vec<usize>> {
    let chosen = ask.choose_skills(source, offers)?;
    if chosen.is_empty() {
        fail!(Usage, "no skill was chosen; nothing was changed");
    }
    Ok(chosen)
}

/// A source whose skills are known and, if it is that of an entry, what the entry says of them.
struct LookedEntry<'w> {
    source: gather::SourceSkills<'w>,
    entry: Option<Lent>,
}

/// What the skills of an entry have from it.
struct Lent {
    notes: Vec<String>,
    version: Option<String>,
    category: Option<String>,
    plugin: GatheredPlugin,
}

fn look<'w>(ask: &SkillRequest, all: &Marketplaces, world: &'w World<'w>) -> Result<LookedEntry<'w>> {
    let Source::Marketplace { entry, marketplace: registered } = &ask.request.source else {
        return Ok(LookedEntry { source: gather::look(ask, world)?, entry: None });
    };
    if ask.integrity.is_some() {
        return Err(error!(
            Usage,
            "`--integrity` is for archives; `{}` is an entry of a marketplace", ask.request.source
        )
        .hint("the marketplace itself gives the hashes of its archives"));
    }
    let known = all.get(registered)?;
    let (catalogue, text) = load_catalog(known, world)?;
    let (name, skill) = resolve_name(entry, &catalogue, &parse_documents(&text)?)
        .map_err(|e| in_marketplace(e, registered))?;
    let plugin = catalogue.find_entry(&name)?;
    let mut opened = open_plugin(plugin, known, &ask.request.reference, world)?;
    let (resolution, manifest) = resolve(plugin, &mut opened)?;
    let chosen = opened.source.resolved.chosen.clone();
    let mut ask = ask.clone();
    ask.request.source = opened.source.resolved.source.clone();
    match (&mut ask.choice, skill) {
        // `entry:skill`, whatever the entry's folder is called.
        (Choice::Named(words), skill) => {
            // What stands before the `@` is wanted too.
            words.extend(skill.filter(|skill| !words.contains(skill)));
            for word in words {
                if let Some(skill) = word.strip_prefix(&plugin.name).and_then(|rest| rest.strip_prefix(':')) {
                    *word = skill.to_owned();
                }
            }
        }
        (choice, Some(skill)) => *choice = Choice::Named(vec![skill]),
        (Choice::Only | Choice::Sole | Choice::All, None) => {}
    }
    let version = Some(catalog::plugin_version(manifest.as_ref(), plugin, None)).filter(|v| *v != "unknown");
    let origin = MarketplaceOrigin { name: registered.clone(), entry: plugin.name.clone(), version: None };
    let entry = Lent {
        plugin: GatheredPlugin {
            version: number_of_plugin(version, &ask.request.reference, chosen.as_deref(), &plugin.name),
            needs: needs_of_plugin(manifest.as_ref(), &plugin.dependencies),
            origin,
        },
        notes: plugin.notes.iter().map(|note| format!("the entry `{}`: {note}", plugin.name)).collect(),
        version: version.map(str::to_owned),
        category: plugin.category.clone(),
    };
    let source = gather::look_in(&ask, opened.source, Some(&resolution.folders), world)?;
    Ok(LookedEntry { source, entry: Some(entry) })
}

/// The error about a repository that is not there, with the one of the marketplaces, registered or
/// known, that its name is nearest to.
fn with_nearest_repository(mut error: Error, source: &Source, all: &Marketplaces) -> Error {
    let is_missing = error.hints.iter().any(|hint| hint.starts_with("is the name right?"));
    let Source::Github { owner, repo } = source else { return error };
    if !is_missing {
        return error;
    }
    let registered = all.all().filter_map(|(_, known)| known.source.strip_prefix("github:"));
    let known = catalog::KNOWN_CATALOGS.iter().map(|known| known.source);
    let typed = format!("{owner}/{repo}");
    let near = find_nearest(&typed, registered.chain(known).filter(|name| *name != typed));
    if let Some(near) = near {
        error.hints.insert(0, format!("did you mean `{near}`?"));
    }
    error
}

impl LookedEntry<'_> {
    fn gather(self, world: &World<'_>) -> Result<Gathered> {
        let mut gathered = self.source.gather(&world.settings.limits)?;
        let Some(Lent { notes, version, category, plugin }) = self.entry else { return Ok(gathered) };
        gathered.notes = notes;
        for candidate in &mut gathered.candidates {
            // A skill that has no version or category of its own has its plugin's.
            if let Some(front) = &mut candidate.document.frontmatter {
                front.version = front.version.take().or_else(|| version.clone());
                front.category = front.category.take().or_else(|| category.clone());
            }
            note_origin(candidate, &plugin);
        }
        gathered.plugin = Some(plugin);
        Ok(gathered)
    }
}

/// What a plugin needs: what its `plugin.json` says, and of what that does not name its entry.
fn needs_of_plugin(manifest: Option<&PluginManifest>, of_entry: &[PluginNeed]) -> Vec<PluginNeed> {
    let mut needs = manifest.map(|manifest| manifest.dependencies.clone()).unwrap_or_default();
    let is_new = |one: &&PluginNeed| !needs.iter().any(|known| known.name == one.name);
    let more: Vec<PluginNeed> = of_entry.iter().filter(is_new).cloned().collect();
    needs.extend(more);
    needs
}

/// The version of a plugin that ranges are held against: of the tag that was chosen for a range,
/// else what it says of itself, else what its tag says.
fn number_of_plugin(
    own: Option<&str>,
    reference: &Reference,
    chosen: Option<&str>,
    name: &str,
) -> Option<Version> {
    let of_tag = chosen.and_then(|tag| version_in_tag(tag, name));
    let own = own.and_then(parse_label);
    if matches!(reference, Reference::Range(_)) { of_tag.or(own) } else { own.or(of_tag) }
}

/// Notes which plugin a skill is a part of, and its version where the skill has another.
fn note_origin(candidate: &mut Candidate, plugin: &GatheredPlugin) {
    let own = candidate.document.frontmatter.as_ref().and_then(|front| front.version.as_deref());
    let version =
        plugin.version.as_ref().filter(|version| own.and_then(parse_label).as_ref() != Some(*version));
    candidate.marketplace =
        Some(MarketplaceOrigin { version: version.map(Version::to_string), ..plugin.origin.clone() });
}

fn in_marketplace(error: Error, marketplace: &str) -> Error {
    error.hint(format!("`ba-agent marketplace show {marketplace}` lists its entries"))
}

/// What an entry says by the catalogue as it is recorded.
#[derive(Debug, Default)]
pub(crate) struct WantedEntry {
    /// Where its files are. A folder of the marketplace itself is the marketplace's own request, at
    /// its own reference; `None` where only the catalogue is registered, which has no folders.
    pub(crate) requirement: Option<EntryRequirement>,
    /// True for such a folder: then the tags of the marketplace have its versions.
    pub(crate) is_inside: bool,
    /// The version that the entry gives itself, and what it says the plugin needs.
    pub(crate) version: Option<String>,
    pub(crate) needs: Vec<PluginNeed>,
}

/// What an entry asks for, without fetching it: so that an update can see whether the entry moved.
///
/// # Errors
/// `NotFound` for an entry or marketplace that is no longer there, and those of reading the catalogue.
pub(crate) fn want_of(
    origin: &MarketplaceOrigin,
    all: &Marketplaces,
    world: &World<'_>,
) -> Result<WantedEntry> {
    let known = all.get(&origin.name)?;
    let (catalogue, _) = load_catalog(known, world)?;
    let place = place_of(known)?;
    let plugin = catalogue.find_entry(&origin.entry)?;
    let requirement = plugin.usable_source()?.to_requirement(place.is_local())?;
    let is_inside = matches!(requirement, EntryRequirement::Inside(_));
    let requirement = match (requirement, place) {
        (EntryRequirement::Inside(_), Place::Tree { request, .. }) => {
            Some(EntryRequirement::Elsewhere { request, integrity: archive_pin(known) })
        }
        (EntryRequirement::Inside(_), _) => None,
        (want, _) => Some(want),
    };
    let (version, needs) = (plugin.version.clone(), plugin.dependencies.clone());
    Ok(WantedEntry { requirement, is_inside, version, needs })
}

/// The other marketplaces whose plugins those of this one may need.
///
/// # Errors
/// Those of reading the catalogue.
pub(crate) fn allowed_by(name: &str, all: &Marketplaces, world: &World<'_>) -> Result<Vec<String>> {
    Ok(load_catalog(all.get(name)?, world)?.0.allowed_marketplaces)
}

/// The versions of a plugin that the tags of its marketplace have, lowest first; none where it is
/// no folder of a repository.
///
/// # Errors
/// Those of reading the catalogue, and of asking the repository.
pub(crate) fn published_versions(
    origin: &MarketplaceOrigin,
    all: &Marketplaces,
    world: &World<'_>,
) -> Result<Vec<Version>> {
    let wanted = want_of(origin, all, world)?;
    let (true, Some(EntryRequirement::Elsewhere { request, .. })) = (wanted.is_inside, wanted.requirement)
    else {
        return Ok(Vec::new());
    };
    let opened = fetch::open_source(&request, OpenOptions::default(), world)?;
    let mut versions: Vec<Version> =
        opened.tags().iter().filter_map(|tag| version_in_tag(tag, &origin.entry)).collect();
    versions.sort();
    versions.dedup();
    Ok(versions)
}

/// What [`lend_plugin`] may read for a skill in this folder.
pub(crate) fn manifests_above(folder: &RelPath) -> Vec<String> {
    folder.with_parents().flat_map(|root| plugin_manifests(&root).collect::<Vec<_>>()).collect()
}

/// Gives a skill what it has of its plugin: the version, where it has none of its own, of the nearest
/// `plugin.json` above it, else the one that the entry has. Says which plugin that is and what it
/// needs; `None` for a skill of no marketplace.
pub(crate) fn lend_plugin(
    candidate: &mut Candidate,
    of_entry: Option<&str>,
    needs: &[PluginNeed],
) -> Option<GatheredPlugin> {
    let origin = MarketplaceOrigin { version: None, ..candidate.marketplace.clone()? };
    let package = candidate.fetched.package();
    let manifest =
        candidate.folder.with_parents().find_map(|root| plugin_manifest(package, &root).ok().flatten());
    let version = manifest.as_ref().and_then(|manifest| manifest.version.as_deref()).or(of_entry);
    let resolved = &candidate.resolved;
    let plugin = GatheredPlugin {
        version: number_of_plugin(version, &resolved.reference, resolved.chosen.as_deref(), &origin.entry),
        needs: needs_of_plugin(manifest.as_ref(), needs),
        origin,
    };
    if let Some(front) = &mut candidate.document.frontmatter {
        front.version = front.version.take().or_else(|| version.map(str::to_owned));
    }
    note_origin(candidate, &plugin);
    Some(plugin)
}

fn open_plugin<'w>(
    plugin: &CatalogEntry,
    known: &RegisteredMarketplace,
    wanted: &Reference,
    world: &'w World<'w>,
) -> Result<OpenedEntry<'w>> {
    let place = place_of(known)?;
    let want = plugin.usable_source()?.to_requirement(place.is_local())?;
    match (want, &place) {
        (EntryRequirement::Inside(path), Place::Tree { request, .. }) => {
            let at_tag = match wanted {
                Reference::Range(_) if request.source.is_git() => {
                    open_at_version(&plugin.name, &path, request, known, (wanted, world))?
                }
                _ => None,
            };
            match at_tag {
                Some(opened) => Ok(opened),
                None => open_inside_marketplace(&path, request, known, world),
            }
        }
        (EntryRequirement::Inside(path), _) => Err(error!(
            Invalid,
            "the entry `{}` is the folder `{}` of its marketplace, but only the catalogue is registered",
            plugin.name,
            printable(path.as_str(), false)
        )
        .hint("add its repository as a marketplace, not the URL of the file")),
        (EntryRequirement::Elsewhere { request, integrity }, _) => {
            let options = OpenOptions { integrity: integrity.as_ref(), ..OpenOptions::default() };
            Ok(open_of_other_source(fetch::open_source(&request, options, world)?))
        }
        (EntryRequirement::Npm(package), _) => Ok(open_of_other_source(npm::open_npm(&package, world)?)),
    }
}

/// A plugin that is a folder of its marketplace, at the highest of its tags (`NAME--v1.2.3`) in a
/// range; `None` where there is none.
///
/// # Errors
/// Those of fetching.
fn open_at_version<'w>(
    name: &str,
    path: &RelPath,
    request: &Request,
    known: &RegisteredMarketplace,
    (range, world): (&Reference, &'w World<'w>),
) -> Result<Option<OpenedEntry<'w>>> {
    let request = Request { reference: range.clone(), ..request.clone() };
    let options = OpenOptions { skill: Some(name), ..OpenOptions::default() };
    let source = match fetch::open_source(&request, options, world) {
        Ok(source) => source,
        Err(error) if error.kind == Kind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let top = match &known.manifest {
        Some(manifest) => root_of_catalogue(manifest)?,
        None => source.resolved.subdirectory.clone().unwrap_or(RelPath::ROOT),
    };
    Ok(Some(OpenedEntry { source, root: top.join(path), top, is_marketplace: path.is_root() }))
}

/// A plugin that is a folder of its marketplace, in the state that is recorded.
fn open_inside_marketplace<'w>(
    path: &RelPath,
    request: &Request,
    known: &RegisteredMarketplace,
    world: &'w World<'w>,
) -> Result<OpenedEntry<'w>> {
    let archive = archive_pin(known);
    // The recorded commit says what it is, wherever its repository is now.
    let follow_moves = known.pin.commit.is_some();
    let options = OpenOptions { integrity: archive.as_ref(), follow_moves, ..OpenOptions::default() };
    let mut source = fetch::open_source(&at_pin(request, &known.pin)?, options, world)?;
    // What is followed is the marketplace's branch, not the commit it was at.
    source.resolved.reference = request.reference.clone();
    source.resolved.chosen.clone_from(&known.pin.chosen);
    // Of the address of a page only the opened source knows which part is the folder.
    let top = match &known.manifest {
        Some(manifest) => root_of_catalogue(manifest)?,
        None => source.resolved.subdirectory.clone().unwrap_or(RelPath::ROOT),
    };
    Ok(OpenedEntry { source, root: top.join(path), top, is_marketplace: path.is_root() })
}

/// A plugin that is a source of its own: at the folder that was named, or, in an archive, in
/// the one folder that everything is in.
fn open_of_other_source(source: PackageSource<'_>) -> OpenedEntry<'_> {
    let root = match (&source.resolved.subdirectory, &source.resolved.source) {
        (Some(folder), _) => folder.clone(),
        (None, Source::Archive { .. }) => only_folder(source.listing()),
        (None, _) => RelPath::ROOT,
    };
    OpenedEntry { source, top: root.clone(), root, is_marketplace: false }
}

fn only_folder(listing: &Listing) -> RelPath {
    let entries = listing.entries();
    let first = entries.first().and_then(|entry| RelPath::ROOT.child_towards(&entry.path));
    let has_all = |first: &RelPath| listing.entries_below(first).len() == entries.len();
    first.filter(has_all).unwrap_or(RelPath::ROOT)
}

fn resolve(
    plugin: &CatalogEntry,
    opened: &mut OpenedEntry<'_>,
) -> Result<(EntrySkills, Option<PluginManifest>)> {
    let OpenedEntry { source, root, top, is_marketplace } = opened;
    let manifests: BTreeSet<String> = plugin_manifests(root).collect();
    let tree = source.ensure_files(|entry| manifests.contains(entry.path.as_str()))?;
    let manifest = plugin_manifest(tree, root)?;
    let scan = EntryScan { listing: &tree.listing, root, top, is_marketplace: *is_marketplace };
    let resolution = catalog::resolve_skills(plugin, manifest.as_ref(), scan)?;
    if resolution.folders.is_empty() {
        return Err(resolution.error_of_no_skills(&plugin.name));
    }
    Ok((resolution, manifest))
}

/// An entry as `marketplace show` shows it.
#[derive(Debug, Serialize)]
pub struct EntryView {
    pub name: String,
    pub description: Option<String>,
    pub version: Option<String>,
    pub author: Option<String>,
    pub category: Option<String>,
    pub tags: Vec<String>,
    pub homepage: Option<String>,
    /// `relative`, `github`, `git`, `npm`, `archive` or `file`.
    pub kind: Option<&'static str>,
    /// Held to a commit or sha256.
    pub pinned: bool,
    /// Skills that the copy knows of.
    pub skills: Vec<String>,
    /// Why it cannot be used.
    pub fault: Option<String>,
}

/// The entries of a marketplace out of its copy; with `name` that one alone.
///
/// # Errors
/// `NotFound` for an unknown marketplace or entry, and those of reading the copy.
pub(crate) fn describe(
    marketplace: &str,
    name: Option<&str>,
    all: &Marketplaces,
    world: &World<'_>,
) -> Result<(Catalog, Vec<EntryView>)> {
    let (catalogue, text) = load_catalog(all.get(marketplace)?, world)?;
    let documents = parse_documents(&text)?;
    let mut skills: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for document in documents.iter().filter(|document| !document.plugin.is_empty()) {
        skills.entry(document.plugin.as_ref()).or_default().push(document.name.to_string());
    }
    let only = name.map(|name| resolve_name(name, &catalogue, &documents)).transpose()?;
    let plugins =
        catalogue.plugins.iter().filter(|plugin| only.as_ref().is_none_or(|(name, _)| plugin.name == *name));
    let views = plugins
        .map(|plugin| view_of_entry(plugin, skills.get(plugin.name.as_str()).cloned().unwrap_or_default()))
        .collect();
    Ok((catalogue, views))
}

fn view_of_entry(plugin: &CatalogEntry, skills: Vec<String>) -> EntryView {
    let source = plugin.usable_source().ok();
    EntryView {
        name: plugin.name.clone(),
        description: plugin.description.clone(),
        version: plugin.version.clone(),
        author: plugin.author.clone(),
        category: plugin.category.clone(),
        tags: plugin.tags.clone(),
        homepage: plugin.homepage.clone(),
        kind: source.map(catalog::EntrySource::kind),
        pinned: source.is_some_and(catalog::EntrySource::is_pinned),
        skills,
        fault: plugin.unusable_because().map(str::to_owned),
    }
}
