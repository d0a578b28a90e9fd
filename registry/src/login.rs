//! Deeds: the first admin, tokens, and the login of browsers and of programs without one.

use serde::Deserialize;
use serde_json::{Value, json};

use axum::http::StatusCode;

use crate::auth::credentials::{AccessSecret, COOKIE};
use crate::auth::passwords::hash_password;
use crate::auth::{ApiCaller, TokenScope};
use crate::clock::{DAY, format_millis, now_millis};
use crate::db::tokens::NewToken;
use crate::db::{DbError, Sql, values};
use crate::problem::{Answer, Problem};
use crate::registry::RegistryServer;

/// Days that a token is good for, unless others are asked for.
const DAYS: i64 = 90;
/// Days that a token is good for at most.
const MOST_DAYS: i64 = 365;
/// How long somebody has to approve a device, and to use the link of the first start.
const DEVICE_MILLIS: i64 = 15 * 60 * 1000;
/// Letters of the code that a person types: none that looks like another, no vowel.
const CODE_LETTERS: &[u8] = b"BCDFGHJKLMNPQRSTVWXZ";

/// What the first admin is to be called.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewAccount {
    token: String,
    login: String,
    password: Option<String>,
}

/// What a token is to be for.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct TokenRequest {
    scopes: Option<Vec<String>>,
    names: Vec<String>,
    days: Option<i64>,
}

/// What a device's token is to be for.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct DeviceRequest {
    scopes: Option<Vec<String>>,
    names: Vec<String>,
}

fn invalid(why: impl Into<String>) -> Problem {
    Problem::new(StatusCode::UNPROCESSABLE_ENTITY, why)
}

/// A login that is one: what owners may be called, and `.` and `_`.
///
/// # Errors
/// 422 for one that is not.
pub(crate) fn check_login(login: &str) -> Answer<()> {
    let is_letter = |c: char| c.is_ascii_alphanumeric() || "._-@".contains(c);
    match (1..=64).contains(&login.len()) && login.chars().all(is_letter) {
        true => Ok(()),
        false => Err(invalid("a login has 1-64 of letters, digits, `.`, `_`, `-` and `@`")),
    }
}

fn check_scopes(scopes: &[String]) -> Answer<()> {
    match scopes.iter().find(|scope| TokenScope::parse(scope).is_none()) {
        Some(scope) => {
            let known = TokenScope::ALL.map(TokenScope::as_str).join(", ");
            Err(invalid(format!("`{scope}` is not a valid scope; expected one of {known}")))
        }
        None if scopes.is_empty() => Err(invalid("a token needs at least one scope")),
        None => Ok(()),
    }
}

fn check_names(names: &[String]) -> Answer<()> {
    use ba_agent_core::remote_registry::{OwnerName, ScopedName};
    let is_name = |name: &String| match name.strip_suffix("/*") {
        Some(owner) => owner.starts_with('@') && owner.parse::<OwnerName>().is_ok(),
        None => name.parse::<ScopedName>().is_ok(),
    };
    match names.iter().find(|name| !is_name(name)) {
        Some(name) => {
            Err(invalid(format!("`{name}` is not a valid name; expected `@owner/name` or `@owner/*`")))
        }
        None if names.len() > 100 => Err(invalid("a token is bound to at most 100 names")),
        None => Ok(()),
    }
}

/// The scopes of a token that nobody asked others of.
fn usual_scopes() -> Vec<String> {
    ["read", "publish", "yank"].map(str::to_owned).to_vec()
}

/// Those of the usual scopes that the caller has, or all that it has.
fn scopes_like(caller: &ApiCaller) -> Vec<String> {
    let mut scopes = usual_scopes();
    scopes.retain(|scope| TokenScope::parse(scope).is_some_and(|scope| caller.has_scope(scope)));
    match &caller.token {
        Some(token) if scopes.is_empty() => token.scopes.clone(),
        _ => scopes,
    }
}

impl RegistryServer {
    /// A one-time token with which the first admin is made; none where there are people.
    ///
    /// # Errors
    /// Those of the database.
    pub(crate) async fn first_start_token(&self) -> Answer<Option<AccessSecret>> {
        if self.db.count_users().await? > 0 {
            return Ok(None);
        }
        let secret = AccessSecret::new_plain()?;
        self.db.create_session(secret.hash(), 0, now_millis() + DAY).await?;
        Ok(Some(secret))
    }

