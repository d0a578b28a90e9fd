//! Skills of remote registries: found, chosen, held to their digests, and put back from the record.

use serde_json::{Value, json};

use crate::env::TestEnv;
use crate::registry_files::{RegistryFolder, asked};
use ba_agent_test_support::server::{Play, Server};

const NAME: &str = "@acme/pdf-tables";
const INDEX: &str = "/@acme/pdf-tables/index.jsonl";

/// A registry with three versions of a skill, added as `acme`.
fn world() -> (TestEnv, RegistryFolder, Server) {
    let env = TestEnv::new();
    let registry = RegistryFolder::new(&env, "registry");
    for version in ["1.0.0", "1.2.0", "2.0.0"] {
        registry.publish_plain(&env, NAME, version, json!({}));
    }
    let server = registry.serve();
    add(&env, &server);
    (env, registry, server)
}

fn add(env: &TestEnv, server: &Server) {
    env.run(&["registry", "add", "acme", &server.url(), "--serves", "@acme"]).ends(0).says("Added acme");
}

fn entry(env: &TestEnv) -> Value {
    env.registry()["skills"]["pdf-tables"].clone()
}

fn installed(env: &TestEnv) -> String {
    env.read("project/.claude/skills/pdf-tables/notes.md")
}

fn forget_files(env: &TestEnv, cache: bool) {
    std::fs::remove_dir_all(env.path("project/.claude")).unwrap();
    if cache {
        std::fs::remove_dir_all(env.path("cache")).unwrap();
    }
}

#[test]
fn the_newest_a_version_and_a_range_are_installed_and_recorded_by_address_and_digest() {
    let (env, _registry, server) = world();
    for (asked, version) in [
        ("@acme/pdf-tables", "2.0.0"),
        ("@acme/pdf-tables#1.0.0", "1.0.0"),
        ("@acme/pdf-tables#^1.0", "1.2.0"),
        ("acme:@acme/pdf-tables#1", "1.2.0"),
    ] {
        env.run(&["skill", "install", asked, "--force"]).ends(0).says(&format!("@acme/pdf-tables {version}"));
        assert_eq!(installed(&env), format!("This is {version}.\n"), "{asked}");
        let entry = entry(&env);
        assert_eq!(entry["source"], format!("registry+{}/@acme/pdf-tables", server.url()));
        assert_eq!((&entry["kind"], &entry["version"]), (&json!("registry"), &json!(version)), "{asked}");
        assert_eq!(entry["pin"]["ref"], version);
        assert!(entry["pin"]["archive"].as_str().unwrap().starts_with("sha256:"));
    }
    assert_eq!(env.registry()["schema_version"], "1.1");
    env.run(&["skill", "list"]).ends(0).prints("1.2.0");
    env.run(&["skill", "verify"]).ends(0);
    env.run(&["skill", "install", "@acme/pdf-tables@1.2.0"]).ends(2).says("write `@acme/pdf-tables#1.2.0`");
    env.run(&["skill", "install", "@acme/pdf-tables#9"]).ends(3).says("no version");
    env.run(&["skill", "install", "@acme/pdf-tabels"]).ends(3).says("is not in the registry `acme`");
}

/// A cold installation asks for the lines and for the archive, and for nothing else.
#[test]
fn a_cold_installation_is_two_requests() {
    let (env, _registry, server) = world();
    server.forget_requests();
    env.run(&["skill", "install", NAME]).ends(0);
    assert_eq!(asked(&server.seen()), [(INDEX.to_owned(), 1), ("archive".to_owned(), 1)].into());
    // Once more: the lines are asked for whether they changed, the archive is not asked for.
    server.forget_requests();
    forget_files(&env, false);
    env.run(&["skill", "install", NAME, "--force"]).ends(0);
    assert_eq!(asked(&server.seen()), [(INDEX.to_owned(), 1)].into());
    assert!(!server.seen()[0].header("if-none-match").is_empty());
    // Without a connection all the same, and with the same bytes.
    server.forget_requests();
    forget_files(&env, false);
    env.run(&["--offline", "skill", "install", NAME, "--force"]).ends(0).says("offline");
    assert_eq!((server.seen().len(), installed(&env).as_str()), (0, "This is 2.0.0.\n"));
}

