//! A received pack, decoded in memory (gitformat-pack(5)). It comes from a host
//! that may be hostile: every length is bounded, every object is hashed, and what is
//! larger or odder than a real fetch of one commit is left to libgit2's indexer.
//!
//! Own code and not `gix-pack`, which was tried behind the same calls (0.77.0: a pack indexed
//! in memory, then each file of the commit read; five interleaved rounds, two cores at load 12,
//! 27 November 2026, medians). It took 74 ms where this takes 50 for the 66 skills of a pack of
//! 2.3 MB, and 1,226 where this takes 788 for 897 skills in a pack of 31 MB and 10,548 objects; its
//! peak was 9.0 MB against 16.7, and 75.0 against 61.9. Of 37 hostile packs that are refused here it
//! took six: an object twice, version 3, bytes behind the last object or behind the checksum.
//! It brings 33 crates that are not in our lock file. Both were built without link-time optimisation.
//!
//! libgit2 stays to fall back on. Its indexer took 20 of 37 ms for one skill of 66, and 430 of
//! 812 ms for one of 2,417 (cached server, two cores, November 2026). Hashes are libgit2's
//! (`Oid::hash_object`): they detect collisions.

mod body;
mod delta;
pub(super) mod header;
mod scan;
pub(crate) mod spill;

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::HashMap;
use std::io::Read;
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread;

use flate2::{Decompress, FlushDecompress, Status};
use git2::{ObjectType, Oid};

use ba_agent_core::error::{Error, Result, error, fail};
use ba_agent_net::http::from_reader;
use body::{Body, SUM};
use delta::apply;
use scan::{Scan, Sizes};
use spill::Spill;

/// What a pack may have to be kept here. More is libgit2's work, which takes disk
/// instead of memory.
#[derive(Debug, Clone, Copy)]
pub(super) struct PackLimits {
    /// Bytes of the pack that stay in memory; more go into a file.
    pub(super) pack: usize,
    pub(super) objects: usize,
    /// Bytes of one object, or of the deltas that make it.
    pub(super) object: usize,
    /// Bytes of all objects: deltas can make gigabytes out of a few.
    pub(super) decoded: u64,
    /// Deltas upon deltas; git makes 50, in old packs 250.
    pub(super) depth: u16,
    /// Decoded bytes of one sort that are kept, so that they need not be decoded again.
    pub(super) kept: usize,
    /// Decoded bytes that are put into a file for the same reason.
    pub(super) spilled: u64,
}

impl PackLimits {
    pub(super) const REAL: Self = Self {
        pack: 8 << 20,
        objects: 500_000,
        object: 16 << 20,
        decoded: 1 << 30,
        depth: 256,
        kept: 8 << 20,
        spilled: 512 << 20,
    };
}

/// Why a pack is not taken.
#[derive(Debug)]
pub(super) enum Trouble {
    /// Beyond a limit of this module, perhaps sound.
    Large,
    Bad(Error),
}

impl From<std::io::Error> for Trouble {
    fn from(error: std::io::Error) -> Self {
        Self::Bad(error.into())
    }
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        Self::Bad(error)
    }
}

type Tried<T> = std::result::Result<T, Trouble>;

fn error_of_damaged_pack(why: &'static str) -> Error {
    error!(Integrity, "the pack that the remote sent is damaged")
        .cause(why)
        .hint("try again; if it happens again, the repository or its host is broken")
}

/// The objects of a pack, by their ids.
#[derive(Debug)]
pub(super) struct Pack {
    bytes: Body,
    entries: Vec<PackEntry>,
    /// Of each entry; empty until it is resolved.
    objects: Vec<Option<Object>>,
    /// The place of each.
    ids: HashMap<Oid, u32>,
    spill: Spill,
}

/// One entry as it stands in the pack.
#[derive(Debug)]
struct PackEntry {
    /// Where its head begins.
    start: usize,
    /// Where its zlib stream begins.
    body: usize,
    /// Bytes that the stream inflates to.
    size: usize,
    form: Form,
    /// Deltas below it, as far as it is known while the pack comes in.
    depth: u16,
    /// The inflated delta, while it is waiting for its base.
    patch: Option<Vec<u8>>,
}

