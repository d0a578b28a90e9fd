//! Words: what a person asks for ([`Request`]) and what it turned out to be
//! ([`Resolved`]), text to value and back.

use std::fmt;
use std::str::FromStr;

use semver::VersionReq;

use crate::error::{Error, Result, fail};
use crate::tree::TreePath;

/// Where a skill comes from. A closed set: the compiler lists every place that a
/// new kind needs.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Source {
    /// `github:owner/repo`; the host is the one of the settings.
    Github { owner: String, repo: String },
    /// `gitlab:group/sub/repo`, any number of groups.
    Gitlab { project: String },
    /// `bitbucket:workspace/repo`.
    Bitbucket { workspace: String, repo: String },
    /// Any other git remote: `https://…`, `http://…`, `ssh://…`, `file://…`,
    /// `git@host:path`, as git itself takes it, never with a password.
    Git { url: String },
    /// An archive (ZIP, tar, tar.gz): an `http(s)` URL or a path.
    Archive { location: String },
    /// A folder on this machine, as it was written (`~` and relative allowed).
    Local { path: String },
    /// An entry of a registered marketplace.
    Marketplace { entry: String, marketplace: String },
    /// A skill that ships inside the binary.
    Builtin { name: String },
}

/// Which state of the source was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reference {
    /// Whatever the remote's HEAD is.
    Default,
    /// A name that is not settled yet: a branch, a tag, or a short sha.
    Named(String),
    /// A branch, by its name below `refs/heads/`.
    Branch(String),
    /// A tag, by its name below `refs/tags/`.
    Tag(String),
    /// Exactly this commit.
    Sha(Sha),
    /// The highest version among the tags that is in this range.
    Range(VersionReq),
    /// What stands behind `/tree/` or `/blob/` in a browser's URL: a reference, which
    /// may hold slashes, then perhaps a folder. Settled against the remote's refs.
    Tail(String),
}

/// A full commit id: 40 (SHA-1) or 64 (SHA-256) lower-case hex digits.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
pub(crate) struct Sha(String);

impl Sha {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// The first seven digits, as git shows a commit.
    pub(crate) fn short(&self) -> &str {
        &self.0[..7]
    }
}

impl FromStr for Sha {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let text = text.to_ascii_lowercase();
        if matches!(text.len(), 40 | 64) && text.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Ok(Self(text));
        }
        fail!(Usage, "`{text}` is not a full commit sha of 40 hex digits")
    }
}

impl fmt::Display for Sha {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One SOURCE argument, understood. `parse` and `Display` are each other's inverse.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Request {
    pub(crate) source: Source,
    pub(crate) reference: Reference,
    /// The folder of the source to look into.
    pub(crate) subdirectory: Option<TreePath>,
    /// The one skill that `owner/repo@name` asks for.
    pub(crate) skill: Option<String>,
}

/// What a reference turned out to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Pin {
    /// A git commit.
    Commit(Sha),
    /// The sha256 of an archive's bytes, 64 hex digits.
    Archive(String),
    /// The version of this program that a built-in skill came with.
    Builtin(String),
    /// A local folder: as it was when it was copied, or linked live.
    Live,
}

/// A request after the remote was asked: nothing left open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Resolved {
    pub(crate) source: Source,
    /// `Default`, `Branch`, `Tag`, `Sha` or `Range`; never `Named` or `Tail`.
    pub(crate) reference: Reference,
    /// The tag that a range chose, or the branch that HEAD names.
    pub(crate) chosen: Option<String>,
    pub(crate) pin: Pin,
    pub(crate) subdirectory: Option<TreePath>,
}
