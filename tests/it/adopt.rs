//! `skill adopt`: what lies in a skills folder is recorded as it lies, with the source that other
//! tools name; not a byte of it is moved.
#![cfg(unix)]

use std::collections::BTreeMap;
use std::os::unix::fs::symlink;
use std::path::Path;

use serde_json::{Value, json};

use crate::env::{Run, TestEnv, copy_tree, picture};
use ba_agent_test_support::server::Server;

/// In the project: of what lies outside of it nothing is read that its files name.
const REPO: &str = "project/repo.git";

/// A repository of two skills, reached over `file://`.
fn source(env: &TestEnv) -> String {
    env.skill("src/skills/pdf")
        .file("references/forms.md", "Forms.\n")
        .executable("scripts/run.sh", "#!/bin/sh\n");
    env.skill("src/skills/docx");
    env.git_repo(REPO, &env.path("src"));
    format!("file://{}", env.path(REPO).display())
}

/// Everything of a project but what ba-agent keeps of it.
fn kept(env: &TestEnv) -> BTreeMap<String, String> {
    let all = env.picture("project").into_iter();
    all.filter(|(path, _)| !path.starts_with("config") && !path.contains(".git/")).collect()
}

/// As `npx skills` lays a project out: the files in the folder that agents share, links to it in
/// those of others, and its lock file.
fn laid_out_by_npx(env: &TestEnv, url: &str, skills: &[&str]) {
    let mut locked = serde_json::Map::new();
    for skill in skills {
        copy_tree(
            &env.path(&format!("src/skills/{skill}")),
            &env.path(&format!("project/.agents/skills/{skill}")),
        );
        for agent in [".claude", ".windsurf"] {
            let folder = env.path(&format!("project/{agent}/skills"));
            std::fs::create_dir_all(&folder).unwrap();
            symlink(format!("../../.agents/skills/{skill}"), folder.join(skill)).unwrap();
        }
        let path = format!("skills/{skill}/SKILL.md");
        locked.insert(
            (*skill).into(),
            json!({ "source": url, "sourceUrl": url, "sourceType": "git", "skillPath": path }),
        );
    }
    let lock = json!({ "version": 1, "skills": locked });
    env.write("project/skills-lock.json", lock.to_string());
}

fn entry(env: &TestEnv, name: &str) -> Value {
    env.registry()["skills"][name].clone()
}

fn adopt(env: &TestEnv, args: &[&str]) -> Run {
    env.run(&[&["skill", "adopt"], args].concat())
}

