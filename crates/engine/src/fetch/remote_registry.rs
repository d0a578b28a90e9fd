//! World: skills that a remote registry serves, which is a folder of files behind an address. Of
//! its files only GET is asked: the lines of a skill's versions, then the archive of one of them.
//!
//! Nothing is taken on trust: an archive is held to the digest of its line, its files to the digest
//! of the tree, and the lines to those that were seen before, of which none may vanish or change.
//! Mirrors are asked first; which of them answers decides nothing, since all of them must say the
//! same. What one registry does not have is looked for in no other.

mod api;
mod copies;
mod places;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};

use super::{OpenOptions, PackageSource, World};
use crate::registry_tokens;
use crate::settings::remote_registries::ConfiguredRegistry;
pub(crate) use api::RegistryApi;
use ba_agent_archive::open_archive;
use ba_agent_core::digest::Digest;
use ba_agent_core::error::{Error, Kind, Result, error, printable};
use ba_agent_core::package::Package;
use ba_agent_core::path::RelPath;
use ba_agent_core::remote_registry::{
    BlobTemplate, DESCRIPTION_FILE, MAX_INDEX_BYTES, PublishedVersion, REVOKED_FILE, RegistryDescription,
    Revocation, ScopedName, VersionWanted, choose_version, parse_revocations, parse_version_index,
    version_index_path, version_key,
};
use ba_agent_core::skill::{self, MANIFEST, Profile};
use ba_agent_core::source::{RegistryChoice, Request, Resolved, Revision, Source};
use ba_agent_net::credentials::Login;
use ba_agent_net::hosts::Secret;
use copies::RegistryCopy;
use places::{PlaceAnswer, RegistryPlace};

/// For so long what a registry says of itself is not asked for again.
const DESCRIPTION_AGE: SignedDuration = SignedDuration::from_mins(5);
/// The same of what it has taken down.
const REVOCATIONS_AGE: SignedDuration = SignedDuration::from_secs(60);
/// Bytes of `registry.json`.
const MAX_DESCRIPTION: u64 = 1 << 20;
/// Bytes of `revoked.jsonl`.
const MAX_REVOKED: u64 = 64 << 20;

/// What one command has asked of registries: nothing is asked for twice.
#[derive(Default)]
pub(crate) struct RegistryMemory {
    versions: Mutex<BTreeMap<(String, String), Arc<PublishedVersions>>>,
    revocations: Mutex<BTreeMap<String, Arc<Vec<Revocation>>>>,
    warnings: Mutex<BTreeSet<String>>,
}

impl RegistryMemory {
    /// True the first time that this is to be said.
    pub(crate) fn is_new_warning(&self, text: &str) -> bool {
        self.warnings.lock().unwrap_or_else(PoisonError::into_inner).insert(text.to_owned())
    }
}

/// The versions of one skill.
#[derive(Debug)]
pub(crate) struct PublishedVersions {
    pub(crate) lines: Vec<PublishedVersion>,
    /// When they were asked for, where that was not now: without a connection.
    pub(crate) as_of: Option<Timestamp>,
}

/// A remote registry, as one command reaches it.
pub(crate) struct RemoteRegistry<'w> {
    world: &'w World<'w>,
    url: String,
    configured: Option<&'w ConfiguredRegistry>,
    /// Its mirrors, then itself.
    places: Vec<RegistryPlace>,
    token: TokenChoice,
}

/// Which token goes with a request.
#[derive(Default)]
enum TokenChoice {
    /// The one that is kept, where the user has named the registry.
    #[default]
    Kept,
    None,
    This(Secret),
}

/// Says whether bytes can be the file, beside the copy that is kept of it.
type FileCheck<'c> = &'c dyn Fn(&[u8], Option<&RegistryCopy>) -> Result<()>;

/// A file of a registry.
struct RegistryFile {
    bytes: Vec<u8>,
    at: Timestamp,
}

