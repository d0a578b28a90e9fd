//! Deeds: everything that could be wrong in one scope, looked for without changing anything
//! ([`examine`]), and what of it is safe to mend ([`mend`]).
//!
//! Mending never touches a file that somebody may have written: it ends what a killed command
//! began, takes away what only such a command can have left, and makes links that are missing.

mod findings;
mod leftovers;
mod surroundings;

use std::collections::BTreeSet;
use std::path::PathBuf;

use jiff::Timestamp;

use crate::agents::InstallTarget;
use crate::error::{Context as _, Error, Result, printable};
use crate::fetch::World;
use crate::fsx;
use crate::install_dirs::InstallDirs;
use crate::registry::Registry;
use crate::scope::Scope;
use crate::skill::SkillName;
use crate::store::{Recovery, Store, Transaction};
use crate::text::count_noun;

use super::settle;
use super::verify::{self, Ground, Relink, Verified};
pub(crate) use findings::{Examination, Finding};

/// What is looked at.
pub(crate) struct Patient<'a> {
    pub(crate) scope: &'a Scope,
    pub(crate) store: &'a Store,
    pub(crate) places: &'a InstallDirs,
    pub(crate) world: &'a World<'a>,
    /// What is wrong with settings files; defaults stand in for them.
    pub(crate) settings_errors: &'a [Error],
    /// The store of the user scope, when this is a project.
    pub(crate) user: Option<&'a Store>,
}

/// Looks at everything; changes nothing.
pub(crate) fn examine(patient: &Patient<'_>) -> Examination {
    let mut seen = Examination::default();
    for error in patient.settings_errors {
        seen.add(Finding::of_error("settings", error));
    }
    for ignored in &patient.world.settings.ignored {
        seen.add(Finding::warning("settings", ignored.clone()));
    }
    let is_at_rest = leftovers::look(patient, &mut seen);
    match patient.store.read() {
        Ok(registry) => {
            // In the middle of a change everything looks like drift.
            if is_at_rest {
                report_lost_writes(patient, &registry, &mut seen);
                skills(patient, &registry, &mut seen);
                find_untracked(patient, &registry, &mut seen);
            }
            folders(patient, &registry, &mut seen);
            surroundings::owners(patient, &roots(patient, &registry), &mut seen);
            twins(patient, &registry, &mut seen);
            surroundings::tokens(patient, &registry, &mut seen);
            surroundings::programs(patient, &registry, &mut seen);
        }
        Err(error) => seen.add(Finding::of_error("registry", &error)),
    }
    surroundings::folders(patient, &mut seen);
    surroundings::abandoned(patient, &mut seen);
    surroundings::versions(&mut seen);
    seen
}

/// Skills of which the disk did not get everything before the machine stopped.
fn report_lost_writes(patient: &Patient<'_>, registry: &Registry, seen: &mut Examination) {
    let unsettled = patient.store.unsettled();
    if unsettled.is_empty() {
        return;
    }
    let ground = settle::Ground {
        store: patient.store,
        places: patient.places,
        world: patient.world,
        was_interrupted: false,
    };
    let damaged = settle::find_damaged(&unsettled, registry, &ground).unwrap_or_default();
    if !damaged.is_empty() {
        let count = count_noun(damaged.len(), "skill");
        seen.add(
            Finding::wrong("power", format!("the machine stopped before the disk had all of {count}"))
                .details(damaged.iter().map(|one| one.name.to_string()).collect())
                .hint(
                    "any command that changes or lists skills, such as `ba-agent skill list`, puts them back",
                ),
        );
    }
}

/// Drift of every installed skill, a finding for each skill and one for each missing link.
fn skills(patient: &Patient<'_>, registry: &Registry, seen: &mut Examination) {
    seen.fact("skills", &registry.skills.len().to_string());
    let verified = match verified(patient, registry) {
        Ok(verified) => verified,
        Err(error) => return seen.add(Finding::of_error("registry", &error)),
    };
    for one in &verified {
        let may_link = |link: &Relink| patient.store.may_link_to(&link.root.join(&link.target));
        let (links, rest): (Vec<_>, Vec<_>) =
            one.faults.iter().partition(|fault| fault.relink.as_ref().is_some_and(may_link));
        for fault in links {
            let detail = fault.detail.as_deref().unwrap_or_default();
            seen.add(
                Finding::wrong("link", format!("`{}` is missing: {detail}", fault.path))
                    .fixed_by("create the link again"),
            );
        }
        if rest.iter().any(|fault| fault.is_whole()) {
            seen.add(missing(&one.name));
        } else if !rest.is_empty() {
            let told = rest.iter().map(|fault| format!("{}: {}", fault.what.word(), fault.path));
            seen.add(drifted(&one.name, told.collect()));
        }
    }
}

fn missing(name: &SkillName) -> Finding {
    Finding::wrong("missing", format!("`{name}` is recorded, but its folder is not there"))
        .hint("`ba-agent skill install` without a source puts back what is missing")
        .hint(format!("`ba-agent skill uninstall {name}` removes it from the registry"))
}

