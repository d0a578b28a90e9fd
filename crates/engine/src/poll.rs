//! World: what changes among the skills of an agent from one look to the next.
//!
//! A look is a pass over fingerprints (which file, when changed, how long): of the registry, the
//! skills folders and each `SKILL.md`. Only where one differs are skills read. A skill that can no
//! longer be read keeps its last good state, until several bad versions in a row have shown that it
//! will not come back.

use std::collections::hash_map::DefaultHasher;
use std::collections::{BTreeMap, BTreeSet};
use std::hash::{Hash as _, Hasher as _};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::Serialize;

use crate::loader::{LoadedSkills, find_watched_folders, load_skills, read_manifest_of};
use crate::workspace::Session;
use ba_agent_core::agents::Agent;
use ba_agent_core::digest::Digest;
use ba_agent_core::error::Result;
use ba_agent_core::loader::{LoadedSkill, OmitReason, SkillConflict};
use ba_agent_core::skill::{LOWER_MANIFEST, MANIFEST};
use ba_agent_system::fsx;

/// Something that happened to a skill.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SkillEvent {
    pub at: Timestamp,
    pub event: SkillEventKind,
    /// The name that means this skill and no other.
    pub name: String,
    /// The registry's, of a skill that it records.
    pub digest: Option<Digest>,
    /// What that was before.
    pub previous: Option<Digest>,
    /// True where the last good state stands in for what cannot be read.
    pub fallback: bool,
    /// What is wrong, or why, a sentence each.
    pub findings: Vec<String>,
}

/// What can happen to a skill.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum SkillEventKind {
    Added,
    Changed,
    Removed,
    /// Its `SKILL.md` cannot be used any more.
    Broken,
    /// It can be used again.
    Recovered,
    /// Several skills have its name.
    Conflict,
}

impl SkillEventKind {
    /// As it is written.
    pub fn name(self) -> &'static str {
        match self {
            Self::Added => "added",
            Self::Changed => "changed",
            Self::Removed => "removed",
            Self::Broken => "broken",
            Self::Recovered => "recovered",
            Self::Conflict => "conflict",
        }
    }
}

/// What is known of the skills of one agent, or of all, since the first look.
#[derive(Debug, Default)]
pub(crate) struct Poll {
    agent: Option<&'static Agent>,
    fingerprint: Option<u64>,
    /// By the name that means one skill.
    watched: BTreeMap<String, WatchedSkill>,
    /// Skills that could never be read.
    unreadable: BTreeSet<String>,
    conflicts: BTreeSet<(String, &'static str, String)>,
}

/// A skill that was good when it was last read.
#[derive(Debug)]
struct WatchedSkill {
    skill: LoadedSkill,
    stamp: FileStamp,
    content: u64,
    /// Versions of its manifest, one after the other, that cannot be used.
    bad: u32,
}

impl Poll {
    /// Of the skills that this agent has, or of all; nothing is read yet.
    pub(crate) fn new(agent: Option<&'static Agent>) -> Self {
        Self { agent, ..Self::default() }
    }

    /// What happened since the last look, at the time of the session; the first tells nothing.
    ///
    /// # Errors
    /// `Interrupted` where somebody stops it.
    pub(crate) fn look(&mut self, session: &Session<'_>) -> Result<Vec<SkillEvent>> {
        let fingerprint = take_fingerprint(session, self.agent);
        if self.fingerprint == Some(fingerprint) {
            return Ok(Vec::new());
        }
        let loaded = load_skills(session, self.agent)?;
        let is_first = self.fingerprint.is_none();
        let mut events = self.take_in(loaded, session);
        // From now on this is what was seen: what changed while it was read is seen the next time.
        self.fingerprint = Some(fingerprint);
        if is_first {
            events.clear();
        }
        Ok(events)
    }

    /// The skills that the agent has, broken ones as they were when they were last good.
    pub(crate) fn skills(&self) -> impl Iterator<Item = &LoadedSkill> {
        self.watched.values().filter(|one| one.bad == 0 || one.skill.fallback).map(|one| &one.skill)
    }

