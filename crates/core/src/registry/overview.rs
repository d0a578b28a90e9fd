//! The registry without the single files, which are most of it: what `list` shows.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::{Deref, Range};

use jiff::Timestamp;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;

use super::{
    DependencyRecord, InstallMode, LockEntry, MarketplaceOrigin, ReferenceRecord, RevisionRecord, Versioned,
    is_enabled_unless_said, read_document,
};
use crate::digest::Digest;
use crate::error::Result;
use crate::skill::SkillName;

/// All installed skills.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
pub struct RegistrySummary<'t> {
    schema_version: String,
    /// In the order of their names, each once.
    #[serde(default, borrow, deserialize_with = "read_in_order")]
    pub skills: Vec<(SkillName, SkillSummary<'t>)>,
}

/// Reads the skills as they stand, which is in order where nobody wrote by hand: to move thousands
/// of them about in a tree takes longer than to read them. Of twins the last counts, as in any map.
fn read_in_order<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<(SkillName, SkillSummary<'de>)>, D::Error> {
    struct InOrder;
    impl<'de> Visitor<'de> for InOrder {
        type Value = Vec<(SkillName, SkillSummary<'de>)>;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("a map")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut all = Vec::new();
            while let Some(one) = map.next_entry()? {
                all.push(one);
            }
            Ok(all)
        }
    }
    let mut all = deserializer.deserialize_map(InOrder)?;
    if !all.is_sorted_by(|a, b| a.0 < b.0) {
        all.sort_by(|a, b| a.0.cmp(&b.0));
        all.dedup_by(|later, kept| {
            let is_twin = later.0 == kept.0;
            if is_twin {
                std::mem::swap(later, kept);
            }
            is_twin
        });
    }
    Ok(all)
}

/// One of them, see [`super::LockEntry`]. Texts stay where they stand in the registry: of
/// thousands of skills copies would take more time than reading them.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
pub struct SkillSummary<'t> {
    #[serde(borrow)]
    pub version: Option<Text<'t>>,
    #[serde(borrow)]
    pub description: Option<Text<'t>>,
    #[serde(borrow)]
    pub source: Text<'t>,
    #[serde(borrow)]
    pub(crate) kind: Text<'t>,
    #[serde(borrow)]
    pub path: Option<Text<'t>>,
    pub reference: Option<ReferenceRecord>,
    pub pin: RevisionRecord,
    #[serde(default)]
    pub pinned: bool,
    pub digest: Digest,
    #[serde(borrow)]
    pub targets: Vec<Text<'t>>,
    pub mode: InstallMode,
    #[serde(borrow)]
    pub alias_of: Option<Text<'t>>,
    /// See [`LockEntry::automatic`].
    #[serde(default)]
    pub automatic: bool,
    #[serde(borrow)]
    pub category: Option<Text<'t>>,
    /// See [`LockEntry::disabled_for`].
    #[serde(default)]
    pub disabled_for: BTreeMap<String, usize>,
    /// See [`LockEntry::enabled`].
    #[serde(default = "is_enabled_unless_said")]
    pub enabled: bool,
    pub(crate) installed_at: Timestamp,
    pub(crate) updated_at: Option<Timestamp>,
    /// Not shown by `list`.
    #[serde(default, skip_serializing)]
    pub marketplace: Option<MarketplaceOrigin>,
    /// Not shown by `list`.
    #[serde(default, skip_serializing)]
    pub dependencies: Vec<DependencyRecord>,
}

/// A text of the registry, copied only where it is written with escapes.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(transparent)]
pub struct Text<'t>(#[serde(borrow)] Cow<'t, str>);

impl Deref for Text<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'t> From<&'t String> for Text<'t> {
    fn from(text: &'t String) -> Self {
        Self(Cow::Borrowed(text))
    }
}

impl<'t> Versioned<'t> for RegistrySummary<'t> {
    fn version(&self) -> &str {
        &self.schema_version
    }
}

impl<'t> RegistrySummary<'t> {
    /// Reads the document; `file` is only for messages. The files of its skills are passed
    /// over as text and not checked.
    ///
    /// # Errors
    /// Those of [`super::Registry::parse`].
    pub fn parse(text: &'t str, file: &str) -> Result<Self> {
        read_document(text, file)
    }
}

/// Where in the text of a registry the entry of each skill stands, of twins the last: one of
/// thousands can then be read alone. `None` for a text that is not a registry's.
pub fn find_entry_ranges(text: &str) -> Option<BTreeMap<String, Range<usize>>> {
    #[derive(Deserialize)]
    struct RawEntries<'t> {
        #[serde(borrow, default)]
        skills: BTreeMap<Cow<'t, str>, &'t RawValue>,
    }
    let entries = serde_json::from_str::<RawEntries<'_>>(text).ok()?.skills;
    let range = |(name, entry): (Cow<'_, str>, &RawValue)| {
        let start = (entry.get().as_ptr() as usize).checked_sub(text.as_ptr() as usize)?;
        Some((name.into_owned(), start..start + entry.get().len()))
    };
    entries.into_iter().map(range).collect()
}