fn drifted(name: &SkillName, details: Vec<String>) -> Finding {
    Finding::wrong("drift", format!("`{name}` is not what was installed"))
        .details(details)
        .hint(format!("see the edits with `ba-agent skill diff {name}`; they are never touched here"))
}

fn verified(patient: &Patient<'_>, registry: &Registry) -> Result<Vec<Verified>> {
    let names: Vec<SkillName> = registry.skills.keys().cloned().collect();
    let ground = Ground { env: patient.world.env, base: patient.scope.base(), places: patient.places };
    verify::verify(&names, registry, &ground)
}

/// The skill folders that this scope uses: those of the registry and of the settings.
fn roots(patient: &Patient<'_>, registry: &Registry) -> Vec<PathBuf> {
    let of_settings = patient.world.settings.agents.iter().filter_map(|text| InstallTarget::parse(text).ok());
    let mut targets: Vec<InstallTarget> = of_settings.collect();
    targets.push(InstallTarget::default());
    let of_skills = registry.skills.values().flat_map(|entry| &entry.targets);
    targets.extend(of_skills.filter_map(|text| InstallTarget::parse(text).ok()));
    targets.retain(|target| patient.places.check(target).is_ok());
    patient.places.roots(&targets)
}

/// Skills folders that are links to nothing, or out of the project.
fn folders(patient: &Patient<'_>, registry: &Registry, seen: &mut Examination) {
    if let Err(error) = patient.places.check(&InstallTarget::default()) {
        seen.add(Finding::of_error("link", &error));
    }
    for root in roots(patient, registry) {
        if let (Ok(target), false) = (std::fs::read_link(&root), root.exists()) {
            seen.add(Finding::of_error("link", &fsx::leads_nowhere(&root, &target)));
        }
    }
}

/// What stands in the skill folders that the registry does not know. Somebody put it there:
/// it is mentioned and nothing else.
fn find_untracked(patient: &Patient<'_>, registry: &Registry, seen: &mut Examination) {
    for root in roots(patient, registry) {
        let Ok(entries) = std::fs::read_dir(&root) else { continue };
        let here = |name: &SkillName| {
            let entry = registry.skills.get(name);
            entry.is_some_and(|entry| patient.places.roots_of(entry).is_ok_and(|roots| roots.contains(&root)))
        };
        let mut names: Vec<String> = entries
            .flatten()
            .filter(|entry| !entry.file_type().is_ok_and(|kind| kind.is_file()))
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .filter(|name| !name.starts_with('.') && !name.parse().is_ok_and(|name| here(&name)))
            .collect();
        names.sort();
        if !names.is_empty() {
            let shown = patient.places.shown(&root);
            let what =
                format!("{} in `{shown}` that are not in the registry", count_noun(names.len(), "folder"));
            seen.add(Finding::note("orphan", what).details(names).hint("they are left alone"));
        }
    }
}

/// Skills that the user and the project both have: agents see two of one name.
fn twins(patient: &Patient<'_>, registry: &Registry, seen: &mut Examination) {
    let Some(user) = patient.user.and_then(|store| store.read().ok()) else { return };
    let both: BTreeSet<&SkillName> =
        registry.skills.keys().filter(|name| user.skills.contains_key(*name)).collect();
    if !both.is_empty() {
        let what = format!("{} installed for the project and for the user", count_noun(both.len(), "skill"));
        let names = both.iter().map(|name| name.to_string()).collect();
        seen.add(
            Finding::warning("twice", what)
                .details(names)
                .hint("the agent decides which one it reads; remove one with `ba-agent skill uninstall [--global] NAME`"),
        );
    }
}

/// Mends what is safe to mend.
///
/// # Errors
/// `Conflict` while another command holds the lock, `Failed` where the disk refuses; what
/// was done until then stays done, each step being whole in itself.
pub(crate) fn mend(patient: &Patient<'_>, now: Timestamp) -> Result<()> {
    if matches!(patient.store.recover(), Recovery::Running | Recovery::Blocked(_)) {
        // What follows needs the lock, and would say worse what is in the way.
        return Ok(());
    }
    let Ok(registry) = patient.store.read() else { return Ok(()) };
    let transaction = patient.store.begin(&|_| ()).context(|| "nothing could be fixed".to_owned())?;
    leftovers::sweep(patient, &roots(patient, &registry))?;
    relink(patient, transaction, now)
}

/// Makes the missing links in one transaction; the registry stays as it is.
fn relink(patient: &Patient<'_>, mut transaction: Transaction, now: Timestamp) -> Result<()> {
    let registry = transaction.registry().clone();
    let verified = verified(patient, &registry)?;
    let faults = verified.into_iter().flat_map(|one| one.faults);
    let links: Vec<Relink> = faults.filter_map(|fault| fault.relink).collect();
    let may_link = |link: &Relink| patient.store.may_link_to(&link.root.join(&link.target));
    for Relink { root, at, target } in links.into_iter().filter(may_link) {
        transaction.link(&root, at, &target)?;
    }
    transaction.commit(&registry, "doctor", now)
}

/// A path for a message.
fn shown(path: &std::path::Path) -> String {
    printable(&path.to_string_lossy(), false)
}
