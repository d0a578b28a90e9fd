//! What a model gets when a skill is taken.

use serde_json::{Value, json};

use super::RealAgent;
use super::stand_in::{ModelStandIn, ToolCall};
use crate::dice::{Dice, figure, times};
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
Escaped \\$0 and \\$ARGUMENTS, cost $5 and $10.
";

/// The hidden messages with which Claude Code hands skills to its model, one of each call, all in
/// one session.
fn activated_by_claude(env: &TestEnv, calls: &[(&str, &str)]) -> Option<Vec<String>> {
    let tools: Vec<ToolCall> = calls
        .iter()
        .map(|(skill, args)| ToolCall { tool: "Skill", input: json!({"skill": skill, "args": args}) })
        .collect();
    let model = ModelStandIn::start(env, &tools);
    let events = RealAgent::claude_code(env, &model)?.ask_claude("hi", &[]);
    let synthetic = events.iter().filter(|event| event["isSynthetic"] == json!(true));
    let texts = synthetic.map(|event| event["message"]["content"][0]["text"].as_str().unwrap().to_owned());
    // Before those of a skill that it has already, it says so.
    let texts: Vec<String> = texts.filter(|text| text.starts_with("Base directory")).collect();
    // On the wire each stands beside the result of its tool.
    let sent = model.last_texts();
    for text in &texts {
        assert!(sent.iter().any(|sent| sent.contains(text.trim_end())), "{text:?} was not sent");
    }
    assert_eq!(texts.len(), calls.len(), "{texts:#?}");
    Some(texts)
}

