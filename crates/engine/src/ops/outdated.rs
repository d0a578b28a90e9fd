//! `skill outdated`, and what `update` begins with: what the references of installed
//! skills are now, and whether that touches them.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use jiff::Timestamp;
use serde::Serialize;

use super::settle::open_session;
use crate::fetch::remote_registry::{RemoteRegistry, describe_revocation};
use crate::fetch::typed_host::is_same_place;
use crate::fetch::{self, OpenOptions, PackageSource, World, npm};
use crate::store::marketplaces::Marketplaces;
use ba_agent_core::catalog::{EntryRequirement, NpmPackage};
use ba_agent_core::dependency::PluginNeed;
use ba_agent_core::digest::Digest;
use ba_agent_core::error::{Error, Kind, Result, printable};
use ba_agent_core::path::RelPath;
use ba_agent_core::registry::{FollowedRevision, InstallMode, ReferenceRecord, RevisionRecord, SkillSummary};
use ba_agent_core::remote_registry::{PublishedVersion, Revocation};
use ba_agent_core::skill::SkillName;
use ba_agent_core::source::{Reference, Request, Resolved, Revision, Source};
use ba_agent_core::text::format_age;
use ba_agent_core::version::is_newer_tag;
use ba_agent_git::Extent;
use ba_agent_git::Remote;

use super::follow_skill::{FollowingView, new_versions};
use super::gather::{self, Offered};
use super::installed::find_installed;
use super::marketplace::{self, WantedEntry};
use crate::workspace::{Observer, Workspace};
use ba_agent_system::parallel;

/// How installed skills stand to their sources.
#[derive(Debug)]
pub struct OutdatedReport {
    /// In the order of their names.
    pub statuses: Vec<UpdateStatus>,
    /// How many of them are behind.
    pub behind: usize,
    /// What is new of the skills that the user wants to be told of.
    pub followed: Vec<FollowingView>,
}

impl OutdatedReport {
    /// What the outcome is when it is not that all is current: something is behind, or else a
    /// source could not be asked.
    pub fn failure(&self) -> Option<Kind> {
        let failed = self.statuses.iter().find_map(|one| one.error.as_ref());
        let is_any_revoked = self.statuses.iter().any(|one| one.revoked.is_some());
        if self.behind > 0 || is_any_revoked { Some(Kind::Integrity) } else { failed.map(|error| error.kind) }
    }
}

/// Says of the named skills, or of all, how they stand to their sources; changes nothing.
///
/// # Errors
/// `NotFound` for a name that is not installed; those of reading registry and marketplaces. A
/// source that cannot be asked is a status.
pub fn outdated(workspace: &Workspace, names: &[String], observer: &dyn Observer) -> Result<OutdatedReport> {
    let session = open_session(workspace, observer)?;
    let registry = session.store.read_registry_text()?;
    let summary = registry.summary()?;
    let mut skills: Vec<_> = summary.skills.iter().map(|(name, entry)| (name, entry)).collect();
    if !names.is_empty() {
        let wanted = find_installed(names, &session.store.read()?, &session.places)?;
        skills.retain(|(name, _)| wanted.contains(name));
    }
    let world = session.world();
    let statuses = look(&skills, &session.marketplaces()?, &world)?.statuses;
    let behind = statuses.iter().filter(|one| one.state == State::Behind).count();
    let followed = if names.is_empty() { new_versions(&session)? } else { Vec::new() };
    Ok(OutdatedReport { statuses, behind, followed })
}

