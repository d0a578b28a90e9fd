//! The client against a loopback server that does everything wrong, with a token as
//! canary: it may never arrive at another scheme, host or port.

use super::answer::SLOWEST;
use super::*;
use crate::testing::Bench;
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
    bench.hosts.github_url = server.url();
    bench.hosts.github_token = Some(crate::hosts::Secret::new(TOKEN));
}

fn text(play: &str) -> Play {
    Play::Bytes("text/plain", play.into())
}

#[test]
fn bytes_come_with_progress_and_below_their_cap() {
    let bench = Bench::new();
    let server = server(&bench);
    server.play("/a", text("hello"));
    let net = bench.net();
    let url = format!("{}/a", server.url());
    assert_eq!(net.download(&url, 5).unwrap(), b"hello");
    assert_eq!(net.download(&url, 4).unwrap_err().kind, Kind::Invalid);
    assert!(bench.progress.0.load(std::sync::atomic::Ordering::Relaxed) > 0);
    assert_eq!(server.seen()[0].header("user-agent"), AGENT);
}

#[test]
fn a_connection_is_used_again() {
    let bench = Bench::new();
    let server = server(&bench);
    server.play("/", text("x"));
    let net = bench.net();
    for _ in 0..3 {
        net.download(&format!("{}/a", server.url()), 9).unwrap();
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
        let net = bench.net();
        let before = server.seen().len();
        let error = net.download(&format!("{}/{status}", server.url()), 99).unwrap_err();
        assert_eq!((error.kind, server.seen().len() - before), (kind, requests), "{status}: {error:?}");
        assert!(!error.hints.is_empty(), "{status}");
    }
    server.play_times("/twice", 2, Play::Status(503));
    server.play("/twice", text("at last"));
    assert_eq!(bench.net().download(&format!("{}/twice", server.url()), 99).unwrap(), b"at last");
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
        let error = bench.net().download(&format!("{}{path}", server.url()), 99).unwrap_err();
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
        let error = bench.net().download(&format!("{}/{status}", server.url()), 99).unwrap_err();
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
    bench.hosts.github_url = server.url();
    for token in [TOKEN.to_owned(), format!("{TOKEN}\n"), format!(" {TOKEN}\r\n"), format!("\t{TOKEN} ")] {
        bench.hosts.github_token = Some(crate::hosts::Secret::new(token));
        bench.net().download(&url, 9).unwrap();
        assert_eq!(server.seen().last().unwrap().header("authorization"), format!("Basic {BASIC}"));
    }
    bench.hosts.github_token = Some(crate::hosts::Secret::new(" \n"));
    bench.net().download(&url, 9).unwrap();
    assert_eq!(server.seen().last().unwrap().header("authorization"), "");
    let before = server.seen().len();
    for token in ["a\nb", "a\rb", "a\u{1b}b", "a\0b"] {
        bench.hosts.github_token = Some(crate::hosts::Secret::new(token));
        let error = bench.net().download(&url, 9).unwrap_err();
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
    bench.hosts.github_url = server.url();
    let error = bench.net().download(&url, 9).unwrap_err();
    assert!(error.hints[0].contains("set GITHUB_TOKEN"), "{error:?}");
    bench.hosts.github_token = Some(crate::hosts::Secret::new(TOKEN));
    let error = bench.net().download(&url, 9).unwrap_err();
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
    let net = bench.hasty_net();
    for url in [
        format!("http://{closed}/x"),
        "https://no-such-host.invalid/x".to_owned(),
        format!("{}/git/stall", server.url()),
        format!("https://{}/tls", server.url().trim_start_matches("http://")),
    ] {
        let error = net.download(&url, 99).unwrap_err();
        assert!(matches!(error.kind, Kind::Network | Kind::NotFound), "{url}: {error:?}");
    }
}

#[test]
fn what_is_offline_opens_no_connection() {
    let bench = Bench::new();
    let server = server(&bench);
    let net = bench.offline_net();
    assert_eq!(net.download(&format!("{}/a", server.url()), 9).unwrap_err().kind, Kind::Network);
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
        let error = bench.net().download(url, 9).unwrap_err();
        assert_eq!(error.kind, Kind::Usage, "{url}: {error:?}");
        assert!(!error.message.contains("u:p"));
    }
    bench.hosts.allow_http = true;
    assert!(bench.net().parse_url("http://h.example/a.zip").is_ok());
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
    let net = bench.net();
    let fetch = |path: &str| net.download(&format!("{}{path}", home.url()), 99);
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
        let error = bench.net().download(&format!("{base}{path}"), 99).unwrap_err();
        assert_eq!(error.kind, Kind::Network, "{path}: {error:?}");
    }
    assert!(server.seen().len() <= 7 * (REDIRECTS + 1));
    let net = bench.net();
    let url = |text: &str| Url::parse(text).unwrap();
    assert!(net.check_redirect(&url("https://h/a"), &url("http://h/a")).is_err());
    assert!(net.check_redirect(&url("https://h/a"), &url("http://localhost/a")).is_err());
    assert!(net.check_redirect(&url("http://localhost/a"), &url("https://h/a")).is_ok());
}

#[test]
fn a_login_fits_one_origin_over_a_line_that_nobody_hears() {
    let url = |text: &str| Url::parse(text).unwrap();
    let login = Login::new(&url("https://h.example/a"), "x-access-token", crate::hosts::Secret::new(TOKEN));
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
    let open = Login::new(&url("http://h.example/a"), "x", crate::hosts::Secret::new(TOKEN));
    assert_eq!(open.header_for(&url("http://h.example/a")), None);
    assert!(!format!("{login:?}").contains(TOKEN));
}
