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

mod journal;
pub(crate) mod lock;
mod staged;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use fs_err as fs;

use jiff::Timestamp;

use crate::digest::{self, Digest, sha256_hex};
use crate::disk;
use crate::error::{Context as _, Result, error};
use crate::fsx;
use crate::history::{self, History};
use crate::registry::{Overview, Registry};
use crate::skill::SkillName;

use journal::{Journal, Phase, Swap};
use lock::Lock;
pub(crate) use staged::{Staged, Valid, above, files_of, relative_entries};

/// How long a command waits for another one that holds the lock.
pub(crate) const LOCK_WAIT: Duration = Duration::from_secs(300);

/// The registry of one scope with its lock and journal.
#[derive(Debug, Clone)]
pub(crate) struct Store {
    registry: PathBuf,
    history: History,
    wait: Duration,
}

/// What a command found of one that was killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Recovery {
    /// Nothing to repair.
    Clean,
    /// The dead command's change was complete; what it left was removed.
    Finished,
    /// The dead command's change was turned back.
    Undone,
    /// There is something to repair, but the lock is held or the disk cannot be written.
    Pending,
}

impl Store {
    /// The store whose registry is this file; its lock and journal stand beside it, its
    /// history below `data`.
    pub(crate) fn new(registry: PathBuf, data: &Path, wait: Duration) -> Self {
        let history = History::new(history::folder(data, &registry));
        Self { registry, history, wait }
    }

    pub(crate) fn history(&self) -> &History {
        &self.history
    }

    pub(crate) fn registry_file(&self) -> &Path {
        &self.registry
    }

    fn beside(&self, suffix: &str) -> PathBuf {
        let name = self.registry.file_stem().unwrap_or_default().to_string_lossy();
        self.registry.with_file_name(format!(".{name}.{suffix}"))
    }

    /// The lock file; empty, and only there while a command runs (it may stay after a kill).
    pub(crate) fn lock_file(&self) -> PathBuf {
        self.beside("lock")
    }

    /// The journal; only there while a command swaps, or after a kill.
    pub(crate) fn journal_file(&self) -> PathBuf {
        self.beside("journal")
    }

    /// The registry as it is now; an empty one where there is none.
    ///
    /// # Errors
    /// Those of [`Registry::parse`], and `Failed` where the file cannot be read. A damaged
    /// registry is never taken for an empty one.
    pub(crate) fn read(&self) -> Result<Registry> {
        Ok(self.read_bytes()?.0)
    }

    /// As [`Store::read`], without the single files of each skill.
    ///
    /// # Errors
    /// Those of [`Store::read`].
    pub(crate) fn overview(&self) -> Result<Overview> {
        match self.bytes()? {
            Some(bytes) => Overview::parse(self.text(&bytes)?, &self.shown()),
            None => Ok(Overview::default()),
        }
    }

    fn read_bytes(&self) -> Result<(Registry, Option<Vec<u8>>)> {
        match self.bytes()? {
            Some(bytes) => Ok((Registry::parse(self.text(&bytes)?, &self.shown())?, Some(bytes))),
            None => Ok((Registry::default(), None)),
        }
    }

    fn shown(&self) -> String {
        self.registry.display().to_string()
    }

