use std::collections::BTreeMap;

use proptest::prelude::*;

use super::merkle::{hash_children, hash_row};
use super::*;
use crate::digest::encode_hex;
use crate::error::{Kind, error};

/// The files of a log in memory.
#[derive(Default)]
struct Files(BTreeMap<LogTile, Vec<u8>>);

impl Files {
    fn append(&mut self, edge: &mut LogEdge, leaves: &[Vec<u8>]) {
        let files = edge.append(leaves).unwrap();
        for (tile, bytes) in files.tiles {
            assert!(bytes.len() <= tile.largest(), "{tile}");
            let before = self.0.insert(tile, bytes.clone());
            assert!(before.is_none_or(|before| before == bytes), "{tile} was something else");
        }
        self.0.retain(|tile, _| tile.is_whole() || !files.replaced.contains(&tile.parts_folder()));
    }

    fn read(&self, tile: &LogTile) -> crate::error::Result<Vec<u8>> {
        let whole = || self.0.get(&tile.to_whole());
        self.0.get(tile).or_else(whole).cloned().ok_or_else(|| error!(Integrity, "no `{tile}`"))
    }
}

fn leaf(number: u64) -> Vec<u8> {
    format!("leaf {number}").into_bytes()
}

fn leaves(count: u64) -> Vec<Vec<u8>> {
    (0..count).map(leaf).collect()
}

/// A log of this many leaves, added in pieces of this many.
fn log(count: u64, piece: usize) -> (Files, LogEdge) {
    let (mut files, mut edge) = (Files::default(), LogEdge::default());
    for piece in leaves(count).chunks(piece.max(1)) {
        files.append(&mut edge, piece);
    }
    (files, edge)
}

#[test]
fn the_roots_are_those_that_certificate_transparency_publishes_as_test_vectors() {
    let inputs: [&[u8]; 8] = [
        b"",
        b"\x00",
        b"\x10",
        b"\x20\x21",
        b"\x30\x31",
        b"\x40\x41\x42\x43",
        b"\x50\x51\x52\x53\x54\x55\x56\x57",
        b"\x60\x61\x62\x63\x64\x65\x66\x67\x68\x69\x6a\x6b\x6c\x6d\x6e\x6f",
    ];
    let roots = [
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    ];
    let mut edge = LogEdge::default();
    assert_eq!(
        encode_hex(&edge.root().0),
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    );
    for (input, root) in inputs.iter().zip(roots) {
        edge.append(&[input.to_vec()]).unwrap();
        assert_eq!(encode_hex(&edge.root().0), root, "{} leaves", edge.size());
    }
}

#[test]
fn paths_of_tiles_are_those_of_the_specification_and_no_others() {
    let tile = |content, number, width| LogTile { content, number, width };
    for (expected, tile) in [
        ("tile/0/000", tile(TileContent::Hashes(0), 0, 256)),
        ("tile/0/x001/x234/067", tile(TileContent::Hashes(0), 1_234_067, 256)),
        ("tile/1/x001/000.p/8", tile(TileContent::Hashes(1), 1_000, 8)),
        ("tile/entries/x123/456.p/255", tile(TileContent::Entries, 123_456, 255)),
    ] {
        assert_eq!(tile.to_string(), expected);
        assert_eq!(expected.parse(), Ok(tile));
    }
    for wrong in [
        "tile/0/0",
        "tile/0/0000",
        "tile/0/x000/001",
        "tile/0/1000",
        "tile/0/001/002",
        "tile/0/x001",
        "tile/0/000.p/256",
        "tile/0/000.p/0",
        "tile/0/000.p/08",
        "tile/8/000",
        "tile/00/000",
        "tile/+1/000",
        "tile/data/000",
        "tile/0/x999/x999/x999/x999/x999/x999/x999/999",
        "tile/0/../000",
        "/tile/0/000",
        "tile/0/",
        "",
    ] {
        assert!(wrong.parse::<LogTile>().is_err(), "{wrong}");
    }
    assert_eq!(LogTile::holding(TileContent::Hashes(0), 256, 256), None);
    assert_eq!(LogTile::holding(TileContent::Hashes(1), 0, 255), None);
    assert_eq!(
        LogTile::holding(TileContent::Hashes(1), 0, 700).map(|tile| tile.to_string()).as_deref(),
        Some("tile/1/000.p/2")
    );
}

