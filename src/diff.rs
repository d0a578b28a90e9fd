//! Words: what differs between two trees, file by file and line by line.

use std::collections::BTreeSet;

use serde::Serialize;
use similar::{ChangeTag, TextDiff};

use crate::digest::Files;
use crate::error::printable;

/// How a file differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum What {
    Added,
    Removed,
    /// Other bytes, perhaps another mode too.
    Modified,
    /// The same bytes under another mode.
    Mode,
}

impl What {
    /// The letter that git shows, with `T` for a change of mode alone.
    pub(crate) fn letter(self) -> char {
        match self {
            Self::Added => 'A',
            Self::Removed => 'D',
            Self::Modified => 'M',
            Self::Mode => 'T',
        }
    }
}

/// One file that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Change {
    pub(crate) path: String,
    pub(crate) what: What,
    /// The git modes before and after; none where the file was not, or is not any more.
    pub(crate) old_mode: Option<String>,
    pub(crate) new_mode: Option<String>,
}

/// The files that differ, in byte order of their paths.
pub(crate) fn files(old: &Files, new: &Files) -> Vec<Change> {
    let paths: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    paths.into_iter().filter_map(|path| change(path, old.get(path), new.get(path))).collect()
}

/// Compares the lines `MODE SHA256` of one path.
fn change(path: &str, old: Option<&String>, new: Option<&String>) -> Option<Change> {
    let parts = |line: &String| {
        let (mode, sha) = line.split_once(' ').unwrap_or((line, ""));
        (mode.to_owned(), sha.to_owned())
    };
    let ((old_mode, old_sha), (new_mode, new_sha)) = (old.map(parts).unzip(), new.map(parts).unzip());
    let what = match (old, new) {
        (None, _) => What::Added,
        (_, None) => What::Removed,
        _ if old_sha != new_sha => What::Modified,
        _ if old_mode != new_mode => What::Mode,
        _ => return None,
    };
    Some(Change { path: path.to_owned(), what, old_mode, new_mode })
}

/// Bytes of both sides together that are compared line by line; beyond it only sizes are
/// told. The largest real `SKILL.md` has 294,426.
const MAX_TEXT: usize = 4 * 1024 * 1024;

/// A unified diff with three lines around each change, `""` where nothing differs. An
/// empty side is shown as `/dev/null`.
///
/// The text is untrusted: control and invisible characters but the tab are escaped, so a
/// carriage return can be seen. What is not UTF-8 or holds NUL is only said to differ.
pub(crate) fn unified(path: &str, old: &[u8], new: &[u8]) -> String {
    let path = printable(path, false);
    if old == new {
        return String::new();
    }
    let sizes = format!("{} -> {} bytes", old.len(), new.len());
    if old.len() + new.len() > MAX_TEXT {
        return format!("{path}: too large to compare by line ({sizes})\n");
    }
    let (Some(old), Some(new)) = (text(old), text(new)) else {
        return format!("{path}: binary files differ ({sizes})\n");
    };
    let side = |letter: char, text: &str| match text {
        "" => "/dev/null".to_owned(),
        _ => format!("{letter}/{path}"),
    };
    let mut out = format!("--- {}\n+++ {}\n", side('a', old), side('b', new));
    // Split here, as git does, at line feeds alone: a lone carriage return ends no line.
    let (old, new): (Vec<&str>, Vec<&str>) =
        (old.split_inclusive('\n').collect(), new.split_inclusive('\n').collect());
    let diff = TextDiff::from_slices(&old, &new);
    for hunk in diff.unified_diff().context_radius(3).iter_hunks() {
        out += &format!("{}\n", hunk.header());
        for change in hunk.iter_changes() {
            let sign = match change.tag() {
                ChangeTag::Delete => '-',
                ChangeTag::Insert => '+',
                ChangeTag::Equal => ' ',
            };
            let line = change.value().strip_suffix('\n');
            out += &format!("{sign}{}\n", escaped(line.unwrap_or(change.value())));
            if line.is_none() {
                out += "\\ No newline at end of file\n";
            }
        }
    }
    out
}

fn text(bytes: &[u8]) -> Option<&str> {
    if bytes.contains(&0) { None } else { std::str::from_utf8(bytes).ok() }
}

