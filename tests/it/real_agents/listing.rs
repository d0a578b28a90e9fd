//! What each agent tells its model of the skills that are there.

use serde_json::Value;

use super::stand_in::ModelStandIn;
use super::{RealAgent, write_skills};
use crate::env::TestEnv;

/// A skill in an agent's listing: its name, what is shown of its description, and where it lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Listed {
    pub(super) name: String,
    pub(super) shown: String,
    pub(super) path: String,
}

/// The skills that Codex would tell its model, by `codex debug prompt-input`.
pub(super) fn listed_by_codex(agent: &RealAgent<'_>) -> Vec<Listed> {
    let run = agent.run(&["debug", "prompt-input", "hi"]).ends(0);
    let input: Value = serde_json::from_str(&run.stdout).unwrap();
    let texts = input.as_array().unwrap().iter().filter_map(|item| item["content"].as_array());
    let texts = texts.flatten().filter_map(|content| content["text"].as_str());
    let text = texts.into_iter().find(|text| text.starts_with("<skills_instructions>")).unwrap();
    read_codex_listing(text)
}

fn read_codex_listing(text: &str) -> Vec<Listed> {
    let roots: Vec<(&str, &str)> = text
        .lines()
        .filter_map(|line| line.strip_prefix("- `")?.strip_suffix('`')?.split_once("` = `"))
        .collect();
    let (_, list) = text.split_once("### Available skills\n").unwrap();
    let lines = list.lines().take_while(|line| line.starts_with("- "));
    lines
        .map(|line| {
            let (front, file) = line[2..].strip_suffix(')').unwrap().rsplit_once("(file: ").unwrap();
            let (name, shown) = front.split_once(':').unwrap();
            let (root, rest) = file.split_once('/').unwrap();
            let path = match roots.iter().find(|(alias, _)| *alias == root) {
                Some((_, folder)) => format!("{folder}/{rest}"),
                None => file.to_owned(),
            };
            Listed { name: name.to_owned(), shown: shown.trim().to_owned(), path }
        })
        .collect()
}

/// The lines that Claude Code wrote under its heading into the request: name, description.
pub(super) fn listed_by_claude(model: &ModelStandIn) -> Vec<(String, String)> {
    const HEADING: &str = "The following skills are available for use with the Skill tool:\n\n";
    let texts = model.last_texts();
    let (_, list) =
        texts.iter().find_map(|text| text.split_once(HEADING)).expect("no listing in the request");
    let lines = list.lines().take_while(|line| line.starts_with("- "));
    lines
        .map(|line| {
            let (name, about) = line[2..].split_once(": ").unwrap_or((&line[2..], ""));
            (name.to_owned(), about.to_owned())
        })
        .collect()
}

/// The names of the skills that [`write_skills`] makes, as an agent that orders by name has them.
fn names_in_order(env: &TestEnv, below: &str) -> Vec<String> {
    let folders = std::fs::read_dir(env.path(below)).unwrap();
    let mut names: Vec<String> =
        folders.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort_unstable();
    names
}

/// What fits is listed whole, then shortened, then by name; then the end of the alphabet is left out.
#[test]
fn codex_lists_by_name_and_leaves_out_the_end() {
    for (count, longest) in [(12, 1_024), (66, 400), (300, 100), (2_068, 0)] {
        let env = TestEnv::new();
        let model = ModelStandIn::start(&env, &[]);
        let Some(codex) = RealAgent::codex(&env, &model) else { return };
        write_skills(&env, "project/.agents/skills", count);
        let listed = listed_by_codex(&codex);
        let ours: Vec<&Listed> = listed.iter().filter(|one| !one.path.contains("/.system/")).collect();
        assert_eq!(ours.len() < count, count == 2_068, "{count}: {}", ours.len());
        assert!(ours.iter().all(|one| one.shown.chars().count() <= longest), "{count}: {ours:#?}");
        let names: Vec<&str> = ours.iter().map(|one| one.name.as_str()).collect();
        assert_eq!(names, names_in_order(&env, "project/.agents/skills")[..names.len()]);
    }
}

/// Names stay, whole descriptions go.
#[test]
fn claude_code_lists_all_names_and_drops_descriptions() {
    for count in [12, 66, 300] {
        let env = TestEnv::new();
        let model = ModelStandIn::start(&env, &[]);
        let Some(claude) = RealAgent::claude_code(&env, &model) else { return };
        write_skills(&env, "home/.claude/skills", count);
        claude.set("SLASH_COMMAND_TOOL_CHAR_BUDGET", "15000").ask_claude("hi", &[]);
        let listed = listed_by_claude(&model);
        let names: Vec<&str> = listed.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names[..count], names_in_order(&env, "home/.claude/skills"));
        let whole = listed[..count].iter().filter(|(_, about)| !about.is_empty()).count();
        assert_eq!(whole == count, count == 12, "{whole} of {count}");
        assert!(whole > 0);
    }
}
