//! `ba-agent skill uninstall NAME…`.

use clap::Args;
use clap_complete::engine::ArgValueCandidates;

use super::completions::installed_names;
use super::{Context, Place, did_you_mean};
use crate::error::{Result, error};
use crate::ops::apply::Done;
use crate::ops::{market, plan};
use crate::registry::Registry;
use crate::skill::SkillName;

/// Remove skills from every target and from the registry.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  ba-agent skill uninstall pdf docx\n  ba-agent skill uninstall pdf --force"
)]
pub(crate) struct Uninstall {
    /// The skills to remove.
    #[arg(value_name = "NAME", required = true, add = ArgValueCandidates::new(installed_names))]
    names: Vec<String>,
    /// Remove it although it was edited.
    #[arg(long, short)]
    force: bool,
}

impl Uninstall {
    pub(crate) fn run(self, cx: &Context<'_>) -> Result<u8> {
        let place = cx.place()?;
        let known = place.store.read()?;
        let names = find_all(&self.names, &known, &place)?;
        let transaction = place.store.begin(&cx.waiting())?;
        let registry = transaction.registry();
        let seen = place.places.see_recorded(names.iter(), registry)?;
        let plan = plan::uninstall(&names, registry, &seen, self.force)?;
        let report = cx.apply(&place, plan, transaction, "uninstall")?;
        for done in &report.skills {
            tell_removed(cx, done);
        }
        if cx.ui.json() {
            cx.ui.data(&report);
        }
        Ok(0)
    }
}

fn tell_removed(cx: &Context<'_>, done: &Done) {
    if done.untouched.is_empty() {
        return cx.ui.status("Removed", &format!("{} from {}", done.name, done.places.join(", ")));
    }
    cx.ui.status("Removed", &format!("{} from the registry", done.name));
    cx.ui.note(&format!("`{}` is its source and stays", done.untouched.join("`, `")));
}

/// The installed skills of these names.
///
/// # Errors
/// `NotFound` for the first that is not installed, with the nearest name.
pub(crate) fn find_all(names: &[String], registry: &Registry, place: &Place) -> Result<Vec<SkillName>> {
    names.iter().map(|name| find(name, registry, place)).collect()
}

pub(crate) fn find(name: &str, registry: &Registry, place: &Place) -> Result<SkillName> {
    if let Some(known) = market::installed(name, registry) {
        return Ok(known.clone());
    }
    let mut error = error!(NotFound, "no skill named `{name}` is installed in this {}", place.scope.name());
    if let Some(hint) = did_you_mean(name, registry.skills.keys().map(SkillName::as_str)) {
        error = error.hint(hint);
    }
    Err(error.hint(
        "`ba-agent skill list` shows what is installed; `--global` is for the skills of your user account",
    ))
}
