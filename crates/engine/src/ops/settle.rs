//! Deeds: what a power cut took away of skills that were written shortly before, brought back.
//!
//! Nobody waits for the disk to have the bytes of a skill (see [`crate::store`]). So the first
//! command after a restart holds those that it may not have against their digests. What is
//! damaged comes from the caches or its source; where it cannot be had, the change that brought
//! it is turned back, for which everything is on the disk. So there is the new state or the
//! old one. What somebody has edited since is not touched.

use std::path::Path;
use std::time::SystemTime;

use crate::install_state::{Drift, DriftKind, FolderState, find_drift, inspect_folder};
use crate::store::{Recovery, Unsettled};
use crate::workspace::{Observer, Session, Workspace};
use ba_agent_core::error::{Error, Result, error};
use ba_agent_core::registry::{InstallMode, LockEntry, Registry};
use ba_agent_core::skill::SkillName;
use ba_agent_core::text::count_noun;
use ba_agent_system::parallel;

use super::apply;
use super::plan::{Action, Content, Plan, Step};
use super::rollback::plan as rollback_plan;
use super::supply::{Supply, TRIES};

/// At most this many names are told.
const NAMED: usize = 10;

/// Begins a command: finds the scope, reads its settings, repairs what a killed command left, and
/// after a restart what the disk had not got.
///
/// # Errors
/// Those of [`Workspace::open_unrepaired`]. What cannot be repaired is told: the command goes on,
/// and the next one tries again.
pub(crate) fn open_session<'w>(workspace: &Workspace, observer: &'w dyn Observer) -> Result<Session<'w>> {
    let session = workspace.open_unrepaired(observer)?;
    warn_of_agents(&session);
    let recovery = session.store.recover();
    if !matches!(recovery, Recovery::Running | Recovery::Blocked(_)) {
        settle_session(&session, recovery == Recovery::Finished);
    }
    session.report_recovery(recovery);
    Ok(session)
}

/// As [`open_session`], for commands that repair nothing: what a killed command left, or a
/// restart took, is only told.
///
/// # Errors
/// Those of [`Workspace::open_unrepaired`].
pub(crate) fn open_frozen_session<'w>(
    workspace: &Workspace,
    observer: &'w dyn Observer,
) -> Result<Session<'w>> {
    let session = workspace.open_unrepaired(observer)?;
    warn_of_agents(&session);
    if session.store.needs_recovery() && !session.store.is_busy() {
        session.warn("a killed command has unfinished changes here; `--frozen` repairs nothing");
        session.note("`ba-agent doctor --fix` repairs them");
    }
    report_damaged(&session);
    Ok(session)
}

/// Says that the settings name an agent that is not known; commands that need it fail.
fn warn_of_agents(session: &Session<'_>) {
    if let Err(error) = session.settings.targets() {
        session.warn(&format!("{}: {}", error.message, error.causes.join(": ")));
        error.hints.iter().take(1).for_each(|hint| session.note(hint));
    }
}

/// Brings back what a power cut took, and says so.
fn settle_session(session: &Session<'_>, was_interrupted: bool) {
    let unsettled = session.store.unsettled();
    if unsettled.is_empty() {
        return;
    }
    match settle(&unsettled, session, was_interrupted) {
        Ok(settled) => {
            if !settled.restored.is_empty() {
                session.note(&format!(
                    "the machine stopped before {} reached the disk; restored: {}",
                    count_noun(settled.restored.len(), "skill"),
                    list_names(settled.restored.iter())
                ));
            }
            if let Some((names, why)) = settled.turned_back {
                let names = list_names(names.iter());
                session.warn(&format!(
                    "the machine stopped before all of the last change reached the disk, and what is missing \
                     cannot be fetched now ({}); restored to the state before that change: {names}",
                    describe_unsettled_error(why)
                ));
                session.note("run the lost command again");
            }
        }
        Err(error) => {
            session.warn(&format!(
                "the machine stopped before everything reached the disk, and it cannot be restored: {}",
                describe_unsettled_error(error)
            ));
            session.note("`ba-agent skill verify` says what is damaged; the next command tries again");
        }
    }
}

/// Says what a power cut took, for commands that repair nothing.
fn report_damaged(session: &Session<'_>) {
    let unsettled = session.store.unsettled();
    let Some(registry) =
        Some(&unsettled).filter(|all| !all.is_empty()).and_then(|_| session.store.read().ok())
    else {
        return;
    };
    let damaged = find_damaged(&unsettled, &registry, session, false).unwrap_or_default();
    if !damaged.is_empty() {
        let names = list_names(damaged.iter().map(|one| one.name));
        session.warn(&format!(
            "the machine stopped before all of {names} reached the disk; `--frozen` repairs nothing"
        ));
        session.note("any command without `--frozen` restores them");
    }
}

