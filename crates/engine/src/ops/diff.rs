//! `skill diff`: the edits of an installed skill, line by line against what was installed. Only
//! reads; the old bytes are asked for when a file changed that once was there.

use std::cell::OnceCell;
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use serde::Serialize;

use super::installed::find_one_installed;
use super::settle::open_session;
use super::supply::Supply;

use crate::install_dirs::InstallDirs;
use crate::install_state::{self, FolderState};
use crate::workspace::{Observer, Session, Workspace};
use ba_agent_core::diff::{self, FileDiff, FileVersion};
use ba_agent_core::digest::{Digest, Files};
use ba_agent_core::error::{Result, error, printable};
use ba_agent_core::package::Package;
use ba_agent_core::path::RelPath;
use ba_agent_core::registry::{InstallMode, LockEntry};
use ba_agent_core::skill::SkillName;

/// The tree that was installed, and the folder of the skill in it.
type Installed = (Arc<Package>, RelPath);

/// The largest file that is compared: both of its sides and the patch are held at once.
const LARGEST: u64 = 32 << 20;

/// Everything that was changed by hand in one skill.
#[derive(Debug, Serialize)]
pub struct Changes {
    pub name: SkillName,
    /// The tree that it is compared with.
    pub(crate) digest: Digest,
    /// True for a live link, where nothing was installed that could differ.
    pub live: bool,
    pub files: Vec<Changed>,
    #[serde(skip)]
    pub source: String,
}

/// One file that differs.
#[derive(Debug, Serialize)]
pub struct Changed {
    /// With its path from the base of the scope: of copies each has its own.
    #[serde(flatten)]
    pub change: FileDiff,
    /// Lines that are new, and lines that are gone; both 0 for what is no text.
    pub added: usize,
    pub removed: usize,
    /// As git shows it, safe to print.
    pub diff: String,
    /// The same as a program takes it, for instance `git apply -R`: nothing is escaped.
    #[serde(skip)]
    pub patch: Vec<u8>,
}

impl Changed {
    /// `M pdf/SKILL.md +2 -1`.
    pub fn stat_line(&self) -> String {
        let FileDiff { what, path, .. } = &self.change;
        let lines = [('+', self.added), ('-', self.removed)].into_iter().filter(|(_, lines)| *lines > 0);
        let lines: String = lines.map(|(sign, lines)| format!(" {sign}{lines}")).collect();
        format!("{} {path}{lines}", what.status_letter())
    }
}

/// Says how the named skill differs from what was installed, file by file.
///
/// # Errors
/// `NotFound` for a name that is not installed, for a folder that is gone, and offline for files
/// that the cache does not have; those of comparing and of fetching.
pub fn diff(workspace: &Workspace, name: &str, observer: &dyn Observer) -> Result<Changes> {
    let session = open_session(workspace, observer)?;
    let registry = session.store.read()?;
    let name = find_one_installed(name, &registry, &session.places)?;
    let supply = |name: &SkillName, entry: &LockEntry| fetch_installed(&session, name, entry);
    compare_skill(&name, &registry.skills[&name], &session.places, &supply)
}

/// ChangeKind was installed: out of the cache, else from the source at the recorded pin.
fn fetch_installed(session: &Session<'_>, name: &SkillName, entry: &LockEntry) -> Result<Installed> {
    if session.offline && !session.cache.has(&entry.digest) {
        let pin = entry.pin.short_text().map_or_else(String::new, |pin| format!(" at {pin}"));
        return Err(error!(
            NotFound,
            "what was installed as `{name}` is not in the cache, so it cannot be compared"
        )
        .cause(format!("missing: {} of {}{pin}", entry.digest, entry.source))
        .hint(format!("`ba-agent skill verify {name}` names the files that differ without it"))
        .hint("without `--offline` it is fetched at its pin"));
    }
    let world = session.world();
    let supply = Supply::new(&world, vec![session.cache.clone()]);
    supply.fetch(name, entry)
}

