//! Where everything is measured: a folder on a tmpfs where there is one, repositories in
//! it, two servers on loopback, and the projects that the two sides fill.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::measure::Step;
use crate::options::Options;
use crate::replay::Replay;
use crate::repos::{self, Layout, Made};
use ba_agent_test_support::server::Server;

/// Room that the largest repositories and their copies need.
const ROOM: u64 = 2 << 30;

pub(crate) struct World {
    dir: tempfile::TempDir,
    /// Smart HTTP with `git http-backend` behind every request; `None` without git.
    live: Option<Server>,
    /// The server that repeats what `live` said.
    replay: Option<Replay>,
    /// Another build that is measured beside this one.
    before: Option<PathBuf>,
    /// Whether files are removed between runs.
    removes: bool,
    discarded: AtomicUsize,
}

/// A repository to install from.
#[derive(Debug, Clone)]
pub(crate) struct Repo {
    /// As rows name it: `66`.
    pub(crate) label: String,
    /// Below the root of the servers.
    pub(crate) name: String,
    pub(crate) made: Made,
}

/// How a repository is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Road {
    Replay,
    Live,
    File,
}

impl Road {
    /// For the column "server".
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Replay => "cached",
            Self::Live => "http-backend",
            Self::File => "file://",
        }
    }
}

impl World {
    pub(crate) fn new(options: &Options) -> Self {
        let below = options.dir.clone().unwrap_or_else(quick_folder);
        let dir = tempfile::Builder::new().prefix("ba-bench-").tempdir_in(below).unwrap();
        for folder in ["git", "home", "floor", "discarded"] {
            std::fs::create_dir(dir.path().join(folder)).unwrap();
        }
        let live = Server::start(&dir.path().join("git"));
        let replay = live.as_ref().map(|live| Replay::start(&live.url()));
        let before = options.before.as_ref().map(|path| path.canonicalize().unwrap());
        let removes = file_system_of(dir.path()) == "tmpfs";
        Self { dir, live, replay, before, removes, discarded: AtomicUsize::new(0) }
    }

    pub(crate) fn path(&self, below: &str) -> PathBuf {
        self.dir.path().join(below)
    }

    pub(crate) fn home(&self) -> PathBuf {
        self.path("home")
    }

    /// The file system that is measured on.
    pub(crate) fn file_system(&self) -> String {
        file_system_of(self.dir.path())
    }

    /// Makes a synthetic repository of `n` skills.
    pub(crate) fn synthetic(&self, n: usize) -> Repo {
        let name = format!("r{n}.git");
        let layout = if n > 500 { Layout::Authors } else { Layout::Flat };
        let made = repos::make(&self.path("git").join(&name), n, layout);
        let (files, mib) = (made.files, made.bytes as f64 / f64::from(1 << 20));
        let pack = made.pack as f64 / f64::from(1 << 20);
        println!("made {name}: {n} skills, {files} files, {mib:.1} MiB, pack {pack:.1} MiB");
        Repo { label: count(n), name, made }
    }

    /// Takes a repository of this machine, by a link; its skills are what the program says.
    #[cfg(unix)]
    pub(crate) fn real(&self, path: &Path) -> Repo {
        let path = path.canonicalize().unwrap();
        let label = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let name = format!("real-{label}.git");
        let git = if path.join(".git").is_dir() { path.join(".git") } else { path };
        std::os::unix::fs::symlink(&git, self.path("git").join(&name)).unwrap();
        let url = format!("file://{}", self.path("git").join(&name).display());
        let project = self.fresh("real");
        let words = ["skill", "install", &url, "--all", "--dry-run", "--json"];
        let mut command = std::process::Command::new(OURS);
        command.args(words).current_dir(project).env("BA_AGENT_CONFIG_DIR", self.path("real/config"));
        let output = command.output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{} cannot be measured: {said}", git.display());
        let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        let skills = report["skills"].as_array().cloned().unwrap_or_default();
        let folder = |skill: &serde_json::Value| {
            Some(skill["entry"]["path"].as_str()?.to_owned()).filter(|path| !path.is_empty())
        };
        let folders: Vec<String> = skills.iter().filter_map(folder).collect();
        println!("took {}: {} skills", git.display(), folders.len());
        let made = Made { folders, files: 0, bytes: 0, pack: 0 };
        Repo { label: format!("{} ({label})", made.folders.len()), name, made }
    }

    #[cfg(not(unix))]
    pub(crate) fn real(&self, path: &Path) -> Repo {
        panic!("{}: real repositories are served by way of a link, which needs a Unix", path.display())
    }

    /// The server that repeats what git said, of everything below `git/`; `None` without git.
    pub(crate) fn served(&self) -> Option<String> {
        self.replay.as_ref().map(|replay| replay.url.clone())
    }

