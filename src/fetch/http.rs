//! World: the product's one HTTP client. It is built at the first request, keeps its
//! connections, reads proxies out of [`Env`], and follows a redirect only by the rule
//! written here. Statuses become errors in [`Answer::accept`].

use std::io::Read;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use fs_err as fs;
use ureq::http::{Response, header::AUTHORIZATION};
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem};
use ureq::{Agent, Body, Proxy};
use url::{Host, Url};

use crate::error::{Error, Kind, Result, error, fail, printable};
use crate::fetch::World;
use crate::fetch::auth::{self, Keyring, Login};
use crate::layout::Env;

/// How many redirects are followed; browsers follow 20, git 20, but nothing honest
/// needs more than three.
const REDIRECTS: usize = 5;
/// Bytes a second, over [`Patience::slow`], below which a host is given up.
const SLOWEST: u64 = 1_000;

/// The client, and what the user's credential helpers said. One for each run.
#[derive(Debug, Default)]
pub(crate) struct Http {
    agent: OnceLock<Agent>,
    pub(crate) keyring: Keyring,
    patience: Patience,
}

/// How long a host may take.
#[derive(Debug, Clone)]
pub(crate) struct Patience {
    /// For name, connection and TLS together.
    pub(crate) connect: Duration,
    /// Between two reads.
    pub(crate) idle: Duration,
    /// The window in which [`SLOWEST`] is measured.
    pub(crate) slow: Duration,
    /// Before the second and the third try.
    pub(crate) pauses: [Duration; 2],
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            idle: Duration::from_secs(30),
            slow: Duration::from_secs(60),
            pauses: [Duration::from_millis(500), Duration::from_millis(1_500)],
        }
    }
}

impl Http {
    /// A client with other limits than the usual ones.
    #[cfg(test)]
    pub(crate) fn with(patience: Patience) -> Self {
        Self { patience, ..Self::default() }
    }

    pub(crate) fn patience(&self) -> &Patience {
        &self.patience
    }

    fn agent(&self, world: &World) -> Result<&Agent> {
        if let Some(agent) = self.agent.get() {
            return Ok(agent);
        }
        let agent = build(world, &self.patience)?;
        Ok(self.agent.get_or_init(|| agent))
    }
}

fn build(world: &World, patience: &Patience) -> Result<Agent> {
    let config = Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .no_delay(true)
        .proxy(None)
        .tls_config(TlsConfig::builder().root_certs(roots(world)?).build())
        .timeout_resolve(Some(patience.connect))
        .timeout_connect(Some(patience.connect))
        .timeout_per_read(Some(patience.idle))
        .timeout_per_write(Some(patience.idle))
        .timeout_recv_response(Some(patience.idle * 2));
    Ok(config.build().new_agent())
}

/// The built-in authorities, and those of `ca_file` beside them.
fn roots(world: &World) -> Result<RootCerts> {
    let Some(file) = &world.settings.ca_file else { return Ok(RootCerts::WebPki) };
    let bad = |why: &str| {
        error!(Usage, "the certificates in `{}` cannot be used: {why}", file.display())
            .hint("`ca_file` (or SSL_CERT_FILE) names a PEM file of certificate authorities")
    };
    let mut certificates: Vec<Certificate<'static>> =
        webpki_root_certs::TLS_SERVER_ROOT_CERTS.iter().map(|der| Certificate::from_der(der)).collect();
    let built_in = certificates.len();
    for item in parse_pem(&fs::read(file)?) {
        match item {
            Ok(PemItem::Certificate(certificate)) => certificates.push(certificate),
            Ok(_) => {}
            Err(e) => return Err(bad(&printable(&e.to_string(), false))),
        }
    }
    if certificates.len() == built_in {
        return Err(bad("it holds none"));
    }
    Ok(RootCerts::new_with_certs(&certificates))
}

/// What is asked of a host.
#[derive(Clone, Copy)]
pub(crate) struct Ask<'a> {
    pub(crate) url: &'a Url,
    /// Sent as they are, beside the login.
    pub(crate) headers: &'a [(&'static str, &'a str)],
    /// `Some` makes it a POST. Everything we post only reads, so it may be repeated.
    pub(crate) body: Option<&'a [u8]>,
    /// A login that goes before those of settings and helpers.
    pub(crate) login: Option<&'a Login>,
}

/// What a host answered, its body unread.
pub(crate) struct Answer {
    /// Where the answer came from, after redirects.
    pub(crate) url: Url,
    status: u16,
    /// Whether credentials were sent.
    known: bool,
    response: Response<Body>,
    slow: Duration,
}

impl Answer {
    pub(crate) fn content_type(&self) -> &str {
        self.header("content-type")
    }

