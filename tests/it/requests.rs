//! How often each command asks a host: every request of every step, so that none comes in
//! unnoticed. What an earlier step has kept is not asked for again.

use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::env::{TestEnv, commit, skill_md};
use ba_agent_test_support::server::{Play, Server};

struct Host {
    env: TestEnv,
    server: Server,
    repo: git2::Repository,
}

/// `acme/skills` with six skills, beside it `acme/other` with one.
fn host() -> Option<Host> {
    let mut env = TestEnv::new();
    let server = Server::start(&env.path("srv"))?;
    for n in 0..6 {
        env.skill(&format!("src/skills/s{n}")).file("data", format!("data of {n}"));
    }
    env.write("src/README.md", "Six skills.");
    let repo = env.git_repo("srv/acme/skills.git", &env.path("src"));
    env.skill("other/skills/far");
    env.git_repo("srv/acme/other.git", &env.path("other"));
    env.set("BA_AGENT_GITHUB_URL", server.url());
    for below in ["second", "third"] {
        std::fs::create_dir_all(env.path(below).join(".git")).unwrap();
    }
    Some(Host { env, server, repo })
}

impl Host {
    #[track_caller]
    fn costs(&self, below: &str, args: &[&str], requests: usize) {
        let before = self.server.seen().len();
        let run = self.env.run_in(below, args);
        assert!(matches!(run.status, 0 | 6), "{}", run.stderr);
        let seen: Vec<String> =
            self.server.seen().split_off(before).into_iter().map(|seen| seen.target).collect();
        assert_eq!(seen.len(), requests, "{args:?}: {seen:?}");
    }

    /// Another edition of one skill.
    fn publish(&self, skill: &str, edition: &str) {
        let text = skill_md(skill, &format!("The {edition} edition of it, with more in it."));
        self.env.write(&format!("src/skills/{skill}/SKILL.md"), text);
        commit(&self.repo, "refs/heads/main", &self.env.path("src"), edition);
    }
}

#[test]
fn an_installation_asks_for_what_is_not_here() {
    let Some(host) = host() else { return };
    // Capabilities, refs, trees, files.
    host.costs("project", &["skill", "install", "acme/skills@s0"], 4);
    // The commit is known: capabilities, refs, files; then no files either.
    host.costs("second", &["skill", "install", "acme/skills@s1"], 3);
    host.costs("second", &["skill", "install", "acme/skills@s0"], 2);
    // Of the others first the manifests: which are valid decides what is fetched.
    host.costs("second", &["skill", "install", "acme/skills", "--all"], 4);
    host.costs("third", &["skill", "install", "acme/skills", "--all"], 2);
    // What is recorded needs no refs, what is cached nobody.
    std::fs::remove_dir_all(host.env.path("third/.claude")).unwrap();
    host.costs("third", &["skill", "install", "--frozen"], 0);
    std::fs::remove_dir_all(host.env.path("third/.claude")).unwrap();
    host.env.run(&["cache", "clear", "--yes"]).ends(0);
    host.costs("third", &["skill", "install", "--frozen"], 3);
    // All of a repository is one pack.
    host.env.run(&["cache", "clear", "--yes"]).ends(0);
    std::fs::remove_dir_all(host.env.path("third")).unwrap();
    std::fs::create_dir_all(host.env.path("third/.git")).unwrap();
    host.costs("third", &["skill", "install", "acme/skills", "--all"], 3);
}

