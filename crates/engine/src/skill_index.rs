//! World: what the manifests of a skills folder say, kept in the cache, so that thousands of skills
//! cost a look at their times and no reading. One file for each folder. What is damaged, of another
//! version or of another file counts as nothing: the manifest is read instead, and a cache that
//! cannot be written hinders nobody.

use std::collections::HashMap;
use std::fs::Metadata;
use std::path::Path;

use serde::{Deserialize, Serialize};

use ba_agent_core::digest::sha256_hex;
use ba_agent_core::loader::SkillFacts;
use ba_agent_system::cache::{Cache, CacheSection};

/// Raised with every change of what is kept; the version of the program is part of it.
const MAGIC: &str = concat!("ba-agent skills 1 ", env!("CARGO_PKG_VERSION"), "\n");
/// The largest index that is read: that of some 60,000 skills.
const LARGEST: u64 = 64 << 20;
/// Bytes of the sum behind the first line.
const SUM: usize = 4;

/// What tells a file as it is from what it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct Fingerprint {
    /// Nanoseconds since 1970.
    modified: i64,
    pub(crate) size: u64,
    device: u64,
    inode: u64,
    /// Names that the file has.
    links: u64,
}

impl Fingerprint {
    pub(crate) fn of(meta: &Metadata) -> Self {
        let since = meta.modified().ok().and_then(|at| at.duration_since(std::time::UNIX_EPOCH).ok());
        let modified = since.map_or(0, |since| i64::try_from(since.as_nanos()).unwrap_or(i64::MAX));
        #[cfg(unix)]
        {
            use std::os::unix::fs::MetadataExt as _;
            Self { modified, size: meta.len(), device: meta.dev(), inode: meta.ino(), links: meta.nlink() }
        }
        #[cfg(not(unix))]
        Self { modified, size: meta.len(), device: 0, inode: 0, links: 0 }
    }

    /// What is the same for each way to the file; `None` where only its real path says so.
    pub(crate) fn identity(&self) -> Option<(u64, u64)> {
        (self.links == 1).then_some((self.device, self.inode))
    }
}

/// What a manifest says, or why it cannot be used.
pub(crate) type ReadManifest = Result<SkillFacts, String>;

/// One manifest of the folder.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct IndexedManifest {
    /// From the folder of the index.
    pub(crate) path: String,
    pub(crate) fingerprint: Fingerprint,
    pub(crate) read: ReadManifest,
}

/// What was kept of one folder.
#[derive(Debug, Default)]
pub(crate) struct SkillIndex {
    known: HashMap<String, (Fingerprint, ReadManifest)>,
    /// How many manifests were kept.
    count: usize,
}

/// What an index is kept under. `rules` is what else decides how a manifest is read.
fn key_of(root: &Path, rules: &str) -> String {
    let mut text = rules.as_bytes().to_vec();
    text.push(b'\n');
    text.extend_from_slice(root.as_os_str().as_encoded_bytes());
    sha256_hex(&text)
}

impl SkillIndex {
    /// The index of the folder at `root`; an empty one where there is none that can be used.
    pub(crate) fn open(cache: &Cache, root: &Path, rules: &str) -> Self {
        let file = cache.entry_file(CacheSection::Skills, &key_of(root, rules));
        let is_small = std::fs::metadata(&file).is_ok_and(|meta| meta.is_file() && meta.len() <= LARGEST);
        let Some(bytes) = is_small.then(|| cache.read(&file)).flatten() else { return Self::default() };
        let manifests = decode_index(&bytes, root).unwrap_or_default();
        let count = manifests.len();
        let known = manifests.into_iter().map(|one| (one.path, (one.fingerprint, one.read))).collect();
        Self { known, count }
    }

    /// What the manifest at `path` says, if it is still the same file.
    pub(crate) fn take(&mut self, path: &str, fingerprint: &Fingerprint) -> Option<ReadManifest> {
        let (_, (known, read)) = self.known.remove_entry(path)?;
        (known == *fingerprint).then_some(read)
    }

