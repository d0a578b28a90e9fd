//! Skills that a remote registry serves: `@owner/name`, a version or range behind `#`, and before
//! it the name that the registry has in the settings, or its whole address.
//!
//! ```text
//! scoped = [ registry ":" | "registry+" url "/" ] "@" owner "/" name [ "#" ( version | range ) ]
//! ```

use semver::Version;
use url::Url;

use super::names::PREFIXES;
use super::{Reference, Request, Source};
use crate::error::{Error, Kind, Result, error, printable};
use crate::remote_registry::{ScopedName, VersionWanted};

/// Which remote registry a skill is asked for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RegistryChoice {
    /// The one to which the settings give the scope, else their default one.
    OfScope,
    /// The one that the settings call so.
    Named(String),
    /// The one at this address, which has no slash at its end: what is recorded.
    At(String),
}

/// What stands before the address of a registry in what is recorded.
const PREFIX: &str = "registry+";

/// Characters of the name of a registry in the settings.
const LONGEST_NAME: usize = 39;

/// What the settings may call a registry: small letters, digits and inner dashes, and not a word
/// that stands for another kind of source before a colon.
pub fn is_registry_name(text: &str) -> bool {
    let is_inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    let known = ["own", "http", "git", "npm", "file", "ssh"];
    let is_taken =
        known.contains(&text) || PREFIXES.iter().any(|prefix| prefix.trim_end_matches([':', '/']) == text);
    (1..=LONGEST_NAME).contains(&text.len())
        && text.bytes().all(is_inner)
        && !text.starts_with('-')
        && !text.ends_with('-')
        && !is_taken
}

/// The address of a registry as it is recorded: without a slash at its end.
///
/// # Errors
/// `Usage` for what is not an `https:`, `http:` or `file:` address, and for one with a login, a
/// query or a fragment.
pub fn parse_registry_address(text: &str) -> Result<String> {
    let shown = printable(text, false);
    let hint = "write for example `https://skills.example.org`, or `file:///srv/skills` for a folder";
    let url = Url::parse(text.trim_ascii())
        .map_err(|e| error!(Usage, "`{shown}` is not the address of a registry").cause(e).hint(hint))?;
    let has_place = match url.scheme() {
        "https" | "http" => url.has_host(),
        "file" => url.host().is_none() && url.path().len() > 1,
        _ => false,
    };
    if !has_place {
        return Err(error!(Usage, "`{shown}` is not the address of a registry").hint(hint));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(error!(Usage, "the address of a registry contains a user name or password")
            .hint("write it without; `ba-agent login` keeps the token for it"));
    }
    if text.contains("${") {
        return Err(error!(
            Usage,
            "`{shown}` has a variable, which is not replaced in the address of a registry"
        )
        .hint("write the address out"));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(error!(Usage, "`{shown}` has more behind the address of the registry")
            .hint("write it without `?` and `#`"));
    }
    Ok(url.as_str().trim_end_matches('/').to_owned())
}

/// True for text that can only be recorded of a registry.
pub(super) fn is_recorded(word: &str) -> bool {
    word.get(..PREFIX.len()).is_some_and(|start| start.eq_ignore_ascii_case(PREFIX))
}

/// Reads `registry+URL/@owner/name`.
///
/// # Errors
/// `Usage` for another address, and for what is no name of a skill.
pub(super) fn parse_recorded(text: &str) -> Result<Request> {
    let rest = text.get(PREFIX.len()..).unwrap_or_default();
    let end = rest.find('#').unwrap_or(rest.len());
    let Some(at) = rest[..end].rfind("/@") else {
        return Err(error!(Usage, "`{}` does not name a skill of a registry", printable(text, false))
            .hint("write it like `registry+https://skills.example.org/@owner/name`, or just `@owner/name`"));
    };
    let address = parse_registry_address(&rest[..at])?;
    parse_scoped(&rest[at + 1..], RegistryChoice::At(address))
}

/// Reads `@owner/name` and what stands behind it, of this registry.
///
/// # Errors
/// `Usage` for what is no name, for a version behind another `@`, and for what is neither a
/// version nor a range behind `#`.
pub(super) fn parse_scoped(text: &str, registry: RegistryChoice) -> Result<Request> {
    let (name, version) = text.split_once('#').map_or((text, None), |(name, rest)| (name, Some(rest)));
    if let Some((name, version)) = name.get(1..).and_then(|rest| rest.split_once('@')) {
        let is_version = version_reference(version).is_ok();
        let (name, version) = (printable(name, false), printable(version, false));
        let error = error!(Usage, "`@{name}@{version}`: nothing stands behind another `@`");
        return Err(match is_version {
            true => error.hint(format!("for that version write `@{name}#{version}`")),
            false => error.hint(format!("for an entry of a marketplace write `'\"@{name}\"@{version}'`")),
        });
    }
    let skill: ScopedName = name.trim_end_matches('/').parse().map_err(|e| explain_name(name, e))?;
    let reference = version.map_or(Ok(Reference::Default), version_reference)?;
    let source = Source::RemoteRegistry { registry, skill };
    Ok(Request { source, reference, subdirectory: None, skill: None })
}

