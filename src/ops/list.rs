//! Deeds: views of the registry. Pure, and never able to write.

use serde::Serialize;

use crate::install_state::InstallStates;
use crate::registry::{InstallMode, LockEntry, Registry, RegistrySummary, SkillSummary};
use crate::skill::SkillName;

use super::plan::edits;

/// One row of `list`.
#[derive(Debug, Serialize)]
pub(crate) struct Row<'a> {
    name: &'a SkillName,
    #[serde(flatten)]
    entry: &'a SkillSummary<'a>,
    /// `ok`, `edited` or `missing`; absent where nobody looked.
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<&'static str>,
}

impl Row<'_> {
    /// The cells of the table: name, version, source, pin, targets, perhaps the state.
    pub(crate) fn cells(&self, with_state: bool) -> Vec<String> {
        let entry = self.entry;
        let pin = match (entry.pin.short_text(), entry.pinned) {
            (Some(pin), true) => format!("{pin} (held)"),
            (Some(pin), false) => pin,
            // A folder that was copied is no live link.
            (None, _) if entry.mode == InstallMode::Live => "live".to_owned(),
            (None, _) => "-".to_owned(),
        };
        let mut cells = vec![
            self.name.to_string(),
            entry.version.as_deref().unwrap_or("-").to_owned(),
            entry.source.to_string(),
            pin,
            entry.targets.iter().map(|target| &**target).collect::<Vec<_>>().join(","),
        ];
        if with_state {
            cells.push(self.state.unwrap_or("-").to_owned());
        }
        cells
    }
}

/// Every installed skill in the order of the names; with the registry and what was seen, also
/// how it stands on the disk.
pub(crate) fn list<'a>(
    overview: &'a RegistrySummary<'a>,
    seen: Option<(&Registry, &InstallStates)>,
) -> Vec<Row<'a>> {
    let state = |name: &SkillName| {
        let (registry, seen) = seen?;
        registry.skills.get(name).map(|entry| state(name, entry, seen))
    };
    overview.skills.iter().map(|(name, entry)| Row { name, entry, state: state(name) }).collect()
}

/// How a skill stands on the disk: `ok`, `edited` or `missing`.
pub(crate) fn state(name: &SkillName, entry: &LockEntry, seen: &InstallStates) -> &'static str {
    let sight = seen.get(name).cloned().unwrap_or_default();
    if sight.is_gone() {
        "missing"
    } else if edits(entry, &sight).is_empty() {
        "ok"
    } else {
        "edited"
    }
}
