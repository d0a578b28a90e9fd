//! The tools, as a model sees them. Their schemas have no unions and no references, which not
//! every model's API takes.

use rmcp::model::{CallToolResult, ContentBlock, JsonObject, MetaObject, Tool, ToolAnnotations};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use base64::Engine as _;

use ba_agent_core::error::{Error, Kind};
use ba_agent_engine::ops::mcp::{ActivateCall, ReadCall, SkillRow, SkillService};

/// Characters of an answer that Claude Code gives its model whole; without it it cuts earlier.
const LARGEST_ANSWER: u64 = 500_000;

/// The tools; `names` are those of the skills, where they are few enough to be listed.
pub(super) fn describe_tools(names: &[String]) -> Vec<Tool> {
    vec![
        describe_activate(names),
        describe_use(names),
        describe_list(),
        describe_search(),
        describe_read(names),
    ]
}

/// The schema of a skill's name.
fn schema_of_name(names: &[String]) -> Value {
    match names {
        [] => json!({"type": "string", "minLength": 1, "description": "The skill's name"}),
        names => json!({"type": "string", "enum": names, "description": "The skill's name"}),
    }
}

fn schema_of_text(what: &str) -> Value {
    json!({"type": "string", "description": what})
}

/// What loading a skill answers; more is there, and the model does not need it.
fn schema_of_activation() -> Value {
    json!({
        "type": "object",
        "properties": {
            "skill_name": {"type": "string"},
            "success": {"type": "boolean"},
            "base_dir": {"type": "string"},
            "messages": {"type": "array", "items": {"type": "object"}},
            "context_modifier": {"type": "object"},
            "resources": {"type": "array", "items": {"type": "object"}}
        },
        "required": ["skill_name", "success"]
    })
}

fn schema_of_rows() -> Value {
    json!({
        "type": "object",
        "properties": {
            "skills": {
                "type": "array",
                "items": {
                    "type": "object",
                    "properties": {
                        "name": {"type": "string"},
                        "description": {"type": "string"},
                        "source": schema_of_text("user, project, plugin or builtin, or the catalogue that has it"),
                        "version": {"type": "string"},
                        "category": {"type": "string"},
                        "installed": {"type": "boolean"},
                        "install": schema_of_text("what the user types to install it")
                    },
                    "required": ["name", "description", "source", "installed"]
                }
            }
        },
        "required": ["skills"]
    })
}

fn describe_activate(names: &[String]) -> Tool {
    tool(
        "activate_skill",
        "Load a skill",
        "Loads the instructions of a skill. Call it before you begin a task that the skill is for, then \
         follow what it says. Use `search_skills` or `list_skills` to find the name.",
        json!({
            "type": "object",
            "properties": {
                "name": schema_of_name(names),
                "arguments": schema_of_text("Words for the skill, as a person would type them behind its name"),
                "version": schema_of_text("A kept version instead of the one in use, for instance `1.2.0` or `latest`"),
                "session": schema_of_text("Your conversation's id: a skill that it has already is not sent again")
            },
            "required": ["name"]
        }),
        schema_of_activation(),
    )
}

fn describe_use(names: &[String]) -> Tool {
    tool(
        "use_skill",
        "Use a skill",
        "Loads the instructions of a skill, with input by name. The same as `activate_skill` otherwise.",
        json!({
            "type": "object",
            "properties": {
                "skill_name": schema_of_name(names),
                "input_data": {
                    "type": "object",
                    "additionalProperties": true,
                    "description": "Values for the skill, by name"
                }
            },
            "required": ["skill_name"]
        }),
        schema_of_activation(),
    )
}

fn describe_list() -> Tool {
    let mut output = schema_of_rows();
    output["properties"]["total"] = json!({"type": "integer"});
    output["properties"]["next_cursor"] = json!({"type": "string"});
    tool(
        "list_skills",
        "List the skills",
        "Lists the skills that are installed here, by name, a hundred at a time.",
        json!({
            "type": "object",
            "properties": {
                "category": schema_of_text("Only those of this category"),
                "cursor": schema_of_text("The `next_cursor` of the page before")
            }
        }),
        output,
    )
}

