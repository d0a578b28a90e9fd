//! `ba-agent skill yank @OWNER/NAME@VERSION`.

use clap::Args;

use super::CommandContext;
use ba_agent_core::error::Result;
use ba_agent_engine::ops;
use ba_agent_engine::ops::yank::YankOptions;

/// Take a published version out of what is newly installed; locks that have it keep it.
#[derive(Debug, Args)]
#[command(
    long_about = "Take a published version out of what is newly installed.\n\n\
        Nothing is deleted: whoever has the version in a lock installs it still, and is told. `--undo` takes it back.",
    after_help = "Examples:\n  ba-agent skill yank @acme/pdf-tables@1.2.0 --to ./registry --reason 'reads the wrong page'\n  \
        ba-agent skill yank @acme/pdf-tables@1.2.0 --to ./registry --undo"
)]
pub(crate) struct YankArgs {
    /// The skill and its version.
    #[arg(value_name = "@OWNER/NAME@VERSION")]
    what: String,
    /// Why, for whoever has it.
    #[arg(long, value_name = "TEXT", conflicts_with = "undo")]
    reason: Option<String>,
    /// It may be taken again.
    #[arg(long)]
    undo: bool,
    /// The registry: a folder, or s3://BUCKET/PREFIX.
    #[arg(long, value_name = "PLACE", value_hint = clap::ValueHint::DirPath)]
    to: Option<String>,
}

impl YankArgs {
    /// Yanks a version.
    ///
    /// # Errors
    /// Those of [`ops::yank::yank`].
    pub(crate) fn run(self, cx: &CommandContext<'_>) -> Result<u8> {
        let options = YankOptions { what: self.what, reason: self.reason, undo: self.undo, to: self.to };
        let report = ops::yank::yank(&cx.workspace, &options, cx.ui)?;
        if cx.ui.json() {
            cx.ui.print_json_document(&report);
            return Ok(0);
        }
        let what = format!("{} {} in {}", report.name, report.version, report.registry);
        match (report.changed, report.yanked) {
            (true, true) => cx.ui.status("Yanked", &what),
            (true, false) => cx.ui.status("Restored", &what),
            (false, _) => cx.ui.status("Unchanged", &what),
        }
        Ok(0)
    }
}
