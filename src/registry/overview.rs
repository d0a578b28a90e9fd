//! The registry without the single files, which are most of it: what `list` shows.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{InstallMode, PinRecord, ReferenceRecord, Versioned, read};
use crate::digest::Digest;
use crate::error::Result;
use crate::skill::SkillName;

/// All installed skills.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
pub(crate) struct RegistrySummary {
    schema_version: String,
    #[serde(default)]
    pub(crate) skills: BTreeMap<SkillName, SkillSummary>,
}

/// One of them, see [`super::LockEntry`].
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
pub(crate) struct SkillSummary {
    pub(crate) version: Option<String>,
    pub(crate) description: Option<String>,
    pub(crate) source: String,
    pub(crate) kind: String,
    pub(crate) path: Option<String>,
    pub(crate) reference: Option<ReferenceRecord>,
    pub(crate) pin: PinRecord,
    #[serde(default)]
    pub(crate) pinned: bool,
    pub(crate) digest: Digest,
    pub(crate) targets: Vec<String>,
    pub(crate) mode: InstallMode,
    pub(crate) alias_of: Option<String>,
    pub(crate) installed_at: Timestamp,
    pub(crate) updated_at: Option<Timestamp>,
}

impl Versioned for RegistrySummary {
    fn version(&self) -> &str {
        &self.schema_version
    }
}

impl RegistrySummary {
    /// Reads the document; `file` is only for messages. The files of its skills are passed
    /// over as text and not checked.
    ///
    /// # Errors
    /// Those of [`super::Registry::parse`].
    pub(crate) fn parse(text: &str, file: &str) -> Result<Self> {
        read(text, file)
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
    fn it_says_what_the_registry_says() {
        let (overview, registry) =
            (RegistrySummary::parse(ONE, "r").unwrap(), super::super::Registry::parse(ONE, "r").unwrap());
        let name: SkillName = "pdf".parse().unwrap();
        let (summary, entry) = (&overview.skills[&name], &registry.skills[&name]);
        assert_eq!(
            (&summary.source, &summary.pin, &summary.digest),
            (&entry.source, &entry.pin, &entry.digest)
        );
        assert_eq!((summary.mode, summary.installed_at), (entry.mode, entry.installed_at));
        assert_eq!((summary.pinned, &summary.version), (false, &None));
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
