//! `doctor`: finds every sort of thing that can be wrong, mends exactly what is safe.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::env::{Run, TestEnv};

/// A project with a skill in two targets, one as a link, and a second skill.
fn installed() -> TestEnv {
    let env = TestEnv::new();
    env.skill("src/pdf").file("notes.md", "notes\n");
    env.skill("src/docx");
    env.run(&["skill", "install", "../src/pdf", "--agent", "claude-code", "--agent", "augment"]).ends(0);
    env.run(&["skill", "install", "../src/docx"]).ends(0);
    env
}

/// The codes of the findings of one list of a run.
fn codes(run: &Run, list: &str) -> Vec<String> {
    let json = run.json();
    json[list].as_array().unwrap().iter().map(|one| one["code"].as_str().unwrap().to_owned()).collect()
}

fn doctor(env: &TestEnv, status: i32, expected: &[&str]) -> Value {
    let run = env.run(&["doctor", "--json"]).ends(status);
    assert_eq!(codes(&run, "findings"), expected, "{}", run.stdout);
    run.json()
}

/// Runs `--fix` and says what was fixed and what was left.
fn fix(env: &TestEnv, status: i32) -> (Vec<String>, Vec<String>) {
    let run = env.run(&["doctor", "--fix", "--json"]).ends(status);
    (codes(&run, "fixed"), codes(&run, "findings"))
}

#[test]
fn what_is_healthy_has_no_findings() {
    let env = installed();
    let before = env.picture("");
    let told = doctor(&env, 0, &[]);
    assert_eq!(told["healthy"], true);
    assert_eq!(told["facts"]["base"], "[PROJECT]");
    assert_eq!(told["facts"]["skills"], "2");
    let run = env.run(&["doctor"]).ends(0).says("Examined this project: no problems found");
    assert_eq!(run.stdout, "");
    let facts = env.run(&["doctor", "--verbose"]).ends(0).stdout;
    assert!(facts.contains("libgit2    1.") && facts.contains("cache      [ROOT]/cache"), "{facts}");
    env.run(&["doctor", "--fix"]).ends(0);
    env.run(&["doctor", "--global"]).ends(0).says("Examined your user account: no problems found");
    assert_eq!(env.picture(""), before, "the disk changed");
    env.run_in("home", &["doctor"]).ends(2).says("--global");
}

#[test]
fn an_empty_project_is_healthy_and_nothing_is_made_in_it() {
    let env = TestEnv::new();
    let before = env.picture("");
    doctor(&env, 0, &[]);
    env.run(&["doctor", "--fix"]).ends(0);
    assert_eq!(env.picture(""), before);
}

#[test]
fn edits_are_named_and_never_touched() {
    let env = installed();
    env.write("project/.claude/skills/pdf/notes.md", "mine\n");
    std::fs::remove_file(env.path("project/.claude/skills/docx/SKILL.md")).unwrap();
    let before = env.picture("project");
    let told = doctor(&env, 6, &["drift", "drift"]);
    assert_eq!(told["findings"][1]["details"][0], "changed: .claude/skills/pdf/notes.md");
    assert_eq!(fix(&env, 6), (vec![], vec!["drift".into(), "drift".into()]));
    assert_eq!(env.picture("project"), before);
    let run = env.run(&["doctor"]).ends(6).says("2 things wrong");
    assert!(run.stdout.contains("error[drift]: `pdf` is not what was installed\n"), "{}", run.stdout);
    assert!(!run.stdout.contains("--fix:"), "{}", run.stdout);
}

