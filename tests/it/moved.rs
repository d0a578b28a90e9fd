//! Repositories that moved: what is recorded is restored from wherever they are now, because
//! commit and digest decide; what is new is not taken from an address that nobody named.

use crate::env::{TestEnv, skill_md};
use crate::server::{Play, Server};

const CANARY: &str = "ghp_CanaryThatStaysAtHome";

/// A project with `pdf` of `old/repo`, which is at `new/repo` of another host now.
fn moved() -> Option<(TestEnv, Server, Server)> {
    let mut env = TestEnv::new();
    let home = Server::start(&env.path("srv"))?;
    env.skill("src/skills/pdf");
    env.skill("src/skills/docx");
    drop(env.git_repo("srv/old/repo.git", &env.path("src")));
    env.set("BA_AGENT_GITHUB_URL", home.url());
    env.set("GITHUB_TOKEN", CANARY);
    env.run(&["skill", "install", "old/repo@pdf"]).ends(0);
    std::fs::create_dir_all(env.path("elsewhere/new")).unwrap();
    std::fs::rename(env.path("srv/old/repo.git"), env.path("elsewhere/new/repo.git")).unwrap();
    let other = Server::start(&env.path("elsewhere"))?;
    home.play("/old/repo.git", Play::Redirect(format!("{}/new/repo.git/info/refs", other.url())));
    Some((env, home, other))
}

fn forget(env: &TestEnv) {
    std::fs::remove_dir_all(env.path("project/.claude")).unwrap();
    std::fs::remove_dir_all(env.path("cache")).unwrap();
}

#[test]
fn what_is_recorded_is_restored_from_where_it_is_now() {
    let Some((env, _home, other)) = moved() else { return };
    let before = env.picture("project");
    for flags in [&["--frozen"][..], &[]] {
        forget(&env);
        let run = env.run(&[&["skill", "install"], flags].concat()).ends(0).says("Installed pdf");
        assert!(run.stderr.contains(&format!("has moved to {}/new/repo.git", other.url())), "{}", run.stderr);
        assert_eq!(env.picture("project"), before, "{flags:?}");
    }
    let seen = other.seen();
    assert!(!seen.is_empty());
    for one in &seen {
        assert_eq!(one.header("authorization"), "", "the token went along: {one:?}");
    }
}

/// Another repository under the new address, with other bytes or without the commit.
#[test]
fn a_new_address_cannot_put_other_bytes_in_the_place() {
    let Some((env, _home, _other)) = moved() else { return };
    env.write(
        "src/skills/pdf/SKILL.md",
        skill_md("pdf", "Quite another skill of the same name, for this test."),
    );
    std::fs::remove_dir_all(env.path("elsewhere/new/repo.git")).unwrap();
    drop(env.git_repo("elsewhere/new/repo.git", &env.path("src")));
    forget(&env);
    let before = env.picture("project");
    for flags in [&["--frozen"][..], &[]] {
        let run = env.run(&[&["skill", "install"], flags].concat()).ends(3).says("there is no commit");
        assert!(run.stderr.contains("--source SOURCE"), "{}", run.stderr);
        assert_eq!(env.picture("project"), before);
    }
}

#[test]
fn what_is_new_is_not_followed_and_nothing_untrue_is_said() {
    let Some((env, _home, other)) = moved() else { return };
    let before = env.picture("project");
    let to = format!("has moved to {}/new/repo.git", other.url());
    for args in [
        &["skill", "install", "old/repo@docx"][..],
        &["skill", "update"],
        &["skill", "pin", "pdf", "0123456789012345678901234567890123456789"],
    ] {
        let run = env.run(args).ends(3).says(&to);
        assert!(run.stderr.contains("--source"), "{args:?}: {}", run.stderr);
        assert!(!run.stderr.contains("no commit"), "{args:?}: {}", run.stderr);
        assert_eq!(env.picture("project"), before);
    }
    // A redirect that was followed for the lock is not followed for what comes after it.
    forget(&env);
    env.run(&["skill", "install", "--frozen"]).ends(0);
    env.run(&["skill", "install", "old/repo@docx"]).ends(3).says(&to);
}

/// A repository that is gone: the sentence is about the repository.
#[test]
fn a_repository_that_is_gone_is_not_a_commit_that_is_gone() {
    let Some((env, home, _other)) = moved() else { return };
    home.play_fair();
    forget(&env);
    let run = env.run(&["skill", "install", "--frozen"]).ends(3).says("`pdf` cannot be had at");
    assert!(run.stderr.contains("404") && !run.stderr.contains("no commit"), "{}", run.stderr);
}
