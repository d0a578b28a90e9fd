//! `skill install`: every sort of source, targets, names, refusals; the disk as before after each.

use std::process::Command;

use serde_json::Value;

use crate::env::{TestEnv, commit, skill_md};

/// A world with a folder of three skills in `src/`.
fn three() -> TestEnv {
    let env = TestEnv::new();
    for name in ["pdf", "docx", "xlsx"] {
        env.skill(&format!("src/skills/{name}")).file("scripts/run.py", format!("print('{name}')\n"));
    }
    env
}

fn names(registry: &Value) -> Vec<&str> {
    registry["skills"].as_object().unwrap().keys().map(String::as_str).collect()
}

/// Runs, expects a refusal, and that not one byte of project or home changed.
#[track_caller]
fn refused(env: &TestEnv, args: &[&str], status: i32, words: &str) -> crate::env::Run {
    let before = (env.picture("project"), env.picture("home"), env.picture("settings"));
    let run = env.run(args).ends(status).says(words);
    let after = (env.picture("project"), env.picture("home"), env.picture("settings"));
    assert_eq!(before, after, "the disk changed");
    assert!(!run.stderr.contains('\u{1b}'), "{:?}", run.stderr);
    run
}

#[test]
fn a_builtin_skill_is_installed_recorded_listed_and_removed() {
    let env = TestEnv::new();
    let before = env.picture("project");
    let run = env.run(&["skill", "install", "builtin:skill-finder"]).ends(0);
    assert!(run.says("Installed skill-finder in .claude/skills").stdout.is_empty());
    let entry = &env.registry()["skills"]["skill-finder"];
    assert_eq!(entry["source"], "builtin:skill-finder");
    assert_eq!(entry["installed_at"], "2026-01-02T03:04:05Z");
    assert_eq!(entry["targets"], serde_json::json!(["claude-code"]));
    let row = env.run(&["skill", "list"]).ends(0).stdout;
    assert!(row.starts_with("skill-finder\t"), "{row}");
    env.run(&["skill", "uninstall", "skill-finder"]).ends(0).says("Removed skill-finder");
    let mut after = env.picture("project");
    assert!(after.remove("config/skills_registry.json").unwrap().contains("\"skills\": {}"));
    for folder in [".claude", ".claude/skills", "config"] {
        after.remove(folder);
    }
    assert_eq!(after, before);
}

#[test]
fn one_skill_gives_one_digest_whatever_it_came_in() {
    let env = three();
    let repo = env.git_repo("repo.git", &env.path("src"));
    drop(repo);
    let zip = env.zip("s.zip", &env.path("src"));
    let tgz = env.tar_gz("s.tar.gz", &env.path("src"));
    let mut digests = std::collections::BTreeSet::new();
    let url = format!("file://{}", env.path("repo.git").display());
    for source in ["../src", zip.to_str().unwrap(), tgz.to_str().unwrap(), &url] {
        let run = env.run(&["skill", "install", source, "--skill", "pdf", "--json"]).ends(0).json();
        digests.insert(run["skills"][0]["entry"]["digest"].as_str().unwrap().to_owned());
        assert_eq!(env.read("project/.claude/skills/pdf/scripts/run.py"), "print('pdf')\n");
        env.run(&["skill", "uninstall", "pdf"]).ends(0);
    }
    assert_eq!(digests.len(), 1, "{digests:?}");
}

#[test]
fn of_several_skills_one_must_be_chosen() {
    let env = three();
    let run = refused(&env, &["skill", "install", "../src"], 2, "has 3 skills: specify one or more");
    assert!(run.stderr.contains("docx, pdf, xlsx"), "{}", run.stderr);
    assert!(run.stderr.contains("--skill NAME"), "{}", run.stderr);
    refused(&env, &["skill", "install", "../src", "--skill", "pfd"], 3, "did you mean `pdf`?");
    env.run(&["skill", "install", "../src", "-s", "pdf", "-s", "docx"]).ends(0);
    assert_eq!(names(&env.registry()), ["docx", "pdf"]);
    env.run(&["skill", "install", "../src", "--all"]).ends(0).says("Unchanged pdf");
    assert_eq!(names(&env.registry()), ["docx", "pdf", "xlsx"]);
}

