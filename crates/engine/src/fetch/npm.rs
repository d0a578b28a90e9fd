//! World: packages of an npm registry. Two requests: what the registry says of a version,
//! then its tarball, held to the integrity that was named there or by the catalogue.

use base64::Engine as _;
use semver::{Version, VersionReq};
use serde::Deserialize;
use sha2::{Digest as _, Sha512};
use std::collections::BTreeMap;
use url::Url;

use super::{PackageSource, World};
use ba_agent_archive::open_archive;

use ba_agent_core::catalog::NpmPackage;
use ba_agent_core::digest::Digest;
use ba_agent_core::error::{Result, error, fail, printable};
use ba_agent_core::package::Package;
use ba_agent_core::source::{Reference, Resolved, Revision, Source};

/// Bytes of what a registry says of a package; the largest packages have some ten MB.
const MAX_METADATA: u64 = 32 << 20;

/// One version of a package, as a registry describes it.
#[derive(Deserialize)]
struct Release {
    dist: Dist,
}

#[derive(Deserialize, Clone)]
struct Dist {
    tarball: String,
    #[serde(default)]
    integrity: Option<String>,
}

/// All versions of a package.
#[derive(Deserialize)]
struct Releases {
    versions: BTreeMap<String, Release>,
}

/// Fetches a package: the tarball as an archive source, so that it can be installed again
/// without the registry.
///
/// # Errors
/// `NotFound` for a package or version that is not there, `Integrity` for other bytes than
/// promised, `Invalid` for a registry that names no integrity or no tarball.
pub(crate) fn open_npm(wanted: &NpmPackage, world: &World<'_>) -> Result<PackageSource<'static>> {
    let (dist, url) = find(wanted, world)?;
    let (resolved, tree) = download(wanted, &dist, &url, world)?;
    Ok(PackageSource::whole(resolved, tree))
}

/// Looks what a package is now, for a skill that came out of the tarball at `known`: another
/// tarball is one by its address, and costs no download. The bytes at the same address are
/// held to what the registry promises now; whether they are those of before, the pin tells.
///
/// # Errors
/// As [`open_npm`].
pub(crate) fn find_newer(wanted: &NpmPackage, known: &str, world: &World<'_>) -> Result<Option<Resolved>> {
    let (dist, url) = find(wanted, world)?;
    if url.as_str() != known {
        return Ok(None);
    }
    download(wanted, &dist, &url, world).map(|(resolved, _)| Some(resolved))
}

/// What the registry says of the wanted version, and where its tarball is.
fn find(wanted: &NpmPackage, world: &World<'_>) -> Result<(Dist, Url)> {
    let base = wanted.registry.as_deref().unwrap_or(&world.settings.hosts.npm_url).trim_end_matches('/');
    world.progress.begin(&format!("Fetching {}", printable(&wanted.name, false)));
    let dist = find_npm_release(wanted, base, world)?;
    let url = tarball_url_of(&dist, base, world)?;
    Ok((dist, url))
}

fn download(wanted: &NpmPackage, dist: &Dist, url: &Url, world: &World<'_>) -> Result<(Resolved, Package)> {
    let limits = &world.settings.limits;
    let bytes = world.net().download(url.as_str(), limits.download)?;
    let promises: Vec<&str> =
        wanted.integrity.as_deref().into_iter().chain(dist.integrity.as_deref()).collect();
    if promises.is_empty() {
        return Err(error!(
            Invalid,
            "the registry has no integrity for `{}`",
            printable(&wanted.name, false)
        )
        .hint("add `integrity` to the entry of the marketplace"));
    }
    for promise in promises {
        check_npm_integrity(&wanted.name, promise, &bytes)?;
    }
    let resolved = Resolved {
        source: Source::Archive { location: url.to_string() },
        reference: Reference::Default,
        chosen: None,
        pin: Revision::Archive(Digest::of(&bytes).as_hex().to_owned()),
        subdirectory: None,
    };
    Ok((resolved, open_archive(url.path(), &bytes, limits)?))
}

fn find_npm_release(wanted: &NpmPackage, base: &str, world: &World<'_>) -> Result<Dist> {
    // A scope's slash is part of the name, not of the path.
    let name = wanted.name.replace('/', "%2f");
    let version = wanted.version.as_deref().unwrap_or("latest").trim();
    let range = Version::parse(version).is_err().then(|| version_range_of(version)).flatten();
    let Some(range) = range else {
        let sound = version.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.+".contains(&b));
        if !sound || version.is_empty() {
            fail!(Invalid, "`{}` is not a valid package version", printable(version, false));
        }
        return Ok(get_npm_document::<Release>(&format!("{base}/{name}/{version}"), wanted, world)?.dist);
    };
    let package: Releases = get_npm_document(&format!("{base}/{name}"), wanted, world)?;
    best_in_range(package, &range)
        .map(|(_, release)| release.dist)
        .ok_or_else(|| error!(NotFound, "no version of `{}` is in {range}", printable(&wanted.name, false)))
}

/// The highest version of a package that a range allows; what is not a version is passed over.
fn best_in_range(package: Releases, range: &VersionReq) -> Option<(Version, Release)> {
    let versions = package
        .versions
        .into_iter()
        .filter_map(|(text, release)| Some((Version::parse(&text).ok()?, release)));
    versions.filter(|(version, _)| range.matches(version)).max_by(|a, b| a.0.cmp(&b.0))
}

/// A range as npm writes it, as far as it is one here too: blanks between comparators are
/// commas. `None` for a word such as `latest`.
fn version_range_of(text: &str) -> Option<VersionReq> {
    VersionReq::parse(&text.split_whitespace().collect::<Vec<_>>().join(", ")).ok()
}

fn get_npm_document<T: for<'de> Deserialize<'de>>(
    url: &str,
    wanted: &NpmPackage,
    world: &World<'_>,
) -> Result<T> {
    let bytes = world.net().download(url, MAX_METADATA)?;
    parse(&bytes, &wanted.name)
}

fn parse<T: for<'de> Deserialize<'de>>(answer: &[u8], package: &str) -> Result<T> {
    serde_json::from_slice(answer).map_err(|e| {
        error!(Invalid, "the answer of the registry for `{}` cannot be read", printable(package, false))
            .cause(e)
    })
}

/// The tarball's URL: https, unless the registry itself is on this machine.
fn tarball_url_of(dist: &Dist, base: &str, world: &World<'_>) -> Result<Url> {
    let url = world.net().parse_url(&dist.tarball)?;
    if url.scheme() != "https" && !base.starts_with("http://") {
        fail!(
            Invalid,
            "the registry names a tarball that is not on https: `{}`",
            printable(url.as_str(), false)
        );
    }
    Ok(url)
}

/// Holds bytes to a promise such as `sha512-…` in base64; of several hashes the strongest
/// that is known counts, and one of them must be known.
fn check_npm_integrity(package: &str, promise: &str, bytes: &[u8]) -> Result<()> {
    let encode = |bytes: &[u8]| base64::engine::general_purpose::STANDARD.encode(bytes);
    let named = |kind: &str| {
        let words = promise.split_whitespace().filter_map(|word| word.strip_prefix(kind)?.strip_prefix('-'));
        words.map(|word| word.split('?').next().unwrap_or(word).to_owned()).collect::<Vec<_>>()
    };
    let (strong, weak) = (named("sha512"), named("sha256"));
    let (promised, received) = if strong.is_empty() {
        (weak, encode(&sha2::Sha256::digest(bytes)))
    } else {
        (strong, encode(&Sha512::digest(bytes)))
    };
    let shown = printable(package, false);
    if promised.is_empty() {
        return Err(error!(Invalid, "the integrity of `{shown}` is not sha512 or sha256"));
    }
    if promised.contains(&received) {
        return Ok(());
    }
    Err(error!(Integrity, "the tarball of `{shown}` does not match its integrity")
        .cause(format!("expected: {}", printable(promise, false)))
        .cause(format!("received: {received}"))
        .hint("nothing was changed; ask its publisher which one is right"))
}

/// A line with the wanted version, and behind it what a registry answers: the version that is
/// taken is in the range, and a promise that is kept names the hash of the bytes.
#[cfg(any(test, fuzzing))]
pub(crate) fn check_any(data: &[u8]) {
    let mut parts = data.splitn(2, |byte| *byte == b'\n');
    let (first, answer) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let wanted = String::from_utf8_lossy(first);
    if let (Some(range), Ok(package)) = (version_range_of(&wanted), parse::<Releases>(answer, "p"))
        && let Some((version, _)) = best_in_range(package, &range)
    {
        assert!(range.matches(&version));
    }
    if let Ok(Release { dist }) = parse::<Release>(answer, "p")
        && let Some(promise) = dist.integrity
        && check_npm_integrity("p", &promise, b"abc").is_ok()
    {
        assert!(
            ["sha512-3a81oZNherrMQXNJriBBMRLm", "sha256-ungWv48Bz"].iter().any(|hash| promise.contains(hash))
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ba_agent_core::error::Kind;

    #[test]
    fn integrity_is_held_to_the_strongest_hash() {
        let strong =
            "sha512-3a81oZNherrMQXNJriBBMRLm+k6JqX6iCp7u5ktV05ohkpkqJ0/BqDa6PCOj/uu9RU1EI2Q86A4qmslPpUyknw==";
        let weak = "sha256-ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=";
        for (promise, kind) in [
            (strong, None),
            (weak, None),
            ("sha512-AAAA", Some(Kind::Integrity)),
            (&format!("sha512-AAAA {weak}")[..], Some(Kind::Integrity)),
            ("sha1-qZk+NkcGgWq6PiVxeFDCbJzQ2J0=", Some(Kind::Invalid)),
            ("", Some(Kind::Invalid)),
        ] {
            assert_eq!(check_npm_integrity("p", promise, b"abc").err().map(|e| e.kind), kind, "{promise}");
        }
    }

    #[test]
    fn ranges_and_tags_are_told_apart() {
        assert!(version_range_of("^1.2").is_some() && version_range_of(">=1.0.0 <2").is_some());
        assert!(version_range_of("latest").is_none() && version_range_of("next").is_none());
    }
}
