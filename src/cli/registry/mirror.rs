//! `ba-agent registry mirror SOURCE DEST`.

use clap::Args;

use crate::cli::CommandContext;
use ba_agent_core::error::Result;
use ba_agent_core::text::{count_noun, format_bytes};
use ba_agent_engine::ops::registry::{MirrorOptions, mirror_registry};

/// Copy a registry, each archive checked; the copy is a registry again.
#[derive(Debug, Args)]
#[command(
    long_about = "Copy a registry, each archive checked; the copy is a registry again.\n\n\
        Only what the copy does not have is fetched: when nothing has changed, one small file. A source that \
        contradicts itself, or has lost or changed what was copied before, is refused (6), and the copy stays as it was.",
    after_help = "Examples:\n  ba-agent registry mirror https://skills.acme.example ./mirror\n  \
        ba-agent registry mirror ./registry s3://skills/acme\n  \
        ba-agent registry mirror https://skills.example.org ./mirror --only '@acme/*' --latest"
)]
pub(crate) struct RegistryMirrorArgs {
    /// The registry to copy: a URL, a folder, or s3://BUCKET/PREFIX.
    #[arg(value_name = "SOURCE")]
    source: String,
    /// Where to: a folder, or s3://BUCKET/PREFIX.
    #[arg(value_name = "DEST", value_hint = clap::ValueHint::DirPath)]
    dest: String,
    /// Only skills whose names match: '@acme/*'.
    #[arg(long, value_name = "PATTERN", value_delimiter = ',')]
    only: Vec<String>,
    /// Only the newest version of each.
    #[arg(long)]
    latest: bool,
}

impl RegistryMirrorArgs {
    /// Copies a registry.
    ///
    /// # Errors
    /// Those of [`mirror_registry`].
    pub(crate) fn run(self, cx: &CommandContext<'_>) -> Result<u8> {
        let options =
            MirrorOptions { source: self.source, dest: self.dest, only: self.only, latest: self.latest };
        let report = mirror_registry(&cx.workspace, &options, cx.ui)?;
        if cx.ui.json() {
            cx.ui.print_json_document(&report);
            return Ok(0);
        }
        let skills = count_noun(report.skills, "skill");
        if report.unchanged {
            cx.ui.status("Unchanged", &format!("{}: {skills}, nothing is newer", report.dest));
            return Ok(0);
        }
        if cx.ui.verbose() {
            report.changed.iter().for_each(|name| cx.ui.detail(name));
        }
        let what = format!(
            "{} to {}: {} of {skills}, {} ({})",
            report.source,
            report.dest,
            report.changed.len(),
            count_noun(report.archives, "archive"),
            format_bytes(report.bytes)
        );
        cx.ui.status("Mirrored", &what);
        Ok(0)
    }
}
