//! Each row was seen in the agents themselves: `tests/it/real_agents/dialects.rs` asks them again.

use super::ManifestDialect::{ClaudeCode, Codex, DeepAgents, GeminiCli, OpenCode, Ours};
use super::*;
use proptest::prelude::*;

/// What an agent lists of a manifest, as `name: description`; `-` where it does not list it.
fn listed(dialect: ManifestDialect, text: &str) -> String {
    match dialect.read("folder", text.as_bytes(), Err("ours".to_owned())) {
        Ok(facts) => format!("{}: {}", facts.name.as_deref().unwrap_or("folder"), facts.description),
        Err(_) => "-".to_owned(),
    }
}

/// A manifest, and what Claude Code, Codex, Gemini CLI, OpenCode and deepagents list of it.
#[track_caller]
fn check(text: &str, expected: [&str; 5]) {
    let dialects = [ClaudeCode, Codex, GeminiCli, OpenCode, DeepAgents];
    assert_eq!(dialects.map(|dialect| listed(dialect, text)), expected, "{text:?}");
}

#[test]
fn each_agent_ends_the_frontmatter_in_its_own_way() {
    check("---\nname: a\ndescription: b\n---\nc\n", ["a: b"; 5]);
    check("\n---\nname: a\ndescription: b\n---\nc\n", ["folder: ---", "-", "-", "-", "-"]);
    check("# Title\n\ntext\n", ["folder: Title", "-", "-", "-", "-"]);
    check("---\nname: a\ndescription: |\n  b\n  ---\nc\n", ["a: b", "a: b", "-", "-", "-"]);
    check(
        "---\nname: a\ndescription: b --- c\n---\n",
        ["a: b", "a: b --- c", "a: b --- c", "a: b --- c", "a: b --- c"],
    );
    check("---\nname: a\ndescription: b\n----\n---\nc\n", ["a: b", "-", "a: b", "a: b", "-"]);
    check("---\nname: a\ndescription: b\n", ["folder: ---", "-", "-", "a: b", "-"]);
    check("--- \nname: a\ndescription: b\n---\nc\n", ["a: b", "a: b", "-", "a: b", "a: b"]);
    check("---\r\nname: a\r\ndescription: b\r\n---\r\nc\r\n", ["a: b"; 5]);
}

#[test]
fn each_agent_mends_in_its_own_way_what_is_not_yaml() {
    let colon = "---\nname: a\ndescription: via it: send\n---\nc\n";
    check(colon, ["a: via it: send", "a: via it: send", "a: via it: send", "a: via it: send", "-"]);
    let comma = "---\nname: a\ndescription: , it might\n---\nc\n";
    check(comma, ["a: , it might", "-", "a: , it might", "-", "-"]);
    let nested = "---\nname: a\ndescription: b: c\nmetadata: {\"x\": {\"y\": 1}}\n---\nc\n";
    check(nested, ["a: b: c", "-", "a: b: c", "a: b: c", "-"]);
    let twice = "---\nname: a\ndescription: b\ndescription: d\n---\nc\n";
    check(twice, ["a: d", "-", "a: d", "-", "a: d"]);
    let key = "---\nname: a\ndescription: b\nmetadata: {\"x\": {\"y\": [1], [\"z\"]}}\n---\nc\n";
    assert_eq!(listed(DeepAgents, key), "-");
    assert_eq!(listed(ClaudeCode, "---\nname: a\ndescription: b\u{80}c\n---\nc\n"), "a: b c");
    let conflict = "---\nname: a\ndescription: b\n<<<<<<< mine\n---\nc\n";
    check(conflict, ["folder: c", "-", "a: b", "-", "-"]);
}

#[test]
fn what_must_be_there_differs() {
    check("---\ndescription: b\n---\nc\n", ["folder: b", "folder: b", "-", "-", "-"]);
    check("---\nname: a\n---\n\n# Head\n", ["a: Head", "-", "-", "-", "-"]);
    check("---\nname: 12\ndescription: b\n---\nc\n", ["12: b", "12: b", "12: b", "-", "12: b"]);
    check(
        "---\nname: a/b:c\ndescription: b\n---\nc\n",
        ["a/b:c: b", "a/b:c: b", "a-b-c: b", "a/b:c: b", "a/b:c: b"],
    );
    check("---\n---\n", ["folder: Skill", "-", "-", "-", "-"]);
    let long = format!("---\nname: {}\ndescription: b\n---\nc\n", "x".repeat(65));
    assert_eq!(listed(Codex, &long), "-");
    let heading = format!("# {}\n", "w".repeat(120));
    assert_eq!(listed(ClaudeCode, &heading), format!("folder: {}...", "w".repeat(97)));
    assert_eq!(Codex.read("x", b"---\nname: a\ndescription: \xff\n---\n", Err(String::new())).ok(), None);
    assert!(Ours.read("x", b"", Err("why".to_owned())).is_err_and(|why| why == "why"));
}

proptest! {
    /// Whatever the bytes are, nothing panics, and a skill that is listed has a description.
    #[test]
    fn any_bytes_are_read_by_every_agent(
        parts in proptest::collection::vec("(---|\r?\n|name:|description:|[ \t]| a: b|\\PC{1,4}|[{}'\"#|>-])", 0..24),
    ) {
        let text = format!("---\n{}", parts.concat());
        for dialect in [ClaudeCode, Codex, GeminiCli, OpenCode, DeepAgents] {
            for text in [&text, &parts.concat()] {
                let read = dialect.read("folder", text.as_bytes(), Err(String::new()));
                let is_told = |facts: &SkillFacts| !facts.description.is_empty();
                prop_assert!(read.as_ref().is_ok_and(is_told) || matches!(dialect, GeminiCli | OpenCode) || read.is_err());
            }
        }
    }
}
