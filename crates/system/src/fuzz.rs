//! What holds for every file of the cache, whatever its bytes: for `fuzz/`, and for the tests,
//! which run it over seeds and what is near them.

use ba_agent_core::digest::{self, sha256_hex};
use ba_agent_core::path::RelPath;

use crate::cache;

/// A name, what it does with bytes, and what a fuzzer may begin with.
pub type Target = (&'static str, fn(&[u8]), fn() -> Vec<Vec<u8>>);

/// All targets, in the order of their names.
pub const TARGETS: &[Target] = &[("cache", cache, cache_seeds)];

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

fn cache_seeds() -> Vec<Vec<u8>> {
    let of = |files: &[(&str, &str, &str)]| {
        let line = |(mode, path, bytes): &(&str, &str, &str)| {
            format!("{mode} {} {} {path}\n", sha256_hex(bytes.as_bytes()), bytes.len())
        };
        let bytes: String = files.iter().map(|(_, _, bytes)| *bytes).collect();
        format!("ba-agent tree 1\n{}\n{bytes}", files.iter().map(line).collect::<String>()).into_bytes()
    };
    vec![
        of(&[]),
        of(&[("100644", "SKILL.md", "text\n\nmore")]),
        of(&[("120000", "CLAUDE.md", "SKILL.md"), ("100644", "SKILL.md", "text"), ("100755", "bin/run", "")]),
        of(&[("100644", "a b", "one"), ("100644", "é", "two"), ("160000", "module", "")]),
        of(&[("100644", "../x", "one"), ("100644", "x", "two")]),
    ]
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_target_runs_over_its_seeds_and_what_is_near_them() {
        ba_agent_test_support::run_near_seeds(super::TARGETS);
    }
}
