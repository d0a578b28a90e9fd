//! The files of a registry that are made of others: what can be thrown away and is made anew.
//!
//! The files of a skill are made of its index; those of an owner and of the whole registry of the
//! newest version of each skill, which the catalogue holds: so a publisher needs the one index that
//! it changes and the catalogue, and never reads them all. The same lines give the same bytes,
//! wherever and by whom they are made.

mod catalogue;
mod feed;
mod well_known;

use std::collections::BTreeMap;

use super::description::RegistryDescription;
use super::published_version::PublishedVersion;
use super::revocation::{Revocation, write_revocations};
use super::scoped_name::{OwnerName, ScopedName};
pub use catalogue::{CATALOGUE_FOLDER, CataloguePointer, parse_catalogue};

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

/// The files of an owner, of the newest version of each skill of it.
pub fn derive_owner_files(
    description: &RegistryDescription,
    owner: &OwnerName,
    newest: &[&PublishedVersion],
) -> Vec<DerivedFile> {
    let own: Vec<&PublishedVersion> =
        newest.iter().copied().filter(|line| line.name.owner() == owner).collect();
    let folder = format!("{owner}/");
    vec![
        well_known::write_index(description, &folder, &latest_of(&own, MAX_OF_OWNER)),
        feed::write_feed(description, &folder, &owner.to_string(), &own),
    ]
}

/// The files of the whole registry, of the newest version of each skill.
pub fn derive_root_files(
    description: &RegistryDescription,
    newest: &[&PublishedVersion],
) -> Vec<DerivedFile> {
    let named: Vec<&PublishedVersion> = description
        .featured
        .iter()
        .filter_map(|name| newest.iter().copied().find(|line| line.name == *name))
        .take(MAX_FEATURED)
        .collect();
    let featured = if description.featured.is_empty() { latest_of(newest, MAX_FEATURED) } else { named };
    let mut files = vec![
        well_known::write_index(description, "", &featured),
        feed::write_feed(description, "", &description.name, newest),
    ];
    files.extend(catalogue::write_catalogue(newest));
    files
}

/// All files that are made of these indexes, in the order of their paths.
pub fn derive_all_files(
    description: &RegistryDescription,
    skills: &BTreeMap<ScopedName, Vec<PublishedVersion>>,
) -> Vec<DerivedFile> {
    let mut files = Vec::new();
    for (name, lines) in skills {
        files.extend(derive_skill_files(description, name, lines));
    }
    let newest: Vec<&PublishedVersion> = skills.values().filter_map(|lines| newest_version(lines)).collect();
    let mut owners: Vec<&OwnerName> = skills.keys().map(ScopedName::owner).collect();
    owners.dedup();
    for owner in owners {
        files.extend(derive_owner_files(description, owner, &newest));
    }
    files.extend(derive_root_files(description, &newest));
    let revoked: Vec<Revocation> = skills.values().flatten().filter_map(Revocation::of_version).collect();
    files.push(DerivedFile {
        path: super::layout::REVOKED_FILE.to_owned(),
        bytes: write_revocations(&revoked),
    });
    files.sort_by(|a, b| a.path.cmp(&b.path));
    files
}

/// The versions that were published last, in the order of their names.
fn latest_of<'a>(newest: &[&'a PublishedVersion], most: usize) -> Vec<&'a PublishedVersion> {
    let mut all = newest.to_vec();
    all.sort_by(|a, b| b.published_at.cmp(&a.published_at).then_with(|| a.name.cmp(&b.name)));
    all.truncate(most);
    all.sort_by(|a, b| a.name.cmp(&b.name));
    all
}
