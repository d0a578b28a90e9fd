//! Activation: the instructions of a skill as a model gets them, with everything in its place,
//! and what changes for the conversation while it is active. Nothing of a skill is run.
//!
//! The text is the one that Claude Code gives its model for the same `SKILL.md`, character by
//! character. Three things are different on purpose: what arguments and inputs hold is never
//! filled in once more, commands in the text are named and not run, and `{baseDir}` and
//! `{input.KEY}` are filled as well.

mod arguments;
mod dynamic;
mod messages;
mod permissions;
mod placeholders;
mod tool_names;

use serde::Serialize;
use serde_yaml::Value;

use crate::agents::Agent;
use crate::skill::{Frontmatter, SkillManifest};

pub use arguments::split_arguments;
pub use dynamic::{DynamicCommand, find_dynamic};
pub use messages::{
    ActivationMessage, ApiMessage, ApiText, GrantedPermissions, HostContent, HostMessage, MessageFormat,
};
pub use permissions::{ContextModifier, PermissionRules, ResourceLimits};
pub use placeholders::{FilledText, PlaceholderValues, fill_placeholders};
pub use tool_names::{operations_of_tool, translate_tool};

/// A file of a skill beside its manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SkillResource {
    pub path: String,
    /// Bytes; of a link, those of its target's name.
    pub size: u64,
    pub executable: bool,
}

/// The instructions of a manifest: what stands behind its frontmatter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SkillBody<'a> {
    pub text: &'a str,
    /// Everything before it: the frontmatter, and blank lines.
    pub head: &'a str,
    /// The line of the file that `text` begins on.
    pub first_line: usize,
}

impl<'a> SkillBody<'a> {
    /// The body of a manifest that was read from these bytes. Blanks and empty lines at its
    /// beginning do not count, those at its end do.
    pub fn of(manifest: &SkillManifest, bytes: &'a [u8]) -> Option<Self> {
        let text = std::str::from_utf8(bytes).ok()?;
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let skipped = manifest.body_starts_line.saturating_sub(1);
        if skipped == 0 {
            return Some(Self { text, head: "", first_line: 1 });
        }
        let start: usize = text.split_inclusive('\n').take(skipped).map(str::len).sum();
        let body = text.get(start..).unwrap_or_default();
        let trimmed = body.trim_start_matches(is_blank_before_body);
        let blanks = body.get(..body.len() - trimmed.len()).unwrap_or_default();
        let empty_lines = blanks.bytes().filter(|byte| *byte == b'\n').count();
        let head = text.get(..text.len() - trimmed.len()).unwrap_or_default();
        Some(Self { text: trimmed, head, first_line: manifest.body_starts_line + empty_lines })
    }
}

/// What JavaScript's `\s` matches, which decides where the body of a skill begins.
fn is_blank_before_body(c: char) -> bool {
    c == '\u{feff}' || (c.is_whitespace() && c != '\u{85}')
}

/// What stands around the instructions of a skill.
#[derive(Debug, Clone, Copy)]
pub struct InstructionFrame<'a> {
    pub name: &'a str,
    pub base_dir: &'a str,
    /// The path of the manifest.
    pub manifest: &'a str,
    /// What the manifest has before its body.
    pub head: &'a str,
}

impl InstructionFrame<'_> {
    /// The whole text that a model gets: as Claude Code gives it, and for Codex as Codex does, with
    /// the frontmatter and in its wrapper.
    #[must_use]
    pub fn write_instructions(&self, filled: &str, agent: Option<&Agent>) -> String {
        let Self { name, base_dir, manifest, head } = self;
        match agent.map(|agent| agent.id) {
            Some("codex") => {
                format!("<skill>\n<name>{name}</name>\n<path>{manifest}</path>\n{head}{filled}\n</skill>")
            }
            _ => format!("Base directory for this skill: {base_dir}\n\n{filled}"),
        }
    }
}

