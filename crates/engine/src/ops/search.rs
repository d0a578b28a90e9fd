//! `skill search`: over the cached catalogues of the marketplaces and the installed skills.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap, HashSet};

use jiff::Timestamp;
use serde::Serialize;

use super::ask::{Ask, Attendance};
use super::marketplace::{
    AddOptions, CopyAge, add_known, index_of, is_live, keep_search_index, parse_documents, search_index,
    search_rows, search_text,
};
use super::settle::open_session;
use crate::fetch::{self, World, marketplace::Place};
use crate::store::marketplaces::{Marketplaces, RegisteredMarketplace};
use crate::workspace::{Observer, Session, Workspace};
use ba_agent_core::catalog::{KNOWN_CATALOGS, KnownCatalog};
use ba_agent_core::error::{Error, Result, error};
use ba_agent_core::recommend::lexical_signal;
use ba_agent_core::registry::{LockEntry, Registry};
use ba_agent_core::search::{
    self, DocumentRow, Hit, Ranking, SearchDocument, SearchFilter, SearchIndex, SearchQuery,
};
use ba_agent_core::source::{Request, Source};
use ba_agent_core::text::count_noun;
use ba_agent_system::cache::Rows;

/// What is looked for, and where.
#[derive(Debug, Default)]
pub struct SearchOptions {
    /// Words; without any, everything that the filter lets through.
    pub text: String,
    pub filter: SearchFilter,
    /// At most so many rows.
    pub limit: usize,
}

/// What was found.
#[derive(Debug)]
pub struct SearchReport {
    pub answer: SearchAnswer,
    pub marketplaces: Vec<SearchedMarketplace>,
    /// Marketplaces that could not be searched, and why.
    pub unread: Vec<(String, Error)>,
    /// Words that may have been meant, and what else can be done, where nothing was found.
    pub suggestions: Vec<String>,
    pub hints: Vec<String>,
    /// Known catalogues that can be added, where no marketplace is registered.
    pub known: &'static [KnownCatalog],
    /// A person was offered them, and wanted none.
    pub declined: bool,
}

/// A marketplace that was searched.
#[derive(Debug, Serialize)]
pub struct SearchedMarketplace {
    pub(crate) name: String,
    /// Absent for a folder of this machine, which is read as it stands.
    pub(crate) fetched_at: Option<Timestamp>,
}

/// Searches the cached catalogues of the marketplaces and the installed skills. A person who has
/// registered no marketplace is asked which of the known ones are to be fetched first.
///
/// # Errors
/// `NotFound` for a marketplace that is not registered; what kept one from being read, where
/// nothing was found in the others; those of [`add_known`].
pub fn search(
    workspace: &Workspace,
    options: &SearchOptions,
    ask: &mut dyn Ask,
    observer: &dyn Observer,
) -> Result<SearchReport> {
    let workspace = &workspace.or_user_at_home();
    let session = open_session(workspace, observer)?;
    let registry = session.store.read()?;
    let mut all = session.marketplaces()?;
    let may_ask = ask.attendance() == Attendance::Person && !session.offline;
    let asked = may_ask && needs_catalogs(&all, &options.filter);
    if asked && add_chosen_catalogs(workspace, &session, ask)? {
        all = session.marketplaces()?;
    }
    session.note_hidden_marketplaces(&all, |_| true);
    let world = session.world();
    let SearchOptions { text, filter, limit } = options;
    let mut library = Library::open(&all, filter.marketplace.as_deref(), &world)?;
    note_age(&session, &library);
    let answer = library.find(&registry, &SearchQuery::parse(text), filter, *limit, &world);
    session.note_moved_marketplaces(&world);
    if let (true, Some(error)) = (answer.found.is_empty(), not_everything(&library.unread)) {
        return Err(error);
    }
    let (mut suggestions, mut hints) = (Vec::new(), Vec::new());
    if answer.found.is_empty() {
        suggestions = library.suggest(text);
        hints = hints_of(filter, all.all().next().is_none());
    }
    let known = if needs_catalogs(&all, filter) { &KNOWN_CATALOGS[..] } else { &[] };
    let searched = |volume: &Volume<'_>| SearchedMarketplace {
        name: volume.name.to_owned(),
        fetched_at: volume.fetched_at,
    };
    let marketplaces = library.volumes.iter().map(searched).collect();
    let (unread, declined) = (library.unread, asked && !known.is_empty());
    Ok(SearchReport { answer, marketplaces, unread, suggestions, hints, known, declined })
}

