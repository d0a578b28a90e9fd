//! Packs out of a recipe in which nearly every byte matters: lengths, distances, ids, zlib
//! and the checksum are worked out here, so that a mutation reaches the deltas.
//!
//! A recipe is steps, each a byte `op`, two of length (little-endian), and so many bytes:
//!
//! * `op & 7`: 0 to 3 a commit, tree, blob or tag of these bytes; 4 and 5 a delta by place,
//!   6 and 7 one by id, whose first byte says to which step, counted back.
//! * `op & 8`: the bytes of a delta are it whole; else the two sizes are put before them.
//! * `op & 16`: the entry goes before all others.
//! * `op & 32`: its head tells one byte too many.

use git2::{ObjectType, Oid};

use super::with_sum;

/// The longest outcome of a delta that another one is based on.
const LONGEST: usize = 1 << 16;

/// Steps that are taken of a recipe.
const MOST: usize = 60;

/// An entry before its place is known.
struct Entry {
    op: u8,
    bytes: Vec<u8>,
    /// The step whose outcome it changes.
    base: usize,
    /// Whose outcome it is changed to; `None` where the delta does not fit.
    outcome: Option<(u8, Vec<u8>)>,
}

impl Entry {
    fn is_delta(&self) -> bool {
        self.op & 4 != 0
    }
}

/// The pack of a recipe.
pub(super) fn write(mut recipe: &[u8]) -> Vec<u8> {
    let (mut entries, mut order) = (Vec::<Entry>::new(), Vec::new());
    while let Some((op, rest)) = recipe.split_first().filter(|_| entries.len() < MOST) {
        let Some((length, rest)) = rest.split_first_chunk::<2>() else { break };
        let length = usize::from(u16::from_le_bytes(*length)).min(rest.len());
        let (bytes, rest) = rest.split_at(length);
        recipe = rest;
        let step = entries.len();
        entries.push(entry(*op, bytes, &entries));
        match op & 16 {
            0 => order.push(step),
            _ => order.insert(0, step),
        }
    }
    lay_out(&entries, &order)
}

fn entry(op: u8, bytes: &[u8], before: &[Entry]) -> Entry {
    let whole =
        |bytes: &[u8]| Entry { op, bytes: bytes.to_vec(), base: 0, outcome: Some((op & 3, bytes.to_vec())) };
    if op & 4 == 0 {
        return whole(bytes);
    }
    let (Some((back, ops)), Some(last)) = (bytes.split_first(), before.len().checked_sub(1)) else {
        return Entry { op: op & !4, ..whole(bytes) };
    };
    let base = last.saturating_sub(usize::from(*back));
    let known = before.get(base).and_then(|entry| entry.outcome.as_ref());
    let (kind, text) = known.map_or((2, &[][..]), |(kind, text)| (*kind, &text[..]));
    let made = apply(text, ops);
    let patch = match op & 8 {
        0 => [varint(text.len()), varint(made.as_ref().map_or(0, Vec::len)), ops.to_vec()].concat(),
        _ => ops.to_vec(),
    };
    let outcome = made.filter(|_| op & 8 == 0).map(|made| (kind, made));
    Entry { op, bytes: patch, base, outcome }
}

/// What the operations of a delta make, written apart from the code under test.
fn apply(base: &[u8], ops: &[u8]) -> Option<Vec<u8>> {
    let (mut ops, mut out) = (ops.iter().copied(), Vec::new());
    while let Some(op) = ops.next() {
        if op < 128 {
            let piece: Vec<u8> = ops.by_ref().take(op.into()).collect();
            if op == 0 || piece.len() < usize::from(op) {
                return None;
            }
            out.extend_from_slice(&piece);
            continue;
        }
        let (mut offset, mut size) = (0, 0);
        for bit in 0..4 {
            offset |= if op >> bit & 1 == 1 { usize::from(ops.next()?) << (8 * bit) } else { 0 };
        }
        for bit in 0..3 {
            size |= if op >> (4 + bit) & 1 == 1 { usize::from(ops.next()?) << (8 * bit) } else { 0 };
        }
        let size = if size == 0 { 0x10000 } else { size };
        out.extend_from_slice(base.get(offset..offset.checked_add(size)?)?);
        if out.len() > LONGEST {
            return None;
        }
    }
    Some(out)
}

/// The entries in their order, each with the place or the id of its base.
fn lay_out(entries: &[Entry], order: &[usize]) -> Vec<u8> {
    let mut starts = vec![None; entries.len()];
    let (mut at, mut laid) = (12, Vec::new());
    for step in order {
        let Some(entry) = entries.get(*step) else { continue };
        let head = head_of(entry.op, entry.bytes.len() + usize::from(entry.op & 32 != 0));
        let base = match (entry.is_delta(), entry.op & 2) {
            (false, _) => Vec::new(),
            // Where the base comes later, the distance leads nowhere.
            (true, 0) => distance(at - starts.get(entry.base).copied().flatten().unwrap_or(at)),
            (true, _) => id_of(entries.get(entry.base)).as_bytes().to_vec(),
        };
        let bytes = [head, base, zlib(&entry.bytes)].concat();
        if let Some(start) = starts.get_mut(*step) {
            *start = Some(at);
        }
        at += bytes.len();
        laid.push(bytes);
    }
    sealed(&laid)
}

