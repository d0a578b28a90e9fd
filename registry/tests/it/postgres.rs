//! A PostgreSQL of the test's own, on a free port, in a folder of its own. Where it cannot be
//! started a test is skipped with a message, unless `BA_AGENT_REQUIRE_POSTGRES` forbids that.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::json;

use crate::publish::{index, put};
use crate::server::{Server, wait_until};
use crate::skill::archive;

/// A running PostgreSQL. It is stopped when this goes.
pub(crate) struct Postgres {
    programs: PathBuf,
    folder: tempfile::TempDir,
    port: u16,
}

/// The folder of its programs, of the newest version.
fn find_programs() -> Option<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").ok()?;
    let mut folders: Vec<PathBuf> = versions.flatten().map(|entry| entry.path().join("bin")).collect();
    folders.sort();
    folders
        .into_iter()
        .rev()
        .find(|folder| folder.join("pg_ctl").is_file() && folder.join("initdb").is_file())
}

fn skip(why: &str) -> Option<Postgres> {
    assert!(std::env::var_os("BA_AGENT_REQUIRE_POSTGRES").is_none(), "PostgreSQL is wanted: {why}");
    println!("skipped: {why}");
    None
}

impl Postgres {
    /// Starts one; `None` where this machine has none, or nobody to run it.
    pub(crate) fn start() -> Option<Self> {
        let Some(programs) = find_programs() else { return skip("PostgreSQL is not installed") };
        let folder = tempfile::tempdir().unwrap();
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let postgres = Self { programs, folder, port };
        if postgres.is_root() {
            // It refuses root, and the folder is the user's that it runs as.
            let owned = Command::new("chown").arg("postgres").arg(postgres.folder.path()).status();
            if !owned.is_ok_and(|status| status.success()) {
                return skip("there is no user `postgres`");
            }
        }
        let data = postgres.data();
        let init = format!("initdb -D {} -U postgres -A trust --no-sync", data.display());
        if !postgres.run(&init) || !postgres.start_again() {
            return skip("it did not start");
        }
        Some(postgres)
    }

    fn is_root(&self) -> bool {
        Command::new("id").arg("-u").output().is_ok_and(|out| out.stdout == b"0\n")
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn run(&self, command: &str) -> bool {
        let command = format!("{}/{command}", self.programs.display());
        let mut program = if self.is_root() {
            let mut su = Command::new("su");
            su.args(["postgres", "-s", "/bin/sh", "-c", &command]);
            su
        } else {
            let mut sh = Command::new("sh");
            sh.args(["-c", &command]);
            sh
        };
        let program =
            program.current_dir("/").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        program.status().is_ok_and(|status| status.success())
    }

    /// Starts it where it was stopped.
    pub(crate) fn start_again(&self) -> bool {
        let (data, folder) = (self.data(), self.folder.path().display().to_string());
        let options = format!("-p {} -k {folder} -c listen_addresses=127.0.0.1 -c fsync=off", self.port);
        self.run(&format!("pg_ctl -D {} -l {folder}/log -w -o '{options}' start", data.display()))
    }

    /// Stops it at once.
    pub(crate) fn stop(&self) {
        self.run(&format!("pg_ctl -D {} -m immediate -w stop", self.data().display()));
    }

    pub(crate) fn url(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}/postgres", self.port)
    }

    /// A server over it, whose files are in `folder`.
    pub(crate) fn server(&self, folder: &Path) -> Server {
        let url = self.url();
        Server::start_in(
            folder,
            &[("BA_REGISTRY_DATABASE", &url), ("BA_REGISTRY_LIMITS_PUBLISH_PER_HOUR", "100000")],
        )
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.stop();
    }
}

/// What SQLite does, PostgreSQL does: one walk through most statements of each.
#[test]
fn both_databases_answer_alike() {
    let Some(postgres) = Postgres::start() else { return };
    let folder = tempfile::tempdir().unwrap();
    let on_postgres = postgres.server(folder.path());
    let on_sqlite = Server::start(&[("BA_REGISTRY_LIMITS_PUBLISH_PER_HOUR", "100000")]);
    let answers = [&on_postgres, &on_sqlite].map(walk);
    assert_eq!(answers[0], answers[1]);
    assert!(answers[0].len() > 25);
}

