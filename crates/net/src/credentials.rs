//! Who we are to a host. A [`Login`] carries the origin it belongs to, and
//! nothing but [`Login::header_for`] gives its secret away, to that origin alone.
//!
//! Logins come, in this order, from the address that the user's own `insteadOf` makes, from
//! the tokens of the settings, after a 401 from `.netrc`, and after another from git's
//! credential helpers.

mod helper;
mod netrc;
#[cfg(any(test, fuzzing))]
pub use netrc::check_any as check_any_netrc;

use std::collections::BTreeMap;
use std::sync::{Mutex, OnceLock};

use base64::Engine as _;
use ureq::http::header::AUTHORIZATION;
use ureq::http::{HeaderName, HeaderValue};
use url::Url;

use crate::git_config::GitConfig;
use crate::hosts::{HostSettings, Secret};
use crate::policy::is_private_line;
use ba_agent_core::error::{Error, Result, error};
use ba_agent_system::env::Env;
use helper::Question;
use netrc::NetrcMatch;

/// A name and a secret, or a token alone, bound to one scheme, host and port.
#[derive(Debug, Clone, PartialEq)]
pub struct Login {
    origin: String,
    /// `None` for a token that stands for itself.
    user: Option<String>,
    secret: Secret,
}

impl Login {
    /// Binds the pair to the origin of `url`.
    pub fn new(url: &Url, user: impl Into<String>, secret: Secret) -> Self {
        Self { origin: origin(url), user: Some(user.into()), secret }
    }

    /// Binds a token to the origin of `url`, as which it is shown.
    pub fn of_token(url: &Url, token: Secret) -> Self {
        Self { origin: origin(url), user: None, secret: token }
    }

    /// The name, where that is all an address says: helpers are asked for the password of it.
    pub(crate) fn user_alone(&self) -> Option<&str> {
        self.user.as_deref().filter(|_| self.secret.expose_secret_text().is_empty())
    }

    /// The value of the `Authorization` header for a request to `url`; `None` when
    /// scheme, host or port differ, or when the line could be overheard.
    pub(crate) fn header_for(&self, url: &Url) -> Option<String> {
        if self.origin != origin(url) || !is_private_line(url) {
            return None;
        }
        let Some(user) = &self.user else {
            return Some(format!("Bearer {}", self.secret.expose_secret_text()));
        };
        let pair = format!("{user}:{}", self.secret.expose_secret_text());
        Some(format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(pair)))
    }
}

/// Scheme, host and port of a URL as one text.
pub fn origin(url: &Url) -> String {
    url.origin().ascii_serialization()
}

/// Who the user is to the hosts that one command asks: the tokens of the settings, `.netrc`,
/// git's configuration with its credential helpers.
pub struct Credentials<'a> {
    env: &'a Env,
    hosts: &'a HostSettings,
    /// No helper is started.
    offline: bool,
    /// The sources that the user named, as they are written; asked only when it matters. `None`
    /// where no project has a say. See [`Credentials::is_host_of_user`].
    pub sources_of_user: Option<SourcesOfUser<'a>>,
    git_config: OnceLock<GitConfig>,
    keyring: Keyring,
}

/// See [`Credentials::sources_of_user`].
pub type SourcesOfUser<'a> = Box<dyn Fn() -> Vec<String> + Send + Sync + 'a>;

/// What `.netrc` and the user's credential helpers answered, refusals too, so that each is
/// asked once in a command: a helper may open a window.
#[derive(Debug, Default)]
struct Keyring {
    answers: Mutex<BTreeMap<String, Option<Login>>>,
    /// Held while a helper is asked, so that two threads do not ask for one host.
    asking: Mutex<()>,
}

impl Keyring {
    fn remembered_answer(&self, question: &str) -> Option<Option<Login>> {
        let answers = self.answers.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        answers.get(question).cloned()
    }

    /// The answer that is known, else the one that `ask` gives, which is kept.
    fn ask_once_per_question(
        &self,
        question: String,
        ask: impl FnOnce() -> Result<Option<Login>>,
    ) -> Result<Option<Login>> {
        let _asking = self.asking.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(known) = self.remembered_answer(&question) {
            return Ok(known);
        }
        let login = ask()?;
        let mut answers = self.answers.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        answers.insert(question, login.clone());
        Ok(login)
    }
}

