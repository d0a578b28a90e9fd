//! World: what the last commands changed, so that `rollback` can turn it back.
//!
//! Kept in the user's data folder, not in the project: a record for each command that
//! changed something, and the trees that it took away: those that were recorded, and those
//! that were edited and given up with `--force`. So the cache may be cleared.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use ba_agent_core::digest::Digest;
use ba_agent_core::error::{Context as _, Result, error};
use ba_agent_core::registry::{FollowedRevision, LockEntry, Registry, describe_move};
use ba_agent_core::skill::SkillName;
use ba_agent_core::text::list_some;
use ba_agent_system::cache::Cache;
use ba_agent_system::fsx;

/// The largest record that is read.
const LARGEST: u64 = 256 << 20;
/// What is read within a few milliseconds.
const SMALL: u64 = 2 << 20;
/// So many commands can be turned back.
const KEPT: usize = 20;

/// The history of one scope.
#[derive(Debug, Clone)]
pub(crate) struct History {
    folder: PathBuf,
}

/// What one command changed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Counts up by one.
    pub id: u64,
    pub at: Timestamp,
    /// The command as a person would name it, for instance `update`.
    pub command: String,
    pub(crate) changes: BTreeMap<SkillName, Change>,
}

/// A skill's record before and after; `None` where it was not installed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Change {
    pub(crate) before: Option<LockEntry>,
    pub(crate) after: Option<LockEntry>,
    /// The tree that stood there, where it was not the recorded one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub edited: Option<Digest>,
    /// The target in which it stood, where nothing was recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub edited_in: Option<String>,
    /// The tree that was recorded as it lay there: without its record it lies there still.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub adopted: Option<Digest>,
}

/// A tree that was given up with `--force`, and the target in which it stood.
#[derive(Debug, Clone)]
pub struct GivenUpTree {
    pub digest: Digest,
    pub target: String,
}

/// Of a [`Record`] the trees that it names.
#[derive(Deserialize)]
struct Trees {
    changes: BTreeMap<SkillName, Before>,
}

#[derive(Deserialize)]
struct Before {
    before: Option<Tree>,
    #[serde(default)]
    edited: Option<Digest>,
}

#[derive(Deserialize)]
struct Tree {
    digest: Digest,
}

impl History {
    pub(crate) fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// The trees that the kept changes took away.
    pub(crate) fn kept_trees_cache(&self) -> Cache {
        Cache::open_durable(&self.folder)
    }

    /// The records, newest first.
    ///
    /// # Errors
    /// `Invalid` for a record that cannot be read: to go on without it would turn back another
    /// change than the last one.
    pub(crate) fn records(&self) -> Result<Vec<Record>> {
        let mut records: Vec<Record> =
            self.files("json").iter().map(|file| read(file)).collect::<Result<_>>()?;
        records.sort_by_key(|record| std::cmp::Reverse(record.id));
        Ok(records)
    }

    /// The records that can be read at once, newest first, for who only names them.
    pub(crate) fn records_for_display(&self) -> Vec<Record> {
        let is_small =
            |file: &PathBuf| file.metadata().is_ok_and(|meta| meta.is_file() && meta.len() < SMALL);
        let files = self.files("json").into_iter().filter(is_small);
        let mut records: Vec<Record> = files.filter_map(|file| read(&file).ok()).collect();
        records.sort_by_key(|record| std::cmp::Reverse(record.id));
        records
    }

    fn files(&self, ending: &str) -> Vec<PathBuf> {
        let Ok(entries) = std::fs::read_dir(&self.folder) else { return Vec::new() };
        let paths = entries.flatten().map(|entry| entry.path());
        paths.filter(|path| path.extension().is_some_and(|found| found == ending)).collect()
    }

    /// The number of the next change.
    pub(crate) fn next_id(&self) -> u64 {
        self.ids().max().unwrap_or(0) + 1
    }

    /// Writes what a command is about to change, so that it survives a power cut; it counts
    /// once [`History::confirm_prepared`] is called.
    ///
    /// # Errors
    /// `Failed` where it cannot be written: without its record a change cannot be turned back.
    pub(crate) fn prepare(&self, record: &Record) -> Result<()> {
        let write = || -> Result<()> {
            fsx::create_private_folders(&self.folder)?;
            // One that was prepared for a change that never was.
            fsx::remove_file(&self.path_of_pending(record.id))?;
            let text = serde_json::to_vec(record).unwrap_or_default();
            Ok(fsx::write_first(&self.path_of_pending(record.id), &text)?)
        };
        write().context(|| format!("the record of this change cannot be kept in `{}`", self.folder.display()))
    }

    fn path_of_pending(&self, id: u64) -> PathBuf {
        self.folder.join(format!("{id:08}.pending"))
    }

