//! `ba-agent skill pin NAME [SHA]` and `unpin NAME`.

use clap::Args;
use clap_complete::engine::ArgValueCandidates;

use super::Context;
use super::completions::installed_names;
use crate::error::{Result, error, printable};
use crate::ops::installed::find_one_installed;
use crate::ops::pin;
use crate::ops::plan::{Action, Content, Plan, Step, edited, edits, still_clean};
use crate::ops::restore::TRIES;
use crate::registry::{LockEntry, ReferenceRecord, Registry};
use crate::skill::SkillName;
use crate::source::Sha;

/// Hold a skill at a commit.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  ba-agent skill pin pdf\n  ba-agent skill pin pdf <40 hex>")]
pub(crate) struct Pin {
    /// The skill.
    #[arg(value_name = "NAME", add = ArgValueCandidates::new(installed_names))]
    name: String,
    /// The commit; by default the installed one.
    #[arg(value_name = "SHA")]
    sha: Option<String>,
    /// Discard edits made since it was installed.
    #[arg(long, short)]
    force: bool,
}

/// Let a held skill move again.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  ba-agent skill unpin pdf")]
pub(crate) struct Unpin {
    /// The skill.
    #[arg(value_name = "NAME", add = ArgValueCandidates::new(installed_names))]
    name: String,
}

impl Pin {
    pub(crate) fn run(self, cx: &Context<'_>) -> Result<u8> {
        let place = cx.place()?;
        for _ in 0..TRIES {
            // Nobody waits for a host while the lock is held: what was looked at before it was
            // taken has to be what is there under it.
            let registry = place.store.read()?;
            let step = self.step(cx, &place, &registry)?;
            let transaction = place.store.begin(&cx.waiting())?;
            if transaction.registry().skills.get(&step.name) == registry.skills.get(&step.name) {
                let plan = Plan { steps: vec![step] };
                let names = plan.steps.iter().filter(|step| step.action != Action::Keep);
                let seen = place.places.inspect_recorded(names.map(|step| &step.name), &registry)?;
                still_clean(&plan, &seen, self.force)?;
                return finish(cx, &place, transaction, plan, "pin");
            }
        }
        Err(error!(Conflict, "other commands keep changing `{}`", printable(&self.name, false))
            .hint("wait for them to end, then run the command again"))
    }

    fn step(&self, cx: &Context<'_>, place: &super::Place, registry: &Registry) -> Result<Step> {
        let name = find_one_installed(&self.name, registry, place.scope.name())?;
        let entry = registry.skills[&name].clone();
        let sha: Option<Sha> = self.sha.as_deref().map(str::parse).transpose()?;
        match sha {
            Some(sha) if entry.pin.commit.as_deref() != Some(sha.as_str()) => {
                let seen = place.places.inspect_recorded(std::iter::once(&name), registry)?;
                let drift = edits(&entry, &seen.get(&name).cloned().unwrap_or_default());
                if !drift.is_empty() && !self.force {
                    return Err(edited(&name, &drift, "pin"));
                }
                let wanted = pin::at_commit(&name, &entry, &sha, &cx.world(place))?;
                let (before, gives_up_edits) = (Some(entry), !drift.is_empty());
                let content = Some(Content::Found(Box::new(wanted)));
                Ok(Step { name, action: Action::Replace, content, before, gives_up_edits })
            }
            _ if entry.pin.commit.is_none() && entry.pin.archive.is_none() => {
                Err(error!(Usage, "`{name}` comes from {}, which has no commits", entry.source)
                    .hint("only skills from git and archives can be held"))
            }
            _ => Ok(noted(name, &entry, LockEntry { pinned: true, ..entry.clone() })),
        }
    }
}

impl Unpin {
    pub(crate) fn run(self, cx: &Context<'_>) -> Result<u8> {
        let place = cx.place()?;
        let transaction = place.store.begin(&cx.waiting())?;
        let name = find_one_installed(&self.name, transaction.registry(), place.scope.name())?;
        let entry = transaction.registry().skills[&name].clone();
        // A commit does not move: what was asked for by sha follows the default branch now.
        let reference = entry.reference.clone().filter(|asked| !matches!(asked, ReferenceRecord::Sha(_)));
        let step = noted(name, &entry, LockEntry { pinned: false, reference, ..entry.clone() });
        finish(cx, &place, transaction, Plan { steps: vec![step] }, "unpin")
    }
}

fn noted(name: SkillName, before: &LockEntry, after: LockEntry) -> Step {
    Step {
        name,
        action: Action::Keep,
        content: Some(Content::Noted(Box::new(after))),
        before: Some(before.clone()),
        gives_up_edits: false,
    }
}

fn finish(
    cx: &Context<'_>,
    place: &super::Place,
    transaction: crate::store::Transaction,
    plan: Plan,
    command: &str,
) -> Result<u8> {
    let report = cx.apply(place, plan, transaction, command)?;
    if cx.ui.json() {
        cx.ui.data(&report);
    }
    for done in &report.skills {
        let pin = done.entry.pin.short_text().unwrap_or_default();
        if done.entry.pinned {
            cx.ui.status("Held", &format!("{} at {pin}", done.name));
        } else {
            let reference = done.entry.reference.as_ref();
            let follows = reference.map_or("the default branch".to_owned(), ToString::to_string);
            cx.ui.status("Released", &format!("{}: `update` follows {follows} again", done.name));
        }
    }
    Ok(0)
}
