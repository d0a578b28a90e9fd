//! Deeds: a plan, done. The one place that changes skills and registry.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use jiff::Timestamp;
use serde::Serialize;

use crate::fetch::FetchedPackage;
use crate::install_dirs::InstallDirs;
use crate::install_state;
use crate::kept_versions;
use crate::store::{Staged, Transaction, Valid};
use crate::workspace::Session;
use ba_agent_core::agents::InstallTarget;
use ba_agent_core::digest::{self, Digest, Files};
use ba_agent_core::error::{Context as _, Error, Kind, Result, error};
use ba_agent_core::listing::{self, Node};
use ba_agent_core::package::PackageDir;
use ba_agent_core::registry::{InstallMode, LockEntry, Registry};
use ba_agent_core::skill::{Finding, Severity, SkillName};
use ba_agent_core::source::Resolved;
use ba_agent_core::text::count_noun;
use ba_agent_git::CachedSkill;
use ba_agent_system::cache::Batch;
use ba_agent_system::fsx;
use ba_agent_system::interrupt;
use ba_agent_system::progress::Progress;

use super::gather::Candidate;
use super::overlap::{self, Untouched};
use super::plan::{Action, Content, InstallReason, Plan, Step, Wanted};
use super::recorded::Recorded;
use ba_agent_system::parallel;

/// What was done, for people and for `--json`.
#[derive(Debug, Default, Serialize)]
pub struct Report {
    pub skills: Vec<Done>,
}

impl Report {
    /// What a plan would do, for `--dry-run`.
    ///
    /// # Errors
    /// `Integrity` or `Failed` where the bytes of a candidate cannot be read; those of
    /// [`overlap::check`].
    pub(crate) fn of_plan(plan: Plan, places: &InstallDirs, now: Timestamp) -> Result<Self> {
        let untouched = overlap::check(&plan, places)?;
        let (mut skills, mut known) = (Vec::new(), ShownPlaces::default());
        for (step, untouched) in plan.steps.into_iter().zip(untouched) {
            let before = step.before.clone();
            let entry = match (&step.content, step.before) {
                (Some(Content::Found(wanted)), before) => {
                    record_installed_skill(wanted, wanted.mode, None, before.as_ref(), now)?
                }
                (Some(Content::Recorded(recorded)), _) => recorded.entry.clone(),
                (Some(Content::Noted(entry)), _) => entry.as_ref().clone(),
                (None, Some(before)) => before,
                (None, None) => continue,
            };
            let untouched = shown_each(&untouched, places);
            let new_places = known.new_places(places, before.as_ref(), &entry)?;
            let places = known.shown_install_places(places, &entry)?;
            let (name, action, warnings) = (step.name, step.action, Vec::new());
            skills.push(Done { name, action, places, new_places, entry, warnings, untouched });
        }
        Ok(Self { skills })
    }
}

/// What was done with one skill.
#[derive(Debug, Serialize)]
pub struct Done {
    pub name: SkillName,
    pub action: Action,
    /// The folders that have it, as a person names them; the first holds the files.
    pub places: Vec<String>,
    /// Those of them that have it in addition, where nothing else of it is new.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub new_places: Vec<String>,
    /// The record as it is now, or as it was for a removed skill.
    pub entry: LockEntry,
    /// What the rules say of the files beside the manifest, as they were written.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<Finding>,
    /// Folders at its places that are its own source, and so were neither written nor removed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub untouched: Vec<String>,
}

/// The folders of skills as a person names them. Thousands of skills have few targets, and to
/// look at one costs as much as to write a file.
#[derive(Default)]
struct ShownPlaces(BTreeMap<(bool, Vec<String>), Vec<String>>);

impl ShownPlaces {
    /// The places of a record that an earlier one of the same tree does not have.
    fn new_places(
        &mut self,
        places: &InstallDirs,
        before: Option<&LockEntry>,
        now: &LockEntry,
    ) -> Result<Vec<String>> {
        let same = |before: &&LockEntry| before.digest == now.digest && before.mode == now.mode;
        let Some(before) = before.filter(same) else { return Ok(Vec::new()) };
        let old = self.shown_install_places(places, before)?;
        let mut new = self.shown_install_places(places, now)?;
        new.retain(|place| !old.contains(place));
        Ok(new)
    }

