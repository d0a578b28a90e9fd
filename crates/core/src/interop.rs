//! Lock files of other tools, read and written, so that teams can mix tools and
//! change over: `skills-lock.json` (version 1) and `.skill-lock.json` (version 3) of the
//! `skills` CLI, the latter also of `gh skill`, and `apm.lock.yaml` (versions 1 and 2) of
//! apm. The formats have no specification but apm's; they were read off real files.
//!
//! Reading is strict: text that is damaged is an error and never an empty list (`skills`
//! and `gh` take it for empty and write over it), and what cannot be installed from here
//! is listed with its reason.

mod apm;
mod claude;
mod collate;
mod export;
mod gh;
mod promise;
mod skills;

use serde::Serialize;

use crate::error::{Error, Result, error, printable};
use crate::path::RelPath;
use crate::registry::conflict_marker;
use crate::source::{Request, Sha, Source};

pub use claude::{InstalledPlugin, KnownMarketplace, read_installed_plugins, read_known_marketplaces};
pub use collate::locale_compare;
pub use export::{Hosts, export_lock};
pub use gh::{differs_by_gh_metadata_alone, read_gh_metadata};
pub use promise::{FetchedSkill, IntegrityClaim};

/// Which kind of lock file a text is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[expect(clippy::enum_variant_names, reason = "they are the names of the files")]
pub(crate) enum LockFormat {
    /// `skills-lock.json`, of a project.
    SkillsLock,
    /// `.skill-lock.json`, of a user.
    SkillLock,
    /// `apm.lock.yaml`.
    ApmLock,
}

/// Everything that a lock file says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockImport {
    pub(crate) format: LockFormat,
    /// In the order of the file.
    pub skills: Vec<ImportedSkill>,
    /// What cannot be imported.
    pub left_out: Vec<SkippedSkill>,
}

/// A skill that another tool has recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportedSkill {
    /// The name that it gives itself, as the other tool wrote it: no checked name.
    pub name: String,
    /// Where it is. Paths on this machine are seen from the folder of the lock file.
    pub request: Request,
    /// What it is called among the skills of the request; `None` where the request names
    /// the very folder of the skill.
    pub choice: Option<String>,
    /// The commit that was installed, where the format records it.
    pub commit: Option<Sha>,
    /// What its content must be.
    pub integrity: Option<IntegrityClaim>,
    /// What the person should know about it: one sentence.
    pub note: Option<String>,
}

/// Something that a lock file names and that cannot be carried over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SkippedSkill {
    pub name: String,
    /// Why, as the end of "`name` is left out: …".
    pub reason: String,
}

impl SkippedSkill {
    fn new(name: &str, reason: impl Into<String>) -> Self {
        Self { name: name.to_owned(), reason: reason.into() }
    }
}

/// Reads the lock file that is called `file` (a path, for its ending and for messages).
///
/// # Errors
/// `Usage` for a file that is none of the three by its ending; `Invalid`, with the line,
/// for conflict markers, damaged JSON or YAML, missing or wrong fields and a skill that is
/// there twice; `Conflict` for a version that is not known here.
pub fn read_lock_file(file: &str, text: &str) -> Result<LockImport> {
    let shown = printable(file, false);
    if let Some(line) = conflict_marker(text) {
        return Err(error!(Invalid, "`{shown}` has git conflict markers on line {line}")
            .hint("keep one side of each conflict and delete the markers, then import it again"));
    }
    let lower = file.to_ascii_lowercase();
    if lower.ends_with(".json") {
        return skills::read_skills_lock(&shown, text);
    }
    if lower.ends_with(".yaml") || lower.ends_with(".yml") {
        return apm::read_apm_lock(&shown, text);
    }
    Err(error!(Usage, "`{shown}` is not a lock file that can be imported")
        .hint("skills-lock.json, .skill-lock.json, apm.lock.yaml and installed_plugins.json can"))
}

fn unknown_version(file: &str, version: &str, known: &str) -> Error {
    let shown = printable(version, false);
    error!(Conflict, "`{file}` has the unknown version {shown}")
        .hint(format!("known versions are {known}; a newer ba-agent may read it"))
}

/// The request that the parts of an entry make. `path` is the skill's folder or its
/// `SKILL.md` in the source, `""` where that is not known.
///
/// # Errors
/// `Usage` for whatever `install` would not take either.
fn build_request(source: &str, reference: Option<&str>, path: &str) -> Result<Request> {
    let mut request = Request::parse(source)?;
    if let Some(text) = reference.filter(|text| !text.is_empty()) {
        request = request.with_flags(Some(text), None, None)?;
    }
    let path = path.strip_prefix("./").unwrap_or(path).trim_end_matches('/');
    let folder = match path.rsplit_once('/') {
        Some((folder, last)) if is_manifest(last) => folder,
        None if is_manifest(path) => "",
        _ => path,
    };
    if !matches!(folder, "" | ".") {
        let folder = RelPath::parse(folder.as_bytes()).map_err(|reason| {
            error!(Usage, "the path `{}` cannot be used: it {reason}", printable(path, false))
        })?;
        request.subdirectory = Some(match &request.subdirectory {
            Some(above) => above.join(&folder),
            None => folder,
        });
    }
    if matches!(request.source, Source::Marketplace { .. } | Source::Builtin { .. } | Source::Own { .. }) {
        return Err(error!(Usage, "`{}` cannot be named as a source by a lock file", request.source));
    }
    Ok(request)
}

fn is_manifest(name: &str) -> bool {
    name.eq_ignore_ascii_case("SKILL.md")
}

/// The full sha that a text is, if it is one.
fn commit_sha(text: Option<&str>) -> Option<Sha> {
    text.and_then(|text| text.parse().ok())
}

#[cfg(test)]
mod tests;
