//! What an agent is told of its skills, within a budget of characters: in four stages, from all
//! descriptions in full to names alone, and in the end fewer of those. Characters are Unicode
//! scalar values of the text as it is sent, tags included.

mod active;
mod agents;
mod format;

use std::cmp::Reverse;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::search::{IndexBuilder, SearchDocument, SearchIndex, SearchQuery, rank_documents};

pub use active::{ActiveInstructions, ActiveText, fit_active};
pub use agents::{AgentListing, fit_for_agent, label_for_claude};
pub use format::{ListingFormat, cut_description};

/// How many characters go to what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct ContextBudget {
    pub total_chars: usize,
    /// For the list of skills.
    pub metadata: usize,
    /// For skills that are active.
    pub active: usize,
    /// For what the agent says around them.
    pub system: usize,
    /// Stays free.
    pub buffer: usize,
}

impl ContextBudget {
    /// The shares of a whole; what is left of it is the system's.
    pub fn split(total: usize, metadata: f64, active: f64, buffer: f64) -> Self {
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "shares from 0 to 1 of a count of characters"
        )]
        let share = |ratio: f64| ((total as f64 * ratio + 1e-6) as usize).min(total);
        let (metadata, active, buffer) = (share(metadata), share(active), share(buffer));
        let system = total.saturating_sub(metadata + active + buffer);
        Self { total_chars: total, metadata, active, system, buffer }
    }
}

/// A skill that is to be listed.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ContextEntry {
    /// The name that the model says to have it.
    pub name: String,
    pub description: String,
    /// Where its `SKILL.md` is.
    pub location: String,
    /// A mode command: first in the list.
    pub mode: bool,
    pub uses: u64,
    pub last_used: Option<Timestamp>,
    /// How near it is to what was asked for; 0 where nothing was.
    pub relevance: f64,
}

/// How much of the skills is in a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ListingStatus {
    /// Every description as it is.
    Full,
    /// Every description, long ones cut.
    Shortened,
    /// Every name, some with a description.
    Names,
    /// Not every name.
    Dropped,
}

/// How one skill is listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ShownAs {
    Full,
    Shortened,
    Name,
}

/// One skill of a list.
#[derive(Debug, Clone, PartialEq)]
pub struct ShownSkill {
    /// Its place among the entries.
    pub entry: usize,
    /// The description that is listed; empty for a name alone.
    pub shown: String,
    pub shown_as: ShownAs,
}

/// A list of skills that fits.
#[derive(Debug, Clone, PartialEq)]
pub struct FittedList {
    /// Empty where there are no skills.
    pub text: String,
    pub status: ListingStatus,
    pub skills: Vec<ShownSkill>,
    /// The entries that are not listed.
    pub dropped: Vec<usize>,
}

/// Characters of a description that a skill keeps where others are listed by name alone.
const KEPT_DESCRIPTION: usize = 90;

/// Characters of a text as the budget counts them.
pub fn count_chars(text: &str) -> usize {
    text.chars().count()
}

/// An estimate of the tokens of a text: bytes by four, as Codex has it. Errs to the safe side for
/// descriptions, and not much for Chinese.
pub fn estimate_tokens(text: &str) -> usize {
    text.len().div_ceil(4)
}

/// How near each entry is to what was asked for, as a search ranks them; 0 for those that have
/// nothing of it.
pub fn rank_entries(entries: &[ContextEntry], query: &str) -> Vec<f64> {
    let mut builder = IndexBuilder::default();
    for entry in entries {
        let document = SearchDocument {
            name: entry.name.as_str().into(),
            description: entry.description.as_str().into(),
            ..SearchDocument::default()
        };
        builder.add_document(&document, 0, &[]);
    }
    let bytes = builder.into_bytes("");
    let mut scores = vec![0.0; entries.len()];
    let Some(index) = SearchIndex::read(&bytes) else { return scores };
    for hit in rank_documents(&[index], &SearchQuery::parse(query)).hits {
        scores.get_mut(hit.at).into_iter().for_each(|score| *score = f64::from(hit.score));
    }
    scores
}

