//! How unmanaged skills lie: one folder, a folder with links to it, copies, or links to a folder of
//! the project. It is recorded as it is found.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::install_dirs::InstallDirs;
use crate::install_state;
use crate::unmanaged::UnmanagedSkill;
use ba_agent_core::agents::InstallTarget;
use ba_agent_core::digest::Files;
use ba_agent_core::error::{Error, Kind, Result, error, printable};
use ba_agent_core::registry::InstallMode;
use ba_agent_core::skill::SkillName;

/// One skill, and where it lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Layout {
    pub(crate) name: SkillName,
    /// The folder with the files, without links.
    pub(crate) folder: PathBuf,
    /// The first has the files, unless all are links.
    pub(crate) targets: Vec<InstallTarget>,
    pub(crate) mode: InstallMode,
    /// Its places as a person names them, in the order of the targets.
    pub(crate) paths: Vec<String>,
    /// What is in the folder.
    pub(crate) files: Files,
}

/// What stands at one place.
enum FoundPlace<'p> {
    Folder(&'p UnmanagedSkill),
    /// A link, and the folder that it leads to.
    Link(&'p UnmanagedSkill, PathBuf),
}

impl<'p> FoundPlace<'p> {
    fn skill(&self) -> &'p UnmanagedSkill {
        match self {
            Self::Folder(skill) | Self::Link(skill, _) => skill,
        }
    }
}

/// The layout of each skill, or why it cannot be adopted, by what its folder is called.
pub(crate) fn find_layouts(
    unmanaged: &[UnmanagedSkill],
    places: &InstallDirs,
) -> BTreeMap<String, Result<Layout>> {
    let mut groups: BTreeMap<&str, Vec<&UnmanagedSkill>> = BTreeMap::new();
    for skill in unmanaged {
        groups.entry(&skill.name).or_default().push(skill);
    }
    groups.into_iter().map(|(name, group)| (name.to_owned(), layout_of(name, &group, places))).collect()
}

fn layout_of(name: &str, group: &[&UnmanagedSkill], places: &InstallDirs) -> Result<Layout> {
    let name: SkillName = name.parse().map_err(|e: Error| Error { kind: Kind::Invalid, ..e })?;
    let found: Vec<FoundPlace<'_>> = group.iter().map(|skill| look(skill, places)).collect::<Result<_>>()?;
    let folders = || {
        found.iter().filter_map(|place| match place {
            FoundPlace::Folder(skill) => Some(*skill),
            FoundPlace::Link(..) => None,
        })
    };
    let leads: BTreeSet<&PathBuf> = found
        .iter()
        .filter_map(|place| match place {
            FoundPlace::Link(_, to) => Some(to),
            FoundPlace::Folder(_) => None,
        })
        .collect();
    let mut ordered: Vec<&UnmanagedSkill> = folders().collect();
    let with_files = ordered.len();
    ordered.extend(found.iter().filter(|place| matches!(place, FoundPlace::Link(..))).map(FoundPlace::skill));
    let (folder, mode) = match (with_files, leads.first()) {
        (0, Some(to)) if leads.len() == 1 => (to.to_path_buf(), InstallMode::Live),
        (1, to) if leads.len() <= 1 => {
            let folder = ordered.first().map(|skill| skill.at.clone()).unwrap_or_default();
            if to.is_some_and(|to| std::fs::canonicalize(&folder).ok().as_ref() != Some(to)) {
                return Err(lies_apart(&name, &ordered));
            }
            (folder, InstallMode::Link)
        }
        (_, None) => (ordered.first().map(|skill| skill.at.clone()).unwrap_or_default(), InstallMode::Copy),
        _ => return Err(lies_apart(&name, &ordered)),
    };
    if let Some(inside) =
        ordered.iter().find(|skill| mode == InstallMode::Live && skill.at.starts_with(&folder))
    {
        return Err(error!(Conflict, "`{}` is a link to a folder around it", shown(&inside.path)));
    }
    let files = read_files(&folder, places)?;
    if mode == InstallMode::Copy {
        for copy in ordered.iter().skip(1) {
            if read_files(&copy.at, places)? != files {
                return Err(lies_apart(&name, &ordered));
            }
        }
    }
    Ok(Layout {
        name,
        folder,
        targets: ordered.iter().map(|skill| skill.target.clone()).collect(),
        mode,
        paths: ordered.iter().map(|skill| skill.path.clone()).collect(),
        files,
    })
}

fn look<'p>(skill: &'p UnmanagedSkill, places: &InstallDirs) -> Result<FoundPlace<'p>> {
    let path = shown(&skill.path);
    let Ok(text) = std::fs::read_link(&skill.at) else { return Ok(FoundPlace::Folder(skill)) };
    let shown_text = shown(&text.to_string_lossy());
    let Ok(to) = std::fs::canonicalize(&skill.at) else {
        return Err(error!(Conflict, "`{path}` is a link to `{shown_text}`, which leads nowhere")
            .hint("remove the link, or put there what it leads to"));
    };
    if !places.may_link_to(&to) {
        return Err(error!(Usage, "`{path}` is a link to `{shown_text}`, outside of the project")
            .cause(
                "what a project's link leads to is not the project's: nothing out there is read or recorded",
            )
            .hint(format!(
                "if you trust it: remove the link, then `ba-agent skill install --link {shown_text}`"
            )));
    }
    Ok(FoundPlace::Link(skill, to))
}

/// What is in a folder. One with a repository of its own is left to git.
fn read_files(folder: &Path, places: &InstallDirs) -> Result<Files> {
    let path = shown(&places.shown_to_user(folder));
    if folder.join(".git").symlink_metadata().is_ok() {
        return Err(error!(Conflict, "`{path}` has a git repository of its own, which would be taken for a part of the skill")
            .hint("install the skill from that repository, with `--force` in place of the clone: `ba-agent skill install URL`")
            .hint(format!("or remove `{path}/.git` first, if nothing in it is needed")));
    }
    install_state::hash_folder(folder)
}

fn lies_apart(name: &SkillName, places: &[&UnmanagedSkill]) -> Error {
    let error = error!(Conflict, "`{name}` lies in {} places that do not belong together", places.len());
    let error = places.iter().map(|skill| shown(&skill.path)).fold(error, Error::cause);
    let first = places.first().map(|skill| shown(&skill.path)).unwrap_or_default();
    error.hint(format!("adopt one of them by its path, for instance `ba-agent skill adopt {first}`"))
}

fn shown(text: &str) -> String {
    printable(text, false)
}
