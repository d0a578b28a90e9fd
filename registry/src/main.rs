//! The command line of the server.

use std::io::{BufRead as _, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use ba_agent_core::error::{Error, Kind, Result, printable};
use ba_agent_registry::{ServerNews, ServerSettings, derive_files, serve, set_local_user};
use clap::{Parser, Subcommand};

/// A registry of agent skills: publish, find, hold, take down and count skills that any reader
/// fetches as plain files
#[derive(Parser)]
#[command(version, after_help = EXAMPLES)]
struct Arguments {
    /// The settings; without it all keys have their defaults
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Option<ServerCommand>,
}

const EXAMPLES: &str = "Examples:
  ba-agent-registry                                # http://127.0.0.1:8000, everything in ./data
  BA_REGISTRY_LISTEN=0.0.0.0:8000 ba-agent-registry
  ba-agent-registry --config registry.yaml serve
  ba-agent-registry admin user alice --admin < password.txt";

#[derive(Subcommand)]
enum ServerCommand {
    /// Serve the registry (what happens without a command)
    Serve,
    /// Make all files anew that are made of others
    Derive,
    /// What is done at the machine itself
    Admin {
        #[command(subcommand)]
        command: AdminCommand,
    },
}

#[derive(Subcommand)]
enum AdminCommand {
    /// Make a local user, or give one a new password, which is the first line of the input
    User {
        name: String,
        /// Who may also take down, ban, approve and reserve
        #[arg(long)]
        admin: bool,
    },
}

#[expect(clippy::disallowed_methods, reason = "read once, here")]
fn variables() -> Vec<(String, String)> {
    std::env::vars_os().filter_map(|(k, v)| Some((k.into_string().ok()?, v.into_string().ok()?))).collect()
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            print_error(&error);
            ExitCode::from(error.kind.exit_status())
        }
    }
}

fn run(arguments: &Arguments) -> Result<()> {
    let settings = ServerSettings::load(arguments.config.as_deref(), &variables())?;
    match &arguments.command {
        None | Some(ServerCommand::Serve) => serve(settings, &print_news),
        Some(ServerCommand::Derive) => {
            let skills = derive_files(&settings)?;
            print_line(&format!("the files of {skills} skills are as the database says"));
            Ok(())
        }
        Some(ServerCommand::Admin { command: AdminCommand::User { name, admin } }) => {
            let mut password = String::new();
            std::io::stdin().lock().read_line(&mut password)?;
            let password = password.trim_end_matches(['\r', '\n']).to_owned();
            if password.is_empty() {
                return Err(Error::new(Kind::Usage, "expected the password as the first line of the input"));
            }
            set_local_user(&settings, name, password, *admin)?;
            print_line(&format!("`{}` can log in now", printable(name, false)));
            Ok(())
        }
    }
}

/// A reader that went away is no reason to stop.
fn print_line(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}

fn print_news(news: ServerNews) {
    match news {
        ServerNews::Ready(address) => print_line(&format!("ready at http://{address}")),
        ServerNews::FirstStart { address, token } => {
            print_line("No account exists yet. Make the first admin, within a day:");
            print_line(&format!("  one-time token: {token}"));
            print_line(&format!("  curl {address} -H 'content-type: application/json' \\"));
            print_line(&format!(
                "    -d '{{\"token\": \"{token}\", \"login\": \"NAME\", \"password\": \"AT LEAST TWELVE LETTERS\"}}'"
            ));
        }
    }
}

fn print_error(error: &Error) {
    let mut err = std::io::stderr();
    let _ = writeln!(err, "error: {}", printable(&error.message, true));
    for cause in &error.causes {
        let _ = writeln!(err, "  because: {}", printable(cause, true));
    }
    for hint in &error.hints {
        let _ = writeln!(err, "  hint: {}", printable(hint, true));
    }
}