/// How an installed skill stands to its source.
#[derive(Debug, Serialize)]
pub struct UpdateStatus {
    pub name: SkillName,
    pub source: String,
    /// What is installed: its tag where tags are followed, else its commit, archive or version,
    /// shortened.
    pub current: Option<String>,
    /// What the reference is now: where an update would go.
    pub wanted: Option<String>,
    /// The newest there is, also where no update would go there: a version outside of the range,
    /// or above the tag that is followed.
    pub latest: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub current_commit: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wanted_commit: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latest_commit: Option<String>,
    /// A range, a tag or a branch; `pinned` for what stays.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub follows: Option<String>,
    /// The branch or tag that gave it.
    #[serde(rename = "ref")]
    pub chosen: Option<String>,
    pub state: State,
    /// What is to be known of a skill that is gone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Why the registry took down what is installed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revoked: Option<String>,
    /// Why the source could not be asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<Error>,
    #[serde(skip)]
    pub(super) published: Option<Arc<PublishedVersion>>,
    #[serde(skip)]
    pub(super) resolved: Option<Arc<Resolved>>,
    #[serde(skip)]
    pub(super) target: Option<Arc<UpdateTarget>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    Current,
    /// Its reference is another commit now, in which it has other files.
    Behind,
    /// Its reference is another commit now, in which its files are the same.
    Moved,
    /// Its source does not have it any more.
    Gone,
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
    pub fn word(self) -> &'static str {
        match self {
            Self::Current => "current",
            Self::Behind => "behind",
            Self::Moved => "moved",
            Self::Gone => "gone",
            Self::Held => "held",
            Self::Live => "live",
            Self::Unknown => "unknown",
            Self::Failed => "failed",
        }
    }
}

/// A source at a commit.
pub(super) type Key = (String, String);

impl UpdateStatus {
    pub(super) fn key(&self) -> Option<Key> {
        let target = self.target.as_ref()?;
        let asked = format!("{} {:?} {:?}", target.request.source, target.integrity, target.package);
        let pin = self.resolved.as_ref().map_or_else(String::new, |resolved| format!("{:?}", resolved.pin));
        Some((asked, pin))
    }

    /// True where a newer version is there to which no update goes.
    pub fn has_newer_outside(&self) -> bool {
        self.wanted.is_some() && self.latest != self.wanted
    }
}

/// What a skill follows: its own source and reference or, for one that came out of a
/// marketplace, what its entry says in the recorded copy of the catalogue.
#[derive(Debug, Clone)]
pub(super) struct UpdateTarget {
    pub(super) request: Request,
    integrity: Option<Digest>,
    /// Of an entry that is a package: its registry says what the request is now.
    package: Option<NpmPackage>,
    /// The version of that entry, and what it says that its plugin needs.
    pub(super) version: Option<String>,
    pub(super) plugin_needs: Vec<PluginNeed>,
    /// The plugin whose tags a range is about, where that is not the skill itself.
    tagged_as: Option<String>,
    is_entry: bool,
}

impl UpdateTarget {
    /// # Errors
    /// Those of reading the record, and of an entry that can no longer be used.
    fn of(
        entry: &SkillSummary<'_>,
        known: Result<Request>,
        all: &Marketplaces,
        world: &World<'_>,
    ) -> Result<Self> {
        // A marketplace that is no longer registered has no say any more.
        let origin = entry.marketplace.as_ref().filter(|origin| all.get(&origin.name).is_ok());
        let wanted =
            origin.map_or(Ok(WantedEntry::default()), |origin| marketplace::want_of(origin, all, world))?;
        let WantedEntry { requirement: want, is_inside, version, needs: plugin_needs } = wanted;
        if let Some(EntryRequirement::Elsewhere { request, integrity }) = want {
            let mut target = Self {
                request: *request,
                integrity,
                package: None,
                version,
                plugin_needs,
                tagged_as: None,
                is_entry: true,
            };
            // What came because of a range stays in it.
            if let Some(range @ ReferenceRecord::Range(_)) = &entry.reference
                && is_inside
                && target.request.source.is_git()
            {
                target.request.reference = range.to_reference()?;
                target.tagged_as = origin.map(|origin| origin.entry.clone());
            }
            return Ok(target);
        }
        let mut request = known?;
        request.reference =
            entry.reference.as_ref().map_or(Ok(Reference::Default), ReferenceRecord::to_reference)?;
        let package = match want {
            Some(EntryRequirement::Npm(package)) => Some(package),
            _ => None,
        };
        let is_entry = package.is_some();
        Ok(Self { request, integrity: None, package, version, plugin_needs, tagged_as: None, is_entry })
    }

