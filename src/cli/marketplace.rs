//! `ba-agent marketplace add|list|remove|update|show|validate|enable|disable`.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};

use super::{Context, Place};
use crate::catalog::{self as catalogue, CatalogFormat, MANIFESTS};
use crate::error::{Error, Kind, Result, error, fail, printable};
use crate::fetch::local;
use crate::fetch::marketplace::Place as Where;
use crate::ops::marketplace::{self, EntryView, Fetched, Updated};
use crate::skill::{Finding, Severity, worst_severity};
use crate::source::Request;
use crate::store::marketplaces::{self, Marketplaces, RegisteredMarketplace as Known};
use crate::text::count_noun;

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
    Update(Update),
    /// Show the entries of a marketplace, or one of them.
    Show(Show),
    /// Check a marketplace.json, all findings at once.
    #[command(visible_alias = "lint")]
    Validate(Validate),
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
        that serves an index of skills (https://host). A repository without a \
        marketplace.json is a marketplace with its skills as entries.",
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
pub(crate) struct Update {
    /// The marketplaces to update; all of them by default.
    #[arg(value_name = "NAME")]
    names: Vec<String>,
}

/// Show entries.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  ba-agent marketplace show anthropic\n  ba-agent marketplace show anthropic document-skills"
)]
pub(crate) struct Show {
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
pub(crate) struct Validate {
    /// Catalogues, folders with one, or names of registered marketplaces.
    #[arg(value_name = "PATH", default_value = ".", value_hint = clap::ValueHint::AnyPath)]
    paths: Vec<PathBuf>,
    /// Warnings count as errors.
    #[arg(long)]
    strict: bool,
}

impl Marketplace {
    pub(crate) fn run(self, cx: &Context<'_>) -> Result<u8> {
        match self {
            Self::Add(command) => command.run(cx),
            Self::List => list(cx),
            Self::Remove(command) => command.remove(cx),
            Self::Update(command) => command.run(cx),
            Self::Show(command) => command.run(cx),
            Self::Validate(command) => command.run(cx),
            Self::Enable(command) => command.switch(cx, true),
            Self::Disable(command) => command.switch(cx, false),
        }
    }
}

impl Add {
    fn run(self, cx: &Context<'_>) -> Result<u8> {
        check_name(&self.name)?;
        let place = cx.place()?;
        let all = place.marketplaces(cx.env)?;
        let at = self.place(cx, &place)?;
        self.check_free(&all, &at)?;
        let world = cx.world(&place);
        let fetched = marketplace::fetch(&at, &world)?;
        marketplace::keep(&fetched, &world);
        let record = fetched.marketplace.clone();
        change(cx, &place, |known| {
            known.insert(self.name.clone(), record);
            Ok(())
        })?;
        tell_added(cx, &self.name, &fetched);
        Ok(0)
    }

    fn place(&self, cx: &Context<'_>, place: &Place) -> Result<Where> {
        let mut at = Where::parse(&self.source)?;
        if let Where::Tree { request, manifest } = &mut at {
            **request = place.anchor(cx.env, (**request).clone());
            if request.skill.is_some() {
                fail!(
                    Usage,
                    "a marketplace is not a single skill: omit `@{}`",
                    request.skill.as_deref().unwrap_or("")
                );
            }
            if let Some(path) = &self.manifest {
                let path = path.trim_start_matches("./").replace('\\', "/");
                *manifest = Some(path);
            }
        } else if self.manifest.is_some() {
            fail!(
                Usage,
                "`--manifest` names a file of a repository, folder or archive; `{}` is not one of these",
                self.source
            );
        }
        Ok(at)
    }

