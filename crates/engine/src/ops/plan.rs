//! Deeds: candidates against registry and disk. Pure: the disk's state is handed in, a plan
//! comes out, nothing is changed. `--dry-run` prints it, `apply` does it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::install_dirs::InstallDirs;
use crate::install_state::{
    Drift, DriftKind, FolderState, InstallState, InstallStates, find_drift, harmless_hints,
};
use crate::workspace::Observer;
use ba_agent_core::agents::InstallTarget;
use ba_agent_core::digest;
use ba_agent_core::error::{Error, Result, error};
use ba_agent_core::registry::{InstallMode, LockEntry, Registry};
use ba_agent_core::skill::SkillName;
use ba_agent_core::source::{Request, Source};

use super::gather::Candidate;
use super::recorded::Recorded;
use ba_agent_system::parallel;

/// What happens to one skill.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// It was not there.
    Add,
    /// Other content, or the same from elsewhere.
    Replace,
    /// Everything is as it should be.
    Keep,
    Remove,
    /// It lies there already, and is recorded as it lies: not a byte of it is touched.
    Adopt,
    /// Its record goes, what lies there stays.
    Forget,
}

impl Action {
    /// True where something is written to a skills folder, or taken out of one.
    pub(crate) fn touches_files(self) -> bool {
        matches!(self, Self::Add | Self::Replace | Self::Remove)
    }
}

/// One skill that a command wants in place.
#[derive(Debug, Clone)]
pub struct Wanted {
    pub candidate: Candidate,
    pub targets: Vec<InstallTarget>,
    pub mode: InstallMode,
    /// `--sha`: hold it at this commit.
    pub pinned: bool,
    /// False for a skill that is kept aside: its targets do not have it.
    pub enabled: bool,
    /// How many versions are kept beside it, the replaced one among them; with 0 that is not kept.
    pub keep: usize,
    pub reason: InstallReason,
}

/// Why a skill is to be in place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InstallReason {
    /// Somebody asked for it.
    Asked,
    /// Another skill needs it.
    Needed,
    /// It was there before, for whichever reason.
    Kept,
}

/// Where the content of a step comes from, and with it the record.
#[derive(Debug)]
pub(crate) enum Content {
    /// Out of a source: the rules are applied, the record is made.
    Found(Box<Wanted>),
    /// Recorded before: it must be that to the last byte, the record stays.
    Recorded(Box<Recorded>),
    /// Nothing is written, only the record changes.
    Noted(Box<LockEntry>),
}

impl Content {
    /// The targets that get files, and how; `None` where nothing is written.
    ///
    /// # Errors
    /// `Usage` for a target in the record that is none.
    pub(crate) fn targets(&self, places: &InstallDirs) -> Result<Option<(Vec<InstallTarget>, InstallMode)>> {
        match self {
            Self::Found(wanted) => {
                let targets = places.targets_in_use(wanted.targets.clone(), wanted.enabled);
                Ok(Some((targets, wanted.mode)))
            }
            Self::Recorded(recorded) => {
                let entry = &recorded.entry;
                Ok(Some((places.targets_of(entry)?, entry.mode)))
            }
            Self::Noted(_) => Ok(None),
        }
    }

    /// Keeps the version that is replaced, and as many others.
    pub(crate) fn keep_replaced(&mut self, most: usize) {
        if let Self::Found(wanted) = self {
            wanted.keep = most;
        }
    }

    /// True where the files stand already, and only links to them are to be made.
    pub(crate) fn is_in_place(&self) -> bool {
        matches!(self, Self::Recorded(recorded) if recorded.is_in_place())
    }

    /// What a live link points at.
    ///
    /// # Errors
    /// `Usage` where there is no such folder.
    pub(crate) fn live_folder(&self) -> Result<&Path> {
        let recorded = match self {
            Self::Found(wanted) => return wanted.candidate.live_folder(),
            Self::Recorded(recorded) => recorded.live_folder(),
            Self::Noted(_) => None,
        };
        recorded.ok_or_else(|| error!(Usage, "a live link needs a local folder"))
    }
}

/// One step of a plan.
#[derive(Debug)]
pub struct Step {
    pub(crate) name: SkillName,
    pub(crate) action: Action,
    /// What to put there; `None` to remove, or to keep as it is.
    pub(crate) content: Option<Content>,
    /// What the registry says of it now.
    pub(crate) before: Option<LockEntry>,
    /// Edits stand there that go away: a copy of them is kept.
    pub(crate) gives_up_edits: bool,
}

/// What a command will do, in the order of the names.
#[derive(Debug, Default)]
pub struct Plan {
    pub steps: Vec<Step>,
}

