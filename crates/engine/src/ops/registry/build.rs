//! `registry build`: the files of a registry that are made of others, made anew.

use serde::Serialize;

use crate::ops::settle::open_session;
use crate::registry_files::RegistryFiles;
use crate::workspace::{Observer, Workspace};
use ba_agent_core::error::{Result, error};
use ba_agent_objects::Objects;

/// What was built.
#[derive(Debug, Serialize)]
pub struct BuildReport {
    /// The registry, as a person calls it.
    pub registry: String,
    pub skills: usize,
    pub versions: usize,
    /// How many derived files there are.
    pub files: usize,
    /// Those that were written, since they were not there or were other.
    pub written: Vec<String>,
    /// Those that nothing leads to any more.
    pub removed: Vec<String>,
}

/// Makes the derived files of the registry in a folder or bucket anew.
///
/// # Errors
/// `NotFound` where there is no registry, `Integrity` for an index that cannot be read: nothing is
/// changed then; those of reading and writing.
pub fn build_registry(workspace: &Workspace, place: &str, observer: &dyn Observer) -> Result<BuildReport> {
    let session = open_session(workspace, observer)?;
    let world = session.world();
    let objects = Objects::open(place, &session.env, world.net())?;
    let registry = objects.shown();
    let Ok(files) = RegistryFiles::open(objects)? else {
        return Err(error!(NotFound, "there is no registry in `{registry}`").hint(
            "a registry has a `registry.json` at its top; `ba-agent skill publish --to DIR` begins one",
        ));
    };
    observer.begin(&format!("Building {registry}"));
    let built = files.build_files()?;
    Ok(BuildReport {
        registry,
        skills: built.skills,
        versions: built.versions,
        files: built.files,
        written: built.written,
        removed: built.removed,
    })
}
