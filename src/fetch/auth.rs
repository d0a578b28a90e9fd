//! World: who we are to a host. A [`Login`] carries the origin it belongs to, and
//! nothing but [`Login::header_for`] gives its secret away, to that origin alone.

use std::collections::BTreeMap;
use std::sync::Mutex;

use base64::Engine as _;
use git2::CredentialHelper;
use url::Url;

use crate::error::{Error, Result, error};
use crate::fetch::World;
use crate::fetch::git::config;
use crate::fetch::http::is_private_line;
use crate::settings::Secret;

/// A name and a secret, bound to one scheme, host and port.
#[derive(Debug, Clone)]
pub(crate) struct Login {
    origin: String,
    user: String,
    secret: Secret,
}

impl Login {
    /// Binds the pair to the origin of `url`.
    pub(crate) fn new(url: &Url, user: impl Into<String>, secret: Secret) -> Self {
        Self { origin: origin(url), user: user.into(), secret }
    }

    /// The value of the `Authorization` header for a request to `url`; `None` when
    /// scheme, host or port differ, or when the line could be overheard.
    pub(crate) fn header_for(&self, url: &Url) -> Option<String> {
        if self.origin != origin(url) || !is_private_line(url) {
            return None;
        }
        let pair = format!("{}:{}", self.user, self.secret.expose());
        Some(format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(pair)))
    }
}

/// Scheme, host and port of a URL as one text.
pub(crate) fn origin(url: &Url) -> String {
    url.origin().ascii_serialization()
}

/// What the user's credential helpers answered, by origin, so that each is asked once
/// in a run: a helper may open a window.
#[derive(Debug, Default)]
pub(crate) struct Keyring(Mutex<BTreeMap<String, Option<Login>>>);

impl Keyring {
    fn answer(&self, origin: &str) -> Option<Option<Login>> {
        let answers = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        answers.get(origin).cloned()
    }

    fn note(&self, origin: String, login: Option<Login>) {
        let mut answers = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        answers.insert(origin, login);
    }
}

/// The hosts that the settings have a token for: base URL, user name that the host
/// wants beside a token, environment variable.
fn known_hosts<'w>(world: &'w World) -> [(&'w str, &'static str, Option<&'w Secret>, &'static str); 3] {
    let set = world.settings;
    [
        (&set.github_url, "x-access-token", set.github_token.as_ref(), "GITHUB_TOKEN"),
        (&set.gitlab_url, "oauth2", set.gitlab_token.as_ref(), "GITLAB_TOKEN"),
        (&set.bitbucket_url, "x-token-auth", set.bitbucket_token.as_ref(), "BITBUCKET_TOKEN"),
    ]
}

/// The variable that holds the token of the host of `url`, if it is one of the three.
pub(crate) fn variable(world: &World, url: &Url) -> Option<&'static str> {
    let hosts = known_hosts(world);
    let own = hosts.iter().find(|(base, ..)| Url::parse(base).is_ok_and(|b| origin(&b) == origin(url)));
    own.map(|(.., variable)| *variable)
}

/// The login that is known without asking anyone: the helpers' earlier answer, else
/// the token of the settings.
pub(crate) fn known(world: &World, url: &Url) -> Option<Login> {
    if let Some(Some(login)) = world.http.keyring.answer(&origin(url)) {
        return Some(login);
    }
    known_hosts(world).into_iter().find_map(|(base, user, token, _)| {
        let base = Url::parse(base).ok().filter(|base| origin(base) == origin(url))?;
        Some(Login::new(&base, user, token?.clone()))
    })
}

/// Asks the credential helpers of the user's git configuration, as git does after a
/// 401; at most once for each origin. `None` when there is no helper or no answer.
///
/// # Errors
/// `Usage` when the git configuration cannot be read.
pub(crate) fn ask(world: &World, url: &Url) -> Result<Option<Login>> {
    let origin = origin(url);
    if world.offline || !is_private_line(url) || world.http.keyring.answer(&origin).is_some() {
        return Ok(None);
    }
    let config = config::load(world.env)?;
    let answer = CredentialHelper::new(url.as_str()).config(&config).execute();
    let login = answer.map(|(user, secret)| Login::new(url, user, Secret::new(secret)));
    world.http.keyring.note(origin, login.clone());
    Ok(login)
}

/// The error for a host that wants credentials (`refused`: that did not take the ones
/// it got). `name` is what the person asked for.
pub(crate) fn wanted(world: &World, url: &Url, name: &str, status: u16, refused: bool) -> Error {
    let host = url.host_str().unwrap_or("the host");
    let variable = variable(world, url);
    if refused {
        let error = error!(Auth, "{host} refused the credentials for `{name}`")
            .cause(format!("the remote returned {status}"));
        return match variable {
            Some(variable) => error.hint(format!(
                "check that {variable} is not expired and may read the repository, or unset it"
            )),
            None => error.hint("check what your git credential helper holds for this host"),
        };
    }
    let error =
        error!(Auth, "{host} wants credentials for `{name}`").cause(format!("the remote returned {status}"));
    private_hint(error, variable, url)
}

/// The hint for what is private or does not exist: many hosts do not tell the two apart.
pub(crate) fn private_hint(error: Error, variable: Option<&str>, url: &Url) -> Error {
    let set = variable.map_or_else(
        || "set up a git credential helper for this host".to_owned(),
        |name| format!("set {name}"),
    );
    let path = url.path().trim_start_matches('/');
    let repository = path.strip_suffix("/info/refs").or_else(|| path.strip_suffix("/git-upload-pack"));
    let ssh = match (repository, url.host_str()) {
        (Some(path), Some(host)) => format!(", or use git@{host}:{path}"),
        _ => String::new(),
    };
    error.hint(format!("is the name right? is it private? {set}{ssh}"))
}
