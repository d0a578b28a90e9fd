//! Which proxy a request goes through, by the rules of git and curl, and what is said
//! when that one is at fault.

use ureq::{Proxy, ProxyProtocol};
use url::Url;

use super::Net;
use crate::policy::{host_of, is_loopback};
use ba_agent_core::error::{Error, Kind, Result, error, printable};
use ba_agent_system::env::Env;

/// curl's default, where a proxy's address names no port.
const PORT: u16 = 1080;

/// A proxy, and where it was named.
#[derive(Debug)]
pub(super) struct Route {
    pub(super) proxy: Proxy,
    source: &'static str,
}

/// What is understood, as hints say it.
const FORMS: &str = "write it as http://host:port, https://host:port, socks5h://host:port, socks5://host:port, \
    socks4a://host:port or socks4://host:port";

/// The proxy for a URL: `http.<url>.proxy` or `http.proxy` of the git configuration, else
/// `HTTPS_PROXY` or `HTTP_PROXY` by scheme, else `ALL_PROXY`, in lower or upper case; none for
/// this machine, for `NO_PROXY`, and where git's setting is empty.
///
/// # Errors
/// `Usage` for a proxy that is not understood, naming where it stands.
pub(super) fn find_proxy(net: &Net<'_>, url: &Url) -> Result<Option<Route>> {
    let env = net.env;
    if is_loopback(url)
        || variable_of_either_case(env, "no_proxy").is_some_and(|(list, _)| is_exempt(list, host_of(url)))
    {
        return Ok(None);
    }
    let named = match net.credentials.git_config()?.http_text("proxy", url) {
        Some(text) => Some((text, "http.proxy of your git configuration")),
        None => {
            let own = if url.scheme() == "https" { "https_proxy" } else { "http_proxy" };
            variable_of_either_case(env, own).or_else(|| variable_of_either_case(env, "all_proxy"))
        }
    };
    let Some((text, source)) = named.filter(|(text, _)| !text.trim().is_empty()) else { return Ok(None) };
    // The text may hold a password: it is not shown.
    let proxy = parse(text.trim());
    let proxy = proxy.ok_or_else(|| error!(Usage, "the proxy in {source} cannot be used").hint(FORMS))?;
    Ok(Some(Route { proxy, source }))
}

/// A variable in lower or upper case, with the name that it was found under.
fn variable_of_either_case<'e>(env: &'e Env, lower: &str) -> Option<(&'e str, &'static str)> {
    const NAMES: [(&str, &str); 4] = [
        ("http_proxy", "HTTP_PROXY"),
        ("https_proxy", "HTTPS_PROXY"),
        ("all_proxy", "ALL_PROXY"),
        ("no_proxy", "NO_PROXY"),
    ];
    let (lower, upper) = NAMES.into_iter().find(|(name, _)| *name == lower)?;
    env.var(lower).map(|text| (text, lower)).or_else(|| env.var(upper).map(|text| (text, upper)))
}

/// Reads `scheme://user:password@host:port`, of which all but the host may be missing. The
/// parser of URLs checks the host, and the proxy is made from what it understood.
fn parse(text: &str) -> Option<Proxy> {
    let (scheme, rest) = text.split_once("://").unwrap_or(("http", text));
    let scheme = match scheme.to_ascii_lowercase().as_str() {
        "http" => "http",
        "https" => "https",
        "socks" | "socks5" => "socks5",
        "socks5h" => "socks5h",
        "socks4" => "socks4",
        "socks4a" => "socks4a",
        _ => return None,
    };
    // Under `http` a port of 80 cannot be told from none, under `https` it can.
    let [url, other] = ["http", "https"].map(|scheme| Url::parse(&format!("{scheme}://{rest}")).ok());
    let (url, other) = (url?, other?);
    let default = if scheme == "https" { 443 } else { PORT };
    let port = url.port().or(other.port()).unwrap_or(default);
    let login = match (url.username(), url.password()) {
        ("", None) => String::new(),
        (user, None) => format!("{user}@"),
        (user, Some(password)) => format!("{user}:{password}@"),
    };
    Proxy::new(&format!("{scheme}://{login}{}:{port}", url.host_str()?)).ok()
}

