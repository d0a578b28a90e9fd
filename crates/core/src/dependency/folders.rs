//! The folders of the skills of a source, to find those that others mean.

use std::collections::{BTreeMap, BTreeSet};

use crate::path::{RelPath, resolve_link};

/// Where the skills of a source are.
#[derive(Debug, Clone, Default)]
pub struct SkillFolders {
    folders: BTreeSet<RelPath>,
    by_name: BTreeMap<String, Vec<RelPath>>,
}

impl FromIterator<RelPath> for SkillFolders {
    /// The top of the source is not one of them: everything would lead into it.
    fn from_iter<I: IntoIterator<Item = RelPath>>(all: I) -> Self {
        let folders: BTreeSet<RelPath> = all.into_iter().filter(|folder| !folder.is_root()).collect();
        let mut by_name: BTreeMap<String, Vec<RelPath>> = BTreeMap::new();
        for folder in &folders {
            by_name.entry(folder.name().to_owned()).or_default().push(folder.clone());
        }
        Self { folders, by_name }
    }
}

impl SkillFolders {
    /// The folder of this name that is nearest to `own`: most folders above are the same.
    pub(super) fn named(&self, own: &RelPath, name: &str) -> Option<&RelPath> {
        let shared = |folder: &RelPath| {
            let pairs = folder.as_str().split('/').zip(own.as_str().split('/'));
            pairs.take_while(|(one, other)| one == other).count()
        };
        let all = self.by_name.get(name)?.iter().filter(|folder| *folder != own);
        all.max_by(|a, b| shared(a).cmp(&shared(b)).then_with(|| b.cmp(a)))
    }

    /// The skill that a path leads into, seen from the folder `base`; the innermost, where skills
    /// lie in each other. `None` for one that leads out of the source.
    pub(super) fn at_path(&self, base: &RelPath, path: &str) -> Option<&RelPath> {
        let meant = resolve_link(&base.file("x"), path)?;
        meant.with_parents().find_map(|folder| self.folders.get(&folder))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> RelPath {
        RelPath::parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn the_nearest_of_a_name_is_meant_and_no_path_leads_out() {
        let folders: SkillFolders = ["a/x", "a/y", "b/x", "b/y", "b/y/inner", "x"]
            .map(path)
            .into_iter()
            .chain([RelPath::ROOT])
            .collect();
        for (own, name, expected) in [
            ("a/y", "x", Some("a/x")),
            ("b/y", "x", Some("b/x")),
            ("c/z", "x", Some("a/x")),
            ("a/x", "x", Some("b/x")),
            ("a/x", "none", None),
        ] {
            assert_eq!(folders.named(&path(own), name).map(RelPath::as_str), expected, "{own} {name}");
        }
        for (own, link, expected) in [
            ("a/y", "../x/SKILL.md", Some("a/x")),
            ("a/y", "../x", Some("a/x")),
            ("a/y", "../x/", Some("a/x")),
            ("a/y", "../../b/y/inner/z.md", Some("b/y/inner")),
            ("a/y", "../../b/y/z.md", Some("b/y")),
            ("a/y", "../../../../x", None),
            ("a/y", "../../../etc/passwd", None),
            ("a/y", "/x", None),
            ("a/y", "..\\x", None),
            ("a/y", "../../README.md", None),
            ("a/y", "../z", None),
        ] {
            assert_eq!(folders.at_path(&path(own), link).map(RelPath::as_str), expected, "{own} {link}");
        }
    }
}
