//! `skill pin`: a skill held at a commit.

use std::sync::Arc;

use crate::agents::InstallTarget;
use crate::error::{Result, error};
use crate::fetch::git::Remote;
use crate::fetch::{Extent, PackageSource, World};
use crate::registry::{LockEntry, ReferenceRecord};
use crate::skill::SkillName;
use crate::source::{Reference, Request, Resolved, Revision, Sha};

use super::gather::{self, Offered};
use super::plan::Wanted;

/// A skill at a commit that a person names, held there.
///
/// # Errors
/// `NotFound` when the repository or the skill is not there, `Invalid` when it breaks the rules.
pub(crate) fn at_commit(name: &SkillName, entry: &LockEntry, sha: &Sha, world: &World<'_>) -> Result<Wanted> {
    let request = Request::parse(&entry.source)?;
    if !request.source.is_git() {
        return Err(error!(Usage, "`{name}` comes from {}, which has no commits", entry.source));
    }
    // What was asked for stays recorded, so that `unpin` follows it again.
    let reference = entry.reference.as_ref().map_or(Ok(Reference::Default), ReferenceRecord::to_reference)?;
    let pin = Revision::Commit(sha.clone());
    let resolved = Resolved { source: request.source, reference, chosen: None, pin, subdirectory: None };
    let remote = Remote::open(&resolved.source, &world.git)?;
    let mut source = PackageSource::of_commit(remote, resolved, Extent::Partial)?;
    let offered = Offered::default();
    gather::ensure_again(&mut source, &[(name, entry)], &offered, world)?;
    let (resolved, fetched) = source.into_package(&[], |_| false)?;
    let fetched = Arc::new(fetched);
    let candidate = gather::again(name, entry, (&fetched, &offered), Arc::new(resolved), world)?;
    let targets = entry.targets.iter().map(|text| InstallTarget::parse(text)).collect::<Result<_>>()?;
    Ok(Wanted { candidate, targets, mode: entry.mode, pinned: true })
}