#[test]
fn a_log_of_any_size_proves_each_leaf_and_each_older_size() {
    let mut roots = vec![TreeHash::of_nothing()];
    let hashes: Vec<TreeHash> = leaves(70_000).iter().map(|leaf| hash_leaf(leaf)).collect();
    for size in [1u64, 2, 3, 7, 8, 255, 256, 257, 511, 512, 513, 65_535, 65_536, 65_537, 70_000] {
        let (files, edge) = log(size, 300);
        let root = edge.root();
        assert_eq!(Some(root), hash_row(&hashes[..size as usize]));
        let mut read = |tile: &LogTile| files.read(tile);
        let mut tiles = TileHashes::new(size, &mut read);
        assert_eq!(tiles.read_root().unwrap(), root);
        for index in [0, 1, size / 3, size / 2, 255, 256, size.saturating_sub(2), size - 1] {
            let index = index.min(size - 1);
            let proof = tiles.prove_inclusion(index).unwrap();
            let hash = hashes[index as usize];
            check_inclusion(&proof, index, size, hash, root).unwrap();
            assert_eq!(tiles.read_leaf_hash(index).unwrap(), hash);
            assert!(check_inclusion(&proof, index, size, hash_leaf(b"other"), root).is_err());
            assert!(size == 1 || check_inclusion(&proof, (index + 1) % size, size, hash, root).is_err());
            assert!(check_inclusion(&proof, index, size, hash, hash_children(root, root)).is_err());
        }
        for old in [0, 1, size / 2, size.saturating_sub(1), size, 256, 512] {
            let old = old.min(size);
            let old_root = hash_row(&hashes[..old as usize]).unwrap_or_else(TreeHash::of_nothing);
            let proof = tiles.prove_consistency(old).unwrap();
            check_consistency(&proof, old, old_root, size, root).unwrap();
            assert!(check_consistency(&proof, old, hash_children(root, root), size, root).is_err());
            assert!(old == 0 || check_consistency(&proof, old, old_root, size, hash_leaf(b"")).is_err());
        }
        assert!(tiles.prove_inclusion(size).is_err() && tiles.prove_consistency(size + 1).is_err());
        assert!(check_consistency(&[], size + 1, root, size, root).is_err());
        assert!(check_inclusion(&[], size, size, hashes[0], root).is_err());
        roots.push(root);
    }
    roots.sort_by_key(|root| root.0);
    roots.dedup();
    assert_eq!(roots.len(), 16, "each size has a root of its own");
}

#[test]
fn a_small_log_is_proven_out_of_one_tile_and_a_larger_one_out_of_three() {
    for (size, index, most) in [(1, 0, 1), (256, 17, 1), (257, 3, 3), (10_000, 1_234, 3), (65_536, 5, 3)] {
        let (files, _) = log(size, 1_000);
        let mut asked = 0;
        let mut read = |tile: &LogTile| {
            asked += 1;
            files.read(tile)
        };
        TileHashes::new(size, &mut read).prove_inclusion(index).unwrap();
        assert!(asked <= most, "{size} leaves: {asked} tiles");
    }
}

#[test]
fn an_edge_that_was_written_is_read_again_and_goes_on_as_if_never_left() {
    for size in [0, 1, 255, 256, 257, 512, 1_000, 65_536, 65_600] {
        let (mut files, edge) = log(size, 256);
        let checkpoint = edge.to_checkpoint("example.org/log");
        let mut again = LogEdge::read(&checkpoint, &mut |tile| files.read(tile)).unwrap();
        let (first, open) = again.open_leaves();
        assert_eq!((first + open.len() as u64, open.len() as u64), (size, size % 256));
        files.append(&mut again, &[leaf(size)]);
        let (straight, straight_edge) = log(size + 1, 256);
        assert_eq!((again.size(), again.root()), (straight_edge.size(), straight_edge.root()));
        for (tile, bytes) in &straight.0 {
            assert_eq!(files.0.get(tile), Some(bytes), "{tile}");
        }
    }
}

