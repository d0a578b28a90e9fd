//! `marketplace validate`: catalogues against the rules, all findings at once.

use std::path::{Path, PathBuf};

use super::{check_name, check_registered};
use crate::fetch::local;
use crate::ops::settle::open_session;
use crate::workspace::{Observer, Workspace};
use ba_agent_core::catalog::{self as catalogue, CatalogFormat, MANIFESTS};
use ba_agent_core::error::{Result, error, printable};
use ba_agent_core::skill::Finding;

/// One catalogue with everything that is to be said about it.
#[derive(Debug)]
pub struct CheckedCatalog {
    /// As the person named it.
    pub path: String,
    pub findings: Vec<Finding>,
}

/// Checks catalogues: files, folders in which one is looked for, or names of registered
/// marketplaces.
///
/// # Errors
/// `NotFound` for a path that is not there and for a folder without a catalogue; those of
/// fetching a registered one. Findings are no errors.
pub fn validate(
    workspace: &Workspace,
    paths: &[PathBuf],
    observer: &dyn Observer,
) -> Result<Vec<CheckedCatalog>> {
    paths.iter().map(|path| validate_one(workspace, path, observer)).collect()
}

fn validate_one(workspace: &Workspace, path: &Path, observer: &dyn Observer) -> Result<CheckedCatalog> {
    if let Some(findings) = check_word(workspace, path, observer)? {
        return Ok(CheckedCatalog { path: path.display().to_string(), findings });
    }
    let (file, shown) = manifest_at(&workspace.env().absolute(path), path)?;
    let size = std::fs::metadata(&file).map_or(0, |meta| meta.len());
    // One byte more than allowed is enough to say that it is too large.
    let text = read_start(&file, size.min(catalogue::MAX_BYTES + 1))?;
    let place = file.to_string_lossy().replace('\\', "/");
    let root = PathBuf::from(format!("{}/", catalogue::root_of(&place)));
    let official = local::find_origin(&root).is_some_and(|source| catalogue::is_official(&source));
    let manner = CatalogFormat { official, ..CatalogFormat::of(&place, true) };
    let is_folder = |path: &str| root.join(path).is_dir();
    let findings = catalogue::check_catalog(&text, &shown, manner, Some(&is_folder));
    Ok(CheckedCatalog { path: shown, findings })
}

/// The findings about a registered marketplace, where the word is the name of one and of
/// nothing on the disk.
fn check_word(workspace: &Workspace, word: &Path, observer: &dyn Observer) -> Result<Option<Vec<Finding>>> {
    let name = word.to_str().filter(|name| check_name(name).is_ok());
    let Some(name) = name.filter(|_| !workspace.env().absolute(word).exists()) else { return Ok(None) };
    let session = open_session(&workspace.or_user_at_home(), observer)?;
    let all = session.marketplaces()?;
    let Ok(known) = all.get(name) else { return Ok(None) };
    check_registered(known, &session.world()).map(Some)
}

/// The catalogue that a path means, and how a person would name it.
fn manifest_at(path: &Path, typed: &Path) -> Result<(PathBuf, String)> {
    let shown = typed.to_string_lossy().trim_end_matches('/').to_owned();
    if path.is_file() {
        return Ok((path.to_path_buf(), shown));
    }
    if !path.is_dir() {
        return Err(error!(NotFound, "`{}` does not exist", printable(&shown, false)));
    }
    let found = MANIFESTS.iter().map(|(name, _)| *name).find(|name| path.join(name).is_file());
    let name = found.ok_or_else(|| {
        error!(NotFound, "there is no marketplace.json in `{}`", printable(&shown, false))
            .hint(format!("looked for {}", MANIFESTS.map(|(name, _)| name).join(", ")))
    })?;
    Ok((path.join(name), if shown == "." { name.to_owned() } else { format!("{shown}/{name}") }))
}

fn read_start(file: &Path, bytes: u64) -> Result<String> {
    use std::io::Read as _;
    let mut start = Vec::new();
    fs_err::File::open(file)?.take(bytes).read_to_end(&mut start)?;
    String::from_utf8(start).map_err(|e| {
        error!(Invalid, "`{}` is not UTF-8", file.display())
            .cause(format!("the first bad byte is number {}", e.utf8_error().valid_up_to()))
    })
}
