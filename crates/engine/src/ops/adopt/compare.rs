//! A skill as it lies there, held against what its source has.

use super::layout::Layout;
use crate::install_state;
use crate::ops::diff::describe_change;
use crate::ops::gather::Candidate;
use ba_agent_core::diff::{self, ChangeKind, FileDiff};
use ba_agent_core::error::Result;
use ba_agent_core::interop;
use ba_agent_core::listing::Limits;
use ba_agent_core::skill::MANIFEST;

/// How a skill differs from its source.
#[derive(Debug, Default)]
pub(crate) struct Comparison {
    pub(crate) edits: Vec<FileDiff>,
    /// The same line by line, safe to print.
    pub(crate) diffs: Vec<String>,
    /// What explains all of it, as the end of a sentence.
    pub(crate) note: Option<&'static str>,
}

/// Compares the files of `layout` with those of its source; what `verify` does not count as drift
/// is no difference here either.
///
/// # Errors
/// `Conflict` for a device or pipe in the folder; those of reading.
pub(crate) fn compare(source: &Candidate, layout: &Layout, limits: &Limits) -> Result<Comparison> {
    let recorded = &source.digest()?.1;
    let drifts = install_state::find_drift(recorded, &layout.files);
    let mut comparison = Comparison::default();
    for edit in diff::changed_files(recorded, &layout.files) {
        if !drifts.iter().any(|drift| drift.path == edit.path) {
            continue;
        }
        let before = match edit.old_mode {
            Some(_) => source.read_or_link(&edit.path)?,
            None => Vec::new(),
        };
        let after = match layout.files.get(&edit.path) {
            Some(line) => install_state::read_entry(&layout.folder, &edit.path, line)?,
            None => Vec::new(),
        };
        let is_of_gh =
            edit.path == MANIFEST && interop::differs_by_gh_metadata_alone(&after, &before, limits);
        if is_of_gh && drifts.len() == 1 {
            comparison.note = Some("only what `gh skill` wrote into SKILL.md differs");
        }
        if edit.what == ChangeKind::Mode {
            comparison.diffs.push(describe_change(edit.clone(), b"", b""));
        } else {
            comparison.diffs.push(describe_change(edit.clone(), &before, &after));
        }
        comparison.edits.push(edit);
    }
    Ok(comparison)
}
