//! `ba-agent skill export`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::CommandContext;
use ba_agent_core::error::Result;
use ba_agent_engine::ops;

/// Write what is installed as another tool's lock file.
#[derive(Debug, Args)]
#[command(
    long_about = "Write what is installed as another tool's lock file, so that people with that tool get \
        the same skills. What that format cannot express is named on stderr.",
    after_help = "Examples:\n  ba-agent skill export --output skills-lock.json\n  \
        ba-agent skill export --format skills-lock"
)]
pub(crate) struct Export {
    /// Whose format.
    #[arg(long, value_enum, default_value = "skills-lock")]
    format: ExportFormat,
    /// The file to write, `-` being stdout; without it, stdout.
    #[arg(long, short, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    output: Option<PathBuf>,
}

/// `--format`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum ExportFormat {
    /// `skills-lock.json` of `npx skills`.
    SkillsLock,
}

impl Export {
    /// Prints or writes the registry as another tool reads it.
    ///
    /// # Errors
    /// Those of [`ops::export::export`].
    pub(crate) fn run(self, cx: &CommandContext<'_>) -> Result<u8> {
        let ExportFormat::SkillsLock = self.format;
        let output = self.output.filter(|file| file.as_os_str() != "-");
        let report = ops::export::export(&cx.workspace, output, cx.ui)?;
        let Some(file) = &report.written else {
            cx.ui.print(&report.text);
            return Ok(0);
        };
        cx.ui.status("Wrote", &file.display().to_string());
        if cx.ui.json() {
            cx.ui.print_json_document(&serde_json::json!({ "written": file, "left_out": report.left_out }));
        }
        Ok(0)
    }
}