    fn shown_install_places(&mut self, places: &InstallDirs, entry: &LockEntry) -> Result<Vec<String>> {
        let key = (entry.enabled, entry.targets.clone());
        if let Some(known) = self.0.get(&key) {
            return Ok(known.clone());
        }
        let shown: Vec<String> =
            places.roots_of(entry)?.iter().map(|root| places.shown_to_user(root)).collect();
        self.0.insert(key, shown.clone());
        Ok(shown)
    }
}

fn shown_each(untouched: &Untouched, places: &InstallDirs) -> Vec<String> {
    untouched.iter().map(|place| places.shown_to_user(place)).collect()
}

/// Does everything that `plan` says in one transaction, or nothing; `command` is what the
/// history calls it.
///
/// # Errors
/// `Invalid` for content that breaks the rules as it is written, `Integrity` for content
/// that is not what was recorded, `Failed` where the disk refuses; those of
/// [`overlap::check`]. The disk is then as it was before.
pub(crate) fn apply(
    plan: Plan,
    mut transaction: Transaction,
    session: &Session<'_>,
    command: &str,
) -> Result<Report> {
    let data = session.store.state_dir().folder();
    if session.env.is_temporary(data) {
        let data = data.display();
        session.note(&format!(
            "there is no writable home directory: what `rollback` needs is kept in `{data}`; \
             set BA_AGENT_DATA_DIR to keep it elsewhere"
        ));
    }
    let _change = interrupt::ChangeGuard::begin();
    let steps = plan.steps.len();
    let untouched = overlap::check(&plan, &session.places)?;
    let staged = stage_planned_steps(&plan, &untouched, &mut transaction, session);
    let (staged, known) = staged.map_err(|error| say_what_is_left(error, steps))?;
    // What the cache knows is of no concern to the change, so that does not wait for it.
    std::thread::scope(|scope| {
        scope.spawn(|| remember_in_cache(known, session));
        put_in_place(plan, staged, untouched, transaction, session, command)
            .map_err(|error| say_what_is_left(error, steps))
    })
}

/// Whoever stops a change is told what became of it.
fn say_what_is_left(error: Error, skills: usize) -> Error {
    if error.kind != Kind::Interrupted {
        return error;
    }
    error.cause(match skills {
        1 => "1 skill was being changed: it is as it was before".to_owned(),
        n => format!("{n} skills were being changed: each is as it was before"),
    })
}

/// Swaps what was staged, and records it.
fn put_in_place(
    plan: Plan,
    staged: Vec<Copies>,
    untouched: Vec<Untouched>,
    mut transaction: Transaction,
    session: &Session<'_>,
    command: &str,
) -> Result<Report> {
    let mut registry = transaction.registry().clone();
    let mut report = Report::default();
    let mut known = ShownPlaces::default();
    for ((step, copies), untouched) in plan.steps.into_iter().zip(staged).zip(untouched) {
        session.observer.check_cancelled()?;
        if step.gives_up_edits {
            keep_edited(&step, &untouched, &mut transaction, session)?;
        }
        keep_replaced_version(&step, session)?;
        let entry = match (step.action, &step.content) {
            (Action::Remove, _) => {
                remove(&step, &copies, &untouched, &mut transaction, &session.places, &mut registry)?
            }
            (Action::Keep, None) => step.before.clone(),
            (Action::Adopt, Some(Content::Found(wanted))) => {
                transaction.note_adopted(&step.name);
                let before = step.before.as_ref();
                Some(record_installed_skill(wanted, wanted.mode, None, before, session.env.now)?)
            }
            (Action::Adopt, Some(Content::Noted(entry))) => {
                transaction.note_adopted(&step.name);
                Some(entry.as_ref().clone())
            }
            (Action::Forget, _) => {
                registry.skills.remove(&step.name);
                step.before.clone()
            }
            (Action::Keep, Some(Content::Noted(entry))) => Some(entry.as_ref().clone()),
            (_, Some(content)) => {
                Some(place_staged_skill(&step, content, &copies, &untouched, &mut transaction, session)?)
            }
            (_, None) => None,
        };
        let Some(entry) = entry else { continue };
        if !matches!(step.action, Action::Remove | Action::Forget) {
            registry.skills.insert(step.name.clone(), entry.clone());
        }
        let new_places = known.new_places(&session.places, step.before.as_ref(), &entry)?;
        let places = known.shown_install_places(&session.places, &entry)?;
        let (warnings, untouched) = (copies.warnings, shown_each(&untouched, &session.places));
        let (name, action) = (step.name, step.action);
        report.skills.push(Done { name, action, places, new_places, entry, warnings, untouched });
    }
    session.observer.check_cancelled()?;
    forget_dropped_versions(&transaction, &registry, session);
    transaction.commit(&registry, command, session.env.now)?;
    Ok(report)
}

