//! Requests whose address is their login: signed for object storage, once, for one method.

use ureq::http::{Method, Request, Response};
use ureq::{Agent, Body, Proxy};
use url::Url;

use super::{AGENT, HttpResponse, LONGEST_WAIT, Net, may_pass, proxy, retry_after, run};
use ba_agent_core::error::{Result, error};
use ba_agent_system::interrupt;

/// What is done to an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignedMethod {
    Get,
    Put,
    Delete,
}

/// A request with everything that vouches for it in its address.
#[derive(Debug, Clone, Copy)]
pub struct SignedRequest<'a> {
    pub method: SignedMethod,
    /// Signed; never shown.
    pub url: &'a Url,
    pub headers: &'a [(&'static str, &'a str)],
    /// What is put.
    pub body: &'a [u8],
}

impl Net<'_> {
    /// Sends a signed request, without any login and without following a redirect: what was signed
    /// is for this address. Tries three times where the host is busy or hangs up; whoever puts on
    /// condition must then look whether it was an earlier try that met it.
    ///
    /// # Errors
    /// `Network` where the host cannot be reached, and in a run that is offline. Every answer is an
    /// answer.
    pub fn send_signed(&self, ask: SignedRequest<'_>) -> Result<HttpResponse> {
        if self.offline {
            let host = ask.url.host_str().unwrap_or("the host");
            return Err(error!(Network, "{host} was not contacted: this run is offline")
                .hint("run it again without `--offline`"));
        }
        let route = proxy::find_proxy(self, ask.url)?;
        let agent = self.agent_for_route(ask.url, route.as_ref())?;
        let proxy = route.as_ref().map(|route| &route.proxy);
        let mut pauses = self.patience.pauses.iter();
        loop {
            self.progress.check_cancelled()?;
            let outcome = send_signed_once(&agent, ask, proxy);
            let wait = outcome.as_ref().ok().and_then(|response| retry_after(self.env.now, response));
            let again = match &outcome {
                Ok(response) => matches!(response.status().as_u16(), 429 | 500 | 502 | 503 | 504),
                Err(error) => may_pass(error),
            };
            if again
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
                known: true,
                wait,
                response,
                slow: self.patience.slow,
            });
        }
    }
}

fn send_signed_once(
    agent: &Agent,
    ask: SignedRequest<'_>,
    proxy: Option<&Proxy>,
) -> Result<Response<Body>, ureq::Error> {
    let method = match ask.method {
        SignedMethod::Get => Method::GET,
        SignedMethod::Put => Method::PUT,
        SignedMethod::Delete => Method::DELETE,
    };
    let mut request = Request::builder().method(method).uri(ask.url.as_str()).header("user-agent", AGENT);
    for (name, value) in ask.headers {
        request = request.header(*name, *value);
    }
    match ask.method {
        SignedMethod::Put => run(agent, request.body(ask.body)?, proxy),
        SignedMethod::Get | SignedMethod::Delete => run(agent, request.body(())?, proxy),
    }
}