/// Several names behind one flag, and patterns.
#[test]
fn skills_are_chosen_by_lists_and_patterns() {
    let env = three();
    for (word, expected) in [
        ("pdf,docx", &["docx", "pdf"][..]),
        ("*x", &["docx", "xlsx"]),
        ("pdf,x*", &["pdf", "xlsx"]),
        ("???", &["pdf"]),
        ("skills/d*", &["docx"]),
        ("*", &["docx", "pdf", "xlsx"]),
    ] {
        let run =
            env.run(&["skill", "install", "../src", "--skill", word, "--dry-run", "--json"]).ends(0).json();
        let mut chosen: Vec<&str> =
            run["skills"].as_array().unwrap().iter().map(|skill| skill["name"].as_str().unwrap()).collect();
        chosen.sort_unstable();
        assert_eq!(chosen, expected, "{word}");
    }
    refused(&env, &["skill", "install", "../src", "--skill", "q*"], 3, "has no skill that fits `q*`");
    let run = refused(
        &env,
        &["skill", "install", "../src", "--skill", "pdf", "docx"],
        2,
        "`docx` stands where a source does",
    );
    assert!(run.stderr.contains("write `--skill pdf,docx`"), "{}", run.stderr);
}

/// What contradicts itself is no choice: nothing is fetched, nothing is installed.
#[test]
fn one_skill_and_all_of_them_are_not_asked_for_at_once() {
    let env = three();
    for source in ["acme/skills@pdf", "github:acme/skills@pdf", "acme/skills#v1@pdf"] {
        let run = refused(&env, &["skill", "install", source, "--all"], 2, "`@pdf` names one skill");
        assert!(run.stderr.contains("leave out `--all`"), "{}", run.stderr);
    }
}

/// Names that something else has do not hold back the others, if that is wanted.
#[test]
fn what_has_no_free_name_can_be_left_out() {
    let env = three();
    env.skill("other/pdf").file("more.md", "Another one.");
    env.run(&["skill", "install", "../other/pdf"]).ends(0);
    env.write("project/.claude/skills/docx/SKILL.md", "mine");
    env.run(&["skill", "install", "../src", "--skill", "pdf"]).ends(7).says("--as ");
    let run = refused(&env, &["skill", "install", "../src", "--all"], 7, "`--skip-existing` leaves out");
    assert!(!run.stderr.contains("--as "), "one name for three skills: {}", run.stderr);
    let before = env.picture("project/.claude/skills");
    let run = env.run(&["skill", "install", "../src", "--all", "--skip-existing", "--json"]).ends(0).json();
    let left_out: Vec<&str> =
        run["left_out"].as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap()).collect();
    assert_eq!((names(&env.registry()), left_out), (vec!["pdf", "xlsx"], vec!["docx", "pdf"]));
    for (path, content) in before {
        assert_eq!(env.picture("project/.claude/skills").get(&path), Some(&content), "{path}");
    }
    let run = env.run(&["skill", "install", "../src", "--all", "--skip-existing"]).ends(0);
    assert!(run.stderr.contains("left out pdf: the name is taken by a skill of ../other"), "{}", run.stderr);
    assert!(run.stderr.contains("left out docx: something that ba-agent did not install"), "{}", run.stderr);
}

/// A commit that was named is not known to be in a branch, and not known to be in none.
#[test]
fn what_was_not_checked_is_not_recorded_as_false() {
    let env = three();
    let repo = env.git_repo("repo.git", &env.path("src"));
    let sha = repo.refname_to_id("refs/heads/main").unwrap().to_string();
    let url = format!("file://{}", env.path("repo.git").display());
    env.run(&["skill", "install", &url, "--skill", "pdf", "--sha", &sha]).ends(0).says("not checked");
    let reachable = |env: &TestEnv| env.registry()["skills"]["pdf"]["pin"].get("reachable").cloned();
    assert_eq!(reachable(&env), None);
    // What an earlier version wrote means the same: the skill is the very one, and stays.
    let text = env.read("project/config/skills_registry.json");
    let old = text.replace(
        &format!("\"commit\": \"{sha}\""),
        &format!("\"commit\": \"{sha}\",\n        \"reachable\": false"),
    );
    assert_ne!(old, text);
    env.write("project/config/skills_registry.json", &old);
    env.run(&["skill", "install", &url, "--skill", "pdf", "--sha", &sha]).ends(0).says("Unchanged pdf");
    assert!(!env.run(&["skill", "list", "--json"]).ends(0).stdout.contains("\"reachable\": false"));
    // Its record changes, and no file: that is not called replaced.
    env.run(&["skill", "install", &url, "--skill", "pdf"]).ends(0).says("Recorded pdf in");
    assert_eq!(reachable(&env), Some(true.into()));
}

