//! Reads a whole catalogue, for use and for `validate` alike: values for what can be used, and
//! findings for the rest.

use std::collections::{BTreeMap, BTreeSet};

use super::reader::{CatalogReader, JsonMembers, clean_path};
use super::rules;
use super::source::{self, EntrySource};
use super::{Catalog, CatalogDialect, CatalogEntry, CatalogFormat};
use crate::dependency::read_plugin_list;
use crate::json::Json;
use crate::path::RelPath;
use crate::skill::Finding;

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

/// Reads a catalogue to use it; `None` when it cannot be used. The findings are errors alone.
pub(super) fn read_for_use(text: &str, file: &str, manner: CatalogFormat) -> (Option<Catalog>, Vec<Finding>) {
    let mut reader = CatalogReader::new(text, file, manner).errors_only();
    let catalogue = reader.open_document(text).and_then(|top| read_catalog(&mut reader, &top));
    (catalogue, reader.findings)
}

/// Everything that there is to say of a catalogue.
pub(super) fn check_text_of<'a>(
    text: &'a str,
    file: &str,
    manner: CatalogFormat,
    is_folder: Option<&'a dyn Fn(&str) -> bool>,
) -> Vec<Finding> {
    let mut reader = CatalogReader::new(text, file, manner).with_folders(is_folder);
    if let Some(top) = reader.open_document(text) {
        read_catalog(&mut reader, &top);
    }
    let mut findings = reader.findings;
    findings.sort_by_key(|finding| (finding.line, finding.column));
    findings
}

fn read_catalog<'a>(reader: &mut CatalogReader<'a>, top: &JsonMembers<'a>) -> Option<Catalog> {
    if reader.manner.dialect == CatalogDialect::Claude {
        reader.check_keys_known(top, &TOP_KEYS, "the catalogue");
    }
    let metadata = top.get("metadata").and_then(|value| reader.open_object(value));
    let mut either = |name: &str| {
        let inner = metadata.as_ref().and_then(|metadata| reader.read_text(metadata, name));
        reader.read_text(top, name).or(inner)
    };
    let (description, version) = (either("description"), either("version"));
    let root = plugin_root(reader, top, metadata.as_ref());
    let mut catalogue = Catalog {
        name: catalogue_name(reader, top),
        owner: read_owner(reader, top),
        description,
        version,
        allowed_marketplaces: reader.read_words(top, "allowCrossMarketplaceDependenciesOn"),
        renames: read_renames(reader, top),
        plugins: Vec::new(),
    };
    catalogue.plugins = read_entries(reader, top, root.as_ref().map(RelPath::as_str))?;
    check_renames(reader, top, &catalogue);
    Some(catalogue)
}

fn catalogue_name<'a>(reader: &mut CatalogReader<'a>, top: &JsonMembers<'a>) -> Option<String> {
    let Some(name) = top.get("name") else {
        reader.report_at(
            rules::NAME_MISSING,
            top.at,
            "the catalogue has no `name`",
            "add `\"name\": \"my-marketplace\"`",
        );
        return None;
    };
    let Some(text) = name.as_text() else {
        reader.report_at(
            rules::NAME_MISSING,
            name.offset(),
            format!("`name` is {}, but should be text", name.kind()),
            "",
        );
        return None;
    };
    if !is_kebab(&text) {
        let message = format!("the name `{text}` is not in kebab case");
        reader.report_at(rules::NAME_INVALID, name.offset(), message, "use a-z, 0-9 and single hyphens");
    }
    if !reader.manner.official && is_reserved(&text) {
        let message = format!("the name `{text}` is reserved for marketplaces of Anthropic");
        reader.report_at(
            rules::NAME_RESERVED,
            name.offset(),
            message,
            "other clients refuse it from anybody else",
        );
    }
    Some(text.into_owned())
}

fn is_kebab(text: &str) -> bool {
    let word =
        |word: &str| !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    text.split('-').all(word)
}

