//! What a lock file says about content, held against content.

use std::fmt;

use super::collate::computed_hash;
use crate::digest::{Digest, Files};
use crate::error::Result;

/// What a lock file says about content, each in the way of its tool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IntegrityClaim {
    /// The hash as `skills` computes it of the skill's files, 64 hex digits.
    Files(String),
    /// Git's id of the skill's folder, 40 or 64 hex digits.
    Tree(String),
    /// Our own digest of the tree: the file was written by `export_lock`.
    Digest(Digest),
    /// The bytes of the archive.
    Archive(Digest),
}

impl fmt::Display for IntegrityClaim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Files(hex) => write!(f, "sha256 of its files {hex}"),
            Self::Tree(id) => write!(f, "git tree {id}"),
            Self::Digest(digest) | Self::Archive(digest) => digest.fmt(f),
        }
    }
}

/// A skill that was fetched, as far as promises are about it.
#[derive(Debug, Clone, Copy)]
pub struct FetchedSkill<'a> {
    pub digest: &'a Digest,
    /// Path to `MODE SHA256`, as the registry has it.
    pub files: &'a Files,
    /// Git's id of its folder, where it came from git.
    pub tree: Option<&'a str>,
    /// The digest of the archive that it came out of.
    pub archive: Option<&'a Digest>,
}

impl IntegrityClaim {
    /// Whether `content` is what was promised; `None` where that cannot be told: no git
    /// behind a promise about a git tree, or a hash that may differ in its order alone.
    /// `read` gives the bytes of a file, and is asked for [`IntegrityClaim::Files`] only.
    ///
    /// # Errors
    /// Those of `read`.
    pub fn is_kept(
        &self,
        content: &FetchedSkill<'_>,
        read: impl FnMut(&str) -> Result<Vec<u8>>,
    ) -> Result<Option<bool>> {
        Ok(match self {
            Self::Digest(digest) => Some(digest == content.digest),
            Self::Archive(digest) => content.archive.map(|archive| archive == digest),
            Self::Tree(id) => content.tree.map(|tree| tree == id),
            Self::Files(hash) => {
                let same = computed_hash(regular_files(content.files), read)? == *hash;
                let exact = regular_files(content.files).all(str::is_ascii);
                (same || exact).then_some(same)
            }
        })
    }
}

/// The paths of the files that are no links.
pub(super) fn regular_files(files: &Files) -> impl Iterator<Item = &str> {
    files.iter().filter(|(_, line)| line.starts_with("100")).map(|(path, _)| path.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::{digest_of_files, sha256_hex};

    #[test]
    fn promises_are_held_against_what_came() {
        let mut files = Files::new();
        for (path, mode) in [("SKILL.md", "100644"), ("b/run.sh", "100755"), ("L", "120000")] {
            files.insert(path.into(), format!("{mode} {}", sha256_hex(path.as_bytes())));
        }
        let (digest, other) = (digest_of_files(&files), Digest::of(b"other"));
        let read = |path: &str| Ok(path.as_bytes().to_vec());
        let hash = computed_hash(["b/run.sh", "SKILL.md"], read).unwrap();
        let content =
            FetchedSkill { digest: &digest, files: &files, tree: Some("00ff"), archive: Some(&other) };
        let bare = FetchedSkill { tree: None, archive: None, ..content };
        for (promise, whole, without) in [
            (IntegrityClaim::Digest(digest.clone()), Some(true), Some(true)),
            (IntegrityClaim::Digest(other.clone()), Some(false), Some(false)),
            (IntegrityClaim::Archive(other.clone()), Some(true), None),
            (IntegrityClaim::Archive(digest.clone()), Some(false), None),
            (IntegrityClaim::Tree("00ff".into()), Some(true), None),
            (IntegrityClaim::Tree("00fe".into()), Some(false), None),
            (IntegrityClaim::Files(hash.clone()), Some(true), Some(true)),
            (IntegrityClaim::Files("0".repeat(64)), Some(false), Some(false)),
        ] {
            assert_eq!(promise.is_kept(&content, read).unwrap(), whole, "{promise}");
            assert_eq!(promise.is_kept(&bare, read).unwrap(), without, "{promise}");
        }
        let mut more = files.clone();
        more.insert("技能.md".into(), format!("100644 {}", sha256_hex(b"x")));
        let foreign = FetchedSkill { files: &more, ..bare };
        assert_eq!(IntegrityClaim::Files("0".repeat(64)).is_kept(&foreign, read).unwrap(), None);
    }
}
