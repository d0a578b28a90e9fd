//! Deltas of a pack, applied by several threads.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use git2::Oid;

use super::{Form, Object, Pack, PackLimits, Tried, Trouble, error_of_damaged_pack, hash};
use ba_agent_core::error::Result;
use ba_agent_system::{interrupt, parallel};

/// Threads at most. Each may hold a chain of four of the largest objects.
const MOST_THREADS: usize = 4;

/// The bytes that `patch` makes out of `base`, `most` at most.
///
/// # Errors
/// `Integrity` for a patch that does not fit.
pub(super) fn apply(base: &[u8], patch: &[u8], most: usize) -> Result<Vec<u8>> {
    apply_delta_checked(base, patch, most)
        .ok_or_else(|| error_of_damaged_pack("a delta does not fit its base"))
}

/// The size that a patch says its outcome has.
fn size_of_outcome(patch: &[u8]) -> Option<u64> {
    let mut bytes = patch.iter().copied();
    number(&mut bytes)?;
    number(&mut bytes)
}

fn apply_delta_checked(base: &[u8], patch: &[u8], most: usize) -> Option<Vec<u8>> {
    let mut ops = patch.iter().copied();
    if number(&mut ops)? != base.len() as u64 {
        return None;
    }
    let size = usize::try_from(number(&mut ops)?).ok().filter(|size| *size <= most)?;
    let mut rest = patch.get(patch.len() - ops.len()..)?;
    let mut out = Vec::with_capacity(size);
    while let Some((op, tail)) = rest.split_first() {
        let piece;
        (piece, rest) = match op {
            0 => return None,
            1..=127 => tail.split_at_checked(usize::from(*op))?,
            _ => copied_range_of_base(base, *op, tail)?,
        };
        if out.len() + piece.len() > size {
            return None;
        }
        out.extend_from_slice(piece);
    }
    (out.len() == size).then_some(out)
}

/// The piece of `base` that a copy names, and what follows the copy: four bits say which
/// bytes of the offset are there, three which of the size.
fn copied_range_of_base<'a>(base: &'a [u8], op: u8, mut tail: &'a [u8]) -> Option<(&'a [u8], &'a [u8])> {
    let mut parts = [0_u8; 7];
    for (bit, part) in parts.iter_mut().enumerate() {
        if op >> bit & 1 == 1 {
            (*part, tail) = tail.split_first().map(|(byte, tail)| (*byte, tail))?;
        }
    }
    let [a, b, c, d, e, f, g] = parts;
    let offset = u32::from_le_bytes([a, b, c, d]) as usize;
    let size = match u32::from_le_bytes([e, f, g, 0]) {
        0 => 0x10000,
        size => size as usize,
    };
    Some((base.get(offset..offset.checked_add(size)?)?, tail))
}

/// Seven bits a byte, the lowest first.
fn number(bytes: &mut impl Iterator<Item = u8>) -> Option<u64> {
    let mut number = 0;
    for shift in (0..57).step_by(7) {
        let byte = bytes.next()?;
        number |= u64::from(byte & 127) << shift;
        if byte & 128 == 0 {
            return Some(number);
        }
    }
    None
}

/// A resolved entry, and entries that change it.
struct DeltaJob {
    base: u32,
    children: Vec<u32>,
}

/// An object on the way down a chain.
struct Link<'a> {
    /// `None` for the one that the job began with.
    made: Option<(u32, Object, bool)>,
    bytes: Cow<'a, [u8]>,
    cost: usize,
    children: Vec<u32>,
}

/// What the threads share.
struct Work<'a> {
    pack: &'a Pack,
    limits: PackLimits,
    /// `(base, delta)`, sorted: the entries that name their base by its place.
    placed: Vec<(u32, u32)>,
    decoded: AtomicU64,
    /// Bytes kept because there was room, and because they are dear to make again.
    cheap: AtomicUsize,
    dear: AtomicUsize,
}

/// Makes all objects that are stored as deltas. In rounds: first what hangs below whole
/// objects by place, then what names something by an id that is known now, and so on.
///
/// # Errors
/// `Integrity` for deltas that do not fit, [`Trouble::Large`] for more than the limits allow.
pub(super) fn resolve(pack: &mut Pack, limits: PackLimits) -> Tried<()> {
    let mut placed = Vec::new();
    let mut named = Vec::new();
    for (entry, index) in pack.entries.iter().zip(0_u32..) {
        match entry.form {
            Form::Whole(_) => {}
            Form::Delta(base) => placed.push((base, index)),
            Form::Named(id) => named.push((id, index)),
        }
    }
    placed.sort_unstable();
    let first = placed.chunk_by(|a, b| a.0 == b.0).filter_map(|group| {
        let base = group.first()?.0;
        pack.objects.get(base as usize)?.as_ref()?;
        Some(DeltaJob { base, children: group.iter().map(|(_, child)| *child).collect() })
    });
    let mut jobs: Vec<DeltaJob> = first.collect();
    let (decoded, cheap, dear) = (AtomicU64::new(0), AtomicUsize::new(0), AtomicUsize::new(0));
    let mut work = Work { pack, limits, placed, decoded, cheap, dear };
    for round in 0.. {
        let made = work.resolve_all_jobs(&jobs)?;
        let Work { placed, decoded, cheap, dear, .. } = work;
        for (index, object) in made {
            if let Some(slot) = pack.objects.get_mut(index as usize) {
                *slot = Some(object);
            }
        }
        jobs = name(pack, &mut named);
        if jobs.is_empty() {
            break;
        }
        if round >= limits.depth {
            return Err(Trouble::Large);
        }
        work = Work { pack, limits, placed, decoded, cheap, dear };
    }
    for entry in &mut pack.entries {
        entry.patch = None;
    }
    Ok(())
}

