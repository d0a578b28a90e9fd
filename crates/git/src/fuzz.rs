//! What holds for every byte that a remote, or a repository of this machine, can send: one
//! function for each reader: for `fuzz/`, and for the tests, which run them over seeds and what is
//! near them.
//!
//! Checksums and zlib are written right here, around what the fuzzer chooses: it cannot
//! guess them, and would otherwise see nothing but the refusal of a wrong one.

mod recipe;

use std::collections::BTreeMap;
use std::io::{self, Read, Write as _};
use std::path::Path;

use git2::{Indexer, ObjectType, Odb, Oid, Repository};
use sha1::{Digest as _, Sha1};

use super::objects::GitObjects;
use super::pack::{Pack, PackLimits, Received};
use super::walk::{self, list_up_to};
use super::wire::{self, Advertisement, FetchRequest, pack_request, read_listing};
use super::{Refs, loose};
use ba_agent_core::error::Result;
use ba_agent_core::path::RelPath;
use ba_agent_core::source::{Reference, Sha};

/// A name, what it does with bytes, and what a fuzzer may begin with.
pub type Target = (&'static str, fn(&[u8]), fn() -> Vec<Vec<u8>>);

/// All targets, in the order of their names.
pub const TARGETS: &[Target] = &[
    ("loose", loose, loose_seeds),
    ("pack", pack, pack_seeds),
    ("pack_recipe", pack_recipe, recipe::seeds),
    ("tree", tree, tree_seeds),
    ("wire", wire, wire_seeds),
];

/// Gives at most so many bytes at once, as a slow line does.
struct Drip<'a>(&'a [u8], usize);

impl Read for Drip<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = buffer.len().min(self.1);
        self.0.read(buffer.get_mut(..length).unwrap_or_default())
    }
}

/// Limits that a small pack reaches, so that what lies behind them is seen too.
const SMALL: PackLimits =
    PackLimits { pack: 300, objects: 40, object: 2_000, decoded: 20_000, depth: 5, kept: 500, spilled: 900 };

/// A byte of choices, then a pack, whose checksum is set right.
pub fn pack(data: &[u8]) {
    let Some((choices, pack)) = data.split_first() else { return };
    let (body, _) = pack.split_at(pack.len().saturating_sub(20));
    check_pack(&with_sum(body.to_vec()), *choices);
}

/// A byte of choices, then a recipe that a pack is written from: see [`recipe`].
pub fn pack_recipe(data: &[u8]) {
    let Some((choices, recipe)) = data.split_first() else { return };
    check_pack(&recipe::write(recipe), *choices);
}

fn with_sum(mut body: Vec<u8>) -> Vec<u8> {
    let sum = Sha1::digest(&body);
    body.extend_from_slice(&sum);
    body
}

/// It comes out alike however slowly it comes in; what is handed to libgit2 is its beginning;
/// and what is decoded is what libgit2 finds in it.
fn check_pack(bytes: &[u8], choices: u8) {
    let limits = match choices & 3 {
        0 => SMALL,
        1 => PackLimits { kept: 64, pack: 64, ..PackLimits::REAL },
        2 => PackLimits { kept: 64, spilled: 0, ..PackLimits::REAL },
        _ => PackLimits::REAL,
    };
    let step = [1, 7, 100, 4_096][usize::from(choices >> 2 & 3)];
    let folder = tempfile::tempdir().expect("a temporary folder");
    let receive = |step| Pack::receive(&mut Drip(bytes, step), limits, u64::MAX, folder.path(), |_, _| {});
    match (receive(usize::MAX), receive(step)) {
        (Ok(Received::Here(whole)), Ok(Received::Here(dripped))) => compare(bytes, &whole, &dripped),
        (Err(_), Err(_)) => {}
        // Which is told first, that it is damaged or that it is large, is left open; where
        // several threads keep objects, it may be large but the once.
        (Ok(Received::Large(begun)), _) | (_, Ok(Received::Large(begun))) => {
            let mut read = Vec::new();
            let mut begun = begun.into_reader().expect("what came can be read again");
            begun.read_to_end(&mut read).expect("what came can be read again");
            assert!(bytes.starts_with(&read));
        }
        _ => panic!("whether a pack is sound hangs on how it came in"),
    }
}

