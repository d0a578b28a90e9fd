//! A source that was opened. Of a repository it may be partial: its listing is complete, its
//! files are fetched when they are asked for, so that one skill out of thousands costs one.
//! Files can only be read through the functions that fetch what is missing first.

use std::collections::HashSet;

use jiff::Timestamp;

use ba_agent_core::error::{Result, error};
use ba_agent_core::listing::{FileEntry, Listing};
use ba_agent_core::package::Package;
use ba_agent_core::path::{RelPath, ancestor_folders};
use ba_agent_core::remote_registry::PublishedVersion;
use ba_agent_core::source::{Resolved, Revision};
use ba_agent_git::{CachedSkill, CommitsBetween, Extent, OldCommit, PartialTree, Remote};
use ba_agent_system::cache::Cache;

/// A package that was fetched, as far as it was asked for; what comes out of a repository
/// knows its commit.
#[derive(Debug)]
pub enum FetchedPackage {
    /// All of it is here, and no repository knows it.
    Whole(Package),
    /// What a registry published, with its line of the index.
    Published(Package, Box<PublishedVersion>),
    /// The files of a commit, of which some may be missing.
    Commit(Box<PartialTree>),
}

impl FetchedPackage {
    /// Its files. One that was not fetched yet has 0 bytes.
    pub(crate) fn package(&self) -> &Package {
        match self {
            Self::Whole(package) | Self::Published(package, _) => package,
            Self::Commit(tree) => tree.package(),
        }
    }

    /// Its files alone, where the commit is no longer asked for.
    pub(crate) fn into_package(self) -> Package {
        match self {
            Self::Whole(package) | Self::Published(package, _) => package,
            Self::Commit(tree) => tree.into_package(),
        }
    }

    fn commit(&self) -> Option<&PartialTree> {
        match self {
            Self::Whole(_) | Self::Published(..) => None,
            Self::Commit(tree) => Some(tree),
        }
    }

    /// What its registry says of it.
    pub(crate) fn published(&self) -> Option<&PublishedVersion> {
        match self {
            Self::Published(_, line) => Some(line),
            Self::Whole(_) | Self::Commit(_) => None,
        }
    }

    /// The commit, where files of it may be missing.
    fn partial(&mut self) -> Option<&mut PartialTree> {
        match self {
            Self::Commit(tree) if tree.is_partial() => Some(tree),
            _ => None,
        }
    }

    /// See [`PartialTree::folder_id`]; `None` for what did not come out of git.
    pub(crate) fn folder_id(&self, folder: &RelPath) -> Option<String> {
        self.commit()?.folder_id(folder)
    }

    /// The git id of a file, link or submodule; `None` for what did not come out of git.
    pub(crate) fn object_id(&self, entry: &FileEntry) -> Option<String> {
        self.commit()?.object_id(entry)
    }

    /// See [`PartialTree::remember`].
    pub(crate) fn remember(&self, resolved: &Resolved, more: &[CachedSkill], cache: &Cache) {
        if let Some(tree) = self.commit() {
            tree.remember(resolved, more, cache);
        }
    }
}

/// An opened source.
pub struct PackageSource<'w> {
    pub(crate) resolved: Resolved,
    fetched: FetchedPackage,
    /// The repository that it comes from, if it comes from one; it has the files that are not
    /// here.
    remote: Option<Remote<'w>>,
    /// When the refs were asked for, where that was not now: without a connection.
    pub(crate) as_of: Option<Timestamp>,
}

impl<'w> PackageSource<'w> {
    /// A source of which everything is here.
    pub fn whole(resolved: Resolved, package: Package) -> Self {
        Self { resolved, fetched: FetchedPackage::Whole(package), remote: None, as_of: None }
    }

    /// What a registry published; `as_of` is when it was asked, where that was not now.
    pub(crate) fn published(
        resolved: Resolved,
        package: Package,
        line: PublishedVersion,
        as_of: Option<Timestamp>,
    ) -> Self {
        let fetched = FetchedPackage::Published(package, Box::new(line));
        Self { resolved, fetched, remote: None, as_of }
    }

    /// The package of a commit of a repository. What the cache has of it is not fetched again,
    /// whatever the extent.
    ///
    /// # Errors
    /// As [`Remote::fetch`]; with `require_reachable` also `Integrity`.
    pub(crate) fn of_commit(remote: Remote<'w>, resolved: Resolved, extent: Extent) -> Result<Self> {
        check_reachable(&remote, &resolved)?;
        let fetched = FetchedPackage::Commit(Box::new(remote.fetch(&resolved, extent)?));
        Ok(Self { resolved, fetched, remote: Some(remote), as_of: None })
    }

    /// True when files may be missing.
    pub(crate) fn is_partial(&self) -> bool {
        self.fetched.commit().is_some_and(PartialTree::is_partial)
    }

    /// What it consists of. A file that was not fetched yet has 0 bytes.
    pub(crate) fn listing(&self) -> &Listing {
        &self.fetched.package().listing
    }

