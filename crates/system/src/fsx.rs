//! The few file-system steps that everything which changes the disk is made
//! of, each one a place where a test can make the disk fail or the process die.

use std::ffi::OsStr;
use std::io::{self, Read as _, Write as _};
use std::path::{Component, Path, PathBuf};

use fs_err as fs;

use ba_agent_core::error::{Error, Result, error, printable};

/// Flag for opening a file: never through a link.
#[cfg(unix)]
pub const NO_FOLLOW: i32 = rustix::fs::OFlags::NOFOLLOW.bits().cast_signed();

/// Flag for opening a file: a pipe or a device answers at once, or not at all.
#[cfg(unix)]
pub const NO_WAIT: i32 = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();

/// The disk itself failed.
const EIO: i32 = 5;

/// Faults for tests: `BA_AGENT_FAULT=KIND:N` makes the N-th step of a debug build fail
/// (`full`, `denied`, `io`, `cross`) or kill the process (`kill`); `boot:N` makes it run after
/// the N-th restart of the machine. Release builds have none.
pub mod fault {
    #[cfg(debug_assertions)]
    mod armed {
        use std::cell::Cell;
        use std::io;
        use std::sync::OnceLock;
        use std::sync::atomic::{AtomicU64, Ordering};

        /// The fault of this process: what happens, and at which step.
        static PROCESS: OnceLock<(String, u64)> = OnceLock::new();
        static STEPS: AtomicU64 = AtomicU64::new(0);

        thread_local! {
            /// The fault of this thread, for unit tests: steps left until it happens.
            static THREAD: Cell<Option<u64>> = const { Cell::new(None) };
        }

        /// Reads `KIND:N`.
        pub fn arm_fault(text: &str) {
            if let Some((kind, step)) = text.split_once(':')
                && let Ok(step) = step.parse()
            {
                let _ = PROCESS.set((kind.to_owned(), step));
            }
        }

        /// Makes the `step`-th step of this thread fail as a full disk does.
        pub fn arm_thread(step: Option<u64>) {
            THREAD.set(step);
        }

        /// Steps that this process has taken.
        pub fn disarm_thread() -> Option<u64> {
            THREAD.take()
        }

        /// What stands for the system's own boot id.
        pub fn read_boot_id() -> Option<String> {
            PROCESS.get().filter(|(kind, _)| kind == "boot").map(|(_, number)| number.to_string())
        }

        /// Counts a step that touches the disk, and fails at the one that a test armed.
        ///
        /// # Errors
        /// The armed failure, in test builds alone.
        pub fn count_fault_step() -> io::Result<()> {
            if let Some(left) = THREAD.get() {
                THREAD.set(Some(left.saturating_sub(1)));
                if left == 1 {
                    return Err(io::Error::new(io::ErrorKind::StorageFull, "injected: disk full"));
                }
            }
            let Some((kind, at)) = PROCESS.get() else { return Ok(()) };
            if kind == "boot" || STEPS.fetch_add(1, Ordering::SeqCst) + 1 != *at {
                return Ok(());
            }
            let kind = match kind.as_str() {
                "kill" => std::process::abort(),
                "full" => io::ErrorKind::StorageFull,
                "denied" => io::ErrorKind::PermissionDenied,
                "cross" => io::ErrorKind::CrossesDevices,
                _ => io::ErrorKind::Other,
            };
            Err(io::Error::new(kind, "injected fault"))
        }
    }

    #[cfg(debug_assertions)]
    pub use armed::*;

    #[cfg(not(debug_assertions))]
    pub fn arm_fault(_: &str) {}

    #[cfg(not(debug_assertions))]
    pub fn read_boot_id() -> Option<String> {
        None
    }

    /// Counts a step that touches the disk, and fails at the one that a test armed.
    ///
    /// # Errors
    /// The armed failure, in test builds alone.
    #[cfg(not(debug_assertions))]
    pub fn count_fault_step() -> std::io::Result<()> {
        Ok(())
    }
}

