//! `ba-agent`: a package manager for agent skills.
//!
//! This package is the face of it: the command line (`cli`), the terminal (`ui`) and the skills
//! that ship with it (`builtin`). It parses, asks and prints; what a command does is a function
//! of [`ba_agent_engine`], whose documentation has the map.

mod browser;
mod builtin;
mod cli;
mod editor;
mod mcp;
mod pager;
mod picker;
mod registry_server;
mod table;
mod ui;

use std::process::ExitCode;

use ba_agent_core::error::Kind;
use ba_agent_system::env::Env;
use ba_agent_system::{fsx, interrupt};
use cli::{Cli, UsageError};
use ui::Ui;

/// Runs the command line of this process; the exit status is the documented one.
pub fn main() -> ExitCode {
    // An agent that runs us as its hook must not be hindered by us, whatever is wrong.
    if cli::is_hook_run(&std::env::args_os().collect::<Vec<_>>()) {
        let _ = std::panic::catch_unwind(run_command_line);
        return ExitCode::SUCCESS;
    }
    run_command_line()
}

fn run_command_line() -> ExitCode {
    if let Some(shell) = Env::first_word_of(cli::COMPLETION_VARIABLE) {
        return complete_line(&shell);
    }
    let cli = match Cli::parse_args(std::env::args_os().collect()) {
        Ok(cli) => cli,
        Err(error) => {
            return match *error {
                UsageError::Page(page) => ui::print_help_page(&page),
                UsageError::Wrong(error) => ui::print_usage_error(&error),
            };
        }
    };
    let env = match Env::read(cli.project()) {
        Ok(env) => env,
        Err(error) => {
            let ui = Ui::without_terminal(cli.output_manner());
            ui.error(&error);
            return ui.end(error.kind.exit_status());
        }
    };
    if let Some(fault) = env.var("BA_AGENT_FAULT") {
        fsx::fault::arm_fault(fault);
    }
    let manner = cli.output_manner();
    let ui = Ui::new(manner, &env);
    interrupt::watch_for_signals(env.stdin_is_terminal, move |error| ui::print_last_words(manner, error));
    let status = cli.run(env, &ui).unwrap_or_else(|error| {
        // What failed may have failed for that, as an ssh that got the signal too.
        let stopped = interrupt::is_requested() && error.kind != Kind::Interrupted;
        let error = if stopped { interrupt::error() } else { error };
        ui.error(&error);
        error.kind.exit_status()
    });
    ui.end(status)
}

/// Answers a shell that asks for candidates: nothing where something is wrong.
fn complete_line(shell: &str) -> ExitCode {
    use std::io::Write as _;
    let index = Env::first_word_of("_CLAP_COMPLETE_INDEX");
    let candidates = cli::print_candidates(shell, std::env::args_os().collect(), index.as_deref());
    // A shell that has gone away misses nothing.
    let _ = std::io::stdout().write_all(&candidates.unwrap_or_default());
    ExitCode::SUCCESS
}

/// The definition of the command line, for tools that generate documentation of it.
pub fn command() -> clap::Command {
    Cli::definition()
}
