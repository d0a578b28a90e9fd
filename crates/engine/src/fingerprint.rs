//! World: what tells a file as it is from what it was, without reading it.

use std::fs::Metadata;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use serde::{Deserialize, Serialize};

/// The state of one file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct Fingerprint {
    /// Nanoseconds since 1970.
    modified: i64,
    /// The same for when it was last written, renamed or given another mode: programs that put a
    /// file's time back do not reach this one.
    changed: i64,
    pub(crate) size: u64,
    device: u64,
    inode: u64,
    /// Names that the file has.
    links: u64,
}

impl Fingerprint {
    #[cfg(unix)]
    pub(crate) fn of(meta: &Metadata) -> Self {
        use std::os::unix::fs::MetadataExt as _;
        Self {
            modified: nanoseconds(meta.mtime(), meta.mtime_nsec()),
            changed: nanoseconds(meta.ctime(), meta.ctime_nsec()),
            size: meta.len(),
            device: meta.dev(),
            inode: meta.ino(),
            links: meta.nlink(),
        }
    }

    #[cfg(not(unix))]
    pub(crate) fn of(meta: &Metadata) -> Self {
        let since = meta.modified().ok().and_then(|at| at.duration_since(std::time::UNIX_EPOCH).ok());
        let modified = since.map_or(0, |since| i64::try_from(since.as_nanos()).unwrap_or(i64::MAX));
        Self { modified, changed: 0, size: meta.len(), device: 0, inode: 0, links: 0 }
    }

    /// What is the same for each way to the file, and each of its names; `None` where the system does
    /// not say.
    pub(crate) fn identity(&self) -> Option<(u64, u64)> {
        (self.links > 0).then_some((self.device, self.inode))
    }

    /// One number for all of it.
    pub(crate) fn stamp(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.hash(&mut hasher);
        hasher.finish()
    }

    /// Of a file that nobody has.
    #[cfg(test)]
    pub(crate) fn example(modified: i64) -> Self {
        Self { modified, changed: 1, size: 2, device: 3, inode: 4, links: 1 }
    }
}

#[cfg(unix)]
fn nanoseconds(seconds: i64, below: i64) -> i64 {
    seconds.saturating_mul(1_000_000_000).saturating_add(below)
}