/// What is said of many is a sum, and what did not change is not called replaced.
#[test]
fn what_is_said_fits_what_was_done() {
    let env = TestEnv::new();
    for n in 0..40 {
        env.skill(&format!("src/skills/tool-{n}"));
    }
    let six: Vec<String> = (0..6).map(|n| format!("tool-{n}")).collect();
    env.run(&["skill", "install", "../src", "--skill", &six.join(",")]).ends(0).says("Installed tool-5 in");
    env.run(&["skill", "install"]).ends(0).says("Unchanged 6 skills in .claude/skills");
    env.run(&["skill", "install", "--verbose"]).ends(0).says("Unchanged tool-5 in");
    let run = env.run(&["skill", "install", "../src", "-s", "tool-1", "--agent", "codex"]).ends(0);
    assert!(!run.stderr.contains("Replaced"), "{}", run.stderr);
    // A folder with the very same files is taken over as it lies.
    env.skill("project/.claude/skills/tool-9");
    env.run(&["skill", "install", "../src", "-s", "tool-9"]).ends(0).says("Adopted tool-9 in");
    env.run(&["skill", "install", "../src", "--all"]).ends(0).says("Installed 33 skills in .claude/skills");
    let names: Vec<String> = (0..40).map(|n| format!("tool-{n}")).collect();
    let mut args = vec!["skill", "uninstall"];
    args.extend(names.iter().map(String::as_str));
    let run = env.run(&args).ends(0).says("Removed 40 skills from .");
    assert_eq!(run.stderr.lines().count(), 1, "{}", run.stderr);
    env.run(&["skill", "install"]).ends(0).says("`config/skills_registry.json` records no skills");
    env.run(&["skill", "list", "--global"]).ends(0).says("no skills are installed in your user account");
    env.run(&["skill", "install", "./not/./there"]).ends(3).says("`[PROJECT]/not/there` does not exist");
    env.run(&["marketplace", "update"]).ends(0).says("there is nothing to update");
}

/// The executables that matter are named, the others counted; what a skill asks for is not grey.
#[test]
fn executables_are_named_by_weight() {
    let env = TestEnv::new();
    let maker = env.skill("src/kit").file("SKILL.md", "---\nname: kit\ndescription: Does many things. Use it for all.\nallowed-tools: Bash, Read\n---\n\n# kit\n");
    let maker = maker.executable("scripts/__init__.py", "").executable("scripts/deep/er/part.py", "x");
    maker.executable("scripts/run.sh", "x").executable("setup", "x").executable("scripts/deep/b.py", "x");
    let run = env.run(&["skill", "install", "../src/kit"]).ends(0);
    assert!(
        run.stderr.contains("executables: setup, scripts/run.sh, scripts/deep/b.py and 2 more"),
        "{}",
        run.stderr
    );
    assert!(run.stderr.contains("     grants: Bash, Read\n"), "{}", run.stderr);
}

#[test]
fn a_branch_tag_sha_short_sha_range_and_folder_are_found() {
    let env = three();
    let repo = env.git_repo("repo.git", &env.path("src"));
    let first = repo.refname_to_id("refs/heads/main").unwrap();
    repo.reference("refs/tags/v1.0.0", first, false, "").unwrap();
    repo.reference("refs/tags/v1.2.0", first, false, "").unwrap();
    env.write("src/skills/pdf/SKILL.md", skill_md("pdf", "Second edition of it, with more in it."));
    let second = commit(&repo, "refs/heads/feature/new", &env.path("src"), "second");
    repo.reference("refs/tags/v2.0.0", second, false, "").unwrap();
    let url = format!("file://{}", env.path("repo.git").display());
    let (one, two) = (first.to_string(), second.to_string());
    for (reference, expected) in [
        (None, &one),
        (Some("feature/new"), &two),
        (Some("v1.0.0"), &one),
        (Some("^1"), &one),
        (Some(">=1"), &two),
        (Some(&two[..9]), &two),
        (Some(&two[..]), &two),
    ] {
        let mut args = vec!["skill", "install", &url, "--skill", "pdf", "--json"];
        args.extend(reference.iter().flat_map(|reference| ["--ref", reference]));
        let run = env.run(&args).ends(0).json();
        assert_eq!(run["skills"][0]["entry"]["pin"]["commit"], **expected, "{reference:?}");
        env.run(&["skill", "uninstall", "pdf"]).ends(0);
    }
    env.run(&["skill", "install", &url, "--subdirectory", "skills/docx"]).ends(0);
    assert_eq!(env.registry()["skills"]["docx"]["path"], "skills/docx");
    let run = env.run(&["skill", "install", &url, "--skill", "pdf", "--sha", &one, "--json"]).ends(0).json();
    assert_eq!(run["skills"][0]["entry"]["pinned"], true);
}

