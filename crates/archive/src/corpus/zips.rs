//! Hostile and ambiguous ZIP files.

use super::Expect::{self, Accept, Refuse, SkillRefused};
use super::zip_build::*;
use super::{Case, SCRIPT, SKILL};

fn case(id: &'static str, what: &'static str, bytes: Vec<u8>, expect: Expect) -> Case {
    Case { id, what, name: "x.zip", bytes, expect }
}

/// A skill and these entries.
fn with(entries: impl IntoIterator<Item = Z>) -> Vec<u8> {
    zip(&[file("skill/SKILL.md", SKILL)].into_iter().chain(entries).collect::<Vec<_>>())
}

/// A skill and one file of this name.
fn named(name: impl AsRef<[u8]>) -> Vec<u8> {
    with([file(name, SCRIPT)])
}

/// As [`named`], from MS-DOS or Windows.
fn dos_named(name: impl AsRef<[u8]>) -> Vec<u8> {
    with([dos(0, file(name, SCRIPT))])
}

fn skill_with(end: End) -> Vec<u8> {
    zip_with(&[file("skill/SKILL.md", SKILL)], &end)
}

pub(super) fn cases() -> Vec<Case> {
    [names(), links(), types(), twins(), lies(), ends(), limits()].into_iter().flatten().collect()
}

fn names() -> Vec<Case> {
    let out = "leads out of the folder";
    let hidden = "contains control or invisible characters";
    vec![
        case("z01", "a name with ..", named("../evil"), Refuse(out)),
        case("z02", "an absolute name", named("/etc/evil"), Refuse("is absolute")),
        case("z03", "a drive and a backslash", named("C:\\evil"), Refuse("contains a backslash")),
        case("z03b", "a drive", named("C:/evil"), Refuse("begins with a drive letter")),
        case("z03c", "a network share", named("\\\\host\\share\\evil"), Refuse("contains a backslash")),
        case("z03d", "a network share with /", named("//host/share/evil"), Refuse("is absolute")),
        case("z04", "a backslash beside slashes", named("..\\evil"), Refuse("contains a backslash")),
        case("z05", "an inner ..", named("skill/a/../../../evil"), Refuse(out)),
        case("z05b", "backslashes of DOS that lead out", dos_named("..\\..\\evil"), Refuse(out)),
        case(
            "z05c",
            "backslashes of DOS with a drive",
            dos_named("C:\\evil"),
            Refuse("begins with a drive letter"),
        ),
        case(
            "z05d",
            "backslashes of DOS that make twins",
            dos_named("skill\\SKILL.md"),
            Refuse("is listed twice"),
        ),
        case(
            "z05e",
            "backslashes beside slashes in one name",
            dos_named("skill/a\\b"),
            Refuse("contains a backslash"),
        ),
        case("z23", "an escape sequence", named("skill/\x1b[2Jx"), Refuse(hidden)),
        case("z24", "a device of Windows", named("skill/CON"), SkillRefused("a device name")),
        case("z25", "a device with an ending", named("skill/NUL.txt"), SkillRefused("a device name")),
        case("z26", "a stream of NTFS", named("skill/a:b"), SkillRefused("does not allow")),
        case("z26b", "a dot at the end", named("skill/a."), SkillRefused("ends in a dot")),
        case("z27", "reordered text", named("skill/a\u{202e}dm.exe"), Refuse(hidden)),
        case("z28", "a name in Latin-1", named(b"skill/caf\xe9"), Refuse("is not UTF-8")),
        case("z36", "another spelling of .git", named("skill/.GIT/config"), Refuse("spells `.git`")),
        case("z36b", "the short name of .git", named("git~1/config"), Refuse("spells `.git`")),
        case("z36c", ".git with a joiner", named("skill/.g\u{200c}it/config"), Refuse(hidden)),
        case(
            "z40",
            "Latin-1 that says it is UTF-8",
            with([Z { flags: 1 << 11, ..file(b"skill/caf\xe9", SCRIPT) }]),
            Refuse("is not UTF-8"),
        ),
        case("z41", "a line feed", named("skill/a\nb"), Refuse(hidden)),
        case("z42", "a part that is a dot", named("skill/./a"), Refuse("has a `.` part")),
        case("z71", "two slashes", named("skill//a"), Refuse("has an empty part")),
        case("z72", "no name", named(""), Refuse("is empty")),
        case("z73", "NUL in a name", named("skill/a\0.md"), Refuse(hidden)),
        case(
            "z79",
            "all backslashes, as PowerShell, leading out",
            zip(&[dos(0, file("skill\\SKILL.md", SKILL)), dos(0, file("..\\..\\evil", b""))]),
            Refuse(out),
        ),
        case(
            "z80",
            "all backslashes, but from Unix",
            zip(&[file("skill\\SKILL.md", SKILL)]),
            Refuse("contains a backslash"),
        ),
        case(
            "z80b",
            "all backslashes, absolute",
            zip(&[dos(0, file("\\evil", SKILL))]),
            Refuse("is absolute"),
        ),
        case(
            "z80c",
            "all backslashes, a drive",
            zip(&[dos(0, file("C:\\evil", SKILL))]),
            Refuse("begins with a drive letter"),
        ),
    ]
}

