//! World: the graph of a registry's skills, with what their files ask for, kept in the cache: to
//! read the registry and thousands of manifests takes a tenth of a second. It holds while the
//! registry and each of these files are as they were; else all of it is read.

use std::path::{Path, PathBuf};

use semver::Version;
use serde::{Deserialize, Serialize};

use crate::fingerprint::Fingerprint;
use crate::sealed_cache::{SealedBytes, keep_sealed};
use crate::skill_graph::needs_files;
use crate::workspace::Session;
use ba_agent_core::agents::InstallTarget;
use ba_agent_core::dependency_graph::{DependencyGraph, GraphSkill};
use ba_agent_core::digest::sha256_hex;
use ba_agent_core::error::Result;
use ba_agent_core::loader::Readiness;
use ba_agent_core::registry::{DependencyKind, DependencyRecord, LockEntry, Registry};
use ba_agent_core::skill::MANIFEST;
use ba_agent_system::cache::CacheSection;
use ba_agent_system::parallel;

/// Raised with every change of what is kept; the version of the program is part of it.
const MAGIC: &str = concat!("ba-agent graph 1 ", env!("CARGO_PKG_VERSION"), "\n");
/// Skills whose files are looked at by one thread at a time.
const CHUNK: usize = 128;

/// Of one skill, what its files need of the machine, and the packages of other programs.
pub(crate) type FileNeeds = (Readiness, Vec<String>);
/// What tells the files of one skill from what they were: its manifest, and `skill.yaml`.
type FileStates = [Option<Fingerprint>; 2];

#[derive(Serialize, Deserialize)]
struct KeptGraph {
    /// Of the registry's file.
    state: Fingerprint,
    /// Each list of targets that some skill has.
    targets: Vec<Vec<String>>,
    skills: Vec<KeptSkill>,
}

#[derive(Serialize, Deserialize)]
struct KeptSkill {
    name: String,
    version: Option<String>,
    number: Option<String>,
    plugin_number: Option<String>,
    automatic: bool,
    enabled: bool,
    targets: usize,
    needs: Vec<KeptNeed>,
    states: FileStates,
    files: FileNeeds,
}

/// A record of a dependency without the keys that it leaves out.
#[derive(Serialize, Deserialize)]
struct KeptNeed {
    at: String,
    key: Option<String>,
    is_declared: bool,
    marketplace: Option<String>,
    name: String,
    optional: bool,
    range: Option<String>,
    source: Option<String>,
    plugin: Option<String>,
}

/// The state of the registry's file, to be asked before it is read.
pub(crate) fn registry_state(session: &Session<'_>) -> Option<Fingerprint> {
    let meta = std::fs::metadata(session.store.registry_file()).ok()?;
    meta.is_file().then(|| Fingerprint::of(&meta))
}

/// The graph as it was kept, with what the files of each of its skills need in the order of the
/// names; `None` where something is different now.
///
/// # Errors
/// `Interrupted` where somebody stops it.
pub(crate) fn open_kept_graph(session: &Session<'_>) -> Result<Option<(DependencyGraph, Vec<FileNeeds>)>> {
    let Some(state) = registry_state(session).filter(|_| session.store.check_registry_place().is_ok()) else {
        return Ok(None);
    };
    let sealed = SealedBytes::open(&session.cache, &graph_file(session), MAGIC);
    let kept = sealed.and_then(|sealed| postcard::from_bytes::<(String, KeptGraph)>(sealed.body()).ok());
    let Some(kept) = kept.filter(|(key, kept)| *key == key_of(session) && kept.state == state) else {
        return Ok(None);
    };
    let kept = kept.1;
    let placed = kept.skills.iter().map(|one| (one.name.as_str(), one.targets, one.enabled));
    let now = look_at_files(session, &kept.targets, &placed.collect::<Vec<_>>())?;
    if !kept.skills.iter().map(|one| one.states).eq(now) {
        return Ok(None);
    }
    let (mut graph, mut files) = (DependencyGraph::default(), Vec::with_capacity(kept.skills.len()));
    for one in kept.skills {
        let parse = |number: Option<String>| number.map(|number| Version::parse(&number)).transpose();
        let (Ok(number), Ok(plugin_number)) = (parse(one.number), parse(one.plugin_number)) else {
            return Ok(None);
        };
        let (version, automatic, enabled) = (one.version, one.automatic, one.enabled);
        let needs = one.needs.into_iter().map(KeptNeed::into_record).collect();
        graph
            .skills
            .insert(one.name, GraphSkill { version, number, plugin_number, automatic, enabled, needs });
        files.push(one.files);
    }
    Ok((graph.skills.len() == files.len()).then_some((graph, files)))
}

/// The files of the skills of a registry before they are read, for [`keep_graph`].
pub(crate) struct SeenFiles {
    state: Fingerprint,
    targets: Vec<Vec<String>>,
    /// By skill: its list of targets, and its files.
    skills: Vec<(usize, FileStates)>,
}

