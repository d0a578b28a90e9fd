//! The journal of a transaction: what is swapped for what, written before the first swap.
//!
//! It holds no path that is obeyed. A swap names a skills folder by its target and a skill by
//! its name; where they are follows from the scope as it is *now*, and the folders in between
//! from the transaction's id. What a journal says of places is only compared with that.

use std::path::{Path, PathBuf};

use fs_err as fs;
use serde::{Deserialize, Serialize};

use super::{Recovery, Store};
use ba_agent_core::agents::InstallTarget;
use ba_agent_core::digest::sha256_hex;
use ba_agent_core::error::{Context as _, Result, error};
use ba_agent_core::skill::SkillName;
use ba_agent_system::fsx;

/// The largest journal that is read: 5,000 skills in 50 targets make less than half of it.
const LARGEST: u64 = 64 << 20;

/// How far a transaction is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Phase {
    /// The staging folders are written.
    #[default]
    Staging,
    /// Folders are swapped; whether the change stands is for the registry file to say.
    Swapping,
    /// The change stands, although the registry file is what it was before.
    Committed,
}

/// A skills folder that takes part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Root {
    /// The target that has its skills there.
    pub(super) target: String,
    /// Where that was when the command ran. Never obeyed: another place now is an error.
    pub(super) place: PathBuf,
    /// How many folders, this one and those above it, did not exist before.
    pub(super) made: usize,
}

/// One place that gets new content, loses what it has, or both.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Swap {
    /// Which of the journal's roots.
    pub(super) root: usize,
    pub(super) name: SkillName,
    /// The number under which the new content is staged; `None` to remove.
    pub(super) staged: Option<u32>,
    /// The number under which the old content is kept; `None` where there was none.
    pub(super) had: Option<u32>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Journal {
    /// The name of the staging folder in each root.
    pub(super) staging: String,
    pub(super) phase: Phase,
    /// The registry file; compared, never obeyed.
    pub(super) registry: PathBuf,
    pub(super) registry_before: Option<String>,
    /// sha256 of the registry file as it will be; `""` while staging.
    pub(super) registry_after: String,
    /// How many folders above the registry file did not exist before.
    pub(super) made: usize,
    pub(super) roots: Vec<Root>,
    pub(super) swaps: Vec<Swap>,
    /// The record of this change, written but not yet counting.
    pub(super) history: Option<u64>,
    /// The run of the system that the command belonged to, where it has a name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) boot: Option<String>,
}

/// The three places of a swap.
pub(super) struct Paths {
    pub(super) place: PathBuf,
    pub(super) new: Option<PathBuf>,
    pub(super) old: Option<PathBuf>,
}

impl Paths {
    /// Old content away, new content in: two renames on one file system.
    ///
    /// # Errors
    /// `Failed` where one of them cannot be renamed; [`Paths::undo`] then brings the old one back.
    pub(super) fn make(&self) -> Result<()> {
        if let Some(old) = &self.old {
            fsx::rename(&self.place, old)?;
        }
        if let Some(new) = &self.new {
            fsx::rename(new, &self.place)?;
        }
        Ok(())
    }

    /// [`Paths::make`] once more, after a power cut: of its renames the disk may have none, some
    /// or all.
    fn make_again(&self) -> Result<()> {
        let is_new_out = self.new.as_ref().is_some_and(|new| fsx::exists(new));
        if let Some(old) = &self.old
            && (is_new_out || self.new.is_none())
            && !fsx::exists(old)
            && fsx::exists(&self.place)
        {
            fsx::rename(&self.place, old)?;
        }
        match &self.new {
            Some(new) if is_new_out => Ok(fsx::rename(new, &self.place)?),
            _ => Ok(()),
        }
    }

    /// Turns [`Paths::make`] back, however far it came.
    fn undo(&self) -> Result<()> {
        let new_is_in = self.new.as_ref().is_some_and(|new| !fsx::exists(new));
        match &self.old {
            Some(old) if fsx::exists(old) => {
                if new_is_in {
                    self.take_out()?;
                }
                Ok(fsx::rename(old, &self.place)?)
            }
            None if new_is_in => self.take_out(),
            _ => Ok(()),
        }
    }

    /// Moves new content back to where it was staged: a rename, as quick as it came.
    fn take_out(&self) -> Result<()> {
        match &self.new {
            Some(new) if fsx::exists(&self.place) => Ok(fsx::rename(&self.place, new)?),
            _ => Ok(()),
        }
    }
}

impl Root {
    /// The staging folder in it.
    pub(super) fn staging(&self, name: &str) -> PathBuf {
        self.place.join(name)
    }
}

impl Journal {
    /// Where a swap happens. The root is one of ours: [`Journal::check`] saw to it.
    pub(super) fn paths(&self, swap: &Swap) -> Option<Paths> {
        let root = self.roots.get(swap.root)?;
        let numbered = |number: u32| root.staging(&self.staging).join(number.to_string());
        Some(Paths {
            place: root.place.join(swap.name.as_str()),
            new: swap.staged.map(numbered),
            old: swap.had.map(numbered),
        })
    }