impl<'a> Credentials<'a> {
    /// Nothing is read or asked before a host wants to know.
    pub(crate) fn new(env: &'a Env, hosts: &'a HostSettings, offline: bool) -> Self {
        let (git_config, keyring) = (OnceLock::new(), Keyring::default());
        Self { env, hosts, offline, sources_of_user: None, git_config, keyring }
    }

    /// The user's git configuration, read once in a command.
    ///
    /// # Errors
    /// As [`GitConfig::load`].
    pub fn git_config(&self) -> Result<&GitConfig> {
        if let Some(config) = self.git_config.get() {
            return Ok(config);
        }
        let config = GitConfig::load(self.env)?;
        Ok(self.git_config.get_or_init(|| config))
    }

    /// The hosts that the settings have a token for: base URL, user name that the host
    /// wants beside a token, environment variable.
    fn known_hosts(&self) -> [(&'a str, &'static str, Option<&'a Secret>, &'static str); 3] {
        let set = self.hosts;
        [
            (&set.github_url, "x-access-token", set.github_token.as_ref(), "GITHUB_TOKEN"),
            (&set.gitlab_url, "oauth2", set.gitlab_token.as_ref(), "GITLAB_TOKEN"),
            (&set.bitbucket_url, "x-token-auth", set.bitbucket_token.as_ref(), "BITBUCKET_TOKEN"),
        ]
    }

