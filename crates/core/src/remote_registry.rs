//! A remote registry: a folder of files, somewhere, that skills are published to and installed
//! from. Every reader needs GET and nothing else. The word *registry* alone is the lock file.
//!
//! ```text
//! registry.json                    what this registry is: [`RegistryDescription`]
//! @acme/pdf-tables/index.jsonl     a line for each version, oldest first: [`PublishedVersion`]
//! b/sha256/1c/1c40….tar.gz         the archives, by their digest
//! revoked.jsonl                    digests that were taken down: [`Revocation`]
//! ```
//!
//! The other files are made of these, by [`derived`]. All addresses are relative, so that a copy is a mirror. What
//! is read here was written by somebody else: unknown keys are passed over, a line whose `v` is
//! unknown too, and everything that trust hangs on is held to its rule.

mod choose_version;
pub mod derived;
mod description;
mod layout;
mod look_alike;
mod publication;
mod published_version;
mod revocation;
mod scoped_name;
#[cfg(test)]
mod tests;
mod version_index;

pub use choose_version::{VersionWanted, choose_version};
pub use description::{BlobTemplate, LogDescription, PublishingLimits, RegistryAuth, RegistryDescription};
pub use layout::{
    BLOBS_FOLDER, CATALOGUE_POINTER, DESCRIPTION_FILE, REVOKED_FILE, archive_path, version_index_path,
};
pub use look_alike::{LookAlike, find_look_alike};
pub use publication::{Publication, check_publication, describe_publication};
pub use published_version::{PublishedDependency, PublishedSource, PublishedVersion, Removal, version_key};
pub use revocation::{Revocation, parse_revocations, write_revocations};
pub use scoped_name::{OwnerName, ScopedName};
pub use version_index::{
    MAX_INDEX_BYTES, MAX_VERSIONS, VersionChange, append_version, change_version, parse_version_index,
    write_version_index,
};
