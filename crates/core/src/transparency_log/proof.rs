//! Proofs, made out of the tiles that hold their hashes.

use std::collections::BTreeMap;

use super::merkle::{TreeHash, hash_children, hash_row, split_size};
use super::tile::{LogTile, TILE_WIDTH, TileContent};
use crate::error::{Result, fail};

/// Levels of the tree that one level of tiles holds.
const TILE_HEIGHT: u32 = 8;

/// The hashes of a tree of `size` leaves, read tile by tile as they are needed, each tile once.
/// None of them is trusted: a proof made of them is held against a root that was signed.
pub struct TileHashes<'a> {
    size: u64,
    read: &'a mut dyn FnMut(&LogTile) -> Result<Vec<u8>>,
    tiles: BTreeMap<LogTile, Vec<TreeHash>>,
}

impl<'a> TileHashes<'a> {
    /// Over a tree of `size` leaves, whose tiles `read` gives.
    pub fn new(size: u64, read: &'a mut dyn FnMut(&LogTile) -> Result<Vec<u8>>) -> Self {
        Self { size, read, tiles: BTreeMap::new() }
    }

    /// The hash over all leaves.
    ///
    /// # Errors
    /// What `read` says; `Integrity` for a tile that is not one.
    pub fn read_root(&mut self) -> Result<TreeHash> {
        if self.size == 0 { Ok(TreeHash::of_nothing()) } else { self.hash_range(0, self.size) }
    }

    /// The proof that the leaf at `index` is in the tree.
    ///
    /// # Errors
    /// As [`TileHashes::read_root`]; `Integrity` where the tree has no such leaf.
    pub fn prove_inclusion(&mut self, index: u64) -> Result<Vec<TreeHash>> {
        if index >= self.size {
            fail!(Integrity, "the log has {} leaves, and no leaf {index}", self.size);
        }
        let (mut from, mut to, mut proof) = (0, self.size, Vec::new());
        while to - from > 1 {
            let middle = from + split_size(to - from);
            if index < middle {
                proof.push(self.hash_range(middle, to)?);
                to = middle;
            } else {
                proof.push(self.hash_range(from, middle)?);
                from = middle;
            }
        }
        proof.reverse();
        Ok(proof)
    }

    /// The proof that the tree's first `old_size` leaves are those of an older tree.
    ///
    /// # Errors
    /// As [`TileHashes::read_root`]; `Integrity` where the older tree is the larger one.
    pub fn prove_consistency(&mut self, old_size: u64) -> Result<Vec<TreeHash>> {
        if old_size > self.size {
            fail!(Integrity, "the log had {old_size} leaves and now has {}", self.size);
        }
        if old_size == 0 || old_size == self.size {
            return Ok(Vec::new());
        }
        let (mut from, mut to, mut proof) = (0, self.size, Vec::new());
        while to != old_size {
            let middle = from + split_size(to - from);
            if old_size <= middle {
                proof.push(self.hash_range(middle, to)?);
                to = middle;
            } else {
                proof.push(self.hash_range(from, middle)?);
                from = middle;
            }
        }
        // What is left is a branch of both trees; from leaf 0 on it is the old tree itself.
        if from > 0 {
            proof.push(self.hash_range(from, to)?);
        }
        proof.reverse();
        Ok(proof)
    }

    /// The hash of the leaf at `index`, as the tiles say it.
    ///
    /// # Errors
    /// As [`TileHashes::read_root`].
    pub fn read_leaf_hash(&mut self, index: u64) -> Result<TreeHash> {
        self.hash_range(index, index + 1)
    }

    /// The hash over some leaves, which begin where a branch of the tree does.
    fn hash_range(&mut self, from: u64, to: u64) -> Result<TreeHash> {
        let count = to - from;
        if count.is_power_of_two() {
            return self.read_branch(count.trailing_zeros(), from / count);
        }
        let middle = from + split_size(count);
        Ok(hash_children(self.hash_range(from, middle)?, self.hash_range(middle, to)?))
    }

    /// The hash of the branch with this number, of those that have 2^`height` leaves.
    fn read_branch(&mut self, height: u32, number: u64) -> Result<TreeHash> {
        let level = u8::try_from(height / TILE_HEIGHT).unwrap_or(u8::MAX);
        let width = 1 << (height % TILE_HEIGHT);
        let first = number * width;
        let tile = LogTile::holding(TileContent::Hashes(level), first, self.size);
        let found = match tile {
            Some(tile) => {
                let at = (first % TILE_WIDTH) as usize;
                self.read_tile(tile)?.get(at..at + width as usize).and_then(hash_row)
            }
            None => None,
        };
        match found {
            Some(hash) => Ok(hash),
            None => {
                fail!(Integrity, "a log of {} leaves has no branch {number} of height {height}", self.size)
            }
        }
    }

    fn read_tile(&mut self, tile: LogTile) -> Result<&[TreeHash]> {
        if !self.tiles.contains_key(&tile) {
            let hashes = tile.read_hashes(&(self.read)(&tile)?)?;
            self.tiles.insert(tile, hashes);
        }
        Ok(self.tiles.get(&tile).map(Vec::as_slice).unwrap_or_default())
    }
}
