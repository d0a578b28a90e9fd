//! Words: the listing of a tree, whatever it came out of, and the one path
//! policy that stands behind git trees, ZIP and tar archives, local folders and
//! built-in skills alike.
//!
//! Two measures are kept apart. A *hostile* path (one that escapes, is absolute,
//! spells `.git`, hides characters …) is never a [`TreePath`]; readers hand it to
//! [`Listing::refuse`], or refuse the whole archive. An *unportable* path (a
//! Windows device name, a case-fold twin …) may stand elsewhere in a repository,
//! but never inside a skill: [`check_portable`] looks at exactly the files of one.

use std::borrow::Borrow;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fmt;

use unicode_normalization::UnicodeNormalization as _;

use crate::error::{Result, fail, is_unprintable, printable};

/// Upper bounds for what is read from outside. Each default would reject nothing
/// in 4,578 measured real skills (largest: 7.5 MB, 1,104 files, depth 5); each can
/// be raised in the settings, none can be switched off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Limits {
    /// Bytes of an archive or manifest that is downloaded or read.
    pub(crate) download: u64,
    /// Bytes of a git pack.
    pub(crate) pack: u64,
    /// Bytes that an archive, or one skill, may have when unpacked.
    pub(crate) unpacked: u64,
    /// Bytes of one file.
    pub(crate) file: u64,
    /// Entries of an archive.
    pub(crate) entries: usize,
    /// Files of one skill.
    pub(crate) skill_files: usize,
    /// Folders above a file inside an archive or skill.
    pub(crate) depth: usize,
    /// Bytes of `SKILL.md`.
    pub(crate) manifest: u64,
    /// Bytes of the frontmatter inside it.
    pub(crate) frontmatter: u64,
}

const MIB: u64 = 1024 * 1024;

impl Default for Limits {
    fn default() -> Self {
        Self {
            download: 64 * MIB,
            pack: 256 * MIB,
            unpacked: 64 * MIB,
            file: 16 * MIB,
            entries: 20_000,
            skill_files: 2_000,
            depth: 32,
            manifest: MIB,
            frontmatter: 64 * 1024,
        }
    }
}

/// Bytes of a whole path; longer ones do not fit the common file systems.
pub(crate) const MAX_PATH: usize = 1_024;
/// Bytes of one name, as ext4, APFS and NTFS have it.
pub(crate) const MAX_NAME: usize = 255;

/// A relative path that cannot lead out of the folder it is joined to: `/`
/// between non-empty names, no `.` or `..`, no backslash or drive, no spelling of
/// `.git`, UTF-8 without control, bidirectional or invisible characters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct TreePath(String);

impl TreePath {
    /// Checks the bytes that a reader found. The error is the reason alone (for
    /// instance "leads out of the folder"); the caller says which entry of what.
    pub(crate) fn parse(raw: &[u8]) -> Result<Self, &'static str> {
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
            return Err("holds a backslash");
        }
        let bytes = text.as_bytes();
        if bytes.len() >= 2 && bytes[1] == b':' && bytes[0].is_ascii_alphabetic() {
            return Err("begins with a drive letter");
        }
        if text.chars().any(is_unprintable) {
            return Err("holds control or invisible characters");
        }
        for name in text.split('/') {
            check_name(name)?;
        }
        Ok(Self(text.to_owned()))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// The folder that it stands in, `""` at the top.
    pub(crate) fn folder(&self) -> &str {
        self.0.rsplit_once('/').map_or("", |(folder, _)| folder)
    }

    /// The last name.
    pub(crate) fn name(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or(&self.0)
    }

    /// How many folders stand above the last name.
    pub(crate) fn depth(&self) -> usize {
        self.0.matches('/').count()
    }

    /// This path below `folder`, which is a sound path itself.
    pub(crate) fn above(&self, folder: &str) -> Self {
        Self(format!("{folder}/{}", self.0))
    }

    /// This path seen from `folder` (`""` is the top), or `None` outside it.
    pub(crate) fn below(&self, folder: &str) -> Option<Self> {
        if folder.is_empty() {
            return Some(self.clone());
        }
        let rest = self.0.strip_prefix(folder)?.strip_prefix('/')?;
        Some(Self(rest.to_owned()))
    }
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

