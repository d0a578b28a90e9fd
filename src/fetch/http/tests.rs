//! The client against a loopback server that does everything wrong, with a token as
//! canary: it may never arrive at another scheme, host or port.

use super::answer::SLOWEST;
use super::*;
use crate::fetch::Extent;
use crate::fetch::git::Remote;
use crate::fetch::testing::Bench;
use ba_agent_core::source::{Reference, Source};
use ba_agent_test_support::server::{Play, Server};

const TOKEN: &str = "canary-7f3a";
/// `x-access-token:canary-7f3a`
const BASIC: &str = "eC1hY2Nlc3MtdG9rZW46Y2FuYXJ5LTdmM2E=";

fn server(bench: &Bench) -> Server {
    std::fs::create_dir_all(bench.served()).unwrap();
    Server::start_bare(&bench.served())
}

/// A bench whose GitHub is `server`, with the canary as its token.
fn with_token(bench: &mut Bench, server: &Server) {
    bench.settings.github_url = server.url();
    bench.settings.github_token = Some(crate::settings::Secret::new(TOKEN));
}

fn text(play: &str) -> Play {
    Play::Bytes("text/plain", play.into())
}

#[test]
fn bytes_come_with_progress_and_below_their_cap() {
    let bench = Bench::new();
    let server = server(&bench);
    server.play("/a", text("hello"));
    let world = bench.world();
    let url = format!("{}/a", server.url());
    assert_eq!(world.net().download(&url, 5).unwrap(), b"hello");
    assert_eq!(world.net().download(&url, 4).unwrap_err().kind, Kind::Invalid);
    assert!(bench.progress.0.load(std::sync::atomic::Ordering::Relaxed) > 0);
    assert_eq!(server.seen()[0].header("user-agent"), AGENT);
}

#[test]
fn a_connection_is_used_again() {
    let bench = Bench::new();
    let server = server(&bench);
    server.play("/", text("x"));
    let world = bench.world();
    for _ in 0..3 {
        world.net().download(&format!("{}/a", server.url()), 9).unwrap();
    }
    assert_eq!((server.seen().len(), server.connections()), (3, 1));
}

#[test]
fn a_status_decides_the_kind_and_a_busy_host_is_asked_three_times() {
    let bench = Bench::new();
    let server = server(&bench);
    for (status, kind, requests) in [
        (401, Kind::Auth, 1),
        (403, Kind::Auth, 1),
        (404, Kind::NotFound, 1),
        (410, Kind::NotFound, 1),
        (418, Kind::Network, 1),
        (429, Kind::Network, 3),
        (500, Kind::Network, 3),
        (503, Kind::Network, 3),
    ] {
        server.play(&format!("/{status}"), Play::Status(status));
        let world = bench.world();
        let before = server.seen().len();
        let error = world.net().download(&format!("{}/{status}", server.url()), 99).unwrap_err();
        assert_eq!((error.kind, server.seen().len() - before), (kind, requests), "{status}: {error:?}");
        assert!(!error.hints.is_empty(), "{status}");
    }
    server.play_times("/twice", 2, Play::Status(503));
    server.play("/twice", text("at last"));
    assert_eq!(bench.world().net().download(&format!("{}/twice", server.url()), 99).unwrap(), b"at last");
}

/// What a host says of waiting goes before our own pauses; who asks for long is left alone.
#[test]
fn a_host_that_asks_to_wait_is_waited_for() {
    let bench = Bench::new();
    let server = server(&bench);
    for (path, status, when, requests, hint) in [
        ("/now", 503, "0", 3, "try again in 0 seconds"),
        ("/minute", 429, "60", 1, "try again in 60 seconds"),
        ("/hour", 503, "3600", 1, "try again in 60 minutes"),
        ("/date", 429, "Thu, 01 Jan 1970 00:02:00 GMT", 1, "try again in 2 minutes"),
        ("/past", 503, "Wed, 31 Dec 1969 00:00:00 GMT", 3, "try again in 0 seconds"),
        ("/endless", 503, "99999999999999999999", 3, "try again in a few minutes"),
        ("/words", 503, "soon", 3, "try again in a few minutes"),
    ] {
        server.play(path, Play::Later(status, when));
        let before = server.seen().len();
        let error = bench.world().net().download(&format!("{}{path}", server.url()), 99).unwrap_err();
        assert_eq!(error.kind, Kind::Network);
        assert_eq!(server.seen().len() - before, requests, "{path}: {error:?}");
        assert!(error.hints.iter().any(|said| said.contains(hint)), "{path}: {error:?}");
    }
}

