//! Packages by digest, shared by all projects of a user.
//!
//! A package is written as one line for each file, as in the digest but with the size before
//! the path, an empty line, then the bytes of the files one after the other. It has a file of
//! its own; when one command writes many, they go into a [bundle](bundle) together.
//!
//! Every read is checked against the digest. A package that fails the check is deleted and
//! counts as a miss. The whole cache may be deleted at any moment, also while it is used.

mod account;
mod bundle;
mod catalog;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime};

use crate::fsx;
use ba_agent_core::digest::{self, Digest, Files, sha256_hex};
use ba_agent_core::listing::{FileEntry, Listing, Node};
use ba_agent_core::package::Package;
use ba_agent_core::path::RelPath;
pub use bundle::Batch;
use bundle::Bundle;
pub use catalog::{CachedCatalog, Rows};

/// The first line of every file; another one is another format, and not read.
const MAGIC: &str = "ba-agent tree 1";
/// What is kept beside the trees, each kind in a folder of its own; evicted like trees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CacheSection {
    /// A commit of a repository and what is known of its skills.
    Commits,
    /// The refs of a repository as they were last.
    Refs,
    /// A marketplace's catalogue with what the search reads.
    Catalogs,
    /// The index of what the search reads.
    Indexes,
    /// What the skills of a folder say of themselves.
    Skills,
    /// A file of a remote registry as it was last.
    Registries,
}

impl CacheSection {
    const ALL: [Self; 6] =
        [Self::Commits, Self::Refs, Self::Catalogs, Self::Indexes, Self::Skills, Self::Registries];

    fn folder(self) -> &'static str {
        match self {
            Self::Commits => "commits",
            Self::Refs => "refs",
            Self::Catalogs => "catalogs",
            Self::Indexes => "indexes",
            Self::Skills => "index",
            Self::Registries => "registries",
        }
    }
}

/// The trees of one cache folder.
#[derive(Debug, Clone)]
pub struct Cache {
    folder: PathBuf,
    trees: PathBuf,
    limit: u64,
    /// Whether what it keeps may be gone after a power cut.
    is_durable: bool,
    /// Nothing is noted of what is read, and nothing broken removed.
    leaves_no_trace: bool,
    /// What was bundled when somebody first looked for it; no file of it is held open.
    bundles: Arc<OnceLock<Vec<Bundle>>>,
}

/// What a cache holds: skill trees, and bytes with everything beside them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct CacheSize {
    pub trees: usize,
    pub bytes: u64,
}

impl Cache {
    /// The cache in `folder`, of at most `limit` bytes.
    pub fn new(folder: &Path, limit: u64) -> Self {
        let trees = folder.join("trees");
        Self {
            folder: folder.to_owned(),
            trees,
            limit,
            is_durable: false,
            leaves_no_trace: false,
            bundles: Arc::default(),
        }
    }

    /// One without a limit in `folder` that has what it was given after a power cut, too.
    pub fn open_durable(folder: &Path) -> Self {
        Self { is_durable: true, ..Self::new(folder, u64::MAX) }
    }

