//! Everything the process was given by its surroundings: variables, the working
//! directory, the clock, the terminal. Nothing else reads them.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::IsTerminal as _;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use directories::ProjectDirs;
use jiff::Timestamp;

use crate::fsx;
use ba_agent_core::error::{Result, error};

/// What the process was given by its surroundings. The only place that reads the
/// environment, the clock, the working directory and the terminal.
#[derive(Debug, Clone)]
pub struct Env {
    pub cwd: PathBuf,
    pub home: Option<PathBuf>,
    /// The one time of this command, or `SOURCE_DATE_EPOCH` where that is set.
    pub now: Timestamp,
    /// `SOURCE_DATE_EPOCH` is set, or this is a test: time stands still.
    is_time_fixed: bool,
    pub stdin_is_terminal: bool,
    pub stdout_is_terminal: bool,
    pub stderr_is_terminal: bool,
    /// Shared, since each command has surroundings of its own.
    variables: Arc<BTreeMap<OsString, OsString>>,
}

impl Env {
    /// Reads the surroundings.
    ///
    /// A working directory that was deleted is no hindrance where `project` says by an
    /// absolute path what the command is about.
    ///
    /// # Errors
    /// `Failed` when the working directory is gone.
    #[expect(clippy::disallowed_methods, reason = "this is the one place that reads them")]
    pub fn read(project: Option<&Path>) -> Result<Self> {
        let variables: BTreeMap<_, _> = std::env::vars_os().collect();
        let cwd = std::env::current_dir().or_else(|e| {
            let was =
                variables.get(std::ffi::OsStr::new("PWD")).map(PathBuf::from).filter(|p| p.is_absolute());
            let project = project.filter(|project| project.is_absolute());
            project.map(|project| was.unwrap_or_else(|| project.to_path_buf())).ok_or_else(|| {
                error!(Failed, "the working directory cannot be read").cause(e).hint(
                    "change to a folder that exists, or name the project with `--project` and its whole path",
                )
            })
        })?;
        let home = directories::BaseDirs::new().map(|dirs| dirs.home_dir().to_path_buf());
        let mut env = Self {
            cwd,
            home,
            now: read_clock(),
            is_time_fixed: false,
            stdin_is_terminal: std::io::stdin().is_terminal(),
            stdout_is_terminal: std::io::stdout().is_terminal(),
            stderr_is_terminal: std::io::stderr().is_terminal(),
            variables: Arc::new(variables),
        };
        if let Some(epoch) = env.var("SOURCE_DATE_EPOCH") {
            let seconds = epoch.parse().ok().and_then(|s| Timestamp::from_second(s).ok());
            env.now = seconds.ok_or_else(|| {
                error!(Usage, "SOURCE_DATE_EPOCH is `{epoch}`, which is not a number of seconds")
            })?;
            env.is_time_fixed = true;
        }
        Ok(env)
    }

    /// A variable that is asked for before anything else is read; `None` where it is not set, empty
    /// or not UTF-8.
    #[expect(clippy::disallowed_methods, reason = "this is the one place that reads them")]
    pub fn first_word_of(name: &str) -> Option<String> {
        std::env::var(name).ok().filter(|value| !value.is_empty())
    }

    /// The same surroundings at the present time: a process that runs for days gives each command
    /// the time at which that begins.
    pub fn at_present(&self) -> Self {
        let now = if self.is_time_fixed { self.now } else { read_clock() };
        Self { now, ..self.clone() }
    }

    /// Surroundings with nothing of this machine in them but `home`, which is the working
    /// directory too: for tests, and for whoever gives each caller a world of its own.
    pub fn isolated(home: &Path, variables: &[(&str, &str)]) -> Self {
        let variables = variables.iter().map(|(name, value)| (OsString::from(name), OsString::from(value)));
        let mut variables: BTreeMap<_, _> = variables.collect();
        for (name, place) in [
            ("BA_AGENT_CACHE_DIR", ".cache"),
            ("BA_AGENT_CONFIG_DIR", ".config"),
            ("BA_AGENT_DATA_DIR", ".data"),
        ] {
            variables.entry(name.into()).or_insert_with(|| home.join(place).into());
        }
        variables.entry("GIT_CONFIG_NOSYSTEM".into()).or_insert_with(|| "1".into());
        Self {
            cwd: home.to_owned(),
            home: Some(home.to_owned()),
            now: Timestamp::UNIX_EPOCH,
            is_time_fixed: true,
            stdin_is_terminal: false,
            stdout_is_terminal: false,
            stderr_is_terminal: false,
            variables: Arc::new(variables),
        }
    }

    /// A variable that is set, not empty and UTF-8.
    pub fn var(&self, name: &str) -> Option<&str> {
        self.variables.get(std::ffi::OsStr::new(name))?.to_str().filter(|value| !value.is_empty())
    }

