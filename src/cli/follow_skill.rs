//! `ba-agent skill follow NAME`, `unfollow NAME` and `following`.

use clap::{Args, ValueEnum};
use clap_complete::engine::ArgValueCandidates;
use serde_json::json;

use super::CommandContext;
use super::complete::followed_names;
use crate::table::Column;
use ba_agent_core::error::Result;
use ba_agent_core::text::format_age;
use ba_agent_engine::ops;
use ba_agent_engine::ops::follow_skill::FollowingView;

/// Hear of new versions of a skill in a registry.
#[derive(Debug, Args)]
#[command(
    long_about = "Hear of new versions of a skill in a registry.\n\n\
        It need not be installed. The list stands in your settings, and what is new is read from the registry's \
        files: `skill following` shows it, and `skill outdated` says so unless `--notify off`. Where the registry has \
        a server and you are logged in, it is told too.",
    after_help = "Examples:\n  ba-agent skill follow @acme/pdf-tables\n  ba-agent skill follow @acme/pdf-tables --notify off"
)]
pub(crate) struct FollowArgs {
    /// The skill: `@owner/name`.
    #[arg(value_name = "@OWNER/NAME")]
    name: String,
    /// Whether `outdated` tells of new versions.
    #[arg(long, value_enum, value_name = "WHEN")]
    notify: Option<NotifySwitch>,
}

/// On or off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum NotifySwitch {
    On,
    Off,
}

/// Stop hearing of a skill.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  ba-agent skill unfollow @acme/pdf-tables")]
pub(crate) struct UnfollowArgs {
    /// The skill: `@owner/name`.
    #[arg(value_name = "@OWNER/NAME", add = ArgValueCandidates::new(followed_names))]
    name: String,
}

/// List the skills that you follow, and what is new of them.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  ba-agent skill following\n  ba-agent skill following --json")]
pub(crate) struct FollowingArgs {}

impl FollowArgs {
    /// Puts a skill onto the list.
    ///
    /// # Errors
    /// Those of [`ops::follow_skill::follow`].
    pub(crate) fn run(self, cx: &CommandContext<'_>) -> Result<u8> {
        let notify = self.notify.map(|switch| switch == NotifySwitch::On);
        let report = ops::follow_skill::follow(&cx.workspace, &self.name, notify, cx.ui)?;
        let quietly = if report.notify { "" } else { ", without being told" };
        let what = if report.changed { "Following" } else { "Unchanged" };
        cx.ui.status(what, &format!("{}{quietly}", report.name));
        if cx.ui.json() {
            cx.ui.print_json_document(&report);
        }
        Ok(0)
    }
}

impl UnfollowArgs {
    /// Takes a skill off the list.
    ///
    /// # Errors
    /// Those of [`ops::follow_skill::unfollow`].
    pub(crate) fn run(self, cx: &CommandContext<'_>) -> Result<u8> {
        let report = ops::follow_skill::unfollow(&cx.workspace, &self.name, cx.ui)?;
        cx.ui.status("Unfollowed", &report.name);
        if cx.ui.json() {
            cx.ui.print_json_document(&report);
        }
        Ok(0)
    }
}

impl FollowingArgs {
    /// Prints the list.
    ///
    /// # Errors
    /// Those of [`ops::follow_skill::following`].
    pub(crate) fn run(self, cx: &CommandContext<'_>) -> Result<u8> {
        let rows = ops::follow_skill::following(&cx.workspace, cx.ui)?;
        if cx.ui.json() {
            cx.ui.print_json_document(&json!({ "following": rows }));
            return Ok(0);
        }
        if rows.is_empty() {
            cx.ui.note("you follow no skill: `ba-agent skill follow @owner/name`");
            return Ok(0);
        }
        let cells = |row: &FollowingView| {
            let at = row.published_at.map_or("-".to_owned(), |at| format_age(at, cx.env().now));
            let newest = row.newest.clone().unwrap_or_else(|| "-".to_owned());
            let news = match (row.new, &row.seen) {
                (true, Some(seen)) => format!("new since {seen}"),
                (true, None) => "new".to_owned(),
                (false, _) => String::new(),
            };
            vec![row.name.clone(), newest, at, news, if row.notify { "on" } else { "off" }.to_owned()]
        };
        let columns = [
            Column::from("name"),
            Column::from("newest"),
            Column::optional("published", 1),
            Column::from("news"),
            Column::optional("notify", 2),
        ];
        cx.ui.print_as_table(&columns, &rows.iter().map(cells).collect::<Vec<_>>());
        for (row, error) in rows.iter().filter_map(|row| Some((row, row.error.as_ref()?))) {
            cx.ui.warn(&format!("`{}`: {}", row.name, error.message));
        }
        Ok(0)
    }
}
