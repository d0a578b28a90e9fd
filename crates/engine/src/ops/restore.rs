//! The disk is brought to what the registry says: of all skills by `skill install` without a source,
//! which stops at edits, and of named ones by `skill restore`, which gives them up.

use std::collections::{BTreeMap, BTreeSet};

use crate::fetch::World;
use crate::install_state::{DriftKind, FolderState, InstallState, InstallStates, harmless_hints};
use crate::workspace::{Observer, Session, Workspace};
use ba_agent_core::error::{Error, Kind, Result, error, printable};
use ba_agent_core::registry::{InstallMode, LockEntry, Registry};
use ba_agent_core::skill::SkillName;
use ba_agent_core::source::{RegistryChoice, Request, Source};
use ba_agent_core::text::count_noun;

use super::apply::{self, Done, Report};
use super::ask::{Ask, Attendance};
use super::diff;
use super::install::InstallOptions;
use super::installed::find_installed;
use super::plan::{Action, Content, Plan, Step, error_of_edited_skill, user_edits_of_skill};
use super::recorded::Recorded;
use super::revoked::check_before_restore;
use super::settle::{open_frozen_session, open_session};
use super::supply::{Supply, try_until_settled};
use super::verify::{Fault, Verified, verify_skills};
use ba_agent_system::parallel;

/// How the disk is brought to what the registry says.
#[derive(Debug, Clone, Copy, Default)]
pub struct RestoreOptions {
    /// Verify every byte, never write the registry, fail on any difference.
    pub frozen: bool,
    /// Give up edits.
    pub force: bool,
    /// Refuse a commit that no branch or tag leads to.
    pub require_reachable: bool,
    /// Change nothing.
    pub dry_run: bool,
}

impl RestoreOptions {
    /// Those of an installation that names no source.
    ///
    /// # Errors
    /// `Usage` for an option that says which skill of a source, or how it is put in place.
    pub fn of_install(options: &InstallOptions, frozen: bool) -> Result<Self> {
        let given = [
            ("--skill", !options.skills.is_empty()),
            ("--all", options.all),
            ("--ref", options.reference.is_some()),
            ("--sha", options.sha.is_some()),
            ("--subdirectory", options.subdirectory.is_some()),
            ("--as", options.alias.is_some()),
            ("--integrity", options.integrity.is_some()),
            ("--agent", !options.agents.is_empty()),
            ("--copy", options.mode == InstallMode::Copy),
            ("--link", options.mode == InstallMode::Live),
            ("--enable", options.enable),
            ("--keep", options.keep),
            ("--no-deps", options.no_deps),
        ];
        if let Some((flag, _)) = given.iter().find(|(_, given)| *given) {
            return Err(error!(Usage, "`{flag}` needs a source")
                .hint("without a source `install` restores what the registry records"));
        }
        let &InstallOptions { force, require_reachable, dry_run, .. } = options;
        Ok(Self { frozen, force, require_reachable, dry_run })
    }
}

/// What was restored.
#[derive(Debug)]
pub struct RestoreReport {
    pub skills: Vec<Done>,
    /// Skills beside them that the registry does not know.
    pub strangers: Vec<String>,
    /// Sources whose host says that they are elsewhere now, and where.
    pub moves: BTreeMap<String, String>,
    /// The registry as a person names it.
    pub registry: String,
}

/// `install` without a source: brings the disk to what the registry says, which is the lock file.
///
/// # Errors
/// Those of [`skills_due_for_restore`], [`plan`] and [`apply::apply`]; `Conflict` where other commands change the
/// registry all the time.
pub fn restore_all(
    workspace: &Workspace,
    options: RestoreOptions,
    observer: &dyn Observer,
) -> Result<RestoreReport> {
    let mut session = match options.frozen {
        true => open_frozen_session(workspace, observer)?,
        false => open_session(workspace, observer)?,
    };
    session.settings.hosts.require_reachable |= options.require_reachable;
    let world = session.world();
    let supply = Supply::new(&world, vec![session.cache.clone()]);
    let known = session.store.read()?;
    let report = try_until_settled(&supply, || attempt(&session, options, &supply))?;
    Ok(RestoreReport {
        skills: report.skills,
        strangers: session.places.find_untracked(&known)?,
        moves: world.git.moved_repositories(),
        registry: session.places.shown_to_user(session.store.registry_file()),
    })
}

