//! World, though pure: what a remote lists, and which of it a [`Reference`] means.

use std::collections::BTreeMap;

use crate::wire::RefLine;
use ba_agent_core::error::{Result, error, fail, printable};
use ba_agent_core::path::RelPath;
use ba_agent_core::source::{Reference, Sha};
use ba_agent_core::text::find_nearest;
use ba_agent_core::version;

/// The branches and tags of a remote, and what its HEAD is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Refs {
    /// The commit of HEAD; `None` in an empty repository.
    pub(crate) head: Option<Sha>,
    /// The branch that HEAD names; `None` where HEAD is a commit by itself.
    pub(crate) default_branch: Option<String>,
    /// Commit by name below `refs/heads/`.
    pub branches: BTreeMap<String, Sha>,
    /// By name below `refs/tags/`.
    pub tags: BTreeMap<String, Tag>,
}

/// A tag: its own object, and the commit behind it (the same for a lightweight one).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tag {
    pub(crate) object: Sha,
    pub(crate) commit: Sha,
}

/// What a reference turned out to be, as far as the refs alone can say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum FoundReference {
    Commit {
        reference: Reference,
        chosen: Option<String>,
        sha: Sha,
        /// What stood behind the reference in a browser's URL.
        rest: Option<String>,
    },
    /// Hex digits that begin no listed commit: the history has to be asked.
    Short { prefix: String, rest: Option<String> },
}

/// The fewest digits of a short sha, as git has it (`core.abbrev`).
const SHORTEST: usize = 4;

impl Refs {
    /// Sorts the lines of a remote.
    pub(crate) fn new(lines: Vec<RefLine>) -> Self {
        let mut refs = Self::default();
        for line in lines {
            if line.name == "HEAD" {
                refs.default_branch =
                    line.target.and_then(|t| t.strip_prefix("refs/heads/").map(str::to_owned));
                refs.head = Some(line.id);
            } else if let Some(name) = line.name.strip_prefix("refs/heads/") {
                refs.branches.insert(name.to_owned(), line.id);
            } else if let Some(name) = line.name.strip_prefix("refs/tags/") {
                let commit = line.peeled.unwrap_or_else(|| line.id.clone());
                refs.tags.insert(name.to_owned(), Tag { object: line.id, commit });
            }
        }
        refs
    }

    /// All listed commits, HEAD's first.
    pub(crate) fn list_tips(&self) -> impl Iterator<Item = &Sha> {
        self.head.iter().chain(self.branches.values()).chain(self.tags.values().map(|tag| &tag.commit))
    }

    /// The object to ask for in order to get `commit`: an annotated tag where only that
    /// leads to it, because old servers give nothing but what they list.
    pub(crate) fn id_to_want(&self, commit: &Sha) -> Sha {
        if self.head.as_ref() == Some(commit) || self.branches.values().any(|tip| tip == commit) {
            return commit.clone();
        }
        let tag = self.tags.values().find(|tag| tag.commit == *commit);
        tag.map_or_else(|| commit.clone(), |tag| tag.object.clone())
    }

    /// Everything that has to be asked for to get the whole history.
    pub(crate) fn list_all(&self) -> Vec<Sha> {
        let tags = self.tags.values().map(|tag| &tag.object);
        let mut all: Vec<Sha> = self.head.iter().chain(self.branches.values()).chain(tags).cloned().collect();
        all.sort();
        all.dedup();
        all
    }