/// What tells this run of the operating system from those before it: as long as it is the same,
/// everything that was written can be read, whether or not the disk has it. `None` where the
/// system does not say; there everything is flushed before it counts.
pub fn boot_id() -> Option<String> {
    let text = fault::read_boot_id().or_else(|| {
        // Only Linux has it; a container has that of its host, which holds its files too.
        let file = "/proc/sys/kernel/random/boot_id";
        if cfg!(target_os = "linux") { std::fs::read_to_string(file).ok() } else { None }
    })?;
    let id = text.trim();
    let is_word = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
    (!id.is_empty() && id.bytes().all(is_word)).then(|| id.to_owned())
}

/// The folder that `path` lies in.
pub fn parent(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new("."))
}

/// Makes `folder` and what is missing above it; returns the folders it made, outermost
/// first, so that an undo can take exactly those away again.
///
/// # Errors
/// What the system says.
pub fn create_folders(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let missing: Vec<PathBuf> = folder
        .ancestors()
        .take_while(|f| !f.as_os_str().is_empty() && !f.exists())
        .map(Path::to_path_buf)
        .collect();
    fault::count_fault_step()?;
    fs::create_dir_all(folder)?;
    Ok(missing.into_iter().rev().collect())
}

/// Makes one folder that is not there, in one that is.
///
/// # Errors
/// What the system says, also where it is there already.
pub fn create_folder(folder: &Path) -> io::Result<()> {
    fault::count_fault_step()?;
    fs::create_dir(folder)
}

/// As [`create_folders`]; the new ones are for their owner alone.
///
/// # Errors
/// What the system says.
pub fn create_private_folders(folder: &Path) -> io::Result<Vec<PathBuf>> {
    if folder.is_dir() {
        return Ok(Vec::new());
    }
    let missing = folder.ancestors().take_while(|f| !f.as_os_str().is_empty() && !f.exists());
    let missing: Vec<PathBuf> = missing.map(Path::to_path_buf).collect();
    fault::count_fault_step()?;
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::DirBuilderExt as _;
        builder.mode(0o700);
    }
    builder.create(folder).map_err(|e| {
        io::Error::new(e.kind(), format!("the folder `{}` cannot be created: {e}", folder.display()))
    })?;
    Ok(missing.into_iter().rev().collect())
}

/// Removes the folders that are empty, innermost first; others stay.
pub fn remove_empty(folders: &[PathBuf]) {
    for folder in folders.iter().rev() {
        let _ = std::fs::remove_dir(folder);
    }
}

/// Renames without ever replacing a file that is in the way of a folder.
///
/// # Errors
/// What the system says; a folder that is not empty is not replaced.
pub fn rename(from: &Path, to: &Path) -> io::Result<()> {
    fault::count_fault_step()?;
    fs::rename(from, to)
}

/// Removes a file or a link (not what it points at); nothing there is fine, a folder stays.
///
/// # Errors
/// What the system says.
pub fn remove_file(path: &Path) -> io::Result<()> {
    match std::fs::symlink_metadata(path) {
        Ok(meta) if !meta.is_dir() => {
            fault::count_fault_step()?;
            fs::remove_file(path)
        }
        _ => Ok(()),
    }
}

/// Removes a file, a link (not what it points at) or a whole folder; nothing there is fine.
///
/// # Errors
/// What the system says.
pub fn remove(path: &Path) -> io::Result<()> {
    let Ok(meta) = std::fs::symlink_metadata(path) else { return Ok(()) };
    fault::count_fault_step()?;
    if meta.is_dir() {
        return fs::remove_dir_all(path);
    }
    fs::remove_file(path).or_else(|error| if cfg!(windows) { fs::remove_dir(path) } else { Err(error) })
}

/// True when something is at `path`, even a link that points at nothing.
pub fn exists(path: &Path) -> bool {
    std::fs::symlink_metadata(path).is_ok()
}