#[test]
fn what_does_not_exist_is_said_and_nothing_changes() {
    let env = three();
    drop(env.git_repo("repo.git", &env.path("src")));
    let url = format!("file://{}", env.path("repo.git").display());
    let none = format!("file://{}", env.path("none.git").display());
    for (args, status, words) in [
        (vec![none.as_str()], 3, "none.git"),
        (vec![&url, "--ref", "mian"], 3, "did you mean `main`"),
        (vec![&url, "--ref", "^9"], 3, "9"),
        (vec![&url, "--sha", "0123456789012345678901234567890123456789"], 3, "0123456"),
        (vec![&url, "--subdirectory", "skill/pdf"], 3, "did you mean `skills/pdf`?"),
        (vec![&url, "--skill", "nothing-like-it"], 3, "has no skill named"),
        (vec!["../nowhere"], 3, "nowhere"),
        (vec!["../nowhere.zip"], 3, "nowhere.zip"),
        (vec!["builtin:nothing"], 3, "nothing"),
        (vec!["pdf"], 2, "pdf"),
        (vec!["ext::sh -c touch% x"], 2, "ext"),
        (vec!["git://example.org/x.git"], 2, "git://"),
        (vec![&url, "--sha", "abc"], 2, "sha"),
        (vec![&url, "--all", "--as", "x"], 2, "--as"),
    ] {
        let mut all = vec!["skill", "install"];
        all.extend(args);
        refused(&env, &all, status, words);
    }
}

#[test]
fn a_name_of_another_source_is_a_conflict_that_says_how_to_have_both() {
    let env = TestEnv::new();
    env.skill("one/pdf");
    env.skill("two/pdf").file("more.md", "more");
    env.run(&["skill", "install", "../one/pdf"]).ends(0);
    let run = refused(&env, &["skill", "install", "../two/pdf"], 7, "the name `pdf` is taken");
    assert!(run.stderr.contains("one/pdf") && run.stderr.contains("two/pdf"), "{}", run.stderr);
    assert!(run.stderr.contains("--as ") && run.stderr.contains("uninstall pdf"), "{}", run.stderr);
    env.run(&["skill", "install", "../two/pdf", "--as", "pdf-two"]).ends(0);
    assert_eq!(env.registry()["skills"]["pdf-two"]["alias_of"], "pdf");
    assert_eq!(names(&env.registry()), ["pdf", "pdf-two"]);
}

#[test]
fn what_somebody_else_put_there_is_left_alone() {
    let env = TestEnv::new();
    env.skill("one/pdf");
    env.write("project/.claude/skills/pdf/notes.txt", "mine");
    refused(&env, &["skill", "install", "../one/pdf"], 7, "did not install");
    env.run(&["skill", "install", "../one/pdf", "--force"]).ends(0);
    assert!(!env.path("project/.claude/skills/pdf/notes.txt").exists());
}

#[test]
fn a_folder_of_the_very_same_content_is_taken_over() {
    let env = TestEnv::new();
    env.skill("one/pdf");
    env.skill("project/.claude/skills/pdf");
    env.run(&["skill", "install", "../one/pdf"]).ends(0);
    assert_eq!(names(&env.registry()), ["pdf"]);
}

#[test]
fn local_edits_stop_install_and_uninstall_and_name_the_files() {
    let env = three();
    env.run(&["skill", "install", "../src", "--skill", "pdf"]).ends(0);
    env.write("project/.claude/skills/pdf/SKILL.md", "edited");
    env.write("project/.claude/skills/pdf/new.md", "new");
    for verb in [&["skill", "install", "../src", "--skill", "pdf"][..], &["skill", "uninstall", "pdf"]] {
        let run = refused(&env, verb, 7, "`pdf` was edited");
        assert!(run.stderr.contains("changed: ") && run.stderr.contains("SKILL.md"), "{}", run.stderr);
        assert!(run.stderr.contains("added: ") && run.stderr.contains("new.md"), "{}", run.stderr);
        assert!(run.stderr.contains("--force"), "{}", run.stderr);
    }
    let listed = env.run(&["skill", "list", "--check", "--json"]).ends(0).json();
    assert_eq!(listed["skills"][0]["state"], "edited");
    env.run(&["skill", "install", "../src", "--skill", "pdf", "--force"]).ends(0);
    assert!(env.read("project/.claude/skills/pdf/SKILL.md").contains("Does pdf"));
    env.run(&["skill", "uninstall", "pdf"]).ends(0);
}

#[test]
fn litter_of_running_a_skill_is_no_edit() {
    let env = three();
    env.run(&["skill", "install", "../src", "--skill", "pdf"]).ends(0);
    env.write("project/.claude/skills/pdf/scripts/__pycache__/run.pyc", "x");
    env.write("project/.claude/skills/pdf/.DS_Store", "x");
    env.run(&["skill", "uninstall", "pdf"]).ends(0);
    assert!(!env.path("project/.claude/skills/pdf").exists());
}

