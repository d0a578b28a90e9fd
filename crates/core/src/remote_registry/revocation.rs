//! `revoked.jsonl`: the digests that a registry took down. A client refuses them wherever it
//! meets them.

use jiff::Timestamp;
use semver::Version;
use serde::{Deserialize, Serialize};

use super::published_version::PublishedVersion;
use super::scoped_name::ScopedName;
use crate::digest::Digest;
use crate::error::{Result, error};

/// Lines that are read: more revocations than all registries had together.
const MAX_REVOCATIONS: usize = 1_000_000;

/// A digest that was taken down.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Revocation {
    /// When it was.
    pub at: Timestamp,
    pub name: ScopedName,
    pub version: Version,
    /// Of the archive.
    pub digest: Digest,
    pub reason: String,
}

impl Revocation {
    /// What a line of an index says of it, if it says it.
    pub fn of_version(line: &PublishedVersion) -> Option<Self> {
        let removal = line.removed.as_ref().filter(|removal| removal.revoked)?;
        Some(Self {
            at: removal.at,
            name: line.name.clone(),
            version: line.version.clone(),
            digest: line.digest.clone(),
            reason: removal.reason.clone(),
        })
    }
}

/// Reads the file. No line is passed over: each is there to keep somebody from harm.
///
/// # Errors
/// `Integrity` for a line that cannot be read, a file that is cut off, and one without an end.
pub fn parse_revocations(bytes: &[u8]) -> Result<Vec<Revocation>> {
    let damaged =
        |why: String| error!(Integrity, "the registry's list of revoked skills cannot be read").cause(why);
    if bytes.last().is_some_and(|last| *last != b'\n') {
        return Err(damaged("it is cut off: its last line has no end".to_owned()));
    }
    let mut read = Vec::new();
    for (at, line) in bytes.split(|b| *b == b'\n').enumerate().filter(|(_, line)| !line.is_empty()) {
        if read.len() == MAX_REVOCATIONS {
            return Err(damaged(format!("it has more than {MAX_REVOCATIONS} lines")));
        }
        read.push(serde_json::from_slice(line).map_err(|e| damaged(format!("line {}: {e}", at + 1)))?);
    }
    Ok(read)
}

/// The file: in the order of time, each once, the same bytes on every machine.
pub fn write_revocations(revocations: &[Revocation]) -> Vec<u8> {
    let mut sorted: Vec<&Revocation> = revocations.iter().collect();
    sorted.sort();
    sorted.dedup();
    let mut out = String::new();
    for one in sorted {
        out += &serde_json::to_string(one).unwrap_or_default();
        out.push('\n');
    }
    out.into_bytes()
}
