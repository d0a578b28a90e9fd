//! The networks that people sit in: authorities of their own, proxies, and logins out of git's
//! configuration, each as git itself takes it.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::env::TestEnv;
use ba_agent_test_support::server::{Play, Server};

fn basic(login: &str) -> String {
    base64::engine::general_purpose::STANDARD.encode(login)
}

/// `srv/acme/skills.git` with one skill.
fn repository(env: &TestEnv) {
    env.skill("src/skills/pdf");
    drop(env.git_repo("srv/acme/skills.git", &env.path("src")));
}

/// Installs the skill of that repository as a plain git source; the exit status and what was
/// said. The disk is left as it was before.
fn install(env: &TestEnv, base: &str) -> (i32, String) {
    let run = env.run(&["skill", "install", &format!("git+{base}/acme/skills.git")]);
    if run.status == 0 {
        env.run(&["skill", "uninstall", "pdf"]).ends(0);
        env.run(&["cache", "clear", "--yes"]).ends(0);
    }
    (run.status, run.stderr)
}

fn git_config(env: &TestEnv, text: &str) {
    env.write("home/.gitconfig", text);
}

// --- logins ---------------------------------------------------------------------------------

/// The rows of what people have in their configuration: with each, the repository is installed.
#[test]
fn every_login_that_git_finds_is_found() {
    let mut env = TestEnv::new();
    let Some(server) = Server::start(&env.path("srv")) else { return };
    repository(&env);
    server.require_basic(&basic("me:secret"));
    let (url, host) = (server.url(), server.url().replace("http://", ""));
    let good = "\"!f() { test \\\"$1\\\" = get && echo username=me && echo password=secret; }; f\"";
    let wrong = "\"!f() { echo username=me; echo password=wrong; }; f\"";
    let header = basic("me:secret");
    let mut cases = vec![
        (format!("[http \"{url}/\"]\nextraHeader = Authorization: Basic {header}\n"), ""),
        (
            format!("[http \"{url}/acme\"]\nextraHeader = AUTHORIZATION: basic {header}\n")
                .replace("basic", "Basic"),
            "",
        ),
        (String::new(), "machine 127.0.0.1 login me password secret\n"),
        (format!("[credential]\nhelper = {wrong}\n"), "machine 127.0.0.1 login me password secret\n"),
    ];
    if cfg!(unix) {
        cases.extend([
            (format!("[credential]\nhelper = {good}\n"), ""),
            (format!("[credential \"{url}\"]\nhelper = {good}\n"), ""),
            (format!("[credential \"{url}/acme\"]\nhelper = {good}\n"), ""),
            (format!("[credential \"{host}\"]\nhelper = {good}\n"), ""),
            (format!("[credential]\nhelper = {good}\nhelper = \"!f() {{ :; }}; f\"\n"), ""),
            (format!("[credential]\nhelper = {wrong}\nhelper =\nhelper = {good}\n"), ""),
            (format!("[credential]\nhelper = {good}\n"), "machine 127.0.0.1 login me password wrong\n"),
            (
                format!(
                    "[http \"{url}\"]\nextraHeader = Authorization: Basic x\n[credential]\nhelper = {good}\n"
                ),
                "",
            ),
        ]);
    }
    for (config, netrc) in &cases {
        git_config(&env, config);
        env.write("home/.netrc", netrc);
        let (status, said) = install(&env, &url);
        assert_eq!(status, 0, "{config}\n{netrc}\n{said}");
    }
    for (config, netrc, words) in [
        ("", "", "set up a git credential helper"),
        ("[core]\naskPass = echo secret\n", "", "`core.askPass` is not run here"),
        ("[includeIf \"onbranch:main\"]\npath = gone\n", "", "requires credentials"),
        ("[includeIf \"hasconfig:remote.*.url:http://**\"]\npath = gone\n", "", "requires credentials"),
        ("", "default login me password secret\n", "write `machine 127.0.0.1`"),
        ("", "machine localhost login me password secret\n", "requires credentials"),
        (&*format!("[http]\nextraHeader = Authorization: Basic {header}\n"), "", "it was not sent; write"),
        (&*format!("[credential \"{url}/other\"]\nhelper = {good}\n"), "", "requires credentials"),
        (&*format!("[credential \"http://127.0.0.1\"]\nhelper = {good}\n"), "", "requires credentials"),
        (&*format!("[credential]\nhelper = {good}\nhelper =\n"), "", "requires credentials"),
        (&*format!("[credential]\nhelper = {wrong}\n"), "", "refused the credentials"),
    ] {
        git_config(&env, config);
        env.write("home/.netrc", netrc);
        let (status, said) = install(&env, &url);
        assert!(status == 4 && said.contains(words), "{config}\n{netrc}\n{status} {said}");
        assert!(!said.contains("secret") && !said.contains(&header), "{said}");
    }
    if cfg!(unix) {
        let port = host.rsplit(':').next().unwrap();
        git_config(&env, &format!("[credential \"http://*:{port}\"]\nhelper = {good}\n"));
        assert_eq!(install(&env, &server.other_name()).0, 0, "a star for the host");
    }
    git_config(&env, "");
    env.set(
        "NETRC",
        env.write("elsewhere/netrc", "machine 127.0.0.1 login me password secret").display().to_string(),
    );
    assert_eq!(install(&env, &url).0, 0, "NETRC");
}

/// A header is for its own URL: not for another name of the same machine, not behind a
/// redirect, not over a line that others can read.
#[test]
fn a_header_and_a_netrc_go_to_their_own_host_only() {
    let env = TestEnv::new();
    env.skill("src/pdf");
    let zip = std::fs::read(env.zip("x.zip", &env.path("src"))).unwrap();
    let server = Server::start_bare(Path::new("/nowhere"));
    let (own, other) = (server.url(), server.other_name());
    server.play("/here/", Play::Redirect(format!("{other}/there/x.zip")));
    server.play("/there/", Play::Bytes("application/zip", zip));
    git_config(
        &env,
        &format!(
            "[http \"{own}\"]\nextraHeader = X-Canary: one\n[http \"{own}/deeper\"]\nextraHeader = X-Canary: two\n\
             [http]\nextraHeader = X-Canary: all\n"
        ),
    );
    env.write("home/.netrc", "machine 127.0.0.1 login me password secret\n");
    env.run(&["skill", "install", &format!("{own}/here/x.zip")]).ends(0);
    let seen = server.seen();
    assert_eq!(seen.len(), 2);
    for one in &seen {
        let expected = if one.header("host").starts_with("127.") { "one" } else { "" };
        assert_eq!(one.header("x-canary"), expected, "{one:?}");
        assert_eq!(one.header("authorization"), "", "nobody asked for it");
    }
    git_config(&env, &format!("[http \"{own}\"]\nextraHeader = no header\n"));
    env.run(&["skill", "install", &format!("{own}/here/x.zip"), "--force"]).ends(2).says("is not a header");
}

