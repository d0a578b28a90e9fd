//! Whether it runs, whether it can do its work, and what it offers.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::get;
use serde_json::json;

use super::{json_answer, kept_answer};
use crate::auth::RouteNeed;
use crate::problem::{Answer, Problem};
use crate::registry::App;
use crate::route_spec::{BodySpec, RouteSpec};

pub(crate) const ROUTES: &[RouteSpec] = &[
    RouteSpec {
        method: "get",
        path: "/healthz",
        need: RouteNeed::Open,
        summary: "The process runs",
        query: &[],
        body: BodySpec::Nothing,
        statuses: &[200],
        handler: || get(tell_health),
    },
    RouteSpec {
        method: "get",
        path: "/readyz",
        need: RouteNeed::Open,
        summary: "Database, files and tables are ready",
        query: &[],
        body: BodySpec::Nothing,
        statuses: &[200],
        handler: || get(tell_readiness),
    },
    RouteSpec {
        method: "get",
        path: "/api/v1/openapi.json",
        need: RouteNeed::Open,
        summary: "This description",
        query: &[],
        body: BodySpec::Nothing,
        statuses: &[200],
        handler: || get(describe_api),
    },
];

async fn tell_health() -> Answer {
    json_answer(StatusCode::OK, &json!({"status": "ok"}))
}

async fn tell_readiness(State(app): State<App>) -> Answer {
    if *app.stop.borrow() {
        return Err(Problem::unavailable("the server is about to stop", 1));
    }
    app.db.fetch_first("select 1", Vec::new()).await?;
    app.store.check().await?;
    json_answer(StatusCode::OK, &json!({"status": "ready"}))
}

async fn describe_api(State(app): State<App>) -> Answer<Response> {
    kept_answer(300, &app.description.get())
}