/// Several sources of one command: each host is asked for itself, the report is in their order.
#[test]
fn several_sources_are_fetched_at_once_and_told_in_order() {
    let Some(host) = host() else { return };
    host.costs("project", &["skill", "install", "acme/skills@s0", "acme/other@far"], 8);
    let run = host
        .env
        .run_in("second", &["skill", "install", "acme/other@far", "acme/skills@s0", "--json"])
        .ends(0);
    assert_eq!(run.json()["skills"][0]["name"], "far");
    let run = host
        .env
        .run_in("second", &["skill", "install", "acme/skills@s1", "acme/other@far", "--force"])
        .ends(0);
    let at = |words: &str| run.stderr.find(words).unwrap_or_else(|| panic!("{words}: {}", run.stderr));
    assert!(at("acme/skills") < at("acme/other"), "{}", run.stderr);
    // Two skills of one repository: its refs are asked for once.
    host.env.run(&["cache", "clear", "--yes"]).ends(0);
    host.costs("third", &["skill", "install", "acme/skills@s0", "acme/skills@s1"], 6);
    // The failure that is told is that of the first source that has one; nothing is installed.
    std::fs::remove_dir_all(host.env.path("second")).unwrap();
    std::fs::create_dir_all(host.env.path("second/.git")).unwrap();
    let args = ["skill", "install", "acme/skills@s0", "acme/gone@a", "acme/away@b"];
    host.env.run_in("second", &args).ends(3).says("acme/gone");
    assert!(host.env.picture("second/.claude").is_empty());
}

#[test]
fn an_update_asks_once_for_everything() {
    let Some(mut host) = host() else { return };
    // Each skill at a commit of its own.
    for n in 0..6 {
        host.env.set("SOURCE_DATE_EPOCH", (1_767_323_045 + n).to_string());
        let skill = format!("s{n}");
        host.env.run(&["skill", "install", &format!("acme/skills@{skill}")]).ends(0);
        host.publish(&skill, "second");
    }
    host.env.run(&["cache", "clear", "--yes"]).ends(0);
    let registry = host.env.read("project/config/skills_registry.json");
    // Capabilities, refs, the trees of what is new; these are kept.
    host.costs("project", &["skill", "outdated"], 3);
    host.costs("project", &["skill", "outdated"], 2);
    assert_eq!(host.env.read("project/config/skills_registry.json"), registry);
    // With the files and, for six commits, one question whether the branch was rewritten.
    host.env.run(&["cache", "clear", "--yes"]).ends(0);
    host.costs("project", &["skill", "update", "--yes"], 5);
    host.costs("project", &["skill", "outdated"], 2);
    host.costs("project", &["skill", "update"], 2);
    host.costs("project", &["skill", "verify"], 0);
}

/// The commits that are named cost nothing where a branch is followed, and where tags are one
/// request for each repository, which `--quiet` does without. A history that is too long to be
/// looked through costs one more: whether it was rewritten has to be known.
#[test]
fn naming_commits_costs_what_is_said() {
    let Some(host) = host() else { return };
    let tip = || host.repo.refname_to_id("refs/heads/main").unwrap();
    let tag = |name: &str| drop(host.repo.reference(&format!("refs/tags/{name}"), tip(), true, "").unwrap());
    tag("v1.0.0");
    for below in ["second", "third"] {
        for n in 0..6 {
            let source = format!("acme/skills#^1@s{n}");
            host.env.run_in(below, &["skill", "install", &source]).ends(0);
        }
    }
    host.env.run(&["skill", "install", "acme/skills", "--all"]).ends(0);
    host.publish("s0", "second");
    host.publish("s1", "second");
    tag("v1.1.0");
    let cold = || drop(host.env.run(&["cache", "clear", "--yes"]).ends(0));
    // Capabilities, refs, trees, files, commits.
    cold();
    host.costs("project", &["skill", "update", "--dry-run"], 5);
    cold();
    host.costs("second", &["skill", "update", "--dry-run"], 5);
    cold();
    host.costs("second", &["skill", "update", "--quiet"], 4);
    host.costs("second", &["skill", "update"], 2);
    // After a look the trees are known.
    cold();
    host.costs("third", &["skill", "outdated"], 3);
    host.costs("third", &["skill", "update"], 4);
    for n in 0..101 {
        host.env.write("src/README.md", format!("{n}"));
        commit(&host.repo, "refs/heads/main", &host.env.path("src"), "readme");
    }
    cold();
    host.costs("project", &["skill", "update"], 6);
    cold();
    host.costs("project", &["skill", "update", "--quiet"], 2);
}

