//! One reader for use and for `validate`: it makes what can be made, and notes the rest.

use std::collections::{BTreeMap, BTreeSet};

use super::rules::{self, Rule};
use super::source::{self, EntrySource, clean_path};
use super::{Catalogue, Dialect, MAX_BYTES, Manner, Plugin};
use crate::error::printable;
use crate::json::{Json, Key, Lines};
use crate::skill::{Finding, Severity};

/// Names that Anthropic keeps for its own marketplaces, as its documentation lists them
/// (November 2026).
const RESERVED: [&str; 16] = [
    "agent-skills",
    "anthropic-agent-skills",
    "anthropic-marketplace",
    "anthropic-plugins",
    "claude-code-marketplace",
    "claude-code-plugins",
    "claude-community",
    "claude-for-financial-services",
    "claude-for-legal",
    "claude-plugins-community",
    "claude-plugins-official",
    "financial-services-plugins",
    "first-party-plugins",
    "healthcare",
    "knowledge-work-plugins",
    "life-sciences",
];

/// True for a name that is kept for marketplaces of Anthropic, and for one that looks like
/// those: its clients refuse `official-claude-plugins` and `anthropic-plugins-v2` too.
pub(super) fn is_reserved(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let alike = name.contains("anthropic") || (name.contains("claude") && name.contains("official"));
    alike || RESERVED.contains(&name.as_str())
}

const TOP_KEYS: [&str; 11] = [
    "$schema",
    "name",
    "owner",
    "description",
    "version",
    "metadata",
    "plugins",
    "renames",
    "allowCrossMarketplaceDependenciesOn",
    "forceRemoveDeletedPlugins",
    "interface",
];

const ENTRY_KEYS: [&str; 26] = [
    "name",
    "source",
    "displayName",
    "description",
    "version",
    "author",
    "homepage",
    "repository",
    "license",
    "keywords",
    "metadata",
    "category",
    "tags",
    "strict",
    "relevance",
    "defaultEnabled",
    "dependencies",
    "skills",
    "policy",
    "interface",
    "ref",
    "sha",
    "outputStyles",
    "userConfig",
    "channels",
    "experimental",
];

/// Parts that an entry or a plugin may have beside skills.
pub(super) const PARTS: [&str; 7] =
    ["agents", "commands", "hooks", "mcpServers", "lspServers", "outputStyles", "workflows"];

/// Collects findings about one file.
pub(super) struct Reader<'a> {
    file: String,
    lines: Lines<'a>,
    pub(super) findings: Vec<Finding>,
    pub(super) manner: Manner,
    /// Whether a path from the marketplace's root is a folder; `None` where only the text is
    /// known.
    is_folder: Option<&'a dyn Fn(&str) -> bool>,
    /// What is only to be mended is not noted: of 100,000 entries that would be 50 MB.
    errors_only: bool,
}

impl<'a> Reader<'a> {
    pub(super) fn new(text: &'a str, file: &str, manner: Manner) -> Self {
        let file = printable(file, false);
        Self {
            file,
            lines: Lines::of(text),
            findings: Vec::new(),
            manner,
            is_folder: None,
            errors_only: false,
        }
    }

    /// Notes a break of `rule` at a byte of the text.
    pub(super) fn say(&mut self, rule: Rule, offset: usize, message: impl AsRef<str>, help: impl AsRef<str>) {
        if self.is_passed_over(rule) {
            return;
        }
        let (line, column) = self.lines.at(offset);
        self.note(rule, line, column, message.as_ref(), help.as_ref());
    }

    fn is_passed_over(&self, rule: Rule) -> bool {
        self.errors_only && rule.severity != Severity::Error && rule.code != rules::SOURCE_SHAPE.code
    }

    fn note(&mut self, rule: Rule, line: usize, column: usize, message: &str, help: &str) {
        if self.is_passed_over(rule) {
            return;
        }
        self.findings.push(Finding {
            code: rule.code,
            severity: rule.severity,
            file: self.file.clone(),
            line,
            column,
            message: printable(message, false),
            help: printable(help, false),
        });
    }