    fn header(&self, name: &str) -> &str {
        self.response.headers().get(name).and_then(|v| v.to_str().ok()).unwrap_or("")
    }

    /// This answer if it is a success; `name` is what the person asked for.
    ///
    /// # Errors
    /// By status: 401 and 403 `Auth`, 404 and 410 `NotFound`, others `Network`.
    pub(crate) fn accept(self, world: &World, name: &str) -> Result<Self> {
        let host = self.url.host_str().unwrap_or("the host");
        match self.status {
            200..=299 => Ok(self),
            401 | 403 | 407 => Err(auth::wanted(world, &self.url, name, self.status, self.known)),
            404 | 410 => {
                let error = error!(NotFound, "`{name}` was not found on {host}")
                    .cause(format!("the remote returned {}", self.status));
                Err(auth::private_hint(error, auth::variable(world, &self.url), &self.url))
            }
            429 => Err(error!(Network, "{host} has had too many requests from here")
                .cause("the remote returned 429")
                .hint("wait a few minutes; with a token the limit is higher")),
            status => Err(error!(Network, "{host} could not answer for `{name}`")
                .cause(format!("the remote returned {status}"))
                .hint("try again later")),
        }
    }

    /// The body, at most `cap` bytes of it: one byte more is an error, as is a host
    /// that sends too slowly. Errors are [`Error`] values inside `io::Error`.
    pub(crate) fn into_reader(self, cap: u64) -> impl Read + Send + 'static {
        let host = self.url.host_str().unwrap_or("the host").to_owned();
        Metered {
            inner: self.response.into_body().into_reader(),
            host,
            cap,
            left: cap,
            window: Instant::now(),
            in_window: 0,
            slow: self.slow,
        }
    }
}

/// A body that is counted and timed.
struct Metered<R> {
    inner: R,
    host: String,
    cap: u64,
    left: u64,
    window: Instant,
    in_window: u64,
    slow: Duration,
}

impl<R: Read> Read for Metered<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let host = &self.host;
        let length = self.inner.read(buffer).map_err(|e| std::io::Error::other(broken_off(host, e)))?;
        let read = length as u64;
        if read > self.left {
            let cap = self.cap;
            let error = error!(Invalid, "{host} sent more than {cap} bytes")
                .hint("raise the limit `download` or `pack` in config.yaml if you trust the source");
            return Err(std::io::Error::other(error));
        }
        self.left -= read;
        self.in_window += read;
        if self.window.elapsed() >= self.slow {
            if self.in_window < SLOWEST * self.slow.as_secs() && length > 0 {
                return Err(std::io::Error::other(error!(Network, "{host} sends too slowly")));
            }
            (self.window, self.in_window) = (Instant::now(), 0);
        }
        Ok(length)
    }
}

fn broken_off(host: &str, error: std::io::Error) -> Error {
    match error.kind() {
        std::io::ErrorKind::TimedOut => error!(Network, "{host} stopped sending"),
        _ => error!(Network, "{host} broke off").cause(printable(&error.to_string(), false)),
    }
    .hint("try again")
}

/// Our own error out of a reader's, or a `Network` one.
pub(crate) fn from_reader(error: std::io::Error) -> Error {
    match error.downcast::<Error>() {
        Ok(ours) => ours,
        Err(other) => broken_off("the remote", other),
    }
}

/// The bytes at `url`: archives, manifests. Redirects may lead to any host by https;
/// credentials go to the host that they belong to and nowhere else.
///
/// # Errors
/// `Usage` for a URL that is not allowed, `Invalid` above `cap` bytes, else as
/// [`Answer::accept`].
pub(crate) fn get(world: &World, url: &str, cap: u64) -> Result<Vec<u8>> {
    load(world, url, cap, |_, _| Ok(()))
}

/// As [`get`], but a redirect to another host or port is refused: for files that only their
/// host vouches for.
///
/// # Errors
/// As [`get`], and `Network` for such a redirect.
pub(crate) fn get_there(world: &World, url: &str, cap: u64) -> Result<Vec<u8>> {
    load(world, url, cap, |from, to| {
        if (from.host(), from.port_or_known_default()) == (to.host(), to.port_or_known_default()) {
            return Ok(());
        }
        Err(error!(Network, "{} redirects to another host, `{}`", host(from), without_query(to))
            .cause("its files have no digest: only the host itself vouches for them")
            .hint("if you trust the other host, name it instead"))
    })
}

