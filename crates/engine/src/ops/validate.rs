//! `skill validate`: the skills of local folders against the rules.

use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::fetch::local;
use crate::workspace::Workspace;
use ba_agent_core::discover;
use ba_agent_core::error::{Result, error};
use ba_agent_core::listing::{FileEntry, Limits, Node, check_portable};
use ba_agent_core::package::Package;
use ba_agent_core::path::RelPath;
use ba_agent_core::skill::{self, Finding, Profile, Severity};

/// One skill with everything that is to be said about it.
#[derive(Debug, Serialize)]
pub struct Checked {
    /// Its folder, as the person would type it.
    pub path: String,
    pub(crate) name: Option<String>,
    pub findings: Vec<Finding>,
}

impl Checked {
    pub fn worst(&self) -> Option<Severity> {
        skill::worst_severity(&self.findings)
    }
}

/// What is checked, and by whose rules.
#[derive(Debug)]
pub struct ValidateOptions {
    /// Skills, their SKILL.md, or folders with skills in them, from the working directory.
    pub paths: Vec<PathBuf>,
    pub profile: Profile,
}

/// Checks skills against the rules, all findings at once.
///
/// # Errors
/// `NotFound` for a path that is not there and for a folder without a skill, `Usage` for what is
/// neither a folder nor a SKILL.md; `Failed` for what cannot be read. Findings are no errors.
pub fn validate(workspace: &Workspace, options: &ValidateOptions) -> Result<Vec<Checked>> {
    let settings = workspace.settings()?;
    let mut checked = Vec::new();
    for path in &options.paths {
        let folder = folder_of(&workspace.env().absolute(path))?;
        checked.extend(validate_folder(&folder, &path_shown(path), options.profile, &settings.limits)?);
    }
    Ok(checked)
}

/// The folder that a path means: a `SKILL.md` stands for the folder around it.
///
/// # Errors
/// `Usage` for another file, `NotFound` for what is not there.
pub(crate) fn folder_of(path: &Path) -> Result<PathBuf> {
    if path.is_dir() {
        return Ok(path.to_path_buf());
    }
    let is_manifest = path.file_name().is_some_and(|name| name.eq_ignore_ascii_case("skill.md"));
    match path.parent() {
        Some(folder) if path.is_file() && is_manifest => Ok(folder.to_path_buf()),
        _ if path.exists() => Err(error!(Usage, "`{}` is not a folder or a SKILL.md", path.display())),
        _ => Err(error!(NotFound, "`{}` does not exist", path.display())),
    }
}

/// That folder as the person typed it.
pub(crate) fn path_shown(path: &Path) -> String {
    let folder = match path.file_name() {
        Some(name) if name.eq_ignore_ascii_case("skill.md") => path.parent().unwrap_or(path),
        _ => path,
    };
    let text = folder.to_string_lossy().trim_end_matches('/').to_owned();
    if text.is_empty() { ".".to_owned() } else { text }
}

/// Checks the skill in `folder`, or all that lie below it; `shown` is how the person named it.
///
/// # Errors
/// `NotFound` when there is none; `Failed` for what cannot be read.
fn validate_folder(folder: &Path, shown: &str, profile: Profile, limits: &Limits) -> Result<Vec<Checked>> {
    let real = fs_err::canonicalize(folder)?;
    let tree = local::open_folder(&real, &[], limits)?;
    let found = discover::find_skills(&tree.listing, &RelPath::ROOT);
    let own_name = real.file_name().map(|name| name.to_string_lossy().into_owned());
    let mut checked = Vec::new();
    for one in found.iter().filter(|one| one.offered || found.iter().all(|other| !other.offered)) {
        let name = one.folder.last_name();
        let path = if one.folder.is_root() { shown.to_owned() } else { format!("{shown}/{}", one.folder) };
        let name = name.or(own_name.as_deref());
        checked.push(check_skill(&tree, &one.folder, &one.manifest, name, path, profile, limits)?);
    }
    if let (true, Some(near)) =
        (checked.is_empty(), discover::near_misses(&tree.listing, &RelPath::ROOT).first())
    {
        return Err(error!(Invalid, "`{shown}` has no SKILL.md")
            .hint(format!("there is `{near}`, but the file must be called exactly `SKILL.md`")));
    }
    if checked.is_empty() {
        return Err(error!(NotFound, "there is no SKILL.md in `{shown}`")
            .hint("make a new skill with `ba-agent skill init NAME`"));
    }
    Ok(checked)
}

/// Checks one skill of `tree`; `name` is the name of its folder, `path` what a person calls it.
///
/// # Errors
/// Those of [`Package::read`].
pub(crate) fn check_skill(
    tree: &Package,
    folder: &RelPath,
    manifest: &str,
    name: Option<&str>,
    path: String,
    profile: Profile,
    limits: &Limits,
) -> Result<Checked> {
    let entries = tree.dir(folder).entries();
    let mut findings = skill::check_files(&entries, profile);
    let mut own_name = None;
    // What is larger than a file may be is said by `check_portable`, and not read.
    let is_read = |entry: &&FileEntry| matches!(entry.node, Node::File { .. }) && entry.size <= limits.file;
    for entry in entries.iter().filter(is_read) {
        let bytes = tree.dir(folder).read(entry)?;
        if entry.path.as_str() == manifest {
            let document = skill::read_manifest(manifest, name, &bytes, profile, limits);
            let body = skill::check_body(manifest, &bytes, document.body_starts_line, &entries, profile);
            findings.splice(0..0, body);
            own_name = document.frontmatter.and_then(|front| front.name);
            findings.splice(0..0, document.findings);
        } else {
            findings.extend(skill::check_text(entry.path.as_str(), &bytes, profile));
            findings.extend(skill::check_secrets(entry.path.as_str(), &bytes, profile));
        }
    }
    let refused = tree.listing.refused_below(folder);
    findings.extend(refused.map(|r| skill::not_installable(&format!("the path `{}` {}", r.shown, r.reason))));
    if let Err(error) = check_portable(&entries, limits) {
        findings.push(skill::not_installable(&error.message));
    }
    Ok(Checked { path, name: own_name, findings })
}
