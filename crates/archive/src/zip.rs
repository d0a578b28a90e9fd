//! ZIP: the directory and the entries must tell the same story, byte for byte.
//!
//! Two readers see every archive. The `zip` crate is the one that most programs of this
//! language use; ours looks between the entries, where the crate does not let one look:
//! it keeps entries in a map (twins vanish), does not say where data descriptors end, and
//! takes bytes after the end of a deflate stream. Only an archive in which both see the
//! same names, sizes and checksums is read.
//!
//! Sections are those of APPNOTE 6.3.10.

mod directory;
mod fields;
mod local;

use std::borrow::Cow;
use std::io::Cursor;

use flate2::{Crc, Decompress, FlushDecompress, Status};
use zip::ZipArchive;

use ba_agent_core::listing::Limits;
use ba_agent_core::package::Package;

use super::Refusal;
use super::extractor::Extractor;
use directory::ZipRecord;

/// Compression methods (§4.4.5); the only two that are read.
const STORED: u16 = 0;
const DEFLATED: u16 = 8;

/// Reads a whole ZIP file.
///
/// # Errors
/// A [`Refusal`] for what is damaged, hostile, or more than the limits allow.
pub(super) fn read(bytes: &[u8], limits: &Limits) -> Result<Package, Refusal> {
    let directory = directory::read(bytes, limits)?;
    let mut extractor = Extractor::new(limits);
    // Sizes are declared and checked against the bytes that come out, so that a bomb
    // is refused before the first byte is unpacked.
    for record in &directory.records {
        extractor.count_archive_entry()?;
        extractor.charge_against_limits(record.name, record.size.into())?;
    }
    for (record, packed) in local::locate(bytes, &directory)? {
        let name = match is_backslashed(record) {
            true => Cow::Owned(record.name.iter().map(|b| if *b == b'\\' { b'/' } else { *b }).collect()),
            false => Cow::Borrowed(record.name),
        };
        add(&mut extractor, record, &name, packed)?;
    }
    let tree = extractor.finish()?;
    // Last, because our own reasons are the better ones.
    compare_with_zip_crate(bytes, &directory.records)?;
    Ok(tree)
}

/// Asks the `zip` crate what it sees in the archive.
fn compare_with_zip_crate(bytes: &[u8], records: &[ZipRecord<'_>]) -> Result<(), Refusal> {
    let differs = || Refusal::refuse_whole_archive("different programs see different files in it");
    let mut archive = ZipArchive::new(Cursor::new(bytes)).map_err(|_| differs())?;
    if archive.len() != records.len() {
        return Err(differs());
    }
    for (at, record) in records.iter().enumerate() {
        let entry = archive.by_index_raw(at).map_err(|_| differs())?;
        let seen = (entry.name_raw(), entry.size(), entry.crc32());
        if seen != (record.name, u64::from(record.size), record.crc) {
            return Err(differs());
        }
    }
    Ok(())
}

/// PowerShell 5.1 and .NET before 4.6.1 write `\` for `/`, of folders some versions write `/`.
/// Read by the rule of Info-ZIP: an entry that says it comes from FAT and has no `/` in its
/// name means them. Twins that come of it are refused as any are.
fn is_backslashed(record: &ZipRecord<'_>) -> bool {
    record.host == 0 && !record.name.contains(&b'/') && record.name.contains(&b'\\')
}

fn add(
    extractor: &mut Extractor<'_>,
    record: &ZipRecord<'_>,
    name: &[u8],
    packed: &[u8],
) -> Result<(), Refusal> {
    let refuse = |reason: &str| Err(Refusal::refuse_archive_entry(record.name, reason));
    let data = unpack_zip_record(record, packed)?;
    let is_folder = name.ends_with(b"/");
    let mode = record.attributes >> 16;
    if is_folder {
        // The type bits of `st_mode`, as Unix producers write them; 0 is "not said".
        return match mode & 0o170_000 {
            _ if !data.is_empty() => refuse("is a folder with bytes of its own"),
            0 | 0o040_000 => extractor.folder(name),
            _ => refuse("is named as a folder but marked as something else"),
        };
    }
    let path = extractor.path(name)?;
    if record.is_reparse_point() {
        extractor.note_special_file(path, "reparse point of Windows");
        return Ok(());
    }
    match mode & 0o170_000 {
        0 | 0o100_000 if record.attributes & DOS_FOLDER != 0 => {
            return refuse("is named as a file but marked as a folder");
        }
        // The owner's bit alone decides, as in git.
        0 | 0o100_000 => extractor.file(path, mode & 0o100 != 0, data),
        0o120_000 => extractor.link(path, data),
        0o010_000 => extractor.note_special_file(path, "named pipe"),
        0o020_000 | 0o060_000 => extractor.note_special_file(path, "device"),
        0o140_000 => extractor.note_special_file(path, "socket"),
        _ => return refuse("is named as a file but marked as something else"),
    }
    Ok(())
}

/// `FILE_ATTRIBUTE_DIRECTORY` of the low attribute bytes.
const DOS_FOLDER: u32 = 0x10;

/// The bytes of an entry, when they are exactly what the directory says: size, CRC,
/// and no byte of the packed ones left over.
fn unpack_zip_record(record: &ZipRecord<'_>, packed: &[u8]) -> Result<Vec<u8>, Refusal> {
    let refuse = |reason: &str| Refusal::refuse_archive_entry(record.name, reason);
    let too_large = || refuse("is too large for this machine");
    let size = usize::try_from(record.size).map_err(|_| too_large())?;
    let mut data = Vec::new();
    // One byte more than promised, to see whether there is more.
    data.try_reserve_exact(size.saturating_add(1)).map_err(|_| too_large())?;
    let fault = match record.method {
        STORED => {
            data.extend_from_slice(packed.get(..size).unwrap_or_default());
            (packed.len() != size).then_some(OTHER_SIZE)
        }
        _ => inflate(packed, &mut data, size),
    };
    if let Some(reason) = fault {
        return Err(refuse(reason));
    }
    let mut crc = Crc::new();
    crc.update(&data);
    match crc.sum() == record.crc {
        true => Ok(data),
        false => Err(refuse("is damaged: its checksum is wrong")),
    }
}

const OTHER_SIZE: &str = "has a size that differs from its header";

/// Inflates into the spare room of `data`; the reason when that is not all of `packed`
/// and exactly `size` bytes. A stream without an end, or with bytes behind it, is read
/// differently by different programs.
fn inflate(packed: &[u8], data: &mut Vec<u8>, size: usize) -> Option<&'static str> {
    let mut inflate = Decompress::new(false);
    let Ok(status) = inflate.decompress_vec(packed, data, FlushDecompress::Finish) else {
        return Some("is damaged");
    };
    if data.len() != size {
        return Some(OTHER_SIZE);
    }
    if status != Status::StreamEnd {
        return Some("is damaged");
    }
    (inflate.total_in() != packed.len() as u64).then_some("has bytes after its compressed ones")
}
