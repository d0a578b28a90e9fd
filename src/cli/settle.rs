//! What every command does first after a restart: it looks at what the disk may not have got.

use super::{Context, Place};
use crate::error::Error;
use crate::ops::settle::{self, Ground};
use crate::skill::SkillName;
use crate::text::count_noun;

/// At most this many names are told.
const NAMED: usize = 10;

impl Context<'_> {
    /// Brings back what a power cut took, and says so. What cannot be brought back is told: the
    /// command goes on, and the next one tries again.
    pub(super) fn settle(&self, place: &Place, was_interrupted: bool) {
        let unsettled = place.store.unsettled();
        if unsettled.is_empty() {
            return;
        }
        let world = self.world(place);
        let ground = Ground { store: &place.store, places: &place.places, world: &world, was_interrupted };
        match settle::settle(&unsettled, &ground, &self.waiting()) {
            Ok(settled) => {
                if !settled.restored.is_empty() {
                    self.ui.note(&format!(
                        "the machine stopped before the disk had {}; put back: {}",
                        count_noun(settled.restored.len(), "skill"),
                        list_names(settled.restored.iter())
                    ));
                }
                if let Some((names, why)) = settled.turned_back {
                    let names = list_names(names.iter());
                    self.ui.warn(&format!(
                        "the machine stopped before the disk had all of the last change, and what is missing cannot be \
                         had now ({}); as before that change again: {names}",
                        say_causes(why)
                    ));
                    self.ui.note("run the command that was lost once more");
                }
            }
            Err(error) => {
                self.ui.warn(&format!(
                    "the machine stopped before the disk had everything, and it cannot be put back: {}",
                    say_causes(error)
                ));
                self.ui.note("`ba-agent skill verify` says what is damaged; the next command tries again");
            }
        }
    }

    /// The same for commands that repair nothing.
    pub(super) fn tell_damaged(&self, place: &Place) {
        let unsettled = place.store.unsettled();
        let Some(registry) =
            Some(&unsettled).filter(|all| !all.is_empty()).and_then(|_| place.store.read().ok())
        else {
            return;
        };
        let world = self.world(place);
        let ground =
            Ground { store: &place.store, places: &place.places, world: &world, was_interrupted: false };
        let damaged = settle::find_damaged(&unsettled, &registry, &ground).unwrap_or_default();
        if !damaged.is_empty() {
            let names = list_names(damaged.iter().map(|one| one.name));
            self.ui.warn(&format!(
                "the machine stopped before the disk had all of {names}; `--frozen` repairs nothing"
            ));
            self.ui.note("any command without `--frozen` puts them back");
        }
    }
}

fn list_names<'a>(names: impl ExactSizeIterator<Item = &'a SkillName>) -> String {
    let more = names.len().saturating_sub(NAMED);
    let mut told: Vec<String> = names.take(NAMED).map(|name| format!("`{name}`")).collect();
    if more > 0 {
        told.push(format!("and {more} more"));
    }
    told.join(", ")
}

fn say_causes(error: Error) -> String {
    std::iter::once(error.message).chain(error.causes).collect::<Vec<_>>().join(": ")
}