impl fmt::Display for TreePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl AsRef<str> for TreePath {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for TreePath {
    fn borrow(&self) -> &str {
        &self.0
    }
}

/// What stands at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Node {
    File {
        executable: bool,
    },
    /// A symbolic link with its target as written, not followed.
    Link {
        target: String,
    },
    /// Another repository (git mode 160000); never fetched.
    Submodule,
    /// A device, a pipe, a hard link …: the word says which.
    Special(&'static str),
}

impl Node {
    /// The mode in the digest and in git: `100644`, `100755` or `120000`.
    pub(crate) fn mode(&self) -> &'static str {
        match self {
            Self::File { executable: false } => "100644",
            Self::File { executable: true } => "100755",
            Self::Link { .. } => "120000",
            Self::Submodule => "160000",
            Self::Special(_) => "000000",
        }
    }
}

/// One file, link or oddity of a tree. Folders are not listed: they follow from
/// the paths, and empty ones are not part of a skill.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) path: TreePath,
    pub(crate) node: Node,
    /// Bytes of the file, or of the target for a link.
    pub(crate) size: u64,
    /// Where the owner of the bytes finds them again.
    pub(crate) slot: usize,
}

/// An entry whose path is no [`TreePath`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refused {
    /// The longest part of its folder that is a sound path, `""` at the top.
    pub(crate) folder: String,
    /// The path as found, safe to print.
    pub(crate) shown: String,
    pub(crate) reason: &'static str,
}

/// All entries of a tree in byte order of their paths, without their bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Listing {
    entries: Vec<Entry>,
    refused: Vec<Refused>,
}

impl Listing {
    /// Sorts what a reader found.
    pub(crate) fn new(mut entries: Vec<Entry>) -> Self {
        entries.sort_by(|a, b| a.path.cmp(&b.path));
        Self { entries, refused: Vec::new() }
    }

    /// Notes an entry that must not be written anywhere. It spoils the skill that
    /// it would belong to and no other.
    pub(crate) fn refuse(&mut self, raw: &[u8], reason: &'static str) {
        let shown = printable(&String::from_utf8_lossy(raw), false);
        let mut folder = String::new();
        let names: Vec<&[u8]> = raw.split(|b| *b == b'/').collect();
        for name in &names[..names.len().saturating_sub(1)] {
            let Some(sound) = TreePath::parse(name).ok() else { break };
            if !folder.is_empty() {
                folder.push('/');
            }
            folder.push_str(sound.as_str());
        }
        self.refused.push(Refused { folder, shown, reason });
    }

    pub(crate) fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Lets `learn` complete entries whose bytes have come since they were listed: their
    /// size, where their link leads. An entry for which it has a reason becomes one that must
    /// not be written anywhere.
    pub(crate) fn complete(&mut self, mut learn: impl FnMut(&mut Entry) -> Option<&'static str>) {
        let mut refused = Vec::new();
        self.entries.retain_mut(|entry| match learn(entry) {
            None => true,
            Some(reason) => {
                refused.push((entry.path.clone(), reason));
                false
            }
        });
        for (path, reason) in refused {
            self.refuse(path.as_str().as_bytes(), reason);
        }
    }

    /// The entries below `folder` (`""` is everything), with paths as they stand.
    pub(crate) fn below(&self, folder: &str) -> &[Entry] {
        if folder.is_empty() {
            return &self.entries;
        }
        // `/` sorts after `-` and `.`, so the folder's own entries are contiguous
        // under the prefix `folder/` but not directly behind `folder`.
        let prefix = format!("{folder}/");
        let start = self.entries.partition_point(|e| e.path.as_str() < prefix.as_str());
        let length = self.entries[start..].partition_point(|e| e.path.as_str().starts_with(&prefix));
        &self.entries[start..start + length]
    }

    pub(crate) fn refused_below(&self, folder: &str) -> impl Iterator<Item = &Refused> {
        self.refused.iter().filter(move |r| {
            folder.is_empty()
                || r.folder == folder
                || r.folder.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'))
        })
    }

    /// The entry at exactly this path.
    pub(crate) fn get(&self, path: &str) -> Option<&Entry> {
        let at = self.entries.binary_search_by(|e| e.path.as_str().cmp(path)).ok()?;
        Some(&self.entries[at])
    }

    /// True when something stands below `folder`.
    pub(crate) fn has_folder(&self, folder: &str) -> bool {
        !self.below(folder).is_empty()
    }
}

