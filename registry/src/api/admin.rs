//! What admins see and do. Every act has a reason, which whom it is about can read.

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{get, post};
use ba_agent_core::remote_registry::{OwnerName, ScopedName};
use semver::Version;
use serde::Deserialize;
use serde_json::json;

use super::publish::version_of;
use super::{JsonBody, QueryOf, json_answer};
use crate::auth::{MaybeCaller, RouteNeed};
use crate::problem::{Answer, Problem};
use crate::registry::App;
use crate::route_spec::{BodySpec, QuerySpec, RouteSpec, number};
use crate::versions::Verdict;

const fn see_route(
    path: &'static str,
    summary: &'static str,
    query: &'static [QuerySpec],
    handler: fn() -> axum::routing::MethodRouter<App>,
) -> RouteSpec {
    let (method, need, body) = ("get", RouteNeed::Admin, BodySpec::Nothing);
    RouteSpec { method, path, need, summary, query, body, statuses: &[200, 400], handler }
}

const fn act_route(
    path: &'static str,
    summary: &'static str,
    keys: &'static [&'static str],
    handler: fn() -> axum::routing::MethodRouter<App>,
) -> RouteSpec {
    let (method, need, body) = ("post", RouteNeed::Admin, BodySpec::Json(keys));
    let statuses = &[200, 400, 404, 409, 413, 415, 422, 507];
    RouteSpec { method, path, need, summary, query: &[], body, statuses, handler }
}

const SKILL: &[&str] = &["reason:string", "name:string", "version?:string"];

pub(crate) const ROUTES: &[RouteSpec] = &[
    see_route("/api/v1/admin/reports", "Complaints that are not settled", &[], || get(list_reports)),
    see_route("/api/v1/admin/audit", "What happened, newest first", &[number("limit")], || get(list_audit)),
    see_route("/api/v1/admin/held", "Versions that wait", &[], || get(list_held)),
    act_route("/api/v1/admin/takedown", "Takes a version down, or all of a skill", SKILL, || post(take_down)),
    act_route("/api/v1/admin/restore", "Brings back what was taken down", SKILL, || post(restore_skill)),
    act_route(
        "/api/v1/admin/approve",
        "Lets a version that waits be published",
        &["reason:string", "name:string", "version:string"],
        || post(approve_version),
    ),
    act_route("/api/v1/admin/ban", "Bans somebody", &["reason:string", "login:string"], || post(ban_user)),
    act_route("/api/v1/admin/unban", "Lifts a ban", &["reason:string", "login:string"], || post(unban_user)),
    act_route(
        "/api/v1/admin/reserve",
        "Reserves the name of an owner",
        &["reason:string", "owner:string"],
        || post(reserve_owner),
    ),
    act_route(
        "/api/v1/admin/feature",
        "Features a skill at a place; 0 takes it off",
        &["reason:string", "name:string", "place:integer"],
        || post(feature_skill),
    ),
];

async fn list_reports(State(app): State<App>) -> Answer {
    json_answer(StatusCode::OK, &json!({"reports": app.db.list_reports().await?}))
}

#[derive(Deserialize)]
struct AuditQuery {
    limit: Option<i64>,
}

async fn list_audit(State(app): State<App>, QueryOf(query): QueryOf<AuditQuery>) -> Answer {
    let events = app.db.latest_events(query.limit.unwrap_or(100).clamp(1, 1_000)).await?;
    json_answer(StatusCode::OK, &json!({"events": events}))
}

async fn list_held(State(app): State<App>) -> Answer {
    json_answer(StatusCode::OK, &json!({"held": app.db.held_versions().await?}))
}

/// What an act is about, and why.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ActBody {
    reason: Option<String>,
    name: Option<String>,
    version: Option<String>,
    login: Option<String>,
    owner: Option<String>,
    place: Option<i64>,
}