#[test]
fn the_layout_of_another_tool_is_recorded_as_it_is() {
    let env = TestEnv::new();
    let url = source(&env);
    laid_out_by_npx(&env, &url, &["pdf", "docx"]);
    let before = kept(&env);
    env.run(&["skill", "list"]).ends(0).says("2 skills are not managed (in 6 folders): docx, pdf");
    let run = adopt(&env, &["--all"]).ends(0);
    for words in
        ["Adopted pdf in .agents/skills, .claude/skills, .windsurf/skills", "named by skills-lock.json"]
    {
        assert!(run.stderr.contains(words), "{words}: {}", run.stderr);
    }
    assert_eq!(kept(&env), before);
    let pdf = entry(&env, "pdf");
    assert_eq!(pdf["targets"], json!(["universal", "claude-code", "windsurf"]));
    assert_eq!(
        (&pdf["mode"], &pdf["kind"], &pdf["path"]),
        (&json!("link"), &json!("git"), &json!("skills/pdf"))
    );
    assert!(pdf["pin"]["commit"].is_string() && pdf["pin"]["tree"].is_string());
    env.run(&["skill", "verify"]).ends(0);
    env.run(&["doctor"]).ends(0);
    let listed = env.run(&["skill", "list", "--json", "--check"]).ends(0).json();
    assert_eq!(listed["unmanaged"], json!([]));
    assert!(listed["skills"].as_array().unwrap().iter().all(|skill| skill["state"] == "ok"));
    env.run(&["skill", "install", "--frozen"]).ends(0);
    env.run(&["skill", "outdated"]).ends(0);
    assert_eq!(kept(&env), before);
    let changes = env.run(&["skill", "history", "--json"]).ends(0);
    assert!(changes.stdout.contains("\"adopt\""), "{}", changes.stdout);

    // A rollback takes the record away, and nothing else; and can be rolled back.
    env.run(&["skill", "rollback", "--yes"]).ends(0).says("Forgot");
    assert_eq!(env.registry()["skills"], json!({}));
    assert_eq!(kept(&env), before);
    env.run(&["skill", "rollback", "--yes"]).ends(0);
    assert_eq!(kept(&env), before);
    env.run(&["skill", "verify"]).ends(0);
    assert_eq!(entry(&env, "pdf")["targets"], pdf["targets"]);
    // What is updated later is no longer what was adopted.
    env.skill("src/skills/pdf").file("references/forms.md", "More forms.\n");
    crate::env::commit(
        &git2::Repository::open(env.path(REPO)).unwrap(),
        "refs/heads/main",
        &env.path("src"),
        "second",
    );
    env.run(&["skill", "update", "--yes"]).ends(0);
    env.run(&["skill", "verify"]).ends(0);
    assert_eq!(
        std::fs::read_link(env.path("project/.claude/skills/pdf")).unwrap(),
        Path::new("../../.agents/skills/pdf")
    );
    env.run(&["skill", "rollback", "--to", "1", "--yes"]).ends(7).says("adopted as it was found");
}

#[test]
fn a_folder_of_ones_own_is_adopted_without_a_source() {
    let env = TestEnv::new();
    env.skill("project/.claude/skills/mine").file("notes.md", "Notes.\n");
    let before = kept(&env);
    for args in [
        &["skill", "uninstall", "mine"][..],
        &["skill", "update", "mine"],
        &["skill", "show", "mine"],
        &["skill", "diff", "mine"],
    ] {
        let run = env.run(args).ends(3).says("`mine` is not managed");
        assert!(run.stderr.contains("ba-agent skill adopt mine"), "{}", run.stderr);
    }
    env.run(&["skill", "install", "./.claude/skills/mine"])
        .ends(7)
        .says("ba-agent skill adopt .claude/skills/mine");
    let run = adopt(&env, &["mine", "--dry-run"]).ends(0).says("Would adopt mine");
    assert!(!env.path("project/config").exists(), "{}", run.stderr);
    adopt(&env, &[".claude/skills/mine/"]).ends(0).says("no source");
    assert_eq!(kept(&env), before);
    let mine = entry(&env, "mine");
    assert_eq!(
        (&mine["source"], &mine["kind"], &mine["targets"]),
        (&json!("own:mine"), &json!("own"), &json!(["claude-code"]))
    );
    env.run(&["skill", "verify"]).ends(0);
    env.run(&["skill", "outdated"]).ends(0);
    env.run(&["skill", "update"]).ends(0);
    env.run(&["skill", "show", "mine"]).ends(0);
    let exported = env.run(&["skill", "export"]).ends(0);
    assert!(exported.stderr.contains("no source"), "{}", exported.stderr);
    adopt(&env, &["mine"]).ends(0).says("as it was adopted");

    // Edited, it is adopted again; until then the edits show.
    env.write("project/.claude/skills/mine/notes.md", "Other notes.\n");
    env.run(&["skill", "verify"]).ends(6);
    let run = env.run(&["skill", "diff", "mine"]).ends(0);
    assert!(run.stdout.contains("+Other notes."), "{}", run.stdout);
    adopt(&env, &["mine"]).ends(0).says("Adopted mine");
    env.run(&["skill", "verify"]).ends(0);

    // It is gone only with a word, and comes back.
    let before = kept(&env);
    env.run(&["skill", "uninstall", "mine"]).ends(0).says("has no source to install it from again");
    env.run(&["cache", "clear", "--yes"]).ends(0);
    env.run(&["skill", "rollback", "--yes"]).ends(0);
    assert_eq!(kept(&env), before);

    // Who gets the registry without the folder is told what to do.
    copy_tree(&env.project(), &env.path("clone"));
    env.run_in("clone", &["skill", "install", "--frozen"]).ends(0);
    std::fs::remove_dir_all(env.path("clone/.claude")).unwrap();
    env.run(&["cache", "clear", "--yes"]).ends(0);
    let run = env.run_in("clone", &["skill", "install", "--frozen"]).ends(3).says("`mine` has no source");
    assert!(run.stderr.contains("skill update mine --source SOURCE"), "{}", run.stderr);

    // Published, it gets one.
    copy_tree(&env.path("project/.claude/skills/mine"), &env.path("published/skills/mine"));
    env.git_repo("published.git", &env.path("published"));
    let url = format!("file://{}", env.path("published.git").display());
    env.run(&["skill", "update", "mine", "--source", &url]).ends(0);
    assert_eq!(entry(&env, "mine")["kind"], "git");
    assert_eq!(kept(&env), before);
}

