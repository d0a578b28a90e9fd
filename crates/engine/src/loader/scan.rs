//! One look through a folder of skills: which manifests there are, and what they say. What is known
//! from an earlier look is not read again.

use std::collections::{HashSet, VecDeque};
use std::path::{Path, PathBuf};

use super::LoadedSkills;
use super::sources::SkillsFolder;
use crate::skill_index::{Fingerprint, IndexedManifest, ReadManifest, SkillIndex, keep_index};
use crate::workspace::Session;
use ba_agent_core::error::{Result, printable};
use ba_agent_core::listing::Limits;
use ba_agent_core::loader::{LoadFinding, LoadedSkill, NamedBy, OmitReason, OmittedSkill, SkillFacts};
use ba_agent_core::skill::{LOWER_MANIFEST, MANIFEST, Severity, read_summary};
use ba_agent_core::text::format_bytes;
use ba_agent_system::{fsx, parallel};

/// What was found so far, and through which files.
#[derive(Default)]
pub(crate) struct FoundSkills {
    pub(crate) skills: Vec<LoadedSkill>,
    inodes: HashSet<(u64, u64)>,
    real_paths: HashSet<PathBuf>,
}

/// A manifest that a folder has.
struct Manifest {
    /// From the top of the source.
    path: String,
    at: PathBuf,
    fingerprint: Fingerprint,
}

/// Skills that are read by one thread at a time.
const CHUNK: usize = 64;

/// Adds the skills of one source to `found`; what cannot be used goes to `loaded`.
///
/// # Errors
/// `Interrupted` where somebody stops it.
pub(crate) fn scan_source(
    source: &SkillsFolder,
    named_by: NamedBy,
    session: &Session<'_>,
    found: &mut FoundSkills,
    loaded: &mut LoadedSkills,
) -> Result<()> {
    if source.of_project
        && let Err(error) = session.places.check_inside("folder of skills", &source.root)
    {
        loaded.findings.push(finding(&source.root, &error.message));
        return Ok(());
    }
    let mut manifests = Vec::new();
    look_through(source, session, &mut manifests, &mut loaded.findings)?;
    if manifests.is_empty() {
        return Ok(());
    }
    for (manifest, read) in read_manifests(source, &manifests, session)? {
        add_skill(source, named_by, manifest, read, found, loaded);
    }
    Ok(())
}

