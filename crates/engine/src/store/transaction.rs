//! One change of a scope: everything staged, then everything swapped, or nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{BuildHasher as _, RandomState};
use std::path::{Component, Path, PathBuf};
use std::thread;

use jiff::Timestamp;

use super::journal::{self, Journal, Phase, Root, Swap};
use super::lock::Lock;
use super::unsettled::{self, Unsettled};
use super::{Store, Valid};
use crate::history::{GivenUpTree, Record};
use crate::install_state;
use crate::scope::describe_scope;
use ba_agent_core::agents::InstallTarget;
use ba_agent_core::digest::{self, sha256_hex};
use ba_agent_core::error::{Context as _, Error, Kind, Result, error, printable};
use ba_agent_core::listing::{Limits, check_portable};
use ba_agent_core::registry::{InstallMode, LockEntry, Registry};
use ba_agent_core::skill::SkillName;
use ba_agent_system::cache::Batch;
use ba_agent_system::{fsx, parallel};

/// An edited folder is kept in memory on its way into the history.
const LARGEST_EDITED: u64 = 64 << 20;

/// The right to change one scope. Dropped without [`Transaction::commit`] it leaves the
/// disk as it was.
#[derive(Debug)]
pub(crate) struct Transaction {
    pub(super) store: Store,
    /// Without links.
    pub(super) registry_file: PathBuf,
    pub(super) lock: Option<Lock>,
    pub(super) registry: Registry,
    before: Option<Vec<u8>>,
    pub(super) journal: Journal,
    reserved: u32,
    /// Trees with edits that this change gives up, kept in the history.
    edited: BTreeMap<SkillName, GivenUpTree>,
    /// Skills that are recorded as they were found.
    adopted: BTreeSet<SkillName>,
    /// Skills whose new files nobody else has: the disk must have them before the old ones go.
    durable: BTreeSet<SkillName>,
    /// Folders that the user has named to be linked to.
    typed_links: BTreeSet<PathBuf>,
    /// The journal is on the disk, as far as this process knows.
    has_journal: bool,
}

/// What tells one transaction from all others, also from those of other machines that see
/// the same skills folder.
pub(super) fn new_id() -> String {
    let chance = RandomState::new().hash_one(std::process::id());
    format!("{}-{:08x}", std::process::id(), chance & 0xFFFF_FFFF)
}

impl Transaction {
    pub(super) fn new(store: Store, registry_file: PathBuf, lock: Lock, journal: Journal) -> Self {
        Self {
            store,
            registry_file,
            lock: Some(lock),
            registry: Registry::default(),
            before: None,
            journal,
            reserved: 0,
            edited: BTreeMap::new(),
            adopted: BTreeSet::new(),
            durable: BTreeSet::new(),
            typed_links: BTreeSet::new(),
            has_journal: false,
        }
    }

    /// Reads the registry under the lock, so that what is planned from now on stays true.
    ///
    /// # Errors
    /// `Failed` where it cannot be read, `Invalid` where it is not a registry.
    pub(super) fn read(mut self) -> Result<Self> {
        (self.registry, self.before) = self.store.read_bytes()?;
        Ok(self)
    }

    pub(crate) fn registry(&self) -> &Registry {
        &self.registry
    }

    /// Notes that a skill lay there before it was recorded: turning the change back takes away the
    /// record and nothing else.
    pub(crate) fn note_adopted(&mut self, name: &SkillName) {
        self.adopted.insert(name.clone());
    }

    /// Keeps a copy of an edited skill's folder in the history before it is replaced.
    ///
    /// # Errors
    /// `Failed` when the copy cannot be made, `Conflict` when a rollback could not put it back:
    /// edits are not given up without one.
    pub(crate) fn keep_edited(
        &mut self,
        name: &SkillName,
        folder: &Path,
        target: &InstallTarget,
        limits: &Limits,
    ) -> Result<()> {
        if install_state::bytes_in(folder) > LARGEST_EDITED {
            return Err(error!(
                Conflict,
                "the edited folder of `{name}` is too large to keep for a rollback"
            )
            .cause(format!("`{}` has more than {} MiB", folder.display(), LARGEST_EDITED >> 20))
            .hint("move large files out of it, then run the command again"));
        }
        let (files, bytes) = install_state::read_folder(folder)?;
        let digest = digest::digest_of_files(&files);
        let trees = self.store.history.kept_trees_cache();
        trees.put(&digest, &files, &bytes.into_values().collect::<Vec<_>>());
        let what = || error!(Failed, "the edited files of `{name}` cannot be kept for a rollback");
        let Some(kept) = trees.get(&digest) else {
            return Err(what()
                .cause(format!("`{}` cannot be written", trees.folder().display()))
                .hint("set BA_AGENT_DATA_DIR to a writable folder"));
        };
        // By the rules that hold for everything which is written.
        if let Err(why) = check_portable(kept.listing.entries(), limits) {
            let why = Error { kind: Kind::Conflict, ..what() }.cause(why.message);
            return Err(
                why.hint(format!("move it out of `{}`, then run the command again", folder.display()))
            );
        }
        self.edited.insert(name.clone(), GivenUpTree { digest, target: target.to_string() });
        Ok(())
    }

