//! The README's chapter for agents, typed: what stands under the name of an agent is run, and then
//! the agent itself, which must have what the recipe promises.

use serde_json::{Value, json};

use super::stand_in::ModelStandIn;
use super::{RealAgent, find_agent};
use crate::env::{TestEnv, skill_md};

const PROMPT: &str = "Please extract the tables of this invoice PDF into a sheet";

/// The first block of this language under a heading of the chapter.
fn block_under(heading: &str, language: &str) -> &'static str {
    let readme = include_str!("../../../README.md");
    let (_, chapter) = readme.split_once("\n## For agents\n").unwrap();
    let chapter = chapter.split("\n## ").next().unwrap();
    let (_, part) = chapter.split_once(&format!("\n### {heading}\n")).unwrap();
    let part = part.split("\n### ").next().unwrap();
    let (_, block) = part.split_once(&format!("```{language}\n")).unwrap();
    block.split("```").next().unwrap()
}

/// A project with skills of which one fits [`PROMPT`], in the folders that agents read.
fn with_skills() -> TestEnv {
    let env = TestEnv::new();
    for (name, about) in [
        (
            "pdf-tables",
            "Extracts tables from PDF files. Use when a PDF holds tables or an invoice is to be read.",
        ),
        ("release-notes", "Writes release notes out of commits. Use when a version is published."),
        ("css-grid", "Lays out pages with CSS grid. Use when a page needs columns."),
    ] {
        env.skill(&format!("src/skills/{name}")).file("SKILL.md", skill_md(name, about));
    }
    env.run(&["skill", "install", "../src", "--all", "--agent", "claude-code,codex,gemini-cli"]).ends(0);
    env
}

/// Types the lines of a recipe in the project.
fn follow_recipe(env: &TestEnv, heading: &str) {
    let lines = block_under(heading, "sh").lines().map(|line| line.split(" #").next().unwrap().trim());
    let lines: Vec<&str> = lines.filter(|line| !line.is_empty()).collect();
    assert!(lines.len() >= 3, "{lines:?}");
    for line in lines {
        let words: Vec<&str> = line.strip_prefix("ba-agent ").unwrap().split_whitespace().collect();
        env.run(&words).ends(0);
    }
}

/// The model was told of the skill that fits, and of no other.
fn assert_is_named(model: &ModelStandIn) {
    let texts = model.last_texts();
    let named = texts.iter().find_map(|text| text.split_once("These installed skills fit this request"));
    let (_, named) = named.unwrap_or_else(|| panic!("{texts:#?}"));
    let named = named.split("Decide for each").next().unwrap();
    assert!(named.contains("pdf-tables") && !named.contains("css-grid"), "{named}");
}

#[test]
fn claude_code_by_the_readme() {
    let env = with_skills();
    let model = ModelStandIn::start(&env, &[]);
    let Some(claude) = RealAgent::claude_code(&env, &model) else { return };
    follow_recipe(&env, "Claude Code");
    let events = claude.ask_claude(PROMPT, &["--mcp-config", ".mcp.json"]);
    assert_is_named(&model);
    let init = events.iter().find(|event| event["subtype"] == "init").unwrap();
    let servers = init["mcp_servers"].as_array().unwrap();
    let ours = servers.iter().find(|server| server["name"] == "ba-agent").unwrap();
    assert_eq!(ours["status"], "connected");
}

#[test]
fn codex_by_the_readme() {
    let env = with_skills();
    let model = ModelStandIn::start(&env, &[]);
    let Some(codex) = RealAgent::codex(&env, &model) else { return };
    follow_recipe(&env, "Codex");
    codex.ask_codex(PROMPT, &["--dangerously-bypass-hook-trust"]);
    assert_is_named(&model);
    let listed = codex.run(&["mcp", "list"]).ends(0);
    assert!(listed.stdout.contains("ba-agent"), "{}", listed.stdout);
}

#[test]
fn gemini_cli_by_the_readme() {
    let env = with_skills();
    let model = ModelStandIn::start(&env, &[]);
    let Some(gemini) = RealAgent::gemini(&env, &model) else { return };
    follow_recipe(&env, "Gemini CLI");
    gemini.ask_gemini(PROMPT);
    assert_is_named(&model);
    let listed = gemini.run(&["mcp", "list"]).ends(0);
    assert!(format!("{}{}", listed.stdout, listed.stderr).contains("ba-agent"), "{listed:?}");
}

#[test]
fn langchain_by_the_readme() {
    let env = with_skills();
    let Some(python) = find_agent(&env, "langchain-python") else { return };
    let script = env.write("project/agent.py", block_under("An agent of your own, with LangChain", "python"));
    let run = python.run(&[script.to_str().unwrap()]).ends(0);
    let expected = "['activate_skill', 'list_skills', 'read_skill_file', 'search_skills', 'use_skill']\n";
    assert_eq!(run.stdout, expected, "{}", run.stderr);
}

/// The entry of the chapter is the one that is printed.
#[test]
fn any_client_by_the_readme() {
    let env = with_skills();
    let shown: Value = serde_json::from_str(block_under("Any MCP client", "json")).unwrap();
    let printed = env.run(&["mcp", "config", "--agent", "generic"]).ends(0).json();
    let entry = |value: &Value| value["mcpServers"]["ba-agent"]["args"].clone();
    assert_eq!((entry(&shown), entry(&printed)), (json!(["mcp"]), json!(["mcp"])), "{printed}");
}

/// What else stands in the settings of an agent stays, and the agent reads them before and after.
#[test]
fn the_settings_of_an_agent_stay_its_own() {
    for (agent, place) in [
        ("claude-code", "home/.claude/settings.json"),
        ("codex", "home/.codex/hooks.json"),
        ("gemini-cli", "home/.gemini/settings.json"),
    ] {
        let env = with_skills();
        let model = ModelStandIn::start(&env, &[]);
        let ask = || match agent {
            "claude-code" => {
                RealAgent::claude_code(&env, &model).map(|agent| drop(agent.ask_claude("hi", &[])))
            }
            "codex" => RealAgent::codex(&env, &model).map(|agent| drop(agent.ask_codex("hi", &[]))),
            _ => RealAgent::gemini(&env, &model).map(|agent| drop(agent.ask_gemini("hi"))),
        };
        if ask().is_none() {
            continue;
        }
        let text = |env: &TestEnv| env.path(place).is_file().then(|| env.read(place));
        let before = text(&env);
        for verb in ["install", "status"] {
            env.run(&["hook", verb, "--agent", agent, "--global"]).ends(0);
            ask().unwrap();
        }
        assert!(text(&env).unwrap().contains("hook run"), "{agent}");
        env.run(&["hook", "uninstall", "--agent", agent, "--global"]).ends(0);
        let after = text(&env);
        match before {
            Some(before) => assert_eq!(after.unwrap(), before, "{agent}"),
            None => assert!(!after.is_some_and(|text| text.contains("hook run")), "{agent}"),
        }
        ask().unwrap();
    }
}
