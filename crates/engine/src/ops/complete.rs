//! What a shell can offer at a TAB: names that are known on this machine. Nobody is asked over a
//! network, no lock is taken, nothing is repaired or written, and what cannot be read is left out.

use std::collections::BTreeMap;

use super::adopt::look_for_unmanaged;
use super::marketplace::known_rows;
use crate::history::Record;
use crate::settings;
use crate::workspace::{Notice, Observer, Session, Workspace, WorkspaceOptions};
use ba_agent_core::search::{SearchDocument, SearchIndex};
use ba_agent_core::source::{Reference, Request, Source};
use ba_agent_git::{recall_refs, recall_skills};
use ba_agent_system::cache::Rows;
use ba_agent_system::progress::Progress;

/// At most so many are offered of a kind: nobody reads more, and a shell shall not wait.
const MOST: usize = 3_000;
/// At most so many marketplaces are looked into.
const MARKETPLACES: usize = 32;
/// Bytes of a row in which its name stands.
const HEAD: u64 = 320;
/// Bytes of documents that are read as a whole while somebody waits for their names.
const SMALL_DOCUMENTS: u64 = 2 << 20;
/// The largest documents that are read as a whole, for categories and tags.
const LARGEST_DOCUMENTS: u64 = 16 << 20;

/// A word that can stand at this place, and what it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownWord {
    pub word: String,
    pub about: Option<String>,
}

impl KnownWord {
    fn new(word: impl ToString, about: Option<String>) -> Self {
        Self { word: word.to_string(), about }
    }
}

/// Who is told nothing.
struct Unobserved;

impl Progress for Unobserved {
    fn begin(&self, _: &str) {}
    fn advance(&self, _: u64, _: Option<u64>) {}
}

