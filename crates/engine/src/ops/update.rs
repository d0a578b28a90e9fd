//! `skill update`: asks the sources what is new, plans what moves, has a person agree to what is
//! doubtful, and puts it in place.

mod plan;
mod repoint;

use std::collections::BTreeMap;

use super::apply::{self, Done, Report};
use super::ask::{Ask, Attendance, CautionedUpdate};
use super::installed::find_installed;
use super::outdated::{self, State};
use super::plan::{Action, Content, Plan, still_clean};
use super::settle::open_session;
use crate::fetch::local;
use crate::workspace::{Observer, Session, Workspace};
use ba_agent_core::diff::{FileDiff, unified_diff};
use ba_agent_core::error::{Error, Kind, Result, error};
use ba_agent_core::package::Package;
use ba_agent_core::path::RelPath;
use ba_agent_core::registry::{LockEntry, Registry, SkillSummary};
use ba_agent_core::skill::SkillName;
use ba_agent_core::source::Request;

pub(crate) use plan::Caution;
use plan::PlannedUpdate;

/// What is updated, and how.
#[derive(Debug, Default)]
pub struct UpdateOptions {
    /// Skills as a person names them; all of them without one.
    pub names: Vec<String>,
    /// Take the named skills from this source from now on.
    pub source: Option<String>,
    /// Refuse a commit that no branch or tag leads to.
    pub require_reachable: bool,
    /// Give up local edits; a copy is kept for `rollback`.
    pub force: bool,
    /// FileDiff nothing.
    pub dry_run: bool,
    /// With `dry_run`, say how the files would change.
    pub with_diffs: bool,
}

/// What was updated.
#[derive(Debug, Default)]
pub struct UpdateReport {
    pub skills: Vec<Done>,
    /// Their records before.
    pub before: BTreeMap<SkillName, LockEntry>,
    /// The files that changed, by skill.
    pub changes: BTreeMap<SkillName, Vec<FileDiff>>,
    pub cautions: Vec<Caution>,
    /// Skills that stay where they are although their source moved, and why.
    pub left: Vec<(SkillName, String)>,
    /// Skills whose source could not be asked or fetched.
    pub failed: Vec<(SkillName, Error)>,
    /// Unified diffs of a dry run.
    pub diffs: Vec<String>,
    /// How many skills were looked at, and how many of the named ones are held.
    pub looked_at: usize,
    pub held: usize,
}

impl UpdateReport {
    /// What the outcome is when a source could not be had: the first failure's kind.
    pub fn failure(&self) -> Option<Kind> {
        self.failed.first().map(|(_, error)| error.kind)
    }

    /// A sentence for each failure, with all skills that have it.
    pub fn failures(&self) -> Vec<String> {
        describe_failures(&self.failed)
    }
}

