//! `ba-agent hook run|install|uninstall|status`.

use std::ffi::OsString;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::Duration;

use clap::{Args, Subcommand};

use super::CommandContext;
use crate::table::Column;
use ba_agent_core::error::{Result, error};
use ba_agent_core::hook::{HookAgent, HookState};
use ba_agent_engine::ops;
use ba_agent_engine::ops::hook::{HookStatus, hook_agent};

/// The most that an agent tells a hook: a request with a large file in it.
const LARGEST_INPUT: u64 = 64 << 20;
/// How long the end of it is waited for.
const WAIT: Duration = Duration::from_secs(4);

/// Tell agents at the right request which skills fit, and keep them from what is forbidden.
#[derive(Debug, Subcommand)]
#[command(
    long_about = "Tell agents at the right request which skills fit, and keep them from what is forbidden.\n\n\
    Claude Code, Codex and Gemini CLI run a hook at certain moments. `install` puts `ba-agent hook run` into their \
    settings and changes nothing else in them. At a request it names the installed skills that fit, so that the model \
    decides on each; before a tool is used it denies what `forbidden_operations` of an active skill say and asks where \
    `require_approval` does; it notes which skills are loaded, for `skill usage`."
)]
pub(crate) enum Hook {
    Run(RunArgs),
    Install(EntryArgs),
    Uninstall(UninstallArgs),
    Status(StatusArgs),
}

/// Answer an agent: reads what it tells a hook from standard input.
#[derive(Debug, Args)]
#[command(
    long_about = "Answer an agent: reads what it tells a hook from standard input.\n\n\
        The answer is one line of JSON, or nothing where there is nothing to say. The status is always 0, and what is \
        wrong is said on standard error: an agent must not be hindered by its hook.",
    after_help = "Examples:\n  \
        echo '{\"hook_event_name\":\"UserPromptSubmit\",\"prompt\":\"fill in this PDF\"}' | ba-agent hook run\n  \
        ba-agent hook run --agent codex < event.json"
)]
pub(crate) struct RunArgs {
    /// The agent that asks; told from the event without it.
    #[arg(long, value_name = "NAME")]
    agent: Option<String>,
}

/// Put the hook into the settings of agents; all else in them stays.
#[derive(Debug, Args)]
#[command(
    long_about = "Put the hook into the settings of agents; all else in them stays, to the byte.\n\n\
        Of a project these are `.claude/settings.json`, `.codex/hooks.json` and `.gemini/settings.json`, which everybody \
        shares who has the project; with --global those in your home folder. Doing it again changes nothing. Settings \
        that cannot be read are left alone, with status 1.",
    after_help = "Examples:\n  ba-agent hook install --agent claude-code\n  \
        ba-agent hook install --agent codex,gemini-cli --global"
)]
pub(crate) struct EntryArgs {
    /// The agents (repeatable, or with commas).
    #[arg(long = "agent", short, value_name = "NAME", value_delimiter = ',', required = true)]
    agents: Vec<String>,
}

/// Take the hook out of the settings of agents again.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  ba-agent hook uninstall --agent claude-code\n  \
        ba-agent hook uninstall --agent codex --global")]
pub(crate) struct UninstallArgs {
    #[command(flatten)]
    entry: EntryArgs,
}

/// Show whether the hook stands in the settings of agents.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  ba-agent hook status\n  ba-agent hook status --agent codex --global --json"
)]
pub(crate) struct StatusArgs {
    /// These agents alone.
    #[arg(long = "agent", short, value_name = "NAME", value_delimiter = ',')]
    agents: Vec<String>,
}

/// True for a command line that an agent runs as its hook: whatever is wrong with it, the status is
/// 0. Some agents take 2, that of a wrong command line, for a word against the request itself.
pub(crate) fn is_hook_run(args: &[OsString]) -> bool {
    let mut words = args.iter().skip(1).filter(|arg| !arg.as_encoded_bytes().starts_with(b"-"));
    words.any(|word| word == "hook") && words.next().is_some_and(|word| word == "run")
}

impl Hook {
    /// Answers, installs, removes or looks.
    ///
    /// # Errors
    /// Those of the function of the engine.
    pub(crate) fn run(self, cx: &CommandContext<'_>) -> Result<u8> {
        match self {
            Self::Run(args) => args.run(cx),
            Self::Install(EntryArgs { agents }) => change_each(cx, &agents, |agent, program| {
                ops::hook::install_hook(&cx.workspace, agent, program, cx.ui)
            }),
            Self::Uninstall(UninstallArgs { entry }) => change_each(cx, &entry.agents, |agent, program| {
                ops::hook::uninstall_hook(&cx.workspace, agent, program, cx.ui)
            }),
            Self::Status(StatusArgs { agents }) => {
                let agents = match agents.is_empty() {
                    true => HookAgent::ALL.to_vec(),
                    false => parse_agents(&agents)?,
                };
                let status = ops::hook::hook_status(&cx.workspace, &agents, &own_program(cx), cx.ui)?;
                print_status(cx, &status);
                Ok(0)
            }
        }
    }
}

