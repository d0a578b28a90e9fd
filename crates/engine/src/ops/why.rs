//! `skill why`: every way on which a skill is needed.

use std::collections::BTreeSet;

use serde::Serialize;

use super::installed::find_one_installed;
use super::settle::open_session;
use super::tree::{SkillForest, describe_forest};
use crate::skill_graph::read_graph;
use crate::workspace::{Observer, Workspace};
use ba_agent_core::error::Result;

/// More ways than this are not told.
const MOST_WAYS: usize = 100;

/// Why a skill is here.
#[derive(Debug, Serialize)]
pub struct WhyReport {
    /// The skills on the ways; what is asked about is the last of each.
    #[serde(flatten)]
    pub forest: SkillForest,
    pub name: String,
    pub installed: bool,
    /// Somebody asked for it.
    pub asked: bool,
    /// From a skill that somebody asked for, or that nothing needs, to the one that is asked about; the
    /// shortest first.
    pub ways: Vec<Vec<String>>,
}

/// The ways on which skills need this one, installed or missing. Opens no connection.
///
/// # Errors
/// `NotFound` for a name that is neither installed nor needed; those of reading the registry.
pub fn explain_need(workspace: &Workspace, name: &str, observer: &dyn Observer) -> Result<WhyReport> {
    let session = open_session(workspace, observer)?;
    let registry = session.store.read()?;
    let graph = read_graph(&registry, &session);
    let name = match graph.dependents().contains_key(name) {
        true => name.to_owned(),
        false => find_one_installed(name, &registry, &session.places)?.to_string(),
    };
    let ways = graph.ways_to(&name, MOST_WAYS);
    let mut names: BTreeSet<&str> = ways.iter().flatten().map(String::as_str).collect();
    names.insert(&name);
    let firsts: BTreeSet<&String> = ways.iter().filter_map(|way| way.first()).collect();
    let roots = match firsts.is_empty() {
        true => vec![name.clone()],
        false => firsts.into_iter().cloned().collect(),
    };
    let mut forest = describe_forest(&graph, &names, roots, &registry, &session)?;
    forest.edges.retain(|edge| names.contains(edge.to.as_str()));
    forest.missing.retain(|one| one.name == name);
    let skill = graph.skills.get(&name);
    let (installed, asked) = (skill.is_some(), skill.is_some_and(|skill| !skill.automatic));
    Ok(WhyReport { forest, name, installed, asked, ways })
}
