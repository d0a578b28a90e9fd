//! Deeds: the disk brought to what the registry says, and the trees that takes: out of the
//! cache, else from the source at the recorded pin, each repository fetched once.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::cache::Cache;
use crate::digest::{self, Digest, Files};
use crate::error::{Context as _, Error, Kind, Result, error};
use crate::fetch::{self, OpenOptions, World};
use crate::install_state::{DriftKind, FolderState, InstallState, InstallStates, harmless_hints};
use crate::package::Package;
use crate::registry::{InstallMode, LockEntry, Registry};
use crate::skill::SkillName;
use crate::source::{Reference, Request, Revision, Source};
use crate::text::count_noun;

use super::apply::other_bytes;
use super::plan::{Action, Content, Plan, Step, edited, edits};
use super::recorded::{KeptTrees, Recorded, RecordedFiles};
use crate::parallel;

/// How often a plan is made anew because another command was quicker.
pub(crate) const TRIES: usize = 10;

/// Where the trees of recorded skills come from.
pub(crate) struct Supply<'w> {
    world: &'w World<'w>,
    kept: Arc<KeptTrees>,
    /// Each time that a source was fetched, for other folders of it.
    fetched: Mutex<BTreeMap<Key, Vec<Fetched>>>,
}

/// A source at a pin.
type Key = (String, String);

/// A source, and the folders of it whose files are here.
struct Fetched {
    package: Arc<Package>,
    folders: BTreeSet<String>,
}

/// Skills of one source at one pin.
type Group<'a> = (Key, Vec<(&'a SkillName, &'a LockEntry)>);

impl<'w> Supply<'w> {
    pub(crate) fn new(world: &'w World<'w>, caches: Vec<Cache>) -> Self {
        Self { world, kept: Arc::new(KeptTrees::new(caches)), fetched: Mutex::default() }
    }

    /// How many trees the caches were to have and did not: see [`KeptTrees::lost`].
    pub(crate) fn lost(&self) -> usize {
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
        let Some(package) = self.fetched(entry) else {
            return Err(error!(Failed, "the files of `{name}` have vanished from the cache")
                .hint("run the command again"));
        };
        let folder = entry.path.clone().unwrap_or_default();
        let files = package.dir(&folder).files()?;
        if digest::digest_of_files(&files) != *digest {
            return Err(differs(name, entry, &files));
        }
        Ok(RecordedFiles::Fetched(package, folder))
    }

    /// Fetches a recorded skill where no cache has it, and opens it.
    ///
    /// # Errors
    /// Those of [`Supply::prepare`] and [`Supply::recorded`].
    pub(crate) fn fetch(&self, name: &SkillName, entry: &LockEntry) -> Result<(Arc<Package>, String)> {
        let open = || {
            self.prepare(&[(name, entry)])?;
            let recorded = self.recorded(name, entry, &entry.digest)?;
            recorded.open().map(|(package, folder)| (package, folder.to_owned()))
        };
        let lost = self.lost();
        open().or_else(|error| if self.lost() > lost { open() } else { Err(error) })
    }

    fn live_folder(&self, name: &SkillName, entry: &LockEntry) -> Result<PathBuf> {
        let request = Request::parse(&entry.source)?;
        let folder = fetch::local_folder(&request.source, self.world)
            .context(|| format!("the live link of `{name}` cannot be created"))?;
        Ok(entry.path.as_ref().map_or_else(|| folder.clone(), |path| folder.join(path)))
    }

    /// True where a host has to be asked for one of these skills.
    pub(crate) fn lacks(&self, wanted: &[(&SkillName, &LockEntry)]) -> bool {
        wanted.iter().any(|(_, entry)| self.is_missing(entry))
    }

    fn is_missing(&self, entry: &LockEntry) -> bool {
        entry.mode != InstallMode::Live && !self.kept.has(&entry.digest) && self.fetched(entry).is_none()
    }

    /// The package that was fetched for a skill.
    fn fetched(&self, entry: &LockEntry) -> Option<Arc<Package>> {
        let known = self.known();
        let folder = entry.path.as_deref().unwrap_or("");
        let fetched = known.get(&key_of(entry))?.iter().find(|fetched| fetched.folders.contains(folder));
        fetched.map(|fetched| Arc::clone(&fetched.package))
    }

