//! `ba-agent skill validate PATH…`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::CommandContext;
use super::annotations::{AnnotationPlace, OutputFormat, annotation};
use ba_agent_core::error::Result;
use ba_agent_core::skill::{Finding, Profile, Severity};
use ba_agent_core::text::count_noun;
use ba_agent_engine::ops;
use ba_agent_engine::ops::validate::{Checked, ValidateOptions};

/// Check skills against the rules, all findings at once.
#[derive(Debug, Args)]
#[command(
    long_about = "Check skills against the rules, all findings at once.\n\n\
        PATH is a skill's folder, its SKILL.md, or a folder with skills in it. Each finding \
        is a line `file:line:column: severity[code]: what is wrong` on stdout, followed \
        by how to fix it. The status is 8 when there is an error.\n\n\
        Links of the instructions to files that are not in the skill (dead-link) or lead out of it \
        (link-outside), scripts and references that they name (missing-file), and text of `init` \
        that was not replaced (template-text) are warnings.",
    after_help = "Examples:\n  ba-agent skill validate .\n  ba-agent skill validate skills/* --strict\n  \
        ba-agent skill validate my-skill --profile upload --json"
)]
pub(crate) struct ValidateArgs {
    /// Skills, or folders with skills in them.
    #[arg(value_name = "PATH", default_value = ".", value_hint = clap::ValueHint::AnyPath)]
    paths: Vec<PathBuf>,
    /// Warnings count as errors.
    #[arg(long)]
    strict: bool,
    /// Whose rules: the open specification's, or those of an upload to claude.ai and the API.
    #[arg(long, value_enum, default_value = "spec")]
    profile: Rules,
    /// Findings for people, or as annotations of GitHub's workflows.
    #[arg(long, value_enum, default_value = "text", value_name = "FORMAT")]
    output_format: OutputFormat,
}

/// `--profile`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Rules {
    Spec,
    Upload,
}

impl Rules {
    /// The rules by which a skill is looked at.
    pub(crate) fn profile(self) -> Profile {
        match self {
            Self::Spec => Profile::Lint,
            Self::Upload => Profile::Upload,
        }
    }
}

impl ValidateArgs {
    /// Checks skills against the rules; 8 where one breaks them.
    ///
    /// # Errors
    /// Those of [`ops::validate::validate`].
    pub(crate) fn run(self, cx: &CommandContext<'_>) -> Result<u8> {
        let options = ValidateOptions { paths: self.paths.clone(), profile: self.profile.profile() };
        let checked = ops::validate::validate(&cx.workspace, &options)?;
        let limit = if self.strict { Severity::Warning } else { Severity::Error };
        let invalid = checked.iter().filter(|one| one.worst() >= Some(limit)).count();
        self.print_checked_skills(cx, &checked, invalid);
        Ok(if invalid > 0 { 8 } else { 0 })
    }

    fn print_checked_skills(&self, cx: &CommandContext<'_>, checked: &[Checked], invalid: usize) {
        if cx.ui.json() {
            cx.ui.print_json_document(&serde_json::json!({
                "skills": checked, "checked": checked.len(), "invalid": invalid, "strict": self.strict,
            }));
            return;
        }
        for one in checked {
            for finding in &one.findings {
                match self.output_format {
                    OutputFormat::Text => cx.ui.print_finding_of(&one.path, finding),
                    OutputFormat::Github => cx.ui.line(&annotate_finding(&one.path, finding)),
                }
            }
        }
        let findings: usize = checked.iter().map(|one| one.findings.len()).sum();
        let verdict = if invalid == 0 { "valid".to_owned() } else { format!("{invalid} invalid") };
        cx.ui.status(
            "Checked",
            &format!(
                "{}: {verdict}, {}",
                count_noun(checked.len(), "skill"),
                count_noun(findings, "finding")
            ),
        );
    }
}

/// One finding as GitHub shows it; `folder` is the skill's.
fn annotate_finding(folder: &str, finding: &Finding) -> String {
    let Finding { file, line, column, code, severity, message, help } = finding;
    let file = if folder == "." { file.clone() } else { format!("{folder}/{file}") };
    let message = if help.is_empty() { message.clone() } else { format!("{message}\nhelp: {help}") };
    annotation(*severity, &AnnotationPlace { file: &file, at: Some((*line, *column)) }, code, &message)
}
