//! `skill tree`: the installed skills by what needs what, with circles, and what is missing.

use std::borrow::Cow;
use std::collections::BTreeSet;

use serde::Serialize;

use super::settle::open_session;
use crate::graph_facts::{FileNeeds, keep_graph, open_kept_graph, registry_state, see_files};
use crate::loader::Machine;
use crate::skill_graph::{folders_of, needs_on_disk, read_graph};
use crate::workspace::{Observer, Session, Workspace};
use ba_agent_core::dependency_graph::DependencyGraph;
use ba_agent_core::error::{Kind, Result};
use ba_agent_core::loader::{Readiness, SkillFacts};
use ba_agent_core::registry::{DependencyKind, Registry};
use ba_agent_core::resolver::VersionConflict;
use ba_agent_core::skill::{MANIFEST, SkillName, read_summary};
use ba_agent_system::{fsx, parallel};

/// Skills and what each needs. The same shape says it of one skill and of all.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct SkillForest {
    /// Where a reader begins.
    pub roots: Vec<String>,
    /// In the order of their names.
    pub nodes: Vec<ForestNode>,
    pub edges: Vec<ForestEdge>,
    /// What is needed stands before what needs it.
    pub order: Vec<String>,
    /// A way round each circle, from a name back to it.
    pub cycles: Vec<Vec<String>>,
    pub missing: Vec<MissingNode>,
    pub conflicts: Vec<ForestConflict>,
    /// What skills need of other programs' packages.
    pub packages: Vec<PackageNeed>,
}

/// One skill.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ForestNode {
    pub name: String,
    pub version: Option<String>,
    pub installed: bool,
    /// Nobody asked for it.
    pub automatic: bool,
    pub enabled: bool,
    /// The machine has what it needs.
    pub ready: bool,
    /// What the machine lacks: `bin:gnuplot`, `env:TOKEN`, `os:darwin`.
    pub unmet: Vec<String>,
}

/// That one skill needs another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ForestEdge {
    pub from: String,
    pub to: String,
    pub range: Option<String>,
    pub kind: DependencyKind,
    /// A suggestion.
    pub optional: bool,
    /// File and line.
    pub at: String,
}

/// A needed skill that is not there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MissingNode {
    pub name: String,
    pub wanted_by: Vec<String>,
    pub range: Option<String>,
}

/// A skill in a version that others cannot do with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ForestConflict {
    pub name: String,
    pub version: Option<String>,
    pub wanted_by: Vec<RangeWanted>,
}

/// The range that one skill asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RangeWanted {
    pub name: String,
    pub range: Option<String>,
    pub at: String,
}

/// A package of another program.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PackageNeed {
    pub skill: String,
    pub text: String,
}

impl SkillForest {
    /// What the outcome is where something is missing, in a circle or in conflict and that counts.
    pub fn failure(&self) -> Option<Kind> {
        let is_whole = self.missing.is_empty() && self.cycles.is_empty() && self.conflicts.is_empty();
        (!is_whole).then_some(Kind::Integrity)
    }
}

/// All installed skills with what each needs. Opens no connection.
///
/// # Errors
/// Those of reading the registry.
pub fn list_tree(workspace: &Workspace, observer: &dyn Observer) -> Result<SkillForest> {
    let session = open_session(workspace, observer)?;
    let (graph, files) = match open_kept_graph(&session)? {
        Some(kept) => kept,
        None => read_whole_graph(&session)?,
    };
    let names: BTreeSet<&str> = graph.skills.keys().map(String::as_str).collect();
    describe_part(&graph, &names, find_roots(&graph), |_| Ok(files), &session)
}