    /// Opens it as it is now.
    ///
    /// # Errors
    /// Those of [`fetch::open_source`] and [`npm::open_npm`].
    pub(super) fn open<'w>(&self, world: &'w World<'w>) -> Result<PackageSource<'w>> {
        let options = OpenOptions { integrity: self.integrity.as_ref(), ..OpenOptions::default() };
        match &self.package {
            Some(package) => npm::open_npm(package, world),
            None => fetch::open_source(&self.request, options, world),
        }
    }
}

/// A source as [`look`] left it, for `update` to go on with.
pub(super) enum OpenedSource<'w> {
    Source(Box<PackageSource<'w>>),
    /// A repository of which only the refs are known; over ssh its session is open still.
    Remote(Box<Remote<'w>>),
}

/// What [`look`] found, and the sources that it opened on the way.
#[derive(Default)]
pub(crate) struct SourceStatuses<'w> {
    pub(crate) statuses: Vec<UpdateStatus>,
    pub(super) sources: BTreeMap<Key, OpenedSource<'w>>,
}

/// One skill and what it follows.
struct Followed<'a> {
    name: &'a SkillName,
    entry: &'a SkillSummary<'a>,
    target: Result<Arc<UpdateTarget>>,
}

/// What skills follow, each worked out once: thousands of skills have few sources.
#[derive(Default)]
struct FollowedTargets<'a> {
    requests: BTreeMap<&'a str, Result<Request>>,
    /// Of skills that follow their own source and reference.
    own: HashMap<(&'a str, Option<&'a ReferenceRecord>), FollowedTarget>,
}

/// A target, and the text of its source.
type FollowedTarget = (Result<Arc<UpdateTarget>>, Arc<str>);

impl<'a> FollowedTargets<'a> {
    fn find(&mut self, entry: &'a SkillSummary<'a>, all: &Marketplaces, world: &World<'_>) -> FollowedTarget {
        let source: &str = &entry.source;
        let key = (source, entry.reference.as_ref());
        // What a catalogue led to follows its entry.
        let is_own = entry.marketplace.is_none();
        if let Some(known) = self.own.get(&key).filter(|_| is_own) {
            return known.clone();
        }
        let request = self.requests.entry(source).or_insert_with(|| Request::parse(source)).clone();
        let target = UpdateTarget::of(entry, request, all, world).map(Arc::new);
        let text =
            target.as_ref().map_or_else(|_| source.to_owned(), |known| known.request.source.to_string());
        let found: FollowedTarget = (target, text.into());
        if is_own {
            self.own.insert(key, found.clone());
        }
        found
    }
}

/// Asks the sources of `skills`, several at once: one listing for each repository and, where a
/// commit is another one now, its trees. What could not be asked says so.
///
/// # Errors
/// `Interrupted` when the command is to end.
pub(crate) fn look<'w>(
    skills: &[(&SkillName, &SkillSummary<'_>)],
    all: &Marketplaces,
    world: &'w World<'w>,
) -> Result<SourceStatuses<'w>> {
    let mut groups: BTreeMap<Arc<str>, Vec<Followed<'_>>> = BTreeMap::new();
    let mut targets = FollowedTargets::default();
    for (name, entry) in skills {
        let (target, source) = targets.find(entry, all, world);
        groups.entry(source).or_default().push(Followed { name, entry, target });
    }
    let groups: Vec<_> = groups.into_values().collect();
    let check = || world.check_cancelled();
    let looked =
        parallel::run_jobs(parallel::MAX_HOSTS, &groups, check, |skills| Ok(look_at(skills, world)))?;
    // One that was stopped meanwhile is not one that failed.
    check()?;
    let mut looked = looked.into_iter();
    let mut all = looked.next().unwrap_or_default();
    for one in looked {
        all.statuses.extend(one.statuses);
        all.sources.extend(one.sources);
    }
    all.statuses.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(all)
}

