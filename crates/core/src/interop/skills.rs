//! `skills-lock.json` and `.skill-lock.json`: one shape, the `version` tells them apart.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error as _, IgnoredAny, MapAccess, Visitor};

use super::{
    ImportedSkill, IntegrityClaim, LockFormat, LockImport, SkippedSkill, build_request, commit_sha,
    unknown_version,
};
use crate::digest::Digest;
use crate::error::{Error, Result, error};
use crate::source::Sha;

/// What stands in front; the rest is read when the version is known.
#[derive(Deserialize)]
struct VersionHead {
    version: u64,
}

#[derive(Deserialize)]
struct SkillsDocument {
    skills: SkillEntries,
}

/// The skills in the order of the file; a name that stands twice is an error, since a
/// merge makes such files and a JSON reader would silently drop one side.
struct SkillEntries(Vec<(String, SkillsEntry)>);

/// The keys that matter here. All are optional, so that an entry without one is told of
/// and not a failure of the whole file.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SkillsEntry {
    source: Option<String>,
    source_type: Option<String>,
    source_url: Option<String>,
    #[serde(rename = "ref")]
    reference: Option<String>,
    /// `gh skill` writes what it was asked to stay at into a key of its own.
    pinned_ref: Option<String>,
    skill_path: Option<String>,
    computed_hash: Option<String>,
    skill_folder_hash: Option<String>,
    subagents: Option<IgnoredAny>,
    /// Keys that our own export adds.
    commit: Option<String>,
    integrity: Option<String>,
}

/// Reads either file.
///
/// # Errors
/// See [`super::read_lock_file`].
pub(super) fn read_skills_lock(file: &str, text: &str) -> Result<LockImport> {
    let head: VersionHead = serde_json::from_str(text).map_err(|e| damaged_file(file, &e))?;
    let format = match head.version {
        1 => LockFormat::SkillsLock,
        3 => LockFormat::SkillLock,
        other => {
            let known = "version 1 of skills-lock.json and version 3 of .skill-lock.json";
            return Err(unknown_version(file, &other.to_string(), known));
        }
    };
    let document: SkillsDocument = serde_json::from_str(text).map_err(|e| damaged_file(file, &e))?;
    let mut import = LockImport { format, skills: Vec::new(), left_out: Vec::new() };
    for (name, locked) in document.skills.0 {
        match import_one(&name, &locked) {
            Ok(skill) => import.skills.push(skill),
            Err(reason) => import.left_out.push(SkippedSkill::new(&name, reason)),
        }
    }
    Ok(import)
}

fn damaged_file(file: &str, cause: &serde_json::Error) -> Error {
    let (line, column) = (cause.line(), cause.column());
    error!(Invalid, "`{file}` is not a valid lock file of `skills`: line {line}, column {column} is damaged")
        .cause(cause)
        .hint("restore the file from version control; nothing was imported")
}

/// One entry, or why it cannot be imported.
fn import_one(name: &str, locked: &SkillsEntry) -> std::result::Result<ImportedSkill, String> {
    let place = source_text(locked)?;
    let reference = locked.reference.as_deref().or(locked.pinned_ref.as_deref());
    let path = locked.skill_path.as_deref().unwrap_or("");
    let request = build_request(&place, reference, path).map_err(|e| e.message)?;
    let commit = match locked.commit.as_deref() {
        Some(text) => Some(text.parse::<Sha>().map_err(|e| e.message)?),
        None => commit_sha(reference),
    };
    let commit = commit.filter(|_| request.source.is_git());
    let note = locked.subagents.as_ref().map(|_| "its subagents are not carried over".to_owned());
    let choice = path.is_empty().then(|| name.to_owned());
    Ok(ImportedSkill {
        name: name.to_owned(),
        request,
        choice,
        commit,
        integrity: integrity_claim_of(locked)?,
        note,
    })
}

/// The source as `install` takes it.
fn source_text(locked: &SkillsEntry) -> std::result::Result<String, String> {
    let source = locked.source.as_deref().filter(|text| !text.is_empty());
    let url = locked.source_url.as_deref().filter(|text| !text.is_empty());
    let missing = || "it does not say where it comes from".to_owned();
    match locked.source_type.as_deref() {
        Some("github") => match (source, url) {
            (Some(source), _) if is_shorthand(source) => Ok(format!("github:{source}")),
            (source, url) => url.or(source).map(str::to_owned).ok_or_else(missing),
        },
        Some("gitlab" | "git") => url.or(source).map(str::to_owned).ok_or_else(missing),
        Some("local") => source.map(local_path_text).ok_or_else(missing),
        Some("well-known") => Err("it comes from the index of a web site, which is not read here; \
            install it from its repository or archive"
            .into()),
        Some("node_modules") => {
            Err("it comes out of an npm package; install it from the package's repository".into())
        }
        Some(other) => Err(format!("its source type `{other}` is unknown")),
        None => Err("it has no source type".into()),
    }
}

fn is_shorthand(source: &str) -> bool {
    source.matches('/').count() == 1 && !source.contains(':')
}

/// A path with its beginning said, so that it cannot be taken for a repository.
fn local_path_text(path: &str) -> String {
    let said = ["./", "../", "/", "~"].iter().any(|start| path.starts_with(start));
    let drive = path.as_bytes().get(1) == Some(&b':');
    if said || drive || matches!(path, "." | "..") { path.to_owned() } else { format!("./{path}") }
}

/// Ours goes first: it covers modes and links, theirs bytes alone.
fn integrity_claim_of(locked: &SkillsEntry) -> std::result::Result<Option<IntegrityClaim>, String> {
    if let Some(text) = &locked.integrity {
        return text.parse::<Digest>().map(|d| Some(IntegrityClaim::Digest(d))).map_err(|e| e.message);
    }
    let hash = locked.computed_hash.as_deref().or(locked.skill_folder_hash.as_deref()).unwrap_or("");
    let hex = hash.to_ascii_lowercase();
    let digits = hex.bytes().all(|b| b.is_ascii_hexdigit());
    match hex.len() {
        0 => Ok(None),
        40 if digits => Ok(Some(IntegrityClaim::Tree(hex))),
        64 if digits => Ok(Some(IntegrityClaim::Files(hex))),
        _ => Err(format!("its hash `{hash}` is not a sha256")),
    }
}

impl<'de> Deserialize<'de> for SkillEntries {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        deserializer.deserialize_map(EachNameOnce)
    }
}

struct EachNameOnce;

impl<'de> Visitor<'de> for EachNameOnce {
    type Value = SkillEntries;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map of skills")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> std::result::Result<SkillEntries, A::Error> {
        let mut skills: Vec<(String, SkillsEntry)> = Vec::new();
        let mut names = std::collections::BTreeSet::new();
        while let Some((name, locked)) = map.next_entry::<String, SkillsEntry>()? {
            if !names.insert(name.clone()) {
                return Err(A::Error::custom(format!("the skill `{name}` is listed twice")));
            }
            skills.push((name, locked));
        }
        Ok(SkillEntries(skills))
    }
}