#[test]
fn the_record_is_put_back_from_the_registry_or_a_mirror_and_stays_the_same() {
    let (env, registry, server) = world();
    env.run(&["skill", "install", "@acme/pdf-tables#^1"]).ends(0);
    let before = env.registry();
    forget_files(&env, true);
    env.run(&["skill", "install", "--frozen"]).ends(0).says("Installed pdf-tables");
    assert_eq!((installed(&env).as_str(), env.registry()), ("This is 1.2.0.\n", before.clone()));
    // A mirror is a folder; the registry itself is not asked.
    let mirror = env.path("registry").display().to_string();
    env.run(&["registry", "add", "acme", &server.url(), "--serves", "@acme", "--mirror", &mirror, "--force"])
        .ends(0);
    forget_files(&env, true);
    server.forget_requests();
    env.run(&["--offline", "skill", "install", "--frozen"]).ends(0);
    assert_eq!((server.seen().len(), env.registry()), (0, before.clone()));
    forget_files(&env, true);
    env.run(&["skill", "install", "--frozen"]).ends(0);
    // The registry itself is asked for what it took down alone, which the mirror does not have.
    assert_eq!((asked(&server.seen()), env.registry()), ([("/revoked.jsonl".to_owned(), 1)].into(), before));
    // Other bytes in the mirror are passed over: the registry has the right ones.
    for file in walkdir::WalkDir::new(registry.root.join("b")).into_iter().map(Result::unwrap) {
        if file.file_type().is_file() {
            let broken =
                env.path("mirror/b").join(file.path().strip_prefix(registry.root.join("b")).unwrap());
            std::fs::create_dir_all(broken.parent().unwrap()).unwrap();
            std::fs::write(broken, "other bytes").unwrap();
        }
    }
    let mirror = env.path("mirror").display().to_string();
    env.run(&["registry", "add", "acme", &server.url(), "--serves", "@acme", "--mirror", &mirror, "--force"])
        .ends(0);
    forget_files(&env, true);
    env.run(&["skill", "install", "--frozen"]).ends(0);
    assert_eq!(installed(&env), "This is 1.2.0.\n");
}

#[test]
fn a_scope_belongs_to_one_registry_and_nothing_is_looked_for_elsewhere() {
    let (env, _registry, server) = world();
    let other = RegistryFolder::new(&env, "other");
    other.publish_plain(&env, "@acme/secret", "9.9.9", json!({}));
    other.publish_plain(&env, "@team/tool", "1.0.0", json!({}));
    let public = other.serve();
    env.run(&["registry", "add", "public", &public.url(), "--default"]).ends(0);
    public.forget_requests();
    env.run(&["skill", "install", "@acme/secret"]).ends(3);
    assert!(public.seen().is_empty(), "{:?}", public.seen());
    env.run(&["skill", "install", "@team/tool"]).ends(0).says("Installed tool");
    // Only who names the registry takes it from there.
    env.run(&["skill", "install", "public:@acme/secret", "--as", "other"]).ends(0);
    env.run(&["registry", "add", "third", &server.url(), "--serves", "@acme"])
        .ends(7)
        .says("belongs to the registry");
    env.run(&["registry", "remove", "public"]).ends(0);
    env.run(&["skill", "install", "@team/tool"]).ends(3).says("no registry serves the skills of `@team`");
}

#[test]
fn a_yanked_version_is_kept_and_never_taken_newly() {
    let (env, registry, _server) = world();
    env.run(&["skill", "install", NAME]).ends(0).says("2.0.0");
    registry.change_line(NAME, "2.0.0", json!({ "yanked": true, "yank_reason": "loses rows" }));
    forget_files(&env, false);
    env.run(&["skill", "install"]).ends(0).says("was yanked by its publisher: loses rows");
    assert_eq!(installed(&env), "This is 2.0.0.\n");
    env.run(&["skill", "outdated"]).ends(0).says("was yanked");
    env.run(&["skill", "update"]).ends(0);
    assert_eq!(entry(&env)["version"], "2.0.0", "a yank alone moves nobody");
    env.run(&["skill", "install", "@acme/pdf-tables#2.0.0", "--as", "other"]).ends(3).says("was yanked");
    env.run(&["skill", "install", NAME, "--as", "other"]).ends(0).says("1.2.0");
}

