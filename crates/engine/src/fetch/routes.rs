//! One skill, whichever way it comes: zip, tar.gz and folder give one tree.

use std::collections::BTreeMap;
use std::path::Path;

use fs_err as fs;
use proptest::prelude::*;

use super::local;
use ba_agent_archive::open_archive;
use ba_agent_core::listing::Limits;
use ba_agent_core::package::Package;
use ba_agent_test_support::{tar_build as tar, zip_build as zip};

/// Path to bytes and the executable bit.
type Files = BTreeMap<String, (Vec<u8>, bool)>;

fn files() -> impl Strategy<Value = Files> {
    // Folders and files have different names, so that none is both.
    let path = prop::string::string_regex("(d[0-2]/){0,3}[a-zé][a-z é_-]{0,8}\\.md").unwrap();
    let bytes = prop::collection::vec(any::<u8>(), 0..2_000);
    let one = (path, bytes, any::<bool>()).prop_map(|(path, bytes, exe)| (path, (bytes, exe && cfg!(unix))));
    prop::collection::vec(one, 1..12).prop_map(|files| files.into_iter().collect())
}

/// What the rest of the program sees of a tree: mode, size and bytes by path.
fn seen(tree: &Package) -> Vec<(String, u64, Vec<u8>)> {
    let entries = tree.listing.entries().iter();
    entries
        .map(|e| (format!("{} {}", e.node.git_mode(), e.path), e.size, tree.read(e).unwrap().into_owned()))
        .collect()
}

fn as_zip(files: &Files) -> Vec<u8> {
    let one = |(path, (bytes, exe)): (&String, &(Vec<u8>, bool))| {
        zip::mode(if *exe { 0o100_755 } else { 0o100_600 }, zip::file(path, bytes))
    };
    zip::zip(&files.iter().map(one).collect::<Vec<_>>())
}

fn as_tar(files: &Files) -> Vec<u8> {
    let one = |(path, (bytes, exe)): (&String, &(Vec<u8>, bool))| {
        let name = format!("./{path}");
        tar::T { mode: if *exe { 0o700 } else { 0o666 }, ..tar::file(name, bytes) }
    };
    // The order of an archive is its own.
    tar::tgz(&files.iter().rev().map(one).collect::<Vec<_>>())
}

fn as_folder(files: &Files, root: &Path) {
    for (path, (bytes, exe)) in files {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, bytes).unwrap();
        if *exe {
            make_executable(&path);
        }
    }
}

#[cfg(unix)]
fn make_executable(path: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

#[cfg(not(unix))]
fn make_executable(_: &Path) {}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(100) })]

    #[test]
    fn zip_tar_and_folder_are_one_tree(files in files()) {
        let limits = Limits::default();
        let root = tempfile::tempdir().unwrap();
        as_folder(&files, root.path());
        let folder = local::open_folder(root.path(), &[], &limits).ok().unwrap();
        let zip = open_archive("x.zip", &as_zip(&files), &limits).ok().unwrap();
        let tar = open_archive("x.tar.gz", &as_tar(&files), &limits).ok().unwrap();
        prop_assert_eq!(seen(&folder).len(), files.len());
        prop_assert_eq!(seen(&zip), seen(&folder));
        prop_assert_eq!(seen(&tar), seen(&folder));
    }
}