/// Moves skills to what their reference is now or, with a source, to that source.
///
/// # Errors
/// `NotFound` for a name that is not installed; `Conflict` for local edits (unless forced), for
/// cautions that nobody agrees to, and where another command changed a skill meanwhile; the one
/// failure where every skill failed; those of [`apply::apply`].
pub fn update(
    workspace: &Workspace,
    options: &UpdateOptions,
    ask: &mut dyn Ask,
    observer: &dyn Observer,
) -> Result<UpdateReport> {
    let mut session = open_session(workspace, observer)?;
    session.settings.hosts.require_reachable |= options.require_reachable;
    let known = session.store.read()?;
    let names = match options.names.is_empty() {
        true => known.skills.keys().cloned().collect(),
        false => find_installed(&options.names, &known, &session.places)?,
    };
    // A registry that leads out of its project is refused, whether something moves or not.
    for entry in names.iter().filter_map(|name| known.skills.get(name)) {
        session.places.roots_of(entry)?;
    }
    let world = session.world();
    let inspect = |name: &SkillName| session.inspect_one(name, &known);
    if let Some(source) = &options.source {
        session.note_typed(source);
        let new = session.anchor(Request::parse(source)?);
        let planned = repoint::plan_repoint(&names, &known, &new, &inspect, &world, options.force)?;
        let report = carry_out(&session, options, &known, planned, ask)?;
        if !options.dry_run {
            session.keep_typed_hosts();
        }
        return Ok(report);
    }
    let entries = names.iter().filter_map(|name| known.skills.get_key_value(name));
    let summaries: Vec<_> = entries.map(|(name, entry)| (name, SkillSummary::of(entry))).collect();
    let skills: Vec<_> = summaries.iter().map(|(name, summary)| (*name, summary)).collect();
    let looked = outdated::look(&skills, &session.marketplaces()?, &world)?;
    let is_held = |one: &&outdated::UpdateStatus| one.state == State::Held && !options.names.is_empty();
    let held: Vec<SkillName> = looked.statuses.iter().filter(is_held).map(|one| one.name.clone()).collect();
    for name in &held {
        session.note(&format!("`{name}` is held: `ba-agent skill unpin {name}` lets it move"));
    }
    let planned = plan::plan_update(looked, &known, &inspect, &world, options)?;
    // Where nothing else was to be done, the failure is all that there is to say.
    if planned.failed.len() == names.len()
        && let Some(((name, error), others)) = planned.failed.split_first()
    {
        describe_failures(others).iter().for_each(|failure| session.warn(failure));
        return Err(error.clone().wrap(format!("`{name}` cannot be updated")));
    }
    let report = carry_out(&session, options, &known, planned, ask)?;
    Ok(UpdateReport { looked_at: names.len(), held: held.len(), ..report })
}

/// Warns, asks, does.
fn carry_out(
    session: &Session<'_>,
    options: &UpdateOptions,
    known: &Registry,
    mut planned: PlannedUpdate,
    ask: &mut dyn Ask,
) -> Result<UpdateReport> {
    for (name, why) in &planned.left {
        session.warn(&format!("`{name}` stays as it is: {why}"));
    }
    for caution in &planned.cautions {
        session.warn(&caution.message);
    }
    let mut diffs = Vec::new();
    if options.dry_run && options.with_diffs {
        diffs = diffs_of(session, known, &planned, None)?;
    } else if !options.dry_run {
        ask_consent(session, known, &mut planned, ask)?;
    }
    let PlannedUpdate { plan, cautions, left, changes, failed } = planned;
    let report = match options.dry_run {
        true => Report::of_plan(plan, &session.places, session.env.now)?,
        false => apply_update(session, known, plan, options.force)?,
    };
    let before = report.skills.iter().filter_map(|done| known.skills.get_key_value(&done.name));
    let before = before.map(|(name, entry)| (name.clone(), entry.clone())).collect();
    let skills = report.skills;
    Ok(UpdateReport { skills, before, changes, cautions, left, failed, diffs, ..UpdateReport::default() })
}

/// Takes the lock only now, since fetching may take long; the registry must still be the
/// one that was planned against.
fn apply_update(session: &Session<'_>, known: &Registry, plan: Plan, force: bool) -> Result<Report> {
    if plan.steps.is_empty() {
        return Ok(Report::default());
    }
    let transaction = session.begin()?;
    let is_old = |name: &SkillName| transaction.registry().skills.get(name) != known.skills.get(name);
    if let Some(step) = plan.steps.iter().find(|step| is_old(&step.name)) {
        return Err(error!(Conflict, "another command changed `{}` meanwhile", step.name)
            .hint("run `ba-agent skill update` again"));
    }
    let names = plan.steps.iter().filter(|step| step.action != Action::Keep).map(|step| &step.name);
    let seen = session.places.inspect_recorded(names, transaction.registry())?;
    still_clean(&plan, &seen, force)?;
    apply::apply(plan, transaction, session, "update")
}

