//! Test support for everything that fetches: a world in a home of its own.

use std::ops::Deref;
use std::time::Duration;

use ba_agent_net::http::Patience;
use ba_agent_system::cache::Cache;
use ba_agent_test_support::TestHome;

use crate::fetch::World;
use crate::settings::Settings;

/// What a [`World`] is made from.
pub(crate) struct Bench {
    pub(crate) home: TestHome,
    pub(crate) settings: Settings,
}

impl Deref for Bench {
    type Target = TestHome;

    fn deref(&self) -> &TestHome {
        &self.home
    }
}

impl Bench {
    pub(crate) fn new() -> Self {
        Self::with(&[])
    }

    /// A bench whose environment has these variables.
    pub(crate) fn with(variables: &[(&str, &str)]) -> Self {
        Self { home: TestHome::with(variables), settings: Settings::default() }
    }

    /// A world without pauses between tries.
    pub(crate) fn world(&self) -> World<'_> {
        self.world_with(Patience { pauses: [Duration::ZERO; 2], ..Patience::default() })
    }

    fn world_with(&self, patience: Patience) -> World<'_> {
        let mut world = self.world_of(false, None);
        world.git.net = world.git.net.with_patience(patience);
        world
    }

    /// A world that asks nobody.
    pub(crate) fn offline_world(&self, cache: Option<Cache>) -> World<'_> {
        self.world_of(true, cache)
    }

    /// A world with what was fetched before.
    pub(crate) fn cached_world(&self, cache: Option<Cache>) -> World<'_> {
        self.world_of(false, cache)
    }

    fn world_of(&self, offline: bool, cache: Option<Cache>) -> World<'_> {
        World::new(&self.env, &self.settings, self.home.path(), offline, &self.progress, cache)
    }
}