#[cfg(unix)]
#[test]
fn modes_and_inner_links_are_kept_line_ends_untouched() {
    let env = TestEnv::new();
    env.skill("src/pdf")
        .executable("bin/run.sh", "#!/bin/sh\r\necho $Id$\r\n")
        .file("AGENTS.md", "agents")
        .file(".gitattributes", "* text=auto ident\n")
        .link("CLAUDE.md", "AGENTS.md");
    drop(env.git_repo("repo.git", &env.path("src")));
    let url = format!("file://{}", env.path("repo.git").display());
    env.run(&["skill", "install", &url]).ends(0).says("executables: bin/run.sh");
    assert_eq!(env.picture("project/.claude/skills/pdf"), env.picture("src/pdf"));
}

#[cfg(unix)]
#[test]
fn a_link_that_leaves_the_skill_is_refused_from_every_source() {
    for target in ["/etc/passwd", "../../outside", "..", "missing"] {
        let env = TestEnv::new();
        env.skill("src/skills/pdf").link("evil", target);
        env.skill("src/skills/good");
        drop(env.git_repo("repo.git", &env.path("src")));
        let url = format!("file://{}", env.path("repo.git").display());
        for source in ["../src", &url] {
            refused(&env, &["skill", "install", source, "--skill", "pdf"], 8, "evil");
            env.run(&["skill", "install", source, "--all"]).ends(0).says("left out skills/pdf");
            assert_eq!(names(&env.registry()), ["good"], "{target}");
            env.run(&["skill", "uninstall", "good"]).ends(0);
            std::fs::remove_dir_all(env.path("project/.claude")).unwrap();
            std::fs::remove_dir_all(env.path("project/config")).unwrap();
        }
        refused(&env, &["skill", "install", "../src", "--all", "--strict"], 8, "evil");
    }
}

#[test]
fn agents_get_links_to_the_first_or_copies() {
    let env = three();
    let run = ["skill", "install", "../src", "-s", "pdf", "--agent", "claude-code", "--agent", "augment"];
    env.run(&run).ends(0);
    let seen = env.picture("project");
    assert_eq!(seen[".augment/skills/pdf"], "-> ../../.claude/skills/pdf");
    env.run(&["skill", "uninstall", "pdf"]).ends(0);
    assert!(!env.path("project/.augment/skills/pdf").exists());
    let mut copies = run.to_vec();
    copies.push("--copy");
    env.run(&copies).ends(0);
    assert_eq!(env.picture("project/.augment/skills/pdf"), env.picture("project/.claude/skills/pdf"));
    assert_eq!(env.registry()["skills"]["pdf"]["mode"], "copy");
    // An edit in any copy is an edit.
    env.write("project/.augment/skills/pdf/SKILL.md", "x");
    refused(&env, &["skill", "uninstall", "pdf"], 7, "was edited");
}

/// What is asked for the second time is done, also where the files are the same.
#[test]
fn a_copy_becomes_a_live_link_and_a_live_link_a_copy() {
    let env = three();
    let at = env.path("project/.claude/skills/pdf");
    let run = |more: &[&str]| {
        env.run(&[&["skill", "install", "../src/skills/pdf"], more].concat()).ends(0);
        (at.is_symlink(), env.registry()["skills"]["pdf"]["mode"].as_str().unwrap().to_owned())
    };
    assert_eq!(run(&[]), (false, "link".into()));
    assert_eq!(run(&["--link"]), (true, "live".into()));
    assert_eq!(run(&[]), (false, "link".into()));
    assert_eq!(run(&["--link"]), (true, "live".into()));
    assert_eq!(run(&["--copy", "--agent", "augment"]), (false, "copy".into()));
    assert_eq!(run(&[]), (false, "copy".into()));
    assert!(env.path("project/.augment/skills/pdf/SKILL.md").exists());
    env.run(&["skill", "verify"]).ends(0);
    for _ in 0..4 {
        env.run(&["skill", "rollback"]).ends(0);
        env.run(&["skill", "verify"]).ends(0);
    }
}

/// No host is asked for what cannot be linked.
#[test]
fn a_live_link_to_what_is_not_local_is_refused_at_once() {
    let env = three();
    for source in
        ["owner/repo", "https://host.example/x.zip", "git@host.example:o/r.git", "builtin:skill-finder"]
    {
        refused(&env, &["skill", "install", "--link", source], 2, "is not a local folder");
    }
}

