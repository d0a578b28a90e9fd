//! The layouts of real producers, field by field; what matters is named in the comment.
//! git, GNU tar, Info-ZIP, Python, Java and npm were read off archives that they made;
//! macOS, Windows, PowerShell, 7-Zip, Go and .NET follow the documentation of their formats.

use super::Expect::{self, Accept};
use super::{Case, SCRIPT, SKILL, tar_build as tar, zip_build as zip};
use tar::T;
use zip::Z;

const PLAIN: &[&str] = &["100644 skill/SKILL.md", "100644 skill/scripts/run.sh"];
const MODES: &[&str] = &["100644 skill/SKILL.md", "100755 skill/scripts/run.sh"];

pub(super) fn cases() -> Vec<Case> {
    let z = |id, what, bytes, expect| Case { id, what, name: "x.zip", bytes, expect };
    let t = |id, what, bytes, expect| Case { id, what, name: "x.tar.gz", bytes, expect };
    vec![
        z("a01", "git archive, zip", git_zip(), accept_links()),
        t("a02", "git archive, tar.gz", git_tar(), accept_links()),
        t("a03", "GNU tar, long name", gnu_long(), Accept(LONG)),
        t("a04", "GNU tar, pax", gnu_pax(), Accept(LONG)),
        z("a05", "Python zipfile", python(), Accept(MODES)),
        z("a06", "Python zipfile, streamed", streamed(0), Accept(MODES)),
        z("a07", "Info-ZIP", info_zip(|entry| entry), Accept(MODES)),
        z("a08", "Info-ZIP, streamed", info_zip(info_zip_streamed), Accept(MODES)),
        t("a09", "npm pack", npm(), Accept(&["100644 package/SKILL.md", "100755 package/scripts/run.sh"])),
        z("a10", "macOS Finder", finder(), Accept(FINDER)),
        t("a11", "macOS bsdtar", mac_tar(), Accept(MODES)),
        z("a12", "PowerShell 5.1", powershell(), Accept(PLAIN)),
        z("a12b", "PowerShell 5.1, folders with a slash", powershell_folders(), Accept(PLAIN)),
        z("a12c", "PowerShell 5.1, adding to an archive of Info-ZIP", powershell_update(), Accept(PLAIN)),
        z(
            "a12d",
            ".NET before 4.6.1, without the base folder",
            dotnet(),
            Accept(&["100644 SKILL.md", "100644 scripts/run.sh"]),
        ),
        z("a13", "Windows Explorer", explorer(), Accept(PLAIN)),
        z("a14", "Go archive/zip", go(), Accept(PLAIN)),
        z("a15", "Java", java(), Accept(PLAIN)),
        t("a16", "bsdtar, ustar", bsdtar(), Accept(MODES)),
        z("a17", "7-Zip on Windows", seven_zip_windows(), Accept(PLAIN)),
        z("a18", "7-Zip on Linux", seven_zip_linux(), Accept(MODES)),
        t("a19", "Python tarfile", python_tar(), Accept(MODES)),
        t(
            "a20",
            "GNU tar of the current folder",
            dot_tar(),
            Accept(&["100644 SKILL.md", "100755 scripts/run.sh"]),
        ),
        z("a21", "node archiver", streamed(1 << 11), Accept(MODES)),
        z("a22", "descriptors without signature", unsigned(), Accept(PLAIN)),
        z("a23", "Python zipfile with force_zip64", force_zip64(), Accept(PLAIN)),
        z("a24", "a ZIP64 field before a streamed entry", wide_streamed(), Accept(PLAIN)),
        z(
            "a25",
            "a Unicode path field that agrees",
            unicode(),
            Accept(&["100644 skill/SKILL.md", "100644 skill/é.md"]),
        ),
        z("a26", "zipalign", aligned(), Accept(PLAIN)),
        t("a27", "tar of 1979", v7(), Accept(MODES)),
        t("a28", "node-tar", node_tar(), Accept(MODES)),
        z("a29", "the zip crate", zip_crate(), Accept(MODES)),
        t("a30", "the tar crate", tar_crate(), Accept(MODES)),
        z("a31", "files in the order of the directory reversed", reversed(), Accept(PLAIN)),
        t("a32", "GNU tar with a blocking factor of 128", blocked(), Accept(MODES)),
        z(
            "a33",
            "a link inside the skill",
            with_link(),
            Accept(&[
                "100644 skill/AGENTS.md",
                "120000 skill/CLAUDE.md -> AGENTS.md",
                "100644 skill/SKILL.md",
            ]),
        ),
    ]
}

