//! `skill pack`: a skill as one archive, the same bytes on every machine.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::validate::{Checked, check_skill, folder_of, path_shown};
use crate::fetch::local;
use crate::workspace::Workspace;
pub use ba_agent_archive::PackFormat;
use ba_agent_archive::{FIRST_TIME, write_archive};
use ba_agent_core::digest::Digest;
use ba_agent_core::discover;
use ba_agent_core::error::{Result, error, fail, printable};
use ba_agent_core::listing::{FileEntry, Limits, Listing};
use ba_agent_core::package::Package;
use ba_agent_core::path::RelPath;
use ba_agent_core::skill::{Profile, Severity, SkillName};
use ba_agent_git::look_up_files;
use ba_agent_system::env::Env;
use ba_agent_system::fsx;

/// What is packed, and where to.
#[derive(Debug)]
pub struct PackOptions {
    /// The skill's folder or its SKILL.md, from the working directory.
    pub path: PathBuf,
    /// The archive, or the folder to put it in; without it, a file of the skill's name.
    pub output: Option<PathBuf>,
    /// The format; without it, what the name of the archive says.
    pub format: Option<PackFormat>,
    /// By whose rules the skill must be valid.
    pub profile: Profile,
    /// What ends the command: an error, or a warning too.
    pub limit: Severity,
    /// Replace a file that is there.
    pub force: bool,
}

/// What was looked at, and the archive where the skill is valid.
#[derive(Debug)]
pub struct PackReport {
    pub checked: Checked,
    /// Files that are not in the archive, from the skill's folder: git ignores them, or an
    /// editor or an interpreter left them.
    pub left_out: Vec<String>,
    pub archive: Option<PackedArchive>,
}

/// An archive that was written.
#[derive(Debug, Serialize)]
pub struct PackedArchive {
    pub name: SkillName,
    /// Its path from the working directory.
    pub file: PathBuf,
    pub format: &'static str,
    pub bytes: u64,
    pub files: usize,
    /// Of the skill in it: what the registry records.
    pub digest: Digest,
    /// Of the archive itself: what `install --integrity` expects.
    pub integrity: Digest,
    /// The file was there already, with these bytes.
    pub unchanged: bool,
}

/// Packs a skill that is valid. What git tracks is packed; of the rest, what a `.gitignore`
/// excludes and what editors and interpreters leave behind is not.
///
/// # Errors
/// `NotFound` where there is no skill; `Usage` for a path of several, and for an archive inside
/// the skill or of an unknown ending; `Conflict` where the file is there and is another;
/// `Failed` for what cannot be read or written. An invalid skill is no error: the report has no
/// archive then.
pub fn pack(workspace: &Workspace, options: &PackOptions) -> Result<PackReport> {
    let settings = workspace.settings()?;
    let env = workspace.env();
    let shown = path_shown(&options.path);
    let folder = fs_err::canonicalize(folder_of(&env.absolute(&options.path))?)?;
    let (package, left_out) = open_packed_files(&folder, &settings.limits)?;
    let manifest = find_manifest(&package.listing, &shown)?;
    let folder_name = folder.file_name().map(|name| name.to_string_lossy().into_owned());
    let checked = check_skill(
        &package,
        &RelPath::ROOT,
        &manifest,
        folder_name.as_deref(),
        shown,
        options.profile,
        &settings.limits,
    )?;
    let mut report = PackReport { checked, left_out, archive: None };
    if report.checked.worst() < Some(options.limit) {
        let name = report.checked.name.as_deref().or(folder_name.as_deref()).unwrap_or_default();
        report.archive = Some(write_pack(env, options, &folder, &package, name.parse()?)?);
    }
    Ok(report)
}

/// The files of a folder that are packed, and the names of those that are not.
///
/// # Errors
/// Those of reading the folder.
pub(crate) fn open_packed_files(folder: &Path, limits: &Limits) -> Result<(Package, Vec<String>)> {
    let mut package = local::open_folder(folder, &[], limits)?;
    let left_out = leave_out_files(folder, &mut package)?;
    Ok((package, left_out))
}

/// The name of the manifest in the folder itself: an archive holds one skill.
///
/// # Errors
/// `NotFound` and `Invalid` where there is none, `Usage` for a folder of several skills.
pub(crate) fn find_manifest(listing: &Listing, shown: &str) -> Result<String> {
    let found = discover::find_skills(listing, &RelPath::ROOT);
    if let [one] = found.as_slice()
        && one.folder.is_root()
    {
        return Ok(one.manifest.clone());
    }
    if let Some(near) = discover::near_misses(listing, &RelPath::ROOT).first() {
        return Err(error!(Invalid, "`{shown}` has no SKILL.md")
            .hint(format!("there is `{near}`, but the file must be called exactly `SKILL.md`")));
    }
    match found.first() {
        None => Err(error!(NotFound, "there is no SKILL.md in `{shown}`")
            .hint("make a new skill with `ba-agent skill init NAME`")),
        Some(first) => Err(error!(Usage, "`{shown}` is not a skill, but has skills below it")
            .hint(format!("name one of them, for instance `{shown}/{}`", first.folder))),
    }
}

/// Takes out of the package what is not packed, and says what that is.
fn leave_out_files(folder: &Path, package: &mut Package) -> Result<Vec<String>> {
    let paths: Vec<RelPath> = package.listing.entries().iter().map(|entry| entry.path.clone()).collect();
    let view = look_up_files(folder, &paths)?;
    let is_tracked = |path: &RelPath| view.tracked.as_ref().is_some_and(|tracked| tracked.contains(path));
    let is_out = |entry: &FileEntry| {
        view.ignored.contains(&entry.path) || (is_leftover(&entry.path) && !is_tracked(&entry.path))
    };
    Ok(package.listing.leave_out(is_out).iter().map(ToString::to_string).collect())
}

