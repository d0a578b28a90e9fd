//! Words of a text as the search sees them: folded, with a mask of their letters, so that
//! most pairs of words are told apart without being compared.

use std::ops::Range;

use unicode_normalization::UnicodeNormalization as _;
use unicode_normalization::char::is_combining_mark;

/// Bytes of a word that are looked at; longer ones are tokens, hashes and addresses.
const LONGEST: usize = 64;

/// A folded word. `script` is true for writing without blanks between words, where a word
/// is everything up to the next blank or sign.
#[derive(Debug, Clone, Copy)]
pub(super) struct Word<'a> {
    text: &'a str,
    mask: u32,
    script: bool,
}

impl<'a> Word<'a> {
    /// A word that stands in an index.
    pub(super) fn of_term(text: &'a str) -> Self {
        Self { text, mask: letter_mask(text), script: text.chars().next().is_some_and(is_script) }
    }

    /// The folded text.
    pub(super) fn text(&self) -> &'a str {
        self.text
    }

    /// True for writing without blanks, where a word is everything up to the next sign.
    pub(super) fn is_run(&self) -> bool {
        self.script
    }
}

/// How well a word answers a term, at most 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum MatchStrength {
    None,
    /// The term may be a misspelling of it.
    Unsure(f32),
    /// It is the term, begins with it or holds it.
    Sure(f32),
}

/// A word of a query.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct QueryTerm {
    text: String,
    mask: u32,
    script: bool,
    /// Edits that a misspelling may have: none below four letters, else one, from eight two.
    edits: usize,
}

/// True for scripts that are written without blanks between words (Han, Kana, Hangul,
/// whose endings stick to the words, Thai, Lao, Khmer, Myanmar).
fn is_script(c: char) -> bool {
    matches!(c,
        '\u{0E00}'..='\u{0EFF}' | '\u{1000}'..='\u{109F}' | '\u{1780}'..='\u{17FF}' | '\u{3005}'..='\u{3007}'
        | '\u{3040}'..='\u{30FF}' | '\u{31F0}'..='\u{31FF}' | '\u{3400}'..='\u{4DBF}' | '\u{4E00}'..='\u{9FFF}'
        | '\u{AC00}'..='\u{D7AF}' | '\u{F900}'..='\u{FAFF}' | '\u{FF66}'..='\u{FF9F}' | '\u{20000}'..='\u{3FFFF}')
}

fn is_inner(c: char) -> bool {
    c.is_alphanumeric() || is_combining_mark(c)
}

/// What each byte is in a word: letters in lower case, digits, 0 for everything else.
const LETTERS: [u8; 256] = {
    let mut table = [0; 256];
    let mut byte = 0_usize;
    while byte < 128 {
        if (byte as u8).is_ascii_alphanumeric() {
            table[byte] = (byte as u8).to_ascii_lowercase();
        }
        byte += 1;
    }
    table
};