/// What was found out of one skill so far.
struct FoundStatus {
    state: State,
    resolved: Option<Arc<Resolved>>,
    /// The newest version, where it is another one.
    newest: Option<Resolved>,
    reason: Option<String>,
    /// What a registry says of the version that an update would go to.
    published: Option<Arc<PublishedVersion>>,
    /// Why a registry took the installed one down.
    revoked: Option<String>,
}

impl From<State> for FoundStatus {
    fn from(state: State) -> Self {
        Self { state, resolved: None, newest: None, reason: None, published: None, revoked: None }
    }
}

/// All skills of one source: first what their references are, then what these have.
fn look_at<'w>(skills: &[Followed<'_>], world: &'w World<'w>) -> SourceStatuses<'w> {
    let moving =
        skills.iter().filter(|skill| !skill.entry.pinned).find_map(|skill| skill.target.as_ref().ok());
    let mut remote = moving
        .filter(|target| target.request.source.is_git())
        .map(|target| Remote::open(&target.request.source, &world.git));
    let mut known = KnownReferences::default();
    let resolve = |skill: &Followed<'_>| match (&skill.target, &remote) {
        _ if skill.entry.mode == InstallMode::Live => status_of_live_skill(skill.entry, world),
        _ if skill.entry.pinned => Ok(State::Held.into()),
        (Err(error), _) | (Ok(_), Some(Err(error))) => Err(error.clone()),
        (Ok(target), _) if target.package.is_some() => package(target, skill.entry, world),
        (Ok(target), _) if target.request.source.as_registry_skill().is_some() => {
            in_registry(target, skill.entry, world)
        }
        (Ok(target), Some(Ok(remote))) => in_repository(remote, skill, target, &mut known),
        (Ok(target), None) => status_of_moved_source(target, skill.entry),
    };
    let found: Vec<Result<FoundStatus>> = skills.iter().map(resolve).collect();
    let mut looked = SourceStatuses::default();
    let mut offered: BTreeMap<Key, Offered> = BTreeMap::new();
    for (skill, found) in skills.iter().zip(found) {
        let mut status = status(skill, found);
        if status.state == State::Behind
            && let Some(key) = status.key()
        {
            let offered = offered.entry(key.clone()).or_default();
            let compared = compare(
                &status,
                skill,
                remote.take_if(|r| r.is_ok()),
                &mut looked.sources,
                key,
                offered,
                world,
            );
            match compared {
                Ok((state, reason)) => (status.state, status.reason) = (state, reason),
                Err(error) => (status.state, status.error) = (State::Failed, Some(error)),
            }
        }
        looked.statuses.push(status);
    }
    looked
}

fn status_of_live_skill(entry: &SkillSummary<'_>, world: &World<'_>) -> Result<FoundStatus> {
    let request = Request::parse(&entry.source)?;
    match fetch::local_folder(&request.source, world) {
        Ok(folder) if entry.path.as_deref().is_none_or(|path| folder.join(path).is_dir()) => {
            Ok(State::Live.into())
        }
        Err(error) if error.kind != Kind::NotFound => Err(error),
        _ => Ok(FoundStatus {
            reason: Some(format!("the target of its live link no longer exists: {}", entry.source)),
            ..State::Gone.into()
        }),
    }
}

/// What references are now, by whose they are; a range may be another tag for each skill.
type KnownReferences = HashMap<*const UpdateTarget, Result<Arc<Resolved>>>;