/// Opens what `request` names, at the version that it wants or, of a record, that was recorded.
///
/// # Errors
/// `NotFound` for a skill or version that is not there, `Integrity` for what was taken down, for
/// other bytes than promised and for a registry that says something else than before; `Auth`,
/// `Network`, `Invalid` as for every source.
pub(super) fn open_registry_skill<'w>(
    request: &Request,
    options: OpenOptions<'_>,
    world: &'w World<'w>,
) -> Result<PackageSource<'w>> {
    let Source::RemoteRegistry { registry, skill } = &request.source else {
        return Err(error!(Failed, "`{}` is not a skill of a registry", request.source));
    };
    let url = world.settings.remote_registries.address_for(registry, skill)?;
    let registry = RemoteRegistry::open(&url, world)?;
    world.progress.begin(&format!("Fetching {skill}"));
    let resolved = |digest: &Digest, version: Option<String>| Resolved {
        source: Source::RemoteRegistry { registry: RegistryChoice::At(url.clone()), skill: skill.clone() },
        reference: request.reference.clone(),
        chosen: version,
        pin: Revision::Archive(digest.as_hex().to_owned()),
        subdirectory: None,
    };
    if let Some(digest) = options.integrity.filter(|_| options.is_recorded) {
        registry.check_not_revoked(skill, digest)?;
        let bytes = registry.archive(skill, digest, world.settings.limits.download)?;
        let package = open_archive("skill.tar.gz", &bytes, &world.settings.limits)?;
        return Ok(PackageSource::whole(resolved(digest, None), package));
    }
    let versions = registry.versions(skill)?;
    let line = registry.choose(&versions, request)?;
    if let Some(promised) = options.integrity.filter(|promised| **promised != line.digest) {
        return Err(error!(Integrity, "`{skill}` {} is not the archive that was expected", line.version)
            .cause(format!("expected: {promised}"))
            .cause(format!("published: {}", line.digest))
            .hint("nothing was changed; ask its publisher which one is right"));
    }
    let package = registry.package(line)?;
    let resolved = resolved(&line.digest, Some(line.version.to_string()));
    Ok(PackageSource::published(resolved, package, line.clone(), versions.as_of))
}

impl<'w> RemoteRegistry<'w> {
    /// The registry at an address that the settings know or do not know. Nothing is asked yet.
    ///
    /// # Errors
    /// `Usage` for an address that may not be asked.
    pub(crate) fn open(url: &str, world: &'w World<'w>) -> Result<Self> {
        let configured = world.settings.remote_registries.at(url);
        let mirrors = configured.map_or(&[][..], |one| &one.mirrors);
        let places = mirrors.iter().map(String::as_str).chain([url]);
        let places = places.map(|place| RegistryPlace::parse(place, world)).collect::<Result<_>>()?;
        Ok(Self { world, url: url.to_owned(), configured, places, token: TokenChoice::Kept })
    }

    /// The same registry, asked with this token.
    pub(crate) fn with_token(self, token: Secret) -> Self {
        Self { token: TokenChoice::This(token), ..self }
    }

    /// The same registry, asked as nobody in particular.
    pub(crate) fn without_token(self) -> Self {
        Self { token: TokenChoice::None, ..self }
    }

