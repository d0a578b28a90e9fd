//! The text of a reference: what stands behind `#` in a source, and what `--ref` takes.
//!
//! A range is told from a name by its first character or a `*`: `^`, `~` and `*` cannot
//! stand in a git reference (git-check-ref-format, rules 4 and 5), `<`, `>` and `=` do not
//! in practice. `1.x` is therefore a name (maintenance branches are called so); the range
//! is written `1.*`.

use std::fmt;

use super::{Reference, Sha};
use crate::error::{Result, error, fail, printable};
use crate::path::RelPath;
use crate::version::parse_range;

impl Reference {
    /// `HEAD`, a full sha, a range (`^1.2`, `~1.2.0`, `>=1,<2`, `1.*`, `*`),
    /// `refs/heads/NAME`, `refs/tags/NAME`, or a name that the remote settles.
    ///
    /// # Errors
    /// `Usage` for what git would not take as the name of a reference, other namespaces
    /// below `refs/`, and a range that cannot be read.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let text = text.trim_ascii();
        if text == "HEAD" {
            return Ok(Self::Default);
        }
        if let Ok(sha) = text.parse::<Sha>() {
            return Ok(Self::Sha(sha));
        }
        if let Some(tail) = text.strip_prefix("tree:") {
            return Self::parse_tail(tail);
        }
        if looks_like_range(text) {
            return parse_range(text).map(Self::Range);
        }
        check_name(text)?;
        match text.strip_prefix("refs/") {
            None => Ok(Self::Named(text.to_owned())),
            Some(rest) => match rest.split_once('/') {
                Some(("heads", name)) => Ok(Self::Branch(name.to_owned())),
                Some(("tags", name)) => Ok(Self::Tag(name.to_owned())),
                _ => Err(error!(Usage, "`{}` is not a branch or a tag", printable(text, false))
                    .hint("write `refs/heads/NAME`, `refs/tags/NAME`, just a name, or a full commit sha")),
            },
        }
    }

    /// What stands behind `/tree/`: `main/skills/pdf`. Settled at once where that can be
    /// said without asking: one part alone is a name. A leading sha is for the caller.
    ///
    /// # Errors
    /// `Usage` for a tail that is not a sound path.
    pub(super) fn parse_tail(text: &str) -> Result<Self> {
        let shown = printable(text, false);
        if let Err(reason) = RelPath::parse(text.as_bytes()) {
            fail!(Usage, "the reference and folder `{shown}` cannot be used: it {reason}");
        }
        let below = ["refs/heads/", "refs/tags/"].iter().find_map(|root| text.strip_prefix(root));
        if below.unwrap_or(text).contains('/') {
            return Ok(Self::Tail(text.to_owned()));
        }
        Self::parse(text)
    }
}

/// The text that [`Reference::parse`] reads back.
impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("HEAD"),
            Self::Named(name) => f.write_str(name),
            Self::Branch(name) => write!(f, "refs/heads/{name}"),
            Self::Tag(name) => write!(f, "refs/tags/{name}"),
            Self::Sha(sha) => write!(f, "{sha}"),
            // Without the blank behind the comma, so that it needs no second thought in a shell.
            Self::Range(range) => f.write_str(&range.to_string().replace(", ", ",")),
            Self::Tail(tail) => write!(f, "tree:{tail}"),
        }
    }
}

/// True for text that can only be a reference: a version, a sha, a range.
pub(super) fn looks_like_reference(text: &str) -> bool {
    text.parse::<Sha>().is_ok() || looks_like_range(text) || looks_like_version(text)
}

fn looks_like_range(text: &str) -> bool {
    text.starts_with(['^', '~', '<', '>', '=', '*'])
        || (text.starts_with(|c: char| c.is_ascii_digit()) && (text.contains('*') || text.contains(',')))
}

/// `v1`, `1.2`, `v1.2.3-rc.1`: digits and dots, then perhaps what semver allows behind.
fn looks_like_version(text: &str) -> bool {
    let text = text.strip_prefix('v').unwrap_or(text);
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (numbers, rest) = text.split_at(end);
    let sound = !numbers.is_empty() && numbers.split('.').all(|n| !n.is_empty());
    sound && (rest.is_empty() || (numbers.contains('.') && rest.starts_with(['-', '+'])))
}

/// The rules of git-check-ref-format(1), and no leading `-`.
fn check_name(name: &str) -> Result<()> {
    let refuse = |reason: &str| {
        error!(Usage, "`{}` is not a valid branch or tag name: it {reason}", printable(name, false))
            .hint("write a branch, a tag, a full commit sha, or a range like `^1.2`")
    };
    if let Some(c) = name.chars().find(|c| matches!(c, ' ' | '~' | '^' | ':' | '?' | '*' | '[' | '\\')) {
        return Err(refuse(&format!("holds `{c}`")));
    }
    let reason = if name.is_empty() {
        "is empty"
    } else if name.starts_with('-') {
        "begins with a dash"
    } else if name.chars().any(crate::error::is_unprintable) {
        "contains control or invisible characters"
    } else if name.contains("..") {
        "holds `..`"
    } else if name.contains("@{") || name == "@" {
        "is written with `@` as git's own shorthand"
    } else if name.ends_with('.') {
        "ends in a dot"
    } else if name.split('/').any(str::is_empty) {
        "has an empty part"
    } else if name.split('/').any(|part| part.starts_with('.') || part.ends_with(".lock")) {
        "has a part that begins with a dot or ends in `.lock`"
    } else {
        return Ok(());
    };
    Err(refuse(reason))
}