fn load(world: &World, url: &str, cap: u64, rule: impl Fn(&Url, &Url) -> Result<()>) -> Result<Vec<u8>> {
    let url = allowed(world, url)?;
    let ask = Ask { url: &url, headers: &[("User-Agent", AGENT)], body: None, login: None };
    let name = without_query(&url);
    let answer = follow(world, ask, rule)?.accept(world, &name)?;
    let length = answer.header("content-length").parse().ok();
    let mut reader = answer.into_reader(cap);
    let mut bytes = Vec::new();
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let read = reader.read(&mut buffer).map_err(from_reader)?;
        bytes.extend_from_slice(&buffer[..read]);
        if read == 0 {
            return Ok(bytes);
        }
        world.progress.advance(bytes.len() as u64, length);
    }
}

const AGENT: &str = concat!("ba-agent/", env!("CARGO_PKG_VERSION"));

/// A URL as messages show it: a query may hold a signature.
fn without_query(url: &Url) -> String {
    let mut shown = url.clone();
    shown.set_query(None);
    shown.set_fragment(None);
    printable(shown.as_str(), false)
}

/// Parses an http(s) URL and applies the rule of schemes.
///
/// # Errors
/// `Usage` for another scheme, for `user:password@`, and for plain http to a host that
/// is not this machine unless the settings allow it.
pub(crate) fn allowed(world: &World, text: &str) -> Result<Url> {
    let shown = printable(text, false);
    let url = Url::parse(text).map_err(|e| error!(Usage, "`{shown}` is no URL").cause(e))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(error!(Usage, "the URL for {} holds a user name or password", host(&url))
            .hint("write it without; credentials come from GITHUB_TOKEN and its like, or from your git credential helper"));
    }
    check_line(world, &url)?;
    Ok(url)
}

fn host(url: &Url) -> &str {
    url.host_str().unwrap_or("a host")
}

/// The rule of schemes: https anywhere, http to this machine or by setting.
pub(crate) fn check_line(world: &World, url: &Url) -> Result<()> {
    match url.scheme() {
        "https" => Ok(()),
        "http" if is_private_line(url) || world.settings.allow_http => Ok(()),
        "http" => Err(error!(Usage, "plain http to {} can be read and changed on the way", host(url))
            .hint("write https://, or add `allow_http: true` to config.yaml")),
        other => fail!(Usage, "`{}:` is no way to reach a host", printable(other, false)),
    }
}

/// True when nobody on the way can listen: https, or this very machine.
pub(crate) fn is_private_line(url: &Url) -> bool {
    url.scheme() == "https" || is_loopback(url)
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        Some(Host::Domain(name)) => name.eq_ignore_ascii_case("localhost"),
        None => false,
    }
}

/// Sends `ask`, following redirects as far as `rule(from, to)` agrees.
///
/// # Errors
/// Those of `rule`; `Network` for more than five redirects, a downgrade to http, a
/// redirect without a target, and a host that cannot be reached.
pub(crate) fn follow(world: &World, ask: Ask, rule: impl Fn(&Url, &Url) -> Result<()>) -> Result<Answer> {
    let mut url = ask.url.clone();
    for _ in 0..=REDIRECTS {
        let answer = send(world, Ask { url: &url, ..ask })?;
        if !matches!(answer.status, 301 | 302 | 303 | 307 | 308) {
            return Ok(answer);
        }
        let next = url.join(answer.header("location")).ok().filter(|next| *next != url);
        let Some(next) = next.filter(|_| !answer.header("location").is_empty()) else {
            fail!(Network, "{} redirects to nowhere", host(&url));
        };
        check_redirect(world, &url, &next)?;
        rule(&url, &next)?;
        url = next;
    }
    fail!(Network, "{} redirects in circles", host(ask.url))
}

fn check_redirect(world: &World, from: &Url, to: &Url) -> Result<()> {
    if from.scheme() == "https" && to.scheme() != "https" {
        return Err(error!(Network, "{} redirects from https to `{}`", host(from), without_query(to))
            .hint("that was refused: the way there can be read and changed"));
    }
    if !to.username().is_empty() || to.password().is_some() {
        fail!(Network, "{} redirects to a URL with credentials in it", host(from));
    }
    check_line(world, to).map_err(|e| Error { kind: Kind::Network, ..e })
}

/// One request with the login that fits, asking the credential helpers after a 401.
fn send(world: &World, ask: Ask) -> Result<Answer> {
    if world.offline {
        return Err(error!(Network, "{} was not asked: this run is offline", host(ask.url))
            .hint("run it again without `--offline`"));
    }
    let known = auth::known(world, ask.url);
    let login = ask.login.or(known.as_ref()).filter(|login| login.header_for(ask.url).is_some());
    let answer = patiently(world, ask, login)?;
    if answer.status != 401 {
        return Ok(answer);
    }
    match auth::ask(world, ask.url)? {
        Some(login) => patiently(world, ask, Some(&login)),
        None => Ok(answer),
    }
}

