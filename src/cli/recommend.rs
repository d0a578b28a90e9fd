//! `ba-agent skill recommend TEXT…`.

use std::path::PathBuf;

use clap::Args;
use clap_complete::engine::ArgValueCandidates;

use super::CommandContext;
use super::complete::agent_names;
use crate::table::Column;
use ba_agent_core::error::Result;
use ba_agent_core::text::count_noun;
use ba_agent_engine::ops;
use ba_agent_engine::ops::recommend::RecommendOptions;

/// Rank the skills that fit a request, installed or not.
#[derive(Debug, Args)]
#[command(
    long_about = "Rank the skills that fit a request, installed or not.\n\n\
        A score is the mean of the signals that are given, by weight: `trigger` (0.4) is how well the request fits, \
        1 where it names the skill, a trigger that few others share or a rule of `skill-rules.json`, else by its words; `emotion` \
        (0.25) and `profile` (0.2) are what you pass; `usage` (0.15) is what was used here before. From 0.7 on the \
        confidence is high. Looked at are installed skills and the copies of the catalogues; no connection is opened.",
    after_help = "Examples:\n  ba-agent skill recommend 'fill in the form of this PDF'\n  \
        ba-agent skill recommend 'clean up this data' --file data.xlsx --json\n  \
        ba-agent skill recommend --agent codex --limit 5 'review my changes'"
)]
pub(crate) struct RecommendArgs {
    /// The request, in the words of whoever has it.
    #[arg(value_name = "TEXT", required_unless_present_any = ["files", "emotion", "profile"])]
    text: Vec<String>,
    /// A file that it is about (repeatable).
    #[arg(long = "file", value_name = "PATH", value_hint = clap::ValueHint::FilePath)]
    files: Vec<String>,
    /// How the person feels, in a word or a sentence.
    #[arg(long, value_name = "TEXT")]
    emotion: Option<String>,
    /// A file that says something of the person: JSON, YAML or text.
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    profile: Option<PathBuf>,
    /// Of the skills that this agent has.
    #[arg(long, short, value_name = "NAME", add = ArgValueCandidates::new(agent_names))]
    agent: Option<String>,
    /// At most this many skills.
    #[arg(long, value_name = "N", default_value_t = 3)]
    limit: usize,
}

impl RecommendArgs {
    /// Prints what fits.
    ///
    /// # Errors
    /// Those of [`ops::recommend::recommend`].
    pub(crate) fn run(self, cx: &CommandContext<'_>) -> Result<u8> {
        let Self { text, files, emotion, profile, agent, limit } = self;
        let options = RecommendOptions { text: text.join(" "), files, emotion, profile, agent, limit };
        let report = ops::recommend::recommend(&cx.workspace, &options, cx.ui)?;
        if cx.ui.json() {
            cx.ui.print_json_document(&report);
            return Ok(0);
        }
        let rows: Vec<Vec<String>> = report
            .recommendations
            .iter()
            .map(|one| {
                let there = one.install.clone().unwrap_or_else(|| "installed".to_owned());
                vec![one.name.clone(), format!("{:.2}", one.score), there, one.context.clone()]
            })
            .collect();
        if rows.is_empty() {
            cx.ui.note(&format!("nothing fits, of {}", count_noun(report.considered, "skill")));
            return Ok(0);
        }
        let columns = [
            Column::from("name"),
            Column::from("score"),
            Column::optional("install", 1),
            Column::optional("why", 2),
        ];
        cx.ui.print_as_table(&columns, &rows);
        Ok(0)
    }
}