    /// See [`PartialTree::folder_id`]; `None` for what did not come out of git.
    pub(crate) fn folder_id(&self, folder: &RelPath) -> Option<String> {
        self.fetched.folder_id(folder)
    }

    /// The git id of a file, link or submodule; `None` for what did not come out of git.
    pub(crate) fn object_id(&self, entry: &FileEntry) -> Option<String> {
        self.fetched.object_id(entry)
    }

    /// See [`PartialTree::committed_at`]; `None` for what did not come out of git.
    pub(crate) fn committed_at(&self) -> Option<Timestamp> {
        self.fetched.commit()?.committed_at()
    }

    /// What earlier commands have found out about the skills of its commit.
    pub(crate) fn known(&self) -> &[CachedSkill] {
        self.fetched.commit().map_or(&[], PartialTree::known)
    }

    /// The package, after fetching the files that `wanted` says: at most one request.
    ///
    /// # Errors
    /// Those of fetching; `NotFound` offline for what the cache does not have.
    pub(crate) fn ensure_files(&mut self, wanted: impl Fn(&FileEntry) -> bool) -> Result<&Package> {
        if let (Some(remote), Some(tree)) = (&self.remote, self.fetched.partial()) {
            remote.fetch_files(tree, &self.resolved, &wanted)?;
        }
        Ok(self.fetched.package())
    }

    /// As [`PackageSource::ensure_files`], everything below these folders; what the
    /// cache has of them is not fetched.
    ///
    /// # Errors
    /// Those of fetching.
    pub(crate) fn ensure_folders(&mut self, folders: &[&RelPath]) -> Result<&Package> {
        self.load_cached(folders)?;
        let all = folders.iter().any(|folder| folder.is_root());
        let folders: HashSet<&str> = folders.iter().map(|folder| folder.as_str()).collect();
        self.ensure_files(|entry| all || ancestor_folders(&entry.path).any(|folder| folders.contains(folder)))
    }

    /// Loads of these folders what the cache has, and fetches nothing.
    ///
    /// # Errors
    /// `Integrity` for objects that are broken.
    pub(crate) fn load_cached(&mut self, folders: &[&RelPath]) -> Result<()> {
        match (self.remote.as_ref().and_then(Remote::cache), self.fetched.partial()) {
            (Some(cache), Some(tree)) => tree.load_cached(folders, cache),
            _ => Ok(()),
        }
    }

    /// The package, after fetching these folders and the files that `wanted` says. Nothing
    /// more can be fetched of it.
    ///
    /// # Errors
    /// Those of fetching.
    pub(crate) fn into_package(
        mut self,
        folders: &[&RelPath],
        wanted: impl Fn(&FileEntry) -> bool,
    ) -> Result<(Resolved, FetchedPackage)> {
        self.ensure_folders(folders)?;
        self.ensure_files(wanted)?;
        Ok((self.resolved, self.fetched))
    }

    /// Remembers its commit with the manifests that are here, so that what is wanted of it next
    /// is fetched without its trees.
    pub(crate) fn remember(&self, cache: &Cache) {
        self.fetched.remember(&self.resolved, &[], cache);
    }

    /// True for a repository that has a branch or tag of this name.
    pub(crate) fn has_ref(&self, name: &str) -> bool {
        let refs = self.remote.as_ref().and_then(|remote| remote.fetch_refs().ok());
        refs.is_some_and(|refs| refs.branches.contains_key(name) || refs.tags.contains_key(name))
    }

    /// The tags of the repository that it comes from; none where they cannot be had.
    pub(crate) fn tags(&self) -> Vec<String> {
        let refs = self.remote.as_ref().and_then(|remote| remote.fetch_refs().ok());
        refs.map(|refs| refs.tags.keys().cloned().collect()).unwrap_or_default()
    }

    /// The commits since these, the one first that is probably the oldest; nothing for what has
    /// no commits.
    ///
    /// # Errors
    /// Those of [`Remote::history_since`].
    pub(crate) fn history_since(&self, old: Vec<OldCommit>, depth: Option<u16>) -> Result<CommitsBetween> {
        match (&self.remote, &self.resolved.pin) {
            (Some(remote), Revision::Commit(new)) if !old.is_empty() => remote.history_since(new, old, depth),
            _ => Ok(CommitsBetween::default()),
        }
    }
}

/// With `require_reachable`: a commit must be one that a branch or tag of the repository
/// leads to. Hosts hand out commits of forks under the name of the original, too.
fn check_reachable(remote: &Remote<'_>, resolved: &Resolved) -> Result<()> {
    let Revision::Commit(sha) = &resolved.pin else { return Ok(()) };
    let asks = remote.requires_reachable();
    if !asks || remote.is_reachable(sha)? {
        return Ok(());
    }
    Err(error!(Integrity, "no branch or tag of {} contains {}", resolved.source, sha.short())
        .cause("such a commit may come from somebody's fork")
        .hint("if you trust it, omit `--require-reachable` (setting: skills.require_reachable)"))
}
