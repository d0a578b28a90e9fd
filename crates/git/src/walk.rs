//! Git trees into a [`Listing`]. Trees are taken apart here, byte by byte:
//! libgit2 would hide twins, and its checkout would apply attributes and write links.

use std::collections::{BTreeMap, BTreeSet};

use git2::{ObjectType, Oid};
use jiff::Timestamp;

use crate::objects::GitObjects;
use ba_agent_core::error::{Error, Result, error, fail, printable};
use ba_agent_core::listing::{FileEntry, Listing, Node};
use ba_agent_core::package::is_clutter;
use ba_agent_core::path::{MAX_PATH, RelPath, ancestor_folders};
use ba_agent_core::text::find_nearest;

/// Entries and folders of a repository together; a tree may name another ten times, and
/// so on ("git bomb": ten levels are 10^10 files). The largest real one measured has 12,203.
const MOST_ENTRIES: usize = 500_000;
/// Folders above a file, in a repository. What lies deeper is refused, not followed.
const DEEPEST: usize = 64;
/// Bytes of one tree object; 500,000 entries need less.
const LARGEST_TREE: u64 = 64 * 1024 * 1024;
/// Bytes of the target of a link, as Linux has it (`PATH_MAX`).
const LONGEST_LINK: u64 = 4_096;

/// One line of a tree object.
struct Line<'a> {
    mode: &'a [u8],
    name: &'a [u8],
    id: Oid,
}

/// Takes a tree object apart: `MODE SP NAME NUL` and 20 bytes of id, again and again.
fn parse_tree_lines(tree: &[u8]) -> Result<Vec<Line<'_>>> {
    let mut lines = Vec::new();
    let mut rest = tree;
    while !rest.is_empty() {
        let line = rest.iter().position(|b| *b == b' ').and_then(|space| {
            let (mode, tail) = (&rest[..space], &rest[space + 1..]);
            let nul = tail.iter().position(|b| *b == 0)?;
            let id = Oid::from_bytes(tail.get(nul + 1..nul + 21)?).ok()?;
            rest = tail.get(nul + 21..)?;
            Some(Line { mode, name: &tail[..nul], id })
        });
        let Some(line) = line else { fail!(Integrity, "a tree object is cut off") };
        lines.push(line);
    }
    Ok(lines)
}

