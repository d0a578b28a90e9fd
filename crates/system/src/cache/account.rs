//! How much the cache holds, without a walk through it: a file to which every command adds a
//! line for what it wrote. What is written twice is counted twice, and what was removed by hand
//! is counted still, so the sum is too large rather than too small; a walk puts it right.

use std::io::Write as _;
use std::path::PathBuf;

use super::Cache;

/// Bytes of the file from which on a walk shortens it.
const LONGEST: u64 = 16 * 1024;

impl Cache {
    fn account_file(&self) -> PathBuf {
        self.folder.join("account")
    }

    /// Counts what was written, and makes room where that was too much.
    pub(super) fn account_for_written(&self, bytes: u64) {
        if self.limit == u64::MAX {
            return;
        }
        if self.add(bytes).is_none_or(|total| total > self.limit) {
            // Some room is left, so that not each file that comes costs a walk.
            self.prune(self.largest_package_size());
        }
    }

    /// Adds to the account; the sum, or `None` where it has to be counted anew.
    fn add(&self, bytes: u64) -> Option<u64> {
        let file = self.account_file();
        let mut open = std::fs::File::options().append(true).open(&file).ok()?;
        // One write, so that the lines of several commands do not mix.
        open.write_all(format!("{bytes}\n").as_bytes()).ok()?;
        if open.metadata().ok()?.len() > LONGEST {
            return None;
        }
        sum_of_account(&std::fs::read_to_string(&file).ok()?)
    }

    /// Begins the account anew with what a walk found.
    pub(super) fn set_account(&self, total: u64) {
        let write = || -> std::io::Result<()> {
            let mut new = tempfile::Builder::new().prefix(super::UNFINISHED).tempfile_in(&self.folder)?;
            new.write_all(format!("{total}\n").as_bytes())?;
            new.persist(self.account_file()).map(|_| ()).map_err(|e| e.error)
        };
        let _ = write();
    }
}

fn sum_of_account(text: &str) -> Option<u64> {
    text.lines().try_fold(0u64, |sum, line| sum.checked_add(line.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::super::tests::sample;
    use super::*;

    #[test]
    fn the_account_is_never_below_what_is_there() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::new(dir.path(), 20_000);
        let account = || sum_of_account(&std::fs::read_to_string(cache.account_file()).unwrap()).unwrap();
        for n in 0..200 {
            let (digest, files, bytes) = sample(&format!("text {n} ").repeat(1 + n % 40));
            cache.put(&digest, &files, &bytes);
            assert!(account() >= cache.size().bytes, "{n}");
            assert!(cache.size().bytes <= 20_000, "{n}: {:?}", cache.size());
            match n {
                50 => std::fs::remove_file(cache.account_file()).unwrap(),
                100 => std::fs::write(cache.account_file(), "no number").unwrap(),
                150 => std::fs::write(cache.account_file(), "1\n".repeat(9_000)).unwrap(),
                _ => {}
            }
        }
        assert!(cache.size().trees > 10, "it is not emptied to make room: {:?}", cache.size());
    }
}