#[test]
fn a_status_is_told_as_what_it_is() {
    let bench = Bench::new();
    let server = server(&bench);
    for (status, kind, words, not) in [
        (451, Kind::NotFound, "legal reasons", "again"),
        (400, Kind::Network, "rejected the request", "again"),
        (405, Kind::Network, "rejected the request", "again"),
        (500, Kind::Network, "could not answer", "legal"),
    ] {
        server.play(&format!("/{status}"), Play::Status(status));
        let error = bench.world().net().download(&format!("{}/{status}", server.url()), 99).unwrap_err();
        assert_eq!(error.kind, kind, "{status}");
        let said = format!("{error:?}");
        assert!(said.contains(words) && !said.contains(not) && said.contains(&status.to_string()), "{said}");
    }
}

#[test]
fn a_host_that_drips_is_given_up_by_the_time_it_was_waited_for() {
    let second = Duration::from_secs(1);
    let mut speed = Speed::new(60 * second);
    for _ in 0..200 {
        speed.count("h", 2 * SLOWEST, second).unwrap();
    }
    // A long pause of our own costs the host nothing.
    speed.count("h", 1, Duration::ZERO).unwrap();
    let mut speed = Speed::new(60 * second);
    let drip = (0..).find_map(|at| speed.count("h", 4, 20 * second).err().map(|error| (at, error)));
    let (at, error) = drip.unwrap();
    assert_eq!((at, error.kind), (2, Kind::Network));
}

#[test]
fn a_token_is_sent_without_the_blanks_around_it() {
    let mut bench = Bench::new();
    let server = server(&bench);
    server.play("/a", text("x"));
    let url = format!("{}/a", server.url());
    bench.settings.github_url = server.url();
    for token in [TOKEN.to_owned(), format!("{TOKEN}\n"), format!(" {TOKEN}\r\n"), format!("\t{TOKEN} ")] {
        bench.settings.github_token = Some(crate::settings::Secret::new(token));
        bench.world().net().download(&url, 9).unwrap();
        assert_eq!(server.seen().last().unwrap().header("authorization"), format!("Basic {BASIC}"));
    }
    bench.settings.github_token = Some(crate::settings::Secret::new(" \n"));
    bench.world().net().download(&url, 9).unwrap();
    assert_eq!(server.seen().last().unwrap().header("authorization"), "");
    let before = server.seen().len();
    for token in ["a\nb", "a\rb", "a\u{1b}b", "a\0b"] {
        bench.settings.github_token = Some(crate::settings::Secret::new(token));
        let error = bench.world().net().download(&url, 9).unwrap_err();
        assert!(error.kind == Kind::Usage && error.hints[0].contains("GITHUB_TOKEN"), "{error:?}");
    }
    assert_eq!(server.seen().len(), before, "nothing was sent");
}

/// Who sent a token need not be told to set one.
#[test]
fn a_404_after_a_token_speaks_of_its_rights() {
    let mut bench = Bench::new();
    let server = server(&bench);
    server.play("/", Play::Status(404));
    let url = format!("{}/a", server.url());
    bench.settings.github_url = server.url();
    let error = bench.world().net().download(&url, 9).unwrap_err();
    assert!(error.hints[0].contains("set GITHUB_TOKEN"), "{error:?}");
    bench.settings.github_token = Some(crate::settings::Secret::new(TOKEN));
    let error = bench.world().net().download(&url, 9).unwrap_err();
    assert!(
        error.kind == Kind::NotFound
            && error.hints[0].contains("the token of GITHUB_TOKEN was sent: does it have"),
        "{error:?}"
    );
    assert!(!error.hints[0].contains("set GITHUB_TOKEN"), "{error:?}");
}

