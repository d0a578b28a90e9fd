//! Which version of a published skill is taken.

use std::fmt;
use std::str::FromStr;

use jiff::{SignedDuration, Timestamp};
use semver::{Version, VersionReq};

use super::published_version::{PublishedVersion, version_key};
use super::revocation::Revocation;
use super::version_index::list_versions;
use crate::error::{Error, Result, error, printable};
use crate::text::{format_age, shorten_text};
use crate::version::parse_range;

/// What was asked for behind `#`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum VersionWanted {
    /// The highest one that is no pre-release.
    #[default]
    Newest,
    /// This one alone: `1.2.0`.
    Exact(Version),
    /// The highest one of a range: `^1.2`, `1.2` (any 1.2.x), `>=1,<2`.
    Range(VersionReq),
}

impl FromStr for VersionWanted {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let text = text.trim();
        if matches!(text, "" | "latest" | "*") {
            return Ok(Self::Newest);
        }
        let bare = text.strip_prefix(['v', 'V']).unwrap_or(text);
        if let Ok(version) = Version::parse(bare) {
            return Ok(Self::Exact(version));
        }
        let is_part =
            bare.split('.').all(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit()));
        let range =
            if is_part { VersionReq::parse(&format!("={bare}")).ok() } else { parse_range(text).ok() };
        range.map(Self::Range).ok_or_else(|| {
            let shown = printable(&shorten_text(text, 80), false);
            error!(Usage, "`{shown}` is not a version, nor a range of versions").hint(
                "a registry has versions, no branches: write for instance `#1.2.0`, `#^1.2` or `#>=1,<2`",
            )
        })
    }
}

impl fmt::Display for VersionWanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Newest => f.write_str("latest"),
            Self::Exact(version) => version.fmt(f),
            Self::Range(range) => range.fmt(f),
        }
    }
}

/// The highest version that is wanted and may be taken: not yanked, removed or revoked, and not
/// younger than `minimum_age`, which one that is named exactly may be.
///
/// # Errors
/// `Integrity` where only revoked ones are left; `NotFound` where there is none, saying why those
/// that there are were not taken.
pub fn choose_version<'a>(
    lines: &'a [PublishedVersion],
    wanted: &VersionWanted,
    now: Timestamp,
    minimum_age: Option<SignedDuration>,
    revoked: &[Revocation],
) -> Result<&'a PublishedVersion> {
    let is_wanted = |line: &&PublishedVersion| match wanted {
        VersionWanted::Newest => line.version.pre.is_empty(),
        VersionWanted::Exact(version) => version_key(version) == version_key(&line.version),
        VersionWanted::Range(range) => range.matches(&line.version),
    };
    let mut candidates: Vec<&PublishedVersion> = lines.iter().filter(is_wanted).collect();
    candidates.sort_by(|a, b| b.version.cmp(&a.version));
    let age = minimum_age.filter(|_| !matches!(wanted, VersionWanted::Exact(_)));
    let mut refusals = Vec::new();
    for line in &candidates {
        match refuse_version(line, now, age, revoked) {
            None => return Ok(line),
            Some(refusal) => refusals.push(refusal),
        }
    }
    Err(no_version_error(lines, wanted, &refusals))
}

/// Why a version is not taken.
struct VersionRefusal {
    is_revoked: bool,
    is_too_new: bool,
    why: String,
}

fn refuse_version(
    line: &PublishedVersion,
    now: Timestamp,
    minimum_age: Option<SignedDuration>,
    revoked: &[Revocation],
) -> Option<VersionRefusal> {
    let version = &line.version;
    let refuse = |why: String| VersionRefusal { is_revoked: false, is_too_new: false, why };
    let shown = |reason: &str| printable(&shorten_text(reason, 200), false);
    if let Some(revocation) = revoked.iter().find(|one| one.digest == line.digest) {
        let why = format!("{version} was taken down: {}", shown(&revocation.reason));
        return Some(VersionRefusal { is_revoked: true, ..refuse(why) });
    }
    if let Some(removal) = &line.removed {
        let why = format!("{version} was removed: {}", shown(&removal.reason));
        return Some(VersionRefusal { is_revoked: removal.revoked, ..refuse(why) });
    }
    if line.yanked {
        let reason = line.yank_reason.as_deref().map(|reason| format!(": {}", shown(reason)));
        return Some(refuse(format!("{version} was yanked{}", reason.unwrap_or_default())));
    }
    let is_too_new = minimum_age.is_some_and(|least| now.duration_since(line.published_at) < least);
    is_too_new.then(|| {
        let age = format_age(line.published_at, now);
        let why = format!("{version} was published {age}, and `minimum_release_age` waits longer");
        VersionRefusal { is_too_new: true, ..refuse(why) }
    })
}

fn no_version_error(
    lines: &[PublishedVersion],
    wanted: &VersionWanted,
    refusals: &[VersionRefusal],
) -> Error {
    const SHOWN: usize = 5;
    let name = lines.first().map_or_else(|| "the skill".to_owned(), |line| format!("`{}`", line.name));
    let what = match wanted {
        VersionWanted::Newest => String::new(),
        VersionWanted::Exact(version) => format!(" {version}"),
        VersionWanted::Range(range) => format!(" that matches `{}`", printable(&range.to_string(), false)),
    };
    let is_revoked = !refusals.is_empty() && refusals.iter().all(|refusal| refusal.is_revoked);
    let mut error = if is_revoked {
        error!(Integrity, "{name} has no version{what} that was not taken down")
    } else {
        error!(NotFound, "{name} has no version{what} that may be installed")
    };
    for refusal in refusals.iter().take(SHOWN) {
        error = error.cause(&refusal.why);
    }
    if refusals.iter().any(|refusal| refusal.is_too_new) {
        return error.hint("name the version exactly to take it before its time, for instance `#1.2.0`");
    }
    let only_early = refusals.is_empty() && lines.iter().all(|line| !line.version.pre.is_empty());
    if only_early && !lines.is_empty() {
        return error.hint(format!("{}: name a pre-release exactly to take it", list_versions(lines)));
    }
    error.hint(list_versions(lines))
}
