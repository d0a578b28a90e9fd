//! Which of several skills of one name counts.

use std::collections::HashMap;

use super::{ConflictRule, LoadedSkill, OmitReason, OmittedSkill, SkillConflict, SkillOrigin};

/// How names are settled.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum NameRule {
    /// The higher priority, unless a project's skill is nearly the same text.
    Priority {
        /// From this share of equal lines on a project's skill stands for the other one.
        override_threshold: f64,
    },
    /// The first in the agent's own order.
    FirstWins,
    /// Each is listed, whatever its name.
    AllListed,
}

/// What came of it.
#[derive(Debug, Default, PartialEq)]
pub struct SettledNames {
    /// In the order in which they were found; each has a qualified name of its own.
    pub listed: Vec<LoadedSkill>,
    /// Those that another one shadows.
    pub omitted: Vec<OmittedSkill>,
    pub conflicts: Vec<SkillConflict>,
}

/// Settles the names of `found`, which are in the order of their sources, the first to count
/// before the others. `similarity` says which share of the lines of two skills is the same.
pub fn settle_names(
    found: Vec<LoadedSkill>,
    rule: NameRule,
    similarity: impl Fn(&LoadedSkill, &LoadedSkill) -> f64,
) -> SettledNames {
    let mut found = found;
    found.iter_mut().for_each(|skill| skill.qualified = plain_name(skill));
    let mut by_name: HashMap<&str, usize> = HashMap::with_capacity(found.len());
    let mut groups: Vec<(usize, Vec<usize>)> = Vec::with_capacity(found.len());
    for (at, skill) in found.iter().enumerate() {
        let next = groups.len();
        match *by_name.entry(&skill.qualified).or_insert(next) {
            group if group == next => groups.push((at, Vec::new())),
            group => groups.get_mut(group).into_iter().for_each(|(_, others)| others.push(at)),
        }
    }
    if groups.len() == found.len() {
        return SettledNames { listed: found, ..SettledNames::default() };
    }
    let mut slots: Vec<Option<LoadedSkill>> = found.into_iter().map(Some).collect();
    let mut settled = SettledNames::default();
    let mut listed: Vec<(usize, LoadedSkill)> = Vec::with_capacity(slots.len());
    for (first, others) in groups {
        let group = std::iter::once(first).chain(others);
        let mut of_name: Vec<(usize, LoadedSkill)> =
            group.filter_map(|at| Some((at, slots.get_mut(at)?.take()?))).collect();
        if of_name.len() == 1 {
            listed.append(&mut of_name);
            continue;
        }
        match rule {
            NameRule::AllListed => list_all(of_name, &mut listed, &mut settled),
            NameRule::FirstWins => keep_first(of_name, ConflictRule::Agent, &mut listed, &mut settled),
            NameRule::Priority { override_threshold } => {
                keep_highest(of_name, override_threshold, &similarity, &mut listed, &mut settled);
            }
        }
    }
    listed.sort_by_key(|(at, _)| *at);
    settled.listed = listed.into_iter().map(|(_, skill)| skill).collect();
    settled
}

/// The name that a skill has where no other has it.
fn plain_name(skill: &LoadedSkill) -> String {
    match &skill.plugin {
        Some(plugin) => format!("{plugin}:{}", skill.name),
        None => skill.name.clone(),
    }
}

fn origin_name(skill: &LoadedSkill) -> String {
    format!("{}:{}", skill.origin.name(), skill.name)
}

/// Every one keeps its place; the first keeps the plain name too.
fn list_all(
    group: Vec<(usize, LoadedSkill)>,
    listed: &mut Vec<(usize, LoadedSkill)>,
    settled: &mut SettledNames,
) {
    let name = group.first().map(|(_, skill)| skill.name.clone()).unwrap_or_default();
    let mut origins = group.iter().map(|(_, skill)| skill.origin.name());
    let winner = origins.next().unwrap_or_default();
    settled.conflicts.push(SkillConflict {
        name,
        winner,
        over: origins.collect(),
        similarity: None,
        rule: ConflictRule::Agent,
    });
    let mut given: Vec<String> = Vec::new();
    for (at, mut skill) in group {
        let mut qualified = origin_name(&skill);
        let mut n = 1;
        while given.contains(&qualified) {
            n += 1;
            qualified = format!("{}:{n}", origin_name(&skill));
        }
        given.push(qualified.clone());
        skill.qualified = qualified;
        listed.push((at, skill));
    }
}

