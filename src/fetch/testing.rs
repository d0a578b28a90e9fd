//! Test support for everything that fetches: a world of its own in a temporary folder,
//! and git repositories made by our own code with a fixed signature.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use git2::{ObjectType, Oid, Repository, Signature, Time};
use tempfile::TempDir;

use crate::cache::Cache;
use crate::env::Env;
use crate::fetch::http::Patience;
use crate::fetch::{Progress, World};
use crate::settings::Settings;

/// Surroundings that a [`World`] is made from.
pub(crate) struct Bench {
    pub(crate) home: TempDir,
    pub(crate) env: Env,
    pub(crate) settings: Settings,
    pub(crate) progress: Counting,
}

/// Counts how often something moved, and holds all fetches of the tests to sound totals.
#[derive(Default)]
pub(crate) struct Counting(pub(crate) AtomicU64);

impl Progress for Counting {
    fn begin(&self, _: &str) {}
    fn advance(&self, done: u64, total: Option<u64>) {
        assert!(total.is_none_or(|total| done <= total), "{done} of {total:?}");
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl Bench {
    pub(crate) fn new() -> Self {
        Self::with(&[])
    }

    /// A bench whose environment has these variables.
    pub(crate) fn with(variables: &[(&str, &str)]) -> Self {
        let home = tempfile::tempdir().unwrap();
        let env = Env::for_test(home.path(), variables);
        Self { home, env, settings: Settings::default(), progress: Counting::default() }
    }

    /// A world without pauses between tries.
    pub(crate) fn world(&self) -> World<'_> {
        self.world_with(Patience { pauses: [Duration::ZERO; 2], ..Patience::default() })
    }

    /// A world that gives a silent host up after two seconds.
    pub(crate) fn hasty_world(&self) -> World<'_> {
        let idle = Duration::from_secs(2);
        self.world_with(Patience { idle, pauses: [Duration::ZERO; 2], ..Patience::default() })
    }

    fn world_with(&self, patience: Patience) -> World<'_> {
        let mut world = self.world_of(false, None);
        world.git.net = world.git.net.with_patience(patience);
        world
    }

    /// A world that asks nobody.
    pub(crate) fn offline_world(&self, cache: Option<Cache>) -> World<'_> {
        self.world_of(true, cache)
    }

    /// A world with what was fetched before.
    pub(crate) fn cached_world(&self, cache: Option<Cache>) -> World<'_> {
        self.world_of(false, cache)
    }

    fn world_of(&self, offline: bool, cache: Option<Cache>) -> World<'_> {
        World::new(&self.env, &self.settings, self.home.path(), offline, &self.progress, cache)
    }

    /// Writes the user's `.gitconfig`.
    pub(crate) fn git_config(&self, text: &str) {
        std::fs::write(self.home.path().join(".gitconfig"), text).unwrap();
    }

    /// A bare repository at `home/srv/NAME`.
    pub(crate) fn repository(&self, name: &str) -> Repo {
        let path = self.served().join(name);
        let mut options = git2::RepositoryInitOptions::new();
        options.bare(true).mkpath(true).external_template(false).initial_head("main");
        Repo { repository: Repository::init_opts(&path, &options).unwrap(), path, clock: 1_700_000_000 }
    }

    /// The folder that servers serve.
    pub(crate) fn served(&self) -> PathBuf {
        self.home.path().join("srv")
    }

    /// What is left of staging: must be nothing after every fetch.
    pub(crate) fn leftovers(&self) -> usize {
        let tmp = self.env.cache_dir().unwrap().join("tmp");
        std::fs::read_dir(tmp).map_or(0, Iterator::count)
    }
}

/// A bare repository under a test's hands.
pub(crate) struct Repo {
    pub(crate) repository: Repository,
    pub(crate) path: PathBuf,
    clock: i64,
}

impl Repo {
    /// A repository that the test has made itself; `path` is its git folder.
    pub(crate) fn over(repository: Repository, path: PathBuf) -> Self {
        Self { repository, path, clock: 1_700_000_000 }
    }

    fn signature(&mut self) -> Signature<'static> {
        self.clock += 1;
        Signature::new("Test", "test@example.com", &Time::new(self.clock, 0)).unwrap()
    }

    pub(crate) fn blob(&self, bytes: &[u8]) -> Oid {
        self.repository.blob(bytes).unwrap()
    }

    /// A tree object of exactly these lines, in this order, sound or not.
    pub(crate) fn raw_tree(&self, lines: &[(&str, &[u8], Oid)]) -> Oid {
        let mut bytes = Vec::new();
        for (mode, name, id) in lines {
            bytes.extend_from_slice(mode.as_bytes());
            bytes.push(b' ');
            bytes.extend_from_slice(name);
            bytes.push(0);
            bytes.extend_from_slice(id.as_bytes());
        }
        self.write(ObjectType::Tree, &bytes)
    }

    /// An object of exactly these bytes, written past libgit2's checks.
    pub(crate) fn write(&self, kind: ObjectType, bytes: &[u8]) -> Oid {
        self.repository.odb().unwrap().write(kind, bytes).unwrap()
    }

    /// A tree of files, folders made as they are needed.
    pub(crate) fn tree(&self, files: &[(&str, &[u8])]) -> Oid {
        let empty = self.raw_tree(&[]);
        let base = self.repository.find_tree(empty).unwrap();
        let mut update = git2::build::TreeUpdateBuilder::new();
        for (path, bytes) in files {
            update.upsert(*path, self.blob(bytes), git2::FileMode::Blob);
        }
        update.create_updated(&self.repository, &base).unwrap()
    }

    /// A commit of `tree`; written raw, so that no check stands in the way.
    pub(crate) fn commit_tree(&mut self, tree: Oid, parents: &[Oid]) -> Oid {
        let time = self.signature().when().seconds();
        let mut text = format!("tree {tree}\n");
        for parent in parents {
            text.push_str(&format!("parent {parent}\n"));
        }
        let who = format!("Test <test@example.com> {time} +0000");
        text.push_str(&format!("author {who}\ncommitter {who}\n\ntest\n"));
        self.write(ObjectType::Commit, text.as_bytes())
    }

    /// A commit of these files on top of `parents`.
    pub(crate) fn commit(&mut self, files: &[(&str, &[u8])], parents: &[Oid]) -> Oid {
        let tree = self.tree(files);
        self.commit_tree(tree, parents)
    }

    /// Points a full ref name at an object, whatever was there.
    pub(crate) fn set(&self, name: &str, id: Oid) {
        write_ref(&self.path, name, id);
    }

    /// An annotated tag.
    pub(crate) fn annotate(&mut self, name: &str, commit: Oid) -> Oid {
        let who = self.signature();
        let object = self.repository.find_object(commit, None).unwrap();
        self.repository.tag(name, &object, &who, "a tag", true).unwrap()
    }

    /// `file:///…` of this repository.
    pub(crate) fn file_url(&self) -> String {
        format!("file://{}", self.path.display())
    }
}

/// A loose ref, written as a file: libgit2 refuses the names that tests need.
fn write_ref(repository: &Path, name: &str, id: Oid) {
    let file = repository.join(name);
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    std::fs::write(file, format!("{id}\n")).unwrap();
}
