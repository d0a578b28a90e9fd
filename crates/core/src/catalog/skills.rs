//! Which folders of a tree are the skills of an entry.

use std::collections::BTreeSet;

use super::plugin::count_parts;
use super::{CatalogEntry, PluginManifest};
use crate::discover;
use crate::error::{Error, Result, error, printable};
use crate::listing::{Listing, Node};
use crate::path::RelPath;
use crate::skill::{LOWER_MANIFEST, MANIFEST};

/// Links that are followed, one after the other, before they are taken for a circle.
const MAX_LINKS: usize = 8;
/// Names of a folder that are told.
const SHOWN: usize = 8;

/// The tree of an entry and where in it the plugin is.
#[derive(Debug, Clone, Copy)]
pub struct EntryScan<'a> {
    pub listing: &'a Listing,
    /// The plugin's root in the tree.
    pub root: &'a RelPath,
    /// The root of its marketplace, or of the source that it is alone.
    pub top: &'a RelPath,
    /// The plugin is the marketplace itself, so that what it lists is all it has.
    pub is_marketplace: bool,
}

/// What an entry turned out to hold.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct EntrySkills {
    /// The folders of its skills in the tree, in byte order, each once.
    pub folders: Vec<RelPath>,
    /// Paths that were listed, but hold no skill.
    pub(crate) missing: Vec<RelPath>,
    /// What it has beside skills, as a person says it: `3 agents`, `1 MCP server`.
    pub(crate) instead: Vec<String>,
    /// Why there is no skill, where more is known than that there is none.
    pub(crate) reason: Option<String>,
}

impl EntrySkills {
    /// The error for an entry that has no skill: what it has instead, and why.
    pub fn error_of_no_skills(&self, entry: &str) -> Error {
        let mut error = error!(NotFound, "the entry `{}` has no skills", printable(entry, false));
        if !self.instead.is_empty() {
            error = error.cause(format!("it has {}", self.instead.join(", ")));
        }
        if let Some(reason) = &self.reason {
            error = error.cause(reason);
        }
        for path in self.missing.iter().take(5) {
            error = error.cause(format!("it lists `{path}`, which has no skill"));
        }
        error
    }
}

/// Finds the skills of an entry by the rules of Claude Code: the folders below `skills/`
/// and the paths that entry and `plugin.json` list; of a plugin that is the marketplace
/// itself only the listed ones; a `SKILL.md` at the root where there is neither. What
/// `plugin.json` lists for another program, whose build would copy it into the plugin, is
/// taken from where it lies in the marketplace.
///
/// # Errors
/// `Invalid` for an entry with `strict: false` whose `plugin.json` declares parts too.
pub fn resolve_skills(
    plugin: &CatalogEntry,
    manifest: Option<&PluginManifest>,
    scan: EntryScan<'_>,
) -> Result<EntrySkills> {
    if !plugin.strict && manifest.is_some_and(PluginManifest::declares_parts) {
        return Err(error!(
            Invalid,
            "the entry `{}` is not strict, but its plugin.json declares parts too",
            printable(&plugin.name, false)
        )
        .hint("it is unclear which of the two applies; tell the maintainer of the marketplace"));
    }
    let own = manifest.filter(|_| plugin.strict).and_then(|manifest| manifest.skills.as_ref());
    let listed: Vec<&RelPath> = plugin.skills.iter().flatten().chain(own.into_iter().flatten()).collect();
    let mut found = SkillFinder { scan, folders: BTreeSet::new(), missing: BTreeSet::new() };
    for path in &listed {
        found.take_listed(path);
    }
    let whole = |path: &&RelPath| path.is_root() || path.as_str() == "skills";
    let specific =
        plugin.skills.as_ref().is_some_and(|skills| !skills.is_empty()) && !listed.iter().any(whole);
    if !(scan.is_marketplace && specific && !found.folders.is_empty()) {
        found.take_skills_below(&scan.root.child("skills"));
    }
    let extensions = manifest.filter(|_| plugin.strict).map_or(&[][..], |manifest| &manifest.extensions);
    extensions.iter().flat_map(|(_, paths)| paths).for_each(|path| found.take_extension(path));
    if found.folders.is_empty() && listed.is_empty() && !scan.listing.has_folder(&scan.root.child("skills")) {
        found.take_skill_at(scan.root);
    }
    Ok(found.into_resolution(plugin, manifest))
}

struct SkillFinder<'a> {
    scan: EntryScan<'a>,
    folders: BTreeSet<RelPath>,
    missing: BTreeSet<RelPath>,
}

