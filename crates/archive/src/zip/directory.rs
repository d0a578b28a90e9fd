//! The end record and the central directory (§4.3.12, §4.3.16).

use flate2::Crc;

use ba_agent_core::listing::Limits;

use super::fields::Fields;
use super::{DEFLATED, Refusal, STORED};
use crate::extractor::check_count;

/// Bytes of an end record without its comment.
const END: usize = 22;
/// Bytes of an archive's comment: git writes 40 hex digits; longer ones can hide a
/// second end record.
const MAX_COMMENT: usize = 64;

/// Flag bits of §4.4.4 that may be set: the deflate level (1, 2), a data descriptor
/// follows (3), the name is UTF-8 (11).
pub(super) const DESCRIPTOR: u16 = 1 << 3;
const KNOWN_FLAGS: u16 = 0b0110 | DESCRIPTOR | 1 << 11;
/// Encrypted (0), strongly so (6), directory encrypted (13).
const ENCRYPTED_FLAGS: u16 = 1 | 1 << 6 | 1 << 13;

/// What the directory says of one entry.
pub(super) struct ZipRecord<'a> {
    pub(super) name: &'a [u8],
    /// The system it was made on (§4.4.2): 0 FAT, 3 Unix, 10 NTFS, 19 macOS …
    pub(super) host: u8,
    pub(super) flags: u16,
    pub(super) method: u16,
    pub(super) crc: u32,
    pub(super) packed: u32,
    pub(super) size: u32,
    /// `st_mode` in the upper half, MS-DOS attributes in the lower one.
    pub(super) attributes: u32,
    /// Where its local header begins.
    pub(super) offset: u32,
}

impl ZipRecord<'_> {
    /// `FILE_ATTRIBUTE_REPARSE_POINT`: a link or mount point, as 7-Zip stores it on Windows.
    pub(super) fn is_reparse_point(&self) -> bool {
        matches!(self.host, 0 | 10 | 11 | 14) && self.attributes & 0x400 != 0
    }
}

/// The directory of an archive.
pub(super) struct Directory<'a> {
    pub(super) records: Vec<ZipRecord<'a>>,
    /// Where it begins, which is where the last entry must end.
    pub(super) start: usize,
}

/// Reads the directory; checks that it fills the space up to the end record, that the
/// end record ends the file, and every record by itself.
///
/// # Errors
/// A [`Refusal`] for a directory that is damaged, or read differently by different programs.
pub(super) fn read<'a>(bytes: &'a [u8], limits: &Limits) -> Result<Directory<'a>, Refusal> {
    let end = find_end(bytes)?;
    check_count(end.count.into(), limits)?;
    if end.count == 0 {
        return Err(Refusal::refuse_whole_archive("it has no entries"));
    }
    let misplaced = || Refusal::refuse_whole_archive("its directory is not where its end record says");
    let start = usize::try_from(end.start).map_err(|_| misplaced())?;
    let length = usize::try_from(end.length).map_err(|_| misplaced())?;
    if start.checked_add(length) != Some(end.at) {
        return Err(misplaced());
    }
    let mut fields = Fields(bytes.get(start..end.at).ok_or_else(misplaced)?);
    let mut records = Vec::with_capacity(end.count.into());
    for _ in 0..end.count {
        let (record, extra) = read_directory_record(&mut fields)
            .ok_or_else(|| Refusal::refuse_whole_archive("its directory has fewer entries than it says"))?;
        check_directory_record(&record)?;
        check_extra(extra, record.name, ExtraPlace::Directory)?;
        records.push(record);
    }
    if !fields.0.is_empty() {
        return Err(Refusal::refuse_whole_archive("its directory has more entries than it says"));
    }
    Ok(Directory { records, start })
}

struct End {
    at: usize,
    count: u16,
    length: u32,
    start: u32,
}

/// The end record, which must end the file with a short printable comment. Such a
/// comment cannot hold a signature, so there is no second one to be found.
fn find_end(bytes: &[u8]) -> Result<End, Refusal> {
    let at = (0..=MAX_COMMENT)
        .filter_map(|comment| bytes.len().checked_sub(END + comment))
        .find(|at| bytes.get(*at..).is_some_and(|rest| rest.starts_with(b"PK\x05\x06")))
        .ok_or_else(|| no_end(bytes))?;
    let broken = || Refusal::refuse_whole_archive("its end record is broken");
    let mut fields = Fields(bytes.get(at..).ok_or_else(broken)?);
    let end = end_record(&mut fields, at).ok_or_else(broken)??;
    let before = at.checked_sub(20).and_then(|locator| bytes.get(locator..));
    if before.is_some_and(|rest| rest.starts_with(b"PK\x06\x07")) || end.is_zip64() {
        return Err(refusal_of_zip64());
    }
    Ok(end)
}

impl End {
    fn is_zip64(&self) -> bool {
        self.count == u16::MAX || self.length == u32::MAX || self.start == u32::MAX
    }
}

fn end_record(fields: &mut Fields<'_>, at: usize) -> Option<Result<End, Refusal>> {
    fields.signature(b"PK\x05\x06")?;
    let (disk, first_disk, here, count) = (fields.u16()?, fields.u16()?, fields.u16()?, fields.u16()?);
    let (length, start) = (fields.u32()?, fields.u32()?);
    let comment = fields.u16()?;
    let refuse = |reason: &str| Some(Err(Refusal::refuse_whole_archive(reason)));
    if usize::from(comment) != fields.0.len() {
        return refuse("bytes follow its end record, or its comment is cut off");
    }
    if !fields.0.iter().all(|b| matches!(b, b' '..=b'~')) {
        return refuse("its comment contains characters other than printable ASCII");
    }
    let end = End { at, count, length, start };
    if !end.is_zip64() && (disk, first_disk, here) != (0, 0, count) {
        return refuse("it is one part of several, or its end record counts two ways");
    }
    Some(Ok(end))
}

