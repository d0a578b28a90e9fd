//! `ba-agent skill deps NAME`.

use clap::Args;
use clap_complete::engine::ArgValueCandidates;

use super::CommandContext;
use super::complete::installed_names;
use super::tree::{draw_forest, tell_faults};
use ba_agent_core::error::{Result, printable};
use ba_agent_engine::ops;

/// Show what a skill needs.
#[derive(Debug, Args)]
#[command(
    long_about = "Show what a skill needs, and what that needs in turn: other skills as a tree, then those that it only \
        suggests, and the packages of other programs, which are never installed.",
    after_help = "Examples:\n  ba-agent skill deps report-kit\n  ba-agent skill deps report-kit --json"
)]
pub(crate) struct DepsArgs {
    /// The skill.
    #[arg(value_name = "NAME", add = ArgValueCandidates::new(installed_names))]
    name: String,
}

impl DepsArgs {
    /// Prints the tree of one skill.
    ///
    /// # Errors
    /// Those of [`ops::deps::list_dependencies`].
    pub(crate) fn run(self, cx: &CommandContext<'_>) -> Result<u8> {
        let forest = ops::deps::list_dependencies(&cx.workspace, &self.name, cx.ui)?;
        if cx.ui.json() {
            cx.ui.print_json_document(&forest);
            return Ok(0);
        }
        let mut text = draw_forest(cx, &forest);
        let mut list = |what: &str, from: &str, items: Vec<&str>| {
            if !items.is_empty() {
                let items = items.iter().map(|item| printable(item, false)).collect::<Vec<_>>().join(", ");
                let line = format!("{what} of {}: {items}", printable(from, false));
                text.push_str(&format!("{}\n", cx.ui.wrap_line(&line, "", "    ")));
            }
        };
        for node in &forest.nodes {
            let suggested = forest.edges.iter().filter(|edge| edge.optional && edge.from == node.name);
            list("suggestions", &node.name, suggested.map(|edge| edge.to.as_str()).collect());
            let packages = forest.packages.iter().filter(|one| one.skill == node.name);
            list("packages", &node.name, packages.map(|one| one.text.as_str()).collect());
        }
        cx.ui.print_paged(cx.env(), &text);
        tell_faults(cx, &forest);
        Ok(0)
    }
}