fn in_repository(
    remote: &Remote<'_>,
    skill: &Followed<'_>,
    target: &Arc<UpdateTarget>,
    known: &mut KnownReferences,
) -> Result<FoundStatus> {
    // A commit that a person named stays; one that a catalogue names moves with the catalogue.
    if matches!(target.request.reference, Reference::Sha(_)) && !target.is_entry {
        return Ok(State::Held.into());
    }
    let own = skill.entry.alias_of.as_deref().unwrap_or(skill.name.as_str());
    let own = target.tagged_as.as_deref().unwrap_or(own);
    let resolve = || remote.resolve(&target.request.reference, None, Some(own)).map(Arc::new);
    let resolved = match target.request.reference {
        Reference::Range(_) => resolve()?,
        _ => known.entry(Arc::as_ptr(target)).or_insert_with(resolve).clone()?,
    };
    let same = skill.entry.pin.to_revision()? == resolved.pin;
    let state = if same { State::Current } else { State::Behind };
    let newest = newest_version(remote, &resolved, own);
    Ok(FoundStatus { resolved: Some(resolved), newest, ..state.into() })
}

/// The highest version of all, where a range or a tag leads to a lower one.
fn newest_version(remote: &Remote<'_>, resolved: &Resolved, own: &str) -> Option<Resolved> {
    let wanted = match &resolved.reference {
        Reference::Range(_) => resolved.chosen.as_deref()?,
        Reference::Tag(tag) => tag,
        _ => return None,
    };
    let all = ReferenceRecord::Range("*".to_owned()).to_reference().ok()?;
    let newest = remote.resolve(&all, None, Some(own)).ok()?;
    is_newer_tag(newest.chosen.as_deref()?, wanted, own).then_some(newest)
}

/// What a registry has of a skill: never a lower version than is installed, unless that one was
/// taken down.
fn in_registry(target: &UpdateTarget, entry: &SkillSummary<'_>, world: &World<'_>) -> Result<FoundStatus> {
    let request = &target.request;
    let Some((choice, skill)) = request.source.as_registry_skill() else { return Ok(State::Unknown.into()) };
    let url = world.settings.remote_registries.address_for(choice, skill)?;
    let registry = RemoteRegistry::open(&url, world)?;
    let versions = registry.versions(skill)?;
    let pin = entry.pin.to_revision()?;
    let is_pinned = |line: &&PublishedVersion| pin == Revision::Archive(line.digest.as_hex().to_owned());
    let installed = versions.lines.iter().find(is_pinned);
    let revoked = find_revocation(&registry, installed, &entry.pin)?;
    let chosen = registry.choose(&versions, request);
    let is_lower = |line: &&PublishedVersion| {
        revoked.is_none() && installed.is_some_and(|installed| line.version < installed.version)
    };
    let wanted = match &chosen {
        Ok(line) if is_lower(line) => installed,
        Ok(line) => Some(*line),
        Err(error) => match installed {
            Some(installed) if revoked.is_none() => Some(installed),
            _ if revoked.is_some() => None,
            _ => return Err(error.clone()),
        },
    };
    let resolved = |line: &PublishedVersion| Resolved {
        source: request.source.clone(),
        reference: request.reference.clone(),
        chosen: Some(line.version.to_string()),
        pin: Revision::Archive(line.digest.as_hex().to_owned()),
        subdirectory: None,
    };
    let state = match wanted {
        None => State::Gone,
        Some(line) if is_pinned(&line) => State::Current,
        Some(_) => State::Behind,
    };
    let newest = registry
        .newest(&versions)
        .filter(|newest| wanted.is_none_or(|wanted| newest.version > wanted.version));
    let reason = match (&revoked, state) {
        (Some(_), State::Behind) => None,
        (Some(why), _) => Some(why.clone()),
        (None, _) => installed
            .and_then(describe_yank)
            .or_else(|| {
                newest.and_then(|newest| {
                    registry.is_too_new(newest).then(|| describe_young(newest, world.env.now))
                })
            })
            .filter(|_| state == State::Current),
    };
    Ok(FoundStatus {
        state,
        resolved: wanted.map(|line| Arc::new(resolved(line))),
        newest: newest.map(resolved),
        reason,
        published: wanted.cloned().map(Arc::new),
        revoked,
    })
}