/// A helper that is set for every host and answers without looking is asked for the hosts that
/// the user has named. A project's registry could name any.
#[cfg(unix)]
#[test]
fn a_helper_that_answers_blindly_is_not_asked_for_hosts_of_a_project() {
    let env = TestEnv::new();
    let Some(server) = Server::start(&env.path("srv")) else { return };
    repository(&env);
    server.require_basic(&basic("me:secret"));
    let (url, asked) = (server.url(), env.path("asked"));
    let blind =
        format!("\"!f() {{ echo x >> '{}'; echo username=me; echo password=secret; }}; f\"", asked.display());
    let of_all = format!("[credential]\nhelper = {blind}\n");
    git_config(&env, &of_all);
    let source = format!("git+{url}/acme/skills.git");
    env.run(&["skill", "install", &source]).ends(0);
    let forget = || {
        env.run(&["cache", "clear", "--yes"]).ends(0);
        let _ = std::fs::remove_dir_all(env.path("project/.claude"));
        let _ = std::fs::remove_file(&asked);
    };
    // Who has typed it here goes on.
    forget();
    env.run(&["skill", "install"]).ends(0);
    env.run(&["skill", "update"]).ends(0);
    // Who has cloned the project is not led on by its registry.
    std::fs::remove_dir_all(env.path("home/.local/share")).unwrap();
    for args in [&["skill", "install"][..], &["skill", "install", "--frozen"], &["skill", "outdated"]] {
        forget();
        let run = env.run(args).ends(4);
        assert!(!asked.exists(), "{args:?}: {}", run.stderr);
        assert!(run.stderr.contains(&format!("write `credential.{url}.helper`")), "{args:?}: {}", run.stderr);
    }
    let store = env.write("home/.git-credentials", format!("{}\n", url.replace("://", "://me:secret@")));
    let named = format!("[credential]\nhelper = store --file {}\n", store.display());
    let scoped = format!("{of_all}[credential \"{url}\"]\nhelper = {blind}\n");
    for config in [named, scoped, format!("{of_all}[url \"{url}/\"]\ninsteadOf = https://host.example/\n")] {
        git_config(&env, &config);
        forget();
        env.run(&["skill", "install"]).ends(0);
    }
    env.write("project/.ba-agent/config.yaml", format!("skills:\n  github_url: {url}\n"));
    git_config(&env, &of_all);
    forget();
    env.run(&["skill", "install", "acme/skills", "--force"])
        .ends(4)
        .says("only the settings of this project name");
    assert!(!asked.exists());
}

#[test]
fn instead_of_comes_out_of_the_environment_too() {
    let mut env = TestEnv::new();
    let Some(server) = Server::start(&env.path("srv")) else { return };
    repository(&env);
    env.set("GIT_CONFIG_COUNT", "1");
    env.set("GIT_CONFIG_KEY_0", format!("url.{}/.insteadOf", server.url()));
    env.set("GIT_CONFIG_VALUE_0", "https://github.com/");
    env.run(&["skill", "install", "acme/skills@pdf"]).ends(0);
    env.run(&["skill", "uninstall", "pdf"]).ends(0);
    env.set("GIT_CONFIG_COUNT", "x");
    env.run(&["skill", "install", "acme/skills@pdf"]).ends(2).says("GIT_CONFIG_COUNT is `x`");
    env.set("GIT_CONFIG_COUNT", "0");
    let parameters = format!("'url.{}/.insteadOf'='https://github.com/'", server.url());
    env.set("GIT_CONFIG_PARAMETERS", parameters);
    env.run(&["skill", "install", "acme/skills@pdf"]).ends(0);
}

/// What CI writes: the prefix of an ssh address, whose port is empty then.
#[cfg(unix)]
#[test]
fn instead_of_may_leave_an_empty_port() {
    use std::os::unix::fs::PermissionsExt as _;
    let mut env = TestEnv::new();
    if Server::start(&env.path("srv")).is_none() {
        return;
    }
    repository(&env);
    let script = "#!/bin/sh\nfor last; do :; done\nexec sh -c \"$(echo \"$last\" | sed \"s#'/#'$SRV/#\")\"\n";
    let ssh = env.write("ssh", script.replace("$SRV", &env.path("srv").display().to_string()));
    std::fs::set_permissions(&ssh, std::fs::Permissions::from_mode(0o755)).unwrap();
    env.set("GIT_SSH_COMMAND", ssh.display().to_string());
    git_config(&env, "[url \"ssh://git@github.com:\"]\n\tinsteadOf = https://github.com\n");
    env.run(&["skill", "install", "acme/skills@pdf"]).ends(0);
}

// --- certificates ---------------------------------------------------------------------------

/// An authority, and what it has signed.
struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(rcgen::DnType::CommonName, "the company's own");
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    fn pem(&self) -> String {
        self.0.pem()
    }

    /// What a server needs to show a certificate for `localhost`, changed by `change`.
    fn server(&self, change: impl Fn(&mut CertificateParams)) -> Arc<rustls::ServerConfig> {
        let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        server_config(certificate.der().clone(), key.serialize_der())
    }

    /// As [`Authority::server`], for clients that show a certificate of `clients`.
    fn server_for(
        &self,
        clients: &Authority,
        versions: &[&'static rustls::SupportedProtocolVersion],
    ) -> Arc<rustls::ServerConfig> {
        let params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut roots = rustls::RootCertStore::empty();
        roots.add(clients.0.der().clone()).unwrap();
        let verifier = rustls::server::WebPkiClientVerifier::builder_with_provider(
            Arc::new(roots),
            Arc::clone(&provider),
        );
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)
            .unwrap()
            .with_client_cert_verifier(verifier.build().unwrap())
            .with_single_cert(
                vec![certificate.der().clone()],
                PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
            );
        Arc::new(config.unwrap())
    }

    /// A certificate for a person, and its key, in PEM.
    fn client(&self) -> (String, String) {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(rcgen::DnType::CommonName, "a person");
        params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ClientAuth];
        let key = KeyPair::generate().unwrap();
        (params.signed_by(&key, &self.0).unwrap().pem(), key.serialize_pem())
    }

    /// A server that shows the authority's own certificate.
    fn itself(&self) -> Arc<rustls::ServerConfig> {
        server_config(self.0.der().clone(), self.0.key().serialize_der())
    }
}

