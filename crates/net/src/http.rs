//! The product's one HTTP client. It is built at the first request, keeps its
//! connections, goes through the proxies that git and curl would take, and follows a redirect only by the rule
//! written here.

mod answer;
mod client_certificate;
mod early_close;
mod pem_file;
mod proxy;
mod signed;
mod tls;
mod whole;

use std::io::Read;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use ureq::http::{HeaderName, HeaderValue, Request, Response, header::AUTHORIZATION};
use ureq::tls::{ClientCert, RootCerts, TlsConfig};
use ureq::unversioned::resolver::DefaultResolver;
use ureq::unversioned::transport::{
    ConnectProxyConnector, Connector as _, RustlsConnector, SocksConnector, TcpConnector,
};
use ureq::{Agent, AsSendBody, Body, Proxy};
use url::Url;

use crate::credentials::{Credentials, Login, Way, has_authorization};
use crate::hosts::HostSettings;
use crate::policy::{check_scheme, host_of, parse_url};
pub use answer::{HttpResponse, Speed, from_reader};
use ba_agent_core::error::{Error, Kind, Result, error, fail, printable};
use ba_agent_core::listing::Limits;
use ba_agent_system::env::Env;
use ba_agent_system::interrupt;
use ba_agent_system::progress::Progress;
use client_certificate::{CertificateChoice, ClientCertificate};
use early_close::EarlyCloses;
use proxy::Route;
pub use signed::{SignedMethod, SignedRequest};
use tls::Authorities;
pub use ureq::http::Method;
use whole::WholeRequests;

/// How many redirects are followed; browsers follow 20, git 20, but nothing honest
/// needs more than three.
const REDIRECTS: usize = 5;

/// The HTTP client of one command, with what it needs to know about the hosts that it asks.
pub struct Net<'a> {
    pub env: &'a Env,
    pub hosts: &'a HostSettings,
    pub limits: &'a Limits,
    /// No connection is opened, no subprocess started.
    pub offline: bool,
    pub progress: &'a dyn Progress,
    pub credentials: Credentials<'a>,
    agents: Mutex<Vec<(Option<Trust>, Agent)>>,
    patience: Patience,
}

/// How long a host may take.
#[derive(Debug, Clone)]
pub struct Patience {
    /// For name, connection and TLS together.
    pub connect: Duration,
    /// Between two reads.
    pub idle: Duration,
    /// The window in which [`Speed`] is measured.
    pub slow: Duration,
    /// Before the second and the third try.
    pub pauses: [Duration; 2],
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

impl<'a> Net<'a> {
    /// A client that has asked nobody yet.
    pub fn new(
        env: &'a Env,
        hosts: &'a HostSettings,
        limits: &'a Limits,
        offline: bool,
        progress: &'a dyn Progress,
    ) -> Self {
        let credentials = Credentials::new(env, hosts, offline);
        let (agents, patience) = Default::default();
        Self { env, hosts, limits, offline, progress, credentials, agents, patience }
    }

    /// The same client with other limits than the usual ones.
    pub fn with_patience(self, patience: Patience) -> Self {
        Self { patience, ..self }
    }

    pub fn configured_patience(&self) -> &Patience {
        &self.patience
    }

    /// Parses a URL that may be asked.
    ///
    /// # Errors
    /// Those of [`parse_url`].
    pub fn parse_url(&self, text: &str) -> Result<Url> {
        parse_url(text, self.hosts.allow_http)
    }

    /// The client for a URL: one for each set of trusted authorities and each client
    /// certificate, so that connections are used again. Without TLS nothing is read for it.
    fn agent_for_route(&self, url: &Url, route: Option<&Route>) -> Result<Agent> {
        let secured = url.scheme() == "https" || route.is_some_and(Route::is_secured);
        let trust = secured.then(|| Trust::find_for(self, url)).transpose()?;
        let mut agents = self.agents.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, agent)) = agents.iter().find(|(known, _)| *known == trust) {
            return Ok(agent.clone());
        }
        let agent = match &trust {
            None => build_http_agent(RootCerts::WebPki, None, &self.patience),
            Some(trust) => {
                let certificate = trust.certificate.as_ref().map(ClientCertificate::read).transpose()?;
                build_http_agent(trust.authorities.read()?, certificate, &self.patience)
            }
        };
        agents.push((trust, agent.clone()));
        Ok(agent)
    }
}

