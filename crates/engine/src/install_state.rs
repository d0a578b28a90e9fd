//! World: the state of install folders on the disk, and how it differs from the registry.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read as _;
use std::path::{Path, PathBuf};

use fs_err as fs;
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use walkdir::WalkDir;

use ba_agent_core::digest::{self, Files, sha256_hex};
use ba_agent_core::error::{Result, error};
use ba_agent_core::skill::SkillName;
use ba_agent_system::fsx;

/// What stands at the path of one install folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FolderState {
    Missing,
    /// A folder, with `MODE SHA256` of each file and link in it.
    Folder(BTreeMap<String, String>),
    /// A link and what it says.
    Link(PathBuf),
    /// Something that is neither.
    File,
}

/// The state of the install folders of one skill.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct InstallState {
    /// The folders that the registry says have it, as a person names them; the first holds
    /// the files.
    pub recorded: Vec<(String, FolderState)>,
    /// Newly requested install folders, which are not in the registry yet.
    pub further: Vec<FolderState>,
    /// Files of the recorded folders that are as recorded but for their line ends.
    pub line_ends: BTreeSet<String>,
    /// A link of it leads elsewhere than the record says, or nowhere in another clone, and can be
    /// made anew.
    pub has_wrong_link: bool,
    /// What is wanted lies there already, in all of its places, and nothing has to be written.
    pub lies_as_wanted: bool,
}

impl InstallState {
    /// True when the folder that holds the files is not there.
    pub(crate) fn is_gone(&self) -> bool {
        self.recorded.first().is_none_or(|(_, first)| *first == FolderState::Missing)
    }
}

/// The state of each skill that was inspected.
pub type InstallStates = BTreeMap<SkillName, InstallState>;

/// One difference between a folder and its record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Drift {
    pub(crate) path: String,
    pub(crate) change: DriftKind,
}

/// How what stands on the disk differs from what was recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum DriftKind {
    /// A file that is in no record.
    Added,
    /// It is recorded, and not there.
    Missing,
    /// Other bytes, or something of another sort: a link where a file was.
    Changed,
    /// Only the line ends are others, as git changes them with `core.autocrlf`.
    #[serde(rename = "line_ends")]
    LineEnds,
    /// The bytes are the same, the executable bit is not.
    Mode,
    /// A link that leads elsewhere, or nowhere. Said of whole places, never of a file in one.
    Link,
    /// The registry contradicts itself: its digest is not that of its files.
    Record,
    /// It cannot be read, so nothing is known of it.
    Unreadable,
}

impl DriftKind {
    /// As a person reads it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Added => "added",
            Self::Missing => "missing",
            Self::Changed => "changed",
            Self::LineEnds => "line ends changed",
            Self::Mode => "mode changed",
            Self::Link => "wrong link",
            Self::Record => "wrong record",
            Self::Unreadable => "unreadable",
        }
    }
}

/// Looks at a place; reads every byte below it, follows no link.
///
/// Commands that only read take no lock, so another one may swap the folder for a new one
/// while it is read: then what is there now is read.
///
/// # Errors
/// `Failed` for what cannot be read.
pub(crate) fn inspect_folder(place: &Path) -> Result<FolderState> {
    look_again_if_swapped(place, || read_place(place))
}

/// A swap is two renames, so a second look is nearly always enough.
const LOOKS: usize = 20;

/// Reads until the place was the same folder from beginning to end. What cannot be read though
/// nobody swapped it will not be readable the next time either.
fn look_again_if_swapped<T>(place: &Path, mut read: impl FnMut() -> Result<T>) -> Result<T> {
    let mut looks = 0;
    loop {
        let before = file_identity(place);
        let found = read();
        looks += 1;
        if looks > LOOKS || file_identity(place) == before {
            return found;
        }
    }
}

/// Device and inode of what stands at a place; nothing where the system does not tell.
fn file_identity(place: &Path) -> Option<(u64, u64)> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt as _;
        std::fs::symlink_metadata(place).ok().map(|meta| (meta.dev(), meta.ino()))
    }
    #[cfg(not(unix))]
    {
        let _ = place;
        None
    }
}

