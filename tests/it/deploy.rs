//! The files that a registry is set up with, in front of the programs that will read them.
//!
//! A program that is not installed is skipped with a message, unless `BA_AGENT_REQUIRE_DEPLOY` is
//! set: `.ci/run` installs them.
#![allow(clippy::print_stderr, clippy::disallowed_methods)]

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

fn deploy(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy").join(path)
}

fn read(path: &str) -> String {
    std::fs::read_to_string(deploy(path)).unwrap()
}

/// A program in a home of its own, or `None` where it is missing.
fn program(home: &Path, name: &str, probe: &str) -> Option<Command> {
    let mut probing = Command::new(name);
    probing.arg(probe).env("HOME", home).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    if probing.status().is_err() {
        let required = std::env::var_os("BA_AGENT_REQUIRE_DEPLOY").is_some();
        assert!(!required, "{name} is missing, and BA_AGENT_REQUIRE_DEPLOY is set");
        eprintln!("skipped: there is no {name} here");
        return None;
    }
    let mut command = Command::new(name);
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("HOME", home);
    command.current_dir(home);
    Some(command)
}

fn ended(output: &Output) -> String {
    let text = [&output.stdout[..], &output.stderr[..]].concat();
    format!("{:?} {}", output.status.code(), String::from_utf8_lossy(&text))
}

#[track_caller]
fn accepts(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", ended(&output));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[track_caller]
fn refuses(command: &mut Command, words: &str) {
    let output = command.output().unwrap();
    assert!(!output.status.success() && ended(&output).contains(words), "{}", ended(&output));
}

#[test]
fn the_cluster_takes_its_files() {
    let home = tempfile::tempdir().unwrap();
    let Some(mut kubectl) = program(home.path(), "kubectl", "--help") else { return };
    let made = accepts(kubectl.arg("kustomize").arg(deploy("k8s")));
    let files = made.split("\n---\n").map(|one| one.lines().find(|line| line.starts_with("kind: ")).unwrap());
    let mut kinds: Vec<&str> = files.map(|line| line.trim_start_matches("kind: ")).collect();
    kinds.sort_unstable();
    let expected = [
        "ConfigMap",
        "Deployment",
        "HorizontalPodAutoscaler",
        "Ingress",
        "NetworkPolicy",
        "PodDisruptionBudget",
        "Service",
        "ServiceAccount",
    ];
    assert_eq!(kinds, expected);
    for promised in [
        "minReplicas: 3",
        "maxReplicas: 20",
        "averageUtilization: 70",
        "memory: 128Mi",
        "cpu: 500m",
        "path: /readyz",
        "path: /healthz",
        "readOnlyRootFilesystem: true",
        "runAsNonRoot: true",
        "enableServiceLinks: false",
        "image: ghcr.io/ba-agent/ba-agent-registry:",
    ] {
        assert!(made.contains(promised), "`{promised}` is not in what kustomize makes");
    }
    let file = home.path().join("all.yaml");
    std::fs::write(&file, &made).unwrap();
    if let Some(mut validate) = program(home.path(), "kubernetes-validate", "--version") {
        accepts(validate.args(["--strict", "--quiet"]).arg(&file));
        let wrong = home.path().join("wrong.yaml");
        std::fs::write(&wrong, made.replace("minReplicas: 3", "minReplicas: three")).unwrap();
        let mut again = program(home.path(), "kubernetes-validate", "--version").unwrap();
        refuses(again.args(["--strict", "--quiet"]).arg(&wrong), "three");
    }
    if let Some(mut checkov) = program(home.path(), "checkov", "--version") {
        checkov.args([
            "--skip-download",
            "--compact",
            "--quiet",
            "--framework",
            "kubernetes",
            "dockerfile",
            "-f",
        ]);
        let told = accepts(checkov.arg(&file).arg(deploy("Dockerfile")));
        assert_eq!(told.matches("Failed checks: 0").count(), 2, "{told}");
    }
}

#[test]
fn the_image_is_built_as_its_critic_would() {
    let home = tempfile::tempdir().unwrap();
    let text = read("Dockerfile");
    for promised in
        ["USER 65532:65532", "FROM scratch", "cargo build --release --locked -p ba-agent-registry"]
    {
        assert!(text.contains(promised), "{promised}");
    }
    // What is copied in is all that cargo needs, and nothing that was built here.
    let kept = read("Dockerfile.dockerignore");
    for needed in ["Cargo.toml", "Cargo.lock", "crates", "src", "builtin"] {
        assert!(kept.lines().any(|line| line == format!("!{needed}")), "{needed}");
    }
    let Some(mut hadolint) = program(home.path(), "hadolint", "--version") else { return };
    accepts(hadolint.arg(deploy("Dockerfile")));
}

#[test]
fn compose_takes_its_file_and_wants_its_secrets() {
    let home = tempfile::tempdir().unwrap();
    let compose = || program(home.path(), "docker-compose", "--version");
    let Some(mut command) = compose() else { return };
    let secrets = ["REGISTRY_URL", "REGISTRY_DATABASE_PASSWORD", "REGISTRY_S3_SECRET"];
    let file = deploy("compose.yaml");
    let told = accepts(command.arg("-f").arg(&file).arg("config").envs(secrets.map(|name| (name, "c0ffee"))));
    for service in ["registry-1:", "registry-2:", "postgres:", "s3:", "nginx:"] {
        assert!(told.contains(service), "{service}\n{told}");
    }
    for missing in secrets {
        let others = secrets.into_iter().filter(|name| *name != missing).map(|name| (name, "c0ffee"));
        refuses(compose().unwrap().arg("-f").arg(&file).arg("config").envs(others), missing);
    }
}

/// A configuration around one of our files, so that nginx reads and writes below `home` alone.
fn nginx_around(home: &Path, file: &str, change: impl Fn(String) -> String) -> PathBuf {
    let server = home.join("server.conf");
    std::fs::write(&server, change(read(file))).unwrap();
    let folders = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|kind| format!("{kind}_temp_path {}/{kind};", home.display()));
    let main = home.join("nginx.conf");
    let text = format!(
        "daemon off; pid {0}/pid; error_log {0}/errors; events {{}} http {{ access_log off; {1} include {2}; }}",
        home.display(),
        folders.join(" "),
        server.display()
    );
    std::fs::write(&main, text).unwrap();
    main
}

