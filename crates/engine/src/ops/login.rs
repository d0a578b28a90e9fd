//! `login`, `logout` and `whoami`: who the user is to a remote registry.

use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;
use serde_json::{Value, json};

use crate::fetch::World;
use crate::fetch::remote_registry::{RegistryApi, RemoteRegistry};
use crate::registry_tokens::{self, TokenOrigin};
use crate::settings::remote_registries::ConfiguredRegistry;
use crate::workspace::{Observer, Session, Workspace};
use ba_agent_core::error::{Error, Kind, Result, error, printable};
use ba_agent_core::text::list_some;
pub use ba_agent_net::hosts::Secret;
use ba_agent_net::http::Method;
use ba_agent_system::interrupt;

/// How a person logs in.
#[derive(Debug, Default)]
pub struct LoginOptions {
    /// The registry's name; without one, the only one or the default one.
    pub registry: Option<String>,
    /// The token, where a person gives one; without it the registry's page is used.
    pub token: Option<Secret>,
}

/// What came of it.
#[derive(Debug, Serialize)]
pub struct LoginReport {
    pub registry: String,
    pub url: String,
    /// Whose the token is, where the registry could be asked.
    pub user: Option<String>,
    pub file: PathBuf,
}

/// Gets or takes a token for a registry, and keeps it where nobody else may read it.
///
/// # Errors
/// `Usage` where it is not clear which registry is meant, and for one that is a folder; `Auth` for
/// a token that is refused and a login that nobody approves; those of asking.
pub fn login(workspace: &Workspace, options: &LoginOptions, observer: &dyn Observer) -> Result<LoginReport> {
    let session = workspace.for_user().open_unrepaired(observer)?;
    let configured = choose_registry(&session, options.registry.as_deref())?;
    if configured.url.starts_with("file:") {
        return Err(error!(Usage, "the registry `{}` is a folder, which wants no token", configured.name));
    }
    let world = session.world();
    let token = match &options.token {
        Some(token) => registry_tokens::check_token(token.expose_secret_text().trim(), "the input")?,
        None => request_token(&session, &world, &configured)?,
    };
    let registry = RemoteRegistry::open(&configured.url, &world)?.with_token(token.clone());
    let user = check_accepted(&registry)?;
    let file = registry_tokens::keep_token(&session.env, &configured.url, &token, user.as_deref())?;
    if session.env.var(&registry_tokens::token_variable(&configured.name)).is_some() {
        session.warn(&format!(
            "{} is set and goes before the token that was kept now",
            registry_tokens::token_variable(&configured.name)
        ));
    }
    Ok(LoginReport { registry: configured.name, url: configured.url, user, file })
}

/// The registry that is meant: the named one, the only one, or the default one. Only what the
/// user's own settings name can have a token.
///
/// # Errors
/// `NotFound` for a name that they do not have, `Usage` where it is not clear which is meant.
pub(super) fn choose_registry(session: &Session<'_>, name: Option<&str>) -> Result<ConfiguredRegistry> {
    let all = &session.settings.remote_registries;
    if let Some(name) = name {
        return all.named(name).cloned().map_err(|error| {
            error.hint("only a registry of your own settings gets a token: `ba-agent registry add NAME URL`")
        });
    }
    let own: Vec<&ConfiguredRegistry> = all.iter().filter(|one| !one.is_of_project).collect();
    match own.as_slice() {
        [one] => Ok((*one).clone()),
        [] => Err(error!(NotFound, "your settings name no registry")
            .hint("add one with `ba-agent registry add NAME URL`")),
        several => {
            if let Some(one) = several.iter().find(|one| one.is_default) {
                return Ok((*one).clone());
            }
            let names: Vec<&str> = several.iter().map(|one| one.name.as_str()).collect();
            Err(error!(Usage, "several registries are named, and one of them must be meant")
                .hint(format!("name one of {}", list_some(&names, 10))))
        }
    }
}

/// Whose a token is; `None` where a registry of files alone took it.
fn check_accepted(registry: &RemoteRegistry<'_>) -> Result<Option<String>> {
    // Whoever may not read what it is may not read anything.
    registry.description(true)?;
    match RegistryApi::open(registry) {
        Ok(api) => Ok(text_of(&api.call(&Method::GET, "whoami", None)?, "login")),
        Err(error) if error.kind == Kind::Usage => Ok(None),
        Err(error) => Err(error),
    }
}

fn text_of(body: &Value, key: &str) -> Option<String> {
    body.get(key)?.as_str().map(|text| printable(text, false))
}

