//! What a skill is given and denied while it is active, and what several at once add up to.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_yaml::{Mapping, Value};

use crate::agents::Agent;
use crate::skill::{Frontmatter, split_tools};

use super::tool_names::translate_tool;

/// What changes for the model while a skill is active.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ContextModifier {
    /// Tools that may be used without a question.
    pub allowed_tools: Vec<String>,
    pub disallowed_tools: Vec<String>,
    pub model: Option<String>,
    /// Only a person starts the skill.
    pub disable_model_invocation: bool,
    /// What must not be done, for instance `rm -rf`.
    pub forbidden_operations: Vec<String>,
    /// What a person is asked about first, for instance `shell_exec`.
    pub require_approval: Vec<String>,
    pub resource_limits: ResourceLimits,
}

/// What the scripts of a skill may use; passed on to whoever runs them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ResourceLimits {
    /// For instance `30s`.
    pub max_cpu_time: Option<String>,
    /// For instance `512MB`.
    pub max_memory: Option<String>,
    pub max_disk_io: Option<String>,
}

/// What the settings say of one skill.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PermissionRules<'a> {
    /// The tools that the user gives the skill, by operation or by name, whatever it asks for
    /// itself; `None`: what it asks for.
    pub allowed_tools: Option<&'a [String]>,
    /// Of those that count, the only ones that stay.
    pub narrowed_to: Option<&'a [String]>,
    pub forbidden_operations: &'a [String],
    pub require_approval: &'a [String],
    pub resource_limits: ResourceLimits,
}

impl ContextModifier {
    /// What a skill asks for and says of itself, in the words of `agent` for tools.
    pub fn of(front: &Frontmatter, agent: Option<&Agent>) -> Self {
        let list = |key: &str| find_value(front, key).map(list_of).unwrap_or_default();
        let tools = |names: &[String]| translate_tools(names, agent);
        let disallowed: Vec<String> =
            list("disallowed_tools").iter().flat_map(|text| split_tools(text)).collect();
        Self {
            allowed_tools: tools(&front.allowed_tools),
            disallowed_tools: tools(&disallowed),
            model: front.model.clone().filter(|model| !model.is_empty()),
            disable_model_invocation: front.disable_model_invocation,
            forbidden_operations: list("forbidden_operations"),
            require_approval: list("require_approval"),
            resource_limits: find_value(front, "resource_limits").map(limits_of).unwrap_or_default(),
        }
    }

    /// The same under the rules of the settings: the user's word goes before the skill's own, and
    /// everything else takes away.
    #[must_use]
    pub fn under(mut self, rules: &PermissionRules<'_>, agent: Option<&Agent>) -> Self {
        if let Some(allowed) = rules.allowed_tools {
            self.allowed_tools = translate_tools(allowed, agent);
        }
        if let Some(allowed) = rules.narrowed_to {
            let allowed = translate_tools(allowed, agent);
            self.allowed_tools.retain(|tool| allowed.iter().any(|wide| covers_tool(wide, tool)));
        }
        add_new(&mut self.forbidden_operations, rules.forbidden_operations);
        add_new(&mut self.require_approval, rules.require_approval);
        self.resource_limits = self.resource_limits.narrowed_by(&rules.resource_limits);
        self
    }

    /// What holds while this skill and `other`, which was activated later, are both active: the
    /// tools of both, everything that either forbids, the narrowest limits, the later model.
    #[must_use]
    pub fn joined_with(mut self, other: &Self) -> Self {
        add_new(&mut self.allowed_tools, &other.allowed_tools);
        add_new(&mut self.disallowed_tools, &other.disallowed_tools);
        add_new(&mut self.forbidden_operations, &other.forbidden_operations);
        add_new(&mut self.require_approval, &other.require_approval);
        self.model = other.model.clone().or(self.model);
        self.disable_model_invocation |= other.disable_model_invocation;
        self.resource_limits = self.resource_limits.narrowed_by(&other.resource_limits);
        self
    }

    /// True where a host is told of tools or a model.
    pub fn asks_for_something(&self) -> bool {
        !self.allowed_tools.is_empty() || self.model.is_some()
    }
}

impl ResourceLimits {
    /// The narrower of each limit.
    #[must_use]
    pub fn narrowed_by(self, other: &Self) -> Self {
        Self {
            max_cpu_time: narrower(self.max_cpu_time, other.max_cpu_time.as_deref(), parse_seconds),
            max_memory: narrower(self.max_memory, other.max_memory.as_deref(), parse_bytes),
            max_disk_io: narrower(self.max_disk_io, other.max_disk_io.as_deref(), parse_bytes),
        }
    }
}

fn translate_tools(names: &[String], agent: Option<&Agent>) -> Vec<String> {
    let mut tools = Vec::new();
    for name in names {
        add_new(&mut tools, &translate_tool(name, agent));
    }
    tools
}

fn add_new(list: &mut Vec<String>, more: &[String]) {
    let mut known: BTreeSet<String> = list.iter().cloned().collect();
    list.extend(more.iter().filter(|item| known.insert((*item).clone())).cloned());
}

