//! What the tests here share: a client in a home of its own.

use std::ops::Deref;
use std::time::Duration;

use ba_agent_core::listing::Limits;
use ba_agent_test_support::TestHome;

use crate::GitClient;
use ba_agent_net::hosts::HostSettings;
use ba_agent_net::http::{Net, Patience};

/// What a client is made from.
pub(crate) struct Bench {
    pub(crate) home: TestHome,
    pub(crate) hosts: HostSettings,
    pub(crate) limits: Limits,
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
        Self { home: TestHome::with(variables), hosts: HostSettings::default(), limits: Limits::default() }
    }

    /// A client without pauses between tries.
    pub(crate) fn client(&self) -> GitClient<'_> {
        self.client_with(Patience { pauses: [Duration::ZERO; 2], ..Patience::default() })
    }

    /// A client that gives a silent host up after two seconds.
    pub(crate) fn hasty_client(&self) -> GitClient<'_> {
        let idle = Duration::from_secs(2);
        self.client_with(Patience { idle, pauses: [Duration::ZERO; 2], ..Patience::default() })
    }

    /// A client that asks nobody.
    pub(crate) fn offline_client(&self) -> GitClient<'_> {
        GitClient::new(Net::new(&self.env, &self.hosts, &self.limits, true, &self.progress), None)
    }

    fn client_with(&self, patience: Patience) -> GitClient<'_> {
        let net = Net::new(&self.env, &self.hosts, &self.limits, false, &self.progress);
        GitClient::new(net.with_patience(patience), None)
    }
}
