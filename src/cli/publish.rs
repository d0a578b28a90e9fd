//! `ba-agent skill publish [PATH]`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::CommandContext;
use ba_agent_core::error::{Result, error, printable};
use ba_agent_core::skill::Severity;
use ba_agent_core::text::{count_noun, format_bytes, list_some};
use ba_agent_engine::ops;
use ba_agent_engine::ops::ask::{Ask as _, Attendance};
use ba_agent_engine::ops::publish::{
    PreviousVersion, PublishOptions, PublishOutcome, PublishPlan, PublishReport, VersionBump,
};

/// Files and changes that are listed without `--verbose`.
const LISTED: usize = 20;

/// Publish a skill in a registry, as a version that never changes.
#[derive(Debug, Args)]
#[command(
    disable_version_flag = true,
    long_about = "Publish a skill in a registry, as a version that never changes.\n\n\
        A registry is a folder of files that any web server can serve, or a bucket of S3; the first publication \
        begins it. The skill is held to the open specification to the letter, and must not hold hidden text, private keys or tokens: \
        else nothing is published, and the status is 8. What is published, what it may do and what is \
        different from the last version is shown, and asked about. The same files under the same version again is a success; \
        other files are refused (7).\n\n\
        Without --version and --bump it is the version that the frontmatter says, and 0.1.0 for the first.\n\n\
        For a bucket, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN, AWS_REGION and \
        AWS_ENDPOINT_URL are read; endpoint and region may also stand in its address.",
    after_help = "Examples:\n  ba-agent skill publish pdf-tables --as @acme --to ./registry --dry-run\n  \
        ba-agent skill publish pdf-tables --as @acme --to ./registry --version 1.0.0 --yes\n  \
        ba-agent skill publish pdf-tables --to ./registry --bump minor\n  \
        ba-agent skill publish pdf-tables --to 's3://skills/acme?endpoint=https://s3.acme.example'"
)]
pub(crate) struct PublishArgs {
    /// The skill's folder, or its SKILL.md.
    #[arg(value_name = "PATH", default_value = ".", value_hint = clap::ValueHint::AnyPath)]
    path: PathBuf,
    /// The owner, or the whole name; by default who has published a skill of this name.
    #[arg(long = "as", value_name = "@OWNER[/NAME]")]
    name: Option<String>,
    /// The version.
    #[arg(long = "version", value_name = "VERSION", conflicts_with = "bump")]
    skill_version: Option<String>,
    /// Which part of the last version is counted up.
    #[arg(long, value_enum)]
    bump: Option<BumpWord>,
    /// The registry: a folder, or s3://BUCKET/PREFIX.
    #[arg(long, value_name = "PLACE", value_hint = clap::ValueHint::DirPath)]
    to: Option<String>,
    /// Show what would be published, and change nothing.
    #[arg(long, short = 'n')]
    dry_run: bool,
}

/// `--bump`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum BumpWord {
    Patch,
    Minor,
    Major,
}

impl PublishArgs {
    /// Publishes a skill; 8 where findings block it.
    ///
    /// # Errors
    /// Those of [`ops::publish::publish`]; `Usage` where nobody can be asked.
    pub(crate) fn run(self, cx: &CommandContext<'_>) -> Result<u8> {
        let options = PublishOptions {
            path: self.path,
            name: self.name,
            version: self.skill_version,
            bump: self.bump.map(|word| match word {
                BumpWord::Patch => VersionBump::Patch,
                BumpWord::Minor => VersionBump::Minor,
                BumpWord::Major => VersionBump::Major,
            }),
            to: self.to,
            dry_run: self.dry_run,
        };
        let mut is_shown = false;
        let mut approve = |plan: &PublishPlan| {
            if !cx.ui.json() {
                print_plan(cx, plan);
                is_shown = true;
            }
            approve_publication(cx, plan)
        };
        let report = ops::publish::publish(&cx.workspace, &options, &mut approve, cx.ui)?;
        if cx.ui.json() {
            cx.ui.print_json_document(&report);
        } else {
            print_report(cx, &report, is_shown);
        }
        Ok(match report.outcome {
            PublishOutcome::Invalid => 8,
            PublishOutcome::Declined => 1,
            _ => 0,
        })
    }
}

/// Asks a person; `--yes` has agreed.
fn approve_publication(cx: &CommandContext<'_>, plan: &PublishPlan) -> Result<bool> {
    let mut ask = cx.ui.terminal_questions();
    match ask.attendance() {
        Attendance::Agrees => Ok(true),
        Attendance::Person => {
            ask.confirm(&format!("Publish {} {} in {}?", plan.line.name, plan.line.version, plan.registry))
        }
        Attendance::Nobody => {
            let what = format!("`{}` {}", plan.line.name, plan.line.version);
            Err(error!(Usage, "publishing {what} needs a yes, and there is no terminal to ask on")
                .cause("a published version stays, and nothing was published")
                .hint("agree in advance with `--yes`, or look first with `--dry-run`"))
        }
    }
}