    /// Makes the first admin, and a token for them.
    ///
    /// # Errors
    /// 401 where the one-time token is not it, 422 for a login or password that cannot be.
    pub(crate) async fn set_up_admin(&self, new: NewAccount) -> Answer<Value> {
        check_login(&new.login)?;
        let password = match new.password {
            Some(password) => Some(hash_on_thread(password).await?),
            None => None,
        };
        let mut tx = self.db.begin().await?;
        if !tx.use_setup_session(AccessSecret::of(&new.token).hash()).await? {
            return Err(Problem::unauthorized("the one-time token is not valid, or was used"));
        }
        let user = tx.create_user(&new.login, password).await?;
        tx.make_admin(user).await?;
        let secret = AccessSecret::new_token()?;
        let scopes = TokenScope::ALL.map(|scope| scope.as_str().to_owned());
        let expires_at = now_millis() + DAYS * DAY;
        let hint = secret.hint();
        tx.insert_token(NewToken {
            user,
            hash: secret.hash(),
            hint: &hint,
            scopes: &scopes,
            names: &[],
            expires_at,
        })
        .await?;
        tx.note_event(&new.login, "setup", &new.login, &json!({})).await?;
        tx.commit().await?;
        Ok(json!({"login": new.login, "token": secret.reveal(), "scopes": scopes,
            "expires_at": format_millis(expires_at)}))
    }

    /// Makes a user with a password, or gives one a new password.
    ///
    /// # Errors
    /// 422 for a login or password that cannot be.
    pub(crate) async fn set_local_user(&self, login: &str, password: String, is_admin: bool) -> Answer<()> {
        check_login(login)?;
        let hash = hash_on_thread(password).await?;
        let known = self.db.find_user(login).await?;
        let mut tx = self.db.begin().await?;
        let user = match known {
            Some(user) => {
                tx.set_password(user.id, &hash).await?;
                user.id
            }
            None => tx.create_user(login, Some(hash)).await?,
        };
        if is_admin {
            tx.make_admin(user).await?;
        }
        tx.note_event("operator", "user", login, &json!({"admin": is_admin})).await?;
        Ok(tx.commit().await?)
    }

    /// Makes a token that may do no more, and lives no longer, than what the caller shows.
    ///
    /// # Errors
    /// 403 for more than the caller may, 422 for what no token can be.
    pub(crate) async fn make_token(&self, caller: &ApiCaller, wanted: &TokenRequest) -> Answer<Value> {
        let scopes = wanted.scopes.clone().unwrap_or_else(|| scopes_like(caller));
        check_scopes(&scopes)?;
        check_names(&wanted.names)?;
        for scope in scopes.iter().filter_map(|scope| TokenScope::parse(scope)) {
            let may = caller.has_scope(scope) && (scope != TokenScope::Admin || caller.is_admin);
            if !may {
                return Err(Problem::missing_scope(scope.as_str(), None));
            }
        }
        let days = wanted.days.unwrap_or(DAYS);
        if !(1..=MOST_DAYS).contains(&days) {
            return Err(invalid(format!("a token is good for 1-{MOST_DAYS} days")));
        }
        let latest = caller.token.as_ref().map_or(i64::MAX, |token| token.expires_at);
        let expires_at = (now_millis() + days * DAY).min(latest);
        self.store_token(caller.user, &caller.login, &scopes, &wanted.names, expires_at).await
    }

    async fn store_token(
        &self,
        user: i64,
        login: &str,
        scopes: &[String],
        names: &[String],
        expires_at: i64,
    ) -> Answer<Value> {
        let secret = AccessSecret::new_token()?;
        let hint = secret.hint();
        let mut tx = self.db.begin().await?;
        let id = tx
            .insert_token(NewToken { user, hash: secret.hash(), hint: &hint, scopes, names, expires_at })
            .await?;
        tx.note_event(login, "token", login, &json!({"id": id, "scopes": scopes, "names": names})).await?;
        tx.commit().await?;
        Ok(json!({"id": id, "token": secret.reveal(), "login": login, "scopes": scopes, "names": names,
            "expires_at": format_millis(expires_at)}))
    }

    /// The cookie of a new session.
    ///
    /// # Errors
    /// Those of the database.
    pub(crate) async fn begin_session(&self, caller: &ApiCaller) -> Answer<String> {
        let secret = AccessSecret::new_plain()?;
        self.db.create_session(secret.hash(), caller.user, now_millis() + 7 * DAY).await?;
        let secure = if self.settings.public_url().starts_with("https:") { "; Secure" } else { "" };
        let seconds = 7 * DAY / 1000;
        let secret = secret.reveal();
        Ok(format!("{COOKIE}={secret}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Lax{secure}"))
    }