    pub(super) fn staging_folders(&self) -> impl Iterator<Item = PathBuf> {
        self.roots.iter().map(|root| root.staging(&self.staging))
    }

    pub(super) fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec_pretty(self).unwrap_or_default()
    }

    /// # Errors
    /// `Failed` where the disk refuses.
    pub(super) fn write(&self, file: &Path) -> Result<()> {
        fsx::write_atomic(file, &self.to_bytes())
    }

    /// Writes it for the first time, before anything that it speaks of is there. So half of
    /// such a journal, which a kill or a power cut leaves, speaks of nothing.
    ///
    /// # Errors
    /// `Failed` where the disk refuses.
    pub(super) fn begin(&self, file: &Path) -> Result<()> {
        Ok(fsx::write_first(file, &self.to_bytes())?)
    }

    /// The journal in `file`; `None` for the beginning of one.
    fn read(file: &Path) -> Result<Option<Self>> {
        let bytes = fsx::read_plain_file(file, LARGEST)?.unwrap_or_default();
        if is_cut_short(&bytes) {
            return Ok(None);
        }
        Self::parse(&bytes)
            .map(Some)
            .context(|| format!("the journal `{}` of a killed command cannot be read", file.display()))
            .map_err(|e| e.hint("check the skills with `ba-agent skill verify`, then delete that file"))
    }

    /// Reads a journal's text.
    ///
    /// # Errors
    /// `Invalid` for anything that no command of ours can have written.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self> {
        let journal: Self =
            serde_json::from_slice(bytes).map_err(|e| error!(Invalid, "not a valid journal").cause(e))?;
        let is_name = journal.staging.strip_prefix(super::STAGING_PREFIX).is_some_and(|rest| {
            !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
        });
        if !is_name || journal.swaps.iter().any(|swap| swap.root >= journal.roots.len()) {
            return Err(error!(Invalid, "not a valid journal").cause("its names do not match each other"));
        }
        Ok(journal)
    }

    /// Derives every place anew from the scope as it is now. A place that has moved since,
    /// or leads out of the project now, is not touched.
    fn check(&self, store: &Store) -> Result<()> {
        if self.registry != store.registry {
            return Err(error!(
                Conflict,
                "a killed command used another registry, `{}`",
                self.registry.display()
            )
            .hint("set `skills.registry` as it was and run the command again, or `ba-agent doctor`"));
        }
        for root in &self.roots {
            let target = InstallTarget::parse(&root.target)?;
            store.places.check_links_of(&target)?;
            let now = store.places.root(&target);
            if now != root.place {
                return Err(error!(Conflict, "the skills folder of `{target}` is `{}` now", now.display())
                    .cause(format!("a killed command has unfinished changes in `{}`", root.place.display()))
                    .hint("restore the folder, or the setting that names it, and run the command again"));
            }
        }
        Ok(())
    }

    /// True when the change stands: the registry file is the new one.
    fn is_complete(&self, registry: &Path) -> bool {
        match self.phase {
            Phase::Staging => false,
            Phase::Committed => true,
            Phase::Swapping => {
                let now = std::fs::read(registry).ok().map(|bytes| sha256_hex(&bytes));
                let after = Some(self.registry_after.clone());
                now == after && self.registry_before != after
            }
        }
    }
}

/// Carries a journal over to where its project is now: the places in it are compared with those
/// of the scope, which has moved. Whether the skills folders are the same below the project is
/// still for [`Journal::check`] to say.
///
/// # Errors
/// `Invalid` for a journal that cannot be read, `Failed` where the disk refuses.
pub(super) fn relocate(file: &Path, from: &Path, to: &Path) -> Result<()> {
    // The beginning of a journal speaks of no place.
    let Some(mut journal) = Journal::read(file)? else { return Ok(()) };
    let places = journal.roots.iter_mut().map(|root| &mut root.place);
    for path in std::iter::once(&mut journal.registry).chain(places) {
        if let Ok(below) = path.strip_prefix(from) {
            *path = to.join(below);
        }
    }
    journal.write(file)
}

/// True for what a power cut leaves of a file that was not flushed yet: its beginning, then
/// nothing or zeros.
fn is_cut_short(bytes: &[u8]) -> bool {
    let end = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    let text = bytes.get(..end).unwrap_or_default();
    serde_json::from_slice::<serde::de::IgnoredAny>(text).is_err_and(|e| e.is_eof())
}