#[test]
fn what_differs_from_its_source_is_shown_and_agreed_to() {
    let env = TestEnv::new();
    let url = source(&env);
    laid_out_by_npx(&env, &url, &["pdf", "docx"]);
    env.write("project/.agents/skills/pdf/references/forms.md", "My forms.\n");
    let before = kept(&env);
    let run = adopt(&env, &["--all"]).ends(7).says("`pdf` is not what its source has");
    for word in ["pdf: M references/forms.md", "--dry-run", "--force", "--source SOURCE"] {
        assert!(run.stderr.contains(word), "{word}: {}", run.stderr);
    }
    assert!(!env.path("project/config/skills_registry.json").exists(), "all or nothing");
    let shown = adopt(&env, &["pdf", "--dry-run"]).ends(0);
    assert!(shown.stdout.contains("+My forms.") && shown.stdout.contains("-Forms."), "{}", shown.stdout);
    for agree in ["--force", "--yes"] {
        let run = adopt(&env, &["pdf", "docx", agree]).ends(0).says("edited: 1 file (M references/forms.md)");
        assert!(run.stderr.contains("Adopted docx"), "{}", run.stderr);
        assert_eq!(kept(&env), before);
        env.run(&["skill", "verify"]).ends(6);
        let diff = env.run(&["skill", "diff", "pdf"]).ends(0);
        assert!(diff.stdout.contains("+My forms."), "{}", diff.stdout);
        env.run(&["skill", "rollback", "--yes"]).ends(0);
        assert_eq!(kept(&env), before);
    }
    // Without a source it is one's own, and nothing differs.
    adopt(&env, &["pdf", "--no-source"]).ends(0);
    env.run(&["skill", "verify"]).ends(0);
    assert_eq!(kept(&env), before);
}

