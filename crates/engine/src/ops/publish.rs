//! `skill publish`: a skill into a registry, as a version that never changes.

mod version;

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::pack::{find_manifest, open_packed_files};
use super::settle::open_session;
use super::validate::{folder_of, path_shown};
use crate::registry_files::{LOG_KEY_VARIABLE, Published, RegistryFiles};
use crate::workspace::{Observer, Session, Workspace};
use ba_agent_archive::{open_published_archive, write_published_archive};
use ba_agent_core::diff::{ChangeKind, changed_files};
use ba_agent_core::error::{Result, error, printable};
use ba_agent_core::listing::{FileEntry, Limits, Listing, Node};
use ba_agent_core::package::Package;
use ba_agent_core::path::RelPath;
use ba_agent_core::remote_registry::{
    OwnerName, Publication, PublishedVersion, PublishingLimits, ScopedName, check_publication,
    describe_publication,
};
use ba_agent_core::skill::{
    self, Finding, Frontmatter, LOWER_MANIFEST, MANIFEST, Profile, Severity, SkillName,
};
use ba_agent_core::skill_yaml::{SKILL_YAML, markdown_of_yaml};
use ba_agent_objects::Objects;
pub use version::VersionBump;
use version::choose_new_version;

/// What is published, and where to.
#[derive(Debug, Clone, Default)]
pub struct PublishOptions {
    /// The skill's folder or its SKILL.md, from the working directory.
    pub path: PathBuf,
    /// `@owner/name`, or `@owner` and the skill's own name.
    pub name: Option<String>,
    pub version: Option<String>,
    pub bump: Option<VersionBump>,
    /// A folder or a bucket.
    pub to: Option<String>,
    /// Only say what would be published.
    pub dry_run: bool,
}

/// A version that may be published, for whoever is asked.
#[derive(Debug, Serialize)]
pub struct PublishPlan {
    /// The registry, as a person calls it.
    pub registry: String,
    /// True where this publication begins the registry.
    pub is_new_registry: bool,
    /// Its line as it would be.
    pub line: PublishedVersion,
    pub files: Vec<PublishedFile>,
    /// Files of the folder that are not published: git ignores them, or an editor left them.
    pub left_out: Vec<String>,
    pub findings: Vec<Finding>,
    /// What is different from the highest version that is there.
    pub previous: Option<PreviousVersion>,
}

/// A file of a version.
#[derive(Debug, Serialize)]
pub struct PublishedFile {
    pub path: String,
    /// As git writes it.
    pub mode: &'static str,
    pub size: u64,
}

/// How a version differs from the one before.
#[derive(Debug, Serialize)]
pub struct PreviousVersion {
    pub version: String,
    pub changed: Vec<ChangedFile>,
    /// What it may do that the one before might not: `Bash`, `hooks`, `scripts/run.sh`.
    pub new_rights: Vec<String>,
}

/// A file that differs.
#[derive(Debug, Serialize)]
pub struct ChangedFile {
    pub path: String,
    /// `A`, `M`, `D`.
    pub change: char,
}

/// What became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PublishOutcome {
    Published,
    /// The same bytes were there under that version: nothing was to be done.
    AlreadyThere,
    /// Only said: `--dry-run`.
    Planned,
    /// The person said no.
    Declined,
    /// Findings block it.
    Invalid,
}

/// What was published, or why not.
#[derive(Debug, Serialize)]
pub struct PublishReport {
    pub outcome: PublishOutcome,
    pub plan: PublishPlan,
}