#[derive(Debug, Clone, Copy)]
enum Form {
    Whole(ObjectType),
    /// Changes to another entry.
    Delta(u32),
    /// Changes to the entry that has this id.
    Named(Oid),
}

#[derive(Debug)]
struct Object {
    id: Oid,
    kind: ObjectType,
    size: usize,
    /// Bytes to decode before this one is read; 0 for one that is kept or spilled.
    cost: usize,
    kept: Option<Vec<u8>>,
    /// Where its bytes are in the spill.
    spilled: Option<u64>,
}

/// What came of receiving.
pub(super) enum Received {
    Here(Pack),
    /// Too large or too odd: what was read so far, for libgit2, with the rest to come.
    Large(Body),
}

impl Pack {
    /// Reads a pack to its end. `progress` gets the number of objects so far and of all.
    /// At most `cap` bytes may come. Files without a name are made in `folder`.
    ///
    /// # Errors
    /// `Integrity` for a pack that is damaged, `Invalid` for one above `cap` bytes; what
    /// the reader says for a line that breaks.
    pub(super) fn receive(
        pack: &mut impl Read,
        limits: PackLimits,
        cap: u64,
        folder: &Path,
        progress: impl Fn(u64, u64),
    ) -> Result<Received> {
        let mut bytes = Body::new(folder, limits.pack);
        let spill = Spill::new(folder, limits.spilled);
        match Self::take(pack, &mut bytes, &spill, limits, cap, progress) {
            Ok((entries, objects)) => {
                bytes.close();
                let mut pack = Self { bytes, entries, objects, ids: HashMap::new(), spill };
                match delta::resolve(&mut pack, limits).and_then(|()| pack.index_ids()) {
                    Ok(()) => Ok(Received::Here(pack)),
                    Err(Trouble::Large) => Ok(Received::Large(pack.bytes)),
                    Err(Trouble::Bad(e)) => Err(e),
                }
            }
            Err(Trouble::Large) => Ok(Received::Large(bytes)),
            Err(Trouble::Bad(e)) => Err(e),
        }
    }

    /// Reads and takes apart at once, so that a slow line costs nothing on top. A second
    /// thread hashes.
    fn take(
        pack: &mut impl Read,
        bytes: &mut Body,
        spill: &Spill,
        limits: PackLimits,
        cap: u64,
        progress: impl Fn(u64, u64),
    ) -> Tried<(Vec<PackEntry>, Vec<Option<Object>>)> {
        let (sender, receiver) = sync_channel(Sorter::WAITING);
        thread::scope(|scope| {
            let hasher = scope.spawn(move || hash_all(&receiver, spill));
            let batch = RawBatch::default();
            let mut sorter = Sorter { sender, spill, batch, mine: Vec::new(), kept: 0, limits };
            let scanned = read_all(pack, bytes, &mut sorter, cap, progress)
                .and_then(|entries| sorter.pass_on().map(|()| entries));
            let Sorter { sender, mut mine, .. } = sorter;
            drop(sender);
            let theirs = hasher.join().map_err(|_| error_of_damaged_pack("it could not be hashed"))?;
            let entries = scanned?;
            mine.extend(theirs?);
            let mut objects: Vec<_> = entries.iter().map(|_| None).collect();
            for (index, object) in mine {
                if let Some(slot) = objects.get_mut(index as usize) {
                    *slot = Some(object);
                }
            }
            Ok((entries, objects))
        })
    }

    /// Notes where each object is.
    fn index_ids(&mut self) -> Tried<()> {
        let mut ids = HashMap::with_capacity(self.objects.len());
        for (object, index) in self.objects.iter().zip(0..) {
            let Some(object) = object else {
                return Err(error_of_damaged_pack("a delta has no base object").into());
            };
            if ids.insert(object.id, index).is_some() {
                return Err(error_of_damaged_pack("it contains an object twice").into());
            }
        }
        self.ids = ids;
        Ok(())
    }

    fn object(&self, id: Oid) -> Option<(u32, &Object)> {
        let index = *self.ids.get(&id)?;
        Some((index, self.objects.get(index as usize)?.as_ref()?))
    }