#[test]
fn a_source_is_found_where_somebody_names_it() {
    let env = TestEnv::new();
    let url = source(&env);
    let by_hand = |env: &TestEnv, to: &str| copy_tree(&env.path("src/skills/pdf"), &env.path(to));
    by_hand(&env, "project/.claude/skills/pdf");
    // By who types it.
    adopt(&env, &["pdf", "--source", &url]).ends(0).says("named by --source");
    assert_eq!(entry(&env, "pdf")["path"], "skills/pdf");
    // By an entry of a marketplace.
    env.run(&["marketplace", "add", "market", "../src"]).ends(0);
    env.run(&["skill", "rollback", "--yes"]).ends(0);
    adopt(&env, &["pdf", "--source", "pdf@market"]).ends(0);
    assert_eq!(entry(&env, "pdf")["marketplace"]["name"], "market");
    // By the same bytes, recorded in another scope.
    env.run(&["skill", "uninstall", "pdf"]).ends(0);
    env.run(&["skill", "install", "--global", &url, "--skill", "pdf"]).ends(0);
    by_hand(&env, "project/.claude/skills/pdf");
    adopt(&env, &["pdf"]).ends(0).says("a skill of the same bytes that is recorded already");
    assert_eq!(entry(&env, "pdf")["kind"], "git");
    // By the lock file of apm.
    let docx = "project/.claude/skills/docx";
    copy_tree(&env.path("src/skills/docx"), &env.path(docx));
    let commit = entry(&env, "pdf")["pin"]["commit"].as_str().unwrap().to_owned();
    env.write(
        "project/apm.lock.yaml",
        format!("lockfile_version: \"2\"\ndependencies:\n  - repo_url: {url}\n    resolved_commit: {commit}\n    virtual_path: skills/docx\n    deployed_files: [.claude/skills/docx]\n"),
    );
    adopt(&env, &["docx"]).ends(0).says("named by apm.lock.yaml");
    assert_eq!(entry(&env, "docx")["pin"]["commit"], commit);
    // By what gh wrote into the manifest: that alone is no edit of anybody's.
    env.run(&["skill", "uninstall", "docx"]).ends(0);
    std::fs::remove_file(env.path("project/apm.lock.yaml")).unwrap();
    copy_tree(&env.path("src/skills/docx"), &env.path(docx));
    let text = env.read("src/skills/docx/SKILL.md");
    let keys = format!("metadata:\n  github-repo: {url}\n  github-path: skills/docx\nname: docx\n");
    env.write(&format!("{docx}/SKILL.md"), text.replacen("name: docx\n", &keys, 1));
    adopt(&env, &["docx"]).ends(7).says("only what `gh skill` wrote into SKILL.md differs");
    adopt(&env, &["docx", "--force"]).ends(0).says("named by gh skill");
}

#[test]
fn of_two_that_claim_a_skill_the_one_with_its_bytes_is_taken() {
    let env = TestEnv::new();
    let url = source(&env);
    env.skill("fork/skills/pdf").file("references/forms.md", "Forms of a fork.\n");
    env.git_repo("project/fork.git", &env.path("fork"));
    let fork = format!("file://{}", env.path("project/fork.git").display());
    laid_out_by_npx(&env, &fork, &["pdf"]);
    let apm = format!(
        "lockfile_version: \"2\"\ndependencies:\n  - repo_url: {url}\n    virtual_path: skills/pdf\n    deployed_files: [.agents/skills/pdf]\n"
    );
    env.write("project/apm.lock.yaml", apm);
    let run = adopt(&env, &["pdf"]).ends(0).says("named by apm.lock.yaml");
    assert!(run.stderr.contains("another is named too, whose files differ"), "{}", run.stderr);
    // With the bytes of neither, the surest is what it is held against.
    env.run(&["skill", "rollback", "--yes"]).ends(0);
    env.write("project/.agents/skills/pdf/references/forms.md", "My forms.\n");
    let run = adopt(&env, &["pdf", "--force"]).ends(0).says("named by skills-lock.json");
    assert!(run.stderr.contains("none has the same files"), "{}", run.stderr);
}

