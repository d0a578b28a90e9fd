//! What a model gets when a skill is taken.

use serde_json::{Value, json};

use super::RealAgent;
use super::stand_in::{ModelStandIn, ToolCall};
use crate::env::TestEnv;

const ARGY: &str = "---
name: argy
description: Shows its arguments. Use when arguments are wanted.
allowed-tools: Read, Bash(git:*)
model: haiku
arguments: [where, what]
---

# Argy

All: $ARGUMENTS
First $0, second $1, none $7, same $ARGUMENTS[0], named $where and $what, $other.
Dir ${CLAUDE_SKILL_DIR}, project ${CLAUDE_PROJECT_DIR}, plugin ${CLAUDE_PLUGIN_ROOT}.
Escaped \\$0 and \\$ARGUMENTS, {baseDir}, cost $5 and $10.
";

/// The hidden message with which Claude Code hands a skill to its model.
pub(super) fn activated_by_claude(env: &TestEnv, skill: &str, arguments: &str) -> Option<String> {
    let calls = [ToolCall { tool: "Skill", input: json!({"skill": skill, "args": arguments}) }];
    let model = ModelStandIn::start(env, &calls);
    let claude = RealAgent::claude_code(env, &model)?;
    let events = claude.ask_claude("hi", &[]);
    let synthetic = |event: &&Value| event["isSynthetic"] == json!(true);
    let event = events.iter().find(synthetic).unwrap_or_else(|| panic!("{events:#?}"));
    let text = event["message"]["content"][0]["text"].as_str().unwrap().to_owned();
    // On the wire it stands beside the result of the tool.
    assert!(model.last_texts().contains(&text));
    Some(text)
}

/// Arguments, and the first lines that come of them.
const ARGUMENTS: [(&str, &str); 4] = [
    ("", "All: \nFirst $0, second $1, none $7, same $ARGUMENTS[0], named  and , $other.\n"),
    ("a b", "All: a b\nFirst a, second b, none $7, same a, named a and b, $other.\n"),
    (
        "a \"b c\" 'd e'",
        "All: a \"b c\" 'd e'\nFirst a, second b c, none $7, same a, named a and b c, $other.\n",
    ),
    ("$1 \\$0 `x`", "All: $1 \\$0 `x`\nFirst $1, second $0, none $7, same $1, named $1 and $0, $other.\n"),
];

#[test]
fn claude_code_hands_over_the_body_with_its_arguments() {
    for (arguments, lines) in ARGUMENTS {
        let env = TestEnv::new();
        env.write("home/.claude/skills/argy/SKILL.md", ARGY);
        let Some(text) = activated_by_claude(&env, "argy", arguments) else { return };
        let folder = env.path("home/.claude/skills/argy");
        let expected = format!(
            "Base directory for this skill: {0}\n\n# Argy\n\n{lines}\
             Dir {0}, project {1}, plugin ${{CLAUDE_PLUGIN_ROOT}}.\n\
             Escaped $0 and $ARGUMENTS, {{baseDir}}, cost $5 and $10.\n",
            folder.display(),
            env.project().display()
        );
        assert_eq!(text, expected, "{arguments}");
    }
}

/// What Codex puts beside a prompt that names a skill: the file as it is, in a wrapper.
#[test]
fn codex_puts_the_file_beside_the_prompt() {
    let env = TestEnv::new();
    let file = env.write("home/.agents/skills/argy/SKILL.md", ARGY);
    let model = ModelStandIn::start(&env, &[]);
    let Some(codex) = RealAgent::codex(&env, &model) else { return };
    codex.ask_codex("use $argy a b", &[]);
    let expected = format!("<skill>\n<name>argy</name>\n<path>{}</path>\n{ARGY}\n</skill>", file.display());
    let texts = model.last_texts();
    let injected: Vec<&String> = texts.iter().filter(|text| text.starts_with("<skill>")).collect();
    assert_eq!(injected, [&expected]);
}

/// What Gemini CLI answers to its model: the body indented, and the files of the folder.
#[test]
fn gemini_answers_with_the_body_and_the_folder() {
    let env = TestEnv::new();
    env.write("home/.agents/skills/argy/SKILL.md", ARGY);
    let calls = [ToolCall { tool: "activate_skill", input: json!({"name": "argy"}) }];
    let model = ModelStandIn::start(&env, &calls);
    let Some(gemini) = RealAgent::gemini(&env, &model) else { return };
    gemini.ask_gemini("hi");
    let texts = model.last_texts();
    let answer = texts.iter().find(|text| text.starts_with("<activated_skill name=\"argy\">")).unwrap();
    assert!(answer.contains("All: $ARGUMENTS\n"), "{answer}");
    assert!(answer.contains("SKILL.md\n  </available_resources>"), "{answer}");
}