fn accept_links() -> Expect {
    Accept(&["120000 skill/CLAUDE.md -> SKILL.md", "100644 skill/SKILL.md", "100755 skill/scripts/run.sh"])
}

/// `SKILL.md` and `scripts/run.sh`, each made by `one`, executable where the producer knows it.
fn pair(one: impl Fn(Z) -> Z) -> Vec<Z> {
    vec![
        one(zip::file("skill/SKILL.md", SKILL)),
        one(zip::mode(0o100_755, zip::file("skill/scripts/run.sh", SCRIPT))),
    ]
}

/// The same without modes, as from Windows.
fn dos_pair(attributes: u32, one: impl Fn(Z) -> Z) -> Vec<u8> {
    zip::zip(&pair(|entry| one(zip::dos(attributes, entry))))
}

/// Says FAT but for programs and links; a time field; the commit as comment.
fn git_zip() -> Vec<u8> {
    let time =
        |entry| Z { extra: zip::extra(0x5455, &[1; 5]), local_extra: zip::extra(0x5455, &[1; 5]), ..entry };
    let entries = [
        time(zip::dos(0x10, zip::stored("skill/", b""))),
        time(zip::link("skill/CLAUDE.md", b"SKILL.md")),
        time(zip::dos(0, zip::file("skill/SKILL.md", SKILL))),
        time(zip::dos(0x10, zip::stored("skill/scripts/", b""))),
        time(zip::streamed(zip::mode(0o100_755, zip::file("skill/scripts/run.sh", SCRIPT)))),
    ];
    let comment = b"3f2a1c94d6e08b7c5a1f0e9d8c7b6a5948372615".to_vec();
    zip::zip_with(&entries, &zip::End { comment, ..zip::End::default() })
}

/// A global header with the commit; no pax header for what fits.
fn git_tar() -> Vec<u8> {
    let entries = [
        tar::global(&[("comment", "3f2a1c94d6e08b7c5a1f0e9d8c7b6a5948372615")]),
        T { mode: 0o775, ..tar::folder("skill/") },
        tar::link("skill/CLAUDE.md", b"SKILL.md"),
        T { mode: 0o664, ..tar::file("skill/SKILL.md", SKILL) },
        T { mode: 0o775, ..tar::file("skill/scripts/run.sh", SCRIPT) },
    ];
    tar::gz(&[tar::tar(&entries), vec![0; 8192]].concat())
}

/// More bytes than the name field of a header holds.
macro_rules! long {
    () => {
        "references/a-name-that-the-field-of-a-plain-header-cannot-hold-because-it-has-more-than-one-hundred-bytes.md"
    };
}

const LONG: &[&str] = &[
    concat!("120000 skill/CLAUDE.md -> ", long!()),
    "100644 skill/SKILL.md",
    concat!("100644 skill/", long!()),
];

/// `L` and `K` before the entry, with NUL at the end.
fn gnu_long() -> Vec<u8> {
    let name = concat!("skill/", long!(), "\0").as_bytes();
    let target = concat!(long!(), "\0").as_bytes();
    tar::tgz(&[
        tar::gnu(tar::folder("skill/")),
        tar::gnu(tar::file("skill/SKILL.md", SKILL)),
        tar::long(b'L', name),
        tar::gnu(tar::file(&name[..100], SCRIPT)),
        tar::long(b'K', target),
        tar::gnu(tar::link("skill/CLAUDE.md", &target[..100])),
    ])
}

fn gnu_pax() -> Vec<u8> {
    let (name, target) = (concat!("skill/", long!()), long!());
    let times = ("mtime", "1773500000.123456789");
    tar::tgz(&[
        tar::pax(&[times, ("atime", "1773500000.1"), ("ctime", "1773500000.2")]),
        tar::folder("skill/"),
        tar::pax(&[times]),
        tar::file("skill/SKILL.md", SKILL),
        tar::pax(&[("path", name), times]),
        tar::file(&name[..100], SCRIPT),
        tar::pax(&[("linkpath", target), times]),
        tar::link("skill/CLAUDE.md", &target.as_bytes()[..100]),
    ])
}

/// Modes from Unix, folders with 0x10, no extra fields.
fn python() -> Vec<u8> {
    let mut entries = vec![zip::folder("skill/"), zip::folder("skill/scripts/")];
    entries.extend(pair(|entry| entry));
    zip::zip(&entries)
}