#[cfg(unix)]
#[test]
fn a_missing_or_wrong_link_is_made_again() {
    use std::os::unix::fs::symlink;
    let env = installed();
    env.skill("author/live");
    env.run(&["skill", "install", "../author/live", "--link"]).ends(0);
    let sound = env.picture("project");
    let (link, live) = (env.path("project/.augment/skills/pdf"), env.path("project/.claude/skills/live"));
    std::fs::remove_dir_all(link.parent().unwrap()).unwrap();
    std::fs::remove_file(&live).unwrap();
    let told = doctor(&env, 6, &["link", "link"]);
    assert_eq!(told["findings"][0]["fix"], "create the link again");
    assert_eq!(fix(&env, 0), (vec!["link".into(), "link".into()], vec![]));
    let bare = |text: &String| text.trim_end_matches('/').to_owned();
    let links = |seen: &BTreeMap<String, String>| seen.values().map(bare).collect::<Vec<_>>();
    assert_eq!(links(&env.picture("project")), links(&sound));
    env.run(&["skill", "verify"]).ends(0);

    std::fs::remove_file(&link).unwrap();
    symlink("../../somewhere", &link).unwrap();
    let run = env.run(&["doctor"]).ends(6);
    assert!(run.stdout.contains("is a link that points at `../../somewhere` instead of"), "{}", run.stdout);
    assert_eq!(fix(&env, 0), (vec!["link".into()], vec![]));
    assert_eq!(links(&env.picture("project")), links(&sound));
    // Without the folder that it would lead to there is nothing to link.
    std::fs::remove_file(&link).unwrap();
    std::fs::remove_dir_all(env.path("project/.claude/skills/pdf")).unwrap();
    assert_eq!(fix(&env, 6), (vec![], vec!["missing".into()]));
    assert!(!link.exists());
}

#[test]
fn folders_that_the_registry_does_not_know_are_mentioned_and_stay() {
    let env = installed();
    env.skill("project/.claude/skills/by-hand");
    env.skill("project/.augment/skills/docx");
    env.write("project/.claude/skills/.hidden/x", "x");
    let told = doctor(&env, 0, &["orphan", "orphan"]);
    let names: Vec<&str> = (0..2).map(|n| told["findings"][n]["details"][0].as_str().unwrap()).collect();
    assert_eq!(names, ["by-hand", "docx"]);
    let before = env.picture("project");
    assert_eq!(fix(&env, 0).0, Vec::<String>::new());
    assert_eq!(env.picture("project"), before);
}

/// Kills a command at one of its steps and returns the world it leaves.
fn killed(step: usize) -> TestEnv {
    let env = installed();
    env.skill("src/xlsx");
    let mut command = env.command(&["skill", "install", "../src/xlsx"]);
    let output = command.env("BA_AGENT_FAULT", format!("kill:{step}")).output().unwrap();
    assert!(!output.status.success(), "step {step} is none");
    env
}

#[test]
fn what_a_killed_command_left_is_found_first_and_then_mended() {
    let mut journals = 0;
    for step in 5..24 {
        let env = killed(step);
        let before = env.picture("project");
        let run = env.run(&["doctor", "--json"]);
        assert_eq!(env.picture("project"), before, "looking changed something at step {step}");
        let found = codes(&run, "findings");
        journals += usize::from(found.iter().any(|code| code == "journal"));
        assert_eq!(run.status, if found.is_empty() { 0 } else { 6 }, "{found:?}");
        let (fixed, left) = fix(&env, 0);
        assert_eq!((fixed, left), (found, vec![]), "step {step}");
        let rest = env.picture("project");
        assert!(!rest.keys().any(|path| path.contains(".ba-agent-") || path.ends_with(".new")), "{rest:?}");
        env.run(&["skill", "verify"]).ends(0);
    }
    assert!(journals >= 5, "only {journals} of the kills left a journal");
}

#[test]
fn staging_folders_whose_journal_is_gone_are_removed_those_of_others_are_not() {
    // The step at which new content is staged, found by trying.
    let staged = |env: &TestEnv| {
        let left = env.picture("project/.claude/skills");
        left.keys().find(|path| path.starts_with(".ba-agent-") && !path.contains('/')).cloned()
    };
    let (env, folder) = (5..24)
        .find_map(|step| {
            let env = killed(step);
            let folder = staged(&env)?;
            Some((env, folder))
        })
        .expect("no kill leaves a staging folder");
    std::fs::remove_file(env.state().join("journal.json")).unwrap();
    env.write("project/.claude/skills/.ba-agent-00000000-1/1/SKILL.md", "in use by another project");
    env.write("project/config/.skills_registry.json.new", "half a registry");
    env.write("project/config/.ba-agent-notes", "somebody's");
    let told = doctor(&env, 6, &["staging", "staging", "staging"]);
    assert!(told["findings"][0]["message"].as_str().unwrap().contains(&folder));
    assert_eq!(told["findings"][2]["severity"], "info");
    assert_eq!(fix(&env, 0), (vec!["staging".into(), "staging".into()], vec!["staging".into()]));
    assert_eq!(staged(&env).as_deref(), Some(".ba-agent-00000000-1"));
    assert!(!env.path("project/config/.skills_registry.json.new").exists());
    assert_eq!(env.read("project/config/.ba-agent-notes"), "somebody's");
}

