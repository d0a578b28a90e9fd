//! A source that was opened. Of a repository it may be partial: its listing is complete, its
//! files are fetched when they are asked for, so that one skill out of thousands costs one.
//! Files can only be read through the functions that fetch what is missing first.

use std::collections::{BTreeSet, HashSet};

use jiff::Timestamp;

use super::git::{Extent, Remote};
use super::{Known, Tree, World};
use crate::cache::Cache;
use crate::error::{Result, error};
use crate::listing::{FileEntry, Listing};
use crate::path::ancestors;
use crate::source::{Pin, Resolved, Sha};

/// An opened source.
pub(crate) struct PackageSource<'w> {
    pub(crate) resolved: Resolved,
    tree: Tree,
    /// Where it is from, if that is a repository; it has the files that are not here.
    remote: Option<Remote<'w>>,
    /// When the refs were asked for, where that was not now: without a connection.
    pub(crate) as_of: Option<Timestamp>,
}

impl<'w> PackageSource<'w> {
    /// A source of which everything is here.
    pub(crate) fn whole(resolved: Resolved, tree: Tree) -> Self {
        Self { resolved, tree, remote: None, as_of: None }
    }

    /// The tree of a commit of a repository; what earlier commands have kept of it is not
    /// asked for again, whatever the extent.
    ///
    /// # Errors
    /// As [`Remote::fetch`]; with `require_reachable` also `Integrity`.
    pub(crate) fn of_commit(
        remote: Remote<'w>,
        resolved: Resolved,
        extent: Extent,
        world: &World<'_>,
    ) -> Result<Self> {
        check_reachable(&remote, &resolved, world)?;
        let tree = remote.fetch(&resolved, extent)?;
        Ok(Self { resolved, tree, remote: Some(remote), as_of: None })
    }

    /// True when files may be missing.
    pub(crate) fn is_partial(&self) -> bool {
        self.tree.is_partial()
    }

    /// What it consists of. A file that was not fetched yet has 0 bytes.
    pub(crate) fn listing(&self) -> &Listing {
        &self.tree.listing
    }

    /// See [`Tree::folder_id`].
    pub(crate) fn folder_id(&self, folder: &str) -> Option<String> {
        self.tree.folder_id(folder)
    }

    /// See [`Tree::known`].
    pub(crate) fn known(&self) -> &[Known] {
        self.tree.known()
    }

    /// The tree, with the files that `wanted` says at hand: at most one request.
    ///
    /// # Errors
    /// Those of fetching; `NotFound` offline for what the cache does not have.
    pub(crate) fn ensure_files(&mut self, wanted: impl Fn(&FileEntry) -> bool) -> Result<&Tree> {
        if let Some(remote) = self.remote.as_ref().filter(|_| self.tree.is_partial()) {
            remote.fetch_files(&mut self.tree, &self.resolved, &wanted)?;
        }
        Ok(&self.tree)
    }

    /// As [`PackageSource::ensure_files`], everything below these folders (`""` is the top);
    /// what the cache has of them is not asked for.
    ///
    /// # Errors
    /// Those of fetching.
    pub(crate) fn ensure_folders(&mut self, folders: &[&str]) -> Result<&Tree> {
        self.load_cached(folders)?;
        let folders: HashSet<&str> = folders.iter().copied().collect();
        let all = folders.contains("");
        self.ensure_files(|entry| all || ancestors(&entry.path).any(|folder| folders.contains(folder)))
    }

    /// Takes of these folders what the cache has; what it does not have stays away.
    ///
    /// # Errors
    /// `Integrity` for objects that are broken.
    pub(crate) fn load_cached(&mut self, folders: &[&str]) -> Result<()> {
        match self.remote.as_ref().filter(|_| self.tree.is_partial()).and_then(Remote::cache) {
            Some(cache) => self.tree.load_cached(&folders.iter().copied().collect(), cache),
            None => Ok(()),
        }
    }

    /// Its tree, with these folders and the files that `wanted` says at hand.
    ///
    /// # Errors
    /// Those of fetching.
    pub(crate) fn into_tree(
        mut self,
        folders: &[&str],
        wanted: impl Fn(&FileEntry) -> bool,
    ) -> Result<(Resolved, Tree)> {
        self.ensure_folders(folders)?;
        self.ensure_files(wanted)?;
        Ok((self.resolved, self.tree))
    }

    /// Remembers its commit with the manifests that are here, so that what is wanted of it next
    /// is asked for without its trees.
    pub(crate) fn remember(&self, cache: &Cache) {
        self.tree.remember(&self.resolved, &[], cache);
    }

    /// True for a repository that has a branch or tag of this name.
    pub(crate) fn has_ref(&self, name: &str) -> bool {
        let refs = self.remote.as_ref().and_then(|remote| remote.refs().ok());
        refs.is_some_and(|refs| refs.branches.contains_key(name) || refs.tags.contains_key(name))
    }

    /// Of these commits, the one first that is probably the oldest, those that do not lie
    /// behind its own: the branch was rewritten. None for what has no commits.
    ///
    /// # Errors
    /// Those of [`Remote::not_behind`].
    pub(crate) fn not_behind(&self, old: Vec<Sha>) -> Result<BTreeSet<Sha>> {
        match (&self.remote, &self.resolved.pin) {
            (Some(remote), Pin::Commit(new)) if !old.is_empty() => remote.not_behind(new, old),
            _ => Ok(BTreeSet::new()),
        }
    }
}

/// With `require_reachable`: a commit must be one that a branch or tag of the repository
/// leads to. Hosts hand out commits of forks under the name of the original, too.
fn check_reachable(remote: &Remote<'_>, resolved: &Resolved, world: &World<'_>) -> Result<()> {
    let Pin::Commit(sha) = &resolved.pin else { return Ok(()) };
    let asks = world.settings.require_reachable && !world.offline;
    if !asks || remote.reachable(sha)? {
        return Ok(());
    }
    Err(error!(Integrity, "no branch or tag of {} leads to {}", resolved.source, sha.short())
        .cause("such a commit may come from somebody's fork")
        .hint("if you trust it, omit `--require-reachable` (setting: skills.require_reachable)"))
}
