//! The digest of a tree.
//!
//! For each entry in byte order of its path the line `MODE SHA256 PATH\n`; the digest is
//! the sha256 of those lines. MODE is git's (`100644`, `100755`, `120000`); SHA256 is that
//! of the bytes, for a link of its target. No path holds a line feed
//! ([`RelPath`] refuses control characters), so two trees never give one text.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha1::Sha1;
use sha2::{Digest as _, Sha256};

use crate::error::{Error, Result, error, fail, printable};
use crate::path::RelPath;

/// The sha256 of bytes as 64 lower-case hex digits.
pub fn sha256_hex(bytes: &[u8]) -> String {
    encode_hex(&Sha256::digest(bytes))
}

/// Bytes as lower-case hex digits.
pub fn encode_hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut hex = Vec::with_capacity(bytes.len() * 2);
    for byte in bytes {
        hex.extend([DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
    }
    String::from_utf8(hex).unwrap_or_default()
}

/// The id that git gives a blob: the sha1 of `blob LENGTH`, a zero byte and its bytes.
pub(crate) fn git_blob_id(bytes: &[u8]) -> String {
    let head = format!("blob {}\0", bytes.len());
    encode_hex(&Sha1::new().chain_update(head).chain_update(bytes).finalize())
}

/// True for 64 lower-case hex digits.
fn is_sha256(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

/// A digest, written `sha256:<64 hex>`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Digest(String);

impl Digest {
    /// The digest of bytes, for instance of an archive.
    pub fn of(bytes: &[u8]) -> Self {
        Self(sha256_hex(bytes))
    }

    /// The 64 hex digits alone.
    pub fn as_hex(&self) -> &str {
        &self.0
    }

    /// The digest whose bytes these are.
    pub fn from_bytes(bytes: &[u8; 32]) -> Self {
        Self(encode_hex(bytes))
    }

    /// Its bytes, which are half as many as its digits.
    pub fn to_bytes(&self) -> [u8; 32] {
        let digit =
            |digit: u8| char::from(digit).to_digit(16).and_then(|n| u8::try_from(n).ok()).unwrap_or(0);
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(self.0.as_bytes().chunks_exact(2)) {
            if let [high, low] = pair {
                *byte = digit(*high) << 4 | digit(*low);
            }
        }
        bytes
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sha256:{}", self.0)
    }
}

/// Reads `sha256:<64 hex>`, of either case.
impl FromStr for Digest {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let digits = text.trim().strip_prefix("sha256:").map(str::to_ascii_lowercase);
        match digits.filter(|digits| is_sha256(digits)) {
            Some(digits) => Ok(Self(digits)),
            None => Err(error!(Usage, "`{}` is not a valid digest", printable(text, false))
                .hint("expected `sha256:` and 64 hex digits")),
        }
    }
}

impl TryFrom<String> for Digest {
    type Error = Error;

    fn try_from(mut text: String) -> Result<Self> {
        // As this program writes it: thousands stand in a registry.
        if text.strip_prefix("sha256:").is_some_and(is_sha256) {
            text.drain(.."sha256:".len());
            return Ok(Self(text));
        }
        text.parse()
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> Self {
        digest.to_string()
    }
}

/// The lines of a digest as the registry keeps them: path to `MODE SHA256`. A map of
/// strings has the byte order that the digest wants.
pub type Files = BTreeMap<String, String>;

/// The digest of a tree of these files.
pub fn digest_of_files(files: &Files) -> Digest {
    let mut hasher = Sha256::new();
    for (path, line) in files {
        hasher.update(format!("{line} {path}\n"));
    }
    Digest(encode_hex(&hasher.finalize()))
}

/// Collects the entries of a tree, in any order, and checks each.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TreeDigest {
    files: Files,
}

impl TreeDigest {
    /// Adds an entry: its git mode, and the 64 hex digits of its bytes' sha256.
    ///
    /// # Errors
    /// `Integrity` for a mode that is not installed, for what is not a sha256, and for a path
    /// that is there already.
    pub fn add_file(&mut self, path: &RelPath, mode: &str, sha256: &str) -> Result<()> {
        if !matches!(mode, "100644" | "100755" | "120000") {
            fail!(
                Integrity,
                "`{path}` has the mode `{}`, expected 100644, 100755 or 120000",
                printable(mode, false)
            );
        }
        if !is_sha256(sha256) {
            fail!(Integrity, "the sha256 of `{path}` is not 64 lower-case hex digits");
        }
        if self.files.insert(path.as_str().to_owned(), format!("{mode} {sha256}")).is_some() {
            fail!(Integrity, "`{path}` is listed twice");
        }
        Ok(())
    }

    /// The digest of everything that was added.
    pub fn finish_digest(&self) -> Digest {
        digest_of_files(&self.files)
    }

    /// What was added.
    pub fn into_files(self) -> Files {
        self.files
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn digest(files: &[(&str, &str, &[u8])]) -> Digest {
        let mut tree = TreeDigest::default();
        for (path, mode, bytes) in files {
            tree.add_file(&RelPath::parse(path.as_bytes()).unwrap(), mode, &sha256_hex(bytes)).unwrap();
        }
        tree.finish_digest()
    }

    /// The same tree on the command line, links and modes as git has them:
    /// ```text
    /// mkdir -p t/a && cd t && printf hello > SKILL.md && printf '#!/bin/sh\n' > a/run.sh
    /// printf x > a-b && ln -s SKILL.md L && printf é > é
    /// line() { printf '%s %s %s\n' "$1" "$(sha256sum | cut -c1-64)" "$2"; }
    /// { line 120000 L < <(readlink -n L); line 100644 SKILL.md < SKILL.md; line 100644 a-b < a-b
    ///   line 100755 a/run.sh < a/run.sh; line 100644 é < é; } | sha256sum
    /// ```
    #[test]
    fn the_digest_is_what_the_shell_computes() {
        let files: [(&str, &str, &[u8]); 5] = [
            ("é", "100644", "é".as_bytes()),
            ("a/run.sh", "100755", b"#!/bin/sh\n"),
            ("a-b", "100644", b"x"),
            ("SKILL.md", "100644", b"hello"),
            ("L", "120000", b"SKILL.md"),
        ];
        assert_eq!(
            digest(&files).to_string(),
            "sha256:343730f0cc188b5539d0d3716dcb522e9ef4e0301501b4f35ad06b504d545766"
        );
        // Of no entries: `printf '' | sha256sum`.
        let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(TreeDigest::default().finish_digest().as_hex(), empty);
        assert_eq!(Digest::of(b"").as_hex(), empty);
    }

    #[test]
    fn entries_are_given_back_in_byte_order() {
        let mut tree = TreeDigest::default();
        let sha = sha256_hex(b"x");
        for path in ["b", "a/z", "a-b", "a.c", "A"] {
            tree.add_file(&RelPath::parse(path.as_bytes()).unwrap(), "100644", &sha).unwrap();
        }
        let paths: Vec<_> = tree.files.keys().collect();
        assert_eq!(paths, ["A", "a-b", "a.c", "a/z", "b"]);
        assert_eq!(tree.files["A"], format!("100644 {sha}"));
        assert_eq!(digest_of_files(&tree.files), tree.finish_digest());
    }

    #[test]
    fn what_no_tree_has_is_refused() {
        let path = RelPath::parse(b"a").unwrap();
        let sha = sha256_hex(b"x");
        let mut tree = TreeDigest::default();
        for (mode, sha) in
            [("160000", &*sha), ("644", &sha), ("100644", "abc"), ("100644", &sha.to_uppercase())]
        {
            assert!(tree.add_file(&path, mode, sha).is_err(), "{mode} {sha}");
        }
        assert!(tree.add_file(&path, "100644", &sha).is_ok());
        assert!(tree.add_file(&path, "100755", &sha).unwrap_err().message.contains("twice"));
    }

    /// `printf 'hello\n' | git hash-object --stdin`
    #[test]
    fn a_blob_has_the_id_that_git_gives_it() {
        assert_eq!(git_blob_id(b""), "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391");
        assert_eq!(git_blob_id(b"hello\n"), "ce013625030ba8dba906f756967f9e9ca394464a");
    }

    #[test]
    fn a_digest_is_checked_when_read() {
        let good = format!("sha256:{}", sha256_hex(b"x"));
        let digest: Digest = good.parse().unwrap();
        assert_eq!(digest.to_string(), good);
        assert_eq!(good.strip_prefix("sha256:"), Some(digest.as_hex()));
        assert_eq!(format!("sha256:{}", digest.as_hex().to_uppercase()).parse::<Digest>().unwrap(), digest);
        let json = serde_json::to_string(&digest).unwrap();
        assert_eq!(json, format!("\"{good}\""));
        assert_eq!(serde_json::from_str::<Digest>(&json).unwrap(), digest);
        let (bare, short, long) = (digest.as_hex(), &good[..70], format!("{good}0"));
        for bad in ["", "sha256:", bare, "md5:00", short, &long, &format!("sha256:g{}", &bare[1..])] {
            assert!(bad.parse::<Digest>().is_err(), "{bad}");
            assert!(serde_json::from_str::<Digest>(&format!("\"{bad}\"")).is_err(), "{bad}");
        }
    }

    type Row = (String, bool, Vec<u8>);

    fn of_rows(rows: &[Row]) -> Digest {
        let mode = |executable: &bool| if *executable { "100755" } else { "100644" };
        digest(&rows.iter().map(|(p, x, b)| (&**p, mode(x), &**b)).collect::<Vec<_>>())
    }

    #[test]
    fn bytes_are_half_as_many_as_digits() {
        for text in ["", "x", "another"] {
            let digest = Digest::of(text.as_bytes());
            assert_eq!(Digest::from_bytes(&digest.to_bytes()), digest);
        }
    }

    proptest! {
        #[test]
        fn order_does_not_matter_and_every_change_does(
            rows in proptest::collection::btree_map("[a-c]{1,3}(/[a-c-]{1,2}[a-c])?", (any::<bool>(), proptest::collection::vec(any::<u8>(), 0..4)), 1..6),
            at in any::<proptest::sample::Index>(),
        ) {
            let rows: Vec<Row> = rows.into_iter().map(|(p, (x, b))| (p, x, b)).collect();
            let whole = of_rows(&rows);
            let mut turned = rows.clone();
            turned.reverse();
            prop_assert_eq!(&of_rows(&turned), &whole);
            let at = at.index(rows.len());
            let changes: [fn(&mut Row); 3] = [|row| row.0.push('x'), |row| row.1 = !row.1, |row| row.2.push(0)];
            for change in changes {
                let mut changed = rows.clone();
                change(&mut changed[at]);
                prop_assert_ne!(&of_rows(&changed), &whole);
            }
            let mut fewer = rows;
            fewer.remove(at);
            prop_assert_ne!(&of_rows(&fewer), &whole);
        }
    }
}