/// Looks at the files of a registry that was in this state; `None` where its graph cannot be kept.
///
/// # Errors
/// `Interrupted` where somebody stops it.
pub(crate) fn see_files(
    session: &Session<'_>,
    registry: &Registry,
    state: Option<Fingerprint>,
) -> Result<Option<SeenFiles>> {
    let Some(state) = state.filter(|_| !registry.skills.values().any(needs_files)) else { return Ok(None) };
    let mut targets: Vec<Vec<String>> = Vec::new();
    let mut place = |entry: &LockEntry| {
        let known = targets.iter().position(|known| *known == entry.targets);
        known.unwrap_or_else(|| {
            targets.push(entry.targets.clone());
            targets.len() - 1
        })
    };
    let placed: Vec<_> =
        registry.skills.iter().map(|(name, entry)| (name.as_str(), place(entry), entry.enabled)).collect();
    let states = look_at_files(session, &targets, &placed)?;
    let skills = placed.iter().map(|(_, targets, _)| *targets).zip(states).collect();
    Ok(Some(SeenFiles { state, targets, skills }))
}

/// Keeps a graph with what the files need that were seen before.
pub(crate) fn keep_graph(
    session: &Session<'_>,
    graph: &DependencyGraph,
    files: &[FileNeeds],
    seen: SeenFiles,
) {
    let all = graph.skills.iter().zip(files).zip(seen.skills);
    let skills = all.map(|(((name, skill), files), (targets, states))| KeptSkill {
        name: name.clone(),
        version: skill.version.clone(),
        number: skill.number.as_ref().map(Version::to_string),
        plugin_number: skill.plugin_number.as_ref().map(Version::to_string),
        automatic: skill.automatic,
        enabled: skill.enabled,
        targets,
        needs: skill.needs.iter().map(KeptNeed::of).collect(),
        states,
        files: files.clone(),
    });
    let kept = KeptGraph { state: seen.state, targets: seen.targets, skills: skills.collect() };
    keep_sealed(&session.cache, &graph_file(session), MAGIC, &(key_of(session), kept));
}

/// What the files are now of these skills, each with its list of targets and whether it is enabled.
fn look_at_files(
    session: &Session<'_>,
    targets: &[Vec<String>],
    skills: &[(&str, usize, bool)],
) -> Result<Vec<FileStates>> {
    let roots: Vec<[Option<PathBuf>; 2]> =
        targets.iter().map(|list| [false, true].map(|enabled| first_root(session, list, enabled))).collect();
    let look = |(name, targets, enabled): &(&str, usize, bool)| {
        let root = roots.get(*targets).and_then(|roots| roots[usize::from(*enabled)].as_ref());
        [MANIFEST, "skill.yaml"].map(|file| {
            let meta = std::fs::metadata(root?.join(name).join(file)).ok()?;
            Some(Fingerprint::of(&meta))
        })
    };
    let chunks: Vec<_> = skills.chunks(CHUNK).collect();
    let check = || session.observer.check_cancelled();
    let work = |chunk: &&[(&str, usize, bool)]| Ok(chunk.iter().map(look).collect::<Vec<_>>());
    let states = parallel::run_jobs(parallel::count_cores(), &chunks, check, work)?;
    Ok(states.into_iter().flatten().collect())
}

/// The folder of skills with these targets, as `InstallDirs::roots_of` has it first.
fn first_root(session: &Session<'_>, targets: &[String], is_enabled: bool) -> Option<PathBuf> {
    let targets = targets.iter().map(|text| InstallTarget::parse(text)).collect::<Result<Vec<_>>>().ok()?;
    let targets = session.places.targets_in_use(targets, is_enabled);
    targets.iter().try_for_each(|target| session.places.check_links_of(target)).ok()?;
    session.places.roots(&targets).into_iter().next()
}

/// What else decides how the files are read.
fn key_of(session: &Session<'_>) -> String {
    let limits = &session.settings.limits;
    let file: &Path = session.store.registry_file();
    format!("graph {} {} {}", limits.manifest, limits.frontmatter, file.display())
}

fn graph_file(session: &Session<'_>) -> PathBuf {
    let mut key = key_of(session).into_bytes();
    key.extend_from_slice(session.store.registry_file().as_os_str().as_encoded_bytes());
    session.cache.entry_file(CacheSection::Skills, &sha256_hex(&key))
}

impl KeptNeed {
    fn of(record: &DependencyRecord) -> Self {
        let DependencyRecord { at, key, kind, marketplace, name, optional, range, source, plugin } =
            record.clone();
        let is_declared = kind == DependencyKind::Declared;
        Self { at, key, is_declared, marketplace, name, optional, range, source, plugin }
    }

    fn into_record(self) -> DependencyRecord {
        let kind = if self.is_declared { DependencyKind::Declared } else { DependencyKind::Link };
        let Self { at, key, marketplace, name, optional, range, source, plugin, .. } = self;
        DependencyRecord { at, key, kind, marketplace, name, optional, range, source, plugin }
    }
}