/// Checks, packs and publishes a skill; `approve` is shown what it is before anything is written.
///
/// # Errors
/// `NotFound` where there is no skill; `Usage` for what says no name, version or registry;
/// `Conflict` where other bytes are there under that version; those of `approve`, of reading and of
/// writing. Findings that block are no error: the report says so.
pub fn publish(
    workspace: &Workspace,
    options: &PublishOptions,
    approve: &mut dyn FnMut(&PublishPlan) -> Result<bool>,
    observer: &dyn Observer,
) -> Result<PublishReport> {
    let session = open_session(workspace, observer)?;
    let skill = read_skill(&session, options)?;
    let world = session.world();
    let place = options.to.as_deref().ok_or_else(no_registry_error)?;
    let target = PublishTarget::open(Objects::open(place, &session.env, world.net())?)?;
    let name = target.choose_name(options.name.as_deref(), &skill.name)?;
    let there = target.versions(&name)?;
    let archive = write_published_archive(skill.package.dir(&RelPath::ROOT))?;
    let version = choose_new_version(options, skill.front.version.as_deref(), &there, &skill.package)?;
    let publication = Publication {
        name: &name,
        version: &version,
        archive: &archive,
        published_at: session.env.now,
        by: None,
        source: None,
    };
    let line = describe_publication(&skill.package, publication)?;
    let limits = target.limits();
    let plan = plan_publication(&target, &skill, line, &there, &limits)?;
    let outcome = if plan.findings.iter().any(|finding| finding.severity == Severity::Error) {
        PublishOutcome::Invalid
    } else {
        // What the registry will read is what is read here: its limits hold before anything is sent.
        open_published_archive(&archive, &limits)?;
        if options.dry_run {
            PublishOutcome::Planned
        } else if !approve(&plan)? {
            PublishOutcome::Declined
        } else {
            observer.begin(&format!("Publishing {name} {version}"));
            let log_key = session
                .env
                .var(LOG_KEY_VARIABLE)
                .filter(|file| !file.is_empty())
                .map(|file| session.env.absolute(file.as_ref()));
            let files = target.into_files(&plan.registry)?.with_log_key(log_key.as_deref())?;
            match files.publish(&plan.line, &archive)? {
                Published::New => PublishOutcome::Published,
                Published::AlreadyThere => PublishOutcome::AlreadyThere,
            }
        }
    };
    Ok(PublishReport { outcome, plan })
}

fn no_registry_error() -> ba_agent_core::error::Error {
    error!(Usage, "it is not said where the skill is published")
        .hint("name a folder, a bucket or a registry: `--to DIR`, `--to s3://BUCKET/PREFIX`")
}

/// A skill's folder, read.
struct ReadSkill {
    package: Package,
    left_out: Vec<String>,
    front: Frontmatter,
    /// As it calls itself.
    name: SkillName,
}

fn read_skill(session: &Session<'_>, options: &PublishOptions) -> Result<ReadSkill> {
    let shown = path_shown(&options.path);
    let folder = fs_err::canonicalize(folder_of(&session.env.absolute(&options.path))?)?;
    let (package, left_out) = open_packed_files(&folder, &session.settings.limits)?;
    let package = match manifest_of_yaml(&package)? {
        Some(manifest) => with_manifest(&package, manifest)?,
        None => package,
    };
    let manifest = find_manifest(&package.listing, &shown)?;
    if manifest != MANIFEST {
        return Err(error!(Invalid, "`{shown}` has `{manifest}`, expected `{MANIFEST}`")
            .hint(format!("rename it: a published skill has a `{MANIFEST}`")));
    }
    let (front, name) = read_front(&package, &folder, &shown, &session.settings.limits)?;
    Ok(ReadSkill { package, left_out, front, name })
}

/// The SKILL.md of a folder that has only a `skill.yaml`.
fn manifest_of_yaml(package: &Package) -> Result<Option<String>> {
    let has_manifest = [MANIFEST, LOWER_MANIFEST].iter().any(|name| package.listing.entry_at(name).is_some());
    let Some(entry) = package.listing.entry_at(SKILL_YAML).filter(|_| !has_manifest) else { return Ok(None) };
    let bytes = package.read(entry)?;
    let text = std::str::from_utf8(&bytes).map_err(|_| error!(Invalid, "the skill.yaml is not UTF-8"))?;
    markdown_of_yaml(text).map(Some)
}

