//! The grammar of one SOURCE argument.
//!
//! ```text
//! source    = git [ "#" reference ] [ "@" skill ]      the two in either order
//!           | ( archive | served ) [ "//" folder ] | local | "builtin:" name | "own:" name
//!           | ( entry [ ":" skill ] | '"' any name '"' ) "@" marketplace
//!           | [ registry ":" ] "@" owner "/" name [ "#" version or range ]   registry_skill.rs
//! git       = [ "github:" ] owner "/" repo [ "/" folder ]
//!           | "bitbucket:" workspace "/" repo [ "/" folder ]
//!           | "gitlab:" group { "/" group } "/" repo [ "//" folder ]
//!           | ( url | user "@" host ":" path ) [ "//" folder ]
//!           | the address of a page                     page.rs
//! reference = name | sha | range | "refs/heads/" name | "refs/tags/" name
//!           | "tree:" name-and-folder                   reference.rs
//! ```
//!
//! `//` parts the folder from the repository wherever the repository's own length is open.
//! Folder and reference may be written with `%20` and the like; a path on this machine is
//! taken as it stands, `#`, `@` and `%` included. What could mean two things is an error
//! that says how to write either.

use super::address::{self, AddressParts, assemble_request};
use super::names::{
    self, PAGE_WORDS, PREFIXES, bitbucket_source, github_source, gitlab_source, is_archive, is_drive,
    is_entry_name, is_plain_name, parse_folder, without_git,
};
use super::reference::looks_like_reference;
use super::registry_skill::{self, RegistryChoice, is_registry_name};
use super::{Reference, Request, Sha, Source, page};
use crate::error::{Error, Result, error, fail, is_unprintable, printable};
use crate::path::RelPath;
use crate::text::find_nearest;

/// Bytes of a source; the longest address that browsers agree on.
const MAX_TEXT: usize = 2_048;

impl Request {
    /// Reads one SOURCE argument.
    ///
    /// # Errors
    /// `Usage`, with what to type instead, for everything that is not understood, could
    /// mean two things, is refused (`git://`, `ext::`), or holds a password.
    pub fn parse(text: &str) -> Result<Self> {
        let text = check_text(text)?;
        Self::understand(text)?.with_one_meaning(Some(text))
    }

    /// Reads a checked text, without asking whether what is recorded of it means the same.
    fn understand(text: &str) -> Result<Self> {
        if let Some(rest) = text.strip_prefix('"') {
            return parse_quoted(rest);
        }
        if let Some(request) = parse_local(text)? {
            return Ok(request);
        }
        let at = text.find([':', '/', '#', '@']).unwrap_or(text.len());
        let (word, rest) = text.split_at(at);
        match rest.chars().next() {
            Some(':') => parse_prefixed(text, word, &rest[1..]),
            Some('@') => with_at(text, word, &rest[1..]),
            Some('/') => parse_shorthand(text),
            _ => parse_bare(text),
        }
    }

    /// The request, if its canonical text, which is what the registry records, is read as the
    /// same request, and that of its source as the same source. `read` is the text that it was
    /// read from, if any: what a registry records is canonical and needs no second reading.
    ///
    /// # Errors
    /// `Usage` where names of a repository, folder and skill happen to form another source.
    fn with_one_meaning(self, read: Option<&str>) -> Result<Self> {
        let canonical = self.to_string();
        let is_same =
            read == Some(canonical.as_str()) || Self::understand(&canonical).is_ok_and(|again| again == self);
        let source = self.source.to_string();
        let is_same_source = source == canonical
            || Self::understand(&source).is_ok_and(|again| {
                again.source == self.source && again.subdirectory.is_none() && again.skill.is_none()
            });
        if is_same && is_same_source {
            return Ok(self);
        }
        let shown = printable(read.unwrap_or(&canonical), false);
        Err(error!(Usage, "`{shown}` could be read as another source when it is recorded")
            .hint("name the parts on their own: `git+https://host/path/to/repo`, `--ref`, `--subdirectory` and `--skill`"))
    }

    /// The name, where the text is nothing but one that a marketplace could have (`pdf`).
    /// [`Request::parse`] refuses such a text; a caller that knows marketplaces asks this
    /// first.
    pub fn bare_name(text: &str) -> Option<&str> {
        let text = text.trim_ascii();
        is_plain_name(text).then_some(text)
    }