#[test]
fn a_further_agent_is_added_to_an_installed_skill() {
    let env = three();
    env.run(&["skill", "install", "../src", "-s", "pdf"]).ends(0);
    env.run(&["skill", "install", "../src", "-s", "pdf", "--agent", "augment"]).ends(0);
    assert_eq!(env.registry()["skills"]["pdf"]["targets"], serde_json::json!(["claude-code", "augment"]));
    assert!(env.path("project/.augment/skills/pdf/SKILL.md").exists());
    assert!(env.path("project/.claude/skills/pdf/SKILL.md").exists());
}

#[test]
fn an_unknown_agent_is_an_error_with_a_suggestion() {
    let env = three();
    refused(&env, &["skill", "install", "../src", "-s", "pdf", "--agent", "cursr"], 2, "cursor");
}

#[test]
fn settings_choose_folder_registry_and_agents() {
    let env = three();
    env.write(
        "project/.ba-agent/config.yaml",
        "skills:\n  install_dir: agent/skills\n  registry: lock/skills.json\n  agents: [claude-code, augment]\n",
    );
    env.run(&["skill", "install", "../src", "-s", "pdf"]).ends(0);
    assert!(env.path("project/agent/skills/pdf/SKILL.md").exists());
    assert!(env.path("project/lock/skills.json").exists());
    assert!(env.path("project/.augment/skills/pdf").exists());
    assert!(!env.path("project/.claude").exists());
    env.write("project/.ba-agent/config.yaml", "skills:\n  instal_dir: x\n");
    let run = env.run(&["skill", "list"]).ends(2);
    assert!(run.stderr.contains("instal_dir") && run.stderr.contains("line 2"), "{}", run.stderr);
}

#[test]
fn a_live_link_follows_its_author() {
    let env = three();
    env.run(&["skill", "install", "../src/skills/pdf", "--link"]).ends(0);
    env.write("src/skills/pdf/SKILL.md", skill_md("pdf", "Something else altogether, said at length."));
    assert!(env.read("project/.claude/skills/pdf/SKILL.md").contains("Something else"));
    assert_eq!(env.registry()["skills"]["pdf"]["mode"], "live");
    env.run(&["skill", "uninstall", "pdf"]).ends(0);
    assert!(env.path("src/skills/pdf/SKILL.md").exists());
    drop(env.git_repo("repo.git", &env.path("src")));
    let url = format!("file://{}", env.path("repo.git").display());
    refused(&env, &["skill", "install", &url, "-s", "pdf", "--link"], 2, "local");
}

#[test]
fn the_project_is_found_from_any_folder_below() {
    let env = three();
    std::fs::create_dir_all(env.path("project/a/b")).unwrap();
    env.run_in("project/a/b", &["skill", "install", "../../../src", "-s", "pdf"]).ends(0);
    assert!(env.path("project/.claude/skills/pdf/SKILL.md").exists());
    assert_eq!(env.run_in("project/a", &["skill", "list"]).ends(0).stdout.lines().count(), 1);
}

#[test]
fn the_home_directory_is_no_project() {
    let env = three();
    env.run_in("home", &["skill", "install", "../src", "-s", "pdf"]).ends(2).says("--global");
    env.run_in("home", &["skill", "install", "../src", "-s", "pdf", "--global"]).ends(0);
    assert!(env.path("home/.claude/skills/pdf/SKILL.md").exists());
    assert!(env.path("settings/skills_registry.json").exists());
    assert!(!env.path("project/.claude").exists());
    assert_eq!(env.run(&["skill", "list", "-g"]).ends(0).stdout.lines().count(), 1);
    assert_eq!(env.run(&["skill", "list"]).ends(0).stdout, "");
}

#[test]
fn a_dry_run_changes_nothing() {
    let env = three();
    let before = env.picture("project");
    env.run(&["skill", "install", "../src", "--all", "--dry-run"]).ends(0).says("Would put docx");
    assert_eq!(env.picture("project"), before);
}

#[test]
fn many_skills_are_all_or_nothing() {
    let env = three();
    env.skill("other/xlsx");
    env.run(&["skill", "install", "../other/xlsx"]).ends(0);
    refused(&env, &["skill", "install", "../src", "--all"], 7, "the name `xlsx` is taken");
}

