//! What holds for every archive, not only the listed ones.

use std::io::{self, Read};
use std::sync::LazyLock;

use flate2::read::GzDecoder;
use proptest::prelude::*;

use super::corpus::{self, Expect};
use super::fuzz::{is_accepted, second_opinion, with_sums};
use super::tar;
use ba_agent_core::listing::Limits;

/// The archives that are accepted, name and bytes: what is changed here starts from them.
static ACCEPTED: LazyLock<Vec<(&'static str, Vec<u8>)>> = LazyLock::new(|| {
    let accept = |case: &corpus::Case| matches!(case.expect, Expect::Accept(_));
    corpus::all().into_iter().filter(accept).map(|case| (case.name, case.bytes)).collect()
});

#[test]
fn the_size_of_the_corpus_is_what_the_read_me_says() {
    let all = corpus::all();
    let count = |is: fn(&Expect) -> bool| all.iter().filter(|case| is(&case.expect)).count();
    let figures = format!(
        "{}: {} refused, {} refused as a skill, {} accepted",
        all.len(),
        count(|expect| matches!(expect, Expect::Refuse(_))),
        count(|expect| matches!(expect, Expect::SkillRefused(_))),
        count(|expect| matches!(expect, Expect::Accept(_))),
    );
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/README.md");
    // Not in the package of this crate alone.
    let Ok(text) = std::fs::read_to_string(file) else { return };
    assert!(text.contains(&figures), "tests/README.md should say `{figures}`");
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
        with_sums(&mut bytes);
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