#[test]
fn what_was_taken_down_is_refused_and_named_where_it_is_installed() {
    let (env, registry, _server) = world();
    env.run(&["skill", "install", NAME]).ends(0).says("2.0.0");
    let line: Value =
        serde_json::from_str(registry.read("@acme/pdf-tables/index.jsonl").lines().nth(2).unwrap()).unwrap();
    registry.revoke(&line, "steals tokens");
    let outdated = env.run(&["skill", "outdated", "--json"]).ends(6).json();
    assert!(outdated["skills"][0]["revoked"].as_str().unwrap().contains("steals tokens"), "{outdated}");
    env.run(&["skill", "outdated"]).ends(6).says("was taken down by its registry: steals tokens");
    env.run(&["doctor"]).ends(6).prints("steals tokens");
    let verified = env.run(&["skill", "verify", "--json"]).ends(6).json();
    assert_eq!(verified["revoked"][0]["name"], "pdf-tables");
    forget_files(&env, false);
    env.run(&["skill", "install"]).ends(6).says("steals tokens");
    assert!(!env.path("project/.claude/skills/pdf-tables").exists());
    env.run(&["skill", "install", "@acme/pdf-tables#2.0.0", "--as", "other"]).ends(6).says("taken down");
    env.run(&["skill", "update", "--force"]).ends(0);
    assert_eq!(entry(&env)["version"], "1.2.0", "away from it, also downwards");
    env.run(&["skill", "verify"]).ends(0);
}

#[test]
fn a_young_version_is_seen_and_not_taken_unless_it_is_named() {
    let (env, registry, _server) = world();
    registry.publish_plain(&env, NAME, "2.1.0", json!({ "published_at": "2026-01-02T01:00:00Z" }));
    env.run(&["config", "set", "minimum_release_age", "24h", "--global"]).ends(0);
    env.run(&["skill", "install", NAME]).ends(0).says("2.0.0");
    let outdated = env.run(&["skill", "outdated", "--json"]).ends(0).json();
    assert_eq!(
        (&outdated["skills"][0]["wanted"], &outdated["skills"][0]["latest"]),
        (&json!("2.0.0"), &json!("2.1.0"))
    );
    env.run(&["skill", "update"]).ends(0);
    assert_eq!(entry(&env)["version"], "2.0.0");
    env.run(&["skill", "install", "@acme/pdf-tables#2.1.0", "--force"]).ends(0);
    assert_eq!(entry(&env)["version"], "2.1.0");
}

/// What a newer version asks for stands in its line: nobody downloads it before somebody agrees.
#[test]
fn grown_rights_are_asked_about_before_anything_is_downloaded() {
    let (env, registry, server) = world();
    env.run(&["skill", "install", NAME]).ends(0);
    let text = "---\nname: pdf-tables\ndescription: Does it. Use it.\nallowed-tools: Bash\n---\n\nText.\n";
    let files = env.skill("sources/more/pdf-tables").file("SKILL.md", text).folder();
    registry.publish(&env, NAME, "2.1.0", &files, json!({ "grants": ["Bash"] }));
    server.forget_requests();
    env.run(&["skill", "update"]).ends(7).says("asks for more tools: Bash");
    assert_eq!(asked(&server.seen()).get("archive"), None);
    assert_eq!(entry(&env)["version"], "2.0.0");
    env.run(&["skill", "update", "--yes"]).ends(0);
    assert_eq!(entry(&env)["version"], "2.1.0");
    env.run(&["skill", "rollback", "--yes"]).ends(0);
    assert_eq!(
        (entry(&env)["version"].clone(), installed(&env).as_str()),
        (json!("2.0.0"), "This is 2.0.0.\n")
    );
}

#[test]
fn a_range_is_followed_and_a_version_can_be_held() {
    let (env, registry, _server) = world();
    env.run(&["skill", "install", "@acme/pdf-tables#^1"]).ends(0);
    let outdated = env.run(&["skill", "outdated", "--json"]).ends(0).json();
    let one = &outdated["skills"][0];
    assert_eq!(
        (&one["current"], &one["latest"], &one["follows"]),
        (&json!("1.2.0"), &json!("2.0.0"), &json!("^1"))
    );
    registry.publish_plain(&env, NAME, "1.3.0", json!({}));
    env.run(&["skill", "outdated"]).ends(6).prints("1.3.0");
    env.run(&["skill", "pin", "pdf-tables", "1.0.0"]).ends(0);
    assert_eq!((installed(&env).as_str(), &entry(&env)["pinned"]), ("This is 1.0.0.\n", &json!(true)));
    env.run(&["skill", "update"]).ends(0);
    assert_eq!(entry(&env)["version"], "1.0.0");
    env.run(&["skill", "unpin", "pdf-tables"]).ends(0);
    env.run(&["skill", "update"]).ends(0).says("1.0.0 -> 1.3.0");
    env.run(&["skill", "show", NAME]).ends(0).prints("2.0.0");
}

