//! Single skills by their names, found without a look at all the others: of each source the folders
//! that could have the name. What [`load_skills`] says of these skills is said here too; where that
//! is not sure, everything is looked through.

use std::collections::{BTreeSet, HashSet};

use super::scan::{FoundManifest, FoundSkills, add_manifests, find_manifests};
use super::sources::{SkillsFolder, find_sources};
use super::{LoadedSkills, builtin_skills, load_skills, named_by, settle_skills};
use crate::registry_facts::RecordedSkills;
use crate::workspace::Session;
use ba_agent_core::agents::Agent;
use ba_agent_core::error::Result;
use ba_agent_core::loader::{LoadedSkill, NamedBy};

/// The skills that a name may mean, with all that they cannot do without; `None` where only a look
/// through everything is sure.
///
/// # Errors
/// Those of [`load_skills`].
pub(crate) fn look_up_skills(
    session: &Session<'_>,
    agent: Option<&'static Agent>,
    wanted: &str,
) -> Result<Option<LoadedSkills>> {
    let sources = find_sources(session, agent);
    // What a manifest calls itself is known only by reading it.
    if named_by(agent) != NamedBy::Folder || !sources.iter().all(is_flat) {
        return Ok(None);
    }
    let Some(mut names) = names_meant(wanted.trim()) else { return Ok(None) };
    let recorded = RecordedSkills::read(session);
    recorded.with_all_needs(&mut names);
    let (mut found, mut loaded) = (FoundSkills::default(), LoadedSkills::default());
    let mut looked = Vec::with_capacity(sources.len());
    for source in sources {
        let manifests = find_manifests(&source, Some(&names), session, &mut loaded)?;
        looked.push((source, manifests));
    }
    // A link of another name counts where it leads to one of them: it may stand before it.
    let of_name = |one: &FoundManifest| names.contains(one.top_folder());
    let all = looked.iter().flat_map(|(_, manifests)| manifests).filter(|one| of_name(one));
    let mut meant: HashSet<Option<(u64, u64)>> = HashSet::new();
    for one in all {
        if one.is_renamed() {
            return Ok(None);
        }
        meant.insert(one.fingerprint.identity());
    }
    for (source, mut manifests) in looked {
        manifests.retain(|one| of_name(one) || meant.contains(&one.fingerprint.identity()));
        add_manifests(&source, manifests, session, &mut found, &mut loaded);
        loaded.folders.push(source.root);
    }
    let is_wanted = |name: &str| names.contains(name);
    let mut found = found.skills;
    found.retain(|skill| is_wanted(&skill.name));
    if agent.is_none() {
        found.extend(builtin_skills(session, is_wanted));
    }
    loaded.recorded = recorded;
    settle_skills(session, agent, found, &mut loaded);
    Ok(Some(loaded))
}

/// The skill of this name, as [`LoadedSkills::find_skill`] finds it among all; `None` where there is
/// none, or several.
///
/// # Errors
/// Those of [`load_skills`].
pub(crate) fn find_loaded_skill(
    session: &Session<'_>,
    agent: Option<&'static Agent>,
    name: &str,
) -> Result<Option<LoadedSkill>> {
    let loaded = match look_up_skills(session, agent, name)? {
        Some(loaded) => loaded,
        None => load_skills(session, agent)?,
    };
    Ok(loaded.find_skill(name).ok().cloned())
}

/// True where each skill of a source is a folder in it, or it is not there at all.
fn is_flat(source: &SkillsFolder) -> bool {
    let is_flat = source.depth == 1 && !source.nested && !source.root_itself;
    is_flat
        || std::fs::symlink_metadata(&source.root).is_err_and(|e| e.kind() == std::io::ErrorKind::NotFound)
}

/// What the folder of a skill may be called that is meant by `wanted`: that, or what stands behind
/// an origin or a plugin. `None` where there are more ways to read it.
fn names_meant(wanted: &str) -> Option<BTreeSet<String>> {
    let mut names = BTreeSet::from([wanted.to_owned()]);
    if let Some((_, name)) = wanted.split_once(':') {
        if name.contains(':') {
            return None;
        }
        names.insert(name.to_owned());
    }
    Some(names)
}