    /// What stands in the file; `None` where there is none.
    fn bytes(&self) -> Result<Option<Vec<u8>>> {
        match fs::read(&self.registry) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(e.into()),
        }
    }

    fn text<'b>(&self, bytes: &'b [u8]) -> Result<&'b str> {
        std::str::from_utf8(bytes).map_err(|e| {
            error!(Invalid, "`{}` is no text: byte {} is not UTF-8", self.shown(), e.valid_up_to())
                .hint("restore it from version control, or move it away; it was not changed")
        })
    }

    /// Repairs what a killed command left, if the lock is free. Costs one look for a file
    /// where there is nothing to repair.
    pub(crate) fn recover(&self) -> Recovery {
        if !self.needs_recovery() {
            return Recovery::Clean;
        }
        match Lock::try_take(&self.lock_file()) {
            Ok(Some(lock)) => {
                let outcome = journal::recover(self).unwrap_or(Recovery::Pending);
                lock.release();
                outcome
            }
            _ => Recovery::Pending,
        }
    }

    /// True when a killed command left something to repair.
    pub(crate) fn needs_recovery(&self) -> bool {
        fsx::exists(&self.journal_file()) || self.unfinished_files().iter().any(|file| fsx::exists(file))
    }

    /// Files that a command was writing when it was killed.
    fn unfinished_files(&self) -> [PathBuf; 2] {
        [fsx::new_beside(&self.registry), fsx::new_beside(&self.journal_file())]
    }

    /// Takes the lock, repairs what a killed command left, reads the registry.
    ///
    /// `waiting` is called once, after a second, with a sentence that says for whom.
    ///
    /// # Errors
    /// `Conflict` when the lock is not free in time; `Failed` where the folder cannot be
    /// written; those of [`Store::read`].
    pub(crate) fn begin(&self, waiting: &dyn Fn(&str)) -> Result<Transaction> {
        let folder = self.registry.parent().unwrap_or(Path::new(".")).to_path_buf();
        let made = fsx::create_folders(&folder)
            .context(|| format!("the folder of the registry, `{}`, cannot be made", folder.display()))?;
        let locked = Lock::take(&self.lock_file(), self.wait, waiting);
        let lock = locked.inspect_err(|_| fsx::remove_empty(&made))?;
        let mut transaction = Transaction {
            store: self.clone(),
            lock: Some(lock),
            registry: Registry::default(),
            before: None,
            journal: Journal::default(),
            reserved: 0,
            edited: BTreeMap::new(),
            has_journal: false,
        };
        transaction.journal.made = made;
        if self.needs_recovery() {
            journal::recover(self).context(|| "what a killed command left cannot be repaired".to_owned())?;
        }
        (transaction.registry, transaction.before) = self.read_bytes()?;
        Ok(transaction)
    }
}

/// The right to change one scope. Dropped without [`Transaction::commit`] it leaves the
/// disk as it was.
#[derive(Debug)]
pub(crate) struct Transaction {
    store: Store,
    lock: Option<Lock>,
    registry: Registry,
    before: Option<Vec<u8>>,
    journal: Journal,
    reserved: usize,
    /// Trees with edits that this change gives up, kept in the history.
    edited: BTreeMap<SkillName, Digest>,
    /// The journal is on the disk, as far as this process knows.
    has_journal: bool,
}

impl Transaction {
    pub(crate) fn registry(&self) -> &Registry {
        &self.registry
    }

    /// Keeps a copy of an edited skill's folder in the history before it is replaced.
    ///
    /// # Errors
    /// `Failed` when the copy cannot be made: edits are not given up without one.
    pub(crate) fn keep_edited(&mut self, name: &SkillName, folder: &Path) -> Result<()> {
        let (files, bytes) = disk::read_folder(folder)?;
        let digest = digest::of_files(&files);
        let trees = self.store.history.trees();
        trees.put(&digest, &files, &bytes.into_values().collect::<Vec<_>>());
        if trees.get(&digest).is_none() {
            return Err(error!(Failed, "the edited files of `{name}` cannot be kept for a rollback")
                .cause(format!("`{}` cannot be written", trees.folder().display()))
                .hint("set BA_AGENT_DATA_DIR to a folder that can be written"));
        }
        self.edited.insert(name.clone(), digest);
        Ok(())
    }

    /// A path inside a staging folder beside `root` where nothing stands yet. Makes `root`
    /// where it is missing.
    ///
    /// # Errors
    /// `Failed` where `root` cannot be made or written, for instance because it is a file.
    pub(crate) fn reserve(&mut self, root: &Path) -> Result<PathBuf> {
        let staging = self.staging(root)?;
        self.reserved += 1;
        Ok(staging.join(format!("{}", self.reserved)))
    }

