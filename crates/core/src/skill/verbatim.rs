//! The frontmatter of a manifest with every field that its author wrote, for who passes it on.

use serde_json::{Map, Value};

use super::rules::{Findings, Profile};
use super::yaml::parse_yaml;
use super::{MANIFEST, decode_text, markers};
use crate::listing::Limits;

/// The frontmatter as a JSON object, in the order of the file. `None` where it cannot be read, and
/// where parsers may read it in different ways: anchors, tags, a key that is there twice.
pub fn frontmatter_as_json(manifest: &[u8], limits: &Limits) -> Option<Map<String, Value>> {
    if manifest.len() as u64 > limits.manifest {
        return None;
    }
    let mut findings = Findings::new(Profile::Install, MANIFEST);
    let text = decode_text(manifest, &mut findings)?;
    let parts = markers::split_manifest(text, limits.frontmatter, &mut findings)?;
    let (tree, faults) = parse_yaml(parts.block, parts.block_line).ok()?;
    match serde_json::to_value(tree?.to_value()).ok()? {
        Value::Object(map) if faults.is_empty() => Some(map),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_field_is_there_as_parsers_of_the_core_schema_read_it() {
        let check = |text: &str, expected: Option<Value>| {
            let found = frontmatter_as_json(text.as_bytes(), &Limits::default()).map(Value::Object);
            assert_eq!(found, expected, "{text}");
        };
        check(
            "---\nname: pdf\ndescription: >-\n  Reads\n  tables\nversion: 1.10\nyes: no\nmetadata:\n  n: 0x10\n  \
             date: 2026-01-02\n  empty:\nallowed-tools: [Read, \"Bash(git:*)\"]\n---\nbody\n",
            Some(json!({
                "name": "pdf", "description": "Reads tables", "version": 1.1, "yes": "no",
                "metadata": {"n": 16, "date": "2026-01-02", "empty": null},
                "allowed-tools": ["Read", "Bash(git:*)"]
            })),
        );
        check("\u{feff}---\nname: a\n---\n", Some(json!({"name": "a"})));
        for unread in [
            "",
            "text",
            "---\n- a\n---\n",
            "---\n# nothing\n---\n",
            "---\na: 1\na: 2\n---\n",
            "---\na: &x 1\n---\n",
        ] {
            check(unread, None);
        }
    }
}
