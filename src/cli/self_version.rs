//! `ba-agent self version`.

use clap::{Args, Subcommand};

use super::CommandContext;
use ba_agent_core::error::Result;
use ba_agent_engine::ops::self_version::{VersionReport, find_version};

/// Everything about the program itself.
#[derive(Debug, Subcommand)]
pub(crate) enum SelfCommand {
    Version(SelfVersion),
}

/// Print version, commit and platform of this program.
#[derive(Debug, Args)]
#[command(
    long_about = "Print version, commit and platform of this program.\n\n\
        With --check it asks once for the latest release (BA_AGENT_RELEASES_URL, else GitHub), and the status is 6 \
        when there is a later one. Nothing is ever asked otherwise.",
    after_help = "Examples:\n  ba-agent self version\n  ba-agent self version --check\n  \
        ba-agent self version --json\n\n\
        Exit status: 0 this is the latest, 5 the host cannot be asked, 6 there is a later one."
)]
pub(crate) struct SelfVersion {
    /// Ask whether there is a later release.
    #[arg(long)]
    check: bool,
}

impl SelfCommand {
    /// Runs the command of the group.
    ///
    /// # Errors
    /// Those of [`find_version`].
    pub(crate) fn run(self, cx: &CommandContext<'_>) -> Result<u8> {
        let Self::Version(SelfVersion { check }) = self;
        let report = find_version(&cx.workspace, check, cx.ui)?;
        print_version(cx, &report);
        Ok(if report.latest.is_some_and(|latest| latest.newer) { 6 } else { 0 })
    }
}

fn print_version(cx: &CommandContext<'_>, report: &VersionReport) {
    if cx.ui.json() {
        cx.ui.print_json_document(report);
        return;
    }
    cx.ui.line(&format!("version  {}", report.version));
    if let Some(commit) = report.commit {
        cx.ui.line(&format!("commit   {commit}"));
    }
    cx.ui.line(&format!("target   {}", report.target));
    let Some(latest) = &report.latest else { return };
    cx.ui.line(&format!("latest   {}", latest.version));
    if latest.newer {
        let page = latest.url.as_deref().map_or(String::new(), |url| format!(": {url}"));
        cx.ui.note(&format!("there is a later release{page}"));
        cx.ui.note("get it the way you got this one: cargo, brew, npm, pip or install.sh");
    }
}