fn escaped(line: &str) -> String {
    line.split('\t').map(|part| printable(part, false)).collect::<Vec<_>>().join("\t")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn tree(lines: &[(&str, &str)]) -> Files {
        lines.iter().map(|(path, line)| ((*path).to_owned(), (*line).to_owned())).collect()
    }

    #[test]
    fn every_kind_of_change_is_told() {
        let old = tree(&[
            ("same", "100644 1"),
            ("gone", "100644 2"),
            ("mode", "100644 3"),
            ("text", "100644 4"),
            ("both", "100644 5"),
        ]);
        let new = tree(&[
            ("same", "100644 1"),
            ("text", "100644 6"),
            ("both", "100755 7"),
            ("mode", "100755 3"),
            ("added", "120000 8"),
        ]);
        let changes = files(&old, &new);
        let shown: Vec<_> = changes.iter().map(|c| format!("{} {}", c.what.letter(), c.path)).collect();
        assert_eq!(shown, ["A added", "M both", "D gone", "T mode", "M text"]);
        assert_eq!(changes[0].old_mode, None);
        assert_eq!(
            (changes[1].old_mode.as_deref(), changes[1].new_mode.as_deref()),
            (Some("100644"), Some("100755"))
        );
        assert_eq!(files(&old, &old), []);
    }

    #[test]
    fn a_diff_reads_as_patch_prints_it() {
        for (old, new, expected) in [
            ("", "", ""),
            ("a\n", "a\n", ""),
            ("a\nb\nc\n", "a\nB\nc\n", "--- a/f\n+++ b/f\n@@ -1,3 +1,3 @@\n a\n-b\n+B\n c\n"),
            ("", "x\n", "--- /dev/null\n+++ b/f\n@@ -0,0 +1 @@\n+x\n"),
            ("x\n", "", "--- a/f\n+++ /dev/null\n@@ -1 +0,0 @@\n-x\n"),
            ("a", "a\n", "--- a/f\n+++ b/f\n@@ -1 +1 @@\n-a\n\\ No newline at end of file\n+a\n"),
            ("a\n", "a\r\n", "--- a/f\n+++ b/f\n@@ -1 +1 @@\n-a\n+a\\u{d}\n"),
            ("a\rb\n", "a\rc\n", "--- a/f\n+++ b/f\n@@ -1 +1 @@\n-a\\u{d}b\n+a\\u{d}c\n"),
            (
                "a\n",
                "\tb\u{1b}[31m\u{202e}\n",
                "--- a/f\n+++ b/f\n@@ -1 +1 @@\n-a\n+\tb\\u{1b}[31m\\u{202e}\n",
            ),
        ] {
            assert_eq!(unified("f", old.as_bytes(), new.as_bytes()), expected, "{old:?} {new:?}");
        }
    }

    #[test]
    fn what_is_no_text_is_only_said_to_differ() {
        assert_eq!(unified("f", b"\0", b"ab"), "f: binary files differ (1 -> 2 bytes)\n");
        assert_eq!(unified("f", b"a", b"\xff"), "f: binary files differ (1 -> 1 bytes)\n");
        assert_eq!(unified("f\u{7}", b"\0", b"a"), "f\\u{7}: binary files differ (1 -> 1 bytes)\n");
        let large = vec![b'a'; MAX_TEXT];
        assert!(unified("f", &large, b"b").contains("too large"));
        assert_eq!(unified("f", b"\0", b"\0"), "");
    }

    /// Lines of a diff that belong to a side give that side back, where all is context.
    fn side(diff: &str, sign: char) -> Vec<&str> {
        let lines = diff.lines().skip(2).filter(|line| !line.starts_with("@@") && !line.starts_with('\\'));
        lines.filter_map(|line| line.strip_prefix([sign, ' '])).collect()
    }

    proptest! {
        #[test]
        fn both_sides_stand_in_the_diff(
            old in proptest::collection::vec("[ab]{0,2}", 1..4),
            new in proptest::collection::vec("[ab]{0,2}", 1..4),
        ) {
            let text = |lines: &[String]| lines.iter().map(|line| format!("{line}\n")).collect::<String>();
            let diff = unified("f", text(&old).as_bytes(), text(&new).as_bytes());
            if old == new {
                prop_assert_eq!(diff, "");
            } else {
                // At most three lines a side: every line is within reach of a change.
                prop_assert_eq!(side(&diff, '-'), old);
                prop_assert_eq!(side(&diff, '+'), new);
            }
        }
    }
}
