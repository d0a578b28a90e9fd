//! Objects that were inflated once and need not be inflated again, in a file without a
//! name. Inflating took twice as long as all else that reading an object needs; memory has
//! other uses (2,417 skills are 82 MiB).

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

/// A file that goes when it is dropped. Used by many threads.
#[derive(Debug)]
pub(crate) struct Spill {
    folder: PathBuf,
    /// Made when it is first needed; `None` where none can be made: then nothing is taken.
    file: OnceLock<Option<File>>,
    end: AtomicU64,
    most: u64,
}

impl Spill {
    /// A spill of at most `most` bytes, in `folder`, which is made where it is missing.
    pub(crate) fn new(folder: &Path, most: u64) -> Self {
        Self { folder: folder.to_owned(), file: OnceLock::new(), end: AtomicU64::new(0), most }
    }

    /// Takes bytes; where they stand, or `None` where there is no room.
    pub(crate) fn add(&self, bytes: &[u8]) -> Option<u64> {
        if self.most == 0 {
            return None;
        }
        let make =
            || std::fs::create_dir_all(&self.folder).and_then(|()| tempfile::tempfile_in(&self.folder));
        let file = self.file.get_or_init(|| make().ok()).as_ref()?;
        let length = bytes.len() as u64;
        let offset = self.end.fetch_add(length, Ordering::Relaxed);
        if offset.saturating_add(length) > self.most {
            self.end.fetch_sub(length, Ordering::Relaxed);
            return None;
        }
        write_at(file, bytes, offset).ok().map(|()| offset)
    }

    /// The bytes that stand there.
    ///
    /// # Errors
    /// Those of the disk.
    pub(crate) fn read(&self, offset: u64, length: usize) -> std::io::Result<Vec<u8>> {
        match self.file.get().and_then(Option::as_ref) {
            Some(file) => read_at(file, offset, length),
            None => Err(std::io::ErrorKind::NotFound.into()),
        }
    }
}

#[cfg(unix)]
fn write_at(file: &File, bytes: &[u8], offset: u64) -> std::io::Result<()> {
    std::os::unix::fs::FileExt::write_all_at(file, bytes, offset)
}

/// So many bytes from `offset` on.
///
/// # Errors
/// Those of the disk; `UnexpectedEof` where there are fewer.
#[cfg(unix)]
pub(super) fn read_at(file: &File, offset: u64, length: usize) -> std::io::Result<Vec<u8>> {
    // Not filled with zeros first: every file of every skill comes this way.
    let mut bytes = Vec::with_capacity(length);
    while bytes.len() < length {
        let at = offset + bytes.len() as u64;
        match rustix::io::pread(file, rustix::buffer::spare_capacity(&mut bytes), at) {
            Ok(0) => return Err(std::io::ErrorKind::UnexpectedEof.into()),
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    bytes.truncate(length);
    Ok(bytes)
}

#[cfg(windows)]
fn write_at(file: &File, mut bytes: &[u8], mut offset: u64) -> std::io::Result<()> {
    while !bytes.is_empty() {
        let written = std::os::windows::fs::FileExt::seek_write(file, bytes, offset)?;
        if written == 0 {
            return Err(std::io::ErrorKind::WriteZero.into());
        }
        bytes = bytes.get(written..).unwrap_or_default();
        offset += written as u64;
    }
    Ok(())
}

/// So many bytes from `offset` on.
///
/// # Errors
/// Those of the disk; `UnexpectedEof` where there are fewer.
#[cfg(windows)]
pub(super) fn read_at(file: &File, offset: u64, length: usize) -> std::io::Result<Vec<u8>> {
    let (mut bytes, mut done) = (vec![0; length], 0);
    while let Some(rest) = bytes.get_mut(done..).filter(|rest| !rest.is_empty()) {
        let read = std::os::windows::fs::FileExt::seek_read(file, rest, offset + done as u64)?;
        if read == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        done += read;
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fits_is_read_back_and_the_rest_is_not_taken() {
        let dir = tempfile::tempdir().unwrap();
        let spill = Spill::new(&dir.path().join("deep/tmp"), 10);
        let (first, second) = (spill.add(b"abcd").unwrap(), spill.add(b"efgh").unwrap());
        assert_eq!(spill.add(b"ijk"), None);
        assert_eq!(spill.read(spill.add(b"xy").unwrap(), 2).unwrap(), b"xy");
        assert_eq!(spill.read(second, 4).unwrap(), b"efgh");
        assert_eq!(spill.read(first, 4).unwrap(), b"abcd");
        assert!(spill.read(first, 400).is_err());
        assert!(Spill::new(dir.path(), 0).add(b"x").is_none());
        assert!(Spill::new(Path::new("/dev/null/x"), 9).add(b"x").is_none());
        assert_eq!(std::fs::read_dir(dir.path().join("deep/tmp")).unwrap().count(), 0, "it has no name");
    }
}
