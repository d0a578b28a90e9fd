//! `ba-agent skill update [NAME…]`.

use clap::Args;
use clap_complete::engine::ArgValueCandidates;

use super::completions::installed_names;
use super::{Context, Place};
use crate::diff::unified_diff;
use crate::error::{Error, Result, error};
use crate::fetch::{World, local};
use crate::ops::apply::{Done, Report};
use crate::ops::installed::find_installed;
use crate::ops::outdated::{self, State, UpdateStatus};
use crate::ops::plan::{Action, Content, Plan};
use crate::ops::repoint;
use crate::ops::update::{self, Update as Planned};
use crate::package::Package;
use crate::path::join;
use crate::registry::{LockEntry, Registry, SkillSummary};
use crate::skill::SkillName;
use crate::source::Request;
use crate::text::count_noun;

/// Move skills to what their reference is now.
#[derive(Debug, Args)]
#[command(
    long_about = "Move skills to what their reference is now.\n\n\
        Held skills stay; a version range moves inside itself. Each repository is listed once and \
        fetched once. A moved tag, a rewritten branch, and grown grants (more tools, hooks, new \
        executables or scripts) are pointed out and asked about; without a terminal they need --yes.\n\n\
        With --source a skill whose repository has moved, or that is wanted from a fork, is taken from \
        there from now on. It keeps its name, its targets, the branch, tag or range that it follows, \
        and the commit where it is held.",
    after_help = "Examples:\n  ba-agent skill update\n  ba-agent skill update pdf --dry-run\n  \
        ba-agent skill update pdf --source new-owner/repo\n  ba-agent skill update --yes --json"
)]
pub(crate) struct Update {
    /// Only these skills.
    #[arg(value_name = "NAME", add = ArgValueCandidates::new(installed_names))]
    names: Vec<String>,
    /// Take the named skills from this source from now on.
    #[arg(long, value_name = "SOURCE", requires = "names")]
    source: Option<String>,
    /// Show how the files would change, without changing anything.
    #[arg(long)]
    dry_run: bool,
    /// Refuse a commit that no branch or tag of the repository contains.
    #[arg(long)]
    require_reachable: bool,
    /// Discard local edits (a copy is kept for `rollback`).
    #[arg(long, short)]
    force: bool,
}

impl Update {
    pub(crate) fn run(self, cx: &Context<'_>) -> Result<u8> {
        let mut place = cx.place()?;
        place.settings.require_reachable |= self.require_reachable;
        let known = place.store.read()?;
        let names = match self.names.is_empty() {
            true => known.skills.keys().cloned().collect(),
            false => find_installed(&self.names, &known, place.scope.name())?,
        };
        // A registry that leads out of its project is refused, whether something moves or not.
        for entry in names.iter().filter_map(|name| known.skills.get(name)) {
            place.places.roots_of(entry)?;
        }
        let world = cx.world(&place);
        if let Some(source) = &self.source {
            return self.repoint(cx, &place, &known, &names, &world, source);
        }
        let entries = names.iter().filter_map(|name| known.skills.get_key_value(name));
        let summaries: Vec<_> = entries.map(|(name, entry)| (name, SkillSummary::of(entry))).collect();
        let skills: Vec<_> = summaries.iter().map(|(name, summary)| (*name, summary)).collect();
        let looked = outdated::look(&skills, &place.marketplaces(cx.env)?, &world);
        let held = self.tell_held(cx, &looked.statuses);
        let see = |name: &SkillName| {
            let mut seen = place.places.inspect_recorded(std::iter::once(name), &known)?;
            Ok(seen.remove(name).unwrap_or_default())
        };
        let options = update::Options { force: self.force, dry_run: self.dry_run };
        let planned = update::plan(looked, &known, &see, &world, options)?;
        let failed = planned.failed.clone();
        // Where nothing else was to be done, the failure is all that there is to say.
        if let Some((name, error)) = failed.first().filter(|_| failed.len() == names.len()) {
            tell_failed(cx, &failed[1..]);
            return Err(error.clone().wrap(format!("`{name}` cannot be updated")));
        }
        let report = self.carry_out(cx, &place, &known, planned)?;
        if report.is_empty() && held == 0 && failed.is_empty() {
            cx.ui.status("Checked", &format!("{}: nothing to update", count_noun(names.len(), "skill")));
        }
        tell_failed(cx, &failed);
        Ok(failed.first().map_or(0, |(_, error)| error.kind.exit_status()))
    }