fn keep_first(
    group: Vec<(usize, LoadedSkill)>,
    rule: ConflictRule,
    listed: &mut Vec<(usize, LoadedSkill)>,
    settled: &mut SettledNames,
) {
    let mut group = group.into_iter();
    let Some((at, winner)) = group.next() else { return };
    let over: Vec<LoadedSkill> = group.map(|(_, skill)| skill).collect();
    settled.conflicts.push(SkillConflict {
        name: winner.qualified.clone(),
        winner: winner.origin.name(),
        over: over.iter().map(|skill| skill.origin.name()).collect(),
        similarity: None,
        rule,
    });
    settled.omitted.extend(over.into_iter().map(|skill| shadow(skill, &winner)));
    listed.push((at, winner));
}

/// The highest priority, unless the project has its own version of that skill.
fn keep_highest(
    mut group: Vec<(usize, LoadedSkill)>,
    threshold: f64,
    similarity: &impl Fn(&LoadedSkill, &LoadedSkill) -> f64,
    listed: &mut Vec<(usize, LoadedSkill)>,
    settled: &mut SettledNames,
) {
    group.sort_by_key(|(at, skill)| (std::cmp::Reverse(skill.priority), *at));
    let is_of_project = |skill: &LoadedSkill| skill.origin == SkillOrigin::Project;
    let highest_is_own = group.first().is_none_or(|(_, skill)| is_of_project(skill));
    let own = group.iter().position(|(_, skill)| is_of_project(skill)).filter(|_| !highest_is_own);
    let Some(own) = own else {
        return keep_first(group, ConflictRule::Priority, listed, settled);
    };
    let project = group.remove(own);
    let ratio = group.first().map_or(0.0, |(_, highest)| similarity(highest, &project.1));
    if ratio >= threshold {
        group.insert(0, project);
        keep_first(group, ConflictRule::OverrideThreshold, listed, settled);
        settled.conflicts.last_mut().into_iter().for_each(|row| row.similarity = Some(ratio));
        return;
    }
    let mut others = group.split_off(1);
    let (mut at_project, mut project) = project;
    project.qualified = origin_name(&project);
    let Some((at, winner)) = group.pop() else { return };
    settled.conflicts.push(SkillConflict {
        name: winner.qualified.clone(),
        winner: winner.origin.name(),
        over: std::iter::once(project.origin.name())
            .chain(others.iter().map(|(_, skill)| skill.origin.name()))
            .collect(),
        similarity: Some(ratio),
        rule: ConflictRule::OverrideThreshold,
    });
    for (_, skill) in others.drain(..) {
        let by = if is_of_project(&skill) { &project } else { &winner };
        settled.omitted.push(shadow(skill, by));
    }
    at_project = at_project.max(at);
    listed.push((at, winner));
    listed.push((at_project, project));
}

