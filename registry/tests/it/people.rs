//! Following, webhooks, reports, events.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::sync::mpsc;

use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};

use crate::publish::put;
use crate::server::Server;
use crate::skill::archive;

#[test]
fn following_is_the_same_twice() {
    let server = Server::start(&[]);
    let alice = server.user("alice", &["read", "publish"], &[]);
    let bob = server.user("bob", &["read"], &[]);
    put(&alice, "@acme/pdf", "1.0.0", archive("pdf", "one")).expect(201);
    let at = "/api/v1/skills/@acme/pdf";
    bob.post(&format!("{at}/push"), &json!({"enabled": true})).expect(404);
    let first = bob.post(&format!("{at}/subscribe"), &json!({})).expect(200).text();
    assert_eq!(bob.post(&format!("{at}/subscribe"), &json!({})).expect(200).text(), first);
    bob.post(&format!("{at}/push"), &json!({"enabled": false})).expect(200);
    let list = bob.get("/api/v1/skills/subscriptions").expect(200).json();
    assert_eq!(
        (&list["skills"][0]["name"], &list["skills"][0]["notify"]),
        (&json!("@acme/pdf"), &json!(false))
    );
    bob.post(&format!("{at}/unsubscribe"), &json!({})).expect(200);
    bob.post(&format!("{at}/unsubscribe"), &json!({})).expect(200);
    assert_eq!(bob.get("/api/v1/skills/subscriptions").expect(200).json()["skills"], json!([]));
    bob.post("/api/v1/skills/@acme/none/subscribe", &json!({})).expect(404);
}

/// Listens on loopback; answers the first `failures` with 500, then with 204.
fn listen(failures: usize) -> (String, mpsc::Receiver<(Vec<String>, String)>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    let (send, receive) = mpsc::channel();
    std::thread::spawn(move || {
        for (n, stream) in listener.incoming().map_while(Result::ok).enumerate() {
            let mut reader = BufReader::new(&stream);
            let mut headers = Vec::new();
            loop {
                let mut line = String::new();
                reader.read_line(&mut line).unwrap();
                if line.trim().is_empty() {
                    break;
                }
                headers.push(line.trim().to_owned());
            }
            let length = headers
                .iter()
                .find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
            let mut body = vec![0; length.unwrap_or(0)];
            reader.read_exact(&mut body).unwrap();
            let status = if n < failures { "500 Internal Server Error" } else { "204 No Content" };
            let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
            let _ = (&stream).write_all(answer.as_bytes());
            if send.send((headers, String::from_utf8(body).unwrap())).is_err() {
                return;
            }
        }
    });
    (url, receive)
}

#[test]
fn a_webhook_is_signed_and_tried_again() {
    let server = Server::start(&[("BA_REGISTRY_WEBHOOKS_ALLOW_PRIVATE", "true")]);
    let alice = server.user("alice", &["read", "publish"], &[]);
    let bob = server.user("bob", &["read"], &[]);
    put(&alice, "@acme/pdf", "1.0.0", archive("pdf", "one")).expect(201);
    let (url, received) = listen(1);
    let hook = bob.post("/api/v1/webhooks", &json!({"url": url, "kinds": ["publish"]})).expect(201).json();
    bob.post("/api/v1/skills/@acme/pdf/subscribe", &json!({})).expect(200);
    put(&alice, "@acme/pdf", "1.1.0", archive("pdf", "two")).expect(201);
    for attempt in 0..2 {
        let (headers, body) = received.recv_timeout(std::time::Duration::from_secs(15)).unwrap();
        let told: Value = serde_json::from_str(&body).unwrap();
        assert_eq!((&told["kind"], &told["version"]), (&json!("publish"), &json!("1.1.0")), "{attempt}");
        let signature = headers.iter().find_map(|line| line.strip_prefix("registry-signature: ")).unwrap();
        let (time, signature) = signature.split_once(",v1=").unwrap();
        let message = format!("{}.{body}", time.trim_start_matches("t="));
        let mut mac =
            Hmac::<sha2::Sha256>::new_from_slice(hook["secret"].as_str().unwrap().as_bytes()).unwrap();
        mac.update(message.as_bytes());
        assert_eq!(ba_agent_core::digest::encode_hex(&mac.finalize().into_bytes()), signature);
    }
    bob.post("/api/v1/webhooks", &json!({"url": "https://u:p@x.example"})).expect(422);
    bob.post("/api/v1/webhooks", &json!({"url": url, "kinds": ["token"]})).expect(422);
    bob.delete(&format!("/api/v1/webhooks/{}", hook["id"])).expect(200);
    bob.delete(&format!("/api/v1/webhooks/{}", hook["id"])).expect(404);
}