#[test]
fn what_a_published_skill_needs_comes_from_its_registry() {
    let (env, registry, _server) = world();
    registry.publish_plain(&env, "@acme/analyzer", "1.1.0", json!({}));
    registry.publish_plain(&env, "@acme/analyzer", "2.0.0", json!({}));
    let deps = json!({ "deps": [{ "name": "@acme/analyzer", "req": "^1.0" }] });
    registry.publish_plain(&env, "@acme/reporter", "1.0.0", deps);
    env.run(&["skill", "install", "@acme/reporter"]).ends(0);
    let skills = env.registry()["skills"].clone();
    assert_eq!(
        (&skills["analyzer"]["version"], &skills["analyzer"]["automatic"]),
        (&json!("1.1.0"), &json!(true))
    );
    assert_eq!(skills["reporter"]["dependencies"][0]["range"], "^1.0");
    let deps = json!({ "deps": [{ "name": "@acme/analyzer", "req": "^3" }] });
    registry.publish_plain(&env, "@acme/reporter", "1.1.0", deps);
    env.run(&["skill", "install", "@acme/reporter", "--force"]).ends(7).says("analyzer");
    // Another owner is another source: that needs a yes.
    registry.publish_plain(&env, "@other/helper", "1.0.0", json!({}));
    let deps = json!({ "deps": [{ "name": "@other/helper", "req": "*" }] });
    registry.publish_plain(&env, "@acme/needy", "1.0.0", deps);
    env.run(&["skill", "install", "@acme/needy"]).ends(7).says("needs a yes");
    env.run(&["skill", "install", "@acme/needy", "--yes"]).ends(0);
    assert_eq!(env.registry()["skills"]["helper"]["automatic"], true);
}

#[test]
fn a_private_registry_gets_its_token_and_nobody_else_does() {
    let (mut env, _registry, server) = world();
    let (other, other_root) = (TestEnv::new(), "elsewhere");
    let elsewhere = Server::start_files(&other.path(other_root));
    server.require_token("bar_canary");
    env.run(&["skill", "install", NAME]).ends(4).says("ba-agent login acme");
    let login = |text: &str| {
        use std::io::Write as _;
        let mut command = env.command(&["login", "acme", "--token", "-"]);
        let mut child = command
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
        env.done(child.wait_with_output().unwrap())
    };
    login("bar_wrong\n").ends(4);
    assert!(!env.path("settings/credentials.yaml").exists(), "a refused token is not kept");
    let run = login("bar_canary\n").ends(0).says("Logged in to acme");
    assert!(!format!("{run:?}").contains("bar_canary"));
    env.run(&["login", "acme", "--token", "bar_canary"]).ends(2).says("not written on the command line");
    env.run(&["skill", "install", NAME]).ends(0);
    env.run(&["registry", "list"]).ends(0).prints("yes");
    // A redirect to another host does not take it along.
    elsewhere.forget_requests();
    server.play("/b/sha256/", Play::Redirect(format!("{}/x", elsewhere.url())));
    forget_files(&env, true);
    let run = env.run(&["skill", "install"]);
    assert_ne!(run.status, 0);
    let seen = elsewhere.seen();
    assert!(!seen.is_empty() && seen.iter().all(|one| one.header("authorization").is_empty()), "{seen:?}");
    server.play_fair();
    // Nor does the index come from another host at all.
    server.play(INDEX, Play::Redirect(format!("{}/x", elsewhere.url())));
    elsewhere.forget_requests();
    env.run(&["skill", "install", NAME, "--as", "other"]).ends(5).says("redirects to another host");
    assert!(elsewhere.seen().is_empty());
    server.play_fair();
    env.run(&["whoami"]).ends(0).prints("there is a token");
    env.run(&["logout"]).ends(0).says("Logged out");
    env.run(&["whoami"]).ends(4);
    env.set("BA_AGENT_TOKEN_ACME", "bar_canary");
    env.run(&["skill", "install"]).ends(0);
    let kept =
        walkdir::WalkDir::new(env.root()).into_iter().map(Result::unwrap).filter(|e| e.file_type().is_file());
    for file in kept {
        let bytes = std::fs::read(file.path()).unwrap();
        assert!(!String::from_utf8_lossy(&bytes).contains("bar_canary"), "{}", file.path().display());
    }
}

