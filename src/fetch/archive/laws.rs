//! What holds for every archive, not only the listed ones.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::{self, Cursor, Read};
use std::sync::LazyLock;

use flate2::read::GzDecoder;
use proptest::prelude::*;

use super::corpus::{self, Expect};
use super::{open, tar};
use crate::fetch::{Tree, is_clutter};
use crate::tree::{Entry, Limits, Node, TreePath};

/// The archives that are accepted, name and bytes: what is changed here starts from them.
static ACCEPTED: LazyLock<Vec<(&'static str, Vec<u8>)>> = LazyLock::new(|| {
    let accept = |case: &corpus::Case| matches!(case.expect, Expect::Accept(_));
    corpus::all().into_iter().filter(accept).map(|case| (case.name, case.bytes)).collect()
});

/// Opens it. What comes out keeps to the limits, and the crates, where they can read it
/// at all, find the same names with the same bytes. False when it is refused.
fn is_accepted(name: &str, bytes: &[u8]) -> bool {
    let limits = corpus::limits();
    let Ok(tree) = open(name, bytes, &limits) else { return false };
    let entries = tree.listing.entries();
    assert!(entries.iter().map(|entry| entry.size).sum::<u64>() <= limits.unpacked);
    assert!(entries.len() <= limits.entries);
    if let Some(mut theirs) = second_opinion(bytes) {
        // What is no plain file here spoils its skill; the crates may take it for one.
        theirs.retain(|path, _| tree.listing.get(path).is_none_or(is_file));
        assert_eq!(files(&tree), theirs);
    }
    true
}

type Files = BTreeMap<String, Vec<u8>>;

fn is_file(entry: &Entry) -> bool {
    matches!(entry.node, Node::File { .. })
}

fn files(tree: &Tree) -> Files {
    let read = |entry: &Entry| (entry.path.to_string(), tree.read(entry).map(Cow::into_owned).unwrap());
    tree.listing.entries().iter().filter(|entry| is_file(entry)).map(read).collect()
}

/// The plain files as the `zip` or `tar` crate finds them; `None` where it fails.
fn second_opinion(bytes: &[u8]) -> Option<Files> {
    let found = match bytes {
        [b'P', b'K', ..] => zip_crate(bytes).ok()?,
        [0x1f, 0x8b, ..] => tar_crate(GzDecoder::new(bytes)).ok()?,
        _ => tar_crate(bytes).ok()?,
    };
    let mut files = Files::new();
    for (name, data) in found {
        let name = name.strip_prefix("./").unwrap_or(&name).replace('\\', "/");
        if !is_clutter(&TreePath::parse(name.as_bytes()).unwrap()) {
            assert!(files.insert(name, data).is_none());
        }
    }
    Some(files)
}

fn zip_crate(bytes: &[u8]) -> io::Result<Vec<(String, Vec<u8>)>> {
    let mut archive = ::zip::ZipArchive::new(Cursor::new(bytes))?;
    let mut found = Vec::new();
    for at in 0..archive.len() {
        let mut entry = archive.by_index(at)?;
        let name = String::from_utf8(entry.name_raw().to_vec()).unwrap();
        let kind = entry.unix_mode().unwrap_or(0) & 0o170_000;
        if !name.ends_with(['/', '\\']) && matches!(kind, 0 | 0o100_000) {
            let mut data = Vec::new();
            entry.read_to_end(&mut data)?;
            found.push((name, data));
        }
    }
    Ok(found)
}

fn tar_crate(source: impl Read) -> io::Result<Vec<(String, Vec<u8>)>> {
    let mut found = Vec::new();
    for entry in ::tar::Archive::new(source).entries()? {
        let mut entry = entry?;
        if entry.header().entry_type() == ::tar::EntryType::Regular {
            let name = String::from_utf8(entry.path_bytes().into_owned()).unwrap();
            let mut data = Vec::new();
            entry.read_to_end(&mut data)?;
            found.push((name, data));
        }
    }
    Ok(found)
}

