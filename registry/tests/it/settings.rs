//! What the operator sets, sees, and does at the machine.

use std::process::Stdio;

use crate::server::{Server, command};

fn refused(variables: &[(&str, &str)], arguments: &[&str], file: Option<&str>) -> (Option<i32>, String) {
    let folder = tempfile::tempdir().unwrap();
    if let Some(text) = file {
        std::fs::write(folder.path().join("registry.yaml"), text).unwrap();
    }
    let out = command(folder.path(), variables).args(arguments).stdin(Stdio::null()).output().unwrap();
    (out.status.code(), String::from_utf8_lossy(&out.stderr).into_owned())
}

#[test]
fn settings_are_read_strictly() {
    let config = ["--config", "registry.yaml"];
    let (status, said) = refused(&[], &config, Some("hold: none\nlistn: 1\n"));
    assert_eq!(status, Some(2), "{said}");
    assert!(said.contains("registry.yaml:2:") && said.contains("listn"), "{said}");
    let (status, said) = refused(&[("BA_REGISTRY_LISTNE", "1")], &[], None);
    assert_eq!(status, Some(2), "{said}");
    assert!(said.contains("BA_REGISTRY_LISTNE"), "{said}");
    let (status, said) = refused(&[], &config, None);
    assert_eq!(status, Some(3), "{said}");
    let (status, said) = refused(&[("BA_REGISTRY_DATABASE", "mysql://x")], &[], None);
    assert_eq!(status, Some(1), "{said}");
    assert!(said.contains("sqlite:PATH"), "{said}");
}

/// Nothing is set: the database and the files are made, and whoever started it can begin.
#[test]
fn it_starts_without_any_set_up_and_stops_when_asked() {
    let mut server = Server::start(&[]);
    assert!(server.folder.join("data/registry.db").is_file());
    assert!(server.folder.join("data/files").is_dir());
    server.client.get("/healthz").expect(200);
    server.client.get("/readyz").expect(200);
    server.client.get("/nothing").expect(404);
    server.client.post("/healthz", &serde_json::json!({})).expect(405);
    assert!(server.setup_token.is_some());
    let took = server.terminate();
    assert!(took.as_secs() < 10, "{took:?}");
}

/// The one-time token works once; afterwards no start prints another.
#[test]
fn the_first_start_makes_one_admin() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = Server::start_in(folder.path(), &[]);
    let admin = server.admin();
    let me = admin.get("/api/v1/whoami").expect(200).json();
    assert_eq!((&me["login"], &me["admin"]), (&"root".into(), &true.into()));
    let again = serde_json::json!({"token": server.setup_token, "login": "second"});
    server.client.post("/api/v1/setup", &again).expect(401);
    server.terminate();
    let server = Server::start_in(folder.path(), &[]);
    assert!(server.setup_token.is_none());
    server.client.get("/readyz").expect(200);
}

#[test]
fn metrics_stand_on_a_port_of_their_own() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let server = Server::start(&[("BA_REGISTRY_METRICS", &port.to_string())]);
    server.client.get("/nothing").expect(404);
    let metrics = crate::client::Client::new(&format!("http://{port}")).get("/metrics").expect(200).text();
    assert!(metrics.contains("registry_requests_total{status=\"4xx\"} 1"), "{metrics}");
    server.client.get("/metrics").expect(404);
}
