//! `skill edit`: the instructions of an installed skill in an editor, and what came of it.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::installed::find_one_installed;
use super::settle::open_session;
use super::validate::{self, ValidateOptions};
use crate::workspace::{Observer, Workspace};
use ba_agent_core::diff::unified_diff;
use ba_agent_core::error::{Result, error};
use ba_agent_core::registry::InstallMode;
use ba_agent_core::skill::{Finding, LOWER_MANIFEST, MANIFEST, Profile, SkillName};
use ba_agent_system::fsx;

/// What an editor left.
#[derive(Debug, Serialize)]
pub struct EditReport {
    pub name: SkillName,
    /// The file that was edited.
    pub file: PathBuf,
    pub changed: bool,
    /// Lines that are new, and that are gone.
    pub added: usize,
    pub removed: usize,
    /// What the rules say of the skill as it is now.
    pub findings: Vec<Finding>,
    /// Further copies of the skill, which are as they were.
    pub other_copies: Vec<PathBuf>,
    /// The folder is the author's own: there is nothing that it was installed as.
    pub is_live: bool,
}

/// Lets `edit_file` change the instructions of an installed skill, and says what became of them.
/// The file is held to the places where skills are: a link of the project's that leads out of it
/// is not followed.
///
/// # Errors
/// `NotFound` for a name that is not installed and for a skill whose folder or `SKILL.md` is gone;
/// `Usage` for one that leads out of the project; those of `edit_file`.
pub fn edit(
    workspace: &Workspace,
    name: &str,
    edit_file: &mut dyn FnMut(&Path) -> Result<()>,
    observer: &dyn Observer,
) -> Result<EditReport> {
    let session = open_session(workspace, observer)?;
    let registry = session.store.read()?;
    let name = find_one_installed(name, &registry, &session.places)?;
    let entry = &registry.skills[&name];
    let roots = session.places.roots_of(entry)?;
    let mut folders = roots.iter().map(|root| root.join(name.as_str())).filter(|folder| folder.is_dir());
    let is_gone = || {
        error!(NotFound, "the SKILL.md of `{name}` is missing")
            .hint(format!("`ba-agent skill restore {name}` puts back what was installed"))
    };
    let folder = folders.next().ok_or_else(is_gone)?;
    let other_copies = if entry.mode == InstallMode::Copy { folders.collect() } else { Vec::new() };
    let files = [MANIFEST, LOWER_MANIFEST].map(|file| folder.join(file));
    let file = files.into_iter().find(|file| file.is_file()).ok_or_else(is_gone)?;
    let real = session.places.check_inside("file of a skill", &file)?;
    let limit = session.settings.limits.file;
    let before = fsx::read_plain_file(&real, limit)?.ok_or_else(is_gone)?;
    edit_file(&real)?;
    let after = fsx::read_plain_file(&real, limit)?.ok_or_else(is_gone)?;
    let (added, removed) = count_changed_lines(&before, &after);
    let options = ValidateOptions { paths: vec![folder], profile: Profile::Lint };
    let checked = validate::validate(workspace, &options)?;
    let findings = checked.into_iter().flat_map(|one| one.findings).collect();
    let is_live = entry.mode == InstallMode::Live;
    let changed = before != after;
    Ok(EditReport { name, file: real, changed, added, removed, findings, other_copies, is_live })
}

fn count_changed_lines(before: &[u8], after: &[u8]) -> (usize, usize) {
    let diff = unified_diff(MANIFEST, before, after);
    let lines = || diff.lines().skip_while(|line| !line.starts_with("@@"));
    let count = |sign: char| lines().filter(|line| line.starts_with(sign)).count();
    (count('+'), count('-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_look_like_a_heading_of_a_diff_count_too() {
        let check = |before: &str, after: &str, expected: (usize, usize)| {
            assert_eq!(count_changed_lines(before.as_bytes(), after.as_bytes()), expected, "{after:?}");
        };
        check("a\n", "a\n", (0, 0));
        check("a\nb\n", "a\nc\nd\n", (2, 1));
        check("a\n", "a\n++ b\n", (1, 0));
        check("a\n-- b\n", "a\n", (0, 1));
    }
}