/// The statuses and what of the answers does not hang on the clock.
fn walk(server: &Server) -> Vec<String> {
    let root = server.admin();
    let alice = server.user("alice", &["read", "publish", "yank", "owner"], &[]);
    server.make_user("bob", &[]);
    let mut said = Vec::new();
    let mut note = |what: &str, reply: crate::client::Reply| {
        let text = if reply.status < 300 { reply.text() } else { String::new() };
        // Times, ids and ports differ.
        let words: String = text.chars().filter(|c| !c.is_ascii_digit()).collect();
        said.push(format!(
            "{what} {} {}",
            reply.status,
            if words.len() < 4_000 { words } else { String::new() }
        ));
    };
    note("put", put(&alice, "@acme/pdf", "1.0.0", archive("pdf", "one")));
    note("again", put(&alice, "@acme/pdf", "1.0.0", archive("pdf", "one")));
    note("other", put(&alice, "@acme/pdf", "1.0.0", archive("pdf", "two")));
    note("second", put(&alice, "@acme/pdf", "1.1.0", archive("pdf", "two")));
    note("held", put(&alice, "@acrne/pdf", "1.0.0", archive("pdf", "held")));
    note("yank", alice.delete("/api/v1/skills/@acme/pdf/versions/1.1.0?reason=bad"));
    note("unyank", alice.put("/api/v1/skills/@acme/pdf/versions/1.1.0/unyank", &json!({})));
    note("owner", alice.put("/api/v1/owners/@acme", &json!({"login": "bob", "role": "owner"})));
    note("owners", alice.get("/api/v1/skills/@acme/pdf/owners"));
    note("less", alice.delete("/api/v1/owners/@acme?login=bob"));
    note("last", alice.delete("/api/v1/owners/@acme?login=alice"));
    note("publishers", alice.put("/api/v1/skills/@acme/pdf/publishers", &json!({"publishers": []})));
    note("follow", alice.post("/api/v1/skills/@acme/pdf/subscribe", &json!({})));
    note("follow again", alice.post("/api/v1/skills/@acme/pdf/subscribe", &json!({})));
    note("push", alice.post("/api/v1/skills/@acme/pdf/push", &json!({"enabled": false})));
    note("unfollow", alice.post("/api/v1/skills/@acme/pdf/unsubscribe", &json!({})));
    note("no push", alice.post("/api/v1/skills/@acme/pdf/push", &json!({"enabled": true})));
    note("hook", alice.post("/api/v1/webhooks", &json!({"url": "ftp://x"})));
    note("report", alice.post("/api/v1/skills/@acme/pdf/report", &json!({"reason": "spam"})));
    note("reports", root.get("/api/v1/admin/reports"));
    note("held list", root.get("/api/v1/admin/held"));
    let act = json!({"name": "@acme/pdf", "version": "1.1.0", "reason": "x"});
    note("takedown", root.post("/api/v1/admin/takedown", &act));
    note("restore", root.post("/api/v1/admin/restore", &act));
    let held = json!({"name": "@acrne/pdf", "version": "1.0.0", "reason": "x"});
    note("approve", root.post("/api/v1/admin/approve", &held));
    note("reserve", root.post("/api/v1/admin/reserve", &json!({"owner": "@bank", "reason": "x"})));
    note("reserve again", root.post("/api/v1/admin/reserve", &json!({"owner": "@bank", "reason": "x"})));
    note(
        "feature",
        root.post("/api/v1/admin/feature", &json!({"name": "@acme/pdf", "place": 1, "reason": "x"})),
    );
    note("featured", server.client.get("/api/v1/skills/featured"));
    note("ban", root.post("/api/v1/admin/ban", &json!({"login": "bob", "reason": "x"})));
    note("unban", root.post("/api/v1/admin/unban", &json!({"login": "bob", "reason": "x"})));
    note("list", server.client.get("/api/v1/skills?q=tables"));
    note("device", server.client.post("/api/v1/device/token", &json!({"device_code": "x"})));
    note("stats", server.client.get("/api/v1/stats/@acme/pdf"));
    note("whoami", alice.get("/api/v1/whoami"));
    note("remove", alice.delete("/api/v1/skills/@acrne/pdf"));
    note("gone", server.client.get("/api/v1/skills/@acrne/pdf"));
    said.into_iter().map(|line| line.replace("acme", "@")).map(|line| cut_hex(&line)).collect()
}

/// What is left of digests and secrets without digits says nothing.
fn cut_hex(line: &str) -> String {
    line.split('"')
        .filter(|word| !(word.len() > 20 && word.chars().all(|c| "abcdefsh:_".contains(c))))
        .collect()
}

