//! `ba-agent skill list`.

use clap::Args;

use super::CommandContext;
use crate::table::Column;
use ba_agent_core::error::Result;
use ba_agent_core::registry::{FollowedRevision, InstallMode};
use ba_agent_core::text::{count_noun, list_some};
use ba_agent_engine::ops;
use ba_agent_engine::ops::list::{ListedSkill, ListedSkills, UnmanagedSkill};
use ba_agent_engine::scope::describe_scope;

/// List installed skills.
#[derive(Debug, Args)]
#[command(
    long_about = "List installed skills: name, version, source, what is followed (a range, tag or branch; \
        `pinned` for what stays), pin, targets, state. The pin is a commit, the tag that a range chose, `copy` \
        of a local folder, or a live `link` to it.\n\n\
        Skills that lie in the folders of known agents without being recorded are named below (`unmanaged` in the JSON); \
        `adopt` takes them over. On a terminal a table, whose columns are those that fit, in a pipe tab-separated rows, with --json one document. \
        The state says which skills were edited or are missing: it is shown on a terminal, elsewhere with \
        --check, since every file is read for it. Without it the registry alone is read, which knows what is disabled.",
    after_help = "Examples:\n  ba-agent skill list\n  ba-agent skill list --json | jq '.skills[].name'\n  \
        ba-agent skill list --check\n  ba-agent skill list --no-check\n  ba-agent skill list --category professional"
)]
pub(crate) struct List {
    /// Show which skills were edited or are missing, also without a terminal.
    #[arg(long)]
    check: bool,
    /// Read only the registry, also on a terminal.
    #[arg(long, conflicts_with = "check")]
    no_check: bool,
    /// Only those of this category; `default` are those that name none.
    #[arg(long, value_name = "NAME")]
    category: Option<String>,
}

impl List {
    /// Prints the installed skills.
    ///
    /// # Errors
    /// Those of [`ops::list::list`].
    pub(crate) fn run(self, cx: &CommandContext<'_>) -> Result<u8> {
        let check = self.check || (cx.ui.stdout_is_terminal() && !cx.ui.json() && !self.no_check);
        let report = ops::list::list(&cx.workspace, check, cx.ui)?.of_category(self.category);
        let ListedSkills { skills, unmanaged } = report.read()?;
        if cx.ui.json() {
            let skills: Vec<ListedSkill<'_>> = skills.collect();
            cx.ui.print_json_document(
                &serde_json::json!({ "scope": report.scope, "skills": skills, "unmanaged": unmanaged }),
            );
            return Ok(0);
        }
        let skills: Vec<ListedSkill<'_>> = skills.collect();
        if skills.is_empty() {
            cx.ui.note(&format!("no skills are installed in {}", describe_scope(report.scope)));
            note_unmanaged(cx, &unmanaged);
            return Ok(0);
        }
        let mut columns = vec![
            Column::from("name"),
            Column::optional("version", 4),
            Column::optional("source", 2),
            Column::optional("ref", 1),
            Column::from("pin"),
            Column::optional("targets", 3),
        ];
        let with_state = check || skills.iter().any(|skill| !skill.entry.enabled);
        if with_state {
            columns.push(Column::from("state"));
        }
        cx.ui.print_rows_as_table(&columns, skills.iter().map(|skill| cells_of(skill, with_state)));
        note_unmanaged(cx, &unmanaged);
        Ok(0)
    }
}

/// At most this many of them are named.
const NAMED: usize = 5;

/// One line for the skills that are in no registry.
fn note_unmanaged(cx: &CommandContext<'_>, unmanaged: &[UnmanagedSkill]) {
    if unmanaged.is_empty() {
        return;
    }
    let mut names: Vec<&str> = unmanaged.iter().map(|skill| skill.name.as_str()).collect();
    names.dedup();
    let are = if names.len() == 1 { "is" } else { "are" };
    let folders = count_noun(unmanaged.len(), "folder");
    cx.ui.note(&format!(
        "{} {are} not managed (in {folders}): {}; `ba-agent skill adopt` takes over what is there",
        count_noun(names.len(), "skill"),
        list_some(&names, NAMED),
    ));
}

/// The cells of the table: name, version, source, what is followed, pin, targets, perhaps the
/// state.
fn cells_of(skill: &ListedSkill<'_>, with_state: bool) -> Vec<String> {
    let entry = &skill.entry;
    let revision = FollowedRevision::from(entry);
    let pin = match (revision.tag(), entry.mode) {
        // Beside the range the tag that it chose; beside a tag its commit.
        (Some(tag), _) if revision.followed().as_deref() != Some(tag) => Some(tag.to_owned()),
        (_, InstallMode::Live) => Some("link".to_owned()),
        _ => entry.pin.short_text(),
    };
    let mut cells = vec![
        skill.name.to_string(),
        entry.version.as_deref().unwrap_or("-").to_owned(),
        entry.source.to_string(),
        revision.followed().unwrap_or_else(|| "-".to_owned()),
        pin.unwrap_or_else(|| "copy".to_owned()),
        entry.targets.iter().map(|target| &**target).collect::<Vec<_>>().join(","),
    ];
    if with_state {
        cells.push(state_of(skill));
    }
    cells
}

/// `ok`, `disabled`, `disabled, edited` …; `-` where nobody looked.
fn state_of(skill: &ListedSkill<'_>) -> String {
    match (skill.entry.enabled, skill.state) {
        (true, state) => state.unwrap_or("-").to_owned(),
        (false, None | Some("ok")) => "disabled".to_owned(),
        (false, Some(state)) => format!("disabled, {state}"),
    }
}
