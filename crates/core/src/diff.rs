//! What differs between two trees, file by file and line by line.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::ops::Range;

use serde::Serialize;
use similar::{Algorithm, ChangeTag, DiffTag, capture_diff_slices, group_diff_ops};

use crate::digest::{Files, git_blob_id};
use crate::error::printable;

/// How a file differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ChangeKind {
    Added,
    Removed,
    /// Other bytes, perhaps another mode too.
    Modified,
    /// The same bytes under another mode.
    Mode,
}

impl ChangeKind {
    /// The letter that git shows, with `T` for a change of mode alone.
    pub fn status_letter(self) -> char {
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
pub struct FileDiff {
    pub path: String,
    pub what: ChangeKind,
    /// The git modes before and after; none where the file was not, or is not any more.
    pub old_mode: Option<String>,
    pub new_mode: Option<String>,
}

/// The files that differ, in byte order of their paths.
pub fn changed_files(old: &Files, new: &Files) -> Vec<FileDiff> {
    let paths: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    paths.into_iter().filter_map(|path| compare_file(path, old.get(path), new.get(path))).collect()
}

/// Compares the lines `MODE SHA256` of one path.
fn compare_file(path: &str, old: Option<&String>, new: Option<&String>) -> Option<FileDiff> {
    let parts = |line: &String| {
        let (mode, sha) = line.split_once(' ').unwrap_or((line, ""));
        (mode.to_owned(), sha.to_owned())
    };
    let ((old_mode, old_sha), (new_mode, new_sha)) = (old.map(parts).unzip(), new.map(parts).unzip());
    let what = match (old, new) {
        (None, _) => ChangeKind::Added,
        (_, None) => ChangeKind::Removed,
        _ if old_sha != new_sha => ChangeKind::Modified,
        _ if old_mode != new_mode => ChangeKind::Mode,
        _ => return None,
    };
    Some(FileDiff { path: path.to_owned(), what, old_mode, new_mode })
}

/// Bytes of both sides together that are compared line by line; beyond it only sizes are
/// told. The largest real `SKILL.md` has 294,426.
const MAX_TEXT: usize = 4 * 1024 * 1024;

/// A unified diff with three lines around each change, `""` where nothing differs. An
/// empty side is shown as `/dev/null`.
///
/// The text is untrusted: control and invisible characters but the tab are escaped, so a
/// carriage return can be seen. What is not UTF-8 or holds NUL is only said to differ.
pub fn unified_diff(path: &str, old: &[u8], new: &[u8]) -> String {
    let path = printable(path, false);
    if old == new {
        return String::new();
    }
    let sizes = format!("{} -> {} bytes", old.len(), new.len());
    if old.len() + new.len() > MAX_TEXT {
        return format!("{path}: too large to compare by line ({sizes})\n");
    }
    let (Some(old), Some(new)) = (text_of_bytes(old), text_of_bytes(new)) else {
        return format!("{path}: binary files differ ({sizes})\n");
    };
    let side = |letter: char, text: &str| match text {
        "" => "/dev/null".to_owned(),
        _ => format!("{letter}/{path}"),
    };
    let mut out = format!("--- {}\n+++ {}\n", side('a', old), side('b', new));
    let hunks = diff_hunks(old.as_bytes(), new.as_bytes());
    for line in String::from_utf8_lossy(&hunks).split_inclusive('\n') {
        out += &escape_line(line.trim_end_matches('\n'));
        out.push('\n');
    }
    out
}

/// Lines of one side that are compared in their order; beyond it only which lines there are.
const MAX_LINES: usize = 10_000;

/// The share of lines that two texts have in common, 0 to 1: twice the equal lines over all.
pub fn line_similarity(old: &str, new: &str) -> f64 {
    let (old, new): (Vec<&str>, Vec<&str>) = (old.lines().collect(), new.lines().collect());
    let all = old.len() + new.len();
    if all == 0 {
        return 1.0;
    }
    let equal: usize = if old.len().max(new.len()) > MAX_LINES {
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        old.iter().for_each(|line| *counts.entry(line).or_default() += 1);
        let is_there = |line: &&&str| match counts.get_mut(**line) {
            Some(count) if *count > 0 => {
                *count -= 1;
                true
            }
            _ => false,
        };
        new.iter().filter(is_there).count()
    } else {
        let ops = capture_diff_slices(Algorithm::Myers, &old, &new);
        ops.iter().filter(|op| op.tag() == DiffTag::Equal).map(|op| op.new_range().len()).sum()
    };
    #[expect(clippy::cast_precision_loss, reason = "line counts of files of a few megabytes")]
    let ratio = (2 * equal) as f64 / all as f64;
    ratio
}

/// The hunks of a unified diff, as bytes: nothing in them is escaped.
fn diff_hunks(old: &[u8], new: &[u8]) -> Vec<u8> {
    // Split as git does, at line feeds alone: a lone carriage return ends no line.
    let lines = |bytes: &'_ [u8]| bytes.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
    let (old, new): (Vec<Vec<u8>>, Vec<Vec<u8>>) = (lines(old), lines(new));
    let mut out = Vec::new();
    for group in group_diff_ops(capture_diff_slices(Algorithm::Myers, &old, &new), CONTEXT) {
        let (Some(first), Some(last)) = (group.first(), group.last()) else { continue };
        let span = |first: Range<usize>, last: Range<usize>| line_span(first.start, last.end - first.start);
        let (from, to) =
            (span(first.old_range(), last.old_range()), span(first.new_range(), last.new_range()));
        out.extend(format!("@@ -{from} +{to} @@\n").bytes());
        for change in group.iter().flat_map(|op| op.iter_changes(&old[..], &new[..])) {
            out.push(match change.tag() {
                ChangeTag::Delete => b'-',
                ChangeTag::Insert => b'+',
                ChangeTag::Equal => b' ',
            });
            let line = change.value_ref();
            out.extend_from_slice(line);
            if !line.ends_with(b"\n") {
                out.extend_from_slice(b"\n\\ No newline at end of file\n");
            }
        }
    }
    out
}

/// Unchanged lines around each change.
const CONTEXT: usize = 3;

/// `START,LENGTH` as a hunk's heading has it, counted from 1; from 0 where there is nothing.
fn line_span(start: usize, length: usize) -> String {
    match length {
        0 => format!("{start},0"),
        1 => format!("{}", start + 1),
        _ => format!("{},{length}", start + 1),
    }
}

/// One side of a file that differs: its git mode, and its bytes where they are compared.
#[derive(Debug, Clone, Copy)]
pub struct FileVersion<'a> {
    pub mode: &'a str,
    pub bytes: &'a [u8],
}

impl FileVersion<'_> {
    fn is_link(&self) -> bool {
        self.mode == "120000"
    }
}

