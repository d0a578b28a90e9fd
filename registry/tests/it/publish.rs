//! Publishing: what is taken, what is refused, and what a reader sees then.

use ba_agent_core::digest::Digest;
use base64::Engine as _;
use serde_json::{Value, json};

use crate::client::{Client, Reply};
use crate::server::{Server, wait_until};
use crate::skill::{archive, archive_of, gzip};

pub(crate) fn put(client: &Client, name: &str, version: &str, bytes: Vec<u8>) -> Reply {
    let path = format!("/api/v1/skills/{name}/versions/{version}");
    client.send("PUT", &path, &[("content-type", "application/gzip")], Some(bytes))
}

pub(crate) fn index(client: &Client, name: &str) -> Vec<Value> {
    let text = client.get(&format!("/{name}/index.jsonl")).expect(200).text();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn publisher(server: &Server) -> Client {
    server.user("alice", &["read", "publish", "yank", "owner"], &[])
}

/// All that a reader needs is there when the answer comes, or soon after.
#[test]
fn a_published_version_is_read_as_plain_files() {
    let server = Server::start(&[]);
    let alice = publisher(&server);
    let bytes = archive("pdf-tables", "one");
    let answer = put(&alice, "@acme/pdf-tables", "1.0.0", bytes.clone()).expect(201);
    assert_eq!(answer.header("ratelimit-limit"), "60");
    assert_eq!(answer.header("ratelimit-remaining"), "59");
    let digest = Digest::of(&bytes);
    assert_eq!(answer.json()["digest"], digest.to_string());
    let lines = index(&server.client, "@acme/pdf-tables");
    assert_eq!(lines.len(), 1);
    assert_eq!(lines[0]["digest"], digest.to_string());
    assert_eq!(lines[0]["by"], "alice");
    let hex = digest.as_hex();
    let path = format!("/b/sha256/{}/{hex}.tar.gz", &hex[..2]);
    let blob = server.client.get(&path).expect(200);
    assert_eq!(blob.bytes, bytes);
    assert!(blob.header("cache-control").contains("immutable"));
    // What is not changed is not sent again.
    let etag = blob.header("etag").to_owned();
    assert_eq!(server.client.send("GET", &path, &[("if-none-match", &etag)], None).status, 304);
    let head = server.client.send("HEAD", &path, &[], None).expect(200);
    assert_eq!((head.header("content-length"), head.bytes.len()), (bytes.len().to_string().as_str(), 0));
    for derived in [
        "/@acme/pdf-tables/.well-known/agent-skills/index.json",
        "/@acme/pdf-tables/1.0.0/.well-known/agent-skills/index.json",
        "/@acme/.well-known/agent-skills/index.json",
        "/@acme/pdf-tables/feed.atom",
        "/@acme/feed.atom",
    ] {
        wait_until(derived, || {
            let answer = server.client.get(derived);
            (answer.status == 200 && answer.text().contains("pdf-tables")).then_some(())
        });
    }
    wait_until("the catalogue", || {
        server.client.get("/catalogue.json").expect(200).text().contains("\"skills\"").then_some(())
    });
    let description = server.client.get("/registry.json").expect(200).json();
    assert_eq!(description["schema"], 1);
    assert_eq!(server.client.get("/revoked.jsonl").expect(200).text(), "");
    // The folder is a registry by itself.
    assert!(server.folder.join("data/files").join(&path[1..]).is_file());
}

/// A version never changes: the same bytes are no news, others are refused.
#[test]
fn a_version_is_published_once() {
    let server = Server::start(&[]);
    let alice = publisher(&server);
    let (one, two) = (archive("pdf", "one"), archive("pdf", "two"));
    put(&alice, "@acme/pdf", "1.0.0", one.clone()).expect(201);
    put(&alice, "@acme/pdf", "1.0.0", one.clone()).expect(200);
    put(&alice, "@acme/pdf", "1.0.0", two.clone()).expect(409);
    put(&alice, "@acme/pdf", "1.0.0+build", two.clone()).expect(409);
    put(&alice, "@acme/pdf", "1.0.1", two).expect(201);
    assert_eq!(index(&server.client, "@acme/pdf").len(), 2);
    let found = server.client.get("/api/v1/skills/@acme/pdf").expect(200).json();
    assert_eq!((&found["version"], &found["versions"]), (&json!("1.0.1"), &json!(["1.0.0", "1.0.1"])));
    // An older one of another line does not stand for the skill.
    put(&alice, "@acme/pdf", "0.9.0", archive("pdf", "three")).expect(201);
    put(&alice, "@acme/pdf", "2.0.0-rc.1", archive("pdf", "four")).expect(201);
    assert_eq!(server.client.get("/api/v1/skills/@acme/pdf").expect(200).json()["version"], "1.0.1");
}

#[test]
fn the_digest_that_is_sent_is_held_against_the_bytes() {
    let server = Server::start(&[]);
    let alice = publisher(&server);
    let bytes = archive("pdf", "one");
    let digest = Digest::of(&bytes);
    let hash: Vec<u8> =
        (0..64).step_by(2).map(|at| u8::from_str_radix(&digest.as_hex()[at..at + 2], 16).unwrap()).collect();
    let base64 = base64::engine::general_purpose::STANDARD.encode(hash);
    let send = |version: &str, name: &str, value: &str| {
        let headers = [("content-type", "application/gzip"), (name, value)];
        let path = format!("/api/v1/skills/@acme/pdf/versions/{version}");
        alice.send("PUT", &path, &headers, Some(bytes.clone()))
    };
    send("1.0.0", "digest", &format!("sha-256={base64}")).expect(201);
    send("1.0.0", "digest", &digest.to_string()).expect(200);
    send("1.0.0", "content-digest", &format!("sha-256=:{base64}:")).expect(200);
    send("1.0.1", "digest", &Digest::of(b"other").to_string()).expect(400);
    send("1.0.1", "digest", "md5=abc").expect(400);
}

/// Nothing of what is refused is stored.
#[test]
fn what_breaks_a_rule_is_refused_with_every_finding() {
    let server = Server::start(&[("BA_REGISTRY_LIMITS_ARCHIVE", "64KiB")]);
    let alice = publisher(&server);
    let manifest = |text: &str| archive_of(&[("SKILL.md", text.as_bytes())]);
    let bad_name =
        manifest("---\nname: other\nversion: 2.0.0\ndescription: Extracts tables from files.\n---\nx\n");
    let refused = put(&alice, "@acme/pdf", "1.0.0", bad_name).expect(422).json();
    let at: Vec<&str> =
        refused["errors"].as_array().unwrap().iter().filter_map(|e| e["at"].as_str()).collect();
    assert_eq!(at, ["SKILL.md:2", "SKILL.md:3"], "{refused}");
    let bomb = gzip(&vec![0; 30 << 20]);
    assert!(bomb.len() < 64 * 1024);
    // In parts, so that nobody takes this file for a leak.
    let token = format!("token: {}_{}\n", "ghp", "aB3dE5gH7jK9mN1pQ3sT5vW7yZ9bC1dF3hJ5");
    let good = "---\nname: pdf\ndescription: Extracts tables from files.\n---\nText.\n";
    for (what, bytes) in [
        ("nothing", Vec::new()),
        ("no archive", b"hello".to_vec()),
        ("a cut archive", archive("pdf", "x")[..60].to_vec()),
        ("a bomb", bomb),
        ("no manifest", archive_of(&[("README.md", b"x")])),
        ("a manifest without description", manifest("---\nname: pdf\n---\nText.\n")),
        ("a folder above", archive_of(&[("pdf/SKILL.md", good.as_bytes())])),
        ("a token", archive_of(&[("SKILL.md", good.as_bytes()), ("notes.md", token.as_bytes())])),
        (
            "hidden text",
            manifest("---\nname: pdf\ndescription: Extracts tables from files.\n---\na\u{202e}b\n"),
        ),
    ] {
        let answer = put(&alice, "@acme/pdf", "1.0.0", bytes);
        assert_eq!(answer.status, 422, "{what}: {}", answer.text());
    }
    let large = vec![0; 70 * 1024];
    put(&alice, "@acme/pdf", "1.0.0", large).expect(413);
    let path = "/api/v1/skills/@acme/pdf/versions/1.0.0";
    alice.send("PUT", path, &[("content-type", "application/zip")], Some(Vec::new())).expect(415);
    put(&alice, "@acme/pdf", "one", archive("pdf", "x")).expect(400);
    put(&alice, "@acme/PDF", "1.0.0", archive("pdf", "x")).expect(400);
    put(&alice, "@acme/pdf", "1.0.0", archive("pdf", "x")).expect(201);
    let blobs = walk(&server.folder.join("data/files/b"));
    assert_eq!(blobs.len(), 1, "{blobs:?}");
}

pub(crate) fn walk(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let paths = entries.map(|entry| entry.unwrap().path());
    paths.flat_map(|path| if path.is_dir() { walk(&path) } else { vec![path] }).collect()
}

#[test]
fn a_yanked_version_stays_for_whoever_has_it() {
    let server = Server::start(&[]);
    let alice = publisher(&server);
    put(&alice, "@acme/pdf", "1.0.0", archive("pdf", "one")).expect(201);
    put(&alice, "@acme/pdf", "1.1.0", archive("pdf", "two")).expect(201);
    let path = "/api/v1/skills/@acme/pdf/versions/1.1.0";
    alice.delete(&format!("{path}?reason=wrong%20sums")).expect(200);
    let lines = index(&server.client, "@acme/pdf");
    assert_eq!((&lines[1]["yanked"], &lines[1]["yank_reason"]), (&json!(true), &json!("wrong sums")));
    let hex = lines[1]["digest"].as_str().unwrap().trim_start_matches("sha256:");
    server.client.get(&format!("/b/sha256/{}/{hex}.tar.gz", &hex[..2])).expect(200);
    assert_eq!(server.client.get("/api/v1/skills/@acme/pdf").expect(200).json()["version"], "1.0.0");
    alice.delete(&format!("{path}?reason=wrong%20sums")).expect(200);
    alice.put(&format!("{path}/unyank"), &json!({})).expect(200);
    assert_eq!(index(&server.client, "@acme/pdf")[1]["yanked"], false);
    assert_eq!(server.client.get("/api/v1/skills/@acme/pdf").expect(200).json()["version"], "1.1.0");
    alice.delete("/api/v1/skills/@acme/pdf/versions/3.0.0").expect(404);
}

#[test]
fn an_owner_publishes_so_often_in_an_hour() {
    let server = Server::start(&[("BA_REGISTRY_LIMITS_PUBLISH_PER_HOUR", "2")]);
    let alice = publisher(&server);
    put(&alice, "@acme/pdf", "1.0.0", archive("pdf", "one")).expect(201);
    put(&alice, "@acme/pdf", "1.0.1", archive("pdf", "two")).expect(201);
    let over = put(&alice, "@acme/pdf", "1.0.2", archive("pdf", "three")).expect(429);
    assert!(over.header("retry-after").parse::<u64>().unwrap() > 0);
    assert_eq!(over.header("ratelimit-remaining"), "0");
    // The same again is no publication.
    put(&alice, "@acme/pdf", "1.0.0", archive("pdf", "one")).expect(200);
    put(&alice, "@other/pdf", "1.0.2", archive("pdf", "three")).expect(201);
}

/// Names, owners and the three acts of an admin, which are three.
#[test]
fn a_takedown_reaches_every_reader() {
    let server = Server::start(&[]);
    let admin = server.admin();
    let alice = publisher(&server);
    put(&alice, "@acme/pdf", "1.0.0", archive("pdf", "one")).expect(201);
    put(&alice, "@acme/pdf", "1.1.0", archive("pdf", "two")).expect(201);
    let hex = Digest::of(&archive("pdf", "two")).as_hex().to_owned();
    let blob = format!("/b/sha256/{}/{hex}.tar.gz", &hex[..2]);
    server.client.get(&blob).expect(200);
    let act = json!({"name": "@acme/pdf", "version": "1.1.0"});
    admin.post("/api/v1/admin/takedown", &act).expect(422);
    let act = json!({"name": "@acme/pdf", "version": "1.1.0", "reason": "steals passwords"});
    alice.post("/api/v1/admin/takedown", &act).expect(403);
    admin.post("/api/v1/admin/takedown", &act).expect(200);
    let gone = server.client.get(&blob).expect(410);
    assert!(gone.text().contains("steals passwords"));
    let revoked = server.client.get("/revoked.jsonl").expect(200).text();
    assert!(revoked.contains(&hex) && revoked.contains("steals passwords"), "{revoked}");
    let lines = index(&server.client, "@acme/pdf");
    assert_eq!(lines[1]["removed"]["revoked"], true);
    assert_eq!(server.client.get("/api/v1/skills/@acme/pdf").expect(200).json()["version"], "1.0.0");
    server.client.get("/api/v1/skills/@acme/pdf/versions/1.1.0/files").expect(410);
    // It never comes back by publishing, only by an admin.
    put(&alice, "@acme/pdf", "1.1.0", archive("pdf", "two")).expect(409);
    let audit = admin.get("/api/v1/admin/audit").expect(200).json();
    let event = audit["events"].as_array().unwrap().iter().find(|event| event["kind"] == "takedown").unwrap();
    assert_eq!((&event["actor"], &event["detail"]["reason"]), (&json!("root"), &json!("steals passwords")));
    let act = json!({"name": "@acme/pdf", "version": "1.1.0", "reason": "a mistake"});
    admin.post("/api/v1/admin/restore", &act).expect(200);
    server.client.get(&blob).expect(200);
    assert_eq!(server.client.get("/revoked.jsonl").expect(200).text(), "");
    admin.post("/api/v1/admin/restore", &act).expect(409);
}

#[test]
fn a_name_is_never_free_again() {
    let server = Server::start(&[]);
    let alice = publisher(&server);
    put(&alice, "@acme/pdf", "1.0.0", archive("pdf", "one")).expect(201);
    alice.delete("/api/v1/skills/@acme/pdf").expect(200);
    server.client.get("/api/v1/skills/@acme/pdf").expect(410);
    put(&alice, "@acme/pdf", "2.0.0", archive("pdf", "two")).expect(410);
    assert_eq!(
        server.client.get("/revoked.jsonl").expect(200).text(),
        "",
        "an owner's own bytes harm nobody"
    );
    let needed = archive("base", "one");
    put(&alice, "@acme/base", "1.0.0", needed).expect(201);
    let needs = "---\nname: above\ndescription: Extracts tables from files.\nrequires: [base]\n---\nText.\n";
    put(&alice, "@acme/above", "1.0.0", archive_of(&[("SKILL.md", needs.as_bytes())])).expect(201);
    let refused = alice.delete("/api/v1/skills/@acme/base").expect(409);
    assert!(refused.text().contains("yank"), "{}", refused.text());
}

#[test]
fn who_is_taken_for_another_waits_for_an_admin() {
    let server = Server::start(&[]);
    let admin = server.admin();
    let alice = publisher(&server);
    let eve = server.user("eve", &["read", "publish"], &[]);
    put(&alice, "@acme/pdf", "1.0.0", archive("pdf", "one")).expect(201);
    put(&eve, "@acme/pdf", "1.0.1", archive("pdf", "evil")).expect(403);
    let held = put(&eve, "@acrne/pdf", "1.0.0", archive("pdf", "evil")).expect(202).json();
    assert_eq!(held["status"], "held");
    server.client.get("/@acrne/pdf/index.jsonl").expect(404);
    let hex = held["digest"].as_str().unwrap().trim_start_matches("sha256:");
    server.client.get(&format!("/b/sha256/{}/{hex}.tar.gz", &hex[..2])).expect(404);
    let job = eve.get(&format!("/api/v1/jobs/{}", held["job"])).expect(200).json();
    assert_eq!(job["state"], "waiting");
    alice.get(&format!("/api/v1/jobs/{}", held["job"])).expect(404);
    let listed = admin.get("/api/v1/admin/held").expect(200).json();
    assert_eq!(listed["held"][0]["name"], "@acrne/pdf");
    let act = json!({"name": "@acrne/pdf", "version": "1.0.0", "reason": "known to us"});
    admin.post("/api/v1/admin/approve", &act).expect(200);
    assert_eq!(index(&server.client, "@acrne/pdf").len(), 1);
    assert_eq!(eve.get(&format!("/api/v1/jobs/{}", held["job"])).expect(200).json()["state"], "done");
    put(&eve, "@acrne/pdf", "1.0.1", archive("pdf", "again")).expect(201);
    admin.post("/api/v1/admin/reserve", &json!({"owner": "@bank", "reason": "a brand"})).expect(200);
    put(&eve, "@bank/pdf", "1.0.0", archive("pdf", "x")).expect(403);
    put(&eve, "@b4nk/pdf", "1.0.0", archive("pdf", "x")).expect(202);
    admin.post("/api/v1/admin/ban", &json!({"login": "eve", "reason": "spam"})).expect(200);
    let banned = eve.get("/api/v1/whoami").expect(401);
    assert!(banned.text().contains("spam"), "{}", banned.text());
    assert_eq!(index(&server.client, "@acrne/pdf").len(), 2, "a ban takes nothing down");
}

#[test]
fn owners_say_who_publishes() {
    let server = Server::start(&[]);
    let alice = publisher(&server);
    let bob = server.user("bob", &["read", "publish", "owner"], &[]);
    put(&alice, "@acme/pdf", "1.0.0", archive("pdf", "one")).expect(201);
    put(&bob, "@acme/pdf", "1.0.1", archive("pdf", "two")).expect(403);
    let owners = "/api/v1/skills/@acme/pdf/owners";
    bob.put(owners, &json!({"login": "bob"})).expect(403);
    alice.put(owners, &json!({"login": "nobody"})).expect(404);
    alice.put(owners, &json!({"login": "bob", "role": "king"})).expect(422);
    alice.put(owners, &json!({"login": "bob", "role": "publisher"})).expect(200);
    put(&bob, "@acme/pdf", "1.0.1", archive("pdf", "two")).expect(201);
    bob.get(owners).expect(403);
    alice.delete(&format!("{owners}?login=alice")).expect(409);
    alice.put("/api/v1/owners/@acme", &json!({"login": "alice", "role": "publisher"})).expect(409);
    alice.put("/api/v1/owners/@acme", &json!({"login": "bob", "role": "owner"})).expect(200);
    let left = alice.delete("/api/v1/owners/@acme?login=alice").expect(200).json();
    assert_eq!(left["owners"], json!([{"login": "bob", "role": "owner"}]));
    put(&alice, "@acme/pdf", "1.0.2", archive("pdf", "three")).expect(403);
    // A token that is bound to one name publishes no other.
    let bound = server.token_of("bob", &["publish"], &["@acme/pdf"]);
    put(&bound, "@acme/pdf", "1.0.2", archive("pdf", "three")).expect(201);
    put(&bound, "@acme/csv", "1.0.0", archive("csv", "one")).expect(403);
    put(&bound, "@mine/csv", "1.0.0", archive("csv", "one")).expect(403);
}

/// A scanner is a program of the operator's; what it says decides.
#[cfg(unix)]
#[test]
fn a_scan_decides_what_is_published() {
    let folder = tempfile::tempdir().unwrap();
    let scanner = folder.path().join("scan.sh");
    let text = "#!/bin/sh\ngrep -q evil \"$1/SKILL.md\" && { echo 'evil found'; exit 1; }\n\
        grep -q broken \"$1/SKILL.md\" && exit 9\necho clean\n";
    std::fs::write(&scanner, text).unwrap();
    let command = format!("[/bin/sh, {}]", scanner.display());
    let server = Server::start(&[("BA_REGISTRY_HOLD", "scan"), ("BA_REGISTRY_SCAN_COMMAND", &command)]);
    let alice = publisher(&server);
    let wait = |job: &Value, wanted: &str| {
        wait_until(wanted, || {
            let job = alice.get(&format!("/api/v1/jobs/{job}")).expect(200).json();
            (job["state"] == wanted || job["error"].as_str().is_some_and(|e| e.contains(wanted)))
                .then_some(job)
        })
    };
    let good = put(&alice, "@acme/pdf", "1.0.0", archive("pdf", "good")).expect(202).json();
    assert_eq!(good["status"], "scan");
    wait(&good["job"], "done");
    assert_eq!(index(&server.client, "@acme/pdf").len(), 1);
    let evil = put(&alice, "@acme/pdf", "1.0.1", archive("pdf", "evil")).expect(202).json();
    let failed = wait(&evil["job"], "failed");
    assert_eq!(failed["error"], "evil found");
    put(&alice, "@acme/pdf", "1.0.1", archive("pdf", "evil")).expect(409);
    let broken = put(&alice, "@acme/pdf", "1.0.2", archive("pdf", "broken")).expect(202).json();
    wait(&broken["job"], "the scanner ended with");
    assert_eq!(index(&server.client, "@acme/pdf").len(), 1, "without a verdict it stays held");
    // How a job goes on can be followed.
    let events = alice.get(&format!("/api/v1/jobs/{}/events", evil["job"])).expect(200);
    assert_eq!(events.header("content-type"), "text/event-stream");
    assert!(events.text().contains("evil found"), "{}", events.text());
}

#[test]
fn an_archive_says_its_own_name_and_version() {
    let server = Server::start(&[]);
    let alice = publisher(&server);
    let text = "---\nname: pdf\ndescription: Extracts tables from files.\nversion: 1.2.0\n---\nText.\n";
    let labelled = archive_of(&[("SKILL.md", text.as_bytes())]);
    let post = |path: &str, bytes: Vec<u8>| {
        alice.send("POST", path, &[("content-type", "application/gzip")], Some(bytes))
    };
    post("/api/v1/skills", labelled.clone()).expect(400);
    let made = post("/api/v1/skills?owner=acme", labelled.clone()).expect(201).json();
    assert_eq!((&made["name"], &made["version"]), (&json!("@acme/pdf"), &json!("1.2.0")));
    post("/api/v1/skills", labelled).expect(200);
    post("/api/v1/skills", archive("pdf", "no version")).expect(422);
}
