//! `skill update --source`: skills whose source is somewhere else now. Each keeps its name, its targets, what it
//! follows and whether it is held; nothing is uninstalled.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::fetch::{self, FetchedPackage, OpenOptions, World};
use crate::install_state::{DriftKind, InstallState};
use ba_agent_core::agents::InstallTarget;
use ba_agent_core::diff;
use ba_agent_core::error::{Error, Kind, Result, error, printable};
use ba_agent_core::registry::{InstallMode, LockEntry, ReferenceRecord, Registry};
use ba_agent_core::skill::SkillName;
use ba_agent_core::source::{Reference, Request, Resolved, Sha, Source};

use super::plan::{PlannedUpdate, note_grown_permissions};
use crate::ops::gather::{self, Candidate, Offered};
use crate::ops::plan::InstallReason;
use crate::ops::plan::{Action, Content, Step, Wanted, error_of_edited_skill, user_edits_of_skill};

/// Plans to take `names` from `new` from now on. `see` looks at what is on the disk of one.
///
/// What the person has named needs no question of its own; tools, hooks and executables that
/// were not there before still do.
///
/// # Errors
/// `Usage` for a live link, a marketplace, and a held skill whose new source has no commits;
/// `NotFound` for a skill that is not there; `Conflict` for local edits (unless `force`) that
/// would be overwritten; those of fetching.
pub(super) fn plan_repoint(
    names: &[SkillName],
    registry: &Registry,
    new: &Request,
    see: &dyn Fn(&SkillName) -> Result<InstallState>,
    world: &World<'_>,
    force: bool,
) -> Result<PlannedUpdate> {
    if let Source::Marketplace { .. } = new.source {
        return Err(error!(Usage, "`{new}` is an entry of a marketplace, not a source")
            .hint("name the repository or archive itself, as `marketplace show` prints it"));
    }
    let mut groups: BTreeMap<String, Vec<(&SkillName, LockEntry, NewSourceRequest)>> = BTreeMap::new();
    for (name, entry) in names.iter().filter_map(|name| registry.skills.get_key_value(name)) {
        let ask = NewSourceRequest::of(name, entry, new)?;
        groups.entry(format!("{ask:?}")).or_default().push((name, entry_to_be_sought(name, entry, new), ask));
    }
    let mut update = PlannedUpdate::default();
    for group in groups.into_values() {
        let (resolved, fetched, offered) = open(&group, new, world)?;
        for (name, sought, _) in &group {
            let Some(entry) = registry.skills.get(*name) else { continue };
            let candidate = gather::candidate_fetched_again(
                name,
                sought,
                (&fetched, &offered),
                Arc::clone(&resolved),
                world,
            )
            .map_err(|e| not_there(name, sought, new, e))?;
            add(name, entry, candidate, &see(name)?, force, &mut update)?;
        }
    }
    Ok(update)
}

/// What is asked of the new source for a skill.
#[derive(Debug, Clone)]
struct NewSourceRequest {
    reference: Reference,
    /// The commit that a held skill stays at.
    commit: Option<Sha>,
}

impl NewSourceRequest {
    fn of(name: &SkillName, entry: &LockEntry, new: &Request) -> Result<Self> {
        if entry.mode == InstallMode::Live {
            return Err(error!(Usage, "`{name}` is a live link, which has no source to move").hint(format!(
                "link it to the other folder: `ba-agent skill install --link {}`",
                new.source
            )));
        }
        let held = entry.pin.commit.as_ref().filter(|_| entry.pinned);
        let commit = held.map(|sha| sha.parse::<Sha>()).transpose()?;
        if entry.pinned && (commit.is_none() || !new.source.is_git()) {
            let pin = entry.pin.short_text().unwrap_or_default();
            return Err(error!(Usage, "`{name}` is held at {pin}, and {} cannot be held there", new.source)
                .hint(format!("unpin it first: `ba-agent skill unpin {name}`")));
        }
        let recorded = entry.reference.as_ref().filter(|_| new.source.is_git());
        let reference = match (&new.reference, recorded) {
            (Reference::Default, Some(recorded)) => ReferenceRecord::to_reference(recorded)?,
            (named, _) => named.clone(),
        };
        Ok(Self { reference, commit })
    }
}

