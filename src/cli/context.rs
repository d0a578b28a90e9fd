//! `ba-agent skill context`.

use clap::Args;
use clap_complete::engine::ArgValueCandidates;

use super::CommandContext;
use super::complete::{agent_names, installed_names};
use crate::table::Column;
use ba_agent_core::context::ListingStatus;
use ba_agent_core::error::{Kind, Result};
use ba_agent_core::loader::{ConflictRule, OmitReason, SkillConflict};
use ba_agent_core::text::{count_noun, group_digits, list_some};
use ba_agent_engine::ops;
use ba_agent_engine::ops::context::{ContextOptions, ContextReport};

/// Print what an agent is told of its skills, and what it will not see.
#[derive(Debug, Args)]
#[command(
    long_about = "Print what an agent is told of its skills, and what it will not see.\n\n\
        Standard output gets the list, for a prompt: every skill that the model may start and that can work here, \
        within the budget of `loader.context_budget`. Where all descriptions have no room they are shortened evenly, \
        then only names are listed, then names are left out, those that were not used for longest first. What is \
        shortened, left out or stands behind another skill of its name is said on standard error, or below the list on \
        a terminal; --json has all of it.\n\n\
        --for AGENT lists what that agent itself makes of its folders: its order, its form, its limits.",
    after_help = "Examples:\n  ba-agent skill context\n  ba-agent skill context --for codex\n  \
        ba-agent skill context --query 'fill in a form' --format xml\n  \
        ba-agent skill context --active pdf,xlsx --budget 20000\n  \
        ba-agent skill context --for claude-code --strict --json"
)]
pub(crate) struct ContextArgs {
    /// What this agent sees, by its own rules.
    #[arg(long = "for", value_name = "AGENT", add = ArgValueCandidates::new(agent_names))]
    agent: Option<String>,
    /// What is to be done: skills that fit it keep their descriptions.
    #[arg(long, value_name = "TEXT")]
    query: Option<String>,
    /// Skills that are active, with their instructions.
    #[arg(long, value_name = "NAME,…", value_delimiter = ',', add = ArgValueCandidates::new(installed_names))]
    active: Vec<String>,
    /// Characters for all of it.
    #[arg(long, value_name = "N")]
    budget: Option<usize>,
    /// How a skill is written: plain, xml, list or brackets.
    #[arg(long, value_name = "FORM", value_parser = ["plain", "xml", "list", "brackets"])]
    format: Option<String>,
    /// End with status 6 where a skill, or a whole description, had no room.
    #[arg(long)]
    strict: bool,
}

impl ContextArgs {
    /// Prints the context; with `--strict` 6 where something had no room.
    ///
    /// # Errors
    /// Those of [`ops::context::describe_context`].
    pub(crate) fn run(self, cx: &CommandContext<'_>) -> Result<u8> {
        let Self { agent, query, active, budget, format, strict } = self;
        let options = ContextOptions { agent, query, active, budget, format };
        let report = ops::context::describe_context(&cx.workspace, &options, cx.ui)?;
        match cx.ui.json() {
            true => cx.ui.print_json_document(&report),
            false => print_context(cx, &report),
        }
        let failure = report.failure().filter(|_| strict);
        Ok(failure.map_or(0, Kind::exit_status))
    }
}

/// The text itself, then what it does not say.
fn print_context(cx: &CommandContext<'_>, report: &ContextReport) {
    if !report.text.is_empty() {
        cx.ui.line(&cx.ui.wrap_text(&report.text));
    }
    for active in &report.active {
        cx.ui.line(&cx.ui.wrap_text(&active.text));
    }
    if cx.ui.stdout_is_terminal() {
        cx.ui.line("");
    }
    print_summary(cx, report);
    print_left_out(cx, report);
    report.conflicts.iter().for_each(|conflict| cx.ui.note(&describe_conflict(conflict)));
    for finding in &report.findings {
        if report.agent == Some(finding.path.as_str()) {
            cx.ui.note(&finding.message);
            continue;
        }
        // What an omitted skill says already is not said twice.
        if report.omitted.iter().all(|one| one.detail != finding.message) {
            cx.ui.warn(&format!("`{}`: {}", finding.path, finding.message));
        }
    }
}

