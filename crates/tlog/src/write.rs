//! What a registry writes when something happened.

use ba_agent_core::error::{Result, error, fail};
use ba_agent_core::transparency_log::{
    CHECKPOINT_FILE, Checkpoint, LogEdge, LogTile, TileContent, read_bundle,
};

use crate::signing_key::LogSigningKey;
use crate::verify::open_checkpoint;

/// The files that an addition to a log writes, all below its folder. Whoever writes them keeps the
/// order: the tiles, flushed, then the checkpoint in one step, then what is replaced goes. Killed
/// before the checkpoint, the log is as it was: the next addition writes over what is left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogAddition {
    /// The place of the first new leaf; the others follow it.
    pub first: u64,
    /// Paths and bytes.
    pub tiles: Vec<(String, Vec<u8>)>,
    /// The new [`CHECKPOINT_FILE`].
    pub checkpoint: Vec<u8>,
    /// Folders that nobody needs any more.
    pub replaced: Vec<String>,
    /// The edge after it, to go on from without reading anything.
    pub edge: LogEdge,
}

/// Plans the addition of leaves, as `write_event` gives them, to the log that is there. The first
/// addition begins the log. `read` gives the bytes of a file below the log's folder, or nothing
/// where there is none. The caller lets nobody else add meanwhile.
///
/// # Errors
/// `Integrity` where what is there is not the log of this key; `Invalid` for a leaf that is too
/// long; what `read` says.
pub fn plan_addition(
    key: &LogSigningKey,
    leaves: &[Vec<u8>],
    read: &mut dyn FnMut(&str) -> Result<Option<Vec<u8>>>,
) -> Result<LogAddition> {
    let edge = match read(CHECKPOINT_FILE)? {
        None => LogEdge::default(),
        Some(note) => {
            let checkpoint = open_checkpoint(&note, key.verifier())?;
            LogEdge::read(&checkpoint, &mut |tile| read_own_tile(tile, read))?
        }
    };
    LogAddition::after(key, edge, leaves)
}

impl LogAddition {
    /// Plans the addition of leaves to a log whose edge is known.
    ///
    /// # Errors
    /// `Invalid` for a leaf that is too long.
    pub fn after(key: &LogSigningKey, mut edge: LogEdge, leaves: &[Vec<u8>]) -> Result<Self> {
        let first = edge.size();
        let files = edge.append(leaves)?;
        let checkpoint = key.sign_checkpoint(&edge.to_checkpoint(key.verifier().name()))?;
        let tiles = files.tiles.into_iter().map(|(tile, bytes)| (tile.to_string(), bytes)).collect();
        Ok(Self { first, tiles, checkpoint: checkpoint.into_bytes(), replaced: files.replaced, edge })
    }
}

/// A tile of one's own log; the whole one where a part of it is gone.
///
/// # Errors
/// `Integrity` where there is neither; what `read` says.
pub(crate) fn read_own_tile(
    tile: &LogTile,
    read: &mut dyn FnMut(&str) -> Result<Option<Vec<u8>>>,
) -> Result<Vec<u8>> {
    let found = match read(&tile.to_string())? {
        None if !tile.is_whole() => read(&tile.to_whole().to_string())?,
        found => found,
    };
    found.ok_or_else(|| error!(Integrity, "the log has no `{tile}`, which its checkpoint wants"))
}

/// Reads a log from its first leaf to its last, builds its tree anew, and holds every tile against
/// it; `each` gets the leaves in their order. For who runs a registry, and who watches one.
///
/// # Errors
/// `Integrity` for the first tile that is not as the leaves make it, and for a tree that is not the
/// checkpoint's; what `read` and `each` say.
pub fn verify_whole_log(
    checkpoint: &Checkpoint,
    read: &mut dyn FnMut(&str) -> Result<Option<Vec<u8>>>,
    each: &mut dyn FnMut(u64, &[u8]) -> Result<()>,
) -> Result<()> {
    let (mut edge, size) = (LogEdge::default(), checkpoint.size);
    while edge.size() < size {
        let first = edge.size();
        let Some(tile) = LogTile::holding(TileContent::Entries, first, size) else { break };
        let bytes = read_own_tile(&tile, read)?;
        let leaves = read_bundle(&bytes)?;
        let wanted = leaves.get(..usize::try_from(tile.width).unwrap_or(usize::MAX));
        let Some(leaves) = wanted else {
            fail!(Integrity, "`{tile}` has {} leaves, expected {}", leaves.len(), tile.width);
        };
        for (index, leaf) in (first..).zip(leaves) {
            each(index, leaf)?;
        }
        let leaves: Vec<Vec<u8>> = leaves.iter().map(|leaf| leaf.to_vec()).collect();
        let made = edge.append(&leaves)?;
        let whole =
            made.tiles.iter().filter(|(tile, _)| tile.is_whole() && tile.content != TileContent::Entries);
        for (tile, expected) in whole {
            if read_own_tile(tile, read)? != *expected {
                fail!(Integrity, "`{tile}` of the log is not what its leaves make");
            }
        }
    }
    if edge.root() != checkpoint.root {
        fail!(Integrity, "the {size} leaves of the log do not make the tree that its checkpoint names");
    }
    // The tiles that are not whole yet.
    LogEdge::read(checkpoint, &mut |tile| read_own_tile(tile, read)).map(drop)
}
