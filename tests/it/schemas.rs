//! What `--json` prints is what `schemas/` says: one schema for each command, held against every
//! document that any test of this suite gets. A key that a schema does not name is a fault too,
//! so that they stay true.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use serde_json::{Value, json};

use crate::env::TestEnv;
use ba_agent_core::schema::schema_address;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas")
}

/// The schema of each name, ready to be used.
fn validators() -> &'static BTreeMap<String, jsonschema::Validator> {
    static ALL: OnceLock<BTreeMap<String, jsonschema::Validator>> = OnceLock::new();
    ALL.get_or_init(|| read_schemas().into_iter().map(|(name, schema)| (name, validator(&schema))).collect())
}

fn validator(schema: &Value) -> jsonschema::Validator {
    // Schemas name each other by their addresses, which nobody is asked for.
    let read = |text| serde_json::from_str::<Value>(text).unwrap();
    let others = [
        ("schemas/common.schema.json", read(include_str!("../../schemas/common.schema.json"))),
        ("schemas/marketplaces.schema.json", read(include_str!("../../schemas/marketplaces.schema.json"))),
        ("skills_registry.schema.json", read(include_str!("../../skills_registry.schema.json"))),
    ];
    let mut registry = jsonschema::Registry::new();
    for (file, schema) in &others {
        registry = registry.add(schema_address(file), schema).unwrap();
    }
    let registry = registry.prepare().unwrap();
    jsonschema::options().with_registry(&registry).build(schema).unwrap()
}

fn read_schemas() -> BTreeMap<String, Value> {
    let files = std::fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path());
    let name = |path: &Path| path.file_name().unwrap().to_str().unwrap().to_owned();
    let schemas = files.filter_map(|path| {
        let name = name(&path).strip_suffix(".schema.json")?.to_owned();
        let text = std::fs::read_to_string(&path).unwrap();
        let schema = serde_json::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        Some((name, schema))
    });
    schemas.collect()
}

/// `skill-list` for the words of a command line, however it is abbreviated.
fn schema_name(args: &[&str]) -> Option<String> {
    let definition = ba_agent::command();
    let mut words = args.iter().copied().skip_while(|word| word.starts_with('-')).peekable();
    let mut at = &definition;
    let mut name = Vec::new();
    if words.peek().is_some_and(|first| definition.find_subcommand(first).is_none()) {
        at = definition.find_subcommand("skill")?;
        name.push("skill".to_owned());
    }
    for word in words {
        let Some(below) = at.find_subcommand(word) else { break };
        name.push(below.get_name().to_owned());
        at = below;
    }
    (!at.has_subcommands()).then(|| name.join("-"))
}

/// What of a document that a command printed does not fit its schema.
pub(crate) fn document_faults(args: &[&str], stdout: &str) -> Vec<String> {
    if !args.contains(&"--json") {
        return Vec::new();
    }
    let Ok(document) = serde_json::from_str::<Value>(stdout) else { return Vec::new() };
    let name = match document.get("error").filter(|error| !error.is_null()) {
        Some(_) => "error".to_owned(),
        None => match schema_name(args) {
            Some(name) => name,
            None => return Vec::new(),
        },
    };
    let Some(validator) = validators().get(&name) else {
        return vec![format!(
            "`{}` has no schema: write schemas/{name}.schema.json for what it prints (schemas/skill-path.schema.json is a short one)",
            args.join(" ")
        )];
    };
    let faults = validator.iter_errors(&document);
    faults
        .map(|fault| format!("schemas/{name}.schema.json does not allow {}: {fault}", fault.instance_path()))
        .collect()
}

/// The commands that print something, by the name of their schema.
fn commands(path: &str, command: &clap::Command, names: &mut Vec<String>) {
    for sub in command.get_subcommands().filter(|sub| sub.get_name() != "help") {
        let path =
            if path.is_empty() { sub.get_name().to_owned() } else { format!("{path}-{}", sub.get_name()) };
        // What `serve` prints is another program's.
        match sub.has_subcommands() {
            true => commands(&path, sub, names),
            false if path == "serve" => {}
            false => names.push(path),
        }
    }
}

/// Files that are no document of a command.
const OTHERS: [&str; 4] = ["common", "error", "marketplaces", "settings"];

#[test]
fn every_command_has_a_schema_and_every_schema_a_command() {
    let mut names = Vec::new();
    commands("", &ba_agent::command(), &mut names);
    assert!(names.len() > 30, "{names:?}");
    let schemas = read_schemas();
    for name in &names {
        assert!(
            schemas.contains_key(name),
            "write schemas/{name}.schema.json for what `{} --json` prints (schemas/skill-path.schema.json is a short one)",
            name.replace('-', " ")
        );
    }
    for (name, schema) in &schemas {
        let is_known = names.contains(name) || OTHERS.contains(&name.as_str());
        assert!(is_known, "schemas/{name}.schema.json belongs to no command");
        assert_eq!(schema["$id"], schema_address(&format!("schemas/{name}.schema.json")));
        assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema", "{name}");
        assert!(schema["title"].is_string() && schema["description"].is_string(), "{name}");
        check_closed(name, schema, schema);
    }
}

