//! World: the files of versions that are kept beside the one in the targets.
//!
//! Their trees lie in the state folder of the scope, which no cache limit concerns; whoever cannot
//! find one there looks into the caches and, last, asks the source at its pin. To be read by an
//! agent a version is written out once, outside of every skills folder: to
//! `.ba-agent/versions/NAME/VERSION` of a project, of the user's account into the data folder.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use crate::fetch::pinned::fetch_pinned;
use crate::install_state;
use crate::store::Staged;
use crate::workspace::Session;
use ba_agent_core::digest::{Digest, digest_of_files};
use ba_agent_core::error::{Context as _, Error, Kind, Result, error, printable};
use ba_agent_core::listing::{FileEntry, Node};
use ba_agent_core::package::{Package, PackageDir};
use ba_agent_core::path::RelPath;
use ba_agent_core::registry::{InstallMode, LockEntry, Registry, is_version_label};
use ba_agent_core::skill::SkillName;
use ba_agent_system::cache::Cache;
use ba_agent_system::fsx;

/// A version of a skill, written out to be read.
#[derive(Debug, Clone)]
pub(crate) struct KeptVersionDir {
    /// The folder with its files.
    pub(crate) folder: PathBuf,
    /// What it is called.
    pub(crate) version: String,
    /// The record of the skill as if it were in the targets.
    pub(crate) entry: LockEntry,
}

/// Writes a version of an installed skill out, unless it is there already, and says where it is;
/// `latest` is the highest. The version that is in the targets has its folder there.
///
/// # Errors
/// `NotFound` for a skill that is not installed, a version that is not kept, and offline for one
/// whose files are not here; `Integrity` where the source has other bytes; `Usage` where the folder
/// leads out of the project; `Failed` where the disk refuses.
pub(crate) fn open_version(session: &Session<'_>, name: &SkillName, version: &str) -> Result<KeptVersionDir> {
    let registry = session.store.read()?;
    let entry = registry
        .skills
        .get(name)
        .ok_or_else(|| error!(NotFound, "`{name}` is not installed, so it has no versions"))?;
    let label = find_label(name, entry, version)?;
    let entry = entry.with_version(&label).unwrap_or_else(|| entry.clone());
    if registry.skills.get(name).is_some_and(|now| now.digest == entry.digest) {
        let root = session.places.roots_of(&entry)?.into_iter().next().unwrap_or_default();
        return Ok(KeptVersionDir { folder: root.join(name.as_str()), version: label, entry });
    }
    let folder = folder_of_version(session, name, &label)?;
    if !is_written(&folder, &entry) {
        let (package, below) = open_tree(session, name, &entry)?;
        write_out(session, package.dir(&below), &folder, &entry)?;
    }
    Ok(KeptVersionDir { folder, version: label, entry })
}

/// The label of the version that a person means.
///
/// # Errors
/// `NotFound` for one that is not kept.
pub(crate) fn find_label(name: &SkillName, entry: &LockEntry, version: &str) -> Result<String> {
    let found = entry.find_version_label(version).filter(|label| is_version_label(label));
    found.ok_or_else(|| {
        let labels = entry.version_labels().join(", ");
        error!(NotFound, "the version `{}` of `{name}` is not kept", printable(version, false))
            .cause(format!("there are: {}", printable(&labels, false)))
            .hint(format!("`ba-agent skill versions {name}` lists them"))
            .hint("`install` and `update` keep the version that they replace with `--keep`")
    })
}

/// The tree of this digest, where this machine keeps it.
pub(crate) fn find_tree(session: &Session<'_>, digest: &Digest) -> Option<Package> {
    caches(session).iter().find_map(|cache| cache.get(digest))
}

/// Whether this machine seems to keep the tree of this digest.
pub(crate) fn has_tree(session: &Session<'_>, digest: &Digest) -> bool {
    caches(session).iter().any(|cache| cache.has(digest))
}

/// Where trees are looked for, those of kept versions first.
pub(crate) fn caches(session: &Session<'_>) -> [Cache; 3] {
    [kept_trees(session), session.cache.clone(), session.store.history().kept_trees_cache()]
}

fn kept_trees(session: &Session<'_>) -> Cache {
    Cache::open_durable(&session.store.state_dir().version_trees_folder())
}

/// The files of a version, fetched at its pin where no cache has them.
fn open_tree(session: &Session<'_>, name: &SkillName, entry: &LockEntry) -> Result<(Package, RelPath)> {
    if let Some(package) = find_tree(session, &entry.digest) {
        return Ok((package, RelPath::ROOT));
    }
    let what = || format!("the files of `{name}` {} are not on this machine", entry.version_label());
    if session.offline {
        return Err(
            Error::new(Kind::NotFound, what()).hint("without `--offline` they are fetched at their pin")
        );
    }
    let folder = entry.folder().map_err(|why| error!(Integrity, "the path of `{name}` {why}"))?;
    let package = fetch_pinned(entry, &BTreeSet::from([folder.clone()]), &session.world()).context(what)?;
    Ok((package, folder))
}

/// Where a version is written out.
///
/// # Errors
/// `Usage` where a project's link leads out of it.
fn folder_of_version(session: &Session<'_>, name: &SkillName, label: &str) -> Result<PathBuf> {
    let versions = match session.scope.is_project() {
        true => session.scope.own_folder().join("versions"),
        false => session.store.state_dir().folder().join("versions"),
    };
    session.places.check_inside("folder of versions", &versions.join(name.as_str()).join(label))
}