/// What a person may have meant by a name that is none.
fn explain_name(name: &str, error: Error) -> Error {
    let error = Error { kind: Kind::Usage, ..error };
    match name.trim_end_matches('/').strip_prefix('@') {
        Some(owner) if !owner.contains('/') && !owner.is_empty() => {
            let owner = printable(owner, false);
            error.hint(format!("`@{owner}` alone is an owner: write `@{owner}/NAME`"))
        }
        _ => error.hint("write it like `@owner/name`; for a repository write `owner/repo`"),
    }
}

/// What stands behind `#`, or behind `--ref`: a version, of which exactly that one is meant, or a
/// range.
///
/// # Errors
/// `Usage` for everything else.
pub(super) fn version_reference(text: &str) -> Result<Reference> {
    Ok(match text.parse()? {
        VersionWanted::Newest => Reference::Default,
        VersionWanted::Exact(version) => exactly(&version)?,
        VersionWanted::Range(range) => Reference::Range(range),
    })
}

/// The range that has one version.
fn exactly(version: &Version) -> Result<Reference> {
    let mut plain = version.clone();
    plain.build = semver::BuildMetadata::EMPTY;
    Reference::parse(&format!("={plain}"))
}

impl Reference {
    /// The version that is asked for by its whole number; `None` for a range that could have
    /// others too.
    pub fn exact_version(&self) -> Option<Version> {
        let Self::Range(range) = self else { return None };
        let [one] = &range.comparators[..] else { return None };
        let (minor, patch) = (one.minor?, one.patch?);
        (one.op == semver::Op::Exact)
            .then(|| Version { pre: one.pre.clone(), ..Version::new(one.major, minor, patch) })
    }
}

impl Reference {
    /// What it wants of a registry.
    pub fn to_version_wanted(&self) -> VersionWanted {
        match (self.exact_version(), self) {
            (Some(version), _) => VersionWanted::Exact(version),
            (None, Self::Range(range)) => VersionWanted::Range(range.clone()),
            _ => VersionWanted::Newest,
        }
    }
}

impl Source {
    /// The registry and the skill, of a source that a registry serves.
    pub fn as_registry_skill(&self) -> Option<(&RegistryChoice, &ScopedName)> {
        match self {
            Self::RemoteRegistry { registry, skill } => Some((registry, skill)),
            _ => None,
        }
    }
}

/// What is recorded of a skill, or what a person types for it.
pub(super) fn registry_text(registry: &RegistryChoice, skill: &ScopedName) -> String {
    match registry {
        RegistryChoice::OfScope => skill.to_string(),
        RegistryChoice::Named(name) => format!("{name}:{skill}"),
        RegistryChoice::At(url) => format!("{PREFIX}{url}/{skill}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_one_spelling_and_no_login() {
        for (text, expected) in [
            ("https://skills.acme.dev", Some("https://skills.acme.dev")),
            ("https://Skills.ACME.dev:443/", Some("https://skills.acme.dev")),
            ("http://127.0.0.1:8000/team//", Some("http://127.0.0.1:8000/team")),
            ("file:///srv/skills/", Some("file:///srv/skills")),
            ("file:///", None),
            ("file://host/skills", None),
            ("skills.acme.dev", None),
            ("ftp://skills.acme.dev", None),
            ("https://me:pw@skills.acme.dev", None),
            ("https://me@skills.acme.dev", None),
            ("https://${SECRET}.dev", None),
            ("https://skills.acme.dev/${SECRET}", None),
            ("https://skills.acme.dev/?a=b", None),
            ("https://skills.acme.dev/#x", None),
            ("", None),
        ] {
            assert_eq!(parse_registry_address(text).ok().as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn a_registry_is_called_by_a_plain_word() {
        for (text, expected) in [
            ("corp", true),
            ("acme-2", true),
            ("github", false),
            ("builtin", false),
            ("own", false),
            ("https", false),
            ("Corp", false),
            ("-corp", false),
            ("corp-", false),
            ("a.b", false),
            ("", false),
        ] {
            assert_eq!(is_registry_name(text), expected, "{text}");
        }
    }

    #[test]
    fn an_exact_version_is_told_from_a_range() {
        for (text, expected) in [
            ("1.2.0", Some("1.2.0")),
            ("v1.2.0", Some("1.2.0")),
            ("=1.2.0", Some("1.2.0")),
            ("1.2.0-rc.1", Some("1.2.0-rc.1")),
            ("1.2.0+build.7", Some("1.2.0")),
            ("=1.2", None),
            ("1.2", None),
            ("^1.2.0", None),
            (">=1.2.0, <2", None),
            ("*", None),
            ("latest", None),
        ] {
            let reference = version_reference(text).unwrap();
            assert_eq!(reference.exact_version().map(|v| v.to_string()).as_deref(), expected, "{text}");
        }
    }
}
