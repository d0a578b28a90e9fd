//! Words of the same meaning, out of a table.

use std::collections::HashMap;
use std::sync::LazyLock;

use super::terms;
use super::words::for_each_word;

/// From a term to the others of its groups.
static GROUPS: LazyLock<HashMap<String, Vec<String>>> = LazyLock::new(|| read(include_str!("synonyms.txt")));

fn read(text: &str) -> HashMap<String, Vec<String>> {
    let mut all: HashMap<String, Vec<String>> = HashMap::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let mut group: Vec<String> = Vec::new();
        for_each_word(line, |_, word| {
            // A word of a script without blanks is one pair here, or it would be several terms.
            if let [term] = terms::of_word(word).as_slice() {
                group.push(term.clone());
            }
        });
        for term in &group {
            let others = group.iter().filter(|other| *other != term).cloned();
            all.entry(term.clone()).or_default().extend(others);
        }
    }
    all
}

/// Terms that mean what `term` means.
pub(super) fn of(term: &str) -> impl Iterator<Item = &'static str> {
    GROUPS.get(term).into_iter().flatten().map(String::as_str)
}