/// What editors, merges and interpreters leave beside the files of a person.
fn is_leftover(path: &RelPath) -> bool {
    let name = path.name().to_ascii_lowercase();
    let is_swap = name.starts_with('.') && [".swp", ".swo", ".swx"].iter().any(|end| name.ends_with(end));
    let is_copy = [".orig", ".rej", ".pyc", ".pyo", "~"].iter().any(|end| name.ends_with(end));
    let is_lock = name.starts_with(".#") || (name.len() > 1 && name.starts_with('#') && name.ends_with('#'));
    let is_folder_view = matches!(name.as_str(), "thumbs.db" | "desktop.ini" | ".directory");
    let is_cache = path
        .folder()
        .split('/')
        .any(|folder| matches!(folder, "__pycache__" | "node_modules" | ".venv" | ".idea" | ".vscode"));
    is_swap || is_copy || is_lock || is_folder_view || is_cache
}

fn write_pack(
    env: &Env,
    options: &PackOptions,
    folder: &Path,
    package: &Package,
    name: SkillName,
) -> Result<PackedArchive> {
    let (file, format) = choose_file(env, options, folder, &name)?;
    let root = RelPath::ROOT;
    let skill = package.dir(&root);
    let bytes = write_archive(skill, name.as_str(), format, packing_time(env))?;
    let path = env.absolute(&file);
    let unchanged = fsx::exists(&path) && is_file_of(&path, &bytes);
    if !unchanged {
        write_output(&path, &file, &bytes, options.force)?;
    }
    Ok(PackedArchive {
        name,
        file,
        format: word_of(format),
        bytes: bytes.len() as u64,
        files: skill.count(),
        digest: skill.digest()?,
        integrity: Digest::of(&bytes),
        unchanged,
    })
}

/// The time of every entry: `SOURCE_DATE_EPOCH`, else the first that a ZIP archive can name.
fn packing_time(env: &Env) -> i64 {
    env.var("SOURCE_DATE_EPOCH").map_or(FIRST_TIME, |_| env.now.as_second())
}

fn word_of(format: PackFormat) -> &'static str {
    match format {
        PackFormat::Zip => "zip",
        PackFormat::TarGz => "tar.gz",
    }
}

/// The archive's file and format. Without a name it lies in the working directory, or beside the
/// skill where that is the skill's own folder.
fn choose_file(
    env: &Env,
    options: &PackOptions,
    folder: &Path,
    name: &SkillName,
) -> Result<(PathBuf, PackFormat)> {
    let ending = if options.format == Some(PackFormat::TarGz) { "tar.gz" } else { "skill" };
    let own = format!("{name}.{ending}");
    let file = match &options.output {
        Some(output) if env.absolute(output).is_dir() => output.join(&own),
        Some(output) => output.clone(),
        None if fsx::real_path(&env.cwd).starts_with(folder) => {
            let beside = fsx::parent(folder).join(&own);
            fsx::relative(&fsx::real_path(&env.cwd), &beside).unwrap_or(beside)
        }
        None => PathBuf::from(&own),
    };
    let path = env.absolute(&file);
    let shown = printable(&file.to_string_lossy(), false);
    let parent = fsx::parent(&path);
    if !parent.is_dir() {
        return Err(error!(Usage, "`{shown}` cannot be written: its folder does not exist")
            .hint("create the folder first, or name another file"));
    }
    if fsx::real_path(parent).starts_with(folder) {
        return Err(error!(Usage, "`{shown}` lies inside the skill, so it would be packed the next time")
            .hint("name a file outside of it with `--output FILE`"));
    }
    Ok((file, format_of(&path, options.format, &shown)?))
}

/// The format that was asked for, or that the name says; they must not contradict each other,
/// or nobody could install the archive.
fn format_of(path: &Path, asked: Option<PackFormat>, shown: &str) -> Result<PackFormat> {
    let name = path.file_name().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
    let ends = |endings: &[&str]| endings.iter().any(|ending| name.ends_with(ending));
    let said = if ends(&[".skill", ".zip"]) {
        Some(PackFormat::Zip)
    } else if ends(&[".tar.gz", ".tgz"]) {
        Some(PackFormat::TarGz)
    } else {
        None
    };
    match (said, asked) {
        (Some(said), Some(asked)) if said != asked => {
            fail!(Usage, "`{shown}` does not have the name of a {} archive", word_of(asked))
        }
        (Some(format), _) => Ok(format),
        (None, _) => Err(error!(Usage, "`{shown}` does not say what it is")
            .hint("expected a name that ends in `.skill`, `.zip`, `.tar.gz` or `.tgz`")),
    }
}

fn is_file_of(path: &Path, bytes: &[u8]) -> bool {
    matches!(fsx::read_plain_file(path, bytes.len() as u64), Ok(Some(there)) if there == bytes)
}

/// Writes the archive as a whole; never over something else without `force`, and never through a
/// link: a project may have put one there.
fn write_output(path: &Path, shown: &Path, bytes: &[u8], force: bool) -> Result<()> {
    if force {
        return fsx::write_atomic(path, bytes);
    }
    match fsx::write_first(path, bytes) {
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
            let shown = printable(&shown.to_string_lossy(), false);
            Err(error!(Conflict, "`{shown}` already exists and is another file")
                .hint("replace it with `--force`, or name another file with `--output FILE`"))
        }
        written => Ok(written?),
    }
}
