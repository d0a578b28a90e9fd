//! Agents: which are used, where skills go, and how one of them loses a skill.

use serde_json::{Value, json};

use crate::env::TestEnv;

fn used(env: &TestEnv, args: &[&str]) -> Vec<String> {
    let document = env.run(&[&["agents", "--json"], args].concat()).ends(0).json();
    let agents = document["agents"].as_array().unwrap().clone();
    let is_used = |agent: &Value| agent["in_project"] == true || agent["in_home"] == true;
    agents
        .iter()
        .filter(|agent| is_used(agent))
        .map(|agent| agent["id"].as_str().unwrap().to_owned())
        .collect()
}

fn installed_for(env: &TestEnv, agents: &[&str]) {
    env.skill("src/pdf").file("notes.md", "one\n");
    let mut args = vec!["install", "../src/pdf"];
    agents.iter().for_each(|agent| args.extend(["--agent", agent]));
    env.run(&args).ends(0);
}

#[test]
fn agents_that_are_used_are_found_and_change_nothing_by_themselves() {
    let env = TestEnv::new();
    assert_eq!(used(&env, &[]), Vec::<String>::new());
    for folder in ["project/.cursor", "project/.codex", "home/.gemini"] {
        std::fs::create_dir_all(env.path(folder)).unwrap();
    }
    assert_eq!(used(&env, &[]), ["codex", "cursor", "gemini-cli"]);
    assert_eq!(used(&env, &["--global"]), ["gemini-cli"]);
    let table = env.run(&["agents"]).ends(0);
    assert!(table.stdout.contains("claude-code\tClaude Code\t-\t.claude/skills\tyes\n"), "{}", table.stdout);
    assert!(table.stdout.contains("codex\tCodex\tproject\t.agents/skills\t-\n"), "{}", table.stdout);
    assert!(env.run(&["agents", "--all"]).ends(0).stdout.lines().count() > 40);
    // Where nobody has said anything, what receives skills is said, not guessed.
    env.skill("src/pdf");
    let said = "skills go to .claude/skills (claude-code), which is not used here; codex, cursor are";
    env.run(&["install", "../src/pdf"]).ends(0).says(said).says("`--agent codex --agent cursor`");
    assert!(env.path("project/.claude/skills/pdf/SKILL.md").is_file());
    env.skill("src/docx");
    let run = env.run(&["install", "../src/docx"]).ends(0);
    assert!(!run.stderr.contains("not used here"), "{}", run.stderr);
}

#[test]
fn nothing_is_said_where_somebody_has_chosen() {
    let env = TestEnv::new();
    std::fs::create_dir_all(env.path("project/.cursor")).unwrap();
    env.skill("src/pdf");
    let run = env.run(&["install", "../src/pdf", "--agent", "codex", "--dry-run"]).ends(0);
    assert!(!run.stderr.contains("not used here"), "{}", run.stderr);
    env.write("settings/config.yaml", "skills:\n  agents: [claude-code]\n");
    let run = env.run(&["install", "../src/pdf"]).ends(0);
    assert!(!run.stderr.contains("not used here"), "{}", run.stderr);
}

#[test]
fn an_unknown_agent_in_the_settings_is_an_error_of_whoever_reads_it() {
    let env = TestEnv::new();
    env.write("settings/config.yaml", "skills:\n  agents: [claud-code]\n");
    env.skill("src/pdf");
    for args in [&["list"][..], &["install", "../src/pdf"], &["agents"], &["verify"], &["doctor"]] {
        let run = env.run(args);
        let said = format!("{}{}", run.stdout, run.stderr);
        assert!(said.contains("`claud-code`") && said.contains("claude-code"), "{args:?}: {said}");
        let needs_it = ["install", "agents", "doctor"].contains(&args[0]);
        assert_eq!(run.status != 0, needs_it, "{args:?}: {said}");
    }
}

