//! How real agents read a `SKILL.md`: where its frontmatter ends for them, what becomes of one that
//! is not YAML, and which keys must be there. Each rule was seen in the agent, over thousands of
//! published skills and over odd ones made for it.

mod blocks;
mod quoting;

use serde::Deserialize;
use serde_yaml::{Mapping, Value};

use super::SkillFacts;
use crate::skill::read_lenient_keys;
use blocks::{
    block_to_any_dashes, block_to_dashes_at_start, block_to_marker_line, block_to_yaml_end, first_line,
};
use quoting::{blanks_for_tabs, block_scalars, quote_for_claude, quote_for_codex};

/// Whose reading counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ManifestDialect {
    /// This program's own, also for agents whose reading is not known.
    Ours,
    ClaudeCode,
    Codex,
    GeminiCli,
    OpenCode,
    DeepAgents,
}

/// What an agent tells its model of a skill: the name, where the file has one, and what it does.
type NameAndDescription = (Option<String>, String);

/// Characters of a name that Codex takes.
const CODEX_NAME: usize = 64;
/// Characters of a description that deepagents keeps.
const DEEPAGENTS_DESCRIPTION: usize = 1_024;

impl ManifestDialect {
    /// A word that no other dialect has, to tell what was read in one from what was read in another.
    pub fn id(self) -> &'static str {
        match self {
            Self::Ours => "ours",
            Self::ClaudeCode => "claude-code",
            Self::Codex => "codex",
            Self::GeminiCli => "gemini-cli",
            Self::OpenCode => "opencode",
            Self::DeepAgents => "deepagents",
        }
    }

    /// Whether a file `skill.md` is found where the system tells it from `SKILL.md`.
    pub fn finds_lower_case(self) -> bool {
        self == Self::Ours
    }

    /// What the agent makes of a manifest in the folder of this name. `ours` is what this program
    /// makes of it, whose other facts stay.
    ///
    /// # Errors
    /// Why the agent does not list it, in a sentence.
    pub fn read(
        self,
        folder: &str,
        bytes: &[u8],
        ours: Result<SkillFacts, String>,
    ) -> Result<SkillFacts, String> {
        // JavaScript replaces what is not UTF-8, the others refuse the file.
        let text = String::from_utf8_lossy(bytes);
        let is_sound = matches!(text, std::borrow::Cow::Borrowed(_));
        if !is_sound && matches!(self, Self::Codex | Self::DeepAgents) {
            return Err("it is not UTF-8".to_owned());
        }
        let (name, description) = match self {
            Self::Ours => return ours,
            Self::ClaudeCode => read_for_claude(&text),
            Self::Codex => read_for_codex(folder, &text)?,
            Self::GeminiCli => read_for_gemini(&text)?,
            Self::OpenCode => read_for_opencode(&text)?,
            Self::DeepAgents => read_for_deepagents(&text)?,
        };
        Ok(SkillFacts { name, description, ..ours.unwrap_or_default() })
    }
}

fn parse_mapping(block: &str) -> Result<Mapping, String> {
    match serde_yaml::from_str::<Value>(block) {
        Ok(Value::Mapping(map)) => Ok(map),
        Ok(Value::Null) => Ok(Mapping::new()),
        Ok(_) => Err("its frontmatter is not a list of keys".to_owned()),
        Err(error) => Err(format!("its frontmatter is not YAML: {error}")),
    }
}

/// The same for readers that take the last of several values of one key.
fn parse_lenient_mapping(block: &str) -> Result<Mapping, String> {
    parse_mapping(block).or_else(|fault| read_lenient_keys(block).ok_or(fault))
}

fn text_at<'m>(map: &'m Mapping, key: &str) -> Option<&'m str> {
    map.get(key).and_then(Value::as_str)
}

fn single_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn missing(key: &str) -> String {
    format!("`{key}` is missing")
}

/// Claude Code lists whatever has the file: what its frontmatter does not say, the first line of
/// the text does.
fn read_for_claude(text: &str) -> NameAndDescription {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let (map, body) = match block_to_any_dashes(text) {
        None => (Mapping::new(), text),
        Some((block, body)) => {
            // It has a blank for each control character, which no reader of ours takes.
            let is_odd = |c: char| c.is_control() && !c.is_whitespace();
            let block = block.replace(is_odd, " ");
            let map =
                parse_lenient_mapping(&block).or_else(|_| parse_lenient_mapping(&quote_for_claude(&block)));
            (map.unwrap_or_default(), body)
        }
    };
    let said = |key: &str| match map.get(key) {
        Some(Value::String(text)) => Some(text.trim().to_owned()),
        Some(Value::Number(number)) => Some(number.to_string()),
        Some(Value::Bool(flag)) => Some(flag.to_string()),
        _ => None,
    };
    let description = said("description").filter(|text| !text.is_empty());
    let name = said("name").filter(|text| !text.is_empty());
    (name, description.unwrap_or_else(|| first_line(body)))
}

/// The keys that Codex reads. It is strict about what they hold.
#[derive(Debug, Deserialize)]
struct CodexFront {
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    description: Option<String>,
    #[serde(default)]
    metadata: CodexMetadata,
}

