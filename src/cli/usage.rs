//! `ba-agent skill usage`.

use clap::Args;

use super::CommandContext;
use crate::table::Column;
use ba_agent_core::error::Result;
use ba_agent_core::text::{count_noun, format_age, list_some};
use ba_agent_engine::ops;
use ba_agent_engine::ops::usage::{UsageOptions, UsageReport};

/// Names of skills that were never used which a sentence holds.
const NAMED: usize = 12;

/// Show which skills are used, how often, and which never.
#[derive(Debug, Args)]
#[command(
    long_about = "Show which skills are used, how often, and which never.\n\n\
        Uses are noted on this machine alone, by the hook, the MCP server and `skill activate`: which skill, when, and \
        what came of it, never what anybody wrote. `monitoring.usage_log: false` switches that off. Claude Code and \
        Codex keep transcripts of their own: --import reads which skills they used, each use once however often it is \
        read. With --global: of all projects.",
    after_help = "Examples:\n  ba-agent skill usage\n  ba-agent skill usage --since 30d --json\n  \
        ba-agent skill usage --import claude-code,codex --global"
)]
pub(crate) struct UsageArgs {
    /// Only what was used since: `30d`, `12h`, `2w` or a date.
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Read the transcripts of these agents first.
    #[arg(long, value_name = "AGENT", value_delimiter = ',')]
    import: Vec<String>,
}

impl UsageArgs {
    /// Prints the sums.
    ///
    /// # Errors
    /// Those of [`ops::usage::usage`].
    pub(crate) fn run(self, cx: &CommandContext<'_>) -> Result<u8> {
        let options = UsageOptions { since: self.since, import: self.import };
        let report = ops::usage::usage(&cx.workspace, &options, cx.ui)?;
        if cx.ui.json() {
            cx.ui.print_json_document(&report);
            return Ok(0);
        }
        print_usage(cx, &report);
        Ok(0)
    }
}

fn print_usage(cx: &CommandContext<'_>, report: &UsageReport) {
    for (agent, new) in &report.imported {
        let new = usize::try_from(*new).unwrap_or(usize::MAX);
        cx.ui.status("Imported", &format!("{} from {agent}", count_noun(new, "new use")));
    }
    let now = cx.env().now;
    let rows: Vec<Vec<String>> = report
        .skills
        .iter()
        .map(|skill| {
            let last = skill.last.map_or_else(|| "-".to_owned(), |last| format_age(last, now));
            let p50 = skill.p50_ms.map_or_else(|| "-".to_owned(), |ms| format!("{ms} ms"));
            let counts = [skill.activations, skill.failures, skill.denied, skill.followups];
            let [uses, failed, denied, followups] = counts.map(|count| count.to_string());
            vec![skill.name.clone(), uses, failed, denied, followups, p50, last]
        })
        .collect();
    if rows.is_empty() {
        let off = if report.log { "" } else { "; the log is off (`monitoring.usage_log`)" };
        cx.ui.note(&format!("no use of a skill was noted{off}"));
    } else {
        let columns = [
            Column::from("name"),
            Column::from("uses"),
            Column::optional("failed", 3),
            Column::optional("denied", 2),
            Column::optional("again", 1),
            Column::optional("p50", 1),
            Column::from("last"),
        ];
        cx.ui.print_as_table(&columns, &rows);
    }
    if !report.never_used.is_empty() {
        let names: Vec<&str> = report.never_used.iter().map(String::as_str).collect();
        cx.ui.note(&format!("never used: {}", list_some(&names, NAMED)));
    }
    report.warnings.iter().for_each(|warning| cx.ui.warn(warning));
}
