//! Trusted publishing: a build proves by a token of its own issuer which repository and workflow
//! it is, and gets a token of ours for one name and a quarter of an hour.

use std::collections::HashMap;
use std::time::Duration;

use jsonwebtoken::crypto::{CryptoProvider, JwtVerifier, KeyUtils};
use jsonwebtoken::errors::{ErrorKind, Result as JwtResult};
use jsonwebtoken::jwk::{Jwk, JwkSet};
use jsonwebtoken::signature::{Error as SignatureError, Verifier};
use jsonwebtoken::{Algorithm, DecodingKey, DecodingKeyKind, Validation};
use serde_json::{Map, Value, json};

use super::credentials::AccessSecret;
use crate::clock::now_millis;
use crate::db::tokens::NewToken;
use crate::fetch::fetch_public;
use crate::problem::{Answer, Problem};
use crate::registry::RegistryServer;
use crate::settings::OidcIssuer;

/// How long a token of a build is good for: a quarter of an hour.
const BUILD_TOKEN_MILLIS: i64 = 15 * 60 * 1000;
/// A token that says it is good for longer than this is not believed; its number is remembered
/// until it has expired.
const LONGEST_MILLIS: i64 = 24 * 60 * 60 * 1000;
/// Bytes of an issuer's keys.
const KEYS_LIMIT: u64 = 256 * 1024;
/// Algorithms of asymmetric keys; what a token itself says is held to the kind of its key.
const ALGORITHMS: [Algorithm; 4] = [Algorithm::RS256, Algorithm::RS512, Algorithm::ES256, Algorithm::EdDSA];

/// What a token of a build says, after its signature was checked.
#[derive(Debug, Clone)]
pub(crate) struct BuildClaims {
    pub(crate) issuer: String,
    pub(crate) subject: String,
    pub(crate) all: Map<String, Value>,
}

/// A signature under one key, checked by ring.
struct RingVerifier {
    algorithm: Algorithm,
    key: VerifyKey,
}

enum VerifyKey {
    Rsa { n: Vec<u8>, e: Vec<u8> },
    Bytes(Vec<u8>),
}

impl Verifier<Vec<u8>> for RingVerifier {
    fn verify(&self, message: &[u8], signature: &Vec<u8>) -> Result<(), SignatureError> {
        use ring::signature as rs;
        let checked = match (&self.key, self.algorithm) {
            (VerifyKey::Rsa { n, e }, algorithm) => {
                let under = match algorithm {
                    Algorithm::RS512 => &rs::RSA_PKCS1_2048_8192_SHA512,
                    _ => &rs::RSA_PKCS1_2048_8192_SHA256,
                };
                rs::RsaPublicKeyComponents { n, e }.verify(under, message, signature)
            }
            (VerifyKey::Bytes(key), Algorithm::ES256) => {
                rs::UnparsedPublicKey::new(&rs::ECDSA_P256_SHA256_FIXED, key).verify(message, signature)
            }
            (VerifyKey::Bytes(key), _) => {
                rs::UnparsedPublicKey::new(&rs::ED25519, key).verify(message, signature)
            }
        };
        checked.map_err(|_| SignatureError::new())
    }
}

impl JwtVerifier for RingVerifier {
    fn algorithm(&self) -> Algorithm {
        self.algorithm
    }
}

fn ring_verifier(algorithm: &Algorithm, key: &DecodingKey) -> JwtResult<Box<dyn JwtVerifier>> {
    let key = match (key.kind(), algorithm) {
        (DecodingKeyKind::RsaModulusExponent { n, e }, Algorithm::RS256 | Algorithm::RS512) => {
            VerifyKey::Rsa { n: n.clone(), e: e.clone() }
        }
        (DecodingKeyKind::SecretOrDer(bytes), Algorithm::ES256 | Algorithm::EdDSA) => {
            VerifyKey::Bytes(bytes.clone())
        }
        _ => return Err(ErrorKind::InvalidAlgorithm.into()),
    };
    Ok(Box::new(RingVerifier { algorithm: *algorithm, key }))
}

