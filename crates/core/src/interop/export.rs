//! Our registry as a `skills-lock.json`, so that people with `npx skills` get the same.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use super::{SkippedSkill, collate, promise};
use crate::digest::sha256_hex;
use crate::error::{Result, error};
use crate::registry::{InstallMode, LockEntry, ReferenceRecord, Registry};
use crate::skill::SkillName;
use crate::source::Source;

/// The base URLs of the three hosts, as the settings have them.
#[derive(Debug, Clone, Copy)]
pub struct Hosts<'a> {
    pub github: &'a str,
    pub gitlab: &'a str,
    pub bitbucket: &'a str,
}

/// What came of an export.
#[derive(Debug)]
pub struct LockExport {
    /// The file's text.
    pub text: String,
    /// What `skills` has no way to say.
    pub left_out: Vec<SkippedSkill>,
    /// What it says less of than we know, a sentence each.
    pub notes: Vec<String>,
}

#[derive(Serialize)]
struct SkillsLockFile {
    version: u64,
    skills: BTreeMap<String, ExportedEntry>,
}

/// One skill. The keys down to `computedHash` are theirs, in their order; the rest is
/// ours: `skills` 1.7.4 reads over it and keeps it until it installs that skill anew.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ExportedEntry {
    source: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    source_url: Option<String>,
    #[serde(rename = "ref", skip_serializing_if = "Option::is_none")]
    reference: Option<String>,
    source_type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    skill_path: Option<String>,
    computed_hash: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    commit: Option<String>,
    integrity: String,
    agents: Vec<String>,
    mode: InstallMode,
}

/// The registry as `skills` writes it. `read` gives the bytes of a file of an installed
/// skill, by the path that the registry has for it.
///
/// # Errors
/// Those of `read`; `Integrity` where the bytes are not the recorded ones, since a hash of
/// edited files would name something that nobody can fetch.
pub fn export_lock(
    registry: &Registry,
    hosts: &Hosts<'_>,
    read: &mut dyn FnMut(&SkillName, &str) -> Result<Vec<u8>>,
) -> Result<LockExport> {
    let mut document = SkillsLockFile { version: 1, skills: BTreeMap::new() };
    let (mut left_out, mut notes) = (Vec::new(), Vec::new());
    for (name, entry) in &registry.skills {
        // They know a skill by the name it gives itself, and look for that in the source.
        let own = entry.alias_of.clone().unwrap_or_else(|| name.to_string());
        if document.skills.contains_key(&own) {
            let reason =
                format!("another skill calls itself `{own}` too, and a skills-lock.json has no aliases");
            left_out.push(SkippedSkill::new(name.as_str(), reason));
            continue;
        }
        match exported_place(entry, hosts) {
            Ok(place) => {
                note_what_is_lost(name, &own, entry, &mut notes);
                document.skills.insert(own, export_entry(name, entry, place, read)?);
            }
            Err(reason) => left_out.push(SkippedSkill::new(name.as_str(), reason)),
        }
    }
    let value = serde_json::to_value(&document).unwrap_or(Value::Null);
    let text = serde_json::to_string_pretty(&value).unwrap_or_default() + "\n";
    Ok(LockExport { text, left_out, notes })
}

