//! What the skills were before an earlier change, and the plan that brings that back.

use std::collections::BTreeMap;

use crate::history::{Change, Record, state_before};
use crate::install_state::{DriftKind, FolderState, InstallState, InstallStates};
use crate::ops::installed::match_installed;
use crate::ops::plan::{
    Action, Content, Plan, Step, error_of_edited_skill, error_of_unmanaged_folder, user_edits_of_skill,
};
use crate::ops::supply::Supply;
use ba_agent_core::digest::{Digest, digest_of_files};
use ba_agent_core::error::{Result, error, printable};
use ba_agent_core::registry::{InstallMode, LockEntry, Registry};
use ba_agent_core::skill::SkillName;

/// What was, for the skills that a rollback is about.
///
/// Without `to` it is the last change (of `name`, if that is given); with it, everything
/// since the change of that number.
///
/// # Errors
/// `NotFound` where there is no such change.
pub(in crate::ops) fn state(
    records: &[Record],
    name: Option<&SkillName>,
    to: Option<u64>,
) -> Result<BTreeMap<SkillName, Change>> {
    let Some(id) = first_undone(records, name, to) else {
        let what = match (name, to) {
            (_, Some(id)) => format!("there is no change {id} to go back before"),
            (Some(name), None) => format!("no change of `{name}` is known"),
            (None, None) => "there is no change to roll back".to_owned(),
        };
        return Err(error!(NotFound, "{what}").hint("`ba-agent skill history` lists the last 20 changes"));
    };
    let mut state = state_before(records, id);
    if let Some(name) = name {
        state.retain(|known, _| known == name);
    }
    Ok(state)
}

/// The number of the oldest change that is undone.
fn first_undone(records: &[Record], name: Option<&SkillName>, to: Option<u64>) -> Option<u64> {
    let is_meant = |record: &&Record| match to {
        Some(id) => record.id == id,
        None => concerns(record, name),
    };
    records.iter().find(is_meant).map(|record| record.id)
}

fn concerns(record: &Record, name: Option<&SkillName>) -> bool {
    name.is_none_or(|name| record.changes.contains_key(name))
}

/// Of the records, newest first, those that a rollback undoes.
pub(in crate::ops) fn records_undone(
    mut records: Vec<Record>,
    name: Option<&SkillName>,
    to: Option<u64>,
) -> Vec<Record> {
    let first = first_undone(&records, name, to).unwrap_or(u64::MAX);
    records.retain(|record| record.id >= first && concerns(record, name));
    records
}

/// The skill that `text` names: installed now or in one of the changes, by its own name or as
/// `plugin:skill`.
///
/// # Errors
/// `Usage` for what cannot be a name, `NotFound` for a `plugin:skill` of which nothing is known.
pub(in crate::ops) fn find_name(text: &str, registry: &Registry, records: &[Record]) -> Result<SkillName> {
    if !text.contains(':') {
        return text.parse();
    }
    let of_records = records.iter().flat_map(|record| &record.changes).flat_map(|(name, change)| {
        change.before.iter().chain(&change.after).map(|entry| {
            let mut one = Registry::default();
            one.skills.insert(name.clone(), entry.clone());
            one
        })
    });
    let known = match_installed(text, registry).cloned();
    known.or_else(|| of_records.into_iter().find_map(|one| match_installed(text, &one).cloned())).ok_or_else(
        || {
            error!(NotFound, "no change of `{}` is known", printable(text, false))
                .hint("`ba-agent skill history` lists the last 20 changes")
        },
    )
}

/// The skills whose recorded files it takes to bring `state` back.
pub(in crate::ops) fn wanted<'s>(
    state: &'s BTreeMap<SkillName, Change>,
    registry: &Registry,
) -> Vec<(&'s SkillName, &'s LockEntry)> {
    let unedited = state.iter().filter(|(_, change)| change.edited.is_none());
    let back = unedited.filter_map(|(name, change)| Some((name, change.before.as_ref()?)));
    back.filter(|(name, entry)| registry.skills.get(*name) != Some(*entry)).collect()
}

/// True for a place where a skill of this digest may be put: nothing is there, or it is.
fn is_free_for(place: &FolderState, digest: &Digest) -> bool {
    match place {
        FolderState::Missing => true,
        FolderState::Folder(files) => digest_of_files(files) == *digest,
        FolderState::Link(_) | FolderState::File => false,
    }
}

