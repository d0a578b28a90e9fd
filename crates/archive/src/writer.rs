//! A skill as an archive whose bytes depend on its files alone: not on the machine, the clock,
//! the user, or the order in which a disk lists files.
//!
//! Entries stand in byte order of their paths, below one folder; each has the time that the
//! caller gives, mode 644 or 755, and no owner, comment or other attribute. What is written is
//! what [`open_archive`](crate::open_archive) reads back.

use std::io::{Cursor, Write as _};

use ba_agent_core::error::{Context as _, Error, Kind, Result};
use ba_agent_core::listing::{FileEntry, Limits, Node, check_portable};
use ba_agent_core::package::PackageDir;
use flate2::{Compression, GzBuilder};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, System, ZipWriter};

/// 1980-01-01T00:00:00Z: the first moment that a ZIP archive can name.
pub const FIRST_TIME: i64 = 315_532_800;

/// 2107-12-31T23:59:58Z: the last.
const LAST_TIME: i64 = 4_354_819_198;

/// What an archive is written as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PackFormat {
    Zip,
    TarGz,
}

/// Writes the files of `skill` below the folder `name`, all with the time `seconds` (since
/// 1970, UTC), which is brought into what a ZIP archive can name.
///
/// # Errors
/// Those of reading the files; `Invalid` for an entry that is neither a file nor a link.
pub fn write_archive(skill: PackageDir<'_>, name: &str, format: PackFormat, seconds: i64) -> Result<Vec<u8>> {
    let seconds = seconds.clamp(FIRST_TIME, LAST_TIME);
    let bytes = match format {
        PackFormat::Zip => write_zip(skill, name, seconds),
        PackFormat::TarGz => write_tar_gz(skill, &format!("{name}/"), seconds),
    };
    bytes.context(|| format!("`{name}` cannot be packed"))
}

/// Writes the archive that a registry serves: a tar.gz with `SKILL.md` at its top, all times 0.
///
/// # Errors
/// Those of reading the files; `Invalid` for what some system cannot have, such as a link that
/// leaves the skill.
pub fn write_published_archive(skill: PackageDir<'_>) -> Result<Vec<u8>> {
    check_portable(&skill.entries(), &Limits::default())?;
    write_tar_gz(skill, "", 0).context(|| "the skill cannot be packed".to_owned())
}

fn write_zip(skill: PackageDir<'_>, name: &str, seconds: i64) -> Result<Vec<u8>> {
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default()
        .system(System::Unix)
        .last_modified_time(zip_time(seconds)?)
        .compression_method(CompressionMethod::Deflated)
        .compression_level(Some(9));
    for entry in skill.entries() {
        let path = format!("{name}/{}", entry.path);
        match &entry.node {
            Node::File { executable } => {
                let mode = if *executable { 0o755 } else { 0o644 };
                archive.start_file(path, options.unix_permissions(mode)).map_err(|e| unwritten(&e))?;
                archive.write_all(&skill.read(&entry)?)?;
            }
            Node::Link { target } => {
                let options = options.unix_permissions(0o777).compression_method(CompressionMethod::Stored);
                archive.add_symlink(path, target, options).map_err(|e| unwritten(&e))?;
            }
            _ => return Err(unpackable(&entry)),
        }
    }
    Ok(archive.finish().map_err(|e| unwritten(&e))?.into_inner())
}

fn zip_time(seconds: i64) -> Result<DateTime> {
    let moment = Timestamp::from_second(seconds).map(|moment| TimeZone::UTC.to_datetime(moment));
    let written = moment.ok().and_then(|at| {
        let part = |value: i8| u8::try_from(value).ok();
        let date = (u16::try_from(at.year()).ok()?, part(at.month())?, part(at.day())?);
        let time = (part(at.hour())?, part(at.minute())?, part(at.second())?);
        DateTime::from_date_and_time(date.0, date.1, date.2, time.0, time.1, time.2).ok()
    });
    written.ok_or_else(|| Error::new(Kind::Failed, "the time is not one that a ZIP archive can name"))
}

