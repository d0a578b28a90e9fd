//! Words: ranked full-text search over skills and catalogue entries.
//!
//! There is no index: the documents are read once, every word of theirs is held against
//! every word of the query, and what matches is ranked. A library was weighed first.
//! tantivy 0.27 answers in 1.5 ms, but wants a second store on the disk (180 ms to write
//! for 10,000 entries, with a version, a lock and damage of its own to repair), adds 112
//! crates, 4.8 MB to the binary and 190 s of compiling to a program that compiles in 70 s,
//! and needs a word splitter of our own for Chinese all the same. Without that store, its
//! index (0.26) made in memory at every search of 10,000 entries, 5.3 MB, it takes 177 to 297 ms
//! of processor time, of which the answer is 1.4 to 3.8; our whole command takes 39 to 46 (November
//! 2026, nine runs each on two busy cores). nucleo matches letters in
//! their order and finds no typing error; fst with levenshtein_automata pays when a
//! dictionary is kept between runs. Reading 10,000 entries, 4.9 MB of text, for one word takes
//! 20 ms with all, for six words 50 ms: nobody feels that. Distances between words are strsim's,
//! normal forms those of unicode-normalization.

mod words;

#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::ops::Range;

use serde::{Deserialize, Serialize};

use words::{Term, for_each_word};

/// What can be found: a skill, or an entry of a catalogue. It borrows from the text that it
/// was read from.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Document<'a> {
    #[serde(borrow)]
    pub(crate) name: Cow<'a, str>,
    #[serde(borrow, default, skip_serializing_if = "str::is_empty")]
    pub(crate) description: Cow<'a, str>,
    #[serde(borrow, default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) tags: Vec<Text<'a>>,
    #[serde(borrow, default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) keywords: Vec<Text<'a>>,
    #[serde(borrow, default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) triggers: Vec<Text<'a>>,
    #[serde(borrow, default, skip_serializing_if = "str::is_empty")]
    pub(crate) category: Cow<'a, str>,
    /// The marketplace that has it; empty for one that is only installed.
    #[serde(borrow, default, skip_serializing_if = "str::is_empty")]
    pub(crate) marketplace: Cow<'a, str>,
    /// The entry that a skill belongs to; empty for the entry itself.
    #[serde(borrow, default, skip_serializing_if = "str::is_empty")]
    pub(crate) plugin: Cow<'a, str>,
    #[serde(borrow, default, skip_serializing_if = "str::is_empty")]
    pub(crate) version: Cow<'a, str>,
    #[serde(default)]
    pub(crate) installed: bool,
}

/// A text of a list, borrowed where it can be.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Text<'a>(#[serde(borrow)] pub(crate) Cow<'a, str>);

impl From<&str> for Text<'static> {
    fn from(text: &str) -> Self {
        Self(Cow::Owned(text.to_owned()))
    }
}

/// What is looked for.
#[derive(Debug, Clone, Default)]
pub(crate) struct Query {
    terms: Vec<Term>,
    /// All its words with a blank between them.
    whole: String,
}

/// Which documents count.
#[derive(Debug, Clone, Default)]
pub(crate) struct Filter {
    pub(crate) marketplace: Option<String>,
    /// All of them, among tags and keywords.
    pub(crate) tags: Vec<String>,
    pub(crate) category: Option<String>,
    pub(crate) installed: bool,
}

/// A document that was found.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Hit {
    /// Its place among the documents.
    pub(crate) at: usize,
    /// Higher is better; comparable within one search alone.
    pub(crate) score: f64,
}

/// How much a match in a field counts.
const NAME: f64 = 8.0;
const LABELS: f64 = 4.0;
const PLUGIN: f64 = 3.0;
const CATEGORY: f64 = 2.0;
const DESCRIPTION: f64 = 1.0;
/// From this many documents on a second thread pays (measured: a thread costs 0.05 ms, a
/// document 0.002).
const MANY: usize = 1_000;
/// A name that is the query counts this much more.
const IS_NAME: f64 = 1.5;

impl Query {
    /// Reads it; without a word in it, everything is found, by name.
    pub(crate) fn parse(text: &str) -> Self {
        let mut query = Self::default();
        for_each_word(text, |_, word| {
            // Folded, a mark without a letter is nothing, which every word begins with.
            if word.text().is_empty() {
                return;
            }
            let term = Term::of(word);
            if !query.whole.is_empty() {
                query.whole.push(' ');
            }
            query.whole.push_str(word.text());
            if !query.terms.contains(&term) {
                query.terms.push(term);
            }
        });
        query
    }

    /// The parts of `text` that match, in bytes, for highlighting.
    pub(crate) fn ranges(&self, text: &str) -> Vec<Range<usize>> {
        let mut ranges: Vec<Range<usize>> = Vec::new();
        for_each_word(text, |range, word| {
            if let Some(range) = self
                .terms
                .iter()
                .filter_map(|term| term.part(&text[range.clone()], range.start, word))
                .max_by_key(Range::len)
            {
                ranges.push(range);
            }
        });
        ranges
    }
}

impl Filter {
    fn admits(&self, document: &Document<'_>) -> bool {
        let same = |a: &str, b: &str| words::fold(a) == words::fold(b);
        let labels = || document.tags.iter().chain(&document.keywords);
        (!self.installed || document.installed)
            && self.marketplace.as_ref().is_none_or(|name| *name == document.marketplace)
            && self.category.as_ref().is_none_or(|category| same(category, &document.category))
            && self.tags.iter().all(|tag| labels().any(|label| same(tag, &label.0)))
    }
}