/// What makes names one on a file system that folds case and normal forms:
/// NFC of the full case folding of NFD.
pub(crate) fn fold(name: &str) -> String {
    if name.is_ascii() {
        // Normal forms leave ASCII alone, and folding it is lowering it.
        return name.to_ascii_lowercase();
    }
    caseless::default_case_fold_str(&name.nfd().collect::<String>()).nfc().collect()
}

/// Checks the files of one skill (paths relative to it) for what would break on
/// some file system or lead out of it: twins under [`fold`], a file where a folder
/// must be, Windows' reserved names, links that leave or dangle, submodules,
/// special files, limits of number, size and depth.
///
/// # Errors
/// `Invalid`, naming the first entry that breaks a rule and the rule.
pub(crate) fn check_portable(entries: &[Entry], limits: &Limits) -> Result<()> {
    if entries.len() > limits.skill_files {
        fail!(Invalid, "{} files: a skill may have {}", entries.len(), limits.skill_files);
    }
    let total: u64 = entries.iter().map(|e| e.size).sum();
    if total > limits.unpacked {
        fail!(Invalid, "{total} bytes: a skill may have {}", limits.unpacked);
    }
    let mut folded: BTreeMap<String, &str> = BTreeMap::new();
    let mut folders: BTreeSet<&str> = BTreeSet::new();
    for entry in entries {
        check_entry(entry, limits)?;
        for folder in ancestors(&entry.path) {
            if folders.insert(folder) {
                claim(&mut folded, folder)?;
            }
        }
    }
    for entry in entries {
        if folders.contains(entry.path.as_str()) {
            fail!(Invalid, "`{}` is a file and a folder", entry.path);
        }
        claim(&mut folded, entry.path.as_str())?;
    }
    let mut links = Links::new(entries, &folders);
    for entry in entries {
        if let Node::Link { target } = &entry.node {
            links.check(&entry.path, target)?;
        }
    }
    Ok(())
}

fn claim<'a>(folded: &mut BTreeMap<String, &'a str>, path: &'a str) -> Result<()> {
    if let Some(twin) = folded.insert(fold(path), path) {
        if twin == path {
            fail!(Invalid, "`{path}` is there twice");
        }
        fail!(Invalid, "`{twin}` and `{path}` are one name on some file systems");
    }
    Ok(())
}

/// The folders above a path, outermost first.
pub(crate) fn ancestors(path: &TreePath) -> impl Iterator<Item = &str> {
    let text = path.as_str();
    text.match_indices('/').map(move |(at, _)| &text[..at])
}

fn check_entry(entry: &Entry, limits: &Limits) -> Result<()> {
    let path = &entry.path;
    if path.depth() > limits.depth {
        fail!(Invalid, "`{path}` lies deeper than {} folders", limits.depth);
    }
    if entry.size > limits.file {
        fail!(Invalid, "`{path}` has {} bytes: a file may have {}", entry.size, limits.file);
    }
    match &entry.node {
        Node::Submodule => fail!(Invalid, "`{path}` is a git submodule, which is never fetched"),
        Node::Special(what) => fail!(Invalid, "`{path}` is a {what}: only files and links are installed"),
        Node::File { .. } | Node::Link { .. } => {}
    }
    for name in path.as_str().split('/') {
        if let Some(reason) = windows_fault(name) {
            fail!(Invalid, "`{path}` {reason}");
        }
    }
    Ok(())
}

/// Why Windows cannot have this name ("Naming Files, Paths, and Namespaces").
fn windows_fault(name: &str) -> Option<&'static str> {
    if name.ends_with(['.', ' ']) {
        return Some("ends in a dot or space, which Windows drops");
    }
    if name.contains(['<', '>', ':', '"', '|', '?', '*']) {
        return Some("holds a character that Windows does not allow in names");
    }
    let stem = name.split('.').next().unwrap_or("").trim_end().to_ascii_uppercase();
    let device = matches!(stem.as_str(), "CON" | "PRN" | "AUX" | "NUL" | "CONIN$" | "CONOUT$")
        || ["COM", "LPT"].iter().any(|port| {
            stem.strip_prefix(port).is_some_and(|n| {
                let mut digits = n.chars();
                matches!((digits.next(), digits.next()), (Some('1'..='9' | '¹' | '²' | '³'), None))
            })
        });
    device.then_some("is the name of a device on Windows")
}

