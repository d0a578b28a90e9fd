//! Tokens as they are written, and how they come with a request.
//!
//! A token is `bar_`, 64 hex digits of randomness, and 8 that are the beginning of the sha256 of
//! what stands before: a scanner of secrets knows one when it sees it, and a slip of the hand is
//! known without asking the database.

use axum::http::{HeaderMap, header};
use ba_agent_core::digest::{encode_hex, sha256_hex};
use base64::Engine as _;
use sha2::Digest as _;
use subtle::ConstantTimeEq as _;

use crate::problem::{Answer, Problem};

/// How tokens begin.
pub(crate) const PREFIX: &str = "bar_";
/// Hex digits of the randomness.
const RANDOM_DIGITS: usize = 64;
/// Hex digits of the checksum.
const CHECK_DIGITS: usize = 8;
/// The cookie of a session.
pub(crate) const COOKIE: &str = "registry_session";

/// Something that whoever has it may use. It is not printed.
#[derive(Clone)]
pub(crate) struct AccessSecret(String);

impl std::fmt::Debug for AccessSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("AccessSecret(…)")
    }
}

impl AccessSecret {
    /// A new token.
    ///
    /// # Errors
    /// 500 when the system has no randomness.
    pub(crate) fn new_token() -> Answer<Self> {
        let head = format!("{PREFIX}{}", random_hex()?);
        let check = check_of(&head);
        Ok(Self(format!("{head}{check}")))
    }

    /// A new secret of a session, a link or a device.
    ///
    /// # Errors
    /// 500 when the system has no randomness.
    pub(crate) fn new_plain() -> Answer<Self> {
        random_hex().map(Self)
    }

    /// What somebody sent.
    pub(crate) fn of(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// What is stored of it.
    pub(crate) fn hash(&self) -> Vec<u8> {
        sha2::Sha256::digest(self.0.as_bytes()).to_vec()
    }

    /// The text itself, for whoever it is made for.
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }

    /// The last digits, by which its owner knows it again.
    pub(crate) fn hint(&self) -> String {
        self.0.get(self.0.len().saturating_sub(4)..).unwrap_or_default().to_owned()
    }

    /// True for a token whose checksum is right.
    fn is_token(&self) -> bool {
        let length = PREFIX.len() + RANDOM_DIGITS;
        match (self.0.get(..length), self.0.get(length..)) {
            (Some(head), Some(check)) if head.starts_with(PREFIX) => {
                check_of(head).as_bytes().ct_eq(check.as_bytes()).into()
            }
            _ => false,
        }
    }
}

fn check_of(head: &str) -> String {
    sha256_hex(head.as_bytes()).chars().take(CHECK_DIGITS).collect()
}

fn random_hex() -> Answer<String> {
    let mut bytes = [0; RANDOM_DIGITS / 2];
    getrandom::fill(&mut bytes).map_err(Problem::internal)?;
    Ok(encode_hex(&bytes))
}

/// How somebody proves who they are.
#[derive(Debug, Clone)]
pub(crate) enum RequestCredentials {
    Token(AccessSecret),
    Session(AccessSecret),
    Password {
        login: String,
        password: AccessSecret,
    },
    Jwt(AccessSecret),
    /// Something that is none of these.
    Unknown,
}

/// The credentials of a request: its header, else its cookie.
pub(crate) fn read_credentials(headers: &HeaderMap) -> Option<RequestCredentials> {
    let Some(header) = headers.get(header::AUTHORIZATION) else {
        return read_cookie(headers, COOKIE)
            .map(|cookie| RequestCredentials::Session(AccessSecret::of(&cookie)));
    };
    let Ok(text) = header.to_str() else { return Some(RequestCredentials::Unknown) };
    let (scheme, rest) = text.split_once(' ').unwrap_or(("", text));
    let rest = rest.trim();
    Some(match scheme.to_ascii_lowercase().as_str() {
        "basic" => read_password(rest).unwrap_or(RequestCredentials::Unknown),
        // Some programs send the token alone.
        "bearer" | "token" | "" if rest.starts_with(PREFIX) => {
            let secret = AccessSecret::of(rest);
            if secret.is_token() { RequestCredentials::Token(secret) } else { RequestCredentials::Unknown }
        }
        "bearer" if rest.matches('.').count() == 2 => RequestCredentials::Jwt(AccessSecret::of(rest)),
        _ => RequestCredentials::Unknown,
    })
}

fn read_password(base64: &str) -> Option<RequestCredentials> {
    let bytes = base64::engine::general_purpose::STANDARD.decode(base64).ok()?;
    let text = String::from_utf8(bytes).ok()?;
    let (login, password) = text.split_once(':')?;
    // A token as the password, which is how some programs send one.
    let secret = AccessSecret::of(password);
    if secret.is_token() {
        return Some(RequestCredentials::Token(secret));
    }
    Some(RequestCredentials::Password { login: login.to_owned(), password: secret })
}

/// A cookie of a request.
pub(crate) fn read_cookie(headers: &HeaderMap, name: &str) -> Option<String> {
    let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = cookies.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(key, _)| *key == name).map(|(_, value)| value.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(header: &str) -> Option<RequestCredentials> {
        let mut headers = HeaderMap::new();
        headers.insert(header::AUTHORIZATION, header.parse().unwrap());
        read_credentials(&headers)
    }

    #[test]
    fn a_token_is_known_by_its_checksum() {
        let token = AccessSecret::new_token().unwrap();
        assert_eq!(token.reveal().len(), PREFIX.len() + RANDOM_DIGITS + CHECK_DIGITS);
        assert!(token.is_token());
        for at in 0..token.reveal().len() {
            let mut bytes = token.reveal().as_bytes().to_vec();
            bytes[at] = if bytes[at] == b'0' { b'1' } else { b'0' };
            assert!(!AccessSecret::of(std::str::from_utf8(&bytes).unwrap()).is_token(), "{at}");
        }
        assert_eq!(format!("{token:?}"), "AccessSecret(…)");
    }

    #[test]
    fn credentials_come_in_several_ways() {
        let token = AccessSecret::new_token().unwrap();
        let token = token.reveal();
        let basic =
            |text: String| format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(text));
        assert!(matches!(read(&format!("Bearer {token}")), Some(RequestCredentials::Token(_))));
        assert!(matches!(read(token), Some(RequestCredentials::Token(_))));
        assert!(matches!(read(&basic(format!("x:{token}"))), Some(RequestCredentials::Token(_))));
        assert!(matches!(read(&basic("a:b".to_owned())), Some(RequestCredentials::Password { .. })));
        assert!(matches!(read("Bearer a.b.c"), Some(RequestCredentials::Jwt(_))));
        for wrong in ["Bearer bar_1", "Bearer x", "Digest y", "Basic !!", "Basic YQ=="] {
            assert!(matches!(read(wrong), Some(RequestCredentials::Unknown)), "{wrong}");
        }
    }
}