fn id_of(entry: Option<&Entry>) -> Oid {
    let known = entry.and_then(|entry| entry.outcome.as_ref());
    let hash = known.and_then(|(kind, bytes)| Oid::hash_object(object_type(*kind), bytes).ok());
    hash.unwrap_or(Oid::ZERO_SHA1)
}

fn object_type(kind: u8) -> ObjectType {
    [ObjectType::Commit, ObjectType::Tree, ObjectType::Blob, ObjectType::Tag][usize::from(kind & 3)]
}

/// A pack of these entries.
pub(super) fn sealed(entries: &[Vec<u8>]) -> Vec<u8> {
    let count = u32::try_from(entries.len()).expect("few entries");
    with_sum([&b"PACK\0\0\0\x02"[..], &count.to_be_bytes(), &entries.concat()].concat())
}

/// An object of a pack by the number of its type there: 1 to 4.
pub(super) fn whole(kind: u8, bytes: &[u8]) -> Vec<u8> {
    [head_of(kind - 1, bytes.len()), zlib(bytes)].concat()
}

/// Type and size of an entry: four bits of size, then seven in each byte.
fn head_of(op: u8, size: usize) -> Vec<u8> {
    let kind = [1, 2, 3, 4, 6, 6, 7, 7][usize::from(op & 7)];
    let first = kind << 4 | (size & 15) as u8;
    match size {
        0..16 => vec![first],
        _ => [vec![first | 128], varint(size >> 4)].concat(),
    }
}

fn varint(mut number: usize) -> Vec<u8> {
    let mut out = Vec::new();
    while number > 127 {
        out.push(number as u8 | 128);
        number >>= 7;
    }
    out.push(number as u8);
    out
}

fn distance(back: usize) -> Vec<u8> {
    let mut out = vec![(back & 127) as u8];
    let mut rest = back >> 7;
    while rest > 0 {
        rest -= 1;
        out.insert(0, (rest & 127) as u8 | 128);
        rest >>= 7;
    }
    out
}

/// A stream of stored blocks (RFC 1950, 1951): to deflate would cost more than all the rest.
pub(super) fn zlib(bytes: &[u8]) -> Vec<u8> {
    let mut out = vec![0x78, 0x01];
    let mut chunks = bytes.chunks(0xffff).peekable();
    if chunks.peek().is_none() {
        out.extend([1, 0, 0, 0xff, 0xff]);
    }
    while let Some(chunk) = chunks.next() {
        let length = chunk.len() as u16;
        out.push(u8::from(chunks.peek().is_none()));
        out.extend(length.to_le_bytes());
        out.extend((!length).to_le_bytes());
        out.extend(chunk);
    }
    let (mut a, mut b) = (1_u32, 0_u32);
    for byte in bytes {
        a = (a + u32::from(*byte)) % 65_521;
        b = (b + a) % 65_521;
    }
    out.extend((b << 16 | a).to_be_bytes());
    out
}

/// Recipes with a byte of choices before them: every type, both deltas, chains, and lies.
pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let step = |op: u8, bytes: &[u8]| [&[op][..], &(bytes.len() as u16).to_le_bytes(), bytes].concat();
    let text = step(2, b"one line\nanother line\n");
    let types = [step(0, b"tree x"), step(1, b""), step(3, b"tag"), text.clone()].concat();
    // So many steps back, five bytes of it, then new ones, so that no two are alike.
    let delta = |op: u8, back: u8, new: &[u8]| step(op, &[&[back, 0x90, 5, new.len() as u8], new].concat());
    let recipes = [
        Vec::new(),
        types.clone(),
        [types, delta(4, 0, b"a"), delta(5, 1, b"bc"), step(4, b"\x02\x91\x02\x05\x02ab")].concat(),
        [text.clone(), delta(4, 0, b"a"), delta(4, 0, b"b"), delta(4, 0, b"c"), delta(4, 3, b"d")].concat(),
        [text.clone(), delta(6, 0, b"a"), delta(6 | 16, 0, b"b"), delta(7 | 16, 2, b"c"), delta(4, 2, b"d")]
            .concat(),
        [text.clone(), step(4 | 8, b"\0\x16\x04\x04four"), delta(4, 1, b"a")].concat(),
        [text.clone(), step(4 | 8, b"\0\x16\x03\x80")].concat(),
        [text.clone(), step(2 | 32, b"longer"), delta(4, 0, b"a")].concat(),
        [text.clone(), delta(4 | 16, 0, b"a"), step(2, b"b")].concat(),
        [text.clone(), text].concat(),
        [step(2, &[b'x'; 3_000]), step(4, b"\0\xb0\xb8\x0b\xb0\xb8\x0b"), step(4, b"\0\xb0\x70\x17\x01y")]
            .concat(),
    ];
    let choices = [2, 2, 6, 0, 10, 2, 14, 2, 2, 2, 1];
    let with = |(recipe, choices): (&Vec<u8>, u8)| [&[choices][..], recipe].concat();
    recipes.iter().zip(choices).map(with).collect()
}
