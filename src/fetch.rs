//! World: from a request to a tree. One match over [`Source`](crate::source::Source),
//! one file below `fetch/` for each way to obtain a tree or to reach a host.

pub(crate) mod archive;
pub(crate) mod auth;
pub(crate) mod git;
pub(crate) mod http;
pub(crate) mod local;
pub(crate) mod marketplace;
pub(crate) mod npm;
pub(crate) mod obstacle;
mod open;
mod package;
mod served;
pub(crate) mod ssh;

#[cfg(test)]
pub(crate) mod testing;

#[cfg(test)]
#[path = "../tests/support/server.rs"]
pub(crate) mod testserver;

pub(crate) use git::{Extent, Known, canonical_url};
pub(crate) use open::{OpenOptions, local_folder, open, origin_key};
pub(crate) use package::PackageSource;

use std::borrow::Cow;
use std::collections::HashSet;
use std::path::{Path, PathBuf};

use crate::cache::Cache;
use crate::error::{Result, error};
use crate::fsx;
use crate::layout::Env;
use crate::listing::{FileEntry, Listing};
use crate::path::RelPath;
use crate::settings::Settings;
use crate::source::Resolved;

/// What a face gives to see how a fetch goes.
pub(crate) trait Progress: Sync {
    /// A step begins, for instance "Fetching anthropics/skills".
    fn begin(&self, what: &str);
    /// How far it is, in bytes or objects; the total where it is known.
    fn advance(&self, done: u64, total: Option<u64>);
}

/// What every way to fetch needs.
pub(crate) struct World<'a> {
    pub(crate) env: &'a Env,
    pub(crate) settings: &'a Settings,
    /// What relative paths of sources start from.
    pub(crate) base: &'a Path,
    /// `--offline`: no connection is opened, no subprocess started.
    pub(crate) offline: bool,
    pub(crate) progress: &'a dyn Progress,
    /// The one HTTP client of the run; nothing is built before the first request.
    pub(crate) http: http::Http,
    /// What the hosts of repositories said first.
    pub(crate) greetings: git::Greetings,
    /// What their refs are, as far as they were asked for.
    pub(crate) listings: git::Listings,
    /// What was fetched before; `None` where there is no place for it.
    pub(crate) cache: Option<Cache>,
    /// Files and folders that ba-agent itself keeps in this scope: no part of a skill that
    /// happens to lie around them. Asked only when a local folder is read.
    pub(crate) own: Option<Own<'a>>,
}

/// See [`World::own`].
pub(crate) type Own<'a> = Box<dyn Fn() -> Vec<PathBuf> + Sync + 'a>;

impl<'a> World<'a> {
    pub(crate) fn new(
        env: &'a Env,
        settings: &'a Settings,
        base: &'a Path,
        offline: bool,
        progress: &'a dyn Progress,
        cache: Option<Cache>,
    ) -> Self {
        let (http, greetings, listings) = Default::default();
        Self { env, settings, base, offline, progress, http, greetings, listings, cache, own: None }
    }

    /// The same world, where these files and folders are ba-agent's own.
    pub(crate) fn with_own(self, own: Own<'a>) -> Self {
        Self { own: Some(own), ..self }
    }
}

/// A tree that was fetched: its listing, and a way to its bytes.
pub(crate) struct Tree {
    pub(crate) listing: Listing,
    /// Files of the macOS Finder that were left out (see [`is_clutter`]), for the report.
    pub(crate) skipped: usize,
    blobs: Blobs,
}

/// Where the bytes of a tree are; [`FileEntry::slot`] counts into it.
enum Blobs {
    Memory(Vec<Vec<u8>>),
    Embedded(Vec<&'static [u8]>),
    /// The folder, and how many bytes a file of it may have.
    Folder(PathBuf, u64),
    /// One buffer, and where each blob is in it.
    Packed(Vec<u8>, Vec<std::ops::Range<usize>>),
    Git(git::Blobs),
}

/// Says how much, not what: trees are large.
impl std::fmt::Debug for Tree {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Tree({} entries)", self.listing.entries().len())
    }
}

impl Tree {
    /// A tree whose bytes are in memory; slot `n` of an entry is `blobs[n]`.
    pub(crate) fn in_memory(listing: Listing, blobs: Vec<Vec<u8>>) -> Self {
        Self { listing, skipped: 0, blobs: Blobs::Memory(blobs) }
    }

    /// A tree of bytes inside the program; slot `n` of an entry is `blobs[n]`.
    pub(crate) fn embedded(listing: Listing, blobs: Vec<&'static [u8]>) -> Self {
        Self { listing, skipped: 0, blobs: Blobs::Embedded(blobs) }
    }

    /// A tree whose bytes stand in one buffer; slot `n` of an entry is `ranges[n]`.
    pub(crate) fn packed(listing: Listing, bytes: Vec<u8>, ranges: Vec<std::ops::Range<usize>>) -> Self {
        Self { listing, skipped: 0, blobs: Blobs::Packed(bytes, ranges) }
    }

