//! World: a recorded skill out of its source again, at the revision that was recorded.

use std::collections::BTreeSet;

use super::{OpenOptions, World, open_source};
use ba_agent_core::error::Result;
use ba_agent_core::package::Package;
use ba_agent_core::path::RelPath;
use ba_agent_core::registry::LockEntry;
use ba_agent_core::source::{Reference, Request, Revision};

/// The files of these folders of a skill's source, at the skill's pin.
///
/// # Errors
/// Those of [`open_source`], and of a record that names no source.
pub(crate) fn fetch_pinned(
    entry: &LockEntry,
    folders: &BTreeSet<RelPath>,
    world: &World<'_>,
) -> Result<Package> {
    let mut request = Request::parse(&entry.source)?;
    if let Revision::Commit(sha) = entry.pin.to_revision()? {
        request.reference = Reference::Sha(sha);
    }
    let integrity = entry.pin.archive.as_deref().map(str::parse).transpose()?;
    // The commit and the digest decide, whoever sends the bytes.
    let options = OpenOptions {
        integrity: integrity.as_ref(),
        follow_moves: true,
        is_recorded: true,
        ..OpenOptions::default()
    };
    let source = open_source(&request, options, world)?;
    let folders: Vec<&RelPath> = folders.iter().collect();
    Ok(source.into_package(&folders, |_| false)?.1.into_package())
}