    /// The whole text as an object.
    pub(super) fn open(&mut self, text: &'a str) -> Option<Members<'a>> {
        if text.len() as u64 > MAX_BYTES {
            let message = format!("{} bytes: a catalogue may have {MAX_BYTES}", text.len());
            self.note(rules::TOO_LARGE, 1, 1, &message, "");
            return None;
        }
        match Json::parse(text) {
            Ok(json) => {
                let members = self.members(json);
                if members.is_none() {
                    self.say(
                        rules::NOT_AN_OBJECT,
                        json.offset(),
                        format!("the file is {}, not an object", json.kind()),
                        "",
                    );
                }
                members
            }
            Err(fault) => {
                self.note(
                    rules::NOT_JSON,
                    fault.line,
                    fault.column,
                    &format!("not JSON: {}", fault.message),
                    "",
                );
                None
            }
        }
    }

    /// The members of an object, a key that is there twice reported.
    pub(super) fn members(&mut self, json: Json<'a>) -> Option<Members<'a>> {
        let pairs = json.object()?;
        let mut seen = BTreeSet::new();
        for (key, _) in &pairs {
            if !seen.insert(key.text.as_ref()) {
                let message = format!("the key `{}` is there twice", key.text);
                self.say(
                    rules::KEY_DUPLICATE,
                    key.offset,
                    message,
                    "keep one of them: readers differ in which they take",
                );
            }
        }
        Some(Members { at: json.offset(), pairs })
    }

    /// Reports keys that nothing here knows.
    pub(super) fn known(&mut self, members: &Members<'a>, known: &[&str], what: &str) {
        for (key, _) in &members.pairs {
            let text = key.text.as_ref();
            if !known.contains(&text) && !PARTS.contains(&text) && !text.starts_with("x-") {
                let message = format!("{what} has the unknown key `{text}`");
                self.say(rules::KEY_UNKNOWN, key.offset, message, "it has no effect; is it misspelt?");
            }
        }
    }

    /// A text that may be absent.
    pub(super) fn text(&mut self, members: &Members<'a>, name: &str) -> Option<String> {
        let value = members.get(name)?;
        let text = value.text();
        if text.is_none() {
            self.wrong_type(value, name, "a text");
        }
        text.map(|text| text.into_owned())
    }

    pub(super) fn wrong_type(&mut self, value: Json<'a>, name: &str, wanted: &str) {
        let message = format!("`{name}` is {}, but should be {wanted}", value.kind());
        self.say(rules::WRONG_TYPE, value.offset(), message, "");
    }

    /// A list of texts that may be absent; a text alone counts as a list of one where
    /// `single` says so.
    fn texts(&mut self, members: &Members<'a>, name: &str, single: bool) -> Option<Vec<(String, usize)>> {
        let value = members.get(name)?;
        if let Some(text) = value.text().filter(|_| single) {
            return Some(vec![(text.into_owned(), value.offset())]);
        }
        let Some(items) = value.list() else {
            self.wrong_type(
                value,
                name,
                if single { "a text or a list of texts" } else { "a list of texts" },
            );
            return None;
        };
        let mut texts = Vec::new();
        for item in items {
            match item.text() {
                Some(text) => texts.push((text.into_owned(), item.offset())),
                None => self.wrong_type(item, name, "a list of texts"),
            }
        }
        Some(texts)
    }

    pub(super) fn words(&mut self, members: &Members<'a>, name: &str) -> Vec<String> {
        if let Some(value) = members.get(name).filter(|value| value.text().is_some()) {
            let message = format!("`{name}` is a text, but should be a list of texts");
            self.say(rules::LIST_EXPECTED, value.offset(), message, "some clients refuse it: write a list");
        }
        self.texts(members, name, true).unwrap_or_default().into_iter().map(|(text, _)| text).collect()
    }

    /// `skills`: paths below the plugin. Not one of them may lead out.
    pub(super) fn skill_paths(&mut self, members: &Members<'a>) -> Option<Vec<String>> {
        let value = members.get("skills")?;
        let sound = |item: &Json<'_>| item.text().is_some();
        if !sound(&value) && !value.list().is_some_and(|items| items.iter().all(sound)) {
            let message = "`skills` should be a path or a list of paths";
            self.say(
                rules::SKILLS_PATH,
                value.offset(),
                message,
                "to pass over it would install other skills",
            );
            return None;
        }
        let mut paths = Vec::new();
        for (text, offset) in self.texts(members, "skills", true)? {
            match clean_path(&text) {
                Ok(path) => paths.push(path),
                Err(reason) => {
                    let message = format!("the path `{text}` in `skills` {reason}");
                    self.say(
                        rules::SKILLS_PATH,
                        offset,
                        message,
                        "name a folder below the plugin, like `./skills/pdf`",
                    );
                }
            }
        }
        Some(paths)
    }

    /// Notes folders that an entry names and that are not there: its own, else those of its
    /// `skills`.
    fn folders(&mut self, members: &Members<'a>, plugin: &Plugin) {
        let (Some(is_folder), Some(EntrySource::Relative { path: root })) = (self.is_folder, &plugin.source)
        else {
            return;
        };
        if !is_folder(root) {
            let message = format!("the folder `{root}` of the source does not exist");
            self.say(rules::SOURCE_GONE, members.value_at("source"), message, "");
            return;
        }
        let listed = plugin.skills.as_ref().and_then(|_| self.texts(members, "skills", true));
        for (text, offset) in listed.unwrap_or_default() {
            let Ok(path) = clean_path(&text) else { continue };
            let parts: Vec<&str> =
                [root, &path].into_iter().map(String::as_str).filter(|p| !p.is_empty()).collect();
            if !is_folder(&parts.join("/")) {
                let message = format!("the folder `{}` of `skills` does not exist", parts.join("/"));
                self.say(rules::SKILLS_GONE, offset, message, "");
            }
        }
    }

    /// A name alone, or an object with one.
    pub(super) fn person(&mut self, members: &Members<'a>, name: &str) -> Option<String> {
        let value = members.get(name)?;
        if let Some(text) = value.text() {
            return Some(text.into_owned());
        }
        match self.members(value) {
            Some(person) => self.text(&person, "name"),
            None => {
                self.wrong_type(value, name, "a name or an object with a `name`");
                None
            }
        }
    }

    /// The parts that are declared beside skills.
    pub(super) fn parts(&self, members: &Members<'a>) -> Vec<&'static str> {
        let full = |part: &&str| members.get(part).is_some_and(|value| !is_empty(value));
        PARTS.iter().copied().filter(full).collect()
    }

    /// What was read all the same although nothing documents it.
    fn notes_since(&self, from: usize) -> Vec<String> {
        let odd = |finding: &&Finding| finding.code == rules::SOURCE_SHAPE.code;
        self.findings.iter().skip(from).filter(odd).map(|finding| finding.message.clone()).collect()
    }

    /// The first error since `from` findings were there.
    fn error_since(&self, from: usize) -> Option<String> {
        let worst =
            self.findings.iter().skip(from).find(|f| f.severity == Severity::Error && f.code != "wrong-type");
        worst.map(|finding| {
            format!("{} ({}:{}:{})", finding.message, finding.file, finding.line, finding.column)
        })
    }
}

fn is_empty(value: Json<'_>) -> bool {
    value.is_null()
        || value.list().is_some_and(|list| list.is_empty())
        || value.object().is_some_and(|object| object.is_empty())
}

/// The members of one object.
pub(super) struct Members<'a> {
    pub(super) at: usize,
    pub(super) pairs: Vec<(Key<'a>, Json<'a>)>,
}

impl<'a> Members<'a> {
    /// The value of a key, the last where there are two; `null` counts as absent.
    pub(super) fn get(&self, name: &str) -> Option<Json<'a>> {
        let found = self.pairs.iter().rev().find(|(key, _)| key.text == name);
        found.map(|(_, value)| *value).filter(|value| !value.is_null())
    }

    /// Where the value of a key begins; the object itself without one.
    fn value_at(&self, name: &str) -> usize {
        self.get(name).map_or(self.at, |value| value.offset())
    }

    pub(super) fn offset_of(&self, name: &str) -> usize {
        let found = self.pairs.iter().rev().find(|(key, _)| key.text == name);
        found.map_or(self.at, |(key, _)| key.offset)
    }
}

/// Reads a whole catalogue to use it; `None` when nothing can be made of it. Beside it the errors.
pub(super) fn to_use(text: &str, file: &str, manner: Manner) -> (Option<Catalogue>, Vec<Finding>) {
    let mut reader = Reader { errors_only: true, ..Reader::new(text, file, manner) };
    let catalogue = reader.open(text).and_then(|top| whole(&mut reader, &top));
    (catalogue, reader.findings)
}

/// Everything that there is to say of a catalogue.
pub(super) fn check<'a>(
    text: &'a str,
    file: &str,
    manner: Manner,
    is_folder: Option<&'a dyn Fn(&str) -> bool>,
) -> Vec<Finding> {
    let mut reader = Reader { is_folder, ..Reader::new(text, file, manner) };
    if let Some(top) = reader.open(text) {
        whole(&mut reader, &top);
    }
    let mut findings = reader.findings;
    findings.sort_by_key(|finding| (finding.line, finding.column));
    findings
}

