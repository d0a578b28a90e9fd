//! `skill list`: the installed skills, by the registry and, where asked for, by the disk.

use std::sync::Arc;

use serde::Serialize;

use super::installed_state::installed_state;
use super::settle::open_session;
use crate::install_dirs::InstallDirs;
use crate::install_state::InstallStates;
use crate::store::RegistryText;
use crate::unmanaged;
pub use crate::unmanaged::UnmanagedSkill;
use crate::workspace::{Observer, Workspace};
use ba_agent_core::agents::InstallTarget;
use ba_agent_core::error::Result;
use ba_agent_core::registry::{Registry, RegistrySummary, SkillSummary};
use ba_agent_core::skill::SkillName;

/// The installed skills of a scope. Their texts stay in the registry's, which may be long.
#[derive(Debug)]
pub struct ListReport {
    /// `project` or `user`.
    pub scope: &'static str,
    registry: RegistryText,
    /// What stands on the disk, where somebody looked.
    seen: Option<(Registry, InstallStates)>,
    places: Arc<InstallDirs>,
    /// Targets that are looked into besides those that are recorded or known.
    named: Vec<InstallTarget>,
    /// Only the skills of this category are listed.
    category: Option<String>,
}

/// Everything that is listed.
pub struct ListedSkills<'r, I: Iterator<Item = ListedSkill<'r>>> {
    /// The installed skills, in the order of their names.
    pub skills: I,
    /// Skills beside them that nobody recorded, which `adopt` would.
    pub unmanaged: Vec<UnmanagedSkill>,
}

/// One installed skill.
#[derive(Debug, Serialize)]
pub struct ListedSkill<'r> {
    pub name: SkillName,
    #[serde(flatten)]
    pub entry: SkillSummary<'r>,
    /// `ok`, `edited` or `missing`; absent where nobody looked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<&'static str>,
}

/// Lists the installed skills. With `check` every file is read, so that each skill has its
/// state; without it the registry alone is.
///
/// # Errors
/// Those of reading the registry; with `check` those of reading the disk.
pub fn list(workspace: &Workspace, check: bool, observer: &dyn Observer) -> Result<ListReport> {
    let session = open_session(workspace, observer)?;
    let registry = session.store.read_registry_text()?;
    let seen = match check {
        true => {
            let registry = session.store.read()?;
            let seen = session.places.inspect_recorded(registry.skills.keys(), &registry)?;
            Some((registry, seen))
        }
        false => None,
    };
    let named = session.named_targets();
    let (scope, places) = (session.scope.name(), Arc::clone(&session.places));
    Ok(ListReport { scope, registry, seen, places, named, category: None })
}

impl ListReport {
    /// The same of the skills of one category alone, of either case; `default` are also those that
    /// name none.
    #[must_use]
    pub fn of_category(self, category: Option<String>) -> Self {
        Self { category, ..self }
    }

    /// The skills in the order of their names, and what lies beside them.
    ///
    /// # Errors
    /// Those of [`RegistryText::summary`].
    pub fn read(&self) -> Result<ListedSkills<'_, impl Iterator<Item = ListedSkill<'_>>>> {
        let summary = self.registry.summary()?;
        let mut named = self.named.clone();
        named.extend(unmanaged::recorded_targets(&summary));
        let scanned = unmanaged::scan_roots(&self.places, &named);
        let unmanaged = unmanaged::find_unmanaged(&scanned, &summary, &self.places);
        let is_meant = |skill: &ListedSkill<'_>| {
            let own = skill.entry.category.as_deref().unwrap_or("default");
            self.category.as_ref().is_none_or(|meant| own.trim().eq_ignore_ascii_case(meant.trim()))
        };
        let skills = list_skills(summary, self.seen.as_ref()).filter(is_meant);
        Ok(ListedSkills { skills, unmanaged })
    }
}

/// Every skill of the registry; with what was seen, also how it stands on the disk.
pub fn list_skills<'r>(
    summary: RegistrySummary<'r>,
    seen: Option<&'r (Registry, InstallStates)>,
) -> impl Iterator<Item = ListedSkill<'r>> {
    let state = move |name: &SkillName| {
        let (registry, seen) = seen?;
        registry.skills.get(name).map(|entry| installed_state(name, entry, seen))
    };
    let listed = move |(name, entry)| {
        let state = state(&name);
        ListedSkill { name, entry, state }
    };
    summary.skills.into_iter().map(listed)
}