#[test]
fn the_crates_find_the_same_files_in_what_is_accepted() {
    for (name, bytes) in &*ACCEPTED {
        assert!(second_opinion(bytes).is_some(), "{name}");
        assert!(is_accepted(name, bytes), "{name}");
    }
}

#[test]
fn no_part_of_an_archive_is_an_archive() {
    for (name, bytes) in &*ACCEPTED {
        for tenth in 0..10 {
            assert!(!is_accepted(name, &bytes[..bytes.len() * tenth / 10]), "{name} {tenth}0%");
        }
        assert!(!is_accepted(name, &bytes[..bytes.len() - 1]), "{name}");
    }
}

/// Nearly every byte of an archive carries meaning; those that do not are times,
/// owners and the like. No change of one bit may make two readers see two trees.
#[test]
fn one_wrong_bit_is_never_ambiguous() {
    for (name, bytes) in &*ACCEPTED {
        let mut bytes = bytes.clone();
        // Long archives end in zeros, of which some are enough.
        for at in 0..bytes.len().min(2_500) {
            let bit = 1 << (at % 8);
            bytes[at] ^= bit;
            is_accepted(name, &bytes);
            bytes[at] ^= bit;
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2_000) })]

    #[test]
    fn changed_archives_are_read_like_others_read_them_or_refused(
        which in any::<prop::sample::Index>(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..3_u8), 1..6),
    ) {
        let (name, mut bytes) = which.get(&ACCEPTED).clone();
        for (at, byte, how) in changes {
            let at = at.index(bytes.len());
            match how {
                0 => bytes[at] = byte,
                1 => bytes.insert(at, byte),
                _ => drop(bytes.remove(at)),
            }
        }
        is_accepted(name, &bytes);
    }

    /// Changes below gzip and its checksum, with the checksums of tar set right.
    #[test]
    fn changed_headers_are_read_like_others_read_them_or_refused(
        which in any::<prop::sample::Index>(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let archives: Vec<_> = ACCEPTED.iter().filter(|(name, _)| name.ends_with("gz")).collect();
        let mut bytes = Vec::new();
        GzDecoder::new(&which.get(&archives).1[..]).read_to_end(&mut bytes).unwrap();
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        for block in bytes.chunks_exact_mut(512).filter(|block| block[100..108].ends_with(b"\0")) {
            block[148..156].fill(b' ');
            let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
            block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        }
        is_accepted("x.tar", &bytes);
    }

    #[test]
    fn noise_behind_a_magic_never_panics(
        magic in prop::sample::select(vec![&b"PK\x03\x04"[..], b"PK\x05\x06", b"\x1f\x8b\x08\0", b""]),
        noise in prop::collection::vec(any::<u8>(), 0..2_000),
    ) {
        is_accepted("x", &[magic, &noise].concat());
    }
}

/// Counts what is taken from it.
struct Counted<R>(R, u64);

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = self.0.read(into)?;
        self.1 += count as u64;
        Ok(count)
    }
}

/// How many bytes are read of `start` and endless zeros behind it.
fn read_of_endless(start: &[u8]) -> u64 {
    let mut source = Counted(start.chain(io::repeat(0)), 0);
    assert!(tar::read(&mut source, &Limits::default()).is_err());
    source.1
}

/// 10 KB of tar.gz with a GNU long name of 10 MB keep other readers busy for minutes.
#[test]
fn nothing_without_an_end_is_read_to_the_end() {
    let mut header = ::tar::Header::new_gnu();
    header.set_path("././@LongLink").unwrap();
    for (kind, size) in
        [(b'L', 10 << 20), (b'K', 10 << 20), (b'x', 10 << 20), (b'g', 1 << 33), (b'0', 1 << 32)]
    {
        header.set_entry_type(::tar::EntryType::new(kind));
        header.set_size(size);
        header.set_cksum();
        assert_eq!(read_of_endless(header.as_bytes()), 512, "{kind}");
    }
    header.set_entry_type(::tar::EntryType::Regular);
    header.set_size(0);
    header.set_cksum();
    assert!(read_of_endless(header.as_bytes()) < 1_100_000);
}