/// What stands where `folder` or one above it should be, and is not a folder: it, or a link to
/// nothing.
pub fn file_in_the_way(folder: &Path) -> Option<&Path> {
    folder.ancestors().find(|above| exists(above)).filter(|above| !above.is_dir())
}

/// True for a folder itself, not a link to one.
pub fn is_real_folder(path: &Path) -> bool {
    std::fs::symlink_metadata(path).is_ok_and(|meta| meta.is_dir())
}

/// `path` without links, also where it is not there (yet): what is missing cannot be a link,
/// and a link to what is missing is followed as far as it goes.
pub fn real_path(path: &Path) -> PathBuf {
    follow_links(path, 0)
}

fn follow_links(path: &Path, links: usize) -> PathBuf {
    if let Ok(real) = std::fs::canonicalize(path) {
        return real;
    }
    let above = path.parent().unwrap_or(Path::new("/"));
    match (std::fs::read_link(path), path.components().next_back()) {
        (Ok(target), _) if links < 40 => follow_links(&follow_links(above, links).join(target), links + 1),
        (_, Some(Component::Normal(name))) => follow_links(above, links).join(name),
        (_, Some(Component::ParentDir)) => {
            let mut up = follow_links(above, links);
            up.pop();
            up
        }
        _ => path.to_path_buf(),
    }
}

/// Says why nothing can be put into `folder`, or into the nearest folder above that is
/// there. Asks, and writes nothing to find out.
///
/// # Errors
/// The reason, as a sentence.
pub fn check_writable(folder: &Path) -> Result<(), String> {
    let there = folder.ancestors().find(|at| at.symlink_metadata().is_ok()).unwrap_or(folder);
    let shown = there.display();
    let meta = std::fs::metadata(there).map_err(|e| format!("`{shown}`: {e}"))?;
    if !meta.is_dir() {
        return Err(format!("`{shown}` is not a folder"));
    }
    #[cfg(unix)]
    let denied = rustix::fs::access(there, rustix::fs::Access::WRITE_OK | rustix::fs::Access::EXEC_OK)
        .err()
        .map(|e| io::Error::from(e).to_string());
    #[cfg(not(unix))]
    let denied = meta.permissions().readonly().then(|| "read-only".to_owned());
    denied.map_or(Ok(()), |why| Err(format!("`{shown}` cannot be written: {why}")))
}

/// A folder opened to be locked or flushed; nothing is written to it, and a pipe under its
/// name is not waited for. `None` where there is no folder, or none can be opened.
pub fn open_folder(folder: &Path) -> Option<std::fs::File> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        let flags = rustix::fs::OFlags::DIRECTORY | rustix::fs::OFlags::NONBLOCK;
        std::fs::OpenOptions::new().read(true).custom_flags(flags.bits().cast_signed()).open(folder).ok()
    }
    #[cfg(not(unix))]
    {
        let _ = folder;
        None
    }
}

/// Opens what should be a plain file, perhaps behind a link, and says so where it is
/// something else. Never waits: a pipe or a device under that name is refused.
///
/// # Errors
/// `Conflict` for a folder, pipe, device or socket; `Failed` where it cannot be opened.
/// `Ok(None)` where there is nothing.
pub fn open_plain_file(path: &Path) -> Result<Option<(std::fs::File, u64)>> {
    let mut options = fs::OpenOptions::new();
    options.read(true);
    #[cfg(unix)]
    {
        use fs_err::os::unix::fs::OpenOptionsExt as _;
        options.custom_flags(NO_WAIT);
    }
    let not_a_file = || {
        error!(Conflict, "`{}` is not a regular file", path.display())
            .hint("move it away; only a file, or a link to one, is read at that path")
    };
    let file = match options.open(path) {
        Ok(file) => file.into_parts().0,
        Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return match std::fs::read_link(path) {
                Ok(target) => Err(leads_nowhere(path, &target)),
                Err(_) => Ok(None),
            };
        }
        Err(_) if std::fs::metadata(path).is_ok_and(|meta| !meta.is_file()) => return Err(not_a_file()),
        Err(e) => return Err(e.into()),
    };
    let meta = file.metadata()?;
    if meta.is_file() { Ok(Some((file, meta.len()))) } else { Err(not_a_file()) }
}

