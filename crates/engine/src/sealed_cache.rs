//! World: what is kept in the cache to save work, with a first line that says what it is and a sum
//! that tells damage. What is damaged, or of another version, counts as nothing; a cache that cannot
//! be written hinders nobody. Nobody is kept from forging a file in a cache of the user's own, so
//! whoever decodes one expects anything.

use std::path::Path;

use serde::Serialize;

use ba_agent_system::cache::Cache;

/// The largest file that is read: the index of some 60,000 skills.
const LARGEST: u64 = 64 << 20;
/// Bytes of the sum behind the first line.
const SUM: usize = 4;

/// Bytes that were kept, whole as they were written.
#[derive(Debug)]
pub(crate) struct SealedBytes {
    bytes: Vec<u8>,
    body: usize,
}

impl SealedBytes {
    /// What was kept in `file` under this first line.
    pub(crate) fn open(cache: &Cache, file: &Path, magic: &str) -> Option<Self> {
        let is_small = std::fs::metadata(file).is_ok_and(|meta| meta.is_file() && meta.len() <= LARGEST);
        let bytes = is_small.then(|| cache.read(file)).flatten()?;
        let (sum, body) = bytes.strip_prefix(magic.as_bytes())?.split_at_checked(SUM)?;
        let (is_whole, body) = (sum_of(body) == sum, bytes.len() - body.len());
        is_whole.then_some(Self { bytes, body })
    }

    pub(crate) fn body(&self) -> &[u8] {
        self.bytes.get(self.body..).unwrap_or_default()
    }
}

/// Keeps a value for the next command.
pub(crate) fn keep_sealed(cache: &Cache, file: &Path, magic: &str, value: &impl Serialize) {
    let Ok(body) = postcard::to_allocvec(value) else { return };
    let _ = cache.write(file, &[magic.as_bytes(), &sum_of(&body), &body]);
}

fn sum_of(body: &[u8]) -> [u8; SUM] {
    crc32fast::hash(body).to_le_bytes()
}

/// Holds a reader of such a file against whatever may stand in it: nothing but what was kept counts.
#[cfg(test)]
pub(crate) fn check_damage(file: &Path, magic: &str, is_known: impl Fn() -> bool) {
    let bytes = std::fs::read(file).unwrap();
    assert!(is_known());
    for at in 0..bytes.len() {
        let mut damaged = bytes.clone();
        damaged[at] ^= 0x21;
        for damaged in [&damaged[..], &bytes[..at]] {
            std::fs::write(file, damaged).unwrap();
            assert!(!is_known(), "{at}");
        }
    }
    // A sum can be made to fit by whoever writes the file.
    for body in [&[0xff; 40][..], &[0; 40], b"", &[1; 3_000]] {
        std::fs::write(file, [magic.as_bytes(), &sum_of(body), body].concat()).unwrap();
        assert!(!is_known(), "{body:?}");
    }
    std::fs::write(file, bytes).unwrap();
}
