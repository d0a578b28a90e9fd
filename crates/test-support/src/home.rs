//! Surroundings for everything that reaches out: a home of its own in a temporary folder, and
//! nothing of this machine.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use ba_agent_system::env::Env;
use ba_agent_system::progress::Progress;
use tempfile::TempDir;

/// A user without a past.
pub struct TestHome {
    pub folder: TempDir,
    pub env: Env,
    pub progress: Counting,
}

/// Counts how often something moved, and holds all fetches of the tests to sound totals.
#[derive(Default)]
pub struct Counting(pub AtomicU64);

impl Progress for Counting {
    fn begin(&self, _: &str) {}
    fn advance(&self, done: u64, total: Option<u64>) {
        assert!(total.is_none_or(|total| done <= total), "{done} of {total:?}");
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl TestHome {
    /// A home whose environment has these variables.
    pub fn with(variables: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let env = Env::isolated(folder.path(), variables);
        Self { folder, env, progress: Counting::default() }
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Writes the user's `.gitconfig`.
    pub fn git_config(&self, text: &str) {
        std::fs::write(self.folder.path().join(".gitconfig"), text).unwrap();
    }

    /// A bare repository at `home/srv/NAME`.
    #[cfg(feature = "git")]
    pub fn repository(&self, name: &str) -> crate::Repo {
        crate::Repo::create(self.served().join(name))
    }

    /// The folder that servers serve.
    pub fn served(&self) -> PathBuf {
        self.folder.path().join("srv")
    }

    /// What is left of staging: must be nothing after every fetch.
    pub fn leftovers(&self) -> usize {
        let tmp = self.env.cache_dir().unwrap().join("tmp");
        std::fs::read_dir(tmp).map_or(0, Iterator::count)
    }
}