    /// As [`Request::bare_name`], as lenient as names of entries in real catalogues are:
    /// dots, blanks, capitals and other scripts.
    pub fn entry_name(text: &str) -> Option<&str> {
        let text = text.trim_ascii();
        is_entry_name(text).then_some(text)
    }

    /// Adds what the flags say: `--ref`, `--sha`, `--subdirectory`.
    ///
    /// # Errors
    /// `Usage` when a flag contradicts the source or another flag, or when the kind of
    /// source has no references or folders.
    pub fn with_flags(
        mut self,
        reference: Option<&str>,
        sha: Option<&str>,
        subdirectory: Option<&str>,
    ) -> Result<Self> {
        if reference.is_some() && sha.is_some() {
            return Err(error!(Usage, "`--ref` and `--sha` cannot be used together")
                .hint("`--sha` on its own installs exactly that commit"));
        }
        if let Some(text) = reference {
            self = self.at_reference(Reference::parse(text)?, "--ref")?;
        }
        if let Some(text) = sha {
            let sha = text
                .trim_ascii()
                .parse::<Sha>()
                .map_err(|e| e.hint("`--sha` needs the full sha; give a short one with `#` or `--ref`"))?;
            self = self.at_reference(Reference::Sha(sha), "--sha")?;
        }
        if let Some(text) = subdirectory {
            self = self.in_folder(text)?;
        }
        self.with_one_meaning(None)
    }

    fn at_reference(mut self, reference: Reference, flag: &str) -> Result<Self> {
        let reference = match (&self.source, flag) {
            (Source::RemoteRegistry { .. }, "--ref") => {
                registry_skill::version_reference(&reference.to_string())?
            }
            (source, _) if !source.is_git() => return Err(no_reference(source, flag)),
            _ => reference,
        };
        if let Reference::Tail(tail) = &self.reference {
            let name = reference.to_string();
            let rest = tail.strip_prefix(&name).filter(|rest| rest.is_empty() || rest.starts_with('/'));
            let Some(rest) = rest.filter(|_| flag == "--ref") else {
                return Err(error!(Usage, "`{flag} {reference}` contradicts `{tail}` in the address")
                    .hint(format!("write `{}` with `{flag}` and `--subdirectory`", self.source)));
            };
            self.subdirectory = parse_folder(&names::encode_folder(rest.trim_matches('/')))?;
        } else if self.reference != Reference::Default && self.reference != reference {
            return Err(error!(
                Usage,
                "two references are named: `{}` and `{flag} {reference}`", self.reference
            )
            .hint("omit one of them"));
        }
        self.reference = reference;
        Ok(self)
    }

    fn in_folder(mut self, text: &str) -> Result<Self> {
        if matches!(
            self.source,
            Source::Marketplace { .. }
                | Source::RemoteRegistry { .. }
                | Source::Builtin { .. }
                | Source::Own { .. }
        ) {
            fail!(Usage, "`--subdirectory` has no meaning for `{}`, which names a skill", self.source);
        }
        if let Reference::Tail(tail) = &self.reference {
            return Err(error!(Usage, "`--subdirectory` contradicts `{tail}` in the address")
                .hint(format!("write `{}` with `--ref` and `--subdirectory`", self.source)));
        }
        let text = text.trim_ascii().replace('\\', "/");
        let text = text.strip_prefix("./").unwrap_or(&text);
        let wanted = match text.trim_end_matches('/') {
            "" | "." => None,
            text => parse_folder(&names::encode_folder(text))?,
        };
        if self.subdirectory.is_some() && self.subdirectory != wanted {
            let here = self.subdirectory.as_ref().map_or("", RelPath::as_str);
            return Err(error!(
                Usage,
                "two folders are named: `{here}` and `--subdirectory {}`",
                printable(text, false)
            )
            .hint("omit one of them"));
        }
        self.subdirectory = wanted;
        Ok(self)
    }

    /// What a `SKILL.md` at the place that is asked for is called when it does not say so
    /// itself; see [`Source::default_skill_name`].
    pub fn default_skill_name(&self) -> Option<&str> {
        self.subdirectory.as_ref().map(RelPath::name).or_else(|| self.source.default_skill_name())
    }
}

