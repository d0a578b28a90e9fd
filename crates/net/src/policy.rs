//! Which URLs may be asked. https anywhere; plain http only to this very machine, or
//! where the settings allow it. Credentials and the client both go by these rules.

use url::{Host, Url};

use ba_agent_core::error::{Result, error, fail, printable};

/// True for a URL of this very machine.
pub fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        Some(Host::Domain(name)) => name.eq_ignore_ascii_case("localhost"),
        None => false,
    }
}

/// True when nobody on the way can listen: https, or this very machine.
pub(crate) fn is_private_line(url: &Url) -> bool {
    url.scheme() == "https" || is_loopback(url)
}

/// The rule of schemes: https anywhere, http to this machine or by setting.
///
/// # Errors
/// `Usage` for plain http to another machine, and for another scheme.
pub(crate) fn check_scheme(url: &Url, allow_http: bool) -> Result<()> {
    match url.scheme() {
        "https" => Ok(()),
        "http" if is_private_line(url) || allow_http => Ok(()),
        "http" => Err(error!(Usage, "plain http to {} can be read and changed in transit", host_of(url))
            .hint("write https://, or add `allow_http: true` to config.yaml")),
        other => fail!(Usage, "expected an https:// address, found one of `{}:`", printable(other, false)),
    }
}

/// Parses an http(s) URL and applies the rule of schemes.
///
/// # Errors
/// Those of [`check_scheme`], `Usage` for `user:password@`.
pub(crate) fn parse_url(text: &str, allow_http: bool) -> Result<Url> {
    let shown = printable(text, false);
    let url = Url::parse(text).map_err(|e| error!(Usage, "`{shown}` is not a valid URL").cause(e))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(error!(Usage, "the URL for {} contains a user name or password", host_of(&url))
            .hint("write it without; credentials come from GITHUB_TOKEN and similar variables, or from your git credential helper"));
    }
    check_scheme(&url, allow_http)?;
    Ok(url)
}

/// The host of a URL, as messages name it.
pub(crate) fn host_of(url: &Url) -> &str {
    url.host_str().unwrap_or("a host")
}
