//! `hook`: what agents are answered, that they are never hindered, and that their settings keep
//! everything that is not ours.

use std::io::Write as _;
use std::process::Stdio;

use serde_json::{Value, json};

use crate::env::{Run, TestEnv};

/// Runs `hook run` with this on its standard input.
fn hook_with(env: &TestEnv, args: &[&str], input: &[u8]) -> Run {
    let mut command = env.command(&[&["hook", "run"], args].concat());
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // It may have ended before all was read.
    let _ = child.stdin.take().unwrap().write_all(input);
    let run = env.done(child.wait_with_output().unwrap()).ends(0);
    let faults = crate::schemas::document_faults(&["hook", "run", "--json"], &run.stdout);
    assert!(faults.is_empty(), "{faults:?}");
    run
}

fn hook(env: &TestEnv, input: &Value) -> Run {
    hook_with(env, &[], input.to_string().as_bytes())
}

fn prompt(text: &str) -> Value {
    json!({"hook_event_name": "UserPromptSubmit", "session_id": "s1", "prompt": text})
}

fn context(run: &Run) -> String {
    run.json()["hookSpecificOutput"]["additionalContext"].as_str().unwrap_or_default().to_owned()
}

/// A project with three skills, one of which says what leads to it.
fn world() -> TestEnv {
    let env = TestEnv::new();
    env.write("project/.git/HEAD", "ref: refs/heads/main\n");
    let skill = |name: &str, front: &str, body: &str| {
        env.write(
            &format!("project/.claude/skills/{name}/SKILL.md"),
            format!("---\nname: {name}\n{front}---\n\n# {name}\n\n{body}\n"),
        );
    };
    skill(
        "invoice-maker",
        "description: Makes invoices out of order data. Use it for billing.\ntriggers: [invoice]\n",
        "Rows of an order become lines.",
    );
    skill(
        "svelte-runes",
        "description: Svelte 5 runes, such as $state and $derived, for reactive components.\n",
        "Use runes.",
    );
    skill("house-rules", "description: How work is done here.\nmetadata:\n  category: core\n", "Rules.");
    env
}

#[test]
fn the_skills_that_fit_are_named_and_others_are_not() {
    let env = world();
    let text = context(&hook(&env, &prompt("please write an invoice for order 7")));
    assert_eq!(
        text,
        "These installed skills fit this request:\n- invoice-maker: Makes invoices out of order data. Use it for \
         billing. (matches the trigger `invoice`).\nDecide for each, yes or no; load each yes with the Skill tool \
         before you begin."
    );
    let text = context(&hook(&env, &prompt("how do I make a reactive component with $derived in Svelte 5?")));
    assert!(text.contains("- svelte-runes: ") && !text.contains("invoice"), "{text}");
    for nothing in ["thanks, looks good", "continue", "", "fix the failing test in parser.rs"] {
        assert_eq!(hook(&env, &prompt(nothing)).stdout, "", "{nothing}");
    }
}

#[test]
fn each_agent_gets_its_own_words() {
    let env = world();
    env.write(
        "project/.agents/skills/invoice-maker/SKILL.md",
        env.read("project/.claude/skills/invoice-maker/SKILL.md"),
    );
    // It reads skills of a project that its user trusts.
    let trusted = json!({env.project().display().to_string(): "TRUST_FOLDER"});
    env.write("home/.gemini/trustedFolders.json", trusted.to_string());
    let gemini =
        hook(&env, &json!({"hook_event_name": "BeforeAgent", "prompt": "an invoice", "timestamp": "x"}));
    assert_eq!(gemini.json()["hookSpecificOutput"]["hookEventName"], "BeforeAgent");
    assert!(context(&gemini).contains("with the activate_skill tool"), "{}", gemini.stdout);
    let codex = hook_with(&env, &["--agent", "codex"], prompt("an invoice").to_string().as_bytes());
    assert!(
        context(&codex).contains("- invoice-maker [[PROJECT]/.agents/skills/invoice-maker/SKILL.md]: "),
        "{}",
        codex.stdout
    );
    let start = hook(&env, &json!({"hook_event_name": "SessionStart", "source": "startup"}));
    assert_eq!(start.json()["hookSpecificOutput"]["reloadSkills"], true);
    assert!(context(&start).contains("- house-rules: How work is done here.\n"), "{}", start.stdout);
}

