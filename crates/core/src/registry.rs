//! The registry, a JSON document that records every installed skill and is the
//! lock file too. `skills_registry.schema.json` documents it field by field.
//!
//! Same content, same bytes: keys sorted, two spaces, LF, one at the end. Keys that this
//! version does not know are kept.
//!
//! Version 1.1 added `automatic`, `category`, `dependencies`, `enabled`, `versions`, the version of
//! a plugin, the sizes in `files`, and skills of the kind `registry`. A program that knows 1.0 reads it and keeps the new keys, but takes a size for a
//! part of the hash. So a registry that says 1.0 is written as 1.0, without sizes, until an entry
//! needs one of the new keys; a new registry begins with 1.1.

mod enabled_targets;
mod file_records;
mod kept_version;
mod overview;
mod revision_text;

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::digest::Digest;
use crate::error::{Error, Result, error};
use crate::path::RelPath;
use crate::schema::{self, schema_address};
use crate::skill::SkillName;
use crate::source::{Reference, Revision, Sha};
pub use file_records::{FileRecords, FileSizes};
pub use kept_version::{KeptVersion, LATEST_VERSION, is_version_label};
pub use overview::{RegistrySummary, SkillSummary, find_entry_ranges};
pub use revision_text::{FollowedRevision, describe_move};

/// The version that this program writes, `MAJOR.MINOR`. A reader takes any minor of its
/// own major; a newer major is refused.
pub(crate) const SCHEMA_VERSION: &str = "1.1";
const MAJOR: u64 = 1;

/// The document.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Registry {
    /// For editors. Whatever a file has here stays, also nothing.
    #[serde(rename = "$schema", default, skip_serializing_if = "Option::is_none")]
    schema: Option<Value>,
    schema_version: String,
    #[serde(default)]
    pub skills: BTreeMap<SkillName, LockEntry>,
    #[serde(flatten)]
    extra: BTreeMap<String, Value>,
}

impl Default for Registry {
    fn default() -> Self {
        Self {
            schema: Some(schema_address(schema::REGISTRY).into()),
            schema_version: SCHEMA_VERSION.to_owned(),
            skills: BTreeMap::new(),
            extra: BTreeMap::new(),
        }
    }
}

/// One installed skill. Its fields stand in the order of the document's keys, which is how
/// [`Registry::to_text`] writes thousands of them without sorting.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LockEntry {
    /// The name that the skill gives itself, where it is installed under another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alias_of: Option<String>,
    /// Findings of the rules that were let pass with `--allow`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allowed: Vec<String>,
    /// True when it came because another skill needs it, and nobody asked for it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub automatic: bool,
    /// `core`, `default`, `professional` or a word of the skill's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub category: Option<String>,
    /// The skills that its files say it needs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dependencies: Vec<DependencyRecord>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The tree that was installed.
    pub digest: Digest,
    /// Targets that do not have it for the time being, and the position of each among all.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub disabled_for: BTreeMap<String, usize>,
    /// False while its files are taken out of the targets and kept aside.
    #[serde(default = "is_enabled_unless_said", skip_serializing_if = "Clone::clone")]
    pub enabled: bool,
    /// Each file of it: `MODE SHA256`, so that drift can be named without the source.
    pub files: FileRecords,
    /// The tools that the skill asks to be allowed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub grants: Vec<String>,
    /// True when it brings hooks, which some agents run.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub hooks: bool,
    pub installed_at: Timestamp,
    /// `github`, `gitlab`, `bitbucket`, `git`, `archive`, `served`, `registry`, `local`, `builtin`,
    /// `own`.
    pub kind: String,
    /// The catalogue entry that led here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub marketplace: Option<MarketplaceOrigin>,
    pub mode: InstallMode,
    /// The folder of the skill inside the source; absent at its top.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// The revision that it was at the time.
    pub pin: RevisionRecord,
    /// True when `update` must leave it where it is.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub pinned: bool,
    /// What was asked for; absent means the default branch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<ReferenceRecord>,
    /// Canonical text of the source, as `install` takes it, without reference and path.
    pub source: String,
    /// The agents, or folders, that have it; the first holds the files.
    pub targets: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub updated_at: Option<Timestamp>,
    /// The version that the skill gives itself: a label, never an identity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Other versions that are kept beside it, by their names.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub versions: BTreeMap<String, KeptVersion>,
    #[serde(flatten)]
    pub extra: BTreeMap<String, Value>,
}