fn describe_search() -> Tool {
    tool(
        "search_skills",
        "Search skills",
        "Finds skills for a task: those that are installed first, then others that the user could \
         install. Give words of the task.",
        json!({
            "type": "object",
            "properties": {
                "query": {"type": "string", "minLength": 1, "description": "Words of the task"},
                "limit": {
                    "type": "integer",
                    "minimum": 1,
                    "maximum": 50,
                    "description": "How many at most; 5 without it"
                }
            },
            "required": ["query"]
        }),
        schema_of_rows(),
    )
}

fn describe_read(names: &[String]) -> Tool {
    tool(
        "read_skill_file",
        "Read a file of a skill",
        "Reads a file that a skill's instructions name: references, scripts, templates.",
        json!({
            "type": "object",
            "properties": {
                "name": schema_of_name(names),
                "path": {
                    "type": "string",
                    "minLength": 1,
                    "description": "From the skill's folder, for instance `references/api.md`"
                },
                "version": schema_of_text("A kept version instead of the one in use"),
                "session": schema_of_text("Your conversation's id, where you loaded the skill with one")
            },
            "required": ["name", "path"]
        }),
        json!({
            "type": "object",
            "properties": {
                "name": {"type": "string"},
                "path": {"type": "string"},
                "size": {"type": "integer"},
                "digest": {"type": "string"},
                "state": {
                    "type": "string",
                    "enum": ["verified", "edited", "added", "unmanaged", "earlier"],
                    "description": "Whether it is as it was installed; `earlier`: as it was when you loaded the skill"
                },
                "notice": schema_of_text("What to know of it before it is used"),
                "text": {"type": "string"}
            },
            "required": ["name", "path", "size", "digest", "state"]
        }),
    )
}

fn tool(name: &'static str, title: &str, description: &'static str, input: Value, output: Value) -> Tool {
    let object = |value: Value| match value {
        Value::Object(map) => map,
        _ => JsonObject::new(),
    };
    let annotations = ToolAnnotations::with_title(title)
        .read_only(true)
        .destructive(false)
        .idempotent(true)
        .open_world(false);
    let mut meta = json!({"anthropic/maxResultSizeChars": LARGEST_ANSWER});
    // Claude Code puts off what a server has until somebody searches for it; these are what one
    // searches with.
    if matches!(name, "activate_skill" | "search_skills") {
        meta["anthropic/alwaysLoad"] = true.into();
    }
    Tool::new(name, description, object(input))
        .with_title(title)
        .with_raw_output_schema(object(output).into())
        .with_annotations(annotations)
        .with_meta(MetaObject(object(meta)))
}

