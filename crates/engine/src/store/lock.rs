//! The lock of a scope: an advisory lock on a file in the user's data folder, and beside it
//! one on the folder of the registry.
//!
//! The second is what a container and its host, or two users, have in common. The folder is
//! opened for reading only: nothing in a project is created, written or truncated.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use fs_err as fs;

use ba_agent_core::error::{Result, error};
use ba_agent_system::fsx;

/// How often a waiting command looks again.
const LOOK_AGAIN: Duration = Duration::from_millis(20);
/// After this long it says for whom it waits.
const SAY_AFTER: Duration = Duration::from_secs(1);

/// A lock that is held; dropped it is free.
#[derive(Debug)]
pub(crate) struct Lock {
    file: std::fs::File,
    path: PathBuf,
    folder: Option<std::fs::File>,
    /// Folders that were made for the lock file, outermost first.
    made: Vec<PathBuf>,
}

impl Lock {
    /// Takes the lock `path`, waiting as long as `wait`. Makes the folder it lies in.
    ///
    /// # Errors
    /// `Conflict` when it is not free in time, naming the holder's process where known;
    /// `Failed` where the file cannot be made or locked.
    pub(crate) fn take(path: &Path, wait: Duration, waiting: &dyn Fn(&str)) -> Result<Self> {
        wait_for(path, path, wait, waiting, || Self::try_take(path))
    }

    /// Takes the lock if it is free.
    ///
    /// # Errors
    /// `Failed` where the file cannot be made or locked.
    pub(crate) fn try_take(path: &Path) -> Result<Option<Self>> {
        let made = fsx::create_private_folders(path.parent().unwrap_or(Path::new(".")))?;
        fsx::fault::count_fault_step()?;
        let mut options = fs::OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        #[cfg(unix)]
        {
            use fs_err::os::unix::fs::OpenOptionsExt as _;
            options.custom_flags(fsx::NO_FOLLOW);
        }
        let file = match options.open(path) {
            Ok(file) => file.into_parts().0,
            // The one before has just removed the folder that it had made for nothing.
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(e.into()),
        };
        match file.try_lock() {
            Ok(()) => {}
            Err(std::fs::TryLockError::WouldBlock) => return Ok(None),
            Err(std::fs::TryLockError::Error(e)) => {
                return Err(error!(Failed, "`{}` cannot be locked", path.display()).cause(e).hint(
                    "the file system may not support locks; set BA_AGENT_DATA_DIR to a folder on a local disk",
                ));
            }
        }
        // The one before may have removed the file between our opening and our locking it:
        // then this is a lock on a file that nobody else will ever open.
        if !is_same_file(&file, path) {
            return Ok(None);
        }
        let lock = Self { file, path: path.to_path_buf(), folder: None, made };
        lock.write_process_id();
        Ok(Some(lock))
    }

    /// Takes the lock on `folder` too, waiting as long as `wait`.
    ///
    /// # Errors
    /// `Conflict` when it is not free in time.
    pub(crate) fn take_folder(
        &mut self,
        folder: &Path,
        wait: Duration,
        waiting: &dyn Fn(&str),
    ) -> Result<()> {
        let path = self.path.clone();
        wait_for(&path, folder, wait, waiting, || Ok(self.try_take_folder(folder).then_some(())))
    }

    /// Takes the lock on `folder` too, if it is free. Where a folder cannot be locked at all
    /// (Windows, some network file systems), the lock in the data folder has to be enough.
    pub(crate) fn try_take_folder(&mut self, folder: &Path) -> bool {
        let Some(handle) = fsx::open_folder(folder) else { return true };
        match handle.try_lock() {
            Ok(()) => self.folder = Some(handle),
            Err(std::fs::TryLockError::WouldBlock) => return false,
            Err(std::fs::TryLockError::Error(_)) => {}
        }
        true
    }

    /// Writes our process id, only for the message of those who wait.
    fn write_process_id(&self) {
        use std::io::Write as _;
        let _ = self.file.set_len(0);
        let _ = (&self.file).write_all(std::process::id().to_string().as_bytes());
    }

    /// Removes the lock file, and the folders that were made for it where nothing else came
    /// into them, then frees the lock.
    pub(crate) fn release(self) {
        let _ = self.file.set_len(0);
        if cfg!(unix) {
            let _ = std::fs::remove_file(&self.path);
            fsx::remove_empty(&self.made);
        }
        // Said and not left to the closing of the file: a program that is being started just
        // now has a copy of it, until it is the other program.
        let _ = self.file.unlock();
        self.folder.iter().for_each(|folder| drop(folder.unlock()));
    }
}