    /// The bytes of an object; `None` when it is not there.
    ///
    /// # Errors
    /// `Integrity` for more than `cap` bytes.
    pub(super) fn find(&self, id: Oid, cap: u64) -> Result<Option<(ObjectType, Vec<u8>)>> {
        let Some((index, object)) = self.object(id) else { return Ok(None) };
        if object.size as u64 > cap {
            fail!(Integrity, "the object {id} has {} bytes; the limit is {cap}", object.size);
        }
        Ok(Some((object.kind, self.content_of_object(index)?.into_owned())))
    }

    /// The bytes that an object has; `None` when it is not there.
    pub(super) fn size(&self, id: Oid) -> Option<u64> {
        self.object(id).map(|(_, object)| object.size as u64)
    }

    /// The bytes of a resolved entry. Bases were resolved before what is made of them,
    /// so this ends; [`Object::cost`] was bounded then.
    fn content_of_object(&self, index: u32) -> Result<Cow<'_, [u8]>> {
        let (mut at, mut patches) = (index, Vec::new());
        let mut bytes = loop {
            let known = self.objects.get(at as usize).and_then(Option::as_ref);
            if let Some(kept) = known.and_then(|object| object.kept.as_deref()) {
                break Cow::Borrowed(kept);
            }
            if let Some((offset, size)) = known.and_then(|object| Some((object.spilled?, object.size))) {
                break Cow::Owned(self.spill.read(offset, size)?);
            }
            match self.pack_entry_at(at)?.form {
                Form::Whole(_) => break Cow::Owned(self.inflate_object_at(at)?),
                Form::Delta(base) => {
                    patches.push(at);
                    at = base;
                }
                Form::Named(_) => return Err(error_of_damaged_pack("a delta has no base object")),
            }
        };
        for patch in patches.into_iter().rev() {
            bytes = Cow::Owned(apply(&bytes, &self.inflate_object_at(patch)?, usize::MAX)?);
        }
        Ok(bytes)
    }

    fn pack_entry_at(&self, index: u32) -> Result<&PackEntry> {
        self.entries.get(index as usize).ok_or_else(|| error_of_damaged_pack("a delta has no base object"))
    }

    /// What the stream of an entry holds: an object or a delta.
    fn inflate_object_at(&self, index: u32) -> Result<Vec<u8>> {
        let entry = self.pack_entry_at(index)?;
        let next = self.entries.get(index as usize + 1).map(|next| next.start);
        let end = next.unwrap_or_else(|| self.bytes.len().saturating_sub(SUM));
        let stream = self.bytes.read(entry.body..end.max(entry.body))?;
        let mut out = Vec::with_capacity(entry.size + 1);
        let ended = with_thread_inflater(|state| {
            state.reset(true);
            state.decompress_vec(&stream, &mut out, FlushDecompress::Finish)
        });
        match ended {
            Ok(Status::StreamEnd) if out.len() == entry.size => Ok(out),
            _ => Err(error_of_damaged_pack("an object cannot be decompressed")),
        }
    }
}

/// Lends the inflater of this thread: making one costs as much as inflating a small file.
fn with_thread_inflater<T>(job: impl FnOnce(&mut Decompress) -> T) -> T {
    thread_local! {
        static STATE: RefCell<Decompress> = RefCell::new(Decompress::new(true));
    }
    STATE.with_borrow_mut(job)
}

fn read_all(
    pack: &mut impl Read,
    bytes: &mut Body,
    sorter: &mut Sorter<'_>,
    cap: u64,
    progress: impl Fn(u64, u64),
) -> Tried<Vec<PackEntry>> {
    let mut scan = Scan::new(Sizes { object: sorter.limits.object, decoded: sorter.limits.decoded });
    let mut chunk = vec![0; 64 * 1024];
    loop {
        let read = pack.read(&mut chunk).map_err(from_reader)?;
        if read == 0 {
            break;
        }
        bytes.push(chunk.get(..read).unwrap_or_default())?;
        if bytes.len() as u64 > cap {
            return Err(header::too_large(cap).into());
        }
        let (window, base) = bytes.window();
        scan.advance(window, base, sorter)?;
        bytes.taken(scan.at);
        progress(scan.entries.len() as u64, u64::from(scan.expected));
    }
    let entries = scan.end(bytes.len())?;
    if !bytes.is_sound() {
        return Err(error_of_damaged_pack("its checksum is wrong").into());
    }
    Ok(entries)
}