    fn check_free(&self, all: &Marketplaces, at: &Where) -> Result<()> {
        let Ok(known) = all.get(&self.name) else { return Ok(()) };
        if self.force || !all.is_own(&self.name) || known.source == at.text() {
            return Ok(());
        }
        Err(error!(Conflict, "the marketplace `{}` already exists: {}", self.name, known.source)
            .hint("choose another name, or replace it with `--force`"))
    }
}

/// A name that can stand behind `@`.
fn check_name(name: &str) -> Result<()> {
    if Request::bare_name(name) == Some(name) {
        return Ok(());
    }
    Err(error!(Usage, "`{}` is not a valid marketplace name", printable(name, false))
        .hint("use letters, digits, `-` and `_`"))
}

fn change<T>(
    cx: &Context<'_>,
    place: &Place,
    change: impl FnOnce(&mut std::collections::BTreeMap<String, Known>) -> Result<T>,
) -> Result<T> {
    let lock = place.store.workspace().marketplaces_lock_file();
    let file = place.places.check_inside("list of marketplaces", &place.marketplaces_file())?;
    marketplaces::change(&file, &lock, cx.lock_wait()?, &cx.waiting(), change)
}

fn tell_added(cx: &Context<'_>, name: &str, fetched: &Fetched) {
    for warning in &fetched.warnings {
        cx.ui.warn(warning);
    }
    let entries = fetched.catalogue.plugins.len();
    let entries = if entries == 1 { "1 entry".to_owned() } else { format!("{entries} entries") };
    let pin = fetched.marketplace.pin.short_text().map_or(String::new(), |pin| format!(" ({pin})"));
    cx.ui.status("Added", &format!("{name} from {}{pin}", fetched.marketplace.source));
    cx.ui.detail(&format!("{entries}, {} in it", count_noun(fetched.skills, "skill")));
    tell_left_out(cx, fetched);
    let findings = marketplace::check(&fetched.marketplace, &fetched.copy.text);
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
        cx.ui.data(&serde_json::json!({
            "name": name, "marketplace": fetched.marketplace, "entries": fetched.catalogue.plugins.len(),
            "skills": fetched.skills, "warnings": fetched.warnings, "left_out": fetched.left_out,
            "findings": errors + warnings,
        }));
    }
}

/// What of a marketplace can be neither found nor installed: a line for each reason.
fn tell_left_out(cx: &Context<'_>, fetched: &Fetched) {
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

fn list(cx: &Context<'_>) -> Result<u8> {
    let place = cx.place()?;
    let all = place.marketplaces(cx.env)?;
    let rows = marketplace::list(&all, place.scope.name(), &cx.world(&place));
    if cx.ui.json() {
        cx.ui.data(&serde_json::json!({ "marketplaces": rows }));
        return Ok(0);
    }
    if rows.is_empty() {
        cx.ui.note("no marketplace is registered: `ba-agent marketplace add NAME SOURCE`");
        return Ok(0);
    }
    let cells = |row: &marketplace::Row<'_>| {
        vec![
            row.name.to_owned(),
            row.source.to_owned(),
            row.entries.map_or("-".to_owned(), |n| n.to_string()),
            row.pin.clone().unwrap_or_else(|| "live".to_owned()),
            row.fetched_at.to_string(),
            if row.enabled { row.scope.to_owned() } else { format!("{}, disabled", row.scope) },
        ]
    };
    let heading = ["name", "source", "entries", "pin", "fetched", "scope"];
    cx.ui.table(&heading, &rows.iter().map(cells).collect::<Vec<_>>());
    Ok(0)
}

impl Names {
    fn remove(self, cx: &Context<'_>) -> Result<u8> {
        let place = cx.place()?;
        let all = place.marketplaces(cx.env)?;
        change(cx, &place, |known| {
            self.own(&all, known)?;
            self.names.iter().for_each(|name| drop(known.remove(name)));
            Ok(())
        })?;
        for name in &self.names {
            cx.ui.status("Removed", name);
        }
        if cx.ui.json() {
            cx.ui.data(&serde_json::json!({ "removed": self.names }));
        }
        Ok(0)
    }

