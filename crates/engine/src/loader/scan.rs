//! One look through a folder of skills: which manifests there are, and what they say. What is known
//! from an earlier look is not read again.

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use std::path::{Path, PathBuf};

use super::LoadedSkills;
use super::sources::SkillsFolder;
use crate::fingerprint::Fingerprint;
use crate::skill_index::{IndexedManifest, ReadManifest, SkillIndex, keep_index};
use crate::workspace::Session;
use ba_agent_core::error::{Result, printable};
use ba_agent_core::listing::Limits;
use ba_agent_core::loader::{
    LoadFinding, LoadedSkill, ManifestDialect, NamedBy, OmitReason, OmittedSkill, SkillFacts,
};
use ba_agent_core::skill::{LOWER_MANIFEST, MANIFEST, Severity, read_summary};
use ba_agent_core::text::format_bytes;
use ba_agent_system::{fsx, parallel};

/// What was found so far, and in which folders.
#[derive(Default)]
pub(crate) struct FoundSkills {
    pub(crate) skills: Vec<LoadedSkill>,
    /// The folders of each manifest: one can be that of several only through a link.
    folders: HashMap<(u64, u64), Vec<PathBuf>>,
    real_folders: HashSet<PathBuf>,
}

impl FoundSkills {
    /// Notes the folder of a manifest; false for one that was reached before, by another way.
    fn is_new_folder(&mut self, folder: &Path, fingerprint: &Fingerprint) -> bool {
        let Some(identity) = fingerprint.identity() else {
            return self.real_folders.insert(fsx::real_path(folder));
        };
        let known = self.folders.entry(identity).or_default();
        let is_known = |real: &PathBuf| known.iter().any(|known| fsx::real_path(known) == *real);
        if !known.is_empty() && is_known(&fsx::real_path(folder)) {
            return false;
        }
        known.push(folder.to_path_buf());
        true
    }
}

/// A manifest that a folder has.
pub(super) struct FoundManifest {
    /// From the top of the source.
    path: String,
    at: PathBuf,
    pub(super) fingerprint: Fingerprint,
}

impl FoundManifest {
    /// What the folder in its source is called that it lies in, or below.
    pub(super) fn top_folder(&self) -> &str {
        self.path.split('/').next().unwrap_or_default()
    }

    /// True where its folder is another one by another name, which may have been found as that.
    pub(super) fn is_renamed(&self) -> bool {
        let real = self.at.parent().map(fsx::real_path);
        real.is_none_or(|real| real.file_name() != Some(self.top_folder().as_ref()))
    }
}

/// Skills that are read by one thread at a time.
const CHUNK: usize = 64;
/// Folders of which a second thread takes some: for fewer it costs more than it saves.
const MANY: usize = 512;

/// Adds the skills of one source to `found`; what cannot be used goes to `loaded`.
///
/// # Errors
/// `Interrupted` where somebody stops it.
pub(super) fn scan_source(
    source: &SkillsFolder,
    named_by: NamedBy,
    session: &Session<'_>,
    found: &mut FoundSkills,
    loaded: &mut LoadedSkills,
) -> Result<()> {
    let manifests = find_manifests(source, None, session, loaded)?;
    if manifests.is_empty() {
        return Ok(());
    }
    let read = read_indexed(source, &manifests, session)?;
    found.skills.reserve(manifests.len());
    found.folders.reserve(manifests.len());
    for (manifest, read) in manifests.into_iter().zip(read) {
        add_skill(source, named_by, manifest, read, found, loaded);
    }
    Ok(())
}

/// The manifests of a source; with `only` those of the folders in it that are called so, and of
/// every link, which may lead to one of them.
///
/// # Errors
/// `Interrupted` where somebody stops it.
pub(super) fn find_manifests(
    source: &SkillsFolder,
    only: Option<&BTreeSet<String>>,
    session: &Session<'_>,
    loaded: &mut LoadedSkills,
) -> Result<Vec<FoundManifest>> {
    let mut manifests = Vec::new();
    if source.of_project
        && let Err(error) = session.places.check_inside("folder of skills", &source.root)
    {
        loaded.findings.push(finding(&source.root, &error.message));
        return Ok(manifests);
    }
    look_through(source, only, session, &mut manifests, &mut loaded.findings)?;
    Ok(manifests)
}

/// Adds the skills of some manifests of a source, as [`scan_source`] does, out of their files.
pub(super) fn add_manifests(
    source: &SkillsFolder,
    manifests: Vec<FoundManifest>,
    session: &Session<'_>,
    found: &mut FoundSkills,
    loaded: &mut LoadedSkills,
) {
    for manifest in manifests {
        let read = read_facts(&manifest, source.dialect, &session.settings.limits);
        add_skill(source, NamedBy::Folder, manifest, read, found, loaded);
    }
}