impl<'t> SkillSummary<'t> {
    pub fn of(entry: &'t LockEntry) -> Self {
        Self {
            version: entry.version.as_ref().map(Text::from),
            description: entry.description.as_ref().map(Text::from),
            source: Text::from(&entry.source),
            kind: Text::from(&entry.kind),
            path: entry.path.as_ref().map(Text::from),
            reference: entry.reference.clone(),
            pin: entry.pin.clone(),
            pinned: entry.pinned,
            digest: entry.digest.clone(),
            targets: entry.targets.iter().map(Text::from).collect(),
            mode: entry.mode,
            alias_of: entry.alias_of.as_ref().map(Text::from),
            automatic: entry.automatic,
            category: entry.category.as_ref().map(Text::from),
            disabled_for: entry.disabled_for.clone(),
            enabled: entry.enabled,
            installed_at: entry.installed_at,
            updated_at: entry.updated_at,
            marketplace: entry.marketplace.clone(),
            dependencies: entry.dependencies.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;

    const ONE: &str = r#"{"schema_version": "1.0", "skills": {"pdf": {
        "source": "github:o/r", "kind": "github", "pin": {"commit": "c"}, "targets": ["claude-code"],
        "digest": "sha256:0000000000000000000000000000000000000000000000000000000000000000",
        "files": {"SKILL.md": "100644 x"}, "mode": "link", "installed_at": "2026-01-02T03:04:05Z",
        "from_tomorrow": [1]}}, "more": {}}"#;

    #[test]
    fn each_entry_stands_where_it_is_said_to() {
        let own = &ONE[find_entry_ranges(ONE).unwrap()["pdf"].clone()];
        let twin = format!(r#""p\u0064f": {}, "pdf":"#, own.replace("sha256:0", "sha256:1"));
        let twins = ONE.replacen(r#""pdf":"#, &twin, 1);
        for text in [ONE, &twins] {
            let ranges = find_entry_ranges(text).unwrap();
            let entry: super::super::LockEntry = serde_json::from_str(&text[ranges["pdf"].clone()]).unwrap();
            let whole = super::super::Registry::parse(text, "r").unwrap();
            assert_eq!((ranges.len(), whole.skills.values().collect::<Vec<_>>()), (1, vec![&entry]));
        }
        assert_eq!(find_entry_ranges(r#"{"schema_version": "1.0"}"#), Some(BTreeMap::new()));
        for text in ["", "[1]", r#"{"skills": 1}"#, &ONE[..ONE.len() - 1]] {
            assert_eq!(find_entry_ranges(text), None, "{text}");
        }
    }

    #[test]
    fn it_says_what_the_registry_says() {
        let escaped = ONE.replace("github:o/r", r"github:o\u002Fr").replace(
            r#""from_tomorrow""#,
            r#""description":"a \"b\"","path":"x/y","pinned":true,"alias_of":"z",
            "marketplace":{"name":"m","entry":"e"},"automatic":true,"enabled":false,"category":"core","disabled_for":{"cursor":0},
            "dependencies":[{"name":"o","kind":"declared","at":"SKILL.md:5"}],"from_tomorrow""#,
        );
        for text in [ONE, &escaped] {
            let overview = RegistrySummary::parse(text, "r").unwrap();
            let registry = super::super::Registry::parse(text, "r").unwrap();
            let name: SkillName = "pdf".parse().unwrap();
            assert_eq!(
                overview.skills,
                [(name.clone(), SkillSummary::of(&registry.skills[&name]))],
                "{text}"
            );
        }
    }

    /// In whatever order somebody wrote them, and however often.
    #[test]
    fn skills_are_in_order_and_each_stands_once() {
        let (_, entry) = ONE.split_once(r#""pdf": "#).unwrap();
        let entry = &entry[..=entry.find(r#""from_tomorrow": [1]}"#).unwrap() + 20];
        let of = |kind: &str| entry.replacen("github", kind, 3);
        let text = format!(
            r#"{{"schema_version": "1.0", "skills": {{"b": {}, "c": {}, "a": {}, "b": {}, "b": {}}}}}"#,
            of("first"),
            of("c"),
            of("a"),
            of("second"),
            of("last")
        );
        let overview = RegistrySummary::parse(&text, "r").unwrap();
        let registry = super::super::Registry::parse(&text, "r").unwrap();
        let expected: Vec<_> =
            registry.skills.iter().map(|(name, entry)| (name.clone(), SkillSummary::of(entry))).collect();
        assert_eq!(overview.skills, expected);
        let kinds: Vec<&str> = overview.skills.iter().map(|(_, entry)| &*entry.kind).collect();
        assert_eq!(kinds, ["a", "last", "c"]);
    }

    #[test]
    fn what_is_no_registry_is_refused_alike() {
        for (text, kind) in [
            (ONE.replace("1.0", "1.9"), None),
            (ONE.replace("1.0", "2.0"), Some(Kind::Conflict)),
            (ONE.replace("1.0", "2.0").replace("\"digest\"", "\"hash\""), Some(Kind::Conflict)),
            (ONE.replace("schema_version", "version"), Some(Kind::Invalid)),
            (ONE.replace("\"digest\"", "\"hash\""), Some(Kind::Invalid)),
            (format!("<<<<<<< ours\n{ONE}"), Some(Kind::Invalid)),
            (ONE.replace("}}", "}"), Some(Kind::Invalid)),
            (String::new(), Some(Kind::Invalid)),
            ("[]".into(), Some(Kind::Invalid)),
        ] {
            let overview = RegistrySummary::parse(&text, "r").err();
            assert_eq!(overview.as_ref().map(|e| e.kind), kind, "{text}");
            let registry = super::super::Registry::parse(&text, "r").err();
            assert_eq!(overview.map(|e| e.message), registry.map(|e| e.message), "{text}");
        }
    }
}
