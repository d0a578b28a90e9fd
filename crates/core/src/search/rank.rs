//! Ranking: BM25F over the indexes of several marketplaces at once, as if they were one.
//!
//! A word adds to a document by how rare it is among all of them (its inverse document
//! frequency) and by its weight in the document, with less and less for each more, and less in a
//! longer document. The sum is multiplied by the share of the query that the document answers,
//! weighed by rarity: of a sentence of fourteen words a good document has
//! the four that matter. Weights, `K1` and `B` were set on one half of the queries of
//! `tests/search/` and judged by the other; they are flat, a third more or less of any moves
//! hit@3 by a point.

use super::index::{self, SearchIndex};
use super::words::{MatchStrength, Word};
use super::{QueryWord, SearchQuery, terms};

/// `k1` of BM25: how soon further occurrences of a word add nothing.
const K1: f32 = 1.2;
/// `b` of BM25: how much the length of a document counts.
const B: f32 = 0.6;
/// A name that is the query counts this much more.
const IS_NAME: f32 = 1.5;
/// Words that only begin like one of the query, or hold it, while others are it.
const LONGER: f32 = 0.3;
/// A word of the same meaning.
const SYNONYM: f32 = 0.6;
/// Up to this many words a query may be one that is still being typed.
const SHORT: usize = 3;
/// So many words of a query are looked for under other spellings.
const MISSPELT: usize = 12;

/// A document that was found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Hit {
    /// Which of the indexes has it.
    pub volume: usize,
    /// Its place among the documents of that.
    pub at: usize,
    /// Higher is better; comparable within one search alone.
    pub score: f32,
    /// How well it answers the whole query, also the words of it that no document has: about 1
    /// where it has every word as often as a description of the usual length has one.
    pub strength: f32,
    /// The same in words that no other document has: 2 is two rare words, or more that are less so.
    pub evidence: f32,
}

/// A term of an index that answers a word of the query.
#[derive(Debug, Clone, Copy)]
struct TermMatch<'a> {
    volume: usize,
    term: index::IndexedTerm<'a>,
    factor: f32,
    /// False for what may be a misspelling.
    sure: bool,
    /// Its documents count for how rare the word is.
    whole: bool,
}

/// What the documents of one index have earned so far.
#[derive(Debug, Clone, Default)]
struct Sums {
    score: Vec<f32>,
    /// How much of the query each answers, by rarity.
    met: Vec<f32>,
    /// The best that the word at hand adds, and for what share of it.
    best: Vec<(f32, f32)>,
    touched: Vec<usize>,
}

/// What a search found.
#[derive(Debug, Clone, Default)]
pub struct Ranking {
    pub hits: Vec<Hit>,
    /// Words of the query that nothing answers, as they are folded.
    pub unknown: Vec<String>,
}

