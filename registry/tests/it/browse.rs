//! Finding and reading.

use serde_json::json;

use crate::publish::put;
use crate::server::{Server, wait_until};
use crate::skill::archive_of;

fn skill(name: &str, description: &str, extra: &str) -> Vec<u8> {
    let text = format!("---\nname: {name}\ndescription: {description}\n{extra}---\n\nText of {name}.\n");
    archive_of(&[("SKILL.md", text.as_bytes()), ("scripts/run.sh", b"#!/bin/sh\necho run\n")])
}

fn filled() -> (Server, crate::client::Client) {
    let server = Server::start(&[]);
    let alice = server.user("alice", &["read", "publish", "owner"], &[]);
    for (name, version, description, extra) in [
        (
            "pdf-tables",
            "1.0.0",
            "Extracts tables from PDF files.",
            "category: professional\ntags: [pdf, tables]\n",
        ),
        ("csv-clean", "1.0.0", "Cleans CSV files of broken rows.", "tags: [csv, tables]\n"),
        ("commit-message", "1.0.0", "Writes commit messages for staged changes.", "category: core\n"),
    ] {
        put(&alice, &format!("@acme/{name}"), version, skill(name, description, extra)).expect(201);
    }
    (server, alice)
}

fn names(body: &serde_json::Value) -> Vec<&str> {
    body["skills"].as_array().unwrap().iter().map(|skill| skill["name"].as_str().unwrap()).collect()
}

#[test]
fn skills_are_listed_searched_and_counted() {
    let (server, alice) = filled();
    let list = |query: &str| server.client.get(&format!("/api/v1/skills{query}")).expect(200).json();
    let all = list("");
    assert_eq!(all["total"], 3);
    assert_eq!(all["categories"], json!({"core": 1, "default": 1, "professional": 1}));
    // What the client's search forgives, this does.
    assert_eq!(names(&list("?q=extract%20tabels%20pdf"))[0], "@acme/pdf-tables");
    assert_eq!(names(&list("?tag=csv")), ["@acme/csv-clean"]);
    assert_eq!(names(&list("?category=core")), ["@acme/commit-message"]);
    assert_eq!(list("?owner=@nobody")["total"], 0);
    let first = list("?sort=name&limit=2");
    assert_eq!(names(&first), ["@acme/commit-message", "@acme/csv-clean"]);
    let rest = list(&format!("?sort=name&limit=2&cursor={}", first["next_cursor"].as_str().unwrap()));
    assert_eq!(names(&rest), ["@acme/pdf-tables"]);
    assert!(rest["next_cursor"].is_null());
    for wrong in ["?sort=best", "?limit=0", "?limit=101", "?limit=x", "?cursor=7"] {
        server.client.get(&format!("/api/v1/skills{wrong}")).expect(400);
    }
    let posted = server.client.post("/api/v1/skills/search", &json!({"query": "csv", "tags": ["tables"]}));
    assert_eq!(names(&posted.expect(200).json()), ["@acme/csv-clean"]);
    // What was published a moment ago is found.
    put(&alice, "@acme/new-one", "1.0.0", skill("new-one", "Draws zebras on walls.", "")).expect(201);
    assert_eq!(names(&list("?q=zebras")), ["@acme/new-one"]);
    // The shape of `npx skills find`.
    let found = server.client.get("/api/search?q=zebras&limit=5").expect(200).json();
    let source = found["skills"][0]["source"].as_str().unwrap();
    assert!(source.ends_with("/@acme/new-one"), "{source}");
}

#[test]
fn a_version_is_looked_at_file_by_file() {
    let (server, alice) = filled();
    let changed = archive_of(&[
        ("SKILL.md", b"---\nname: csv-clean\ndescription: Cleans CSV files.\n---\n\nOther text.\n"),
        ("notes.md", b"new\n"),
    ]);
    put(&alice, "@acme/csv-clean", "1.1.0", changed).expect(201);
    let at = "/api/v1/skills/@acme/csv-clean/versions";
    let files = server.client.get(&format!("{at}/1.0.0/files")).expect(200).json();
    assert_eq!(files["files"][1], json!({"path": "scripts/run.sh", "mode": "100644", "size": 19}));
    let file = server.client.get(&format!("{at}/1.0.0/file?path=scripts/run.sh")).expect(200);
    assert_eq!(file.text(), "#!/bin/sh\necho run\n");
    assert_eq!(file.header("content-type"), "text/plain; charset=utf-8");
    assert!(file.header("content-security-policy").contains("sandbox"));
    server.client.get(&format!("{at}/1.0.0/file?path=../SKILL.md")).expect(404);
    server.client.get(&format!("{at}/1.0.0/file")).expect(400);
    server.client.get(&format!("{at}/9.0.0/files")).expect(404);
    let diff = server.client.get(&format!("{at}/1.1.0/diff?from=1.0.0")).expect(200).json();
    let paths: Vec<_> =
        diff["files"].as_array().unwrap().iter().map(|file| (&file["path"], &file["what"])).collect();
    let expected = [("SKILL.md", "modified"), ("notes.md", "added"), ("scripts/run.sh", "removed")];
    assert_eq!(paths.len(), 3);
    for ((path, what), (expected_path, expected_what)) in paths.into_iter().zip(expected) {
        assert_eq!((path, what), (&json!(expected_path), &json!(expected_what)));
    }
    assert!(diff["files"][0]["diff"].as_str().unwrap().contains("+Other text."));
}

