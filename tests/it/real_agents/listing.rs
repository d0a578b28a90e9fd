//! What each agent tells its model of the skills that are there.

use serde_json::Value;

use super::stand_in::ModelStandIn;
use super::{RealAgent, find_agent, write_skills};
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
            let (name, shown) = front.split_once(": ").or(front.split_once(':')).unwrap();
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

/// What this program says that the agent tells its model.
pub(super) fn listed_by_us(env: &TestEnv, agent: &str, budget: Option<&str>) -> Vec<Listed> {
    let budget: Vec<&str> = budget.into_iter().flat_map(|chars| ["--budget", chars]).collect();
    let words = [&["skill", "context", "--for", agent, "--json"], &budget[..]].concat();
    let output = env.command(&words).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let skills = report["skills"].as_array().unwrap().iter();
    skills
        .map(|skill| Listed {
            name: text(&skill["qualified"]),
            shown: text(&skill["shown"]),
            path: env.project().join(skill["path"].as_str().unwrap()).display().to_string(),
        })
        .collect()
}

/// Where two lists first differ, to be read by a person.
#[track_caller]
pub(super) fn assert_same<T: PartialEq + std::fmt::Debug>(theirs: &[T], ours: &[T], what: &str) {
    if let Some(at) = (0..theirs.len().max(ours.len())).find(|at| theirs.get(*at) != ours.get(*at)) {
        let (theirs_at, ours_at) = (theirs.get(at), ours.get(at));
        panic!(
            "{what}: {} in the agent, {} in ours; number {at} differs:\n{theirs_at:#?}\n{ours_at:#?}",
            theirs.len(),
            ours.len()
        );
    }
}

/// What fits is listed whole, then shortened, then by name; then the end of the alphabet is left out.
#[test]
fn codex_is_told_what_we_say() {
    for (count, longest) in [(12, 1_024), (66, 1_024), (300, 200), (2_068, 0)] {
        let env = TestEnv::new();
        let Some(codex) = find_agent(&env, "codex") else { return };
        write_skills(&env, "project/.agents/skills", count);
        // Four of them are part of the program.
        let listed = listed_by_codex(&codex);
        assert_eq!(listed.len() < count, count == 2_068, "{count}: {}", listed.len());
        assert!(listed.iter().all(|one| one.shown.chars().count() <= longest), "{count}: {listed:#?}");
        let place =
            |listed: Vec<Listed>| listed.into_iter().map(|one| (one.name, one.path)).collect::<Vec<_>>();
        let ours = listed_by_us(&env, "codex", None);
        assert_same(&place(listed), &place(ours), &format!("{count} skills"));
    }
}

/// Names stay, whole descriptions go: those that do not fit any more into what the list has left.
#[test]
fn claude_code_is_told_what_we_say() {
    for (count, budget) in [(12, "15000"), (66, "15000"), (300, "15000"), (300, "40000")] {
        let env = TestEnv::new();
        let model = ModelStandIn::start(&env, &[]);
        let Some(claude) = RealAgent::claude_code(&env, &model) else { return };
        write_skills(&env, "home/.claude/skills", count);
        claude.set("SLASH_COMMAND_TOOL_CHAR_BUDGET", budget).ask_claude("hi", &[]);
        // Behind them are those that are part of the program.
        let listed = &listed_by_claude(&model)[..count];
        let whole = listed.iter().filter(|(_, about)| !about.is_empty()).count();
        assert_eq!(whole == count, count == 12, "{whole} of {count}");
        let ours = listed_by_us(&env, "claude-code", Some(budget));
        let ours: Vec<(String, String)> = ours.into_iter().map(|one| (one.name, one.shown)).collect();
        assert_same(listed, &ours, &format!("{count} skills in {budget}"));
    }
}

#[test]
fn xml_is_what_agentskills_renders() {
    let env = TestEnv::new();
    let Some(agentskills) = find_agent(&env, "agentskills") else { return };
    write_skills(&env, "project/.claude/skills", 12);
    let names = names_in_order(&env, "project/.claude/skills");
    let folders: Vec<String> = names
        .iter()
        .map(|name| env.path("project/.claude/skills").join(name).display().to_string())
        .collect();
    let args: Vec<&str> = std::iter::once("to-prompt").chain(folders.iter().map(String::as_str)).collect();
    let theirs = agentskills.run(&args).ends(0).stdout;
    let words = ["skill", "context", "--format", "xml", "--budget", "1000000"];
    let ours = env.command(&words).output().unwrap();
    // Behind them are those that are part of this program.
    let ours = String::from_utf8_lossy(&ours.stdout).into_owned();
    let lines = |text: &str, end: usize| text.split('\n').take(end).map(str::to_owned).collect::<Vec<_>>();
    let end = theirs.split('\n').position(|line| line == "</available_skills>").unwrap();
    assert_same(&lines(&theirs, end), &lines(&ours, end), "lines");
    assert!(ours.trim_end().ends_with("</available_skills>"), "{ours}");
}