    /// True where these manifests, of which `read_anew` were not known, are another set.
    pub(crate) fn is_outdated(&self, now: usize, read_anew: usize) -> bool {
        read_anew > 0 || now != self.count
    }
}

/// Keeps what was read of a folder for the next command.
pub(crate) fn keep_index(cache: &Cache, root: &Path, rules: &str, manifests: &[IndexedManifest]) {
    let file = cache.entry_file(CacheSection::Skills, &key_of(root, rules));
    let Some(body) = encode_body(root, manifests) else { return };
    let _ = cache.write(&file, &[MAGIC.as_bytes(), &sum_of(&body), &body]);
}

/// Tells damage; nobody is kept from forging an index in a cache of the user's own.
fn sum_of(body: &[u8]) -> [u8; SUM] {
    crc32fast::hash(body).to_le_bytes()
}

fn encode_body(root: &Path, manifests: &[IndexedManifest]) -> Option<Vec<u8>> {
    postcard::to_allocvec(&(root.to_string_lossy(), manifests)).ok()
}

/// The manifests of an index; `None` for bytes that are not that of `root`.
fn decode_index(bytes: &[u8], root: &Path) -> Option<Vec<IndexedManifest>> {
    let (sum, body) = bytes.strip_prefix(MAGIC.as_bytes())?.split_at_checked(SUM)?;
    if sum_of(body) != sum {
        return None;
    }
    let (of, manifests): (String, Vec<IndexedManifest>) = postcard::from_bytes(body).ok()?;
    (of == root.to_string_lossy()).then_some(manifests)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifests() -> Vec<IndexedManifest> {
        let fingerprint = Fingerprint { modified: 1, size: 2, device: 3, inode: 4, links: 1 };
        let facts = SkillFacts { description: "What it does.".to_owned(), ..SkillFacts::default() };
        [("pdf/SKILL.md", Ok(facts)), ("bad/SKILL.md", Err("it has no frontmatter".to_owned()))]
            .map(|(path, read)| IndexedManifest { path: path.to_owned(), fingerprint, read })
            .to_vec()
    }

    #[test]
    fn what_was_kept_is_found_while_the_file_is_the_same() {
        let dir = tempfile::tempdir().unwrap();
        let (cache, root) = (Cache::new(dir.path(), 1 << 20), Path::new("/skills"));
        let all = manifests();
        keep_index(&cache, root, "", &all);
        let mut index = SkillIndex::open(&cache, root, "");
        assert!(!index.is_outdated(2, 0) && index.is_outdated(3, 0) && index.is_outdated(2, 1));
        let other = Fingerprint { modified: 9, ..all[0].fingerprint };
        assert_eq!(index.take("pdf/SKILL.md", &all[0].fingerprint), Some(all[0].read.clone()));
        assert_eq!(index.take("bad/SKILL.md", &other), None);
        assert_eq!(SkillIndex::open(&cache, Path::new("/other"), "").count, 0);
        assert_eq!(SkillIndex::open(&cache, root, "manifest 1").count, 0);
    }

    #[test]
    fn damaged_bytes_count_as_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let (cache, root) = (Cache::new(dir.path(), 1 << 20), Path::new("/skills"));
        keep_index(&cache, root, "", &manifests());
        let file = cache.entry_file(CacheSection::Skills, &key_of(root, ""));
        let bytes = std::fs::read(&file).unwrap();
        assert_eq!(decode_index(&bytes, root).map(|all| all.len()), Some(2));
        for at in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 0x21;
            assert_eq!(decode_index(&damaged, root), None, "{at}");
            assert_eq!(decode_index(&bytes[..at], root), None, "{at}");
        }
        // A sum can be made to fit by whoever writes the file.
        let body = [0xff; 40];
        let forged = [MAGIC.as_bytes(), &sum_of(&body), &body].concat();
        assert_eq!(decode_index(&forged, root), None);
    }
}
