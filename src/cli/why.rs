//! `ba-agent skill why NAME`.

use clap::Args;
use clap_complete::engine::ArgValueCandidates;

use super::CommandContext;
use super::complete::installed_names;
use ba_agent_core::error::{Result, printable};
use ba_agent_engine::ops;

/// Show why a skill is installed.
#[derive(Debug, Args)]
#[command(
    long_about = "Show why a skill is installed: every way from a skill that somebody asked for to this one, the shortest \
        first. Also of a skill that is missing.",
    after_help = "Examples:\n  ba-agent skill why charts\n  ba-agent skill why charts --json"
)]
pub(crate) struct WhyArgs {
    /// The skill.
    #[arg(value_name = "NAME", add = ArgValueCandidates::new(installed_names))]
    name: String,
}

impl WhyArgs {
    /// Prints the ways that lead to one skill.
    ///
    /// # Errors
    /// Those of [`ops::why::explain_need`].
    pub(crate) fn run(self, cx: &CommandContext<'_>) -> Result<u8> {
        let report = ops::why::explain_need(&cx.workspace, &self.name, cx.ui)?;
        if cx.ui.json() {
            cx.ui.print_json_document(&report);
            return Ok(0);
        }
        let name = printable(&report.name, false);
        let line = |way: &Vec<String>| cx.ui.wrap_line(&printable(&way.join(" -> "), false), "", "    ");
        let text: String = report.ways.iter().map(|way| format!("{}\n", line(way))).collect();
        cx.ui.print_paged(cx.env(), &text);
        match (report.installed, report.asked, report.ways.is_empty()) {
            (false, ..) => cx.ui.warn(&format!("{name} is not installed")),
            (true, true, _) => cx.ui.note(&format!("{name} was asked for")),
            (true, false, true) => cx.ui.note(&format!(
                "{name} came along and is needed by nothing any more: `ba-agent skill uninstall --prune` removes it"
            )),
            (true, false, false) => {}
        }
        Ok(0)
    }
}
