//! Deeds: what the references of installed skills are now, and the way there.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::Serialize;

use crate::agents::Target;
use crate::diff::{self, Change};
use crate::digest::Digest;
use crate::disk::{DriftKind, Sight};
use crate::error::{Error, Result, error};
use crate::fetch::git::Remote;
use crate::fetch::{self, Extent, Known, OpenOptions, PackageSource, Tree, World, npm};
use crate::marketplace::{Package, Want};
use crate::marketplaces::Marketplaces;
use crate::registry::{Entry, Mode, PinRecord, ReferenceRecord, Registry};
use crate::skill::SkillName;
use crate::source::{Pin, Reference, Request, Resolved, Sha, Source};

use super::gather::{self, Candidate};
use super::market;
use super::parallel;
use super::plan::{Action, Content, Plan, Step, Wanted, edited, edits};

/// How an installed skill stands to its source.
#[derive(Debug, Serialize)]
pub(crate) struct Outlook {
    pub(crate) name: SkillName,
    pub(crate) source: String,
    /// Commit, archive or version that is installed, shortened.
    pub(crate) current: Option<String>,
    /// What the reference is now, shortened.
    pub(crate) latest: Option<String>,
    /// The branch or tag that gave it.
    #[serde(rename = "ref")]
    pub(crate) chosen: Option<String>,
    pub(crate) state: State,
    /// Why the source could not be asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) error: Option<Error>,
    #[serde(skip)]
    resolved: Option<Resolved>,
    #[serde(skip)]
    aim: Option<Aim>,
}

/// What a skill follows: its own source and reference or, for one that came out of a
/// marketplace, what its entry says in the recorded copy of the catalogue.
#[derive(Debug, Clone)]
struct Aim {
    request: Request,
    integrity: Option<Digest>,
    /// Of an entry that is a package: its registry says what the request is now.
    package: Option<Package>,
    /// The version of that entry.
    version: Option<String>,
    is_entry: bool,
}

impl Aim {
    /// # Errors
    /// Those of reading the record, and of an entry that can no longer be used.
    fn of(entry: &Entry, all: &Marketplaces, world: &World<'_>) -> Result<Self> {
        // A marketplace that is no longer registered has no say any more.
        let origin = entry.marketplace.as_ref().filter(|origin| all.get(&origin.name).is_ok());
        let (want, version) =
            origin.map_or(Ok((None, None)), |origin| market::want_of(origin, all, world))?;
        if let Some(Want::Elsewhere { request, integrity }) = want {
            return Ok(Self { request: *request, integrity, package: None, version, is_entry: true });
        }
        let mut request = Request::parse(&entry.source)?;
        request.reference =
            entry.reference.as_ref().map_or(Ok(Reference::Default), ReferenceRecord::to_reference)?;
        let package = match want {
            Some(Want::Npm(package)) => Some(package),
            _ => None,
        };
        let is_entry = package.is_some();
        Ok(Self { request, integrity: None, package, version, is_entry })
    }

    /// Fetches it as it is now.
    fn open<'w>(&self, world: &'w World<'w>) -> Result<PackageSource<'w>> {
        let options = OpenOptions { integrity: self.integrity.as_ref(), ..OpenOptions::default() };
        match &self.package {
            Some(package) => npm::open(package, world),
            None => fetch::open(&self.request, options, world),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum State {
    Current,
    Behind,
    /// `pin` or `--sha` holds it.
    Held,
    /// A live link is always what its author has.
    Live,
    /// An archive behind a URL has no listing: only fetching it would tell.
    Unknown,
    /// The source could not be asked.
    Failed,
}

impl State {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Current => "current",
            Self::Behind => "behind",
            Self::Held => "held",
            Self::Live => "live",
            Self::Unknown => "unknown",
            Self::Failed => "failed",
        }
    }
}

/// One skill and what it follows.
struct Followed<'a> {
    name: &'a SkillName,
    entry: &'a Entry,
    aim: Result<Aim>,
}

