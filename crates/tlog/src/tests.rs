use std::collections::BTreeMap;

use ba_agent_core::error::{Kind, Result};
use ba_agent_core::transparency_log::{
    CHECKPOINT_FILE, LogEvent, LogTile, NoteSignature, SignedNote, TileContent, VerifierKey, write_bundle,
    write_event,
};
use ba_agent_objects::{FolderObjects, Objects};
use proptest::prelude::*;

use super::*;

const ORIGIN: &str = "skills.example.org/log";

fn key() -> LogSigningKey {
    LogSigningKey::from_seed(ORIGIN, [7; 32]).unwrap()
}

/// The line of a published version, as an index has it when the log has given it its place.
fn line(number: u64) -> String {
    format!(
        r#"{{"v":1,"name":"@acme/skill-{number}","version":"1.0.0","digest":"sha256:{number:064x}","published_at":"2026-11-27T10:00:00Z","leaf":{number},"yanked":false}}"#
    )
}

fn leaf(number: u64) -> Vec<u8> {
    write_event(&LogEvent::publication(&line(number)).unwrap()).unwrap()
}

/// A folder of files in memory.
#[derive(Debug, Clone, Default, PartialEq)]
struct Folder(BTreeMap<String, Vec<u8>>);

impl Folder {
    fn of(count: u64) -> Self {
        let mut folder = Self::default();
        folder.add(&key(), (0..count).map(leaf));
        folder
    }

    fn add(&mut self, key: &LogSigningKey, leaves: impl Iterator<Item = Vec<u8>>) -> LogAddition {
        let leaves: Vec<Vec<u8>> = leaves.collect();
        let addition = plan_addition(key, &leaves, &mut |path| Ok(self.0.get(path).cloned())).unwrap();
        self.0.extend(addition.tiles.iter().cloned());
        self.0.insert(CHECKPOINT_FILE.into(), addition.checkpoint.clone());
        self.0.retain(|path, _| {
            !addition.replaced.iter().any(|folder| path.starts_with(&format!("{folder}/")))
        });
        addition
    }

    fn check(&self, seen: Option<&SeenTree>, lines: &[u64]) -> Result<SeenTree> {
        let texts: Vec<String> = lines.iter().map(|number| line(*number)).collect();
        let lines: Vec<LoggedLine> = (texts.iter().zip(lines))
            .map(|(text, number)| LoggedLine { text, leaf: Some(*number), title: "@acme/skill 1.0.0" })
            .collect();
        self.check_lines(seen, &lines)
    }

