//! `ba-agent cache dir|size|prune|clear`.

use std::path::Path;

use clap::{Args, Subcommand};

use super::CommandContext;
use ba_agent_core::error::Result;
use ba_agent_core::text::parse_bytes;
use ba_agent_core::text::{count_noun, format_bytes};
use ba_agent_engine::ops;
use ba_agent_engine::ops::cache::{CacheReport, PruneReport};
use ba_agent_system::cache::CacheSize;

/// Show the cache of skills, or make it smaller.
#[derive(Debug, Subcommand)]
#[command(long_about = "Show the cache of skills, or make it smaller.\n\n\
        The cache keeps every installed tree by its digest, for all projects of a user: so that \
        installing again, going back and comparing need no connection. It may be deleted at any \
        moment, also while other commands use it; everything that is read from it is verified.")]
pub(crate) enum CacheCommand {
    /// Print the folder of the cache.
    #[command(after_help = "Examples:\n  ba-agent cache dir\n  du -sh \"$(ba-agent cache dir)\"")]
    Dir,
    /// Show how much is in the cache.
    #[command(after_help = "Examples:\n  ba-agent cache size\n  ba-agent cache size --json | jq .bytes")]
    Size,
    /// Remove the least recently used entries, down to the limit in the settings.
    Prune(Prune),
    /// Remove everything in the cache.
    #[command(after_help = "Examples:\n  ba-agent cache clear\n  ba-agent cache clear --yes")]
    Clear,
}

/// Remove the least recently used entries, down to the limit in the settings.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  ba-agent cache prune\n  ba-agent cache prune --to 100MiB")]
pub(crate) struct Prune {
    /// The size to shrink to instead, for example 100MiB.
    #[arg(long, value_name = "SIZE", value_parser = parse_bytes)]
    to: Option<u64>,
}

impl CacheCommand {
    /// Says where the cache is and how large, or makes it smaller.
    ///
    /// # Errors
    /// Those of [`ops::cache`].
    pub(crate) fn run(self, cx: &CommandContext<'_>) -> Result<u8> {
        match self {
            Self::Dir => print_dir(cx, &ops::cache::find_cache_dir(&cx.workspace)?),
            Self::Size => print_size(cx, &ops::cache::measure_cache(&cx.workspace)?),
            Self::Prune(prune) => print_removed(cx, &ops::cache::prune_cache(&cx.workspace, prune.to)?),
            Self::Clear => {
                print_removed(cx, &ops::cache::clear_cache(&cx.workspace, &mut cx.ui.terminal_questions())?)
            }
        }
        Ok(0)
    }
}

fn print_dir(cx: &CommandContext<'_>, dir: &Path) {
    let dir = dir.display().to_string();
    if cx.ui.json() {
        cx.ui.print_json_document(&serde_json::json!({ "dir": dir }));
    } else {
        cx.ui.line(&dir);
    }
}

fn print_size(cx: &CommandContext<'_>, CacheReport { held, limit }: &CacheReport) {
    if cx.ui.json() {
        cx.ui.print_json_document(
            &serde_json::json!({ "trees": held.trees, "bytes": held.bytes, "limit": limit }),
        );
    } else {
        cx.ui.line(&format!(
            "{}, {} of at most {}",
            count_noun(held.trees, "skill"),
            format_bytes(held.bytes),
            format_bytes(*limit)
        ));
    }
}

fn print_removed(cx: &CommandContext<'_>, PruneReport { removed, left }: &PruneReport) {
    if cx.ui.json() {
        cx.ui.print_json_document(&serde_json::json!({ "removed": removed, "left": left }));
        return;
    }
    let words =
        |what: &CacheSize| format!("{} ({})", count_noun(what.trees, "skill"), format_bytes(what.bytes));
    cx.ui.status("Removed", &format!("{} from the cache, {} left", words(removed), words(left)));
}