#[test]
fn a_host_that_is_not_there_or_falls_silent_is_a_network_error() {
    let bench = Bench::new();
    let server = server(&bench);
    server.play("/stall", Play::Stall(0));
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let world = bench.hasty_world();
    for url in [
        format!("http://{closed}/x"),
        "https://no-such-host.invalid/x".to_owned(),
        format!("{}/git/stall", server.url()),
        format!("https://{}/tls", server.url().trim_start_matches("http://")),
    ] {
        let error = world.net().download(&url, 99).unwrap_err();
        assert!(matches!(error.kind, Kind::Network | Kind::NotFound), "{url}: {error:?}");
    }
}

#[test]
fn what_is_offline_opens_no_connection() {
    let bench = Bench::new();
    let server = server(&bench);
    let world = bench.offline_world(None);
    assert_eq!(world.net().download(&format!("{}/a", server.url()), 9).unwrap_err().kind, Kind::Network);
    assert!(server.seen().is_empty());
}

#[test]
fn plain_http_and_credentials_in_a_url_are_refused() {
    let mut bench = Bench::new();
    for url in [
        "http://h.example/a.zip",
        "ftp://h.example/a",
        "file:///etc/passwd",
        "https://u:p@h.example/a",
        "https://u@h.example/a",
        "no url",
        "",
    ] {
        let error = bench.world().net().download(url, 9).unwrap_err();
        assert_eq!(error.kind, Kind::Usage, "{url}: {error:?}");
        assert!(!error.message.contains("u:p"));
    }
    bench.settings.allow_http = true;
    assert!(bench.world().net().parse_url("http://h.example/a.zip").is_ok());
}

/// Archives may be redirected to any host; the token stays where it belongs.
#[test]
fn a_redirect_takes_no_token_to_another_origin() {
    let mut bench = Bench::new();
    let (home, other) = (server(&bench), server(&bench));
    with_token(&mut bench, &home);
    home.require_basic(BASIC);
    home.play("/own", Play::Redirect(format!("{}/there", home.url())));
    home.play("/there", text("own"));
    home.play("/port", Play::Redirect(format!("{}/x", other.url())));
    home.play("/name", Play::Redirect(format!("{}/there", home.other_name())));
    other.play("/x", text("other"));
    let world = bench.world();
    let fetch = |path: &str| world.net().download(&format!("{}{path}", home.url()), 99);
    assert_eq!(fetch("/own").unwrap(), b"own");
    assert_eq!(fetch("/port").unwrap(), b"other");
    assert_eq!(fetch("/name").unwrap(), b"own");
    let authorized =
        |seen: &ba_agent_test_support::server::Seen| seen.header("authorization") == format!("Basic {BASIC}");
    assert!(other.seen().iter().all(|seen| seen.header("authorization").is_empty()));
    let at_home = home.seen();
    let host = |name: &str| name.trim_start_matches("http://").to_owned();
    for seen in &at_home {
        assert_eq!(authorized(seen), seen.header("host") == host(&home.url()), "{seen:?}");
    }
    assert!(at_home.iter().any(|seen| seen.header("host") == host(&home.other_name())));
}