/// The list of `entries`, in their order but with mode commands first, in at most `limit`
/// characters. `min_description` is the shortest that a description may be cut to.
pub fn fit_listing(
    entries: &[ContextEntry],
    format: ListingFormat,
    limit: usize,
    min_description: usize,
) -> FittedList {
    let mut order: Vec<usize> = (0..entries.len()).collect();
    order.sort_by_key(|at| (!entries[*at].mode, *at));
    let bare = entries.iter().map(|entry| count_chars(&format.render(entry, "")) + 1).collect();
    let list = SkillList { entries, format, order, bare };
    if entries.is_empty() {
        let (text, skills, dropped) = (String::new(), Vec::new(), Vec::new());
        return FittedList { text, status: ListingStatus::Full, skills, dropped };
    }
    list.all_full(limit)
        .or_else(|| list.all_shortened(limit, min_description))
        .or_else(|| list.all_names(limit))
        .unwrap_or_else(|| list.some_names(limit))
}

/// What the stages work on.
struct SkillList<'e> {
    entries: &'e [ContextEntry],
    format: ListingFormat,
    /// The places of the entries, in the order of the list.
    order: Vec<usize>,
    /// The characters of each without a description, with its line feed.
    bare: Vec<usize>,
}

impl SkillList<'_> {
    /// The characters around all entries.
    fn frame(&self) -> usize {
        count_chars(&self.format.wrap(&[], None))
    }

    /// The characters of one entry with its line feed.
    fn cost(&self, at: usize, description: &str) -> usize {
        self.bare[at] + self.format.count_added(description)
    }

    fn description(&self, at: usize) -> String {
        self.format.plain_description(&self.entries[at].description)
    }

    /// An entry with this much of its description.
    fn shown(&self, entry: usize, shown: String) -> ShownSkill {
        let is_full = |shown: &str| match shown.is_empty() {
            true => self.entries[entry].description.trim().is_empty(),
            false => shown == self.description(entry),
        };
        let shown_as = match () {
            () if is_full(&shown) => ShownAs::Full,
            () if shown.is_empty() => ShownAs::Name,
            () => ShownAs::Shortened,
        };
        ShownSkill { entry, shown, shown_as }
    }

    fn finish(&self, skills: Vec<ShownSkill>, status: ListingStatus, dropped: Vec<usize>) -> FittedList {
        let lines: Vec<String> =
            skills.iter().map(|one| self.format.render(&self.entries[one.entry], &one.shown)).collect();
        let more = (!dropped.is_empty()).then_some(dropped.len());
        FittedList { text: self.format.wrap(&lines, more), status, skills, dropped }
    }

    fn all_full(&self, limit: usize) -> Option<FittedList> {
        let mut used = self.frame();
        let mut skills = Vec::with_capacity(self.order.len());
        for at in &self.order {
            let shown = self.description(*at);
            used += self.cost(*at, &shown);
            if used > limit {
                return None;
            }
            skills.push(ShownSkill { entry: *at, shown, shown_as: ShownAs::Full });
        }
        Some(self.finish(skills, ListingStatus::Full, Vec::new()))
    }

    /// One limit for all descriptions, the largest that fits.
    fn all_shortened(&self, limit: usize, min_description: usize) -> Option<FittedList> {
        // With thousands of skills not even the names fit: no description need be cut to see that.
        let bare: usize = self.order.iter().map(|at| self.cost(*at, "")).sum();
        let frame = self.frame();
        if frame + bare > limit {
            return None;
        }
        let texts: Vec<String> = self.order.iter().map(|at| self.description(*at)).collect();
        let longest = texts.iter().map(|text| count_chars(text)).max().unwrap_or(0);
        let cut =
            |most: usize| -> Vec<String> { texts.iter().map(|text| cut_description(text, most)).collect() };
        let fits = |shown: &[String]| {
            let costs = self.order.iter().zip(shown).map(|(at, text)| self.cost(*at, text));
            frame + costs.sum::<usize>() <= limit
        };
        let most = min_description.max(1);
        if !fits(&cut(most)) {
            return None;
        }
        let (mut low, mut high) = (most, longest);
        while low < high {
            let middle = low + (high - low).div_ceil(2);
            if fits(&cut(middle)) { low = middle } else { high = middle - 1 }
        }
        // A cut between sentences may be shorter than one a few characters before: look on a bit.
        let best = (low + 1..=(low + 40).min(longest)).rev().find(|most| fits(&cut(*most))).unwrap_or(low);
        let shown = self.order.iter().zip(cut(best)).map(|(at, shown)| self.shown(*at, shown));
        Some(self.finish(shown.collect(), ListingStatus::Shortened, Vec::new()))
    }

    /// Every name; those that are used most, then those nearest to the question, keep a
    /// description as long as there is room.
    fn all_names(&self, limit: usize) -> Option<FittedList> {
        let bare: usize = self.order.iter().map(|at| self.cost(*at, "")).sum();
        let mut left = limit.checked_sub(self.frame() + bare)?;
        let mut wanted: Vec<(usize, usize)> = self.order.iter().copied().enumerate().collect();
        wanted.sort_by(|(nth, a), (other, b)| {
            let (a, b) = (&self.entries[*a], &self.entries[*b]);
            let by_use = b.uses.cmp(&a.uses).then(b.last_used.cmp(&a.last_used));
            by_use.then(b.relevance.total_cmp(&a.relevance)).then(nth.cmp(other))
        });
        let mut shown: Vec<Option<String>> = vec![None; self.order.len()];
        for (nth, at) in wanted {
            let text = cut_description(&self.description(at), KEPT_DESCRIPTION);
            let more = self.cost(at, &text).saturating_sub(self.cost(at, ""));
            if more <= left && !text.is_empty() {
                left -= more;
                shown[nth] = Some(text);
            }
        }
        let skills =
            self.order.iter().zip(shown).map(|(at, shown)| self.shown(*at, shown.unwrap_or_default()));
        Some(self.finish(skills.collect(), ListingStatus::Names, Vec::new()))
    }

    /// As many names as there is room for; those that were not used for longest leave.
    fn some_names(&self, limit: usize) -> FittedList {
        let mut wanted: Vec<(usize, usize)> = self.order.iter().copied().enumerate().collect();
        wanted.sort_by(|(nth, a), (other, b)| {
            let (a, b) = (&self.entries[*a], &self.entries[*b]);
            let by_use = Reverse(a.mode).cmp(&Reverse(b.mode)).then(b.last_used.cmp(&a.last_used));
            by_use.then(b.uses.cmp(&a.uses)).then(b.relevance.total_cmp(&a.relevance)).then(nth.cmp(other))
        });
        // The line that says how many are missing is reserved at its longest.
        let frame = count_chars(&self.format.wrap(&[], Some(self.order.len())));
        let mut left = limit.saturating_sub(frame);
        let mut kept = vec![false; self.order.len()];
        for (nth, at) in wanted {
            let cost = self.cost(at, "");
            if cost <= left {
                left -= cost;
                kept[nth] = true;
            }
        }
        let (mut skills, mut dropped) = (Vec::new(), Vec::new());
        for (at, kept) in self.order.iter().zip(kept) {
            match kept {
                true => skills.push(self.shown(*at, String::new())),
                false => dropped.push(*at),
            }
        }
        let mut listing = self.finish(skills, ListingStatus::Dropped, dropped);
        if count_chars(&listing.text) > limit {
            // Not even the line that says so has room.
            listing.text.clear();
            listing.skills.clear();
            listing.dropped = self.order.clone();
        }
        listing
    }
}

#[cfg(test)]
mod tests;
