//! `skill enable`: a disabled skill comes back to its targets, with the edits that it had, and with
//! what it needs.

use std::collections::BTreeMap;

use serde::Serialize;

use super::apply::Done;
use super::disable::{check_targets, parse_targets};
use super::installed::find_installed;
use super::relocate::{Relocation, relocate};
use super::settle::open_session;
use crate::skill_graph::read_graph;
use crate::workspace::{Observer, Session, Workspace};
use ba_agent_core::error::Result;
use ba_agent_core::registry::{LockEntry, Registry};
use ba_agent_core::skill::SkillName;

/// What is enabled, and for whom.
#[derive(Debug, Default)]
pub struct EnableOptions {
    /// Skills as a person names them.
    pub names: Vec<String>,
    /// Agents or folders that are to have it again. With none, a skill that no agent has comes back
    /// to those that had it last, any other to all that it was installed for.
    pub agents: Vec<String>,
}

/// What was enabled.
#[derive(Debug, Serialize)]
pub struct EnableReport {
    pub skills: Vec<Done>,
    /// Those of them that nobody named: the others need them.
    pub pulled: Vec<SkillName>,
}

/// Puts disabled skills back into their targets, and with them what they need.
///
/// # Errors
/// `NotFound` for a name that is not installed, or not for that agent; `Conflict` where something
/// else lies at a place of the skill; those of fetching, where its files are not there; those of
/// [`super::apply::apply`].
pub fn enable(
    workspace: &Workspace,
    options: &EnableOptions,
    observer: &dyn Observer,
) -> Result<EnableReport> {
    let session = open_session(workspace, observer)?;
    let coming = parse_targets(&options.agents)?;
    let select = |registry: &Registry| {
        let names = find_installed(&options.names, registry, &session.places)?;
        select_enabled(&names, &coming, registry, &session)
    };
    let report = relocate(&session, "enable", &select)?;
    let named = find_installed(&options.names, &session.store.read()?, &session.places)?;
    let pulled = report.skills.iter().map(|done| &done.name).filter(|name| !named.contains(name));
    let pulled = pulled.cloned().collect();
    report.skills.iter().for_each(|done| note_disabled_targets(&session, done));
    Ok(EnableReport { skills: report.skills, pulled })
}

fn select_enabled(
    names: &[SkillName],
    coming: &[String],
    registry: &Registry,
    session: &Session<'_>,
) -> Result<Vec<Relocation>> {
    let mut selected: BTreeMap<&SkillName, LockEntry> = BTreeMap::new();
    for (name, entry) in names.iter().filter_map(|name| registry.skills.get_key_value(name)) {
        check_targets(name, entry, coming)?;
        let after = match coming {
            [] if entry.enabled => entry.enable_everywhere(),
            [] => LockEntry { enabled: true, ..entry.clone() },
            coming => entry.enable_targets(coming),
        };
        selected.insert(name, after);
    }
    let graph = read_graph(registry, session);
    let reached = graph.reach(names.iter().map(SkillName::as_str));
    for (name, entry) in registry.skills.iter().filter(|(name, _)| reached.contains(name.as_str())) {
        let after = pull(entry, coming);
        if after != *entry {
            selected.entry(name).or_insert(after);
        }
    }
    let relocation = |(name, after): (&SkillName, LockEntry)| {
        let before = registry.skills.get(name)?.clone();
        Some(Relocation { name: name.clone(), before, after })
    };
    Ok(selected.into_iter().filter_map(relocation).collect())
}

/// The record of a skill that another one needs: enabled, and for the agents that get the other.
fn pull(entry: &LockEntry, coming: &[String]) -> LockEntry {
    let all = entry.all_targets();
    let here: Vec<String> = coming.iter().filter(|target| all.contains(target)).cloned().collect();
    match (entry.enabled, here.is_empty()) {
        (true, true) => entry.clone(),
        (false, true) => LockEntry { enabled: true, ..entry.clone() },
        (_, false) => entry.enable_targets(&here),
    }
}

/// Says for whom an enabled skill stays disabled.
fn note_disabled_targets(session: &Session<'_>, done: &Done) {
    let others: Vec<&str> = done.entry.disabled_for.keys().map(String::as_str).collect();
    if let Some(first) = others.first() {
        session.note(&format!(
            "`{}` stays disabled for {}: `ba-agent skill enable {} --agent {first}`",
            done.name,
            others.join(", "),
            done.name
        ));
    }
}
