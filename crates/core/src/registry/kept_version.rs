//! Versions of a skill that are kept beside the one in its targets, and what they are called.
//!
//! A label names each: the version that the skill gave itself, or the beginning of its pin where it
//! gave none. It is a folder's name too, so what cannot be one is no label.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use jiff::Timestamp;
use semver::Version;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{DependencyRecord, FileRecords, LockEntry, RevisionRecord};
use crate::digest::Digest;
use crate::path::RelPath;
use crate::version::parse_label;

/// What is said for the highest of all versions.
pub const LATEST_VERSION: &str = "latest";

/// What of an entry belongs to one version of its skill. Its fields stand in the order of the
/// document's keys.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptVersion {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub category: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dependencies: Vec<DependencyRecord>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    pub digest: Digest,
    pub files: FileRecords,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub grants: Vec<String>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub hooks: bool,
    /// When it came to the targets.
    pub installed_at: Timestamp,
    /// Absent means that of the entry, as for `source`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    pub pin: RevisionRecord,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    #[serde(flatten)]
    pub extra: BTreeMap<String, Value>,
}

impl KeptVersion {
    /// The version that is in the targets, to be kept.
    pub fn of(entry: &LockEntry) -> Self {
        Self {
            category: entry.category.clone(),
            dependencies: entry.dependencies.clone(),
            description: entry.description.clone(),
            digest: entry.digest.clone(),
            files: entry.files.clone(),
            grants: entry.grants.clone(),
            hooks: entry.hooks,
            installed_at: entry.updated_at.unwrap_or(entry.installed_at),
            kind: Some(entry.kind.clone()),
            path: entry.path.clone(),
            pin: entry.pin.clone(),
            source: Some(entry.source.clone()),
            version: entry.version.clone(),
            extra: BTreeMap::new(),
        }
    }

    /// The record of the skill with this version in its targets.
    pub fn in_place_of(&self, entry: &LockEntry) -> LockEntry {
        LockEntry {
            category: self.category.clone(),
            dependencies: self.dependencies.clone(),
            description: self.description.clone(),
            digest: self.digest.clone(),
            files: self.files.clone(),
            grants: self.grants.clone(),
            hooks: self.hooks,
            kind: self.kind.clone().unwrap_or_else(|| entry.kind.clone()),
            path: self.path.clone(),
            pin: self.pin.clone(),
            source: self.source.clone().unwrap_or_else(|| entry.source.clone()),
            updated_at: Some(self.installed_at),
            version: self.version.clone(),
            ..entry.clone()
        }
    }

    fn rank(&self) -> (bool, Option<Version>, Timestamp) {
        let version = self.version.as_deref().and_then(parse_label);
        (version.is_some(), version, self.installed_at)
    }
}

/// True for what can be the label of a version: a name that a folder can have anywhere.
pub fn is_version_label(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'+' | b'-');
    (1..=64).contains(&text.len())
        && text.bytes().all(fits)
        && !text.starts_with(['.', '-'])
        && !text.ends_with('.')
        && text != LATEST_VERSION
        && RelPath::parse(text.as_bytes()).is_ok()
}

impl LockEntry {
    /// What the version in the targets is called.
    pub fn version_label(&self) -> String {
        let own = self.version.as_deref().map(str::trim).filter(|text| is_version_label(text));
        let pin = || self.pin.short_text().filter(|text| is_version_label(text));
        own.map(str::to_owned).or_else(pin).unwrap_or_else(|| short_digest(&self.digest))
    }

    /// The label of the version in the targets, and those of the kept ones, the highest first.
    pub fn version_labels(&self) -> Vec<String> {
        let own = (KeptVersion::of(self).rank(), true, self.version_label());
        let kept = self.versions.iter().map(|(label, kept)| (kept.rank(), false, label.clone()));
        let mut all: Vec<_> = std::iter::once(own).chain(kept).collect();
        all.sort_by(|one, other| other.cmp(one));
        all.into_iter().map(|(.., label)| label).collect()
    }

    /// The label that a person means: one of [`LockEntry::version_labels`], or `latest`.
    pub fn find_version_label(&self, text: &str) -> Option<String> {
        let labels = self.version_labels();
        match text.trim() {
            LATEST_VERSION => labels.into_iter().next(),
            text => labels.into_iter().find(|label| label == text),
        }
    }

    /// The record with this version in the targets, and the one that was there kept; itself for the
    /// one that is there. `None` for a version that is not kept.
    pub fn with_version(&self, label: &str) -> Option<Self> {
        if label == self.version_label() {
            return Some(self.clone());
        }
        let mut next = self.versions.get(label)?.in_place_of(self);
        next.versions.remove(label);
        next.keep_version(self, usize::MAX);
        Some(next)
    }

