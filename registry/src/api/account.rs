//! One's own account: who one is, tokens, the login of a browser and of a device, and of a build.

use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::routing::{delete, get, post};
use serde::Deserialize;
use serde_json::json;

use super::{JsonBody, json_answer};
use crate::auth::credentials::{AccessSecret, COOKIE, read_cookie};
use crate::auth::{MaybeCaller, RouteNeed};
use crate::login::{DeviceRequest, NewAccount, TokenRequest};
use crate::problem::{Answer, Problem};
use crate::registry::App;
use crate::route_spec::{BodySpec, RouteSpec};

pub(crate) const ROUTES: &[RouteSpec] = &[
    RouteSpec {
        method: "get",
        path: "/api/v1/whoami",
        need: RouteNeed::User,
        summary: "Whose token this is, and what it may do",
        query: &[],
        body: BodySpec::Nothing,
        statuses: &[200],
        handler: || get(tell_caller),
    },
    RouteSpec {
        method: "post",
        path: "/api/v1/setup",
        need: RouteNeed::Open,
        summary: "Makes the first admin, with the one-time token that the first start prints",
        query: &[],
        body: BodySpec::Json(&["token:string", "login:string", "password?:string"]),
        statuses: &[201, 400, 401, 413, 415, 422],
        handler: || post(set_up),
    },
    RouteSpec {
        method: "post",
        path: "/api/v1/sessions",
        need: RouteNeed::Open,
        summary: "Logs a browser in",
        query: &[],
        body: BodySpec::Json(&["login:string", "password:string"]),
        statuses: &[201, 400, 401, 413, 415],
        handler: || post(begin_session),
    },
    RouteSpec {
        method: "delete",
        path: "/api/v1/sessions",
        need: RouteNeed::User,
        summary: "Logs a browser out",
        query: &[],
        body: BodySpec::Nothing,
        statuses: &[200],
        handler: || delete(end_session),
    },
    RouteSpec {
        method: "get",
        path: "/api/v1/tokens",
        need: RouteNeed::Account,
        summary: "One's tokens, without their secrets",
        query: &[],
        body: BodySpec::Nothing,
        statuses: &[200],
        handler: || get(list_tokens),
    },
    RouteSpec {
        method: "post",
        path: "/api/v1/tokens",
        need: RouteNeed::Account,
        summary: "Makes a token whose rights are within those of the caller",
        query: &[],
        body: BodySpec::Json(&["scopes?:strings", "names?:strings", "days?:integer"]),
        statuses: &[201, 400, 413, 415, 422],
        handler: || post(make_token),
    },
    RouteSpec {
        method: "delete",
        path: "/api/v1/tokens/{id}",
        need: RouteNeed::Account,
        summary: "Revokes a token, at once and everywhere",
        query: &[],
        body: BodySpec::Nothing,
        statuses: &[200, 404],
        handler: || delete(revoke_token),
    },
    RouteSpec {
        method: "post",
        path: "/api/v1/device",
        need: RouteNeed::Open,
        summary: "Begins the login of a program without a browser",
        query: &[],
        body: BodySpec::Json(&["scopes?:strings", "names?:strings"]),
        statuses: &[200, 400, 413, 415, 422],
        handler: || post(begin_device),
    },
    RouteSpec {
        method: "post",
        path: "/api/v1/device/token",
        need: RouteNeed::Open,
        summary: "The token of a device, once somebody approved it",
        query: &[],
        body: BodySpec::Json(&["device_code:string"]),
        statuses: &[200, 400, 404, 413, 415, 428],
        handler: || post(collect_device),
    },
    RouteSpec {
        method: "get",
        path: "/device",
        need: RouteNeed::Open,
        summary: "How a device is approved",
        query: &[],
        body: BodySpec::Nothing,
        statuses: &[200],
        handler: || get(explain_device),
    },
    RouteSpec {
        method: "post",
        path: "/api/v1/device/approve",
        need: RouteNeed::Account,
        summary: "Approves a device by the code that it shows",
        query: &[],
        body: BodySpec::Json(&["user_code:string"]),
        statuses: &[200, 400, 404, 413, 415],
        handler: || post(approve_device),
    },
    RouteSpec {
        method: "post",
        path: "/api/v1/oidc/token",
        need: RouteNeed::Open,
        summary: "A token for a trusted build: one name, a quarter of an hour",
        query: &[],
        body: BodySpec::Json(&["jwt:string"]),
        statuses: &[201, 400, 401, 413, 415],
        handler: || post(exchange_build_token),
    },
];

