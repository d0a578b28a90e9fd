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
    pub const ROOT: Self = Self(String::new());

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

    /// The folder that a text means, as registries and caches have it: an empty one is the root.
    ///
    /// # Errors
    /// The reason why it is not such a path, as [`RelPath::parse`].
    pub fn of_folder(text: &str) -> Result<Self, &'static str> {
        if text.is_empty() { Ok(Self::ROOT) } else { Self::parse(text.as_bytes()) }
    }

    /// The folder that `raw`, which is not a sound path, stands in, as far as it is one.
    pub(crate) fn sound_folder_of(raw: &[u8]) -> Self {
        let mut folder = String::new();
        let mut names = raw.split(|byte| *byte == b'/').peekable();
        while let Some(name) = names.next() {
            let Ok(sound) = Self::parse(name) else { break };
            // The last name is that of the file.
            if names.peek().is_none() || folder.len() + 1 + sound.0.len() > MAX_PATH {
                break;
            }
            if !folder.is_empty() {
                folder.push('/');
            }
            folder.push_str(&sound.0);
        }
        Self(folder)
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
    pub fn join(&self, below: &Self) -> Self {
        Self(join(&self.0, &below.0))
    }

    /// The folder of this name in it. Only for names that the program itself has: others are
    /// to be parsed.
    pub fn child(&self, name: &'static str) -> Self {
        debug_assert!(Self::parse(name.as_bytes()).is_ok(), "{name}");
        Self(join(&self.0, name))
    }

    /// Of what stands directly in this folder, that which `path` is or lies in; `None` outside it.
    pub fn child_towards(&self, path: &Self) -> Option<Self> {
        let start = match self.0.len() {
            0 => 0,
            length => path.starts_with(self).then_some(length + 1)?,
        };
        let rest = path.0.get(start..).filter(|rest| !rest.is_empty())?;
        let end = rest.find('/').map_or(path.0.len(), |length| start + length);
        Some(Self(path.0[..end].to_owned()))
    }

    /// The text of the path of a file in this folder, whatever it is called.
    pub fn file(&self, name: &str) -> String {
        join(&self.0, name)
    }

    /// The text of the folder that it stands in, which is empty for the root.
    pub fn folder(&self) -> &str {
        self.0.rsplit_once('/').map_or("", |(folder, _)| folder)
    }

    /// This folder and those above it, up to the root.
    pub fn with_parents(&self) -> impl Iterator<Item = Self> {
        with_ancestors(&self.0).map(|folder| Self(folder.to_owned()))
    }

    /// The folder that it stands in; the root for the root.
    pub fn parent(&self) -> Self {
        Self(self.folder().to_owned())
    }

    /// The last name, empty for the root.
    pub fn name(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or(&self.0)
    }

    /// The last name; `None` for the root, which has none.
    pub fn last_name(&self) -> Option<&str> {
        Some(self.name()).filter(|name| !name.is_empty())
    }

    /// How many folders stand above the last name.
    pub fn depth(&self) -> usize {
        self.0.matches('/').count()
    }

    /// True for `folder` itself and everything below it.
    pub fn starts_with(&self, folder: &Self) -> bool {
        let rest = self.0.strip_prefix(&folder.0);
        rest.is_some_and(|rest| folder.is_root() || rest.is_empty() || rest.starts_with('/'))
    }

    /// This path as it is seen from `folder`; `None` outside it and for the folder itself.
    pub fn strip(&self, folder: &Self) -> Option<Self> {
        if folder.is_root() {
            return Some(self.clone());
        }
        let rest = self.0.strip_prefix(&folder.0)?.strip_prefix('/')?;
        Some(Self(rest.to_owned()))
    }
}

/// Joins the texts of two relative paths, either of which may be that of the root.
fn join(folder: &str, below: &str) -> String {
    match (folder, below) {
        ("", path) | (path, "") => path.to_owned(),
        (folder, below) => format!("{folder}/{below}"),
    }
}