/// Whatever the bytes: what is read is written and read alike, and everything that it names
/// lies directly in its own skills folders or in a staging folder there.
#[cfg(any(test, fuzzing))]
pub fn check_any(data: &[u8]) {
    let Ok(journal) = Journal::parse(data) else { return };
    let text = serde_json::to_vec_pretty(&journal).unwrap_or_default();
    assert_eq!(Journal::parse(&text).as_ref().ok(), Some(&journal));
    for (root, staging) in journal.roots.iter().zip(journal.staging_folders()) {
        assert_eq!(staging, root.place.join(&journal.staging));
        assert_eq!(Path::new(&journal.staging).components().count(), 1);
    }
    for swap in &journal.swaps {
        let (Some(root), Some(paths)) = (journal.roots.get(swap.root), journal.paths(swap)) else {
            panic!("a swap without a root was taken");
        };
        assert_eq!(paths.place, root.place.join(swap.name.as_str()));
        for staged in paths.new.iter().chain(&paths.old) {
            assert_eq!(staged.parent(), Some(root.staging(&journal.staging).as_path()));
        }
    }
}

/// Turns a transaction back: swaps in reverse, staging folders, folders it made.
///
/// # Errors
/// `Failed` for what cannot be put back; the journal must then stay.
pub(super) fn undo(journal: &Journal, store: &Store) -> Result<()> {
    if let Some(id) = journal.history {
        store.history.forget(id);
    }
    if journal.phase == Phase::Swapping {
        for swap in journal.swaps.iter().rev() {
            let root = journal.roots.get(swap.root);
            // Without its staging folder nothing in a root is ours: it was turned back before.
            let is_ours = root.is_some_and(|root| fsx::is_real_folder(&root.staging(&journal.staging)));
            if let Some(paths) = journal.paths(swap).filter(|_| is_ours) {
                paths.undo().context(|| format!("`{}` cannot be restored", paths.place.display()))?;
            }
        }
        for root in &journal.roots {
            let _ = fsx::flush_folder(&root.place);
        }
    }
    tidy_after_commit(journal)?;
    remove_made(journal, store);
    Ok(())
}

/// Removes staging folders with what is left in them.
///
/// # Errors
/// `Failed` for what cannot be removed.
pub(super) fn tidy_after_commit(journal: &Journal) -> Result<()> {
    for staging in journal.staging_folders() {
        fsx::remove(&staging)?;
    }
    Ok(())
}

/// Removes the folders that were made for nothing, where they are empty.
pub(super) fn remove_made(journal: &Journal, store: &Store) {
    let above = |folder: &Path, made: usize| -> Vec<PathBuf> {
        let mut folders: Vec<PathBuf> = folder.ancestors().take(made).map(Path::to_path_buf).collect();
        folders.reverse();
        folders
    };
    for root in &journal.roots {
        fsx::remove_empty(&above(&root.place, root.made));
    }
    if let Some(folder) = store.registry.parent() {
        fsx::remove_empty(&above(folder, journal.made));
    }
}

/// Repairs what the journal tells of; the lock must be held. `registry` is the registry file
/// without links.
///
/// # Errors
/// `Invalid` for a journal that cannot be read, `Conflict` where the skills folders are no
/// longer those it was written for, `Failed` where the disk refuses. Nothing is removed then.
pub(super) fn recover(store: &Store, registry: &Path) -> Result<Recovery> {
    let file = store.workspace.journal_file();
    let outcome = match fsx::exists(&file) {
        true => carry_out(&file, store, registry)?,
        false => Recovery::Clean,
    };
    store.unfinished_files().iter().try_for_each(|unfinished| fsx::remove_file(unfinished))?;
    Ok(outcome)
}

/// Makes the swaps of a change that stands, where the disk did not get them before the power
/// was cut.
fn make_again(journal: &Journal) -> Result<()> {
    for swap in &journal.swaps {
        let root = journal.roots.get(swap.root);
        // Without its staging folder everything was done: that is removed last.
        let is_due = root.is_some_and(|root| fsx::is_real_folder(&root.staging(&journal.staging)));
        if let Some(paths) = journal.paths(swap).filter(|_| is_due) {
            paths.make_again().context(|| format!("`{}` cannot be put in place", paths.place.display()))?;
        }
    }
    journal.roots.iter().try_for_each(|root| fsx::flush_folder(&root.place)).map_err(Into::into)
}

fn carry_out(file: &Path, store: &Store, registry: &Path) -> Result<Recovery> {
    let Some(journal) = Journal::read(file)? else {
        fs::remove_file(file)?;
        return Ok(Recovery::Undone);
    };
    journal.check(store)?;
    fsx::remove_file(&fsx::new_beside(registry))?;
    let outcome = if journal.is_complete(registry) {
        if journal.boot.is_some() && journal.boot != store.boot {
            make_again(&journal)?;
        }
        if let Some(id) = journal.history {
            store.history.confirm_prepared(id)?;
            let _ = fsx::flush_folder(store.history.folder());
        }
        tidy_after_commit(&journal)?;
        Recovery::Finished
    } else {
        undo(&journal, store)?;
        Recovery::Undone
    };
    fs::remove_file(file)?;
    Ok(outcome)
}
