//! `ba-agent marketplace add|list|remove|update|show|validate|enable|disable`.

mod init;

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::CommandContext;
use super::choice::choose_marketplaces;
use crate::picker::SelectionMode;
use crate::table::Column;
use ba_agent_core::error::{Error, Kind, Result, error, printable};
use ba_agent_core::skill::{Severity, worst_severity};
use ba_agent_core::text::{count_noun, format_age, shorten_text};
use ba_agent_engine::ops;
use ba_agent_engine::ops::marketplace::{
    AddKnownReport, AddOptions, AddReport, CheckedCatalog, EntryView, FetchedMarketplace, ListedKnown,
    ListedMarketplace, Updated,
};

/// Register, list, update and check marketplaces: catalogues of skills.
#[derive(Debug, Subcommand)]
pub(crate) enum Marketplace {
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
    #[command(visible_alias = "lint")]
    Validate(MarketplaceValidateArgs),
    Init(init::MarketplaceInitArgs),
    /// Search marketplaces that were disabled, and install from them, again.
    #[command(after_help = "Examples:\n  ba-agent marketplace enable anthropic")]
    Enable(Names),
    /// Keep marketplaces registered, but do not search them or install from them by name.
    #[command(after_help = "Examples:\n  ba-agent marketplace disable anthropic")]
    Disable(Names),
}

/// Register a marketplace, for your user account.
#[derive(Debug, Args)]
#[command(
    override_usage = "ba-agent marketplace add [OPTIONS] [NAME] <SOURCE>\n       \
        ba-agent marketplace add [OPTIONS] --known [NAME]...\n       \
        ba-agent marketplace add [OPTIONS] --from <FILE>",
    long_about = "Register a marketplace, for your user account.\n\n\
        SOURCE is anything that `skill install` accepts, the URL or path of a marketplace.json, or a host \
        that serves an index of skills (https://host). A repository without a marketplace.json is a \
        marketplace of its skills. Without NAME it is called what its catalogue calls itself. \
        `--known` lists a few public catalogues, and adds those that are named behind it.",
    after_help = "Examples:\n  \
        ba-agent marketplace add --known\n  \
        ba-agent marketplace add --known anthropic superpowers\n  \
        ba-agent marketplace add anthropics/skills\n  \
        ba-agent marketplace add --from ~/.claude/plugins/known_marketplaces.json\n  \
        ba-agent marketplace add anthropic https://github.com/anthropics/skills\n  \
        ba-agent marketplace add team ./catalogue --scope project\n  \
        ba-agent marketplace add acme ./catalogue/.agents/plugins/marketplace.json\n  \
        ba-agent marketplace add acme https://acme.example"
)]
pub(crate) struct Add {
    /// Where it is; before it, the name to register it under: letters, digits, `-`, `_`. With
    /// `--known`, names of known catalogues.
    #[arg(value_name = "SOURCE", required_unless_present_any = ["known", "from"])]
    words: Vec<String>,
    /// List the known public catalogues, or add those that are named; nothing else is fetched.
    #[arg(long, conflicts_with = "manifest")]
    known: bool,
    /// Register the marketplaces of Claude Code's known_marketplaces.json, under their names.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["known", "manifest", "words"], value_hint = clap::ValueHint::FilePath)]
    from: Option<PathBuf>,
    /// Whose it is: yours in every project, or of everybody who has this project.
    #[arg(long, value_enum, value_name = "SCOPE")]
    scope: Option<MarketplaceScope>,
    /// The catalogue to use, if the source has several.
    #[arg(long, value_name = "PATH")]
    manifest: Option<String>,
    /// Replace a marketplace of this name.
    #[arg(long, short)]
    force: bool,
}

/// Whose a marketplace is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum MarketplaceScope {
    /// Yours, in every project; the default.
    User,
    /// The project's: recorded in a file that is committed.
    Project,
}

