//! Who needs whom among the skills of a scope.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use semver::{Version, VersionReq};

use crate::registry::DependencyRecord;
use crate::resolver::{Arrangement, Requirement, VersionConflict, arrange_skills, is_in_all_ranges};

/// A skill that is there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GraphSkill {
    /// As it is shown.
    pub version: Option<String>,
    /// As ranges are held against it.
    pub number: Option<Version>,
    /// That of the plugin which it is a part of.
    pub plugin_number: Option<Version>,
    /// Nobody asked for it.
    pub automatic: bool,
    pub enabled: bool,
    pub needs: Vec<DependencyRecord>,
}

/// The skills of a scope by their names, and what each needs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DependencyGraph {
    pub skills: BTreeMap<String, GraphSkill>,
}

/// A needed skill that is not there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MissingSkill {
    pub name: String,
    /// In the order of their names.
    pub wanted_by: Vec<String>,
    pub range: Option<String>,
}

impl DependencyGraph {
    /// What a skill needs to work, without suggestions.
    pub fn needs_of(&self, name: &str) -> impl Iterator<Item = &DependencyRecord> {
        self.skills.get(name).into_iter().flat_map(|skill| &skill.needs).filter(|need| !need.optional)
    }

    /// Of each needed name, who needs it.
    pub fn dependents(&self) -> BTreeMap<&str, BTreeSet<&str>> {
        let mut by: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for name in self.skills.keys() {
            for need in self.needs_of(name).filter(|need| need.name != *name) {
                by.entry(&need.name).or_default().insert(name);
            }
        }
        by
    }

    /// The enabled skills beside `leaving` that need one of these, and those that need them.
    pub fn dependents_of_all<'g>(&'g self, leaving: &BTreeSet<&'g str>) -> BTreeSet<&'g str> {
        let dependents = self.dependents();
        let mut found = BTreeSet::new();
        let mut queue: Vec<&str> = leaving.iter().copied().collect();
        while let Some(name) = queue.pop() {
            for by in dependents.get(name).into_iter().flatten() {
                let counts = self.skills.get(*by).is_some_and(|skill| skill.enabled);
                if counts && !leaving.contains(by) && found.insert(*by) {
                    queue.push(by);
                }
            }
        }
        found
    }

    /// Everything that these need, and they themselves.
    pub fn reach<'g>(&'g self, from: impl IntoIterator<Item = &'g str>) -> BTreeSet<&'g str> {
        let mut reached: BTreeSet<&str> = from.into_iter().collect();
        let mut queue: Vec<&str> = reached.iter().copied().collect();
        while let Some(name) = queue.pop() {
            for need in self.needs_of(name) {
                if reached.insert(&need.name) {
                    queue.push(&need.name);
                }
            }
        }
        reached
    }

    /// The skills that nobody asked for and that nothing needs any more, once `leaving` are gone.
    pub fn orphans(&self, leaving: &BTreeSet<&str>) -> Vec<&str> {
        let stays = |name: &&String, skill: &GraphSkill| !skill.automatic && !leaving.contains(name.as_str());
        let roots =
            self.skills.iter().filter(|(name, skill)| stays(name, skill)).map(|(name, _)| name.as_str());
        // What leads over a skill that leaves is held by nothing.
        let mut reached: BTreeSet<&str> = roots.collect();
        let mut queue: Vec<&str> = reached.iter().copied().collect();
        while let Some(name) = queue.pop() {
            for need in self.needs_of(name).filter(|need| !leaving.contains(need.name.as_str())) {
                if reached.insert(&need.name) {
                    queue.push(&need.name);
                }
            }
        }
        let is_orphan = |(name, skill): &(&String, &GraphSkill)| {
            skill.automatic && !leaving.contains(name.as_str()) && !reached.contains(name.as_str())
        };
        self.skills.iter().filter(is_orphan).map(|(name, _)| name.as_str()).collect()
    }