/// Keeps the files of the version that a step replaces, where that is wanted.
///
/// # Errors
/// Those of reading the new version.
fn keep_replaced_version(step: &Step, session: &Session<'_>) -> Result<()> {
    let (Some(Content::Found(wanted)), Some(before)) = (&step.content, &step.before) else { return Ok(()) };
    let is_replaced = wanted.keep > 0 && wanted.candidate.digest()?.0 != before.digest;
    if is_replaced && !kept_versions::keep_tree(session, &step.name, before) {
        session.warn(&format!(
            "the files of `{}` {} could not be kept; they are fetched when that version is wanted",
            step.name,
            before.version_label()
        ));
    }
    Ok(())
}

/// Forgets the files of kept versions that are no longer named, now that nobody else can be adding
/// one.
fn forget_dropped_versions(transaction: &Transaction, registry: &Registry, session: &Session<'_>) {
    let digests = |registry: &Registry| -> BTreeSet<Digest> {
        let kept = registry.skills.values().flat_map(|entry| entry.versions.values());
        kept.map(|kept| kept.digest.clone()).collect()
    };
    let before = digests(transaction.registry());
    if !before.is_empty() && !before.is_subset(&digests(registry)) {
        kept_versions::forget_unnamed_trees(session, &[transaction.registry(), registry]);
    }
}

/// A commit, and what was written of its skills.
struct WrittenSkills {
    fetched: Arc<FetchedPackage>,
    resolved: Arc<Resolved>,
    skills: Vec<CachedSkill>,
}

/// Which skill of which commit each is that was written.
fn list_written_skills(jobs: &[StagingJob<'_>], written: &[(Valid, Vec<Finding>)]) -> Vec<WrittenSkills> {
    let mut commits: BTreeMap<*const FetchedPackage, WrittenSkills> = BTreeMap::new();
    for (job, (valid, _)) in jobs.iter().zip(written) {
        let Content::Found(wanted) = job.content else { continue };
        let candidate = &wanted.candidate;
        let commit = commits.entry(Arc::as_ptr(&candidate.fetched)).or_insert_with(|| WrittenSkills {
            fetched: Arc::clone(&candidate.fetched),
            resolved: Arc::clone(&candidate.resolved),
            skills: Vec::new(),
        });
        commit.skills.push(CachedSkill {
            folder: candidate.folder.clone(),
            name: candidate.given.clone(),
            digest: valid.digest().clone(),
        });
    }
    commits.into_values().collect()
}

/// Notes of commits which skills of them are cached, so that these can be had again by their
/// source, without a connection.
fn remember_in_cache(commits: Vec<WrittenSkills>, session: &Session<'_>) {
    for WrittenSkills { fetched, resolved, skills } in commits {
        fetched.remember(&resolved, &skills, &session.cache);
    }
}

/// The staged copies of one step, by the place that each is for.
#[derive(Debug, Default)]
struct Copies {
    valid: BTreeMap<PathBuf, Valid>,
    /// What the rules say of the files beside the manifest.
    warnings: Vec<Finding>,
}

/// One folder to be written.
struct StagingJob<'a> {
    step: usize,
    name: &'a SkillName,
    place: PathBuf,
    folder: PathBuf,
    content: &'a Content,
}