/// What stood in the place of a skill before it was installed, and was given up for it.
///
/// # Errors
/// `NotFound` where it is no longer kept.
fn stranger(name: &SkillName, change: &Change, supply: &Supply<'_>) -> Result<Option<Content>> {
    let (Some(digest), Some(target), Some(after)) = (&change.edited, &change.edited_in, &change.after) else {
        return Ok(None);
    };
    let entry = LockEntry { targets: vec![target.clone()], mode: InstallMode::Copy, ..after.clone() };
    Ok(Some(Content::Recorded(Box::new(supply.recorded(name, &entry, digest)?))))
}

/// The step for a skill whose files are those that a rollback would leave or make: then the record
/// alone comes or goes.
///
/// # Errors
/// `Conflict` for a skill that was adopted and has other files since.
fn record_alone(
    name: &SkillName,
    change: &Change,
    now: Option<&LockEntry>,
    sight: &InstallState,
) -> Result<Option<Step>> {
    let step = |action, content| Step {
        name: name.clone(),
        action,
        content,
        before: now.cloned(),
        gives_up_edits: false,
    };
    match (&change.before, &change.adopted, now) {
        (None, Some(adopted), Some(now)) if *adopted == now.digest => Ok(Some(step(Action::Forget, None))),
        (None, Some(_), Some(_)) => Err(error!(Conflict, "`{name}` was adopted as it was found, and has other files since")
            .hint("`ba-agent skill history` lists the changes: go back one at a time with `ba-agent skill rollback`")),
        (Some(entry), _, None) if change.edited.is_none() => {
            let there = sight.further.iter().map(|place| (String::new(), place.clone()));
            let there = InstallState { recorded: there.collect(), ..InstallState::default() };
            let is_whole = !there.recorded.is_empty() && user_edits_of_skill(entry, &there).is_empty();
            Ok(is_whole.then(|| step(Action::Adopt, Some(Content::Noted(Box::new(entry.clone()))))))
        }
        _ => Ok(None),
    }
}

/// Plans to bring `state` back; the supply has what is [`wanted`].
///
/// # Errors
/// `Conflict` for a skill that was edited since (unless `force`); those of the supply.
pub(in crate::ops) fn plan(
    state: &BTreeMap<SkillName, Change>,
    registry: &Registry,
    seen: &InstallStates,
    supply: &Supply<'_>,
    force: bool,
) -> Result<Plan> {
    let mut steps = Vec::new();
    for (name, change) in state {
        let now = registry.skills.get(name).cloned();
        let sight = seen.get(name).cloned().unwrap_or_default();
        if let Some(step) = record_alone(name, change, now.as_ref(), &sight)? {
            steps.push(step);
            continue;
        }
        let drift = now.as_ref().map_or_else(Vec::new, |entry| user_edits_of_skill(entry, &sight));
        let lost = drift.iter().any(|one| one.change != DriftKind::Missing);
        if lost && !force {
            return Err(error_of_edited_skill(name, &drift, "rollback"));
        }
        let in_the_way = change.before.as_ref().is_some_and(|entry| {
            let digest = change.edited.as_ref().unwrap_or(&entry.digest);
            sight.further.iter().any(|place| !is_free_for(place, digest))
        });
        if in_the_way && !force {
            // Kept is what stood in the place of the skill; beside a recorded one it is replaced for good.
            return Err(error_of_unmanaged_folder(name).hint(match now {
                None => "`--force` replaces it; a folder is kept, a file or link is not",
                Some(_) => "move it elsewhere; `--force` replaces it for good",
            }));
        }
        let step = |action, content| Step {
            name: name.clone(),
            action,
            content,
            before: now.clone(),
            gives_up_edits: lost || in_the_way,
        };
        match &change.before {
            None if now.is_none() => {}
            None => {
                let content = stranger(name, change, supply)?;
                steps.push(step(Action::Remove, content));
            }
            Some(entry) if now.as_ref() == Some(entry) && change.edited.is_none() && drift.is_empty() => {
                steps.push(step(Action::Keep, None));
            }
            Some(entry) => {
                let digest = change.edited.as_ref().unwrap_or(&entry.digest);
                let content = Content::Recorded(Box::new(supply.recorded(name, entry, digest)?));
                let action = if now.is_some() { Action::Replace } else { Action::Add };
                steps.push(step(action, Some(content)));
            }
        }
    }
    Ok(Plan { steps })
}
