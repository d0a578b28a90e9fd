//! The files of recorded skills: out of the caches, else from the source at the recorded pin, each
//! repository fetched once.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::apply::{Report, other_bytes};
use super::recorded::{KeptTrees, Recorded, RecordedFiles};
use crate::fetch::pinned::fetch_pinned;
use crate::fetch::{self, World};
use ba_agent_core::digest::{self, Digest, Files};
use ba_agent_core::error::{Context as _, Error, Kind, Result, error, printable};
use ba_agent_core::package::Package;
use ba_agent_core::path::RelPath;
use ba_agent_core::registry::{InstallMode, LockEntry};
use ba_agent_core::skill::SkillName;
use ba_agent_core::source::Request;
use ba_agent_system::cache::Cache;
use ba_agent_system::parallel;

/// How often a plan is made anew because another command was quicker.
pub(super) const TRIES: usize = 10;

/// Calls `attempt` until it has done its work. Where another command changes the registry, or
/// the cache loses files, between the look and the change, it begins anew.
///
/// # Errors
/// Those of `attempt`; `Conflict` where that happens too often.
pub(super) fn try_until_settled(
    supply: &Supply<'_>,
    mut attempt: impl FnMut() -> Result<Option<Report>>,
) -> Result<Report> {
    for _ in 0..TRIES {
        let lost = supply.count_of_lost_trees();
        match attempt() {
            Ok(Some(report)) => return Ok(report),
            Ok(None) => {}
            Err(_) if supply.count_of_lost_trees() > lost => {}
            Err(error) => return Err(error),
        }
    }
    Err(error!(Conflict, "other commands keep changing these skills")
        .hint("wait for them to end, then run_jobs the command again"))
}

/// Where the trees of recorded skills come from.
pub struct Supply<'w> {
    pub(super) world: &'w World<'w>,
    pub(super) kept: Arc<KeptTrees>,
    /// Each time that a source was fetched, for other folders of it.
    fetched: Mutex<BTreeMap<Key, Vec<FetchedSource>>>,
}

/// A source at a pin.
type Key = (String, String);

/// A source, and the folders of it whose files are here.
struct FetchedSource {
    package: Arc<Package>,
    folders: BTreeSet<RelPath>,
}

/// Skills of one source at one pin.
type Group<'a> = (Key, Vec<(&'a SkillName, &'a LockEntry)>);

impl<'w> Supply<'w> {
    pub(crate) fn new(world: &'w World<'w>, caches: Vec<Cache>) -> Self {
        Self { world, kept: Arc::new(KeptTrees::new(caches)), fetched: Mutex::default() }
    }

    /// How many trees the caches were to have and did not: see [`KeptTrees::lost`].
    pub(crate) fn count_of_lost_trees(&self) -> usize {
        self.kept.lost()
    }

    /// The content of a recorded skill; `digest` is what it must be, which differs from the
    /// record only for edits that a rollback brings back. Asks no host: what no cache has, and
    /// was not fetched by [`Supply::prepare`], is an error.
    ///
    /// # Errors
    /// `Integrity` where the source has other bytes at the same pin; `Failed` for what was not
    /// prepared.
    pub(crate) fn recorded(&self, name: &SkillName, entry: &LockEntry, digest: &Digest) -> Result<Recorded> {
        let files = self.files(name, entry, digest)?;
        Ok(Recorded { entry: entry.clone(), digest: digest.clone(), files })
    }

    fn files(&self, name: &SkillName, entry: &LockEntry, digest: &Digest) -> Result<RecordedFiles> {
        if entry.mode == InstallMode::Live {
            return Ok(RecordedFiles::Live(self.live_folder(name, entry)?));
        }
        if self.kept.has(digest) {
            return Ok(RecordedFiles::Kept(Arc::clone(&self.kept)));
        }
        if *digest != entry.digest {
            return Err(error!(NotFound, "the edited files of `{name}` are no longer kept"));
        }
        let folder = recorded_folder(name, entry)?;
        let Some(package) = self.fetched(entry) else {
            // It was there when [`Supply::prepare`] looked: whoever begins anew is to fetch it.
            self.kept.mark_lost(digest);
            return Err(error!(Failed, "the files of `{name}` have vanished from the cache")
                .hint("run the command again"));
        };
        let files = package.dir(&folder).files()?;
        if digest::digest_of_files(&files) != *digest {
            return Err(error_of_different_files(name, entry, &files));
        }
        Ok(RecordedFiles::Fetched(package, folder))
    }

    /// Fetches a recorded skill where no cache has it, and opens it.
    ///
    /// # Errors
    /// Those of [`Supply::prepare`] and [`Supply::recorded`].
    pub(crate) fn fetch(&self, name: &SkillName, entry: &LockEntry) -> Result<(Arc<Package>, RelPath)> {
        let open = || {
            self.prepare(&[(name, entry)])?;
            let recorded = self.recorded(name, entry, &entry.digest)?;
            recorded.open()
        };
        let lost = self.count_of_lost_trees();
        open().or_else(|error| if self.count_of_lost_trees() > lost { open() } else { Err(error) })
    }

    fn live_folder(&self, name: &SkillName, entry: &LockEntry) -> Result<PathBuf> {
        let request = Request::parse(&entry.source)?;
        let folder = fetch::local_folder(&request.source, self.world)
            .context(|| format!("the live link of `{name}` cannot be created"))?;
        Ok(entry.path.as_ref().map_or_else(|| folder.clone(), |path| folder.join(path)))
    }