    fn path_of_record(&self, id: u64) -> PathBuf {
        self.folder.join(format!("{id:08}.json"))
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Makes a prepared record count; one that counts already is fine. A power cut can take it
    /// back until the folder is flushed.
    ///
    /// # Errors
    /// `Failed` where the disk refuses.
    pub(crate) fn confirm_prepared(&self, id: u64) -> Result<()> {
        if fsx::exists(&self.path_of_pending(id)) {
            fsx::rename(&self.path_of_pending(id), &self.path_of_record(id))?;
        }
        Ok(())
    }

    /// Takes the record of a change back that never was, also where it counted already: a power
    /// cut may have left that and taken the change.
    pub(crate) fn forget(&self, id: u64) {
        let _ = std::fs::remove_file(self.path_of_pending(id));
        let _ = std::fs::remove_file(self.path_of_record(id));
    }

    fn ids(&self) -> impl Iterator<Item = u64> {
        let id = |path: PathBuf| path.file_stem()?.to_str()?.parse().ok();
        self.files("json").into_iter().filter_map(id)
    }

    /// Takes away records beyond the last twenty, and trees that none of the others names.
    pub(crate) fn prune(&self) {
        let mut ids: Vec<u64> = self.ids().collect();
        ids.sort_unstable_by(|a, b| b.cmp(a));
        let old = ids.get(KEPT..).unwrap_or_default();
        for id in old {
            let _ = std::fs::remove_file(self.path_of_record(*id));
        }
        // Of changes that never came to be: this is called while the lock is held.
        self.unfinished_files().iter().for_each(|file| drop(std::fs::remove_file(file)));
        let trees = self.kept_trees_cache();
        if !old.is_empty() && !trees.is_empty() {
            let named = self.digests_named();
            trees.retain(|digest| named.contains(digest));
        }
    }

    /// Records that do not count, and those that are being written.
    pub(crate) fn unfinished_files(&self) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(&self.folder).into_iter().flatten().flatten();
        let is_unfinished = |path: &PathBuf| {
            fsx::is_new_beside(path) || path.extension().is_some_and(|found| found == "pending")
        };
        entries.map(|entry| entry.path()).filter(is_unfinished).collect()
    }

    /// The trees that the records name. Of each record only those are read: one that changes
    /// thousands of skills has megabytes.
    fn digests_named(&self) -> BTreeSet<Digest> {
        let read = |path: PathBuf| serde_json::from_slice::<Trees>(&std::fs::read(path).ok()?).ok();
        let records = self.files("json").into_iter().filter_map(read);
        let changes = records.flat_map(|record| record.changes.into_values());
        changes
            .flat_map(|change| change.before.map(|tree| tree.digest).into_iter().chain(change.edited))
            .collect()
    }
}

fn read(file: &Path) -> Result<Record> {
    let unreadable = || format!("the record of a change, `{}`, cannot be read", file.display());
    let hint = "move it away: it and the changes before it can then no longer be rolled back";
    let bytes = fsx::read_plain_file(file, LARGEST).context(unreadable).map_err(|e| e.hint(hint))?;
    serde_json::from_slice(&bytes.unwrap_or_default())
        .map_err(|e| error!(Invalid, "{}", unreadable()).cause(e).hint(hint))
}

fn changes_between(
    before: &Registry,
    after: &Registry,
    edited: &BTreeMap<SkillName, GivenUpTree>,
) -> BTreeMap<SkillName, Change> {
    let names: BTreeSet<&SkillName> = before.skills.keys().chain(after.skills.keys()).collect();
    let change = |name: &SkillName| {
        let (old, new) = (before.skills.get(name), after.skills.get(name));
        let given_up = edited.get(name);
        (old != new || given_up.is_some()).then(|| {
            let edited = given_up.map(|tree| tree.digest.clone());
            let edited_in = given_up.filter(|_| old.is_none()).map(|tree| tree.target.clone());
            let (before, after, adopted) = (old.cloned(), new.cloned(), None);
            (name.clone(), Change { before, after, edited, edited_in, adopted })
        })
    };
    names.into_iter().filter_map(change).collect()
}

/// At most this many skills of a change are named in a line.
const NAMED: usize = 8;

impl Record {
    /// What leads from one registry to another.
    pub(crate) fn of(
        id: u64,
        command: &str,
        at: Timestamp,
        before: &Registry,
        after: &Registry,
        edited: &BTreeMap<SkillName, GivenUpTree>,
    ) -> Self {
        Self { id, at, command: command.to_owned(), changes: changes_between(before, after, edited) }
    }

    /// Notes which of the skills lay there before they were recorded.
    pub(crate) fn note_adopted(&mut self, adopted: &BTreeSet<SkillName>) {
        for (name, change) in &mut self.changes {
            if adopted.contains(name) && change.before.is_none() {
                change.adopted = change.after.as_ref().map(|entry| entry.digest.clone());
            }
        }
    }

    /// The records that it took away and those that it made.
    pub(crate) fn entries(&self) -> impl Iterator<Item = &LockEntry> {
        self.changes.values().flat_map(|change| change.before.iter().chain(&change.after))
    }

