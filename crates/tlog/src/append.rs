//! Adding to a log that lies in a folder or a bucket, beside others who do the same.
//!
//! There is no lock. The head is written only where it is still the one that was read; and a tile
//! that is on the way to the next head belongs to whoever wrote it first. Who finds one finishes
//! what the other began, then adds their own: so a writer that was killed holds up no other, and
//! what it wrote of its leaves is in the log.

use std::time::Duration;

use ba_agent_core::error::{Result, error};
use ba_agent_core::transparency_log::{
    CHECKPOINT_FILE, LOG_FOLDER, LogEdge, LogTile, MAX_LEAF_BYTES, MAX_NOTE_BYTES, TILE_WIDTH, TileContent,
    read_bundle,
};
use ba_agent_objects::{ObjectTag, Objects, StoredObject};
use ba_agent_system::interrupt;

use crate::signing_key::LogSigningKey;
use crate::verify::open_checkpoint;
use crate::write::{LogAddition, read_own_tile};

/// Rounds that others may win before this one gives up.
const TRIES: u64 = 200;

/// The most bytes of a tile.
const MAX_TILE_BYTES: u64 = (TILE_WIDTH as usize * (2 + MAX_LEAF_BYTES)) as u64;

/// The longest wait between two rounds.
const LONGEST_WAIT: Duration = Duration::from_millis(50);

/// Whose leaves are next.
enum NextLeaves {
    Own,
    /// Another writer has begun to add these.
    Theirs(Vec<Vec<u8>>),
    /// The head has moved.
    Unknown,
}

/// Adds leaves, as `write_event` gives them, to the log below the top of a registry, and gives the
/// place of each. The first addition begins the log. Leaves that are among its last 256 already,
/// because their writer was killed and others finished its work, keep their places.
///
/// # Errors
/// `Integrity` where what is there is not the log of this key, `Invalid` for a leaf that is too
/// long, `Conflict` where others kept being faster; those of the disk or the network.
pub fn append_to_log(objects: &Objects<'_>, key: &LogSigningKey, leaves: &[Vec<u8>]) -> Result<Vec<u64>> {
    let log = StoredLog { objects, key };
    let mut places: Vec<Option<u64>> = vec![None; leaves.len()];
    let mut looked_from = None;
    let mut round_lost = 0;
    while round_lost < TRIES {
        let (head, edge) = log.read_head()?;
        let from = looked_from.unwrap_or_else(|| edge.open_leaves().0.saturating_sub(TILE_WIDTH));
        log.find_places(from, &edge, leaves, &mut places)?;
        looked_from = Some(edge.size());
        let missing: Vec<usize> = (0..leaves.len()).filter(|at| places.get(*at) == Some(&None)).collect();
        if missing.is_empty() {
            return Ok(places.into_iter().flatten().collect());
        }
        // A round fills one tile: all who come to the same size then agree on what is in it.
        let (first, room) = (edge.size(), TILE_WIDTH - edge.size() % TILE_WIDTH);
        let wanted = missing.iter().filter_map(|at| leaves.get(*at)).take(room as usize);
        if log.write_round(head.as_ref(), &edge, &wanted.cloned().collect::<Vec<_>>())? {
            for (place, at) in (first..first + room).zip(missing) {
                if let Some(found) = places.get_mut(at) {
                    *found = Some(place);
                }
            }
            round_lost = 0;
            continue;
        }
        round_lost += 1;
        // The first rounds are quick; later ones spread out, each writer by its own leaf.
        let spread = leaves.first().and_then(|leaf| leaf.last()).map_or(1, |byte| 1 + u64::from(byte % 7));
        interrupt::sleep(LONGEST_WAIT.min(Duration::from_millis(round_lost * spread / 4)), || Ok(()))?;
    }
    Err(error!(Conflict, "others kept adding to the log of `{}` at the same time", objects.shown())
        .hint("try again"))
}

/// The log below a registry.
struct StoredLog<'a> {
    objects: &'a Objects<'a>,
    key: &'a LogSigningKey,
}