/// The links of one skill. Each is followed once, however many lead to it.
struct Links<'a> {
    /// What stands at each path; of a link, what it says.
    entries: HashMap<&'a str, Option<&'a str>>,
    folders: &'a BTreeSet<&'a str>,
    /// Links that are known to lead to something.
    sound: HashSet<&'a str>,
    /// Steps from one link to what it says, for the test of how many there are.
    #[cfg(test)]
    steps: usize,
}

impl<'a> Links<'a> {
    fn new(entries: &'a [Entry], folders: &'a BTreeSet<&'a str>) -> Self {
        let target = |entry: &'a Entry| match &entry.node {
            Node::Link { target } => Some(target.as_str()),
            _ => None,
        };
        Self {
            entries: entries.iter().map(|entry| (entry.path.as_str(), target(entry))).collect(),
            folders,
            sound: HashSet::new(),
            #[cfg(test)]
            steps: 0,
        }
    }

    /// A link may point at a file or folder of the same skill by a relative path.
    ///
    /// # Errors
    /// `Invalid` for one that leaves, leads nowhere, to itself or through another link.
    fn check(&mut self, path: &'a TreePath, target: &'a str) -> Result<()> {
        let (mut at, mut target) = (path.as_str(), target);
        let mut way = HashSet::new();
        while !self.sound.contains(at) {
            if !way.insert(at) {
                fail!(Invalid, "the link `{path}` leads back to itself");
            }
            #[cfg(test)]
            {
                self.steps += 1;
            }
            let Some(resolved) = resolve_link(at, target) else {
                fail!(Invalid, "the link `{path}` -> `{}` leaves the skill", printable(target, false));
            };
            // A link may not pass *through* another link: what stands behind it on one
            // machine need not on the next.
            if let Some(through) = ancestors(&resolved).find(|above| self.link_at(above).is_some()) {
                fail!(Invalid, "the link `{path}` goes through another link, `{through}`");
            }
            match self.entries.get_key_value(resolved.as_str()) {
                Some((next, Some(says))) => (at, target) = (next, says),
                Some((_, None)) => break,
                None if self.folders.contains(resolved.as_str()) => break,
                None => {
                    fail!(Invalid, "the link `{path}` -> `{}` points at nothing", printable(target, false))
                }
            }
        }
        self.sound.extend(way);
        Ok(())
    }

    fn link_at(&self, path: &str) -> Option<&'a str> {
        self.entries.get(path).copied().flatten()
    }
}

