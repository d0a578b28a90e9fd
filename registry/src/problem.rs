//! What went wrong, as an answer: `application/problem+json` (RFC 9457), with what a program needs
//! to go on.

use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use ba_agent_core::error::{Error, Kind, printable};
use serde::Serialize;
use serde_json::json;

use crate::db::DbError;

/// The media type of a problem.
pub(crate) const PROBLEM_JSON: &str = "application/problem+json";

/// One thing that is wrong with a publication.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct ProblemDetail {
    /// `SKILL.md:3`, or the path alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) at: Option<String>,
    pub(crate) message: String,
}

/// An answer that says what went wrong.
#[derive(Debug, Clone)]
pub(crate) struct Problem {
    pub(crate) status: StatusCode,
    pub(crate) detail: String,
    pub(crate) hint: Option<String>,
    pub(crate) errors: Vec<ProblemDetail>,
    pub(crate) headers: Box<HeaderMap>,
}

/// What an operation of the API answers with.
pub(crate) type Answer<T = Response> = Result<T, Problem>;

impl Problem {
    /// A problem of that status.
    pub(crate) fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        let detail = printable(&detail.into(), false);
        Self { status, detail, hint: None, errors: Vec::new(), headers: Box::default() }
    }

    /// 400.
    pub(crate) fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, detail)
    }

    /// 404, the same for what is missing and what may not be seen.
    pub(crate) fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "there is nothing at this address")
    }

    /// 409.
    pub(crate) fn conflict(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, detail)
    }

    /// 410.
    pub(crate) fn gone(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::GONE, detail)
    }

    /// 403, naming the scope that is missing.
    pub(crate) fn missing_scope(scope: &str, name: Option<&str>) -> Self {
        let of = name.map(|name| format!(" for `{name}`")).unwrap_or_default();
        Self::new(
            StatusCode::FORBIDDEN,
            format!("the token may not do this: it lacks the scope `{scope}`{of}"),
        )
    }

    /// 401, saying where one logs in.
    pub(crate) fn unauthorized(detail: impl Into<String>) -> Self {
        let mut problem = Self::new(StatusCode::UNAUTHORIZED, detail);
        problem
            .headers
            .insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"registry\""));
        problem
    }

    /// 503: it may work in `seconds`.
    pub(crate) fn unavailable(detail: impl Into<String>, seconds: u64) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, detail)
            .with_header(header::RETRY_AFTER, &seconds.to_string())
    }

    /// 500: the reason goes to the log, not to whoever asked.
    pub(crate) fn internal(reason: impl std::fmt::Display) -> Self {
        crate::log::write_line("error", &reason.to_string());
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "the registry failed to do this; its log says why")
    }

    /// Adds a header to the answer.
    pub(crate) fn with_header(mut self, name: HeaderName, value: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.insert(name, value);
        }
        self
    }

    /// Adds something to do next.
    pub(crate) fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Adds what is wrong in detail.
    pub(crate) fn with_errors(mut self, errors: Vec<ProblemDetail>) -> Self {
        self.errors = errors;
        self
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut body = json!({
            "type": "about:blank",
            "title": self.status.canonical_reason().unwrap_or("Problem"),
            "status": self.status.as_u16(),
            "detail": self.detail,
        });
        if let Some(hint) = self.hint {
            body["hint"] = hint.into();
        }
        if !self.errors.is_empty() {
            body["errors"] = serde_json::to_value(self.errors).unwrap_or_default();
        }
        let mut response = (self.status, body.to_string()).into_response();
        response.headers_mut().extend(*self.headers);
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
        response
    }
}

impl From<DbError> for Problem {
    fn from(error: DbError) -> Self {
        match error {
            DbError::Unavailable(why) => {
                crate::log::write_line("error", &format!("the database is away: {why}"));
                Self::unavailable("the database is away; what is published can still be read", 2)
            }
            DbError::Busy => Self::unavailable("the database is busy", 1),
            DbError::DiskFull => {
                Self::new(StatusCode::INSUFFICIENT_STORAGE, "the disk of the registry is full")
            }
            DbError::Exists => Self::conflict("that exists already"),
            DbError::Failed(why) => Self::internal(why),
        }
    }
}

/// What the program's own rules say, as an answer.
impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        let hint = error.hints.first().cloned();
        let is_full = error.hints.iter().any(|hint| hint.starts_with("the disk is full"));
        let status = match error.kind {
            _ if is_full => StatusCode::INSUFFICIENT_STORAGE,
            Kind::Usage => StatusCode::BAD_REQUEST,
            Kind::NotFound => StatusCode::NOT_FOUND,
            Kind::Conflict => StatusCode::CONFLICT,
            Kind::Invalid | Kind::Integrity => StatusCode::UNPROCESSABLE_ENTITY,
            Kind::Network => StatusCode::SERVICE_UNAVAILABLE,
            _ => return Self::internal(format!("{error}: {}", error.causes.join(": "))),
        };
        let mut problem = Self::new(status, error.message);
        problem.hint = hint;
        if status == StatusCode::SERVICE_UNAVAILABLE {
            problem = problem.with_header(header::RETRY_AFTER, "2");
        }
        problem.errors = error
            .causes
            .iter()
            .map(|cause| ProblemDetail { at: None, message: printable(cause, false) })
            .collect();
        problem
    }
}