    /// Keeps what this change takes away, so that it can be turned back whatever becomes of the
    /// cache. Only what is as it was recorded: edits were kept before. One that cannot be kept
    /// is still at its recorded pin.
    fn keep_replaced(&self, registry: &Registry) {
        let trees = self.store.history.kept_trees_cache();
        let is_due = |(name, before): &(&SkillName, &LockEntry)| {
            before.mode != InstallMode::Live
                && registry.skills.get(*name).is_none_or(|after| after.digest != before.digest)
                && !self.edited.contains_key(*name)
                && !trees.has(&before.digest)
        };
        let due: Vec<(&SkillName, &LockEntry)> = self.registry.skills.iter().filter(is_due).collect();
        let batch = trees.begin_batch(due.len());
        // Nobody stops it here: what is not kept cannot be turned back.
        let go_on = || Ok::<(), Error>(());
        let kept = parallel::run_jobs(parallel::count_cores(), &due, go_on, |(name, before)| {
            Ok(self.keep_tree(name, before, &batch))
        });
        drop(kept);
        batch.keep_bundle_open();
    }

    fn keep_tree(&self, name: &SkillName, before: &LockEntry, batch: &Batch<'_>) -> Option<()> {
        let root = self.store.places.roots_of(before).ok()?.into_iter().next()?;
        let folder = root.join(name.as_str());
        if !fsx::is_real_folder(&folder) {
            return None;
        }
        let mut bytes = Vec::new();
        for (path, line) in &before.files {
            bytes.push(install_state::read_entry(&folder, path, line).ok()?);
        }
        // What was edited meanwhile is no copy of what was recorded.
        let is_as_recorded =
            before.files.values().zip(&bytes).all(|(line, bytes)| line.ends_with(&sha256_hex(bytes)));
        is_as_recorded.then(|| batch.put(&before.digest, &before.files, &bytes))
    }

    /// A path inside a staging folder in `root` where nothing stands yet. Makes `root` where
    /// it is missing.
    ///
    /// # Errors
    /// `Failed` where `root` cannot be made or written, for instance because it is a file;
    /// `Usage` where it leads out of the project.
    pub(crate) fn reserve(&mut self, root: &Path) -> Result<PathBuf> {
        let at = self.stage_in(root)?;
        let number = self.next_number();
        Ok(self.staging(at).join(number.to_string()))
    }

    fn next_number(&mut self) -> u32 {
        self.reserved += 1;
        self.reserved
    }

    fn staging(&self, root: usize) -> PathBuf {
        self.journal.roots.get(root).map(|root| root.staging(&self.journal.staging)).unwrap_or_default()
    }

    /// Makes staging folders in all of `roots` at once: it costs one wait for the disk instead
    /// of one for each.
    ///
    /// # Errors
    /// Those of [`Transaction::reserve`].
    pub(crate) fn stage_in_all(&mut self, roots: &[PathBuf]) -> Result<()> {
        let mut new: Vec<Root> = Vec::new();
        for root in roots {
            let is_known = self.journal.roots.iter().chain(&new).any(|known| known.place == *root);
            if !is_known {
                new.push(self.check_root(root)?);
            }
        }
        if new.is_empty() {
            return Ok(());
        }
        // The staging folder's name is in the journal before the folder is on the disk, so
        // that a kill between the two leaves nothing that nobody knows.
        let first = self.journal.roots.len();
        self.journal.roots.extend(new);
        let file = self.store.workspace.journal_file();
        let written = if self.has_journal { self.journal.write(&file) } else { self.journal.begin(&file) };
        self.has_journal = true;
        written.context(|| unwritable_journal(&self.store))?;
        for root in self.journal.roots.iter().skip(first) {
            let unwritable = || format!("the skills in `{}` cannot be changed", root.place.display());
            fsx::create_folders(&root.place).context(unwritable)?;
            fsx::create_folder(&root.staging(&self.journal.staging)).context(unwritable)?;
        }
        Ok(())
    }

