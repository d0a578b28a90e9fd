//! Loose objects of repositories of this machine. Read here, because libgit2
//! 1.9.7 spins for ever on one that is cut short, as a power loss leaves them.

use std::fs::File;
use std::io::{Read, Take};
use std::path::{Path, PathBuf};

use flate2::read::ZlibDecoder;
use git2::{ObjectType, Oid};

use ba_agent_core::error::{Error, Result, error, fail};
use ba_agent_system::fsx;

/// Bytes of `TYPE SIZE NUL` before the content: `commit`, a blank, 20 digits, NUL.
const LONGEST_HEAD: usize = 28;

type Inflated = Take<ZlibDecoder<File>>;

/// Entries of `objects/` that are looked at; git makes 258.
const MOST_FOLDERS: usize = 4_096;

/// The loose objects of a repository. Which of the folders `objects/00` to `objects/ff` there are
/// is looked at once: a packed repository has nearly none, and one skill out of a clone of 66 cost
/// 804 files that were looked for in vain, two system calls each. What comes into a new folder
/// later, libgit2 finds.
#[derive(Debug)]
pub(crate) struct LooseObjects {
    objects: PathBuf,
    has_folder: [bool; 256],
}

impl LooseObjects {
    /// Those below this git folder.
    pub(crate) fn of(git_folder: &Path) -> Self {
        let objects = git_folder.join("objects");
        let has_folder = folders_of(&objects).unwrap_or([true; 256]);
        Self { objects, has_folder }
    }

    /// The object, or `None` when it is not there as a file of its own.
    ///
    /// # Errors
    /// `Integrity` for one that is cut short, larger than `cap`, or not what its id says.
    pub(crate) fn read_loose(&self, id: Oid, cap: u64) -> Result<Option<(ObjectType, Vec<u8>)>> {
        let Some(mut inflated) = self.open_loose_object(id) else { return Ok(None) };
        let damaged = || -> Error {
            error!(Integrity, "the object {id} is damaged")
                .hint("`git fsck` in that repository says more; `git fetch` may bring the object again")
        };
        let (kind, size) = read_loose_head(&mut inflated).ok_or_else(damaged)?;
        if size > cap {
            fail!(Integrity, "the object {id} has {size} bytes; the limit is {cap}");
        }
        inflated.set_limit(size.saturating_add(1));
        let mut bytes = Vec::new();
        inflated.read_to_end(&mut bytes).map_err(|_| damaged())?;
        let is_whole = bytes.len() as u64 == size;
        if !is_whole || !Oid::hash_object(kind, &bytes).is_ok_and(|found| found == id) {
            return Err(damaged());
        }
        Ok(Some((kind, bytes)))
    }

    /// The size in the head: `None` when there is no such file, `Some(None)` when its head
    /// is broken.
    pub(crate) fn loose_size(&self, id: Oid) -> Option<Option<u64>> {
        let mut inflated = self.open_loose_object(id)?;
        Some(read_loose_head(&mut inflated).map(|(_, size)| size))
    }

    fn open_loose_object(&self, id: Oid) -> Option<Inflated> {
        if !self.has_folder[usize::from(*id.as_bytes().first()?)] {
            return None;
        }
        let name = id.to_string();
        let (folder, file) = name.split_at_checked(2)?;
        let (file, _) = fsx::open_plain_file(&self.objects.join(folder).join(file)).ok()??;
        Some(ZlibDecoder::new(file).take(LONGEST_HEAD as u64))
    }
}

/// Which of the 256 folders of loose objects there are; `None` where that cannot be said.
fn folders_of(objects: &Path) -> Option<[bool; 256]> {
    let mut has_folder = [false; 256];
    for (at, entry) in std::fs::read_dir(objects).ok()?.enumerate() {
        let name = entry.ok().filter(|_| at < MOST_FOLDERS)?.file_name();
        let number = name.to_str().filter(|name| name.len() == 2).map(|name| u8::from_str_radix(name, 16));
        if let Some(Ok(number)) = number {
            has_folder[usize::from(number)] = true;
        }
    }
    Some(has_folder)
}

/// Takes `TYPE SIZE NUL` from the front, byte by byte; the limit of `inflated` bounds it.
fn read_loose_head(inflated: &mut Inflated) -> Option<(ObjectType, u64)> {
    let mut text = Vec::new();
    loop {
        let mut byte = [0];
        inflated.read_exact(&mut byte).ok()?;
        if byte == [0] {
            break;
        }
        text.extend(byte);
    }
    let (kind, size) = std::str::from_utf8(&text).ok()?.split_once(' ')?;
    Some((ObjectType::from_str(kind)?, size.parse().ok()?))
}
