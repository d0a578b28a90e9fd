//! The transparency log of a remote registry: every publication, yank, removal and change of an
//! owner, in an order that nobody changes later.
//!
//! It is a Merkle tree as RFC 6962 has it, kept in static files as <https://c2sp.org/tlog-tiles>
//! says, so that any file server serves it and other programs check it:
//!
//! ```text
//! log/checkpoint               how many leaves there are, and the root hash over them, signed
//! log/tile/0/000.p/7           256 hashes of leaves, or as many as there are yet (`.p/7`)
//! log/tile/1/000               256 hashes, each over a whole tile of the level below
//! log/tile/entries/000.p/7     the leaves themselves: a length of two bytes before each
//! ```
//!
//! A leaf is one line of JSON ([`LogEvent`]). What is published is in it whole, so that neither a
//! version nor what it says of itself can be changed behind the back of who saw it once.
//!
//! Nothing here signs or checks a signature: that is in the crate `ba-agent-tlog`, which also
//! reads and writes the files.

mod append;
mod checkpoint;
mod event;
mod merkle;
mod proof;
mod signed_note;
#[cfg(test)]
mod tests;
mod tile;

pub use append::{LogEdge, LogFiles};
pub use checkpoint::Checkpoint;
pub use event::{LogEvent, MAX_LEAF_BYTES, find_published_line, read_event, write_event};
pub use merkle::{TreeHash, check_consistency, check_inclusion, hash_leaf};
pub use proof::TileHashes;
pub use signed_note::{KEY_BYTES, MAX_NOTE_BYTES, NoteSignature, SignedNote, VerifierKey};
pub use tile::{LogTile, TILE_WIDTH, TileContent, read_bundle, write_bundle};

/// Where the log stands below the registry.
pub const LOG_FOLDER: &str = "log";

/// The signed head of the tree, below [`LOG_FOLDER`].
pub const CHECKPOINT_FILE: &str = "checkpoint";