fn whole<'a>(reader: &mut Reader<'a>, top: &Members<'a>) -> Option<Catalogue> {
    if reader.manner.dialect == Dialect::Claude {
        reader.known(top, &TOP_KEYS, "the catalogue");
    }
    let metadata = top.get("metadata").and_then(|value| reader.members(value));
    let mut either = |name: &str| {
        let inner = metadata.as_ref().and_then(|metadata| reader.text(metadata, name));
        reader.text(top, name).or(inner)
    };
    let (description, version) = (either("description"), either("version"));
    let root = plugin_root(reader, top, metadata.as_ref());
    let mut catalogue = Catalogue {
        name: catalogue_name(reader, top),
        owner: owner(reader, top),
        description,
        version,
        renames: renames(reader, top),
        plugins: Vec::new(),
    };
    catalogue.plugins = plugins(reader, top, root.as_deref())?;
    check_renames(reader, top, &catalogue);
    Some(catalogue)
}

fn catalogue_name<'a>(reader: &mut Reader<'a>, top: &Members<'a>) -> Option<String> {
    let Some(name) = top.get("name") else {
        reader.say(
            rules::NAME_MISSING,
            top.at,
            "the catalogue has no `name`",
            "add `\"name\": \"my-marketplace\"`",
        );
        return None;
    };
    let Some(text) = name.text() else {
        reader.say(
            rules::NAME_MISSING,
            name.offset(),
            format!("`name` is {}, but should be a text", name.kind()),
            "",
        );
        return None;
    };
    if !is_kebab(&text) {
        let message = format!("the name `{text}` is not in kebab case");
        reader.say(rules::NAME_INVALID, name.offset(), message, "use a-z, 0-9 and single hyphens");
    }
    if !reader.manner.official && is_reserved(&text) {
        let message = format!("the name `{text}` is kept for marketplaces of Anthropic");
        reader.say(rules::NAME_RESERVED, name.offset(), message, "other clients refuse it from anybody else");
    }
    Some(text.into_owned())
}

