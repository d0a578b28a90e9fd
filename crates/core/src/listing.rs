//! The listing of a tree, whatever it came out of: a git tree, an archive, a folder or what is
//! built in. Hostile paths are not listed: readers hand them to [`Listing::refuse_entry`], or refuse
//! the whole archive. [`check_portable`] looks at exactly the files of one skill for what some
//! system cannot have.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use crate::error::{Result, fail, printable};
use crate::path::{RelPath, ancestor_folders, fold_name, resolve_link, windows_fault};

/// Upper bounds for what is read from outside. Each default would reject nothing
/// in 4,578 measured real skills (largest: 7.5 MB, 1,104 files, depth 5); each can
/// be raised in the settings, none can be switched off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of an archive or manifest that is downloaded or read.
    pub download: u64,
    /// Bytes of a git pack.
    pub pack: u64,
    /// Bytes that an archive, or one skill, may have when unpacked.
    pub unpacked: u64,
    /// Bytes of one file.
    pub file: u64,
    /// Entries of an archive.
    pub entries: usize,
    /// Files of one skill.
    pub skill_files: usize,
    /// Folders above a file inside an archive or skill.
    pub depth: usize,
    /// Bytes of `SKILL.md`.
    pub manifest: u64,
    /// Bytes of the frontmatter inside it.
    pub frontmatter: u64,
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

/// What stands at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Node {
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
    pub fn git_mode(&self) -> &'static str {
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
pub struct FileEntry {
    pub path: RelPath,
    pub node: Node,
    /// Bytes of the file, or of the target for a link.
    pub size: u64,
    /// Where the owner of the bytes finds them again.
    pub slot: usize,
}

/// An entry whose path is not a [`RelPath`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// The longest part of its folder that is a sound path.
    pub(crate) folder: RelPath,
    /// The path as found, safe to print.
    pub shown: String,
    pub reason: &'static str,
}

/// All entries of a tree in byte order of their paths, without their bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Listing {
    entries: Vec<FileEntry>,
    refused: Vec<Refused>,
}

impl Listing {
    /// Files and links (`a -> b`) at these paths, with a byte each.
    #[cfg(test)]
    pub(crate) fn of_paths(paths: &[&str]) -> Self {
        let entry = |path: &&str| {
            let (path, node) = match path.split_once(" -> ") {
                Some((path, target)) => (path, Node::Link { target: target.to_owned() }),
                None => (*path, Node::File { executable: false }),
            };
            FileEntry { path: RelPath::parse(path.as_bytes()).unwrap(), node, size: 1, slot: 0 }
        };
        Self::new(paths.iter().map(entry).collect())
    }

    /// Sorts what a reader found.
    pub fn new(mut entries: Vec<FileEntry>) -> Self {
        entries.sort_by(|a, b| a.path.cmp(&b.path));
        Self { entries, refused: Vec::new() }
    }

    /// Notes an entry that must not be written anywhere. It spoils the skill that
    /// it would belong to and no other.
    pub fn refuse_entry(&mut self, raw: &[u8], reason: &'static str) {
        let shown = printable(&String::from_utf8_lossy(raw), false);
        self.refused.push(Refused { folder: RelPath::sound_folder_of(raw), shown, reason });
    }

    /// All entries, in byte order of their paths.
    pub fn entries(&self) -> &[FileEntry] {
        &self.entries
    }

    /// Lets `learn` complete entries whose bytes have come since they were listed: their
    /// size, where their link leads. An entry for which it has a reason becomes one that must
    /// not be written anywhere.
    pub fn complete_entries(&mut self, mut learn: impl FnMut(&mut FileEntry) -> Option<&'static str>) {
        let mut refused = Vec::new();
        self.entries.retain_mut(|entry| match learn(entry) {
            None => true,
            Some(reason) => {
                refused.push((entry.path.clone(), reason));
                false
            }
        });
        for (path, reason) in refused {
            self.refuse_entry(path.as_str().as_bytes(), reason);
        }
    }

    /// Takes the entries out for which `is_out` holds, and gives back their paths.
    pub fn leave_out(&mut self, is_out: impl Fn(&FileEntry) -> bool) -> Vec<RelPath> {
        let (out, kept) = std::mem::take(&mut self.entries).into_iter().partition(is_out);
        self.entries = kept;
        let out: Vec<FileEntry> = out;
        out.into_iter().map(|entry| entry.path).collect()
    }

    /// The entries below `folder`, with paths as they stand.
    pub fn entries_below(&self, folder: &RelPath) -> &[FileEntry] {
        if folder.is_root() {
            return &self.entries;
        }
        // `/` sorts after `-` and `.`, so the folder's own entries are contiguous
        // under the prefix `folder/` but not directly behind `folder`.
        let prefix = format!("{folder}/");
        let start = self.entries.partition_point(|e| e.path.as_str() < prefix.as_str());
        let length = self.entries[start..].partition_point(|e| e.path.as_str().starts_with(&prefix));
        &self.entries[start..start + length]
    }

    /// Entries at or below `folder` that must not be written anywhere.
    pub fn refused_below(&self, folder: &RelPath) -> impl Iterator<Item = &Refused> {
        self.refused.iter().filter(move |refused| refused.folder.starts_with(folder))
    }

