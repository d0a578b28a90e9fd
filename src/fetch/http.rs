//! World: the product's one HTTP client. It is built at the first request, keeps its
//! connections, goes through the proxies that git and curl would take, and follows a redirect only by the rule
//! written here.

mod answer;
mod proxy;
mod tls;
mod whole;

use std::collections::BTreeMap;
use std::io::Read;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use ureq::http::{HeaderName, HeaderValue, Method, Request, Response, header::AUTHORIZATION};
use ureq::tls::{RootCerts, TlsConfig};
use ureq::unversioned::resolver::DefaultResolver;
use ureq::unversioned::transport::{Connector as _, DefaultConnector};
use ureq::{Agent, AsSendBody, Body, Proxy};
use url::{Host, Url};

use crate::error::{Error, Kind, Result, error, fail, printable};
use crate::fetch::World;
use crate::fetch::auth::{self, Keyring, Login, Way};
use crate::fetch::git::config::GitConfig;
use crate::interrupt;
pub(crate) use answer::{Answer, Speed, from_reader};
use proxy::Route;
use tls::Authorities;
use whole::WholeRequests;

/// How many redirects are followed; browsers follow 20, git 20, but nothing honest
/// needs more than three.
const REDIRECTS: usize = 5;

/// The client, and what the user's credential helpers said. One for each run.
#[derive(Debug, Default)]
pub(crate) struct Http {
    agents: Mutex<Vec<(Trust, Agent)>>,
    git_config: OnceLock<GitConfig>,
    pub(crate) keyring: Keyring,
    /// Sources that were followed to where they have moved.
    moves: Mutex<BTreeMap<String, String>>,
    patience: Patience,
}

/// How long a host may take.
#[derive(Debug, Clone)]
pub(crate) struct Patience {
    /// For name, connection and TLS together.
    pub(crate) connect: Duration,
    /// Between two reads.
    pub(crate) idle: Duration,
    /// The window in which [`Speed`] is measured.
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

    /// Remembers that a source was followed to another address.
    pub(crate) fn note_move(&self, source: String, to: String) {
        self.moves.lock().unwrap_or_else(PoisonError::into_inner).insert(source, to);
    }

    /// The sources that were followed in this run, and where they are now.
    pub(crate) fn moves(&self) -> BTreeMap<String, String> {
        self.moves.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The user's git configuration, read once in a run.
    ///
    /// # Errors
    /// As [`GitConfig::load`].
    pub(crate) fn git_config(&self, world: &World) -> Result<&GitConfig> {
        if let Some(config) = self.git_config.get() {
            return Ok(config);
        }
        let config = GitConfig::load(world.env)?;
        Ok(self.git_config.get_or_init(|| config))
    }

    /// The client for a URL: one for each set of trusted authorities, so that connections are
    /// used again. Without TLS nothing is read for it.
    fn agent(&self, world: &World, url: &Url, route: Option<&Route>) -> Result<Agent> {
        let secured = url.scheme() == "https" || route.is_some_and(Route::is_secured);
        let trust = secured.then(|| Authorities::of(world, url)).transpose()?;
        let mut agents = self.agents.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, agent)) = agents.iter().find(|(known, _)| *known == trust) {
            return Ok(agent.clone());
        }
        let roots = trust.as_ref().map_or(Ok(RootCerts::WebPki), Authorities::read)?;
        let agent = build(roots, &self.patience);
        agents.push((trust, agent.clone()));
        Ok(agent)
    }
}

/// Whom a client trusts; `None` for one that only speaks plain http.
type Trust = Option<Authorities>;

fn build(roots: RootCerts, patience: &Patience) -> Agent {
    let config = Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .no_delay(true)
        .proxy(None)
        .tls_config(TlsConfig::builder().root_certs(roots).build())
        .timeout_resolve(Some(patience.connect))
        .timeout_connect(Some(patience.connect))
        .timeout_per_read(Some(patience.idle))
        .timeout_per_write(Some(patience.idle))
        .timeout_recv_response(Some(patience.idle * 2));
    let connector = DefaultConnector::default().chain(WholeRequests);
    Agent::with_parts(config.build(), connector, DefaultResolver::default())
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

/// The bytes at `url`: archives, manifests. Redirects may lead to any host by https;
/// credentials go to the host that they belong to and nowhere else.
///
/// # Errors
/// `Usage` for a URL that is not allowed, `Invalid` above `cap` bytes, else as
/// [`TermMatch::accept`].
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

/// Whether bytes are a page of HTML, as sign-in pages are that stand in for anything.
pub(crate) fn is_web_page(bytes: &[u8]) -> bool {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes).trim_ascii_start();
    let begins = |word: &[u8]| bytes.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word));
    [&b"<!doctype html"[..], b"<html", b"<head", b"<body"].iter().any(|word| begins(word))
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
    let url = Url::parse(text).map_err(|e| error!(Usage, "`{shown}` is not a valid URL").cause(e))?;
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
        other => fail!(Usage, "expected an https:// address, found one of `{}:`", printable(other, false)),
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
        interrupt::check()?;
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

