//! World: skill trees by digest, shared by all projects of a user.
//!
//! One file holds one tree: a line for each file as in the digest with the size before the
//! path, an empty line, then the bytes of the files one after the other. What comes out is
//! verified against its digest every time; what fails is removed and was never there. The
//! cache may be deleted at any moment, also while it is used.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use fs_err as fs;

use crate::digest::{self, Digest, Files, sha256_hex};
use crate::error::Result;
use crate::fetch::Tree;
use crate::tree::{Entry, Listing, Node, TreePath};

/// The first line of every file; another one is another format, and not read.
const MAGIC: &str = "ba-agent tree 1";
/// Room is looked for after one in so many new trees: looking costs a walk.
const LOOK_EVERY: u8 = 16;

/// The trees of one cache folder.
#[derive(Debug, Clone)]
pub(crate) struct Cache {
    trees: PathBuf,
    limit: u64,
}

/// What a cache holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub(crate) struct Size {
    pub(crate) trees: usize,
    pub(crate) bytes: u64,
}

impl Cache {
    /// The cache in `folder`, of at most `limit` bytes.
    pub(crate) fn new(folder: &Path, limit: u64) -> Self {
        Self { trees: folder.join("trees"), limit }
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.trees
    }

    fn file(&self, digest: &Digest) -> PathBuf {
        let (first, rest) = digest.hex().split_at(2);
        self.trees.join(first).join(rest)
    }

    /// True when a tree of this digest seems to be there.
    pub(crate) fn has(&self, digest: &Digest) -> bool {
        self.file(digest).exists()
    }

    /// The tree of this digest, every byte verified; `None` when it is not there or broken.
    /// Reading it counts as use.
    pub(crate) fn get(&self, digest: &Digest) -> Option<Tree> {
        let file = self.file(digest);
        let bytes = std::fs::read(&file).ok()?;
        let Some((tree, files)) = unpack(bytes) else {
            let _ = std::fs::remove_file(&file);
            return None;
        };
        if digest::of_files(&files) != *digest {
            let _ = std::fs::remove_file(&file);
            return None;
        }
        touch(&file);
        Some(tree)
    }

    /// Keeps a tree: its record, and the bytes of each file by path. A cache that cannot be
    /// written keeps nothing, which is no failure of the command.
    pub(crate) fn put(&self, digest: &Digest, files: &Files, bytes: &BTreeMap<String, Vec<u8>>) {
        if self.limit > 0 && !self.has(digest) {
            let _ = self.write(digest, files, bytes);
        }
    }

    fn write(&self, digest: &Digest, files: &Files, bytes: &BTreeMap<String, Vec<u8>>) -> Result<()> {
        let file = self.file(digest);
        let folder = file.parent().unwrap_or(&self.trees);
        fs::create_dir_all(folder)?;
        let mut packed = tempfile::Builder::new().prefix(".new-").tempfile_in(folder)?;
        packed.write_all(&pack(files, bytes))?;
        packed.persist(&file).map_err(|e| e.error)?;
        // No clock and no state: the digest itself spreads the looks evenly.
        let last = digest.hex().as_bytes().last().copied().unwrap_or(0);
        if last % LOOK_EVERY == 0 {
            self.prune(self.limit);
        }
        Ok(())
    }

    /// Removes trees, those unused longest first, until at most `limit` bytes are left; says
    /// what went. A tree that another process is reading is not lost to it: it has read it
    /// whole or opens it no more.
    pub(crate) fn prune(&self, limit: u64) -> Size {
        let mut trees = self.list();
        trees.sort_by_key(|tree| tree.1);
        let mut total: u64 = trees.iter().map(|tree| tree.2).sum();
        let mut gone = Size::default();
        for (path, _, bytes) in trees {
            if total <= limit {
                break;
            }
            if std::fs::remove_file(path).is_ok() {
                gone.trees += 1;
                gone.bytes += bytes;
            }
            total = total.saturating_sub(bytes);
        }
        gone
    }

    /// Removes the trees that `keep` does not want.
    pub(crate) fn retain(&self, keep: impl Fn(&Digest) -> bool) {
        for (path, ..) in self.list() {
            let names = path.iter().rev().take(2).filter_map(|name| name.to_str());
            let hex: String = names.collect::<Vec<_>>().into_iter().rev().collect();
            let digest = format!("sha256:{hex}").parse();
            if !digest.is_ok_and(|digest| keep(&digest)) {
                let _ = std::fs::remove_file(path);
            }
        }
    }

