//! Which version of each needed skill is taken, and in which order skills stand.
//!
//! One version of a name in a scope: every agent knows one folder for a name. What somebody asked
//! for stays as it was asked for; of everything else the ranges of all that need it are
//! intersected, and whoever offers it answers with the highest version in them. What that version
//! needs is asked next, until nothing moves. A name that would come back to a version which it has
//! left goes round in circles, and is a conflict.

mod order;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use semver::{Version, VersionReq};

pub use order::{Arrangement, arrange_skills, order_of_needs};

/// That a skill needs another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Requirement {
    /// The name that needs it.
    pub by: String,
    /// The version of that one.
    pub by_version: Option<String>,
    /// Any version will do where there is none.
    pub range: Option<VersionReq>,
    /// Where it is said, for messages.
    pub place: String,
}

/// A version of a skill, and what it needs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ChosenVersion {
    /// `None` for a skill that gives itself none: then it is in no range.
    pub version: Option<Version>,
    /// Names with what will do of each.
    pub needs: Vec<(String, Requirement)>,
}

/// What is said of a name that is needed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// The highest version that all will do with.
    Chosen(ChosenVersion),
    /// It is nowhere.
    Missing,
    /// There are versions, and none that all will do with.
    Excluded(Vec<Version>),
}

/// Needs of one name that cannot all be met.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VersionConflict {
    pub name: String,
    pub requirements: Vec<Requirement>,
    /// What there is, lowest first.
    pub published: Vec<Version>,
}

/// What came of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Resolution {
    /// What was asked for, and all that it needs.
    pub chosen: BTreeMap<String, ChosenVersion>,
    pub missing: BTreeMap<String, Vec<Requirement>>,
    pub conflicts: Vec<VersionConflict>,
}

/// Who offers skills: of each name, and of all that is required of it, what there is. Asked for
/// several names at once.
pub type Offerer<'a, E> = dyn FnMut(&[(&str, &[Requirement])]) -> Result<Vec<Answer>, E> + 'a;

/// Resolves what `roots` need; `offer` answers for every other name.
///
/// # Errors
/// Those of `offer`.
pub fn resolve_skills<E>(
    roots: BTreeMap<String, ChosenVersion>,
    offer: &mut Offerer<'_, E>,
) -> Result<Resolution, E> {
    let mut work = Worklist { fixed: roots.keys().cloned().collect(), ..Worklist::default() };
    for (name, choice) in roots {
        work.choose(name, choice);
    }
    while let Some(due) = work.next_round() {
        let asked: Vec<(&str, &[Requirement])> =
            due.iter().map(|(name, requirements)| (name.as_str(), requirements.as_slice())).collect();
        let answers = offer(&asked)?;
        for ((name, requirements), answer) in due.into_iter().zip(answers) {
            work.take_answer(name, requirements, answer);
        }
    }
    Ok(work.finish())
}

/// True for a version that each of these will do with.
pub fn is_in_all_ranges(version: Option<&Version>, requirements: &[Requirement]) -> bool {
    let mut ranges = requirements.iter().filter_map(|one| one.range.as_ref());
    ranges.all(|range| version.is_some_and(|version| range.matches(version)))
}

/// The highest version that all will do with; a pre-release only where a range names one.
pub fn highest_version<'v>(
    versions: impl IntoIterator<Item = &'v Version>,
    requirements: &[Requirement],
) -> Option<&'v Version> {
    let is_asked_for = requirements.iter().any(|one| one.range.is_some());
    let fits = |version: &&Version| {
        is_in_all_ranges(Some(version), requirements) && (version.pre.is_empty() || is_asked_for)
    };
    versions.into_iter().filter(fits).max()
}

