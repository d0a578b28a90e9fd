//! Files of certificates and keys that a user names.

use std::path::Path;

use fs_err as fs;

use ba_agent_core::error::printable;

/// The largest file of certificates that is read: whole stores have some 300 KB.
const LARGEST: u64 = 16 << 20;

/// The bytes of a file that a user names, or why they cannot be had.
///
/// # Errors
/// The reason in plain words: not there, not to be read, not a regular file, too large.
pub(super) fn read_pem(file: &Path) -> Result<Vec<u8>, String> {
    let meta = fs::metadata(file).map_err(|e| plain_reason_of_error(&e))?;
    if !meta.is_file() || meta.len() > LARGEST {
        return Err("it is not a regular file of at most 16 MiB".to_owned());
    }
    fs::read(file).map_err(|e| plain_reason_of_error(&e))
}

/// Why a file cannot be had, without its path, which stands beside it.
pub(super) fn plain_reason_of_error(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::NotFound => "it does not exist".to_owned(),
        _ => printable(&error.to_string(), false),
    }
}