#[test]
fn another_target_is_added_and_not_called_replaced() {
    let env = TestEnv::new();
    installed_for(&env, &["claude-code"]);
    let args = ["install", "../src/pdf", "--agent", "claude-code", "--agent", "codex"];
    env.run(&[&args[..], &["--dry-run"]].concat()).ends(0).says("Would add pdf to .agents/skills");
    env.run(&args).ends(0).says("Added pdf to .agents/skills");
    assert_eq!(env.registry()["skills"]["pdf"]["targets"], json!(["claude-code", "codex"]));
}

#[cfg(unix)]
#[test]
fn one_agent_loses_a_skill_and_the_others_keep_it() {
    let env = TestEnv::new();
    installed_for(&env, &["claude-code", "codex", "cursor", "roo"]);
    let whole = env.picture("project");
    // A link goes, the files stay.
    let run = env.run(&["uninstall", "pdf", "--agent", "roo"]).ends(0);
    run.says("Removed pdf from .roo/skills; it stays for claude-code, codex, cursor");
    assert!(!env.path("project/.roo/skills/pdf").exists());
    env.run(&["verify"]).ends(0);
    // Two agents read one folder.
    env.run(&["uninstall", "pdf", "--agent", "cursor"]).ends(0).says("whose folder others read");
    assert!(env.path("project/.agents/skills/pdf/SKILL.md").is_file());
    // The files move to the next target, though the source and the cache are gone.
    std::fs::remove_dir_all(env.path("src")).unwrap();
    env.run(&["cache", "clear", "--yes"]).ends(0);
    env.run(&["uninstall", "pdf", "--agent", "claude-code"]).ends(0).says("it stays for codex");
    assert!(!env.path("project/.claude/skills/pdf").exists());
    let folder = env.path("project/.agents/skills/pdf");
    assert!(folder.symlink_metadata().unwrap().is_dir() && folder.join("notes.md").is_file());
    env.run(&["verify"]).ends(0);
    assert_eq!(env.registry()["skills"]["pdf"]["targets"], json!(["codex"]));
    // And back again, one change after the other.
    for _ in 0..3 {
        env.run(&["rollback", "--yes"]).ends(0);
    }
    env.run(&["rollback", "--to", "2", "--yes"]).ends(0);
    env.run(&["verify"]).ends(0);
    let files = |picture: &std::collections::BTreeMap<String, String>| {
        picture
            .iter()
            .filter(|(path, _)| path.contains("skills/pdf"))
            .map(|(a, b)| (a.clone(), b.clone()))
            .collect::<Vec<_>>()
    };
    assert_eq!(files(&env.picture("project")), files(&whole));
}

#[test]
fn the_last_target_takes_the_record_with_it() {
    let env = TestEnv::new();
    installed_for(&env, &["claude-code", "codex"]);
    env.run(&["uninstall", "pdf", "--agent", "gemini-cli"]).ends(3).says("is not installed for `gemini-cli`");
    env.run(&["uninstall", "pdf", "--agent", "codx"]).ends(2).says("did you mean `codex`?");
    env.run(&["uninstall", "pdf", "--agent", "claude-code", "--agent", "codex"]).ends(0);
    assert_eq!(env.registry()["skills"], json!({}));
}

#[test]
fn edits_are_not_lost_with_a_target() {
    let env = TestEnv::new();
    installed_for(&env, &["claude-code", "codex"]);
    env.write("project/.claude/skills/pdf/notes.md", "mine\n");
    let before = env.picture("project");
    env.run(&["uninstall", "pdf", "--agent", "claude-code"]).ends(7).says("skill restore pdf");
    assert_eq!(env.picture("project"), before);
    // The edited folder stays where it is.
    env.run(&["uninstall", "pdf", "--agent", "codex"]).ends(0);
    assert_eq!(env.read("project/.claude/skills/pdf/notes.md"), "mine\n");
    let env = TestEnv::new();
    env.skill("src/pdf");
    env.run(&["install", "../src/pdf", "--copy", "--agent", "claude-code", "--agent", "codex"]).ends(0);
    env.write("project/.agents/skills/pdf/SKILL.md", "mine\n");
    env.run(&["uninstall", "pdf", "--agent", "codex"]).ends(7);
    assert_eq!(env.read("project/.agents/skills/pdf/SKILL.md"), "mine\n");
}
