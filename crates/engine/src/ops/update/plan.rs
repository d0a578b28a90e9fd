//! From what the sources of installed skills are now to a plan that moves them there.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use serde::Serialize;

use crate::fetch::{FetchedPackage, PackageSource, World};
use crate::install_state::{DriftKind, InstallState};
use ba_agent_core::agents::InstallTarget;
use ba_agent_core::diff::{self, FileDiff};
use ba_agent_core::error::{Error, Result, error};
use ba_agent_core::registry::{LockEntry, ReferenceRecord, Registry, RevisionRecord};
use ba_agent_core::skill::SkillName;
use ba_agent_core::source::{Reference, Request, Resolved, Revision, Sha};
use ba_agent_git::Remote;
use ba_agent_git::{CachedSkill, Extent};

use super::UpdateOptions;
use crate::ops::gather::{self, Candidate, Offered};
use crate::ops::marketplace;
use crate::ops::outdated::{Key, OpenedSource, SourceStatuses, State, UpdateStatus, UpdateTarget};
use crate::ops::plan::{Action, Content, Plan, Step, Wanted, error_of_edited_skill, user_edits_of_skill};
use ba_agent_system::parallel;

/// Something about an update that a person should know before it happens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Caution {
    pub(crate) name: SkillName,
    pub(crate) what: &'static str,
    pub(crate) message: String,
}

/// What an update will do.
#[derive(Debug, Default)]
pub(crate) struct PlannedUpdate {
    /// Skills whose source could not be asked or fetched. They hold back no other.
    pub(crate) failed: Vec<(SkillName, Error)>,
    pub(crate) plan: Plan,
    pub(crate) cautions: Vec<Caution>,
    /// Skills that stay where they are although their source moved, and why.
    pub(crate) left: Vec<(SkillName, String)>,
    /// The files that change, by skill.
    pub(crate) changes: BTreeMap<SkillName, Vec<FileDiff>>,
}

impl PlannedUpdate {
    /// The skills that a person has to be asked about, each once.
    pub(crate) fn names_with_cautions(&self) -> Vec<SkillName> {
        let mut names: Vec<SkillName> = Vec::new();
        for caution in &self.cautions {
            if !names.contains(&caution.name) {
                names.push(caution.name.clone());
            }
        }
        names
    }

    /// Takes a skill out of the plan, and where its commit is in doubt every other that would
    /// move from that commit with it.
    pub(crate) fn leave_out(&mut self, name: &SkillName) {
        let of_commit = |caution: &Caution| matches!(caution.what, "moved-tag" | "rewritten");
        let in_doubt = self.cautions.iter().any(|caution| caution.name == *name && of_commit(caution));
        let from =
            |step: &Step| step.before.as_ref().map(|entry| (entry.source.clone(), entry.pin.commit.clone()));
        let origin = self.plan.steps.iter().find(|step| step.name == *name).and_then(from);
        let stays = |step: &Step| step.name == *name || (in_doubt && from(step) == origin);
        let (out, steps) = std::mem::take(&mut self.plan.steps).into_iter().partition(|step| stays(step));
        self.plan.steps = steps;
        for step in out {
            self.cautions.retain(|caution| caution.name != step.name);
            self.changes.remove(&step.name);
            self.left.push((step.name, "it was not confirmed".to_owned()));
        }
    }
}