#[test]
fn while_another_command_runs_nothing_of_it_is_touched() {
    let env = killed(14);
    assert!(env.state().join("journal.json").exists(), "this step is too early");
    let before = env.picture("project");
    let holder = std::fs::File::options().write(true).open(env.state().join("lock")).unwrap();
    holder.lock().unwrap();
    let told = doctor(&env, 0, &["busy"]);
    assert_eq!(told["healthy"], true);
    env.run(&["doctor", "--fix"]).ends(0).says("Examined");
    // What a running command has not finished is nothing to warn of.
    let run = env.run(&["skill", "list"]).ends(0);
    assert!(!run.stderr.contains("killed"), "{}", run.stderr);
    drop(holder);
    assert_eq!(env.picture("project"), before);
}

#[test]
fn journals_and_locks_in_a_project_are_named_and_never_obeyed() {
    let env = installed();
    let precious = env.write("precious/file", "precious");
    let journal = format!(
        r#"{{"phase":"staging","stagings":{{"/x":"{}"}},"made":[],"swaps":[],"registry_before":null,
            "registry_after":""}}"#,
        precious.parent().unwrap().display()
    );
    env.write("project/config/.skills_registry.journal", journal);
    #[cfg(unix)]
    for lock in ["skills_registry", "skills_marketplaces"] {
        let at = env.path(&format!("project/config/.{lock}.lock"));
        std::os::unix::fs::symlink(&precious, at).unwrap();
    }
    let before = (env.picture("project"), env.picture("precious"));
    let run = env.run(&["doctor", "--fix", "--json"]).ends(0);
    assert!(codes(&run, "findings").iter().all(|code| code == "stray"), "{}", run.stdout);
    env.skill("src/market/skills/x");
    for args in [
        &["skill", "list"][..],
        &["skill", "list", "--offline"],
        &["skill", "install", "--frozen"],
        &["skill", "install"],
        &["skill", "verify"],
    ] {
        let run = env.run(args).ends(0);
        assert!(!run.stderr.contains("killed"), "{args:?} {}", run.stderr);
        assert_eq!((env.picture("project"), env.picture("precious")), before, "{args:?}");
    }
    env.run(&["skill", "uninstall", "docx"]).ends(0);
    env.run(&["marketplace", "add", "m", "../src/market"]).ends(0);
    assert_eq!(env.picture("precious"), before.1);
}

#[test]
fn a_registry_that_cannot_be_read_is_told_and_left() {
    for (text, words) in [
        ("<<<<<<< ours\n{}\n=======\n{}\n>>>>>>> theirs\n", "git conflict markers on line 1"),
        ("{\"schema_version\": \"1.0\", \"skills\": 7}", "not a valid registry"),
        ("not json", "not valid JSON: line 1"),
        ("{\"schema_version\": \"9.0\"}", "schema version 9.0"),
    ] {
        let env = installed();
        env.write("project/config/skills_registry.json", text);
        let told = doctor(&env, 6, &["registry"]);
        assert!(told["findings"][0]["message"].as_str().unwrap().contains(words), "{told}");
        assert!(!told["findings"][0]["hints"].as_array().unwrap().is_empty());
        fix(&env, 6);
        assert_eq!(env.read("project/config/skills_registry.json"), text);
    }
}

#[test]
fn a_list_of_marketplaces_that_cannot_be_used_is_told() {
    let env = installed();
    env.write("project/config/skills_marketplaces.json", "nonsense");
    doctor(&env, 6, &["marketplaces"]);
    #[cfg(unix)]
    {
        std::fs::remove_file(env.path("project/config/skills_marketplaces.json")).unwrap();
        let elsewhere = env.write("elsewhere.json", "{}");
        std::os::unix::fs::symlink(elsewhere, env.path("project/config/skills_marketplaces.json")).unwrap();
        doctor(&env, 6, &["marketplaces"]);
    }
}

