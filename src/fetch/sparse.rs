//! A source that has arrived, or of which only the listing has: its files are then brought
//! when they are asked for, so that one skill out of thousands costs one skill.

use std::collections::HashSet;

use super::Tree;
use super::git::Remote;
use crate::error::Result;
use crate::source::Resolved;
use crate::tree::{Entry, Listing, ancestors};

/// A fetched source.
pub(crate) struct Arrival<'w> {
    pub(crate) resolved: Resolved,
    tree: Tree,
    /// Who has the files that are not here.
    remote: Option<Remote<'w>>,
}

impl<'w> Arrival<'w> {
    /// A source of which everything is here.
    pub(crate) fn whole(resolved: Resolved, tree: Tree) -> Self {
        Self { resolved, tree, remote: None }
    }

    /// A source whose files `remote` has.
    pub(super) fn sparse(resolved: Resolved, tree: Tree, remote: Remote<'w>) -> Self {
        Self { resolved, tree, remote: Some(remote) }
    }

    /// True when files may be missing.
    pub(crate) fn is_sparse(&self) -> bool {
        self.remote.is_some()
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
            Some(remote) => remote.bring(&mut self.tree, &self.resolved, &wanted),
            None => Ok(()),
        }
    }

    /// As [`Arrival::bring`], everything below these folders (`""` is the top).
    ///
    /// # Errors
    /// Those of fetching.
    pub(crate) fn bring_folders(&mut self, folders: &[&str]) -> Result<()> {
        let folders: HashSet<&str> = folders.iter().copied().collect();
        let all = folders.contains("");
        self.bring(|entry| all || ancestors(&entry.path).any(|folder| folders.contains(folder)))
    }

    pub(crate) fn into_parts(self) -> (Resolved, Tree) {
        (self.resolved, self.tree)
    }
}