    fn staging(&mut self, root: &Path) -> Result<PathBuf> {
        if let Some(staging) = self.journal.stagings.get(root) {
            return Ok(staging.clone());
        }
        let unwritable = || format!("skills cannot be put into `{}`", root.display());
        if root.exists() && !root.is_dir() {
            return Err(error!(Conflict, "`{}` is a file, not a folder for skills", root.display())
                .hint("move it away, or choose another folder with `--agent` or `skills.install_dir`"));
        }
        // The staging folder's name is in the journal before the folder is on the disk, so
        // that a kill between the two leaves nothing that nobody knows.
        let key = &sha256_hex(self.store.registry.to_string_lossy().as_bytes())[..8];
        let staging = root.join(format!(".ba-agent-{key}-{}", std::process::id()));
        let missing: Vec<PathBuf> =
            root.ancestors().take_while(|f| !f.exists()).map(Path::to_path_buf).collect();
        self.journal.made.extend(missing.into_iter().rev());
        self.journal.stagings.insert(root.to_path_buf(), staging.clone());
        self.has_journal = true;
        self.journal.write(&self.store.journal_file()).context(unwritable)?;
        fsx::create_folders(root).context(unwritable)?;
        fsx::remove(&staging).context(unwritable)?;
        fsx::create_folders(&staging).context(unwritable)?;
        Ok(staging)
    }

    /// Puts a validated skill at `place`, in the stead of whatever is there.
    pub(crate) fn put(&mut self, place: PathBuf, valid: &Valid) -> Result<()> {
        self.swap(place, Some(valid.folder().to_path_buf()))
    }

    /// Puts a link at `place` that says `target`.
    ///
    /// # Errors
    /// `Failed` where links cannot be made.
    pub(crate) fn link(&mut self, root: &Path, place: PathBuf, target: &Path) -> Result<()> {
        let staged = self.reserve(root)?;
        fsx::symlink(target, &staged, true)
            .context(|| format!("the link `{}` cannot be made", place.display()))?;
        self.swap(place, Some(staged))
    }

    /// Takes away what stands at `place`.
    pub(crate) fn remove(&mut self, place: PathBuf) -> Result<()> {
        self.swap(place, None)
    }

    fn swap(&mut self, place: PathBuf, new: Option<PathBuf>) -> Result<()> {
        let old = if fsx::exists(&place) {
            let root = place.parent().unwrap_or(Path::new(".")).to_path_buf();
            Some(self.reserve(&root)?)
        } else {
            None
        };
        self.journal.swaps.push(Swap { place, new, old });
        Ok(())
    }

    /// Swaps everything that was put, linked or removed, then writes `registry`. All of it
    /// or nothing. `command` and `at` are for the history.
    ///
    /// # Errors
    /// `Failed`, with the disk as it was before.
    pub(crate) fn commit(mut self, registry: &Registry, command: &str, at: Timestamp) -> Result<()> {
        let history = &self.store.history;
        // Of thousands of skills both are megabytes, and neither needs the other.
        let (text, pending) = thread::scope(|scope| {
            let prepared =
                scope.spawn(|| history.prepare(&self.registry, registry, &self.edited, command, at));
            (registry.to_text().into_bytes(), prepared.join().unwrap_or_default())
        });
        let same_registry = self.before.as_deref() == Some(&text[..]);
        if self.journal.swaps.is_empty() && same_registry {
            pending.iter().for_each(|pending| history::forget(pending));
            return Ok(());
        }
        self.journal.registry_before = self.before.as_deref().map(sha256_hex);
        self.journal.registry_after = sha256_hex(&text);
        self.journal.phase = Phase::Swapping;
        self.journal.history = pending;
        self.has_journal = true;
        self.swap_all(&text, same_registry)
            .context(|| "nothing was changed: the last step failed".to_owned())?;
        // From here on the change stands; a failure to tidy up is repaired by the next command.
        self.journal.made.clear();
        if let Some(pending) = &self.journal.history {
            history::confirm(pending);
            self.store.history.prune();
        }
        if journal::tidy(&self.journal).is_ok() {
            let _ = fsx::remove(&self.store.journal_file());
        }
        self.has_journal = false;
        self.journal = Journal::default();
        Ok(())
    }

    fn swap_all(&self, text: &[u8], same_registry: bool) -> Result<()> {
        for staging in self.journal.stagings.values() {
            fsx::sync_tree(staging)?;
        }
        self.journal.write(&self.store.journal_file())?;
        for swap in &self.journal.swaps {
            swap.make()?;
        }
        for root in self.journal.stagings.keys() {
            fsx::sync_folder(root);
        }
        if !same_registry {
            fsx::write_atomic(&self.store.registry, text)
                .context(|| format!("the registry `{}` cannot be written", self.store.registry.display()))?;
        }
        Ok(())
    }
}