    /// Needed skills that are not there.
    pub fn missing(&self) -> Vec<MissingSkill> {
        let mut missing: BTreeMap<&str, MissingSkill> = BTreeMap::new();
        for name in self.skills.keys() {
            for need in self.needs_of(name).filter(|need| !self.skills.contains_key(&need.name)) {
                let one = missing.entry(&need.name).or_insert_with(|| MissingSkill {
                    name: need.name.clone(),
                    wanted_by: Vec::new(),
                    range: need.range.clone(),
                });
                if one.wanted_by.last() != Some(name) {
                    one.wanted_by.push(name.clone());
                }
            }
        }
        missing.into_values().collect()
    }

    /// Skills that are there in a version which somebody cannot do with.
    pub fn conflicts(&self) -> Vec<VersionConflict> {
        let broken = self.requirements().into_iter().filter_map(|((name, is_of_plugin), requirements)| {
            let skill = self.skills.get(name)?;
            let number = if is_of_plugin { &skill.plugin_number } else { &skill.number };
            let holds = is_in_all_ranges(number.as_ref(), &requirements);
            let published = number.clone().into_iter().collect();
            (!holds).then(|| VersionConflict { name: name.to_owned(), requirements, published })
        });
        broken.collect()
    }

    /// Of each skill that somebody wants in a range, who wants it so; apart from that those whose
    /// range is about the plugin that it is a part of (`true`).
    pub fn requirements(&self) -> BTreeMap<(&str, bool), Vec<Requirement>> {
        let mut required: BTreeMap<(&str, bool), Vec<Requirement>> = BTreeMap::new();
        for (name, skill) in &self.skills {
            for need in self.needs_of(name) {
                let Some(range) = need.range.as_ref().and_then(|range| VersionReq::parse(range).ok()) else {
                    continue;
                };
                required.entry((&need.name, need.plugin.is_some())).or_default().push(Requirement {
                    by: name.clone(),
                    by_version: skill.version.clone(),
                    range: Some(range),
                    place: place_of(need),
                });
            }
        }
        required
    }

    /// The order in which skills stand, and the circles among them.
    pub fn arrangement(&self) -> Arrangement {
        let needs: BTreeMap<&str, Vec<&str>> = self
            .skills
            .keys()
            .map(|name| (name.as_str(), self.needs_of(name).map(|need| need.name.as_str()).collect()))
            .collect();
        arrange_skills(&needs)
    }

    /// The ways on which skills that nobody needs, or that somebody asked for, lead to `name`,
    /// shortest first and at most `most`; without `name` itself where it was asked for.
    pub fn ways_to(&self, name: &str, most: usize) -> Vec<Vec<String>> {
        let dependents = self.dependents();
        let mut ways = Vec::new();
        let mut queue = VecDeque::from([vec![name]]);
        // A dense graph has more ways than anybody reads.
        let mut looked = 0;
        while let Some(way) = queue.pop_front() {
            looked += 1;
            if ways.len() >= most || looked > most.saturating_mul(200) {
                break;
            }
            let Some(last) = way.last().copied() else { continue };
            let above = dependents.get(last);
            let is_asked = self.skills.get(last).is_some_and(|skill| !skill.automatic);
            if way.len() > 1 && (is_asked || above.is_none()) {
                ways.push(way.iter().rev().map(|name| (*name).to_owned()).collect());
            }
            for by in above.into_iter().flatten().filter(|by| !way.contains(by)) {
                let mut longer = way.clone();
                longer.push(by);
                queue.push_back(longer);
            }
        }
        ways
    }
}

