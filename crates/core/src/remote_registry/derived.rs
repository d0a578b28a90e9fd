//! The files of a registry that are made of others: what can be thrown away and is made anew.
//!
//! The files of a skill are made of its index; those of an owner and of the whole registry of the
//! catalogue, which has the newest version of each skill: so a publisher needs the one index that
//! it changes and the catalogue, and never reads them all. The same lines give the same bytes,
//! wherever and by whom they are made.

mod catalogue;
mod feed;
mod well_known;

use std::collections::BTreeMap;

use super::description::RegistryDescription;
use super::layout::{CATALOGUE_POINTER, REVOKED_FILE};
use super::published_version::PublishedVersion;
use super::revocation::{Revocation, write_revocations};
use super::scoped_name::{OwnerName, ScopedName};
use super::version_index::{parse_version_index, write_version_index};
use crate::error::Result;
pub use catalogue::{CATALOGUE_FOLDER, CatalogueEntry, CataloguePointer, parse_catalogue};

/// Skills in the index of an owner.
const MAX_OF_OWNER: usize = 200;
/// Skills in the index of the registry: whoever reads it downloads them all.
const MAX_FEATURED: usize = 50;

/// A file of a registry, its path from the top.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DerivedFile {
    pub path: String,
    pub bytes: Vec<u8>,
}

/// The version that stands for a skill: the highest that may be taken and is no pre-release.
pub fn newest_version(lines: &[PublishedVersion]) -> Option<&PublishedVersion> {
    let offered = lines.iter().filter(|line| line.is_offered() && line.version.pre.is_empty());
    offered.max_by(|a, b| a.version.cmp(&b.version))
}

/// The files of one skill: an index for its newest version and one for each, and its feed.
pub fn derive_skill_files(
    description: &RegistryDescription,
    name: &ScopedName,
    lines: &[PublishedVersion],
) -> Vec<DerivedFile> {
    let index =
        |folder: String, lines: &[&PublishedVersion]| well_known::write_index(description, &folder, lines);
    let newest: Vec<&PublishedVersion> = newest_version(lines).into_iter().collect();
    let mut files = vec![index(format!("{name}/"), &newest)];
    for line in lines.iter().filter(|line| line.removed.is_none()) {
        files.push(index(format!("{name}/{}/", well_known::version_folder(&line.version)), &[line]));
    }
    let all: Vec<&PublishedVersion> = lines.iter().collect();
    files.push(feed::write_feed(description, &format!("{name}/"), &name.to_string(), &all));
    files
}

/// The files of an owner, of what the catalogue says.
pub fn derive_owner_files(
    description: &RegistryDescription,
    owner: &OwnerName,
    entries: &[CatalogueEntry],
) -> Vec<DerivedFile> {
    let own = entries.iter().filter(|entry| entry.name.owner() == owner);
    let own: Vec<&PublishedVersion> = own.filter_map(|entry| entry.newest.as_ref()).collect();
    let folder = format!("{owner}/");
    vec![
        well_known::write_index(description, &folder, &latest_of(&own, MAX_OF_OWNER)),
        feed::write_feed(description, &folder, &owner.to_string(), &own),
    ]
}

/// The files of the whole registry, of what the catalogue says: first the index and the feed, then
/// the catalogue, and last the file that leads to it.
pub fn derive_root_files(description: &RegistryDescription, entries: &[CatalogueEntry]) -> Vec<DerivedFile> {
    let newest: Vec<&PublishedVersion> = entries.iter().filter_map(|entry| entry.newest.as_ref()).collect();
    let named: Vec<&PublishedVersion> = description
        .featured
        .iter()
        .filter_map(|name| newest.iter().copied().find(|line| line.name == *name))
        .take(MAX_FEATURED)
        .collect();
    let featured = if description.featured.is_empty() { latest_of(&newest, MAX_FEATURED) } else { named };
    let mut files = vec![
        well_known::write_index(description, "", &featured),
        feed::write_feed(description, "", &description.name, &newest),
    ];
    files.extend(catalogue::write_catalogue(description, entries));
    files
}

/// An index, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VersionIndex {
    /// As it is served.
    pub bytes: Vec<u8>,
    pub versions: Vec<PublishedVersion>,
}

impl VersionIndex {
    /// Reads the index of a skill.
    ///
    /// # Errors
    /// Those of [`parse_version_index`].
    pub fn parse(name: &ScopedName, bytes: Vec<u8>) -> Result<Self> {
        Ok(Self { versions: parse_version_index(name, &bytes)?, bytes })
    }

    /// The index of these versions.
    pub fn of_versions(versions: Vec<PublishedVersion>) -> Self {
        Self { bytes: write_version_index(&versions), versions }
    }
}

/// All files that are made of these indexes, in the order of their paths.
pub fn derive_all_files(
    description: &RegistryDescription,
    skills: &BTreeMap<ScopedName, VersionIndex>,
) -> Vec<DerivedFile> {
    let mut files = Vec::new();
    let mut entries = Vec::new();
    for (name, index) in skills {
        files.extend(derive_skill_files(description, name, &index.versions));
        entries.push(CatalogueEntry::of_index(name, &index.bytes, &index.versions));
    }
    let mut owners: Vec<&OwnerName> = skills.keys().map(ScopedName::owner).collect();
    owners.dedup();
    for owner in owners {
        files.extend(derive_owner_files(description, owner, &entries));
    }
    files.extend(derive_root_files(description, &entries));
    let versions = skills.values().flat_map(|index| &index.versions);
    let revoked: Vec<Revocation> = versions.filter_map(Revocation::of_version).collect();
    files.push(DerivedFile { path: REVOKED_FILE.to_owned(), bytes: write_revocations(&revoked) });
    files.sort_by(|a, b| a.path.cmp(&b.path));
    files
}

/// Whether a path is that of a file that is made of others.
pub fn is_derived_path(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    path.ends_with(".well-known/agent-skills/index.json")
        || name == "feed.atom"
        || matches!(path, CATALOGUE_POINTER | REVOKED_FILE)
        || (path.starts_with("catalogue/") && path.ends_with(".jsonl.gz"))
}

/// The versions that were published last, in the order of their names.
fn latest_of<'a>(newest: &[&'a PublishedVersion], most: usize) -> Vec<&'a PublishedVersion> {
    let mut all = newest.to_vec();
    all.sort_by(|a, b| b.published_at.cmp(&a.published_at).then_with(|| a.name.cmp(&b.name)));
    all.truncate(most);
    all.sort_by(|a, b| a.name.cmp(&b.name));
    all
}
