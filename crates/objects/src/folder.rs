//! Files in a folder. Each is written beside its place, flushed and renamed. Whoever writes on
//! condition holds the one lock of the folder for that moment; no link below it is followed.

use std::path::{Path, PathBuf};
use std::time::Duration;

use ba_agent_core::digest::sha256_hex;
use ba_agent_core::error::{Result, error, printable};
use ba_agent_system::{fsx, interrupt};
use walkdir::WalkDir;

use crate::{ListedObject, ObjectTag, StoredObject};

/// The lock of the folder. Its name begins with a dot, which no file of a registry's own does but
/// `.well-known`.
const LOCK: &str = ".lock";
/// How long a writer waits for another one: each holds the lock for one file.
const PATIENCE: Duration = Duration::from_secs(30);

/// A folder with the files of a registry.
#[derive(Debug, Clone)]
pub struct FolderObjects {
    root: PathBuf,
    /// As the person wrote it.
    written: String,
}

impl FolderObjects {
    /// The files of this folder, which need not be there yet.
    pub fn new(root: PathBuf) -> Self {
        let written = root.to_string_lossy().into_owned();
        Self { root, written }
    }

    /// The same folder, which messages call so.
    pub(crate) fn called(self, written: &str) -> Self {
        Self { written: written.to_owned(), ..self }
    }

    /// The folder itself.
    pub fn folder(&self) -> &Path {
        &self.root
    }

    pub(crate) fn shown(&self) -> String {
        printable(&self.written, false)
    }

    /// # Errors
    /// Those of the method of [`crate::Objects`].
    pub(crate) fn get(&self, path: &str, cap: u64) -> Result<Option<StoredObject>> {
        let file = self.plain_place(path)?;
        let bytes = fsx::read_plain_file(&file, cap)?;
        Ok(bytes.map(|bytes| StoredObject { etag: tag_of(&bytes), bytes }))
    }

    /// # Errors
    /// Those of the method of [`crate::Objects`].
    pub(crate) fn put(&self, path: &str, bytes: &[u8]) -> Result<()> {
        let _lock = self.lock()?;
        self.write(path, bytes)
    }

    /// # Errors
    /// Those of the method of [`crate::Objects`].
    pub(crate) fn put_if_absent(&self, path: &str, bytes: &[u8]) -> Result<bool> {
        let _lock = self.lock()?;
        if fsx::exists(&self.plain_place(path)?) {
            return Ok(false);
        }
        self.write(path, bytes).map(|()| true)
    }

    /// # Errors
    /// Those of the method of [`crate::Objects`].
    pub(crate) fn put_if_match(&self, path: &str, bytes: &[u8], etag: &ObjectTag) -> Result<bool> {
        let _lock = self.lock()?;
        let there = fsx::read_plain_file(&self.plain_place(path)?, u64::MAX - 1)?;
        if there.is_none_or(|there| tag_of(&there) != *etag) {
            return Ok(false);
        }
        self.write(path, bytes).map(|()| true)
    }

