//! Deeds: what a power cut took away of skills that were written shortly before, brought back.
//!
//! Nobody waits for the disk to have the bytes of a skill (see [`crate::store`]). So the first
//! command after a restart holds those that it may not have against their digests. What is
//! damaged comes from the caches or its source; where it cannot be had, the change that brought
//! it is turned back, for which everything is on the disk. So there is the new state or the
//! old one. What somebody has edited since is not touched.

use std::path::Path;
use std::time::SystemTime;

use crate::error::{Error, Result, error};
use crate::fetch::World;
use crate::install_dirs::InstallDirs;
use crate::install_state::{Drift, DriftKind, FolderState, find_drift, inspect_folder};
use crate::parallel;
use crate::registry::{InstallMode, LockEntry, Registry};
use crate::skill::SkillName;
use crate::store::{Store, Transaction, Unsettled};

use super::apply::{self, Means};
use super::plan::{Action, Content, Plan, Step};
use super::restore::{Supply, TRIES};
use super::rollback;

/// What was found after a restart.
#[derive(Debug, Default)]
pub(crate) struct SettleReport {
    /// Skills that were put back.
    pub(crate) restored: Vec<SkillName>,
    /// Skills that are as they were before the change that wrote them, and why they could not be
    /// put back.
    pub(crate) turned_back: Option<(Vec<SkillName>, Error)>,
}

/// What is worked with.
pub(crate) struct Ground<'a> {
    pub(crate) store: &'a Store,
    pub(crate) places: &'a InstallDirs,
    pub(crate) world: &'a World<'a>,
    /// True when a change was found that the power cut had interrupted.
    pub(crate) was_interrupted: bool,
}

/// A skill of which the disk did not get everything.
#[derive(Debug)]
pub(crate) struct Damaged<'r> {
    pub(crate) name: &'r SkillName,
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
pub(crate) fn settle(
    unsettled: &[Unsettled],
    ground: &Ground<'_>,
    waiting: &dyn Fn(&str),
) -> Result<SettleReport> {
    let mut settled = SettleReport::default();
    let caches = ground.world.cache.iter().cloned().chain([ground.store.history().trees()]);
    let supply = Supply::new(ground.world, caches.collect());
    for _ in 0..TRIES {
        let lost = supply.lost();
        let registry = ground.store.read()?;
        let damaged = find_damaged(unsettled, &registry, ground)?;
        if damaged.is_empty() {
            ground.store.settle()?;
            return Ok(settled);
        }
        let why = match restore_damaged(&damaged, &registry, &supply, ground, waiting) {
            Ok(Some(restored)) => {
                settled.restored.extend(restored);
                continue;
            }
            Ok(None) => continue,
            // What the cache was to have it has not: the next attempt fetches it.
            Err(_) if supply.lost() > lost => continue,
            Err(why) => why,
        };
        match turn_back(&damaged, &registry, &supply, ground, waiting) {
            Ok(Some(names)) => settled.turned_back.get_or_insert((Vec::new(), why)).0.extend(names),
            Ok(None) => {}
            Err(_) if supply.lost() > lost => {}
            Err(_) => return Err(why),
        }
    }
    Err(error!(Conflict, "other commands change these skills all the time"))
}

/// The unsettled skills that are not what was recorded, and were not edited into that.
///
/// # Errors
/// `Failed` for what cannot be read.
pub(crate) fn find_damaged<'r>(
    unsettled: &[Unsettled],
    registry: &'r Registry,
    ground: &Ground<'_>,
) -> Result<Vec<Damaged<'r>>> {
    let wanted: Vec<(&SkillName, &Unsettled)> = unsettled
        .iter()
        .flat_map(|one| one.installed(registry).into_iter().map(move |name| (name, one)))
        .collect();
    let looked = parallel::run_jobs(parallel::count_cores(), &wanted, |(name, one)| {
        match registry.skills.get(*name) {
            Some(entry) if entry.mode != InstallMode::Live => inspect_skill(name, entry, one, ground),
            _ => Ok(None),
        }
    })?;
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
    ground: &Ground<'_>,
) -> Result<Option<bool>> {
    let (mut is_damaged, mut is_edited) = (false, false);
    for (n, root) in ground.places.roots_of(entry)?.iter().enumerate() {
        let folder = root.join(name.as_str());
        match inspect_folder(&folder)? {
            FolderState::Folder(files) if n == 0 || entry.mode == InstallMode::Copy => {
                for drift in find_drift(&entry.files, &files) {
                    let is_ours = is_ours(&folder, &drift, one);
                    is_damaged |= is_ours;
                    is_edited |= !is_ours;
                }
            }
            FolderState::Missing => is_damaged |= ground.was_interrupted,
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
    ground: &Ground<'_>,
    waiting: &dyn Fn(&str),
) -> Result<Option<Vec<SkillName>>> {
    let wanted: Vec<_> = damaged.iter().map(|one| (one.name, one.entry)).collect();
    supply.prepare(&wanted)?;
    let transaction = ground.store.begin(waiting)?;
    if transaction.registry() != registry || supply.lacks(&wanted) {
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
    apply_plan(plan, transaction, ground)?;
    Ok(Some(damaged.iter().map(|one| one.name.clone()).collect()))
}

/// Goes back before the first change that wrote something which cannot be had; says which
/// skills that concerns.
fn turn_back(
    damaged: &[Damaged<'_>],
    registry: &Registry,
    supply: &Supply<'_>,
    ground: &Ground<'_>,
    waiting: &dyn Fn(&str),
) -> Result<Option<Vec<SkillName>>> {
    let is_lost = |one: &&Damaged<'_>| supply.lacks(&[(one.name, one.entry)]);
    let lost: Vec<&Damaged<'_>> = damaged.iter().filter(is_lost).collect();
    let lost = if lost.is_empty() { damaged.iter().collect() } else { lost };
    let changes: Option<Vec<u64>> = lost.iter().map(|one| one.change).collect();
    let first = changes.and_then(|changes| changes.into_iter().min());
    let first = first.ok_or_else(|| error!(NotFound, "nothing is known of the state before"))?;
    let state = rollback::state(&ground.store.history().records()?, None, Some(first))?;
    let wanted = rollback::wanted(&state, registry);
    supply.prepare(&wanted)?;
    let transaction = ground.store.begin(waiting)?;
    if transaction.registry() != registry || supply.lacks(&wanted) {
        return Ok(None);
    }
    let seen = ground.places.inspect_recorded(state.keys(), registry)?;
    let mut plan = rollback::plan(&state, registry, &seen, supply, true)?;
    for step in &mut plan.steps {
        // What is damaged is no edit that anybody would want back.
        let is_damage = |one: &Damaged<'_>| *one.name == step.name && !one.is_edited;
        step.gives_up_edits &= !damaged.iter().any(is_damage);
    }
    apply_plan(plan, transaction, ground)?;
    Ok(Some(state.into_keys().collect()))
}

fn apply_plan(plan: Plan, transaction: Transaction, ground: &Ground<'_>) -> Result<()> {
    let Some(cache) = &ground.world.cache else { return Err(error!(Failed, "there is no cache")) };
    let means = Means {
        places: ground.places,
        cache,
        limits: &ground.world.settings.limits,
        now: ground.world.env.now,
        command: "restore",
        progress: ground.world.progress,
    };
    apply::apply(plan, transaction, &means).map(drop)
}
