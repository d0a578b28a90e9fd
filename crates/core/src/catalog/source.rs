//! Where an entry's files are: what is written, and what must be fetched for it.

use super::CatalogDialect;
use super::reader::{CatalogReader, JsonMembers, clean_path};
use super::rules;
use crate::digest::Digest;
use crate::error::{Error, Result, error, printable};
use crate::json::Json;
use crate::path::RelPath;
use crate::source::{Reference, Request, Sha, Source};

/// Keys that pin something in other tools. To ignore one would unpin the entry.
const PINS: [&str; 10] =
    ["commit", "rev", "revision", "tag", "hash", "branch", "checksum", "digest", "sha1", "version"];

/// The `source` of an entry.
#[derive(Debug, Clone, PartialEq)]
pub enum EntrySource {
    /// A folder of the marketplace itself.
    Relative { path: RelPath },
    /// `owner/repo` on GitHub.
    Github { repo: String, path: Option<RelPath>, at: GitRevision },
    /// Any git remote: `url`, `git`, `git-subdir`, or an address alone.
    Git { url: String, path: Option<RelPath>, at: GitRevision },
    /// A package of an npm registry.
    Npm(NpmPackage),
    /// An archive by its URL.
    Archive { url: String, sha256: Option<Digest> },
    /// A single `SKILL.md`, as well-known indexes serve it.
    Manifest { url: String, sha256: Digest },
    /// A folder whose files a well-known index lists, without digests.
    Served { url: String },
}

/// A package of an npm registry, in the words of a catalogue.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct NpmPackage {
    pub name: String,
    /// An exact version, a range, or a tag such as `latest`, which is the default.
    pub version: Option<String>,
    /// Another registry than that of the settings.
    pub registry: Option<String>,
    /// What the catalogue holds the tarball to, in the words of subresource integrity.
    pub integrity: Option<String>,
}

/// Which state of a git remote; the sha goes before the reference.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct GitRevision {
    pub(crate) reference: Option<String>,
    pub(crate) sha: Option<Sha>,
}

/// What must be fetched for an entry.
#[derive(Debug, Clone, PartialEq)]
pub enum EntryRequirement {
    /// A folder of the marketplace's own tree.
    Inside(RelPath),
    /// Something else, held to `integrity`.
    Elsewhere { request: Box<Request>, integrity: Option<Digest> },
    /// A package: its registry must be asked for the tarball first.
    Npm(NpmPackage),
}

impl EntryRequirement {
    /// True for an address that anybody on the way can answer for.
    fn is_plain_http(&self) -> bool {
        let Self::Elsewhere { request, .. } = self else { return false };
        match &request.source {
            Source::Archive { location: url } | Source::Git { url } | Source::Served { url } => {
                url.starts_with("http://")
            }
            _ => false,
        }
    }
}

impl EntrySource {
    /// One word for tables: `relative`, `github`, `git`, `npm`, `archive`, `file`, `served`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Relative { .. } => "relative",
            Self::Github { .. } => "github",
            Self::Git { .. } => "git",
            Self::Npm(_) => "npm",
            Self::Archive { .. } => "archive",
            Self::Manifest { .. } => "file",
            Self::Served { .. } => "served",
        }
    }

    /// True where the bytes are held to a commit or a sha256.
    pub fn is_pinned(&self) -> bool {
        match self {
            Self::Relative { .. } => true,
            Self::Github { at, .. } | Self::Git { at, .. } => at.sha.is_some(),
            Self::Npm(package) => package.integrity.is_some(),
            Self::Archive { sha256, .. } => sha256.is_some(),
            Self::Manifest { .. } => true,
            Self::Served { .. } => false,
        }
    }

    /// What to fetch. `local` says that the marketplace itself lies on this machine: only
    /// then it may name other places of this machine, as only a person may.
    ///
    /// # Errors
    /// `Invalid` for addresses that are not understood or not allowed to come out of a
    /// catalogue.
    pub fn to_requirement(&self, local: bool) -> Result<EntryRequirement> {
        let elsewhere = |request: Request, integrity: &Option<Digest>| EntryRequirement::Elsewhere {
            request: Box::new(request),
            integrity: integrity.clone(),
        };
        Ok(match self {
            Self::Relative { path } => EntryRequirement::Inside(path.clone()),
            Self::Github { repo, path, at } => {
                elsewhere(git_request(&format!("github:{repo}"), path, at, local)?, &None)
            }
            Self::Git { url, path, at } => elsewhere(git_request(url, path, at, local)?, &None),
            Self::Archive { url, sha256 } => elsewhere(archive_request(url, local)?, sha256),
            Self::Manifest { url, sha256 } => {
                let source = Source::Archive { location: url.clone() };
                elsewhere(of_host(source, local)?, &Some(sha256.clone()))
            }
            Self::Served { url } => elsewhere(of_host(Source::Served { url: url.clone() }, local)?, &None),
            Self::Npm(package) => EntryRequirement::Npm(package.clone()),
        })
    }
}

