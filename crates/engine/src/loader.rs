//! World: the skills that an agent has here, with what each says of itself. Every source is looked
//! through; what cannot be read is named and stops nothing else.

mod ready;
mod scan;
mod sources;

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use crate::install_dirs::InstallDirs;
use crate::settings::Settings;
use crate::workspace::Session;
use ba_agent_core::agents::{Agent, InstallTarget};
use ba_agent_core::diff::line_similarity;
use ba_agent_core::digest::Digest;
use ba_agent_core::error::{Error, Result, error, printable};
use ba_agent_core::loader::{
    LoadFinding, LoadedSkill, NameRule, OmitReason, OmittedSkill, SkillConflict, SkillFacts, SkillOrigin,
    settle_names,
};
use ba_agent_core::registry::RegistrySummary;
use ba_agent_core::skill::{MANIFEST, read_summary};
use ba_agent_core::text::find_nearest;
use ba_agent_system::fsx;

pub(crate) use ready::Machine;
use scan::scan_source;
use sources::find_sources;

/// What an agent has here.
#[derive(Debug, Default)]
pub(crate) struct LoadedSkills {
    /// What the model is offered, in the order of the sources.
    pub(crate) listed: Vec<LoadedSkill>,
    /// What it is not, and why.
    pub(crate) omitted: Vec<OmittedSkill>,
    pub(crate) conflicts: Vec<SkillConflict>,
    pub(crate) findings: Vec<LoadFinding>,
}

/// Looks through every source; with an agent through those that it reads, in its own order.
///
/// # Errors
/// `Interrupted` where somebody stops it. A source or a skill that cannot be read is a finding.
pub(crate) fn load_skills(session: &Session<'_>, agent: Option<&'static Agent>) -> Result<LoadedSkills> {
    let mut loaded = LoadedSkills::default();
    let mut found = Vec::new();
    let mut seen = HashMap::new();
    for source in find_sources(session, agent) {
        session.observer.check_cancelled()?;
        scan_source(&source, session, &mut seen, &mut found, &mut loaded);
    }
    if agent.is_none() {
        found.extend(builtin_skills(session));
    }
    let digests = recorded_digests(session);
    for skill in &mut found {
        skill.digest = digests.get(&skill.folder).cloned();
    }
    let rule = match agent {
        None => NameRule::Priority {
            override_threshold: session.settings.loader.project_skill_override_threshold,
        },
        Some(agent) if agent.id == "codex" => NameRule::AllListed,
        Some(_) => NameRule::FirstWins,
    };
    let largest = session.settings.limits.manifest;
    let mut settled = settle_names(found, rule, |one, other| similarity(one, other, largest));
    loaded.conflicts.append(&mut settled.conflicts);
    loaded.omitted.append(&mut settled.omitted);
    for skill in settled.listed {
        match reason_to_omit(&skill) {
            None => loaded.listed.push(skill),
            Some((reason, detail)) => loaded.omitted.push(OmittedSkill {
                name: skill.qualified.clone(),
                reason,
                detail,
                skill: Some(Box::new(skill)),
            }),
        }
    }
    Ok(loaded)
}

/// The folders whose skills are watched for changes, and how deep each is looked through.
pub(crate) fn find_watched_folders(
    session: &Session<'_>,
    agent: Option<&'static Agent>,
) -> Vec<(PathBuf, usize)> {
    let watched = find_sources(session, agent).into_iter().filter(|source| source.watched);
    watched.map(|source| (source.root, source.depth)).collect()
}

/// Why a skill is not offered to the model, where it is not.
fn reason_to_omit(skill: &LoadedSkill) -> Option<(OmitReason, String)> {
    if skill.facts.disable_model_invocation {
        return Some((
            OmitReason::ModelInvocation,
            "`disable-model-invocation: true`: only a person starts it".to_owned(),
        ));
    }
    None
}

/// The share of equal lines of two manifests; none where one cannot be read.
fn similarity(one: &LoadedSkill, other: &LoadedSkill, largest: u64) -> f64 {
    let read = |skill: &LoadedSkill| {
        let bytes = fsx::read_plain_file(&skill.manifest, largest).ok().flatten()?;
        String::from_utf8(bytes).ok()
    };
    match (read(one), read(other)) {
        (Some(one), Some(other)) => line_similarity(&one, &other),
        _ => 0.0,
    }
}

/// The skills that the program carries.
fn builtin_skills(session: &Session<'_>) -> Vec<LoadedSkill> {
    let limits = &session.settings.limits;
    let skill = |builtin: &crate::builtin::BuiltinSkill| {
        let (_, bytes) = builtin.files.iter().find(|(path, _)| *path == MANIFEST)?;
        let front = read_summary(Some(builtin.name), bytes, limits).frontmatter?;
        let folder = PathBuf::from(format!("builtin:{}", builtin.name));
        Some(LoadedSkill {
            name: builtin.name.to_owned(),
            qualified: builtin.name.to_owned(),
            origin: SkillOrigin::Builtin,
            priority: SkillOrigin::Builtin.default_priority(),
            plugin: None,
            manifest: folder.join(MANIFEST),
            folder,
            facts: SkillFacts::of(&front),
            digest: None,
            fallback: false,
        })
    };
    session.builtin.all.iter().filter_map(skill).collect()
}

