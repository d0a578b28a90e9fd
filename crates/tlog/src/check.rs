//! What a client asks of a log before it installs.

use std::fmt;
use std::str::FromStr;

use ba_agent_core::error::{Context as _, Error, Kind, Result, error, fail, printable};
use ba_agent_core::transparency_log::{
    CHECKPOINT_FILE, Checkpoint, LogEvent, LogTile, MAX_NOTE_BYTES, TileHashes, TreeHash, VerifierKey,
    check_consistency, check_inclusion, hash_leaf, write_event,
};

use crate::verify::open_checkpoint;

/// What a client keeps of a log, to hold the next one against it. Written `SIZE ROOT`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SeenTree {
    pub size: u64,
    pub root: TreeHash,
}

impl fmt::Display for SeenTree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.size, self.root)
    }
}

impl FromStr for SeenTree {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let parts = text.trim().split_once(' ');
        let read = parts.and_then(|(size, root)| Some((size.parse().ok()?, root.parse().ok()?)));
        let Some((size, root)) = read else {
            fail!(Invalid, "not a valid record of a log that was seen: expected a size and a hash");
        };
        Ok(Self { size, root })
    }
}

/// A file of the log that is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogRead {
    /// Below the folder of the log.
    pub path: String,
    /// The most bytes it may have.
    pub largest: usize,
    /// True when it never changes, so that a copy may be kept for ever.
    pub is_immutable: bool,
    /// True when it must come from the registry itself, not from a copy.
    pub is_fresh: bool,
}

/// A line of `index.jsonl` that is about to be installed.
#[derive(Debug, Clone, Copy)]
pub struct LoggedLine<'a> {
    /// The line as it was read.
    pub text: &'a str,
    /// The place in the log that it names.
    pub leaf: Option<u64>,
    /// What to call it in a message: `@acme/pdf-tables 1.2.0`.
    pub title: &'a str,
}

/// Holds a log against what was seen of it before, and lines against the log. Gives what to keep
/// for the next time. `read` gives the bytes of a file, or nothing where there is none.
///
/// Costs the checkpoint and one tile where there are up to 256 events, and up to four tiles where
/// there are up to 65,536; tiles that a copy is kept of cost nothing.
///
/// # Errors
/// `Integrity` for a log that is signed with another key, has another name, is older than the one
/// that was seen, or another one, and for a line that is not in it; what `read` says.
pub fn check_log(
    key: &VerifierKey,
    seen: Option<&SeenTree>,
    lines: &[LoggedLine<'_>],
    read: &mut dyn FnMut(&LogRead) -> Result<Option<Vec<u8>>>,
) -> Result<SeenTree> {
    match check_copy(key, seen, lines, false, read) {
        // What is kept here, or between here and the registry, may be behind: asked once more.
        Err(e) if e.kind == Kind::Integrity => check_copy(key, seen, lines, true, read),
        checked => checked,
    }
}

fn check_copy(
    key: &VerifierKey,
    seen: Option<&SeenTree>,
    lines: &[LoggedLine<'_>],
    is_fresh: bool,
    read: &mut dyn FnMut(&LogRead) -> Result<Option<Vec<u8>>>,
) -> Result<SeenTree> {
    let name = printable(key.name(), false);
    let wanted =
        LogRead { path: CHECKPOINT_FILE.to_owned(), largest: MAX_NOTE_BYTES, is_immutable: false, is_fresh };
    let Some(note) = read(&wanted)? else {
        return Err(error!(Integrity, "the registry has no log any more, and had `{name}`")
            .hint("ask whoever runs the registry: without its log it could change what it once published"));
    };
    let checkpoint = open_checkpoint(&note, key)?;
    let mut read_tile = |tile: &LogTile| read_log_tile(tile, is_fresh, read);
    let mut tiles = TileHashes::new(checkpoint.size, &mut read_tile);
    if let Some(seen) = seen {
        check_grown(&checkpoint, seen, &mut tiles)
            .context(|| format!("the log `{name}` is not the one that was seen before"))
            .map_err(|e| explain_change(e, &checkpoint, seen))?;
    }
    for line in lines {
        check_line(&checkpoint, line, &mut tiles)
            .context(|| format!("{} is not as the log `{name}` has it", printable(line.title, false)))?;
    }
    Ok(SeenTree { size: checkpoint.size, root: checkpoint.root })
}

fn explain_change(error: Error, now: &Checkpoint, seen: &SeenTree) -> Error {
    if error.kind != Kind::Integrity {
        return error;
    }
    if now.size < seen.size {
        return error.hint("a mirror may be behind: try again later, or take it from the registry itself");
    }
    error.hint("the registry rewrote its history, or shows different people different ones: install nothing from it until whoever runs it has said why")
}

/// Holds that what was seen is the beginning of what is there.
fn check_grown(now: &Checkpoint, seen: &SeenTree, tiles: &mut TileHashes<'_>) -> Result<()> {
    if now.size < seen.size {
        fail!(Integrity, "it had {} leaves and now has {}", seen.size, now.size);
    }
    let proof = tiles.prove_consistency(seen.size)?;
    check_consistency(&proof, seen.size, seen.root, now.size, now.root)
}

/// Holds that a line stands in the log where it says, as it is.
fn check_line(now: &Checkpoint, line: &LoggedLine<'_>, tiles: &mut TileHashes<'_>) -> Result<()> {
    let Some(index) = line.leaf else { fail!(Integrity, "it names no place in the log") };
    if index >= now.size {
        fail!(Integrity, "it names the leaf {index}, and the log has {}", now.size);
    }
    let leaf = hash_leaf(&write_event(&LogEvent::publication(line.text)?)?);
    let proof = tiles.prove_inclusion(index)?;
    if check_inclusion(&proof, index, now.size, leaf, now.root).is_ok() {
        return Ok(());
    }
    // The place holds something else, or the tiles are not those that were signed.
    let there = tiles.read_leaf_hash(index)?;
    match check_inclusion(&proof, index, now.size, there, now.root) {
        Ok(()) => fail!(Integrity, "leaf {index} of the log says something else than the registry's line"),
        Err(e) => Err(e),
    }
}

/// A tile as the checkpoint's tree has it. Where its log has grown meanwhile, a part may be gone,
/// and the whole tile begins with it.
fn read_log_tile(
    tile: &LogTile,
    is_fresh: bool,
    read: &mut dyn FnMut(&LogRead) -> Result<Option<Vec<u8>>>,
) -> Result<Vec<u8>> {
    let mut read_one = |tile: &LogTile| {
        let largest = tile.largest();
        read(&LogRead { path: tile.to_string(), largest, is_immutable: tile.is_whole(), is_fresh })
    };
    let found = match read_one(tile)? {
        None if !tile.is_whole() => read_one(&tile.to_whole())?,
        found => found,
    };
    found.ok_or_else(|| error!(Integrity, "the log has no `{tile}`, which its checkpoint wants"))
}
