//! The one path policy that stands behind git trees, archives, local folders and built-in
//! skills alike.
//!
//! Two measures are kept apart. A *hostile* path (one that escapes, is absolute, spells `.git`,
//! hides characters …) is never a [`RelPath`]. An *unportable* name (a Windows device, a twin
//! when case is folded …) may stand elsewhere in a repository, but never inside a skill: see
//! [`check_portable`](crate::listing::check_portable).

use std::borrow::Borrow;
use std::fmt;

use unicode_normalization::UnicodeNormalization as _;

use crate::error::is_unprintable;

/// Bytes of a whole path; longer ones do not fit the common file systems.
pub const MAX_PATH: usize = 1_024;

/// Bytes of one name, as ext4, APFS and NTFS have it.
pub(crate) const MAX_NAME: usize = 255;

/// A relative path that cannot lead out of the folder it is joined to: `/`
/// between non-empty names, no `.` or `..`, no backslash or drive, no spelling of
/// `.git`, UTF-8 without control, bidirectional or invisible characters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RelPath(String);

impl RelPath {
    /// The folder that the others are seen from. It has no name; no file can be there.
    pub(crate) const ROOT: Self = Self(String::new());

    /// Checks the bytes that a reader found. The error is the reason alone (for
    /// instance "leads out of the folder"); the caller says which entry of what.
    ///
    /// # Errors
    /// The reason why it is not such a path.
    pub fn parse(raw: &[u8]) -> Result<Self, &'static str> {
        let text = std::str::from_utf8(raw).map_err(|_| "is not UTF-8")?;
        if text.is_empty() {
            return Err("is empty");
        }
        if text.len() > MAX_PATH {
            return Err("is longer than 1,024 bytes");
        }
        if text.starts_with('/') {
            return Err("is absolute");
        }
        if text.contains('\\') {
            return Err("contains a backslash");
        }
        let bytes = text.as_bytes();
        if bytes.len() >= 2 && bytes[1] == b':' && bytes[0].is_ascii_alphabetic() {
            return Err("begins with a drive letter");
        }
        if text.chars().any(is_unprintable) {
            return Err("contains control or invisible characters");
        }
        for name in text.split('/') {
            check_name(name)?;
        }
        Ok(Self(text.to_owned()))
    }

    /// The text of the path, empty for the root.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// True for [`RelPath::ROOT`].
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// The path `below`, which is seen from this folder, as it is seen from the root.
    pub(crate) fn join(&self, below: &Self) -> Self {
        below.below(&self.0)
    }

    /// The text of the folder that it stands in, which is empty for the root.
    pub fn folder(&self) -> &str {
        self.0.rsplit_once('/').map_or("", |(folder, _)| folder)
    }

    /// The last name.
    pub fn name(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or(&self.0)
    }

    /// How many folders stand above the last name.
    pub fn depth(&self) -> usize {
        self.0.matches('/').count()
    }

    /// This path, which is seen from `folder`, as it is seen from the root.
    pub(crate) fn below(&self, folder: &str) -> Self {
        Self(join(folder, &self.0))
    }

    /// This path as it is seen from `folder`; `None` outside it.
    pub fn strip(&self, folder: &str) -> Option<Self> {
        if folder.is_empty() {
            return Some(self.clone());
        }
        let rest = self.0.strip_prefix(folder)?.strip_prefix('/')?;
        Some(Self(rest.to_owned()))
    }
}

/// Joins the texts of two relative paths, either of which may be that of the root.
pub fn join(folder: &str, below: &str) -> String {
    match (folder, below) {
        ("", path) | (path, "") => path.to_owned(),
        (folder, below) => format!("{folder}/{below}"),
    }
}

/// The texts of a folder and of those above it, up to the root.
pub fn with_ancestors(folder: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(Some(folder), |folder| {
        (!folder.is_empty()).then(|| folder.rsplit_once('/').map_or("", |(above, _)| above))
    })
}

fn check_name(name: &str) -> Result<(), &'static str> {
    match name {
        "" => return Err("has an empty part"),
        "." => return Err("has a `.` part"),
        ".." => return Err("leads out of the folder"),
        _ => {}
    }
    if name.len() > MAX_NAME {
        return Err("has a part longer than 255 bytes");
    }
    if is_dot_git(name) {
        return Err("spells `.git`");
    }
    Ok(())
}

/// Every spelling of `.git` that HFS+ or NTFS folds to it: case, trailing dots
/// and spaces, streams, the 8.3 short name (CVE-2014-9390 and its followers).
fn is_dot_git(name: &str) -> bool {
    // Nearly every name of a large repository ends here, without a copy of it.
    let is_plain = name.bytes().all(|b| matches!(b, b' '..=b'~'));
    if is_plain && !name.starts_with(['.', 'g', 'G']) {
        return false;
    }
    let visible: String = name.chars().filter(|c| !is_unprintable(*c)).collect();
    let stem = visible.split(':').next().unwrap_or("").trim_end_matches(['.', ' ']).to_lowercase();
    stem == ".git" || stem == "git~1"
}

impl fmt::Display for RelPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl PartialEq<str> for RelPath {
    fn eq(&self, other: &str) -> bool {
        self.0 == other
    }
}

