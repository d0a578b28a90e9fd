//! Deeds: what registries say of versions that are recorded: that they were taken down, or yanked.

use serde::Serialize;

use crate::fetch::World;
use crate::fetch::remote_registry::{RemoteRegistry, describe_revocation, error_of_revoked};
use crate::workspace::Session;
use ba_agent_core::error::{Error, Kind, Result, printable};
use ba_agent_core::registry::LockEntry;
use ba_agent_core::remote_registry::{Revocation, ScopedName};
use ba_agent_core::skill::SkillName;
use ba_agent_core::source::{Request, Source};

/// An installed skill whose version its registry took down.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RevokedSkill {
    pub name: SkillName,
    /// What was taken down and why, in one sentence.
    pub reason: String,
}

/// Whether registries are asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RevocationKnowledge {
    /// What this machine knows already.
    Kept,
    /// Not older than a minute, where they answer.
    Asked,
}

/// A record of a registry's skill, opened.
struct RecordedVersion<'w> {
    registry: RemoteRegistry<'w>,
    skill: ScopedName,
}

fn recorded_version<'w>(entry: &LockEntry, world: &'w World<'w>) -> Option<RecordedVersion<'w>> {
    if entry.kind != "registry" {
        return None;
    }
    let Source::RemoteRegistry { registry, skill } = Request::parse(&entry.source).ok()?.source else {
        return None;
    };
    let url = world.settings.remote_registries.address_for(&registry, &skill).ok()?;
    Some(RecordedVersion { registry: RemoteRegistry::open(&url, world).ok()?, skill })
}

impl RecordedVersion<'_> {
    /// That the recorded archive was taken down, if it was.
    fn revocation(&self, entry: &LockEntry, knowledge: RevocationKnowledge) -> Result<Option<Revocation>> {
        let is_it = |one: &&Revocation| entry.pin.archive.as_deref() == Some(one.digest.to_string().as_str());
        Ok(match knowledge {
            RevocationKnowledge::Kept => self.registry.known_revocations().iter().find(is_it).cloned(),
            RevocationKnowledge::Asked => self.registry.revocations()?.iter().find(is_it).cloned(),
        })
    }
}

/// Which of these skills were taken down.
///
/// # Errors
/// `Integrity` for a list of a registry that cannot be read.
pub(crate) fn find_revoked<'r>(
    entries: impl IntoIterator<Item = (&'r SkillName, &'r LockEntry)>,
    knowledge: RevocationKnowledge,
    world: &World<'_>,
) -> Result<Vec<RevokedSkill>> {
    let mut found = Vec::new();
    for (name, entry) in entries {
        let Some(recorded) = recorded_version(entry, world) else { continue };
        let revocation = recorded.revocation(entry, knowledge)?;
        found.extend(
            revocation.map(|one| RevokedSkill { name: name.clone(), reason: describe_revocation(&one) }),
        );
    }
    Ok(found)
}

/// What is to be known of recorded skills before they are put back: one that was taken down is
/// refused, one that was yanked is told of.
///
/// # Errors
/// `Integrity` for one that was taken down, and for a registry that says something else than before.
pub(crate) fn check_before_restore<'r>(
    entries: impl IntoIterator<Item = (&'r SkillName, &'r LockEntry)>,
    session: &Session<'_>,
    world: &World<'_>,
) -> Result<()> {
    for (name, entry) in entries {
        let Some(recorded) = recorded_version(entry, world) else { continue };
        if let Some(revocation) = recorded.revocation(entry, RevocationKnowledge::Asked)? {
            let error = error_of_revoked(&recorded.skill, &revocation);
            return Err(error.hint(format!("another version: `ba-agent skill update {name}`")));
        }
        let versions = match recorded.registry.versions(&recorded.skill) {
            Ok(versions) => versions,
            Err(error) if is_only_unanswered(&error) => continue,
            Err(error) => return Err(error),
        };
        let digest = entry.pin.archive.as_deref().unwrap_or_default();
        let line = versions.lines.iter().find(|line| line.digest.to_string() == digest);
        if let Some(line) = line.filter(|line| line.yanked) {
            let why = line.yank_reason.as_deref().map(|why| format!(": {}", printable(why, false)));
            let text = format!(
                "`{name}` {} was yanked by its publisher{}; it is installed because the registry records it",
                line.version,
                why.unwrap_or_default()
            );
            if world.registries.is_new_warning(&text) {
                session.warn(&text);
            }
        }
    }
    Ok(())
}

/// What a registry does not answer now keeps nobody from what is recorded.
fn is_only_unanswered(error: &Error) -> bool {
    matches!(error.kind, Kind::NotFound | Kind::Network | Kind::Auth)
}
