//! One published version: a line of `index.jsonl`. It never changes but for `yanked`,
//! `yank_reason` and `removed`.

use jiff::Timestamp;
use semver::{Version, VersionReq};
use serde::{Deserialize, Serialize};

use super::scoped_name::ScopedName;
use crate::digest::Digest;

/// The form of a line that this program writes.
pub(super) const LINE_FORM: u64 = 1;

/// A line of `index.jsonl`. Its fields stand in the order of the line's keys.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublishedVersion {
    /// The form of the line.
    pub v: u64,
    pub name: ScopedName,
    pub version: Version,
    /// Of the archive's bytes.
    pub digest: Digest,
    /// Bytes of the archive.
    pub size: u64,
    /// Of modes, paths and bytes of its files: what the lock records.
    pub tree: Digest,
    /// Bytes of its files.
    pub unpacked: u64,
    /// How many files there are.
    pub files: u64,
    pub description: String,
    /// Other published skills that it needs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub deps: Vec<PublishedDependency>,
    /// The tools that it asks to be allowed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub grants: Vec<String>,
    /// True when it brings hooks, which some agents run.
    #[serde(default)]
    pub hooks: bool,
    /// The files of it that are programs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scripts: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub license: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub category: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// Where its files were written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<PublishedSource>,
    pub published_at: Timestamp,
    /// Who published it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// Its place in the registry's log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leaf: Option<u64>,
    /// True when nobody should newly take it; a lock that has it keeps it.
    #[serde(default)]
    pub yanked: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub yank_reason: Option<String>,
    /// Its archive is not served any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub removed: Option<Removal>,
}

impl PublishedVersion {
    /// Its line, with the line feed: the same bytes on every machine.
    pub fn to_line(&self) -> String {
        let mut line = serde_json::to_string(self).unwrap_or_default();
        line.push('\n');
        line
    }

    /// True when it may be taken newly, revocations aside.
    pub fn is_offered(&self) -> bool {
        !self.yanked && self.removed.is_none()
    }
}

/// What a version is alone by: without build metadata, and of either case, since folders are named
/// after it.
pub fn version_key(version: &Version) -> String {
    let mut key = version.clone();
    key.build = semver::BuildMetadata::EMPTY;
    key.to_string().to_ascii_lowercase()
}

/// Another published skill that is needed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublishedDependency {
    pub name: ScopedName,
    /// The versions of it that will do.
    pub req: VersionReq,
}

/// Where the files of a published version were written. Nobody checked it, unless `verified` says
/// how.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublishedSource {
    pub git: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// The folder of the skill in the repository; absent at its top.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// `oidc`: the registry saw it in the token of the build that published.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verified: Option<String>,
}

/// That a version was removed, when and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Removal {
    pub at: Timestamp,
    pub reason: String,
    /// True when its bytes are refused wherever they are, installed copies too. A version that
    /// its owner took back is not: somebody else may have published the same bytes.
    #[serde(default)]
    pub revoked: bool,
}
