//! What a message says of itself: that it goes on with what was said, or begins something new.

use crate::search::folded_words;

/// Where a message points.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum MessageClue {
    /// It refers to what was said, in so many words.
    Back,
    /// It takes something for known: `the tail`, `page 7`, `add a chart`, `too small`.
    Presumes,
    /// It says that something new begins.
    Away,
    /// It wants something made that was not there: `write a letter`.
    Creates,
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

/// Parts that are counted, and what is done to something that is there.
const PRESUMED_IN_SCRIPT: &[&str] = &["第", "把", "将", "太", "のページ", "してください", "페이지"];

/// How many words from the beginning a word that stands for something is looked for: further on
/// it mostly stands for what the message itself names.
const NEAR: usize = 6;

/// Verbs that ask for something to be made, at the beginning.
const MAKING: &[&str] = &[
    "make", "create", "write", "draft", "build", "design", "generate", "prepare", "compose", "produce",
    "develop", "give", "want", "need", "help", "plan", "start", "erstelle", "schreibe", "schreib", "baue",
    "entwirf", "mache", "mach", "lege", "brauche", "redige", "cree", "prepare", "ecris", "fais", "crea",
    "escribe", "haz", "prepara", "redacta", "necesito",
];
/// What stands before a thing that was not mentioned yet.
const INDEFINITE: &[&str] = &[
    "a", "an", "some", "another", "new", "ein", "eine", "einen", "neue", "neuen", "un", "une", "una", "des",
];
/// What stands before a thing that is known.
const DEFINITE: &[&str] = &["the", "der", "die", "das", "le", "la", "les", "el", "los", "las", "our", "my"];
/// Verbs that change something that is there, at the beginning.
const CHANGING: &[&str] = &[
    "add",
    "change",
    "replace",
    "remove",
    "delete",
    "move",
    "rename",
    "fix",
    "use",
    "put",
    "leave",
    "keep",
    "mention",
    "show",
    "hide",
    "highlight",
    "format",
    "sort",
    "shorten",
    "split",
    "rotate",
    "include",
    "exclude",
    "drop",
    "swap",
    "adjust",
    "set",
    "let",
    "try",
    "increase",
    "decrease",
    "reduce",
    "resize",
    "align",
    "center",
    "round",
    "bring",
    "export",
    "save",
    "track",
    "make",
    "address",
    "insert",
    "update",
    "correct",
    "merge",
    "group",
    "limit",
    "fuge",
    "andere",
    "ersetze",
    "entferne",
    "losche",
    "nimm",
    "setze",
    "lass",
    "zeige",
    "sortiere",
    "ajoute",
    "change",
    "remplace",
    "enleve",
    "supprime",
    "mets",
    "deplace",
    "anade",
    "cambia",
    "reemplaza",
    "quita",
    "pon",
    "mueve",
];
/// Parts of a work that a number names.
const NUMBERED: &[&str] = &[
    "page",
    "pages",
    "slide",
    "row",
    "column",
    "line",
    "clause",
    "section",
    "step",
    "chapter",
    "paragraph",
    "figure",
    "table",
    "question",
    "item",
    "seed",
    "seite",
    "zeile",
    "spalte",
    "folie",
    "kapitel",
    "ligne",
    "colonne",
    "pagina",
    "fila",
];
/// Beginnings of an opinion on what is there.
const OPINIONS: &[&str] = &[
    "i prefer",
    "i like",
    "i love",
    "i would",
    "i don t",
    "i dont",
    "we have",
    "not quite",
    "sounds",
    "seems",
];
/// Words that questions begin with.
const ASKING: &[&str] = &[
    "how", "what", "where", "when", "who", "is", "are", "does", "do", "did", "was", "were", "should", "wie",
    "wo", "wann", "ist", "sind", "comment", "ou", "quand", "est", "como", "donde", "cuando",
];

/// Looks for what a message says of itself.
pub(super) fn find_clue(message: &str) -> ReadMessage {
    let words = folded_words(message, 200);
    let line = format!(" {} ", words.join(" "));
    let count = words.iter().map(|word| if word.is_ascii() { 1 } else { script_length(word) }).sum();
    ReadMessage { clue: clue_of(message, &words, &line), words: count }
}

fn clue_of(message: &str, words: &[String], line: &str) -> MessageClue {
    let has = |phrase: &str| line.contains(&format!(" {phrase} "));
    let begins = |phrase: &str| line.starts_with(&format!(" {phrase} "));
    let in_script = |phrases: &[&str]| phrases.iter().any(|phrase| message.contains(phrase));
    let near = &words[..words.len().min(NEAR)];
    let is_of = |word: &String, list: &[&str]| list.contains(&word.as_str());
    if TURNING_AWAY.iter().any(|phrase| has(phrase)) || in_script(AWAY_IN_SCRIPT) {
        return MessageClue::Away;
    }
    if GOING_ON.iter().any(|phrase| begins(phrase))
        || STANDING_FOR_PHRASES.iter().any(|phrase| has(phrase))
        || near.iter().any(|word| is_of(word, STANDING_FOR))
        || in_script(BACK_IN_SCRIPT)
    {
        return MessageClue::Back;
    }
    if wants_something_made(words) {
        return MessageClue::Creates;
    }
    let begins_with = |list: &[&str]| words.first().is_some_and(|word| is_of(word, list));
    if names_a_file(message) {
        return MessageClue::None;
    }
    let is_question = begins_with(ASKING) || message.trim_end().ends_with(['?', '？']);
    let presumes = begins_with(DEFINITE)
        || begins_with(CHANGING)
        || is_question
        || OPINIONS.iter().any(|phrase| begins(phrase))
        || has("too")
        || has("zu")
        || names_a_part(words)
        || in_script(PRESUMED_IN_SCRIPT);
    if presumes { MessageClue::Presumes } else { MessageClue::None }
}

/// `Write a letter`, `I need a poster`, `help me write a skill`; not `make the title darker`.
fn wants_something_made(words: &[String]) -> bool {
    let is_of = |word: &String, list: &[&str]| list.contains(&word.as_str());
    let verb = words.iter().take(3).position(|word| is_of(word, MAKING));
    let Some(verb) = verb else { return false };
    let behind = words.iter().skip(verb + 1).take(4);
    for word in behind {
        if is_of(word, DEFINITE) {
            return false;
        }
        if is_of(word, INDEFINITE) {
            return true;
        }
    }
    false
}

/// `page 7`, `row 48`.
fn names_a_part(words: &[String]) -> bool {
    words
        .windows(2)
        .any(|pair| NUMBERED.contains(&pair[0].as_str()) && pair[1].bytes().all(|byte| byte.is_ascii_digit()))
}

/// A path, an address or the name of a file: it may be another one than before.
fn names_a_file(message: &str) -> bool {
    message.split_whitespace().any(|word| {
        let word = word.trim_matches(|c: char| !c.is_alphanumeric());
        let extension = word.rsplit_once('.').map_or("", |(_, extension)| extension);
        let is_extension = (2..=4).contains(&extension.len())
            && extension.bytes().all(|byte| byte.is_ascii_alphanumeric())
            && extension.bytes().any(|byte| byte.is_ascii_alphabetic());
        word.contains('/') && word.len() > 3 || is_extension
    })
}

/// What a run without blanks counts: two characters are about a word.
fn script_length(word: &str) -> usize {
    let is_script = word.chars().next().is_some_and(|c| u32::from(c) >= 0x0e00);
    if is_script { word.chars().count().div_ceil(2) } else { 1 }
}