/// The record, as far as it says where in the new source the skill is to be found.
fn entry_to_be_sought(name: &SkillName, entry: &LockEntry, new: &Request) -> LockEntry {
    let mut sought = LockEntry { marketplace: None, source: new.source.to_string(), ..entry.clone() };
    if let Some(folder) = &new.subdirectory {
        sought.path = Some(folder.as_str().to_owned());
    }
    if let Some(skill) = &new.skill {
        sought.alias_of = Some(skill.clone()).filter(|skill| skill != name.as_str());
        sought.path = None;
    }
    sought
}

/// The error for a skill that cannot be taken from there, with how it was looked for.
fn not_there(name: &SkillName, sought: &LockEntry, new: &Request, error: Error) -> Error {
    let is_missing = error.kind == Kind::NotFound;
    let error = error.wrap(format!("`{name}` cannot be taken from {}", new.source));
    if !is_missing {
        return error;
    }
    let own = sought.alias_of.as_deref().unwrap_or(name.as_str());
    let folder = sought.path.as_ref().map(|path| format!("in `{}` and ", printable(path, false)));
    let folder = folder.unwrap_or_default();
    error.hint(format!(
        "it was looked for {folder}by the name `{}`; for another one write `SOURCE/folder` or `owner/repo@name`",
        printable(own, false)
    ))
}

/// The new source as these skills, which ask the same of it, want it.
fn open(
    group: &[(&SkillName, LockEntry, NewSourceRequest)],
    new: &Request,
    world: &World<'_>,
) -> Result<(Arc<Resolved>, Arc<FetchedPackage>, Offered)> {
    let Some((name, first, ask)) = group.first() else {
        return Err(error!(Failed, "a source without skills was asked for"));
    };
    let own = first.alias_of.as_deref().unwrap_or(name.as_str());
    let request = Request { reference: ask.reference.clone(), subdirectory: None, ..new.clone() };
    let options = OpenOptions { skill: Some(own), commit: ask.commit.as_ref(), ..OpenOptions::default() };
    let mut source = fetch::open_source(&request, options, world)?;
    let wanted: Vec<(&SkillName, &LockEntry)> =
        group.iter().map(|(name, sought, _)| (*name, sought)).collect();
    let offered = Offered::default();
    gather::ensure_again(&mut source, &wanted, &offered, world)?;
    let (resolved, fetched) = source.into_package(&[], |_| false)?;
    Ok((Arc::new(resolved), Arc::new(fetched), offered))
}

/// Adds the step for one skill: only its record where the files are the same, so that local
/// edits stay what they are.
fn add(
    name: &SkillName,
    entry: &LockEntry,
    candidate: Candidate,
    sight: &InstallState,
    force: bool,
    update: &mut PlannedUpdate,
) -> Result<()> {
    let (digest, files) = candidate.digest()?.clone();
    let before = Some(entry.clone());
    if digest == entry.digest {
        let mut record = LockEntry {
            pinned: entry.pinned,
            targets: entry.targets.clone(),
            mode: entry.mode,
            updated_at: entry.updated_at,
            ..candidate.record(digest, entry.files.clone(), entry.installed_at)
        };
        record.keep_choices_of(entry);
        let content = Some(Content::Noted(Box::new(record)));
        let name = name.clone();
        update.plan.steps.push(Step { name, action: Action::Keep, content, before, gives_up_edits: false });
        return Ok(());
    }
    let drift = user_edits_of_skill(entry, sight);
    let lost = drift.iter().any(|one| one.change != DriftKind::Missing);
    if lost && !force {
        return Err(error_of_edited_skill(name, &drift, "update"));
    }
    note_grown_permissions(name, entry, &candidate, &mut update.cautions)?;
    update.changes.insert(name.clone(), diff::changed_files(&entry.files, &files));
    let targets = entry.targets.iter().map(|text| InstallTarget::parse(text)).collect::<Result<_>>()?;
    let &LockEntry { mode, pinned, enabled, .. } = entry;
    let reason = InstallReason::Kept;
    let wanted = Wanted { candidate, targets, mode, pinned, enabled, keep: 0, reason };
    let content = Some(Content::Found(Box::new(wanted)));
    let name = name.clone();
    update.plan.steps.push(Step { name, action: Action::Replace, content, before, gives_up_edits: lost });
    Ok(())
}
