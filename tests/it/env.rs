//! The world of one test: a temporary home, an empty environment, a fixed clock, makers of
//! skills, repositories and archives, and a way to run the real program in it.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::{Mutex, OnceLock};

/// 2026-01-02T03:04:05Z.
const NOW: &str = "1767323045";

/// A place that nothing outside can influence.
pub(crate) struct TestEnv {
    dir: tempfile::TempDir,
    variables: BTreeMap<String, String>,
    /// Registries that the test wrote by hand, which may be as broken as it likes.
    by_hand: Mutex<BTreeSet<PathBuf>>,
}

/// What a run printed, with paths of this test replaced: `[ROOT]`, `[HOME]`, `[PROJECT]`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Run {
    pub(crate) status: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// A skill folder in the making.
pub(crate) struct SkillMaker {
    folder: PathBuf,
}

impl TestEnv {
    pub(crate) fn new() -> Self {
        let dir = tempfile::Builder::new().prefix("ba-it-").tempdir().unwrap();
        let env = Self { dir, variables: BTreeMap::new(), by_hand: Mutex::default() };
        for folder in ["home", "project", "cache", "settings"] {
            std::fs::create_dir(env.root().join(folder)).unwrap();
        }
        std::fs::create_dir(env.project().join(".git")).unwrap();
        env
    }

    /// The real path: macOS has its temporary folder behind a link.
    pub(crate) fn root(&self) -> PathBuf {
        self.dir.path().canonicalize().unwrap()
    }

    pub(crate) fn home(&self) -> PathBuf {
        self.root().join("home")
    }

    pub(crate) fn project(&self) -> PathBuf {
        self.root().join("project")
    }

    pub(crate) fn path(&self, below: &str) -> PathBuf {
        self.root().join(below)
    }

    /// Where the program keeps lock, journal and history of the one scope that was changed.
    pub(crate) fn state(&self) -> PathBuf {
        let all = self.home().join(".local/share/ba-agent/workspaces");
        let mut found = std::fs::read_dir(all).unwrap().map(|entry| entry.unwrap().path());
        let one = found.next().unwrap();
        assert_eq!(found.next(), None, "several scopes were changed");
        one
    }

    /// Sets a variable for every later run.
    pub(crate) fn set(&mut self, name: &str, value: impl Into<String>) {
        self.variables.insert(name.into(), value.into());
    }