/// Descriptors with signature; sizes open.
fn streamed(flags: u16) -> Vec<u8> {
    zip::zip(&pair(|entry| Z { flags: flags | 8, ..zip::streamed(entry) }))
}

/// Times and owners, shorter in the directory than in the local header.
fn info_zip(one: fn(Z) -> Z) -> Vec<u8> {
    let owner = zip::extra(0x7875, &[1, 4, 0, 0, 0, 0, 4, 0, 0, 0, 0]);
    let extras = |entry: Z| Z {
        extra: [zip::extra(0x5455, &[3; 5]), owner.clone()].concat(),
        local_extra: [zip::extra(0x5455, &[3; 9]), owner.clone()].concat(),
        ..entry
    };
    let mut entries = vec![extras(zip::folder("skill/")), extras(zip::folder("skill/scripts/"))];
    entries.extend(pair(|entry| one(extras(entry))));
    zip::zip(&entries)
}

/// Knows the size before it reads, so only CRC and packed size stay open.
fn info_zip_streamed(entry: Z) -> Z {
    let size = entry.sums[2];
    Z { local_sums: Some([0, 0, size]), ..zip::streamed(entry) }
}

/// No folders, `package/` on top, one fixed time.
fn npm() -> Vec<u8> {
    tar::tgz(&[
        tar::file("package/SKILL.md", SKILL),
        T { mode: 0o755, ..tar::file("package/scripts/run.sh", SCRIPT) },
    ])
}

const FINDER: &[&str] =
    &["100644 skill/SKILL.md", "100644 skill/cafe\u{301}.md", "100755 skill/scripts/run.sh"];

/// Descriptors, decomposed names without the UTF-8 flag, and its own files beside ours.
fn finder() -> Vec<u8> {
    let owner = |entry: Z| Z {
        extra: zip::extra(0x5855, &[0; 8]),
        local_extra: zip::extra(0x5855, &[0; 12]),
        host: 3,
        ..entry
    };
    let mut entries = vec![owner(zip::folder("skill/"))];
    entries.extend(pair(|entry| owner(zip::streamed(entry))));
    for name in [
        "skill/cafe\u{301}.md",
        "skill/.DS_Store",
        "__MACOSX/skill/._.DS_Store",
        "__MACOSX/skill/._SKILL.md",
        "__MACOSX/._skill",
    ] {
        entries.push(owner(zip::streamed(zip::file(name, b"\0\x05\x16\x07\0\x02\0\0Mac OS X"))));
    }
    zip::zip(&entries)
}

fn mac_tar() -> Vec<u8> {
    let quarantine =
        [("LIBARCHIVE.xattr.com.apple.quarantine", "MDA4MQ"), ("SCHILY.xattr.com.apple.quarantine", "0081")];
    tar::tgz(&[
        tar::file("./._skill", b"\0\x05\x16\x07"),
        tar::folder("skill/"),
        tar::file("skill/._SKILL.md", b"\0\x05\x16\x07"),
        tar::pax(&quarantine),
        tar::file("skill/SKILL.md", SKILL),
        tar::file("skill/.DS_Store", b"\0\0\0\x01Bud1"),
        T { mode: 0o755, ..tar::file("skill/scripts/run.sh", SCRIPT) },
    ])
}

/// Backslashes everywhere, also for an empty folder.
fn powershell() -> Vec<u8> {
    zip::zip(&[
        zip::dos(0, zip::file("skill\\SKILL.md", SKILL)),
        zip::dos(0, zip::file("skill\\scripts\\run.sh", SCRIPT)),
        zip::dos(0, zip::stored("skill\\empty\\", b"")),
    ])
}

/// Other versions give folders entries of their own, with the slash of the format.
fn powershell_folders() -> Vec<u8> {
    zip::zip(&[
        zip::dos(0, zip::stored("skill/", b"")),
        zip::dos(0, zip::file("skill\\SKILL.md", SKILL)),
        zip::dos(0x10, zip::stored("skill\\scripts\\", b"")),
        zip::dos(0, zip::file("skill\\scripts\\run.sh", SCRIPT)),
    ])
}

/// `Compress-Archive -Update` leaves what is there and writes its own names beside it.
fn powershell_update() -> Vec<u8> {
    zip::zip(&[
        zip::mode(0o100_644, zip::file("skill/SKILL.md", SKILL)),
        zip::dos(0, zip::file("skill\\scripts\\run.sh", SCRIPT)),
    ])
}

