//! World: how the disk is changed. One lock for each scope, everything new staged on the
//! destination's own file system, a journal, swaps by renaming, the registry last.
//!
//! # What a kill leaves
//!
//! The journal is written before anything that it would have to repair. Found by a later
//! command it says how far the dead one was: while it was *staging*, the staging folders
//! are thrown away; while it was *swapping*, the registry file decides. If that is already
//! the new one the change is complete and only the rubbish goes, else every swap that
//! happened is turned back. So there is the old state or the new one, never a mix.
//!
//! # What a power cut leaves
//!
//! Of what was written, whatever the disk had got: names without bytes, a part of them, some
//! renames and not others. What decides is flushed in its order: the journal and what this
//! change will need to be turned back, then, once everything is swapped, the skills folders and
//! the registry, and only then is the old content deleted. The bytes of new skills are not
//! waited for. [Which they are](Unsettled) is recorded, and after a restart they are held
//! against their digests.
//!
//! Journal and lock lie in the user's data folder ([`StateDir`]), never in a project, and
//! the journal names no path that is obeyed: a cloned project is as hostile as a source.

mod journal;
#[cfg(any(test, fuzzing))]
pub use journal::check_any as check_any_journal;
pub(crate) mod lock;
pub(crate) mod marketplaces;
mod staged;
mod state_dir;
mod transaction;
mod unsettled;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::history::History;
use crate::install_dirs::InstallDirs;
use ba_agent_core::error::{Context as _, Error, Kind, Result, error};
use ba_agent_core::registry::{Registry, RegistrySummary};
use ba_agent_system::fsx;

use journal::Journal;
use lock::Lock;
pub(crate) use staged::{Staged, Valid};
pub(crate) use state_dir::{STAGING_PREFIX, StateDir};
pub(crate) use transaction::{Transaction, not_a_folder};
pub(crate) use unsettled::Unsettled;

/// How long a command waits for another one that holds the lock.
pub(crate) const LOCK_WAIT: Duration = Duration::from_secs(300);

/// The largest registry that is read: that of 60,000 skills.
const LARGEST_REGISTRY: u64 = 256 << 20;

/// The registry of one scope with its lock and journal.
#[derive(Debug, Clone)]
pub struct Store {
    registry: PathBuf,
    workspace: StateDir,
    places: Arc<InstallDirs>,
    history: History,
    wait: Duration,
    /// See [`fsx::boot_id`].
    boot: Option<String>,
}

/// The registry as it is written; `None` where there is none.
#[derive(Debug, Default)]
pub struct RegistryText {
    bytes: Option<Vec<u8>>,
    file: PathBuf,
}

impl RegistryText {
    /// What it says of each skill, an empty one where there is no registry.
    ///
    /// # Errors
    /// Those of [`Registry::parse`].
    pub fn summary(&self) -> Result<RegistrySummary<'_>> {
        match &self.bytes {
            Some(bytes) => {
                RegistrySummary::parse(registry_text_of(bytes, &self.file)?, &shown_registry_path(&self.file))
            }
            None => Ok(RegistrySummary::default()),
        }
    }

    /// The text itself; `None` where there is none.
    pub(crate) fn text(&self) -> Option<&str> {
        std::str::from_utf8(self.bytes.as_ref()?).ok()
    }
}

/// What a command found of one that was killed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Recovery {
    /// Nothing to repair.
    Clean,
    /// Another command is changing something just now.
    Running,
    /// The dead command's change was complete; what it left was removed.
    Finished,
    /// The dead command's change was turned back.
    Undone,
    /// There is something to repair, and it cannot be done.
    Blocked(Error),
}

impl Store {
    /// The store whose registry is this file and whose skills lie in `places`; its lock, its
    /// journal and its history lie in `workspace`.
    pub(crate) fn new(
        registry: PathBuf,
        workspace: StateDir,
        places: Arc<InstallDirs>,
        wait: Duration,
    ) -> Self {
        let history = History::new(workspace.folder().join("history"));
        Self { registry, workspace, places, history, wait, boot: fsx::boot_id() }
    }

    pub(crate) fn history(&self) -> &History {
        &self.history
    }

    pub(crate) fn registry_file(&self) -> &Path {
        &self.registry
    }

    pub(crate) fn state_dir(&self) -> &StateDir {
        &self.workspace
    }

    /// The registry file without links: what is read, and what is replaced as a whole, so that
    /// a link to it stays one.
    ///
    /// # Errors
    /// `Usage` where a project's link leads out of it.
    fn real_registry(&self) -> Result<PathBuf> {
        self.places.check_inside("registry", &self.registry)
    }

    /// Says whether the registry may be read.
    ///
    /// # Errors
    /// `Usage` where a project's link leads out of it.
    pub(crate) fn check_registry_place(&self) -> Result<()> {
        self.real_registry().map(drop)
    }

