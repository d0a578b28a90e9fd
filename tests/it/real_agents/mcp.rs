//! The MCP server before clients that others wrote: the Inspector, the conformance suite, three
//! clients of Python, and the agents themselves, whose settings `mcp config --write` has changed.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

use super::stand_in::{ModelStandIn, ToolCall};
use super::{RealAgent, find_agent};
use crate::env::TestEnv;

const PROGRAM: &str = env!("CARGO_BIN_EXE_ba-agent");

/// A project with twenty installed skills and one by hand.
fn world() -> TestEnv {
    let env = TestEnv::new();
    env.skill("src/skills/pdf")
        .file("references/api.md", "The interface.\n")
        .file("scripts/a b.py", "print()\n")
        .file("logo.png", b"\x89PNG\xff\x00");
    for n in 0..19 {
        env.skill(&format!("src/skills/skill-{n}")).file("references/more.md", format!("More of {n}.\n"));
    }
    env.run(&["skill", "install", "../src", "--all"]).ends(0);
    env.skill("project/.claude/skills/by-hand").file("references/notes.md", "mine\n");
    env
}

/// The Inspector on the command line, with the server as its target.
fn inspect(inspector: &RealAgent<'_>, args: &[&str]) -> crate::env::Run {
    inspector.run(&[&["--cli", PROGRAM, "mcp"], args].concat())
}

#[test]
fn the_inspector_finds_no_fault_in_any_era() {
    let env = world();
    let Some(inspector) = find_agent(&env, "mcp-inspector") else { return };
    for era in ["legacy", "auto", "modern"] {
        let run = inspect(&inspector, &["--method", "tools/list", "--strict", "--protocol-era", era]).ends(0);
        let tools = run.json()["tools"].as_array().unwrap().len();
        assert_eq!((tools, run.stderr.as_str()), (5, ""), "{era}");
        let call = ["--method", "tools/call", "--tool-name", "activate_skill", "--tool-arg", "name=pdf"];
        inspect(&inspector, &[&call[..], &["--protocol-era", era]].concat()).ends(0).prints("Text of pdf.");
    }
}

#[test]
fn the_inspector_verifies_every_file() {
    let env = world();
    env.write("project/.claude/skills/skill-3/SKILL.md", crate::env::skill_md("skill-3", "Edited since."));
    let Some(inspector) = find_agent(&env, "mcp-inspector") else { return };
    let args = ["--method", "skills/list", "--verify", "--require-digests", "--protocol-era", "modern"];
    let run = inspect(&inspector, &args).ends(0);
    let reports: Vec<Value> = run.stdout.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    // With those that the program carries.
    assert!(reports.len() >= 21, "{}", run.stdout);
    assert!(reports.iter().all(|report| report["outcome"] == "verified"), "{}", run.stdout);
    assert!(run.stderr.contains("no conformance errors"), "{}", run.stderr);
}

#[test]
fn ten_calls_at_once_are_answered_without_a_fault() {
    let env = world();
    let Some(inspector) = find_agent(&env, "mcp-inspector") else { return };
    let arguments = json!({"name": "pdf", "path": "references/api.md"}).to_string();
    let call = ["--method", "tools/call", "--tool-name", "read_skill_file", "--tool-args-json", &arguments];
    let load = ["--load", "--load-requests", "300", "--load-concurrency", "10", "--format", "json"];
    let run = inspect(&inspector, &[&call[..], &load].concat()).ends(0);
    let summary = run.json();
    let figure = |name: &str| find_figure(&summary, name);
    assert_eq!((figure("ok"), figure("errors")), (Some(300), Some(0)), "{summary}");
}

/// A number below a key, wherever it stands.
fn find_figure(value: &Value, name: &str) -> Option<u64> {
    let members = value.as_object()?;
    let own = members.get(name).and_then(Value::as_u64);
    own.or_else(|| members.values().find_map(|below| find_figure(below, name)))
}

/// The server behind an address, for clients that speak HTTP.
struct Bridge {
    child: Child,
    url: String,
}

impl Bridge {
    fn start(node: &RealAgent<'_>, env: &TestEnv) -> Self {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/real_agents/mcp/bridge.mjs");
        let mut command = Command::new(&node.program);
        let ours = env.command(&[]);
        command.args([script, PROGRAM, "mcp"]).current_dir(env.project()).env_clear();
        command.envs(ours.get_envs().filter_map(|(name, value)| Some((name, value?))));
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut port = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut port).unwrap();
        Self { url: format!("http://127.0.0.1:{}/mcp", port.trim()), child }
    }
}

