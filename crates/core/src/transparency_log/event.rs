//! A leaf: what happened, as one line of JSON whose bytes are the same on every machine.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::error::{Result, error, fail};
use crate::remote_registry::PublishedVersion;

/// The most bytes of a leaf: a tile has two bytes for its length.
pub const MAX_LEAF_BYTES: usize = 60 << 10;

/// The form of leaf that this program writes.
const LEAF_FORM: u64 = 1;

/// What of a published line may change after its publication, and so is not in the log with it;
/// `leaf` is not known before the line is in the log.
const CHANGING_KEYS: &[&str] = &["leaf", "yanked", "yank_reason", "removed"];

/// Something that happened in a registry. Names are written as a person does: `@acme/pdf-tables`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum LogEvent {
    /// A version was published: its line of `index.jsonl` without what may change.
    Publish { line: Map<String, Value> },
    /// A version should not be taken newly.
    Yank {
        at: Timestamp,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<String>,
        name: String,
        version: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// A yank was taken back.
    Unyank {
        at: Timestamp,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<String>,
        name: String,
        version: String,
    },
    /// A version, or without one a whole skill or owner, is not served any more.
    Remove {
        at: Timestamp,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<String>,
        name: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        version: Option<String>,
        reason: String,
    },
    /// A removal was taken back.
    Restore {
        at: Timestamp,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<String>,
        name: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        version: Option<String>,
        reason: String,
    },
    /// Somebody may now publish under an owner's name or a skill's, in a role; without one no more.
    Owner {
        at: Timestamp,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<String>,
        name: String,
        login: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        role: Option<String>,
    },
}

#[derive(Serialize, Deserialize)]
struct Leaf<E> {
    v: u64,
    #[serde(flatten)]
    event: E,
}

impl LogEvent {
    /// The publication that a line of `index.jsonl` stands for. The line is taken as it is
    /// written, with keys that a later version of this program may have added.
    ///
    /// # Errors
    /// `Integrity` where it is not a JSON object.
    pub fn publication(line: &str) -> Result<Self> {
        let mut line: Map<String, Value> = serde_json::from_str(line)
            .map_err(|e| error!(Integrity, "a published version is not valid JSON").cause(e))?;
        line.retain(|key, _| !CHANGING_KEYS.contains(&key.as_str()));
        Ok(Self::Publish { line })
    }
}

/// The bytes of a leaf.
///
/// # Errors
/// `Invalid` where it is longer than [`MAX_LEAF_BYTES`].
pub fn write_event(event: &LogEvent) -> Result<Vec<u8>> {
    let bytes = serde_json::to_vec(&Leaf { v: LEAF_FORM, event })
        .map_err(|e| error!(Invalid, "an event of the log cannot be written").cause(e))?;
    if bytes.len() > MAX_LEAF_BYTES {
        return Err(error!(
            Invalid,
            "what is written of this version has {} bytes, and the log takes {MAX_LEAF_BYTES}",
            bytes.len()
        )
        .hint("shorten its description, or the lists of its scripts and dependencies"));
    }
    Ok(bytes)
}

/// What a leaf says; nothing for a form or an event that this version does not know.
///
/// # Errors
/// `Integrity` where it is not JSON, or lacks what its event has.
pub fn read_event(leaf: &[u8]) -> Result<Option<LogEvent>> {
    #[derive(Deserialize)]
    struct LeafHead {
        v: u64,
        event: String,
    }
    if leaf.len() > MAX_LEAF_BYTES {
        fail!(Integrity, "a leaf of {} bytes is too long for the log", leaf.len());
    }
    let refuse = |e: serde_json::Error| error!(Integrity, "a leaf of the log is not valid").cause(e);
    let head: LeafHead = serde_json::from_slice(leaf).map_err(refuse)?;
    let known = ["publish", "yank", "unyank", "remove", "restore", "owner"];
    if head.v != LEAF_FORM || !known.contains(&head.event.as_str()) {
        return Ok(None);
    }
    let leaf: Leaf<LogEvent> = serde_json::from_slice(leaf).map_err(refuse)?;
    Ok(Some(leaf.event))
}

/// The line of a version as an index has it: with the keys that this program does not know, which
/// are in the log too.
pub fn find_published_line<'a>(index: &'a [u8], version: &PublishedVersion) -> Option<&'a str> {
    let mut lines = index.split(|byte| *byte == b'\n').filter_map(|line| std::str::from_utf8(line).ok());
    lines.find(|line| serde_json::from_str::<PublishedVersion>(line).is_ok_and(|line| line == *version))
}
