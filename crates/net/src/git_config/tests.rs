//! Each case is asked of git itself, too, where there is a git program: what it answers is
//! what counts.

use std::process::{Command, Stdio};

use super::*;
use crate::credentials::testing::helpers_asked;

/// What a run of git says, with this configuration and nothing else of the machine's.
fn git(home: &Path, variables: &[(&str, &str)], args: &[&str], input: &str) -> Option<String> {
    use std::io::Write as _;
    let mut child = Command::new("git")
        .args(args)
        .current_dir(home)
        .env_remove("XDG_CONFIG_HOME")
        .envs([("HOME", home.as_os_str())])
        .envs([("GIT_CONFIG_NOSYSTEM", "1"), ("GIT_TERMINAL_PROMPT", "0"), ("GIT_ASKPASS", "true")])
        .envs(variables.iter().copied())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .inspect_err(|_| println!("skipped: there is no git program to compare with"))
        .ok()?;
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    Some(String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap())
}

fn world(text: &str, variables: &[(&str, &str)]) -> (tempfile::TempDir, GitConfig) {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join(".gitconfig"), text).unwrap();
    let config = GitConfig::load(&Env::isolated(dir.path(), variables)).unwrap();
    (dir, config)
}

/// `http.proxy` for a URL, as we and as git say it.
#[test]
fn http_settings_of_a_url_are_those_that_git_finds() {
    let u = "https://git.example.com/team/app.git";
    let port = "https://git.example.com:8443/team/app.git";
    let cases: &[(&str, &str, Option<&str>)] = &[
        ("[http]\nproxy = a", u, Some("a")),
        ("[http]\nproxy = a\nproxy = b", u, Some("b")),
        ("[http \"https://git.example.com\"]\nproxy = a\n[http]\nproxy = b", u, Some("a")),
        (
            "[http \"https://git.example.com\"]\nproxy = a\n[http \"https://*.example.com\"]\nproxy = b",
            u,
            Some("a"),
        ),
        (
            "[http \"https://*.example.com\"]\nproxy = a\n[http \"https://git.example.com\"]\nproxy = b",
            u,
            Some("b"),
        ),
        ("[http \"https://*.example.com\"]\nproxy = a", "https://example.com/x", None),
        ("[http \"https://*.example.com\"]\nproxy = a", "https://a.b.example.com/x", None),
        ("[http \"https://*.com\"]\nproxy = a", u, None),
        ("[http \"https://git.*.com\"]\nproxy = a", u, Some("a")),
        (
            "[http \"https://git.example.com/team\"]\nproxy = a\n[http \"https://git.example.com\"]\nproxy = b",
            u,
            Some("a"),
        ),
        ("[http \"https://git.example.com/team/\"]\nproxy = a", u, Some("a")),
        ("[http \"https://git.example.com/tea\"]\nproxy = a", u, None),
        ("[http \"https://git.example.com/te%61m\"]\nproxy = a", u, Some("a")),
        ("[http \"https://git.example.com/x/../team\"]\nproxy = a", u, Some("a")),
        ("[http \"HTTPS://Git.Example.COM\"]\nproxy = a", u, Some("a")),
        ("[http \"https://git.example.com:443\"]\nproxy = a", u, Some("a")),
        ("[http \"https://git.example.com\"]\nproxy = a", port, None),
        ("[http \"https://git.example.com:8443\"]\nproxy = a", port, Some("a")),
        ("[http \"https://git.example.com:8443\"]\nproxy = a", u, None),
        ("[http \"http://git.example.com\"]\nproxy = a", u, None),
        ("[http \"https://me@git.example.com\"]\nproxy = a", u, None),
        ("[http \"git.example.com\"]\nproxy = a", u, None),
        ("[http \"https://git.example.com\"]\nPROXY = a", u, Some("a")),
        ("[HTTP \"https://git.example.com\"]\nproxy =", u, Some("")),
        ("[http]\nproxy = \"a b\" ; c\n", u, Some("a b")),
        ("[http]\nproxy = a\\\nb", u, Some("ab")),
        ("[http]\nproxy = a\n[http \"\"]\nproxy = b", u, Some("a")),
    ];
    for (text, url, expected) in cases {
        let (dir, config) = world(text, &[]);
        let parsed = Url::parse(url).unwrap();
        assert_eq!(config.http_text("proxy", &parsed), *expected, "{text}\n{url}");
        let Some(said) = git(dir.path(), &[], &["config", "--get-urlmatch", "http.proxy", url], "") else {
            return;
        };
        assert_eq!(said.strip_suffix('\n'), *expected, "git says otherwise: {text}\n{url}");
    }
}

