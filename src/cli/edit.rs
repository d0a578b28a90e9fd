//! `ba-agent skill edit NAME`.

use clap::Args;
use clap_complete::engine::ArgValueCandidates;

use super::CommandContext;
use super::choice::SkillChoice;
use super::complete::installed_names;
use crate::editor::{edit_in_editor, require_editor};
use ba_agent_core::error::{Kind, Result, printable};
use ba_agent_core::skill::{Severity, worst_severity};
use ba_agent_core::text::count_noun;
use ba_agent_engine::ops;
use ba_agent_engine::ops::edit::EditReport;

/// Edit the instructions of an installed skill, and check them.
#[derive(Debug, Args)]
#[command(
    long_about = "Edit the instructions of an installed skill, and check them.\n\n\
        Opens its SKILL.md in the editor of VISUAL or EDITOR and waits for its end; then says what \
        changed and what the rules find. It counts as edited from then on: `diff` shows how, `restore` \
        takes it back, `update` stops before it. Of a linked folder (`install --link`) the file is \
        the author's own. The status is 8 when the skill breaks the rules.",
    after_help = "Examples:\n  ba-agent skill edit pdf\n  EDITOR=nano ba-agent skill edit pdf"
)]
pub(crate) struct EditArgs {
    /// The skill.
    #[arg(value_name = "NAME", add = ArgValueCandidates::new(installed_names))]
    name: Option<String>,
}

impl EditArgs {
    /// Lets a person edit a skill; 8 where it breaks the rules then.
    ///
    /// # Errors
    /// Those of [`require_editor`] and [`ops::edit::edit`].
    pub(crate) fn run(self, cx: &CommandContext<'_>) -> Result<u8> {
        require_editor(cx.env())?;
        let choice = SkillChoice::new("edit", "<NAME>", "skill edit <NAME>");
        let Some(name) = choice.name_or_choice(cx, self.name)? else { return Ok(0) };
        let mut edit_file = |file: &std::path::Path| edit_in_editor(cx.env(), file);
        let report = ops::edit::edit(&cx.workspace, &name, &mut edit_file, cx.ui)?;
        if cx.ui.json() {
            cx.ui.print_json_document(&report);
        } else {
            print_edited(cx, &report);
        }
        let is_invalid = worst_severity(&report.findings) >= Some(Severity::Error);
        Ok(if is_invalid { Kind::Invalid.exit_status() } else { 0 })
    }
}

fn print_edited(cx: &CommandContext<'_>, report: &EditReport) {
    let EditReport { name, added, removed, .. } = report;
    if !report.changed {
        return cx.ui.status("Unchanged", name.as_str());
    }
    let lines = format!("{} new, {removed} gone", count_noun(*added, "line"));
    cx.ui.status("Edited", &format!("{name}: {lines}"));
    report.findings.iter().for_each(|finding| cx.ui.print_finding_of(name.as_str(), finding));
    for copy in &report.other_copies {
        cx.ui.note(&format!("the copy in {} is as it was", printable(&copy.to_string_lossy(), false)));
    }
    if !report.is_live {
        cx.ui.note(&format!(
            "`ba-agent skill diff {name}` shows the edits, `ba-agent skill restore {name}` takes them back"
        ));
    }
}
