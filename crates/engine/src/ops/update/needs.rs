//! An update and what skills need: none leaves the ranges of the others, and what a new version
//! needs comes along.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use semver::Version;

use super::UpdateOptions;
use super::plan::{PlannedUpdate, plan_update};
use crate::fetch::World;
use crate::install_state::InstallState;
use crate::ops::ask::Ask;
use crate::ops::follow::{Surroundings, follow_dependencies, range_of, version_of};
use crate::ops::follow_plugins::{follow_plugins, key_of, needs_other_plugins};
use crate::ops::gather::{Candidate, Gathered, GatheredPlugin};
use crate::ops::outdated;
use crate::ops::plan::{self, Content, InstallReason, Wanted};
use crate::skill_graph::{graph_of, recorded_plugin_version, recorded_version};
use crate::store::marketplaces::Marketplaces;
use crate::workspace::Session;
use ba_agent_core::agents::InstallTarget;
use ba_agent_core::dependency_graph::DependencyGraph;
use ba_agent_core::error::{Kind, Result};
use ba_agent_core::registry::{InstallMode, LockEntry, ReferenceRecord, Registry, SkillSummary};
use ba_agent_core::resolver::{VersionConflict, is_in_all_ranges};
use ba_agent_core::skill::SkillName;

/// Takes out of a plan every skill that would leave the range of one that needs it, or would need
/// another version of one that stays. What was in conflict before holds nothing. Says whom it took
/// out, and why.
pub(super) fn hold_in_ranges(planned: &mut PlannedUpdate, known: &Registry) -> Vec<(SkillName, String)> {
    let before = graph_of(known).conflicts();
    let mut all = Vec::new();
    loop {
        let after = graph_after(planned, known);
        let is_new = |one: &VersionConflict| {
            !before.iter().any(|old| old.name == one.name && old.requirements == one.requirements)
        };
        let held =
            after.conflicts().into_iter().filter(is_new).find_map(|one| whom_to_hold(&one, planned, known));
        match held {
            Some((name, why)) => {
                planned.hold(&name, why.clone());
                all.push((name, why));
            }
            None => return all,
        }
    }
}

/// Rounds in which what comes along is looked for in other ranges.
const MOST_ROUNDS: usize = 8;