#[test]
fn links_copies_and_mixtures_are_what_they_are() {
    let env = TestEnv::new();
    // A link to a folder of the project is a live link.
    env.skill("project/skills/live");
    std::fs::create_dir_all(env.path("project/.claude/skills")).unwrap();
    symlink("../../skills/live", env.path("project/.claude/skills/live")).unwrap();
    // Two copies.
    env.skill("project/.claude/skills/copied");
    env.skill("project/.agents/skills/copied");
    // Two skills of one name.
    env.skill("project/.claude/skills/twin");
    env.skill("project/.agents/skills/twin").file("more.md", "More.\n");
    // Links to nothing and out of the project, a broken one, a clone, and a name that is none.
    symlink("../../nowhere", env.path("project/.claude/skills/gone")).unwrap();
    env.skill("outside/far");
    symlink(env.path("outside/far"), env.path("project/.claude/skills/far")).unwrap();
    env.write("project/.claude/skills/broken/SKILL.md", "---\nname: [\n---\n");
    env.skill("project/.claude/skills/cloned").file(".git/HEAD", "ref: refs/heads/main\n");
    env.skill("project/.claude/skills/No Name");
    let before = kept(&env);
    let outside = env.picture("outside");
    for (name, status, words) in [
        ("twin", 7, "lies in 2 places that do not belong together"),
        ("gone", 7, "which leads nowhere"),
        ("far", 2, "outside of the project"),
        ("broken", 8, "`.claude/skills/broken` cannot be adopted"),
        ("cloned", 7, "a git repository of its own"),
        ("No Name", 8, "No Name"),
        ("other", 3, "is not an unmanaged skill"),
        ("./skills/live", 3, "is not an unmanaged skill"),
    ] {
        adopt(&env, &[name]).ends(status).says(words);
        assert!(!env.path("project/config/skills_registry.json").exists());
    }
    adopt(&env, &[]).ends(2).says("specify which to adopt");
    adopt(&env, &["--all", "--strict"]);
    let run = adopt(&env, &["--all"]).ends(0);
    for name in ["twin", "gone", "far", "broken", "cloned", "No Name"] {
        assert!(run.stderr.contains(&format!("left out {name}: ")), "{name}: {}", run.stderr);
    }
    let modes = |name: &str| (entry(&env, name)["mode"].clone(), entry(&env, name)["targets"].clone());
    assert_eq!(modes("live"), (json!("live"), json!(["claude-code"])));
    assert_eq!(entry(&env, "live")["source"], "./skills/live");
    assert_eq!(modes("copied"), (json!("copy"), json!(["claude-code", "universal"])));
    // By its path one of two.
    adopt(&env, &[".agents/skills/twin"]).ends(0);
    assert_eq!(modes("twin"), (json!("link"), json!(["universal"])));
    adopt(&env, &["twin"]).ends(7).says("is managed already");
    env.run(&["skill", "verify"]).ends(0);
    assert_eq!((kept(&env), env.picture("outside")), (before, outside));
}

#[test]
fn the_skills_of_a_user_are_adopted_too() {
    let env = TestEnv::new();
    let url = source(&env);
    copy_tree(&env.path("src/skills/pdf"), &env.path("home/.agents/skills/pdf"));
    std::fs::create_dir_all(env.path("home/.claude/skills")).unwrap();
    symlink("../../.agents/skills/pdf", env.path("home/.claude/skills/pdf")).unwrap();
    let lock = json!({ "version": 3, "skills": { "pdf": { "source": url, "sourceUrl": url, "sourceType": "git", "skillPath": "skills/pdf/SKILL.md" } } });
    env.write("home/.agents/.skill-lock.json", lock.to_string());
    let before = env.picture("home/.agents");
    adopt(&env, &["--global", "--all"]).ends(0).says(".skill-lock.json");
    env.run(&["skill", "verify", "--global"]).ends(0);
    assert_eq!(env.picture("home/.agents"), before);
    env.run(&["skill", "uninstall", "--global", "pdf"]).ends(0);
    assert!(!env.path("home/.claude/skills/pdf").exists() && !env.path("home/.agents/skills/pdf").exists());
}

/// What a project's files say of paths outside of it is neither read nor recorded.
#[test]
fn a_projects_files_name_nothing_outside_of_it() {
    let env = TestEnv::new();
    env.skill("project/.claude/skills/pdf");
    env.skill("outside/pdf").file("secret.txt", "secret\n");
    env.git_repo("outside.git", &env.path("outside"));
    let outside = env.path("outside/pdf").display().to_string();
    let url = format!("file://{}", env.path("outside.git").display());
    for (source, kind) in [(outside.as_str(), "local"), ("../outside/pdf", "local"), (&url, "git")] {
        let lock = json!({ "version": 1, "skills": { "pdf": { "source": source, "sourceUrl": source, "sourceType": kind } } });
        env.write("project/skills-lock.json", lock.to_string());
        let run = adopt(&env, &["pdf", "--force"]).ends(0).says("outside of the project: it is not read");
        assert!(!run.stderr.contains("secret"), "{}", run.stderr);
        assert_eq!(entry(&env, "pdf")["source"], "own:pdf");
        env.run(&["skill", "rollback", "--yes"]).ends(0);
    }
    env.write("project/skills-lock.json", "{ \"version\": 1, \"skills\": {");
    adopt(&env, &["pdf"]).ends(8).says("--no-source");
    std::fs::remove_file(env.path("project/skills-lock.json")).unwrap();
    symlink(env.path("outside/pdf/secret.txt"), env.path("project/skills-lock.json")).unwrap();
    adopt(&env, &["pdf"]).ends(2).says("outside");
    adopt(&env, &["pdf", "--no-source"]).ends(0);
}

