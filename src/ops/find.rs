//! Deeds: search over the cached copies of the marketplaces and the installed skills.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap};

use jiff::Timestamp;
use serde::Serialize;

use super::market::parse_documents;
use crate::error::{Error, Result, error};
use crate::fetch::World;
use crate::marketplaces::Marketplaces;
use crate::registry::Registry;
use crate::search::{self, Document, Filter, Query, Text};
use crate::source::Source;

/// The texts that are searched; what is found borrows from them.
#[derive(Debug, Default)]
pub(crate) struct Library {
    copies: Vec<Volume>,
    /// Marketplaces that could not be read, and why.
    pub(crate) unread: Vec<(String, Error)>,
}

/// The search documents of one marketplace.
#[derive(Debug, Serialize)]
pub(crate) struct Volume {
    pub(crate) name: String,
    pub(crate) fetched_at: Option<Timestamp>,
    #[serde(skip)]
    documents: String,
}

/// What was found.
#[derive(Debug, Serialize)]
pub(crate) struct Found<'a> {
    pub(crate) name: &'a str,
    /// The entry that it belongs to, for a skill of one.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub(crate) plugin: &'a str,
    /// Empty for a skill that is only installed.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub(crate) marketplace: &'a str,
    pub(crate) description: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    pub(crate) version: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    pub(crate) category: &'a str,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub(crate) tags: &'a [Text<'a>],
    pub(crate) installed: bool,
    pub(crate) score: f64,
    /// What `install` takes to install it; absent for what is only installed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) install: Option<String>,
}

impl Library {
    /// Reads the copies of all enabled marketplaces, or of the one that is asked for; a copy
    /// that the cache has lost is fetched again.
    ///
    /// # Errors
    /// `NotFound` for a marketplace that is not registered.
    pub(crate) fn open(all: &Marketplaces, only: Option<&str>, world: &World<'_>) -> Result<Self> {
        let mut library = Self::default();
        if let Some(name) = only {
            all.get(name)?;
        }
        for (name, known) in
            all.all().filter(|(name, known)| only.map_or(known.enabled, |only| only == *name))
        {
            match super::market::search_text(known, world) {
                Ok(documents) => {
                    library.copies.push(Volume {
                        name: name.clone(),
                        fetched_at: (!super::market::is_live(known)).then_some(known.fetched_at),
                        documents,
                    });
                }
                Err(error) => library.unread.push((name.clone(), error)),
            }
        }
        Ok(library)
    }

    /// Which copies are searched, and how old they are.
    pub(crate) fn volumes(&self) -> &[Volume] {
        &self.copies
    }

    /// Everything that can be found: what the marketplaces have, the installed ones among it
    /// marked, and installed skills that no marketplace has. Beside it the copies that are
    /// damaged.
    pub(crate) fn documents<'l>(
        &'l self,
        registry: &'l Registry,
    ) -> (Vec<Document<'l>>, Vec<(String, Error)>) {
        let mut documents = Vec::new();
        let mut damaged = Vec::new();
        for volume in &self.copies {
            match parse_documents(&volume.documents) {
                Ok(several) => documents.extend(
                    several
                        .into_iter()
                        .map(|document| Document { marketplace: Cow::Borrowed(&volume.name), ..document }),
                ),
                Err(error) => damaged.push((volume.name.clone(), error)),
            }
        }
        mark_installed(&mut documents, registry);
        (documents, damaged)
    }
}

/// Marks the documents of installed skills, and adds those that have none.
fn mark_installed<'l>(documents: &mut Vec<Document<'l>>, registry: &'l Registry) {
    // Of thousands of each, every skill must not look through all documents.
    let mut known: HashMap<(String, String), Vec<usize>> = HashMap::new();
    for (at, document) in documents.iter().enumerate() {
        let key = (document.marketplace.to_string(), document.name.to_string());
        known.entry(key).or_default().push(at);
    }
    for (name, entry) in &registry.skills {
        let own = entry.alias_of.as_deref().unwrap_or(name.as_str());
        let origin = entry.marketplace.as_ref();
        let is = |at: &&usize, entry: &str| {
            documents.get(**at).is_some_and(|document| {
                document.plugin == entry || (document.plugin.is_empty() && document.name == entry)
            })
        };
        let found = origin.and_then(|origin| {
            let same_name = known.get(&(origin.name.clone(), own.to_owned()))?;
            same_name.iter().find(|at| is(at, &origin.entry)).copied()
        });
        if let Some(document) = found.and_then(|at| documents.get_mut(at)) {
            document.installed = true;
            continue;
        }
        documents.push(Document {
            name: Cow::Borrowed(name.as_str()),
            description: Cow::Borrowed(entry.description.as_deref().unwrap_or_default()),
            version: Cow::Borrowed(entry.version.as_deref().unwrap_or_default()),
            plugin: Cow::Borrowed(origin.map_or("", |origin| origin.entry.as_str())),
            marketplace: Cow::Borrowed(origin.map_or("", |origin| origin.name.as_str())),
            installed: true,
            ..Document::default()
        });
    }
}

/// The best `limit` documents for a query.
pub(crate) fn find<'d>(
    documents: &'d [Document<'d>],
    query: &Query,
    filter: &Filter,
    limit: usize,
) -> (Vec<Found<'d>>, usize) {
    let hits = search::search(documents, query, filter);
    let all = hits.len();
    let found = hits.into_iter().take(limit).map(|hit| {
        let document = &documents[hit.at];
        Found {
            name: &document.name,
            plugin: &document.plugin,
            marketplace: &document.marketplace,
            description: &document.description,
            version: &document.version,
            category: &document.category,
            tags: &document.tags,
            installed: document.installed,
            score: hit.score,
            install: install_text(document, documents),
        }
    });
    (found.collect(), all)
}

/// `name@marketplace`, with the entry before it where the name alone could be another.
fn install_text(document: &Document<'_>, documents: &[Document<'_>]) -> Option<String> {
    if document.marketplace.is_empty() {
        return None;
    }
    let (name, marketplace) = (&document.name, &document.marketplace);
    let of_same_name =
        documents.iter().filter(|other| other.name == *name && other.marketplace == *marketplace);
    let plugins: BTreeSet<&str> = of_same_name.map(|other| other.plugin.as_ref()).collect();
    let entry = match document.plugin.as_ref() {
        "" => name.to_string(),
        _ if plugins.len() == 1 => name.to_string(),
        plugin => format!("{plugin}:{name}"),
    };
    Some(Source::Marketplace { entry, marketplace: marketplace.to_string() }.to_string())
}

/// The error for a search that found nothing while something could not be read.
pub(crate) fn not_everything(unread: &[(String, Error)]) -> Option<Error> {
    let (name, first) = unread.first()?;
    let error = error!(Failed, "nothing was found, but the marketplace `{name}` could not be read");
    let error =
        std::iter::once(&first.message).chain(&first.causes).fold(error, |error, cause| error.cause(cause));
    let error = Error { kind: first.kind, ..error };
    Some(first.hints.iter().fold(error, |error, hint| error.hint(hint)))
}
