//! `ba-agent skill validate PATH…`.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use super::Context;
use crate::error::{Result, error};
use crate::ops::validate::{self, Checked};
use crate::skill::{Profile, Severity};
use crate::text::count_noun;

/// Check skills against the rules, all findings at once.
#[derive(Debug, Args)]
#[command(
    long_about = "Check skills against the rules, all findings at once.\n\n\
        PATH is a skill's folder, its SKILL.md, or a folder with skills in it. Each finding \
        is a line `file:line:column: severity[code]: what is wrong` on stdout, followed \
        by how to fix it. The status is 8 when there is an error.",
    after_help = "Examples:\n  ba-agent skill validate .\n  ba-agent skill validate skills/* --strict\n  \
        ba-agent skill validate my-skill --profile upload --json"
)]
pub(crate) struct Validate {
    /// Skills, or folders with skills in them.
    #[arg(value_name = "PATH", default_value = ".", value_hint = clap::ValueHint::AnyPath)]
    paths: Vec<PathBuf>,
    /// Warnings count as errors.
    #[arg(long)]
    strict: bool,
    /// Whose rules: the open specification's, or those of an upload to claude.ai and the API.
    #[arg(long, value_enum, default_value = "spec")]
    profile: Rules,
}

/// `--profile`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Rules {
    Spec,
    Upload,
}

impl Validate {
    pub(crate) fn run(self, cx: &Context<'_>) -> Result<u8> {
        let settings = cx.settings()?;
        let profile = match self.profile {
            Rules::Spec => Profile::Lint,
            Rules::Upload => Profile::Upload,
        };
        let mut checked = Vec::new();
        for path in &self.paths {
            let folder = folder_of(&cx.env.absolute(path))?;
            checked.extend(validate::folder(&folder, &path_shown(path), profile, &settings.limits)?);
        }
        let limit = if self.strict { Severity::Warning } else { Severity::Error };
        let invalid = checked.iter().filter(|one| one.worst() >= Some(limit)).count();
        self.tell(cx, &checked, invalid);
        Ok(if invalid > 0 { 8 } else { 0 })
    }

    fn tell(&self, cx: &Context<'_>, checked: &[Checked], invalid: usize) {
        if cx.ui.json() {
            cx.ui.data(&serde_json::json!({
                "skills": checked, "checked": checked.len(), "invalid": invalid, "strict": self.strict,
            }));
            return;
        }
        for one in checked {
            for finding in &one.findings {
                cx.ui.finding(&one.path, finding);
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

/// The folder that a path means: a `SKILL.md` stands for the folder around it.
fn folder_of(path: &Path) -> Result<PathBuf> {
    if path.is_dir() {
        return Ok(path.to_path_buf());
    }
    let is_manifest = path.file_name().is_some_and(|name| name.eq_ignore_ascii_case("skill.md"));
    match path.parent() {
        Some(folder) if path.is_file() && is_manifest => Ok(folder.to_path_buf()),
        _ if path.exists() => Err(error!(Usage, "`{}` is neither a folder nor a SKILL.md", path.display())),
        _ => Err(error!(NotFound, "`{}` does not exist", path.display())),
    }
}

fn path_shown(path: &Path) -> String {
    let folder = match path.file_name() {
        Some(name) if name.eq_ignore_ascii_case("skill.md") => path.parent().unwrap_or(path),
        _ => path,
    };
    let text = folder.to_string_lossy().trim_end_matches('/').to_owned();
    if text.is_empty() { ".".to_owned() } else { text }
}