fn no_reference(source: &Source, flag: &str) -> Error {
    let error = error!(Usage, "`{flag}` has no meaning for `{source}`, which is not a git repository");
    match source {
        Source::Archive { .. } => error.hint("to pin the bytes of an archive use `--integrity sha256:…`"),
        Source::RemoteRegistry { skill, .. } => {
            error.hint(format!("a published version never changes: write it, as in `{skill}#1.2.0`"))
        }
        Source::Served { .. } => error.hint("to pin its files use `--integrity sha256:…`"),
        Source::Local { path } if path.starts_with('/') => {
            error.hint(format!("for a git repository on this machine write `file://{path}`"))
        }
        Source::Local { .. } => error.hint("for a git repository on this machine write `file:///…`"),
        _ => error,
    }
}

fn check_text(text: &str) -> Result<&str> {
    let text = text.trim_ascii();
    if text.is_empty() {
        return Err(error!(Usage, "the source is empty").hint("write for instance `github:owner/repo`"));
    }
    if text.len() > MAX_TEXT {
        fail!(Usage, "the source is longer than {MAX_TEXT} bytes");
    }
    if let Some(c) = text.chars().find(|c| is_unprintable(*c)) {
        return Err(error!(Usage, "the source contains the invisible character U+{:04X}", u32::from(c))
            .hint("it may come from copy and paste: type the source again"));
    }
    if text.starts_with('-') {
        return Err(error!(
            Usage,
            "`{}` looks like a flag, not like a source",
            text.split('=').next().unwrap_or(text)
        )
        .hint("for a folder of that name write `./` before it"));
    }
    Ok(text)
}

/// A folder or archive of this machine, by how it begins.
fn parse_local(text: &str) -> Result<Option<Request>> {
    let starts = ["./", "../", "/", "~/", ".\\", "..\\", "\\\\", "~\\"];
    if !(starts.iter().any(|s| text.starts_with(s)) || matches!(text, "." | ".." | "~") || is_drive(text)) {
        if text.starts_with('~') {
            return Err(
                error!(Usage, "`{text}` begins with another user's home").hint("write the whole path")
            );
        }
        return Ok(None);
    }
    let (path, below) = split_path(text);
    let subdirectory = match below {
        Some(below) => parse_folder(&names::encode_folder(below))?,
        None => None,
    };
    if !is_archive(path) {
        archive_with_more(path)?;
    }
    let source = match is_archive(path) {
        true => Source::Archive { location: path.to_owned() },
        false => Source::Local { path: folder_path(path) },
    };
    Ok(Some(Request { source, reference: Reference::Default, subdirectory, skill: None }))
}

/// `path//folder`. A folder called `x.zip` keeps the slash that says so: `x.zip///folder`.
fn split_path(text: &str) -> (&str, Option<&str>) {
    let end = text.trim_end_matches(|c: char| c == '/' || c.is_ascii_whitespace()).len();
    let slash = usize::from(text[end..].starts_with('/'));
    let text = &text[..end + slash];
    let (path, below) = address::split_folder(text, 0);
    match below {
        Some(below) if text[path.len()..].starts_with("///") => (&text[..path.len() + 1], Some(below)),
        Some(below) => (path, Some(below)),
        None => (text, None),
    }
}

/// A folder without closing slashes and without the `SKILL.md` in it.
fn folder_path(path: &str) -> String {
    let mut folder = path;
    loop {
        let trimmed = folder.trim_end_matches(|c: char| c == '/' || c.is_ascii_whitespace());
        let shorter = names::without_manifest(trimmed);
        // `\\SKILL.md` names a server, whose root no text of ours says.
        if shorter.len() == folder.len() || shorter == "\\" {
            break;
        }
        folder = shorter;
    }
    let root = folder.is_empty();
    // What would be an archive without it, or a mistake about one.
    let archive = is_archive(folder) || archive_with_more(folder).is_err();
    let slash = root || archive || is_drive(&format!("{folder}/")) && folder.len() == 2;
    if slash { format!("{folder}/") } else { folder.to_owned() }
}

