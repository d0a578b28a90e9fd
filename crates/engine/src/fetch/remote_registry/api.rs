//! The server of a registry, where it has one: JSON, as the user of the token.

use std::io::Read as _;

use serde::Deserialize;
use serde_json::Value;
use url::Url;

use super::{RegistryPlace, RemoteRegistry};
use ba_agent_core::error::{Error, Kind, Result, error, printable};
use ba_agent_core::text::shorten_text;
use ba_agent_net::credentials::origin;
use ba_agent_net::http::{AGENT, HttpRequest, Method, from_reader};

/// Bytes of an answer.
const MAX_ANSWER: u64 = 8 << 20;
/// What is wrong, of one request, at most.
const MAX_PROBLEMS: usize = 30;

/// A registry's server.
pub(crate) struct RegistryApi<'r, 'w> {
    registry: &'r RemoteRegistry<'w>,
    /// With a slash at its end.
    base: Url,
}

/// What the server answered.
#[derive(Debug)]
pub(crate) struct ApiAnswer {
    pub(crate) status: u16,
    /// Null where it was no JSON.
    pub(crate) body: Value,
}

/// `application/problem+json`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct ProblemDocument {
    title: Option<String>,
    detail: Option<String>,
    hint: Option<String>,
    errors: Vec<ProblemAt>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct ProblemAt {
    at: Option<String>,
    message: String,
}

impl<'r, 'w> RegistryApi<'r, 'w> {
    /// The server of a registry.
    ///
    /// # Errors
    /// `Usage` for a registry of files alone, `Integrity` for one whose server is on another host,
    /// which gets no token; those of asking what the registry is.
    pub(crate) fn open(registry: &'r RemoteRegistry<'w>) -> Result<Self> {
        let name = registry.spoken_name();
        // A copy may be of before it had one.
        let api = match registry.description(false)?.api {
            Some(api) => Some(api),
            None => registry.description(true)?.api,
        };
        let Some(api) = api else {
            return Err(error!(Usage, "the registry `{name}` has no server: it is files alone").hint(
                "what a server does, whoever writes those files does: accounts, owners and tokens are theirs",
            ));
        };
        let base = registry.world.net().parse_url(&format!("{}/", api.trim_end_matches('/')))?;
        let is_own =
            matches!(registry.places.last(), Some(RegistryPlace::Web(own)) if origin(own) == origin(&base));
        if !is_own {
            return Err(error!(Integrity, "the registry `{name}` says that its server is on another host")
                .cause(printable(base.as_str(), false))
                .hint("nothing was sent there: a token is for the host that the settings name"));
        }
        Ok(Self { registry, base })
    }

    /// Sends a request below the address of the server, as the user where there is a token.
    ///
    /// # Errors
    /// `Network` for a server that cannot be reached or sends elsewhere.
    pub(crate) fn send(&self, method: &Method, path: &str, body: Option<&Value>) -> Result<ApiAnswer> {
        let bytes = body.map(|body| serde_json::to_vec(body).unwrap_or_default());
        self.send_bytes(method, path, bytes.as_deref().map(|bytes| ("application/json", bytes)))
    }

    /// As [`RegistryApi::send`], with a body of any type.
    ///
    /// # Errors
    /// Those of [`RegistryApi::send`].
    pub(crate) fn send_bytes(
        &self,
        method: &Method,
        path: &str,
        body: Option<(&str, &[u8])>,
    ) -> Result<ApiAnswer> {
        let url = self.base.join(path).map_err(|e| error!(Usage, "`{path}` has no address").cause(e))?;
        let login = self.registry.login()?;
        let mut headers = vec![("User-Agent", AGENT), ("Accept", "application/json")];
        headers.extend(body.map(|(kind, _)| ("Content-Type", kind)));
        let ask = HttpRequest {
            headers: &headers,
            body: body.map(|(_, bytes)| bytes),
            login: login.as_ref(),
            method: Some(method),
            asks_helpers: false,
            ..HttpRequest::get(&url)
        };
        let answer = self.registry.world.net().follow(ask, |_, _| Ok(()))?;
        let status = answer.status_code();
        let mut bytes = Vec::new();
        answer.into_reader(MAX_ANSWER).read_to_end(&mut bytes).map_err(from_reader)?;
        Ok(ApiAnswer { status, body: serde_json::from_slice(&bytes).unwrap_or(Value::Null) })
    }

    /// The body of a success.
    ///
    /// # Errors
    /// Those of sending and of [`RegistryApi::explain`].
    pub(crate) fn call(&self, method: &Method, path: &str, body: Option<&Value>) -> Result<Value> {
        let answer = self.send(method, path, body)?;
        match answer.status {
            200..=299 if !answer.body.is_null() => Ok(answer.body),
            200..=299 => Err(error!(Network, "`{}` did not answer with JSON", self.registry.spoken_name())
                .hint("is the address right? a proxy may have changed the answer")),
            _ => Err(self.explain(&answer)),
        }
    }

    /// What a refusal says, as an error of ours.
    pub(crate) fn explain(&self, answer: &ApiAnswer) -> Error {
        let name = self.registry.spoken_name();
        let kind = match answer.status {
            401 | 403 => Kind::Auth,
            404 | 410 | 451 => Kind::NotFound,
            409 => Kind::Conflict,
            413 | 415 | 422 => Kind::Invalid,
            400 => Kind::Usage,
            _ => Kind::Network,
        };
        let told: ProblemDocument = serde_json::from_value(answer.body.clone()).unwrap_or_default();
        let shown = |text: String| printable(&shorten_text(&text, 500), false);
        let said = told.detail.or(told.title).map(shown);
        let message = match said {
            Some(said) => format!("the registry `{name}` refused: {said}"),
            None => format!("the registry `{name}` refused the request"),
        };
        let mut error = Error::new(kind, message).cause(format!("the remote returned {}", answer.status));
        for one in told.errors.into_iter().take(MAX_PROBLEMS) {
            let at = one.at.map(|at| format!("{}: ", shown(at))).unwrap_or_default();
            error = error.cause(format!("{at}{}", shown(one.message)));
        }
        if let Some(hint) = told.hint {
            error = error.hint(shown(hint));
        }
        match answer.status {
            401 => error.hint(format!("`ba-agent login {name}` keeps a token for it")),
            403 => error.hint(format!("`ba-agent whoami {name}` says what the token may do")),
            _ => error,
        }
    }
}