fn read_place(place: &Path) -> Result<FolderState> {
    let Ok(meta) = std::fs::symlink_metadata(place) else { return Ok(FolderState::Missing) };
    if meta.is_symlink() {
        return Ok(FolderState::Link(fs::read_link(place)?));
    }
    if !meta.is_dir() {
        return Ok(FolderState::File);
    }
    Ok(FolderState::Folder(hash_folder(place)?))
}

/// The bytes of all files below `folder`.
pub(crate) fn bytes_in(folder: &Path) -> u64 {
    let files = WalkDir::new(folder).follow_links(false).into_iter().flatten();
    let sizes = files.filter_map(|entry| entry.metadata().ok().filter(std::fs::Metadata::is_file));
    sizes.fold(0, |sum, meta| sum.saturating_add(meta.len()))
}

/// `hash_folder` with the bytes of each file, and the target of each link, by path.
///
/// # Errors
/// `Failed` for what cannot be read.
pub(crate) fn read_folder(folder: &Path) -> Result<(Files, BTreeMap<String, Vec<u8>>)> {
    let files = hash_folder(folder)?;
    let mut bytes = BTreeMap::new();
    for (path, line) in &files {
        bytes.insert(path.clone(), read_entry(folder, path, line)?);
    }
    Ok((files, bytes))
}

/// The bytes of one file below `folder`, or what a link says; `line` is what `hash_folder`
/// found there.
///
/// # Errors
/// `Conflict` for a device or pipe, which would be waited on for ever; `Failed` for what
/// cannot be read.
pub(crate) fn read_entry(folder: &Path, path: &str, line: &str) -> Result<Vec<u8>> {
    let at = folder.join(path);
    match line.get(..6) {
        Some("120000") => Ok(with_forward_slashes(&fs::read_link(at)?).into_bytes()),
        Some("000000") => Err(error!(Conflict, "`{}` is not a regular file or a link", at.display())
            .hint("move it out of the skill's folder")),
        _ => match fsx::read_plain_file(&at, LARGEST_FILE)? {
            Some(bytes) => Ok(bytes),
            None if path.contains(char::REPLACEMENT_CHARACTER) => {
                Err(error!(Conflict, "the name of `{}` is not UTF-8, so it cannot be kept", at.display())
                    .hint("rename it, or move it out of the skill's folder"))
            }
            None => Err(error!(Failed, "`{}` no longer exists", at.display())),
        },
    }
}

/// [`find_drift`] of a folder, where it also tells what is changed in its line ends alone. Of the
/// files that differ the bytes are looked at once more.
pub(crate) fn drift_in(folder: &Path, recorded: &Files, found: &Files) -> Vec<Drift> {
    let mut drifts = find_drift(recorded, found);
    for one in drifts.iter_mut().filter(|one| one.change == DriftKind::Changed) {
        let was = recorded.get(&one.path).map_or("", String::as_str);
        if is_same_but_line_ends(&folder.join(&one.path), was) {
            one.change = DriftKind::LineEnds;
        }
    }
    drifts
}

/// Bytes of a file whose line ends are looked at.
const MAX_TEXT: u64 = 16 * 1024 * 1024;

/// True for a file that would be what `line` records with other line ends.
fn is_same_but_line_ends(path: &Path, line: &str) -> bool {
    let is_text = std::fs::symlink_metadata(path).is_ok_and(|meta| meta.is_file() && meta.len() <= MAX_TEXT);
    let Some((mode, hash)) = line.split_once(' ').filter(|_| is_text) else { return false };
    let Ok(bytes) = std::fs::read(path) else { return false };
    let mut unix = Vec::with_capacity(bytes.len());
    for (at, byte) in bytes.iter().enumerate() {
        if *byte != b'\r' || bytes.get(at + 1) != Some(&b'\n') {
            unix.push(*byte);
        }
    }
    let mut windows = Vec::with_capacity(bytes.len());
    for byte in &unix {
        if *byte == b'\n' {
            windows.push(b'\r');
        }
        windows.push(*byte);
    }
    mode.starts_with("100") && (sha256_hex(&unix) == hash || sha256_hex(&windows) == hash)
}