/// The change of one file as `git apply` takes it, byte for byte: text of any encoding as
/// lines, everything else as git's binary patch. For a program, not for a terminal.
pub fn file_patch(path: &str, old: Option<FileVersion<'_>>, new: Option<FileVersion<'_>>) -> Vec<u8> {
    if let (Some(before), Some(after)) = (old, new)
        && before.is_link() != after.is_link()
    {
        // What becomes a link goes, and a link comes.
        return [file_patch(path, old, None), file_patch(path, None, new)].concat();
    }
    let mut out = patch_heading(path, old.map(|side| side.mode), new.map(|side| side.mode)).into_bytes();
    let bytes = |side: Option<FileVersion<'_>>| side.map_or(Vec::new(), |side| side.bytes.to_vec());
    let (before, after) = (bytes(old), bytes(new));
    if before == after {
        return out;
    }
    if before.contains(&0) || after.contains(&0) || before.len() + after.len() > MAX_TEXT {
        out.extend(binary_patch(&before, &after, old.is_some(), new.is_some()).bytes());
        return out;
    }
    let name = |letter: char, side: Option<FileVersion<'_>>| match side {
        // The tab ends a name with a space in it.
        Some(_) if path.contains(' ') => format!("{}\t", quote_path(letter, path)),
        Some(_) => quote_path(letter, path),
        None => "/dev/null".to_owned(),
    };
    out.extend(format!("--- {}\n+++ {}\n", name('a', old), name('b', new)).bytes());
    out.extend(diff_hunks(&before, &after));
    out
}

/// The lines with which git begins each file.
fn patch_heading(path: &str, old: Option<&str>, new: Option<&str>) -> String {
    let modes = match (old, new) {
        (None, Some(new)) => format!("new file mode {new}\n"),
        (Some(old), None) => format!("deleted file mode {old}\n"),
        (Some(old), Some(new)) if old != new => format!("old mode {old}\nnew mode {new}\n"),
        _ => String::new(),
    };
    format!("diff --git {} {}\n{modes}", quote_path('a', path), quote_path('b', path))
}

/// A name as git writes it: in quotes, byte by byte, where it has more than plain characters.
fn quote_path(letter: char, path: &str) -> String {
    let is_plain = |byte: u8| matches!(byte, b' '..=b'~') && byte != b'"' && byte != b'\\';
    if path.bytes().all(is_plain) {
        return format!("{letter}/{path}");
    }
    let escape = |byte: u8| match byte {
        b'"' | b'\\' => format!("\\{}", char::from(byte)),
        byte if is_plain(byte) => char::from(byte).to_string(),
        byte => format!("\\{byte:03o}"),
    };
    format!("\"{letter}/{}\"", path.bytes().map(escape).collect::<String>())
}