/// The best rows for a text among the copies of the marketplaces' catalogues, and how many documents
/// were looked through. For a session that is offline; a copy that is missing is passed over.
///
/// # Errors
/// Those of reading the list of marketplaces.
pub(super) fn search_catalogs(
    session: &Session<'_>,
    text: &str,
    limit: usize,
) -> Result<(Vec<FoundRow>, usize)> {
    let all = session.marketplaces()?;
    let world = session.world();
    let mut library = Library::open(&all, None, &world)?;
    let registry = Registry::default();
    let answer = library.find(&registry, &SearchQuery::parse(text), &SearchFilter::default(), limit, &world);
    let sizes = library.volumes.iter().filter_map(|volume| Some(SearchIndex::read(&volume.index)?.len()));
    Ok((answer.found, sizes.sum()))
}

/// What can be done by who found nothing.
fn hints_of(filter: &SearchFilter, none_registered: bool) -> Vec<String> {
    if none_registered {
        return vec![
            "no marketplace is registered, so only installed skills were searched".to_owned(),
            "add known catalogues with `ba-agent marketplace add --known NAME...`, others with `ba-agent marketplace add SOURCE`".to_owned(),
        ];
    }
    let mut hints = Vec::new();
    let is_filtered = filter.marketplace.is_some()
        || filter.category.is_some()
        || filter.installed
        || !filter.tags.is_empty();
    if is_filtered {
        hints.push("try again without the filters".to_owned());
    }
    hints.push("try other words, or English ones: most skills are described in English".to_owned());
    hints.push("look in more places: `ba-agent marketplace add --known` lists some".to_owned());
    hints
}

/// True where there is nothing to search but what is installed, and more than that is wanted.
fn needs_catalogs(all: &Marketplaces, filter: &SearchFilter) -> bool {
    all.all().next().is_none() && !filter.installed && filter.marketplace.is_none()
}

/// Asks a person which known catalogues are fetched, and adds them for the user; true where any
/// was added.
///
/// # Errors
/// `Interrupted` when the person leaves; where none of them could be added, why.
fn add_chosen_catalogs(workspace: &Workspace, session: &Session<'_>, ask: &mut dyn Ask) -> Result<bool> {
    let chosen = ask.choose_catalogs(&KNOWN_CATALOGS)?;
    let names: Vec<String> =
        chosen.into_iter().filter_map(|at| Some(KNOWN_CATALOGS.get(at)?.name.to_owned())).collect();
    let report = add_known(&workspace.for_user(), &names, &AddOptions::default(), session.observer)?;
    for (name, error) in &report.failed {
        session.warn(&format!("`{name}` was not added: {error}"));
    }
    for added in &report.added {
        let skills = count_noun(added.fetched.skills, "skill");
        session.note(&format!("added `{}` from {}: {skills}", added.name, added.fetched.marketplace.source));
    }
    match report.failed.into_iter().next() {
        Some((_, error)) if report.added.is_empty() => Err(error),
        _ => Ok(!report.added.is_empty()),
    }
}

/// How old the copies are that are searched, where that is not just now. Those of folders are none.
fn note_age(session: &Session<'_>, library: &Library<'_>) {
    let copies = library.volumes.iter().filter_map(|volume| Some((volume.name, volume.fetched_at?)));
    let Some(age) = CopyAge::of_oldest(copies, session.env.now) else { return };
    if age.seconds < 3_600 && !session.offline {
        return;
    }
    let offline = if session.offline { "offline; " } else { "" };
    let renew = if age.is_old() { ": `ba-agent marketplace update`" } else { "" };
    session.note(&format!("{offline}catalogues as of {}{renew}", age.words));
}

