//! The files beside a skill's instructions, as a client reads them: of the state that its
//! conversation was given, for `version_overlap` after the skill has changed; then as they are.

use std::time::{Duration, Instant};

use serde::Serialize;

use super::activated_versions::ActivatedVersion;
use super::manifest::{self, ReadFile};
use super::{LARGEST_FILE, SkillService};
use crate::agent_sessions::check_session_id;
use crate::ops::activate::find_version;
use crate::registry_facts::RecordedSkillFiles;
use crate::workspace::Session;
use ba_agent_core::digest::sha256_hex;
use ba_agent_core::error::{Error, Kind, Result, printable};

/// Which file is read.
#[derive(Debug, Clone, Default)]
pub struct ReadCall {
    /// The skill.
    pub name: String,
    /// From the skill's folder.
    pub path: String,
    /// A kept version instead of the one in use.
    pub version: Option<String>,
    /// The conversation, which may have an earlier state of the skill.
    pub session: Option<String>,
}

/// A file of a skill, for a model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SkillFile {
    pub name: String,
    pub path: String,
    pub size: u64,
    pub digest: String,
    /// `verified`: as the registry records it; `edited` or `added` since; `unmanaged`: nothing is
    /// recorded of the skill; `earlier`: as it was when the conversation got the instructions.
    pub state: &'static str,
    /// What the model is to know of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub notice: Option<String>,
    /// Absent where it is not text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    #[serde(skip)]
    pub bytes: Vec<u8>,
}

/// A file as it is on the disk, or why there is none.
struct FileOnDisk {
    /// The name that means the skill and no other.
    name: String,
    /// True for the folder that an author works in: what is new there is wanted.
    is_live: bool,
    file: Result<SkillFile>,
}

impl SkillService {
    /// A file of a skill: as the conversation has the skill, while that is given, else as it is now.
    ///
    /// # Errors
    /// `NotFound` for a skill, version or file that there is none of; `Usage` for a path that leads
    /// out of the skill; `Invalid` for a file of more than a mebibyte.
    pub fn read_skill_file(&self, call: &ReadCall) -> Result<SkillFile> {
        if let Some(id) = &call.session {
            check_session_id(id)?;
        }
        let path = manifest::parse_path(&call.path)?;
        if let Some(version) = &call.version {
            return self.read_file_of_version(call, version);
        }
        let now = match self.read_file_on_disk(call) {
            Ok(now) => now,
            // It may have gone since the conversation got it.
            Err(error) if error.kind == Kind::NotFound => {
                FileOnDisk { name: call.name.clone(), is_live: false, file: Err(error) }
            }
            Err(error) => return Err(error),
        };
        if now.is_live {
            return now.file;
        }
        if let Some(version) = self.version_of_conversation(&now.name, call)
            && let Ok(file) = self.read_file_of_version(call, &version)
        {
            return Ok(file);
        }
        let session = self.workspace.open_unrepaired(&*self.observer)?;
        let overlap = Duration::from_secs(session.settings.runtime.hot_swap.version_overlap);
        match self.state().activated.find(&now.name, call.session.as_deref(), &session) {
            Some(activated) => choose_file(activated, &path, now, overlap, &session),
            None => now.file,
        }
    }

    /// The kept version that the conversation has asked for by name.
    fn version_of_conversation(&self, name: &str, call: &ReadCall) -> Option<String> {
        let session = self.workspace.open_unrepaired(&*self.observer).ok()?;
        let mut state = self.state();
        state.activated.find(name, call.session.as_deref(), &session)?.version.clone()
    }

    fn read_file_on_disk(&self, call: &ReadCall) -> Result<FileOnDisk> {
        self.with_skill(&call.name, |catalog, session, skill| {
            let recorded = catalog.recorded_of(session, skill);
            let is_live = recorded.as_ref().is_some_and(RecordedSkillFiles::is_live);
            let read = manifest::read_file(session, skill, recorded.as_ref(), &call.path, LARGEST_FILE);
            let file = read.map(|read| file_of(&skill.qualified, read));
            Ok(FileOnDisk { name: skill.qualified.clone(), is_live, file })
        })
    }