/// The error for a link to something that is not there.
pub fn leads_nowhere(link: &Path, target: &Path) -> Error {
    error!(Conflict, "`{}` is a broken link", link.display())
        .cause(format!(
            "it points at `{}`, which does not exist",
            printable(&target.to_string_lossy(), false)
        ))
        .hint("create its target, or remove the link")
}

/// The bytes of a plain file of at most `largest` bytes; `None` where there is none.
///
/// # Errors
/// Those of [`open_plain_file`]; `Invalid` for a larger file.
pub fn read_plain_file(path: &Path, largest: u64) -> Result<Option<Vec<u8>>> {
    let Some((file, size)) = open_plain_file(path)? else { return Ok(None) };
    let room = if size <= largest { usize::try_from(size).unwrap_or(0).saturating_add(1) } else { 0 };
    let mut bytes = Vec::with_capacity(room);
    if size <= largest {
        file.take(largest + 1)
            .read_to_end(&mut bytes)
            .map_err(|e| error!(Failed, "`{}` cannot be read", path.display()).cause(e))?;
    }
    if size > largest || bytes.len() as u64 > largest {
        return Err(error!(Invalid, "`{}` has more than {largest} bytes", path.display())
            .hint("ba-agent never writes a file that large: restore it, or move it away"));
    }
    Ok(Some(bytes))
}

/// Writes a new file that must not exist, readable as the user's umask says, executable or not.
///
/// # Errors
/// What the system says, also where the file is there already.
pub fn write_new(path: &Path, bytes: &[u8], executable: bool) -> io::Result<()> {
    fault::count_fault_step()?;
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use fs_err::os::unix::fs::OpenOptionsExt as _;
        options.mode(if executable { 0o777 } else { 0o666 });
    }
    #[cfg(not(unix))]
    let _ = executable;
    let mut file = options.open(path)?;
    fault::count_fault_step()?;
    file.write_all(bytes)
}

/// Copies a file with its mode to where nothing is.
///
/// # Errors
/// What the system says, also where something is there already.
pub fn copy_new(from: &Path, to: &Path) -> io::Result<()> {
    fault::count_fault_step()?;
    if exists(to) {
        return Err(io::Error::from(io::ErrorKind::AlreadyExists));
    }
    fs::copy(from, to).map(drop)
}

/// Where [`write_atomic`] writes before it renames. One name for each file, so that what a
/// kill leaves is known, replaced by the next write, and found by a repair.
pub fn new_beside(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{}.new", name.trim_start_matches('.')))
}

/// True for a name that [`new_beside`] gives.
pub fn is_new_beside(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "new")
        && path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."))
}

/// Replaces a file as a whole: a new one beside it, flushed, renamed over it, the folder
/// flushed. A crash leaves the old bytes or the new ones. The caller holds a lock: two
/// writers of one file would share the new one.
///
/// # Errors
/// `Failed`, with the path, where a step fails; the old file is then as it was.
pub fn write_atomic(path: &Path, bytes: &[u8]) -> Result<()> {
    write_new_beside(path, bytes)?;
    put_new_in_place(path)?;
    // The new file is there: that the folder cannot be flushed must not look as if it were not.
    let _ = flush_folder(parent(path));
    Ok(())
}

/// Replaces a file as a whole, as [`write_atomic`] does, without waiting for the disk: for many
/// files that one [`sync_tree`] flushes. The caller holds a lock.
///
/// # Errors
/// `Failed`, with the path, where a step fails; the old file is then as it was.
pub fn write_unflushed(path: &Path, bytes: &[u8]) -> Result<()> {
    let new = new_beside(path);
    fault::count_fault_step()?;
    // Never through a link that somebody put there.
    let _ = std::fs::remove_file(&new);
    let mut file = fs::OpenOptions::new().write(true).create_new(true).open(&new)?;
    let written = file.write_all(bytes);
    if written.is_err() {
        let _ = std::fs::remove_file(&new);
    }
    Ok(written.and_then(|()| put_new_in_place(path))?)
}

