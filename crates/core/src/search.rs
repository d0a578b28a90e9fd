//! Ranked full-text search over skills and catalogue entries.
//!
//! The documents of a marketplace are indexed once, when it is added or updated ([`IndexBuilder`]);
//! a search reads the indexes ([`SearchIndex`]), ranks ([`rank_documents`]) and then reads the rows that it
//! shows, and no other text. A library was weighed: tantivy 0.27 adds 112 crates, 4.8 MB to
//! the binary and 190 s of compiling, wants a store with locks and repairs of its own, and needs
//! a word splitter of ours for Chinese all the same; untuned it put the right skill among the
//! first three for 74 % of another set of questions, where this way of ranking did for 87 %. Stems are
//! Snowball's, distances between words strsim's, normal forms those of unicode-normalization.

mod index;
mod rank;
mod synonyms;
mod terms;
mod words;

#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::collections::{BTreeSet, HashSet};
use std::ops::Range;

use serde::{Deserialize, Serialize};

pub use index::{DocumentRow, IndexBuilder, SearchIndex, document_key};
pub use rank::{Hit, Ranking, rank_documents};
use words::{MatchStrength, QueryTerm, for_each_word};

/// What can be found: a skill, or an entry of a catalogue. It borrows from the text that it
/// was read from.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct SearchDocument<'a> {
    #[serde(borrow)]
    pub name: Cow<'a, str>,
    #[serde(borrow, default, skip_serializing_if = "str::is_empty")]
    pub description: Cow<'a, str>,
    #[serde(borrow, default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<BorrowedText<'a>>,
    #[serde(borrow, default, skip_serializing_if = "Vec::is_empty")]
    pub keywords: Vec<BorrowedText<'a>>,
    #[serde(borrow, default, skip_serializing_if = "Vec::is_empty")]
    pub triggers: Vec<BorrowedText<'a>>,
    #[serde(borrow, default, skip_serializing_if = "str::is_empty")]
    pub category: Cow<'a, str>,
    /// The marketplace that has it; empty for one that is only installed.
    #[serde(borrow, default, skip_serializing_if = "str::is_empty")]
    pub marketplace: Cow<'a, str>,
    /// The entry that a skill belongs to; empty for the entry itself.
    #[serde(borrow, default, skip_serializing_if = "str::is_empty")]
    pub plugin: Cow<'a, str>,
    #[serde(borrow, default, skip_serializing_if = "str::is_empty")]
    pub version: Cow<'a, str>,
    /// Where it is: the folder of a skill, seen from the top of its repository.
    #[serde(borrow, default, skip_serializing_if = "str::is_empty")]
    pub folder: Cow<'a, str>,
    /// The repository of an entry that is a source of its own.
    #[serde(borrow, default, skip_serializing_if = "str::is_empty")]
    pub repository: Cow<'a, str>,
    /// The tools that it wants to use unasked.
    #[serde(borrow, default, skip_serializing_if = "Vec::is_empty")]
    pub grants: Vec<BorrowedText<'a>>,
    /// It brings files that can be run.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub scripts: bool,
    /// The beginning of the text below the frontmatter.
    #[serde(borrow, default, skip_serializing_if = "str::is_empty")]
    pub body: Cow<'a, str>,
}

/// A text of a list, borrowed where it can be.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BorrowedText<'a>(#[serde(borrow)] pub Cow<'a, str>);

impl From<&str> for BorrowedText<'static> {
    fn from(text: &str) -> Self {
        Self(Cow::Owned(text.to_owned()))
    }
}

/// What is looked for.
#[derive(Debug, Clone, Default)]
pub struct SearchQuery {
    asked: Vec<QueryWord>,
    /// All its words with a blank between them.
    whole: String,
}

/// A word of a query.
#[derive(Debug, Clone, PartialEq)]
struct QueryWord {
    word: QueryTerm,
    /// What is looked up: its stem, or the pairs of a run without blanks.
    terms: Vec<WantedTerm>,
}

/// A term that is looked up, and others that mean the same.
#[derive(Debug, Clone, PartialEq)]
struct WantedTerm {
    term: String,
    synonyms: Vec<String>,
}

impl WantedTerm {
    fn is(&self, term: &str) -> bool {
        self.term == term || self.synonyms.iter().any(|other| other == term)
    }
}

/// Different terms of a query that are looked for; what stands behind them is left out.
const TERMS: usize = 256;

/// Which documents count.
#[derive(Debug, Clone, Default)]
pub struct SearchFilter {
    pub marketplace: Option<String>,
    /// All of them, among tags and keywords.
    pub tags: Vec<String>,
    pub category: Option<String>,
    pub installed: bool,
}

impl SearchQuery {
    /// Reads it; without a word in it, everything is found. Words that questions are built
    /// with count only where there are no others.
    pub fn parse(text: &str) -> Self {
        let mut query = Self::default();
        let mut stop_words = Vec::new();
        let mut terms = HashSet::new();
        for_each_word(text, |_, word| {
            // Folded, a mark without a letter is nothing, which every word begins with.
            if word.text().is_empty() || terms.len() >= TERMS {
                return;
            }
            if !query.whole.is_empty() {
                query.whole.push(' ');
            }
            query.whole.push_str(word.text());
            let mut own = terms::terms_of_word(word);
            own.retain(|term| terms.insert(term.clone()));
            if own.is_empty() {
                return;
            }
            let wanted = |term: String| WantedTerm { synonyms: synonyms::synonyms_of(&term), term };
            let asked = QueryWord { word: QueryTerm::of(word), terms: own.into_iter().map(wanted).collect() };
            if terms::is_stop_word(word.text()) { stop_words.push(asked) } else { query.asked.push(asked) }
        });
        if query.asked.is_empty() {
            query.asked = stop_words;
        }
        query
    }

