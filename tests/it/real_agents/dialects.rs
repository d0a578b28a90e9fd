//! Manifests that agents read in their own ways: which of them each lists, under which name and
//! with which description.

use serde_json::Value;

use super::listing::{Listed, listed_by_claude, listed_by_codex};
use super::precedence::{listed_by_gemini, listed_by_opencode};
use super::stand_in::ModelStandIn;
use super::{RealAgent, find_agent};
use crate::env::TestEnv;

/// Folders, and what the manifest in each holds. The first is a name that no agent brings.
const ODD: [(&str, &str); 34] = [
    ("odd-plain", "---\nname: odd-plain\ndescription: Plain one.\n---\n\nBody.\n"),
    ("odd-named", "---\nname: another-name\ndescription: Named otherwise.\n---\n\nBody.\n"),
    ("odd-twin", "---\nname: another-name\ndescription: Of the same name.\n---\n\nBody.\n"),
    ("odd-spaced-name", "---\nname: Two Words\ndescription: A name with a blank.\n---\n\nBody.\n"),
    ("odd-signs-in-name", "---\nname: a/b:c\ndescription: Signs in a name.\n---\n\nBody.\n"),
    ("odd-reserved", "---\nname: context\ndescription: The name of a command.\n---\n\nBody.\n"),
    ("odd-blank-first", "\n---\nname: odd-blank-first\ndescription: A blank line first.\n---\n\nBody.\n"),
    ("odd-mark-first", "\u{feff}---\nname: odd-mark-first\ndescription: A byte order mark.\n---\n\nBody.\n"),
    ("odd-text-first", "# Title\n\n---\nname: odd-text-first\ndescription: Late.\n---\n\nBody.\n"),
    ("odd-windows", "---\r\nname: odd-windows\r\ndescription: Windows lines.\r\n---\r\n\r\nBody.\r\n"),
    (
        "odd-windows-colon",
        "---\r\nname: odd-windows-colon\r\ndescription: Via it: send.\r\n---\r\n\r\nBody.\r\n",
    ),
    ("odd-indented-end", "---\nname: odd-indented-end\ndescription: |\n  Ends with blanks.\n  ---\nBody.\n"),
    ("odd-dashes-inside", "---\nname: odd-dashes-inside\ndescription: One --- two.\n---\n\nBody.\n"),
    ("odd-more-dashes", "---\nname: odd-more-dashes\ndescription: Four dashes.\n----\n\nBody.\n---\n"),
    ("odd-never-closed", "---\nname: odd-never-closed\ndescription: Not closed.\n"),
    ("odd-dots", "---\nname: odd-dots\ndescription: Closed with dots.\n...\n\nBody.\n"),
    ("odd-open-blank", "--- \nname: odd-open-blank\ndescription: A blank behind the mark.\n--- \n\nBody.\n"),
    ("odd-colon", "---\nname: odd-colon\ndescription: Via the tool: send it.\n---\n\nBody.\n"),
    ("odd-comma", "---\nname: odd-comma\ndescription: , begins with a comma\n---\n\nBody.\n"),
    ("odd-at", "---\nname: odd-at\ndescription: @me and `you`\n---\n\nBody.\n"),
    ("odd-hint", "---\nname: odd-hint\ndescription: Has a hint.\nargument-hint: [a] [b]\n---\n\nBody.\n"),
    (
        "odd-object",
        "---\nname: odd-object\ndescription: Keeps it: all.\nmetadata: {\"x\": {\"y\": [\"z\"]}}\n---\n\nBody.\n",
    ),
    (
        "odd-lines",
        "---\nname: odd-lines\ndescription: Complete: suite.\nmetadata:\n  {\n    \"x\": [\"y\"],\n  }\n---\n\nBody.\n",
    ),
    (
        "odd-brace",
        "---\nname: odd-brace\ndescription: One brace.\nmetadata: {\"x\":{\"y\":1}\n---\n\nBody.\n",
    ),
    (
        "odd-conflict",
        "---\nname: odd-conflict\ndescription: A conflict.\n<<<<<<< mine\n---\n\n# Head of it\n",
    ),
    ("odd-tab", "---\nname: odd-tab\ndescription: A tab.\nmetadata:\n\tx: y\n---\n\nBody.\n"),
    ("odd-twice", "---\nname: odd-twice\ndescription: Once.\ndescription: Twice.\n---\n\nBody.\n"),
    ("odd-number", "---\nname: 12\ndescription: A number for a name.\n---\n\nBody.\n"),
    ("odd-no-name", "---\ndescription: No name.\n---\n\nBody.\n"),
    ("odd-no-description", "---\nname: odd-no-description\n---\n\n# What it is\n\nBody.\n"),
    ("odd-empty", "---\n---\n"),
    ("odd-null-metadata", "---\nname: odd-null-metadata\ndescription: Null.\nmetadata:\n---\n\nBody.\n"),
    (
        "odd-long-name",
        "---\nname: long-long-long-long-long-long-long-long-long-long-long-long-long-name\ndescription: Long.\n---\n\nBody.\n",
    ),
    ("odd-when", "---\nname: odd-when\ndescription: Says when.\nwhen_to_use: At night.\n---\n\nBody.\n"),
];