    /// The registry as it is now; an empty one where there is none.
    ///
    /// # Errors
    /// Those of [`Registry::parse`], `Failed` where the file cannot be read, `Conflict` where
    /// it is not a file. A damaged registry is never taken for an empty one.
    pub(crate) fn read(&self) -> Result<Registry> {
        Ok(self.read_bytes()?.0)
    }

    /// The text of the registry, for what it says without the single files of each skill.
    ///
    /// # Errors
    /// Those of [`Store::read`].
    pub fn read_registry_text(&self) -> Result<RegistryText> {
        self.real_registry()?;
        let bytes = fsx::read_plain_file(&self.registry, LARGEST_REGISTRY)?;
        Ok(RegistryText { bytes, file: self.registry.clone() })
    }

    fn read_bytes(&self) -> Result<(Registry, Option<Vec<u8>>)> {
        self.real_registry()?;
        match fsx::read_plain_file(&self.registry, LARGEST_REGISTRY)? {
            Some(bytes) => {
                let registry = Registry::parse(
                    registry_text_of(&bytes, &self.registry)?,
                    &shown_registry_path(&self.registry),
                )?;
                Ok((registry, Some(bytes)))
            }
            None => Ok((Registry::default(), None)),
        }
    }

    /// Repairs what a killed command left, if the lock is free. Costs one look for a file
    /// where there is nothing to repair.
    pub(crate) fn recover(&self) -> Recovery {
        self.workspace.take_over_moved(journal::relocate);
        if !self.needs_recovery() && self.unfinished_files().is_empty() {
            return Recovery::Clean;
        }
        match Lock::try_take(&self.workspace.lock_file()) {
            Ok(Some(mut lock)) => {
                let repaired = self.real_registry().and_then(|registry| {
                    match lock.try_take_folder(fsx::parent(&registry)) {
                        true => journal::recover(self, &registry),
                        false => Ok(Recovery::Running),
                    }
                });
                lock.release();
                repaired.unwrap_or_else(Recovery::Blocked)
            }
            Ok(None) => Recovery::Running,
            Err(error) => Recovery::Blocked(error),
        }
    }

    /// Makes the folder of the state where there is none, unless the project was moved: then it is
    /// the one that it had before.
    ///
    /// # Errors
    /// What the system says.
    pub(crate) fn make_state_folder(&self) -> std::io::Result<()> {
        if !self.workspace.folder().is_dir() {
            self.workspace.take_over_moved(journal::relocate);
            fsx::create_private_folders(self.workspace.folder())?;
            self.workspace.note_origin();
        }
        Ok(())
    }

    /// True where a link in a skills folder may lead to `path`: in a project to what is inside
    /// of it, and to what its user has once linked to on the command line. A registry comes
    /// with its project, and could name any folder of the user's.
    pub(crate) fn may_link_to(&self, path: &Path) -> bool {
        self.places.may_link_to(path) || self.typed_links().contains(&fsx::real_path(path))
    }

    fn typed_links(&self) -> BTreeSet<PathBuf> {
        let bytes = fsx::read_plain_file(&self.workspace.links_file(), LARGEST_REGISTRY).ok().flatten();
        bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default()
    }

    /// True while a command changes something here, and when a killed one left something to
    /// repair.
    pub(crate) fn needs_recovery(&self) -> bool {
        fsx::exists(&self.workspace.journal_file())
    }

    /// Files of the workspace that a command was writing, or had written for a change that
    /// did not begin: unless one is running, they are what a killed one left.
    fn unfinished_files(&self) -> Vec<PathBuf> {
        let mut files = self.history.unfinished_files();
        let entries = std::fs::read_dir(self.workspace.folder()).into_iter().flatten().flatten();
        files.extend(entries.map(|entry| entry.path()).filter(|path| fsx::is_new_beside(path)));
        files
    }

    /// What was written before the system was last started, and was not looked at since.
    pub(crate) fn unsettled(&self) -> Vec<Unsettled> {
        let Some(boot) = &self.boot else { return Vec::new() };
        let others = self.all_unsettled(|bytes| unsettled::has_others(bytes, boot));
        others.into_iter().filter(|one| !one.is_of(boot)).collect()
    }

    /// The record, where `wanted` is true of its bytes.
    fn all_unsettled(&self, wanted: impl Fn(&[u8]) -> bool) -> Vec<Unsettled> {
        let file = self.workspace.unsettled_file();
        let Ok(meta) = std::fs::metadata(&file) else { return Vec::new() };
        // What cannot be read says as little as what is damaged.
        let bytes = fsx::read_plain_file(&file, LARGEST_REGISTRY).ok().flatten().unwrap_or_default();
        let written = meta.modified().unwrap_or(std::time::UNIX_EPOCH);
        if wanted(&bytes) { unsettled::parse_record(&bytes, written) } else { Vec::new() }
    }