#[test]
fn several_values_of_a_url_add_up_as_git_sends_them() {
    let check = |text: &str, expected: &[&str]| {
        let (_dir, config) = world(text, &[]);
        let url = Url::parse("https://h.example/o/r.git").unwrap();
        let found: Vec<&str> =
            config.http_values_for_url("extraheader", &url).iter().filter_map(|one| one.value).collect();
        assert_eq!(found, expected, "{text}");
    };
    check(
        "[http]\nextraHeader = A: 1\n[http \"https://h.example\"]\nextraHeader = B: 2\nextraHeader = C: 3",
        &["A: 1", "B: 2", "C: 3"],
    );
    check("[http \"https://h.example/\"]\nextraHeader = B: 2\n[http]\nextraHeader = A: 1", &["B: 2"]);
    check(
        "[http \"https://h.example\"]\nextraHeader = B: 2\nextraHeader =\nextraHeader = C: 3",
        &["B: 2", "", "C: 3"],
    );
    check("[http \"https://h.example:444\"]\nextraHeader = B: 2", &[]);
}

/// Which helpers are asked for a URL, in which order, and what they are asked.
#[cfg(unix)]
#[test]
fn the_helpers_that_are_asked_are_those_that_git_asks() {
    let u = "https://git.example.com/team/app.git";
    let port = "https://git.example.com:8443/team/app.git";
    // `h NAME` is a helper that notes its name and what it was asked, and knows nothing.
    let cases: &[(&str, &str)] = &[
        ("[credential]\nh one\nh two", u),
        ("[credential]\nh one\nhelper =\nh two", u),
        ("[credential \"https://git.example.com\"]\nh one\n[credential]\nh two", u),
        ("[credential \"https://git.example.com/team\"]\nh one", u),
        ("[credential \"https://git.example.com/team\"]\nuseHttpPath = true\nh one", u),
        ("[credential]\nuseHttpPath = false\nh one", u),
        ("[credential \"https://git.example.com/other\"]\nh one", u),
        (
            "[credential \"https://git.example.com:8443\"]\nh one\n[credential \"https://git.example.com\"]\nh two",
            port,
        ),
        (
            "[credential \"https://git.example.com:8443\"]\nh one\n[credential \"https://git.example.com\"]\nh two",
            u,
        ),
        ("[credential \"https://*.example.com\"]\nh one", u),
        ("[credential \"https://*\"]\nh one", u),
        ("[credential \"http://git.example.com\"]\nh one", u),
        ("[credential \"git.example.com\"]\nh one", u),
        ("[credential \"git.example.com:8443\"]\nh one", port),
        ("[credential \"git.example.com\"]\nh one", port),
        ("[credential \"git.example.com/team\"]\nh one", u),
        ("[credential \"git.example.com/team/app.git\"]\nh one", u),
        ("[credential \"https://\"]\nh one", u),
        ("[credential]\nusername = me\nh one", u),
        ("[credential \"https://git.example.com\"]\nusername = me\n[credential]\nh one", u),
        ("[credential]\nusername = a\nusername = b\nh one", u),
        ("[credential \"https://me@git.example.com\"]\nh one", u),
        ("[credential \"https://git.example.com\"]\nhelper = \"!f() { echo username=me; }; f\"\nh two", u),
        ("[credential]\nhelper = \"!f() { echo quit=1; }; f\"\nh two", u),
        ("[credential]\nhelper = \"!f() { echo broken; exit 1; }; f\"\nh two", u),
        ("[credential]\nhelper = \"!f() { echo username=x; echo password=y; }; f\"\nh two", u),
        ("[credential]\nhelper = /no/such/program\nh two", u),
        ("[credential]\nhelper = no-such-helper\nh two", u),
    ];
    for (text, url) in cases {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("log");
        let helper = |name: &str| {
            format!(
                "helper = \"!f() {{ echo {name} >> {0}; grep -v -e ^wwwauth -e ^capability >> {0}; }}; f\"",
                log.display()
            )
        };
        let text = text.replace("h one", &helper("one")).replace("h two", &helper("two"));
        std::fs::write(dir.path().join(".gitconfig"), &text).unwrap();
        let config = GitConfig::load(&Env::isolated(dir.path(), &[])).unwrap();
        let ours = helpers_asked(&config, &Url::parse(url).unwrap());
        let read = || std::fs::read_to_string(&log).unwrap_or_default();
        let asked = read();
        let _ = std::fs::remove_file(&log);
        let Some(said) = git(dir.path(), &[], &["credential", "fill"], &format!("url={url}\n\n")) else {
            return;
        };
        let sorted = |text: String| {
            // The lines of one question may stand in any order.
            let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
            lines.sort();
            lines
        };
        assert_eq!(sorted(asked), sorted(read()), "{text}\n{url}");
        let theirs = said.lines().find_map(|line| line.strip_prefix("password="));
        let theirs = theirs.filter(|password| !password.is_empty());
        assert_eq!(ours.as_deref(), theirs, "{text}\n{url}");
    }
}

