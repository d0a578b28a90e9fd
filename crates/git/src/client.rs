//! What all repositories of one command share.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use url::Url;

use super::refs::Refs;
use super::wire::Advertisement;
use ba_agent_net::http::Net;
use ba_agent_system::cache::Cache;

/// The way to repositories: the client, the cache, and what the hosts said in this command,
/// since some commands look at one repository more than once.
pub struct GitClient<'a> {
    pub net: Net<'a>,
    /// What was fetched before; `None` where there is no place for it.
    pub(super) cache: Option<Cache>,
    /// What each repository said first, by the URL that was asked, with the one that answered.
    pub(super) advertisements: Memory<(Url, Advertisement)>,
    /// The refs of each repository, by what the cache knows it by.
    pub(super) ref_listings: Memory<Refs>,
    /// Sources that were followed to where they have moved.
    moves: Mutex<BTreeMap<String, String>>,
}

impl<'a> GitClient<'a> {
    /// A client that has asked no repository yet.
    pub fn new(net: Net<'a>, cache: Option<Cache>) -> Self {
        let (advertisements, ref_listings, moves) = Default::default();
        Self { net, cache, advertisements, ref_listings, moves }
    }

    /// Remembers that a source was followed to another address.
    pub(super) fn note_move(&self, source: String, to: String) {
        self.moves.lock().unwrap_or_else(PoisonError::into_inner).insert(source, to);
    }

    /// The sources that were followed to another address, and where they are now.
    pub fn moved_repositories(&self) -> BTreeMap<String, String> {
        self.moves.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// What was heard in this command, by what was asked.
pub(super) struct Memory<T>(Mutex<BTreeMap<String, T>>);

impl<T> Default for Memory<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T: Clone> Memory<T> {
    pub(super) fn get(&self, of: &str) -> Option<T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(of).cloned()
    }

    pub(super) fn set(&self, of: String, what: T) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(of, what);
    }
}
