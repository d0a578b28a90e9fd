//! `skill usage` and `skill recommend`: what was used, and what fits.

use serde_json::{Value, json};

use crate::env::{TestEnv, skill_md};

fn world() -> TestEnv {
    let env = TestEnv::new();
    env.write("project/.git/HEAD", "ref: refs/heads/main\n");
    for (name, description) in [
        ("invoice-maker", "Makes invoices out of order data. Use it for billing."),
        ("svelte-runes", "Svelte 5 runes, such as $state and $derived, for reactive components."),
        ("map-drawer", "Draws maps of routes and regions. Do NOT use for invoices or billing."),
    ] {
        env.write(&format!("project/.claude/skills/{name}/SKILL.md"), skill_md(name, description));
    }
    env
}

fn claude_line(cwd: &str, more: &Value) -> String {
    let mut line = json!({"timestamp": "2026-03-01T10:00:00Z", "sessionId": "s1", "cwd": cwd});
    for (key, value) in more.as_object().unwrap() {
        line[key] = value.clone();
    }
    format!("{line}\n")
}

/// A use of a skill as Claude Code writes it down, with its outcome.
fn claude_use(cwd: &str, id: &str, skill: &str, fails: bool) -> String {
    let call = json!({"message": {"role": "assistant", "content": [{"type": "tool_use", "id": id, "name": "Skill", "input": {"skill": skill}}]}});
    let result = json!({"message": {"role": "user", "content": [{"type": "tool_result", "tool_use_id": id, "content": "secret words", "is_error": fails}]}});
    claude_line(cwd, &call) + &claude_line(cwd, &result)
}

fn usage(env: &TestEnv, args: &[&str]) -> Value {
    env.run(&[&["skill", "usage", "--json"], args].concat()).ends(0).json()
}

fn row<'v>(usage: &'v Value, name: &str) -> &'v Value {
    let rows = usage["skills"].as_array().unwrap();
    rows.iter().find(|row| row["name"] == name).unwrap_or_else(|| panic!("no {name} in {usage}"))
}

#[test]
fn transcripts_are_read_once_however_often() {
    let env = world();
    let project = env.project().display().to_string();
    let elsewhere = env.path("elsewhere").display().to_string();
    let long = format!("{{\"x\":\"{}\"}}\n", "y".repeat(10 << 20));
    let text = [
        claude_use(&project, "t1", "invoice-maker", false),
        "not json\n{\"half\":\n\n".to_owned(),
        long,
        claude_use(&format!("{project}/below"), "t2", "invoice-maker", true),
        claude_use(&elsewhere, "t3", "svelte-runes", false),
        claude_line(&project, &json!({"message": {"content": "secret words of a person"}})),
        claude_use(&project, "t4", "map-drawer", false).lines().next().unwrap().to_owned(),
    ];
    env.write("home/.claude/projects/-p/s1.jsonl", text.concat());
    let injected = "<skill>\n<name>map-drawer</name>\n<path>/x/SKILL.md</path>\ntext\n</skill>";
    let codex = [
        json!({"timestamp": "2026-03-02T10:00:00Z", "type": "session_meta", "payload": {"id": "c1", "cwd": project}}),
        json!({"timestamp": "2026-03-02T10:00:01Z", "type": "response_item", "payload": {"type": "message", "id": "m1", "role": "user", "content": [{"type": "input_text", "text": injected}]}}),
    ];
    env.write(
        "home/.codex/sessions/2026/03/02/rollout-1.jsonl",
        codex.map(|line| format!("{line}\n")).concat(),
    );
    let first = usage(&env, &["--import", "claude-code,codex"]);
    assert_eq!(first["imported"], json!({"claude-code": 2, "codex": 1}));
    let invoices = row(&first, "invoice-maker");
    assert_eq!(
        (&invoices["activations"], &invoices["failures"], &invoices["by"]["import"]),
        (&json!(2), &json!(1), &json!(2))
    );
    assert_eq!(row(&first, "map-drawer")["activations"], 1);
    assert_eq!(first["never_used"], json!(["svelte-runes"]));
    assert!(first["warnings"][0].as_str().unwrap().contains("1 of 3 activations failed"), "{first}");
    let again = usage(&env, &["--import", "codex,claude-code"]);
    assert_eq!(again["imported"], json!({"claude-code": 0, "codex": 0}));
    assert_eq!(again["skills"], first["skills"]);
    // A day later than the first.
    assert_eq!(usage(&env, &["--since", "2026-03-02"])["skills"].as_array().unwrap().len(), 1);
    let all = usage(&env, &["--global", "--import", "claude-code"]);
    assert_eq!(row(&all, "svelte-runes")["activations"], 1);
    assert_eq!(row(&all, "invoice-maker")["activations"], 2, "of all projects, each once");
    let log = env.path("home/.local/share/ba-agent/workspaces");
    let logs =
        walkdir::WalkDir::new(log).into_iter().flatten().filter(|entry| entry.file_name() == "usage.jsonl");
    for log in logs {
        assert!(!std::fs::read_to_string(log.path()).unwrap().contains("secret"));
    }
    env.run(&["skill", "usage"]).ends(0).prints("invoice-maker").says("never used: svelte-runes");
}