/// What was decoded, twice, against libgit2: the same objects, byte for byte.
fn compare(bytes: &[u8], whole: &Pack, dripped: &Pack) {
    let theirs = by_libgit2(bytes).expect("libgit2 takes what is taken here");
    let count = bytes.get(8..12).and_then(|count| count.try_into().ok()).map(u32::from_be_bytes);
    assert_eq!(Some(theirs.len() as u64), count.map(u64::from));
    for (id, (kind, content)) in theirs {
        for pack in [whole, dripped] {
            let found = pack.find(id, u64::MAX).expect("what was decoded can be read");
            assert_eq!(found.as_ref(), Some(&(kind, content.clone())), "{id}");
            assert_eq!(pack.size(id), Some(content.len() as u64));
            assert_eq!(Oid::hash_object(kind, &content).ok(), Some(id));
        }
    }
}

/// All objects of a pack as libgit2's indexer has them.
fn by_libgit2(bytes: &[u8]) -> Result<BTreeMap<Oid, (ObjectType, Vec<u8>)>, git2::Error> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let packs = folder.path().join("pack");
    std::fs::create_dir(&packs).expect("a folder in it");
    let mut indexer = Indexer::new(None, &packs, 0o644, false)?;
    indexer.write_all(bytes).map_err(|e| git2::Error::from_str(&e.to_string()))?;
    indexer.commit()?;
    let odb = Odb::new()?;
    odb.add_disk_alternate(&folder.path().to_string_lossy())?;
    let mut ids = Vec::new();
    odb.foreach(|id| {
        ids.push(*id);
        true
    })?;
    let read = |id: Oid| odb.read(id).map(|object| (id, (object.kind(), object.data().to_vec())));
    ids.into_iter().map(read).collect()
}

/// A byte of choices, then what a remote says: its first words, its listing, or its pack.
pub fn wire(data: &[u8]) {
    let Some((choices, said)) = data.split_first() else { return };
    match choices & 3 {
        0 => {
            let hello = Advertisement::read(&mut &said[..]);
            assert_eq!(Advertisement::read(&mut Drip(said, 1)), hello);
            let Ok(hello) = hello else { return };
            let commits = [the_sha()];
            let wish = FetchRequest {
                wants: &commits,
                depth: Some(1),
                filter: Some("tree:0"),
                ..FetchRequest::default()
            };
            check_lines(&pack_request(&hello, &wish));
            if let Advertisement::Refs { lines, .. } = hello {
                check_refs(&Refs::new(lines));
            }
        }
        1 => {
            let lines = read_listing(&mut &said[..]);
            assert_eq!(read_listing(&mut Drip(said, 1)), lines);
            lines.map(Refs::new).iter().for_each(check_refs);
        }
        _ => {
            let capabilities = match choices & 4 {
                0 => vec!["shallow".to_owned()],
                _ => vec!["side-band-64k".to_owned()],
            };
            let hello = match choices & 1 {
                0 => Advertisement::Capabilities(Vec::new()),
                _ => Advertisement::Refs { lines: Vec::new(), capabilities },
            };
            let shallow = choices & 8 == 0;
            let whole = pack_of_answer(&hello, shallow, said);
            assert_eq!(pack_of_answer(&hello, shallow, Drip(said, 1)), whole);
            assert!(whole.is_none_or(|pack| pack.len() <= said.len()));
        }
    }
}

fn the_sha() -> Sha {
    "0123456789012345678901234567890123456789".parse().expect("40 digits")
}

/// The pack in an answer; `None` where that is refused or breaks off.
fn pack_of_answer(hello: &Advertisement, shallow: bool, said: impl Read) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    wire::PackStream::begin(hello, shallow, said).ok()?.read_to_end(&mut bytes).ok()?;
    Some(bytes)
}

