//! World: the folder of a skill that a host serves file by file. Nothing but the host vouches
//! for the files, so all of them must come from it; the digest of the tree is the pin.

use url::Url;

use super::World;

use ba_agent_core::catalog::{MAX_BYTES, served_files};
use ba_agent_core::digest::Digest;
use ba_agent_core::error::{Result, error, printable};
use ba_agent_core::listing::{FileEntry, Listing, Node};
use ba_agent_core::package::Package;
use ba_agent_core::path::RelPath;

/// Fetches the index beside the folder, then each file that it lists. A file that is served
/// has no mode: none of them is executable.
///
/// # Errors
/// `NotFound` for a skill that the index does not list and for a file that is not there,
/// `Invalid` for names that must not be written and for more than the limits allow,
/// `Network` for a host that sends elsewhere.
pub(crate) fn open_served(url: &str, world: &World<'_>) -> Result<(Digest, Package)> {
    let folder = world.net().parse_url(url)?;
    world.progress.begin(&format!("Fetching {}", printable(url, false)));
    let files = list_served_folder(&folder, world)?;
    let (mut entries, mut blobs) = (Vec::new(), Vec::new());
    let mut left = world.settings.limits.unpacked;
    for (path, url) in files {
        let bytes = world.net().download_from_host(url.as_str(), left.min(world.settings.limits.file))?;
        let size = bytes.len() as u64;
        left = left.saturating_sub(size);
        entries.push(FileEntry { path, node: Node::File { executable: false }, size, slot: blobs.len() });
        blobs.push(bytes);
    }
    let package = Package::in_memory(Listing::new(entries), blobs);
    Ok((package.dir(&RelPath::ROOT).digest()?, package))
}

fn list_served_folder(folder: &Url, world: &World<'_>) -> Result<Vec<(RelPath, Url)>> {
    let unreadable =
        |cause: String| error!(Invalid, "the index beside `{folder}` cannot be read").cause(cause);
    let index = folder.join("index.json").map_err(|e| unreadable(e.to_string()))?;
    let bytes = world.net().download_from_host(index.as_str(), MAX_BYTES)?;
    let text = String::from_utf8(bytes).map_err(|_| unreadable("it is not UTF-8".to_owned()))?;
    let files = served_files(&text, &index, folder)?;
    let limit = world.settings.limits.skill_files;
    if files.len() > limit {
        return Err(error!(
            Invalid,
            "`{folder}` has {} files; the limit for a skill is {limit}",
            files.len()
        )
        .hint("raise `skills.limits.skill_files` in config.yaml if you trust it"));
    }
    Ok(files)
}
