//! What a reader has found so far, counted against the limits.

use std::str;

use ba_agent_core::listing::{FileEntry, Limits, Listing, Node};
use ba_agent_core::package::{Package, is_clutter};
use ba_agent_core::path::RelPath;

use super::Refusal;

/// Bytes of a link's target: `PATH_MAX` of Linux.
const MAX_TARGET: usize = 4_096;

/// Entries on their way into a [`Tree`].
pub(super) struct Extractor<'a> {
    limits: &'a Limits,
    entries: Vec<FileEntry>,
    folders: Vec<RelPath>,
    blobs: Vec<Vec<u8>>,
    /// Bytes that may still be unpacked.
    left: u64,
    counted: usize,
    skipped: usize,
}

impl<'a> Extractor<'a> {
    pub(super) fn new(limits: &'a Limits) -> Self {
        Self {
            limits,
            entries: Vec::new(),
            folders: Vec::new(),
            blobs: Vec::new(),
            left: limits.unpacked,
            counted: 0,
            skipped: 0,
        }
    }

    /// Notes that one more entry of any kind begins.
    ///
    /// # Errors
    /// A [`Refusal`] for more entries than the limits allow.
    pub(super) fn count_archive_entry(&mut self) -> Result<(), Refusal> {
        self.counted += 1;
        check_count(self.counted, self.limits)
    }

    /// Takes `size` bytes, which the caller then reads exactly, out of what may be unpacked.
    ///
    /// # Errors
    /// A [`Refusal`] for more bytes than the limits allow.
    pub(super) fn charge_against_limits(&mut self, name: &[u8], size: u64) -> Result<(), Refusal> {
        let (file, unpacked) = (self.limits.file, self.limits.unpacked);
        if size > file {
            let reason = format!("has {size} bytes; the limit for a file is {file}");
            return Err(Refusal::refuse_over_limit(
                Refusal::refuse_archive_entry(name, reason).reason,
                "file",
            ));
        }
        self.left = self.left.checked_sub(size).ok_or_else(|| {
            Refusal::refuse_over_limit(format!("it unpacks to more than {unpacked} bytes"), "unpacked")
        })?;
        Ok(())
    }

    /// The path of an entry, without the `./` that `tar` writes before every name when
    /// it packs the current folder.
    ///
    /// # Errors
    /// A [`Refusal`] for a name that breaks the path policy.
    pub(super) fn path(&self, name: &[u8]) -> Result<RelPath, Refusal> {
        let bare = name.strip_prefix(b"./").unwrap_or(name);
        let path = RelPath::parse(bare).map_err(|reason| {
            let refusal = Refusal::refuse_archive_entry(name, reason);
            match std::str::from_utf8(name) {
                Ok(_) => refusal,
                Err(_) => refusal.hint(
                    "its names are written in an older code page: pack it again with UTF-8 names (7-Zip: `-mcu=on`), \
                     or unpack it and install the folder",
                ),
            }
        })?;
        if path.depth() > self.limits.depth {
            let reason = format!("is more than {} folders deep", self.limits.depth);
            return Err(Refusal::refuse_over_limit(
                Refusal::refuse_archive_entry(name, reason).reason,
                "depth",
            ));
        }
        Ok(path)
    }

    /// A folder with an entry of its own; `.` and `./` are the top and no entry.
    ///
    /// # Errors
    /// A [`Refusal`] for a name that breaks the path policy.
    pub(super) fn folder(&mut self, name: &[u8]) -> Result<(), Refusal> {
        if matches!(name, b"." | b"./") {
            return Ok(());
        }
        let path = self.path(name.strip_suffix(b"/").unwrap_or(name))?;
        self.folders.push(path);
        Ok(())
    }

    pub(super) fn file(&mut self, path: RelPath, executable: bool, bytes: Vec<u8>) {
        self.keep_node_and_bytes(path, Node::File { executable }, bytes);
    }

    /// A symbolic link; one whose target cannot be told spoils the skill that holds it.
    pub(super) fn link(&mut self, path: RelPath, target: Vec<u8>) {
        match str::from_utf8(&target) {
            Ok(text) if text.len() <= MAX_TARGET && !text.is_empty() => {
                let node = Node::Link { target: text.to_owned() };
                self.keep_node_and_bytes(path, node, target);
            }
            _ => self.note_special_file(path, "link whose target is empty, too long or not UTF-8"),
        }
    }

    /// Anything else, named for a message: "device". No bytes belong to it: its slot is
    /// one that no tree has.
    pub(super) fn note_special_file(&mut self, path: RelPath, what: &'static str) {
        self.add(FileEntry { path, node: Node::Special(what), size: 0, slot: usize::MAX });
    }

    fn keep_node_and_bytes(&mut self, path: RelPath, node: Node, bytes: Vec<u8>) {
        let (size, slot) = (bytes.len() as u64, self.blobs.len());
        if self.add(FileEntry { path, node, size, slot }) {
            self.blobs.push(bytes);
        }
    }

    /// False for what the Finder added, which is left out.
    fn add(&mut self, entry: FileEntry) -> bool {
        let clutter = is_clutter(&entry.path);
        if clutter {
            self.skipped += 1;
        } else {
            self.entries.push(entry);
        }
        !clutter
    }

    /// The tree, when every name stands for one thing.
    ///
    /// # Errors
    /// A [`Refusal`] for a name that stands for two things.
    pub(super) fn finish(self) -> Result<Package, Refusal> {
        check_names(&self.entries, &self.folders)?;
        let mut tree = Package::in_memory(Listing::new(self.entries), self.blobs);
        tree.skipped = self.skipped;
        Ok(tree)
    }
}

/// Refuses more than [`Limits::entries`].
///
/// # Errors
/// A [`Refusal`] for more entries than the limits allow.
pub(super) fn check_count(count: usize, limits: &Limits) -> Result<(), Refusal> {
    if count > limits.entries {
        return Err(Refusal::refuse_over_limit(
            format!("it has more than {} entries", limits.entries),
            "entries",
        ));
    }
    Ok(())
}

/// No name twice, and none both a file and a folder. Sorted, equal names are
/// neighbours, and what lies below a file stands together at `file/`.
fn check_names(entries: &[FileEntry], folders: &[RelPath]) -> Result<(), Refusal> {
    let files = entries.iter().map(|entry| (entry.path.as_str(), true));
    let mut names: Vec<_> = files.chain(folders.iter().map(|path| (path.as_str(), false))).collect();
    names.sort_unstable();
    for ((name, is_file), (next, next_is_file)) in names.iter().zip(names.iter().skip(1)) {
        if name == next && is_file == next_is_file {
            return Err(Refusal::refuse_archive_entry(name.as_bytes(), "is listed twice"));
        }
    }
    for (name, _) in names.iter().filter(|(_, is_file)| *is_file) {
        let below = format!("{name}/");
        let next = names.partition_point(|(other, _)| *other < below.as_str());
        let is_folder = names.get(next).is_some_and(|(other, _)| other.starts_with(&below));
        if is_folder || names.binary_search(&(*name, false)).is_ok() {
            return Err(Refusal::refuse_archive_entry(name.as_bytes(), "is a file and a folder"));
        }
    }
    Ok(())
}
