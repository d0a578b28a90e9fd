//! Where the instructions of a skill come from: the disk, and where that is broken the last good
//! state, which the cache keeps.

use super::{ActivateOptions, ActivationFinding};
use crate::install_dirs::InstallDirs;
use crate::install_state::find_drift;
use crate::kept_versions::{find_tree, open_version};
use crate::loader::{LoadedSkills, load_skills, look_up_skills};
use crate::skill_content::{ContentFiles, SkillContent, read_content};
use crate::store::Store;
use crate::workspace::Session;
use ba_agent_core::activation::SkillResource;
use ba_agent_core::agents::{Agent, InstallTarget};
use ba_agent_core::digest::Digest;
use ba_agent_core::error::{Error, Kind, Result, error, printable};
use ba_agent_core::loader::{LoadedSkill, OmitReason, SkillFacts, SkillOrigin};
use ba_agent_core::package::Package;
use ba_agent_core::registry::{InstallMode, LockEntry};
use ba_agent_core::resolver::order_of_needs;
use ba_agent_core::skill::{
    Frontmatter, MANIFEST, Profile, Severity, SkillManifest, SkillName, read_manifest,
};
use ba_agent_core::text::list_some;

/// A skill whose instructions can be given.
pub(super) struct ActivatedSkill {
    pub(super) loaded: LoadedSkill,
    pub(super) manifest: SkillManifest,
    pub(super) front: Frontmatter,
    pub(super) content: SkillContent,
    pub(super) version: Option<String>,
    pub(super) digest: Option<Digest>,
    pub(super) dependencies: Vec<String>,
    pub(super) is_fallback: bool,
    pub(super) findings: Vec<ActivationFinding>,
}

/// A registry that may record a skill, with the places of its scope.
struct RecordedScope {
    store: Store,
    places: std::sync::Arc<InstallDirs>,
}

/// Finds and reads the skill that the options name.
///
/// # Errors
/// Those of [`super::activate`].
pub(super) fn open_skill(
    session: &Session<'_>,
    options: &ActivateOptions,
    agent: Option<&'static Agent>,
) -> Result<ActivatedSkill> {
    let near = look_up_skills(session, agent, &options.name)?;
    let loaded = match near.filter(|near| near.find_skill(&options.name).is_ok()) {
        Some(near) => near,
        None => load_skills(session, agent)?,
    };
    let skill = match loaded.find_skill(&options.name) {
        Ok(skill) => skill.clone(),
        Err(error) => return open_last_good(session, options, &loaded, error),
    };
    let skill = match options.version.as_deref() {
        Some(version) => find_version(session, skill, version)?,
        None => skill,
    };
    let mut read = match read_activated(session, &skill) {
        Ok(read) => read,
        Err(error) => return open_last_good(session, options, &load_skills(session, agent)?, error),
    };
    hold_against_registry(session, options, &mut read)?;
    read.dependencies = list_dependencies(&read.loaded, &loaded, &mut read.findings);
    Ok(read)
}

/// Reads a skill from the disk, or out of the program.
///
/// # Errors
/// `Invalid` for a manifest that cannot be used; those of [`read_content`].
fn read_activated(session: &Session<'_>, skill: &LoadedSkill) -> Result<ActivatedSkill> {
    let content = read_content(skill, session)?;
    let name = skill.manifest.file_name().and_then(std::ffi::OsStr::to_str).unwrap_or(MANIFEST);
    let folder = skill.folder.file_name().and_then(std::ffi::OsStr::to_str);
    let allowed = || {
        let recorded = skill.digest.as_ref().map(|_| recorded_scopes(session)).unwrap_or_default();
        let entry = recorded.iter().find_map(|scope| scope.find_record(skill));
        entry.map(|entry| entry.allowed).unwrap_or_default()
    };
    let (manifest, front) =
        parse_manifest(session, &skill.qualified, (name, folder), &content.manifest, allowed)?;
    let digest = content.files.digest();
    Ok(ActivatedSkill {
        loaded: skill.clone(),
        version: skill.facts.version.clone(),
        digest,
        dependencies: Vec::new(),
        is_fallback: skill.fallback,
        findings: findings_of(&manifest),
        manifest,
        front,
        content,
    })
}

