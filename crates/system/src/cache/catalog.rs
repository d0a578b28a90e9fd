//! Catalogues of marketplaces in a recorded state: the text, and what the search reads of it.
//! One file each: a line with the hash of the rest, one with the length of the text, the text,
//! then the search documents. The index of those stands in a file of its own, which knows
//! itself whether it is whole.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};

use sha2::{Digest as _, Sha256};

use super::{Cache, CacheSection};
use ba_agent_core::digest::{encode_hex, sha256_hex};

/// The first word of every file; another one is another format, and not read.
const MAGIC: &str = "ba-agent catalog 2";
/// Bytes in which the first line must end.
const LONGEST_LINE: usize = 128;

/// A catalogue as it was fetched, and what the search reads.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CachedCatalog {
    /// The catalogue's text.
    pub text: String,
    /// JSON of its search documents.
    pub documents: String,
}

/// The search documents of a catalogue, to read single rows of.
#[derive(Debug)]
pub struct Rows {
    file: File,
    start: u64,
    /// Bytes of the documents' text.
    pub length: u64,
}

impl Rows {
    /// So many bytes of the documents' text, if they are there. Nothing says that they are
    /// what was written.
    pub fn read(&self, offset: u64, length: u64) -> Option<Vec<u8>> {
        // A damaged index may say anything.
        let end = offset.checked_add(length).filter(|end| *end <= self.length)?;
        let mut bytes = vec![0; usize::try_from(end - offset).ok()?];
        let mut file = &self.file;
        file.seek(SeekFrom::Start(self.start.checked_add(offset)?)).ok()?;
        file.read_exact(&mut bytes).ok()?;
        Some(bytes)
    }
}

impl Cache {
    /// The search documents of the catalogue that is kept under `key`, unread.
    pub fn cached_document_rows(&self, key: &str) -> Option<Rows> {
        let path = self.entry_file(CacheSection::Catalogs, key);
        let file = File::open(&path).ok()?;
        let mut head = Vec::new();
        (&file).take(LONGEST_LINE as u64 * 2).read_to_end(&mut head).ok()?;
        let mut lines = head.split_inclusive(|byte| *byte == b'\n');
        let (first, second) = (lines.next()?, lines.next()?);
        let text: u64 = std::str::from_utf8(second).ok()?.trim_end().parse().ok()?;
        let start = text.checked_add((first.len() + second.len()) as u64)?;
        let length = file.metadata().ok()?.len().checked_sub(start)?;
        self.note_use_of(&path);
        Some(Rows { file, start, length })
    }

    /// The index that is kept under `key`, as it was written or not.
    pub fn cached_search_index(&self, key: &str) -> Option<Vec<u8>> {
        self.read(&self.entry_file(CacheSection::Indexes, key))
    }

    /// Keeps an index. A cache that cannot be written keeps nothing, which is no failure.
    pub fn put_index(&self, key: &str, index: &[u8]) {
        let _ = self.write(&self.entry_file(CacheSection::Indexes, key), &[index]);
    }

    /// The catalogue that is kept under `key`; `None` when it is not there or broken.
    pub fn cached_catalog_of(&self, key: &str) -> Option<CachedCatalog> {
        let file = self.entry_file(CacheSection::Catalogs, key);
        let catalog = parse(&self.read(&file)?);
        if catalog.is_none() && !self.leaves_no_trace {
            let _ = std::fs::remove_file(&file);
        }
        catalog
    }

    /// Keeps a catalogue. A cache that cannot be written keeps nothing, which is no failure.
    pub fn put_catalog(&self, key: &str, catalog: &CachedCatalog) {
        let length = format!("{}\n", catalog.text.len());
        let body = [length.as_bytes(), catalog.text.as_bytes(), catalog.documents.as_bytes()];
        // Piece by piece: both together may be 60 MB.
        let mut hash = Sha256::new();
        body.iter().for_each(|part| hash.update(part));
        let head = format!("{MAGIC} {}\n", encode_hex(&hash.finalize()));
        let [length, text, documents] = body;
        let _ = self.write(
            &self.entry_file(CacheSection::Catalogs, key),
            &[head.as_bytes(), length, text, documents],
        );
    }
}

fn parse(bytes: &[u8]) -> Option<CachedCatalog> {
    let end = bytes.iter().take(LONGEST_LINE).position(|byte| *byte == b'\n')?;
    let hash = std::str::from_utf8(bytes.get(..end)?).ok()?.strip_prefix(MAGIC)?.strip_prefix(' ')?;
    let body = bytes.get(end + 1..)?;
    if sha256_hex(body) != hash {
        return None;
    }
    let (length, body) = std::str::from_utf8(body).ok()?.split_once('\n')?;
    let (text, documents) = body.split_at_checked(length.parse().ok()?)?;
    Some(CachedCatalog { text: text.to_owned(), documents: documents.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_catalogue_comes_out_as_it_went_in_or_not_at_all() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::new(dir.path(), 1 << 20);
        let catalog = CachedCatalog { text: "{\"näme\": 1}\n".into(), documents: "[]".into() };
        assert_eq!(cache.cached_catalog_of("k"), None);
        cache.put_catalog("k", &catalog);
        assert_eq!(cache.cached_catalog_of("k"), Some(catalog.clone()));
        assert_eq!(cache.cached_catalog_of("other"), None);
        let file = cache.entry_file(CacheSection::Catalogs, "k");
        let sound = std::fs::read(&file).unwrap();
        for at in 0..sound.len() {
            let mut broken = sound.clone();
            broken[at] ^= 1;
            std::fs::write(&file, &broken).unwrap();
            let read = cache.cached_catalog_of("k");
            assert!(read.is_none() || read == Some(catalog.clone()), "byte {at}");
            std::fs::write(&file, &sound[..at]).unwrap();
            assert_eq!(cache.cached_catalog_of("k"), None, "{at} bytes");
        }
    }
}