    /// The same to look into without a trace: reading does not count as use, and what is broken
    /// stays.
    pub fn without_traces(&self) -> Self {
        Self { leaves_no_trace: true, ..self.clone() }
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The largest thing that is worth keeping: of one that fills the cache nothing else is left.
    fn largest_package_size(&self) -> u64 {
        self.limit - self.limit / 10
    }

    /// True unless the settings say that nothing is kept.
    pub fn is_enabled(&self) -> bool {
        self.limit > 0
    }

    /// The file for what belongs to `key`.
    pub fn entry_file(&self, section: CacheSection, key: &str) -> PathBuf {
        let hex = sha256_hex(key.as_bytes());
        let (first, rest) = hex.split_at(2);
        self.folder.join(section.folder()).join(first).join(rest)
    }

    fn file_of_package(&self, digest: &Digest) -> PathBuf {
        let (first, rest) = digest.as_hex().split_at(2);
        self.trees.join(first).join(rest)
    }

    /// True when a tree of this digest seems to be there.
    pub fn has(&self, digest: &Digest) -> bool {
        self.file_of_package(digest).exists() || self.bundles().iter().any(|bundle| bundle.has(digest))
    }

    fn bundles(&self) -> &[Bundle] {
        self.bundles.get_or_init(|| bundle::open_bundles(&self.trees))
    }

    /// The tree of this digest, every byte verified; `None` when it is not there or broken.
    /// Reading it counts as use.
    pub fn get(&self, digest: &Digest) -> Option<Package> {
        let file = self.file_of_package(digest);
        let Ok(bytes) = std::fs::read(&file) else {
            return self.bundles().iter().find_map(|bundle| bundle.get(digest));
        };
        let Some(tree) = verified_package(bytes, digest) else {
            let _ = std::fs::remove_file(&file);
            return None;
        };
        mark_as_used(&file);
        Some(tree)
    }

    /// Keeps a tree: its record, and the bytes of each file in the order of that. A cache that
    /// cannot be written keeps nothing, which is no failure of the command.
    pub fn put(&self, digest: &Digest, files: &Files, bytes: &[Vec<u8>]) {
        let head = encode_package_head(files, bytes);
        let parts: Vec<&[u8]> = std::iter::once(&head).chain(bytes).map(|part| &part[..]).collect();
        let length: u64 = parts.iter().map(|part| part.len() as u64).sum();
        if length <= self.largest_package_size() && !self.has(digest) {
            let _ = self.write(&self.file_of_package(digest), &parts);
        }
    }

    /// Takes the trees of one command, about so many.
    pub fn begin_batch(&self, trees: usize) -> Batch<'_> {
        Batch::new(self, trees)
    }

    /// The bytes of one of its files, which counts as use.
    pub fn read(&self, file: &Path) -> Option<Vec<u8>> {
        let bytes = std::fs::read(file).ok()?;
        self.note_use_of(file);
        Some(bytes)
    }

    fn note_use_of(&self, file: &Path) {
        if !self.leaves_no_trace {
            mark_as_used(file);
        }
    }

    fn flush(&self, file: &std::fs::File) -> std::io::Result<()> {
        if self.is_durable { file.sync_all() } else { Ok(()) }
    }

    fn flush_folder(&self, folder: &Path) -> std::io::Result<()> {
        if self.is_durable { fsx::flush_folder(folder) } else { Ok(()) }
    }