    /// The variable that holds the token of the host of `url`, if it is one of the three.
    fn token_variable(&self, url: &Url) -> Option<&'static str> {
        let hosts = self.known_hosts();
        let own = hosts.iter().find(|(base, ..)| Url::parse(base).is_ok_and(|b| origin(&b) == origin(url)));
        own.map(|(.., variable)| *variable)
    }

    /// What the helpers or `.netrc` answered earlier in this run, when the host had refused what
    /// it was sent before.
    pub(crate) fn earlier_answer(&self, url: &Url, user: Option<&str>) -> Option<Login> {
        let config = self.git_config().ok();
        let question = config.map(|config| self.question_for(config, url, user).cache_key());
        let keys = question.into_iter().chain([netrc_key(url)]);
        keys.filter_map(|key| self.keyring.remembered_answer(&key).flatten()).next()
    }

    /// The token of the settings, without the blanks and line ends that come with it when it is
    /// read out of a file.
    ///
    /// # Errors
    /// `Usage` for one with a line end or another control character inside.
    pub(crate) fn token_for(&self, url: &Url) -> Result<Option<Login>> {
        let own = self.known_hosts().into_iter().find_map(|(base, user, token, variable)| {
            let base = Url::parse(base).ok().filter(|base| origin(base) == origin(url))?;
            Some((base, user, token?.expose_secret_text().trim(), variable))
        });
        let Some((base, user, token, variable)) = own.filter(|(_, _, token, _)| !token.is_empty()) else {
            return Ok(None);
        };
        if token.chars().any(char::is_control) {
            return Err(error!(
                Usage,
                "the token for {} contains a line end or a control character",
                host(url)
            )
            .hint(format!(
                "{variable}, or `auth` in config.yaml, must contain only the token, on one line"
            )));
        }
        Ok(Some(Login::new(&base, user, Secret::new(token))))
    }

    /// The ways to ask for a login after a 401, in git's order: curl reads `.netrc`, then git runs
    /// the helpers. `user` is the name that the address says. For a host that only a project names
    /// nobody is asked.
    ///
    /// # Errors
    /// `Usage` when the git configuration cannot be read, `Failed` for a `.netrc` that cannot.
    pub(crate) fn ask_login(&self, url: &Url, user: Option<&str>, way: Way) -> Result<Option<Login>> {
        if self.offline || !is_private_line(url) || self.is_of_project(url) {
            return Ok(None);
        }
        match way {
            Way::Netrc => self.keyring.ask_once_per_question(netrc_key(url), || {
                Ok(match netrc::find_login(self.env, url.host_str().unwrap_or_default())? {
                    NetrcMatch::Machine { user, password } => {
                        Some(Login::new(url, user, Secret::new(password)))
                    }
                    NetrcMatch::OnlyDefault | NetrcMatch::Nothing => None,
                })
            }),
            Way::Helpers => {
                let question = self.question_for(self.git_config()?, url, user);
                self.keyring.ask_once_per_question(question.cache_key(), || {
                    let answer = question.ask_helpers();
                    Ok(answer.map(|answer| Login::new(url, answer.user, Secret::new(answer.password))))
                })
            }
        }
    }

    fn question_for(&self, config: &GitConfig, url: &Url, user: Option<&str>) -> Question {
        Question::for_repository(config, &repository(url), user, || {
            self.is_host_of_user(url).unwrap_or(false)
        })
    }

    /// True for a host that the user has named, and not only a project: in the settings or the
    /// git configuration, on the command line, as a marketplace.
    ///
    /// # Errors
    /// `Usage` when the git configuration cannot be read.
    pub(crate) fn is_host_of_user(&self, url: &Url) -> Result<bool> {
        if self.is_of_project(url) {
            return Ok(false);
        }
        let Some(sources) = &self.sources_of_user else { return Ok(true) };
        let is_here = |text: &str| {
            let text = text.strip_prefix("git+").unwrap_or(text);
            Url::parse(text).is_ok_and(|one| one.has_host() && origin(&one) == origin(url))
        };
        let config = self.git_config()?;
        Ok(self.hosts.urls_of_user().into_iter().any(is_here)
            || config.instead_of_bases().any(is_here)
            || sources().iter().any(|one| is_here(one)))
    }

    /// True for a host that only a project's settings name: nothing of the user's is for it.
    pub(crate) fn is_of_project(&self, url: &Url) -> bool {
        let hosts = self.hosts.urls_of_project();
        hosts.iter().any(|base| Url::parse(base).is_ok_and(|base| origin(&base) == origin(url)))
    }

    /// The headers of `http.<url>.extraHeader`, for that URL alone, after redirects too, and only
    /// where nobody can listen. One without a URL is for whatever host a project may name, so it
    /// is not sent ([`Credentials::denied_error`] says so).
    ///
    /// # Errors
    /// `Usage` for a line that is not a header.
    pub(crate) fn extra_headers(&self, url: &Url) -> Result<Vec<(HeaderName, HeaderValue)>> {
        let mut headers = Vec::new();
        if !is_private_line(url) {
            return Ok(headers);
        }
        for one in self.git_config()?.http_values_for_url("extraheader", &repository(url)) {
            let Some(line) = one.value.filter(|line| !line.is_empty()) else {
                headers.clear();
                continue;
            };
            if one.is_for_all {
                continue;
            }
            let header = line.split_once(':').and_then(|(name, value)| {
                let mut value = HeaderValue::from_str(value.trim()).ok()?;
                value.set_sensitive(true);
                Some((HeaderName::from_bytes(name.trim().as_bytes()).ok()?, value))
            });
            // The line may hold a token: it is not shown.
            headers.push(header.ok_or_else(|| {
                error!(Usage, "an `extraHeader` for {} in your git configuration is not a header", host(url))
                    .hint("write it as `Name: value`, on one line")
            })?);
        }
        Ok(headers)
    }

    /// The error for a host that wants credentials (`refused`: that did not take the ones
    /// it got). `name` is what the person asked for.
    pub(crate) fn denied_error(&self, url: &Url, name: &str, status: u16, refused: bool) -> Error {
        let host = host(url);
        let variable = self.token_variable(url);
        if refused {
            let error = error!(Auth, "{host} refused the credentials for `{name}`")
                .cause(format!("the remote returned {status}"));
            return match variable {
                Some(variable) => error.hint(format!(
                    "check that {variable} is not expired and may read the repository, or unset it"
                )),
                None => error.hint("check what your git credential helper has stored for this host"),
            };
        }
        let error = error!(Auth, "{host} requires credentials for `{name}`")
            .cause(format!("the remote returned {status}"));
        private_hint(self.add_unused_hints(url, error), variable, url)
    }

    /// What names the program by which git would ask for a password.
    fn password_program(&self) -> Option<&'static str> {
        let is_set = |name: &str| self.env.var(name).is_some_and(|program| !program.is_empty());
        if is_set("GIT_ASKPASS") {
            return Some("GIT_ASKPASS");
        }
        let configured = self.git_config().ok()?.last_text_of_key("core", "askpass");
        configured.map(|_| "`core.askPass`")
    }

    /// Says which of the user's own credentials were left unused, because they are for any host.
    fn add_unused_hints(&self, url: &Url, error: Error) -> Error {
        let scope = origin(url);
        let mut error = error;
        if self.is_of_project(url) {
            let host = host(url);
            return error.hint(format!(
                "only the settings of this project name {host}, so nothing of yours is sent there; to trust it, name it in your own settings"
            ));
        }
        if let Some(program) = self.password_program() {
            error = error.hint(format!(
                "{program} is not run here, since ba-agent asks for no password: use a credential helper, a token or .netrc"
            ));
        }
        if self.git_config().is_ok_and(|config| self.question_for(config, url, None).is_withheld) {
            error = error.hint(format!(
                "`credential.helper` applies to every host, and you have not named this one, so it was not asked; write `credential.{scope}.helper`"
            ));
        }
        let headers =
            self.git_config().map(|config| config.http_values_for_url("extraheader", &repository(url)));
        if headers
            .is_ok_and(|all| all.iter().any(|one| one.is_for_all && one.value.is_some_and(|v| !v.is_empty())))
        {
            error = error.hint(format!(
                "`http.extraHeader` applies to every host, so it was not sent; write `http.{scope}/.extraHeader`"
            ));
        }
        if netrc::find_login(self.env, url.host_str().unwrap_or_default())
            .is_ok_and(|found| found == NetrcMatch::OnlyDefault)
        {
            let host = host(url);
            error = error.hint(format!(
                "the `default` of .netrc applies to every host, so it was not sent; write `machine {host}`"
            ));
        }
        error
    }

    /// The error for what a host does not have, or does not show to whom it was asked for;
    /// `known`: credentials were sent.
    pub(crate) fn not_found_error(&self, url: &Url, name: &str, status: u16, known: bool) -> Error {
        let error = error!(NotFound, "`{name}` was not found on {}", host(url))
            .cause(format!("the remote returned {status}"));
        let variable = self.token_variable(url);
        if !known {
            return private_hint(error, variable, url);
        }
        let sent = match variable {
            Some(variable) => format!("the token of {variable}"),
            None => "the login of your git configuration or .netrc".to_owned(),
        };
        let error =
            error.hint(format!("is the name right? {sent} was sent: does it have permission to read this?"));
        match ssh_address(url) {
            Some(address) => error.hint(format!("or use {address} with your ssh key")),
            None => error,
        }
    }
}

