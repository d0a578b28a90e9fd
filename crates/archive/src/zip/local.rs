//! Local headers and data descriptors (§4.3.7, §4.3.9): the entries must fill the file
//! from its first byte to the directory, without a gap and without overlapping.

use super::Refusal;
use super::directory::{DESCRIPTOR, Directory, ExtraPlace, Wide, ZipRecord, check_extra};
use super::fields::Fields;

/// Each record with its packed bytes, in the order of the file.
///
/// # Errors
/// A [`Refusal`] for a local header that says something else than the directory, and for bytes
/// between the entries.
pub(super) fn locate<'a, 'b>(
    bytes: &'a [u8],
    directory: &'b Directory<'a>,
) -> Result<Vec<(&'b ZipRecord<'a>, &'a [u8])>, Refusal> {
    let mut records: Vec<&ZipRecord<'a>> = directory.records.iter().collect();
    records.sort_by_key(|record| record.offset);
    if records.first().is_some_and(|first| first.offset != 0) {
        return Err(Refusal::refuse_whole_archive("there are bytes before its first entry"));
    }
    let ends = records.iter().skip(1).map(|next| next.offset as usize).chain([directory.start]);
    let pairs: Vec<_> = records.iter().copied().zip(ends).collect();
    pairs
        .into_iter()
        .map(|(record, end)| {
            let all = bytes
                .get(record.offset as usize..end)
                .ok_or_else(|| Refusal::refuse_archive_entry(record.name, "overlaps the directory"))?;
            Ok((record, packed_bytes_of_record(record, all)?))
        })
        .collect()
}

/// The packed bytes of an entry, whose local header, bytes and descriptor are `all`.
fn packed_bytes_of_record<'a>(record: &ZipRecord<'_>, all: &'a [u8]) -> Result<&'a [u8], Refusal> {
    let refuse = |reason: &str| Err(Refusal::refuse_archive_entry(record.name, reason));
    let mut fields = Fields(all);
    let Some(local) = read_local_header(&mut fields) else {
        return refuse("has no whole local header, or overlaps another entry");
    };
    let wide = check_extra(local.extra, local.name, ExtraPlace::Local)?;
    if local.name != record.name {
        return Err(Refusal::refuse_archive_entry(record.name, "has another name in its local header"));
    }
    if !local.agrees_with_directory(record, wide) {
        return refuse("has a local header that differs from the directory");
    }
    let Some(packed) = fields.take(record.packed as usize) else {
        return refuse("is longer than its place, or overlaps another entry");
    };
    match (record.flags & DESCRIPTOR != 0, fields.0) {
        (false, []) => Ok(packed),
        (false, _) => refuse("is followed by hidden bytes"),
        (true, descriptor) if descriptor_fits_record(descriptor, record, wide.is_some()) => Ok(packed),
        (true, _) => refuse("is followed by hidden bytes or a wrong data descriptor"),
    }
}

struct Local<'a> {
    flags: u16,
    method: u16,
    sums: [u32; 3],
    name: &'a [u8],
    extra: &'a [u8],
}

fn read_local_header<'a>(fields: &mut Fields<'a>) -> Option<Local<'a>> {
    fields.signature(b"PK\x03\x04")?;
    let _needed = fields.u16()?;
    let (flags, method) = (fields.u16()?, fields.u16()?);
    let _time = fields.u32()?;
    let sums = [fields.u32()?, fields.u32()?, fields.u32()?];
    let (name, extra) = (fields.u16()?, fields.u16()?);
    Some(Local { flags, method, sums, name: fields.take(name.into())?, extra: fields.take(extra.into())? })
}

impl Local<'_> {
    /// CRC and sizes may be left open, as 0, where a descriptor brings them; sizes may
    /// stand in a ZIP64 field. All else must be as in the directory.
    fn agrees_with_directory(&self, record: &ZipRecord<'_>, wide: Option<Wide>) -> bool {
        let streamed = record.flags & DESCRIPTOR != 0;
        let same = |found: u64, known: u32| found == u64::from(known) || (streamed && found == 0);
        let [crc, packed, size] = self.sums;
        let narrow = |found: u32, wide: Option<u64>, known: u32| {
            same(if found == u32::MAX { wide.unwrap_or(found.into()) } else { found.into() }, known)
        };
        self.flags == record.flags
            && self.method == record.method
            && same(crc.into(), record.crc)
            && narrow(packed, wide.map(|w| w.packed), record.packed)
            && narrow(size, wide.map(|w| w.size), record.size)
            && wide.is_none_or(|w| same(w.packed, record.packed) && same(w.size, record.size))
    }
}

/// The descriptor with or without its signature; with sizes of 8 bytes after a ZIP64 field.
fn descriptor_fits_record(descriptor: &[u8], record: &ZipRecord<'_>, wide: bool) -> bool {
    let read = |mut fields: Fields<'_>| {
        let crc = fields.u32()?;
        let mut size = || if wide { fields.u64() } else { fields.u32().map(u64::from) };
        let sizes = (size()?, size()?);
        (fields.0.is_empty()).then_some((crc, sizes))
    };
    let expected = Some((record.crc, (record.packed.into(), record.size.into())));
    let signed = descriptor.strip_prefix(b"PK\x07\x08").and_then(|rest| read(Fields(rest)));
    signed == expected || read(Fields(descriptor)) == expected
}
