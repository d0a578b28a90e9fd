//! Versions of a skill side by side: kept by `install` and `update`, listed, used, and read by two
//! at the same time.

use std::collections::BTreeMap;

use crate::dice::times;
use crate::env::{TestEnv, commit, copy_tree, skill_md};

fn manifest(version: Option<&str>, text: &str) -> String {
    let manifest = skill_md("pdf", "Does pdf. Use it when pdf is wanted.");
    let line = version.map_or_else(String::new, |version| format!("version: {version}\n"));
    format!("{}{text}\n", manifest.replacen("---\n", &format!("---\n{line}"), 1))
}

/// A repository whose `main` has `pdf` in its first version, which is installed.
fn world(version: Option<&str>) -> (TestEnv, git2::Repository) {
    let env = TestEnv::new();
    let maker = env.skill("src/skills/pdf").file("references/1.md", "one\n");
    #[cfg(unix)]
    let maker = maker.executable("scripts/run.sh", "#!/bin/sh\n").link("CLAUDE.md", "SKILL.md");
    maker.file("SKILL.md", manifest(version, "first"));
    let repo = env.git_repo("repo.git", &env.path("src"));
    let url = format!("file://{}", env.path("repo.git").display());
    env.run(&["skill", "install", &url, "--all", "-a", "claude-code,windsurf"]).ends(0);
    (env, repo)
}

fn publish(env: &TestEnv, repo: &git2::Repository, version: Option<&str>, text: &str) {
    env.write("src/skills/pdf/SKILL.md", manifest(version, text));
    env.write(&format!("src/skills/pdf/references/{text}.md"), text);
    commit(repo, "refs/heads/main", &env.path("src"), text);
}

fn entry(env: &TestEnv) -> serde_json::Value {
    env.registry()["skills"]["pdf"].clone()
}

const PLACE: &str = "project/.claude/skills/pdf";

type State = (BTreeMap<String, String>, serde_json::Value);

fn state(env: &TestEnv) -> State {
    (env.picture("project/.claude"), entry(env))
}

fn listed(env: &TestEnv) -> Vec<(String, bool, bool)> {
    let report = env.run(&["skill", "versions", "pdf", "--json"]).ends(0).json();
    let rows = report["versions"].as_array().unwrap().iter();
    rows.map(|one| {
        let text = one["version"].as_str().unwrap().to_owned();
        (text, one["active"] == true, one["cached"] == true)
    })
    .collect()
}

/// The folder of a version, below the root of the test.
fn folder(env: &TestEnv, version: &str) -> String {
    let run = env.run(&["skill", "path", "pdf", "--version", version]).ends(0);
    run.stdout.trim().replace("[PROJECT]", "project")
}

#[test]
fn one_version_for_the_other_and_back_is_the_same_to_the_last_byte() {
    let (env, repo) = world(Some("1.0.0"));
    let first = env.picture(PLACE);
    publish(&env, &repo, Some("1.1.0"), "second");
    env.run(&["skill", "update", "--keep"]).ends(0);
    let second = env.picture(PLACE);
    assert!(first != second);
    assert_eq!(listed(&env), [("1.1.0".into(), true, true), ("1.0.0".into(), false, true)]);
    env.run(&["skill", "versions", "pdf"]).ends(0).prints("1.1.0\tused, latest");
    // Neither cache nor source are needed any more.
    env.run(&["cache", "clear", "--yes"]).ends(0);
    std::fs::rename(env.path("repo.git"), env.path("gone.git")).unwrap();
    env.run(&["skill", "use", "pdf", "--version", "1.0.0"])
        .ends(0)
        .says("Used pdf 1.0.0, held there; 1.1.0 is kept");
    assert_eq!(env.picture(PLACE), first);
    assert!(env.path("project/.windsurf/skills/pdf").is_symlink());
    let with_first = state(&env);
    env.run(&["skill", "verify"]).ends(0);
    env.run(&["skill", "use", "pdf", "--version", "1.1.0"]).ends(0);
    assert_eq!(env.picture(PLACE), second);
    env.run(&["skill", "use", "pdf", "--version", "1.0.0"]).ends(0);
    assert!(state(&env) == with_first);
    env.run(&["skill", "use", "pdf", "--version", "1.0.0"]).ends(0).says("in its targets already");
    assert!(state(&env) == with_first);
    // Held until the latest is used.
    assert_eq!(entry(&env)["pinned"], true);
    env.run(&["skill", "use", "pdf", "--version", "latest"]).ends(0);
    assert_eq!((env.picture(PLACE), entry(&env)["pinned"].clone()), (second, serde_json::Value::Null));
    env.run(&["skill", "rollback"]).ends(0);
    assert!(state(&env) == with_first);
}

