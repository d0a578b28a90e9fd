//! How an installed skill stands on the disk.

use super::plan::user_edits_of_skill;
use crate::install_state::InstallStates;
use ba_agent_core::registry::LockEntry;
use ba_agent_core::skill::SkillName;

/// How a skill stands on the disk: `ok`, `edited` or `missing`.
pub(super) fn installed_state(name: &SkillName, entry: &LockEntry, seen: &InstallStates) -> &'static str {
    let sight = seen.get(name).cloned().unwrap_or_default();
    if sight.is_gone() {
        "missing"
    } else if user_edits_of_skill(entry, &sight).is_empty() {
        "ok"
    } else {
        "edited"
    }
}
