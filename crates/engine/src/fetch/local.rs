//! World: a folder of this machine as a package. Nothing in it is followed or changed.

use std::borrow::Cow;
use std::ffi::OsStr;
use std::fs::FileType;
use std::path::{Path, PathBuf};

use fs_err as fs;
use walkdir::{DirEntry, WalkDir};

use ba_agent_core::error::{Context as _, Error, Kind, Result, error, fail, printable};
use ba_agent_core::listing::{FileEntry, Limits, Listing, Node};
use ba_agent_core::path::RelPath;
use ba_agent_core::skill::{LOWER_MANIFEST, MANIFEST};
use ba_agent_core::source::Source;
use ba_agent_system::fsx;

use ba_agent_core::package::{Contents, Package, is_clutter, missing_bytes};

/// Lists the files below the folder `root`, whose bytes [`Package::read`] then takes from
/// the disk. Left out: every `.git` (folder or file), what the Finder adds
/// ([`Package::skipped`]), and of `own`, which ba-agent itself keeps, whatever a skill lies
/// around: installed into itself it would grow with each update. Links are kept as links; a
/// name that breaks the path policy is refused for the skill it stands in.
///
/// # Errors
/// `NotFound` when `root` is not there or is no folder; `Invalid` when it holds more
/// than [`Limits::entries`] files and folders; `Failed` when something cannot be read.
pub(crate) fn open_folder(root: &Path, own: &[PathBuf], limits: &Limits) -> Result<Package> {
    check_root(root)?;
    let mut walk = FolderWalk::default();
    let own: Vec<&PathBuf> = own.iter().filter(|path| lies_in_skill(root, path)).collect();
    let is_part = |entry: &DirEntry| {
        entry.file_name() != ".git" && !own.iter().any(|path| path.as_path() == entry.path())
    };
    let found = WalkDir::new(root).min_depth(1).follow_links(false).sort_by_file_name().into_iter();
    for (number, entry) in found.filter_entry(is_part).enumerate() {
        if number >= limits.entries {
            return Err(too_many(root, limits));
        }
        walk.add(root, &entry.map_err(unreadable)?)?;
    }
    let mut listing = Listing::new(walk.entries);
    for (raw, reason) in walk.refused {
        listing.refuse_entry(&raw, reason);
    }
    let contents = FolderContents { root: root.to_owned(), largest: limits.file };
    let mut package = Package::new(listing, contents);
    package.skipped = walk.skipped;
    Ok(package)
}

/// Files on the disk below `root`. They may have changed since they were listed, so a file
/// is read only up to `largest` bytes.
struct FolderContents {
    root: PathBuf,
    largest: u64,
}

impl Contents for FolderContents {
    fn read(&self, entry: &FileEntry) -> Result<Cow<'_, [u8]>> {
        let Self { root, largest } = self;
        if entry.size > *largest {
            fail!(Invalid, "`{}` has {} bytes; the limit for a file is {largest}", entry.path, entry.size);
        }
        let bytes = fsx::read_plain_file(&root.join(entry.path.as_str()), *largest)?;
        bytes.map(Cow::Owned).ok_or_else(|| missing_bytes(entry))
    }
}

/// True for a path below `root` with a manifest in `root` or a folder on the way: then it
/// would be a part of that skill.
fn lies_in_skill(root: &Path, path: &Path) -> bool {
    let above = path.ancestors().skip(1).take_while(|above| above.starts_with(root));
    path != root
        && above
            .into_iter()
            .any(|above| [MANIFEST, LOWER_MANIFEST].iter().any(|name| above.join(name).is_file()))
}

/// Where the git repository at `root` was cloned from, if it says so and that can be read.
pub(crate) fn find_origin(root: &Path) -> Option<Source> {
    let repository = git2::Repository::open(root).ok()?;
    let remote = repository.find_remote("origin").ok()?;
    remote.url().ok()?.parse().ok()
}

fn check_root(root: &Path) -> Result<()> {
    let shown = printable(&root.to_string_lossy(), false);
    match fs::metadata(root) {
        Ok(metadata) if metadata.is_dir() => Ok(()),
        Ok(_) => fail!(NotFound, "`{shown}` is a file, not a folder"),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => fail!(NotFound, "there is no folder `{shown}`"),
        Err(e) => Err(e.into()),
    }
}

