//! Text held against columns, by what a terminal shows and not by signs: a Chinese sign takes two,
//! an accent none, and what is seen as one sign is never cut in two.

use unicode_segmentation::UnicodeSegmentation as _;
use unicode_width::UnicodeWidthStr as _;

/// The columns that a text takes.
pub(crate) fn width_of(text: &str) -> usize {
    text.width()
}

/// The beginning of a text that fits, with `…` where something is left out.
pub(crate) fn cut_to_width(text: &str, columns: usize) -> String {
    if width_of(text) <= columns {
        return text.to_owned();
    }
    let mut out = fitting_prefix(text, columns.saturating_sub(1)).to_owned();
    if columns > 0 {
        out.push('…');
    }
    out
}

/// The end of a text that fits.
pub(crate) fn fitting_suffix(text: &str, columns: usize) -> &str {
    let mut taken = 0;
    let mut from = text.len();
    for (at, grapheme) in text.grapheme_indices(true).rev() {
        taken += width_of(grapheme);
        if taken > columns {
            break;
        }
        from = at;
    }
    text.get(from..).unwrap_or_default()
}

/// The beginning of a text that fits, bare.
fn fitting_prefix(text: &str, columns: usize) -> &str {
    let mut taken = 0;
    for (at, grapheme) in text.grapheme_indices(true) {
        taken += width_of(grapheme);
        if taken > columns {
            return text.get(..at).unwrap_or_default();
        }
    }
    text
}

/// The lines of a text, broken between words; a word that is wider than a line, as a whole
/// sentence of Chinese is, goes on in the next line.
pub(crate) fn wrap_to_width(text: &str, columns: usize) -> Vec<String> {
    let columns = columns.max(1);
    let mut lines = Vec::new();
    let mut line = String::new();
    for mut word in text.split_whitespace() {
        let room = columns.saturating_sub(width_of(&line) + usize::from(!line.is_empty()));
        if width_of(word) <= room {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
            continue;
        }
        if !line.is_empty() {
            lines.push(std::mem::take(&mut line));
        }
        while width_of(word) > columns {
            let mut head = fitting_prefix(word, columns);
            if head.is_empty() {
                // Wider than the whole line: what cannot be shown is left out.
                let widest = word.graphemes(true).next().unwrap_or(word);
                word = word.get(widest.len()..).unwrap_or_default();
                continue;
            }
            if head.len() == word.len() {
                head = word.graphemes(true).next().unwrap_or(word);
            }
            lines.push(head.to_owned());
            word = word.get(head.len()..).unwrap_or_default();
        }
        line.push_str(word);
    }
    if !line.is_empty() {
        lines.push(line);
    }
    lines
}