/// Names of marketplaces.
#[derive(Debug, Args)]
pub(crate) struct Names {
    /// The marketplaces. Without one you choose from a list, on a terminal.
    #[arg(value_name = "NAME")]
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
    /// The marketplace. Without one you choose from a list, on a terminal.
    #[arg(value_name = "NAME")]
    name: Option<String>,
    /// The entry, or a skill of one.
    #[arg(value_name = "ENTRY")]
    entry: Option<String>,
}

/// Check a marketplace.json, all findings at once.
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
            Self::Init(command) => command.run(cx),
            Self::Enable(command) => command.enable_or_disable(cx, true),
            Self::Disable(command) => command.enable_or_disable(cx, false),
        }
    }
}

impl Add {
    fn run(self, cx: &CommandContext<'_>) -> Result<u8> {
        let options = AddOptions {
            force: self.force,
            for_project: self.scope == Some(MarketplaceScope::Project),
            for_user: self.scope == Some(MarketplaceScope::User),
            ..AddOptions::default()
        };
        if self.known {
            return match &self.words[..] {
                [] => list_known(cx),
                names => add_known(cx, names, &options),
            };
        }
        if let Some(file) = &self.from {
            let report = ops::marketplace::add_from(&cx.workspace, file, &options, cx.ui)?;
            return tell_all_added(cx, report);
        }
        let (name, source) = match &self.words[..] {
            [source] => (None, source.clone()),
            [name, source] => (Some(name.clone()), source.clone()),
            _ => {
                return Err(error!(Usage, "one marketplace is added at a time: expected `[NAME] SOURCE`")
                    .hint("several known catalogues are added with `--known NAME...`"));
            }
        };
        let options = AddOptions { name, source, manifest: self.manifest, ..options };
        let report = ops::marketplace::add(&cx.workspace, &options, cx.ui)?;
        tell_added(cx, &report);
        if cx.ui.json() {
            cx.ui.print_json_document(&added_as_json(&report));
        }
        Ok(0)
    }
}

fn list_known(cx: &CommandContext<'_>) -> Result<u8> {
    let rows = ops::marketplace::list_known(&cx.workspace, cx.ui)?;
    if cx.ui.json() {
        cx.ui.print_json_document(&serde_json::json!({ "known": rows }));
        return Ok(0);
    }
    let cells = |row: &ListedKnown| {
        let name = row.registered_as.as_ref().map_or("-", |name| name.as_str());
        [row.catalog.name, row.catalog.source, name, row.catalog.about].map(str::to_owned).to_vec()
    };
    let columns = [
        Column::from("name"),
        Column::optional("source", 2),
        Column::optional("registered as", 1),
        Column::from("what it has"),
    ];
    cx.ui.print_as_table(&columns, &rows.iter().map(cells).collect::<Vec<_>>());
    cx.ui.note("add some with: ba-agent marketplace add --known NAME...");
    Ok(0)
}

fn add_known(cx: &CommandContext<'_>, names: &[String], options: &AddOptions) -> Result<u8> {
    tell_all_added(cx, ops::marketplace::add_known(&cx.workspace, names, options, cx.ui)?)
}

fn tell_all_added(cx: &CommandContext<'_>, report: AddKnownReport) -> Result<u8> {
    report.added.iter().for_each(|added| tell_added(cx, added));
    for (name, error) in report.failed.iter().skip(1) {
        cx.ui.warn(&format!("`{name}` was not added: {error}"));
    }
    if let Some((name, error)) = report.failed.into_iter().next() {
        // With a failure the one document on stdout is the error.
        return Err(error.wrap(format!("`{name}` was not added")));
    }
    if cx.ui.json() {
        let added: Vec<_> = report.added.iter().map(added_as_json).collect();
        cx.ui.print_json_document(&serde_json::json!({ "added": added }));
    }
    Ok(0)
}