/// The first half of [`write_atomic`]: the new file, flushed, beside the one at `path`.
///
/// # Errors
/// What the disk says; nothing is left then.
pub fn write_new_beside(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let new = new_beside(path);
    let written = write_beside(&new, path, bytes);
    if written.is_err() {
        let _ = std::fs::remove_file(&new);
    }
    written
}

/// The second half: renames what [`write_new_beside`] wrote over the file at `path`. Its folder
/// is not flushed.
///
/// # Errors
/// What the disk says; the new file is gone then, and the old one as it was.
pub fn put_new_in_place(path: &Path) -> io::Result<()> {
    let new = new_beside(path);
    let renamed = fault::count_fault_step().and_then(|()| fs::rename(&new, path));
    if renamed.is_err() {
        let _ = std::fs::remove_file(&new);
    }
    renamed
}

/// Writes a file where none is, and flushes it: one wait for the disk instead of the two of
/// [`write_atomic`]. A power cut may leave a part of it.
///
/// # Errors
/// What the disk says; nothing is left then.
pub fn write_first(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let written = write_new(path, bytes, false).and_then(|()| {
        fault::count_fault_step()?;
        fs::OpenOptions::new().write(true).open(path)?.sync_all()
    });
    if written.as_ref().is_err_and(|e| e.kind() != io::ErrorKind::AlreadyExists) {
        let _ = std::fs::remove_file(path);
    }
    written
}

/// Writes a file that a person named: whatever they put there, a link, a pipe, a device,
/// stays and receives the bytes. A plain file is replaced as a whole, where its folder can be
/// written.
///
/// # Errors
/// `Failed` where it cannot be written; of a plain file the old bytes are then still there.
pub fn write_through(path: &Path, bytes: &[u8]) -> Result<()> {
    let real = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf());
    match std::fs::symlink_metadata(&real) {
        Ok(meta) if meta.is_file() => match write_atomic(&real, bytes) {
            Err(_) if !can_write_beside(&real) => Ok(fs::write(&real, bytes)?),
            written => written,
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => write_atomic(&real, bytes),
        // A link that leads to no file yet is followed by the system, like a device.
        _ => Ok(fs::OpenOptions::new().write(true).create(true).open(&real)?.write_all(bytes)?),
    }
}

fn can_write_beside(path: &Path) -> bool {
    let new = new_beside(path);
    let can = std::fs::OpenOptions::new().write(true).create_new(true).open(&new).is_ok();
    let _ = std::fs::remove_file(new);
    can
}

fn write_beside(new: &Path, path: &Path, bytes: &[u8]) -> io::Result<()> {
    fault::count_fault_step()?;
    // Never through a link that somebody put there.
    let _ = std::fs::remove_file(new);
    let mut file = fs::OpenOptions::new().write(true).create_new(true).open(new)?;
    fault::count_fault_step()?;
    file.write_all(bytes)?;
    fault::count_fault_step()?;
    keep_mode(new, path)?;
    file.sync_all()
}

/// A replaced file keeps the old one's permissions; a new one has what the umask says.
fn keep_mode(new: &Path, old: &Path) -> io::Result<()> {
    #[cfg(unix)]
    if let Ok(meta) = std::fs::metadata(old) {
        use std::os::unix::fs::PermissionsExt as _;
        fault::count_fault_step()?;
        let mode = meta.permissions().mode() & 0o777;
        std::fs::set_permissions(new, std::fs::Permissions::from_mode(mode))?;
    }
    #[cfg(not(unix))]
    let _ = (new, old);
    Ok(())
}

