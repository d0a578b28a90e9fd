//! World: whose skills a command is about, a project's or the user's, and the paths that follow.

use std::path::{Path, PathBuf};

use fs_err as fs;

use ba_agent_core::error::{Result, error, fail};
use ba_agent_system::env::Env;

/// Whose skills a command is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// A project, by its root.
    Project { root: PathBuf },
    /// The user: `~/.claude/skills` and the platform's configuration folder.
    User { home: PathBuf, config: PathBuf },
}

/// What makes a folder the root of a project.
const MARKERS: [&str; 4] = ["config/skills_registry.json", ".ba-agent", ".claude", ".git"];

impl Scope {
    /// The scope of a command: `global` is `--global`, `project` is `--project DIR`.
    ///
    /// Without either it is the nearest folder, from the working directory upwards,
    /// with a marker; else the working directory. The home directory is never a project.
    ///
    /// # Errors
    /// `Usage` in the home directory, and for both flags at once; `NotFound` for a
    /// project folder that is not there.
    pub fn find(env: &Env, global: bool, project: Option<&Path>) -> Result<Self> {
        if global {
            if project.is_some() {
                fail!(Usage, "`--global` and `--project` cannot be used together");
            }
            let home = env.home.clone().ok_or_else(|| error!(Failed, "there is no home directory"))?;
            return Ok(Self::User { home, config: env.config_dir()? });
        }
        let root = match project {
            Some(dir) => {
                let dir = env.absolute(dir);
                if !dir.is_dir() {
                    fail!(NotFound, "the project folder `{}` does not exist", dir.display());
                }
                fs::canonicalize(dir)?
            }
            None => nearest_root(&env.cwd, env.home.as_deref()).unwrap_or_else(|| env.cwd.clone()),
        };
        if env.home.as_deref().is_some_and(|home| same_folder(home, &root)) {
            return Err(error!(Usage, "the home directory is not a project")
                .hint("for the skills of your user account add `--global`")
                .hint("for a project change to its folder, or name it with `--project DIR`"));
        }
        Ok(Self::Project { root })
    }

    /// What relative paths of settings and registry start from.
    pub(crate) fn base(&self) -> &Path {
        match self {
            Self::Project { root } => root,
            Self::User { home, .. } => home,
        }
    }

    /// `config.yaml` of this scope.
    pub(crate) fn settings_file(&self) -> PathBuf {
        match self {
            Self::Project { root } => root.join(".ba-agent/config.yaml"),
            Self::User { config, .. } => config.join("config.yaml"),
        }
    }

    /// The folder that holds the settings, and nothing that is anybody else's.
    pub(crate) fn own_folder(&self) -> PathBuf {
        match self {
            Self::Project { root } => root.join(".ba-agent"),
            Self::User { config, .. } => config.clone(),
        }
    }

    /// The registry: where the settings say, from the base of the scope, or the usual file.
    pub(crate) fn registry_file(&self, env: &Env, setting: Option<&str>) -> PathBuf {
        match self {
            _ if setting.is_some() => env.from(self.base(), setting.unwrap_or_default()),
            Self::Project { root } => root.join("config/skills_registry.json"),
            Self::User { config, .. } => config.join("skills_registry.json"),
        }
    }

    pub(crate) fn is_project(&self) -> bool {
        matches!(self, Self::Project { .. })
    }

    /// `project` or `user`, as reports name it.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Project { .. } => "project",
            Self::User { .. } => "user",
        }
    }
}

/// How a scope is called in a sentence, by its name.
pub fn describe_scope(name: &str) -> &'static str {
    if name == "user" { "your user account" } else { "this project" }
}

fn nearest_root(cwd: &Path, home: Option<&Path>) -> Option<PathBuf> {
    cwd.ancestors()
        .take_while(|folder| *folder == cwd || !home.is_some_and(|home| same_folder(home, folder)))
        .find(|folder| MARKERS.iter().any(|marker| folder.join(marker).exists()))
        .map(Path::to_path_buf)
}

fn same_folder(a: &Path, b: &Path) -> bool {
    a == b || matches!((fs::canonicalize(a), fs::canonicalize(b)), (Ok(a), Ok(b)) if a == b)
}
