//! What a server knows of the skills between two looks at the disk.

use std::collections::{BTreeSet, HashMap};
use std::time::Instant;

use crate::loader::{LoadedSkills, load_skills};
use crate::poll::Poll;
use crate::registry_facts::RecordedSkillFiles;
use crate::skill_content::read_content;
use crate::workspace::Session;
use ba_agent_core::agents::Agent;
use ba_agent_core::digest::Digest;
use ba_agent_core::error::Result;
use ba_agent_core::loader::LoadedSkill;
use ba_agent_core::search::{self, BorrowedText, SearchDocument, SearchIndex, SearchQuery};
use ba_agent_core::skill_uri::SkillUri;

use super::NAMED;
use super::manifest::{Measured, ServedFile, SkillEntry};

/// The skills as they were at the last look.
pub(super) struct SkillCatalog {
    pub(super) loaded: LoadedSkills,
    pub(super) read_at: Instant,
    /// The listed ones in the order of their names.
    order: Vec<usize>,
    search_index: Option<Vec<u8>>,
    measured: Measured,
    /// Skills that the extension does not serve, which was told.
    unserved: BTreeSet<String>,
}

/// What is different from the look before.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SkillChanges {
    /// The names that a schema lists.
    pub schema: bool,
    /// Addresses of the manifests of skills that came, went, or have another text.
    pub skills: Vec<String>,
}

impl SkillChanges {
    /// What came after it, too.
    pub(super) fn add(&mut self, later: Self) {
        self.schema |= later.schema;
        self.skills.extend(later.skills);
        self.skills.sort();
        self.skills.dedup();
    }
}

impl SkillCatalog {
    /// Looks through the sources.
    ///
    /// # Errors
    /// Those of [`load_skills`].
    pub(super) fn read(
        session: &Session<'_>,
        agent: Option<&'static Agent>,
        read_at: Instant,
    ) -> Result<Self> {
        Ok(Self::of(load_skills(session, agent)?, read_at))
    }

    fn of(loaded: LoadedSkills, read_at: Instant) -> Self {
        let mut order: Vec<usize> = (0..loaded.listed.len()).collect();
        order.sort_by(|one, other| name_at(&loaded, *one).cmp(name_at(&loaded, *other)));
        Self {
            loaded,
            read_at,
            order,
            search_index: None,
            measured: Measured::default(),
            unserved: BTreeSet::new(),
        }
    }

    /// Lists skills that cannot be read any more as they were when they last could.
    pub(super) fn keep_last_good(&mut self, poll: &Poll) {
        let is_lost = |skill: &&LoadedSkill| {
            skill.fallback && !self.loaded.listed.iter().any(|known| known.qualified == skill.qualified)
        };
        let lost: Vec<LoadedSkill> = poll.skills().filter(is_lost).cloned().collect();
        if !lost.is_empty() {
            let mut loaded = std::mem::take(&mut self.loaded);
            loaded.listed.extend(lost);
            *self = Self::of(loaded, self.read_at);
        }
    }

    /// Keeps of an older look what still holds; what has changed since.
    pub(super) fn take_over(&mut self, old: Self) -> SkillChanges {
        self.measured = old.measured;
        self.unserved = old.unserved;
        let before: HashMap<&str, &LoadedSkill> =
            old.loaded.listed.iter().map(|skill| (skill.qualified.as_str(), skill)).collect();
        let mut changed: BTreeSet<&str> = BTreeSet::new();
        for skill in &self.loaded.listed {
            if before.get(skill.qualified.as_str()).is_none_or(|then| skill != *then) {
                changed.insert(&skill.qualified);
            }
        }
        let now: BTreeSet<&str> = self.loaded.listed.iter().map(|skill| skill.qualified.as_str()).collect();
        changed.extend(before.keys().filter(|name| !now.contains(*name)));
        if changed.is_empty() {
            self.search_index = old.search_index;
        }
        let then: BTreeSet<&str> = before.keys().copied().collect();
        let (schema, schema_then) = (schema_of(&self.loaded, &now), schema_of(&old.loaded, &then));
        let is_other_schema = schema != schema_then;
        let address = |name: &&str| SkillUri::of_skill(name).text_of_file(ba_agent_core::skill::MANIFEST);
        SkillChanges { schema: is_other_schema, skills: changed.iter().map(address).collect() }
    }

