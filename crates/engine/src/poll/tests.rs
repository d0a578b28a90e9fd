use std::path::PathBuf;

use super::*;
use crate::fetch::testing::Bench;
use crate::workspace::{Workspace, WorkspaceOptions};
use ba_agent_test_support::Counting;

/// A project of which every look has a time of its own.
struct Watcher {
    bench: Bench,
    project: PathBuf,
    workspace: Workspace,
    poll: Poll,
    second: i64,
}

const SOUND: &str =
    "---\nname: NAME\ndescription: Does what it is asked to. Use it when that is wanted.\n---\n\n";

impl Watcher {
    fn new() -> Self {
        let bench = Bench::new();
        let project = bench.home.path().join("project");
        std::fs::create_dir_all(project.join(".claude/skills")).unwrap();
        let options = WorkspaceOptions { project: Some(project.clone()), ..WorkspaceOptions::default() };
        let workspace = Workspace::new(bench.env.clone(), options);
        Self { bench, project, workspace, poll: Poll::new(None), second: 0 }
    }

    fn write(&self, name: &str, text: &str) {
        let folder = self.project.join(".claude/skills").join(name);
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join(MANIFEST), text.replace("NAME", name)).unwrap();
    }

    fn record(&self, name: &str, digit: &str) {
        let digest = format!("sha256:{}", digit.repeat(64));
        let entry = serde_json::json!({
            "source": "./x", "kind": "local", "pin": {}, "targets": ["claude-code"], "mode": "link",
            "digest": digest, "files": {}, "installed_at": "2026-01-02T03:04:05Z",
        });
        let registry = serde_json::json!({ "schema_version": "1.1", "skills": { name: entry } });
        std::fs::create_dir_all(self.project.join("config")).unwrap();
        std::fs::write(self.project.join("config/skills_registry.json"), registry.to_string()).unwrap();
    }

    /// What a look tells, two seconds after the one before.
    fn look(&mut self) -> Vec<SkillEvent> {
        self.look_after(2)
    }

    fn look_after(&mut self, seconds: i64) -> Vec<SkillEvent> {
        self.second += seconds;
        let observer = Counting::default();
        let mut session = self.workspace.open_unrepaired(&observer).unwrap();
        session.env.now = Timestamp::from_second(1_767_323_045 + self.second).unwrap();
        self.poll.look(&session).unwrap()
    }

    fn told(&mut self) -> Vec<(&'static str, String)> {
        self.look().into_iter().map(|event| (event.event.name(), event.name)).collect()
    }

    fn names(&self) -> Vec<&str> {
        self.poll.skills().map(|skill| skill.qualified.as_str()).filter(|name| name.len() == 1).collect()
    }
}

fn one(kind: &'static str, name: &str) -> Vec<(&'static str, String)> {
    vec![(kind, name.to_owned())]
}

#[test]
fn each_event_is_told_once_and_what_was_there_at_first_not_at_all() {
    let mut watcher = Watcher::new();
    watcher.write("a", SOUND);
    assert_eq!(watcher.told(), []);
    assert_eq!(watcher.told(), []);
    watcher.write("b", SOUND);
    assert_eq!(watcher.told(), one("added", "b"));
    watcher.write("a", &format!("{SOUND}more"));
    assert_eq!(watcher.told(), one("changed", "a"));
    // The same bytes in another file are no change.
    let manifest = watcher.project.join(".claude/skills/a/SKILL.md");
    let bytes = std::fs::read(&manifest).unwrap();
    std::fs::write(manifest.with_extension("new"), bytes).unwrap();
    std::fs::rename(manifest.with_extension("new"), &manifest).unwrap();
    assert_eq!(watcher.told(), []);
    std::fs::remove_dir_all(watcher.project.join(".claude/skills/b")).unwrap();
    assert_eq!(watcher.told(), one("removed", "b"));
    assert_eq!(watcher.told(), []);
}