    /// Takes the named skills from another source.
    fn repoint(
        &self,
        cx: &Context<'_>,
        place: &Place,
        known: &Registry,
        names: &[SkillName],
        world: &World<'_>,
        source: &str,
    ) -> Result<u8> {
        let new = place.anchor(cx.env, Request::parse(source)?);
        let see = |name: &SkillName| {
            let mut seen = place.places.inspect_recorded(std::iter::once(name), known)?;
            Ok(seen.remove(name).unwrap_or_default())
        };
        let planned = repoint::plan(names, known, &new, &see, world, self.force)?;
        let verb = if self.dry_run { "Would take" } else { "Took" };
        for done in self.carry_out(cx, place, known, planned)? {
            let before = known.skills.get(&done.name).map_or("", |entry| entry.source.as_str());
            cx.ui.status(verb, &format!("{} from {}, before from {before}", done.name, done.entry.source));
        }
        Ok(0)
    }

    /// Says which of the named skills are held; without names that is no news.
    fn tell_held(&self, cx: &Context<'_>, statuses: &[UpdateStatus]) -> usize {
        let held = statuses.iter().filter(|one| one.state == State::Held && !self.names.is_empty());
        held.inspect(|one| {
            cx.ui.note(&format!("`{0}` is held: `ba-agent skill unpin {0}` lets it move", one.name));
        })
        .count()
    }

    /// Shows, asks, does; the skills that moved.
    fn carry_out(
        &self,
        cx: &Context<'_>,
        place: &Place,
        known: &Registry,
        mut planned: Planned,
    ) -> Result<Vec<Done>> {
        for (name, why) in &planned.left {
            cx.ui.warn(&format!("`{name}` stays as it is: {why}"));
        }
        for caution in &planned.cautions {
            cx.ui.warn(&caution.message);
        }
        if self.dry_run {
            show(cx, place, known, &planned, None)?;
        } else {
            ask(cx, place, known, &mut planned)?;
        }
        let Planned { plan, cautions, left, changes, failed } = planned;
        let report = if self.dry_run {
            Report::of_plan(plan, &place.places, cx.env.now)?
        } else {
            self.apply(cx, place, known, plan)?
        };
        if cx.ui.json() {
            cx.ui.data(&serde_json::json!({
                "skills": report.skills, "changes": changes, "cautions": cautions,
                "left": left.iter().map(|(name, why)| serde_json::json!({"name": name, "reason": why})).collect::<Vec<_>>(),
                "failed": failed.iter().map(|(name, error)| serde_json::json!({"name": name, "error": error})).collect::<Vec<_>>(),
                "dry_run": self.dry_run,
            }));
        }
        for done in &report.skills {
            let before =
                known.skills.get(&done.name).and_then(|entry| entry.pin.short_text()).unwrap_or_default();
            let after = done.entry.pin.short_text().unwrap_or_default();
            let verb = match (done.action, self.dry_run) {
                (Action::Keep, _) => "Moved",
                (_, true) => "Would move",
                (_, false) => "Updated",
            };
            let same = if done.action == Action::Keep { " (its files are the same)" } else { "" };
            // A local folder has no pins that could be told.
            let pins = if before == after { String::new() } else { format!(" {before} -> {after}") };
            cx.ui.status(verb, &format!("{}{pins}{same}", done.name));
            for change in changes.get(&done.name).into_iter().flatten() {
                cx.ui.detail(&format!("{} {}", change.what.status_letter(), change.path));
            }
        }
        Ok(report.skills)
    }

    /// Takes the lock only now, since fetching may take long; the registry must still be the
    /// one that was planned against.
    fn apply(&self, cx: &Context<'_>, place: &Place, known: &Registry, plan: Plan) -> Result<Report> {
        if plan.steps.is_empty() {
            return Ok(Report::default());
        }
        let transaction = place.store.begin(&cx.waiting())?;
        let is_old = |name: &SkillName| transaction.registry().skills.get(name) != known.skills.get(name);
        if let Some(step) = plan.steps.iter().find(|step| is_old(&step.name)) {
            return Err(error!(Conflict, "another command changed `{}` meanwhile", step.name)
                .hint("run `ba-agent skill update` again"));
        }
        let names = plan.steps.iter().filter(|step| step.action != Action::Keep).map(|step| &step.name);
        let seen = place.places.inspect_recorded(names, transaction.registry())?;
        crate::ops::plan::still_clean(&plan, &seen, self.force)?;
        cx.apply(place, plan, transaction, "update")
    }
}