fn server_config(certificate: CertificateDer<'static>, key: Vec<u8>) -> Arc<rustls::ServerConfig> {
    let key = PrivateKeyDer::try_from(key).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key);
    Arc::new(config.unwrap())
}

#[test]
fn an_authority_is_found_wherever_people_name_it() {
    let env = TestEnv::new();
    let authority = Authority::new();
    let Some(server) = Server::start_tls(&env.path("srv"), authority.server(|_| {})) else { return };
    repository(&env);
    let base = server.other_name();
    let (status, said) = install(&env, &base);
    assert_eq!(status, 5, "{said}");
    assert!(said.contains("the certificate of localhost is signed by an unknown authority"), "{said}");
    assert!(said.contains("SSL_CERT_FILE") && said.contains("http.sslCAInfo"), "{said}");
    let file = env.write("certs/ca.pem", authority.pem()).display().to_string();
    let folder = env.path("certs").display().to_string();
    for variable in ["SSL_CERT_FILE", "CURL_CA_BUNDLE", "GIT_SSL_CAINFO", "SSL_CERT_DIR", "GIT_SSL_CAPATH"] {
        let mut env = TestEnv::new();
        repository(&env);
        let is_folder = variable.ends_with("DIR") || variable.ends_with("PATH");
        env.set(variable, if is_folder { &folder } else { &file });
        let (status, said) = install(&env, &base);
        assert_eq!(status, 0, "{variable}: {said}");
        env.set(variable, "/no/such/place");
        let (status, said) = install(&env, &base);
        assert!(
            status == 2 && said.contains(variable) && said.contains("/no/such/place"),
            "{variable}: {said}"
        );
    }
    for config in [
        format!("[http]\nsslCAInfo = {file}\n"),
        format!("[http \"{base}\"]\nsslCAInfo = {file}\n"),
        format!("[http \"{base}\"]\nsslCAPath = {folder}\n"),
    ] {
        git_config(&env, &config);
        let (status, said) = install(&env, &base);
        assert_eq!(status, 0, "{config}: {said}");
    }
    git_config(&env, &format!("[http \"https://other.example\"]\nsslCAInfo = {file}\n"));
    assert_eq!(install(&env, &base).0, 5, "another host's authority");
    git_config(&env, "[http]\nsslVerify = false\n");
    let (status, said) = install(&env, &base);
    assert!(status == 5 && said.contains("are ignored"), "{said}");
    git_config(&env, "");
    env.write("settings/config.yaml", format!("skills:\n  ca_file: {file}\n"));
    assert_eq!(install(&env, &base).0, 0, "ca_file");
}

/// Nothing of it is read where nothing is asked by https.
#[test]
fn no_certificate_is_read_for_plain_http() {
    let mut env = TestEnv::new();
    let Some(server) = Server::start(&env.path("srv")) else { return };
    repository(&env);
    for variable in ["SSL_CERT_FILE", "SSL_CERT_DIR", "GIT_SSL_CAINFO"] {
        env.set(variable, "/no/such/place");
    }
    assert_eq!(install(&env, &server.url()).0, 0);
    env.run(&["skill", "install", "builtin:skill-finder"]).ends(0);
}

#[test]
fn what_is_wrong_with_a_certificate_is_said_in_plain_words() {
    let authority = Authority::new();
    let year = |year| rcgen::date_time_ymd(year, 1, 1);
    let cases: [(_, &str, &str); 5] = [
        (authority.server(|params| params.not_after = year(2020)), "localhost", "has expired"),
        (authority.server(|params| params.not_before = year(2900)), "localhost", "is not valid yet"),
        (authority.server(|_| {}), "127.0.0.1", "is for another name"),
        (authority.itself(), "localhost", "certificate authority's own"),
        (Authority::new().server(|_| {}), "localhost", "signed by an unknown authority"),
    ];
    for (config, host, words) in cases {
        let mut env = TestEnv::new();
        let Some(server) = Server::start_tls(&env.path("srv"), config) else { return };
        env.set("SSL_CERT_FILE", env.write("ca.pem", authority.pem()).display().to_string());
        let base = server.url().replace("127.0.0.1", host);
        let (status, said) = install(&env, &base);
        assert!(
            status == 5 && said.contains(&format!("the certificate of {host} {words}"))
                || said.contains(words),
            "{words}: {status} {said}"
        );
        assert!(!said.contains("Other(") && !said.contains("retry"), "{said}");
        assert!(server.seen().is_empty(), "a request was sent all the same");
    }
    let env = TestEnv::new();
    let plain = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let url = format!("https://{}", plain.local_addr().unwrap());
    std::thread::spawn(move || {
        for mut stream in plain.incoming().flatten() {
            let _ = bytes::<5>(&mut stream);
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
        }
    });
    let (status, said) = install(&env, &url);
    assert!(status == 5 && said.contains("does not speak TLS on port"), "{said}");
}

