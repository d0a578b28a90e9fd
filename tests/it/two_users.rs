//! Two users of one machine with settings of their own, and one cache between them: what one
//! may read or has registered is nothing to the other.

use base64::Engine as _;

use crate::env::{Run, TestEnv};
use ba_agent_test_support::server::Server;

const TOKEN: &str = "ghp_TheFirstUsersToken";

/// A host that wants the first user's token, and that user's installation in the cache.
fn machine() -> Option<(TestEnv, Server)> {
    let env = TestEnv::new();
    let server = Server::start(&env.path("srv"))?;
    env.skill("src/skills/pdf");
    env.skill("src/skills/docx");
    env.git_repo("srv/acme/skills.git", &env.path("src"));
    let basic = base64::engine::general_purpose::STANDARD.encode(format!("x-access-token:{TOKEN}"));
    server.require_basic(&basic);
    for user in ["first", "second"] {
        env.write(
            &format!("{user}/settings/config.yaml"),
            format!("skills:\n  github_url: {}\n", server.url()),
        );
        std::fs::create_dir_all(env.path(user).join("project/.git")).unwrap();
        std::fs::create_dir_all(env.path(user).join("home")).unwrap();
    }
    let token = format!("  auth:\n    github_token: {TOKEN}\n");
    let first = env.read("first/settings/config.yaml") + &token;
    env.write("first/settings/config.yaml", first);
    Some((env, server))
}

/// Runs as a user, in that user's project.
fn run_as(env: &TestEnv, user: &str, args: &[&str]) -> Run {
    let mut command = env.command(args);
    command.current_dir(env.path(user).join("project"));
    command.env("HOME", env.path(user).join("home"));
    command.env("BA_AGENT_CONFIG_DIR", env.path(user).join("settings"));
    command.env("BA_AGENT_DATA_DIR", env.path(user).join("data"));
    env.done(command.output().unwrap())
}

#[test]
fn what_one_users_token_opened_stays_shut_to_the_other() {
    let Some((env, _server)) = machine() else { return };
    run_as(&env, "first", &["marketplace", "add", "acme", "acme/skills", "--global"]).ends(0);
    run_as(&env, "first", &["skill", "install", "acme/skills", "--all"]).ends(0);
    let before = env.picture("second");
    for emptied in [false, true] {
        if emptied {
            std::fs::remove_dir_all(env.path("cache")).unwrap();
        }
        for args in [
            &["skill", "install", "acme/skills", "--all"][..],
            &["skill", "show", "acme/skills@pdf"],
            &["marketplace", "add", "acme", "acme/skills"],
        ] {
            run_as(&env, "second", args).ends(4).says("requires credentials");
        }
        assert_eq!(env.picture("second"), before);
    }
}

#[test]
fn what_one_user_registered_is_not_the_others() {
    let Some((env, _server)) = machine() else { return };
    run_as(&env, "first", &["marketplace", "add", "acme", "acme/skills", "--global"]).ends(0);
    run_as(&env, "first", &["skill", "search", "pdf"]).ends(0);
    let found = run_as(&env, "second", &["skill", "search", "pdf", "--json"]).json();
    assert_eq!(found["results"].as_array().map_or(0, Vec::len), 0, "{found}");
    let known = run_as(&env, "second", &["marketplace", "list", "--json"]).ends(0).json();
    assert_eq!(known["marketplaces"], serde_json::json!([]));
    run_as(&env, "second", &["skill", "install", "pdf@acme"]).ends(3);
}

/// The same words mean each user's own host, with and without a cache of the other's.
#[test]
fn one_name_on_two_hosts_is_two_repositories() {
    let Some((env, server)) = machine() else { return };
    let other = TestEnv::new();
    let Some(second_host) = Server::start(&other.path("srv")) else { return };
    other.skill("src/skills/pdf").file("references/own.md", "Of the second host.\n");
    other.git_repo("srv/acme/skills.git", &other.path("src"));
    let settings = format!("skills:\n  github_url: {}\n", second_host.url());
    env.write("second/settings/config.yaml", settings);
    run_as(&env, "first", &["skill", "install", "acme/skills@pdf"]).ends(0);
    server.forget_requests();
    run_as(&env, "second", &["skill", "install", "acme/skills@pdf"]).ends(0);
    let own = env.path("second/project/.claude/skills/pdf/references/own.md");
    assert!(own.exists());
    assert!(server.seen().is_empty(), "the second user's command asked the first user's host");
    assert!(second_host.seen().iter().all(|seen| seen.header("authorization").is_empty()));
    for user in ["first", "second"] {
        std::fs::remove_dir_all(env.path(user).join("project/.claude")).unwrap();
        run_as(&env, user, &["skill", "install", "--frozen", "--offline"]).ends(0);
    }
    assert!(own.exists() && !env.path("first/project/.claude/skills/pdf/references/own.md").exists());
}