/// Inflated objects on their way to be hashed. Many small ones go together: to wake the other
/// thread, and to write a few bytes, costs more than hashing them.
#[derive(Default)]
struct RawBatch {
    objects: Vec<Raw>,
    /// Those of the objects that go into the spill.
    bytes: Vec<u8>,
    /// Of all objects.
    size: usize,
}

struct Raw {
    index: u32,
    kind: ObjectType,
    bytes: RawBytes,
}

enum RawBytes {
    /// They stay in memory.
    Kept(Vec<u8>),
    /// So many of those of the batch, behind those of the object before.
    Batched(usize),
}

impl RawBatch {
    fn add(&mut self, index: u32, kind: ObjectType, bytes: &[u8], keep: bool) {
        self.size += bytes.len();
        let bytes = match keep {
            true => RawBytes::Kept(bytes.to_vec()),
            false => {
                self.bytes.extend_from_slice(bytes);
                RawBytes::Batched(bytes.len())
            }
        };
        self.objects.push(Raw { index, kind, bytes });
    }

    fn hash(self, spill: &Spill) -> Tried<Vec<(u32, Object)>> {
        let start = if self.bytes.is_empty() { None } else { spill.add(&self.bytes) };
        let (mut rest, mut objects) = (self.bytes.as_slice(), Vec::with_capacity(self.objects.len()));
        for Raw { index, kind, bytes } in self.objects {
            let object = match bytes {
                RawBytes::Kept(kept) => {
                    let (id, size) = (hash(kind, &kept)?, kept.len());
                    Object { id, kind, size, cost: 0, kept: Some(kept), spilled: None }
                }
                RawBytes::Batched(size) => {
                    let before = (self.bytes.len() - rest.len()) as u64;
                    let own;
                    (own, rest) = rest.split_at_checked(size).unwrap_or_default();
                    let spilled = start.map(|start| start + before);
                    let cost = if spilled.is_some() { 0 } else { size };
                    Object { id: hash(kind, own)?, kind, size, cost, kept: None, spilled }
                }
            };
            objects.push((index, object));
        }
        Ok(objects)
    }
}

/// The id of an object. libgit2 refuses bytes that were made for a collision.
fn hash(kind: ObjectType, bytes: &[u8]) -> Result<Oid> {
    Oid::hash_object(kind, bytes).map_err(|_| error_of_damaged_pack("an object cannot be hashed"))
}

fn hash_all(receiver: &Receiver<RawBatch>, spill: &Spill) -> Tried<Vec<(u32, Object)>> {
    let mut hashed = Vec::new();
    for batch in receiver {
        hashed.extend(batch.hash(spill)?);
    }
    Ok(hashed)
}

/// Takes inflated entries, and shares the hashing with the other thread.
struct Sorter<'s> {
    sender: SyncSender<RawBatch>,
    spill: &'s Spill,
    batch: RawBatch,
    mine: Vec<(u32, Object)>,
    kept: usize,
    limits: PackLimits,
}

impl Sorter<'_> {
    /// Batches that wait for the other thread at most.
    const WAITING: usize = 8;
    /// Bytes and objects from which on a batch is passed on.
    const FULL: usize = 128 * 1024;
    const MANY: usize = 1_024;
    /// Bytes above which an object does not wait for the other thread.
    const LARGE: usize = 256 * 1024;

    fn take(&mut self, index: u32, kind: ObjectType, bytes: &[u8]) -> Tried<()> {
        let keep = self.kept + bytes.len() <= self.limits.kept;
        if keep {
            self.kept += bytes.len();
        }
        if bytes.len() > Self::LARGE {
            let mut alone = RawBatch::default();
            alone.add(index, kind, bytes, keep);
            self.mine.extend(alone.hash(self.spill)?);
            return Ok(());
        }
        self.batch.add(index, kind, bytes, keep);
        if self.batch.size >= Self::FULL || self.batch.objects.len() >= Self::MANY {
            return self.pass_on();
        }
        Ok(())
    }

    /// Gives what was taken to the other thread or, where that is behind, hashes it here.
    fn pass_on(&mut self) -> Tried<()> {
        match self.sender.try_send(std::mem::take(&mut self.batch)) {
            Ok(()) => {}
            // Behind, or gone with an error that is reported at the end.
            Err(TrySendError::Full(batch) | TrySendError::Disconnected(batch)) => {
                self.mine.extend(batch.hash(self.spill)?);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
