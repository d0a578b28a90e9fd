//! What the tests here share: a client in a home of its own.

use std::ops::Deref;
use std::time::Duration;

use ba_agent_core::listing::Limits;
use ba_agent_test_support::TestHome;

use crate::hosts::HostSettings;
use crate::http::{Net, Patience};

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
    pub(crate) fn net(&self) -> Net<'_> {
        self.net_with(Patience { pauses: [Duration::ZERO; 2], ..Patience::default() })
    }

    /// A client that gives a silent host up after two seconds.
    pub(crate) fn hasty_net(&self) -> Net<'_> {
        let idle = Duration::from_secs(2);
        self.net_with(Patience { idle, pauses: [Duration::ZERO; 2], ..Patience::default() })
    }

    /// A client that asks nobody.
    pub(crate) fn offline_net(&self) -> Net<'_> {
        Net::new(&self.env, &self.hosts, &self.limits, true, &self.progress)
    }

    fn net_with(&self, patience: Patience) -> Net<'_> {
        Net::new(&self.env, &self.hosts, &self.limits, false, &self.progress).with_patience(patience)
    }
}
