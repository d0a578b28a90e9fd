//! One cache for all projects of a user: none of them answers for another.

use serde_json::json;

use crate::env::{Run, TestEnv, skill_md};
use ba_agent_test_support::server::Server;

/// Two projects. What one calls `github:acme/m` is on the user's host; the settings of the
/// other name a host of its own, with a repository of the same name.
fn two_hosts() -> Option<(TestEnv, Server)> {
    let mut env = TestEnv::new();
    let server = Server::start(&env.path("srv"))?;
    for (host, words) in [("good", "What the user meant."), ("evil", "What the project meant.")] {
        for skill in ["pdf", "docx"] {
            env.write(&format!("{host}/office/skills/{skill}/SKILL.md"), skill_md(skill, words));
        }
        let plugins = json!([{ "name": "office", "source": "./office", "description": words }]);
        let document = json!({ "name": "acme", "owner": { "name": "o" }, "plugins": plugins });
        env.write(&format!("{host}/.claude-plugin/marketplace.json"), document.to_string());
        env.git_repo(&format!("srv/{host}/acme/m.git"), &env.path(host));
    }
    env.set("HOME_URL", format!("{}/good", server.url()));
    env.write("settings/config.yaml", format!("skills:\n  github_url: {}/good\n", server.url()));
    env.write("second/.ba-agent/config.yaml", format!("skills:\n  github_url: {}/evil\n", server.url()));
    Some((env, server))
}

/// Words of the answers of each command, in the first project and in the second.
fn in_both(env: &TestEnv, args: &[&str]) -> [Run; 2] {
    ["project", "second"].map(|below| env.run_in(below, args))
}

#[test]
fn a_host_that_one_project_names_answers_for_no_other() {
    let Some((env, _server)) = two_hosts() else { return };
    let text = |below: &str, skill: &str| env.read(&format!("{below}/.claude/skills/{skill}/SKILL.md"));
    // The project's host is asked first, so that whatever is kept is kept of it.
    for below in ["second", "project"] {
        env.run_in(below, &["skill", "install", "acme/m@pdf"]).ends(0);
        env.run_in(below, &["marketplace", "add", "acme", "acme/m", "--scope", "project"]).ends(0);
        env.run_in(below, &["skill", "install", "docx@acme"]).ends(0);
    }
    for skill in ["pdf", "docx"] {
        assert!(text("project", skill).contains("the user meant"), "{skill}");
        assert!(text("second", skill).contains("the project meant"), "{skill}");
    }
    let [good, evil] = in_both(&env, &["skill", "search", "office", "--json"]).map(|run| run.ends(0).stdout);
    assert!(good.contains("the user meant") && !good.contains("the project meant"), "{good}");
    assert!(evil.contains("the project meant") && !evil.contains("the user meant"), "{evil}");
    // What is added for the user is on the user's hosts, wherever that is typed.
    env.run_in("second", &["marketplace", "add", "mine", "acme/m"]).ends(0);
    let run = env.run_in("second", &["skill", "show", "docx@mine"]).ends(0);
    assert!(run.stdout.contains("the user meant"), "{}", run.stdout);
    // Without a connection there is nothing but the cache to answer.
    for (below, words) in [("project", "the user meant"), ("second", "the project meant")] {
        std::fs::remove_dir_all(env.path(below).join(".claude/skills")).unwrap();
        std::fs::remove_dir_all(env.path(below).join("config")).unwrap();
        env.run_in(below, &["skill", "install", "acme/m@pdf", "--offline"]).ends(0);
        assert!(text(below, "pdf").contains(words), "{below}");
    }
    // A third project whose host nobody asked has nothing to fall back on.
    env.write("third/.ba-agent/config.yaml", "skills:\n  github_url: http://127.0.0.1:9\n");
    env.run_in("third", &["skill", "install", "acme/m@pdf", "--offline"]).ends(5);
    env.run_in("third", &["skill", "install", "acme/m@pdf"]).ends(5);
    assert!(env.picture("third/.claude").is_empty());
}