/// A repository behind a host that demands a client certificate, and what is in `certs/`: a
/// right one, its key, both in one file, and one that the host does not take.
fn guarded(
    env: &mut TestEnv,
    versions: &[&'static rustls::SupportedProtocolVersion],
) -> Option<(Server, String)> {
    let (authority, clients) = (Authority::new(), Authority::new());
    let server = Server::start_tls(&env.path("srv"), authority.server_for(&clients, versions))?;
    repository(env);
    let (certificate, key) = clients.client();
    env.write("certs/me.key", &key);
    env.write("certs/both.pem", format!("{key}{certificate}"));
    env.write("certs/me.pem", certificate);
    let (certificate, key) = Authority::new().client();
    env.write("certs/other.key", key);
    env.write("certs/other.pem", certificate);
    env.set("SSL_CERT_FILE", env.write("certs/ca.pem", authority.pem()).display().to_string());
    let base = server.other_name();
    Some((server, base))
}

/// `http.<scope>.sslCert` and `sslKey`; files are names in `certs/`.
fn certificate_config(env: &TestEnv, scope: &str, certificate: &str, key: &str) -> String {
    let section = if scope.is_empty() { "[http]".to_owned() } else { format!("[http \"{scope}\"]") };
    let at = |file: &str| env.path("certs").join(file).display().to_string();
    let key = if key.is_empty() { String::new() } else { format!("sslKey = {}\n", at(key)) };
    format!("{section}\nsslCert = {}\n{key}", at(certificate))
}

#[test]
fn a_client_certificate_is_shown_as_git_s_settings_say() {
    for versions in [&[&rustls::version::TLS13], &[&rustls::version::TLS12]] {
        let mut env = TestEnv::new();
        let Some((server, base)) = guarded(&mut env, versions) else { return };
        let check = |env: &TestEnv, config: &str, status: i32, words: &str| {
            git_config(env, config);
            let (ended, said) = install(env, &base);
            assert!(ended == status && said.contains(words), "{config}\n{ended} {said}");
        };
        let of = |env: &TestEnv, scope: &str, certificate: &str, key: &str| {
            certificate_config(env, scope, certificate, key)
        };
        check(&env, "", 4, "localhost requires a client certificate");
        let (status, said) = install(&env, &base);
        assert!(status == 4 && said.contains(&format!("git config --global http.{base}/.sslCert")), "{said}");
        assert!(server.seen().is_empty(), "nothing can be asked without");
        check(&env, &of(&env, &base, "me.pem", "me.key"), 0, "");
        check(&env, &of(&env, &format!("{base}/acme"), "me.pem", "me.key"), 0, "");
        check(&env, &of(&env, "", "me.pem", "me.key"), 0, "");
        check(&env, &of(&env, "", "both.pem", ""), 0, "");
        // The closest one counts, whatever stands last.
        let both = of(&env, &base, "me.pem", "me.key") + &of(&env, "", "other.pem", "other.key");
        check(&env, &both, 0, "");
        check(&env, &of(&env, "https://localhost:1", "me.pem", "me.key"), 4, "requires a client certificate");
        check(
            &env,
            &of(&env, &format!("{base}/other"), "me.pem", "me.key"),
            4,
            "requires a client certificate",
        );
        check(&env, &of(&env, &base, "other.pem", "other.key"), 4, "refused the client certificate `");
        env.set("GIT_SSL_CERT", env.path("certs/me.pem").display().to_string());
        env.set("GIT_SSL_KEY", env.path("certs/me.key").display().to_string());
        check(&env, &of(&env, &base, "other.pem", "other.key"), 0, "");
        env.set("GIT_SSL_CERT", "");
        check(&env, "", 4, "requires a client certificate");
    }
}

/// nginx ends the handshake well and answers with a page of its own.
#[test]
fn a_page_that_wants_a_client_certificate_is_understood() {
    let env = TestEnv::new();
    let host = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let base = format!("http://{}", host.local_addr().unwrap());
    let page = "<html><head><title>400 No required SSL certificate was sent</title></head></html>";
    std::thread::spawn(move || {
        for mut stream in host.incoming().flatten() {
            let _ = text_until(&mut stream, b"\r\n\r\n");
            let head = format!("HTTP/1.1 400 Bad Request\r\nContent-Length: {}\r\n\r\n", page.len());
            let _ = stream.write_all(format!("{head}{page}").as_bytes());
        }
    });
    let (status, said) = install(&env, &base);
    assert!(status == 4 && said.contains(&format!("http.{base}/.sslCert FILE")), "{status} {said}");
}

#[test]
fn a_client_certificate_that_cannot_be_used_is_named() {
    let mut env = TestEnv::new();
    let Some((server, base)) = guarded(&mut env, rustls::ALL_VERSIONS) else { return };
    env.write("certs/empty.pem", "");
    env.write("certs/broken.pem", "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n");
    env.write("certs/nonsense.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    env.write("certs/nonsense.key", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n");
    env.write("certs/rsa.key", "-----BEGIN RSA PRIVATE KEY-----\nAAAA\n-----END RSA PRIVATE KEY-----\n");
    env.write(
        "certs/locked.key",
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n",
    );
    env.write(
        "certs/old.key",
        "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\nAAAA\n-----END RSA PRIVATE KEY-----\n",
    );
    for (certificate, key, culprit, words) in [
        ("gone.pem", "me.key", "/gone.pem", "does not exist"),
        ("me.pem", "gone.key", "/gone.key", "does not exist"),
        ("", "me.key", "", "not a regular file"),
        ("empty.pem", "me.key", "/empty.pem", "no certificate in PEM form"),
        ("me.key", "me.key", "/me.key", "no certificate in PEM form"),
        ("broken.pem", "me.key", "/broken.pem", "cannot be used"),
        ("nonsense.pem", "me.key", "/me.key", "cannot be used"),
        ("me.pem", "nonsense.key", "/nonsense.key", "cannot be used"),
        ("me.pem", "rsa.key", "/rsa.key", "cannot be used"),
        ("me.pem", "other.key", "/other.key", "do not belong together"),
        ("me.pem", "", "/me.pem", "http.sslKey or GIT_SSL_KEY"),
        ("me.pem", "me.pem", "/me.pem", "no private key in PEM form"),
        ("me.pem", "locked.key", "/locked.key", "openssl pkey -in"),
        ("me.pem", "old.key", "/old.key", "protected by a password"),
    ] {
        git_config(&env, &certificate_config(&env, &base, certificate, key));
        let (status, said) = install(&env, &base);
        assert!(
            status == 2 && said.contains(&format!("[ROOT]/certs{culprit}`")) && said.contains(words),
            "{certificate} {key}: {status} {said}"
        );
        assert!(said.contains("http.ssl"), "{said}");
    }
    assert!(server.seen().is_empty());
}

/// It says who the user is, so it goes where a token would: not to hosts of a project's.
#[test]
fn a_client_certificate_is_not_shown_to_hosts_of_a_project() {
    let mut env = TestEnv::new();
    let Some((_server, base)) = guarded(&mut env, rustls::ALL_VERSIONS) else { return };
    let own = certificate_config(&env, &base, "me.pem", "me.key");
    let all = certificate_config(&env, "", "me.pem", "me.key");
    // A host out of the project's settings.
    env.write("project/.ba-agent/config.yaml", format!("skills:\n  github_url: {base}\n"));
    for config in [&own, &all] {
        git_config(&env, config);
        env.run(&["skill", "install", "acme/skills"]).ends(4).says("requires a client certificate");
    }
    std::fs::remove_file(env.path("project/.ba-agent/config.yaml")).unwrap();
    // A host out of the project's registry: whoever has typed it here goes on to show it.
    let source = format!("git+{base}/acme/skills.git");
    git_config(&env, &all);
    env.run(&["skill", "install", &source]).ends(0);
    let forget = |env: &TestEnv| {
        env.run(&["cache", "clear", "--yes"]).ends(0);
        std::fs::remove_dir_all(env.path("project/.claude")).unwrap();
    };
    forget(&env);
    env.run(&["skill", "outdated"]).ends(0);
    env.run(&["skill", "install"]).ends(0);
    // Whoever has cloned it does not.
    forget(&env);
    std::fs::remove_dir_all(env.path("home/.local/share")).unwrap();
    env.run(&["skill", "install"]).ends(4).says("http.sslCert is for every host");
    env.run(&["skill", "outdated"]).ends(4).says("http.sslCert is for every host");
    for config in [own, format!("{all}[url \"{base}/acme\"]\ninsteadOf = https://github.com/acme\n")] {
        git_config(&env, &config);
        env.run(&["skill", "install"]).ends(0);
        env.run(&["skill", "update"]).ends(0);
        forget(&env);
    }
    // The registry of the user's own scope is the user's word.
    git_config(&env, &all);
    env.run(&["skill", "install", "--global", &source]).ends(0);
    env.run(&["cache", "clear", "--yes"]).ends(0);
    env.run(&["skill", "outdated", "--global"]).ends(0);
}

// --- proxies --------------------------------------------------------------------------------

/// A proxy that leads every connection to one port of this machine, and notes what it was
/// asked: CONNECT, SOCKS 4 and 5.
struct Proxy {
    port: u16,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Proxy {
    /// `login`: what SOCKS 5 and CONNECT must bring, as `user:password`.
    fn start(target: u16, login: Option<&'static str>) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let notes = Arc::clone(&asked);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let notes = Arc::clone(&notes);
                std::thread::spawn(move || {
                    let _ = lead(stream, target, login, &notes);
                });
            }
        });
        Self { port, asked }
    }

    fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.asked.lock().unwrap())
    }
}

