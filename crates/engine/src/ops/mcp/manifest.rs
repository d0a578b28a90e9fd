//! The files of a skill with their digests and sizes: out of the registry where it records them
//! and the disk does not say otherwise, else by reading them. What was read once is not read again
//! while the file is the same.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use serde_json::{Map, Value};
use walkdir::WalkDir;

use crate::loader::builtin_name;
use crate::registry_facts::RecordedSkillFiles;
use crate::workspace::Session;
use ba_agent_core::digest::sha256_hex;
use ba_agent_core::error::{Result, error, printable};
use ba_agent_core::loader::{LoadedSkill, SkillOrigin};
use ba_agent_core::path::RelPath;
use ba_agent_core::skill::{MANIFEST, frontmatter_as_json};
use ba_agent_core::skill_uri::{MOST_BYTES, MOST_FILES, SkillUri, fault_of_served_name};
use ba_agent_core::text::find_nearest;
use ba_agent_system::fsx;

/// Folders inside each other that are looked through.
const DEPTH: usize = 16;
/// A file that was written by the command which recorded it is at most so much younger.
const SLACK: Duration = Duration::from_secs(2);
/// Files of which digests are remembered.
const REMEMBERED: usize = 50_000;

/// A skill as the skills extension lists it.
#[derive(Debug, Clone, PartialEq)]
pub struct SkillEntry {
    /// The address of its manifest.
    pub uri: String,
    /// As its author wrote it.
    pub frontmatter: Map<String, Value>,
    /// Every file, in the order of the paths.
    pub files: Vec<ServedFile>,
}

/// A file of such a skill.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServedFile {
    pub uri: String,
    pub path: String,
    /// `sha256:` and 64 digits.
    pub digest: String,
    pub size: u64,
}

/// What tells a file from the same file with other bytes, without reading it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FileFingerprint {
    pub(super) size: u64,
    pub(super) modified: Option<SystemTime>,
    inode: u64,
}

impl FileFingerprint {
    /// Of what stands at a path, or at the end of its link, if that is a file.
    pub(super) fn of(path: &Path) -> Option<Self> {
        let meta = std::fs::metadata(path).ok().filter(std::fs::Metadata::is_file)?;
        #[cfg(unix)]
        let inode = std::os::unix::fs::MetadataExt::ino(&meta);
        #[cfg(not(unix))]
        let inode = 0;
        Some(Self { size: meta.len(), modified: meta.modified().ok(), inode })
    }
}

/// Digests and frontmatters that were read, each with what the file was then.
#[derive(Default)]
pub(super) struct Measured {
    digests: HashMap<PathBuf, (FileFingerprint, String)>,
    frontmatters: HashMap<PathBuf, (FileFingerprint, Option<Map<String, Value>>)>,
}

/// A file that was found in a skill.
struct FoundFile {
    path: String,
    size: u64,
    sha256: String,
}

impl Measured {
    /// A skill as it is now.
    ///
    /// # Errors
    /// Why it is not served, in a sentence.
    pub(super) fn entry_of(
        &mut self,
        session: &Session<'_>,
        skill: &LoadedSkill,
        recorded: Option<&RecordedSkillFiles>,
    ) -> Result<SkillEntry, String> {
        let frontmatter = self.frontmatter_of(session, skill).ok_or("its frontmatter cannot be passed on")?;
        let given = frontmatter.get("name").and_then(Value::as_str);
        if let Some(fault) = fault_of_served_name(&skill.name, given) {
            return Err(fault);
        }
        if !frontmatter.get("description").is_some_and(Value::is_string) {
            return Err("its frontmatter has no description".to_owned());
        }
        let files = match builtin_name(skill) {
            Some(name) => files_of_builtin(session, name),
            None => {
                let base = folder_of(session, skill).map_err(|error| error.message)?;
                match recorded {
                    Some(recorded) => self.files_as_recorded(&base, recorded)?,
                    None => self.files_on_disk(&base)?,
                }
            }
        };
        check_limits(&files)?;
        if !files.iter().any(|file| file.path == MANIFEST) {
            return Err("it has no `SKILL.md`".to_owned());
        }
        let uri = SkillUri::of_skill(&skill.qualified);
        let served = |file: FoundFile| ServedFile {
            uri: uri.text_of_file(&file.path),
            digest: format!("sha256:{}", file.sha256),
            path: file.path,
            size: file.size,
        };
        Ok(SkillEntry {
            uri: uri.text_of_file(MANIFEST),
            frontmatter,
            files: files.into_iter().map(served).collect(),
        })
    }

