//! From what the sources of installed skills are now to a plan that moves them there.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use serde::Serialize;

use crate::fetch::typed_host::is_same_place;
use crate::fetch::{FetchedPackage, PackageSource, World};
use crate::install_state::{DriftKind, InstallState};
use ba_agent_core::agents::InstallTarget;
use ba_agent_core::diff::{self, FileDiff};
use ba_agent_core::error::{Error, Kind, Result, error};
use ba_agent_core::registry::{LockEntry, ReferenceRecord, Registry, RevisionRecord};
use ba_agent_core::skill::SkillName;
use ba_agent_core::source::{Reference, Request, Resolved, Revision};
use ba_agent_git::Remote;
use ba_agent_git::{CachedSkill, CommitsBetween, Extent, OldCommit};

use super::UpdateOptions;
use super::log::{UpdateLog, log_of_update};
use crate::ops::follow_plugins::add_plugin_needs;
use crate::ops::gather::{self, Candidate, GatheredPlugin, Offered};
use crate::ops::marketplace;
use crate::ops::outdated::{Key, OpenedSource, SourceStatuses, State, UpdateStatus, UpdateTarget};
use crate::ops::plan::{
    Action, Content, InstallReason, Plan, Step, Wanted, error_of_edited_skill, user_edits_of_skill,
};
use ba_agent_net::hosts::HostSettings;
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
    /// What happened upstream, by skill.
    pub(crate) logs: BTreeMap<SkillName, UpdateLog>,
    /// The plugins that moving skills of marketplaces are parts of, by skill.
    pub(crate) plugins: BTreeMap<SkillName, GatheredPlugin>,
}