/// What `activate_skill` takes.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ActivateArguments {
    name: String,
    arguments: Option<String>,
    version: Option<String>,
    session: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct UseArguments {
    skill_name: String,
    input_data: Option<JsonObject>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ListArguments {
    category: Option<String>,
    cursor: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SearchArguments {
    query: String,
    limit: Option<u64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ReadArguments {
    name: String,
    path: String,
    version: Option<String>,
    session: Option<String>,
}

/// Runs a tool; `None` where there is none of this name. What fails is an answer too: the model
/// is to read why.
pub(super) fn call_tool(service: &SkillService, tool: &str, arguments: JsonObject) -> Option<CallToolResult> {
    let result = match tool {
        "activate_skill" => {
            parse_arguments(arguments).and_then(|ActivateArguments { name, arguments, version, session }| {
                activate(service, &ActivateCall { name, arguments, version, session, input: None })
            })
        }
        "use_skill" => parse_arguments(arguments).and_then(|UseArguments { skill_name, input_data }| {
            let call = ActivateCall { name: skill_name, input: input_data, ..ActivateCall::default() };
            activate(service, &call)
        }),
        "list_skills" => parse_arguments(arguments).and_then(|ListArguments { category, cursor }| {
            let page =
                service.list_skills(category.as_deref(), cursor.as_deref()).map_err(|e| text_of_error(&e))?;
            let mut text = rows_as_text(&page.items);
            let mut answer = json!({"skills": page.items, "total": page.total});
            if let Some(next) = page.next {
                text.push_str(&format!("\n{} in all; the next page: cursor \"{next}\"\n", page.total));
                answer["next_cursor"] = next.into();
            }
            Ok(succeed(text, answer))
        }),
        "search_skills" => parse_arguments(arguments).and_then(|SearchArguments { query, limit }| {
            let limit = limit.map(|limit| usize::try_from(limit).unwrap_or(usize::MAX));
            let rows = service.search_skills(&query, limit).map_err(|e| text_of_error(&e))?;
            Ok(succeed(rows_as_text(&rows), json!({"skills": rows})))
        }),
        "read_skill_file" => {
            parse_arguments(arguments).and_then(|ReadArguments { name, path, version, session }| {
                read(service, &ReadCall { name, path, version, session })
            })
        }
        _ => return None,
    };
    Some(result.unwrap_or_else(|text| CallToolResult::error(vec![ContentBlock::text(text)])))
}

/// # Errors
/// What is wrong with the arguments, for the model.
fn parse_arguments<T: DeserializeOwned>(arguments: JsonObject) -> Result<T, String> {
    serde_json::from_value(Value::Object(arguments))
        .map_err(|fault| format!("The arguments are not valid: {fault}."))
}

fn succeed(text: String, answer: Value) -> CallToolResult {
    let mut result = CallToolResult::success(vec![ContentBlock::text(text)]);
    result.structured_content = Some(answer);
    result
}

fn rows_as_text(rows: &[SkillRow]) -> String {
    if rows.is_empty() {
        return "No skills were found.\n".to_owned();
    }
    let line = |row: &SkillRow| match &row.install {
        Some(install) => {
            format!("- {} (not installed; the user can type `{install}`): {}\n", row.name, row.description)
        }
        None => format!("- {}: {}\n", row.name, row.description),
    };
    rows.iter().map(line).collect()
}

/// # Errors
/// Why it cannot be loaded, with the nearest names, for the model.
fn activate(service: &SkillService, call: &ActivateCall) -> Result<CallToolResult, String> {
    match service.activate(call) {
        Ok(activated) => Ok(succeed(activated.content, activated.result)),
        Err(error) => Err(with_nearest(service, &call.name, &error)),
    }
}

fn read(service: &SkillService, call: &ReadCall) -> Result<CallToolResult, String> {
    let file = service.read_skill_file(call).map_err(|error| with_nearest(service, &call.name, &error))?;
    let note = file.notice.as_deref().map(|notice| format!("{notice}\n\n")).unwrap_or_default();
    let answer = serde_json::to_value(&file).unwrap_or_default();
    let text = match &file.text {
        Some(text) => format!("{note}{text}"),
        None => {
            format!("{note}{} bytes that are not text; as base64:\n{}", file.size, encode_base64(&file.bytes))
        }
    };
    Ok(succeed(text, answer))
}

fn with_nearest(service: &SkillService, name: &str, error: &Error) -> String {
    let mut text = text_of_error(error);
    if error.kind == Kind::NotFound && error.message.starts_with("there is no skill") {
        let nearest = service.nearest_names(name, 3);
        if !nearest.is_empty() {
            text = format!("{}. The nearest names are: {}.", error.message, nearest.join(", "));
        }
    }
    text
}

/// An error as one text.
pub(super) fn text_of_error(error: &Error) -> String {
    let causes = error.causes.iter().map(|cause| format!(": {cause}"));
    let hints = error.hints.iter().map(|hint| format!("\nhint: {hint}"));
    std::iter::once(error.message.clone()).chain(causes).chain(hints).collect()
}

pub(super) fn encode_base64(bytes: &[u8]) -> String {
    base64::engine::general_purpose::STANDARD.encode(bytes)
}
