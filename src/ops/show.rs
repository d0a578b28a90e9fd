//! Deeds: everything about one skill, installed or not, as one value.

use jiff::Timestamp;
use serde::Serialize;

use crate::error::Result;
use crate::install_state::InstallStates;
use crate::registry::LockEntry;
use crate::skill::{Finding, SkillName};

use super::gather::Candidate;
use super::list::state;

/// What `show` shows.
#[derive(Debug, Serialize)]
pub(crate) struct View {
    pub(crate) name: SkillName,
    pub(crate) installed: bool,
    /// `ok`, `edited` or `missing`, for an installed skill.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) state: Option<&'static str>,
    #[serde(flatten)]
    pub(crate) entry: LockEntry,
    /// Bytes of all files, where they are known.
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes: Option<u64>,
    pub(crate) findings: Vec<Finding>,
}

/// How much a skill is.
pub(crate) struct Files {
    pub(crate) count: usize,
    pub(crate) bytes: Option<u64>,
}

impl View {
    pub(crate) fn size(&self) -> Files {
        Files { count: self.entry.files.len(), bytes: self.bytes }
    }
}

/// An installed skill.
pub(crate) fn installed(name: &SkillName, entry: &LockEntry, seen: &InstallStates) -> View {
    View {
        name: name.clone(),
        installed: true,
        state: Some(state(name, entry, seen)),
        entry: entry.clone(),
        bytes: None,
        findings: Vec::new(),
    }
}

/// A skill that could be installed.
///
/// # Errors
/// Those of [`Candidate::digest`].
pub(crate) fn candidate(candidate: &Candidate, now: Timestamp) -> Result<View> {
    let (digest, files) = candidate.digest()?.clone();
    Ok(View {
        name: candidate.name.clone(),
        installed: false,
        state: None,
        entry: candidate.record(digest, files, now),
        bytes: Some(candidate.entries().iter().map(|entry| entry.size).sum()),
        findings: candidate.document.findings.clone(),
    })
}