    /// Fetches what is in no cache of these skills: each source once, several at a time, and
    /// of a repository only what is wanted. What is here already is not asked for again. Not to
    /// be done while the lock is held: a slow host would block every other command.
    ///
    /// # Errors
    /// Those of fetching.
    pub(crate) fn prepare(&self, wanted: &[(&SkillName, &LockEntry)]) -> Result<()> {
        if self.lost() > 0 {
            // Where one tree is broken others may be: all are found out now, not one each try.
            let kept = |(_, entry): &(&SkillName, &LockEntry)| {
                Ok(entry.mode == InstallMode::Live || self.kept.check(&entry.digest))
            };
            parallel::run_jobs(parallel::count_cores(), wanted, kept)?;
        }
        let mut groups: BTreeMap<Key, Vec<_>> = BTreeMap::new();
        for (name, entry) in wanted {
            if self.is_missing(entry) {
                groups.entry(key_of(entry)).or_default().push((*name, *entry));
            }
        }
        let groups: Vec<Group<'_>> = groups.into_iter().collect();
        let world = self.world;
        let fetched =
            parallel::run_jobs(parallel::MAX_HOSTS, &groups, |(_, skills)| fetch_group(skills, world))?;
        let keys = groups.into_iter().map(|(key, _)| key);
        let mut known = self.known();
        for (key, fetched) in keys.zip(fetched) {
            known.entry(key).or_default().push(fetched);
        }
        Ok(())
    }

    fn known(&self) -> MutexGuard<'_, BTreeMap<Key, Vec<Fetched>>> {
        self.fetched.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn key_of(entry: &LockEntry) -> Key {
    let pin = entry.pin.commit.clone().unwrap_or_else(|| format!("{:?}", entry.pin));
    (entry.source.clone(), pin)
}

/// The one source of these skills at the pin that they share.
fn fetch_group(skills: &[(&SkillName, &LockEntry)], world: &World<'_>) -> Result<Fetched> {
    let Some((name, entry)) = skills.first() else {
        return Err(error!(Failed, "a source without skills was asked for"));
    };
    let folders: BTreeSet<String> =
        skills.iter().map(|(_, entry)| entry.path.clone().unwrap_or_default()).collect();
    let package = fetch_pinned(entry, &folders, world).map_err(|e| gone(name, entry, e))?;
    Ok(Fetched { package: Arc::new(package), folders })
}

fn fetch_pinned(entry: &LockEntry, folders: &BTreeSet<String>, world: &World<'_>) -> Result<Package> {
    let mut request = Request::parse(&entry.source)?;
    if let Revision::Commit(sha) = entry.pin.to_revision()? {
        request.reference = Reference::Sha(sha);
    }
    let integrity = entry.pin.archive.as_deref().map(str::parse).transpose()?;
    // The commit and the digest decide, whoever sends the bytes.
    let options = OpenOptions { integrity: integrity.as_ref(), follow_moves: true, ..OpenOptions::default() };
    let source = fetch::open_source(&request, options, world)?;
    let folders: Vec<&str> = folders.iter().map(String::as_str).collect();
    Ok(source.into_package(&folders, |_| false)?.1.into_package())
}

/// The error for a pin that the source no longer has, or that cannot be reached.
fn gone(name: &SkillName, entry: &LockEntry, error: Error) -> Error {
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
fn differs(name: &SkillName, entry: &LockEntry, files: &Files) -> Error {
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

/// A recorded skill that is not on the disk as it was recorded, and what is there.
pub(crate) type Due<'r> = (&'r SkillName, &'r LockEntry, InstallState);

/// Which skills have to be written so that the disk is what the registry says.
///
/// `frozen` turns edits into a failure of integrity; `force` gives them up.
///
/// # Errors
/// `Conflict` (`Integrity` when frozen) for edited skills, naming all their files;
/// `NotFound` offline for what the cache does not have, naming every skill.
pub(crate) fn due<'r>(
    registry: &'r Registry,
    seen: &InstallStates,
    supply: &Supply<'_>,
    frozen: bool,
    force: bool,
) -> Result<Vec<Due<'r>>> {
    let mut wrong = Vec::new();
    let mut due = Vec::new();
    for (name, entry) in &registry.skills {
        let sight = seen.get(name).cloned().unwrap_or_default();
        if edits(entry, &sight).is_empty() {
            continue;
        }
        if is_absence(entry, &sight) || force {
            due.push((name, entry, sight));
        } else {
            wrong.push((name, edits(entry, &sight)));
        }
    }
    if !wrong.is_empty() {
        return Err(all_edited(&wrong, frozen));
    }
    let missing: Vec<&SkillName> = due
        .iter()
        .filter(|(_, entry, _)| supply.world.offline && needs_host(entry) && !supply.kept.has(&entry.digest))
        .map(|(name, ..)| *name)
        .collect();
    if !missing.is_empty() {
        return Err(not_cached(&missing));
    }
    Ok(due)
}

/// The skills of what is due, as the supply takes them.
pub(crate) fn wanted<'r>(due: &[Due<'r>]) -> Vec<(&'r SkillName, &'r LockEntry)> {
    due.iter().map(|(name, entry, _)| (*name, *entry)).collect()
}

