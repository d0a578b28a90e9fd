//! `ba-agent skill update [NAME…]`.

use clap::Args;
use clap_complete::engine::ArgValueCandidates;

use super::CommandContext;
use super::complete::installed_names;
use crate::ui::LISTED_ALONE;
use ba_agent_core::error::{Kind, Result, printable};
use ba_agent_core::registry::describe_move;
use ba_agent_core::text::count_noun;
use ba_agent_engine::ops;
use ba_agent_engine::ops::apply::Done;
use ba_agent_engine::ops::diff::Changed;
use ba_agent_engine::ops::plan::Action;
use ba_agent_engine::ops::update::{UpdateCommit, UpdateOptions, UpdateReport};

/// Move skills to what their reference is now.
#[derive(Debug, Args)]
#[command(
    long_about = "Move skills to what their reference is now.\n\n\
        Held skills stay; a version range moves inside itself. Each repository is listed once and \
        fetched once. The commits that touch a skill are named, and the page that compares both states where \
        the host has one. At a terminal you choose among several updates. A moved tag, a rewritten branch, and grown grants (more tools, hooks, new \
        executables or scripts) are pointed out and asked about; without a terminal they need --yes. --dry-run changes nothing and lists the files \
        that would change, with --diff line by line.\n\n\
        With --source a skill whose repository has moved, or that is wanted from a fork, is taken from \
        there from now on. It keeps its name, its targets, the branch, tag or range that it follows, \
        and the commit where it is held.",
    after_help = "Examples:\n  ba-agent skill update\n  ba-agent skill update pdf --dry-run --diff\n  \
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
    /// With --dry-run, show line by line how the files would change.
    #[arg(long, short = 'p', visible_alias = "patch", requires = "dry_run", conflicts_with = "stat")]
    diff: bool,
    /// With --dry-run, list the files that would change and by how many lines; this is the default.
    #[arg(long, requires = "dry_run")]
    stat: bool,
    /// Refuse a commit that no branch or tag of the repository contains.
    #[arg(long)]
    require_reachable: bool,
    /// Discard local edits (a copy is kept for `rollback`).
    #[arg(long, short)]
    force: bool,
    /// Keep the versions that are replaced: `skill versions` lists them, `skill use` brings them back.
    #[arg(long)]
    keep: bool,
}

impl UpdateArgs {
    /// Takes skills to the newest state that they follow.
    ///
    /// # Errors
    /// Those of [`ops::update::update`].
    pub(crate) fn run(self, cx: &CommandContext<'_>) -> Result<u8> {
        let (dry_run, with_diff) = (self.dry_run, self.diff);
        let options = UpdateOptions {
            names: self.names,
            source: self.source,
            require_reachable: self.require_reachable,
            force: self.force,
            keep: self.keep,
            dry_run,
            with_diffs: true,
            with_log: !cx.ui.quiet(),
        };
        let report = ops::update::update(&cx.workspace, &options, &mut cx.ui.terminal_questions(), cx.ui)?;
        if cx.ui.json() {
            print_json(cx, &report, dry_run, with_diff);
        } else if with_diff {
            print_diffs(cx, &report);
        }
        print_all_moved(cx, &report, dry_run);
        print_pages(cx, &report);
        if options.source.is_some() {
            print_sources(cx, &report, dry_run);
        } else if report.skills.is_empty() && report.held == 0 && report.failed.is_empty() {
            let skills = count_noun(report.looked_at, "skill");
            cx.ui.status("Checked", &format!("{skills}: nothing to update"));
        }
        report.failures(dry_run).iter().for_each(|failure| cx.ui.warn(failure));
        Ok(report.failure().map_or(0, Kind::exit_status))
    }
}

fn print_json(cx: &CommandContext<'_>, report: &UpdateReport, dry_run: bool, with_diff: bool) {
    let left = report.left.iter().map(|(name, why)| serde_json::json!({"name": name, "reason": why}));
    let failed = report.failed.iter().map(|(name, error)| serde_json::json!({"name": name, "error": error}));
    let mut document = serde_json::json!({
        "skills": report.skills, "changes": report.changes, "cautions": report.cautions, "logs": report.logs,
        "left": left.collect::<Vec<_>>(), "failed": failed.collect::<Vec<_>>(), "dry_run": dry_run,
    });
    if with_diff && let Some(fields) = document.as_object_mut() {
        fields.insert("diffs".to_owned(), serde_json::json!(report.diffs));
    }
    cx.ui.print_json_document(&document);
}

/// The whole difference, through the pager where a person reads it; as a patch for programs.
fn print_diffs(cx: &CommandContext<'_>, report: &UpdateReport) {
    let files = || report.diffs.values().flatten();
    if cx.ui.is_for_eyes() {
        cx.ui.print_paged_diff(&files().map(|file| file.diff.as_str()).collect::<Vec<_>>());
    } else {
        files().for_each(|file| cx.ui.write(&file.patch));
    }
}

/// Up to this many skills that only moved have lines of their own.
const MOVED_ALONE: usize = 3;