/// What is searched: of each marketplace its documents and their index.
#[derive(Debug)]
struct Library<'m> {
    volumes: Vec<Volume<'m>>,
    /// Marketplaces that could not be read, and why.
    unread: Vec<(String, Error)>,
}

/// The search documents of one marketplace.
#[derive(Debug)]
struct Volume<'m> {
    name: &'m str,
    /// Absent for a folder of this machine, which is read as it stands.
    fetched_at: Option<Timestamp>,
    known: &'m RegisteredMarketplace,
    /// Where its own tree comes from, if it has one.
    tree: Option<Source>,
    index: Vec<u8>,
    documents: Documents,
    /// Its index was made anew in this run.
    repaired: bool,
}

/// The text of documents.
#[derive(Debug)]
enum Documents {
    /// Of which single rows are read.
    Kept(Rows),
    Text(String),
}

/// What was found, and how much there is of it.
#[derive(Debug, Default)]
pub struct SearchAnswer {
    /// The best, copies of one another in one row.
    pub found: Vec<FoundRow>,
    /// How many rows there are.
    pub total: usize,
    /// Words of the query that nothing has, nor anything like them.
    pub unknown: Vec<String>,
}

/// A row of what was found.
#[derive(Debug, Clone, Default, Serialize)]
pub struct FoundRow {
    pub name: String,
    /// The entry that it belongs to, for a skill of one.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) plugin: String,
    /// Empty for a skill that is only installed.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) marketplace: String,
    pub description: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) version: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) category: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) tags: Vec<String>,
    pub installed: bool,
    /// Where it comes from; empty for a skill that is only installed.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub repository: String,
    /// Its folder there; empty where that is not known.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub folder: String,
    /// It brings files that can be run; nothing is known of the files of other repositories.
    pub scripts: bool,
    /// Tools that it wants to use unasked.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub grants: Vec<String>,
    /// When what is shown of it was fetched; absent where it is read as it stands.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) fetched_at: Option<Timestamp>,
    /// When the commit was made that it is shown as of; absent where it is of no commit, or of one
    /// of another repository.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub committed_at: Option<Timestamp>,
    pub score: f32,
    /// See [`lexical_signal`].
    #[serde(skip)]
    pub(crate) fit: f32,
    /// What `install` takes to install it; absent for what is only installed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub install: Option<String>,
    /// Others with the same description.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub copies: Vec<Copy>,
}

/// One more with the description of a row.
#[derive(Debug, Clone, Serialize)]
pub struct Copy {
    pub name: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) marketplace: String,
    pub(crate) installed: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub install: Option<String>,
}

impl<'m> Library<'m> {
    /// Opens the copies of all enabled marketplaces, or of the one that is asked for; a copy
    /// that the cache has lost is fetched again.
    ///
    /// # Errors
    /// `NotFound` for a marketplace that is not registered.
    fn open(all: &'m Marketplaces, only: Option<&str>, world: &World<'_>) -> Result<Self> {
        if let Some(name) = only {
            all.get(name)?;
        }
        let mut library = Self { volumes: Vec::new(), unread: Vec::new() };
        for (name, known) in
            all.all().filter(|(name, known)| only.map_or(known.enabled, |only| only == *name))
        {
            let documents = match search_rows(known, world) {
                Some(rows) => Documents::Kept(rows),
                None => match search_text(known, world) {
                    Ok(text) => Documents::Text(text),
                    Err(error) => {
                        library.unread.push((name.clone(), error));
                        continue;
                    }
                },
            };
            let index = search_index(known, world).unwrap_or_default();
            let fetched_at = (!is_live(known)).then_some(known.fetched_at);
            let (tree, repaired) = (tree_of(known), false);
            library.volumes.push(Volume { name, fetched_at, known, tree, index, documents, repaired });
        }
        Ok(library)
    }