    /// Writes many files for one flush: where a power cut may take them all, since they can be
    /// made anew. Each is whole or not there as long as the machine runs.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn put_all<'f>(&self, files: impl IntoIterator<Item = (&'f str, &'f [u8])>) -> Result<()> {
        let _lock = self.lock()?;
        for (path, bytes) in files {
            let place = self.make_place(path)?;
            fsx::write_unflushed(&place, bytes)?;
        }
        Ok(fsx::sync_tree(&self.root)?)
    }

    /// # Errors
    /// Those of the method of [`crate::Objects`].
    pub(crate) fn list(&self, folder: &str) -> Result<Vec<ListedObject>> {
        let start = if folder.is_empty() { self.root.clone() } else { self.plain_place(folder)? };
        let mut listed = Vec::new();
        if !fsx::exists(&start) {
            return Ok(listed);
        }
        for entry in WalkDir::new(&start).follow_links(false).min_depth(1) {
            interrupt::check()?;
            let entry = entry.map_err(std::io::Error::from)?;
            let path = entry.path().strip_prefix(&self.root).unwrap_or(entry.path());
            let is_ours = path == Path::new(LOCK) || fsx::is_new_beside(path);
            if !entry.file_type().is_file() || is_ours {
                continue;
            }
            let path = path.to_string_lossy();
            let path = if cfg!(windows) { path.replace('\\', "/") } else { path.into_owned() };
            let size = entry.metadata().map_err(std::io::Error::from)?.len();
            listed.push(ListedObject { path, size });
        }
        listed.sort();
        Ok(listed)
    }

    /// # Errors
    /// Those of the method of [`crate::Objects`].
    pub(crate) fn delete(&self, path: &str) -> Result<()> {
        let _lock = self.lock()?;
        let place = self.plain_place(path)?;
        if fsx::exists(&place) {
            fsx::remove_file(&place)?;
        }
        let folders: Vec<PathBuf> = place
            .ancestors()
            .skip(1)
            .take_while(|above| *above != self.root)
            .map(Path::to_path_buf)
            .collect();
        for folder in folders {
            // The first that is not empty ends it.
            if std::fs::remove_dir(&folder).is_err() {
                break;
            }
        }
        Ok(())
    }

    fn write(&self, path: &str, bytes: &[u8]) -> Result<()> {
        let place = self.make_place(path)?;
        fsx::write_atomic(&place, bytes)
    }

    /// The place of a file, with the folders above it.
    fn make_place(&self, path: &str) -> Result<PathBuf> {
        let place = self.plain_place(path)?;
        fsx::create_folders(fsx::parent(&place))?;
        Ok(place)
    }

    /// The place of a file. Nothing on the way to it, and not itself, is a link.
    fn plain_place(&self, path: &str) -> Result<PathBuf> {
        let mut place = self.root.clone();
        for name in path.split('/') {
            place.push(name);
            let is_link = std::fs::symlink_metadata(&place).is_ok_and(|meta| meta.file_type().is_symlink());
            if is_link {
                let shown = printable(&place.to_string_lossy(), false);
                return Err(error!(Conflict, "`{shown}` is a link, which a registry does not have")
                    .hint("remove it: files of a registry are never read or written through links"));
            }
        }
        Ok(place)
    }

    /// The lock of the folder, which is made where it is missing; dropped it is free.
    fn lock(&self) -> Result<std::fs::File> {
        fsx::create_folders(&self.root)?;
        let path = self.root.join(LOCK);
        let is_link = std::fs::symlink_metadata(&path).is_ok_and(|meta| meta.file_type().is_symlink());
        if is_link {
            return Err(error!(Conflict, "`{}` is a link", printable(&path.to_string_lossy(), false)));
        }
        let mut options = fs_err::OpenOptions::new();
        let file = options.read(true).write(true).create(true).truncate(false).open(&path)?.into_parts().0;
        // Others hold it for one file: a moment first, then longer.
        let mut step = Duration::from_micros(50);
        let mut waited = Duration::ZERO;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(file),
                Err(std::fs::TryLockError::WouldBlock) if waited < PATIENCE => {
                    interrupt::sleep(step, || Ok(()))?;
                    waited += step;
                    step = (step * 2).min(Duration::from_millis(5));
                }
                Err(std::fs::TryLockError::WouldBlock) => {
                    return Err(error!(Conflict, "somebody else is writing to `{}`", self.shown())
                        .hint("try again when that is done"));
                }
                Err(std::fs::TryLockError::Error(e)) => {
                    return Err(error!(Failed, "`{}` cannot be locked", path.display()).cause(e));
                }
            }
        }
    }
}

fn tag_of(bytes: &[u8]) -> ObjectTag {
    ObjectTag(sha256_hex(bytes))
}
