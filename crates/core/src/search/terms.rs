//! Terms: what of a text is written into an index and looked up in it. A word is its English
//! stem, so that `queries` finds `query`; writing without blanks between words is taken
//! apart into its pairs of neighbouring characters, so that 数据分析 finds 分析数据.

use std::collections::HashSet;
use std::sync::LazyLock;

use frostem::{Algorithm, Stemmer};

use super::words::Word;

/// Bytes of a term; what is longer is cut.
pub(super) const LONGEST: usize = 64;

static STOP_WORDS: LazyLock<HashSet<&'static str>> = LazyLock::new(|| {
    let lines = include_str!("stopwords.txt").lines().filter(|line| !line.starts_with('#'));
    lines.flat_map(str::split_whitespace).collect()
});

/// True for a word that questions are built with, such as `the`, `how` and `please`.
pub(super) fn is_stop_word(word: &str) -> bool {
    STOP_WORDS.contains(word)
}

/// The term of a folded word that is written with blanks around it.
pub(super) fn stem_word(word: &str) -> String {
    let word = cut_to_longest(word);
    // `c++` and numbers have no endings, and other alphabets not the English ones.
    if !word.bytes().all(|byte| byte.is_ascii_lowercase()) {
        return word.to_owned();
    }
    Stemmer::new(Algorithm::English).stem(word).into_owned()
}

/// The pairs of neighbouring characters of a run without blanks; a single character is itself.
pub(super) fn character_pairs(run: &str) -> impl Iterator<Item = &str> {
    let second = run.char_indices().nth(1).map(|(at, _)| at);
    let starts = run.char_indices().map(|(at, _)| at);
    let ends = run.char_indices().map(|(at, c)| at + c.len_utf8()).skip(1);
    let alone = if second.is_none() && !run.is_empty() { Some(run) } else { None };
    alone.into_iter().chain(starts.zip(ends).filter_map(|(start, end)| run.get(start..end)))
}

/// The terms of a word, each as it is looked up.
pub(super) fn terms_of_word(word: Word<'_>) -> Vec<String> {
    if word.is_run() {
        character_pairs(word.text()).map(str::to_owned).collect()
    } else {
        vec![stem_word(word.text())]
    }
}

/// The beginning of a text, of at most [`LONGEST`] bytes.
fn cut_to_longest(word: &str) -> &str {
    if word.len() <= LONGEST {
        return word;
    }
    let ends = word.char_indices().map(|(at, c)| at + c.len_utf8());
    word.get(..ends.take_while(|end| *end <= LONGEST).last().unwrap_or(0)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::search::words::fold_text;

    #[test]
    fn words_end_and_runs_fall_into_pairs() {
        let check = |word: &str, expected: &str| assert_eq!(stem_word(word), expected);
        check("queries", "queri");
        check("query", "queri");
        check("c++", "c++");
        check("k8s", "k8s");
        check("данных", "данных");
        check("", "");
        assert_eq!(character_pairs("数据分析").collect::<Vec<_>>(), ["数据", "据分", "分析"]);
        assert_eq!(character_pairs("数").collect::<Vec<_>>(), ["数"]);
        assert_eq!(character_pairs("").count(), 0);
        assert!(STOP_WORDS.iter().all(|word| fold_text(word) == *word));
        assert!(is_stop_word("the") && is_stop_word(&fold_text("für")) && !is_stop_word("sql"));
    }
}
