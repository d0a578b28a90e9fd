//! The keys of a frontmatter and what each may hold.

use serde::Serialize;
use serde_yaml::{Mapping, Value};

use crate::path::RelPath;
use crate::text::find_nearest;

use super::rules::{self, Findings, Position, Profile, short_excerpt};
use super::yaml::{Data, Yaml};
use super::{name, tools};

/// What a `SKILL.md` says of its skill, as it says it: nothing here is checked for
/// use as a path or command. Absent, null and unreadable values are `None` or empty.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Frontmatter {
    /// As written; may be any text. [`super::given_name`] makes a name of it.
    pub name: Option<String>,
    /// Empty only beside an error finding.
    pub description: String,
    pub(crate) license: Option<String>,
    pub(crate) compatibility: Option<String>,
    /// A map when the skill is sound; kept as it is, since nobody agrees on its values.
    pub(crate) metadata: Option<Value>,
    pub allowed_tools: Vec<String>,
    /// A label of the author's; never an identity (it often lags behind).
    pub version: Option<String>,
    pub(crate) display_name: Option<String>,
    pub category: Option<String>,
    pub(crate) author: Option<String>,
    /// A relative path below the skill, checked as [`RelPath`] is.
    pub(crate) entrypoint: Option<String>,
    /// The function of the entry point; absent means `main`.
    pub(crate) function: Option<String>,
    pub(crate) requirements: Vec<String>,
    pub(crate) model: Option<String>,
    pub(crate) disable_model_invocation: bool,
    /// A mode command, listed first.
    pub(crate) mode: bool,
    pub tags: Vec<String>,
    pub(crate) examples: Vec<String>,
    pub triggers: Vec<String>,
    pub(crate) dependencies: Vec<Dependency>,
    /// True when the skill brings hooks, which some agents run.
    pub hooks: bool,
    /// Keys that we do not read, as they were written.
    pub(crate) extra: Mapping,
}

/// Another skill that this one wants.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Dependency {
    /// As written under `skill` or `name`.
    pub(crate) skill: String,
    /// A semver range; checked.
    pub(crate) version: Option<String>,
    pub(crate) source: Option<String>,
}

/// The open specification's keys; an upload accepts no other.
const SPEC_KEYS: &[&str] = &["name", "description", "license", "compatibility", "metadata", "allowed_tools"];
/// Keys of ours that the open specification does not know.
const OUR_KEYS: &[&str] = &[
    "version",
    "display_name",
    "category",
    "author",
    "entrypoint",
    "function",
    "requirements",
    "model",
    "disable_model_invocation",
    "mode",
    "tags",
    "examples",
    "triggers",
    "dependencies",
    "forbidden_operations",
    "hooks",
    "permissions",
    "require_approval",
    "resource_limits",
];
/// Keys that Claude Code documents (frontmatter reference, August 2026) and we keep unread.
const AGENT_KEYS: &[&str] = &[
    "when_to_use",
    "argument_hint",
    "arguments",
    "user_invocable",
    "disallowed_tools",
    "effort",
    "context",
    "agent",
    "background",
    "paths",
    "shell",
    "default_enabled",
    "fallback",
];
/// Code points of a description (open specification: 1-1024).
const MAX_DESCRIPTION: usize = 1024;
/// Below this a description says what or when, but hardly both.
const SHORT_DESCRIPTION: usize = 20;
/// Code points of `compatibility` (open specification: 1-500).
const MAX_COMPATIBILITY: usize = 500;

/// Reads the keys of `pairs`. `folder` is the name of the folder that the manifest
/// stands in, where that is known.
pub(super) fn read_frontmatter(
    pairs: &[(Yaml, Yaml)],
    folder: Option<&str>,
    profile: Profile,
    findings: &mut Findings,
) -> Frontmatter {
    let mut reader =
        FrontmatterReader { front: Frontmatter::default(), findings, seen: Vec::new(), description: false };
    for (key, value) in pairs {
        reader.read_key(key, value);
    }
    reader.report_missing(folder, pairs, profile);
    reader.front
}

