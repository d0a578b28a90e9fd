//! A marketplace's catalogue, the `marketplace.json` of Claude Code and of this
//! program and what is found between the two, as plain values.
//!
//! Reading is lenient where real catalogues are: an entry that cannot be used keeps its
//! place with the reason, and stops only whoever asks for it. Two things are never let
//! pass: a path that leaves the marketplace, and a pin that is not understood, since to
//! ignore it would unpin. [`check_catalog`] says everything at once, with line and column.

mod compose;
mod known;
mod plugin;
mod read;
mod reader;
mod rules;
mod skills;
mod source;
#[cfg(test)]
mod tests;
mod wellknown;

use std::collections::{BTreeMap, BTreeSet};

use crate::dependency::PluginNeed;
use crate::error::{Error, Result, error, printable};
use crate::path::RelPath;
use crate::skill::{Finding, Severity};
use crate::source::{Request, Source};
use crate::text::find_nearest;

pub use compose::{CatalogChange, CatalogHead, CatalogSkill, empty_catalog, update_catalog};
pub use known::{KNOWN_CATALOGS, KnownCatalog, find_known};
pub use plugin::PluginManifest;
pub use skills::{EntryScan, EntrySkills, resolve_skills};
pub use source::{EntryRequirement, EntrySource, NpmPackage};
pub(crate) use wellknown::WELL_KNOWN_SCHEMA;
pub use wellknown::{INDEXES as WELL_KNOWN, read_well_known, served_files};

/// Bytes of a catalogue. The largest real one has 169 kB for 286 entries; 10,000 entries
/// like those would be 6 MB.
pub const MAX_BYTES: u64 = 32 << 20;

/// Where a catalogue is looked for, in this order; beside each its [`CatalogDialect`].
pub const MANIFESTS: [(&str, CatalogDialect); 4] = [
    (".claude-plugin/marketplace.json", CatalogDialect::Claude),
    (".github/plugin/marketplace.json", CatalogDialect::Claude),
    (".agents/plugins/marketplace.json", CatalogDialect::Codex),
    ("marketplace.json", CatalogDialect::Claude),
];

/// Where a plugin says what it is, in this order.
pub const PLUGIN_MANIFESTS: [&str; 5] = [
    ".claude-plugin/plugin.json",
    ".github/plugin/plugin.json",
    ".codex-plugin/plugin.json",
    ".cursor-plugin/plugin.json",
    "plugin.json",
];

/// Whose rules a catalogue is read by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CatalogDialect {
    /// The documented one: `name`, `owner` and `plugins` are required.
    Claude,
    /// Codex and others: no owner, `policy` and `interface`, `{"source": "local"}`.
    Codex,
}

/// How a catalogue is to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CatalogFormat {
    pub dialect: CatalogDialect,
    /// A person named this very file; only then `{"source": "url", "url": "./"}` means the
    /// marketplace's own root.
    pub named: bool,
    /// It comes from Anthropic, who keeps some names to itself.
    pub official: bool,
}

impl CatalogFormat {
    /// By the place of the file; `named` as a person has it.
    pub fn of(path: &str, named: bool) -> Self {
        let other = [".agents/", ".cursor-plugin/", ".kimi-plugin/", ".grok-plugin/", ".omp-plugin/"];
        let is = |folder: &str| path.starts_with(folder) || path.contains(&format!("/{folder}"));
        let dialect = if other.into_iter().any(is) { CatalogDialect::Codex } else { CatalogDialect::Claude };
        Self { dialect, named, official: false }
    }
}

/// True for a repository of github.com/anthropics.
pub fn is_official(source: &Source) -> bool {
    match source {
        Source::Github { owner, .. } => owner.eq_ignore_ascii_case("anthropics"),
        Source::Git { .. } => {
            source.display_name().to_ascii_lowercase().starts_with("github.com/anthropics/")
        }
        _ => false,
    }
}