fn bytes<const N: usize>(stream: &mut TcpStream) -> std::io::Result<[u8; N]> {
    let mut bytes = [0; N];
    stream.read_exact(&mut bytes)?;
    Ok(bytes)
}

fn text_until(stream: &mut TcpStream, end: &[u8]) -> std::io::Result<String> {
    let mut text = Vec::new();
    while !text.ends_with(end) {
        text.extend(bytes::<1>(stream)?);
    }
    text.truncate(text.len() - end.len());
    Ok(String::from_utf8(text).unwrap())
}

fn lead(
    mut stream: TcpStream,
    target: u16,
    login: Option<&str>,
    notes: &Mutex<Vec<String>>,
) -> std::io::Result<()> {
    let note = |what: String| notes.lock().unwrap().push(what);
    match bytes::<1>(&mut stream)?[0] {
        4 => {
            let [_, a, b, ip @ ..] = bytes::<7>(&mut stream)?;
            text_until(&mut stream, b"\0")?;
            let host = match ip {
                [0, 0, 0, _] => format!("4a {}", text_until(&mut stream, b"\0")?),
                [a, b, c, d] => format!("4 {a}.{b}.{c}.{d}"),
            };
            note(format!("{host}:{}", u16::from_be_bytes([a, b])));
            stream.write_all(&[0, 90, 0, 0, 0, 0, 0, 0])?;
        }
        5 => {
            let [count] = bytes::<1>(&mut stream)?;
            let methods: Vec<u8> = (0..count).map(|_| bytes::<1>(&mut stream).unwrap()[0]).collect();
            if let Some(login) = login {
                if !methods.contains(&2) {
                    return stream.write_all(&[5, 0xff]);
                }
                stream.write_all(&[5, 2])?;
                let mut given = Vec::new();
                bytes::<1>(&mut stream)?;
                for _ in 0..2 {
                    let [length] = bytes::<1>(&mut stream)?;
                    let mut part = vec![0; length.into()];
                    stream.read_exact(&mut part)?;
                    given.push(String::from_utf8(part).unwrap());
                }
                let fits = given.join(":") == login;
                stream.write_all(&[1, u8::from(!fits)])?;
                if !fits {
                    return Ok(());
                }
            } else {
                stream.write_all(&[5, 0])?;
            }
            let [.., kind] = bytes::<4>(&mut stream)?;
            let host = if kind == 3 {
                let [length] = bytes::<1>(&mut stream)?;
                let mut name = vec![0; length.into()];
                stream.read_exact(&mut name)?;
                format!("5h {}", String::from_utf8(name).unwrap())
            } else {
                let [a, b, c, d] = bytes::<4>(&mut stream)?;
                format!("5 {a}.{b}.{c}.{d}")
            };
            note(format!("{host}:{}", u16::from_be_bytes(bytes(&mut stream)?)));
            stream.write_all(&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0])?;
        }
        _ => {
            let head = text_until(&mut stream, b"\r\n\r\n")?;
            let expected = login.map(|login| format!("Proxy-Authorization: Basic {}", basic(login)));
            if expected.is_some_and(|line| !head.contains(&line)) {
                let refusal =
                    b"HTTP/1.1 407 x\r\nProxy-Authenticate: Basic realm=\"x\"\r\nContent-Length: 0\r\n\r\n";
                return stream.write_all(refusal);
            }
            note(
                head.lines().next().unwrap_or_default().replace("ONNECT", "connect").replace(" HTTP/1.1", ""),
            );
            stream.write_all(b"HTTP/1.1 200 x\r\n\r\n")?;
        }
    }
    let server = TcpStream::connect(("127.0.0.1", target))?;
    let (mut back, mut there) = (server.try_clone()?, stream.try_clone()?);
    let other = std::thread::spawn(move || {
        let _ = std::io::copy(&mut back, &mut there);
        let _ = there.shutdown(std::net::Shutdown::Both);
    });
    let _ = std::io::copy(&mut stream, &mut &server);
    let _ = server.shutdown(std::net::Shutdown::Both);
    let _ = other.join();
    Ok(())
}

fn port_of(server: &Server) -> u16 {
    server.url().rsplit_once(':').unwrap().1.parse().unwrap()
}

/// A world whose only host can be reached through a proxy alone: its name has no address.
fn behind(login: Option<&'static str>) -> Option<(TestEnv, Server, Proxy)> {
    let env = TestEnv::new();
    let server = Server::start(&env.path("srv"))?;
    repository(&env);
    env.write("settings/config.yaml", "skills:\n  allow_http: true\n");
    let proxy = Proxy::start(port_of(&server), login);
    Some((env, server, proxy))
}

