//! The way over the network: real smart HTTP (`git http-backend`) and archives by URL, from
//! a server on loopback that can also do everything wrong.

use std::path::Path;

use base64::Engine as _;

use crate::env::{Run, TestEnv, commit, skill_md};
use ba_agent_test_support::server::{Play, Server};

/// A token that must never be seen.
const CANARY: &str = "ghp_CanaryThatNobodyMaySee0123456789";

/// The canary as it goes over the line for this user.
fn basic(user: &str) -> String {
    base64::engine::general_purpose::STANDARD.encode(format!("{user}:{CANARY}"))
}

/// A host with `acme/skills` on it: two commits, a branch with slashes, tags.
struct Host {
    env: TestEnv,
    server: Server,
    first: String,
    main: String,
    topic: String,
}

/// The host, which stands in for github.com; `None`, with a printed line, without git.
fn host() -> Option<Host> {
    let mut env = TestEnv::new();
    let server = Server::start(&env.path("srv"))?;
    for name in ["pdf", "docx"] {
        env.skill(&format!("src/skills/{name}")).file("scripts/run.py", format!("print('{name}')\n"));
    }
    let repo = env.git_repo("srv/acme/skills.git", &env.path("src"));
    let first = repo.refname_to_id("refs/heads/main").unwrap();
    env.write("src/skills/pdf/SKILL.md", skill_md("pdf", "The second edition, with more in it."));
    let main = commit(&repo, "refs/heads/main", &env.path("src"), "second");
    repo.reference("refs/heads/feature/deep/topic", main, false, "").unwrap();
    env.write("src/skills/pdf/SKILL.md", skill_md("pdf", "The third edition, from a branch."));
    let topic = commit(&repo, "refs/heads/feature/deep/topic", &env.path("src"), "third");
    for (tag, at) in [("v1.0.0", first), ("v1.2.0", main), ("v2.0.0", topic)] {
        repo.reference(&format!("refs/tags/{tag}"), at, false, "").unwrap();
    }
    env.set("BA_AGENT_GITHUB_URL", server.url());
    Some(Host { env, server, first: first.to_string(), main: main.to_string(), topic: topic.to_string() })
}

/// Everything below the folders that a command may change, but for the cache.
fn disk(env: &TestEnv) -> [std::collections::BTreeMap<String, String>; 3] {
    ["project", "home", "settings"].map(|below| env.picture(below))
}

/// Runs, expects a refusal, and the disk as before.
#[track_caller]
fn refused(env: &TestEnv, args: &[&str], status: i32, words: &str) -> Run {
    let before = disk(env);
    let run = env.run(args).ends(status).says(words);
    assert_eq!(disk(env), before, "the disk changed");
    let tmp = env.picture("cache").into_keys().filter(|path| path.starts_with("tmp/")).count();
    assert_eq!(tmp, 0, "something stayed in the cache's tmp");
    run
}

