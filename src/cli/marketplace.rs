//! `ba-agent marketplace add|list|remove|update|show|validate|enable|disable`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::CommandContext;
use ba_agent_core::error::{Error, Kind, Result, printable};
use ba_agent_core::skill::{Severity, worst_severity};
use ba_agent_core::text::count_noun;
use ba_agent_engine::ops;
use ba_agent_engine::ops::marketplace::{
    AddOptions, AddReport, CheckedCatalog, EntryView, FetchedMarketplace, ListedMarketplace, Updated,
};

/// Register, list, update and check marketplaces: catalogues of skills.
#[derive(Debug, Subcommand)]
pub(crate) enum Marketplace {
    /// Register a marketplace under a name of your choice.
    Add(Add),
    /// List the registered marketplaces.
    #[command(
        visible_alias = "ls",
        after_help = "Examples:\n  ba-agent marketplace list\n  ba-agent marketplace list --json"
    )]
    List,
    /// Remove marketplaces; skills installed from them stay.
    #[command(visible_alias = "rm", after_help = "Examples:\n  ba-agent marketplace remove anthropic")]
    Remove(Names),
    /// Fetch the catalogues again.
    Update(MarketplaceUpdateArgs),
    /// Show the entries of a marketplace, or one of them.
    Show(MarketplaceShowArgs),
    /// Check a marketplace.json, all findings at once.
    #[command(visible_alias = "lint")]
    Validate(MarketplaceValidateArgs),
    /// Search marketplaces that were disabled, and install from them, again.
    #[command(after_help = "Examples:\n  ba-agent marketplace enable anthropic")]
    Enable(Names),
    /// Keep marketplaces registered, but do not search them or install from them by name.
    #[command(after_help = "Examples:\n  ba-agent marketplace disable anthropic")]
    Disable(Names),
}

/// Register a marketplace.
#[derive(Debug, Args)]
#[command(
    long_about = "Register a marketplace under a name of your choice.\n\n\
        SOURCE is anything that `skill install` accepts, the URL or path of a marketplace.json, or a host \
        that serves an index of skills (https://host). A repository without a marketplace.json is a \
        marketplace of its skills.",
    after_help = "Examples:\n  \
        ba-agent marketplace add anthropic https://github.com/anthropics/skills\n  \
        ba-agent marketplace add copilot github/awesome-copilot#marketplace\n  \
        ba-agent marketplace add acme ./catalogue/.agents/plugins/marketplace.json\n  \
        ba-agent marketplace add acme https://acme.example"
)]
pub(crate) struct Add {
    /// The name to register it under: letters, digits, `-`, `_`.
    #[arg(value_name = "NAME")]
    name: String,
    /// Where it is.
    #[arg(value_name = "SOURCE")]
    source: String,
    /// The catalogue to use, if the source has several.
    #[arg(long, value_name = "PATH")]
    manifest: Option<String>,
    /// Replace a marketplace of this name.
    #[arg(long, short)]
    force: bool,
}

/// Names of marketplaces.
#[derive(Debug, Args)]
pub(crate) struct Names {
    /// The marketplaces.
    #[arg(value_name = "NAME", required = true)]
    names: Vec<String>,
}

/// Fetch catalogues again.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  ba-agent marketplace update\n  ba-agent marketplace update anthropic --json"
)]
pub(crate) struct MarketplaceUpdateArgs {
    /// The marketplaces to update; all of them by default.
    #[arg(value_name = "NAME")]
    names: Vec<String>,
}

/// Show entries.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  ba-agent marketplace show anthropic\n  ba-agent marketplace show anthropic document-skills"
)]
pub(crate) struct MarketplaceShowArgs {
    /// The marketplace.
    #[arg(value_name = "NAME")]
    name: String,
    /// The entry, or a skill of one.
    #[arg(value_name = "ENTRY")]
    entry: Option<String>,
}