/// The root that the paths of a catalogue at `path` start from: the folder above
/// `.claude-plugin/` and its like, `""` at the top.
pub fn root_of(path: &str) -> &str {
    let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
    let ends = [
        ".claude-plugin",
        ".github/plugin",
        ".agents/plugins",
        ".cursor-plugin",
        ".kimi-plugin",
        ".grok-plugin",
        ".omp-plugin",
    ];
    let cut =
        ends.iter().find_map(|end| folder.strip_suffix(end)).filter(|r| r.is_empty() || r.ends_with('/'));
    cut.unwrap_or(folder).trim_end_matches('/')
}

/// A catalogue, read.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Catalog {
    /// The name that it gives itself; not the one that it is registered under.
    pub name: Option<String>,
    pub owner: Option<String>,
    pub description: Option<String>,
    pub version: Option<String>,
    /// Marketplaces whose plugins those of this one may need.
    pub allowed_marketplaces: Vec<String>,
    /// Old names of entries, and what they are called now; `None` for one that is gone.
    pub(crate) renames: BTreeMap<String, Option<String>>,
    pub plugins: Vec<CatalogEntry>,
}

/// One entry of a catalogue.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct CatalogEntry {
    pub name: String,
    pub description: Option<String>,
    pub version: Option<String>,
    pub author: Option<String>,
    pub category: Option<String>,
    pub tags: Vec<String>,
    pub keywords: Vec<String>,
    pub homepage: Option<String>,
    /// False: the entry is the whole definition, `plugin.json` may name no parts.
    pub(crate) strict: bool,
    /// Plugins that this one needs.
    pub dependencies: Vec<PluginNeed>,
    /// `skills`, cleaned: paths below the plugin's root.
    pub(crate) skills: Option<Vec<RelPath>>,
    /// What the entry has beside skills, by its own words: `agents`, `mcpServers` …
    pub(crate) parts: Vec<&'static str>,
    /// Warnings about keys of its source that are read although they are not documented.
    pub notes: Vec<String>,
    /// `None` where it cannot be used; then there is a fault.
    source: Option<EntrySource>,
    /// Why the entry cannot be used.
    fault: Option<String>,
}

impl CatalogEntry {
    /// Where its files are.
    ///
    /// # Errors
    /// `Invalid` for an entry that breaks a rule which keeps it from being used.
    pub fn usable_source(&self) -> Result<&EntrySource> {
        let refused = |reason: &str| {
            error!(Invalid, "the entry `{}` cannot be used: {reason}", printable(&self.name, false))
                .hint("the maintainer of the marketplace can find this with `ba-agent marketplace validate`")
        };
        match (&self.fault, &self.source) {
            (Some(fault), _) => Err(refused(fault)),
            (None, Some(source)) => Ok(source),
            (None, None) => Err(refused("it has no source")),
        }
    }

    /// Why it cannot be used, if so.
    pub fn unusable_because(&self) -> Option<&str> {
        self.fault.as_deref()
    }

    /// Makes an entry for a skill that a host serves, which is at the root of its own source.
    pub(crate) fn from_index(name: &str, description: Option<String>, source: EntrySource) -> Self {
        let skills = Some(vec![RelPath::ROOT]);
        Self {
            name: name.to_owned(),
            description,
            strict: true,
            skills,
            source: Some(source),
            ..Self::default()
        }
    }
}

impl Catalog {
    /// Reads a catalogue to use it; `file` is only for messages.
    ///
    /// # Errors
    /// `Invalid`, with every finding that stops it, for what is not a catalogue: no JSON, no
    /// `name`, `owner` or `plugins`, or one of a wrong type. Entries never stop it.
    pub fn parse(text: &str, file: &str, manner: CatalogFormat) -> Result<Self> {
        let (catalogue, findings) = read::read_for_use(text, file, manner);
        let fatal: Vec<&Finding> =
            findings.iter().filter(|f| f.severity == Severity::Error && rules::is_fatal(f.code)).collect();
        match catalogue {
            Some(catalogue) if fatal.is_empty() => Ok(catalogue),
            _ => {
                let error =
                    error!(Invalid, "`{}` is not a valid marketplace catalogue", printable(file, false));
                let error = fatal.iter().fold(error, |error, finding| error.cause(finding));
                Err(error.hint("`ba-agent marketplace validate PATH` says everything that is wrong with one"))
            }
        }
    }

