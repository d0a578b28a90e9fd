//! `ba-agent man DIR`.

use std::path::{Path, PathBuf};

use clap::Args;
use fs_err as fs;

use super::{Cli, CommandContext};
use ba_agent_core::error::Result;

/// Write the man pages of every command into a folder.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  ba-agent man ~/.local/share/man/man1")]
pub(crate) struct Man {
    /// The folder; it is created if it does not exist.
    #[arg(value_name = "DIR", value_hint = clap::ValueHint::DirPath)]
    dir: PathBuf,
}

impl Man {
    /// Writes the man pages into a folder.
    ///
    /// # Errors
    /// `Failed` where a page cannot be written.
    pub(crate) fn run(self, cx: &CommandContext<'_>) -> Result<u8> {
        let dir = cx.env().absolute(&self.dir);
        fs::create_dir_all(&dir)?;
        let pages = render_man_pages();
        for (name, text) in &pages {
            write_page(&dir.join(name), text)?;
        }
        if cx.ui.json() {
            cx.ui.print_json_document(
                &serde_json::json!({ "written": pages.iter().map(|(name, _)| name).collect::<Vec<_>>() }),
            );
        }
        cx.ui.status(
            "Wrote",
            &format!("{} into {}", ba_agent_core::text::count_noun(pages.len(), "page"), dir.display()),
        );
        Ok(0)
    }
}

/// Writes a page, whose name nobody has typed: a link in its place could lead to any file, and a
/// pipe would wait, so that these are replaced.
fn write_page(path: &Path, text: &[u8]) -> Result<()> {
    let is_other = fs::symlink_metadata(path).is_ok_and(|meta| !meta.is_file() && !meta.is_dir());
    if is_other {
        fs::remove_file(path)?;
    }
    Ok(fs::write(path, text)?)
}

/// Every page: file name and text, `ba-agent.1` first.
pub(crate) fn render_man_pages() -> Vec<(String, Vec<u8>)> {
    let mut root = Cli::definition().disable_help_subcommand(true);
    root.build();
    let mut pages = Vec::new();
    collect_man_pages(&root, "ba-agent", &mut pages);
    pages
}

fn collect_man_pages(command: &clap::Command, name: &str, pages: &mut Vec<(String, Vec<u8>)>) {
    let command = command.clone().name(name.to_owned());
    pages.push((format!("{name}.1"), render_page(&command).into_bytes()));
    for sub in command.get_subcommands().filter(|sub| !sub.is_hide_set() && sub.get_name() != "help") {
        collect_man_pages(sub, &format!("{name}-{}", sub.get_name()), pages);
    }
}

/// One page. Flags that every command has are explained in it, but do not stand in its synopsis.
fn render_page(command: &clap::Command) -> String {
    let render = |command: clap::Command| {
        let mut page = Vec::new();
        // Writing into memory cannot fail.
        let _ = clap_mangen::Man::new(command).date("").render(&mut page);
        String::from_utf8_lossy(&page).into_owned()
    };
    let is_common =
        |arg: &clap::Arg| arg.is_global_set() || matches!(arg.get_id().as_str(), "help" | "version");
    let own = command.clone().mut_args(|arg| if is_common(&arg) { arg.hide(true) } else { arg });
    let (page, own) = (render(command.clone()), render(own));
    let (from, to) = (".SH SYNOPSIS\n", ".SH DESCRIPTION\n");
    let part = |page: &str| Some((page.find(from)?, page.find(to)?));
    let Some(((start, end), (own_start, own_end))) = part(&page).zip(part(&own)) else { return page };
    let synopsis = format!("{} [\\fIGLOBAL OPTIONS\\fR]\n", own[own_start..own_end].trim_end());
    let page = format!("{}{synopsis}{}", &page[..start], &page[end..]);
    page.replace(".SH EXTRA\nExamples:\n", ".SH EXAMPLES\n")
        .replace(".SH EXTRA\nExample:\n", ".SH EXAMPLES\n")
        .replace("\nExit status: ", "\n.SH \"EXIT STATUS\"\n")
}
