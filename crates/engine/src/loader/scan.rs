//! One look through a folder of skills.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::LoadedSkills;
use super::sources::SkillSource;
use crate::workspace::Session;
use ba_agent_core::error::printable;
use ba_agent_core::loader::{LoadFinding, LoadedSkill, OmitReason, OmittedSkill, SkillFacts};
use ba_agent_core::skill::{LOWER_MANIFEST, MANIFEST, Severity, read_summary};
use ba_agent_system::fsx;

/// What tells one file from another, through whatever links it was reached.
pub(crate) type SeenManifests = HashMap<PathBuf, PathBuf>;

/// Adds the skills of one source to `found`; what cannot be used goes to `loaded`.
pub(crate) fn scan_source(
    source: &SkillSource,
    session: &Session<'_>,
    seen: &mut SeenManifests,
    found: &mut Vec<LoadedSkill>,
    loaded: &mut LoadedSkills,
) {
    let mut folders = vec![(source.root.clone(), 0_usize)];
    while let Some((folder, depth)) = folders.pop() {
        let entries = match std::fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            Err(error) => {
                loaded.findings.push(finding(&folder, &format!("the folder cannot be read: {error}")));
                continue;
            }
        };
        let mut names: Vec<_> = entries.flatten().map(|entry| entry.file_name()).collect();
        names.retain(|name| !name.as_encoded_bytes().starts_with(b"."));
        names.sort();
        let mut below = Vec::new();
        for name in names {
            let at = folder.join(&name);
            if !at.is_dir() {
                continue;
            }
            match manifest_in(&at) {
                Some(manifest) => read_skill(source, &at, manifest, session, seen, found, loaded),
                None if depth + 1 < source.depth && fsx::is_real_folder(&at) => below.push((at, depth + 1)),
                None => {}
            }
        }
        below.reverse();
        folders.append(&mut below);
    }
}

fn finding(path: &Path, message: &str) -> LoadFinding {
    LoadFinding { path: printable(&path.to_string_lossy(), false), message: printable(message, false) }
}

/// The manifest of a folder, under either of its names.
fn manifest_in(folder: &Path) -> Option<PathBuf> {
    [MANIFEST, LOWER_MANIFEST].iter().map(|name| folder.join(name)).find(|file| fsx::exists(file))
}

fn read_skill(
    source: &SkillSource,
    folder: &Path,
    manifest: PathBuf,
    session: &Session<'_>,
    seen: &mut SeenManifests,
    found: &mut Vec<LoadedSkill>,
    loaded: &mut LoadedSkills,
) {
    let real = std::fs::canonicalize(&manifest).unwrap_or_else(|_| manifest.clone());
    if seen.contains_key(&real) {
        return;
    }
    seen.insert(real, manifest.clone());
    let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let facts = match read_facts(&manifest, &name, session) {
        Ok(facts) => facts,
        Err(detail) => {
            loaded.findings.push(finding(&manifest, &detail));
            let shown = printable(&name, false);
            let reason = OmitReason::Invalid;
            loaded.omitted.push(OmittedSkill { name: shown, reason, detail, skill: None });
            return;
        }
    };
    found.push(LoadedSkill {
        qualified: name.clone(),
        name,
        origin: source.origin,
        priority: source.priority,
        plugin: source.plugin.clone(),
        folder: folder.to_path_buf(),
        manifest,
        facts,
        digest: None,
        fallback: false,
    });
}

/// What a manifest says.
///
/// # Errors
/// Why it cannot be used, in a sentence.
fn read_facts(manifest: &Path, name: &str, session: &Session<'_>) -> Result<SkillFacts, String> {
    let limits = &session.settings.limits;
    let bytes = match fsx::read_plain_file(manifest, limits.manifest) {
        Ok(Some(bytes)) => bytes,
        Ok(None) => return Err("it is not there any more".to_owned()),
        Err(error) => {
            return Err(std::iter::once(error.message).chain(error.causes).collect::<Vec<_>>().join(": "));
        }
    };
    let read = read_summary(Some(name), &bytes, limits);
    let fault = read.findings.iter().find(|finding| finding.severity == Severity::Error);
    match (fault, read.frontmatter) {
        (None, Some(front)) => Ok(SkillFacts::of(&front)),
        (Some(fault), _) => Err(printable(&fault.message, false)),
        (None, None) => Err("it has no frontmatter".to_owned()),
    }
}
