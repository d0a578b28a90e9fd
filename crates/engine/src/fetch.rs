//! World: from a request to a package. One match over [`Source`](ba_agent_core::source::Source),
//! one file below `fetch/` for each way to fetch a package or to reach a host.

pub(crate) mod local;
pub(crate) mod marketplace;
pub(crate) mod npm;
pub(crate) mod obstacle;
mod open;
mod package;
pub(crate) mod pinned;
pub(crate) mod remote_registry;
mod served;
pub(crate) mod typed_host;

#[cfg(test)]
mod routes;
#[cfg(test)]
pub(crate) mod testing;

pub use open::OpenOptions;
pub(crate) use open::{local_folder, not_local, open_source, origin_key};
pub(crate) use package::FetchedPackage;
pub use package::PackageSource;

use std::path::{Path, PathBuf};

use crate::builtin::BuiltinSkills;
use crate::fetch::remote_registry::RegistryMemory;
use crate::settings::Settings;
use ba_agent_core::error::Result;
use ba_agent_git::GitClient;
use ba_agent_net::credentials::SourcesOfUser;
use ba_agent_net::http::Net;
use ba_agent_system::cache::Cache;
use ba_agent_system::env::Env;
use ba_agent_system::progress::Progress;

/// What fetching needs, for one command: what is remembered of hosts ends with it. Several
/// threads may fetch at once.
pub struct World<'a> {
    pub(crate) env: &'a Env,
    pub(crate) settings: &'a Settings,
    /// What relative paths of sources start from.
    pub(crate) base: &'a Path,
    /// `--offline`: no connection is opened, no subprocess started.
    pub(crate) offline: bool,
    pub(crate) progress: &'a dyn Progress,
    /// The way to repositories, and in it the one to all other hosts.
    pub(crate) git: GitClient<'a>,
    /// What was fetched before; `None` where there is no place for it.
    pub(crate) cache: Option<Cache>,
    /// Files and folders that ba-agent itself keeps in this scope: no part of a skill that
    /// happens to lie around them. Asked only when a local folder is read.
    pub(crate) own: Option<Own<'a>>,
    /// The skills that the program ships.
    pub(crate) builtin: BuiltinSkills,
    /// What registries have answered so far.
    pub(crate) registries: RegistryMemory,
}

/// See [`World::own`].
pub(crate) type Own<'a> = Box<dyn Fn() -> Vec<PathBuf> + Send + Sync + 'a>;

impl<'a> World<'a> {
    pub fn new(
        env: &'a Env,
        settings: &'a Settings,
        base: &'a Path,
        offline: bool,
        progress: &'a dyn Progress,
        cache: Option<Cache>,
    ) -> Self {
        let net = Net::new(env, &settings.hosts, &settings.limits, offline, progress);
        let git = GitClient::new(net, cache.clone());
        Self {
            env,
            settings,
            base,
            offline,
            progress,
            git,
            cache,
            own: None,
            builtin: BuiltinSkills::default(),
            registries: RegistryMemory::default(),
        }
    }

    /// Asked between two steps.
    ///
    /// # Errors
    /// `Interrupted` when the command is to end.
    pub(crate) fn check_cancelled(&self) -> Result<()> {
        self.progress.check_cancelled()
    }

    /// The way to all hosts.
    pub(crate) fn net(&self) -> &Net<'a> {
        &self.git.net
    }

    /// The same world, where these files and folders are ba-agent's own.
    pub(crate) fn with_own(self, own: Own<'a>) -> Self {
        Self { own: Some(own), ..self }
    }

    /// The same world, where the program ships these skills.
    pub(crate) fn with_builtin(self, builtin: BuiltinSkills) -> Self {
        Self { builtin, ..self }
    }

    /// The same world, where the user has named these sources.
    pub(crate) fn with_sources_of_user(mut self, sources: SourcesOfUser<'a>) -> Self {
        self.git.net.credentials.sources_of_user = Some(sources);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A process that serves many callers fetches on threads of its own.
    #[test]
    fn what_fetches_may_be_shared_by_threads() {
        fn check<T: Send + Sync>() {}
        check::<World<'_>>();
        check::<Net<'_>>();
        check::<GitClient<'_>>();
        check::<FetchedPackage>();
    }
}