fn is_kebab(text: &str) -> bool {
    let word =
        |word: &str| !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    text.split('-').all(word)
}

fn owner<'a>(reader: &mut Reader<'a>, top: &Members<'a>) -> Option<String> {
    let Some(value) = top.get("owner") else {
        if reader.manner.dialect == Dialect::Claude {
            let help = "add `\"owner\": {\"name\": \"…\"}`";
            reader.say(rules::OWNER_MISSING, top.at, "the catalogue has no `owner`", help);
        }
        return None;
    };
    let Some(owner) = reader.members(value) else {
        let message = format!("`owner` is {}, but should be an object with a `name`", value.kind());
        reader.say(rules::OWNER_TYPE, value.offset(), message, "");
        return None;
    };
    let name = owner.get("name").and_then(Json::text);
    if name.is_none() {
        reader.say(rules::OWNER_TYPE, value.offset(), "`owner` has no `name`", "");
    }
    name.map(|name| name.into_owned())
}

/// `metadata.pluginRoot`, the folder that bare names are looked for in.
fn plugin_root<'a>(
    reader: &mut Reader<'a>,
    top: &Members<'a>,
    metadata: Option<&Members<'a>>,
) -> Option<String> {
    let (members, root) = match metadata.and_then(|metadata| metadata.get("pluginRoot")) {
        Some(root) => (metadata, root),
        None => (None, top.get("pluginRoot")?),
    };
    let text = reader.text(members.unwrap_or(top), "pluginRoot")?;
    match clean_path(&text) {
        Ok(path) => Some(path),
        Err(reason) => {
            reader.say(rules::PLUGIN_ROOT, root.offset(), format!("`pluginRoot` `{text}` {reason}"), "");
            None
        }
    }
}

fn renames<'a>(reader: &mut Reader<'a>, top: &Members<'a>) -> BTreeMap<String, Option<String>> {
    let Some(value) = top.get("renames") else { return BTreeMap::new() };
    let Some(members) = reader.members(value) else {
        reader.wrong_type(value, "renames", "an object of old names and new ones");
        return BTreeMap::new();
    };
    let mut renames = BTreeMap::new();
    for (key, value) in &members.pairs {
        match value.text() {
            Some(text) => renames.insert(key.text.to_string(), Some(text.into_owned())),
            None if value.is_null() => renames.insert(key.text.to_string(), None),
            None => {
                reader.wrong_type(*value, &key.text, "a name or null");
                None
            }
        };
    }
    renames
}