/// Writes what is new, several skills at a time.
fn stage_planned_steps(
    plan: &Plan,
    untouched: &[Untouched],
    transaction: &mut Transaction,
    session: &Session<'_>,
) -> Result<(Vec<Copies>, Vec<WrittenSkills>)> {
    transaction.stage_in_all(&changed_roots(plan, untouched, &session.places)?)?;
    let mut jobs = Vec::new();
    for (at, (step, untouched)) in plan.steps.iter().zip(untouched).enumerate() {
        let Some(content) = step.content.as_ref().filter(|_| step.action.touches_files()) else { continue };
        let Some((targets, mode)) = content.targets(&session.places)? else { continue };
        let roots = session.places.roots(&targets);
        let holders = match mode {
            InstallMode::Live => 0,
            _ if content.is_in_place() => 0,
            InstallMode::Copy => roots.len(),
            InstallMode::Link => 1,
        };
        for root in roots.iter().take(holders) {
            let place = root.join(step.name.as_str());
            if !untouched.contains(&place) {
                let folder = transaction.reserve(root)?;
                jobs.push(StagingJob { step: at, name: &step.name, place, folder, content });
            }
        }
    }
    let batch = session.cache.begin_batch(jobs.len());
    let writing = Writing::begin(&jobs, session.observer);
    let written = parallel::run_jobs(
        parallel::count_cores(),
        &jobs,
        || session.observer.check_cancelled(),
        |job| write(job, session, &batch, &writing),
    )?;
    batch.keep_bundle_open();
    let known = list_written_skills(&jobs, &written);
    let mut staged: Vec<Copies> = plan.steps.iter().map(|_| Copies::default()).collect();
    for (job, (valid, warnings)) in jobs.iter().zip(written) {
        if let Some(copies) = staged.get_mut(job.step) {
            copies.valid.insert(job.place.clone(), valid);
            copies.warnings = warnings;
        }
    }
    Ok((staged, known))
}

/// How far the writing is, in files of all skills.
struct Writing<'a> {
    progress: &'a dyn Progress,
    done: AtomicU64,
    total: u64,
}

impl<'a> Writing<'a> {
    fn begin(jobs: &[StagingJob<'_>], progress: &'a dyn Progress) -> Self {
        let files = |job: &StagingJob<'_>| match job.content {
            Content::Found(wanted) => wanted.candidate.package().count(),
            Content::Recorded(recorded) => recorded.entry.files.len(),
            Content::Noted(_) => 0,
        };
        let total = jobs.iter().map(|job| files(job) as u64).sum();
        if total > 0 {
            progress.begin(&format!("Writing {}", count_noun(jobs.len(), "skill")));
            progress.advance(0, Some(total));
        }
        Self { progress, done: AtomicU64::new(0), total }
    }

    /// One more file is written.
    fn advance(&self) {
        let done = self.done.fetch_add(1, Ordering::Relaxed) + 1;
        self.progress.advance(done, Some(self.total));
    }
}

/// The skills folders in which something is put or taken away.
fn changed_roots(plan: &Plan, untouched: &[Untouched], places: &InstallDirs) -> Result<Vec<PathBuf>> {
    let mut changed = BTreeSet::new();
    for (step, untouched) in plan.steps.iter().zip(untouched).filter(|(step, _)| step.action.touches_files())
    {
        let (roots, removed) = match (&step.content, &step.before) {
            (Some(content), _) => {
                (content.targets(places)?.map_or_else(Vec::new, |(t, _)| places.roots(&t)), false)
            }
            (None, Some(before)) => (places.roots_of(before)?, true),
            (None, None) => continue,
        };
        let is_changed = |root: &PathBuf| {
            let at = root.join(step.name.as_str());
            !untouched.contains(&at) && (!removed || fsx::exists(&at))
        };
        changed.extend(roots.into_iter().filter(is_changed));
    }
    Ok(changed.into_iter().collect())
}