impl SkillFinder<'_> {
    /// A listed path: a skill, or a folder of skills.
    fn take_listed(&mut self, path: &RelPath) {
        let path = self.scan.root.join(path);
        if !self.take_skill_at(&path) && !self.take_skills_below(&path) {
            self.missing.insert(path);
        }
    }

    /// A path that is listed for another program: in the plugin, or where its build takes it from.
    fn take_extension(&mut self, path: &RelPath) {
        let outside = self.scan.top.join(path);
        let inside = self.scan.root.join(path);
        let _ = self.take_skill_at(&inside)
            || self.take_skills_below(&inside)
            || self.take_skill_at(&outside)
            || self.take_skills_below(&outside);
    }

    /// Takes the folder itself, if it is a skill.
    fn take_skill_at(&mut self, folder: &RelPath) -> bool {
        let Some(real) = follow_links(self.scan.listing, folder) else { return false };
        let found = is_skill(self.scan.listing, &real);
        if found {
            self.folders.insert(real);
        }
        found
    }

    /// Takes the skills that lie directly below a folder.
    fn take_skills_below(&mut self, folder: &RelPath) -> bool {
        let Some(real) = follow_links(self.scan.listing, folder) else { return false };
        let mut any = false;
        for path in self.paths_in_folder(&real) {
            any |= self.take_skill_at(&path);
        }
        any
    }

    /// What lies directly in a folder.
    fn paths_in_folder(&self, folder: &RelPath) -> BTreeSet<RelPath> {
        let entries = self.scan.listing.entries_below(folder).iter();
        entries.filter_map(|entry| folder.child_towards(&entry.path)).collect()
    }

    fn into_resolution(self, plugin: &CatalogEntry, manifest: Option<&PluginManifest>) -> EntrySkills {
        let mut resolution = EntrySkills {
            folders: self.folders.iter().cloned().collect(),
            missing: self.missing.iter().cloned().collect(),
            instead: self.other_parts(plugin, manifest),
            reason: None,
        };
        if resolution.folders.is_empty() {
            resolution.reason = self.why_without_skills(manifest);
            if resolution.instead.is_empty() && resolution.missing.is_empty() {
                resolution.reason = resolution.reason.or_else(|| self.describe_contents());
            }
        }
        resolution
    }

    /// What the plugin has beside skills, by its folders, its files and its declarations.
    fn other_parts(&self, plugin: &CatalogEntry, manifest: Option<&PluginManifest>) -> Vec<String> {
        let listing = self.scan.listing;
        let declared = |part: &str| {
            plugin.parts.contains(&part) || manifest.is_some_and(|manifest| manifest.parts.contains(&part))
        };
        let files = |name: &'static str| {
            let folder = self.scan.root.child(name);
            listing.entries_below(&folder).iter().filter(|e| e.path.name().ends_with(".md")).count()
        };
        let there = |file: &str| usize::from(listing.entry_at(&self.scan.root.file(file)).is_some());
        let counts = [
            ("agents", files("agents")),
            ("commands", files("commands")),
            ("hooks", there("hooks/hooks.json")),
            ("mcpServers", there(".mcp.json")),
            ("lspServers", there(".lsp.json")),
            ("outputStyles", files("output-styles")),
        ];
        let counted = counts.into_iter().map(|(part, count)| (part, count.max(usize::from(declared(part)))));
        counted.filter(|(_, count)| *count > 0).map(|(part, count)| count_parts(part, count)).collect()
    }

    fn why_without_skills(&self, manifest: Option<&PluginManifest>) -> Option<String> {
        if !self.scan.root.is_root() && !self.scan.listing.has_folder(self.scan.root) {
            return Some(format!("there is no folder `{}`", self.scan.root));
        }
        if let Some((program, paths)) = manifest.and_then(|manifest| manifest.extensions.first()) {
            return Some(format!(
                "its plugin.json keeps {} under `extensions` of `{program}`, to be put in place by its own build; \
                 another branch may have them in place",
                crate::text::count_noun(paths.len(), "skill")
            ));
        }
        let elsewhere = discover::find_skills(self.scan.listing, self.scan.root);
        let offered: Vec<_> = elsewhere.iter().filter(|found| found.offered).collect();
        let first = offered.first()?;
        Some(format!(
            "{} not where plugins keep skills, the first in `{}`; install from the repository itself",
            match offered.len() {
                1 => "1 skill is".to_owned(),
                several => format!("{several} skills are"),
            },
            first.folder
        ))
    }

    /// What lies in the plugin's folder, for one of which nothing else can be said.
    fn describe_contents(&self) -> Option<String> {
        let paths = self.paths_in_folder(self.scan.root);
        let some: Vec<String> = paths.iter().take(SHOWN).map(|path| printable(path.name(), false)).collect();
        let more = if paths.len() > SHOWN { " and more" } else { "" };
        (!some.is_empty()).then(|| format!("its folder contains {}{more}", some.join(", ")))
    }
}

fn is_skill(listing: &Listing, folder: &RelPath) -> bool {
    let manifest = |name: &str| {
        listing.entry_at(&folder.file(name)).is_some_and(|entry| matches!(entry.node, Node::File { .. }))
    };
    manifest(MANIFEST) || manifest(LOWER_MANIFEST)
}

/// The real folder behind a path, every link of the tree on the way followed; `None` where
/// one leaves the tree, they lead in a circle or to what is not a sound path.
fn follow_links(listing: &Listing, path: &RelPath) -> Option<RelPath> {
    let mut path = path.clone();
    for _ in 0..=MAX_LINKS {
        let Some((link, rest, target)) = first_link(listing, path.as_str()) else { return Some(path) };
        let mut names: Vec<&str> = link.split('/').collect();
        names.pop();
        if target.starts_with('/') {
            return None;
        }
        for name in target.split('/').chain(rest.split('/')) {
            match name {
                "" | "." => {}
                ".." => {
                    names.pop()?;
                }
                name => names.push(name),
            }
        }
        path = RelPath::of_folder(&names.join("/")).ok()?;
    }
    None
}

/// The first link on a path: the path up to it, what follows, and where it points.
fn first_link<'a>(listing: &'a Listing, path: &'a str) -> Option<(&'a str, &'a str, &'a str)> {
    let ends = path.match_indices('/').map(|(at, _)| at).chain(std::iter::once(path.len()));
    for end in ends.filter(|end| *end > 0) {
        let (link, rest) = path.split_at(end);
        if let Some(Node::Link { target }) = listing.entry_at(link).map(|entry| &entry.node) {
            return Some((link, rest, target));
        }
    }
    None
}