/// ring's signatures for `jsonwebtoken`; nothing is ever signed.
static RING: CryptoProvider = CryptoProvider {
    signer_factory: |_, _| Err(ErrorKind::InvalidAlgorithm.into()),
    verifier_factory: ring_verifier,
    key_utils: KeyUtils::new_unimplemented(),
};

/// Makes ring check the signatures of tokens, once for the process.
pub(crate) fn install_cryptography() {
    let _ = RING.install_default();
}

impl RegistryServer {
    /// Checks a token of a build: its issuer is configured, signed it, meant it for this registry,
    /// and it has not expired.
    ///
    /// # Errors
    /// 401 with what is wrong; 503 when the issuer's keys cannot be fetched.
    pub(crate) async fn verify_jwt(&self, jwt: AccessSecret) -> Answer<BuildClaims> {
        let refused = |why: &str| Problem::unauthorized(format!("the build's token is refused: {why}"));
        let header = jsonwebtoken::decode_header(jwt.reveal()).map_err(|_| refused("it cannot be read"))?;
        let said = issuer_of(jwt.reveal()).ok_or_else(|| refused("it names no issuer"))?;
        let is_said =
            |one: &&OidcIssuer| one.issuer.as_str().trim_end_matches('/') == said.trim_end_matches('/');
        let issuer = self.settings.auth.oidc.iter().find(is_said);
        let issuer = issuer.ok_or_else(|| refused("its issuer is not one that this registry knows"))?;
        if !ALGORITHMS.contains(&header.alg) {
            return Err(refused("its algorithm is not one of RS256, RS512, ES256, EdDSA"));
        }
        let key = self.issuer_key(issuer, header.kid.as_deref()).await?;
        let key = key.ok_or_else(|| refused("its issuer has no such key"))?;
        let key = DecodingKey::from_jwk(&key).map_err(|_| refused("the issuer's key cannot be read"))?;
        let mut validation = Validation::new(header.alg);
        validation.set_audience(&[&issuer.audience]);
        validation.set_issuer(&[&said]);
        validation.set_required_spec_claims(&["exp", "aud", "iss", "sub"]);
        validation.validate_nbf = true;
        validation.leeway = 30;
        let claims = jsonwebtoken::decode::<Map<String, Value>>(jwt.reveal(), &key, &validation);
        let all = claims.map_err(|e| refused(&e.to_string()))?.claims;
        let subject = all.get("sub").and_then(Value::as_str).unwrap_or_default().to_owned();
        Ok(BuildClaims { issuer: said, subject, all })
    }

    /// The key of an issuer by its id; fetched anew where it is not known, at most once in a while.
    async fn issuer_key(&self, issuer: &OidcIssuer, kid: Option<&str>) -> Answer<Option<Jwk>> {
        let find = |keys: &JwkSet| match kid {
            Some(kid) => keys.find(kid).cloned(),
            None => keys.keys.first().filter(|_| keys.keys.len() == 1).cloned(),
        };
        let known = self.issuer_keys.get(issuer.issuer.as_str());
        if let Some(key) = known.as_deref().and_then(find) {
            return Ok(Some(key));
        }
        // An unknown id asks the issuer again, but not as often as somebody likes.
        let mark = format!("asked {}", issuer.issuer);
        if known.is_some() && self.recent_marks.contains_key(&mark) {
            return Ok(None);
        }
        self.recent_marks.insert(mark, ());
        let keys = fetch_keys(issuer.clone()).await?;
        let found = find(&keys);
        self.issuer_keys.insert(issuer.issuer.to_string(), std::sync::Arc::new(keys));
        Ok(found)
    }