#[test]
fn settings_that_cannot_be_read_do_not_hide_the_rest() {
    let env = installed();
    env.write("project/.ba-agent/config.yaml", "skills:\n  instal_dir: x\n");
    env.write("settings/config.yaml", "skills: [\n");
    env.write("project/.claude/skills/pdf/notes.md", "mine\n");
    let told = doctor(&env, 6, &["settings", "settings", "drift"]);
    let text = told["findings"].to_string();
    assert!(text.contains("instal_dir") && text.contains("line 2"), "{text}");
}

#[test]
fn cache_and_data_folders_that_cannot_be_used_are_told() {
    let mut env = installed();
    env.write("a-file", "x");
    env.set("BA_AGENT_CACHE_DIR", env.path("a-file/cache").display().to_string());
    env.set("BA_AGENT_DATA_DIR", env.path("a-file").display().to_string());
    let told = doctor(&env, 6, &["cache", "data"]);
    assert!(told["findings"][0]["message"].as_str().unwrap().contains("[ROOT]/a-file/cache"), "{told}");
    assert!(told["findings"][0]["hints"][0].as_str().unwrap().contains("BA_AGENT_CACHE_DIR"));
}

#[test]
fn a_name_in_both_scopes_a_missing_token_and_a_missing_ssh_are_told() {
    let mut env = installed();
    env.run(&["skill", "install", &env.path("src/pdf").display().to_string(), "--global"]).ends(0);
    let told = doctor(&env, 0, &["twice"]);
    assert_eq!(told["findings"][0]["details"], serde_json::json!(["pdf"]));
    // As if it had come from elsewhere: nobody is asked, so the record alone counts.
    let text = env.read("project/config/skills_registry.json");
    let own = "../src/docx";
    let from = |source: &str, kind: &str| {
        text.replacen(own, source, 1).replacen("\"kind\": \"local\"", &format!("\"kind\": \"{kind}\""), 1)
    };
    env.write("project/config/skills_registry.json", from("github:o/r", "github"));
    // Public repositories need no token: that none is set is a fact, and nothing to look at.
    let told = doctor(&env, 0, &["twice"]);
    assert_eq!(told["facts"]["tokens"], "github (1 skill): GITHUB_TOKEN is not set");
    env.set("GITHUB_TOKEN", "secret-of-the-test");
    let told = doctor(&env, 0, &["twice"]);
    assert_eq!(told["facts"]["tokens"], "github (1 skill): GITHUB_TOKEN is set");
    assert!(!told.to_string().contains("secret-of-the-test"));
    env.write("project/config/skills_registry.json", from("git@example.org:o/r.git", "git"));
    env.set("GIT_SSH", "/no/such/program");
    doctor(&env, 6, &["twice", "ssh"]);
}

#[test]
fn a_journal_that_cannot_be_read_is_told_and_left() {
    let env = installed();
    let journal = env.state().join("journal.json");
    std::fs::write(&journal, "not json").unwrap();
    assert_eq!(fix(&env, 6), (vec![], vec!["journal".into()]));
    assert_eq!(std::fs::read_to_string(journal).unwrap(), "not json");
    env.run(&["skill", "list"]).ends(0).says("a killed command has unfinished changes here");
}

#[cfg(unix)]
#[test]
fn a_doctor_that_is_killed_leaves_nothing_that_the_next_one_cannot_mend() {
    let link = |env: &TestEnv| env.path("project/.augment/skills/pdf");
    let mut kills = 0;
    for step in 1..20 {
        let env = installed();
        let sound = env.picture("project");
        std::fs::remove_file(link(&env)).unwrap();
        let mut command = env.command(&["doctor", "--fix"]);
        let output = command.env("BA_AGENT_FAULT", format!("kill:{step}")).output().unwrap();
        kills += usize::from(!output.status.success());
        env.run(&["doctor", "--fix"]).ends(0);
        assert_eq!(env.picture("project"), sound, "step {step}");
    }
    assert!(kills >= 5, "only {kills} kills");
}
