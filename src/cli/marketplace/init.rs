//! `ba-agent marketplace init [DIR]`.

use std::path::PathBuf;

use clap::Args;

use super::CommandContext;
use ba_agent_core::error::{Result, printable};
use ba_agent_core::text::count_noun;
use ba_agent_engine::ops;
use ba_agent_engine::ops::marketplace::{CatalogHead, CatalogInitOptions, CatalogInitReport};

/// Make a marketplace.json out of a folder of skills, or bring it up to date.
#[derive(Debug, Args)]
#[command(
    long_about = "Make a marketplace.json out of a folder of skills, or bring it up to date.\n\n\
        DIR/.claude-plugin/marketplace.json gets an entry for each skill of the folder that no other entry \
        brings, with the name, description and version of its SKILL.md. Where the file exists, these follow the \
        skills, entries of skills that are gone are removed, and everything else in it stays as it \
        is. With --check nothing is written, and the status is 6 when it is not current.",
    after_help = "Examples:\n  ba-agent marketplace init\n  \
        ba-agent marketplace init ./shop --name acme --owner \"Acme Inc.\"\n  \
        ba-agent marketplace init --check"
)]
pub(crate) struct MarketplaceInitArgs {
    /// The folder of skills.
    #[arg(value_name = "DIR", default_value = ".", value_hint = clap::ValueHint::DirPath)]
    dir: PathBuf,
    /// The marketplace's name; for a new one by default that of the folder.
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Who owns it; for a new one by default the user of git.
    #[arg(long, value_name = "NAME")]
    owner: Option<String>,
    /// The owner's address.
    #[arg(long, value_name = "ADDRESS")]
    email: Option<String>,
    /// What it is about.
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
    /// Write nothing: say what would change, with status 6 when something would.
    #[arg(long)]
    check: bool,
    /// Replace a file that is not a catalogue.
    #[arg(long, short, conflicts_with = "check")]
    force: bool,
}

impl MarketplaceInitArgs {
    /// Writes or checks the catalogue of a folder.
    ///
    /// # Errors
    /// Those of [`ops::marketplace::init`].
    pub(super) fn run(self, cx: &CommandContext<'_>) -> Result<u8> {
        let Self { dir, name, owner, email, description, check, force } = self;
        let head = CatalogHead { name, owner, email, description };
        let options = CatalogInitOptions { dir, head, check, force };
        let report = ops::marketplace::init(&cx.workspace, &options, cx.ui)?;
        print_report(cx, &report, check);
        Ok(if check && !report.changes.is_empty() { 6 } else { 0 })
    }
}

fn print_report(cx: &CommandContext<'_>, report: &CatalogInitReport, check: bool) {
    let CatalogInitReport { file, name, entries, changes, left_out, written } = report;
    for (folder, reason) in left_out {
        let folder = if folder.is_empty() { "." } else { folder };
        cx.ui.warn(&format!("`{}` is left out: {}", printable(folder, false), printable(reason, false)));
    }
    if cx.ui.json() {
        let left_out: Vec<_> = left_out
            .iter()
            .map(|(path, reason)| serde_json::json!({ "path": path, "reason": reason }))
            .collect();
        cx.ui.print_json_document(&serde_json::json!({
            "file": file, "name": name, "entries": entries, "changes": changes, "left_out": left_out,
            "written": written,
        }));
        return;
    }
    let file = printable(&file.to_string_lossy(), false);
    let entries = if *entries == 1 { "1 entry".to_owned() } else { format!("{entries} entries") };
    if changes.is_empty() {
        cx.ui.status("Unchanged", &format!("{file} ({entries})"));
        return;
    }
    let verb = if check { "Would write" } else { "Wrote" };
    cx.ui.status(verb, &format!("{file} ({entries}, {})", count_noun(changes.len(), "change")));
    for change in changes.iter().filter(|change| change.what != "head") {
        cx.ui.detail(&format!("{} {}", change.what, printable(&change.name, false)));
    }
    if !check {
        cx.ui.detail(&format!("check it with `ba-agent marketplace validate {file}`"));
    }
}