/// Whom a client trusts, and how it shows who it is.
#[derive(Debug, PartialEq, Eq)]
struct Trust {
    authorities: Authorities,
    certificate: Option<ClientCertificate>,
}

impl Trust {
    fn find_for(net: &Net<'_>, url: &Url) -> Result<Self> {
        let certificate = match ClientCertificate::find_for(net, url)? {
            CertificateChoice::Certificate(certificate) => Some(certificate),
            CertificateChoice::Nothing | CertificateChoice::Withheld(_) => None,
        };
        Ok(Self { authorities: Authorities::find_for(net, url)?, certificate })
    }
}

fn build_http_agent(roots: RootCerts, certificate: Option<ClientCert>, patience: &Patience) -> Agent {
    let tls = TlsConfig::builder().root_certs(roots).client_cert(certificate).build();
    let config = Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .no_delay(true)
        .proxy(None)
        .tls_config(tls)
        .timeout_resolve(Some(patience.connect))
        .timeout_connect(Some(patience.connect))
        .timeout_per_read(Some(patience.idle))
        .timeout_per_write(Some(patience.idle))
        .timeout_recv_response(Some(patience.idle * 2));
    // The default chain, with two of our own in it.
    let connector =
        ().chain(SocksConnector::default())
            .chain(ConnectProxyConnector::default())
            .chain(TcpConnector::default())
            .chain(EarlyCloses)
            .chain(RustlsConnector::default())
            .chain(WholeRequests);
    Agent::with_parts(config.build(), connector, DefaultResolver::default())
}

/// What is asked of a host. Without a [method](HttpRequest::method) it only reads.
#[derive(Clone, Copy)]
pub struct HttpRequest<'a> {
    pub url: &'a Url,
    /// Sent as they are, beside the login.
    pub headers: &'a [(&'static str, &'a str)],
    /// `Some` makes it a POST, which only reads and so may be repeated.
    pub body: Option<&'a [u8]>,
    /// A login that goes before those of settings and helpers.
    pub login: Option<&'a Login>,
    /// Another method than GET, or POST where there is a body. What is sent by it may change
    /// something, so a POST of this kind is not repeated.
    pub method: Option<&'a Method>,
    /// Credential helpers know repositories; where they are not asked, `.netrc` still is.
    pub asks_helpers: bool,
}

impl<'a> HttpRequest<'a> {
    /// A GET as nobody in particular.
    pub fn get(url: &'a Url) -> Self {
        Self { url, headers: &[], body: None, login: None, method: None, asks_helpers: true }
    }

    /// Whether it may be sent again when nobody knows what became of it.
    fn may_be_repeated(&self) -> bool {
        self.method.is_none_or(Method::is_idempotent)
    }
}