#[test]
fn an_edge_whose_tiles_are_others_is_refused() {
    let (files, edge) = log(700, 256);
    let checkpoint = edge.to_checkpoint("example.org/log");
    for tile in files.0.keys().filter(|tile| !tile.is_whole()) {
        let mut asked = false;
        let mut read = |wanted: &LogTile| {
            let mut bytes = files.read(wanted)?;
            if wanted == tile {
                asked = true;
                *bytes.last_mut().unwrap() ^= 1;
            }
            Ok(bytes)
        };
        let refused = LogEdge::read(&checkpoint, &mut read).map_err(|e| e.kind);
        assert!(!asked || refused == Err(Kind::Integrity), "{tile}");
    }
    let other = Checkpoint { size: 699, ..checkpoint };
    assert!(LogEdge::read(&other, &mut |tile| files.read(tile)).is_err());
}

#[test]
fn leaves_have_the_same_bytes_whatever_may_change_of_a_version() {
    let published = r#"{"v":1,"name":"@acme/pdf","version":"1.0.0","digest":"sha256:00","later":{"b":[1,2.5],"a":null},"published_at":"2026-11-27T10:00:00Z","leaf":7,"yanked":false}"#;
    let event = LogEvent::publication(published).unwrap();
    let bytes = write_event(&event).unwrap();
    assert_eq!(
        String::from_utf8(bytes.clone()).unwrap(),
        r#"{"v":1,"event":"publish","line":{"v":1,"name":"@acme/pdf","version":"1.0.0","digest":"sha256:00","later":{"b":[1,2.5],"a":null},"published_at":"2026-11-27T10:00:00Z"}}"#
    );
    assert_eq!(read_event(&bytes), Ok(Some(event.clone())));
    let changed =
        published.replace("\"leaf\":7,\"yanked\":false", "\"leaf\":9,\"yanked\":true,\"yank_reason\":\"x\"");
    assert_eq!(LogEvent::publication(&changed), Ok(event.clone()));
    for rewritten in [
        published.replace("1.0.0", "1.0.1"),
        published.replace("null", "0"),
        published.replace("sha256:00", "sha256:01"),
    ] {
        assert_ne!(LogEvent::publication(&rewritten), Ok(event.clone()));
    }
    for wrong in ["", "[]", "{", "{}x", "null"] {
        assert_eq!(LogEvent::publication(wrong).map_err(|e| e.kind), Err(Kind::Integrity), "{wrong}");
    }
}