/// Reads a manifest by the rules of an installation; `allowed` are the findings that were let pass
/// when the skill was installed. What hides in the text would reach the model unseen.
///
/// # Errors
/// `Invalid`, with the first reason, for a manifest that cannot be used.
fn parse_manifest(
    session: &Session<'_>,
    skill: &str,
    (file, folder): (&str, Option<&str>),
    bytes: &[u8],
    allowed: impl FnOnce() -> Vec<String>,
) -> Result<(SkillManifest, Frontmatter)> {
    let mut manifest = read_manifest(file, folder, bytes, Profile::Install, &session.settings.limits);
    let front = manifest.frontmatter.take();
    let mut faults = manifest.findings.iter().filter(|one| one.severity == Severity::Error).peekable();
    let allowed = if faults.peek().is_some() { allowed() } else { Vec::new() };
    let fault = faults.find(|one| !allowed.iter().any(|code| code == one.code));
    let skill = printable(skill, false);
    let error = error!(Invalid, "the `SKILL.md` of `{skill}` cannot be used");
    let error = match (fault, front) {
        (None, Some(front)) => return Ok((manifest, front)),
        (Some(fault), _) => error.cause(format!("line {}: {}", fault.line, printable(&fault.message, false))),
        (None, None) => error.cause("it has no frontmatter"),
    };
    Err(error.hint("`ba-agent skill validate` says everything that is wrong with it"))
}

/// What hides in the text of a manifest, harmless or allowed.
fn findings_of(manifest: &SkillManifest) -> Vec<ActivationFinding> {
    let codes = ["tag-characters", "bidi-control", "variation-selectors", "zero-width", "control-character"];
    let hidden = manifest.findings.iter().filter(|one| codes.contains(&one.code));
    hidden
        .map(|one| ActivationFinding::new("hidden-characters", format!("line {}: {}", one.line, one.message)))
        .collect()
}

/// The registries that may record a skill: this scope's and the user's.
fn recorded_scopes(session: &Session<'_>) -> Vec<RecordedScope> {
    let mut scopes =
        vec![RecordedScope { store: session.store.clone(), places: std::sync::Arc::clone(&session.places) }];
    if session.scope.is_project() {
        let user = session.store_of_user();
        scopes.extend(user.map(|(store, places)| RecordedScope { store, places }));
    }
    scopes
}

impl RecordedScope {
    /// The record whose folder is that of the skill.
    fn find_record(&self, skill: &LoadedSkill) -> Option<LockEntry> {
        let name: SkillName = skill.folder.file_name()?.to_str()?.parse().ok()?;
        let entry = self.store.read().ok()?.skills.remove(&name)?;
        let targets = entry.targets.iter().filter_map(|text| InstallTarget::parse(text).ok());
        let mut folders = targets.map(|target| self.places.root_as_written(&target).join(name.as_str()));
        folders.any(|folder| folder == skill.folder).then_some(entry)
    }
}

