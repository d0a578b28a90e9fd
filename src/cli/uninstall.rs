//! `ba-agent skill uninstall NAME…`.

use clap::Args;
use clap_complete::engine::ArgValueCandidates;

use super::Context;
use super::completions::installed_names;
use crate::error::Result;
use crate::ops::apply::Done;
use crate::ops::installed::find_installed;
use crate::ops::plan;

/// Remove skills from every target and from the registry.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  ba-agent skill uninstall pdf docx\n  ba-agent skill uninstall pdf --force"
)]
pub(crate) struct Uninstall {
    /// The skills to remove.
    #[arg(value_name = "NAME", required = true, add = ArgValueCandidates::new(installed_names))]
    names: Vec<String>,
    /// Remove it even if it was edited.
    #[arg(long, short)]
    force: bool,
}

impl Uninstall {
    pub(crate) fn run(self, cx: &Context<'_>) -> Result<u8> {
        let place = cx.place()?;
        let known = place.store.read()?;
        let names = find_installed(&self.names, &known, place.scope.name())?;
        let transaction = place.store.begin(&cx.waiting())?;
        let registry = transaction.registry();
        let seen = place.places.inspect_recorded(names.iter(), registry)?;
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