#[test]
fn each_event_is_written_and_read_and_an_unknown_one_is_passed_over() {
    let at = "2026-11-27T10:00:00Z".parse().unwrap();
    let (by, name, version) = (Some("alice".to_owned()), "@acme/pdf".to_owned(), "1.0.0".to_owned());
    let events = [
        LogEvent::Yank { at, by: by.clone(), name: name.clone(), version: version.clone(), reason: None },
        LogEvent::Unyank { at, by: by.clone(), name: name.clone(), version: version.clone() },
        LogEvent::Remove {
            at,
            by: by.clone(),
            name: name.clone(),
            version: Some(version),
            reason: "malware".into(),
        },
        LogEvent::Restore {
            at,
            by: by.clone(),
            name: name.clone(),
            version: None,
            reason: "by mistake".into(),
        },
        LogEvent::Owner { at, by, name, login: "bob".into(), role: Some("publisher".into()) },
    ];
    for event in events {
        assert_eq!(read_event(&write_event(&event).unwrap()), Ok(Some(event)));
    }
    for unknown in [r#"{"v":2,"event":"yank"}"#, r#"{"v":1,"event":"rename","to":"x"}"#] {
        assert_eq!(read_event(unknown.as_bytes()), Ok(None));
    }
    for wrong in
        ["", "{}", r#"{"v":1,"event":"yank"}"#, "{\"v\":1,\"event\":\"publish\",\"line\":3}", "\u{0}"]
    {
        assert_eq!(read_event(wrong.as_bytes()).map_err(|e| e.kind), Err(Kind::Integrity), "{wrong}");
    }
    let long =
        LogEvent::publication(&format!("{{\"description\":\"{}\"}}", "x".repeat(MAX_LEAF_BYTES))).unwrap();
    assert_eq!(write_event(&long).map_err(|e| e.kind), Err(Kind::Invalid));
}

#[test]
fn a_key_is_read_as_others_write_it_and_only_so() {
    // The key of Go's checksum database.
    let text = "sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8";
    let key: VerifierKey = text.parse().unwrap();
    assert_eq!(
        (key.name(), key.id_text().as_str(), key.to_string().as_str()),
        ("sum.golang.org", "033de0ae", text)
    );
    for wrong in [
        "",
        "a+b",
        "sum.golang.org+033de0ae+",
        "sum.golang.org+033de0af+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8",
        "sum.golang.com+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8",
        "sum.golang.org+033de0ae+As4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8",
        "sum golang+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8",
        "sum.golang.org+033DE0AE+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8",
    ] {
        assert_eq!(wrong.parse::<VerifierKey>().map_err(|e| e.kind), Err(Kind::Invalid), "{wrong}");
    }
}

#[test]
fn a_note_is_taken_apart_and_what_is_none_is_refused() {
    let key: VerifierKey =
        "sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8".parse().unwrap();
    let checkpoint = Checkpoint { origin: "sum.golang.org".into(), size: 0, root: TreeHash::of_nothing() };
    let signature = NoteSignature { name: key.name().into(), id: key.id(), signature: vec![7; 64] };
    let note = SignedNote::new(checkpoint.to_string(), signature.clone()).unwrap().to_string();
    let read = SignedNote::parse(note.as_bytes()).unwrap();
    assert_eq!(read.text().parse(), Ok(checkpoint));
    assert_eq!(read.find_signature(&key), Ok(&signature));
    let other = VerifierKey::new("sum.golang.org", [3; 32]).unwrap();
    let refused = read.find_signature(&other).unwrap_err();
    assert_eq!(refused.kind, Kind::Integrity);
    assert!(refused.message.contains("033de0ae"), "{}", refused.message);

    let line = note.lines().last().unwrap();
    let twice = format!("{note}{line}\n");
    assert!(SignedNote::parse(twice.as_bytes()).unwrap().find_signature(&key).is_err());
    let others =
        format!("{}{note}", "").replace("\n\n", &format!("\n\n\u{2014} witness.example+ {}\n", "AAAA"));
    for wrong in [
        String::new(),
        note.trim_end().to_owned(),
        note.replace("\n\n", "\n"),
        note.replace('\u{2014}', "-"),
        note.replace("sum.golang.org\n0", "sum.golang.org\r\n0"),
        note.replace("sum.golang.org\n0", "sum\u{1b}[31m\n0"),
        note.replace(line, &format!("{line}!")),
        note.replace(line, "\u{2014} sum.golang.org AAAA"),
        note.replace(line, ""),
        note.replace(line, &format!("{line}\n").repeat(40)),
        note.replace(line, &"x".repeat(MAX_NOTE_BYTES)),
        others,
    ] {
        assert_eq!(
            SignedNote::parse(wrong.as_bytes()).map(drop).map_err(|e| e.kind),
            Err(Kind::Integrity),
            "{wrong}"
        );
    }
    assert!(SignedNote::parse(b"a\n\n\xff\n").is_err());
}

#[test]
fn a_checkpoint_is_three_lines_and_more_may_follow() {
    let root = hash_leaf(b"x");
    let text = format!("example.org/log\n12\n{root}\n");
    let expected = Checkpoint { origin: "example.org/log".into(), size: 12, root };
    assert_eq!(text.parse(), Ok(expected.clone()));
    assert_eq!(format!("{text}more\n").parse(), Ok(expected));
    for wrong in [
        String::new(),
        format!("example.org/log\n12\n{root}"),
        format!("example.org/log\n012\n{root}\n"),
        format!("example.org/log\n-1\n{root}\n"),
        format!("example.org/log\n+1\n{root}\n"),
        format!("example.org/log\n18446744073709551616\n{root}\n"),
        format!("example.org/log\n0\n{root}\n"),
        format!("\n12\n{root}\n"),
        format!("a b\n12\n{root}\n"),
        "example.org/log\n12\nAAAA\n".to_owned(),
    ] {
        assert_eq!(wrong.parse::<Checkpoint>().map_err(|e| e.kind), Err(Kind::Integrity), "{wrong:?}");
    }
}

proptest! {
    /// Whatever the pieces in which leaves come, the files are the same.
    #[test]
    fn the_files_do_not_depend_on_the_pieces(pieces in proptest::collection::vec(1u64..200, 1..12)) {
        let count: u64 = pieces.iter().sum();
        let (mut files, mut edge) = (Files::default(), LogEdge::default());
        let mut at = 0;
        for piece in pieces {
            let next: Vec<Vec<u8>> = (at..at + piece).map(leaf).collect();
            files.append(&mut edge, &next);
            at += piece;
        }
        let (whole, whole_edge) = log(count, usize::MAX);
        prop_assert_eq!(&edge, &whole_edge);
        for (tile, bytes) in &whole.0 {
            prop_assert_eq!(files.0.get(tile), Some(bytes), "{}", tile);
        }
    }

    /// A proof with anything changed in it proves nothing.
    #[test]
    fn a_changed_proof_is_refused(
        size in 1u64..600, place in any::<prop::sample::Index>(), at in any::<prop::sample::Index>(), change in 0u8..4
    ) {
        let (files, edge) = log(size, 600);
        let index = place.index(size as usize) as u64;
        let mut read = |tile: &LogTile| files.read(tile);
        let mut tiles = TileHashes::new(size, &mut read);
        let old = tiles.prove_consistency(index + 1).unwrap();
        let old_root = log(index + 1, 600).1.root();
        for (mut proof, is_inclusion) in [(tiles.prove_inclusion(index).unwrap(), true), (old, false)] {
            let right = proof.clone();
            match (change, proof.is_empty()) {
                (0, false) => { let at = at.index(proof.len()); proof[at].0[at % 32] ^= 1; }
                (1, false) => { let at = at.index(proof.len()); proof.remove(at); }
                (2, false) => { proof.reverse(); }
                _ => proof.push(hash_leaf(b"more")),
            }
            let check = |proof: &[TreeHash]| if is_inclusion {
                check_inclusion(proof, index, size, hash_leaf(&leaf(index)), edge.root())
            } else {
                check_consistency(proof, index + 1, old_root, size, edge.root())
            };
            prop_assert!(check(&right).is_ok());
            prop_assert!(proof == right || check(&proof).is_err());
        }
    }

    /// Leaves of any bytes come out of a bundle as they went in; a cut one is refused.
    #[test]
    fn a_bundle_gives_back_its_leaves(leaves in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..40), 0..20)) {
        let bytes = write_bundle(leaves.iter().map(Vec::as_slice)).unwrap();
        prop_assert_eq!(read_bundle(&bytes).unwrap(), leaves.iter().map(Vec::as_slice).collect::<Vec<_>>());
        for end in 1..bytes.len() {
            let is_whole = (0..leaves.len()).any(|n| write_bundle(leaves[..n].iter().map(Vec::as_slice)).unwrap().len() == end);
            prop_assert_eq!(read_bundle(&bytes[..end]).is_ok(), is_whole);
        }
    }
}