/// Where a need is said: `SKILL.md:5, `requires``.
pub fn place_of(need: &DependencyRecord) -> String {
    match &need.key {
        Some(key) => format!("{}, `{key}`", need.at),
        None => format!("{}, a link", need.at),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::DependencyKind;
    use proptest::prelude::*;

    /// `name`, `*` before it for one that nobody asked for; a need is `name`, `name range` or
    /// `?name` for a suggestion.
    fn graph(rows: &[(&str, &str, &[&str])]) -> DependencyGraph {
        let need = |text: &&str| {
            let (optional, text) = (text.starts_with('?'), text.trim_start_matches('?'));
            let (name, range) =
                text.split_once(' ').map_or((text, None), |(name, range)| (name, Some(range)));
            DependencyRecord {
                at: "SKILL.md:1".into(),
                key: None,
                kind: DependencyKind::Link,
                marketplace: None,
                name: name.into(),
                optional,
                plugin: None,
                range: range.map(str::to_owned),
                source: None,
            }
        };
        let skill = |(name, version, needs): &(&str, &str, &[&str])| {
            let skill = GraphSkill {
                version: Some((*version).to_owned()),
                number: version.parse().ok(),
                plugin_number: None,
                automatic: name.starts_with('*'),
                enabled: true,
                needs: needs.iter().map(need).collect(),
            };
            (name.trim_start_matches('*').to_owned(), skill)
        };
        DependencyGraph { skills: rows.iter().map(skill).collect() }
    }

    fn example() -> DependencyGraph {
        graph(&[
            ("a", "1.0.0", &["b"]),
            ("*b", "1.0.0", &["c ^2", "?z"]),
            ("*c", "1.4.0", &["b"]),
            ("d", "1.0.0", &["b", "gone"]),
            ("*e", "1.0.0", &["c"]),
        ])
    }

    #[test]
    fn who_needs_whom_is_told_in_both_directions() {
        let graph = example();
        let leaving = |names: &[&'static str]| names.iter().copied().collect::<BTreeSet<&str>>();
        let of = |names: &[&'static str]| {
            graph.dependents_of_all(&leaving(names)).into_iter().collect::<Vec<_>>().join(" ")
        };
        assert_eq!(of(&["b"]), "a c d e");
        assert_eq!(of(&["a"]), "");
        assert_eq!(of(&["z"]), "", "a suggestion holds nobody");
        assert_eq!(graph.orphans(&leaving(&[])), ["e"]);
        assert_eq!(graph.orphans(&leaving(&["a"])), ["e"]);
        assert_eq!(graph.orphans(&leaving(&["a", "d"])), ["b", "c", "e"]);
        assert_eq!(graph.reach(["a"]).into_iter().collect::<Vec<_>>(), ["a", "b", "c"]);
        let missing: Vec<_> = graph.missing().into_iter().map(|one| (one.name, one.wanted_by)).collect();
        assert_eq!(missing, [("gone".to_owned(), vec!["d".to_owned()])]);
        let conflicts = graph.conflicts();
        assert_eq!((conflicts.len(), conflicts[0].name.as_str()), (1, "c"));
        assert_eq!(graph.arrangement().cycles, [["b", "c", "b"]]);
        let ways: Vec<String> = graph.ways_to("c", 10).iter().map(|way| way.join(">")).collect();
        assert_eq!(ways, ["e>c", "a>b>c", "d>b>c"]);
        assert!(graph.ways_to("a", 10).is_empty());
    }

    proptest! {
        /// Taking away the orphans breaks nothing, and leaves none.
        #[test]
        fn orphans_can_be_taken_away(
            rows in proptest::collection::btree_map("[a-g]", (any::<bool>(), proptest::collection::vec("[a-g]", 0..3)), 1..7),
            gone in proptest::collection::btree_set("[a-g]", 0..3),
        ) {
            let mut graph = DependencyGraph::default();
            for (name, (automatic, needs)) in &rows {
                let needs: Vec<&str> = needs.iter().map(String::as_str).collect();
                let mut one = super::tests::graph(&[(name, "1.0.0", &needs)]);
                let skill = one.skills.get_mut(name).unwrap();
                skill.automatic = *automatic;
                graph.skills.append(&mut one.skills);
            }
            let leaving: BTreeSet<&str> = gone.iter().map(String::as_str).collect();
            let orphans: BTreeSet<String> = graph.orphans(&leaving).into_iter().map(str::to_owned).collect();
            let mut left = graph.clone();
            left.skills.retain(|name, _| !leaving.contains(name.as_str()) && !orphans.contains(name));
            prop_assert!(left.orphans(&BTreeSet::new()).is_empty());
            for (name, _) in left.skills.iter().filter(|(_, skill)| !skill.automatic) {
                for need in left.needs_of(name) {
                    prop_assert!(!orphans.contains(&need.name), "{} needs {}", name, need.name);
                }
            }
        }
    }
}
