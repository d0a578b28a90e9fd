//! What of a marketplace can be neither found nor installed, and why: so that nobody takes for
//! missing what was passed over.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use ba_agent_core::discover;
use ba_agent_core::listing::Listing;
use ba_agent_core::path::RelPath;
use ba_agent_core::search::SearchDocument;
use ba_agent_core::skill::{LOWER_MANIFEST, MANIFEST};

/// Why something was left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    NoSkill,
    Unreadable,
    NameTaken,
    Nested,
    Sample,
    Unnamed,
}

impl Why {
    /// What was left out, as it is said of one and of several.
    pub fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::NoSkill => ("entry without a skill", "entries without a skill"),
            Self::Unreadable => {
                ("skill whose frontmatter cannot be read", "skills whose frontmatter cannot be read")
            }
            Self::NameTaken => {
                ("skill whose name another entry has", "skills whose names other entries have")
            }
            Self::Nested => ("skill inside another skill", "skills inside other skills"),
            Self::Sample => ("skill among samples and tests", "skills among samples and tests"),
            Self::Unnamed => ("skill that no entry names", "skills that no entry names"),
        }
    }
}

/// What was left out: names of entries and folders, by the reason.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct LeftOut(BTreeMap<Why, BTreeSet<String>>);

impl LeftOut {
    pub(super) fn note(&mut self, why: Why, what: &str) {
        self.0.entry(why).or_default().insert(what.to_owned());
    }

    /// Notes the skills of a tree that no document is of.
    pub(super) fn rest(&mut self, listing: &Listing, base: &RelPath, documents: &[SearchDocument<'_>]) {
        let found = discover::find_skills(listing, base);
        let offered: BTreeSet<&str> =
            found.iter().filter(|found| found.offered).map(|found| found.folder.as_str()).collect();
        let top: BTreeSet<&str> = found.iter().map(|found| found.folder.as_str()).collect();
        let had: BTreeSet<&str> = documents.iter().map(|document| document.folder.as_ref()).collect();
        let noted: BTreeSet<String> = self.0.values().flatten().cloned().collect();
        for entry in listing.entries_below(base) {
            let folder = entry.path.folder();
            if !matches!(entry.path.name(), MANIFEST | LOWER_MANIFEST)
                || had.contains(folder)
                || noted.contains(folder)
            {
                continue;
            }
            let why = match (offered.contains(folder), top.contains(folder)) {
                (true, _) => Why::Unnamed,
                (false, true) => Why::Sample,
                (false, false) => Why::Nested,
            };
            self.note(why, folder);
        }
    }

    /// The reasons with what they are of.
    pub fn iter(&self) -> impl Iterator<Item = (Why, &BTreeSet<String>)> {
        self.0.iter().map(|(why, what)| (*why, what))
    }
}
