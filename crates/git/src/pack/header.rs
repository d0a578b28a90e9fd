//! The head of a pack, and what is too large to be one: checked before anybody decides
//! whether the pack is decoded in memory or by libgit2.

use ba_agent_core::error::{Error, Result, error, fail};

/// Objects that a pack may hold. The Linux kernel's whole history has 11 million,
/// openclaw/skills at depth 1 has 21,000.
const MOST_OBJECTS: u32 = 5_000_000;

/// The error for a pack of more than `cap` bytes.
pub(crate) fn too_large(cap: u64) -> Error {
    error!(Invalid, "the repository has more than {cap} bytes")
        .hint("raise the limit `pack` in config.yaml if you trust it")
}

/// `PACK`, version 2, the number of objects (gitformat-pack), which comes back. git would
/// take version 3 too, which nothing writes; libgit2, to which large packs go, would not.
///
/// # Errors
/// `Integrity` for another beginning, `Invalid` for too many objects.
pub(crate) fn check_head(head: &[u8; 12]) -> Result<u32> {
    let [b'P', b'A', b'C', b'K', 0, 0, 0, 2, count @ ..] = head else {
        fail!(Integrity, "the remote sent something that is not a git pack");
    };
    let count = u32::from_be_bytes(*count);
    if count > MOST_OBJECTS {
        fail!(Invalid, "the repository has {count} objects; the limit is {MOST_OBJECTS}");
    }
    Ok(count)
}
