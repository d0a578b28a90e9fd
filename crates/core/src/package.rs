//! A package, the value that the whole program hands on: the listing of a source's
//! files, and a way to their bytes. How the bytes were fetched does not matter to whoever
//! reads them, so each way to fetch has an implementor of [`Contents`].

use std::borrow::Cow;
use std::ops::Range;
use std::sync::OnceLock;

use crate::dependency::SkillFolders;
use crate::digest::{self, Digest, Files, sha256_hex};
use crate::discover;
use crate::error::{Error, Result, error};
use crate::listing::{FileEntry, Listing, Node};
use crate::path::RelPath;

/// Where the bytes of a package are. May be read from several threads at once.
pub trait Contents: Send + Sync {
    /// The bytes of a file that the listing names.
    ///
    /// # Errors
    /// `Integrity` when the bytes are not what the listing says, `Failed` when the disk
    /// cannot read them.
    fn read(&self, entry: &FileEntry) -> Result<Cow<'_, [u8]>>;
}

/// The error for a file that is listed, but whose bytes are not there.
pub fn missing_bytes(entry: &FileEntry) -> Error {
    error!(Integrity, "the bytes of `{}` are missing", entry.path)
}

/// The files of a source or of an installed skill: their listing, and a way to their bytes.
pub struct Package {
    pub listing: Listing,
    /// Files of the macOS Finder that were left out (see [`is_clutter`]), for the report.
    pub skipped: usize,
    contents: Box<dyn Contents>,
    /// Looked for when somebody asks: a source may have thousands of files.
    folders: OnceLock<SkillFolders>,
}

/// Prints how many files there are, not which: packages are large.
impl std::fmt::Debug for Package {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Package({} entries)", self.listing.entries().len())
    }
}

impl Package {
    /// A package of these files, whose bytes are in `contents`.
    pub fn new(listing: Listing, contents: impl Contents + 'static) -> Self {
        Self { listing, skipped: 0, contents: Box::new(contents), folders: OnceLock::new() }
    }

    /// A package whose bytes are in memory; slot `n` of an entry is `blobs[n]`.
    pub fn in_memory(listing: Listing, blobs: Vec<Vec<u8>>) -> Self {
        Self::new(listing, MemoryContents(blobs))
    }

    /// A package of bytes inside the program; slot `n` of an entry is `blobs[n]`.
    pub fn embedded(listing: Listing, blobs: Vec<&'static [u8]>) -> Self {
        Self::new(listing, EmbeddedContents(blobs))
    }

    /// A package whose bytes are in one buffer; slot `n` of an entry is `ranges[n]`.
    pub fn packed(listing: Listing, bytes: Vec<u8>, ranges: Vec<Range<usize>>) -> Self {
        Self::new(listing, PackedContents { bytes, ranges })
    }

    /// The same files with their bytes from elsewhere, after more of them were fetched.
    pub fn set_contents(&mut self, contents: impl Contents + 'static) {
        self.contents = Box::new(contents);
    }

    /// The bytes of a file of this package. May be called from several threads.
    ///
    /// # Errors
    /// `Integrity` when the bytes are not what the listing says, `Failed` when the disk
    /// cannot read them.
    pub fn read(&self, entry: &FileEntry) -> Result<Cow<'_, [u8]>> {
        self.contents.read(entry)
    }

    /// The folders of all skills in it.
    pub fn skill_folders(&self) -> &SkillFolders {
        let find = || discover::find_skills(&self.listing, &RelPath::ROOT);
        self.folders.get_or_init(|| find().into_iter().map(|found| found.folder).collect())
    }

    /// The part of the package below a folder.
    pub fn dir<'p>(&'p self, folder: &'p RelPath) -> PackageDir<'p> {
        PackageDir { package: self, folder }
    }
}

/// A folder in a package, as a rule that of one skill. The paths of its entries start below
/// the folder.
#[derive(Debug, Clone, Copy)]
pub struct PackageDir<'p> {
    package: &'p Package,
    folder: &'p RelPath,
}

impl<'p> PackageDir<'p> {
    /// The files below the folder.
    pub fn entries(&self) -> Vec<FileEntry> {
        let below = self.package.listing.entries_below(self.folder).iter();
        below.filter_map(|e| e.path.strip(self.folder).map(|path| FileEntry { path, ..e.clone() })).collect()
    }

    /// How many files there are below the folder.
    pub fn count(&self) -> usize {
        self.package.listing.entries_below(self.folder).len()
    }

