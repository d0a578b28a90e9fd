//! The lock of a scope: an advisory lock on a file that is removed again at the end.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use fs_err as fs;

use crate::error::{Result, error};
use crate::fsx;

/// How often a waiting command looks again.
const LOOK_AGAIN: Duration = Duration::from_millis(20);
/// After this long it says for whom it waits.
const SAY_AFTER: Duration = Duration::from_secs(1);

/// A lock that is held; dropped it is free.
#[derive(Debug)]
pub(crate) struct Lock {
    file: std::fs::File,
    path: PathBuf,
}

impl Lock {
    /// Takes the lock, waiting as long as `wait`.
    ///
    /// # Errors
    /// `Conflict` when it is not free in time, naming the holder's process where known.
    pub(crate) fn take(path: &Path, wait: Duration, waiting: &dyn Fn(&str)) -> Result<Self> {
        let start = Instant::now();
        let mut said = false;
        loop {
            if let Some(lock) = Self::try_take(path)? {
                return Ok(lock);
            }
            if start.elapsed() >= wait {
                return Err(error!(Conflict, "another ba-agent{} is changing these skills", holder(path))
                    .cause(format!("the lock `{}` was not free within {} s", path.display(), wait.as_secs()))
                    .hint("wait for it to end, then run the command again"));
            }
            if !said && start.elapsed() >= SAY_AFTER {
                waiting(&format!("Waiting for another ba-agent{} to finish", holder(path)));
                said = true;
            }
            std::thread::sleep(LOOK_AGAIN);
        }
    }

    /// Takes the lock if it is free.
    pub(crate) fn try_take(path: &Path) -> Result<Option<Self>> {
        fsx::fault::step()?;
        let mut options = fs::OpenOptions::new();
        let file = options.read(true).write(true).create(true).truncate(false).open(path)?;
        let (file, _) = file.into_parts();
        match file.try_lock() {
            Ok(()) => {}
            Err(std::fs::TryLockError::WouldBlock) => return Ok(None),
            Err(std::fs::TryLockError::Error(e)) => {
                return Err(error!(Failed, "`{}` cannot be locked", path.display())
                    .cause(e)
                    .hint("the file system may not support locks; put the project on a local disk"));
            }
        }
        // The one before may have removed the file between our opening and our locking it:
        // then this is a lock on a file that nobody else will ever open.
        if !is_same_file(&file, path) {
            return Ok(None);
        }
        let lock = Self { file, path: path.to_path_buf() };
        lock.sign();
        Ok(Some(lock))
    }

    /// Writes our process id, only for the message of those who wait.
    fn sign(&self) {
        use std::io::Write as _;
        let _ = self.file.set_len(0);
        let _ = (&self.file).write_all(std::process::id().to_string().as_bytes());
    }

    /// Removes the lock file, then frees the lock.
    pub(crate) fn release(self) {
        let _ = self.file.set_len(0);
        if cfg!(unix) {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

fn holder(path: &Path) -> String {
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
    use crate::error::Kind;

    #[test]
    fn a_second_one_waits_says_for_whom_and_gives_up() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        let first = Lock::try_take(&path).unwrap().unwrap();
        let error = Lock::take(&path, Duration::ZERO, &|_| ()).unwrap_err();
        assert_eq!(error.kind, Kind::Conflict);
        assert!(error.message.contains(&format!("process {}", std::process::id())), "{error:?}");
        first.release();
        assert!(!path.exists() || cfg!(windows));
        Lock::take(&path, Duration::ZERO, &|_| ()).unwrap().release();
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
