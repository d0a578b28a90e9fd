//! The operations in OpenAPI 3.1, out of the table of routes.

use serde_json::{Map, Value, json};

use crate::auth::RouteNeed;
use crate::problem::PROBLEM_JSON;
use crate::route_spec::{BodySpec, QueryKind, QuerySpec, RouteSpec};
use crate::routes::all_routes;

/// The description of all operations.
pub(crate) fn describe_operations(url: &str) -> Value {
    let mut paths = Map::new();
    for spec in all_routes() {
        // The `@` is the first sign of the parameter here: the next one may stand behind it.
        let item = paths.entry(spec.path.replace("@{", "{")).or_insert_with(|| json!({}));
        item[spec.method] = describe_operation(spec);
    }
    json!({
        "openapi": "3.1.0",
        "info": {"title": "Registry of agent skills", "version": env!("CARGO_PKG_VERSION"),
            "license": {"name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0"}},
        "servers": [{"url": url}],
        "paths": paths,
        "components": {
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer", "bearerFormat": "bar_…"},
                "password": {"type": "http", "scheme": "basic"},
                "session": {"type": "apiKey", "in": "cookie", "name": crate::auth::credentials::COOKIE},
            },
            "schemas": {"Problem": {
                "type": "object",
                "required": ["title", "status", "detail"],
                "properties": {
                    "type": {"type": "string"},
                    "title": {"type": "string"},
                    "status": {"type": "integer"},
                    "detail": {"type": "string"},
                    "hint": {"type": "string"},
                    "errors": {"type": "array", "items": {
                        "type": "object",
                        "required": ["message"],
                        "properties": {"at": {"type": "string"}, "message": {"type": "string"}},
                    }},
                },
            }},
        },
    })
}

fn describe_operation(spec: &RouteSpec) -> Value {
    let mut operation = json!({
        "operationId": operation_id(spec),
        "summary": spec.summary,
        "responses": describe_responses(spec),
        "x-need": format!("{:?}", spec.need).to_lowercase(),
    });
    let parameters: Vec<Value> =
        path_parameters(spec.path).chain(spec.query.iter().map(query_parameter)).collect();
    if !parameters.is_empty() {
        operation["parameters"] = parameters.into();
    }
    match spec.body {
        BodySpec::Nothing => {}
        BodySpec::Json(keys) => {
            operation["requestBody"] =
                json!({"required": true, "content": {"application/json": {"schema": body_schema(keys)}}});
        }
        BodySpec::Gzip => {
            let schema = json!({"type": "string", "contentMediaType": "application/gzip"});
            operation["requestBody"] =
                json!({"required": true, "content": {"application/gzip": {"schema": schema}}});
        }
    }
    if let Some(scope) = spec.need.scope() {
        let mut ways = vec![json!({"token": [scope.as_str()]}), json!({"session": []})];
        if spec.need == RouteNeed::Account {
            ways.push(json!({"password": []}));
        }
        if spec.need == RouteNeed::Read {
            ways.push(json!({}));
        }
        operation["security"] = ways.into();
    }
    operation
}

fn operation_id(spec: &RouteSpec) -> String {
    let words = spec.path.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    let words: Vec<&str> = words.filter(|word| !matches!(*word, "api" | "v1")).collect();
    format!("{}_{}", spec.method, words.join("_"))
}

fn path_parameters(path: &str) -> impl Iterator<Item = Value> + '_ {
    let has_sign = path.contains("@{owner}");
    path.split('{').skip(1).filter_map(|part| part.split('}').next()).map(move |name| {
        let pattern = match name {
            "owner" if !has_sign => "^[a-z0-9][a-z0-9-]{0,37}[a-z0-9]$",
            "owner" => "^@[a-z0-9][a-z0-9-]{0,37}[a-z0-9]$",
            "name" => "^[a-z0-9][a-z0-9-]{0,63}$",
            "id" | "job" => "^[0-9]{1,18}$",
            _ => "^[^/]+$",
        };
        json!({"name": name, "in": "path", "required": true, "schema": {"type": "string", "pattern": pattern}})
    })
}

fn query_parameter(query: &QuerySpec) -> Value {
    let schema = match query.kind {
        QueryKind::Text => json!({"type": "string"}),
        QueryKind::Number => json!({"type": "integer"}),
        QueryKind::OneOf(words) => json!({"type": "string", "enum": words}),
    };
    json!({"name": query.name, "in": "query", "required": query.is_required, "schema": schema})
}

fn body_schema(keys: &[&str]) -> Value {
    let mut properties = Map::new();
    let mut required = Vec::new();
    for key in keys {
        let (name, kind) = key.split_once(':').unwrap_or((key, "string"));
        let schema = match kind {
            "strings" => json!({"type": "array", "items": {"type": "string"}}),
            "objects" => json!({"type": "array", "items": {"type": "object"}}),
            kind => json!({"type": kind}),
        };
        properties.insert(name.trim_end_matches('?').to_owned(), schema);
        if !name.ends_with('?') {
            required.push(name);
        }
    }
    json!({"type": "object", "properties": properties, "required": required, "additionalProperties": false})
}

fn describe_responses(spec: &RouteSpec) -> Value {
    let mut statuses: Vec<u16> = spec.statuses.to_vec();
    statuses.extend([429, 503]);
    if spec.need != RouteNeed::Open {
        statuses.extend([401, 403]);
    }
    statuses.sort_unstable();
    statuses.dedup();
    let mut responses = Map::new();
    for status in statuses {
        let words =
            axum::http::StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason());
        let mut response = json!({"description": words.unwrap_or("Answer")});
        if status >= 400 {
            let schema = json!({"$ref": "#/components/schemas/Problem"});
            response["content"] = json!({PROBLEM_JSON: {"schema": schema}});
        }
        responses.insert(status.to_string(), response);
    }
    responses.into()
}