/// Why the installed version was taken down, if it was.
fn find_revocation(
    registry: &RemoteRegistry<'_>,
    installed: Option<&PublishedVersion>,
    pin: &RevisionRecord,
) -> Result<Option<String>> {
    let in_line = installed.and_then(Revocation::of_version);
    let listed = registry.revocations()?;
    let listed = listed.iter().find(|one| pin.archive.as_deref() == Some(one.digest.to_string().as_str()));
    Ok(in_line.as_ref().or(listed).map(describe_revocation))
}

fn describe_yank(line: &PublishedVersion) -> Option<String> {
    let reason = line.yank_reason.as_deref().map(|reason| format!(": {}", printable(reason, false)));
    line.yanked.then(|| format!("{} was yanked by its publisher{}", line.version, reason.unwrap_or_default()))
}

fn describe_young(line: &PublishedVersion, now: Timestamp) -> String {
    let age = format_age(line.published_at, now);
    format!("{} was published {age}, and `minimum_release_age` waits longer", line.version)
}

fn package(target: &UpdateTarget, entry: &SkillSummary<'_>, world: &World<'_>) -> Result<FoundStatus> {
    let Some(package) = &target.package else { return Ok(State::Unknown.into()) };
    let resolved = npm::find_newer(package, &entry.source, world)?;
    let same = resolved.as_ref().is_some_and(|now| Ok(&now.pin) == entry.pin.to_revision().as_ref());
    let state = if same { State::Current } else { State::Behind };
    Ok(FoundStatus { resolved: resolved.map(Arc::new), ..state.into() })
}

fn status_of_moved_source(target: &UpdateTarget, entry: &SkillSummary<'_>) -> Result<FoundStatus> {
    if let Some(promised) = &target.integrity {
        let same = entry.pin.archive.as_deref() == Some(promised.to_string().as_str());
        return Ok(if same { State::Current } else { State::Behind }.into());
    }
    // Without a source nothing can be newer.
    if matches!(&target.request.source, Source::Own { .. }) {
        return Ok(State::Current.into());
    }
    if matches!(&target.request.source, Source::Archive { location } if location.contains("://")) {
        return Ok(State::Unknown.into());
    }
    // What costs little to look at is looked at.
    Ok(State::Behind.into())
}

/// Whether a skill whose source seems to have moved is another one there.
fn compare<'w>(
    status: &UpdateStatus,
    skill: &Followed<'_>,
    remote: Option<Result<Remote<'w>>>,
    sources: &mut BTreeMap<Key, OpenedSource<'w>>,
    key: Key,
    offered: &Offered,
    world: &'w World<'w>,
) -> Result<(State, Option<String>)> {
    let Ok(target) = &skill.target else { return Ok((status.state, None)) };
    let is_told_by_digest = target.package.is_some() || target.integrity.is_some();
    if is_told_by_digest || target.request.source.as_registry_skill().is_some() {
        return Ok((status.state, None));
    }
    if !sources.contains_key(&key) {
        sources.insert(key.clone(), open(status, target, remote, world)?);
    }
    let Some(OpenedSource::Source(source)) = sources.get_mut(&key) else { return Ok((status.state, None)) };
    let is_git = source.resolved.source.is_git();
    let recorded = Request::parse(&skill.entry.source)?.source;
    if is_git && !is_same_place(&recorded, &source.resolved.source, &world.settings.hosts) {
        return Ok((State::Behind, None));
    }
    // A folder that no source can have is not there either.
    let folder = RelPath::of_folder(skill.entry.path.as_deref().unwrap_or("")).ok();
    let Some(folder) = folder.filter(|folder| gather::is_skill(source.listing(), folder)) else {
        return match offered.find(skill.name, skill.entry, source, &world.settings.limits)? {
            Ok(_) => Ok((State::Behind, None)),
            Err(gone) => Ok((State::Gone, Some(gone))),
        };
    };
    let same = match (source.folder_id(&folder), &skill.entry.pin.tree) {
        (Some(now), Some(then)) => now == *then,
        _ => source.ensure_folders(&[&folder])?.dir(&folder).digest()? == skill.entry.digest,
    };
    Ok((
        if !same {
            State::Behind
        } else if is_git {
            State::Moved
        } else {
            State::Current
        },
        None,
    ))
}

