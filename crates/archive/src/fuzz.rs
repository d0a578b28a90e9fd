//! What holds for every archive, whatever its bytes: for `fuzz/`, for the tests, which run it
//! over the seeds and what is near them, and for the laws beside this file.
//!
//! Checksums are set right before an archive is opened a second time: a fuzzer cannot guess
//! them, and would otherwise see nothing but the refusal of a wrong one.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::{self, Cursor, Read};

use flate2::read::GzDecoder;
use flate2::{Crc, Decompress, FlushDecompress};

use super::{corpus, open_archive};
use ba_agent_core::listing::{FileEntry, Node};
use ba_agent_core::package::{Package, is_clutter};
use ba_agent_core::path::RelPath;

/// A name, what it does with bytes, and what a fuzzer may begin with.
pub type Target = (&'static str, fn(&[u8]), fn() -> Vec<Vec<u8>>);

/// All targets, in the order of their names.
pub const TARGETS: &[Target] =
    &[("tar", tar, tar_seeds), ("tar_gz", tar_gz, tar_gz_seeds), ("zip", zip, zip_seeds)];

/// Opens it. What comes out keeps to the limits and has checked paths alone, and the crates,
/// where they can read it at all, find the same names with the same bytes. False when it is
/// refused.
pub(super) fn is_accepted(name: &str, bytes: &[u8]) -> bool {
    let limits = corpus::limits();
    let Ok(tree) = open_archive(name, bytes, &limits) else { return false };
    let entries = tree.listing.entries();
    assert!(entries.iter().map(|entry| entry.size).sum::<u64>() <= limits.unpacked);
    assert!(entries.len() <= limits.entries);
    for entry in entries {
        assert_eq!(RelPath::parse(entry.path.as_str().as_bytes()).as_ref(), Ok(&entry.path));
        assert!(entry.path.depth() <= limits.depth && entry.size <= limits.file);
    }
    assert!(entries.windows(2).all(|pair| matches!(pair, [a, b] if a.path < b.path)), "each path once");
    if let Some(mut theirs) = second_opinion(bytes) {
        // What is no plain file here spoils its skill; the crates may take it for one.
        theirs.retain(|path, _| tree.listing.entry_at(path).is_none_or(is_file));
        assert_eq!(files(&tree), theirs);
    }
    true
}

type Files = BTreeMap<String, Vec<u8>>;

fn is_file(entry: &FileEntry) -> bool {
    matches!(entry.node, Node::File { .. })
}

fn files(tree: &Package) -> Files {
    let read = |entry: &FileEntry| {
        let bytes = tree.read(entry).map(Cow::into_owned).expect("a listed file has its bytes");
        assert_eq!(bytes.len() as u64, entry.size);
        (entry.path.to_string(), bytes)
    };
    tree.listing.entries().iter().filter(|entry| is_file(entry)).map(read).collect()
}

/// The plain files as the `zip` or `tar` crate finds them; `None` where it fails.
pub(super) fn second_opinion(bytes: &[u8]) -> Option<Files> {
    let found = match bytes {
        [b'P', b'K', ..] => zip_crate(bytes).ok()?,
        [0x1f, 0x8b, ..] => tar_crate(GzDecoder::new(bytes)).ok()?,
        _ => tar_crate(bytes).ok()?,
    };
    let mut files = Files::new();
    for (name, data) in found {
        let name = name.strip_prefix("./").unwrap_or(&name).replace('\\', "/");
        if !is_clutter(&RelPath::parse(name.as_bytes()).expect("what was accepted has sound names")) {
            assert!(files.insert(name, data).is_none(), "each name once");
        }
    }
    Some(files)
}

fn zip_crate(bytes: &[u8]) -> io::Result<Vec<(String, Vec<u8>)>> {
    let mut archive = ::zip::ZipArchive::new(Cursor::new(bytes))?;
    let mut found = Vec::new();
    for at in 0..archive.len() {
        let mut entry = archive.by_index(at)?;
        let name = String::from_utf8(entry.name_raw().to_vec()).expect("a UTF-8 name was accepted");
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
            let name = String::from_utf8(entry.path_bytes().into_owned()).expect("a UTF-8 name was accepted");
            let mut data = Vec::new();
            entry.read_to_end(&mut data)?;
            found.push((name, data));
        }
    }
    Ok(found)
}

/// Any bytes as a ZIP file, as they are and with its sums and places set right.
pub fn zip(data: &[u8]) {
    is_accepted("x.zip", data);
    let mut mended = data.to_vec();
    if mend_zip(&mut mended).is_some() {
        is_accepted("x.zip", &mended);
    }
}

/// Any bytes as a tar file, as they are and with the sums of its headers set right.
pub fn tar(data: &[u8]) {
    is_accepted("x.tar", data);
    let mut mended = data.to_vec();
    with_sums(&mut mended);
    is_accepted("x.tar", &mended);
}

/// Any bytes as a gzip file, as they are and with its sum and length set right.
pub fn tar_gz(data: &[u8]) {
    is_accepted("x.tar.gz", data);
    let mut mended = data.to_vec();
    if mend_gzip(&mut mended).is_some() {
        is_accepted("x.tar.gz", &mended);
    }
}

