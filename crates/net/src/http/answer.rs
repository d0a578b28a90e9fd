//! What a host answered: statuses as errors, and the body, counted and timed.

use std::io::Read;
use std::time::{Duration, Instant};

use ureq::Body;
use ureq::http::Response;
use url::Url;

use crate::credentials::{Credentials, origin};
use ba_agent_core::error::{Error, Result, error, fail, printable};
use ba_agent_core::text::count_noun;
use ba_agent_system::interrupt;

/// Bytes a second, over [`Patience::slow`], below which a host is given up.
pub(super) const SLOWEST: u64 = 1_000;

/// So much of a page is read to see what it is about.
const ENOUGH: u64 = 4 << 10;

/// What a host answered, its body unread.
pub struct HttpResponse {
    /// Where the answer came from, after redirects.
    pub url: Url,
    pub(super) status: u16,
    /// Whether credentials were sent.
    pub(super) known: bool,
    /// `Retry-After`.
    pub(super) wait: Option<Duration>,
    pub(super) response: Response<Body>,
    pub(super) slow: Duration,
}

impl HttpResponse {
    pub fn content_type(&self) -> &str {
        self.header("content-type")
    }

    /// The number of the answer: 200, 404.
    pub fn status_code(&self) -> u16 {
        self.status
    }

    /// A header, `""` where it was not sent.
    pub fn header(&self, name: &str) -> &str {
        self.response.headers().get(name).and_then(|v| v.to_str().ok()).unwrap_or("")
    }

    /// This answer if it is a success; `name` is what the person asked for.
    ///
    /// # Errors
    /// By status: 401 and 403 `Auth`, 404 and 410 `NotFound`, others `Network`.
    pub fn check_status(self, credentials: &Credentials<'_>, name: &str) -> Result<Self> {
        let host = self.url.host_str().unwrap_or("the host");
        match self.status {
            200..=299 => Ok(self),
            401 | 403 | 407 => Err(credentials.denied_error(&self.url, name, self.status, self.known)),
            404 | 410 => Err(credentials.not_found_error(&self.url, name, self.status, self.known)),
            451 => Err(error!(NotFound, "{host} does not serve `{name}` for legal reasons")
                .cause("the remote returned 451")
                .hint("a copy of it may be found elsewhere: `ba-agent skill search`")),
            429 => Err(self
                .error_to_retry_later(error!(Network, "{host} received too many requests from here"))
                .hint("with a token the limit is higher")),
            400 => Err(self.rejected_error(name)),
            500..=599 => {
                Err(self.error_to_retry_later(error!(Network, "{host} could not answer for `{name}`")))
            }
            _ => Err(rejected_error(host, name, self.status)),
        }
    }

    /// The error for a 400, by which nginx also says that it has seen no client certificate, or
    /// not the right one.
    fn rejected_error(self, name: &str) -> Error {
        let (host, origin) = (self.url.host_str().unwrap_or("the host").to_owned(), origin(&self.url));
        let mut head = Vec::new();
        let body = self.response.into_body().into_reader();
        // What cannot be read says nothing.
        let _ = body.take(ENOUGH).read_to_end(&mut head);
        if !String::from_utf8_lossy(&head).contains("SSL certificate") {
            return rejected_error(&host, name, self.status);
        }
        error!(Auth, "{host} requires a client certificate, or refused the one that it was sent")
            .cause("the remote returned 400 and speaks of the SSL certificate")
            .hint(format!(
                "`git config --global http.{origin}/.sslCert FILE` names it, `http.{origin}/.sslKey` its key"
            ))
    }

    /// Says when the host wants to be asked again.
    fn error_to_retry_later(&self, error: Error) -> Error {
        let error = error.cause(format!("the remote returned {}", self.status));
        match self.wait {
            Some(wait) => {
                error.hint(format!("the host asks to wait: try again in {}", spoken_waiting_time(wait)))
            }
            None => error.hint("try again in a few minutes"),
        }
    }

    /// The body, at most `cap` bytes of it: one byte more is an error, as is a host
    /// that sends too slowly. Errors are [`Error`] values inside `io::Error`.
    pub fn into_reader(self, cap: u64) -> impl Read + Send + 'static {
        let host = self.url.host_str().unwrap_or("the host").to_owned();
        Metered {
            inner: self.response.into_body().into_reader(),
            host,
            cap,
            left: cap,
            speed: Speed::new(self.slow),
        }
    }
}

fn rejected_error(host: &str, name: &str, status: u16) -> Error {
    error!(Network, "{host} rejected the request for `{name}`")
        .cause(format!("the remote returned {status}"))
        .hint("is the address right? a proxy may have changed the request")
}

/// How fast bytes come, over the time in which they were waited for.
#[derive(Debug)]
pub struct Speed {
    slow: Duration,
    waited: Duration,
    bytes: u64,
}

impl Speed {
    pub fn new(slow: Duration) -> Self {
        Self { slow, waited: Duration::ZERO, bytes: 0 }
    }

    /// Counts what came after a wait.
    ///
    /// # Errors
    /// `Network` for a host that has sent less than it must over the window.
    pub fn count(&mut self, host: &str, bytes: u64, waited: Duration) -> Result<()> {
        self.bytes += bytes;
        self.waited += waited;
        if self.waited >= self.slow {
            if self.bytes < SLOWEST * self.slow.as_secs() {
                fail!(Network, "{host} sends too slowly");
            }
            *self = Self::new(self.slow);
        }
        Ok(())
    }
}

/// A body that is counted and timed.
struct Metered<R> {
    inner: R,
    host: String,
    cap: u64,
    left: u64,
    speed: Speed,
}

impl<R: Read> Read for Metered<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        interrupt::check().map_err(std::io::Error::other)?;
        let host = &self.host;
        let begin = Instant::now();
        let length = self.inner.read(buffer).map_err(|e| std::io::Error::other(broken_off(host, e)))?;
        let read = length as u64;
        if read > self.left {
            let cap = self.cap;
            let error = error!(Invalid, "{host} sent more than {cap} bytes")
                .hint("raise the limit `download` or `pack` in config.yaml if you trust the source");
            return Err(std::io::Error::other(error));
        }
        self.left -= read;
        if length > 0 {
            self.speed.count(host, read, begin.elapsed()).map_err(std::io::Error::other)?;
        }
        Ok(length)
    }
}

fn broken_off(host: &str, error: std::io::Error) -> Error {
    match error.kind() {
        std::io::ErrorKind::TimedOut => error!(Network, "{host} stopped sending"),
        _ => error!(Network, "connection closed by {host}").cause(printable(&error.to_string(), false)),
    }
    .hint("try again")
}

/// Our own error out of a reader's, or a `Network` one.
pub fn from_reader(error: std::io::Error) -> Error {
    match error.downcast::<Error>() {
        Ok(ours) => ours,
        Err(other) => broken_off("the remote", other),
    }
}

fn spoken_waiting_time(wait: Duration) -> String {
    match wait.as_secs() {
        seconds @ ..=119 => count_noun(usize::try_from(seconds).unwrap_or_default(), "second"),
        seconds => count_noun(usize::try_from(seconds.div_ceil(60)).unwrap_or_default(), "minute"),
    }
}