/// The documents that answer a query, best first, equal ones in the order of the indexes.
/// A query without a word finds everything.
pub fn rank_documents(indexes: &[SearchIndex<'_>], query: &SearchQuery) -> Ranking {
    if query.asked.is_empty() {
        let all = indexes.iter().enumerate();
        let hit = |volume, at| Hit { volume, at, score: 0.0, strength: 0.0, evidence: 0.0 };
        let hits = all.flat_map(|(volume, index)| (0..index.len()).map(move |at| hit(volume, at)));
        return Ranking { hits: hits.collect(), unknown: Vec::new() };
    }
    let mut sums: Vec<Sums> = indexes.iter().map(Sums::of).collect();
    let mut total = 0.0;
    let answers = match_terms(indexes, query);
    for answers in &answers {
        total += add_matches(&mut sums, indexes, answers);
    }
    let unknown = unmatched_words(query, &answers);
    let rarest = rarity_of_unknown(indexes);
    let whole = total + rarest * unknown.len() as f32;
    let named = index::name_of(&query.whole);
    let mut hits = Vec::new();
    for (volume, (sums, index)) in sums.iter().zip(indexes).enumerate() {
        for (at, (score, met)) in sums.score.iter().zip(&sums.met).enumerate().filter(|(_, (s, _))| **s > 0.0)
        {
            let share = met / total;
            let is_name = index.name_of(at) == Some(named);
            let (strength, evidence) = (score / whole, score / rarest);
            let score = score * share * if is_name { IS_NAME } else { 1.0 };
            let score = (score * 1_000.0).round() / 1_000.0;
            hits.push(Hit { volume, at, score, strength, evidence });
        }
    }
    hits.sort_by(|a, b| b.score.total_cmp(&a.score).then(a.volume.cmp(&b.volume)).then(a.at.cmp(&b.at)));
    Ranking { hits, unknown }
}

/// How rare a word is that no document has.
#[expect(clippy::cast_precision_loss, reason = "a count of documents")]
fn rarity_of_unknown(indexes: &[SearchIndex<'_>]) -> f32 {
    let all = indexes.iter().map(SearchIndex::len).sum::<usize>() as f32;
    (1.0 + (all + 0.5) / 0.5).ln()
}

/// The words of a query of whose terms none has an answer.
fn unmatched_words(query: &SearchQuery, answers: &[Vec<TermMatch<'_>>]) -> Vec<String> {
    let mut answers = answers.iter();
    let mut unknown = Vec::new();
    for asked in &query.asked {
        let own = answers.by_ref().take(asked.terms.len());
        if own.filter(|answers| !answers.is_empty()).count() == 0 {
            unknown.push(asked.word.text().to_owned());
        }
    }
    unknown
}

impl Sums {
    fn of(index: &SearchIndex<'_>) -> Self {
        let n = index.len();
        Self { score: vec![0.0; n], met: vec![0.0; n], best: vec![(0.0, 0.0); n], touched: Vec::new() }
    }
}

/// Adds what the answers to one word are worth; how rare it is, 0 for one that nothing has.
#[expect(clippy::cast_precision_loss, reason = "weights, not counts")]
fn add_matches(sums: &mut [Sums], indexes: &[SearchIndex<'_>], answers: &[TermMatch<'_>]) -> f32 {
    let all: usize = indexes.iter().map(SearchIndex::len).sum();
    let weight: u64 = indexes.iter().map(|index| index.weight).sum();
    let average = (weight as f32 / all.max(1) as f32).max(1.0);
    let mut whole = 0_usize;
    for answer in answers {
        let (Some(sums), Some(index)) = (sums.get_mut(answer.volume), indexes.get(answer.volume)) else {
            continue;
        };
        for (at, weight) in answer.term.document_weights() {
            let Some(own) = index.weight_of(at) else { break };
            let length = own as f32 / average;
            let weight = f32::from(weight) / 5.0;
            let worth = answer.factor * weight * (K1 + 1.0) / (weight + K1 * (1.0 - B + B * length));
            let Some(best) = sums.best.get_mut(at) else { break };
            if *best == (0.0, 0.0) {
                sums.touched.push(at);
                whole += usize::from(answer.whole);
            }
            *best = (best.0.max(worth), best.1.max(answer.factor));
        }
    }
    let (n, all) = (whole as f32, all as f32);
    let rarity = if answers.is_empty() { 0.0 } else { (1.0 + (all - n + 0.5).max(0.5) / (n + 0.5)).ln() };
    for sums in sums {
        for at in std::mem::take(&mut sums.touched) {
            let (worth, share) = std::mem::take(&mut sums.best[at]);
            sums.score[at] += rarity * worth;
            sums.met[at] += rarity * share.clamp(0.5, 1.0);
        }
    }
    rarity
}

/// For each term of the query all terms of the indexes that answer it.
fn match_terms<'a>(indexes: &[SearchIndex<'a>], query: &SearchQuery) -> Vec<Vec<TermMatch<'a>>> {
    let mut all = Vec::new();
    let mut lacking: Vec<(usize, &QueryWord)> = Vec::new();
    let short = query.asked.len() <= SHORT;
    let mut longer: Vec<(usize, &QueryWord)> = Vec::new();
    for asked in &query.asked {
        for wanted in &asked.terms {
            let mut answers = exact_matches(indexes, &wanted.term, 1.0);
            let found = !answers.is_empty();
            for other in &wanted.synonyms {
                answers.extend(exact_matches(indexes, other, SYNONYM));
            }
            let alone = asked.terms.len() == 1;
            if !found && alone && lacking.len() < MISSPELT {
                lacking.push((all.len(), asked));
            } else if found && alone && short && !terms::is_stop_word(asked.word.text()) {
                longer.push((all.len(), asked));
            }
            all.push(answers);
        }
    }
    for (at, answers) in loose_matches(indexes, &lacking, &longer) {
        if let Some(known) = all.get_mut(at) {
            // Where a word of the same meaning is there, it was not a misspelling.
            let is_synonym = !known.is_empty();
            known.extend(answers.into_iter().filter(|answer| answer.sure || !is_synonym));
        }
    }
    all
}