/// Plans to move the skills that are behind; each repository is fetched once. `see` looks at
/// what is on the disk of one. With `dry_run` nothing is remembered of what stays.
///
/// # Errors
/// `Conflict` for a skill with local edits (unless `force`).
pub(super) fn plan_update(
    looked: SourceStatuses<'_>,
    registry: &Registry,
    see: &dyn Fn(&SkillName) -> Result<InstallState>,
    world: &World<'_>,
    options: &UpdateOptions,
) -> Result<PlannedUpdate> {
    let &UpdateOptions { force, dry_run, .. } = options;
    let mut update = PlannedUpdate::default();
    let SourceStatuses { mut statuses, sources } = looked;
    for status in &mut statuses {
        if let Some(error) = status.error.take() {
            update.failed.push((status.name.clone(), error));
        }
        if let Some(reason) = status.reason.take() {
            update.left.push((status.name.clone(), reason));
        }
    }
    statuses.retain(|one| matches!(one.state, State::Behind | State::Moved | State::Unknown));
    let sources = fetch_all(&statuses, sources, registry, world, dry_run)?;
    let mut cautioned = BTreeSet::new();
    for status in statuses {
        let Some(entry) = registry.skills.get(&status.name) else { continue };
        let Some(target) = status.target.clone() else { continue };
        let moving = match status.key().and_then(|key| sources.get(&key)) {
            Some(Ok(moving)) => moving,
            Some(Err(error)) => {
                update.failed.push((status.name, error.clone()));
                continue;
            }
            None => continue,
        };
        check_source_continuity(&status.name, entry, moving, &mut cautioned, &mut update.cautions)?;
        let content = match find(&status.name, entry, &target, moving, world) {
            Ok(content) => content,
            Err(error) => {
                update.left.push((status.name, reason(&error)));
                continue;
            }
        };
        let mut lost = false;
        if let Content::Found(wanted) = &content {
            // Only what will be replaced is looked at: a hundred skills share one commit.
            let drift = user_edits_of_skill(entry, &see(&status.name)?);
            lost = drift.iter().any(|one| one.change != DriftKind::Missing);
            if lost && !force {
                return Err(error_of_edited_skill(&status.name, &drift, "update"));
            }
            note_grown_permissions(&status.name, entry, &wanted.candidate, &mut update.cautions)?;
            let files = &wanted.candidate.digest()?.1;
            update.changes.insert(status.name.clone(), diff::changed_files(&entry.files, files));
        }
        let action = if matches!(content, Content::Noted(_)) { Action::Keep } else { Action::Replace };
        update.plan.steps.push(Step {
            name: status.name,
            action,
            content: Some(content),
            before: Some(entry.clone()),
            gives_up_edits: lost,
        });
    }
    Ok(update)
}

fn reason(error: &Error) -> String {
    error.causes.first().map_or_else(|| error.message.clone(), |cause| format!("{}: {cause}", error.message))
}

/// A source as it is now, with the files of the skills that changed.
struct MovingSource {
    resolved: Arc<Resolved>,
    fetched: Arc<FetchedPackage>,
    offered: Offered,
    /// Commits that were installed and do not lie behind this one: the branch was rewritten.
    rewritten: BTreeSet<Sha>,
}

/// A source that was opened already, if it was, and the skills that move to what it has.
type Group<'a, 'w> = (Mutex<Option<OpenedSource<'w>>>, Vec<&'a UpdateStatus>);

/// Each source at each commit, fetched once, several at a time. One that fails does not hold
/// back the others.
fn fetch_all<'w>(
    statuses: &[UpdateStatus],
    mut sources: BTreeMap<Key, OpenedSource<'w>>,
    registry: &Registry,
    world: &'w World<'w>,
    dry_run: bool,
) -> Result<BTreeMap<Key, Result<MovingSource>>> {
    let mut groups: BTreeMap<Key, Vec<&UpdateStatus>> = BTreeMap::new();
    for status in statuses {
        if let Some(key) = status.key() {
            groups.entry(key).or_default().push(status);
        }
    }
    let (keys, skills): (Vec<Key>, Vec<Vec<&UpdateStatus>>) = groups.into_iter().unzip();
    let opened: Vec<_> = keys.iter().map(|key| Mutex::new(sources.remove(key))).collect();
    let groups: Vec<Group<'_, '_>> = opened.into_iter().zip(skills).collect();
    let check = || world.check_cancelled();
    let moving = parallel::run_jobs(parallel::MAX_HOSTS, &groups, check, |(source, skills)| {
        let opened = source.lock().unwrap_or_else(PoisonError::into_inner).take();
        Ok(fetch_one(opened, skills, registry, world, dry_run))
    })?;
    check()?;
    Ok(keys.into_iter().zip(moving).collect())
}

