//! `doctor`: everything that could be wrong in one scope, looked for without changing anything
//! (`examine_everything`), and what of it is safe to mend (`mend_what_can_be_mended`).
//!
//! Mending never touches a file that somebody may have written: it ends what a killed command
//! began, takes away what only such a command can have left, and makes links that are missing or
//! lead elsewhere.

mod findings;
mod leftovers;
mod needs;
mod registries;
mod surroundings;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::install_state::DriftKind;
use crate::scope::Scope;
use crate::settings::Settings;
use crate::store::{Recovery, Store, Transaction, not_a_folder};
use crate::unmanaged;
use crate::workspace::{Observer, Session, Workspace, load_settings, settings_files};
use ba_agent_core::agents::InstallTarget;
use ba_agent_core::error::{Context as _, Error, Kind, Result, printable};
use ba_agent_core::registry::{InstallMode, Registry};
use ba_agent_core::skill::SkillName;
use ba_agent_core::text::count_noun;
use ba_agent_system::env::Env;
use ba_agent_system::fsx;

use super::settle::find_damaged;
use super::verify::{self, Relink, Verified};
pub use findings::DoctorFinding;
pub(crate) use findings::Examination;

/// What was found, and what of it was mended.
#[derive(Debug)]
pub struct DoctorReport {
    /// `project` or `user`.
    pub scope: &'static str,
    pub examination: Examination,
    pub mended: Vec<DoctorFinding>,
}

impl DoctorReport {
    /// What the outcome is when something is wrong still.
    pub fn failure(&self) -> Option<Kind> {
        (self.examination.wrong() > 0).then_some(Kind::Integrity)
    }
}

/// A session whose settings may be broken, and what else is looked at.
struct DoctorContext<'w> {
    session: Session<'w>,
    /// What is wrong with settings files; defaults stand in for them.
    settings_errors: Vec<Error>,
    /// The store of the user scope, when this is a project.
    user: Option<Store>,
}

/// Looks for everything that could be wrong in a scope; with `fix`, mends what is safe to mend.
///
/// # Errors
/// Those of finding the scope and its folders. What is wrong with anything in it is a finding.
pub fn doctor(workspace: &Workspace, fix: bool, observer: &dyn Observer) -> Result<DoctorReport> {
    let scope = workspace.find_scope()?;
    let (settings, settings_errors) = readable_settings(workspace.env(), &scope);
    let session = workspace.open_with(scope, settings, observer)?;
    let user = user_store(workspace, &session);
    let context = DoctorContext { session, settings_errors, user };
    let mut examination = examine_everything(&context);
    let mut mended = Vec::new();
    if fix && examination.findings.iter().any(|finding| finding.fix.is_some()) {
        if let Err(error) = mend_what_can_be_mended(&context) {
            let why = std::iter::once(error.message).chain(error.causes).collect::<Vec<_>>().join(": ");
            context.session.warn(&why);
        }
        let after = examine_everything(&context);
        mended = examination.mended(&after);
        examination = after;
    }
    Ok(DoctorReport { scope: context.session.scope.name(), examination, mended })
}

/// The settings as far as they can be read, and what is wrong with the rest.
fn readable_settings(env: &Env, scope: &Scope) -> (Settings, Vec<Error>) {
    let (user, project) = settings_files(env, Some(scope));
    let mut errors = Vec::new();
    let mut sound = |user: Option<PathBuf>, project: Option<PathBuf>| match Settings::load(
        env,
        user.as_deref(),
        project.as_deref(),
    ) {
        Ok(_) => user.or(project),
        Err(error) => {
            errors.push(error);
            None
        }
    };
    let (user, project) = (sound(user, None), sound(None, project));
    (Settings::load(env, user.as_deref(), project.as_deref()).unwrap_or_default(), errors)
}