/// Makes renames in this folder durable, where its file system can.
///
/// # Errors
/// What a disk that fails says.
pub fn sync_folder(folder: &Path) -> io::Result<()> {
    fault::count_fault_step()?;
    flush_folder(folder)
}

/// As [`sync_folder`] where nothing more can fail: what is in the folder stands already.
///
/// # Errors
/// The disk's own failure (`EIO`); systems that cannot flush folders are forgiven.
pub fn flush_folder(folder: &Path) -> io::Result<()> {
    let Some(handle) = open_folder(folder) else { return Ok(()) };
    match handle.sync_all() {
        Err(e) if e.raw_os_error() == Some(EIO) => Err(e),
        // Not every file system can flush a folder.
        _ => Ok(()),
    }
}

/// Makes everything below `folder` durable: one flush of its file system on Linux
/// (measured: 20 files one by one 40 ms, one `syncfs` far less), else file by file. Only where
/// the system has no [`boot_id`].
///
/// # Errors
/// What the system says.
pub fn sync_tree(folder: &Path) -> io::Result<()> {
    fault::count_fault_step()?;
    #[cfg(target_os = "linux")]
    {
        let handle = fs::File::open(folder)?;
        if rustix::fs::syncfs(&handle).is_ok() {
            return Ok(());
        }
    }
    for entry in walkdir::WalkDir::new(folder).follow_links(false) {
        let entry = entry.map_err(io::Error::from)?;
        if entry.file_type().is_file() {
            fs::OpenOptions::new().write(true).open(entry.path())?.sync_all()?;
        }
    }
    Ok(())
}

/// Makes a symbolic link at `at` that says `target`.
///
/// # Errors
/// What the system says.
pub fn symlink(target: &Path, at: &Path, to_folder: bool) -> io::Result<()> {
    fault::count_fault_step()?;
    #[cfg(unix)]
    {
        let _ = to_folder;
        std::os::unix::fs::symlink(target, at)
    }
    #[cfg(windows)]
    {
        if to_folder {
            std::os::windows::fs::symlink_dir(target, at)
        } else {
            std::os::windows::fs::symlink_file(target, at)
        }
    }
    #[cfg(not(any(unix, windows)))]
    {
        let _ = (target, at, to_folder);
        Err(io::Error::from(io::ErrorKind::Unsupported))
    }
}