/// Each skill that has other files; those that only moved in one line where they are many.
fn print_all_moved(cx: &CommandContext<'_>, report: &UpdateReport, dry_run: bool) {
    let (moved, updated): (Vec<&Done>, Vec<&Done>) =
        report.skills.iter().partition(|done| done.action == Action::Keep);
    let is_short = updated.len() > LISTED_ALONE && !cx.ui.verbose();
    updated.iter().for_each(|done| print_moved(cx, done, report, dry_run, is_short));
    if moved.len() > MOVED_ALONE && !cx.ui.verbose() {
        let verb = if dry_run { "Would move" } else { "Moved" };
        let skills = count_noun(moved.len(), "more skill");
        let all = if updated.is_empty() { count_noun(moved.len(), "skill") } else { skills };
        return cx.ui.status(verb, &format!("{all} (their files are the same)"));
    }
    moved.iter().for_each(|done| print_moved(cx, done, report, dry_run, false));
}

/// At most this many commits of a skill are named.
const COMMITS: usize = 5;

fn print_moved(cx: &CommandContext<'_>, done: &Done, report: &UpdateReport, dry_run: bool, is_short: bool) {
    let before = report.before.get(&done.name);
    let verb = match (done.action, dry_run) {
        (Action::Keep, false) => "Moved",
        (Action::Keep, true) => "Would move",
        (Action::Add, false) => "Installed",
        (Action::Add, true) => "Would put",
        (_, true) => "Would update",
        (_, false) => "Updated",
    };
    let same = if done.action == Action::Keep { " (its files are the same)" } else { "" };
    // A local folder has no revisions that could be told.
    let moved = before.and_then(|before| describe_move(before.into(), (&done.entry).into()));
    let moved = moved.map_or_else(String::new, |moved| format!(" {moved}"));
    let files = report.diffs.get(&done.name).map_or_else(String::new, |files| sum_of(files));
    let needed = if done.action == Action::Add { " (needed by what was updated)" } else { "" };
    cx.ui.status(verb, &format!("{}{moved}{same}{files}{needed}", done.name));
    if is_short {
        return;
    }
    match report.diffs.get(&done.name) {
        Some(files) => files.iter().for_each(|file| cx.ui.detail(&stat_of(file, done.name.as_str()))),
        None => {
            for change in report.changes.get(&done.name).into_iter().flatten() {
                cx.ui.detail(&format!("{} {}", change.what.status_letter(), change.path));
            }
        }
    }
    let Some(log) = report.logs.get(&done.name) else { return };
    for commit in log.commits.iter().take(COMMITS) {
        cx.ui.detail(&cx.ui.cut_line(&commit_line(cx, commit), DETAIL));
    }
    match (log.commits.len().saturating_sub(COMMITS), log.is_cut) {
        (0, false) => {}
        (0, true) => cx.ui.detail("older commits were not looked through"),
        (more, false) => cx.ui.detail(&format!("and {}", count_noun(more, "older commit"))),
        (more, true) => cx.ui.detail(&format!("and at least {}", count_noun(more, "older commit"))),
    }
    log.unrelated.iter().for_each(|why| cx.ui.detail(why));
}

/// `: 3 files, +12 -4`.
fn sum_of(files: &[Changed]) -> String {
    let (added, removed) = files.iter().fold((0, 0), |sum, file| (sum.0 + file.added, sum.1 + file.removed));
    format!(": {}, +{added} -{removed}", count_noun(files.len(), "file"))
}

/// `M SKILL.md +2 -1`: the path without the name of the skill, which stands above it.
fn stat_of(file: &Changed, name: &str) -> String {
    file.stat_line().replacen(&format!(" {name}/"), " ", 1)
}

/// The columns before a detail.
const DETAIL: usize = 13;

/// Its commit, date and subject; without the date where there is little room.
fn commit_line(cx: &CommandContext<'_>, commit: &UpdateCommit) -> String {
    let sha = commit.commit.get(..7).unwrap_or_default();
    let subject = printable(&commit.subject, false);
    match commit.at.filter(|_| cx.ui.is_wide()) {
        Some(at) => format!("{sha} {} {subject}", at.strftime("%F")),
        None => format!("{sha} {subject}"),
    }
}

/// The pages that compare both states; skills that move together share theirs.
fn print_pages(cx: &CommandContext<'_>, report: &UpdateReport) {
    let mut pages: Vec<&str> = report.logs.values().filter_map(|log| log.compare.as_deref()).collect();
    pages.sort_unstable();
    pages.dedup();
    pages.iter().for_each(|page| cx.ui.status("Compare", page));
}

/// Which source each skill is taken from now.
fn print_sources(cx: &CommandContext<'_>, report: &UpdateReport, dry_run: bool) {
    let verb = if dry_run { "Would take" } else { "Took" };
    for done in &report.skills {
        let before = report.before.get(&done.name).map_or("", |entry| entry.source.as_str());
        cx.ui.status(verb, &format!("{} from {}, before from {before}", done.name, done.entry.source));
    }
}
