//! Repositories that moved: what is recorded is restored from wherever they are now, because
//! commit and digest decide; what is new is not taken from an address that nobody named.

use crate::env::{TestEnv, skill_md};
use ba_agent_test_support::server::{Play, Server};

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

/// A marketplace is recorded at a commit: what is read of it there is the same from its new
/// address, whatever the cache has; its branch is not followed.
#[test]
fn a_recorded_marketplace_is_read_from_where_it_is_now() {
    let mut env = TestEnv::new();
    let Some(home) = Server::start(&env.path("srv")) else { return };
    env.skill("src/plug/skills/pdf");
    env.skill("src/plug/skills/docx");
    env.write(
        "src/.claude-plugin/marketplace.json",
        r#"{"name":"m","owner":{"name":"o"},"plugins":[{"name":"plug","source":"./plug","description":"d"}]}"#,
    );
    drop(env.git_repo("srv/old/repo.git", &env.path("src")));
    env.set("BA_AGENT_GITHUB_URL", home.url());
    env.run(&["marketplace", "add", "m", "old/repo"]).ends(0);
    env.run(&["skill", "install", "plug@m", "--skill", "pdf"]).ends(0);
    home.play("/old/repo.git", Play::Redirect(format!("{}/new/repo.git/info/refs", home.url())));
    home.point("/new/", "/old/");
    for round in ["warm", "cold"] {
        if round == "cold" {
            env.run(&["cache", "clear", "--yes"]).ends(0);
        }
        let shown = env.run(&["marketplace", "show", "m"]).ends(0);
        assert!(env.run(&["skill", "search", "pdf"]).ends(0).stdout.contains("pdf"));
        let run = env.run(&["skill", "install", "plug@m", "--skill", "docx"]).ends(0);
        // Whoever had to ask the host says it.
        let said = if round == "cold" { &shown.stderr } else { &run.stderr };
        assert!(said.contains("marketplace add NAME new/repo --force"), "{round}: {said}");
        env.run(&["marketplace", "update"]).ends(3).says("marketplace add NAME new/repo --force");
        env.run(&["skill", "outdated"]).ends(3).says("has moved to new/repo");
        env.run(&["skill", "uninstall", "docx"]).ends(0);
    }
    env.run(&["marketplace", "add", "m", "new/repo", "--force"]).ends(0);
    env.run(&["marketplace", "update"]).ends(0);
}

/// A repository that is gone: the sentence is about the repository.
#[test]
fn a_repository_that_is_gone_is_not_a_commit_that_is_gone() {
    let Some((env, home, _other)) = moved() else { return };
    home.play_fair();
    forget(&env);
    let run = env.run(&["skill", "install", "--frozen"]).ends(3).says("`pdf` cannot be fetched at");
    assert!(run.stderr.contains("404") && !run.stderr.contains("no commit"), "{}", run.stderr);
}

