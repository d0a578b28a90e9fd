//! What people do beside publishing: follow, report, be told; and what happens, as it happens.

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::IntoResponse as _;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::routing::{delete, get, post};
use futures_util::Stream;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{JsonBody, QueryOf, json_answer, name_of};
use crate::auth::credentials::AccessSecret;
use crate::auth::{MaybeCaller, RouteNeed};
use crate::problem::{Answer, Problem};
use crate::registry::App;
use crate::route_spec::{BodySpec, RouteSpec, number};

/// Kinds of events that a webhook may be for.
const HOOK_KINDS: [&str; 6] = ["publish", "yank", "unyank", "takedown", "restore", "remove"];
/// Events in one answer.
const EVENTS: i64 = 500;

const fn user_route(
    method: &'static str,
    path: &'static str,
    summary: &'static str,
    body: BodySpec,
    statuses: &'static [u16],
    handler: fn() -> axum::routing::MethodRouter<App>,
) -> RouteSpec {
    RouteSpec { method, path, need: RouteNeed::User, summary, query: &[], body, statuses, handler }
}

pub(crate) const ROUTES: &[RouteSpec] = &[
    user_route("get", "/api/v1/skills/subscriptions", "What one follows", BodySpec::Nothing, &[200], || {
        get(list_follows)
    }),
    user_route(
        "post",
        "/api/v1/skills/@{owner}/{name}/subscribe",
        "Follows a skill",
        BodySpec::Nothing,
        &[200, 404, 410],
        || post(follow_skill),
    ),
    user_route(
        "post",
        "/api/v1/skills/@{owner}/{name}/unsubscribe",
        "Ends following a skill",
        BodySpec::Nothing,
        &[200, 404, 410],
        || post(unfollow_skill),
    ),
    user_route(
        "post",
        "/api/v1/skills/@{owner}/{name}/push",
        "Whether one is told of a skill that one follows",
        BodySpec::Json(&["enabled:boolean"]),
        &[200, 400, 404, 410, 413, 415],
        || post(set_notify),
    ),
    user_route(
        "post",
        "/api/v1/skills/@{owner}/{name}/report",
        "Reports a skill to the admins",
        BodySpec::Json(&["reason:string", "version?:string"]),
        &[201, 400, 404, 410, 413, 415, 422],
        || post(report_skill),
    ),
    user_route("get", "/api/v1/webhooks", "One's webhooks", BodySpec::Nothing, &[200], || get(list_webhooks)),
    user_route(
        "post",
        "/api/v1/webhooks",
        "Has an address told of what happens",
        BodySpec::Json(&["url:string", "kinds?:strings"]),
        &[201, 400, 413, 415, 422],
        || post(add_webhook),
    ),
    user_route(
        "delete",
        "/api/v1/webhooks/{id}",
        "Removes a webhook",
        BodySpec::Nothing,
        &[200, 404],
        || delete(remove_webhook),
    ),
    user_route("get", "/api/v1/jobs/{job}", "How a job stands", BodySpec::Nothing, &[200, 404], || {
        get(show_job)
    }),
    user_route(
        "get",
        "/api/v1/jobs/{job}/events",
        "How a job goes on, as server-sent events",
        BodySpec::Nothing,
        &[200, 404],
        || get(stream_job),
    ),
    RouteSpec {
        method: "get",
        path: "/api/v1/events",
        need: RouteNeed::Read,
        summary: "What happened since an event, as JSON or as server-sent events",
        query: &[number("since")],
        body: BodySpec::Nothing,
        statuses: &[200, 400],
        handler: || get(list_events),
    },
];

async fn list_follows(State(app): State<App>, caller: MaybeCaller) -> Answer {
    let follows = app.db.list_follows(caller.known()?.user).await?;
    json_answer(StatusCode::OK, &json!({"skills": follows}))
}

/// The skill of a path.
async fn skill_of(app: &App, owner: &str, name: &str) -> Answer<(String, i64)> {
    let name = name_of(owner, name)?;
    Ok((name.to_string(), app.known_skill(&name)?.id))
}

type NamePath = (String, String);

async fn follow_skill(
    State(app): State<App>,
    Path((owner, name)): Path<NamePath>,
    caller: MaybeCaller,
) -> Answer {
    let (name, skill) = skill_of(&app, &owner, &name).await?;
    app.db.follow_skill(caller.known()?.user, skill).await?;
    json_answer(StatusCode::OK, &json!({"name": name, "followed": true}))
}