    fn switch(self, cx: &Context<'_>, enabled: bool) -> Result<u8> {
        let place = cx.place()?;
        let all = place.marketplaces(cx.env)?;
        change(cx, &place, |known| {
            self.own(&all, known)?;
            for name in &self.names {
                if let Some(one) = known.get_mut(name) {
                    one.enabled = enabled;
                }
            }
            Ok(())
        })?;
        for name in &self.names {
            cx.ui.status(if enabled { "Enabled" } else { "Disabled" }, name);
        }
        if cx.ui.json() {
            cx.ui.data(&serde_json::json!({ "names": self.names, "enabled": enabled }));
        }
        Ok(0)
    }

    /// Only marketplaces of the scope itself can be changed from it.
    fn own(&self, all: &Marketplaces, known: &std::collections::BTreeMap<String, Known>) -> Result<()> {
        let Some(name) = self.names.iter().find(|name| !known.contains_key(*name)) else { return Ok(()) };
        all.get(name)?;
        Err(error!(NotFound, "`{}` is registered for your user account, not here", printable(name, false))
            .hint("add `--global`"))
    }
}

impl Update {
    fn run(self, cx: &Context<'_>) -> Result<u8> {
        let place = cx.place()?;
        let all = place.marketplaces(cx.env)?;
        let world = cx.world(&place);
        let names = self.names(&all, place.scope.name())?;
        let (mut updated, mut failed) = marketplace::refresh(&names, &all, &world);
        // The new catalogues are in the cache before the records lead to them; the old ones
        // stay for projects that are still at the old state.
        failed.extend(change(cx, &place, |own| Ok(marketplace::record(&mut updated, own)))?);
        tell_updated(cx, &updated, &failed);
        match failed.into_iter().next() {
            Some((name, error)) => Err(error.wrap(format!("the marketplace `{name}` was not updated"))),
            None => Ok(0),
        }
    }

    /// The named ones, or all of this scope.
    fn names(&self, all: &Marketplaces, scope: &str) -> Result<Vec<String>> {
        for name in &self.names {
            all.get(name)?;
            if !all.is_own(name) {
                return Err(error!(
                    NotFound,
                    "`{}` is not registered in this {scope}",
                    printable(name, false)
                )
                .hint("it is one of your user account: add `--global`"));
            }
        }
        let own = all.all().map(|(name, _)| name).filter(|name| all.is_own(name));
        Ok(if self.names.is_empty() { own.cloned().collect() } else { self.names.clone() })
    }
}

fn tell_updated(cx: &Context<'_>, updated: &[Updated], failed: &[(String, Error)]) {
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
        cx.ui.data(&serde_json::json!({ "marketplaces": updated }));
    }
    for (name, error) in failed.iter().skip(1) {
        cx.ui.warn(&format!("the marketplace `{name}` was not updated: {error}"));
    }
}