    pub(crate) fn size(&self) -> Size {
        let trees = self.list();
        Size { trees: trees.len(), bytes: trees.iter().map(|tree| tree.2).sum() }
    }

    /// Path, last use and size of each tree; files left by killed commands among them.
    fn list(&self) -> Vec<(PathBuf, std::time::SystemTime, u64)> {
        let walk = walkdir::WalkDir::new(&self.trees).min_depth(2).max_depth(2);
        let stat = |entry: walkdir::DirEntry| {
            let meta = entry.metadata().ok().filter(std::fs::Metadata::is_file)?;
            Some((entry.into_path(), meta.modified().ok()?, meta.len()))
        };
        walk.into_iter().flatten().filter_map(stat).collect()
    }
}

/// Marks a file as used now: its modification time, since access times are often off.
fn touch(file: &Path) {
    let Ok(file) = std::fs::File::options().append(true).open(file) else { return };
    #[expect(clippy::disallowed_methods, reason = "only the order of eviction hangs on it")]
    let _ = file.set_modified(std::time::SystemTime::now());
}

fn pack(files: &Files, bytes: &BTreeMap<String, Vec<u8>>) -> Vec<u8> {
    let empty = Vec::new();
    let of = |path: &String| bytes.get(path).unwrap_or(&empty);
    let mut packed = format!("{MAGIC}\n").into_bytes();
    for (path, line) in files {
        packed.extend_from_slice(format!("{line} {} {path}\n", of(path).len()).as_bytes());
    }
    packed.push(b'\n');
    for path in files.keys() {
        packed.extend_from_slice(of(path));
    }
    packed
}

/// The tree and its record, when each file hashes to what its line says.
pub(crate) fn unpack(bytes: Vec<u8>) -> Option<(Tree, Files)> {
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
        let path = TreePath::parse(words.next()?.as_bytes()).ok()?;
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
        entries.push(Entry { path, node, size: size as u64, slot: ranges.len() });
        ranges.push(range);
    }
    (at == bytes.len()).then(|| (Tree::packed(Listing::new(entries), bytes, ranges), files))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(text: &str) -> (Digest, Files, BTreeMap<String, Vec<u8>>) {
        let parts: [(&str, &str, Vec<u8>); 3] = [
            ("CLAUDE.md", "120000", b"SKILL.md".to_vec()),
            ("SKILL.md", "100644", text.as_bytes().to_vec()),
            ("bin/run", "100755", vec![0, 10, 10, 255]),
        ];
        let files: Files =
            parts.iter().map(|(p, m, b)| ((*p).to_owned(), format!("{m} {}", sha256_hex(b)))).collect();
        let bytes = parts.into_iter().map(|(p, _, b)| (p.to_owned(), b)).collect();
        (digest::of_files(&files), files, bytes)
    }

    #[test]
    fn what_goes_in_comes_out() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::new(dir.path(), 1 << 20);
        let (digest, files, bytes) = sample("text\n\nmore");
        assert!(cache.get(&digest).is_none());
        cache.put(&digest, &files, &bytes);
        let tree = cache.get(&digest).unwrap();
        let read: BTreeMap<String, Vec<u8>> = tree
            .listing
            .entries()
            .iter()
            .map(|e| (e.path.to_string(), tree.read(e).unwrap().into_owned()))
            .collect();
        assert_eq!(read, bytes);
        assert_eq!(tree.listing.get("bin/run").unwrap().node, Node::File { executable: true });
    }

    #[test]
    fn one_wrong_byte_anywhere_and_it_was_never_there() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::new(dir.path(), 1 << 20);
        let (digest, files, bytes) = sample("text");
        cache.put(&digest, &files, &bytes);
        let file = cache.file(&digest);
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
        assert!(unpack(file(["evil", "sound"])).is_none());
        assert!(unpack(file(["same", "same"])).is_none());
    }

    #[test]
    fn the_longest_unused_go_first() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::new(dir.path(), 1 << 20);
        let samples: Vec<_> = (0..4).map(|n| sample(&format!("text {n}"))).collect();
        for (n, (digest, files, bytes)) in samples.iter().enumerate() {
            cache.put(digest, files, bytes);
            let file = std::fs::File::options().append(true).open(cache.file(digest)).unwrap();
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
                    let entry = tree.listing.get("SKILL.md").unwrap();
                    assert_eq!(tree.read(entry).unwrap().into_owned(), bytes["SKILL.md"]);
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