/// What a walk found so far.
#[derive(Default)]
struct TreeWalk {
    entries: Vec<FileEntry>,
    refused: Vec<(Vec<u8>, &'static str)>,
    ids: Vec<Oid>,
    folders: BTreeMap<String, Oid>,
    seen: usize,
}

/// A tree, listed.
#[derive(Debug)]
pub(crate) struct TreeListing {
    pub(crate) listing: Listing,
    /// The blob behind each slot of the listing.
    pub(crate) ids: Vec<Oid>,
    /// The tree behind each folder that was walked through: an installation of n skills
    /// asks for n of them, and each may stand among n neighbours.
    pub(crate) folders: BTreeMap<String, Oid>,
}

/// Lists the tree `root`, or of it only what lies below `folder`, the paths being those
/// from `root` in either case. Slot `n` of an entry is the blob `ids[n]`. A blob that is not
/// there has 0 bytes, and a link whose blob is not there an empty target, see [`complete_entry`].
///
/// # Errors
/// `NotFound` without that folder, `Invalid` for more than 500,000 entries, `Integrity`
/// for trees that are missing or broken.
pub(crate) fn list_tree(objects: &GitObjects, root: Oid, folder: Option<&RelPath>) -> Result<TreeListing> {
    list_up_to(MOST_ENTRIES, objects, root, folder)
}

/// As [`list_tree`], with another limit of entries and folders.
///
/// # Errors
/// Those of [`list_tree`].
pub(super) fn list_up_to(
    most: usize,
    objects: &GitObjects,
    root: Oid,
    folder: Option<&RelPath>,
) -> Result<TreeListing> {
    let top = match folder {
        None => root,
        Some(folder) => match folder_id(objects, root, folder.as_str())? {
            Some(id) => id,
            None => return Err(no_folder(objects, root, folder)),
        },
    };
    let mut walk = TreeWalk::default();
    let start = folder.map_or_else(Vec::new, |folder| folder.as_str().as_bytes().to_vec());
    let mut pending = vec![(start, top, 0)];
    while let Some((path, id, depth)) = pending.pop() {
        let tree = objects.read(id, ObjectType::Tree, LARGEST_TREE)?;
        for line in parse_tree_lines(&tree)? {
            walk.seen += 1;
            if walk.seen > most {
                return Err(error!(Invalid, "the repository lists more than {most} files and folders")
                    .hint("name the folder of the skill with `--subdirectory`"));
            }
            if let Some(folder) = walk.take(objects, &path, &line, depth)? {
                pending.push((folder, line.id, depth + 1));
            }
        }
        // A folder that is followed has a sound path, so this loses nothing.
        walk.folders.insert(String::from_utf8_lossy(&path).into_owned(), id);
    }
    let mut listing = Listing::new(walk.entries);
    for (raw, reason) in walk.refused {
        listing.refuse_entry(&raw, reason);
    }
    Ok(TreeListing { listing, ids: walk.ids, folders: walk.folders })
}

impl TreeWalk {
    /// Notes one line of the tree at `folder`; the path of a folder that is to be
    /// followed comes back.
    fn take(
        &mut self,
        objects: &GitObjects,
        folder: &[u8],
        line: &Line,
        depth: usize,
    ) -> Result<Option<Vec<u8>>> {
        let mut raw = folder.to_vec();
        if !raw.is_empty() {
            raw.push(b'/');
        }
        raw.extend_from_slice(line.name);
        let path = match RelPath::parse(&raw) {
            _ if line.name.contains(&b'/') => Err("has a slash inside a name"),
            Ok(_) if depth >= DEEPEST => Err("is more than 64 folders deep"),
            other => other,
        };
        let path = match path {
            Ok(path) => path,
            Err(reason) => {
                // Long enough to be recognised; a hostile name may have megabytes.
                raw.truncate(MAX_PATH + 1);
                self.refused.push((raw, reason));
                return Ok(None);
            }
        };
        // Left out as the archive and folder readers leave it out, so that a skill has one
        // digest whatever it comes in.
        if is_clutter(&path) {
            return Ok(None);
        }
        let node = match line.mode {
            b"40000" | b"040000" => return Ok(Some(raw)),
            b"100755" => Node::File { executable: true },
            b"120000" => Node::Link { target: String::new() },
            b"160000" => Node::Submodule,
            mode if mode.starts_with(b"100") => Node::File { executable: false },
            _ => Node::Special("thing of unknown mode"),
        };
        let mut entry = FileEntry { path, node, size: 0, slot: self.ids.len() };
        if let Some(reason) = complete_entry(objects, line.id, &mut entry)? {
            self.refused.push((raw, reason));
            return Ok(None);
        }
        self.entries.push(entry);
        self.ids.push(line.id);
        Ok(None)
    }
}

/// Completes an entry by its blob: the size of a file, where a link leads. One whose blob is
/// missing stays as it is and is an error when it is read: only the skill that it belongs
/// to shall fail. A reason comes back for an entry that must not be written anywhere.
///
/// # Errors
/// `Integrity` for a blob that is broken.
pub(super) fn complete_entry(
    objects: &GitObjects,
    id: Oid,
    entry: &mut FileEntry,
) -> Result<Option<&'static str>> {
    const UNSOUND: Option<&str> = Some("is a link without a valid target");
    let is_link = match entry.node {
        Node::File { .. } => false,
        Node::Link { .. } => true,
        Node::Submodule | Node::Special(_) => return Ok(None),
    };
    let Some(size) = objects.size(id)? else { return Ok(None) };
    entry.size = size;
    if !is_link {
        return Ok(None);
    }
    if size > LONGEST_LINK {
        return Ok(UNSOUND);
    }
    match String::from_utf8(objects.read(id, ObjectType::Blob, LONGEST_LINK)?) {
        Ok(target) => entry.node = Node::Link { target },
        Err(_) => return Ok(UNSOUND),
    }
    Ok(None)
}

/// The error for a folder that is not there, with the nearest one that is.
fn no_folder(objects: &GitObjects, root: Oid, folder: &RelPath) -> Error {
    let error = error!(NotFound, "there is no folder `{folder}` in the repository");
    let Ok(TreeListing { listing, .. }) = list_tree(objects, root, None) else { return error };
    let folders: BTreeSet<&str> =
        listing.entries().iter().flat_map(|entry| ancestor_folders(&entry.path)).collect();
    match find_nearest(folder.as_str(), folders.into_iter()) {
        Some(near) => error.hint(format!("did you mean `{near}`?")),
        None => error.hint("`ba-agent skill show SOURCE` lists its skills with their folders"),
    }
}

