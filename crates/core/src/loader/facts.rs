//! What is kept of a `SKILL.md` so that it need not be read to be offered.

use serde::{Deserialize, Serialize};
use serde_yaml::{Mapping, Value};

use crate::skill::{Frontmatter, split_tools};

/// What an agent's loader needs to know of a skill.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SkillFacts {
    /// As the skill writes it.
    pub name: Option<String>,
    pub description: String,
    pub when_to_use: Option<String>,
    pub version: Option<String>,
    pub category: Option<String>,
    /// A mode command, listed first.
    pub mode: bool,
    /// Only a person starts it.
    pub disable_model_invocation: bool,
    /// False where only the model starts it.
    pub user_invocable: bool,
    pub allowed_tools: Vec<String>,
    pub disallowed_tools: Vec<String>,
    pub model: Option<String>,
    /// The names of its arguments, in their order.
    pub arguments: Vec<String>,
    pub triggers: Vec<String>,
    pub tags: Vec<String>,
    pub requires: Readiness,
}

/// What must be on the machine for a skill to work. Never installed, always said.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Readiness {
    /// Programs, each of which must be in PATH.
    pub bins: Vec<String>,
    /// Programs of which one must be in PATH.
    pub any_bins: Vec<String>,
    /// Variables that must be set.
    pub env: Vec<String>,
    /// Keys of the agent's own configuration, which cannot be checked from outside.
    pub config: Vec<String>,
    /// Systems that it runs on, as Node calls them; none means all.
    pub os: Vec<String>,
}

impl Readiness {
    /// True where nothing is asked for.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl SkillFacts {
    /// What a frontmatter says.
    pub fn of(front: &Frontmatter) -> Self {
        let metadata = front.metadata.as_ref().and_then(Value::as_mapping);
        let beside =
            |key: &str| metadata.and_then(|map| map.get(key)).and_then(Value::as_str).map(str::to_owned);
        let extra = |key: &str| find_key(&front.extra, key);
        Self {
            name: front.name.clone().filter(|name| !name.is_empty()),
            description: front.description.clone(),
            when_to_use: extra("when_to_use").and_then(text_of),
            version: front.version.clone().or_else(|| beside("version")),
            category: front.category.clone().or_else(|| beside("category")),
            mode: front.mode,
            disable_model_invocation: front.disable_model_invocation,
            user_invocable: extra("user_invocable").is_none_or(|value| !is_false(value)),
            allowed_tools: front.allowed_tools.clone(),
            disallowed_tools: extra("disallowed_tools").map(tools_of).unwrap_or_default(),
            model: front.model.clone(),
            arguments: extra("arguments").map(words_of).unwrap_or_default(),
            triggers: triggers_of(front, metadata),
            tags: front.tags.clone(),
            requires: readiness_of(&front.extra, metadata),
        }
    }
}

/// The value of a key in whichever of its spellings: `when-to-use`, `when_to_use`, `whenToUse`.
fn find_key<'m>(map: &'m Mapping, wanted: &str) -> Option<&'m Value> {
    let is_it = |key: &Value| {
        let Some(key) = key.as_str() else { return false };
        let letters = |text: &str| text.replace(['-', '_'], "").to_ascii_lowercase();
        letters(key) == letters(wanted)
    };
    map.iter().find(|(key, _)| is_it(key)).map(|(_, value)| value)
}

fn text_of(value: &Value) -> Option<String> {
    value.as_str().map(|text| text.trim().to_owned()).filter(|text| !text.is_empty())
}

fn is_false(value: &Value) -> bool {
    match value {
        Value::Bool(flag) => !flag,
        Value::String(text) => matches!(text.to_ascii_lowercase().as_str(), "false" | "no" | "off" | "0"),
        Value::Number(number) => number.as_u64() == Some(0),
        _ => false,
    }
}

/// A list of texts; text alone is one item.
fn list_of(value: &Value) -> Vec<String> {
    match value {
        Value::Sequence(items) => items.iter().filter_map(text_of).collect(),
        other => text_of(other).into_iter().collect(),
    }
}

fn tools_of(value: &Value) -> Vec<String> {
    list_of(value).iter().flat_map(|text| split_tools(text)).collect()
}