/// Asks the sources of `names`: one listing for each repository, several at once. Never
/// fails as a whole; what could not be asked says so.
pub(crate) fn look(
    names: &[SkillName],
    registry: &Registry,
    all: &Marketplaces,
    world: &World<'_>,
) -> Vec<Outlook> {
    let mut groups: BTreeMap<String, Vec<Followed<'_>>> = BTreeMap::new();
    for (name, entry) in names.iter().filter_map(|name| registry.skills.get_key_value(name)) {
        let aim = Aim::of(entry, all, world);
        let source = aim.as_ref().map_or_else(|_| entry.source.clone(), |aim| aim.request.source.to_string());
        groups.entry(source).or_default().push(Followed { name, entry, aim });
    }
    let groups: Vec<_> = groups.into_values().collect();
    let looked = parallel::run(parallel::HOSTS, &groups, |skills| Ok(look_at(skills, world)));
    let mut outlooks: Vec<Outlook> = looked.unwrap_or_default().into_iter().flatten().collect();
    outlooks.sort_by(|a, b| a.name.cmp(&b.name));
    outlooks
}

/// All skills of one source.
fn look_at(skills: &[Followed<'_>], world: &World<'_>) -> Vec<Outlook> {
    let moving = skills.iter().filter(|skill| !skill.entry.pinned).find_map(|skill| skill.aim.as_ref().ok());
    let remote =
        moving.filter(|aim| aim.request.source.is_git()).map(|aim| Remote::open(&aim.request.source, world));
    let outlook = |skill: &Followed<'_>| {
        let found = match (&skill.aim, &remote) {
            _ if skill.entry.mode == Mode::Live => Ok((State::Live, None)),
            _ if skill.entry.pinned => Ok((State::Held, None)),
            (Ok(aim), _) if aim.package.is_some() => elsewhere(aim, skill.entry, world),
            (Err(error), _) | (Ok(_), Some(Err(error))) => Err(error.clone()),
            (Ok(aim), Some(Ok(remote))) => in_repository(remote, skill, aim),
            (Ok(aim), None) => elsewhere(aim, skill.entry, world),
        };
        told(skill, found)
    };
    skills.iter().map(outlook).collect()
}

type Found = (State, Option<Resolved>);

fn in_repository(remote: &Remote<'_>, skill: &Followed<'_>, aim: &Aim) -> Result<Found> {
    // A commit that a person named stays; one that a catalogue names moves with the catalogue.
    if matches!(aim.request.reference, Reference::Sha(_)) && !aim.is_entry {
        return Ok((State::Held, None));
    }
    let own = skill.entry.alias_of.as_deref().unwrap_or(skill.name.as_str());
    let resolved = remote.resolve(&aim.request.reference, None, Some(own))?;
    let same = skill.entry.pin.to_pin()? == resolved.pin;
    Ok((if same { State::Current } else { State::Behind }, Some(resolved)))
}

/// Sources that cost little to look at are looked at.
fn elsewhere(aim: &Aim, entry: &Entry, world: &World<'_>) -> Result<Found> {
    if let Some(package) = &aim.package {
        let found = npm::look(package, &entry.source, world)?;
        let same = found.as_ref().is_some_and(|now| Ok(&now.pin) == entry.pin.to_pin().as_ref());
        return Ok((if same { State::Current } else { State::Behind }, found));
    }
    if let Some(promised) = &aim.integrity {
        let same = entry.pin.archive.as_deref() == Some(promised.to_string().as_str());
        return Ok((if same { State::Current } else { State::Behind }, None));
    }
    if matches!(&aim.request.source, Source::Archive { location } if location.contains("://")) {
        return Ok((State::Unknown, None));
    }
    let (resolved, tree) = aim.open(world)?.into_tree(&[""], |_| true)?;
    let folder = entry.path.as_deref().unwrap_or("");
    let same = crate::digest::of_files(&crate::store::files_of(&tree, folder)?) == entry.digest;
    Ok((if same { State::Current } else { State::Behind }, Some(resolved)))
}

fn told(skill: &Followed<'_>, found: Result<Found>) -> Outlook {
    let (state, resolved, error) = match found {
        Ok((state, resolved)) => (state, resolved, None),
        Err(error) => (State::Failed, None, Some(error)),
    };
    let pin = resolved.as_ref().map(|r| PinRecord::of(&r.pin, r.chosen.as_deref(), None));
    Outlook {
        name: skill.name.clone(),
        source: skill.entry.source.clone(),
        current: skill.entry.pin.short(),
        latest: pin.as_ref().and_then(PinRecord::short),
        chosen: pin.and_then(|pin| pin.chosen),
        state,
        error,
        resolved,
        aim: skill.aim.as_ref().ok().cloned(),
    }
}