#[test]
fn packages_are_served_as_apm_asks() {
    let (server, _) = filled();
    let versions = server.client.get("/v1/packages/acme/csv-clean/versions").expect(200).json();
    assert_eq!(versions["versions"][0]["version"], "1.0.0");
    let bytes = server.client.get("/v1/packages/acme/csv-clean/versions/1.0.0/download").expect(200).bytes;
    let digest = ba_agent_core::digest::Digest::of(&bytes).to_string();
    assert_eq!(versions["versions"][0]["digest"], digest);
    server.client.get("/v1/packages/acme/none/versions").expect(404);
}

#[test]
fn recommendations_say_why() {
    let (server, _) = filled();
    let ask =
        |query: &str| server.client.get(&format!("/api/v1/skills/recommendations{query}")).expect(200).json();
    let by_text = ask("?text=clean%20my%20csv%20files");
    assert_eq!(names(&by_text)[0], "@acme/csv-clean");
    assert_eq!(by_text["skills"][0]["reason"], "it fits what you wrote");
    let beside = ask("?installed=@acme/pdf-tables");
    assert_eq!(names(&beside), ["@acme/csv-clean"]);
    assert_eq!(beside["skills"][0]["reason"], "it is of the kind of what you have");
    assert_eq!(ask("")["skills"], json!([]));
}

#[test]
fn featured_skills_are_an_admins_choice() {
    let (server, _) = filled();
    let admin = server.admin_again();
    let act = |name: &str, place: i64| json!({"name": name, "place": place, "reason": "good"});
    admin.post("/api/v1/admin/feature", &act("@acme/csv-clean", 2)).expect(200);
    admin.post("/api/v1/admin/feature", &act("@acme/pdf-tables", 1)).expect(200);
    let featured = server.client.get("/api/v1/skills/featured").expect(200).json();
    assert_eq!(names(&featured), ["@acme/pdf-tables", "@acme/csv-clean"]);
    wait_until("the first page's index", || {
        let index = server.client.get("/.well-known/agent-skills/index.json").expect(200).json();
        (index["skills"].as_array().unwrap().len() == 2).then_some(())
    });
}

/// Counted are archives that were handed out, by day; nobody is asked who they are.
#[test]
fn downloads_are_counted_by_day() {
    let (mut server, _) = filled();
    let lines = crate::publish::index(&server.client, "@acme/csv-clean");
    let hex = lines[0]["digest"].as_str().unwrap().trim_start_matches("sha256:");
    for _ in 0..3 {
        server.client.get(&format!("/b/sha256/{}/{hex}.tar.gz", &hex[..2])).expect(200);
    }
    // They are written when the server stops, and every ten seconds.
    let folder = server.folder.clone();
    server.terminate();
    let again = Server::start_in(&folder, &[]);
    let stats = again.client.get("/api/v1/stats/@acme/csv-clean").expect(200).json();
    assert_eq!((&stats["total"], &stats["days"][0]["version"]), (&json!(3), &json!("1.0.0")));
    let sorted = again.client.get("/api/v1/skills?sort=downloads").expect(200).json();
    assert_eq!(names(&sorted)[0], "@acme/csv-clean");
}

/// With `auth.read: read` nothing is seen without a token but that it is there.
#[test]
fn a_private_registry_shows_nothing() {
    let server = Server::start(&[("BA_REGISTRY_AUTH_READ", "read")]);
    let alice = server.user("alice", &["read", "publish"], &[]);
    put(&alice, "@acme/pdf", "1.0.0", skill("pdf", "Extracts tables from files.", "")).expect(201);
    for path in [
        "/registry.json",
        "/@acme/pdf/index.jsonl",
        "/@acme/none/index.jsonl",
        "/api/v1/skills",
        "/api/search",
        "/api/v1/events",
    ] {
        let refused = server.client.get(path);
        assert_eq!(refused.status, 401, "{path}");
        assert_ne!(alice.get(path).status, 401, "{path}");
    }
    let index = alice.get("/@acme/pdf/index.jsonl").expect(200);
    assert!(index.header("cache-control").starts_with("private"), "{}", index.header("cache-control"));
    server.client.get("/healthz").expect(200);
    let publishes_only = server.token_of("alice", &["publish"], &[]);
    publishes_only.get("/registry.json").expect(403);
}
