//! The files of an entry: of each its mode and hash, and its size where it was recorded.
//!
//! A value is written `100644 <sha256> 1234`, without the number where nobody counted. What is
//! compared, and what the digest is made of, is `MODE SHA256` alone, so the two forms never
//! differ for anybody who looks at the map.

use std::collections::BTreeMap;
use std::ops::Deref;

use serde::de::{MapAccess, Visitor};
use serde::ser::SerializeMap as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::digest::Files;

/// Path to `MODE SHA256`, as [`Files`], and the bytes that each file had.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FileRecords {
    lines: Files,
    sizes: FileSizes,
}

/// Path to bytes of the file; of a link, those of its target.
pub type FileSizes = BTreeMap<String, u64>;

impl FileRecords {
    /// The files of a tree; sizes of other paths are not kept.
    pub fn new(lines: Files, mut sizes: FileSizes) -> Self {
        sizes.retain(|path, _| lines.contains_key(path));
        Self { lines, sizes }
    }

    /// The bytes of a file, where they were recorded.
    pub fn size_of(&self, path: &str) -> Option<u64> {
        self.sizes.get(path).copied()
    }

    /// True where a program wrote it that counts them.
    pub fn has_sizes(&self) -> bool {
        !self.sizes.is_empty()
    }

    pub(super) fn drop_sizes(&mut self) {
        self.sizes.clear();
    }
}

impl Deref for FileRecords {
    type Target = Files;

    fn deref(&self) -> &Files {
        &self.lines
    }
}

impl From<Files> for FileRecords {
    fn from(lines: Files) -> Self {
        Self { lines, sizes: FileSizes::new() }
    }
}

impl<'a> IntoIterator for &'a FileRecords {
    type Item = (&'a String, &'a String);
    type IntoIter = std::collections::btree_map::Iter<'a, String, String>;

    fn into_iter(self) -> Self::IntoIter {
        self.lines.iter()
    }
}

impl Serialize for FileRecords {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut map = to.serialize_map(Some(self.lines.len()))?;
        for (path, line) in &self.lines {
            match self.sizes.get(path) {
                Some(size) => map.serialize_entry(path, &format_args!("{line} {size}"))?,
                None => map.serialize_entry(path, line)?,
            }
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for FileRecords {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Values;
        impl<'de> Visitor<'de> for Values {
            type Value = FileRecords;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a map")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<FileRecords, A::Error> {
                let mut read = FileRecords::default();
                while let Some((path, mut line)) = map.next_entry::<String, String>()? {
                    // Of twins the last counts, as in any map.
                    match split_size(&line) {
                        Some((length, size)) => {
                            line.truncate(length);
                            read.sizes.insert(path.clone(), size);
                        }
                        None => drop(read.sizes.remove(&path)),
                    }
                    read.lines.insert(path, line);
                }
                Ok(read)
            }
        }
        from.deserialize_map(Values)
    }
}

/// Where `MODE SHA256` ends, and the size behind it. What is written in any other way than this
/// program writes it stays part of the line, which then is not that of any file.
fn split_size(line: &str) -> Option<(usize, u64)> {
    let (before, number) = line.rsplit_once(' ')?;
    let size: u64 = number.parse().ok().filter(|size: &u64| size.to_string() == number)?;
    let hash = before.split_once(' ')?.1;
    (!hash.is_empty() && !hash.contains(' ')).then_some((before.len(), size))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> FileRecords {
        serde_json::from_value(serde_json::json!({ "a": line })).unwrap()
    }

    #[test]
    fn both_forms_are_read_and_written_as_they_were() {
        for (line, expected, size) in [
            ("100644 abc", "100644 abc", None),
            ("100644 abc 0", "100644 abc", Some(0)),
            ("100755 abc 1234", "100755 abc", Some(1234)),
            ("100644 abc 18446744073709551615", "100644 abc", Some(u64::MAX)),
            // Not as it is written: left as it stands, for `verify` to find fault with.
            ("100644 abc 01", "100644 abc 01", None),
            ("100644 abc +1", "100644 abc +1", None),
            ("100644 abc -1", "100644 abc -1", None),
            ("100644 abc 18446744073709551616", "100644 abc 18446744073709551616", None),
            ("100644 abc 1 2", "100644 abc 1 2", None),
            ("100644  1", "100644  1", None),
            ("100644 1", "100644 1", None),
            ("1", "1", None),
            ("", "", None),
        ] {
            let records = read(line);
            assert_eq!((records["a"].as_str(), records.size_of("a")), (expected, size), "{line}");
            assert_eq!(serde_json::to_value(&records).unwrap()["a"], line);
        }
    }

    #[test]
    fn of_twins_the_last_counts_with_its_size() {
        for (text, size) in [(r#"{"a":"1 x 5","a":"1 x"}"#, None), (r#"{"a":"1 x","a":"1 x 7"}"#, Some(7))] {
            let records: FileRecords = serde_json::from_str(text).unwrap();
            assert_eq!((records.len(), records.size_of("a")), (1, size), "{text}");
        }
    }

    #[test]
    fn a_size_without_its_file_is_not_kept() {
        let lines = Files::from([("a".to_owned(), "100644 x".to_owned())]);
        let sizes = FileSizes::from([("a".to_owned(), 1), ("b".to_owned(), 2)]);
        let records = FileRecords::new(lines, sizes);
        assert_eq!((records.size_of("a"), records.size_of("b")), (Some(1), None));
    }
}
