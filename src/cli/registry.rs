//! `ba-agent registry add|list|show|remove|build|check|mirror`.

mod build;
mod check;
mod mirror;

use clap::{Args, Subcommand};
use clap_complete::engine::ArgValueCandidates;
use serde_json::json;

use super::CommandContext;
use super::complete::registry_names;
use super::marketplace::MarketplaceScope;
use crate::table::Column;
use ba_agent_core::error::Result;
use ba_agent_core::text::{count_noun, format_age, format_bytes};
use ba_agent_engine::ops;
use ba_agent_engine::ops::registry::{AddRegistryOptions, ListedRegistry};

/// Name, check, build and copy remote registries, which serve skills.
#[derive(Debug, Subcommand)]
pub(crate) enum RegistryCommand {
    Add(RegistryAddArgs),
    /// List the remote registries that the settings name.
    #[command(
        visible_alias = "ls",
        after_help = "Examples:\n  ba-agent registry list\n  ba-agent registry list --json"
    )]
    List,
    Show(RegistryNameArgs),
    /// Take a registry out of the settings, with its token; skills installed from it stay.
    #[command(visible_alias = "rm", after_help = "Examples:\n  ba-agent registry remove acme")]
    Remove(RegistryNameArgs),
    Build(build::RegistryBuildArgs),
    Check(check::RegistryCheckArgs),
    Mirror(mirror::RegistryMirrorArgs),
}

/// Name a remote registry in your settings.
#[derive(Debug, Args)]
#[command(
    override_usage = "ba-agent registry add [OPTIONS] [NAME] <URL>",
    long_about = "Name a remote registry in your settings.\n\n\
        URL is the address of its top folder, or a folder of this machine. The registry is asked what it is, and \
        the key of its log is noted: from then on another key is refused. The skills of an owner come from one \
        registry alone; those of owners that no registry names come from the default one.",
    after_help = "Examples:\n  \
        ba-agent registry add acme https://skills.acme.example --serves @acme\n  \
        ba-agent registry add https://skills.example.org --default\n  \
        ba-agent registry add team ./skills-registry --serves @team,@lab"
)]
pub(crate) struct RegistryAddArgs {
    /// Its address; before it, the name to give it: small letters, digits, `-`.
    #[arg(value_name = "URL", required = true, num_args = 1..=2)]
    words: Vec<String>,
    /// Owners whose skills come from it, and from no other.
    #[arg(long, value_name = "@OWNER", value_delimiter = ',')]
    serves: Vec<String>,
    /// A copy of it, which is asked first; may be given several times.
    #[arg(long, value_name = "URL")]
    mirror: Vec<String>,
    /// It has the owners that no registry names.
    #[arg(long)]
    default: bool,
    /// Whose settings name it: yours, for every project, or this project's, for everybody who has it.
    #[arg(long, value_enum, value_name = "SCOPE")]
    scope: Option<MarketplaceScope>,
    /// Replace a registry of this name, and forget what was seen of this one.
    #[arg(long, short)]
    force: bool,
}

/// Show what a registry says of itself: limits, log, the age of the copy.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  ba-agent registry show acme\n  ba-agent registry show acme --json")]
pub(crate) struct RegistryNameArgs {
    /// Its name in the settings.
    #[arg(value_name = "NAME", add = ArgValueCandidates::new(registry_names))]
    name: String,
}

impl RegistryCommand {
    /// Runs the command of the group.
    ///
    /// # Errors
    /// Those of the function of [`ops::registry`] that it calls.
    pub(crate) fn run(self, cx: &CommandContext<'_>) -> Result<u8> {
        match self {
            Self::Add(command) => command.run(cx),
            Self::List => list(cx),
            Self::Show(command) => command.show(cx),
            Self::Remove(command) => command.remove(cx),
            Self::Build(command) => command.run(cx),
            Self::Check(command) => command.run(cx),
            Self::Mirror(command) => command.run(cx),
        }
    }
}