/// `ZipFile.CreateFromDirectory`: a file at the top shows no separator at all.
fn dotnet() -> Vec<u8> {
    zip::zip(&[zip::dos(0, zip::file("SKILL.md", SKILL)), zip::dos(0, zip::file("scripts\\run.sh", SCRIPT))])
}

/// Folders have entries only where they are empty; the archive bit.
fn explorer() -> Vec<u8> {
    dos_pair(0x20, |entry| entry)
}

/// `Writer.Create`: no attributes, flag 8 always, also on what is stored; UTF-8 flag.
fn go() -> Vec<u8> {
    let mut entries = vec![zip::dos(0, zip::stored("skill/", b""))];
    entries.push(zip::dos(0, zip::streamed(zip::stored("skill/SKILL.md", SKILL))));
    entries.push(zip::dos(0, zip::streamed(zip::file("skill/scripts/run.sh", SCRIPT))));
    entries.iter_mut().skip(1).for_each(|entry| entry.flags |= 1 << 11);
    zip::zip(&entries)
}

/// Folders are deflated and streamed like files; `jar` marks the first entry.
fn java() -> Vec<u8> {
    let one = |entry| Z { flags: 8 | 1 << 11, ..zip::streamed(zip::dos(0, entry)) };
    let mut entries = vec![one(zip::file("skill/", b""))];
    entries.extend(pair(one));
    let first = entries.first_mut().unwrap();
    first.extra = zip::extra(0xcafe, b"");
    first.local_extra = zip::extra(0xcafe, b"");
    zip::zip(&entries)
}

/// A prefix splits the name.
fn bsdtar() -> Vec<u8> {
    tar::tgz(&[
        tar::folder("skill/"),
        tar::file("skill/SKILL.md", SKILL),
        T { prefix: b"skill/scripts".to_vec(), mode: 0o755, ..tar::file("run.sh", SCRIPT) },
    ])
}

/// NTFS times in the directory alone.
fn seven_zip_windows() -> Vec<u8> {
    dos_pair(0x20, |entry| Z { extra: zip::extra(0x000a, &[0; 32]), ..entry })
}

/// The mode, and a bit that says that there is one (`FILE_ATTRIBUTE_UNIX_EXTENSION`).
fn seven_zip_linux() -> Vec<u8> {
    zip::zip(&pair(|entry| Z { attributes: entry.attributes | 0x8020, ..entry }))
}

/// pax since 3.8, one header where it needs one; the name of the tar in gzip's header.
fn python_tar() -> Vec<u8> {
    tar::gz_named(
        "x.tar",
        &tar::tar(&[
            tar::folder("skill"),
            tar::pax(&[("mtime", "1773500000.5")]),
            tar::file("skill/SKILL.md", SKILL),
            T { mode: 0o755, ..tar::file("skill/scripts/run.sh", SCRIPT) },
        ]),
    )
}

/// `tar -czf x.tar.gz .`
fn dot_tar() -> Vec<u8> {
    tar::tgz(&[
        tar::gnu(tar::folder("./")),
        tar::gnu(tar::file("./SKILL.md", SKILL)),
        tar::gnu(tar::folder("./scripts/")),
        T { mode: 0o755, ..tar::gnu(tar::file("./scripts/run.sh", SCRIPT)) },
    ])
}

/// The signature of a descriptor is optional.
fn unsigned() -> Vec<u8> {
    dos_pair(0, |entry| {
        let entry = zip::streamed(entry);
        Z { descriptor: entry.descriptor[4..].to_vec(), ..entry }
    })
}

fn wide_field(entry: &Z, [packed, size]: [u32; 2]) -> Vec<u8> {
    assert!(entry.local_extra.is_empty());
    zip::extra(1, &[u64::from(size).to_le_bytes(), u64::from(packed).to_le_bytes()].concat())
}

fn force_zip64() -> Vec<u8> {
    dos_pair(0, |entry| {
        let [crc, packed, size] = entry.sums;
        Z {
            local_extra: wide_field(&entry, [packed, size]),
            local_sums: Some([crc, u32::MAX, u32::MAX]),
            ..entry
        }
    })
}