    fn check_root(&self, root: &Path) -> Result<Root> {
        let target = self.store.places.target_of(root).ok_or_else(|| {
            error!(
                Failed,
                "`{}` is not a skills folder of {}",
                root.display(),
                describe_scope(self.store.places.scope())
            )
        })?;
        self.store.places.check_links_of(&target)?;
        if let Some(file) = fsx::file_in_the_way(root) {
            return Err(not_a_folder(file));
        }
        let made = root.ancestors().take_while(|folder| !folder.exists()).count();
        Ok(Root { target: target.to_string(), place: root.to_path_buf(), made })
    }

    /// Makes sure that there is a staging folder in `root`; its position in the journal.
    fn stage_in(&mut self, root: &Path) -> Result<usize> {
        self.stage_in_all(&[root.to_path_buf()])?;
        let at = self.journal.roots.iter().position(|known| known.place == root);
        at.ok_or_else(|| error!(Failed, "`{}` is not a skills folder of this change", root.display()))
    }

    /// Puts a validated skill at `place`, replacing whatever is there.
    ///
    /// # Errors
    /// `Failed` for a place that is not a skill's in a skills folder of this scope.
    pub(crate) fn put(&mut self, place: PathBuf, valid: &Valid) -> Result<()> {
        self.swap(&place, Some(valid.folder()))
    }

    /// As [`Transaction::put`], for files that nobody else has, such as edited ones: the disk has
    /// them before the old ones are deleted, and after a power cut they are no damage.
    ///
    /// # Errors
    /// Those of [`Transaction::put`].
    pub(crate) fn put_durably(&mut self, place: PathBuf, valid: &Valid) -> Result<()> {
        self.put(place, valid)?;
        self.durable.extend(self.journal.swaps.last().map(|swap| swap.name.clone()));
        Ok(())
    }

    /// Puts a link at `place` that leads to the folder which the user has named.
    ///
    /// # Errors
    /// `Failed` where links cannot be made.
    pub(crate) fn link_as_typed(&mut self, root: &Path, place: PathBuf, target: &Path) -> Result<()> {
        let to = lexically_normal(&root.join(target));
        if !self.store.places.may_link_to(&to) {
            self.typed_links.insert(fsx::real_path(&to));
        }
        self.link(root, place, target)
    }

    /// Puts a link at `place` that says `target`.
    ///
    /// # Errors
    /// `Failed` where links cannot be made; `Usage` for one out of a project whose user has
    /// not typed it.
    pub(crate) fn link(&mut self, root: &Path, place: PathBuf, target: &Path) -> Result<()> {
        let to = root.join(target);
        if !self.typed_links.contains(&fsx::real_path(&to)) && !self.store.may_link_to(&lexically_normal(&to))
        {
            return Err(not_typed(&place, target));
        }
        let staged = self.reserve(root)?;
        fsx::symlink(target, &staged, true)
            .context(|| format!("the link `{}` cannot be created", place.display()))?;
        self.swap(&place, Some(&staged))
    }

    /// Takes away what stands at `place`.
    ///
    /// # Errors
    /// Those of [`Transaction::put`].
    pub(crate) fn remove(&mut self, place: PathBuf) -> Result<()> {
        self.swap(&place, None)
    }

    fn swap(&mut self, place: &Path, new: Option<&Path>) -> Result<()> {
        let not_ours = || error!(Failed, "`{}` is not the place of a skill", place.display());
        let (root, name) = place.parent().zip(place.file_name()).ok_or_else(not_ours)?;
        let name: SkillName = name.to_str().ok_or_else(not_ours)?.parse()?;
        let root = self.stage_in(root)?;
        let staged = match new {
            Some(new) if new.parent() == Some(&self.staging(root)) => {
                let number = new.file_name().and_then(|name| name.to_str()?.parse().ok());
                Some(number.ok_or_else(not_ours)?)
            }
            Some(_) => return Err(not_ours()),
            None => None,
        };
        let had = fsx::exists(place).then(|| self.next_number());
        self.journal.swaps.push(Swap { root, name, staged, had });
        Ok(())
    }

