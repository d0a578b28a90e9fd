//! Which format the bytes are, and whether the name agrees.

use super::Refusal;
use super::tar::is_header;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ArchiveFormat {
    Zip,
    Tar,
    TarGz,
}

impl ArchiveFormat {
    fn word(self) -> &'static str {
        match self {
            Self::Zip => "a zip",
            Self::Tar => "a tar",
            Self::TarGz => "a gzip",
        }
    }
}

/// The endings of names that promise a format; the longer ones first. `None` is a
/// format that is not read.
const ENDINGS: &[(&str, Option<ArchiveFormat>)] = &[
    (".tar.gz", Some(ArchiveFormat::TarGz)),
    (".tgz", Some(ArchiveFormat::TarGz)),
    (".tar.xz", None),
    (".txz", None),
    (".tar.bz2", None),
    (".tbz2", None),
    (".tar.zst", None),
    (".gz", None),
    (".xz", None),
    (".bz2", None),
    (".zst", None),
    (".7z", None),
    (".rar", None),
    (".tar", Some(ArchiveFormat::Tar)),
    (".zip", Some(ArchiveFormat::Zip)),
    (".skill", Some(ArchiveFormat::Zip)),
];

/// The format of `bytes` by their magic. A name without one of [`ENDINGS`], as in
/// `…/zipball/main`, promises nothing and agrees with everything.
///
/// # Errors
/// A [`Refusal`] for bytes of another format than the name says, or of none that is read here.
pub(super) fn detect_format(name: &str, bytes: &[u8]) -> Result<ArchiveFormat, Refusal> {
    let format = format_by_magic_bytes(bytes).ok_or_else(|| no_archive(bytes))?;
    let lower = bare_name_without_query(name).to_ascii_lowercase();
    match ENDINGS.iter().find(|(ending, _)| lower.ends_with(ending)) {
        Some((ending, promised)) if *promised != Some(format) => Err(Refusal::refuse_whole_archive(format!(
            "its name ends in `{ending}`, but it is {} file",
            format.word()
        ))
        .hint("rename the file after its real format; zip, tar and tar.gz are supported")),
        _ => Ok(format),
    }
}

/// A URL without its query and fragment; any other name as it is.
fn bare_name_without_query(name: &str) -> &str {
    if name.contains("://") { name.split(['?', '#']).next().unwrap_or(name) } else { name }
}

/// APPNOTE 6.3.10 §4.3.6, RFC 1952 §2.3.1, POSIX.1-2024 `pax` (ustar).
fn format_by_magic_bytes(bytes: &[u8]) -> Option<ArchiveFormat> {
    if bytes.starts_with(b"PK\x03\x04") || bytes.starts_with(b"PK\x05\x06") {
        return Some(ArchiveFormat::Zip);
    }
    if bytes.starts_with(&[0x1f, 0x8b]) {
        return Some(ArchiveFormat::TarGz);
    }
    bytes.first_chunk::<512>().is_some_and(is_header).then_some(ArchiveFormat::Tar)
}

/// Says what came instead of an archive: most often a web page.
fn no_archive(bytes: &[u8]) -> Refusal {
    let start = bytes.get(..bytes.len().min(512)).unwrap_or(bytes);
    let text =
        String::from_utf8_lossy(start).trim_start_matches(['\u{feff}', ' ', '\t', '\r', '\n']).to_lowercase();
    let other = [
        (&b"\xfd7zXZ\0"[..], "an xz file"),
        (b"BZh", "a bzip2 file"),
        (b"\x28\xb5\x2f\xfd", "a zstd file"),
        (b"7z\xbc\xaf\x27\x1c", "a 7-Zip file"),
        (b"Rar!\x1a\x07", "a RAR file"),
    ];
    if let Some((_, what)) = other.iter().find(|(magic, _)| bytes.starts_with(magic)) {
        return Refusal::refuse_whole_archive(format!(
            "it is {what}; only zip, tar and tar.gz are supported"
        ))
        .hint("pack it again as zip or tar.gz");
    }
    if bytes.is_empty() {
        return Refusal::refuse_whole_archive("it is empty");
    }
    if text.starts_with("<!doctype html") || text.starts_with("<html") {
        return Refusal::refuse_whole_archive("it is a web page, not an archive")
            .hint("the address leads to a page for people: copy the link of the download itself, and check whether it needs a login");
    }
    if text.starts_with('{') || text.starts_with('<') {
        return Refusal::refuse_whole_archive("it is a text answer of a server, not an archive")
            .hint("open the address in a browser: it may name an error or need a login");
    }
    if text.starts_with("version https://git-lfs") {
        return Refusal::refuse_whole_archive("it is a pointer of git LFS, not the archive itself")
            .hint("download the file from the page of the repository");
    }
    Refusal::refuse_whole_archive("it is not a zip, tar or tar.gz file")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_magic_decides_and_the_name_must_agree() {
        let zip = b"PK\x03\x04";
        let gzip = b"\x1f\x8b\x08";
        for name in [
            "x.zip",
            "X.ZIP",
            "a.skill",
            "main",
            "https://h/x.zip?a=b.tgz",
            "v1.2",
            "https://h/zipball/x#y.tar",
        ] {
            assert_eq!(detect_format(name, zip).ok(), Some(ArchiveFormat::Zip), "{name}");
        }
        for name in ["x.tar.gz", "x.tgz", "tarball"] {
            assert_eq!(detect_format(name, gzip).ok(), Some(ArchiveFormat::TarGz), "{name}");
        }
        for (name, bytes) in [
            ("x.tgz", &zip[..]),
            ("x.tar", zip),
            ("x.7z", zip),
            ("x.zip", gzip),
            ("x.gz", gzip),
            ("x.tar", gzip),
            ("x.zip", b"<html>"),
            ("x.zip", b""),
            ("x.tar", &[0; 1024]),
        ] {
            assert!(detect_format(name, bytes).is_err(), "{name}");
        }
    }

    #[test]
    fn what_came_instead_is_named() {
        for (bytes, expected) in [
            (&b"\xef\xbb\xbf\n <!DOCTYPE HTML><title>Log in</title>"[..], "a web page"),
            (b"<HTML>", "a web page"),
            (b"{\"message\": \"Not Found\"}", "a text answer"),
            (b"<?xml version='1.0'?><Error/>", "a text answer"),
            (b"version https://git-lfs.github.com/spec/v1\n", "git LFS"),
            (b"7z\xbc\xaf\x27\x1c\0\0", "a 7-Zip file"),
            (b"", "it is empty"),
            (b"---\nname: x\n", "not a zip, tar or tar.gz"),
        ] {
            let reason = no_archive(bytes).reason;
            assert!(reason.contains(expected), "{reason} / {expected}");
        }
    }
}