/// Check catalogues.
#[derive(Debug, Args)]
#[command(
    long_about = "Check a marketplace.json, all findings at once.\n\n\
        PATH is the file, or a folder in which it is looked for; folders that it names must be there. The name of \
        a registered marketplace stands for its catalogue as it was fetched. Each finding is a line \
        `file:line:column: severity[code]: what is wrong` on stdout. The status is 8 when there is an error.",
    after_help = "Examples:\n  ba-agent marketplace validate .\n  ba-agent marketplace validate .claude-plugin/marketplace.json --strict\n  \
        ba-agent marketplace validate anthropic"
)]
pub(crate) struct MarketplaceValidateArgs {
    /// Catalogues, folders with one, or names of registered marketplaces.
    #[arg(value_name = "PATH", default_value = ".", value_hint = clap::ValueHint::AnyPath)]
    paths: Vec<PathBuf>,
    /// Warnings count as errors.
    #[arg(long)]
    strict: bool,
}

impl Marketplace {
    /// Runs the command of the group.
    ///
    /// # Errors
    /// Those of the function of [`ops::marketplace`] that it calls.
    pub(crate) fn run(self, cx: &CommandContext<'_>) -> Result<u8> {
        match self {
            Self::Add(command) => command.run(cx),
            Self::List => list(cx),
            Self::Remove(command) => command.remove(cx),
            Self::Update(command) => command.run(cx),
            Self::Show(command) => command.run(cx),
            Self::Validate(command) => command.run(cx),
            Self::Enable(command) => command.enable_or_disable(cx, true),
            Self::Disable(command) => command.enable_or_disable(cx, false),
        }
    }
}

impl Add {
    fn run(self, cx: &CommandContext<'_>) -> Result<u8> {
        let options =
            AddOptions { name: self.name, source: self.source, manifest: self.manifest, force: self.force };
        let report = ops::marketplace::add(&cx.workspace, &options, cx.ui)?;
        tell_added(cx, &options.name, &report);
        Ok(0)
    }
}

fn tell_added(cx: &CommandContext<'_>, name: &str, AddReport { fetched, findings }: &AddReport) {
    for warning in &fetched.warnings {
        cx.ui.warn(warning);
    }
    let entries = fetched.catalogue.plugins.len();
    let entries = if entries == 1 { "1 entry".to_owned() } else { format!("{entries} entries") };
    let pin = fetched.marketplace.pin.short_text().map_or(String::new(), |pin| format!(" ({pin})"));
    cx.ui.status("Added", &format!("{name} from {}{pin}", fetched.marketplace.source));
    cx.ui.detail(&format!("{entries}, {} in it", count_noun(fetched.skills, "skill")));
    tell_left_out(cx, fetched);
    let of = |severity| findings.iter().filter(|finding| finding.severity == severity).count();
    let (errors, warnings) = (of(Severity::Error), of(Severity::Warning));
    if errors + warnings > 0 {
        cx.ui.warn(&format!(
            "its catalogue has {} ({}): `ba-agent marketplace validate {name}` lists them",
            count_noun(errors + warnings, "finding"),
            count_noun(errors, "error"),
        ));
    }
    if cx.ui.json() {
        cx.ui.print_json_document(&serde_json::json!({
            "name": name, "marketplace": fetched.marketplace, "entries": fetched.catalogue.plugins.len(),
            "skills": fetched.skills, "warnings": fetched.warnings, "left_out": fetched.left_out,
            "findings": errors + warnings,
        }));
    }
}

/// What of a marketplace can be neither found nor installed: a line for each reason.
fn tell_left_out(cx: &CommandContext<'_>, fetched: &FetchedMarketplace) {
    const SHOWN: usize = 3;
    for (why, what) in fetched.left_out.iter() {
        let (one, several) = why.words();
        let mut names: Vec<String> = what
            .iter()
            .take(SHOWN)
            .map(|name| if name.is_empty() { "SKILL.md".to_owned() } else { name.clone() })
            .collect();
        if what.len() > SHOWN {
            names.push(format!("… (`--json` names all {})", what.len()));
        }
        let counted = if what.len() == 1 { format!("1 {one}") } else { format!("{} {several}", what.len()) };
        cx.ui.note(&format!("left out: {counted}: {}", names.join(", ")));
    }
}

