//! `ba-agent skill use NAME --version V`.

use clap::Args;
use clap_complete::engine::ArgValueCandidates;

use super::CommandContext;
use super::complete::installed_names;
use ba_agent_core::error::Result;
use ba_agent_engine::ops;
use ba_agent_engine::ops::use_version::UseOptions;

/// Put another version of a skill into its targets.
#[derive(Debug, Args)]
#[command(
    disable_version_flag = true,
    long_about = "Put another version of a skill into its targets, out of those that `skill versions` lists. The version that \
        was there is kept. The skill is held at the one that you name, so that `update` leaves it there; `latest` is the \
        highest, and lets it move again.",
    after_help = "Examples:\n  ba-agent skill use pdf --version 1.0.0\n  ba-agent skill use pdf --version latest"
)]
pub(crate) struct UseArgs {
    /// The skill.
    #[arg(value_name = "NAME", add = ArgValueCandidates::new(installed_names))]
    name: String,
    /// The version, as `skill versions` lists it, or `latest`.
    #[arg(long, value_name = "VERSION")]
    version: String,
    /// Discard local edits (a copy is kept for `rollback`).
    #[arg(long, short)]
    force: bool,
}

impl UseArgs {
    /// Uses another version.
    ///
    /// # Errors
    /// Those of [`ops::use_version::use_version`].
    pub(crate) fn run(self, cx: &CommandContext<'_>) -> Result<u8> {
        let options = UseOptions { name: self.name, version: self.version, force: self.force };
        let report = ops::use_version::use_version(&cx.workspace, &options, cx.ui)?;
        for done in &report.skills {
            let held = if done.entry.pinned { ", held there" } else { "" };
            let name = &done.name;
            if report.version == report.previous {
                cx.ui.note(&format!("`{name}` {} is in its targets already{held}", report.version));
            } else {
                let (version, previous) = (&report.version, &report.previous);
                cx.ui.status("Used", &format!("{name} {version}{held}; {previous} is kept"));
            }
        }
        if cx.ui.json() {
            cx.ui.print_json_document(&report);
        }
        Ok(0)
    }
}