/// The same files with one more, all in memory.
fn with_manifest(package: &Package, manifest: String) -> Result<Package> {
    let (mut entries, mut blobs) = (Vec::new(), Vec::new());
    for entry in package.listing.entries() {
        let bytes = match entry.node {
            Node::File { .. } => package.read(entry)?.into_owned(),
            _ => Vec::new(),
        };
        entries.push(FileEntry { slot: blobs.len(), ..entry.clone() });
        blobs.push(bytes);
    }
    let path = RelPath::of_folder(MANIFEST).map_err(|why| error!(Failed, "`{MANIFEST}` {why}"))?;
    let size = manifest.len() as u64;
    entries.push(FileEntry { path, node: Node::File { executable: false }, size, slot: blobs.len() });
    blobs.push(manifest.into_bytes());
    Ok(Package::in_memory(Listing::new(entries), blobs))
}

/// What a skill says of itself, and its name: without one, that of its folder.
fn read_front(
    package: &Package,
    folder: &Path,
    shown: &str,
    limits: &Limits,
) -> Result<(Frontmatter, SkillName)> {
    let root = RelPath::ROOT;
    let entry = package.listing.entry_at(MANIFEST);
    let bytes = entry.map(|entry| package.dir(&root).read(entry)).transpose()?.unwrap_or_default();
    let manifest = skill::read_manifest(MANIFEST, None, &bytes, Profile::Lint, limits);
    let Some(front) = manifest.frontmatter else {
        let mut error = error!(Invalid, "the SKILL.md of `{shown}` cannot be read");
        for finding in manifest.findings.iter().filter(|one| one.severity == Severity::Error) {
            error = error.cause(finding);
        }
        return Err(error.hint(format!("`ba-agent skill validate {shown}` names what is wrong with it")));
    };
    let own = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let name = front.name.clone().unwrap_or(own).parse()?;
    Ok((front, name))
}

/// Where it is published: a registry, or a place for a new one.
enum PublishTarget<'a> {
    Registry(Box<RegistryFiles<'a>>),
    Empty(Objects<'a>),
}

impl<'a> PublishTarget<'a> {
    fn open(objects: Objects<'a>) -> Result<Self> {
        Ok(match RegistryFiles::open(objects)? {
            Ok(files) => Self::Registry(Box::new(files)),
            Err(objects) => Self::Empty(objects),
        })
    }

    fn shown(&self) -> String {
        match self {
            Self::Registry(files) => files.objects().shown(),
            Self::Empty(objects) => objects.shown(),
        }
    }

    fn limits(&self) -> PublishingLimits {
        match self {
            Self::Registry(files) => files.description().limits.clone(),
            Self::Empty(_) => PublishingLimits::default(),
        }
    }

    fn versions(&self, name: &ScopedName) -> Result<Vec<PublishedVersion>> {
        match self {
            Self::Registry(files) => Ok(files.index_of(name)?.0.versions),
            Self::Empty(_) => Ok(Vec::new()),
        }
    }

    /// The registry, which is begun where there is none.
    fn into_files(self, shown: &str) -> Result<RegistryFiles<'a>> {
        match self {
            Self::Registry(files) => Ok(*files),
            Self::Empty(objects) => {
                let last = match &objects {
                    Objects::Folder(folder) => {
                        let name = folder.folder().file_name().unwrap_or_default();
                        name.to_string_lossy().into_owned()
                    }
                    Objects::S3(_) => {
                        shown.trim_end_matches('/').rsplit('/').next().unwrap_or_default().to_owned()
                    }
                };
                let name = SkillName::nearest_to(&last).map_or_else(|| "skills".to_owned(), String::from);
                RegistryFiles::create(objects, &name)
            }
        }
    }

    /// `@owner/name` as it was said; without an owner, the one who publishes a skill of that name
    /// here already, if there is one alone.
    fn choose_name(&self, said: Option<&str>, own: &SkillName) -> Result<ScopedName> {
        match said {
            Some(text) if text.contains('/') => text.parse(),
            Some(text) => ScopedName::new(text.parse::<OwnerName>()?, own.clone()),
            None => {
                let known = self.owners_of(own)?;
                if let [only] = known.as_slice() {
                    return Ok(only.clone());
                }
                let error = error!(Usage, "it is not said whose skill `{own}` is");
                let error =
                    known.iter().take(5).fold(error, |error, name| error.hint(format!("`--as {name}`")));
                Err(error.hint(format!("name its owner: `--as @OWNER` for `@OWNER/{own}`")))
            }
        }
    }

    fn owners_of(&self, own: &SkillName) -> Result<Vec<ScopedName>> {
        let Self::Registry(files) = self else { return Ok(Vec::new()) };
        let end = format!("/{own}/index.jsonl");
        let listed = files.objects().list("")?;
        Ok(listed
            .iter()
            .filter(|file| file.path.ends_with(&end))
            .filter_map(|file| file.path.strip_suffix("/index.jsonl")?.parse().ok())
            .collect())
    }
}

