//! Every mutation of an installed skill is found, and a clean one is never accused.

use std::collections::BTreeSet;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use super::*;
use crate::scope::Scope;
use crate::settings::Settings;
use crate::workspace::WorkspaceOptions;
use ba_agent_core::digest::sha256_hex;
use ba_agent_system::env::Env;
use ba_agent_test_support::Counting;

/// At least so many mutations are made, of every sort the same number.
const MUTATIONS: usize = 600;

/// The files of each skill: mode and bytes by path; for links the target.
const FILES: [(&str, &str, &[u8]); 6] = [
    ("SKILL.md", "100644", b"---\nname: x\n---\ntext\n"),
    ("bin/run", "100755", b"#!/bin/sh\n"),
    ("bin/data", "100644", &[0, 1, 2, 255]),
    ("empty", "100644", b""),
    ("deep/er/note.md", "100644", b"note\r\n"),
    ("CLAUDE.md", "120000", b"SKILL.md"),
];

/// One root with files, one with links to them, one skill with copies in both.
struct World {
    dir: tempfile::TempDir,
    registry: Registry,
}

fn write(folder: &Path) {
    for (path, mode, bytes) in FILES {
        let at = folder.join(path);
        std::fs::create_dir_all(at.parent().unwrap()).unwrap();
        if mode == "120000" {
            symlink(std::str::from_utf8(bytes).unwrap(), &at).unwrap();
        } else {
            std::fs::write(&at, bytes).unwrap();
            let bits = if mode == "100755" { 0o755 } else { 0o644 };
            std::fs::set_permissions(&at, std::fs::Permissions::from_mode(bits)).unwrap();
        }
    }
}

impl World {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let base = dir.path();
        write(&base.join("one/linked"));
        std::fs::create_dir(base.join("two")).unwrap();
        symlink("../one/linked", base.join("two/linked")).unwrap();
        write(&base.join("one/copied"));
        write(&base.join("two/copied"));
        write(&base.join("author"));
        for root in ["one", "two"] {
            symlink(base.join("author"), base.join(root).join("live")).unwrap();
        }
        let mut registry = Registry::default();
        for (name, mode) in [("linked", "link"), ("copied", "copy"), ("live", "live")] {
            registry.skills.insert(name.parse().unwrap(), entry(mode));
        }
        Self { dir, registry }
    }

    fn base(&self) -> PathBuf {
        self.dir.path().canonicalize().unwrap()
    }

    /// Every fault of every skill, as `skill: what path`.
    fn faults(&self) -> BTreeSet<String> {
        let workspace = Workspace::new(Env::isolated(self.dir.path(), &[]), WorkspaceOptions::default());
        let scope = Scope::Project { root: self.base() };
        let observer = Counting::default();
        let session = workspace.open_with(scope, Settings::default(), &observer).unwrap();
        let names: Vec<SkillName> = self.registry.skills.keys().cloned().collect();
        let verified = verify_skills(&names, &self.registry, &session).unwrap();
        let told = verified.iter().flat_map(|one| one.faults.iter().map(move |f| (one, f)));
        told.map(|(one, f)| format!("{}: {} {}", one.name, f.what.word(), f.path)).collect()
    }
}

/// The record of what [`write`] writes, hashed from the bytes and not from the disk.
fn entry(mode: &str) -> LockEntry {
    let files: Files = FILES
        .iter()
        .map(|(path, mode, b)| ((*path).to_owned(), format!("{mode} {}", sha256_hex(b))))
        .collect();
    let digest = digest::digest_of_files(&files);
    serde_json::from_value(serde_json::json!({
        "source": "./author", "kind": "local", "pin": {}, "digest": digest, "files": files,
        "targets": ["./one", "./two"], "mode": mode, "installed_at": "2026-01-02T03:04:05Z",
    }))
    .unwrap()
}

/// Small numbers that look random and are the same in every run (xorshift, Marsaglia 2003).
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % n as u64).unwrap()
    }
}