/// Plans to bring the disk to what the registry says; `due` is what [`due`] found, and the
/// supply has it.
///
/// # Errors
/// Those of [`Supply::recorded`].
pub(crate) fn plan(registry: &Registry, due: Vec<Due<'_>>, supply: &Supply<'_>) -> Result<Plan> {
    let mut steps: BTreeMap<&SkillName, Step> = BTreeMap::new();
    for (name, entry) in &registry.skills {
        steps.insert(name, step(name, entry, Action::Keep, None, false));
    }
    let read = |(name, entry, _): &Due<'_>| supply.recorded(name, entry, &entry.digest);
    let contents = parallel::run_jobs(parallel::count_cores(), &due, read)?;
    for ((name, entry, sight), content) in due.into_iter().zip(contents) {
        let content = Content::Recorded(Box::new(content));
        let gives_up = edits(entry, &sight).iter().any(|drift| drift.change != DriftKind::Missing);
        let action = if sight.is_gone() { Action::Add } else { Action::Replace };
        steps.insert(name, step(name, entry, action, Some(content), gives_up));
    }
    Ok(Plan { steps: steps.into_values().collect() })
}

fn step(
    name: &SkillName,
    entry: &LockEntry,
    action: Action,
    content: Option<Content>,
    gives_up: bool,
) -> Step {
    Step { name: name.clone(), action, content, before: Some(entry.clone()), gives_up_edits: gives_up }
}

/// True when whole folders or links are missing and nothing that is there was changed.
pub(crate) fn is_absence(entry: &LockEntry, sight: &InstallState) -> bool {
    // A missing place becomes what the record says, then no edit may be left.
    let rest = sight.recorded.iter().enumerate().filter(|(_, (_, disk))| *disk != FolderState::Missing);
    rest.into_iter().all(|(n, (shown, disk))| {
        let mut alone = InstallState::default();
        let filler = (0..n).map(|_| (String::new(), FolderState::Missing));
        alone.recorded.extend(filler);
        alone.recorded.push((shown.clone(), disk.clone()));
        edits(entry, &alone).len() == n
    })
}

/// True when the source lies on another machine.
fn needs_host(entry: &LockEntry) -> bool {
    let source = Request::parse(&entry.source).map(|request| request.source);
    match source {
        Ok(Source::Local { .. } | Source::Builtin { .. }) => false,
        Ok(Source::Archive { location: url } | Source::Git { url }) => {
            url.contains("://") && !url.starts_with("file://") || (!url.contains("://") && url.contains('@'))
        }
        _ => true,
    }
}

fn all_edited(wrong: &[(&SkillName, Vec<crate::install_state::Drift>)], frozen: bool) -> Error {
    let mut error = match wrong {
        [(name, drift)] => edited(name, drift, "install"),
        several => {
            let mut error = error!(
                Conflict,
                "{} were edited since they were installed",
                count_noun(several.len(), "skill")
            );
            for (name, drift) in several.iter().take(20) {
                let paths: Vec<String> =
                    drift.iter().take(5).map(|one| format!("{} {}", one.change.word(), one.path)).collect();
                error = error.cause(format!("{name}: {}", paths.join(", ")));
            }
            let drifts: Vec<_> = wrong.iter().flat_map(|(_, drift)| drift.clone()).collect();
            let error = harmless_hints(&drifts, ".claude/skills").into_iter().fold(error, Error::hint);
            error
                .hint("see what was changed with `ba-agent skill verify` and `ba-agent skill diff NAME`")
                .hint("to discard the edits: `ba-agent skill install --force`")
        }
    };
    if frozen {
        error.kind = Kind::Integrity;
    }
    error
}

fn not_cached(missing: &[&SkillName]) -> Error {
    let names: Vec<&str> = missing.iter().map(|name| name.as_str()).collect();
    error!(
        NotFound,
        "{} not in the cache: {}",
        match names.len() {
            1 => "1 skill is".to_owned(),
            n => format!("{n} skills are"),
        },
        names.join(", ")
    )
    .hint("run it once without `--offline`, then the cache has them")
}