fn print_plan(cx: &CommandContext<'_>, plan: &PublishPlan) {
    let line = &plan.line;
    for finding in &plan.findings {
        cx.ui.print_finding_of(".", finding);
    }
    if !plan.left_out.is_empty() {
        let names: Vec<&str> = plan.left_out.iter().map(String::as_str).collect();
        cx.ui.note(&format!("left out: {}", list_some(&names, listed(cx, 5))));
    }
    let what = format!(
        "{} {} ({}, {}, packed {})",
        line.name,
        line.version,
        count_noun(plan.files.len(), "file"),
        format_bytes(line.unpacked),
        format_bytes(line.size)
    );
    cx.ui.line(&what);
    for file in plan.files.iter().take(listed(cx, LISTED)) {
        let mark = if file.mode == "100755" { " (can be run)" } else { "" };
        cx.ui.line(&format!("  {:>8}  {}{mark}", format_bytes(file.size), file.path));
    }
    if plan.files.len() > listed(cx, LISTED) {
        cx.ui.line(&format!("  … and {} more", plan.files.len() - LISTED));
    }
    let rights = [
        ("may use", line.grants.join(", ")),
        ("scripts", line.scripts.join(", ")),
        ("hooks", if line.hooks { "yes".to_owned() } else { String::new() }),
        (
            "needs",
            line.deps.iter().map(|dep| format!("{} {}", dep.name, dep.req)).collect::<Vec<_>>().join(", "),
        ),
    ];
    for (name, value) in rights.iter().filter(|(_, value)| !value.is_empty()) {
        cx.ui.line(&format!("{name:<9}{}", printable(value, false)));
    }
    if let Some(previous) = &plan.previous {
        print_previous(cx, previous);
    }
    if plan.is_new_registry {
        cx.ui.note(&format!("{} is not a registry yet: this begins one", plan.registry));
    }
}

fn print_previous(cx: &CommandContext<'_>, previous: &PreviousVersion) {
    let PreviousVersion { version, changed, new_rights } = previous;
    match changed.len() {
        0 => cx.ui.line(&format!("no file differs from {version}")),
        count => cx.ui.line(&format!("{} from {version}:", differs(count))),
    }
    for file in changed.iter().take(listed(cx, LISTED)) {
        cx.ui.line(&format!("  {} {}", file.change, file.path));
    }
    if changed.len() > listed(cx, LISTED) {
        cx.ui.line(&format!("  … and {} more", changed.len() - LISTED));
    }
    if !new_rights.is_empty() {
        cx.ui.warn(&format!("{version} did not have: {}", new_rights.join(", ")));
    }
}

fn differs(count: usize) -> String {
    format!("{} {}", count_noun(count, "file"), if count == 1 { "differs" } else { "differ" })
}

fn listed(cx: &CommandContext<'_>, some: usize) -> usize {
    if cx.ui.verbose() { usize::MAX } else { some }
}

fn print_report(cx: &CommandContext<'_>, report: &PublishReport, is_shown: bool) {
    let PublishPlan { line, registry, findings, .. } = &report.plan;
    let what = format!("{} {} in {registry}", line.name, line.version);
    if !is_shown && report.outcome != PublishOutcome::AlreadyThere {
        print_plan(cx, &report.plan);
    }
    match report.outcome {
        PublishOutcome::Published => cx.ui.status("Published", &what),
        PublishOutcome::AlreadyThere => cx.ui.status("Unchanged", &format!("{what}: already there")),
        PublishOutcome::Planned => cx.ui.note(&format!("would publish {what}; nothing was changed")),
        PublishOutcome::Declined => cx.ui.note("nothing was published"),
        PublishOutcome::Invalid => {
            let errors = findings.iter().filter(|finding| finding.severity == Severity::Error).count();
            let blocked = if errors == 1 { "blocks" } else { "block" };
            cx.ui.status(
                "Checked",
                &format!(
                    "{}: {} {blocked} it, so nothing is published",
                    line.name,
                    count_noun(errors, "error")
                ),
            );
        }
    }
    if matches!(report.outcome, PublishOutcome::Published | PublishOutcome::AlreadyThere) {
        cx.ui.line(&format!("digest  {}", line.digest));
        cx.ui.line(&format!("tree    {}", line.tree));
    }
}