/// Whatever an agent says, and whatever is broken: status 0, the reason on standard error, nothing
/// that an agent could misread.
#[test]
fn an_agent_is_never_hindered() {
    let env = world();
    let large = prompt(&"word invoice ".repeat(800_000)).to_string();
    assert!(large.len() > 10_000_000);
    let cut = large.as_bytes().get(..large.len() / 2).unwrap();
    for (input, said) in [
        (&b""[..], "found nothing"),
        (b"not json", "as JSON"),
        (b"{\"hook_event_name\":\"UserPromptSubmit\",\"prompt\":\"half", "EOF"),
        (cut, "EOF"),
        (b"[1,2]", "as JSON"),
        (b"{\"hook_event_name\":\"Stop\"}", "`Stop` is not an event"),
        (b"{\"hook_event_name\":\"UserPromptSubmit\",\"prompt\":7}", "invalid type"),
        (b"{\"hook_event_name\":\"\\u001b[2J\"}", "is not an event"),
        (&[0xff, 0xfe, 0], "as JSON"),
    ] {
        let run = hook_with(&env, &["--agent", "claude-code"], input).says(said);
        assert_eq!(run.stdout, "");
        assert!(!run.stderr.contains('\u{1b}'));
    }
    assert!(context(&hook_with(&env, &[], large.as_bytes())).contains("invoice-maker"));
    hook_with(&env, &["--agent", "claude-code"], b"{\"hook_event_name\":\"BeforeAgent\"}")
        .says("not an event of Claude Code");
    for args in [
        &["--agent", "nobody"][..],
        &["--bogus"],
        &["extra", "words"],
        &["--project", "/nowhere/at/all"],
        &["--help"],
    ] {
        hook_with(&env, args, prompt("x").to_string().as_bytes());
    }
    env.run(&["hook", "run"]).ends(0).says("found nothing");
}

#[test]
fn what_is_broken_in_the_project_hinders_nothing() {
    for (file, text) in [
        (".ba-agent/config.yaml", "skills: [broken"),
        (".ba-agent/config.yaml", "nonsense: true\n"),
        ("config/skills_registry.json", "{ not json"),
        (".claude/skills/broken/SKILL.md", "\u{0}\u{1}"),
        (".claude/skills/skill-rules.json", "{\"skills\": 3}"),
    ] {
        let env = world();
        env.write(&format!("project/{file}"), text);
        assert!(context(&hook(&env, &prompt("write an invoice"))).contains("invoice-maker"), "{file}");
    }
    let env = world();
    let gone = json!({"hook_event_name": "UserPromptSubmit", "prompt": "an invoice", "cwd": "/nowhere"});
    assert!(context(&hook(&env, &gone)).contains("invoice-maker"));
}