/// Whether `NO_PROXY` names the host: `*`, the host itself, or a domain above it. Names stand
/// between commas or white space.
fn is_exempt(list: &str, host: &str) -> bool {
    let host = host.trim_matches(['[', ']']).to_ascii_lowercase();
    list.split(|c: char| c == ',' || c.is_whitespace()).filter(|name| !name.is_empty()).any(|name| {
        let name = name.trim_start_matches("*.").trim_start_matches('.').to_ascii_lowercase();
        let name = match name.split_once(':') {
            // More than one colon is an IPv6 address.
            Some((name, port)) if !port.contains(':') => name.to_owned(),
            _ => name.trim_matches(['[', ']']).to_owned(),
        };
        name == "*"
            || host == name
            || host.strip_suffix(name.as_str()).is_some_and(|rest| rest.ends_with('.'))
    })
}

impl Route {
    /// Whether the way to the proxy itself is encrypted.
    pub(super) fn is_secured(&self) -> bool {
        self.proxy.protocol() == ProxyProtocol::Https
    }

    fn address(&self) -> String {
        printable(&format!("{}:{}", self.proxy.host(), self.proxy.port()), false)
    }

    /// The error where the proxy itself is at fault; `None` for one that it has nothing to
    /// do with.
    pub(super) fn proxy_error(&self, error: &ureq::Error, host: &str) -> Option<Error> {
        let (address, source) = (self.address(), self.source);
        let wants_login = || {
            let what = if self.proxy.username().is_some() { "refused the login" } else { "requires a login" };
            let scheme = self.proxy.protocol().to_string().to_ascii_lowercase();
            error!(Auth, "the proxy {address} {what}")
                .hint(format!("write it into {source}: {scheme}://user:password@{address}"))
                .hint(
                    "`@`, `:`, `/` and `%` in the name or password must be written as %40, %3A, %2F and %25",
                )
        };
        match error {
            ureq::Error::ConnectProxyFailed(why) if why.contains("407") => {
                Some(wants_login().cause("the proxy returned 407"))
            }
            ureq::Error::ConnectProxyFailed(why) => Some(
                error!(Network, "{host} cannot be reached through the proxy {address}")
                    .cause(printable(why, false))
                    .hint(format!("the proxy is named by {source}; NO_PROXY={host} bypasses it")),
            ),
            ureq::Error::Io(e) => {
                let why = e.to_string();
                match why.as_str() {
                    "no acceptable auth methods"
                    | "unknown auth method"
                    | "password authentication failed"
                    | "invalid username"
                    | "invalid password" => Some(wants_login().cause(why)),
                    // What TLS says comes from the host behind it.
                    _ if e.get_ref().is_some_and(|inner| inner.is::<rustls::Error>()) => None,
                    _ => Some(self.unreachable(host, &why)),
                }
            }
            ureq::Error::HostNotFound => Some(self.unreachable(host, "a name has no address")),
            _ => None,
        }
    }

