//! `ba-agent skill versions NAME`.

use clap::Args;
use clap_complete::engine::ArgValueCandidates;

use super::CommandContext;
use super::complete::installed_names;
use crate::table::Column;
use ba_agent_core::error::Result;
use ba_agent_engine::ops;
use ba_agent_engine::ops::versions::ListedVersion;

/// List the versions of a skill that can be used.
#[derive(Debug, Args)]
#[command(
    long_about = "List the versions of a skill that can be used: the one in its targets, and those that `install --keep` \
        and `update --keep` have kept beside it, the highest first. As many are kept as the setting `loader.keep_versions` \
        says. `here` says whether the files are on this machine; what is not is fetched at its pin when it is wanted.",
    after_help = "Examples:\n  ba-agent skill versions pdf\n  ba-agent skill use pdf --version 1.0.0"
)]
pub(crate) struct VersionsArgs {
    /// The skill.
    #[arg(value_name = "NAME", add = ArgValueCandidates::new(installed_names))]
    name: String,
}

impl VersionsArgs {
    /// Prints the versions of a skill.
    ///
    /// # Errors
    /// Those of [`ops::versions::list_versions`].
    pub(crate) fn run(self, cx: &CommandContext<'_>) -> Result<u8> {
        let report = ops::versions::list_versions(&cx.workspace, &self.name, cx.ui)?;
        if cx.ui.json() {
            cx.ui.print_json_document(&report);
            return Ok(0);
        }
        let columns = [
            Column::from("version"),
            Column::from("state"),
            Column::optional("pin", 1),
            Column::optional("installed", 2),
            Column::optional("here", 3),
        ];
        cx.ui.print_rows_as_table(&columns, report.versions.iter().map(cells_of));
        Ok(0)
    }
}

fn cells_of(one: &ListedVersion) -> Vec<String> {
    let state = match (one.active, one.latest) {
        (true, true) => "used, latest",
        (true, false) => "used",
        (false, true) => "latest",
        (false, false) => "-",
    };
    vec![
        one.version.clone(),
        state.to_owned(),
        one.pin.short_text().unwrap_or_else(|| "-".to_owned()),
        one.installed_at.strftime("%F %R").to_string(),
        if one.cached { "yes" } else { "no" }.to_owned(),
    ]
}