/// The store of the user scope, seen from a project.
fn user_store(workspace: &Workspace, session: &Session<'_>) -> Option<Store> {
    if matches!(session.scope, Scope::User { .. }) {
        return None;
    }
    let scope = Scope::find(&session.env, true, None).ok()?;
    let settings = load_settings(&session.env, Some(&scope)).ok()?;
    Some(workspace.open_with(scope, settings, session.observer).ok()?.store)
}

/// Looks at everything; changes nothing.
fn examine_everything(context: &DoctorContext<'_>) -> Examination {
    let mut seen = Examination::default();
    for error in &context.settings_errors {
        seen.add(DoctorFinding::of_error("settings", error));
    }
    for ignored in &context.session.settings.ignored {
        seen.add(DoctorFinding::warning("settings", ignored.clone()));
    }
    if let Err(error) = context.session.settings.targets() {
        seen.add(DoctorFinding::of_error("settings", &error));
    }
    let is_at_rest = leftovers::examine_leftovers(context, &mut seen);
    match context.session.store.read() {
        Ok(registry) => {
            // In the middle of a change everything looks like drift.
            if is_at_rest {
                report_lost_writes(context, &registry, &mut seen);
                examine_installed_skills(context, &registry, &mut seen);
                examine_absolute_links(context, &registry, &mut seen);
                find_untracked(context, &registry, &mut seen);
            }
            folders(context, &registry, &mut seen);
            surroundings::examine_folder_owners(context, &roots(context, &registry), &mut seen);
            examine_twin_names(context, &registry, &mut seen);
            surroundings::examine_tokens(context, &registry, &mut seen);
            surroundings::examine_needed_programs(context, &registry, &mut seen);
            surroundings::examine_sources_of_one_machine(context, &registry, &mut seen);
            needs::examine_needs(context, &registry, &mut seen);
            registries::examine_revoked(context, &registry, &mut seen);
        }
        Err(error) => seen.add(DoctorFinding::of_error("registry", &error)),
    }
    match context.session.read_marketplaces() {
        Ok(all) => surroundings::examine_catalogue_copies(context, &all, &mut seen),
        Err(error) => seen.add(DoctorFinding::of_error("marketplaces", &error)),
    }
    surroundings::examine_own_folders(context, &mut seen);
    surroundings::examine_abandoned_states(context, &mut seen);
    surroundings::versions(&mut seen);
    seen
}

/// Skills of which the disk did not get everything before the machine stopped.
fn report_lost_writes(context: &DoctorContext<'_>, registry: &Registry, seen: &mut Examination) {
    let unsettled = context.session.store.unsettled();
    if unsettled.is_empty() {
        return;
    }
    let damaged = find_damaged(&unsettled, registry, &context.session, false).unwrap_or_default();
    if !damaged.is_empty() {
        let count = count_noun(damaged.len(), "skill");
        seen.add(
            DoctorFinding::wrong("power", format!("the machine stopped before the disk had all of {count}"))
                .details(damaged.iter().map(|one| one.name.to_string()).collect())
                .hint(
                    "any command that changes or lists skills, such as `ba-agent skill list`, puts them back",
                ),
        );
    }
}

/// Drift of every installed skill, a finding for each skill and one for each missing link.
fn examine_installed_skills(context: &DoctorContext<'_>, registry: &Registry, seen: &mut Examination) {
    seen.fact("skills", &registry.skills.len().to_string());
    let verified = match verified(context, registry) {
        Ok(verified) => verified,
        Err(error) => return seen.add(DoctorFinding::of_error("registry", &error)),
    };
    for one in &verified {
        let may_link = |link: &Relink| context.session.store.may_link_to(&link.root.join(&link.target));
        let (links, rest): (Vec<_>, Vec<_>) =
            one.faults.iter().partition(|fault| fault.relink.as_ref().is_some_and(may_link));
        for fault in links {
            let detail = fault.detail.as_deref().unwrap_or_default();
            let is = if fault.what == DriftKind::Missing { "is missing:" } else { "is a link that" };
            seen.add(
                DoctorFinding::wrong("link", format!("`{}` {is} {detail}", fault.path))
                    .fixed_by("create the link again"),
            );
        }
        if rest.iter().any(|fault| fault.is_whole()) {
            seen.add(finding_of_missing_skill(&one.name));
        } else if !rest.is_empty() {
            let told = rest.iter().map(|fault| format!("{}: {}", fault.what.word(), fault.path));
            seen.add(finding_of_drifted_skill(&one.name, told.collect()));
        }
    }
}

