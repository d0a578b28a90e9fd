//! Passwords of local people, stored by argon2id.

use argon2::Argon2;
use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};

use super::ApiCaller;
use super::credentials::AccessSecret;
use crate::problem::{Answer, Problem};
use crate::registry::RegistryServer;

/// Letters of a password, at least.
const SHORTEST: usize = 12;
/// Wrong passwords that a login may have in a quarter of an hour.
const ATTEMPTS: i64 = 10;
/// A quarter of an hour.
const WINDOW: i64 = 15 * 60 * 1000;

/// What is stored of a password. It takes its time: not on a thread that answers.
///
/// # Errors
/// 422 for one that is too short.
pub(crate) fn hash_password(password: &str) -> Answer<String> {
    if password.chars().count() < SHORTEST {
        let why = format!("a password has at least {SHORTEST} letters");
        return Err(Problem::new(axum::http::StatusCode::UNPROCESSABLE_ENTITY, why));
    }
    let hash = Argon2::default().hash_password(password.as_bytes());
    hash.map(|hash| hash.to_string()).map_err(Problem::internal)
}

fn is_password(hash: &str, password: &str) -> bool {
    Argon2::default().verify_password(password.as_bytes(), hash).is_ok()
}

impl RegistryServer {
    /// Whoever that login and password are of. An unknown login takes as long as a wrong password.
    ///
    /// # Errors
    /// 401 when they do not fit, 429 after too many that did not.
    pub(crate) async fn identify_password(&self, login: &str, password: AccessSecret) -> Answer<ApiCaller> {
        let mut tx = self.db.begin().await?;
        let key = format!("login:{}", login.chars().take(100).collect::<String>());
        let (attempts, ends) = tx.count_in_window(&key, WINDOW).await?;
        tx.commit().await?;
        if attempts > ATTEMPTS {
            let seconds = (ends - crate::clock::now_millis()).max(1000) / 1000;
            let why = "too many wrong passwords for this login";
            return Err(Problem::new(axum::http::StatusCode::TOO_MANY_REQUESTS, why)
                .with_header(axum::http::header::RETRY_AFTER, &seconds.to_string()));
        }
        let user = self.db.find_user(login).await?;
        let hash = user.as_ref().and_then(|user| user.password_hash.clone());
        let is_right = tokio::task::spawn_blocking(move || match hash {
            Some(hash) => is_password(&hash, password.reveal()),
            None => {
                drop(Argon2::default().hash_password(password.reveal().as_bytes()));
                false
            }
        });
        let is_right = is_right.await.map_err(Problem::internal)?;
        let Some(user) = user.filter(|_| is_right) else {
            return Err(Problem::unauthorized("the login and the password do not fit"));
        };
        if user.is_banned {
            let why = user.ban_reason.unwrap_or_default();
            return Err(Problem::unauthorized(format!("the account is banned: {why}")));
        }
        let sql = "delete from quotas where key = $1";
        self.db.execute(sql, crate::db::values![key]).await?;
        Ok(ApiCaller { user: user.id, login: user.login, is_admin: user.is_admin, token: None })
    }
}
