//! Tokens, logins, devices.

use serde_json::json;

use crate::server::{Server, basic};

#[test]
fn a_token_may_do_no_more_than_whoever_made_it() {
    let server = Server::start(&[]);
    server.admin();
    let alice = server.user("alice", &["read", "publish", "owner"], &[]);
    let made = alice
        .post("/api/v1/tokens", &json!({"scopes": ["publish"], "names": ["@acme/*"]}))
        .expect(201)
        .json();
    assert_eq!(made["names"], json!(["@acme/*"]));
    for (body, status) in [
        (json!({"scopes": ["yank"]}), 403),
        (json!({"scopes": ["admin"]}), 403),
        (json!({"scopes": ["everything"]}), 422),
        (json!({"scopes": []}), 422),
        (json!({"scopes": ["read"], "names": ["acme"]}), 422),
        (json!({"scopes": ["read"], "days": 366}), 422),
        (json!({"scopes": ["read"], "days": 0}), 422),
        (json!({"scope": ["read"]}), 400),
    ] {
        alice.post("/api/v1/tokens", &body).expect(status);
    }
    // The admin scope is of admins, whatever their password may.
    let mut bob = server.client.clone();
    bob.authorization = Some(basic("alice", "correct horse battery"));
    bob.post("/api/v1/tokens", &json!({"scopes": ["admin"]})).expect(403);
    // A token that is bound to names manages no account.
    let bound =
        alice.post("/api/v1/tokens", &json!({"scopes": ["owner"], "names": ["@acme/*"]})).expect(201).json();
    let bound = server.client.with_token(bound["token"].as_str().unwrap());
    bound.get("/api/v1/tokens").expect(403);
    // One that was made by a token dies no later than that.
    let short = alice.post("/api/v1/tokens", &json!({"scopes": ["owner"], "days": 1})).expect(201).json();
    let short_client = server.client.with_token(short["token"].as_str().unwrap());
    let longer =
        short_client.post("/api/v1/tokens", &json!({"scopes": ["owner"], "days": 300})).expect(201).json();
    assert_eq!(short["expires_at"], longer["expires_at"]);
}

#[test]
fn a_revoked_token_is_of_no_use_at_once() {
    let server = Server::start(&[]);
    let alice = server.user("alice", &["read", "owner"], &[]);
    let listed = alice.get("/api/v1/tokens").expect(200).json();
    let id = listed["tokens"][0]["id"].as_i64().unwrap();
    assert!(!listed.to_string().contains("bar_"), "{listed}");
    alice.get("/api/v1/whoami").expect(200);
    alice.delete(&format!("/api/v1/tokens/{id}")).expect(200);
    let refused = alice.get("/api/v1/whoami").expect(401);
    assert!(refused.text().contains("revoked"), "{}", refused.text());
    assert!(refused.header("www-authenticate").starts_with("Bearer"));
    server.client.with_token("bar_wrong").get("/api/v1/whoami").expect(401);
    server.client.get("/api/v1/whoami").expect(401);
}