/// What each manifest says, in their order, out of the index where it is known.
fn read_indexed(
    source: &SkillsFolder,
    manifests: &[FoundManifest],
    session: &Session<'_>,
) -> Result<Vec<ReadManifest>> {
    let limits = &session.settings.limits;
    let mut rules = format!("{} {} {}", source.depth, limits.manifest, limits.frontmatter);
    if source.dialect != ManifestDialect::Ours {
        rules = format!("{rules} {}", source.dialect.id());
    }
    let mut index = SkillIndex::open(&session.cache, &source.root, &rules);
    let known: Vec<Option<ReadManifest>> =
        manifests.iter().map(|one| index.take(&one.path, &one.fingerprint)).collect();
    let unknown: Vec<&FoundManifest> =
        manifests.iter().zip(&known).filter(|(_, read)| read.is_none()).map(|(one, _)| one).collect();
    let chunks: Vec<&[&FoundManifest]> = unknown.chunks(CHUNK).collect();
    let read = parallel::run_jobs(
        count_threads(session),
        &chunks,
        || session.observer.check_cancelled(),
        |chunk| Ok(chunk.iter().map(|one| read_facts(one, source.dialect, limits)).collect::<Vec<_>>()),
    )?;
    let is_outdated = index.is_outdated(manifests.len(), unknown.len());
    let mut read = read.into_iter().flatten();
    let all: Vec<ReadManifest> = known
        .into_iter()
        .map(|known| known.or_else(|| read.next()).unwrap_or_else(|| Err(String::new())))
        .collect();
    if is_outdated {
        let kept: Vec<Option<IndexedManifest>> = manifests
            .iter()
            .zip(&all)
            .map(|(one, read)| {
                let (path, fingerprint, read) = (one.path.clone(), one.fingerprint, read.clone());
                Some(IndexedManifest { path, fingerprint, read })
            })
            .collect();
        keep_index(&session.cache, &source.root, &rules, &kept);
    }
    Ok(all)
}

fn count_threads(session: &Session<'_>) -> usize {
    session.settings.loader.max_workers.min(parallel::count_cores())
}

fn finding(path: &Path, message: &str) -> LoadFinding {
    LoadFinding { path: printable(&path.to_string_lossy(), false), message: printable(message, false) }
}

/// A folder that is to be looked into.
struct OpenFolder {
    at: PathBuf,
    /// From the top of the source, with a slash behind it; empty for the top.
    path: String,
    depth: usize,
}

/// A folder in one that is looked into, and whether it is a link.
type Below = (String, bool);

/// Finds the manifests of a source, folder by folder, the nearer first.
fn look_through(
    source: &SkillsFolder,
    only: Option<&BTreeSet<String>>,
    session: &Session<'_>,
    manifests: &mut Vec<FoundManifest>,
    findings: &mut Vec<LoadFinding>,
) -> Result<()> {
    let mut folders = VecDeque::from([OpenFolder { at: source.root.clone(), path: String::new(), depth: 0 }]);
    // Only where one goes deeper can a link lead back.
    let mut visited: HashSet<PathBuf> = HashSet::new();
    let mut count = 0_usize;
    while let Some(folder) = folders.pop_front() {
        session.observer.check_cancelled()?;
        let below = match list_below(&folder, only) {
            Ok(below) => below,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            Err(error) => {
                findings.push(finding(&folder.at, &format!("the folder cannot be read: {error}")));
                continue;
            }
        };
        if folder.depth == 0 && source.root_itself {
            note_manifest(find_manifest(&folder.at, &folder.path, source.dialect), manifests, findings);
        }
        let found = find_manifests_below(&folder, &below, source.dialect, session)?;
        for ((name, is_link), found) in below.into_iter().zip(found) {
            let has_one = note_manifest(found, manifests, findings);
            let depth = folder.depth + 1;
            if depth >= source.depth || (has_one && !source.nested) {
                continue;
            }
            let (at, path) = (folder.at.join(&name), format!("{}{name}/", folder.path));
            let below = OpenFolder { at, path, depth };
            if is_link && !below.at.is_dir() {
                continue;
            }
            count += 1;
            if count >= source.most_folders {
                let told = format!("more than {} folders; the rest is left out", source.most_folders);
                findings.push(finding(&source.root, &told));
                return Ok(());
            }
            if is_link && !visited.insert(fsx::real_path(&below.at)) {
                continue;
            }
            folders.push_back(below);
        }
    }
    Ok(())
}

/// The folders in a folder, and the links, which may lead to some, in the order of their names.
///
/// # Errors
/// Those of reading the folder.
fn list_below(folder: &OpenFolder, only: Option<&BTreeSet<String>>) -> std::io::Result<Vec<Below>> {
    let mut below: Vec<Below> = std::fs::read_dir(&folder.at)?
        .flatten()
        .filter_map(|entry| {
            let kind = entry.file_type().ok()?;
            let name = entry.file_name().into_string().ok()?;
            let is_wanted = kind.is_symlink() || only.is_none_or(|only| only.contains(&name));
            (is_wanted && !kind.is_file() && !name.starts_with('.')).then(|| (name, kind.is_symlink()))
        })
        .collect();
    below.sort_unstable();
    Ok(below)
}