    /// Gives a build a token for the one skill that it may publish.
    ///
    /// # Errors
    /// 401 for a token that is not good, is used a second time, or is of a build that nobody named.
    pub(crate) async fn exchange_jwt(&self, jwt: AccessSecret) -> Answer<Value> {
        let claims = self.verify_jwt(jwt).await?;
        let refused = |why: &str| Problem::unauthorized(format!("the build's token is refused: {why}"));
        let id = claims.all.get("jti").and_then(Value::as_str).ok_or_else(|| refused("it has no `jti`"))?;
        let expires = claims.all.get("exp").and_then(Value::as_i64).unwrap_or_default().saturating_mul(1000);
        let now = now_millis();
        if expires - now > LONGEST_MILLIS {
            return Err(refused("it is good for more than a day"));
        }
        let named = self.db.publishers_of_issuer(&claims.issuer).await?;
        let fits = |wanted: &Value| {
            let wanted = wanted.as_object().filter(|wanted| !wanted.is_empty());
            wanted.is_some_and(|wanted| wanted.iter().all(|(key, value)| claims.all.get(key) == Some(value)))
        };
        let names: Vec<String> =
            named.into_iter().filter(|(_, wanted)| fits(wanted)).map(|(name, _)| name).collect();
        let wanted = claims.all.get("skill").and_then(Value::as_str);
        let name = match (names.as_slice(), wanted) {
            ([], _) => return Err(refused("no skill names this build among its publishers")),
            ([name], None) => name.clone(),
            (names, Some(wanted)) if names.iter().any(|name| name == wanted) => wanted.to_owned(),
            (names, _) => {
                let why = format!("it may publish {}; this registry cannot tell which", names.join(", "));
                return Err(refused(&why));
            }
        };
        let secret = AccessSecret::new_token()?;
        let mut tx = self.db.begin().await?;
        let key = format!(
            "jti:{}",
            ba_agent_core::digest::sha256_hex(format!("{} {id}", claims.issuer).as_bytes())
        );
        // Remembered by the key alone: the window is the same for every use.
        if !tx.use_once(&key, remembered_until(expires)).await? {
            return Err(refused("it was used before"));
        }
        let user = tx.user_of_issuer(&claims.issuer, &claims.subject).await?;
        let expires_at = now + BUILD_TOKEN_MILLIS;
        let (scopes, bound) = (["publish".to_owned()], [name.clone()]);
        let hint = secret.hint();
        let new =
            NewToken { user, hash: secret.hash(), hint: &hint, scopes: &scopes, names: &bound, expires_at };
        tx.insert_token(new).await?;
        tx.note_event(&claims.subject, "token", &name, &json!({"issuer": claims.issuer})).await?;
        tx.commit().await?;
        let expires_at = crate::clock::format_millis(expires_at);
        Ok(json!({"token": secret.reveal(), "name": name, "scopes": scopes, "expires_at": expires_at}))
    }
}

/// The same moment for every use of one token.
fn remembered_until(expires: i64) -> i64 {
    expires
}

/// The issuer that a token names, before anything of it is believed.
fn issuer_of(jwt: &str) -> Option<String> {
    use base64::Engine as _;
    let body = jwt.split('.').nth(1)?;
    let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(body).ok()?;
    let claims: HashMap<String, Value> = serde_json::from_slice(&bytes).ok()?;
    claims.get("iss")?.as_str().map(str::to_owned)
}

/// Fetches the keys of an issuer, through its description where no address of them is set.
async fn fetch_keys(issuer: OidcIssuer) -> Answer<JwkSet> {
    let away = |why: String| {
        crate::log::write_line("error", &format!("the keys of an issuer cannot be fetched: {why}"));
        Problem::unavailable("the keys of the build's issuer cannot be fetched", 5)
    };
    let address = match &issuer.jwks {
        Some(address) => address.to_string(),
        None => {
            let base = issuer.issuer.as_str().trim_end_matches('/');
            let text = fetch_public(&format!("{base}/.well-known/openid-configuration"), KEYS_LIMIT, TIMEOUT)
                .await
                .map_err(away)?;
            let description: Value = serde_json::from_slice(&text).map_err(|e| away(e.to_string()))?;
            let address = description.get("jwks_uri").and_then(Value::as_str);
            address.ok_or_else(|| away("the description names no `jwks_uri`".to_owned()))?.to_owned()
        }
    };
    let keys = fetch_public(&address, KEYS_LIMIT, TIMEOUT).await.map_err(away)?;
    serde_json::from_slice(&keys).map_err(|e| away(e.to_string()))
}

const TIMEOUT: Duration = Duration::from_secs(10);
