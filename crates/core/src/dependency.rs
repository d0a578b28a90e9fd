//! What the files of a skill say it needs: other skills, and packages of other programs.
//!
//! No specification names a key for it, so everything that real files use is read: `depends`,
//! `depends-on`, `requires`, `prerequisite-skills`, `dependencies`, also below `metadata`, the
//! `skill.yaml` beside a manifest, the `apm.yml` and `plugin.json` of its package, and links of
//! the instructions into the folder of another skill of the same source. A word under
//! `dependencies` is a package (all 105 of 9,360 measured were), unless a skill of that name
//! stands in the same source, or it says where it comes from. Prose is not guessed at.

mod folders;
mod item;
mod links;

use std::collections::BTreeSet;

use crate::json::{Json, LineIndex};
use crate::path::RelPath;
use crate::registry::{DependencyKind, DependencyRecord};
use crate::skill::yaml::{Data, Yaml, parse_yaml};
use crate::skill::{canonical_key, read_manifest_text};
pub use folders::SkillFolders;
use item::{Item, NeededSkill, parse_range};

/// What is read of one skill. At most this many are kept: no skill of a person has so many.
const MAX_ITEMS: usize = 1_000;

/// The files that say what a skill needs.
#[derive(Debug, Clone, Copy, Default)]
pub struct DependencyFiles<'a> {
    /// `SKILL.md`, or however it is spelled.
    pub manifest_name: &'a str,
    pub manifest: &'a [u8],
    /// `skill.yaml` beside it.
    pub skill_yaml: Option<&'a [u8]>,
    /// `apm.yml` of its package: its path from the top of the source, and the text.
    pub apm: Option<(&'a RelPath, &'a [u8])>,
    /// `plugin.json` of its package, likewise.
    pub plugin: Option<(&'a RelPath, &'a [u8])>,
}

/// What a skill says it needs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SkillNeeds {
    /// In the order of the files, each once.
    pub skills: Vec<SkillNeed>,
    /// Needed plugins of a marketplace: each stands for all of its skills.
    pub plugins: Vec<DependencyRecord>,
    /// Packages of other programs, as written (`pandas>=2`): shown, never installed.
    pub packages: Vec<String>,
    /// What could not be read, one sentence each.
    pub faults: Vec<String>,
}

/// Another skill that is needed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SkillNeed {
    pub record: DependencyRecord,
    /// Its folder, where it stands in the same source.
    pub folder: Option<RelPath>,
}

/// Reads what the skill in the folder `own` of a source needs; `folders` are those of all skills
/// of that source, `name` is its own. Never fails: what cannot be read is a fault, or was
/// reported by the rules for manifests already.
pub fn read_needs(
    files: &DependencyFiles<'_>,
    name: &str,
    own: &RelPath,
    folders: &SkillFolders,
) -> SkillNeeds {
    let mut reader = NeedsReader { name, own, folders, needs: SkillNeeds::default(), seen: BTreeSet::new() };
    reader.read_manifest(files.manifest_name, files.manifest);
    if let Some(bytes) = files.skill_yaml {
        reader.read_skill_yaml(bytes);
    }
    if let Some((path, bytes)) = files.apm {
        reader.read_apm(path, bytes);
    }
    if let Some((path, bytes)) = files.plugin {
        reader.read_plugin(path, bytes);
    }
    reader.needs
}

/// How a plain word in a list is taken.
#[derive(Clone, Copy, PartialEq, Eq)]
enum WordMeaning {
    Skills,
    /// A package until a skill of that name is seen, or a source is named.
    Packages,
}

/// Where something is said.
#[derive(Clone, Copy)]
struct SaidAt<'a> {
    file: &'a str,
    key: &'a str,
    words: WordMeaning,
    optional: bool,
    /// The folder that `./x` and `../x` start from.
    base: &'a RelPath,
}

