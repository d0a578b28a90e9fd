//! `ba-agent skill list`.

use clap::Args;

use super::CommandContext;
use ba_agent_core::error::Result;
use ba_agent_core::registry::InstallMode;
use ba_agent_engine::ops;
use ba_agent_engine::ops::list::ListedSkill;

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
    /// Prints the installed skills.
    ///
    /// # Errors
    /// Those of [`ops::list::list`].
    pub(crate) fn run(self, cx: &CommandContext<'_>) -> Result<u8> {
        let check = self.check || (cx.ui.stdout_is_terminal() && !cx.ui.json() && !self.no_check);
        let report = ops::list::list(&cx.workspace, check, cx.ui)?;
        let mut skills = report.skills()?.peekable();
        if cx.ui.json() {
            let skills: Vec<ListedSkill<'_>> = skills.collect();
            cx.ui.print_json_document(&serde_json::json!({ "scope": report.scope, "skills": skills }));
            return Ok(0);
        }
        if skills.peek().is_none() {
            cx.ui.note(&format!("no skills are installed in this {}", report.scope));
            return Ok(0);
        }
        let mut heading = vec!["name", "version", "source", "pin", "targets"];
        if check {
            heading.push("state");
        }
        cx.ui.print_rows_as_table(&heading, skills.map(|skill| cells_of(&skill, check)));
        Ok(0)
    }
}

/// The cells of the table: name, version, source, pin, targets, perhaps the state.
fn cells_of(skill: &ListedSkill<'_>, with_state: bool) -> Vec<String> {
    let entry = &skill.entry;
    let pin = match (entry.pin.short_text(), entry.pinned) {
        (Some(pin), true) => format!("{pin} (held)"),
        (Some(pin), false) => pin,
        // A folder that was copied is no live link.
        (None, _) if entry.mode == InstallMode::Live => "live".to_owned(),
        (None, _) => "-".to_owned(),
    };
    let mut cells = vec![
        skill.name.to_string(),
        entry.version.as_deref().unwrap_or("-").to_owned(),
        entry.source.to_string(),
        pin,
        entry.targets.iter().map(|target| &**target).collect::<Vec<_>>().join(","),
    ];
    if with_state {
        cells.push(skill.state.unwrap_or("-").to_owned());
    }
    cells
}
