//! The journal of a transaction: what was swapped for what, written before the first swap.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use fs_err as fs;
use serde::{Deserialize, Serialize};

use super::{Recovery, Store};
use crate::digest::sha256_hex;
use crate::error::{Context as _, Result, error};
use crate::fsx;
use crate::history;

/// How far a transaction is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Phase {
    #[default]
    Staging,
    Swapping,
}

/// One place that gets new content, loses what it has, or both.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Swap {
    pub(super) place: PathBuf,
    /// Where the new content is staged; `None` to remove.
    pub(super) new: Option<PathBuf>,
    /// Where the old content goes; `None` where there was none.
    pub(super) old: Option<PathBuf>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Journal {
    pub(super) phase: Phase,
    /// Skills folder to the staging folder inside it.
    pub(super) stagings: BTreeMap<PathBuf, PathBuf>,
    /// Folders that did not exist before, outermost first.
    pub(super) made: Vec<PathBuf>,
    pub(super) swaps: Vec<Swap>,
    pub(super) registry_before: Option<String>,
    /// The record of this change, written but not yet counting.
    #[serde(default)]
    pub(super) history: Option<PathBuf>,
    /// sha256 of the registry file as it will be; `""` while staging.
    pub(super) registry_after: String,
}

impl Swap {
    /// Old content away, new content in: two renames on one file system.
    pub(super) fn make(&self) -> Result<()> {
        if let Some(old) = &self.old {
            fsx::rename(&self.place, old)?;
        }
        if let Some(new) = &self.new {
            fsx::rename(new, &self.place)?;
        }
        Ok(())
    }

    /// Turns [`Swap::make`] back, however far it came.
    fn undo(&self) -> Result<()> {
        let new_is_in = self.new.as_ref().is_some_and(|new| !fsx::exists(new));
        match &self.old {
            Some(old) if fsx::exists(old) => {
                if new_is_in {
                    self.take_out()?;
                }
                Ok(fs::rename(old, &self.place)?)
            }
            None if new_is_in => self.take_out(),
            _ => Ok(()),
        }
    }

    /// Moves new content back to where it was staged: a rename, as quick as it came.
    fn take_out(&self) -> Result<()> {
        match &self.new {
            Some(new) if fsx::exists(&self.place) => Ok(fs::rename(&self.place, new)?),
            _ => Ok(()),
        }
    }

    fn is_made(&self) -> bool {
        match (&self.new, &self.old) {
            (Some(new), _) => !fsx::exists(new),
            (None, Some(old)) => fsx::exists(old),
            (None, None) => true,
        }
    }
}

impl Journal {
    pub(super) fn write(&self, file: &Path) -> Result<()> {
        let text = serde_json::to_vec_pretty(self).unwrap_or_default();
        fsx::write_atomic(file, &text)
    }

    fn read(file: &Path) -> Result<Self> {
        serde_json::from_slice(&fs::read(file)?).map_err(|e| {
            error!(Invalid, "the journal `{}` of a killed command cannot be read", file.display())
                .cause(e)
                .hint("run `ba-agent doctor`, or check the skills with `ba-agent skill verify` and delete it")
        })
    }

    /// True when the registry file is already the new one and every swap happened.
    fn is_complete(&self, registry: &Path) -> bool {
        let now = std::fs::read(registry).ok().map(|bytes| sha256_hex(&bytes));
        let after = Some(self.registry_after.clone());
        self.phase == Phase::Swapping
            && now == after
            && (self.registry_before != after || self.swaps.iter().all(Swap::is_made))
    }
}

/// Turns a transaction back: swaps in reverse, staging folders, folders it made.
pub(super) fn undo(journal: &Journal) -> Result<()> {
    if let Some(pending) = &journal.history {
        history::forget(pending);
    }
    if journal.phase == Phase::Swapping {
        for swap in journal.swaps.iter().rev() {
            swap.undo().context(|| format!("`{}` cannot be put back", swap.place.display()))?;
        }
        for root in journal.stagings.keys() {
            fsx::sync_folder(root);
        }
    }
    tidy(journal)
}

/// Removes staging folders with what is left in them, and folders made for nothing.
pub(super) fn tidy(journal: &Journal) -> Result<()> {
    for staging in journal.stagings.values() {
        fsx::remove(staging)?;
    }
    fsx::remove_empty(&journal.made);
    Ok(())
}

/// Repairs what the journal beside the registry tells of; the lock must be held.
pub(super) fn recover(store: &Store) -> Result<Recovery> {
    for unfinished in store.unfinished_files() {
        fsx::remove(&unfinished)?;
    }
    let file = store.journal_file();
    if !fsx::exists(&file) {
        return Ok(Recovery::Undone);
    }
    let journal = Journal::read(&file)?;
    let outcome = if journal.is_complete(store.registry_file()) {
        if let Some(pending) = &journal.history {
            history::confirm(pending);
        }
        tidy(&journal)?;
        Recovery::Finished
    } else {
        undo(&journal)?;
        Recovery::Undone
    };
    fsx::remove(&file)?;
    Ok(outcome)
}