/// What a host serves for discovery, as a request.
fn of_host(source: Source, local: bool) -> Result<Request> {
    check_reach(&source, local)?;
    Ok(Request { source, reference: Reference::Default, subdirectory: None, skill: None })
}

fn git_request(address: &str, path: &Option<RelPath>, at: &GitRevision, local: bool) -> Result<Request> {
    let shown = printable(address, false);
    let request = Request::parse(address).map_err(|e| of_catalogue(e, &shown))?;
    if !request.source.is_git() {
        return Err(error!(Invalid, "`{shown}` is not a git repository, but the entry says that it is"));
    }
    check_reach(&request.source, local)?;
    let sha = at.sha.as_ref().map(Sha::as_str);
    let reference = at.reference.as_deref().filter(|_| sha.is_none());
    let path = path.as_ref().filter(|path| !path.is_root()).map(RelPath::as_str);
    request.with_flags(reference, sha, path).map_err(|e| of_catalogue(e, &shown))
}

fn archive_request(url: &str, local: bool) -> Result<Request> {
    let shown = printable(url, false);
    let request = Request::parse(url).map_err(|e| of_catalogue(e, &shown))?;
    if !matches!(request.source, Source::Archive { .. }) {
        return Err(error!(Invalid, "`{shown}` does not end like an archive")
            .hint("archives end in .zip, .skill, .tar, .tar.gz or .tgz"));
    }
    check_reach(&request.source, local)?;
    Ok(request)
}

/// Makes a usage error about an address an error of the catalogue that has it.
fn of_catalogue(error: Error, shown: &str) -> Error {
    let error = error.wrap(format!("the address `{shown}` of the entry cannot be used"));
    Error { kind: crate::error::Kind::Invalid, ..error }
}

/// A catalogue from elsewhere may not reach into this machine.
fn check_reach(source: &Source, local: bool) -> Result<()> {
    // Only a repository can be `git@host:path`; `/a@b:c.zip` is a file of this machine.
    let (address, scp) = match source {
        Source::Git { url } => (url.as_str(), is_scp(url)),
        Source::Served { url: path } | Source::Archive { location: path } | Source::Local { path } => {
            (path.as_str(), false)
        }
        _ => return Ok(()),
    };
    let outside = address.starts_with("https://") || address.starts_with("ssh://") || scp;
    if local || outside {
        return Ok(());
    }
    Err(error!(
        Invalid,
        "the entry names `{}`, which only a person or a local marketplace may use",
        printable(address, false)
    )
    .hint("addresses in a marketplace begin with `https://` or `ssh://`"))
}

/// `git@host:path`.
fn is_scp(address: &str) -> bool {
    !address.contains("://") && address.split_once(':').is_some_and(|(host, _)| host.contains('@'))
}

/// Reads the `source` of an entry, with `ref` and `sha` beside it; `root` is `pluginRoot`.
pub(super) fn read_source<'a>(
    reader: &mut CatalogReader<'a>,
    entry: &JsonMembers<'a>,
    root: Option<&str>,
) -> Option<EntrySource> {
    let Some(value) = entry.get("source") else {
        reader.report_at(rules::SOURCE_MISSING, entry.at, "the entry has no `source`", "");
        return None;
    };
    let beside = read_revision(reader, entry);
    let source = match value.as_text() {
        Some(text) => read_source_text(reader, value, &text, root, beside.clone())?,
        None => match reader.open_object(value) {
            Some(members) => read_source_object(reader, value, &members, beside.clone())?,
            None => {
                let message = format!("`source` is {}, but should be text or an object", value.kind());
                reader.report_at(rules::SOURCE_TYPE, value.offset(), message, "");
                return None;
            }
        },
    };
    let is_git = matches!(source, EntrySource::Git { .. } | EntrySource::Github { .. });
    if !is_git && beside != GitRevision::default() {
        let message = "`ref` or `sha` is set for a source that has no commits";
        reader.report_at(rules::SOURCE_PIN, value.offset(), message, "use a git source, or remove them");
        return None;
    }
    if !source.is_pinned() {
        let message = format!("the {} source of the entry is not pinned", source.kind());
        reader.report_at(
            rules::SOURCE_FLOATS,
            value.offset(),
            message,
            "add `sha` (git) or `sha256` (archive)",
        );
    }
    Some(source)
}