/// `GIT binary patch`: both sides in full, so that it can be applied either way. git wants
/// the ids of both in full then.
fn binary_patch(old: &[u8], new: &[u8], had: bool, has: bool) -> String {
    let id = |bytes: &[u8], is_there: bool| match is_there {
        true => git_blob_id(bytes),
        false => "0".repeat(40),
    };
    let (before, after) = (id(old, had), id(new, has));
    format!("index {before}..{after}\nGIT binary patch\n{}{}", binary_literal(new), binary_literal(old))
}

/// One side: its length, then 52 bytes a line of what zlib makes of it, in base 85.
fn binary_literal(bytes: &[u8]) -> String {
    let mut packer = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
    // Writing into memory cannot fail.
    let packed = packer.write_all(bytes).and_then(|()| packer.finish()).unwrap_or_default();
    let mut out = format!("literal {}\n", bytes.len());
    for line in packed.chunks(52) {
        let length = u8::try_from(line.len()).unwrap_or_default();
        out.push(char::from(if length <= 26 { b'A' + length - 1 } else { b'a' + length - 27 }));
        line.chunks(4).for_each(|four| out.push_str(&encode_base85(four)));
        out.push('\n');
    }
    out.push('\n');
    out
}

/// Up to four bytes as five digits, the missing ones being 0.
fn encode_base85(four: &[u8]) -> String {
    const DIGITS: &[u8; 85] =
        b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz!#$%&()*+-;<=>?@^_`{|}~";
    let mut number = (0..4).fold(0_u32, |sum, at| sum << 8 | u32::from(four.get(at).copied().unwrap_or(0)));
    let mut digits = [0_u8; 5];
    for digit in digits.iter_mut().rev() {
        *digit = DIGITS[(number % 85) as usize];
        number /= 85;
    }
    digits.iter().map(|digit| char::from(*digit)).collect()
}

fn text_of_bytes(bytes: &[u8]) -> Option<&str> {
    if bytes.contains(&0) { None } else { std::str::from_utf8(bytes).ok() }
}

fn escape_line(line: &str) -> String {
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
    fn the_share_of_equal_lines_is_that_of_both_sides() {
        let lines = |n: usize, text: &str| format!("{text}\n").repeat(n);
        for (old, new, ratio) in [
            (String::new(), String::new(), 1.0),
            ("a\nb\n".to_owned(), "a\nb".to_owned(), 1.0),
            ("a\nb\n".to_owned(), "b\nc\n".to_owned(), 0.5),
            (lines(8, "x"), lines(2, "y"), 0.0),
            (lines(20_000, "x"), lines(20_000, "x"), 1.0),
            (lines(20_000, "x") + &lines(20_000, "y"), lines(20_000, "y"), 2.0 / 3.0),
        ] {
            assert!((line_similarity(&old, &new) - ratio).abs() < 1e-9, "{}", line_similarity(&old, &new));
        }
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
        let changes = changed_files(&old, &new);
        let shown: Vec<_> =
            changes.iter().map(|c| format!("{} {}", c.what.status_letter(), c.path)).collect();
        assert_eq!(shown, ["A added", "M both", "D gone", "T mode", "M text"]);
        assert_eq!(changes[0].old_mode, None);
        assert_eq!(
            (changes[1].old_mode.as_deref(), changes[1].new_mode.as_deref()),
            (Some("100644"), Some("100755"))
        );
        assert_eq!(changed_files(&old, &old), []);
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
            assert_eq!(unified_diff("f", old.as_bytes(), new.as_bytes()), expected, "{old:?} {new:?}");
        }
    }

    #[test]
    fn what_is_no_text_is_only_said_to_differ() {
        assert_eq!(unified_diff("f", b"\0", b"ab"), "f: binary files differ (1 -> 2 bytes)\n");
        assert_eq!(unified_diff("f", b"a", b"\xff"), "f: binary files differ (1 -> 1 bytes)\n");
        assert_eq!(unified_diff("f\u{7}", b"\0", b"a"), "f\\u{7}: binary files differ (1 -> 1 bytes)\n");
        let large = vec![b'a'; MAX_TEXT];
        assert!(unified_diff("f", &large, b"b").contains("too large"));
        assert_eq!(unified_diff("f", b"\0", b"\0"), "");
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
            let diff = unified_diff("f", text(&old).as_bytes(), text(&new).as_bytes());
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
