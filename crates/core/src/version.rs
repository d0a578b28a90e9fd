//! Versions as tags and frontmatter spell them, and the choice of the best.

use semver::{Version, VersionReq};

use crate::error::{Result, error, printable};

/// The version that a tag stands for: `v1.2.3`, `1.2.3`; with `skill` given only that
/// skill's own tags, `NAME--v1.2.3`, `NAME@1.2.3` (each with or without `v`).
///
/// Tags are read to the letter of semver (`v1` and `v1.2` are moving marks, not
/// versions), so that a range never chooses one of those.
pub(crate) fn version_of_tag(tag: &str, skill: Option<&str>) -> Option<Version> {
    let version = match skill {
        None => tag,
        Some(name) => {
            let rest = tag.strip_prefix(name).filter(|_| !name.is_empty())?;
            rest.strip_prefix("--").or_else(|| rest.strip_prefix('@'))?
        }
    };
    Version::parse(version.strip_prefix('v').unwrap_or(version)).ok()
}

/// The tag with the highest version in `range`, among the repository's plain ones and those of
/// `skill`; without one also those that carry a name, where all carry the same. A pre-release
/// is chosen only when the range names one of the same version (the rule of semver's ranges,
/// also for `*`).
///
/// Of two tags for one version the skill's own is taken, of two of those (`v1.2.3` and `1.2.3`,
/// or different build metadata) the one that sorts last by build metadata, then by text: the
/// same on every run.
pub fn best_tag<'a>(
    range: &VersionReq,
    tags: impl IntoIterator<Item = &'a str> + Clone,
    skill: Option<&str>,
) -> Option<String> {
    let own = skill.or_else(|| only_skill_name(tags.clone()));
    let version = |tag: &'a str| {
        let named = own.and_then(|name| version_of_tag(tag, Some(name)));
        let is_own = named.is_some();
        Some((named.or_else(|| version_of_tag(tag, None))?, is_own, tag))
    };
    let all = tags.into_iter().filter_map(version);
    all.filter(|(version, ..)| range.matches(version)).max().map(|(.., tag)| tag.to_owned())
}

/// Whether a tag is a later version than another one, both being those of `skill` or plain.
pub fn is_newer_tag(tag: &str, than: &str, skill: &str) -> bool {
    let version = |tag| version_of_tag(tag, Some(skill)).or_else(|| version_of_tag(tag, None));
    matches!((version(tag), version(than)), (Some(new), Some(old)) if new > old)
}

/// The one name that tags such as `NAME--v1.2.3` and `NAME@1.2.3` carry.
fn only_skill_name<'a>(tags: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let name = |tag: &'a str| {
        let ends = tag.match_indices("--").chain(tag.match_indices('@')).map(|(at, _)| &tag[..at]);
        ends.into_iter().find(|name| version_of_tag(tag, Some(name)).is_some())
    };
    let mut names = tags.into_iter().filter_map(name);
    let first = names.next()?;
    names.all(|other| other == first).then_some(first)
}

/// The version that a tag carries for a skill: its own (`NAME--v1.2.3`), else a plain one.
pub fn version_in_tag(tag: &str, skill: &str) -> Option<Version> {
    version_of_tag(tag, Some(skill)).or_else(|| version_of_tag(tag, None))
}

/// The version that a skill gives itself, as lenient as people are: `v1.2` is 1.2.0.
pub fn parse_label(text: &str) -> Option<Version> {
    let text = text.trim();
    let text = text.strip_prefix(['v', 'V']).unwrap_or(text);
    let numbers = text.split('.').count();
    let is_short = numbers < 3 && text.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    let padded = if is_short { format!("{text}{}", ".0".repeat(3 - numbers)) } else { text.to_owned() };
    Version::parse(&padded).ok()
}