#[test]
fn every_form_of_a_github_source_reaches_its_commit() {
    let Some(host) = host() else { return };
    let Host { env, first, main, topic, .. } = &host;
    let sources = [
        ("github:acme/skills@pdf".to_owned(), main),
        ("acme/skills/skills/pdf".to_owned(), main),
        ("acme/skills#feature/deep/topic@pdf".to_owned(), topic),
        ("acme/skills@pdf#v1.0.0".to_owned(), first),
        (format!("acme/skills@pdf#{first}"), first),
        (format!("acme/skills@pdf#{}", &first[..8]), first),
        ("acme/skills@pdf#^1".to_owned(), main),
        ("acme/skills@pdf#>=1,<1.2".to_owned(), first),
        ("https://github.com/acme/skills/tree/main/skills/pdf".to_owned(), main),
        ("https://github.com/acme/skills/tree/feature/deep/topic/skills/pdf".to_owned(), topic),
        ("https://github.com/acme/skills/blob/v1.0.0/skills/pdf/SKILL.md".to_owned(), first),
    ];
    for (source, expected) in &sources {
        let run = env.run(&["skill", "install", source, "--json"]).ends(0).json();
        let entry = &run["skills"][0]["entry"];
        assert_eq!(entry["pin"]["commit"], **expected, "{source}");
        assert_eq!((&entry["source"], &entry["path"]), (&"github:acme/skills".into(), &"skills/pdf".into()));
        assert!(entry["pin"]["tree"].is_string(), "{source}");
        env.run(&["skill", "uninstall", "pdf"]).ends(0);
    }
    let page = format!("https://github.com/acme/skills/commit/{first}");
    env.run(&["skill", "install", &page, "--skill", "pdf", "--sha", first]).ends(0);
    assert_eq!(env.registry()["skills"]["pdf"]["pinned"], true);
    assert_eq!(env.registry()["skills"]["pdf"]["pin"]["commit"], **first);
    assert!(env.read("project/.claude/skills/pdf/SKILL.md").contains("Does pdf."));
}

#[test]
fn an_old_server_and_a_direct_url_give_the_same() {
    let Some(host) = host() else { return };
    let url = format!("git+{}/acme/skills.git", host.server.url());
    let mut digests = Vec::new();
    for old in [false, true] {
        if old {
            host.server.speak_old();
            host.server.configure("uploadpack.allowTipSHA1InWant=false");
        }
        let args = ["skill", "install", &url, "--skill", "docx", "--ref", "v1.2.0", "--json"];
        let run = host.env.run(&args).ends(0).json();
        digests.push(run["skills"][0]["entry"]["digest"].clone());
        host.env.run(&["skill", "uninstall", "docx"]).ends(0);
    }
    assert_eq!(digests[0], digests[1]);
}

#[test]
fn what_the_host_does_not_have_is_said_with_what_is_near() {
    let Some(host) = host() else { return };
    let zeros = "0123456789012345678901234567890123456789";
    for (args, status, words) in [
        (&["acme/skils"][..], 3, "`acme/skils` was not found on 127.0.0.1"),
        (&["acme/skills", "--ref", "mian"], 3, "did you mean `main`?"),
        (&["acme/skills", "--ref", "^7"], 3, "7"),
        (&["acme/skills", "--sha", zeros], 3, zeros),
        (&["acme/skills", "--ref", "0123456"], 3, "0123456"),
        (&["acme/skills/skills/pfd"], 3, "skills/pfd"),
        (&["acme/skills@pfd"], 3, "did you mean `pdf`?"),
        (&["acme/skills"], 2, "has 2 skills: specify one or more"),
        (&["https://github.com/acme/skills/tree/nowhere/skills/pdf"], 3, "nowhere"),
    ] {
        let args = [&["skill", "install"], args].concat();
        refused(&host.env, &args, status, words);
    }
    let run = refused(&host.env, &["skill", "install", "acme/skils"], 3, "404");
    assert!(run.stderr.contains("GITHUB_TOKEN"), "{}", run.stderr);
}