/// True where a grant of `wide` includes one of `tool`: the same, or the whole tool of which
/// `tool` is a part, `Bash` of `Bash(git:*)`.
fn covers_tool(wide: &str, tool: &str) -> bool {
    wide == tool || wide == "*" || tool.split_once('(').is_some_and(|(name, _)| name == wide)
}

/// The smaller of two amounts; of one that cannot be read nothing is known, so the other counts.
fn narrower(one: Option<String>, other: Option<&str>, parse: fn(&str) -> Option<f64>) -> Option<String> {
    let (Some(first), Some(second)) = (&one, other) else {
        return one.or_else(|| other.map(str::to_owned));
    };
    let takes_second = match (parse(first), parse(second)) {
        (Some(first), Some(second)) => second < first,
        (None, Some(_)) => true,
        _ => false,
    };
    if takes_second { Some(second.to_owned()) } else { one }
}

fn parse_amount(text: &str, units: &[(&str, f64)]) -> Option<f64> {
    let text = text.trim();
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic() || c == ' ');
    let unit = text.get(digits.len()..)?.trim().to_ascii_lowercase();
    let factor = units.iter().find(|(name, _)| *name == unit)?.1;
    digits.parse::<f64>().ok().filter(|amount| amount.is_finite() && *amount >= 0.0).map(|n| n * factor)
}

fn parse_seconds(text: &str) -> Option<f64> {
    let units =
        [("ms", 0.001), ("s", 1.0), ("", 1.0), ("sec", 1.0), ("m", 60.0), ("min", 60.0), ("h", 3_600.0)];
    parse_amount(text, &units)
}

fn parse_bytes(text: &str) -> Option<f64> {
    const KIB: f64 = 1_024.0;
    let units = [
        ("", 1.0),
        ("b", 1.0),
        ("k", KIB),
        ("kb", 1e3),
        ("kib", KIB),
        ("m", KIB * KIB),
        ("mb", 1e6),
        ("mib", KIB * KIB),
        ("g", KIB * KIB * KIB),
        ("gb", 1e9),
        ("gib", KIB * KIB * KIB),
    ];
    parse_amount(text, &units)
}

/// A key that only hosts read, in any of its spellings, at the top of a frontmatter, below
/// `permissions` or below `metadata`.
pub(super) fn find_value<'f>(front: &'f Frontmatter, wanted: &str) -> Option<&'f Value> {
    let at = |map: &'f Mapping, wanted: &str| {
        let letters = |text: &str| text.replace(['-', '_'], "").to_ascii_lowercase();
        let is_it = |key: &Value| key.as_str().is_some_and(|key| letters(key) == letters(wanted));
        map.iter().find(|(key, _)| is_it(key)).map(|(_, value)| value)
    };
    let below = |key: &str| at(&front.extra, key).and_then(Value::as_mapping).and_then(|map| at(map, wanted));
    let metadata = || front.metadata.as_ref().and_then(Value::as_mapping).and_then(|map| at(map, wanted));
    at(&front.extra, wanted).or_else(|| below("permissions")).or_else(metadata)
}

/// A list of texts; text alone is split at commas.
fn list_of(value: &Value) -> Vec<String> {
    let trimmed = |text: &str| Some(text.trim().to_owned()).filter(|text| !text.is_empty());
    match value {
        Value::Sequence(items) => items.iter().filter_map(Value::as_str).filter_map(trimmed).collect(),
        Value::String(text) => text.split(',').filter_map(trimmed).collect(),
        _ => Vec::new(),
    }
}

