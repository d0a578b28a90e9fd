//! From plugins of a marketplace to those that they need: all skills of each. Ranges of a plugin
//! are intersected; its versions are the tags `NAME--v1.2.3` of the marketplace. Another
//! marketplace is asked where the one of the plugin that was asked for allows it.

use std::collections::{BTreeMap, BTreeSet};

use semver::{Version, VersionReq};

use super::follow::{NO_DEPS, Surroundings, error_of_conflict, installed_names, range_of, request_of_entry};
use super::gather::{Candidate, Choice, Gathered, GatheredPlugin, SkillRequest};
use super::marketplace;
use crate::skill_graph::recorded_plugin_version;
use ba_agent_core::dependency::SkillNeed;
use ba_agent_core::error::{Kind, Result, error, printable};
use ba_agent_core::registry::{DependencyKind, DependencyRecord, LockEntry, MarketplaceOrigin, Registry};
use ba_agent_core::resolver::{Answer, ChosenVersion, Requirement, is_in_all_ranges, resolve_skills};
use ba_agent_core::source::Request;

/// Gathers the plugins that those of `gathered` need, and notes in the skills of each the skills
/// of the others.
///
/// # Errors
/// `Conflict` for a plugin that is nowhere, for ranges that exclude each other and for a marketplace
/// that is not allowed; those of fetching.
pub(crate) fn follow_plugins(gathered: &mut [Gathered], around: &Surroundings<'_>) -> Result<Vec<Gathered>> {
    let plugins = gathered.iter().filter_map(|one| one.plugin.as_ref());
    if plugins.clone().all(|plugin| plugin.needs.is_empty()) {
        return Ok(Vec::new());
    }
    let mut allowed: BTreeSet<String> = BTreeSet::new();
    for plugin in plugins.clone() {
        allowed.insert(plugin.origin.name.clone());
        allowed.extend(marketplace::allowed_by(&plugin.origin.name, around.marketplaces, around.world)?);
    }
    let roots = plugins.map(|plugin| (key_of(&plugin.origin), choice_of(plugin))).collect();
    let mut fetched: BTreeMap<String, Gathered> = BTreeMap::new();
    let resolution = resolve_skills(roots, &mut |due| {
        due.iter().map(|(key, wanted)| answer(key, wanted, &allowed, around, &mut fetched)).collect()
    })?;
    if let Some(conflict) = resolution.conflicts.first() {
        return Err(error_of_conflict(conflict));
    }
    if let Some((key, by)) = resolution.missing.first_key_value() {
        let by = by.first().map_or("", |one| one.by.as_str());
        return Err(error!(
            Conflict,
            "the plugin `{by}` needs `{}`, which is nowhere to be found",
            printable(key, false)
        )
        .hint("`ba-agent marketplace add` registers the marketplace that has it")
        .hint(NO_DEPS));
    }
    fetched.retain(|key, _| resolution.chosen.contains_key(key));
    let mut extra: Vec<Gathered> = fetched.into_values().collect();
    note_skills(gathered, &mut extra, around);
    Ok(extra)
}

/// What a plugin is called among those of all marketplaces.
pub(crate) fn key_of(origin: &MarketplaceOrigin) -> String {
    format!("{}@{}", origin.entry, origin.name)
}

fn choice_of(plugin: &GatheredPlugin) -> ChosenVersion {
    let by = key_of(&plugin.origin);
    let needs = plugin.needs.iter().map(|need| {
        let marketplace = need.marketplace.as_deref().unwrap_or(&plugin.origin.name);
        let requirement = Requirement {
            by: by.clone(),
            by_version: plugin.version.as_ref().map(Version::to_string),
            range: need.range.as_ref().and_then(|range| VersionReq::parse(range).ok()),
            place: "its `dependencies`".to_owned(),
        };
        (format!("{}@{marketplace}", need.name), requirement)
    });
    ChosenVersion { version: plugin.version.clone(), needs: needs.collect() }
}