#[test]
fn every_kind_of_proxy_leads_to_the_host() {
    for (scheme, base, asked) in [
        ("http", "http://skills.invalid", "connect skills.invalid:80"),
        ("socks5h", "http://skills.invalid", "5h skills.invalid:80"),
        ("socks4a", "http://skills.invalid", "4a skills.invalid:80"),
        ("socks5", "http://192.0.2.1", "5 192.0.2.1:80"),
        ("socks", "http://192.0.2.1", "5 192.0.2.1:80"),
        ("socks4", "http://192.0.2.1", "4 192.0.2.1:80"),
    ] {
        // One that is found, is found for all kinds.
        let others =
            ["http_proxy", "config", "config of the url"].into_iter().filter(|_| scheme == "socks5h");
        for way in std::iter::once("ALL_PROXY").chain(others) {
            let Some((mut env, _server, proxy)) = behind(None) else { return };
            let address = format!("{scheme}://127.0.0.1:{}", proxy.port);
            match way {
                "config" => git_config(&env, &format!("[http]\nproxy = {address}\n")),
                "config of the url" => {
                    git_config(
                        &env,
                        &format!("[http]\nproxy = x://\n[http \"{base}\"]\nproxy = {address}\n"),
                    );
                }
                variable => env.set(variable, address),
            }
            let (status, said) = install(&env, base);
            assert_eq!(status, 0, "{scheme} {way}: {said}");
            let all = proxy.asked();
            assert!(!all.is_empty() && all.iter().all(|one| one == asked), "{scheme} {way}: {all:?}");
        }
    }
}

#[test]
fn a_proxy_that_wants_a_login_says_how_to_write_it() {
    for scheme in ["http", "socks5h"] {
        let Some((mut env, _server, proxy)) = behind(Some("me:p@ss:word")) else { return };
        let at = format!("127.0.0.1:{}", proxy.port);
        env.set("ALL_PROXY", format!("{scheme}://{at}"));
        let (status, said) = install(&env, "http://skills.invalid");
        assert_eq!(status, 4, "{said}");
        assert!(said.contains(&format!("the proxy {at} requires a login")), "{said}");
        assert!(said.contains(&format!("write it into ALL_PROXY: {scheme}://user:password@{at}")), "{said}");
        env.set("ALL_PROXY", format!("{scheme}://me:secret@{at}"));
        let (status, said) = install(&env, "http://skills.invalid");
        assert!(status == 4 && said.contains("refused the login") && !said.contains("secret"), "{said}");
        env.set("ALL_PROXY", format!("{scheme}://me:p%40ss%3Aword@{at}"));
        let (status, said) = install(&env, "http://skills.invalid");
        assert_eq!(status, 0, "{said}");
    }
}

/// Neither a proxy that is gone nor one that is nonsense ends in anything but a sentence.
#[test]
fn a_proxy_that_does_not_work_is_named() {
    let closed = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap();
    for scheme in ["http", "https", "socks4", "socks4a", "socks5", "socks5h"] {
        let mut env = TestEnv::new();
        env.write("settings/config.yaml", "skills:\n  allow_http: true\n");
        env.set("ALL_PROXY", format!("{scheme}://{closed}"));
        for source in ["git+http://192.0.2.1/o/r.git", "http://192.0.2.1/x.zip"] {
            let run =
                env.run(&["skill", "install", source]).ends(5).says(&format!("through the proxy {closed}"));
            assert!(run.stderr.contains("ALL_PROXY") && !run.stderr.contains("panic"), "{}", run.stderr);
        }
    }
    for text in
        ["socks9://x", "http://", "http://[::1", "ftp://h", "http://h:99999", "\u{1b}[31m", "a b", "://"]
    {
        let mut env = TestEnv::new();
        env.set("HTTPS_PROXY", text);
        let run = env.run(&["skill", "install", "owner/repo"]).ends(2).says("the proxy in HTTPS_PROXY");
        assert!(
            run.stderr.contains("socks5h://host:port") && !run.stderr.contains('\u{1b}'),
            "{}",
            run.stderr
        );
        let run = env.run(&["skill", "install", "owner/repo", "--json"]).ends(2).json();
        assert_eq!(run["error"]["kind"], "usage");
    }
}

#[test]
fn no_proxy_goes_around_the_proxy_of_the_configuration() {
    let Some((mut env, server, proxy)) = behind(None) else { return };
    git_config(&env, &format!("[http]\nproxy = http://127.0.0.1:{}\n", proxy.port));
    let (status, said) = install(&env, &server.url());
    assert_eq!((status, proxy.asked().len()), (0, 0), "{said}");
    env.set("NO_PROXY", "x skills.invalid");
    let (status, said) = install(&env, "http://skills.invalid");
    assert_eq!(status, 5, "{said}");
    assert!(proxy.asked().is_empty() && !said.contains("proxy 127"), "{said}");
}

// --- answers --------------------------------------------------------------------------------

/// What stands in the place of a repository or catalogue is told as what it is.
#[test]
fn what_answers_instead_is_named() {
    let env = TestEnv::new();
    let server = Server::start_bare(Path::new("/nowhere"));
    let url = server.url();
    let page = b"\n<!DOCTYPE html><title>Sign in</title>".to_vec();
    server.play("/page", Play::Bytes("text/html", page.clone()));
    server.play("/.well-known/", Play::Bytes("text/html", page));
    let listing = format!("{}\trefs/heads/main\n", "a".repeat(40));
    server.play("/dumb.git/info/refs", Play::Bytes("text/plain", listing.into_bytes()));
    server.play("/other.git/info/refs", Play::Bytes("text/plain", b"hello".to_vec()));
    for (args, status, words) in [
        (
            ["marketplace", "add", "m", &*format!("{url}/page/marketplace.json")],
            8,
            "is a web page, not a catalogue",
        ),
        (["marketplace", "add", "m", &*url], 8, "is a web page, not a catalogue"),
        (["skill", "install", "--yes", &*format!("{url}/dumb.git")], 8, "is served as plain files"),
        (["skill", "install", "--yes", &*format!("{url}/other.git")], 3, "is not a git repository"),
    ] {
        env.run(&args).ends(status).says(words);
    }
}