/// Reads a range; npm's blank between two comparisons is taken as a comma.
///
/// # Errors
/// `Usage` for what is not a range.
pub(crate) fn parse_range(text: &str) -> Result<VersionReq> {
    let commas = || {
        let words = text.split_ascii_whitespace().fold(String::new(), |mut all, word| {
            // A blank behind an operator (`>= 1`) separates nothing.
            if !all.is_empty() && !all.ends_with(['<', '>', '=', '^', '~', ',']) && !word.starts_with(',') {
                all.push(',');
            }
            all + word
        });
        VersionReq::parse(&words)
    };
    VersionReq::parse(text).or_else(|cause| commas().map_err(|_| cause)).map_err(|cause| {
        error!(Usage, "the version range `{}` cannot be read", printable(text, false))
            .cause(cause)
            .hint("write for instance `^1.2`, `~1.2.0`, `>=1,<2` or `1.*`")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_tag_is_a_version_or_is_not() {
        for (tag, skill, expected) in [
            ("v1.2.3", None, Some("1.2.3")),
            ("1.2.3", None, Some("1.2.3")),
            ("v1.2.3-rc.1", None, Some("1.2.3-rc.1")),
            ("pdf--v1.2.3", Some("pdf"), Some("1.2.3")),
            ("pdf--1.2.3", Some("pdf"), Some("1.2.3")),
            ("pdf@1.2.3", Some("pdf"), Some("1.2.3")),
            ("pdf@v1.2.3", Some("pdf"), Some("1.2.3")),
            ("pdf--v1.2.3", None, None),
            ("pdf--v1.2.3", Some("pd"), None),
            ("my-pdf@1.2.3", Some("pdf"), None),
            ("v1.2.3", Some("pdf"), None),
            ("--v1.2.3", Some(""), None),
            ("v1", None, None),
            ("v1.2", None, None),
            ("vv1.2.3", None, None),
            ("release-1.2.3", None, None),
        ] {
            assert_eq!(
                version_of_tag(tag, skill).map(|v| v.to_string()).as_deref(),
                expected,
                "{tag} {skill:?}"
            );
        }
    }

    #[test]
    fn a_label_is_read_as_people_write_it() {
        for (label, expected) in [
            ("1.2.3", Some("1.2.3")),
            ("v1.2", Some("1.2.0")),
            ("2", Some("2.0.0")),
            (" 1.0.0-rc.1 ", Some("1.0.0-rc.1")),
            ("1.2.3.4", None),
            ("latest", None),
            ("1..2", None),
            ("", None),
        ] {
            assert_eq!(parse_label(label).map(|v| v.to_string()).as_deref(), expected, "{label}");
        }
    }

    #[test]
    fn only_versions_are_newer_than_versions() {
        for (tag, than, expected) in [
            ("v2.0.0", "v1.9.0", true),
            ("v1.10.0", "1.9.0", true),
            ("pdf@2.0.0", "v1.0.0", true),
            ("v1.0.0", "v1.0.0", false),
            ("v1.9.0", "v2.0.0-rc.1", false),
            ("nightly", "v1.0.0", false),
            ("v2.0.0", "nightly", false),
            ("docx@2.0.0", "v1.0.0", false),
        ] {
            assert_eq!(is_newer_tag(tag, than, "pdf"), expected, "{tag} {than}");
        }
    }

    #[test]
    fn the_highest_in_the_range_is_chosen() {
        const TAGS: [&str; 12] = [
            "v1.0.0",
            "1.2.0",
            "v1.2.9",
            "v1.10.0",
            "v2.0.0-rc.1",
            "v2.0.0",
            "v3.0.0-beta.2",
            "v1",
            "nightly",
            "pdf--v1.3.0",
            "pdf@1.4.0",
            "docx--v9.0.0-alpha",
        ];
        for (range, skill, expected) in [
            ("^1", None, Some("v1.10.0")),
            ("~1.2.0", None, Some("v1.2.9")),
            (">=1,<2", None, Some("v1.10.0")),
            ("=1.2.0", None, Some("1.2.0")),
            ("1.*", None, Some("v1.10.0")),
            ("*", None, Some("v2.0.0")),
            (">=2.0.0-rc.0, <2.0.0", None, Some("v2.0.0-rc.1")),
            ("^3.0.0-beta.1", None, Some("v3.0.0-beta.2")),
            ("^3", None, None),
            ("^4", None, None),
            ("<1.5, >1.2", Some("pdf"), Some("pdf@1.4.0")),
            ("~1.3", Some("pdf"), Some("pdf--v1.3.0")),
            // The highest of all forms: plain tags are versions of every skill.
            ("^1.3", Some("pdf"), Some("v1.10.0")),
            ("^2", Some("pdf"), Some("v2.0.0")),
            ("^2", Some("xlsx"), Some("v2.0.0")),
            ("^1", Some("docx"), Some("v1.10.0")),
            ("=9.0.0-alpha", Some("docx"), Some("docx--v9.0.0-alpha")),
        ] {
            let range = VersionReq::parse(range).unwrap();
            assert_eq!(best_tag(&range, TAGS, skill).as_deref(), expected, "{range} {skill:?}");
        }
        let range = VersionReq::parse("*").unwrap();
        // Without a skill named tags count where they all carry one name.
        assert_eq!(best_tag(&range, ["one@1.2.0", "one--v1.1.0"], None).as_deref(), Some("one@1.2.0"));
        assert_eq!(best_tag(&range, ["one@1.2.0", "v1.3.0"], None).as_deref(), Some("v1.3.0"));
        assert_eq!(best_tag(&range, ["one@1.2.0", "two@1.3.0"], None), None);
        assert_eq!(best_tag(&range, ["a-b--v1.2.0", "a-b@1.3.0"], None).as_deref(), Some("a-b@1.3.0"));
        // The skill's own tag goes before a plain one of the same version.
        assert_eq!(best_tag(&range, ["v1.2.0", "pdf@1.2.0"], Some("pdf")).as_deref(), Some("pdf@1.2.0"));
        assert_eq!(best_tag(&range, ["1.0.0", "v1.0.0"], None).as_deref(), Some("v1.0.0"));
        assert_eq!(best_tag(&range, [], Some("pdf")), None);
    }

    proptest! {
        #[test]
        fn the_order_of_tags_does_not_matter(
            mut tags in proptest::collection::vec("v?[0-2]\\.[0-3]\\.[0-3](-rc\\.[0-9])?", 0..12),
            range in "(\\^|~|>=)[0-2]\\.[0-3]",
        ) {
            let range = VersionReq::parse(&range).unwrap();
            let of = |tags: &[String]| best_tag(&range, tags.iter().map(String::as_str), None);
            let first = of(&tags);
            tags.reverse();
            prop_assert_eq!(&of(&tags), &first);
            if let Some(tag) = first {
                let chosen = version_of_tag(&tag, None).unwrap();
                prop_assert!(range.matches(&chosen));
                prop_assert!(tags.iter().filter_map(|t| version_of_tag(t, None)).filter(|v| range.matches(v)).all(|v| v <= chosen));
            }
        }
    }
}
