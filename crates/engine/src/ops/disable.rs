//! `skill disable`: agents no longer have a skill, which stays installed. Its files, with edits, lie
//! where no agent reads; no agent's settings are touched.

use std::collections::BTreeSet;
use std::path::PathBuf;

use super::apply::Report;
use super::installed::find_installed;
use super::relocate::{Relocation, relocate};
use super::settle::open_session;
use crate::skill_graph::read_graph;
use crate::workspace::{Observer, Session, Workspace};
use ba_agent_core::agents::InstallTarget;
use ba_agent_core::category::SkillCategory;
use ba_agent_core::error::{Error, Result, error};
use ba_agent_core::registry::{LockEntry, Registry};
use ba_agent_core::skill::SkillName;
use ba_agent_core::text::list_some;

/// What is disabled, and for whom.
#[derive(Debug, Default)]
pub struct DisableOptions {
    /// Skills as a person names them.
    pub names: Vec<String>,
    /// Agents or folders that are to lose it; every one with none.
    pub agents: Vec<String>,
}

/// Takes skills out of their targets until they are enabled again.
///
/// # Errors
/// `NotFound` for a name that is not installed, or not for that agent; `Conflict` for a core
/// skill, for one that an enabled skill needs, and for what cannot be moved; those of
/// [`super::apply::apply`].
pub fn disable(workspace: &Workspace, options: &DisableOptions, observer: &dyn Observer) -> Result<Report> {
    let session = open_session(workspace, observer)?;
    let leaving = parse_targets(&options.agents)?;
    let select = |registry: &Registry| select_disabled(&session, options, &leaving, registry);
    let mut report = relocate(&session, "disable", &select)?;
    for done in &mut report.skills {
        if done.entry.enabled && !leaving.is_empty() {
            note_shared_folders(&session, &done.name, &done.entry, &leaving)?;
        }
    }
    Ok(report)
}

/// Targets as the registry writes them.
///
/// # Errors
/// `Usage` for an agent that is not known.
pub(super) fn parse_targets(texts: &[String]) -> Result<Vec<String>> {
    texts.iter().map(|text| Ok(InstallTarget::parse(text)?.to_string())).collect()
}

fn select_disabled(
    session: &Session<'_>,
    options: &DisableOptions,
    leaving: &[String],
    registry: &Registry,
) -> Result<Vec<Relocation>> {
    let names = find_installed(&options.names, registry, &session.places)?;
    let names: BTreeSet<SkillName> = names.into_iter().collect();
    let mut relocations = Vec::new();
    for name in &names {
        let Some(before) = registry.skills.get(name) else { continue };
        if before.category.as_deref().map(SkillCategory::of) == Some(SkillCategory::Core) {
            return Err(error!(Conflict, "`{name}` is a core skill, which cannot be disabled")
                .cause("its category is `core`")
                .hint(format!("`ba-agent skill uninstall {name}` removes it")));
        }
        let after = match leaving {
            [] => LockEntry { enabled: false, ..before.clone() },
            leaving => {
                check_targets(name, before, leaving)?;
                if before.enabled { before.disable_targets(leaving) } else { before.clone() }
            }
        };
        relocations.push(Relocation { name: name.clone(), before: before.clone(), after });
    }
    check_not_needed(&names, registry, options, leaving, session)?;
    Ok(relocations)
}

/// # Errors
/// `NotFound` for a target that the skill does not have at all.
pub(super) fn check_targets(name: &SkillName, entry: &LockEntry, targets: &[String]) -> Result<()> {
    let all = entry.all_targets();
    match targets.iter().find(|target| !all.contains(target)) {
        None => Ok(()),
        Some(missing) => Err(error!(NotFound, "`{name}` is not installed for `{missing}`")
            .hint(format!("it is installed for {}", all.join(", ")))),
    }
}

/// An enabled skill keeps what it needs.
///
/// # Errors
/// `Conflict`, with the command that disables all of them.
fn check_not_needed(
    names: &BTreeSet<SkillName>,
    registry: &Registry,
    options: &DisableOptions,
    leaving: &[String],
    session: &Session<'_>,
) -> Result<()> {
    let counts = |entry: &LockEntry| {
        entry.enabled && (leaving.is_empty() || entry.targets.iter().any(|target| leaving.contains(target)))
    };
    let mut graph = read_graph(registry, session);
    for (name, entry) in &registry.skills {
        if let Some(skill) = graph.skills.get_mut(name.as_str()) {
            skill.enabled = counts(entry);
        }
    }
    // What is disabled already can be needed by nobody who has it.
    let going = names.iter().filter(|name| registry.skills.get(*name).is_some_and(counts));
    let going: BTreeSet<&str> = going.map(SkillName::as_str).collect();
    let dependents = graph.dependents_of_all(&going);
    let dependents: Vec<&str> =
        dependents.into_iter().filter(|one| !names.iter().any(|name| name.as_str() == *one)).collect();
    if dependents.is_empty() {
        return Ok(());
    }
    let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    let (is, they) = if names.len() == 1 { ("is", "it") } else { ("are", "they") };
    let what = format!("{} {is} needed by {}", quoted.join(", "), list_some(&dependents, 8));
    let agents: String = options.agents.iter().map(|agent| format!(" --agent {agent}")).collect();
    let all: Vec<&str> = dependents.iter().copied().chain(names.iter().map(SkillName::as_str)).collect();
    let error: Error = error!(Conflict, "{what}");
    Err(error
        .cause(format!("an enabled skill keeps what it needs; {they} would be missing"))
        .hint(format!("to disable all of them: `ba-agent skill disable {}{agents}`", all.join(" "))))
}

/// Says where an agent still reads a skill, because its folder is that of another one too.
fn note_shared_folders(
    session: &Session<'_>,
    name: &SkillName,
    entry: &LockEntry,
    leaving: &[String],
) -> Result<()> {
    let root_of =
        |target: &String| -> Result<PathBuf> { Ok(session.places.root(&InstallTarget::parse(target)?)) };
    let mut kept: Vec<(&str, PathBuf)> = Vec::new();
    for target in &entry.targets {
        kept.push((target, root_of(target)?));
    }
    for target in leaving {
        let root = root_of(target)?;
        let others: Vec<&str> =
            kept.iter().filter(|(_, other)| *other == root).map(|(other, _)| *other).collect();
        if !others.is_empty() {
            session.warn(&format!(
                "{target} still reads `{name}`: it shares the folder `{}` with {}",
                session.places.shown_to_user(&root),
                others.join(", ")
            ));
        }
    }
    Ok(())
}
