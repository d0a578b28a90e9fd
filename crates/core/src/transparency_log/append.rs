//! What is added to a log: the files that come of it.

use super::checkpoint::Checkpoint;
use super::merkle::{TreeHash, hash_children, hash_leaf, hash_row};
use super::tile::{LogTile, TILE_WIDTH, TileContent, read_bundle, write_bundle};
use crate::error::{Result, fail};

/// The right edge of a tree: all that is needed to add to it. Of each level the hashes of the tile
/// that is not whole yet, and the leaves of the lowest one.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LogEdge {
    size: u64,
    levels: Vec<Vec<TreeHash>>,
    entries: Vec<Vec<u8>>,
}

/// The files that an addition writes, before the checkpoint that makes them count.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LogFiles {
    /// Tiles, the lowest level first.
    pub tiles: Vec<(LogTile, Vec<u8>)>,
    /// Folders of parts that are not needed any more, once the checkpoint is there.
    pub replaced: Vec<String>,
}

impl LogEdge {
    /// How many leaves there are.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Reads the edge of the tree that a checkpoint names, at most nine tiles.
    ///
    /// # Errors
    /// What `read` says; `Integrity` where the tiles are not those of the checkpoint.
    pub fn read(checkpoint: &Checkpoint, read: &mut dyn FnMut(&LogTile) -> Result<Vec<u8>>) -> Result<Self> {
        let size = checkpoint.size;
        let mut edge = Self { size, ..Self::default() };
        let (mut level, mut there) = (0, size);
        while there > 0 {
            let open = there % TILE_WIDTH;
            let content = TileContent::Hashes(level);
            edge.levels.push(match LogTile::holding(content, there - 1, size).filter(|_| open > 0) {
                Some(tile) => tile.read_hashes(&read(&tile)?)?,
                None => Vec::new(),
            });
            (level, there) = (level + 1, there / TILE_WIDTH);
        }
        if !size.is_multiple_of(TILE_WIDTH)
            && let Some(tile) = LogTile::holding(TileContent::Entries, size - 1, size)
        {
            let width = usize::try_from(tile.width).unwrap_or(usize::MAX);
            edge.entries = read_bundle(&read(&tile)?)?.into_iter().take(width).map(<[u8]>::to_vec).collect();
        }
        let hashes = edge.entries.iter().map(|leaf| hash_leaf(leaf));
        let is_known = edge.levels.first().is_none_or(|lowest| lowest.iter().copied().eq(hashes));
        if !is_known || edge.root() != checkpoint.root {
            fail!(Integrity, "the tiles of the log are not those that its checkpoint of {size} leaves names");
        }
        Ok(edge)
    }

    /// The hash over all leaves.
    pub fn root(&self) -> TreeHash {
        let mut root = None;
        for level in &self.levels {
            let mut rest = level.as_slice();
            let mut row = Vec::new();
            while !rest.is_empty() {
                let (branch, after) = rest.split_at(1 << rest.len().ilog2());
                row.extend(hash_row(branch));
                rest = after;
            }
            for left in row.into_iter().rev() {
                root = Some(root.map_or(left, |right| hash_children(left, right)));
            }
        }
        root.unwrap_or_else(TreeHash::of_nothing)
    }

    /// The checkpoint of a log of this name that has this edge.
    pub fn to_checkpoint(&self, origin: &str) -> Checkpoint {
        Checkpoint { origin: origin.to_owned(), size: self.size, root: self.root() }
    }

    /// The leaves that are in no whole tile yet, with the place of the first.
    pub fn open_leaves(&self) -> (u64, &[Vec<u8>]) {
        (self.size - self.entries.len() as u64, &self.entries)
    }

    /// Adds leaves; the first of them has the place that [`LogEdge::size`] said before.
    ///
    /// # Errors
    /// `Invalid` for a leaf that is too long; nothing was added then.
    pub fn append(&mut self, leaves: &[Vec<u8>]) -> Result<LogFiles> {
        write_bundle(leaves.iter().map(Vec::as_slice))?;
        let mut files = LogFiles::default();
        let mut touched = Vec::new();
        for leaf in leaves {
            self.entries.push(leaf.clone());
            self.size += 1;
            if self.entries.len() as u64 == TILE_WIDTH {
                let whole = std::mem::take(&mut self.entries);
                files.add_whole(
                    TileContent::Entries,
                    self.size - 1,
                    write_bundle(whole.iter().map(Vec::as_slice))?,
                );
            }
            self.push_hash(hash_leaf(leaf), &mut files, &mut touched);
        }
        if leaves.is_empty() {
            return Ok(files);
        }
        if !self.entries.is_empty() {
            files.add_open(
                TileContent::Entries,
                self.size - 1,
                self.size,
                write_bundle(self.entries.iter().map(Vec::as_slice))?,
            );
        }
        for (level, hashes) in (0u8..).zip(&self.levels) {
            let there = self.size >> (8 * u32::from(level));
            if touched.contains(&level) && !hashes.is_empty() {
                files.add_open(TileContent::Hashes(level), there - 1, self.size, join_hashes(hashes));
            }
        }
        files.tiles.sort_by_key(|(tile, _)| (tile.content != TileContent::Entries, *tile));
        Ok(files)
    }

    /// Puts a hash at the end of the lowest level, and above what becomes whole by it.
    fn push_hash(&mut self, hash: TreeHash, files: &mut LogFiles, touched: &mut Vec<u8>) {
        let (mut hash, mut level) = (hash, 0u8);
        loop {
            let at = usize::from(level);
            if self.levels.len() <= at {
                self.levels.push(Vec::new());
            }
            if !touched.contains(&level) {
                touched.push(level);
            }
            let Some(row) = self.levels.get_mut(at) else { return };
            row.push(hash);
            if (row.len() as u64) < TILE_WIDTH {
                return;
            }
            let row = std::mem::take(row);
            let last = (self.size >> (8 * u32::from(level))) - 1;
            files.add_whole(TileContent::Hashes(level), last, join_hashes(&row));
            let Some(above) = hash_row(&row) else { return };
            (hash, level) = (above, level + 1);
        }
    }
}

impl LogFiles {
    fn add_whole(&mut self, content: TileContent, last: u64, bytes: Vec<u8>) {
        let tile = LogTile { content, number: last / TILE_WIDTH, width: TILE_WIDTH };
        self.replaced.push(tile.parts_folder());
        self.tiles.push((tile, bytes));
    }

    fn add_open(&mut self, content: TileContent, last: u64, size: u64, bytes: Vec<u8>) {
        self.tiles.extend(LogTile::holding(content, last, size).map(|tile| (tile, bytes)));
    }
}

fn join_hashes(hashes: &[TreeHash]) -> Vec<u8> {
    hashes.iter().flat_map(|hash| hash.0).collect()
}
