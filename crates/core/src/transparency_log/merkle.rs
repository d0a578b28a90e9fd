//! The hashes of a tree and the two proofs over them, as RFC 6962 defines them.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};

use crate::error::{Error, Result, error, fail, printable};
use crate::text::shorten_text;

/// The hash of a leaf, of a node, or of a whole tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TreeHash(pub [u8; 32]);

impl TreeHash {
    /// The hash of a tree without leaves.
    pub fn of_nothing() -> Self {
        Self(Sha256::digest(b"").into())
    }
}

/// As a checkpoint writes it: base64.
impl fmt::Display for TreeHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&STANDARD.encode(self.0))
    }
}

impl FromStr for TreeHash {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let bytes = STANDARD.decode(text).ok().and_then(|bytes| bytes.try_into().ok());
        bytes.map(Self).ok_or_else(|| {
            let shown = printable(&shorten_text(text, 80), false);
            error!(Integrity, "`{shown}` is not a valid hash of a tree: expected 32 bytes in base64")
        })
    }
}

/// The hash of a leaf that has these bytes.
pub fn hash_leaf(bytes: &[u8]) -> TreeHash {
    TreeHash(Sha256::new().chain_update([0]).chain_update(bytes).finalize().into())
}

/// The hash of a node over two others.
pub(super) fn hash_children(left: TreeHash, right: TreeHash) -> TreeHash {
    TreeHash(Sha256::new().chain_update([1]).chain_update(left.0).chain_update(right.0).finalize().into())
}

/// The hash over a row of hashes, of any number: nothing where there is none.
pub(super) fn hash_row(row: &[TreeHash]) -> Option<TreeHash> {
    match row {
        [] => None,
        [only] => Some(*only),
        _ => {
            let (left, right) = row.split_at(split_size(row.len() as u64) as usize);
            Some(hash_children(hash_row(left)?, hash_row(right)?))
        }
    }
}

/// How many of `size` leaves, more than one, stand to the left of the root.
pub(super) fn split_size(size: u64) -> u64 {
    1 << (u64::BITS - 1 - (size - 1).leading_zeros())
}

/// Holds that the leaf at `index` of a tree of `size` leaves with this `root` has this hash.
///
/// # Errors
/// `Integrity` where the proof does not lead from the leaf to the root.
pub fn check_inclusion(
    proof: &[TreeHash],
    index: u64,
    size: u64,
    leaf: TreeHash,
    root: TreeHash,
) -> Result<()> {
    if index >= size {
        fail!(Integrity, "the log has {size} leaves, and no leaf {index}");
    }
    let (mut at, mut last, mut hash) = (index, size - 1, leaf);
    for sibling in proof {
        if last == 0 {
            fail!(Integrity, "the proof of leaf {index} is longer than a log of {size} leaves is high");
        }
        if at % 2 == 1 || at == last {
            hash = hash_children(*sibling, hash);
            // A node without a right neighbour goes up as it is.
            while at % 2 == 0 && at != 0 {
                (at, last) = (at / 2, last / 2);
            }
        } else {
            hash = hash_children(hash, *sibling);
        }
        (at, last) = (at / 2, last / 2);
    }
    if last != 0 || hash != root {
        fail!(Integrity, "leaf {index} is not in the log of {size} leaves that was signed");
    }
    Ok(())
}

/// Holds that the tree of `old_size` leaves with `old_root` is the beginning of the one of `size`
/// leaves with `root`.
///
/// # Errors
/// `Integrity` where it is not, or where the proof does not show it.
pub fn check_consistency(
    proof: &[TreeHash],
    old_size: u64,
    old_root: TreeHash,
    size: u64,
    root: TreeHash,
) -> Result<()> {
    if old_size > size {
        fail!(Integrity, "the log had {old_size} leaves and now has {size}");
    }
    let forked = || error!(Integrity, "the first {old_size} leaves of the log are not those that were there");
    if old_size == size {
        return if proof.is_empty() && old_root == root { Ok(()) } else { Err(forked()) };
    }
    if old_size == 0 {
        return if proof.is_empty() && old_root == TreeHash::of_nothing() { Ok(()) } else { Err(forked()) };
    }
    let (mut at, mut last) = (old_size - 1, size - 1);
    while at % 2 == 1 {
        (at, last) = (at / 2, last / 2);
    }
    let mut steps = proof.iter().copied();
    // The old tree is a whole branch of the new one: its root is where the proof begins.
    let begin = if at == 0 { old_root } else { steps.next().ok_or_else(forked)? };
    let (mut old, mut new) = (begin, begin);
    for sibling in steps {
        if last == 0 {
            return Err(forked());
        }
        if at % 2 == 1 || at == last {
            old = hash_children(sibling, old);
            new = hash_children(sibling, new);
            while at % 2 == 0 && at != 0 {
                (at, last) = (at / 2, last / 2);
            }
        } else {
            new = hash_children(new, sibling);
        }
        (at, last) = (at / 2, last / 2);
    }
    if last == 0 && old == old_root && new == root { Ok(()) } else { Err(forked()) }
}
