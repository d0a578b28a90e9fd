//! `ba-agent skill diff NAME`.

use clap::Args;
use clap_complete::engine::ArgValueCandidates;

use super::CommandContext;
use super::choice::SkillChoice;
use super::complete::installed_names;
use ba_agent_core::error::Result;
use ba_agent_core::text::count_noun;
use ba_agent_engine::ops;
use ba_agent_engine::ops::diff::{Changed, Changes};

/// Show the local edits of a skill, line by line.
#[derive(Debug, Args)]
#[command(
    long_about = "Show the local edits of a skill, line by line.\n\n\
        A unified diff from what was installed to what is there now, on stdout; paths start from \
        the project, so `git apply -R` undoes it, to the last byte: on a terminal what does not fit goes \
        through the pager, and control characters are escaped; in a pipe or file nothing is. What was installed comes out of the cache, \
        else from the source at the recorded pin. As with `git diff` the status is 0 whether or not something \
        differs; use `verify` for a status that says so.",
    after_help = "Examples:\n  ba-agent skill diff pdf\n  ba-agent skill diff pdf --stat\n  \
        ba-agent skill diff pdf | git apply -R"
)]
pub(crate) struct Diff {
    /// The skill. Without one you choose from a list of the edited ones, on a terminal.
    #[arg(value_name = "NAME", add = ArgValueCandidates::new(installed_names))]
    name: Option<String>,
    /// Only list the files that differ, and by how many lines.
    #[arg(long)]
    stat: bool,
}

impl Diff {
    /// Prints what was edited in an installed skill.
    ///
    /// # Errors
    /// Those of [`ops::diff::diff`].
    pub(crate) fn run(self, cx: &CommandContext<'_>) -> Result<u8> {
        let choice = SkillChoice {
            fits: |skill| skill.state.is_some_and(|state| state != "ok"),
            none: "no installed skill was edited",
            with_state: true,
            ..SkillChoice::new("compare", "<NAME>", "skill diff <NAME>")
        };
        let Some(name) = choice.name_or_choice(cx, self.name)? else { return Ok(0) };
        let changes = ops::diff::diff(&cx.workspace, &name, cx.ui)?;
        print_changes(cx, &changes, self.stat);
        Ok(0)
    }
}

fn print_changes(cx: &CommandContext<'_>, changes: &Changes, stat: bool) {
    if cx.ui.json() {
        cx.ui.print_json_document(changes);
        return;
    }
    if changes.live {
        cx.ui.note(&format!(
            "`{}` is a live link to {}: there is nothing to compare",
            changes.name, changes.source
        ));
    } else if changes.files.is_empty() {
        cx.ui.note(&format!("`{}` is as it was installed", changes.name));
    } else if stat {
        print_diff_stat(cx, changes);
    } else if cx.ui.is_for_eyes() {
        cx.ui.print_paged_diff(&changes.files.iter().map(|file| file.diff.as_str()).collect::<Vec<_>>());
        cx.ui.note(&format!("`ba-agent skill restore {}` discards these edits", changes.name));
    } else {
        changes.files.iter().for_each(|file| cx.ui.write(&file.patch));
    }
}

fn print_diff_stat(cx: &CommandContext<'_>, changes: &Changes) {
    let row = |file: &Changed| {
        let change = &file.change;
        let (added, removed) = (format!("+{}", file.added), format!("-{}", file.removed));
        vec![change.what.status_letter().to_string(), added, removed, change.path.clone()]
    };
    cx.ui.print_as_table(
        &["", "added", "removed", "file"],
        &changes.files.iter().map(row).collect::<Vec<_>>(),
    );
    let sum = |of: fn(&Changed) -> usize| changes.files.iter().map(of).sum::<usize>();
    let files = count_noun(changes.files.len(), "file");
    let (added, removed) = (sum(|file| file.added), sum(|file| file.removed));
    cx.ui.status(
        "Compared",
        &format!(
            "{files} changed, {} added, {} removed",
            count_noun(added, "line"),
            count_noun(removed, "line")
        ),
    );
}