    /// The entry at exactly this path.
    pub fn entry_at(&self, path: &str) -> Option<&FileEntry> {
        let at = self.entries.binary_search_by(|e| e.path.as_str().cmp(path)).ok()?;
        Some(&self.entries[at])
    }

    /// True when something stands below `folder`.
    pub fn has_folder(&self, folder: &RelPath) -> bool {
        !self.entries_below(folder).is_empty()
    }
}

/// Checks the files of one skill (paths relative to it) for what would break on
/// some file system or lead out of it: twins under `fold_name`, a file where a folder
/// must be, Windows' reserved names, links that leave or dangle, submodules,
/// special files, limits of number, size and depth.
///
/// # Errors
/// `Invalid`, naming the first entry that breaks a rule and the rule.
pub fn check_portable(entries: &[FileEntry], limits: &Limits) -> Result<()> {
    if entries.len() > limits.skill_files {
        fail!(Invalid, "{} files; the limit for a skill is {}", entries.len(), limits.skill_files);
    }
    let total: u64 = entries.iter().map(|e| e.size).sum();
    if total > limits.unpacked {
        fail!(Invalid, "{total} bytes; the limit for a skill is {}", limits.unpacked);
    }
    let mut folded: BTreeMap<String, &str> = BTreeMap::new();
    let mut folders: BTreeSet<&str> = BTreeSet::new();
    for entry in entries {
        check_entry(entry, limits)?;
        for folder in ancestor_folders(&entry.path) {
            if folders.insert(folder) {
                claim_name(&mut folded, folder)?;
            }
        }
    }
    for entry in entries {
        if folders.contains(entry.path.as_str()) {
            fail!(Invalid, "`{}` is a file and a folder", entry.path);
        }
        claim_name(&mut folded, entry.path.as_str())?;
    }
    let mut links = Links::new(entries, &folders);
    for entry in entries {
        if let Node::Link { target } = &entry.node {
            links.check_link(&entry.path, target)?;
        }
    }
    Ok(())
}

fn claim_name<'a>(folded: &mut BTreeMap<String, &'a str>, path: &'a str) -> Result<()> {
    if let Some(twin) = folded.insert(fold_name(path), path) {
        if twin == path {
            fail!(Invalid, "`{path}` is listed twice");
        }
        fail!(Invalid, "`{twin}` and `{path}` are one name on some file systems");
    }
    Ok(())
}

fn check_entry(entry: &FileEntry, limits: &Limits) -> Result<()> {
    let path = &entry.path;
    if path.depth() > limits.depth {
        fail!(Invalid, "`{path}` is more than {} folders deep", limits.depth);
    }
    if entry.size > limits.file {
        fail!(Invalid, "`{path}` has {} bytes; the limit for a file is {}", entry.size, limits.file);
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
    fn new(entries: &'a [FileEntry], folders: &'a BTreeSet<&'a str>) -> Self {
        let target = |entry: &'a FileEntry| match &entry.node {
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
    fn check_link(&mut self, path: &'a RelPath, target: &'a str) -> Result<()> {
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
            if let Some(through) = ancestor_folders(&resolved).find(|above| self.link_at(above).is_some()) {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(text: &str) -> RelPath {
        RelPath::of_folder(text).unwrap()
    }

    fn entry(path: &str, node: Node) -> FileEntry {
        FileEntry { path: folder(path), node, size: 1, slot: 0 }
    }

    fn file(path: &str) -> FileEntry {
        entry(path, Node::File { executable: false })
    }

    fn link(path: &str, target: &str) -> FileEntry {
        entry(path, Node::Link { target: target.into() })
    }

    #[test]
    fn a_skill_must_fit_every_file_system() {
        let check = |entries: &[FileEntry]| check_portable(entries, &Limits::default());
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
            let mut entries: Vec<FileEntry> = (0..20_000).map(|n| link(&name(n), &next(n))).collect();
            entries.push(file("file"));
            let folders = BTreeSet::new();
            let mut links = Links::new(&entries, &folders);
            for entry in &entries {
                if let Node::Link { target } = &entry.node {
                    links.check_link(&entry.path, target).unwrap();
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
        let big = |n| FileEntry { size: n, ..file("a") };
        assert!(check_portable(&[big(11)], &limits).is_err());
        assert!(check_portable(&[big(10), FileEntry { size: 3, ..file("b") }], &limits).is_err());
        assert!(check_portable(&[big(10), file("b")], &limits).is_ok());
    }

    #[test]
    fn a_folder_is_found_between_names_that_sort_around_it() {
        let listing =
            Listing::new(["a/x", "a-b/x", "a.c", "a/y", "a0"].iter().map(|p| file(p)).collect::<Vec<_>>());
        let below: Vec<_> = listing.entries_below(&folder("a")).iter().map(|e| e.path.as_str()).collect();
        assert_eq!(below, ["a/x", "a/y"]);
        assert!(listing.entry_at("a.c").is_some());
        assert!(!listing.has_folder(&folder("a0")));
    }

    #[test]
    fn a_refused_entry_spoils_only_its_own_folder() {
        let mut listing = Listing::new(vec![file("a/SKILL.md"), file("b/SKILL.md")]);
        listing.refuse_entry(b"a/x/../../../evil", "leads out of the folder");
        assert_eq!(listing.refused_below(&folder("a")).count(), 1);
        assert_eq!(listing.refused_below(&folder("b")).count(), 0);
    }
}