#[test]
fn damaged_registries_are_refused_and_never_overwritten() {
    let env = three();
    env.run(&["skill", "install", "../src", "-s", "pdf"]).ends(0);
    let sound = env.read("project/config/skills_registry.json");
    for (text, status, words) in [
        (String::new(), 8, "line 1"),
        (sound[..sound.len() / 2].to_owned(), 8, "line"),
        (format!("<<<<<<< HEAD\n{sound}"), 8, "git conflict markers on line 1"),
        (sound.replace("\"1.1\"", "\"2.0\""), 7, "schema version 2.0"),
        (sound.replace("\"digest\": \"sha256:", "\"digest\": \"md5:"), 8, "line"),
        ("[]".to_owned(), 8, "schema_version"),
    ] {
        env.write("project/config/skills_registry.json", &text);
        for args in [
            &["skill", "install", "../src", "-s", "docx"][..],
            &["skill", "uninstall", "pdf"],
            &["skill", "list"],
        ] {
            refused(&env, args, status, words);
        }
    }
    env.write("project/config/skills_registry.json", b"\xff\xfe\x00");
    refused(&env, &["skill", "list"], 8, "not UTF-8");
}

#[test]
fn keys_of_a_later_version_are_kept() {
    let env = three();
    env.run(&["skill", "install", "../src", "-s", "pdf"]).ends(0);
    let text = env.read("project/config/skills_registry.json");
    let text = text.replace("\"kind\": \"local\"", "\"kind\": \"local\",\n      \"mood\": \"good\"");
    env.write("project/config/skills_registry.json", text.replacen('{', "{\n  \"zeal\": 7,", 1));
    env.run(&["skill", "install", "../src", "-s", "docx"]).ends(0);
    let registry = env.registry();
    assert_eq!((&registry["zeal"], &registry["skills"]["pdf"]["mood"]), (&7.into(), &"good".into()));
}

