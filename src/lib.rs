//! `ba-agent`: a package manager for agent skills.
//!
//! # The map
//!
//! Values and rules are a crate of their own, [`ba_agent_core`]: pure, no IO, no clock; so are
//! [`ba_agent_archive`], [`ba_agent_system`], [`ba_agent_net`] and [`ba_agent_git`]. Here are three
//! floors over them; a file uses its own floor and those below, never one above
//! (`tests/it/floors.rs` holds the table and checks it).
//!
//! * **Faces** (`cli`, `ui`): the only floor that prints, prompts or knows clap.
//! * **Deeds** (`ops`): one function for each command, options in, a report out; `ops::apply`
//!   alone changes skills and registry, but for `doctor --fix`.
//! * **World** (`fetch`, `store`, `history`, `install_dirs`, `install_state`, `scope`,
//!   `settings`, `workspace`): input and output.
//!
//! An install goes one way: text to `Request`, resolved and fetched to a package, looked
//! through for candidates, planned against the registry, staged, validated, swapped in,
//! recorded, reported.
//!
//! # What is deliberately absent
//!
//! No async runtime, no telemetry, no plugin system, no code of a skill that runs on
//! install, no checkout by libgit2, no unpacking by an archive crate, no trait with one
//! implementor: the three that a caller implements (`Progress`, `workspace::Observer`,
//! `ops::ask::Ask`) have the terminal and the tests.

#[cfg(feature = "bench")]
#[doc(hidden)]
pub mod bench;
mod builtin;
mod cli;
mod fetch;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzz;
mod history;
mod install_dirs;
mod install_state;
mod ops;
mod scope;
mod settings;
mod store;
mod ui;
mod workspace;

use std::process::ExitCode;

use clap::Parser as _;

use ba_agent_core::error::Kind;
use ba_agent_system::env::Env;
use ba_agent_system::{fsx, interrupt};
use cli::Cli;
use ui::Ui;

/// Runs the command line of this process; the exit status is the documented one.
pub fn main() -> ExitCode {
    clap_complete::CompleteEnv::with_factory(command).var(cli::COMPLETION_VARIABLE).complete();
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return ui::usage(&cli::with_suggestion(error)),
    };
    let env = match Env::read(cli.project()) {
        Ok(env) => env,
        Err(error) => {
            let ui = Ui::bare(cli.manner());
            ui.error(&error);
            return ui.end(error.kind.exit_status());
        }
    };
    if let Some(fault) = env.var("BA_AGENT_FAULT") {
        fsx::fault::arm(fault);
    }
    let manner = cli.manner();
    let ui = Ui::new(manner, &env);
    interrupt::watch(move || ui::last_words(manner));
    let status = cli.run(env, &ui).unwrap_or_else(|error| {
        // What failed may have failed for that, as an ssh that got the signal too.
        let stopped = interrupt::is_requested() && error.kind != Kind::Interrupted;
        let error = if stopped { interrupt::error() } else { error };
        ui.error(&error);
        error.kind.exit_status()
    });
    ui.end(status)
}

/// The definition of the command line, for tools that generate documentation of it.
pub fn command() -> clap::Command {
    Cli::definition()
}