    /// What the settings say of it, if they name it.
    pub(crate) fn configured(&self) -> Option<&'w ConfiguredRegistry> {
        self.configured
    }

    /// What messages call it: its name in the settings, else its address.
    pub(crate) fn spoken_name(&self) -> String {
        self.configured.map_or_else(|| printable(&self.url, false), |one| one.name.clone())
    }

    /// The token for it, if the user has one and has named the registry.
    fn login(&self) -> Result<Option<Login>> {
        let Some(configured) = self.configured.filter(|one| !one.is_of_project) else { return Ok(None) };
        let Some(RegistryPlace::Web(url)) = self.places.last() else { return Ok(None) };
        let token = match &self.token {
            TokenChoice::Kept => registry_tokens::find_token(self.world.env, configured)?,
            TokenChoice::None => None,
            TokenChoice::This(token) => Some(token.clone()),
        };
        Ok(token.map(|token| Login::of_token(url, token)))
    }

    /// What the registry says of itself; not older than five minutes, or asked now.
    ///
    /// # Errors
    /// Those of asking; `Integrity` for a log that is signed with another key than the settings say.
    pub(crate) fn description(&self, now: bool) -> Result<RegistryDescription> {
        let age = if now { SignedDuration::ZERO } else { DESCRIPTION_AGE };
        let file = self.file(DESCRIPTION_FILE, MAX_DESCRIPTION, age, &|bytes, _| {
            RegistryDescription::parse(bytes).map(drop)
        })?;
        let description = RegistryDescription::parse(&file.bytes)?;
        let pinned = self.configured.and_then(|one| one.log_key.as_deref());
        let found = description.log.as_ref().map(|log| log.key.as_str());
        if let Some(pinned) = pinned.filter(|pinned| found != Some(*pinned)) {
            return Err(error!(
                Integrity,
                "the log of `{}` is not signed with the key that it had",
                self.spoken_name()
            )
            .cause(format!("expected: {}", printable(pinned, false)))
            .cause(format!("received: {}", found.map_or("none".to_owned(), |key| printable(key, false))))
            .hint(
                "nothing was changed; ask who runs it, and add it again with `--force` if they changed it",
            ));
        }
        Ok(description)
    }

    /// When the copy of what it says of itself was made; `None` where there is none.
    pub(crate) fn description_copied_at(&self) -> Option<Timestamp> {
        self.copy(DESCRIPTION_FILE).map(|copy| copy.at)
    }

    /// The versions of a skill, asked for once in a command.
    ///
    /// # Errors
    /// `NotFound` for a skill that it does not have; `Integrity` for lines that cannot be right, and
    /// where one that was seen before is gone or another one; those of asking.
    pub(crate) fn versions(&self, skill: &ScopedName) -> Result<Arc<PublishedVersions>> {
        let key = (self.url.clone(), skill.to_string());
        let memory = &self.world.registries.versions;
        if let Some(known) = memory.lock().unwrap_or_else(PoisonError::into_inner).get(&key) {
            return Ok(Arc::clone(known));
        }
        let path = version_index_path(skill);
        let file = self
            .file(&path, MAX_INDEX_BYTES, SignedDuration::ZERO, &|bytes, before| {
                let lines = parse_version_index(skill, bytes)?;
                let before = before.and_then(|copy| parse_version_index(skill, &copy.bytes).ok());
                check_continuity(skill, &before.unwrap_or_default(), &lines)
            })
            .map_err(|error| self.explain_missing(error, skill))?;
        let lines = parse_version_index(skill, &file.bytes)?;
        let as_of = self.world.offline.then_some(file.at);
        let versions = Arc::new(PublishedVersions { lines, as_of });
        memory.lock().unwrap_or_else(PoisonError::into_inner).insert(key, Arc::clone(&versions));
        Ok(versions)
    }

    fn explain_missing(&self, error: Error, skill: &ScopedName) -> Error {
        if error.kind != Kind::NotFound {
            return error;
        }
        let error = error.wrap(format!("`{skill}` is not in the registry `{}`", self.spoken_name()));
        error.hint(format!("is it another skill of `{}`, or another owner's?", skill.owner()))
    }

    /// The version that a request wants, of those that may be taken.
    ///
    /// # Errors
    /// Those of [`choose_version`].
    pub(crate) fn choose<'v>(
        &self,
        versions: &'v PublishedVersions,
        request: &Request,
    ) -> Result<&'v PublishedVersion> {
        let wanted = request.reference.to_version_wanted();
        let revoked = self.known_revocations();
        choose_version(&versions.lines, &wanted, self.world.env.now, self.minimum_age(), &revoked)
    }

    /// The highest version that is offered and no pre-release, however young it is.
    pub(crate) fn newest<'v>(&self, versions: &'v PublishedVersions) -> Option<&'v PublishedVersion> {
        choose_version(
            &versions.lines,
            &VersionWanted::Newest,
            self.world.env.now,
            None,
            &self.known_revocations(),
        )
        .ok()
    }

    /// True for a version that is not to be taken yet.
    pub(crate) fn is_too_new(&self, line: &PublishedVersion) -> bool {
        self.minimum_age().is_some_and(|least| self.world.env.now.duration_since(line.published_at) < least)
    }

    fn minimum_age(&self) -> Option<SignedDuration> {
        let seconds = i64::try_from(self.world.settings.minimum_release_age).unwrap_or(i64::MAX);
        (seconds > 0).then(|| SignedDuration::from_secs(seconds))
    }

    /// The files of a version: out of the cache, else out of its archive.
    ///
    /// # Errors
    /// `Integrity` for other bytes or another tree than the line says, and for a `SKILL.md` of
    /// another name; `Invalid` for an archive that is refused; those of asking.
    fn package(&self, line: &PublishedVersion) -> Result<Package> {
        if let Some(package) = self.world.cache.as_ref().and_then(|cache| cache.get(&line.tree)) {
            return Ok(package);
        }
        let limits = &self.world.settings.limits;
        let (name, version) = (&line.name, &line.version);
        if line.size > limits.download {
            return Err(error!(
                Invalid,
                "`{name}` {version} has {} bytes; the limit for an archive is {}", line.size, limits.download
            )
            .hint("raise `skills.limits.download` in config.yaml if you trust it"));
        }
        let bytes = self.archive(name, &line.digest, line.size)?;
        let package = open_archive("skill.tar.gz", &bytes, limits)?;
        let tree = package.dir(&RelPath::ROOT).digest()?;
        if tree != line.tree {
            return Err(error!(
                Integrity,
                "the files of `{name}` {version} are not those that were published"
            )
            .cause(format!("expected: {}", line.tree))
            .cause(format!("received: {tree}"))
            .hint("nothing was changed; tell who runs the registry"));
        }
        self.check_own_name(name, &package)?;
        Ok(package)
    }

    fn check_own_name(&self, name: &ScopedName, package: &Package) -> Result<()> {
        let Some(entry) = package.listing.entry_at(MANIFEST) else { return Ok(()) };
        let limits = &self.world.settings.limits;
        if entry.size > limits.manifest {
            return Ok(());
        }
        let read = skill::read_manifest(MANIFEST, None, &package.read(entry)?, Profile::Install, limits);
        let own = read.frontmatter.and_then(|front| front.name).unwrap_or_default();
        if own == name.name().as_str() {
            return Ok(());
        }
        Err(error!(Integrity, "what is published as `{name}` calls itself `{}`", printable(&own, false))
            .hint("nothing was changed; tell who runs the registry"))
    }

    /// The bytes of an archive, at most so many, of whichever place has the right ones.
    fn archive(&self, name: &ScopedName, digest: &Digest, most: u64) -> Result<Vec<u8>> {
        if self.world.offline && !self.places.iter().any(RegistryPlace::is_folder) {
            return Err(error!(NotFound, "the archive of `{name}` is not in the cache")
                .hint("run it once without `--offline`, then the cache has it"));
        }
        let copied =
            self.copy(DESCRIPTION_FILE).and_then(|copy| RegistryDescription::parse(&copy.bytes).ok());
        let template = copied.map(|description| description.blobs).unwrap_or_default();
        match self.archive_at(&template, name, digest, most) {
            // Where archives are is what the registry says now.
            Err(missing) if missing.kind == Kind::NotFound => match self.description(true) {
                Ok(now) if now.blobs != template => self.archive_at(&now.blobs, name, digest, most),
                _ => Err(missing),
            },
            answer => answer,
        }
    }

    fn archive_at(
        &self,
        template: &BlobTemplate,
        name: &ScopedName,
        digest: &Digest,
        most: u64,
    ) -> Result<Vec<u8>> {
        let path = template.path_of(digest);
        let mut failed = None;
        for place in &self.places {
            let answer = self.ask(place, &path, None, most).and_then(|answer| match answer {
                PlaceAnswer::Bytes { bytes, .. } if Digest::of(&bytes) == *digest => Ok(bytes),
                PlaceAnswer::Bytes { bytes, .. } => Err(self.error_of_other_bytes(name, digest, &bytes)),
                PlaceAnswer::NotModified => {
                    Err(error!(Network, "{} says that a copy is current, and none was named", place.shown()))
                }
            });
            match answer {
                Ok(bytes) => return Ok(bytes),
                Err(error) => failed = Some(worse(failed, error)),
            }
        }
        let error = failed.unwrap_or_else(|| error!(NotFound, "the registry has no place"));
        Err(error.wrap(format!("the archive of `{name}` cannot be fetched from `{}`", self.spoken_name())))
    }

    fn error_of_other_bytes(&self, name: &ScopedName, digest: &Digest, bytes: &[u8]) -> Error {
        error!(Integrity, "the archive of `{name}` has other bytes than its digest says")
            .cause(format!("expected: {digest}"))
            .cause(format!("received: {}", Digest::of(bytes)))
            .hint("nothing was changed; tell who runs the registry, or the mirror")
    }

    /// What was taken down, as far as this machine knows it already.
    pub(crate) fn known_revocations(&self) -> Vec<Revocation> {
        let copy = self.copy(REVOKED_FILE);
        copy.and_then(|copy| parse_revocations(&copy.bytes).ok()).unwrap_or_default()
    }

    /// What was taken down, not older than a minute, or as it was last known where nobody answers.
    ///
    /// # Errors
    /// `Integrity` for a list that cannot be read.
    pub(crate) fn revocations(&self) -> Result<Arc<Vec<Revocation>>> {
        let memory = &self.world.registries.revocations;
        if let Some(known) = memory.lock().unwrap_or_else(PoisonError::into_inner).get(&self.url) {
            return Ok(Arc::clone(known));
        }
        let check = |bytes: &[u8], _: Option<&RegistryCopy>| parse_revocations(bytes).map(drop);
        let list = match self.file(REVOKED_FILE, MAX_REVOKED, REVOCATIONS_AGE, &check) {
            Ok(file) => parse_revocations(&file.bytes)?,
            Err(error) if error.kind == Kind::NotFound => {
                // That there is none is worth keeping too.
                self.keep(REVOKED_FILE, &RegistryCopy::of_nothing(self.world.env.now));
                Vec::new()
            }
            Err(error) if matches!(error.kind, Kind::Network | Kind::Auth) => self.known_revocations(),
            Err(error) => return Err(error),
        };
        let list = Arc::new(list);
        memory.lock().unwrap_or_else(PoisonError::into_inner).insert(self.url.clone(), Arc::clone(&list));
        Ok(list)
    }

    /// # Errors
    /// `Integrity` for a digest that was taken down; those of [`RemoteRegistry::revocations`].
    fn check_not_revoked(&self, name: &ScopedName, digest: &Digest) -> Result<()> {
        match self.revocations()?.iter().find(|one| one.digest == *digest) {
            Some(revocation) => Err(error_of_revoked(name, revocation)),
            None => Ok(()),
        }
    }

    /// A file of the registry: of a copy that is young enough, else of the first place that answers
    /// with what passes `check`, which is given the copy too.
    fn file(&self, path: &str, most: u64, age: SignedDuration, check: FileCheck<'_>) -> Result<RegistryFile> {
        let (copy, now) = (self.copy(path), self.world.env.now);
        let is_young = |copy: &RegistryCopy| now.duration_since(copy.at).abs() < age;
        let has_folder = self.places.iter().any(RegistryPlace::is_folder);
        if let Some(copy) = copy.as_ref().filter(|copy| is_young(copy) || (self.world.offline && !has_folder))
        {
            return Ok(RegistryFile { bytes: copy.bytes.clone(), at: copy.at });
        }
        let mut failed = None;
        for place in &self.places {
            let known = copy.as_ref().filter(|copy| copy.from == place.shown() && !copy.etag.is_empty());
            match self.ask(place, path, known.map(|copy| copy.etag.as_str()), most) {
                Ok(PlaceAnswer::NotModified) => {
                    let Some(known) = known else { continue };
                    self.keep(path, &RegistryCopy { at: now, ..known.clone() });
                    return Ok(RegistryFile { bytes: known.bytes.clone(), at: now });
                }
                Ok(PlaceAnswer::Bytes { bytes, etag }) => match check(&bytes, copy.as_ref()) {
                    Ok(()) => {
                        let new = RegistryCopy { from: place.shown(), etag, at: now, bytes };
                        self.keep(path, &new);
                        return Ok(RegistryFile { bytes: new.bytes, at: now });
                    }
                    Err(error) => failed = Some(worse(failed, error)),
                },
                Err(error) => failed = Some(worse(failed, error)),
            }
        }
        if let Some(copy) = copy.filter(|_| self.world.offline) {
            return Ok(RegistryFile { bytes: copy.bytes, at: copy.at });
        }
        Err(failed.unwrap_or_else(|| error!(NotFound, "the registry has no place")))
    }

    fn ask(&self, place: &RegistryPlace, path: &str, etag: Option<&str>, most: u64) -> Result<PlaceAnswer> {
        let is_itself = self.places.last().is_some_and(|last| std::ptr::eq(last, place));
        let login = if is_itself { self.login()? } else { None };
        let name = self.configured.map(|one| one.name.as_str());
        place.ask(path, etag, most, login.as_ref(), name, self.world)
    }
}