fn tell_added(cx: &CommandContext<'_>, report: &AddReport) {
    let AddReport { name, scope, fetched, .. } = report;
    for warning in &fetched.warnings {
        cx.ui.warn(warning);
    }
    let pin = fetched.marketplace.pin.short_text().map_or(String::new(), |pin| format!(" ({pin})"));
    let whose = if *scope == "project" { ", for everybody who has this project" } else { "" };
    cx.ui.status("Added", &format!("{name} from {}{pin}{whose}", fetched.marketplace.source));
    cx.ui.detail(&describe_contents(fetched));
    tell_left_out(cx, fetched);
    let (errors, findings) = count_findings(report);
    if findings > 0 {
        cx.ui.warn(&format!(
            "its catalogue has {} ({}): `ba-agent marketplace validate {name}` lists them",
            count_noun(findings, "finding"),
            count_noun(errors, "error"),
        ));
    }
}

/// How much a marketplace has, here and elsewhere.
fn describe_contents(fetched: &FetchedMarketplace) -> String {
    let counted = |n: usize| if n == 1 { "1 entry".to_owned() } else { format!("{n} entries") };
    let entries = counted(fetched.catalogue.plugins.len());
    let skills = count_noun(fetched.skills, "skill");
    match fetched.elsewhere {
        0 => format!("{entries}, {skills} in it"),
        n => {
            let (lie, are) = if n == 1 { ("lies", "its skills are") } else { ("lie", "their skills are") };
            format!("{entries}, {skills} in it; {} {lie} elsewhere, {are} not counted", counted(n))
        }
    }
}

/// Errors, and all that is more than a remark.
fn count_findings(report: &AddReport) -> (usize, usize) {
    let of = |severity| report.findings.iter().filter(|finding| finding.severity == severity).count();
    let errors = of(Severity::Error);
    (errors, errors + of(Severity::Warning))
}

fn added_as_json(report: &AddReport) -> serde_json::Value {
    let AddReport { name, scope, fetched, .. } = report;
    serde_json::json!({
        "name": name, "scope": scope, "marketplace": fetched.marketplace,
        "entries": fetched.catalogue.plugins.len(), "skills": fetched.skills, "elsewhere": fetched.elsewhere,
        "warnings": fetched.warnings, "left_out": fetched.left_out, "findings": count_findings(report).1,
    })
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
        cx.ui.note("no marketplace is registered: `ba-agent marketplace add --known` lists a few");
        return Ok(0);
    }
    let fetched = |row: &ListedMarketplace| match cx.ui.stdout_is_terminal() {
        true => format_age(row.fetched_at, cx.env().now),
        false => row.fetched_at.to_string(),
    };
    let cells = |row: &ListedMarketplace| {
        vec![
            row.name.clone(),
            row.source.clone(),
            row.entries.map_or("-".to_owned(), |n| n.to_string()),
            row.pin.clone().unwrap_or_else(|| "live".to_owned()),
            fetched(row),
            if row.enabled { row.scope.to_owned() } else { format!("{}, disabled", row.scope) },
        ]
    };
    let columns = [
        Column::from("name"),
        Column::optional("source", 4),
        Column::optional("entries", 1),
        Column::optional("pin", 3),
        Column::from("fetched"),
        Column::optional("scope", 2),
    ];
    cx.ui.print_as_table(&columns, &rows.iter().map(cells).collect::<Vec<_>>());
    Ok(0)
}

impl Names {
    /// Those that were typed, or else are chosen.
    fn names_or_choice(
        self,
        cx: &CommandContext<'_>,
        verb: &'static str,
        usage: &'static str,
    ) -> Result<Vec<String>> {
        match self.names.is_empty() {
            true => choose_marketplaces(cx, verb, SelectionMode::Many, usage),
            false => Ok(self.names),
        }
    }

    fn remove(self, cx: &CommandContext<'_>) -> Result<u8> {
        let names = self.names_or_choice(cx, "remove", "marketplace remove <NAME>...")?;
        ops::marketplace::remove(&cx.workspace, &names, cx.ui)?;
        for name in &names {
            cx.ui.status("Removed", name);
        }
        if cx.ui.json() {
            cx.ui.print_json_document(&serde_json::json!({ "removed": names }));
        }
        Ok(0)
    }

