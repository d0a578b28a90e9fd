//! `apm.lock.yaml`: packages, of which each may hold several skills.

use std::collections::BTreeSet;

use serde::Deserialize;

use super::{
    ImportedSkill, IntegrityClaim, LockFormat, LockImport, SkippedSkill, build_request, commit_sha,
    unknown_version,
};
use crate::digest::Digest;
use crate::error::{Result, error, printable};
use crate::path::RelPath;
use crate::source::{Request, Source};

#[derive(Deserialize)]
struct ApmLockFile {
    lockfile_version: Option<serde_yaml::Value>,
    dependencies: Option<Vec<ApmPackage>>,
}

/// The keys of apm's schema that say where a package is and which skills came of it.
#[derive(Deserialize)]
struct ApmPackage {
    name: Option<String>,
    repo_url: Option<String>,
    /// The same with upper case as the host has it; `repo_url` is folded.
    materialization_repo_url: Option<String>,
    host: Option<String>,
    port: Option<u16>,
    registry_prefix: Option<String>,
    resolved_ref: Option<String>,
    resolved_tag: Option<String>,
    resolved_commit: Option<String>,
    /// The range that was asked for.
    constraint: Option<String>,
    virtual_path: Option<String>,
    skill_subset: Option<Vec<String>>,
    deployed_files: Option<Vec<String>>,
    source: Option<String>,
    local_path: Option<String>,
    anchored_local_path: Option<String>,
    resolved_url: Option<String>,
    resolved_hash: Option<String>,
}

/// Reads the file.
///
/// # Errors
/// See [`super::read_lock_file`].
pub(super) fn read_apm_lock(file: &str, text: &str) -> Result<LockImport> {
    let document: ApmLockFile = serde_yaml::from_str(text).map_err(|e| {
        let place = e
            .location()
            .map_or(String::new(), |at| format!(" in line {}, column {}", at.line(), at.column()));
        error!(Invalid, "`{file}` is not a valid lock file of apm: damaged{place}")
            .cause(printable(&e.to_string(), false))
            .hint("restore the file from version control; nothing was imported")
    })?;
    let version = match &document.lockfile_version {
        Some(serde_yaml::Value::String(text)) => text.clone(),
        Some(serde_yaml::Value::Number(number)) => number.to_string(),
        _ => return Err(missing_key(file, "lockfile_version")),
    };
    if !matches!(version.as_str(), "1" | "2") {
        return Err(unknown_version(file, &version, "versions 1 and 2 of apm.lock.yaml"));
    }
    let packages = document.dependencies.ok_or_else(|| missing_key(file, "dependencies"))?;
    let mut import = LockImport { format: LockFormat::ApmLock, skills: Vec::new(), left_out: Vec::new() };
    for package in &packages {
        match package.import_skills() {
            Ok(skills) => import.skills.extend(skills),
            Err(reason) => import.left_out.push(SkippedSkill::new(&package.display_name(), reason)),
        }
    }
    Ok(import)
}

fn missing_key(file: &str, key: &str) -> crate::error::Error {
    error!(Invalid, "`{file}` is not a valid lock file of apm: it has no `{key}`")
        .hint("restore the file from version control; nothing was imported")
}

impl ApmPackage {
    /// What a person calls it: its name, else where it is.
    fn display_name(&self) -> String {
        let place = self.repo_url.as_deref().unwrap_or("a package without a name");
        match (&self.name, &self.virtual_path) {
            (Some(name), _) => name.clone(),
            (None, Some(path)) => format!("{place}/{path}"),
            (None, None) => place.to_owned(),
        }
    }

    /// The skills of the package, or why there are none to import.
    fn import_skills(&self) -> std::result::Result<Vec<ImportedSkill>, String> {
        let names = self.skill_names();
        if names.is_empty() {
            return Err("no skill of it was installed".into());
        }
        let request = self.to_request()?;
        let commit = match self.resolved_commit.as_deref() {
            Some(text) => Some(text.parse().map_err(|e: crate::error::Error| e.message)?),
            None => commit_sha(self.resolved_ref.as_deref()),
        };
        let integrity = self.integrity_claim(&request)?;
        // A package's folder may be the skill itself or hold several.
        let itself = request.subdirectory.as_ref().map(RelPath::name);
        let one = |name: String| ImportedSkill {
            choice: Some(name.clone()).filter(|name| itself != Some(name.as_str())),
            name,
            request: request.clone(),
            commit: commit.clone().filter(|_| request.source.is_git()),
            integrity: integrity.clone(),
            note: None,
        };
        Ok(names.into_iter().map(one).collect())
    }

