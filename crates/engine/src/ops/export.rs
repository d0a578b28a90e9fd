//! `skill export`: what is installed as another tool's lock file.

use std::path::{Path, PathBuf};

use super::settle::open_session;
use crate::workspace::{Observer, Workspace};
use ba_agent_core::error::{Result, error, printable};
use ba_agent_core::interop::{self, Hosts};
use ba_agent_core::skill::{MANIFEST, SkillName};
use ba_agent_core::skill_yaml::yaml_of_markdown;
use ba_agent_system::fsx;

/// The other tool's lock file.
#[derive(Debug)]
pub struct ExportReport {
    pub text: String,
    /// Names of skills that the format cannot express.
    pub left_out: Vec<interop::SkippedSkill>,
    /// The file that was written; none where the caller gets the text alone.
    pub written: Option<PathBuf>,
}

/// Writes what is installed as a `skills-lock.json`, to `output` where one is named.
///
/// # Errors
/// Those of reading the registry and the installed files; `Failed` where it cannot be written.
pub fn export(
    workspace: &Workspace,
    output: Option<PathBuf>,
    observer: &dyn Observer,
) -> Result<ExportReport> {
    let session = open_session(workspace, observer)?;
    let registry = session.store.read()?;
    let settings = &session.settings;
    let hosts = Hosts {
        github: &settings.hosts.github_url,
        gitlab: &settings.hosts.gitlab_url,
        bitbucket: &settings.hosts.bitbucket_url,
    };
    let mut read = |name: &SkillName, path: &str| {
        let roots =
            registry.skills.get(name).map_or(Ok(Vec::new()), |entry| session.places.roots_of(entry))?;
        let root = roots.into_iter().next().unwrap_or_default();
        let file = root.join(name.as_str()).join(path);
        fsx::read_plain_file(&file, settings.limits.file)?
            .ok_or_else(|| error!(NotFound, "`{}` is not there", session.places.shown_to_user(&file)))
    };
    let export = interop::export_lock(&registry, &hosts, &mut read)?;
    for one in &export.left_out {
        session.warn(&format!("`{}` is left out: {}", one.name, one.reason));
    }
    export.notes.iter().for_each(|note| session.note(note));
    if let Some(file) = &output {
        write_output(&session.env.absolute(file), export.text.as_bytes())?;
    }
    Ok(ExportReport { text: export.text, left_out: export.left_out, written: output })
}

/// Writes the SKILL.md of one skill as a `skill.yaml`: of an installed one by its name, else of a
/// folder.
///
/// # Errors
/// `NotFound` for a skill that is not there, `Invalid` where its SKILL.md cannot be read; `Failed`
/// where the file cannot be written.
pub fn export_skill_yaml(
    workspace: &Workspace,
    what: &str,
    output: Option<PathBuf>,
    observer: &dyn Observer,
) -> Result<ExportReport> {
    let session = open_session(workspace, observer)?;
    let registry = session.store.read()?;
    let installed = what.parse::<SkillName>().ok().and_then(|name| registry.skills.get_key_value(&name));
    let folder = match installed {
        Some((name, entry)) => {
            let roots = session.places.roots_of(entry)?;
            roots.into_iter().next().unwrap_or_default().join(name.as_str())
        }
        None => session.env.absolute(Path::new(what)),
    };
    let folder = if folder.ends_with(MANIFEST) { fsx::parent(&folder).to_path_buf() } else { folder };
    let limits = &session.settings.limits;
    let Some(manifest) = fsx::read_plain_file(&folder.join(MANIFEST), limits.manifest)? else {
        return Err(error!(NotFound, "there is no skill `{}`", printable(what, false))
            .hint("name an installed skill, or the folder of one"));
    };
    let text = yaml_of_markdown(&manifest, limits)?;
    if let Some(file) = &output {
        write_output(&session.env.absolute(file), text.as_bytes())?;
    }
    Ok(ExportReport { text, left_out: Vec::new(), written: output })
}

/// Writes the file that the caller named.
///
/// # Errors
/// `Usage` for a folder, and for a file in a folder that is not there; those of
/// [`fsx::write_through`].
fn write_output(file: &Path, bytes: &[u8]) -> Result<()> {
    let shown = printable(&file.display().to_string(), false);
    if file.is_dir() {
        return Err(error!(Usage, "`{shown}` is a folder").hint("name a file in it"));
    }
    let folder = fsx::parent(file);
    if !folder.is_dir() {
        return Err(error!(Usage, "`{shown}` cannot be written: its folder does not exist")
            .hint("create the folder first, or name another file"));
    }
    fsx::write_through(file, bytes)
}