/// Each path begins with `top`.
fn write_tar_gz(skill: PackageDir<'_>, top: &str, seconds: i64) -> Result<Vec<u8>> {
    // No name, no time, "unknown" as the system: the head of a gzip file says nothing.
    let gzip = GzBuilder::new().mtime(0).operating_system(255).write(Vec::new(), Compression::best());
    let mut archive = tar::Builder::new(gzip);
    for entry in skill.entries() {
        let path = format!("{top}{}", entry.path);
        let mut header = tar::Header::new_gnu();
        header.set_mtime(u64::try_from(seconds).unwrap_or_default());
        header.set_uid(0);
        header.set_gid(0);
        match &entry.node {
            Node::File { executable } => {
                let bytes = skill.read(&entry)?;
                header.set_entry_type(tar::EntryType::Regular);
                header.set_mode(if *executable { 0o755 } else { 0o644 });
                header.set_size(bytes.len() as u64);
                archive.append_data(&mut header, path, &*bytes)?;
            }
            Node::Link { target } => {
                header.set_entry_type(tar::EntryType::Symlink);
                header.set_mode(0o777);
                header.set_size(0);
                archive.append_link(&mut header, path, target)?;
            }
            _ => return Err(unpackable(&entry)),
        }
    }
    Ok(archive.into_inner()?.finish()?)
}

fn unwritten(error: &zip::result::ZipError) -> Error {
    Error::new(Kind::Failed, "the ZIP archive cannot be written").cause(error.to_string())
}