impl Plan {
    /// Opens the files of every recorded skill once, as writing them would: a dry run must not
    /// promise what cannot be done.
    ///
    /// # Errors
    /// `Failed` for files that the cache has lost.
    pub(crate) fn check_recorded(&self, observer: &dyn Observer) -> Result<()> {
        let check = || observer.check_cancelled();
        parallel::run_jobs(parallel::count_cores(), &self.steps, check, |step| match &step.content {
            Some(Content::Recorded(recorded)) if recorded.is_kept() => recorded.open().map(drop),
            _ => Ok(()),
        })
        .map(drop)
    }
}

/// Plans the installation of `wanted`.
///
/// # Errors
/// `Conflict` when two candidates want one name, a name belongs to another source, a folder
/// that nobody recorded is in the way, or an installed skill was edited (unless `force`).
pub fn install(wanted: Vec<Wanted>, registry: &Registry, seen: &InstallStates, force: bool) -> Result<Plan> {
    let mut steps: BTreeMap<SkillName, Step> = BTreeMap::new();
    let several = wanted.len() > 1;
    for one in wanted {
        let name = one.candidate.name.clone();
        if let Some(Content::Found(other)) = steps.get(&name).and_then(|step| step.content.as_ref()) {
            return Err(two_of_one_name(&name, &other.candidate, &one.candidate));
        }
        let sight = seen.get(&name).cloned().unwrap_or_default();
        let step =
            install_one(one, registry.skills.get(&name), &sight, force).map_err(|error| match several {
                true => of_one_among_several(error),
                false => error,
            })?;
        steps.insert(name, step);
    }
    Ok(Plan { steps: steps.into_values().collect() })
}

/// The error about one of many: `--as` names a single skill, so that it is no way out.
fn of_one_among_several(mut error: Error) -> Error {
    let before = error.hints.len();
    error.hints.retain(|hint| !hint.contains("`--as "));
    if error.hints.len() == before {
        return error;
    }
    error.hint("`--skip-existing` leaves out every skill whose name something else has, and names it")
}

/// A skill that is left out because something else has its name.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct LeftOutSkill {
    pub name: SkillName,
    /// What has the name.
    pub reason: String,
}

/// Parts from `wanted` what cannot have its name: it belongs to a skill of another source, to
/// something that nobody recorded, or to one that was wanted before it.
///
/// # Errors
/// Those of [`Candidate::digest`].
pub(crate) fn leave_out_taken(
    wanted: Vec<Wanted>,
    registry: &Registry,
    seen: &InstallStates,
) -> Result<(Vec<Wanted>, Vec<LeftOutSkill>)> {
    let (mut free, mut left_out) = (Vec::new(), Vec::new());
    let mut names = BTreeSet::new();
    for one in wanted {
        let name = &one.candidate.name;
        let reason = match registry.skills.get(name) {
            _ if !names.insert(name.clone()) => {
                Some("another skill of this command has that name".to_owned())
            }
            Some(entry) if !is_same_skill(entry, &one.candidate) => {
                Some(format!("the name is taken by a skill of {}", entry.source))
            }
            Some(_) => None,
            None => {
                let sight = seen.get(name).cloned().unwrap_or_default();
                let is_free = sight.lies_as_wanted || are_free_or_same(&one, &sight.further)?;
                (!is_free).then(|| "something that ba-agent did not install is in its place".to_owned())
            }
        };
        match reason {
            Some(reason) => left_out.push(LeftOutSkill { name: name.clone(), reason }),
            None => free.push(one),
        }
    }
    Ok((free, left_out))
}

/// The skills of a plan of which no file becomes another one: only their record, or a target.
///
/// # Errors
/// Those of [`Candidate::digest`].
pub(crate) fn names_with_same_files(plan: &Plan, seen: &InstallStates) -> Result<Vec<SkillName>> {
    let mut same = Vec::new();
    for step in plan.steps.iter().filter(|step| step.action == Action::Replace) {
        let Some(Content::Found(wanted)) = &step.content else { continue };
        let sight = seen.get(&step.name).cloned().unwrap_or_default();
        let is_same = match &step.before {
            Some(entry) => {
                entry.digest == wanted.candidate.digest()?.0 && user_edits_of_skill(entry, &sight).is_empty()
            }
            None => are_free_or_same(wanted, &sight.further)?,
        };
        if is_same {
            same.push(step.name.clone());
        }
    }
    Ok(same)
}

