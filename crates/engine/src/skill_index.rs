//! World: what the manifests of a skills folder say, kept in the cache, so that thousands of skills
//! cost a look at their times and no reading. One file for each folder. What is damaged, of another
//! version or of another file counts as nothing: the manifest is read instead, and a cache that
//! cannot be written hinders nobody.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::fingerprint::Fingerprint;
use crate::sealed_cache::{SealedBytes, keep_sealed};
use ba_agent_core::digest::sha256_hex;
use ba_agent_core::loader::SkillFacts;
use ba_agent_system::cache::{Cache, CacheSection};

/// Raised with every change of what is kept; the version of the program is part of it.
const MAGIC: &str = concat!("ba-agent skills 2 ", env!("CARGO_PKG_VERSION"), "\n");

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
    /// In the order in which they were found; `None` for one that was taken.
    known: Vec<Option<IndexedManifest>>,
    /// Behind the one that was taken last: most come in the same order again.
    next: usize,
    /// Where each stands, for those that do not.
    places: Option<HashMap<String, usize>>,
}

/// Where an index is kept. `rules` is what else decides how a manifest is read.
fn index_file(cache: &Cache, root: &Path, rules: &str) -> PathBuf {
    let mut text = rules.as_bytes().to_vec();
    text.push(b'\n');
    text.extend_from_slice(root.as_os_str().as_encoded_bytes());
    cache.entry_file(CacheSection::Skills, &sha256_hex(&text))
}

impl SkillIndex {
    /// The index of the folder at `root`; an empty one where there is none that can be used.
    pub(crate) fn open(cache: &Cache, root: &Path, rules: &str) -> Self {
        let sealed = SealedBytes::open(cache, &index_file(cache, root, rules), MAGIC);
        let decoded = sealed.and_then(|sealed| {
            let decoded: (&str, Vec<Option<IndexedManifest>>) = postcard::from_bytes(sealed.body()).ok()?;
            (decoded.0 == root.to_string_lossy()).then_some(decoded.1)
        });
        Self { known: decoded.unwrap_or_default(), ..Self::default() }
    }

    /// What the manifest at `path` says, if it is still the same file.
    pub(crate) fn take(&mut self, path: &str, fingerprint: &Fingerprint) -> Option<ReadManifest> {
        let known = &self.known;
        let is_next = known.get(self.next).and_then(Option::as_ref).is_some_and(|one| one.path == path);
        let at = match is_next {
            true => self.next,
            false => {
                let paths = || known.iter().map(|one| one.as_ref().map(|one| one.path.clone()));
                let places = || paths().zip(0..).filter_map(|(path, at)| Some((path?, at))).collect();
                *self.places.get_or_insert_with(places).get(path)?
            }
        };
        self.next = at + 1;
        let known = self.known.get_mut(at)?.take()?;
        (known.fingerprint == *fingerprint).then_some(known.read)
    }

    /// True where these manifests, of which `read_anew` were not known, are another set.
    pub(crate) fn is_outdated(&self, now: usize, read_anew: usize) -> bool {
        read_anew > 0 || now != self.known.len()
    }
}

/// Keeps what was read of a folder for the next command.
pub(crate) fn keep_index(cache: &Cache, root: &Path, rules: &str, manifests: &[Option<IndexedManifest>]) {
    keep_sealed(cache, &index_file(cache, root, rules), MAGIC, &(root.to_string_lossy(), manifests));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sealed_cache::check_damage;

    fn manifests() -> Vec<Option<IndexedManifest>> {
        let facts = SkillFacts { description: "What it does.".to_owned(), ..SkillFacts::default() };
        [("pdf/SKILL.md", Ok(facts)), ("bad/SKILL.md", Err("it has no frontmatter".to_owned()))]
            .map(|(path, read)| {
                Some(IndexedManifest { path: path.to_owned(), fingerprint: Fingerprint::example(1), read })
            })
            .to_vec()
    }

    #[test]
    fn what_was_kept_is_found_while_the_file_is_the_same() {
        let dir = tempfile::tempdir().unwrap();
        let (cache, root) = (Cache::new(dir.path(), 1 << 20), Path::new("/skills"));
        keep_index(&cache, root, "", &manifests());
        let mut index = SkillIndex::open(&cache, root, "");
        assert!(!index.is_outdated(2, 0) && index.is_outdated(3, 0) && index.is_outdated(2, 1));
        assert_eq!(index.take("bad/SKILL.md", &Fingerprint::example(9)), None);
        let known = index.take("pdf/SKILL.md", &Fingerprint::example(1));
        assert_eq!(known, manifests().remove(0).map(|one| one.read));
        assert_eq!(index.take("pdf/SKILL.md", &Fingerprint::example(1)), None);
        assert_eq!(SkillIndex::open(&cache, Path::new("/other"), "").known.len(), 0);
        assert_eq!(SkillIndex::open(&cache, root, "manifest 1").known.len(), 0);
    }

    #[test]
    fn damaged_bytes_count_as_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let (cache, root) = (Cache::new(dir.path(), 1 << 20), Path::new("/skills"));
        keep_index(&cache, root, "", &manifests());
        let file = index_file(&cache, root, "");
        check_damage(&file, MAGIC, || SkillIndex::open(&cache, root, "").known.len() == 2);
    }
}