    fn frontmatter_of(&mut self, session: &Session<'_>, skill: &LoadedSkill) -> Option<Map<String, Value>> {
        let limits = &session.settings.limits;
        if let Some(name) = builtin_name(skill) {
            return frontmatter_as_json(bytes_of_builtin(session, name, MANIFEST)?, limits);
        }
        let stamp = FileFingerprint::of(&skill.manifest)?;
        if let Some((_, known)) = self.frontmatters.get(&skill.manifest).filter(|(then, _)| *then == stamp) {
            return known.clone();
        }
        let bytes = fsx::read_plain_file(&skill.manifest, limits.manifest).ok()??;
        let read = frontmatter_as_json(&bytes, limits);
        remember(&mut self.frontmatters, skill.manifest.clone(), (stamp, read.clone()));
        remember(&mut self.digests, skill.manifest.clone(), (stamp, sha256_hex(&bytes)));
        read
    }

    /// The files that a registry records. One that may have been changed since is read.
    fn files_as_recorded(
        &mut self,
        base: &SkillFolder,
        recorded: &RecordedSkillFiles,
    ) -> Result<Vec<FoundFile>, String> {
        let mut found = Vec::with_capacity(recorded.files.len());
        let mut bytes = 0;
        let written_at = recorded.written_at();
        for (path, line) in &*recorded.files {
            let at = base.file(path)?;
            let stamp = FileFingerprint::of(&at).ok_or_else(|| format!("its file `{path}` is missing"))?;
            bytes += stamp.size;
            if found.len() >= MOST_FILES || bytes > MOST_BYTES {
                return Err(too_large());
            }
            let hash = line.strip_prefix("100644 ").or_else(|| line.strip_prefix("100755 "));
            let is_old = stamp.modified.is_some_and(|time| time <= written_at + SLACK);
            let is_as_recorded = recorded.files.size_of(path).is_none_or(|size| size == stamp.size) && is_old;
            let known = self.digests.get(&at).is_some_and(|(then, _)| *then == stamp);
            let sha256 = match hash.filter(|_| is_as_recorded && !known) {
                Some(hash) => hash.to_owned(),
                None => self.digest_of(&at, stamp)?,
            };
            found.push(FoundFile { path: path.clone(), size: stamp.size, sha256 });
        }
        Ok(found)
    }

    /// The files of a folder that nothing is recorded of.
    fn files_on_disk(&mut self, base: &SkillFolder) -> Result<Vec<FoundFile>, String> {
        let mut found = Vec::new();
        let mut bytes = 0;
        let walk = WalkDir::new(&base.real).min_depth(1).max_depth(DEPTH).sort_by_file_name();
        let is_kept = |entry: &walkdir::DirEntry| {
            let name = entry.file_name().to_string_lossy();
            !matches!(&*name, ".git" | ".DS_Store" | "Thumbs.db" | "desktop.ini" | "__pycache__")
        };
        for entry in walk.into_iter().filter_entry(is_kept) {
            let entry = entry.map_err(|_| "a folder of it cannot be read".to_owned())?;
            if entry.file_type().is_dir() {
                continue;
            }
            let below = entry.path().strip_prefix(&base.real).unwrap_or(entry.path());
            let path = below.to_string_lossy().replace(std::path::MAIN_SEPARATOR, "/");
            let at = base.file(&path)?;
            let stamp = FileFingerprint::of(&at)
                .ok_or_else(|| format!("`{}` is not a regular file", printable(&path, false)))?;
            bytes += stamp.size;
            if found.len() >= MOST_FILES || bytes > MOST_BYTES {
                return Err(too_large());
            }
            let sha256 = self.digest_of(&at, stamp)?;
            found.push(FoundFile { path, size: stamp.size, sha256 });
        }
        found.sort_by(|one, other| one.path.cmp(&other.path));
        Ok(found)
    }