/// One request with the login that fits; after a 401 with those that are asked for.
fn send(world: &World, ask: Ask) -> Result<Answer> {
    if world.offline {
        return Err(error!(Network, "{} was not asked: this run is offline", host(ask.url))
            .hint("run it again without `--offline`"));
    }
    let user = ask.login.and_then(Login::user_alone);
    let answered = auth::answered(world, ask.url, user);
    // An answer was asked for because the header of the user's own was refused.
    let own = answered.is_none();
    let login = match answered.or_else(|| ask.login.cloned()) {
        Some(login) => Some(login),
        None => auth::token(world, ask.url)?,
    };
    let mut login = login.filter(|login| login.header_for(ask.url).is_some());
    let mut answer = patiently(world, ask, login.as_ref(), own)?;
    for way in [Way::Netrc, Way::Helpers] {
        if answer.status != 401 {
            break;
        }
        let other = auth::ask(world, ask.url, user, way)?.filter(|other| login.as_ref() != Some(other));
        if let Some(other) = other {
            answer = patiently(world, ask, Some(&other), false)?;
            login = Some(other);
        }
    }
    Ok(answer)
}

/// Up to three tries: a host that is busy (429, 5xx) or hangs up is asked again after
/// a pause; one that refuses the connection or has no address is not.
///
/// `own` is false where a header of the user's own has been refused: then `login` stands alone.
fn patiently(world: &World, ask: Ask, login: Option<&Login>, own: bool) -> Result<Answer> {
    let mut headers = auth::extra_headers(world, ask.url)?;
    headers.retain(|(name, _)| own || *name != AUTHORIZATION);
    let login = login.filter(|_| !auth::has_authorization(&headers));
    let route = proxy::find(world, ask.url)?;
    let agent = world.http.agent(world, ask.url, route.as_ref())?;
    let proxy = route.as_ref().map(|route| &route.proxy);
    let mut pauses = world.http.patience.pauses.iter();
    loop {
        let outcome = once(&agent, ask, login, &headers, proxy);
        let wait = outcome.as_ref().ok().and_then(|response| retry_after(world, response));
        let again = match &outcome {
            Ok(response) => matches!(response.status().as_u16(), 429 | 500 | 502 | 503 | 504),
            Err(error) => may_pass(error),
        };
        if again
            && wait.is_none_or(|wait| wait <= LONGEST_WAIT)
            && let Some(pause) = pauses.next()
        {
            interrupt::sleep(wait.unwrap_or(*pause))?;
            continue;
        }
        let response = outcome.map_err(|e| unreachable(world, ask.url, &e, route.as_ref()))?;
        return Ok(Answer {
            url: ask.url.clone(),
            status: response.status().as_u16(),
            known: login.is_some() || auth::has_authorization(&headers),
            wait,
            response,
            slow: world.http.patience.slow,
        });
    }
}

/// Whether a failure may be gone a moment later. A refusal, a certificate and a proxy that
/// wants a login stay as they are.
fn may_pass(error: &ureq::Error) -> bool {
    use std::io::ErrorKind::{ConnectionRefused, InvalidData, InvalidInput, PermissionDenied, TimedOut};
    let lasting = [ConnectionRefused, TimedOut, InvalidData, InvalidInput, PermissionDenied];
    matches!(error, ureq::Error::Io(e) if !lasting.contains(&e.kind()))
}

/// A host that wants more patience than this is not asked again in this run.
const LONGEST_WAIT: Duration = Duration::from_secs(10);

/// What `Retry-After` says: seconds, or a time.
fn retry_after(world: &World, response: &Response<Body>) -> Option<Duration> {
    let text = response.headers().get("retry-after")?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let then = jiff::fmt::rfc2822::parse(text).ok()?.timestamp();
    Some(Duration::try_from(then - world.env.now).unwrap_or_default())
}

fn once(
    agent: &Agent,
    ask: Ask,
    login: Option<&Login>,
    own: &[(HeaderName, HeaderValue)],
    proxy: Option<&Proxy>,
) -> Result<Response<Body>, ureq::Error> {
    let authorization = login.and_then(|login| login.header_for(ask.url));
    let method = if ask.body.is_some() { Method::POST } else { Method::GET };
    let mut request = Request::builder().method(method).uri(ask.url.as_str());
    for (name, value) in ask.headers {
        request = request.header(*name, *value);
    }
    for (name, value) in own {
        request = request.header(name, value);
    }
    if let Some(value) = authorization {
        request = request.header(AUTHORIZATION, value);
    }
    match ask.body {
        None => run(agent, request.body(())?, proxy),
        Some(body) => run(agent, request.body(body)?, proxy),
    }
}

fn run<B: AsSendBody>(
    agent: &Agent,
    request: Request<B>,
    proxy: Option<&Proxy>,
) -> Result<Response<Body>, ureq::Error> {
    match proxy {
        Some(proxy) => agent.run(agent.configure_request(request).proxy(Some(proxy.clone())).build()),
        None => agent.run(request),
    }
}

fn unreachable(world: &World, url: &Url, error: &ureq::Error, route: Option<&Route>) -> Error {
    let host = host(url);
    if let Some(ours) = tls::failed(world, url, error) {
        return ours;
    }
    if let Some(ours) = route.and_then(|route| route.failed(error, host)) {
        return ours;
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

#[cfg(test)]
mod tests;
