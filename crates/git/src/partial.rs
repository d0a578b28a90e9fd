//! The files of a commit, of which some may still be with their host. The listing is
//! complete; the bytes of files are added when they were fetched.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use git2::{ObjectType, Oid};
use jiff::Timestamp;

use super::commit_index::{self, CachedSkill, Manifests};
use super::objects::{CachedObjects, GitObjects};
use super::walk;
use ba_agent_core::error::{Result, error};
use ba_agent_core::listing::{FileEntry, Listing, Node};
use ba_agent_core::package::{Contents, Package, missing_bytes};
use ba_agent_core::path::RelPath;
use ba_agent_core::skill::{LOWER_MANIFEST, MANIFEST};
use ba_agent_core::source::{Resolved, Revision};
use ba_agent_system::cache::Cache;
use ba_agent_system::{interrupt, parallel};

/// Up to this many blobs are asked for one by one, however few files the commit has.
const FEW_BLOBS: usize = 64;
/// A larger manifest is not remembered; it is an error wherever it is read.
const LARGEST_MANIFEST: u64 = 1024 * 1024;

/// What the commit and the trees of a fetched commit say.
#[derive(Debug)]
pub(super) struct CommitTrees {
    /// The key that the cache knows the repository by.
    pub(super) repository: String,
    pub(super) objects: Arc<GitObjects>,
    pub(super) root: Oid,
    pub(super) committed_at: Option<Timestamp>,
    /// The trees that the listing was made of, by their path.
    pub(super) folders: BTreeMap<String, Oid>,
    /// Skills of the commit that earlier commands have cached.
    pub(super) known: Vec<CachedSkill>,
}

/// The package of a commit, whose files may be fetched later than its listing.
#[derive(Debug)]
pub struct PartialTree {
    package: Package,
    /// The same as the package reads from.
    blobs: GitContents,
    trees: CommitTrees,
}

/// Blobs of a repository; [`FileEntry::slot`] counts into `ids`.
#[derive(Debug, Clone)]
struct GitContents {
    ids: Arc<[Oid]>,
    /// What came with the trees.
    first: Arc<GitObjects>,
    /// What was fetched after them.
    added: Vec<Arc<GitObjects>>,
    /// Blobs may be missing.
    is_partial: bool,
}

impl Contents for GitContents {
    fn read(&self, entry: &FileEntry) -> Result<Cow<'_, [u8]>> {
        let id = self.id(entry).ok_or_else(|| missing_bytes(entry))?;
        let objects = self.added_with(id)?.unwrap_or(&self.first);
        if self.is_partial && objects.size(id)?.is_none() {
            return Err(error!(Integrity, "the host did not send `{}`", entry.path)
                .hint("try again; if it happens again, the repository or its host is broken"));
        }
        let bytes = objects.read(id, ObjectType::Blob, entry.size);
        bytes.map(Cow::Owned).map_err(|e| e.wrap(format!("`{}` cannot be read", entry.path)))
    }
}

impl GitContents {
    fn id(&self, entry: &FileEntry) -> Option<Oid> {
        self.ids.get(entry.slot).copied()
    }

    /// The objects with this blob, if it came after the trees.
    fn added_with(&self, id: Oid) -> Result<Option<&GitObjects>> {
        for objects in &self.added {
            if objects.size(id)?.is_some() {
                return Ok(Some(objects));
            }
        }
        Ok(None)
    }

    fn has(&self, id: Oid) -> Result<bool> {
        Ok(self.added_with(id)?.is_some() || self.first.size(id)?.is_some())
    }
}

impl PartialTree {
    /// The package of a commit that was listed; slot `n` of an entry is the blob `ids[n]`.
    pub(super) fn new(listing: Listing, ids: Vec<Oid>, trees: CommitTrees, is_partial: bool) -> Self {
        let first = Arc::clone(&trees.objects);
        let blobs = GitContents { ids: ids.into(), first, added: Vec::new(), is_partial };
        Self { package: Package::new(listing, blobs.clone()), blobs, trees }
    }

    /// The package, as far as it was fetched.
    pub fn package(&self) -> &Package {
        &self.package
    }

    /// The package alone.
    pub fn into_package(self) -> Package {
        self.package
    }

    /// True when files of it may be missing.
    pub fn is_partial(&self) -> bool {
        self.blobs.is_partial
    }

    /// The git id of a file, link or submodule, 40 hex digits.
    pub fn object_id(&self, entry: &FileEntry) -> Option<String> {
        self.blobs.id(entry).map(|id| id.to_string())
    }

    /// When the commit was made, by its own word.
    pub fn committed_at(&self) -> Option<Timestamp> {
        self.trees.committed_at
    }

    /// What earlier commands have found out about the skills of the commit.
    pub fn known(&self) -> &[CachedSkill] {
        &self.trees.known
    }