    fn check_lines(&self, seen: Option<&SeenTree>, lines: &[LoggedLine<'_>]) -> Result<SeenTree> {
        check_log(key().verifier(), seen, lines, &mut |wanted| {
            let found = self.0.get(&wanted.path).cloned();
            Ok(found.filter(|bytes| bytes.len() <= wanted.largest))
        })
    }

    fn seen(&self) -> SeenTree {
        self.check(None, &[]).unwrap()
    }
}

#[track_caller]
fn refused(checked: Result<SeenTree>, words: &[&str]) {
    let error = checked.unwrap_err();
    let text = format!("{}: {}; {}", error.message, error.causes.join(": "), error.hints.join("; "));
    assert_eq!(error.kind, Kind::Integrity, "{text}");
    for word in words {
        assert!(text.contains(word), "`{word}` is not in: {text}");
    }
}

#[test]
fn a_log_that_grew_is_the_one_that_was_seen_and_has_its_lines() {
    for (before, after) in [(1, 1), (1, 2), (200, 256), (256, 257), (300, 900), (700, 70_000)] {
        let mut folder = Folder::of(before);
        let seen = folder.seen();
        assert_eq!(seen.to_string().parse(), Ok(seen));
        folder.add(&key(), (before..after).map(leaf));
        let now = folder.check(Some(&seen), &[0, before - 1, after / 2, after - 1]).unwrap();
        assert_eq!(now.size, after);
    }
}

#[test]
fn a_rewritten_line_is_refused() {
    let folder = Folder::of(300);
    let honest = line(17);
    let check = |text: &str, leaf| {
        folder.check_lines(None, &[LoggedLine { text, leaf, title: "@acme/skill-17 1.0.0" }])
    };
    check(&honest, Some(17)).unwrap();
    check(&honest.replace("false", "true,\"yank_reason\":\"broken\""), Some(17)).unwrap();
    let other = honest.replace("1.0.0", "1.0.1");
    refused(check(&other, Some(17)), &["@acme/skill-17 1.0.0 is not as the log", "says something else"]);
    refused(
        check(&honest.replace("\"leaf\"", "\"hooks\":true,\"leaf\""), Some(17)),
        &["says something else"],
    );
    refused(check(&honest, Some(18)), &["leaf 18"]);
    refused(check(&honest, Some(300)), &["names the leaf 300, and the log has 300"]);
    refused(check(&honest, None), &["names no place"]);
    refused(check("{", Some(17)), &["not valid JSON"]);
}

#[test]
fn a_dropped_leaf_an_older_tree_and_a_fork_are_refused() {
    let folder = Folder::of(300);
    let seen = folder.seen();
    let mut dropped = Folder::default();
    dropped.add(&key(), (0..301).filter(|number| *number != 17).map(leaf));
    refused(dropped.check(Some(&seen), &[]), &["not the one that was seen before", "rewrote its history"]);
    refused(dropped.check(None, &[17]), &["leaf 17 of the log says something else"]);
    refused(dropped.check(None, &[300]), &["names the leaf 300"]);
    refused(Folder::of(299).check(Some(&seen), &[]), &["had 300 leaves and now has 299", "mirror"]);
    let mut fork = Folder::of(299);
    fork.add(&key(), std::iter::once(leaf(999)));
    refused(fork.check(Some(&seen), &[]), &["the first 300 leaves"]);
    fork.add(&key(), (301..400).map(leaf));
    refused(fork.check(Some(&seen), &[]), &["the first 300 leaves"]);
    refused(Folder::default().check(Some(&seen), &[]), &["has no log any more"]);
}

#[test]
fn another_key_and_another_log_are_refused() {
    let (folder, seen) = (Folder::of(3), Folder::of(3).seen());
    let signed_by = |key: &LogSigningKey| {
        let mut other = Folder::default();
        other.add(key, (0..3).map(leaf));
        other
    };
    let other_key = LogSigningKey::from_seed(ORIGIN, [8; 32]).unwrap();
    refused(
        signed_by(&other_key).check(Some(&seen), &[]),
        &["not signed with the key that this registry had"],
    );
    let other_name = LogSigningKey::from_seed("other.example.org/log", [7; 32]).unwrap();
    refused(signed_by(&other_name).check(None, &[]), &["expected one signature", "other.example.org/log"]);
    // The right key under the head of another log, and a signature that was copied from elsewhere.
    let note = String::from_utf8(folder.0[CHECKPOINT_FILE].clone()).unwrap();
    for changed in [note.replacen(ORIGIN, "other.example.org/log", 1), note.replacen("\n3\n", "\n2\n", 1)] {
        let mut copied = folder.clone();
        copied.0.insert(CHECKPOINT_FILE.into(), changed.into_bytes());
        refused(copied.check(None, &[]), &["signature of the log", "is not right"]);
    }
}

#[test]
fn the_key_does_not_sign_for_another_log_and_a_head_of_another_is_refused() {
    let checkpoint =
        Folder::of(2).add(&key(), std::iter::empty()).edge.to_checkpoint("other.example.org/log");
    assert_eq!(key().sign_checkpoint(&checkpoint).map_err(|e| e.kind), Err(Kind::Invalid));
    // A signer who does: the name under the note is right, the one in it is not.
    let pair = ring::signature::Ed25519KeyPair::from_seed_unchecked(&[7; 32]).unwrap();
    let text = checkpoint.to_string();
    let signature = pair.sign(text.as_bytes()).as_ref().to_vec();
    let of = key();
    let signature = NoteSignature { name: ORIGIN.into(), id: of.verifier().id(), signature };
    let note = SignedNote::new(text, signature).unwrap().to_string();
    let refused = open_checkpoint(note.as_bytes(), of.verifier()).unwrap_err();
    assert!(refused.message.contains("expected the log `skills.example.org/log`, found `other"), "{refused}");
}

#[test]
fn a_copy_that_is_behind_is_asked_again_and_a_part_that_is_gone_is_read_from_the_whole() {
    let (old, new) = (Folder::of(250), Folder::of(260));
    let mut asked = Vec::new();
    let text = line(255);
    let lines = [LoggedLine { text: &text, leaf: Some(255), title: "x" }];
    check_log(key().verifier(), Some(&new.seen()), &lines, &mut |wanted| {
        asked.push((wanted.path.clone(), wanted.is_fresh));
        Ok(if wanted.is_fresh { &new } else { &old }.0.get(&wanted.path).cloned())
    })
    .unwrap();
    assert_eq!(asked.first(), Some(&(CHECKPOINT_FILE.to_owned(), false)));
    assert!(asked.contains(&(CHECKPOINT_FILE.to_owned(), true)), "{asked:?}");

    let mut grown = old.clone();
    grown.add(&key(), (250..260).map(leaf));
    assert!(!grown.0.contains_key("tile/0/000.p/250"), "parts of a whole tile go");
    grown.0.insert(CHECKPOINT_FILE.into(), old.0[CHECKPOINT_FILE].clone());
    grown.check(Some(&old.seen()), &[17]).unwrap();
}

#[test]
fn what_fails_to_be_read_is_no_forgery() {
    let down = |_: &LogRead| Err(ba_agent_core::error::error!(Network, "connection refused"));
    let refused = check_log(key().verifier(), None, &[], &mut { down }).unwrap_err();
    assert_eq!(refused.kind, Kind::Network);
}

#[test]
fn two_small_files_show_a_young_registry_and_what_is_kept_is_not_asked_again() {
    for (size, most_cold, most_warm) in [(200u64, 2, 1), (10_000, 4, 1), (60_000, 4, 1)] {
        let folder = Folder::of(size);
        let text = line(100);
        let lines = [LoggedLine { text: &text, leaf: Some(100), title: "x" }];
        let mut kept: BTreeMap<String, Vec<u8>> = BTreeMap::new();
        let (mut seen, mut counts) = (None, Vec::new());
        for _ in 0..2 {
            let mut asked = 0;
            let checked = check_log(key().verifier(), seen.as_ref(), &lines, &mut |wanted| {
                if let Some(bytes) = kept.get(&wanted.path) {
                    return Ok(Some(bytes.clone()));
                }
                asked += 1;
                let bytes = folder.0[&wanted.path].clone();
                if wanted.path != CHECKPOINT_FILE {
                    kept.insert(wanted.path.clone(), bytes.clone());
                }
                Ok(Some(bytes))
            });
            seen = Some(checked.unwrap());
            counts.push(asked);
        }
        assert!(counts[0] <= most_cold && counts[1] <= most_warm, "{size} events: {counts:?} GETs");
    }
}

#[test]
fn an_addition_that_was_killed_is_written_over_by_the_next() {
    let planned = |folder: &Folder, number| {
        plan_addition(&key(), &[leaf(number)], &mut |path| Ok(folder.0.get(path).cloned())).unwrap()
    };
    for size in [0, 1, 254, 255, 256, 511, 65_535] {
        let folder = Folder::of(size);
        let killed = planned(&folder, 9_999_999);
        for written in 0..=killed.tiles.len() {
            let mut left = folder.clone();
            left.0.extend(killed.tiles.iter().take(written).cloned());
            if size > 0 {
                assert_eq!(left.seen(), folder.seen());
            }
            let addition = left.add(&key(), std::iter::once(leaf(size)));
            assert_eq!(addition.first, size);
            assert_eq!(left.check(None, &[size, 0]).unwrap().size, size + 1);
            let expected = Folder::of(size + 1);
            assert!(
                expected.0.iter().all(|(path, bytes)| left.0.get(path) == Some(bytes)),
                "{size}, {written}"
            );
        }
    }
}

#[test]
fn a_whole_log_is_read_back_and_each_tile_of_it_counts() {
    for size in [0, 1, 255, 256, 700, 66_000] {
        let folder = Folder::of(size);
        let checkpoint = open_checkpoint(&folder.0[CHECKPOINT_FILE], key().verifier()).unwrap();
        let mut next = 0;
        verify_whole_log(&checkpoint, &mut |path| Ok(folder.0.get(path).cloned()), &mut |index, bytes| {
            assert_eq!((index, bytes), (next, leaf(next).as_slice()));
            next += 1;
            Ok(())
        })
        .unwrap();
        assert_eq!(next, size);
        for path in folder.0.keys().filter(|path| size < 1_000 && *path != CHECKPOINT_FILE) {
            for is_gone in [true, false] {
                let mut read = |wanted: &str| {
                    let bytes = folder.0.get(wanted).cloned().filter(|_| !is_gone || wanted != path);
                    Ok(bytes.map(|mut bytes| {
                        if wanted == path {
                            bytes[3] ^= 1;
                        }
                        bytes
                    }))
                };
                let checked = verify_whole_log(&checkpoint, &mut read, &mut |_, _| Ok(()));
                assert_eq!(checked.map_err(|e| e.kind), Err(Kind::Integrity), "{path}");
            }
        }
    }
}

#[test]
fn a_key_is_kept_for_its_owner_alone_and_never_shown() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("log.key");
    assert!(LogSigningKey::read_file(&path).unwrap().is_none());
    let made = LogSigningKey::read_or_create(&path, ORIGIN).unwrap();
    let text = std::fs::read_to_string(&path).unwrap();
    let secret = text.trim().splitn(5, '+').last().unwrap();
    assert!(!format!("{made:?}").contains(secret));
    let again = LogSigningKey::read_or_create(&path, ORIGIN).unwrap();
    assert_eq!(again.verifier(), made.verifier());
    assert_eq!(again.verifier().to_string().parse::<VerifierKey>().as_ref(), Ok(made.verifier()));
    let other = LogSigningKey::read_or_create(&path, "other.example.org/log").unwrap_err();
    assert!(other.message.contains("expected `other.example.org/log`"), "{other}");
    assert_ne!(LogSigningKey::generate(ORIGIN).unwrap().verifier(), made.verifier());
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        let refused = LogSigningKey::read_file(&path).unwrap_err();
        assert!(refused.message.contains("mode 640"), "{refused}");
        assert!(refused.hints[0].starts_with("chmod 600"));
        // Somebody else's, as a cluster hands its secrets out: the group may read it. Only root can try.
        if rustix::process::geteuid().is_root() {
            for (mode, is_taken) in
                [(0o440, true), (0o640, true), (0o400, true), (0o660, false), (0o444, false)]
            {
                std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
                std::os::unix::fs::chown(&path, Some(65_534), Some(65_534)).unwrap();
                assert_eq!(LogSigningKey::read_file(&path).is_ok(), is_taken, "{mode:o}");
            }
            std::os::unix::fs::chown(&path, Some(0), Some(0)).unwrap();
        }
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    }
    for wrong in [
        "",
        "x",
        &text[..20],
        &text.replace(ORIGIN, "a"),
        &text.replace(secret, &format!("B{}", &secret[1..])),
        &"x".repeat(2_000),
    ] {
        let refused = LogSigningKey::parse(wrong).unwrap_err();
        assert!(!refused.message.contains(secret));
        std::fs::write(&path, wrong).unwrap();
        assert_eq!(
            LogSigningKey::read_file(&path).map(drop).map_err(|e| e.kind),
            Err(Kind::Invalid),
            "{wrong}"
        );
    }
}