/// Up to three tries: a host that is busy (429, 5xx) or hangs up is asked again after
/// a pause; one that refuses the connection or has no address is not.
fn patiently(world: &World, ask: Ask, login: Option<&Login>) -> Result<Answer> {
    let mut pauses = world.http.patience.pauses.iter();
    loop {
        let outcome = once(world, ask, login);
        let again = match &outcome {
            Ok(response) => matches!(response.status().as_u16(), 429 | 500 | 502 | 503 | 504),
            Err(ureq::Error::Io(e)) => !matches!(
                e.kind(),
                std::io::ErrorKind::ConnectionRefused
                    | std::io::ErrorKind::TimedOut
                    | std::io::ErrorKind::InvalidData
            ),
            Err(_) => false,
        };
        if again && let Some(pause) = pauses.next() {
            std::thread::sleep(*pause);
            continue;
        }
        let response = outcome.map_err(|e| unreachable(ask.url, &e))?;
        return Ok(Answer {
            url: ask.url.clone(),
            status: response.status().as_u16(),
            known: login.is_some(),
            response,
            slow: world.http.patience.slow,
        });
    }
}

fn once(world: &World, ask: Ask, login: Option<&Login>) -> Result<Response<Body>, ureq::Error> {
    let agent = world.http.agent(world).map_err(|e| ureq::Error::Other(Box::new(e)))?;
    let proxy = proxy(world.env, ask.url).map_err(|e| ureq::Error::Other(Box::new(e)))?;
    let authorization = login.and_then(|login| login.header_for(ask.url));
    let url = ask.url.as_str();
    match ask.body {
        None => {
            let mut request = agent.get(url);
            for (name, value) in ask.headers {
                request = request.header(*name, *value);
            }
            if let Some(value) = authorization {
                request = request.header(AUTHORIZATION, value);
            }
            match proxy {
                Some(proxy) => request.config().proxy(Some(proxy)).build().call(),
                None => request.call(),
            }
        }
        Some(body) => {
            let mut request = agent.post(url);
            for (name, value) in ask.headers {
                request = request.header(*name, *value);
            }
            if let Some(value) = authorization {
                request = request.header(AUTHORIZATION, value);
            }
            match proxy {
                Some(proxy) => request.config().proxy(Some(proxy)).build().send(body),
                None => request.send(body),
            }
        }
    }
}

fn unreachable(url: &Url, error: &ureq::Error) -> Error {
    let host = host(url);
    if let ureq::Error::Other(inner) = error
        && let Some(ours) = inner.downcast_ref::<Error>()
    {
        return ours.clone();
    }
    let why = match error {
        ureq::Error::HostNotFound => "the name has no address".to_owned(),
        ureq::Error::Timeout(what) => format!("no answer in time ({what})"),
        other => printable(&other.to_string(), false),
    };
    error!(Network, "{host} cannot be reached")
        .cause(why)
        .hint("check the connection, the name and the proxy")
}

/// The proxy for a URL: `HTTPS_PROXY` or `HTTP_PROXY` by scheme, else `ALL_PROXY`, in
/// lower or upper case as curl has it; none for this machine and for `NO_PROXY`.
///
/// # Errors
/// `Usage` for a proxy that is no http(s) URL.
fn proxy(env: &Env, url: &Url) -> Result<Option<Proxy>> {
    let either = |lower: &str| env.var(lower).or_else(|| env.var(&lower.to_ascii_uppercase()));
    let own = if url.scheme() == "https" { "https_proxy" } else { "http_proxy" };
    let Some(text) = either(own).or_else(|| either("all_proxy")) else { return Ok(None) };
    let host = host(url);
    if is_loopback(url) || either("no_proxy").is_some_and(|list| is_exempt(list, host)) {
        return Ok(None);
    }
    // The text may hold a password: it is not shown.
    Proxy::new(text).map(Some).map_err(|_| {
        error!(Usage, "the proxy in {} cannot be used", own.to_ascii_uppercase())
            .hint("write it as http://host:port")
    })
}

/// Whether `NO_PROXY` names the host: `*`, the host itself, or a domain above it.
fn is_exempt(list: &str, host: &str) -> bool {
    let host = host.trim_matches(['[', ']']).to_ascii_lowercase();
    list.split(',').map(str::trim).filter(|name| !name.is_empty()).any(|name| {
        let name = name.trim_start_matches("*.").trim_start_matches('.').to_ascii_lowercase();
        let name = name.split_once(':').map_or(name.as_str(), |(name, _)| name);
        name == "*" || host == name || host.strip_suffix(name).is_some_and(|rest| rest.ends_with('.'))
    })
}

#[cfg(test)]
mod tests;