impl ActBody {
    /// Why; every act has a reason.
    fn reason(&self) -> Answer<&str> {
        let reason = self.reason.as_deref().map(str::trim).filter(|reason| !reason.is_empty());
        reason.ok_or_else(|| Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "say why: `reason` is empty"))
    }

    fn skill(&self) -> Answer<ScopedName> {
        let name = self
            .name
            .as_deref()
            .ok_or_else(|| Problem::bad_request("`name` is missing: the skill that is meant"))?;
        name.parse().map_err(Problem::from)
    }

    fn version(&self) -> Answer<Option<Version>> {
        self.version.as_deref().map(version_of).transpose()
    }

    fn login(&self) -> Answer<&str> {
        self.login.as_deref().ok_or_else(|| Problem::bad_request("say whom: `login` is missing"))
    }
}

type Act = JsonBody<ActBody>;

async fn take_down(State(app): State<App>, caller: MaybeCaller, JsonBody(act): Act) -> Answer {
    let caller = caller.known()?;
    let verdict = Verdict { actor: caller.actor(), reason: act.reason()? };
    let n = app.take_down(verdict, &act.skill()?, act.version()?.as_ref()).await?;
    json_answer(StatusCode::OK, &json!({"versions": n}))
}

async fn restore_skill(State(app): State<App>, caller: MaybeCaller, JsonBody(act): Act) -> Answer {
    let caller = caller.known()?;
    let verdict = Verdict { actor: caller.actor(), reason: act.reason()? };
    let n = app.restore(verdict, &act.skill()?, act.version()?.as_ref()).await?;
    json_answer(StatusCode::OK, &json!({"versions": n}))
}

async fn approve_version(State(app): State<App>, caller: MaybeCaller, JsonBody(act): Act) -> Answer {
    let caller = caller.known()?;
    let verdict = Verdict { actor: caller.actor(), reason: act.reason()? };
    let version = act
        .version()?
        .ok_or_else(|| Problem::bad_request("`version` is missing: the version that is meant"))?;
    app.approve(verdict, &act.skill()?, &version).await?;
    json_answer(StatusCode::OK, &json!({"name": act.skill()?, "version": version}))
}

async fn ban_user(State(app): State<App>, caller: MaybeCaller, JsonBody(act): Act) -> Answer {
    let caller = caller.known()?;
    let verdict = Verdict { actor: caller.actor(), reason: act.reason()? };
    app.set_ban(verdict, act.login()?, true).await?;
    json_answer(StatusCode::OK, &json!({"login": act.login()?, "banned": true}))
}

async fn unban_user(State(app): State<App>, caller: MaybeCaller, JsonBody(act): Act) -> Answer {
    let caller = caller.known()?;
    let verdict = Verdict { actor: caller.actor(), reason: act.reason()? };
    app.set_ban(verdict, act.login()?, false).await?;
    json_answer(StatusCode::OK, &json!({"login": act.login()?, "banned": false}))
}

async fn reserve_owner(State(app): State<App>, caller: MaybeCaller, JsonBody(act): Act) -> Answer {
    let caller = caller.known()?;
    let verdict = Verdict { actor: caller.actor(), reason: act.reason()? };
    let owner = act
        .owner
        .as_deref()
        .ok_or_else(|| Problem::bad_request("`owner` is missing: the owner who is meant"))?;
    let owner: OwnerName = owner.parse().map_err(Problem::from)?;
    app.reserve_owner(verdict, &owner).await?;
    json_answer(StatusCode::OK, &json!({"reserved": owner.to_string()}))
}

async fn feature_skill(State(app): State<App>, caller: MaybeCaller, JsonBody(act): Act) -> Answer {
    let caller = caller.known()?;
    let verdict = Verdict { actor: caller.actor(), reason: act.reason()? };
    let place = act.place.ok_or_else(|| Problem::bad_request("say where: `place` is missing"))?;
    app.feature_skill(verdict, &act.skill()?, place.max(0)).await?;
    json_answer(StatusCode::OK, &json!({"name": act.skill()?, "place": place.max(0)}))
}