fn is_enabled_unless_said() -> bool {
    true
}

/// A skill that another one needs, as its files say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DependencyRecord {
    /// File and line that say so: `SKILL.md:5`.
    pub at: String,
    /// The key that says so; absent for a link.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    pub kind: DependencyKind,
    /// The marketplace that has it, where one is named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub marketplace: Option<String>,
    pub name: String,
    /// True for a suggestion: it is shown, and never installed for it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub optional: bool,
    /// The entry of the marketplace that is needed as a whole, of which the skill is a part: then
    /// the range is about its version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plugin: Option<String>,
    /// The versions that will do; absent where any does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub range: Option<String>,
    /// Where it comes from, where that is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
}

/// How a skill says that it needs another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DependencyKind {
    /// A key of its frontmatter, or of a manifest beside it.
    Declared,
    /// Its instructions lead into the other's folder.
    Link,
}

/// How targets beyond the first receive a skill.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum InstallMode {
    /// A relative link to the first target.
    #[default]
    Link,
    /// A copy of its own.
    Copy,
    /// Every target is a live link to the author's folder.
    Live,
}

/// Which catalogue and which of its entries a skill was chosen from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MarketplaceOrigin {
    pub entry: String,
    pub name: String,
    /// The version of the plugin, where its skill has another of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
}

impl MarketplaceOrigin {
    /// True for skills of the same plugin, whatever its version.
    pub fn is_of_plugin(&self, entry: &str, marketplace: &str) -> bool {
        self.entry == entry && self.name == marketplace
    }
}

/// A reference as the registry writes it: exactly one key.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ReferenceRecord {
    Branch(String),
    Tag(String),
    Sha(String),
    Range(String),
}

impl ReferenceRecord {
    /// The settled reference as a record; `None` for the default branch.
    pub fn of(reference: &Reference) -> Option<Self> {
        match reference {
            Reference::Default => None,
            Reference::Branch(name) => Some(Self::Branch(name.clone())),
            Reference::Tag(name) => Some(Self::Tag(name.clone())),
            Reference::Sha(sha) => Some(Self::Sha(sha.to_string())),
            Reference::Range(range) => Some(Self::Range(range.to_string())),
            Reference::Named(name) | Reference::Tail(name) => Some(Self::Branch(name.clone())),
        }
    }

    /// The reference that it records.
    ///
    /// # Errors
    /// `Invalid` for a sha or range that is none.
    pub fn to_reference(&self) -> Result<Reference> {
        Ok(match self {
            Self::Branch(name) => Reference::Branch(name.clone()),
            Self::Tag(name) => Reference::Tag(name.clone()),
            Self::Sha(sha) => Reference::Sha(sha.parse()?),
            Self::Range(range) => Reference::Range(
                range
                    .parse()
                    .map_err(|e| error!(Invalid, "`{range}` is not a valid version range").cause(e))?,
            ),
        })
    }
}

impl std::fmt::Display for ReferenceRecord {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Branch(name) => write!(f, "branch {name}"),
            Self::Tag(name) => write!(f, "tag {name}"),
            Self::Sha(sha) => write!(f, "commit {sha}"),
            Self::Range(range) => write!(f, "range {range}"),
        }
    }
}

