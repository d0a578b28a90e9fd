//! tar files block by block, so that each lie can be told alone.

use std::io::Write as _;

use flate2::write::GzEncoder;
use flate2::{Compression, GzBuilder};

/// How a header names its format.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub enum Magic {
    #[default]
    Ustar,
    Gnu,
    /// Before POSIX: nothing.
    V7,
    Other,
}

/// One header and the bytes behind it.
#[derive(Clone, Default)]
pub struct T {
    pub name: Vec<u8>,
    pub prefix: Vec<u8>,
    pub kind: u8,
    pub mode: u32,
    pub target: Vec<u8>,
    pub data: Vec<u8>,
    /// What the size field says, where it lies.
    pub size: Option<Vec<u8>>,
    pub magic: Magic,
    pub wrong_checksum: bool,
    pub owner: Vec<u8>,
}

pub fn file(name: impl AsRef<[u8]>, data: &[u8]) -> T {
    T { name: name.as_ref().to_vec(), kind: b'0', mode: 0o644, data: data.to_vec(), ..T::default() }
}

pub fn folder(name: &str) -> T {
    T { kind: b'5', mode: 0o755, ..file(name, b"") }
}

pub fn link(name: &str, target: &[u8]) -> T {
    T { kind: b'2', mode: 0o777, target: target.to_vec(), ..file(name, b"") }
}

/// Any other type of entry.
pub fn of(kind: u8, name: &str) -> T {
    T { kind, ..file(name, b"") }
}

pub fn gnu(entry: T) -> T {
    T { magic: Magic::Gnu, ..entry }
}

/// A GNU long name (`L`) or long link (`K`).
pub fn long(kind: u8, name: &[u8]) -> T {
    gnu(T { kind, ..file("././@LongLink", name) })
}

/// A record with its right length.
pub fn pax_record(key: &str, value: &[u8]) -> Vec<u8> {
    let body = key.len() + value.len() + 3;
    let mut length = body + 1;
    while length != body + length.to_string().len() {
        length = body + length.to_string().len();
    }
    [format!("{length} {key}=").as_bytes(), value, b"\n"].concat()
}

/// A pax header (`x`) with these records.
pub fn pax(records: &[(&str, &str)]) -> T {
    let data: Vec<u8> = records.iter().flat_map(|(k, v)| pax_record(k, v.as_bytes())).collect();
    T { kind: b'x', ..file("PaxHeaders/x", &data) }
}

/// A global pax header (`g`).
pub fn global(records: &[(&str, &str)]) -> T {
    T { kind: b'g', name: b"pax_global_header".to_vec(), ..pax(records) }
}

impl T {
    pub fn bytes(&self) -> Vec<u8> {
        let mut block = [0_u8; 512];
        let mut put = |at: usize, bytes: &[u8]| block[at..at + bytes.len()].copy_from_slice(bytes);
        put(0, &self.name);
        put(100, format!("{:07o}", self.mode).as_bytes());
        put(108, b"0000000\x000000000\x00");
        put(124, &self.size.clone().unwrap_or_else(|| format!("{:011o}", self.data.len()).into_bytes()));
        put(136, b"14000000000\0        ");
        put(156, &[self.kind]);
        put(157, &self.target);
        match self.magic {
            Magic::Ustar => put(257, b"ustar\x0000"),
            Magic::Gnu => put(257, b"ustar  \0"),
            Magic::V7 => {}
            Magic::Other => put(257, b"ustar9zz"),
        }
        put(265, &self.owner);
        put(345, &self.prefix);
        let sum: u32 = block.iter().map(|b| u32::from(*b)).sum::<u32>() + u32::from(self.wrong_checksum);
        block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        let mut out = block.to_vec();
        out.extend(&self.data);
        out.resize(out.len().next_multiple_of(512), 0);
        out
    }
}

/// The entries alone, without an end.
pub fn endless(entries: &[T]) -> Vec<u8> {
    entries.iter().flat_map(T::bytes).collect()
}

/// A whole archive: the entries and two empty blocks.
pub fn tar(entries: &[T]) -> Vec<u8> {
    [endless(entries), vec![0; 1024]].concat()
}

pub fn gz(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// gzip with a file name and a comment in its header.
pub fn gz_named(name: &str, bytes: &[u8]) -> Vec<u8> {
    let mut encoder =
        GzBuilder::new().filename(name).comment("../x").mtime(1).write(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

pub fn tgz(entries: &[T]) -> Vec<u8> {
    gz(&tar(entries))
}
