//! What the cache knows of a repository, for who may ask nobody: completion of a command line, and
//! the search for where a skill comes from.

use crate::address::url_of;
use crate::commit_index::{load_commit, load_refs, repository_key};
use crate::refs::Refs;
use crate::walk;
use crate::{LARGEST_COMMIT, parse_object_id};
use ba_agent_core::path::RelPath;
use ba_agent_core::skill::MANIFEST;
use ba_agent_core::source::{Sha, Source};
use ba_agent_net::hosts::HostSettings;
use ba_agent_system::cache::Cache;
use git2::ObjectType;

/// The branches and tags of a repository as they were when it was last asked.
pub fn recall_refs(source: &Source, hosts: &HostSettings, cache: &Cache) -> Option<Refs> {
    let url = url_of(source, hosts)?;
    load_refs(&repository_key(source, &url), cache).map(|(refs, _)| refs)
}

/// Where a folder with this id is among the skills of a repository, as its default branch was when
/// it was last asked: the commit, and the folder in it.
pub fn recall_folder(
    source: &Source,
    tree: &str,
    hosts: &HostSettings,
    cache: &Cache,
) -> Option<(Sha, RelPath)> {
    let key = repository_key(source, &url_of(source, hosts)?);
    let sha = load_refs(&key, cache).and_then(|(refs, _)| refs.head)?;
    let (objects, _) = load_commit(&key, &sha, cache)?;
    let commit = objects.read(parse_object_id(&sha).ok()?, ObjectType::Commit, LARGEST_COMMIT).ok()?;
    let root = walk::tree_of(&commit).ok()?;
    let listed = walk::list_tree(&objects, root, None).ok()?;
    let manifests = listed.listing.entries().iter().filter(|entry| entry.path.name() == MANIFEST);
    let mut folders = manifests.map(|entry| entry.path.parent());
    let is_meant = |folder: &RelPath| matches!(walk::folder_id(&objects, root, folder.as_str()), Ok(Some(id)) if id.to_string() == tree);
    folders.find(is_meant).map(|folder| (sha, folder))
}

/// What the skills of a commit that is in the cache seem to be called: a skill may give itself
/// another name than its folder has, which only its text says.
pub fn recall_skills(
    source: &Source,
    reference: Option<&str>,
    hosts: &HostSettings,
    cache: &Cache,
) -> Option<Vec<String>> {
    let key = repository_key(source, &url_of(source, hosts)?);
    let refs = load_refs(&key, cache).map(|(refs, _)| refs).unwrap_or_default();
    let sha = match reference {
        None => refs.head?,
        Some(name) => {
            let branch = refs.branches.get(name).cloned();
            let tag = || refs.tags.get(name).map(|tag| tag.commit.clone());
            branch.or_else(tag).or_else(|| name.parse().ok())?
        }
    };
    let (objects, known) = load_commit(&key, &sha, cache)?;
    let commit = objects.read(parse_object_id(&sha).ok()?, ObjectType::Commit, LARGEST_COMMIT).ok()?;
    let tree = walk::list_tree(&objects, walk::tree_of(&commit).ok()?, None).ok()?;
    let folders = tree.listing.entries().iter().filter(|entry| entry.path.name() == MANIFEST);
    let name = |folder: RelPath| {
        let named = known.iter().find(|known| known.folder == folder).and_then(|known| known.name.as_ref());
        named.map(ToString::to_string).or_else(|| folder.last_name().map(str::to_owned))
    };
    Some(folders.filter_map(|entry| name(entry.path.parent())).collect())
}
