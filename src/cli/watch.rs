//! `ba-agent skill watch`.

use std::time::Duration;

use clap::Args;
use clap_complete::engine::ArgValueCandidates;

use super::CommandContext;
use super::complete::agent_names;
use ba_agent_core::digest::Digest;
use ba_agent_core::error::{Kind, Result, printable};
use ba_agent_engine::ops;
use ba_agent_engine::ops::watch::WatchOptions;
use ba_agent_engine::poll::SkillEvent;

/// Tell what happens to skills, until you stop it.
#[derive(Debug, Args)]
#[command(
    long_about = "Tell what happens to skills, one line for each event, until you stop it with Ctrl-C: added, changed, removed, \
        broken, recovered, conflict. With --json each line is a document.\n\n\
        The skills are looked at every two seconds (`runtime.hot_swap.watch_interval`). One whose SKILL.md cannot be read any \
        more keeps its last good state, and leaves after three bad versions in a row (`max_rollbacks`).",
    after_help = "Examples:\n  ba-agent skill watch\n  ba-agent skill watch --agent codex --json\n  ba-agent skill watch --for 60"
)]
pub(crate) struct WatchArgs {
    /// Only the skills that this agent has.
    #[arg(long, short = 'a', value_name = "NAME", add = ArgValueCandidates::new(agent_names))]
    agent: Option<String>,
    /// Stop after this number of seconds.
    #[arg(long = "for", value_name = "SECONDS")]
    seconds: Option<u64>,
}

impl WatchArgs {
    /// Prints events until somebody stops it.
    ///
    /// # Errors
    /// Those of [`ops::watch::watch`].
    pub(crate) fn run(self, cx: &CommandContext<'_>) -> Result<u8> {
        let json = cx.ui.json();
        if !json && cx.ui.is_for_eyes() {
            cx.ui.note("watching the skills; Ctrl-C stops it");
        }
        let mut tell = |event: &SkillEvent| match json {
            true => cx.ui.print_json_line(event),
            false => {
                cx.ui.print_at_once(&cx.ui.wrap_line(&describe_event(event), "", &" ".repeat(BEFORE_NAME)))
            }
        };
        let options = WatchOptions { agent: self.agent, time: self.seconds.map(Duration::from_secs) };
        match ops::watch::watch(&cx.workspace, &options, &mut tell, cx.ui) {
            // Nothing is left undone: that it was stopped is no error to be told.
            Err(error) if error.kind == Kind::Interrupted => Ok(error.kind.exit_status()),
            ended => ended.map(|()| 0),
        }
    }
}

/// Columns before the name of an event.
const BEFORE_NAME: usize = 19;

/// `12:03:04 changed    pdf 3f2a1c9 -> 9c2d652: why`.
fn describe_event(event: &SkillEvent) -> String {
    let short = |digest: &Digest| digest.as_hex().chars().take(7).collect::<String>();
    let digests = match (event.previous.as_ref().map(short), event.digest.as_ref().map(short)) {
        (Some(before), Some(now)) if before != now => format!(" {before} -> {now}"),
        (_, Some(now)) => format!(" {now}"),
        (_, None) => String::new(),
    };
    let kept = if event.fallback { " (the last good state is kept)" } else { "" };
    let why: Vec<String> = event.findings.iter().map(|finding| printable(finding, false)).collect();
    let why = if why.is_empty() { String::new() } else { format!(": {}", why.join("; ")) };
    let (at, kind, name) = (event.at.strftime("%T"), event.event.name(), printable(&event.name, false));
    format!("{at} {kind:<9} {name}{digests}{kept}{why}")
}