    fn digest_of(&mut self, at: &Path, stamp: FileFingerprint) -> Result<String, String> {
        if let Some((_, known)) = self.digests.get(at).filter(|(then, _)| *then == stamp) {
            return Ok(known.clone());
        }
        let bytes = fsx::read_plain_file(at, MOST_BYTES).ok().flatten();
        let bytes =
            bytes.ok_or_else(|| format!("`{}` cannot be read", printable(&at.to_string_lossy(), false)))?;
        let sha256 = sha256_hex(&bytes);
        remember(&mut self.digests, at.to_path_buf(), (stamp, sha256.clone()));
        Ok(sha256)
    }

    /// The bytes of a file that an entry lists, if they are those that it lists.
    ///
    /// # Errors
    /// `Integrity` where they are others by now; those of reading it.
    pub(super) fn read_served(
        &mut self,
        session: &Session<'_>,
        skill: &LoadedSkill,
        file: &ServedFile,
    ) -> Result<Vec<u8>> {
        if let Some(name) = builtin_name(skill) {
            let bytes = bytes_of_builtin(session, name, &file.path).map(<[u8]>::to_vec);
            return bytes.ok_or_else(|| no_such_file(&skill.name, &file.path, std::iter::empty()));
        }
        let base = folder_of(session, skill)?;
        let at = base.file(&file.path).map_err(|why| error!(NotFound, "{why}"))?;
        let stamp = FileFingerprint::of(&at);
        let bytes = fsx::read_plain_file(&at, MOST_BYTES)?
            .ok_or_else(|| no_such_file(&skill.name, &file.path, std::iter::empty()))?;
        let sha256 = sha256_hex(&bytes);
        if file.digest.strip_prefix("sha256:") == Some(sha256.as_str()) {
            return Ok(bytes);
        }
        // From now on the skill is listed as it is.
        if let Some(stamp) = stamp {
            remember(&mut self.digests, at, (stamp, sha256));
        }
        Err(error!(Integrity, "`{}` of `{}` is not what was listed any more", file.path, skill.name)
            .hint("get the skill's entry anew"))
    }
}

/// Keeps memory bounded, whatever passes by: what is forgotten is read again.
fn remember<T>(known: &mut HashMap<PathBuf, T>, at: PathBuf, what: T) {
    if known.len() >= REMEMBERED {
        known.clear();
    }
    known.insert(at, what);
}

fn too_large() -> String {
    format!("it has more than {MOST_FILES} files or {} MiB", MOST_BYTES >> 20)
}

fn check_limits(files: &[FoundFile]) -> Result<(), String> {
    let bytes: u64 = files.iter().map(|file| file.size).sum();
    if files.len() > MOST_FILES || bytes > MOST_BYTES { Err(too_large()) } else { Ok(()) }
}

fn files_of_builtin(session: &Session<'_>, name: &str) -> Vec<FoundFile> {
    let skill = session.builtin.all.iter().find(|one| one.name == name);
    let files = skill.map(|one| one.files).unwrap_or_default();
    let found = |(path, bytes): &(&'static str, &'static [u8])| FoundFile {
        path: (*path).to_owned(),
        size: bytes.len() as u64,
        sha256: sha256_hex(bytes),
    };
    files.iter().map(found).collect()
}

fn bytes_of_builtin<'s>(session: &'s Session<'_>, name: &str, path: &str) -> Option<&'s [u8]> {
    let skill = session.builtin.all.iter().find(|one| one.name == name)?;
    skill.files.iter().find(|(known, _)| *known == path).map(|(_, bytes)| *bytes)
}

/// The folder of a skill, without links: nothing outside of it is read as its file.
struct SkillFolder {
    real: PathBuf,
    /// Folders in it that were seen not to be links.
    plain: RefCell<HashSet<PathBuf>>,
}

/// # Errors
/// `Usage` where the folder of a project's skill lies outside of it; `NotFound` where it is gone.
fn folder_of(session: &Session<'_>, skill: &LoadedSkill) -> Result<SkillFolder> {
    if skill.origin == SkillOrigin::Project {
        session.places.check_inside("folder of a skill", &skill.folder)?;
    }
    let real = std::fs::canonicalize(&skill.folder)
        .map_err(|_| error!(NotFound, "the folder of `{}` is missing", printable(&skill.name, false)))?;
    Ok(SkillFolder { real, plain: RefCell::default() })
}