    fn unreachable(&self, host: &str, why: &str) -> Error {
        let address = self.address();
        Error::new(Kind::Network, format!("{host} cannot be reached through the proxy {address}"))
            .cause(printable(why, false))
            .hint(format!(
                "the proxy is named by {}; is it running? NO_PROXY={host} bypasses it",
                self.source
            ))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testing::Bench;

    #[test]
    fn proxies_are_chosen_as_git_and_curl_do() {
        let check = |variables: &[(&str, &str)], config: &str, url: &str, expected: Option<&str>| {
            let bench = Bench::with(variables);
            bench.git_config(config);
            let found = find_proxy(&bench.net(), &Url::parse(url).unwrap()).unwrap();
            let found = found.map(|r| format!("{}://{}", r.proxy.protocol(), r.address()).to_lowercase());
            assert_eq!(found.as_deref(), expected, "{variables:?} {config} {url}");
        };
        let both = [("HTTPS_PROXY", "http://s.example:1"), ("http_proxy", "http://p.example:2")];
        check(&[], "", "https://h.example/", None);
        check(&both, "", "https://h.example/", Some("http://s.example:1"));
        check(&both, "", "http://h.example/", Some("http://p.example:2"));
        check(&both, "", "http://127.0.0.1/", None);
        check(&both, "", "https://localhost/", None);
        check(&[("ALL_PROXY", "a.example:3")], "", "https://h.example/", Some("http://a.example:3"));
        check(
            &[("all_proxy", "SOCKS5H://a.example")],
            "",
            "https://h.example/",
            Some("socks5h://a.example:1080"),
        );
        check(&[("all_proxy", "https://a.example")], "", "https://h.example/", Some("https://a.example:443"));
        check(&[("all_proxy", "socks5://[::1]:80")], "", "https://h.example/", Some("socks5://[::1]:80"));
        check(&[("all_proxy", "socks5://[::1]:443")], "", "https://h.example/", Some("socks5://[::1]:443"));
        check(&[("all_proxy", " ")], "", "https://h.example/", None);
        check(&[], "[http]\nproxy = g.example:4", "https://h.example/", Some("http://g.example:4"));
        check(&both, "[http]\nproxy = g.example:4", "https://h.example/", Some("http://g.example:4"));
        check(&both, "[http]\nproxy =", "https://h.example/", None);
        check(&both, "[http \"https://h.example\"]\nproxy =", "https://h.example/o/r", None);
        check(
            &both,
            "[http \"https://h.example\"]\nproxy =",
            "https://i.example/",
            Some("http://s.example:1"),
        );
        let exempt = [("NO_PROXY", "x, h.example y")];
        check(&exempt, "[http]\nproxy = g.example:4", "https://h.example/", None);
        check(&exempt, "[http]\nproxy = g.example:4", "https://i.example/", Some("http://g.example:4"));
    }

    #[test]
    fn no_proxy_names_hosts_and_domains() {
        for (list, host, exempt) in [
            ("h.example", "h.example", true),
            (".h.example, x", "a.h.example", true),
            ("*.h.example", "a.h.example", true),
            ("h.example:443", "h.example", true),
            ("x h.example y", "h.example", true),
            ("x\th.example", "a.h.example", true),
            ("[2001:db8::1]", "[2001:db8::1]", true),
            ("2001:db8::1", "[2001:db8::1]", true),
            ("*", "h.example", true),
            ("example", "h.example", true),
            ("ample", "h.example", false),
            ("H.EXAMPLE", "h.example", true),
            ("", "h.example", false),
            (" , ,", "h.example", false),
            ("other.example", "h.example", false),
        ] {
            assert_eq!(is_exempt(list, host), exempt, "{list} {host}");
        }
    }

    #[test]
    fn a_proxy_that_is_not_understood_is_named_and_not_shown() {
        for (variables, config, source) in [
            (&[("HTTPS_PROXY", "socks9://user:secret@x")][..], "", "HTTPS_PROXY"),
            (&[("all_proxy", "user:secret@")], "", "all_proxy"),
            (&[("ALL_PROXY", "ftp://secret@h")], "", "ALL_PROXY"),
            (&[("ALL_PROXY", "http://secret@h:99999")], "", "ALL_PROXY"),
            (&[("ALL_PROXY", "http://u:%ff%fesecret@h")], "", "ALL_PROXY"),
            (&[], "[http]\nproxy = x://secret@h", "http.proxy"),
        ] {
            let bench = Bench::with(variables);
            bench.git_config(config);
            let error = find_proxy(&bench.net(), &Url::parse("https://h.example/").unwrap()).unwrap_err();
            assert!(error.kind == Kind::Usage && error.message.contains(source), "{error:?}");
            assert!(
                !format!("{error:?}").contains("secret") && error.hints[0].contains("socks5h://"),
                "{error:?}"
            );
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

        /// Whatever stands in the variable: a proxy, or a refusal.
        #[test]
        fn no_text_of_a_proxy_makes_it_panic(
            text in prop_oneof![
                any::<String>(),
                "(https?|socks(4a?|5h?)?|x)?(://)?([a-z%0-9:@/?#\\[\\].*_-]{0,16}@)?[a-z0-9.:%\\[\\]@/?#é *_-]{0,24}(:[0-9]{0,6})?/?"
            ],
        ) {
            let bench = Bench::with(&[("ALL_PROXY", &text)]);
            if let Ok(Some(route)) = find_proxy(&bench.net(), &Url::parse("https://h.example/").unwrap()) {
                prop_assert!(!route.address().chars().any(char::is_control));
            }
        }
    }
}
