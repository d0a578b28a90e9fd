//! ZIP files byte by byte, so that each lie can be told alone.

use std::io::Write as _;

use flate2::write::DeflateEncoder;
use flate2::{Compression, Crc};

/// One entry: what its local header, its bytes, its descriptor and its directory record say.
#[derive(Clone, Default)]
pub struct Z {
    pub name: Vec<u8>,
    pub local_name: Option<Vec<u8>>,
    pub packed: Vec<u8>,
    pub method: u16,
    pub local_method: Option<u16>,
    pub flags: u16,
    pub local_flags: Option<u16>,
    /// CRC, packed size, size.
    pub sums: [u32; 3],
    pub local_sums: Option<[u32; 3]>,
    pub host: u8,
    pub attributes: u32,
    pub extra: Vec<u8>,
    pub local_extra: Vec<u8>,
    pub descriptor: Vec<u8>,
    pub comment: Vec<u8>,
    pub offset: Option<u32>,
    /// No record in the directory.
    pub hidden: bool,
    /// No local header and bytes.
    pub ghost: bool,
}

pub fn crc(data: &[u8]) -> u32 {
    let mut crc = Crc::new();
    crc.update(data);
    crc.sum()
}

pub fn deflate(data: &[u8]) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(data).unwrap();
    encoder.finish().unwrap()
}

/// A stored file of a Unix producer, mode 0644.
pub fn stored(name: impl AsRef<[u8]>, data: &[u8]) -> Z {
    let size = data.len() as u32;
    Z {
        name: name.as_ref().to_vec(),
        packed: data.to_vec(),
        sums: [crc(data), size, size],
        host: 3,
        attributes: 0o100_644 << 16,
        ..Z::default()
    }
}

/// A deflated file of a Unix producer, mode 0644.
pub fn file(name: impl AsRef<[u8]>, data: &[u8]) -> Z {
    let packed = deflate(data);
    let sums = [crc(data), packed.len() as u32, data.len() as u32];
    Z { packed, sums, method: 8, ..stored(name, data) }
}

pub fn folder(name: &str) -> Z {
    Z { attributes: 0o040_755 << 16 | 0x10, ..stored(name, b"") }
}

pub fn mode(mode: u32, entry: Z) -> Z {
    Z { attributes: mode << 16, ..entry }
}

pub fn link(name: &str, target: &[u8]) -> Z {
    mode(0o120_777, stored(name, target))
}

/// As from FAT or Windows: no mode, the given MS-DOS attributes.
pub fn dos(attributes: u32, entry: Z) -> Z {
    Z { host: 0, attributes, ..entry }
}

/// With open sums in the local header and a descriptor with its signature behind the bytes.
pub fn streamed(entry: Z) -> Z {
    let mut descriptor = b"PK\x07\x08".to_vec();
    entry.sums.iter().for_each(|sum| descriptor.extend(sum.to_le_bytes()));
    Z { descriptor, local_sums: Some([0; 3]), flags: entry.flags | 8, ..entry }
}

/// An extra field.
pub fn extra(id: u16, value: &[u8]) -> Vec<u8> {
    [&id.to_le_bytes()[..], &(value.len() as u16).to_le_bytes(), value].concat()
}

/// Info-ZIP's Unicode path field, which says that `name` is really `real`.
pub fn unicode_path(name: &[u8], real: &[u8]) -> Vec<u8> {
    extra(0x7075, &[&[1], &crc(name).to_le_bytes()[..], real].concat())
}

/// The fields of the end record that may lie.
#[derive(Clone, Default)]
pub struct End {
    pub comment: Vec<u8>,
    pub comment_length: Option<u16>,
    /// Entries on this disk, entries in all.
    pub counts: Option<[u16; 2]>,
    pub disks: [u16; 2],
    pub start: Option<u32>,
    pub length: Option<u32>,
    /// Between the directory and the end record.
    pub before: Vec<u8>,
    pub after: Vec<u8>,
}

pub fn zip(entries: &[Z]) -> Vec<u8> {
    zip_with(entries, &End::default())
}

pub fn zip_with(entries: &[Z], end: &End) -> Vec<u8> {
    let mut out = Vec::new();
    let mut directory = Vec::new();
    let mut count = 0;
    for entry in entries {
        let offset = entry.offset.unwrap_or(out.len() as u32);
        if !entry.ghost {
            local(&mut out, entry);
        }
        if !entry.hidden {
            record(&mut directory, entry, offset);
            count += 1;
        }
    }
    let start = out.len() as u32;
    out.extend(&directory);
    out.extend(&end.before);
    out.extend(b"PK\x05\x06");
    let [here, all] = end.counts.unwrap_or([count; 2]);
    shorts(&mut out, &[end.disks[0], end.disks[1], here, all]);
    longs(&mut out, &[end.length.unwrap_or(directory.len() as u32), end.start.unwrap_or(start)]);
    shorts(&mut out, &[end.comment_length.unwrap_or(end.comment.len() as u16)]);
    out.extend(&end.comment);
    out.extend(&end.after);
    out
}

fn local(out: &mut Vec<u8>, entry: &Z) {
    let name = entry.local_name.as_ref().unwrap_or(&entry.name);
    out.extend(b"PK\x03\x04");
    shorts(out, &[20, entry.local_flags.unwrap_or(entry.flags), entry.local_method.unwrap_or(entry.method)]);
    longs(out, &[0x5a21_6000]);
    longs(out, &entry.local_sums.unwrap_or(entry.sums));
    shorts(out, &[name.len() as u16, entry.local_extra.len() as u16]);
    out.extend(name);
    out.extend(&entry.local_extra);
    out.extend(&entry.packed);
    out.extend(&entry.descriptor);
}

fn record(out: &mut Vec<u8>, entry: &Z, offset: u32) {
    out.extend(b"PK\x01\x02");
    shorts(out, &[u16::from(entry.host) << 8 | 20, 20, entry.flags, entry.method]);
    longs(out, &[0x5a21_6000]);
    longs(out, &entry.sums);
    shorts(out, &[entry.name.len() as u16, entry.extra.len() as u16, entry.comment.len() as u16, 0, 0]);
    longs(out, &[entry.attributes, offset]);
    out.extend(&entry.name);
    out.extend(&entry.extra);
    out.extend(&entry.comment);
}

fn shorts(out: &mut Vec<u8>, numbers: &[u16]) {
    numbers.iter().for_each(|number| out.extend(number.to_le_bytes()));
}

fn longs(out: &mut Vec<u8>, numbers: &[u32]) {
    numbers.iter().for_each(|number| out.extend(number.to_le_bytes()));
}