/// Makes one mutation of the `sort`-th sort and says what `verify` must say, and how to undo it.
fn mutate(base: &Path, sort: usize, dice: &mut Dice) -> (String, Box<dyn FnOnce()>) {
    let (skill, root) = [("linked", "one"), ("copied", "one"), ("copied", "two")][dice.below(3)];
    let folder = base.join(root).join(skill);
    let files: Vec<_> = FILES.iter().filter(|(_, mode, _)| *mode != "120000").collect();
    let (path, mode, bytes) = *files[dice.below(files.len())];
    let at = folder.join(path);
    let told = |what: &str, path: &str| format!("{skill}: {what} {root}/{skill}/{path}");
    let restore = {
        let folder = folder.clone();
        move || {
            let _ = std::fs::remove_dir_all(&folder).or_else(|_| std::fs::remove_file(&folder));
            write(&folder);
        }
    };
    let told = match sort {
        0 => {
            let mut other = bytes.to_vec();
            if other.is_empty() {
                other.push(0);
            } else {
                let n = dice.below(other.len());
                other[n] ^= 1 << dice.below(8);
            }
            std::fs::write(&at, other).unwrap();
            told("changed", path)
        }
        1 => {
            let bits = if mode == "100755" { 0o644 } else { 0o755 };
            std::fs::set_permissions(&at, std::fs::Permissions::from_mode(bits)).unwrap();
            told("mode changed", path)
        }
        2 => {
            let name = format!("{}extra-{}", ["", "bin/", "new/deep/"][dice.below(3)], dice.below(1000));
            std::fs::create_dir_all(folder.join(&name).parent().unwrap()).unwrap();
            std::fs::write(folder.join(&name), "").unwrap();
            told("added", &name)
        }
        3 => {
            std::fs::remove_file(&at).unwrap();
            told("missing", path)
        }
        4 => {
            // The link leads to another file, also to one of the same bytes outside.
            let outside = base.join("author/SKILL.md");
            let to = [Path::new("empty"), Path::new("nowhere"), &outside][dice.below(3)];
            std::fs::remove_file(folder.join("CLAUDE.md")).unwrap();
            symlink(to, folder.join("CLAUDE.md")).unwrap();
            told("changed", "CLAUDE.md")
        }
        5 => {
            // A file gives way to a link that reads the same.
            std::fs::remove_file(&at).unwrap();
            symlink(base.join("author").join(path), &at).unwrap();
            told("changed", path)
        }
        6 => {
            std::fs::remove_dir_all(&folder).unwrap();
            symlink(base.join("author"), &folder).unwrap();
            format!("{skill}: changed {root}/{skill}")
        }
        _ => {
            std::fs::remove_dir_all(&folder).unwrap();
            format!("{skill}: missing {root}/{skill}")
        }
    };
    (told, Box::new(restore))
}

/// The same for the links of further targets and of live skills.
fn mutate_link(base: &Path, dice: &mut Dice) -> (String, Box<dyn FnOnce()>) {
    let (skill, root, good) = [
        ("linked", "two", PathBuf::from("../one/linked")),
        ("live", "one", base.join("author")),
        ("live", "two", base.join("author")),
    ][dice.below(3)]
    .clone();
    let at = base.join(root).join(skill);
    std::fs::remove_file(&at).unwrap();
    let word = match dice.below(4) {
        0 => {
            symlink("../one/copied", &at).unwrap();
            "wrong link"
        }
        1 => {
            symlink("nowhere", &at).unwrap();
            "wrong link"
        }
        2 => {
            write(&at);
            "changed"
        }
        _ => "missing",
    };
    let told = format!("{skill}: {word} {root}/{skill}");
    let restore = move || {
        let _ = std::fs::remove_file(&at).or_else(|_| std::fs::remove_dir_all(&at));
        symlink(good, &at).unwrap();
    };
    (told, Box::new(restore))
}

#[test]
fn every_mutation_is_found_and_nothing_else() {
    let world = World::new();
    let base = world.base();
    let mut dice = Dice(0x2026);
    let mut made = 0;
    for n in 0..MUTATIONS {
        assert_eq!(world.faults(), BTreeSet::new(), "clean before mutation {n}");
        let (told, restore) =
            if n % 9 == 8 { mutate_link(&base, &mut dice) } else { mutate(&base, n % 9, &mut dice) };
        assert_eq!(world.faults(), BTreeSet::from([told]), "mutation {n}");
        restore();
        made += 1;
    }
    assert!(made >= 500);
    assert_eq!(world.faults(), BTreeSet::new());
}

#[test]
fn litter_and_empty_folders_are_no_drift() {
    let world = World::new();
    let folder = world.base().join("one/copied");
    std::fs::create_dir_all(folder.join("bin/__pycache__")).unwrap();
    std::fs::write(folder.join("bin/__pycache__/run.pyc"), "x").unwrap();
    std::fs::write(folder.join(".DS_Store"), "x").unwrap();
    std::fs::create_dir(folder.join("nothing")).unwrap();
    assert_eq!(world.faults(), BTreeSet::new());
}

#[test]
fn a_registry_that_contradicts_itself_is_found() {
    let mut world = World::new();
    let entry = world.registry.skills.get_mut(&"copied".parse().unwrap()).unwrap();
    let mut lines = Files::clone(&entry.files);
    lines.insert("SKILL.md".to_owned(), format!("100644 {}", sha256_hex(b"evil")));
    entry.files = lines.into();
    for root in ["one", "two"] {
        std::fs::write(world.base().join(root).join("copied/SKILL.md"), "evil").unwrap();
    }
    assert_eq!(world.faults(), BTreeSet::from(["copied: wrong record registry: copied".to_owned()]));
}

#[test]
fn a_live_link_must_lead_to_a_skill() {
    let world = World::new();
    std::fs::write(world.base().join("author/SKILL.md"), "the author goes on").unwrap();
    assert_eq!(world.faults(), BTreeSet::new());
    std::fs::remove_file(world.base().join("author/SKILL.md")).unwrap();
    let both = ["live: wrong link one/live", "live: wrong link two/live"];
    assert_eq!(world.faults(), both.map(str::to_owned).into());
}

#[test]
fn a_link_that_is_spelled_otherwise_but_leads_there_is_right() {
    let world = World::new();
    let at = world.base().join("two/linked");
    std::fs::remove_file(&at).unwrap();
    symlink(world.base().join("one/linked"), &at).unwrap();
    assert_eq!(world.faults(), BTreeSet::new());
}