/// Opens a source where its listing costs little: not where all of a repository would come
/// with it. That hangs on the host alone, so that the cache does not decide what is said;
/// without a connection there is nothing but the cache.
fn open<'w>(
    status: &UpdateStatus,
    target: &UpdateTarget,
    remote: Option<Result<Remote<'w>>>,
    world: &'w World<'w>,
) -> Result<OpenedSource<'w>> {
    let Some(resolved) = &status.resolved else {
        return target.open(world).map(|source| OpenedSource::Source(Box::new(source)));
    };
    let remote = remote.unwrap_or_else(|| Remote::open(&resolved.source, &world.git))?;
    let Revision::Commit(sha) = &resolved.pin else { return Ok(OpenedSource::Remote(Box::new(remote))) };
    let is_cheap = match world.offline {
        true => remote.is_at_hand(sha),
        false => remote.is_local() || remote.supports_filter()?,
    };
    if !is_cheap {
        return Ok(OpenedSource::Remote(Box::new(remote)));
    }
    let source = PackageSource::of_commit(remote, resolved.as_ref().clone(), Extent::Partial)?;
    if let Some(cache) = &world.cache {
        source.remember(cache);
    }
    Ok(OpenedSource::Source(Box::new(source)))
}

fn status(skill: &Followed<'_>, found: Result<FoundStatus>) -> UpdateStatus {
    let (FoundStatus { state, resolved, newest, reason, published, revoked }, error) = match found {
        Ok(found) => (found, None),
        Err(error) => (State::Failed.into(), Some(error)),
    };
    let entry = skill.entry;
    let reference = entry.reference.as_ref();
    let pin = resolved.as_ref().map(|r| RevisionRecord::of(&r.pin, r.chosen.as_deref(), None));
    let current = FollowedRevision::from(entry);
    let wanted = pin.as_ref().map(|pin| FollowedRevision { pin, reference, pinned: false });
    let has_moved =
        wanted.is_some_and(|now| now.label() == current.label() && now.pin.commit != current.pin.commit);
    let name_of = |one: FollowedRevision<'_>| if has_moved { one.exact_label() } else { one.label() };
    let (now, commit) = (wanted.and_then(name_of), pin.as_ref().and_then(|pin| pin.commit.clone()));
    let (latest, latest_commit) = match newest {
        Some(Resolved { chosen, pin: Revision::Commit(sha), .. }) => (chosen, Some(sha.to_string())),
        Some(Resolved { chosen, .. }) => (chosen, None),
        _ => (now.clone(), commit.clone()),
    };
    let asked = match reference {
        Some(ReferenceRecord::Branch(name) | ReferenceRecord::Tag(name)) => Some(name.clone()),
        _ => None,
    };
    UpdateStatus {
        name: skill.name.clone(),
        source: entry.source.to_string(),
        current: name_of(current),
        wanted: now,
        latest,
        current_commit: entry.pin.commit.clone(),
        wanted_commit: commit,
        latest_commit,
        follows: current.followed(),
        chosen: pin.and_then(|pin| pin.chosen).or(asked),
        state,
        reason,
        error,
        revoked,
        published,
        resolved,
        target: skill.target.as_ref().ok().cloned(),
    }
}
