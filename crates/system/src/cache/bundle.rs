//! Many trees in one file: a command that keeps thousands would spend a quarter of its time on
//! a file, a name and a rename for each (measured: 2,149 skills 0.97 s, without a cache 0.72).
//!
//! The trees as they stand in files of their own, one after the other, then a line
//! `HEX OFFSET LENGTH` for each, at last a line of fixed length that says where those begin.
//! Trees that were kept together are unused together: the whole file is evicted, and removed
//! when one of its trees is broken.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::{IoSlice, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, Once, PoisonError};

use fs_err as fs;
use tempfile::NamedTempFile;

use super::{Cache, UNFINISHED, encode_package_head, mark_as_used, verified_package};
use ba_agent_core::digest::{Digest, Files};
use ba_agent_core::error::Result;
use ba_agent_core::package::Package;

/// The folder of the bundles, among those of single trees, which have two digits.
const FOLDER: &str = "bundles";
/// The beginning of the last line; 20 digits and a line feed follow.
const FOOT: &str = "ba-agent bundle 1 ";
const FOOT_BYTES: u64 = FOOT.len() as u64 + 21;
/// Bytes of the lines that say where the trees are; 100,000 trees have 10 MB.
const LARGEST_INDEX: u64 = 64 * 1024 * 1024;
/// The least number of packages of one command that are written as a bundle; fewer get single
/// files, which can be evicted one by one.
const MANY: usize = 16;

/// A bundle takes no more trees when it has so many bytes, so that not all of a large
/// repository has to be evicted for a little room; and no more than a tenth of the limit.
const FULL: u64 = 64 * 1024 * 1024;

/// The trees that one command keeps. Used by many threads.
pub struct Batch<'c> {
    cache: &'c Cache,
    /// `None` where each tree gets a file of its own, and after a failure to write.
    open: Mutex<Option<OpenBundle>>,
    /// Bytes of the bundles that were closed.
    closed: AtomicU64,
}

/// A bundle that is being written.
struct OpenBundle {
    file: NamedTempFile,
    at: u64,
    index: String,
    digests: HashSet<Digest>,
}

impl<'c> Batch<'c> {
    pub(super) fn new(cache: &'c Cache, trees: usize) -> Self {
        // Each file that is flushed costs a wait for the disk.
        let many = if cache.is_durable { 2 } else { MANY };
        let open = if trees >= many && cache.limit > 0 { OpenBundle::new(&cache.trees).ok() } else { None };
        Self { cache, open: Mutex::new(open), closed: AtomicU64::new(0) }
    }

    /// As [`Cache::put`].
    pub fn put(&self, digest: &Digest, files: &Files, bytes: &[Vec<u8>]) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(bundle) = open.as_mut() else {
            drop(open);
            return self.cache.put(digest, files, bytes);
        };
        if self.cache.has(digest) || bundle.has(digest) {
            return;
        }
        let head = encode_package_head(files, bytes);
        let parts: Vec<&[u8]> = std::iter::once(&head).chain(bytes).map(|part| &part[..]).collect();
        let length: u64 = parts.iter().map(|part| part.len() as u64).sum();
        if self.closed.load(Ordering::Relaxed) + bundle.at + length > self.cache.largest_package_size() {
            // More than there will be room for: it would drive out what was kept before it.
            return;
        }
        if bundle.add(digest, &parts).is_err() {
            *open = None;
            return;
        }
        if bundle.at >= FULL.min(self.cache.limit / 10) {
            self.close(&mut open);
        }
    }

    /// Closes the bundle that is being written, and begins another one.
    fn close(&self, open: &mut Option<OpenBundle>) {
        let next = OpenBundle::new(&self.cache.trees).ok();
        if let Some(bundle) = std::mem::replace(open, next) {
            self.closed.fetch_add(bundle.close(self.cache).unwrap_or(0), Ordering::Relaxed);
        }
    }

    /// Makes what was put findable by others; without it the last bundle is lost.
    pub fn keep_bundle_open(self) {
        let open = self.open.into_inner().unwrap_or_else(PoisonError::into_inner);
        let last = open.and_then(|bundle| bundle.close(self.cache).ok()).unwrap_or(0);
        let written = self.closed.into_inner() + last;
        if written > 0 {
            self.cache.account_for_written(written);
        }
    }
}

impl OpenBundle {
    fn new(trees: &Path) -> Result<Self> {
        let folder = trees.join(FOLDER);
        fs::create_dir_all(&folder)?;
        let file = tempfile::Builder::new().prefix(UNFINISHED).tempfile_in(folder)?;
        Ok(Self { file, at: 0, index: String::new(), digests: HashSet::new() })
    }

    fn has(&self, digest: &Digest) -> bool {
        self.digests.contains(digest)
    }