fn too_many(root: &Path, limits: &Limits) -> Error {
    let shown = printable(&root.to_string_lossy(), false);
    error!(Invalid, "`{shown}` contains more than {} files and folders", limits.entries)
        .hint("name the folder of the skill itself")
        .hint("or raise `skills.limits.entries` in config.yaml")
}

fn unreadable(error: walkdir::Error) -> Error {
    let path = error.path().map(|path| printable(&path.to_string_lossy(), false)).unwrap_or_default();
    let cause = error.io_error().map_or_else(|| error.to_string(), ToString::to_string);
    Error::new(Kind::Failed, format!("`{path}` cannot be read")).cause(cause)
}

#[derive(Default)]
struct FolderWalk {
    entries: Vec<FileEntry>,
    refused: Vec<(Vec<u8>, &'static str)>,
    skipped: usize,
}

impl FolderWalk {
    fn add(&mut self, root: &Path, found: &DirEntry) -> Result<()> {
        if found.file_type().is_dir() {
            return Ok(());
        }
        let raw = raw_path(root, found.path());
        let path = match RelPath::parse(&raw) {
            Ok(path) => path,
            Err(reason) => {
                self.refused.push((raw, reason));
                return Ok(());
            }
        };
        if is_clutter(&path) {
            self.skipped += 1;
            return Ok(());
        }
        let (node, size) = inspect_dir_entry(found)?;
        self.entries.push(FileEntry { path, node, size, slot: 0 });
        Ok(())
    }
}

/// The path below `root` as bytes, with `/` between the names.
fn raw_path(root: &Path, path: &Path) -> Vec<u8> {
    let below = path.strip_prefix(root).unwrap_or(path);
    let names: Vec<_> = below.iter().map(OsStr::as_encoded_bytes).collect();
    names.join(&b'/')
}

fn inspect_dir_entry(found: &DirEntry) -> Result<(Node, u64)> {
    let kind = found.file_type();
    if kind.is_symlink() {
        return look_at_link(found.path());
    }
    if !kind.is_file() {
        return Ok((Node::Special(describe_special_file(kind)), 0));
    }
    let metadata = found.metadata().map_err(unreadable)?;
    Ok((Node::File { executable: is_executable(&metadata) }, metadata.len()))
}

fn look_at_link(path: &Path) -> Result<(Node, u64)> {
    let target = fs::read_link(path).context(|| "a link cannot be read".to_owned())?;
    let Some(text) = target.to_str() else {
        return Ok((Node::Special("link whose target is not UTF-8"), 0));
    };
    let text = if cfg!(windows) { text.replace('\\', "/") } else { text.to_owned() };
    let size = text.len() as u64;
    Ok((Node::Link { target: text }, size))
}

/// The owner's bit alone decides, as in git; Windows has none.
#[cfg(unix)]
fn is_executable(metadata: &std::fs::Metadata) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    metadata.permissions().mode() & 0o100 != 0
}

#[cfg(not(unix))]
fn is_executable(_: &std::fs::Metadata) -> bool {
    false
}

#[cfg(unix)]
fn describe_special_file(kind: FileType) -> &'static str {
    use std::os::unix::fs::FileTypeExt as _;
    if kind.is_fifo() {
        "named pipe"
    } else if kind.is_socket() {
        "socket"
    } else {
        "device"
    }
}

