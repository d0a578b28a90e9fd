//! Follow-ups: whether a message of a conversation goes on with what a skill was activated for.
//! Then the model has its instructions already, and a short message is enough.
//!
//! Three questions in this order: does the message itself say so (it refers back, or it is too
//! short to stand alone)? Do its words meet those of the messages before? What does the caller
//! say? The words are those of the search: stems, without the words that questions are built
//! with.

mod references;

use std::collections::BTreeSet;

use serde::Serialize;

use crate::search::content_terms;

use references::{MessageClue, find_clue};

/// Messages of a conversation that are compared with.
pub const REMEMBERED_MESSAGES: usize = 6;
/// Terms of one message that are kept.
const MOST_TERMS: usize = 96;
/// Words of a message that cannot stand alone.
const SHORT: usize = 5;
/// The share of a message's terms that must have been there before.
const SHARE: f64 = 0.25;
/// The same where something is to be made.
const CREATING_SHARE: f64 = 0.7;

/// What is known when a skill is activated once more.
#[derive(Debug, Clone, Copy)]
pub struct FollowUpQuestion<'a> {
    /// What the person wrote.
    pub message: &'a str,
    /// The conversation has the instructions of the skill already.
    pub is_active: bool,
    /// [`message_terms`] of the message, each in whatever form the caller keeps them.
    pub terms: &'a BTreeSet<String>,
    /// The same of the messages before, the oldest first.
    pub earlier: &'a [BTreeSet<String>],
    /// What the caller says, who may know better.
    pub caller: Option<bool>,
}

/// Which question decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FollowUpStep {
    /// The skill is not active here, so there is nothing to go on with.
    Inactive,
    /// The message refers back, or says that it begins something new.
    Reference,
    /// The message is too short to stand alone.
    Length,
    /// Its words meet those of the messages before.
    Terms,
    /// The caller said so.
    Caller,
    /// Nothing did; the instructions are given in full.
    Nothing,
}

/// The answer, which question gave it, and how sure that is.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct FollowUpVerdict {
    pub is_follow_up: bool,
    pub step: FollowUpStep,
    /// From 0.5, which is a guess, to 1.
    pub confidence: f64,
}

/// What of a message is compared: the stems of its words.
#[must_use]
pub fn message_terms(message: &str) -> BTreeSet<String> {
    content_terms(message, MOST_TERMS)
}

/// Answers the question.
#[must_use]
pub fn decide_follow_up(question: &FollowUpQuestion<'_>) -> FollowUpVerdict {
    let verdict = |is_follow_up, step, confidence| FollowUpVerdict { is_follow_up, step, confidence };
    if !question.is_active {
        return verdict(false, FollowUpStep::Inactive, 1.0);
    }
    let found = find_clue(question.message);
    match found.clue {
        MessageClue::Back => return verdict(true, FollowUpStep::Reference, 0.9),
        MessageClue::Away => return verdict(false, FollowUpStep::Reference, 0.95),
        MessageClue::Creates => {}
        MessageClue::Presumes => return verdict(true, FollowUpStep::Reference, 0.75),
        MessageClue::None if found.words <= SHORT => return verdict(true, FollowUpStep::Length, 0.75),
        MessageClue::None => {}
    }
    let share = shared_terms(question.terms, question.earlier);
    // Who wants something made may well name a thing of before.
    let wanted = if found.clue == MessageClue::Creates { CREATING_SHARE } else { SHARE };
    if share >= wanted {
        return verdict(true, FollowUpStep::Terms, 0.6 + 0.3 * share);
    }
    match question.caller {
        Some(said) => verdict(said, FollowUpStep::Caller, 0.8),
        None => verdict(false, FollowUpStep::Nothing, 0.5 + 0.4 * (1.0 - share / wanted)),
    }
}

/// The share of terms that a message has in common with those before.
fn shared_terms(terms: &BTreeSet<String>, earlier: &[BTreeSet<String>]) -> f64 {
    if terms.is_empty() {
        return 0.0;
    }
    let common = terms.iter().filter(|term| earlier.iter().any(|before| before.contains(*term))).count();
    #[expect(clippy::cast_precision_loss, reason = "a hundred terms")]
    let share = common as f64 / terms.len() as f64;
    share
}

#[cfg(test)]
mod tests;