    /// Writes a file of the cache as a whole: others see all of it or nothing. Flushed to the
    /// disk only by one that is [durable](Cache::durable): what a power cut leaves of another's
    /// is found out when it is read.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn write(&self, file: &Path, parts: &[&[u8]]) -> std::io::Result<()> {
        if !self.is_enabled() {
            return Ok(());
        }
        let folder = file.parent().unwrap_or(&self.folder);
        std::fs::create_dir_all(folder)?;
        let mut new = tempfile::Builder::new().prefix(UNFINISHED).tempfile_in(folder)?;
        parts.iter().try_for_each(|part| new.write_all(part))?;
        self.flush(new.as_file())?;
        new.persist(file).map_err(|e| e.error)?;
        self.flush_folder(folder)?;
        self.account_for_written(parts.iter().map(|part| part.len() as u64).sum());
        Ok(())
    }

    /// Removes files, those unused longest first and bundled trees together, until at most
    /// `limit` bytes are left; says what went. What killed commands left goes first. A file
    /// that another process is reading is not lost to it: it has it open, or fetches it again.
    pub fn prune(&self, limit: u64) -> CacheSize {
        self.make_room(limit, ABANDONED)
    }

    /// Removes everything.
    pub fn clear(&self) -> CacheSize {
        let gone = self.make_room(0, FORSAKEN);
        // A format of old.
        let _ = std::fs::remove_dir_all(self.folder.join("marketplaces"));
        gone
    }

    fn make_room(&self, limit: u64, abandoned: Duration) -> CacheSize {
        let mut gone = CacheSize::default();
        let mut left = Vec::new();
        for one in self.list() {
            let is_left_over = one.is_unfinished && older_than(one.used, abandoned);
            match is_left_over && remove(&one.path) {
                true => gone.bytes += one.bytes,
                false => left.push(one),
            }
        }
        left.sort_by_key(|one| one.used);
        let mut total: u64 = left.iter().map(|one| one.bytes).sum();
        for one in left.iter().filter(|one| !one.is_unfinished) {
            if total <= limit {
                break;
            }
            let trees = self.count_packages_in(&one.path);
            if remove(&one.path) {
                gone.trees += trees;
                gone.bytes += one.bytes;
            }
            total = total.saturating_sub(one.bytes);
        }
        if self.limit != u64::MAX {
            self.set_account(total);
        }
        gone
    }

    /// Removes the trees that `keep` does not want; of a bundle all or none.
    pub fn retain(&self, keep: impl Fn(&Digest) -> bool) {
        for Held { path, .. } in self.list().into_iter().filter(|one| one.path.starts_with(&self.trees)) {
            if bundle::is_bundle(&path) {
                if !bundle::holds_any(&path, &keep) {
                    let _ = std::fs::remove_file(path);
                }
                continue;
            }
            let names = path.iter().rev().take(2).filter_map(|name| name.to_str());
            let hex: String = names.collect::<Vec<_>>().into_iter().rev().collect();
            let digest = format!("sha256:{hex}").parse();
            if !digest.is_ok_and(|digest| keep(&digest)) {
                let _ = std::fs::remove_file(path);
            }
        }
    }

    /// True when it keeps no tree. Costs one look into a folder.
    pub fn is_empty(&self) -> bool {
        std::fs::read_dir(&self.trees).map_or(true, |mut entries| entries.next().is_none())
    }

    pub fn size(&self) -> CacheSize {
        let all = self.list();
        let trees =
            all.iter().filter(|one| !one.is_unfinished).map(|one| self.count_packages_in(&one.path)).sum();
        CacheSize { trees, bytes: all.iter().map(|one| one.bytes).sum() }
    }

    /// How many trees a file holds.
    fn count_packages_in(&self, path: &Path) -> usize {
        if path.starts_with(&self.trees) { bundle::count_packages(path) } else { 0 }
    }

    /// Everything that it holds, also what is being written and what killed commands left.
    fn list(&self) -> Vec<Held> {
        let sections = CacheSection::ALL.iter().map(|section| self.folder.join(section.folder()));
        let folders = std::iter::once(self.trees.clone()).chain(sections);
        let walk = folders.flat_map(|folder| walkdir::WalkDir::new(folder).min_depth(2).max_depth(2));
        let file = |entry: walkdir::DirEntry| {
            let meta = entry.metadata().ok().filter(std::fs::Metadata::is_file)?;
            let is_unfinished = entry.file_name().to_string_lossy().starts_with(UNFINISHED);
            Some(Held {
                path: entry.into_path(),
                used: meta.modified().ok()?,
                bytes: meta.len(),
                is_unfinished,
            })
        };
        let mut all: Vec<Held> = walk.flatten().filter_map(file).collect();
        let tmp = std::fs::read_dir(self.folder.join(TMP)).into_iter().flatten().flatten();
        all.extend(tmp.filter_map(|entry| Held::held_if_unfinished(entry.path())));
        all
    }
}

/// Where packs are unpacked that are too large for the memory.
const TMP: &str = "tmp";
/// What every file is called until it is whole.
const UNFINISHED: &str = ".new-";
/// Nothing takes so long: what is older than that was left by a command that was killed.
const ABANDONED: Duration = Duration::from_secs(24 * 60 * 60);
/// The same for somebody who wants everything to go.
const FORSAKEN: Duration = Duration::from_secs(60 * 60);

/// A file of the cache, or a folder below `tmp`.
struct Held {
    path: PathBuf,
    used: SystemTime,
    bytes: u64,
    is_unfinished: bool,
}

impl Held {
    /// A file or folder below `tmp` with everything in it.
    fn held_if_unfinished(path: PathBuf) -> Option<Self> {
        let metas =
            walkdir::WalkDir::new(&path).into_iter().flatten().filter_map(|entry| entry.metadata().ok());
        let (mut used, mut bytes) = (None, 0);
        for meta in metas {
            used = used.max(meta.modified().ok());
            bytes += if meta.is_file() { meta.len() } else { 0 };
        }
        Some(Self { path, used: used?, bytes, is_unfinished: true })
    }
}

