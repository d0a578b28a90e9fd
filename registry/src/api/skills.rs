//! Reading what is published: lists, search, one skill, its versions and their files.

use axum::extract::{Path, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use ba_agent_core::remote_registry::{ScopedName, version_index_path};
use serde::Deserialize;
use serde_json::{Value, json};

use super::publish::version_of;
use super::{JsonBody, QueryOf, json_answer, kept_answer, name_of};
use crate::auth::RouteNeed;
use crate::browse::{ListQuery, RecommendQuery, SORTS};
use crate::problem::{Answer, Problem};
use crate::registry::App;
use crate::route_spec::{BodySpec, QueryKind, QuerySpec, RouteSpec, number, text};

const LIST: &[QuerySpec] = &[
    text("q"),
    text("category"),
    text("tag"),
    text("owner"),
    QuerySpec { name: "sort", kind: QueryKind::OneOf(SORTS), is_required: false },
    number("limit"),
    text("cursor"),
];

const fn read_route(
    path: &'static str,
    summary: &'static str,
    query: &'static [QuerySpec],
    statuses: &'static [u16],
    handler: fn() -> axum::routing::MethodRouter<App>,
) -> RouteSpec {
    let (method, need, body) = ("get", RouteNeed::Read, BodySpec::Nothing);
    RouteSpec { method, path, need, summary, query, body, statuses, handler }
}

pub(crate) const ROUTES: &[RouteSpec] = &[
    read_route("/api/v1/skills", "Skills by words, category, tag and owner", LIST, &[200, 400], || {
        get(list_skills)
    }),
    RouteSpec {
        method: "post",
        path: "/api/v1/skills/search",
        need: RouteNeed::Read,
        summary: "Skills by words, tags and category",
        query: &[],
        body: BodySpec::Json(&["query?:string", "tags?:strings", "category?:string", "limit?:integer"]),
        statuses: &[200, 400, 413, 415],
        handler: || post(search_skills),
    },
    read_route("/api/v1/skills/featured", "What the registry shows first", &[], &[200], || {
        get(list_featured)
    }),
    read_route(
        "/api/v1/skills/recommendations",
        "What fits a text and what is installed, and why",
        &[text("text"), text("installed"), number("limit")],
        &[200, 400],
        || get(recommend_skills),
    ),
    read_route("/api/v1/skills/@{owner}/{name}", "One skill", &[], &[200, 404, 410], || get(show_skill)),
    read_route("/api/v1/skills/@{owner}/{name}/versions", "Its versions", &[], &[200, 404, 410], || {
        get(list_versions)
    }),
    read_route(
        "/api/v1/skills/@{owner}/{name}/versions/{version}",
        "One version",
        &[],
        &[200, 400, 404, 410],
        || get(show_version),
    ),
    read_route(
        "/api/v1/skills/@{owner}/{name}/versions/{version}/files",
        "The files of a version",
        &[],
        &[200, 400, 404, 410],
        || get(list_files),
    ),
    read_route(
        "/api/v1/skills/@{owner}/{name}/versions/{version}/file",
        "One file of a version",
        &[QuerySpec { name: "path", kind: QueryKind::Text, is_required: true }],
        &[200, 400, 404, 410],
        || get(show_file),
    ),
    read_route(
        "/api/v1/skills/@{owner}/{name}/versions/{version}/diff",
        "What changed since another version",
        &[QuerySpec { name: "from", kind: QueryKind::Text, is_required: true }],
        &[200, 400, 404, 410],
        || get(show_diff),
    ),
    read_route("/api/v1/stats/@{owner}/{name}", "Downloads by day", &[], &[200, 404, 410], || {
        get(show_downloads)
    }),
];

async fn list_skills(State(app): State<App>, QueryOf(query): QueryOf<ListQuery>) -> Answer {
    kept_answer(10, &app.list_skills(&query)?)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SearchBody {
    #[serde(default)]
    query: String,
    #[serde(default)]
    tags: Vec<String>,
    category: Option<String>,
    limit: Option<usize>,
}

async fn search_skills(State(app): State<App>, JsonBody(body): JsonBody<SearchBody>) -> Answer {
    let query = ListQuery {
        q: body.query,
        category: body.category,
        tags: body.tags,
        limit: body.limit,
        ..ListQuery::default()
    };
    json_answer(StatusCode::OK, &app.list_skills(&query)?)
}

async fn list_featured(State(app): State<App>) -> Answer {
    kept_answer(60, &app.featured_skills())
}

async fn recommend_skills(State(app): State<App>, QueryOf(query): QueryOf<RecommendQuery>) -> Answer {
    json_answer(StatusCode::OK, &app.recommend_skills(&query)?)
}

async fn show_skill(State(app): State<App>, Path((owner, name)): Path<(String, String)>) -> Answer {
    let name = name_of(&owner, &name)?;
    let skill = app.known_skill(&name)?;
    let lines = app.read_index(&name).await?;
    let mut body = app.summarize(&skill);
    body["versions"] = lines.iter().map(|line| json!(line.version)).collect();
    body["latest"] = json!(skill.latest);
    body["index"] = format!("{}/{}", app.settings.public_url(), version_index_path(&name)).into();
    kept_answer(10, &body)
}

async fn list_versions(State(app): State<App>, Path((owner, name)): Path<(String, String)>) -> Answer {
    let name = name_of(&owner, &name)?;
    app.known_skill(&name)?;
    kept_answer(10, &json!({"versions": app.read_index(&name).await?}))
}

/// A skill and one of its versions, out of a path.
type VersionPath = (String, String, String);

fn split_path((owner, name, version): &VersionPath) -> Answer<(ScopedName, semver::Version)> {
    Ok((name_of(owner, name)?, version_of(version)?))
}

async fn show_version(State(app): State<App>, Path(path): Path<VersionPath>) -> Answer {
    let (name, version) = split_path(&path)?;
    kept_answer(10, &app.find_line(&name, &version).await?)
}

async fn list_files(State(app): State<App>, Path(path): Path<VersionPath>) -> Answer {
    let (name, version) = split_path(&path)?;
    let package = app.open_version(&name, &version).await?;
    let entry = |entry: &ba_agent_core::listing::FileEntry| json!({"path": entry.path.to_string(), "mode": entry.node.git_mode(), "size": entry.size});
    let files: Vec<Value> = package.listing.entries().iter().map(entry).collect();
    kept_answer(60, &json!({"files": files}))
}

#[derive(Deserialize)]
struct FileQuery {
    path: Option<String>,
}

async fn show_file(
    State(app): State<App>,
    Path(path): Path<VersionPath>,
    QueryOf(query): QueryOf<FileQuery>,
) -> Answer {
    let (name, version) = split_path(&path)?;
    let wanted =
        query.path.ok_or_else(|| Problem::bad_request("`?path=` is missing: the file that is meant"))?;
    let package = app.open_version(&name, &version).await?;
    let entry = package.listing.entry_at(&wanted).ok_or_else(Problem::not_found)?;
    let bytes = package.read(entry).map_err(Problem::from)?.into_owned();
    // Whatever it is, a browser shows it as text and runs nothing.
    let is_text = std::str::from_utf8(&bytes).is_ok();
    let kind = if is_text { "text/plain; charset=utf-8" } else { "application/octet-stream" };
    let mut response: Response = bytes.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=60"));
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'none'; sandbox"));
    Ok(response)
}

#[derive(Deserialize)]
struct DiffQuery {
    from: Option<String>,
}

async fn show_diff(
    State(app): State<App>,
    Path(path): Path<VersionPath>,
    QueryOf(query): QueryOf<DiffQuery>,
) -> Answer {
    let (name, version) = split_path(&path)?;
    let from = query.from.ok_or_else(|| Problem::bad_request("say since which with `?from=`"))?;
    kept_answer(60, &app.diff_versions(&name, &version_of(&from)?, &version).await?)
}

async fn show_downloads(State(app): State<App>, Path((owner, name)): Path<(String, String)>) -> Answer {
    let name = name_of(&owner, &name)?;
    let skill = app.known_skill(&name)?;
    let days = app.db.list_downloads(skill.id).await?;
    let total: i64 = days.iter().map(|day| day.downloads).sum();
    json_answer(StatusCode::OK, &json!({"name": name, "total": total, "days": days}))
}
