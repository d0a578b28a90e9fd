//! `ba-agent skill export`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::CommandContext;
use ba_agent_core::error::{Result, error};
use ba_agent_engine::ops;

/// Write what is installed as another tool's lock file, or a skill as a skill.yaml.
#[derive(Debug, Args)]
#[command(
    long_about = "Write what is installed as another tool's lock file, so that people with that tool get \
        the same skills. What that format cannot express is named on stderr.\n\n\
        `--format skill-yaml NAME` writes one skill, installed or in a folder, as a skill.yaml (skills.claude.ai/v1), from which \
        `skill init --from` makes the same SKILL.md again.",
    after_help = "Examples:\n  ba-agent skill export --output skills-lock.json\n  \
        ba-agent skill export --format skills-lock\n  \
        ba-agent skill export --format skill-yaml pdf-tables --output skill.yaml"
)]
pub(crate) struct Export {
    /// The skill, for `--format skill-yaml`: the name of an installed one, or a folder.
    #[arg(value_name = "NAME|PATH", required_if_eq("format", "skill-yaml"))]
    what: Option<String>,
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
    /// `skill.yaml` of skills.claude.ai/v1.
    SkillYaml,
}

impl Export {
    /// Prints or writes the registry as another tool reads it.
    ///
    /// # Errors
    /// Those of [`ops::export::export`] and [`ops::export::export_skill_yaml`].
    pub(crate) fn run(self, cx: &CommandContext<'_>) -> Result<u8> {
        let output = self.output.filter(|file| file.as_os_str() != "-");
        let report = match (self.format, self.what) {
            (ExportFormat::SkillsLock, None) => ops::export::export(&cx.workspace, output, cx.ui)?,
            (ExportFormat::SkillsLock, Some(_)) => {
                return Err(error!(Usage, "a lock file is of all installed skills")
                    .hint("leave the name out, or write one skill with `--format skill-yaml`"));
            }
            (ExportFormat::SkillYaml, what) => {
                ops::export::export_skill_yaml(&cx.workspace, &what.unwrap_or_default(), output, cx.ui)?
            }
        };
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
