//! All skills in memory, each by its newest version, with the index that finds them: the client's
//! own, so that both rank alike. What changed since the index was made is indexed apart and asked
//! beside it.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use ba_agent_core::remote_registry::PublishedVersion;
use ba_agent_core::search::{
    BorrowedText, SearchDocument, SearchIndex, SearchQuery, build_index, rank_documents,
};

use crate::db::skills::ShelfRow;

/// So many changed skills are indexed apart before all are indexed anew.
const APART: usize = 256;

/// A skill as the lists show it.
#[derive(Debug)]
pub(crate) struct ShelfSkill {
    pub(crate) id: i64,
    /// `@owner/name`.
    pub(crate) name: String,
    pub(crate) featured: i64,
    pub(crate) is_buried: bool,
    /// Its newest version that may be taken.
    pub(crate) latest: Option<PublishedVersion>,
}

impl ShelfSkill {
    /// The owner without its `@`.
    pub(crate) fn owner(&self) -> &str {
        self.name.trim_start_matches('@').split('/').next().unwrap_or_default()
    }

    /// The name without the owner.
    pub(crate) fn bare_name(&self) -> &str {
        self.name.split_once('/').map_or(self.name.as_str(), |(_, name)| name)
    }

    fn document(&self) -> SearchDocument<'_> {
        let mut document = SearchDocument { name: self.bare_name().into(), ..SearchDocument::default() };
        document.plugin = self.owner().into();
        if let Some(latest) = &self.latest {
            document.description = latest.description.as_str().into();
            document.tags = latest.tags.iter().map(|tag| BorrowedText(tag.as_str().into())).collect();
            document.category = latest.category.as_deref().unwrap_or_default().into();
        }
        document
    }
}

/// An index, and the skills that it is of.
#[derive(Debug, Default)]
struct IndexedSkills {
    bytes: Vec<u8>,
    skills: Vec<Arc<ShelfSkill>>,
}

impl IndexedSkills {
    fn of(skills: Vec<Arc<ShelfSkill>>) -> Self {
        let documents: Vec<SearchDocument<'_>> = skills.iter().map(|skill| skill.document()).collect();
        let bytes = build_index(&documents);
        drop(documents);
        Self { bytes, skills }
    }
}

/// What is asked: the index of all, and of what changed since.
#[derive(Debug, Clone, Default)]
struct Indexes {
    base: Arc<IndexedSkills>,
    apart: Arc<IndexedSkills>,
    /// Names whose entry in `base` is out of date.
    changed: Arc<HashSet<String>>,
    /// Names that changed after `apart` was made.
    is_stale: bool,
}

/// All skills.
#[derive(Debug, Default)]
pub(crate) struct SkillShelf {
    skills: RwLock<BTreeMap<String, Arc<ShelfSkill>>>,
    removed: RwLock<HashMap<String, String>>,
    indexes: Mutex<Indexes>,
}

/// A skill that was found, and how well it fits.
#[derive(Debug, Clone)]
pub(crate) struct RankedSkill {
    pub(crate) skill: Arc<ShelfSkill>,
    pub(crate) score: f32,
    pub(crate) strength: f32,
}

impl SkillShelf {
    /// Puts all skills on it, in the place of what was there.
    pub(crate) fn fill(&self, rows: Vec<ShelfRow>) {
        let entry = |row: ShelfRow| (row.name.clone(), Arc::new(skill_of(row)));
        let all: BTreeMap<_, _> = rows.into_iter().map(entry).collect();
        *self.skills.write().unwrap_or_else(PoisonError::into_inner) = all;
        self.index_all();
    }

    /// Notes what a skill became.
    pub(crate) fn put(&self, row: ShelfRow) {
        let name = row.name.clone();
        let skill = Arc::new(skill_of(row));
        self.skills.write().unwrap_or_else(PoisonError::into_inner).insert(name.clone(), skill);
        let mut indexes = self.indexes.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::make_mut(&mut indexes.changed).insert(name);
        indexes.is_stale = true;
    }