impl Net<'_> {
    /// The bytes at `url`: archives, manifests. Redirects may lead to any host by https;
    /// credentials go to the host that they belong to and nowhere else.
    ///
    /// # Errors
    /// `Usage` for a URL that is not allowed, `Invalid` above `cap` bytes, else as
    /// [`HttpResponse::check_status`].
    pub fn download(&self, url: &str, cap: u64) -> Result<Vec<u8>> {
        self.load_capped_body(url, cap, |_, _| Ok(()))
    }

    /// As [`Net::download`], but a redirect to another host or port is refused: for files that only their
    /// host vouches for.
    ///
    /// # Errors
    /// As [`Net::download`], and `Network` for such a redirect.
    pub fn download_from_host(&self, url: &str, cap: u64) -> Result<Vec<u8>> {
        self.load_capped_body(url, cap, |from, to| {
            if (from.host(), from.port_or_known_default()) == (to.host(), to.port_or_known_default()) {
                return Ok(());
            }
            Err(error!(Network, "{} redirects to another host, `{}`", host_of(from), without_query(to))
                .cause("its files have no digest, so only the host itself is trusted for them")
                .hint("if you trust the other host, name it instead"))
        })
    }

    fn load_capped_body(
        &self,
        url: &str,
        cap: u64,
        rule: impl Fn(&Url, &Url) -> Result<()>,
    ) -> Result<Vec<u8>> {
        let url = self.parse_url(url)?;
        let ask = HttpRequest { headers: &[("User-Agent", AGENT)], ..HttpRequest::get(&url) };
        let name = without_query(&url);
        let answer = self.follow(ask, rule)?.check_status(&self.credentials, &name)?;
        let length = answer.header("content-length").parse().ok();
        let mut reader = answer.into_reader(cap);
        let mut bytes = Vec::new();
        let mut buffer = vec![0; 64 * 1024];
        loop {
            self.progress.check_cancelled()?;
            let read = reader.read(&mut buffer).map_err(from_reader)?;
            bytes.extend_from_slice(&buffer[..read]);
            if read == 0 {
                return Ok(bytes);
            }
            self.progress.advance(bytes.len() as u64, length);
        }
    }

    /// Sends `ask`, following redirects as far as `rule(from, to)` agrees.
    ///
    /// # Errors
    /// Those of `rule`; `Network` for more than five redirects, a downgrade to http, a
    /// redirect without a target, and a host that cannot be reached.
    pub fn follow(&self, ask: HttpRequest, rule: impl Fn(&Url, &Url) -> Result<()>) -> Result<HttpResponse> {
        let mut url = ask.url.clone();
        for _ in 0..=REDIRECTS {
            self.progress.check_cancelled()?;
            let answer = self.send(HttpRequest { url: &url, ..ask })?;
            // What changes something is told to the one who was meant.
            if !matches!(answer.status, 301 | 302 | 303 | 307 | 308) || ask.method.is_some() {
                return Ok(answer);
            }
            let next = url.join(answer.header("location")).ok().filter(|next| *next != url);
            let Some(next) = next.filter(|_| !answer.header("location").is_empty()) else {
                fail!(Network, "{} redirects without an address", host_of(&url));
            };
            self.check_redirect(&url, &next)?;
            rule(&url, &next)?;
            url = next;
        }
        fail!(Network, "{} redirects in a loop", host_of(ask.url))
    }

    fn check_redirect(&self, from: &Url, to: &Url) -> Result<()> {
        if from.scheme() == "https" && to.scheme() != "https" {
            return Err(error!(Network, "{} redirects from https to `{}`", host_of(from), without_query(to))
                .hint("that was refused: plain http can be read and changed in transit"));
        }
        if !to.username().is_empty() || to.password().is_some() {
            fail!(Network, "{} redirects to a URL with credentials in it", host_of(from));
        }
        check_scheme(to, self.hosts.allow_http).map_err(|e| Error { kind: Kind::Network, ..e })
    }

    /// One request with the login that fits; after a 401 with those that are asked for.
    fn send(&self, ask: HttpRequest) -> Result<HttpResponse> {
        if self.offline {
            return Err(error!(Network, "{} was not contacted: this run is offline", host_of(ask.url))
                .hint("run it again without `--offline`"));
        }
        let user = ask.login.and_then(Login::user_alone);
        let answered = self.credentials.earlier_answer(ask.url, user);
        // An answer was asked for because the header of the user's own was refused.
        let own = answered.is_none();
        let login = match answered.or_else(|| ask.login.cloned()) {
            Some(login) => Some(login),
            None => self.credentials.token_for(ask.url)?,
        };
        let mut login = login.filter(|login| login.header_for(ask.url).is_some());
        let mut answer = self.send_patiently(ask, login.as_ref(), own)?;
        for way in [Way::Netrc, Way::Helpers] {
            if answer.status != 401 || (way == Way::Helpers && !ask.asks_helpers) {
                break;
            }
            let other =
                self.credentials.ask_login(ask.url, user, way)?.filter(|other| login.as_ref() != Some(other));
            if let Some(other) = other {
                answer = self.send_patiently(ask, Some(&other), false)?;
                login = Some(other);
            }
        }
        Ok(answer)
    }

    /// Up to three tries: a host that is busy (429, 5xx) or hangs up is asked again after
    /// a pause; one that refuses the connection or has no address is not.
    ///
    /// `own` is false where a header of the user's own has been refused: then `login` stands alone.
    fn send_patiently(&self, ask: HttpRequest, login: Option<&Login>, own: bool) -> Result<HttpResponse> {
        let mut headers = self.credentials.extra_headers(ask.url)?;
        headers.retain(|(name, _)| own || *name != AUTHORIZATION);
        let login = login.filter(|_| !has_authorization(&headers));
        let route = proxy::find_proxy(self, ask.url)?;
        let agent = self.agent_for_route(ask.url, route.as_ref())?;
        let proxy = route.as_ref().map(|route| &route.proxy);
        let mut pauses = self.patience.pauses.iter();
        loop {
            let outcome = send_request_once(&agent, ask, login, &headers, proxy);
            let wait = outcome.as_ref().ok().and_then(|response| retry_after(self.env.now, response));
            let again = match &outcome {
                Ok(response) => matches!(response.status().as_u16(), 429 | 500 | 502 | 503 | 504),
                Err(error) => may_pass(error),
            };
            if again
                && ask.may_be_repeated()
                && wait.is_none_or(|wait| wait <= LONGEST_WAIT)
                && let Some(pause) = pauses.next()
            {
                interrupt::sleep(wait.unwrap_or(*pause), || self.progress.check_cancelled())?;
                continue;
            }
            let response = outcome.map_err(|e| self.unreachable_error(ask.url, &e, route.as_ref()))?;
            return Ok(HttpResponse {
                url: ask.url.clone(),
                status: response.status().as_u16(),
                known: login.is_some() || has_authorization(&headers),
                wait,
                response,
                slow: self.patience.slow,
            });
        }
    }

    fn unreachable_error(&self, url: &Url, error: &ureq::Error, route: Option<&Route>) -> Error {
        let host = host_of(url);
        if let Some(ours) = tls::tls_error(self, url, error) {
            return ours;
        }
        if let Some(ours) = route.and_then(|route| route.proxy_error(error, host)) {
            return ours;
        }
        let why = match error {
            ureq::Error::HostNotFound => "the name has no address".to_owned(),
            ureq::Error::Timeout(what) => format!("no answer in time ({what})"),
            other => printable(&other.to_string(), false),
        };
        let is_closed = matches!(error, ureq::Error::Io(_));
        let closed = is_closed.then(|| client_certificate::closing_hint(self, url)).flatten();
        let error = error!(Network, "{host} cannot be reached").cause(why);
        error.hint(closed.unwrap_or_else(|| "check the connection, the name and the proxy".to_owned()))
    }
}