struct NeedsReader<'a> {
    name: &'a str,
    own: &'a RelPath,
    folders: &'a SkillFolders,
    needs: SkillNeeds,
    /// Name, range and source of what was noted.
    seen: BTreeSet<(String, Option<String>, Option<String>)>,
}

impl NeedsReader<'_> {
    fn read_manifest(&mut self, file: &str, bytes: &[u8]) {
        let Ok(text) = std::str::from_utf8(bytes) else { return };
        let read = read_manifest_text(text);
        for (key, value) in &read.pairs {
            let written = key.key_text();
            self.read_key(file, &written, value);
            if canonical_key(&written).as_deref() == Some("metadata") {
                self.read_metadata(file, value);
            }
        }
        for link in links::links_above(read.body, read.body_line) {
            if let Some(folder) = self.folders.at_path(self.own, &link.path) {
                let at = format!("{file}:{}", link.line);
                self.note_folder(folder.clone(), at, DependencyKind::Link, None);
            }
        }
    }

    /// One key of the frontmatter, or of a map below `metadata`.
    fn read_key(&mut self, file: &str, key: &str, value: &Yaml) {
        let last = key.rsplit('.').next().unwrap_or(key);
        let own = self.own;
        let place = |words, optional| SaidAt { file, key, words, optional, base: own };
        match canonical_key(last).as_deref() {
            Some("depends" | "depends_on" | "prerequisite_skills") => {
                self.read_items(place(WordMeaning::Skills, false), value);
            }
            Some("dependencies") => self.read_items(place(WordMeaning::Packages, false), value),
            Some("related_skills" | "peer_dependencies") => {
                self.read_items(place(WordMeaning::Skills, true), value);
            }
            Some("requires") => match &value.data {
                Data::Map(pairs) => {
                    let skills = pairs.iter().filter(|(inner, _)| inner.as_text() == Some("skills"));
                    for (_, value) in skills {
                        let key = format!("{key}.skills");
                        self.read_items(SaidAt { key: &key, ..place(WordMeaning::Skills, false) }, value);
                    }
                }
                _ => self.read_items(place(WordMeaning::Skills, false), value),
            },
            _ => {}
        }
    }

    /// `metadata.requires`, and the same below the name of a program.
    fn read_metadata(&mut self, file: &str, value: &Yaml) {
        let Data::Map(pairs) = &value.data else { return };
        for (key, value) in pairs {
            let key = format!("metadata.{}", key.key_text());
            self.read_key(file, &key, value);
            let Data::Map(inner) = &value.data else { continue };
            for (name, value) in inner.iter().filter(|(name, _)| name.as_text() == Some("requires")) {
                self.read_key(file, &format!("{key}.{}", name.key_text()), value);
            }
        }
    }

    fn read_skill_yaml(&mut self, bytes: &[u8]) {
        const FILE: &str = "skill.yaml";
        let Some(pairs) = self.read_yaml(FILE, bytes) else { return };
        let own = self.own;
        for (key, value) in &pairs {
            let place =
                |key| SaidAt { file: FILE, key, words: WordMeaning::Skills, optional: false, base: own };
            match (key.as_text(), &value.data) {
                (Some("dependencies"), _) => self.read_items(place("dependencies"), value),
                (Some("spec"), Data::Map(inner)) => {
                    let found = inner.iter().filter(|(key, _)| key.as_text() == Some("dependencies"));
                    found.for_each(|(_, value)| self.read_items(place("spec.dependencies"), value));
                }
                _ => {}
            }
        }
    }

    /// The packages below `dependencies.apm`: paths, and `owner/repo/path`.
    fn read_apm(&mut self, path: &RelPath, bytes: &[u8]) {
        let Some(pairs) = self.read_yaml(path.as_str(), bytes) else { return };
        let base = path.parent();
        for (_, value) in pairs.iter().filter(|(key, _)| key.as_text() == Some("dependencies")) {
            let Data::Map(kinds) = &value.data else { continue };
            for (_, value) in kinds.iter().filter(|(kind, _)| kind.as_text() == Some("apm")) {
                let key = "dependencies.apm";
                let words = WordMeaning::Packages;
                self.read_items(
                    SaidAt { file: path.as_str(), key, words, optional: false, base: &base },
                    value,
                );
            }
        }
    }

    fn read_yaml(&mut self, file: &str, bytes: &[u8]) -> Option<Vec<(Yaml, Yaml)>> {
        let read = std::str::from_utf8(bytes).ok().and_then(|text| parse_yaml(text, 1).ok());
        match read.map(|(tree, _)| tree.map(|tree| tree.data)) {
            Some(Some(Data::Map(pairs))) => Some(pairs),
            Some(None) => None,
            _ => {
                self.needs.faults.push(format!("`{file}` cannot be read, so what it needs is not known"));
                None
            }
        }
    }

    /// `dependencies` of a plugin: names of plugins, of its own marketplace or another. A map, as
    /// npm has it, names packages.
    fn read_plugin(&mut self, path: &RelPath, bytes: &[u8]) {
        let Ok(text) = std::str::from_utf8(bytes) else { return };
        let Ok(Some(list)) = Json::parse(text).map(|top| top.get("dependencies")) else { return };
        let lines = LineIndex::of(text);
        let (plugins, faults) = read_plugin_list(list);
        for PluginNeed { name, range, marketplace, offset } in plugins.into_iter().take(MAX_ITEMS) {
            self.needs.plugins.push(DependencyRecord {
                at: format!("{path}:{}", lines.line_and_column(offset).0),
                key: Some("dependencies".to_owned()),
                kind: DependencyKind::Declared,
                marketplace,
                plugin: Some(name.clone()),
                name,
                optional: false,
                range,
                source: None,
            });
        }
        self.needs.faults.extend(faults.into_iter().map(|fault| format!("`{path}`: {fault}")));
    }

    fn read_items(&mut self, place: SaidAt<'_>, value: &Yaml) {
        match &value.data {
            Data::List(items) => {
                for item in items.iter().take(MAX_ITEMS) {
                    self.read_item(place, Item::of(item), item.at.line);
                }
            }
            // `name: range`, as package managers write it.
            Data::Map(pairs) => {
                for (key, value) in pairs.iter().take(MAX_ITEMS) {
                    let item = Item::of_pair(&key.key_text(), value);
                    self.read_item(place, item, key.at.line);
                }
            }
            Data::Scalar { text, .. } if !value.is_null() => {
                for word in text.split(',').map(str::trim).filter(|word| !word.is_empty()).take(MAX_ITEMS) {
                    self.read_item(place, Item::Word(word.to_owned()), value.at.line);
                }
            }
            Data::Scalar { .. } => {}
        }
    }

    fn read_item(&mut self, place: SaidAt<'_>, item: Item, line: usize) {
        let at = format!("{}:{line}", place.file);
        let needed = match item.understand() {
            Ok(needed) => needed,
            Err(text) => {
                if place.words == WordMeaning::Skills && !place.optional {
                    let fault =
                        format!("{at}: `{}` is not a skill's name", crate::error::printable(&text, false));
                    self.needs.faults.push(fault);
                }
                return self.note_package(text);
            }
        };
        if let Some(path) = &needed.path {
            match self.folders.at_path(place.base, path) {
                Some(folder) => {
                    let folder = folder.clone();
                    self.note_folder(folder, at, DependencyKind::Declared, Some((place, &needed)));
                }
                None => self.needs.faults.push(format!(
                    "{at}: `{}` leads to no skill of the same source",
                    crate::error::printable(path, false)
                )),
            }
            return;
        }
        let folder = match needed.source.is_none() && needed.marketplace.is_none() {
            true => self.folders.named(self.own, &needed.name).cloned(),
            false => None,
        };
        let is_sure = place.words == WordMeaning::Skills || needed.is_skill || needed.source.is_some();
        if !is_sure && folder.is_none() {
            return self.note_package(needed.written);
        }
        if needed.bad_range {
            self.needs.faults.push(format!(
                "{at}: `{}` has no valid version range, so any version is taken",
                crate::error::printable(&needed.written, false)
            ));
        }
        self.note(DependencyKind::Declared, at, Some(place), &needed, folder);
    }

    fn note_package(&mut self, text: String) {
        if self.needs.packages.len() < MAX_ITEMS && !self.needs.packages.contains(&text) {
            self.needs.packages.push(text);
        }
    }

    /// A skill that is known by its folder in the same source.
    fn note_folder(
        &mut self,
        folder: RelPath,
        at: String,
        kind: DependencyKind,
        said: Option<(SaidAt<'_>, &NeededSkill)>,
    ) {
        let needed = NeededSkill {
            name: folder.name().to_owned(),
            ..said.map(|(_, needed)| needed.clone()).unwrap_or_default()
        };
        self.note(kind, at, said.map(|(place, _)| place), &needed, Some(folder));
    }

    fn note(
        &mut self,
        kind: DependencyKind,
        at: String,
        place: Option<SaidAt<'_>>,
        needed: &NeededSkill,
        folder: Option<RelPath>,
    ) {
        if folder.as_ref() == Some(self.own) || needed.name == self.name {
            if kind == DependencyKind::Declared {
                self.needs.faults.push(format!("{at}: the skill names itself as one that it needs"));
            }
            return;
        }
        // What is declared says more than a link to the same skill.
        let is_known = |need: &SkillNeed| need.record.name == needed.name;
        if kind == DependencyKind::Link && self.needs.skills.iter().any(is_known) {
            return;
        }
        let key = (needed.name.clone(), needed.range.clone(), needed.source.clone());
        if self.needs.skills.len() >= MAX_ITEMS || !self.seen.insert(key) {
            return;
        }
        let record = DependencyRecord {
            at,
            key: place.map(|place| place.key.to_owned()),
            kind,
            marketplace: needed.marketplace.clone(),
            name: needed.name.clone(),
            optional: needed.optional || place.is_some_and(|place| place.optional),
            plugin: None,
            range: needed.range.clone(),
            source: needed.source.clone(),
        };
        self.needs.skills.push(SkillNeed { record, folder });
    }
}