impl Show {
    fn run(self, cx: &Context<'_>) -> Result<u8> {
        let place = cx.place()?;
        let all = place.marketplaces(cx.env)?;
        let world = cx.world(&place);
        let (catalogue, entries) = marketplace::describe(&self.name, self.entry.as_deref(), &all, &world)?;
        if cx.ui.json() {
            cx.ui.data(&serde_json::json!({
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

fn tell_entries(cx: &Context<'_>, entries: &[EntryView]) {
    let cells = |entry: &EntryView| {
        let skills = match (entry.kind, entry.skills.len()) {
            (_, n) if n > 0 => n.to_string(),
            (Some("relative"), _) => "0".to_owned(),
            _ => "?".to_owned(),
        };
        let short: String = entry.description.as_deref().unwrap_or("").chars().take(80).collect();
        vec![entry.name.clone(), entry.kind.unwrap_or("unusable").to_owned(), skills, short]
    };
    cx.ui.table(&["name", "source", "skills", "description"], &entries.iter().map(cells).collect::<Vec<_>>());
}

fn tell_entry(cx: &Context<'_>, entry: &EntryView) {
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

impl Validate {
    fn run(self, cx: &Context<'_>) -> Result<u8> {
        let mut checked: Vec<(String, Vec<Finding>)> = Vec::new();
        for path in &self.paths {
            if let Some(findings) = registered(cx, path)? {
                checked.push((path.display().to_string(), findings));
                continue;
            }
            let (file, shown) = manifest_at(&cx.env.absolute(path), path)?;
            let size = std::fs::metadata(&file).map_or(0, |meta| meta.len());
            // One byte more than allowed is enough to say that it is too large.
            let text = read_start(&file, size.min(catalogue::MAX_BYTES + 1))?;
            let place = file.to_string_lossy().replace('\\', "/");
            let root = PathBuf::from(format!("{}/", catalogue::root_of(&place)));
            let official = local::find_origin(&root).is_some_and(|source| catalogue::is_official(&source));
            let manner = CatalogFormat { official, ..CatalogFormat::of(&place, true) };
            let is_folder = |path: &str| root.join(path).is_dir();
            checked.push((shown.clone(), catalogue::check_catalog(&text, &shown, manner, Some(&is_folder))));
        }
        let limit = if self.strict { Severity::Warning } else { Severity::Error };
        let invalid = checked.iter().filter(|(_, findings)| worst_severity(findings) >= Some(limit)).count();
        tell_checked(cx, &checked, invalid, self.strict);
        Ok(if invalid > 0 { Kind::Invalid.exit_status() } else { 0 })
    }
}

/// The findings about a registered marketplace, where the word is the name of one and of
/// nothing on the disk.
fn registered(cx: &Context<'_>, word: &Path) -> Result<Option<Vec<Finding>>> {
    let name = word.to_str().filter(|name| check_name(name).is_ok());
    let Some(name) = name.filter(|_| !cx.env.absolute(word).exists()) else { return Ok(None) };
    let place = cx.place()?;
    let all = place.marketplaces(cx.env)?;
    let Ok(known) = all.get(name) else { return Ok(None) };
    marketplace::check_registered(known, &cx.world(&place)).map(Some)
}

fn tell_checked(cx: &Context<'_>, checked: &[(String, Vec<Finding>)], invalid: usize, strict: bool) {
    if cx.ui.json() {
        let files: Vec<_> = checked
            .iter()
            .map(|(path, findings)| serde_json::json!({ "path": path, "findings": findings }))
            .collect();
        cx.ui.data(&serde_json::json!({ "catalogues": files, "checked": checked.len(), "invalid": invalid, "strict": strict }));
        return;
    }
    for finding in checked.iter().flat_map(|(_, findings)| findings) {
        cx.ui.finding(".", finding);
    }
    let findings: usize = checked.iter().map(|(_, findings)| findings.len()).sum();
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

/// The catalogue that a path means, and how a person would name it.
fn manifest_at(path: &Path, typed: &Path) -> Result<(PathBuf, String)> {
    let shown = typed.to_string_lossy().trim_end_matches('/').to_owned();
    if path.is_file() {
        return Ok((path.to_path_buf(), shown));
    }
    if !path.is_dir() {
        return Err(error!(NotFound, "`{}` does not exist", printable(&shown, false)));
    }
    let found = MANIFESTS.iter().map(|(name, _)| *name).find(|name| path.join(name).is_file());
    let name = found.ok_or_else(|| {
        error!(NotFound, "there is no marketplace.json in `{}`", printable(&shown, false))
            .hint(format!("looked for {}", MANIFESTS.map(|(name, _)| name).join(", ")))
    })?;
    Ok((path.join(name), if shown == "." { name.to_owned() } else { format!("{shown}/{name}") }))
}

fn read_start(file: &Path, bytes: u64) -> Result<String> {
    use std::io::Read as _;
    let mut start = Vec::new();
    fs_err::File::open(file)?.take(bytes).read_to_end(&mut start)?;
    String::from_utf8(start).map_err(|e| {
        error!(Invalid, "`{}` is not UTF-8", file.display())
            .cause(format!("the first bad byte is number {}", e.utf8_error().valid_up_to()))
    })
}
