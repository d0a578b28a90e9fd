//! What the table of routes says of an operation.

use axum::routing::MethodRouter;

use crate::auth::RouteNeed;
use crate::registry::App;

/// A word behind the `?`, and what it may be.
#[derive(Debug, Clone, Copy)]
pub(crate) struct QuerySpec {
    pub(crate) name: &'static str,
    pub(crate) kind: QueryKind,
    pub(crate) is_required: bool,
}

/// What a word behind the `?` may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum QueryKind {
    Text,
    Number,
    /// One of these.
    OneOf(&'static [&'static str]),
}

/// A text behind the `?`.
pub(crate) const fn text(name: &'static str) -> QuerySpec {
    QuerySpec { name, kind: QueryKind::Text, is_required: false }
}

/// A number behind the `?`.
pub(crate) const fn number(name: &'static str) -> QuerySpec {
    QuerySpec { name, kind: QueryKind::Number, is_required: false }
}

/// What an operation reads from the body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BodySpec {
    Nothing,
    /// JSON with these keys; those with a `?` may be left out. `name:kind`, where the kind is one of
    /// `string`, `strings`, `boolean`, `integer`, `object`, `objects`.
    Json(&'static [&'static str]),
    /// An archive.
    Gzip,
}

/// An operation.
pub(crate) struct RouteSpec {
    pub(crate) method: &'static str,
    pub(crate) path: &'static str,
    pub(crate) need: RouteNeed,
    pub(crate) summary: &'static str,
    pub(crate) query: &'static [QuerySpec],
    pub(crate) body: BodySpec,
    /// What it answers beside 429 and 503, which all may, and 401 and 403 where it needs somebody.
    pub(crate) statuses: &'static [u16],
    pub(crate) handler: fn() -> MethodRouter<App>,
}