    /// The skill of that name.
    pub(crate) fn find(&self, name: &str) -> Option<Arc<ShelfSkill>> {
        self.skills.read().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    /// All skills that have a version that may be taken, by name.
    pub(crate) fn all(&self) -> Vec<Arc<ShelfSkill>> {
        let skills = self.skills.read().unwrap_or_else(PoisonError::into_inner);
        skills.values().filter(|skill| is_offered(skill)).cloned().collect()
    }

    /// All skills, also those of which nothing may be taken.
    pub(crate) fn everything(&self) -> Vec<Arc<ShelfSkill>> {
        self.skills.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    /// How many skills there are.
    pub(crate) fn count(&self) -> usize {
        self.skills.read().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Digests that were removed, with the reason.
    pub(crate) fn set_removed(&self, removed: Vec<(String, String)>) {
        let hex = |digest: &str| digest.trim_start_matches("sha256:").to_owned();
        let removed = removed.into_iter().map(|(digest, reason)| (hex(&digest), reason)).collect();
        *self.removed.write().unwrap_or_else(PoisonError::into_inner) = removed;
    }

    /// Why an archive was removed, if it was.
    pub(crate) fn removed_reason(&self, hex: &str) -> Option<String> {
        self.removed.read().unwrap_or_else(PoisonError::into_inner).get(hex).cloned()
    }

    /// True for a path below a skill that was removed as a whole.
    pub(crate) fn is_buried(&self, path: &str) -> bool {
        let Some(name) = path.strip_prefix('@').and_then(|rest| {
            let end = rest.match_indices('/').nth(1).map_or(rest.len(), |(at, _)| at);
            rest.get(..end)
        }) else {
            return false;
        };
        self.find(&format!("@{name}")).is_some_and(|skill| skill.is_buried)
    }

    /// Indexes all skills anew.
    pub(crate) fn index_all(&self) {
        // What changes while this works stands in `changed` after it.
        let mut indexes = self.indexes.lock().unwrap_or_else(PoisonError::into_inner);
        let base = IndexedSkills::of(self.all());
        *indexes = Indexes { base: Arc::new(base), ..Indexes::default() };
    }

    /// The skills that answer a query, the best first; all by name for a query without a word.
    pub(crate) fn search(&self, text: &str) -> Vec<RankedSkill> {
        let query = SearchQuery::parse(text);
        if query.is_empty() {
            let found = |skill| RankedSkill { skill, score: 0.0, strength: 0.0 };
            return self.all().into_iter().map(found).collect();
        }
        let indexes = self.current_indexes();
        let volumes = [&indexes.base, &indexes.apart];
        let read: Vec<SearchIndex<'_>> =
            volumes.iter().filter_map(|volume| SearchIndex::read(&volume.bytes)).collect();
        let mut found = Vec::new();
        for hit in rank_documents(&read, &query).hits {
            let Some(skill) = volumes.get(hit.volume).and_then(|volume| volume.skills.get(hit.at)) else {
                continue;
            };
            if hit.volume == 0 && indexes.changed.contains(&skill.name) {
                continue;
            }
            found.push(RankedSkill { skill: skill.clone(), score: hit.score, strength: hit.strength });
        }
        found
    }

    /// The indexes, with what changed since the last question in them.
    fn current_indexes(&self) -> Indexes {
        let mut indexes = self.indexes.lock().unwrap_or_else(PoisonError::into_inner);
        if indexes.base.bytes.is_empty() {
            indexes.base = Arc::new(IndexedSkills::of(Vec::new()));
            indexes.is_stale = true;
        }
        if indexes.apart.bytes.is_empty() {
            indexes.apart = Arc::new(IndexedSkills::of(Vec::new()));
        }
        if indexes.is_stale {
            if indexes.changed.len() > APART {
                let base = IndexedSkills::of(self.all());
                let apart = Arc::new(IndexedSkills::of(Vec::new()));
                *indexes = Indexes { base: Arc::new(base), apart, ..Indexes::default() };
            } else {
                let changed = indexes.changed.iter().filter_map(|name| self.find(name));
                let mut skills: Vec<_> = changed.filter(|skill| is_offered(skill)).collect();
                skills.sort_by(|a, b| a.name.cmp(&b.name));
                indexes.apart = Arc::new(IndexedSkills::of(skills));
                indexes.is_stale = false;
            }
        }
        indexes.clone()
    }
}

fn is_offered(skill: &ShelfSkill) -> bool {
    !skill.is_buried && skill.latest.is_some()
}

fn skill_of(row: ShelfRow) -> ShelfSkill {
    ShelfSkill {
        id: row.skill,
        name: row.name,
        featured: row.featured,
        is_buried: row.is_tombstoned,
        latest: row.latest,
    }
}
