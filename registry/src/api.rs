//! Faces: the operations of the API, each a function that reads a request, asks a deed, and
//! writes what it did.

pub(crate) mod account;
pub(crate) mod admin;
pub(crate) mod compat;
pub(crate) mod health;
pub(crate) mod people;
pub(crate) mod publish;
pub(crate) mod skills;

use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Query, Request};
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use ba_agent_core::remote_registry::{OwnerName, ScopedName};
use ba_agent_core::skill::SkillName;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::auth::MaybeCaller;
use crate::problem::{Answer, Problem};

/// Bytes of a body of JSON.
pub(crate) const JSON_LIMIT: usize = 64 * 1024;

/// A body of JSON.
pub(crate) struct JsonBody<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for JsonBody<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let kind = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let kind =
            kind.and_then(|kind| kind.split(';').next()).unwrap_or_default().trim().to_ascii_lowercase();
        if kind != "application/json" {
            let why = "expected a body of the type `application/json`";
            let _ = axum::body::to_bytes(request.into_body(), crate::auth::DRAINED).await;
            return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, why));
        }
        let bytes = Bytes::from_request(request, state).await.map_err(|e| match e.status() {
            StatusCode::PAYLOAD_TOO_LARGE => {
                let why = format!("the body has more than {JSON_LIMIT} bytes");
                Problem::new(StatusCode::PAYLOAD_TOO_LARGE, why)
            }
            _ => Problem::bad_request("the body was cut off"),
        })?;
        match serde_json::from_slice(&bytes) {
            Ok(read) => Ok(Self(read)),
            Err(e) => Err(Problem::bad_request(format!("the body is not what is expected: {e}"))),
        }
    }
}

/// The words behind the `?`.
pub(crate) struct QueryOf<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for QueryOf<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let read = Query::<T>::from_request_parts(parts, state).await;
        read.map(|Query(read)| Self(read)).map_err(|e| Problem::bad_request(e.body_text()))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for MaybeCaller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        Ok(parts.extensions.get::<Self>().cloned().unwrap_or(Self(None)))
    }
}

/// An answer of JSON.
pub(crate) fn json_answer(status: StatusCode, body: &impl Serialize) -> Answer {
    let text = serde_json::to_vec(body).map_err(Problem::internal)?;
    let mut response = (status, text).into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

/// An answer of JSON that others may keep for a while.
pub(crate) fn kept_answer(seconds: u32, body: &impl Serialize) -> Answer<Response> {
    let mut response = json_answer(StatusCode::OK, body)?;
    if let Ok(value) = HeaderValue::from_str(&format!("public, max-age={seconds}")) {
        response.headers_mut().insert(header::CACHE_CONTROL, value);
    }
    Ok(response)
}

/// The name of a skill out of a path; what is no name is not there.
pub(crate) fn name_of(owner: &str, name: &str) -> Answer<ScopedName> {
    let owner: OwnerName = owner.parse().map_err(|_| Problem::not_found())?;
    let name: SkillName = name.parse().map_err(|_| Problem::not_found())?;
    ScopedName::new(owner, name).map_err(|_| Problem::not_found())
}