impl PlannedUpdate {
    /// Puts another plan for some of the skills in the place of the one that there was.
    pub(super) fn replace(&mut self, names: &BTreeSet<SkillName>, other: Self) {
        self.plan.steps.retain(|step| !names.contains(&step.name));
        names.iter().for_each(|name| self.forget(name));
        self.left.retain(|(name, _)| !names.contains(name));
        self.failed.retain(|(name, _)| !names.contains(name));
        self.plan.steps.extend(other.plan.steps);
        self.plan.steps.sort_by(|one, other| one.name.cmp(&other.name));
        self.cautions.extend(other.cautions);
        self.left.extend(other.left);
        self.changes.extend(other.changes);
        self.logs.extend(other.logs);
        self.plugins.extend(other.plugins);
    }

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
            self.forget(&step.name);
            self.left.push((step.name, "it was not confirmed".to_owned()));
        }
    }

    /// Takes the skills out of the plan that a person did not choose.
    pub(crate) fn keep_chosen(&mut self, is_chosen: impl Fn(&SkillName) -> bool) {
        let (kept, out): (Vec<Step>, Vec<Step>) = std::mem::take(&mut self.plan.steps)
            .into_iter()
            .partition(|step| step.action == Action::Keep || is_chosen(&step.name));
        self.plan.steps = kept;
        out.iter().for_each(|step| self.forget(&step.name));
    }

    /// Takes a skill out of the plan, which stays as it is for this reason.
    pub(crate) fn hold(&mut self, name: &SkillName, why: String) {
        self.plan.steps.retain(|step| step.name != *name);
        self.forget(name);
        self.left.push((name.clone(), why));
    }

    /// Puts a candidate whose needs are known better into the place of the one that there was.
    pub(crate) fn set_needs_of(&mut self, candidate: Candidate) {
        let step = self.plan.steps.iter_mut().find(|step| step.name == candidate.name);
        if let Some(Some(Content::Found(wanted))) = step.map(|step| &mut step.content) {
            wanted.candidate = candidate;
        }
    }

    fn forget(&mut self, name: &SkillName) {
        self.cautions.retain(|caution| caution.name != *name);
        self.changes.remove(name);
        self.logs.remove(name);
        self.plugins.remove(name);
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
    let force = options.force;
    let mut update = PlannedUpdate::default();
    let SourceStatuses { mut statuses, sources } = looked;
    note_obstacles(&mut statuses, &mut update);
    statuses.retain(|one| matches!(one.state, State::Behind | State::Moved | State::Unknown));
    let sources = fetch_all(&statuses, sources, registry, world, options)?;
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
        let hosts = &world.settings.hosts;
        check_source_continuity(&status.name, entry, (moving, hosts), &mut cautioned, &mut update.cautions)?;
        let content = match find(&status.name, entry, &target, (moving, registry), world) {
            Ok((content, plugin)) => {
                update.plugins.extend(plugin.map(|plugin| (status.name.clone(), plugin)));
                content
            }
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
            if options.with_log {
                let after = wanted.candidate.record(entry.digest.clone(), files.clone(), entry.installed_at);
                let log = log_of_update(entry, &after, &moving.resolved, &moving.between, world);
                update.logs.extend(log.map(|log| (status.name.clone(), log)));
            }
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

/// Moves what keeps skills from being updated to the report.
fn note_obstacles(statuses: &mut [UpdateStatus], update: &mut PlannedUpdate) {
    for status in statuses {
        if let Some(error) = status.error.take() {
            update.failed.push((status.name.clone(), error));
        }
        if let Some(reason) = status.reason.take() {
            update.left.push((status.name.clone(), reason));
        }
    }
}

fn reason(error: &Error) -> String {
    error.causes.first().map_or_else(|| error.message.clone(), |cause| format!("{}: {cause}", error.message))
}

/// A source as it is now, with the files of the skills that changed.
struct MovingSource {
    resolved: Arc<Resolved>,
    fetched: Arc<FetchedPackage>,
    offered: Offered,
    /// The commits since those that were installed.
    between: CommitsBetween,
    watched: WatchedPlugins,
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
    options: &UpdateOptions,
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
        Ok(fetch_one(opened, skills, registry, world, options))
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
    options: &UpdateOptions,
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
            &world.settings.hosts,
        )
        .is_some()
    });
    let plugins = watched_plugins(registry);
    let (watched, unwatched): (Vec<_>, Vec<_>) =
        same.iter().copied().partition(|(_, entry)| is_watched(entry, &plugins));
    let read: Vec<_> = changed.iter().copied().chain(watched.iter().copied()).collect();
    gather::ensure_again(&mut source, &read, &offered, world)?;
    let of_plugins = read.iter().filter(|(_, entry)| entry.marketplace.is_some());
    let folders = of_plugins.filter_map(|(_, entry)| entry.folder().ok());
    let manifests: BTreeSet<String> =
        folders.flat_map(|folder| marketplace::manifests_above(&folder)).collect();
    let changed: Vec<&LockEntry> = changed.into_iter().map(|(_, entry)| entry).collect();
    let all: Vec<&LockEntry> = same.iter().map(|(_, entry)| *entry).chain(changed.iter().copied()).collect();
    let depth = log_depth(options).filter(|_| !world.offline);
    let between = commits_between(&all, &changed, &source, depth, &world.settings.hosts)?;
    let (resolved, fetched) = source.into_package(&[], |entry| manifests.contains(entry.path.as_str()))?;
    if let Some(cache) = world.cache.as_ref().filter(|_| !options.dry_run) {
        let known = unwatched.into_iter().filter_map(|(_, entry)| {
            Some(CachedSkill { folder: entry.folder().ok()?, name: None, digest: entry.digest.clone() })
        });
        fetched.remember(&resolved, &known.collect::<Vec<_>>(), cache);
    }
    Ok(MovingSource {
        resolved: Arc::new(resolved),
        fetched: Arc::new(fetched),
        offered,
        between,
        watched: plugins,
    })
}