/// An address of the operator's own network is asked by nobody.
#[test]
fn a_webhook_does_not_lead_inside() {
    let server = Server::start(&[]);
    let alice = server.user("alice", &["read", "publish"], &[]);
    alice.post("/api/v1/webhooks", &json!({"url": "http://127.0.0.1:1/"})).expect(422);
    put(&alice, "@acme/pdf", "1.0.0", archive("pdf", "one")).expect(201);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let port = listener.local_addr().unwrap().port();
    // Only https is taken, and the name still leads to this machine.
    alice.post("/api/v1/webhooks", &json!({"url": format!("https://localhost:{port}/")})).expect(201);
    put(&alice, "@acme/pdf", "1.1.0", archive("pdf", "two")).expect(201);
    std::thread::sleep(std::time::Duration::from_millis(800));
    assert!(listener.accept().is_err(), "nobody came");
}

#[test]
fn a_report_reaches_the_admins_and_is_settled_by_a_takedown() {
    let server = Server::start(&[]);
    let root = server.admin();
    let alice = server.user("alice", &["read", "publish"], &[]);
    put(&alice, "@acme/pdf", "1.0.0", archive("pdf", "one")).expect(201);
    alice.post("/api/v1/skills/@acme/pdf/report", &json!({"reason": " "})).expect(422);
    alice
        .post("/api/v1/skills/@acme/pdf/report", &json!({"reason": "it mines", "version": "1.0.0"}))
        .expect(201);
    let reports = root.get("/api/v1/admin/reports").expect(200).json();
    assert_eq!(reports["reports"][0]["reason"], "it mines");
    root.post("/api/v1/admin/takedown", &json!({"name": "@acme/pdf", "reason": "it does"})).expect(200);
    assert_eq!(root.get("/api/v1/admin/reports").expect(200).json()["reports"], json!([]));
}

/// Everybody may know what happened to skills; who has which token is nobody's business.
#[test]
fn events_tell_what_everybody_may_know() {
    let server = Server::start(&[]);
    let alice = server.user("alice", &["read", "publish", "yank"], &[]);
    put(&alice, "@acme/pdf", "1.0.0", archive("pdf", "one")).expect(201);
    alice.delete("/api/v1/skills/@acme/pdf/versions/1.0.0").expect(200);
    let all = server.client.get("/api/v1/events").expect(200).json();
    let kinds: Vec<&str> =
        all["events"].as_array().unwrap().iter().map(|e| e["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["publish", "yank"]);
    let first = all["events"][0]["seq"].as_i64().unwrap();
    let rest = server.client.get(&format!("/api/v1/events?since={first}")).expect(200).json();
    assert_eq!(rest["events"].as_array().unwrap().len(), 1);
    server.client.get("/api/v1/events?since=x").expect(400);
    // As a stream, one after the other, also those that happen meanwhile.
    let url = server.client.url.trim_start_matches("http://").to_owned();
    let stream = std::net::TcpStream::connect(&url).unwrap();
    let ask = format!(
        "GET /api/v1/events?since={first} HTTP/1.1\r\nhost: {url}\r\naccept: text/event-stream\r\n\r\n"
    );
    (&stream).write_all(ask.as_bytes()).unwrap();
    stream.set_read_timeout(Some(std::time::Duration::from_secs(10))).unwrap();
    let mut lines = BufReader::new(&stream).lines();
    let mut next =
        |wanted: &str| lines.find_map(|line| line.ok().filter(|line| line.contains(wanted))).unwrap();
    next("event: yank");
    put(&alice, "@acme/pdf", "1.1.0", archive("pdf", "two")).expect(201);
    assert!(next("data: ").contains("\"yank\""));
    assert!(next("data: ").contains("@acme/pdf@1.1.0"));
}