    /// Swaps everything that was put, linked or removed, then writes `registry`. All of it
    /// or nothing. `command` and `at` are for the history.
    ///
    /// # Errors
    /// `Failed`, with the disk as it was before.
    pub(crate) fn commit(mut self, registry: &Registry, command: &str, at: Timestamp) -> Result<()> {
        let text = registry.to_text().into_bytes();
        let same_registry = self.before.as_deref() == Some(&text[..]);
        if self.journal.swaps.is_empty() && same_registry {
            return Ok(());
        }
        let is_recorded = self.registry.skills != registry.skills || !self.edited.is_empty();
        self.journal.history = is_recorded.then(|| self.store.history.next_id());
        self.journal.registry_before = self.before.as_deref().map(sha256_hex);
        self.journal.registry_after = sha256_hex(&text);
        self.journal.phase = Phase::Swapping;
        self.keep_typed_links()?;
        let swapped = self
            .prepare(registry, command, at)
            .and_then(|()| self.swap_all(&text, same_registry))
            .context(|| "nothing was changed: the last step failed".to_owned());
        if swapped.is_err() {
            self.forget_prepared();
        }
        swapped?;
        // From here on the change stands; a failure to tidy up is repaired by the next command.
        self.has_journal = false;
        self.journal.made = 0;
        self.store.workspace.note_origin();
        let recorded = self.make_durable();
        if recorded.is_ok() {
            self.store.history.prune();
        }
        if recorded.is_ok() && journal::tidy_after_commit(&self.journal).is_ok() {
            let _ = fsx::remove_file(&self.store.workspace.journal_file());
        }
        Ok(())
    }

    /// Everything that has to be on the disk before the first swap, all waited for at the same
    /// time: the journal, the record of the change, what it takes away, and which skills the
    /// disk may not have. Where the system could not say later that it was started anew, the
    /// bytes of the skills too.
    fn prepare(&mut self, registry: &Registry, command: &str, at: Timestamp) -> Result<()> {
        let (store, edited, adopted) = (&self.store, &self.edited, &self.adopted);
        let (journal, unsettled) = (store.workspace.journal_file(), store.workspace.unsettled_file());
        let note = self.unsettled_text(registry);
        thread::scope(|scope| {
            let record = scope.spawn(|| match self.journal.history {
                Some(id) => {
                    let mut record = Record::of(id, command, at, &self.registry, registry, edited);
                    record.note_adopted(adopted);
                    store.history.prepare(&record)
                }
                None => Ok(()),
            });
            let kept = scope.spawn(|| self.keep_replaced(registry));
            let journal = scope.spawn(|| fsx::write_new_beside(&journal, &self.journal.to_bytes()));
            let written = match &note {
                Some(text) => fsx::write_new_beside(&unsettled, text.as_bytes()),
                None => Ok(()),
            };
            let noted = written.and_then(|()| match store.boot.is_none() || !self.durable.is_empty() {
                true => self.journal.staging_folders().try_for_each(|folder| fsx::sync_tree(&folder)),
                false => Ok(()),
            });
            let ended = |_| error!(Failed, "what this change needs to be turned back cannot be kept");
            kept.join().map_err(ended)?;
            record.join().map_err(ended)??;
            journal.join().map_err(ended)?.context(|| unwritable_journal(store))?;
            noted.map_err(Error::from)
        })?;
        if note.is_some() {
            fsx::put_new_in_place(&unsettled)?;
        }
        self.has_journal = true;
        Ok(fsx::put_new_in_place(&journal)?)
    }

    /// What the record of unsettled skills says from now on; nothing where it need not change.
    /// Should this change not come about, some are looked at for nothing.
    fn unsettled_text(&self, registry: &Registry) -> Option<String> {
        let boot = self.store.boot.as_ref()?;
        let written = self.journal.swaps.iter().filter(|swap| swap.staged.is_some());
        let written = written.map(|swap| swap.name.clone()).filter(|name| !self.durable.contains(name));
        let written: BTreeSet<SkillName> = written.collect();
        if written.is_empty() {
            return None;
        }
        let new = Unsettled::new(boot, self.journal.history, written);
        Some(unsettled::to_text(&unsettled::join_records(self.store.all_unsettled(|_| true), new, registry)))
    }

    /// Takes away what [`Transaction::prepare`] has written beside other files.
    fn forget_prepared(&self) {
        self.journal.history.iter().for_each(|id| self.store.history.forget(*id));
        let workspace = &self.store.workspace;
        for file in [workspace.journal_file(), workspace.unsettled_file()] {
            let _ = fsx::remove_file(&fsx::new_beside(&file));
        }
    }

