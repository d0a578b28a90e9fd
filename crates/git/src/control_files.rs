//! The files by which libgit2 knows a repository of this machine. It reads each of them
//! whole and waits for a pipe, so what stands there is looked at before it opens the folder: a
//! project may hold a bare repository that somebody else has filled.

use std::path::{Path, PathBuf};

use fs_err as fs;

use ba_agent_core::error::{Error, Result, error};
use ba_agent_system::fsx;

/// Bytes of a file that names one ref, folder or repository.
const MAX_POINTER: u64 = 64 * 1024;
/// Bytes of a configuration; the largest that people have are some tens of KiB.
const MAX_CONFIG: u64 = 1024 * 1024;
/// Bytes of all packed refs: some 600,000 of them.
const MAX_PACKED_REFS: u64 = 64 * 1024 * 1024;
/// Refs that are files of their own; git packs them long before.
const MAX_LOOSE_REFS: usize = 200_000;
/// Repositories that borrow objects from each other; libgit2 follows as many.
const MAX_ALTERNATES: usize = 5;
/// Folders above a loose ref, `refs` being the first.
const MAX_DEPTH: usize = 32;

/// The folder that holds `objects` and `refs`, from the folder that a person names: `.git`, what
/// a file of that name leads to, or the folder itself for a bare repository.
///
/// # Errors
/// `Conflict` and `Invalid` for a `.git` that is neither a folder nor a small plain file.
pub(super) fn git_folder(path: &Path) -> Result<PathBuf> {
    let inner = path.join(".git");
    if inner.is_dir() {
        return Ok(inner);
    }
    // A linked work tree or a submodule: `gitdir: PATH`.
    let text = fsx::read_plain_file(&inner, MAX_POINTER)?;
    let text = text.as_deref().and_then(|bytes| std::str::from_utf8(bytes).ok());
    let folder = text.and_then(|text| text.strip_prefix("gitdir:"));
    Ok(folder.map_or_else(|| path.to_owned(), |folder| path.join(folder.trim())))
}

/// Checks that libgit2 can open the git folder without waiting and without reading more than it
/// has memory for: each control file is a plain file, or a link to one, of at most the size above.
///
/// # Errors
/// `Conflict` for a pipe, device, socket or folder in the place of a file; `Invalid` for a file
/// that is too large, and for more loose refs than are looked through.
pub(super) fn check_control_files(git_folder: &Path) -> Result<()> {
    let common = fsx::read_plain_file(&git_folder.join("commondir"), MAX_POINTER)?;
    let common = common.as_deref().and_then(|bytes| std::str::from_utf8(bytes).ok());
    let common = common.map(|text| git_folder.join(text.trim())).filter(|folder| folder != git_folder);
    for folder in [Some(git_folder), common.as_deref()].into_iter().flatten() {
        for (name, largest) in [
            ("HEAD", MAX_POINTER),
            ("config", MAX_CONFIG),
            ("config.worktree", MAX_CONFIG),
            ("gitdir", MAX_POINTER),
            ("packed-refs", MAX_PACKED_REFS),
            ("shallow", MAX_PACKED_REFS),
        ] {
            check_file(&folder.join(name), largest)?;
        }
        check_objects(&folder.join("objects"), 1)?;
        check_refs(&folder.join("refs"), 1, &mut 0)?;
    }
    Ok(())
}

/// Objects are mapped, or read piece by piece, so that their size does not matter here; but each
/// must be a file. Objects that are borrowed from another repository are looked at too.
fn check_objects(objects: &Path, depth: usize) -> Result<()> {
    for folder in entries_of_folder(objects).filter(|folder| folder.is_dir()) {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            // Of a plain file the folder itself says that it is one: no look at each of thousands.
            if !entry.file_type().is_ok_and(|kind| kind.is_file()) {
                check_file(&entry.path(), u64::MAX)?;
            }
        }
    }
    let borrowed = fsx::read_plain_file(&objects.join("info/alternates"), MAX_POINTER)?.unwrap_or_default();
    for line in String::from_utf8_lossy(&borrowed).lines().filter(|line| !line.is_empty()) {
        if depth < MAX_ALTERNATES {
            check_objects(&objects.join(line), depth + 1)?;
        }
    }
    Ok(())
}

fn check_file(file: &Path, largest: u64) -> Result<()> {
    match fsx::open_plain_file(file)? {
        Some((_, size)) if size > largest => {
            Err(error!(Invalid, "`{}` has {size} bytes; the limit is {largest}", file.display())
                .hint("`git fsck` in that repository says more; a fresh clone has no such file"))
        }
        _ => Ok(()),
    }
}

fn check_refs(folder: &Path, depth: usize, seen: &mut usize) -> Result<()> {
    let too_many = || -> Error {
        error!(Invalid, "`{}` has too many refs, or refs in too many folders", folder.display())
            .hint("`git pack-refs --all` in that repository makes them one file")
    };
    if depth > MAX_DEPTH {
        return Err(too_many());
    }
    for entry in entries_of_folder(folder) {
        *seen += 1;
        if *seen > MAX_LOOSE_REFS {
            return Err(too_many());
        }
        if fs::metadata(&entry).is_ok_and(|meta| meta.is_dir()) {
            check_refs(&entry, depth + 1, seen)?;
        } else if fs::metadata(&entry).is_ok() {
            // A link that leads nowhere is a ref that is not there.
            check_file(&entry, MAX_POINTER)?;
        }
    }
    Ok(())
}

/// What lies in a folder; nothing where it cannot be read, which libgit2 will say better.
fn entries_of_folder(folder: &Path) -> impl Iterator<Item = PathBuf> {
    std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path())
}
