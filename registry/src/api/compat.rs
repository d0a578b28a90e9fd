//! The shapes that other programs ask for: the search of `npx skills`, the packages of apm.

use axum::extract::{Path, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::IntoResponse as _;
use axum::routing::get;
use ba_agent_core::remote_registry::archive_path;
use serde::Deserialize;
use serde_json::{Value, json};

use super::publish::version_of;
use super::{QueryOf, kept_answer, name_of};
use crate::auth::RouteNeed;
use crate::browse::ListQuery;
use crate::problem::{Answer, Problem};
use crate::registry::App;
use crate::route_spec::{BodySpec, RouteSpec, number, text};

pub(crate) const ROUTES: &[RouteSpec] = &[
    RouteSpec {
        method: "get",
        path: "/api/search",
        need: RouteNeed::Read,
        summary: "Skills by words, as `npx skills find` asks with SKILLS_API_URL",
        query: &[text("q"), number("limit"), text("owner")],
        body: BodySpec::Nothing,
        statuses: &[200, 400],
        handler: || get(search_as_skills),
    },
    RouteSpec {
        method: "get",
        path: "/v1/packages/{owner}/{name}/versions",
        need: RouteNeed::Read,
        summary: "The versions of a skill, as apm asks",
        query: &[],
        body: BodySpec::Nothing,
        statuses: &[200, 404, 410],
        handler: || get(list_as_apm),
    },
    RouteSpec {
        method: "get",
        path: "/v1/packages/{owner}/{name}/versions/{version}/download",
        need: RouteNeed::Read,
        summary: "The archive of a version, as apm asks",
        query: &[],
        body: BodySpec::Nothing,
        statuses: &[200, 302, 400, 404, 410],
        handler: || get(download_as_apm),
    },
];

#[derive(Deserialize)]
struct SkillsQuery {
    #[serde(default)]
    q: String,
    limit: Option<usize>,
    owner: Option<String>,
}

async fn search_as_skills(State(app): State<App>, QueryOf(query): QueryOf<SkillsQuery>) -> Answer {
    let limit = query.limit.map(|limit| limit.clamp(1, 100));
    let list = ListQuery { q: query.q, owner: query.owner, limit, ..ListQuery::default() };
    let found = app.list_skills(&list)?;
    let url = app.settings.public_url();
    let shown = |skill: &Value| {
        let name = skill["name"].as_str().unwrap_or_default();
        json!({"id": name.trim_start_matches('@'), "name": name.rsplit('/').next(),
            "source": format!("{url}/{name}"), "installs": skill["downloads"]})
    };
    let skills: Vec<Value> =
        found["skills"].as_array().map(|all| all.iter().map(shown).collect()).unwrap_or_default();
    kept_answer(10, &json!({"skills": skills}))
}

async fn list_as_apm(State(app): State<App>, Path((owner, name)): Path<(String, String)>) -> Answer {
    let name = name_of(&owner, &name)?;
    app.known_skill(&name)?;
    let lines = app.read_index(&name).await?;
    let offered = lines.iter().filter(|line| line.is_offered());
    let versions: Vec<Value> = offered
        .map(|line| {
            json!({"version": line.version, "digest": line.digest, "size": line.size,
                "published_at": line.published_at})
        })
        .collect();
    kept_answer(10, &json!({"package": name.to_string().trim_start_matches('@'), "versions": versions}))
}

async fn download_as_apm(
    State(app): State<App>,
    Path((owner, name, version)): Path<(String, String, String)>,
    headers: axum::http::HeaderMap,
) -> Answer {
    let (name, version) = (name_of(&owner, &name)?, version_of(&version)?);
    let line = app.find_line(&name, &version).await?;
    if let Some(removal) = &line.removed {
        return Err(Problem::gone(format!("this version was taken down: {}", removal.reason)));
    }
    let path = archive_path(&line.digest);
    let mut response = app.serve_file(&axum::http::Method::GET, &path, &headers).await?.into_response();
    if response.status() == StatusCode::OK
        && let Ok(digest) = HeaderValue::from_str(&line.digest.to_string())
    {
        response.headers_mut().insert("x-content-digest", digest);
    }
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=60"));
    Ok(response)
}
