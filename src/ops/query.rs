//! Deeds: views of the registry. Pure, and never able to write.

use serde::Serialize;

use crate::disk::Seen;
use crate::registry::{Entry, Registry};
use crate::skill::SkillName;

use super::plan::edits;

/// One row of `list`.
#[derive(Debug, Serialize)]
pub(crate) struct Row<'a> {
    name: &'a SkillName,
    #[serde(flatten)]
    entry: Listed<'a>,
    /// `ok`, `edited` or `missing`; absent where nobody looked.
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<&'static str>,
}

/// What `list` says of an entry: all of it but the single files.
#[derive(Debug, Serialize)]
struct Listed<'a> {
    version: Option<&'a str>,
    description: Option<&'a str>,
    source: &'a str,
    kind: &'a str,
    path: Option<&'a str>,
    reference: &'a Option<crate::registry::ReferenceRecord>,
    pin: &'a crate::registry::PinRecord,
    pinned: bool,
    digest: &'a crate::digest::Digest,
    targets: &'a [String],
    mode: crate::registry::Mode,
    alias_of: Option<&'a str>,
    installed_at: jiff::Timestamp,
    updated_at: Option<jiff::Timestamp>,
}

impl<'a> Listed<'a> {
    fn of(entry: &'a Entry) -> Self {
        Self {
            version: entry.version.as_deref(),
            description: entry.description.as_deref(),
            source: &entry.source,
            kind: &entry.kind,
            path: entry.path.as_deref(),
            reference: &entry.reference,
            pin: &entry.pin,
            pinned: entry.pinned,
            digest: &entry.digest,
            targets: &entry.targets,
            mode: entry.mode,
            alias_of: entry.alias_of.as_deref(),
            installed_at: entry.installed_at,
            updated_at: entry.updated_at,
        }
    }
}

impl Row<'_> {
    /// The cells of the table: name, version, source, pin, targets, perhaps the state.
    pub(crate) fn cells(&self, with_state: bool) -> Vec<String> {
        let entry = &self.entry;
        let pin = match (entry.pin.short(), entry.pinned) {
            (Some(pin), true) => format!("{pin} (held)"),
            (Some(pin), false) => pin,
            (None, _) => "live".to_owned(),
        };
        let mut cells = vec![
            self.name.to_string(),
            entry.version.unwrap_or("-").to_owned(),
            entry.source.to_owned(),
            pin,
            entry.targets.join(","),
        ];
        if with_state {
            cells.push(self.state.unwrap_or("-").to_owned());
        }
        cells
    }
}

/// Every installed skill in the order of the names; with `seen`, also how it stands on the disk.
pub(crate) fn list<'a>(registry: &'a Registry, seen: Option<&Seen>) -> Vec<Row<'a>> {
    let rows = registry.skills.iter();
    rows.map(|(name, entry)| Row {
        name,
        entry: Listed::of(entry),
        state: seen.map(|seen| state(name, entry, seen)),
    })
    .collect()
}

/// How a skill stands on the disk: `ok`, `edited` or `missing`.
pub(crate) fn state(name: &SkillName, entry: &Entry, seen: &Seen) -> &'static str {
    let sight = seen.get(name).cloned().unwrap_or_default();
    if sight.is_gone() {
        "missing"
    } else if edits(entry, &sight).is_empty() {
        "ok"
    } else {
        "edited"
    }
}
