//! `ba-agent skill update [NAME…]`.

use clap::Args;
use clap_complete::engine::ArgValueCandidates;

use super::CommandContext;
use super::completions::installed_names;
use ba_agent_core::error::{Kind, Result};
use ba_agent_core::text::count_noun;
use ba_agent_engine::ops;
use ba_agent_engine::ops::apply::Done;
use ba_agent_engine::ops::plan::Action;
use ba_agent_engine::ops::update::{UpdateOptions, UpdateReport};

/// Move skills to what their reference is now.
#[derive(Debug, Args)]
#[command(
    long_about = "Move skills to what their reference is now.\n\n\
        Held skills stay; a version range moves inside itself. Each repository is listed once and \
        fetched once. A moved tag, a rewritten branch, and grown grants (more tools, hooks, new \
        executables or scripts) are pointed out and asked about; without a terminal they need --yes.\n\n\
        With --source a skill whose repository has moved, or that is wanted from a fork, is taken from \
        there from now on. It keeps its name, its targets, the branch, tag or range that it follows, \
        and the commit where it is held.",
    after_help = "Examples:\n  ba-agent skill update\n  ba-agent skill update pdf --dry-run\n  \
        ba-agent skill update pdf --source new-owner/repo\n  ba-agent skill update --yes --json"
)]
pub(crate) struct UpdateArgs {
    /// Only these skills.
    #[arg(value_name = "NAME", add = ArgValueCandidates::new(installed_names))]
    names: Vec<String>,
    /// Take the named skills from this source from now on.
    #[arg(long, value_name = "SOURCE", requires = "names")]
    source: Option<String>,
    /// Show how the files would change, without changing anything.
    #[arg(long)]
    dry_run: bool,
    /// Refuse a commit that no branch or tag of the repository contains.
    #[arg(long)]
    require_reachable: bool,
    /// Discard local edits (a copy is kept for `rollback`).
    #[arg(long, short)]
    force: bool,
}

impl UpdateArgs {
    /// Takes skills to the newest state that they follow.
    ///
    /// # Errors
    /// Those of [`ops::update::update`].
    pub(crate) fn run(self, cx: &CommandContext<'_>) -> Result<u8> {
        let dry_run = self.dry_run;
        let options = UpdateOptions {
            names: self.names,
            source: self.source,
            require_reachable: self.require_reachable,
            force: self.force,
            dry_run,
            with_diffs: !cx.ui.json(),
        };
        let report = ops::update::update(&cx.workspace, &options, &mut cx.ui.terminal_questions(), cx.ui)?;
        report.diffs.iter().for_each(|diff| cx.ui.print_coloured_diff(diff));
        if cx.ui.json() {
            print_json(cx, &report, dry_run);
        }
        report.skills.iter().for_each(|done| print_moved(cx, done, &report, dry_run));
        if options.source.is_some() {
            print_sources(cx, &report, dry_run);
        } else if report.skills.is_empty() && report.held == 0 && report.failed.is_empty() {
            let skills = count_noun(report.looked_at, "skill");
            cx.ui.status("Checked", &format!("{skills}: nothing to update"));
        }
        report.failures().iter().for_each(|failure| cx.ui.warn(failure));
        Ok(report.failure().map_or(0, Kind::exit_status))
    }
}

fn print_json(cx: &CommandContext<'_>, report: &UpdateReport, dry_run: bool) {
    let left = report.left.iter().map(|(name, why)| serde_json::json!({"name": name, "reason": why}));
    let failed = report.failed.iter().map(|(name, error)| serde_json::json!({"name": name, "error": error}));
    cx.ui.print_json_document(&serde_json::json!({
        "skills": report.skills, "changes": report.changes, "cautions": report.cautions,
        "left": left.collect::<Vec<_>>(), "failed": failed.collect::<Vec<_>>(), "dry_run": dry_run,
    }));
}

fn print_moved(cx: &CommandContext<'_>, done: &Done, report: &UpdateReport, dry_run: bool) {
    let before = report.before.get(&done.name).and_then(|entry| entry.pin.short_text()).unwrap_or_default();
    let after = done.entry.pin.short_text().unwrap_or_default();
    let verb = match (done.action, dry_run) {
        (Action::Keep, _) => "Moved",
        (_, true) => "Would move",
        (_, false) => "Updated",
    };
    let same = if done.action == Action::Keep { " (its files are the same)" } else { "" };
    // A local folder has no pins that could be told.
    let pins = if before == after { String::new() } else { format!(" {before} -> {after}") };
    cx.ui.status(verb, &format!("{}{pins}{same}", done.name));
    for change in report.changes.get(&done.name).into_iter().flatten() {
        cx.ui.detail(&format!("{} {}", change.what.status_letter(), change.path));
    }
}

/// Which source each skill is taken from now.
fn print_sources(cx: &CommandContext<'_>, report: &UpdateReport, dry_run: bool) {
    let verb = if dry_run { "Would take" } else { "Took" };
    for done in &report.skills {
        let before = report.before.get(&done.name).map_or("", |entry| entry.source.as_str());
        cx.ui.status(verb, &format!("{} from {}, before from {before}", done.name, done.entry.source));
    }
}
