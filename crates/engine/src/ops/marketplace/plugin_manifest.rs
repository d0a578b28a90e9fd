//! The `plugin.json` of a plugin: where it may be in a source, and what it says.

use crate::fetch::marketplace::text;
use ba_agent_core::catalog::{PLUGIN_MANIFESTS, PluginManifest};
use ba_agent_core::error::{Result, error, printable};
use ba_agent_core::package::Package;
use ba_agent_core::path::RelPath;

/// Where the `plugin.json` of a plugin may be.
pub(super) fn plugin_manifests(root: &RelPath) -> impl Iterator<Item = String> {
    PLUGIN_MANIFESTS.iter().map(move |path| root.file(path))
}

/// The `plugin.json` of a plugin; [`plugin_manifests`] must be at hand.
///
/// # Errors
/// `Invalid` for one that cannot be read.
pub(super) fn plugin_manifest(package: &Package, root: &RelPath) -> Result<Option<PluginManifest>> {
    let Some(path) = plugin_manifests(root).find(|path| package.listing.entry_at(path).is_some()) else {
        return Ok(None);
    };
    let Some(text) = text(package, &path)? else { return Ok(None) };
    match PluginManifest::read(&text, &path) {
        (Some(manifest), _) => Ok(Some(manifest)),
        (None, findings) => {
            let error = error!(Invalid, "`{}` cannot be used", printable(&path, false));
            Err(findings.iter().fold(error, |error, finding| error.cause(finding)))
        }
    }
}
