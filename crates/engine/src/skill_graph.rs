//! World: the skills of a scope with what each needs, by the registry; of a skill whose files may
//! have changed since, by its files.

use std::collections::BTreeMap;

use crate::workspace::Session;
use ba_agent_core::dependency::{DependencyFiles, SkillFolders, SkillNeeds, read_needs};
use ba_agent_core::dependency_graph::{DependencyGraph, GraphSkill};
use ba_agent_core::path::RelPath;
use ba_agent_core::registry::{InstallMode, LockEntry, ReferenceRecord, Registry};
use ba_agent_core::skill::{MANIFEST, SkillName};
use ba_agent_core::version::{parse_label, version_in_tag};
use semver::Version;

/// The version that ranges are held against: of the tag that was chosen for a range, else what
/// the skill says of itself, else what its tag says.
pub(crate) fn recorded_version(entry: &LockEntry) -> Option<Version> {
    let name = entry.path.as_deref().and_then(|path| path.rsplit('/').next()).unwrap_or_default();
    let of_tag = entry.pin.chosen.as_deref().and_then(|tag| version_in_tag(tag, name));
    let own = entry.version.as_deref().and_then(parse_label);
    match entry.reference {
        Some(ReferenceRecord::Range(_)) => of_tag.or(own),
        _ => own.or(of_tag),
    }
}

/// The version of the plugin of a marketplace that an installed skill is a part of.
pub(crate) fn recorded_plugin_version(entry: &LockEntry) -> Option<Version> {
    let origin = entry.marketplace.as_ref()?;
    origin.version.as_deref().or(entry.version.as_deref()).and_then(parse_label)
}

/// The graph of a registry, as it is recorded.
pub(crate) fn graph_of(registry: &Registry) -> DependencyGraph {
    let skill = |(name, entry): (&SkillName, &LockEntry)| (name.to_string(), graph_skill(entry));
    let mut graph = DependencyGraph { skills: registry.skills.iter().map(skill).collect() };
    name_by_alias(&mut graph, registry);
    graph
}

/// A need that no name here meets is met by the skill that calls itself so (`--as`).
fn name_by_alias(graph: &mut DependencyGraph, registry: &Registry) {
    let aliases = registry.skills.iter().filter_map(|(name, entry)| Some((entry.alias_of.as_deref()?, name)));
    let is_name = |own: &str| own.parse::<SkillName>().is_ok_and(|name| registry.skills.contains_key(&name));
    let aliases: BTreeMap<&str, &SkillName> = aliases.filter(|(own, _)| !is_name(own)).collect();
    if aliases.is_empty() {
        return;
    }
    for need in graph.skills.values_mut().flat_map(|skill| &mut skill.needs) {
        if let Some(name) = aliases.get(need.name.as_str()) {
            need.name = name.to_string();
        }
    }
}

/// The installed skill of a name, or the one that calls itself so.
pub(crate) fn find_by_own_name<'r>(
    name: &str,
    registry: &'r Registry,
) -> Option<(&'r SkillName, &'r LockEntry)> {
    let is_alias = |entry: &LockEntry| entry.alias_of.as_deref() == Some(name);
    let by_name = registry.skills.iter().find(|(known, _)| known.as_str() == name);
    by_name.or_else(|| registry.skills.iter().find(|(_, entry)| is_alias(entry)))
}

fn graph_skill(entry: &LockEntry) -> GraphSkill {
    let number = recorded_version(entry);
    GraphSkill {
        version: entry.version.clone().or_else(|| number.as_ref().map(Version::to_string)),
        number,
        plugin_number: recorded_plugin_version(entry),
        automatic: entry.automatic,
        enabled: entry.enabled,
        needs: entry.dependencies.clone(),
    }
}

/// True for a skill whose needs its files say, and not its record.
pub(crate) fn needs_files(entry: &LockEntry) -> bool {
    let is_own = entry.kind == "own" || entry.mode == InstallMode::Live;
    is_own || (entry.dependencies.is_empty() && !entry.files.has_sizes())
}

/// As [`graph_of`], with what the files say of skills that are their own source, and of those
/// that were recorded before anybody asked.
pub(crate) fn read_graph(registry: &Registry, session: &Session<'_>) -> DependencyGraph {
    let mut graph = graph_of(registry);
    let names: Vec<RelPath> =
        registry.skills.keys().filter_map(|name| RelPath::parse(name.as_str().as_bytes()).ok()).collect();
    let mut folders = None;
    for (name, entry) in &registry.skills {
        if !needs_files(entry) {
            continue;
        }
        let folders = folders.get_or_insert_with(|| names.iter().cloned().collect::<SkillFolders>());
        let needs = needs_on_disk(name, entry, folders, session);
        if let (Some(needs), Some(skill)) = (needs, graph.skills.get_mut(name.as_str())) {
            skill.needs = needs.skills.into_iter().map(|need| need.record).collect();
        }
    }
    name_by_alias(&mut graph, registry);
    graph
}

/// What an installed skill's files say; `None` where they are not there. A link to `../NAME` leads
/// to the skill that is installed beside it.
pub(crate) fn needs_on_disk(
    name: &SkillName,
    entry: &LockEntry,
    folders: &SkillFolders,
    session: &Session<'_>,
) -> Option<SkillNeeds> {
    let folder = session.places.roots_of(entry).ok()?.into_iter().next()?.join(name.as_str());
    let read = |file: &str| {
        let bytes =
            ba_agent_system::fsx::read_plain_file(&folder.join(file), session.settings.limits.manifest);
        bytes.ok().flatten()
    };
    let manifest = read(MANIFEST)?;
    let skill_yaml = read("skill.yaml");
    let files = DependencyFiles {
        manifest_name: MANIFEST,
        manifest: &manifest,
        skill_yaml: skill_yaml.as_deref(),
        ..DependencyFiles::default()
    };
    let own = RelPath::parse(name.as_str().as_bytes()).ok()?;
    Some(read_needs(&files, name.as_str(), &own, folders))
}

/// The folders of the installed skills, beside each other as agents see them.
pub(crate) fn folders_of(registry: &Registry) -> SkillFolders {
    registry.skills.keys().filter_map(|name| RelPath::parse(name.as_str().as_bytes()).ok()).collect()
}