/// Calls `take` with each word of a text and its place in bytes.
pub(super) fn for_each_word(text: &str, mut take: impl FnMut(Range<usize>, Word<'_>)) {
    let bytes = text.as_bytes();
    let mut buffer = [0_u8; LONGEST];
    let mut at = 0;
    while let Some(first) = bytes.get(at) {
        let start = at;
        if LETTERS[usize::from(*first)] == 0 {
            at = if first.is_ascii() { at + 1 } else { wide_word(text, start, &mut take) };
            continue;
        }
        // Nearly all text is ASCII: its words are folded into a buffer as they are found.
        let mut mask = 0_u32;
        let mut length = 0;
        while let Some(byte) = bytes.get(at) {
            let letter = match LETTERS[usize::from(*byte)] {
                // `c++`, `c#`.
                0 if matches!(byte, b'+' | b'#') => *byte,
                0 => break,
                letter => letter,
            };
            mask |= 1 << (letter & 31);
            if let Some(slot) = buffer.get_mut(length) {
                *slot = letter;
                length += 1;
            }
            at += 1;
        }
        if bytes.get(at).is_some_and(|byte| !byte.is_ascii()) {
            at = wide_word(text, start, &mut take);
        } else {
            let folded = std::str::from_utf8(&buffer[..length]).unwrap_or_default();
            take(start..at, Word { text: folded, mask, script: false });
        }
    }
}

/// A word that begins at `start` and is not ASCII alone; returns where to go on.
fn wide_word(text: &str, start: usize, take: &mut impl FnMut(Range<usize>, Word<'_>)) -> usize {
    let rest = &text[start..];
    let Some(first) = rest.chars().next() else { return text.len() };
    if !is_inner(first) {
        return start + first.len_utf8();
    }
    let script = is_script(first);
    let ends = rest.char_indices().find(|(_, c)| !is_inner(*c) || is_script(*c) != script);
    let end = ends.map_or(rest.len(), |(at, _)| at);
    let folded = fold_text(&rest[..end]);
    take(start..start + end, Word { text: &folded, mask: letter_mask(&folded), script });
    start + end
}

/// Lower case, compatibility forms as one, Latin, Greek and Cyrillic letters without marks.
pub(super) fn fold_text(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    let mut out = String::with_capacity(text.len());
    for c in text.nfkc().flat_map(char::to_lowercase) {
        if is_script(c) {
            out.push(c);
        } else {
            out.extend(std::iter::once(c).nfd().filter(|c| !is_combining_mark(*c)));
        }
    }
    out
}

/// The words of a text with a blank between them.
pub(super) fn join_words(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for_each_word(text, |_, word| {
        if !out.is_empty() {
            out.push(' ');
        }
        out.push_str(word.text);
    });
    out
}

/// One bit for each sort of byte: two words whose masks differ in more bits than edits are
/// allowed cannot be near.
fn letter_mask(text: &str) -> u32 {
    text.bytes().fold(0, |mask, byte| mask | 1 << (byte & 31))
}

impl QueryTerm {
    /// The folded text.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// The term for a word of a query, with the edits that a misspelling of it may have.
    pub(super) fn of(word: Word<'_>) -> Self {
        let edits = match word.text.chars().count() {
            _ if word.script => 0,
            0..=3 => 0,
            4..=7 => 1,
            _ => 2,
        };
        Self { text: word.text.to_owned(), mask: word.mask, script: word.script, edits }
    }

    /// How well a word of a document answers this term. Nearly all pairs end at the first
    /// three comparisons.
    pub(super) fn match_word(&self, word: Word<'_>) -> MatchStrength {
        if self.script != word.script {
            return MatchStrength::None;
        }
        if self.script {
            return if word.text.contains(&self.text) {
                MatchStrength::Sure(0.9)
            } else {
                MatchStrength::None
            };
        }
        let missing = (self.mask & !word.mask).count_ones() as usize;
        if missing == 0
            && word.text.len() >= self.text.len()
            && let Some(strength) = self.match_inside(word.text)
        {
            return MatchStrength::Sure(strength);
        }
        let begins_alike = self.text.as_bytes().first() == word.text.as_bytes().first();
        // Three letters are three bytes or more.
        let alike = begins_alike && self.text.as_bytes().get(..3) == word.text.as_bytes().get(..3);
        let stem = if alike { self.match_stem(word.text) } else { None };
        // A letter that is not ASCII has two bytes or more.
        let limit = if word.text.is_ascii() { self.edits } else { self.edits * 2 };
        match stem {
            Some(strength) => MatchStrength::Sure(strength),
            None if missing <= limit && limit > 0 => self.match_misspelt(word, limit, begins_alike),
            None => MatchStrength::None,
        }
    }

    /// The word is the term, begins with it, or holds it.
    fn match_inside(&self, word: &str) -> Option<f32> {
        let share = share_of(self.text.len(), word.len());
        if word == self.text {
            Some(1.0)
        } else if word.starts_with(&self.text) {
            // One letter begins too many words to say much.
            Some(if self.text.len() == 1 { 0.1 } else { 0.5 + 0.4 * share })
        } else if self.text.len() >= 3 && word.contains(&self.text) {
            Some(0.2 + 0.3 * share)
        } else {
            None
        }
    }

    /// Both begin alike and differ in their endings: `optimize`, `optimizing`; `база`, `базы`.
    fn match_stem(&self, word: &str) -> Option<f32> {
        let common: usize =
            self.text.chars().zip(word.chars()).take_while(|(a, b)| a == b).map(|(c, _)| c.len_utf8()).sum();
        let longer = self.text.len().max(word.len());
        let letters = self.text.get(..common).map_or(0, |stem| stem.chars().count());
        let alike = common * 10 >= longer * 7;
        let plural = common == word.len() && self.text.len() - common <= 2;
        (letters >= 3 && (alike || plural)).then(|| 0.45 * share_of(common, longer))
    }

    /// The word is the term with a typing error or two, or begins with one.
    fn match_misspelt(&self, word: Word<'_>, limit: usize, begins_alike: bool) -> MatchStrength {
        let (length, other) = (self.text.len(), word.text.len());
        let extra = (word.mask & !self.mask).count_ones() as usize;
        if extra <= limit && other.abs_diff(length) <= limit {
            match strsim::osa_distance(&self.text, word.text) {
                0 | 1 => return MatchStrength::Unsure(0.5),
                distance if distance <= self.edits => return MatchStrength::Unsure(0.3),
                _ => {}
            }
        }
        // The beginning of a longer word, misspelt once: `kuberent` of `kubernetes`.
        let start = word.text.get(..length).filter(|_| begins_alike && length >= 5 && other > length);
        match start {
            Some(start) if strsim::osa_distance(&self.text, start) == 1 => MatchStrength::Unsure(0.25),
            _ => MatchStrength::None,
        }
    }

    /// How well a longer word answers that begins with the term or holds it.
    pub(super) fn match_longer(&self, word: Word<'_>) -> Option<f32> {
        let missing = (self.mask & !word.mask).count_ones();
        let longer = missing == 0 && word.text.len() > self.text.len() && self.script == word.script;
        if longer { self.match_inside(word.text) } else { None }
    }
}

#[expect(clippy::cast_precision_loss, reason = "lengths of words")]
fn share_of(some: usize, all: usize) -> f32 {
    if all == 0 { 0.0 } else { some as f32 / all as f32 }
}