/// Tokens of a text, as Codex estimates them: a quarter of its bytes. Measured over 1,988 skills
/// that is 0.97 of the tokens of a body.
pub fn estimate_tokens(text: &str) -> usize {
    text.len().div_ceil(4)
}

/// The names that a skill gives the words of its arguments, in their order: a list, or text with
/// blanks between them. What is not text, or is only digits, has no place.
#[must_use]
pub fn argument_names(front: &Frontmatter) -> Vec<String> {
    let is_name = |name: &&str| !name.is_empty() && !name.bytes().all(|byte| byte.is_ascii_digit());
    match front.extra.get("arguments") {
        Some(Value::Sequence(items)) => {
            let texts = items.iter().filter_map(Value::as_str).map(str::trim);
            texts.filter(is_name).map(str::to_owned).collect()
        }
        Some(Value::String(text)) => text.split_whitespace().filter(is_name).map(str::to_owned).collect(),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::listing::Limits;
    use crate::skill::{Profile, read_manifest};

    fn read(text: &str) -> (SkillManifest, Vec<u8>) {
        let manifest = read_manifest("SKILL.md", None, text.as_bytes(), Profile::Install, &Limits::default());
        (manifest, text.as_bytes().to_vec())
    }

    /// Each row was seen in the text that Claude Code 2.1.332 made of it.
    #[test]
    fn the_body_begins_with_its_first_word_and_keeps_its_end() {
        let check = |behind: &str, expected: &str, line: usize| {
            let text = format!("---\nname: x\ndescription: test\n---{behind}");
            let (manifest, bytes) = read(&text);
            let body = SkillBody::of(&manifest, &bytes).unwrap();
            assert_eq!((body.text, body.first_line), (expected, line), "{behind:?}");
            assert_eq!(format!("{}{}", body.head, body.text), text);
        };
        check("\n# no leading newline", "# no leading newline", 5);
        check("\n\n\n\n# three\n\n\n", "# three\n\n\n", 8);
        check("\n  \n\t\n  indented\n  ", "indented\n  ", 7);
        check("\n", "", 5);
        check("", "", 5);
        check("\n\u{a0}\u{feff}\u{2028} x\u{200b}", "x\u{200b}", 5);
        check(" \nblank behind\n---\nsecond\n", "blank behind\n---\nsecond\n", 5);
        let (manifest, bytes) = read("\u{feff}---\nname: x\ndescription: d\n---\nbom\n");
        assert_eq!(SkillBody::of(&manifest, &bytes).unwrap().text, "bom\n");
        let (manifest, bytes) = read("---\r\nname: x\r\ndescription: d\r\n---\r\na\r\nb\r\n");
        assert_eq!(SkillBody::of(&manifest, &bytes).unwrap().text, "a\r\nb\r\n");
        let (manifest, bytes) = read("\n no frontmatter\n");
        assert_eq!(SkillBody::of(&manifest, &bytes).unwrap().text, "\n no frontmatter\n");
        assert_eq!(SkillBody::of(&manifest, b"\xff"), None);
    }

    #[test]
    fn names_of_arguments_are_read_as_agents_read_them() {
        let check = |line: &str, expected: &[&str]| {
            let (manifest, _) =
                read(&format!("---\nname: x\ndescription: test\narguments: {line}\n---\nb\n"));
            assert_eq!(argument_names(&manifest.frontmatter.unwrap()), expected, "{line}");
        };
        check("[who, what]", &["who", "what"]);
        check("who what", &["who", "what"]);
        check("\"  a   b \"", &["a", "b"]);
        check("a, b c", &["a,", "b", "c"]);
        check("[a, 5, b]", &["a", "b"]);
        check("[a, \"5\"]", &["a"]);
        check("[true, a, \"\", \" b \"]", &["a", "b"]);
        check("[{name: a}, b]", &["b"]);
        check("5", &[]);
        check("", &[]);
    }
}
