//! One item of a list of dependencies: a word, or a map of what is known of it.

use semver::VersionReq;

use crate::skill::SkillName;
use crate::skill::yaml::{Data, Yaml};
use crate::source::{Request, Source};

/// An item as it is written.
pub(super) enum Item {
    Word(String),
    Map(Vec<(String, Yaml)>),
    /// `name: range`.
    Pair(String, String),
    /// A list, or nothing.
    Other(String),
}

/// A skill that an item asks for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct NeededSkill {
    /// Empty where only a path is written.
    pub(super) name: String,
    /// As it is written, for a list of packages.
    pub(super) written: String,
    pub(super) range: Option<String>,
    /// A range is written that is not one.
    pub(super) bad_range: bool,
    /// Canonical, without a skill.
    pub(super) source: Option<String>,
    pub(super) marketplace: Option<String>,
    /// `./x` or `../x`.
    pub(super) path: Option<String>,
    pub(super) optional: bool,
    /// It is called a skill (`skill:`, `slug:`), so it is not a package.
    pub(super) is_skill: bool,
}

impl Item {
    pub(super) fn of(value: &Yaml) -> Self {
        match &value.data {
            Data::Scalar { text, .. } if !value.is_null() => Self::Word(text.trim().to_owned()),
            Data::Map(pairs) => Self::Map(pairs.iter().map(|(k, v)| (k.key_text(), v.clone())).collect()),
            _ => Self::Other(value.key_text()),
        }
    }

    /// A key with its value, where a map stands in the place of the list.
    pub(super) fn of_pair(key: &str, value: &Yaml) -> Self {
        match &value.data {
            Data::Map(pairs) => {
                let mut all: Vec<_> = pairs.iter().map(|(k, v)| (k.key_text(), v.clone())).collect();
                let name = Data::Scalar { text: key.to_owned(), plain: false };
                all.push(("name".to_owned(), Yaml { at: value.at, data: name }));
                Self::Map(all)
            }
            Data::Scalar { text, .. } if !value.is_null() => Self::Pair(key.to_owned(), text.clone()),
            Data::Scalar { .. } => Self::Word(key.to_owned()),
            // `python: [a, b]`: packages, by the program that installs them.
            Data::List(_) => Self::Other(format!("{key}: {}", value.key_text())),
        }
    }

    /// The skill that is asked for.
    ///
    /// # Errors
    /// The text, where it is not one.
    pub(super) fn understand(self) -> Result<NeededSkill, String> {
        match self {
            Self::Word(text) => of_word(&text).ok_or(text),
            Self::Pair(name, range) => {
                let written = format!("{name} {range}");
                let of_name = name.parse::<SkillName>().ok().map(|_| with_range(&name, Some(&range)));
                of_name.map(|needed| NeededSkill { written: written.clone(), ..needed }).ok_or(written)
            }
            Self::Map(pairs) => of_map(&pairs),
            Self::Other(text) => Err(text),
        }
    }
}

/// `name`, `name@RANGE`, `name RANGE`, `owner/repo@name`, `./x`.
fn of_word(text: &str) -> Option<NeededSkill> {
    let written = text.to_owned();
    if text.starts_with("./") || text.starts_with("../") {
        let path = Some(text.to_owned());
        return Some(NeededSkill { written, path, is_skill: true, ..NeededSkill::default() });
    }
    if text.contains(['/', ':']) {
        return Some(NeededSkill { written, is_skill: true, ..of_source(text)? });
    }
    let end = text.find(|c: char| c == '@' || c.is_whitespace()).unwrap_or(text.len());
    let (name, range) = text.split_at(end);
    let range = range.trim_start_matches('@').trim();
    name.parse::<SkillName>().ok()?;
    let range = (!range.is_empty()).then_some(range);
    Some(NeededSkill { written, ..with_range(name, range) })
}

/// A source that names its skill.
fn of_source(text: &str) -> Option<NeededSkill> {
    // `@scope/name` is a package, and so is what pip takes from a repository.
    if text.starts_with('@') || text.contains("git+") {
        return None;
    }
    let (text, range) = match text.split_once(char::is_whitespace) {
        Some((text, range)) => (text, Some(range.trim())),
        None => (text, None),
    };
    let request = Request::parse(text).ok()?;
    if matches!(request.source, Source::Local { .. } | Source::Archive { .. }) {
        return None;
    }
    if let Source::Marketplace { entry, marketplace } = &request.source {
        // `name@1.2` is a version, which a marketplace cannot be called; `name@word` is one.
        entry.parse::<SkillName>().ok()?;
        let marketplace = Some(marketplace.clone());
        return Some(NeededSkill { marketplace, ..with_range(entry, range) });
    }
    let by_path = request.subdirectory.as_ref().and_then(|folder| folder.last_name()).map(str::to_owned);
    let name = request.skill.clone().or(by_path)?;
    name.parse::<SkillName>().ok()?;
    let source = Some(Request { skill: None, ..request }.to_string());
    Some(NeededSkill { source, ..with_range(&name, range) })
}

