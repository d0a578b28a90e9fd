//! Deeds: sources on this machine that overlap with the places of skills. What an author
//! keeps there is never replaced or removed: it is the only copy.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::install_dirs::InstallDirs;
use crate::install_state::{self, Overlap};
use ba_agent_core::error::{Error, Result, error};
use ba_agent_core::registry::{InstallMode, LockEntry, Registry};
use ba_agent_core::skill::SkillName;
use ba_agent_core::source::{Request, Source};

use super::plan::{Action, Content, Plan, Step, Wanted, is_same_skill};

/// A skill that lies already where it was to be installed.
#[derive(Debug, Clone, Serialize)]
pub struct InPlace {
    pub name: SkillName,
    pub place: String,
}

/// Takes out of `wanted` the targets where the source itself lies, and the skills that have
/// no other: those are in place, and not recorded as what they are not, a copy.
pub(crate) fn leave_in_place(
    wanted: Vec<Wanted>,
    registry: &Registry,
    places: &InstallDirs,
) -> (Vec<Wanted>, Vec<InPlace>) {
    let (mut left, mut in_place) = (Vec::new(), Vec::new());
    for mut one in wanted {
        let candidate = &one.candidate;
        let name = candidate.name.clone();
        let source = places.local_path(&candidate.resolved.source, candidate.folder.as_str());
        let is_own = |root: &PathBuf| is_its_own_source(&root.join(name.as_str()), source.as_deref());
        let had = one.targets.len();
        one.targets.retain(|target| !places.roots(std::slice::from_ref(target)).iter().any(is_own));
        if one.targets.len() < had {
            let place = source.as_deref().map(|source| places.shown_to_user(source)).unwrap_or_default();
            in_place.push(InPlace { name: name.clone(), place });
        }
        let recorded = registry.skills.get(&name).filter(|entry| is_same_skill(entry, &one.candidate));
        if let Some(entry) = recorded {
            let roots = places.roots_of(entry).unwrap_or_default();
            // A place that holds the source is neither link nor copy, so that it becomes none.
            if one.targets.len() < had || roots.iter().any(is_own) {
                one.mode = entry.mode;
            }
        }
        if !one.targets.is_empty() || recorded.is_some() {
            left.push(one);
        }
    }
    (left, in_place)
}

fn is_its_own_source(place: &Path, source: Option<&Path>) -> bool {
    source.is_some_and(|source| install_state::find_overlap(place, source) == Overlap::Same)
}

/// The places of a step that are the skill's own source: they stay as they are, whatever the
/// step is.
pub(crate) type Untouched = BTreeSet<PathBuf>;

/// Looks at every step of a plan before the first is done.
///
/// # Errors
/// `Conflict` where a place that is to be replaced or removed holds a source, and for a live
/// link inside the folder that it leads to.
pub(crate) fn check(plan: &Plan, places: &InstallDirs) -> Result<Vec<Untouched>> {
    plan.steps.iter().map(|step| check_step(step, places)).collect()
}

fn check_step(step: &Step, places: &InstallDirs) -> Result<Untouched> {
    let mut untouched = Untouched::new();
    if step.action == Action::Forget {
        return Ok(untouched);
    }
    let before = step.before.as_ref().map(|entry| recorded_source(entry, places)).unwrap_or_default();
    let (now, mode, mut roots) = match &step.content {
        Some(Content::Noted(_)) => return Ok(untouched),
        Some(Content::Found(wanted)) => {
            let candidate = &wanted.candidate;
            let source = places.local_path(&candidate.resolved.source, candidate.folder.as_str());
            let targets = places.targets_in_use(wanted.targets.clone(), wanted.enabled);
            (source, wanted.mode, places.roots(&targets))
        }
        Some(Content::Recorded(recorded)) => {
            let entry = &recorded.entry;
            (recorded_source(entry, places), entry.mode, places.roots_of(entry)?)
        }
        None => (None, InstallMode::Copy, Vec::new()),
    };
    if let Some(entry) = &step.before {
        roots.extend(places.roots_of(entry)?);
    }
    for root in roots {
        let place = root.join(step.name.as_str());
        for source in [&now, &before].into_iter().flatten() {
            match install_state::find_overlap(&place, source) {
                // Of a skill that now comes from elsewhere the old source is somebody's work.
                Overlap::Same if step.content.is_some() && now.as_ref() != Some(source) => {
                    return Err(holds_source(&step.name, &place, source, places));
                }
                Overlap::Same => {
                    untouched.insert(place.clone());
                }
                Overlap::SourceInside => return Err(holds_source(&step.name, &place, source, places)),
                Overlap::PlaceInside if mode == InstallMode::Live && now.as_ref() == Some(source) => {
                    return Err(links_to_itself(&step.name, &place, places));
                }
                Overlap::PlaceInside | Overlap::Apart => {}
            }
        }
    }
    Ok(untouched)
}

fn recorded_source(entry: &LockEntry, places: &InstallDirs) -> Option<PathBuf> {
    let source: Source = Request::parse(&entry.source).ok()?.source;
    places.local_path(&source, entry.path.as_deref().unwrap_or(""))
}

fn holds_source(name: &SkillName, place: &Path, source: &Path, places: &InstallDirs) -> Error {
    error!(Conflict, "the source of `{name}` is in `{}`, which would be replaced", places.shown_to_user(place))
        .cause(format!("the source is `{}`", places.shown_to_user(source)))
        .hint("nothing was changed; move the source out of the skill folders first, or install it under another name with `--as NAME`")
}

fn links_to_itself(name: &SkillName, place: &Path, places: &InstallDirs) -> Error {
    error!(
        Conflict,
        "`{name}` cannot be linked into itself: `{}` is inside the folder that the link would point at",
        places.shown_to_user(place)
    )
    .hint("without `--link` it is copied, and the copy is separate")
    .hint("or link it into the skills of your user account with `--global`")
}