/// A project is as hostile as a source: its registries get nothing of the user's, and take over
/// no owner of the user's.
#[test]
fn a_project_cannot_have_a_token_or_an_owner() {
    let (mut env, _registry, server) = world();
    env.set("BA_AGENT_TOKEN_EVIL", "bar_canary");
    env.set("BA_AGENT_TOKEN_ACME", "bar_canary");
    let evil = RegistryFolder::new(&env, "evil");
    evil.publish_plain(&env, NAME, "66.0.0", json!({}));
    evil.publish_plain(&env, "@evil/tool", "1.0.0", json!({}));
    let evil = evil.serve();
    let settings = |text: String| drop(env.write("project/.ba-agent/config.yaml", text));
    settings(format!("registries: {{evil: {{url: '{}', scopes: ['@acme', '@evil']}}}}\n", evil.url()));
    env.run(&["skill", "install", NAME]).ends(0).says("2.0.0");
    env.run(&["skill", "install", "@evil/tool"]).ends(0);
    assert!(evil.seen().iter().all(|one| one.header("authorization").is_empty()), "{:?}", evil.seen());
    assert!(server.seen().iter().any(|one| one.header("authorization") == "Bearer bar_canary"));
    // Also not by the name of the user's own.
    settings(format!("registries: {{acme: {{url: '{}', scopes: ['@acme']}}}}\n", evil.url()));
    evil.forget_requests();
    env.run(&["skill", "install", NAME, "--force"]).ends(0).says("2.0.0");
    assert!(evil.seen().is_empty());
    env.run(&["doctor"]).prints("another registry than yours");
}

/// Without a server too: the list stands in the user's settings, what is new in the index.
#[test]
fn a_skill_is_followed_and_its_news_are_told_once() {
    let (env, registry, _server) = world();
    env.run(&["skill", "follow", "@acme/nothing"]).ends(3);
    env.run(&["skill", "follow", "@acme/pdf-tables#1"]).ends(2).says("not a version");
    env.run(&["skill", "follow", NAME, "--json"]).ends(0);
    assert!(
        env.read("settings/config.yaml").contains("skills: [\"@acme/pdf-tables\"]"),
        "{}",
        env.read("settings/config.yaml")
    );
    env.run(&["skill", "outdated"]).ends(0);
    registry.publish_plain(&env, NAME, "2.1.0", json!({}));
    let run = env.run(&["skill", "outdated"]).ends(0).says("you follow `@acme/pdf-tables`: 2.1.0 is new");
    assert!(!run.stderr.contains("2.0.0"));
    let rows = env.run(&["skill", "following", "--json"]).ends(0).json();
    assert_eq!(
        (&rows["following"][0]["new"], &rows["following"][0]["seen"]),
        (&json!(true), &json!("2.0.0"))
    );
    let rows = env.run(&["skill", "following", "--json"]).ends(0).json();
    assert_eq!(rows["following"][0]["new"], false, "it was seen");
    env.run(&["skill", "follow", NAME, "--notify", "off"]).ends(0).says("without being told");
    registry.publish_plain(&env, NAME, "2.2.0", json!({}));
    let run = env.run(&["skill", "outdated"]).ends(0);
    assert!(!run.stderr.contains("you follow"), "{run:?}");
    env.run(&["skill", "following"]).ends(0).prints("new since 2.1.0");
    env.run(&["skill", "unfollow", NAME, "--json"]).ends(0);
    env.run(&["skill", "unfollow", NAME]).ends(3);
}

