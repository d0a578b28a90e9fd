//! Packs made by hand and by libgit2: what is found has the bytes of its id, or it is an
//! error.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::ZlibEncoder;
use git2::{Buf, Repository};
use proptest::prelude::*;
use sha1::{Digest as _, Sha1};

use super::*;
use ba_agent_core::error::Kind;

/// Gives at most so many bytes at once.
struct Drip<'a>(&'a [u8], usize);

impl Read for Drip<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let length = buffer.len().min(self.1);
        self.0.read(&mut buffer[..length])
    }
}

fn zlib(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn varint(mut number: usize) -> Vec<u8> {
    let mut out = Vec::new();
    while number > 127 {
        out.push(number as u8 | 128);
        number >>= 7;
    }
    out.push(number as u8);
    out
}

/// The head of an entry of so many bytes.
fn head_of(kind: u8, size: usize) -> Vec<u8> {
    let first = kind << 4 | (size & 15) as u8;
    if size < 16 {
        return vec![first];
    }
    [vec![first | 128], varint(size >> 4)].concat()
}

fn whole(kind: u8, bytes: &[u8]) -> Vec<u8> {
    [head_of(kind, bytes.len()), zlib(bytes)].concat()
}

/// A delta to what begins `back` bytes before it.
fn placed(back: usize, patch: &[u8]) -> Vec<u8> {
    let mut distance = vec![(back & 127) as u8];
    let mut rest = back >> 7;
    while rest > 0 {
        rest -= 1;
        distance.insert(0, (rest & 127) as u8 | 128);
        rest >>= 7;
    }
    [head_of(6, patch.len()), distance, zlib(patch)].concat()
}

fn named(id: Oid, patch: &[u8]) -> Vec<u8> {
    [&head_of(7, patch.len())[..], id.as_bytes(), &zlib(patch)].concat()
}

/// Copies `length` bytes from the start, then appends.
fn append(base: usize, length: u8, tail: &[u8]) -> Vec<u8> {
    let size = usize::from(length) + tail.len();
    [varint(base), varint(size), vec![0x90, length, tail.len() as u8], tail.to_vec()].concat()
}

fn sealed(count: u32, body: &[u8]) -> Vec<u8> {
    let mut pack = [&b"PACK\0\0\0\x02"[..], &count.to_be_bytes(), body].concat();
    let sum = Sha1::digest(&pack);
    pack.extend_from_slice(&sum);
    pack
}

fn pack_of(entries: &[Vec<u8>]) -> Vec<u8> {
    sealed(u32::try_from(entries.len()).unwrap(), &entries.concat())
}

fn receive(pack: &[u8], limits: PackLimits) -> Result<Received> {
    let folder = tempfile::tempdir().unwrap();
    Pack::receive(&mut &*pack, limits, u64::MAX, folder.path(), |_, _| {})
}

fn taken(pack: &[u8], limits: PackLimits) -> Pack {
    match receive(pack, limits).unwrap() {
        Received::Here(pack) => pack,
        Received::Large(_) => panic!("it is not large"),
    }
}

/// What a pack is for libgit2 and here must be one thing; kept decoded or not.
fn check(bytes: &[u8], objects: &[(ObjectType, Vec<u8>)]) {
    let folder = tempfile::tempdir().unwrap();
    let large = PackLimits::REAL.spilled;
    for (kept, spilled) in [(0, 0), (0, 500), (0, large), (100, 0), (100, large), (PackLimits::REAL.kept, 0)]
    {
        for step in [1, 2, 3, 7, 8, 65_536] {
            let held = [0, 60, PackLimits::REAL.pack][step % 3];
            let limits = PackLimits { kept, spilled, pack: held, ..PackLimits::REAL };
            let received = Pack::receive(&mut Drip(bytes, step), limits, u64::MAX, folder.path(), |_, _| {});
            let received = received.unwrap();
            let Received::Here(pack) = received else { panic!("it is not large") };
            assert_eq!(pack.ids.len(), objects.len());
            for (kind, content) in objects {
                let id = Oid::hash_object(*kind, content).unwrap();
                let (found, bytes) = pack.find(id, u64::MAX).unwrap().unwrap();
                assert_eq!((found, &bytes), (*kind, content));
                assert_eq!(pack.size(id), Some(content.len() as u64));
            }
        }
    }
}

fn refused(bytes: &[u8], why: &str) {
    for kept in [0, PackLimits::REAL.kept] {
        let Err(error) = receive(bytes, PackLimits { kept, ..PackLimits::REAL }) else {
            panic!("taken: {why}")
        };
        assert_eq!(error.kind, Kind::Integrity);
        assert!(format!("{error:?}").contains(why), "{error:?} has no `{why}`");
    }
}

/// A base, a chain of two on it by place, one on it by id that comes first, one on that.
fn sample() -> (Vec<u8>, Vec<(ObjectType, Vec<u8>)>) {
    let base = b"one line\nanother line\n".to_vec();
    let (first, second) = ([&base[..], b"more"].concat(), [&base[..9], b"less"].concat());
    let third = b"one third".to_vec();
    let id = Oid::hash_object(ObjectType::Blob, &base).unwrap();
    let base_entry = whole(3, &base);
    let first_entry = placed(base_entry.len(), &append(base.len(), base.len() as u8, b"more"));
    let second_entry = placed(first_entry.len(), &append(first.len(), 9, b"less"));
    let fourth = b"one last".to_vec();
    let entries = [
        named(id, &append(base.len(), 4, b"third")),
        base_entry,
        first_entry,
        second_entry,
        named(Oid::hash_object(ObjectType::Blob, &third).unwrap(), &append(third.len(), 4, b"last")),
        whole(1, b"tree x"),
        whole(2, b""),
        whole(4, &[7; 5_000]),
    ];
    let blobs = [base, first, second, third, fourth].map(|bytes| (ObjectType::Blob, bytes));
    let others = [
        (ObjectType::Commit, b"tree x".to_vec()),
        (ObjectType::Tree, Vec::new()),
        (ObjectType::Tag, vec![7; 5_000]),
    ];
    (pack_of(&entries), blobs.into_iter().chain(others).collect())
}

#[test]
fn every_type_and_both_deltas_are_read() {
    let (pack, objects) = sample();
    check(&pack, &objects);
    check(&pack_of(&[]), &[]);
    let pack = taken(&pack, PackLimits::REAL);
    assert!(pack.find(Oid::ZERO_SHA1, u64::MAX).unwrap().is_none());
    let id = Oid::hash_object(ObjectType::Tag, &[7; 5_000]).unwrap();
    assert_eq!(pack.find(id, 4_999).unwrap_err().kind, Kind::Integrity);
}

#[test]
fn long_chains_are_read_or_left_to_libgit2() {
    let mut objects = vec![(ObjectType::Blob, b"0".to_vec())];
    let mut entries = vec![whole(3, b"0")];
    for n in 1..=100_usize {
        let base = objects[n - 1].1.len();
        let back = entries[n - 1].len();
        entries.push(placed(back, &append(base, base as u8, b"1")));
        objects.push((ObjectType::Blob, [&b"0"[..], &vec![b'1'; n]].concat()));
    }
    let pack = pack_of(&entries);
    check(&pack, &objects);
    let large = |limits: PackLimits| {
        let begun = |held| match receive(&pack, PackLimits { pack: held, ..limits }) {
            Ok(Received::Large(begun)) => begun,
            _ => panic!("it is large"),
        };
        [0, 100, 1 << 20].into_iter().all(|held| {
            let mut bytes = Vec::new();
            begun(held).into_reader().unwrap().read_to_end(&mut bytes).unwrap();
            !bytes.is_empty() && pack.starts_with(&bytes)
        })
    };
    assert!(large(PackLimits { depth: 99, ..PackLimits::REAL }));
    assert!(large(PackLimits { objects: 100, ..PackLimits::REAL }));
    assert!(large(PackLimits { object: 100, ..PackLimits::REAL }));
    assert!(large(PackLimits { decoded: 4_000, ..PackLimits::REAL }));
    let error = Pack::receive(&mut &*pack, PackLimits::REAL, 500, std::path::Path::new("none"), |_, _| {})
        .err()
        .unwrap();
    assert_eq!(error.kind, Kind::Invalid);
}

#[test]
fn chains_by_id_may_not_be_deep_either() {
    let mut objects = vec![(ObjectType::Blob, b"0".to_vec())];
    let mut entries = vec![whole(3, b"0")];
    for n in 1..=20_usize {
        let base = objects[n - 1].1.clone();
        let id = Oid::hash_object(ObjectType::Blob, &base).unwrap();
        entries.insert(0, named(id, &append(base.len(), base.len() as u8, b"1")));
        objects.push((ObjectType::Blob, [&base[..], b"1"].concat()));
    }
    let pack = pack_of(&entries);
    check(&pack, &objects);
    assert!(matches!(receive(&pack, PackLimits { depth: 10, ..PackLimits::REAL }), Ok(Received::Large(_))));
}

#[test]
fn what_is_dear_to_make_again_is_kept_or_left_to_libgit2() {
    let base = vec![b'x'; 200_000];
    let base_entry = whole(3, &base);
    let tiny = placed(base_entry.len(), &append(base.len(), 3, b"y"));
    let pack = pack_of(&[base_entry, tiny]);
    let kept = taken(&pack, PackLimits { kept: 2, spilled: 0, ..PackLimits::REAL });
    let id = Oid::hash_object(ObjectType::Blob, b"xxxy").unwrap();
    assert!(kept.object(id).unwrap().1.kept.is_some());
    assert!(matches!(
        receive(&pack, PackLimits { kept: 1, spilled: 0, ..PackLimits::REAL }),
        Ok(Received::Large(_))
    ));
}

#[test]
fn what_does_not_fit_is_refused() {
    let base = whole(3, b"0123456789");
    let back = base.len();
    let on_base = |patch: &[u8]| pack_of(&[base.clone(), placed(back, patch)]);
    for patch in [
        &b""[..],
        b"\x0a",
        b"\x0a\x02",
        b"\x09\x01\x01a",
        b"\x0a\x01\x00",
        b"\x0a\x01\x02a",
        b"\x0a\x01\x02ab",
        b"\x0a\x02\x01a",
        b"\x0a\x02\x91\x09\x02",
        b"\x0a\x02\x9f\xff\xff\xff\xff\x02",
        b"\x0a\x01\x80",
        b"\x0a\x01\x90",
        b"\x8a\x80\x80\x80\x80\x80\x80\x80\x80\x80\x00\x01\x01a",
    ] {
        refused(&on_base(patch), "does not fit its base");
    }
    for back in [0, 1, back - 1, back + 1, back + 12, back + 13, 1 << 20, 1 << 45] {
        refused(&pack_of(&[base.clone(), placed(back, b"\x0a\x01\x01a")]), "no base");
    }
    let absent = Oid::hash_object(ObjectType::Blob, b"absent").unwrap();
    refused(&pack_of(&[base.clone(), named(absent, b"\x0a\x01\x01a")]), "no base");
    let own = Oid::hash_object(ObjectType::Blob, b"a").unwrap();
    refused(&pack_of(&[named(own, b"\x01\x01\x01a")]), "no base");
    refused(&pack_of(&[base.clone(), base.clone()]), "twice");
    refused(&on_base(b"\x0a\x0a\x90\x0a"), "twice");
    for kind in [0, 5] {
        refused(&pack_of(&[whole(kind, b"x")]), "unknown type");
    }
    for size in [9, 11, 15] {
        refused(&pack_of(&[[head_of(3, size), zlib(b"0123456789")].concat()]), "differs from its header");
    }
    refused(&pack_of(&[[&[0xb0][..], &[0xff; 12]].concat()]), "impossible size");
    refused(&pack_of(&[b"\x31not zlib".to_vec()]), "decompressed");
    let mut third = sealed(1, &base);
    third.truncate(third.len() - 20);
    third[7] = 3;
    let sum = Sha1::digest(&third);
    refused(&[&third[..], &sum].concat(), "not a git pack");
    refused(&sealed(2, &base), "");
    refused(&sealed(0, &base), "after its end");
    refused(&[&sealed(1, &base)[..], b"x"].concat(), "after its end");
    refused(&[&sealed(1, &base)[..], b"x"].concat(), "damaged");
}

#[test]
fn no_piece_of_a_pack_and_no_flipped_bit_passes() {
    let (pack, _) = sample();
    for length in 0..pack.len() {
        assert!(receive(&pack[..length], PackLimits::REAL).is_err(), "{length} bytes were taken");
    }
    for bit in 0..pack.len() * 8 {
        let mut flipped = pack.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert!(!matches!(receive(&flipped, PackLimits::REAL), Ok(Received::Here(_))), "bit {bit} passed");
        // With a checksum that is right again, whatever is found still has its id.
        flipped.truncate(pack.len() - 20);
        let sum = Sha1::digest(&flipped);
        flipped.extend_from_slice(&sum);
        sound(&flipped);
    }
}

/// If the pack is taken at all, every object in it has its id, and nothing panics.
fn sound(bytes: &[u8]) {
    for kept in [0, PackLimits::REAL.kept] {
        if let Ok(Received::Here(pack)) = receive(bytes, PackLimits { kept, ..PackLimits::REAL }) {
            for id in pack.ids.keys() {
                let (kind, bytes) = pack.find(*id, u64::MAX).unwrap().unwrap();
                assert_eq!(Oid::hash_object(kind, &bytes).unwrap(), *id);
            }
        }
    }
}

/// Texts that have much in common, so that libgit2 makes deltas of them.
fn texts() -> impl Strategy<Value = Vec<Vec<u8>>> {
    let piece =
        prop_oneof![Just(vec![b'a'; 300]), Just((0..=255).collect()), "[a-z]{0,200}".prop_map(Vec::from)];
    proptest::collection::vec(proptest::collection::vec(piece, 0..12).prop_map(|all| all.concat()), 0..20)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn it_reads_what_libgit2_writes(texts in texts(), kept in 0_usize..3_000, spilled in 0_u64..3_000) {
        let folder = tempfile::tempdir().unwrap();
        let repository = Repository::init_bare(folder.path()).unwrap();
        let mut builder = repository.packbuilder().unwrap();
        let mut ids = Vec::new();
        for text in &texts {
            let id = repository.blob(text).unwrap();
            builder.insert_object(id, None).unwrap();
            ids.push(id);
        }
        let mut bytes = Buf::new();
        builder.write_buf(&mut bytes).unwrap();
        let limits = PackLimits { kept, spilled, ..PackLimits::REAL };
        // Without room to keep what is dear it may go to libgit2, never be wrong.
        if let Received::Here(pack) = receive(&bytes, limits).unwrap() {
            for (id, text) in ids.iter().zip(&texts) {
                prop_assert_eq!(&pack.find(*id, u64::MAX).unwrap().unwrap().1, text);
            }
        }
        let pack = taken(&bytes, PackLimits::REAL);
        for (id, text) in ids.iter().zip(&texts) {
            prop_assert_eq!(&pack.find(*id, u64::MAX).unwrap().unwrap().1, text);
        }
    }

    #[test]
    fn no_entries_make_it_panic(count in 0_u32..4, body in proptest::collection::vec(any::<u8>(), 0..200)) {
        sound(&sealed(count, &body));
    }

    #[test]
    fn no_delta_makes_it_panic(patch in proptest::collection::vec(any::<u8>(), 0..40)) {
        let base = whole(3, b"0123456789");
        let patch = [&b"\x0a"[..], &patch].concat();
        let entry = placed(base.len(), &patch);
        sound(&pack_of(&[base, entry]));
    }
}