/// Reads the registry, and what the files of its skills need; kept for the next time.
///
/// # Errors
/// Those of reading the registry.
fn read_whole_graph(session: &Session<'_>) -> Result<(DependencyGraph, Vec<FileNeeds>)> {
    let state = registry_state(session);
    let registry = session.store.read()?;
    let seen = see_files(session, &registry, state)?;
    let graph = read_graph(&registry, session);
    let files = read_files_of(&graph, &registry, session)?;
    if let Some(seen) = seen {
        keep_graph(session, &graph, &files, seen);
    }
    Ok((graph, files))
}

/// The skills of a registry with what each needs.
///
/// # Errors
/// `Interrupted` where somebody stops it.
pub(super) fn list_forest(registry: &Registry, session: &Session<'_>) -> Result<SkillForest> {
    let graph = read_graph(registry, session);
    let names: BTreeSet<&str> = graph.skills.keys().map(String::as_str).collect();
    let roots = find_roots(&graph);
    describe_forest(&graph, &names, roots, registry, session)
}

/// The skills that no other needs, and of each circle that nothing leads into its first.
fn find_roots(graph: &DependencyGraph) -> Vec<String> {
    let dependents = graph.dependents();
    let free = graph.skills.keys().map(String::as_str).filter(|name| !dependents.contains_key(name));
    let mut roots: Vec<&str> = free.collect();
    let mut reached = graph.reach(roots.iter().copied());
    for name in graph.skills.keys() {
        if !reached.contains(name.as_str()) {
            roots.push(name);
            reached.extend(graph.reach([name.as_str()]));
        }
    }
    roots.sort_unstable();
    roots.into_iter().map(str::to_owned).collect()
}

/// The part of a graph that `names` are, as it is told.
///
/// # Errors
/// `Interrupted` where somebody stops it.
pub(super) fn describe_forest(
    graph: &DependencyGraph,
    names: &BTreeSet<&str>,
    roots: Vec<String>,
    registry: &Registry,
    session: &Session<'_>,
) -> Result<SkillForest> {
    describe_part(graph, names, roots, |part| read_files_of(part, registry, session), session)
}

fn part_of<'g>(graph: &'g DependencyGraph, names: &BTreeSet<&str>) -> Cow<'g, DependencyGraph> {
    if graph.skills.keys().all(|name| names.contains(name.as_str())) {
        return Cow::Borrowed(graph);
    }
    let told = graph.skills.iter().filter(|(name, _)| names.contains(name.as_str()));
    Cow::Owned(DependencyGraph { skills: told.map(|(n, s)| (n.clone(), s.clone())).collect() })
}

/// As [`describe_forest`]; `files` says what the files of each skill of a graph need.
fn describe_part(
    graph: &DependencyGraph,
    names: &BTreeSet<&str>,
    roots: Vec<String>,
    files: impl FnOnce(&DependencyGraph) -> Result<Vec<FileNeeds>>,
    session: &Session<'_>,
) -> Result<SkillForest> {
    let part = part_of(graph, names);
    let arranged = part.arrangement();
    let missing: Vec<MissingNode> = part
        .missing()
        .into_iter()
        .filter(|one| !graph.skills.contains_key(&one.name))
        .map(|one| MissingNode { name: one.name, wanted_by: one.wanted_by, range: one.range })
        .collect();
    let mut machine = Machine::new(&session.env);
    let files: Vec<(Vec<String>, Vec<String>)> = files(&part)?
        .into_iter()
        .map(|(requires, packages)| (name_unmet(&requires, &mut machine), packages))
        .collect();
    let mut nodes: Vec<ForestNode> = Vec::new();
    for ((name, skill), (unmet, _)) in part.skills.iter().zip(&files) {
        nodes.push(ForestNode {
            name: name.clone(),
            version: skill.version.clone(),
            installed: true,
            automatic: skill.automatic,
            enabled: skill.enabled,
            ready: unmet.is_empty(),
            unmet: unmet.clone(),
        });
    }
    let edges = part.skills.iter().flat_map(|(from, skill)| {
        skill.needs.iter().map(|need| ForestEdge {
            from: from.clone(),
            to: need.name.clone(),
            range: need.range.clone(),
            kind: need.kind,
            optional: need.optional,
            at: need.at.clone(),
        })
    });
    let packages = part.skills.keys().zip(&files).flat_map(|(skill, (_, packages))| {
        packages.iter().map(|text| PackageNeed { skill: skill.clone(), text: text.clone() })
    });
    Ok(SkillForest {
        roots,
        edges: edges.collect(),
        order: arranged.order,
        cycles: arranged.cycles,
        conflicts: graph
            .conflicts()
            .into_iter()
            .filter(|one| concerns(one, names))
            .map(|one| tell_conflict(one, graph))
            .collect(),
        packages: packages.collect(),
        nodes,
        missing,
    })
}

