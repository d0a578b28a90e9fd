//! `skill versions`: the versions of an installed skill that can be used without installing it again.

use jiff::Timestamp;
use serde::Serialize;

use super::installed::find_one_installed;
use super::settle::open_session;
use crate::kept_versions;
use crate::workspace::{Observer, Workspace};
use ba_agent_core::digest::Digest;
use ba_agent_core::error::Result;
use ba_agent_core::registry::{KeptVersion, RevisionRecord};
use ba_agent_core::skill::SkillName;

/// The versions of one skill.
#[derive(Debug, Serialize)]
pub struct VersionsReport {
    pub name: SkillName,
    /// The highest first.
    pub versions: Vec<ListedVersion>,
}

/// A version that can be used.
#[derive(Debug, Serialize)]
pub struct ListedVersion {
    /// What it is called, as `use` and `activate --version` take it.
    pub version: String,
    /// True for the one in the targets.
    pub active: bool,
    /// True for the one that `latest` means.
    pub latest: bool,
    pub pin: RevisionRecord,
    pub digest: Digest,
    pub installed_at: Timestamp,
    /// True where its files are on this machine.
    pub cached: bool,
}

/// Lists the version in the targets of a skill and those that are kept beside it. Opens no
/// connection.
///
/// # Errors
/// `NotFound` for a name that is not installed; those of reading the registry.
pub fn list_versions(workspace: &Workspace, name: &str, observer: &dyn Observer) -> Result<VersionsReport> {
    let session = open_session(workspace, observer)?;
    let registry = session.store.read()?;
    let name = find_one_installed(name, &registry, &session.places)?;
    let entry = &registry.skills[&name];
    let own = entry.version_label();
    let list = |(at, label): (usize, String)| {
        let active = label == own;
        let kept = entry.versions.get(&label).cloned().unwrap_or_else(|| KeptVersion::of(entry));
        ListedVersion {
            active,
            latest: at == 0,
            cached: active || kept_versions::has_tree(&session, &kept.digest),
            version: label,
            pin: kept.pin,
            digest: kept.digest,
            installed_at: kept.installed_at,
        }
    };
    let versions = entry.version_labels().into_iter().enumerate().map(list).collect();
    Ok(VersionsReport { name, versions })
}