/// `target` seen from the folder of `path`, without `.` and `..`; `None` when it is empty (as
/// of a link that was not fetched), absolute, leaves, is the top itself or is no sound path.
pub(crate) fn resolve_link(path: &str, target: &str) -> Option<TreePath> {
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
    TreePath::parse(joined.as_bytes()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(path: &str, node: Node) -> Entry {
        Entry { path: TreePath::parse(path.as_bytes()).unwrap(), node, size: 1, slot: 0 }
    }

    fn file(path: &str) -> Entry {
        entry(path, Node::File { executable: false })
    }

    fn link(path: &str, target: &str) -> Entry {
        entry(path, Node::Link { target: target.into() })
    }

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
            (b"..\\x", "holds a backslash"),
            (b"\\\\host\\share", "holds a backslash"),
            (b"a\x1b[31m", "holds control or invisible characters"),
            (b"a\0b", "holds control or invisible characters"),
            (b"a\nb", "holds control or invisible characters"),
            ("a\u{202e}b".as_bytes(), "holds control or invisible characters"),
            (b"\xff", "is not UTF-8"),
            (b".git/config", "spells `.git`"),
            (b"x/.GIT", "spells `.git`"),
            (b"git~1/x", "spells `.git`"),
            (b".git. /x", "spells `.git`"),
            (b".git::$INDEX_ALLOCATION/x", "spells `.git`"),
        ] {
            assert_eq!(TreePath::parse(raw), Err(reason), "{}", String::from_utf8_lossy(raw));
        }
        assert!(TreePath::parse(&[b'a'; 256]).is_err());
        assert!(TreePath::parse("a/".repeat(600).as_bytes()).is_err());
        for sound in ["a", "a b/c.md", "技能/x", ".github/a", ".gitignore", "..a", "a..", "x/.gitattributes"]
        {
            assert!(TreePath::parse(sound.as_bytes()).is_ok(), "{sound}");
        }
    }

    #[test]
    fn a_skill_must_fit_every_file_system() {
        let check = |entries: &[Entry]| check_portable(entries, &Limits::default());
        for bad in [
            vec![file("A.md"), file("a.md")],
            vec![file("Dir/x"), file("dir/y")],
            vec![file("caf\u{e9}"), file("cafe\u{301}")],
            vec![file("stra\u{df}e"), file("STRASSE")],
            vec![file("a"), file("a/b")],
            vec![file("x"), file("x")],
            vec![file("aux.md")],
            vec![file("COM1")],
            vec![file("lpt\u{b9}.txt")],
            vec![file("nul .txt")],
            vec![file("ab:c")],
            vec![file("dot.")],
            vec![file("space /x")],
            vec![file("what?")],
            vec![entry("sub", Node::Submodule)],
            vec![entry("dev", Node::Special("device"))],
            vec![link("l", "/etc/passwd")],
            vec![link("l", "../x")],
            vec![file("a/b"), link("a/l", "")],
            vec![file("a/b"), link("a/l", "../../x")],
            vec![link("l", "missing")],
            vec![link("a", "b"), link("b", "a")],
            vec![link("l", "l")],
            vec![link("l", ".")],
            vec![file("d/f"), link("e", "d"), link("g", "e/f")],
            vec![file("a"), link("l", "..\\a")],
        ] {
            assert!(check(&bad).is_err(), "{bad:?}");
        }
        for good in [
            vec![file("A.md"), file("b.md"), link("CLAUDE.md", "A.md")],
            vec![file("a/b"), link("a/c", "../a/b"), link("d", "a")],
            vec![file("a"), link("b", "a"), link("c", "b")],
            vec![file("common"), file("console.md"), file("com10"), file("nullable")],
        ] {
            assert_eq!(check(&good), Ok(()), "{good:?}");
        }
    }

    #[test]
    fn each_link_is_followed_once() {
        // A chain, its links sorted against its direction or with it.
        for last in [0, 19_999] {
            let name = |n: usize| format!("l{n:05}");
            let next = |n: usize| match (last, n) {
                (0, 0) | (_, 19_999) if n == last => "file".to_owned(),
                (0, n) => name(n - 1),
                (_, n) => name(n + 1),
            };
            let mut entries: Vec<Entry> = (0..20_000).map(|n| link(&name(n), &next(n))).collect();
            entries.push(file("file"));
            let folders = BTreeSet::new();
            let mut links = Links::new(&entries, &folders);
            for entry in &entries {
                if let Node::Link { target } = &entry.node {
                    links.check(&entry.path, target).unwrap();
                }
            }
            assert_eq!(links.steps, 20_000);
        }
    }

    #[test]
    fn limits_are_counted() {
        let limits = Limits { skill_files: 2, depth: 1, file: 10, unpacked: 12, ..Limits::default() };
        assert!(check_portable(&[file("a"), file("b"), file("c")], &limits).is_err());
        assert!(check_portable(&[file("a/b/c")], &limits).is_err());
        let big = |n| Entry { size: n, ..file("a") };
        assert!(check_portable(&[big(11)], &limits).is_err());
        assert!(check_portable(&[big(10), Entry { size: 3, ..file("b") }], &limits).is_err());
        assert!(check_portable(&[big(10), file("b")], &limits).is_ok());
    }

    #[test]
    fn a_folder_is_found_between_names_that_sort_around_it() {
        let listing =
            Listing::new(["a/x", "a-b/x", "a.c", "a/y", "a0"].iter().map(|p| file(p)).collect::<Vec<_>>());
        let below: Vec<_> = listing.below("a").iter().map(|e| e.path.as_str()).collect();
        assert_eq!(below, ["a/x", "a/y"]);
        assert!(listing.get("a.c").is_some());
        assert!(!listing.has_folder("a0"));
    }

    #[test]
    fn a_refused_entry_spoils_only_its_own_folder() {
        let mut listing = Listing::new(vec![file("a/SKILL.md"), file("b/SKILL.md")]);
        listing.refuse(b"a/x/../../../evil", "leads out of the folder");
        assert_eq!(listing.refused_below("a").count(), 1);
        assert_eq!(listing.refused_below("b").count(), 0);
    }
}