/// Says which files differ from the registry.
///
/// # Errors
/// `Integrity` where that is asked for and they do, or where they cannot be read.
fn hold_against_registry(
    session: &Session<'_>,
    options: &ActivateOptions,
    skill: &mut ActivatedSkill,
) -> Result<()> {
    let Some(recorded) = skill.loaded.digest.clone() else {
        let message = "it is in no registry, so nothing says what its bytes should be";
        if options.verify && skill.loaded.origin != SkillOrigin::Builtin {
            return Err(error!(Integrity, "`{}` cannot be verified", skill.loaded.qualified)
                .cause(message)
                .hint(format!("`ba-agent skill adopt {}` records it as it is", skill.loaded.name)));
        }
        return Ok(());
    };
    let unverified = |why: &str| {
        error!(Integrity, "`{}` cannot be verified", skill.loaded.qualified).cause(printable(why, false))
    };
    let found = match &skill.content.files {
        ContentFiles::Hashed(files) => files,
        ContentFiles::Unread(why) if options.verify => return Err(unverified(why)),
        ContentFiles::Unread(_) => return Ok(()),
    };
    if skill.digest.as_ref() == Some(&recorded) {
        return Ok(());
    }
    let entry = recorded_scopes(session).iter().find_map(|scope| scope.find_record(&skill.loaded));
    // What an author works on is meant to differ.
    if entry.as_ref().is_some_and(|entry| entry.mode == InstallMode::Live) {
        return Ok(());
    }
    let drifts = entry.as_ref().map(|entry| find_drift(&entry.files, found)).unwrap_or_default();
    let changed: Vec<String> =
        drifts.iter().map(|drift| format!("{} {}", drift.path, drift.change.word())).collect();
    if entry.is_some() && changed.is_empty() {
        // Only what appears by itself, or an executable bit that this system has not.
        return Ok(());
    }
    let changed: Vec<&str> = changed.iter().map(String::as_str).collect();
    let what = list_some(&changed, 5);
    if options.verify {
        return Err(error!(Integrity, "`{}` is not what the registry records", skill.loaded.qualified)
            .cause(printable(&what, false))
            .hint(format!("`ba-agent skill diff {}` shows the edits", skill.loaded.name)));
    }
    skill
        .findings
        .push(ActivationFinding::new("edited", format!("it differs from what was installed: {what}")));
    Ok(())
}

/// The skill as it was in another version, which is written out beside it to be read.
///
/// # Errors
/// `NotFound` for a version that is not kept; those of [`open_version`].
pub(in crate::ops) fn find_version(
    session: &Session<'_>,
    skill: LoadedSkill,
    version: &str,
) -> Result<LoadedSkill> {
    let is_recorded = skill.digest.is_some() && skill.origin == SkillOrigin::Project
        || skill.digest.is_some() && !session.scope.is_project();
    let Some(name) = skill.name.parse::<SkillName>().ok().filter(|_| is_recorded) else {
        return match skill.facts.version.as_deref() {
            Some(own) if own == version || version == "latest" => Ok(skill),
            _ => Err(no_such_version(&skill, version)),
        };
    };
    let kept = open_version(session, &name, version)?;
    if kept.entry.digest == *skill.digest.as_ref().unwrap_or(&kept.entry.digest) {
        return Ok(skill);
    }
    let manifest = kept.folder.join(skill.manifest.file_name().unwrap_or_default());
    let facts = SkillFacts { version: Some(kept.version), ..skill.facts };
    Ok(LoadedSkill { manifest, folder: kept.folder, digest: Some(kept.entry.digest), facts, ..skill })
}

fn no_such_version(skill: &LoadedSkill, version: &str) -> Error {
    let name = &skill.name;
    error!(NotFound, "version `{}` of `{name}` is not kept here", printable(version, false))
        .hint(format!("`ba-agent skill versions {name}` lists those that are"))
}

/// The names of what a skill needs, each behind what it needs itself. What is not there is said.
fn list_dependencies(
    skill: &LoadedSkill,
    loaded: &LoadedSkills,
    findings: &mut Vec<ActivationFinding>,
) -> Vec<String> {
    if skill.digest.is_none() {
        return Vec::new();
    }
    let order = order_of_needs(&skill.name, &loaded.recorded.needs_from(&skill.name));
    let is_there = |name: &String| loaded.all().any(|one| one.name == *name);
    for missing in order.iter().filter(|name| !is_there(name)) {
        let message = format!("it needs `{missing}`, which is not here: `ba-agent skill install {missing}`");
        findings.push(ActivationFinding::new("missing-dependency", message));
    }
    order
}