/// The commits since those that these skills are at. A branch is expected to have grown out of
/// them, which has to be known; what tags lead to is asked for only to tell of it, where files
/// changed.
fn commits_between(
    all: &[&LockEntry],
    changed: &[&LockEntry],
    source: &PackageSource<'_>,
    depth: Option<u16>,
    hosts: &HostSettings,
) -> Result<CommitsBetween> {
    let Revision::Commit(new) = &source.resolved.pin else { return Ok(CommitsBetween::default()) };
    // The oldest first: the commits behind it hold the others, mostly.
    let mut commits = BTreeMap::new();
    for entry in all {
        let must_lead_here = follows_branch(entry);
        let is_told = depth.is_some() && changed.iter().any(|one| std::ptr::eq(*one, *entry));
        let recorded = Request::parse(&entry.source)?.source;
        let same = is_same_place(&recorded, &source.resolved.source, hosts);
        match entry.pin.to_revision()? {
            Revision::Commit(old) if (must_lead_here || is_told) && same && old != *new => {
                let at = entry.updated_at.unwrap_or(entry.installed_at);
                *commits.entry((at, old)).or_insert(false) |= must_lead_here;
            }
            _ => {}
        }
    }
    let mut oldest_first: Vec<OldCommit> = Vec::new();
    for ((_, sha), must_lead_here) in commits {
        match oldest_first.iter_mut().find(|known| known.sha == sha) {
            Some(known) => known.must_lead_here |= must_lead_here,
            None => oldest_first.push(OldCommit { sha, must_lead_here }),
        }
    }
    let must_know = oldest_first.iter().any(|old| old.must_lead_here);
    match source.history_since(oldest_first, depth.filter(|_| !changed.is_empty())) {
        // What is only told of holds nothing up.
        Err(error) if !must_know && error.kind != Kind::Interrupted => Ok(CommitsBetween::default()),
        between => between,
    }
}

/// How many commits back those are looked for that touch a skill: further where somebody wants
/// to look before anything is done.
fn log_depth(options: &UpdateOptions) -> Option<u16> {
    options.with_log.then_some(if options.dry_run { 1_000 } else { 100 })
}

/// Whether a commit that is not behind the new one means that history was rewritten.
fn follows_branch(entry: &LockEntry) -> bool {
    !matches!(entry.reference, Some(ReferenceRecord::Tag(_) | ReferenceRecord::Range(_)))
}

/// The git id of a skill's folder as it is `now`, when that is the recorded one: then its
/// files are too.
fn unchanged_tree_of(
    entry: &LockEntry,
    resolved: &Resolved,
    now: Option<String>,
    hosts: &HostSettings,
) -> Option<String> {
    let id = now?;
    let same_source =
        Request::parse(&entry.source).is_ok_and(|old| is_same_place(&old.source, &resolved.source, hosts));
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
    (moving, registry): (&MovingSource, &Registry),
    world: &World<'_>,
) -> Result<(Content, Option<GatheredPlugin>)> {
    let folder = entry.folder().ok();
    // Each skill has a reference of its own, though the commit may be shared.
    let reference = match target.request.reference.clone() {
        // Settled when it was resolved: what a catalogue calls a ref may be branch or tag.
        Reference::Named(_) | Reference::Tail(_) => moving.resolved.reference.clone(),
        settled => settled,
    };
    let resolved = Resolved { reference, ..moving.resolved.as_ref().clone() };
    let now = folder.as_ref().and_then(|folder| moving.fetched.folder_id(folder));
    if let Some(id) = unchanged_tree_of(entry, &resolved, now, &world.settings.hosts) {
        let mut pin = RevisionRecord::of(&resolved.pin, resolved.chosen.as_deref(), Some(id));
        pin.reachable = Some(true);
        let noted = LockEntry { pin, ..entry.clone() };
        if entry.marketplace.is_none() {
            return Ok((Content::Noted(Box::new(noted)), None));
        }
        // Its plugin may have another version, or need other plugins, though its own files are the same.
        let of_plugin = (target, registry);
        let (noted, plugin) = note_plugin_of_same_files(name, noted, of_plugin, moving, resolved, world)?;
        return Ok((Content::Noted(Box::new(noted)), plugin));
    }
    let hosts = &world.settings.hosts;
    let same_source =
        Request::parse(&entry.source).is_ok_and(|old| is_same_place(&old.source, &resolved.source, hosts));
    let mut candidate = gather::candidate_fetched_again(
        name,
        entry,
        (&moving.fetched, &moving.offered),
        Arc::new(resolved),
        world,
    )?;
    let plugin = lend_plugin(&mut candidate, target, registry);
    if same_source && candidate.digest()?.0 == entry.digest && Some(&candidate.folder) == folder.as_ref() {
        let noted = LockEntry { pin: candidate.pin_record(), ..entry.clone() };
        let noted = if plugin.is_some() { with_plugin_facts(noted, &candidate) } else { noted };
        return Ok((Content::Noted(Box::new(noted)), plugin));
    }
    let targets = entry.targets.iter().map(|text| InstallTarget::parse(text)).collect::<Result<_>>()?;
    let enabled = entry.enabled;
    let wanted = Wanted {
        candidate,
        targets,
        mode: entry.mode,
        pinned: false,
        enabled,
        keep: 0,
        reason: InstallReason::Kept,
    };
    Ok((Content::Found(Box::new(wanted)), plugin))
}