/// What `skill restore` put back.
#[derive(Debug)]
pub struct RestoredSkills {
    pub skills: Vec<Done>,
    /// In what each was not as it was installed.
    pub faults: BTreeMap<SkillName, Vec<Fault>>,
}

/// `skill restore`: puts the named skills back as they were installed, to the last byte, mode and
/// link. Edits are given up, once somebody agrees; a copy of them is kept for `rollback`.
///
/// # Errors
/// `NotFound` for a name that is not installed, and offline for what the cache does not have;
/// `Conflict` for edits where nobody is there to agree, `Usage` where the person does not; those
/// of [`verify_skills`] and [`apply::apply`].
pub fn restore(
    workspace: &Workspace,
    names: &[String],
    dry_run: bool,
    ask: &mut dyn Ask,
    observer: &dyn Observer,
) -> Result<RestoredSkills> {
    let session = open_session(workspace, observer)?;
    let world = session.world();
    let kept = session.store.history().kept_trees_cache();
    let supply = Supply::new(&world, vec![session.cache.clone(), kept]);
    let names = find_installed(names, &session.store.read()?, &session.places)?;
    let mut consent = Consent { agreed: Vec::new(), declined: BTreeSet::new(), ask };
    let report =
        try_until_settled(&supply, || attempt_named(&session, &names, dry_run, &supply, &mut consent))?;
    let faults = consent.agreed.into_iter().map(|one| (one.name, one.faults)).collect();
    Ok(RestoredSkills { skills: report.skills, faults })
}

/// What a person agreed to lose.
struct Consent<'a> {
    agreed: Vec<Verified>,
    declined: BTreeSet<SkillName>,
    ask: &'a mut dyn Ask,
}

/// Plans and does it; `None` where something changed since the person was asked.
fn attempt_named(
    session: &Session<'_>,
    names: &[SkillName],
    dry_run: bool,
    supply: &Supply<'_>,
    consent: &mut Consent<'_>,
) -> Result<Option<Report>> {
    let registry = part_of(&session.store.read()?, names);
    let verified = verify_skills(names, &registry, session)?;
    let seen = session.places.inspect_recorded(names.iter(), &registry)?;
    let due = due_by_faults(&registry, &verified, &seen);
    check_cached(&due, supply)?;
    check_before_restore(wanted(&due), session, supply.world)?;
    supply.prepare(&wanted(&due))?;
    if dry_run {
        consent.agreed = verified;
        let plan = plan(&registry, due, supply)?;
        plan.check_recorded(session.observer)?;
        return Report::of_plan(plan, &session.places, session.env.now).map(Some);
    }
    if consent.agreed != verified {
        agree_to_lose(session, &registry, &verified, supply, consent)?;
        consent.agreed = verified;
    }
    let due: Vec<Due<'_>> = due.into_iter().filter(|(name, ..)| !consent.declined.contains(*name)).collect();
    if due.is_empty() {
        let plan = plan(&registry, due, supply)?;
        return Report::of_plan(plan, &session.places, session.env.now).map(Some);
    }
    let transaction = session.begin()?;
    let now = part_of(transaction.registry(), names);
    if now != registry
        || verify_skills(names, &now, session)? != consent.agreed
        || supply.lacks_any_recorded(&wanted(&due))
    {
        return Ok(None);
    }
    let plan = plan(&registry, due, supply)?;
    apply::apply(plan, transaction, session, "restore").map(Some)
}

/// Of a registry these skills alone.
fn part_of(registry: &Registry, names: &[SkillName]) -> Registry {
    let mut part = registry.clone();
    part.skills.retain(|name, _| names.contains(name));
    part
}

fn due_by_faults<'r>(registry: &'r Registry, verified: &[Verified], seen: &InstallStates) -> Vec<Due<'r>> {
    let is_wrong = |one: &&Verified| one.faults.iter().any(|fault| fault.what != DriftKind::Record);
    let due = verified.iter().filter(is_wrong).filter_map(|one| {
        let (name, entry) = registry.skills.get_key_value(&one.name)?;
        Some((name, entry, seen.get(name).cloned().unwrap_or_default()))
    });
    due.collect()
}