impl RunArgs {
    fn run(self, cx: &CommandContext<'_>) -> Result<u8> {
        let agent = self.agent.as_deref().map(hook_agent).transpose()?;
        if cx.env().stdin_is_terminal {
            return Err(error!(Usage, "`hook run` is for agents, which write to its standard input")
                .hint("put it into an agent's settings with `ba-agent hook install --agent NAME`"));
        }
        let input = read_input()?;
        if let Some(answer) = ops::hook::run_hook(&cx.workspace, agent, &input, cx.ui)? {
            cx.ui.line(&answer);
        }
        Ok(0)
    }
}

/// Standard input to its end, which is waited for a few seconds and no longer.
///
/// # Errors
/// `Failed` where there is no end, more than is read, or nothing can be read.
fn read_input() -> Result<Vec<u8>> {
    let (send, receive) = mpsc::channel();
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let read = std::io::stdin().lock().take(LARGEST_INPUT + 1).read_to_end(&mut bytes);
        // Whoever waited may have gone.
        let _ = send.send(read.map(|_| bytes));
    });
    let read = receive.recv_timeout(WAIT).map_err(|_| {
        error!(Failed, "the agent did not end what it tells the hook within {} s", WAIT.as_secs())
    })?;
    let bytes = read.map_err(|e| error!(Failed, "standard input cannot be read").cause(e))?;
    if bytes.len() as u64 > LARGEST_INPUT {
        return Err(error!(Failed, "the agent tells the hook more than {LARGEST_INPUT} bytes"));
    }
    Ok(bytes)
}

/// # Errors
/// `Usage` for an agent whose hooks are not known.
fn parse_agents(names: &[String]) -> Result<Vec<HookAgent>> {
    names.iter().map(|name| hook_agent(name)).collect()
}

fn change_each(
    cx: &CommandContext<'_>,
    names: &[String],
    change: impl Fn(HookAgent, &str) -> Result<HookStatus>,
) -> Result<u8> {
    let program = own_program(cx);
    let agents = parse_agents(names)?;
    let status: Vec<HookStatus> =
        agents.into_iter().map(|agent| change(agent, &program)).collect::<Result<_>>()?;
    if cx.ui.json() {
        print_status(cx, &status);
        return Ok(0);
    }
    for one in &status {
        let file = one.file.display();
        match (one.changed, one.state) {
            (true, HookState::Absent) => {
                cx.ui.status("Removed", &format!("the hook of {} from {file}", one.agent))
            }
            (true, _) => cx.ui.status("Installed", &format!("the hook of {} in {file}", one.agent)),
            (false, HookState::Absent) => cx.ui.note(&format!("{file} has no hook of ours")),
            (false, _) => cx.ui.note(&format!("{file} has the hook already")),
        }
        if let Some(trust) = one.trust.filter(|_| one.changed) {
            cx.ui.note(trust);
        }
    }
    Ok(0)
}

fn print_status(cx: &CommandContext<'_>, status: &[HookStatus]) {
    if cx.ui.json() {
        cx.ui.print_json_document(&serde_json::json!({ "hooks": status }));
        return;
    }
    let word = |state: HookState| match state {
        HookState::Installed => "installed",
        HookState::Absent => "absent",
        HookState::Changed => "changed",
    };
    let row = |one: &HookStatus| {
        let trust = one.trust.unwrap_or_default().to_owned();
        vec![one.agent.to_owned(), word(one.state).to_owned(), one.file.display().to_string(), trust]
    };
    let rows: Vec<Vec<String>> = status.iter().map(row).collect();
    let columns = [
        Column::from("agent"),
        Column::from("state"),
        Column::optional("file", 1),
        Column::optional("trust", 2),
    ];
    cx.ui.print_as_table(&columns, &rows);
}

/// The program as it is called: by its name where that leads to it, else by its path.
fn own_program(cx: &CommandContext<'_>) -> String {
    let own = std::env::current_exe().unwrap_or_else(|_| PathBuf::from("ba-agent"));
    let real = |path: &Path| std::fs::canonicalize(path).ok();
    let name = format!("ba-agent{}", std::env::consts::EXE_SUFFIX);
    let folders = cx.env().var("PATH").unwrap_or_default().to_owned();
    let first = std::env::split_paths(&folders).map(|folder| folder.join(&name)).find(|path| path.is_file());
    if first.as_deref().and_then(real).is_some_and(|first| Some(first) == real(&own)) {
        return "ba-agent".to_owned();
    }
    let path = own.to_string_lossy();
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-+:\\".contains(c);
    if path.chars().all(is_plain) { path.into_owned() } else { format!("'{}'", path.replace('\'', "'\\''")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hook_is_known_before_it_is_parsed() {
        let is_run = |line: &str| is_hook_run(&line.split(' ').map(OsString::from).collect::<Vec<_>>());
        for line in [
            "ba-agent hook run",
            "ba-agent hook run --agent x",
            "ba-agent --quiet hook run --bogus",
            "ba-agent hook --json run",
        ] {
            assert!(is_run(line), "{line}");
        }
        for line in
            ["ba-agent", "ba-agent hook", "ba-agent hook status", "ba-agent skill list", "ba-agent run hook"]
        {
            assert!(!is_run(line), "{line}");
        }
    }
}