impl LockEntry {
    /// True where it says what version 1.0 of the format cannot say.
    fn needs_newer_schema(&self) -> bool {
        self.automatic
            || self.kind == "registry"
            || self.category.is_some()
            || !self.dependencies.is_empty()
            || !self.enabled
            || !self.disabled_for.is_empty()
            || !self.versions.is_empty()
            || self.marketplace.as_ref().is_some_and(|origin| origin.version.is_some())
    }

    /// Takes over what people chose for the skill, and what a later version of this program wrote:
    /// none of it changes with its content.
    pub fn keep_choices_of(&mut self, before: &Self) {
        self.automatic = before.automatic;
        self.enabled = before.enabled;
        self.disabled_for.clone_from(&before.disabled_for);
        self.disabled_for.retain(|target, _| !self.targets.contains(target));
        self.versions.clone_from(&before.versions);
        self.versions.retain(|_, kept| kept.digest != self.digest);
        // One that its catalogue gave it does not stand in its own files.
        if self.category.is_none() && self.marketplace.is_some() {
            self.category.clone_from(&before.category);
        }
        self.extra.clone_from(&before.extra);
    }

    /// The folder of the skill inside the source.
    ///
    /// # Errors
    /// The reason why what is recorded is no such folder: then no source has it.
    pub fn folder(&self) -> Result<RelPath, &'static str> {
        RelPath::of_folder(self.path.as_deref().unwrap_or_default())
    }

    /// The files that carry the executable bit.
    pub fn executable_files(&self) -> impl Iterator<Item = &str> {
        self.files.iter().filter(|(_, mode)| mode.starts_with("100755")).map(|(path, _)| path.as_str())
    }
}

/// Nothing is ever known to be unreachable: `false` says what nothing says.
fn read_reachable<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<bool>, D::Error> {
    Ok(Option::<bool>::deserialize(from)?.filter(|reachable| *reachable))
}

/// The revision that was installed, as the registry writes it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RevisionRecord {
    /// `sha256:…` of the archive's bytes, or of the tree of a served folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub archive: Option<String>,
    /// Version of this program that carried the skill.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub builtin: Option<String>,
    /// Full sha of the git commit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// True where a branch or tag is known to lead to the commit; absent where that was not
    /// checked, for which an earlier version wrote `false`.
    #[serde(default, deserialize_with = "read_reachable", skip_serializing_if = "Option::is_none")]
    pub reachable: Option<bool>,
    /// The branch or tag that gave the commit; the version that a registry gave.
    #[serde(default, rename = "ref", skip_serializing_if = "Option::is_none")]
    pub chosen: Option<String>,
    /// Git's id of the skill's folder in that commit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tree: Option<String>,
}

impl RevisionRecord {
    /// Records what a reference turned out to be.
    pub fn of(pin: &Revision, chosen: Option<&str>, tree: Option<String>) -> Self {
        let mut record = Self { chosen: chosen.map(str::to_owned), tree, ..Self::default() };
        match pin {
            Revision::Commit(sha) => record.commit = Some(sha.to_string()),
            Revision::Archive(hex) => record.archive = Some(format!("sha256:{hex}")),
            Revision::Builtin(version) => record.builtin = Some(version.clone()),
            Revision::Live => {}
        }
        record
    }

    /// The pin that it records.
    ///
    /// # Errors
    /// `Invalid` for a commit that is not a full sha or an archive that is not a sha256.
    pub fn to_revision(&self) -> Result<Revision> {
        if let Some(commit) = &self.commit {
            let sha: Sha = commit
                .parse()
                .map_err(|_| error!(Invalid, "the commit `{commit}` in the registry is not a full sha"))?;
            return Ok(Revision::Commit(sha));
        }
        if let Some(archive) = &self.archive {
            let digest: Digest = archive.parse()?;
            return Ok(Revision::Archive(digest.as_hex().to_owned()));
        }
        Ok(self.builtin.clone().map_or(Revision::Live, Revision::Builtin))
    }