/// Asks about every skill of which something goes that somebody may have written.
///
/// # Errors
/// `Conflict` where nobody can be asked, `Usage` where the person agrees to nothing.
fn agree_to_lose(
    session: &Session<'_>,
    registry: &Registry,
    verified: &[Verified],
    supply: &Supply<'_>,
    consent: &mut Consent<'_>,
) -> Result<()> {
    consent.declined.clear();
    let is_lost =
        |fault: &&Fault| !matches!(fault.what, DriftKind::Missing | DriftKind::Link | DriftKind::Record);
    let losing = verified.iter().filter(|one| one.faults.iter().any(|fault| is_lost(&fault)));
    for one in losing {
        let lost: Vec<String> =
            one.faults.iter().filter(is_lost).map(|f| format!("{}: {}", f.what.word(), f.path)).collect();
        match consent.ask.attendance() {
            Attendance::Agrees => continue,
            Attendance::Nobody => {
                let error = error!(Conflict, "discarding the edits of `{}` needs confirmation", one.name);
                return Err(lost
                    .into_iter()
                    .take(20)
                    .fold(error, Error::cause)
                    .hint(format!("see them with `ba-agent skill diff {}`", one.name))
                    .hint(format!(
                        "to discard them: `ba-agent skill restore {} --yes`; `rollback` brings them back",
                        one.name
                    )));
            }
            Attendance::Person => {}
        }
        lost.iter().for_each(|line| session.warn(&format!("{} {line}", one.name)));
        let show = || -> Result<Vec<String>> {
            let entry = registry.skills.get(&one.name);
            let supplied = |name: &SkillName, entry: &LockEntry| supply.fetch(name, entry);
            let changes =
                entry.map(|entry| diff::compare_skill(&one.name, entry, &session.places, &supplied));
            Ok(changes.transpose()?.into_iter().flat_map(|all| all.files).map(|file| file.diff).collect())
        };
        let question = format!("Discard the edits of `{}`? `rollback` brings them back.", one.name);
        if !consent.ask.consent(&question, Some(&show))? {
            consent.declined.insert(one.name.clone());
        }
    }
    if !consent.declined.is_empty()
        && verified.iter().all(|one| one.faults.is_empty() || consent.declined.contains(&one.name))
    {
        return Err(error!(Usage, "not confirmed; nothing was changed"));
    }
    Ok(())
}

/// Plans and does it; `None` where a host has to be asked for more than before the lock was
/// taken: nobody waits for a host while it is held.
fn attempt(session: &Session<'_>, options: RestoreOptions, supply: &Supply<'_>) -> Result<Option<Report>> {
    let known = session.store.read()?;
    let due = due_here(session, options, &known, supply)?;
    check_before_restore(wanted(&due), session, supply.world)?;
    supply.prepare(&wanted(&due))?;
    if options.dry_run || due.is_empty() {
        let plan = plan(&known, due, supply)?;
        plan.check_recorded(session.observer)?;
        return Report::of_plan(plan, &session.places, session.env.now).map(Some);
    }
    // Only what is to be changed needs the lock, and under it another look.
    let transaction = match options.frozen {
        true => session.begin_unrepaired()?,
        false => session.begin()?,
    };
    let due = due_here(session, options, transaction.registry(), supply)?;
    if supply.lacks_any_recorded(&wanted(&due)) {
        return Ok(None);
    }
    let plan = plan(transaction.registry(), due, supply)?;
    apply::apply(plan, transaction, session, "install").map(Some)
}

fn due_here<'r>(
    session: &Session<'_>,
    options: RestoreOptions,
    registry: &'r Registry,
    supply: &Supply<'_>,
) -> Result<Vec<Due<'r>>> {
    let seen = session.places.inspect_recorded(registry.skills.keys(), registry)?;
    let due = skills_due_for_restore(registry, &seen, supply, options.frozen, options.force)?;
    let elsewhere: Vec<_> = wanted(&due)
        .into_iter()
        .filter(|(_, entry)| !supply.kept.has(&entry.digest) && is_on_another_machine(entry, session))
        .collect();
    if elsewhere.is_empty() { Ok(due) } else { Err(error_of_other_machine(&elsewhere)) }
}