/// A request is lines of lengths that add up, whatever the remote said before: what it calls
/// itself and what it can do never comes back to it raw.
fn check_lines(mut request: &[u8]) {
    while !request.is_empty() {
        let (head, _) = request.split_at_checked(4).expect("a whole head");
        let head = std::str::from_utf8(head).expect("digits");
        let length = usize::from_str_radix(head, 16).expect("digits").max(4);
        request = request.get(length..).expect("a line as long as it says");
    }
}

/// References of every kind are settled against hostile refs, or refused.
fn check_refs(refs: &Refs) {
    let some = refs.branches.keys().chain(refs.tags.keys()).next().cloned().unwrap_or_default();
    let asked = [
        Reference::Default,
        Reference::Named(some.clone()),
        Reference::Named("0123".to_owned()),
        Reference::Branch(some.clone()),
        Reference::Tag(some.clone()),
        Reference::Tail(format!("{some}/folder")),
        Reference::Range("*".parse().expect("a range")),
    ];
    for reference in &asked {
        for skill in [None, Some("skill")] {
            let _ = refs.settle_reference(reference, skill);
        }
    }
    for tip in refs.list_tips() {
        let _ = (refs.id_to_want(tip), tip.short());
    }
}

/// What stands for the id of the inner tree in the outer one.
const INNER: [u8; 20] = [0xAA; 20];
/// What stands for the id of a blob, which holds the target of a link.
const BLOB: [u8; 20] = [0xBB; 20];