#[test]
fn nothing_is_noted_where_that_is_switched_off() {
    let env = world();
    env.write("settings/config.yaml", "monitoring: {usage_log: false}\n");
    env.write(
        "home/.claude/projects/-p/s1.jsonl",
        claude_use(&env.project().display().to_string(), "t1", "invoice-maker", false),
    );
    let usage = usage(&env, &["--import", "claude-code"]);
    assert_eq!((&usage["log"], usage["skills"].as_array().unwrap().len()), (&json!(false), 0));
    env.run(&["skill", "usage"]).ends(0).says("the log is off");
    env.run(&["skill", "usage", "--since", "soon"]).ends(2).says("is not a valid time");
    env.run(&["skill", "usage", "--import", "cursor"]).ends(2).says("those of these agents are read");
}

fn recommended(env: &TestEnv, args: &[&str]) -> Value {
    env.run(&[&["skill", "recommend", "--json"], args].concat()).ends(0).json()
}

#[test]
fn what_fits_comes_first_with_its_reason() {
    let env = world();
    let first = |args: &[&str]| recommended(&env, args)["recommendations"][0].clone();
    let named = first(&["use the invoice-maker on this"]);
    assert_eq!(
        (&named["skill_id"], &named["score"], &named["confidence"]),
        (&json!("invoice-maker"), &json!(1.0), &json!("high"))
    );
    assert_eq!((&named["context"], &named["installed"]), (&json!("is named in the request"), &json!(true)));
    let billing = recommended(&env, &["billing", "for", "invoices", "of", "these", "orders"]);
    assert_eq!(billing["recommendations"][0]["name"], "invoice-maker");
    assert!(!billing.to_string().contains("map-drawer"), "what it is not for does not lead to it: {billing}");
    assert_eq!(first(&["--emotion", "lost on routes and maps"])["reason"], "based_on_emotion");
    let profile = env.write("profile.json", r#"{"skills": {"svelte-runes": 0.9}, "role": "clerk"}"#);
    let liked = first(&["--profile", profile.to_str().unwrap()]);
    assert_eq!((&liked["name"], &liked["reason"]), (&json!("svelte-runes"), &json!("based_on_profile")));
    env.write(
        "project/.claude/skills/skill-rules.json",
        r#"{"skills": {"map-drawer": {"fileTriggers": {"pathPatterns": ["**/*.geojson"]}}}}"#,
    );
    let file = first(&["--file", "data/area.geojson"]);
    assert_eq!((&file["name"], &file["score"]), (&json!("map-drawer"), &json!(1.0)));
    env.run(&["skill", "recommend", "zzz qqq"]).ends(0).says("nothing fits");
    env.run(&["skill", "recommend"]).ends(2);
    env.run(&["skill", "recommend", "x", "--profile", "nowhere.json"]).ends(3);
    env.run(&["skill", "recommend", "x", "--agent", "nobody"]).ends(2);
}

/// What a catalogue has and is not installed, with what to type.
#[test]
fn what_is_not_installed_is_recommended_too() {
    let env = world();
    env.write(
        "shop/skills/whale-songs/SKILL.md",
        skill_md("whale-songs", "Transcribes songs of whales from hydrophone recordings."),
    );
    let shop = env.path("shop").display().to_string();
    env.run(&["marketplace", "add", "sea", &shop]).ends(0);
    let found = recommended(&env, &["transcribe hydrophone recordings of whales"]);
    let whales = &found["recommendations"][0];
    assert_eq!((&whales["name"], &whales["installed"]), (&json!("whale-songs"), &json!(false)), "{found}");
    assert!(whales["install"].as_str().unwrap().contains("whale-songs"), "{found}");
}