fn words_of(value: &Value) -> Vec<String> {
    list_of(value)
        .iter()
        .flat_map(|text| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
        .collect()
}

/// `triggers`, also as real skills have it below `metadata`: a list, or text with commas.
fn triggers_of(front: &Frontmatter, metadata: Option<&Mapping>) -> Vec<String> {
    let mut all = front.triggers.clone();
    if let Some(value) = metadata.and_then(|map| map.get("triggers")) {
        all.extend(list_of(value).iter().flat_map(|text| text.split(',').map(|part| part.trim().to_owned())));
    }
    all.retain(|text| !text.is_empty());
    let mut seen = std::collections::BTreeSet::new();
    all.retain(|text| seen.insert(text.to_lowercase()));
    all
}

/// `requires` at the top, below `metadata` and below whichever agent's name in it.
fn readiness_of(extra: &Mapping, metadata: Option<&Mapping>) -> Readiness {
    let mut all = Readiness::default();
    add_readiness(extra, &mut all);
    if let Some(metadata) = metadata {
        add_readiness(metadata, &mut all);
        metadata.values().filter_map(Value::as_mapping).for_each(|below| add_readiness(below, &mut all));
    }
    for list in [&mut all.bins, &mut all.any_bins, &mut all.env, &mut all.config, &mut all.os] {
        let mut seen = std::collections::BTreeSet::new();
        list.retain(|item| seen.insert(item.clone()));
    }
    all
}

fn add_readiness(map: &Mapping, all: &mut Readiness) {
    if let Some(os) = find_key(map, "os") {
        all.os.extend(list_of(os).into_iter().map(|name| name.to_ascii_lowercase()));
    }
    let Some(requires) = find_key(map, "requires").and_then(Value::as_mapping) else { return };
    for (key, list) in [
        ("bins", &mut all.bins),
        ("anyBins", &mut all.any_bins),
        ("env", &mut all.env),
        ("config", &mut all.config),
        ("os", &mut all.os),
    ] {
        list.extend(find_key(requires, key).map(list_of).unwrap_or_default());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::listing::Limits;
    use crate::skill::{Profile, read_manifest};

    fn facts(block: &str) -> SkillFacts {
        let text = format!("---\nname: x\ndescription: Reads a thing. Use when asked.\n{block}---\n\nbody\n");
        let read =
            read_manifest("SKILL.md", Some("x"), text.as_bytes(), Profile::Install, &Limits::default());
        SkillFacts::of(&read.frontmatter.unwrap())
    }

    #[test]
    fn the_keys_of_agents_are_read_in_each_spelling() {
        let all = facts(
            "when-to-use: At night.\nuser-invocable: false\ndisallowed-tools: Bash(rm:*), Write\n\
             arguments: [file, mode]\ndisable-model-invocation: true\nmode: true\nallowed-tools: Read Grep\n",
        );
        assert_eq!(all.when_to_use.as_deref(), Some("At night."));
        assert!(!all.user_invocable && all.disable_model_invocation && all.mode);
        assert_eq!(all.disallowed_tools, ["Bash(rm:*)", "Write"]);
        assert_eq!((all.arguments, all.allowed_tools.len()), (vec!["file".to_owned(), "mode".to_owned()], 2));
        assert!(facts("").user_invocable);
    }

    #[test]
    fn what_the_machine_must_have_is_found_wherever_it_is_written() {
        let block = "metadata:\n  version: '1.2'\n  openclaw:\n    os: [darwin, Linux]\n    requires:\n      \
                     bins: [gws]\n      anyBins: [a, b]\n      env: [TOKEN]\n";
        let all = facts(block);
        assert_eq!(all.version.as_deref(), Some("1.2"));
        assert_eq!(all.requires.bins, ["gws"]);
        assert_eq!((all.requires.any_bins.len(), all.requires.env.len()), (2, 1));
        assert_eq!(all.requires.os, ["darwin", "linux"]);
        let plain = facts("metadata:\n  requires:\n    bins: git\nrequires:\n  bins: [git, gh]\n");
        assert_eq!(plain.requires.bins, ["git", "gh"]);
        assert!(facts("requires: [other-skill]\n").requires.is_empty());
    }

    #[test]
    fn triggers_stand_at_the_top_or_below_metadata() {
        let all = facts("triggers: [PDF, forms]\nmetadata:\n  triggers: pdf, tables\n");
        assert_eq!(all.triggers, ["PDF", "forms", "tables"]);
    }
}