#[cfg(not(unix))]
fn describe_special_file(_: FileType) -> &'static str {
    "special file"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(files: &[&str]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for file in files {
            let path = root.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, format!("bytes of {file}")).unwrap();
        }
        root
    }

    fn paths(tree: &Package) -> Vec<String> {
        let line = |entry: &FileEntry| format!("{} {} {}", entry.node.git_mode(), entry.path, entry.size);
        tree.listing.entries().iter().map(line).collect()
    }

    #[test]
    fn files_are_listed_and_read_without_git_and_finder() {
        let root = folder(&[
            "s/SKILL.md",
            "s/references/a b.md",
            "s/.gitignore",
            "s/.git",
            ".git/config",
            "s/sub/.git/HEAD",
            "s/.DS_Store",
            "s/._SKILL.md",
        ]);
        fs::create_dir(root.path().join("empty")).unwrap();
        let tree = open_folder(root.path(), &[], &Limits::default()).unwrap();
        assert_eq!(
            paths(&tree),
            ["100644 s/.gitignore 21", "100644 s/SKILL.md 19", "100644 s/references/a b.md 28"]
        );
        assert_eq!(tree.skipped, 2);
        let skill = tree.listing.entry_at("s/SKILL.md").unwrap();
        assert_eq!(*tree.read(skill).unwrap(), *b"bytes of s/SKILL.md");
    }

    #[test]
    fn a_folder_that_cannot_be_a_source_is_an_error() {
        let root = folder(&["a", "b", "d/c"]);
        let kind = |path: &Path, entries| {
            open_folder(path, &[], &Limits { entries, ..Limits::default() }).err().map(|error| error.kind)
        };
        assert_eq!(kind(root.path(), 4), None);
        assert_eq!(kind(root.path(), 3), Some(Kind::Invalid), "the folder counts too");
        assert_eq!(kind(&root.path().join("missing"), 9), Some(Kind::NotFound));
        assert_eq!(kind(&root.path().join("a"), 9), Some(Kind::NotFound));
    }

    #[cfg(unix)]
    #[test]
    fn what_is_no_plain_file_is_listed_and_not_followed() {
        use std::os::unix::ffi::OsStrExt as _;
        use std::os::unix::fs::{PermissionsExt as _, symlink};
        use std::os::unix::net::UnixListener;

        let root = folder(&["s/SKILL.md", "s/run.sh", "outside/x"]);
        let at = |path: &str| root.path().join(path);
        fs::set_permissions(at("s/run.sh"), std::fs::Permissions::from_mode(0o700)).unwrap();
        symlink("SKILL.md", at("s/CLAUDE.md")).unwrap();
        symlink("../outside", at("s/folder")).unwrap();
        symlink("/missing", at("s/gone")).unwrap();
        symlink(OsStr::from_bytes(b"\xff"), at("s/odd")).unwrap();
        let _socket = UnixListener::bind(at("s/socket")).unwrap();
        // The folder that is named may itself be reached by a link.
        symlink(root.path(), at("here")).unwrap();
        let tree = open_folder(&at("here"), &[], &Limits::default()).unwrap();
        let listing = &tree.listing;
        assert_eq!(listing.entry_at("s/run.sh").unwrap().node, Node::File { executable: true });
        for (path, target) in
            [("s/CLAUDE.md", "SKILL.md"), ("s/folder", "../outside"), ("s/gone", "/missing")]
        {
            let node = Node::Link { target: target.to_owned() };
            assert_eq!(listing.entry_at(path).unwrap().node, node);
        }
        assert_eq!(listing.entry_at("s/odd").unwrap().node, Node::Special("link whose target is not UTF-8"));
        assert_eq!(listing.entry_at("s/socket").unwrap().node, Node::Special("socket"));
        assert_eq!(listing.entries_below(&RelPath::of_folder("s/folder").unwrap()), []);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_hostile_name_spoils_its_own_folder() {
        use std::os::unix::ffi::OsStrExt as _;

        let root = folder(&["good/SKILL.md", "bad/SKILL.md"]);
        for name in [&b"a\\b"[..], b"a\nb", b"\xff", b".GIT"] {
            fs::write(root.path().join("bad").join(OsStr::from_bytes(name)), "").unwrap();
        }
        let listing = open_folder(root.path(), &[], &Limits::default()).unwrap().listing;
        assert_eq!(listing.entries().len(), 2);
        let (good, bad) = (RelPath::of_folder("good").unwrap(), RelPath::of_folder("bad").unwrap());
        assert_eq!(listing.refused_below(&good).count(), 0);
        let reasons: Vec<_> = listing.refused_below(&bad).map(|refused| refused.reason).collect();
        assert_eq!(
            reasons,
            [
                "spells `.git`",
                "contains control or invisible characters",
                "contains a backslash",
                "is not UTF-8"
            ]
        );
    }
}