impl RegistryAddArgs {
    fn run(mut self, cx: &CommandContext<'_>) -> Result<u8> {
        let address = self.words.pop().unwrap_or_default();
        let options = AddRegistryOptions {
            name: self.words.pop(),
            address,
            serves: self.serves,
            mirrors: self.mirror,
            default: self.default,
            force: self.force,
            for_project: self.scope == Some(MarketplaceScope::Project),
        };
        let report = ops::registry::add(&cx.workspace, &options, cx.ui)?;
        let what = if report.changed { "Added" } else { "Unchanged" };
        cx.ui.status(what, &format!("{}: {}", report.name, report.url));
        let log = report.description.as_ref().and_then(|it| it.log.as_ref());
        match (&report.unasked, log) {
            (Some(error), _) => {
                cx.ui.warn(&format!("{}: {}", error.message, error.causes.join(": ")));
                cx.ui.note(&format!("`ba-agent login {}` keeps a token for it", report.name));
            }
            (None, Some(log)) => cx.ui.detail(&format!("log: {}", log.key)),
            (None, None) => cx.ui.detail("log: none"),
        }
        if options.serves.is_empty() && !options.default {
            cx.ui.note(&format!(
                "no owner is its own yet: write `{0}:@owner/name`, or add it with `--serves @owner` or `--default`",
                report.name
            ));
        }
        if cx.ui.json() {
            cx.ui.print_json_document(&json!({
                "name": report.name, "url": report.url, "file": report.file,
                "changed": report.changed, "description": report.description,
            }));
        }
        Ok(0)
    }
}

fn list(cx: &CommandContext<'_>) -> Result<u8> {
    let rows = ops::registry::list(&cx.workspace, cx.ui)?;
    if cx.ui.json() {
        cx.ui.print_json_document(&json!({ "registries": rows }));
        return Ok(0);
    }
    if rows.is_empty() {
        cx.ui.note("no registry is named: add one with `ba-agent registry add NAME URL`");
        return Ok(0);
    }
    let cells = |row: &ListedRegistry| {
        let mut owners: Vec<String> = row.scopes.iter().map(ToString::to_string).collect();
        owners.extend(row.default.then(|| "all others".to_owned()));
        let owners = if owners.is_empty() { "-".to_owned() } else { owners.join(", ") };
        let token = if row.token.is_some() { "yes" } else { "no" };
        let of = if row.of_project { "project" } else { "user" };
        let asked = row.copied_at.map_or("-".to_owned(), |at| format_age(at, cx.env().now));
        vec![row.name.clone(), row.url.clone(), owners, token.to_owned(), asked, of.to_owned()]
    };
    let columns = [
        Column::from("name"),
        Column::optional("url", 4),
        Column::from("owners"),
        Column::optional("token", 1),
        Column::optional("asked", 3),
        Column::optional("scope", 2),
    ];
    cx.ui.print_as_table(&columns, &rows.iter().map(cells).collect::<Vec<_>>());
    Ok(0)
}

impl RegistryNameArgs {
    fn show(self, cx: &CommandContext<'_>) -> Result<u8> {
        let view = ops::registry::show(&cx.workspace, &self.name, cx.ui)?;
        if cx.ui.json() {
            cx.ui.print_json_document(&view);
            return Ok(0);
        }
        let (row, it) = (&view.listed, &view.description);
        let owners: Vec<String> = row.scopes.iter().map(ToString::to_string).collect();
        let limits = &it.limits;
        let mut facts = vec![
            (
                "name",
                format!("{} (calls itself {})", row.name, ba_agent_core::error::printable(&it.name, false)),
            ),
            ("url", row.url.clone()),
            ("owners", if owners.is_empty() { "none by name".to_owned() } else { owners.join(", ") }),
            ("default", if row.default { "yes" } else { "no" }.to_owned()),
            (
                "limits",
                format!(
                    "archive {}, unpacked {}, {}",
                    format_bytes(limits.archive),
                    format_bytes(limits.unpacked),
                    count_noun(limits.files, "file")
                ),
            ),
            (
                "log",
                it.log
                    .as_ref()
                    .map_or("none".to_owned(), |log| ba_agent_core::error::printable(&log.key, false)),
            ),
            (
                "server",
                it.api.as_ref().map_or("none: files alone".to_owned(), |api| {
                    ba_agent_core::error::printable(api, false)
                }),
            ),
            ("token", if row.token.is_some() { "yes" } else { "no" }.to_owned()),
        ];
        facts.extend(row.mirrors.iter().map(|mirror| ("mirror", mirror.clone())));
        facts.extend(row.copied_at.map(|at| ("asked", format_age(at, cx.env().now))));
        for (key, value) in facts {
            cx.ui.line(&format!("{key:<8} {value}"));
        }
        Ok(0)
    }

    fn remove(self, cx: &CommandContext<'_>) -> Result<u8> {
        let report = ops::registry::remove(&cx.workspace, &self.name, cx.ui)?;
        cx.ui.status("Removed", &format!("{}: {}", report.name, report.url));
        if report.logged_out {
            cx.ui.detail("its token too");
        }
        if cx.ui.json() {
            cx.ui.print_json_document(&json!({
                "name": report.name, "url": report.url, "file": report.file, "logged_out": report.logged_out,
            }));
        }
        Ok(0)
    }
}