    fn enable_or_disable(self, cx: &CommandContext<'_>, enabled: bool) -> Result<u8> {
        let (verb, usage) = match enabled {
            true => ("enable", "marketplace enable <NAME>..."),
            false => ("disable", "marketplace disable <NAME>..."),
        };
        let names = self.names_or_choice(cx, verb, usage)?;
        ops::marketplace::set_enabled(&cx.workspace, &names, enabled, cx.ui)?;
        for name in &names {
            cx.ui.status(if enabled { "Enabled" } else { "Disabled" }, name);
        }
        if cx.ui.json() {
            cx.ui.print_json_document(&serde_json::json!({ "names": names, "enabled": enabled }));
        }
        Ok(0)
    }
}

impl MarketplaceUpdateArgs {
    fn run(self, cx: &CommandContext<'_>) -> Result<u8> {
        let report = ops::marketplace::update(&cx.workspace, &self.names, cx.ui)?;
        if report.updated.is_empty() && report.failed.is_empty() && !cx.ui.json() {
            cx.ui.note("no marketplace is registered: there is nothing to update");
        }
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
        let usage = "marketplace show <NAME> [ENTRY]";
        let name = match self.name {
            Some(name) => Some(name),
            None => choose_marketplaces(cx, "show", SelectionMode::One, usage)?.into_iter().next(),
        };
        let Some(name) = name else { return Ok(0) };
        let (catalogue, entries) =
            ops::marketplace::show(&cx.workspace, &name, self.entry.as_deref(), cx.ui)?;
        if cx.ui.json() {
            cx.ui.print_json_document(&serde_json::json!({
                "name": name, "title": catalogue.name, "owner": catalogue.owner,
                "description": catalogue.description, "version": catalogue.version, "entries": entries,
            }));
            return Ok(0);
        }
        match (&self.entry, entries.as_slice()) {
            (Some(_), [entry]) => tell_entry(cx, entry),
            _ => tell_entries(cx, &name, &entries),
        }
        Ok(0)
    }
}

fn tell_entries(cx: &CommandContext<'_>, marketplace: &str, entries: &[EntryView]) {
    let cells = |entry: &EntryView| {
        let skills = match (entry.kind, entry.skills.len()) {
            (_, n) if n > 0 => n.to_string(),
            (Some("relative"), _) => "0".to_owned(),
            _ => "?".to_owned(),
        };
        let short = shorten_text(entry.description.as_deref().unwrap_or(""), 80);
        vec![entry.name.clone(), entry.kind.unwrap_or("unusable").to_owned(), skills, short]
    };
    cx.ui.print_as_table(
        &[
            Column::from("name"),
            Column::optional("source", 2),
            Column::optional("skills", 1),
            Column::from("description"),
        ],
        &entries.iter().map(cells).collect::<Vec<_>>(),
    );
    if cx.ui.stdout_is_terminal() && !entries.is_empty() {
        let elsewhere = entries.iter().any(|entry| entry.skills.is_empty() && entry.kind != Some("relative"));
        if elsewhere {
            cx.ui.note("`?`: it lies elsewhere, and its skills are known when it is fetched");
        }
        cx.ui.note(&format!("skills by name: `ba-agent marketplace show {marketplace} ENTRY`"));
    }
}

fn tell_entry(cx: &CommandContext<'_>, entry: &EntryView) {
    let pinned = if entry.pinned { "yes" } else { "no: it follows whatever is there" };
    let lines = [
        ("name", Some(entry.name.clone())),
        ("description", entry.description.as_deref().map(|text| shorten_text(text, usize::MAX))),
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
            let value = cx.ui.wrap_lines(&printable(&value, false), 14).replace('\n', "\n              ");
            cx.ui.line(&format!("{} {value}", cx.ui.bold(&format!("{key:<13}"))));
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