    /// Begins the login of a device: what it shows, and what it asks with.
    ///
    /// # Errors
    /// 422 for scopes and names that there are not.
    pub(crate) async fn begin_device(&self, wanted: DeviceRequest) -> Answer<Value> {
        let scopes = wanted.scopes.unwrap_or_else(usual_scopes);
        check_scopes(&scopes)?;
        check_names(&wanted.names)?;
        let (secret, code) = (AccessSecret::new_plain()?, user_code()?);
        let expires_at = now_millis() + DEVICE_MILLIS;
        let hash = ba_agent_core::digest::encode_hex(&secret.hash());
        let payload = json!({"device": hash, "code": code, "scopes": scopes, "names": wanted.names});
        self.db.add_job("device", &payload, expires_at).await?;
        let page = format!("{}/device", self.settings.public_url());
        Ok(json!({"device_code": secret.reveal(), "user_code": code, "verification_uri": page,
            "verification_uri_complete": format!("{page}?code={code}"), "interval": 2,
            "expires_in": DEVICE_MILLIS / 1000}))
    }

    /// Approves the device that shows this code.
    ///
    /// # Errors
    /// 404 for a code that no device shows now; 403 for scopes that the caller has not.
    pub(crate) async fn approve_device(&self, caller: &ApiCaller, code: &str) -> Answer<Value> {
        let code = code.trim().to_ascii_uppercase();
        let (id, mut payload) = self.find_device("code", &code).await?;
        let scopes: Vec<String> = serde_json::from_value(payload["scopes"].clone()).unwrap_or_default();
        for scope in scopes.iter().filter_map(|scope| TokenScope::parse(scope)) {
            if !caller.has_scope(scope) || (scope == TokenScope::Admin && !caller.is_admin) {
                return Err(Problem::missing_scope(scope.as_str(), None));
            }
        }
        payload["user"] = caller.user.into();
        payload["login"] = caller.login.as_str().into();
        self.db.set_job_payload(id, &payload).await?;
        Ok(json!({"approved": code, "scopes": scopes, "names": payload["names"]}))
    }

    /// The token of a device that was approved, once.
    ///
    /// # Errors
    /// 428 while nobody has approved it, 404 when it is not known, expired or has its token.
    pub(crate) async fn collect_device(&self, secret: &AccessSecret) -> Answer<Value> {
        let hash = ba_agent_core::digest::encode_hex(&secret.hash());
        let (id, payload) = self.find_device("device", &hash).await?;
        let Some(user) = payload["user"].as_i64() else {
            return Err(Problem::new(StatusCode::PRECONDITION_REQUIRED, "this device is not approved yet")
                .with_header(axum::http::header::RETRY_AFTER, "2"));
        };
        let sql = "update jobs set done_at = $1 where id = $2 and done_at is null";
        if self.db.execute(sql, values![now_millis(), id]).await? == 0 {
            return Err(Problem::not_found());
        }
        let texts =
            |key: &str| serde_json::from_value::<Vec<String>>(payload[key].clone()).unwrap_or_default();
        let login = payload["login"].as_str().unwrap_or_default();
        let expires_at = now_millis() + DAYS * DAY;
        self.store_token(user, login, &texts("scopes"), &texts("names"), expires_at).await
    }

    async fn find_device(&self, key: &str, value: &str) -> Answer<(i64, Value)> {
        let by_code = Sql {
            sqlite: "select id, payload from jobs where kind = 'device' and done_at is null and run_at > $1
             and payload->>'code' = $2",
            postgres: "select id, payload::text from jobs where kind = 'device' and done_at is null
             and run_at > $1 and payload->>'code' = $2",
        };
        let by_device = Sql {
            sqlite: "select id, payload from jobs where kind = 'device' and done_at is null and run_at > $1
             and payload->>'device' = $2",
            postgres: "select id, payload::text from jobs where kind = 'device' and done_at is null
             and run_at > $1 and payload->>'device' = $2",
        };
        let sql = if key == "code" { by_code } else { by_device };
        let row = self.db.fetch_first(sql, values![now_millis(), value]).await?;
        let row = row.ok_or_else(Problem::not_found)?;
        let payload = serde_json::from_str(&row.text(1)?).map_err(|e| DbError::Failed(e.to_string()))?;
        Ok((row.int(0)?, payload))
    }
}

async fn hash_on_thread(password: String) -> Answer<String> {
    tokio::task::spawn_blocking(move || hash_password(&password)).await.map_err(Problem::internal)?
}

/// A code such as `BCDF-GHJK`.
fn user_code() -> Answer<String> {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).map_err(Problem::internal)?;
    // 256 is not a multiple of 20: the first letters are a little likelier, of 20^8 that is little.
    let letters = bytes.map(|b| char::from(CODE_LETTERS[usize::from(b) % CODE_LETTERS.len()]));
    let (first, last) = letters.split_at(4);
    Ok(format!("{}-{}", first.iter().collect::<String>(), last.iter().collect::<String>()))
}