fn older_than(used: SystemTime, age: Duration) -> bool {
    #[expect(clippy::disallowed_methods, reason = "files have the time of the disk")]
    SystemTime::now().duration_since(used).is_ok_and(|past| past > age)
}

fn remove(path: &Path) -> bool {
    match path.is_dir() {
        true => std::fs::remove_dir_all(path).is_ok(),
        false => std::fs::remove_file(path).is_ok(),
    }
}

/// Marks a file as used now: its modification time, since access times are often off.
fn mark_as_used(file: &Path) {
    let Ok(file) = std::fs::File::options().append(true).open(file) else { return };
    #[expect(clippy::disallowed_methods, reason = "only the order of eviction hangs on it")]
    let _ = file.set_modified(SystemTime::now());
}

/// What stands before the bytes of the files.
fn encode_package_head(files: &Files, bytes: &[Vec<u8>]) -> Vec<u8> {
    let mut head = format!("{MAGIC}\n").into_bytes();
    for ((path, line), bytes) in files.iter().zip(bytes) {
        head.extend_from_slice(format!("{line} {} {path}\n", bytes.len()).as_bytes());
    }
    head.push(b'\n');
    head
}

/// The tree in these bytes, if it is the one of this digest.
fn verified_package(bytes: Vec<u8>, digest: &Digest) -> Option<Package> {
    let (tree, files) = unpack_package(bytes)?;
    (digest::digest_of_files(&files) == *digest).then_some(tree)
}