    fn take_in(&mut self, loaded: LoadedSkills, session: &Session<'_>) -> Vec<SkillEvent> {
        let now = session.env.now;
        let mut events = self.take_in_conflicts(&loaded.conflicts, now);
        let listed: BTreeSet<String> = loaded.listed.iter().map(|skill| skill.qualified.clone()).collect();
        let reasons: BTreeMap<&str, (OmitReason, &str)> =
            loaded.omitted.iter().map(|one| (one.name.as_str(), (one.reason, one.detail.as_str()))).collect();
        let missing: Vec<String> =
            self.watched.keys().filter(|name| !listed.contains(*name)).cloned().collect();
        for name in missing {
            let reason = self.watched.get(&name).and_then(|one| {
                let found = reasons.get(name.as_str()).or_else(|| reasons.get(one.skill.name.as_str()));
                found.copied()
            });
            events.extend(self.lose(&name, reason, session));
        }
        let invalid = reasons.iter().filter(|(_, (reason, _))| *reason == OmitReason::Invalid);
        let unreadable: BTreeSet<String> = invalid
            .map(|(name, _)| (*name).to_owned())
            .filter(|name| !self.watched.values().any(|one| one.skill.name == *name))
            .collect();
        for name in unreadable.difference(&self.unreadable) {
            let detail = reasons.get(name.as_str()).map(|(_, detail)| (*detail).to_owned());
            let findings = detail.into_iter().collect();
            events.push(SkillEvent { findings, ..event_at(now, SkillEventKind::Broken, name) });
        }
        self.unreadable = unreadable;
        for skill in loaded.listed {
            events.extend(self.meet(skill, session));
        }
        events.sort_by(|one, other| one.name.cmp(&other.name));
        events
    }

    fn take_in_conflicts(&mut self, conflicts: &[SkillConflict], now: Timestamp) -> Vec<SkillEvent> {
        let key = |one: &SkillConflict| (one.name.clone(), one.winner, one.over.join(", "));
        let met: BTreeSet<_> = conflicts.iter().map(key).collect();
        let new = met.difference(&self.conflicts).map(|(name, winner, over)| {
            let findings = vec![format!("the skill of the {winner} counts before that of the {over}")];
            SkillEvent { findings, ..event_at(now, SkillEventKind::Conflict, name) }
        });
        let events = new.collect();
        self.conflicts = met;
        events
    }

    /// A skill that was there is not offered any more: it is gone, or broken.
    fn lose(
        &mut self,
        name: &str,
        reason: Option<(OmitReason, &str)>,
        session: &Session<'_>,
    ) -> Option<SkillEvent> {
        let now = session.env.now;
        let most = session.settings.runtime.hot_swap.max_rollbacks;
        let one = self.watched.get_mut(name)?;
        let detail = reason.map(|(_, detail)| detail.to_owned());
        let digest = one.skill.digest.clone();
        let is_broken = matches!(reason, Some((OmitReason::Invalid, _))) && fsx::exists(&one.skill.manifest);
        if !is_broken {
            let was_out = one.bad >= most && one.bad > 0;
            self.watched.remove(name);
            let findings = detail.into_iter().collect();
            let gone =
                SkillEvent { previous: digest, findings, ..event_at(now, SkillEventKind::Removed, name) };
            return (!was_out).then_some(gone);
        }
        let stamp = FileStamp::of(&one.skill.manifest);
        if one.bad > 0 && one.stamp == stamp {
            return None;
        }
        one.stamp = stamp;
        one.bad = one.bad.saturating_add(1);
        let stays = one.bad < most.max(1);
        one.skill.fallback = stays;
        let mut findings: Vec<String> = detail.into_iter().collect();
        match (stays, one.bad == most.max(1)) {
            (true, _) => {
                let broken = event_at(now, SkillEventKind::Broken, name);
                Some(SkillEvent {
                    digest: digest.clone(),
                    previous: digest,
                    fallback: true,
                    findings,
                    ..broken
                })
            }
            (false, true) => {
                findings.push(format!("{} versions in a row cannot be used", one.bad));
                Some(SkillEvent {
                    previous: digest,
                    findings,
                    ..event_at(now, SkillEventKind::Removed, name)
                })
            }
            (false, false) => None,
        }
    }