/// Links that say where this clone lies: they lead nowhere in every other one.
fn examine_absolute_links(context: &DoctorContext<'_>, registry: &Registry, seen: &mut Examination) {
    for link in absolute_links(context, registry) {
        let path = context.session.places.shown_to_user(&link.at);
        let what = format!("`{path}` is an absolute link: it leads nowhere in a clone at another path");
        seen.add(DoctorFinding::warning("link", what).fixed_by("make it relative"));
    }
}

/// Live links of a project into itself that are absolute.
fn absolute_links(context: &DoctorContext<'_>, registry: &Registry) -> Vec<Relink> {
    let places = &context.session.places;
    let mut links = Vec::new();
    for (name, entry) in registry.skills.iter().filter(|(_, entry)| entry.mode == InstallMode::Live) {
        let roots = places.roots_of(entry).unwrap_or_default();
        for (n, root) in roots.iter().enumerate() {
            let at = root.join(name.as_str());
            let is_absolute = std::fs::read_link(&at).is_ok_and(|text| text.is_absolute());
            let link = places.recorded_link(name, entry, &roots, n).filter(|_| is_absolute && at.exists());
            let target = link.map(|link| link.text).filter(|text| text.is_relative());
            links.extend(target.map(|target| Relink { root: root.clone(), at, target }));
        }
    }
    links
}

fn finding_of_missing_skill(name: &SkillName) -> DoctorFinding {
    DoctorFinding::wrong("missing", format!("`{name}` is recorded, but its folder is not there"))
        .hint("`ba-agent skill install` without a source puts back what is missing")
        .hint(format!("`ba-agent skill uninstall {name}` removes it from the registry"))
}

fn finding_of_drifted_skill(name: &SkillName, details: Vec<String>) -> DoctorFinding {
    DoctorFinding::wrong("drift", format!("`{name}` is not what was installed"))
        .details(details)
        .hint(format!("see the edits with `ba-agent skill diff {name}`; they are never touched here"))
}

fn verified(context: &DoctorContext<'_>, registry: &Registry) -> Result<Vec<Verified>> {
    let names: Vec<SkillName> = registry.skills.keys().cloned().collect();
    verify::verify_skills(&names, registry, &context.session)
}

/// The skill folders that this scope uses: those of the registry and of the settings.
fn roots(context: &DoctorContext<'_>, registry: &Registry) -> Vec<PathBuf> {
    let of_settings =
        context.session.settings.agents.iter().filter_map(|text| InstallTarget::parse(text).ok());
    let mut targets: Vec<InstallTarget> = of_settings.collect();
    targets.push(InstallTarget::default());
    let of_skills = registry.skills.values().flat_map(|entry| &entry.targets);
    targets.extend(of_skills.filter_map(|text| InstallTarget::parse(text).ok()));
    targets.retain(|target| context.session.places.check_links_of(target).is_ok());
    context.session.places.roots(&targets)
}

/// Skills folders that are links to nothing, or out of the project.
fn folders(context: &DoctorContext<'_>, registry: &Registry, seen: &mut Examination) {
    if let Err(error) = context.session.places.check_links_of(&InstallTarget::default()) {
        seen.add(DoctorFinding::of_error("link", &error));
    }
    if let Err(error) = context.session.store.check_registry_folder() {
        seen.add(DoctorFinding::of_error("folder", &error));
    }
    let roots = roots(context, registry);
    let in_the_way: BTreeSet<&Path> = roots.iter().filter_map(|root| fsx::file_in_the_way(root)).collect();
    for file in in_the_way {
        let code = if file.is_symlink() { "link" } else { "folder" };
        seen.add(DoctorFinding::of_error(code, &not_a_folder(file)));
    }
}