fn plan_publication(
    target: &PublishTarget<'_>,
    skill: &ReadSkill,
    line: PublishedVersion,
    there: &[PublishedVersion],
    limits: &PublishingLimits,
) -> Result<PublishPlan> {
    let entries = skill.package.dir(&RelPath::ROOT).entries();
    let files = entries.iter().map(|entry| PublishedFile {
        path: printable(entry.path.as_str(), false),
        mode: entry.node.git_mode(),
        size: entry.size,
    });
    Ok(PublishPlan {
        registry: target.shown(),
        is_new_registry: matches!(target, PublishTarget::Empty(_)),
        files: files.collect(),
        left_out: skill.left_out.iter().map(|path| printable(path, false)).collect(),
        findings: check_publication(&skill.package, &line.name, &line.version, limits)?,
        previous: compare_with_previous(target, skill, &line, there, limits)?,
        line,
    })
}

/// What is different from the highest version that is not removed. An archive that cannot be read
/// is no reason not to publish: then the lines alone are compared.
fn compare_with_previous(
    target: &PublishTarget<'_>,
    skill: &ReadSkill,
    line: &PublishedVersion,
    there: &[PublishedVersion],
    limits: &PublishingLimits,
) -> Result<Option<PreviousVersion>> {
    let others = there.iter().filter(|other| other.removed.is_none() && other.version != line.version);
    let Some(last) = others.max_by(|a, b| a.version.cmp(&b.version)) else { return Ok(None) };
    let mut changed = Vec::new();
    if let PublishTarget::Registry(files) = target
        && let Ok(Some(archive)) = files.archive_of(&last.digest)
        && let Ok(old) = open_published_archive(&archive, limits)
    {
        let root = RelPath::ROOT;
        let (old, new) = (old.dir(&root).files()?, skill.package.dir(&root).files()?);
        let letter = |what: ChangeKind| what.status_letter();
        changed = changed_files(&old, &new)
            .into_iter()
            .map(|file| ChangedFile { path: printable(&file.path, false), change: letter(file.what) })
            .collect();
    }
    let is_new = |have: &[String], one: &&String| !have.contains(one);
    let grants = line.grants.iter().filter(|one| is_new(&last.grants, one));
    let scripts = line.scripts.iter().filter(|one| is_new(&last.scripts, one));
    let mut new_rights: Vec<String> = grants.chain(scripts).map(|one| printable(one, false)).collect();
    if line.hooks && !last.hooks {
        new_rights.push("hooks".to_owned());
    }
    Ok(Some(PreviousVersion { version: last.version.to_string(), changed, new_rights }))
}