/// Tells a file that was cut off from one that goes on behind its end.
fn no_end(bytes: &[u8]) -> Refusal {
    let tail = bytes.get(bytes.len().saturating_sub(END + usize::from(u16::MAX))..).unwrap_or(bytes);
    let at = tail.windows(4).rposition(|four| four == b"PK\x05\x06");
    if at.is_some_and(|at| tail.len() - at >= END) {
        return Refusal::refuse_whole_archive(
            "its comment is longer than 64 bytes, or bytes follow its end record",
        );
    }
    Refusal::refuse_whole_archive("it is cut off: it has no whole end record").hint("download it again")
}

fn refusal_of_zip64() -> Refusal {
    Refusal::refuse_whole_archive("it is in ZIP64 format, which an archive of this size does not need")
        .hint("pack the folder again, for instance with `zip -fz- -r skill.zip skill`")
}

fn read_directory_record<'a>(fields: &mut Fields<'a>) -> Option<(ZipRecord<'a>, &'a [u8])> {
    fields.signature(b"PK\x01\x02")?;
    let host = fields.u16()?.to_le_bytes()[1];
    let _needed = fields.u16()?;
    let (flags, method) = (fields.u16()?, fields.u16()?);
    let _time = fields.u32()?;
    let (crc, packed, size) = (fields.u32()?, fields.u32()?, fields.u32()?);
    let (name, extra, comment) = (fields.u16()?, fields.u16()?, fields.u16()?);
    let (_disk, _internal, attributes) = (fields.u16()?, fields.u16()?, fields.u32()?);
    let offset = fields.u32()?;
    let name = fields.take(name.into())?;
    let extra = fields.take(extra.into())?;
    fields.take(comment.into())?;
    Some((ZipRecord { name, host, flags, method, crc, packed, size, attributes, offset }, extra))
}

fn check_directory_record(record: &ZipRecord<'_>) -> Result<(), Refusal> {
    let refuse = |reason: &str| Err(Refusal::refuse_archive_entry(record.name, reason));
    if record.flags & ENCRYPTED_FLAGS != 0 {
        return refuse("is encrypted");
    }
    if record.flags & !KNOWN_FLAGS != 0 {
        return refuse("has flags of an unknown meaning");
    }
    if !matches!(record.method, STORED | DEFLATED) {
        return Err(Refusal::refuse_archive_entry(
            record.name,
            format!("is compressed by method {}", record.method),
        )
        .hint("pack it again; only stored and deflate are supported"));
    }
    Ok(())
}

/// Where an extra field stands.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum ExtraPlace {
    Directory,
    Local,
}

/// The sizes in a local ZIP64 field (§4.5.3), which some writers put before an entry
/// whose size they do not know yet.
#[derive(Clone, Copy)]
pub(super) struct Wide {
    pub(super) size: u64,
    pub(super) packed: u64,
}

/// Walks the extra fields (§4.5): they must have a sound frame, and none may give the
/// entry another name. Times, owners and the like are passed over.
///
/// # Errors
/// A [`Refusal`] for fields that are broken, and for those that give the entry another name or
/// size.
pub(super) fn check_extra(extra: &[u8], name: &[u8], place: ExtraPlace) -> Result<Option<Wide>, Refusal> {
    let refuse = |reason: &str| Err(Refusal::refuse_archive_entry(name, reason));
    let mut fields = Fields(extra);
    let mut wide = None;
    while !fields.0.is_empty() {
        // Alignment tools fill up with fewer zeros than a field's head has.
        if fields.0.len() < 4 && fields.0.iter().all(|b| *b == 0) {
            break;
        }
        let Some((id, value)) = read_extra_field(&mut fields) else {
            return refuse("has a broken extra field");
        };
        match id {
            0x0001 if place == ExtraPlace::Directory => return Err(refusal_of_zip64()),
            0x0001 if wide.is_some() => return refuse("has two ZIP64 fields"),
            0x0001 => match read_wide_sizes(value) {
                None => return refuse("has a broken ZIP64 field"),
                found => wide = found,
            },
            0x0017 | 0x9901 => return refuse("is encrypted"),
            0x7075 if !same_name(value, name) => return refuse("has a second, different name"),
            _ => {}
        }
    }
    Ok(wide)
}

fn read_wide_sizes(value: &[u8]) -> Option<Wide> {
    let mut fields = Fields(value);
    let wide = Wide { size: fields.u64()?, packed: fields.u64()? };
    fields.0.is_empty().then_some(wide)
}

fn read_extra_field<'a>(fields: &mut Fields<'a>) -> Option<(u16, &'a [u8])> {
    let (id, length) = (fields.u16()?, fields.u16()?);
    Some((id, fields.take(length.into())?))
}

/// Info-ZIP's Unicode path (§4.6.9) repeats the name: version 1, CRC of the name, UTF-8.
fn same_name(value: &[u8], name: &[u8]) -> bool {
    let mut fields = Fields(value);
    let mut crc = Crc::new();
    crc.update(name);
    fields.take(1) == Some(&[1]) && fields.u32() == Some(crc.sum()) && fields.0 == name
}
