//! `ba-agent skill list`.

use clap::Args;

use super::Context;
use crate::error::Result;
use crate::ops::list;

/// List installed skills.
#[derive(Debug, Args)]
#[command(
    long_about = "List installed skills: name, version, source, pin, targets, state.\n\n\
        On a terminal a table, in a pipe tab-separated rows, with --json one document. \
        The state says which skills were edited or are missing: it is shown on a terminal, elsewhere with \
        --check, since every file is read for it. Without it the registry alone is read.",
    after_help = "Examples:\n  ba-agent skill list\n  ba-agent skill list --json | jq '.skills[].name'\n  \
        ba-agent skill list --check\n  ba-agent skill list --no-check"
)]
pub(crate) struct List {
    /// Show which skills were edited or are missing, also without a terminal.
    #[arg(long)]
    check: bool,
    /// Read only the registry, also on a terminal.
    #[arg(long, conflicts_with = "check")]
    no_check: bool,
}

impl List {
    pub(crate) fn run(self, cx: &Context<'_>) -> Result<u8> {
        let place = cx.place()?;
        let text = place.store.text()?;
        let overview = text.summary()?;
        let check = self.check || (cx.ui.stdout_is_terminal() && !cx.ui.json() && !self.no_check);
        let seen = if check {
            let registry = place.store.read()?;
            let seen = place.places.inspect_recorded(registry.skills.keys(), &registry)?;
            Some((registry, seen))
        } else {
            None
        };
        let rows = list::list(&overview, seen.as_ref().map(|(registry, seen)| (registry, seen)));
        if cx.ui.json() {
            cx.ui.data(&serde_json::json!({ "scope": place.scope.name(), "skills": rows }));
            return Ok(0);
        }
        if rows.is_empty() {
            cx.ui.note(&format!("no skills are installed in this {}", place.scope.name()));
            return Ok(0);
        }
        let mut heading = vec!["name", "version", "source", "pin", "targets"];
        if check {
            heading.push("state");
        }
        let rows: Vec<Vec<String>> = rows.iter().map(|row| row.cells(check)).collect();
        cx.ui.table(&heading, &rows);
        Ok(0)
    }
}