/// Why files may differ in nothing that anybody edited, and what to do; nothing where some
/// differ in more.
pub(crate) fn harmless_hints(kinds: impl IntoIterator<Item = DriftKind>, skills: &str) -> Vec<String> {
    let kinds: Vec<DriftKind> = kinds.into_iter().collect();
    let is = |kind| kinds.contains(&kind);
    if kinds.iter().any(|kind| !matches!(kind, DriftKind::LineEnds | DriftKind::Mode)) {
        return Vec::new();
    }
    let mut why = Vec::new();
    if is(DriftKind::LineEnds) {
        why.push(format!(
            "only line ends differ, as git's `core.autocrlf` changes them: turn that off with the line \
             `{skills}/** -text` in `.gitattributes`, then put the files back with `ba-agent skill install --force`"
        ));
    }
    if is(DriftKind::Mode) {
        why.push(
            "only the executable bit differs, as in a clone with git's `core.fileMode=false` or on a file system \
             without it: `git update-index --chmod=+x FILE` commits it, `ba-agent skill install --force` puts it back"
                .to_owned(),
        );
    }
    why
}

/// How a place that a command changes lies to the source of what it puts there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Overlap {
    Apart,
    /// The folder at the place is the source itself.
    Same,
    /// The place lies somewhere inside the source.
    PlaceInside,
    /// The source lies somewhere inside the place.
    SourceInside,
}

/// Compares a place with a source, both by path without links and by what the system says
/// that they are: a bind mount or another case of the name is the same folder. A link at the
/// place is an entry of its own, not what it leads to.
pub(crate) fn find_overlap(place: &Path, source: &Path) -> Overlap {
    let is_link = std::fs::symlink_metadata(place).is_ok_and(|meta| meta.is_symlink());
    if !is_link && is_same(place, source) {
        return Overlap::Same;
    }
    if !is_link && source.ancestors().skip(1).any(|above| is_same(above, place)) {
        return Overlap::SourceInside;
    }
    if place.ancestors().skip(1).any(|above| is_same(above, source)) {
        return Overlap::PlaceInside;
    }
    Overlap::Apart
}

fn is_same(a: &Path, b: &Path) -> bool {
    a == b || file_identity(a).is_some_and(|one| Some(one) == file_identity(b))
}

/// `MODE SHA256` of each file and link below `folder`, without what programs and file
/// managers leave behind ([`is_litter`]).
///
/// # Errors
/// `Failed` for what cannot be read.
pub(crate) fn hash_folder(folder: &Path) -> Result<BTreeMap<String, String>> {
    let mut files = BTreeMap::new();
    for entry in WalkDir::new(folder).min_depth(1).follow_links(false) {
        let entry = entry.map_err(std::io::Error::from)?;
        let path = with_forward_slashes(entry.path().strip_prefix(folder).unwrap_or(entry.path()));
        if entry.file_type().is_symlink() {
            let target = with_forward_slashes(&fs::read_link(entry.path())?);
            files.insert(path, format!("120000 {}", sha256_hex(target.as_bytes())));
        } else if entry.file_type().is_file() {
            let mode = if is_executable(&entry) { "100755" } else { "100644" };
            files.insert(path, format!("{mode} {}", hash_file(entry.path())?));
        } else if !entry.file_type().is_dir() {
            files.insert(path, "000000 special".to_owned());
        }
    }
    Ok(files)
}

/// No skill has a file of this size: it is a change without reading it to its end.
const LARGEST_FILE: u64 = 2 << 30;

