//! `skill context`: what an agent is told of its skills, and what it is not.

use crate::env::TestEnv;

fn skill(env: &TestEnv, folder: &str, more: &str) {
    let name = folder.rsplit('/').next().unwrap();
    let text = format!(
        "---\nname: {name}\ndescription: Reads and writes {name} files, in every form that there is. Use for {name}.\n{more}---\n\n# {name}\n\nDo it.\n"
    );
    env.write(&format!("{folder}/SKILL.md"), &text);
}

fn names(document: &serde_json::Value, key: &str) -> Vec<String> {
    let items = document[key].as_array().unwrap().iter();
    items.map(|one| one["name"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn the_list_goes_to_stdout_and_what_it_lacks_to_stderr() {
    let env = TestEnv::new();
    skill(&env, "home/.claude/skills/mine", "");
    skill(&env, "project/.claude/skills/ours", "mode: true\n");
    skill(&env, "project/.claude/skills/by-hand", "disable-model-invocation: true\n");
    skill(
        &env,
        "project/.claude/skills/needs",
        "metadata:\n  openclaw:\n    requires:\n      bins: [no-such-program]\n",
    );
    env.write("project/.claude/skills/broken/SKILL.md", "---\nname: [\n---\n");
    let ran = env.run(&["skill", "context"]).ends(0);
    let lines: Vec<&str> = ran.stdout.lines().collect();
    assert_eq!(lines[0], "<available_skills>");
    assert!(lines[1].starts_with("\"ours\": Reads and writes ours files"), "{}", ran.stdout);
    assert_eq!(lines.last(), Some(&"</available_skills>"));
    for words in [
        "3 skills; the agent will not see",
        "`no-such-program` is not in PATH",
        "only a person starts it",
        "broken",
    ] {
        assert!(ran.stderr.contains(words), "{words}: {}", ran.stderr);
    }
    let document = env.run(&["skill", "context", "--json"]).ends(0).json();
    assert_eq!(names(&document, "omitted"), ["broken", "by-hand", "needs"]);
    assert_eq!(document["status"], "full");
    let again = env.run(&["skill", "context", "--json"]).ends(0).json();
    assert_eq!(document, again, "the same again for the same");
}

#[test]
fn a_small_budget_leaves_names_and_says_what_is_missing() {
    let env = TestEnv::new();
    for n in 0..60 {
        skill(&env, &format!("project/.claude/skills/skill-{n:02}"), "");
    }
    let run = |budget: &str, more: &[&str]| {
        env.run(&[&["skill", "context", "--budget", budget][..], more].concat())
    };
    assert!(run("20000", &[]).ends(0).stderr.contains("in full"));
    assert!(run("15000", &["--strict"]).ends(0).stderr.contains("cut to"));
    assert!(run("3000", &["--strict"]).ends(6).stderr.contains("listed by name alone"));
    let dropped = run("1000", &[]).ends(0);
    assert!(dropped.stdout.contains("more: search_skills\n</available_skills>"), "{}", dropped.stdout);
    assert!(dropped.stderr.contains("for want of room"), "{}", dropped.stderr);
    let document = run("1000", &["--json", "--strict"]).ends(6).json();
    let shown = document["skills"].as_array().unwrap().len();
    assert_eq!(shown + document["omitted"].as_array().unwrap().len(), 62, "with the two built in");
    assert!(document["used"]["metadata"].as_u64().unwrap() <= 400);
    run("199", &[]).ends(2);
    run("15000", &["--format", "html"]).ends(2);
    run("15000", &["--for", "nobody"]).ends(2);
}

#[test]
fn up_to_three_active_skills_share_their_part_of_the_context() {
    let env = TestEnv::new();
    for name in ["a", "b", "c", "d"] {
        let text = format!(
            "---\nname: {name}\ndescription: What it does and when.\n---\n{}",
            format!("{name} does it\n").repeat(400)
        );
        env.write(&format!("project/.claude/skills/{name}/SKILL.md"), &text);
    }
    let document = env.run(&["skill", "context", "--active", "a,b,c", "--json"]).ends(0).json();
    assert_eq!(names(&document, "active"), ["a", "b", "c"]);
    let used: u64 =
        document["active"].as_array().unwrap().iter().map(|one| one["chars"].as_u64().unwrap()).sum();
    assert!(used <= 4_500 && used > 4_000 && document["used"]["active"] == used);
    let text = document["active"][0]["text"].as_str().unwrap();
    assert!(text.contains("cut here; read on in") && text.contains("/a/SKILL.md"), "{text}");
    env.run(&["skill", "context", "--active", "a,b,c,d"]).ends(2);
    let error = env.run(&["skill", "context", "--active", "aa"]).ends(3);
    assert!(error.stderr.contains("did you mean `a`"), "{}", error.stderr);
}

#[test]
fn outside_of_any_project_the_users_skills_are_listed() {
    let env = TestEnv::new();
    skill(&env, "home/.claude/skills/mine", "");
    let document = env.run_in("home", &["skill", "context", "--json"]).ends(0).json();
    assert_eq!((document["scope"].as_str(), names(&document, "skills")[0].as_str()), (Some("user"), "mine"));
    let one = env.run_in("home", &["skill", "context", "--for", "claude-code"]).ends(0);
    assert!(one.stdout.starts_with("- mine: Reads"), "{}", one.stdout);
}

/// What nothing fits into, and what no setting is called, is said before anything is printed.
#[test]
fn a_budget_or_a_setting_that_cannot_be_is_wrong_usage() {
    let env = TestEnv::new();
    skill(&env, "project/.claude/skills/pdf", "");
    for budget in ["199", "0", "-5", "many", "99999999999999999999999"] {
        let run = env.run(&["skill", "context", &format!("--budget={budget}")]).ends(2);
        assert_eq!(run.stdout, "", "{budget}");
    }
    env.run(&["skill", "context", "--budget=200"]).ends(0);
    for (text, words) in [
        ("loader: {context_budget: {total_chars: 199}}", "total_chars"),
        ("loader: {formt: plain}", "formt"),
        ("runtime: {hot_swap: {watch_intervall: 5}}", "watch_intervall"),
        ("runtime: {skill_permissions: {pdf: {forbiden_operations: [rm]}}}", "forbiden_operations"),
        ("monitoring: {alert_thresholds: {denials: 1}}", "denials"),
        ("unheard_of: 1", "unheard_of"),
    ] {
        for file in [
            "project/.ba-agent/config.yaml",
            "project/claude-skills-loader-config.yaml",
            "settings/config.yaml",
        ] {
            env.write(file, format!("# one line\n{text}\n"));
            let run = env.run(&["skill", "context"]).ends(2).says(words);
            let name = file.rsplit('/').next().unwrap();
            assert!(run.stderr.contains(name), "{file} {text}: {}", run.stderr);
            std::fs::remove_file(env.path(file)).unwrap();
        }
    }
}