fn list_names<'a>(names: impl ExactSizeIterator<Item = &'a SkillName>) -> String {
    let more = names.len().saturating_sub(NAMED);
    let mut told: Vec<String> = names.take(NAMED).map(|name| format!("`{name}`")).collect();
    if more > 0 {
        told.push(format!("and {more} more"));
    }
    told.join(", ")
}

fn describe_unsettled_error(error: Error) -> String {
    std::iter::once(error.message).chain(error.causes).collect::<Vec<_>>().join(": ")
}

/// What was found after a restart.
#[derive(Debug, Default)]
struct SettleReport {
    /// Skills that were put back.
    restored: Vec<SkillName>,
    /// Skills that are as they were before the change that wrote them, and why they could not be
    /// put back.
    turned_back: Option<(Vec<SkillName>, Error)>,
}

/// A skill of which the disk did not get everything.
#[derive(Debug)]
pub(super) struct Damaged<'r> {
    pub(super) name: &'r SkillName,
    entry: &'r LockEntry,
    /// The change that wrote it.
    change: Option<u64>,
    /// Something of it was edited, too.
    is_edited: bool,
}

/// Looks at what is unsettled, and brings back what is damaged.
///
/// # Errors
/// Those of reading the registry and of [`apply::apply`]; what makes that a skill can neither be
/// put back nor its change be turned back. The next command tries again.
fn settle(unsettled: &[Unsettled], session: &Session<'_>, was_interrupted: bool) -> Result<SettleReport> {
    let mut settled = SettleReport::default();
    let world = session.world();
    let supply = Supply::new(&world, vec![session.cache.clone(), session.store.history().kept_trees_cache()]);
    for _ in 0..TRIES {
        let lost = supply.count_of_lost_trees();
        let registry = session.store.read()?;
        let damaged = find_damaged(unsettled, &registry, session, was_interrupted)?;
        if damaged.is_empty() {
            session.store.forget_unsettled()?;
            return Ok(settled);
        }
        let why = match restore_damaged(&damaged, &registry, &supply, session) {
            Ok(Some(restored)) => {
                settled.restored.extend(restored);
                continue;
            }
            Ok(None) => continue,
            // What the cache was to have it has not: the next attempt fetches it.
            Err(_) if supply.count_of_lost_trees() > lost => continue,
            Err(why) => why,
        };
        match turn_back(&damaged, &registry, &supply, session) {
            Ok(Some(names)) => settled.turned_back.get_or_insert((Vec::new(), why)).0.extend(names),
            Ok(None) => {}
            Err(_) if supply.count_of_lost_trees() > lost => {}
            Err(_) => return Err(why),
        }
    }
    Err(error!(Conflict, "other commands keep changing these skills"))
}

/// The unsettled skills that are not what was recorded, and were not edited into that.
///
/// # Errors
/// `Failed` for what cannot be read.
pub(super) fn find_damaged<'r>(
    unsettled: &[Unsettled],
    registry: &'r Registry,
    session: &Session<'_>,
    was_interrupted: bool,
) -> Result<Vec<Damaged<'r>>> {
    let wanted: Vec<(&SkillName, &Unsettled)> = unsettled
        .iter()
        .flat_map(|one| one.installed(registry).into_iter().map(move |name| (name, one)))
        .collect();
    let looked = parallel::run_jobs(
        parallel::count_cores(),
        &wanted,
        || session.observer.check_cancelled(),
        |(name, one)| match registry.skills.get(*name) {
            Some(entry) if entry.mode != InstallMode::Live => {
                inspect_skill(name, entry, one, session, was_interrupted)
            }
            _ => Ok(None),
        },
    )?;
    let found = wanted.into_iter().zip(looked).filter_map(|((name, one), is_edited)| {
        let (name, entry) = registry.skills.get_key_value(name)?;
        Some(Damaged { name, entry, change: one.change, is_edited: is_edited? })
    });
    Ok(found.collect())
}

/// Whether a skill is damaged; if it is, whether it was edited too.
fn inspect_skill(
    name: &SkillName,
    entry: &LockEntry,
    one: &Unsettled,
    session: &Session<'_>,
    was_interrupted: bool,
) -> Result<Option<bool>> {
    let (mut is_damaged, mut is_edited) = (false, false);
    for (n, root) in session.places.roots_of(entry)?.iter().enumerate() {
        let folder = root.join(name.as_str());
        match inspect_folder(&folder)? {
            FolderState::Folder(files) if n == 0 || entry.mode == InstallMode::Copy => {
                for drift in find_drift(&entry.files, &files) {
                    let is_ours = is_ours(&folder, &drift, one);
                    is_damaged |= is_ours;
                    is_edited |= !is_ours;
                }
            }
            FolderState::Missing => is_damaged |= was_interrupted,
            _ => {}
        }
    }
    Ok(is_damaged.then_some(is_edited))
}