fn of_map(pairs: &[(String, Yaml)]) -> Result<NeededSkill, String> {
    let get = |wanted: &str| {
        let found = pairs.iter().find(|(key, _)| key == wanted);
        found.and_then(|(_, value)| value.as_text()).map(str::to_owned)
    };
    let shown = || pairs.iter().map(|(k, v)| format!("{k}: {}", v.key_text())).collect::<Vec<_>>().join(", ");
    let skill = get("skill").or_else(|| get("slug"));
    let is_skill = skill.is_some();
    let word = skill.or_else(|| get("name")).or_else(|| get("path")).ok_or_else(shown)?;
    let mut needed = of_word(word.trim()).ok_or_else(shown)?;
    needed.written = shown();
    needed.is_skill |= is_skill;
    let range = get("version").or_else(|| get("range"));
    if let Some(range) = range {
        let of_range = with_range(&needed.name, Some(&range));
        (needed.range, needed.bad_range) = (of_range.range, of_range.bad_range);
    }
    if let Some(source) = get("source").or_else(|| get("repository")) {
        let request = Request::parse(source.trim()).map_err(|_| shown())?;
        match &request.source {
            // What lies on some machine says nothing to others.
            Source::Local { .. } | Source::Own { .. } => return Err(shown()),
            Source::Marketplace { marketplace, .. } => needed.marketplace = Some(marketplace.clone()),
            _ => needed.source = Some(Request { skill: None, ..request }.to_string()),
        }
    }
    needed.marketplace = get("marketplace").or(needed.marketplace);
    let is_yes = |text: String| matches!(text.as_str(), "true" | "yes" | "True" | "1");
    needed.optional = get("optional").is_some_and(is_yes);
    Ok(needed)
}

fn with_range(name: &str, range: Option<&str>) -> NeededSkill {
    let read = range.map_or(Ok(None), parse_range);
    NeededSkill {
        name: name.to_owned(),
        bad_range: read.is_err(),
        range: read.unwrap_or_default(),
        ..NeededSkill::default()
    }
}

/// A range as files write it: semver's, with commas or blanks between its parts; `None` for the
/// words that mean any version.
///
/// # Errors
/// Nothing, for a text that is no range.
pub(super) fn parse_range(text: &str) -> Result<Option<String>, ()> {
    let text = text.trim();
    if matches!(text, "" | "*" | "x" | "any" | "latest") {
        return Ok(None);
    }
    if VersionReq::parse(text).is_ok() {
        return Ok(Some(text.to_owned()));
    }
    // `>=1.2 <2`, as npm writes it.
    let parts: Vec<&str> = text.split([' ', ',']).filter(|part| !part.is_empty()).collect();
    let joined = parts.join(", ");
    match VersionReq::parse(&joined) {
        Ok(_) => Ok(Some(joined)),
        Err(_) => Err(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_semvers_however_its_parts_are_joined() {
        for (text, expected) in [
            ("^1.2", Ok(Some("^1.2"))),
            ("1.2.0", Ok(Some("1.2.0"))),
            (">=1.2 <2", Ok(Some(">=1.2, <2"))),
            (">=1,<2", Ok(Some(">=1,<2"))),
            ("latest", Ok(None)),
            (" * ", Ok(None)),
            ("", Ok(None)),
            ("^1 || ^2", Err(())),
            ("newest", Err(())),
            ("1.2.3.4", Err(())),
            ("~=1.2", Err(())),
        ] {
            assert_eq!(parse_range(text), expected.map(|range| range.map(str::to_owned)), "{text}");
        }
    }

    #[test]
    fn a_word_is_a_skill_or_is_not() {
        for (text, name, range, source) in [
            ("charts", "charts", None, None),
            ("charts@^1.2", "charts", Some("^1.2"), None),
            ("charts ^1.2", "charts", Some("^1.2"), None),
            ("charts >=1, <2", "charts", Some(">=1, <2"), None),
            ("charts@1.2.0", "charts", Some("1.2.0"), None),
            ("acme/repo@charts", "charts", None, Some("github:acme/repo")),
            ("github:acme/repo@charts ^2", "charts", Some("^2"), Some("github:acme/repo")),
            ("acme/repo/skills/charts", "charts", None, Some("github:acme/repo/skills/charts")),
        ] {
            let needed = of_word(text).unwrap_or_else(|| panic!("{text}"));
            assert_eq!(
                (needed.name.as_str(), needed.range.as_deref(), needed.source.as_deref()),
                (name, range, source),
                "{text}"
            );
        }
        for text in [
            "autogpt-platform>=0.4.0",
            "torch==2.0",
            "@scope/package",
            "@scope/package@1",
            "pandas[excel]",
            "git+https://example.com/a/b.git",
            "https://user:secret@example.com/a.git",
            "/etc/passwd",
            "~/secret",
            "file:///home/me/x",
            "Charts",
            "..",
            "a\u{1b}[31m",
            "",
        ] {
            assert_eq!(of_word(text), None, "{text}");
        }
    }
}