    /// True for one without a word, which everything answers.
    pub fn is_empty(&self) -> bool {
        self.asked.is_empty()
    }

    /// The parts of `text` that match, in bytes, for highlighting.
    pub fn matched_ranges(&self, text: &str) -> Vec<Range<usize>> {
        let mut ranges: Vec<Range<usize>> = Vec::new();
        for_each_word(text, |range, word| {
            let original = &text[range.clone()];
            let found = self.asked.iter().filter_map(|asked| asked.matched_part(original, word));
            if let Some(part) = found.max_by_key(Range::len) {
                ranges.push(range.start + part.start..range.start + part.end);
            }
        });
        ranges
    }
}

impl QueryWord {
    /// The part of a word to be shown as a match; `original` is the word as it stands. All of
    /// it, unless what was asked for stands inside it as it is.
    fn matched_part(&self, original: &str, word: words::Word<'_>) -> Option<Range<usize>> {
        let terms = terms::terms_of_word(word);
        let shared = |term: &String| self.terms.iter().any(|wanted| wanted.is(term));
        if self.word.match_word(word) == MatchStrength::None && !terms.iter().any(shared) {
            return None;
        }
        // Folding can make one letter longer and another shorter, and leave the sum.
        let same = original.len() == word.text().len();
        let place = |text: &str| {
            let at = word.text().find(text).filter(|_| same)?;
            original.get(at..at + text.len())?;
            Some(at..at + text.len())
        };
        let whole = place(self.word.text());
        let pairs =
            || word.is_run().then(|| self.terms.iter().find_map(|wanted| place(&wanted.term))).flatten();
        whole.or_else(pairs).or(Some(0..original.len()))
    }
}

impl SearchFilter {
    /// True when the text of a document is needed to filter it.
    pub fn wants_text(&self) -> bool {
        self.marketplace.is_some() || self.category.is_some() || !self.tags.is_empty()
    }

    /// True for a document that passes the filter.
    pub fn admits_document(&self, document: &SearchDocument<'_>) -> bool {
        let same = |a: &str, b: &str| words::fold_text(a) == words::fold_text(b);
        let labels = || document.tags.iter().chain(&document.keywords);
        self.marketplace.as_ref().is_none_or(|name| *name == document.marketplace)
            && self.category.as_ref().is_none_or(|category| same(category, &document.category))
            && self.tags.iter().all(|tag| labels().any(|label| same(tag, &label.0)))
    }
}

/// The words of a text as they are compared, with a blank between them.
pub fn fold_words(text: &str) -> String {
    words::join_words(text)
}

/// False for a word that questions are built with, such as `the`, `how` and `please`.
pub fn is_content_word(folded: &str) -> bool {
    !terms::is_stop_word(folded)
}

/// Builds an index of documents that are not in a file, so that their rows cannot be read.
pub fn build_index(documents: &[SearchDocument<'_>]) -> Vec<u8> {
    let mut builder = IndexBuilder::default();
    documents.iter().for_each(|document| builder.add_document(document, 0, &[]));
    builder.into_bytes("")
}

/// Reads bytes as if they stood behind the head of an index with the right checksum, and asks
/// for everything: nothing panics, whatever they are.
#[cfg(any(test, fuzzing))]
pub(crate) fn read_anything(rest: &[u8]) {
    let bytes = index::seal_index(rest);
    let Some(index) = SearchIndex::read(&bytes) else { return };
    for entry in index.all_documents() {
        index.documents_of_same_name(&entry).count();
    }
    let indexes = [index];
    for query in ["pdf", "kuberntes deploy", "数据分析 the", "c++", ""] {
        for hit in rank_documents(&indexes, &SearchQuery::parse(query)).hits {
            assert!(hit.score.is_finite() && hit.score.is_sign_positive() && hit.volume == 0);
        }
    }
}

/// The words of a text, folded, at most `most`.
pub(crate) fn folded_words(text: &str, most: usize) -> Vec<String> {
    let mut words = Vec::new();
    for_each_word(text, |_, word| {
        if words.len() < most && !word.text().is_empty() {
            words.push(word.text().to_owned());
        }
    });
    words
}

/// What of a text is looked up in an index: the stems of its words, at most `most`, without those
/// that questions are built with.
pub(crate) fn content_terms(text: &str, most: usize) -> BTreeSet<String> {
    let mut terms = BTreeSet::new();
    for_each_word(text, |_, word| {
        if terms.len() < most && !word.text().is_empty() && !terms::is_stop_word(word.text()) {
            terms.extend(terms::terms_of_word(word));
        }
    });
    terms
}

/// Suggests at most three words of names and labels for a query that found nothing.
pub fn suggest_words(documents: &[SearchDocument<'_>], text: &str) -> Vec<String> {
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
    for_each_word(text, |_, word| {
        if !terms::is_stop_word(word.text()) {
            asked.push(word.text().to_owned());
        }
    });
    let near =
        asked.iter().filter_map(|word| crate::text::find_nearest(word, known.iter().map(String::as_str)));
    let mut near: Vec<String> = near.map(str::to_owned).collect();
    near.dedup();
    near.truncate(3);
    near
}
