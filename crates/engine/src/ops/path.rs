//! `skill path`: where installed skills are on this machine.

use std::path::PathBuf;

use ba_agent_core::error::Result;
use ba_agent_core::skill::SkillName;
use serde::Serialize;

use super::installed::{find_installed, find_one_installed};
use super::settle::open_session;
use crate::kept_versions;
use crate::workspace::{Observer, Workspace};

/// Where a skill is.
#[derive(Debug, Serialize)]
pub struct SkillPath {
    pub name: SkillName,
    /// The folder that an agent reads, without links above it; the first of `folders`.
    pub path: PathBuf,
    /// Its folder in each target, in the order of the registry.
    pub folders: Vec<PathBuf>,
}

/// The folders of installed skills, in the order of `names`. Nothing is looked up on the disk.
///
/// # Errors
/// `NotFound` for a name that is not installed, with the nearest; `Usage` for a recorded target
/// that leads out of the project.
pub fn find_paths(
    workspace: &Workspace,
    names: &[String],
    observer: &dyn Observer,
) -> Result<Vec<SkillPath>> {
    let session = open_session(workspace, observer)?;
    let registry = session.store.read()?;
    let names = find_installed(names, &registry, &session.places)?;
    let mut paths = Vec::with_capacity(names.len());
    for name in names {
        let roots = session.places.roots_of(&registry.skills[&name])?;
        let folders: Vec<PathBuf> = roots.iter().map(|root| root.join(name.as_str())).collect();
        let Some(path) = folders.first().cloned() else { continue };
        paths.push(SkillPath { name, path, folders });
    }
    Ok(paths)
}

/// The folder with the files of one version of a skill; a kept one is written out for it.
///
/// # Errors
/// `NotFound` for a name that is not installed, with the nearest; those of
/// [`kept_versions::open_version`].
pub fn find_version_path(
    workspace: &Workspace,
    name: &str,
    version: &str,
    observer: &dyn Observer,
) -> Result<SkillPath> {
    let session = open_session(workspace, observer)?;
    let name = find_one_installed(name, &session.store.read()?, &session.places)?;
    let path = kept_versions::open_version(&session, &name, version)?.folder;
    Ok(SkillPath { name, folders: vec![path.clone()], path })
}