#[test]
fn a_redirect_that_is_no_good_is_refused() {
    let bench = Bench::new();
    let server = server(&bench);
    let base = server.url();
    let cases = [
        ("/circle", format!("{base}/circle?")),
        ("/a-b", format!("{base}/b-a")),
        ("/b-a", format!("{base}/a-b")),
        ("/plain", "http://h.example/x".into()),
        ("/file", "file:///etc/passwd".into()),
        ("/user", format!("http://u:p@{}/x", base.trim_start_matches("http://"))),
        ("/empty", String::new()),
    ];
    for (path, to) in &cases {
        server.play(path, Play::Redirect(to.clone()));
    }
    for (path, _) in cases {
        let error = bench.world().net().download(&format!("{base}{path}"), 99).unwrap_err();
        assert_eq!(error.kind, Kind::Network, "{path}: {error:?}");
    }
    assert!(server.seen().len() <= 7 * (REDIRECTS + 1));
    let world = bench.world();
    let url = |text: &str| Url::parse(text).unwrap();
    assert!(world.net().check_redirect(&url("https://h/a"), &url("http://h/a")).is_err());
    assert!(world.net().check_redirect(&url("https://h/a"), &url("http://localhost/a")).is_err());
    assert!(world.net().check_redirect(&url("http://localhost/a"), &url("https://h/a")).is_ok());
}

/// The seven redirects of a repository, each with the canary in the settings.
#[test]
fn a_repository_that_has_moved_is_named_not_followed() {
    let mut bench = Bench::new();
    let mut repo = bench.repository("o/r.git");
    let id = repo.commit(&[("a/SKILL.md", b"x")], &[]);
    repo.set("refs/heads/main", id);
    let Some(home) = Server::start(&bench.served()) else { return };
    let other = Server::start_bare(&bench.served());
    with_token(&mut bench, &home);
    let source = Source::Github { owner: "o".into(), repo: "r".into() };
    let refs = |to: String| {
        home.play_fair();
        home.play_times("/o/r.git/info/refs", 1, Play::Redirect(to));
        let world = bench.world();
        Remote::open(&source, &world.git).and_then(|remote| remote.fetch_refs().cloned())
    };
    // The same repository on the same host, written in another way, is followed.
    assert!(
        refs(format!("{}/O/r/info/refs", home.url()))
            .is_err_and(|e| e.kind == Kind::NotFound && e.causes[0].contains("404"))
    );
    assert!(refs(format!("{}/o/r/info/refs", home.url())).is_ok());
    for to in [
        format!("{}/new/r.git/info/refs", home.url()),
        format!("{}/o/r.git/info/refs", other.url()),
        format!("{}/o/r.git/info/refs", home.other_name()),
        "https://h.example/o/r.git/info/refs".to_owned(),
    ] {
        let error = refs(to.clone()).unwrap_err();
        assert_eq!(error.kind, Kind::NotFound, "{to}: {error:?}");
        let address = to.trim_end_matches("/info/refs");
        let short =
            address.strip_prefix(&home.url()).map(|path| path.trim_matches('/').trim_end_matches(".git"));
        let shown = short.unwrap_or(address);
        assert!(error.message.contains(shown), "{error:?}");
        assert!(error.hints[0].contains(shown), "{error:?}");
        assert!(!format!("{error:?}").contains(TOKEN));
    }
    assert_eq!(refs("http://h.example/o/r.git/info/refs".into()).unwrap_err().kind, Kind::Network);
    // Nor may the second request be led away.
    home.play_fair();
    home.play("/git-upload-pack", Play::Redirect(format!("{}/o/r.git/git-upload-pack", other.url())));
    let world = bench.world();
    let error = Remote::open(&source, &world.git).unwrap().fetch_refs().unwrap_err();
    assert_eq!(error.kind, Kind::Network);
    assert!(other.seen().is_empty());
    assert!(home.seen().iter().all(|seen| !seen.header("host").starts_with("localhost")));
    assert!(home.seen().iter().all(|seen| seen.header("authorization") == format!("Basic {BASIC}")));
}

