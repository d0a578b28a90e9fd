//! `ba-agent skill history`.

use clap::Args;

use super::CommandContext;
use crate::table::Column;
use ba_agent_core::error::Result;
use ba_agent_core::text::format_age;
use ba_agent_engine::history::Record;
use ba_agent_engine::ops;

/// List the last changes.
#[derive(Debug, Args)]
#[command(
    long_about = "List the last changes, newest first: number, time, command, and what it did to which \
        skill (+ added, - removed, ~ changed) with its commits or tags. On a terminal the time is how long ago \
        it was, in a pipe UTC to the second, with --json exact. `rollback --to NUMBER` goes back before one of them.",
    after_help = "Examples:\n  ba-agent skill history\n  ba-agent skill history --json"
)]
pub(crate) struct HistoryArgs {}

impl HistoryArgs {
    /// Prints the changes that can be undone.
    ///
    /// # Errors
    /// Those of [`ops::history::list_changes`].
    pub(crate) fn run(self, cx: &CommandContext<'_>) -> Result<u8> {
        let records = ops::history::list_changes(&cx.workspace, cx.ui)?;
        if cx.ui.json() {
            cx.ui.print_json_document(&serde_json::json!({ "changes": records }));
            return Ok(0);
        }
        if records.is_empty() {
            cx.ui.note("no changes are recorded yet");
            return Ok(0);
        }
        let for_eyes = cx.ui.stdout_is_terminal();
        let time = |record: &Record| match for_eyes {
            true => format_age(record.at, cx.env().now),
            false => record.at.strftime("%F %T").to_string(),
        };
        let cells = |record: &Record| {
            let changes = record.describe_changes().join(", ");
            vec![record.id.to_string(), time(record), record.command.clone(), changes]
        };
        let columns = [
            Column::from("change"),
            Column::optional("time", 1),
            Column::from("command"),
            Column::from("skills"),
        ];
        cx.ui.print_as_table(&columns, &records.iter().map(cells).collect::<Vec<_>>());
        Ok(0)
    }
}