impl StoredLog<'_> {
    fn get(&self, path: &str, largest: usize) -> Result<Option<StoredObject>> {
        self.objects.get(&format!("{LOG_FOLDER}/{path}"), largest as u64)
    }

    fn read_tile(&self, tile: &LogTile) -> Result<Vec<u8>> {
        let largest = tile.to_whole().largest();
        read_own_tile(tile, &mut |path| Ok(self.get(path, largest)?.map(|object| object.bytes)))
    }

    /// The head that is there, with what it is known by, and the edge that it names.
    fn read_head(&self) -> Result<(Option<ObjectTag>, LogEdge)> {
        let Some(note) = self.get(CHECKPOINT_FILE, MAX_NOTE_BYTES)? else {
            return Ok((None, LogEdge::default()));
        };
        let checkpoint = open_checkpoint(&note.bytes, self.key.verifier())?;
        let edge = LogEdge::read(&checkpoint, &mut |tile| self.read_tile(tile))?;
        Ok((Some(note.etag), edge))
    }

    /// Looks for leaves among those that stand behind `from`.
    fn find_places(
        &self,
        mut from: u64,
        edge: &LogEdge,
        leaves: &[Vec<u8>],
        places: &mut [Option<u64>],
    ) -> Result<()> {
        let mut look = |first: u64, there: &[&[u8]]| {
            for (at, leaf) in (first..).zip(there) {
                let found = places.iter_mut().zip(leaves).find(|(place, one)| place.is_none() && one == leaf);
                if let Some((place, _)) = found {
                    *place = Some(at);
                }
            }
        };
        let (open_from, open) = edge.open_leaves();
        while from < open_from {
            let Some(tile) = LogTile::holding(TileContent::Entries, from, edge.size()) else { break };
            let bytes = self.read_tile(&tile)?;
            let skipped = usize::try_from(from % TILE_WIDTH).unwrap_or(0);
            look(from, read_bundle(&bytes)?.get(skipped..).unwrap_or_default());
            from = (tile.number + 1) * TILE_WIDTH;
        }
        let skipped = usize::try_from(from - open_from).unwrap_or(0);
        let open: Vec<&[u8]> = open.iter().skip(skipped).map(Vec::as_slice).collect();
        look(from, &open);
        Ok(())
    }

    /// Adds leaves of one tile, or those that another writer has begun to add where they would
    /// stand. True when they are these, and in the log.
    fn write_round(&self, head: Option<&ObjectTag>, edge: &LogEdge, wanted: &[Vec<u8>]) -> Result<bool> {
        let mut addition = LogAddition::after(self.key, edge.clone(), wanted)?;
        let Some((path, bytes)) = addition.tiles.first() else { return Ok(true) };
        let is_own = match self.claim_tile(head, edge, path, bytes)? {
            NextLeaves::Own => true,
            NextLeaves::Theirs(leaves) => {
                addition = LogAddition::after(self.key, edge.clone(), &leaves)?;
                false
            }
            NextLeaves::Unknown => return Ok(false),
        };
        for (path, bytes) in addition.tiles.iter().skip(1) {
            let path = format!("{LOG_FOLDER}/{path}");
            if !self.objects.put_if_absent(&path, bytes)? && !self.replace_lost(head, &path, bytes)? {
                return Ok(false);
            }
        }
        let path = format!("{LOG_FOLDER}/{CHECKPOINT_FILE}");
        if !self.objects.put_if_match(&path, &addition.checkpoint, head)? {
            return Ok(false);
        }
        for folder in &addition.replaced {
            // The log is written: what is left of its parts is in nobody's way.
            let _ = self.remove_folder(&format!("{LOG_FOLDER}/{folder}"));
        }
        Ok(is_own)
    }

    /// Writes the tile of the next leaves, if another writer has not.
    fn claim_tile(
        &self,
        head: Option<&ObjectTag>,
        edge: &LogEdge,
        path: &str,
        bytes: &[u8],
    ) -> Result<NextLeaves> {
        let path = format!("{LOG_FOLDER}/{path}");
        if self.objects.put_if_absent(&path, bytes)? {
            return Ok(NextLeaves::Own);
        }
        let Some(there) = self.objects.get(&path, MAX_TILE_BYTES)? else { return Ok(NextLeaves::Unknown) };
        if there.bytes == bytes {
            return Ok(NextLeaves::Own);
        }
        let (_, open) = edge.open_leaves();
        if let Ok(leaves) = read_bundle(&there.bytes)
            && let Some((before, begun)) = leaves.split_at_checked(open.len())
            && before == open
            && !begun.is_empty()
        {
            return Ok(NextLeaves::Theirs(begun.iter().map(|leaf| leaf.to_vec()).collect()));
        }
        let is_replaced = self.replace_lost(head, &path, bytes)?;
        Ok(if is_replaced { NextLeaves::Own } else { NextLeaves::Unknown })
    }

    /// Writes over a tile that does not follow on the head: one of a round that lost. False where the
    /// head has moved, so that the tile may count, or where the tile has changed meanwhile.
    fn replace_lost(&self, head: Option<&ObjectTag>, path: &str, bytes: &[u8]) -> Result<bool> {
        let there = self.objects.get(path, MAX_TILE_BYTES)?;
        if there.as_ref().is_some_and(|there| there.bytes == bytes) {
            return Ok(true);
        }
        // In this order: a tile of a later head is written after that head's own.
        let now = self.get(CHECKPOINT_FILE, MAX_NOTE_BYTES)?.map(|note| note.etag);
        if now.as_ref() != head {
            return Ok(false);
        }
        self.objects.put_if_match(path, bytes, there.as_ref().map(|there| &there.etag))
    }

    fn remove_folder(&self, folder: &str) -> Result<()> {
        for object in self.objects.list(folder)? {
            self.objects.delete(&object.path)?;
        }
        Ok(())
    }
}
