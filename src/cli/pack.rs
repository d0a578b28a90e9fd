//! `ba-agent skill pack [PATH]`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::CommandContext;
use super::validate::Rules;
use ba_agent_core::error::{Result, printable};
use ba_agent_core::skill::Severity;
use ba_agent_core::text::{count_noun, format_bytes, list_some};
use ba_agent_engine::ops;
use ba_agent_engine::ops::pack::{PackFormat, PackOptions, PackReport, PackedArchive};

/// Pack a skill into an archive that is the same on every machine.
#[derive(Debug, Args)]
#[command(
    long_about = "Pack a skill into an archive that is the same on every machine.\n\n\
        The skill is checked first; one that is not valid is not packed, and the status is 8. Its files \
        stand in the order of their names below one folder, all with one time (SOURCE_DATE_EPOCH, else 1980) and \
        the modes 644 or 755. What git tracks is packed; of the rest, what a .gitignore excludes \
        and what editors and interpreters leave behind (x~, .x.swp, x.orig, __pycache__, node_modules …) is \
        left out and named.",
    after_help = "Examples:\n  ba-agent skill pack pdf-tables\n  \
        ba-agent skill pack pdf-tables --output dist/pdf-tables.tar.gz\n  \
        ba-agent skill install ./pdf-tables.skill --integrity sha256:…"
)]
pub(crate) struct PackArgs {
    /// The skill's folder, or its SKILL.md.
    #[arg(value_name = "PATH", default_value = ".", value_hint = clap::ValueHint::AnyPath)]
    path: PathBuf,
    /// The archive to write (.skill, .zip, .tar.gz or .tgz), or a folder for it; by default NAME.skill.
    #[arg(long, short, value_name = "FILE", value_hint = clap::ValueHint::AnyPath)]
    output: Option<PathBuf>,
    /// The format; by default what the name of the archive says.
    #[arg(long, value_enum)]
    format: Option<ArchiveWord>,
    /// Warnings count as errors.
    #[arg(long)]
    strict: bool,
    /// Whose rules: the open specification's, or those of an upload to claude.ai and the API.
    #[arg(long, value_enum, default_value = "spec")]
    profile: Rules,
    /// Replace a file that is there.
    #[arg(long, short)]
    force: bool,
}

/// `--format`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum ArchiveWord {
    Zip,
    #[value(name = "tar.gz", alias = "tgz")]
    TarGz,
}

impl PackArgs {
    /// Packs a skill; 8 where it is not valid.
    ///
    /// # Errors
    /// Those of [`ops::pack::pack`].
    pub(crate) fn run(self, cx: &CommandContext<'_>) -> Result<u8> {
        let options = PackOptions {
            path: self.path,
            output: self.output,
            format: self.format.map(|word| match word {
                ArchiveWord::Zip => PackFormat::Zip,
                ArchiveWord::TarGz => PackFormat::TarGz,
            }),
            profile: self.profile.profile(),
            limit: if self.strict { Severity::Warning } else { Severity::Error },
            force: self.force,
        };
        let report = ops::pack::pack(&cx.workspace, &options)?;
        print_report(cx, &report);
        Ok(if report.archive.is_some() { 0 } else { 8 })
    }
}

fn print_report(cx: &CommandContext<'_>, report: &PackReport) {
    let PackReport { checked, left_out, archive } = report;
    if cx.ui.json() {
        cx.ui.print_json_document(&serde_json::json!({
            "archive": archive, "left_out": left_out, "checked": checked,
        }));
        return;
    }
    for finding in &checked.findings {
        cx.ui.print_finding_of(&checked.path, finding);
    }
    if !left_out.is_empty() {
        let names: Vec<String> = left_out.iter().map(|path| printable(path, false)).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        cx.ui
            .note(&format!("left out: {}", list_some(&names, if cx.ui.verbose() { names.len() } else { 5 })));
    }
    match archive {
        Some(archive) => print_archive(cx, archive),
        None => cx.ui.status("Checked", &format!("{}: not valid, so it is not packed", checked.path)),
    }
}

fn print_archive(cx: &CommandContext<'_>, archive: &PackedArchive) {
    let PackedArchive { name, file, bytes, files, digest, integrity, unchanged, .. } = archive;
    let file = printable(&file.to_string_lossy(), false);
    let what = format!("{name} in {file} ({}, {})", count_noun(*files, "file"), format_bytes(*bytes));
    cx.ui.status(if *unchanged { "Unchanged" } else { "Packed" }, &what);
    cx.ui.line(&format!("digest     {digest}"));
    cx.ui.line(&format!("integrity  {integrity}"));
}