    /// The name that it gives itself, where that is one that Anthropic keeps to itself.
    pub fn reserved_name(&self) -> Option<&str> {
        self.name.as_deref().filter(|name| read::is_reserved(name))
    }

    /// Its own name as one that a marketplace can be registered under: letters, digits, `-` and
    /// `_`. `None` where nothing of it is left then, or it has none.
    pub fn registrable_name(&self) -> Option<String> {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let words = self.name.as_deref()?.split(|c| !is_plain(c)).filter(|word| !word.is_empty());
        Some(words.collect::<Vec<_>>().join("-")).filter(|name| Request::bare_name(name) == Some(name))
    }

    /// The entry of this name, through `renames`.
    ///
    /// # Errors
    /// `NotFound` with the nearest name, `Invalid` for a name that two entries have and for
    /// renames that lead in a circle.
    pub fn find_entry(&self, name: &str) -> Result<&CatalogEntry> {
        let name = self.current_name(name)?;
        let mut called = self.plugins.iter().filter(|plugin| plugin.name == name);
        match (called.next(), called.next()) {
            (Some(plugin), None) => Ok(plugin),
            (Some(_), Some(_)) => Err(error!(Invalid, "two entries are called `{}`", printable(name, false))
                .hint("it is unclear which one is meant; tell the maintainer of the marketplace")),
            (None, _) => Err(self.unknown_entry(name)),
        }
    }

    /// What an entry is called now.
    fn current_name<'a>(&'a self, name: &'a str) -> Result<&'a str> {
        let (mut now, mut seen) = (name, BTreeSet::new());
        while !self.plugins.iter().any(|plugin| plugin.name == now) {
            if !seen.insert(now) {
                return Err(error!(Invalid, "the renames of `{}` form a cycle", printable(name, false))
                    .cause(seen.into_iter().collect::<Vec<_>>().join(" -> ")));
            }
            now = match self.renames.get(now) {
                Some(Some(next)) => next,
                Some(None) => {
                    return Err(error!(
                        NotFound,
                        "`{}` was withdrawn from the marketplace",
                        printable(name, false)
                    ));
                }
                None => return Ok(now),
            };
        }
        Ok(now)
    }

    fn unknown_entry(&self, name: &str) -> Error {
        let error = error!(NotFound, "the marketplace has no entry `{}`", printable(name, false));
        match find_nearest(name, self.plugins.iter().map(|plugin| plugin.name.as_str())) {
            Some(near) => error.hint(format!("did you mean `{near}`?")),
            None => error,
        }
    }
}

/// True for a name that Anthropic keeps to itself.
pub fn is_reserved_name(name: &str) -> bool {
    read::is_reserved(name)
}

/// Everything that is to be said about a catalogue, in the order of the file; with `is_folder`
/// also which folders it names that are not there.
pub fn check_catalog(
    text: &str,
    file: &str,
    manner: CatalogFormat,
    is_folder: Option<&dyn Fn(&str) -> bool>,
) -> Vec<Finding> {
    read::check_text_of(text, file, manner, is_folder)
}

/// The version of a plugin: its own, else the entry's, else what it is pinned to.
pub fn plugin_version<'a>(
    manifest: Option<&'a PluginManifest>,
    plugin: &'a CatalogEntry,
    pin: Option<&'a str>,
) -> &'a str {
    let own = manifest.and_then(|manifest| manifest.version.as_deref());
    own.or(plugin.version.as_deref()).or(pin).unwrap_or("unknown")
}
