//! The entries of a pack, one after another, as its bytes come in.

use flate2::{Decompress, FlushDecompress, Status};
use git2::{ObjectType, Oid};

use super::body::SUM;
use super::header::check_head;
use super::{Form, PackEntry, Sorter, Tried, Trouble, error_of_damaged_pack};

/// Bytes of `PACK`, the version and the number of objects.
const HEAD: usize = 12;

/// What may come, see [`super::PackLimits`].
pub(super) struct Sizes {
    pub(super) object: usize,
    pub(super) decoded: u64,
}

/// How far a pack was taken apart.
pub(super) struct Scan {
    pub(super) entries: Vec<PackEntry>,
    /// Entries that the pack announces.
    pub(super) expected: u32,
    /// Bytes that were taken.
    pub(super) at: usize,
    /// The entry in work, and what was inflated of it.
    open: Option<(PackEntry, Vec<u8>)>,
    /// Room for the next one.
    room: Vec<u8>,
    inflate: Decompress,
    decoded: u64,
    /// Bytes of the deltas that are kept until they are applied.
    patches: usize,
    sizes: Sizes,
}

impl Scan {
    pub(super) fn new(sizes: Sizes) -> Self {
        let inflate = Decompress::new(true);
        let (entries, room) = (Vec::new(), Vec::new());
        Self { entries, expected: 0, at: 0, open: None, room, inflate, decoded: 0, patches: 0, sizes }
    }

    /// Takes what `bytes`, the pack so far from the place `base` on, has more than at the last
    /// call.
    ///
    /// # Errors
    /// `Integrity` for entries that are damaged, [`Trouble::Large`] for more than the limits allow.
    pub(super) fn advance(&mut self, bytes: &[u8], base: usize, sorter: &mut Sorter<'_>) -> Tried<()> {
        if self.at == 0 {
            let Some(head) = bytes.first_chunk::<HEAD>() else { return Ok(()) };
            self.expected = check_head(head)?;
            self.at = HEAD;
            if self.expected as usize > sorter.limits.objects {
                return Err(Trouble::Large);
            }
        }
        loop {
            let rest = bytes.get(self.at.saturating_sub(base)..).unwrap_or_default();
            match self.open.take() {
                None if self.entries.len() == self.expected as usize => return Ok(()),
                None => match self.head(rest, sorter.limits.depth)? {
                    Some(entry) => {
                        self.at = entry.body;
                        self.inflate.reset(true);
                        let mut out = std::mem::take(&mut self.room);
                        out.clear();
                        out.reserve(entry.size + 1);
                        self.open = Some((entry, out));
                    }
                    None => return Ok(()),
                },
                Some(open) if rest.is_empty() => {
                    self.open = Some(open);
                    return Ok(());
                }
                Some((entry, out)) => self.body(entry, out, rest, sorter)?,
            }
        }
    }

    /// Goes on with the stream of an entry.
    fn body(
        &mut self,
        entry: PackEntry,
        mut out: Vec<u8>,
        rest: &[u8],
        sorter: &mut Sorter<'_>,
    ) -> Tried<()> {
        let (before, had) = (self.inflate.total_in(), out.len());
        let status = self.inflate.decompress_vec(rest, &mut out, FlushDecompress::None);
        let status = status.map_err(|_| error_of_damaged_pack("an object cannot be decompressed"))?;
        let used = usize::try_from(self.inflate.total_in() - before).unwrap_or(usize::MAX);
        self.at = self.at.saturating_add(used);
        match status {
            Status::StreamEnd if out.len() == entry.size => self.close(entry, out, sorter),
            Status::StreamEnd => {
                Err(error_of_damaged_pack("the size of an object differs from its header").into())
            }
            // There is room for at least one byte more than there should be: it is not just full.
            _ if out.len() > entry.size || (used == 0 && out.len() == had) => {
                Err(error_of_damaged_pack("the size of an object differs from its header").into())
            }
            _ => {
                self.open = Some((entry, out));
                Ok(())
            }
        }
    }

    fn close(&mut self, mut entry: PackEntry, out: Vec<u8>, sorter: &mut Sorter<'_>) -> Tried<()> {
        let index = u32::try_from(self.entries.len()).map_err(|_| Trouble::Large)?;
        match entry.form {
            Form::Whole(kind) => sorter.take(index, kind, &out)?,
            Form::Delta(_) | Form::Named(_) if self.patches + out.len() <= sorter.limits.kept => {
                self.patches += out.len();
                entry.patch = Some(out.clone());
            }
            Form::Delta(_) | Form::Named(_) => {}
        }
        if out.capacity() <= Sorter::LARGE {
            self.room = out;
        }
        self.entries.push(entry);
        Ok(())
    }