    /// A file of a version that is kept; its folder is held against the registry each time.
    fn read_file_of_version(&self, call: &ReadCall, version: &str) -> Result<SkillFile> {
        self.with_skill(&call.name, |catalog, session, skill| {
            let kept = find_version(session, skill.clone(), version)?;
            if kept.folder == skill.folder {
                let recorded = catalog.recorded_of(session, skill);
                let read = manifest::read_file(session, skill, recorded.as_ref(), &call.path, LARGEST_FILE)?;
                return Ok(file_of(&skill.qualified, read));
            }
            let read = manifest::read_file(session, &kept, None, &call.path, LARGEST_FILE)?;
            Ok(SkillFile { state: "verified", ..file_of(&skill.qualified, read) })
        })
    }
}

/// Which of two states of a file a conversation gets, and what it is told.
fn choose_file(
    activated: &mut ActivatedVersion,
    path: &ba_agent_core::path::RelPath,
    now: FileOnDisk,
    overlap: Duration,
    session: &Session<'_>,
) -> Result<SkillFile> {
    let before = activated.find_file(path, session).map(|(path, line)| (path, line.to_owned()));
    let is_as_before = match (&now.file, &before) {
        (Ok(file), Some((_, line))) => line.ends_with(file.digest.trim_start_matches("sha256:")),
        (Ok(_), None) => false,
        (Err(error), _) if error.kind != Kind::NotFound => true,
        (Err(_), before) => before.is_none(),
    };
    if is_as_before {
        return now.file;
    }
    let remaining = activated.remaining(Instant::now(), overlap);
    let bytes = before.as_ref().filter(|_| remaining.is_some());
    let bytes = bytes.and_then(|(at, _)| activated.read_file(at, session));
    let name = printable(&now.name, false);
    let again = format!("load it again with `activate_skill`, name \"{name}\"");
    if let (Some(bytes), Some(remaining)) =
        (bytes.filter(|bytes| bytes.len() as u64 <= LARGEST_FILE), remaining)
    {
        let digest = sha256_hex(&bytes);
        let read = ReadFile {
            path: path.as_str().to_owned(),
            bytes,
            digest: format!("sha256:{digest}"),
            state: "earlier",
        };
        let notice = format!(
            "The skill has changed since you loaded it. This file is as it was then, which goes with your \
             instructions, and is given for {} seconds more; {again}, to go on with the skill as it is now.",
            remaining.as_secs().max(1)
        );
        return Ok(SkillFile { notice: Some(notice), ..file_of(&now.name, read) });
    }
    let changed = match (remaining, &before) {
        (Some(_), Some(_)) => "The skill has changed since you loaded it, and what it was is not kept here",
        (_, Some(_)) => "The skill has changed since you loaded it, and this file with it",
        (_, None) => "The skill has changed since you loaded it, and this file came with the change",
    };
    let notice = format!("{changed}: {again}, before you go on.");
    match now.file {
        Ok(file) => Ok(SkillFile { notice: Some(notice), ..file }),
        Err(error) => Err(Error { hints: vec![notice], ..error }),
    }
}

fn file_of(name: &str, read: ReadFile) -> SkillFile {
    let notice = match read.state {
        "edited" => Some("This file was edited since it was installed."),
        "added" => Some("This file is not part of what was installed."),
        _ => None,
    };
    SkillFile {
        name: name.to_owned(),
        path: read.path,
        size: read.bytes.len() as u64,
        digest: read.digest,
        state: read.state,
        notice: notice.map(str::to_owned),
        text: String::from_utf8(read.bytes.clone()).ok(),
        bytes: read.bytes,
    }
}