#[test]
fn a_lock_file_of_a_real_project_is_imported_without_a_changed_byte() {
    for agents in [&[][..], &["-a", "universal", "-a", "claude-code"]] {
        let env = TestEnv::new();
        let url = source(&env);
        laid_out_by_npx(&env, &url, &["pdf", "docx"]);
        let before = kept(&env);
        let args = [&["skill", "install", "--from", "skills-lock.json"], agents].concat();
        env.run(&args).ends(0).says("Adopted pdf in .agents/skills, .claude/skills, .windsurf/skills");
        assert_eq!(kept(&env), before);
        env.run(&["skill", "verify"]).ends(0);
        env.run(&args).ends(0).says("Unchanged pdf");
        env.run(&["skill", "rollback", "--yes"]).ends(0);
        assert_eq!(kept(&env), before);
    }
    // Edited, it stops, and says what takes it over.
    let env = TestEnv::new();
    let url = source(&env);
    laid_out_by_npx(&env, &url, &["pdf"]);
    env.write("project/.agents/skills/pdf/references/forms.md", "My forms.\n");
    let before = kept(&env);
    env.run(&["skill", "install", "--from", "skills-lock.json"]).ends(7).says("ba-agent skill adopt pdf");
    assert_eq!(kept(&env), before);
    // One of them alone lies there: the other is put where it belongs.
    let env = TestEnv::new();
    let url = source(&env);
    laid_out_by_npx(&env, &url, &["pdf", "docx"]);
    for folder in [".agents", ".claude", ".windsurf"] {
        let at = env.path(&format!("project/{folder}/skills/docx"));
        if at.is_symlink() { std::fs::remove_file(at).unwrap() } else { std::fs::remove_dir_all(at).unwrap() }
    }
    let run = env.run(&["skill", "install", "--from", "skills-lock.json"]).ends(0).says("Adopted pdf");
    assert!(run.stderr.contains("Installed docx"), "{}", run.stderr);
    env.run(&["skill", "verify"]).ends(0);
}

/// The source has moved on since, and the lock names no commit: what is there counts as edited.
#[test]
fn an_import_of_what_the_source_no_longer_has_keeps_it() {
    let env = TestEnv::new();
    let url = source(&env);
    let first = env.run(&["skill", "install", &url, "--skill", "docx"]).ends(0);
    let lock: Value = serde_json::from_str(&env.run(&["skill", "export"]).ends(0).stdout).unwrap();
    let hash = lock["skills"]["docx"]["computedHash"].as_str().unwrap().to_owned();
    env.run(&["skill", "uninstall", "docx"]).ends(0);
    drop(first);
    laid_out_by_npx(&env, &url, &["docx"]);
    let mut lock: Value = serde_json::from_str(&env.read("project/skills-lock.json")).unwrap();
    lock["skills"]["docx"]["computedHash"] = json!(hash);
    env.write("project/skills-lock.json", lock.to_string());
    env.skill("src/skills/docx").file("new.md", "New.\n");
    crate::env::commit(
        &git2::Repository::open(env.path(REPO)).unwrap(),
        "refs/heads/main",
        &env.path("src"),
        "second",
    );
    let before = kept(&env);
    env.run(&["skill", "install", "--from", "skills-lock.json"]).ends(0).says("its source has changed since");
    assert_eq!(kept(&env), before);
    env.run(&["skill", "verify"]).ends(6);
    env.run(&["skill", "rollback", "--yes"]).ends(0);
    adopt(&env, &["docx"]).ends(7).says("its files are those of the lock file");
    assert_eq!(kept(&env), before);
}