    fn add(&mut self, digest: &Digest, parts: &[&[u8]]) -> std::io::Result<()> {
        write_all(self.file.as_file_mut(), parts)?;
        let length = parts.iter().map(|part| part.len() as u64).sum::<u64>();
        self.index.push_str(&format!("{} {} {length}\n", digest.as_hex(), self.at));
        self.digests.insert(digest.clone());
        self.at += length;
        Ok(())
    }

    /// The bytes of the bundle, which may be none.
    fn close(mut self, cache: &Cache) -> Result<u64> {
        // The name has nothing to say: it is that of the temporary file.
        let Some(name) = self.file.path().file_name().filter(|_| !self.index.is_empty()) else {
            return Ok(0);
        };
        let name = name.to_string_lossy().replace(UNFINISHED, "");
        let path = self.file.path().with_file_name(name);
        let foot = format!("{FOOT}{:020}\n", self.at);
        self.file.write_all(self.index.as_bytes())?;
        self.file.write_all(foot.as_bytes())?;
        let bytes = self.at + (self.index.len() + foot.len()) as u64;
        cache.flush(self.file.as_file())?;
        self.file.persist_noclobber(&path).map_err(|e| e.error)?;
        cache.flush_folder(crate::fsx::parent(&path))?;
        Ok(bytes)
    }
}

/// Writes several pieces, nearly always in one go.
fn write_all(file: &mut File, parts: &[&[u8]]) -> std::io::Result<()> {
    let slices: Vec<IoSlice<'_>> = parts.iter().map(|part| IoSlice::new(part)).collect();
    let mut written = file.write_vectored(&slices)?;
    for part in parts {
        let rest = part.get(written.min(part.len())..).unwrap_or_default();
        written = written.saturating_sub(part.len());
        file.write_all(rest)?;
    }
    Ok(())
}

/// Where the trees of a bundle are. The file is opened for each tree: a cache may have more
/// bundles than a process may have files.
#[derive(Debug)]
pub(super) struct Bundle {
    path: PathBuf,
    /// Offset and length of each tree.
    index: HashMap<Digest, (u64, u64)>,
    used: Once,
}

/// All bundles below the folder of trees.
pub(super) fn open_bundles(trees: &Path) -> Vec<Bundle> {
    let Ok(entries) = std::fs::read_dir(trees.join(FOLDER)) else { return Vec::new() };
    entries.flatten().filter_map(|entry| Bundle::open(entry.path())).collect()
}

/// True for the path of a bundle.
pub(super) fn is_bundle(path: &Path) -> bool {
    path.parent().and_then(Path::file_name).is_some_and(|name| name == FOLDER)
}

/// True when `wanted` is true of one of its trees.
pub(super) fn holds_any(path: &Path, wanted: impl Fn(&Digest) -> bool) -> bool {
    Bundle::open(path.to_owned()).is_some_and(|bundle| bundle.index.keys().any(wanted))
}

/// How many trees the file at `path` of a cache holds: one, unless it is a bundle.
pub(super) fn count_packages(path: &Path) -> usize {
    if is_bundle(path) { Bundle::open(path.to_owned()).map_or(0, |bundle| bundle.index.len()) } else { 1 }
}

impl Bundle {
    fn open(path: PathBuf) -> Option<Self> {
        let mut file = File::open(&path).ok()?;
        let index = read_index(&mut file)?;
        Some(Self { path, index, used: Once::new() })
    }

    pub(super) fn has(&self, digest: &Digest) -> bool {
        self.index.contains_key(digest)
    }

    /// The tree of this digest, every byte verified.
    pub(super) fn get(&self, digest: &Digest) -> Option<Package> {
        let (offset, length) = *self.index.get(digest)?;
        let tree = self.read(offset, length).and_then(|bytes| verified_package(bytes, digest));
        match &tree {
            Some(_) => self.used.call_once(|| mark_as_used(&self.path)),
            None => drop(std::fs::remove_file(&self.path)),
        }
        tree
    }

    fn read(&self, offset: u64, length: u64) -> Option<Vec<u8>> {
        let mut bytes = vec![0; usize::try_from(length).ok()?];
        let mut file = File::open(&self.path).ok()?;
        file.seek(SeekFrom::Start(offset)).ok()?;
        file.read_exact(&mut bytes).ok()?;
        Some(bytes)
    }
}

