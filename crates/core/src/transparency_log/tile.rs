//! A tile: up to 256 hashes of one level, or the leaves that the lowest ones are of.

use std::fmt;
use std::str::FromStr;

use super::event::MAX_LEAF_BYTES;
use super::merkle::TreeHash;
use crate::error::{Error, Result, error, fail, printable};
use crate::text::shorten_text;

/// Hashes of a whole tile.
pub const TILE_WIDTH: u64 = 256;

/// The highest level that a tree of 2^64 leaves has.
const HIGHEST_LEVEL: u8 = 7;

/// Bytes of a hash.
const HASH_BYTES: usize = 32;

/// What stands in a tile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TileContent {
    /// Hashes of a level: those of leaves on level 0, above it each over a tile of the level below.
    Hashes(u8),
    /// Leaves.
    Entries,
}

/// Which tile, and how much of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LogTile {
    pub content: TileContent,
    /// How many tiles of its level stand before it.
    pub number: u64,
    /// How many hashes or leaves are in it: 1 to [`TILE_WIDTH`].
    pub width: u64,
}

impl LogTile {
    /// The tile of a level that holds the hash with this number, as a tree of `size` leaves has it;
    /// none where the tree does not reach there.
    pub fn holding(content: TileContent, hash: u64, size: u64) -> Option<Self> {
        let level = match content {
            TileContent::Hashes(level) => level,
            TileContent::Entries => 0,
        };
        let there = size.checked_shr(8 * u32::from(level)).unwrap_or(0);
        let number = hash / TILE_WIDTH;
        let width = TILE_WIDTH.min(there.checked_sub(number * TILE_WIDTH)?);
        (hash < there && width > 0).then_some(Self { content, number, width })
    }

    /// True when nothing will be added to it: its bytes never change.
    pub fn is_whole(&self) -> bool {
        self.width == TILE_WIDTH
    }

    /// The same tile when it has become whole.
    pub fn to_whole(self) -> Self {
        Self { width: TILE_WIDTH, ..self }
    }

    /// The folder that holds the parts of it that were there before it was whole.
    pub fn parts_folder(&self) -> String {
        format!("{}.p", self.to_whole())
    }

    /// The most bytes that it may have.
    pub fn largest(&self) -> usize {
        let each = match self.content {
            TileContent::Hashes(_) => HASH_BYTES,
            TileContent::Entries => 2 + MAX_LEAF_BYTES,
        };
        each * self.width as usize
    }

    /// The hashes of a tile; of a whole one that stands for a part of it only those of the part.
    ///
    /// # Errors
    /// `Integrity` where the bytes are too few, or not a number of hashes.
    pub(super) fn read_hashes(&self, bytes: &[u8]) -> Result<Vec<TreeHash>> {
        let (hashes, rest) = bytes.as_chunks::<HASH_BYTES>();
        let wanted = usize::try_from(self.width).unwrap_or(usize::MAX);
        if !rest.is_empty() || hashes.len() < wanted || hashes.len() > TILE_WIDTH as usize {
            fail!(
                Integrity,
                "`{self}` has {} bytes, expected {}",
                bytes.len(),
                self.width * HASH_BYTES as u64
            );
        }
        Ok(hashes.iter().take(wanted).copied().map(TreeHash).collect())
    }
}

/// Where it stands below the log: `tile/0/x001/x234/067.p/8`.
impl fmt::Display for LogTile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.content {
            TileContent::Hashes(level) => write!(f, "tile/{level}/")?,
            TileContent::Entries => f.write_str("tile/entries/")?,
        }
        let mut parts = vec![self.number % 1000];
        let mut above = self.number / 1000;
        while above > 0 {
            parts.push(above % 1000);
            above /= 1000;
        }
        for part in parts.iter().skip(1).rev() {
            write!(f, "x{part:03}/")?;
        }
        write!(f, "{:03}", self.number % 1000)?;
        if self.is_whole() { Ok(()) } else { write!(f, ".p/{}", self.width) }
    }
}

/// Reads what [`fmt::Display`] writes, and nothing else.
impl FromStr for LogTile {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let refuse = || {
            let shown = printable(&shorten_text(text, 80), false);
            error!(Invalid, "`{shown}` is not a valid path of a tile")
        };
        let rest = text.strip_prefix("tile/").ok_or_else(refuse)?;
        let (level, rest) = rest.split_once('/').ok_or_else(refuse)?;
        let content = match level {
            "entries" => TileContent::Entries,
            _ => TileContent::Hashes(level.parse().ok().filter(|l| *l <= HIGHEST_LEVEL).ok_or_else(refuse)?),
        };
        let (number, width) = match rest.split_once(".p/") {
            Some((number, width)) => (number, width.parse().ok().filter(|w| *w > 0).ok_or_else(refuse)?),
            None => (rest, TILE_WIDTH),
        };
        let mut read: u64 = 0;
        for part in number.split('/') {
            let digits: u64 = part.trim_start_matches('x').parse().map_err(|_| refuse())?;
            read = read.checked_mul(1000).and_then(|n| n.checked_add(digits)).ok_or_else(refuse)?;
        }
        let tile = Self { content, number: read, width };
        if tile.to_string() == text { Ok(tile) } else { Err(refuse()) }
    }
}

/// The bytes of a tile of leaves.
///
/// # Errors
/// `Invalid` for a leaf that is longer than a log takes.
pub fn write_bundle<'a>(leaves: impl IntoIterator<Item = &'a [u8]>) -> Result<Vec<u8>> {
    let mut out = Vec::new();
    for leaf in leaves {
        let length = u16::try_from(leaf.len()).ok().filter(|_| leaf.len() <= MAX_LEAF_BYTES);
        let Some(length) = length else {
            fail!(
                Invalid,
                "a leaf of {} bytes is too long for the log, which takes {MAX_LEAF_BYTES}",
                leaf.len()
            );
        };
        out.extend(length.to_be_bytes());
        out.extend(leaf);
    }
    Ok(out)
}

/// The leaves of a tile, at most [`TILE_WIDTH`].
///
/// # Errors
/// `Integrity` where the bytes end within a leaf, or there are more than a tile holds.
pub fn read_bundle(mut bytes: &[u8]) -> Result<Vec<&[u8]>> {
    let mut leaves = Vec::new();
    while let Some((length, rest)) = bytes.split_first_chunk::<2>() {
        let Some((leaf, rest)) = rest.split_at_checked(usize::from(u16::from_be_bytes(*length))) else {
            fail!(Integrity, "the leaves of the log end within leaf {} of a tile", leaves.len());
        };
        leaves.push(leaf);
        bytes = rest;
    }
    if !bytes.is_empty() || leaves.len() as u64 > TILE_WIDTH {
        fail!(Integrity, "a tile of the log has {} leaves and {} more bytes", leaves.len(), bytes.len());
    }
    Ok(leaves)
}
