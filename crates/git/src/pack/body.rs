//! The bytes of a pack as they came. A few are kept in memory; of many only those that
//! were not taken apart yet, the others are in a file without a name, to be read again where
//! an object is made of them, or by libgit2 when a pack turns out to be beyond this module.

use std::borrow::Cow;
use std::fs::File;
use std::io::{self, Cursor, Read, Seek as _, SeekFrom, Write as _};
use std::ops::Range;
use std::path::{Path, PathBuf};

use sha1::{Digest as _, Sha1};

use super::spill::read_at;

/// Bytes of the checksum at the end.
pub(super) const SUM: usize = 20;

/// The bytes so far.
#[derive(Debug)]
pub(crate) struct Body {
    held: Vec<u8>,
    /// Where the first of them stands in the pack.
    base: usize,
    /// Where all are once they are many.
    file: Option<File>,
    folder: PathBuf,
    /// Bytes that are held before there is a file.
    most: usize,
    /// Of all bytes but the last twenty, which may be the checksum.
    sum: Sha1,
    last: Vec<u8>,
}

impl Body {
    /// No bytes; a file would be made in `folder`.
    pub(super) fn new(folder: &Path, most: usize) -> Self {
        Self {
            held: Vec::new(),
            base: 0,
            file: None,
            folder: folder.to_owned(),
            most,
            sum: Sha1::new(),
            last: Vec::new(),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.base + self.held.len()
    }

    /// What is held, and where it begins.
    pub(super) fn window(&self) -> (&[u8], usize) {
        (&self.held, self.base)
    }

    /// Takes more bytes.
    ///
    /// # Errors
    /// Those of the file.
    pub(super) fn push(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.add_to_sum(bytes);
        self.held.extend_from_slice(bytes);
        match &mut self.file {
            Some(file) => file.write_all(bytes),
            None if self.held.len() > self.most => self.put_into_file(),
            None => Ok(()),
        }
    }

    fn add_to_sum(&mut self, bytes: &[u8]) {
        match bytes.split_at_checked(bytes.len().wrapping_sub(SUM)) {
            Some((before, last)) => {
                self.sum.update(&self.last);
                self.sum.update(before);
                last.clone_into(&mut self.last);
            }
            None => {
                self.last.extend_from_slice(bytes);
                let summed = self.last.len().saturating_sub(SUM);
                self.sum.update(self.last.get(..summed).unwrap_or_default());
                self.last.drain(..summed);
            }
        }
    }

    fn put_into_file(&mut self) -> io::Result<()> {
        let made = std::fs::create_dir_all(&self.folder).and_then(|()| tempfile::tempfile_in(&self.folder));
        // A cache that cannot be written must not stop an installation.
        let mut file = made.or_else(|_| tempfile::tempfile())?;
        file.write_all(&self.held)?;
        self.file = Some(file);
        Ok(())
    }

    /// States that what stands before `at` was taken apart.
    pub(super) fn taken(&mut self, at: usize) {
        let done = at.saturating_sub(self.base).min(self.held.len());
        // Moving the rest forward costs; so only when most of it is done.
        if self.file.is_some() && done > self.held.len() / 2 {
            self.held.drain(..done);
            self.base += done;
        }
    }

    /// Whether the last twenty bytes are the checksum of all others (gitformat-pack).
    pub(super) fn is_sound(&self) -> bool {
        self.last.len() == SUM && self.sum.clone().finalize().as_slice() == self.last
    }

    /// The bytes at these places.
    ///
    /// # Errors
    /// Those of the file; `UnexpectedEof` where there are fewer.
    pub(super) fn read(&self, range: Range<usize>) -> io::Result<Cow<'_, [u8]>> {
        match &self.file {
            None => match self.held.get(range) {
                Some(bytes) => Ok(Cow::Borrowed(bytes)),
                None => Err(io::ErrorKind::UnexpectedEof.into()),
            },
            Some(file) => read_at(file, range.start as u64, range.len()).map(Cow::Owned),
        }
    }

    /// Lets go of what is held of bytes that are in a file.
    pub(super) fn close(&mut self) {
        if self.file.is_some() {
            (self.held, self.base) = (Vec::new(), self.len());
        }
    }

    /// All bytes from the first on.
    ///
    /// # Errors
    /// Those of the file.
    pub(crate) fn into_reader(self) -> io::Result<Box<dyn Read>> {
        match self.file {
            None => Ok(Box::new(Cursor::new(self.held))),
            Some(mut file) => {
                file.seek(SeekFrom::Start(0))?;
                Ok(Box::new(file))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_the_same_in_memory_and_in_a_file() {
        let dir = tempfile::tempdir().unwrap();
        let bytes: Vec<u8> = (0..1_000_u32).map(|n| n as u8).collect();
        for (most, step) in [(5_000, 7), (300, 7), (300, 400), (0, 1)] {
            let mut body = Body::new(&dir.path().join("tmp"), most);
            for (n, chunk) in bytes.chunks(step).enumerate() {
                body.push(chunk).unwrap();
                body.taken((n + 1) * step - step / 2);
                let (held, base) = body.window();
                assert_eq!(held, &bytes[base..body.len()]);
            }
            assert!(most > 1_000 || body.window().1 > 0, "most of it was let go");
            body.close();
            assert_eq!((body.len(), body.read(10..900).unwrap().as_ref()), (1_000, &bytes[10..900]));
            assert!(body.read(990..1_001).is_err());
            let mut all = Vec::new();
            body.into_reader().unwrap().read_to_end(&mut all).unwrap();
            assert_eq!(all, bytes);
        }
        assert_eq!(std::fs::read_dir(dir.path().join("tmp")).unwrap().count(), 0);
    }

    #[test]
    fn the_last_bytes_must_be_the_sum_of_all_others() {
        for length in [0, 1, 19, 20, 21, 500] {
            let bytes = vec![7; length];
            let whole = [&bytes[..], &Sha1::digest(&bytes)].concat();
            for step in [1, 20, 33, 1_000] {
                let mut body = Body::new(Path::new("none"), 5_000);
                whole.chunks(step).for_each(|chunk| body.push(chunk).unwrap());
                assert!(body.is_sound(), "{length} bytes by {step}");
                body.push(b"x").unwrap();
                assert!(!body.is_sound());
            }
        }
        assert!(!Body::new(Path::new("none"), 9).is_sound());
    }
}