    /// The repository's URL by this road; `None` where there is no git to serve it.
    pub(crate) fn url(&self, repo: &Repo, road: Road) -> Option<String> {
        match road {
            Road::Replay => self.replay.as_ref().map(|replay| format!("{}/{}", replay.url, repo.name)),
            Road::Live => self.live.as_ref().map(|live| format!("{}/{}", live.url(), repo.name)),
            Road::File => Some(format!("file://{}", self.path("git").join(&repo.name).display())),
        }
    }

    /// Lets the cached server ask again, after a repository has changed.
    pub(crate) fn forget(&self) {
        self.replay.iter().for_each(Replay::forget);
    }

    /// Takes away what the last run left. On a disk it is moved aside until the end: an ext4
    /// without a journal looks long for an inode that was not freed in the last minutes, so that
    /// each round would pay for the files of the one before (14 s instead of 2 for 12,000 files).
    pub(crate) fn discard(&self, path: &Path) {
        if self.removes {
            let _ = std::fs::remove_dir_all(path);
        } else if path.exists() {
            let aside = self.path("discarded");
            if room(&aside) < ROOM {
                println!("there is little room: what earlier rounds left is removed");
                let _ = std::fs::remove_dir_all(&aside);
                std::fs::create_dir(&aside).unwrap();
            }
            let number = self.discarded.fetch_add(1, Ordering::Relaxed);
            std::fs::rename(path, aside.join(number.to_string())).unwrap();
        }
    }

    /// An empty project with an empty cache beside it; its folder.
    pub(crate) fn fresh(&self, name: &str) -> PathBuf {
        let root = self.path(name);
        self.discard(&root);
        std::fs::create_dir_all(root.join("project/.git")).unwrap();
        root.join("project")
    }

    /// Our program in the project `name`, with settings, cache and history beside it.
    pub(crate) fn ours(&self, name: &str, words: &[&str]) -> Step {
        let root = self.path(name);
        Step::new(OURS, words, &root.join("project"))
            .with("BA_AGENT_CACHE_DIR", root.join("cache"))
            .with("BA_AGENT_CONFIG_DIR", root.join("config"))
            .with("BA_AGENT_DATA_DIR", root.join("data"))
    }

    /// The same step with the other build, where there is one.
    pub(crate) fn before(&self, step: &Step) -> Option<Step> {
        self.before.as_ref().map(|program| step.clone().by(program))
    }

    /// Runs our program where it must succeed: to make a state that a row begins with.
    pub(crate) fn must(&self, step: &Step) {
        step.run(&self.home(), None).unwrap();
    }

    /// This program in the role of a floor.
    pub(crate) fn role(&self, words: &[&str]) -> Step {
        Step::new(std::env::current_exe().unwrap(), words, self.dir.path())
    }

    /// True when our program has this command and knows all of `flags`.
    pub(crate) fn has(&self, words: &[&str], flags: &[&str]) -> bool {
        let (last, above) = words.split_last().unwrap();
        let help = |words: &[&str]| {
            let output = std::process::Command::new(OURS).args(words).arg("--help").output().unwrap();
            String::from_utf8_lossy(&output.stdout).into_owned()
        };
        let listed = help(above).lines().any(|line| line.split_whitespace().next() == Some(last));
        listed && flags.iter().all(|flag| help(words).contains(flag))
    }
}

fn file_system_of(folder: &Path) -> String {
    let mounts = std::fs::read_to_string("/proc/mounts").unwrap_or_default();
    let mounts = mounts.lines().filter_map(|line| {
        let mut words = line.split(' ').skip(1);
        Some((words.next()?.to_owned(), words.next()?.to_owned()))
    });
    let here = mounts.filter(|(place, _)| folder.starts_with(place));
    here.max_by_key(|(place, _)| place.len()).map_or("unknown".to_owned(), |(_, kind)| kind)
}

/// The program that is measured, built as `cargo build --release` builds it.
pub(crate) const OURS: &str = env!("CARGO_BIN_EXE_ba-agent");

/// 2417 as people write it.
pub(crate) fn count(n: usize) -> String {
    let text = n.to_string();
    match text.len() {
        0..=3 => text,
        long => format!("{},{}", &text[..long - 3], &text[long - 3..]),
    }
}

/// `/dev/shm` where it is there and large enough, else the folder for temporary files: an
/// ext4 without a journal slows down tenfold over such runs.
fn quick_folder() -> PathBuf {
    let shm = Path::new("/dev/shm");
    if room(shm) >= ROOM { shm.to_owned() } else { std::env::temp_dir() }
}

#[cfg(target_os = "linux")]
fn room(folder: &Path) -> u64 {
    rustix::fs::statvfs(folder).map_or(0, |stat| stat.f_bavail * stat.f_frsize)
}

#[cfg(not(target_os = "linux"))]
fn room(_: &Path) -> u64 {
    0
}
