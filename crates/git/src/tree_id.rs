//! The id that git gives a folder, computed from what is in it.

use std::collections::BTreeMap;

use git2::{ObjectType, Oid};

/// What a folder holds, by name.
#[derive(Default)]
struct TreeNode {
    /// Mode and id of each file and link.
    files: BTreeMap<String, (String, Oid)>,
    folders: BTreeMap<String, TreeNode>,
}

/// The id of a folder with these files: path, mode as `100644`, and the bytes, or what a link says.
/// `None` for what git cannot have.
pub fn compute_tree_id<'f>(files: impl IntoIterator<Item = (&'f str, &'f str, Vec<u8>)>) -> Option<String> {
    let mut top = TreeNode::default();
    for (path, mode, bytes) in files {
        let mut parts: Vec<&str> = path.split('/').collect();
        let name = parts.pop()?.to_owned();
        let at = parts.into_iter().fold(&mut top, |at, part| at.folders.entry(part.to_owned()).or_default());
        let id = Oid::hash_object(ObjectType::Blob, &bytes).ok()?;
        at.files.insert(name, (mode.to_owned(), id));
    }
    top.id().map(|id| id.to_string())
}

impl TreeNode {
    fn id(&self) -> Option<Oid> {
        // Git sorts folders as if their names ended with a slash.
        let mut lines: Vec<(String, &str, &str, Oid)> = Vec::new();
        for (name, (mode, id)) in &self.files {
            lines.push((name.clone(), mode, name, *id));
        }
        for (name, folder) in &self.folders {
            lines.push((format!("{name}/"), "40000", name, folder.id()?));
        }
        lines.sort();
        let mut tree = Vec::new();
        for (_, mode, name, id) in lines {
            tree.extend_from_slice(format!("{mode} {name}\0").as_bytes());
            tree.extend_from_slice(id.as_bytes());
        }
        Oid::hash_object(ObjectType::Tree, &tree).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_is_that_of_git() {
        let dir = tempfile::tempdir().unwrap();
        let repo = git2::Repository::init_bare(dir.path()).unwrap();
        let blob = |text: &str| repo.blob(text.as_bytes()).unwrap();
        let mut inner = repo.treebuilder(None).unwrap();
        inner.insert("x.sh", blob("#!"), 0o100_755).unwrap();
        let inner = inner.write().unwrap();
        let mut top = repo.treebuilder(None).unwrap();
        for (name, mode) in [("a.md", 0o100_644), ("a-b", 0o100_644), ("l", 0o120_000)] {
            top.insert(name, blob(name), mode).unwrap();
        }
        top.insert("a", inner, 0o040_000).unwrap();
        let expected = top.write().unwrap().to_string();
        let files = [
            ("a/x.sh", "100755", "#!"),
            ("l", "120000", "l"),
            ("a-b", "100644", "a-b"),
            ("a.md", "100644", "a.md"),
        ];
        let files = files.map(|(path, mode, text)| (path, mode, text.as_bytes().to_vec()));
        assert_eq!(compute_tree_id(files), Some(expected));
    }
}