/// The tree and its record, when each file hashes to what its line says.
pub(crate) fn unpack_package(bytes: Vec<u8>) -> Option<(Package, Files)> {
    let end = bytes.windows(2).position(|pair| pair == b"\n\n")?;
    let head = std::str::from_utf8(&bytes[..end]).ok()?;
    let mut lines = head.lines();
    if lines.next()? != MAGIC {
        return None;
    }
    let (mut entries, mut files, mut ranges) = (Vec::new(), Files::new(), Vec::new());
    let mut at = end + 2;
    for line in lines {
        let mut words = line.splitn(4, ' ');
        let (mode, hash, size) = (words.next()?, words.next()?, words.next()?.parse::<usize>().ok()?);
        let path = RelPath::parse(words.next()?.as_bytes()).ok()?;
        let range = at..at.checked_add(size)?;
        let content = bytes.get(range.clone())?;
        if sha256_hex(content) != hash {
            return None;
        }
        at = range.end;
        let node = match mode {
            "100644" => Node::File { executable: false },
            "100755" => Node::File { executable: true },
            "120000" => Node::Link { target: String::from_utf8(content.to_vec()).ok()? },
            _ => return None,
        };
        // Of twins one would be digested, and the other perhaps read.
        if files.insert(path.to_string(), format!("{mode} {hash}")).is_some() {
            return None;
        }
        entries.push(FileEntry { path, node, size: size as u64, slot: ranges.len() });
        ranges.push(range);
    }
    (at == bytes.len()).then(|| (Package::packed(Listing::new(entries), bytes, ranges), files))
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn sample(text: &str) -> (Digest, Files, Vec<Vec<u8>>) {
        let parts: [(&str, &str, Vec<u8>); 3] = [
            ("CLAUDE.md", "120000", b"SKILL.md".to_vec()),
            ("SKILL.md", "100644", text.as_bytes().to_vec()),
            ("bin/run", "100755", vec![0, 10, 10, 255]),
        ];
        let files: Files =
            parts.iter().map(|(p, m, b)| ((*p).to_owned(), format!("{m} {}", sha256_hex(b)))).collect();
        let bytes = parts.into_iter().map(|(_, _, b)| b).collect();
        (digest::digest_of_files(&files), files, bytes)
    }

    #[test]
    fn what_goes_in_comes_out() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::new(dir.path(), 1 << 20);
        let (digest, files, bytes) = sample("text\n\nmore");
        assert!(cache.get(&digest).is_none());
        cache.put(&digest, &files, &bytes);
        let tree = cache.get(&digest).unwrap();
        let entries = tree.listing.entries().iter();
        let read: Vec<Vec<u8>> = entries.map(|e| tree.read(e).unwrap().into_owned()).collect();
        assert_eq!(read, bytes);
        assert_eq!(tree.listing.entry_at("bin/run").unwrap().node, Node::File { executable: true });
    }

    #[test]
    fn one_wrong_byte_anywhere_and_it_was_never_there() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::new(dir.path(), 1 << 20);
        let (digest, files, bytes) = sample("text");
        cache.put(&digest, &files, &bytes);
        let file = cache.file_of_package(&digest);
        let sound = std::fs::read(&file).unwrap();
        for at in 0..sound.len() {
            let mut broken = sound.clone();
            broken[at] ^= 1;
            std::fs::write(&file, broken).unwrap();
            assert!(cache.get(&digest).is_none(), "byte {at}");
            assert!(!file.exists());
        }
        for length in 0..sound.len() {
            std::fs::write(&file, &sound[..length]).unwrap();
            assert!(cache.get(&digest).is_none(), "{length} bytes");
        }
    }

    /// Else the digest would be that of one, and the tree hold the other.
    #[test]
    fn a_path_stands_once() {
        let line = |text: &str| format!("100644 {} {} SKILL.md\n", sha256_hex(text.as_bytes()), text.len());
        let file = |texts: [&str; 2]| {
            let lines: String = texts.iter().map(|text| line(text)).collect();
            format!("{MAGIC}\n{lines}\n{}", texts.concat()).into_bytes()
        };
        assert!(unpack_package(file(["evil", "sound"])).is_none());
        assert!(unpack_package(file(["same", "same"])).is_none());
    }

    #[test]
    fn the_longest_unused_go_first() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::new(dir.path(), 1 << 20);
        let samples: Vec<_> = (0..4).map(|n| sample(&format!("text {n}"))).collect();
        for (n, (digest, files, bytes)) in samples.iter().enumerate() {
            cache.put(digest, files, bytes);
            let file = std::fs::File::options().append(true).open(cache.file_of_package(digest)).unwrap();
            let hours = std::time::Duration::from_secs(3600 * (n as u64 + 1));
            file.set_modified(std::time::SystemTime::UNIX_EPOCH + hours).unwrap();
        }
        // Used now: it outlives the others.
        assert!(cache.get(&samples[0].0).is_some());
        let one = cache.size().bytes / 4;
        assert_eq!(cache.prune(one * 2).trees, 2);
        let left: Vec<bool> = samples.iter().map(|(digest, ..)| cache.has(digest)).collect();
        assert_eq!(left, [true, false, false, true]);
        assert_eq!(cache.prune(0).trees, 2);
    }

    /// Many write, read and empty one cache: a tree comes out whole or not at all.
    #[test]
    fn what_others_do_to_it_meanwhile_never_gives_a_wrong_tree() {
        const ROUNDS: usize = 150;
        let dir = tempfile::tempdir().unwrap();
        let samples: Vec<_> = (0..8).map(|n| sample(&format!("text {n}").repeat(300))).collect();
        let hits = std::sync::atomic::AtomicUsize::new(0);
        let work = |thread: usize| {
            let cache = Cache::new(dir.path(), 1 << 20);
            for round in 0..ROUNDS {
                let (digest, files, bytes) = &samples[(thread + round) % samples.len()];
                cache.put(digest, files, bytes);
                if let Some(tree) = cache.get(digest) {
                    let entry = tree.listing.entry_at("SKILL.md").unwrap();
                    assert_eq!(tree.read(entry).unwrap().into_owned(), bytes[1]);
                    hits.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                }
                match round % 5 {
                    3 if thread == 0 => drop(cache.prune(0)),
                    4 if thread == 1 => drop(cache.prune(5000)),
                    _ => {}
                }
            }
        };
        std::thread::scope(|scope| (0..4).for_each(|thread| drop(scope.spawn(move || work(thread)))));
        assert!(hits.into_inner() > 0);
    }
}