/// Sets the eight bytes behind a stream that a plain head of ten stands before. `None` where
/// there is another head, or no room.
fn mend_gzip(bytes: &mut [u8]) -> Option<()> {
    let end = bytes.len().checked_sub(8)?;
    if !bytes.starts_with(&[0x1f, 0x8b, 8, 0]) {
        return None;
    }
    let mut data = Vec::with_capacity(1 << 18);
    // What cannot be inflated is refused for that.
    let _ = Decompress::new(false).decompress_vec(bytes.get(10..end)?, &mut data, FlushDecompress::Finish);
    let mut crc = Crc::new();
    crc.update(&data);
    put(bytes, end, crc.sum())?;
    put(bytes, end + 4, u32::try_from(data.len()).ok()?)
}

/// Sets the sums of whatever may be a header of tar.
pub(super) fn with_sums(bytes: &mut [u8]) {
    for block in bytes.chunks_exact_mut(512).filter(|block| block[100..108].ends_with(b"\0")) {
        block[148..156].fill(b' ');
        let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
        block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    }
}

/// Sets the place of the directory, and the checksum of each entry in it and before its
/// bytes. `None` where it is too broken for that.
fn mend_zip(bytes: &mut [u8]) -> Option<()> {
    let end = bytes.windows(4).rposition(|four| four == b"PK\x05\x06")?;
    let start = bytes.windows(4).position(|four| four == b"PK\x01\x02")?;
    put(bytes, end + 12, u32::try_from(end.checked_sub(start)?).ok()?)?;
    put(bytes, end + 16, u32::try_from(start).ok()?)?;
    let mut at = start;
    while bytes.get(at..at + 4)? == b"PK\x01\x02" {
        let local = long(bytes, at + 42)?;
        let body = local + 30 + short(bytes, local + 26)? + short(bytes, local + 28)?;
        let packed = bytes.get(body..body.checked_add(long(bytes, at + 20)?)?)?;
        let sum = sum(packed, short(bytes, at + 10)? == 8);
        put(bytes, at + 16, sum)?;
        // 0 says that a descriptor brings it.
        if long(bytes, local + 14)? != 0 {
            put(bytes, local + 14, sum)?;
        }
        at += 46 + short(bytes, at + 28)? + short(bytes, at + 30)? + short(bytes, at + 32)?;
    }
    Some(())
}

fn sum(packed: &[u8], deflated: bool) -> u32 {
    let mut crc = Crc::new();
    if deflated {
        let mut data = Vec::with_capacity(1 << 16);
        // What cannot be inflated is refused for that.
        let _ = Decompress::new(false).decompress_vec(packed, &mut data, FlushDecompress::Finish);
        crc.update(&data);
    } else {
        crc.update(packed);
    }
    crc.sum()
}

fn short(bytes: &[u8], at: usize) -> Option<usize> {
    Some(u16::from_le_bytes(*bytes.get(at..)?.first_chunk()?).into())
}

fn long(bytes: &[u8], at: usize) -> Option<usize> {
    usize::try_from(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?)).ok()
}

fn put(bytes: &mut [u8], at: usize, number: u32) -> Option<()> {
    bytes.get_mut(at..at + 4)?.copy_from_slice(&number.to_le_bytes());
    Some(())
}

/// The archives of the corpus that one of the targets starts from; large ones slow it down.
fn seeds(is_one: impl Fn(&str, &[u8]) -> bool) -> Vec<Vec<u8>> {
    let small = corpus::all().into_iter().filter(|case| case.bytes.len() <= 8_192);
    small.filter(|case| is_one(case.name, &case.bytes)).map(|case| case.bytes).collect()
}

fn zip_seeds() -> Vec<Vec<u8>> {
    seeds(|name, bytes| name.ends_with(".zip") && bytes.starts_with(b"PK"))
}

fn tar_gz_seeds() -> Vec<Vec<u8>> {
    seeds(|_, bytes| bytes.starts_with(&[0x1f, 0x8b]))
}

/// Seeds of the target [`tar`]: the archives of the corpus without the gzip around them.
fn tar_seeds() -> Vec<Vec<u8>> {
    let open = |bytes: Vec<u8>| {
        let mut tar = Vec::new();
        let whole = GzDecoder::new(&bytes[..]).take(16_384).read_to_end(&mut tar).is_ok();
        (whole && tar.len() < 16_384).then_some(tar)
    };
    tar_gz_seeds().into_iter().filter_map(open).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::corpus::Expect;

    #[test]
    fn every_target_runs_over_its_seeds_and_what_is_near_them() {
        ba_agent_test_support::run_near_seeds(TARGETS);
    }

    /// Else nothing behind a checksum would be seen.
    #[test]
    fn other_bytes_are_accepted_with_the_sums_set_right() {
        let (mut zips, mut gzips) = (0, 0);
        for case in corpus::all().into_iter().filter(|case| matches!(case.expect, Expect::Accept(_))) {
            let mut bytes = case.bytes;
            match case.name {
                "x.zip" => {
                    let at = bytes.windows(4).position(|four| four == b"PK\x01\x02").unwrap();
                    bytes[at + 16] ^= 1;
                    assert!(!is_accepted(case.name, &bytes));
                    mend_zip(&mut bytes);
                    zips += usize::from(is_accepted(case.name, &bytes));
                }
                _ if bytes.starts_with(&[0x1f, 0x8b, 8, 0]) => {
                    let end = bytes.len() - 8;
                    bytes[end..].fill(0);
                    assert!(!is_accepted("x", &bytes));
                    mend_gzip(&mut bytes);
                    gzips += usize::from(is_accepted("x", &bytes));
                }
                _ => {}
            }
        }
        assert!(zips >= 3 && gzips >= 3, "{zips} zips, {gzips} gzips");
    }
}