    /// Waits for the disk to have what was swapped: the old content is deleted after that. It
    /// stands already, so a folder that cannot be flushed must not look as if it did not.
    fn make_durable(&self) -> Result<()> {
        let history = &self.store.history;
        let recorded = self.journal.history.map_or(Ok(()), |id| history.confirm_prepared(id));
        let registry = fsx::parent(&self.registry_file);
        let folders = [registry, history.folder()];
        thread::scope(|scope| {
            for folder in folders {
                scope.spawn(move || fsx::flush_folder(folder));
            }
            let _ = self.flush_roots();
        });
        recorded
    }

    fn keep_typed_links(&self) -> Result<()> {
        if self.typed_links.is_empty() {
            return Ok(());
        }
        let all: BTreeSet<PathBuf> = self.store.typed_links().union(&self.typed_links).cloned().collect();
        fsx::write_atomic(&self.store.workspace.links_file(), &serde_json::to_vec(&all).unwrap_or_default())
    }

    /// The swaps, and the registry. Flushed are the journal, then everything that it speaks of:
    /// what the disk has of that is for [`journal::recover`] to complete. Nothing that was there
    /// before is deleted until then.
    fn swap_all(&mut self, text: &[u8], same_registry: bool) -> Result<()> {
        let unwritable = || format!("the registry `{}` cannot be written", self.store.registry.display());
        let workspace = &self.store.workspace;
        thread::scope(|scope| {
            let flushed = scope.spawn(|| fsx::flush_folder(workspace.folder()));
            if !same_registry {
                fsx::write_new_beside(&self.registry_file, text).context(unwritable)?;
            }
            flushed.join().unwrap_or(Ok(())).context(|| unwritable_journal(&self.store))
        })?;
        let swapped = self.swap_folders(same_registry);
        if swapped.is_err() {
            let _ = fsx::remove_file(&fsx::new_beside(&self.registry_file));
        }
        swapped?;
        if same_registry {
            // The registry file cannot tell that the swaps are done, so the journal does.
            let done = Journal { phase: Phase::Committed, ..self.journal.clone() };
            return done.write(&workspace.journal_file());
        }
        fsx::put_new_in_place(&self.registry_file).context(unwritable)
    }

    fn swap_folders(&self, same_registry: bool) -> Result<()> {
        for paths in self.journal.swaps.iter().filter_map(|swap| self.journal.paths(swap)) {
            paths.make()?;
        }
        // Without a name for this run of the system nobody would look later for a lost swap.
        if self.store.boot.is_none() || same_registry { self.flush_roots() } else { Ok(()) }
    }

    /// Skills folders, with the folders that were made for them.
    fn flush_roots(&self) -> Result<()> {
        for root in &self.journal.roots {
            fsx::sync_folder(&root.place)?;
            root.place.ancestors().skip(1).take(root.made).try_for_each(fsx::flush_folder)?;
        }
        Ok(())
    }
}

fn unwritable_journal(store: &Store) -> String {
    format!("the journal in `{}` cannot be written", store.workspace.folder().display())
}

impl Drop for Transaction {
    fn drop(&mut self) {
        // A journal that cannot be carried out now stays for the next command.
        if self.has_journal && journal::undo(&self.journal, &self.store).is_ok() {
            let _ = fsx::remove_file(&self.store.workspace.journal_file());
        }
        if !self.has_journal && self.journal.made > 0 {
            journal::remove_made(&self.journal, &self.store);
        }
        if let Some(lock) = self.lock.take() {
            lock.release();
        }
    }
}

/// A path without `..`, as it is spelled: what the links that we make ourselves need.
fn lexically_normal(path: &Path) -> PathBuf {
    path.components().fold(PathBuf::new(), |mut out, part| {
        match part {
            Component::ParentDir => drop(out.pop()),
            part => out.push(part),
        }
        out
    })
}

fn not_typed(place: &Path, target: &Path) -> Error {
    let target = printable(&target.to_string_lossy(), false);
    error!(Usage, "`{}` would be a link to `{target}`, outside of the project", place.display())
        .cause("a project's registry may not create such a link: it could point at any of your files")
        .hint(format!("if you trust it: `ba-agent skill install --link {target}`"))
}

/// The error for what stands where a skills folder, or one above it, should be.
pub(crate) fn not_a_folder(root: &Path) -> Error {
    let choose = "or choose another folder with `--agent` or `skills.install_dir`";
    match std::fs::read_link(root) {
        Ok(target) => fsx::leads_nowhere(root, &target).hint(choose.to_owned()),
        Err(_) => error!(Conflict, "`{}` is a file, not a folder for skills", root.display())
            .hint(format!("move it away, {choose}")),
    }
}