    /// The names that were chosen, else those of the skill folders that were written.
    fn skill_names(&self) -> BTreeSet<String> {
        if let Some(subset) = self.skill_subset.as_ref().filter(|subset| !subset.is_empty()) {
            return subset.iter().map(|name| name.rsplit('/').next().unwrap_or(name).to_owned()).collect();
        }
        let files = self.deployed_files.iter().flatten();
        files.filter_map(|path| skill_of(path)).map(str::to_owned).collect()
    }

    fn to_request(&self) -> std::result::Result<Request, String> {
        let said = |e: crate::error::Error| e.message;
        match self.source.as_deref() {
            Some("local") => {
                let path = self.anchored_local_path.as_deref().or(self.local_path.as_deref());
                let path = path.ok_or("it has no local path")?;
                let path =
                    if path.starts_with(['.', '/', '~']) { path.to_owned() } else { format!("./{path}") };
                build_request(&path, None, "").map_err(said)
            }
            Some("registry") => {
                let url = self.resolved_url.as_deref().ok_or("it has no address in its registry")?;
                match build_request(url, None, self.package_path()?).map_err(said)? {
                    archive @ Request { source: Source::Archive { .. }, .. } => Ok(archive),
                    _ => Err("its registry does not serve archives that can be read here".into()),
                }
            }
            None | Some("git") => {
                build_request(&self.source_address()?, self.wanted_reference(), self.package_path()?)
                    .map_err(said)
            }
            Some(other) => Err(format!("its source `{other}` is unknown")),
        }
    }

    /// The repository as `install` takes it.
    fn source_address(&self) -> std::result::Result<String, String> {
        if self.registry_prefix.is_some() {
            return Err("it comes through a proxy of a registry, which is not read here".into());
        }
        let url = self.materialization_repo_url.as_deref().or(self.repo_url.as_deref());
        let url = url.ok_or("it has no `repo_url`")?;
        if url.contains("://") || url.contains('@') {
            return Ok(url.to_owned());
        }
        match (self.host.as_deref(), self.port) {
            (None | Some("github.com"), None) if url.matches('/').count() == 1 => Ok(format!("github:{url}")),
            (Some(host), None) => Ok(format!("https://{host}/{url}")),
            (Some(host), Some(port)) => Ok(format!("https://{host}:{port}/{url}")),
            (None, _) => Ok(format!("https://{url}")),
        }
    }

    /// The range, so that updates stay inside it; else what it was resolved from.
    fn wanted_reference(&self) -> Option<&str> {
        let range = self.constraint.as_deref().filter(|text| semver::VersionReq::parse(text).is_ok());
        range.or(self.resolved_tag.as_deref()).or(self.resolved_ref.as_deref())
    }

    fn package_path(&self) -> std::result::Result<&str, String> {
        let path = self.virtual_path.as_deref().unwrap_or("");
        let file = path.rsplit('/').next().unwrap_or("");
        if file.ends_with(".md") && !super::is_manifest(file) {
            return Err(format!("`{path}` is a single file, not a folder with a SKILL.md"));
        }
        Ok(path)
    }

    /// apm's own hashes cover files after it has changed them; only those of archives can
    /// be held to.
    fn integrity_claim(&self, request: &Request) -> std::result::Result<Option<IntegrityClaim>, String> {
        let Some(hash) = self.resolved_hash.as_deref() else { return Ok(None) };
        if !matches!(request.source, Source::Archive { .. }) {
            return Ok(None);
        }
        let hash = if hash.contains(':') { hash.to_owned() } else { format!("sha256:{hash}") };
        let digest: Digest = hash.parse().map_err(|_| format!("its hash `{hash}` is not a sha256"))?;
        Ok(Some(IntegrityClaim::Archive(digest)))
    }
}

/// `pdf` of `.claude/skills/pdf` and of every path below it. apm also lists other things,
/// some of them URLs.
fn skill_of(path: &str) -> Option<&str> {
    if path.contains("://") {
        return None;
    }
    let mut parts = path.split('/');
    parts.find(|part| *part == "skills")?;
    parts.next().filter(|name| !name.is_empty())
}