#[derive(Default)]
struct Worklist {
    /// What was asked for, which stays.
    fixed: BTreeSet<String>,
    chosen: BTreeMap<String, ChosenVersion>,
    /// By the name that is needed and the one that needs it.
    required: BTreeMap<String, BTreeMap<String, Vec<Requirement>>>,
    /// Names of which something has changed.
    changed: BTreeSet<String>,
    /// Versions that a name was at before.
    left: BTreeMap<String, Vec<Option<Version>>>,
    missing: BTreeSet<String>,
    conflicts: BTreeMap<String, Vec<Version>>,
}

impl Worklist {
    fn choose(&mut self, name: String, choice: ChosenVersion) {
        if let Some(before) = self.chosen.remove(&name) {
            for (needed, _) in &before.needs {
                if let Some(by) = self.required.get_mut(needed) {
                    by.remove(&name);
                }
                // Without that need it may be no conflict any more.
                self.conflicts.remove(needed);
                self.changed.insert(needed.clone());
            }
            self.left.entry(name.clone()).or_default().push(before.version);
        }
        for (needed, requirement) in &choice.needs {
            let by = self.required.entry(needed.clone()).or_default();
            by.entry(name.clone()).or_default().push(requirement.clone());
            self.changed.insert(needed.clone());
        }
        self.chosen.insert(name, choice);
    }

    /// Everything that is required of a name, in the order of those who need it.
    fn requirements_of(&self, name: &str) -> Vec<Requirement> {
        self.required.get(name).into_iter().flat_map(BTreeMap::values).flatten().cloned().collect()
    }

    /// The names that somebody has to answer for now.
    fn next_round(&mut self) -> Option<Vec<(String, Vec<Requirement>)>> {
        let mut due = Vec::new();
        for name in std::mem::take(&mut self.changed) {
            let requirements = self.requirements_of(&name);
            if requirements.is_empty() || self.conflicts.contains_key(&name) || self.missing.contains(&name) {
                continue;
            }
            match self.chosen.get(&name) {
                Some(choice) if is_in_all_ranges(choice.version.as_ref(), &requirements) => {}
                Some(choice) if self.fixed.contains(&name) => {
                    let published = choice.version.clone().into_iter().collect();
                    self.conflicts.insert(name, published);
                }
                _ => due.push((name, requirements)),
            }
        }
        (!due.is_empty()).then_some(due)
    }

    fn take_answer(&mut self, name: String, requirements: Vec<Requirement>, answer: Answer) {
        match answer {
            Answer::Missing => drop(self.missing.insert(name)),
            Answer::Excluded(published) => drop(self.conflicts.insert(name, published)),
            Answer::Chosen(choice) => {
                let came_back = self.left.get(&name).is_some_and(|left| left.contains(&choice.version))
                    || self.chosen.get(&name).is_some_and(|now| now.version == choice.version);
                if came_back || !is_in_all_ranges(choice.version.as_ref(), &requirements) {
                    self.conflicts.insert(name, choice.version.into_iter().collect());
                } else {
                    self.choose(name, choice);
                }
            }
        }
    }

    /// Leaves out what is needed no more by anything that was chosen.
    fn finish(mut self) -> Resolution {
        let mut reached: BTreeSet<String> = self.fixed.clone();
        let mut queue: VecDeque<String> = self.fixed.iter().cloned().collect();
        while let Some(name) = queue.pop_front() {
            for (needed, _) in self.chosen.get(&name).map(|choice| &choice.needs).into_iter().flatten() {
                if reached.insert(needed.clone()) {
                    queue.push_back(needed.clone());
                }
            }
        }
        self.chosen.retain(|name, _| reached.contains(name));
        let all = |name: &String| (name.clone(), self.requirements_of(name));
        let missing = self.missing.iter().filter(|name| reached.contains(*name)).map(all).collect();
        let conflicts = self.conflicts.iter().filter(|(name, _)| reached.contains(*name));
        let conflicts = conflicts.map(|(name, published)| VersionConflict {
            name: name.clone(),
            requirements: self.requirements_of(name),
            published: published.clone(),
        });
        Resolution { conflicts: conflicts.collect(), missing, chosen: self.chosen }
    }
}

#[cfg(test)]
mod tests;
