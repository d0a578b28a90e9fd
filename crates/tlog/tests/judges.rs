//! A log of 10,000 events in front of two programs that others wrote: the tiles and notes of Go's
//! checksum database, and Cloudflare's. They accept it, and refuse what we refuse.

#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "helpers of tests are tests too"
)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use ba_agent_core::transparency_log::{LogEvent, write_event};
use ba_agent_tlog::{LogSigningKey, plan_addition};
use signed_note::{Note, StandardVerifier, VerifierList};
use tlog_tiles::{Checkpoint, Hash, Tile, TileHashReader, TileReader, check_record, check_tree, record_hash};

const ORIGIN: &str = "skills.example.org/log";
const EVENTS: u64 = 10_000;

/// Where Debian keeps the modules of Go that it has.
const GO_MODULES: &str = "/usr/share/gocode";

fn key() -> LogSigningKey {
    LogSigningKey::from_seed(ORIGIN, [42; 32]).unwrap()
}

fn leaf(number: u64) -> Vec<u8> {
    let at = "2026-11-27T10:00:00Z".parse().unwrap();
    let (by, name, version) =
        (Some("alice".to_owned()), format!("@acme/skill-{}", number % 97), format!("1.{number}.0"));
    let event = match number % 5 {
        0 => LogEvent::Yank { at, by, name, version, reason: Some("a défaut, 技能".into()) },
        1 => LogEvent::Owner { at, by, name, login: "bob".into(), role: Some("publisher".into()) },
        _ => LogEvent::publication(&format!(
            r#"{{"v":1,"name":"{name}","version":"{version}","leaf":{number}}}"#
        ))
        .unwrap(),
    };
    write_event(&event).unwrap()
}

/// The files of a log below a folder.
struct Log {
    folder: PathBuf,
    count: u64,
}

impl Log {
    fn add(&mut self, leaves: &[Vec<u8>]) {
        let read = |path: &str| Ok(std::fs::read(self.folder.join(path)).ok());
        let addition = plan_addition(&key(), leaves, &mut { read }).unwrap();
        let files = addition.tiles.iter().map(|(path, bytes)| (path.as_str(), bytes));
        for (path, bytes) in files.chain([("checkpoint", &addition.checkpoint)]) {
            let path = self.folder.join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, bytes).unwrap();
        }
        for folder in addition.replaced {
            let _ = std::fs::remove_dir_all(self.folder.join(folder));
        }
        self.count += leaves.len() as u64;
    }

    /// Adds events as they come: now one, now many.
    fn grow(&mut self, to: u64) {
        let mut piece = 1;
        while self.count < to {
            let end = to.min(self.count + piece);
            let leaves: Vec<Vec<u8>> = (self.count..end).map(leaf).collect();
            self.add(&leaves);
            piece = piece % 397 + 30;
        }
    }
}

/// A log with its folder, and the checkpoint that it had before it grew.
fn grown_log(home: &Path, before: u64, after: u64) -> (Log, Vec<u8>) {
    let mut log = Log { folder: home.join("log"), count: 0 };
    log.grow(before);
    let older = std::fs::read(log.folder.join("checkpoint")).unwrap();
    log.grow(after);
    (log, older)
}

impl TileReader for Log {
    fn height(&self) -> u8 {
        8
    }

    fn read_tiles(&self, tiles: &[Tile]) -> Result<Vec<Vec<u8>>, tlog_tiles::Error> {
        let path = |tile: &Tile| tile.path().replacen("tile/8/", "tile/", 1);
        let read = |tile: &Tile| std::fs::read(self.folder.join(path(tile)));
        tiles.iter().map(|tile| read(tile).map_err(|_| tlog_tiles::Error::InvalidTile)).collect()
    }

    fn save_tiles(&self, _: &[Tile], _: &[Vec<u8>]) {}
}

/// What Cloudflare's crates read out of a checkpoint whose signature they accept.
fn open_tree(note: &[u8], verifier: &str) -> Option<(u64, Hash)> {
    let verifier = StandardVerifier::new(verifier).ok()?;
    let note = Note::from_bytes(note).ok()?;
    note.verify(&VerifierList::new(vec![Box::new(verifier)])).ok()?;
    let checkpoint = Checkpoint::from_bytes(note.text()).ok()?;
    Some((checkpoint.size(), *checkpoint.hash()))
}

