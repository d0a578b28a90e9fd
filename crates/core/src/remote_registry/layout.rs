//! Where each file of a remote registry stands, from its top.

use super::scoped_name::ScopedName;
use crate::digest::Digest;

/// What the registry says of itself.
pub const DESCRIPTION_FILE: &str = "registry.json";
/// The digests that were taken down.
pub const REVOKED_FILE: &str = "revoked.jsonl";
/// Which catalogue is the newest.
pub const CATALOGUE_POINTER: &str = "catalogue.json";
/// The folder of the archives.
pub const BLOBS_FOLDER: &str = "b/sha256";

/// The lines of a skill's versions.
pub fn version_index_path(name: &ScopedName) -> String {
    format!("{name}/index.jsonl")
}

/// The archive of a digest, where this program puts it. Another registry may say another place in
/// its description: [`super::BlobTemplate::path_of`].
pub fn archive_path(digest: &Digest) -> String {
    let hex = digest.as_hex();
    format!("{BLOBS_FOLDER}/{}/{hex}.tar.gz", hex.get(..2).unwrap_or_default())
}
