//! Which of several skills of one name an agent takes.

use serde_json::Value;

use super::listing::{Listed, listed_by_claude, listed_by_codex};
use super::stand_in::ModelStandIn;
use super::{RealAgent, find_agent, write_named};
use crate::env::TestEnv;

/// Folders that some agent reads.
const FOLDERS: [&str; 9] = [
    "home/.agents/skills",
    "home/.claude/skills",
    "home/.codex/skills",
    "home/.gemini/skills",
    "home/.config/opencode/skills",
    "project/.agents/skills",
    "project/.claude/skills",
    "project/.gemini/skills",
    "project/.opencode/skills",
];

/// A world in which each of these folders has a skill `same`, and one of its own.
fn crowded() -> TestEnv {
    let env = TestEnv::new();
    for (at, folder) in FOLDERS.iter().enumerate() {
        write_named(&env, folder, "same");
        write_named(&env, folder, &format!("own-{at}"));
    }
    env
}

/// The folders, in the order of [`FOLDERS`], that lead to these paths of skills.
fn folders_of(env: &TestEnv, paths: &[String], name: &str) -> Vec<&'static str> {
    let leads = |folder: &&str| {
        let file = env.path(folder).join(name).join("SKILL.md").display().to_string();
        paths.contains(&file)
    };
    FOLDERS.into_iter().filter(leads).collect()
}

#[test]
fn codex_lists_all_of_one_name() {
    let env = crowded();
    let model = ModelStandIn::start(&env, &[]);
    let Some(codex) = RealAgent::codex(&env, &model) else { return };
    let listed = listed_by_codex(&codex);
    let paths: Vec<String> =
        listed.iter().filter(|one| one.name == "same").map(|one| one.path.clone()).collect();
    assert_eq!(
        folders_of(&env, &paths, "same"),
        ["home/.agents/skills", "home/.codex/skills", "project/.agents/skills"]
    );
}

/// The skills that `gemini skills list` shows, and what it says of conflicts.
pub(super) fn listed_by_gemini(gemini: &RealAgent<'_>) -> (Vec<Listed>, String) {
    let run = gemini.run(&["skills", "list"]).ends(0);
    let mut listed: Vec<Listed> = Vec::new();
    for line in run.stdout.lines() {
        let name = line.strip_suffix(" [Enabled]").or(line.strip_suffix(" [Disabled]"));
        if let Some(name) = name {
            listed.push(Listed { name: name.to_owned(), shown: line.to_owned(), path: String::new() });
        } else if listed.last().is_some_and(|one| one.shown.ends_with(" [Disabled]")) {
            continue;
        } else if let Some(shown) = line.trim().strip_prefix("Description:") {
            listed.last_mut().unwrap().shown = shown.trim().to_owned();
        } else if let Some(place) = line.trim().strip_prefix("Location:") {
            listed.last_mut().unwrap().path = place.trim().to_owned();
        }
    }
    listed.retain(|one| !one.shown.ends_with(" [Disabled]"));
    (listed, run.stderr)
}

#[test]
fn gemini_takes_the_workspace_first_and_says_so() {
    let env = crowded();
    let model = ModelStandIn::start(&env, &[]);
    let Some(gemini) = RealAgent::gemini(&env, &model) else { return };
    let (listed, said) = listed_by_gemini(&gemini);
    let paths: Vec<String> = listed.iter().map(|one| one.path.clone()).collect();
    assert_eq!(folders_of(&env, &paths, "same"), ["project/.agents/skills"]);
    assert_eq!(said.matches("Skill conflict detected: \"same\"").count(), 3, "{said}");
}

/// The skills of `opencode debug skill`.
pub(super) fn listed_by_opencode(opencode: &RealAgent<'_>) -> Vec<Listed> {
    let run = opencode.run(&["debug", "skill"]).ends(0);
    let skills: Vec<Value> = serde_json::from_str(&run.stdout).unwrap();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let read = |skill: &Value| Listed {
        name: text(&skill["name"]),
        shown: text(&skill["description"]),
        path: text(&skill["location"]),
    };
    skills.iter().map(read).collect()
}

/// Its folders are read at once, and the last one that ends wins: which it is changes from run to run.
#[test]
fn opencode_takes_one_of_all_folders() {
    let env = crowded();
    let Some(opencode) = find_agent(&env, "opencode") else { return };
    let listed = listed_by_opencode(&opencode);
    let own: Vec<&str> = FOLDERS
        .iter()
        .enumerate()
        .filter(|(at, _)| listed.iter().any(|one| one.name == format!("own-{at}")))
        .map(|(_, folder)| *folder)
        .collect();
    assert_eq!(
        own,
        [
            "home/.agents/skills",
            "home/.claude/skills",
            "home/.config/opencode/skills",
            "project/.agents/skills",
            "project/.claude/skills",
            "project/.opencode/skills"
        ]
    );
    assert_eq!(listed.iter().filter(|one| one.name == "same").count(), 1);
}

#[test]
fn claude_code_takes_the_users() {
    let env = crowded();
    let model = ModelStandIn::start(&env, &[]);
    let Some(claude) = RealAgent::claude_code(&env, &model) else { return };
    let events = claude.ask_claude("hi", &[]);
    let skills: Vec<&str> =
        events[0]["skills"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    for (name, is_there) in
        [("own-0", false), ("own-1", true), ("own-5", false), ("own-6", true), ("same", true)]
    {
        assert_eq!(skills.contains(&name), is_there, "{name}: {skills:?}");
    }
    let listed = listed_by_claude(&model);
    let same: Vec<&str> =
        listed.iter().filter(|(name, _)| name == "same").map(|(_, about)| about.as_str()).collect();
    assert_eq!(same, ["The one of home/.claude/skills."]);
}