#[test]
fn a_private_repository_wants_a_token_and_never_shows_it() {
    let Some(mut host) = host() else { return };
    host.server.require_basic(&basic("x-access-token"));
    let run = refused(&host.env, &["skill", "install", "acme/skills@pdf"], 4, "requires credentials");
    assert!(run.stderr.contains("set GITHUB_TOKEN"), "{}", run.stderr);
    host.env.set("GITHUB_TOKEN", "ghp_wrong_CanaryThatNobodyMaySee");
    let run = refused(&host.env, &["skill", "install", "acme/skills@pdf"], 4, "refused the credentials");
    assert!(!run.stderr.contains("Canary"), "{}", run.stderr);
    host.env.set("GITHUB_TOKEN", CANARY);
    let mut printed = String::new();
    for args in [
        &["skill", "install", "acme/skills@pdf", "--verbose"][..],
        &["skill", "install", "acme/skills", "--all", "--json"],
        &["skill", "show", "acme/skills/skills/docx"],
        &["skill", "list", "--check", "--json"],
        &["skill", "install", "acme/none@pdf", "--verbose"],
        &["skill", "install", "acme/skills@nothing-like-it"],
        &["skill", "install", "acme/skills#nothing-like-it", "--json"],
    ] {
        let run = host.env.run(args);
        printed += &(run.stdout + &run.stderr);
    }
    assert!(printed.contains("Installed pdf"), "{printed}");
    let files = host.env.picture("").into_iter().map(|(path, content)| path + &content).collect::<String>();
    for (place, text) in [("output", &printed), ("files", &files)] {
        for secret in [CANARY, &basic("x-access-token")] {
            assert!(!text.contains(secret), "the token is in {place}");
        }
    }
    assert!(
        host.server
            .seen()
            .iter()
            .any(|seen| seen.header("authorization").ends_with(&basic("x-access-token")))
    );
}

/// GitLab and Bitbucket have their own base URL, token and user name for it.
#[test]
fn each_host_gets_its_own_token() {
    for (variable, token, source, repository, login) in [
        (
            "BA_AGENT_GITLAB_URL",
            "GITLAB_TOKEN",
            "gitlab:team/sub/skills//skills/pdf",
            "team/sub/skills",
            "oauth2",
        ),
        (
            "BA_AGENT_BITBUCKET_URL",
            "BITBUCKET_TOKEN",
            "bitbucket:team/skills/skills/pdf",
            "team/skills",
            "x-token-auth",
        ),
    ] {
        let Some(mut host) = host() else { return };
        drop(host.env.git_repo(&format!("srv/{repository}.git"), &host.env.path("src")));
        host.server.require_basic(&basic(login));
        host.env.set(variable, host.server.url());
        host.env.set("BA_AGENT_GITHUB_URL", "https://github.com");
        let run = refused(&host.env, &["skill", "install", source], 4, "requires credentials");
        assert!(run.stderr.contains(&format!("set {token}")), "{}", run.stderr);
        host.env.set(token, CANARY);
        host.env.run(&["skill", "install", source]).ends(0);
        assert_eq!(host.env.registry()["skills"]["pdf"]["path"], "skills/pdf");
    }
}

/// A token may also stand in the settings, as the name of a variable, and come from one of
/// git's credential helpers.
#[test]
fn tokens_of_settings_and_helpers_are_used() {
    let Some(mut host) = host() else { return };
    host.server.require_basic(&basic("x-access-token"));
    host.env.write("settings/config.yaml", "skills:\n  auth:\n    github_token: ${MY_TOKEN}\n");
    host.env.set("MY_TOKEN", CANARY);
    host.env.run(&["skill", "install", "acme/skills@pdf"]).ends(0);
    host.env.write("settings/config.yaml", "skills:\n  auth: {}\n");
    refused(&host.env, &["skill", "install", "acme/skills@docx"], 4, "requires credentials");
    if cfg!(unix) {
        let helper = format!("!f() {{ echo username=x-access-token; echo password={CANARY}; }}; f");
        host.env.write("home/.gitconfig", format!("[credential]\n\thelper = \"{helper}\"\n"));
        host.env.run(&["skill", "install", "acme/skills@docx"]).ends(0);
    }
    let text = host.env.read("project/config/skills_registry.json");
    assert!(!text.contains("Canary"), "{text}");
}

