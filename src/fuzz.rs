//! The readers of hostile bytes, one call each, for `fuzz/` alone: behind the feature `fuzz`,
//! no part of the crate's interface, changed with whatever it calls.
//!
//! Each function takes any bytes and panics where something is not as promised: beside that
//! nothing panics, that no path comes out unchecked, that limits are kept, and that what is
//! read and written again is the same. The smoke test below runs all of them in `cargo test`,
//! so that they do not rot where there is no nightly compiler.

mod seeds;
mod words;

use crate::cache;
use crate::digest::{self, sha256_hex};
use crate::fetch::archive::fuzz as archive;
use crate::fetch::git::fuzz as git;
use crate::path::RelPath;

pub use words::{diff, interop, manifest, marketplace, registry, search, search_index, source, yaml};

/// One target: a name, what it does with bytes, and what a fuzzer may begin with.
#[derive(Debug)]
pub struct Target {
    /// The name of its file below `fuzz/fuzz_targets/`.
    pub name: &'static str,
    /// Panics where something is not as promised.
    pub run: fn(&[u8]),
    /// A few inputs that get far.
    pub seeds: fn() -> Vec<Vec<u8>>,
}

/// All targets, in the order of their names.
pub const TARGETS: &[Target] = &[
    Target { name: "cache", run: cache, seeds: seeds::cache },
    Target { name: "diff", run: diff, seeds: seeds::diff },
    Target { name: "git_parameters", run: git_parameters, seeds: seeds::git_parameters },
    Target { name: "interop", run: interop, seeds: seeds::interop },
    Target { name: "journal", run: journal, seeds: seeds::journal },
    Target { name: "loose", run: loose, seeds: git::loose_seeds },
    Target { name: "manifest", run: manifest, seeds: seeds::manifest },
    Target { name: "marketplace", run: marketplace, seeds: seeds::marketplace },
    Target { name: "marketplaces", run: marketplaces, seeds: seeds::marketplaces },
    Target { name: "netrc", run: netrc, seeds: seeds::netrc },
    Target { name: "npm", run: npm, seeds: seeds::npm },
    Target { name: "pack", run: pack, seeds: git::pack_seeds },
    Target { name: "pack_recipe", run: pack_recipe, seeds: git::recipe_seeds },
    Target { name: "registry", run: registry, seeds: seeds::registry },
    Target { name: "search", run: search, seeds: seeds::search },
    Target { name: "search_index", run: search_index, seeds: seeds::search_index },
    Target { name: "settings", run: settings, seeds: seeds::settings },
    Target { name: "source", run: source, seeds: seeds::source },
    Target { name: "tar", run: tar, seeds: archive::tar_seeds },
    Target { name: "tar_gz", run: tar_gz, seeds: seeds::tar_gz },
    Target { name: "tree", run: tree, seeds: git::tree_seeds },
    Target { name: "wire", run: wire, seeds: git::wire_seeds },
    Target { name: "yaml", run: yaml, seeds: seeds::yaml },
    Target { name: "zip", run: zip, seeds: seeds::zip },
];

/// A ZIP file: limits, paths, and the files that the `zip` crate finds.
pub fn zip(data: &[u8]) {
    archive::zip(data);
}

/// A tar file: limits, paths, and the files that the `tar` crate finds.
pub fn tar(data: &[u8]) {
    archive::tar(data);
}

/// A gzip file with a tar in it: as [`tar`].
pub fn tar_gz(data: &[u8]) {
    archive::tar_gz(data);
}

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
    use std::path::Path;

    /// Mutations of all seeds of a target together.
    const MOST: usize = 300;

    /// Seeds as they are, then with one bit turned, one byte gone, or cut short, at places
    /// that are spread evenly.
    fn smoke(target: &Target) {
        let seeds = (target.seeds)();
        assert!(!seeds.is_empty(), "{} has no seeds", target.name);
        (target.run)(b"");
        let share = MOST.div_ceil(seeds.len());
        for seed in &seeds {
            (target.run)(seed);
            for n in 0..share.min(seed.len() * 8) {
                let (at, mut bytes) = (n * seed.len() / share.min(seed.len() * 8), seed.clone());
                match n % 8 {
                    0..6 => bytes[at] ^= 1 << (n % 7),
                    6 => drop(bytes.remove(at)),
                    _ => bytes.truncate(at),
                }
                (target.run)(&bytes);
            }
        }
    }

    #[test]
    fn every_target_runs_over_its_seeds_and_what_is_near_them() {
        std::thread::scope(|scope| {
            for target in TARGETS {
                // A panic tells the name of its thread.
                let thread = std::thread::Builder::new().name(target.name.to_owned());
                thread.spawn_scoped(scope, || smoke(target)).unwrap();
            }
        });
    }

    /// `fuzz/` is no part of what `cargo test` builds.
    #[test]
    fn each_target_has_its_file_below_fuzz() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz");
        // Not in the package, which has no folder of another package.
        let Ok(manifest) = std::fs::read_to_string(root.join("Cargo.toml")) else { return };
        let read_me = std::fs::read_to_string(root.join("README.md")).unwrap();
        for Target { name, .. } in TARGETS {
            let file = std::fs::read_to_string(root.join(format!("fuzz_targets/{name}.rs"))).unwrap();
            assert!(file.contains(&format!("ba_agent::fuzz::{name}(data)")), "{name}");
            assert!(manifest.contains(&format!("name = \"{name}\"\n")), "{name}");
            assert!(read_me.contains(&format!("| `{name}` |")), "{name}");
        }
        let files = std::fs::read_dir(root.join("fuzz_targets")).unwrap().count();
        assert_eq!(files, TARGETS.len());
        assert!(TARGETS.is_sorted_by_key(|target| target.name));
    }
}