/// True for a source by a path of one machine that is not this one.
fn is_on_another_machine(entry: &LockEntry, session: &Session<'_>) -> bool {
    Request::parse(&entry.source).is_ok_and(|Request { source, .. }| {
        let is_path = match &source {
            Source::Local { .. } => true,
            Source::Archive { location } => !location.contains("://") || location.starts_with("file:"),
            Source::Git { url } | Source::RemoteRegistry { registry: RegistryChoice::At(url), .. } => {
                url.starts_with("file:")
            }
            _ => false,
        };
        is_path && source.is_of_this_machine() && session.places.local_path(&source, "").is_none()
    })
}

fn error_of_other_machine(elsewhere: &[(&SkillName, &LockEntry)]) -> Error {
    let count = count_noun(elsewhere.len(), "skill");
    let error =
        error!(NotFound, "{count} cannot be restored: they were installed from places on another machine");
    let named = elsewhere.iter().map(|(name, entry)| format!("{name}: {}", printable(&entry.source, false)));
    named
        .fold(error, Error::cause)
        .hint("ask whoever installed them to put them into the project or a repository, and to record that: `ba-agent skill update NAME --source SOURCE`")
        .hint("or do that yourself, where you have them; `ba-agent skill uninstall NAME` removes the record")
}

/// A recorded skill that is not on the disk as it was recorded, and what is there.
pub(crate) type Due<'r> = (&'r SkillName, &'r LockEntry, InstallState);

/// Which skills have to be written so that the disk is what the registry says.
///
/// `frozen` turns edits into a failure of integrity; `force` gives them up.
///
/// # Errors
/// `Conflict` (`Integrity` when frozen) for edited skills, naming all their files;
/// `NotFound` offline for what the cache does not have, naming every skill.
pub fn skills_due_for_restore<'r>(
    registry: &'r Registry,
    seen: &InstallStates,
    supply: &Supply<'_>,
    frozen: bool,
    force: bool,
) -> Result<Vec<Due<'r>>> {
    let mut wrong = Vec::new();
    let mut due = Vec::new();
    for (name, entry) in &registry.skills {
        let sight = seen.get(name).cloned().unwrap_or_default();
        if user_edits_of_skill(entry, &sight).is_empty() && !sight.has_wrong_link {
            continue;
        }
        if is_absence(entry, &sight) || force {
            due.push((name, entry, sight));
        } else {
            wrong.push((name, user_edits_of_skill(entry, &sight)));
        }
    }
    if !wrong.is_empty() {
        return Err(all_edited(&wrong, frozen));
    }
    check_cached(&due, supply)?;
    Ok(due)
}

/// # Errors
/// `NotFound` offline for what the cache does not have, naming every skill.
fn check_cached(due: &[Due<'_>], supply: &Supply<'_>) -> Result<()> {
    let missing: Vec<&SkillName> = due
        .iter()
        .filter(|(_, entry, sight)| {
            supply.world.offline
                && needs_host(entry, supply.world)
                && !lacks_only_links(entry, sight)
                && !supply.kept.has(&entry.digest)
        })
        .map(|(name, ..)| *name)
        .collect();
    if missing.is_empty() { Ok(()) } else { Err(not_cached(&missing)) }
}

/// The skills whose files have to be written, as the supply takes them.
pub(crate) fn wanted<'r>(due: &[Due<'r>]) -> Vec<(&'r SkillName, &'r LockEntry)> {
    let lacking = due.iter().filter(|(_, entry, sight)| !lacks_only_links(entry, sight));
    lacking.map(|(name, entry, _)| (*name, *entry)).collect()
}

/// True when the files stand where they were put, untouched, and only links to them are wrong.
fn lacks_only_links(entry: &LockEntry, sight: &InstallState) -> bool {
    let first = InstallState {
        recorded: sight.recorded.iter().take(1).cloned().collect(),
        line_ends: sight.line_ends.clone(),
        ..InstallState::default()
    };
    entry.mode == InstallMode::Link
        && !first.recorded.is_empty()
        && user_edits_of_skill(entry, &first).is_empty()
}