    pub(crate) fn write(&self, below: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(below);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, bytes).unwrap();
        if below.ends_with(REGISTRY) {
            self.leave_to_the_test(below);
        }
        path
    }

    /// Says that a registry is written by the test, so that it need not fit the schema.
    pub(crate) fn leave_to_the_test(&self, below: &str) {
        self.by_hand.lock().unwrap().insert(self.path(below));
    }

    /// Registries below the root, as far down as a project has one.
    fn registries(&self) -> Vec<PathBuf> {
        let walk = walkdir::WalkDir::new(self.root()).max_depth(4).into_iter().filter_map(Result::ok);
        let found = walk.filter(|entry| entry.file_type().is_file() && entry.file_name() == REGISTRY);
        found.map(walkdir::DirEntry::into_path).collect()
    }

    pub(crate) fn read(&self, below: &str) -> String {
        std::fs::read_to_string(self.path(below)).unwrap_or_else(|e| panic!("{below}: {e}"))
    }

    /// A sound skill in a folder below the root.
    pub(crate) fn skill(&self, below: &str) -> SkillMaker {
        let name = below.rsplit('/').next().unwrap();
        let maker = SkillMaker { folder: self.path(below) };
        maker.file("SKILL.md", skill_md(name, &format!("Does {name}. Use it when {name} is wanted.")))
    }

    /// The program, ready to run in the project.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        self.command_of(Path::new(env!("CARGO_BIN_EXE_ba-agent")), args)
    }

    /// A copy of the program, which has nothing beside it that was built with it.
    pub(crate) fn command_of(&self, program: &Path, args: &[&str]) -> Command {
        let mut command = Command::new(program);
        command.env_clear().current_dir(self.project()).args(args);
        for variable in ["PATH", "SystemRoot", "LLVM_PROFILE_FILE"] {
            if let Some(value) = std::env::var_os(variable) {
                command.env(variable, value);
            }
        }
        command
            .env("HOME", self.home())
            .env("USERPROFILE", self.home())
            .env("BA_AGENT_CACHE_DIR", self.path("cache"))
            .env("BA_AGENT_CONFIG_DIR", self.path("settings"))
            .env("SOURCE_DATE_EPOCH", NOW)
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .envs(&self.variables)
            .stdin(Stdio::null());
        command
    }

    /// Runs the program in the project.
    pub(crate) fn run(&self, args: &[&str]) -> Run {
        self.done(self.command(args).output().unwrap()).fits_schema(args)
    }

    /// Runs it in another folder below the root.
    pub(crate) fn run_in(&self, below: &str, args: &[&str]) -> Run {
        self.done(self.command(args).current_dir(self.path(below)).output().unwrap()).fits_schema(args)
    }

    /// Makes a normalised record of what a process printed.
    pub(crate) fn done(&self, output: Output) -> Run {
        Run {
            status: output.status.code().unwrap_or(-1),
            stdout: self.normal(&output.stdout),
            stderr: self.normal(&output.stderr),
        }
    }

    fn normal(&self, bytes: &[u8]) -> String {
        let text = String::from_utf8_lossy(bytes).into_owned();
        let replace = |text: String, path: PathBuf, by: &str| text.replace(&path.display().to_string(), by);
        let text = replace(text, self.project(), "[PROJECT]");
        let text = replace(text, self.home(), "[HOME]");
        replace(text, self.root(), "[ROOT]")
    }

    /// Every path below a folder with its content (`/` for folders, `-> target` for links,
    /// `x:` before executables), to compare before and after.
    pub(crate) fn picture(&self, below: &str) -> BTreeMap<String, String> {
        picture(&self.path(below))
    }

    /// The registry of the project as JSON.
    pub(crate) fn registry(&self) -> serde_json::Value {
        serde_json::from_str(&self.read("project/config/skills_registry.json")).unwrap()
    }

    /// A repository `below` whose one commit on `main` holds the files of `files`.
    pub(crate) fn git_repo(&self, below: &str, files: &Path) -> git2::Repository {
        let path = self.path(below);
        let repo = git2::Repository::init_opts(
            &path,
            git2::RepositoryInitOptions::new().bare(true).initial_head("main").mkpath(true),
        )
        .unwrap();
        commit(&repo, "refs/heads/main", files, "first");
        repo
    }

    /// A ZIP of the files below a folder, paths as they are there.
    pub(crate) fn zip(&self, below: &str, files: &Path) -> PathBuf {
        let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
        for (path, bytes, executable) in walk(files) {
            let mode = if executable { 0o755 } else { 0o644 };
            let options = zip::write::SimpleFileOptions::default().unix_permissions(mode);
            writer.start_file(path, options).unwrap();
            writer.write_all(&bytes).unwrap();
        }
        self.write(below, writer.finish().unwrap().into_inner())
    }

    /// A tar.gz of the files below a folder.
    pub(crate) fn tar_gz(&self, below: &str, files: &Path) -> PathBuf {
        let gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        let mut builder = tar::Builder::new(gz);
        for (path, bytes, executable) in walk(files) {
            let mut header = tar::Header::new_ustar();
            header.set_size(bytes.len() as u64);
            header.set_mode(if executable { 0o755 } else { 0o644 });
            header.set_mtime(0);
            builder.append_data(&mut header, path, &bytes[..]).unwrap();
        }
        self.write(below, builder.into_inner().unwrap().finish().unwrap())
    }
}

/// Every registry that the program wrote in any test fits the schema.
impl Drop for TestEnv {
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        for path in self.registries() {
            if self.by_hand.lock().unwrap().contains(&path) {
                continue;
            }
            // A test may have put anything there; no command writes one of this size.
            if path.metadata().unwrap().len() > 64 << 20 {
                continue;
            }
            let text = std::fs::read_to_string(&path).unwrap();
            let faults = schema_faults(&text);
            assert!(faults.is_empty(), "{}: {}\n{text}", path.display(), faults.join("\n"));
        }
    }
}

const REGISTRY: &str = "skills_registry.json";

/// What of a registry does not fit `skills_registry.schema.json`.
pub(crate) fn schema_faults(text: &str) -> Vec<String> {
    static VALIDATOR: OnceLock<jsonschema::Validator> = OnceLock::new();
    let validator = VALIDATOR.get_or_init(|| {
        let schema = include_str!("../../skills_registry.schema.json");
        jsonschema::validator_for(&serde_json::from_str(schema).unwrap()).unwrap()
    });
    match serde_json::from_str(text) {
        Ok(value) => validator.iter_errors(&value).map(|e| format!("{}: {e}", e.instance_path())).collect(),
        Err(error) => vec![error.to_string()],
    }
}

impl Run {
    /// The run, whose document (where `--json` is among `args`) is what `schemas/` says.
    #[track_caller]
    fn fits_schema(self, args: &[&str]) -> Self {
        let faults = crate::schemas::document_faults(args, &self.stdout);
        assert!(faults.is_empty(), "{}\n{}", faults.join("\n"), self.stdout);
        self
    }

    /// The run, which must have ended with this status.
    #[track_caller]
    pub(crate) fn ends(self, status: i32) -> Self {
        assert_eq!(self.status, status, "stdout:\n{}\nstderr:\n{}", self.stdout, self.stderr);
        self
    }

    #[track_caller]
    pub(crate) fn says(self, words: &str) -> Self {
        assert!(self.stderr.contains(words), "no {words:?} in stderr:\n{}", self.stderr);
        self
    }

    #[track_caller]
    pub(crate) fn prints(self, words: &str) -> Self {
        assert!(self.stdout.contains(words), "no {words:?} in stdout:\n{}", self.stdout);
        self
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|e| panic!("{e} in:\n{}\n{}", self.stdout, self.stderr))
    }
}