/// An object says which keys it may have, or what all of its values are.
fn check_closed(name: &str, schema: &Value, root: &Value) {
    match schema {
        Value::Object(map) => {
            if map.contains_key("properties") {
                let closed = ["additionalProperties", "unevaluatedProperties"]
                    .iter()
                    .any(|key| map.contains_key(*key));
                let is_part =
                    std::ptr::eq(schema, root) || map.get("$comment").is_some_and(|text| text == "part");
                assert!(closed || is_part, "{name}: an object may have any key: {schema}");
            }
            map.values().for_each(|below| check_closed(name, below, root));
        }
        Value::Array(list) => list.iter().for_each(|below| check_closed(name, below, root)),
        _ => {}
    }
}

/// Else a schema could allow anything.
#[test]
fn a_key_that_no_schema_names_is_a_fault() {
    let env = TestEnv::new();
    env.skill("src/pdf");
    env.run(&["skill", "install", "../src/pdf"]).ends(0);
    let args = ["skill", "list", "--json"];
    let document = env.run(&args).json();
    assert_eq!(document_faults(&args, &document.to_string()), Vec::<String>::new());
    for change in ["/new", "/skills/0/new", "/skills/0/pin/new"] {
        let (above, key) = change.rsplit_once('/').unwrap();
        let mut other = document.clone();
        other.pointer_mut(above).unwrap()[key] = json!(1);
        assert!(!document_faults(&args, &other.to_string()).is_empty(), "{change}");
    }
    let error = json!({ "error": { "kind": "usage", "message": "m", "causes": [], "hints": [], "more": 1 } });
    assert!(!document_faults(&args, &error.to_string()).is_empty());
}

#[cfg(unix)]
#[test]
fn every_command_prints_what_its_schema_says() {
    use crate::full_stdout::{PRINTING, reset, words, world};
    let (env, mut tried) = (world(), std::collections::BTreeSet::new());
    for line in PRINTING {
        reset(&env, line);
        let mut args = words(line);
        if !args.contains(&"--json") {
            args.push("--json");
        }
        // `run` holds it against the schema.
        let document = env.run(&args).json();
        if document.get("error").is_none_or(Value::is_null) {
            tried.extend(schema_name(&args));
        }
    }
    let mut names = Vec::new();
    commands("", &ba_agent::command(), &mut names);
    // An editor needs a terminal: tests/it/open_edit.rs holds what it prints against the schema.
    // What is watched happens in tests/it/watch.rs, and what a hook answers in tests/it/hook.rs.
    // A registry with a server stands in tests/it/registries.rs.
    let elsewhere = [
        "skill-edit",
        "config-edit",
        "skill-watch",
        "hook-run",
        "login",
        "whoami",
        "serve",
        "skill-follow",
        "skill-unfollow",
    ];
    names.retain(|name| !tried.contains(name) && !elsewhere.contains(&name.as_str()));
    assert!(names.is_empty(), "no line of PRINTING in full_stdout.rs prints a document of {names:?}");
}

/// Editors find the schema of each file that we write, and a file that has none, or another, keeps
/// what it has.
#[test]
fn files_name_their_schema_and_keep_what_they_have() {
    let env = TestEnv::new();
    env.skill("shop/skills/pdf");
    env.skill("src/docx");
    env.run(&["skill", "install", "../shop/skills/pdf"]).ends(0);
    env.run(&["marketplace", "add", "shop", "../shop", "--scope", "project"]).ends(0);
    let registry = "project/config/skills_registry.json";
    let marketplaces = "project/config/skills_marketplaces.json";
    for (file, schema) in
        [(registry, "skills_registry.schema.json"), (marketplaces, "schemas/marketplaces.schema.json")]
    {
        let text = env.read(file);
        let first = format!("{{\n  \"$schema\": \"{}\",\n", schema_address(schema));
        assert!(text.starts_with(&first), "{text}");
        assert!(Path::new(env!("CARGO_MANIFEST_DIR")).join(schema).is_file(), "{schema}");
    }
    let list: Value = serde_json::from_str(&env.read(marketplaces)).unwrap();
    let faults: Vec<String> =
        validators()["marketplaces"].iter_errors(&list).map(|fault| fault.to_string()).collect();
    assert!(faults.is_empty(), "{faults:?}");
    for own in ["", "  \"$schema\": \"./mine.json\",\n", "  \"$schema\": 7,\n"] {
        for file in [registry, marketplaces] {
            let text = env.read(file);
            let (_, rest) = text.split_once("  \"schema_version\"").unwrap();
            env.write(file, format!("{{\n{own}  \"schema_version\"{rest}"));
        }
        let before = env.read(registry);
        env.run(&["skill", "install", "--frozen"]).ends(0);
        assert_eq!(env.read(registry), before);
        env.run(&["skill", "install", "../src/docx"]).ends(0);
        env.run(&["skill", "uninstall", "docx"]).ends(0);
        env.run(&["marketplace", "disable", "shop"]).ends(0);
        env.run(&["marketplace", "enable", "shop"]).ends(0);
        for file in [registry, marketplaces] {
            assert!(
                env.read(file).starts_with(&format!("{{\n{own}  \"schema_version\"")),
                "{}",
                env.read(file)
            );
        }
    }
}
