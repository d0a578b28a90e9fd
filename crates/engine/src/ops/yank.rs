//! `skill yank`: a published version that nobody should newly take.

use semver::Version;
use serde::Serialize;

use super::settle::open_session;
use crate::registry_files::{LOG_KEY_VARIABLE, RegistryFiles};
use crate::workspace::{Observer, Workspace};
use ba_agent_core::error::{Result, error, printable};
use ba_agent_core::remote_registry::{ScopedName, VersionChange};
use ba_agent_objects::Objects;

/// What is yanked, and where.
#[derive(Debug, Clone, Default)]
pub struct YankOptions {
    /// `@owner/name@version`.
    pub what: String,
    /// Why, for whoever has it.
    pub reason: Option<String>,
    /// It may be taken again.
    pub undo: bool,
    /// A folder or a bucket.
    pub to: Option<String>,
}

/// What was yanked.
#[derive(Debug, Serialize)]
pub struct YankReport {
    /// The registry, as a person calls it.
    pub registry: String,
    pub name: ScopedName,
    pub version: Version,
    pub yanked: bool,
    /// False where it was so already.
    pub changed: bool,
}

/// Yanks a version, or takes that back. Whoever has it in a lock keeps it.
///
/// # Errors
/// `Usage` for what names no version or no registry; `NotFound` for a version that is not there;
/// `Conflict` for one that was removed; those of reading and writing.
pub fn yank(workspace: &Workspace, options: &YankOptions, observer: &dyn Observer) -> Result<YankReport> {
    let (name, version) = parse_version_name(&options.what)?;
    let session = open_session(workspace, observer)?;
    let world = session.world();
    let place = options.to.as_deref().ok_or_else(|| {
        error!(Usage, "it is not said which registry has `{name}`")
            .hint("name a folder, a bucket or a registry: `--to DIR`, `--to s3://BUCKET/PREFIX`")
    })?;
    let objects = Objects::open(place, &session.env, world.net())?;
    let registry = objects.shown();
    let Ok(files) = RegistryFiles::open(objects)? else {
        return Err(error!(NotFound, "there is no registry in `{registry}`")
            .hint("a registry has a `registry.json` at its top"));
    };
    let log_key = session
        .env
        .var(LOG_KEY_VARIABLE)
        .filter(|file| !file.is_empty())
        .map(|file| session.env.absolute(file.as_ref()));
    let files = files.with_log_key(log_key.as_deref())?;
    let change = match options.undo {
        true => VersionChange::Unyank,
        false => VersionChange::Yank { reason: options.reason.clone() },
    };
    let changed = files.change_line(&name, &version, &change, session.env.now)?;
    Ok(YankReport { registry, name, version, yanked: !options.undo, changed })
}

/// `@owner/name@version`; `#` as in a source does too.
fn parse_version_name(text: &str) -> Result<(ScopedName, Version)> {
    let at = text.rfind(['@', '#']).filter(|at| *at > 0);
    let parts = at.and_then(|at| Some((text.get(..at)?, text.get(at + 1..)?)));
    let Some((name, version)) = parts else {
        return Err(error!(Usage, "`{}` names no version", printable(text, false))
            .hint("write `@OWNER/NAME@VERSION`, for instance `@acme/pdf-tables@1.2.0`"));
    };
    let bare = version.strip_prefix('v').unwrap_or(version);
    let version = Version::parse(bare).map_err(|e| {
        error!(Usage, "`{}` is not a version", printable(version, false))
            .cause(e)
            .hint("one version is yanked at a time")
    })?;
    Ok((name.parse()?, version))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_of_a_skill_is_named() {
        for text in ["@acme/pdf@1.2.0", "@acme/pdf@v1.2.0", "@acme/pdf#1.2.0"] {
            let (name, version) = parse_version_name(text).unwrap();
            assert_eq!(
                (name.to_string(), version.to_string()),
                ("@acme/pdf".into(), "1.2.0".into()),
                "{text}"
            );
        }
        for bad in
            ["", "@acme/pdf", "@acme", "pdf@1.2.0", "@acme/pdf@1.2", "@acme/pdf@^1", "@acme/@1.0.0", "#1.0.0"]
        {
            assert!(parse_version_name(bad).is_err(), "{bad}");
        }
    }
}