#[test]
fn two_projects_with_a_folder_of_the_same_name_have_two_marketplaces() {
    let env = TestEnv::new();
    std::fs::create_dir_all(env.path("second/.git")).unwrap();
    for (below, skill) in [("project", "pdf"), ("second", "sql")] {
        env.skill(&format!("{below}/mk/skills/{skill}"));
        env.run_in(below, &["marketplace", "add", "mk", "./mk", "--scope", "project"]).ends(0);
    }
    for (below, mine, other) in [("project", "pdf", "sql"), ("second", "sql", "pdf")] {
        let found = env.run_in(below, &["skill", "search", "", "--json"]).stdout;
        assert!(!found.contains(&format!("{other}@mk")), "{below}: {found}");
        env.run_in(below, &["skill", "install", &format!("{mine}@mk")]).ends(0);
        env.run_in(below, &["skill", "install", &format!("{other}@mk")]).ends(3);
    }
}

/// A folder has no state but its present one, so a copy of it never answers for it.
#[test]
fn a_marketplace_in_a_folder_is_read_as_it_stands() {
    let env = TestEnv::new();
    env.skill("mk/skills/pdf");
    env.run(&["marketplace", "add", "mk", "../mk"]).ends(0);
    env.skill("mk/skills/sql");
    env.run(&["skill", "install", "sql@mk"]).ends(0);
    assert_eq!(env.run(&["marketplace", "list", "--json"]).ends(0).json()["marketplaces"][0]["entries"], 2);
}

/// What is behind a URL has a recorded state; another one is not silently taken for it.
#[test]
fn a_catalogue_behind_a_url_that_changed_is_not_taken_for_the_recorded_one() {
    let env = TestEnv::new();
    let server = Server::start_bare(std::path::Path::new("/nonexistent"));
    let catalogue = |name: &str| {
        let plugins = json!([{ "name": name, "source": { "source": "github", "repo": "o/r" } }]);
        json!({ "name": "m", "owner": { "name": "o" }, "plugins": plugins }).to_string()
    };
    let publish = |name: &str| {
        server.play_fair();
        server.play(
            "marketplace.json",
            ba_agent_test_support::server::Play::Bytes("application/json", catalogue(name).into()),
        );
    };
    publish("first");
    env.run(&["marketplace", "add", "m", &format!("{}/marketplace.json", server.url())]).ends(0);
    publish("second");
    let shown = env.run(&["marketplace", "show", "m", "--json"]).ends(0).json();
    assert_eq!(shown["entries"][0]["name"], "first");
    env.run(&["cache", "clear", "--yes"]).ends(0);
    env.run(&["marketplace", "show", "m"]).ends(6).says("marketplace update");
    env.run(&["marketplace", "update"]).ends(0);
    let shown = env.run(&["marketplace", "show", "m", "--json"]).ends(0).json();
    assert_eq!(shown["entries"][0]["name"], "second");
}

/// What the user registered for all projects is on the user's host, in every project, with
/// whatever the cache holds.
#[test]
fn a_marketplace_of_the_user_is_on_the_users_host() {
    let Some((env, _server)) = two_hosts() else { return };
    env.run(&["marketplace", "add", "acme", "acme/m", "--global"]).ends(0);
    for is_warm in [true, false] {
        if !is_warm {
            env.run(&["cache", "clear", "--yes"]).ends(0);
        }
        let [here, there] =
            in_both(&env, &["skill", "search", "office", "--json"]).map(|run| run.ends(0).stdout);
        assert!(here.contains("the user meant") && there.contains("the user meant"), "{there}");
        env.run_in("second", &["skill", "install", "pdf@acme", "--force"]).ends(0);
        assert!(env.read("second/.claude/skills/pdf/SKILL.md").contains("the user meant"));
        std::fs::remove_dir_all(env.path("second/.claude")).unwrap();
        env.run_in("second", &["skill", "install", "--frozen"]).ends(0);
        env.run_in("second", &["skill", "outdated"]).ends(0);
    }
}
