//! Deeds: finding what is published, out of memory and the files: no question goes to the database.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, PoisonError};

use ba_agent_archive::open_published_archive;
use ba_agent_core::category::SkillCategory;
use ba_agent_core::diff::{changed_files, unified_diff};
use ba_agent_core::package::Package;
use ba_agent_core::path::RelPath;
use ba_agent_core::remote_registry::{
    PublishedVersion, ScopedName, archive_path, parse_version_index, version_index_path, version_key,
};
use semver::Version;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::problem::{Answer, Problem};
use crate::registry::RegistryServer;
use crate::shelf::{RankedSkill, ShelfSkill};
use crate::stored_file::FileKind;

/// The orders of a list.
pub(crate) const SORTS: &[&str] = &["relevance", "updated", "name", "downloads"];
/// Skills on a page, unless others are asked for, and at most.
const PAGE: usize = 20;
const MOST: usize = 100;
/// Characters of a query that are looked at.
const MOST_TEXT: usize = 4_000;
/// Weights of a recommendation: what the text says, what stands beside what is installed, what is
/// needed with it.
const TEXT: f32 = 0.6;
const BESIDE: f32 = 0.25;
const NEEDED: f32 = 0.15;

/// What of all skills is wanted, in which order, and from where on.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct ListQuery {
    pub(crate) q: String,
    pub(crate) category: Option<String>,
    pub(crate) tag: Option<String>,
    #[serde(skip)]
    pub(crate) tags: Vec<String>,
    pub(crate) owner: Option<String>,
    pub(crate) sort: Option<String>,
    pub(crate) limit: Option<usize>,
    pub(crate) cursor: Option<String>,
}

/// What is recommended for.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct RecommendQuery {
    text: String,
    /// Names, with commas between them.
    installed: String,
    limit: Option<usize>,
}

fn check_limit(limit: Option<usize>) -> Answer<usize> {
    match limit.unwrap_or(PAGE) {
        limit @ 1..=MOST => Ok(limit),
        other => Err(Problem::bad_request(format!("expected a limit of 1-{MOST}, found {other}"))),
    }
}

fn check_text(text: &str) -> Answer<&str> {
    match text.chars().count() > MOST_TEXT {
        true => Err(Problem::bad_request(format!("a query has at most {MOST_TEXT} characters"))),
        false => Ok(text),
    }
}

/// A category as counts name it.
fn category_of(skill: &ShelfSkill) -> String {
    let word = skill.latest.as_ref().and_then(|latest| latest.category.clone()).unwrap_or_default();
    match SkillCategory::of(&word) {
        SkillCategory::Core => "core".to_owned(),
        SkillCategory::Professional => "professional".to_owned(),
        SkillCategory::Default if word.is_empty() => "default".to_owned(),
        SkillCategory::Default => word.to_lowercase(),
    }
}

fn has_tag(skill: &ShelfSkill, tag: &str) -> bool {
    let tags = skill.latest.iter().flat_map(|latest| &latest.tags);
    tags.into_iter().any(|one| one.eq_ignore_ascii_case(tag))
}

impl RegistryServer {
    /// A page of the skills that are wanted, and how many there are of each category.
    ///
    /// # Errors
    /// 400 for an order, a limit or a cursor that is not one.
    pub(crate) fn list_skills(&self, query: &ListQuery) -> Answer<Value> {
        let limit = check_limit(query.limit)?;
        let from = match &query.cursor {
            Some(cursor) => {
                let read: Option<usize> = cursor.strip_prefix('c').and_then(|text| text.parse().ok());
                read.ok_or_else(|| Problem::bad_request("the cursor is not one of this registry"))?
            }
            None => 0,
        };
        let mut found = self.shelf.search(check_text(&query.q)?);
        let owner = query.owner.as_deref().map(|owner| owner.trim_start_matches('@'));
        let tags: Vec<&str> = query.tag.iter().chain(&query.tags).map(String::as_str).collect();
        found.retain(|one| {
            owner.is_none_or(|owner| one.skill.owner() == owner)
                && tags.iter().all(|tag| has_tag(&one.skill, tag))
        });
        let mut categories: BTreeMap<String, usize> =
            ["core", "default", "professional"].map(|word| (word.to_owned(), 0)).into();
        for one in &found {
            *categories.entry(category_of(&one.skill)).or_default() += 1;
        }
        if let Some(category) = query.category.as_deref().map(str::to_lowercase) {
            found.retain(|one| category_of(&one.skill) == category);
        }
        self.sort_skills(&mut found, query)?;
        let total = found.len();
        let page: Vec<Value> =
            found.iter().skip(from).take(limit).map(|one| self.summarize(&one.skill)).collect();
        let next = from.saturating_add(limit);
        let next_cursor = (next < total).then(|| format!("c{next}"));
        Ok(json!({"skills": page, "total": total, "categories": categories, "next_cursor": next_cursor}))
    }

