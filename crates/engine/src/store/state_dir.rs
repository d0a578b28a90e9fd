//! Where the state of one scope lies: its lock, its journal and its history, in the user's
//! data folder under a hash of the scope's real path.
//!
//! Nothing of it lies in the project. A project comes from whoever wrote it, and what is
//! obeyed when a command was killed must not come with it.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::scope::Scope;
use ba_agent_core::digest::sha256_hex;
use ba_agent_core::error::Result;
use ba_agent_system::fsx;

/// The journal in a workspace.
const JOURNAL: &str = "journal.json";

/// The state folder of one scope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StateDir {
    folder: PathBuf,
    key: String,
    /// The project's folder without links; `None` for the user scope, which does not move.
    project: Option<PathBuf>,
}

/// Which folder a workspace is of.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Origin {
    path: PathBuf,
    identity: String,
}

impl StateDir {
    /// The workspace of `scope` below the data folder. A project has one, however it was
    /// reached: over a link, from a folder below it, by `--project`.
    pub(crate) fn new(data: &Path, scope: &Scope) -> Self {
        let base = scope.base();
        let real = std::fs::canonicalize(base).unwrap_or_else(|_| base.to_path_buf());
        let mut text = format!("{}\n", scope.name()).into_bytes();
        text.extend_from_slice(real.as_os_str().as_encoded_bytes());
        let key = sha256_hex(&text)[..32].to_owned();
        let project = matches!(scope, Scope::Project { .. }).then_some(real);
        Self { folder: data.join("workspaces").join(&key), key, project }
    }

    fn origin(&self) -> Option<Origin> {
        let path = self.project.clone()?;
        let identity = identity(&path)?;
        Some(Origin { path, identity })
    }

    fn origin_file(&self) -> PathBuf {
        self.folder.join("origin.json")
    }

    /// The projects of other workspaces that are no longer where they were, with the folders
    /// that keep their history.
    pub(crate) fn abandoned(&self) -> Vec<(PathBuf, PathBuf)> {
        let all = std::fs::read_dir(fsx::parent(&self.folder)).into_iter().flatten().flatten();
        let mut abandoned: Vec<(PathBuf, PathBuf)> = all
            .map(|entry| entry.path())
            .filter_map(|folder| Some((origin_of(&folder)?.path, folder)))
            .filter(|(project, _)| !project.exists())
            .collect();
        abandoned.sort();
        abandoned
    }

    /// Takes over the workspace that this project had before it was moved, so that its history
    /// and an unfinished change come along. The file system says that it is the same folder:
    /// nothing in the project does, since a copy or a clone has the same content.
    ///
    /// `relocate` gets the journal there, and where the project was and is.
    pub(crate) fn take_over_moved(&self, relocate: impl Fn(&Path, &Path, &Path) -> Result<()>) {
        if self.folder.exists() {
            return;
        }
        let Some(own) = self.origin() else { return };
        let all = std::fs::read_dir(fsx::parent(&self.folder)).into_iter().flatten().flatten();
        for folder in all.map(|entry| entry.path()) {
            let Some(origin) = origin_of(&folder) else { continue };
            if origin.identity == own.identity && origin.path != own.path {
                let journal = folder.join(JOURNAL);
                // The journal first: a workspace that is here already is not looked at again.
                if !fsx::exists(&journal) || relocate(&journal, &origin.path, &own.path).is_ok() {
                    let _ = std::fs::rename(&folder, &self.folder);
                }
                return;
            }
        }
    }

    /// Notes which folder this is the workspace of. Without the note a move is not noticed.
    pub(crate) fn note_origin(&self) {
        let Some(origin) = self.origin() else { return };
        let text = serde_json::to_vec(&origin).unwrap_or_default();
        let is_noted = std::fs::read(self.origin_file()).is_ok_and(|noted| noted == text);
        if !is_noted && self.folder.is_dir() {
            let _ = fsx::write_atomic(&self.origin_file(), &text);
        }
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

    /// The lock of the settings.
    pub(crate) fn settings_lock_file(&self) -> PathBuf {
        self.folder.join("settings.lock")
    }

    /// The lock of the list of marketplaces.
    pub(crate) fn marketplaces_lock_file(&self) -> PathBuf {
        self.folder.join("marketplaces.lock")
    }

    /// The journal; only there while a command changes something, or after a kill.
    pub(crate) fn journal_file(&self) -> PathBuf {
        self.folder.join(JOURNAL)
    }

    /// What was written that the disk may not have yet.
    pub(super) fn unsettled_file(&self) -> PathBuf {
        self.folder.join("unsettled")
    }

    /// The folders outside a project that its user has linked to by name.
    pub(crate) fn links_file(&self) -> PathBuf {
        self.folder.join("links.json")
    }

    /// The log of the use of skills.
    pub(crate) fn usage_file(&self) -> PathBuf {
        self.folder.join("usage.jsonl")
    }

    /// Where the state of the other scopes of this user lies, and this one's.
    pub(crate) fn all_folders(&self) -> Vec<PathBuf> {
        let all = std::fs::read_dir(fsx::parent(&self.folder)).into_iter().flatten().flatten();
        all.map(|entry| entry.path()).collect()
    }

    /// The trees of the versions that are kept beside those in the targets.
    pub(crate) fn version_trees_folder(&self) -> PathBuf {
        self.folder.join("version-trees")
    }

    /// Where the files of skills lie that the user has disabled; a project has them in itself.
    pub(crate) fn disabled_folder(&self) -> PathBuf {
        self.folder.join("disabled")
    }

    /// A folder with an empty file for each host that was typed here, named by its origin.
    pub(crate) fn hosts_folder(&self) -> PathBuf {
        self.folder.join("hosts")
    }

    /// How every staging folder of this scope begins, in whatever skills folder it lies.
    pub(crate) fn staging_prefix(&self) -> String {
        format!("{STAGING_PREFIX}{}-", &self.key[..8])
    }
}

fn origin_of(workspace: &Path) -> Option<Origin> {
    let bytes = fsx::read_plain_file(&workspace.join("origin.json"), 1 << 20).ok()??;
    serde_json::from_slice(&bytes).ok()
}

/// What tells a folder from all others, also after it was moved: its number on its disk, and
/// when it was made, since numbers are used again.
fn identity(folder: &Path) -> Option<String> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt as _;
        let meta = std::fs::metadata(folder).ok()?;
        let made = meta.created().ok()?.duration_since(std::time::UNIX_EPOCH).ok()?;
        Some(format!("{}:{}:{}", meta.dev(), meta.ino(), made.as_nanos()))
    }
    #[cfg(not(unix))]
    {
        let _ = folder;
        None
    }
}

/// How the staging folders of all scopes begin.
pub(crate) const STAGING_PREFIX: &str = ".ba-agent-";