    /// A tree on the disk below `root`, whose files are read up to a size of `largest`: who
    /// knows what lies there.
    pub(crate) fn folder(listing: Listing, root: PathBuf, largest: u64) -> Self {
        Self { listing, skipped: 0, blobs: Blobs::Folder(root, largest) }
    }

    /// A tree out of a git repository.
    pub(crate) fn git(listing: Listing, blobs: git::Blobs) -> Self {
        Self { listing, skipped: 0, blobs: Blobs::Git(blobs) }
    }

    /// The blobs that `wanted` says and that are not here; `None` for a tree that did not
    /// come out of git, which is whole.
    ///
    /// # Errors
    /// `Integrity` for objects that are broken.
    pub(crate) fn absent(&self, wanted: &dyn Fn(&FileEntry) -> bool) -> Result<Option<git::Absent>> {
        match &self.blobs {
            Blobs::Git(blobs) => blobs.absent(&self.listing, wanted).map(Some),
            _ => Ok(None),
        }
    }

    /// True when files of it may be missing.
    pub(crate) fn is_partial(&self) -> bool {
        matches!(&self.blobs, Blobs::Git(blobs) if blobs.is_partial())
    }

    /// What earlier commands have found out about the skills of its commit.
    pub(crate) fn known(&self) -> &[Known] {
        match &self.blobs {
            Blobs::Git(blobs) => blobs.known(),
            _ => &[],
        }
    }

    /// Takes the files of these folders out of the cache, where they are known to be there.
    ///
    /// # Errors
    /// `Integrity` for objects that are broken.
    pub(crate) fn load_cached(&mut self, folders: &HashSet<&str>, cache: &Cache) -> Result<()> {
        match &mut self.blobs {
            Blobs::Git(blobs) => blobs.load_cached(&mut self.listing, folders, cache),
            _ => Ok(()),
        }
    }

    /// Remembers skills of its commit, so that they can be had again without their host.
    pub(crate) fn remember(&self, resolved: &Resolved, more: &[Known], cache: &Cache) {
        if let Blobs::Git(blobs) = &self.blobs {
            blobs.remember(&self.listing, resolved, more, cache);
        }
    }

    /// Takes blobs of it that came later than the listing.
    ///
    /// # Errors
    /// `Integrity` for objects that are broken.
    pub(crate) fn add_objects(&mut self, objects: git::objects::Objects) -> Result<()> {
        match &mut self.blobs {
            Blobs::Git(blobs) => blobs.add_objects(&mut self.listing, objects),
            _ => Ok(()),
        }
    }

    /// The git tree id of a folder (`""` is the top), 40 hex digits; `None` for trees
    /// that did not come out of git, and where there is no such folder. Equal ids mean
    /// equal content, so an update can tell which skills to touch.
    pub(crate) fn folder_id(&self, folder: &str) -> Option<String> {
        match &self.blobs {
            Blobs::Git(blobs) => blobs.folder_id(folder),
            _ => None,
        }
    }

    /// The git id of a file, link or submodule, 40 hex digits; `None` for trees that did not
    /// come out of git.
    pub(crate) fn object_id(&self, entry: &FileEntry) -> Option<String> {
        match &self.blobs {
            Blobs::Git(blobs) => blobs.object_id(entry),
            _ => None,
        }
    }

    /// The bytes of a file of this tree. May be called from several threads.
    ///
    /// # Errors
    /// `Integrity` when the bytes are not what the listing says, `Failed` when the disk
    /// cannot give them.
    pub(crate) fn read(&self, entry: &FileEntry) -> Result<Cow<'_, [u8]>> {
        let gone = || error!(Integrity, "the bytes of `{}` are missing", entry.path);
        match &self.blobs {
            Blobs::Memory(blobs) => blobs.get(entry.slot).map(|b| Cow::Borrowed(&b[..])).ok_or_else(gone),
            Blobs::Embedded(blobs) => blobs.get(entry.slot).map(|b| Cow::Borrowed(*b)).ok_or_else(gone),
            Blobs::Packed(bytes, ranges) => {
                let range = ranges.get(entry.slot).cloned();
                range.and_then(|range| bytes.get(range)).map(Cow::Borrowed).ok_or_else(gone)
            }
            Blobs::Git(blobs) => Ok(Cow::Owned(blobs.read(entry)?)),
            Blobs::Folder(_, largest) if entry.size > *largest => {
                Err(error!(Invalid, "`{}` has {} bytes: a file may have {largest}", entry.path, entry.size))
            }
            Blobs::Folder(root, largest) => {
                let bytes = fsx::read_plain_file(&root.join(entry.path.as_str()), *largest)?;
                bytes.map(Cow::Owned).ok_or_else(gone)
            }
        }
    }
}

/// What the Finder and macOS' archivers add beside the files: `__MACOSX/`, `._x` (the
/// AppleDouble form of `x`) and `.DS_Store`. It is never part of a skill, so that the
/// same skill packed on another system has the same digest.
pub(crate) fn is_clutter(path: &RelPath) -> bool {
    path.as_str().split('/').any(|name| name == "__MACOSX" || name == ".DS_Store" || name.starts_with("._"))
}