/// Skills in the folders of known agents that the registry does not know. Somebody put them there:
/// they are mentioned and nothing else.
fn find_untracked(context: &DoctorContext<'_>, registry: &Registry, seen: &mut Examination) {
    let places = &context.session.places;
    let mut named = context.session.named_targets();
    let of_skills = registry.skills.values().flat_map(|entry| &entry.targets);
    named.extend(of_skills.filter_map(|text| InstallTarget::parse(text).ok()));
    for scanned in unmanaged::scan_roots(places, &named) {
        let here = |name: &SkillName| {
            let entry = registry.skills.get(name);
            entry.is_some_and(|entry| places.roots_of(entry).is_ok_and(|roots| roots.contains(&scanned.root)))
        };
        let names = scanned.names.iter().filter(|name| !name.parse().is_ok_and(|name| here(&name)));
        let mut names: Vec<String> = names.map(|name| printable(name, false)).collect();
        names.sort();
        if !names.is_empty() {
            let shown = places.shown_to_user(&scanned.root);
            let what =
                format!("{} in `{shown}` that are not in the registry", count_noun(names.len(), "folder"));
            seen.add(
                DoctorFinding::note("orphan", what)
                    .details(names)
                    .hint("they are not touched; `ba-agent skill adopt` takes over those that are skills"),
            );
        }
    }
}

/// Skills that the user and the project both have: agents see two of one name.
fn examine_twin_names(context: &DoctorContext<'_>, registry: &Registry, seen: &mut Examination) {
    let Some(user) = context.user.as_ref().and_then(|store| store.read().ok()) else { return };
    let both: BTreeSet<&SkillName> =
        registry.skills.keys().filter(|name| user.skills.contains_key(*name)).collect();
    if !both.is_empty() {
        let what = format!("{} installed for the project and for the user", count_noun(both.len(), "skill"));
        let names = both.iter().map(|name| name.to_string()).collect();
        seen.add(
            DoctorFinding::warning("twice", what)
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
fn mend_what_can_be_mended(context: &DoctorContext<'_>) -> Result<()> {
    if matches!(context.session.store.recover(), Recovery::Running | Recovery::Blocked(_)) {
        // What follows needs the lock, and would say worse what is in the way.
        return Ok(());
    }
    let Ok(registry) = context.session.store.read() else { return Ok(()) };
    let transaction = context.session.store.begin(&|_| ()).context(|| "nothing could be fixed".to_owned())?;
    leftovers::sweep_leftovers(context, &roots(context, &registry))?;
    relink(context, transaction)
}

/// Makes the missing and the wrong links in one transaction; the registry stays as it is.
fn relink(context: &DoctorContext<'_>, mut transaction: Transaction) -> Result<()> {
    let registry = transaction.registry().clone();
    let verified = verified(context, &registry)?;
    let faults = verified.into_iter().flat_map(|one| one.faults);
    let mut links: Vec<Relink> = faults.filter_map(|fault| fault.relink).collect();
    for absolute in absolute_links(context, &registry) {
        if !links.iter().any(|link| link.at == absolute.at) {
            links.push(absolute);
        }
    }
    let may_link = |link: &Relink| context.session.store.may_link_to(&link.root.join(&link.target));
    for Relink { root, at, target } in links.into_iter().filter(may_link) {
        transaction.link(&root, at, &target)?;
    }
    transaction.commit(&registry, "doctor", context.session.env.now)
}

/// A path for a message.
fn shown(path: &std::path::Path) -> String {
    printable(&path.to_string_lossy(), false)
}
