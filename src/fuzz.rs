//! The readers of hostile bytes, one call each, for `fuzz/` alone: behind the feature `fuzz`,
//! no part of the crate's interface, changed with whatever it calls.
//!
//! Each function takes any bytes and panics where something is not as promised: beside that
//! nothing panics, that no path comes out unchecked, that limits are kept, and that what is
//! read and written again is the same. The smoke test below runs all of them in `cargo test`,
//! so that they do not rot where there is no nightly compiler.

mod seeds;

use crate::cache;
use crate::fetch::git::fuzz as git;
use crate::fetch::marketplace::Place;
use ba_agent_core::digest::{self, sha256_hex};
use ba_agent_core::path::RelPath;

/// A name, what it does with bytes, and what a fuzzer may begin with.
pub type Target = (&'static str, fn(&[u8]), fn() -> Vec<Vec<u8>>);

/// All targets, in the order of their names.
pub const TARGETS: &[Target] = &[
    ("cache", cache, seeds::cache),
    ("git_parameters", git_parameters, seeds::git_parameters),
    ("journal", journal, seeds::journal),
    ("loose", loose, git::loose_seeds),
    ("marketplace_place", marketplace_place, seeds::marketplace_place),
    ("marketplaces", marketplaces, seeds::marketplaces),
    ("netrc", netrc, seeds::netrc),
    ("npm", npm, seeds::npm),
    ("pack", pack, git::pack_seeds),
    ("pack_recipe", pack_recipe, git::recipe_seeds),
    ("settings", settings, seeds::settings),
    ("tree", tree, git::tree_seeds),
    ("wire", wire, git::wire_seeds),
];

/// A git pack: the objects that libgit2 finds in it.
pub fn pack(data: &[u8]) {
    git::pack(data);
}

/// A git pack written from a recipe, for what lies behind checksums and zlib: as [`pack`].
pub fn pack_recipe(data: &[u8]) {
    git::pack_recipe(data);
}

/// What a git remote says, whole and byte by byte.
pub fn wire(data: &[u8]) {
    git::wire(data);
}

/// Git's tree objects: paths, and the files that libgit2 finds.
pub fn tree(data: &[u8]) {
    git::tree(data);
}

/// A loose git object: id and size.
pub fn loose(data: &[u8]) {
    git::loose(data);
}

/// The journal of a killed command: it names nothing but places of its own.
pub fn journal(data: &[u8]) {
    crate::store::check_any_journal(data);
}

/// A project's settings: they take nothing of the user's and widen nothing.
pub fn settings(data: &[u8]) {
    crate::settings::check_any(data);
}

/// What is typed behind `marketplace add`: its text means the same place.
pub fn marketplace_place(data: &[u8]) {
    let Some(place) = std::str::from_utf8(data).ok().and_then(|text| Place::parse(text).ok()) else { return };
    let again = Place::parse(&place.text()).expect("the text of a place is one");
    assert_eq!(again.text(), place.text());
    assert_eq!(again.is_local(), place.is_local());
}

/// The file of registered marketplaces: read and written alike.
pub fn marketplaces(data: &[u8]) {
    crate::store::marketplaces::check_any(data);
}

/// A wanted version, and what an npm registry answers.
pub fn npm(data: &[u8]) {
    crate::fetch::npm::check_any(data);
}

/// A `.netrc` file.
pub fn netrc(data: &[u8]) {
    crate::fetch::credentials::check_any_netrc(data);
}

/// `GIT_CONFIG_PARAMETERS`, as `git -c` hands it on.
pub fn git_parameters(data: &[u8]) {
    crate::fetch::git::config::check_any_parameters(data);
}

/// A file of the cache, as it is and with its hashes set right: each path once and checked,
/// each file with its bytes.
pub fn cache(data: &[u8]) {
    for bytes in [Some(data.to_vec()), with_hashes(data)].into_iter().flatten() {
        let Some((tree, files)) = cache::unpack_package(bytes) else { continue };
        let entries = tree.listing.entries();
        assert_eq!(entries.len(), files.len(), "what is digested is what is there");
        for entry in entries {
            assert_eq!(RelPath::parse(entry.path.as_str().as_bytes()).as_ref(), Ok(&entry.path));
            let bytes = tree.read(entry).expect("a listed file has its bytes");
            assert_eq!(bytes.len() as u64, entry.size);
            let line = format!("{} {}", entry.node.git_mode(), sha256_hex(&bytes));
            assert_eq!(files.get(entry.path.as_str()), Some(&line));
        }
        digest::digest_of_files(&files);
    }
}

/// A file of the cache in which each line has the hash of its bytes.
fn with_hashes(data: &[u8]) -> Option<Vec<u8>> {
    let end = data.windows(2).position(|pair| pair == b"\n\n")?;
    let (head, body) = (std::str::from_utf8(data.get(..end)?).ok()?, data.get(end + 2..)?);
    let (magic, lines) = head.split_once('\n')?;
    let (mut out, mut at) = (magic.to_owned(), 0_usize);
    for line in lines.lines() {
        let mut words = line.splitn(4, ' ');
        let (mode, _, size, path) = (words.next()?, words.next()?, words.next()?, words.next()?);
        let next = at.checked_add(size.parse().ok()?)?;
        out += &format!("\n{mode} {} {size} {path}", sha256_hex(body.get(at..next)?));
        at = next;
    }
    Some([out.as_bytes(), b"\n\n", body].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_target_runs_over_its_seeds_and_what_is_near_them() {
        ba_agent_test_support::run_near_seeds(TARGETS);
    }
}