/// A text that says which state is meant. Of another type it is not a pin that could be passed
/// over.
fn read_pinning_key<'a>(
    reader: &mut CatalogReader<'a>,
    members: &JsonMembers<'a>,
    name: &str,
) -> Option<String> {
    let value = members.get(name)?;
    let text = value.as_text();
    if text.is_none() {
        let message = format!("`{name}` is {}, but should be text", value.kind());
        reader.report_at(rules::SOURCE_PIN, value.offset(), message, "ignoring it would unpin the entry");
    }
    text.map(|text| text.into_owned())
}

fn read_revision<'a>(reader: &mut CatalogReader<'a>, members: &JsonMembers<'a>) -> GitRevision {
    let reference = read_pinning_key(reader, members, "ref");
    let Some(sha) = members.get("sha") else { return GitRevision { reference, sha: None } };
    let parsed = sha.as_text().and_then(|text| text.parse::<Sha>().ok());
    if parsed.is_none() {
        let message = "`sha` is not a full commit sha of 40 hex digits";
        reader.report_at(
            rules::SOURCE_SHA,
            sha.offset(),
            message,
            "a short or misspelt sha does not pin the entry",
        );
    }
    GitRevision { reference, sha: parsed }
}

/// A source that is a text: a path, a name below `pluginRoot`, or an address.
fn read_source_text<'a>(
    reader: &mut CatalogReader<'a>,
    value: Json<'a>,
    text: &str,
    root: Option<&str>,
    at: GitRevision,
) -> Option<EntrySource> {
    if text.contains("://") || is_scp(text) {
        return Some(EntrySource::Git { url: text.to_owned(), path: None, at });
    }
    if let Some(repo) = text.strip_prefix("github:") {
        return Some(EntrySource::Github { repo: repo.to_owned(), path: None, at });
    }
    let path = path_at(reader, value, text)?;
    let bare = !text.contains('/') && text != ".";
    if let (true, Some(root)) = (bare, root.filter(|root| !root.is_empty())) {
        // Checked again: ` .` leaves no name, and both together may be too long.
        let path = path_at(reader, value, &format!("{root}/{path}"))?;
        return Some(EntrySource::Relative { path });
    }
    if !text.starts_with("./") && text != "." && !(bare && root.is_some()) {
        let message = format!("the path `{text}` does not begin with `./`");
        reader.report_at(
            rules::SOURCE_SHAPE,
            value.offset(),
            message,
            format!("write `./{path}`: some clients refuse it so"),
        );
    }
    Some(EntrySource::Relative { path })
}

fn path_at<'a>(reader: &mut CatalogReader<'a>, value: Json<'a>, text: &str) -> Option<RelPath> {
    match clean_path(text) {
        Ok(path) => Some(path),
        Err(reason) => {
            let message = format!("the path `{text}` of the source {reason}");
            reader.report_at(
                rules::SOURCE_PATH,
                value.offset(),
                message,
                "name a folder below the marketplace, like `./plugins/x`",
            );
            None
        }
    }
}