fn list(cx: &CommandContext<'_>) -> Result<u8> {
    let rows = ops::marketplace::list(&cx.workspace, cx.ui)?;
    if cx.ui.json() {
        cx.ui.print_json_document(&serde_json::json!({ "marketplaces": rows }));
        return Ok(0);
    }
    if rows.is_empty() {
        cx.ui.note("no marketplace is registered: `ba-agent marketplace add NAME SOURCE`");
        return Ok(0);
    }
    let cells = |row: &ListedMarketplace| {
        vec![
            row.name.clone(),
            row.source.clone(),
            row.entries.map_or("-".to_owned(), |n| n.to_string()),
            row.pin.clone().unwrap_or_else(|| "live".to_owned()),
            row.fetched_at.to_string(),
            if row.enabled { row.scope.to_owned() } else { format!("{}, disabled", row.scope) },
        ]
    };
    let heading = ["name", "source", "entries", "pin", "fetched", "scope"];
    cx.ui.print_as_table(&heading, &rows.iter().map(cells).collect::<Vec<_>>());
    Ok(0)
}

impl Names {
    fn remove(self, cx: &CommandContext<'_>) -> Result<u8> {
        ops::marketplace::remove(&cx.workspace, &self.names, cx.ui)?;
        for name in &self.names {
            cx.ui.status("Removed", name);
        }
        if cx.ui.json() {
            cx.ui.print_json_document(&serde_json::json!({ "removed": self.names }));
        }
        Ok(0)
    }

    fn enable_or_disable(self, cx: &CommandContext<'_>, enabled: bool) -> Result<u8> {
        ops::marketplace::set_enabled(&cx.workspace, &self.names, enabled, cx.ui)?;
        for name in &self.names {
            cx.ui.status(if enabled { "Enabled" } else { "Disabled" }, name);
        }
        if cx.ui.json() {
            cx.ui.print_json_document(&serde_json::json!({ "names": self.names, "enabled": enabled }));
        }
        Ok(0)
    }
}

impl MarketplaceUpdateArgs {
    fn run(self, cx: &CommandContext<'_>) -> Result<u8> {
        let report = ops::marketplace::update(&cx.workspace, &self.names, cx.ui)?;
        tell_updated(cx, &report.updated, &report.failed);
        match report.failed.into_iter().next() {
            Some((name, error)) => Err(error.wrap(format!("the marketplace `{name}` was not updated"))),
            None => Ok(0),
        }
    }
}

fn tell_updated(cx: &CommandContext<'_>, updated: &[Updated], failed: &[(String, Error)]) {
    for one in updated {
        one.warnings.iter().for_each(|warning| cx.ui.warn(warning));
        let pins = match (&one.from, &one.to) {
            (Some(from), Some(to)) if from != to => format!(" {from} -> {to}"),
            _ => String::new(),
        };
        cx.ui.status(if one.changed { "Updated" } else { "Unchanged" }, &format!("{}{pins}", one.name));
        for (what, names) in [("new", &one.added), ("gone", &one.removed), ("moved", &one.moved)] {
            if !names.is_empty() {
                cx.ui.detail(&format!("{what}: {}", names.join(", ")));
            }
        }
    }
    // With a failure the one document on stdout is the error.
    if cx.ui.json() && failed.is_empty() {
        cx.ui.print_json_document(&serde_json::json!({ "marketplaces": updated }));
    }
    for (name, error) in failed.iter().skip(1) {
        cx.ui.warn(&format!("the marketplace `{name}` was not updated: {error}"));
    }
}