/// Asks about every skill that may do more than before, or whose tag or branch was moved: each
/// can stay as it is. Without a person it is `--yes` or nothing.
///
/// # Errors
/// `Conflict` where nobody agrees to anything, `Interrupted` when the person leaves.
fn ask(cx: &Context<'_>, place: &Place, known: &Registry, planned: &mut Planned) -> Result<()> {
    if planned.cautions.is_empty() || (!cx.ui.interactive() && cx.ui.agrees()) {
        return Ok(());
    }
    let mut error = error!(Conflict, "this update needs confirmation");
    for caution in &planned.cautions {
        error = error.cause(caution.message.clone());
    }
    if !cx.ui.interactive() {
        return Err(error.hint("look at it with `--dry-run`, then run it again with `--yes`"));
    }
    let told = planned.left.len();
    for name in planned.cautioned() {
        // It may have gone with another of its commit.
        if planned.plan.steps.iter().any(|step| step.name == name) {
            let show = || show(cx, place, known, planned, Some(&name));
            if !cx.ui.consent(&format!("Update `{name}` anyway?"), &show)? {
                planned.leave_out(&name);
            }
        }
    }
    if planned.plan.steps.is_empty() {
        return Err(error.hint("nothing was changed"));
    }
    for (name, why) in planned.left.iter().skip(told) {
        cx.ui.note(&format!("`{name}` stays as it is: {why}"));
    }
    Ok(())
}

/// The content diff of all skills, or of one.
fn show(
    cx: &Context<'_>,
    place: &Place,
    known: &Registry,
    planned: &Planned,
    only: Option<&SkillName>,
) -> Result<()> {
    if cx.ui.json() {
        return Ok(());
    }
    for step in planned.plan.steps.iter().filter(|step| only.is_none_or(|only| *only == step.name)) {
        let (Some(Content::Found(wanted)), Some(entry)) = (&step.content, known.skills.get(&step.name))
        else {
            continue;
        };
        let Some(old) = place.cache.get(&entry.digest).or_else(|| installed(&step.name, entry, place)) else {
            cx.ui.note(&format!("no diff: the installed files of `{}` are not available", step.name));
            continue;
        };
        for change in planned.changes.get(&step.name).into_iter().flatten() {
            let (old, new) = (
                bytes_of(&old, "", &change.path)?,
                bytes_of(wanted.candidate.fetched.package(), &wanted.candidate.folder, &change.path)?,
            );
            cx.ui.diff(&unified_diff(&format!("{}/{}", step.name, change.path), &old, &new));
        }
    }
    Ok(())
}

/// The files of a skill as they stand in its first place, if nobody edited them.
fn installed(name: &SkillName, entry: &LockEntry, place: &Place) -> Option<Package> {
    let root = place.places.roots_of(entry).ok()?.into_iter().next()?;
    let tree = local::open_folder(&root.join(name.as_str()), &[], &place.settings.limits).ok()?;
    (tree.dir("").digest().ok()? == entry.digest).then_some(tree)
}

/// Names the skills that could not be updated, those of one failure together.
fn tell_failed(cx: &Context<'_>, failed: &[(SkillName, Error)]) {
    let mut told: Vec<(String, Vec<&str>)> = Vec::new();
    for (name, error) in failed {
        let why =
            error.causes.first().map_or_else(|| error.message.clone(), |c| format!("{}: {c}", error.message));
        match told.iter_mut().find(|(known, _)| *known == why) {
            Some((_, names)) => names.push(name.as_str()),
            None => told.push((why, vec![name.as_str()])),
        }
    }
    for (why, names) in told {
        let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
        let were = if names.len() == 1 { "was" } else { "were" };
        cx.ui.warn(&format!("{} {were} not updated: {why}", names.join(", ")));
    }
}

fn bytes_of(tree: &Package, folder: &str, path: &str) -> Result<Vec<u8>> {
    let path = join(folder, path);
    let entry = tree.listing.get(&path);
    entry.map_or(Ok(Vec::new()), |entry| tree.read(entry).map(std::borrow::Cow::into_owned))
}