/// `x.zip@pdf`, `x.zip#main`: plain mistakes, though they could be names.
///
/// # Errors
/// `Usage` for those, and for archives of a kind that is not read.
fn archive_with_more(path: &str) -> Result<()> {
    if path.ends_with('/') {
        return Ok(());
    }
    names::refuse_foreign_archive(path)?;
    let name = names::last_part(path);
    let Some(at) = name.find(['#', '@']).filter(|at| is_archive(&name[..*at])) else { return Ok(()) };
    let (archive, more) = (&path[..path.len() - name.len() + at], &name[at + 1..]);
    let error = error!(Usage, "`{path}`: nothing can follow an archive's name");
    Err(match name[at..].starts_with('@') {
        true => error.hint(format!("write `{archive}` with `--skill {more}`")),
        false => error.hint(format!("an archive has no branches or tags; write `{archive}`")),
    })
}

/// `word:rest`.
fn parse_prefixed(text: &str, word: &str, rest: &str) -> Result<Request> {
    if rest.starts_with(':') {
        return Err(error!(
            Usage,
            "`{}::` is refused: it lets an address run a command",
            printable(word, false)
        )
        .hint("write the address of the repository itself, with `https://` or `ssh://`"));
    }
    if rest.starts_with("//") {
        return if registry_skill::is_recorded(word) {
            registry_skill::parse_recorded(text)
        } else {
            parse_url(text)
        };
    }
    let lower = word.to_ascii_lowercase();
    match lower.as_str() {
        "github" => parse_owned(rest, "github:owner/repo", github_source),
        "bitbucket" => parse_owned(rest, "bitbucket:workspace/repo", bitbucket_source),
        "gitlab" => parse_gitlab(rest),
        "builtin" => parse_builtin(rest),
        "own" if is_plain_name(rest) => Ok(own_request(rest)),
        "file" | "https" | "http" | "ssh" => Err(error!(Usage, "`{lower}:` needs two slashes")
            .hint(format!("write `{lower}://…`, for a file `file:///…`"))),
        _ if rest.starts_with('@') && is_registry_name(word) => {
            registry_skill::parse_scoped(rest, RegistryChoice::Named(word.to_owned()))
        }
        _ if word.contains('.') => address::parse_scp(text),
        _ if is_entry_skill(word, rest) => with_at_entry(word, rest),
        _ => Err(unknown_prefix(&lower)),
    }
}

/// Reads `scheme://…`, also behind `git+`.
///
/// # Errors
/// `Usage` for schemes that are refused, passwords, `..`, and what the pages of the known
/// hosts do not lead to.
fn parse_url(text: &str) -> Result<Request> {
    let (plain, git) = match text.get(..4) {
        Some(start) if start.eq_ignore_ascii_case("git+") => (&text[4..], true),
        _ => (text, false),
    };
    let scheme = plain.split(':').next().unwrap_or_default().to_ascii_lowercase();
    address::check_scheme(&scheme)?;
    if plain.contains(char::is_whitespace) {
        return Err(error!(Usage, "the address contains a space").hint("write `%20` for a space in a URL"));
    }
    let host_at = scheme.len() + 3;
    let path_at = plain[host_at..].find(['/', '?', '#']).map_or(plain.len(), |at| host_at + at);
    let parts = AddressParts::of(plain, path_at, true);
    match scheme.as_str() {
        "file" => address::parse_file_url(parts),
        "ssh" => address::git_remote(address::check_url(&parts)?, parts),
        _ => page::parse_page(address::check_url(&parts)?, parts, git),
    }
}

fn unknown_prefix(word: &str) -> Error {
    let shown = printable(word, false);
    let error = error!(Usage, "unknown source prefix `{shown}:`");
    let plain = |known: &'static str| known.trim_end_matches([':', '/']);
    let near = find_nearest(word, PREFIXES.into_iter().map(plain));
    let known = match word {
        "gh" => Some("github:"),
        "gl" => Some("gitlab:"),
        "bb" => Some("bitbucket:"),
        "git" => Some("git+https://"),
        _ => PREFIXES.into_iter().find(|known| Some(plain(known)) == near),
    };
    match (known, word) {
        (Some(known), _) => error.hint(format!("did you mean `{known}…`?")),
        (None, "npm" | "pypi" | "oci" | "docker" | "crate") => error
            .hint("packages and images are not read; name the git repository or an archive of it")
            .hint("for instance `github:owner/repo`"),
        (None, "gist") => error.hint("a gist is a repository: `https://gist.github.com/ID.git`"),
        (None, _) => error
            .hint(format!("known prefixes are {}", PREFIXES.map(|prefix| format!("`{prefix}`")).join(", ")))
            .hint(format!("for a host of your ssh configuration write `ssh://{shown}/path`")),
    }
}

