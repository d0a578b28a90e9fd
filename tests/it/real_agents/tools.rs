//! What agents call their tools, by the tools that they offer their models.

use std::collections::BTreeSet;

use ba_agent_core::activation::translate_tool;
use ba_agent_core::agents::all_agents;
use serde_json::{Value, json};

use super::RealAgent;
use super::stand_in::ModelStandIn;
use crate::env::TestEnv;

/// The names of all tools that were offered. A tool of Codex's may be known by its type alone.
fn offered(model: &ModelStandIn) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for request in model.requests() {
        for tool in request["tools"].as_array().into_iter().flatten() {
            let many = tool["functionDeclarations"].as_array().cloned().unwrap_or_else(|| vec![tool.clone()]);
            let name = |one: &Value| one["name"].as_str().or(one["type"].as_str()).map(str::to_owned);
            names.extend(many.iter().filter_map(name));
        }
    }
    names
}

/// What is done, as settings and skills may name it.
const OPERATIONS: [&str; 9] = [
    "file_read",
    "file_write",
    "file_edit",
    "file_search",
    "shell_exec",
    "git",
    "http_get",
    "web_search",
    "skill_use",
];

/// Each name that a rule or a skill is translated to is that of a tool that is there; `but` are
/// those that an agent offers only to whom has an account or a setting for it.
#[track_caller]
fn assert_offered(agent: &str, offered: &BTreeSet<String>, but: &[&str]) {
    assert!(offered.len() > 3, "{agent} offers {offered:?}");
    let known = all_agents().iter().find(|known| known.id == agent);
    for operation in OPERATIONS {
        for tool in translate_tool(operation, known) {
            let name = tool.split('(').next().unwrap_or_default().to_owned();
            let is_untranslated = name == operation;
            assert!(
                is_untranslated || but.contains(&name.as_str()) || offered.contains(&name),
                "{agent} has no tool `{name}` for {operation}: {offered:?}"
            );
        }
    }
}

#[test]
fn claude_code_calls_its_tools_so() {
    let env = TestEnv::new();
    let model = ModelStandIn::start(&env, &[]);
    let Some(claude) = RealAgent::claude_code(&env, &model) else { return };
    // Some are not in the first request: its model looks for them.
    let events = claude.ask_claude("hi", &[]);
    let tools = events[0]["tools"].as_array().unwrap().iter();
    let offered: BTreeSet<String> = tools.filter_map(Value::as_str).map(str::to_owned).collect();
    // Where it brings programs that search, its shell finds these.
    assert_offered("claude-code", &offered, &["Glob", "Grep"]);
}

#[test]
fn codex_calls_its_tools_so() {
    let env = TestEnv::new();
    let model = ModelStandIn::start(&env, &[]);
    let Some(codex) = RealAgent::codex(&env, &model) else { return };
    // It offers `apply_patch` to models that it knows to be good at it.
    codex.ask_codex("hi", &["-m", "gpt-5.5"]);
    assert_offered("codex", &offered(&model), &[]);
}

#[test]
fn gemini_cli_calls_its_tools_so() {
    let env = TestEnv::new();
    super::write_named(&env, "home/.agents/skills", "tool-user");
    let model = ModelStandIn::start(&env, &[]);
    let Some(gemini) = RealAgent::gemini(&env, &model) else { return };
    gemini.ask_gemini("hi");
    assert_offered("gemini-cli", &offered(&model), &[]);
}

#[test]
fn opencode_calls_its_tools_so() {
    let env = TestEnv::new();
    super::write_named(&env, "project/.agents/skills", "tool-user");
    let model = ModelStandIn::start(&env, &[]);
    let Some(opencode) = RealAgent::opencode(&env) else { return };
    env.write("home/.config/opencode/opencode.json", opencode_settings(&model, json!({})).to_string());
    opencode.run(&["run", "hi"]);
    // It searches the web only for whoever is with its makers, or says so in a variable.
    assert_offered("opencode", &offered(&model), &["websearch"]);
}

/// Settings with which OpenCode asks the stand-in.
pub(super) fn opencode_settings(model: &ModelStandIn, permission: Value) -> Value {
    json!({
        "model": "stub/m",
        "provider": {"stub": {"npm": "@ai-sdk/anthropic", "name": "stub",
            "options": {"baseURL": format!("{}/v1", model.url()), "apiKey": "x"},
            "models": {"m": {"name": "m"}}}},
        "permission": permission,
    })
}