/// True for a difference that nobody made after the skill was written: the system notes when a
/// file was changed, and of one that is missing its folder.
fn is_ours(folder: &Path, drift: &Drift, one: &Unsettled) -> bool {
    let at = folder.join(&drift.path);
    let changed = match drift.change {
        DriftKind::Added => None,
        DriftKind::Missing => {
            let above = at.ancestors().skip(1).take_while(|above| above.starts_with(folder));
            above.into_iter().find_map(|above| std::fs::symlink_metadata(above).ok()?.modified().ok())
        }
        DriftKind::Changed | DriftKind::LineEnds | DriftKind::Mode => change_time(&at),
        DriftKind::Link | DriftKind::Record | DriftKind::Unreadable => None,
    };
    changed.is_some_and(|changed| one.is_of_us(changed))
}

/// When a file, or anything about it, was last changed.
fn change_time(file: &Path) -> Option<SystemTime> {
    let meta = std::fs::symlink_metadata(file).ok()?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt as _;
        let seconds = std::time::Duration::from_secs(u64::try_from(meta.ctime()).ok()?);
        let rest = std::time::Duration::from_nanos(u64::try_from(meta.ctime_nsec()).ok()?);
        Some(std::time::UNIX_EPOCH + seconds + rest)
    }
    #[cfg(not(unix))]
    meta.modified().ok()
}

/// Puts everything damaged back, out of the caches or its source; `None` where another command
/// changed something between. Nobody waits for a host while the lock is held.
fn restore_damaged(
    damaged: &[Damaged<'_>],
    registry: &Registry,
    supply: &Supply<'_>,
    session: &Session<'_>,
) -> Result<Option<Vec<SkillName>>> {
    let wanted: Vec<_> = damaged.iter().map(|one| (one.name, one.entry)).collect();
    supply.prepare(&wanted)?;
    let transaction = session.begin()?;
    if transaction.registry() != registry || supply.lacks_any_recorded(&wanted) {
        return Ok(None);
    }
    let step = |one: &Damaged<'_>| {
        let content = supply.recorded(one.name, one.entry, &one.entry.digest)?;
        Ok(Step {
            name: one.name.clone(),
            action: Action::Replace,
            content: Some(Content::Recorded(Box::new(content))),
            before: Some(one.entry.clone()),
            gives_up_edits: one.is_edited,
        })
    };
    let plan = Plan { steps: damaged.iter().map(step).collect::<Result<_>>()? };
    apply::apply(plan, transaction, session, "restore")?;
    Ok(Some(damaged.iter().map(|one| one.name.clone()).collect()))
}

/// Goes back before the first change that wrote something which cannot be had; says which
/// skills that concerns.
fn turn_back(
    damaged: &[Damaged<'_>],
    registry: &Registry,
    supply: &Supply<'_>,
    session: &Session<'_>,
) -> Result<Option<Vec<SkillName>>> {
    let is_lost = |one: &&Damaged<'_>| supply.lacks_any_recorded(&[(one.name, one.entry)]);
    let lost: Vec<&Damaged<'_>> = damaged.iter().filter(is_lost).collect();
    let lost = if lost.is_empty() { damaged.iter().collect() } else { lost };
    let changes: Option<Vec<u64>> = lost.iter().map(|one| one.change).collect();
    let first = changes.and_then(|changes| changes.into_iter().min());
    let first = first.ok_or_else(|| error!(NotFound, "the state before is not known"))?;
    let state = rollback_plan::state(&session.store.history().records()?, None, Some(first))?;
    let wanted = rollback_plan::wanted(&state, registry);
    supply.prepare(&wanted)?;
    let transaction = session.begin()?;
    if transaction.registry() != registry || supply.lacks_any_recorded(&wanted) {
        return Ok(None);
    }
    let seen = session.places.inspect_recorded(state.keys(), registry)?;
    let mut plan = rollback_plan::plan(&state, registry, &seen, supply, true)?;
    for step in &mut plan.steps {
        // What is damaged is no edit that anybody would want back.
        let is_damage = |one: &Damaged<'_>| *one.name == step.name && !one.is_edited;
        step.gives_up_edits &= !damaged.iter().any(is_damage);
    }
    apply::apply(plan, transaction, session, "restore")?;
    Ok(Some(state.into_keys().collect()))
}
