//! A checkpoint out of the note that it was signed in.

use ba_agent_core::error::{Context as _, Result, error, fail, printable};
use ba_agent_core::text::shorten_text;
use ba_agent_core::transparency_log::{Checkpoint, SignedNote, VerifierKey};
use ring::signature::{ED25519, UnparsedPublicKey};

/// Takes a checkpoint out of its note, if the log that the key belongs to signed it.
///
/// # Errors
/// `Integrity` for another key, another log, a signature that is not right, and for what is not a
/// checkpoint.
pub fn open_checkpoint(note: &[u8], key: &VerifierKey) -> Result<Checkpoint> {
    let note =
        SignedNote::parse(note).context(|| format!("`{}` cannot be read", printable(key.name(), false)))?;
    let signature = note.find_signature(key).map_err(|e| {
        e.wrap("the log is not signed with the key that this registry had").hint(
            "ask whoever runs the registry whether it has a new key; if it has, remove the registry and add it again",
        )
    })?;
    let public = UnparsedPublicKey::new(&ED25519, key.key());
    if public.verify(note.text().as_bytes(), &signature.signature).is_err() {
        return Err(error!(
            Integrity,
            "the signature of the log `{}` is not right",
            printable(key.name(), false)
        )
        .hint("somebody between you and the registry may have changed it"));
    }
    let checkpoint: Checkpoint = note.text().parse()?;
    if checkpoint.origin != key.name() {
        let found = printable(&shorten_text(&checkpoint.origin, 80), false);
        fail!(Integrity, "expected the log `{}`, found `{found}`", printable(key.name(), false));
    }
    Ok(checkpoint)
}