    /// Loads the files of these folders from the cache, as far as they are there. A cached
    /// package that is not the one of the commit, to the last byte by git's own ids, is not used.
    ///
    /// # Errors
    /// `Integrity` for objects that are broken.
    pub fn load_cached(&mut self, folders: &[&RelPath], cache: &Cache) -> Result<()> {
        let folders: HashSet<&RelPath> = folders.iter().copied().collect();
        let is_wanted = |known: &&CachedSkill| folders.contains(&known.folder);
        let known = self.trees.known.iter().filter(is_wanted);
        let wanted: Vec<&CachedSkill> = known.filter(|known| !self.has_folder(&known.folder)).collect();
        let found = Mutex::new(CachedObjects::open_for_collecting(&cache.folder().join("tmp")));
        parallel::run_jobs(parallel::count_cores(), &wanted, interrupt::check, |known| {
            if let Some(blobs) = self.cached_blobs(known, cache) {
                let mut found = found.lock().unwrap_or_else(PoisonError::into_inner);
                blobs.iter().for_each(|(id, bytes)| found.add(*id, bytes));
            }
            Ok(())
        })?;
        let found = found.into_inner().unwrap_or_else(PoisonError::into_inner);
        if found.is_empty() { Ok(()) } else { self.add_objects(GitObjects::from_cache(found)) }
    }

    /// True when everything below a folder is here.
    fn has_folder(&self, folder: &RelPath) -> bool {
        let is_here = |entry: &FileEntry| {
            self.blobs.id(entry).is_some_and(|id| self.blobs.has(id).is_ok_and(|is_here| is_here))
        };
        self.package.listing.entries_below(folder).iter().all(is_here)
    }

    /// The blobs of a cached package, if it is the one of the commit.
    fn cached_blobs(&self, known: &CachedSkill, cache: &Cache) -> Option<Vec<(Oid, Vec<u8>)>> {
        let cached = cache.get(&known.digest)?;
        let mut blobs = Vec::new();
        for entry in cached.listing.entries() {
            let bytes = match &entry.node {
                Node::Link { target } => target.clone().into_bytes(),
                _ => cached.read(entry).ok()?.into_owned(),
            };
            blobs.push((Oid::hash_object(ObjectType::Blob, &bytes).ok()?, bytes));
        }
        let ids: HashSet<Oid> = blobs.iter().map(|(id, _)| *id).collect();
        let is_there = |entry: &FileEntry| self.blobs.id(entry).is_some_and(|id| ids.contains(&id));
        self.package.listing.entries_below(&known.folder).iter().all(is_there).then_some(blobs)
    }

    /// Remembers the commit with more of its skills, so that they can be loaded again without
    /// their host.
    pub fn remember(&self, resolved: &Resolved, more: &[CachedSkill], cache: &Cache) {
        let Revision::Commit(sha) = &resolved.pin else { return };
        let CommitTrees { repository, objects, .. } = &self.trees;
        if objects.is_local() {
            return;
        }
        let is_manifest = |entry: &&FileEntry| {
            matches!(entry.node, Node::File { .. }) && matches!(entry.path.name(), MANIFEST | LOWER_MANIFEST)
        };
        let manifests = self.package.listing.entries().iter().filter(is_manifest);
        let all = manifests.filter_map(|entry| Some((entry.path.folder(), self.blobs.id(entry)?))).collect();
        let read = |id| {
            let owner = self.blobs.added_with(id).ok().flatten().unwrap_or(objects);
            owner.find(id, ObjectType::Blob, LARGEST_MANIFEST).ok().flatten()
        };
        commit_index::store_commit(repository, sha, objects, &Manifests { all, read: &read }, more, cache);
    }

    /// The blobs of the files that `wanted` says and that are not here.
    ///
    /// # Errors
    /// `Integrity` for objects that are broken.
    pub(super) fn absent_objects_of(&self, wanted: &dyn Fn(&FileEntry) -> bool) -> Result<Absent> {
        let mut absent = Absent { wanted: BTreeSet::new(), all: 0 };
        for entry in self.package.listing.entries() {
            let Some(id) = self.blobs.id(entry) else { continue };
            if !matches!(entry.node, Node::File { .. } | Node::Link { .. }) {
                continue;
            }
            absent.all += 1;
            if wanted(entry) && !self.blobs.has(id)? {
                absent.wanted.insert(id);
            }
        }
        Ok(absent)
    }

    /// Adds blobs that were fetched, and completes the listing by them.
    ///
    /// # Errors
    /// `Integrity` for objects that are broken.
    pub(super) fn add_objects(&mut self, objects: GitObjects) -> Result<()> {
        let (mut broken, blobs) = (None, &mut self.blobs);
        self.package.listing.complete_entries(|entry| {
            let id = blobs.ids.get(entry.slot)?;
            walk::complete_entry(&objects, *id, entry).unwrap_or_else(|e| {
                broken = Some(e);
                None
            })
        });
        blobs.added.push(Arc::new(objects));
        self.package.set_contents(blobs.clone());
        broken.map_or(Ok(()), Err)
    }

    /// The git tree id of a folder, 40 hex digits; `None` where there is no
    /// such folder. Equal ids mean equal content, so an update can see which skills changed.
    pub fn folder_id(&self, folder: &RelPath) -> Option<String> {
        let CommitTrees { objects, root, folders, .. } = &self.trees;
        let known = folders.get(folder.as_str()).copied();
        let id = known.or_else(|| walk::folder_id(objects, *root, folder.as_str()).ok().flatten());
        id.map(|id| id.to_string())
    }
}

/// Blobs that are still with their host.
#[derive(Debug)]
pub(super) struct Absent {
    pub(super) wanted: BTreeSet<Oid>,
    /// Files and links of the whole listing.
    all: usize,
}

impl Absent {
    /// True where one pack of everything, which a host has ready, is the cheaper way.
    pub(super) fn is_most(&self) -> bool {
        self.wanted.len() > FEW_BLOBS && self.wanted.len() > self.all / 2
    }
}
