//! Publishing and what comes after it: yank, unyank, owners, trusted builds, the end of a skill.

use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::routing::{delete, get, post, put};
use base64::Engine as _;
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt as _;
use semver::Version;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{JsonBody, QueryOf, json_answer, name_of};
use crate::auth::{ApiCaller, MaybeCaller, RouteNeed};
use crate::db::people::PublisherRow;
use crate::problem::{Answer, Problem};
use crate::publish::{PublicationOutcome, PublishRequest};
use crate::registry::{App, RegistryServer};
use crate::route_spec::{BodySpec, RouteSpec, text};

/// What a publication may be answered with.
const PUBLISHED: &[u16] = &[200, 201, 202, 400, 409, 410, 413, 415, 422, 507];

pub(crate) const ROUTES: &[RouteSpec] = &[
    RouteSpec {
        method: "put",
        path: "/api/v1/skills/@{owner}/{name}/versions/{version}",
        need: RouteNeed::Publish,
        summary: "Publishes a version",
        query: &[],
        body: BodySpec::Gzip,
        statuses: PUBLISHED,
        handler: || put(publish_version),
    },
    RouteSpec {
        method: "post",
        path: "/api/v1/skills",
        need: RouteNeed::Publish,
        summary: "Publishes a version; its name and version are what the archive says",
        query: &[text("owner")],
        body: BodySpec::Gzip,
        statuses: PUBLISHED,
        handler: || post(register_skill),
    },
    RouteSpec {
        method: "delete",
        path: "/api/v1/skills/@{owner}/{name}/versions/{version}",
        need: RouteNeed::Yank,
        summary: "Yanks a version: no new installation takes it, who has it keeps it",
        query: &[text("reason")],
        body: BodySpec::Nothing,
        statuses: &[200, 400, 404, 409],
        handler: || delete(yank_version),
    },
    RouteSpec {
        method: "put",
        path: "/api/v1/skills/@{owner}/{name}/versions/{version}/unyank",
        need: RouteNeed::Yank,
        summary: "Lets a yanked version be taken again",
        query: &[],
        body: BodySpec::Nothing,
        statuses: &[200, 400, 404, 409],
        handler: || put(unyank_version),
    },
    RouteSpec {
        method: "delete",
        path: "/api/v1/skills/@{owner}/{name}",
        need: RouteNeed::Owner,
        summary: "Removes a skill that is younger than three days and that nothing needs",
        query: &[],
        body: BodySpec::Nothing,
        statuses: &[200, 404, 409],
        handler: || delete(remove_skill),
    },
    RouteSpec {
        method: "get",
        path: "/api/v1/owners/@{owner}",
        need: RouteNeed::Owner,
        summary: "Who may publish for an owner",
        query: &[],
        body: BodySpec::Nothing,
        statuses: &[200, 404],
        handler: || get(list_members),
    },
    RouteSpec {
        method: "put",
        path: "/api/v1/owners/@{owner}",
        need: RouteNeed::Owner,
        summary: "Makes somebody an owner or publisher",
        query: &[],
        body: BodySpec::Json(&["login:string", "role?:string"]),
        statuses: &[200, 400, 404, 409, 413, 415, 422],
        handler: || put(put_member),
    },
    RouteSpec {
        method: "delete",
        path: "/api/v1/owners/@{owner}",
        need: RouteNeed::Owner,
        summary: "Takes somebody away from an owner",
        query: &[text("login")],
        body: BodySpec::Nothing,
        statuses: &[200, 400, 404, 409],
        handler: || delete(remove_member),
    },
    RouteSpec {
        method: "get",
        path: "/api/v1/skills/@{owner}/{name}/owners",
        need: RouteNeed::Owner,
        summary: "Who may publish a skill",
        query: &[],
        body: BodySpec::Nothing,
        statuses: &[200, 404],
        handler: || get(list_members),
    },
    RouteSpec {
        method: "put",
        path: "/api/v1/skills/@{owner}/{name}/owners",
        need: RouteNeed::Owner,
        summary: "Makes somebody an owner or publisher",
        query: &[],
        body: BodySpec::Json(&["login:string", "role?:string"]),
        statuses: &[200, 400, 404, 409, 413, 415, 422],
        handler: || put(put_member),
    },
    RouteSpec {
        method: "delete",
        path: "/api/v1/skills/@{owner}/{name}/owners",
        need: RouteNeed::Owner,
        summary: "Takes somebody away from an owner",
        query: &[text("login")],
        body: BodySpec::Nothing,
        statuses: &[200, 400, 404, 409],
        handler: || delete(remove_member),
    },
    RouteSpec {
        method: "get",
        path: "/api/v1/skills/@{owner}/{name}/publishers",
        need: RouteNeed::Owner,
        summary: "The builds that may publish a skill",
        query: &[],
        body: BodySpec::Nothing,
        statuses: &[200, 404],
        handler: || get(list_publishers),
    },
    RouteSpec {
        method: "put",
        path: "/api/v1/skills/@{owner}/{name}/publishers",
        need: RouteNeed::Owner,
        summary: "Says which builds may publish a skill",
        query: &[],
        body: BodySpec::Json(&["publishers:objects"]),
        statuses: &[200, 400, 404, 413, 415, 422],
        handler: || put(set_publishers),
    },
];

