//! The name of a skill: the only way to name a folder in a skills directory, so
//! that no text of a skill can lead anywhere else.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use unicode_normalization::UnicodeNormalization as _;

use crate::error::{Error, Result, error, printable};

use super::rules::short_excerpt;

/// Characters of a name (open specification: 1-64).
pub(crate) const MAX_NAME: usize = 64;

/// 1-64 of `a-z 0-9 _ -`, beginning with a letter or digit, and no name of a
/// Windows device (`con`, `nul`, `com1` …), which no folder can have there.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SkillName(String);

impl SkillName {
    /// The text of the name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The nearest valid name: lower case, accents dropped, every run of other
    /// characters one `-`, cut at 64. `None` when nothing is left of `text`.
    pub fn nearest_to(text: &str) -> Option<Self> {
        let mut slug = String::new();
        for c in text.nfkd().flat_map(char::to_lowercase) {
            match c {
                'a'..='z' | '0'..='9' => slug.push(c),
                '_' if !slug.is_empty() => slug.push(c),
                '\u{300}'..='\u{36f}' | '\'' | '\u{2019}' => {}
                _ if slug.is_empty() || slug.ends_with('-') => {}
                _ => slug.push('-'),
            }
            if slug.len() >= MAX_NAME {
                break;
            }
        }
        let mut slug = slug.trim_end_matches(['-', '_']).to_owned();
        if is_device(&slug) {
            slug.push_str("-skill");
        }
        name_fault(&slug).is_none().then_some(Self(slug))
    }

    /// The name of a skill of which nothing is known.
    pub(crate) fn fallback_name() -> Self {
        Self("skill".to_owned())
    }

    /// Why the open specification refuses this name though we install it: it knows
    /// no `_`, no `-` at the end and no `--`. `None` when it does not.
    pub fn portability_fault(&self) -> Option<&'static str> {
        portable_fault(&self.0)
    }
}

/// Why `text` is not a name under the open specification, which is narrower than
/// [`SkillName`].
pub(crate) fn portable_fault(text: &str) -> Option<&'static str> {
    name_fault(text).or_else(|| match text {
        _ if text.contains('_') => Some("contains `_`, but the open specification allows only `-`"),
        _ if text.ends_with('-') => Some("ends in `-`"),
        _ if text.contains("--") => Some("holds `--`"),
        _ => None,
    })
}

/// Why `text` is not a [`SkillName`].
fn name_fault(text: &str) -> Option<&'static str> {
    if text.is_empty() {
        return Some("is empty");
    }
    if text.chars().count() > MAX_NAME {
        return Some("is longer than 64 characters");
    }
    if text.contains(|c: char| c.is_uppercase()) {
        return Some("contains upper-case letters");
    }
    if text.contains(|c: char| !matches!(c, 'a'..='z' | '0'..='9' | '_' | '-')) {
        return Some("contains characters other than a-z, 0-9, `_` and `-`");
    }
    if text.starts_with(['_', '-']) {
        return Some("does not begin with a letter or digit");
    }
    is_device(text).then_some("is a device name on Windows")
}

/// "Naming Files, Paths, and Namespaces" of Windows, as far as the characters of a
/// name can spell it.
fn is_device(text: &str) -> bool {
    let port = text.strip_prefix("com").or_else(|| text.strip_prefix("lpt"));
    matches!(text, "con" | "prn" | "aux" | "nul")
        || matches!(port, Some(n) if n.len() == 1 && n != "0" && n.parse::<u8>().is_ok())
}

impl FromStr for SkillName {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let Some(reason) = name_fault(text) else { return Ok(Self(text.to_owned())) };
        let shown = printable(&short_excerpt(text, 80), false);
        let refused = error!(Usage, "`{shown}` is not a valid skill name: it {reason}");
        Err(match Self::nearest_to(text) {
            Some(slug) => refused.hint(format!("use `{slug}`")),
            None => {
                refused.hint("a name has 1-64 of a-z, 0-9, `_` and `-`, and begins with a letter or digit")
            }
        })
    }
}

impl TryFrom<String> for SkillName {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl From<SkillName> for String {
    fn from(name: SkillName) -> Self {
        name.0
    }
}

impl fmt::Display for SkillName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl AsRef<str> for SkillName {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_that_are_and_are_not() {
        for good in ["a", "pdf", "my_skill", "3d-print", "a--b", "a-", "com10", "console", &"x".repeat(64)] {
            assert!(good.parse::<SkillName>().is_ok(), "{good}");
        }
        let long = "x".repeat(65);
        for bad in [
            "", "-a", "_a", "A", "a b", "a.b", "a/b", "..", ".", "a\\b", "é", "技能", "con", "nul", "com1",
            "lpt9", "a\0", "a\n", "ａ", &long,
        ] {
            assert!(bad.parse::<SkillName>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_refusal_suggests_a_name() {
        let check = |text: &str, slug: &str| {
            let error = text.parse::<SkillName>().unwrap_err();
            assert_eq!(error.kind, crate::error::Kind::Usage);
            assert_eq!(error.hints, [format!("use `{slug}`")], "{text}");
        };
        check("Azure CLI", "azure-cli");
        check("vendor/Skill.Name", "vendor-skill-name");
        check("../../etc/passwd", "etc-passwd");
        check("Café Ⅷ", "cafe-viii");
        check("what's new", "what-s-new".replace("-s", "s").as_str());
        check("__init__", "init");
        check("NUL", "nul-skill");
        check("\u{1b}[31mred", "31mred");
        assert_eq!("技能".parse::<SkillName>().unwrap_err().hints.len(), 1);
    }

    #[test]
    fn serde_checks_as_parsing_does() {
        let name: SkillName = serde_json::from_str("\"pdf\"").unwrap();
        assert_eq!(serde_json::to_string(&name).unwrap(), "\"pdf\"");
        assert!(serde_json::from_str::<SkillName>("\"../pdf\"").is_err());
    }

    #[test]
    fn the_open_specification_is_narrower() {
        for (text, portable) in
            [("pdf", true), ("my_skill", false), ("a--b", false), ("a-", false), ("3d", true)]
        {
            assert_eq!(text.parse::<SkillName>().unwrap().portability_fault().is_none(), portable, "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_slug_is_a_name_and_its_own_slug(text in any::<String>()) {
            if let Some(slug) = SkillName::nearest_to(&text) {
                prop_assert_eq!(slug.as_str().parse::<SkillName>().unwrap(), slug.clone());
                prop_assert_eq!(SkillName::nearest_to(slug.as_str()), Some(slug));
            }
        }

        #[test]
        fn ascii_letters_always_leave_a_slug(text in "[^a-z]{0,70}[a-z][^a-z]{0,70}") {
            prop_assert!(SkillName::nearest_to(&text).is_some());
        }

        #[test]
        fn a_name_is_one_part_of_a_path(text in "[a-zA-Z0-9_./\\\\ -]{0,70}") {
            if let Ok(name) = text.parse::<SkillName>() {
                prop_assert!(!name.as_str().contains(['/', '\\', '.']));
                prop_assert!(name.as_str().len() <= MAX_NAME);
            }
        }
    }
}