/// A world with all of them below a folder, and one whose file is called `skill.md`.
fn odd_world(below: &str) -> TestEnv {
    let env = TestEnv::new();
    for (folder, text) in ODD {
        env.write(&format!("{below}/{folder}/SKILL.md"), text);
    }
    let lower = "---\nname: odd-lower\ndescription: In lower case.\n---\n\nBody.\n";
    env.write(&format!("{below}/odd-lower/skill.md"), lower);
    env.write(
        &format!("{below}/odd-bytes/SKILL.md"),
        b"---\nname: odd-bytes\ndescription: Not \xff UTF-8.\n---\n\nBody.\n",
    );
    env
}

/// Name, description and path of what this program lists for an agent, those of the world alone.
pub(super) fn told_by_us(env: &TestEnv, agent: &str) -> Vec<Listed> {
    sorted(told_in_order(env, agent, &["--budget", "9000000"]))
}

/// All that this program lists for an agent.
pub(super) fn told_in_order(env: &TestEnv, agent: &str, more: &[&str]) -> Vec<Listed> {
    let words = [&["skill", "context", "--for", agent, "--json"], more].concat();
    // As it is: paths of the home directory are compared.
    let output = env.command(&words).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let listed = |skill: &Value| Listed {
        name: text(&skill["name"]),
        shown: text(&skill["description"]),
        path: env.project().join(skill["path"].as_str().unwrap()).display().to_string(),
    };
    report["skills"].as_array().unwrap().iter().map(listed).collect()
}

/// In the order of their paths, runs of white space as one blank; of two in one place one.
pub(super) fn sorted(mut listed: Vec<Listed>) -> Vec<Listed> {
    for one in &mut listed {
        one.shown = one.shown.split_whitespace().collect::<Vec<_>>().join(" ");
    }
    listed.retain(|one| one.path.contains("/odd-"));
    listed.sort_by(|a, b| a.path.cmp(&b.path));
    listed
}

/// Every difference at once, to be read by a person.
#[track_caller]
pub(super) fn assert_same_skills(theirs: &[Listed], ours: &[Listed], agent: &str) {
    let only = |of: &[Listed], other: &[Listed]| -> Vec<String> {
        of.iter().filter(|one| !other.contains(one)).map(|one| format!("{one:?}")).collect()
    };
    let (theirs_alone, ours_alone) = (only(theirs, ours), only(ours, theirs));
    assert!(
        theirs_alone.is_empty() && ours_alone.is_empty(),
        "{agent} alone:\n{}\nwe alone:\n{}",
        theirs_alone.join("\n"),
        ours_alone.join("\n")
    );
}

#[test]
fn codex_reads_odd_manifests_as_we_say() {
    let env = odd_world("project/.agents/skills");
    let Some(codex) = find_agent(&env, "codex") else { return };
    let theirs = sorted(listed_by_codex(&codex));
    assert!(theirs.len() > 15, "{theirs:#?}");
    assert_same_skills(&theirs, &told_by_us(&env, "codex"), "Codex");
}