fn links() -> Vec<Case> {
    let leaves = "leaves the skill";
    let bad_target = "link whose target is empty, too long or not UTF-8";
    vec![
        case("z06", "a link out", with([link("skill/l", b"/etc/passwd")]), SkillRefused(leaves)),
        case(
            "z07",
            "a file written through a link",
            with([link("skill/l", b"../.."), file("skill/l/evil", SCRIPT)]),
            Refuse("is a file and a folder"),
        ),
        case(
            "z08",
            "a link and a file of one name",
            with([link("skill/l", b"../../x"), file("skill/l", SCRIPT)]),
            Refuse("is listed twice"),
        ),
        case(
            "z09",
            "a chain of links out",
            with([link("skill/a", b"b"), link("skill/b", b"../../x")]),
            SkillRefused(leaves),
        ),
        case(
            "z10",
            "links in a circle",
            with([link("skill/a", b"b"), link("skill/b", b"a")]),
            SkillRefused("leads back to itself"),
        ),
        case("z44", "a link with a backslash", with([link("skill/l", b"..\\..\\x")]), SkillRefused(leaves)),
        case(
            "z49",
            "a link of 4,097 bytes",
            with([link("skill/l", &[b'a'; 4097])]),
            SkillRefused(bad_target),
        ),
        case("z49b", "a link that is not UTF-8", with([link("skill/l", b"\xff")]), SkillRefused(bad_target)),
        case("z49c", "a link to nothing", with([link("skill/l", b"")]), SkillRefused(bad_target)),
        case(
            "z49d",
            "a link that says it comes from FAT",
            with([Z { host: 0, ..link("skill/l", b"/etc/passwd") }]),
            SkillRefused(leaves),
        ),
        case(
            "z49e",
            "a link named as a folder",
            with([link("skill/l/", b"")]),
            Refuse("is named as a folder but marked as something else"),
        ),
        case(
            "z69",
            "a junction of Windows, as 7-Zip packs it",
            with([dos(0x420, stored("skill/j", b"C:\\Windows"))]),
            SkillRefused("reparse point"),
        ),
        case(
            "z49f",
            "a dangling link",
            with([link("skill/l", b"missing")]),
            SkillRefused("points at nothing"),
        ),
    ]
}

fn types() -> Vec<Case> {
    let plain = &["100644 skill/SKILL.md", "100644 skill/run.sh"];
    let run = |bits| with([mode(bits, file("skill/run.sh", SCRIPT))]);
    vec![
        case(
            "z19",
            "setuid, setgid, sticky",
            run(0o107_755),
            Accept(&["100644 skill/SKILL.md", "100755 skill/run.sh"]),
        ),
        case("z20", "a device", with([mode(0o020_666, stored("skill/d", b""))]), SkillRefused("device")),
        case(
            "z20b",
            "a block device",
            with([mode(0o060_666, stored("skill/d", b""))]),
            SkillRefused("device"),
        ),
        case("z21", "a pipe", with([mode(0o010_666, stored("skill/p", b""))]), SkillRefused("named pipe")),
        case("z84", "a socket", with([mode(0o140_666, stored("skill/s", b""))]), SkillRefused("socket")),
        case("z84b", "a type that does not exist", run(0o170_644), Refuse("marked as something else")),
        case("z43", "a folder with bytes", with([stored("skill/d/", b"x")]), Refuse("a folder with bytes")),
        case("z45", "mode 0777", run(0o100_777), Accept(&["100644 skill/SKILL.md", "100755 skill/run.sh"])),
        case("z46", "mode 0000", run(0o100_000), Accept(plain)),
        case("z46b", "only others may run it", run(0o100_655), Accept(plain)),
        case(
            "z67",
            "marked as a folder, named as a file",
            run(0o040_755),
            Refuse("is named as a file but marked as something else"),
        ),
        case(
            "z68",
            "marked as a folder by MS-DOS",
            with([dos(0x10, stored("skill/d", b""))]),
            Refuse("is named as a file but marked as a folder"),
        ),
        case(
            "z70",
            "an archive inside, which stays closed",
            with([stored("skill/assets/bomb.zip", &named("../evil"))]),
            Accept(&["100644 skill/SKILL.md", "100644 skill/assets/bomb.zip"]),
        ),
    ]
}