fn read_owner<'a>(reader: &mut CatalogReader<'a>, top: &JsonMembers<'a>) -> Option<String> {
    let Some(value) = top.get("owner") else {
        if reader.manner.dialect == CatalogDialect::Claude {
            let help = "add `\"owner\": {\"name\": \"…\"}`";
            reader.report_at(rules::OWNER_MISSING, top.at, "the catalogue has no `owner`", help);
        }
        return None;
    };
    let Some(owner) = reader.open_object(value) else {
        let message = format!("`owner` is {}, but should be an object with a `name`", value.kind());
        reader.report_at(rules::OWNER_TYPE, value.offset(), message, "");
        return None;
    };
    let name = owner.get("name").and_then(Json::as_text);
    if name.is_none() {
        reader.report_at(rules::OWNER_TYPE, value.offset(), "`owner` has no `name`", "");
    }
    name.map(|name| name.into_owned())
}

/// `metadata.pluginRoot`, the folder that bare names are looked for in.
fn plugin_root<'a>(
    reader: &mut CatalogReader<'a>,
    top: &JsonMembers<'a>,
    metadata: Option<&JsonMembers<'a>>,
) -> Option<RelPath> {
    let (members, root) = match metadata.and_then(|metadata| metadata.get("pluginRoot")) {
        Some(root) => (metadata, root),
        None => (None, top.get("pluginRoot")?),
    };
    let text = reader.read_text(members.unwrap_or(top), "pluginRoot")?;
    match clean_path(&text) {
        Ok(path) => Some(path),
        Err(reason) => {
            reader.report_at(
                rules::PLUGIN_ROOT,
                root.offset(),
                format!("`pluginRoot` `{text}` {reason}"),
                "",
            );
            None
        }
    }
}

fn read_renames<'a>(
    reader: &mut CatalogReader<'a>,
    top: &JsonMembers<'a>,
) -> BTreeMap<String, Option<String>> {
    let Some(value) = top.get("renames") else { return BTreeMap::new() };
    let Some(members) = reader.open_object(value) else {
        reader.wrong_type(value, "renames", "an object that maps old names to new ones");
        return BTreeMap::new();
    };
    let mut renames = BTreeMap::new();
    for (key, value) in &members.pairs {
        match value.as_text() {
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
fn check_renames<'a>(reader: &mut CatalogReader<'a>, top: &JsonMembers<'a>, catalogue: &Catalog) {
    let Some(members) = top.get("renames").and_then(Json::as_object) else { return };
    let entries: BTreeSet<&str> = catalogue.plugins.iter().map(|plugin| plugin.name.as_str()).collect();
    for (key, _) in members {
        let (mut now, mut seen) = (key.text.to_string(), BTreeSet::new());
        let end = loop {
            if !seen.insert(now.clone()) {
                break Some((rules::RENAMES_CYCLE, format!("the renames of `{}` form a cycle", key.text)));
            }
            match catalogue.renames.get(&now) {
                Some(Some(next)) => now.clone_from(next),
                Some(None) => break None,
                None if entries.contains(now.as_str()) => break None,
                None => {
                    break Some((
                        rules::RENAMES_TARGET,
                        format!("`{}` is renamed to `{now}`, which is not an entry", key.text),
                    ));
                }
            }
        };
        if let Some((rule, message)) = end {
            reader.report_at(rule, key.offset, message, "");
        }
    }
}

fn read_entries<'a>(
    reader: &mut CatalogReader<'a>,
    top: &JsonMembers<'a>,
    root: Option<&str>,
) -> Option<Vec<CatalogEntry>> {
    let Some(value) = top.get("plugins") else {
        reader.report_at(
            rules::PLUGINS_MISSING,
            top.at,
            "the catalogue has no `plugins`",
            "add a list of entries",
        );
        return None;
    };
    let Some(items) = value.as_list() else {
        let message = format!("`plugins` is {}, but should be a list", value.kind());
        reader.report_at(rules::PLUGINS_TYPE, value.offset(), message, "");
        return None;
    };
    let mut plugins: Vec<CatalogEntry> = Vec::with_capacity(items.len());
    let mut names = BTreeMap::new();
    for item in items {
        let Some(plugin) = read_entry(reader, item, root) else { continue };
        if let Some(line) = names.insert(plugin.name.clone(), reader.line_of(item.offset())) {
            let message = format!("duplicate entry `{}`, first on line {line}", plugin.name);
            reader.report_at(rules::ENTRY_DUPLICATE, item.offset(), message, "give one of them another name");
        }
        plugins.push(plugin);
    }
    Some(plugins)
}

fn read_entry<'a>(
    reader: &mut CatalogReader<'a>,
    item: Json<'a>,
    root: Option<&str>,
) -> Option<CatalogEntry> {
    let from = reader.findings.len();
    let Some(members) = reader.open_object(item) else {
        let message = format!("an entry is {}, but should be an object", item.kind());
        reader.report_at(rules::ENTRY_TYPE, item.offset(), message, "");
        return None;
    };
    reader.check_keys_known(&members, &ENTRY_KEYS, "the entry");
    // Without a name it can do nothing, but what else is wrong with it is told all the same.
    let name = entry_name(reader, &members);
    let source = source::read_source(reader, &members, root);
    let mut plugin = CatalogEntry {
        name: name.clone().unwrap_or_default(),
        description: reader.read_text(&members, "description"),
        version: reader.read_text(&members, "version"),
        author: reader.read_person(&members, "author"),
        category: reader.read_text(&members, "category"),
        tags: reader.read_words(&members, "tags"),
        keywords: reader.read_words(&members, "keywords"),
        homepage: reader.read_text(&members, "homepage"),
        strict: read_strict(reader, &members),
        dependencies: members.get("dependencies").map(read_plugin_list).unwrap_or_default().0,
        skills: reader.skill_paths(&members),
        parts: reader.declared_parts(&members),
        source,
        notes: Vec::new(),
        fault: None,
    };
    plugin.fault = reader.error_since(from);
    plugin.notes = reader.notes_since(from);
    check_folders(reader, &members, &plugin);
    name.map(|_| plugin)
}

