//! Which settings of `http.<url>.*` and `credential.<url>.*` are for a URL: git's own rules,
//! as git-config(1) and gitcredentials(7) have them.

use url::Url;

/// How closely a scope names a URL; the greater one goes first: by host, then by path, then
/// by user.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Rank {
    host: usize,
    path: usize,
    user: bool,
}

/// Whether `scope` (`https://*.example.com:8443/team`) is for `url`, and how closely it names
/// it. Scheme and port must be equal, `*` stands for one label of the host, and the path is
/// compared by whole names. A user in the scope must be the one that is known.
pub(crate) fn rank_of_url_scope(scope: &str, url: &Url, user: Option<&str>) -> Option<Rank> {
    let scope = scope.contains("://").then(|| Url::parse(scope).ok()).flatten()?;
    if scope.scheme() != url.scheme() || scope.port_or_known_default() != url.port_or_known_default() {
        return None;
    }
    let (pattern, host) = (scope.host_str()?, url.host_str()?);
    let path = common_path(&normal_path(scope.path()), &normal_path(url.path()))?;
    let has_user = !scope.username().is_empty();
    if !is_host(pattern, host) || (has_user && user != Some(&*decoded(scope.username()))) {
        return None;
    }
    Some(Rank { host: pattern.len(), path, user: has_user })
}

/// Whether a scope that is no whole URL fits: `example.com`, `me@example.com/team`. What it
/// leaves out may be anything (for `credential.*` only).
pub(crate) fn fits_in_part(scope: &str, url: &Url, user: Option<&str>) -> bool {
    let (scheme, rest) = match scope.split_once("://") {
        Some((scheme, rest)) => (Some(scheme), rest),
        None => (None, scope),
    };
    // A whole URL is for `rank`.
    if scope.contains("://") && Url::parse(scope).is_ok_and(|url| url.has_host()) {
        return false;
    }
    let (authority, path) = match rest.split_once('/') {
        Some((authority, path)) => (authority, path.trim_end_matches('/')),
        None => (rest, ""),
    };
    let (wanted_user, host) = match authority.rsplit_once('@') {
        Some((wanted, host)) => (Some(decoded(wanted)), host),
        None => (None, authority),
    };
    let own_host = match (url.host_str(), url.port()) {
        (Some(host), Some(port)) => format!("{host}:{port}"),
        (host, _) => host.unwrap_or_default().to_owned(),
    };
    scheme.is_none_or(|scheme| scheme.is_empty() || scheme == url.scheme())
        && wanted_user.is_none_or(|wanted| user == Some(&wanted))
        && (host.is_empty() || host.eq_ignore_ascii_case(&own_host))
        && (path.is_empty() || path == url.path().trim_matches('/'))
}

fn decoded(text: &str) -> String {
    percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned()
}

/// Label by label, `*` for any one.
fn is_host(pattern: &str, host: &str) -> bool {
    let (pattern, host): (Vec<&str>, Vec<&str>) = (pattern.split('.').collect(), host.split('.').collect());
    pattern.len() == host.len()
        && pattern.iter().zip(host).all(|(want, label)| *want == "*" || *want == label)
}

/// How much of the path the scope names; `None` where it is another one.
fn common_path(scope: &str, path: &str) -> Option<usize> {
    let scope = scope.strip_suffix('/').unwrap_or(scope);
    let rest = path.strip_prefix(scope)?;
    (rest.is_empty() || rest.starts_with('/')).then_some(scope.len() + 1)
}

/// With `%41` as `A`: what need not be encoded is not, and the digits are in upper case.
fn normal_path(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    let mut rest = path;
    while let Some((before, after)) = rest.split_once('%') {
        out.push_str(before);
        let code = after.get(..2).and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match code {
            Some(byte) if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) => {
                out.push(char::from(byte))
            }
            Some(byte) => out.push_str(&format!("%{byte:02X}")),
            None => out.push('%'),
        }
        rest = if code.is_some() { &after[2..] } else { after };
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_is_for_a_url_by_git_s_rules() {
        let url = Url::parse("https://git.example.com:8443/team/app.git").unwrap();
        let check = |scope: &str, fits: bool| {
            assert_eq!(rank_of_url_scope(scope, &url, Some("me")).is_some(), fits, "{scope}");
        };
        check("https://git.example.com:8443", true);
        check("https://git.example.com:8443/", true);
        check("HTTPS://Git.Example.com:8443/team", true);
        check("https://git.example.com:8443/team/", true);
        check("https://git.example.com:8443/t%65am/app.git", true);
        check("https://git.example.com:8443/tea", false);
        check("https://git.example.com:8443/team/app", false);
        check("https://*.example.com:8443", true);
        check("https://*.*.com:8443", true);
        check("https://*.com:8443", false);
        check("https://g*.example.com:8443", false);
        check("https://git.example.com", false);
        check("http://git.example.com:8443", false);
        check("https://me@git.example.com:8443", true);
        check("https://you@git.example.com:8443", false);
        check("git.example.com:8443", false);
        check("", false);
        let ranks = [
            "https://*.example.com:8443",
            "https://git.example.com:8443",
            "https://git.example.com:8443/team",
        ];
        let ranks = ranks.map(|scope| rank_of_url_scope(scope, &url, None).unwrap());
        assert!(ranks[0] < ranks[1] && ranks[1] < ranks[2] && Rank::default() < ranks[0]);
    }

    #[test]
    fn a_part_of_a_url_fits_by_what_it_names() {
        let url = Url::parse("https://git.example.com:8443/team/app.git").unwrap();
        for (scope, fits) in [
            ("git.example.com:8443", true),
            ("git.example.com", false),
            ("me@git.example.com:8443", true),
            ("you@git.example.com:8443", false),
            ("git.example.com:8443/team/app.git", true),
            ("git.example.com:8443/team", false),
            ("https://", true),
            ("http://", false),
        ] {
            assert_eq!(fits_in_part(scope, &url, Some("me")), fits, "{scope}");
        }
    }
}
