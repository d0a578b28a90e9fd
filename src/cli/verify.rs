//! `ba-agent skill verify [NAME…]`.

use clap::Args;
use clap_complete::engine::ArgValueCandidates;

use super::CommandContext;
use super::annotations::{AnnotationPlace, OutputFormat, annotation};
use super::complete::installed_names;
use crate::table::Column;
use ba_agent_core::error::{Kind, Result};
use ba_agent_core::skill::Severity;
use ba_agent_core::text::count_noun;
use ba_agent_engine::ops;
use ba_agent_engine::ops::verify::Verified;

/// Check the installed files against the registry.
#[derive(Debug, Args)]
#[command(
    long_about = "Check the installed files against the registry.\n\n\
        Reads every file of the skills in every target, opens no connection and writes nothing. \
        A file that was added, changed, removed or made executable, a link that leads elsewhere, \
        a folder that became a link: each is a row on stdout (name, difference, path, detail), and \
        the status is 6. What programs and file managers leave behind (__pycache__, .DS_Store) is \
        not a difference. Of a live link only its target is checked.",
    after_help = "Examples:\n  ba-agent skill verify\n  ba-agent skill verify pdf docx\n  \
        ba-agent skill verify --json | jq -r '.skills[].faults[].path'\n\n\
        Exit status: 0 nothing differs, 3 a name is not installed, 6 something differs."
)]
pub(crate) struct Verify {
    /// Only these skills.
    #[arg(value_name = "NAME", add = ArgValueCandidates::new(installed_names))]
    names: Vec<String>,
    /// Differences for people, or as annotations of GitHub's workflows.
    #[arg(long, value_enum, default_value = "text", value_name = "FORMAT")]
    output_format: OutputFormat,
}

impl Verify {
    /// Compares the disk with the registry; 6 where they differ.
    ///
    /// # Errors
    /// Those of [`ops::verify::verify`].
    pub(crate) fn run(self, cx: &CommandContext<'_>) -> Result<u8> {
        let report = ops::verify::verify(&cx.workspace, &self.names, cx.ui)?;
        let drifted = report.drifted();
        if cx.ui.json() {
            cx.ui.print_json_document(&serde_json::json!({
                "scope": report.scope, "skills": report.skills,
                "checked": report.skills.len(), "drifted": drifted, "revoked": report.revoked,
            }));
        } else {
            print_verified_skills(cx, &report.skills, drifted, self.output_format);
            for one in &report.revoked {
                cx.ui.warn(&format!("`{}`: {}", one.name, one.reason));
            }
            report.harmless.iter().for_each(|why| cx.ui.note(why));
        }
        Ok(report.failure().map_or(0, Kind::exit_status))
    }
}

fn print_verified_skills(
    cx: &CommandContext<'_>,
    verified: &[Verified],
    drifted: usize,
    output_format: OutputFormat,
) {
    let mut rows = Vec::new();
    for one in verified {
        rows.extend(one.faults.iter().map(|fault| {
            let detail = fault.detail.clone().unwrap_or_default();
            vec![one.name.to_string(), fault.what.word().to_owned(), fault.path.clone(), detail]
        }));
    }
    if output_format == OutputFormat::Github {
        for row in &rows {
            if let [name, difference, path, detail] = row.as_slice() {
                let message = format!("{name}: {difference} {detail}");
                let place = AnnotationPlace { file: path, at: None };
                cx.ui.line(&annotation(Severity::Error, &place, "not as recorded", message.trim_end()));
            }
        }
    } else if !rows.is_empty() {
        let columns = [
            Column::optional("name", 2),
            Column::from("difference"),
            Column::from("path"),
            Column::optional("detail", 1),
        ];
        cx.ui.print_as_table(&columns, &rows);
    }
    let verdict = match drifted {
        0 => "as recorded".to_owned(),
        n => format!("{n} not as recorded, {}", count_noun(rows.len(), "difference")),
    };
    cx.ui.status("Verified", &format!("{}: {verdict}", count_noun(verified.len(), "skill")));
    let is_edited = |one: &&Verified| one.faults.iter().any(|fault| !fault.is_whole());
    if let Some(one) = verified.iter().find(is_edited) {
        cx.ui.note(&format!(
            "`ba-agent skill diff {0}` shows the edits line by line, `ba-agent skill restore {0}` discards them",
            one.name
        ));
    }
}
