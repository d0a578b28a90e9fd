//! Deeds: a skill as the registry records it, and where its files are. What a cache keeps is
//! opened when it is written and closed after it, so that memory does not grow with the number
//! of recorded skills.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use ba_agent_core::digest::Digest;
use ba_agent_core::error::{Result, error};
use ba_agent_core::package::Package;
use ba_agent_core::path::RelPath;
use ba_agent_core::registry::LockEntry;
use ba_agent_system::cache::Cache;

/// A skill as the registry records it, and the files that belong to it.
#[derive(Debug)]
pub(crate) struct Recorded {
    pub(crate) entry: LockEntry,
    /// What the bytes must be: the record's digest, or that of edits which a rollback brings back.
    pub(crate) digest: Digest,
    pub(crate) files: RecordedFiles,
}

/// Where the files of a recorded skill are.
#[derive(Debug)]
pub(crate) enum RecordedFiles {
    /// The author's folder of a live link: nothing is written.
    Live(PathBuf),
    /// In a cache, by their digest.
    Kept(Arc<KeptTrees>),
    /// In the package that was fetched, below this folder.
    Fetched(Arc<Package>, RelPath),
    /// At their first place, as they were recorded: only links to it are made.
    InPlace,
    /// In this folder, with everything that was edited there.
    Lying(PathBuf),
}

impl Recorded {
    /// A skill whose files stand at their first place; its links alone are made.
    pub(crate) fn in_place(entry: &LockEntry) -> Self {
        Self { entry: entry.clone(), digest: entry.digest.clone(), files: RecordedFiles::InPlace }
    }

    /// True where nothing is to be written but links.
    pub(crate) fn is_in_place(&self) -> bool {
        matches!(self.files, RecordedFiles::InPlace)
    }

    /// The package with the files of the skill, and their folder in it.
    ///
    /// # Errors
    /// `Failed` where the cache has lost them meanwhile ([`KeptTrees::lost`] then says so), and
    /// for a live link, which has none.
    pub(crate) fn open(&self) -> Result<(Arc<Package>, RelPath)> {
        match &self.files {
            RecordedFiles::Kept(kept) => {
                let package = kept.open(&self.digest).ok_or_else(|| {
                    error!(Failed, "the files of {} have vanished from the cache", self.entry.source)
                        .cause(format!("missing: {}", self.digest))
                        .hint("run the command again")
                })?;
                Ok((Arc::new(package), RelPath::ROOT))
            }
            RecordedFiles::Fetched(package, folder) => Ok((Arc::clone(package), folder.clone())),
            RecordedFiles::Live(_) | RecordedFiles::InPlace | RecordedFiles::Lying(_) => {
                Err(error!(Failed, "`{}` has no files but those at its place", self.entry.source))
            }
        }
    }

    /// What a live link points at.
    pub(crate) fn live_folder(&self) -> Option<&Path> {
        match &self.files {
            RecordedFiles::Live(folder) => Some(folder),
            RecordedFiles::Kept(_)
            | RecordedFiles::Fetched(..)
            | RecordedFiles::InPlace
            | RecordedFiles::Lying(_) => None,
        }
    }

    /// The folder that is copied as it lies, with edits.
    pub(crate) fn lying_folder(&self) -> Option<&Path> {
        match &self.files {
            RecordedFiles::Lying(folder) => Some(folder),
            _ => None,
        }
    }

    /// True where the files come out of a cache, which need not keep them again.
    pub(crate) fn is_kept(&self) -> bool {
        matches!(self.files, RecordedFiles::Kept(_))
    }
}

/// The caches that have the trees of recorded skills, looked through in order.
#[derive(Debug)]
pub(crate) struct KeptTrees {
    caches: Vec<Cache>,
    /// Trees that were to be there and could not be opened: broken, or evicted by another command.
    lost: Mutex<BTreeSet<Digest>>,
}

impl KeptTrees {
    pub(crate) fn new(caches: Vec<Cache>) -> Self {
        Self { caches, lost: Mutex::default() }
    }

    /// True when the tree of this digest seems to be there.
    pub(crate) fn has(&self, digest: &Digest) -> bool {
        let is_lost = self.lost.lock().unwrap_or_else(PoisonError::into_inner).contains(digest);
        !is_lost && self.caches.iter().any(|cache| cache.has(digest))
    }

    /// Opens a tree if it seems to be there; true when it is.
    pub(crate) fn check(&self, digest: &Digest) -> bool {
        self.has(digest) && self.open(digest).is_some()
    }

    /// The tree of this digest, every byte verified; one that cannot be opened is lost.
    fn open(&self, digest: &Digest) -> Option<Package> {
        let package = self.caches.iter().find_map(|cache| cache.get(digest));
        if package.is_none() {
            self.mark_lost(digest);
        }
        package
    }

    /// From now on this tree is not there, whatever a cache seems to have.
    pub(crate) fn mark_lost(&self, digest: &Digest) {
        self.lost.lock().unwrap_or_else(PoisonError::into_inner).insert(digest.clone());
    }

    /// How many trees could not be opened. A command whose trees got lost on the way fetches
    /// them and begins anew.
    pub(crate) fn lost(&self) -> usize {
        self.lost.lock().unwrap_or_else(PoisonError::into_inner).len()
    }
}