/// Over ssh each request is a login: the session that listed the refs goes on with the files.
#[cfg(unix)]
#[test]
fn an_update_over_ssh_logs_in_as_often_as_it_must() {
    let Some(host) = host() else { return };
    let Host { mut env, repo, .. } = host;
    // Stands in for ssh: runs what it is told to run on the host, here.
    let log = env.path("logins");
    let script =
        format!("#!/bin/sh\necho login >> '{}'\nfor last; do :; done\nexec sh -c \"$last\"\n", log.display());
    let ssh = env.write("bin/ssh", script);
    std::fs::set_permissions(&ssh, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    env.set("GIT_SSH_COMMAND", ssh.display().to_string());
    let url = format!("ssh://host.example{}", env.path("srv/acme/skills.git").display());
    let logins = |args: &[&str]| {
        let _ = std::fs::remove_file(&log);
        env.run(args).ends(0);
        std::fs::read_to_string(&log).unwrap_or_default().lines().count()
    };
    assert_eq!(logins(&["skill", "install", &url, "--skill", "s0"]), 1);
    assert_eq!(logins(&["skill", "outdated"]), 1);
    env.write("src/skills/s0/SKILL.md", skill_md("s0", "The second edition of it, with more in it."));
    commit(&repo, "refs/heads/main", &env.path("src"), "second");
    // The second one asks whether the branch was rewritten.
    assert_eq!(logins(&["skill", "update"]), 2);
}

/// A host that falls silent holds up who waits for it, and nobody else: no command fetches while
/// it holds the lock.
#[cfg(unix)]
#[test]
fn a_silent_host_holds_up_no_other_command() {
    let Some(mut host) = host() else { return };
    host.env.skill("here/local");
    host.env.set("BA_AGENT_LOCK_TIMEOUT", "5");
    let env = &host.env;
    env.run(&["skill", "install", "acme/skills", "--skill", "s0"]).ends(0);
    env.run(&["marketplace", "add", "shop", "acme/skills"]).ends(0);
    host.publish("s0", "second");
    host.server.play("/info/refs", Play::Stall(20));
    let waiting: [&[&str]; 9] = [
        &["skill", "install", "acme/skills", "--skill", "s1"],
        &["skill", "pin", "s0", "0123456789012345678901234567890123456789"],
        &["skill", "install", "--frozen"],
        &["skill", "install", "--force"],
        &["skill", "update"],
        &["skill", "outdated"],
        &["skill", "update", "s0", "--source", "acme/other"],
        &["marketplace", "update"],
        &["marketplace", "add", "more", "acme/other"],
    ];
    for args in waiting {
        if args.contains(&"--frozen") || args.contains(&"--force") {
            let _ = std::fs::remove_dir_all(env.path("project/.claude/skills/s0"));
            let _ = std::fs::remove_dir_all(env.path("cache"));
        }
        let asked = host.server.seen().len();
        let mut child = env.command(args).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let begin = Instant::now();
        while host.server.seen().len() == asked {
            assert!(child.try_wait().unwrap().is_none(), "{args:?} asks no host");
            assert!(begin.elapsed() < Duration::from_secs(60), "{args:?}");
            std::thread::sleep(Duration::from_millis(2));
        }
        let run = env.run(&["skill", "install", "../here/local"]);
        assert_eq!(run.status, 0, "beside {args:?}: {}", run.stderr);
        env.run(&["skill", "uninstall", "local"]).ends(0);
        env.run(&["marketplace", "add", "here", "../here"]).ends(0);
        env.run(&["marketplace", "remove", "here"]).ends(0);
        assert!(child.try_wait().unwrap().is_none(), "{args:?} was to wait");
        child.kill().unwrap();
        child.wait().unwrap();
    }
}