    fn sort_skills(&self, found: &mut [RankedSkill], query: &ListQuery) -> Answer<()> {
        let sort = query.sort.as_deref().unwrap_or("relevance");
        match sort {
            "relevance" => {}
            "name" => found.sort_by(|a, b| a.skill.name.cmp(&b.skill.name)),
            "updated" => found.sort_by_cached_key(|one| {
                let at = one.skill.latest.as_ref().map(|latest| latest.published_at);
                (Reverse(at), one.skill.name.clone())
            }),
            "downloads" => found
                .sort_by_cached_key(|one| (Reverse(self.downloads_of(&one.skill)), one.skill.name.clone())),
            other => {
                let known = SORTS.join(", ");
                return Err(Problem::bad_request(format!(
                    "`{other}` is not a valid order; expected one of {known}"
                )));
            }
        }
        Ok(())
    }

    fn downloads_of(&self, skill: &ShelfSkill) -> i64 {
        let popularity = self.popularity.read().unwrap_or_else(PoisonError::into_inner);
        popularity.get(&skill.id).copied().unwrap_or_default()
    }

    /// A skill as the lists show it.
    pub(crate) fn summarize(&self, skill: &ShelfSkill) -> Value {
        let mut out = Map::new();
        out.insert("name".to_owned(), skill.name.as_str().into());
        out.insert("category".to_owned(), category_of(skill).into());
        out.insert("downloads".to_owned(), self.downloads_of(skill).into());
        out.insert("featured".to_owned(), (skill.featured > 0).into());
        if let Some(latest) = &skill.latest {
            out.insert("version".to_owned(), latest.version.to_string().into());
            out.insert("description".to_owned(), latest.description.as_str().into());
            out.insert("tags".to_owned(), json!(latest.tags));
            out.insert("license".to_owned(), json!(latest.license));
            out.insert("published_at".to_owned(), json!(latest.published_at));
            out.insert("digest".to_owned(), json!(latest.digest));
        }
        Value::Object(out)
    }

    /// What an admin put first.
    pub(crate) fn featured_skills(&self) -> Value {
        let mut featured = self.shelf.all();
        featured.retain(|skill| skill.featured > 0);
        featured.sort_by_key(|skill| skill.featured);
        let shown: Vec<Value> = featured.iter().map(|skill| self.summarize(skill)).collect();
        json!({"skills": shown})
    }