fn twins() -> Vec<Case> {
    let twice = "is listed twice";
    let one = "are one name on some file systems";
    vec![
        case("z11", "a name twice", with([file("skill/SKILL.md", SCRIPT)]), Refuse(twice)),
        case("z11b", "a name twice, once with ./", with([file("./skill/SKILL.md", SCRIPT)]), Refuse(twice)),
        case("z12", "names that differ in case", named("skill/skill.MD"), SkillRefused(one)),
        case(
            "z13",
            "names that differ in normal form",
            with([file("skill/caf\u{e9}", b""), file("skill/cafe\u{301}", b"")]),
            SkillRefused(one),
        ),
        case(
            "z13b",
            "folders that differ in case",
            with([file("skill/Dir/a", b""), file("skill/dir/b", b"")]),
            SkillRefused(one),
        ),
        case(
            "z29",
            "a file and a folder",
            with([file("skill/a", b""), folder("skill/a/")]),
            Refuse("is a file and a folder"),
        ),
        case(
            "z29b",
            "a file with files below",
            with([file("skill/a", b""), file("skill/a/b", b"")]),
            Refuse("is a file and a folder"),
        ),
        case("z47", "a folder twice", with([folder("skill/a/"), folder("skill/a/")]), Refuse(twice)),
    ]
}