    /// Notes that what [`Store::unsettled`] said was looked at, unless another command is
    /// changing something: then the next one looks once more.
    ///
    /// # Errors
    /// `Failed` where the disk refuses.
    pub(crate) fn forget_unsettled(&self) -> Result<()> {
        let Some(boot) = &self.boot else { return Ok(()) };
        let Some(lock) = Lock::try_take(&self.workspace.lock_file())? else { return Ok(()) };
        let mut left = self.all_unsettled(|_| true);
        left.retain(|one| one.is_of(boot));
        let file = self.workspace.unsettled_file();
        let written = match left.is_empty() {
            true => fsx::remove_file(&file).map_err(Into::into),
            false => fsx::write_atomic(&file, unsettled::to_text(&left).as_bytes()),
        };
        lock.release();
        written
    }

    /// True while another command is changing something here.
    pub(crate) fn is_busy(&self) -> bool {
        let registry = self.real_registry();
        let folder = registry.as_deref().map_or(self.workspace.folder(), fsx::parent);
        lock::is_held(&self.workspace.lock_file(), folder)
    }

    /// Takes the lock, repairs what a killed command left, reads the registry.
    ///
    /// `waiting` is called once, after a second, with a sentence that says for whom.
    ///
    /// # Errors
    /// `Conflict` when the lock is not free in time; `Failed` where the folder cannot be
    /// written; those of [`Store::read`].
    pub(crate) fn begin(&self, waiting: &dyn Fn(&str)) -> Result<Transaction> {
        let transaction = self.lock(waiting)?;
        if self.needs_recovery() {
            journal::recover(self, &transaction.registry_file)
                .context(|| "the changes of a killed command cannot be repaired".to_owned())?;
        }
        transaction.read()
    }

    /// As [`Store::begin`], for commands that repair nothing (`--frozen`).
    ///
    /// # Errors
    /// Those of [`Store::begin`], and `Conflict` where a killed command left something.
    pub(crate) fn begin_unrepaired(&self, waiting: &dyn Fn(&str)) -> Result<Transaction> {
        let transaction = self.lock(waiting)?;
        if self.needs_recovery() {
            return Err(error!(Conflict, "a killed command has unfinished changes here")
                .hint("repair them with `ba-agent doctor --fix`, then run the command again"));
        }
        transaction.read()
    }

    fn lock(&self, waiting: &dyn Fn(&str)) -> Result<Transaction> {
        self.workspace.take_over_moved(journal::relocate);
        let mut lock =
            Lock::take(&self.workspace.lock_file(), self.wait, waiting).map_err(|e| match e.kind {
                Kind::Failed => {
                    e.hint("locks are in the data folder; set BA_AGENT_DATA_DIR to use another one")
                }
                _ => e,
            })?;
        let registry_file = self.real_registry()?;
        let folder = fsx::parent(&registry_file);
        let made = self.make_registry_folder(folder)?;
        if let Err(error) = lock.take_folder(folder, self.wait, waiting) {
            fsx::remove_empty(&made);
            return Err(error);
        }
        let journal = Journal {
            staging: format!("{}{}", self.workspace.staging_prefix(), transaction::new_id()),
            registry: self.registry.clone(),
            made: made.len(),
            boot: self.boot.clone(),
            ..Journal::default()
        };
        Ok(Transaction::new(self.clone(), registry_file, lock, journal))
    }

    /// Says whether the registry can have its folder.
    ///
    /// # Errors
    /// `Conflict` where a file is in the way.
    pub(crate) fn check_registry_folder(&self) -> Result<()> {
        let Some(file) = fsx::file_in_the_way(fsx::parent(&self.registry)) else { return Ok(()) };
        Err(error!(Conflict, "`{}` is not a folder, so the registry cannot be stored in it", file.display())
            .cause(format!("the registry is `{}`", self.registry.display()))
            .hint("move it away, or choose another file with the setting `skills.registry`"))
    }

    fn make_registry_folder(&self, folder: &Path) -> Result<Vec<PathBuf>> {
        self.check_registry_folder()?;
        fsx::create_folders(folder)
            .context(|| format!("the folder of the registry, `{}`, cannot be created", folder.display()))
    }
}

fn shown_registry_path(registry: &Path) -> String {
    registry.display().to_string()
}

fn registry_text_of<'b>(bytes: &'b [u8], registry: &Path) -> Result<&'b str> {
    std::str::from_utf8(bytes).map_err(|e| {
        error!(
            Invalid,
            "`{}` is not UTF-8: byte {} is invalid",
            shown_registry_path(registry),
            e.valid_up_to()
        )
        .hint("restore it from version control, or move it away; it was not changed")
    })
}

#[cfg(test)]
mod tests;