fn unpackable(entry: &FileEntry) -> Error {
    Error::new(Kind::Invalid, format!("`{}` is neither a file nor a link", entry.path))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::open_archive;
    use ba_agent_core::digest::Digest;
    use ba_agent_core::listing::Listing;
    use ba_agent_core::package::Package;
    use ba_agent_core::path::RelPath;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    /// What stands at a path: bytes with the executable bit, or the target of a link.
    type Row<'a> = (&'a str, Option<bool>, &'a [u8]);

    fn package(rows: &[Row<'_>]) -> Package {
        let entry = |(slot, (path, executable, bytes)): (usize, &Row<'_>)| FileEntry {
            path: RelPath::parse(path.as_bytes()).unwrap(),
            node: match executable {
                Some(executable) => Node::File { executable: *executable },
                None => Node::Link { target: String::from_utf8(bytes.to_vec()).unwrap() },
            },
            size: bytes.len() as u64,
            slot,
        };
        let entries = rows.iter().enumerate().map(entry).collect();
        Package::in_memory(Listing::new(entries), rows.iter().map(|row| row.2.to_vec()).collect())
    }

    fn packed(package: &Package, format: PackFormat, seconds: i64) -> Vec<u8> {
        write_archive(package.dir(&RelPath::ROOT), "tables", format, seconds).unwrap()
    }

    /// The digest of what the reader finds below `tables`, which is all that it finds.
    fn unpacked(file: &str, bytes: &[u8]) -> Digest {
        let package = open_archive(file, bytes, &Limits::default()).unwrap();
        let folder = RelPath::of_folder("tables").unwrap();
        assert_eq!(package.dir(&folder).count(), package.listing.entries().len());
        check_portable(&package.dir(&folder).entries(), &Limits::default()).unwrap();
        package.dir(&folder).digest().unwrap()
    }

    const FORMATS: [(PackFormat, &str); 3] =
        [(PackFormat::Zip, "a.skill"), (PackFormat::Zip, "a.zip"), (PackFormat::TarGz, "a.tar.gz")];

    /// The bytes are promised: whoever packs the same files gets them. A new version of a
    /// library that compresses otherwise is noticed here, and said in the changelog.
    #[test]
    fn the_bytes_are_these() {
        let long = "words that come again and again, ".repeat(500);
        let skill = package(&[
            ("SKILL.md", Some(false), b"---\nname: tables\ndescription: Reads tables.\n---\nDo it.\n"),
            ("scripts/run.py", Some(true), b"print(1)\n"),
            ("references/\u{e9}t\u{e9} 1.md", Some(false), long.as_bytes()),
            ("CLAUDE.md", None, b"SKILL.md"),
        ]);
        let digests: Vec<_> = [
            (PackFormat::Zip, FIRST_TIME),
            (PackFormat::TarGz, FIRST_TIME),
            (PackFormat::Zip, 1_767_323_045),
        ]
        .map(|(format, time)| Digest::of(&packed(&skill, format, time)).as_hex()[..16].to_owned())
        .into();
        assert_eq!(digests, ["1827c0cdc2d25a10", "439c1de53ec22d73", "240c5db7e7593609"]);
        let published = write_published_archive(skill.dir(&RelPath::ROOT)).unwrap();
        assert_eq!(&Digest::of(&published).as_hex()[..16], "8b93d0e84f0f6c95");
    }

    #[test]
    fn nothing_of_this_machine_is_in_it() {
        let skill = package(&[("SKILL.md", Some(false), b"x"), ("a/b.sh", Some(true), b"y")]);
        let zip = packed(&skill, PackFormat::Zip, 0);
        let mut archive = zip::ZipArchive::new(Cursor::new(&zip)).unwrap();
        assert_eq!(archive.comment(), b"");
        let names: Vec<_> = archive.file_names().map(|name| name.unwrap().into_owned()).collect();
        assert_eq!(names, ["tables/SKILL.md", "tables/a/b.sh"]);
        for (at, mode) in [(0, 0o100_644), (1, 0o100_755)] {
            let file = archive.by_index(at).unwrap();
            assert_eq!((file.unix_mode(), file.extra_data().unwrap_or_default()), (Some(mode), Vec::new()));
            assert_eq!(file.last_modified().unwrap().to_string(), "1980-01-01 00:00:00");
        }
        let tar = packed(&skill, PackFormat::TarGz, 0);
        assert_eq!(tar[..10], [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 2, 255]);
        let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(&tar[..]));
        for (entry, mode) in archive.entries().unwrap().zip([0o644, 0o755]) {
            let entry = entry.unwrap();
            let head = entry.header();
            assert_eq!((head.mode().unwrap(), head.uid().unwrap(), head.gid().unwrap()), (mode, 0, 0));
            assert_eq!(
                (head.mtime().unwrap(), head.username(), head.groupname()),
                (315_532_800, Ok(Some("")), Ok(Some("")))
            );
        }
    }

    #[test]
    fn a_time_that_zip_cannot_name_is_brought_near() {
        let skill = package(&[("SKILL.md", Some(false), b"x")]);
        for (seconds, shown) in [
            (i64::MIN, "1980-01-01 00:00:00"),
            (951_782_400, "2000-02-29 00:00:00"),
            (1_767_323_045, "2026-01-02 03:04:04"),
            (i64::MAX, "2107-12-31 23:59:58"),
        ] {
            let zip = packed(&skill, PackFormat::Zip, seconds);
            let mut archive = zip::ZipArchive::new(Cursor::new(&zip)).unwrap();
            assert_eq!(archive.by_index(0).unwrap().last_modified().unwrap().to_string(), shown);
            packed(&skill, PackFormat::TarGz, seconds);
        }
    }

    #[test]
    fn what_no_archive_can_have_is_refused() {
        let path = RelPath::parse(b"x").unwrap();
        for node in [Node::Submodule, Node::Special("socket")] {
            let listing = Listing::new(vec![FileEntry { path: path.clone(), node, size: 0, slot: 0 }]);
            let package = Package::in_memory(listing, vec![Vec::new()]);
            for (format, _) in FORMATS {
                let error = write_archive(package.dir(&RelPath::ROOT), "t", format, 0).unwrap_err();
                assert_eq!(error.kind, Kind::Invalid);
            }
        }
    }

    proptest! {
        #[test]
        fn what_is_packed_is_what_is_read(
            files in proptest::collection::btree_map(
                "[a-cé技 ]{1,4}[a-c]{1,120}(/[a-c]{1,120}){0,4}",
                (any::<bool>(), proptest::collection::vec(any::<u8>(), 0..200)),
                1..8,
            ),
            links in proptest::collection::vec(any::<proptest::sample::Index>(), 0..3),
            seconds in any::<i64>(),
        ) {
            let files: BTreeMap<String, _> = files.into_iter().map(|(path, file)| (path.trim_start().to_owned(), file)).collect();
            let is_folder = |path: &str| files.keys().any(|other| other.starts_with(&format!("{path}/")));
            let names: Vec<_> = files.keys().filter(|path| path.len() < 300 && !is_folder(path)).cloned().collect();
            prop_assume!(!names.is_empty());
            let link_names: Vec<_> = (0..links.len()).map(|n| format!("link{n}")).collect();
            let mut rows: Vec<Row<'_>> = names.iter().map(|name| (name.as_str(), Some(files[name].0), files[name].1.as_slice())).collect();
            for (name, target) in link_names.iter().zip(&links) {
                rows.push((name, None, names[target.index(names.len())].as_bytes()));
            }
            let skill = package(&rows);
            // Twins and names that Windows cannot have are refused before anything is packed.
            prop_assume!(check_portable(&skill.dir(&RelPath::ROOT).entries(), &Limits::default()).is_ok());
            let whole = skill.dir(&RelPath::ROOT).digest().unwrap();
            rows.reverse();
            for (format, file) in FORMATS {
                let bytes = packed(&skill, format, seconds);
                prop_assert_eq!(unpacked(file, &bytes), whole.clone());
                prop_assert_eq!(packed(&package(&rows), format, seconds), bytes, "the order in which files are found");
            }
        }
    }
}