fn lies() -> Vec<Case> {
    let skill = || file("skill/SKILL.md", SKILL);
    let sums = skill().sums;
    let run = || file("skill/run.sh", SCRIPT);
    let damaged = "is damaged";
    let disagrees = "differs from the directory";
    let hidden = "is followed by hidden bytes";
    let overlaps = "overlaps";
    let wrong_descriptor = |change: fn(&mut Vec<u8>)| {
        let mut entry = streamed(run());
        change(&mut entry.descriptor);
        with([entry])
    };
    let sized = |size: u32| Z { sums: [run().sums[0], run().sums[1], size], ..run() };
    vec![
        case(
            "z14",
            "one entry, two records",
            with([Z { ghost: true, offset: Some(0), ..skill() }]),
            Refuse(overlaps),
        ),
        case(
            "z15",
            "another name in the local header",
            with([Z { local_name: Some(b"skill/evil".to_vec()), ..run() }]),
            Refuse("has another name"),
        ),
        case(
            "z16",
            "a wrong checksum",
            zip(&[Z { sums: [1, sums[1], sums[2]], ..skill() }]),
            Refuse("checksum is wrong"),
        ),
        case(
            "z16b",
            "a wrong checksum of a stored file",
            with([Z { sums: [1, 3, 3], ..stored("skill/a", b"abc") }]),
            Refuse("checksum is wrong"),
        ),
        case("z22", "encrypted", with([Z { flags: 1, ..run() }]), Refuse("is encrypted")),
        case("z22b", "strongly encrypted", with([Z { flags: 1 << 6, ..run() }]), Refuse("is encrypted")),
        case("z22c", "directory encrypted", with([Z { flags: 1 << 13, ..run() }]), Refuse("is encrypted")),
        case(
            "z33",
            "a second name in a Unicode path field",
            with([Z { extra: unicode_path(b"skill/run.sh", b"skill/evil.sh"), ..run() }]),
            Refuse("has a second, different name"),
        ),
        case(
            "z33b",
            "the same in the local header",
            with([Z { local_extra: unicode_path(b"skill/run.sh", b"../evil.sh"), ..run() }]),
            Refuse("has a second, different name"),
        ),
        case("z37", "entries quoted by one another", quoted(), Refuse(overlaps)),
        case("z37b", "an entry inside another's bytes", inside(), Refuse(overlaps)),
        case("z38", "an entry that the directory hides", with([Z { hidden: true, ..run() }]), Refuse(hidden)),
        case("z39", "a smaller size than there is", with([sized(3)]), Refuse("differs from its header")),
        case("z39b", "a larger size than there is", with([sized(300)]), Refuse("differs from its header")),
        case(
            "z50",
            "a wrong checksum in the descriptor",
            wrong_descriptor(|d| d[4] ^= 1),
            Refuse("wrong data descriptor"),
        ),
        case(
            "z51",
            "a wrong size in the descriptor",
            wrong_descriptor(|d| d[12] ^= 1),
            Refuse("wrong data descriptor"),
        ),
        case("z52", "no descriptor", wrong_descriptor(Vec::clear), Refuse("wrong data descriptor")),
        case(
            "z52b",
            "bytes behind the descriptor",
            wrong_descriptor(|d| d.extend(b"hide")),
            Refuse("wrong data descriptor"),
        ),
        case(
            "z56",
            "method 12, bzip2",
            with([Z { method: 12, ..run() }]),
            Refuse("is compressed by method 12"),
        ),
        case(
            "z56b",
            "method 99, AES",
            with([Z { method: 99, ..run() }]),
            Refuse("is compressed by method 99"),
        ),
        case(
            "z57",
            "stored with two sizes",
            with([Z { sums: [crc(SCRIPT), 20, 21], ..stored("skill/run.sh", SCRIPT) }]),
            Refuse("differs from its header"),
        ),
        case(
            "z58",
            "bytes behind the end of the deflate stream",
            with([behind_deflate()]),
            Refuse("has bytes after its compressed ones"),
        ),
        case("z59", "a deflate stream without an end", with([endless_deflate()]), Refuse(damaged)),
        case(
            "z59b",
            "no deflate stream at all",
            with([Z { packed: vec![0xff; 9], sums: [crc(SCRIPT), 9, 20], ..run() }]),
            Refuse(damaged),
        ),
        case(
            "z60",
            "an AES field",
            with([Z { extra: extra(0x9901, b"\x02\0AE\x03\x08\0"), ..run() }]),
            Refuse("is encrypted"),
        ),
        case(
            "z61",
            "an extra field longer than its place",
            with([Z { extra: b"UT\xff\0x".to_vec(), ..run() }]),
            Refuse("has a broken extra field"),
        ),
        case(
            "z61b",
            "a broken local extra field",
            with([Z { local_extra: b"UT\xff".to_vec(), ..run() }]),
            Refuse("has a broken extra field"),
        ),
        case(
            "z62",
            "flags of no meaning",
            with([Z { flags: 1 << 14, ..run() }]),
            Refuse("flags of an unknown meaning"),
        ),
        case(
            "z62b",
            "patch data",
            with([Z { flags: 1 << 5, ..run() }]),
            Refuse("flags of an unknown meaning"),
        ),
        case("z74", "another size in a local ZIP64 field", with([wide(21)]), Refuse(disagrees)),
        case(
            "z74b",
            "a broken local ZIP64 field",
            with([Z { local_extra: extra(1, &[0; 12]), ..run() }]),
            Refuse("has a broken ZIP64 field"),
        ),
        case(
            "z75",
            "another method in the local header",
            with([Z { local_method: Some(0), ..run() }]),
            Refuse(disagrees),
        ),
        case(
            "z76",
            "other flags in the local header",
            with([Z { local_flags: Some(8), ..run() }]),
            Refuse(disagrees),
        ),
        case(
            "z77",
            "other sizes in the local header",
            with([Z { local_sums: Some([sums[0], 5, 5]), ..run() }]),
            Refuse(disagrees),
        ),
        case(
            "z77b",
            "open sizes without a descriptor",
            with([Z { local_sums: Some([0; 3]), ..run() }]),
            Refuse(disagrees),
        ),
        case(
            "z81",
            "an entry behind the directory",
            with([Z { ghost: true, offset: Some(9_999), ..run() }]),
            Refuse(overlaps),
        ),
        case(
            "z81b",
            "packed bytes that reach into the directory",
            with([Z { sums: [run().sums[0], 99, 20], ..run() }]),
            Refuse("is longer than its place"),
        ),
        case(
            "z82",
            "all ones for a size",
            with([Z { sums: [0, u32::MAX, u32::MAX], ..run() }]),
            Refuse("the limit for a file is 65536"),
        ),
    ]
}