#[test]
fn a_log_of_somebody_else_is_not_added_to() {
    let folder = Folder::of(5);
    let other = LogSigningKey::from_seed(ORIGIN, [9; 32]).unwrap();
    let refused = plan_addition(&other, &[leaf(5)], &mut |path| Ok(folder.0.get(path).cloned())).unwrap_err();
    assert_eq!(refused.kind, Kind::Integrity);
    let mut forged = folder.clone();
    let tile = LogTile::holding(TileContent::Entries, 4, 5).unwrap();
    forged.0.insert(tile.to_string(), write_bundle([b"x".as_slice(); 5]).unwrap());
    let refused = plan_addition(&key(), &[leaf(5)], &mut |path| Ok(forged.0.get(path).cloned())).unwrap_err();
    assert_eq!(refused.kind, Kind::Integrity);
}

/// A folder on the disk, for what writers do beside each other.
fn folder_of(home: &std::path::Path) -> Objects<'static> {
    Objects::Folder(FolderObjects::new(home.join("registry")))
}

/// Reads the whole log of a folder, as it lies there: its leaves in their order.
fn read_leaves(objects: &Objects<'_>) -> Vec<Vec<u8>> {
    let read = |path: &str| Ok(objects.get(&format!("log/{path}"), 20 << 20)?.map(|object| object.bytes));
    let checkpoint = open_checkpoint(&read(CHECKPOINT_FILE).unwrap().unwrap(), key().verifier()).unwrap();
    let mut leaves = Vec::new();
    verify_whole_log(&checkpoint, &mut { read }, &mut |_, bytes| {
        leaves.push(bytes.to_vec());
        Ok(())
    })
    .unwrap();
    leaves
}

