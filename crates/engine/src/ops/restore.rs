//! `skill install` without a source: the disk is brought to what the registry says.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::install_state::{DriftKind, FolderState, InstallState, InstallStates, harmless_hints};
use crate::workspace::{Observer, Session, Workspace};
use ba_agent_core::error::{Error, Kind, Result, error};
use ba_agent_core::registry::{InstallMode, LockEntry, Registry};
use ba_agent_core::skill::SkillName;
use ba_agent_core::source::{Request, Source};
use ba_agent_core::text::count_noun;

use super::apply::{self, Done, Report};
use super::install::InstallOptions;
use super::plan::{Action, Content, Plan, Step, error_of_edited_skill, user_edits_of_skill};
use super::settle::{open_frozen_session, open_session};
use super::supply::{Supply, try_until_settled};
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
    pub registry: PathBuf,
}

/// `install` without a source: brings the disk to what the registry says, which is the lock file.
///
/// # Errors
/// Those of [`skills_due_for_restore`], [`plan`] and [`apply::apply`]; `Conflict` where other commands change the
/// registry all the time.
pub fn restore(
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
        registry: session.store.registry_file().to_path_buf(),
    })
}

/// Plans and does it; `None` where a host has to be asked for more than before the lock was
/// taken: nobody waits for a host while it is held.
fn attempt(session: &Session<'_>, options: RestoreOptions, supply: &Supply<'_>) -> Result<Option<Report>> {
    let known = session.store.read()?;
    let due = due_here(session, options, &known, supply)?;
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
    skills_due_for_restore(registry, &seen, supply, options.frozen, options.force)
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
        if user_edits_of_skill(entry, &sight).is_empty() {
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
    let missing: Vec<&SkillName> = due
        .iter()
        .filter(|(_, entry, _)| supply.world.offline && needs_host(entry) && !supply.kept.has(&entry.digest))
        .map(|(name, ..)| *name)
        .collect();
    if !missing.is_empty() {
        return Err(not_cached(&missing));
    }
    Ok(due)
}

/// The skills of what is due, as the supply takes them.
pub(crate) fn wanted<'r>(due: &[Due<'r>]) -> Vec<(&'r SkillName, &'r LockEntry)> {
    due.iter().map(|(name, entry, _)| (*name, *entry)).collect()
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
    let read = |(name, entry, _): &Due<'_>| supply.recorded(name, entry, &entry.digest);
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
fn needs_host(entry: &LockEntry) -> bool {
    let source = Request::parse(&entry.source).map(|request| request.source);
    match source {
        Ok(Source::Local { .. } | Source::Builtin { .. }) => false,
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
                .hint("to discard the edits: `ba-agent skill install --force`")
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