/// One plugin that another needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PluginNeed {
    pub name: String,
    /// The versions that will do; absent where any does.
    pub range: Option<String>,
    /// The marketplace that has it; absent for that of the plugin itself.
    pub marketplace: Option<String>,
    /// Bytes of the document before it.
    pub(crate) offset: usize,
}

/// The list `["name", {"name", "version", "marketplace"}]` of a plugin or of an entry; beside it
/// what is wrong with it.
pub(crate) fn read_plugin_list(list: Json<'_>) -> (Vec<PluginNeed>, Vec<String>) {
    let (mut plugins, mut faults) = (Vec::new(), Vec::new());
    for item in list.as_list().unwrap_or_default() {
        let text = |key: &str| item.get(key).and_then(Json::as_text).map(std::borrow::Cow::into_owned);
        // `name@marketplace` is how such a list is shown to people, and what some write.
        let written = item.as_text().map(std::borrow::Cow::into_owned).or_else(|| text("name"));
        let Some(written) = written.filter(|name| !name.trim().is_empty()) else {
            faults.push("a dependency has no name".to_owned());
            continue;
        };
        let (name, beside) = match written.split_once('@') {
            Some((name, marketplace)) if item.as_text().is_some() => (name, Some(marketplace.to_owned())),
            _ => (written.as_str(), None),
        };
        let range = match text("version").as_deref().map(parse_range) {
            Some(Err(())) => {
                faults.push(format!("`{}` has no valid version range", crate::error::printable(name, false)));
                None
            }
            Some(Ok(range)) => range,
            None => None,
        };
        let marketplace = text("marketplace").or(beside);
        plugins.push(PluginNeed { name: name.to_owned(), range, marketplace, offset: item.offset() });
    }
    (plugins, faults)
}

#[cfg(test)]
mod tests;