/// Shows a code that a person approves in a browser, and waits for it.
fn request_token(
    session: &Session<'_>,
    world: &World<'_>,
    configured: &ConfiguredRegistry,
) -> Result<Secret> {
    let registry = RemoteRegistry::open(&configured.url, world)?.without_token();
    let no_page = |error: Error| match error.kind {
        Kind::Usage => error
            .hint(format!("with a token of its own: `ba-agent login {} --token - < FILE`", configured.name)),
        _ => error,
    };
    let api = RegistryApi::open(&registry).map_err(no_page)?;
    let begun = api.call(&Method::POST, "device", Some(&json!({})))?;
    let unreadable =
        || error!(Network, "the registry `{}` began no login that can be understood", configured.name);
    let (code, secret) = text_of(&begun, "user_code")
        .zip(begun.get("device_code").and_then(Value::as_str))
        .ok_or_else(unreadable)?;
    let page = text_of(&begun, "verification_uri_complete").or_else(|| text_of(&begun, "verification_uri"));
    let page = page.ok_or_else(unreadable)?;
    session.warn(&format!("the login waits for you: open {page} and approve the code {code}"));
    let number = |key: &str, usual: u64, least: u64, most: u64| {
        begun.get(key).and_then(Value::as_u64).unwrap_or(usual).clamp(least, most)
    };
    let pause = Duration::from_secs(number("interval", 2, 1, 30));
    let tries = number("expires_in", 600, 1, 3_600).div_ceil(pause.as_secs());
    let body = json!({ "device_code": secret });
    for _ in 0..tries {
        let answer = api.send(&Method::POST, "device/token", Some(&body))?;
        match answer.status {
            200..=299 => {
                let token = answer.body.get("token").and_then(Value::as_str).ok_or_else(unreadable)?;
                return registry_tokens::check_token(token, "the answer of the registry");
            }
            428 | 429 => interrupt::sleep(pause, || session.observer.check_cancelled())?,
            404 | 410 => break,
            _ => return Err(api.explain(&answer)),
        }
    }
    Err(error!(Auth, "the login to `{}` was not approved in time", configured.name)
        .hint(format!("begin again: `ba-agent login {}`", configured.name)))
}

/// What was forgotten.
#[derive(Debug, Serialize)]
pub struct LogoutReport {
    pub registry: String,
    /// False where no token was kept.
    pub logged_out: bool,
}

/// Forgets the token that is kept for a registry.
///
/// # Errors
/// Those of finding the registry, and of the file of tokens.
pub fn logout(
    workspace: &Workspace,
    registry: Option<&str>,
    observer: &dyn Observer,
) -> Result<LogoutReport> {
    let session = workspace.for_user().open_unrepaired(observer)?;
    let configured = choose_registry(&session, registry)?;
    let logged_out = registry_tokens::forget_token(&session.env, &configured.url)?;
    let variable = registry_tokens::token_variable(&configured.name);
    if session.env.var(&variable).is_some() {
        session.warn(&format!("{variable} is set, and is still sent to `{}`", configured.name));
    }
    Ok(LogoutReport { registry: configured.name, logged_out })
}

/// Who somebody is to a registry.
#[derive(Debug, Serialize)]
pub struct WhoamiReport {
    pub registry: String,
    pub url: String,
    /// Where the token comes from; absent without one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token: Option<TokenOrigin>,
    /// What the server says; absent where nobody can be asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account: Option<AccountView>,
}

/// What a server says of a token.
#[derive(Debug, Serialize)]
pub struct AccountView {
    pub login: String,
    /// `@acme: owner`.
    pub owners: Vec<String>,
    pub scopes: Vec<String>,
    pub names: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<String>,
}

/// Says who the user is to a registry, and what the token may do.
///
/// # Errors
/// `Auth` without a token, and for one that is refused; those of asking.
pub fn whoami(
    workspace: &Workspace,
    registry: Option<&str>,
    observer: &dyn Observer,
) -> Result<WhoamiReport> {
    let session = workspace.for_user().open_unrepaired(observer)?;
    let configured = choose_registry(&session, registry)?;
    let Some((_, origin)) = registry_tokens::find_token_with_origin(&session.env, &configured)? else {
        return Err(error!(Auth, "there is no token for the registry `{}`", configured.name)
            .hint(format!("`ba-agent login {}` gets one", configured.name)));
    };
    let world = session.world();
    let registry = RemoteRegistry::open(&configured.url, &world)?;
    let account = match RegistryApi::open(&registry) {
        Ok(api) => Some(account_of(&api.call(&Method::GET, "whoami", None)?)),
        Err(error) if error.kind == Kind::Usage => None,
        Err(error) => return Err(error),
    };
    Ok(WhoamiReport { registry: configured.name, url: configured.url, token: Some(origin), account })
}

fn account_of(body: &Value) -> AccountView {
    let texts = |value: &Value, key: &str| -> Vec<String> {
        let list = value.get(key).and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        list.iter().filter_map(Value::as_str).map(|text| printable(text, false)).collect()
    };
    let token = body.get("token").unwrap_or(&Value::Null);
    let owners = body.get("owners").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let owners =
        owners.iter().filter_map(|one| Some(format!("{}: {}", text_of(one, "name")?, text_of(one, "role")?)));
    AccountView {
        login: text_of(body, "login").unwrap_or_default(),
        owners: owners.collect(),
        scopes: texts(token, "scopes"),
        names: texts(token, "names"),
        expires_at: text_of(token, "expires_at"),
    }
}