/// True while somebody holds the lock `path` or the one on `folder`. Looks without taking
/// them and without writing anything.
pub(crate) fn is_held(path: &Path, folder: &Path) -> bool {
    let is_held = |file: &std::fs::File| {
        let free = file.try_lock_shared();
        let _ = file.unlock();
        matches!(free, Err(std::fs::TryLockError::WouldBlock))
    };
    std::fs::File::open(path).is_ok_and(|file| is_held(&file))
        || fsx::open_folder(folder).is_some_and(|folder| is_held(&folder))
}

fn wait_for<T>(
    signed: &Path,
    locked: &Path,
    wait: Duration,
    waiting: &dyn Fn(&str),
    mut attempt: impl FnMut() -> Result<Option<T>>,
) -> Result<T> {
    let start = Instant::now();
    let mut said = false;
    loop {
        if let Some(taken) = attempt()? {
            return Ok(taken);
        }
        // On the folder the holder is somebody who has another data folder: not known.
        let holder = if signed == locked { describe_lock_holder(signed) } else { String::new() };
        if start.elapsed() >= wait {
            return Err(error!(Conflict, "another ba-agent{holder} is changing these skills")
                .cause(format!("the lock `{}` was not free within {} s", locked.display(), wait.as_secs()))
                .hint("wait for it to end, then run the command again"));
        }
        if !said && start.elapsed() >= SAY_AFTER {
            waiting(&format!("Waiting for another ba-agent{holder} to finish"));
            said = true;
        }
        std::thread::sleep(LOOK_AGAIN);
    }
}

fn describe_lock_holder(path: &Path) -> String {
    let pid = std::fs::read_to_string(path).unwrap_or_default();
    if pid.is_empty() || !pid.bytes().all(|b| b.is_ascii_digit()) {
        String::new()
    } else {
        format!(" (process {pid})")
    }
}

#[cfg(unix)]
fn is_same_file(file: &std::fs::File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    match (file.metadata(), std::fs::metadata(path)) {
        (Ok(a), Ok(b)) => (a.dev(), a.ino()) == (b.dev(), b.ino()),
        _ => false,
    }
}

#[cfg(not(unix))]
fn is_same_file(_: &std::fs::File, _: &Path) -> bool {
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use ba_agent_core::error::Kind;

    #[test]
    fn a_second_one_waits_says_for_whom_and_gives_up() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state/lock");
        let first = Lock::try_take(&path).unwrap().unwrap();
        let error = Lock::take(&path, Duration::ZERO, &|_| ()).unwrap_err();
        assert_eq!(error.kind, Kind::Conflict);
        assert!(error.message.contains(&format!("process {}", std::process::id())), "{error:?}");
        assert!(is_held(&path, dir.path()));
        first.release();
        assert!(!is_held(&path, dir.path()));
        Lock::take(&path, Duration::ZERO, &|_| ()).unwrap().release();
    }

    #[cfg(unix)]
    #[test]
    fn two_data_folders_exclude_each_other_by_the_folder_of_the_registry() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("config");
        std::fs::create_dir(&folder).unwrap();
        let mut host = Lock::try_take(&dir.path().join("host/lock")).unwrap().unwrap();
        let mut container = Lock::try_take(&dir.path().join("container/lock")).unwrap().unwrap();
        assert!(host.try_take_folder(&folder));
        assert!(!container.try_take_folder(&folder));
        let error = container.take_folder(&folder, Duration::ZERO, &|_| ()).unwrap_err();
        assert!(error.kind == Kind::Conflict && !error.message.contains("process"), "{error:?}");
        assert!(is_held(&dir.path().join("none"), &folder));
        host.release();
        assert!(container.try_take_folder(&folder));
        assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 0, "nothing is made in it");
    }

    #[cfg(unix)]
    #[test]
    fn a_lock_is_never_taken_through_a_link() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("precious"), "precious").unwrap();
        std::os::unix::fs::symlink("precious", dir.path().join("lock")).unwrap();
        assert!(Lock::try_take(&dir.path().join("lock")).is_err());
        assert_eq!(std::fs::read_to_string(dir.path().join("precious")).unwrap(), "precious");
    }

    #[test]
    fn a_lock_on_a_removed_file_is_no_lock() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        let held = Lock::try_take(&path).unwrap().unwrap();
        std::fs::remove_file(&path).unwrap();
        assert!(!is_same_file(&held.file, &path) || cfg!(windows));
    }
}
