//! `ba-agent cache dir|size|prune|clear`.

use clap::{Args, Subcommand};

use super::Context;
use crate::cache::{Cache, CacheSize};
use crate::error::{Result, error};
use crate::settings::parse_bytes;
use crate::text::{count_noun, format_bytes};

/// Show the cache of skills, or make it smaller.
#[derive(Debug, Subcommand)]
#[command(long_about = "Show the cache of skills, or make it smaller.\n\n\
        The cache keeps every installed tree by its digest, for all projects of a user: so that \
        installing again, going back and comparing need no connection. It may be deleted at any \
        moment, also while other commands use it; everything that is read from it is verified.")]
pub(crate) enum Command {
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

impl Command {
    pub(crate) fn run(self, cx: &Context<'_>) -> Result<u8> {
        let settings = cx.settings()?;
        let cache = cx.cache(&settings)?;
        let limit = settings.cache_limit;
        match self {
            Self::Dir => dir(cx)?,
            Self::Size => tell(cx, &cache, limit),
            Self::Prune(prune) => removed(cx, &cache, cache.prune(prune.to.unwrap_or(limit))),
            Self::Clear => clear(cx, &cache)?,
        }
        Ok(0)
    }
}

fn dir(cx: &Context<'_>) -> Result<()> {
    let dir = cx.env.cache_dir()?.display().to_string();
    if cx.ui.json() {
        cx.ui.data(&serde_json::json!({ "dir": dir }));
    } else {
        cx.ui.line(&dir);
    }
    Ok(())
}

fn tell(cx: &Context<'_>, cache: &Cache, limit: u64) {
    let held = cache.size();
    if cx.ui.json() {
        cx.ui.data(&serde_json::json!({ "trees": held.trees, "bytes": held.bytes, "limit": limit }));
    } else {
        cx.ui.line(&format!(
            "{}, {} of at most {}",
            count_noun(held.trees, "skill"),
            format_bytes(held.bytes),
            format_bytes(limit)
        ));
    }
}

fn clear(cx: &Context<'_>, cache: &Cache) -> Result<()> {
    let held = cache.size();
    if held.bytes > 0 && !cx.ui.confirm(&clear_question(held))? {
        return Err(error!(Usage, "not confirmed; nothing was deleted")
            .hint("without a terminal confirm in advance: `ba-agent cache clear --yes`"));
    }
    removed(cx, cache, cache.clear());
    Ok(())
}

fn clear_question(held: CacheSize) -> String {
    format!("Remove {} ({}) from the cache?", count_noun(held.trees, "skill"), format_bytes(held.bytes))
}

fn removed(cx: &Context<'_>, cache: &Cache, gone: CacheSize) {
    let left = cache.size();
    if cx.ui.json() {
        cx.ui.data(&serde_json::json!({ "removed": gone, "left": left }));
        return;
    }
    let words =
        |what: CacheSize| format!("{} ({})", count_noun(what.trees, "skill"), format_bytes(what.bytes));
    cx.ui.status("Removed", &format!("{} from the cache, {} left", words(gone), words(left)));
}
