//! The archive that a registry serves, read: a tar.gz with `SKILL.md` at its top, within the limits
//! of the registry. What is only strange in an archive from elsewhere is refused here: it was
//! written for this, and what is published stays.

use ba_agent_core::error::Result;
use ba_agent_core::listing::{Limits, Node, check_portable};
use ba_agent_core::package::Package;
use ba_agent_core::remote_registry::PublishingLimits;
use ba_agent_core::skill::MANIFEST;

use crate::sniff::{ArchiveFormat, detect_format};
use crate::{Refusal, tar};

/// Bytes that one byte of an archive may become.
const MAX_RATIO: u64 = 100;
/// So much may always be unpacked: a short archive of a long list packs better than that.
const FREE_OF_RATIO: u64 = 1024 * 1024;

/// Reads a published archive. Needs at most [`PublishingLimits::unpacked`] bytes of memory beside
/// `bytes`, whatever the archive claims.
///
/// # Errors
/// `Invalid` when it is not exactly one plain tree with a `SKILL.md` at its top, when it breaks a
/// limit, and when some system cannot have its files.
pub fn open_published_archive(bytes: &[u8], limits: &PublishingLimits) -> Result<Package> {
    let unpacked = limits.unpacked.min(MAX_RATIO.saturating_mul(bytes.len() as u64).max(FREE_OF_RATIO));
    let reading = Limits {
        download: limits.archive,
        unpacked,
        file: unpacked,
        entries: limits.files,
        skill_files: limits.files,
        ..Limits::default()
    };
    read(bytes, &reading).map_err(|refusal| {
        // The settings of whoever reads change nothing about what a registry takes.
        Refusal { hint: None, ..refusal }.into_error("of the skill")
    })
}

fn read(bytes: &[u8], limits: &Limits) -> Result<Package, Refusal> {
    if bytes.len() as u64 > limits.download {
        let reason = format!("it has {} bytes; the limit is {}", bytes.len(), limits.download);
        return Err(Refusal::refuse_whole_archive(reason));
    }
    if detect_format("", bytes)? != ArchiveFormat::TarGz {
        return Err(Refusal::refuse_whole_archive("it is not a tar.gz file"));
    }
    let package = tar::read_gzip(bytes, limits)?;
    if package.skipped > 0 {
        return Err(Refusal::refuse_whole_archive("it has files that the Finder of macOS adds"));
    }
    let is_file = |node: &Node| matches!(node, Node::File { .. });
    if !package.listing.entry_at(MANIFEST).is_some_and(|entry| is_file(&entry.node)) {
        return Err(Refusal::refuse_whole_archive(format!("it has no `{MANIFEST}` at its top")));
    }
    check_portable(package.listing.entries(), limits)
        .map_err(|error| Refusal::refuse_whole_archive(error.message))?;
    Ok(package)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::corpus::{self, Expect};
    use crate::write_published_archive;
    use ba_agent_core::error::Kind;
    use ba_agent_core::listing::{FileEntry, Listing};
    use ba_agent_core::path::RelPath;
    use proptest::prelude::*;

    fn package(rows: &[(String, bool, Vec<u8>)]) -> Package {
        let entry = |(slot, (path, executable, bytes)): (usize, &(String, bool, Vec<u8>))| FileEntry {
            path: RelPath::parse(path.as_bytes()).unwrap(),
            node: Node::File { executable: *executable },
            size: bytes.len() as u64,
            slot,
        };
        let entries = rows.iter().enumerate().map(entry).collect();
        Package::in_memory(Listing::new(entries), rows.iter().map(|row| row.2.clone()).collect())
    }

    fn one(path: &str, bytes: Vec<u8>) -> Vec<u8> {
        let rows = [("SKILL.md".to_owned(), false, b"x".to_vec()), (path.to_owned(), false, bytes)];
        write_published_archive(package(&rows).dir(&RelPath::ROOT)).unwrap()
    }

    /// What others wrote is taken when its SKILL.md is at the top; of what is hostile, nothing is.
    #[test]
    fn every_hostile_archive_of_the_corpus_is_refused() {
        let small = PublishingLimits { archive: 1 << 20, unpacked: 1 << 16, files: 300 };
        let mut taken = 0;
        for case in corpus::all() {
            let opened = open_published_archive(&case.bytes, &small);
            let is_good = matches!(case.expect, Expect::Accept(_));
            match opened {
                Ok(_) => {
                    assert!(is_good, "{} {} is taken", case.id, case.what);
                    taken += 1;
                }
                Err(error) => assert_eq!(error.kind, Kind::Invalid, "{}", case.id),
            }
        }
        assert!(taken > 0, "a rule is too strict: nothing of what real programs pack is taken");
    }

    #[test]
    fn limits_are_those_of_the_registry() {
        let limits = PublishingLimits::default();
        let mut state = 1_u64;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            state.to_be_bytes()[0]
        };
        let noise: Vec<u8> = (0..3_000_000).map(|_| next()).collect();
        let archive = one("data", noise);
        assert!(open_published_archive(&archive, &limits).is_ok());
        let refuse = |bytes: &[u8], limits: &PublishingLimits, reason: &str| {
            let error = open_published_archive(bytes, limits).err().unwrap();
            assert!(error.kind == Kind::Invalid && error.message.contains(reason), "{}", error.message);
        };
        refuse(&archive, &PublishingLimits { archive: 1_000_000, ..limits.clone() }, "the limit is 1000000");
        refuse(&archive, &PublishingLimits { unpacked: 1_000_000, ..limits.clone() }, "1000000");
        refuse(&archive, &PublishingLimits { files: 1, ..limits.clone() }, "more than 1 entries");
        // A bomb: 16 MB of zeros are 16 KB.
        let bomb = one("zeros", vec![0; 16_000_000]);
        assert!(bomb.len() < 100_000);
        refuse(&bomb, &limits, "the limit for a file is");
        refuse(b"PK\x03\x04", &limits, "not a tar.gz");
        refuse(b"", &limits, "refused");
    }

    proptest! {
        /// What is packed is found again, and the same files in any order are the same bytes.
        #[test]
        fn a_published_archive_is_read_back(
            files in prop::collection::btree_map("[a-z]{1,4}(/[a-zé]{1,40}){0,3}", (any::<bool>(), prop::collection::vec(any::<u8>(), 0..600)), 0..6),
        ) {
            let mut rows: Vec<_> = files.into_iter().map(|(path, (x, bytes))| (path, x, bytes)).collect();
            rows.push(("SKILL.md".to_owned(), false, b"---\nname: x\n---\n".to_vec()));
            let skill = package(&rows);
            prop_assume!(check_portable(skill.listing.entries(), &Limits::default()).is_ok());
            let bytes = write_published_archive(skill.dir(&RelPath::ROOT)).unwrap();
            let back = open_published_archive(&bytes, &PublishingLimits::default()).unwrap();
            prop_assert_eq!(back.dir(&RelPath::ROOT).digest().unwrap(), skill.dir(&RelPath::ROOT).digest().unwrap());
            prop_assert_eq!(write_published_archive(back.dir(&RelPath::ROOT)).unwrap(), bytes.clone());
            rows.reverse();
            prop_assert_eq!(write_published_archive(package(&rows).dir(&RelPath::ROOT)).unwrap(), bytes);
        }
    }
}