    /// The first seven digits of the commit or of the archive's sha256, for people.
    pub fn short_text(&self) -> Option<String> {
        let commit = self.commit.as_deref();
        let archive = self.archive.as_deref().map(|a| a.trim_start_matches("sha256:"));
        commit.or(archive).and_then(|hex| hex.get(..7)).map(str::to_owned).or_else(|| self.builtin.clone())
    }
}

impl Registry {
    /// Reads the document; `file` is only for messages.
    ///
    /// # Errors
    /// `Invalid`, with the line, for text that is not a registry: not JSON, conflict markers
    /// of git, a missing or wrong field; `Conflict` for a newer major version.
    pub fn parse(text: &str, file: &str) -> Result<Self> {
        read_document(text, file)
    }

    /// The document as it stands in the file.
    pub fn to_text(&self) -> String {
        match self.is_older() {
            true if self.skills.values().any(LockEntry::needs_newer_schema) => {
                Self { schema_version: SCHEMA_VERSION.to_owned(), ..self.clone() }.write()
            }
            true if self.skills.values().any(|entry| entry.files.has_sizes()) => {
                let mut plain = self.clone();
                plain.skills.values_mut().for_each(|entry| entry.files.drop_sizes());
                plain.write()
            }
            _ => self.write(),
        }
    }

    /// True for version 1.0, whose readers know no sizes.
    fn is_older(&self) -> bool {
        self.schema_version == "1.0" || self.schema_version == "1"
    }

    fn write(&self) -> String {
        let is_ours = self.extra.is_empty() && self.skills.values().all(|entry| entry.extra.is_empty());
        let written = if is_ours { serde_json::to_string_pretty(self) } else { self.to_sorted_text() };
        let mut text = written.unwrap_or_default();
        text.push('\n');
        text
    }

    /// Keys that this version does not know go where they belong among those that it knows.
    fn to_sorted_text(&self) -> serde_json::Result<String> {
        let mut value = serde_json::to_value(self)?;
        sort_keys(&mut value);
        serde_json::to_string_pretty(&value)
    }
}

/// A reading of the document.
trait Versioned<'t>: Deserialize<'t> {
    /// What it says of its own format.
    fn version(&self) -> &str;
}

impl Versioned<'_> for Registry {
    fn version(&self) -> &str {
        &self.schema_version
    }
}

/// Reads the document, whole or in part. A newer version is told as such, also where it
/// cannot be read any more.
fn read_document<'t, T: Versioned<'t>>(text: &'t str, file: &str) -> Result<T> {
    let wrong = match serde_json::from_str::<T>(text) {
        Ok(read) => return check_version(Some(read.version()), file).map(|()| read),
        Err(wrong) => wrong,
    };
    let restore = format!(
        "restore `{file}` from version control, or move it away and install again; it was not changed"
    );
    match serde_json::from_str::<SchemaHead>(text) {
        Ok(head) => check_version(head.schema_version.as_ref().and_then(Value::as_str), file)?,
        Err(e) if e.is_data() => check_version(None, file)?,
        Err(e) => return Err(no_json(text, file, &e, restore)),
    }
    Err(error!(Invalid, "`{file}` is not a valid registry: line {}, column {}", wrong.line(), wrong.column())
        .cause(wrong)
        .hint(restore))
}

/// Of a registry only its version.
#[derive(Deserialize)]
struct SchemaHead {
    #[serde(default)]
    schema_version: Option<Value>,
}

/// Why text is not JSON. A marker of git's at the start of a line cannot stand in JSON, so
/// only here is it looked for.
fn no_json(text: &str, file: &str, e: &serde_json::Error, restore: String) -> Error {
    if let Some(line) = conflict_marker(text) {
        return error!(Invalid, "`{file}` has git conflict markers on line {line}")
            .hint("keep one side of each conflict, delete the markers, then run `ba-agent skill install`");
    }
    error!(Invalid, "`{file}` is not valid JSON: line {}, column {}", e.line(), e.column())
        .cause(e)
        .hint(restore)
}