    /// What fits a text and what the caller says is installed, each with why. Nothing is kept.
    ///
    /// # Errors
    /// 400 for a limit that is not one.
    pub(crate) fn recommend_skills(&self, query: &RecommendQuery) -> Answer<Value> {
        let limit = check_limit(query.limit)?;
        let named: BTreeSet<&str> =
            query.installed.split(',').map(str::trim).filter(|n| !n.is_empty()).collect();
        let installed: Vec<Arc<ShelfSkill>> = named.iter().filter_map(|name| self.shelf.find(name)).collect();
        let text = check_text(&query.text)?;
        let by_text: BTreeMap<String, f32> = match text.trim() {
            "" => BTreeMap::new(),
            text => {
                let found = self.shelf.search(text);
                let best = found.first().map_or(1.0, |one| one.score.max(f32::EPSILON));
                found
                    .into_iter()
                    .take(500)
                    .map(|one| (one.skill.name.clone(), (one.score / best).min(1.0) * one.strength.min(1.0)))
                    .collect()
            }
        };
        let needed: BTreeSet<String> = installed
            .iter()
            .flat_map(|skill| skill.latest.iter().flat_map(|latest| &latest.deps))
            .map(|dep| dep.name.to_string())
            .collect();
        let mut scored = Vec::new();
        for skill in self.shelf.all().into_iter().filter(|skill| !named.contains(skill.name.as_str())) {
            let parts = [
                (TEXT * by_text.get(&skill.name).copied().unwrap_or_default(), "it fits what you wrote"),
                (BESIDE * nearness(&skill, &installed), "it is of the kind of what you have"),
                (NEEDED * if needed.contains(&skill.name) { 1.0 } else { 0.0 }, "what you have needs it"),
            ];
            let score: f32 = parts.iter().map(|(score, _)| score).sum();
            let reason = parts.into_iter().max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, why)| why);
            if score > 0.01 {
                scored.push((score, reason.unwrap_or_default(), skill));
            }
        }
        scored.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.2.name.cmp(&b.2.name)));
        let shown = scored.iter().take(limit).map(|(score, reason, skill)| {
            let mut summary = self.summarize(skill);
            summary["score"] = json!((f64::from(*score) * 1000.0).round() / 1000.0);
            summary["reason"] = json!(reason);
            summary
        });
        Ok(json!({"skills": shown.collect::<Vec<_>>()}))
    }

    /// A skill that there is.
    ///
    /// # Errors
    /// 404 for one that there is not, 410 for one that was removed.
    pub(crate) fn known_skill(&self, name: &ScopedName) -> Answer<Arc<ShelfSkill>> {
        match self.shelf.find(&name.to_string()) {
            Some(skill) if skill.is_buried => {
                Err(Problem::gone("this skill was removed; its name is never given again"))
            }
            Some(skill) => Ok(skill),
            None => Err(Problem::not_found()),
        }
    }

    /// The lines of a skill's index.
    ///
    /// # Errors
    /// 404 where nothing of it is published; 503 when the files are away.
    pub(crate) async fn read_index(&self, name: &ScopedName) -> Answer<Vec<PublishedVersion>> {
        let path = version_index_path(name);
        let kind = FileKind::of(&path).ok_or_else(Problem::not_found)?;
        let file = self.load_file(&path, kind).await?.ok_or_else(Problem::not_found)?;
        parse_version_index(name, &file.bytes).map_err(Problem::internal)
    }

    /// The line of a version.
    ///
    /// # Errors
    /// 404 for a version that there is not.
    pub(crate) async fn find_line(&self, name: &ScopedName, version: &Version) -> Answer<PublishedVersion> {
        self.known_skill(name)?;
        let key = version_key(version);
        let lines = self.read_index(name).await?;
        lines.into_iter().find(|line| version_key(&line.version) == key).ok_or_else(Problem::not_found)
    }

    /// The files of a version.
    ///
    /// # Errors
    /// 404 for a version that there is not, 410 for one that was taken down.
    pub(crate) async fn open_version(&self, name: &ScopedName, version: &Version) -> Answer<Package> {
        let line = self.find_line(name, version).await?;
        if let Some(removal) = &line.removed {
            return Err(Problem::gone(format!("this version was taken down: {}", removal.reason)));
        }
        let path = archive_path(&line.digest);
        let kind = FileKind::of(&path).ok_or_else(Problem::not_found)?;
        let file = self.load_file(&path, kind).await?.ok_or_else(Problem::not_found)?;
        let limits = self.publishing_limits();
        let _turn = self.inspections.acquire().await.map_err(Problem::internal)?;
        let open = move || open_published_archive(&file.bytes, &limits);
        tokio::task::spawn_blocking(open).await.map_err(Problem::internal)?.map_err(Problem::internal)
    }

    /// What changed between two versions, file by file.
    ///
    /// # Errors
    /// 404 for a version that there is not, 410 for one that was taken down.
    pub(crate) async fn diff_versions(
        &self,
        name: &ScopedName,
        from: &Version,
        to: &Version,
    ) -> Answer<Value> {
        let (old, new) = (self.open_version(name, from).await?, self.open_version(name, to).await?);
        let compare = move || -> Result<Value, ba_agent_core::error::Error> {
            let root = RelPath::ROOT;
            let (before, after) = (old.dir(&root).files()?, new.dir(&root).files()?);
            let read = |package: &Package, path: &str| {
                let entry = package.listing.entry_at(path);
                entry.map_or(Ok(Vec::new()), |entry| package.read(entry).map(|bytes| bytes.into_owned()))
            };
            let mut files = Vec::new();
            for change in changed_files(&before, &after) {
                let text = unified_diff(&change.path, &read(&old, &change.path)?, &read(&new, &change.path)?);
                files.push(json!({"path": change.path, "what": change.what, "old_mode": change.old_mode,
                    "new_mode": change.new_mode, "diff": text}));
            }
            Ok(json!({"files": files}))
        };
        let files = tokio::task::spawn_blocking(compare).await.map_err(Problem::internal)?;
        let mut body = files.map_err(Problem::internal)?;
        body["from"] = json!(from);
        body["to"] = json!(to);
        Ok(body)
    }
}

/// How much a skill is of the kind of what is installed: the same category, shared tags.
fn nearness(skill: &ShelfSkill, installed: &[Arc<ShelfSkill>]) -> f32 {
    let near = |other: &Arc<ShelfSkill>| {
        let own = skill.latest.iter().flat_map(|latest| &latest.tags);
        let shared = own.into_iter().any(|tag| has_tag(other, tag));
        let category = category_of(skill);
        let same = category != "default" && category == category_of(other);
        if shared && same {
            1.0
        } else if shared {
            0.7
        } else if same {
            0.4
        } else {
            0.0_f32
        }
    };
    installed.iter().map(near).fold(0.0, f32::max)
}