/// Two servers over one database and one folder: of many who publish one version one is first.
#[test]
fn of_64_publishers_of_one_version_one_is_first() {
    let Some(postgres) = Postgres::start() else { return };
    let folder = tempfile::tempdir().unwrap();
    let one = postgres.server(folder.path());
    let two = postgres.server(folder.path());
    let alice = one.user("alice", &["read", "publish"], &[]);
    put(&alice, "@acme/pdf", "0.1.0", archive("pdf", "zero")).expect(201);
    let at = |n: usize| if n.is_multiple_of(2) { &one } else { &two };
    let publish = |n: usize, version: &str, text: &str| {
        let client = at(n).client.clone();
        let client = crate::client::Client { authorization: alice.authorization.clone(), ..client };
        put(&client, "@acme/pdf", version, archive("pdf", text)).status
    };
    let statuses: Vec<u16> = std::thread::scope(|scope| {
        let publish = &publish;
        let all: Vec<_> =
            (0..64).map(|n| scope.spawn(move || publish(n, "1.0.0", &format!("text {n}")))).collect();
        all.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(statuses.iter().filter(|status| **status == 201).count(), 1, "{statuses:?}");
    assert_eq!(statuses.iter().filter(|status| **status == 409).count(), 63, "{statuses:?}");
    // 64 different ones: 64 lines, and no two servers write over each other's.
    let statuses: Vec<u16> = std::thread::scope(|scope| {
        let publish = &publish;
        let all: Vec<_> = (0..64)
            .map(|n| scope.spawn(move || publish(n, &format!("2.0.{n}"), &format!("more {n}"))))
            .collect();
        all.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(statuses.iter().all(|status| *status == 201), "{statuses:?}");
    for server in [&one, &two] {
        wait_until("all lines at both", || (index(&server.client, "@acme/pdf").len() == 66).then_some(()));
        wait_until("the newest at both", || {
            let found = server.client.get("/api/v1/skills/@acme/pdf").json();
            (found["version"] == "2.0.63").then_some(())
        });
    }
}

/// What one server does, the other knows: a token that is revoked, a version that is taken down.
#[test]
fn servers_follow_each_other() {
    let Some(postgres) = Postgres::start() else { return };
    let folder = tempfile::tempdir().unwrap();
    let one = postgres.server(folder.path());
    let root = one.admin();
    let two = postgres.server(folder.path());
    assert!(two.setup_token.is_none());
    let alice = one.user("alice", &["read", "publish", "owner"], &[]);
    put(&alice, "@acme/pdf", "1.0.0", archive("pdf", "one")).expect(201);
    let hex = ba_agent_core::digest::Digest::of(&archive("pdf", "one")).as_hex().to_owned();
    let blob = format!("/b/sha256/{}/{hex}.tar.gz", &hex[..2]);
    two.client.get(&blob).expect(200);
    wait_until("the skill at the other server", || {
        (two.client.get("/api/v1/skills/@acme/pdf").status == 200).then_some(())
    });
    let act = json!({"name": "@acme/pdf", "reason": "bad"});
    root.post("/api/v1/admin/takedown", &act).expect(200);
    wait_until("the takedown at the other server", || (two.client.get(&blob).status == 410).then_some(()));
    let elsewhere =
        crate::client::Client { authorization: alice.authorization.clone(), ..two.client.clone() };
    let id = elsewhere.get("/api/v1/tokens").expect(200).json()["tokens"][0]["id"].as_i64().unwrap();
    alice.delete(&format!("/api/v1/tokens/{id}")).expect(200);
    elsewhere.get("/api/v1/whoami").expect(401);
}

/// While the database is away reads go on, writes say when to come again, and afterwards all is well.
#[test]
fn reads_go_on_while_the_database_is_away() {
    let Some(postgres) = Postgres::start() else { return };
    let folder = tempfile::tempdir().unwrap();
    let server = postgres.server(folder.path());
    let alice = server.user("alice", &["read", "publish"], &[]);
    put(&alice, "@acme/pdf", "1.0.0", archive("pdf", "one")).expect(201);
    put(&alice, "@acme/csv", "1.0.0", archive("csv", "one")).expect(201);
    wait_until("the derived files", || {
        (server.client.get("/@acme/.well-known/agent-skills/index.json").status == 200).then_some(())
    });
    let hex = ba_agent_core::digest::Digest::of(&archive("pdf", "one")).as_hex().to_owned();
    postgres.stop();
    for path in [
        "/registry.json",
        "/@acme/pdf/index.jsonl",
        "/@acme/csv/index.jsonl",
        &format!("/b/sha256/{}/{hex}.tar.gz", &hex[..2]),
        "/@acme/.well-known/agent-skills/index.json",
        "/api/v1/skills?q=tables",
        "/api/v1/skills/@acme/pdf",
        "/api/v1/skills/@acme/pdf/versions/1.0.0/files",
        "/api/search?q=pdf",
        "/healthz",
    ] {
        server.client.get(path).expect(200);
    }
    server.client.get("/readyz").expect(503);
    let refused = put(&alice, "@acme/pdf", "1.1.0", archive("pdf", "two")).expect(503);
    assert!(refused.header("retry-after").parse::<u64>().unwrap() > 0);
    assert!(postgres.start_again());
    wait_until("a publication after it is back", || {
        (put(&alice, "@acme/pdf", "1.1.0", archive("pdf", "two")).status == 201).then_some(())
    });
    assert_eq!(index(&server.client, "@acme/pdf").len(), 2);
    server.client.get("/readyz").expect(200);
}