/// How well one document answers each term.
#[derive(Debug, Clone, Copy, Default)]
struct Answer {
    /// By words that are the term, begin with it or hold it.
    sure: f64,
    /// By words that the term may be a misspelling of.
    unsure: f64,
}

/// The documents that answer `query`, best first; equal ones by name. At least half of the
/// words must be answered; a misspelling counts only where no document has the word itself.
pub(crate) fn search(documents: &[Document<'_>], query: &Query, filter: &Filter) -> Vec<Hit> {
    let admitted: Vec<usize> = (0..documents.len()).filter(|at| filter.admits(&documents[*at])).collect();
    let count = query.terms.len();
    let mut answers = vec![Answer::default(); admitted.len() * count];
    if count > 0 {
        weigh_all(documents, &admitted, &query.terms, &mut answers);
    }
    let weights = weights(&answers, count, admitted.len());
    let mut hits = Vec::new();
    for (n, at) in admitted.into_iter().enumerate() {
        let row = answers.get(n * count..(n + 1) * count).unwrap_or_default();
        if let Some(score) = score(row, &weights, query, &documents[at]) {
            hits.push(Hit { at, score });
        }
    }
    let name =
        |hit: &Hit| (&documents[hit.at].name, &documents[hit.at].plugin, &documents[hit.at].marketplace);
    hits.sort_by(|a, b| b.score.total_cmp(&a.score).then_with(|| name(a).cmp(&name(b))));
    hits
}

/// Fills a row of answers for each admitted document, in two threads where there is much
/// to read.
fn weigh_all(documents: &[Document<'_>], admitted: &[usize], terms: &[Term], answers: &mut [Answer]) {
    let read = |admitted: &[usize], answers: &mut [Answer]| {
        for (at, row) in admitted.iter().zip(answers.chunks_mut(terms.len())) {
            weigh(&documents[*at], terms, row);
        }
    };
    if admitted.len() < MANY {
        return read(admitted, answers);
    }
    let (first, second) = admitted.split_at(admitted.len() / 2);
    let (left, right) = answers.split_at_mut(first.len() * terms.len());
    std::thread::scope(|scope| {
        scope.spawn(|| read(first, left));
        read(second, right);
    });
}

/// Holds every word of a document against the terms.
fn weigh(document: &Document<'_>, terms: &[Term], row: &mut [Answer]) {
    let mut field = |text: &str, weight: f64| {
        for_each_word(text, |_, word| {
            for (term, answer) in terms.iter().zip(row.iter_mut()) {
                match term.strength(word) {
                    Strength::Sure(strength) => answer.sure = answer.sure.max(strength * weight),
                    Strength::Unsure(strength) => answer.unsure = answer.unsure.max(strength * weight),
                    Strength::None => {}
                }
            }
        });
    };
    field(&document.name, NAME);
    field(&document.plugin, PLUGIN);
    field(&document.category, CATEGORY);
    field(&document.description, DESCRIPTION);
    for label in document.tags.iter().chain(&document.keywords).chain(&document.triggers) {
        field(&label.0, LABELS);
    }
}

/// How well a word answers a term, at most 1.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Strength {
    None,
    Unsure(f64),
    Sure(f64),
}

/// Of each term: whether it was met for sure, and how rare it is (the inverse document
/// frequency of BM25).
fn weights(answers: &[Answer], terms: usize, documents: usize) -> Vec<(bool, f64)> {
    let of = |term: usize| {
        let column = || answers.iter().skip(term).step_by(terms.max(1));
        let sure = column().any(|answer| answer.sure > 0.0);
        let met = column().filter(|a| if sure { a.sure > 0.0 } else { a.unsure > 0.0 }).count();
        #[expect(clippy::cast_precision_loss, reason = "a weight, not a count")]
        let (met, all) = (met as f64, documents as f64);
        (sure, (1.0 + (all - met + 0.5) / (met + 0.5)).ln())
    };
    (0..terms).map(of).collect()
}

fn score(row: &[Answer], weights: &[(bool, f64)], query: &Query, document: &Document<'_>) -> Option<f64> {
    let counted = |(answer, (sure, weight)): (&Answer, &(bool, f64))| {
        if *sure { answer.sure * weight } else { answer.unsure * weight }
    };
    let scores: Vec<f64> = row.iter().zip(weights).map(counted).collect();
    let met = scores.iter().filter(|score| **score > 0.0).count();
    if met * 2 < row.len() {
        return None;
    }
    #[expect(clippy::cast_precision_loss, reason = "a few words")]
    let share = if row.is_empty() { 1.0 } else { met as f64 / row.len() as f64 };
    let mut total = scores.iter().sum::<f64>() * share * share;
    if words::joined(&document.name) == query.whole {
        total *= IS_NAME;
    }
    Some((total * 1000.0).round() / 1000.0)
}

/// Words of the documents' names and labels that a person may have meant who found nothing,
/// at most three.
pub(crate) fn suggest(documents: &[Document<'_>], text: &str) -> Vec<String> {
    let mut known = BTreeSet::new();
    for document in documents {
        let labels = document.tags.iter().chain(&document.keywords).map(|label| label.0.as_ref());
        for text in std::iter::once(document.name.as_ref()).chain(labels) {
            for_each_word(text, |_, word| {
                known.insert(word.text().to_owned());
            });
        }
    }
    let mut asked = Vec::new();
    for_each_word(text, |_, word| asked.push(word.text().to_owned()));
    let near = asked.iter().filter_map(|word| crate::words::nearest(word, known.iter().map(String::as_str)));
    let mut near: Vec<String> = near.map(str::to_owned).collect();
    near.dedup();
    near.truncate(3);
    near
}
