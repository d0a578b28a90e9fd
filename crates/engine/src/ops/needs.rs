//! Which installed skills an installed skill needs, by what the registry records.

use std::collections::BTreeSet;

use ba_agent_core::registry::{LockEntry, Registry};
use ba_agent_core::skill::SkillName;

/// The installed skills that this one says it needs. A suggestion is no need.
pub(super) fn installed_needs<'r>(entry: &LockEntry, registry: &'r Registry) -> Vec<&'r SkillName> {
    let wanted = entry.dependencies.iter().filter(|one| !one.optional);
    let found = wanted.filter_map(|one| find_by_own_name(&one.name, registry));
    found.collect()
}

/// The skill that is installed under this name, or that calls itself so.
fn find_by_own_name<'r>(name: &str, registry: &'r Registry) -> Option<&'r SkillName> {
    let by_name = registry.skills.keys().find(|known| known.as_str() == name);
    by_name.or_else(|| {
        let is_alias = |entry: &LockEntry| entry.alias_of.as_deref() == Some(name);
        registry.skills.iter().find(|(_, entry)| is_alias(entry)).map(|(known, _)| known)
    })
}

/// Of the skills for which `counts` holds, those that need one of `names`, directly or by way of
/// each other.
pub(super) fn find_dependents(
    names: &BTreeSet<SkillName>,
    registry: &Registry,
    counts: impl Fn(&LockEntry) -> bool,
) -> BTreeSet<SkillName> {
    let mut found: BTreeSet<SkillName> = BTreeSet::new();
    loop {
        let is_met = |name: &SkillName| names.contains(name) || found.contains(name);
        let more: Vec<SkillName> = registry
            .skills
            .iter()
            .filter(|(name, entry)| !is_met(name) && counts(entry))
            .filter(|(_, entry)| installed_needs(entry, registry).iter().any(|need| is_met(need)))
            .map(|(name, _)| name.clone())
            .collect();
        if more.is_empty() {
            return found;
        }
        found.extend(more);
    }
}