#[test]
fn leaves_that_are_added_together_get_places_one_after_the_other() {
    let home = tempfile::tempdir().unwrap();
    let objects = folder_of(home.path());
    let mut count = 0;
    for piece in [1u64, 0, 2, 250, 5, 700, 1] {
        let leaves: Vec<Vec<u8>> = (count..count + piece).map(leaf).collect();
        let places = append_to_log(&objects, &key(), &leaves).unwrap();
        assert_eq!(places, (count..count + piece).collect::<Vec<_>>());
        // Asked again, as after an answer that was lost, nothing is added.
        if piece > 0 && piece < 250 {
            assert_eq!(append_to_log(&objects, &key(), &leaves).unwrap(), places);
        }
        count += piece;
    }
    assert_eq!(read_leaves(&objects), (0..count).map(leaf).collect::<Vec<_>>());
    let parts = objects.list("log").unwrap().into_iter().filter(|object| object.path.contains("000.p/"));
    let parts: Vec<String> = parts.map(|object| object.path).collect();
    assert!(parts.iter().all(|path| path.starts_with("log/tile/1/")), "{parts:?}");
}

#[test]
fn writers_beside_each_other_lose_nothing_and_write_nothing_twice() {
    let home = tempfile::tempdir().unwrap();
    let objects = folder_of(home.path());
    let start: Vec<Vec<u8>> = (0..200).map(leaf).collect();
    append_to_log(&objects, &key(), &start).unwrap();
    let places: Vec<(Vec<u8>, u64)> = std::thread::scope(|scope| {
        let writers: Vec<_> = (1..=6u64)
            .map(|writer| {
                let objects = &objects;
                scope.spawn(move || {
                    let mut placed = Vec::new();
                    for round in 0..15 {
                        let first = writer * 10_000 + round * 10;
                        let leaves: Vec<Vec<u8>> = (first..first + round % 4 + 1).map(leaf).collect();
                        let places = append_to_log(objects, &key(), &leaves).unwrap();
                        placed.extend(leaves.into_iter().zip(places));
                    }
                    placed
                })
            })
            .collect();
        writers.into_iter().flat_map(|writer| writer.join().unwrap()).collect()
    });
    let leaves = read_leaves(&objects);
    assert_eq!(leaves.len(), 200 + places.len(), "each once");
    for (leaf, place) in places {
        assert_eq!(leaves.get(place as usize), Some(&leaf));
    }
}