/// Sizes of 8 bytes in the descriptor.
fn wide_streamed() -> Vec<u8> {
    dos_pair(0, |entry| {
        let [crc, packed, size] = entry.sums;
        let sizes = [packed, size].map(|size| u64::from(size).to_le_bytes()).concat();
        let descriptor = [b"PK\x07\x08", &crc.to_le_bytes()[..], &sizes].concat();
        Z {
            local_extra: wide_field(&entry, [0, 0]),
            local_sums: Some([0, u32::MAX, u32::MAX]),
            flags: 8,
            descriptor,
            ..entry
        }
    })
}

fn unicode() -> Vec<u8> {
    let field = zip::unicode_path("skill/é.md".as_bytes(), "skill/é.md".as_bytes());
    let named = Z { extra: field.clone(), local_extra: field, ..zip::file("skill/é.md", SCRIPT) };
    zip::zip(&[zip::file("skill/SKILL.md", SKILL), named])
}

/// Zeros that are no whole field.
fn aligned() -> Vec<u8> {
    dos_pair(0, |entry| Z { local_extra: vec![0; 3], ..entry })
}

fn v7() -> Vec<u8> {
    let old = |entry| T { magic: tar::Magic::V7, ..entry };
    tar::tgz(&[
        old(T { kind: 0, ..tar::file("skill/SKILL.md", SKILL) }),
        old(T { kind: 0, mode: 0o755, ..tar::file("skill/scripts/run.sh", SCRIPT) }),
    ])
}

fn node_tar() -> Vec<u8> {
    let keys = [
        ("NODETAR.depth", "1"),
        ("NODETAR.dev", "64768"),
        ("SCHILY.dev", "64768"),
        ("SCHILY.ino", "9"),
        ("SCHILY.nlink", "1"),
    ];
    tar::tgz(&[
        tar::pax(&keys),
        tar::file("skill/SKILL.md", SKILL),
        tar::pax(&keys),
        T { mode: 0o755, ..tar::file("skill/scripts/run.sh", SCRIPT) },
    ])
}

fn zip_crate() -> Vec<u8> {
    use std::io::Write as _;
    let mut writer = ::zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let options = ::zip::write::SimpleFileOptions::default();
    writer.add_directory("skill/", options).unwrap();
    writer.start_file("skill/SKILL.md", options).unwrap();
    writer.write_all(SKILL).unwrap();
    writer.start_file("skill/scripts/run.sh", options.unix_permissions(0o755)).unwrap();
    writer.write_all(SCRIPT).unwrap();
    writer.finish().unwrap().into_inner()
}

fn tar_crate() -> Vec<u8> {
    let mut builder = ::tar::Builder::new(Vec::new());
    for (name, mode, data) in [("skill/SKILL.md", 0o644, SKILL), ("skill/scripts/run.sh", 0o755, SCRIPT)] {
        let mut header = ::tar::Header::new_gnu();
        header.set_size(data.len() as u64);
        header.set_mode(mode);
        builder.append_data(&mut header, name, data).unwrap();
    }
    tar::gz(&builder.into_inner().unwrap())
}

/// The directory may list the entries in any order.
fn reversed() -> Vec<u8> {
    let skill = zip::dos(0, zip::file("skill/SKILL.md", SKILL));
    let run = zip::dos(0, zip::file("skill/scripts/run.sh", SCRIPT));
    let behind = 30 + run.name.len() + run.packed.len();
    zip::zip(&[
        Z { hidden: true, ..run.clone() },
        Z { offset: Some(behind as u32), ..skill },
        Z { ghost: true, offset: Some(0), ..run },
    ])
}

fn blocked() -> Vec<u8> {
    let entries =
        [tar::file("skill/SKILL.md", SKILL), T { mode: 0o755, ..tar::file("skill/scripts/run.sh", SCRIPT) }];
    let mut bytes = tar::tar(&entries);
    bytes.resize(128 * 512, 0);
    tar::gz(&bytes)
}

fn with_link() -> Vec<u8> {
    zip::zip(&[
        zip::file("skill/SKILL.md", SKILL),
        zip::file("skill/AGENTS.md", SCRIPT),
        zip::link("skill/CLAUDE.md", b"AGENTS.md"),
    ])
}

#[test]
fn what_the_finder_added_is_counted() {
    for (name, bytes, expected) in [("x.zip", finder(), 4), ("x.tgz", mac_tar(), 3), ("x.zip", python(), 0)] {
        let tree = crate::open_archive(name, &bytes, &super::limits()).ok().unwrap();
        assert_eq!(tree.skipped, expected);
    }
}
