//! Where the state of one scope lies: its lock, its journal and its history, in the user's
//! data folder under a hash of the scope's real path.
//!
//! Nothing of it lies in the project. A project comes from whoever wrote it, and what is
//! obeyed when a command was killed must not come with it.

use std::path::{Path, PathBuf};

use crate::digest::sha256_hex;
use crate::layout::Scope;

/// The state folder of one scope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Workspace {
    folder: PathBuf,
    key: String,
}

impl Workspace {
    /// The workspace of `scope` below the data folder. A project has one, however it was
    /// reached: over a link, from a folder below it, by `--project`.
    pub(crate) fn new(data: &Path, scope: &Scope) -> Self {
        let base = scope.base();
        let real = std::fs::canonicalize(base).unwrap_or_else(|_| base.to_path_buf());
        let mut text = format!("{}\n", scope.name()).into_bytes();
        text.extend_from_slice(real.as_os_str().as_encoded_bytes());
        let key = sha256_hex(&text)[..32].to_owned();
        Self { folder: data.join("workspaces").join(&key), key }
    }

    /// The folder itself; made by the first command that changes something.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The lock of skills and registry. It may stay after a kill; what counts is whether
    /// somebody holds it.
    pub(crate) fn lock_file(&self) -> PathBuf {
        self.folder.join("lock")
    }

    /// The lock of the list of marketplaces.
    pub(crate) fn marketplaces_lock_file(&self) -> PathBuf {
        self.folder.join("marketplaces.lock")
    }

    /// The journal; only there while a command changes something, or after a kill.
    pub(crate) fn journal_file(&self) -> PathBuf {
        self.folder.join("journal.json")
    }

    /// The folders outside a project that its user has linked to by name.
    pub(crate) fn links_file(&self) -> PathBuf {
        self.folder.join("links.json")
    }

    /// How every staging folder of this scope begins, in whatever skills folder it lies.
    pub(crate) fn staging_prefix(&self) -> String {
        format!("{STAGING_PREFIX}{}-", &self.key[..8])
    }
}

/// How the staging folders of all scopes begin.
pub(crate) const STAGING_PREFIX: &str = ".ba-agent-";
