//! A source that has arrived, or of which only the listing has: its files are then brought
//! when they are asked for, so that one skill out of thousands costs one skill.

use std::collections::HashSet;

use jiff::Timestamp;

use super::Tree;
use super::git::Remote;
use crate::error::Result;
use crate::source::{Pin, Resolved, Sha};
use crate::tree::{Entry, Listing, ancestors};

/// A fetched source.
pub(crate) struct Arrival<'w> {
    pub(crate) resolved: Resolved,
    tree: Tree,
    /// Where it is from, if that is a repository; it has the files that are not here.
    remote: Option<Remote<'w>>,
    /// When the refs were asked for, where that was not now: without a connection.
    pub(crate) as_of: Option<Timestamp>,
}

impl<'w> Arrival<'w> {
    /// A source of which everything is here.
    pub(crate) fn whole(resolved: Resolved, tree: Tree) -> Self {
        Self { resolved, tree, remote: None, as_of: None }
    }

    /// A source of which `remote` has what is missing.
    pub(super) fn new(resolved: Resolved, tree: Tree, remote: Remote<'w>) -> Self {
        Self { resolved, tree, remote: Some(remote), as_of: None }
    }

    /// True when files may be missing.
    pub(crate) fn is_sparse(&self) -> bool {
        self.tree.is_sparse()
    }

    /// What it consists of. Files that were not brought have 0 bytes.
    pub(crate) fn listing(&self) -> &Listing {
        &self.tree.listing
    }

    /// The tree as far as it is here: what was not brought cannot be read.
    pub(crate) fn tree(&self) -> &Tree {
        &self.tree
    }

    /// Makes sure that the files which `wanted` says are here: at most one request.
    ///
    /// # Errors
    /// Those of fetching.
    pub(crate) fn bring(&mut self, wanted: impl Fn(&Entry) -> bool) -> Result<()> {
        match &self.remote {
            Some(remote) if self.tree.is_sparse() => remote.bring(&mut self.tree, &self.resolved, &wanted),
            _ => Ok(()),
        }
    }

    /// Whether its commit came after `old`; true for what has no commits.
    ///
    /// # Errors
    /// Those of [`Remote::descends`].
    pub(crate) fn descends(&self, old: &Sha) -> Result<bool> {
        match (&self.remote, &self.resolved.pin) {
            (Some(remote), Pin::Commit(new)) => remote.descends(new, old),
            _ => Ok(true),
        }
    }

    /// Takes of these folders what the cache has; what it has not stays away.
    ///
    /// # Errors
    /// `Integrity` for objects that are broken.
    pub(crate) fn recall(&mut self, folders: &[&str]) -> Result<()> {
        match self.remote.as_ref().filter(|_| self.tree.is_sparse()).and_then(Remote::cache) {
            Some(cache) => self.tree.recall(&folders.iter().copied().collect(), cache),
            None => Ok(()),
        }
    }

    /// As [`Arrival::bring`], everything below these folders (`""` is the top); what the cache
    /// has of them is not asked for.
    ///
    /// # Errors
    /// Those of fetching.
    pub(crate) fn bring_folders(&mut self, folders: &[&str]) -> Result<()> {
        self.recall(folders)?;
        let folders: HashSet<&str> = folders.iter().copied().collect();
        let all = folders.contains("");
        self.bring(|entry| all || ancestors(&entry.path).any(|folder| folders.contains(folder)))
    }

    pub(crate) fn into_parts(self) -> (Resolved, Tree) {
        (self.resolved, self.tree)
    }
}
