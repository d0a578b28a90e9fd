//! `ba-agent mcp`, and `mcp config`.

use clap::builder::PossibleValuesParser;
use clap::{Args, Subcommand};
use clap_complete::engine::ArgValueCandidates;

use super::CommandContext;
use super::complete::agent_names;
use crate::mcp::serve;
use crate::ui::Ui;
use ba_agent_core::error::{Result, error};
use ba_agent_engine::ops::mcp::config::{ConfigOptions, ConfigReport, configure, known_clients};
use ba_agent_engine::ops::mcp::{ServiceOptions, SkillService};

/// Serve the skills to an agent, as a server of the Model Context Protocol on stdin and stdout.
#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    long_about = "Serve the skills to an agent, as a server of the Model Context Protocol on stdin and stdout.\n\n\
        The agent starts it, in the folder of the project, and ends it by closing stdin; `mcp config` says how its \
        settings name it. Its tools find skills, load their instructions and read their files; none of them changes \
        anything. Clients that know the skills extension get every file with the digest that was recorded when it was \
        installed. What changes on the disk is told to clients that listen. stdout carries the protocol alone.",
    after_help = "Examples:\n  ba-agent mcp\n  ba-agent mcp --global\n  ba-agent mcp --for codex\n  \
        ba-agent mcp config --agent claude-code --write\n\n\
        Exit status: 0 the client has gone, 1 an answer could not be written, 130 stopped by a signal."
)]
pub(crate) struct McpArgs {
    /// Serve what this agent reads itself, in its own order.
    #[arg(long = "for", value_name = "AGENT", add = ArgValueCandidates::new(agent_names))]
    agent: Option<String>,
    #[command(subcommand)]
    command: Option<McpCommand>,
}

#[derive(Debug, Subcommand)]
enum McpCommand {
    Config(McpConfig),
}

/// Print what an agent's settings need to start this server, or write it there.
#[derive(Debug, Args)]
#[command(
    long_about = "Print what an agent's settings need to start this server, or write it there.\n\n\
        Without --write it only prints: the file is said on stderr. With it, the one entry is added to the settings of \
        the project, or with --global to your own; everything else in the file stays as it is, comments too.",
    after_help = "Examples:\n  ba-agent mcp config --agent claude-code\n  \
        ba-agent mcp config --agent codex --global --write\n  ba-agent mcp config --agent generic --json"
)]
pub(crate) struct McpConfig {
    /// Whose settings.
    #[arg(long, value_name = "AGENT", value_parser = PossibleValuesParser::new(known_clients().chain(["github-copilot"])))]
    agent: String,
    /// Change the file.
    #[arg(long)]
    write: bool,
}

impl McpArgs {
    /// Serves until the client goes, or prints what belongs into its settings.
    ///
    /// # Errors
    /// Those of [`SkillService::open`] and [`serve`], or of [`configure`].
    pub(crate) fn run(self, cx: &CommandContext<'_>) -> Result<u8> {
        if let Some(McpCommand::Config(command)) = self.command {
            return command.run(cx);
        }
        if cx.ui.json() {
            return Err(error!(Usage, "a server prints no document of its own")
                .hint("leave `--json` out; `ba-agent mcp config --json` prints what starts it"));
        }
        // Notices go to stderr, as long as the process lives.
        let ui = Ui::new(cx.ui.manner(), cx.env());
        let service = SkillService::open(&cx.workspace, &ServiceOptions { agent: self.agent }, Box::new(ui))?;
        if cx.env().stdin_is_terminal {
            cx.ui.note("this speaks the Model Context Protocol: an agent starts it (`ba-agent mcp config`); Ctrl-D ends it");
        }
        serve(service, Box::new(std::io::stdin()), Box::new(std::io::stdout()))
    }
}

impl McpConfig {
    fn run(self, cx: &CommandContext<'_>) -> Result<u8> {
        let options = ConfigOptions { command: command_line(cx), agent: self.agent, write: self.write };
        let report = configure(&cx.workspace, &options, cx.ui)?;
        if cx.ui.json() {
            cx.ui.print_json_document(&report);
        } else if self.write {
            print_written(cx, &report);
        } else {
            print_entry(cx, &report);
        }
        Ok(0)
    }
}

/// How the agent is to start the server: the program as it was typed, so that an update of it counts.
fn command_line(cx: &CommandContext<'_>) -> Vec<String> {
    let typed = std::env::args_os().next().and_then(|typed| typed.into_string().ok());
    let typed = typed.filter(|typed| !typed.is_empty()).unwrap_or_else(|| "ba-agent".to_owned());
    let is_name = !typed.contains(['/', '\\']);
    let program = if is_name { typed } else { cx.env().absolute(typed.as_ref()).display().to_string() };
    vec![program, "mcp".to_owned()]
}

fn print_written(cx: &CommandContext<'_>, report: &ConfigReport) {
    let file = report.file.as_ref().map(|file| file.display().to_string()).unwrap_or_default();
    let (verb, what) = if report.changed { ("Wrote", "into") } else { ("Unchanged", "in") };
    cx.ui.status(verb, &format!("the server `ba-agent` {what} {file}"));
    if report.changed {
        cx.ui.note(&format!("{} starts it the next time that it begins", report.agent));
        report.note.into_iter().for_each(|note| cx.ui.note(note));
    }
}

fn print_entry(cx: &CommandContext<'_>, report: &ConfigReport) {
    cx.ui.print(&report.text);
    match &report.file {
        Some(file) => cx.ui.note(&format!("this belongs into {}; `--write` puts it there", file.display())),
        None => cx.ui.note("this belongs into the agent's settings"),
    }
    if let Some(command) = &report.alternative {
        cx.ui.note(&format!("or type: {command}"));
    }
    report.note.into_iter().for_each(|note| cx.ui.note(note));
}