    /// True where a host has to be asked for one of these skills.
    pub(crate) fn lacks_any_recorded(&self, wanted: &[(&SkillName, &LockEntry)]) -> bool {
        wanted.iter().any(|(_, entry)| self.is_missing(entry))
    }

    fn is_missing(&self, entry: &LockEntry) -> bool {
        entry.mode != InstallMode::Live && !self.kept.has(&entry.digest) && self.fetched(entry).is_none()
    }

    /// The package that was fetched for a skill.
    fn fetched(&self, entry: &LockEntry) -> Option<Arc<Package>> {
        let known = self.known();
        let folder = entry.folder().ok()?;
        let fetched = known.get(&key_of(entry))?.iter().find(|fetched| fetched.folders.contains(&folder));
        fetched.map(|fetched| Arc::clone(&fetched.package))
    }

    /// Fetches what is in no cache of these skills: each source once, several at a time, and
    /// of a repository only what is wanted. What is here already is not asked for again. Not to
    /// be done while the lock is held: a slow host would block every other command.
    ///
    /// # Errors
    /// Those of fetching.
    pub(crate) fn prepare(&self, wanted: &[(&SkillName, &LockEntry)]) -> Result<()> {
        if self.count_of_lost_trees() > 0 {
            // Where one tree is broken others may be: all are found out now, not one each try.
            let kept = |(_, entry): &(&SkillName, &LockEntry)| {
                Ok(entry.mode == InstallMode::Live || self.kept.check(&entry.digest))
            };
            parallel::run_jobs(parallel::count_cores(), wanted, || self.world.check_cancelled(), kept)?;
        }
        let mut groups: BTreeMap<Key, Vec<_>> = BTreeMap::new();
        for (name, entry) in wanted {
            if self.is_missing(entry) {
                groups.entry(key_of(entry)).or_default().push((*name, *entry));
            }
        }
        let groups: Vec<Group<'_>> = groups.into_iter().collect();
        let world = self.world;
        let fetched = parallel::run_jobs(
            parallel::MAX_HOSTS,
            &groups,
            || world.check_cancelled(),
            |(_, skills)| fetch_group(skills, world),
        )?;
        let keys = groups.into_iter().map(|(key, _)| key);
        let mut known = self.known();
        for (key, fetched) in keys.zip(fetched) {
            known.entry(key).or_default().push(fetched);
        }
        Ok(())
    }

    fn known(&self) -> MutexGuard<'_, BTreeMap<Key, Vec<FetchedSource>>> {
        self.fetched.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn key_of(entry: &LockEntry) -> Key {
    let pin = entry.pin.commit.clone().unwrap_or_else(|| format!("{:?}", entry.pin));
    (entry.source.clone(), pin)
}

/// The one source of these skills at the pin that they share.
fn fetch_group(skills: &[(&SkillName, &LockEntry)], world: &World<'_>) -> Result<FetchedSource> {
    let Some((name, entry)) = skills.first() else {
        return Err(error!(Failed, "a source without skills was asked for"));
    };
    let folders = skills.iter().map(|(name, entry)| recorded_folder(name, entry));
    let folders = folders.collect::<Result<BTreeSet<RelPath>>>()?;
    let package = fetch_pinned(entry, &folders, world).map_err(|e| error_of_gone_source(name, entry, e))?;
    Ok(FetchedSource { package: Arc::new(package), folders })
}

/// The folder of a skill in its source, as it is recorded.
///
/// # Errors
/// `Integrity` for one that no source can have.
fn recorded_folder(name: &SkillName, entry: &LockEntry) -> Result<RelPath> {
    entry.folder().map_err(|why| {
        let folder = printable(entry.path.as_deref().unwrap_or_default(), false);
        error!(Integrity, "`{name}` is recorded in a folder that no source can have")
            .cause(format!("the path `{folder}` {why}"))
            .hint(format!("uninstall it with `ba-agent skill uninstall {name}`, then install it again"))
    })
}

/// The error for a pin that the source no longer has, or that cannot be reached.
fn error_of_gone_source(name: &SkillName, entry: &LockEntry, error: Error) -> Error {
    let pin = entry.pin.short_text().unwrap_or_default();
    match error.kind {
        // Which of them is missing, repository or commit, the cause says.
        Kind::NotFound if entry.pin.commit.is_some() => error
            .wrap(format!("`{name}` cannot be fetched at {pin} from {}", entry.source))
            .hint(format!("to install what is there now: `ba-agent skill update {name}`"))
            .hint(format!("if it lives elsewhere now: `ba-agent skill update {name} --source SOURCE`")),
        Kind::NotFound if matches!(entry.kind.as_str(), "local" | "archive") => error
            .wrap(format!("`{name}` of {} cannot be fetched", entry.source))
            .hint("it was installed from a path that is not here: put the files there again")
            .hint(format!(
                "or install it from where it is now: `ba-agent skill update {name} --source PATH`"
            )),
        _ => error.wrap(format!("`{name}` of {} cannot be fetched", entry.source)),
    }
}

/// The error for a source with other bytes at the same pin, naming the files.
fn error_of_different_files(name: &SkillName, entry: &LockEntry, files: &Files) -> Error {
    if entry.kind == "local" {
        return error!(
            Integrity,
            "`{name}` is not what was recorded: the folder {} has changed", entry.source
        )
        .hint(format!("to install what is there now: `ba-agent skill install {} --force`", entry.source));
    }
    let mut error = other_bytes(name, &entry.source);
    for one in crate::install_state::find_drift(&entry.files, files).iter().take(10) {
        error = error.cause(format!("{}: {}", one.change.word(), one.path));
    }
    error
}
