//! From a [`Source`] to where its repository is. The allow-list: what does not
//! become an [`Address`] starts no process and opens no socket.

use std::path::PathBuf;

use percent_encoding::percent_decode_str;
use url::Url;

use crate::ssh::Target;
use ba_agent_core::error::{Result, error, fail, printable};
use ba_agent_core::source::Source;
use ba_agent_net::credentials::Login;
use ba_agent_net::hosts::{HostSettings, Secret};
use ba_agent_net::http::Net;

/// Where a git repository is.
#[derive(Debug)]
pub(crate) enum Address {
    /// Smart HTTP below this URL, which has no slash at its end. The login is one that
    /// the user's own `insteadOf` puts into the URL, as people do in CI.
    Http {
        base: Url,
        login: Option<Login>,
    },
    Ssh(Target),
    /// A repository on this machine.
    Local(PathBuf),
}

/// The URL of a git source by the settings, before `insteadOf`; `None` for sources
/// that are no git repository.
pub fn url_of(source: &Source, set: &HostSettings) -> Option<String> {
    match source {
        Source::Github { owner, repo } => Some(format!("{}/{owner}/{repo}.git", set.github_url)),
        Source::Gitlab { project } => Some(format!("{}/{project}.git", set.gitlab_url)),
        Source::Bitbucket { workspace, repo } => {
            Some(format!("{}/{workspace}/{repo}.git", set.bitbucket_url))
        }
        Source::Git { url } => Some(url.clone()),
        _ => None,
    }
}

/// What a person calls the source, safe to print.
pub(crate) fn name_of(source: &Source) -> String {
    let name = match source {
        Source::Github { owner, repo } => format!("{owner}/{repo}"),
        Source::Gitlab { project } => project.clone(),
        Source::Bitbucket { workspace, repo } => format!("{workspace}/{repo}"),
        Source::Git { url } => without_user(url),
        _ => String::new(),
    };
    printable(&name, false)
}

/// `url` without what stands before the `@` of its authority, where that holds a `:`.
fn without_user(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
    let end = rest.find('/').unwrap_or(rest.len());
    match rest[..end].rsplit_once('@') {
        Some((user, _)) if !scheme.is_empty() && (user.contains(':') || scheme.starts_with("http")) => {
            format!("{scheme}://{}", &rest[user.len() + 1..])
        }
        _ => url.to_owned(),
    }
}

impl Address {
    /// Applies the user's `insteadOf`, then the allow-list: https, ssh (URL and
    /// `user@host:path`), `file://` and paths, plain http by [`check_scheme`](ba_agent_net::policy::check_scheme).
    ///
    /// # Errors
    /// `Usage` for everything else, saying what it is.
    pub(crate) fn find(url: &str, net: &Net<'_>) -> Result<Self> {
        match net.credentials.git_config()?.instead_of(url) {
            Some(other) => Self::parse(&other, net, true),
            None => Self::parse(url, net, false),
        }
    }

    /// `own` is true for a URL that the user's configuration has made: only there a
    /// password may stand.
    fn parse(url: &str, net: &Net<'_>, own: bool) -> Result<Self> {
        let shown = printable(&without_user(url), false);
        let url = url.strip_prefix("git+").unwrap_or(url);
        if url.is_empty() || url.starts_with('-') || url.chars().any(|c| c.is_control() || c == ' ') {
            return Err(refused(&shown));
        }
        if let Some((scheme, rest)) = url.split_once("://") {
            return match scheme.to_ascii_lowercase().as_str() {
                "https" | "http" => http_address(url, net, own),
                "ssh" | "ssh+git" => ssh_address(rest, &shown),
                "file" => file_address(rest, &shown),
                _ => Err(refused(&shown)),
            };
        }
        if url.contains("::") {
            return Err(refused(&shown));
        }
        if is_path(url) {
            return Ok(Self::Local(net.env.absolute(url.as_ref())));
        }
        match url.split_once(':') {
            Some((host, path)) if !host.contains('/') => {
                let (user, host) = match host.rsplit_once('@') {
                    Some((user, host)) => (Some(user), host),
                    None => (None, host),
                };
                Ok(Self::Ssh(Target::new(user, host, None, path)?))
            }
            _ => Err(refused(&shown)),
        }
    }
}