/// The texts of a folder and of those above it, up to the root.
pub(crate) fn with_ancestors(folder: &str) -> impl Iterator<Item = &str> {
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

impl PartialEq<&str> for RelPath {
    fn eq(&self, other: &&str) -> bool {
        self.0 == *other
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
            assert_eq!(folder.strip(&RelPath::ROOT).as_ref(), Some(folder));
        }
        assert_eq!((pdf.folder(), skills.folder(), RelPath::ROOT.folder()), ("skills", "", ""));
        assert!(RelPath::ROOT.is_root() && !skills.is_root());
        assert_eq!(pdf.strip(&skills), Some(path("pdf")));
        assert_eq!((pdf.strip(&path("skill")), skills.strip(&skills)), (None, None));
        assert_eq!(with_ancestors("a/b").collect::<Vec<_>>(), ["a/b", "a", ""]);
        assert_eq!(with_ancestors("").collect::<Vec<_>>(), [""]);
    }

    #[test]
    fn folders_are_paths_and_so_is_the_top() {
        let folder = |text: &str| RelPath::of_folder(text).unwrap();
        assert_eq!(RelPath::of_folder(""), Ok(RelPath::ROOT));
        assert_eq!(folder("skills/pdf"), "skills/pdf");
        for (text, reason) in [
            ("../x", "leads out of the folder"),
            ("/x", "is absolute"),
            ("x/", "has an empty part"),
            (".", "has a `.` part"),
        ] {
            assert_eq!(RelPath::of_folder(text), Err(reason), "{text}");
        }
        let (root, skills, pdf) = (RelPath::ROOT, folder("skills"), folder("skills/pdf"));
        assert_eq!((root.child("skills"), skills.child("pdf")), (skills.clone(), pdf.clone()));
        assert_eq!((root.file("SKILL.md"), pdf.file("a/b")), ("SKILL.md".into(), "skills/pdf/a/b".into()));
        assert_eq!(
            (pdf.parent(), skills.parent(), root.parent()),
            (skills.clone(), RelPath::ROOT, RelPath::ROOT)
        );
        assert_eq!(pdf.with_parents().collect::<Vec<_>>(), ["skills/pdf", "skills", ""]);
        assert_eq!((pdf.last_name(), root.last_name()), (Some("pdf"), None));
        for (path, above, expected) in [
            (&pdf, &root, true),
            (&pdf, &skills, true),
            (&pdf, &pdf, true),
            (&root, &root, true),
            (&skills, &pdf, false),
            (&root, &skills, false),
            (&folder("skills-b/x"), &skills, false),
        ] {
            assert_eq!(path.starts_with(above), expected, "{path} {above}");
        }
        let towards =
            |folder: &RelPath, path: &RelPath| folder.child_towards(path).map(|path| path.to_string());
        assert_eq!(towards(&root, &pdf).as_deref(), Some("skills"));
        assert_eq!(towards(&skills, &folder("skills/pdf/x/y")).as_deref(), Some("skills/pdf"));
        assert_eq!(towards(&skills, &pdf).as_deref(), Some("skills/pdf"));
        for (folder, path) in
            [(&pdf, &pdf), (&pdf, &skills), (&root, &root), (&skills, &folder("skills-b/x"))]
        {
            assert_eq!(towards(folder, path), None, "{folder} {path}");
        }
    }

    #[test]
    fn of_an_unsound_path_the_sound_folders_remain() {
        for (raw, expected) in [
            (&b"a/x/../../../evil"[..], "a/x"),
            (b"a/b\\c", "a"),
            (b"a/b/.git/config", "a/b"),
            (b"../a/b", ""),
            (b"/a/b", ""),
            (b"\xff", ""),
            (b"", ""),
        ] {
            assert_eq!(RelPath::sound_folder_of(raw), expected, "{}", String::from_utf8_lossy(raw));
        }
        let long = RelPath::sound_folder_of("a/".repeat(100_000).as_bytes());
        assert!(RelPath::parse(long.as_str().as_bytes()).is_ok());
    }
}
