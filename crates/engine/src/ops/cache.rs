//! `cache dir|size|prune|clear`: the cache of packages, for all projects of a user.

use std::path::PathBuf;

use super::ask::{Ask, Attendance};
use crate::workspace::Workspace;
use ba_agent_core::error::{Result, error};
use ba_agent_core::text::{count_noun, format_bytes};
use ba_agent_system::cache::{Cache, CacheSize};

/// How much the cache holds.
#[derive(Debug)]
pub struct CacheReport {
    pub held: CacheSize,
    /// Bytes that it may hold.
    pub limit: u64,
}

/// What was removed from the cache, and what is left.
#[derive(Debug)]
pub struct PruneReport {
    pub removed: CacheSize,
    pub left: CacheSize,
}

/// The folder of the cache.
///
/// # Errors
/// Those of reading the settings; `Failed` where there is no place for a cache.
pub fn find_cache_dir(workspace: &Workspace) -> Result<PathBuf> {
    workspace.settings()?;
    workspace.env().cache_dir()
}

/// How much the cache holds, and how much it may hold.
///
/// # Errors
/// Those of [`find_cache_dir`].
pub fn measure_cache(workspace: &Workspace) -> Result<CacheReport> {
    let (cache, limit) = open_cache(workspace)?;
    Ok(CacheReport { held: cache.size(), limit })
}

/// Removes what was not used for longest, down to `to` bytes or the limit of the settings.
///
/// # Errors
/// Those of [`find_cache_dir`].
pub fn prune_cache(workspace: &Workspace, to: Option<u64>) -> Result<PruneReport> {
    let (cache, limit) = open_cache(workspace)?;
    let removed = cache.prune(to.unwrap_or(limit));
    Ok(PruneReport { removed, left: cache.size() })
}

/// Removes everything in the cache.
///
/// # Errors
/// `Usage` where nobody can be asked, `Interrupted` where the person does not agree; those of [`find_cache_dir`].
pub fn clear_cache(workspace: &Workspace, ask: &mut dyn Ask) -> Result<PruneReport> {
    let (cache, _) = open_cache(workspace)?;
    let held = cache.size();
    let size = format!("{} ({})", count_noun(held.trees, "skill"), format_bytes(held.bytes));
    if held.bytes > 0 && !ask.confirm(&format!("Remove {size} from the cache?"))? {
        return Err(match ask.attendance() {
            Attendance::Person => error!(Interrupted, "not confirmed; nothing was deleted"),
            _ => error!(Usage, "not confirmed; nothing was deleted")
                .hint("without a terminal confirm in advance: `ba-agent cache clear --yes`"),
        });
    }
    let removed = cache.clear();
    Ok(PruneReport { removed, left: cache.size() })
}

fn open_cache(workspace: &Workspace) -> Result<(Cache, u64)> {
    let limit = workspace.settings()?.cache_limit;
    Ok((Cache::new(&workspace.env().cache_dir()?, limit), limit))
}