#[derive(Debug, Default, Deserialize)]
struct CodexMetadata {
    #[serde(default, rename = "short-description")]
    short_description: Option<String>,
}

fn read_for_codex(folder: &str, text: &str) -> Result<NameAndDescription, String> {
    let block = block_to_marker_line(text).ok_or("it has no frontmatter between two lines `---`")?;
    let front: CodexFront = serde_yaml::from_str(&block).or_else(|fault| {
        let repaired = quote_for_codex(&block).and_then(|block| serde_yaml::from_str(&block).ok());
        repaired.ok_or_else(|| format!("its frontmatter is not what Codex reads: {fault}"))
    })?;
    let name = front.name.map(|name| single_line(&name)).filter(|name| !name.is_empty());
    let name = name.unwrap_or_else(|| single_line(folder));
    let description = single_line(&front.description.unwrap_or_default());
    let short = front.metadata.short_description.map(|text| single_line(&text)).unwrap_or_default();
    if description.is_empty() {
        return Err(missing("description"));
    }
    if name.chars().count() > CODEX_NAME {
        return Err(format!("its name has more than {CODEX_NAME} characters"));
    }
    if short.chars().count() > 1_024 {
        return Err("`metadata.short-description` has more than 1,024 characters".to_owned());
    }
    Ok((Some(name), description))
}

/// Gemini CLI looks for two lines where the frontmatter is not YAML.
fn read_for_gemini(text: &str) -> Result<NameAndDescription, String> {
    let block = block_to_dashes_at_start(text).ok_or("it has no frontmatter that begins on line 1")?;
    let map = parse_mapping(block).unwrap_or_default();
    let (name, description) = match (text_at(&map, "name"), text_at(&map, "description")) {
        (Some(name), Some(description)) => (name.to_owned(), description.to_owned()),
        _ => find_plain_keys(block).ok_or("`name` or `description` is missing")?,
    };
    let is_odd = |c: char| matches!(c, ':' | '\\' | '/' | '<' | '>' | '*' | '?' | '"' | '|');
    Ok((Some(name.replace(is_odd, "-")), description))
}

/// The last line `name:` and the last `description:`, with the indented lines behind that.
fn find_plain_keys(block: &str) -> Option<(String, String)> {
    let (mut name, mut description) = (None, None);
    let mut lines = block.lines().peekable();
    while let Some(line) = lines.next() {
        let line = line.trim_start();
        if let Some(rest) = line.strip_prefix("name:") {
            name = Some(rest.trim().to_owned());
        } else if let Some(rest) = line.strip_prefix("description:") {
            let mut parts = vec![rest.trim()];
            let is_more = |line: &&str| line.starts_with([' ', '\t']) && !line.trim().is_empty();
            while let Some(next) = lines.next_if(is_more) {
                parts.push(next.trim());
            }
            parts.retain(|part| !part.is_empty());
            description = Some(parts.join(" "));
        }
    }
    name.zip(description)
}

/// OpenCode wants a name; without a description it keeps the skill and does not list it.
fn read_for_opencode(text: &str) -> Result<NameAndDescription, String> {
    // Its reader of YAML takes tabs before a key for blanks.
    let parse = |text: &str| match block_to_yaml_end(text) {
        None => Ok(Mapping::new()),
        Some(block) => {
            parse_mapping(block).or_else(|fault| parse_mapping(&blanks_for_tabs(block)).map_err(|_| fault))
        }
    };
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let map = parse(text).or_else(|_| parse(&block_scalars(text)))?;
    let name = text_at(&map, "name").ok_or_else(|| missing("name"))?;
    match map.get("description") {
        Some(Value::String(description)) => Ok((Some(name.to_owned()), description.clone())),
        None => Err(missing("description")),
        Some(_) => Err("`description` is not a text".to_owned()),
    }
}

/// What Python cannot build from YAML.
fn has_collection_for_key(value: &Value) -> bool {
    match value {
        Value::Mapping(map) => map
            .iter()
            .any(|(key, value)| key.is_mapping() || key.is_sequence() || has_collection_for_key(value)),
        Value::Sequence(items) => items.iter().any(has_collection_for_key),
        _ => false,
    }
}

/// deepagents takes whatever YAML makes a text of.
fn read_for_deepagents(text: &str) -> Result<NameAndDescription, String> {
    let block = blocks::block_to_line_of_dashes(text).ok_or("it has no frontmatter that begins on line 1")?;
    let map = parse_lenient_mapping(block)?;
    if map.values().any(has_collection_for_key) {
        return Err("its frontmatter has a list or an object for a key".to_owned());
    }
    let said = |key: &str| match map.get(key) {
        Some(Value::String(text)) => text.trim().to_owned(),
        Some(Value::Number(number)) => number.to_string(),
        Some(Value::Bool(true)) => "True".to_owned(),
        Some(Value::Bool(false)) => "False".to_owned(),
        Some(Value::Null) => "None".to_owned(),
        _ => String::new(),
    };
    let (name, description) = (said("name"), said("description"));
    if name.is_empty() || description.is_empty() {
        return Err("`name` or `description` is missing".to_owned());
    }
    Ok((Some(name), description.chars().take(DEEPAGENTS_DESCRIPTION).collect()))
}

#[cfg(test)]
mod tests;
