//! Skills that a host serves file by file (`/.well-known/skills/`): no digest comes with them,
//! so the first fetch is trusted, and what was recorded decides from then on.

use std::path::Path;

use serde_json::{Value, json};

use crate::env::{TestEnv, skill_md};
use ba_agent_test_support::server::{Play, Server};

const BELOW: &str = "/.well-known/skills";

fn server() -> Server {
    let server = Server::start_bare(Path::new("/nonexistent"));
    server.play("/agent-skills/index.json", Play::Status(404));
    server
}

fn serve(server: &Server, path: &str, text: impl Into<Vec<u8>>) {
    server.play(&format!("{BELOW}/{path}"), Play::Bytes("text/plain", text.into()));
}

/// An index with one skill of these files.
fn index(server: &Server, files: &Value) {
    let index = json!({ "skills": [{ "name": "review", "description": "Reviews.", "files": files }] });
    serve(server, "index.json", index.to_string());
}

/// A skill of three files, the script as given.
fn review(server: &Server, script: &str) {
    index(server, &json!(["SKILL.md", "scripts/run it.py", "references/más.md"]));
    serve(server, "review/SKILL.md", skill_md("review", "Reviews code. Use it when code is to be reviewed."));
    serve(server, "review/scripts/run%20it.py", script);
    serve(server, "review/references/m%C3%A1s.md", "more");
}

fn record(env: &TestEnv) -> Value {
    env.registry()["skills"]["review"].clone()
}

/// Some sites answer for any address with a page for people; that is no reason not to look at
/// the next address.
#[test]
fn a_page_for_people_in_the_place_of_one_index_does_not_hide_the_other() {
    let (env, server) = (TestEnv::new(), Server::start_bare(Path::new("/nonexistent")));
    let page = b"<!doctype html><title>Welcome</title>".to_vec();
    server.play("/agent-skills/index.json", Play::Bytes("text/html", page));
    review(&server, "print(1)");
    env.run(&["marketplace", "add", "acme", &server.url()]).ends(0).says("1 entry");
}

#[test]
fn all_files_are_installed_and_the_digest_decides_from_then_on() {
    let (env, server) = (TestEnv::new(), server());
    review(&server, "print(1)");
    env.run(&["marketplace", "add", "acme", &server.url()]).ends(0).says("1 entry");
    env.run(&["skill", "install", "review@acme"]).ends(0).says("Installed review");
    assert_eq!(env.read("project/.claude/skills/review/scripts/run it.py"), "print(1)");
    assert_eq!(env.read("project/.claude/skills/review/references/más.md"), "more");
    let first = record(&env);
    assert_eq!(first["source"], format!("{}{BELOW}/review", server.url()));
    assert_eq!((&first["kind"], &first["pin"]["archive"]), (&json!("served"), &first["digest"]));
    assert_eq!(first["marketplace"], json!({ "name": "acme", "entry": "review" }));
    let folder = env.path("project/.claude");
    // Out of the cache, offline; then without cache and marketplace, by the registry alone.
    std::fs::remove_dir_all(&folder).unwrap();
    env.run(&["skill", "install", "--frozen", "--offline"]).ends(0);
    env.run(&["marketplace", "remove", "acme"]).ends(0);
    for gone in ["project/.claude", "cache"] {
        std::fs::remove_dir_all(env.path(gone)).unwrap();
    }
    env.run(&["skill", "install", "--frozen"]).ends(0).says("Installed review");
    env.run(&["skill", "verify"]).ends(0);
    // Other bytes are not what was recorded, whoever serves them.
    for gone in ["project/.claude", "cache"] {
        std::fs::remove_dir_all(env.path(gone)).unwrap();
    }
    server.play_fair();
    review(&server, "print(2)");
    env.run(&["skill", "install", "--frozen"]).ends(6).says("is not the skill that was expected");
    assert!(!folder.exists() && record(&env) == first);
}

