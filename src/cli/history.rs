//! `ba-agent skill history`.

use clap::Args;

use super::CommandContext;
use ba_agent_core::error::Result;
use ba_agent_engine::ops;

/// List the last changes, newest first.
#[derive(Debug, Args)]
#[command(
    long_about = "List the last changes, newest first: number, time, command, and what it did to which \
        skill (+ added, - removed, ~ changed). `rollback --to NUMBER` goes back before one of them.",
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
        let cells = |record: &ba_agent_engine::history::Record| {
            vec![record.id.to_string(), record.at.to_string(), record.command.clone(), record.summary()]
        };
        cx.ui.print_as_table(
            &["change", "time", "command", "skills"],
            &records.iter().map(cells).collect::<Vec<_>>(),
        );
        Ok(0)
    }
}
