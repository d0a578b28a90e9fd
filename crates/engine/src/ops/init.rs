//! `skill init`: a new skill that passes `validate`.

use std::path::PathBuf;

use fs_err as fs;

use crate::workspace::{Notice, Observer, Workspace};
use ba_agent_core::error::{Result, error};
use ba_agent_core::skill::{self, SkillName};
use ba_agent_system::fsx;

/// The new skill.
#[derive(Debug, Default)]
pub struct InitOptions {
    /// Its name, and that of its folder.
    pub name: String,
    /// The folder to make it in, from the working directory.
    pub dir: PathBuf,
    /// What it does and when to use it; may be empty.
    pub description: String,
}

/// The skill that was made.
#[derive(Debug)]
pub struct InitReport {
    pub name: SkillName,
    pub folder: PathBuf,
}

/// Makes a new skill. On failure nothing of it is left.
///
/// # Errors
/// `Usage` for what cannot be a name, `Conflict` where its folder is there already, `Failed`
/// where it cannot be written.
pub fn init(workspace: &Workspace, options: &InitOptions, observer: &dyn Observer) -> Result<InitReport> {
    let name: SkillName = options.name.parse()?;
    if let Some(reason) = name.portability_fault() {
        observer.notice(Notice::Warning(&format!("`{name}` {reason}: many agents do not accept it")));
    }
    let folder = workspace.env().absolute(&options.dir).join(name.as_str());
    if fsx::exists(&folder) {
        return Err(error!(Conflict, "`{}` already exists", folder.display())
            .hint("choose another name, or another folder with `--dir`"));
    }
    let made = fsx::create_folders(&folder)?;
    let text = skill::manifest_template(&name, &options.description);
    let written = fsx::write_new(&folder.join(skill::MANIFEST), text.as_bytes(), false);
    if let Err(error) = written {
        let _ = fs::remove_file(folder.join(skill::MANIFEST));
        fsx::remove_empty(&made);
        return Err(error.into());
    }
    Ok(InitReport { name, folder })
}