    /// The listed skills in the order of their names.
    pub(super) fn sorted(&self) -> impl Iterator<Item = &LoadedSkill> {
        self.order.iter().filter_map(|at| self.loaded.listed.get(*at))
    }

    /// The digest of the files that a listed skill has now; `None` where it is not listed, or cannot
    /// be read.
    pub(super) fn digest_of(&self, session: &Session<'_>, name: &str) -> Option<Digest> {
        let skill = self.loaded.listed.iter().find(|skill| skill.qualified == name)?;
        read_content(skill, session).ok()?.files.digest()
    }

    /// The files that the registry records of a skill.
    pub(super) fn recorded_of(
        &self,
        session: &Session<'_>,
        skill: &LoadedSkill,
    ) -> Option<RecordedSkillFiles> {
        skill.digest.as_ref()?;
        self.loaded.recorded.read_files(&skill.folder, &session.cache)
    }

    /// A skill with its files, as it is now.
    ///
    /// # Errors
    /// Why the extension does not serve it, in a sentence.
    pub(super) fn measure(
        &mut self,
        session: &Session<'_>,
        skill: &LoadedSkill,
    ) -> Result<SkillEntry, String> {
        let recorded = self.recorded_of(session, skill);
        self.measured.entry_of(session, skill, recorded.as_ref())
    }

    /// The bytes of a file that an entry lists.
    ///
    /// # Errors
    /// Those of [`Measured::read_served`].
    pub(super) fn read_served(
        &mut self,
        session: &Session<'_>,
        skill: &LoadedSkill,
        file: &ServedFile,
    ) -> Result<Vec<u8>> {
        self.measured.read_served(session, skill, file)
    }

    /// Notes that a skill is not served; true the first time.
    pub(super) fn note_unserved(&mut self, name: &str) -> bool {
        self.unserved.insert(name.to_owned())
    }

    /// The listed skills that have to do with a query, the best first.
    pub(super) fn rank(&mut self, query: &str, most: usize) -> Vec<&LoadedSkill> {
        let listed = &self.loaded.listed;
        let index = self
            .search_index
            .get_or_insert_with(|| search::build_index(&listed.iter().map(document_of).collect::<Vec<_>>()));
        let indexes: Vec<SearchIndex<'_>> = SearchIndex::read(index).into_iter().collect();
        let hits = search::rank_documents(&indexes, &SearchQuery::parse(query)).hits;
        hits.into_iter().take(most).filter_map(|hit| listed.get(hit.at)).collect()
    }

    /// The names that are nearest to one, the nearest first.
    pub(super) fn nearest_names(&self, name: &str, most: usize) -> Vec<String> {
        // What is longer than any name would only take time.
        let name: String = name.chars().take(128).collect::<String>().to_lowercase();
        let mut near: Vec<(f64, &str)> = self
            .sorted()
            .map(|skill| {
                (strsim::jaro_winkler(&name, &skill.qualified.to_lowercase()), skill.qualified.as_str())
            })
            .collect();
        near.sort_by(|one, other| other.0.total_cmp(&one.0));
        near.into_iter().take(most).map(|(_, name)| name.to_owned()).collect()
    }
}

/// The names that a schema lists, `None` where there are too many.
fn schema_of<'n, 's>(loaded: &LoadedSkills, names: &'s BTreeSet<&'n str>) -> Option<&'s BTreeSet<&'n str>> {
    (names.len() <= NAMED && loaded.recorded.count_enabled() <= NAMED).then_some(names)
}

fn name_at(loaded: &LoadedSkills, at: usize) -> &str {
    loaded.listed.get(at).map_or("", |skill| &skill.qualified)
}

fn document_of(skill: &LoadedSkill) -> SearchDocument<'_> {
    let texts = |all: &[String]| all.iter().map(|text| BorrowedText::from(text.as_str())).collect();
    let facts = &skill.facts;
    let description = match &facts.when_to_use {
        Some(when) => format!("{} {when}", facts.description).into(),
        None => facts.description.as_str().into(),
    };
    SearchDocument {
        name: skill.qualified.as_str().into(),
        description,
        tags: texts(&facts.tags),
        triggers: texts(&facts.triggers),
        category: facts.category.as_deref().unwrap_or_default().into(),
        version: facts.version.as_deref().unwrap_or_default().into(),
        ..SearchDocument::default()
    }
}
