//! `ba-agent skill outdated [NAME…]`.

use clap::Args;
use clap_complete::engine::ArgValueCandidates;

use super::CommandContext;
use super::complete::installed_names;
use crate::table::Column;
use ba_agent_core::error::{Kind, Result};
use ba_agent_core::text::count_noun;
use ba_agent_engine::ops;
use ba_agent_engine::ops::outdated::{OutdatedReport, State, UpdateStatus};

/// List the skills that are behind their source, without changing anything.
#[derive(Debug, Args)]
#[command(
    long_about = "List the skills that are behind their source, without changing anything.\n\n\
        One listing for each repository, several at once, and the trees of a commit that is new. A skill \
        is behind when its files are others now; `moved` when only its commit is, `gone` when its source \
        does not have it any more. INSTALLED, WANTED and LATEST are what is there, where `update` would \
        go, and the newest version of all, which may lie outside of the range or above the tag that is followed. \
        The status is 6 when something is behind, 0 when nothing is.",
    after_help = "Examples:\n  ba-agent skill outdated\n  ba-agent skill outdated --all --json"
)]
pub(crate) struct Outdated {
    /// Only these skills.
    #[arg(value_name = "NAME", add = ArgValueCandidates::new(installed_names))]
    names: Vec<String>,
    /// List also those that are not behind.
    #[arg(long)]
    all: bool,
}

impl Outdated {
    /// Prints what is behind; 6 where something is.
    ///
    /// # Errors
    /// Those of [`ops::outdated::outdated`].
    pub(crate) fn run(self, cx: &CommandContext<'_>) -> Result<u8> {
        let report = ops::outdated::outdated(&cx.workspace, &self.names, cx.ui)?;
        self.print(cx, &report);
        Ok(report.failure().map_or(0, Kind::exit_status))
    }

    fn print(&self, cx: &CommandContext<'_>, report: &OutdatedReport) {
        let (statuses, behind) = (&report.statuses[..], report.behind);
        if cx.ui.json() {
            cx.ui.print_json_document(
                &serde_json::json!({ "behind": behind, "skills": statuses, "followed": report.followed }),
            );
            return;
        }
        let is_told = |one: &&UpdateStatus| {
            self.all
                || one.revoked.is_some()
                || one.has_newer_outside()
                || matches!(one.state, State::Behind | State::Gone | State::Failed | State::Unknown)
        };
        let dash = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
        let cells = |one: &UpdateStatus| {
            let state = one.state.word().to_owned();
            let revisions = [&one.current, &one.wanted, &one.latest, &one.follows].map(dash);
            let [current, wanted, latest, follows] = revisions;
            vec![one.name.to_string(), state, current, wanted, latest, follows, one.source.clone()]
        };
        let rows: Vec<Vec<String>> = statuses.iter().filter(is_told).map(cells).collect();
        if !rows.is_empty() {
            let columns = [
                Column::from("name"),
                Column::optional("state", 2),
                Column::from("installed"),
                Column::from("wanted"),
                Column::optional("latest", 1),
                Column::optional("ref", 3),
                Column::optional("source", 4),
            ];
            cx.ui.print_as_table(&columns, &rows);
        }
        for one in statuses {
            if let Some(why) = one.revoked.as_ref().filter(|why| one.reason.as_ref() != Some(*why)) {
                cx.ui.warn(&format!("`{}`: {why}", one.name));
            }
            if let Some(reason) = &one.reason {
                cx.ui.note(&format!("`{}`: {reason}", one.name));
            }
        }
        for one in &report.followed {
            let newest = one.newest.as_deref().unwrap_or_default();
            cx.ui.note(&format!(
                "you follow `{}`: {newest} is new; `ba-agent skill following` shows all",
                one.name
            ));
        }
        let mut said = std::collections::BTreeSet::new();
        let mut advised = std::collections::BTreeSet::new();
        for error in statuses.iter().filter_map(|one| one.error.as_ref()) {
            if said.insert(error.message.clone()) {
                let parts = std::iter::once(&error.message).chain(&error.causes);
                cx.ui.warn(&parts.map(String::as_str).collect::<Vec<_>>().join(": "));
                for hint in error.hints.iter().filter(|hint| advised.insert(hint.as_str())) {
                    cx.ui.note(hint);
                }
            }
        }
        if behind == 0 && said.is_empty() {
            let skills = count_noun(statuses.len(), "skill");
            let outside = match statuses.iter().filter(|one| one.has_newer_outside()).count() {
                0 => String::new(),
                1 => "; of 1 there is a newer version than it follows".to_owned(),
                n => format!("; of {n} there are newer versions than they follow"),
            };
            cx.ui.status("Checked", &format!("{skills}: nothing is behind{outside}"));
        }
    }
}
