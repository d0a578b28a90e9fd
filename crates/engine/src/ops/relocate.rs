//! A skill goes from its targets to where disabled skills lie, or back, with everything that was
//! edited in it.

use std::path::{Path, PathBuf};

use super::apply::{self, Report};
use super::plan::{Action, Content, Plan, Step, error_of_unmanaged_folder};
use super::recorded::{Recorded, RecordedFiles};
use super::supply::{Supply, try_until_settled};
use crate::install_state::{self, FolderState, InstallState};
use crate::workspace::Session;
use ba_agent_core::digest::digest_of_files;
use ba_agent_core::error::{Error, Result, error};
use ba_agent_core::registry::{InstallMode, LockEntry, Registry};
use ba_agent_core::skill::SkillName;
use ba_agent_system::fsx;

/// A skill, and the record that says where it is to lie.
#[derive(Debug, Clone)]
pub(super) struct Relocation {
    pub(super) name: SkillName,
    pub(super) before: LockEntry,
    pub(super) after: LockEntry,
}

/// Moves what `select` finds in the registry, in one transaction; `command` is what the history
/// calls it.
///
/// # Errors
/// Those of `select`, [`relocation_step`] and [`apply::apply`]; those of fetching, for files that
/// are not where the registry says.
pub(super) fn relocate(
    session: &Session<'_>,
    command: &str,
    select: &dyn Fn(&Registry) -> Result<Vec<Relocation>>,
) -> Result<Report> {
    let world = session.world();
    let supply = Supply::new(&world, vec![session.cache.clone(), session.store.history().kept_trees_cache()]);
    try_until_settled(&supply, || attempt(session, command, select, &supply))
}

/// Plans and does it; `None` where another command changed something between. Nobody waits for a
/// host while the lock is held.
fn attempt(
    session: &Session<'_>,
    command: &str,
    select: &dyn Fn(&Registry) -> Result<Vec<Relocation>>,
    supply: &Supply<'_>,
) -> Result<Option<Report>> {
    let registry = session.store.read()?;
    let relocations = select(&registry)?;
    let mut absent = Vec::new();
    for one in relocations.iter().filter(|one| one.before != one.after) {
        if lacks_files(one, session)? {
            absent.push((&one.name, &one.after));
        }
    }
    supply.prepare(&absent)?;
    let transaction = session.begin()?;
    if *transaction.registry() != registry || supply.lacks_any_recorded(&absent) {
        return Ok(None);
    }
    let steps = relocations.iter().map(|one| relocation_step(one, &registry, session, supply));
    let plan = Plan { steps: steps.collect::<Result<_>>()? };
    apply::apply(plan, transaction, session, command).map(Some)
}

/// No skill has so much: what somebody put into its folder is looked at before it is read.
const LARGEST: u64 = 512 << 20;

/// True where the files are at none of their places, as in a clone that did not come with them.
///
/// # Errors
/// `Conflict` for a folder that is too large to be copied.
fn lacks_files(one: &Relocation, session: &Session<'_>) -> Result<bool> {
    let roots = session.places.roots_of(&one.before)?;
    let mut folders: Vec<PathBuf> = roots.iter().map(|root| root.join(one.name.as_str())).collect();
    folders.retain(|at| fsx::is_real_folder(at));
    if let Some(folder) = folders.iter().find(|folder| install_state::bytes_in(folder) > LARGEST) {
        return Err(error!(Conflict, "`{}` is too large to be moved", one.name)
            .cause(format!("`{}` has more than {} MiB", session.places.shown_to_user(folder), LARGEST >> 20))
            .hint("move large files out of it, then run the command again"));
    }
    Ok(one.before.mode != InstallMode::Live && folders.is_empty())
}