fn print_summary(cx: &CommandContext<'_>, report: &ContextReport) {
    let whose = report.agent.map(|agent| format!(" by `{agent}`")).unwrap_or_default();
    if report.skills.is_empty() && report.omitted.is_empty() {
        cx.ui.note(&format!("there are no skills to be listed{whose}"));
        return;
    }
    let room = report.budget.metadata.map(|room| format!(" of {}", group_digits(room))).unwrap_or_default();
    let mut parts = vec![format!(
        "{}{whose} in {}{room} characters, about {} tokens",
        count_noun(report.skills.len(), "skill"),
        group_digits(report.used.metadata),
        group_digits(report.used.tokens_estimated),
    )];
    let longest = report.skills.iter().map(|skill| skill.shown.chars().count()).max().unwrap_or(0);
    let (full, shortened, names) = report.count_by_form();
    match report.status {
        ListingStatus::Full => parts.push("every description in full".to_owned()),
        ListingStatus::Shortened => {
            parts.push(format!("{} cut to {longest} characters", count_noun(shortened, "description")));
        }
        ListingStatus::Names | ListingStatus::Dropped => {
            parts.push(format!("{} listed by name alone, {} with a description", names, full + shortened));
        }
    }
    cx.ui.status("Listed", &parts.join("; "));
    if !report.active.is_empty() {
        let cut = report.active.iter().filter(|one| one.cut).map(|one| one.name.as_str()).collect::<Vec<_>>();
        let said = if cut.is_empty() { "in full".to_owned() } else { format!("cut: {}", cut.join(", ")) };
        let (used, room) = (group_digits(report.used.active), group_digits(report.budget.active));
        let skills = count_noun(report.active.len(), "active skill");
        cx.ui.status("Active", &format!("{skills} in {used} of {room} characters; {said}"));
    }
}

/// How many skills of one reason are named each in a row of its own.
const ROWS: usize = 20;

/// What the agent will not see, and why.
fn print_left_out(cx: &CommandContext<'_>, report: &ContextReport) {
    if report.omitted.is_empty() {
        if !report.skills.is_empty() {
            cx.ui.status("Left out", "nothing: the agent knows of every skill");
        }
        return;
    }
    cx.ui.attention(
        "Left out",
        &format!("{}; the agent will not see:", count_noun(report.omitted.len(), "skill")),
    );
    let of_reason = |reason: OmitReason| report.omitted.iter().filter(move |one| one.reason == reason);
    let budget: Vec<&str> = of_reason(OmitReason::Budget).map(|one| one.name.as_str()).collect();
    if !budget.is_empty() {
        let detail = of_reason(OmitReason::Budget).next().map(|one| one.detail.clone()).unwrap_or_default();
        let names = list_some(&budget, ROWS);
        cx.ui.warn(&format!("{} for want of room ({detail}): {names}", count_noun(budget.len(), "skill")));
    }
    let others: Vec<Vec<String>> = report
        .omitted
        .iter()
        .filter(|one| one.reason != OmitReason::Budget)
        .map(|one| vec![one.name.clone(), one.reason.name().to_owned(), one.detail.clone()])
        .collect();
    let columns = [Column::from("name"), Column::from("reason"), Column::from("why")];
    // On a narrow terminal three columns leave no room for a reason.
    if cx.ui.stdout_is_terminal() && cx.ui.is_wide() && !cx.ui.quiet() {
        if !others.is_empty() {
            cx.ui.print_as_table(&columns, &others);
        }
    } else {
        let told = if cx.ui.verbose() { others.len() } else { ROWS };
        for row in others.iter().take(told) {
            cx.ui.note(&format!("`{}` ({}): {}", row[0], row[1], row[2]));
        }
        if others.len() > told {
            cx.ui.note(&format!("and {} more; `--json` has all", others.len() - told));
        }
    }
}

fn describe_conflict(conflict: &SkillConflict) -> String {
    let SkillConflict { name, winner, over, similarity, rule } = conflict;
    let over = over.join(", ");
    let same = similarity.map(|share| format!(" ({:.0} % of the lines are the same)", share * 100.0));
    let same = same.unwrap_or_default();
    match rule {
        ConflictRule::Priority => format!("`{name}`: {winner} goes before {over}"),
        ConflictRule::OverrideThreshold if *winner == "project" => {
            format!("`{name}`: the project's version stands for that of {over}{same}")
        }
        ConflictRule::OverrideThreshold => {
            format!("`{name}`: {winner} goes before {over}{same}; the project's is `project:{name}`")
        }
        ConflictRule::Agent => format!("`{name}`: the agent takes {winner} first, then {over}"),
    }
}
