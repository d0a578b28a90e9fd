//! World: from a request to a package. One match over [`Source`](crate::source::Source),
//! one file below `fetch/` for each way to fetch a package or to reach a host.

pub(crate) mod archive;
pub(crate) mod auth;
pub(crate) mod git;
pub(crate) mod http;
pub(crate) mod local;
pub(crate) mod marketplace;
pub(crate) mod npm;
pub(crate) mod obstacle;
mod open;
mod package;
mod served;
pub(crate) mod ssh;

#[cfg(test)]
pub(crate) mod testing;

#[cfg(test)]
#[path = "../tests/support/server.rs"]
pub(crate) mod testserver;

pub(crate) use git::{Extent, Known, canonical_url};
pub(crate) use open::{OpenOptions, local_folder, open, origin_key};
pub(crate) use package::{FetchedPackage, PackageSource};

use std::path::{Path, PathBuf};

use crate::cache::Cache;
use crate::layout::Env;
use crate::settings::Settings;

/// What a face gives to see how a fetch goes.
pub(crate) trait Progress: Sync {
    /// A step begins, for instance "Fetching anthropics/skills".
    fn begin(&self, what: &str);
    /// How far it is, in bytes or objects; the total where it is known.
    fn advance(&self, done: u64, total: Option<u64>);
}

/// What every way to fetch needs.
pub(crate) struct World<'a> {
    pub(crate) env: &'a Env,
    pub(crate) settings: &'a Settings,
    /// What relative paths of sources start from.
    pub(crate) base: &'a Path,
    /// `--offline`: no connection is opened, no subprocess started.
    pub(crate) offline: bool,
    pub(crate) progress: &'a dyn Progress,
    /// The one HTTP client of the run; nothing is built before the first request.
    pub(crate) http: http::Http,
    /// What the hosts of repositories said first.
    pub(crate) greetings: git::Greetings,
    /// What their refs are, as far as they were asked for.
    pub(crate) listings: git::Listings,
    /// What was fetched before; `None` where there is no place for it.
    pub(crate) cache: Option<Cache>,
    /// Files and folders that ba-agent itself keeps in this scope: no part of a skill that
    /// happens to lie around them. Asked only when a local folder is read.
    pub(crate) own: Option<Own<'a>>,
}

/// See [`World::own`].
pub(crate) type Own<'a> = Box<dyn Fn() -> Vec<PathBuf> + Sync + 'a>;

impl<'a> World<'a> {
    pub(crate) fn new(
        env: &'a Env,
        settings: &'a Settings,
        base: &'a Path,
        offline: bool,
        progress: &'a dyn Progress,
        cache: Option<Cache>,
    ) -> Self {
        let (http, greetings, listings) = Default::default();
        Self { env, settings, base, offline, progress, http, greetings, listings, cache, own: None }
    }

    /// The same world, where these files and folders are ba-agent's own.
    pub(crate) fn with_own(self, own: Own<'a>) -> Self {
        Self { own: Some(own), ..self }
    }
}
