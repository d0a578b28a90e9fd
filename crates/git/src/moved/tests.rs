//! Repositories that have moved or want a login, with a token as canary: it may never arrive at
//! another scheme, host or port.

use ba_agent_core::error::Kind;
use ba_agent_core::source::{Reference, Source};
use ba_agent_net::hosts::Secret;
use ba_agent_test_support::server::{Play, Server};

use crate::testing::Bench;
use crate::{Extent, Remote};

const TOKEN: &str = "canary-7f3a";
/// `x-access-token:canary-7f3a`
const BASIC: &str = "eC1hY2Nlc3MtdG9rZW46Y2FuYXJ5LTdmM2E=";

/// A bench whose GitHub is `server`, with the canary as its token.
fn with_token(bench: &mut Bench, server: &Server) {
    bench.hosts.github_url = server.url();
    bench.hosts.github_token = Some(Secret::new(TOKEN));
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
        let client = bench.client();
        Remote::open(&source, &client).and_then(|remote| remote.fetch_refs().cloned())
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
    let client = bench.client();
    let error = Remote::open(&source, &client).unwrap().fetch_refs().unwrap_err();
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
    bench.hosts.github_url = home.url();
    let source = Source::Github { owner: "o".into(), repo: "r".into() };
    let fetch = |bench: &Bench| {
        let client = bench.client();
        let remote = Remote::open(&source, &client)?;
        remote.fetch(&remote.resolve(&Reference::Default, None, None)?, Extent::Full).map(|_| ())
    };
    let error = fetch(&bench).unwrap_err();
    assert_eq!(error.kind, Kind::Auth);
    assert!(error.message.contains("`o/r`"), "{error:?}");
    assert!(
        error.hints[0].contains("GITHUB_TOKEN") && error.hints[0].contains("git@127.0.0.1:o/r.git"),
        "{error:?}"
    );
    bench.hosts.github_token = Some(Secret::new("wrong"));
    let error = fetch(&bench).unwrap_err();
    assert_eq!(error.kind, Kind::Auth);
    assert!(error.hints[0].contains("GITHUB_TOKEN"), "{error:?}");
    assert!(!format!("{error:?}").contains("wrong"));
    bench.hosts.github_token = Some(Secret::new(TOKEN));
    assert_eq!(fetch(&bench), Ok(()));
    // The token is for that origin; the same machine under another name is none of it.
    bench.hosts.gitlab_url = home.other_name();
    let client = bench.client();
    let elsewhere = Source::Gitlab { project: "o/r".into() };
    assert_eq!(Remote::open(&elsewhere, &client).unwrap().fetch_refs().unwrap_err().kind, Kind::Auth);
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
    bench.hosts.github_url = home.other_name();
    let source = Source::Github { owner: "o".into(), repo: "r".into() };
    let client = bench.client();
    Remote::open(&source, &client).unwrap().fetch_refs().unwrap();
    assert!(!note.exists(), "asked without need");
    home.require_basic(BASIC);
    for _ in 0..2 {
        let remote = Remote::open(&source, &client).unwrap();
        remote.fetch(&remote.resolve(&Reference::Default, None, None).unwrap(), Extent::Full).unwrap();
    }
    assert_eq!(std::fs::read_to_string(note).unwrap(), "get\n");
}