/// Formats of repositories that libgit2 does not read are named, not taken for folders.
#[test]
fn newer_formats_of_repositories_here_are_named() {
    let env = TestEnv::new();
    env.skill("src/pdf");
    for (extension, words) in
        [("refStorage = reftable", "reftable format"), ("objectFormat = sha256", "SHA-256 object ids")]
    {
        let name = format!("{}.git", words.split(' ').next().unwrap());
        drop(env.git_repo(&name, &env.path("src")));
        let config = format!("[core]\nrepositoryFormatVersion = 1\nbare = true\n[extensions]\n{extension}\n");
        env.write(&format!("{name}/config"), config);
        let source = format!("file://{}", env.path(&name).display());
        env.run(&["skill", "install", &source]).ends(8).says(words);
    }
    let plain = format!("file://{}", env.path("src/pdf").display());
    env.run(&["skill", "install", &plain]).ends(3).says("is not a git repository");
}

/// Two repositories of one name, on a host of the company and on the public one: each is asked for
/// where it is, and somebody without the setting gets the same.
#[test]
fn a_host_of_ones_own_stands_beside_the_public_one() {
    let env = TestEnv::new();
    for (host, name) in [("ghes", "inner"), ("pub", "outer")] {
        env.skill(&format!("{host}/skills/{name}"));
        env.git_repo(&format!("srv/{host}/acme/skills.git"), &env.path(host));
    }
    let Some(server) = Server::start(&env.path("srv")) else { return };
    let rewrite = |from: &str, to: &str| format!("[url \"{}/{to}/\"]\n\tinsteadOf = {from}/\n", server.url());
    let rules = rewrite("https://ghes.example", "ghes") + &rewrite("https://github.com", "pub");
    env.write("home/.gitconfig", rules);
    env.write("settings/config.yaml", "skills:\n  github_url: https://ghes.example\n");
    env.run(&["install", "acme/skills@inner"]).ends(0);
    env.run(&["install", "https://github.com/acme/skills", "--skill", "outer"]).ends(0);
    let registry = env.registry();
    let source = |name: &str| registry["skills"][name]["source"].as_str().unwrap().to_owned();
    assert_eq!(source("inner"), "https://ghes.example/acme/skills.git");
    assert_eq!(source("outer"), "git+https://github.com/acme/skills.git");
    env.run(&["install", "https://ghes.example/acme/skills/tree/main/skills/inner", "--dry-run"]).ends(0);
    // A colleague has neither the setting nor the cache.
    std::fs::remove_file(env.path("settings/config.yaml")).unwrap();
    std::fs::remove_dir_all(env.path("project/.claude")).unwrap();
    env.run(&["cache", "clear", "--yes"]).ends(0);
    env.run(&["install", "--frozen"]).ends(0);
    env.run(&["verify"]).ends(0);
    env.run(&["outdated"]).ends(0);
}

/// What was recorded by its short name before the host was recorded with it, and the address of
/// the same repository, are one source; the public repository of that name is another.
#[test]
fn a_short_source_and_its_address_on_a_host_of_ones_own_are_one() {
    for (key, kind, own, public) in [
        ("github_url", "github:", "https://ghes.example", "https://github.com"),
        ("gitlab_url", "gitlab:", "https://gl.example", "https://gitlab.com"),
        ("bitbucket_url", "bitbucket:", "https://bb.example", "https://bitbucket.org"),
    ] {
        let env = TestEnv::new();
        env.skill("here/skills/pdf");
        env.skill("there/skills/pdf").file("other.md", "Of the public host.\n");
        for host in ["here", "there"] {
            env.git_repo(&format!("srv/{host}/acme/skills.git"), &env.path(host));
        }
        let Some(server) = Server::start(&env.path("srv")) else { return };
        let rule =
            |from: &str, to: &str| format!("[url \"{}/{to}/\"]\n\tinsteadOf = {from}/\n", server.url());
        git_config(&env, &(rule(own, "here") + &rule(public, "there")));
        env.write("settings/config.yaml", format!("skills:\n  {key}: {own}\n"));
        let short = format!("{kind}acme/skills");
        let (address, elsewhere) =
            (format!("{own}/acme/skills.git"), format!("git+{public}/acme/skills.git"));
        let source = || env.registry()["skills"]["pdf"]["source"].as_str().unwrap().to_owned();
        let record = |from: &str, to: &str| {
            let file = "project/config/skills_registry.json";
            env.write(file, env.read(file).replace(&format!("\"{from}\""), &format!("\"{to}\"")));
            assert_eq!(source(), to);
        };
        env.run(&["install", &short]).ends(0);
        // As it was recorded before.
        record(&address, &short);
        for typed in [&short, &address] {
            env.run(&["install", typed]).ends(0);
            env.run(&["install", typed, "--skill", "pdf", "--skip-existing"]).ends(0);
            assert_eq!(source(), short, "{typed}");
        }
        env.run(&["marketplace", "add", "team", &short]).ends(0);
        env.run(&["marketplace", "add", "team", &short]).ends(0);
        for recorded in [&short, &address] {
            record(&source(), recorded);
            env.run(&["install", "--frozen"]).ends(0);
            env.run(&["install", &short, "--all"]).ends(0);
            env.run(&["outdated"]).ends(0);
            env.run(&["update", "--yes"]).ends(0);
            assert_eq!(source(), *recorded);
            let run = env.run(&["install", &elsewhere]).ends(7);
            assert!(run.stderr.contains("taken by a skill of another source"), "{}", run.stderr);
        }
        // Who says the source anew gets its host recorded.
        record(&address, &short);
        env.run(&["update", "pdf", "--source", &short]).ends(0);
        assert_eq!(source(), address);
        // Without the setting the short name means the public host.
        env.run(&["update", "pdf", "--source", &elsewhere]).ends(0);
        assert_eq!(source(), elsewhere);
        std::fs::remove_file(env.path("settings/config.yaml")).unwrap();
        env.run(&["install", &short]).ends(0);
        assert_eq!(source(), elsewhere);
    }
}