/// Fifield's quoted overlap: the first entry's bytes are the second's local header,
/// and both end in the same kernel.
fn quoted() -> Vec<u8> {
    let kernel = file("skill/b", &[0; 1000]);
    let header = zip(std::slice::from_ref(&kernel))[..30 + 7].to_vec();
    // A stored deflate block that quotes the header, then the kernel's own blocks.
    let length = header.len() as u16;
    let quote = [&[0][..], &length.to_le_bytes(), &(!length).to_le_bytes(), &header].concat();
    let data = [&header[..], &[0; 1000]].concat();
    let packed = (quote.len() + kernel.packed.len()) as u32;
    let outer = Z {
        sums: [crc(&data), packed, data.len() as u32],
        packed: quote[..5].to_vec(),
        ..file("skill/a", b"")
    };
    zip(&[outer, kernel])
}

/// A stored file that holds another entry, to which the directory points as well.
fn inside() -> Vec<u8> {
    let inner = stored("skill/b", b"evil");
    let whole = zip(std::slice::from_ref(&inner));
    let data = &whole[..30 + 7 + 4];
    zip(&[stored("skill/SKILL.md", data), Z { ghost: true, offset: Some(30 + 14), ..inner }])
}

fn behind_deflate() -> Z {
    let mut entry = file("skill/run.sh", SCRIPT);
    entry.packed.extend(b"hidden");
    entry.sums[1] += 6;
    entry
}

/// One stored block that is not marked as the last.
fn endless_deflate() -> Z {
    let length = SCRIPT.len() as u16;
    let packed = [&[0][..], &length.to_le_bytes(), &(!length).to_le_bytes(), SCRIPT].concat();
    Z { sums: [crc(SCRIPT), packed.len() as u32, length.into()], packed, ..file("skill/run.sh", SCRIPT) }
}

/// Sizes in a local ZIP64 field.
fn wide(size: u64) -> Z {
    let entry = file("skill/run.sh", SCRIPT);
    let sizes = [size.to_le_bytes(), u64::from(entry.sums[1]).to_le_bytes()].concat();
    Z { local_sums: Some([entry.sums[0], u32::MAX, u32::MAX]), local_extra: extra(1, &sizes), ..entry }
}

fn ends() -> Vec<Case> {
    let misplaced = "its directory is not where its end record says";
    let follow = "bytes follow its end record";
    let comment = |text: &[u8]| skill_with(End { comment: text.to_vec(), ..End::default() });
    let whole = skill_with(End::default());
    vec![
        case(
            "z30",
            "an end record inside the comment",
            comment(&skill_with(End::default())[whole.len() - 22..]),
            Refuse(misplaced),
        ),
        case("z30b", "an archive inside the comment", comment(&named("evil")), Refuse(misplaced)),
        case(
            "z31",
            "bytes before the archive",
            [b"#!/bin/sh\n", &whole[..]].concat(),
            Refuse("it is not a zip, tar or tar.gz file"),
        ),
        case(
            "z31b",
            "bytes before it that look like an entry",
            [b"PK\x03\x04", &whole[..]].concat(),
            Refuse(misplaced),
        ),
        case(
            "z31c",
            "bytes before it, offsets mended",
            before(),
            Refuse("there are bytes before its first entry"),
        ),
        case("z32", "bytes behind the archive", [&whole[..], b"more"].concat(), Refuse(follow)),
        case("z32b", "zeros behind the archive", [&whole[..], &[0; 512]].concat(), Refuse(follow)),
        case("z48", "cut off", whole[..whole.len() - 30].to_vec(), Refuse("it is cut off")),
        case("z48b", "cut off in the end record", whole[..whole.len() - 1].to_vec(), Refuse("it is cut off")),
        case(
            "z53",
            "more entries than counted",
            zip_with(
                &[file("skill/SKILL.md", SKILL), file("skill/evil", SKILL)],
                &End { counts: Some([1; 2]), ..End::default() },
            ),
            Refuse("more entries than it says"),
        ),
        case(
            "z53b",
            "fewer entries than counted",
            skill_with(End { counts: Some([2; 2]), ..End::default() }),
            Refuse("fewer entries than it says"),
        ),
        case("z53c", "two archives joined", [&whole[..], &named("evil")].concat(), Refuse(misplaced)),
        case(
            "z53d",
            "two counts",
            skill_with(End { counts: Some([1, 2]), ..End::default() }),
            Refuse("counts two ways"),
        ),
        case(
            "z54",
            "UTF-8 without the flag, as macOS writes it",
            with([file("skill/\u{6280}.md", SCRIPT)]),
            Accept(&["100644 skill/SKILL.md", "100644 skill/\u{6280}.md"]),
        ),
        case(
            "z55",
            "ZIP64 by all ones",
            skill_with(End {
                counts: Some([u16::MAX; 2]),
                start: Some(u32::MAX),
                length: Some(u32::MAX),
                before: zip64(),
                ..End::default()
            }),
            Refuse("ZIP64"),
        ),
        case(
            "z55b",
            "ZIP64 beside a plain end record",
            skill_with(End { before: zip64(), ..End::default() }),
            Refuse("ZIP64"),
        ),
        case(
            "z55c",
            "ZIP64 sizes in the directory",
            with([Z { extra: extra(1, &[0; 16]), ..file("skill/run.sh", SCRIPT) }]),
            Refuse("ZIP64"),
        ),
        case("z63", "an escape sequence in the comment", comment(b"\x1b[2J"), Refuse("printable ASCII")),
        case(
            "z64",
            "a comment of 65 bytes",
            comment(&[b'a'; 65]),
            Refuse("its comment is longer than 64 bytes"),
        ),
        case(
            "z64b",
            "a longer comment than there is",
            skill_with(End { comment_length: Some(9), ..End::default() }),
            Refuse("its comment is cut off"),
        ),
        case("z65", "no entries", zip(&[]), Refuse("it has no entries")),
        case(
            "z66",
            "a part of several disks",
            skill_with(End { disks: [1, 1], ..End::default() }),
            Refuse("one part of several"),
        ),
        case(
            "z78",
            "a signature between directory and end",
            skill_with(End { before: b"PK\x05\x05\x04\0sign".to_vec(), ..End::default() }),
            Refuse(misplaced),
        ),
        case(
            "z78b",
            "a directory of another length",
            skill_with(End { length: Some(9), ..End::default() }),
            Refuse(misplaced),
        ),
        case(
            "z78c",
            "a directory behind the end",
            skill_with(End { start: Some(99_999), ..End::default() }),
            Refuse(misplaced),
        ),
    ]
}