/// What a server says decides: the code is shown, the token is waited for and kept.
#[test]
fn a_login_is_approved_on_the_page_of_the_registry() {
    use std::sync::atomic::{AtomicUsize, Ordering};
    let (env, registry, server) = world();
    registry.describe(json!({ "api": format!("{}/api/v1", server.url()) }));
    let reply = |body: Value| Play::Bytes("application/json", body.to_string().into_bytes());
    server.play_times("/api/v1/device/token", 1, Play::Status(428));
    server.play("/api/v1/device/token", reply(json!({ "token": "bar_canary", "login": "alice" })));
    server.play(
        "/api/v1/device",
        reply(json!({ "device_code": "secret", "user_code": "BCDF-GHJK",
        "verification_uri": "https://acme.example/device", "interval": 1, "expires_in": 60 })),
    );
    let tokens = std::sync::Arc::new(AtomicUsize::new(0));
    let seen = std::sync::Arc::clone(&tokens);
    server.play(
        "/api/v1/whoami",
        Play::Reply(ba_agent_test_support::server::Reply::new(move |request| {
            seen.fetch_add(
                usize::from(request.header("authorization") == "Bearer bar_canary"),
                Ordering::SeqCst,
            );
            let account = json!({ "login": "alice", "owners": [{ "name": "@acme", "role": "owner" }],
            "token": { "scopes": ["publish"], "names": [], "expires_at": "2026-04-01T00:00:00Z" } });
            ("application/json", account.to_string().into_bytes())
        })),
    );
    // Who reads one document sees no code.
    env.run(&["login", "--json"]).ends(2);
    let run =
        env.run(&["login"]).ends(0).says("BCDF-GHJK").says("https://acme.example/device").says("as alice");
    assert!(!format!("{run:?}").contains("bar_canary"));
    assert_eq!(tokens.load(Ordering::SeqCst), 1);
    env.run(&["whoami"]).ends(0).prints("acme: alice").prints("@acme: owner");
    env.run(&["whoami", "--json"]).ends(0);
    // With a token the list of what is followed is told to the server too.
    server.play("/subscribe", reply(json!({ "following": true })));
    server.play("/push", reply(json!({ "enabled": true })));
    let told = env.run(&["skill", "follow", NAME, "--json"]).ends(0).json();
    assert_eq!(told["told_server"], true, "{told}");
    // A server on another host gets no token.
    let elsewhere = Server::start_files(&env.path("nowhere"));
    registry.describe(json!({ "api": format!("{}/api/v1", elsewhere.other_name()) }));
    std::fs::remove_dir_all(env.path("cache")).unwrap();
    env.run(&["whoami"]).ends(6).says("on another host");
    assert!(elsewhere.seen().is_empty());
}

#[test]
fn serving_wants_the_server() {
    let mut env = TestEnv::new();
    env.set("PATH", env.path("bin").display().to_string());
    // Alone: where the tests are built the server may stand beside it, and would serve.
    let program = env.path("alone/ba-agent");
    std::fs::create_dir_all(env.path("alone")).unwrap();
    std::fs::copy(env!("CARGO_BIN_EXE_ba-agent"), &program).unwrap();
    let serve = |env: &TestEnv, more: &[&str]| {
        let args = [&["serve"], more].concat();
        env.done(env.command_of(&program, &args).output().unwrap())
    };
    serve(&env, &[]).ends(3).says("cargo install ba-agent-registry");
    #[cfg(unix)]
    {
        env.skill("bin").executable("ba-agent-registry", "#!/bin/sh\necho served \"$@\"\nexit 4\n");
        serve(&env, &["--config", "x.yaml"]).ends(4).prints("served --config x.yaml");
    }
}

#[test]
fn the_settings_are_changed_line_by_line_and_the_key_of_the_log_is_held() {
    let (env, registry, server) = world();
    let before = env.read("settings/config.yaml");
    assert!(
        before.contains(&format!("  acme: {{url: \"{}\", scopes: [\"@acme\"]}}", server.url())),
        "{before}"
    );
    env.write("settings/config.yaml", format!("# mine\n{before}minimum_release_age: 1h # wait\n"));
    registry.describe(json!({ "log": { "origin": "acme/log", "key": "acme/log+1+AAAA" } }));
    env.run(&["registry", "add", "acme", &server.url()]).ends(7).says("--force");
    env.run(&["registry", "add", "acme", &server.url(), "--serves", "@acme", "--force"])
        .ends(0)
        .says("acme/log+1+AAAA");
    let text = env.read("settings/config.yaml");
    assert!(text.starts_with("# mine\n") && text.ends_with("minimum_release_age: 1h # wait\n"), "{text}");
    env.run(&["registry", "show", "acme"]).ends(0).prints("acme/log+1+AAAA");
    registry.describe(json!({ "log": { "origin": "acme/log", "key": "acme/log+2+BBBB" } }));
    env.run(&["registry", "show", "acme"]).ends(6).says("not signed with the key");
    env.run(&["registry", "add", "x", &format!("{}/nowhere", server.url())]).ends(3).says("registry.json");
    env.run(&["registry", "add", "GitHub", &server.url()]).ends(2).says("small letters");
    env.run(&["registry", "remove", "acme"]).ends(0);
    assert_eq!(env.read("settings/config.yaml").lines().next(), Some("# mine"));
    env.run(&["registry", "list"]).ends(0).says("no registry is named");
    env.run(&["registry", "remove", "acme"]).ends(3);
}