/// The same server under another name is another host: the token stays.
#[test]
fn a_token_goes_to_its_own_host_only() {
    let Some(mut host) = host() else { return };
    host.env.set("GITHUB_TOKEN", CANARY);
    let other = format!("git+{}/acme/skills.git", host.server.other_name());
    host.env.run(&["skill", "install", &other, "--skill", "pdf"]).ends(0);
    host.server.play(
        "/acme/moved.git",
        Play::Redirect(format!("{}/acme/skills.git/info/refs", host.server.other_name())),
    );
    let run = host.env.run(&["skill", "install", "acme/moved@docx"]);
    assert_ne!(run.status, 0, "{}", run.stderr);
    assert!(run.stderr.contains("localhost"), "the new address is not named: {}", run.stderr);
    assert!(!run.stderr.contains(CANARY));
    for seen in host.server.seen() {
        let local = seen.header("host").starts_with("localhost");
        assert!(!local || seen.header("authorization").is_empty(), "{seen:?}");
    }
}

/// Who owns the new address is for the person to say.
#[test]
fn a_repository_that_has_moved_is_named_and_not_followed() {
    let Some(host) = host() else { return };
    let to = format!("{}/acme/skills.git", host.server.url());
    host.server.play("/acme/renamed.git/info/refs", Play::Redirect(format!("{to}/info/refs")));
    let run = refused(&host.env, &["skill", "install", "acme/renamed@pdf"], 3, "the repository has moved to");
    assert!(run.stderr.contains("then use acme/skills\n"), "{}", run.stderr);
}

#[test]
fn broken_answers_change_nothing() {
    let Some(host) = host() else { return };
    let install = ["skill", "install", "acme/skills@pdf"];
    for (part, play, status) in [
        ("/git-upload-pack", Play::Truncate(400), 5),
        ("/git-upload-pack", Play::Truncate(9), 5),
        ("/info/refs", Play::Truncate(60), 5),
        ("/info/refs", Play::Status(403), 4),
        ("/info/refs", Play::Status(404), 3),
        ("/info/refs", Play::Status(501), 5),
        ("/info/refs", Play::Bytes("text/html", b"<html>log in</html>".to_vec()), 3),
        ("/git-upload-pack", Play::Bytes("text/html", b"<html>log in</html>".to_vec()), 5),
    ] {
        host.server.play(part, play.clone());
        let before = disk(&host.env);
        let run = host.env.run(&install);
        assert_eq!(run.status, status, "{part} {play:?}: {}", run.stderr);
        assert!(!run.stderr.contains('\u{1b}'), "{}", run.stderr);
        assert_eq!(disk(&host.env), before, "{part} {play:?}");
        host.server.play_fair();
    }
    // A byte that was turned around is found wherever it is: by the framing of the answer, or
    // by the checksums of the pack and its objects. Where which begins is git's to choose.
    let mut by_checksum = 0;
    for at in (0..4).chain((150..500).step_by(14)) {
        host.server.play("/git-upload-pack", Play::Corrupt(at));
        let before = disk(&host.env);
        let run = host.env.run(&install);
        let is_ref = run.stderr.contains("the remote sent a broken ref");
        let framing = if is_ref { "broken ref" } else { "does not speak git's protocol" };
        let words = if run.status == 6 { "is damaged" } else { framing };
        by_checksum += usize::from(run.status == 6);
        let status = if at < 4 || run.status != 6 { 5 } else { 6 };
        run.ends(status).says(words);
        assert_eq!(disk(&host.env), before);
        host.server.play_fair();
    }
    assert!(by_checksum > 8, "{by_checksum}");
    host.server.play_fair();
    host.env.run(&install).ends(0);
}

