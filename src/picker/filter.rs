//! Which items match what was typed, and how well. A name matches by its letters in their order,
//! with gaps (`kspec` finds `kubernetes-specialist`); a description by a piece of it, since with
//! gaps a long text has nearly everything.

use std::cell::RefCell;

use nucleo_matcher::pattern::{Atom, AtomKind, CaseMatching, Normalization};
use nucleo_matcher::{Config, Matcher, Utf32String};

/// What a match in the name is worth more than the same in the description.
const NAME_BONUS: u32 = 24;

/// The texts of all items, prepared to be matched at every key.
pub(crate) struct FilterIndex {
    names: Vec<Utf32String>,
    texts: Vec<Utf32String>,
    matcher: RefCell<Matcher>,
}

impl FilterIndex {
    /// Of pairs of a name and everything else that is said of it.
    pub(crate) fn new<'a>(items: impl Iterator<Item = (&'a str, String)>) -> Self {
        let (names, texts) =
            items.map(|(name, text)| (Utf32String::from(name), Utf32String::from(text))).unzip();
        Self { names, texts, matcher: RefCell::new(Matcher::new(Config::DEFAULT)) }
    }

    /// How well each of these items matches: those that have every word, in their order.
    pub(crate) fn score_items(&self, filter: &str, items: &[usize]) -> Vec<(usize, u32)> {
        let words: Vec<(Atom, Atom)> = filter
            .split_whitespace()
            .map(|word| (atom_of(word, AtomKind::Fuzzy), atom_of(word, AtomKind::Substring)))
            .collect();
        let matcher = &mut *self.matcher.borrow_mut();
        let mut score = |at: usize| -> Option<u32> {
            let (name, text) = (self.names.get(at)?.slice(..), self.texts.get(at)?.slice(..));
            let mut sum = 0;
            for (fuzzy, exact) in &words {
                let in_name = fuzzy.score(name, matcher).map(|score| u32::from(score) + NAME_BONUS);
                let in_text = exact.score(text, matcher).map(u32::from);
                sum += in_name.max(in_text)?;
            }
            Some(sum)
        };
        items.iter().filter_map(|at| Some((*at, score(*at)?))).collect()
    }

    /// Which of the signs of an item's name the filter found.
    pub(crate) fn matched_signs(&self, filter: &str, item: usize) -> Vec<u32> {
        let matcher = &mut *self.matcher.borrow_mut();
        let mut found = Vec::new();
        if let Some(name) = self.names.get(item) {
            for word in filter.split_whitespace() {
                atom_of(word, AtomKind::Fuzzy).indices(name.slice(..), matcher, &mut found);
            }
        }
        found.sort_unstable();
        found.dedup();
        found
    }
}

fn atom_of(word: &str, kind: AtomKind) -> Atom {
    Atom::new(word, CaseMatching::Ignore, Normalization::Smart, kind, false)
}