/// Something about an update that a person should know before it happens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Caution {
    pub(crate) name: SkillName,
    pub(crate) what: &'static str,
    pub(crate) message: String,
}

/// What an update will do.
#[derive(Debug, Default)]
pub(crate) struct Update {
    pub(crate) plan: Plan,
    pub(crate) cautions: Vec<Caution>,
    /// Skills that stay where they are although their source moved, and why.
    pub(crate) left: Vec<(SkillName, String)>,
    /// The files that change, by skill.
    pub(crate) changes: BTreeMap<SkillName, Vec<Change>>,
}

/// Plans to move the skills that are behind; each repository is fetched once. `see` looks at
/// what is on the disk of one.
///
/// # Errors
/// `Conflict` for a skill with local edits (unless `force`); those of fetching.
pub(crate) fn plan(
    outlooks: Vec<Outlook>,
    registry: &Registry,
    see: &dyn Fn(&SkillName) -> Result<Sight>,
    world: &World<'_>,
    force: bool,
) -> Result<Update> {
    let mut update = Update::default();
    let outlooks: Vec<Outlook> =
        outlooks.into_iter().filter(|o| matches!(o.state, State::Behind | State::Unknown)).collect();
    let sources = fetch_all(&outlooks, registry, world)?;
    let mut cautioned = BTreeSet::new();
    for outlook in outlooks {
        let Some(entry) = registry.skills.get(&outlook.name) else { continue };
        let Some(aim) = outlook.aim.clone() else { continue };
        let Some(moving) = outlook.key().and_then(|key| sources.get(&key)) else { continue };
        continuity(&outlook.name, entry, moving, &mut cautioned, &mut update.cautions)?;
        let content = match find(&outlook.name, entry, &aim, moving, world) {
            Ok(content) => content,
            Err(error) => {
                update.left.push((outlook.name, reason(&error)));
                continue;
            }
        };
        let mut lost = false;
        if let Content::Found(wanted) = &content {
            // Only what will be replaced is looked at: a hundred skills share one commit.
            let drift = edits(entry, &see(&outlook.name)?);
            lost = drift.iter().any(|one| one.change != DriftKind::Missing);
            if lost && !force {
                return Err(edited(&outlook.name, &drift, "update"));
            }
            grown(&outlook.name, entry, &wanted.candidate, &mut update.cautions)?;
            let files = &wanted.candidate.digest()?.1;
            update.changes.insert(outlook.name.clone(), diff::files(&entry.files, files));
        }
        let action = if matches!(content, Content::Noted(_)) { Action::Keep } else { Action::Replace };
        update.plan.steps.push(Step {
            name: outlook.name,
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
struct Moving {
    resolved: Arc<Resolved>,
    tree: Arc<Tree>,
    /// Commits that were installed and do not lie behind this one: the branch was rewritten.
    rewritten: BTreeSet<Sha>,
}

/// A source at a commit.
type Key = (String, String);

impl Outlook {
    fn key(&self) -> Option<Key> {
        let aim = self.aim.as_ref()?;
        let asked = format!("{} {:?} {:?}", aim.request.source, aim.integrity, aim.package);
        Some((asked, self.latest.clone().unwrap_or_default()))
    }
}

/// Each source at each commit, fetched once, several at a time.
fn fetch_all(outlooks: &[Outlook], registry: &Registry, world: &World<'_>) -> Result<BTreeMap<Key, Moving>> {
    let mut groups: BTreeMap<Key, Vec<&Outlook>> = BTreeMap::new();
    for outlook in outlooks {
        if let Some(key) = outlook.key() {
            groups.entry(key).or_default().push(outlook);
        }
    }
    let (keys, groups): (Vec<Key>, Vec<Vec<&Outlook>>) = groups.into_iter().unzip();
    let moving = parallel::run(parallel::HOSTS, &groups, |group| fetch_one(group, registry, world))?;
    Ok(keys.into_iter().zip(moving).collect())
}

/// The source of these skills, and of its files those alone that [`find`] will read.
fn fetch_one(outlooks: &[&Outlook], registry: &Registry, world: &World<'_>) -> Result<Moving> {
    let first = outlooks.first().and_then(|outlook| Some((outlook, outlook.aim.as_ref()?)));
    let (first, aim) = first.ok_or_else(|| error!(Failed, "a source without skills was asked for"))?;
    let mut source = match &first.resolved {
        Some(resolved) if matches!(resolved.pin, Pin::Commit(_)) => {
            let remote = Remote::open(&resolved.source, world)?;
            PackageSource::of_commit(remote, resolved.clone(), Extent::Partial, world)?
        }
        _ => aim.open(world)?,
    };
    let entries = outlooks.iter().filter_map(|outlook| registry.skills.get_key_value(&outlook.name));
    let (same, changed): (Vec<_>, Vec<_>) = entries.partition(|(_, entry)| {
        unchanged(entry, &source.resolved, source.folder_id(folder_of(entry))).is_some()
    });
    gather::ensure_again(&mut source, &changed, world)?;
    let of_plugins = changed.iter().filter(|(_, entry)| entry.marketplace.is_some());
    let folders = of_plugins.map(|(_, entry)| entry.path.as_deref().unwrap_or(""));
    let manifests: BTreeSet<String> = folders.flat_map(market::manifests_above).collect();
    let rewritten = rewritten(outlooks, registry, &source)?;
    let (resolved, tree) = source.into_tree(&[], |entry| manifests.contains(entry.path.as_str()))?;
    if let Some(cache) = &world.cache {
        let known = same.into_iter().map(|(_, entry)| Known {
            folder: entry.path.clone().unwrap_or_default(),
            name: None,
            digest: entry.digest.clone(),
        });
        tree.remember(&resolved, &known.collect::<Vec<_>>(), cache);
    }
    Ok(Moving { resolved: Arc::new(resolved), tree: Arc::new(tree), rewritten })
}

/// Of the commits that these skills are at, those from which no way leads to the new one.
/// Only branches are expected to have one.
fn rewritten(
    outlooks: &[&Outlook],
    registry: &Registry,
    source: &PackageSource<'_>,
) -> Result<BTreeSet<Sha>> {
    let Pin::Commit(new) = &source.resolved.pin else { return Ok(BTreeSet::new()) };
    let mut commits = BTreeSet::new();
    for entry in outlooks.iter().filter_map(|outlook| registry.skills.get(&outlook.name)) {
        let is_branch = !matches!(entry.reference, Some(ReferenceRecord::Tag(_) | ReferenceRecord::Range(_)));
        let same = Request::parse(&entry.source)?.source.same(&source.resolved.source);
        match entry.pin.to_pin()? {
            Pin::Commit(old) if is_branch && same && old != *new => drop(commits.insert(old)),
            _ => {}
        }
    }
    let mut rewritten = BTreeSet::new();
    for old in commits {
        if !source.descends(&old)? {
            rewritten.insert(old);
        }
    }
    Ok(rewritten)
}

fn folder_of(entry: &Entry) -> &str {
    entry.path.as_deref().unwrap_or("")
}

/// The git id of a skill's folder as it is `now`, when that is the recorded one: then its
/// files are too.
fn unchanged(entry: &Entry, resolved: &Resolved, now: Option<String>) -> Option<String> {
    let id = now?;
    let same_source = Request::parse(&entry.source).is_ok_and(|old| old.source.same(&resolved.source));
    (same_source && entry.pin.tree.as_ref() == Some(&id)).then_some(id)
}

/// The skill in the new tree: in its folder, or where it moved to.
///
/// # Errors
/// `NotFound` when it is gone, `Invalid` when it breaks the rules now.
fn find(name: &SkillName, entry: &Entry, aim: &Aim, moving: &Moving, world: &World<'_>) -> Result<Content> {
    let folder = entry.path.as_deref().unwrap_or("");
    // Each skill has a reference of its own, though the commit may be shared.
    let reference = match aim.request.reference.clone() {
        // Settled when it was resolved: what a catalogue calls a ref may be branch or tag.
        Reference::Named(_) | Reference::Tail(_) => moving.resolved.reference.clone(),
        settled => settled,
    };
    let resolved = Resolved { reference, ..moving.resolved.as_ref().clone() };
    if let Some(id) = unchanged(entry, &resolved, moving.tree.folder_id(folder)) {
        let mut pin = PinRecord::of(&resolved.pin, resolved.chosen.as_deref(), Some(id));
        pin.reachable = Some(true);
        return Ok(Content::Noted(Box::new(Entry { pin, ..entry.clone() })));
    }
    let same_source = Request::parse(&entry.source).is_ok_and(|old| old.source.same(&resolved.source));
    let mut candidate = gather::again(name, entry, &moving.tree, Arc::new(resolved), world)?;
    if entry.marketplace.is_some() {
        market::lend_version(&mut candidate, aim.version.as_deref());
    }
    if same_source && candidate.digest()?.0 == entry.digest && candidate.folder == folder {
        let pin = candidate.pin_record();
        return Ok(Content::Noted(Box::new(Entry { pin, ..entry.clone() })));
    }
    let targets = entry.targets.iter().map(|text| Target::parse(text)).collect::<Result<_>>()?;
    Ok(Content::Found(Box::new(Wanted { candidate, targets, mode: entry.mode, pinned: false })))
}

/// A skill at a commit that a person names, held there.
///
/// # Errors
/// `NotFound` when the repository or the skill is not there, `Invalid` when it breaks the rules.
pub(crate) fn at_commit(name: &SkillName, entry: &Entry, sha: &Sha, world: &World<'_>) -> Result<Wanted> {
    let request = Request::parse(&entry.source)?;
    if !request.source.is_git() {
        return Err(error!(Usage, "`{name}` comes from {}, which has no commits", entry.source));
    }
    // What was asked for stays recorded, so that `unpin` follows it again.
    let reference = entry.reference.as_ref().map_or(Ok(Reference::Default), ReferenceRecord::to_reference)?;
    let pin = Pin::Commit(sha.clone());
    let resolved = Resolved { source: request.source, reference, chosen: None, pin, subdirectory: None };
    let remote = Remote::open(&resolved.source, world)?;
    let mut source = PackageSource::of_commit(remote, resolved, Extent::Partial, world)?;
    gather::ensure_again(&mut source, &[(name, entry)], world)?;
    let (resolved, tree) = source.into_tree(&[], |_| false)?;
    let tree = Arc::new(tree);
    let candidate = gather::again(name, entry, &tree, Arc::new(resolved), world)?;
    let targets = entry.targets.iter().map(|text| Target::parse(text)).collect::<Result<_>>()?;
    Ok(Wanted { candidate, targets, mode: entry.mode, pinned: true })
}

/// A tag that moved, a branch that was rewritten: each commit is looked at once.
fn continuity(
    name: &SkillName,
    entry: &Entry,
    moving: &Moving,
    seen: &mut BTreeSet<(String, String)>,
    cautions: &mut Vec<Caution>,
) -> Result<()> {
    let resolved = moving.resolved.as_ref();
    let before = Request::parse(&entry.source)?.source;
    let is_git = resolved.source.is_git();
    // Of archives each version has an address of its own.
    if before.is_git() != is_git || (is_git && !before.same(&resolved.source)) {
        cautions.push(Caution {
            name: name.clone(),
            what: "other-source",
            message: format!("{name} comes from {} now, no longer from {}", resolved.source, entry.source),
        });
        return Ok(());
    }
    let (Pin::Commit(old), Pin::Commit(new)) = (entry.pin.to_pin()?, &resolved.pin) else { return Ok(()) };
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
                "{branch} of {source} was rewritten: {} is no longer behind {}",
                old.short(),
                new.short()
            ),
        });
    }
    Ok(())
}

/// What the new version may do that the old one might not.
pub(super) fn grown(
    name: &SkillName,
    entry: &Entry,
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
    let had: BTreeSet<&str> = entry.executables().collect();
    say(
        "executables",
        record.executables().filter(|path| !had.contains(path)).collect(),
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