impl Observer for Unobserved {
    fn notice(&self, _: Notice<'_>) {}
}

/// A session that leaves no trace, also not of having read.
fn peek<T>(workspace: &Workspace, look: impl FnOnce(&Session<'_>) -> Option<Vec<T>>) -> Vec<T> {
    let Ok(mut session) = workspace.or_user_at_home().open_unrepaired(&Unobserved) else { return Vec::new() };
    session.cache = session.cache.without_traces();
    look(&session).unwrap_or_default()
}

/// The skills that are installed in the project and, where no project is named, for the user.
pub fn known_skills(workspace: &Workspace) -> Vec<KnownWord> {
    let options = WorkspaceOptions { global: true, ..WorkspaceOptions::default() };
    let user = Workspace::new(workspace.env().clone(), options);
    let mut names: BTreeMap<String, Option<String>> = BTreeMap::new();
    for workspace in [workspace, &user] {
        let found = peek(workspace, |session| {
            let text = session.store.read_registry_text().ok()?;
            let skills = text.summary().ok()?.skills.into_iter();
            let word = |(name, skill): (ba_agent_core::skill::SkillName, _)| {
                let skill: ba_agent_core::registry::SkillSummary<'_> = skill;
                (name.to_string(), skill.description.map(|text| text.to_string()))
            };
            Some(skills.map(word).collect())
        });
        for (name, about) in found {
            names.entry(name).or_insert(about);
        }
    }
    names.into_iter().map(|(name, about)| KnownWord::new(name, about)).collect()
}

/// The skills that lie in skills folders without being installed, which `adopt` takes over.
pub fn known_unmanaged(workspace: &Workspace) -> Vec<KnownWord> {
    let mut words = peek(workspace, |session| {
        let found = look_for_unmanaged(session).ok()?.into_iter();
        Some(found.map(|skill| KnownWord::new(skill.name, Some(skill.path))).collect())
    });
    words.dedup_by(|a, b| a.word == b.word);
    words
}

/// The registered marketplaces.
pub fn known_marketplaces(workspace: &Workspace) -> Vec<KnownWord> {
    peek(workspace, |session| {
        let all = session.read_marketplaces().ok()?;
        Some(all.all().map(|(name, known)| KnownWord::new(name, Some(known.source.clone()))).collect())
    })
}

/// The remote registries that the settings name.
pub fn known_registries(workspace: &Workspace) -> Vec<KnownWord> {
    peek(workspace, |session| {
        let all = session.settings.remote_registries.iter();
        Some(all.map(|one| KnownWord::new(&one.name, Some(one.url.clone()))).collect())
    })
}

/// The skills of registries that the user follows.
pub fn known_followed(workspace: &Workspace) -> Vec<KnownWord> {
    peek(workspace, |session| {
        Some(session.settings.followed.iter().map(|name| KnownWord::new(name, None)).collect())
    })
}

/// Entries and skills of the marketplaces that begin with `begin`: `name@marketplace`, or the names
/// alone of the one that is named.
pub fn known_entries(workspace: &Workspace, begin: &str, marketplace: Option<&str>) -> Vec<KnownWord> {
    let (begin, behind) = begin.split_once('@').map_or((begin, ""), |(name, behind)| (name, behind));
    peek(workspace, |session| {
        let all = session.read_marketplaces().ok()?;
        let world = session.world();
        let mut words = BTreeMap::new();
        let wanted = all.all().filter(|(name, known)| match marketplace {
            Some(marketplace) => marketplace == name.as_str(),
            None => known.enabled && name.starts_with(behind),
        });
        for (name, known) in wanted.take(MARKETPLACES) {
            let Some((rows, index)) = known_rows(known, &world) else { continue };
            for (word, about) in names_of(&rows, &index, begin) {
                let word = if marketplace.is_some() { word } else { format!("{word}@{name}") };
                words.entry(word).or_insert(about);
                if words.len() >= MOST {
                    break;
                }
            }
        }
        Some(words.into_iter().map(|(word, about)| KnownWord { word, about }).collect())
    })
}

/// The names in the rows that an index knows, each with the beginning of its description.
fn names_of(rows: &Rows, index: &[u8], begin: &str) -> Vec<(String, Option<String>)> {
    let Some(index) = SearchIndex::read(index) else { return names_without_index(rows, begin) };
    let name = |row: ba_agent_core::search::DocumentRow| {
        let bytes = rows.read(u64::from(row.offset), u64::from(row.length).min(HEAD))?;
        let text = String::from_utf8_lossy(&bytes);
        let name = text.strip_prefix("{\"name\":\"")?.split_once('"')?;
        let (name, rest) = (name.0, name.1);
        // A name with an escape in it is nothing that one types.
        let is_plain = name.starts_with(begin) && !name.contains('\\');
        let about = || Some(rest.strip_prefix(",\"description\":\"")?.split(['"', '\\']).next()?.to_owned());
        is_plain.then(|| (name.to_owned(), about()))
    };
    index.all_documents().filter_map(|facts| name(facts.row)).take(MOST).collect()
}

/// The same where there is no index, as of a folder of this machine, and the rows are not many.
fn names_without_index(rows: &Rows, begin: &str) -> Vec<(String, Option<String>)> {
    let whole = (rows.length <= SMALL_DOCUMENTS).then(|| rows.read(0, rows.length)).flatten();
    let documents: Vec<SearchDocument<'_>> =
        whole.as_deref().and_then(|bytes| serde_json::from_slice(bytes).ok()).unwrap_or_default();
    let named = documents.into_iter().filter(|document| document.name.starts_with(begin));
    named.map(|document| (document.name.into_owned(), Some(document.description.into_owned()))).collect()
}

/// The branches and tags of the repository that a source names, out of the cache.
pub fn known_refs(workspace: &Workspace, source: &str) -> Vec<KnownWord> {
    peek(workspace, |session| {
        let source = git_source(source)?;
        let refs = recall_refs(&source, &session.settings.hosts, &session.cache)?;
        let branches = refs.branches.keys().map(|name| KnownWord::new(name, Some("branch".to_owned())));
        let tags = refs.tags.keys().rev().map(|name| KnownWord::new(name, Some("tag".to_owned())));
        Some(branches.chain(tags).take(MOST).collect())
    })
}

/// The skills of the repository that a source names, out of the cache.
pub fn known_skills_of(workspace: &Workspace, source: &str, reference: Option<&str>) -> Vec<KnownWord> {
    peek(workspace, |session| {
        let typed = Request::parse(source).ok()?;
        let own = (typed.reference != Reference::Default).then(|| typed.reference.to_string());
        let reference = reference.or(own.as_deref());
        let names = recall_skills(&git_source(source)?, reference, &session.settings.hosts, &session.cache)?;
        let mut words: Vec<KnownWord> = names.iter().map(|name| KnownWord::new(name, None)).collect();
        words.sort_by(|a, b| a.word.cmp(&b.word));
        words.dedup();
        words.truncate(MOST);
        Some(words)
    })
}

fn git_source(text: &str) -> Option<Source> {
    let source = Request::parse(text).ok()?.source;
    source.is_git().then_some(source)
}

/// The numbers that `rollback --to` takes, the last change first.
pub fn known_changes(workspace: &Workspace) -> Vec<KnownWord> {
    peek(workspace, |session| {
        let records = session.store.history().records_for_display();
        Some(records.iter().map(|record: &Record| KnownWord::new(record.id, Some(record.title()))).collect())
    })
}

/// The categories and the tags that the marketplaces use.
pub fn known_labels(workspace: &Workspace) -> (Vec<KnownWord>, Vec<KnownWord>) {
    let (mut categories, mut tags) = (BTreeMap::new(), BTreeMap::new());
    peek(workspace, |session| {
        let world = session.world();
        for (_, known) in session.read_marketplaces().ok()?.all().take(MARKETPLACES) {
            let Some((rows, _)) = known_rows(known, &world) else { continue };
            let bytes = rows.read(0, rows.length.min(LARGEST_DOCUMENTS)).unwrap_or_default();
            let documents: Vec<SearchDocument<'_>> = serde_json::from_slice(&bytes).unwrap_or_default();
            for document in documents {
                if !document.category.is_empty() {
                    *categories.entry(document.category.to_string()).or_insert(0) += 1;
                }
                for tag in document.tags.iter().chain(&document.keywords) {
                    *tags.entry(tag.0.to_string()).or_insert(0) += 1;
                }
            }
        }
        Some(Vec::<()>::new())
    });
    let words = |counts: BTreeMap<String, usize>| {
        let about = |count| ba_agent_core::text::count_noun(count, "entry").replace("entrys", "entries");
        counts.into_iter().take(MOST).map(|(word, count)| KnownWord::new(word, Some(about(count)))).collect()
    };
    (words(categories), words(tags))
}

/// The keys of the settings.
pub fn known_settings() -> Vec<KnownWord> {
    settings::describe_keys()
        .map(|(name, about)| KnownWord::new(name, Some(about.replace('`', ""))))
        .collect()
}