impl MarketplaceShowArgs {
    fn run(self, cx: &CommandContext<'_>) -> Result<u8> {
        let (catalogue, entries) =
            ops::marketplace::show(&cx.workspace, &self.name, self.entry.as_deref(), cx.ui)?;
        if cx.ui.json() {
            cx.ui.print_json_document(&serde_json::json!({
                "name": self.name, "title": catalogue.name, "owner": catalogue.owner,
                "description": catalogue.description, "version": catalogue.version, "entries": entries,
            }));
            return Ok(0);
        }
        match (&self.entry, entries.as_slice()) {
            (Some(_), [entry]) => tell_entry(cx, entry),
            _ => tell_entries(cx, &entries),
        }
        Ok(0)
    }
}

fn tell_entries(cx: &CommandContext<'_>, entries: &[EntryView]) {
    let cells = |entry: &EntryView| {
        let skills = match (entry.kind, entry.skills.len()) {
            (_, n) if n > 0 => n.to_string(),
            (Some("relative"), _) => "0".to_owned(),
            _ => "?".to_owned(),
        };
        let short: String = entry.description.as_deref().unwrap_or("").chars().take(80).collect();
        vec![entry.name.clone(), entry.kind.unwrap_or("unusable").to_owned(), skills, short]
    };
    cx.ui.print_as_table(
        &["name", "source", "skills", "description"],
        &entries.iter().map(cells).collect::<Vec<_>>(),
    );
}

fn tell_entry(cx: &CommandContext<'_>, entry: &EntryView) {
    let pinned = if entry.pinned { "yes" } else { "no: it follows whatever is there" };
    let lines = [
        ("name", Some(entry.name.clone())),
        ("description", entry.description.clone()),
        ("version", entry.version.clone()),
        ("author", entry.author.clone()),
        ("category", entry.category.clone()),
        ("tags", Some(entry.tags.join(", ")).filter(|tags| !tags.is_empty())),
        ("homepage", entry.homepage.clone()),
        ("source", entry.kind.map(str::to_owned)),
        ("pinned", entry.kind.map(|_| pinned.to_owned())),
        ("skills", Some(entry.skills.join(", ")).filter(|skills| !skills.is_empty())),
        ("unusable", entry.fault.clone()),
    ];
    for (key, value) in lines {
        if let Some(value) = value {
            cx.ui.line(&format!("{} {}", cx.ui.bold(&format!("{key:<13}")), printable(&value, false)));
        }
    }
}

impl MarketplaceValidateArgs {
    fn run(self, cx: &CommandContext<'_>) -> Result<u8> {
        let checked = ops::marketplace::validate(&cx.workspace, &self.paths, cx.ui)?;
        let limit = if self.strict { Severity::Warning } else { Severity::Error };
        let invalid = checked.iter().filter(|one| worst_severity(&one.findings) >= Some(limit)).count();
        tell_checked(cx, &checked, invalid, self.strict);
        Ok(if invalid > 0 { Kind::Invalid.exit_status() } else { 0 })
    }
}

fn tell_checked(cx: &CommandContext<'_>, checked: &[CheckedCatalog], invalid: usize, strict: bool) {
    if cx.ui.json() {
        let files: Vec<_> = checked
            .iter()
            .map(|one| serde_json::json!({ "path": one.path, "findings": one.findings }))
            .collect();
        cx.ui.print_json_document(&serde_json::json!({ "catalogues": files, "checked": checked.len(), "invalid": invalid, "strict": strict }));
        return;
    }
    for finding in checked.iter().flat_map(|one| &one.findings) {
        cx.ui.print_finding_of(".", finding);
    }
    let findings: usize = checked.iter().map(|one| one.findings.len()).sum();
    let verdict = if invalid == 0 { "valid".to_owned() } else { format!("{invalid} invalid") };
    cx.ui.status(
        "Checked",
        &format!(
            "{}: {verdict}, {}",
            count_noun(checked.len(), "catalogue"),
            count_noun(findings, "finding")
        ),
    );
}
