//! An update and what skills need: none leaves the ranges of the others, and what a new version
//! needs comes along.

use std::collections::BTreeSet;

use semver::Version;

use super::plan::PlannedUpdate;
use crate::fetch::World;
use crate::ops::ask::Ask;
use crate::ops::follow::{Surroundings, follow_dependencies, version_of};
use crate::ops::gather::Candidate;
use crate::ops::plan::{self, Content, InstallReason, Wanted};
use crate::skill_graph::{graph_of, recorded_version};
use crate::store::marketplaces::Marketplaces;
use crate::workspace::Session;
use ba_agent_core::agents::InstallTarget;
use ba_agent_core::dependency_graph::DependencyGraph;
use ba_agent_core::error::{Kind, Result};
use ba_agent_core::registry::{InstallMode, LockEntry, Registry};
use ba_agent_core::resolver::VersionConflict;
use ba_agent_core::skill::SkillName;

/// Takes out of a plan every skill that would leave the range of one that needs it, or would need
/// another version of one that stays. What was in conflict before holds nothing.
pub(super) fn hold_in_ranges(planned: &mut PlannedUpdate, known: &Registry) {
    let before = graph_of(known).conflicts();
    loop {
        let after = graph_after(planned, known);
        let is_new = |one: &VersionConflict| {
            !before.iter().any(|old| old.name == one.name && old.requirements == one.requirements)
        };
        let held =
            after.conflicts().into_iter().filter(is_new).find_map(|one| whom_to_hold(&one, planned, known));
        match held {
            Some((name, why)) => planned.hold(&name, why),
            None => return,
        }
    }
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
                let needs = &wanted.candidate.needs().skills;
                skill.needs = needs.iter().map(|need| need.record.clone()).collect();
            }
            Some(Content::Noted(entry)) => skill.number = recorded_version(entry),
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
        let was = known.skills.get(name).and_then(recorded_version);
        let broken = conflict.requirements.iter().find(|one| {
            let range = one.range.as_ref();
            range.is_some_and(|range| !conflict.published.first().is_some_and(|now| range.matches(now)))
        })?;
        let range = broken.range.as_ref()?;
        if was.is_some_and(|was| range.matches(&was)) || moves(&broken.by).is_none() {
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
    let around = Surroundings { session, world, registry: known, marketplaces };
    let mut wanted: Vec<Wanted> = Vec::new();
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
