//! The skills of a source that chosen ones of the same source need: they are fetched with them, at
//! the same commit, so that one request after the other is not made for each.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use semver::VersionReq;

use super::{Candidate, SourceSkill, read_manifest};
use crate::fetch::PackageSource;
use ba_agent_core::dependency::{DependencyFiles, SkillNeed, SkillNeeds, read_needs};
use ba_agent_core::discover::{self, FoundSkill, UnnamedSkill};
use ba_agent_core::error::{Result, fail};
use ba_agent_core::listing::Limits;
use ba_agent_core::package::Package;
use ba_agent_core::path::RelPath;
use ba_agent_core::registry::{DependencyKind, DependencyRecord};
use ba_agent_core::remote_registry::PublishedVersion;
use ba_agent_core::skill::SkillName;
use ba_agent_core::source::Source;

/// Names that a search for needed skills may leave out.
pub type KnownNames = Arc<BTreeSet<String>>;

/// More than this many skills never come along with one that was asked for.
const MAX_NEEDED: usize = 1_000;

/// Manifests of packages that may lie beside a skill's own.
const PLUGIN_FILES: [&str; 2] = [".claude-plugin/plugin.json", "plugin.json"];

/// What the skill in `folder` says it needs. Files that cannot be read say nothing: what is wrong
/// with them is found by the rules.
pub(super) fn needs_in(package: &Package, folder: &RelPath, manifest: &str, name: &str) -> SkillNeeds {
    let read = |path: &str| {
        let entry = package.listing.entry_at(&folder.file(path))?;
        package.read(entry).ok()
    };
    let path_of = |name: &str| RelPath::parse(folder.file(name).as_bytes()).ok();
    let text = read(manifest).unwrap_or_default();
    let skill_yaml = read("skill.yaml");
    let apm = path_of("apm.yml").zip(read("apm.yml"));
    let plugin = PLUGIN_FILES.into_iter().find_map(|name| path_of(name).zip(read(name)));
    let files = DependencyFiles {
        manifest_name: manifest,
        manifest: &text,
        skill_yaml: skill_yaml.as_deref(),
        apm: apm.as_ref().map(|(path, bytes)| (path, &**bytes)),
        plugin: plugin.as_ref().map(|(path, bytes)| (path, &**bytes)),
    };
    read_needs(&files, name, folder, package.skill_folders())
}

/// The skills of an opened source that those in `chosen` need, and what those need in turn,
/// without those of a name in `known`. Their files are fetched, those of one depth at once.
///
/// # Errors
/// Those of fetching; `Conflict` where there are too many.
pub(super) fn find_needed(
    opened: &mut PackageSource<'_>,
    chosen: &[&SourceSkill],
    known: &BTreeSet<String>,
    limits: &Limits,
) -> Result<Vec<SourceSkill>> {
    let all = discover::find_skills(opened.listing(), &RelPath::ROOT);
    let all: BTreeMap<RelPath, FoundSkill> = all.into_iter().map(|one| (one.folder.clone(), one)).collect();
    let mut seen: BTreeSet<RelPath> = chosen.iter().map(|one| one.found.folder.clone()).collect();
    let mut queue: Vec<FoundSkill> = chosen.iter().map(|one| one.found.clone()).collect();
    let mut needed: Vec<FoundSkill> = Vec::new();
    while !queue.is_empty() {
        let folders: Vec<&RelPath> = queue.iter().map(|found| &found.folder).collect();
        let package = opened.ensure_folders(&folders)?;
        let mut next = Vec::new();
        for found in &queue {
            let name = found.folder.last_name().unwrap_or_default();
            for need in needs_in(package, &found.folder, &found.manifest, name).skills {
                let Some(folder) = need.folder.filter(|_| !need.record.optional) else { continue };
                if known.contains(&need.record.name) || !seen.insert(folder.clone()) {
                    continue;
                }
                next.extend(all.get(&folder).cloned());
            }
        }
        if needed.len() + next.len() > MAX_NEEDED {
            fail!(Conflict, "more than {MAX_NEEDED} other skills of the same source would be needed");
        }
        needed.extend(next.iter().cloned());
        queue = next;
    }
    name_needed(opened, needed, limits)
}

/// Gives each its name, as the source gives it.
fn name_needed(
    opened: &mut PackageSource<'_>,
    needed: Vec<FoundSkill>,
    limits: &Limits,
) -> Result<Vec<SourceSkill>> {
    let source_name = opened.resolved.source.default_skill_name().unwrap_or("skill").to_owned();
    let package = opened.ensure_files(|_| false)?;
    let read = |found: &FoundSkill| read_manifest(package, found, limits);
    let documents = needed.iter().map(read).collect::<Result<Vec<_>>>()?;
    let unnamed: Vec<UnnamedSkill<'_>> = needed
        .iter()
        .zip(&documents)
        .map(|(found, document)| UnnamedSkill {
            folder: &found.folder,
            written: document.frontmatter.as_ref().and_then(|front| front.name.as_deref()),
        })
        .collect();
    let names = discover::name_all(&unnamed, &source_name);
    let skills = needed.iter().zip(documents).zip(names).map(|((found, document), (name, _))| SourceSkill {
        found: found.clone(),
        name,
        document,
    });
    Ok(skills.collect())
}

/// Adds the published skills that a published one needs, as its registry says. What its own files
/// say of one of them without a place gets its place from there.
pub(super) fn add_published_needs(needs: &mut SkillNeeds, line: &PublishedVersion, source: &Source) {
    let Some((registry, _)) = source.as_registry_skill() else { return };
    for dependency in &line.deps {
        let name = dependency.name.name().to_string();
        let skill = dependency.name.clone();
        let place = Source::RemoteRegistry { registry: registry.clone(), skill }.to_string();
        let range = (dependency.req != VersionReq::STAR).then(|| dependency.req.to_string());
        match needs.skills.iter_mut().find(|known| known.record.name == name) {
            Some(known) => {
                let record = &mut known.record;
                if record.source.is_none() && record.marketplace.is_none() && known.folder.is_none() {
                    record.source = Some(place);
                    record.range = range.or(record.range.take());
                }
            }
            None => needs.skills.push(SkillNeed {
                record: DependencyRecord {
                    at: "index.jsonl".to_owned(),
                    key: Some("deps".to_owned()),
                    kind: DependencyKind::Declared,
                    marketplace: None,
                    name,
                    optional: false,
                    plugin: None,
                    range,
                    source: Some(place),
                },
                folder: None,
            }),
        }
    }
}

/// Writes into each what the others of its source are called: the folder that is needed may hold
/// a skill of another name.
pub(super) fn name_needs(candidates: &mut [&mut Candidate]) {
    let names: BTreeMap<RelPath, SkillName> =
        candidates.iter().map(|one| (one.folder.clone(), one.name.clone())).collect();
    for candidate in candidates {
        let mut needs = candidate.needs().clone();
        for need in &mut needs.skills {
            if let Some(name) = need.folder.as_ref().and_then(|folder| names.get(folder)) {
                need.record.name = name.to_string();
            }
        }
        candidate.needs = std::sync::OnceLock::from(Arc::new(needs));
    }
}