/// Compares every folder of `entry` that holds files with what was installed; `supply`
/// gives that, and is called at most once.
///
/// # Errors
/// `NotFound` for a folder that is gone, `Conflict` for what is no folder any more and for a
/// file above 32 MiB; those of `supply`; `Failed` for what cannot be read.
pub(super) fn compare_skill(
    name: &SkillName,
    entry: &LockEntry,
    places: &InstallDirs,
    supply: &dyn Fn(&SkillName, &LockEntry) -> Result<Installed>,
) -> Result<Changes> {
    let holders = match entry.mode {
        InstallMode::Live => 0,
        InstallMode::Link => 1,
        InstallMode::Copy => usize::MAX,
    };
    let old = Old { name, entry, supply, tree: OnceCell::new() };
    let mut files = Vec::new();
    for root in places.roots_of(entry)?.iter().take(holders) {
        let folder = root.join(name.as_str());
        files.extend(in_folder(&old, &folder, &places.shown_to_user(&folder))?);
    }
    let live = entry.mode == InstallMode::Live;
    Ok(Changes {
        name: name.clone(),
        digest: entry.digest.clone(),
        live,
        files,
        source: entry.source.clone(),
    })
}

fn in_folder(old: &Old<'_>, folder: &Path, shown: &str) -> Result<Vec<Changed>> {
    let now = installed_files_of(old.name, old.entry, folder, shown)?;
    let mut changed = Vec::new();
    for change in diff::changed_files(&old.entry.files, &now) {
        let before = match change.old_mode {
            Some(_) if is_other_content(&change) => old.bytes(&change.path)?,
            _ => Vec::new(),
        };
        let after = match now.get(&change.path) {
            Some(line) if is_other_content(&change) => now_bytes(folder, &change.path, line, shown)?,
            _ => Vec::new(),
        };
        let change = FileDiff { path: format!("{shown}/{}", change.path), ..change };
        changed.push(describe_file_change(change, &before, &after));
    }
    Ok(changed)
}

/// The bytes of a file as it is now.
fn now_bytes(folder: &Path, path: &str, line: &str, shown: &str) -> Result<Vec<u8>> {
    let size = std::fs::symlink_metadata(folder.join(path)).map_or(0, |meta| meta.len());
    if size > LARGEST {
        let path = printable(path, false);
        return Err(error!(Conflict, "`{shown}/{path}` has {size} bytes, too many to compare")
            .hint("`ba-agent skill verify` names the files that differ without reading them at once"));
    }
    install_state::read_entry(folder, path, line)
}

/// True when there are bytes to compare, not only modes.
fn is_other_content(change: &FileDiff) -> bool {
    change.what != diff::ChangeKind::Mode
}

/// What is in the folder now, as far as it can be an edit.
fn installed_files_of(name: &SkillName, entry: &LockEntry, folder: &Path, shown: &str) -> Result<Files> {
    let mut files = match install_state::inspect_folder(folder)? {
        FolderState::Folder(files) => files,
        FolderState::Missing => {
            return Err(error!(NotFound, "`{name}` is recorded, but `{shown}` is not there")
                .hint("`ba-agent skill install` without a source puts back what is missing"));
        }
        FolderState::Link(_) | FolderState::File => {
            return Err(error!(Conflict, "`{shown}` is no longer the folder that was installed")
                .hint(format!("`ba-agent skill verify {name}` shows what is there")));
        }
    };
    // What `verify` does not count as drift is no difference here either.
    let edits: BTreeSet<String> =
        install_state::find_drift(&entry.files, &files).into_iter().map(|one| one.path).collect();
    files.retain(|path, _| entry.files.contains_key(path) || edits.contains(path));
    for (path, was) in entry.files.iter().filter(|(path, _)| !edits.contains(*path)) {
        files.insert(path.clone(), was.clone());
    }
    Ok(files)
}

/// What was installed, fetched when it is first asked for.
struct Old<'a> {
    name: &'a SkillName,
    entry: &'a LockEntry,
    supply: &'a dyn Fn(&SkillName, &LockEntry) -> Result<Installed>,
    tree: OnceCell<Installed>,
}