#[test]
fn nginx_takes_its_files() {
    let home = tempfile::tempdir().unwrap();
    for file in ["nginx-static.conf", "nginx-proxy.conf"] {
        let Some(mut nginx) = program(home.path(), "nginx", "-v") else { return };
        // Names of servers are looked up when nginx starts.
        let main = nginx_around(home.path(), file, |text| {
            text.replace("registry-1:8000", "127.0.0.1:8001").replace("registry-2:8000", "127.0.0.1:8002")
        });
        let output = nginx.arg("-t").arg("-c").arg(&main).output().unwrap();
        assert!(output.status.success(), "{file}: {}", ended(&output));
    }
}

/// What nginx answers for a path of a folder: the status, and all lines of the head.
fn ask(port: u16, request: &str) -> String {
    use std::io::{Read as _, Write as _};
    let mut stream = std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
    write!(stream, "{request} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    String::from_utf8_lossy(&answer).split("\r\n\r\n").next().unwrap_or_default().to_ascii_lowercase()
}

#[test]
fn nginx_serves_a_folder_as_a_registry_and_nothing_beside_it() {
    let home = tempfile::tempdir().unwrap();
    let Some(mut nginx) = program(home.path(), "nginx", "-v") else { return };
    let folder = home.path().join("skills");
    let blob = format!("b/sha256/1c/{}.tar.gz", "1c".repeat(32));
    let files = [
        "registry.json",
        "@acme/pdf-tables/index.jsonl",
        "@acme/pdf-tables/.well-known/agent-skills/index.json",
        "@acme/pdf-tables/feed.atom",
        "log/checkpoint",
        "log/tile/0/000",
        "log/tile/0/000.p/7",
        "log.key",
        ".lock",
        "@acme/.index.jsonl.new",
        &blob,
    ];
    for file in files {
        let path = folder.join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, "text").unwrap();
    }
    // Workers of a server that root starts are somebody else, who must be let in.
    #[cfg(unix)]
    std::fs::set_permissions(home.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let main = nginx_around(home.path(), "nginx-static.conf", |text| {
        let text = text.replace("listen 8080", &format!("listen 127.0.0.1:{free}"));
        text.replace("root /srv/skills", &format!("root {}", folder.display()))
    });
    let mut running = nginx.arg("-c").arg(main).spawn().unwrap();
    let is_up = || std::net::TcpStream::connect(("127.0.0.1", free)).is_ok();
    let started = std::time::Instant::now();
    while !is_up() && started.elapsed().as_secs() < 20 {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let rows = [
        ("GET /registry.json", "200", "application/json", "max-age=60"),
        ("GET /@acme/pdf-tables/index.jsonl", "200", "application/x-ndjson", "max-age=60"),
        (
            "GET /@acme/pdf-tables/.well-known/agent-skills/index.json",
            "200",
            "application/json",
            "max-age=60",
        ),
        ("GET /@acme/pdf-tables/feed.atom", "200", "application/atom+xml", "max-age=60"),
        (&format!("GET /{blob}"), "200", "application/gzip", "immutable"),
        ("GET /log/tile/0/000", "200", "application/octet-stream", "immutable"),
        ("GET /log/tile/0/000.p/7", "200", "application/octet-stream", "max-age=60"),
        ("GET /log/checkpoint", "200", "text/plain", "no-cache"),
        ("GET /log.key", "404", "", ""),
        ("GET /.lock", "404", "", ""),
        ("GET /@acme/.index.jsonl.new", "404", "", ""),
        ("GET /@acme/", "403", "", ""),
        ("GET /../../etc/passwd", "400", "", ""),
        ("GET /%2e%2e/%2e%2e/etc/passwd", "400", "", ""),
        ("PUT /registry.json", "403", "", ""),
        ("DELETE /log/checkpoint", "403", "", ""),
    ];
    let answers: Vec<String> = rows.iter().map(|(request, ..)| ask(free, request)).collect();
    // Asked to, it ends with its workers.
    let ends = Command::new("kill").arg("-QUIT").arg(running.id().to_string()).status();
    assert!(ends.is_ok_and(|status| status.success()) && running.wait().is_ok());
    for ((request, status, kind, cache), answer) in rows.iter().zip(answers) {
        let is_right = answer.starts_with(&format!("http/1.1 {status} "))
            && answer.contains(&format!("content-type: {kind}"))
            && (cache.is_empty() || answer.contains(cache) && answer.contains("etag: "));
        assert!(is_right, "{request}: expected {status} {kind} {cache}, found\n{answer}");
    }
}

#[test]
fn systemd_takes_its_unit_and_finds_little_to_say_against_it() {
    let home = tempfile::tempdir().unwrap();
    let Some(mut systemd) = program(home.path(), "systemd-analyze", "--version") else { return };
    // It looks whether the program is there.
    let unit = home.path().join("ba-agent-registry.service");
    std::fs::write(
        &unit,
        read("systemd/ba-agent-registry.service").replace("/usr/local/bin/ba-agent-registry", "/bin/true"),
    )
    .unwrap();
    accepts(systemd.arg("verify").arg(&unit));
    let mut security = program(home.path(), "systemd-analyze", "--version").unwrap();
    // Ten is a unit without any fence; above two is a failure.
    accepts(security.args(["security", "--offline=true", "--threshold=20"]).arg(&unit));
}