impl Drop for Bridge {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

#[test]
fn the_conformance_suite_passes() {
    let env = world();
    let (Some(node), Some(suite)) = (find_agent(&env, "node"), find_agent(&env, "conformance")) else {
        return;
    };
    for (scenario, checks) in [
        ("sep-2640-skills-enumeration", 32),
        ("sep-2640-skills-manifest", 6),
        ("sep-2640-skills-directory", 7),
        ("tools-list", 3),
        ("ping", 2),
        ("server-initialize", 2),
        ("caching", 8),
    ] {
        // A process has one client, and each scenario is one of its own.
        let bridge = Bridge::start(&node, &env);
        let run = suite.run(&["server", "--url", &bridge.url, "--scenario", scenario]);
        let passed = format!("Passed: {checks}/{checks}, 0 failed, 0 warnings");
        assert!(
            run.status == 0 && run.stdout.contains(&passed),
            "{scenario}\n{}\n{}",
            run.stdout,
            run.stderr
        );
    }
}

#[test]
fn clients_of_python_call_every_tool() {
    let env = world();
    for (program, client) in
        [("agents-python", "mcp"), ("agents-python", "fastmcp"), ("langchain-python", "langchain")]
    {
        let Some(python) = find_agent(&env, program) else { continue };
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/real_agents/mcp/clients.py");
        let texts = python.run(&[script, client, PROGRAM, "mcp"]).ends(0).json();
        for (tool, words) in [
            ("activate_skill", "Text of pdf."),
            ("use_skill", "Text of pdf."),
            ("list_skills", "- by-hand: "),
            ("search_skills", "- pdf: Does pdf."),
            ("read_skill_file", "The interface."),
        ] {
            assert!(texts[tool].as_str().unwrap().contains(words), "{client} {tool}: {texts}");
        }
    }
}

/// What `mcp config --write` has written is what the agent itself reads.
#[test]
fn agents_find_the_server_in_settings_that_were_written() {
    let env = world();
    let write = |agent: &str| drop(env.run(&["mcp", "config", "--agent", agent, "--write"]).ends(0));
    let model = ModelStandIn::start(&env, &[]);
    if let Some(codex) = RealAgent::codex(&env, &model) {
        env.run(&["mcp", "config", "--agent", "codex", "--global", "--write"]).ends(0);
        let listed = codex.run(&["mcp", "list"]).ends(0);
        assert!(listed.stdout.contains("ba-agent") && listed.stdout.contains("enabled"), "{}", listed.stdout);
    }
    if let Some(gemini) = RealAgent::gemini(&env, &model) {
        write("gemini-cli");
        let listed = gemini.run(&["mcp", "list"]).ends(0);
        let said = format!("{}{}", listed.stdout, listed.stderr);
        assert!(said.contains("✓ ba-agent") && said.contains("Connected"), "{said}");
    }
    if let Some(opencode) = find_agent(&env, "opencode") {
        write("opencode");
        let listed = opencode.run(&["mcp", "list"]).ends(0);
        let said = format!("{}{}", listed.stdout, listed.stderr);
        assert!(said.contains("✓ ba-agent"), "{said}");
    }
}

#[test]
fn claude_code_loads_a_skill_by_the_server() {
    let env = world();
    let call = ToolCall { tool: "mcp__ba-agent__activate_skill", input: json!({"name": "skill-7"}) };
    let model = ModelStandIn::start(&env, &[call]);
    let Some(claude) = RealAgent::claude_code(&env, &model) else { return };
    env.run(&["mcp", "config", "--agent", "claude-code", "--write"]).ends(0);
    let more = ["--mcp-config", ".mcp.json", "--strict-mcp-config", "--allowedTools", "mcp__ba-agent"];
    let events = claude.ask_claude("do seven", &more);
    let init = events.iter().find(|event| event["subtype"] == "init").unwrap();
    let server = &init["mcp_servers"][0];
    assert_eq!((&server["name"], &server["status"]), (&json!("ba-agent"), &json!("connected")), "{init}");
    let texts = model.last_texts();
    assert!(texts.iter().any(|text| text.contains("Text of skill-7.")), "{texts:#?}");
    // The server's own words are part of what the model reads first.
    let first = model.requests().first().unwrap().to_string();
    assert!(first.contains("skills are available here"), "{first}");
}
