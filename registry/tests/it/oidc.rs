//! Trusted publishing: a build with a token of its own issuer.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use serde_json::{Value, json};

use crate::client::Client;
use crate::publish::{index, put};
use crate::server::Server;
use crate::skill::archive;

/// An issuer on loopback.
struct Issuer {
    url: String,
    key: EcdsaKeyPair,
}

impl Issuer {
    fn start() -> Self {
        let random = SystemRandom::new();
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
        let key =
            EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8.as_ref(), &random).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let point = key.public_key().as_ref();
        let jwk = json!({"kty": "EC", "crv": "P-256", "kid": "one", "alg": "ES256", "use": "sig",
            "x": BASE64.encode(&point[1..33]), "y": BASE64.encode(&point[33..])});
        let keys = json!({"keys": [jwk]}).to_string();
        let about = json!({"issuer": url, "jwks_uri": format!("{url}/keys")}).to_string();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let mut reader = BufReader::new(&stream);
                let mut line = String::new();
                reader.read_line(&mut line).unwrap();
                let mut rest = String::new();
                while reader.read_line(&mut rest).is_ok_and(|n| n > 2) {
                    rest.clear();
                }
                let body = if line.contains("/keys") { &keys } else { &about };
                let head =
                    format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
                let _ = (&stream).write_all(format!("{head}{body}").as_bytes());
            }
        });
        Self { url, key }
    }

    fn sign(&self, header: &Value, claims: &Value) -> String {
        let message = format!("{}.{}", BASE64.encode(header.to_string()), BASE64.encode(claims.to_string()));
        let signature = self.key.sign(&SystemRandom::new(), message.as_bytes()).unwrap();
        format!("{message}.{}", BASE64.encode(signature))
    }

    fn token(&self, jti: &str, change: impl Fn(&mut Value)) -> String {
        let now = jiff::Timestamp::now().as_second();
        let mut claims = json!({"iss": self.url, "aud": "acme", "sub": "repo:acme/skills:ref:refs/heads/main",
            "exp": now + 300, "nbf": now - 10, "jti": jti, "repository": "acme/skills", "workflow": "publish"});
        change(&mut claims);
        self.sign(&json!({"alg": "ES256", "kid": "one", "typ": "JWT"}), &claims)
    }
}

fn exchange(client: &Client, jwt: &str) -> crate::client::Reply {
    client.post("/api/v1/oidc/token", &json!({"jwt": jwt}))
}

#[test]
fn a_trusted_build_publishes_one_name_without_anybodys_token() {
    let issuer = Issuer::start();
    let oidc = format!("[{{issuer: '{}', audience: acme}}]", issuer.url);
    let server = Server::start(&[("BA_REGISTRY_AUTH_OIDC", &oidc)]);
    let alice = server.user("alice", &["read", "publish", "owner"], &[]);
    put(&alice, "@acme/pdf", "1.0.0", archive("pdf", "one")).expect(201);
    let good = issuer.token("1", |_| {});
    exchange(&server.client, &good).expect(401);
    let publishers = "/api/v1/skills/@acme/pdf/publishers";
    let wanted = |issuer: &str, claims: Value| json!({"publishers": [{"issuer": issuer, "claims": claims}]});
    alice.put(publishers, &wanted("https://elsewhere.example", json!({"repository": "x"}))).expect(422);
    alice.put(publishers, &wanted(&issuer.url, json!({}))).expect(422);
    alice
        .put(publishers, &wanted(&issuer.url, json!({"repository": "acme/skills", "workflow": "publish"})))
        .expect(200);
    let made = exchange(&server.client, &good).expect(201).json();
    assert_eq!((&made["name"], &made["scopes"]), (&json!("@acme/pdf"), &json!(["publish"])));
    let build = server.client.with_token(made["token"].as_str().unwrap());
    put(&build, "@acme/pdf", "1.1.0", archive("pdf", "two")).expect(201);
    put(&build, "@acme/csv", "1.0.0", archive("csv", "one")).expect(403);
    build.delete("/api/v1/skills/@acme/pdf/versions/1.0.0").expect(403);
    build.get("/api/v1/tokens").expect(403);
    assert_eq!(index(&server.client, "@acme/pdf").len(), 2);
    // A token is used once.
    let replayed = exchange(&server.client, &good).expect(401);
    assert!(replayed.text().contains("used before"), "{}", replayed.text());
}

#[test]
fn a_builds_token_that_is_not_quite_right_is_refused() {
    let issuer = Issuer::start();
    let oidc = format!("[{{issuer: '{}', audience: acme, jwks: '{}/keys'}}]", issuer.url, issuer.url);
    let server = Server::start(&[("BA_REGISTRY_AUTH_OIDC", &oidc)]);
    let alice = server.user("alice", &["read", "publish", "owner"], &[]);
    put(&alice, "@acme/pdf", "1.0.0", archive("pdf", "one")).expect(201);
    let body = json!({"publishers": [{"issuer": issuer.url, "claims": {"repository": "acme/skills"}}]});
    alice.put("/api/v1/skills/@acme/pdf/publishers", &body).expect(200);
    let now = jiff::Timestamp::now().as_second();
    let stranger = Issuer::start();
    let unsigned = |alg: &str| {
        let token = issuer.token("u", |_| {});
        let claims = token.split('.').nth(1).unwrap();
        format!("{}.{claims}.", BASE64.encode(json!({"alg": alg, "kid": "one"}).to_string()))
    };
    let mut forged = issuer.token("f", |_| {});
    let at = forged.rfind('.').unwrap() + 5;
    let other = if forged.as_bytes()[at] == b'A' { "B" } else { "A" };
    forged.replace_range(at..=at, other);
    let cases = [
        ("another audience", issuer.token("a", |c| c["aud"] = json!("other"))),
        ("expired", issuer.token("b", |c| c["exp"] = json!(now - 3600))),
        ("good for years", issuer.token("c", |c| c["exp"] = json!(now + 100_000_000))),
        ("not yet", issuer.token("d", |c| c["nbf"] = json!(now + 3600))),
        ("no number", issuer.token("e", |c| drop(c.as_object_mut().unwrap().remove("jti")))),
        ("another repository", issuer.token("g", |c| c["repository"] = json!("evil/skills"))),
        ("an unknown issuer", stranger.token("h", |_| {})),
        ("another's key", stranger.token("i", |c| c["iss"] = json!(issuer.url))),
        ("no signature", unsigned("none")),
        ("a symmetric one", unsigned("HS256")),
        ("a changed signature", forged),
        ("nothing", String::new()),
        ("no token", "a.b.c".to_owned()),
    ];
    for (what, jwt) in cases {
        let answer = exchange(&server.client, &jwt);
        assert_eq!(answer.status, 401, "{what}: {}", answer.text());
    }
    exchange(&server.client, &issuer.token("z", |_| {})).expect(201);
}
