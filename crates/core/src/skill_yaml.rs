//! `skill.yaml` (`apiVersion: skills.claude.ai/v1`, `kind: Skill`) and `SKILL.md`, one made of the
//! other. What both can say stands where each has its place for it. What only one can say goes
//! along as JSON: in a `SKILL.md` under `metadata`, `skill-yaml`; in a `skill.yaml` under
//! `metadata.annotations`, `skill-md`. So there and back nothing is lost.

use serde_json::{Map, Value, json};

use crate::error::{Result, error, printable};
use crate::listing::Limits;
use crate::skill::yaml::parse_yaml;
use crate::skill::{self, MANIFEST, SkillName, frontmatter_as_json};
use crate::text::shorten_text;

/// The name of the file.
pub const SKILL_YAML: &str = "skill.yaml";
/// The form that is written.
const API_VERSION: &str = "skills.claude.ai/v1";
/// What every form begins with.
const API_GROUP: &str = "skills.claude.ai/";
/// Where a `SKILL.md` keeps what only a `skill.yaml` says.
const YAML_KEY: &str = "skill-yaml";
/// Where a `skill.yaml` keeps what only a `SKILL.md` says.
const MARKDOWN_KEY: &str = "skill-md";

/// What both say: the key of the frontmatter, and where it stands in a `skill.yaml`.
const SHARED: [(&str, [&str; 2], SharedKind); 5] = [
    ("description", ["spec", "description"], SharedKind::Text),
    ("license", ["metadata", "license"], SharedKind::Text),
    ("version", ["metadata", "version"], SharedKind::Text),
    ("author", ["metadata", "author"], SharedKind::Text),
    ("tags", ["metadata", "tags"], SharedKind::Texts),
];

#[derive(Clone, Copy)]
enum SharedKind {
    Text,
    Texts,
}

impl SharedKind {
    /// Whether both sides mean the same by this value.
    fn takes(self, value: &Value) -> bool {
        let is_text = |value: &Value| value.as_str().is_some_and(|text| !text.trim().is_empty());
        match self {
            Self::Text => is_text(value),
            Self::Texts => value.as_array().is_some_and(|list| !list.is_empty() && list.iter().all(is_text)),
        }
    }
}

/// Makes the `SKILL.md` of a `skill.yaml`.
///
/// # Errors
/// `Invalid` for what is not a `skill.yaml` of this kind, or can be read in different ways.
pub fn markdown_of_yaml(text: &str) -> Result<String> {
    let document = read_yaml(text)?;
    let (front, body) = split_document(document);
    Ok(write_markdown(&front, &body))
}

/// Makes the `skill.yaml` of a `SKILL.md`.
///
/// # Errors
/// `Invalid` where its frontmatter cannot be read, or can be read in different ways.
pub fn yaml_of_markdown(manifest: &[u8], limits: &Limits) -> Result<String> {
    let front = frontmatter_as_json(manifest, limits).ok_or_else(|| {
        error!(Invalid, "the frontmatter of the SKILL.md cannot be read")
            .hint("`ba-agent skill validate` says why")
    })?;
    let text = String::from_utf8_lossy(manifest);
    let parts = skill::read_manifest(MANIFEST, None, manifest, skill::Profile::Install, limits);
    let lines = text.split_inclusive('\n').skip(parts.body_starts_line.saturating_sub(1));
    let body: String = lines.collect();
    let document = join_document(front, body.strip_prefix('\n').unwrap_or(&body));
    Ok(serde_yaml::to_string(&Value::Object(document)).unwrap_or_default())
}

fn read_yaml(text: &str) -> Result<Map<String, Value>> {
    let refuse = |why: String| error!(Invalid, "the skill.yaml cannot be read").cause(why);
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let (tree, faults) =
        parse_yaml(text, 1).map_err(|fault| refuse(printable(&format!("{fault:?}"), false)))?;
    if !faults.is_empty() {
        return Err(refuse(
            "it has anchors, tags or a key in two places, which parsers read differently".to_owned(),
        ));
    }
    let value = tree.map(|tree| tree.to_value()).and_then(|value| serde_json::to_value(value).ok());
    let Some(Value::Object(document)) = value else {
        return Err(refuse("it is not a map".to_owned()));
    };
    let word = |key: &str| document.get(key).and_then(Value::as_str).unwrap_or_default();
    if !word("apiVersion").starts_with(API_GROUP) || word("kind") != "Skill" {
        let found = printable(&shorten_text(&format!("{} {}", word("apiVersion"), word("kind")), 80), false);
        return Err(refuse(format!("it is `{}`", found.trim()))
            .hint(format!("expected `apiVersion: {API_VERSION}` and `kind: Skill`")));
    }
    Ok(document)
}

