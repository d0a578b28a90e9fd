//! The archive of a line: whether it is what the line says.

use serde_json::Value;

use ba_agent_archive::open_published_archive;
use ba_agent_core::digest::Digest;
use ba_agent_core::error::{Result, error};
use ba_agent_core::package::Package;
use ba_agent_core::path::RelPath;
use ba_agent_core::remote_registry::{Publication, PublishedVersion, PublishingLimits, describe_publication};

/// The files of an archive that is what its line promises: its bytes, and its files.
///
/// # Errors
/// `Integrity` for other bytes or files; `Invalid` for an archive that is not to be unpacked.
pub(crate) fn check_archive(
    line: &PublishedVersion,
    archive: &[u8],
    limits: &PublishingLimits,
) -> Result<Package> {
    let what = format!("the archive of `{}` {}", line.name, line.version);
    if archive.len() as u64 != line.size || Digest::of(archive) != line.digest {
        return Err(error!(Integrity, "{what} has other bytes than its line says")
            .cause(format!("expected: {}, {} bytes", line.digest, line.size))
            .cause(format!("found: {}, {} bytes", Digest::of(archive), archive.len())));
    }
    let package = open_published_archive(archive, limits)?;
    if package.dir(&RelPath::ROOT).digest()? != line.tree {
        return Err(error!(Integrity, "{what} has other files than its line says"));
    }
    Ok(package)
}

/// The keys of a line that say something else than its archive.
///
/// # Errors
/// `Invalid` where the archive's SKILL.md cannot be read.
pub(crate) fn find_untrue_keys(
    line: &PublishedVersion,
    archive: &[u8],
    package: &Package,
) -> Result<Vec<String>> {
    let publication = Publication {
        name: &line.name,
        version: &line.version,
        archive,
        published_at: line.published_at,
        by: None,
        source: None,
    };
    let described = describe_publication(package, publication)?;
    let (Ok(Value::Object(said)), Ok(Value::Object(found))) =
        (serde_json::to_value(line), serde_json::to_value(&described))
    else {
        return Ok(Vec::new());
    };
    // What only the registry knows, and what the version of a program reads out of a manifest.
    let computed = ["unpacked", "files", "description", "grants", "hooks", "scripts"];
    let differs = |key: &&&str| said.get(**key) != found.get(**key);
    Ok(computed.iter().filter(differs).map(|key| (*key).to_owned()).collect())
}