    /// What `reference` means here. `skill` chooses among tags such as `NAME@1.2.3`.
    ///
    /// # Errors
    /// `NotFound` with the nearest names, `Usage` for a name that is a branch and a tag
    /// of different commits, and for a short sha that begins several.
    pub(crate) fn settle_reference(
        &self,
        reference: &Reference,
        skill: Option<&str>,
    ) -> Result<FoundReference> {
        let found = |chosen: Option<&str>, sha: &Sha| FoundReference::Commit {
            reference: reference.clone(),
            chosen: chosen.map(str::to_owned),
            sha: sha.clone(),
            rest: None,
        };
        match reference {
            Reference::Default => match &self.head {
                Some(sha) => Ok(found(self.default_branch.as_deref(), sha)),
                None => Err(error!(NotFound, "the repository has no default branch")
                    .hint("it may be empty; else name a branch with `--ref`")),
            },
            Reference::Sha(sha) => Ok(found(None, sha)),
            Reference::Branch(name) => match self.branches.get(name) {
                Some(sha) => Ok(found(None, sha)),
                None => Err(self.error_of_unknown_reference("branch", name, self.branches.keys())),
            },
            Reference::Tag(name) => match self.tags.get(name) {
                Some(tag) => Ok(found(None, &tag.commit)),
                None => Err(self.error_of_unknown_reference("tag", name, self.tags.keys())),
            },
            Reference::Range(range) => {
                let best = version::best_tag(range, self.tags.keys().map(String::as_str), skill);
                match best.and_then(|name| self.tags.get_key_value(&name)) {
                    Some((name, tag)) => Ok(found(Some(name), &tag.commit)),
                    None => Err(self.no_version(range)),
                }
            }
            Reference::Named(name) => self.named(name),
            Reference::Tail(tail) => self.reference_by_tail(tail),
        }
    }

    fn no_version(&self, range: &semver::VersionReq) -> ba_agent_core::error::Error {
        let error = error!(NotFound, "no tag is a version in `{range}`");
        match self.tags.len() {
            0 => error.hint("the repository has no tags; omit the version, or name a branch"),
            _ => error.hint(format!("its last tags are {}", list(self.tags.keys().rev()))),
        }
    }

    /// A branch or tag of exactly this name; `None` when there is neither.
    fn exact_reference_of(&self, name: &str) -> Result<Option<(Reference, &Sha)>> {
        if let Some(branch) = name.strip_prefix("refs/heads/") {
            return Ok(self.branches.get(branch).map(|sha| (Reference::Branch(branch.into()), sha)));
        }
        if let Some(tag) = name.strip_prefix("refs/tags/") {
            return Ok(self.tags.get(tag).map(|t| (Reference::Tag(tag.into()), &t.commit)));
        }
        match (self.branches.get(name), self.tags.get(name)) {
            (Some(branch), Some(tag)) if *branch != tag.commit => {
                let shown = printable(name, false);
                Err(error!(
                    Usage,
                    "`{shown}` is a branch ({}) and a tag ({})",
                    branch.short(),
                    tag.commit.short()
                )
                .hint(format!("write refs/heads/{shown} for the branch"))
                .hint(format!("write refs/tags/{shown} for the tag")))
            }
            (_, Some(tag)) => Ok(Some((Reference::Tag(name.into()), &tag.commit))),
            (Some(branch), None) => Ok(Some((Reference::Branch(name.into()), branch))),
            (None, None) => Ok(None),
        }
    }

    fn named(&self, name: &str) -> Result<FoundReference> {
        // A full sha is a commit even where a branch is called like it.
        if let Ok(sha) = name.parse::<Sha>() {
            return Ok(FoundReference::Commit {
                reference: Reference::Sha(sha.clone()),
                chosen: None,
                sha,
                rest: None,
            });
        }
        if let Some((reference, sha)) = self.exact_reference_of(name)? {
            return Ok(FoundReference::Commit { reference, chosen: None, sha: sha.clone(), rest: None });
        }
        if is_short_sha(name) {
            return self.commit_of_short_sha(name, None);
        }
        Err(self.error_of_unknown_reference(
            "branch or tag",
            name,
            self.branches.keys().chain(self.tags.keys()),
        ))
    }

    /// A short sha among the listed commits.
    fn commit_of_short_sha(&self, prefix: &str, rest: Option<String>) -> Result<FoundReference> {
        let prefix = prefix.to_ascii_lowercase();
        let mut matches: Vec<&Sha> =
            self.list_tips().filter(|sha| sha.as_str().starts_with(&prefix)).collect();
        matches.sort();
        matches.dedup();
        match matches[..] {
            [] => Ok(FoundReference::Short { prefix, rest }),
            [sha] => Ok(FoundReference::Commit {
                reference: Reference::Sha(sha.clone()),
                chosen: None,
                sha: sha.clone(),
                rest,
            }),
            _ => Err(error!(Usage, "`{prefix}` is ambiguous: several commits begin with it")
                .hint(format!("write more digits: {}", list(matches.iter().map(|sha| sha.as_str()))))),
        }
    }

