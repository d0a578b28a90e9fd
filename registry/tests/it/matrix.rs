//! Every operation with every kind of token. The operations come out of the description that the
//! server gives of itself, which is made of the same table as its router: one that is new is tried
//! here without anybody thinking of it.

use serde_json::{Value, json};

use crate::client::Client;
use crate::publish::put;
use crate::server::Server;
use crate::skill::archive;

/// An operation, with something in the place of each parameter.
struct Operation {
    method: String,
    path: String,
    need: String,
    body: Option<(&'static str, Vec<u8>)>,
    declared: Vec<u16>,
}

fn operations(description: &Value) -> Vec<Operation> {
    let mut operations = Vec::new();
    for (path, item) in description["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let mut path = path.clone();
            for parameter in operation["parameters"].as_array().into_iter().flatten() {
                let name = parameter["name"].as_str().unwrap();
                let has_sign = parameter["schema"]["pattern"].as_str().is_some_and(|p| p.starts_with("^@"));
                let value = match name {
                    "owner" if has_sign => "@acme",
                    "owner" => "acme",
                    "name" => "none",
                    "version" => "1.0.0",
                    _ => "999999",
                };
                path = path.replace(&format!("{{{name}}}"), value);
            }
            let body = operation["requestBody"]["content"].as_object().map(|content| {
                let is_json = content.contains_key("application/json");
                if is_json {
                    ("application/json", b"{}".to_vec())
                } else {
                    ("application/gzip", b"x".to_vec())
                }
            });
            let declared = operation["responses"].as_object().unwrap().keys();
            let declared = declared.map(|status| status.parse().unwrap()).collect();
            let need = operation["x-need"].as_str().unwrap().to_owned();
            operations.push(Operation { method: method.to_uppercase(), path, need, body, declared });
        }
    }
    operations
}

impl Operation {
    fn ask(&self, client: &Client) -> u16 {
        let headers: Vec<(&str, &str)> = self.body.iter().map(|(kind, _)| ("content-type", *kind)).collect();
        let body = self.body.as_ref().map(|(_, bytes)| bytes.clone());
        let answer = client.send(&self.method, &self.path, &headers, body);
        let (method, path) = (&self.method, &self.path);
        assert!(answer.status < 500, "{method} {path}: {}", answer.text());
        assert!(self.declared.contains(&answer.status), "{method} {path}: {} is not declared", answer.status);
        answer.status
    }
}

/// The scope that each need asks for.
fn scope_of(need: &str) -> Option<&'static str> {
    match need {
        "open" | "read" => None,
        "user" => Some("read"),
        "account" | "owner" => Some("owner"),
        "publish" => Some("publish"),
        "yank" => Some("yank"),
        "admin" => Some("admin"),
        other => panic!("{other}"),
    }
}

/// Makes a token of the database's older than it is.
fn expire(server: &Server, token_id: &Value) {
    let path = server.folder.join("data/registry.db");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let options = sqlx::sqlite::SqliteConnectOptions::new().filename(path);
        let pool = sqlx::SqlitePool::connect_with(options).await.unwrap();
        let id = token_id.as_i64().unwrap();
        sqlx::query("update tokens set expires_at = 1 where id = $1").bind(id).execute(&pool).await.unwrap();
        pool.close().await;
    });
}

