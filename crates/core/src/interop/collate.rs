//! The hash by which `skills` knows a folder, and the order that it needs.

use std::cmp::Ordering;

use sha2::{Digest as _, Sha256};
use unicode_normalization::{UnicodeNormalization as _, char::is_combining_mark};

use crate::error::Result;

/// The order of printable ASCII in the root of the Unicode collation as CLDR tailors it,
/// lower before upper case at the third level: what `localeCompare` of JavaScript gives.
const ORDER: &str = " _-,;:!?.'\"()[]{}@*/\\&#%`^+<=>|~$0123456789abcdefghijklmnopqrstuvwxyz";

/// `computedHash`: sha256 over path and bytes of each file without separators, sorted as
/// JavaScript's `localeCompare` does, folders `.git` and `node_modules` left out. `paths`
/// are those of files alone, relative to the skill: links are not part of it.
///
/// Exact for paths in ASCII, and for Greek, Cyrillic and Chinese names as far as they were
/// tried; ligatures, two accents on one letter and Japanese beside Korean may differ.
///
/// # Errors
/// Those of `read`, which is given each path once.
pub(super) fn computed_hash<'a>(
    paths: impl IntoIterator<Item = &'a str>,
    mut read: impl FnMut(&str) -> Result<Vec<u8>>,
) -> Result<String> {
    let mut paths: Vec<&str> = paths.into_iter().filter(|path| !is_left_out(path)).collect();
    paths.sort_by(|a, b| locale_compare(a, b));
    let mut hasher = Sha256::new();
    for path in paths {
        hasher.update(path.as_bytes());
        hasher.update(read(path)?);
    }
    Ok(hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

fn is_left_out(path: &str) -> bool {
    let folders = path.rsplit_once('/').map_or("", |(folders, _)| folders);
    folders.split('/').any(|name| matches!(name, ".git" | "node_modules"))
}

/// Two names as `localeCompare` of JavaScript orders them, see [`computed_hash`] for how far that holds.
pub fn locale_compare(a: &str, b: &str) -> Ordering {
    let (a, b) = (Weights::of(a), Weights::of(b));
    a.letters.cmp(&b.letters).then_with(|| a.marks.cmp(&b.marks)).then_with(|| a.cases.cmp(&b.cases))
}

/// The three levels: letters whatever their marks and case, then marks, then case.
#[derive(Default)]
struct Weights {
    letters: Vec<u32>,
    marks: Vec<u32>,
    cases: Vec<bool>,
}

impl Weights {
    fn of(text: &str) -> Self {
        let mut weights = Self::default();
        for c in text.nfd() {
            if is_combining_mark(c) {
                weights.marks.push(u32::from(c));
                continue;
            }
            let small = c.to_lowercase().next().unwrap_or(c);
            let known = ORDER.chars().zip(0..).find(|(k, _)| *k == small).map(|(_, n)| n);
            // Everything beyond ASCII stands behind it, by its number.
            weights.letters.push(known.unwrap_or_else(|| 1_000 + u32::from(small)));
            weights.marks.push(0);
            weights.cases.push(c != small);
        }
        weights
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What Node 20 (ICU 78) makes of the same list.
    #[test]
    fn paths_are_sorted_as_javascript_sorts_them() {
        let sorted = [
            "_x", "-x", ".x", "{x", "@x", "#x", "~x", "10", "9", "a b", "a_b", "a-b", "a.b", "a/b", "a+b",
            "a10", "a9", "aa", "aA", "Aa", "ab", "b", "B", "é", "ea", "SKILL.md", "sub_a", "sub-y", "sub.z",
            "sub/x", "sub/Z", "sub0", "α", "я", "中文", "技能",
        ];
        let mut turned = sorted;
        turned.reverse();
        turned.sort_by(|a, b| locale_compare(a, b));
        assert_eq!(turned, sorted);
    }

    /// `printf a.txtoneb/c.txttwo | sha256sum`
    #[test]
    fn paths_and_bytes_are_hashed_without_separators() {
        let files = [("b/c.txt", "two"), ("a.txt", "one"), ("node_modules/x", "no"), ("x/.git/y", "no")];
        let hash = computed_hash(files.map(|f| f.0), |path| {
            Ok(files.iter().find(|f| f.0 == path).map(|f| f.1.into()).unwrap_or_default())
        });
        assert_eq!(hash.unwrap(), "8b7ff7a779d3731be62c21c90dffe5f5ded342ac2cc31873c3fcf557f04568be");
    }

    proptest! {
        #[test]
        fn the_order_is_one(mut paths in proptest::collection::vec("[ -~]{0,6}", 0..8)) {
            for a in &paths {
                for b in &paths {
                    prop_assert_eq!(locale_compare(a, b), locale_compare(b, a).reverse());
                    prop_assert_eq!(locale_compare(a, b) == Ordering::Equal, a == b);
                }
            }
            paths.sort_by(|a, b| locale_compare(a, b));
            prop_assert!(paths.is_sorted_by(|a, b| locale_compare(a, b) != Ordering::Greater));
        }
    }
}