/// sha256 of a file, read piece by piece: memory stays small, whatever lies in the folder.
fn hash_file(path: &Path) -> Result<String> {
    let Some((mut file, size)) = fsx::open_plain_file(path)? else {
        return Err(error!(Failed, "`{}` no longer exists", path.display()));
    };
    if size > LARGEST_FILE {
        return Ok("larger-than-any-skill".to_owned());
    }
    let mut hash = Sha256::new();
    let mut piece = vec![0; 64 * 1024];
    loop {
        let read = file.read(&mut piece);
        match read.map_err(|e| error!(Failed, "`{}` cannot be read", path.display()).cause(e))? {
            0 => return Ok(digest::encode_hex(&hash.finalize())),
            n => hash.update(piece.get(..n).unwrap_or_default()),
        }
    }
}

/// A path with `/` between its names on every system.
fn with_forward_slashes(path: &Path) -> String {
    let text = path.to_string_lossy();
    if cfg!(windows) { text.replace('\\', "/") } else { text.into_owned() }
}

#[cfg(unix)]
fn is_executable(entry: &walkdir::DirEntry) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    entry.metadata().is_ok_and(|meta| meta.permissions().mode() & 0o100 != 0)
}

#[cfg(not(unix))]
fn is_executable(_: &walkdir::DirEntry) -> bool {
    false
}

/// Files that appear by themselves when a skill is used or looked at: they are no edit, and
/// go with the folder.
pub(crate) fn is_litter(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    matches!(name, ".DS_Store" | "Thumbs.db" | "desktop.ini")
        || path.split('/').any(|part| part == "__pycache__")
}