#[test]
fn no_operation_is_open_to_the_wrong_token() {
    let server = Server::start(&[("BA_REGISTRY_LIMITS_READ_PER_MINUTE", "1000000")]);
    let root = server.admin();
    let all = ["read", "publish", "yank", "owner"];
    let alice = server.user("alice", &all, &[]);
    put(&alice, "@acme/pdf", "1.0.0", archive("pdf", "one")).expect(201);
    let description = server.client.get("/api/v1/openapi.json").expect(200).json();
    assert_eq!(description["openapi"], "3.1.0");
    let operations = operations(&description);
    assert!(operations.len() >= 50, "only {} operations", operations.len());
    let make = |scopes: &[&str]| {
        alice.post("/api/v1/tokens", &json!({"scopes": scopes, "names": []})).expect(201).json()
    };
    let client = |made: &Value| server.client.with_token(made["token"].as_str().unwrap());
    let (expired, revoked) = (make(&all), make(&all));
    expire(&server, &expired["id"]);
    alice.delete(&format!("/api/v1/tokens/{}", revoked["id"])).expect(200);
    let other = server.user("bob", &all, &[]);
    let bound = server.token_of("alice", &all, &["@elsewhere/*"]);
    let dead = [
        ("expired", client(&expired)),
        ("revoked", client(&revoked)),
        ("unknown", {
            // A token whose checksum is right and that nobody ever made.
            let head = format!("bar_{}", "0".repeat(64));
            let check = ba_agent_core::digest::sha256_hex(head.as_bytes());
            server.client.with_token(&format!("{head}{}", &check[..8]))
        }),
    ];
    let mut tried = 0;
    for operation in &operations {
        let shown = format!("{} {} ({})", operation.method, operation.path, operation.need);
        let is_open = scope_of(&operation.need).is_none();
        for (which, client) in &dead {
            let status = operation.ask(client);
            assert!(operation.need == "open" || status == 401, "{shown}, {which}: {status}");
            tried += 1;
        }
        let status = operation.ask(&server.client);
        // Without a token the open ones may still refuse what stands in the body.
        assert!(is_open || status == 401, "{shown}, none: {status}");
        for scope in all {
            let status = operation.ask(&client(&make(&[scope])));
            let is_allowed = scope_of(&operation.need).is_none_or(|wanted| wanted == scope);
            let is_refused = matches!(status, 401 | 403);
            assert!(operation.need == "open" || is_refused != is_allowed, "{shown}, {scope}: {status}");
            tried += 1;
        }
        let is_named = operation.path.contains("@acme")
            && matches!(operation.need.as_str(), "publish" | "yank" | "owner");
        for (which, client) in [("of somebody else", &other), ("of another name", &bound)] {
            let status = operation.ask(client);
            assert!(!is_named || status == 403, "{shown}, {which}: {status}");
            assert!(operation.need != "admin" || status == 403, "{shown}, {which}: {status}");
            tried += 1;
        }
        let status = operation.ask(&root);
        let is_admins = operation.need == "admin";
        assert!(!is_admins || !matches!(status, 401 | 403), "{shown}, admin: {status}");
    }
    println!("{} operations, {tried} tries", operations.len());
    // Nothing happened meanwhile.
    assert_eq!(crate::publish::index(&server.client, "@acme/pdf").len(), 1);
}

/// What a token is made of stands nowhere but where it was handed out.
#[test]
fn no_token_stands_in_the_log_the_database_or_an_answer() {
    let mut server = Server::start(&[]);
    let root = server.admin();
    let alice = server.user("alice", &["read", "publish", "owner"], &[]);
    let token = alice.authorization.clone().unwrap().trim_start_matches("Bearer ").to_owned();
    put(&alice, "@acme/pdf", "1.0.0", archive("pdf", "one")).expect(201);
    let hook = alice.post("/api/v1/webhooks", &json!({"url": "https://hooks.example/x"})).expect(201).json();
    let paths = [
        "/api/v1/whoami",
        "/api/v1/tokens",
        "/api/v1/webhooks",
        "/api/v1/events",
        "/nothing",
        "/registry.json",
    ];
    for path in paths {
        let text = alice.get(path).text();
        assert!(!text.contains(&token), "{path}");
        assert!(!text.contains(hook["secret"].as_str().unwrap()), "{path}");
    }
    assert!(!root.get("/api/v1/admin/audit").expect(200).text().contains(&token));
    server.terminate();
    let body = &token[4..40];
    for path in crate::publish::walk(&server.folder) {
        let bytes = std::fs::read(&path).unwrap();
        let found = bytes.windows(body.len()).any(|window| window == body.as_bytes());
        assert!(!found, "{}", path.display());
    }
}