impl SkillFolder {
    /// Where a file of it stands, at the end of its links.
    ///
    /// # Errors
    /// Why it is no file of the skill, in a sentence.
    fn file(&self, path: &str) -> Result<PathBuf, String> {
        let shown = || printable(path, false);
        let path = RelPath::parse(path.as_bytes()).map_err(|why| format!("the path `{}` {why}", shown()))?;
        let at = self.real.join(path.as_str());
        if self.is_plain_folder(fsx::parent(&at))
            && std::fs::symlink_metadata(&at).is_ok_and(|meta| meta.is_file())
        {
            return Ok(at);
        }
        match std::fs::canonicalize(&at) {
            Ok(real) if real.starts_with(&self.real) => Ok(real),
            Ok(_) => Err(format!("`{}` leads out of the skill", shown())),
            Err(_) => Err(format!("its file `{}` is missing", shown())),
        }
    }

    /// True where no folder on the way is a link.
    fn is_plain_folder(&self, folder: &Path) -> bool {
        if folder == self.real || self.plain.borrow().contains(folder) {
            return true;
        }
        let is_plain = fsx::is_real_folder(folder) && self.is_plain_folder(fsx::parent(folder));
        if is_plain {
            self.plain.borrow_mut().insert(folder.to_path_buf());
        }
        is_plain
    }
}

/// The path of a file in a skill, as instructions name it.
///
/// # Errors
/// `Usage` for one that leads out of the skill.
pub(super) fn parse_path(path: &str) -> Result<RelPath> {
    RelPath::parse(path.trim_start_matches("./").as_bytes()).map_err(|why| {
        error!(Usage, "`{}` is not a path in a skill: it {why}", printable(path, false))
            .hint("write it from the skill's folder, as its instructions do")
    })
}

/// A file that was asked for by its path.
pub(super) struct ReadFile {
    pub(super) path: String,
    pub(super) bytes: Vec<u8>,
    pub(super) digest: String,
    pub(super) state: &'static str,
}

/// Reads one file of a skill, and says whether it is as recorded.
///
/// # Errors
/// `Usage` for a path that leads out of the skill; `NotFound` where it has no such file, with the
/// nearest; `Invalid` for a file of more than `largest` bytes.
pub(super) fn read_file(
    session: &Session<'_>,
    skill: &LoadedSkill,
    recorded: Option<&RecordedSkillFiles>,
    path: &str,
    largest: u64,
) -> Result<ReadFile> {
    let path = parse_path(path)?;
    let bytes = match builtin_name(skill) {
        Some(name) => bytes_of_builtin(session, name, path.as_str()).map(<[u8]>::to_vec),
        None => {
            let base = folder_of(session, skill)?;
            match base.file(path.as_str()) {
                Ok(at) if at.is_dir() => None,
                Ok(at) => {
                    fsx::read_plain_file(&at, largest).map_err(|error| match FileFingerprint::of(&at) {
                        Some(stamp) if stamp.size > largest => error!(
                            Invalid,
                            "`{path}` of `{}` has {} bytes; at most {largest} are given here",
                            printable(&skill.name, false),
                            stamp.size
                        )
                        .hint(format!("read it in pieces at {}", printable(&at.to_string_lossy(), false))),
                        _ => error,
                    })?
                }
                Err(why) if why.contains("leads out") => return Err(error!(Usage, "{why}")),
                Err(_) => None,
            }
        }
    };
    let Some(bytes) = bytes else {
        let known = recorded.map(|recorded| recorded.files.keys().map(String::as_str).collect::<Vec<_>>());
        return Err(no_such_file(&skill.name, path.as_str(), known.unwrap_or_default().into_iter()));
    };
    let sha256 = sha256_hex(&bytes);
    let state = match (recorded, builtin_name(skill)) {
        (_, Some(_)) => "verified",
        (None, None) => "unmanaged",
        (Some(recorded), None) => match recorded.files.get(path.as_str()) {
            None => "added",
            Some(line) if line.ends_with(&sha256) => "verified",
            Some(_) => "edited",
        },
    };
    Ok(ReadFile { path: path.as_str().to_owned(), bytes, digest: format!("sha256:{sha256}"), state })
}

fn no_such_file<'a>(
    name: &str,
    path: &str,
    known: impl Iterator<Item = &'a str>,
) -> ba_agent_core::error::Error {
    let error = error!(NotFound, "`{}` has no file `{}`", printable(name, false), printable(path, false));
    match find_nearest(path, known) {
        Some(near) => error.hint(format!("did you mean `{}`?", printable(near, false))),
        None => error.hint("its `SKILL.md` names the files to read"),
    }
}