/// What could be done without the host is said by who cannot reach it, and what was probably meant
/// where there is no such repository.
#[test]
fn what_is_not_there_is_answered_with_what_is() {
    let Some(host) = host() else { return };
    let Host { env, server, .. } = host;
    refused(&env, &["skill", "install", "anthropic/skils@pdf"], 3, "did you mean `anthropics/skills`?");
    let run = env.run(&["skill", "install", "acme/skils@pdf"]);
    assert!(!run.stderr.contains("did you mean"), "{}", run.stderr);
    env.run(&["marketplace", "add", "acme", "acme/skills"]).ends(0);
    let run = env.run(&["skill", "install", "acme/skils@pdf"]);
    assert!(run.stderr.contains("did you mean `acme/skills`?"), "{}", run.stderr);
    env.run(&["skill", "install", "acme/skills@pdf"]).ends(0);
    env.run(&["skill", "uninstall", "pdf"]).ends(0);
    drop(server);
    let cached = "the cache has acme/skills as it was just now: with `--offline` that is used";
    refused(&env, &["skill", "install", "acme/skills@pdf"], 5, cached);
    env.run(&["skill", "install", "acme/skills@pdf", "--offline"]).ends(0);
    let run = refused(&env, &["skill", "install", "acme/never"], 5, "cannot be reached");
    assert!(!run.stderr.contains("the cache has"), "{}", run.stderr);
}

#[test]
fn a_host_that_cannot_be_reached_is_named() {
    let mut env = TestEnv::new();
    let closed = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap();
    env.set("BA_AGENT_GITHUB_URL", format!("http://{closed}"));
    refused(&env, &["skill", "install", "acme/skills"], 5, "127.0.0.1 cannot be reached");
    refused(&env, &["skill", "install", &format!("http://{closed}/x.zip")], 5, "127.0.0.1 cannot be reached");
    let run = env.run(&["skill", "install", "acme/skills", "--json"]).ends(5).json();
    assert_eq!(run["error"]["kind"], "network");
    refused(&env, &["skill", "install", "http://example.org/x.zip"], 2, "plain http");
}

#[test]
fn the_users_instead_of_is_obeyed() {
    let Some(mut host) = host() else { return };
    host.env.set("BA_AGENT_GITHUB_URL", "https://github.com");
    let config = format!("[url \"{}/\"]\n\tinsteadOf = https://github.com/\n", host.server.url());
    host.env.write("home/.gitconfig", config);
    host.env.run(&["skill", "install", "acme/skills@pdf"]).ends(0);
    assert_eq!(host.env.registry()["skills"]["pdf"]["source"], "github:acme/skills");
    assert!(!host.server.seen().is_empty());
}

#[test]
fn offline_opens_no_connection() {
    let Some(host) = host() else { return };
    let archive = format!("{}/x.zip", host.server.url());
    for source in ["acme/skills@pdf", "acme/skills#v1.0.0@pdf", &archive] {
        refused(&host.env, &["skill", "install", source, "--offline"], 5, "offline");
    }
    host.env.run(&["skill", "install", "builtin:skill-finder", "--offline"]).ends(0);
    host.env.run(&["skill", "install", "../src", "--skill", "pdf", "--offline"]).ends(0);
    assert!(host.server.seen().is_empty(), "{:?}", host.server.seen());
}