impl Drop for Transaction {
    fn drop(&mut self) {
        // A journal that cannot be carried out now stays for the next command.
        if self.has_journal && journal::undo(&self.journal).is_ok() {
            let _ = fsx::remove(&self.store.journal_file());
        }
        if let Some(lock) = self.lock.take() {
            lock.release();
        }
        fsx::remove_empty(&self.journal.made);
    }
}

/// A picture of a folder for tests: path to content.
#[cfg(test)]
pub(crate) fn picture(root: &Path) -> BTreeMap<String, String> {
    let mut out = BTreeMap::new();
    for entry in walkdir::WalkDir::new(root).into_iter().map(|e| e.unwrap()) {
        let path = entry.path().strip_prefix(root).unwrap().to_string_lossy().into_owned();
        let content = if entry.path_is_symlink() {
            format!("-> {}", std::fs::read_link(entry.path()).unwrap().display())
        } else if entry.file_type().is_dir() {
            "/".to_owned()
        } else {
            String::from_utf8_lossy(&std::fs::read(entry.path()).unwrap()).into_owned()
        };
        out.insert(path, content);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fetch::Tree;
    use crate::tree::{Entry, Limits, Listing, Node, TreePath};

    fn tree(files: &[(&str, &str)]) -> Tree {
        let entries = files.iter().enumerate().map(|(slot, (path, text))| Entry {
            path: TreePath::parse(path.as_bytes()).unwrap(),
            node: Node::File { executable: path.ends_with(".sh") },
            size: text.len() as u64,
            slot,
        });
        let listing = Listing::new(entries.collect());
        Tree::in_memory(listing, files.iter().map(|(_, text)| text.as_bytes().to_vec()).collect())
    }

    struct Place {
        dir: tempfile::TempDir,
        _data: tempfile::TempDir,
        store: Store,
    }

    impl Place {
        fn new() -> Self {
            let (dir, data) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
            let store =
                Store::new(dir.path().join("config/skills_registry.json"), data.path(), Duration::ZERO);
            Self { dir, _data: data, store }
        }

        fn root(&self) -> PathBuf {
            self.dir.path().join(".claude/skills")
        }

        fn picture(&self) -> BTreeMap<String, String> {
            picture(self.dir.path())
        }

        /// Replaces `a`, adds `b`, links `c`, removes `old`; the registry gets `note`.
        fn change(&self, note: &str) -> Result<()> {
            let mut tx = self.store.begin(&|_| ())?;
            let root = self.root();
            let texts = tree(&[("SKILL.md", note), ("bin/run.sh", "x"), ("deep/er/f", "y")]);
            for name in ["a", "b"] {
                let at = tx.reserve(&root)?;
                let valid =
                    Staged::write(&texts, "", at, &Limits::default(), |_, _| Ok(()))?.validate(Ok(()))?;
                tx.put(root.join(name), &valid)?;
            }
            tx.link(&root, root.join("c"), Path::new("a"))?;
            if fsx::exists(&root.join("old")) {
                tx.remove(root.join("old"))?;
            }
            tx.commit(&noted(note), "test", Timestamp::UNIX_EPOCH)
        }
    }

    fn noted(note: &str) -> Registry {
        let text = format!(r#"{{"schema_version":"1.0","note":"{note}"}}"#);
        Registry::parse(&text, "test").unwrap()
    }

    #[test]
    fn a_commit_swaps_everything_and_leaves_nothing_behind() {
        let place = Place::new();
        place.change("one").unwrap();
        let seen = place.picture();
        let expected = [
            "",
            ".claude",
            ".claude/skills",
            ".claude/skills/a",
            ".claude/skills/a/SKILL.md",
            ".claude/skills/a/bin",
            ".claude/skills/a/bin/run.sh",
            ".claude/skills/a/deep",
            ".claude/skills/a/deep/er",
            ".claude/skills/a/deep/er/f",
            ".claude/skills/b",
            ".claude/skills/b/SKILL.md",
            ".claude/skills/b/bin",
            ".claude/skills/b/bin/run.sh",
            ".claude/skills/b/deep",
            ".claude/skills/b/deep/er",
            ".claude/skills/b/deep/er/f",
            ".claude/skills/c",
            "config",
            "config/skills_registry.json",
        ];
        assert_eq!(seen.keys().map(String::as_str).collect::<Vec<_>>(), expected);
        assert_eq!(seen[".claude/skills/a/SKILL.md"], "one");
        assert_eq!(seen[".claude/skills/c"], "-> a");
    }

    #[test]
    fn every_failing_step_leaves_the_old_state() {
        for fresh in [true, false] {
            let mut step = 0;
            loop {
                step += 1;
                let place = Place::new();
                if !fresh {
                    place.change("one").unwrap();
                    std::fs::create_dir_all(place.root().join("old")).unwrap();
                }
                let before = place.picture();
                fsx::fault::arm_thread(Some(step));
                let outcome = place.change("two");
                let left = fsx::fault::disarm_thread();
                // The lock file may stay; it is empty.
                let mut after = place.picture();
                after.retain(|path, _| !path.ends_with(".lock"));
                if outcome.is_ok() {
                    assert!(left.is_some_and(|left| left > 0) || after != before, "step {step}");
                    assert!(step > 20, "only {step} steps were seen");
                    break;
                }
                assert_eq!(after, before, "step {step}, fresh {fresh}");
            }
        }
    }

    #[test]
    fn a_dead_command_is_repaired_whatever_it_had_done() {
        // The journal as it stands at the kill, and how many of its renames happened.
        for renames in 0..=5 {
            let place = Place::new();
            place.change("one").unwrap();
            std::fs::create_dir_all(place.root().join("old")).unwrap();
            let before = place.picture();
            let mut tx = place.store.begin(&|_| ()).unwrap();
            let root = place.root();
            let at = tx.reserve(&root).unwrap();
            let valid =
                Staged::write(&tree(&[("SKILL.md", "two")]), "", at, &Limits::default(), |_, _| Ok(()))
                    .unwrap()
                    .validate(Ok(()))
                    .unwrap();
            tx.put(root.join("a"), &valid).unwrap();
            tx.remove(root.join("old")).unwrap();
            tx.journal.phase = Phase::Swapping;
            tx.journal.registry_before = Some("x".into());
            tx.journal.registry_after = "y".into();
            tx.journal.write(&place.store.journal_file()).unwrap();
            let swaps = tx.journal.swaps.clone();
            let mut done = 0;
            let mut step = |from: &Path, to: &Path| {
                if done < renames {
                    std::fs::rename(from, to).unwrap();
                }
                done += 1;
            };
            step(&swaps[0].place, swaps[0].old.as_ref().unwrap());
            step(swaps[0].new.as_ref().unwrap(), &swaps[0].place);
            step(&swaps[1].place, swaps[1].old.as_ref().unwrap());
            tx.lock.take().unwrap().release();
            std::mem::forget(tx);
            assert_eq!(place.store.recover(), Recovery::Undone);
            assert_eq!(place.picture(), before, "{renames} renames");
            assert_eq!(place.store.recover(), Recovery::Clean);
        }
    }

    #[test]
    fn a_dead_command_that_had_written_the_registry_is_finished() {
        let place = Place::new();
        place.change("one").unwrap();
        let after = place.picture();
        let mut tx = place.store.begin(&|_| ()).unwrap();
        tx.reserve(&place.root()).unwrap();
        tx.journal.phase = Phase::Swapping;
        tx.journal.registry_after = sha256_hex(after["config/skills_registry.json"].as_bytes());
        tx.journal.write(&place.store.journal_file()).unwrap();
        tx.lock.take().unwrap().release();
        std::mem::forget(tx);
        assert_eq!(place.store.recover(), Recovery::Finished);
        assert_eq!(place.picture(), after);
    }

    #[test]
    fn a_damaged_registry_is_never_an_empty_one() {
        let place = Place::new();
        place.change("one").unwrap();
        for text in ["", "{", "[]", "{}", "\u{0}", r#"{"schema_version":"2.0"}"#, "<<<<<<< ours\n"] {
            std::fs::write(place.store.registry_file(), text).unwrap();
            assert!(place.store.begin(&|_| ()).is_err(), "{text:?}");
            assert_eq!(std::fs::read_to_string(place.store.registry_file()).unwrap(), text);
        }
    }
}