fn check_version(version: Option<&str>, file: &str) -> Result<()> {
    let major = version.and_then(|v| v.split('.').next()).and_then(|major| major.parse::<u64>().ok());
    match (version, major) {
        (_, Some(MAJOR)) => Ok(()),
        (Some(version), Some(major)) if major > MAJOR => {
            Err(error!(Conflict, "`{file}` has schema version {version}; this program knows {MAJOR}")
                .hint("update ba-agent; the file was not changed"))
        }
        _ => Err(error!(
            Invalid,
            "`{file}` is not a skills registry: it has no `schema_version` such as \"1.0\""
        )
        .hint("restore it from version control, or move it away and install again; it was not changed")),
    }
}

/// The first line that begins as git marks a conflict.
pub(crate) fn conflict_marker(text: &str) -> Option<usize> {
    text.lines()
        .position(|l| l.starts_with("<<<<<<<") || l.starts_with(">>>>>>>") || l == "=======")
        .map(|n| n + 1)
}

fn sort_keys(value: &mut Value) {
    match value {
        Value::Object(map) => {
            let mut pairs: Vec<(String, Value)> = std::mem::take(map).into_iter().collect();
            pairs.sort_by(|a, b| a.0.cmp(&b.0));
            for (_, inner) in &mut pairs {
                sort_keys(inner);
            }
            *map = Map::from_iter(pairs);
        }
        Value::Array(items) => items.iter_mut().for_each(sort_keys),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is written as it stands is what sorting would make of it, with every field there is.
    #[test]
    fn the_fields_stand_in_the_order_of_the_document() {
        let digest = format!("sha256:{}", "0".repeat(64));
        let kept = serde_json::json!({ "pin": { "commit": "c" }, "digest": digest, "files": { "b": "100644 x" }, "installed_at": "2026-01-02T03:04:05Z",
                "category": "core", "description": "d", "grants": ["Read"], "hooks": true, "kind": "github", "path": "p", "source": "github:o/r",
                "version": "1", "dependencies": [{ "name": "o", "kind": "link", "at": "SKILL.md:5" }] });
        let entry = serde_json::json!({
            "source": "github:o/r", "kind": "github", "path": "p", "reference": { "tag": "v1" },
            "pin": { "commit": "c", "ref": "v1", "tree": "t", "reachable": true, "archive": digest, "builtin": "1" },
            "pinned": true, "digest": digest, "files": { "b": "100644 x", "a/b": "100644 y", "a-b": "100755 z 7" },
            "version": "1", "description": "d \"é\"", "grants": ["Read"], "hooks": true, "allowed": ["x"],
            "alias_of": "o", "targets": ["claude-code"], "mode": "copy", "installed_at": "2026-01-02T03:04:05Z",
            "updated_at": "2026-01-02T03:04:05Z", "marketplace": { "name": "m", "entry": "e" },
            "automatic": true, "category": "core", "enabled": false, "disabled_for": { "codex": 1 },
            "dependencies": [{ "name": "o", "range": "^1", "source": "github:o/r", "marketplace": "m", "optional": true, "kind": "link", "at": "SKILL.md:5", "key": "requires" }],
            "versions": { "1.0.0": kept },
        });
        let value = serde_json::json!({ "schema_version": "1.1", "skills": { "b": entry, "a-b": entry, "a": entry } });
        let registry: Registry = serde_json::from_value(value.clone()).unwrap();
        let sorted = registry.to_sorted_text().unwrap();
        assert_eq!(registry.to_text(), format!("{sorted}\n"));
        let known: Value = serde_json::from_str(&sorted).unwrap();
        assert_eq!(known, value, "a field is missing above");
        let fields = |value: &Value| value.as_object().unwrap().len();
        assert_eq!(fields(&known["skills"]["a"]), 25, "a new field belongs into this test");
        assert_eq!(
            Registry::default().to_text(),
            format!("{}\n", Registry::default().to_sorted_text().unwrap())
        );
    }

    /// A later version's numbers too; digits that no double has are lost once at most.
    #[test]
    fn numbers_that_are_not_ours_stay_the_same() {
        for number in
            ["8.888888888888889e72", "-888888888888888888888.1", "0.1", "18446744073709551615", "1e-7"]
        {
            let text = format!("{{\"schema_version\":\"1.7\",\"new\":{number}}}");
            let written = Registry::parse(&text, "r").unwrap().to_text();
            assert_eq!(Registry::parse(&written, "r").unwrap().to_text(), written);
            let exact: f64 = number.parse().unwrap();
            let kept: Value = serde_json::from_str(&written).unwrap();
            assert_eq!(kept["new"].as_f64(), Some(exact), "{number}");
        }
    }
    /// A program that knows 1.0 would take a size for a part of the hash.
    #[test]
    fn a_registry_of_1_0_stays_one_until_an_entry_needs_more() {
        let digest = format!("sha256:{}", "0".repeat(64));
        let document = |version: &str| {
            let entry = serde_json::json!({
                "source": "./a", "kind": "local", "pin": {}, "digest": digest, "files": { "f": "100644 x 12" },
                "targets": ["claude-code"], "mode": "link", "installed_at": "2026-01-02T03:04:05Z",
            });
            let value = serde_json::json!({ "schema_version": version, "skills": { "a": entry } });
            Registry::parse(&value.to_string(), "r").unwrap()
        };
        let said = |registry: &Registry| {
            let value: Value = serde_json::from_str(&registry.to_text()).unwrap();
            let text = |value: &Value| value.as_str().unwrap().to_owned();
            (text(&value["schema_version"]), text(&value["skills"]["a"]["files"]["f"]))
        };
        let pair = |version: &str, line: &str| (version.to_owned(), line.to_owned());
        assert_eq!(said(&document("1.0")), pair("1.0", "100644 x"));
        assert_eq!(said(&document("1.1")), pair("1.1", "100644 x 12"));
        assert_eq!(said(&document("1.7")), pair("1.7", "100644 x 12"));
        let changes: [fn(&mut LockEntry); 5] = [
            |entry| entry.kind = "registry".to_owned(),
            |entry| entry.automatic = true,
            |entry| entry.enabled = false,
            |entry| entry.category = Some("core".to_owned()),
            |entry| {
                let kept = KeptVersion::of(entry);
                entry.versions.insert("1.0.0".to_owned(), kept);
            },
        ];
        for change in changes {
            let mut registry = document("1.0");
            change(registry.skills.get_mut(&"a".parse().unwrap()).unwrap());
            assert_eq!(said(&registry), pair("1.1", "100644 x 12"));
            assert_eq!(Registry::parse(&registry.to_text(), "r").unwrap().skills, registry.skills);
        }
        assert!(Registry::default().to_text().contains("\"1.1\""));
    }

    /// What is not said counts as it always did.
    #[test]
    fn an_entry_of_1_0_is_enabled_and_was_asked_for() {
        let text = r#"{"schema_version":"1.0","skills":{"a":{"source":"./a","kind":"local","pin":{},
            "digest":"sha256:0000000000000000000000000000000000000000000000000000000000000000","files":{},
            "targets":["x"],"mode":"link","installed_at":"2026-01-02T03:04:05Z"}}}"#;
        let registry = Registry::parse(text, "r").unwrap();
        let entry = registry.skills.values().next().unwrap();
        assert!(entry.enabled && !entry.automatic && entry.category.is_none());
        assert!(entry.dependencies.is_empty() && entry.versions.is_empty());
        assert!(!registry.to_text().contains("enabled"));
    }
}
