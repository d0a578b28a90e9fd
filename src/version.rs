//! Words: a stand-in until the real `version` module is merged; only its one signature
//! counts.

use semver::{Version, VersionReq};

/// The tag of the highest version in `range`: `v1.2.3`, `1.2.3`, and with a skill
/// `NAME--v1.2.3` or `NAME@1.2.3`.
pub(crate) fn best<'a>(
    range: &VersionReq,
    tags: impl Iterator<Item = &'a str>,
    skill: Option<&str>,
) -> Option<String> {
    let version = |tag: &str| {
        let own = skill
            .and_then(|s| tag.strip_prefix(s))
            .and_then(|t| t.strip_prefix("--").or(t.strip_prefix('@')));
        let text = own.unwrap_or(tag);
        Version::parse(text.strip_prefix('v').unwrap_or(text)).ok()
    };
    let fitting = tags.filter_map(|tag| Some((version(tag).filter(|v| range.matches(v))?, tag)));
    fitting.max().map(|(_, tag)| tag.to_owned())
}