#[test]
fn settings_in_the_environment_go_over_the_files() {
    let check = |variables: &[(&str, &str)], expected: Option<&str>| {
        let (dir, config) = world("[core]\nsshCommand = file\n", variables);
        assert_eq!(config.last_text_of_key("core", "sshcommand"), expected, "{variables:?}");
        let Some(said) = git(dir.path(), variables, &["config", "--get", "core.sshCommand"], "") else {
            return;
        };
        assert_eq!(said.strip_suffix('\n').filter(|text| !text.is_empty()), expected, "git: {variables:?}");
    };
    let counted = [
        ("GIT_CONFIG_COUNT", "2"),
        ("GIT_CONFIG_KEY_0", "core.SSHCommand"),
        ("GIT_CONFIG_VALUE_0", "counted"),
        ("GIT_CONFIG_KEY_1", "http.https://h.example/.proxy"),
        ("GIT_CONFIG_VALUE_1", ""),
    ];
    check(&[], Some("file"));
    check(&counted, Some("counted"));
    check(&[("GIT_CONFIG_PARAMETERS", "'core.sshcommand'='it'\\''s'\\!'me'")], Some("it's!me"));
    check(&[("GIT_CONFIG_PARAMETERS", "'core.sshcommand=old form' 'x.y'=")], Some("old form"));
    check(&[("GIT_CONFIG_PARAMETERS", "'a.b'='c'  'core.sshcommand'='d'")], Some("d"));
    check(&[&counted[..], &[("GIT_CONFIG_PARAMETERS", "'core.sshcommand'='last'")]].concat(), Some("last"));
    check(&[("GIT_CONFIG_GLOBAL", "/nothing/here")], None);
    check(&[("GIT_CONFIG_COUNT", "0")], Some("file"));
    for broken in [
        &[("GIT_CONFIG_COUNT", "x")][..],
        &[("GIT_CONFIG_COUNT", "-1")],
        &[("GIT_CONFIG_COUNT", "99999999999999999999")],
        &[("GIT_CONFIG_COUNT", "1")],
        &[("GIT_CONFIG_COUNT", "1"), ("GIT_CONFIG_KEY_0", "core.x")],
        &[("GIT_CONFIG_COUNT", "1"), ("GIT_CONFIG_KEY_0", "nodot"), ("GIT_CONFIG_VALUE_0", "x")],
        &[("GIT_CONFIG_PARAMETERS", "core.x=y")],
        &[("GIT_CONFIG_PARAMETERS", "'core.x=y")],
        &[("GIT_CONFIG_PARAMETERS", "'core.x'='y'z")],
    ] {
        let dir = tempfile::tempdir().unwrap();
        let error = GitConfig::load(&Env::isolated(dir.path(), broken)).unwrap_err();
        assert_eq!(error.kind, ba_agent_core::error::Kind::Usage, "{broken:?}");
    }
}

