//! What the agents' own settings hide is not listed by us either, and we say which setting it is.

use serde_json::{Value, json};

use super::listing::{listed_by_claude, listed_by_codex};
use super::precedence::listed_by_gemini;
use super::stand_in::ModelStandIn;
use super::tools::opencode_settings;
use super::{RealAgent, write_named};
use crate::env::TestEnv;

const NAMES: [&str; 5] = ["set-a", "set-b", "set-c", "set-d", "set-e"];

fn world(below: &str) -> TestEnv {
    let env = TestEnv::new();
    NAMES.iter().for_each(|name| write_named(&env, below, name));
    env
}

/// Those of ours among these names, in their order.
fn ours_of(names: impl IntoIterator<Item = String>) -> Vec<String> {
    let mut names: Vec<String> = names.into_iter().filter(|name| name.starts_with("set-")).collect();
    names.sort();
    names
}

/// What this program lists for the agent, and the reasons for what it does not.
fn told_by_us(env: &TestEnv, agent: &str) -> (Vec<String>, Vec<String>) {
    let report = env.run(&["skill", "context", "--for", agent, "--json"]).ends(0).json();
    let texts = |list: &str, key: &str| -> Vec<String> {
        let list = report[list].as_array().unwrap().iter();
        list.map(|one| one[key].as_str().unwrap().to_owned()).collect()
    };
    (ours_of(texts("skills", "name")), texts("omitted", "detail"))
}

#[track_caller]
fn assert_said(reasons: &[String], words: &str, times: usize) {
    let count = reasons.iter().filter(|reason| reason.contains(words)).count();
    assert_eq!(count, times, "{words}: {reasons:#?}");
}

#[test]
fn codex_does_not_list_what_its_settings_switch_off() {
    let env = world("home/.agents/skills");
    let model = ModelStandIn::start(&env, &[]);
    let Some(codex) = RealAgent::codex(&env, &model) else { return };
    let file = |name: &str| env.path("home/.agents/skills").join(name).join("SKILL.md").display().to_string();
    let folder = env.path("home/.agents/skills/set-d").display().to_string();
    let rules = format!(
        "[[skills.config]]\nname = \"set-a\"\nenabled = false\n\
         [[skills.config]]\npath = \"{}\"\nenabled = false\n\
         [[skills.config]]\npath = \"{}\"\nenabled = false\n\
         [[skills.config]]\nname = \"set-c\"\nenabled = true\n\
         [[skills.config]]\npath = \"{folder}\"\nenabled = false\n",
        file("set-b"),
        file("set-c"),
    );
    let config = std::fs::read_to_string(env.path("home/.codex/config.toml")).unwrap();
    env.write("home/.codex/config.toml", format!("{config}{rules}"));
    let theirs = listed_by_codex(&codex);
    let (ours, reasons) = told_by_us(&env, "codex");
    assert_eq!(ours_of(theirs.into_iter().map(|one| one.name)), ours);
    assert_eq!(ours, ["set-c", "set-d", "set-e"]);
    assert_said(&reasons, "`skills.config` in `~/.codex/config.toml` switches it off", 2);
    // Without those that it brings.
    env.write("home/.codex/config.toml", format!("{config}[skills.bundled]\nenabled = false\n"));
    let theirs: Vec<String> = listed_by_codex(&codex).into_iter().map(|one| one.name).collect();
    let report = env.run(&["skill", "context", "--for", "codex", "--json"]).ends(0).json();
    let names: Vec<&str> =
        report["skills"].as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap()).collect();
    assert_eq!(theirs, names);
}