/// A first entry that the directory does not name and whose place none claims.
fn before() -> Vec<u8> {
    zip(&[Z { hidden: true, ..file("skill/evil", SCRIPT) }, file("skill/SKILL.md", SKILL)])
}

fn zip64() -> Vec<u8> {
    let record = [&b"PK\x06\x06"[..], &44_u64.to_le_bytes(), &[0; 44]].concat();
    [&record[..], b"PK\x06\x07", &[0; 12], &[1, 0, 0, 0]].concat()
}

fn limits() -> Vec<Case> {
    let deep = format!("{}x", "d/".repeat(33));
    let many: Vec<_> = (0..300).map(|n| stored(format!("skill/{n}"), b"")).collect();
    let big: Vec<_> = (0..5).map(|n| file(format!("skill/{n}"), &[0; 60_000])).collect();
    vec![
        case(
            "z17",
            "a file that unpacks to more",
            with([file("skill/bomb", &[0; 65_537])]),
            Refuse("the limit for a file is 65536"),
        ),
        case(
            "z17b",
            "files that unpack to more together",
            with(big),
            Refuse("it unpacks to more than 262144 bytes"),
        ),
        case(
            "z17c",
            "the same, with the small size it would like to have",
            with([Z { sums: [0, 10, 10], ..file("skill/bomb", &[0; 65_537]) }]),
            Refuse("hidden bytes"),
        ),
        case("z17d", "a bomb that hides its size", with([hidden_bomb()]), Refuse("differs from its header")),
        case("z18", "301 entries", with(many), Refuse("it has more than 300 entries")),
        case("z34", "a part of 256 bytes", named("a".repeat(256)), Refuse("longer than 255 bytes")),
        case(
            "z34b",
            "a path of 1,025 bytes",
            named(format!("{}a", "abcdefg/".repeat(128))),
            Refuse("longer than 1,024 bytes"),
        ),
        case("z35", "33 folders", named(deep), Refuse("is more than 32 folders deep")),
        case(
            "z35b",
            "2,000 folders",
            named(format!("{}x", "d/".repeat(2_000))),
            Refuse("longer than 1,024 bytes"),
        ),
    ]
}

fn hidden_bomb() -> Z {
    let bomb = file("skill/bomb", &[0; 1 << 20]);
    Z { sums: [bomb.sums[0], bomb.sums[1], 10], ..bomb }
}
