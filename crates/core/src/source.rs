//! What a person asks for ([`Request`]) and what it turned out to be
//! ([`Resolved`]), text to value and back.

use std::fmt;
use std::str::FromStr;

use semver::VersionReq;

use crate::error::{Error, Result, error, fail};
use crate::path::RelPath;
use crate::remote_registry::ScopedName;

mod address;
mod compare;
mod names;
mod page;
mod reference;
mod registry_skill;
mod request;
#[cfg(test)]
mod tests;

pub use compare::{compare_page, folder_page};
pub use registry_skill::{RegistryChoice, is_registry_name, parse_registry_address};

/// Where a skill comes from. [`FromStr`] and `Display` are its canonical text, which
/// the registry keeps; sources are made by parsing, so that each has one spelling.
///
/// A closed set: the compiler lists every place that a
/// new kind needs.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Source {
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
    /// The folder of one skill that a host serves file by file, as the first version of
    /// well-known discovery has it: `https://host/.well-known/skills/NAME`. The index beside
    /// it lists its files.
    Served { url: String },
    /// A folder on this machine, as it was written (`~` and relative allowed).
    Local { path: String },
    /// An entry of a registered marketplace, or a skill of one: `entry:skill`.
    Marketplace { entry: String, marketplace: String },
    /// A skill that a remote registry serves: `@owner/name`, `corp:@owner/name`; recorded is
    /// `registry+URL/@owner/name`.
    RemoteRegistry { registry: RegistryChoice, skill: ScopedName },
    /// A skill that ships inside the binary.
    Builtin { name: String },
    /// None: somebody made the skill where it lies, and `adopt` recorded it as it was found.
    /// `own:NAME`.
    Own { name: String },
}

/// Which state of the source was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reference {
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
    /// may hold slashes, then perhaps a folder. Settled against the remote's refs. It may
    /// begin with `refs/heads/` or `refs/tags/`, which then says what the reference is.
    /// Written `tree:main/skills/pdf`: no reference can hold a colon.
    Tail(String),
}

/// A full commit id: 40 (SHA-1) or 64 (SHA-256) lower-case hex digits.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
pub struct Sha(String);

impl Sha {
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The first seven digits, as git shows a commit.
    pub fn short(&self) -> &str {
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
///
/// Only git sources have a `reference` other than `Default` and a `skill`; skills of a registry have
/// `Default` or `Range`, also where one version was named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    pub source: Source,
    pub reference: Reference,
    /// The folder of the source to look into.
    pub subdirectory: Option<RelPath>,
    /// The one skill that `owner/repo@name` asks for.
    pub skill: Option<String>,
}

/// The exact state of a source that a reference led to. It is recorded, and compared to find
/// updates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Revision {
    /// A git commit.
    Commit(Sha),
    /// The sha256 of an archive's bytes, 64 hex digits, also of the one that a registry serves; of a served folder, which has no bytes
    /// of its own, the digest of its tree.
    Archive(String),
    /// The version of this program that a built-in skill came with.
    Builtin(String),
    /// A local folder: as it was when it was copied, or linked live.
    Live,
}

/// A request whose reference was resolved by asking the remote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolved {
    pub source: Source,
    /// `Default`, `Branch`, `Tag`, `Sha` or `Range`; never `Named` or `Tail`.
    pub reference: Reference,
    /// The tag that a range chose, or the branch that HEAD names.
    pub chosen: Option<String>,
    pub pin: Revision,
    pub subdirectory: Option<RelPath>,
}

