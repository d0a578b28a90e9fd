//! Which files of a folder git would not commit: what `.gitignore` files say, of the folder and
//! of those above it up to the top of its repository. What is set on one machine alone (the
//! user's `core.excludesFile`, `.git/info/exclude`) does not count: the answer is the same on
//! every machine.
//!
//! libgit2 matches the patterns, in a repository that exists in memory only: the configuration
//! of the repository around the folder, which may be somebody else's, is not read.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use git2::{Config, Index, Odb, Repository};

use ba_agent_core::error::{Error, Kind, Result, fail, printable};
use ba_agent_core::path::RelPath;
use ba_agent_system::fsx;

use crate::control_files::git_folder;

/// Bytes of a `.gitignore`; the largest that people have are some tens of KiB.
const MAX_PATTERNS: u64 = 1024 * 1024;

/// Bytes of an index: some million files.
const MAX_INDEX: u64 = 256 * 1024 * 1024;

/// Git's view of some files of a folder.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct GitView {
    /// Those that are in the index of its repository; `None` where there is none, or it cannot
    /// be read.
    pub tracked: Option<BTreeSet<RelPath>>,
    /// Those that are not, and that a `.gitignore` excludes.
    pub ignored: BTreeSet<RelPath>,
}

/// Looks up `paths`, which lie below `folder`.
///
/// # Errors
/// `Conflict` and `Invalid` for a `.gitignore` that is not a small plain file; `Failed` where
/// libgit2 fails.
pub fn look_up_files(folder: &Path, paths: &[RelPath]) -> Result<GitView> {
    let top = folder.ancestors().find(|above| fsx::exists(&above.join(".git"))).unwrap_or(folder);
    check_patterns(top, folder, paths)?;
    let prefix = folder.strip_prefix(top).unwrap_or(Path::new(""));
    let index = read_index(top);
    let tracked: Option<BTreeSet<RelPath>> = index.map(|index| {
        let is_tracked = |path: &&RelPath| index.get_path(&prefix.join(path.as_str()), 0).is_some();
        paths.iter().filter(is_tracked).cloned().collect()
    });
    let matcher = in_memory(top).map_err(|error| failed(&error))?;
    let mut ignored = BTreeSet::new();
    for path in paths.iter().filter(|path| tracked.as_ref().is_none_or(|tracked| !tracked.contains(*path))) {
        if matcher.is_path_ignored(prefix.join(path.as_str())).map_err(|error| failed(&error))? {
            ignored.insert(path.clone());
        }
    }
    Ok(GitView { tracked, ignored })
}

/// A repository without objects or a folder of its own, whose files lie at `top`, and whose only
/// setting keeps libgit2 from the user's own patterns.
fn in_memory(top: &Path) -> std::result::Result<Repository, git2::Error> {
    let unwritten = |error: std::io::Error| git2::Error::from_str(&error.to_string());
    let settings = tempfile::NamedTempFile::new().map_err(unwritten)?;
    let mut config = Config::open(settings.path())?;
    // A file that is not there: without the key it would be the user's.
    config.set_str("core.excludesFile", &format!("{}.none", settings.path().display()))?;
    let repository = Repository::from_odb(Odb::new()?)?;
    repository.set_config(&config)?;
    repository.set_workdir(top, false)?;
    Ok(repository)
}

fn failed(error: &git2::Error) -> Error {
    Error::new(Kind::Failed, "the `.gitignore` files cannot be followed").cause(error.message())
}

/// Checks that libgit2 can read every `.gitignore` on the way without waiting.
fn check_patterns(top: &Path, folder: &Path, paths: &[RelPath]) -> Result<()> {
    let above = folder.ancestors().take_while(|above| above.starts_with(top)).map(Path::to_path_buf);
    let below: BTreeSet<PathBuf> = paths
        .iter()
        .flat_map(|path| path.parent().with_parents().collect::<Vec<_>>())
        .map(|parent| folder.join(parent.as_str()))
        .collect();
    for file in above.chain(below).map(|folder| folder.join(".gitignore")) {
        let Some((_, size)) = fsx::open_plain_file(&file)? else { continue };
        if size > MAX_PATTERNS {
            fail!(
                Invalid,
                "`{}` has {size} bytes; the limit is {MAX_PATTERNS}",
                printable(&file.to_string_lossy(), false)
            );
        }
    }
    Ok(())
}