fn concerns(conflict: &VersionConflict, names: &BTreeSet<&str>) -> bool {
    names.contains(conflict.name.as_str())
}

fn tell_conflict(conflict: VersionConflict, graph: &DependencyGraph) -> ForestConflict {
    let wanted_by = conflict.requirements.into_iter().map(|one| RangeWanted {
        name: one.by,
        range: one.range.map(|range| range.to_string()),
        at: one.place,
    });
    let version = graph.skills.get(&conflict.name).and_then(|skill| skill.version.clone());
    ForestConflict { name: conflict.name, version, wanted_by: wanted_by.collect() }
}

/// Reads the manifests, several at a time: they say what the registry does not.
fn read_files_of(
    part: &DependencyGraph,
    registry: &Registry,
    session: &Session<'_>,
) -> Result<Vec<FileNeeds>> {
    let folders = folders_of(registry);
    let entries: Vec<_> = part
        .skills
        .keys()
        .map(|name| registry.skills.get_key_value(&name.parse::<SkillName>().ok()?))
        .collect();
    let limits = &session.settings.limits;
    let check = || session.observer.check_cancelled();
    parallel::run_jobs(parallel::count_cores(), &entries, check, |found| {
        let Some((name, entry)) = found else { return Ok(FileNeeds::default()) };
        let facts = manifest_of(name, entry, session)
            .and_then(|bytes| read_summary(None, &bytes, limits).frontmatter);
        let facts = facts.map(|front| SkillFacts::of(&front)).unwrap_or_default();
        let packages = needs_on_disk(name, entry, &folders, session).map(|needs| needs.packages);
        Ok((facts.requires, packages.unwrap_or_default()))
    })
}

/// What the machine lacks, each as a word: `bin:gws`, `any:a|b`, `env:TOKEN`, `os:darwin`.
fn name_unmet(needs: &Readiness, machine: &mut Machine<'_>) -> Vec<String> {
    let mut unmet = Vec::new();
    let mut check = |word: String, alone: Readiness| {
        if !machine.find_unmet(&alone).is_empty() {
            unmet.push(word);
        }
    };
    for bin in &needs.bins {
        check(format!("bin:{bin}"), Readiness { bins: vec![bin.clone()], ..Readiness::default() });
    }
    if !needs.any_bins.is_empty() {
        let word = format!("any:{}", needs.any_bins.join("|"));
        check(word, Readiness { any_bins: needs.any_bins.clone(), ..Readiness::default() });
    }
    for name in &needs.env {
        check(format!("env:{name}"), Readiness { env: vec![name.clone()], ..Readiness::default() });
    }
    if !needs.os.is_empty() {
        check(
            format!("os:{}", needs.os.join("|")),
            Readiness { os: needs.os.clone(), ..Readiness::default() },
        );
    }
    unmet
}

fn manifest_of(
    name: &SkillName,
    entry: &ba_agent_core::registry::LockEntry,
    session: &Session<'_>,
) -> Option<Vec<u8>> {
    let root = session.places.roots_of(entry).ok()?.into_iter().next()?;
    let file = root.join(name.as_str()).join(MANIFEST);
    fsx::read_plain_file(&file, session.settings.limits.manifest).ok().flatten()
}