/// Looks once more for what came along because of a range, where the new versions of those that need
/// it want another one.
///
/// # Errors
/// Those of [`outdated::look`] and of [`plan_update`].
pub(super) fn follow_ranges(
    planned: &mut PlannedUpdate,
    known: &Registry,
    see: &dyn Fn(&SkillName) -> Result<InstallState>,
    (world, marketplaces): (&World<'_>, &Marketplaces),
    options: &UpdateOptions,
) -> Result<()> {
    let mut asked: BTreeMap<SkillName, ReferenceRecord> = BTreeMap::new();
    for _ in 0..MOST_ROUNDS {
        let mut due = ranges_after(planned, known);
        due.retain(|name, range| asked.get(name) != Some(range));
        if due.is_empty() {
            return Ok(());
        }
        let entries = due.iter().filter_map(|(name, range)| Some((name, known.skills.get(name)?, range)));
        let summaries: Vec<(&SkillName, SkillSummary<'_>)> = entries
            .map(|(name, entry, range)| {
                let mut summary = SkillSummary::of(entry);
                summary.reference = Some(range.clone());
                (name, summary)
            })
            .collect();
        let skills: Vec<_> = summaries.iter().map(|(name, summary)| (*name, summary)).collect();
        let looked = outdated::look(&skills, marketplaces, world)?;
        let names = due.keys().cloned().collect();
        // Where there is no version in the range, who wants it stays, and says so.
        let mut other = plan_update(looked, known, see, world, options)?;
        other.failed.retain(|(_, error)| error.kind != Kind::NotFound);
        planned.replace(&names, other);
        asked.append(&mut due);
    }
    Ok(())
}

/// The skills that came along because of a range and would be outside of one then, with all ranges
/// that hold for each then.
fn ranges_after(planned: &PlannedUpdate, known: &Registry) -> BTreeMap<SkillName, ReferenceRecord> {
    let graph = graph_after(planned, known);
    let mut ranges = BTreeMap::new();
    for ((name, is_of_plugin), requirements) in graph.requirements() {
        let Some(skill) = graph.skills.get(name).filter(|skill| skill.automatic) else { continue };
        let Some((name, entry)) =
            name.parse().ok().and_then(|name: SkillName| known.skills.get_key_value(&name))
        else {
            continue;
        };
        let follows_range = matches!(entry.reference, Some(ReferenceRecord::Range(_))) || is_of_plugin;
        let number = if is_of_plugin { &skill.plugin_number } else { &skill.number };
        if entry.pinned || !follows_range || is_in_all_ranges(number.as_ref(), &requirements) {
            continue;
        }
        ranges.extend(ReferenceRecord::of(&range_of(&requirements)).map(|range| (name.clone(), range)));
    }
    ranges
}

/// The skills as they would be then.
fn graph_after(planned: &PlannedUpdate, known: &Registry) -> DependencyGraph {
    let mut graph = graph_of(known);
    for step in &planned.plan.steps {
        let Some(skill) = graph.skills.get_mut(step.name.as_str()) else { continue };
        match &step.content {
            Some(Content::Found(wanted)) => {
                skill.number = version_of(&wanted.candidate);
                skill.version = skill.number.as_ref().map(Version::to_string);
                skill.plugin_number =
                    planned.plugins.get(&step.name).and_then(|plugin| plugin.version.clone());
                let needs = &wanted.candidate.needs().skills;
                skill.needs = needs.iter().map(|need| need.record.clone()).collect();
            }
            Some(Content::Noted(entry)) => {
                skill.number = recorded_version(entry);
                skill.plugin_number = recorded_plugin_version(entry);
                skill.needs.clone_from(&entry.dependencies);
            }
            _ => {}
        }
    }
    graph
}

/// Which of the moving skills has to stay so that a range holds, and why.
fn whom_to_hold(
    conflict: &VersionConflict,
    planned: &PlannedUpdate,
    known: &Registry,
) -> Option<(SkillName, String)> {
    let moves =
        |name: &str| planned.plan.steps.iter().map(|step| &step.name).find(|one| one.as_str() == name);
    let version =
        conflict.published.first().map_or("a version without a number".to_owned(), Version::to_string);
    if let Some(name) = moves(&conflict.name) {
        let was = known.skills.get(name);
        let was = [was.and_then(recorded_version), was.and_then(recorded_plugin_version)];
        let broken = conflict.requirements.iter().find(|one| {
            let range = one.range.as_ref();
            range.is_some_and(|range| !conflict.published.first().is_some_and(|now| range.matches(now)))
        })?;
        let range = broken.range.as_ref()?;
        if was.iter().flatten().any(|was| range.matches(was)) || moves(&broken.by).is_none() {
            return Some((
                name.clone(),
                format!("it would be {version}, and {} needs {range} of it", broken.by),
            ));
        }
    }
    let by = conflict.requirements.iter().find_map(|one| Some((moves(&one.by)?, one.range.as_ref()?)))?;
    Some((by.0.clone(), format!("it would need {} {}, and {version} is installed", conflict.name, by.1)))
}

/// Adds to a plan what the new versions need and is not installed. A skill whose new version needs
/// what cannot be found, or nobody agrees to, stays as it is.
///
/// # Errors
/// `Interrupted` where somebody stops it; those of looking at the disk.
pub(super) fn bring_needed(
    planned: &mut PlannedUpdate,
    known: &Registry,
    session: &Session<'_>,
    (world, marketplaces): (&World<'_>, &Marketplaces),
    ask: &mut dyn Ask,
) -> Result<()> {
    let mut wanted: Vec<Wanted> = Vec::new();
    bring_plugins(planned, &mut wanted, known, session, (world, marketplaces))?;
    let around = Surroundings { session, world, registry: known, marketplaces };
    for (name, candidate) in moving_with_new_needs(planned, known) {
        let Some(entry) = known.skills.get(&name) else { continue };
        match follow_dependencies(std::slice::from_ref(&candidate), Vec::new(), &around, ask) {
            Ok(needed) => {
                for candidate in needed.candidates {
                    if wanted.iter().all(|one| one.candidate.name != candidate.name) {
                        wanted.push(want_for(candidate, entry)?);
                    }
                }
            }
            Err(error) if error.kind == Kind::Interrupted => return Err(error),
            Err(error) => {
                let why = error.causes.first().map_or_else(|| error.message.clone(), Clone::clone);
                session.warn(&format!("`{name}` stays as it is: {why}"));
                planned.hold(&name, why);
            }
        }
    }
    if wanted.is_empty() {
        return Ok(());
    }
    let places = wanted.iter().map(|one| (&one.candidate.name, &one.targets[..]));
    let seen = session.places.inspect(places, known)?;
    planned.plan.steps.extend(plan::install(wanted, known, &seen, false)?.steps);
    planned.plan.steps.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(())
}

/// The same of the plugins that moving plugins need.
///
/// # Errors
/// As [`bring_needed`].
fn bring_plugins(
    planned: &mut PlannedUpdate,
    wanted: &mut Vec<Wanted>,
    known: &Registry,
    session: &Session<'_>,
    (world, marketplaces): (&World<'_>, &Marketplaces),
) -> Result<()> {
    let after = registry_after(planned, known)?;
    let around = Surroundings { session, world, registry: &after, marketplaces };
    let mut plugins: BTreeMap<String, (GatheredPlugin, BTreeSet<SkillName>)> = BTreeMap::new();
    for (name, plugin) in &planned.plugins {
        if needs_other_plugins(plugin, &after) {
            let known = plugins.entry(key_of(&plugin.origin));
            known.or_insert_with(|| (plugin.clone(), BTreeSet::new())).1.insert(name.clone());
        }
    }
    for (plugin, names) in plugins.into_values() {
        let Some(first) = names.first().and_then(|name| known.skills.get(name)) else { continue };
        let mut moving = gathered_of(planned, plugin, &names);
        match follow_plugins(&mut moving, &around) {
            Ok(extra) => {
                for candidate in
                    extra.into_iter().flat_map(|one| one.candidates.into_iter().chain(one.needed))
                {
                    if wanted.iter().all(|one| one.candidate.name != candidate.name) {
                        wanted.push(want_for(candidate, first)?);
                    }
                }
                let candidates = moving.into_iter().flat_map(|one| one.candidates);
                candidates.for_each(|candidate| planned.set_needs_of(candidate));
            }
            Err(error) if error.kind == Kind::Interrupted => return Err(error),
            Err(error) => {
                let why = error.causes.first().map_or_else(|| error.message.clone(), Clone::clone);
                for name in &names {
                    session.warn(&format!("`{name}` stays as it is: {why}"));
                    planned.hold(name, why.clone());
                }
            }
        }
    }
    Ok(())
}

/// The records as they would be then, as far as it matters to who needs what.
fn registry_after(planned: &PlannedUpdate, known: &Registry) -> Result<Registry> {
    let mut after = known.clone();
    for step in &planned.plan.steps {
        let Some(before) = known.skills.get(&step.name) else { continue };
        let record = match &step.content {
            Some(Content::Found(wanted)) => {
                let files = wanted.candidate.digest()?.1.clone();
                wanted.candidate.record(before.digest.clone(), files, before.installed_at)
            }
            Some(Content::Noted(entry)) => (**entry).clone(),
            _ => continue,
        };
        after.skills.insert(step.name.clone(), record);
    }
    Ok(after)
}

/// The moving skills of a plugin.
fn gathered_of(
    planned: &PlannedUpdate,
    plugin: GatheredPlugin,
    names: &BTreeSet<SkillName>,
) -> Vec<Gathered> {
    let found = planned.plan.steps.iter().filter(|step| names.contains(&step.name));
    let candidates: Vec<Candidate> = found
        .filter_map(|step| match &step.content {
            Some(Content::Found(wanted)) => Some(wanted.candidate.clone()),
            _ => None,
        })
        .collect();
    let Some(resolved) = candidates.first().map(|candidate| Arc::clone(&candidate.resolved)) else {
        return Vec::new();
    };
    let (found, plugin) = (candidates.len(), Some(plugin));
    let (needed, skipped, notes) = (Vec::new(), Vec::new(), Vec::new());
    vec![Gathered { resolved, candidates, needed, skipped, found, notes, plugin }]
}

/// The moving skills whose new version needs what the installed one did not.
fn moving_with_new_needs(planned: &PlannedUpdate, known: &Registry) -> Vec<(SkillName, Candidate)> {
    let steps = planned.plan.steps.iter().filter_map(|step| match &step.content {
        Some(Content::Found(wanted)) => Some((&step.name, &wanted.candidate)),
        _ => None,
    });
    let has_new = |(name, candidate): &(&SkillName, &Candidate)| {
        let had: BTreeSet<&str> = known
            .skills
            .get(*name)
            .into_iter()
            .flat_map(|entry| &entry.dependencies)
            .filter(|one| !one.optional)
            .map(|one| one.name.as_str())
            .collect();
        let needs = &candidate.needs().skills;
        needs.iter().any(|need| !need.record.optional && !had.contains(need.record.name.as_str()))
    };
    steps.filter(has_new).map(|(name, candidate)| (name.clone(), candidate.clone())).collect()
}

/// A skill that comes along: wherever the one is that needs it.
fn want_for(candidate: Candidate, entry: &LockEntry) -> Result<Wanted> {
    let targets = entry.targets.iter().map(|text| InstallTarget::parse(text)).collect::<Result<_>>()?;
    let mode = if entry.mode == InstallMode::Copy { InstallMode::Copy } else { InstallMode::Link };
    Ok(Wanted {
        candidate,
        targets,
        mode,
        pinned: false,
        enabled: true,
        keep: 0,
        reason: InstallReason::Needed,
    })
}