/// The map at a key; none where something else is there.
fn section<'a>(document: &'a mut Map<String, Value>, key: &str) -> Option<&'a mut Map<String, Value>> {
    document.get_mut(key).and_then(Value::as_object_mut)
}

/// Takes a value out of a section, and the section too where nothing is left in it.
fn take_from_section(document: &mut Map<String, Value>, at: &[&str; 2]) -> Option<Value> {
    let values = section(document, at[0])?;
    let value = values.shift_remove(at[1])?;
    if values.is_empty() {
        document.shift_remove(at[0]);
    }
    Some(value)
}

/// Puts a value into a section, which is made where it is missing; false where it cannot be.
fn put_into_section(document: &mut Map<String, Value>, at: &[&str; 2], value: Value) -> bool {
    let values = document.entry(at[0]).or_insert_with(|| json!({}));
    match values.as_object_mut() {
        Some(values) if !values.contains_key(at[1]) => {
            values.insert(at[1].to_owned(), value);
            true
        }
        _ => false,
    }
}

/// The name that a document gives its skill: its id, else its name, where they are one.
fn name_of_document(document: &Map<String, Value>) -> Option<String> {
    let metadata = document.get("metadata").and_then(Value::as_object)?;
    let texts = ["id", "name"].map(|key| metadata.get(key).and_then(Value::as_str));
    let is_name =
        |text: &&str| text.parse::<SkillName>().is_ok_and(|name| name.portability_fault().is_none());
    let exact = texts.iter().flatten().copied().find(is_name).map(str::to_owned);
    exact.or_else(|| texts.iter().flatten().find_map(|text| SkillName::nearest_to(text)).map(String::from))
}

/// A document as frontmatter and body.
fn split_document(mut document: Map<String, Value>) -> (Map<String, Value>, String) {
    let name = name_of_document(&document);
    let mut kept = take_kept_frontmatter(&mut document);
    let mut front = Map::new();
    if !kept.contains_key("name")
        && let Some(name) = name
    {
        front.insert("name".to_owned(), name.into());
    }
    for (key, at, kind) in SHARED {
        let there = section(&mut document, at[0]).and_then(|values| values.get(at[1]));
        if !kept.contains_key(key) && there.is_some_and(|value| kind.takes(value)) {
            front.extend(take_from_section(&mut document, &at).map(|value| (key.to_owned(), value)));
        }
    }
    let is_body = |value: &Value| value.as_str().is_some_and(|text| !text.is_empty());
    let has_body =
        section(&mut document, "spec").and_then(|spec| spec.get("instructions")).is_some_and(is_body);
    let body = if has_body { take_from_section(&mut document, &["spec", "instructions"]) } else { None };
    let had_metadata = kept.get("metadata").is_some_and(Value::is_object);
    let mut metadata = match kept.shift_remove("metadata") {
        Some(Value::Object(metadata)) => metadata,
        // What is not a map keeps its place, and the rest goes nowhere: see below.
        Some(other) => {
            kept.insert("metadata".to_owned(), other);
            Map::new()
        }
        None => Map::new(),
    };
    let plain = json!({ "apiVersion": API_VERSION, "kind": "Skill" });
    // A name that is only its own: nothing that the frontmatter does not say.
    drop_plain_name(&mut document, front.get("name"));
    if Value::Object(document.clone()) != plain {
        metadata.insert(YAML_KEY.to_owned(), Value::Object(document).to_string().into());
    }
    front.extend(kept);
    if had_metadata || !metadata.is_empty() {
        front.insert("metadata".to_owned(), Value::Object(metadata));
    }
    (front, body.and_then(|body| body.as_str().map(str::to_owned)).unwrap_or_default())
}

/// `metadata.name` alone, where it is the name of the frontmatter.
fn drop_plain_name(document: &mut Map<String, Value>, name: Option<&Value>) {
    let metadata = section(document, "metadata");
    let is_plain = metadata.is_some_and(|metadata| {
        name.is_some() && metadata.get("name") == name && !metadata.contains_key("id")
    });
    if is_plain {
        take_from_section(document, &["metadata", "name"]);
    }
}

/// What a `SKILL.md` had said that no `skill.yaml` can.
fn take_kept_frontmatter(document: &mut Map<String, Value>) -> Map<String, Value> {
    let annotations = section(document, "metadata").and_then(|metadata| section(metadata, "annotations"));
    let text = annotations.and_then(|annotations| annotations.get(MARKDOWN_KEY)).and_then(Value::as_str);
    let Some(Value::Object(kept)) = text.and_then(|text| serde_json::from_str(text).ok()) else {
        return Map::new();
    };
    if let Some(metadata) = section(document, "metadata") {
        take_from_section(metadata, &["annotations", MARKDOWN_KEY]);
        if metadata.is_empty() {
            document.shift_remove("metadata");
        }
    }
    kept
}