/// Takes those out of `named` whose base is known by now.
fn name(pack: &mut Pack, named: &mut Vec<(Oid, u32)>) -> Vec<DeltaJob> {
    if named.is_empty() {
        return Vec::new();
    }
    let objects = pack.objects.iter().zip(0_u32..);
    let known: HashMap<Oid, u32> =
        objects.filter_map(|(object, index)| Some((object.as_ref()?.id, index))).collect();
    let mut jobs = Vec::new();
    named.retain(|(id, index)| {
        let Some(base) = known.get(id) else { return true };
        if let Some(entry) = pack.entries.get_mut(*index as usize) {
            entry.form = Form::Delta(*base);
        }
        jobs.push(DeltaJob { base: *base, children: vec![*index] });
        false
    });
    jobs
}

impl Work<'_> {
    /// Does all jobs; what was made, by the index of its entry.
    fn resolve_all_jobs(&self, jobs: &[DeltaJob]) -> Tried<Vec<(u32, Object)>> {
        // A few are not worth a thread.
        let parts: Vec<&[DeltaJob]> = jobs.chunks(16).collect();
        let run = |part: &&[DeltaJob]| {
            let mut made = Vec::new();
            part.iter().try_for_each(|job| self.resolve_deltas_below(job, &mut made)).map(|()| made)
        };
        let threads = parallel::count_cores().min(MOST_THREADS);
        let check = || interrupt::check().map_err(Trouble::from);
        Ok(parallel::run_jobs(threads, &parts, check, run)?.into_iter().flatten().collect())
    }

    /// Makes all that hangs below one object, depth first: what is in memory is one chain.
    fn resolve_deltas_below(&self, job: &DeltaJob, made: &mut Vec<(u32, Object)>) -> Tried<()> {
        let bytes = self.pack.content_of_object(job.base)?;
        let Some(base) = self.pack.objects.get(job.base as usize).and_then(Option::as_ref) else {
            return Err(error_of_damaged_pack("a delta has no base object").into());
        };
        let (kind, mut held) = (base.kind, bytes.len());
        let mut chain = vec![Link { made: None, bytes, cost: base.cost, children: job.children.clone() }];
        while let Some(top) = chain.last_mut() {
            let Some(child) = top.children.pop() else {
                held = held.saturating_sub(top.bytes.len());
                if let Some(Link { made: Some((index, mut object, keep)), bytes, .. }) = chain.pop() {
                    object.kept = keep.then(|| bytes.into_owned());
                    made.push((index, object));
                }
                continue;
            };
            let bytes = self.apply(&top.bytes, child)?;
            let (size, id) = (bytes.len(), hash(kind, &bytes)?);
            let dearness = top.cost.saturating_add(size);
            let (keep, spilled) = self.keeps_within_memory(&bytes, dearness)?;
            let cost = if keep || spilled.is_some() { 0 } else { dearness };
            held += size;
            if held > self.limits.object.saturating_mul(4) {
                return Err(Trouble::Large);
            }
            let object = Object { id, kind, size, cost, kept: None, spilled };
            let (bytes, children) = (Cow::Owned(bytes), self.children(child));
            chain.push(Link { made: Some((child, object, keep)), bytes, cost, children });
        }
        Ok(())
    }

    fn apply(&self, base: &[u8], child: u32) -> Tried<Vec<u8>> {
        let patch = match self.pack.pack_entry_at(child)?.patch.as_deref() {
            Some(patch) => Cow::Borrowed(patch),
            None => Cow::Owned(self.pack.inflate_object_at(child)?),
        };
        let size =
            size_of_outcome(&patch).ok_or_else(|| error_of_damaged_pack("a delta does not fit its base"))?;
        let before = self.decoded.fetch_add(size.min(self.limits.decoded), Ordering::Relaxed);
        if size > self.limits.object as u64 || before.saturating_add(size) > self.limits.decoded {
            return Err(Trouble::Large);
        }
        Ok(apply(base, &patch, self.limits.object)?)
    }

    /// Whether an object stays decoded, and where it is if it was spilled. One that costs
    /// much more than its own size must be either: a tree may name it a million times, and
    /// each time it would be made anew.
    fn keeps_within_memory(&self, bytes: &[u8], cost: usize) -> Tried<(bool, Option<u64>)> {
        let size = bytes.len();
        if self.cheap.fetch_add(size, Ordering::Relaxed) + size <= self.limits.kept {
            return Ok((true, None));
        }
        if let Some(offset) = self.pack.spill.add(bytes) {
            return Ok((false, Some(offset)));
        }
        if cost <= size.saturating_mul(8).saturating_add(64 * 1024) {
            return Ok((false, None));
        }
        match self.dear.fetch_add(size, Ordering::Relaxed) + size <= self.limits.kept.saturating_mul(2) {
            true => Ok((true, None)),
            false => Err(Trouble::Large),
        }
    }

    fn children(&self, base: u32) -> Vec<u32> {
        let start = self.placed.partition_point(|(known, _)| *known < base);
        let rest = self.placed.get(start..).unwrap_or_default();
        rest.iter().take_while(|(known, _)| *known == base).map(|(_, child)| *child).collect()
    }
}
