//! `skill deps`: what one skill needs, as its files say it and as it is here.

use super::installed::find_one_installed;
use super::settle::open_session;
use super::tree::{SkillForest, describe_forest};
use crate::skill_graph::read_graph;
use crate::workspace::{Observer, Workspace};
use ba_agent_core::error::Result;

/// A skill with everything that it needs, and what that needs in turn. Opens no connection.
///
/// # Errors
/// `NotFound` for a name that is not installed; those of reading the registry.
pub fn list_dependencies(workspace: &Workspace, name: &str, observer: &dyn Observer) -> Result<SkillForest> {
    let session = open_session(workspace, observer)?;
    let registry = session.store.read()?;
    let name = find_one_installed(name, &registry, &session.places)?;
    let graph = read_graph(&registry, &session);
    let names = graph.reach([name.as_str()]);
    describe_forest(&graph, &names, vec![name.to_string()], &registry, &session)
}