fn shadow(skill: LoadedSkill, by: &LoadedSkill) -> OmittedSkill {
    let detail = format!(
        "`{}` counts instead of `{}`",
        crate::error::printable(&by.manifest.to_string_lossy(), false),
        crate::error::printable(&skill.manifest.to_string_lossy(), false)
    );
    let name = match &skill.plugin {
        Some(_) => skill.qualified.clone(),
        None => origin_name(&skill),
    };
    let skill = LoadedSkill { qualified: name.clone(), ..skill };
    OmittedSkill { name, reason: OmitReason::Shadowed, detail, skill: Some(Box::new(skill)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::loader::SkillFacts;
    use proptest::prelude::*;

    fn skill(name: &str, origin: SkillOrigin, at: usize) -> LoadedSkill {
        let folder = std::path::PathBuf::from(format!("/{}/{at}/{name}", origin.name()));
        LoadedSkill {
            name: name.to_owned(),
            qualified: String::new(),
            origin,
            priority: origin.default_priority(),
            plugin: (origin == SkillOrigin::Plugin).then(|| format!("p{at}")),
            manifest: folder.join("SKILL.md"),
            folder,
            facts: SkillFacts::default(),
            digest: None,
            fallback: false,
            stamp: 0,
        }
    }

    fn names(skills: &[LoadedSkill]) -> Vec<&str> {
        skills.iter().map(|skill| skill.qualified.as_str()).collect()
    }

    use SkillOrigin::{Builtin, Extra, Plugin, Project, User};

    fn settle(origins: &[SkillOrigin], rule: NameRule, ratio: f64) -> SettledNames {
        let found = origins.iter().enumerate().map(|(at, origin)| skill("deploy", *origin, at)).collect();
        settle_names(found, rule, |_, _| ratio)
    }

    #[test]
    fn the_higher_priority_counts_unless_the_project_has_its_version_of_it() {
        let rule = NameRule::Priority { override_threshold: 0.8 };
        for (origins, ratio, expected, winner, by) in [
            (&[User, Builtin][..], 1.0, &["deploy"][..], "user", ConflictRule::Priority),
            (&[User, Project], 0.8, &["deploy"], "project", ConflictRule::OverrideThreshold),
            (&[User, Project], 0.79, &["deploy", "project:deploy"], "user", ConflictRule::OverrideThreshold),
            (&[Project, Builtin], 1.0, &["deploy"], "project", ConflictRule::Priority),
            (&[Project, Project], 0.0, &["deploy"], "project", ConflictRule::Priority),
            (
                &[User, Project, Builtin],
                0.1,
                &["deploy", "project:deploy"],
                "user",
                ConflictRule::OverrideThreshold,
            ),
        ] {
            let settled = settle(origins, rule, ratio);
            assert_eq!(names(&settled.listed), expected, "{origins:?}");
            let [row] = &settled.conflicts[..] else { panic!("{origins:?}: {:?}", settled.conflicts) };
            assert_eq!(
                (row.winner, row.rule, row.over.len()),
                (winner, by, origins.len() - 1),
                "{origins:?}"
            );
        }
    }

    #[test]
    fn an_extra_source_above_the_project_is_held_against_it_too() {
        let mut extra = skill("deploy", Extra, 0);
        extra.priority = 90;
        let found = vec![skill("deploy", Project, 1), extra];
        let settled = settle_names(found, NameRule::Priority { override_threshold: 0.8 }, |_, _| 0.9);
        assert_eq!(settled.conflicts[0].winner, "project");
        assert_eq!(settled.omitted[0].name, "extra:deploy");
    }

    #[test]
    fn skills_of_plugins_meet_nobody_elses() {
        let rule = NameRule::Priority { override_threshold: 0.8 };
        let settled = settle(&[User, Plugin, Plugin], rule, 1.0);
        assert_eq!(names(&settled.listed), ["deploy", "p1:deploy", "p2:deploy"]);
        assert!(settled.conflicts.is_empty());
    }

    #[test]
    fn an_agent_takes_the_first_or_lists_each() {
        let first = settle(&[Project, User], NameRule::FirstWins, 1.0);
        assert_eq!((names(&first.listed), first.omitted[0].name.as_str()), (vec!["deploy"], "user:deploy"));
        let all = settle(&[Project, Project, User], NameRule::AllListed, 1.0);
        assert_eq!(names(&all.listed), ["project:deploy", "project:deploy:2", "user:deploy"]);
        assert!(all.omitted.is_empty() && all.conflicts[0].rule == ConflictRule::Agent);
    }

    proptest! {
        /// Whatever is found is listed or omitted, once, and no two listed skills share a name.
        #[test]
        fn every_skill_is_somewhere_once(
            which in proptest::collection::vec((0_usize..4, 0_usize..5), 0..30),
            ratio in 0.0..1.0_f64,
            rule in 0..3,
        ) {
            let origins = [User, Project, Plugin, Builtin, Extra];
            let found: Vec<LoadedSkill> = which
                .iter()
                .enumerate()
                .map(|(at, (name, origin))| skill(&format!("s{name}"), origins[*origin], at))
                .collect();
            let rule = match rule {
                0 => NameRule::Priority { override_threshold: 0.8 },
                1 => NameRule::FirstWins,
                _ => NameRule::AllListed,
            };
            let settled = settle_names(found.clone(), rule, |_, _| ratio);
            let omitted = settled.omitted.iter().filter_map(|one| one.skill.as_deref());
            let mut after: Vec<_> = settled.listed.iter().chain(omitted).map(|s| s.manifest.clone()).collect();
            let mut before: Vec<_> = found.iter().map(|skill| skill.manifest.clone()).collect();
            after.sort();
            before.sort();
            prop_assert_eq!(after, before);
            let mut unique = names(&settled.listed);
            unique.sort_unstable();
            unique.dedup();
            prop_assert_eq!(unique.len(), settled.listed.len());
        }
    }
}