/// The manifest of a folder; `None` where it has none.
type FindResult = std::result::Result<Option<FoundManifest>, LoadFinding>;

/// Looks for the manifest of each folder, where there are many in several threads: nearly all of
/// the time of a look goes there.
fn find_manifests_below(
    folder: &OpenFolder,
    below: &[Below],
    dialect: ManifestDialect,
    session: &Session<'_>,
) -> Result<Vec<FindResult>> {
    let find =
        |(name, _): &Below| find_manifest(&folder.at.join(name), &format!("{}{name}/", folder.path), dialect);
    if below.len() < MANY {
        return Ok(below.iter().map(find).collect());
    }
    let chunks: Vec<&[Below]> = below.chunks(MANY / 4).collect();
    let found = parallel::run_jobs(
        count_threads(session),
        &chunks,
        || session.observer.check_cancelled(),
        |chunk| Ok(chunk.iter().map(find).collect::<Vec<_>>()),
    )?;
    Ok(found.into_iter().flatten().collect())
}

/// The manifest of a folder, under either of its names.
fn find_manifest(folder: &Path, path: &str, dialect: ManifestDialect) -> FindResult {
    let names = if dialect.finds_lower_case() { &[MANIFEST, LOWER_MANIFEST][..] } else { &[MANIFEST] };
    for name in names {
        let at = folder.join(name);
        match std::fs::metadata(&at) {
            Ok(meta) => {
                let path = format!("{path}{name}");
                return Ok(Some(FoundManifest { path, at, fingerprint: Fingerprint::of(&meta) }));
            }
            Err(error)
                if matches!(
                    error.kind(),
                    std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory
                ) => {}
            Err(error) => return Err(finding(&at, &format!("it cannot be read: {error}"))),
        }
    }
    Ok(None)
}

/// Notes what was found of one folder; false where it has no manifest.
fn note_manifest(
    found: FindResult,
    manifests: &mut Vec<FoundManifest>,
    findings: &mut Vec<LoadFinding>,
) -> bool {
    match found {
        Ok(None) => return false,
        Ok(Some(manifest)) => manifests.push(manifest),
        Err(finding) => findings.push(finding),
    }
    true
}

fn add_skill(
    source: &SkillsFolder,
    named_by: NamedBy,
    manifest: FoundManifest,
    read: ReadManifest,
    found: &mut FoundSkills,
    loaded: &mut LoadedSkills,
) {
    let folder = manifest.at.parent().unwrap_or(&source.root).to_path_buf();
    if !found.is_new_folder(&folder, &manifest.fingerprint) {
        return;
    }
    let folder_name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let facts = match read {
        Ok(facts) => facts,
        Err(detail) => {
            loaded.findings.push(finding(&manifest.at, &detail));
            let name = printable(&folder_name, false);
            loaded.omitted.push(OmittedSkill { name, reason: OmitReason::Invalid, detail, skill: None });
            return;
        }
    };
    let own_name = facts.name.clone().filter(|_| named_by == NamedBy::Manifest);
    let name = own_name.unwrap_or(folder_name);
    found.skills.push(LoadedSkill {
        qualified: name.clone(),
        name,
        origin: source.origin,
        priority: source.priority,
        plugin: source.plugin.clone(),
        folder,
        manifest: manifest.at,
        facts,
        digest: None,
        fallback: false,
        stamp: manifest.fingerprint.stamp(),
    });
}

/// What a manifest says.
///
/// # Errors
/// Why it cannot be used, in a sentence.
fn read_facts(manifest: &FoundManifest, dialect: ManifestDialect, limits: &Limits) -> ReadManifest {
    if manifest.fingerprint.size > limits.manifest {
        let (size, most) = (format_bytes(manifest.fingerprint.size), format_bytes(limits.manifest));
        return Err(format!("`SKILL.md` has {size}; {most} at most are read (`limits.manifest`)"));
    }
    let bytes = match fsx::read_plain_file(&manifest.at, limits.manifest) {
        Ok(Some(bytes)) => bytes,
        Ok(None) => return Err("it is not there any more".to_owned()),
        Err(error) => {
            let parts = std::iter::once(error.message).chain(error.causes).collect::<Vec<_>>();
            return Err(printable(&parts.join(": "), false));
        }
    };
    let folder = manifest.at.parent().and_then(Path::file_name).map(|name| name.to_string_lossy());
    let read = read_summary(folder.as_deref(), &bytes, limits);
    let fault = read.findings.iter().find(|finding| finding.severity == Severity::Error);
    let ours = match (fault, read.frontmatter) {
        (None, Some(front)) => Ok(SkillFacts::of(&front)),
        (Some(fault), _) => Err(printable(&format!("line {}: {}", fault.line, fault.message), false)),
        (None, None) => Err("it has no frontmatter".to_owned()),
    };
    let read = dialect.read(&folder.unwrap_or_default(), &bytes, ours);
    read.map_err(|detail| printable(&detail, false))
}
