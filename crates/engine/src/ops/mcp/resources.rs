//! Skills as resources: what the skills extension of the Model Context Protocol serves.

use std::collections::BTreeMap;

use crate::workspace::Session;
use ba_agent_core::error::{Error, Result, error, printable};
use ba_agent_core::loader::LoadedSkill;
use ba_agent_core::path::RelPath;
use ba_agent_core::skill::MANIFEST;
use ba_agent_core::skill_uri::{SkillUri, media_type_of};

use super::catalog::SkillCatalog;
use super::manifest::SkillEntry;
use super::{ListPage, SkillService, one_line, page_of};

/// A file or a folder that can be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServedResource {
    pub uri: String,
    pub name: String,
    pub description: Option<String>,
    /// `None` where it is not known.
    pub media_type: Option<&'static str>,
    /// Bytes of a file.
    pub size: Option<u64>,
    pub is_folder: bool,
}

/// The bytes of such a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResourceBytes {
    pub media_type: Option<&'static str>,
    pub bytes: Vec<u8>,
}

impl SkillService {
    /// The skills that the extension serves, in the order of their names, from behind `cursor`.
    /// Those that it cannot serve are left out; each is told once.
    ///
    /// # Errors
    /// `Usage` for a cursor that no page ended with; those of looking through the sources.
    pub fn list_entries(&self, cursor: Option<&str>) -> Result<ListPage<SkillEntry>> {
        self.with_catalog(|catalog, session| {
            let skills: Vec<&LoadedSkill> = catalog.sorted().collect();
            let total = skills.len();
            let (page, next) = page_of(&skills, |skill| &skill.qualified, cursor)?;
            let page: Vec<LoadedSkill> = page.iter().map(|skill| (*skill).clone()).collect();
            let entries = page.iter().filter_map(|skill| entry_of(catalog, session, skill).ok());
            Ok(ListPage { items: entries.collect(), total, next })
        })
    }

    /// The entry of the skill whose manifest has this address.
    ///
    /// # Errors
    /// `NotFound` where none that can be served has it.
    pub fn find_entry(&self, uri: &str) -> Result<SkillEntry> {
        let parsed = SkillUri::parse(uri).filter(|uri| uri.path.as_str() == MANIFEST);
        let parsed = parsed.ok_or_else(|| not_served(uri))?;
        self.with_served(uri, &parsed, |_, _, _, entry| Ok(entry))
    }

    /// The manifests of the skills, as resources.
    ///
    /// # Errors
    /// Those of [`SkillService::list_entries`].
    pub fn list_resources(&self, cursor: Option<&str>) -> Result<ListPage<ServedResource>> {
        let page = self.list_entries(cursor)?;
        let resource = |entry: SkillEntry| {
            let word = |key: &str| entry.frontmatter.get(key).and_then(serde_json::Value::as_str);
            let size = entry.files.iter().find(|file| file.uri == entry.uri).map(|file| file.size);
            ServedResource {
                name: word("name").unwrap_or_default().to_owned(),
                description: word("description").map(|text| one_line(text, super::DESCRIPTION)),
                media_type: media_type_of(MANIFEST),
                size,
                is_folder: false,
                uri: entry.uri,
            }
        };
        let items = page.items.into_iter().map(resource).collect();
        Ok(ListPage { items, total: page.total, next: page.next })
    }

    /// The bytes of a file of a served skill, which are those that its entry lists.
    ///
    /// # Errors
    /// `NotFound` where there is no such file; `Integrity` where it is another one by now.
    pub fn read_resource(&self, uri: &str) -> Result<ResourceBytes> {
        let parsed = SkillUri::parse(uri).ok_or_else(|| not_served(uri))?;
        self.with_served(uri, &parsed, |catalog, session, skill, entry| {
            let file = entry.files.iter().find(|file| file.path == parsed.path.as_str());
            let file = file.ok_or_else(|| not_served(uri))?;
            let bytes = catalog.read_served(session, skill, file)?;
            Ok(ResourceBytes { media_type: media_type_of(&file.path), bytes })
        })
    }

    /// What stands directly in a folder of a served skill.
    ///
    /// # Errors
    /// `NotFound` where there is no such folder; `Usage` for a cursor, since there is one page.
    pub fn read_directory(&self, uri: &str, cursor: Option<&str>) -> Result<Vec<ServedResource>> {
        if cursor.is_some() {
            return Err(error!(Usage, "a folder has one page, and no cursor"));
        }
        let not_a_folder = || error!(NotFound, "`{}` is not a directory resource", printable(uri, false));
        let parsed = SkillUri::parse(uri).ok_or_else(not_a_folder)?;
        self.with_served(uri, &parsed, |_, _, _, entry| {
            let children = children_of(&entry, &parsed);
            if children.is_empty() { Err(not_a_folder()) } else { Ok(children) }
        })
    }

    /// Answers for the skill that an address leads to. One that is not known may have come a
    /// moment ago.
    fn with_served<T>(
        &self,
        uri: &str,
        parsed: &SkillUri,
        answer: impl FnOnce(&mut SkillCatalog, &Session<'_>, &LoadedSkill, SkillEntry) -> Result<T>,
    ) -> Result<T> {
        let name = parsed.qualified_name();
        let find =
            |catalog: &mut SkillCatalog| catalog.sorted().find(|skill| skill.qualified == name).cloned();
        if self.with_catalog(|catalog, _| Ok(find(catalog).is_none()))? {
            self.look_again()?;
        }
        self.with_catalog(|catalog, session| {
            let skill = find(catalog).ok_or_else(|| not_served(uri))?;
            let entry = entry_of(catalog, session, &skill)
                .map_err(|why| not_served(uri).cause(format!("`{}` is not served: {why}", skill.name)))?;
            answer(catalog, session, &skill, entry)
        })
    }
}

fn not_served(uri: &str) -> Error {
    error!(NotFound, "no skill is served at `{}`", printable(uri, false))
}

/// The entry of a skill; where it cannot be served, that is told the first time.
fn entry_of(
    catalog: &mut SkillCatalog,
    session: &Session<'_>,
    skill: &LoadedSkill,
) -> Result<SkillEntry, String> {
    let entry = catalog.measure(session, skill);
    if let Err(why) = &entry
        && catalog.note_unserved(&skill.qualified)
    {
        session.note(&format!(
            "`{}` is not served by the skills extension: {why}; its tools have it",
            printable(&skill.qualified, false)
        ));
    }
    entry
}

/// The files and folders that stand directly below an address.
fn children_of(entry: &SkillEntry, folder: &SkillUri) -> Vec<ServedResource> {
    let mut children = BTreeMap::new();
    for file in &entry.files {
        let Ok(path) = RelPath::parse(file.path.as_bytes()) else { continue };
        let Some(child) = folder.path.child_towards(&path) else { continue };
        let is_folder = child != path;
        let uri = SkillUri { path: RelPath::ROOT, ..folder.clone() }.text_of_file(child.as_str());
        children.entry(child.as_str().to_owned()).or_insert_with(|| ServedResource {
            uri,
            name: child.name().to_owned(),
            description: None,
            media_type: if is_folder { None } else { media_type_of(&file.path) },
            size: (!is_folder).then_some(file.size),
            is_folder,
        });
    }
    children.into_values().collect()
}