#[test]
fn two_versions_are_read_at_the_same_time() {
    let (env, repo) = world(Some("1.0.0"));
    let first = env.picture(PLACE);
    publish(&env, &repo, Some("2.0.0"), "second");
    env.run(&["skill", "update", "--keep"]).ends(0);
    let (one, other) = (folder(&env, "1.0.0"), folder(&env, "latest"));
    assert_eq!((one.as_str(), other.as_str()), ("project/.ba-agent/versions/pdf/1.0.0", PLACE));
    assert_eq!(env.picture(&one), first);
    assert!(env.read(&format!("{other}/SKILL.md")).contains("second"));
    // It lies where no agent looks, and is nothing to commit.
    assert_eq!(env.read("project/.ba-agent/versions/.gitignore"), "*\n");
    let listed = env.run(&["skill", "list", "--json"]).ends(0).json();
    assert_eq!(
        (listed["skills"].as_array().unwrap().len(), listed["unmanaged"].clone()),
        (1, serde_json::json!([]))
    );
    env.run(&["doctor"]).ends(0);
    // What somebody writes into it is not taken for the version.
    env.write(&format!("{one}/SKILL.md"), "other");
    env.write(&format!("{one}/more.md"), "more");
    assert_eq!(env.picture(&folder(&env, "1.0.0")), first);
    let above = std::fs::read_dir(env.path("project/.ba-agent/versions/pdf")).unwrap();
    assert_eq!(above.count(), 1, "something was left behind");
}

#[test]
fn versions_without_a_version_are_called_by_their_pin() {
    let (mut env, repo) = world(None);
    let first = entry(&env)["pin"]["commit"].as_str().unwrap()[..7].to_owned();
    for (hour, text) in ["second", "third", "fourth", "fifth"].into_iter().enumerate() {
        env.set("SOURCE_DATE_EPOCH", (1_767_330_000 + 3_600 * hour).to_string());
        publish(&env, &repo, None, text);
        env.run(&["skill", "update", "--keep"]).ends(0);
    }
    let rows = listed(&env);
    assert_eq!((rows.len(), rows.iter().filter(|row| row.2).count()), (4, 4), "{rows:?}");
    assert!(rows.iter().all(|row| row.0 != first), "only three are kept");
    // Whose files nobody names any more are gone.
    let trees = env.state().join("version-trees");
    let count = |folder: &std::path::Path| {
        walkdir::WalkDir::new(folder).into_iter().flatten().filter(|one| one.file_type().is_file()).count()
    };
    assert!(count(&trees) >= 3);
    env.run(&["skill", "use", "pdf", "--version", &first]).ends(3).says("skill versions pdf");
    env.write("settings/config.yaml", "loader:\n  keep_versions: 1\n");
    publish(&env, &repo, None, "sixth");
    env.run(&["skill", "update", "--keep"]).ends(0);
    assert_eq!(listed(&env).len(), 2);
    // Without the flag nothing more is kept, and nothing is lost.
    publish(&env, &repo, None, "seventh");
    env.run(&["skill", "update"]).ends(0);
    assert_eq!(listed(&env).len(), 2);
}

#[test]
fn a_clone_fetches_a_version_at_its_pin() {
    let (env, repo) = world(Some("1.0.0"));
    let first = env.picture(PLACE);
    publish(&env, &repo, Some("1.1.0"), "second");
    env.run(&["skill", "update", "--keep"]).ends(0);
    copy_tree(&env.path("project/config"), &env.path("clone/config"));
    env.run(&["cache", "clear", "--yes"]).ends(0);
    let run = |args: &[&str]| env.run_in("clone", args);
    run(&["skill", "install", "--frozen"]).ends(0);
    run(&["cache", "clear", "--yes"]).ends(0);
    run(&["skill", "versions", "pdf"]).ends(0).prints("\tno");
    let offline = run(&["skill", "path", "pdf", "--version", "1.0.0", "--offline"]);
    // A repository of this machine can be asked without a connection.
    assert!(offline.status == 3, "{offline:?}");
    run(&["skill", "path", "pdf", "--version", "1.0.0"]).ends(0);
    assert_eq!(env.picture("clone/.ba-agent/versions/pdf/1.0.0"), first);
    run(&["skill", "use", "pdf", "--version", "1.0.0"]).ends(0);
    assert_eq!(env.picture("clone/.claude/skills/pdf"), first);
}

