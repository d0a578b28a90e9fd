//! What a message says of itself: that it goes on with what was said, or begins something new.

use crate::search::folded_words;

/// Where a message points.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum MessageClue {
    Back,
    Away,
    None,
}

/// What was found in a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ReadMessage {
    pub(super) clue: MessageClue,
    /// Words of the message; characters, where it is written without blanks.
    pub(super) words: usize,
}

/// Words with which somebody goes on, at the beginning of a message.
const GOING_ON: &[&str] = &[
    "and",
    "also",
    "now",
    "but",
    "then",
    "again",
    "instead",
    "ok",
    "okay",
    "yes",
    "yep",
    "no",
    "nope",
    "good",
    "great",
    "nice",
    "perfect",
    "thanks",
    "thank",
    "hm",
    "hmm",
    "actually",
    "still",
    "same",
    "continue",
    "proceed",
    "undo",
    "redo",
    "revert",
    "retry",
    "rerun",
    "why",
    "which",
    "so",
    "or",
    "wait",
    "almost",
    "better",
    "looks",
    "go on",
    "go ahead",
    "what about",
    "how about",
    "what if",
    "one more",
    "try again",
    "do the same",
    "und",
    "auch",
    "aber",
    "jetzt",
    "nun",
    "dann",
    "nochmal",
    "noch",
    "ja",
    "nein",
    "gut",
    "danke",
    "weiter",
    "stattdessen",
    "warum",
    "et",
    "aussi",
    "mais",
    "maintenant",
    "encore",
    "oui",
    "non",
    "merci",
    "pourquoi",
    "continue",
    "y",
    "tambien",
    "pero",
    "ahora",
    "otra vez",
    "si",
    "gracias",
    "por que",
];

/// Words that stand for something that was said, wherever they stand in a message.
const STANDING_FOR: &[&str] = &[
    "it",
    "its",
    "this",
    "these",
    "those",
    "them",
    "they",
    "their",
    "above",
    "previous",
    "previously",
    "earlier",
    "former",
    "latter",
    "ones",
    "result",
    "results",
    "output",
    "your",
    "you",
    "es",
    "diese",
    "dieser",
    "dieses",
    "diesen",
    "davon",
    "dazu",
    "darin",
    "damit",
    "daraus",
    "vorher",
    "oben",
    "vorige",
    "ca",
    "cela",
    "celui",
    "ceux",
    "celles",
    "precedent",
    "dessus",
    "eso",
    "esto",
    "esos",
    "ellos",
    "anterior",
];

/// Two or three words that do.
const STANDING_FOR_PHRASES: &[&str] = &[
    "that one",
    "that file",
    "that table",
    "the same",
    "as before",
    "like before",
    "last one",
    "first one",
    "second one",
    "third one",
    "the other",
    "the rest",
    "the last",
    "le meme",
    "la meme",
    "lo mismo",
    "das gleiche",
    "dasselbe",
    "wie vorher",
];

/// What says that something new begins.
const TURNING_AWAY: &[&str] = &[
    "new topic",
    "new task",
    "new question",
    "another topic",
    "different topic",
    "different question",
    "another question",
    "something else",
    "something different",
    "unrelated",
    "on another note",
    "separately",
    "switching gears",
    "switch to",
    "change of topic",
    "next task",
    "separate task",
    "by the way",
    "start over",
    "from scratch",
    "forget that",
    "forget about",
    "never mind",
    "nevermind",
    "moving on",
    "completely different",
    "neues thema",
    "andere frage",
    "neue aufgabe",
    "etwas anderes",
    "ubrigens",
    "autre chose",
    "autre sujet",
    "nouvelle tache",
    "otra cosa",
    "otro tema",
    "nueva tarea",
];

/// The same in writing without blanks, where no words are told apart.
const BACK_IN_SCRIPT: &[&str] = &[
    "继续",
    "再",
    "刚才",
    "这个",
    "那个",
    "它",
    "上面",
    "同样",
    "也",
    "还有",
    "然后",
    "改成",
    "為什麼",
    "为什么",
    "それ",
    "これ",
    "もう一度",
    "続け",
    "同じ",
    "さっき",
    "그것",
    "이것",
    "다시",
    "계속",
];
const AWAY_IN_SCRIPT: &[&str] =
    &["另外一个", "换个话题", "新的任务", "另一个问题", "別の話", "別件", "新しいタスク", "다른 질문"];

/// How many words from the beginning a word that stands for something is looked for: further on
/// it mostly stands for what the message itself names.
const NEAR: usize = 6;

/// Looks for what a message says of itself.
pub(super) fn find_clue(message: &str) -> ReadMessage {
    let words = folded_words(message, 200);
    let line = format!(" {} ", words.join(" "));
    let has = |phrase: &str| line.contains(&format!(" {phrase} "));
    let begins = |phrase: &str| line.starts_with(&format!(" {phrase} "));
    let near = &words[..words.len().min(NEAR)];
    let count = words.iter().map(|word| if word.is_ascii() { 1 } else { script_length(word) }).sum();
    let clue = if TURNING_AWAY.iter().any(|phrase| has(phrase))
        || AWAY_IN_SCRIPT.iter().any(|phrase| message.contains(phrase))
    {
        MessageClue::Away
    } else if GOING_ON.iter().any(|phrase| begins(phrase))
        || STANDING_FOR_PHRASES.iter().any(|phrase| has(phrase))
        || near.iter().any(|word| STANDING_FOR.contains(&word.as_str()))
        || BACK_IN_SCRIPT.iter().any(|phrase| message.contains(phrase))
    {
        MessageClue::Back
    } else {
        MessageClue::None
    };
    ReadMessage { clue, words: count }
}

/// What a run without blanks counts: two characters are about a word.
fn script_length(word: &str) -> usize {
    let is_script = word.chars().next().is_some_and(|c| u32::from(c) >= 0x0e00);
    if is_script { word.chars().count().div_ceil(2) } else { 1 }
}
