//! `ba-agent completions SHELL`, and what completion knows that the definition does not.

use clap::{Args, ValueEnum};
use clap_complete::engine::CompletionCandidate;
use clap_complete::env::{Bash, Elvish, EnvCompleter, Fish, Powershell, Zsh};

use super::CommandContext;
use ba_agent_core::error::Result;
use ba_agent_core::skill::SkillName;
use ba_agent_engine::ops::list::list_names;
use ba_agent_system::env::Env;

/// The variable by which a shell's script asks this program for candidates.
pub(crate) const VARIABLE: &str = "BA_AGENT_COMPLETE";

/// Print the completion script of a shell.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    ba-agent completions bash > ~/.local/share/bash-completion/completions/ba-agent\n  \
    ba-agent completions zsh > \"${fpath[1]}/_ba-agent\"\n  \
    ba-agent completions fish > ~/.config/fish/completions/ba-agent.fish")]
pub(crate) struct Completions {
    /// The shell to complete in.
    #[arg(value_enum, value_name = "SHELL")]
    shell: Shell,
}

/// The shells that can ask us.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Shell {
    Bash,
    Elvish,
    Fish,
    Powershell,
    Zsh,
}

impl Completions {
    /// Prints the script that asks this program for completions.
    ///
    /// # Errors
    /// `Failed` where the script cannot be made.
    pub(crate) fn run(self, cx: &CommandContext<'_>) -> Result<u8> {
        let script = completion_script(self.shell)?;
        if cx.ui.json() {
            let shell = self.shell.to_possible_value().map(|value| value.get_name().to_owned());
            cx.ui.print_json_document(&serde_json::json!({ "shell": shell, "script": script }));
        } else {
            cx.ui.print(&script);
        }
        Ok(0)
    }
}

/// The script of a shell. It asks the program at every TAB (a start costs 2 ms), so that
/// names of installed skills are offered too.
///
/// # Errors
/// None in practice: it is written into memory.
pub(crate) fn completion_script(shell: Shell) -> Result<String> {
    let completer: &dyn EnvCompleter = match shell {
        Shell::Bash => &Bash,
        Shell::Elvish => &Elvish,
        Shell::Fish => &Fish,
        Shell::Powershell => &Powershell,
        Shell::Zsh => &Zsh,
    };
    let mut script = Vec::new();
    completer.write_registration(VARIABLE, "ba_agent", "ba-agent", "ba-agent", &mut script)?;
    Ok(String::from_utf8_lossy(&script).into_owned())
}

/// Names of the skills that are installed here, in the project and for the user. Whatever
/// goes wrong: a TAB never prints an error.
pub(crate) fn installed_names() -> Vec<CompletionCandidate> {
    let Ok(env) = Env::read(None) else { return Vec::new() };
    let candidate = |(name, description): (SkillName, Option<String>)| {
        CompletionCandidate::new(name.to_string()).help(description.as_deref().map(first_sentence_of))
    };
    list_names(&env).into_iter().map(candidate).collect()
}

fn first_sentence_of(description: &str) -> clap::builder::StyledStr {
    ba_agent_core::error::printable(description, false).chars().take(60).collect::<String>().into()
}

/// Ids of the agents that can be targets.
pub(crate) fn agent_names() -> Vec<CompletionCandidate> {
    ba_agent_core::agents::all_agents()
        .iter()
        .map(|agent| CompletionCandidate::new(agent.id).help(Some(agent.name.into())))
        .collect()
}