/// The source of these skills, and of its files those alone that [`find`] will read.
fn fetch_one<'w>(
    opened: Option<OpenedSource<'w>>,
    statuss: &[&UpdateStatus],
    registry: &Registry,
    world: &'w World<'w>,
    dry_run: bool,
) -> Result<MovingSource> {
    let first = statuss.first().and_then(|status| Some((status, status.target.as_ref()?)));
    let (first, target) = first.ok_or_else(|| error!(Failed, "a source without skills was asked for"))?;
    let mut source = match (opened, &first.resolved) {
        (Some(OpenedSource::Source(source)), _) => *source,
        (opened, Some(resolved)) if matches!(resolved.pin, Revision::Commit(_)) => {
            let remote = match opened {
                Some(OpenedSource::Remote(remote)) => *remote,
                _ => Remote::open(&resolved.source, &world.git)?,
            };
            PackageSource::of_commit(remote, resolved.as_ref().clone(), Extent::Partial)?
        }
        _ => target.open(world)?,
    };
    let offered = Offered::default();
    let entries = statuss.iter().filter_map(|status| registry.skills.get_key_value(&status.name));
    let (same, changed): (Vec<_>, Vec<_>) = entries.partition(|(_, entry)| {
        unchanged_tree_of(
            entry,
            &source.resolved,
            entry.folder().ok().and_then(|folder| source.folder_id(&folder)),
        )
        .is_some()
    });
    gather::ensure_again(&mut source, &changed, &offered, world)?;
    let of_plugins = changed.iter().filter(|(_, entry)| entry.marketplace.is_some());
    let folders = of_plugins.filter_map(|(_, entry)| entry.folder().ok());
    let manifests: BTreeSet<String> =
        folders.flat_map(|folder| marketplace::manifests_above(&folder)).collect();
    let rewritten = names_rewritten_by_owner(statuss, registry, &source)?;
    let (resolved, fetched) = source.into_package(&[], |entry| manifests.contains(entry.path.as_str()))?;
    if let Some(cache) = world.cache.as_ref().filter(|_| !dry_run) {
        let known = same.into_iter().filter_map(|(_, entry)| {
            Some(CachedSkill { folder: entry.folder().ok()?, name: None, digest: entry.digest.clone() })
        });
        fetched.remember(&resolved, &known.collect::<Vec<_>>(), cache);
    }
    Ok(MovingSource { resolved: Arc::new(resolved), fetched: Arc::new(fetched), offered, rewritten })
}

/// Of the commits that these skills are at, those from which no way leads to the new one.
/// Only branches are expected to have one.
fn names_rewritten_by_owner(
    statuss: &[&UpdateStatus],
    registry: &Registry,
    source: &PackageSource<'_>,
) -> Result<BTreeSet<Sha>> {
    let Revision::Commit(new) = &source.resolved.pin else { return Ok(BTreeSet::new()) };
    // The oldest first: the commits behind it hold the others, mostly.
    let mut commits = BTreeSet::new();
    for entry in statuss.iter().filter_map(|status| registry.skills.get(&status.name)) {
        let is_branch = !matches!(entry.reference, Some(ReferenceRecord::Tag(_) | ReferenceRecord::Range(_)));
        let same = Request::parse(&entry.source)?.source.is_same_as(&source.resolved.source);
        match entry.pin.to_revision()? {
            Revision::Commit(old) if is_branch && same && old != *new => {
                commits.insert((entry.updated_at.unwrap_or(entry.installed_at), old));
            }
            _ => {}
        }
    }
    let mut oldest_first: Vec<Sha> = Vec::new();
    for (_, commit) in commits {
        if !oldest_first.contains(&commit) {
            oldest_first.push(commit);
        }
    }
    source.not_behind(oldest_first)
}

/// The git id of a skill's folder as it is `now`, when that is the recorded one: then its
/// files are too.
fn unchanged_tree_of(entry: &LockEntry, resolved: &Resolved, now: Option<String>) -> Option<String> {
    let id = now?;
    let same_source = Request::parse(&entry.source).is_ok_and(|old| old.source.is_same_as(&resolved.source));
    (same_source && entry.pin.tree.as_ref() == Some(&id)).then_some(id)
}

/// The skill in the new tree: in its folder, or where it moved to.
///
/// # Errors
/// `NotFound` when it is gone, `Invalid` when it breaks the rules now.
fn find(
    name: &SkillName,
    entry: &LockEntry,
    target: &UpdateTarget,
    moving: &MovingSource,
    world: &World<'_>,
) -> Result<Content> {
    let folder = entry.folder().ok();
    // Each skill has a reference of its own, though the commit may be shared.
    let reference = match target.request.reference.clone() {
        // Settled when it was resolved: what a catalogue calls a ref may be branch or tag.
        Reference::Named(_) | Reference::Tail(_) => moving.resolved.reference.clone(),
        settled => settled,
    };
    let resolved = Resolved { reference, ..moving.resolved.as_ref().clone() };
    let now = folder.as_ref().and_then(|folder| moving.fetched.folder_id(folder));
    if let Some(id) = unchanged_tree_of(entry, &resolved, now) {
        let mut pin = RevisionRecord::of(&resolved.pin, resolved.chosen.as_deref(), Some(id));
        pin.reachable = Some(true);
        return Ok(Content::Noted(Box::new(LockEntry { pin, ..entry.clone() })));
    }
    let same_source = Request::parse(&entry.source).is_ok_and(|old| old.source.is_same_as(&resolved.source));
    let mut candidate = gather::candidate_fetched_again(
        name,
        entry,
        (&moving.fetched, &moving.offered),
        Arc::new(resolved),
        world,
    )?;
    if entry.marketplace.is_some() {
        marketplace::lend_version(&mut candidate, target.version.as_deref());
    }
    if same_source && candidate.digest()?.0 == entry.digest && Some(&candidate.folder) == folder.as_ref() {
        let pin = candidate.pin_record();
        return Ok(Content::Noted(Box::new(LockEntry { pin, ..entry.clone() })));
    }
    let targets = entry.targets.iter().map(|text| InstallTarget::parse(text)).collect::<Result<_>>()?;
    Ok(Content::Found(Box::new(Wanted { candidate, targets, mode: entry.mode, pinned: false })))
}