#[test]
fn what_a_killed_writer_began_is_finished_or_written_over() {
    for size in [0u64, 1, 254, 255] {
        // Two writers read the same head; one is killed after each of its steps, and another one who had
        // planned more leaves before is killed too.
        for (written, lost) in [(0, 0), (0, 2), (1, 0), (1, 2), (9, 9)] {
            let home = tempfile::tempdir().unwrap();
            let objects = folder_of(home.path());
            let leave = |number: u64, more: u64, tiles: usize| {
                let leaves: Vec<Vec<u8>> = (number..=number + more).map(leaf).collect();
                let read = |path: &str| Ok(objects.get(&format!("log/{path}"), 20 << 20)?.map(|o| o.bytes));
                let addition = plan_addition(&key(), &leaves, &mut { read }).unwrap();
                for (path, bytes) in addition.tiles.iter().take(tiles) {
                    objects.put(&format!("log/{path}"), bytes).unwrap();
                }
            };
            append_to_log(&objects, &key(), &(0..size).map(leaf).collect::<Vec<_>>()).unwrap();
            leave(70_000, 1, lost);
            leave(80_000, 0, written);
            let places = append_to_log(&objects, &key(), &[leaf(size)]).unwrap();
            let next = append_to_log(&objects, &key(), &[leaf(90_000), leaf(90_001)]).unwrap();
            let leaves = read_leaves(&objects);
            assert_eq!(leaves[places[0] as usize], leaf(size), "{size} {written} {lost}");
            assert_eq!(
                [&leaves[next[0] as usize], &leaves[next[1] as usize]],
                [&leaf(90_000), &leaf(90_001)]
            );
            let mut sorted = leaves.clone();
            sorted.sort();
            sorted.dedup();
            assert_eq!(sorted.len(), leaves.len(), "{size} {written} {lost}: each once");
            assert_eq!(leaves.contains(&leaf(80_000)), written > 0, "{size} {written} {lost}");
        }
    }
}