fn read_source_object<'a>(
    reader: &mut CatalogReader<'a>,
    value: Json<'a>,
    members: &JsonMembers<'a>,
    beside: GitRevision,
) -> Option<EntrySource> {
    let Some(kind) = members.get("source").and_then(Json::as_text) else {
        reader.report_at(
            rules::SOURCE_TYPE,
            value.offset(),
            "the source has no type",
            "add `\"source\": \"github\"` or another",
        );
        return None;
    };
    let known: &[&str] = match kind.as_ref() {
        "github" => &["source", "repo", "ref", "sha", "path", "subdirectory"],
        "url" | "git" | "git-subdir" => &["source", "url", "ref", "sha", "path", "subdirectory"],
        "npm" => &["source", "package", "version", "registry", "integrity"],
        "archive" => &["source", "url", "sha256"],
        "local" => &["source", "path"],
        "command" => {
            let message = "the source runs a command, which is refused";
            reader.report_at(
                rules::SOURCE_COMMAND,
                value.offset(),
                message,
                "name a repository or an archive instead",
            );
            return None;
        }
        other => {
            let message = format!("unknown source type `{other}`");
            reader.report_at(
                rules::SOURCE_TYPE,
                value.offset(),
                message,
                "known types are github, url, git, git-subdir, npm, archive, local",
            );
            return None;
        }
    };
    if !check_source_keys(reader, members, known) {
        return None;
    }
    match kind.as_ref() {
        "github" => read_github(reader, members, beside),
        "npm" => read_npm(reader, members),
        "archive" => read_archive(reader, members),
        "local" => {
            let text = read_required(reader, members, "path")?;
            Some(EntrySource::Relative { path: path_at(reader, value, &text)? })
        }
        kind => read_remote(reader, value, members, kind, beside),
    }
}

/// Reports unknown keys. False where another tool would take one of them for a pin, as the
/// entry would be unpinned without it.
fn check_source_keys<'a>(reader: &mut CatalogReader<'a>, members: &JsonMembers<'a>, known: &[&str]) -> bool {
    let mut sound = true;
    for (key, _) in members.pairs.iter().filter(|(key, _)| !known.contains(&key.text.as_ref())) {
        let text = key.text.as_ref();
        if PINS.contains(&text) || text == "sha" || text == "sha256" || text == "ref" {
            let message = format!("`{text}` has no effect in a source of this type");
            reader.report_at(
                rules::SOURCE_PIN,
                key.offset,
                message,
                "ignoring it would unpin the entry; write `sha`, `ref` or `sha256` as the type has it",
            );
            sound = false;
        } else {
            let message = format!("the source has the unknown key `{text}`");
            reader.report_at(rules::KEY_UNKNOWN, key.offset, message, "it has no effect; is it misspelt?");
        }
    }
    sound
}

fn read_required<'a>(
    reader: &mut CatalogReader<'a>,
    members: &JsonMembers<'a>,
    name: &str,
) -> Option<String> {
    if members.get(name).is_none() {
        reader.report_at(rules::SOURCE_ADDRESS, members.at, format!("the source has no `{name}`"), "");
        return None;
    }
    reader.read_text(members, name)
}

/// `path`, which this program also calls `subdirectory`.
fn read_folder<'a>(reader: &mut CatalogReader<'a>, members: &JsonMembers<'a>) -> Result<Option<RelPath>, ()> {
    let name = if members.get("path").is_some() { "path" } else { "subdirectory" };
    let Some(value) = members.get(name) else { return Ok(None) };
    let Some(text) = reader.read_text(members, name) else { return Err(()) };
    path_at(reader, value, &text).map(Some).ok_or(())
}

fn merge_revisions<'a>(
    reader: &mut CatalogReader<'a>,
    members: &JsonMembers<'a>,
    beside: GitRevision,
) -> GitRevision {
    let own = read_revision(reader, members);
    GitRevision { reference: own.reference.or(beside.reference), sha: own.sha.or(beside.sha) }
}

/// `path` is documented for `git-subdir` alone.
fn tell_undocumented<'a>(reader: &mut CatalogReader<'a>, members: &JsonMembers<'a>, kind: &str) {
    if members.get("path").is_some() {
        let message = format!(
            "`path` is not documented for a source of type `{kind}`; it is read as `git-subdir` has it"
        );
        reader.report_at(
            rules::SOURCE_SHAPE,
            members.offset_of("path"),
            message,
            "write `git-subdir`, so that every client installs the same folder",
        );
    }
}

fn read_github<'a>(
    reader: &mut CatalogReader<'a>,
    members: &JsonMembers<'a>,
    beside: GitRevision,
) -> Option<EntrySource> {
    let repo = read_required(reader, members, "repo")?;
    let path = read_folder(reader, members).ok()?;
    tell_undocumented(reader, members, "github");
    let at = merge_revisions(reader, members, beside);
    let source = EntrySource::Github { repo, path, at };
    check_request(reader, members, "repo", source)
}