    /// Keeps the version that `before` had in the targets beside the one that is there now, and of
    /// those that were kept before as many as there may be at `most`, the latest installed.
    pub fn keep_version(&mut self, before: &Self, most: usize) {
        if before.digest == self.digest {
            return;
        }
        self.versions.retain(|_, kept| kept.digest != self.digest && kept.digest != before.digest);
        let mut label = before.version_label();
        if self.versions.contains_key(&label) || label == self.version_label() {
            label.truncate(56);
            label = format!("{label}+{}", short_digest(&before.digest));
        }
        let mut others: Vec<(Reverse<Timestamp>, String)> =
            self.versions.iter().map(|(label, kept)| (Reverse(kept.installed_at), label.clone())).collect();
        others.sort();
        for (_, old) in others.iter().skip(most.saturating_sub(1)) {
            self.versions.remove(old);
        }
        if most > 0 {
            self.versions.insert(label, KeptVersion::of(before));
        }
    }
}

fn short_digest(digest: &Digest) -> String {
    digest.as_hex().chars().take(7).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(version: Option<&str>, digit: &str, minute: u32) -> LockEntry {
        let mut value = serde_json::json!({
            "source": "github:o/r", "kind": "github", "pin": { "commit": digit.repeat(40) }, "mode": "link",
            "targets": ["claude-code"], "digest": format!("sha256:{}", digit.repeat(64)),
            "files": { "SKILL.md": format!("100644 {}", digit.repeat(64)) },
            "installed_at": format!("2026-01-02T03:{minute:02}:05Z"),
        });
        if let Some(version) = version {
            value["version"] = version.into();
        }
        serde_json::from_value(value).unwrap()
    }

    /// As an installation would leave it.
    fn moved(before: &LockEntry, mut now: LockEntry, most: usize) -> LockEntry {
        now.updated_at = Some(now.installed_at);
        now.installed_at = before.installed_at;
        now.keep_choices_of(before);
        now.keep_version(before, most);
        now
    }

    #[test]
    fn one_version_for_the_other_and_back_is_the_same_record() {
        let first = entry(Some("1.0.0"), "a", 1);
        let second = moved(&first, entry(Some("1.1.0"), "b", 2), 3);
        let third = moved(&second, entry(None, "c", 3), 3);
        assert_eq!(third.version_labels(), ["1.1.0", "1.0.0", "ccccccc"]);
        for label in ["1.0.0", "1.1.0"] {
            let there = third.with_version(label).unwrap();
            assert_eq!((there.version_label().as_str(), there.versions.len()), (label, 2));
            let back = there.with_version("ccccccc").unwrap();
            assert_eq!(back, third, "{label}");
            assert_eq!(back.with_version(label).unwrap(), there);
        }
        assert_eq!(third.with_version("2.0.0"), None);
        assert_eq!(third.find_version_label("latest").as_deref(), Some("1.1.0"));
        assert_eq!(third.find_version_label(" 1.0.0 ").as_deref(), Some("1.0.0"));
        assert_eq!(third.find_version_label("1.0"), None);
    }

    #[test]
    fn the_latest_are_kept_and_twins_are_told_apart() {
        let mut now = entry(Some("1.0.0"), "0", 0);
        for digit in 1..=6_u32 {
            now = moved(&now, entry(Some("1.0.0"), &digit.to_string(), digit), 3);
            assert!(now.versions.len() <= 3);
        }
        let labels: Vec<&String> = now.versions.keys().collect();
        assert_eq!(labels, ["1.0.0+3333333", "1.0.0+4444444", "1.0.0+5555555"]);
        assert!(now.version_labels().iter().all(|label| is_version_label(label)));
        // The same files again are no other version, and are not kept twice.
        let again = moved(&now, entry(Some("1.0.0"), "4", 9), 3);
        assert_eq!(again.versions.len(), 3);
        assert!(again.versions.values().all(|kept| kept.digest != again.digest));
        let none = moved(&now, entry(Some("2.0.0"), "9", 9), 0);
        assert!(none.versions.is_empty());
    }

    #[test]
    fn a_label_is_a_name_that_a_folder_can_have() {
        for (text, expected) in [
            ("1.0.0", true),
            ("1.0.0-rc.1+build_7", true),
            ("3f2a1c9", true),
            ("", false),
            (".", false),
            ("..", false),
            ("1/2", false),
            ("..\\x", false),
            ("1.0 beta", false),
            ("latest", false),
            ("-1", false),
            ("1.0.", false),
            ("1.\u{e9}", false),
            (&"1".repeat(65), false),
        ] {
            assert_eq!(is_version_label(text), expected, "{text}");
        }
        assert_eq!(entry(Some("../../x"), "a", 1).version_label(), "aaaaaaa");
    }

    #[test]
    fn versions_are_ordered_as_versions() {
        let mut now = entry(Some("1.9"), "1", 1);
        now = moved(&now, entry(Some("v1.10"), "2", 2), 9);
        now = moved(&now, entry(Some("2.0.0-rc.1"), "3", 3), 9);
        now = moved(&now, entry(Some("someday"), "4", 4), 9);
        now = moved(&now, entry(Some("1.10.1"), "5", 5), 9);
        assert_eq!(now.version_labels(), ["2.0.0-rc.1", "1.10.1", "v1.10", "1.9", "someday"]);
    }
}