impl Source {
    /// One word for tables and `--json`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Github { .. } => "github",
            Self::Gitlab { .. } => "gitlab",
            Self::Bitbucket { .. } => "bitbucket",
            Self::Git { .. } => "git",
            Self::Archive { .. } => "archive",
            Self::Served { .. } => "served",
            Self::Local { .. } => "local",
            Self::Marketplace { .. } => "marketplace",
            Self::RemoteRegistry { .. } => "registry",
            Self::Builtin { .. } => "builtin",
            Self::Own { .. } => "own",
        }
    }

    /// True where a git remote answers, so that branches, tags and commits exist.
    pub fn is_git(&self) -> bool {
        matches!(self, Self::Github { .. } | Self::Gitlab { .. } | Self::Bitbucket { .. } | Self::Git { .. })
    }

    /// True for what nobody but this machine has: an absolute path or one below the home directory,
    /// a `file://` URL, a host that is this machine itself. Others who get the record of such a
    /// source cannot reach it.
    pub fn is_of_this_machine(&self) -> bool {
        match self {
            Self::Local { path: text } | Self::Archive { location: text } if !text.contains("://") => {
                address::is_path_of_one_machine(text)
            }
            Self::Archive { location: url } | Self::Git { url } | Self::Served { url } => {
                address::is_url_of_one_machine(url)
            }
            Self::RemoteRegistry { registry: RegistryChoice::At(url), .. } => {
                address::is_url_of_one_machine(url)
            }
            _ => false,
        }
    }

    /// True when two sources are the same place. The three hosts fold case in names; a git URL is
    /// compared without its closing `.git`, and `git@host:path` is `ssh://git@host/path`.
    /// Two ways to reach one repository (https and ssh) stay two sources: which host
    /// `github:` means is a setting.
    pub fn is_same_as(&self, other: &Self) -> bool {
        self.identity_key() == other.identity_key()
    }

    fn identity_key(&self) -> String {
        match self {
            Self::Github { .. } | Self::Gitlab { .. } | Self::Bitbucket { .. } => {
                self.to_string().to_ascii_lowercase()
            }
            Self::Git { url } => address::git_identity(url),
            Self::Local { path } if path.len() > 1 => path.trim_end_matches('/').to_owned(),
            _ => self.to_string(),
        }
    }

    /// A short name for messages: `anthropics/skills`, `git.example.org/team/skills`, `pdf.zip`.
    pub fn display_name(&self) -> String {
        match self {
            Self::Github { owner: a, repo: b } | Self::Bitbucket { workspace: a, repo: b } => {
                format!("{a}/{b}")
            }
            Self::Gitlab { project } => project.clone(),
            Self::Git { url } | Self::Served { url } => address::git_name(url),
            Self::Archive { location } => address::file_name(location).to_owned(),
            Self::Local { path } => path.clone(),
            Self::RemoteRegistry { registry: RegistryChoice::At(_), skill } => skill.to_string(),
            Self::RemoteRegistry { .. }
            | Self::Marketplace { .. }
            | Self::Builtin { .. }
            | Self::Own { .. } => self.to_string(),
        }
    }

    /// What a `SKILL.md` at the top is called when it does not say so itself: repository,
    /// archive without its ending, or folder. Text from outside, not a checked name;
    /// `None` where the text does not tell (`.`, `..`, `~`, `/`).
    pub fn default_skill_name(&self) -> Option<&str> {
        let name = match self {
            Self::Github { repo, .. } | Self::Bitbucket { repo, .. } => repo,
            Self::Gitlab { project } => names::last_part(project),
            Self::Git { url } => names::without_git(names::last_part(url)),
            Self::Archive { location } => names::archive_stem(address::file_name(location)),
            Self::Served { url } => names::last_part(url),
            Self::Local { path } => names::last_part(path.trim_end_matches(['/', '\\'])),
            Self::RemoteRegistry { skill, .. } => skill.name().as_str(),
            Self::Marketplace { entry: name, .. } | Self::Builtin { name } | Self::Own { name } => {
                names::last_word(name)
            }
        };
        (!matches!(name, "" | "." | ".." | "~")).then_some(name)
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Github { owner, repo } => write!(f, "github:{owner}/{repo}"),
            Self::Gitlab { project } => write!(f, "gitlab:{project}"),
            Self::Bitbucket { workspace, repo } => write!(f, "bitbucket:{workspace}/{repo}"),
            Self::Git { url } => f.write_str(&address::git_text(url)),
            Self::Archive { location: text } | Self::Served { url: text } | Self::Local { path: text } => {
                f.write_str(text)
            }
            Self::Marketplace { entry, marketplace } => f.write_str(&names::entry_text(entry, marketplace)),
            Self::RemoteRegistry { registry, skill } => {
                f.write_str(&registry_skill::registry_text(registry, skill))
            }
            Self::Builtin { name } => write!(f, "builtin:{name}"),
            Self::Own { name } => write!(f, "own:{name}"),
        }
    }
}

/// Reads the canonical text, and everything else that names a source and nothing more.
impl FromStr for Source {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let request = Request::parse(text)?;
        if request.reference != Reference::Default
            || request.subdirectory.is_some()
            || request.skill.is_some()
        {
            return Err(error!(Usage, "`{request}` says more than where the skill comes from")
                .hint(format!("the source alone is `{}`", request.source)));
        }
        Ok(request.source)
    }
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let source = self.source.to_string();
        match (&self.subdirectory, &self.source) {
            (None, _) => f.write_str(&source)?,
            (Some(folder), Source::Github { .. } | Source::Bitbucket { .. }) => {
                let first = folder.as_str().split('/').next().unwrap_or_default();
                let separator = if names::PAGE_WORDS.contains(&first) { "//" } else { "/" };
                write!(f, "{source}{separator}{}", names::encode_folder(folder.as_str()))?;
            }
            (Some(folder), _) => f.write_str(&address::join_folder(&source, folder))?,
        }
        if self.reference != Reference::Default {
            write!(f, "#{}", names::reference_text(&self.reference))?;
        }
        self.skill.iter().try_for_each(|skill| write!(f, "@{skill}"))
    }
}