/// The id of the tree at `folder` (`""` is `root` itself); `None` when it is not there
/// or no folder.
///
/// # Errors
/// `Integrity` for trees that are missing or broken.
pub(crate) fn folder_id(objects: &GitObjects, root: Oid, folder: &str) -> Result<Option<Oid>> {
    let mut id = root;
    for name in folder.split('/').filter(|name| !name.is_empty()) {
        let tree = objects.read(id, ObjectType::Tree, LARGEST_TREE)?;
        let next = parse_tree_lines(&tree)?.into_iter().find(|line| line.name == name.as_bytes());
        match next.filter(|line| matches!(line.mode, b"40000" | b"040000")) {
            Some(line) => id = line.id,
            None => return Ok(None),
        }
    }
    Ok(Some(id))
}

/// The trees that a tree names.
///
/// # Errors
/// `Integrity` for what is no tree.
pub(crate) fn folders_of(tree: &[u8]) -> Result<Vec<Oid>> {
    let folders =
        parse_tree_lines(tree)?.into_iter().filter(|line| matches!(line.mode, b"40000" | b"040000"));
    Ok(folders.map(|line| line.id).collect())
}

/// The folders in a tree, by name.
///
/// # Errors
/// `Integrity` for a tree that is missing or broken.
pub(crate) fn list_subfolders(objects: &GitObjects, tree: Oid) -> Result<Vec<(Vec<u8>, Oid)>> {
    let bytes = objects.read(tree, ObjectType::Tree, LARGEST_TREE)?;
    let folders =
        parse_tree_lines(&bytes)?.into_iter().filter(|line| matches!(line.mode, b"40000" | b"040000"));
    Ok(folders.map(|line| (line.name.to_vec(), line.id)).collect())
}

/// The parents of a commit object: the `parent ID` lines behind the first.
pub(crate) fn parents_of(commit: &[u8]) -> Vec<Oid> {
    let lines = commit.split(|b| *b == b'\n').skip(1);
    let ids = lines.map_while(|line| std::str::from_utf8(line).ok()?.strip_prefix("parent "));
    ids.filter_map(|id| Oid::from_str(id).ok()).collect()
}

/// When a commit was made, by its own word: the seconds behind the `committer` of a commit
/// object. `None` where there are none, or none that a calendar has.
pub(crate) fn committed_at(commit: &[u8]) -> Option<Timestamp> {
    let mut head = commit.split(|b| *b == b'\n').take_while(|line| !line.is_empty());
    let line = std::str::from_utf8(head.find_map(|line| line.strip_prefix(b"committer "))?).ok()?;
    let (_, time) = line.rsplit_once('>')?;
    Timestamp::from_second(time.split_whitespace().next()?.parse().ok()?).ok()
}

/// Signs of a subject that are kept; longer ones are no line any more.
const LONGEST_SUBJECT: usize = 200;

/// The first line of a commit's message. Untrusted text of any kind.
pub(crate) fn subject_of(commit: &[u8]) -> String {
    let end = commit.windows(2).position(|pair| pair == b"\n\n").unwrap_or(commit.len());
    let message = String::from_utf8_lossy(commit.get(end..).unwrap_or_default());
    let first = message.lines().map(str::trim).find(|line| !line.is_empty());
    first.unwrap_or("(no message)").chars().take(LONGEST_SUBJECT).collect()
}

/// The tree of a commit object; the first line of one is `tree ID`.
///
/// # Errors
/// `Integrity` for a commit without.
pub(crate) fn tree_of(commit: &[u8]) -> Result<Oid> {
    let line = commit.split(|b| *b == b'\n').next().unwrap_or_default();
    let text = std::str::from_utf8(line).ok().and_then(|text| text.strip_prefix("tree "));
    text.and_then(|id| Oid::from_str(id).ok()).ok_or_else(|| {
        error!(
            Integrity,
            "a commit object begins with `{}`",
            printable(&String::from_utf8_lossy(&line[..line.len().min(60)]), false)
        )
    })
}
