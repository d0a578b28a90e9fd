//! `install --from` and `export`: the lock files of other tools.

use serde_json::{Value, json};

use crate::env::{TestEnv, commit, skill_md};

/// A repository whose `pdf` moved on after its first commit.
fn world() -> (TestEnv, String, String) {
    let env = TestEnv::new();
    env.skill("src/skills/pdf").file("scripts/run.py", "print()\n");
    env.skill("src/skills/docx");
    let repo = env.git_repo("repo.git", &env.path("src"));
    let first = repo.refname_to_id("refs/heads/main").unwrap().to_string();
    env.write("src/skills/pdf/SKILL.md", skill_md("pdf", "The second edition of it, quite another."));
    commit(&repo, "refs/heads/main", &env.path("src"), "second");
    let url = format!("file://{}", env.path("repo.git").display());
    (env, url, first)
}

fn lock(url: &str, extra: &Value) -> String {
    let mut skill = json!({
        "source": url, "sourceUrl": url, "sourceType": "git", "skillPath": "skills/pdf/SKILL.md",
        "computedHash": "0".repeat(64),
    });
    for (key, value) in extra.as_object().unwrap() {
        skill[key] = value.clone();
    }
    json!({ "version": 1, "skills": { "pdf": skill } }).to_string()
}

#[test]
fn a_lock_of_skills_is_imported_and_pinned_now() {
    let (env, url, _) = world();
    env.write("project/skills-lock.json", lock(&url, &json!({})));
    // The hash of another edition without a commit: the source has moved on.
    env.run(&["skill", "install", "--from", "skills-lock.json"])
        .ends(0)
        .says("has changed since the lock file");
    let entry = &env.registry()["skills"]["pdf"];
    assert_eq!((&entry["path"], &entry["source"]), (&"skills/pdf".into(), &url.clone().into()));
    assert!(env.read("project/.claude/skills/pdf/SKILL.md").contains("second edition"));
    env.run(&["skill", "install", "--frozen"]).ends(0);
}

#[test]
fn an_export_names_the_commit_and_comes_back_to_the_byte() {
    let (env, url, first) = world();
    env.run(&["skill", "install", &url, "-s", "pdf", "--sha", &first]).ends(0);
    env.run(&["skill", "export", "--output", "skills-lock.json"]).ends(0).says("Wrote");
    let text = env.read("project/skills-lock.json");
    let document: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(
        (&document["version"], &document["skills"]["pdf"]["commit"]),
        (&1.into(), &first.clone().into())
    );
    let printed = env.run(&["skill", "export"]).ends(0).stdout;
    assert_eq!(printed, text.replace(env.root().to_str().unwrap(), "[ROOT]"));
    let before = env.picture("project/.claude");
    env.run(&["skill", "uninstall", "pdf"]).ends(0);
    env.run(&["skill", "install", "--from", "skills-lock.json"]).ends(0);
    assert_eq!(env.picture("project/.claude"), before, "the old edition, by its commit");
    // Another digest at that commit is no import.
    env.run(&["skill", "uninstall", "pdf"]).ends(0);
    let digest = document["skills"]["pdf"]["integrity"].as_str().unwrap();
    env.write("project/skills-lock.json", text.replace(digest, &format!("sha256:{}", "1".repeat(64))));
    let run = env.run(&["skill", "install", "--from", "skills-lock.json"]).ends(6);
    assert!(run.stderr.contains("does not match the lock file"), "{}", run.stderr);
    assert!(!env.path("project/.claude/skills/pdf").exists());
}

#[test]
fn a_damaged_lock_is_an_error_and_never_an_empty_one() {
    let (env, url, _) = world();
    let sound = lock(&url, &json!({}));
    for (text, status) in [
        (sound[..sound.len() / 2].to_owned(), 8),
        (format!("<<<<<<< a\n{sound}"), 8),
        ("{}".to_owned(), 8),
        (sound.replace("\"version\":1", "\"version\":99"), 7),
    ] {
        env.write("project/skills-lock.json", &text);
        env.run(&["skill", "install", "--from", "skills-lock.json"]).ends(status);
        assert!(!env.path("project/.claude").exists());
        assert_eq!(env.read("project/skills-lock.json"), text);
    }
    env.run(&["skill", "install", "--from", "nothing.json"]).ends(3);
    env.run(&["skill", "install", "--from", "skills-lock.json", "--all"]).ends(2);
}

#[test]
fn an_apm_lock_is_imported_at_its_commit() {
    let (mut env, _, first) = world();
    env.set("BA_AGENT_GITHUB_URL", format!("file://{}", env.path("hub").display()));
    std::fs::create_dir_all(env.path("hub/acme")).unwrap();
    std::fs::rename(env.path("repo.git"), env.path("hub/acme/repo.git")).unwrap();
    env.write(
        "project/apm.lock.yaml",
        format!(
            "lockfile_version: \"1\"\ndependencies:\n  - repo_url: acme/repo\n    host: github.com\n    \
             resolved_commit: {first}\n    virtual_path: skills/pdf\n    package_type: claude_skill\n    \
             deployed_files:\n      - .claude/skills/pdf\n"
        ),
    );
    let run = env.run(&["skill", "install", "--from", "apm.lock.yaml"]);
    assert_eq!(run.status, 0, "{}", run.stderr);
    assert_eq!(env.registry()["skills"]["pdf"]["pin"]["commit"], first);
    assert!(env.read("project/.claude/skills/pdf/SKILL.md").contains("Does pdf"));
}