/// A version out of a path.
pub(super) fn version_of(text: &str) -> Answer<Version> {
    Version::parse(text).map_err(|e| Problem::bad_request(format!("`{text}` is not a valid version: {e}")))
}

async fn publish_version(
    State(app): State<App>,
    Path((owner, name, version)): Path<(String, String, String)>,
    caller: MaybeCaller,
    request: Request,
) -> Answer {
    let name = format!("@{owner}/{name}").parse().map_err(Problem::from)?;
    let version = version_of(&version)?;
    let (headers, bytes) = read_archive(&app, request).await?;
    check_digest(&headers, &bytes)?;
    answer_outcome(
        app.publish_version(PublishRequest { name, version, bytes, caller: caller.known()? }).await?,
    )
}

#[derive(Deserialize)]
struct RegisterQuery {
    owner: Option<String>,
}

async fn register_skill(
    State(app): State<App>,
    QueryOf(query): QueryOf<RegisterQuery>,
    caller: MaybeCaller,
    request: Request,
) -> Answer {
    let caller = caller.known()?;
    let (headers, bytes) = read_archive(&app, request).await?;
    check_digest(&headers, &bytes)?;
    let owner = find_own_owner(&app, &caller, query.owner).await?;
    let (name, version) = app.read_label(&owner, bytes.clone()).await?;
    let named = crate::auth::Named { owner: Some(&owner), name: Some(name.name().as_str()) };
    app.permit(Some(&caller), RouteNeed::Publish, named).await?;
    answer_outcome(app.publish_version(PublishRequest { name, version, bytes, caller }).await?)
}

/// The owner that is named, else the only one that the caller is a member of.
async fn find_own_owner(app: &RegistryServer, caller: &ApiCaller, named: Option<String>) -> Answer<String> {
    if let Some(owner) = named {
        return Ok(owner.trim_start_matches('@').to_owned());
    }
    match app.db.owners_of(caller.user).await?.as_slice() {
        [(owner, _)] => Ok(owner.clone()),
        _ => Err(Problem::bad_request(
            "say for whom with `?owner=`: you are not a member of exactly one owner",
        )),
    }
}

fn answer_outcome(outcome: PublicationOutcome) -> Answer {
    match outcome {
        PublicationOutcome::Created { line, findings, quota } => {
            let body = json!({"name": line.name, "version": line.version, "digest": line.digest,
                "status": "live", "findings": findings});
            let mut response = json_answer(StatusCode::CREATED, &body)?;
            quota.write_to(response.headers_mut());
            Ok(response)
        }
        PublicationOutcome::Same { line } => {
            let body =
                json!({"name": line.name, "version": line.version, "digest": line.digest, "status": "live"});
            json_answer(StatusCode::OK, &body)
        }
        PublicationOutcome::Waits { line, job, status } => {
            let body = json!({"name": line.name, "version": line.version, "digest": line.digest,
                "status": status, "job": job});
            json_answer(StatusCode::ACCEPTED, &body)
        }
    }
}

/// The archive of a request, never more of it than the limit.
async fn read_archive(app: &RegistryServer, request: Request) -> Answer<(HeaderMap, Bytes)> {
    let (parts, body) = request.into_parts();
    let header = |name| parts.headers.get(name).and_then(|value: &header::HeaderValue| value.to_str().ok());
    let kind =
        header(header::CONTENT_TYPE).and_then(|kind| kind.split(';').next()).unwrap_or_default().trim();
    if !kind.eq_ignore_ascii_case("application/gzip") {
        let why = "expected a body of the type `application/gzip`";
        let _ = axum::body::to_bytes(body, crate::auth::DRAINED).await;
        return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, why));
    }
    let limit = app.settings.limits.archive;
    let said = header(header::CONTENT_LENGTH).and_then(|length| length.parse::<u64>().ok());
    if said.is_some_and(|length| length > limit) {
        let _ = axum::body::to_bytes(body, crate::auth::DRAINED).await;
        return Err(refuse_size(limit));
    }
    let expected = usize::try_from(said.unwrap_or_default().min(1 << 20)).unwrap_or_default();
    let bytes = collect_body(body, limit, expected).await?;
    Ok((parts.headers, bytes))
}

fn refuse_size(limit: u64) -> Problem {
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, format!("the archive has more than {limit} bytes, the limit"))
}

async fn collect_body(body: Body, limit: u64, expected: usize) -> Answer<Bytes> {
    let mut stream = body.into_data_stream();
    let mut bytes = BytesMut::with_capacity(expected);
    let pause = std::time::Duration::from_secs(30);
    loop {
        let next = tokio::time::timeout(pause, stream.next()).await;
        match next {
            Ok(None) => return Ok(bytes.freeze()),
            Ok(Some(Ok(chunk))) if (bytes.len() + chunk.len()) as u64 <= limit => {
                bytes.extend_from_slice(&chunk)
            }
            Ok(Some(Ok(_))) => return Err(refuse_size(limit)),
            Ok(Some(Err(_))) | Err(_) => return Err(Problem::bad_request("the archive was cut off")),
        }
    }
}

