//! A live link of a project is for everybody who has the project: it is relative, so each clone has
//! it, and what is wrong with one is put right by `install` and by `doctor --fix`.
#![cfg(unix)]

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use crate::env::{TestEnv, copy_tree};

const LINK: &str = ".claude/skills/own";

/// A project that links to a skill of its own.
fn author() -> TestEnv {
    let env = TestEnv::new();
    env.skill("project/skills/own");
    env.run(&["skill", "install", "./skills/own", "--link", "-a", "claude-code", "-a", "augment"]).ends(0);
    env
}

fn says(link: &Path) -> String {
    std::fs::read_link(link).unwrap().to_str().unwrap().to_owned()
}

/// What is committed of the project, cloned by git to another path.
fn clone(env: &TestEnv, to: &str) -> PathBuf {
    copy_tree(&env.project(), &env.path("tree"));
    std::fs::remove_dir_all(env.path("tree/.git")).unwrap();
    let repo = env.git_repo("shared.git", &env.path("tree"));
    std::fs::remove_dir_all(env.path("tree")).unwrap();
    git2::Repository::clone(repo.path().to_str().unwrap(), env.path(to)).unwrap();
    std::fs::remove_dir_all(env.path("shared.git")).unwrap();
    env.path(to)
}

#[test]
fn a_live_link_into_the_project_is_whole_in_every_clone() {
    let env = author();
    assert_eq!(says(&env.project().join(LINK)), "../../skills/own");
    assert_eq!(env.registry()["skills"]["own"]["source"], "./skills/own");
    for to in ["bob/work", "carol"] {
        let at = clone(&env, to);
        env.run_in(to, &["skill", "verify"]).ends(0);
        env.run_in(to, &["skill", "install", "--frozen"]).ends(0).says("Unchanged own");
        assert_eq!(says(&at.join(LINK)), "../../skills/own");
    }
    // By whatever path it is named, it is written from the project.
    let absolute = env.path("project/skills/own").display().to_string();
    env.run(&["skill", "uninstall", "own"]).ends(0);
    env.run(&["skill", "install", &absolute, "--link"]).ends(0);
    assert_eq!(env.registry()["skills"]["own"]["source"], "./skills/own");
    assert_eq!(says(&env.project().join(LINK)), "../../skills/own");
    env.run(&["skill", "uninstall", "own"]).ends(0);
    env.run(&["skill", "rollback"]).ends(0);
    assert_eq!(says(&env.project().join(LINK)), "../../skills/own");
}

/// As it was committed by who has an absolute link, or another wrong one, in the first folder.
#[test]
fn a_wrong_live_link_is_mended_in_a_clone() {
    let other = "../../skills/other".to_owned();
    for how in ["absolute", "dangling", "other", "gone"] {
        for mend in [&["skill", "install"][..], &["skill", "install", "--frozen"], &["doctor", "--fix"]] {
            let env = author();
            env.skill("project/skills/other");
            let link = env.project().join(LINK);
            std::fs::remove_file(&link).unwrap();
            match how {
                "absolute" => symlink(env.path("project/skills/own"), &link).unwrap(),
                "dangling" => symlink("../../nowhere", &link).unwrap(),
                "other" => symlink(&other, &link).unwrap(),
                _ => {}
            }
            let at = clone(&env, "bob");
            // The path of whoever committed it is not there.
            std::fs::rename(env.path("project/skills"), env.path("project/moved")).unwrap();
            let run = env.run_in("bob", &["skill", "verify"]).ends(6);
            assert!(run.stdout.contains("own"), "{how}: {}", run.stdout);
            env.run_in("bob", mend).ends(0);
            assert_eq!(says(&at.join(LINK)), "../../skills/own", "{how} {mend:?}");
            assert_eq!(says(&at.join(".augment/skills/own")), "../../skills/own");
            env.run_in("bob", &["skill", "verify"]).ends(0);
            env.run_in("bob", &["doctor"]).ends(0);
        }
    }
}

/// Where it was made it leads to the right folder, so nothing is wrong yet.
#[test]
fn an_absolute_link_is_told_of_and_made_relative_where_it_still_leads_there() {
    for mend in
        [&["skill", "install"][..], &["doctor", "--fix"], &["skill", "install", "./skills/own", "--link"]]
    {
        let env = author();
        let link = env.project().join(LINK);
        std::fs::remove_file(&link).unwrap();
        symlink(env.path("project/skills/own"), &link).unwrap();
        env.run(&["skill", "verify"]).ends(0);
        let run = env.run(&["doctor"]).ends(0);
        assert!(run.stdout.contains("`.claude/skills/own` is an absolute link"), "{}", run.stdout);
        env.run(mend).ends(0);
        assert_eq!(says(&link), "../../skills/own", "{mend:?}");
        let run = env.run(&["doctor"]).ends(0);
        assert!(!run.stdout.contains("absolute"), "{}", run.stdout);
    }
}