/// How what is there differs from what was recorded, in the order of the paths.
pub(crate) fn find_drift(
    recorded: &BTreeMap<String, String>,
    found: &BTreeMap<String, String>,
) -> Vec<Drift> {
    let mut drifts = Vec::new();
    let mut note = |path: &str, change| drifts.push(Drift { path: path.to_owned(), change });
    for (path, was) in recorded {
        match found.get(path) {
            None => note(path, DriftKind::Missing),
            Some(is) if is == was => {}
            Some(is)
                if is.split(' ').nth(1) == was.split(' ').nth(1)
                    && !is.starts_with("12")
                    && !was.starts_with("12") =>
            {
                // Windows has no such bit; there the record is believed.
                if cfg!(unix) {
                    note(path, DriftKind::Mode);
                }
            }
            Some(_) => note(path, DriftKind::Changed),
        }
    }
    for path in found.keys().filter(|path| !recorded.contains_key(*path) && !is_litter(path)) {
        note(path, DriftKind::Added);
    }
    drifts.sort_by(|a, b| a.path.cmp(&b.path));
    drifts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect()
    }

    #[test]
    fn every_sort_of_drift_is_named() {
        let recorded = map(&[("a", "100644 1"), ("b", "100644 2"), ("c", "100755 3"), ("l", "120000 4")]);
        let found = map(&[
            ("a", "100644 9"),
            ("c", "100644 3"),
            ("l", "100644 4"),
            ("n", "100644 5"),
            ("__pycache__/x.pyc", "100644 6"),
            ("d/.DS_Store", "100644 7"),
        ]);
        let seen: Vec<_> = find_drift(&recorded, &found).into_iter().map(|d| (d.path, d.change)).collect();
        let mut expected = vec![("a", DriftKind::Changed), ("b", DriftKind::Missing)];
        if cfg!(unix) {
            expected.push(("c", DriftKind::Mode));
        }
        expected.extend([("l", DriftKind::Changed), ("n", DriftKind::Added)]);
        assert_eq!(seen, expected.into_iter().map(|(p, c)| (p.to_owned(), c)).collect::<Vec<_>>());
    }

    #[test]
    fn line_ends_are_told_from_other_changes() {
        let dir = tempfile::tempdir().unwrap();
        for (was, is, expected) in [
            ("a\nb\n", "a\r\nb\r\n", DriftKind::LineEnds),
            ("a\r\nb\r\n", "a\nb\n", DriftKind::LineEnds),
            ("a\r\nb\r\n", "a\r\nb\n", DriftKind::LineEnds),
            ("a\nb\n", "a\r\nc\r\n", DriftKind::Changed),
            ("a\rb", "a\nb", DriftKind::Changed),
            ("a\n", "a", DriftKind::Changed),
        ] {
            std::fs::write(dir.path().join("f"), is).unwrap();
            let line = |text: &str| format!("100644 {}", sha256_hex(text.as_bytes()));
            let (recorded, found) = (map(&[("f", &line(was))]), map(&[("f", &line(is))]));
            let drifts = drift_in(dir.path(), &recorded, &found);
            assert_eq!(drifts[0].change, expected, "{was:?} {is:?}");
            assert_eq!(
                harmless_hints(drifts.iter().map(|one| one.change), "s").is_empty(),
                expected == DriftKind::Changed
            );
        }
    }

    #[test]
    fn litter_that_was_recorded_is_watched() {
        let recorded = map(&[(".DS_Store", "100644 1")]);
        assert_eq!(find_drift(&recorded, &BTreeMap::new()).len(), 1);
    }

    #[cfg(unix)]
    #[test]
    fn places_and_sources_are_compared_as_folders() {
        let dir = tempfile::tempdir().unwrap();
        let top = dir.path().canonicalize().unwrap();
        std::fs::create_dir_all(top.join("a/b/c")).unwrap();
        std::fs::create_dir_all(top.join("ab")).unwrap();
        std::os::unix::fs::symlink("b", top.join("a/link")).unwrap();
        let check = |place: &str, source: &str, expected| {
            assert_eq!(find_overlap(&top.join(place), &top.join(source)), expected, "{place} {source}");
        };
        check("a/b", "a/b", Overlap::Same);
        check("a/b", "a", Overlap::PlaceInside);
        check("a/new/deep", "a", Overlap::PlaceInside);
        check("a", "a/b/c", Overlap::SourceInside);
        check("ab", "a", Overlap::Apart);
        check("a", "ab", Overlap::Apart);
        // Replacing a link takes nothing away from what it leads to.
        check("a/link", "a/b", Overlap::Apart);
        check("a/link", "a/b/c", Overlap::Apart);
        check("missing", "also-missing", Overlap::Apart);
    }

    #[test]
    fn only_a_place_that_was_swapped_is_looked_at_again() {
        let dir = tempfile::tempdir().unwrap();
        let place = dir.path().join("p");
        std::fs::write(&place, "").unwrap();
        let mut looks = 0;
        let denied = look_again_if_swapped(&place, || -> Result<()> {
            looks += 1;
            Err(error!(Failed, "denied"))
        });
        assert!(denied.is_err() && looks == 1, "{looks}");
        looks = 0;
        let found = look_again_if_swapped(&place, || {
            looks += 1;
            if looks < 3 {
                // Both stand until the swap, so the new one cannot be the same file.
                std::fs::write(dir.path().join("new"), "").unwrap();
                std::fs::rename(dir.path().join("new"), &place).unwrap();
                return Err(error!(Failed, "gone"));
            }
            Ok(7)
        });
        assert_eq!((found.unwrap(), looks), (7, 3));
    }

    #[test]
    fn a_hash_by_pieces_is_that_of_the_whole() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("f");
        for size in [0, 1, 8_191, 8_192, 100_000] {
            let bytes = vec![7; size];
            std::fs::write(&file, &bytes).unwrap();
            assert_eq!(hash_file(&file).unwrap(), sha256_hex(&bytes), "{size}");
        }
        std::fs::File::create(&file).unwrap().set_len(1 << 42).unwrap();
        assert_eq!(hash_file(&file).unwrap(), "larger-than-any-skill");
    }

    #[test]
    fn a_place_is_seen_for_what_it_is() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(inspect_folder(&dir.path().join("x")).unwrap(), FolderState::Missing);
        std::fs::write(dir.path().join("f"), "x").unwrap();
        assert_eq!(inspect_folder(&dir.path().join("f")).unwrap(), FolderState::File);
        std::fs::create_dir_all(dir.path().join("d/e")).unwrap();
        std::fs::write(dir.path().join("d/e/f"), "").unwrap();
        let empty = "100644 e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(
            inspect_folder(&dir.path().join("d")).unwrap(),
            FolderState::Folder(map(&[("e/f", empty)]))
        );
    }
}