#[test]
fn cloudflares_crates_accept_each_leaf_and_refuse_another_key() {
    let home = tempfile::tempdir().unwrap();
    let (log, older) = grown_log(home.path(), 3_333, EVENTS);
    let note = std::fs::read(log.folder.join("checkpoint")).unwrap();
    let (size, root) = open_tree(&note, &key().verifier().to_string()).expect("accepted");
    let (old_size, old_root) = open_tree(&older, &key().verifier().to_string()).expect("accepted");
    assert_eq!((size, old_size), (EVENTS, 3_333));
    let reader = TileHashReader::new(size, root, &log);
    assert_eq!(tlog_tiles::tree_hash(size, &reader).unwrap(), root);
    let proof = tlog_tiles::prove_tree(size, old_size, &reader).unwrap();
    check_tree(&proof, size, root, old_size, old_root).unwrap();
    for index in 0..EVENTS {
        let proof = tlog_tiles::prove_record(size, index, &reader).unwrap();
        check_record(&proof, size, root, index, record_hash(&leaf(index))).unwrap();
    }
    let other = LogSigningKey::from_seed(ORIGIN, [43; 32]).unwrap();
    assert_eq!(open_tree(&note, &other.verifier().to_string()), None);
}

#[test]
fn cloudflares_hashes_refuse_a_tile_that_was_changed() {
    let home = tempfile::tempdir().unwrap();
    let (log, _) = grown_log(home.path(), 10, 700);
    let note = std::fs::read(log.folder.join("checkpoint")).unwrap();
    let (size, root) = open_tree(&note, &key().verifier().to_string()).expect("accepted");
    let path = log.folder.join("tile/0/001");
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[40] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    let reader = TileHashReader::new(size, root, &log);
    let check = |index| {
        let proof = tlog_tiles::prove_record(size, index, &reader)?;
        check_record(&proof, size, root, index, record_hash(&leaf(index)))
    };
    check(3).unwrap();
    assert!(check(300).is_err());
}

/// Asks Go's program; none where it cannot be built here.
struct GoJudge(PathBuf);

impl GoJudge {
    fn build(home: &Path) -> Option<Self> {
        let (program, source) =
            (home.join("judge"), Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/judges/main.go"));
        let built = Command::new("go")
            .args(["build", "-o"])
            .args([&program, &source])
            .env("GO111MODULE", "off")
            .env("GOPATH", GO_MODULES)
            .env("GOCACHE", home.join("cache"))
            .env("HOME", home)
            .current_dir(home)
            .output();
        let failed = match built {
            Ok(built) if built.status.success() => return Some(Self(program)),
            Ok(built) => String::from_utf8_lossy(&built.stderr).into_owned(),
            Err(e) => e.to_string(),
        };
        let is_required = std::env::var_os("BA_AGENT_REQUIRE_GO").is_some();
        assert!(!is_required, "Go's judge cannot be built: {failed}");
        eprintln!("skipped: Go with golang.org/x/mod below {GO_MODULES} is not here: {failed}");
        None
    }

    fn ask(&self, log: &Log, verifier: &str, older: Option<&Path>) -> (bool, String) {
        let asked = Command::new(&self.0).arg(&log.folder).arg(verifier).args(older).output().unwrap();
        (asked.status.success(), String::from_utf8_lossy(&asked.stdout).into_owned())
    }
}

#[test]
fn gos_checksum_database_accepts_each_leaf_and_refuses_what_is_not_the_log() {
    let home = tempfile::tempdir().unwrap();
    let Some(judge) = GoJudge::build(home.path()) else { return };
    let (log, older) = grown_log(home.path(), 3_333, EVENTS);
    let (verifier, older_file) = (key().verifier().to_string(), home.path().join("older"));
    std::fs::write(&older_file, older).unwrap();
    assert_eq!(judge.ask(&log, &verifier, Some(&older_file)), (true, format!("accepted {EVENTS} leaves\n")));

    let other = LogSigningKey::from_seed(ORIGIN, [43; 32]).unwrap();
    assert!(!judge.ask(&log, &other.verifier().to_string(), None).0, "another key");
    let changes: BTreeMap<&str, usize> =
        [("tile/0/000", 40), ("tile/1/000.p/39", 7), ("tile/entries/020", 90), ("checkpoint", 30)].into();
    for (path, place) in changes {
        let path = log.folder.join(path);
        let honest = std::fs::read(&path).unwrap();
        let mut bytes = honest.clone();
        bytes[place] ^= 1;
        std::fs::write(&path, bytes).unwrap();
        assert!(!judge.ask(&log, &verifier, None).0, "{} changed", path.display());
        std::fs::write(&path, honest).unwrap();
    }
    let mut fork = Log { folder: home.path().join("fork"), count: 0 };
    fork.add(&(0..EVENTS).map(|number| leaf(number + u64::from(number == 17))).collect::<Vec<_>>());
    assert!(judge.ask(&fork, &verifier, None).0, "a log in itself");
    assert!(!judge.ask(&fork, &verifier, Some(&older_file)).0, "but not the one that was seen");
}
