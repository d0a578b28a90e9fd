//! `@owner/name`: what a published skill is called.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result, error, printable};
use crate::skill::SkillName;
use crate::text::shorten_text;

/// Characters of the name of an owner.
const OWNER_LENGTH: std::ops::RangeInclusive<usize> = 2..=39;

/// Who publishes: 2–39 of `a-z 0-9 -`, beginning and ending with a letter or digit, without `--`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct OwnerName(String);

impl OwnerName {
    /// The name without the `@`.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Why a text is not the name of an owner.
fn owner_fault(text: &str) -> Option<&'static str> {
    if !OWNER_LENGTH.contains(&text.chars().count()) {
        return Some("does not have 2-39 characters");
    }
    if text.contains(|c: char| !matches!(c, 'a'..='z' | '0'..='9' | '-')) {
        return Some("contains characters other than a-z, 0-9 and `-`");
    }
    if text.starts_with('-') || text.ends_with('-') {
        return Some("begins or ends with `-`");
    }
    text.contains("--").then_some("contains `--`")
}

/// Reads a name with or without its `@`.
impl FromStr for OwnerName {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let name = text.strip_prefix('@').unwrap_or(text);
        match owner_fault(name) {
            None => Ok(Self(name.to_owned())),
            Some(reason) => {
                let shown = printable(&shorten_text(name, 80), false);
                Err(error!(Usage, "`{shown}` is not a valid owner of skills: it {reason}")
                    .hint("an owner has 2-39 of a-z, 0-9 and `-` between them, for instance `@acme`"))
            }
        }
    }
}

impl TryFrom<String> for OwnerName {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl From<OwnerName> for String {
    fn from(owner: OwnerName) -> Self {
        owner.0
    }
}

/// With its `@`, as people write it.
impl fmt::Display for OwnerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "@{}", self.0)
    }
}

/// A published skill: its owner, and its name under the open specification, which is the one that
/// its `SKILL.md` gives.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ScopedName {
    owner: OwnerName,
    name: SkillName,
}

impl ScopedName {
    /// A skill of an owner.
    ///
    /// # Errors
    /// `Usage` for a name that the open specification refuses: with `_`, with `--`, or with `-` at
    /// its end.
    pub fn new(owner: OwnerName, name: SkillName) -> Result<Self> {
        match name.portability_fault() {
            None => Ok(Self { owner, name }),
            Some(reason) => Err(error!(Usage, "`{name}` cannot be published: the name {reason}")
                .hint("a published name has 1-64 of a-z, 0-9 and single `-` between them")),
        }
    }

    /// Who publishes it.
    pub fn owner(&self) -> &OwnerName {
        &self.owner
    }

    /// Its name without the owner.
    pub fn name(&self) -> &SkillName {
        &self.name
    }
}

impl FromStr for ScopedName {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let parts = text.strip_prefix('@').and_then(|rest| rest.split_once('/'));
        let Some((owner, name)) = parts.filter(|(_, name)| !name.contains('/')) else {
            let shown = printable(&shorten_text(text, 80), false);
            return Err(error!(Usage, "`{shown}` is not a valid name of a published skill")
                .hint("write `@OWNER/NAME`, for instance `@acme/pdf-tables`"));
        };
        if owner.starts_with('@') {
            let shown = printable(&shorten_text(text, 80), false);
            return Err(error!(Usage, "`{shown}` is not a valid name of a published skill")
                .hint("write one `@` before the owner, for instance `@acme/pdf-tables`"));
        }
        Self::new(owner.parse()?, name.parse()?)
    }
}

impl TryFrom<String> for ScopedName {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl From<ScopedName> for String {
    fn from(name: ScopedName) -> Self {
        name.to_string()
    }
}

impl fmt::Display for ScopedName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.owner, self.name)
    }
}