#[test]
fn a_private_repository_wants_a_token_of_its_own_host() {
    let mut bench = Bench::new();
    let mut repo = bench.repository("o/r.git");
    let id = repo.commit(&[("a/SKILL.md", b"x")], &[]);
    repo.set("refs/heads/main", id);
    let Some(home) = Server::start(&bench.served()) else { return };
    home.require_basic(BASIC);
    bench.settings.github_url = home.url();
    let source = Source::Github { owner: "o".into(), repo: "r".into() };
    let fetch = |bench: &Bench| {
        let world = bench.world();
        let remote = Remote::open(&source, &world.git)?;
        remote.fetch(&remote.resolve(&Reference::Default, None, None)?, Extent::Full).map(|_| ())
    };
    let error = fetch(&bench).unwrap_err();
    assert_eq!(error.kind, Kind::Auth);
    assert!(error.message.contains("`o/r`"), "{error:?}");
    assert!(
        error.hints[0].contains("GITHUB_TOKEN") && error.hints[0].contains("git@127.0.0.1:o/r.git"),
        "{error:?}"
    );
    bench.settings.github_token = Some(crate::settings::Secret::new("wrong"));
    let error = fetch(&bench).unwrap_err();
    assert_eq!(error.kind, Kind::Auth);
    assert!(error.hints[0].contains("GITHUB_TOKEN"), "{error:?}");
    assert!(!format!("{error:?}").contains("wrong"));
    bench.settings.github_token = Some(crate::settings::Secret::new(TOKEN));
    assert_eq!(fetch(&bench), Ok(()));
    // The token is for that origin; the same machine under another name is none of it.
    bench.settings.gitlab_url = home.other_name();
    let world = bench.world();
    let elsewhere = Source::Gitlab { project: "o/r".into() };
    assert_eq!(Remote::open(&elsewhere, &world.git).unwrap().fetch_refs().unwrap_err().kind, Kind::Auth);
}

/// As git: only after a 401, and one question for a host however often it is asked.
#[cfg(unix)]
#[test]
fn the_credential_helper_is_asked_once() {
    let mut bench = Bench::new();
    let mut repo = bench.repository("o/r.git");
    let id = repo.commit(&[("a/SKILL.md", b"x")], &[]);
    repo.set("refs/heads/main", id);
    let Some(home) = Server::start(&bench.served()) else { return };
    let note = bench.home.path().join("asked");
    bench.git_config(&format!(
        "[credential]\n helper = \"!f() {{ echo $1 >> {}; echo username=x-access-token; echo password={TOKEN}; }}; f\"\n",
        note.display()
    ));
    bench.settings.github_url = home.other_name();
    let source = Source::Github { owner: "o".into(), repo: "r".into() };
    let world = bench.world();
    Remote::open(&source, &world.git).unwrap().fetch_refs().unwrap();
    assert!(!note.exists(), "asked without need");
    home.require_basic(BASIC);
    for _ in 0..2 {
        let remote = Remote::open(&source, &world.git).unwrap();
        remote.fetch(&remote.resolve(&Reference::Default, None, None).unwrap(), Extent::Full).unwrap();
    }
    assert_eq!(std::fs::read_to_string(note).unwrap(), "get\n");
}

#[test]
fn a_login_fits_one_origin_over_a_line_that_nobody_hears() {
    let url = |text: &str| Url::parse(text).unwrap();
    let login =
        Login::new(&url("https://h.example/a"), "x-access-token", crate::settings::Secret::new(TOKEN));
    let expected = format!("Basic {BASIC}");
    for (to, fits) in [
        ("https://h.example/b", true),
        ("https://H.example:443/b", true),
        ("https://h.example:444/b", false),
        ("https://a.h.example/b", false),
        ("https://h.example.evil/b", false),
        ("http://h.example/b", false),
    ] {
        assert_eq!(login.header_for(&url(to)).as_ref(), fits.then_some(&expected), "{to}");
    }
    let open = Login::new(&url("http://h.example/a"), "x", crate::settings::Secret::new(TOKEN));
    assert_eq!(open.header_for(&url("http://h.example/a")), None);
    assert!(!format!("{login:?}").contains(TOKEN));
}