/// The last good state of a skill that is there and cannot be used.
///
/// # Errors
/// `error` where there is no such skill; `Invalid` where no good state is kept.
fn open_last_good(
    session: &Session<'_>,
    options: &ActivateOptions,
    loaded: &LoadedSkills,
    error: Error,
) -> Result<ActivatedSkill> {
    let name = options.name.rsplit(':').next().unwrap_or(&options.name);
    let broken = loaded.omitted.iter().find(|one| one.name == name && one.reason == OmitReason::Invalid);
    let detail = match (broken, error.kind) {
        (Some(broken), _) => broken.detail.clone(),
        (None, Kind::Invalid | Kind::Conflict) => error.causes.first().unwrap_or(&error.message).clone(),
        (None, _) => return Err(error),
    };
    let invalid = || {
        Error::new(Kind::Invalid, format!("the `SKILL.md` of `{}` cannot be used", printable(name, false)))
            .cause(printable(&detail, false))
    };
    for scope in recorded_scopes(session) {
        let Ok(key) = name.parse::<SkillName>() else { break };
        let Some(entry) = scope.store.read().ok().and_then(|mut registry| registry.skills.remove(&key))
        else {
            continue;
        };
        let Some(package) = find_tree(session, &entry.digest) else { continue };
        let Some(read) = read_kept(session, &scope, &key, &entry, &package)? else { continue };
        if options.verify {
            return Err(error!(Integrity, "`{name}` is not what the registry records")
                .cause(printable(&detail, false))
                .hint("`ba-agent skill install --force` puts back what was installed"));
        }
        return Ok(with_fallback_finding(read, &detail));
    }
    Err(invalid()
        .hint("no earlier state of it is kept; `ba-agent skill validate` says what is wrong with it"))
}

fn with_fallback_finding(mut skill: ActivatedSkill, detail: &str) -> ActivatedSkill {
    let message = format!("its `SKILL.md` cannot be used ({detail}); this is the state that was installed");
    skill.findings.push(ActivationFinding::new("fallback", message));
    skill
}

/// A skill as it was installed, out of the cache. `None` where that is not a skill either.
///
/// # Errors
/// Those of reading a file out of the cache.
fn read_kept(
    session: &Session<'_>,
    scope: &RecordedScope,
    name: &SkillName,
    entry: &LockEntry,
    package: &Package,
) -> Result<Option<ActivatedSkill>> {
    let entries = package.listing.entries();
    let Some(file) = entries.iter().find(|one| one.path.as_str().eq_ignore_ascii_case(MANIFEST)) else {
        return Ok(None);
    };
    let bytes = package.read(file)?.into_owned();
    let names = (file.path.as_str(), Some(name.as_str()));
    let parsed = parse_manifest(session, name.as_str(), names, &bytes, || entry.allowed.clone());
    let Ok((manifest, front)) = parsed else { return Ok(None) };
    let root = entry.targets.iter().find_map(|text| InstallTarget::parse(text).ok());
    let folder = root.map(|target| scope.places.root_as_written(&target)).unwrap_or_default();
    let folder = folder.join(name.as_str());
    let origin = if scope.places.scope() == "user" { SkillOrigin::User } else { SkillOrigin::Project };
    let resources = entries.iter().filter(|one| one.path != file.path).map(|one| SkillResource {
        path: one.path.to_string(),
        size: one.size,
        executable: entry.files.get(one.path.as_str()).is_some_and(|line| line.starts_with("100755")),
    });
    let loaded = LoadedSkill {
        name: name.to_string(),
        qualified: name.to_string(),
        origin,
        priority: origin.default_priority(),
        plugin: None,
        manifest: folder.join(file.path.as_str()),
        folder,
        facts: SkillFacts::of(&front),
        digest: Some(entry.digest.clone()),
        fallback: true,
        stamp: 0,
    };
    Ok(Some(ActivatedSkill {
        version: loaded.facts.version.clone(),
        loaded,
        digest: Some(entry.digest.clone()),
        dependencies: Vec::new(),
        is_fallback: true,
        findings: findings_of(&manifest),
        manifest,
        front,
        content: SkillContent {
            manifest: bytes,
            resources: resources.collect(),
            files: ContentFiles::Hashed((*entry.files).clone()),
        },
    }))
}