    /// A skill that is offered: it is new, another one, or as it was.
    fn meet(&mut self, skill: LoadedSkill, session: &Session<'_>) -> Option<SkillEvent> {
        let now = session.env.now;
        let name = skill.qualified.clone();
        let stamp = FileStamp::of(&skill.manifest);
        let known = self.watched.get(&name);
        let content = match known.filter(|one| one.bad == 0 && one.stamp == stamp && stamp.is_file) {
            Some(one) => one.content,
            None => content_of(&skill, session),
        };
        let previous = known.and_then(|one| one.skill.digest.clone());
        let kind = match known {
            None => Some(SkillEventKind::Added),
            Some(one) if one.bad > 0 => Some(SkillEventKind::Recovered),
            Some(one) if one.content != content || one.skill.digest != skill.digest => {
                Some(SkillEventKind::Changed)
            }
            Some(_) => None,
        };
        let digest = skill.digest.clone();
        self.watched.insert(name.clone(), WatchedSkill { skill, stamp, content, bad: 0 });
        Some(SkillEvent { digest, previous, ..event_at(now, kind?, &name) })
    }
}

fn event_at(at: Timestamp, event: SkillEventKind, name: &str) -> SkillEvent {
    let (digest, previous, fallback, findings) = (None, None, false, Vec::new());
    SkillEvent { at, event, name: name.to_owned(), digest, previous, fallback, findings }
}

fn content_of(skill: &LoadedSkill, session: &Session<'_>) -> u64 {
    let mut hasher = DefaultHasher::new();
    read_manifest_of(skill, session).unwrap_or_default().hash(&mut hasher);
    hasher.finish()
}

/// What tells one state of a file from another without reading it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
struct FileStamp {
    is_file: bool,
    length: u64,
    /// Nanoseconds since 1970.
    modified: u128,
    inode: u64,
}

impl FileStamp {
    /// Of what a path leads to; nothing where it leads nowhere.
    fn of(path: &Path) -> Self {
        let Ok(meta) = std::fs::metadata(path) else { return Self::default() };
        let since = meta.modified().ok().and_then(|time| time.duration_since(std::time::UNIX_EPOCH).ok());
        #[cfg(unix)]
        let inode = std::os::unix::fs::MetadataExt::ino(&meta);
        #[cfg(not(unix))]
        let inode = 0;
        let modified = since.map_or(0, |since| since.as_nanos());
        Self { is_file: meta.is_file(), length: meta.len(), modified, inode }
    }

    /// False where nothing is.
    fn is_there(self) -> bool {
        self != Self::default()
    }
}

/// One number for the registry, the skills folders and every manifest in them.
fn take_fingerprint(session: &Session<'_>, agent: Option<&'static Agent>) -> u64 {
    let mut hasher = DefaultHasher::new();
    FileStamp::of(session.store.registry_file()).hash(&mut hasher);
    for (root, depth) in find_watched_folders(session, agent) {
        let mut folders = vec![(root, 0_usize)];
        while let Some((mut folder, at)) = folders.pop() {
            FileStamp::of(&folder).hash(&mut hasher);
            hash_manifests(&mut folder, at + 1 < depth, &mut hasher, &mut |below| {
                folders.push((below, at + 1));
            });
        }
    }
    hasher.finish()
}

/// The manifests of the folders in `folder`, in the order of their names; `deeper` gets those
/// folders that have none.
fn hash_manifests(
    folder: &mut PathBuf,
    is_searched_below: bool,
    hasher: &mut DefaultHasher,
    deeper: &mut dyn FnMut(PathBuf),
) {
    let entries = std::fs::read_dir(&*folder).into_iter().flatten().flatten();
    let mut names: Vec<_> = entries.map(|entry| entry.file_name()).collect();
    names.retain(|name| !name.as_encoded_bytes().starts_with(b"."));
    names.sort_unstable();
    for name in names {
        folder.push(&name);
        folder.push(MANIFEST);
        let mut stamp = FileStamp::of(folder);
        folder.pop();
        if !stamp.is_there() {
            stamp = FileStamp::of(&folder.join(LOWER_MANIFEST));
        }
        if stamp.is_there() {
            (name, stamp).hash(hasher);
        } else if is_searched_below && fsx::is_real_folder(folder) {
            deeper(folder.clone());
        }
        folder.pop();
    }
}

#[cfg(test)]
mod tests;