/// The way to move without uninstalling: name, targets, reference and the hold stay.
#[test]
fn a_skill_is_taken_from_another_source_and_keeps_the_rest() {
    let Some((mut env, home, other)) = moved() else { return };
    home.play_fair();
    env.set("BA_AGENT_GITHUB_URL", other.url());
    let targets = ["--agent", "claude-code", "--agent", "augment"];
    env.run(&["skill", "uninstall", "pdf"]).ends(0);
    let install = ["skill", "install", "new/repo@pdf", "--ref", "main", "--as", "mine"];
    env.run(&[&install[..], &targets].concat()).ends(0);
    let recorded = env.registry()["skills"]["mine"].clone();
    let fork = env.path("elsewhere/fork/repo.git");
    std::fs::create_dir_all(fork.parent().unwrap()).unwrap();
    copy(&env.path("elsewhere/new/repo.git"), &fork);

    // The same files: only the record changes, and edits stay.
    env.write("project/.claude/skills/mine/notes.md", "my own");
    let before = env.picture("project/.claude");
    let same = env.run(&["skill", "update", "mine", "--source", "fork/repo"]).ends(0);
    assert!(
        same.stderr.contains("Took mine from github:fork/repo, before from github:new/repo"),
        "{}",
        same.stderr
    );
    let now = env.registry()["skills"]["mine"].clone();
    assert_eq!(now["source"], "github:fork/repo");
    for key in ["reference", "pin", "digest", "targets", "alias_of", "path", "mode", "installed_at", "kind"] {
        assert_eq!(now[key], recorded[key], "{key}");
    }
    assert_eq!(env.picture("project/.claude"), before);

    // Other files: the edits stop it, and --force keeps a copy.
    env.write("src/skills/pdf/SKILL.md", skill_md("pdf", "The second edition of it, of the fork."));
    let repo = git2::Repository::open_bare(&fork).unwrap();
    crate::env::commit(&repo, "refs/heads/main", &env.path("src"), "second");
    env.run(&["skill", "update", "mine", "--source", "new/repo"]).ends(0);
    env.run(&["skill", "update", "mine", "--source", "fork/repo"]).ends(7).says("notes.md");
    env.run(&["skill", "update", "mine", "--source", "fork/repo", "--dry-run", "--force"]).ends(0);
    assert_eq!(env.registry()["skills"]["mine"]["source"], "github:new/repo");
    env.run(&["skill", "update", "mine", "--source", "fork/repo", "--force"]).ends(0);
    assert!(env.read("project/.claude/skills/mine/SKILL.md").contains("second edition"));
    assert!(env.read("project/.augment/skills/mine/SKILL.md").contains("second edition"));
    env.run(&["skill", "rollback"]).ends(0);
    assert_eq!(env.picture("project/.claude"), before);
    assert_eq!(env.registry()["skills"]["mine"]["source"], "github:new/repo");

    // Held: it stays at its commit, which the fork has, and goes on being held.
    env.run(&["skill", "pin", "mine"]).ends(0);
    let run = env.run(&["skill", "update", "mine", "--source", "fork/repo", "--json"]).ends(0).json();
    let entry = &run["skills"][0]["entry"];
    assert_eq!((&entry["pinned"], &entry["source"]), (&true.into(), &"github:fork/repo".into()));
    assert_eq!(entry["pin"]["commit"], recorded["pin"]["commit"]);
    env.run(&["skill", "verify"]).ends(6);
    std::fs::remove_file(env.path("project/.claude/skills/mine/notes.md")).unwrap();
    env.run(&["skill", "verify"]).ends(0);
}

#[test]
fn a_source_that_will_not_do_changes_nothing() {
    let Some((mut env, home, other)) = moved() else { return };
    home.play_fair();
    env.set("BA_AGENT_GITHUB_URL", other.url());
    env.skill("zipped/xlsx");
    env.zip("x.zip", &env.path("zipped"));
    env.skill("live/own");
    env.run(&["skill", "install", "--link", "../live/own"]).ends(0);
    let before = env.picture("project");
    for (args, status, words) in [
        (&["pdf", "--source", "new/none"][..], 3, "was not found"),
        (&["pdf", "--source", "../x.zip"], 3, "pdf"),
        (&["pdf", "--source", "new/repo#nowhere"], 3, "nowhere"),
        (&["pdf", "--source", "new/repo@xlsx"], 3, "xlsx"),
        (&["pdf", "--source", "x@market"], 2, "entry of a marketplace"),
        (&["pdf", "--source", "-x"], 2, ""),
        (&["own", "--source", "new/repo"], 2, "is a live link"),
        (&["nothing", "--source", "new/repo"], 3, "nothing"),
        (&["--source", "new/repo"], 2, "NAME"),
    ] {
        env.run(&[&["skill", "update"], args].concat()).ends(status).says(words);
        assert_eq!(env.picture("project"), before, "{args:?}");
    }
    env.run(&["skill", "pin", "pdf"]).ends(0);
    env.run(&["skill", "update", "pdf", "--source", "../x.zip"]).ends(2).says("skill unpin pdf");
    env.run(&["skill", "unpin", "pdf"]).ends(0);
    // By a folder, by another skill of the source, and by the name it has there.
    env.run(&["skill", "update", "pdf", "--source", "new/repo/skills/docx"]).ends(0);
    assert_eq!(env.registry()["skills"]["pdf"]["path"], "skills/docx");
    env.run(&["skill", "update", "pdf", "--source", "new/repo@pdf"]).ends(0);
    assert_eq!(env.registry()["skills"]["pdf"]["path"], "skills/pdf");
    env.run(&["skill", "update", "pdf", "--source", "../src"]).ends(0);
    assert_eq!(env.registry()["skills"]["pdf"]["kind"], "local");
}

fn copy(from: &std::path::Path, to: &std::path::Path) {
    std::fs::create_dir(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}