/// A token is for the host that the settings name, a login for the host that it names; a host that
/// only a registry names gets nothing but what the user has written for that very host.
#[test]
fn a_host_of_ones_own_and_the_public_one_get_their_own_credentials() {
    let mut env = TestEnv::new();
    let authority = Authority::new();
    let tls = authority.server(|params| {
        for name in ["ghes.example", "github.com"] {
            params.subject_alt_names.push(rcgen::SanType::DnsName(name.try_into().unwrap()));
        }
    });
    let Some(server) = Server::start_tls(&env.path("srv"), tls) else { return };
    repository(&env);
    let proxy = Proxy::start(port_of(&server), None);
    env.set("ALL_PROXY", format!("http://127.0.0.1:{}", proxy.port));
    env.set("SSL_CERT_FILE", env.write("ca.pem", authority.pem()).display().to_string());
    env.set("GITHUB_TOKEN", "canary-of-a-token");
    env.write("settings/config.yaml", "skills:\n  github_url: https://ghes.example\n");
    let token = format!("Basic {}", basic("x-access-token:canary-of-a-token"));
    let login = |name: &str| format!("Basic {}", basic(&format!("me:{name}")));
    // What each host was sent since the last look, each once.
    let sent = |host: &str| {
        let seen = server.seen().into_iter().filter(|seen| seen.header("host") == host);
        seen.map(|seen| seen.header("authorization").to_owned()).collect::<std::collections::BTreeSet<_>>()
    };
    let only = |text: &str| std::collections::BTreeSet::from([text.to_owned()]);
    let forget = || {
        env.run(&["cache", "clear", "--yes"]).ends(0);
        let _ = std::fs::remove_dir_all(env.path("project/.claude"));
        server.forget_requests();
    };
    env.run(&["install", "acme/skills"]).ends(0);
    env.run(&["install", "https://github.com/acme/skills", "--as", "outer"]).ends(0);
    assert_eq!((sent("ghes.example"), sent("github.com")), (only(&token), only("")));
    forget();
    env.run(&["install", "--frozen"]).ends(0);
    env.run(&["update"]).ends(0);
    assert_eq!((sent("ghes.example"), sent("github.com")), (only(&token), only("")));
    // A colleague has no setting: the token is for the public host, and the other gets none.
    std::fs::remove_file(env.path("settings/config.yaml")).unwrap();
    std::fs::remove_dir_all(env.path("home/.local/share")).unwrap();
    forget();
    env.run(&["install", "--frozen"]).ends(0);
    env.run(&["outdated"]).ends(0);
    assert_eq!((sent("ghes.example"), sent("github.com")), (only(""), only(&token)));
    // Nor where it asks for one: no login of another host, and no helper that answers for any.
    server.require_basic(&basic("me:ghes"));
    env.write("home/.netrc", "machine github.com login me password public\n");
    let asked = env.path("asked");
    if cfg!(unix) {
        let blind =
            format!("!f() {{ echo x >> '{}'; echo username=me; echo password=any; }}; f", asked.display());
        git_config(
            &env,
            &format!("[credential]\nhelper = \"{blind}\"\n[credential \"https://github.com\"]\nhelper =\n"),
        );
    }
    forget();
    env.run(&["restore", "pdf"]).ends(4);
    assert!(!asked.exists() && sent("ghes.example") == only(""), "{:?}", sent("ghes.example"));
    // What the user has written for that very host is for it, and for no other.
    env.write("home/.netrc", "machine ghes.example login me password ghes\n");
    forget();
    env.run(&["restore", "pdf"]).ends(0);
    assert_eq!(sent("ghes.example"), [String::new(), login("ghes")].into());
    forget();
    env.run(&["restore", "outer"]).ends(4);
    assert!(!sent("github.com").contains(&login("ghes")));
}

/// A marketplace is on the host that was typed, and its record says so; a known catalogue is on the
/// public host for everybody.
#[test]
fn a_marketplace_on_a_host_of_ones_own_is_recorded_with_it() {
    let env = TestEnv::new();
    for (host, name, repository) in [
        ("ghes", "inner", "acme/skills"),
        ("ghes", "wrong", "openai/skills"),
        ("pub", "outer", "acme/skills"),
        ("pub", "known", "openai/skills"),
    ] {
        let folder = format!("src/{host}/{repository}");
        env.skill(&format!("{folder}/skills/{name}"));
        env.git_repo(&format!("srv/{host}/{repository}.git"), &env.path(&folder));
    }
    let Some(server) = Server::start(&env.path("srv")) else { return };
    let rule = |from: &str, to: &str| format!("[url \"{}/{to}/\"]\n\tinsteadOf = {from}/\n", server.url());
    git_config(&env, &(rule("https://ghes.example", "ghes") + &rule("https://github.com", "pub")));
    env.write("settings/config.yaml", "skills:\n  github_url: https://ghes.example\n");
    let own = "https://ghes.example/acme/skills.git";
    env.run(&["marketplace", "add", "team", "acme/skills"]).ends(0);
    env.run(&["marketplace", "add", "public", "https://github.com/acme/skills"]).ends(0);
    env.run(&["marketplace", "add", "--known", "openai"]).ends(0);
    let sources = || {
        let told = env.run(&["marketplace", "list", "--json"]).ends(0).json();
        let list = told["marketplaces"].as_array().unwrap().clone();
        let row = |one: &serde_json::Value| {
            (one["name"].as_str().unwrap().to_owned(), one["source"].as_str().unwrap().to_owned())
        };
        list.iter().map(row).collect::<std::collections::BTreeMap<_, _>>()
    };
    let told = sources();
    assert_eq!(told["team"], own);
    assert_eq!(told["public"], "git+https://github.com/acme/skills.git");
    assert_eq!(told["openai"], "git+https://github.com/openai/skills.git");
    let listed = env.run(&["marketplace", "add", "--known", "--json"]).ends(0);
    assert!(listed.stdout.contains("\"registered_as\": \"openai\""), "{}", listed.stdout);
    for skill in ["inner@team", "outer@public", "known@openai"] {
        env.run(&["install", skill]).ends(0);
    }
    env.run(&["outdated"]).ends(0);
    // One that was recorded by its short name is the same, and gets its host when it is added again.
    let file = "settings/skills_marketplaces.json";
    env.write(file, env.read(file).replace(own, "github:acme/skills"));
    assert_eq!(sources()["team"], "github:acme/skills");
    env.run(&["install", "inner@team"]).ends(0);
    env.run(&["update", "--yes"]).ends(0);
    env.run(&["marketplace", "add", "team", "https://github.com/acme/skills"]).ends(7);
    env.run(&["marketplace", "add", "team", "acme/skills"]).ends(0);
    assert_eq!(sources()["team"], own);
    env.run(&["update", "--yes"]).ends(0);
    // Without the setting each is where it was.
    std::fs::remove_file(env.path("settings/config.yaml")).unwrap();
    env.run(&["cache", "clear", "--yes"]).ends(0);
    env.run(&["marketplace", "update"]).ends(0);
    env.run(&["update", "--yes"]).ends(0);
    env.run(&["verify"]).ends(0);
}
