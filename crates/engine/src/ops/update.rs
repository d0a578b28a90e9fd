//! `skill update`: asks the sources what is new, plans what moves, has a person agree to what is
//! doubtful, and puts it in place.

mod grown_rights;
mod log;
mod needs;
mod plan;
mod repoint;

use std::collections::{BTreeMap, BTreeSet};

use super::apply::{self, Done, Report};
use super::ask::{Ask, Attendance, CautionedUpdate, UpdateOffer};
use super::diff::{Changed, describe_file_change};
use super::installed::find_installed;
use super::outdated::{self, State};
use super::plan::{Action, Content, Plan, Step, still_clean};
use super::settle::open_session;
use crate::fetch::typed_host::parse_typed;
use crate::fetch::{World, local};
use crate::store::marketplaces::Marketplaces;
use crate::workspace::{Observer, Session, Workspace};
use ba_agent_core::diff::FileDiff;
use ba_agent_core::error::{Error, Kind, Result, error};
use ba_agent_core::package::Package;
use ba_agent_core::path::RelPath;
use ba_agent_core::registry::{LockEntry, Registry, SkillSummary, describe_move};
use ba_agent_core::skill::SkillName;

pub use log::{UpdateCommit, UpdateLog};
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
    /// Keep the versions that are replaced beside the new ones.
    pub keep: bool,
    /// Change nothing.
    pub dry_run: bool,
    /// With `dry_run`, say line by line how the files would change.
    pub with_diffs: bool,
    /// Say which commits touch the skills that move. For those that follow a branch this costs no
    /// request, for those that follow tags one for each repository.
    pub with_log: bool,
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
    /// How the files would change, of a dry run.
    pub diffs: BTreeMap<SkillName, Vec<Changed>>,
    /// What happened upstream, by skill.
    pub logs: BTreeMap<SkillName, UpdateLog>,
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
    pub fn failures(&self, dry_run: bool) -> Vec<String> {
        describe_failures(&self.failed, dry_run)
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
        let typed = parse_typed(source, &session.settings.hosts)?;
        let new = session.anchor(session.settings.remote_registries.locate(typed)?);
        let planned = repoint::plan_repoint(&names, &known, &new, &inspect, &world, options.force)?;
        let sources = (&world, &session.marketplaces()?);
        let report = carry_out(&session, options, &known, planned, sources, ask)?;
        if !options.dry_run {
            session.keep_typed_hosts();
        }
        return Ok(report);
    }
    let entries = names.iter().filter_map(|name| known.skills.get_key_value(name));
    let summaries: Vec<_> = entries.map(|(name, entry)| (name, SkillSummary::of(entry))).collect();
    let skills: Vec<_> = summaries.iter().map(|(name, summary)| (*name, summary)).collect();
    let marketplaces = session.marketplaces()?;
    let looked = outdated::look(&skills, &marketplaces, &world)?;
    let is_held = |one: &&outdated::UpdateStatus| one.state == State::Held && !options.names.is_empty();
    let held: Vec<SkillName> = looked.statuses.iter().filter(is_held).map(|one| one.name.clone()).collect();
    for name in &held {
        session.note(&format!("`{name}` is held: `ba-agent skill unpin {name}` lets it move"));
    }
    let agreed = grown_rights::ask_before_download(&looked, &known, &session, options, ask)?;
    let mut looked = looked;
    looked.statuses.retain(|one| !agreed.declined.contains(&one.name));
    let mut planned = plan::plan_update(looked, &known, &inspect, &world, options)?;
    needs::follow_ranges(&mut planned, &known, &inspect, (&world, &marketplaces), options)?;
    planned.cautions.retain(|caution| !agreed.covers(caution));
    planned.left.extend(agreed.declined.into_iter().map(|name| (name, "it was not confirmed".to_owned())));
    needs::hold_in_ranges(&mut planned, &known);
    // Where nothing else was to be done, the failure is all that there is to say.
    if planned.failed.len() == names.len()
        && let Some(((name, error), others)) = planned.failed.split_first()
    {
        describe_failures(others, options.dry_run).iter().for_each(|failure| session.warn(failure));
        return Err(error.clone().wrap(format!("`{name}` cannot be updated")));
    }
    let report = carry_out(&session, options, &known, planned, (&world, &marketplaces), ask)?;
    Ok(UpdateReport { looked_at: names.len(), held: held.len(), ..report })
}