/// What each manifest says, out of the index where it is known.
fn read_manifests<'m>(
    source: &SkillsFolder,
    manifests: &'m [Manifest],
    session: &Session<'_>,
) -> Result<Vec<(&'m Manifest, ReadManifest)>> {
    let limits = &session.settings.limits;
    let rules = format!("{} {} {}", source.depth, limits.manifest, limits.frontmatter);
    let mut index = SkillIndex::open(&session.cache, &source.root, &rules);
    let known: Vec<Option<ReadManifest>> =
        manifests.iter().map(|one| index.take(&one.path, &one.fingerprint)).collect();
    let unknown: Vec<&Manifest> =
        manifests.iter().zip(&known).filter(|(_, read)| read.is_none()).map(|(one, _)| one).collect();
    let threads = session.settings.loader.max_workers.min(parallel::count_cores());
    let chunks: Vec<&[&Manifest]> = unknown.chunks(CHUNK).collect();
    let read = parallel::run_jobs(
        threads,
        &chunks,
        || session.observer.check_cancelled(),
        |chunk| Ok(chunk.iter().map(|one| read_facts(one, limits)).collect::<Vec<_>>()),
    )?;
    let is_outdated = index.is_outdated(manifests.len(), unknown.len());
    let mut read = read.into_iter().flatten();
    let all: Vec<(&Manifest, ReadManifest)> = manifests
        .iter()
        .zip(known)
        .map(|(one, known)| (one, known.or_else(|| read.next()).unwrap_or_else(|| Err(String::new()))))
        .collect();
    if is_outdated {
        let kept: Vec<IndexedManifest> = all
            .iter()
            .map(|(one, read)| IndexedManifest {
                path: one.path.clone(),
                fingerprint: one.fingerprint,
                read: read.clone(),
            })
            .collect();
        keep_index(&session.cache, &source.root, &rules, &kept);
    }
    Ok(all)
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

/// Finds the manifests of a source, folder by folder, the nearer first.
fn look_through(
    source: &SkillsFolder,
    session: &Session<'_>,
    manifests: &mut Vec<Manifest>,
    findings: &mut Vec<LoadFinding>,
) -> Result<()> {
    let mut folders = VecDeque::from([OpenFolder { at: source.root.clone(), path: String::new(), depth: 0 }]);
    // Only where one goes deeper can a link lead back.
    let mut visited: HashSet<PathBuf> = HashSet::new();
    let mut count = 0_usize;
    while let Some(folder) = folders.pop_front() {
        session.observer.check_cancelled()?;
        let entries = match std::fs::read_dir(&folder.at) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            Err(error) => {
                findings.push(finding(&folder.at, &format!("the folder cannot be read: {error}")));
                continue;
            }
        };
        if folder.depth == 0 && source.root_itself {
            note_manifest(&folder, manifests, findings);
        }
        let mut below: Vec<(String, bool)> = entries
            .flatten()
            .filter_map(|entry| {
                let kind = entry.file_type().ok()?;
                let name = entry.file_name().into_string().ok()?;
                (!kind.is_file() && !name.starts_with('.')).then(|| (name, kind.is_symlink()))
            })
            .collect();
        below.sort_unstable();
        for (name, is_link) in below {
            let path = format!("{}{name}/", folder.path);
            let below = OpenFolder { at: folder.at.join(&name), path, depth: folder.depth + 1 };
            let has_one = note_manifest(&below, manifests, findings);
            let goes_on = below.depth < source.depth && (source.nested || !has_one);
            if !goes_on || (is_link && !below.at.is_dir()) {
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

/// Notes the manifest of a folder, under either of its names; false where it has none.
fn note_manifest(
    folder: &OpenFolder,
    manifests: &mut Vec<Manifest>,
    findings: &mut Vec<LoadFinding>,
) -> bool {
    for name in [MANIFEST, LOWER_MANIFEST] {
        let at = folder.at.join(name);
        match std::fs::metadata(&at) {
            Ok(meta) => {
                let path = format!("{}{name}", folder.path);
                manifests.push(Manifest { path, at, fingerprint: Fingerprint::of(&meta) });
                return true;
            }
            Err(error)
                if matches!(
                    error.kind(),
                    std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory
                ) => {}
            Err(error) => {
                findings.push(finding(&at, &format!("it cannot be read: {error}")));
                return true;
            }
        }
    }
    false
}

fn add_skill(
    source: &SkillsFolder,
    named_by: NamedBy,
    manifest: &Manifest,
    read: ReadManifest,
    found: &mut FoundSkills,
    loaded: &mut LoadedSkills,
) {
    let is_new = match manifest.fingerprint.identity() {
        Some(identity) => found.inodes.insert(identity),
        None => found.real_paths.insert(fsx::real_path(&manifest.at)),
    };
    if !is_new {
        return;
    }
    let folder = manifest.at.parent().unwrap_or(&source.root).to_path_buf();
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
        manifest: manifest.at.clone(),
        facts,
        digest: None,
        fallback: false,
    });
}

/// What a manifest says.
///
/// # Errors
/// Why it cannot be used, in a sentence.
fn read_facts(manifest: &Manifest, limits: &Limits) -> ReadManifest {
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
    match (fault, read.frontmatter) {
        (None, Some(front)) => Ok(SkillFacts::of(&front)),
        (Some(fault), _) => Err(printable(&format!("line {}: {}", fault.line, fault.message), false)),
        (None, None) => Err("it has no frontmatter".to_owned()),
    }
}