/// Frontmatter and body as a document.
fn join_document(mut front: Map<String, Value>, body: &str) -> Map<String, Value> {
    let mut document = take_kept_document(&mut front);
    let derived = name_of_document(&document);
    let written = front.get("name").and_then(Value::as_str).map(str::to_owned);
    let has_own_name = derived.is_some();
    if has_own_name && written == derived {
        front.shift_remove("name");
    } else if let Some(name) = written.filter(|_| !has_own_name)
        && name.parse::<SkillName>().is_ok_and(|name| name.portability_fault().is_none())
        && put_into_section(&mut document, &["metadata", "name"], name.into())
    {
        front.shift_remove("name");
    }
    for (key, at, kind) in SHARED {
        let value = front.get(key).filter(|value| kind.takes(value)).cloned();
        if let Some(value) = value
            && put_into_section(&mut document, &at, value)
        {
            front.shift_remove(key);
        }
    }
    if !body.is_empty() {
        put_into_section(&mut document, &["spec", "instructions"], body.into());
    }
    if !front.is_empty() {
        let text = Value::Object(front).to_string();
        let metadata = document.entry("metadata").or_insert_with(|| json!({}));
        if let Some(metadata) = metadata.as_object_mut() {
            put_into_section(metadata, &["annotations", MARKDOWN_KEY], text.into());
        }
    }
    document
}

/// What a `skill.yaml` had said that no frontmatter can.
fn take_kept_document(front: &mut Map<String, Value>) -> Map<String, Value> {
    let text = section(front, "metadata").and_then(|metadata| metadata.get(YAML_KEY)).and_then(Value::as_str);
    if let Some(Value::Object(document)) = text.and_then(|text| serde_json::from_str(text).ok()) {
        take_from_section(front, &["metadata", YAML_KEY]);
        return document;
    }
    let mut document = Map::new();
    document.insert("apiVersion".to_owned(), API_VERSION.into());
    document.insert("kind".to_owned(), "Skill".into());
    document
}