/// A tag that moved, a branch that was rewritten: each commit is looked at once.
fn check_source_continuity(
    name: &SkillName,
    entry: &LockEntry,
    moving: &MovingSource,
    seen: &mut BTreeSet<(String, String)>,
    cautions: &mut Vec<Caution>,
) -> Result<()> {
    let resolved = moving.resolved.as_ref();
    let before = Request::parse(&entry.source)?.source;
    let is_git = resolved.source.is_git();
    // Of archives each version has an address of its own.
    if before.is_git() != is_git || (is_git && !before.is_same_as(&resolved.source)) {
        cautions.push(Caution {
            name: name.clone(),
            what: "other-source",
            message: format!("{name} comes from {} now, no longer from {}", resolved.source, entry.source),
        });
        return Ok(());
    }
    let (Revision::Commit(old), Revision::Commit(new)) = (entry.pin.to_revision()?, &resolved.pin) else {
        return Ok(());
    };
    if old == *new || !seen.insert((entry.source.clone(), old.to_string())) {
        return Ok(());
    }
    let source = &entry.source;
    if let Some(ReferenceRecord::Tag(tag)) = &entry.reference {
        cautions.push(Caution {
            name: name.clone(),
            what: "moved-tag",
            message: format!("the tag `{tag}` of {source} has moved from {} to {}", old.short(), new.short()),
        });
        return Ok(());
    }
    if moving.rewritten.contains(&old) {
        let branch = resolved.chosen.as_deref().unwrap_or("the branch");
        cautions.push(Caution {
            name: name.clone(),
            what: "rewritten",
            message: format!(
                "{branch} of {source} was rewritten: {} is no longer part of {}",
                old.short(),
                new.short()
            ),
        });
    }
    Ok(())
}

/// What the new version may do that the old one might not.
///
/// # Errors
/// `Failed` or `Integrity` where the new files cannot be read.
pub(super) fn note_grown_permissions(
    name: &SkillName,
    entry: &LockEntry,
    candidate: &Candidate,
    cautions: &mut Vec<Caution>,
) -> Result<()> {
    let mut say = |what, words: Vec<&str>, message: &str| {
        if !words.is_empty() {
            let message = format!("{name} {message} {}", words.join(", "));
            cautions.push(Caution { name: name.clone(), what, message });
        }
    };
    let record = candidate.record(entry.digest.clone(), candidate.digest()?.1.clone(), entry.installed_at);
    let new_grants = record.grants.iter().filter(|grant| !entry.grants.contains(grant));
    say("grants", new_grants.map(String::as_str).collect(), "asks for more tools:");
    if record.hooks && !entry.hooks {
        say("hooks", vec!["hooks"], "now brings");
    }
    let had: BTreeSet<&str> = entry.executable_files().collect();
    say(
        "executables",
        record.executable_files().filter(|path| !had.contains(path)).collect(),
        "has new executables:",
    );
    let is_new = |path: &&String| !entry.files.contains_key(*path) && is_script(path);
    let scripts = record.files.keys().filter(is_new).map(String::as_str);
    say(
        "scripts",
        scripts.filter(|path| !record.files[*path].starts_with("100755")).collect(),
        "has new scripts:",
    );
    Ok(())
}

/// A file that an agent may be told to run.
fn is_script(path: &str) -> bool {
    let ending = path.rsplit_once('.').map_or("", |(_, ending)| ending).to_ascii_lowercase();
    matches!(
        ending.as_str(),
        "sh" | "bash"
            | "zsh"
            | "fish"
            | "ps1"
            | "bat"
            | "cmd"
            | "py"
            | "rb"
            | "pl"
            | "js"
            | "mjs"
            | "cjs"
            | "ts"
            | "php"
            | "lua"
    )
}