/// Whatever is recorded while it is being looked at, the folder is what it was.
#[test]
fn a_skill_that_is_recorded_meanwhile_is_not_recorded_twice() {
    let env = TestEnv::new();
    env.skill("project/.claude/skills/mine");
    let runs: Vec<Run> = std::thread::scope(|scope| {
        let run = || scope.spawn(|| adopt(&env, &["mine"]));
        let threads: Vec<_> = (0..4).map(|_| run()).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(runs.iter().filter(|run| run.stderr.contains("Adopted mine")).count(), 1, "{runs:?}");
    assert!(runs.iter().all(|run| matches!(run.status, 0 | 7)), "{runs:?}");
    env.run(&["skill", "verify"]).ends(0);
    assert_eq!(picture(&env.path("project/.claude/skills/mine")).len(), 1);
}

/// Claude Code's files name marketplaces and plugins; both are taken over.
#[test]
fn plugins_and_marketplaces_of_claude_code_are_taken_over() {
    let env = TestEnv::new();
    env.skill("shop/kit/skills/sql");
    env.write("shop/lint/commands/lint.md", "Lint.\n");
    let plugins = json!([{ "name": "kit", "source": "./kit" }, { "name": "lint", "source": "./lint" }]);
    let catalogue = json!({ "name": "acme", "owner": { "name": "A" }, "plugins": plugins });
    env.write("shop/.claude-plugin/marketplace.json", catalogue.to_string());
    let commit = env.git_repo("shop.git", &env.path("shop")).refname_to_id("refs/heads/main").unwrap();
    let url = format!("file://{}", env.path("shop.git").display());
    let claude = "home/.claude/plugins";
    let of = |scope: &str, project: Option<&str>, sha: &str| json!([{ "scope": scope, "projectPath": project.map(|below| env.path(below)), "installPath": "/x", "version": "1.0", "gitCommitSha": sha }]);
    let document = json!({ "version": 2, "plugins": {
        "kit@acme": of("project", Some("project"), &commit.to_string()),
        "lint@acme": of("project", Some("project"), &commit.to_string()),
        "far@other": of("project", Some("elsewhere"), &commit.to_string()),
    } });
    env.write(&format!("{claude}/installed_plugins.json"), document.to_string());
    let known = json!({
        "acme": { "source": { "source": "git", "url": url }, "installLocation": "/x", "lastUpdated": "2026-01-01T00:00:00Z" },
        "odd": { "source": { "source": "npm", "package": "x" } },
    });
    env.write(&format!("{claude}/known_marketplaces.json"), known.to_string());
    let (plugins, markets) =
        ("../home/.claude/plugins/installed_plugins.json", "../home/.claude/plugins/known_marketplaces.json");
    let run = env.run(&["skill", "install", "--from", plugins]).ends(3).says("marketplace");
    assert!(run.stderr.contains("ba-agent marketplace add --from"), "{}", run.stderr);
    // What cannot be registered does not hold back the rest.
    let run = env.run(&["marketplace", "add", "--from", markets]).ends(2).says("Added acme");
    assert!(run.stderr.contains("`odd` was not added"), "{}", run.stderr);
    let run = env.run(&["skill", "install", "--from", plugins]).ends(0).says("Installed sql");
    assert!(run.stderr.contains("`lint@acme` is left out"), "{}", run.stderr);
    assert!(run.stderr.contains("1 plugin for others"), "{}", run.stderr);
    assert_eq!(entry(&env, "sql")["marketplace"], json!({ "entry": "kit", "name": "acme" }));
    env.run(&["skill", "verify"]).ends(0);
    env.run(&["skill", "install", "--global", "--from", plugins])
        .ends(3)
        .says("no plugin that is installed for your user account");
    env.run(&["marketplace", "add", "--from", markets]).ends(2).says("`acme` is registered already");
    // The catalogue has moved on since.
    let later = document
        .to_string()
        .replace(&commit.to_string(), &"a".repeat(40))
        .replace("\"version\":2", "\"version\":3");
    env.write(&format!("{claude}/later.json"), &later);
    env.run(&["skill", "install", "--from", "../home/.claude/plugins/later.json"])
        .ends(7)
        .says("unknown version 3");
    env.write(&format!("{claude}/later.json"), later.replace("\"version\":3", "\"version\":2"));
    env.run(&["skill", "install", "--from", "../home/.claude/plugins/later.json"])
        .ends(0)
        .says("Claude Code has it at aaaaaaa");
}

#[test]
fn shells_are_offered_what_is_not_managed() {
    let env = TestEnv::new();
    env.skill("project/.claude/skills/mine");
    env.skill("project/.agents/skills/other");
    env.skill("src/pdf");
    env.run(&["skill", "install", "../src/pdf"]).ends(0);
    let mut command = env.command(&["--", "ba-agent", "skill", "adopt", ""]);
    command.env("BA_AGENT_COMPLETE", "fish");
    let offered = env.done(command.output().unwrap()).ends(0).stdout;
    let lines = offered.lines().filter(|line| !line.starts_with('-'));
    let names: Vec<&str> = lines.map(|line| line.split('\t').next().unwrap()).collect();
    assert_eq!(names, ["mine", "other"]);
}

/// At a terminal one is asked: no is the default, `d` shows the difference.
#[test]
fn a_person_is_asked_about_what_differs() {
    let env = TestEnv::new();
    let url = source(&env);
    laid_out_by_npx(&env, &url, &["pdf"]);
    env.write("project/.agents/skills/pdf/references/forms.md", "My forms.\n");
    let before = kept(&env);
    let ask = || crate::pty::Terminal::run(env.command(&["skill", "adopt", "pdf"]));
    let mut terminal = ask();
    terminal.wait_for("M references/forms.md");
    terminal.wait_for("Adopt it as edited?");
    terminal.press("d\r");
    terminal.wait_for("+My forms.");
    terminal.wait_for("Adopt it as edited?");
    terminal.press("\r");
    let (status, _) = terminal.end();
    assert_eq!(status.code(), Some(7));
    assert!(!env.path("project/config/skills_registry.json").exists());
    let mut terminal = ask();
    terminal.wait_for("Adopt it as edited?");
    terminal.press("y\r");
    let (status, seen) = terminal.end();
    assert_eq!(status.code(), Some(0), "{seen}");
    assert!(seen.contains("edited: 1 file"), "{seen}");
    assert_eq!(kept(&env), before);
}

/// A folder that was copied by hand out of a repository which is known here is found there, with
/// nothing else that names it.
#[test]
fn a_folder_of_a_known_repository_is_found_by_what_is_in_it() {
    let mut env = TestEnv::new();
    let Some(server) = Server::start(&env.path("srv")) else { return };
    env.skill("src/skills/pdf").executable("scripts/run.sh", "#!/bin/sh\n");
    env.skill("src/skills/docx");
    env.git_repo("srv/acme/skills.git", &env.path("src"));
    env.set("BA_AGENT_GITHUB_URL", server.url());
    env.run(&["marketplace", "add", "acme", "acme/skills"]).ends(0);
    copy_tree(&env.path("src/skills/pdf"), &env.path("project/.claude/skills/pdf"));
    copy_tree(&env.path("src/skills/docx"), &env.path("project/.claude/skills/docx"));
    env.write("project/.claude/skills/docx/more.md", "More.\n");
    adopt(&env, &["--all"]).ends(0).says("named by the cache, which has the same folder of it");
    assert_eq!(
        (entry(&env, "pdf")["path"].as_str(), entry(&env, "docx")["kind"].as_str()),
        (Some("skills/pdf"), Some("own"))
    );
    env.run(&["skill", "verify"]).ends(0);
}
