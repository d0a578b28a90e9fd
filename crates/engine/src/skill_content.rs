//! World: the files of one skill when its instructions are wanted. Memory and time stay bounded,
//! whatever lies in its folder.

use std::collections::BTreeMap;
use std::path::PathBuf;

use walkdir::WalkDir;

use crate::install_state::{hash_folder, is_litter};
use crate::loader::{builtin_name, read_manifest_of};
use crate::workspace::Session;
use ba_agent_core::activation::SkillResource;
use ba_agent_core::digest::{Digest, Files, digest_of_files, sha256_hex};
use ba_agent_core::error::{Error, Result, printable};
use ba_agent_core::loader::LoadedSkill;
use ba_agent_core::text::count_noun;

/// A skill's manifest, and what stands beside it.
#[derive(Debug)]
pub(crate) struct SkillContent {
    /// The bytes of the manifest.
    pub(crate) manifest: Vec<u8>,
    pub(crate) files: ContentFiles,
    pub(crate) resources: Vec<SkillResource>,
}

/// What is known of the bytes of all files.
#[derive(Debug)]
pub(crate) enum ContentFiles {
    /// `MODE SHA256` of each.
    Hashed(Files),
    /// Why they were not read, in a sentence.
    Unread(String),
}

impl ContentFiles {
    /// The hashes, where the files were read.
    pub(crate) fn hashed(&self) -> Option<&Files> {
        match self {
            Self::Hashed(files) => Some(files),
            Self::Unread(_) => None,
        }
    }

    /// The digest of the tree.
    pub(crate) fn digest(&self) -> Option<Digest> {
        self.hashed().map(digest_of_files)
    }
}

/// A folder that is swapped while it is read is read again; more often it is not swapped.
const LOOKS: usize = 3;

/// Reads a skill: its manifest, and the hashes of all its files.
///
/// # Errors
/// Those of [`read_manifest_of`]. Files that cannot be read are a sentence in
/// [`ContentFiles::Unread`].
pub(crate) fn read_content(skill: &LoadedSkill, session: &Session<'_>) -> Result<SkillContent> {
    let mut looks = 0;
    loop {
        looks += 1;
        let content = read_once(skill, session)?;
        let is_one_state = match &content.files {
            ContentFiles::Hashed(files) => {
                let hash = sha256_hex(&content.manifest);
                let name = skill.manifest.file_name().unwrap_or_default().to_string_lossy();
                files.get(&*name).is_none_or(|line| line.ends_with(&hash) || line.starts_with("12"))
            }
            ContentFiles::Unread(_) => true,
        };
        if is_one_state || looks == LOOKS {
            return Ok(content);
        }
    }
}

fn read_once(skill: &LoadedSkill, session: &Session<'_>) -> Result<SkillContent> {
    let manifest = read_manifest_of(skill, session)?;
    if let Some(name) = builtin_name(skill) {
        let (files, resources) = list_builtin(name, session);
        return Ok(SkillContent { manifest, files: ContentFiles::Hashed(files), resources });
    }
    let listed = list_resources(skill, session);
    let files = match listed.fault {
        Some(fault) => ContentFiles::Unread(fault),
        None => match hash_folder(&skill.folder) {
            Ok(mut files) => {
                files.retain(|path, _| !is_litter(path));
                ContentFiles::Hashed(files)
            }
            Err(error) => ContentFiles::Unread(describe_error(&error)),
        },
    };
    Ok(SkillContent { manifest, files, resources: listed.resources })
}

fn describe_error(error: &Error) -> String {
    let parts = std::iter::once(&error.message).chain(&error.causes);
    printable(&parts.map(String::as_str).collect::<Vec<_>>().join(": "), false)
}

fn list_builtin(name: &str, session: &Session<'_>) -> (Files, Vec<SkillResource>) {
    let files = session.builtin.all.iter().find(|one| one.name == name).map_or(&[][..], |one| one.files);
    let lines =
        files.iter().map(|(path, bytes)| ((*path).to_owned(), format!("100644 {}", sha256_hex(bytes))));
    let lines: BTreeMap<String, String> = lines.collect();
    let resource = |(path, bytes): &(&str, &[u8])| SkillResource {
        path: (*path).to_owned(),
        size: bytes.len() as u64,
        executable: false,
    };
    let resources = files.iter().filter(|(path, _)| !is_manifest(path)).map(resource).collect();
    (lines, resources)
}

fn is_manifest(path: &str) -> bool {
    matches!(path, "SKILL.md" | "skill.md")
}

struct ListedResources {
    resources: Vec<SkillResource>,
    /// Why the bytes of the files are not read.
    fault: Option<String>,
}

/// The files beside the manifest, in the order of their paths.
fn list_resources(skill: &LoadedSkill, session: &Session<'_>) -> ListedResources {
    let limits = &session.settings.limits;
    let mut listed = ListedResources { resources: Vec::new(), fault: None };
    let mut bytes = 0_u64;
    let walk = WalkDir::new(&skill.folder).min_depth(1).max_depth(limits.depth + 1).follow_links(false);
    for (at, entry) in walk.sort_by_file_name().into_iter().enumerate() {
        if at > limits.entries || listed.resources.len() > limits.skill_files {
            let most = count_noun(limits.skill_files, "file");
            listed.fault = Some(format!("it has more than {most}; the others are not listed"));
            break;
        }
        let Ok(entry) = entry else {
            listed.fault = Some("a folder of it cannot be read".to_owned());
            continue;
        };
        let (kind, meta) = (entry.file_type(), entry.metadata().ok());
        if kind.is_dir() {
            continue;
        }
        let path = entry.path().strip_prefix(&skill.folder).unwrap_or(entry.path()).to_string_lossy();
        let path = if cfg!(windows) { path.replace('\\', "/") } else { path.into_owned() };
        if is_litter(&path) || is_manifest(&path) {
            continue;
        }
        let size = meta.as_ref().map_or(0, std::fs::Metadata::len);
        bytes = bytes.saturating_add(size);
        let executable = kind.is_file() && meta.as_ref().is_some_and(is_executable);
        listed.resources.push(SkillResource { path, size, executable });
    }
    if bytes > limits.unpacked && listed.fault.is_none() {
        listed.fault =
            Some(format!("its files have {bytes} bytes; more than {} are not read", limits.unpacked));
    }
    listed
}

#[cfg(unix)]
fn is_executable(meta: &std::fs::Metadata) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    meta.permissions().mode() & 0o100 != 0
}

#[cfg(not(unix))]
fn is_executable(_: &std::fs::Metadata) -> bool {
    false
}

/// The folder of a skill as its instructions name it.
pub(crate) fn base_dir_of(skill: &LoadedSkill) -> String {
    let folder = skill.folder.to_string_lossy();
    if cfg!(windows) { folder.replace('\\', "/") } else { folder.into_owned() }
}

/// The folder of the plugin that brings a skill, where it lies as plugins have it: the folder
/// above `skills`.
pub(crate) fn plugin_root_of(skill: &LoadedSkill) -> Option<PathBuf> {
    skill.plugin.as_ref()?;
    let skills = skill.folder.ancestors().skip(1).find(|above| above.ends_with("skills"))?;
    skills.parent().map(PathBuf::from)
}