/// True where the folder holds the files of this version, to the last byte.
fn is_written(folder: &Path, entry: &LockEntry) -> bool {
    fsx::is_real_folder(folder)
        && install_state::hash_folder(folder).is_ok_and(|files| digest_of_files(&files) == entry.digest)
}

/// How old what a killed command left must be before it is taken away.
const ABANDONED: Duration = Duration::from_secs(60 * 60);

/// Writes the files beside their place, checks them, and renames: whoever reads has all or nothing.
fn write_out(session: &Session<'_>, package: PackageDir<'_>, folder: &Path, entry: &LockEntry) -> Result<()> {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let above = fsx::parent(folder);
    let unwritable = || format!("the version cannot be written to `{}`", folder.display());
    fsx::create_folders(above).context(unwritable)?;
    ignore_in_git(fsx::parent(above));
    remove_abandoned(above);
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    let beside = |what: &str| above.join(format!("{UNFINISHED}{what}-{}-{number}", std::process::id()));
    let (new, old) = (beside("new"), beside("old"));
    let written = Staged::write(package, new.clone(), &session.settings.limits, |_, _| {
        session.observer.check_cancelled()
    })
    .and_then(|staged| staged.validate(Ok(())))
    .context(unwritable)
    .and_then(|valid| match *valid.digest() == entry.digest {
        true => Ok(()),
        false => Err(error!(
            Integrity,
            "version {} of {} is not what was recorded",
            entry.version_label(),
            entry.source
        )
        .cause(format!("recorded: {}", entry.digest))
        .cause(format!("received: {}", valid.digest()))),
    });
    let placed = written.and_then(|()| {
        if fsx::exists(folder) {
            fsx::rename(folder, &old)?;
        }
        // Another command may have been quicker.
        fsx::rename(&new, folder)
            .or_else(|error| if is_written(folder, entry) { Ok(()) } else { Err(error) })?;
        Ok(())
    });
    let _ = fsx::remove(&new);
    let _ = fsx::remove(&old);
    placed
}

/// How folders begin that are being written.
const UNFINISHED: &str = ".ba-agent-";

/// What is written out can be written again: it is nothing to commit.
fn ignore_in_git(versions: &Path) {
    let file = versions.join(".gitignore");
    if !fsx::exists(&file) {
        let _ = fsx::write_new(&file, b"*\n", false);
    }
}

/// Takes away what killed commands left.
fn remove_abandoned(above: &Path) {
    let entries = std::fs::read_dir(above).into_iter().flatten().flatten();
    for entry in entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(UNFINISHED)) {
        let written = entry.metadata().and_then(|meta| meta.modified());
        let age = written.ok().and_then(|written| written.elapsed().ok());
        if age.is_some_and(|age| age > ABANDONED) {
            let _ = fsx::remove(&entry.path());
        }
    }
}

/// Keeps the files of the version that is in the targets, before another one comes there; says
/// whether they are kept. Edits are no part of a version.
pub(crate) fn keep_tree(session: &Session<'_>, name: &SkillName, entry: &LockEntry) -> bool {
    let trees = kept_trees(session);
    if entry.mode == InstallMode::Live || trees.has(&entry.digest) {
        return entry.mode != InstallMode::Live;
    }
    let bytes = bytes_out_of_caches(session, entry).or_else(|| bytes_at_places(session, name, entry));
    if let Some(bytes) = bytes {
        trees.put(&entry.digest, &entry.files, &bytes);
    }
    trees.has(&entry.digest)
}

/// The bytes of each recorded file, in the order of the record.
fn bytes_out_of_caches(session: &Session<'_>, entry: &LockEntry) -> Option<Vec<Vec<u8>>> {
    let package = find_tree(session, &entry.digest)?;
    let mut files: Vec<&FileEntry> = package.listing.entries().iter().collect();
    files.sort_by(|one, other| one.path.as_str().cmp(other.path.as_str()));
    let read = |one: &FileEntry| match &one.node {
        Node::Link { target } => Some(target.clone().into_bytes()),
        _ => package.read(one).ok().map(std::borrow::Cow::into_owned),
    };
    files.into_iter().map(read).collect()
}

fn bytes_at_places(session: &Session<'_>, name: &SkillName, entry: &LockEntry) -> Option<Vec<Vec<u8>>> {
    let root = session.places.roots_of(entry).ok()?.into_iter().next()?;
    let folder = root.join(name.as_str());
    let is_as_recorded = fsx::is_real_folder(&folder)
        && install_state::hash_folder(&folder)
            .is_ok_and(|files| install_state::find_drift(&entry.files, &files).is_empty());
    let read = |(path, line): (&String, &String)| install_state::read_entry(&folder, path, line).ok();
    if is_as_recorded { entry.files.iter().map(read).collect() } else { None }
}

/// Forgets the files of versions that neither one of the registries nor a change in the history names.
pub(crate) fn forget_unnamed_trees(session: &Session<'_>, registries: &[&Registry]) {
    let trees = kept_trees(session);
    if trees.is_empty() {
        return;
    }
    let Ok(records) = session.store.history().records() else { return };
    let of_history = records.iter().flat_map(|record| record.entries());
    let named: BTreeSet<&Digest> = registries
        .iter()
        .flat_map(|registry| registry.skills.values())
        .chain(of_history)
        .flat_map(|entry| entry.versions.values().map(|kept| &kept.digest))
        .collect();
    trees.retain(|digest| named.contains(digest));
}