async fn unfollow_skill(
    State(app): State<App>,
    Path((owner, name)): Path<NamePath>,
    caller: MaybeCaller,
) -> Answer {
    let (name, skill) = skill_of(&app, &owner, &name).await?;
    app.db.unfollow_skill(caller.known()?.user, skill).await?;
    json_answer(StatusCode::OK, &json!({"name": name, "followed": false}))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PushBody {
    enabled: bool,
}

async fn set_notify(
    State(app): State<App>,
    Path((owner, name)): Path<NamePath>,
    caller: MaybeCaller,
    JsonBody(body): JsonBody<PushBody>,
) -> Answer {
    let (name, skill) = skill_of(&app, &owner, &name).await?;
    match app.db.set_notify(caller.known()?.user, skill, body.enabled).await? {
        true => json_answer(StatusCode::OK, &json!({"name": name, "notify": body.enabled})),
        false => Err(Problem::new(StatusCode::NOT_FOUND, format!("you do not follow `{name}`"))),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ReportBody {
    reason: String,
    version: Option<String>,
}

async fn report_skill(
    State(app): State<App>,
    Path((owner, name)): Path<NamePath>,
    caller: MaybeCaller,
    JsonBody(body): JsonBody<ReportBody>,
) -> Answer {
    let (name, skill) = skill_of(&app, &owner, &name).await?;
    if body.reason.trim().is_empty() || body.reason.chars().count() > 4_000 {
        return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "say why, in at most 4,000 characters"));
    }
    let caller = caller.known()?;
    let mut tx = app.db.begin().await?;
    let id = tx.add_report(skill, body.version, &caller.login, &body.reason).await?;
    tx.commit().await?;
    json_answer(StatusCode::CREATED, &json!({"report": id, "name": name}))
}

async fn list_webhooks(State(app): State<App>, caller: MaybeCaller) -> Answer {
    let hooks = app.db.list_webhooks(caller.known()?.user).await?;
    json_answer(StatusCode::OK, &json!({"webhooks": hooks}))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WebhookBody {
    url: String,
    #[serde(default)]
    kinds: Vec<String>,
}

async fn add_webhook(
    State(app): State<App>,
    caller: MaybeCaller,
    JsonBody(body): JsonBody<WebhookBody>,
) -> Answer {
    let invalid = |why: String| Problem::new(StatusCode::UNPROCESSABLE_ENTITY, why);
    let url = url::Url::parse(&body.url).ok().filter(|url| {
        let is_plain = url.username().is_empty() && url.password().is_none();
        let is_allowed = url.scheme() == "https" || app.settings.webhooks.allow_private;
        matches!(url.scheme(), "https" | "http") && is_plain && is_allowed
    });
    let url = url.ok_or_else(|| invalid("expected an address that begins with `https://`".to_owned()))?;
    if let Some(unknown) = body.kinds.iter().find(|kind| !HOOK_KINDS.contains(&kind.as_str())) {
        let known = HOOK_KINDS.join(", ");
        return Err(invalid(format!("`{unknown}` is not a valid kind; expected some of {known}")));
    }
    let user = caller.known()?.user;
    if app.db.list_webhooks(user).await?.len() >= 20 {
        return Err(invalid("there are 20 webhooks already".to_owned()));
    }
    let secret = AccessSecret::new_plain()?;
    let id = app.db.add_webhook(user, url.as_str(), secret.reveal(), &body.kinds).await?;
    // Shown once, as a token is.
    json_answer(
        StatusCode::CREATED,
        &json!({"id": id, "url": url, "kinds": body.kinds, "secret": secret.reveal()}),
    )
}

async fn remove_webhook(State(app): State<App>, caller: MaybeCaller, Path(id): Path<String>) -> Answer {
    let id: i64 = id.parse().map_err(|_| Problem::not_found())?;
    match app.db.remove_webhook(caller.known()?.user, id).await? {
        true => json_answer(StatusCode::OK, &json!({"removed": id})),
        false => Err(Problem::not_found()),
    }
}

/// How a job stands, for whoever may know of it: those who could publish what it is about.
async fn job_state(app: &App, caller: &crate::auth::ApiCaller, job: &str) -> Answer<Value> {
    let id: i64 = job.parse().map_err(|_| Problem::not_found())?;
    let job = app.db.find_job(id).await?.ok_or_else(Problem::not_found)?;
    let name = job.payload["name"].as_str().unwrap_or_default();
    let owner = name.trim_start_matches('@').split('/').next().unwrap_or_default();
    let is_own = caller.is_admin || app.db.role_of(caller.user, owner).await?.is_some();
    if !is_own || job.kind == "device" {
        return Err(Problem::not_found());
    }
    let state = match (job.done_at, &job.error) {
        (Some(_), Some(_)) => "failed",
        (Some(_), None) => "done",
        (None, _) => "waiting",
    };
    Ok(json!({"job": job.id, "kind": job.kind, "state": state, "name": name,
        "version": job.payload["version"], "attempts": job.attempts, "error": job.error}))
}

async fn show_job(State(app): State<App>, caller: MaybeCaller, Path(job): Path<String>) -> Answer {
    json_answer(StatusCode::OK, &job_state(&app, &caller.known()?, &job).await?)
}

async fn stream_job(State(app): State<App>, caller: MaybeCaller, Path(job): Path<String>) -> Answer {
    let caller = caller.known()?;
    job_state(&app, &caller, &job).await?;
    let start = (app, caller, job, None::<Value>, false);
    let stream = futures_util::stream::unfold(start, |(app, caller, job, told, ended)| async move {
        if ended {
            return None;
        }
        loop {
            let state = job_state(&app, &caller, &job).await.ok()?;
            let is_over = state["state"] != "waiting";
            if told.as_ref() != Some(&state) {
                let event = Event::default().event("job").data(state.to_string());
                return Some((Ok::<_, Infallible>(event), (app, caller, job, Some(state), is_over)));
            }
            if !wait_or_stop(&app, Duration::from_millis(300)).await {
                return None;
            }
        }
    });
    Ok(answer_stream(stream))
}

/// Waits; false when the server is about to stop.
async fn wait_or_stop(app: &App, pause: Duration) -> bool {
    let mut stop = app.stop.subscribe();
    tokio::time::timeout(pause, stop.wait_for(|stop| *stop)).await.is_err()
}

fn answer_stream(
    stream: impl Stream<Item = Result<Event, Infallible>> + Send + 'static,
) -> axum::response::Response {
    let mut response =
        Sse::new(stream).keep_alive(KeepAlive::new().interval(Duration::from_secs(15))).into_response();
    let no_buffer = axum::http::HeaderName::from_static("x-accel-buffering");
    response.headers_mut().insert(no_buffer, axum::http::HeaderValue::from_static("no"));
    response
}

#[derive(Deserialize)]
struct EventsQuery {
    since: Option<i64>,
}

/// What everybody may know of an event: not who has which token, nor what an admin noted.
fn public_event(event: crate::db::events::RegistryEvent) -> Option<Value> {
    let is_public =
        HOOK_KINDS.contains(&event.kind.as_str()) || matches!(event.kind.as_str(), "tombstone" | "feature");
    is_public.then(|| json!(event))
}

async fn list_events(
    State(app): State<App>,
    QueryOf(query): QueryOf<EventsQuery>,
    headers: HeaderMap,
) -> Answer {
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let last =
        headers.get("last-event-id").and_then(|value| value.to_str().ok()).and_then(|id| id.parse().ok());
    if accept.contains("text/event-stream") {
        let from = match last.or(query.since) {
            Some(from) => from,
            None => app.db.last_event().await?,
        };
        return Ok(answer_stream(follow_from(app, from)));
    }
    let events = app.db.events_since(query.since.unwrap_or_default(), EVENTS).await?;
    let next = events.last().map(|event| event.seq);
    let events: Vec<Value> = events.into_iter().filter_map(public_event).collect();
    json_answer(StatusCode::OK, &json!({"events": events, "next": next}))
}

fn follow_from(app: App, from: i64) -> impl Stream<Item = Result<Event, Infallible>> + Send {
    let start = (app, from, std::collections::VecDeque::new());
    futures_util::stream::unfold(start, |(app, mut at, mut waiting)| async move {
        loop {
            if let Some((seq, event)) = waiting.pop_front() {
                let event: Value = event;
                let kind = event["kind"].as_str().unwrap_or("event").to_owned();
                let event = Event::default().id(i64::to_string(&seq)).event(kind).data(event.to_string());
                return Some((Ok(event), (app, at, waiting)));
            }
            for event in app.db.events_since(at, EVENTS).await.unwrap_or_default() {
                at = event.seq;
                let seq = event.seq;
                waiting.extend(public_event(event).map(|event| (seq, event)));
            }
            if waiting.is_empty() && !wait_for_event(&app, at).await {
                return None;
            }
        }
    })
}

/// Waits until there is an event after `at`, or a while; false when the server is about to stop.
async fn wait_for_event(app: &App, at: i64) -> bool {
    let (mut seen, mut stop) = (app.seen_event.subscribe(), app.stop.subscribe());
    tokio::select! {
        _ = stop.wait_for(|stop| *stop) => false,
        _ = seen.wait_for(|seen| *seen > at) => true,
        () = tokio::time::sleep(Duration::from_secs(5)) => true,
    }
}