#[test]
fn an_update_notices_what_changed() {
    let (env, server) = (TestEnv::new(), server());
    review(&server, "print(1)");
    let at = format!("{}{BELOW}/review", server.url());
    // The folder is a source of its own, and a marketplace of one skill.
    env.run(&["marketplace", "add", "one", &at]).ends(0).says("1 entry, 1 skill");
    env.run(&["skill", "install", &at]).ends(0);
    env.run(&["skill", "outdated"]).ends(0);
    let before = record(&env);
    server.play_fair();
    review(&server, "print(2)");
    env.run(&["skill", "outdated"]).ends(6);
    env.run(&["skill", "update"]).ends(0).says("Updated review");
    assert_eq!(env.read("project/.claude/skills/review/scripts/run it.py"), "print(2)");
    assert_ne!(record(&env)["pin"], before["pin"]);
    // A file that is no longer listed goes.
    server.play_fair();
    index(&server, &json!(["SKILL.md"]));
    serve(
        &server,
        "review/SKILL.md",
        skill_md("review", "Reviews code. Use it when code is to be reviewed."),
    );
    env.run(&["skill", "update"]).ends(0).says("Updated review");
    assert!(!env.path("project/.claude/skills/review/scripts").exists());
    env.run(&["skill", "outdated"]).ends(0);
}

#[test]
fn what_a_host_may_not_serve_is_refused_and_nothing_is_written() {
    let (mut env, other) = (TestEnv::new(), server());
    env.write("settings/config.yaml", "skills: {limits: {skill_files: 3, file: 20KiB, unpacked: 30KiB}}\n");
    env.set("GITHUB_TOKEN", "canary-of-a-token");
    serve(&other, "review/SKILL.md", "x");
    let large = |bytes: usize| Play::Bytes("text/plain", vec![b'x'; bytes]);
    let elsewhere = Play::Redirect(format!("{}{BELOW}/review/SKILL.md", other.other_name()));
    for (files, plays, status, words) in [
        (json!(["SKILL.md", "../../x"]), vec![], 8, "leads out of the folder"),
        (json!(["SKILL.md", "/etc/x"]), vec![], 8, "`/etc/x`"),
        (json!(["SKILL.md", ".git/hooks/x"]), vec![], 8, "spells `.git`"),
        (json!(["SKILL.md", "a\\b"]), vec![], 8, "refused"),
        (json!(["SKILL.md", "x", "x"]), vec![], 8, "listed twice"),
        (json!(["SKILL.md", "skill.MD"]), vec![("skill.MD", large(1))], 8, "skill.MD"),
        (json!(["README.md"]), vec![], 8, "lists no SKILL.md"),
        (json!(["SKILL.md", "1", "2", "3"]), vec![], 8, "has 4 files"),
        (json!(["SKILL.md", "big"]), vec![("big", large(21 << 10))], 8, "more than"),
        (json!(["SKILL.md", "a", "b"]), vec![("a", large(16 << 10)), ("b", large(16 << 10))], 8, "more than"),
        (json!(["SKILL.md", "gone"]), vec![("gone", Play::Status(404))], 3, "not found"),
        (json!(["SKILL.md", "away"]), vec![("away", elsewhere.clone())], 5, "redirects to another host"),
    ] {
        let server = server();
        index(&server, &files);
        for (name, play) in plays {
            server.play(&format!("{BELOW}/review/{name}"), play);
        }
        serve(&server, "review/SKILL.md", skill_md("review", "Reviews code. Use it when asked to."));
        let before = (env.picture("project"), env.picture("home"));
        env.run(&["skill", "install", &format!("{}{BELOW}/review", server.url())]).ends(status).says(words);
        assert_eq!(before, (env.picture("project"), env.picture("home")), "{files}");
    }
    assert!(other.seen().is_empty(), "another host was asked");
}

#[test]
fn an_index_of_the_first_version_is_read_where_there_is_no_other() {
    let (env, first) = (TestEnv::new(), server());
    review(&first, "x");
    env.run(&["marketplace", "add", "acme", &first.url()]).ends(0).says("1 entry");
    let shown = env.run(&["skill", "show", "review@acme", "--json"]).ends(0).json();
    assert_eq!(shown["skills"][0]["name"], "review");
    let entries = env.run(&["marketplace", "show", "acme", "--json"]).ends(0).json();
    assert_eq!(
        (&entries["entries"][0]["kind"], &entries["entries"][0]["pinned"]),
        (&json!("served"), &json!(false))
    );
    // What the index says of a skill that it does not have, and of a host without an index.
    let gone = format!("{}{BELOW}/gone", first.url());
    env.run(&["skill", "install", &gone]).ends(3).says("does not list that skill");
    let none = server();
    none.play("/.well-known", Play::Status(404));
    let before = env.picture("project");
    env.run(&["marketplace", "add", "none", &none.url()]).ends(3).says("does not serve an index of skills");
    assert_eq!(env.picture("project"), before);
}