/// Gives a skill of a marketplace the version of its plugin, where it has none of its own, and what
/// its plugin needs.
fn lend_plugin(
    candidate: &mut Candidate,
    target: &UpdateTarget,
    registry: &Registry,
) -> Option<GatheredPlugin> {
    let plugin = marketplace::lend_plugin(candidate, target.version.as_deref(), &target.plugin_needs)?;
    add_plugin_needs(candidate, &plugin, &BTreeMap::new(), registry);
    Some(plugin)
}

/// The record of a skill that has the same files in a plugin that may be another.
///
/// # Errors
/// Those of [`gather::candidate_fetched_again`], where the plugin had to be looked at.
fn note_plugin_of_same_files(
    name: &SkillName,
    noted: LockEntry,
    (target, registry): (&UpdateTarget, &Registry),
    moving: &MovingSource,
    resolved: Resolved,
    world: &World<'_>,
) -> Result<(LockEntry, Option<GatheredPlugin>)> {
    if !is_watched(&noted, &moving.watched) {
        return Ok((noted, None));
    }
    let found = (&moving.fetched, &moving.offered);
    let mut candidate = gather::candidate_fetched_again(name, &noted, found, Arc::new(resolved), world)?;
    let plugin = lend_plugin(&mut candidate, target, registry);
    Ok((with_plugin_facts(noted, &candidate), plugin))
}

/// The plugins whose version or needs matter: they need others, or others need them. By marketplace
/// and entry.
type WatchedPlugins = BTreeSet<(String, String)>;

fn watched_plugins(registry: &Registry) -> WatchedPlugins {
    let mut watched = WatchedPlugins::new();
    for entry in registry.skills.values() {
        let needs = entry.dependencies.iter().filter_map(|need| Some((need, need.plugin.as_ref()?)));
        for (need, plugin) in needs {
            watched.extend(need.marketplace.clone().map(|marketplace| (marketplace, plugin.clone())));
            watched.extend(entry.marketplace.clone().map(|origin| (origin.name, origin.entry)));
        }
    }
    watched
}

fn is_watched(entry: &LockEntry, watched: &WatchedPlugins) -> bool {
    let origin = entry.marketplace.as_ref().filter(|_| !watched.is_empty());
    origin.is_some_and(|origin| watched.contains(&(origin.name.clone(), origin.entry.clone())))
}

/// What a record has from the plugin, as the candidate has it.
fn with_plugin_facts(mut noted: LockEntry, candidate: &Candidate) -> LockEntry {
    let new = candidate.record(noted.digest.clone(), noted.files.clone(), noted.installed_at);
    noted.version = new.version;
    noted.marketplace = new.marketplace;
    noted.reference = new.reference;
    noted.dependencies = new.dependencies;
    noted
}

/// A tag that moved, a branch that was rewritten: each commit is looked at once.
fn check_source_continuity(
    name: &SkillName,
    entry: &LockEntry,
    (moving, hosts): (&MovingSource, &HostSettings),
    seen: &mut BTreeSet<(String, String)>,
    cautions: &mut Vec<Caution>,
) -> Result<()> {
    let resolved = moving.resolved.as_ref();
    let before = Request::parse(&entry.source)?.source;
    let is_git = resolved.source.is_git();
    // Of archives each version has an address of its own.
    if before.is_git() != is_git || (is_git && !is_same_place(&before, &resolved.source, hosts)) {
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
    if moving.between.rewritten().contains(&old) && follows_branch(entry) {
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
pub(super) fn is_script(path: &str) -> bool {
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