fn refused(shown: &str) -> ba_agent_core::error::Error {
    error!(Usage, "`{shown}` is not a supported address of a git repository")
        .hint("write https://host/path, ssh://host/path, user@host:path or file:///path")
}

/// An absolute path, one that says it is relative, or one with a drive on Windows.
fn is_path(text: &str) -> bool {
    let drive = cfg!(windows)
        && text.as_bytes().get(1) == Some(&b':')
        && text.as_bytes().first().is_some_and(u8::is_ascii_alphabetic);
    drive || matches!(text, "." | ".." | "~") || ["/", "./", "../", "~/"].iter().any(|s| text.starts_with(s))
}

fn http_address(text: &str, net: &Net<'_>, own: bool) -> Result<Address> {
    let mut text = text.to_owned();
    let mut login = None;
    if own && let Ok(mut url) = Url::parse(&text) {
        let decoded = |part: &str| percent_decode_str(part).decode_utf8_lossy().into_owned();
        if let Some(password) = url.password() {
            login = Some(Login::new(&url, decoded(url.username()), Secret::new(decoded(password))));
        } else if !url.username().is_empty() {
            // `https://TOKEN@host/`: hosts take a token as the name, or as the password.
            login = Some(Login::new(&url, decoded(url.username()), Secret::new("")));
        }
        let _ = url.set_username("");
        let _ = url.set_password(None);
        text = url.into();
    }
    let mut base = net.parse_url(&text)?;
    if base.query().is_some() || base.fragment().is_some() {
        fail!(
            Usage,
            "`{}` has a query, which the address of a git repository cannot have",
            printable(base.path(), false)
        );
    }
    let path = base.path().trim_end_matches('/').to_owned();
    if path.is_empty() {
        fail!(Usage, "`{}` is the address of a host, not of a repository", printable(base.as_str(), false));
    }
    base.set_path(&path);
    Ok(Address::Http { base, login })
}

fn ssh_address(rest: &str, shown: &str) -> Result<Address> {
    let decoded = percent_decode_str(rest).decode_utf8().map_err(|_| refused(shown))?;
    let (authority, path) = decoded.split_once('/').ok_or_else(|| refused(shown))?;
    let (user, place) = match authority.rsplit_once('@') {
        Some((user, place)) => (Some(user), place),
        None => (None, authority),
    };
    if user.is_some_and(|user| user.contains(':')) {
        return Err(error!(Usage, "`{shown}` contains a password")
            .hint("ssh cannot use a password from a URL; use a key"));
    }
    let (host, port) = match place.split_once(':') {
        // `ssh://host:/path` is what prefixes of `insteadOf` make; git takes it, too.
        Some((host, "")) => (host, None),
        Some((host, port)) => (host, Some(port.parse().map_err(|_| refused(shown))?)),
        None => (place, None),
    };
    if path.is_empty() {
        return Err(refused(shown));
    }
    // `ssh://host/~user/x` is below that user's home, as git has it.
    let path = if path.starts_with('~') { path.to_owned() } else { format!("/{path}") };
    Ok(Address::Ssh(Target::new(user, host, port, &path)?))
}