fn read_remote<'a>(
    reader: &mut CatalogReader<'a>,
    value: Json<'a>,
    members: &JsonMembers<'a>,
    kind: &str,
    beside: GitRevision,
) -> Option<EntrySource> {
    let url = read_required(reader, members, "url")?;
    let path = read_folder(reader, members).ok()?;
    if kind == "git-subdir" && path.is_none() {
        reader.report_at(rules::SOURCE_ADDRESS, members.at, "a `git-subdir` source has no `path`", "");
    } else if kind == "url" {
        tell_undocumented(reader, members, kind);
    }
    let at = merge_revisions(reader, members, beside);
    if url.starts_with('.') {
        if reader.manner.named
            && reader.manner.dialect == CatalogDialect::Codex
            && at == GitRevision::default()
        {
            let path = path_at(reader, value, &url)?;
            return Some(EntrySource::Relative { path });
        }
        let message =
            format!("`{url}` is not a URL: it would be a folder on the machine of whoever installs");
        reader.report_at(
            rules::SOURCE_ADDRESS,
            members.offset_of("url"),
            message,
            "for a folder of the marketplace write `\"source\": \"./…\"`",
        );
        return None;
    }
    // `git-subdir` may have `owner/repo` as its url.
    let is_short = !url.contains(':') && url.split('/').count() == 2;
    let url = if is_short { format!("github:{url}") } else { url };
    check_request(reader, members, "url", EntrySource::Git { url, path, at })
}

/// Says already here what [`EntrySource::to_requirement`] would refuse of a local marketplace.
fn check_request<'a>(
    reader: &mut CatalogReader<'a>,
    members: &JsonMembers<'a>,
    key: &str,
    source: EntrySource,
) -> Option<EntrySource> {
    match source.to_requirement(true) {
        Ok(want) => {
            if want.is_plain_http() {
                reader.report_at(
                    rules::SOURCE_PLAIN,
                    members.offset_of(key),
                    "the source comes over plain http, which anybody on the way can change",
                    "write `https://`: of a marketplace that is not a local folder this is refused",
                );
            }
            Some(source)
        }
        Err(error) => {
            let cause = error.causes.first().unwrap_or(&error.message);
            let help = error.hints.first().cloned().unwrap_or_default();
            reader.report_at(rules::SOURCE_ADDRESS, members.offset_of(key), cause, help);
            None
        }
    }
}

fn read_npm<'a>(reader: &mut CatalogReader<'a>, members: &JsonMembers<'a>) -> Option<EntrySource> {
    let package = read_required(reader, members, "package")?;
    let plain = package.strip_prefix('@').unwrap_or(&package);
    let word = |word: &str| {
        !word.is_empty()
            && !word.starts_with('.')
            && word.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.~".contains(&b))
    };
    let parts = plain.split('/').count();
    if !plain.split('/').all(word)
        || parts > 2
        || (parts == 2) != package.starts_with('@')
        || package.len() > 214
    {
        let message = format!("`{package}` cannot be the name of an npm package");
        reader.report_at(rules::SOURCE_ADDRESS, members.offset_of("package"), message, "");
        return None;
    }
    Some(EntrySource::Npm(NpmPackage {
        name: package,
        version: read_pinning_key(reader, members, "version"),
        registry: read_pinning_key(reader, members, "registry"),
        integrity: read_pinning_key(reader, members, "integrity"),
    }))
}

fn read_archive<'a>(reader: &mut CatalogReader<'a>, members: &JsonMembers<'a>) -> Option<EntrySource> {
    let url = read_required(reader, members, "url")?;
    let sha256 = match members.get("sha256") {
        None => None,
        Some(value) => {
            let hex = value.as_text().map(|text| text.trim_start_matches("sha256:").to_ascii_lowercase());
            let digest = hex.and_then(|hex| format!("sha256:{hex}").parse::<Digest>().ok());
            if digest.is_none() {
                let message = "`sha256` is not 64 hex digits";
                reader.report_at(rules::SOURCE_SHA, value.offset(), message, "");
                return None;
            }
            digest
        }
    };
    check_request(reader, members, "url", EntrySource::Archive { url, sha256 })
}