/// Of two failures the one that says more: what is wrong goes before what is not there, and the
/// registry itself, which is asked last, before its mirrors.
fn worse(before: Option<Error>, now: Error) -> Error {
    match before {
        Some(before)
            if before.kind == Kind::Integrity
                || now.kind == Kind::NotFound && before.kind != Kind::NotFound =>
        {
            before
        }
        _ => now,
    }
}

/// What a registry took down, and why, in one sentence.
pub(crate) fn describe_revocation(one: &Revocation) -> String {
    format!("{} was taken down by its registry: {}", one.version, printable(&one.reason, false))
}

/// The error for what a registry took down.
pub(crate) fn error_of_revoked(name: &ScopedName, revocation: &Revocation) -> Error {
    error!(Integrity, "`{name}` {}", describe_revocation(revocation))
        .hint("nothing was installed; where it is installed, `ba-agent skill uninstall` removes it")
}

/// Holds the lines of a skill to those that were seen before: each is still there, and nothing of
/// it changed but whether it may be taken.
///
/// # Errors
/// `Integrity` for a line that is gone or another one.
fn check_continuity(skill: &ScopedName, before: &[PublishedVersion], now: &[PublishedVersion]) -> Result<()> {
    let lied = |why: String| {
        error!(Integrity, "the registry says something else of `{skill}` than before")
            .cause(why)
            .hint(
                "nothing was changed: its history was rewritten, or somebody answers for it; ask who runs it",
            )
            .hint("once that is explained, `ba-agent registry add` with `--force` forgets what was seen")
    };
    for old in before {
        let key = version_key(&old.version);
        let Some(new) = now.iter().find(|line| version_key(&line.version) == key) else {
            return Err(lied(format!("the version {} is no longer listed", old.version)));
        };
        // A log may have been begun since.
        let has_its_leaf = old.leaf.is_none() || old.leaf == new.leaf;
        let same = PublishedVersion {
            yanked: old.yanked,
            yank_reason: old.yank_reason.clone(),
            removed: old.removed.clone(),
            leaf: old.leaf,
            ..new.clone()
        };
        if !has_its_leaf || same != *old {
            let what =
                if new.digest == old.digest { "is described in another way" } else { "has other bytes" };
            return Err(lied(format!("the version {} {what}", old.version)));
        }
    }
    Ok(())
}