#[test]
fn a_device_gets_its_token_once_somebody_approved_it() {
    let server = Server::start(&[]);
    let alice = server.user("alice", &["read", "publish", "owner"], &[]);
    let device =
        server.client.post("/api/v1/device", &json!({"scopes": ["read", "publish"]})).expect(200).json();
    let code = json!({"device_code": device["device_code"]});
    let waits = server.client.post("/api/v1/device/token", &code).expect(428);
    assert_eq!(waits.header("retry-after"), "2");
    let shown = device["user_code"].as_str().unwrap();
    assert_eq!(shown.len(), 9, "{shown}");
    // Whoever opens the address that the device shows learns what to do.
    let told = server.client.get("/device").expect(200).json();
    assert!(told["post"].as_str().unwrap().ends_with("/api/v1/device/approve"), "{told}");
    alice.post("/api/v1/device/approve", &json!({"user_code": "AAAA-AAAA"})).expect(404);
    alice.post("/api/v1/device/approve", &json!({"user_code": shown.to_lowercase()})).expect(200);
    let made = server.client.post("/api/v1/device/token", &code).expect(200).json();
    let device_client = server.client.with_token(made["token"].as_str().unwrap());
    let me = device_client.get("/api/v1/whoami").expect(200).json();
    assert_eq!(me["login"], "alice");
    assert_eq!(me["token"]["scopes"], json!(["read", "publish"]));
    server.client.post("/api/v1/device/token", &code).expect(404);
    server.client.post("/api/v1/device", &json!({"scopes": ["root"]})).expect(422);
    // Nobody hands out by a device what they have not.
    let wants_more = server.client.post("/api/v1/device", &json!({"scopes": ["yank"]})).expect(200).json();
    alice.post("/api/v1/device/approve", &json!({"user_code": wants_more["user_code"]})).expect(403);
}

#[test]
fn a_session_changes_things_only_from_a_page_of_this_registry() {
    let server = Server::start(&[]);
    server.make_user("alice", &[]);
    let body = json!({"login": "alice", "password": "correct horse battery"});
    let login = server.client.post("/api/v1/sessions", &body).expect(201);
    let cookie = login.header("set-cookie");
    assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Lax"), "{cookie}");
    let cookie = cookie.split(';').next().unwrap();
    let host = server.client.url.trim_start_matches("http://");
    let own = format!("http://{host}");
    let make = |origin: Option<&str>| {
        let mut headers = vec![("cookie", cookie), ("content-type", "application/json")];
        headers.extend(origin.map(|origin| ("origin", origin)));
        server.client.send("POST", "/api/v1/tokens", &headers, Some(b"{}".to_vec()))
    };
    make(Some("https://evil.example")).expect(403);
    make(None).expect(403);
    make(Some(&own)).expect(201);
    let me = |cookie: &str| server.client.send("GET", "/api/v1/whoami", &[("cookie", cookie)], None);
    me(cookie).expect(200);
    server
        .client
        .send("DELETE", "/api/v1/sessions", &[("cookie", cookie), ("origin", &own)], None)
        .expect(200);
    me(cookie).expect(401);
}

#[test]
fn passwords_cannot_be_tried_for_ever() {
    let server = Server::start(&[]);
    server.make_user("alice", &[]);
    let login = |password: &str| {
        server.client.post("/api/v1/sessions", &json!({"login": "alice", "password": password}))
    };
    for _ in 0..10 {
        login("wrong horse battery").expect(401);
    }
    let over = login("correct horse battery").expect(429);
    assert!(over.header("retry-after").parse::<u64>().unwrap() > 0);
    // Somebody else is not kept out by that.
    server.make_user("bob", &[]);
    let body = json!({"login": "bob", "password": "correct horse battery"});
    server.client.post("/api/v1/sessions", &body).expect(201);
}

#[test]
fn every_address_has_a_bucket_of_its_own() {
    let variables =
        [("BA_REGISTRY_LIMITS_READ_PER_MINUTE", "5"), ("BA_REGISTRY_TRUSTED_PROXIES", "[127.0.0.0/8]")];
    let server = Server::start(&variables);
    let ask = |from: &str| server.client.send("GET", "/registry.json", &[("x-forwarded-for", from)], None);
    for left in (0..5).rev() {
        let answer = ask("198.51.100.1");
        assert_eq!(answer.header("ratelimit-remaining"), left.to_string());
        assert_eq!(answer.header("ratelimit-limit"), "5");
    }
    let over = ask("198.51.100.1").expect(429);
    assert!(over.header("retry-after").parse::<u64>().unwrap() > 0);
    assert_ne!(ask("198.51.100.2").status, 429);
    // Health is asked for by whoever watches, as often as they like.
    for _ in 0..20 {
        server.client.get("/healthz").expect(200);
    }
}