#[test]
fn edits_are_given_up_only_with_force() {
    let (env, repo) = world(Some("1.0.0"));
    publish(&env, &repo, Some("1.1.0"), "second");
    env.run(&["skill", "update", "--keep"]).ends(0);
    env.write(&format!("{PLACE}/mine.md"), "mine\n");
    let before = state(&env);
    env.run(&["skill", "use", "pdf", "--version", "1.0.0"]).ends(7).says("was edited");
    assert!(state(&env) == before);
    env.run(&["skill", "use", "pdf", "--version", "1.0.0", "--force"]).ends(0);
    env.run(&["skill", "rollback"]).ends(0);
    assert!(state(&env) == before);
    env.run(&["skill", "use", "pdf", "--version", "7"]).ends(3).says("there are: 1.1.0, 1.0.0");
    env.run(&["skill", "use", "docx", "--version", "7"]).ends(3);
    env.run(&["skill", "versions", "docx"]).ends(3);
    // A skill that is kept aside changes its version where it lies.
    std::fs::remove_file(env.path(&format!("{PLACE}/mine.md"))).unwrap();
    env.run(&["skill", "disable", "pdf"]).ends(0);
    env.run(&["skill", "use", "pdf", "--version", "1.0.0"]).ends(0);
    assert!(env.read("project/.ba-agent/disabled/pdf/SKILL.md").contains("first"));
    env.run(&["skill", "verify"]).ends(0);
    env.run(&["skill", "uninstall", "pdf"]).ends(0);
    env.run(&["skill", "rollback"]).ends(0);
    assert_eq!(listed(&env).len(), 2);
    env.run(&["skill", "use", "pdf", "--version", "latest"]).ends(0);
}

/// What a registry says of versions names no path that is obeyed.
#[cfg(unix)]
#[test]
fn a_hostile_registry_writes_nothing_outside() {
    use std::os::unix::fs::symlink;
    let (env, repo) = world(Some("1.0.0"));
    publish(&env, &repo, Some("1.1.0"), "second");
    env.run(&["skill", "update", "--keep"]).ends(0);
    let registry = env.read("project/config/skills_registry.json");
    for label in ["../../../outside", "..", "a/b", ".hidden", "latest", "\\u001b[31m"] {
        let text = registry.replacen("\"1.0.0\": {", &format!("\"{label}\": {{"), 1);
        env.write("project/config/skills_registry.json", text);
        let label = label.replace("\\u001b", "\u{1b}");
        for args in [
            &["skill", "path", "pdf", "--version", &label][..],
            &["skill", "use", "pdf", "--version", &label],
            &["skill", "versions", "pdf"],
        ] {
            let run = env.run(args);
            assert!(!run.stdout.contains('\u{1b}') && !run.stderr.contains('\u{1b}'), "{run:?}");
            assert!(!env.path("outside").exists() && !env.path("project/.ba-agent/versions").exists());
        }
    }
    env.write("project/config/skills_registry.json", &registry);
    std::fs::create_dir_all(env.path("outside")).unwrap();
    std::fs::create_dir_all(env.path("project/.ba-agent")).unwrap();
    for place in [
        "project/.ba-agent/versions",
        "project/.ba-agent/versions/pdf",
        "project/.ba-agent/versions/pdf/1.0.0",
    ] {
        let _ = std::fs::remove_dir_all(env.path("project/.ba-agent/versions"));
        std::fs::create_dir_all(env.path(place).parent().unwrap()).unwrap();
        symlink(env.path("outside"), env.path(place)).unwrap();
        env.run(&["skill", "path", "pdf", "--version", "1.0.0"]).ends(2);
        assert!(env.picture("outside").is_empty(), "{place}");
        std::fs::remove_file(env.path(place)).unwrap();
    }
    let _ = std::fs::remove_dir_all(env.path("project/.ba-agent/versions"));
    env.write("project/.ba-agent/versions", "a file");
    env.run(&["skill", "path", "pdf", "--version", "1.0.0"]).ends(1);
    // Other bytes than those that are recorded are never written out.
    std::fs::remove_file(env.path("project/.ba-agent/versions")).unwrap();
    let kept = serde_json::from_str::<serde_json::Value>(&registry).unwrap();
    let digest = kept["skills"]["pdf"]["versions"]["1.0.0"]["digest"].as_str().unwrap().to_owned();
    let other = registry.replace(&digest, &format!("sha256:{}", "1".repeat(64)));
    env.write("project/config/skills_registry.json", other);
    env.run(&["skill", "path", "pdf", "--version", "1.0.0"]).ends(6);
    env.run(&["skill", "use", "pdf", "--version", "1.0.0"]).ends(6);
}

