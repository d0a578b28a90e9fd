//! `ba-agent doctor [--fix]`.

use clap::Args;

use super::CommandContext;
use ba_agent_core::error::{Kind, Result, printable};
use ba_agent_core::text::count_noun;
use ba_agent_engine::ops;
use ba_agent_engine::ops::doctor::{DoctorFinding, DoctorReport};
use ba_agent_engine::scope::describe_scope;

/// At most this many files or names are printed below a finding; `--json` has all.
const NAMED: usize = 10;

/// Look for everything that could be wrong here, and fix what is safe to fix.
#[derive(Debug, Args)]
#[command(
    long_about = "Look for everything that could be wrong here, and fix what is safe to fix.\n\n\
        Drift and missing links of installed skills, folders that are not in the registry, what \
        killed commands left, a registry or settings that cannot be read, cache and data folder, \
        tokens, names that project and user both have, and the programs beside this one. Opens no \
        connection and starts no program. Without --fix it changes nothing; each finding says what \
        --fix would do. With --fix it finishes what a killed command began, removes what such a command \
        left, and makes missing links; edited files are never touched.",
    after_help = "Examples:\n  ba-agent doctor\n  ba-agent doctor --fix\n  ba-agent doctor --global --verbose\n\n\
        Exit status: 0 nothing is wrong (or no longer), 6 something is wrong."
)]
pub(crate) struct Doctor {
    /// Fix what is safe to fix.
    #[arg(long)]
    fix: bool,
}

impl Doctor {
    /// Examines the installation; 6 where something is wrong.
    ///
    /// # Errors
    /// Those of [`ops::doctor::doctor`].
    pub(crate) fn run(self, cx: &CommandContext<'_>) -> Result<u8> {
        let report = ops::doctor::doctor(&cx.workspace, self.fix, cx.ui)?;
        print_examination(cx, &report);
        Ok(report.failure().map_or(0, Kind::exit_status))
    }
}

fn print_examination(
    cx: &CommandContext<'_>,
    DoctorReport { scope, examination: seen, mended }: &DoctorReport,
) {
    let wrong = seen.wrong();
    if cx.ui.json() {
        cx.ui.print_json_document(&serde_json::json!({
            "scope": scope, "healthy": wrong == 0,
            "findings": seen.findings, "fixed": mended, "facts": seen.facts,
        }));
        return;
    }
    if cx.ui.verbose() {
        for (key, value) in &seen.facts {
            cx.ui.line(&format!("{} {}", cx.ui.bold(&format!("{key:<10}")), printable(value, false)));
        }
    }
    for finding in mended {
        cx.ui.status("Fixed", &format!("{} ({})", finding.message, finding.fix.unwrap_or_default()));
    }
    seen.findings.iter().for_each(|finding| print_one_finding(cx, finding));
    let verdict = match wrong {
        0 => "no problems found".to_owned(),
        n => format!("{} wrong", count_noun(n, "thing")),
    };
    let catalogues = seen.facts.get("catalogues").filter(|_| !cx.ui.verbose());
    let notes = seen.findings.len() - wrong;
    let notes = if notes > 0 { format!(", {} to know", count_noun(notes, "thing")) } else { String::new() };
    cx.ui.status("Examined", &format!("{}: {verdict}{notes}", describe_scope(scope)));
    if let Some(age) = catalogues {
        cx.ui.detail(&format!("catalogues {age}"));
    }
    if !mended.is_empty() || !seen.findings.iter().any(|finding| finding.fix.is_some()) {
        return;
    }
    cx.ui.note("`ba-agent doctor --fix` applies only the fixes that are listed");
}

fn print_one_finding(cx: &CommandContext<'_>, finding: &DoctorFinding) {
    cx.ui.print_verdict(finding.severity, finding.code, &finding.message);
    let line = |text: &str| cx.ui.line(&format!("    {}", printable(text, false)));
    finding.details.iter().take(NAMED).for_each(|detail| line(detail));
    if finding.details.len() > NAMED {
        line(&format!("and {} more", finding.details.len() - NAMED));
    }
    finding.hints.iter().for_each(|hint| line(&format!("help: {hint}")));
    if let Some(fix) = finding.fix {
        line(&format!("--fix: {fix}"));
    }
}