#[test]
fn a_broken_skill_stays_as_it_was_and_leaves_after_three_bad_versions() {
    let mut watcher = Watcher::new();
    watcher.write("a", SOUND);
    watcher.look();
    for bad in 1..=2 {
        watcher.write("a", &"no frontmatter ".repeat(bad));
        let events = watcher.look();
        assert_eq!((events.len(), events[0].event), (1, SkillEventKind::Broken), "{events:?}");
        assert!(events[0].fallback && !events[0].findings.is_empty(), "{events:?}");
        assert_eq!(watcher.told(), []);
        let kept: Vec<_> = watcher.poll.skills().filter(|skill| skill.name == "a").collect();
        assert!(kept[0].fallback && kept[0].facts.description.starts_with("Does what"));
    }
    watcher.write("a", "bad once more, the third time");
    assert_eq!(watcher.told(), one("removed", "a"));
    assert!(watcher.names().is_empty());
    watcher.write("a", "and a fourth time: nobody needs to know");
    assert_eq!(watcher.told(), []);
    watcher.write("a", SOUND);
    assert_eq!(watcher.told(), one("recovered", "a"));
    assert_eq!(watcher.names(), ["a"]);
    // It counts from the beginning again.
    watcher.write("a", "bad");
    assert_eq!(watcher.told(), one("broken", "a"));
    std::fs::remove_dir_all(watcher.project.join(".claude/skills/a")).unwrap();
    assert_eq!(watcher.told(), one("removed", "a"));
    watcher.write("c", "never good");
    assert_eq!(watcher.told(), one("broken", "c"));
    assert_eq!(watcher.told(), []);
    watcher.write("c", SOUND);
    assert_eq!(watcher.told(), one("added", "c"));
}

#[test]
fn a_change_names_the_recorded_state_before_it() {
    let mut watcher = Watcher::new();
    watcher.write("a", SOUND);
    watcher.record("a", "1");
    watcher.look();
    watcher.write("a", &format!("{SOUND}second"));
    watcher.record("a", "2");
    let events = watcher.look();
    let digest = |digit: &str| format!("sha256:{}", digit.repeat(64)).parse::<Digest>().unwrap();
    assert_eq!((events[0].event, events[0].digest.clone()), (SkillEventKind::Changed, Some(digest("2"))));
    assert_eq!(events[0].previous, Some(digest("1")));
}

#[test]
fn two_of_one_name_are_told_of() {
    let mut watcher = Watcher::new();
    watcher.write("a", SOUND);
    watcher.look();
    let users = watcher.bench.home.path().join(".claude/skills/a");
    let home = watcher.bench.env.home.clone().unwrap();
    let users = if users.starts_with(&home) { users } else { home.join(".claude/skills/a") };
    std::fs::create_dir_all(&users).unwrap();
    let other: String = (0..40).map(|line| format!("line {line} of the user's own\n")).collect();
    std::fs::write(users.join(MANIFEST), format!("{}{other}", SOUND.replace("NAME", "a"))).unwrap();
    let told = watcher.told();
    assert!(told.contains(&("conflict", "a".to_owned())), "{told:?}");
    assert!(told.contains(&("added", "project:a".to_owned())), "{told:?}");
    assert_eq!(watcher.told(), []);
}

/// Links in a circle, a pipe, a folder that is a file: a look ends, and the others are seen.
#[cfg(unix)]
#[test]
fn odd_folders_stop_no_look() {
    let mut watcher = Watcher::new();
    let skills = watcher.project.join(".claude/skills");
    std::os::unix::fs::symlink(".", skills.join("circle")).unwrap();
    std::os::unix::fs::symlink("gone", skills.join("nowhere")).unwrap();
    std::fs::write(skills.join("file"), "").unwrap();
    std::fs::create_dir_all(skills.join("piped")).unwrap();
    let made = std::process::Command::new("mkfifo").arg(skills.join("piped/SKILL.md")).status();
    assert!(made.is_ok());
    std::fs::create_dir_all(skills.join("nested/SKILL.md")).unwrap();
    watcher.write("a", SOUND);
    watcher.look();
    assert_eq!(watcher.names(), ["a"]);
    watcher.write("a", &format!("{SOUND}more"));
    assert_eq!(watcher.told(), one("changed", "a"));
}