#[test]
fn what_others_need_bounds_the_versions_that_can_be_used() {
    let (env, repo) = world(Some("1.0.0"));
    publish(&env, &repo, Some("1.4.0"), "second");
    env.run(&["skill", "update", "--keep"]).ends(0);
    env.skill("src2/report");
    env.run(&["skill", "install", "../src2/report"]).ends(0);
    let mut registry = env.registry();
    registry["skills"]["report"]["dependencies"] = serde_json::json!([
        { "at": "SKILL.md:4", "key": "requires", "kind": "declared", "name": "pdf", "range": "^1.2" }
    ]);
    std::fs::write(env.path("project/config/skills_registry.json"), registry.to_string()).unwrap();
    env.run(&["skill", "use", "pdf", "--version", "1.0.0"])
        .ends(7)
        .says("`report` needs another version of `pdf` than 1.0.0")
        .says("it needs ^1.2 (SKILL.md:4)");
    env.run(&["skill", "disable", "report"]).ends(0);
    env.run(&["skill", "use", "pdf", "--version", "1.0.0"]).ends(0);
}

/// A kill or a fault at any step of `use` leaves one version or the other.
#[cfg(unix)]
#[test]
fn killed_at_any_step_it_is_one_version_or_the_other() {
    let (env, repo) = world(Some("1.0.0"));
    publish(&env, &repo, Some("1.1.0"), "second");
    for folder in ["project", "home"] {
        copy_tree(&env.path(folder), &env.path("saved").join(folder));
    }
    let again = || {
        for folder in ["project", "home"] {
            let _ = std::fs::remove_dir_all(env.path(folder));
            copy_tree(&env.path("saved").join(folder), &env.path(folder));
        }
    };
    for args in
        [&["skill", "update", "--keep", "--quiet"][..], &["skill", "use", "pdf", "--version", "1.0.0"]]
    {
        again();
        if args[1] == "use" {
            env.run(&["skill", "update", "--keep"]).ends(0);
            let _ = std::fs::remove_dir_all(env.path("saved"));
            for folder in ["project", "home"] {
                copy_tree(&env.path(folder), &env.path("saved").join(folder));
            }
        }
        let old = state(&env);
        env.run(args).ends(0);
        let new = state(&env);
        for step in (1..200).step_by(times(5, 1)) {
            again();
            let fault = format!("{}:{step}", ["kill", "full", "io"][step / 5 % 3]);
            let output = env.command(args).env("BA_AGENT_FAULT", &fault).output().unwrap();
            env.run(&["skill", "list"]).ends(0);
            let now = state(&env);
            assert!(now == old || now == new, "{args:?} {fault}");
            assert!(!output.status.success() || now == new, "{args:?} {fault}");
            env.run(&["skill", "verify"]).ends(0);
            let label = if now.1["versions"].is_null() { "latest" } else { "1.0.0" };
            env.run(&["skill", "path", "pdf", "--version", label]).ends(0);
            if output.status.success() && step > 90 {
                break;
            }
        }
    }
}

/// Two conversations try a version each, at the same time: both get the very files of theirs.
#[test]
fn two_conversations_have_a_version_each() {
    let (env, repo) = world(Some("1.0.0"));
    publish(&env, &repo, Some("2.0.0"), "second");
    env.run(&["skill", "update", "--keep"]).ends(0);
    let activate = |version: &str, session: &str| {
        let args = ["skill", "activate", "pdf", "--version", version, "--session", session, "--json"];
        let answer = env.run(&args).ends(0).json();
        assert_eq!((answer["version"].as_str(), answer["success"].as_bool()), (Some(version), Some(true)));
        let folder = answer["base_dir"].as_str().unwrap().replace("[PROJECT]", "project");
        (folder, answer["messages"].to_string(), answer["digest"].as_str().unwrap().to_owned())
    };
    let (one, other) = (activate("1.0.0", "a"), activate("2.0.0", "b"));
    assert!(one.1.contains("first") && !one.1.contains("second"), "{}", one.1);
    assert!(other.1.contains("second") && !other.1.contains("first"), "{}", other.1);
    assert!(one.0 != other.0 && one.2 != other.2);
    let text = |folder: &str| env.read(&format!("{folder}/SKILL.md"));
    assert!(text(&one.0).contains("first") && text(&other.0).contains("second"));
    // The targets change under both of them: the first still has its own.
    env.run(&["skill", "use", "pdf", "--version", "1.0.0"]).ends(0);
    env.run(&["skill", "use", "pdf", "--version", "latest"]).ends(0);
    assert_eq!(activate("1.0.0", "a").2, one.2);
    env.run(&["skill", "activate", "pdf", "--version", "3", "--session", "c"]).ends(3);
}