fn answer(
    key: &str,
    wanted: &[Requirement],
    allowed: &BTreeSet<String>,
    around: &Surroundings<'_>,
    fetched: &mut BTreeMap<String, Gathered>,
) -> Result<Answer> {
    let Some((entry, marketplace)) = key.rsplit_once('@') else { return Ok(Answer::Missing) };
    if let Some((_, installed)) = skills_of_plugin(entry, marketplace, around.registry).next() {
        let version = recorded_plugin_version(installed);
        return Ok(match is_in_all_ranges(version.as_ref(), wanted) {
            true => Answer::Chosen(ChosenVersion { version, needs: Vec::new() }),
            false => Answer::Excluded(version.into_iter().collect()),
        });
    }
    if !allowed.contains(marketplace) {
        let by = wanted.first().map_or("", |one| one.by.as_str());
        let (entry, marketplace) = (printable(entry, false), printable(marketplace, false));
        return Err(error!(Conflict, "the plugin `{by}` needs `{entry}` of the marketplace `{marketplace}`, which its own does not allow")
            .hint(format!("install it yourself first: `ba-agent skill install {entry}@{marketplace} --all`"))
            .hint(NO_DEPS));
    }
    let request = Request { reference: range_of(wanted), ..request_of_entry(entry, marketplace) };
    let request = SkillRequest {
        choice: Choice::All,
        follow: Some(installed_names(around.registry)),
        ..SkillRequest::of(request)
    };
    let gathered =
        match marketplace::gather(&request, around.marketplaces, around.world, &mut |_| Ok(Vec::new())) {
            Ok(gathered) => gathered,
            Err(error) if error.kind == Kind::NotFound => return Ok(Answer::Missing),
            Err(error) => return Err(error),
        };
    let Some(plugin) = &gathered.plugin else { return Ok(Answer::Missing) };
    let choice = choice_of(plugin);
    let fits = is_in_all_ranges(choice.version.as_ref(), wanted);
    let origin = plugin.origin.clone();
    fetched.insert(key.to_owned(), gathered);
    if fits {
        return Ok(Answer::Chosen(choice));
    }
    let mut published = marketplace::published_versions(&origin, around.marketplaces, around.world)?;
    if published.is_empty() {
        published.extend(choice.version);
    }
    Ok(Answer::Excluded(published))
}

/// The installed skills of a plugin.
fn skills_of_plugin<'r>(
    entry: &'r str,
    marketplace: &'r str,
    registry: &'r Registry,
) -> impl Iterator<Item = (String, &'r LockEntry)> {
    let is_of = move |record: &LockEntry| {
        record.marketplace.as_ref().is_some_and(|origin| origin.is_of_plugin(entry, marketplace))
    };
    let skills = registry.skills.iter().filter(move |(_, record)| is_of(record));
    skills.map(|(name, record)| (name.to_string(), record))
}

/// Each skill of a plugin needs each skill of those that the plugin needs.
fn note_skills(gathered: &mut [Gathered], extra: &mut [Gathered], around: &Surroundings<'_>) {
    let mut skills: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for one in gathered.iter().chain(extra.iter()) {
        let Some(plugin) = &one.plugin else { continue };
        let names = one.candidates.iter().map(|candidate| candidate.name.to_string());
        skills.entry(key_of(&plugin.origin)).or_default().extend(names);
    }
    for one in gathered.iter_mut().chain(extra.iter_mut()) {
        let Some(plugin) = one.plugin.clone() else { continue };
        for candidate in &mut one.candidates {
            add_plugin_needs(candidate, &plugin, &skills, around.registry);
        }
    }
}

/// Adds to what a skill needs the skills of the plugins that its own plugin needs: those in `coming`,
/// by the names of plugins, else those that are installed.
pub(crate) fn add_plugin_needs(
    candidate: &mut Candidate,
    plugin: &GatheredPlugin,
    coming: &BTreeMap<String, Vec<String>>,
    registry: &Registry,
) {
    let own = candidate.name.to_string();
    for need in &plugin.needs {
        let marketplace = need.marketplace.as_deref().unwrap_or(&plugin.origin.name);
        let installed = skills_of_plugin(&need.name, marketplace, registry).map(|(name, _)| name);
        let names = coming.get(&format!("{}@{marketplace}", need.name)).cloned();
        let names: Vec<String> = names.unwrap_or_else(|| installed.collect());
        candidate.add_needs(names.into_iter().filter(|name| *name != own).map(|name| SkillNeed {
            record: DependencyRecord {
                at: "plugin.json".to_owned(),
                key: Some("dependencies".to_owned()),
                kind: DependencyKind::Declared,
                marketplace: Some(marketplace.to_owned()),
                name,
                optional: false,
                plugin: Some(need.name.clone()),
                range: need.range.clone(),
                source: None,
            },
            folder: None,
        }));
    }
}

/// True where no skill of a plugin that this one needs is installed.
pub(crate) fn needs_other_plugins(plugin: &GatheredPlugin, registry: &Registry) -> bool {
    plugin.needs.iter().any(|need| {
        let marketplace = need.marketplace.as_deref().unwrap_or(&plugin.origin.name);
        skills_of_plugin(&need.name, marketplace, registry).next().is_none()
    })
}