/// The one spelling of a key: `allowed-tools`, `allowed_tools` and `allowedTools`
/// are one. `None` for a key that begins with a capital, which no agent reads.
pub(crate) fn canonical_key(key: &str) -> Option<String> {
    if key.starts_with(|c: char| c.is_ascii_uppercase()) {
        return None;
    }
    let mut out = String::with_capacity(key.len() + 2);
    for c in key.chars() {
        match c {
            '-' => out.push('_'),
            'A'..='Z' => {
                out.push('_');
                out.push(c.to_ascii_lowercase());
            }
            c => out.push(c),
        }
    }
    Some(out)
}

struct FrontmatterReader<'a> {
    front: Frontmatter,
    findings: &'a mut Findings,
    /// Canonical keys, as they were written, with their lines.
    seen: Vec<(String, String, usize)>,
    /// True when something, right or wrong, was said under `description`.
    description: bool,
}

impl FrontmatterReader<'_> {
    fn read_key(&mut self, key: &Yaml, value: &Yaml) {
        let written = key.key_text();
        let known = canonical_key(&written).filter(|canonical| is_known(canonical));
        let Some(canonical) = known else {
            self.report_unknown_key(key, &written);
            self.front.extra.insert(Value::String(written), value.to_value());
            return;
        };
        // The very same spelling was found when the tree was built.
        let other = |(seen, spelled, _): &&(String, String, usize)| *seen == canonical && *spelled != written;
        if let Some((.., line)) = self.seen.iter().find(other) {
            let message = format!("`{written}` is another spelling of a key on line {line}");
            self.findings.add_finding(rules::DUPLICATE_KEY, key.at, message, "keep one of the two");
        }
        self.check_portable_key(key, &canonical, &written);
        self.read_value(&canonical, &written, value);
        self.seen.push((canonical, written, key.at.line));
    }

    fn check_portable_key(&mut self, key: &Yaml, canonical: &str, written: &str) {
        if !SPEC_KEYS.contains(&canonical) {
            let message = format!("`{written}` is not a key of the open specification");
            let help = "some agents read it; an upload refuses it: `metadata` is the place for more";
            self.findings.add_finding(rules::KEY_NOT_PORTABLE, key.at, message, help);
        }
    }

    fn report_unknown_key(&mut self, key: &Yaml, written: &str) {
        let folded = canonical_key(&written.to_lowercase()).unwrap_or_default();
        let known = SPEC_KEYS.iter().chain(OUR_KEYS).chain(AGENT_KEYS).copied();
        let help = match find_nearest(&short_excerpt(&folded, 40), known) {
            Some(known) => format!("did you mean `{}`?", known.replace('_', "-")),
            None => "no known agent reads it; put it below `metadata`".to_owned(),
        };
        let message = format!("unknown key `{}`", short_excerpt(written, 60));
        self.findings.add_finding(rules::KEY_UNKNOWN, key.at, message, help);
    }

    fn read_value(&mut self, canonical: &str, key: &str, value: &Yaml) {
        match canonical {
            "name" => self.read_name(value),
            "description" => self.read_description(value),
            "license" => self.front.license = self.read_text(key, value),
            "compatibility" => self.read_compatibility(value),
            "metadata" => self.read_metadata(value),
            "allowed_tools" => self.front.allowed_tools = tools::read_tools(value, self.findings),
            "version" => self.front.version = self.read_text(key, value),
            "display_name" => self.front.display_name = self.read_text(key, value),
            "category" => self.front.category = self.read_text(key, value),
            "author" => self.front.author = self.read_text(key, value),
            "entrypoint" => self.read_entrypoint(key, value),
            "function" => self.front.function = self.read_text(key, value),
            "requirements" => self.front.requirements = self.read_list(key, value, true),
            "model" => self.front.model = self.read_text(key, value),
            "disable_model_invocation" => self.front.disable_model_invocation = self.read_flag(key, value),
            "mode" => self.front.mode = self.read_flag(key, value),
            "tags" => self.front.tags = self.read_list(key, value, true),
            "examples" => self.front.examples = self.read_list(key, value, false),
            "triggers" => self.front.triggers = self.read_list(key, value, true),
            "dependencies" => self.read_dependencies(value),
            "hooks" => self.front.hooks = !value.is_null(),
            _ => drop(self.front.extra.insert(Value::String(key.to_owned()), value.to_value())),
        }
    }

    fn report_wrong_type(&mut self, key: &str, value: &Yaml, should: &str) {
        let message = format!("`{key}` is {}, but should be {should}", value.kind());
        self.findings.add_finding(
            rules::WRONG_TYPE,
            value.at,
            message,
            format!("write {should}, or remove the key"),
        );
    }

    /// A number or boolean counts as the text it was written as.
    fn read_text(&mut self, key: &str, value: &Yaml) -> Option<String> {
        if value.as_text().is_none() && !value.is_null() {
            self.report_wrong_type(key, value, "text");
        }
        value.as_text().map(str::to_owned)
    }

    /// Claude Code takes these words, in any case, since 2.1.218.
    fn read_flag(&mut self, key: &str, value: &Yaml) -> bool {
        let word = value.as_text().unwrap_or_default().to_ascii_lowercase();
        match word.as_str() {
            "true" | "yes" | "on" | "1" => true,
            "false" | "no" | "off" | "0" => false,
            _ => {
                self.report_wrong_type(key, value, "`true` or `false`");
                false
            }
        }
    }

    /// A list of texts. Plain text is taken as one with commas between its items when
    /// `commas`, else as one item.
    fn read_list(&mut self, key: &str, value: &Yaml, commas: bool) -> Vec<String> {
        match &value.data {
            Data::List(items) => {
                for item in items.iter().filter(|item| item.as_text().is_none()) {
                    self.report_wrong_type(&format!("an item of {key}"), item, "text");
                }
                items.iter().filter_map(Yaml::as_text).map(str::to_owned).collect()
            }
            Data::Scalar { text, .. } if !value.is_null() => {
                let message = format!("`{key}` is text, but should be a list");
                self.findings.add_finding(
                    rules::LIST_AS_TEXT,
                    value.at,
                    message,
                    "write one item per line, each after `- `",
                );
                let split = text.split(if commas { ',' } else { '\0' });
                split.map(|item| item.trim().to_owned()).filter(|item| !item.is_empty()).collect()
            }
            Data::Scalar { .. } => Vec::new(),
            Data::Map(_) => {
                self.report_wrong_type(key, value, "a list of texts");
                Vec::new()
            }
        }
    }

    fn read_name(&mut self, value: &Yaml) {
        if !matches!(value.data, Data::Scalar { .. }) {
            let message = format!("`name` must be text, but is {}", value.kind());
            let help = "a name has a-z, 0-9 and `-`; is this a template that was never filled in?";
            self.findings.add_finding(rules::NAME_TYPE, value.at, message, help);
            // Not missing as well.
            self.front.name = Some(String::new());
            return;
        }
        let Some(text) = value.as_text() else { return };
        self.front.name = Some(text.to_owned());
        if let Some(reason) = name::portable_fault(text) {
            let help =
                match name::SkillName::nearest_to(text).filter(|slug| slug.portability_fault().is_none()) {
                    Some(slug) => format!("write `name: {slug}` and name the folder so"),
                    None => "a name has 1-64 of a-z, 0-9 and `-`".to_owned(),
                };
            let message = format!("the name `{}` {reason}", short_excerpt(text, 80));
            self.findings.add_finding(rules::NAME_INVALID, value.at, message, help);
        }
        if value.reads_as_other_type() {
            let message = format!("`name: {text}` is not text to every YAML reader");
            self.findings.add_finding(
                rules::NAME_PLAIN,
                value.at,
                message,
                format!("write `name: \"{text}\"`"),
            );
        }
        if let Some(word) = ["anthropic", "claude"].iter().find(|word| text.to_lowercase().contains(**word)) {
            let message = format!("the name contains the reserved word `{word}`");
            self.findings.add_finding(rules::NAME_RESERVED, value.at, message, "choose a name without it");
        }
        self.check_brackets("name", text, value.at);
    }

    /// An upload refuses XML tags, and its own checker every `<` and `>`.
    fn check_brackets(&mut self, key: &str, text: &str, at: Position) {
        if text.contains(['<', '>']) {
            let message = format!("`{key}` contains `<` or `>`");
            self.findings.add_finding(rules::ANGLE_BRACKETS, at, message, "write it in words");
        }
    }

    fn read_description(&mut self, value: &Yaml) {
        self.description = true;
        if !matches!(value.data, Data::Scalar { .. }) {
            let message = format!("`description` must be text, but is {}", value.kind());
            self.findings.add_finding(
                rules::DESCRIPTION_TYPE,
                value.at,
                message,
                "write what the skill does and when to use it",
            );
            return;
        }
        let text = value.as_text().unwrap_or_default().trim();
        self.front.description = text.to_owned();
        // Measured before trimming, in code points, as the reference validator does.
        let length = value.as_text().unwrap_or_default().chars().count();
        let help = "say what the skill does and when to use it";
        if text.is_empty() {
            self.findings.add_finding(rules::DESCRIPTION_MISSING, value.at, "`description` is empty", help);
        } else if length > MAX_DESCRIPTION {
            let message = format!(
                "`description` has {length} characters: the open specification allows {MAX_DESCRIPTION}"
            );
            self.findings.add_finding(
                rules::DESCRIPTION_LONG,
                value.at,
                message,
                "move details into the body",
            );
        } else if length < SHORT_DESCRIPTION {
            self.findings.add_finding(
                rules::DESCRIPTION_SHORT,
                value.at,
                format!("`description` has only {length} characters"),
                help,
            );
        }
        if let Some(c) = super::hidden::hidden_character(text) {
            let message = format!("`description` contains the hidden character U+{:04X}", u32::from(c));
            let help = format!("remove it, or install with `--allow {}`", rules::HIDDEN_DESCRIPTION.code);
            self.findings.add_finding(rules::HIDDEN_DESCRIPTION, value.at, message, help);
        }
        self.check_brackets("description", text, value.at);
    }

    fn read_compatibility(&mut self, value: &Yaml) {
        let length = value.as_text().map_or(0, |text| text.chars().count());
        if (1..=MAX_COMPATIBILITY).contains(&length) {
            self.front.compatibility = value.as_text().map(str::to_owned);
            return;
        }
        let message = match value.as_text() {
            Some(_) if length > 0 => {
                format!("`compatibility` has {length} characters; the limit is {MAX_COMPATIBILITY}")
            }
            Some(_) => "`compatibility` is empty".to_owned(),
            None => format!("`compatibility` is {}, but should be text", value.kind()),
        };
        self.findings.add_finding(
            rules::COMPATIBILITY,
            value.at,
            message,
            "write one short sentence, or remove the key",
        );
    }

    fn read_metadata(&mut self, value: &Yaml) {
        let Data::Map(pairs) = &value.data else {
            let message = format!("`metadata` is {}, but should be a map", value.kind());
            self.findings.add_finding(
                rules::METADATA_TYPE,
                value.at,
                message,
                "write `key: value` lines below it, or remove the key",
            );
            return;
        };
        self.front.metadata = Some(value.to_value());
        let mut odd = pairs.iter().filter(|(_, value)| !matches!(value.to_value(), Value::String(_)));
        if let Some((key, value)) = odd.next() {
            let more = match odd.count() {
                0 => String::new(),
                n => format!(" (and {n} more)"),
            };
            let message = format!("`metadata.{}` is not text{more}", short_excerpt(&key.key_text(), 60));
            let help = "the open specification has text as values: quote numbers and booleans";
            self.findings.add_finding(rules::METADATA_VALUES, value.at, message, help);
        }
    }

    fn read_entrypoint(&mut self, key: &str, value: &Yaml) {
        let Some(path) = self.read_text(key, value) else { return };
        match RelPath::parse(path.strip_prefix("./").unwrap_or(&path).as_bytes()) {
            Ok(path) => self.front.entrypoint = Some(path.as_str().to_owned()),
            Err(reason) => {
                let message = format!("the entry point `{}` {reason}", short_excerpt(&path, 80));
                self.findings.add_finding(
                    rules::ENTRYPOINT,
                    value.at,
                    message,
                    "write a path below the skill, as `scripts/main.py`",
                );
            }
        }
    }

    fn read_dependencies(&mut self, value: &Yaml) {
        if value.is_null() {
            return;
        }
        let Data::List(items) = &value.data else {
            self.dependency_fault(value, format!("`dependencies` is {}, but should be a list", value.kind()));
            return;
        };
        let mut told = false;
        for item in items {
            match parse_dependency(item) {
                Ok(dependency) => self.front.dependencies.push(dependency),
                // Lists of a hundred packages are real: one finding is enough.
                Err(message) if !told => {
                    told = true;
                    self.dependency_fault(item, message);
                }
                Err(_) => {}
            }
        }
    }

    fn dependency_fault(&mut self, value: &Yaml, message: String) {
        let help =
            "write `- skill: NAME` and below it `version: RANGE`; packages belong under `requirements`";
        self.findings.add_finding(rules::DEPENDENCIES, value.at, message, help);
    }

    /// What should have been said and was not.
    fn report_missing(&mut self, folder: Option<&str>, pairs: &[(Yaml, Yaml)], profile: Profile) {
        if !self.description {
            let stray = pairs.iter().map(|(key, _)| key.key_text()).find(|key| {
                matches!(key.to_lowercase().as_str(), "summary" | "desc" | "about" | "description")
            });
            let help = match stray {
                Some(key) => format!("agents do not read `{key}`: rename it to `description`"),
                None => "add `description:` with what the skill does and when to use it".to_owned(),
            };
            self.findings.add_finding(
                rules::DESCRIPTION_MISSING,
                Position::at_line(1),
                "`description` is missing",
                help,
            );
        }
        match self.front.name.take() {
            None => {
                let help = match folder {
                    Some(folder) if profile != Profile::Install => format!("add `name: {folder}`"),
                    _ => "the name of the folder is used".to_owned(),
                };
                self.findings.add_finding(
                    rules::NAME_MISSING,
                    Position::at_line(1),
                    "`name` is missing",
                    help,
                );
            }
            Some(name) if name.is_empty() => {}
            Some(name) => {
                self.check_folder_name(&name, folder, pairs);
                self.front.name = Some(name);
            }
        }
    }

    fn check_folder_name(&mut self, name: &str, folder: Option<&str>, pairs: &[(Yaml, Yaml)]) {
        let Some(folder) = folder.filter(|folder| *folder != name) else { return };
        let at = pairs
            .iter()
            .rfind(|(key, _)| key.key_text() == "name")
            .map_or(Position::START, |(_, value)| value.at);
        let message = format!("the name `{}` is not that of the folder, `{folder}`", short_excerpt(name, 80));
        self.findings.add_finding(rules::NAME_FOLDER, at, message, "give both the same name");
    }
}

fn is_known(canonical: &str) -> bool {
    SPEC_KEYS.contains(&canonical) || OUR_KEYS.contains(&canonical) || AGENT_KEYS.contains(&canonical)
}

fn parse_dependency(item: &Yaml) -> Result<Dependency, String> {
    let Data::Map(pairs) = &item.data else {
        return Err(format!("a dependency is {}, but should be a map", item.kind()));
    };
    let get = |wanted: &str| {
        let found = pairs.iter().find(|(key, _)| key.as_text() == Some(wanted));
        found.and_then(|(_, value)| value.as_text()).map(str::to_owned)
    };
    let skill = get("skill").or_else(|| get("name")).ok_or("a dependency has no skill name")?;
    let version = get("version");
    if let Some(range) = &version
        && let Err(error) = semver::VersionReq::parse(range)
    {
        return Err(format!("`{}` is not a valid version range: {error}", short_excerpt(range, 60)));
    }
    Ok(Dependency { skill, version, source: get("source") })
}
