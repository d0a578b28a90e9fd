//! `ba-agent skill diff NAME`.

use clap::Args;
use clap_complete::engine::ArgValueCandidates;

use super::completions::installed_names;
use super::{Context, Place};
use crate::error::{Result, error};
use crate::ops::diff::{self, Changes, Installed};
use crate::ops::installed::find_installed;
use crate::ops::restore::Supply;
use crate::registry::LockEntry;
use crate::skill::SkillName;
use crate::text::count_noun;

/// Show the local edits of a skill, line by line.
#[derive(Debug, Args)]
#[command(
    long_about = "Show the local edits of a skill, line by line.\n\n\
        A unified diff from what was installed to what is there now, on stdout; paths start from \
        the project, so `git apply -R` undoes it, to the last byte: on a terminal control characters \
        are escaped, in a pipe or file nothing is. What was installed comes out of the cache, \
        else from the source at the recorded pin. As with `git diff` the status is 0 whether or not something \
        differs; use `verify` for a status that says so.",
    after_help = "Examples:\n  ba-agent skill diff pdf\n  ba-agent skill diff pdf --stat\n  \
        ba-agent skill diff pdf | git apply -R"
)]
pub(crate) struct Diff {
    /// The skill.
    #[arg(value_name = "NAME", add = ArgValueCandidates::new(installed_names))]
    name: String,
    /// Only list the files that differ, and by how many lines.
    #[arg(long)]
    stat: bool,
}

impl Diff {
    pub(crate) fn run(self, cx: &Context<'_>) -> Result<u8> {
        let place = cx.place()?;
        let registry = place.store.read()?;
        let names = find_installed(std::slice::from_ref(&self.name), &registry, place.scope.name())?;
        for (name, entry) in names.iter().filter_map(|name| registry.skills.get_key_value(name)) {
            let supply = |name: &SkillName, entry: &LockEntry| installed(cx, &place, name, entry);
            let changes = diff::of(name, entry, &place.places, &supply)?;
            self.tell(cx, &changes, entry);
        }
        Ok(0)
    }

    fn tell(&self, cx: &Context<'_>, changes: &Changes, entry: &LockEntry) {
        if cx.ui.json() {
            cx.ui.data(changes);
            return;
        }
        if changes.live {
            cx.ui.note(&format!(
                "`{}` is a live link to {}: there is nothing to compare",
                changes.name, entry.source
            ));
        } else if changes.files.is_empty() {
            cx.ui.note(&format!("`{}` is as it was installed", changes.name));
        } else if self.stat {
            stat(cx, changes);
        } else if cx.ui.is_for_eyes() {
            changes.files.iter().for_each(|file| cx.ui.diff(&file.diff));
        } else {
            changes.files.iter().for_each(|file| cx.ui.write(&file.patch));
        }
    }
}

fn stat(cx: &Context<'_>, changes: &Changes) {
    let row = |file: &diff::Changed| {
        let change = &file.change;
        let (added, removed) = (format!("+{}", file.added), format!("-{}", file.removed));
        vec![change.what.status_letter().to_string(), added, removed, change.path.clone()]
    };
    cx.ui.table(&["", "added", "removed", "file"], &changes.files.iter().map(row).collect::<Vec<_>>());
    let sum = |of: fn(&diff::Changed) -> usize| changes.files.iter().map(of).sum::<usize>();
    let files = count_noun(changes.files.len(), "file");
    let (added, removed) = (sum(|file| file.added), sum(|file| file.removed));
    cx.ui.status(
        "Compared",
        &format!(
            "{files} changed, {} added, {} removed",
            count_noun(added, "line"),
            count_noun(removed, "line")
        ),
    );
}

/// What was installed: out of the cache, else from the source at the recorded pin.
fn installed(cx: &Context<'_>, place: &Place, name: &SkillName, entry: &LockEntry) -> Result<Installed> {
    if cx.offline() && !place.cache.has(&entry.digest) {
        let pin = entry.pin.short_text().map_or_else(String::new, |pin| format!(" at {pin}"));
        return Err(error!(
            NotFound,
            "what was installed as `{name}` is not in the cache, so it cannot be compared"
        )
        .cause(format!("missing: {} of {}{pin}", entry.digest, entry.source))
        .hint(format!("`ba-agent skill verify {name}` names the files that differ without it"))
        .hint("without `--offline` it is fetched at its pin"));
    }
    let world = cx.world(place);
    let supply = Supply::new(&world, vec![place.cache.clone()]);
    supply.fetch(name, entry)
}
