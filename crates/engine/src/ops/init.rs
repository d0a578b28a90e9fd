//! `skill init`: a new skill that passes `validate`.

use std::path::{Path, PathBuf};

use fs_err as fs;

use crate::workspace::{Notice, Observer, Workspace};
use ba_agent_core::error::{Result, error, printable};
use ba_agent_core::listing::Limits;
use ba_agent_core::skill::{self, SkillName};
use ba_agent_core::skill_yaml::markdown_of_yaml;
use ba_agent_system::fsx;

/// The new skill.
#[derive(Debug, Default)]
pub struct InitOptions {
    /// Its name, and that of its folder; of a `skill.yaml` by default the one that it says.
    pub name: Option<String>,
    /// A `skill.yaml` that is made a SKILL.md.
    pub from: Option<PathBuf>,
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
/// `Usage` for what cannot be a name, `NotFound` and `Invalid` for a `skill.yaml` that is not there or
/// cannot be read, `Conflict` where its folder is there already, `Failed`
/// where it cannot be written.
pub fn init(workspace: &Workspace, options: &InitOptions, observer: &dyn Observer) -> Result<InitReport> {
    let converted = options.from.as_deref().map(|file| convert_yaml(workspace, file)).transpose()?;
    let own = converted.as_ref().and_then(|text| read_name(text));
    let name: SkillName = match (&options.name, own) {
        (Some(name), _) => name.parse()?,
        (None, Some(own)) => own.parse()?,
        (None, None) => {
            return Err(error!(Usage, "it is not said what the skill is called")
                .hint("write `ba-agent skill init NAME`"));
        }
    };
    if let Some(reason) = name.portability_fault() {
        observer.notice(Notice::Warning(&format!("`{name}` {reason}: many agents do not accept it")));
    }
    let folder = workspace.env().absolute(&options.dir).join(name.as_str());
    if fsx::exists(&folder) {
        return Err(error!(Conflict, "`{}` already exists", folder.display())
            .hint("choose another name, or another folder with `--dir`"));
    }
    let made = fsx::create_folders(&folder)?;
    let text = converted.unwrap_or_else(|| skill::manifest_template(&name, &options.description));
    let written = fsx::write_new(&folder.join(skill::MANIFEST), text.as_bytes(), false);
    if let Err(error) = written {
        let _ = fs::remove_file(folder.join(skill::MANIFEST));
        fsx::remove_empty(&made);
        return Err(error.into());
    }
    Ok(InitReport { name, folder })
}

/// The SKILL.md of a `skill.yaml`.
fn convert_yaml(workspace: &Workspace, file: &Path) -> Result<String> {
    let limits = workspace.settings()?.limits;
    let path = workspace.env().absolute(file);
    let shown = printable(&file.to_string_lossy(), false);
    let Some(bytes) = fsx::read_plain_file(&path, limits.manifest)? else {
        return Err(error!(NotFound, "`{shown}` does not exist"));
    };
    let text = String::from_utf8(bytes).map_err(|_| error!(Invalid, "`{shown}` is not UTF-8"))?;
    markdown_of_yaml(&text).map_err(|error| error.cause(format!("`{shown}`")))
}

fn read_name(manifest: &str) -> Option<String> {
    let read = skill::read_summary(None, manifest.as_bytes(), &Limits::default());
    read.frontmatter.and_then(|front| front.name)
}
