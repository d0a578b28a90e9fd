//! Which version a publication is.

use semver::{BuildMetadata, Prerelease, Version};

use super::PublishOptions;
use ba_agent_core::error::{Result, error, printable};
use ba_agent_core::package::Package;
use ba_agent_core::path::RelPath;
use ba_agent_core::remote_registry::PublishedVersion;
use ba_agent_core::version::parse_label;

/// Which part of the last version is counted up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VersionBump {
    Patch,
    Minor,
    Major,
}

/// The version that was said, counted up, or that the skill itself says. Without any: that of the
/// same files, where they are there already; 0.1.0 for the first.
///
/// # Errors
/// `Usage` for what is not a version, for two that contradict each other, and where nothing says
/// one.
pub(super) fn choose_new_version(
    options: &PublishOptions,
    label: Option<&str>,
    there: &[PublishedVersion],
    package: &Package,
) -> Result<Version> {
    if let Some(text) = &options.version {
        let shown = printable(text, false);
        let bare = text.strip_prefix('v').unwrap_or(text);
        return Version::parse(bare).map_err(|e| {
            error!(Usage, "`{shown}` is not a version").cause(e).hint("write for instance `--version 1.2.0`")
        });
    }
    let last = there.iter().max_by(|a, b| a.version.cmp(&b.version));
    match (options.bump, last) {
        (Some(_), None) => {
            return Err(error!(Usage, "there is no version yet that could be counted up")
                .hint("name the first one: `--version 1.0.0`"));
        }
        (Some(bump), Some(last)) => return Ok(bump_version(&last.version, bump)),
        (None, _) => {}
    }
    if let Some(label) = label {
        return parse_label(label).ok_or_else(|| {
            error!(
                Usage,
                "the skill calls itself version `{}`, which is not a version",
                printable(label, false)
            )
            .hint("write `MAJOR.MINOR.PATCH` in its frontmatter, or name one with `--version`")
        });
    }
    let Some(last) = last else { return Ok(Version::new(0, 1, 0)) };
    let tree = package.dir(&RelPath::ROOT).digest()?;
    if let Some(same) = there.iter().rev().find(|one| one.tree == tree && one.removed.is_none()) {
        return Ok(same.version.clone());
    }
    let next = bump_version(&last.version, VersionBump::Patch);
    Err(error!(Usage, "it is not said which version this is")
        .cause(format!("the last one is {}", last.version))
        .hint(format!("`--bump patch` makes it {next}; or name one with `--version`")))
}

/// The next version. Of a pre-release, the next patch is its release.
fn bump_version(last: &Version, bump: VersionBump) -> Version {
    let (major, minor, patch) = (last.major, last.minor, last.patch);
    let is_release = last.pre.is_empty();
    let (major, minor, patch) = match bump {
        VersionBump::Patch if is_release => (major, minor, patch.saturating_add(1)),
        VersionBump::Patch => (major, minor, patch),
        VersionBump::Minor if is_release || patch > 0 => (major, minor.saturating_add(1), 0),
        VersionBump::Minor => (major, minor, 0),
        VersionBump::Major if is_release || minor > 0 || patch > 0 => (major.saturating_add(1), 0, 0),
        VersionBump::Major => (major, 0, 0),
    };
    Version { major, minor, patch, pre: Prerelease::EMPTY, build: BuildMetadata::EMPTY }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_counted_up() {
        for (last, patch, minor, major) in [
            ("1.2.3", "1.2.4", "1.3.0", "2.0.0"),
            ("0.1.0", "0.1.1", "0.2.0", "1.0.0"),
            ("1.2.3-rc.1", "1.2.3", "1.3.0", "2.0.0"),
            ("1.2.0-rc.1", "1.2.0", "1.2.0", "2.0.0"),
            ("2.0.0-rc.1+b", "2.0.0", "2.0.0", "2.0.0"),
        ] {
            let last = Version::parse(last).unwrap();
            let next = |bump| bump_version(&last, bump).to_string();
            let all = [next(VersionBump::Patch), next(VersionBump::Minor), next(VersionBump::Major)];
            assert_eq!(all, [patch, minor, major], "{last}");
        }
    }
}