#[test]
fn files_are_read_in_git_s_order_with_what_they_include() {
    let dir = tempfile::tempdir().unwrap();
    let write = |path: &str, text: &str| {
        let path = dir.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    let value = |variables: &[(&str, &str)]| {
        let mut env = Env::isolated(dir.path(), variables);
        env.cwd = dir.path().join("work/app/src");
        GitConfig::load(&env).unwrap().last_text_of_key("core", "sshcommand").map(str::to_owned)
    };
    write("work/app/.git/config", "[core]\nsshCommand = hostile\n");
    write("work/app/src/x", "");
    assert_eq!(value(&[]), None, "the project's own configuration has no say");
    write(".config/git/config", "[core]\nsshCommand = xdg\n");
    assert_eq!(value(&[]).as_deref(), Some("xdg"));
    write(".gitconfig", "[core]\nsshCommand = home\n[include]\npath = more\n");
    assert_eq!(value(&[]).as_deref(), Some("home"));
    write("more", "[core]\nsshCommand = more\n[includeIf \"gitdir:work/\"]\npath = /nothing\n");
    assert_eq!(value(&[]).as_deref(), Some("more"));
    let here = dir.path().display();
    write(".gitconfig", &format!("[includeIf \"gitdir:{here}/work/\"]\npath = work.conf\n[core]\nx = y\n"));
    write("work.conf", "[core]\nsshCommand = work\n[includeIf \"gitdir:**/app/.git\"]\npath = deep.conf\n");
    write("deep.conf", "[core]\nsshCommand = deep\n[includeIf \"gitdir:app/\"]\npath = deep.conf\n");
    assert_eq!(value(&[]).as_deref(), Some("deep"), "an included file includes itself");
    write("other", "[core]\nsshCommand = other\n");
    let other = dir.path().join("other").display().to_string();
    assert_eq!(value(&[("GIT_CONFIG_GLOBAL", &other)]).as_deref(), Some("other"));
    assert_eq!(value(&[("GIT_CONFIG_GLOBAL", "")]), None);
    write(".gitconfig", "[core\nsshCommand");
    let error = GitConfig::load(&Env::isolated(dir.path(), &[])).unwrap_err();
    assert!(
        error.kind == ba_agent_core::error::Kind::Usage && error.message.contains(".gitconfig"),
        "{error:?}"
    );
}

#[test]
fn the_longest_instead_of_wins() {
    let (dir, config) = world(
        "[url \"https://a/\"]\ninsteadOf = gh:\n[url \"https://b/\"]\ninsteadOf = gh:team/\ninsteadOf = x:\n\
         [url \"https://c/\"]\ninsteadOf = gh:\n",
        &[],
    );
    for (url, expected) in [
        ("gh:o/r", Some("https://a/o/r")),
        ("gh:team/r", Some("https://b/r")),
        ("x:r", Some("https://b/r")),
        ("y:r", None),
    ] {
        assert_eq!(config.instead_of(url).as_deref(), expected, "{url}");
        let Some(said) = git(dir.path(), &[], &["ls-remote", "--get-url", url], "") else { return };
        assert_eq!(said.trim_end(), expected.unwrap_or(url), "git: {url}");
    }
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig { cases: 1_000, failure_persistence: None, ..Default::default() })]

    /// Whatever stands in the environment, in the configuration or in a URL: an answer or an
    /// error, never a panic.
    #[test]
    fn no_text_makes_the_readers_panic(
        text in "([' =\\\\!a-z.%*/:@\\[\\]é-]|\\PC){0,40}",
        path in "[a-z%0-9A-Fé/.]{0,20}",
    ) {
        let _ = parse_config_parameters(&text);
        let env = Env::isolated(Path::new("/nowhere"), &[("GIT_CONFIG_PARAMETERS", &text), ("GIT_CONFIG_COUNT", &path)]);
        let _ = GitConfig::load(&env);
        if let Ok(url) = Url::parse(&format!("https://h.example/{path}")) {
            for scope in [text.clone(), format!("https://h.example/{text}"), format!("https://{text}/")] {
                let _ = urlmatch::rank_of_url_scope(&scope, &url, Some("me"));
                let _ = urlmatch::fits_in_part(&scope, &url, None);
            }
        }
    }

    /// What `git -c` hands on is read back to the letter.
    #[test]
    fn quoted_settings_are_read_back(value in "\\PC{0,30}") {
        let quoted = value.replace('\'', "'\\''").replace('!', "'\\!'");
        let pairs = parse_config_parameters(&format!("'a.b'='{quoted}' 'c.d'='e'")).unwrap();
        proptest::prop_assert_eq!(&pairs[0], &("a.b".to_owned(), Some(value)));
        proptest::prop_assert_eq!(pairs.len(), 2);
    }
}