/// Asks about every skill that may do more than before, or whose tag or branch was moved: each
/// can stay as it is.
///
/// # Errors
/// `Conflict` where nobody agrees to anything, `Interrupted` when the person leaves.
fn ask_consent(
    session: &Session<'_>,
    known: &Registry,
    planned: &mut PlannedUpdate,
    ask: &mut dyn Ask,
) -> Result<()> {
    if planned.cautions.is_empty() {
        return Ok(());
    }
    let mut refusal = error!(Conflict, "this update needs confirmation");
    for caution in &planned.cautions {
        refusal = refusal.cause(caution.message.clone());
    }
    match ask.attendance() {
        Attendance::Agrees => return Ok(()),
        Attendance::Nobody => {
            return Err(refusal.hint("look at it with `--dry-run`, then run it again with `--yes`"));
        }
        Attendance::Person => {}
    }
    let told = planned.left.len();
    for name in planned.names_with_cautions() {
        // It may have gone with another of its commit.
        if planned.plan.steps.iter().any(|step| step.name == name) {
            let diff = || diffs_of(session, known, planned, Some(&name));
            if !ask.approve_update(&CautionedUpdate { name: &name, diff: &diff })? {
                planned.leave_out(&name);
            }
        }
    }
    if planned.plan.steps.is_empty() {
        return Err(refusal.hint("nothing was changed"));
    }
    for (name, why) in planned.left.iter().skip(told) {
        session.note(&format!("`{name}` stays as it is: {why}"));
    }
    Ok(())
}

/// How the files of all skills would change, or those of one.
fn diffs_of(
    session: &Session<'_>,
    known: &Registry,
    planned: &PlannedUpdate,
    only: Option<&SkillName>,
) -> Result<Vec<String>> {
    let mut diffs = Vec::new();
    for step in planned.plan.steps.iter().filter(|step| only.is_none_or(|only| *only == step.name)) {
        let (Some(Content::Found(wanted)), Some(entry)) = (&step.content, known.skills.get(&step.name))
        else {
            continue;
        };
        let old = session.cache.get(&entry.digest).or_else(|| open_installed(session, &step.name, entry));
        let Some(old) = old else {
            session.note(&format!("no diff: the installed files of `{}` are not available", step.name));
            continue;
        };
        for change in planned.changes.get(&step.name).into_iter().flatten() {
            let old = bytes_of(&old, &RelPath::ROOT, &change.path)?;
            let new = bytes_of(wanted.candidate.fetched.package(), &wanted.candidate.folder, &change.path)?;
            diffs.push(unified_diff(&format!("{}/{}", step.name, change.path), &old, &new));
        }
    }
    Ok(diffs)
}

/// The files of a skill as they stand in its first place, if nobody edited them.
fn open_installed(session: &Session<'_>, name: &SkillName, entry: &LockEntry) -> Option<Package> {
    let root = session.places.roots_of(entry).ok()?.into_iter().next()?;
    let package = local::open_folder(&root.join(name.as_str()), &[], &session.settings.limits).ok()?;
    (package.dir(&RelPath::ROOT).digest().ok()? == entry.digest).then_some(package)
}

/// The bytes of a file, none where it is not there.
fn bytes_of(package: &Package, folder: &RelPath, path: &str) -> Result<Vec<u8>> {
    let entry = package.listing.entry_at(&folder.file(path));
    entry.map_or(Ok(Vec::new()), |entry| package.read(entry).map(std::borrow::Cow::into_owned))
}

/// A sentence for each failure, with all skills that have it.
fn describe_failures(failed: &[(SkillName, Error)]) -> Vec<String> {
    let mut told: Vec<(String, Vec<String>)> = Vec::new();
    for (name, error) in failed {
        let why =
            error.causes.first().map_or_else(|| error.message.clone(), |c| format!("{}: {c}", error.message));
        let name = format!("`{name}`");
        match told.iter_mut().find(|(known, _)| *known == why) {
            Some((_, names)) => names.push(name),
            None => told.push((why, vec![name])),
        }
    }
    let sentence = |(why, names): (String, Vec<String>)| {
        let were = if names.len() == 1 { "was" } else { "were" };
        format!("{} {were} not updated: {why}", names.join(", "))
    };
    told.into_iter().map(sentence).collect()
}
