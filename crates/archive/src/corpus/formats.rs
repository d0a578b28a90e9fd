//! Files that are no archive, or another than their name says.

use super::Expect::{Accept, Refuse};
use super::{Case, SKILL, tar_build, zip_build};

pub(super) fn cases() -> Vec<Case> {
    let case = |id, what, name, bytes: &[u8], expect| Case { id, what, name, bytes: bytes.to_vec(), expect };
    let zip = zip_build::zip(&[zip_build::file("skill/SKILL.md", SKILL)]);
    let tar = tar_build::tar(&[tar_build::file("skill/SKILL.md", SKILL)]);
    let tgz = tar_build::gz(&tar);
    let plain = &["100644 skill/SKILL.md"];
    vec![
        case(
            "f01",
            "a web page",
            "x.zip",
            b"\n<!DOCTYPE html><title>Sign in</title>",
            Refuse("it is a web page"),
        ),
        case(
            "f02",
            "a zip named tgz",
            "x.tgz",
            &zip,
            Refuse("its name ends in `.tgz`, but it is a zip file"),
        ),
        case(
            "f03",
            "a tar.gz named zip",
            "x.zip",
            &tgz,
            Refuse("its name ends in `.zip`, but it is a gzip file"),
        ),
        case("f04", "a tar named tar.gz", "x.tar.gz", &tar, Refuse("but it is a tar file")),
        case(
            "f05",
            "a tar with a zip behind it",
            "x.tar",
            &[&tar[..], &zip].concat(),
            Refuse("bytes follow its end"),
        ),
        case(
            "f05b",
            "a tar.gz with a zip behind it",
            "x.tgz",
            &[&tgz[..], &zip].concat(),
            Refuse("bytes or a second gzip member"),
        ),
        case(
            "f05c",
            "a zip with a tar behind it",
            "x.zip",
            &[&zip[..], &tar].concat(),
            Refuse("bytes follow its end record"),
        ),
        case(
            "f05d",
            "a zip whose first entry is a tar header",
            "x.zip",
            &polyglot(),
            Refuse("directory is not where"),
        ),
        case("f06", "nothing", "x.zip", b"", Refuse("it is empty")),
        case("f07", "an answer in JSON", "x.zip", b"{\"message\":\"Not Found\"}", Refuse("a text answer")),
        case("f08", "a 7-Zip file", "x.zip", b"7z\xbc\xaf\x27\x1c\0\x04", Refuse("it is a 7-Zip file")),
        case("f09", "an xz file", "x.tar.xz", b"\xfd7zXZ\0\0\x04", Refuse("it is an xz file")),
        case("f10", "a RAR file", "x.rar", b"Rar!\x1a\x07\x01\0", Refuse("it is a RAR file")),
        case(
            "f11",
            "a pointer of git LFS",
            "x.zip",
            b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n",
            Refuse("git LFS"),
        ),
        case(
            "f12",
            "more bytes than may be read",
            "x.zip",
            &vec![0; (1 << 20) + 1],
            Refuse("it has more than 1048576 bytes"),
        ),
        case("f13", "zeros", "x.tar", &[0; 10_240], Refuse("it is not a zip, tar or tar.gz file")),
        case(
            "f14",
            "gzip of something else",
            "x.tar.gz",
            &tar_build::gz(&[b'a'; 600]),
            Refuse("it does not contain a tar archive"),
        ),
        case("f15", "gzip of a zip", "x.tar.gz", &tar_build::gz(&zip), Refuse("it is cut off")),
        case(
            "f16",
            "gzip of gzip",
            "x.tgz",
            &tar_build::gz(&tar_build::gz(&[7; 4096])),
            Refuse("it is cut off"),
        ),
        case("f17", "gzip of nothing", "x.tgz", &tar_build::gz(b""), Refuse("it is cut off")),
        case("f18", "a .skill file", "x.skill", &zip, Accept(plain)),
        case(
            "f19",
            "an address without an ending",
            "https://host/o/r/zip/refs/heads/main",
            &zip,
            Accept(plain),
        ),
        case("f20", "an address with a query", "https://host/x.tar.gz?name=a.zip#b.7z", &tgz, Accept(plain)),
        case("f21", "a plain tar", "x.tar", &tar, Accept(plain)),
    ]
}

/// The blocks of a tar whose first name begins like a zip, and a zip behind them.
fn polyglot() -> Vec<u8> {
    let tar = tar_build::tar(&[tar_build::file(b"PK\x03\x04x", SKILL)]);
    [&tar[..], &zip_build::zip(&[zip_build::file("skill/SKILL.md", SKILL)])].concat()
}