/// `source`, `sourceUrl`, `sourceType`.
struct ExportedPlace(String, Option<String>, &'static str);

fn exported_place(entry: &LockEntry, hosts: &Hosts<'_>) -> std::result::Result<ExportedPlace, String> {
    let on = |base: &str, path: &str| format!("{}/{path}.git", base.trim_end_matches('/'));
    let git = |url: String| ExportedPlace(url.clone(), Some(url), "git");
    let source: Source = entry.source.parse().map_err(|e: crate::error::Error| e.message)?;
    match source {
        Source::Github { owner, repo } if hosts.github == "https://github.com" => {
            Ok(ExportedPlace(format!("{owner}/{repo}"), None, "github"))
        }
        Source::Github { owner, repo } => Ok(git(on(hosts.github, &format!("{owner}/{repo}")))),
        Source::Gitlab { project } => {
            let url = on(hosts.gitlab, &project);
            Ok(ExportedPlace(url.clone(), Some(url), "gitlab"))
        }
        Source::Bitbucket { workspace, repo } => Ok(git(on(hosts.bitbucket, &format!("{workspace}/{repo}")))),
        Source::Git { url } => Ok(git(url)),
        Source::Local { path } => Ok(ExportedPlace(path, None, "local")),
        Source::Archive { .. } => Err("`skills` does not record archives".into()),
        Source::Served { .. } => Err("`skills` does not record skills that a host serves by an index".into()),
        Source::RemoteRegistry { .. } => Err("`skills` does not record versions of a registry".into()),
        Source::Builtin { .. } => Err("it is built into ba-agent".into()),
        Source::Own { .. } => Err("it has no source".into()),
        Source::Marketplace { .. } => Err("its source is the entry of a marketplace".into()),
    }
}

fn export_entry(
    name: &SkillName,
    entry: &LockEntry,
    ExportedPlace(source, source_url, source_type): ExportedPlace,
    read: &mut dyn FnMut(&SkillName, &str) -> Result<Vec<u8>>,
) -> Result<ExportedEntry> {
    let computed_hash = collate::computed_hash(promise::regular_files(&entry.files), |path| {
        let bytes = read(name, path)?;
        check_readable_back(name, entry, path, &bytes)?;
        Ok(bytes)
    })?;
    Ok(ExportedEntry {
        source,
        source_url,
        reference: reference_text(entry),
        source_type,
        skill_path: skill_path(entry),
        computed_hash,
        commit: entry.pin.commit.clone(),
        integrity: entry.digest.to_string(),
        agents: entry.targets.clone(),
        mode: entry.mode,
    })
}

/// The author of a live link edits as he likes; everything else must be as recorded.
fn check_readable_back(name: &SkillName, entry: &LockEntry, path: &str, bytes: &[u8]) -> Result<()> {
    let recorded = entry.files.get(path).and_then(|line| line.split(' ').nth(1));
    if entry.mode == InstallMode::Live || recorded == Some(sha256_hex(bytes).as_str()) {
        return Ok(());
    }
    Err(error!(Integrity, "`{path}` of `{name}` is not what was installed")
        .hint(format!("see what was changed with `ba-agent skill diff {name}`"))
        .hint(format!("or reinstall it with `ba-agent skill install {} --force`", entry.source)))
}

/// A ref that `skills` can fetch: it knows no ranges and no pins beside it.
fn reference_text(entry: &LockEntry) -> Option<String> {
    if entry.pinned && entry.pin.commit.is_some() {
        return entry.pin.commit.clone();
    }
    match &entry.reference {
        None => None,
        Some(ReferenceRecord::Branch(name) | ReferenceRecord::Tag(name) | ReferenceRecord::Sha(name)) => {
            Some(name.clone())
        }
        Some(ReferenceRecord::Range(_)) => entry.pin.chosen.clone().or_else(|| entry.pin.commit.clone()),
    }
}

/// The manifest seen from the top of the source. `skills` writes none for local folders.
fn skill_path(entry: &LockEntry) -> Option<String> {
    let manifest = entry.files.keys().find(|path| path.eq_ignore_ascii_case("SKILL.md"))?;
    match &entry.path {
        Some(folder) => Some(format!("{folder}/{manifest}")),
        None if entry.kind == "local" => None,
        None => Some(manifest.clone()),
    }
}

fn note_what_is_lost(name: &SkillName, own: &str, entry: &LockEntry, notes: &mut Vec<String>) {
    // Under a name that only differs in how it is written, theirs lands in the same folder.
    if SkillName::nearest_to(own).as_ref() != Some(name) {
        notes.push(format!("`{name}` will be called `{own}`, which is its own name: there are no aliases"));
    }
    if let Some(ReferenceRecord::Range(range)) = &entry.reference {
        notes.push(format!("`{name}` will stay at the version that `{range}` gave: there are no ranges"));
    }
    if entry.files.keys().any(|path| !path.is_ascii()) {
        notes.push(format!(
            "the hash of `{name}` may differ from theirs: names of files beyond ASCII are sorted in another way"
        ));
    }
}