#[test]
fn claude_code_lists_what_its_settings_leave() {
    let env = world("home/.claude/skills");
    let model = ModelStandIn::start(&env, &[]);
    let Some(claude) = RealAgent::claude_code(&env, &model) else { return };
    let user = json!({"skillOverrides": {"set-a": "off", "set-b": "name-only", "set-c": "user-invocable-only", "set-d": "off"}});
    env.write("home/.claude/settings.json", user.to_string());
    env.write("project/.claude/settings.json", json!({"skillOverrides": {"set-d": "on"}}).to_string());
    env.write("project/.claude/settings.local.json", json!({"skillOverrides": {"set-e": "off"}}).to_string());
    let events = claude.ask_claude("hi", &[]);
    let listed = listed_by_claude(&model);
    let bare: Vec<&str> = listed
        .iter()
        .filter(|(name, about)| name.starts_with("set-") && about.is_empty())
        .map(|(name, _)| name.as_str())
        .collect();
    assert_eq!(bare, ["set-b"]);
    let (ours, reasons) = told_by_us(&env, "claude-code");
    assert_eq!(ours_of(listed.into_iter().map(|(name, _)| name)), ours);
    assert_eq!(ours, ["set-b", "set-d"]);
    assert_said(&reasons, "`skillOverrides` in `~/.claude/settings.json` switches it off", 1);
    assert_said(&reasons, "`skillOverrides` in `~/.claude/settings.json`: only a person starts it", 1);
    assert_said(&reasons, "`skillOverrides` in `.claude/settings.local.json` switches it off", 1);
    let report = env.run(&["skill", "context", "--for", "claude-code"]).ends(0);
    assert!(report.stdout.contains("- set-b\n"), "{}", report.stdout);
    assert!(report.stderr.contains("by name alone"), "{}", report.stderr);
    // A person may still start one of those that the model does not hear of.
    let skills =
        ours_of(events[0]["skills"].as_array().unwrap().iter().filter_map(Value::as_str).map(str::to_owned));
    assert!(!skills.contains(&"set-a".to_owned()), "{skills:?}");
}

#[test]
fn gemini_cli_does_not_list_what_its_settings_disable() {
    let env = world("project/.agents/skills");
    let model = ModelStandIn::start(&env, &[]);
    let Some(gemini) = RealAgent::gemini(&env, &model) else { return };
    let user = |skills: Value, trust: Value| {
        let settings = json!({
            "security": {"folderTrust": trust, "auth": {"selectedType": "gemini-api-key"}}, "skills": skills});
        env.write("home/.gemini/settings.json", format!("// mine\n{settings}"));
    };
    let check = |expected: &[&str]| -> Vec<String> {
        let theirs = ours_of(listed_by_gemini(&gemini).0.into_iter().map(|one| one.name));
        let (ours, reasons) = told_by_us(&env, "gemini-cli");
        assert_eq!(theirs, ours);
        assert_eq!(ours, expected);
        reasons
    };
    env.write("project/.gemini/settings.json", json!({"skills": {"disabled": ["set-b"]}}).to_string());
    user(json!({"disabled": ["SET-A"]}), json!({"enabled": false}));
    let reasons = check(&["set-c", "set-d", "set-e"]);
    assert_said(&reasons, "`skills.disabled` in `~/.gemini/settings.json` switches it off", 1);
    assert_said(&reasons, "`skills.disabled` in `.gemini/settings.json` switches it off", 1);
    user(json!({"enabled": false}), json!({"enabled": false}));
    assert_said(&check(&[]), "`skills.enabled`", 4);
    // Without a word of its user it reads nothing of a project's.
    user(json!({}), json!({}));
    assert_said(&check(&[]), "a folder that is not trusted", 5);
    let trusted = json!({env.path("project").display().to_string(): "TRUST_FOLDER"});
    env.write("home/.gemini/trustedFolders.json", trusted.to_string());
    check(&["set-a", "set-c", "set-d", "set-e"]);
}

/// The skills in the text that OpenCode gives its model.
fn listed_by_opencode_to_its_model(model: &ModelStandIn) -> Vec<String> {
    let text = model.requests().iter().map(Value::to_string).collect::<String>();
    NAMES
        .iter()
        .filter(|name| text.contains(&format!("<name>{name}</name>")))
        .map(|name| (*name).to_owned())
        .collect()
}

#[test]
fn opencode_does_not_tell_its_model_what_its_permissions_deny() {
    let env = world("project/.agents/skills");
    let model = ModelStandIn::start(&env, &[]);
    let Some(opencode) = RealAgent::opencode(&env) else { return };
    env.write(
        "home/.config/opencode/opencode.json",
        opencode_settings(&model, json!({"skill": {"*": "deny", "set-c": "ask", "set-d": "allow"}}))
            .to_string(),
    );
    env.write(
        "project/opencode.jsonc",
        "{\n  // ours\n  \"permission\": {\"skill\": {\"set-d\": \"deny\", \"set-e\": \"allow\"}},\n}\n",
    );
    opencode.run(&["run", "hi"]);
    let theirs = listed_by_opencode_to_its_model(&model);
    let (ours, reasons) = told_by_us(&env, "opencode");
    assert_eq!(theirs, ours);
    assert_eq!(ours, ["set-c", "set-e"]);
    assert_said(&reasons, "`permission.skill` in `opencode.jsonc` switches it off", 1);
    assert_said(&reasons, "`permission.skill` in `~/.config/opencode/opencode.json` switches it off", 2);
}
