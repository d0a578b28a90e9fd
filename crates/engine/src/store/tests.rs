//! What holds for every change: it is whole or it is none, whatever fails or is killed, and
//! whatever the project says.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::journal::{Phase, Swap};
use super::*;
use crate::scope::Scope;
use ba_agent_core::agents::InstallTarget;
use ba_agent_core::digest::sha256_hex;
use ba_agent_core::listing::{FileEntry, Limits, Listing, Node};
use ba_agent_core::package::Package;
use ba_agent_core::path::RelPath;
use ba_agent_system::env::Env;

/// A picture of a folder for tests: path to content.
fn picture(root: &Path) -> BTreeMap<String, String> {
    let mut out = BTreeMap::new();
    for entry in walkdir::WalkDir::new(root).into_iter().map(|e| e.unwrap()) {
        let path = entry.path().strip_prefix(root).unwrap().to_string_lossy().into_owned();
        let content = if entry.path_is_symlink() {
            format!("-> {}", std::fs::read_link(entry.path()).unwrap().display())
        } else if entry.file_type().is_dir() {
            "/".to_owned()
        } else {
            String::from_utf8_lossy(&std::fs::read(entry.path()).unwrap()).into_owned()
        };
        out.insert(path, content);
    }
    out
}

fn tree(files: &[(&str, &str)]) -> Package {
    let entries = files.iter().enumerate().map(|(slot, (path, text))| FileEntry {
        path: RelPath::parse(path.as_bytes()).unwrap(),
        node: Node::File { executable: path.ends_with(".sh") },
        size: text.len() as u64,
        slot,
    });
    let listing = Listing::new(entries.collect());
    Package::in_memory(listing, files.iter().map(|(_, text)| text.as_bytes().to_vec()).collect())
}

fn store(project: &Path, data: &Path) -> Store {
    let scope = Scope::Project { root: project.to_path_buf() };
    let places = Arc::new(InstallDirs::new(&Env::isolated(data, &[]), &scope, None));
    let registry = project.join("config/skills_registry.json");
    Store::new(registry, StateDir::new(data, &scope), places, Duration::ZERO)
}

struct Place {
    dir: tempfile::TempDir,
    data: tempfile::TempDir,
    store: Store,
}

impl Place {
    fn new() -> Self {
        let (dir, data) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let store = store(dir.path(), data.path());
        Self { dir, data, store }
    }

    fn root(&self) -> PathBuf {
        self.store.places.root(&InstallTarget::default())
    }

    fn picture(&self) -> BTreeMap<String, String> {
        picture(self.dir.path())
    }

    /// Replaces `a`, adds `b`, links `c`, removes `old`; the registry gets `note`.
    fn change(&self, note: &str) -> Result<()> {
        let mut tx = self.store.begin(&|_| ())?;
        let root = self.root();
        let texts = tree(&[("SKILL.md", note), ("bin/run.sh", "x"), ("deep/er/f", "y")]);
        for name in ["a", "b"] {
            let at = tx.reserve(&root)?;
            let valid = Staged::write(texts.dir(&RelPath::ROOT), at, &Limits::default(), |_, _| Ok(()))?
                .validate(Ok(()))?;
            tx.put(root.join(name), &valid)?;
        }
        tx.link(&root, root.join("c"), Path::new("a"))?;
        if fsx::exists(&root.join("old")) {
            tx.remove(root.join("old"))?;
        }
        tx.commit(&noted(note), "test", Timestamp::UNIX_EPOCH)
    }
}