impl Old<'_> {
    fn bytes(&self, path: &str) -> Result<Vec<u8>> {
        if self.tree.get().is_none() {
            let _ = self.tree.set((self.supply)(self.name, self.entry)?);
        }
        let lacking = || error!(Integrity, "what was installed as `{}` has no `{path}`", self.name);
        let (tree, folder) = self.tree.get().ok_or_else(lacking)?;
        let relative = RelPath::parse(path.as_bytes()).map_err(|_| lacking())?;
        let found = tree.listing.entry_at(folder.join(&relative).as_str()).ok_or_else(lacking)?;
        Ok(match &found.node {
            ba_agent_core::listing::Node::Link { target } => target.clone().into_bytes(),
            _ => tree.read(found)?.into_owned(),
        })
    }
}

/// One file that differs as git shows it, safe to print.
pub(super) fn describe_change(change: FileDiff, old: &[u8], new: &[u8]) -> String {
    describe_file_change(change, old, new).diff
}

pub(super) fn describe_file_change(change: FileDiff, old: &[u8], new: &[u8]) -> Changed {
    let text = match change.new_mode.as_deref() {
        Some("000000") => format!("{}: not a regular file or link\n", printable(&change.path, false)),
        _ => diff::unified_diff(&change.path, old, new),
    };
    let (added, removed) = count_changed_lines(&text);
    // From the base of the scope, or the top of the disk, whatever it is called on the way.
    let path = change.path.trim_start_matches("~/").trim_start_matches('/');
    let patch = diff::file_patch(
        path,
        version_for_diff(change.old_mode.as_deref(), old),
        version_for_diff(change.new_mode.as_deref(), new),
    );
    Changed { diff: header(&change) + &text, change, added, removed, patch }
}

fn version_for_diff<'a>(mode: Option<&'a str>, bytes: &'a [u8]) -> Option<FileVersion<'a>> {
    mode.map(|mode| FileVersion { mode, bytes })
}

/// The lines with which git begins each file.
fn header(change: &FileDiff) -> String {
    let path = printable(&change.path, false);
    let modes = match (&change.old_mode, &change.new_mode) {
        (None, Some(new)) => format!("new file mode {new}\n"),
        (Some(old), None) => format!("deleted file mode {old}\n"),
        (Some(old), Some(new)) if old != new => format!("old mode {old}\nnew mode {new}\n"),
        _ => String::new(),
    };
    format!("diff --git a/{path} b/{path}\n{modes}")
}

/// Lines that a unified diff adds and removes. The two of its heading are none of them, but
/// a removed line may well begin with `--`.
fn count_changed_lines(diff: &str) -> (usize, usize) {
    let body = diff.lines().skip_while(|line| !line.starts_with("@@"));
    body.fold((0, 0), |(added, removed), line| match line.as_bytes().first() {
        Some(b'+') => (added + 1, removed),
        Some(b'-') => (added, removed + 1),
        _ => (added, removed),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use ba_agent_core::diff::ChangeKind;

    #[test]
    fn lines_are_counted_as_git_counts_them() {
        let check = |old: &str, new: &str, expected| {
            assert_eq!(
                count_changed_lines(&diff::unified_diff("f", old.as_bytes(), new.as_bytes())),
                expected,
                "{old:?} {new:?}"
            );
        };
        check("a\nb\n", "a\nc\nd\n", (2, 1));
        check("-- a\n++ b\n", "", (0, 2));
        check("", "++ x\n", (1, 0));
        check("a\n", "a", (1, 1));
        check("a\0", "b\0", (0, 0));
        check("same", "same", (0, 0));
    }

    #[test]
    fn each_sort_of_change_has_the_heading_of_git() {
        let check = |old: Option<&str>, new: Option<&str>, what, expected: &str| {
            let owned = |mode: Option<&str>| mode.map(str::to_owned);
            let change = FileDiff { path: "p/f".into(), what, old_mode: owned(old), new_mode: owned(new) };
            assert_eq!(
                describe_file_change(change, b"", b"").diff,
                format!("diff --git a/p/f b/p/f\n{expected}")
            );
        };
        check(None, Some("100755"), ChangeKind::Added, "new file mode 100755\n");
        check(Some("120000"), None, ChangeKind::Removed, "deleted file mode 120000\n");
        check(Some("100644"), Some("100755"), ChangeKind::Mode, "old mode 100644\nnew mode 100755\n");
        check(
            Some("100644"),
            Some("000000"),
            ChangeKind::Modified,
            "old mode 100644\nnew mode 000000\np/f: not a regular file or link\n",
        );
    }
}
