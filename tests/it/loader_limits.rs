//! What may stand in a folder of skills and is none, or too much: the others are listed, the finding
//! names it, and memory stays bounded.
#![cfg(target_os = "linux")]

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::symlink;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::dice::times;
use crate::env::TestEnv;
use crate::hostile_project::peak_memory;

/// The most memory that a command may have, whatever stands in a folder.
const MOST_MEMORY: u64 = 128 << 20;

fn write_skill(env: &TestEnv, name: &str) {
    let text =
        format!("---\nname: {name}\ndescription: Does what {name} says. Use it for that.\n---\n\nBody.\n");
    env.write(&format!("project/.claude/skills/{name}/SKILL.md"), text);
}

/// What a command prints, and the most memory that it was seen with.
fn run_measured(env: &TestEnv, words: &[&str]) -> (Value, u64) {
    let printed = std::fs::File::create(env.path("printed")).unwrap();
    let said = std::fs::File::create(env.path("said")).unwrap();
    let mut command = env.command(words);
    let mut child = command.stdin(Stdio::null()).stdout(printed).stderr(said).spawn().unwrap();
    let mut memory = 0;
    let status = loop {
        memory = memory.max(peak_memory(child.id()));
        match child.try_wait().unwrap() {
            Some(status) => break status,
            None => std::thread::sleep(Duration::from_millis(1)),
        }
    };
    assert!(status.success(), "{words:?}: {}", std::fs::read_to_string(env.path("said")).unwrap());
    (serde_json::from_slice(&std::fs::read(env.path("printed")).unwrap()).unwrap(), memory)
}

fn names(report: &Value, list: &str) -> Vec<String> {
    let list = report[list].as_array().unwrap().iter();
    list.map(|one| one["name"].as_str().unwrap().to_owned())
        .filter(|name| !name.starts_with("skill-"))
        .collect()
}

/// Everything odd that a folder can hold, beside two skills.
fn odd_folder(env: &TestEnv) {
    let skills = env.path("project/.claude/skills");
    write_skill(env, "first");
    write_skill(env, "second");
    // A gap in it, so that the disk has none of its 100 MB.
    let large = skills.join("large");
    std::fs::create_dir(&large).unwrap();
    std::fs::File::create(large.join("SKILL.md")).unwrap().set_len(100 << 20).unwrap();
    let pipe = skills.join("pipe");
    std::fs::create_dir(&pipe).unwrap();
    assert!(Command::new("mkfifo").arg(pipe.join("SKILL.md")).status().unwrap().success());
    let endless = skills.join("endless");
    std::fs::create_dir(&endless).unwrap();
    symlink(&endless, endless.join("again")).unwrap();
    symlink("SKILL.md", endless.join("SKILL.md")).unwrap();
    symlink("loop", skills.join("loop")).unwrap();
    symlink(".", skills.join("here")).unwrap();
    symlink("/nowhere/at/all", skills.join("dangling")).unwrap();
    std::fs::create_dir_all(skills.join("folder/SKILL.md")).unwrap();
    env.write("project/.claude/skills/file", "no folder");
    let odd_name = OsStr::from_bytes(b"not-\xff-utf8");
    std::fs::create_dir(skills.join(odd_name)).unwrap();
    let text = "---\nname: odd\ndescription: In a folder whose name is not UTF-8.\n---\n\nBody.\n";
    std::fs::write(skills.join(odd_name).join("SKILL.md"), text).unwrap();
    env.write(
        "project/.claude/skills/bytes/SKILL.md",
        b"---\nname: bytes\ndescription: \xff\xfe\n---\n\nBody.\n",
    );
    env.write("project/.claude/skills/zeros/SKILL.md", [0_u8; 4_096]);
}

#[test]
fn what_is_no_skill_stops_no_other_and_is_named() {
    let env = TestEnv::new();
    odd_folder(&env);
    for agent in [None, Some("claude-code"), Some("cursor")] {
        let words = ["skill", "context", "--json"];
        let more = agent.map(|agent| vec!["--for", agent]).unwrap_or_default();
        let (report, memory) = run_measured(&env, &[&words[..], &more[..]].concat());
        let listed = names(&report, "skills");
        for name in ["first", "second"] {
            assert!(listed.contains(&name.to_owned()), "{agent:?} {name}: {listed:?}");
        }
        let told = report["findings"].as_array().unwrap().iter();
        let told: Vec<&str> = told.map(|one| one["path"].as_str().unwrap()).collect();
        for path in ["large/SKILL.md", "pipe/SKILL.md", "endless/SKILL.md"] {
            assert!(told.iter().any(|one| one.ends_with(path)), "{agent:?} {path}: {told:?}");
        }
        assert!(memory < MOST_MEMORY, "{agent:?}: {memory} bytes");
    }
    // The folder itself is none.
    let env = TestEnv::new();
    env.write("home/.claude/skills", "a file");
    write_skill(&env, "first");
    let (report, _) = run_measured(&env, &["skill", "context", "--json"]);
    assert!(names(&report, "skills").contains(&"first".to_owned()), "{report}");
    assert!(report["findings"].to_string().contains("home/.claude/skills"), "{report}");
}

/// Each command that reads every skill, with ten thousand of them (in the short form a tenth).
#[test]
fn ten_thousand_skills_are_read_in_bounded_memory() {
    let env = TestEnv::new();
    let count = times(1_000, 10_000);
    for at in 0..count {
        write_skill(&env, &format!("many-{at:05}"));
    }
    for words in [
        &["skill", "context", "--json"][..],
        &["skill", "context", "--for", "claude-code", "--json"],
        &["skill", "recommend", "many 00042", "--json"],
    ] {
        let (report, memory) = run_measured(&env, words);
        assert!(memory < MOST_MEMORY, "{words:?}: {memory} bytes");
        if words[1] == "context" {
            let (listed, omitted) = (names(&report, "skills").len(), names(&report, "omitted").len());
            assert_eq!(listed + omitted, count, "{words:?}");
        }
    }
}