fn write_markdown(front: &Map<String, Value>, body: &str) -> String {
    let block = serde_yaml::to_string(front).unwrap_or_default();
    format!("---\n{block}---\n\n{body}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::skill::{Profile, Severity};
    use proptest::prelude::*;

    const WHOLE: &str = "apiVersion: skills.claude.ai/v1\nkind: Skill\nmetadata:\n  id: pdf-tables\n  name: PDF Tables\n  \
        version: 1.2.0\n  author: Alice\n  license: MIT\n  tags: [pdf, tables]\nspec:\n  description: Extracts tables from \
        PDF files when somebody asks for them.\n  runtime: python3.11\n  parameters:\n    - {name: pages, type: string, \
        required: false}\n  instructions: |\n    # Do it\n\n    Read the file.\n  examples:\n    - {input: a.pdf, output: \
        a.csv}\n  dependencies: [pdfplumber>=0.10]\n  permissions: {network: false}\n  pricing: {model: free}\n";

    fn value_of(yaml: &str) -> Value {
        Value::Object(read_yaml(yaml).unwrap())
    }

    fn parts_of(manifest: &str) -> (Value, String) {
        let front = frontmatter_as_json(manifest.as_bytes(), &Limits::default());
        let front = front.unwrap_or_else(|| panic!("{manifest}"));
        let parts =
            skill::read_manifest(MANIFEST, None, manifest.as_bytes(), Profile::Install, &Limits::default());
        let body: String = manifest.split_inclusive('\n').skip(parts.body_starts_line - 1).collect();
        (Value::Object(front), body.strip_prefix('\n').unwrap_or(&body).to_owned())
    }

    fn back(manifest: &str) -> String {
        yaml_of_markdown(manifest.as_bytes(), &Limits::default()).unwrap()
    }

    #[test]
    fn a_document_becomes_a_skill_that_is_valid() {
        let manifest = markdown_of_yaml(WHOLE).unwrap();
        let (front, body) = parts_of(&manifest);
        assert_eq!(body, "# Do it\n\nRead the file.\n");
        let expected = [
            ("name", json!("pdf-tables")),
            ("version", json!("1.2.0")),
            ("author", json!("Alice")),
            ("license", json!("MIT")),
            ("tags", json!(["pdf", "tables"])),
        ];
        for (key, value) in expected {
            assert_eq!(front[key], value, "{manifest}");
        }
        let read = skill::read_manifest(
            MANIFEST,
            Some("pdf-tables"),
            manifest.as_bytes(),
            Profile::Lint,
            &Limits::default(),
        );
        assert!(
            read.findings.iter().all(|finding| finding.severity < Severity::Error),
            "{:#?}",
            read.findings
        );
        assert_eq!(value_of(&back(&manifest)), value_of(WHOLE));
    }

    #[test]
    fn a_skill_becomes_a_document() {
        let manifest = "---\nname: pdf\ndescription: 'Reads: tables'\nallowed-tools: Bash Read\nmetadata:\n  \
            team: docs\nversion: 2\n---\nDo it.\n";
        let yaml = back(manifest);
        let document = value_of(&yaml);
        assert_eq!(document["metadata"]["name"], "pdf");
        assert_eq!(document["spec"], json!({ "description": "Reads: tables", "instructions": "Do it.\n" }));
        assert_eq!(parts_of(&markdown_of_yaml(&yaml).unwrap()), parts_of(manifest));
    }

    #[test]
    fn what_is_not_such_a_document_is_refused() {
        for (text, reason) in [
            ("", "not a map"),
            ("- a\n", "not a map"),
            ("kind: Skill\n", "it is `Skill`"),
            ("apiVersion: v1\nkind: Skill\n", "`v1 Skill`"),
            ("apiVersion: skills.claude.ai/v1\nkind: Pod\n", "Pod"),
            ("apiVersion: skills.claude.ai/v1\nkind: Skill\na: &x 1\nb: *x\n", "anchors"),
            ("a: [", ""),
        ] {
            let error = markdown_of_yaml(text).unwrap_err();
            let all = format!("{} {}", error.message, error.causes.join(" "));
            assert!(all.contains(reason), "{text:?}: {all}");
        }
        assert!(yaml_of_markdown(b"no frontmatter", &Limits::default()).is_err());
    }

    fn any_scalar() -> impl Strategy<Value = Value> {
        prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i32>().prop_map(Value::from),
            "[ -~é漢]{0,12}".prop_map(Value::from),
            prop::sample::select(vec![
                "yes",
                "1.10",
                "null",
                "~",
                "a: b",
                "# x",
                "'",
                "|",
                "- a",
                "a\nb\n",
                " x ",
                "2026-01-02",
                "0x10",
                "---"
            ])
            .prop_map(Value::from),
        ]
    }

    fn any_value() -> impl Strategy<Value = Value> {
        any_scalar().prop_recursive(2, 8, 3, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
                prop::collection::btree_map("[a-z]{1,4}", inner, 0..3)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    fn any_section(keys: &'static [&'static str]) -> impl Strategy<Value = Value> {
        let text = prop::sample::select(vec!["pdf", "PDF Tables", "1.0", "a: b"]).prop_map(Value::from);
        let texts = Just(json!(["a", "b c"]));
        let value = prop_oneof![any_value(), text, texts];
        prop::collection::btree_map(prop::sample::select(keys), value, 0..6).prop_map(|map| {
            Value::Object(map.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
        })
    }

    proptest! {
        /// There and back from a `skill.yaml`.
        #[test]
        fn no_document_loses_anything(
            metadata in prop::option::of(any_section(&["id", "name", "version", "author", "license", "tags", "annotations", "other"])),
            spec in prop::option::of(any_section(&["description", "runtime", "parameters", "instructions", "examples", "dependencies", "permissions", "pricing"])),
            other in prop::option::of(any_value()),
        ) {
            let mut document = json!({ "apiVersion": API_VERSION, "kind": "Skill" });
            for (key, value) in [("metadata", metadata), ("spec", spec), ("extra", other)] {
                document.as_object_mut().unwrap().extend(value.map(|value| (key.to_owned(), value)));
            }
            let yaml = serde_yaml::to_string(&document).unwrap();
            prop_assume!(read_yaml(&yaml).is_ok_and(|read| Value::Object(read) == document));
            let manifest = markdown_of_yaml(&yaml).unwrap();
            prop_assert_eq!(value_of(&back(&manifest)), document, "{}", manifest);
        }

        /// There and back from a `SKILL.md`.
        #[test]
        fn no_skill_loses_anything(
            front in any_section(&["name", "description", "license", "version", "author", "tags", "metadata", "allowed-tools", "category", "hooks"]),
            body in "[a-z# \n]{0,20}",
        ) {
            prop_assume!(front.as_object().is_some_and(|front| !front.is_empty()));
            let manifest = write_markdown(front.as_object().unwrap(), &body);
            prop_assume!(frontmatter_as_json(manifest.as_bytes(), &Limits::default()).is_some_and(|read| Value::Object(read) == front));
            let again = markdown_of_yaml(&back(&manifest)).unwrap();
            prop_assert_eq!(parts_of(&again), parts_of(&manifest), "{}", back(&manifest));
        }
    }
}
