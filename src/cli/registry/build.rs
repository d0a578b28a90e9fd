//! `ba-agent registry build PLACE`.

use clap::Args;

use crate::cli::CommandContext;
use ba_agent_core::error::Result;
use ba_agent_core::text::count_noun;
use ba_agent_engine::ops::registry::build_registry;

/// Make the files of a registry that are made of others anew.
#[derive(Debug, Args)]
#[command(
    long_about = "Make the files of a registry that are made of others anew.\n\n\
        The lines of index.jsonl and the archives are what a registry is; the indexes for other programs, the feeds, \
        the catalogue and revoked.jsonl are made of the lines. What is as it should be is not touched.",
    after_help = "Examples:\n  ba-agent registry build ./registry\n  ba-agent registry build s3://skills/acme --json"
)]
pub(crate) struct RegistryBuildArgs {
    /// The registry: a folder, or s3://BUCKET/PREFIX.
    #[arg(value_name = "PLACE", value_hint = clap::ValueHint::DirPath)]
    place: String,
}

impl RegistryBuildArgs {
    /// Builds the derived files.
    ///
    /// # Errors
    /// Those of [`build_registry`].
    pub(crate) fn run(self, cx: &CommandContext<'_>) -> Result<u8> {
        let report = build_registry(&cx.workspace, &self.place, cx.ui)?;
        if cx.ui.json() {
            cx.ui.print_json_document(&report);
            return Ok(0);
        }
        let what = format!(
            "{}: {}, {}; {} written, {} removed of {}",
            report.registry,
            count_noun(report.skills, "skill"),
            count_noun(report.versions, "version"),
            report.written.len(),
            report.removed.len(),
            count_noun(report.files, "file")
        );
        cx.ui.status("Built", &what);
        if cx.ui.verbose() {
            report.written.iter().chain(&report.removed).for_each(|path| cx.ui.detail(path));
        }
        Ok(0)
    }
}