#[test]
fn gemini_cli_reads_odd_manifests_as_we_say() {
    let env = odd_world("project/.agents/skills");
    let model = ModelStandIn::start(&env, &[]);
    let Some(gemini) = RealAgent::gemini(&env, &model) else { return };
    let theirs = sorted(listed_by_gemini(&gemini).0);
    assert!(theirs.len() > 15, "{theirs:#?}");
    // Which of two of one name it takes is the order in which the disk has them.
    let without_twin = |mut listed: Vec<Listed>| {
        listed.retain(|one| one.name != "another-name");
        listed
    };
    assert_same_skills(&without_twin(theirs), &without_twin(told_by_us(&env, "gemini-cli")), "Gemini CLI");
}

#[test]
fn opencode_reads_odd_manifests_as_we_say() {
    let env = odd_world("project/.agents/skills");
    let Some(opencode) = find_agent(&env, "opencode") else { return };
    let mut theirs = sorted(listed_by_opencode(&opencode));
    // `debug skill` shows also those without a description, of which its model hears nothing.
    theirs.retain(|one| !one.shown.is_empty());
    assert!(theirs.len() > 12, "{theirs:#?}");
    let without_twin = |mut listed: Vec<Listed>| {
        listed.retain(|one| one.name != "another-name");
        listed
    };
    assert_same_skills(&without_twin(theirs), &without_twin(told_by_us(&env, "opencode")), "OpenCode");
}

#[test]
fn claude_code_lists_odd_manifests_as_we_say() {
    let env = odd_world("home/.claude/skills");
    let model = ModelStandIn::start(&env, &[]);
    let Some(claude) = RealAgent::claude_code(&env, &model) else { return };
    claude.set("SLASH_COMMAND_TOOL_CHAR_BUDGET", "9000000").ask_claude("hi", &[]);
    let listed = |lines: Vec<(String, String)>| -> Vec<Listed> {
        let lines = lines.into_iter().filter(|(name, _)| name.starts_with("odd-"));
        lines.map(|(name, shown)| Listed { name, shown, path: String::new() }).collect()
    };
    let theirs = listed(listed_by_claude(&model));
    assert!(theirs.len() > 25, "{theirs:#?}");
    let words = ["skill", "context", "--for", "claude-code", "--budget", "9000000"];
    let text = env.run(&words).ends(0).stdout;
    let line = |line: &str| {
        let line = line.strip_prefix("- ")?;
        let (name, about) = line.split_once(": ").unwrap_or((line, ""));
        Some((name.to_owned(), about.to_owned()))
    };
    assert_same_skills(&theirs, &listed(text.lines().filter_map(line).collect()), "Claude Code");
}

/// What deepagents would put before its model, by the middleware that it has for skills.
const DEEPAGENTS: &str = r#"
import json, sys
from deepagents.backends import FilesystemBackend
from deepagents.middleware.skills import SkillsMiddleware
middleware = SkillsMiddleware(backend=FilesystemBackend(virtual_mode=False), sources=sys.argv[1:])
skills = middleware.before_agent({"messages": []}, None, {})["skills_metadata"]
print(json.dumps([[skill["name"], skill["description"], skill["path"]] for skill in skills]))
"#;

/// The skills that deepagents lists of these folders, the last of which counts first.
pub(super) fn listed_by_deepagents(python: &RealAgent<'_>, folders: &[String]) -> Vec<Listed> {
    let folders: Vec<&str> = folders.iter().map(String::as_str).collect();
    let run = python.run(&[&["-c", DEEPAGENTS][..], &folders].concat()).ends(0);
    let skills: Vec<[String; 3]> = serde_json::from_str(run.stdout.trim()).unwrap();
    skills.into_iter().map(|[name, shown, path]| Listed { name, shown, path }).collect()
}

#[test]
fn deepagents_reads_odd_manifests_as_we_say() {
    let env = odd_world("project/.deepagents/skills");
    let Some(python) = find_agent(&env, "langchain-python") else { return };
    let folder = env.path("project/.deepagents/skills").display().to_string();
    let theirs = sorted(listed_by_deepagents(&python, &[folder]));
    assert!(theirs.len() > 12, "{theirs:#?}");
    let without_twin = |mut listed: Vec<Listed>| {
        listed.retain(|one| one.name != "another-name");
        listed
    };
    assert_same_skills(&without_twin(theirs), &without_twin(told_by_us(&env, "deepagents")), "deepagents");
}