impl AsRef<str> for RelPath {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for RelPath {
    fn borrow(&self) -> &str {
        &self.0
    }
}

/// What makes names one on a file system that folds case and normal forms:
/// NFC of the full case folding of NFD.
pub(crate) fn fold_name(name: &str) -> String {
    if name.is_ascii() {
        // Normal forms leave ASCII alone, and folding it is lowering it.
        return name.to_ascii_lowercase();
    }
    caseless::default_case_fold_str(&name.nfd().collect::<String>()).nfc().collect()
}

/// The folders above a path, outermost first.
pub fn ancestor_folders(path: &RelPath) -> impl Iterator<Item = &str> {
    let text = path.as_str();
    text.match_indices('/').map(move |(at, _)| &text[..at])
}

/// `target` seen from the folder of `path`, without `.` and `..`; `None` when it is empty (as
/// of a link that was not fetched), absolute, leaves, is the top itself or is not a sound path.
pub fn resolve_link(path: &str, target: &str) -> Option<RelPath> {
    let mut names: Vec<&str> = path.split('/').collect();
    names.pop();
    if target.is_empty() || target.starts_with('/') || target.contains('\\') {
        return None;
    }
    for name in target.split('/') {
        match name {
            "" | "." => {}
            ".." => {
                names.pop()?;
            }
            name => names.push(name),
        }
    }
    let joined = names.join("/");
    RelPath::parse(joined.as_bytes()).ok()
}

/// Why Windows cannot have this name ("Naming Files, Paths, and Namespaces").
pub(crate) fn windows_fault(name: &str) -> Option<&'static str> {
    if name.ends_with(['.', ' ']) {
        return Some("ends in a dot or space, which Windows drops");
    }
    if name.contains(['<', '>', ':', '"', '|', '?', '*']) {
        return Some("contains a character that Windows does not allow in names");
    }
    let stem = name.split('.').next().unwrap_or("").trim_end().to_ascii_uppercase();
    let device = matches!(stem.as_str(), "CON" | "PRN" | "AUX" | "NUL" | "CONIN$" | "CONOUT$")
        || ["COM", "LPT"].iter().any(|port| {
            stem.strip_prefix(port).is_some_and(|n| {
                let mut digits = n.chars();
                matches!((digits.next(), digits.next()), (Some('1'..='9' | '¹' | '²' | '³'), None))
            })
        });
    device.then_some("is a device name on Windows")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_paths_are_no_paths() {
        for (raw, reason) in [
            (&b"../a"[..], "leads out of the folder"),
            (b"a/../../b", "leads out of the folder"),
            (b"a/./b", "has a `.` part"),
            (b"a//b", "has an empty part"),
            (b"a/", "has an empty part"),
            (b"", "is empty"),
            (b"/etc/passwd", "is absolute"),
            (b"C:/x", "begins with a drive letter"),
            (b"c:x", "begins with a drive letter"),
            (b"..\\x", "contains a backslash"),
            (b"\\\\host\\share", "contains a backslash"),
            (b"a\x1b[31m", "contains control or invisible characters"),
            (b"a\0b", "contains control or invisible characters"),
            (b"a\nb", "contains control or invisible characters"),
            ("a\u{202e}b".as_bytes(), "contains control or invisible characters"),
            (b"\xff", "is not UTF-8"),
            (b".git/config", "spells `.git`"),
            (b"x/.GIT", "spells `.git`"),
            (b"git~1/x", "spells `.git`"),
            (b".git. /x", "spells `.git`"),
            (b".git::$INDEX_ALLOCATION/x", "spells `.git`"),
        ] {
            assert_eq!(RelPath::parse(raw), Err(reason), "{}", String::from_utf8_lossy(raw));
        }
        assert!(RelPath::parse(&[b'a'; 256]).is_err());
        assert!(RelPath::parse("a/".repeat(600).as_bytes()).is_err());
        for sound in ["a", "a b/c.md", "技能/x", ".github/a", ".gitignore", "..a", "a..", "x/.gitattributes"]
        {
            assert!(RelPath::parse(sound.as_bytes()).is_ok(), "{sound}");
        }
    }

    #[test]
    fn paths_are_joined_and_taken_apart() {
        let path = |text: &str| RelPath::parse(text.as_bytes()).unwrap();
        let (skills, pdf) = (path("skills"), path("skills/pdf"));
        assert_eq!(skills.join(&path("pdf")), pdf);
        for folder in [&skills, &pdf] {
            assert_eq!((&folder.join(&RelPath::ROOT), &RelPath::ROOT.join(folder)), (folder, folder));
            assert_eq!(folder.strip("").as_ref(), Some(folder));
        }
        assert_eq!((pdf.folder(), skills.folder(), RelPath::ROOT.folder()), ("skills", "", ""));
        assert!(RelPath::ROOT.is_root() && !skills.is_root());
        assert_eq!(pdf.strip("skills"), Some(path("pdf")));
        assert_eq!((pdf.strip("skill"), skills.strip("skills")), (None, None));
        assert_eq!(with_ancestors("a/b").collect::<Vec<_>>(), ["a/b", "a", ""]);
        assert_eq!(with_ancestors("").collect::<Vec<_>>(), [""]);
    }
}
