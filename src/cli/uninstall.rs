//! `ba-agent skill uninstall NAME…`.

use clap::Args;
use clap_complete::engine::ArgValueCandidates;

use super::CommandContext;
use super::completions::installed_names;
use ba_agent_core::error::Result;
use ba_agent_engine::ops;
use ba_agent_engine::ops::apply::Done;
use ba_agent_engine::ops::uninstall::UninstallOptions;

/// Remove skills from every target and from the registry.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  ba-agent skill uninstall pdf docx\n  ba-agent skill uninstall pdf --force"
)]
pub(crate) struct Uninstall {
    /// The skills to remove.
    #[arg(value_name = "NAME", required = true, add = ArgValueCandidates::new(installed_names))]
    names: Vec<String>,
    /// Remove it even if it was edited.
    #[arg(long, short)]
    force: bool,
}

impl Uninstall {
    /// Removes skills.
    ///
    /// # Errors
    /// Those of [`ops::uninstall::uninstall`].
    pub(crate) fn run(self, cx: &CommandContext<'_>) -> Result<u8> {
        let options = UninstallOptions { names: self.names, force: self.force };
        let report = ops::uninstall::uninstall(&cx.workspace, &options, cx.ui)?;
        for done in &report.skills {
            tell_removed(cx, done);
        }
        if cx.ui.json() {
            cx.ui.print_json_document(&report);
        }
        Ok(0)
    }
}

fn tell_removed(cx: &CommandContext<'_>, done: &Done) {
    if done.untouched.is_empty() {
        return cx.ui.status("Removed", &format!("{} from {}", done.name, done.places.join(", ")));
    }
    cx.ui.status("Removed", &format!("{} from the registry", done.name));
    cx.ui.note(&format!("`{}` is its source and stays", done.untouched.join("`, `")));
}