    /// The best `limit` rows for a query, among what the marketplaces have and installed skills
    /// that no marketplace has. An index that is missing, old or damaged is made anew; a
    /// marketplace of which that cannot be done is left out and noted as unread.
    fn find(
        &mut self,
        registry: &Registry,
        query: &SearchQuery,
        filter: &SearchFilter,
        limit: usize,
        world: &World<'_>,
    ) -> SearchAnswer {
        // Each is made anew once, and is left out if that was of no use.
        for _ in 0..=self.volumes.len() * 2 {
            match (SearchRun { volumes: &self.volumes, registry, query, filter, world }).run(limit) {
                Ok(answer) => return answer,
                Err(Stale(at)) => self.repair(at, world),
            }
        }
        SearchAnswer::default()
    }

    /// Makes an index of the documents of a volume, or gives the volume up. The documents are
    /// read whole and verified, or fetched again.
    fn repair(&mut self, at: usize, world: &World<'_>) {
        let Some(volume) = self.volumes.get_mut(at) else { return };
        let text = match &mut volume.documents {
            Documents::Text(text) => Ok(std::mem::take(text)),
            Documents::Kept(_) => search_text(volume.known, world),
        };
        match text.and_then(|text| Ok((index_of(&text)?, text))) {
            Ok((index, text)) if !volume.repaired => {
                volume.repaired = true;
                keep_search_index(volume.known, &index, world);
                volume.index = index;
                volume.documents = Documents::Text(text);
            }
            outcome => {
                let error =
                    outcome.err().unwrap_or_else(|| error!(Failed, "its documents cannot be indexed"));
                let volume = self.volumes.remove(at);
                self.unread.push((volume.name.to_owned(), error));
            }
        }
    }

    /// Words of the names and labels that a person may have meant who found nothing.
    fn suggest(&self, text: &str) -> Vec<String> {
        let texts: Vec<Cow<'_, str>> =
            self.volumes.iter().filter_map(|volume| volume.documents.text()).collect();
        let documents: Vec<SearchDocument<'_>> =
            texts.iter().filter_map(|text| parse_documents(text).ok()).flatten().collect();
        search::suggest_words(&documents, text)
    }
}

impl Documents {
    /// Whether an index can be theirs.
    fn documents_fit_index(&self, index: &SearchIndex<'_>) -> bool {
        match self {
            Self::Kept(rows) => index.length == rows.length,
            Self::Text(text) => index.is_of(text),
        }
    }

    fn text(&self) -> Option<Cow<'_, str>> {
        match self {
            Self::Kept(rows) => String::from_utf8(rows.read(0, rows.length)?).ok().map(Cow::Owned),
            Self::Text(text) => Some(Cow::Borrowed(text)),
        }
    }

    /// A row, if it is the one that was indexed.
    fn row(&self, row: &DocumentRow) -> Option<String> {
        let bytes = match self {
            Self::Kept(rows) => rows.read(u64::from(row.offset), u64::from(row.length))?,
            Self::Text(text) => {
                let start = row.offset as usize;
                text.as_bytes().get(start..start.checked_add(row.length as usize)?)?.to_vec()
            }
        };
        if row.is(&bytes) { String::from_utf8(bytes).ok() } else { None }
    }
}

/// The place of a volume whose index is not that of its documents.
struct Stale(usize);

/// One search through volumes whose indexes are believed as far as their sums are right.
struct SearchRun<'s> {
    volumes: &'s [Volume<'s>],
    registry: &'s Registry,
    query: &'s SearchQuery,
    filter: &'s SearchFilter,
    world: &'s World<'s>,
}

/// Where a skill is, however its source is written: what tells a skill from another one.
#[derive(Debug, Clone, PartialEq, Eq)]
struct FoundOrigin {
    source: String,
    folder: String,
}

impl FoundOrigin {
    fn of(source: &Source, folder: &str, world: &World<'_>) -> Self {
        let source_key = fetch::origin_key(source, world);
        let (source, folder) = match source {
            // A folder of a folder is a folder.
            Source::Local { .. } if !folder.is_empty() => (format!("{source_key}/{folder}"), String::new()),
            _ => (source_key, folder.to_owned()),
        };
        Self { source, folder }
    }
}