fn noted(note: &str) -> Registry {
    let text = format!(r#"{{"schema_version":"1.0","note":"{note}"}}"#);
    Registry::parse(&text, "test").unwrap()
}

#[test]
fn a_commit_swaps_everything_and_leaves_nothing_behind() {
    let place = Place::new();
    place.change("one").unwrap();
    let seen = place.picture();
    let expected = [
        "",
        ".claude",
        ".claude/skills",
        ".claude/skills/a",
        ".claude/skills/a/SKILL.md",
        ".claude/skills/a/bin",
        ".claude/skills/a/bin/run.sh",
        ".claude/skills/a/deep",
        ".claude/skills/a/deep/er",
        ".claude/skills/a/deep/er/f",
        ".claude/skills/b",
        ".claude/skills/b/SKILL.md",
        ".claude/skills/b/bin",
        ".claude/skills/b/bin/run.sh",
        ".claude/skills/b/deep",
        ".claude/skills/b/deep/er",
        ".claude/skills/b/deep/er/f",
        ".claude/skills/c",
        "config",
        "config/skills_registry.json",
    ];
    assert_eq!(seen.keys().map(String::as_str).collect::<Vec<_>>(), expected);
    assert_eq!(seen[".claude/skills/a/SKILL.md"], "one");
    assert_eq!(seen[".claude/skills/c"], "-> a");
}

#[test]
fn every_failing_step_leaves_the_old_state() {
    for fresh in [true, false] {
        let mut step = 0;
        loop {
            step += 1;
            let place = Place::new();
            if !fresh {
                place.change("one").unwrap();
                std::fs::create_dir_all(place.root().join("old")).unwrap();
            }
            let before = place.picture();
            fsx::fault::arm_thread(Some(step));
            let outcome = place.change("two");
            let left = fsx::fault::disarm_thread();
            let after = place.picture();
            if outcome.is_ok() {
                assert!(left.is_some_and(|left| left > 0) || after != before, "step {step}");
                assert!(step > 20, "only {step} steps were seen");
                break;
            }
            assert_eq!(after, before, "step {step}, fresh {fresh}");
        }
    }
}

#[test]
fn a_dead_command_is_repaired_whatever_it_had_done() {
    // The journal as it stands at the kill, and how many of its renames happened.
    for renames in 0..=5 {
        let place = Place::new();
        place.change("one").unwrap();
        std::fs::create_dir_all(place.root().join("old")).unwrap();
        let before = place.picture();
        let mut tx = place.store.begin(&|_| ()).unwrap();
        let root = place.root();
        let at = tx.reserve(&root).unwrap();
        let valid = Staged::write(
            tree(&[("SKILL.md", "two")]).dir(&RelPath::ROOT),
            at,
            &Limits::default(),
            |_, _| Ok(()),
        )
        .unwrap()
        .validate(Ok(()))
        .unwrap();
        tx.put(root.join("a"), &valid).unwrap();
        tx.remove(root.join("old")).unwrap();
        tx.journal.phase = Phase::Swapping;
        tx.journal.registry_before = Some("x".into());
        tx.journal.registry_after = "y".into();
        tx.journal.write(&place.store.workspace.journal_file()).unwrap();
        let swaps: Vec<_> = tx.journal.swaps.iter().map(|swap| tx.journal.paths(swap).unwrap()).collect();
        let mut done = 0;
        let mut step = |from: &Path, to: &Path| {
            if done < renames {
                std::fs::rename(from, to).unwrap();
            }
            done += 1;
        };
        step(&swaps[0].place, swaps[0].old.as_ref().unwrap());
        step(swaps[0].new.as_ref().unwrap(), &swaps[0].place);
        step(&swaps[1].place, swaps[1].old.as_ref().unwrap());
        tx.lock.take().unwrap().release();
        std::mem::forget(tx);
        assert_eq!(place.store.recover(), Recovery::Undone);
        assert_eq!(place.picture(), before, "{renames} renames");
        assert_eq!(place.store.recover(), Recovery::Clean);
    }
}

/// The registry is on the disk, and of the renames before it some are not.
#[test]
fn after_a_power_cut_the_swaps_that_the_disk_did_not_get_are_made_again() {
    for renames in 0..=3 {
        let place = Place::new();
        place.change("one").unwrap();
        std::fs::create_dir_all(place.root().join("old")).unwrap();
        let mut tx = place.store.begin(&|_| ()).unwrap();
        let root = place.root();
        let at = tx.reserve(&root).unwrap();
        std::fs::create_dir(&at).unwrap();
        std::fs::write(at.join("SKILL.md"), "two").unwrap();
        let number = at.file_name().unwrap().to_str().unwrap().parse().unwrap();
        let name = |text: &str| text.parse().unwrap();
        tx.journal.swaps.push(Swap { root: 0, name: name("a"), staged: Some(number), had: Some(90) });
        tx.journal.swaps.push(Swap { root: 0, name: name("old"), staged: None, had: Some(91) });
        tx.journal.phase = Phase::Swapping;
        tx.journal.boot = Some("before".into());
        tx.journal.registry_before = Some("x".into());
        tx.journal.registry_after = sha256_hex(&std::fs::read(place.store.registry_file()).unwrap());
        tx.journal.write(&place.store.workspace.journal_file()).unwrap();
        let staging = at.parent().unwrap();
        let steps = [
            (root.join("a"), staging.join("90")),
            (at.clone(), root.join("a")),
            (root.join("old"), staging.join("91")),
        ];
        steps.iter().take(renames).for_each(|(from, to)| std::fs::rename(from, to).unwrap());
        tx.lock.take().unwrap().release();
        std::mem::forget(tx);
        assert_eq!(place.store.recover(), Recovery::Finished, "{renames}");
        let seen = place.picture();
        assert_eq!(seen[".claude/skills/a/SKILL.md"], "two", "{renames}");
        assert!(!seen.contains_key(".claude/skills/old"), "{renames}");
        assert!(!seen.keys().any(|path| path.contains(STAGING_PREFIX)), "{seen:?}");
    }
}

/// It is flushed before anything that it speaks of is made.
#[test]
fn the_beginning_of_a_journal_speaks_of_nothing() {
    let place = Place::new();
    place.change("one").unwrap();
    let before = place.picture();
    let whole = Journal { staging: format!("{STAGING_PREFIX}0-1"), ..Journal::default() }.to_bytes();
    for end in 0..whole.len() {
        for zeros in [0, whole.len() - end, 4096] {
            let bytes = [&whole[..end], &vec![0; zeros]].concat();
            std::fs::write(place.store.workspace.journal_file(), bytes).unwrap();
            assert_eq!(place.store.recover(), Recovery::Undone, "{end} and {zeros} zeros");
            assert_eq!(place.store.recover(), Recovery::Clean);
        }
    }
    assert_eq!(place.picture(), before);
}

#[test]
fn a_dead_command_that_had_written_the_registry_is_finished() {
    let place = Place::new();
    place.change("one").unwrap();
    let after = place.picture();
    let mut tx = place.store.begin(&|_| ()).unwrap();
    tx.reserve(&place.root()).unwrap();
    tx.journal.phase = Phase::Swapping;
    tx.journal.registry_after = sha256_hex(after["config/skills_registry.json"].as_bytes());
    tx.journal.write(&place.store.workspace.journal_file()).unwrap();
    tx.lock.take().unwrap().release();
    std::mem::forget(tx);
    assert_eq!(place.store.recover(), Recovery::Finished);
    assert_eq!(place.picture(), after);
}

#[test]
fn a_damaged_registry_is_never_an_empty_one() {
    let place = Place::new();
    place.change("one").unwrap();
    for text in ["", "{", "[]", "{}", "\u{0}", r#"{"schema_version":"2.0"}"#, "<<<<<<< ours\n"] {
        std::fs::write(place.store.registry_file(), text).unwrap();
        assert!(place.store.begin(&|_| ()).is_err(), "{text:?}");
        assert_eq!(std::fs::read_to_string(place.store.registry_file()).unwrap(), text);
    }
}

/// A command that was killed while it swapped, in a project that is there no more as it was.
fn killed_while_swapping(place: &Place) {
    place.change("one").unwrap();
    let mut tx = place.store.begin(&|_| ()).unwrap();
    let root = place.root();
    tx.remove(root.join("a")).unwrap();
    tx.journal.phase = Phase::Swapping;
    tx.journal.registry_after = "y".into();
    tx.journal.write(&place.store.workspace.journal_file()).unwrap();
    tx.journal.paths(&tx.journal.swaps[0]).unwrap().make().unwrap();
    tx.lock.take().unwrap().release();
    std::mem::forget(tx);
}

#[cfg(unix)]
#[test]
fn what_moved_since_the_kill_is_not_touched() {
    let place = Place::new();
    killed_while_swapping(&place);
    let elsewhere = place.data.path().join("elsewhere");
    std::fs::rename(place.root(), &elsewhere).unwrap();
    std::os::unix::fs::symlink(&elsewhere, place.dir.path().join(".claude/skills")).unwrap();
    let before = (picture(&elsewhere), place.picture());
    let again = store(place.dir.path(), place.data.path());
    assert!(matches!(again.recover(), Recovery::Blocked(_)));
    assert!(again.begin(&|_| ()).is_err());
    assert_eq!((picture(&elsewhere), place.picture()), before);
    // Put back as it was, it is repaired.
    std::fs::remove_file(place.dir.path().join(".claude/skills")).unwrap();
    std::fs::rename(&elsewhere, place.dir.path().join(".claude/skills")).unwrap();
    let again = store(place.dir.path(), place.data.path());
    assert_eq!(again.recover(), Recovery::Undone);
    assert!(place.root().join("a/SKILL.md").exists());
}

#[test]
fn a_new_project_in_the_place_of_a_killed_ones_loses_nothing() {
    let place = Place::new();
    killed_while_swapping(&place);
    std::fs::remove_dir_all(place.dir.path()).unwrap();
    std::fs::create_dir_all(place.root().join("a")).unwrap();
    std::fs::write(place.root().join("a/SKILL.md"), "mine").unwrap();
    let before = place.picture();
    let again = store(place.dir.path(), place.data.path());
    assert_eq!(again.recover(), Recovery::Undone);
    assert_eq!(place.picture(), before);
}

#[cfg(unix)]
#[test]
fn a_staging_folder_that_became_a_link_is_not_gone_through() {
    let place = Place::new();
    killed_while_swapping(&place);
    let mut left = std::fs::read_dir(place.root()).unwrap().map(|entry| entry.unwrap().path());
    let staging = left.find(|path| path.to_string_lossy().contains(STAGING_PREFIX)).unwrap();
    let victim = place.data.path().join("victim");
    std::fs::rename(&staging, &victim).unwrap();
    std::os::unix::fs::symlink(&victim, &staging).unwrap();
    let before = picture(&victim);
    assert_eq!(place.store.recover(), Recovery::Undone);
    assert_eq!(picture(&victim), before);
}

#[test]
fn a_journal_of_nobody_is_refused_whatever_it_says() {
    let sound = r#"{"staging":".ba-agent-0-1","phase":"staging","registry":"/r","registry_before":null,
        "registry_after":"","made":0,"roots":[{"target":"claude-code","place":"/p","made":0}],
        "swaps":[{"root":0,"name":"a","staged":1,"had":null}],"history":null}"#;
    Journal::parse(sound.as_bytes()).unwrap();
    for (from, to) in [
        (".ba-agent-0-1", "../../x"),
        (".ba-agent-0-1", ".ba-agent-/../x"),
        (".ba-agent-0-1", ""),
        (r#""name":"a""#, r#""name":"../a""#),
        (r#""root":0"#, r#""root":1"#),
        (r#""staged":1"#, r#""staged":"/etc""#),
        (r#""made":0}"#, r#""made":-1}"#),
        (r#""history":null"#, r#""history":"../x""#),
        (r#""phase":"staging""#, r#""phase":"else""#),
        (r#""history":null"#, r#""history":null,"stagings":{"/home":"/home/me"}"#),
    ] {
        let text = sound.replace(from, to);
        assert!(text != sound && Journal::parse(text.as_bytes()).is_err(), "{text}");
    }
}

#[test]
fn what_lies_in_the_project_is_not_obeyed() {
    let place = Place::new();
    place.change("one").unwrap();
    let config = place.dir.path().join("config");
    for name in [".skills_registry.journal", ".skills_registry.lock", ".skills_registry.json.new"] {
        std::fs::write(config.join(name), "precious").unwrap();
    }
    let before = place.picture();
    assert_eq!(place.store.recover(), Recovery::Clean);
    drop(place.store.begin(&|_| ()).unwrap());
    assert_eq!(place.picture(), before);
}

/// Killed before its journal was one, a command has changed nothing; what it was writing goes.
#[test]
fn half_written_files_of_the_workspace_are_removed_in_silence() {
    let place = Place::new();
    place.change("one").unwrap();
    let before = place.picture();
    let folder = place.store.workspace.folder().to_path_buf();
    std::fs::create_dir_all(folder.join("history")).unwrap();
    let clean = picture(&folder);
    for name in [".journal.json.new", "history/.00000002.pending.new", "history/00000002.pending"] {
        std::fs::write(folder.join(name), "half").unwrap();
        assert_eq!(place.store.recover(), Recovery::Clean, "{name}");
        assert_eq!(picture(&folder), clean, "{name}");
    }
    assert_eq!(place.picture(), before);
}