/// The lines at the end; `None` for what is no bundle, or one that is still being written.
fn read_index(file: &mut File) -> Option<HashMap<Digest, (u64, u64)>> {
    let all = file.metadata().ok()?.len();
    let end = all.checked_sub(FOOT_BYTES)?;
    let mut foot = String::new();
    file.seek(SeekFrom::Start(end)).ok()?;
    file.take(FOOT_BYTES).read_to_string(&mut foot).ok()?;
    let start: u64 = foot.strip_prefix(FOOT)?.trim_end().parse().ok()?;
    let length = end.checked_sub(start).filter(|length| *length <= LARGEST_INDEX)?;
    let mut lines = String::new();
    file.seek(SeekFrom::Start(start)).ok()?;
    file.take(length).read_to_string(&mut lines).ok()?;
    let line = |line: &str| {
        let mut words = line.split(' ');
        let digest = format!("sha256:{}", words.next()?).parse().ok()?;
        let (offset, length) = (words.next()?.parse::<u64>().ok()?, words.next()?.parse::<u64>().ok()?);
        (offset.checked_add(length)? <= start).then_some((digest, (offset, length)))
    };
    lines.lines().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::super::tests::sample;
    use super::*;

    fn filled(folder: &Path) -> Vec<(Digest, Files, Vec<Vec<u8>>)> {
        let samples: Vec<_> = (0..20).map(|n| sample(&format!("text {n}"))).collect();
        let cache = Cache::new(folder, 1 << 20);
        let batch = cache.begin_batch(samples.len());
        std::thread::scope(|scope| {
            for part in samples.chunks(5) {
                let batch = &batch;
                scope.spawn(move || part.iter().for_each(|(d, files, bytes)| batch.put(d, files, bytes)));
            }
        });
        assert!(!Cache::new(folder, 1 << 20).has(&samples[0].0), "nobody sees half of it");
        batch.keep_bundle_open();
        samples
    }

    fn files(folder: &Path) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(folder.join("trees").join(FOLDER)).unwrap();
        entries.map(|entry| entry.unwrap().path()).collect()
    }

    #[test]
    fn many_trees_are_one_file_and_come_out_of_it() {
        let dir = tempfile::tempdir().unwrap();
        let samples = filled(dir.path());
        let cache = Cache::new(dir.path(), 1 << 20);
        assert_eq!((cache.size().trees, files(dir.path()).len()), (20, 1));
        for (digest, _, bytes) in &samples {
            let tree = cache.get(digest).unwrap();
            let entry = tree.listing.entry_at("SKILL.md").unwrap();
            assert_eq!(tree.read(entry).unwrap().as_ref(), bytes[1]);
        }
        assert!(cache.get(&sample("another").0).is_none());
        // What is there is not kept a second time.
        let batch = cache.begin_batch(20);
        samples.iter().for_each(|(digest, files, bytes)| batch.put(digest, files, bytes));
        batch.keep_bundle_open();
        assert_eq!(files(dir.path()).len(), 1);
        assert_eq!(cache.prune(0).trees, 20);
        assert!(files(dir.path()).is_empty());
        assert!(cache.get(&samples[3].0).is_none());
    }

    /// A command that has more than fits keeps what fits, and what was kept before it is not
    /// driven out for nothing.
    #[test]
    fn more_than_the_limit_is_kept_as_far_as_it_fits() {
        let dir = tempfile::tempdir().unwrap();
        let limit = 100_000;
        let samples: Vec<_> = (0..400).map(|n| sample(&format!("text {n} ").repeat(100))).collect();
        let cache = Cache::new(dir.path(), limit);
        for round in samples.chunks(200) {
            let batch = cache.begin_batch(round.len());
            round.iter().for_each(|(digest, files, bytes)| batch.put(digest, files, bytes));
            batch.keep_bundle_open();
            let held = Cache::new(dir.path(), limit).size();
            assert!(held.bytes <= limit && held.bytes > limit / 2, "{held:?}");
        }
        let fresh = Cache::new(dir.path(), limit);
        assert!(samples[200..].iter().filter(|(digest, ..)| fresh.has(digest)).count() > 50);
        assert!(files(dir.path()).len() > 3, "there is something to evict but everything");
    }

    #[test]
    fn a_few_trees_have_files_of_their_own() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::new(dir.path(), 1 << 20);
        let batch = cache.begin_batch(2);
        let (digest, files, bytes) = sample("text");
        batch.put(&digest, &files, &bytes);
        batch.keep_bundle_open();
        assert!(!dir.path().join("trees").join(FOLDER).exists());
        assert!(cache.get(&digest).is_some());
    }

    #[test]
    fn a_broken_bundle_gives_no_wrong_tree() {
        let dir = tempfile::tempdir().unwrap();
        let samples = filled(dir.path());
        let path = files(dir.path()).remove(0);
        let sound = std::fs::read(&path).unwrap();
        let check = |bytes: &[u8]| {
            std::fs::write(&path, bytes).unwrap();
            let cache = Cache::new(dir.path(), 1 << 20);
            for (digest, _, bytes) in &samples {
                if let Some(tree) = cache.get(digest) {
                    let entry = tree.listing.entry_at("SKILL.md").unwrap();
                    assert_eq!(tree.read(entry).unwrap().as_ref(), bytes[1]);
                }
            }
        };
        for at in (0..sound.len()).step_by(7) {
            let mut broken = sound.clone();
            broken[at] ^= 1;
            check(&broken);
        }
        for length in (0..sound.len()).step_by(11) {
            check(&sound[..length]);
        }
    }
}
