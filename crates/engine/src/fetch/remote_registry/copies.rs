//! Copies of a registry's files in the cache: what is used without a connection, asked for only
//! where it changed, and what later answers are held to.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::RemoteRegistry;
use ba_agent_core::digest::sha256_hex;
use ba_agent_system::cache::CacheSection;

/// The first word of every copy; another one is another format, and not read.
const MAGIC: &str = "ba-agent registry file 1";

/// A file of a registry as it was last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RegistryCopy {
    /// The place that gave it.
    pub(super) from: String,
    /// What that place called this state of the file; empty where it said nothing.
    pub(super) etag: String,
    pub(super) at: Timestamp,
    pub(super) bytes: Vec<u8>,
}

#[derive(Serialize, Deserialize)]
struct CopyHead {
    from: String,
    etag: String,
    at: Timestamp,
}

impl RegistryCopy {
    /// That there is no such file.
    pub(super) fn of_nothing(at: Timestamp) -> Self {
        Self { from: String::new(), etag: String::new(), at, bytes: Vec::new() }
    }

    fn to_bytes(&self) -> Vec<u8> {
        let head = CopyHead { from: self.from.clone(), etag: self.etag.clone(), at: self.at };
        let mut body = serde_json::to_vec(&head).unwrap_or_default();
        body.push(b'\n');
        body.extend_from_slice(&self.bytes);
        let mut text = format!("{MAGIC} {}\n", sha256_hex(&body)).into_bytes();
        text.extend(body);
        text
    }

    /// A copy as it was written, or nothing.
    fn parse(bytes: &[u8]) -> Option<Self> {
        let end = bytes.iter().position(|byte| *byte == b'\n')?;
        let hash = std::str::from_utf8(bytes.get(..end)?).ok()?.strip_prefix(MAGIC)?.trim();
        let body = bytes.get(end + 1..)?;
        if sha256_hex(body) != hash {
            return None;
        }
        let end = body.iter().position(|byte| *byte == b'\n')?;
        let CopyHead { from, etag, at } = serde_json::from_slice(body.get(..end)?).ok()?;
        Some(Self { from, etag, at, bytes: body.get(end + 1..)?.to_vec() })
    }
}

impl RemoteRegistry<'_> {
    /// The copy of a file, if there is one.
    pub(super) fn copy(&self, path: &str) -> Option<RegistryCopy> {
        let cache = self.world.cache.as_ref()?;
        RegistryCopy::parse(&cache.read(&cache.entry_file(CacheSection::Registries, &self.key(path)))?)
    }

    /// Keeps a copy. A cache that cannot be written keeps nothing, which is no failure.
    pub(super) fn keep(&self, path: &str, copy: &RegistryCopy) {
        if let Some(cache) = &self.world.cache {
            let file = cache.entry_file(CacheSection::Registries, &self.key(path));
            let _ = cache.write(&file, &[&copy.to_bytes()]);
        }
    }

    /// Forgets every copy: later answers are held to nothing that was seen so far.
    pub(crate) fn forget_copies(&self) {
        if let Some(cache) = &self.world.cache {
            let next = format!("{}", self.generation() + 1);
            let file = cache.entry_file(CacheSection::Registries, &self.url);
            let _ = cache.write(&file, &[next.as_bytes()]);
        }
    }

    /// How often the copies were forgotten.
    fn generation(&self) -> u64 {
        let cache = self.world.cache.as_ref();
        let text = cache.and_then(|cache| cache.read(&cache.entry_file(CacheSection::Registries, &self.url)));
        text.and_then(|bytes| String::from_utf8(bytes).ok()?.parse().ok()).unwrap_or(0)
    }

    fn key(&self, path: &str) -> String {
        format!("{} {} {path}", self.url, self.generation())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_comes_out_as_it_went_in_or_not_at_all() {
        let copy = RegistryCopy {
            from: "https://a.example".into(),
            etag: "\"x\"".into(),
            at: "2026-01-02T03:04:05Z".parse().unwrap(),
            bytes: b"one\ntwo\n".to_vec(),
        };
        let written = copy.to_bytes();
        assert_eq!(RegistryCopy::parse(&written), Some(copy));
        for at in 0..written.len() {
            let mut broken = written.clone();
            broken[at] ^= 1;
            assert_eq!(RegistryCopy::parse(&broken), None, "{at}");
            assert_eq!(RegistryCopy::parse(&written[..at]), None, "{at}");
        }
    }
}