    /// A variable that is set, also to nothing, and UTF-8.
    pub fn set_var(&self, name: &str) -> Option<&str> {
        self.variables.get(std::ffi::OsStr::new(name))?.to_str()
    }

    fn path_var(&self, name: &str) -> Option<PathBuf> {
        let value = self.variables.get(std::ffi::OsStr::new(name))?;
        (!value.is_empty()).then(|| self.absolute(Path::new(value)))
    }

    /// `path` from the working directory, `~` being the home, without `.`. A `..` stays: what
    /// it leads to is for the disk to say where there are links.
    pub fn absolute(&self, path: &Path) -> PathBuf {
        let expanded = match (path.strip_prefix("~"), &self.home) {
            (Ok(rest), Some(home)) => home.join(rest),
            _ => self.cwd.join(path),
        };
        expanded.components().filter(|c| *c != Component::CurDir).collect()
    }

    /// A path of the settings: `~` is the home, a relative one starts from `base`.
    pub fn from(&self, base: &Path, path: &str) -> PathBuf {
        if path.starts_with('~') {
            return self.absolute(Path::new(path));
        }
        base.join(path).components().filter(|c| *c != Component::CurDir).collect()
    }

    /// `<config dir>`: settings and registry of the user scope.
    ///
    /// # Errors
    /// `Failed` where there is no home directory and `BA_AGENT_CONFIG_DIR` is not set.
    pub fn config_dir(&self) -> Result<PathBuf> {
        self.platform_folder("BA_AGENT_CONFIG_DIR", |dirs| dirs.config_dir().to_path_buf())
    }

    /// `<cache dir>`: shared by all projects, may be deleted at any time. Without a home
    /// directory it is in a temporary folder of this user's own.
    ///
    /// # Errors
    /// `Failed` where there is neither and `BA_AGENT_CACHE_DIR` is not set.
    pub fn cache_dir(&self) -> Result<PathBuf> {
        let usual = self.platform_folder("BA_AGENT_CACHE_DIR", |dirs| dirs.cache_dir().to_path_buf());
        usual.or_else(|e| self.own_temporary_folder().map_or(Err(e), |folder| Ok(folder.join("cache"))))
    }

    /// `<data dir>`: locks, journals, and the history that `rollback` reads. Where the home
    /// directory is missing or cannot be written, a temporary folder of this user's own.
    ///
    /// # Errors
    /// `Failed` where there is neither and `BA_AGENT_DATA_DIR` is not set.
    pub fn data_dir(&self) -> Result<PathBuf> {
        let usual = self.platform_folder("BA_AGENT_DATA_DIR", |dirs| dirs.data_local_dir().to_path_buf());
        match usual {
            Ok(path) if self.path_var("BA_AGENT_DATA_DIR").is_some() => Ok(path),
            Ok(path) if fsx::check_writable(&path).is_ok() => Ok(path),
            usual => self.own_temporary_folder().map_or(usual, |folder| Ok(folder.join("data"))),
        }
    }

    /// True for a data folder that will not outlive the machine's next clean-up.
    pub fn is_temporary(&self, data: &Path) -> bool {
        self.temporary_folder().is_some_and(|folder| data.starts_with(folder))
    }

    fn platform_folder(&self, variable: &str, of: impl Fn(&ProjectDirs) -> PathBuf) -> Result<PathBuf> {
        if let Some(path) = self.path_var(variable) {
            return Ok(path);
        }
        ProjectDirs::from("", "", "ba-agent").map(|dirs| of(&dirs)).ok_or_else(|| {
            error!(Failed, "no home directory, so no folder for settings and caches")
                .hint(format!("set HOME, or {variable} to a folder"))
        })
    }

    fn temporary_folder(&self) -> Option<PathBuf> {
        #[cfg(unix)]
        {
            let above = self.path_var("TMPDIR").unwrap_or_else(|| PathBuf::from("/tmp"));
            Some(above.join(format!("ba-agent-{}", rustix::process::geteuid().as_raw())))
        }
        #[cfg(not(unix))]
        None
    }

    /// The temporary folder that stands in for a home directory. It is used only where it
    /// belongs to this user alone: anybody can make one of that name in `/tmp`.
    fn own_temporary_folder(&self) -> Option<PathBuf> {
        let folder = self.temporary_folder()?;
        #[cfg(unix)]
        {
            use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
            let _ = std::fs::DirBuilder::new().mode(0o700).create(&folder);
            let meta = std::fs::symlink_metadata(&folder).ok()?;
            let is_own = meta.is_dir()
                && meta.uid() == rustix::process::geteuid().as_raw()
                && meta.mode() & 0o077 == 0;
            is_own.then_some(folder)
        }
        #[cfg(not(unix))]
        Some(folder)
    }
}

#[expect(clippy::disallowed_methods, reason = "this is the one place that reads it")]
fn read_clock() -> Timestamp {
    Timestamp::try_from(std::time::SystemTime::now()).unwrap_or(Timestamp::UNIX_EPOCH)
}
