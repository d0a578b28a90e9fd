//! Git repositories made by our own code with a fixed signature.

use std::path::{Path, PathBuf};

use git2::{ObjectType, Oid, Repository, Signature, Time};

/// A bare repository under a test's hands.
pub struct Repo {
    pub repository: Repository,
    pub path: PathBuf,
    clock: i64,
}

impl Repo {
    /// A repository that the test has made itself; `path` is its git folder.
    pub fn over(repository: Repository, path: PathBuf) -> Self {
        Self { repository, path, clock: 1_700_000_000 }
    }

    /// A new bare repository at `path`.
    pub fn create(path: PathBuf) -> Self {
        let mut options = git2::RepositoryInitOptions::new();
        options.bare(true).mkpath(true).external_template(false).initial_head("main");
        Self::over(Repository::init_opts(&path, &options).unwrap(), path)
    }

    fn signature(&mut self) -> Signature<'static> {
        self.clock += 1;
        Signature::new("Test", "test@example.com", &Time::new(self.clock, 0)).unwrap()
    }

    pub fn blob(&self, bytes: &[u8]) -> Oid {
        self.repository.blob(bytes).unwrap()
    }

    /// A tree object of exactly these lines, in this order, sound or not.
    pub fn raw_tree(&self, lines: &[(&str, &[u8], Oid)]) -> Oid {
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
    pub fn write(&self, kind: ObjectType, bytes: &[u8]) -> Oid {
        self.repository.odb().unwrap().write(kind, bytes).unwrap()
    }

    /// A tree of files, folders made as they are needed.
    pub fn tree(&self, files: &[(&str, &[u8])]) -> Oid {
        let empty = self.raw_tree(&[]);
        let base = self.repository.find_tree(empty).unwrap();
        let mut update = git2::build::TreeUpdateBuilder::new();
        for (path, bytes) in files {
            update.upsert(*path, self.blob(bytes), git2::FileMode::Blob);
        }
        update.create_updated(&self.repository, &base).unwrap()
    }

    /// A commit of `tree`; written raw, so that no check stands in the way.
    pub fn commit_tree(&mut self, tree: Oid, parents: &[Oid]) -> Oid {
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
    pub fn commit(&mut self, files: &[(&str, &[u8])], parents: &[Oid]) -> Oid {
        let tree = self.tree(files);
        self.commit_tree(tree, parents)
    }

    /// Points a full ref name at an object, whatever was there.
    pub fn set(&self, name: &str, id: Oid) {
        write_ref(&self.path, name, id);
    }

    /// An annotated tag.
    pub fn annotate(&mut self, name: &str, commit: Oid) -> Oid {
        let who = self.signature();
        let object = self.repository.find_object(commit, None).unwrap();
        self.repository.tag(name, &object, &who, "a tag", true).unwrap()
    }

    /// `file:///…` of this repository.
    pub fn file_url(&self) -> String {
        format!("file://{}", self.path.display())
    }
}

/// A loose ref, written as a file: libgit2 refuses the names that tests need.
fn write_ref(repository: &Path, name: &str, id: Oid) {
    let file = repository.join(name);
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    std::fs::write(file, format!("{id}\n")).unwrap();
}
