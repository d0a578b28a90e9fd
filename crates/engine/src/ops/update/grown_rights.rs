//! What a newer version in a registry may do that the installed one may not: its line says so, and
//! nobody downloads it before somebody agrees.

use std::collections::BTreeSet;

use super::super::ask::{Ask, Attendance};
use super::super::outdated::{SourceStatuses, State};
use super::UpdateOptions;
use super::plan::{Caution, is_script};
use crate::workspace::Session;
use ba_agent_core::error::{Result, error};
use ba_agent_core::registry::{LockEntry, Registry};
use ba_agent_core::remote_registry::PublishedVersion;
use ba_agent_core::skill::SkillName;

/// What a person said of rights that grow.
#[derive(Debug, Default)]
pub(super) struct GrownRights {
    /// What was told of them and agreed to.
    agreed: Vec<Caution>,
    /// Skills that stay as they are.
    pub(super) declined: BTreeSet<SkillName>,
}

impl GrownRights {
    /// True for what a person has agreed to already.
    pub(super) fn covers(&self, caution: &Caution) -> bool {
        self.agreed.contains(caution)
    }
}

/// Asks about every skill of a registry whose newer version asks for more.
///
/// # Errors
/// `Conflict` where nobody agrees; those of asking.
pub(super) fn ask_before_download(
    looked: &SourceStatuses<'_>,
    known: &Registry,
    session: &Session<'_>,
    options: &UpdateOptions,
    ask: &mut dyn Ask,
) -> Result<GrownRights> {
    let mut rights = GrownRights::default();
    let mut refusal = error!(Conflict, "this update needs confirmation");
    let mut told = 0;
    for status in looked.statuses.iter().filter(|status| status.state == State::Behind) {
        let Some(line) = &status.published else { continue };
        let Some(entry) = known.skills.get(&status.name) else { continue };
        let grown = list_grown_rights(&status.name, entry, line);
        // A dry run is looked at, and what was agreed to in advance needs no question.
        if grown.is_empty() || options.dry_run || ask.attendance() == Attendance::Agrees {
            continue;
        }
        told += 1;
        refusal = grown.iter().fold(refusal, |refusal, caution| refusal.cause(caution.message.clone()));
        if ask.attendance() == Attendance::Nobody {
            continue;
        }
        grown.iter().for_each(|caution| session.warn(&caution.message));
        match ask.confirm(&format!("Update `{}` to {}?", status.name, line.version))? {
            true => rights.agreed.extend(grown),
            false => drop(rights.declined.insert(status.name.clone())),
        }
    }
    match told > 0 && ask.attendance() == Attendance::Nobody {
        true => Err(refusal.hint("look at it with `--dry-run`, then run it again with `--yes`")),
        false => Ok(rights),
    }
}

/// What the line of a version says that the record does not, in the words that are used of files.
fn list_grown_rights(name: &SkillName, entry: &LockEntry, line: &PublishedVersion) -> Vec<Caution> {
    let mut grown = Vec::new();
    let mut say = |what, words: Vec<&str>, message: &str| {
        if !words.is_empty() {
            let words: Vec<String> =
                words.iter().map(|word| ba_agent_core::error::printable(word, false)).collect();
            grown.push(Caution {
                name: name.clone(),
                what,
                message: format!("{name} {message} {}", words.join(", ")),
            });
        }
    };
    let grants = line.grants.iter().filter(|grant| !entry.grants.contains(grant));
    say("grants", grants.map(String::as_str).collect(), "asks for more tools:");
    if line.hooks && !entry.hooks {
        say("hooks", vec!["hooks"], "now brings");
    }
    let scripts = line.scripts.iter().filter(|path| !entry.files.contains_key(*path) && is_script(path));
    say("scripts", scripts.map(String::as_str).collect(), "has new scripts:");
    grown
}