/// Whether bytes are a page of HTML, as sign-in pages are that stand in for anything.
pub fn is_web_page(bytes: &[u8]) -> bool {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes).trim_ascii_start();
    let begins = |word: &[u8]| bytes.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word));
    [&b"<!doctype html"[..], b"<html", b"<head", b"<body"].iter().any(|word| begins(word))
}

/// What this program calls itself.
pub const AGENT: &str = concat!("ba-agent/", env!("CARGO_PKG_VERSION"));

/// A URL as messages show it: a query may hold a signature.
fn without_query(url: &Url) -> String {
    let mut shown = url.clone();
    shown.set_query(None);
    shown.set_fragment(None);
    printable(shown.as_str(), false)
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
fn retry_after(now: Timestamp, response: &Response<Body>) -> Option<Duration> {
    let text = response.headers().get("retry-after")?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let then = jiff::fmt::rfc2822::parse(text).ok()?.timestamp();
    Some(Duration::try_from(then - now).unwrap_or_default())
}

fn send_request_once(
    agent: &Agent,
    ask: HttpRequest,
    login: Option<&Login>,
    own: &[(HeaderName, HeaderValue)],
    proxy: Option<&Proxy>,
) -> Result<Response<Body>, ureq::Error> {
    let authorization = login.and_then(|login| login.header_for(ask.url));
    let usual = if ask.body.is_some() { Method::POST } else { Method::GET };
    let method = ask.method.unwrap_or(&usual);
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

#[cfg(test)]
mod tests;