fn write(
    job: &StagingJob<'_>,
    session: &Session<'_>,
    batch: &Batch<'_>,
    writing: &Writing<'_>,
) -> Result<(Valid, Vec<Finding>)> {
    match job.content {
        Content::Found(wanted) => write_found(&wanted.candidate, job, session, batch, writing),
        Content::Recorded(recorded) => {
            let valid = match recorded.lying_folder() {
                Some(folder) => copy_as_it_lies(folder, recorded, job, session)?,
                None => write_recorded(recorded, job, session, batch, writing)?,
            };
            Ok((valid, Vec::new()))
        }
        Content::Noted(_) => Err(error!(Failed, "`{}` has nothing to write", job.name)),
    }
}

/// Writes a skill as it was found: the rules decide.
fn write_found(
    candidate: &Candidate,
    job: &StagingJob<'_>,
    session: &Session<'_>,
    batch: &Batch<'_>,
    writing: &Writing<'_>,
) -> Result<(Valid, Vec<Finding>)> {
    let mut findings = Vec::new();
    let mut kept = Vec::new();
    let staged = write_package(candidate.package(), job, session, |entry, bytes| {
        if matches!(entry.node, Node::File { .. }) {
            findings.extend(candidate.examine(entry.path.as_str(), &bytes));
        }
        kept.push(bytes.into_owned());
        writing.advance();
    })
    .context(|| {
        format!("`{}` of {} cannot be installed", candidate.name, candidate.described_for_errors())
    })?;
    let valid = staged.validate(candidate.judge_all_findings(&findings))?;
    batch.put(valid.digest(), valid.files(), &kept);
    findings.retain(|finding| finding.severity == Severity::Warning);
    Ok((valid, findings))
}

/// Writes a skill as it was recorded: it must be that to the last byte.
fn write_recorded(
    recorded: &Recorded,
    job: &StagingJob<'_>,
    session: &Session<'_>,
    batch: &Batch<'_>,
    writing: &Writing<'_>,
) -> Result<Valid> {
    let is_cached = session.cache.has(&recorded.digest);
    let mut kept = Vec::new();
    let staged = recorded
        .open()
        .and_then(|(package, folder)| {
            write_package(package.dir(&folder), job, session, |_, bytes| {
                if !is_cached {
                    kept.push(bytes.into_owned());
                }
                writing.advance();
            })
        })
        .context(|| format!("`{}` cannot be restored", job.name))?;
    let valid = staged.validate(Ok(()))?;
    if *valid.digest() != recorded.digest {
        return Err(other_bytes(job.name, &recorded.entry.source)
            .cause(format!("recorded: {}", recorded.digest))
            .cause(format!("received: {}", valid.digest())));
    }
    if !is_cached {
        batch.put(valid.digest(), valid.files(), &kept);
    }
    Ok(valid)
}

/// Copies a folder with everything in it, also with what was edited.
fn copy_as_it_lies(
    folder: &Path,
    recorded: &Recorded,
    job: &StagingJob<'_>,
    session: &Session<'_>,
) -> Result<Valid> {
    let staged = Staged::copy(folder, job.folder.clone(), session.scope.is_project())
        .context(|| format!("the files of `{}` cannot be moved", job.name))?;
    let valid = staged.validate(Ok(()))?;
    if *valid.digest() != recorded.digest {
        return Err(error!(Conflict, "`{}` was edited while it was copied", job.name)
            .hint("nothing was changed; run the command again"));
    }
    Ok(valid)
}

/// The error for content that changed under the same pin.
pub(crate) fn other_bytes(name: &SkillName, source: &str) -> ba_agent_core::error::Error {
    error!(Integrity, "`{name}` from {source} is not what was recorded")
        .hint("the same commit or archive should never have other bytes: ask its publisher")
        .hint(format!(
            "to install what is there now: `ba-agent skill uninstall {name}`, then install it again"
        ))
}

