//! The hook in agents that nobody here wrote: what it says arrives at the model, what it denies is
//! not done, and what was used is known.

use serde_json::{Value, json};

use super::RealAgent;
use super::stand_in::{ModelStandIn, ToolCall};
use crate::env::TestEnv;

const WHALES: &str = "---\nname: whale-songs\ndescription: Transcribes the songs of whales.\ntriggers: [hydrophone]\n---\n\nListen.\n";
const MODE: &str =
    "---\nname: house-rules\ndescription: How work is done here.\ncategory: core\n---\n\nRules.\n";

/// A project whose skill an agent has, and a user who forbids something while it is active.
fn world() -> TestEnv {
    let env = TestEnv::new();
    env.write("project/.git/HEAD", "ref: refs/heads/main\n");
    for below in ["project/.claude/skills", "project/.agents/skills"] {
        env.write(&format!("{below}/whale-songs/SKILL.md"), WHALES);
        env.write(&format!("{below}/house-rules/SKILL.md"), MODE);
    }
    let rules = "runtime:\n  skill_permissions:\n    whale-songs: {forbidden_operations: ['rm -rf']}\n";
    env.write("settings/config.yaml", rules);
    env.write("project/precious/data", "x");
    env
}

const PROMPT: &str = "look at this hydrophone recording";
const SAID: &str = "These installed skills fit this request:\n- whale-songs";

fn said(model: &ModelStandIn, words: &str) -> bool {
    let requests = model.requests();
    requests.iter().any(|request| request.to_string().contains(json!(words).to_string().trim_matches('"')))
}

#[test]
fn claude_code_hears_and_obeys_the_hook() {
    let env = world();
    let calls = [
        ToolCall { tool: "Skill", input: json!({"skill": "whale-songs"}) },
        ToolCall { tool: "Bash", input: json!({"command": "true && rm -r -f precious", "description": "d"}) },
    ];
    let model = ModelStandIn::start(&env, &calls);
    let Some(claude) = RealAgent::claude_code(&env, &model) else { return };
    env.run(&["hook", "install", "--agent", "claude-code"]).ends(0);
    claude.ask_claude(PROMPT, &["--allowedTools", "Skill,Bash"]);
    assert!(said(&model, SAID), "{:#?}", model.last_texts());
    assert!(said(&model, "These skills are for every conversation here:\n- house-rules"));
    assert!(
        said(&model, "`rm -rf` is forbidden while the skill `whale-songs` is active"),
        "{:#?}",
        model.last_texts()
    );
    assert!(env.path("project/precious/data").exists());
    // The hook saw the use; the transcript tells of the same one.
    let usage =
        |args: &[&str]| -> Value { env.run(&[&["skill", "usage", "--json"], args].concat()).ends(0).json() };
    let seen = usage(&[]);
    let row = &seen["skills"][0];
    assert_eq!(
        (&row["name"], &row["by"]["hook"], &row["denied"]),
        (&json!("whale-songs"), &json!(1), &json!(1))
    );
    let imported = usage(&["--import", "claude-code"]);
    assert_eq!(imported["imported"]["claude-code"], 0, "{imported}");
    assert_eq!(imported["skills"], seen["skills"]);
}

/// A person starts a skill by its name: the hook and the transcript tell of one use.
#[test]
fn what_is_typed_in_claude_code_counts_once() {
    let env = world();
    let model = ModelStandIn::start(&env, &[]);
    let Some(claude) = RealAgent::claude_code(&env, &model) else { return };
    env.run(&["hook", "install", "--agent", "claude-code"]).ends(0);
    claude.ask_claude("/whale-songs low and slow", &[]);
    let usage = env.run(&["skill", "usage", "--import", "claude-code", "--json"]).ends(0).json();
    let row = &usage["skills"][0];
    assert_eq!((&row["name"], &row["activations"]), (&json!("whale-songs"), &json!(1)), "{usage}");
    assert_eq!((&row["by"]["hook"], &usage["imported"]["claude-code"]), (&json!(1), &json!(0)), "{usage}");
}

