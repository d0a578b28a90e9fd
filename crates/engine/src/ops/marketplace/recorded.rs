//! Questions to a recorded marketplace: where it is, what its record pins, and which request
//! fetches it again in that state. Reads the record alone, no cache and no host.

use crate::fetch::marketplace::Place;
use crate::store::marketplaces::RegisteredMarketplace;
use ba_agent_core::catalog::root_of;
use ba_agent_core::digest::Digest;
use ba_agent_core::error::{Context as _, Result, error, printable};
use ba_agent_core::path::RelPath;
use ba_agent_core::registry::RevisionRecord;
use ba_agent_core::source::{Reference, Request, Resolved, Sha, Source};

/// Where a registered marketplace is.
///
/// # Errors
/// `Usage` where the recorded source or its manifest does not parse.
pub(super) fn place_of(known: &RegisteredMarketplace) -> Result<Place> {
    let mut place = Place::parse(&known.source).context(|| {
        format!("the source of the marketplace `{}` cannot be read", printable(&known.source, false))
    })?;
    if let (Place::Tree { request, manifest }, Some(recorded), true) =
        (&mut place, &known.manifest, known.named)
    {
        let base = request.subdirectory.as_ref().map_or("", |path| path.as_str());
        *manifest = Some(recorded.strip_prefix(base).unwrap_or(recorded).trim_start_matches('/').to_owned());
    }
    Ok(place)
}

/// The folder that the paths of the catalogue in this file start from.
///
/// # Errors
/// `NotFound` for a path that no source can have.
pub(super) fn root_of_catalogue(manifest: &str) -> Result<RelPath> {
    RelPath::of_folder(root_of(manifest)).map_err(|why| {
        error!(NotFound, "there is no catalogue `{}`", printable(manifest, false))
            .cause(format!("the path of its folder {why}"))
    })
}

/// True for a folder of this machine, which is read as it stands.
pub(crate) fn is_live(known: &RegisteredMarketplace) -> bool {
    let place = Place::parse(&known.source);
    matches!(place, Ok(Place::Tree { request, .. }) if matches!(request.source, Source::Local { .. }))
}

/// What a recorded archive must hash to.
pub(super) fn archive_pin(known: &RegisteredMarketplace) -> Option<Digest> {
    known.pin.archive.as_ref().and_then(|archive| archive.parse().ok())
}

/// The same request, held to the recorded commit where there is one.
///
/// # Errors
/// `Usage` where the recorded commit is not 40 hexadecimal digits.
pub(super) fn at_pin(request: &Request, pin: &RevisionRecord) -> Result<Request> {
    let mut request = request.clone();
    if let Some(commit) = &pin.commit {
        if let (Reference::Tail(tail), None) = (&request.reference, &request.subdirectory) {
            request.subdirectory = folder_of(tail, pin.chosen.as_deref());
        }
        request.reference = Reference::Sha(commit.parse::<Sha>()?);
    }
    Ok(request)
}

/// The branch or tag that the address of a page turned out to name: with it recorded, its folder
/// is known without asking again.
pub(super) fn settled_reference_name<'r>(asked: &Reference, resolved: &'r Resolved) -> Option<&'r str> {
    match (asked, &resolved.reference) {
        (Reference::Tail(_), Reference::Branch(name) | Reference::Tag(name) | Reference::Named(name)) => {
            Some(name)
        }
        _ => None,
    }
}

/// The folder at the end of a page's address. What stands before it is the branch or tag that
/// it was settled to, else one word: a commit, or so many digits of one.
fn folder_of(tail: &str, settled: Option<&str>) -> Option<RelPath> {
    let short = ["refs/heads/", "refs/tags/"].iter().find_map(|kind| tail.strip_prefix(kind));
    let tail = short.unwrap_or(tail);
    let folder = match settled.and_then(|settled| tail.strip_prefix(settled)) {
        Some(folder) => folder.trim_start_matches('/'),
        None => tail.split_once('/')?.1,
    };
    RelPath::parse(folder.as_bytes()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folder_of_a_page_is_what_stands_behind_its_reference() {
        let check = |tail: &str, settled: Option<&str>, expected: Option<&str>| {
            assert_eq!(folder_of(tail, settled).map(|path| path.to_string()).as_deref(), expected, "{tail}");
        };
        check("main/skills", Some("main"), Some("skills"));
        check("refs/heads/main/skills/x", Some("main"), Some("skills/x"));
        check("feature/deep/topic/skills", Some("feature/deep/topic"), Some("skills"));
        check("feature/deep", Some("feature/deep"), None);
        check("0123abc/skills", None, Some("skills"));
        check("0123abc", None, None);
    }
}