fn install_one(
    mut wanted: Wanted,
    before: Option<&LockEntry>,
    sight: &InstallState,
    force: bool,
) -> Result<Step> {
    let name = wanted.candidate.name.clone();
    let action = match before {
        Some(entry) if !is_same_skill(entry, &wanted.candidate) => {
            return Err(error_of_taken_name(&name, entry, &wanted.candidate));
        }
        Some(entry) => plan_reinstallation(entry, &mut wanted, sight, force)?,
        None if sight.lies_as_wanted => Action::Adopt,
        None => first_time(&wanted, &sight.further, force)?,
    };
    // With `--force` only: edits of a recorded skill, or what somebody else put there.
    let gives_up_edits = force
        && action.touches_files()
        && match before {
            Some(entry) => {
                user_edits_of_skill(entry, sight).iter().any(|one| one.change != DriftKind::Missing)
            }
            None => sight.further.iter().any(|place| matches!(place, FolderState::Folder(_))),
        };
    let content = (action != Action::Keep).then(|| Content::Found(Box::new(wanted)));
    Ok(Step { name, action, content, before: before.cloned(), gives_up_edits })
}

/// What to do with a skill that is installed from the same source.
fn plan_reinstallation(
    entry: &LockEntry,
    wanted: &mut Wanted,
    sight: &InstallState,
    force: bool,
) -> Result<Action> {
    let name = &wanted.candidate.name;
    let drift = user_edits_of_skill(entry, sight);
    let is_gone = sight.is_gone();
    if !drift.is_empty() && !is_gone && !force {
        return Err(error_of_edited_skill(name, &drift, "install"));
    }
    if !force && sight.further.iter().any(|place| *place != FolderState::Missing) {
        return Err(error_of_unmanaged_folder(name).hint("`--force` replaces it permanently"));
    }
    keep_targets(entry, wanted);
    // Copies stay copies unless something else is said; a live link is only what is asked for.
    if entry.mode == InstallMode::Copy && wanted.mode == InstallMode::Link {
        wanted.mode = InstallMode::Copy;
    }
    let settled = drift.is_empty()
        && !is_gone
        && !sight.has_wrong_link
        && entry.digest == wanted.candidate.digest()?.0
        && entry.pin == wanted.candidate.pin_record()
        && entry.pinned == wanted.pinned
        && !(entry.automatic && wanted.reason == InstallReason::Asked)
        && entry.mode == wanted.mode
        && entry.enabled == wanted.enabled
        && entry.targets.len() == wanted.targets.len();
    Ok(if settled { Action::Keep } else { Action::Replace })
}

/// What to do with a skill that the registry does not know: a folder of the very same
/// content is taken over, anything else in the way is somebody's work.
fn first_time(wanted: &Wanted, seen: &[FolderState], force: bool) -> Result<Action> {
    if seen.iter().all(|place| *place == FolderState::Missing) {
        return Ok(Action::Add);
    }
    if force || are_free_or_same(wanted, seen)? {
        return Ok(Action::Replace);
    }
    let name = &wanted.candidate.name;
    Err(error_of_unmanaged_folder(name)
        .hint(format!("to take over what is there, edited or not: `ba-agent skill adopt {name}`"))
        .hint("`--force` replaces it; a folder is kept for `rollback`, a file or link is not"))
}

/// True where each place is empty or holds the very files that are wanted.
fn are_free_or_same(wanted: &Wanted, seen: &[FolderState]) -> Result<bool> {
    if seen.iter().all(|place| *place == FolderState::Missing) {
        return Ok(true);
    }
    let wanted_digest = &wanted.candidate.digest()?.0;
    Ok(seen.iter().all(|place| match place {
        FolderState::Folder(files) => digest::digest_of_files(files) == *wanted_digest,
        FolderState::Missing => true,
        FolderState::Link(_) | FolderState::File => false,
    }))
}

/// Identity is source and folder: a name is only a label.
pub(super) fn is_same_skill(entry: &LockEntry, candidate: &Candidate) -> bool {
    let source: Option<Source> = Request::parse(&entry.source).ok().map(|request| request.source);
    source.is_some_and(|source| source.is_same_as(&candidate.resolved.source))
        && candidate.folder == *entry.path.as_deref().unwrap_or("")
}

/// Targets that the skill already has stay; new ones come behind them.
fn keep_targets(entry: &LockEntry, wanted: &mut Wanted) {
    let asked = std::mem::take(&mut wanted.targets);
    wanted.targets = entry.targets.iter().filter_map(|text| InstallTarget::parse(text).ok()).collect();
    for target in asked {
        if !wanted.targets.contains(&target) {
            wanted.targets.push(target);
        }
    }
}