    /// `REF[/FOLDER]`, the longest ref that is there going first.
    fn reference_by_tail(&self, tail: &str) -> Result<FoundReference> {
        let tail = tail.trim_matches('/');
        let ends = tail.match_indices('/').map(|(at, _)| at).chain([tail.len()]);
        for end in ends.collect::<Vec<_>>().into_iter().rev() {
            let (name, rest) = (&tail[..end], tail.get(end + 1..));
            if let Some((reference, sha)) = self.exact_reference_of(name)? {
                let rest = rest.map(str::to_owned);
                return Ok(FoundReference::Commit { reference, chosen: None, sha: sha.clone(), rest });
            }
        }
        let (first, rest) = tail.split_once('/').map_or((tail, None), |(first, rest)| (first, Some(rest)));
        let rest = rest.map(str::to_owned);
        if let Ok(sha) = first.parse::<Sha>() {
            return Ok(FoundReference::Commit {
                reference: Reference::Sha(sha.clone()),
                chosen: None,
                sha,
                rest,
            });
        }
        match (first, &self.head) {
            ("HEAD", Some(sha)) => Ok(FoundReference::Commit {
                reference: Reference::Default,
                chosen: self.default_branch.clone(),
                sha: sha.clone(),
                rest,
            }),
            _ if is_short_sha(first) => self.commit_of_short_sha(first, rest),
            _ => Err(self.error_of_unknown_reference(
                "branch or tag",
                first,
                self.branches.keys().chain(self.tags.keys()),
            )),
        }
    }

    fn error_of_unknown_reference<'a>(
        &self,
        what: &str,
        name: &str,
        names: impl Iterator<Item = &'a String>,
    ) -> ba_agent_core::error::Error {
        let error = error!(NotFound, "there is no {what} `{}`", printable(name, false));
        match find_nearest(name, names.map(String::as_str)) {
            Some(near) => error.hint(format!("did you mean `{}`?", printable(near, false))),
            None if self.branches.is_empty() => error.hint("the repository has no branches"),
            None => error.hint(format!("its branches are {}", list(self.branches.keys()))),
        }
    }
}

/// Up to five names, for a hint.
fn list(names: impl Iterator<Item = impl AsRef<str>>) -> String {
    let mut names: Vec<String> =
        names.take(6).map(|n| format!("`{}`", printable(n.as_ref(), false))).collect();
    if names.len() == 6 {
        names.truncate(5);
        names.push("…".into());
    }
    names.join(", ")
}

fn is_short_sha(text: &str) -> bool {
    (SHORTEST..40).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_hexdigit())
}

/// The folder that a request is about: the one that was named, and the rest of a
/// browser's URL, of which a `SKILL.md` at the end is left away.
///
/// # Errors
/// `Usage` when both are there and differ, and for a rest that is no sound path.
pub(crate) fn join_folder(named: Option<&RelPath>, rest: Option<&str>) -> Result<Option<RelPath>> {
    let rest = rest.unwrap_or("").trim_matches('/');
    let rest = rest.strip_suffix("SKILL.md").filter(|r| r.is_empty() || r.ends_with('/')).unwrap_or(rest);
    let rest = rest.trim_end_matches('/');
    if rest.is_empty() {
        return Ok(named.cloned());
    }
    let path = RelPath::parse(rest.as_bytes())
        .map_err(|why| error!(Usage, "the folder `{}` {why}", printable(rest, false)))?;
    match named {
        Some(named) if *named != path => {
            fail!(Usage, "the URL contains the folder `{path}`, but `--subdirectory` is `{named}`")
        }
        _ => Ok(Some(path)),
    }
}