fn write_package(
    package: PackageDir<'_>,
    job: &StagingJob<'_>,
    session: &Session<'_>,
    mut look: impl FnMut(&listing::FileEntry, Cow<'_, [u8]>),
) -> Result<Staged> {
    Staged::write(package, job.folder.clone(), &session.settings.limits, |entry, bytes| {
        look(entry, bytes);
        session.observer.check_cancelled()
    })
}

/// Puts the files into the folders that hold them and links into the others; the record
/// that follows from it.
fn place_staged_skill(
    step: &Step,
    content: &Content,
    copies: &Copies,
    untouched: &Untouched,
    transaction: &mut Transaction,
    session: &Session<'_>,
) -> Result<LockEntry> {
    let Some((targets, mode)) = content.targets(&session.places)? else {
        return Err(error!(Failed, "`{}` has nothing to place", step.name));
    };
    let roots = session.places.roots(&targets);
    let first = roots.first().map(|first| first.join(step.name.as_str())).unwrap_or_default();
    for root in &roots {
        let at = root.join(step.name.as_str());
        match (mode, copies.valid.get(&at)) {
            _ if untouched.contains(&at) || (content.is_in_place() && at == first) => {}
            (InstallMode::Live, _) => {
                let target = session.places.link_text(root, content.live_folder()?);
                match content {
                    Content::Found(_) => transaction.link_as_typed(root, at, &target)?,
                    _ => transaction.link(root, at, &target)?,
                }
            }
            (_, Some(valid)) if is_recoverable(content, valid) => transaction.put(at, valid)?,
            (_, Some(valid)) => transaction.put_durably(at, valid)?,
            (_, None) => link_or_say(transaction, root, at, &first)?,
        }
    }
    if let (Content::Recorded(_), Some(before)) = (content, &step.before) {
        // What is brought back may have been in fewer folders than what it replaces.
        for root in session.places.roots_of(before)?.iter().filter(|root| !roots.contains(root)) {
            let at = root.join(step.name.as_str());
            if fsx::exists(&at) && !untouched.contains(&at) {
                transaction.remove(at)?;
            }
        }
    }
    match content {
        Content::Found(wanted) => record_installed_skill(
            wanted,
            mode,
            copies.valid.values().next(),
            step.before.as_ref(),
            session.env.now,
        ),
        Content::Recorded(recorded) => Ok(recorded.entry.clone()),
        Content::Noted(entry) => Ok(entry.as_ref().clone()),
    }
}

/// True for files that can be had again should a power cut take them: those that were recorded,
/// and not those that somebody has edited.
fn is_recoverable(content: &Content, valid: &Valid) -> bool {
    match content {
        Content::Found(_) | Content::Noted(_) => true,
        Content::Recorded(recorded) => {
            recorded.lying_folder().is_none() && *valid.digest() == recorded.entry.digest
        }
    }
}

/// A relative link to the first target, so that a project can be moved.
fn link_or_say(transaction: &mut Transaction, root: &Path, at: PathBuf, first: &Path) -> Result<()> {
    let target = fsx::relative(root, first).unwrap_or_else(|| first.to_path_buf());
    transaction
        .link(root, at, &target)
        .map_err(|e| e.hint("with `--copy` every target gets a copy of its own"))
}

fn record_installed_skill(
    wanted: &Wanted,
    mode: InstallMode,
    valid: Option<&Valid>,
    before: Option<&LockEntry>,
    now: Timestamp,
) -> Result<LockEntry> {
    let (digest, files) = match valid {
        Some(valid) => (valid.digest().clone(), valid.files().clone()),
        None => {
            let (digest, files) = wanted.candidate.digest()?.clone();
            (digest, files.into())
        }
    };
    let mut entry = wanted.candidate.record(digest, files, now);
    entry.mode = mode;
    entry.pinned = wanted.pinned;
    entry.enabled = wanted.enabled;
    entry.targets = wanted.targets.iter().map(InstallTarget::to_string).collect();
    if let Some(before) = before {
        entry.installed_at = before.installed_at;
        entry.updated_at = Some(now);
        entry.keep_choices_of(before);
        entry.enabled = wanted.enabled;
        if wanted.keep > 0 {
            entry.keep_version(before, wanted.keep);
        }
    }
    match wanted.reason {
        InstallReason::Asked => entry.automatic = false,
        InstallReason::Needed => entry.automatic = before.is_none_or(|before| before.automatic),
        InstallReason::Kept => {}
    }
    Ok(entry)
}

/// Saves what stands in the places of a skill whose edits are about to go.
///
/// # Errors
/// `Conflict` where that cannot be brought back: two places with edits of their own, or a
/// folder in the place of a live link; those of [`Transaction::keep_edited`].
fn keep_edited(
    step: &Step,
    untouched: &Untouched,
    transaction: &mut Transaction,
    session: &Session<'_>,
) -> Result<()> {
    let targets: Vec<InstallTarget> = match (&step.before, &step.content) {
        (Some(entry), _) => session.places.targets_of(entry)?,
        (None, Some(content)) => {
            content.targets(&session.places)?.map_or_else(Vec::new, |(targets, _)| targets)
        }
        (None, None) => Vec::new(),
    };
    let new_digest = match &step.content {
        Some(Content::Found(wanted)) => Some(wanted.candidate.digest()?.0.clone()),
        Some(Content::Recorded(recorded)) => Some(recorded.digest.clone()),
        Some(Content::Noted(_)) | None => None,
    };
    let mut edited: Option<(Files, PathBuf, &InstallTarget)> = None;
    for target in &targets {
        let roots = session.places.roots(std::slice::from_ref(target));
        for folder in roots.iter().map(|root| root.join(step.name.as_str())) {
            if untouched.contains(&folder) || !fsx::is_real_folder(&folder) {
                continue;
            }
            let files = install_state::hash_folder(&folder)?;
            let is_as_recorded =
                |entry: &LockEntry| install_state::find_drift(&entry.files, &files).is_empty();
            let is_known = match &step.before {
                Some(entry) => is_as_recorded(entry),
                None => new_digest.as_ref() == Some(&digest::digest_of_files(&files)),
            };
            if is_known {
                continue;
            }
            match &edited {
                Some((known, _, _)) if *known == files => {}
                Some((_, other, _)) => return Err(edited_apart(step, other, &folder, session)),
                None => edited = Some((files, folder, target)),
            }
        }
    }
    let Some((_, folder, target)) = edited else { return Ok(()) };
    if step.before.as_ref().is_some_and(|entry| entry.mode == InstallMode::Live) {
        let shown = session.places.shown_to_user(&folder);
        return Err(error!(Conflict, "`{shown}` is a folder, where a live link was installed")
            .hint("what is in it could not be brought back: move it away, then run the command again"));
    }
    transaction.keep_edited(&step.name, &folder, target, &session.settings.limits)
}

fn edited_apart(step: &Step, one: &Path, other: &Path, session: &Session<'_>) -> Error {
    error!(Conflict, "the copies of `{}` were edited in different ways, and only one can be kept", step.name)
        .cause(session.places.shown_to_user(one))
        .cause(session.places.shown_to_user(other))
        .hint("move one of the two elsewhere, then run the command again")
}

/// Takes a skill away, and puts back what stood in its places before it was installed.
fn remove(
    step: &Step,
    copies: &Copies,
    untouched: &Untouched,
    transaction: &mut Transaction,
    places: &InstallDirs,
    registry: &mut Registry,
) -> Result<Option<LockEntry>> {
    let Some(entry) = &step.before else { return Ok(None) };
    for root in places.roots_of(entry)? {
        let at = root.join(step.name.as_str());
        match copies.valid.get(&at) {
            Some(before) => transaction.put(at, before)?,
            None if fsx::exists(&at) && !untouched.contains(&at) => transaction.remove(at)?,
            None => {}
        }
    }
    registry.skills.remove(&step.name);
    Ok(Some(entry.clone()))
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Mutex;

    use super::*;
    use crate::scope::Scope;
    use crate::settings::Settings;
    use crate::store::{StateDir, Store};
    use crate::workspace::{Notice, Observer};
    use ba_agent_core::listing::{FileEntry, Listing};
    use ba_agent_core::package::Package;
    use ba_agent_core::path::RelPath;
    use ba_agent_system::cache::Cache;
    use ba_agent_system::env::Env;

    /// How far a phase had come, and of how much.
    type Advance = (u64, Option<u64>);

    /// What was told, in the order of the telling.
    #[derive(Default)]
    struct Told(Mutex<(Vec<String>, Vec<Advance>)>);

    impl Progress for Told {
        fn begin(&self, what: &str) {
            self.0.lock().unwrap().0.push(what.to_owned());
        }

        fn advance(&self, done: u64, total: Option<u64>) {
            self.0.lock().unwrap().1.push((done, total));
        }
    }

    impl Observer for Told {
        fn notice(&self, _: Notice<'_>) {}
    }

    fn entry(files: &[(&str, &str)]) -> LockEntry {
        let lines = files.iter().map(|(path, text)| {
            (String::from(*path), format!("100644 {}", ba_agent_core::digest::sha256_hex(text.as_bytes())))
        });
        let lines: ba_agent_core::digest::Files = lines.collect();
        let digest = ba_agent_core::digest::digest_of_files(&lines);
        let value = serde_json::json!({
            "source": "./s", "kind": "local", "pin": {}, "targets": ["claude-code"], "mode": "link",
            "digest": digest, "files": lines, "installed_at": "2026-01-02T03:04:05Z",
        });
        serde_json::from_value(value).unwrap()
    }

    fn package(files: &[(&str, &str)]) -> Arc<Package> {
        let entry = |(slot, (path, text)): (usize, &(&str, &str))| FileEntry {
            path: RelPath::parse(path.as_bytes()).unwrap(),
            node: Node::File { executable: false },
            size: text.len() as u64,
            slot,
        };
        let entries = files.iter().enumerate().map(entry).collect();
        let blobs = files.iter().map(|(_, text)| text.as_bytes().to_vec()).collect();
        Arc::new(Package::in_memory(Listing::new(entries), blobs))
    }

    /// Each file is told once, and the last one is the last of all.
    #[test]
    fn the_writing_is_told_in_files_of_all_skills() {
        let (project, data) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let scope = Scope::Project { root: project.path().to_path_buf() };
        let env = Env::isolated(data.path(), &[]);
        let places = Arc::new(InstallDirs::new(&env, &scope, None));
        let registry = project.path().join("registry.json");
        let state = StateDir::new(data.path(), &scope);
        let store = Store::new(registry, state, Arc::clone(&places), std::time::Duration::ZERO);
        let skills: [&[(&str, &str)]; 2] = [&[("SKILL.md", "one")], &[("SKILL.md", "two"), ("x/y", "z")]];
        let step = |(name, files): (&str, &&[(&str, &str)])| {
            let entry = entry(files);
            let digest = entry.digest.clone();
            let files = super::super::recorded::RecordedFiles::Fetched(package(files), RelPath::ROOT);
            let content = Some(Content::Recorded(Box::new(Recorded { entry, digest, files })));
            let name = name.parse().unwrap();
            Step { name, action: Action::Add, content, before: None, gives_up_edits: false }
        };
        let plan = Plan { steps: ["a", "b"].into_iter().zip(&skills).map(step).collect() };
        let told = Told::default();
        let session = Session {
            typed: std::sync::Mutex::default(),
            env,
            scope,
            settings: Settings::default(),
            store,
            places,
            cache: Cache::new(Path::new(&data.path().join("cache")), 1 << 20),
            offline: false,
            builtin: crate::builtin::BuiltinSkills::default(),
            observer: &told,
        };
        let transaction = session.begin().unwrap();
        apply(plan, transaction, &session, "test").unwrap();
        let (begun, mut steps) = told.0.into_inner().unwrap();
        assert_eq!(begun, ["Writing 2 skills"]);
        steps.sort();
        assert_eq!(steps, [0, 1, 2, 3].map(|done| (done, Some(3))));
    }
}
