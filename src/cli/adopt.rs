//! `ba-agent skill adopt`.

use clap::Args;
use clap_complete::engine::ArgValueCandidates;

use super::CommandContext;
use super::complete::unmanaged_names;
use ba_agent_core::error::Result;
use ba_agent_core::text::count_noun;
use ba_agent_engine::ops;
use ba_agent_engine::ops::adopt::{AdoptOptions, AdoptedSkill};
use ba_agent_engine::ops::gather;

/// Take over skills that lie in a skills folder without being installed.
#[derive(Debug, Args)]
#[command(
    long_about = "Take over skills that lie in a skills folder without being installed: copied by hand, or put there by another tool.\n\n\
        They are recorded as they lie, with the links of every agent that has them; not a byte is moved or changed. \
        Where a skill comes from is taken from the lock files of other tools (skills-lock.json, .skill-lock.json, apm.lock.yaml), \
        from what `gh skill` wrote into the SKILL.md, from skills with the same bytes that are recorded already or in the cached copy of a marketplace, or from --source. \
        A skill that is the same as in its source is adopted at once. One that differs is shown and asked about; with \
        --force (or --yes) it is adopted as edited. A skill that has no source is recorded as your own: adopt it again after editing it.",
    after_help = "Examples:\n  ba-agent skill adopt --all\n  ba-agent skill adopt pdf .claude/skills/docx\n  \
        ba-agent skill adopt pdf --source anthropics/skills\n  ba-agent skill adopt --all --dry-run"
)]
pub(crate) struct Adopt {
    /// Names of skills, or paths of their folders.
    #[arg(value_name = "PATH", add = ArgValueCandidates::new(unmanaged_names))]
    what: Vec<String>,
    /// Every skill in the skills folders that is not installed.
    #[arg(long, conflicts_with = "what")]
    all: bool,
    /// Where the skill comes from, as `install` takes it.
    #[arg(long, value_name = "SOURCE", conflicts_with_all = ["all", "no_source"])]
    source: Option<String>,
    /// Record them as your own, without looking for a source.
    #[arg(long)]
    no_source: bool,
    /// Adopt a skill that differs from its source too, as edited.
    #[arg(long, short)]
    force: bool,
    /// Allow this finding of the rules (repeatable).
    #[arg(long, value_name = "CODE")]
    allow: Vec<String>,
    /// Fail if `--all` would leave out a skill.
    #[arg(long)]
    strict: bool,
    /// Show what would be recorded and how it differs from its source, without changing anything.
    #[arg(long)]
    dry_run: bool,
}

impl Adopt {
    /// Records what lies there.
    ///
    /// # Errors
    /// Those of [`ops::adopt::adopt`].
    pub(crate) fn run(self, cx: &CommandContext<'_>) -> Result<u8> {
        let dry_run = self.dry_run;
        let options = AdoptOptions {
            what: self.what,
            all: self.all,
            source: self.source,
            no_source: self.no_source,
            force: self.force,
            allow: self.allow,
            strict: self.strict,
            dry_run,
        };
        let report = ops::adopt::adopt(&cx.workspace, &options, &mut cx.ui.terminal_questions(), cx.ui)?;
        for left_out in &report.skipped {
            cx.ui.warn(&format!("left out {}: {}", left_out.path(), left_out.reason()));
        }
        report.skills.iter().for_each(|skill| print_adopted(cx, skill, dry_run));
        if options.all && report.skills.is_empty() && report.skipped.is_empty() {
            cx.ui.note("nothing to adopt: every skill in the skills folders is managed");
        }
        if cx.ui.json() {
            cx.ui.print_json_document(&serde_json::json!({
                "skills": report.skills, "skipped": report.skipped, "dry_run": dry_run,
            }));
        }
        Ok(0)
    }
}

fn print_adopted(cx: &CommandContext<'_>, skill: &AdoptedSkill, dry_run: bool) {
    if dry_run && !cx.ui.json() {
        cx.ui.print_paged_diff(&skill.diffs);
    }
    let verb = if dry_run { "Would adopt" } else { "Adopted" };
    cx.ui.status(verb, &format!("{} in {}", skill.name, skill.places.join(", ")));
    let entry = &skill.entry;
    match (&skill.named_by, entry.kind.as_str()) {
        (Some(by), _) => {
            let reason = skill.reason.as_ref().map(|reason| format!(" ({reason})")).unwrap_or_default();
            cx.ui.detail(&format!("from {}, named by {by}{reason}", gather::spoken_record_name(entry)));
        }
        (None, "own") => cx.ui.detail("no source: its files are here alone"),
        (None, _) => cx.ui.detail(&format!("a live link to {}", entry.source)),
    }
    if !skill.edits.is_empty() {
        let files: Vec<String> = skill
            .edits
            .iter()
            .take(6)
            .map(|edit| format!("{} {}", edit.what.status_letter(), edit.path))
            .collect();
        cx.ui.detail(&format!("edited: {} ({})", count_noun(skill.edits.len(), "file"), files.join(", ")));
    }
}