async fn tell_caller(State(app): State<App>, caller: MaybeCaller) -> Answer {
    let caller = caller.known()?;
    let owners = app.db.owners_of(caller.user).await?;
    let owners: Vec<_> =
        owners.into_iter().map(|(name, role)| json!({"name": format!("@{name}"), "role": role})).collect();
    let token = caller.token.as_ref().map(|token| {
        json!({"scopes": token.scopes, "names": token.names,
            "expires_at": crate::clock::format_millis(token.expires_at)})
    });
    let body = json!({"login": caller.login, "admin": caller.is_admin, "owners": owners, "token": token});
    json_answer(StatusCode::OK, &body)
}

async fn set_up(State(app): State<App>, JsonBody(new): JsonBody<NewAccount>) -> Answer {
    json_answer(StatusCode::CREATED, &app.set_up_admin(new).await?)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LoginBody {
    login: String,
    password: String,
}

async fn begin_session(State(app): State<App>, JsonBody(body): JsonBody<LoginBody>) -> Answer {
    let caller = app.identify_password(&body.login, AccessSecret::of(&body.password)).await?;
    let cookie = app.begin_session(&caller).await?;
    let mut response = json_answer(StatusCode::CREATED, &json!({"login": caller.login}))?;
    if let Ok(value) = HeaderValue::from_str(&cookie) {
        response.headers_mut().insert(header::SET_COOKIE, value);
    }
    Ok(response)
}

async fn end_session(State(app): State<App>, headers: HeaderMap) -> Answer {
    if let Some(cookie) = read_cookie(&headers, COOKIE) {
        app.db.end_session(AccessSecret::of(&cookie).hash()).await?;
    }
    let mut response = json_answer(StatusCode::OK, &json!({"ended": true}))?;
    let gone = format!("{COOKIE}=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax");
    if let Ok(value) = HeaderValue::from_str(&gone) {
        response.headers_mut().insert(header::SET_COOKIE, value);
    }
    Ok(response)
}

async fn list_tokens(State(app): State<App>, caller: MaybeCaller) -> Answer {
    let tokens = app.db.list_tokens(caller.known()?.user).await?;
    json_answer(StatusCode::OK, &json!({"tokens": tokens}))
}

async fn make_token(
    State(app): State<App>,
    caller: MaybeCaller,
    JsonBody(wanted): JsonBody<TokenRequest>,
) -> Answer {
    json_answer(StatusCode::CREATED, &app.make_token(&caller.known()?, &wanted).await?)
}

async fn revoke_token(State(app): State<App>, caller: MaybeCaller, Path(id): Path<String>) -> Answer {
    let id: i64 = id.parse().map_err(|_| Problem::not_found())?;
    match app.db.revoke_token(caller.known()?.user, id).await? {
        true => json_answer(StatusCode::OK, &json!({"revoked": id})),
        false => Err(Problem::not_found()),
    }
}

async fn begin_device(State(app): State<App>, JsonBody(wanted): JsonBody<DeviceRequest>) -> Answer {
    json_answer(StatusCode::OK, &app.begin_device(wanted).await?)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DeviceCodeBody {
    device_code: String,
}

async fn collect_device(State(app): State<App>, JsonBody(body): JsonBody<DeviceCodeBody>) -> Answer {
    json_answer(StatusCode::OK, &app.collect_device(&AccessSecret::of(&body.device_code)).await?)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct UserCodeBody {
    user_code: String,
}

/// What stands at the address that a device shows. There is no page with a button yet: whoever has
/// a token approves by the API.
async fn explain_device(State(app): State<App>) -> Answer {
    let approve = format!("{}/api/v1/device/approve", app.settings.public_url());
    json_answer(
        StatusCode::OK,
        &json!({
            "what": "a program asks for a token; approve it only if you started it",
            "how": "send the code that it shows, with a token of yours in the authorization header (Bearer)",
            "post": approve,
            "body": {"user_code": "CODE"},
        }),
    )
}

async fn approve_device(
    State(app): State<App>,
    caller: MaybeCaller,
    JsonBody(body): JsonBody<UserCodeBody>,
) -> Answer {
    json_answer(StatusCode::OK, &app.approve_device(&caller.known()?, &body.user_code).await?)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct BuildTokenBody {
    jwt: String,
}

async fn exchange_build_token(State(app): State<App>, JsonBody(body): JsonBody<BuildTokenBody>) -> Answer {
    json_answer(StatusCode::CREATED, &app.exchange_jwt(AccessSecret::of(&body.jwt)).await?)
}