/// A server of files, and the bytes of an archive with one skill in two formats.
fn archives() -> (TestEnv, Server, Vec<(&'static str, Vec<u8>)>) {
    let env = TestEnv::new();
    env.skill("src/pdf").file("scripts/run.py", "print('pdf')\n");
    let zip = std::fs::read(env.zip("x.zip", &env.path("src"))).unwrap();
    let tgz = std::fs::read(env.tar_gz("x.tar.gz", &env.path("src"))).unwrap();
    let server = Server::start_bare(Path::new("/nowhere"));
    (env, server, vec![("x.zip", zip), ("x.tar.gz", tgz)])
}

#[test]
fn archives_by_url_are_held_to_their_bytes() {
    let (env, server, archives) = archives();
    let mut digests = Vec::new();
    for (name, bytes) in archives {
        let url = format!("{}/dl/{name}", server.url());
        server.play(&format!("/dl/{name}"), Play::Bytes("application/octet-stream", bytes.clone()));
        let run = env.run(&["skill", "install", &url, "--json"]).ends(0).json();
        let entry = run["skills"][0]["entry"].clone();
        assert_eq!((&entry["source"], &entry["kind"]), (&url.clone().into(), &"archive".into()));
        digests.push(entry["digest"].clone());
        assert_eq!(env.picture("project/.claude/skills/pdf"), env.picture("src/pdf"));
        env.run(&["skill", "uninstall", "pdf"]).ends(0);
        let pin = entry["pin"]["archive"].as_str().unwrap().to_owned();
        env.run(&["skill", "install", &url, "--integrity", &pin]).ends(0);
        env.run(&["skill", "uninstall", "pdf"]).ends(0);
        let wrong = format!("sha256:{}", "0".repeat(64));
        let run = refused(
            &env,
            &["skill", "install", &url, "--integrity", &wrong],
            6,
            "not the archive that was expected",
        );
        assert!(run.stderr.contains(&pin) && run.stderr.contains(&wrong), "{}", run.stderr);
        refused(&env, &["skill", "install", &url, "--integrity", "md5:00"], 2, "digest");
    }
    assert_eq!(digests[0], digests[1]);
}

#[test]
fn what_is_no_archive_is_refused() {
    let (env, server, archives) = archives();
    let page = b"<!DOCTYPE html><html><body>Please log in</body></html>".to_vec();
    let (zip, tgz) = (archives[0].1.clone(), archives[1].1.clone());
    for (at, (name, bytes, status, words)) in [
        ("x.zip", page.clone(), 8, "a web page, not an archive"),
        ("x.tar.gz", page, 8, "a web page, not an archive"),
        ("x.zip", Vec::new(), 8, "empty"),
        ("x.zip", b"just text".to_vec(), 8, "x.zip"),
        ("x.zip", tgz, 8, "x.zip"),
        ("x.tar.gz", zip.clone(), 8, "x.tar.gz"),
        ("x.zip", zip[..zip.len() / 2].to_vec(), 8, "x.zip"),
    ]
    .into_iter()
    .enumerate()
    {
        let part = format!("/{at}/{name}");
        server.play(&part, Play::Bytes("application/zip", bytes));
        refused(&env, &["skill", "install", &format!("{}{part}", server.url())], status, words);
    }
    server.play("/cut/x.zip", Play::Truncate(40));
    let run = env.run(&["skill", "install", &format!("{}/cut/x.zip", server.url())]);
    assert_ne!(run.status, 0, "{}", run.stderr);
}

#[test]
fn statuses_of_an_archives_host_have_their_exit_status() {
    let (env, server, archives) = archives();
    for (status, exit) in [(404, 3), (410, 3), (401, 4), (403, 4), (501, 5)] {
        server.play(&format!("/{status}/"), Play::Status(status));
        let url = format!("{}/{status}/x.zip?download=1", server.url());
        refused(&env, &["skill", "install", &url], exit, &status.to_string());
    }
    let signed = format!("{}/x.zip?signature={CANARY}", server.url());
    let run = refused(&env, &["skill", "install", &signed], 2, "contains a credential");
    assert!(!run.stderr.contains(CANARY), "{}", run.stderr);
    let (name, bytes) = archives.into_iter().next().unwrap();
    server.play("/there/", Play::Bytes("application/zip", bytes));
    server.play("/here/", Play::Redirect(format!("{}/there/{name}", server.url())));
    env.run(&["skill", "install", &format!("{}/here/{name}", server.url())]).ends(0);
    server.play("/round/", Play::Redirect(format!("{}/round/{name}", server.url())));
    refused(&env, &["skill", "install", &format!("{}/round/{name}", server.url())], 5, "redirects");
}

/// An archive of more bytes than the settings allow is not read to its end.
#[test]
fn a_download_has_a_limit() {
    let (env, server, _) = archives();
    env.write("settings/config.yaml", "skills:\n  limits:\n    download: 1KiB\n");
    server.play("/big.zip", Play::Bytes("application/zip", vec![0; 1 << 20]));
    refused(&env, &["skill", "install", &format!("{}/big.zip", server.url())], 8, "1024");
}