/// The text that this program would have a model read.
fn activated_by_us(env: &TestEnv, skill: &str, arguments: &str) -> String {
    let words = ["skill", "activate", skill, "--arguments", arguments, "--json"];
    let output = env.command(&words).env("CLAUDE_PROJECT_DIR", env.project()).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let activation: Value = serde_json::from_slice(&output.stdout).unwrap();
    let messages = activation["messages"].as_array().unwrap();
    let instruction = messages.iter().find(|message| message["type"] == "instruction").unwrap();
    instruction["content"].as_str().unwrap().to_owned()
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
fn the_instructions_are_those_of_claude_code() {
    let env = TestEnv::new();
    env.write("home/.claude/skills/argy/SKILL.md", ARGY);
    let folder = env.path("home/.claude/skills/argy");
    let calls = ARGUMENTS.map(|(arguments, _)| ("argy", arguments));
    let Some(texts) = activated_by_claude(&env, &calls) else { return };
    for ((arguments, lines), text) in ARGUMENTS.iter().zip(texts) {
        let expected = format!(
            "Base directory for this skill: {0}\n\n# Argy\n\n{lines}\
             Dir {0}, project {1}, plugin ${{CLAUDE_PLUGIN_ROOT}}.\n\
             Escaped $0 and $ARGUMENTS, cost $5 and $10.\n",
            folder.display(),
            env.project().display()
        );
        assert_eq!(text, expected, "{arguments}");
        assert_eq!(activated_by_us(&env, "argy", arguments), expected, "{arguments}");
    }
}

/// What stands in the frontmatter beside name and description, the body, arguments.
const BODIES: [(&str, &str, &str); 24] = [
    ("", "No placeholder.\n", "a b"),
    ("", "No placeholder, no newline", "a b"),
    ("", "No placeholder.\n", ""),
    ("", "\n\n  Indented start.\n\n\n", "x"),
    (
        "",
        "$ARGUMENTS[1] $1 $10 $12abc $ARGUMENTSX $0$1 $$0 \\\\$0 ${0} $-1 $ARGUMENTS[x] $ARGUMENTS[99] $0.5\n",
        "p q",
    ),
    ("", "`$0` and ```\n$1\n```\n", "p q"),
    ("", "$0|$1|$2|$3\n", "'un balanced q"),
    ("", "$0|$1|$2|$3\n", "\"\" b"),
    ("", "$0|$1|$2|$3\n", "a\\ b c"),
    ("", "$0|$1|$2|$3\n", "a'b c'd e\"f g\"h"),
    ("", "$0|$1|$2|$3\n", "# not a comment"),
    ("arguments: file filename\n", "$file $filename $files ${file} $file_ $file-x \\$file\n", "one two"),
    ("arguments: [a-b, c_d, E]\n", "$a-b $c_d $E $e\n", "one two three"),
    ("arguments: [file, other]\n", "$file $other\n", "one"),
    ("arguments: [file]\n", "Nothing.\n", "one"),
    ("", "\\$ARGUMENTS only escaped.\n", "one"),
    ("", "${CLAUDE_SKILL_DIR}/x $CLAUDE_SKILL_DIR ${CLAUDE_SKILL_DIR:-y}\n", ""),
    ("", "A\r\nB $0\r\n", "z"),
    ("", "ü $0 表\n", "ü 表"),
    ("", "$ARGUMENTS\n\n", "a  b   c "),
    ("", "$ARGUMENTS\n\n", "  lead"),
    ("", "# T\n\nARGUMENTS: kept\n", "w"),
    ("", "$0\n", "$1 b"),
    ("", "", "only"),
];

#[test]
fn odd_bodies_and_arguments_become_what_claude_code_makes_of_them() {
    let env = TestEnv::new();
    let names: Vec<String> = (0..BODIES.len()).map(|at| format!("body-{at:02}")).collect();
    for (name, (more, body, _)) in names.iter().zip(BODIES) {
        let text = format!("---\nname: {name}\ndescription: Shows {name}.\n{more}---\n{body}");
        env.write(&format!("home/.claude/skills/{name}/SKILL.md"), text);
    }
    let calls: Vec<(&str, &str)> =
        names.iter().zip(BODIES).map(|(name, (_, _, arguments))| (name.as_str(), arguments)).collect();
    let Some(texts) = activated_by_claude(&env, &calls) else { return };
    let mut differ = Vec::new();
    for ((name, arguments), theirs) in calls.iter().zip(texts) {
        let ours = activated_by_us(&env, name, arguments);
        if ours != theirs {
            differ
                .push(format!("{name} with {arguments:?}\n  Claude Code {theirs:?}\n  ba-agent    {ours:?}"));
        }
    }
    assert!(differ.is_empty(), "{}", differ.join("\n"));
}

/// Parts of bodies and of arguments, as the next test puts them together.
const PARTS_OF_BODIES: [&str; 26] = [
    "$ARGUMENTS",
    "$ARGUMENTS[0]",
    "$ARGUMENTS[1]",
    "$ARGUMENTS[12]",
    "$0",
    "$1",
    "$2",
    "$10",
    "\\$0",
    "\\$1",
    "\\$ARGUMENTS",
    "$first",
    "$second",
    "$third",
    "\\$first",
    "${CLAUDE_SKILL_DIR}",
    "${CLAUDE_PROJECT_DIR}",
    "$$",
    "\\",
    " ",
    "\n",
    "text",
    "表",
    "-",
    "[0]",
    "`",
];
const PARTS_OF_ARGUMENTS: [&str; 14] =
    ["a", "two", "'b c'", "\"d e\"", " ", " ", " ", "  ", "ü", "0", "\"\"", "--f=g", "-f", "表"];

/// Any body with any arguments, out of such parts, is what Claude Code makes of it. Left out is what
/// it splits at blanks alone, as if there were no quotes: arguments that begin as an assignment does.
#[test]
fn random_bodies_and_arguments_become_what_claude_code_makes_of_them() {
    const A_SESSION: usize = 40;
    let sessions = times(1, 25);
    let mut differ = Vec::new();
    for session in 0..sessions {
        let mut dice = Dice::new(7_000 + session as u64);
        let mut gather = |parts: &[&str], most: usize| -> String {
            let count = dice.roll(most) + 1;
            (0..count).map(|_| *dice.pick(parts)).collect()
        };
        let env = TestEnv::new();
        let cases: Vec<(String, String, String)> = (0..A_SESSION)
            .map(|at| {
                let body = gather(&PARTS_OF_BODIES, 12);
                (format!("body-{at:02}"), body, gather(&PARTS_OF_ARGUMENTS, 7))
            })
            .collect();
        for (name, body, _) in &cases {
            let text = format!(
                "---\nname: {name}\ndescription: Shows {name}.\narguments: [first, second]\n---\n# Body\n\n{body}\n"
            );
            env.write(&format!("home/.claude/skills/{name}/SKILL.md"), text);
        }
        let calls: Vec<(&str, &str)> =
            cases.iter().map(|(name, _, arguments)| (name.as_str(), arguments.as_str())).collect();
        let Some(texts) = activated_by_claude(&env, &calls) else { return };
        for ((name, body, arguments), theirs) in cases.iter().zip(texts) {
            let ours = activated_by_us(&env, name, arguments);
            if ours != theirs {
                differ.push(format!(
                    "{body:?} with {arguments:?}\n  Claude Code {theirs:?}\n  ba-agent    {ours:?}"
                ));
            }
        }
    }
    let tried = sessions * A_SESSION;
    figure("activations as Claude Code makes them", tried, tried - differ.len(), "");
    assert!(differ.is_empty(), "{} of {tried}:\n{}", differ.len(), differ.join("\n"));
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

/// Where there is nothing to fill in, `skill activate --for codex` gives what Codex puts there.
#[test]
fn activation_for_codex_is_what_codex_puts_beside_the_prompt() {
    let env = TestEnv::new();
    let text = "---\nname: plain\ndescription: Says one thing. Use it when that is wanted.\n---\n\n# Plain\n\n- One thing.\n\n";
    env.write("home/.agents/skills/plain/SKILL.md", text);
    let model = ModelStandIn::start(&env, &[]);
    let Some(codex) = RealAgent::codex(&env, &model) else { return };
    codex.ask_codex("use $plain", &[]);
    let texts = model.last_texts();
    let injected = texts.iter().find(|text| text.starts_with("<skill>")).unwrap();
    let output = env.command(&["skill", "activate", "plain", "--for", "codex"]).output().unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), format!("{injected}\n"));
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
