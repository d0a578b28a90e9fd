//! Words of the same meaning, out of a table.

use super::terms;
use super::words::for_each_word;

/// The table; its words are folded.
const TABLE: &str = include_str!("synonyms.txt");

/// Terms that mean what `term` means. A run asks for a few words: stems are made only of lines that
/// have the beginning of one, not of the whole table.
pub(super) fn synonyms_of(term: &str) -> Vec<String> {
    let start = term.char_indices().nth(3).map_or(term.len(), |(at, _)| at);
    // A stem may end in another letter than its word: `queri`.
    let start =
        if start == term.len() { term.trim_end_matches('i') } else { term.get(..start).unwrap_or(term) };
    let mut others: Vec<String> = Vec::new();
    for line in TABLE.lines().filter(|line| !line.starts_with('#') && has_word_from(line, start)) {
        let group = terms_of_line(line);
        if group.iter().any(|word| word == term) {
            others.extend(group);
        }
    }
    others.sort_unstable();
    others.dedup();
    others.retain(|other| other != term);
    others
}

/// True where a word of the line begins so.
fn has_word_from(line: &str, start: &str) -> bool {
    let is_inside =
        |at: usize| line.as_bytes().get(..at).and_then(<[u8]>::last).is_some_and(u8::is_ascii_alphanumeric);
    line.match_indices(start).any(|(at, _)| !is_inside(at))
}

fn terms_of_line(line: &str) -> Vec<String> {
    let mut group = Vec::new();
    for_each_word(line, |_, word| {
        // A longer word of a script without blanks is several terms, which would mean less.
        if let [term] = terms::terms_of_word(word).as_slice() {
            group.push(term.clone());
        }
    });
    group
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_folded() {
        for line in TABLE.lines().filter(|line| !line.starts_with('#')) {
            assert_eq!(crate::search::words::fold_text(line), line);
        }
    }

    #[test]
    fn every_word_of_a_group_leads_to_the_others() {
        for line in TABLE.lines().filter(|line| !line.starts_with('#')) {
            let group = terms_of_line(line);
            for word in &group {
                let others = synonyms_of(word);
                assert!(
                    group.iter().all(|other| other == word || others.contains(other)),
                    "{word} of {line}"
                );
            }
        }
        assert_eq!(synonyms_of("zebra"), [""; 0]);
        assert_eq!(synonyms_of(""), [""; 0]);
    }
}
