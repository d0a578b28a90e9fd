//! Which items match what was typed, and how well. A name matches by its letters in their order,
//! with gaps (`kspec` finds `kubernetes-specialist`); a description by a piece of it, since with
//! gaps a long text has nearly everything.

use std::cell::RefCell;

use nucleo_matcher::pattern::{Atom, AtomKind, CaseMatching, Normalization};
use nucleo_matcher::{Config, Matcher, Utf32String};

/// What a match in the name is worth more than the same in the description.
const NAME_BONUS: u32 = 24;
/// What the matcher gives for a sign, and for the first of a word; a description is measured alike.
const SIGN: u32 = 16;
const WORD_BEGINS: u32 = 8;

/// The texts of all items, prepared to be matched at every key.
pub(crate) struct FilterIndex {
    names: Vec<Utf32String>,
    /// In lower case.
    texts: Vec<String>,
    matcher: RefCell<Matcher>,
}

impl FilterIndex {
    /// Of pairs of a name and everything else that is said of it.
    pub(crate) fn new<'a>(items: impl Iterator<Item = (&'a str, String)>) -> Self {
        let (names, texts) = items.map(|(name, text)| (Utf32String::from(name), lower_case(&text))).unzip();
        Self { names, texts, matcher: RefCell::new(Matcher::new(Config::DEFAULT)) }
    }

    /// How well each of these items matches: those that have every word, in their order.
    pub(crate) fn score_items(&self, filter: &str, items: &[usize]) -> Vec<(usize, u32)> {
        let words: Vec<(Atom, String)> =
            filter.split_whitespace().map(|word| (atom_of(word), lower_case(word))).collect();
        let matcher = &mut *self.matcher.borrow_mut();
        let mut score = |at: usize| -> Option<u32> {
            let (name, text) = (self.names.get(at)?.slice(..), self.texts.get(at)?);
            let mut sum = 0;
            for (atom, word) in &words {
                let in_name = atom.score(name, matcher).map(|score| u32::from(score) + NAME_BONUS);
                let in_text = text.find(word.as_str()).map(|found| score_piece(text, found, word));
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
                atom_of(word).indices(name.slice(..), matcher, &mut found);
            }
        }
        found.sort_unstable();
        found.dedup();
        found
    }
}

fn atom_of(word: &str) -> Atom {
    Atom::new(word, CaseMatching::Ignore, Normalization::Smart, AtomKind::Fuzzy, false)
}

/// Sign by sign, so that the beginning of a word becomes the beginning of what the word becomes.
fn lower_case(text: &str) -> String {
    text.chars().flat_map(char::to_lowercase).collect()
}

/// How good it is that `word` stands in a text at this place.
fn score_piece(text: &str, at: usize, word: &str) -> u32 {
    let before = text.get(..at).and_then(|before| before.chars().next_back());
    let begins = before.is_none_or(|before| !before.is_alphanumeric());
    let signs = u32::try_from(word.chars().count()).unwrap_or(u32::MAX / SIGN);
    signs.saturating_mul(SIGN).saturating_add(if begins { WORD_BEGINS } else { 0 })
}