fn exact_matches<'a>(indexes: &[SearchIndex<'a>], text: &str, factor: f32) -> Vec<TermMatch<'a>> {
    let found =
        indexes.iter().enumerate().filter_map(|(volume, index)| Some((volume, index.find_term(text)?)));
    found.map(|(volume, term)| TermMatch { volume, term, factor, sure: true, whole: true }).collect()
}

/// Finds looser matches. For words that no document has: terms that begin like them, hold them
/// or may be the right spelling. For words that documents have: longer terms. A misspelling
/// counts only where nothing else matches.
fn loose_matches<'a>(
    indexes: &[SearchIndex<'a>],
    lacking: &[(usize, &QueryWord)],
    longer: &[(usize, &QueryWord)],
) -> Vec<(usize, Vec<TermMatch<'a>>)> {
    let mut sure: Vec<Vec<TermMatch<'a>>> = vec![Vec::new(); lacking.len() + longer.len()];
    let mut unsure = sure.clone();
    if sure.is_empty() {
        return Vec::new();
    }
    for (volume, index) in indexes.iter().enumerate() {
        let mut hold = |text: &str, term: &dyn Fn() -> Option<index::IndexedTerm<'a>>| {
            let word = Word::of_term(text);
            for (n, (_, asked)) in lacking.iter().enumerate() {
                let (list, factor, is_sure) = match asked.word.match_word(word) {
                    MatchStrength::Sure(factor) => (&mut sure[n], factor, true),
                    MatchStrength::Unsure(factor) => (&mut unsure[n], factor, false),
                    MatchStrength::None => continue,
                };
                list.extend(term().map(|term| TermMatch {
                    volume,
                    term,
                    factor,
                    sure: is_sure,
                    whole: true,
                }));
            }
            for (n, (_, asked)) in longer.iter().enumerate() {
                if let Some(factor) = asked
                    .word
                    .match_longer(word)
                    .filter(|_| !asked.terms.iter().any(|wanted| wanted.term == text))
                {
                    let factor = factor * LONGER;
                    let answer =
                        term().map(|term| TermMatch { volume, term, factor, sure: true, whole: false });
                    sure[lacking.len() + n].extend(answer);
                }
            }
        };
        index.all_terms().for_each(|term| hold(term.text, &|| Some(term)));
        if !lacking.is_empty() {
            index.all_spellings().for_each(|(word, place)| hold(word, &|| index.term_at(place)));
        }
    }
    let places = lacking.iter().chain(longer).map(|(at, _)| *at);
    places
        .zip(sure.into_iter().zip(unsure))
        .map(|(at, (sure, unsure))| (at, if sure.is_empty() { fewest_errors(unsure) } else { sure }))
        .collect()
}

/// Of possible misspellings those with the fewest errors.
fn fewest_errors(answers: Vec<TermMatch<'_>>) -> Vec<TermMatch<'_>> {
    let best = answers.iter().map(|answer| answer.factor).fold(0.0, f32::max);
    answers.into_iter().filter(|answer| answer.factor >= best).collect()
}