/// A byte for the length of an inner tree, the inner tree, then the outer one, in which 20
/// times `AA` is the id of the inner one, and 20 times `BB` that of a blob. Paths come out
/// checked, and no file that libgit2 finds at the top is lost.
pub fn tree(data: &[u8]) {
    let Some((length, trees)) = data.split_first() else { return };
    let (inner, outer) = trees.split_at(trees.len().min(usize::from(*length)));
    let blob = b"../target";
    let id = |kind, bytes: &[u8]| Oid::hash_object(kind, bytes).expect("bytes have a hash");
    let blob_id = id(ObjectType::Blob, blob);
    let inner = replaced(inner, &BLOB, blob_id.as_bytes());
    let inner_id = id(ObjectType::Tree, &inner);
    let outer = replaced(&replaced(outer, &BLOB, blob_id.as_bytes()), &INNER, inner_id.as_bytes());
    let mut entries = vec![recipe::whole(3, blob), recipe::whole(2, &outer)];
    if inner != outer {
        entries.push(recipe::whole(2, &inner));
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    let pack =
        Pack::receive(&mut &*recipe::sealed(&entries), PackLimits::REAL, u64::MAX, folder.path(), |_, _| {});
    let Ok(Received::Here(pack)) = pack else { panic!("a small pack is decoded") };
    let outer_id = id(ObjectType::Tree, &outer);
    let objects = GitObjects::from_pack(pack);
    for folder in [None, RelPath::parse(b"folder").ok()] {
        check_listing(&objects, outer_id, &outer, folder.as_ref());
    }
}

fn replaced(bytes: &[u8], from: &[u8; 20], to: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    let mut at = 0;
    while let Some(place) = bytes.get_mut(at..at + 20) {
        if place == from {
            place.copy_from_slice(to);
        }
        at += 1;
    }
    bytes
}

fn check_listing(objects: &GitObjects, root: Oid, bytes: &[u8], folder: Option<&RelPath>) {
    const MOST: usize = 200;
    let Ok(listed) = list_up_to(MOST, objects, root, folder) else { return };
    let entries = listed.listing.entries();
    assert!(entries.len() <= MOST);
    for entry in entries {
        assert_eq!(RelPath::parse(entry.path.as_str().as_bytes()).as_ref(), Ok(&entry.path));
        assert!(listed.ids.get(entry.slot).is_some());
        assert!(folder.is_none_or(|folder| entry.path.strip(folder).is_some()));
    }
    for (path, id) in &listed.folders {
        assert!(path.is_empty() || RelPath::parse(path.as_bytes()).is_ok(), "{path}");
        // Of twins another may be found, or a file.
        assert!(walk::folder_id(objects, root, path).is_ok(), "{path} {id}");
    }
    if folder.is_none() {
        for name in files_by_libgit2(bytes, root).unwrap_or_default() {
            assert!(entries.iter().any(|entry| entry.path.as_str() == name), "{name} is lost");
        }
    }
}

/// The plain files in a tree object whose names are sound, as libgit2 finds them; `None`
/// where it refuses the tree.
fn files_by_libgit2(bytes: &[u8], id: Oid) -> Option<Vec<String>> {
    let odb = Odb::new().ok()?;
    odb.add_new_mempack_backend(1_000).ok()?;
    odb.write(ObjectType::Tree, bytes).ok()?;
    let repository = Repository::from_odb(odb).ok()?;
    let tree = repository.find_tree(id).ok()?;
    let plain = tree.iter().filter(|entry| matches!(entry.filemode_raw(), 0o100_644 | 0o100_755));
    let names = plain.filter_map(|entry| RelPath::parse(entry.name_bytes()).ok());
    let kept = names.filter(|name| !name.as_str().contains('/') && !ba_agent_core::package::is_clutter(name));
    Some(kept.map(|name| name.to_string()).collect())
}

/// A byte of choices, then a loose object: what it inflates to, or its very bytes. What is
/// read has the id that was asked for, and the size that was told before.
pub fn loose(data: &[u8]) {
    let Some((choices, object)) = data.split_first() else { return };
    let id = Oid::from_bytes(&Sha1::digest(object)).expect("20 bytes");
    let file = match choices & 1 {
        0 => recipe::zlib(object),
        _ => object.to_vec(),
    };
    let folder = tempfile::tempdir().expect("a temporary folder");
    write_loose(folder.path(), id, &file);
    let cap = 1_000;
    let objects = loose::LooseObjects::of(folder.path());
    let size = objects.loose_size(id);
    assert!(size.is_some(), "the file is there");
    if let Ok(Some((kind, bytes))) = objects.read_loose(id, cap) {
        assert!(bytes.len() as u64 <= cap);
        assert_eq!(size, Some(Some(bytes.len() as u64)));
        assert_eq!(Oid::hash_object(kind, &bytes).ok(), Some(id));
    }
    let _ = (walk::tree_of(object), walk::parents_of(object));
}

fn write_loose(folder: &Path, id: Oid, file: &[u8]) {
    let name = id.to_string();
    let (first, rest) = name.split_at(2);
    let folder = folder.join("objects").join(first);
    std::fs::create_dir_all(&folder).expect("a folder for it");
    std::fs::write(folder.join(rest), file).expect("the file of an object");
}

/// Seeds of [`pack`]: every type, deltas by place and by id.
fn pack_seeds() -> Vec<Vec<u8>> {
    let with = |choices: u8, pack: Vec<u8>| [vec![choices], pack].concat();
    let recipes = recipe::seeds();
    let packs = recipes.iter().map(|seed| recipe::write(seed.get(1..).unwrap_or_default()));
    packs.zip(0..).map(|(pack, n)| with(n, pack)).collect()
}

/// Pkt-lines out of texts; `0000` and `0001` stand for themselves.
fn lines(choices: u8, texts: &[&str]) -> Vec<u8> {
    let mut out = vec![choices];
    for text in texts {
        match *text {
            "0000" | "0001" => out.extend_from_slice(text.as_bytes()),
            text => out.extend_from_slice(format!("{:04x}{text}", text.len() + 4).as_bytes()),
        }
    }
    out
}

/// Seeds of [`wire`]: what the three versions say, with bands and without.
fn wire_seeds() -> Vec<Vec<u8>> {
    let id = the_sha();
    let head = format!("{id} HEAD\0side-band-64k shallow filter symref=HEAD:refs/heads/main\n");
    let main = format!("{id} refs/heads/main\n");
    let (tag, peeled) = (format!("{id} refs/tags/v1.0.0\n"), format!("{id} refs/tags/v1.0.0^{{}}\n"));
    let listed = format!("{id} HEAD symref-target:refs/heads/main\n");
    let listed_tag = format!("{id} refs/tags/skill--v1.2.3 peeled:{id}\n");
    let shallow = format!("shallow {id}\n");
    let banded = ["\u{2}counting\n", "\u{1}PA", "\u{1}CK", "0000"];
    vec![
        lines(0, &["# service=git-upload-pack\n", "0000", &head, &main, &tag, &peeled, "0000"]),
        lines(0, &["version 1\n", &head, "0000"]),
        lines(0, &["version 2\n", "agent=x\n", "ls-refs\n", "fetch=shallow filter\n", "0000"]),
        lines(0, &["ERR no such thing\n"]),
        lines(1, &[&listed, &listed_tag, "unborn HEAD symref-target:refs/heads/x\n", "0000"]),
        lines(2, &[&["shallow-info\n", &shallow, "0001", "packfile\n"], &banded[..]].concat()),
        lines(2, &["packfile\n", "\u{1}PACK", "\u{3}out of memory\n"]),
        lines(7, &[&[&*shallow, "0000", "NAK\n"], &banded[..]].concat()),
        [lines(11, &["NAK\n"]), b"PACK".to_vec()].concat(),
    ]
}

/// Seeds of [`tree`]: files, links, folders, and names that lead out.
fn tree_seeds() -> Vec<Vec<u8>> {
    let line = |mode: &str, name: &[u8], id: [u8; 20]| [mode.as_bytes(), b" ", name, b"\0", &id].concat();
    let inner = [line("100644", b"SKILL.md", BLOB), line("120000", b"link", BLOB)].concat();
    let outers = [
        [line("100755", b"a.sh", BLOB), line("40000", b"folder", INNER), line("120000", b"l", BLOB)].concat(),
        [line("40000", b"..", INNER), line("100644", b".git", BLOB), line("100644", b"a/b", BLOB)].concat(),
        [line("160000", b"module", BLOB), line("040000", b"folder", INNER), line("7", b"odd", BLOB)].concat(),
        [line("100664", b"._x", BLOB), line("100644", b"twin", BLOB), line("100644", b"twin", BLOB)].concat(),
    ];
    outers.iter().map(|outer| [&[inner.len() as u8][..], &inner, outer].concat()).collect()
}

/// Seeds of [`loose`]: one object of each type, and ones that lie.
fn loose_seeds() -> Vec<Vec<u8>> {
    let commit = b"tree 0123456789012345678901234567890123456789\nparent 0123456789012345678901234567890123456789\n\nx";
    let head = format!("commit {}\0", commit.len());
    let texts: [&[u8]; 5] =
        [b"blob 5\0hello", b"tree 0\0", b"tag 1\0x", b"blob 9\0hello", b"blob 99999999999\0"];
    let mut seeds: Vec<Vec<u8>> = texts.iter().map(|text| [b"\0", *text].concat()).collect();
    seeds.push([b"\0", head.as_bytes(), &commit[..]].concat());
    seeds.push([b"\x01", &recipe::zlib(b"blob 5\0hello")[..]].concat());
    seeds
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Else the targets would compare nothing.
    #[test]
    fn the_recipes_get_as_far_as_libgit2() {
        let decoded = pack_seeds().into_iter().filter(|seed| {
            let folder = tempfile::tempdir().expect("a temporary folder");
            let received =
                Pack::receive(&mut &seed[1..], PackLimits::REAL, u64::MAX, folder.path(), |_, _| {});
            matches!(received, Ok(Received::Here(_)))
        });
        let objects: usize = decoded.map(|seed| by_libgit2(&seed[1..]).unwrap().len()).sum();
        assert!(objects >= 25, "{objects} objects");
    }
}