/// `skill@marketplace` behind `entry:`.
fn is_entry_skill(word: &str, rest: &str) -> bool {
    let names = rest
        .split_once('@')
        .is_some_and(|(skill, marketplace)| is_entry_name(skill) && is_plain_name(marketplace));
    names && is_entry_name(word)
}

/// `entry:skill@marketplace`: one skill of an entry, whose name other entries may have too.
fn with_at_entry(word: &str, rest: &str) -> Result<Request> {
    let (skill, marketplace) = rest.split_once('@').unwrap_or((rest, ""));
    Ok(of_marketplace(format!("{word}:{skill}"), marketplace))
}

/// `any name at all"@marketplace`, behind the first quote.
fn parse_quoted(rest: &str) -> Result<Request> {
    match rest.rsplit_once("\"@") {
        Some((entry, marketplace)) if !entry.trim().is_empty() && is_plain_name(marketplace) => {
            Ok(of_marketplace(entry.to_owned(), marketplace))
        }
        _ => Err(malformed_at()),
    }
}

fn of_marketplace(entry: String, marketplace: &str) -> Request {
    let source = Source::Marketplace { entry, marketplace: marketplace.to_owned() };
    Request { source, reference: Reference::Default, subdirectory: None, skill: None }
}

/// `entry@marketplace`, `user@host:path`.
fn with_at(text: &str, word: &str, rest: &str) -> Result<Request> {
    if word.is_empty() {
        return registry_skill::parse_scoped(text, RegistryChoice::OfScope);
    }
    let colon = rest.find([':', '/', '#']).filter(|at| rest[*at..].starts_with(':'));
    if let Some(colon) = colon {
        // `user:password@host` comes as a prefix; here it is `user@host:path`.
        return if rest[..colon].contains('@') { Err(malformed_at()) } else { address::parse_scp(text) };
    }
    if looks_like_reference(rest) {
        return Err(error!(
            Usage,
            "`{}` asks for a version, but does not name a repository",
            printable(text, false)
        )
        .hint(format!("write the repository: `owner/repo#{}`", printable(rest, false)))
        .hint("or the marketplace that has it: `name@marketplace`"));
    }
    if !is_entry_name(word) || !is_plain_name(rest) {
        return Err(malformed_at());
    }
    Ok(of_marketplace(word.to_owned(), rest))
}

fn malformed_at() -> Error {
    error!(Usage, "cannot understand what is around `@`")
        .hint("an entry of a marketplace is `name@marketplace`, of any other name `\"a/b\"@marketplace`")
        .hint("a skill of a repository is `owner/repo@skill-name`")
        .hint("a repository over ssh is `git@host:owner/repo.git`")
}

/// `owner/repo…` without a prefix.
fn parse_shorthand(text: &str) -> Result<Request> {
    let first = text.split('/').next().unwrap_or_default();
    if first.contains('.') {
        let known =
            ["github.com", "www.github.com", "gitlab.com", "bitbucket.org", "raw.githubusercontent.com"];
        if known.contains(&first.to_ascii_lowercase().as_str()) {
            return parse_url(&format!("https://{text}"));
        }
        return Err(error!(Usage, "`{}` can be a host or a folder", printable(first, false))
            .hint(format!("for a host write `https://{}`", printable(text, false)))
            .hint(format!("for a folder write `./{}`", printable(text, false))));
    }
    let path = text.split(['#', '@']).next().unwrap_or(text).trim_end_matches('/');
    if !path.contains('/') {
        return parse_bare(path);
    }
    let words: Vec<&str> = path.split('/').collect();
    if is_archive(path) && !path.contains("//") {
        let error = error!(Usage, "`{}` can be a file or a repository", printable(text, false))
            .hint(format!("for a file write `./{}`", printable(text, false)));
        return Err(if words.len() == 2 {
            error.hint(format!("for a repository write `github:{}`", printable(text, false)))
        } else {
            error
        });
    }
    if let [owner, repo, word, _, ..] = words[..]
        && !path.contains("//")
        && PAGE_WORDS.contains(&word)
    {
        return Err(error!(Usage, "`{}` can be a page or a folder", printable(text, false))
            .hint(format!("for a page write `https://github.com/{}`", printable(text, false)))
            .hint(format!("for a folder `{word}` write `github:{owner}/{repo}//{word}/…`")));
    }
    parse_owned(text, "owner/repo", github_source)
}