/// Notes folders that an entry names and that are not there: its own, else those of its
/// `skills`.
fn check_folders<'a>(reader: &mut CatalogReader<'a>, members: &JsonMembers<'a>, plugin: &CatalogEntry) {
    let (Some(is_folder), Some(EntrySource::Relative { path: root })) = (reader.is_folder, &plugin.source)
    else {
        return;
    };
    if !is_folder(root.as_str()) {
        let message = format!("the folder `{root}` of the source does not exist");
        reader.report_at(rules::SOURCE_GONE, members.value_at("source"), message, "");
        return;
    }
    let listed = plugin.skills.as_ref().and_then(|_| reader.read_texts(members, "skills", true));
    for (text, offset) in listed.unwrap_or_default() {
        let Ok(path) = clean_path(&text) else { continue };
        let folder = root.join(&path);
        if !is_folder(folder.as_str()) {
            let message = format!("the folder `{folder}` of `skills` does not exist");
            reader.report_at(rules::SKILLS_GONE, offset, message, "");
        }
    }
}

fn entry_name<'a>(reader: &mut CatalogReader<'a>, members: &JsonMembers<'a>) -> Option<String> {
    let Some(value) = members.get("name") else {
        reader.report_at(rules::ENTRY_NAME, members.at, "an entry has no `name`", "");
        return None;
    };
    let Some(name) = value.as_text().filter(|name| !name.trim().is_empty()) else {
        reader.report_at(
            rules::ENTRY_NAME,
            value.offset(),
            "the `name` of an entry should be text that is not empty",
            "",
        );
        return None;
    };
    if !is_kebab(&name) {
        let message = format!("the name `{name}` of an entry is not in kebab case");
        reader.report_at(rules::NAME_INVALID, value.offset(), message, "use a-z, 0-9 and single hyphens");
    }
    Some(name.into_owned())
}

fn read_strict<'a>(reader: &mut CatalogReader<'a>, members: &JsonMembers<'a>) -> bool {
    let Some(value) = members.get("strict") else { return true };
    value.as_bool().unwrap_or_else(|| {
        reader.wrong_type(value, "strict", "true or false");
        true
    })
}