/// Holds the bytes against the digest that was sent with them, in one of the forms in use.
fn check_digest(headers: &HeaderMap, bytes: &Bytes) -> Answer<()> {
    let sent = ["digest", "content-digest", "repr-digest"].iter().find_map(|name| headers.get(*name));
    let Some(sent) = sent else { return Ok(()) };
    let sent = sent.to_str().unwrap_or_default().trim();
    let own = ba_agent_core::digest::Digest::of(bytes);
    if sent.to_ascii_lowercase() == own.to_string() {
        return Ok(());
    }
    let parts = sent.split(',').filter_map(|part| part.trim().split_once('='));
    let value = parts.filter(|(name, _)| name.eq_ignore_ascii_case("sha-256")).map(|(_, value)| value).next();
    let decode = |text: &str| base64::engine::general_purpose::STANDARD.decode(text.trim_matches(':')).ok();
    let said = value.and_then(decode).map(|bytes| ba_agent_core::digest::encode_hex(&bytes));
    match said {
        Some(said) if said == own.as_hex() => Ok(()),
        Some(_) => Err(Problem::bad_request("the bytes are not those of the digest that was sent")),
        None => Err(Problem::bad_request("expected the digest as `sha-256=BASE64` or `sha256:HEX`")),
    }
}

#[derive(Deserialize)]
struct YankQuery {
    reason: Option<String>,
}

async fn yank_version(
    State(app): State<App>,
    Path((owner, name, version)): Path<(String, String, String)>,
    QueryOf(query): QueryOf<YankQuery>,
    caller: MaybeCaller,
) -> Answer {
    let (name, version) = (name_of(&owner, &name)?, version_of(&version)?);
    let line = app.set_yanked(caller.known()?.actor(), &name, &version, true, query.reason).await?;
    json_answer(StatusCode::OK, &line)
}

async fn unyank_version(
    State(app): State<App>,
    Path((owner, name, version)): Path<(String, String, String)>,
    caller: MaybeCaller,
) -> Answer {
    let (name, version) = (name_of(&owner, &name)?, version_of(&version)?);
    json_answer(StatusCode::OK, &app.set_yanked(caller.known()?.actor(), &name, &version, false, None).await?)
}

async fn remove_skill(
    State(app): State<App>,
    Path((owner, name)): Path<(String, String)>,
    caller: MaybeCaller,
) -> Answer {
    let name = name_of(&owner, &name)?;
    app.remove_skill(caller.known()?.actor(), &name).await?;
    json_answer(StatusCode::OK, &json!({"removed": name}))
}

/// The owner of a path, with or without a name behind it.
#[derive(Deserialize)]
struct OwnerPath {
    owner: String,
}

async fn list_members(State(app): State<App>, Path(path): Path<OwnerPath>) -> Answer {
    let members = app.db.list_members(&path.owner).await?;
    json_answer(StatusCode::OK, &json!({"owners": members}))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MemberBody {
    login: String,
    role: Option<String>,
}

async fn put_member(
    State(app): State<App>,
    Path(path): Path<OwnerPath>,
    caller: MaybeCaller,
    JsonBody(body): JsonBody<MemberBody>,
) -> Answer {
    let role = body.role.as_deref().unwrap_or("publisher");
    app.put_member(caller.known()?.actor(), &path.owner, &body.login, role).await?;
    list_members(State(app), Path(path)).await
}

#[derive(Deserialize)]
struct MemberQuery {
    login: Option<String>,
}

async fn remove_member(
    State(app): State<App>,
    Path(path): Path<OwnerPath>,
    QueryOf(query): QueryOf<MemberQuery>,
    caller: MaybeCaller,
) -> Answer {
    let login = query.login.ok_or_else(|| Problem::bad_request("say whom with `?login=`"))?;
    app.remove_member(caller.known()?.actor(), &path.owner, &login).await?;
    list_members(State(app), Path(path)).await
}

async fn list_publishers(State(app): State<App>, Path((owner, name)): Path<(String, String)>) -> Answer {
    let skill = app.db.find_skill(&owner, &name).await?.ok_or_else(Problem::not_found)?;
    json_answer(StatusCode::OK, &json!({"publishers": app.db.list_publishers(skill.id).await?}))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PublishersBody {
    publishers: Vec<PublisherBody>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PublisherBody {
    issuer: String,
    claims: serde_json::Map<String, Value>,
}

async fn set_publishers(
    State(app): State<App>,
    Path((owner, name)): Path<(String, String)>,
    caller: MaybeCaller,
    JsonBody(body): JsonBody<PublishersBody>,
) -> Answer {
    let name = name_of(&owner, &name)?;
    let row = |one: PublisherBody| PublisherRow { issuer: one.issuer, claims: Value::Object(one.claims) };
    let rows: Vec<PublisherRow> = body.publishers.into_iter().map(row).collect();
    app.set_publishers(caller.known()?.actor(), &name, &rows).await?;
    json_answer(StatusCode::OK, &json!({"publishers": rows}))
}
