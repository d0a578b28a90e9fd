//! `ba-agent serve`: the server of a registry, a program of its own.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::Args;

use super::CommandContext;
use crate::registry_server::{find_registry_server, run_registry_server};
use ba_agent_core::error::{Result, error};

/// Run the server of a registry, where it is installed.
#[derive(Debug, Args)]
#[command(
    long_about = "Run the server of a registry, where it is installed.\n\n\
        The server is a program of its own, `ba-agent-registry`: it is looked for beside this program, then on the PATH. \
        Everything behind `serve` is given to it.",
    after_help = "Examples:\n  ba-agent serve\n  ba-agent serve --config registry.yaml"
)]
pub(crate) struct ServeArgs {
    /// What the server is given, flags included.
    #[arg(value_name = "ARGS", trailing_var_arg = true, allow_hyphen_values = true)]
    args: Vec<OsString>,
}

impl ServeArgs {
    /// Runs the server until it ends; its status is the status.
    ///
    /// # Errors
    /// `NotFound` where it is not installed, `Failed` where it cannot be started.
    pub(crate) fn run(self, cx: &CommandContext<'_>) -> Result<u8> {
        let Some(program): Option<PathBuf> = find_registry_server(cx.env()) else {
            return Err(error!(NotFound, "`ba-agent-registry`, which is the server, is not installed")
                .hint("`cargo install ba-agent-registry` installs it")
                .hint("a registry needs no server: a folder that any web server serves is one"));
        };
        run_registry_server(&program, &self.args)
    }
}