fn limits_of(value: &Value) -> ResourceLimits {
    let text = |key: &str| match value.get(key)? {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    };
    ResourceLimits {
        max_cpu_time: text("max_cpu_time"),
        max_memory: text("max_memory"),
        max_disk_io: text("max_disk_io"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::listing::Limits;
    use crate::skill::{Profile, read_manifest};

    fn modifier(lines: &str) -> ContextModifier {
        let text = format!("---\nname: x\ndescription: d d d d d d d d d d\n{lines}---\nbody\n");
        let read = read_manifest("SKILL.md", None, text.as_bytes(), Profile::Install, &Limits::default());
        ContextModifier::of(&read.frontmatter.unwrap(), None)
    }

    fn words(words: &[&str]) -> Vec<String> {
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    #[test]
    fn a_skill_says_what_it_asks_for_and_what_is_forbidden() {
        let read = modifier(
            "allowed-tools: Read, Bash(git:*)\ndisallowed-tools: [WebFetch, Write]\nmodel: haiku\n\
             disable-model-invocation: true\nforbidden_operations: [\"rm -rf\"]\nrequire-approval: shell_exec, git\n\
             resource_limits: {max_cpu_time: 30s, max_memory: 512MB}\n",
        );
        assert_eq!(read.allowed_tools, ["Read", "Bash(git:*)"]);
        assert_eq!(read.disallowed_tools, ["WebFetch", "Write"]);
        assert_eq!(read.model.as_deref(), Some("haiku"));
        assert!(read.disable_model_invocation);
        assert_eq!(read.forbidden_operations, ["rm -rf"]);
        assert_eq!(read.require_approval, ["shell_exec", "git"]);
        assert_eq!(read.resource_limits.max_cpu_time.as_deref(), Some("30s"));
        assert_eq!(read.resource_limits.max_disk_io, None);
        let below = modifier("permissions: {forbidden_operations: [a]}\nmetadata: {require_approval: [b]}\n");
        assert_eq!((below.forbidden_operations, below.require_approval), (words(&["a"]), words(&["b"])));
        let keys = "forbidden_operations: [a]\nrequire-approval: [b]\nresource_limits: {max_memory: 1MB}\npermissions: {}\n";
        let text = format!("---\nname: x\ndescription: d d d d d d d d d d\n{keys}---\nbody\n");
        let linted = read_manifest("SKILL.md", None, text.as_bytes(), Profile::Lint, &Limits::default());
        let is_known = linted.findings.iter().all(|finding| finding.code != "key-unknown");
        assert!(is_known, "{:?}", linted.findings);
        assert!(!modifier("").asks_for_something() && read.asks_for_something());
    }

    #[test]
    fn a_user_gives_and_a_project_takes_away() {
        let asked = ContextModifier {
            allowed_tools: words(&["Read", "Bash(git:*)", "Bash(rm:*)", "Write"]),
            resource_limits: ResourceLimits { max_memory: Some("1GB".into()), ..ResourceLimits::default() },
            ..ContextModifier::default()
        };
        let (allowed, forbidden) = (words(&["file_read", "git", "http_get"]), words(&["rm -rf"]));
        let rules = PermissionRules {
            allowed_tools: None,
            narrowed_to: Some(&allowed),
            forbidden_operations: &forbidden,
            require_approval: &[],
            resource_limits: ResourceLimits { max_memory: Some("512MB".into()), ..ResourceLimits::default() },
        };
        let given = asked.clone().under(&rules, None);
        assert_eq!(given.allowed_tools, ["Read", "Bash(git:*)"]);
        assert_eq!(given.forbidden_operations, ["rm -rf"]);
        assert_eq!(given.resource_limits.max_memory.as_deref(), Some("512MB"));
        let whole = words(&["shell_exec"]);
        let rules = PermissionRules { narrowed_to: Some(&whole), ..PermissionRules::default() };
        assert_eq!(asked.clone().under(&rules, None).allowed_tools, ["Bash(git:*)", "Bash(rm:*)"]);
        assert_eq!(asked.clone().under(&PermissionRules::default(), None), asked);
        // Nothing is granted that the skill did not ask for, but by the user.
        assert!(ContextModifier::default().under(&rules, None).allowed_tools.is_empty());
        let given = PermissionRules { allowed_tools: Some(&allowed), ..PermissionRules::default() };
        assert_eq!(asked.under(&given, None).allowed_tools, ["Read", "Bash(git:*)", "WebFetch"]);
    }

    #[test]
    fn several_skills_add_up() {
        let one = ContextModifier {
            allowed_tools: words(&["Read", "Bash"]),
            forbidden_operations: words(&["rm -rf"]),
            model: Some("haiku".into()),
            resource_limits: ResourceLimits {
                max_cpu_time: Some("1m".into()),
                max_memory: Some("512MB".into()),
                max_disk_io: None,
            },
            ..ContextModifier::default()
        };
        let two = ContextModifier {
            allowed_tools: words(&["Bash", "Write"]),
            require_approval: words(&["git"]),
            disable_model_invocation: true,
            resource_limits: ResourceLimits {
                max_cpu_time: Some("90s".into()),
                max_memory: Some("1GiB".into()),
                max_disk_io: Some("100MB".into()),
            },
            ..ContextModifier::default()
        };
        let both = one.joined_with(&two);
        assert_eq!(both.allowed_tools, ["Read", "Bash", "Write"]);
        assert_eq!((both.forbidden_operations, both.require_approval), (words(&["rm -rf"]), words(&["git"])));
        assert_eq!(both.model.as_deref(), Some("haiku"));
        assert!(both.disable_model_invocation);
        let limits = both.resource_limits;
        assert_eq!(limits.max_cpu_time.as_deref(), Some("1m"));
        assert_eq!(limits.max_memory.as_deref(), Some("512MB"));
        assert_eq!(limits.max_disk_io.as_deref(), Some("100MB"));
    }

    #[test]
    fn amounts_are_compared_by_what_they_mean() {
        let check = |one: &str, other: &str, expected: &str| {
            let narrowed = |a: &str, b: &str| narrower(Some(a.to_owned()), Some(b), parse_bytes).unwrap();
            assert_eq!((narrowed(one, other), narrowed(other, one)), (expected.into(), expected.into()));
        };
        check("1GB", "999MB", "999MB");
        check("1MiB", "1MB", "1MB");
        check("2 k", "3000", "2 k");
        check("a lot", "1MB", "1MB");
        assert_eq!(parse_seconds("500ms"), Some(0.5));
        assert_eq!((parse_seconds("-1s"), parse_seconds("1x"), parse_seconds("")), (None, None, None));
    }
}