/// The index of the repository at `top`. One that cannot be read is as if it were not there.
fn read_index(top: &Path) -> Option<Index> {
    let file = git_folder(top).ok()?.join("index");
    let (_, size) = fsx::open_plain_file(&file).ok()??;
    if size > MAX_INDEX { None } else { Index::open(&file).ok() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(texts: &[&str]) -> Vec<RelPath> {
        texts.iter().map(|text| RelPath::parse(text.as_bytes()).unwrap()).collect()
    }

    fn write(root: &Path, file: &str, text: &str) {
        std::fs::create_dir_all(root.join(file).parent().unwrap()).unwrap();
        std::fs::write(root.join(file), text).unwrap();
    }

    fn set(texts: &[&str]) -> BTreeSet<RelPath> {
        paths(texts).into_iter().collect()
    }

    #[test]
    fn patterns_of_the_folder_and_of_those_above_count() {
        let root = tempfile::tempdir().unwrap();
        let repository = Repository::init(root.path()).unwrap();
        write(root.path(), ".gitignore", "*.log\n/skills/pdf/build/\n!keep.log\n");
        write(root.path(), "skills/pdf/.gitignore", "cache/\n*.tmp\n!scripts/*.tmp\n");
        write(root.path(), "skills/pdf/sub/.gitignore", "secret\n");
        write(root.path(), ".git/info/exclude", "SKILL.md\n");
        let all = [
            "SKILL.md",
            "a.log",
            "keep.log",
            "build/x",
            "b/build/x",
            "cache/a/b",
            "x.tmp",
            "scripts/x.tmp",
            "sub/secret",
            "secret",
        ];
        for file in all {
            write(&root.path().join("skills/pdf"), file, "x");
        }
        let folder = root.path().join("skills/pdf");
        let view = look_up_files(&folder, &paths(&all)).unwrap();
        let ignored = set(&["a.log", "build/x", "cache/a/b", "x.tmp", "sub/secret"]);
        assert_eq!(view, GitView { tracked: None, ignored: ignored.clone() });
        // What git tracks is not ignored.
        let mut index = repository.index().unwrap();
        index.add_path(Path::new("skills/pdf/a.log")).unwrap();
        index.write().unwrap();
        let view = look_up_files(&folder, &paths(&all)).unwrap();
        assert_eq!(view.tracked, Some(set(&["a.log"])));
        assert_eq!(view.ignored, ignored.into_iter().filter(|path| path.as_str() != "a.log").collect());
    }

    #[test]
    fn without_a_repository_the_folders_own_patterns_count() {
        let root = tempfile::tempdir().unwrap();
        write(root.path(), ".gitignore", "*\n");
        write(root.path(), "pdf/.gitignore", "*.log\n");
        let view = look_up_files(&root.path().join("pdf"), &paths(&["SKILL.md", "a.log"])).unwrap();
        assert_eq!(view, GitView { tracked: None, ignored: set(&["a.log"]) });
    }

    #[cfg(unix)]
    #[test]
    fn what_cannot_be_read_without_waiting_is_named() {
        let root = tempfile::tempdir().unwrap();
        let file = root.path().join(".gitignore");
        rustix::fs::mknodat(
            rustix::fs::CWD,
            &file,
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::from_raw_mode(0o600),
            0,
        )
        .unwrap();
        let error = look_up_files(root.path(), &paths(&["a"])).unwrap_err();
        assert!(matches!(error.kind, Kind::Conflict | Kind::Invalid), "{error:?}");
        std::fs::remove_file(&file).unwrap();
        std::fs::write(&file, vec![b'a'; usize::try_from(MAX_PATTERNS).unwrap() + 1]).unwrap();
        assert_eq!(look_up_files(root.path(), &paths(&["a"])).unwrap_err().kind, Kind::Invalid);
    }
}
