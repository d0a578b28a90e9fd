//! `ba-agent registry check PLACE|URL`.

use clap::Args;

use crate::cli::CommandContext;
use ba_agent_core::error::Result;
use ba_agent_core::text::{count_noun, format_bytes, list_some};
use ba_agent_engine::ops::registry::{CheckReport, check_registry};

/// Read everything in a registry again, and hold it against each other.
#[derive(Debug, Args)]
#[command(
    long_about = "Read everything in a registry again, and hold it against each other.\n\n\
        Each line, each archive (its bytes, its files, and what the line says of them) and each file that is made of \
        lines. What differs is named, and the status is 6. Of a web server the skills are those of its catalogue.",
    after_help = "Examples:\n  ba-agent registry check ./registry\n  \
        ba-agent registry check https://skills.acme.example\n  ba-agent registry check s3://skills/acme --json"
)]
pub(crate) struct RegistryCheckArgs {
    /// The registry: a folder, a URL, or s3://BUCKET/PREFIX.
    #[arg(value_name = "PLACE|URL", value_hint = clap::ValueHint::DirPath)]
    place: String,
}

impl RegistryCheckArgs {
    /// Checks a registry; 6 where something differs.
    ///
    /// # Errors
    /// Those of [`check_registry`].
    pub(crate) fn run(self, cx: &CommandContext<'_>) -> Result<u8> {
        let report = check_registry(&cx.workspace, &self.place, cx.ui)?;
        let status = if report.faults.is_empty() { 0 } else { 6 };
        if cx.ui.json() {
            cx.ui.print_json_document(&report);
            return Ok(status);
        }
        print_check(cx, &report);
        Ok(status)
    }
}

fn print_check(cx: &CommandContext<'_>, report: &CheckReport) {
    for fault in &report.faults {
        cx.ui.line(&format!("{}: {}", fault.path, fault.message));
    }
    if !report.unused.is_empty() {
        let names: Vec<&str> = report.unused.iter().map(String::as_str).collect();
        let most = if cx.ui.verbose() { names.len() } else { 3 };
        cx.ui.note(&format!("nothing leads to {}", list_some(&names, most)));
    }
    let what = format!(
        "{}: {}, {}, {} of {}, {}",
        report.registry,
        count_noun(report.skills, "skill"),
        count_noun(report.versions, "version"),
        count_noun(report.archives, "archive"),
        format_bytes(report.bytes),
        count_noun(report.files, "derived file")
    );
    cx.ui.status("Checked", &what);
    match report.faults.len() {
        0 => {}
        1 => cx.ui.warn("1 thing is not as it should be"),
        count => cx.ui.warn(&format!("{count} things are not as they should be")),
    }
}