/// The address of the repository that a request belongs to, which is what git matches its
/// settings with.
fn repository(url: &Url) -> Url {
    let mut base = url.clone();
    let path = url.path();
    let path =
        path.strip_suffix("/info/refs").or_else(|| path.strip_suffix("/git-upload-pack")).unwrap_or(path);
    base.set_path(path);
    base.set_query(None);
    base
}

fn netrc_key(url: &Url) -> String {
    format!("netrc {}", origin(url))
}

/// Where a login may be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    Netrc,
    Helpers,
}

/// Whether headers of the user's own say who we are.
pub(crate) fn has_authorization(headers: &[(HeaderName, HeaderValue)]) -> bool {
    headers.iter().any(|(name, _)| name == AUTHORIZATION)
}

fn host(url: &Url) -> &str {
    url.host_str().unwrap_or("the host")
}

/// The hint for what is private or does not exist: many hosts do not tell the two apart.
fn private_hint(error: Error, variable: Option<&str>, url: &Url) -> Error {
    let set = variable.map_or_else(
        || "set up a git credential helper for this host".to_owned(),
        |name| format!("set {name}"),
    );
    let ssh = ssh_address(url).map(|address| format!(", or use {address}")).unwrap_or_default();
    error.hint(format!("is the name right? is it private? {set}{ssh}"))
}

/// Another way in, for a repository.
fn ssh_address(url: &Url) -> Option<String> {
    let path = url.path().trim_start_matches('/');
    let repository = path.strip_suffix("/info/refs").or_else(|| path.strip_suffix("/git-upload-pack"))?;
    Some(format!("git@{}:{repository}", url.host_str()?))
}

/// What the tests of the git configuration need of helpers.
#[cfg(test)]
pub(crate) mod testing {
    use super::*;

    /// Asks the helpers for the login of a repository; the password.
    pub(crate) fn helpers_asked(config: &GitConfig, url: &Url) -> Option<String> {
        Question::for_repository(config, url, None, || true).ask_helpers().map(|answer| answer.password)
    }
}