    /// The head of the entry at the front of `rest`; `None` when more is needed.
    fn head(&mut self, rest: &[u8], deepest: u16) -> Tried<Option<PackEntry>> {
        let mut bytes = rest.iter().copied();
        let Some(Head { kind, size }) = head(&mut bytes)? else { return Ok(None) };
        if size > self.sizes.object as u64 {
            return Err(Trouble::Large);
        }
        let (form, depth) = match kind {
            1 => (Form::Whole(ObjectType::Commit), 0),
            2 => (Form::Whole(ObjectType::Tree), 0),
            3 => (Form::Whole(ObjectType::Blob), 0),
            4 => (Form::Whole(ObjectType::Tag), 0),
            6 => {
                let Some(back) = distance(&mut bytes)? else { return Ok(None) };
                self.base(back)?
            }
            7 => {
                let tail = rest.get(rest.len() - bytes.len()..).unwrap_or_default();
                let Some((id, tail)) = tail.split_first_chunk::<20>() else { return Ok(None) };
                bytes = tail.iter().copied();
                let id =
                    Oid::from_bytes(id).map_err(|_| error_of_damaged_pack("a delta has no base object"))?;
                (Form::Named(id), 1)
            }
            _ => return Err(error_of_damaged_pack("it has an object of unknown type").into()),
        };
        self.decoded += size;
        if depth > deepest || self.decoded > self.sizes.decoded {
            return Err(Trouble::Large);
        }
        let body = self.at + (rest.len() - bytes.len());
        let size = usize::try_from(size).map_err(|_| Trouble::Large)?;
        Ok(Some(PackEntry { start: self.at, body, size, form, depth, patch: None }))
    }

    /// The entry that begins `back` bytes before this one: always an earlier one, so
    /// there are no circles.
    fn base(&self, back: u64) -> Tried<(Form, u16)> {
        let start = usize::try_from(back).ok().and_then(|back| self.at.checked_sub(back));
        let found =
            start.and_then(|start| self.entries.binary_search_by_key(&start, |entry| entry.start).ok());
        match found.and_then(|index| Some((u32::try_from(index).ok()?, self.entries.get(index)?))) {
            Some((index, base)) => Ok((Form::Delta(index), base.depth.saturating_add(1))),
            None => Err(error_of_damaged_pack("a delta has no base object").into()),
        }
    }

    /// The entries, if the pack of `length` bytes ends behind them.
    ///
    /// # Errors
    /// `Integrity` for a pack that ends too early or too late.
    pub(super) fn end(self, length: usize) -> Tried<Vec<PackEntry>> {
        let is_whole = self.at >= HEAD && self.open.is_none() && self.entries.len() == self.expected as usize;
        if !is_whole || self.at.saturating_add(SUM) > length {
            return Err(error_of_damaged_pack("it is cut off").into());
        }
        if self.at + SUM < length {
            return Err(error_of_damaged_pack("there is data after its end").into());
        }
        Ok(self.entries)
    }
}

/// Type and size of an entry.
struct Head {
    kind: u8,
    size: u64,
}

/// Three bits of type and four of size, then seven more of size in each byte.
fn head(bytes: &mut impl Iterator<Item = u8>) -> Tried<Option<Head>> {
    let Some(first) = bytes.next() else { return Ok(None) };
    let (kind, mut size) = (first >> 4 & 7, u64::from(first & 15));
    let (mut more, mut shift) = (first & 128 != 0, 4);
    while more {
        let Some(byte) = bytes.next() else { return Ok(None) };
        if shift > 53 {
            return Err(error_of_damaged_pack("an object has an impossible size").into());
        }
        size |= u64::from(byte & 127) << shift;
        (more, shift) = (byte & 128 != 0, shift + 7);
    }
    Ok(Some(Head { kind, size }))
}

/// The distance to a base: seven bits a byte, the highest first, each but the last one
/// too small by one.
fn distance(bytes: &mut impl Iterator<Item = u8>) -> Tried<Option<u64>> {
    let mut distance = 0_u64;
    loop {
        let Some(byte) = bytes.next() else { return Ok(None) };
        distance = distance << 7 | u64::from(byte & 127);
        if byte & 128 == 0 {
            return Ok(Some(distance));
        }
        distance += 1;
        if distance > 1 << 40 {
            return Err(error_of_damaged_pack("a delta has no base object").into());
        }
    }
}