/// Every old name must lead to an entry, to null, or at least to an end.
fn check_renames<'a>(reader: &mut Reader<'a>, top: &Members<'a>, catalogue: &Catalogue) {
    let Some(members) = top.get("renames").and_then(Json::object) else { return };
    let entries: BTreeSet<&str> = catalogue.plugins.iter().map(|plugin| plugin.name.as_str()).collect();
    for (key, _) in members {
        let (mut now, mut seen) = (key.text.to_string(), BTreeSet::new());
        let end = loop {
            if !seen.insert(now.clone()) {
                break Some((
                    rules::RENAMES_CYCLE,
                    format!("the renames of `{}` lead in a circle", key.text),
                ));
            }
            match catalogue.renames.get(&now) {
                Some(Some(next)) => now.clone_from(next),
                Some(None) => break None,
                None if entries.contains(now.as_str()) => break None,
                None => {
                    break Some((
                        rules::RENAMES_TARGET,
                        format!("`{}` is renamed to `{now}`, which is no entry", key.text),
                    ));
                }
            }
        };
        if let Some((rule, message)) = end {
            reader.say(rule, key.offset, message, "");
        }
    }
}

fn plugins<'a>(reader: &mut Reader<'a>, top: &Members<'a>, root: Option<&str>) -> Option<Vec<Plugin>> {
    let Some(value) = top.get("plugins") else {
        reader.say(rules::PLUGINS_MISSING, top.at, "the catalogue has no `plugins`", "add a list of entries");
        return None;
    };
    let Some(items) = value.list() else {
        let message = format!("`plugins` is {}, but should be a list", value.kind());
        reader.say(rules::PLUGINS_TYPE, value.offset(), message, "");
        return None;
    };
    let mut plugins: Vec<Plugin> = Vec::with_capacity(items.len());
    let mut names = BTreeMap::new();
    for item in items {
        let Some(plugin) = entry(reader, item, root) else { continue };
        if let Some(line) = names.insert(plugin.name.clone(), reader.lines.at(item.offset()).0) {
            let message = format!("an entry called `{}` is there already, in line {line}", plugin.name);
            reader.say(rules::ENTRY_DUPLICATE, item.offset(), message, "give one of them another name");
        }
        plugins.push(plugin);
    }
    Some(plugins)
}

fn entry<'a>(reader: &mut Reader<'a>, item: Json<'a>, root: Option<&str>) -> Option<Plugin> {
    let from = reader.findings.len();
    let Some(members) = reader.members(item) else {
        let message = format!("an entry is {}, but should be an object", item.kind());
        reader.say(rules::ENTRY_TYPE, item.offset(), message, "");
        return None;
    };
    reader.known(&members, &ENTRY_KEYS, "the entry");
    // Without a name it can do nothing, but what else is wrong with it is told all the same.
    let name = entry_name(reader, &members);
    let source = source::read(reader, &members, root);
    let mut plugin = Plugin {
        name: name.clone().unwrap_or_default(),
        description: reader.text(&members, "description"),
        version: reader.text(&members, "version"),
        author: reader.person(&members, "author"),
        category: reader.text(&members, "category"),
        tags: reader.words(&members, "tags"),
        keywords: reader.words(&members, "keywords"),
        homepage: reader.text(&members, "homepage"),
        strict: strict(reader, &members),
        skills: reader.skill_paths(&members),
        parts: reader.parts(&members),
        source,
        notes: Vec::new(),
        fault: None,
    };
    plugin.fault = reader.error_since(from);
    plugin.notes = reader.notes_since(from);
    reader.folders(&members, &plugin);
    name.map(|_| plugin)
}

fn entry_name<'a>(reader: &mut Reader<'a>, members: &Members<'a>) -> Option<String> {
    let Some(value) = members.get("name") else {
        reader.say(rules::ENTRY_NAME, members.at, "an entry has no `name`", "");
        return None;
    };
    let Some(name) = value.text().filter(|name| !name.trim().is_empty()) else {
        reader.say(
            rules::ENTRY_NAME,
            value.offset(),
            "the `name` of an entry should be a text that is not empty",
            "",
        );
        return None;
    };
    if !is_kebab(&name) {
        let message = format!("the name `{name}` of an entry is not in kebab case");
        reader.say(rules::NAME_INVALID, value.offset(), message, "use a-z, 0-9 and single hyphens");
    }
    Some(name.into_owned())
}

fn strict<'a>(reader: &mut Reader<'a>, members: &Members<'a>) -> bool {
    let Some(value) = members.get("strict") else { return true };
    value.boolean().unwrap_or_else(|| {
        reader.wrong_type(value, "strict", "true or false");
        true
    })
}