/// Warns, asks, does.
fn carry_out(
    session: &Session<'_>,
    options: &UpdateOptions,
    known: &Registry,
    mut planned: PlannedUpdate,
    sources: (&World<'_>, &Marketplaces),
    ask: &mut dyn Ask,
) -> Result<UpdateReport> {
    if options.keep {
        let contents = planned.plan.steps.iter_mut().filter_map(|step| step.content.as_mut());
        contents.for_each(|content| content.keep_replaced(session.settings.loader.keep_versions));
    }
    let stays = if options.dry_run { "would stay" } else { "stays" };
    for (name, why) in &planned.left {
        session.warn(&format!("`{name}` {stays} as it is: {why}"));
    }
    for caution in &planned.cautions {
        session.warn(&caution.message);
    }
    let mut diffs = BTreeMap::new();
    if options.dry_run && options.with_diffs {
        diffs = diffs_of(session, known, &planned, None)?;
    } else if !options.dry_run {
        if options.names.is_empty() {
            choose(session, known, &mut planned, ask)?;
        }
        ask_consent(session, known, &mut planned, ask)?;
        // Who was left out may hold others in its ranges.
        let held = needs::hold_in_ranges(&mut planned, known);
        held.iter().for_each(|(name, why)| session.warn(&format!("`{name}` stays as it is: {why}")));
    }
    needs::bring_needed(&mut planned, known, session, sources, ask)?;
    let PlannedUpdate { plan, cautions, left, changes, logs, failed, .. } = planned;
    let report = match options.dry_run {
        true => Report::of_plan(plan, &session.places, session.env.now)?,
        false => apply_update(session, known, plan, options.force)?,
    };
    let before = report.skills.iter().filter_map(|done| known.skills.get_key_value(&done.name));
    let before = before.map(|(name, entry)| (name.clone(), entry.clone())).collect();
    let skills = report.skills;
    Ok(UpdateReport {
        skills,
        before,
        changes,
        cautions,
        left,
        failed,
        diffs,
        logs,
        ..UpdateReport::default()
    })
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
            let diff = || -> Result<Vec<String>> {
                let diffs = diffs_of(session, known, planned, Some(&name))?;
                Ok(diffs.into_values().flatten().map(|file| file.diff).collect())
            };
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

/// Lets a person choose among several updates.
///
/// # Errors
/// `Usage` where none is chosen, `Interrupted` when the person leaves; those of the diff.
fn choose(
    session: &Session<'_>,
    known: &Registry,
    planned: &mut PlannedUpdate,
    ask: &mut dyn Ask,
) -> Result<()> {
    let moving = planned.plan.steps.iter().filter(|step| step.action != Action::Keep);
    let moving: Vec<&Step> = moving.collect();
    if moving.len() < 2 || ask.attendance() != Attendance::Person {
        return Ok(());
    }
    let mut offers = Vec::new();
    for step in moving {
        let (from, to) = revisions_of(step)?;
        let stat = diffs_of(session, known, planned, Some(&step.name))?;
        let cautions = planned.cautions.iter().filter(|caution| caution.name == step.name);
        let commits = planned.logs.get(&step.name).map_or(&[][..], |log| &log.commits);
        let told = commits.iter().map(|one| one.subject.clone());
        offers.push(UpdateOffer {
            name: &step.name,
            from,
            to,
            cautions: cautions.map(|caution| caution.message.clone()).collect(),
            stat: told.chain(stat.into_values().flatten().map(|file| file.stat_line())).collect(),
        });
    }
    let chosen: BTreeSet<SkillName> = {
        let positions = ask.choose_updates(&offers)?;
        positions.into_iter().filter_map(|n| Some(offers.get(n)?.name.clone())).collect()
    };
    if chosen.is_empty() {
        return Err(error!(Usage, "no skill was chosen; nothing was changed"));
    }
    planned.keep_chosen(|name| chosen.contains(name));
    Ok(())
}

/// What a skill is at, and what it would be at, as a person knows them.
fn revisions_of(step: &Step) -> Result<(String, String)> {
    let Some(entry) = &step.before else { return Ok(Default::default()) };
    let Some(Content::Found(wanted)) = &step.content else { return Ok(Default::default()) };
    let files = wanted.candidate.digest()?.1.clone();
    let after = wanted.candidate.record(entry.digest.clone(), files, entry.installed_at);
    let moved = describe_move(entry.into(), (&after).into()).unwrap_or_default();
    let (from, to) = moved.split_once(" -> ").unwrap_or_default();
    Ok((from.to_owned(), to.to_owned()))
}

/// How the files of all skills would change, or those of one.
fn diffs_of(
    session: &Session<'_>,
    known: &Registry,
    planned: &PlannedUpdate,
    only: Option<&SkillName>,
) -> Result<BTreeMap<SkillName, Vec<Changed>>> {
    let mut diffs: BTreeMap<SkillName, Vec<Changed>> = BTreeMap::new();
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
            let change = FileDiff { path: format!("{}/{}", step.name, change.path), ..change.clone() };
            diffs.entry(step.name.clone()).or_default().push(describe_file_change(change, &old, &new));
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
fn describe_failures(failed: &[(SkillName, Error)], dry_run: bool) -> Vec<String> {
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
        let were = match (dry_run, names.len()) {
            (true, _) => "would",
            (false, 1) => "was",
            (false, _) => "were",
        };
        let be = if dry_run { " be" } else { "" };
        format!("{} {were} not{be} updated: {why}", names.join(", "))
    };
    told.into_iter().map(sentence).collect()
}
