//! World: what lies in skills folders and is in no registry, because somebody or another tool put
//! it there. One look at each folder of a known agent; nothing in them is followed or opened.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::install_dirs::InstallDirs;
use ba_agent_core::agents::{InstallTarget, all_agents};
use ba_agent_core::registry::RegistrySummary;
use ba_agent_core::skill::MANIFEST;
use ba_agent_system::fsx;

/// A skills folder, and the names of everything in it.
#[derive(Debug)]
pub(crate) struct ScannedRoot {
    pub(crate) target: InstallTarget,
    /// Without links.
    pub(crate) root: PathBuf,
    pub(crate) names: Vec<String>,
}

/// A skill that lies in a skills folder without being recorded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct UnmanagedSkill {
    /// What its folder is called.
    pub name: String,
    /// Its folder as a person names it, from the base of the scope.
    pub path: String,
    /// The same without links above it.
    #[serde(skip)]
    pub(crate) at: PathBuf,
    /// The skills folder that it lies in.
    #[serde(skip)]
    pub(crate) root: PathBuf,
    #[serde(skip)]
    pub(crate) target: InstallTarget,
}

/// Looks into every skills folder of this scope that is there: those of `named` targets, which go
/// first, and those of every known agent. One that leads out of a project is left alone.
pub(crate) fn scan_roots(places: &InstallDirs, named: &[InstallTarget]) -> Vec<ScannedRoot> {
    let mut scanned: Vec<ScannedRoot> = Vec::new();
    for target in known_targets(places, named) {
        if !places.is_there(&target) || places.check_links_of(&target).is_err() {
            continue;
        }
        let root = places.root(&target);
        if scanned.iter().any(|known| known.root == root) {
            continue;
        }
        let entries = std::fs::read_dir(&root).into_iter().flatten().flatten();
        let is_file = |entry: &std::fs::DirEntry| entry.file_type().is_ok_and(|kind| kind.is_file());
        let names =
            entries.filter(|entry| !is_file(entry)).filter_map(|entry| entry.file_name().into_string().ok());
        let names = names.filter(|name| !name.starts_with('.')).collect();
        scanned.push(ScannedRoot { target, root, names });
    }
    scanned
}

/// The targets whose folders are looked into. The folder that several agents share is called by
/// its own name, not by that of the first of them.
fn known_targets(places: &InstallDirs, named: &[InstallTarget]) -> Vec<InstallTarget> {
    let shared = all_agents().iter().filter(|agent| agent.id == "universal");
    let agents = shared.chain(all_agents());
    // `skills` at the top of a project is where authors have theirs.
    let agents = agents.filter(|agent| places.scope() == "user" || agent.project_dir.starts_with('.'));
    let mut targets = vec![InstallTarget::default()];
    targets.extend(named.iter().cloned());
    targets.extend(agents.map(InstallTarget::Agent));
    let mut seen = BTreeSet::new();
    targets.retain(|target| seen.insert(places.root_as_written(target)));
    targets
}

/// The targets that a registry names.
pub(crate) fn recorded_targets(summary: &RegistrySummary<'_>) -> Vec<InstallTarget> {
    let texts: BTreeSet<&str> =
        summary.skills.iter().flat_map(|(_, entry)| &entry.targets).map(|text| &**text).collect();
    // One that cannot be understood is told of where it is used.
    texts.into_iter().filter_map(|text| InstallTarget::parse(text).ok()).collect()
}

/// The skills in `scanned` that `summary` does not record there.
pub(crate) fn find_unmanaged(
    scanned: &[ScannedRoot],
    summary: &RegistrySummary<'_>,
    places: &InstallDirs,
) -> Vec<UnmanagedSkill> {
    let roots: Vec<(String, PathBuf)> = recorded_targets(summary)
        .into_iter()
        .map(|target| (target.to_string(), places.root(&target)))
        .collect();
    let is_recorded = |name: &str, root: &Path| {
        let at = summary.skills.binary_search_by(|(known, _)| known.as_str().cmp(name));
        let entry = at.ok().and_then(|at| summary.skills.get(at));
        entry.is_some_and(|(_, entry)| {
            let leads_here = |text: &str| roots.iter().any(|(known, place)| known == text && place == root);
            entry.enabled && entry.targets.iter().any(|text| leads_here(text))
        })
    };
    let mut found = Vec::new();
    for ScannedRoot { target, root, names } in scanned {
        let strange = names.iter().filter(|name| !is_recorded(name, root));
        for name in strange.filter(|name| is_skill_folder(&root.join(name))) {
            let at = root.join(name);
            found.push(UnmanagedSkill {
                name: name.clone(),
                path: places.shown_to_user(&at),
                at,
                root: root.clone(),
                target: target.clone(),
            });
        }
    }
    // Those of one name stay in the order of their skills folders.
    found.sort_by(|a, b| a.name.cmp(&b.name));
    found
}

/// True for a folder with a manifest, and for a link to one, or to nothing.
fn is_skill_folder(at: &Path) -> bool {
    at.join(MANIFEST).is_file() || (at.is_symlink() && !at.exists())
}

/// Where a skill of this name lies that nobody recorded, as a person names its folder.
pub(crate) fn find_by_hand(name: &str, places: &InstallDirs) -> Option<String> {
    if name.contains(['/', '\\']) || name.starts_with('.') {
        return None;
    }
    let targets = known_targets(places, &[]).into_iter();
    let usable = targets.filter(|target| places.is_there(target) && places.check_links_of(target).is_ok());
    let mut folders = usable.map(|target| places.root(&target).join(name));
    folders.find(|at| fsx::exists(at) && is_skill_folder(at)).map(|at| places.shown_to_user(&at))
}