/// Plans to bring the disk to what the registry says; `due` is what [`skills_due_for_restore`] found, and the
/// supply has it.
///
/// # Errors
/// Those of [`Supply::recorded`].
pub(crate) fn plan(registry: &Registry, due: Vec<Due<'_>>, supply: &Supply<'_>) -> Result<Plan> {
    let mut steps: BTreeMap<&SkillName, Step> = BTreeMap::new();
    for (name, entry) in &registry.skills {
        steps.insert(name, step(name, entry, Action::Keep, None, false));
    }
    let read = |(name, entry, sight): &Due<'_>| match lacks_only_links(entry, sight) {
        true => Ok(Recorded::in_place(entry)),
        false => supply.recorded(name, entry, &entry.digest),
    };
    let contents =
        parallel::run_jobs(parallel::count_cores(), &due, || supply.world.check_cancelled(), read)?;
    for ((name, entry, sight), content) in due.into_iter().zip(contents) {
        let content = Content::Recorded(Box::new(content));
        let gives_up =
            user_edits_of_skill(entry, &sight).iter().any(|drift| drift.change != DriftKind::Missing);
        let action = if sight.is_gone() { Action::Add } else { Action::Replace };
        steps.insert(name, step(name, entry, action, Some(content), gives_up));
    }
    Ok(Plan { steps: steps.into_values().collect() })
}

fn step(
    name: &SkillName,
    entry: &LockEntry,
    action: Action,
    content: Option<Content>,
    gives_up: bool,
) -> Step {
    Step { name: name.clone(), action, content, before: Some(entry.clone()), gives_up_edits: gives_up }
}

/// True when whole folders or links are missing and nothing that is there was changed.
pub(crate) fn is_absence(entry: &LockEntry, sight: &InstallState) -> bool {
    // A missing place becomes what the record says, then no edit may be left.
    let rest = sight.recorded.iter().enumerate().filter(|(_, (_, disk))| *disk != FolderState::Missing);
    rest.into_iter().all(|(n, (shown, disk))| {
        let mut alone = InstallState::default();
        let filler = (0..n).map(|_| (String::new(), FolderState::Missing));
        alone.recorded.extend(filler);
        alone.recorded.push((shown.clone(), disk.clone()));
        user_edits_of_skill(entry, &alone).len() == n
    })
}

/// True when the source lies on another machine.
fn needs_host(entry: &LockEntry, world: &World<'_>) -> bool {
    let source = Request::parse(&entry.source).map(|request| request.source);
    match source {
        Ok(Source::Local { .. } | Source::Builtin { .. } | Source::Own { .. }) => false,
        Ok(Source::RemoteRegistry { registry: RegistryChoice::At(url), .. }) => {
            !world.settings.remote_registries.has_folder(&url)
        }
        Ok(Source::Archive { location: url } | Source::Git { url }) => {
            url.contains("://") && !url.starts_with("file://") || (!url.contains("://") && url.contains('@'))
        }
        _ => true,
    }
}

fn all_edited(wrong: &[(&SkillName, Vec<crate::install_state::Drift>)], frozen: bool) -> Error {
    let mut error = match wrong {
        [(name, drift)] => error_of_edited_skill(name, drift, "install"),
        several => {
            let mut error = error!(
                Conflict,
                "{} were edited since they were installed",
                count_noun(several.len(), "skill")
            );
            for (name, drift) in several.iter().take(20) {
                let paths: Vec<String> =
                    drift.iter().take(5).map(|one| format!("{} {}", one.change.word(), one.path)).collect();
                error = error.cause(format!("{name}: {}", paths.join(", ")));
            }
            let kinds = wrong.iter().flat_map(|(_, drift)| drift.iter().map(|one| one.change));
            let error = harmless_hints(kinds, ".claude/skills").into_iter().fold(error, Error::hint);
            error
                .hint("see what was changed with `ba-agent skill verify` and `ba-agent skill diff NAME`")
                .hint("to discard the edits: `ba-agent skill restore NAME`, or all with `ba-agent skill install --force`")
        }
    };
    if frozen {
        error.kind = Kind::Integrity;
    }
    error
}

fn not_cached(missing: &[&SkillName]) -> Error {
    let names: Vec<&str> = missing.iter().map(|name| name.as_str()).collect();
    error!(
        NotFound,
        "{} not in the cache: {}",
        match names.len() {
            1 => "1 skill is".to_owned(),
            n => format!("{n} skills are"),
        },
        names.join(", ")
    )
    .hint("run it once without `--offline`, then the cache has them")
}
