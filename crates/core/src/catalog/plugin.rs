//! `plugin.json`: what a plugin says of itself.

use super::reader::{CatalogReader, PARTS, clean_path};
use super::{CatalogDialect, CatalogFormat};
use crate::dependency::{PluginNeed, read_plugin_list};
use crate::json::Json;
use crate::path::RelPath;
use crate::skill::{Finding, Severity};

/// What is read of a `plugin.json`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PluginManifest {
    pub(crate) name: Option<String>,
    pub(crate) description: Option<String>,
    pub version: Option<String>,
    pub(crate) keywords: Vec<String>,
    pub(crate) tags: Vec<String>,
    /// Plugins that this one needs.
    pub dependencies: Vec<PluginNeed>,
    /// `skills`, cleaned as in [`CatalogEntry`](super::CatalogEntry).
    pub(crate) skills: Option<Vec<RelPath>>,
    /// What it declares beside skills.
    pub(crate) parts: Vec<&'static str>,
    /// Skills that stand under `extensions` of another program: whose, and their paths, cleaned.
    pub(crate) extensions: Vec<(String, Vec<RelPath>)>,
}

impl PluginManifest {
    /// Reads it; `file` is only for messages. `None` with an error finding for what is no
    /// JSON object, or has a path that leaves the plugin.
    pub fn read(text: &str, file: &str) -> (Option<Self>, Vec<Finding>) {
        let manner = CatalogFormat { dialect: CatalogDialect::Claude, named: false, official: false };
        let mut reader = CatalogReader::new(text, file, manner);
        let Some(top) = reader.open_document(text) else { return (None, reader.findings) };
        let manifest = Self {
            name: reader.read_text(&top, "name"),
            description: reader.read_text(&top, "description"),
            version: reader.read_text(&top, "version"),
            keywords: reader.read_words(&top, "keywords"),
            tags: reader.read_words(&top, "tags"),
            dependencies: top.get("dependencies").map(read_plugin_list).unwrap_or_default().0,
            skills: reader.skill_paths(&top),
            parts: reader.declared_parts(&top),
            extensions: extension_skills(top.get("extensions")),
        };
        let broken = reader.findings.iter().any(|f| f.severity == Severity::Error && f.code == "skills-path");
        ((!broken).then_some(manifest), reader.findings)
    }

    /// True when it declares parts of the plugin, which an entry with `strict: false` forbids.
    pub(crate) fn declares_parts(&self) -> bool {
        self.skills.as_ref().is_some_and(|skills| !skills.is_empty()) || !self.parts.is_empty()
    }
}

/// `extensions.<program>.skills`. A path that leads out is none of ours.
fn extension_skills(value: Option<Json<'_>>) -> Vec<(String, Vec<RelPath>)> {
    let programs = value.and_then(Json::as_object).unwrap_or_default();
    let named = programs.into_iter().filter_map(|(key, value)| {
        let skills = value.get("skills")?;
        let texts = skills.as_list().unwrap_or_else(|| vec![skills]);
        let paths: Vec<RelPath> = texts
            .iter()
            .filter_map(|text| clean_path(&text.as_text()?).ok())
            .filter(|path| !path.is_root())
            .collect();
        (!paths.is_empty()).then(|| (key.text.into_owned(), paths))
    });
    named.collect()
}

/// The words of [`PARTS`] as a person says them, for one and for several.
pub(super) fn count_parts(part: &str, count: usize) -> String {
    let word = match part {
        "agents" => "agent",
        "commands" => "command",
        "hooks" => "hook",
        "mcpServers" => "MCP server",
        "lspServers" => "LSP server",
        "outputStyles" => "output style",
        "workflows" => "workflow",
        other => other,
    };
    debug_assert!(PARTS.contains(&part), "{part}");
    crate::text::count_noun(count, word)
}