    /// The bytes of one of [`PackageDir::entries`].
    ///
    /// # Errors
    /// Those of [`Package::read`].
    pub fn read(&self, entry: &FileEntry) -> Result<Cow<'p, [u8]>> {
        if self.folder.is_root() {
            return self.package.read(entry);
        }
        // A folder on the disk finds the bytes by the whole path.
        self.package.read(&FileEntry { path: self.folder.join(&entry.path), ..entry.clone() })
    }

    /// Path to `MODE SHA256` of each file, as the registry records it. Reads everything.
    ///
    /// # Errors
    /// Those of [`Package::read`].
    pub fn files(&self) -> Result<Files> {
        let mut files = Files::new();
        for entry in self.entries() {
            let hash = match &entry.node {
                Node::Link { target } => sha256_hex(target.as_bytes()),
                _ => sha256_hex(&self.read(&entry)?),
            };
            files.insert(entry.path.to_string(), format!("{} {hash}", entry.node.git_mode()));
        }
        Ok(files)
    }

    /// The digest of its files. Reads everything.
    ///
    /// # Errors
    /// Those of [`Package::read`].
    pub fn digest(&self) -> Result<Digest> {
        Ok(digest::digest_of_files(&self.files()?))
    }
}

/// One buffer for each file.
struct MemoryContents(Vec<Vec<u8>>);

impl Contents for MemoryContents {
    fn read(&self, entry: &FileEntry) -> Result<Cow<'_, [u8]>> {
        self.0.get(entry.slot).map(|bytes| Cow::Borrowed(&bytes[..])).ok_or_else(|| missing_bytes(entry))
    }
}

/// Files inside the program itself.
struct EmbeddedContents(Vec<&'static [u8]>);

impl Contents for EmbeddedContents {
    fn read(&self, entry: &FileEntry) -> Result<Cow<'_, [u8]>> {
        self.0.get(entry.slot).map(|bytes| Cow::Borrowed(*bytes)).ok_or_else(|| missing_bytes(entry))
    }
}

/// All files in one buffer, with the place of each.
struct PackedContents {
    bytes: Vec<u8>,
    ranges: Vec<Range<usize>>,
}

impl Contents for PackedContents {
    fn read(&self, entry: &FileEntry) -> Result<Cow<'_, [u8]>> {
        let range = self.ranges.get(entry.slot).cloned();
        let bytes = range.and_then(|range| self.bytes.get(range));
        bytes.map(Cow::Borrowed).ok_or_else(|| missing_bytes(entry))
    }
}

/// What the Finder and macOS' archivers add beside the files: `__MACOSX/`, `._x` (the
/// AppleDouble form of `x`) and `.DS_Store`. It is never part of a skill, so that the
/// same skill packed on another system has the same digest.
pub fn is_clutter(path: &RelPath) -> bool {
    path.as_str().split('/').any(|name| name == "__MACOSX" || name == ".DS_Store" || name.starts_with("._"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(path: &str, slot: usize, size: usize) -> FileEntry {
        let path = RelPath::parse(path.as_bytes()).unwrap();
        FileEntry { path, node: Node::File { executable: false }, size: size as u64, slot }
    }

    /// Whoever has the bytes, a package reads the same, and the part below a folder has the
    /// digest of a package that holds that part alone.
    #[test]
    fn bytes_are_the_same_wherever_they_are() {
        let texts: [(&str, &'static [u8]); 3] = [("a/SKILL.md", b"one"), ("a/b/c", b""), ("d", b"three")];
        let entries: Vec<FileEntry> =
            texts.iter().enumerate().map(|(slot, (path, text))| entry(path, slot, text.len())).collect();
        let listing = || Listing::new(entries.clone());
        let packages = [
            Package::in_memory(listing(), texts.iter().map(|(_, text)| text.to_vec()).collect()),
            Package::embedded(listing(), texts.iter().map(|(_, text)| *text).collect()),
            Package::packed(listing(), b"onethree".to_vec(), vec![0..3, 3..3, 3..8]),
        ];
        let alone = Listing::new(vec![entry("SKILL.md", 0, 3), entry("b/c", 1, 0)]);
        let alone = Package::in_memory(alone, vec![b"one".to_vec(), Vec::new()]);
        let a = RelPath::of_folder("a").unwrap();
        for package in &packages {
            for (path, text) in texts {
                let entry = package.listing.entry_at(path).unwrap();
                assert_eq!(package.read(entry).unwrap().as_ref(), text, "{path}");
            }
            assert_eq!(package.dir(&a).digest().unwrap(), alone.dir(&RelPath::ROOT).digest().unwrap());
            assert_eq!(package.dir(&a).entries(), alone.dir(&RelPath::ROOT).entries());
            let lost = entry("x", 3, 1);
            assert_eq!(package.read(&lost).unwrap_err().message, "the bytes of `x` are missing");
        }
        let outside = Package::packed(
            Listing::new(vec![entry("x", 0, 9)]),
            b"abc".to_vec(),
            std::iter::once(0..9).collect(),
        );
        assert!(outside.dir(&RelPath::ROOT).files().is_err());
    }
}