/// The way from the folder `from` to `to`, both absolute: `../../x`. `None` where there is
/// none (another drive).
pub fn relative(from: &Path, to: &Path) -> Option<PathBuf> {
    let from: Vec<Component<'_>> = from.components().collect();
    let to: Vec<Component<'_>> = to.components().collect();
    let common = from.iter().zip(&to).take_while(|(a, b)| a == b).count();
    if common == 0 {
        return None;
    }
    let up = std::iter::repeat_n(OsStr::new(".."), from.len() - common);
    Some(up.chain(to[common..].iter().map(|c| c.as_os_str())).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_relative_way_goes_up_and_down() {
        let check = |from: &str, to: &str, way: &str| {
            assert_eq!(relative(Path::new(from), Path::new(to)), Some(PathBuf::from(way)), "{from} {to}");
        };
        check("/p/.cursor/skills", "/p/.claude/skills/pdf", "../../.claude/skills/pdf");
        check("/p/a", "/p/a/b", "b");
        check("/", "/x", "x");
    }

    #[test]
    fn an_atomic_write_replaces_and_leaves_nothing_beside() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("r.json");
        write_atomic(&file, b"one").unwrap();
        write_atomic(&file, b"two").unwrap();
        assert_eq!(std::fs::read(&file).unwrap(), b"two");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
        fault::arm_thread(Some(2));
        let error = write_atomic(&file, b"three").unwrap_err();
        fault::disarm_thread();
        assert!(error.message.contains("disk full"), "{error:?}");
        assert_eq!(std::fs::read(&file).unwrap(), b"two");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[cfg(unix)]
    #[test]
    fn what_a_person_put_there_is_written_through() {
        use std::os::unix::fs::symlink;
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        let read = |name: &str| std::fs::read_to_string(at(name)).unwrap();
        write_through(&at("new"), b"1").unwrap();
        write_through(&at("new"), b"2").unwrap();
        assert_eq!(read("new"), "2");
        std::fs::create_dir(at("far")).unwrap();
        symlink("far/file", at("link")).unwrap();
        for text in ["first, where the link leads to nothing yet", "then shorter"] {
            write_through(&at("link"), text.as_bytes()).unwrap();
            assert!(at("link").is_symlink());
            assert_eq!(read("far/file"), text);
        }
        assert!(write_through(&at("far"), b"x").is_err());
        assert!(write_through(&at("missing/file"), b"x").is_err());
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 3);
    }

    #[cfg(unix)]
    #[test]
    fn a_real_path_has_no_links_whether_it_is_there_or_not() {
        let dir = tempfile::tempdir().unwrap();
        let top = dir.path().canonicalize().unwrap();
        std::fs::create_dir_all(top.join("there/deep")).unwrap();
        let link = |target: &str, at: &str| std::os::unix::fs::symlink(target, top.join(at)).unwrap();
        link("there", "link");
        link("there/missing/file", "dangling");
        link("../outside/x", "there/out");
        link("loop", "loop");
        for (path, expected) in [
            ("link/deep", "there/deep"),
            ("link/new/file", "there/new/file"),
            ("dangling", "there/missing/file"),
            ("link/out", "outside/x"),
            ("link/../x", "x"),
            ("loop", "loop"),
            ("none/../x", "x"),
        ] {
            assert_eq!(real_path(&top.join(path)), top.join(expected), "{path}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn what_is_not_a_plain_file_is_neither_waited_for_nor_read_without_end() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        std::process::Command::new("mkfifo").arg(at("pipe")).status().unwrap();
        std::os::unix::fs::symlink("/dev/zero", at("zero")).unwrap();
        std::os::unix::fs::symlink("pipe", at("link")).unwrap();
        std::os::unix::fs::symlink("gone", at("dangling")).unwrap();
        std::os::unix::net::UnixListener::bind(at("socket")).unwrap();
        std::fs::create_dir(at("folder")).unwrap();
        for name in ["pipe", "zero", "link", "dangling", "socket", "folder"] {
            let error = read_plain_file(&at(name), 100).unwrap_err();
            assert!(
                error.kind == ba_agent_core::error::Kind::Conflict && !error.hints.is_empty(),
                "{name}: {error:?}"
            );
        }
        std::fs::write(at("file"), "text").unwrap();
        std::os::unix::fs::symlink("file", at("good")).unwrap();
        assert_eq!(read_plain_file(&at("good"), 4).unwrap().unwrap(), b"text");
        assert!(read_plain_file(&at("good"), 3).is_err());
        std::fs::File::create(at("huge")).unwrap().set_len(1 << 40).unwrap();
        assert!(read_plain_file(&at("huge"), 1 << 20).is_err());
        assert_eq!(read_plain_file(&at("none"), 3).unwrap(), None);
        assert_eq!(read_plain_file(&at("file/below"), 3).unwrap(), None);
    }

    #[test]
    fn a_new_file_never_replaces_one() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("f");
        write_new(&file, b"x", true).unwrap();
        assert!(write_new(&file, b"y", false).is_err());
        assert_eq!(std::fs::read(&file).unwrap(), b"x");
    }

    #[test]
    fn made_folders_are_known_and_can_be_taken_away() {
        let dir = tempfile::tempdir().unwrap();
        let made = create_folders(&dir.path().join("a/b/c")).unwrap();
        assert_eq!(made.len(), 3);
        std::fs::write(dir.path().join("a/keep"), b"").unwrap();
        remove_empty(&made);
        assert!(dir.path().join("a").exists());
        assert!(!dir.path().join("a/b").exists());
    }
}