impl SkillMaker {
    pub(crate) fn file(self, path: &str, bytes: impl AsRef<[u8]>) -> Self {
        let at = self.folder.join(path);
        std::fs::create_dir_all(at.parent().unwrap()).unwrap();
        std::fs::write(at, bytes).unwrap();
        self
    }

    #[cfg(unix)]
    pub(crate) fn executable(self, path: &str, bytes: impl AsRef<[u8]>) -> Self {
        use std::os::unix::fs::PermissionsExt as _;
        let maker = self.file(path, bytes);
        let at = maker.folder.join(path);
        std::fs::set_permissions(at, std::fs::Permissions::from_mode(0o755)).unwrap();
        maker
    }

    #[cfg(unix)]
    pub(crate) fn link(self, path: &str, target: &str) -> Self {
        std::os::unix::fs::symlink(target, self.folder.join(path)).unwrap();
        self
    }

    pub(crate) fn folder(&self) -> PathBuf {
        self.folder.clone()
    }
}

/// Text of a `SKILL.md`.
pub(crate) fn skill_md(name: &str, description: &str) -> String {
    format!("---\nname: {name}\ndescription: {description}\n---\n\n# {name}\n\nText of {name}.\n")
}

/// Commits the files of a folder onto a ref, with a fixed signature and time.
pub(crate) fn commit(repo: &git2::Repository, reference: &str, files: &Path, message: &str) -> git2::Oid {
    let tree = write_tree(repo, files);
    let signature = git2::Signature::new("T", "t@example.org", &git2::Time::new(1_767_323_045, 0)).unwrap();
    let parent = repo.find_reference(reference).ok().and_then(|r| r.peel_to_commit().ok());
    let parents: Vec<_> = parent.iter().collect();
    let tree = repo.find_tree(tree).unwrap();
    repo.commit(Some(reference), &signature, &signature, message, &tree, &parents).unwrap()
}

/// Copies a folder with its links and modes.
pub(crate) fn copy_tree(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
        let (path, target) = (entry.path(), to.join(entry.file_name()));
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            copy_tree(&path, &target);
        } else if kind.is_symlink() {
            #[cfg(unix)]
            std::os::unix::fs::symlink(std::fs::read_link(&path).unwrap(), &target).unwrap();
        } else {
            std::fs::copy(&path, &target).unwrap();
        }
    }
}

fn write_tree(repo: &git2::Repository, folder: &Path) -> git2::Oid {
    let mut builder = repo.treebuilder(None).unwrap();
    for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let path = entry.path();
        let name = entry.file_name();
        let kind = entry.file_type().unwrap();
        let (oid, mode) = if kind.is_symlink() {
            let target = std::fs::read_link(&path).unwrap();
            (repo.blob(target.to_str().unwrap().as_bytes()).unwrap(), 0o120_000)
        } else if kind.is_dir() {
            (write_tree(repo, &path), 0o040_000)
        } else {
            let mode = if is_executable(&path) { 0o100_755 } else { 0o100_644 };
            (repo.blob(&std::fs::read(&path).unwrap()).unwrap(), mode)
        };
        builder.insert(&name, oid, mode).unwrap();
    }
    builder.write().unwrap()
}

fn is_executable(path: &Path) -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::metadata(path).unwrap().permissions().mode() & 0o100 != 0
    }
    #[cfg(not(unix))]
    {
        let _ = path;
        false
    }
}

fn walk(folder: &Path) -> Vec<(String, Vec<u8>, bool)> {
    let mut files = Vec::new();
    let mut stack = vec![folder.to_path_buf()];
    while let Some(at) = stack.pop() {
        for entry in std::fs::read_dir(at).unwrap().map(Result::unwrap) {
            let path = entry.path();
            if path.is_dir() {
                stack.push(path);
            } else {
                let name = path.strip_prefix(folder).unwrap().to_str().unwrap().replace('\\', "/");
                files.push((name, std::fs::read(&path).unwrap(), is_executable(&path)));
            }
        }
    }
    files.sort();
    files
}

/// See [`TestEnv::picture`].
pub(crate) fn picture(root: &Path) -> BTreeMap<String, String> {
    let mut out = BTreeMap::new();
    let mut stack = vec![root.to_path_buf()];
    while let Some(at) = stack.pop() {
        let Ok(entries) = std::fs::read_dir(&at) else { continue };
        for entry in entries.map(Result::unwrap) {
            let path = entry.path();
            let name = path.strip_prefix(root).unwrap().to_string_lossy().into_owned();
            let kind = entry.file_type().unwrap();
            let content = if kind.is_symlink() {
                format!("-> {}", std::fs::read_link(&path).unwrap().display())
            } else if kind.is_dir() {
                stack.push(path);
                "/".to_owned()
            } else {
                let mark = if is_executable(&path) { "x:" } else { "" };
                format!("{mark}{}", String::from_utf8_lossy(&std::fs::read(&path).unwrap()))
            };
            out.insert(name, content);
        }
    }
    out
}