/// The step that takes a skill from where its record says to where the other record says.
///
/// # Errors
/// `Conflict` where something else is in the way, where what lies there is not what was put there,
/// and for copies that were edited apart; those of the supply.
pub(super) fn relocation_step(
    one: &Relocation,
    registry: &Registry,
    session: &Session<'_>,
    supply: &Supply<'_>,
) -> Result<Step> {
    let Relocation { name, before, after } = one;
    let step = |action, content: Option<Recorded>| Step {
        name: name.clone(),
        action,
        content: content.map(|content| Content::Recorded(Box::new(content))),
        before: Some(before.clone()),
        gives_up_edits: false,
    };
    if before == after {
        return Ok(step(Action::Keep, None));
    }
    let targets = session.places.targets_of(after)?;
    let mut seen = session.places.inspect(std::iter::once((name, &targets[..])), registry)?;
    let state = seen.remove(name).unwrap_or_default();
    check_free(name, &state)?;
    let (had, has) = (session.places.roots_of(before)?, session.places.roots_of(after)?);
    let place = find_files(name, before, &state)?;
    let content = match place {
        Some(0) if before.mode == InstallMode::Link && had.first() == has.first() => {
            Recorded::in_place(after)
        }
        Some(at) => {
            let folder = had.get(at).map(|root| root.join(name.as_str())).unwrap_or_default();
            copied_from(&folder, after, &state, at)
        }
        None => supply.recorded(name, after, &after.digest)?,
    };
    Ok(step(Action::Replace, Some(content)))
}

fn copied_from(folder: &Path, after: &LockEntry, state: &InstallState, at: usize) -> Recorded {
    let digest = match state.recorded.get(at) {
        Some((_, FolderState::Folder(files))) => digest_of_files(files),
        _ => after.digest.clone(),
    };
    Recorded { entry: after.clone(), digest, files: RecordedFiles::Lying(folder.to_path_buf()) }
}

/// Nothing may be where the skill comes to lie: what somebody put there is not replaced.
fn check_free(name: &SkillName, state: &InstallState) -> Result<()> {
    match state.further.iter().any(|place| *place != FolderState::Missing) {
        true => Err(error_of_unmanaged_folder(name).hint("move it elsewhere, then run the command again")),
        false => Ok(()),
    }
}

/// Which of the recorded places has the files; none for a live link, and where all are gone.
///
/// # Errors
/// `Conflict` where something lies at a place that would be lost.
fn find_files(name: &SkillName, entry: &LockEntry, state: &InstallState) -> Result<Option<usize>> {
    let mut first: Option<(usize, &str, &FolderState)> = None;
    for (at, (shown, found)) in state.recorded.iter().enumerate() {
        let is_holder = entry.mode == InstallMode::Copy || (at == 0 && entry.mode == InstallMode::Link);
        match (found, first) {
            (FolderState::Missing, _) => {}
            (FolderState::Link(_), _) if !is_holder => {}
            (FolderState::Folder(_), None) if is_holder => first = Some((at, shown.as_str(), found)),
            (FolderState::Folder(_), Some((_, _, known))) if is_holder && known == found => {}
            (FolderState::Folder(_), Some((_, other, _))) if is_holder => {
                return Err(edited_apart(name, other, shown));
            }
            _ => return Err(not_as_installed(name, shown, found)),
        }
    }
    Ok(first.map(|(at, ..)| at))
}

fn edited_apart(name: &SkillName, one: &str, other: &str) -> Error {
    error!(Conflict, "the copies of `{name}` were edited in different ways, and only one can be kept")
        .cause(one.to_owned())
        .cause(other.to_owned())
        .hint("make them the same or move one of the two elsewhere, then run the command again")
}

fn not_as_installed(name: &SkillName, shown: &str, found: &FolderState) -> Error {
    let what = match found {
        FolderState::Folder(_) => "a folder where a link was",
        FolderState::Link(_) => "a link where the folder was",
        FolderState::File | FolderState::Missing => "a file where the skill was",
    };
    error!(Conflict, "`{name}` does not lie as it was installed, so it cannot be moved")
        .cause(format!("`{shown}` is {what}"))
        .hint(format!("`ba-agent skill restore {name}` puts it back; what is there is kept for `rollback`"))
}