/// Without the hook the transcript alone says it.
#[test]
fn what_claude_code_wrote_down_is_imported() {
    let env = world();
    let calls = [
        ToolCall { tool: "Skill", input: json!({"skill": "whale-songs"}) },
        ToolCall { tool: "Skill", input: json!({"skill": "no-such-skill"}) },
    ];
    let model = ModelStandIn::start(&env, &calls);
    let Some(claude) = RealAgent::claude_code(&env, &model) else { return };
    claude.ask_claude("hi", &[]);
    let usage = env.run(&["skill", "usage", "--import", "claude-code", "--json"]).ends(0).json();
    assert_eq!(usage["imported"]["claude-code"], 2, "{usage}");
    let row = |name: &str| {
        usage["skills"].as_array().unwrap().iter().find(|row| row["name"] == name).unwrap().clone()
    };
    assert_eq!((&row("whale-songs")["successes"], &row("no-such-skill")["failures"]), (&json!(1), &json!(1)));
}

#[test]
fn codex_hears_and_obeys_the_hook() {
    let env = world();
    let reads = format!("cat {}", env.path("project/.agents/skills/whale-songs/SKILL.md").display());
    let calls = [
        ToolCall { tool: "exec_command", input: json!({"cmd": reads}) },
        ToolCall { tool: "exec_command", input: json!({"cmd": "rm -fr precious"}) },
    ];
    let model = ModelStandIn::start(&env, &calls);
    let Some(codex) = RealAgent::codex(&env, &model) else { return };
    env.run(&["hook", "install", "--agent", "codex", "--global"]).ends(0).says("asks once");
    let unsafe_anyway = ["--dangerously-bypass-hook-trust", "--dangerously-bypass-approvals-and-sandbox"];
    codex.ask_codex(PROMPT, &unsafe_anyway);
    assert!(
        said(&model, "These installed skills fit this request:\n- whale-songs ["),
        "{:#?}",
        model.last_texts()
    );
    assert!(
        said(&model, "`rm -rf` is forbidden while the skill `whale-songs` is active"),
        "{:#?}",
        model.last_texts()
    );
    assert!(env.path("project/precious/data").exists());
    let usage = env.run(&["skill", "usage", "--import", "codex", "--json"]).ends(0).json();
    assert_eq!(
        (&usage["skills"][0]["activations"], &usage["imported"]["codex"]),
        (&json!(1), &json!(0)),
        "{usage}"
    );
}

#[test]
fn what_codex_wrote_down_is_imported() {
    let env = world();
    let model = ModelStandIn::start(&env, &[]);
    let Some(codex) = RealAgent::codex(&env, &model) else { return };
    codex.ask_codex("use $whale-songs please", &[]);
    let usage = env.run(&["skill", "usage", "--import", "codex", "--json"]).ends(0).json();
    assert_eq!(
        (&usage["skills"][0]["name"], &usage["imported"]["codex"]),
        (&json!("whale-songs"), &json!(1)),
        "{usage}"
    );
}

#[test]
fn gemini_cli_hears_and_obeys_the_hook() {
    let env = world();
    let calls = [
        ToolCall { tool: "activate_skill", input: json!({"name": "whale-songs"}) },
        ToolCall {
            tool: "run_shell_command",
            input: json!({"command": "rm -rf precious", "description": "d"}),
        },
    ];
    let model = ModelStandIn::start(&env, &calls);
    let Some(gemini) = RealAgent::gemini(&env, &model) else { return };
    env.run(&["hook", "install", "--agent", "gemini-cli", "--global"]).ends(0);
    gemini.ask_gemini(PROMPT);
    assert!(said(&model, SAID), "{:#?}", model.last_texts());
    assert!(
        said(&model, "`rm -rf` is forbidden while the skill `whale-songs` is active"),
        "{:#?}",
        model.last_texts()
    );
    assert!(env.path("project/precious/data").exists());
    let usage = env.run(&["skill", "usage", "--json"]).ends(0).json();
    assert_eq!(
        (&usage["skills"][0]["name"], &usage["skills"][0]["by"]["hook"]),
        (&json!("whale-songs"), &json!(1)),
        "{usage}"
    );
}