/// `owner/repo[/folder]` of a host where a repository has exactly two names.
fn parse_owned(text: &str, form: &str, source: fn(&str, &str) -> Result<Source>) -> Result<Request> {
    if text.contains("://") {
        return Err(
            error!(Usage, "a source prefix cannot come before a full address").hint("write only the address")
        );
    }
    let mut parts = AddressParts::of(text, 0, false);
    let skill = parts.take_skill()?;
    let hint = format!("write it like `{form}`, `{form}/path/to/skill` or `{form}@skill-name`");
    let mut words = parts.address.trim_end_matches('/').splitn(3, '/');
    let (Some(owner), Some(repo)) = (words.next(), words.next()) else {
        return Err(error!(Usage, "`{}` does not name a repository", printable(text, false)).hint(hint));
    };
    let source = source(owner, without_git(repo)).map_err(|e| e.hint(hint))?;
    let subdirectory = match (words.next(), parts.folder) {
        (Some(_), Some(_)) => {
            return Err(error!(Usage, "`{}` has an empty part (`//`)", printable(text, false))
                .hint("between the folders write one slash"));
        }
        (Some(below), None) | (None, Some(below)) => parse_folder(below)?,
        (None, None) => None,
    };
    assemble_request(source, subdirectory, parts.fragment, skill)
}

/// `group/…/repo[//folder]`.
fn parse_gitlab(text: &str) -> Result<Request> {
    let mut parts = AddressParts::of(text, 0, false);
    let skill = parts.take_skill()?;
    let project = without_git(parts.address.trim_end_matches('/'));
    let source = gitlab_source(project)
        .map_err(|e| e.hint("write it like `gitlab:group/repo` or `gitlab:group/sub/repo//path/to/skill`"))?;
    assemble_request(source, parts.folder()?, parts.fragment, skill)
}

fn parse_builtin(name: &str) -> Result<Request> {
    if !is_plain_name(name) {
        return Err(error!(Usage, "`{}` is not a valid name of a built-in skill", printable(name, false))
            .hint("write for instance `builtin:skill-finder`"));
    }
    let source = Source::Builtin { name: name.to_owned() };
    Ok(Request { source, reference: Reference::Default, subdirectory: None, skill: None })
}

/// The record of a skill that has no source.
fn own_request(name: &str) -> Request {
    let source = Source::Own { name: name.to_owned() };
    Request { source, reference: Reference::Default, subdirectory: None, skill: None }
}

/// A word alone: an archive by its ending, else something that could be anything.
fn parse_bare(text: &str) -> Result<Request> {
    let name = text.split(['#', '/']).next().unwrap_or(text);
    let shown = printable(name, false);
    if is_archive(text) && !text.contains(['/', '#']) {
        let source = Source::Archive { location: format!("./{text}") };
        return Ok(Request { source, reference: Reference::Default, subdirectory: None, skill: None });
    }
    names::refuse_foreign_archive(text)?;
    if name.eq_ignore_ascii_case("SKILL.md") {
        return Err(error!(Usage, "`{shown}` is a file; a skill is the folder that contains it")
            .hint("for this folder write `.`"));
    }
    let error = error!(Usage, "`{shown}` does not say where the skill comes from")
        .hint(format!("for a folder write `./{shown}`"))
        .hint("for a repository write `owner/repo`, or `owner/repo@skill-name`");
    Err(if is_plain_name(name) {
        error.hint(format!("to look for it by name use `ba-agent skill search {shown}`"))
    } else {
        error
    })
}