/// The digests that the registries of this scope and of the user's account have, by folder.
fn recorded_digests(session: &Session<'_>) -> HashMap<PathBuf, Digest> {
    let mut digests = HashMap::new();
    let mut note = |summary: &RegistrySummary<'_>, places: &InstallDirs| {
        for (name, entry) in &summary.skills {
            let targets = entry.targets.iter().filter_map(|text| InstallTarget::parse(text).ok());
            for root in targets.map(|target| places.root_as_written(&target)) {
                digests.insert(root.join(name.as_str()), entry.digest.clone());
            }
        }
    };
    if session.scope.is_project()
        && let Some((store, places)) = session.store_of_user()
        && let Ok(text) = store.read_registry_text()
        && let Ok(summary) = text.summary()
    {
        note(&summary, &places);
    }
    if let Ok(text) = session.store.read_registry_text()
        && let Ok(summary) = text.summary()
    {
        note(&summary, &session.places);
    }
    digests
}

/// Where the program's own skill of this name stands, if the folder is one.
pub(crate) fn builtin_name(skill: &LoadedSkill) -> Option<&str> {
    skill.folder.to_str()?.strip_prefix("builtin:")
}

/// The bytes of a skill's manifest.
///
/// # Errors
/// `NotFound` where it is gone meanwhile; those of [`fsx::read_plain_file`].
pub(crate) fn read_manifest_of(skill: &LoadedSkill, session: &Session<'_>) -> Result<Vec<u8>> {
    let gone = || {
        error!(NotFound, "`{}` is not there any more", printable(&skill.manifest.to_string_lossy(), false))
    };
    if let Some(name) = builtin_name(skill) {
        let files = session.builtin.all.iter().find(|one| one.name == name).map(|one| one.files);
        let bytes = files.and_then(|files| files.iter().find(|(path, _)| *path == MANIFEST));
        return bytes.map(|(_, bytes)| bytes.to_vec()).ok_or_else(gone);
    }
    fsx::read_plain_file(&skill.manifest, session.settings.limits.manifest)?.ok_or_else(gone)
}

impl LoadedSkills {
    /// Every skill that can be read, also those that the model is not offered.
    pub(crate) fn all(&self) -> impl Iterator<Item = &LoadedSkill> {
        self.listed.iter().chain(self.omitted.iter().filter_map(|one| one.skill.as_deref()))
    }

    /// The skill of this name: as it is listed, or as `user:NAME`, `project:NAME`,
    /// `plugin:NAME`. Also one that only a person may start.
    ///
    /// # Errors
    /// `NotFound` for a name that there is none of, with the nearest, and for one that several
    /// have, with what to write instead.
    pub(crate) fn find_skill(&self, name: &str) -> Result<&LoadedSkill> {
        let name = name.trim();
        if let Some(found) = self.all().find(|skill| skill.qualified == name) {
            return Ok(found);
        }
        if let Some((origin, rest)) = name.split_once(':')
            && let Some(found) = self.all().find(|skill| skill.origin.name() == origin && skill.name == rest)
        {
            return Ok(found);
        }
        let of_name: Vec<&LoadedSkill> = self.all().filter(|skill| skill.name == name).collect();
        match of_name[..] {
            [] => Err(self.unknown_skill(name)),
            [one] => Ok(one),
            _ => {
                let names: Vec<String> =
                    of_name.iter().map(|skill| format!("`{}`", skill.qualified)).collect();
                let shown = printable(name, false);
                Err(error!(NotFound, "`{shown}` is ambiguous: {} skills have this name", of_name.len())
                    .hint(format!("write {}", names.join(" or "))))
            }
        }
    }

    fn unknown_skill(&self, name: &str) -> Error {
        let shown = printable(name, false);
        if let Some(out) = self.omitted.iter().find(|one| one.name == name) {
            let error =
                error!(NotFound, "the skill `{shown}` cannot be used: {}", printable(&out.detail, false));
            return match out.reason {
                OmitReason::Disabled => error.hint(format!("`ba-agent skill enable {shown}` puts it back")),
                _ => error.hint("`ba-agent skill context` says what is left out, and why"),
            };
        }
        let error = error!(NotFound, "there is no skill `{shown}` here");
        let near = find_nearest(name, self.all().map(|skill| skill.qualified.as_str()));
        let error = match near {
            Some(near) => error.hint(format!("did you mean `{}`?", printable(near, false))),
            None => error,
        };
        error.hint("`ba-agent skill context` lists those that there are")
    }
}

/// A folder as a report names it: from the base of the scope where it lies below, else whole.
pub(crate) fn shown_path(path: &Path, settings_base: &Path) -> String {
    let shown = path.strip_prefix(settings_base).unwrap_or(path);
    printable(&shown.to_string_lossy(), false)
}

/// Used by [`sources`]: the targets that the settings name, which may be others than Claude
/// Code's.
fn named_targets(settings: &Settings) -> Vec<InstallTarget> {
    settings.agents.iter().filter_map(|text| InstallTarget::parse(text).ok()).collect()
}

#[cfg(test)]
mod tests;
