//! Deeds: a plan, done. The one place that changes skills and registry.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::Serialize;

use crate::agents::Target;
use crate::error::{Context as _, Result};
use crate::fsx;
use crate::places::Places;
use crate::registry::{Entry, Mode, Registry};
use crate::skill::SkillName;
use crate::store::{Staged, Transaction, Valid};
use crate::tree::Limits;

use super::gather::Candidate;
use super::parallel::in_parallel;
use super::plan::{Action, Plan, Step, Wanted};

/// What was done, for people and for `--json`.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Report {
    pub(crate) skills: Vec<Done>,
}

impl Report {
    /// What a plan would do, for `--dry-run`.
    ///
    /// # Errors
    /// `Integrity` or `Failed` where the bytes of a candidate cannot be read.
    pub(crate) fn of_plan(plan: Plan, places: &Places, now: Timestamp) -> Result<Self> {
        let mut skills = Vec::new();
        for step in plan.steps {
            let entry = match (step.action, &step.wanted, step.before) {
                (Action::Add | Action::Replace, Some(wanted), before) => {
                    record(wanted, wanted.mode, None, before.as_ref(), now)?
                }
                (_, _, Some(before)) => before,
                (_, _, None) => continue,
            };
            let places = places.roots_of(&entry)?.iter().map(|root| places.shown(root)).collect();
            skills.push(Done { name: step.name, action: step.action, places, entry });
        }
        Ok(Self { skills })
    }
}

/// What was done with one skill.
#[derive(Debug, Serialize)]
pub(crate) struct Done {
    pub(crate) name: SkillName,
    pub(crate) action: Action,
    /// The folders that have it, as a person names them; the first holds the files.
    pub(crate) places: Vec<String>,
    /// The record as it is now, or as it was for a removed skill.
    pub(crate) entry: Entry,
}

/// Does everything that `plan` says in one transaction, or nothing.
///
/// # Errors
/// `Invalid` for content that breaks the rules as it is written, `Failed` where the disk
/// refuses; the disk is then as it was before.
pub(crate) fn apply(
    plan: Plan,
    mut transaction: Transaction,
    places: &Places,
    limits: &Limits,
    now: Timestamp,
) -> Result<Report> {
    let mut registry = transaction.registry().clone();
    let staged = stage(&plan, &mut transaction, places, limits)?;
    let mut report = Report::default();
    for (step, valid) in plan.steps.into_iter().zip(staged) {
        let done = match step.action {
            Action::Keep => keep(step),
            Action::Remove => Some(remove(step, &mut transaction, places, &mut registry)?),
            Action::Add | Action::Replace => {
                place(step, &valid, &mut transaction, places, &mut registry, now)?
            }
        };
        report.skills.extend(done);
    }
    transaction.commit(&registry)?;
    Ok(report)
}

/// The staged copies of one step: one for each target that holds files.
type Copies = Vec<Valid>;

/// Writes what is new, several skills at a time.
fn stage(
    plan: &Plan,
    transaction: &mut Transaction,
    places: &Places,
    limits: &Limits,
) -> Result<Vec<Copies>> {
    let mut jobs = Vec::new();
    for (at, step) in plan.steps.iter().enumerate() {
        let Some(wanted) = step.wanted.as_ref().filter(|_| step.action != Action::Keep) else { continue };
        if wanted.mode == Mode::Live {
            continue;
        }
        let roots = places.roots(&wanted.targets);
        let holders = if wanted.mode == Mode::Copy { roots.len() } else { 1 };
        for root in &roots[..holders] {
            jobs.push((at, transaction.reserve(root)?, &wanted.candidate));
        }
    }
    let written = in_parallel(&jobs, |(_, folder, candidate)| write(candidate, folder.clone(), limits))?;
    let mut staged: Vec<Copies> = plan.steps.iter().map(|_| Vec::new()).collect();
    for ((at, _, _), valid) in jobs.iter().zip(written) {
        staged[*at].push(valid);
    }
    Ok(staged)
}

fn write(candidate: &Candidate, folder: PathBuf, limits: &Limits) -> Result<Valid> {
    let mut findings = Vec::new();
    let staged = Staged::write(&candidate.tree, &candidate.folder, folder, limits, |path, bytes| {
        findings.extend(candidate.examine(path, bytes));
        Ok(())
    })
    .context(|| format!("`{}` of {} cannot be installed", candidate.name, candidate.described()))?;
    staged.validate(candidate.judge(&findings))
}

fn place(
    step: Step,
    copies: &[Valid],
    transaction: &mut Transaction,
    places: &Places,
    registry: &mut Registry,
    now: Timestamp,
) -> Result<Option<Done>> {
    let Some(wanted) = step.wanted else { return Ok(None) };
    let roots = places.roots(&wanted.targets);
    let mut mode = wanted.mode;
    for (n, root) in roots.iter().enumerate() {
        let at = root.join(step.name.as_str());
        match (wanted.mode, copies.get(n)) {
            (Mode::Live, _) => transaction.link(root, at, &wanted.candidate.live_folder()?)?,
            (_, Some(valid)) => transaction.put(at, valid)?,
            (_, None) => {
                let first = roots[0].join(step.name.as_str());
                link_or_say(transaction, root, at, &first)?;
            }
        }
    }
    if roots.len() == 1 && mode == Mode::Copy {
        mode = Mode::Link;
    }
    let entry = record(&wanted, mode, copies.first(), step.before.as_ref(), now)?;
    registry.skills.insert(step.name.clone(), entry.clone());
    Ok(Some(Done {
        places: roots.iter().map(|root| places.shown(root)).collect(),
        name: step.name,
        action: step.action,
        entry,
    }))
}

/// A relative link to the first target, so that a project can be moved.
fn link_or_say(transaction: &mut Transaction, root: &Path, at: PathBuf, first: &Path) -> Result<()> {
    let target = fsx::relative(root, first).unwrap_or_else(|| first.to_path_buf());
    transaction
        .link(root, at, &target)
        .map_err(|e| e.hint("with `--copy` every target gets a copy of its own"))
}

fn record(
    wanted: &Wanted,
    mode: Mode,
    valid: Option<&Valid>,
    before: Option<&Entry>,
    now: Timestamp,
) -> Result<Entry> {
    let (digest, files) = match valid {
        Some(valid) => (valid.digest().clone(), valid.files().clone()),
        None => wanted.candidate.digest()?.clone(),
    };
    let mut entry = wanted.candidate.record(digest, files, now);
    entry.mode = mode;
    entry.pinned = wanted.pinned;
    entry.targets = wanted.targets.iter().map(Target::to_string).collect();
    entry.installed_at = before.map_or(now, |entry| entry.installed_at);
    entry.updated_at = before.map(|_| now);
    if let Some(before) = before {
        entry.extra.clone_from(&before.extra);
    }
    Ok(entry)
}

fn keep(step: Step) -> Option<Done> {
    let entry = step.before?;
    Some(Done { name: step.name, action: Action::Keep, places: entry.targets.clone(), entry })
}

fn remove(
    step: Step,
    transaction: &mut Transaction,
    places: &Places,
    registry: &mut Registry,
) -> Result<Done> {
    let entry = step.before.unwrap_or_else(|| unreachable!("only recorded skills are removed"));
    for root in places.roots_of(&entry)? {
        let at = root.join(step.name.as_str());
        if fsx::exists(&at) {
            transaction.remove(at)?;
        }
    }
    registry.skills.remove(&step.name);
    Ok(Done { name: step.name, action: Action::Remove, places: entry.targets.clone(), entry })
}
