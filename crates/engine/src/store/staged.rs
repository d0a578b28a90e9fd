//! Content on its way: written ([`Staged`]), then found sound ([`Valid`]). Only the latter
//! can be put in place, so nothing is committed that was not checked as it was written.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};

use walkdir::WalkDir;

use crate::install_state;
use ba_agent_core::digest::{Digest, Files, TreeDigest, digest_of_files, sha256_hex};
use ba_agent_core::error::{Context as _, Error, Result, error, printable};
use ba_agent_core::listing::{FileEntry, Limits, Node, check_portable};
use ba_agent_core::package::PackageDir;
use ba_agent_core::path::ancestor_folders;
use ba_agent_core::registry::{FileRecords, FileSizes};
use ba_agent_system::fsx;

/// A skill that was written to a staging folder and hashed on the way.
#[derive(Debug)]
pub(crate) struct Staged {
    folder: PathBuf,
    files: Files,
    sizes: FileSizes,
}

/// A staged skill that may be put in place.
#[derive(Debug, Clone)]
pub(crate) struct Valid {
    folder: PathBuf,
    files: FileRecords,
    digest: Digest,
}

impl Staged {
    /// Writes `package` to `folder`, which must not exist though
    /// the folder above it does.
    ///
    /// The paths are checked before the first byte is written; no path goes through a link.
    /// `look` gets the bytes of each file, and the target of each link, in byte order of paths.
    ///
    /// # Errors
    /// `Invalid` for a package that [`check_portable`] refuses, `Integrity` for bytes that
    /// cannot be had, `Failed` where the disk refuses.
    pub(crate) fn write(
        package: PackageDir<'_>,
        folder: PathBuf,
        limits: &Limits,
        mut look: impl FnMut(&FileEntry, Cow<'_, [u8]>) -> Result<()>,
    ) -> Result<Self> {
        let entries = package.entries();
        check_portable(&entries, limits)?;
        fsx::create_folder(&folder)?;
        make_folders(&folder, &entries)?;
        let (mut files, mut sizes) = (TreeDigest::default(), FileSizes::new());
        for entry in &entries {
            let at = folder.join(entry.path.as_str());
            let bytes = match &entry.node {
                Node::Link { target } => {
                    make_link(&at, target, &entries, entry)?;
                    Cow::Borrowed(target.as_bytes())
                }
                node => {
                    let bytes = package.read(entry)?;
                    fsx::write_new(&at, &bytes, *node == Node::File { executable: true })?;
                    bytes
                }
            };
            files.add_file(&entry.path, entry.node.git_mode(), &sha256_hex(&bytes))?;
            sizes.insert(entry.path.as_str().to_owned(), bytes.len() as u64);
            look(entry, bytes)?;
        }
        Ok(Self { folder, files: files.into_files(), sizes })
    }

    /// Copies everything in `from`, as it lies there, to `folder`, which must not exist though the
    /// folder above it does. A link in a project may lead to nothing outside of its skill.
    ///
    /// # Errors
    /// `Conflict` for such a link, a pipe or a device, `Failed` where the disk refuses.
    pub(crate) fn copy(from: &Path, folder: PathBuf, is_project: bool) -> Result<Self> {
        copy_tree(from, &folder, is_project)?;
        let files = install_state::hash_folder(&folder)?;
        Ok(Self { folder, files, sizes: FileSizes::new() })
    }

    /// States that everything about the staged bytes was found in order: `found` is what
    /// the rules of `SKILL.md` said about exactly these bytes.
    ///
    /// # Errors
    /// The error that `found` carries; the staged folder is then never put in place.
    pub(crate) fn validate(self, found: Result<()>) -> Result<Valid> {
        found?;
        let digest = digest_of_files(&self.files);
        let files = FileRecords::new(self.files, self.sizes);
        Ok(Valid { folder: self.folder, files, digest })
    }
}

impl Valid {
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(crate) fn digest(&self) -> &Digest {
        &self.digest
    }

    /// Mode, hash and size of each, as the registry records them.
    pub(crate) fn files(&self) -> &FileRecords {
        &self.files
    }
}

/// Copies a folder, empty folders and modes with it.
fn copy_tree(from: &Path, to: &Path, is_project: bool) -> Result<()> {
    fsx::create_folder(to)?;
    for entry in WalkDir::new(from).min_depth(1).follow_links(false) {
        let entry = entry.map_err(std::io::Error::from)?;
        let below = entry.path().strip_prefix(from).unwrap_or(entry.path());
        let (kind, at) = (entry.file_type(), to.join(below));
        if kind.is_dir() {
            fsx::create_folder(&at)?;
        } else if kind.is_symlink() {
            let target = fs_err::read_link(entry.path())?;
            if leads_out(below, &target) && (is_project || target.is_relative()) {
                return Err(error_of_link_out(entry.path(), &target));
            }
            fsx::symlink(&target, &at, entry.path().is_dir())?;
        } else if kind.is_file() {
            fsx::copy_new(entry.path(), &at)?;
        } else {
            return Err(error!(Conflict, "`{}` is not a regular file or a link", entry.path().display())
                .hint("move it out of the skill's folder"));
        }
    }
    Ok(())
}

/// True for a link at `below` a folder whose text leads out of that folder.
fn leads_out(below: &Path, target: &Path) -> bool {
    let mut depth = below.components().count().saturating_sub(1);
    target.components().any(|part| match part {
        Component::ParentDir if depth == 0 => true,
        Component::ParentDir => {
            depth -= 1;
            false
        }
        Component::Normal(_) => {
            depth += 1;
            false
        }
        Component::CurDir => false,
        Component::RootDir | Component::Prefix(_) => true,
    })
}

fn error_of_link_out(at: &Path, target: &Path) -> Error {
    let target = printable(&target.to_string_lossy(), false);
    error!(Conflict, "`{}` is a link to `{target}`, outside of the skill", at.display())
        .hint("move it out of the skill's folder, then run the command again")
}

/// Makes the folders of the entries in `folder`, which is new and empty: so each is made
/// once, without asking whether it is there.
fn make_folders(folder: &Path, entries: &[FileEntry]) -> Result<()> {
    let mut made = BTreeSet::new();
    for entry in entries {
        for above in ancestor_folders(&entry.path) {
            if made.insert(above) {
                fsx::create_folder(&folder.join(above))?;
            }
        }
    }
    Ok(())
}

/// A link inside the skill; where links cannot be made, a copy would have another digest,
/// so that is an error which says so.
fn make_link(at: &Path, target: &str, entries: &[FileEntry], link: &FileEntry) -> Result<()> {
    let to_folder = !entries
        .iter()
        .any(|e| e.path != link.path && e.path.name() == target.rsplit('/').next().unwrap_or(target));
    fsx::symlink(Path::new(target), at, to_folder)
        .context(|| format!("the link `{}` of the skill cannot be created here", link.path))
}