/// The links from the other folders to the first, which holds the files, are no different; and
/// to make them neither cache nor source is needed.
#[test]
fn a_wrong_link_to_the_first_folder_is_made_without_the_source() {
    for mend in [&["skill", "install", "--offline"][..], &["doctor", "--fix"]] {
        let env = TestEnv::new();
        env.skill("src/pdf");
        env.run(&["skill", "install", "../src/pdf", "-a", "claude-code", "-a", "augment"]).ends(0);
        std::fs::remove_dir_all(env.path("src")).unwrap();
        env.run(&["cache", "clear", "--yes"]).ends(0);
        let link = env.path("project/.augment/skills/pdf");
        let before = env.picture("project/.claude");
        for wrong in [Some("../../somewhere"), Some("/"), None] {
            std::fs::remove_file(&link).unwrap();
            if let Some(wrong) = wrong {
                symlink(wrong, &link).unwrap();
            }
            env.run(mend).ends(0);
            assert_eq!(says(&link), "../../.claude/skills/pdf");
            env.run(&["skill", "verify"]).ends(0);
        }
        assert_eq!(env.picture("project/.claude"), before);
    }
}

/// What is recorded by a path of one machine is told of where it is recorded and where it is
/// missing, each time with what to do.
#[test]
fn sources_that_one_machine_alone_has_are_told_of() {
    let env = TestEnv::new();
    env.skill("src/skills/pdf");
    env.skill("src/skills/docx");
    env.skill("project/inside");
    env.zip("kit.zip", &env.path("src/skills/docx"));
    env.git_repo("repo.git", &env.path("src"));
    let (folder, url) = (env.path("src/skills/pdf"), format!("file://{}", env.path("repo.git").display()));
    for (source, what) in [
        (folder.to_str().unwrap(), "a path on this machine"),
        (env.path("kit.zip").to_str().unwrap(), "a path on this machine"),
    ] {
        env.run(&["skill", "install", source]).ends(0).says(what);
    }
    env.run(&["skill", "install", &url, "-s", "docx", "--as", "words"]).ends(0).says("only this machine has");
    let run = env.run(&["skill", "install", "./inside"]).ends(0);
    assert!(!run.stderr.contains("machine"), "{}", run.stderr);
    // A user's own registry is for nobody else.
    let run = env.run(&["skill", "install", "--global", &url, "-s", "pdf"]).ends(0);
    assert!(!run.stderr.contains("machine"), "{}", run.stderr);
    let told = env.run(&["doctor"]).ends(0).stdout;
    assert!(told.contains("the sources of 3 skills are on this machine alone"), "{told}");
    assert!(
        told.contains(&format!("words: {}", url.replace(env.root().to_str().unwrap(), "[ROOT]"))),
        "{told}"
    );

    let at = clone(&env, "far/away");
    std::fs::remove_dir_all(at.join(".claude")).unwrap();
    for gone in ["src", "cache", "repo.git"] {
        std::fs::remove_dir_all(env.path(gone)).unwrap();
    }
    std::fs::remove_file(env.path("kit.zip")).unwrap();
    let run = env.run_in("far/away", &["skill", "install", "--frozen"]).ends(3);
    for word in ["3 skills cannot be restored", "docx: ", "pdf: ", "words: ", "--source SOURCE"] {
        assert!(run.stderr.contains(word), "{word}: {}", run.stderr);
    }
}

/// A link out of the project stays what it is: the user's own, made where it was typed.
#[test]
fn a_live_link_out_of_the_project_is_absolute_and_only_told_of_elsewhere() {
    let env = TestEnv::new();
    env.skill("mine/own");
    env.run(&["skill", "install", "../mine/own", "--link"]).ends(0);
    assert_eq!(says(&env.project().join(LINK)), env.path("mine/own").display().to_string());
    let at = clone(&env, "far/away/bob");
    env.run_in("far/away/bob", &["skill", "install"]).ends(0);
    assert_eq!(says(&at.join(LINK)), env.path("mine/own").display().to_string());
    env.run_in("far/away/bob", &["skill", "verify"]).ends(6);
}