/// The source that a marketplace's own tree comes from; `None` where only the catalogue is
/// registered.
fn tree_of(known: &RegisteredMarketplace) -> Option<Source> {
    match Place::parse(&known.source).ok()? {
        Place::Tree { request, .. } => Some(request.source),
        Place::File(_) | Place::Served(_) => None,
    }
}

/// What is searched in a run: the indexes of the volumes, behind them that of skills that are
/// only installed.
struct Shelf<'s> {
    indexes: Vec<SearchIndex<'s>>,
    extras: &'s [SearchDocument<'s>],
    installed: Vec<HashSet<usize>>,
}

/// A row before its text is read: the first of those that have one description.
struct Group {
    first: Hit,
    others: Vec<Hit>,
}

impl SearchRun<'_> {
    fn run(&self, limit: usize) -> Result<SearchAnswer, Stale> {
        let mut indexes = Vec::new();
        for (at, volume) in self.volumes.iter().enumerate() {
            let index =
                SearchIndex::read(&volume.index).filter(|index| volume.documents.documents_fit_index(index));
            indexes.push(index.ok_or(Stale(at))?);
        }
        let (extras, mut installed) = self.installed(&indexes)?;
        installed.push((0..extras.len()).collect());
        let own = search::build_index(&extras);
        indexes.extend(SearchIndex::read(&own));
        let shelf = Shelf { indexes, extras: &extras, installed };
        let Ranking { mut hits, unknown } = search::rank_documents(&shelf.indexes, self.query);
        self.keep_admitted(&shelf, &mut hits)?;
        let best = hits.first().copied();
        let groups = group_equal_skills(&shelf.indexes, hits);
        let total = groups.len();
        let mut found = Vec::new();
        for group in groups.iter().take(limit) {
            let mut row = self.row_of_found_group(&shelf, group)?;
            row.fit = best.map_or(0.0, |best| lexical_signal(&best, &group.first));
            found.push(row);
        }
        Ok(SearchAnswer { found, total, unknown })
    }

    /// Installed skills that no marketplace has, and the places of those that one has.
    fn installed(
        &self,
        indexes: &[SearchIndex<'_>],
    ) -> Result<(Vec<SearchDocument<'_>>, Vec<HashSet<usize>>), Stale> {
        let mut installed = vec![HashSet::new(); indexes.len()];
        let mut extras = Vec::new();
        let mut keys: HashMap<usize, HashMap<u64, usize>> = HashMap::new();
        for (name, entry) in &self.registry.skills {
            let own = entry.alias_of.as_deref().unwrap_or(name.as_str());
            let origin = entry.marketplace.as_ref();
            let chosen = origin.and_then(|origin| {
                let at = self.volumes.iter().position(|volume| volume.name == origin.name)?;
                let keys = keys.entry(at).or_insert_with(|| keys_of(indexes.get(at)));
                let of_entry = keys.get(&search::document_key(&origin.entry, own));
                let entry = (own == origin.entry).then(|| keys.get(&search::document_key("", own))).flatten();
                Some((at, *of_entry.or(entry)?))
            });
            let mut places = self.places_of(own, entry, indexes)?;
            places.extend(chosen);
            for (volume, at) in &places {
                installed[*volume].insert(*at);
            }
            if !places.is_empty() {
                continue;
            }
            extras.push(SearchDocument {
                name: Cow::Borrowed(name.as_str()),
                description: Cow::Borrowed(entry.description.as_deref().unwrap_or_default()),
                version: Cow::Borrowed(entry.version.as_deref().unwrap_or_default()),
                plugin: Cow::Borrowed(origin.map_or("", |origin| origin.entry.as_str())),
                marketplace: Cow::Borrowed(origin.map_or("", |origin| origin.name.as_str())),
                ..SearchDocument::default()
            });
        }
        Ok((extras, installed))
    }

    /// The documents of an installed skill, whichever marketplace has it and whether or not it
    /// was installed by one: those of its name that lie in its folder of its source.
    fn places_of(
        &self,
        own: &str,
        entry: &LockEntry,
        indexes: &[SearchIndex<'_>],
    ) -> Result<Vec<(usize, usize)>, Stale> {
        let Ok(request) = Request::parse(&entry.source) else { return Ok(Vec::new()) };
        let folder = entry.path.as_deref().unwrap_or_default();
        let wanted = FoundOrigin::of(&request.source, folder, self.world);
        let mut places = Vec::new();
        for (at, (volume, index)) in self.volumes.iter().zip(indexes).enumerate() {
            let last = folder.rsplit('/').next().filter(|last| !last.is_empty() && *last != own);
            for document in index
                .documents_named(own)
                .chain(last.into_iter().flat_map(|last| index.documents_named(last)))
            {
                let row = row_of(volume, index, document).ok_or(Stale(at))?;
                let found = serde_json::from_str(&row).map_err(|_| Stale(at))?;
                if self.is_of(&wanted, &found, volume) {
                    places.push((at, document));
                }
            }
        }
        Ok(places)
    }

    /// True where a document is about what is at `wanted`.
    fn is_of(&self, wanted: &FoundOrigin, document: &SearchDocument<'_>, volume: &Volume<'_>) -> bool {
        if document.repository.is_empty() {
            let here = |source| FoundOrigin::of(source, &document.folder, self.world) == *wanted;
            return !document.plugin.is_empty() && volume.tree.as_ref().is_some_and(here);
        }
        // Of an entry that is a source of its own the catalogue does not say which folders it has.
        let elsewhere = Request::parse(&document.repository);
        elsewhere.is_ok_and(|other| fetch::origin_key(&other.source, self.world) == wanted.source)
    }

    /// Drops what the filter does not let through; without a query sorts the rest by name.
    fn keep_admitted(&self, shelf: &Shelf<'_>, hits: &mut Vec<Hit>) -> Result<(), Stale> {
        if self.filter.installed {
            hits.retain(|hit| shelf.is_installed(*hit));
        }
        if !self.query.is_empty() && !self.filter.wants_text() {
            return Ok(());
        }
        let mut named = Vec::new();
        for hit in hits.drain(..) {
            let document = self.document(shelf, hit, |document| {
                let name = || {
                    (document.name.to_string(), document.plugin.to_string(), document.marketplace.to_string())
                };
                self.filter.admits_document(document).then(name)
            })?;
            named.extend(document.map(|name| (name, hit)));
        }
        if self.query.is_empty() {
            named.sort_by(|a, b| a.0.cmp(&b.0));
        }
        hits.extend(named.into_iter().map(|(_, hit)| hit));
        Ok(())
    }

    /// Reads a document and gives it away.
    fn document<T>(
        &self,
        shelf: &Shelf<'_>,
        hit: Hit,
        take: impl FnOnce(&SearchDocument<'_>) -> T,
    ) -> Result<T, Stale> {
        let Some(volume) = self.volumes.get(hit.volume) else {
            return shelf.extras.get(hit.at).map(take).ok_or(Stale(usize::MAX));
        };
        let stale = || Stale(hit.volume);
        let index = shelf.indexes.get(hit.volume).ok_or_else(stale)?;
        let row = row_of(volume, index, hit.at).ok_or_else(stale)?;
        let document: SearchDocument<'_> = serde_json::from_str(&row).map_err(|_| stale())?;
        Ok(take(&SearchDocument { marketplace: Cow::Borrowed(volume.name), ..document }))
    }

    fn row_of_found_group(&self, shelf: &Shelf<'_>, group: &Group) -> Result<FoundRow, Stale> {
        let hit = group.first;
        let mut found = self.document(shelf, hit, |document| FoundRow {
            name: document.name.to_string(),
            plugin: document.plugin.to_string(),
            marketplace: document.marketplace.to_string(),
            description: document.description.to_string(),
            version: document.version.to_string(),
            category: document.category.to_string(),
            tags: document.tags.iter().map(|tag| tag.0.to_string()).collect(),
            repository: document.repository.to_string(),
            folder: document.folder.to_string(),
            scripts: document.scripts,
            grants: document.grants.iter().map(|tool| tool.0.to_string()).collect(),
            installed: shelf.is_installed(hit),
            score: hit.score,
            ..FoundRow::default()
        })?;
        if let Some(volume) = self.volumes.get(hit.volume) {
            found.fetched_at = volume.fetched_at;
            if found.repository.is_empty() {
                found.committed_at = volume.known.committed_at;
                found.repository.clone_from(&volume.known.source);
            }
        }
        found.install = self.install_text(shelf, hit, &found.name, &found.plugin)?;
        for other in &group.others {
            let (name, plugin, marketplace) = self.document(shelf, *other, |document| {
                (document.name.to_string(), document.plugin.to_string(), document.marketplace.to_string())
            })?;
            let install = self.install_text(shelf, *other, &name, &plugin)?;
            found.copies.push(Copy { name, marketplace, installed: shelf.is_installed(*other), install });
        }
        Ok(found)
    }

    /// `name@marketplace`, with the entry before it where the name alone could be another.
    fn install_text(
        &self,
        shelf: &Shelf<'_>,
        hit: Hit,
        name: &str,
        plugin: &str,
    ) -> Result<Option<String>, Stale> {
        let (Some(volume), Some(index)) = (self.volumes.get(hit.volume), shelf.indexes.get(hit.volume))
        else {
            return Ok(None);
        };
        let Some(entry) = index.document_at(hit.at) else { return Ok(None) };
        let mut plugins = BTreeSet::new();
        for at in index.documents_of_same_name(&entry) {
            plugins.extend(self.document(shelf, Hit { at, ..hit }, |other| {
                (other.name == name).then(|| other.plugin.to_string())
            })?);
        }
        let entry = match plugin {
            "" => name.to_owned(),
            _ if plugins.len() == 1 => name.to_owned(),
            plugin => format!("{plugin}:{name}"),
        };
        Ok(Some(Source::Marketplace { entry, marketplace: volume.name.to_owned() }.to_string()))
    }
}

impl Shelf<'_> {
    fn is_installed(&self, hit: Hit) -> bool {
        self.installed.get(hit.volume).is_some_and(|places| places.contains(&hit.at))
    }
}

/// The text of a document, if it is the one that was indexed.
fn row_of(volume: &Volume<'_>, index: &SearchIndex<'_>, at: usize) -> Option<String> {
    volume.documents.row(&index.document_at(at)?.row)
}

/// The place of each document by its key; of several the first.
fn keys_of(index: Option<&SearchIndex<'_>>) -> HashMap<u64, usize> {
    let mut keys = HashMap::new();
    for (at, entry) in index.into_iter().flat_map(SearchIndex::all_documents).enumerate() {
        keys.entry(entry.key).or_insert(at);
    }
    keys
}

/// Puts what has one description into one group, in the order of the best of each.
fn group_equal_skills(indexes: &[SearchIndex<'_>], hits: Vec<Hit>) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    let mut known: HashMap<u64, usize> = HashMap::new();
    for hit in hits {
        let entry = indexes.get(hit.volume).and_then(|index| index.document_at(hit.at));
        let description = entry.map_or(0, |entry| entry.description);
        match known.get(&description).and_then(|at| groups.get_mut(*at)) {
            Some(group) => group.others.push(hit),
            None => {
                if description != 0 {
                    known.insert(description, groups.len());
                }
                groups.push(Group { first: hit, others: Vec::new() });
            }
        }
    }
    groups
}

/// The error for a search that found nothing while something could not be read.
fn not_everything(unread: &[(String, Error)]) -> Option<Error> {
    let (name, first) = unread.first()?;
    let error = error!(Failed, "nothing was found, but the marketplace `{name}` could not be read");
    let error =
        std::iter::once(&first.message).chain(&first.causes).fold(error, |error, cause| error.cause(cause));
    let error = Error { kind: first.kind, ..error };
    Some(first.hints.iter().fold(error, |error, hint| error.hint(hint)))
}