#[test]
fn a_log_of_another_key_is_not_added_to_in_a_folder_either() {
    let home = tempfile::tempdir().unwrap();
    let objects = folder_of(home.path());
    append_to_log(&objects, &key(), &[leaf(0)]).unwrap();
    let other = LogSigningKey::from_seed(ORIGIN, [9; 32]).unwrap();
    let refused = append_to_log(&objects, &other, &[leaf(1)]).unwrap_err();
    assert_eq!(refused.kind, Kind::Integrity);
    assert_eq!(read_leaves(&objects), [leaf(0)]);
}

/// What somebody may do to the files of a log who has not its key.
#[derive(Debug, Clone, Copy)]
enum Tampering {
    Flip,
    Remove,
    Cut,
    Extend,
    Swap,
    Older,
}

fn tampering() -> impl Strategy<Value = Tampering> {
    prop::sample::select(vec![
        Tampering::Flip,
        Tampering::Remove,
        Tampering::Cut,
        Tampering::Extend,
        Tampering::Swap,
        Tampering::Older,
    ])
}

fn tamper(
    folder: &mut Folder,
    older: &Folder,
    how: Tampering,
    at: prop::sample::Index,
    with: prop::sample::Index,
) {
    let paths: Vec<String> = folder.0.keys().cloned().collect();
    let (path, other) = (&paths[at.index(paths.len())], &paths[with.index(paths.len())]);
    let bytes = folder.0.get_mut(path).unwrap();
    match how {
        Tampering::Flip => {
            let place = with.index(bytes.len());
            bytes[place] ^= 1 << (place % 8);
        }
        Tampering::Remove => drop(folder.0.remove(path)),
        Tampering::Cut => bytes.truncate(with.index(bytes.len())),
        Tampering::Extend => bytes.extend([0; 32]),
        Tampering::Swap => {
            let here = bytes.clone();
            let there = folder.0.insert(other.clone(), here).unwrap();
            folder.0.insert(path.clone(), there);
        }
        Tampering::Older => folder.0.extend(older.0.clone()),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]

    /// Whatever is done to the files: accepted is only the tree that was signed, with a line that
    /// is in it; all else is refused as what it is, and nothing panics.
    #[test]
    fn no_tampering_with_the_files_makes_a_lie_true(
        size in 1u64..600, before in any::<prop::sample::Index>(), place in any::<prop::sample::Index>(),
        acts in proptest::collection::vec((tampering(), any::<prop::sample::Index>(), any::<prop::sample::Index>()), 1..4),
        is_line_changed in any::<bool>(),
    ) {
        let honest = Folder::of(size);
        let older = Folder::of(before.index(size as usize) as u64 + 1);
        let (seen, number) = (older.seen(), place.index(size as usize) as u64);
        let mut folder = honest.clone();
        for (how, at, with) in acts {
            if !folder.0.is_empty() {
                tamper(&mut folder, &older, how, at, with);
            }
        }
        let text = line(number);
        let text = if is_line_changed { text.replace("acme", "evil") } else { text };
        let lines = [LoggedLine { text: &text, leaf: Some(number), title: "x" }];
        match folder.check_lines(Some(&seen), &lines) {
            Ok(now) => prop_assert!(!is_line_changed && (now == honest.seen() || now == seen)),
            Err(e) => prop_assert_eq!(e.kind, Kind::Integrity),
        }
        let note = folder.0.get(CHECKPOINT_FILE).map(|note| open_checkpoint(note, key().verifier()));
        if let Some(Ok(checkpoint)) = note {
            let mut count = 0;
            let checked = verify_whole_log(&checkpoint, &mut |path| Ok(folder.0.get(path).cloned()), &mut |at, bytes| {
                count += 1;
                assert!(checkpoint.size != size || bytes == leaf(at) || bytes.len() != leaf(at).len() || folder != honest);
                Ok(())
            });
            prop_assert!(checked.is_err() || count == checkpoint.size);
        }
    }

    /// Whoever has the key and rewrites what was seen is found out, whatever it is.
    #[test]
    fn no_history_is_rewritten_unseen(
        size in 2u64..600, cut in any::<prop::sample::Index>(), more in 0u64..300, how in 0u8..4, other in any::<prop::sample::Index>()
    ) {
        let seen = Folder::of(size).seen();
        let at = cut.index(size as usize);
        let mut leaves: Vec<Vec<u8>> = (0..size + more).map(leaf).collect();
        let honest = leaves.clone();
        match how {
            0 => leaves[at] = leaf(1_000_000),
            1 => drop(leaves.remove(at)),
            2 => leaves.insert(at, leaf(1_000_000)),
            _ => leaves.swap(at, other.index(size as usize)),
        }
        let mut folder = Folder::default();
        folder.add(&key(), leaves.iter().cloned());
        let checked = folder.check(Some(&seen), &[]);
        prop_assert_eq!(checked.is_ok(), leaves.get(..size as usize) == honest.get(..size as usize));
        let line = folder.check(None, &[at as u64]);
        prop_assert_eq!(line.is_ok(), leaves.get(at) == honest.get(at));
    }
}