    /// The skills that it changed.
    pub fn skill_names(&self) -> impl Iterator<Item = &SkillName> {
        self.changes.keys()
    }

    /// What happened to each skill, with its revisions: `+pdf c37b196`, `~pdf v1.0.0 -> v1.1.0`.
    /// Of many the first, and how many more there are.
    pub fn describe_changes(&self) -> Vec<String> {
        let mut all: Vec<String> =
            self.changes.iter().take(NAMED).map(|(name, change)| change.describe(name)).collect();
        if self.changes.len() > NAMED {
            all.push(format!("and {} more", self.changes.len() - NAMED));
        }
        all
    }

    /// Its number and what it was: `change 4: install of pdf`.
    pub fn title(&self) -> String {
        let names: Vec<&str> = self.changes.keys().map(SkillName::as_str).collect();
        format!("change {}: {} of {}", self.id, self.command, list_some(&names, NAMED))
    }
}

impl Change {
    fn describe(&self, name: &SkillName) -> String {
        let label = |entry: &LockEntry| {
            FollowedRevision::from(entry).label().map_or_else(String::new, |label| format!(" {label}"))
        };
        match (&self.before, &self.after) {
            (None, after) => format!("+{name}{}", after.as_ref().map_or_else(String::new, label)),
            (Some(before), None) => format!("-{name}{}", label(before)),
            (Some(before), Some(after)) => {
                let what = match describe_move(before.into(), after.into()) {
                    Some(moved) => format!(" {moved}"),
                    None if after.pinned && !before.pinned => format!("{} held", label(after)),
                    None if before.pinned && !after.pinned => format!("{} released", label(after)),
                    None if before.enabled != after.enabled => {
                        format!(" {}", if after.enabled { "enabled" } else { "disabled" })
                    }
                    None if before.disabled_for != after.disabled_for => {
                        let others: Vec<&str> = after.disabled_for.keys().map(String::as_str).collect();
                        match others.is_empty() {
                            true => " enabled everywhere".to_owned(),
                            false => format!(" disabled for {}", others.join(", ")),
                        }
                    }
                    None if self.edited.is_some() => " edits discarded".to_owned(),
                    None => label(after),
                };
                format!("~{name}{what}")
            }
        }
    }
}

/// The state before the record `id`: for each skill that it or a later one changed, what it
/// was then. Newest first, as [`History::records`] gives them.
pub(crate) fn state_before(records: &[Record], id: u64) -> BTreeMap<SkillName, Change> {
    let mut state: BTreeMap<SkillName, Change> = BTreeMap::new();
    for record in records.iter().filter(|record| record.id >= id) {
        for (name, change) in &record.changes {
            let after = state.remove(name).map_or_else(|| change.after.clone(), |later| later.after);
            state.insert(name.clone(), Change { after, ..change.clone() });
        }
    }
    state
}

#[cfg(test)]
mod tests {
    use super::*;
    use ba_agent_core::digest;

    /// Of 25 changes the last twenty stay, and of the trees that were given up those alone
    /// which they name.
    #[test]
    fn what_is_too_old_goes_with_its_trees() {
        let dir = tempfile::tempdir().unwrap();
        let history = History::new(dir.path().join("h"));
        let tree = |n: u64| {
            let bytes = format!("text {n}").into_bytes();
            let line = format!("100644 {}", digest::sha256_hex(&bytes));
            let files = digest::Files::from([("SKILL.md".to_owned(), line)]);
            let digest = digest::digest_of_files(&files);
            history.kept_trees_cache().put(&digest, &files, &[bytes]);
            digest
        };
        assert!(history.kept_trees_cache().is_empty());
        let name: SkillName = "a".parse().unwrap();
        let given_up: Vec<(u64, Digest)> = [2, 5, 6, 24].into_iter().map(|n| (n, tree(n))).collect();
        for id in 1..=25 {
            let edited = given_up.iter().find(|(n, _)| *n == id).map(|(_, digest)| digest.clone());
            let change = Change { before: None, after: None, edited, edited_in: None, adopted: None };
            let changes = BTreeMap::from([(name.clone(), change)]);
            let record = Record { id, at: Timestamp::UNIX_EPOCH, command: "update".into(), changes };
            let file = dir.path().join(format!("h/{id:08}.json"));
            std::fs::write(file, serde_json::to_vec(&record).unwrap()).unwrap();
        }
        history.prune();
        let ids: Vec<u64> = history.records().unwrap().iter().map(|record| record.id).collect();
        assert_eq!(ids, (6..=25).rev().collect::<Vec<_>>());
        let left: Vec<u64> = given_up
            .iter()
            .filter(|(_, digest)| history.kept_trees_cache().has(digest))
            .map(|(n, _)| *n)
            .collect();
        assert_eq!(left, [6, 24]);
    }
}
