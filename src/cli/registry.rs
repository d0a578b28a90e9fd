//! `ba-agent registry build|check|mirror`.

mod build;
mod check;
mod mirror;

use clap::Subcommand;

use super::CommandContext;
use ba_agent_core::error::Result;

/// Build, check and copy remote registries.
#[derive(Debug, Subcommand)]
pub(crate) enum RegistryCommand {
    Build(build::RegistryBuildArgs),
    Check(check::RegistryCheckArgs),
    Mirror(mirror::RegistryMirrorArgs),
}

impl RegistryCommand {
    /// Runs the command of the group.
    ///
    /// # Errors
    /// Those of the function of `ops::registry` that it calls.
    pub(crate) fn run(self, cx: &CommandContext<'_>) -> Result<u8> {
        match self {
            Self::Build(command) => command.run(cx),
            Self::Check(command) => command.run(cx),
            Self::Mirror(command) => command.run(cx),
        }
    }
}
