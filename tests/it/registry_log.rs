//! The log of a registry of files: what `skill publish` and `skill yank` put into it, what a client
//! makes of it, and what `registry check` says when somebody changed something afterwards.

use ba_agent_core::error::{Kind, Result};
use ba_agent_core::transparency_log::VerifierKey;
use ba_agent_tlog::{LoggedLine, SeenTree, check_log};

use crate::env::{Run, TestEnv};

const INDEX: &str = "registry/@acme/pdf-tables/index.jsonl";

fn publish(env: &TestEnv, version: &str) -> Run {
    let to = ["--as", "@acme", "--to", "../registry", "--yes", "--version", version];
    env.run(&[&["skill", "publish", "../src/pdf-tables"], &to[..]].concat())
}

/// A registry with three events in its log: two publications and a yank.
fn logged_registry() -> TestEnv {
    let mut env = TestEnv::new();
    let skill = env.skill("src/pdf-tables");
    env.set("BA_AGENT_LOG_KEY", env.path("keys.txt").to_string_lossy());
    publish(&env, "1.0.0").ends(0);
    skill.file("more.md", "more\n");
    publish(&env, "1.1.0").ends(0);
    env.run(&["skill", "yank", "@acme/pdf-tables@1.0.0", "--to", "../registry", "--reason", "wrong"]).ends(0);
    env
}

/// What a client says that has the registry's key and wants the last line.
fn ask(env: &TestEnv, seen: Option<&SeenTree>) -> Result<SeenTree> {
    let description: serde_json::Value = serde_json::from_str(&env.read("registry/registry.json")).unwrap();
    let key: VerifierKey = description["log"]["key"].as_str().unwrap().parse().unwrap();
    let index = env.read(INDEX);
    let text = index.lines().last().unwrap();
    let line: serde_json::Value = serde_json::from_str(text).unwrap();
    let lines = [LoggedLine { text, leaf: line["leaf"].as_u64(), title: "@acme/pdf-tables 1.1.0" }];
    check_log(&key, seen, &lines, &mut |wanted| {
        Ok(std::fs::read(env.path("registry/log").join(&wanted.path)).ok())
    })
}

#[test]
fn what_is_published_and_yanked_stands_in_the_log() {
    let env = logged_registry();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(std::fs::metadata(env.path("keys.txt")).unwrap().permissions().mode() & 0o777, 0o600);
    }
    let secret = env.read("keys.txt");
    let secret = secret.trim().splitn(5, '+').last().unwrap();
    assert!(env.picture("registry").values().all(|text| !text.contains(secret)));
    let checkpoint = env.read("registry/log/checkpoint");
    assert!(checkpoint.starts_with("registry/log\n3\n"), "{checkpoint}");
    let leaves =
        String::from_utf8_lossy(&std::fs::read(env.path("registry/log/tile/entries/000.p/3")).unwrap())
            .into_owned();
    assert!(leaves.contains(r#""event":"yank""#) && leaves.contains(r#""reason":"wrong""#), "{leaves}");
    let places: Vec<u64> = (env.read(INDEX).lines())
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["leaf"].as_u64().unwrap())
        .collect();
    assert_eq!(places, [0, 1]);
    // Nothing new is nothing in the log.
    publish(&env, "1.1.0").ends(0).says("already there");
    env.run(&["skill", "yank", "@acme/pdf-tables@1.0.0", "--to", "../registry", "--reason", "wrong"]).ends(0);
    assert_eq!(env.read("registry/log/checkpoint"), checkpoint);
    let seen = ask(&env, None).unwrap();
    assert_eq!(seen.size, 3);
    assert_eq!(ask(&env, Some(&seen)), Ok(seen));
    env.run(&["registry", "check", "../registry"]).ends(0);
}

#[test]
fn a_registry_with_a_log_wants_its_key_and_no_other() {
    let mut env = logged_registry();
    let before = env.picture("registry");
    env.set("BA_AGENT_LOG_KEY", env.path("gone.txt").to_string_lossy());
    publish(&env, "1.2.0").ends(3).says("is not there");
    let other = TestEnv::new();
    other.skill("src/pdf-tables");
    let mut other = other;
    other.set("BA_AGENT_LOG_KEY", other.path("keys.txt").to_string_lossy());
    publish(&other, "1.0.0").ends(0);
    env.set("BA_AGENT_LOG_KEY", other.path("keys.txt").to_string_lossy());
    publish(&env, "1.2.0").ends(6).says("is not the key of the log");
    env.set("BA_AGENT_LOG_KEY", "");
    publish(&env, "1.2.0").ends(2).says("BA_AGENT_LOG_KEY");
    assert_eq!(env.picture("registry"), before, "refused, and nothing was written");
    // One that began without a log goes on without.
    let mut plain = TestEnv::new();
    plain.skill("src/pdf-tables");
    publish(&plain, "1.0.0").ends(0);
    plain.set("BA_AGENT_LOG_KEY", plain.path("keys.txt").to_string_lossy());
    publish(&plain, "1.1.0").ends(7).says("a log begins with its registry");
    assert!(!plain.path("keys.txt").exists());
}

#[test]
fn what_is_changed_afterwards_is_found_out() {
    let env = logged_registry();
    let seen = ask(&env, None).unwrap();
    let honest = env.read(INDEX);
    // A line that says something else, with all that is made of it made anew.
    let last = honest.lines().last().unwrap();
    let rewritten = honest.replace(last, &last.replacen("\"files\":2", "\"files\":3", 1));
    assert_ne!(rewritten, honest);
    env.write(INDEX, &rewritten);
    env.run(&["registry", "build", "../registry"]).ends(0);
    assert_eq!(ask(&env, Some(&seen)).map_err(|e| e.kind), Err(Kind::Integrity));
    env.run(&["registry", "check", "../registry"]).ends(6).prints("is not as the log has it");
    env.write(INDEX, &honest);
    env.run(&["registry", "build", "../registry"]).ends(0);
    env.run(&["registry", "check", "../registry"]).ends(0);
    // A tile that was changed, and a head that is gone.
    let tile = env.path("registry/log/tile/0/000.p/3");
    let mut bytes = std::fs::read(&tile).unwrap();
    bytes[3] ^= 1;
    std::fs::write(&tile, bytes).unwrap();
    env.run(&["registry", "check", "../registry"]).ends(6).prints("log/checkpoint");
    std::fs::remove_file(env.path("registry/log/checkpoint")).unwrap();
    assert_eq!(ask(&env, Some(&seen)).map_err(|e| e.kind), Err(Kind::Integrity));
    env.run(&["registry", "check", "../registry"]).ends(6).prints("the registry has a log");
}