/// What was changed by hand since the skill was put there, in whichever target.
pub fn user_edits_of_skill(entry: &LockEntry, sight: &InstallState) -> Vec<Drift> {
    let mut drifts = Vec::new();
    for (n, (shown, place)) in sight.recorded.iter().enumerate() {
        match place {
            FolderState::Folder(files)
                if entry.mode == InstallMode::Copy || (n == 0 && entry.mode == InstallMode::Link) =>
            {
                drifts.extend(find_drift(&entry.files, files).into_iter().map(|one| told_apart(one, sight)));
            }
            FolderState::Link(_)
                if entry.mode == InstallMode::Live || (n > 0 && entry.mode == InstallMode::Link) => {}
            FolderState::Missing => {
                drifts.push(Drift { path: shown.clone(), change: DriftKind::Missing });
            }
            _ => drifts.push(Drift { path: shown.clone(), change: DriftKind::Changed }),
        }
    }
    drifts
}

/// What is known to be changed in its line ends alone is said to be so.
fn told_apart(drift: Drift, sight: &InstallState) -> Drift {
    match drift.change {
        DriftKind::Changed if sight.line_ends.contains(&drift.path) => {
            Drift { change: DriftKind::LineEnds, ..drift }
        }
        _ => drift,
    }
}

/// Looks once more, under the lock, for edits that were made since a plan was made.
///
/// # Errors
/// `Conflict` for such a skill (unless `force`).
pub(crate) fn still_clean(plan: &Plan, seen: &InstallStates, force: bool) -> Result<()> {
    for step in plan.steps.iter().filter(|step| step.action != Action::Keep && !force) {
        let (Some(entry), Some(sight)) = (&step.before, seen.get(&step.name)) else { continue };
        let drift = user_edits_of_skill(entry, sight);
        if drift.iter().any(|one| one.change != DriftKind::Missing) {
            return Err(error_of_edited_skill(&step.name, &drift, "update"));
        }
    }
    Ok(())
}

/// Plans the removal of `names`.
///
/// # Errors
/// `Conflict` for a skill that was edited (unless `force`).
pub(crate) fn uninstall(
    names: &[SkillName],
    registry: &Registry,
    seen: &InstallStates,
    force: bool,
) -> Result<Plan> {
    let mut steps = Vec::new();
    for name in names {
        let Some(entry) = registry.skills.get(name) else { continue };
        let drift = user_edits_of_skill(entry, &seen.get(name).cloned().unwrap_or_default());
        // What is missing altogether is no work that could be lost.
        let lost = drift.iter().any(|one| one.change != DriftKind::Missing);
        if lost && !force {
            return Err(error_of_edited_skill(name, &drift, "uninstall"));
        }
        steps.push(Step {
            name: name.clone(),
            action: Action::Remove,
            content: None,
            before: Some(entry.clone()),
            gives_up_edits: lost,
        });
    }
    Ok(Plan { steps })
}

/// At most this many paths are named in a message.
const NAMED: usize = 10;

/// The error for a skill with local edits.
pub fn error_of_edited_skill(name: &SkillName, drift: &[Drift], verb: &str) -> Error {
    let mut error = error!(Conflict, "`{name}` was edited since it was installed");
    for one in drift.iter().take(NAMED) {
        error = error.cause(format!("{}: {}", one.change.word(), one.path));
    }
    if drift.len() > NAMED {
        error = error.cause(format!("and {} more", drift.len() - NAMED));
    }
    let error = harmless_hints(drift.iter().map(|one| one.change), ".claude/skills")
        .into_iter()
        .fold(error, Error::hint);
    error.hint(format!("see what was changed with `ba-agent skill diff {name}`")).hint(format!(
        "to discard the edits: `ba-agent skill restore {name}`, or the {verb} again with `--force`; \
         `rollback` brings them back"
    ))
}

fn two_of_one_name(name: &SkillName, a: &Candidate, b: &Candidate) -> Error {
    error!(Conflict, "two skills have the name `{name}`")
        .cause(a.described_for_errors())
        .cause(b.described_for_errors())
        .hint("install them one at a time, one of them with `--as NAME`")
}

fn error_of_taken_name(name: &SkillName, entry: &LockEntry, candidate: &Candidate) -> Error {
    let held = match &entry.path {
        Some(path) => format!("{} in {path}", entry.source),
        None => entry.source.clone(),
    };
    error!(Conflict, "the name `{name}` is taken by a skill of another source")
        .cause(format!("installed: {held}"))
        .cause(format!("asked for: {}", candidate.described_for_errors()))
        .hint(format!("install it beside the other one with `--as {}`", candidate.another_name()))
        .hint(format!("or remove the other one first: `ba-agent skill uninstall {name}`"))
        .hint(format!(
            "if it is the same skill, at its new place: `ba-agent skill update {name} --source {}`",
            candidate.resolved.source
        ))
}

/// The error for somebody's own in the place of a skill.
pub(crate) fn error_of_unmanaged_folder(name: &SkillName) -> Error {
    error!(Conflict, "there is already something named `{name}` that ba-agent did not install")
        .hint("install under another name with `--as NAME`, or move it away")
}