fn file_address(rest: &str, shown: &str) -> Result<Address> {
    let path = rest.strip_prefix("localhost").unwrap_or(rest);
    if !path.starts_with('/') {
        return Err(refused(shown));
    }
    let path = percent_decode_str(path).decode_utf8().map_err(|_| refused(shown))?;
    if path.chars().any(char::is_control) {
        return Err(refused(shown));
    }
    // `file:///C:/x` on Windows.
    let bare = path.trim_start_matches('/');
    let path = if cfg!(windows) && is_path(bare) { bare } else { &path };
    Ok(Address::Local(PathBuf::from(path)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Bench;
    use ba_agent_core::error::Kind;

    /// Where a URL leads, as a text.
    fn find(url: &str, bench: &Bench) -> Result<String> {
        Address::find(url, &bench.client().net).map(|address| match address {
            Address::Http { base, login } => {
                format!("http {base}{}", if login.is_some() { " +login" } else { "" })
            }
            Address::Ssh(target) => format!("ssh {target}"),
            Address::Local(path) => format!("local {}", path.display()),
        })
    }

    #[test]
    fn what_is_allowed_leads_where_it_says() {
        let bench = Bench::new();
        let home = bench.home.path().display();
        for (url, expected) in [
            ("https://h.example/o/r.git", "http https://h.example/o/r.git"),
            ("HTTPS://H.Example/o/r/", "http https://h.example/o/r"),
            ("git+https://h.example:8443/o/r", "http https://h.example:8443/o/r"),
            ("http://127.0.0.1:80/r", "http http://127.0.0.1/r"),
            ("http://localhost:8080/r", "http http://localhost:8080/r"),
            ("http://[::1]:8080/r", "http http://[::1]:8080/r"),
            ("ssh://git@h.example/o/r.git", "ssh git@h.example '/o/r.git'"),
            ("ssh://h.example:2222/o/r%20x", "ssh h.example:2222 '/o/r x'"),
            ("ssh://h.example/~me/r", "ssh h.example '~me/r'"),
            ("ssh://git@h.example:/o/r.git", "ssh git@h.example '/o/r.git'"),
            ("https://h.example:/o/r.git", "http https://h.example/o/r.git"),
            ("git+ssh://h.example/r", "ssh h.example '/r'"),
            ("git@h.example:o/r.git", "ssh git@h.example 'o/r.git'"),
            ("h.example:/abs/r", "ssh h.example '/abs/r'"),
            ("file:///a/b%20c", "local /a/b c"),
            ("file://localhost/a", "local /a"),
            ("/a/b", "local /a/b"),
            ("./b", &format!("local {home}/b")),
            ("~/b", &format!("local {home}/b")),
        ] {
            assert_eq!(find(url, &bench).as_deref(), Ok(expected), "{url}");
        }
    }

    /// At least forty spellings, each refused before anything is started or opened.
    #[test]
    fn hostile_addresses_are_refused_before_anything_happens() {
        let bench = Bench::with(&[("GIT_SSH_COMMAND", "/nothing/here"), ("GIT_SSH", "/nothing/here")]);
        let hostile = [
            "",
            " ",
            "-x",
            "--upload-pack=touch${IFS}x",
            "-oProxyCommand=id",
            "o/r",
            "name",
            "ext::sh -c id",
            "ext::id",
            "fd::17",
            "fd::17/foo",
            "transport::address",
            "x::https://h.example/r",
            "git://h.example/r",
            "GIT://h.example/r",
            "ftp://h.example/r",
            "ftps://h.example/r",
            "rsync://h.example/r",
            "svn://h.example/r",
            "javascript://x/y",
            "data://x",
            "://h/r",
            "ba-agent://1",
            "http://h.example/o/r",
            "http://10.0.0.1/r",
            "http://127.0.0.1.h.example/r",
            "http://localhost.h.example/r",
            "https://user:pass@h.example/r",
            "https://token@h.example/r",
            "https://:pass@h.example/r",
            "https://h.example",
            "https://h.example/",
            "https:///r",
            "https://h.example/r?x=1",
            "https://h.example/r#f",
            "https://h.example/r\n",
            "https://h.example/\u{1b}[31m",
            "https://h example/r",
            "ssh://-oProxyCommand=id/r",
            "ssh://-oProxyCommand=id@h.example/r",
            "ssh://h.example;id/r",
            "ssh://$(id)/r",
            "ssh://h.example:x/r",
            "ssh://h.example:99999/r",
            "ssh://h.example",
            "ssh://h.example/",
            "ssh:///r",
            "ssh://git:pass@h.example/r",
            "ssh://%2DoProxyCommand=id/r",
            "ssh://h.example/%0Aid",
            "ssh://[::1]/r",
            "git@-h:r",
            "-h:r",
            "a b:r",
            "git@h.example:-x",
            "git@h.example:",
            "@h.example:r",
            "git@h`id`:r",
            "host\0:r",
            "file://h.example/r",
            "file://r",
            "file:///a%00b",
            "git+ext::id",
        ];
        assert!(hostile.len() >= 40);
        for url in hostile {
            let error = find(url, &bench).unwrap_err();
            assert_eq!(error.kind, Kind::Usage, "{url:?}: {error:?}");
            let text = format!("{error:?}");
            assert!(!text.contains("pass@") && !text.contains("token@"), "{text}");
            assert!(!error.message.contains(['\u{1b}', '\n']), "{text}");
        }
    }

    #[test]
    fn the_longest_instead_of_wins_and_goes_first() {
        let bench = Bench::new();
        bench.git_config(
            "[url \"https://mirror.example/\"]\n insteadOf = https://github.com/\n insteadOf = gh:\n\
             [url \"git@h.example:\"]\n insteadOf = https://github.com/deep/\n\
             [url \"ext::\"]\n insteadOf = https://evil.example/\n\
             [url \"https://me:secret@ci.example/\"]\n insteadOf = https://ci.example/\n\
             [url \"https://push.example/\"]\n pushInsteadOf = https://other.example/\n",
        );
        for (url, expected) in [
            ("https://github.com/o/r", "http https://mirror.example/o/r"),
            ("gh:o/r", "http https://mirror.example/o/r"),
            ("https://github.com/deep/r", "ssh git@h.example 'r'"),
            ("https://ci.example/r", "http https://ci.example/r +login"),
            ("https://other.example/r", "http https://other.example/r"),
        ] {
            assert_eq!(find(url, &bench).as_deref(), Ok(expected), "{url}");
        }
        assert_eq!(find("https://evil.example/r", &bench).unwrap_err().kind, Kind::Usage);
        let own = Bench::with(&[("GIT_CONFIG_GLOBAL", "/nothing/here")]);
        own.git_config("[url \"https://mirror.example/\"]\n insteadOf = gh:\n");
        assert_eq!(find("gh:o/r", &own).as_deref(), Ok("ssh gh 'o/r'"));
        bench.git_config("[broken");
        assert_eq!(find("https://h.example/r", &bench).unwrap_err().kind, Kind::Usage);
    }

    #[test]
    fn sources_have_the_url_of_the_settings() {
        let mut bench = Bench::new();
        bench.hosts.gitlab_url = "https://git.example/base".into();
        let client = bench.client();
        let github = Source::Github { owner: "o".into(), repo: "r".into() };
        assert_eq!(url_of(&github, client.net.hosts).as_deref(), Some("https://github.com/o/r.git"));
        let gitlab = Source::Gitlab { project: "a/b/c".into() };
        assert_eq!(url_of(&gitlab, client.net.hosts).as_deref(), Some("https://git.example/base/a/b/c.git"));
        assert_eq!(url_of(&Source::Builtin { name: "x".into() }, client.net.hosts), None);
        for (url, name) in [
            ("https://u:p@h/r", "https://h/r"),
            ("https://tok@h/r", "https://h/r"),
            ("ssh://git@h/r", "ssh://git@h/r"),
            ("git@h:r", "git@h:r"),
            ("https://h/a@b", "https://h/a@b"),
        ] {
            assert_eq!(name_of(&Source::Git { url: url.into() }), name);
        }
    }
}
