//! What is wrong with a command line, in the words and the form of all our errors.

use std::ffi::OsString;

use clap::error::{ContextKind, ContextValue, ErrorKind};

use super::Cli;
use super::shortcut::position_of_word;
use ba_agent_core::error::{Error, Kind};
use ba_agent_core::text::find_nearest;

/// At most this many commands are suggested.
const SUGGESTED: usize = 4;

/// The error for a command line that was not understood.
pub(crate) fn describe_usage_error(error: &clap::Error, args: &[OsString]) -> Error {
    match (error.kind(), error.get(ContextKind::InvalidSubcommand)) {
        (ErrorKind::InvalidSubcommand, Some(ContextValue::String(word))) => unknown_command(word, args),
        (ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand | ErrorKind::MissingSubcommand, _) => {
            Error::new(Kind::Usage, "a command is missing").hint("`--help` lists the commands")
        }
        _ => translate(&error.render().to_string()),
    }
}

/// The parser's own text: a first paragraph, then `tip:`, `Usage:` and how to get help.
fn translate(text: &str) -> Error {
    let (first, rest) = text.trim().split_once("\n\n").unwrap_or((text.trim(), ""));
    let mut lines = first.trim_start_matches("error: ").lines().map(str::trim);
    let mut message = lines.next().unwrap_or("wrong usage").to_owned();
    let mut hints = Vec::new();
    let mut named = Vec::new();
    for line in lines {
        match line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            Some(values) => hints.push(values.to_owned()),
            None => named.push(line),
        }
    }
    if !named.is_empty() {
        message = format!("{message} {}", named.join(", "));
    }
    for line in rest.lines().map(str::trim).filter(|line| !line.is_empty()) {
        match (line.strip_prefix("tip: "), line.strip_prefix("Usage: ")) {
            (Some(tip), _) => hints.push(tip.to_owned()),
            (_, Some(usage)) => hints.push(format!("usage: {usage}")),
            // A usage that goes on, or `For more information, try '--help'.`
            _ if line.starts_with("For more information") => {
                hints.push("`--help` explains all of it".to_owned())
            }
            _ => hints.push(line.to_owned()),
        }
    }
    Error { hints, ..Error::new(Kind::Usage, message) }
}

fn unknown_command(word: &str, args: &[OsString]) -> Error {
    let definition = Cli::definition();
    let (at, path) = command_before(word, args, &definition);
    let error = Error::new(Kind::Usage, format!("`{word}` is not a command of `{path}`"));
    let commands = suggest_commands(word, at, &path, &definition);
    let error = match commands.as_slice() {
        [] => error,
        [one] => error.hint(format!("did you mean `{one}`?")),
        several => {
            let several: Vec<String> = several.iter().map(|one| format!("`{one}`")).collect();
            error.hint(format!("did you mean one of {}?", several.join(", ")))
        }
    };
    error.hint(format!("`{path} --help` lists the commands"))
}

/// The command to which an unknown word was given, and how that is typed.
fn command_before<'d>(
    word: &str,
    args: &[OsString],
    definition: &'d clap::Command,
) -> (&'d clap::Command, String) {
    let (mut at, mut path, mut from) = (definition, "ba-agent".to_owned(), 1);
    while let Some(position) = position_of_word(definition, args, from) {
        let Some(below) = args[position].to_str().filter(|next| *next != word) else { break };
        let Some(below) = at.find_subcommand(below) else { break };
        path = format!("{path} {}", below.get_name());
        (at, from) = (below, position + 1);
    }
    (at, path)
}

/// What may have been meant: the same word elsewhere, what begins with it, what is near to it.
fn suggest_commands(word: &str, at: &clap::Command, path: &str, definition: &clap::Command) -> Vec<String> {
    let is_top = at.get_name() == definition.get_name();
    let skill = definition.find_subcommand("skill").filter(|_| is_top);
    let here: Vec<&clap::Command> =
        at.get_subcommands().chain(skill.into_iter().flat_map(clap::Command::get_subcommands)).collect();
    let elsewhere: Vec<String> = definition
        .get_subcommands()
        .filter(|group| group.get_name() != at.get_name())
        .filter_map(|group| {
            Some(format!("ba-agent {} {}", group.get_name(), group.find_subcommand(word)?.get_name()))
        })
        .collect();
    if !elsewhere.is_empty() {
        return elsewhere;
    }
    let typed = |command: &clap::Command| format!("{path} {}", command.get_name());
    let is_begun = |command: &&&clap::Command| command.get_name().starts_with(word);
    let begun: Vec<String> = here.iter().filter(is_begun).map(|command| typed(command)).collect();
    if !begun.is_empty() && begun.len() <= SUGGESTED {
        return begun;
    }
    let names = here.iter().flat_map(|command| command.get_name_and_visible_aliases());
    let nearest = find_nearest(word, names);
    let of_name =
        |name: &str| here.iter().find(|command| command.get_name_and_visible_aliases().contains(&name));
    nearest.and_then(of_name).map(|command| typed(command)).into_iter().collect()
}