#[test]
fn a_target_that_is_a_file_is_said_to_be_one() {
    let env = three();
    env.write("project/.claude/skills", "a file");
    refused(&env, &["skill", "install", "../src", "-s", "pdf"], 7, "is a file, not a folder");
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_leaves_everything_as_it_was() {
    let env = three();
    env.run(&["skill", "install", "../src", "-s", "docx"]).ends(0);
    let before = env.picture("project");
    for step in 1..=120 {
        let mut command = env.command(&["skill", "install", "../src", "--all"]);
        command.env("BA_AGENT_FAULT", format!("full:{step}"));
        let run = env.done(command.output().unwrap());
        let after = env.picture("project");
        if run.status == 0 {
            assert!(step > 15, "only {step} steps");
            return;
        }
        assert_eq!(after, before, "step {step}");
        assert!(run.stderr.contains("disk") || run.stderr.contains("injected"), "{}", run.stderr);
    }
    panic!("the command never came through");
}

#[test]
fn registries_of_tests_fit_the_schema() {
    let env = three();
    let repo = env.git_repo("repo.git", &env.path("src"));
    let tip = repo.refname_to_id("refs/heads/main").unwrap();
    repo.reference("refs/tags/v1.2.0", tip, false, "").unwrap();
    let url = format!("file://{}", env.path("repo.git").display());
    let zip = env.zip("s.zip", &env.path("src"));
    env.run(&["skill", "install", "builtin:skill-finder"]).ends(0);
    env.run(&[
        "skill",
        "install",
        &format!("{url}#^1"),
        "--skill",
        "pdf",
        "--agent",
        "claude-code",
        "--agent",
        "augment",
    ])
    .ends(0);
    env.run(&["skill", "install", zip.to_str().unwrap(), "-s", "docx", "--as", "word", "--copy"]).ends(0);
    env.run(&["skill", "install", "../src/skills/xlsx", "--link"]).ends(0);
    let schema: Value = serde_json::from_str(include_str!("../../skills_registry.schema.json")).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let registry = env.registry();
    let faults: Vec<String> =
        validator.iter_errors(&registry).map(|e| format!("{}: {e}", e.instance_path())).collect();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    assert_eq!(names(&registry).len(), 4);
    let described = |value: &Value| value["description"].is_string() && value["title"].is_string();
    for (name, field) in schema["$defs"]["skill"]["properties"].as_object().unwrap() {
        assert!(described(field), "{name} is not described");
    }
    for (_, entry) in registry["skills"].as_object().unwrap() {
        for key in entry.as_object().unwrap().keys() {
            assert!(
                schema["$defs"]["skill"]["properties"].get(key).is_some(),
                "`{key}` is not in the schema"
            );
        }
    }
}

#[test]
fn the_same_install_writes_the_same_bytes() {
    let texts: Vec<String> = (0..2)
        .map(|_| {
            let env = three();
            env.run(&["skill", "install", "../src", "--all"]).ends(0);
            env.read("project/config/skills_registry.json").replace(env.root().to_str().unwrap(), "")
        })
        .collect();
    assert_eq!(texts[0], texts[1]);
    assert!(texts[0].ends_with("}\n") && !texts[0].contains('\r'));
}

#[test]
fn nothing_of_a_skill_reaches_the_terminal_raw() {
    let env = TestEnv::new();
    env.write(
        "src/skills/evil/SKILL.md",
        "---\nname: evil\ndescription: \"a \\e[31mred\\e[0m and \\u202eflipped thing for a test\"\n---\nbody\n",
    );
    env.write("src/skills/good/SKILL.md", skill_md("good", "Is good. Use it for good."));
    for args in [
        &["skill", "install", "../src"][..],
        &["skill", "show", "../src"],
        &["skill", "validate", "../src"],
        &["skill", "install", "../src", "--all", "--yes"],
        &["skill", "list"],
    ] {
        let run = env.run(args);
        for text in [&run.stdout, &run.stderr] {
            assert!(!text.contains(['\u{1b}', '\u{202e}']), "{args:?}: {text:?}");
        }
    }
}

#[test]
fn two_at_once_both_come_through() {
    let env = three();
    let mut children: Vec<_> = ["pdf", "docx", "xlsx"]
        .iter()
        .map(|name| env.command(&["skill", "install", "../src", "-s", name]).spawn().unwrap())
        .collect();
    assert!(children.iter_mut().all(|child| child.wait().unwrap().success()));
    assert_eq!(names(&env.registry()), ["docx", "pdf", "xlsx"]);
    let left: Vec<_> = env.picture("project").into_keys().filter(|path| path.contains("ba-agent")).collect();
    assert!(left.is_empty(), "{left:?}");
}

#[cfg(unix)]
#[test]
fn a_kill_at_any_step_leaves_old_or_new() {
    let env = three();
    env.run(&["skill", "install", "../src", "-s", "docx"]).ends(0);
    env.write("src/skills/docx/SKILL.md", skill_md("docx", "The second edition of docx, quite another."));
    let (skills, registry) = ("project/.claude/skills", "project/config/skills_registry.json");
    let old = (env.picture(skills), env.read(registry));
    let mut news = 0;
    for step in 1.. {
        assert!(step < 200, "the command never came through");
        let mut command: Command = env.command(&["skill", "install", "../src", "--all"]);
        let killed = command.env("BA_AGENT_FAULT", format!("kill:{step}")).output().unwrap();
        env.run(&["skill", "list"]).ends(0);
        let now = (env.picture(skills), env.read(registry));
        if killed.status.success() {
            assert!(step > 20 && news > 0, "{step} steps, {news} of them after the commit");
            break;
        }
        if now == old {
            continue;
        }
        news += 1;
        let checked = env.run(&["skill", "list", "--check", "--json"]).ends(0).json();
        let states = checked["skills"].as_array().unwrap().iter().map(|s| s["state"].as_str().unwrap());
        assert_eq!(states.collect::<Vec<_>>(), ["ok", "ok", "ok"], "step {step}");
        env.write(registry, &old.1);
        std::fs::remove_dir_all(env.path(skills)).unwrap();
        for (path, content) in old.0.iter().filter(|(_, content)| *content != "/") {
            env.write(&format!("{skills}/{path}"), content);
        }
    }
}

/// A registry comes with its project: it cannot make anybody write or remove elsewhere.
#[test]
fn a_registry_cannot_lead_out_of_its_project() {
    let env = three();
    env.write("elsewhere/pdf/precious.txt", "precious");
    refused(
        &env,
        &["skill", "install", "../src", "-s", "pdf", "--agent", "../elsewhere"],
        2,
        "is outside the project",
    );
    env.run(&["skill", "install", "../src", "-s", "pdf"]).ends(0);
    let sound = env.read("project/config/skills_registry.json");
    for target in ["../elsewhere", "./../elsewhere", "~/elsewhere", env.path("elsewhere").to_str().unwrap()] {
        env.write(
            "project/config/skills_registry.json",
            sound.replace("\"claude-code\"", &format!("\"{target}\"")),
        );
        for args in [
            &["skill", "install"][..],
            &["skill", "install", "--force"],
            &["skill", "install", "--frozen"],
            &["skill", "uninstall", "pdf", "--force"],
            &["skill", "update", "--force", "--yes"],
            &["skill", "list", "--check"],
        ] {
            refused(&env, args, 2, "is outside the project");
            assert_eq!(env.read("elsewhere/pdf/precious.txt"), "precious");
        }
    }
    let renamed = sound.replace("\"pdf\": {", "\"../../elsewhere/pdf\": {");
    env.write("project/config/skills_registry.json", renamed);
    refused(&env, &["skill", "uninstall", "pdf", "--force"], 8, "line");
}