#[cfg(unix)]
#[test]
fn a_reader_that_has_gone_is_no_failure() {
    let env = world();
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut child = env.command(&["hook", "run"]).stdin(Stdio::piped()).stdout(writer).spawn().unwrap();
    child.stdin.take().unwrap().write_all(prompt("an invoice").to_string().as_bytes()).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

fn tool(event: &str, name: &str, input: &Value) -> Value {
    json!({"hook_event_name": event, "session_id": "s1", "tool_name": name, "tool_input": input, "tool_use_id": "t"})
}

fn decision(run: &Run) -> String {
    if run.stdout.is_empty() {
        return "nothing".to_owned();
    }
    run.json()["hookSpecificOutput"]["permissionDecision"].as_str().unwrap_or_default().to_owned()
}

#[test]
fn what_is_forbidden_while_a_skill_is_active_is_denied() {
    let env = world();
    env.write("settings/config.yaml", "runtime:\n  skill_permissions:\n    invoice-maker: {forbidden_operations: ['rm -rf', 'git push'], require_approval: [file_write]}\n");
    let bash = |command: &str| tool("PreToolUse", "Bash", &json!({"command": command}));
    assert_eq!(decision(&hook(&env, &bash("rm -rf x"))), "nothing", "the skill is not active");
    hook(&env, &tool("PostToolUse", "Skill", &json!({"skill": "invoice-maker"})));
    let denied = hook(&env, &bash("cd /tmp && sudo rm -fr x"));
    assert_eq!(decision(&denied), "deny");
    let reason = denied.json()["hookSpecificOutput"]["permissionDecisionReason"].as_str().unwrap().to_owned();
    assert!(reason.contains("`rm -rf` is forbidden while the skill `invoice-maker` is active"), "{reason}");
    assert_eq!(decision(&hook(&env, &bash("ls"))), "nothing");
    assert_eq!(decision(&hook(&env, &tool("PreToolUse", "Write", &json!({"file_path": "x"})))), "ask");
    let mut other = bash("rm -rf x");
    other["session_id"] = json!("another");
    assert_eq!(decision(&hook(&env, &other)), "nothing");
    // It does not help that nothing is logged.
    env.write("project/.ba-agent/config.yaml", "monitoring: {usage_log: false}\n");
    let mut used = tool("PostToolUse", "Skill", &json!({"skill": "invoice-maker"}));
    used["session_id"] = json!("another");
    hook(&env, &used);
    assert_eq!(decision(&hook(&env, &other)), "deny");
    // What a project says, and a project that spoils its settings, loosen nothing.
    for project in [
        "runtime: {skill_permissions: {invoice-maker: {forbidden_operations: []}}}\n",
        "skills: [broken",
        "monitoring: {usage_log: false}\n",
    ] {
        env.write("project/.ba-agent/config.yaml", project);
        assert_eq!(decision(&hook(&env, &bash("rm -rf x"))), "deny", "{project}");
    }
    std::fs::remove_file(env.path("project/.ba-agent/config.yaml")).unwrap();
    assert_eq!(env.run(&["skill", "usage", "--json"]).ends(0).json()["skills"][0]["denied"], 3);
}

const SETTINGS: &str = "{\n    // mine\n    \"model\": \"opus\",\n    \"hooks\": {\n        \"Stop\": [{ \"hooks\": [{ \"type\": \"command\", \"command\": \"bell\" }] }]\n    },\n}\n";

#[test]
fn the_entry_comes_and_goes_and_leaves_the_rest() {
    let env = world();
    for (agent, file) in [
        ("claude-code", ".claude/settings.json"),
        ("codex", ".codex/hooks.json"),
        ("gemini-cli", ".gemini/settings.json"),
    ] {
        let file = format!("project/{file}");
        env.write(&file, SETTINGS);
        env.run(&["hook", "status", "--agent", agent]).ends(0).prints("absent");
        env.run(&["hook", "install", "--agent", agent]).ends(0).says("Installed the hook");
        let with = env.read(&file);
        assert!(with.contains("// mine") && with.contains("bell"), "{with}");
        env.run(&["hook", "install", "--agent", agent]).ends(0).says("has the hook already");
        assert_eq!(env.read(&file), with);
        env.run(&["hook", "status", "--agent", agent]).ends(0).prints("installed");
        env.write(&file, with.replace("\"timeout\": 5", "\"timeout\": 7"));
        env.run(&["hook", "status", "--agent", agent]).ends(0).prints("changed");
        env.run(&["hook", "uninstall", "--agent", agent, "--json"]).ends(0);
        assert_eq!(env.read(&file), SETTINGS);
        env.run(&["hook", "uninstall", "--agent", agent]).ends(0).says("has no hook");
    }
    let status = env.run(&["hook", "install", "--agent", "codex", "--global", "--json"]).ends(0).json();
    assert_eq!(status["hooks"][0]["file"], "[HOME]/.codex/hooks.json");
    assert!(status["hooks"][0]["trust"].as_str().unwrap().contains("asks once"));
    assert!(env.path("home/.codex/hooks.json").is_file());
}

#[test]
fn settings_that_cannot_be_changed_are_left_alone() {
    let env = world();
    for text in ["{ \"model\": ", "[]", "{\"hooks\": []}", "\u{1}"] {
        env.write("project/.claude/settings.json", text);
        env.run(&["hook", "install", "--agent", "claude-code"]).ends(1).says("nothing was written");
        assert_eq!(env.read("project/.claude/settings.json"), text);
    }
    env.run(&["hook", "install", "--agent", "cursor"]).ends(2).says("known are those of claude-code");
    env.run(&["hook", "install"]).ends(2);
}

/// A project whose settings are a link to a file of the user's.
#[cfg(unix)]
#[test]
fn a_project_does_not_lead_the_entry_out_of_it() {
    let env = world();
    env.write("home/mine.json", "{}\n");
    std::fs::create_dir_all(env.path("project/.codex")).unwrap();
    std::os::unix::fs::symlink(env.path("home/mine.json"), env.path("project/.codex/hooks.json")).unwrap();
    env.run(&["hook", "install", "--agent", "codex"]).ends(2);
    assert_eq!(env.read("home/mine.json"), "{}\n");
}
