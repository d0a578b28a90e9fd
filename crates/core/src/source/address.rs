//! Addresses: everything with a scheme (`https://`, `ssh://`, `file://`, `git+…`) and
//! git's short form `user@host:path`, taken apart and put together.

use url::{Host, Url};

use super::names::{
    decode_percent, encode_folder, is_archive, is_drive, is_skill_name, last_part, parse_folder,
    refuse_foreign_archive, without_git,
};
use super::reference::looks_like_reference;
use super::{Reference, Request, Source};
use crate::error::{Error, Result, error, fail, printable};
use crate::path::RelPath;

/// True for a path that begins at the top of a disk or in a home directory.
pub(super) fn is_path_of_one_machine(path: &str) -> bool {
    path.starts_with(['/', '~', '\\']) || is_drive(path)
}

/// True for `file://…` and for hosts that every machine calls itself.
pub(super) fn is_url_of_one_machine(url: &str) -> bool {
    let url = url.strip_prefix("git+").unwrap_or(url);
    let host = match Url::parse(url) {
        Ok(url) if url.scheme() == "file" => return true,
        Ok(url) => url.host_str().unwrap_or_default().to_owned(),
        // `git@host:path`
        Err(_) => {
            let behind_user = url.rsplit_once('@').map_or(url, |(_, rest)| rest);
            behind_user.split(':').next().unwrap_or_default().to_owned()
        }
    };
    // Of a scheme that it does not know, `url` leaves the host as it is written.
    match Host::parse(&host) {
        Ok(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Ok(Host::Ipv4(ip)) => ip.is_loopback(),
        Ok(Host::Ipv6(ip)) => ip.is_loopback(),
        Err(_) => false,
    }
}

/// A text in its parts, before anything is decoded: `address//folder#reference@skill`.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct AddressParts<'a> {
    pub(super) address: &'a str,
    pub(super) folder: Option<&'a str>,
    pub(super) query: Option<&'a str>,
    pub(super) fragment: Option<&'a str>,
}

impl<'a> AddressParts<'a> {
    /// Splits; `path_at` is where a path begins, so that `//` of a scheme is left alone.
    pub(super) fn of(text: &'a str, path_at: usize, with_query: bool) -> Self {
        let (rest, fragment) = cut_at_char(text, '#');
        let (rest, query) = if with_query { cut_at_char(rest, '?') } else { (rest, None) };
        let (address, folder) = split_folder(rest, path_at);
        Self { address, folder, query, fragment }
    }

    /// The folder, decoded.
    ///
    /// # Errors
    /// `Usage` for a folder that is not a valid [`RelPath`].
    pub(super) fn folder(&self) -> Result<Option<RelPath>> {
        self.folder.map_or(Ok(None), parse_folder)
    }

    /// Takes `@skill` off the end of the folder, or of the address where there is none.
    ///
    /// # Errors
    /// `Usage` when what stands behind `@` cannot be a skill; a version or sha there gets
    /// a hint to write `#`.
    pub(super) fn take_skill(&mut self) -> Result<Option<&'a str>> {
        if self.folder.is_some() && skill_at(self.address).is_some() {
            return Err(error!(Usage, "`@` comes before the folder")
                .hint("the skill name goes at the end: `address//folder@skill-name`"));
        }
        let in_folder = self.folder.is_some();
        let whole = self.folder.as_mut().unwrap_or(&mut self.address);
        let Some(at) = skill_at(whole) else { return Ok(None) };
        let (left, right) = (&whole[..at], whole[at + 1..].trim_end_matches('/'));
        if is_skill_name(right) {
            // In a folder it is written `%40`; the address alone would be read as with a skill.
            if !in_folder && skill_at(left).is_some() {
                return Err(error!(Usage, "`@` appears twice in the last part of the address")
                    .hint("name one skill after it, and further ones with `--skill NAME`"));
            }
            *whole = left;
            return Ok(Some(right));
        }
        let shown = printable(right, false);
        Err(match looks_like_reference(right) {
            true => error!(Usage, "`@{shown}` looks like a version, but `@` is followed by a skill name")
                .hint(format!("for that version write `{}#{shown}`", printable(left, false))),
            false => error!(Usage, "`{shown}` after `@` is not a valid skill name")
                .hint("write `owner/repo@skill-name`, or use `--skill NAME`"),
        })
    }
}

/// Where `@skill` begins: an `@` inside the last name of an address or folder.
fn skill_at(text: &str) -> Option<usize> {
    let text = text.trim_end_matches('/');
    // Behind the last slash; of `git@host:repo`, which may have none, behind the colon.
    let name_at = text.rfind('/').or_else(|| text.find(':')).map_or(0, |at| at + 1);
    text[name_at..].rfind('@').filter(|at| *at > 0).map(|at| name_at + at)
}

fn cut_at_char(text: &str, at: char) -> (&str, Option<&str>) {
    text.split_once(at).map_or((text, None), |(left, right)| (left, Some(right)))
}

/// `address//folder`, the `//` at or behind `path_at + 1`.
pub(super) fn split_folder(text: &str, path_at: usize) -> (&str, Option<&str>) {
    // Byte by byte: what is skipped may end within a character.
    let is_at = |at: &usize| text.as_bytes()[*at..].starts_with(b"//");
    let Some(at) = (path_at + 1..text.len()).find(is_at) else {
        return (text, None);
    };
    let folder = text[at..].trim_matches('/');
    (&text[..at], (!folder.is_empty()).then_some(folder))
}

/// The reference and the skill of what stands behind `#`.
///
/// # Errors
/// `Usage` when the reference is empty or cannot be one.
pub(super) fn parse_fragment(text: &str) -> Result<(Reference, Option<&str>)> {
    let (reference, skill) = match text.rsplit_once('@') {
        Some((reference, skill)) if is_skill_name(skill) => (reference, Some(skill)),
        _ => (text, None),
    };
    if reference.is_empty() {
        return Err(error!(Usage, "nothing follows `#`")
            .hint("write a branch, tag, sha or range there, or omit the `#`"));
    }
    Ok((Reference::parse(&decode_percent(reference)?)?, skill))
}

/// Refuses schemes that nothing is fetched by.
///
/// # Errors
/// `Usage`, with the schemes that can be used.
pub(super) fn check_scheme(scheme: &str) -> Result<()> {
    let refused = |reason: &str| error!(Usage, "`{scheme}://` is refused: {reason}");
    Err(match scheme {
        "https" | "http" | "ssh" | "file" => return Ok(()),
        "git" => {
            refused("it is neither encrypted nor authenticated").hint("write the address with `https://`")
        }
        "ftp" | "ftps" | "sftp" | "rsync" | "s3" | "gs" => refused("nothing is fetched that way")
            .hint("git remotes begin with `https://` or `ssh://`, archives with `https://`"),
        _ => error!(Usage, "unknown URL scheme `{}://`", printable(scheme, false))
            .hint("supported schemes are `https://`, `ssh://`, `file://` and `git+https://`"),
    })
}

/// Checks an address and gives it without query, fragment and folder.
///
/// # Errors
/// `Usage` for an address without a host, with a password or token, or with characters that no
/// repository needs.
pub(super) fn check_url(parts: &AddressParts) -> Result<Url> {
    let hint = "write it like `https://host/owner/repo.git`";
    let url = Url::parse(parts.address)
        .map_err(|cause| error!(Usage, "the address cannot be read").cause(cause).hint(hint))?;
    let Some(host) = url.host_str().filter(|host| !host.is_empty()) else {
        return Err(error!(Usage, "the address has no host").hint(hint));
    };
    let ip6 = url.scheme() != "ssh" && host.starts_with('[');
    if !ip6 {
        check_host(host)?;
    }
    if url.password().is_some() || (url.scheme() != "ssh" && is_token(url.username())) {
        return Err(secret_error(&format!("the address of {host} contains a password or token")));
    }
    if url.scheme() == "ssh" {
        check_user(url.username())?;
    }
    check_path(&decode_percent(parts.address.get(url.scheme().len() + 3..).unwrap_or_default())?)?;
    Ok(url)
}

/// An error that never quotes what it is about.
fn secret_error(message: &str) -> Error {
    error!(Usage, "{message}, which would end up in the registry and in process lists")
        .hint("remove it and set GITHUB_TOKEN, GITLAB_TOKEN or BITBUCKET_TOKEN")
        .hint("or let a git credential helper provide it")
}

/// User names that are tokens: the prefixes GitHub, GitLab and Atlassian document, the
/// names that go with a token as password, and anything as long as a token.
fn is_token(user: &str) -> bool {
    const STARTS: [&str; 9] =
        ["ghp_", "gho_", "ghs_", "ghu_", "ghr_", "github_pat_", "glpat-", "ATBB", "ATCTT"];
    const NAMES: [&str; 3] = ["x-access-token", "x-token-auth", "oauth2"];
    STARTS.iter().any(|start| user.starts_with(start)) || NAMES.contains(&user) || user.len() >= 20
}

/// Only what cannot be taken for an option or leave a command line (CVE-2017-1000117).
fn check_host(host: &str) -> Result<()> {
    let sound = host.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-'));
    if sound && !host.starts_with(['-', '.']) {
        return Ok(());
    }
    fail!(Usage, "`{}` is not a valid host name", printable(host, false))
}

fn check_user(user: &str) -> Result<()> {
    let sound = user.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_' | b'~'));
    if sound && !user.starts_with('-') {
        return Ok(());
    }
    fail!(Usage, "`{}` is not a valid user name in an address", printable(user, false))
}

/// Refuses paths that climb, and characters that a shell at the other end could obey.
fn check_path(path: &str) -> Result<()> {
    if path.split(['/', '\\']).any(|part| matches!(part, "." | "..")) {
        return Err(error!(Usage, "the address has a `.` or `..` part")
            .hint("write the address with that part resolved"));
    }
    let odd = |c: &char| matches!(c, '\'' | '"' | '`' | '$' | ';' | '|' | '<' | '>' | '\\');
    match path.chars().find(odd) {
        Some(c) => fail!(Usage, "the address contains `{c}`, which a repository address cannot have"),
        None => Ok(()),
    }
}

/// A git remote of any host: `url//folder#reference@skill`.
///
/// # Errors
/// `Usage` for an address with a query, without a path, or with something that cannot be a skill or
/// reference.
pub(super) fn git_remote(url: Url, mut parts: AddressParts) -> Result<Request> {
    if parts.query.is_some() {
        return Err(error!(Usage, "a repository address cannot have a query (`?…`)")
            .hint(format!("omit it: `{}`", git_text(url.as_str()))));
    }
    let before = parts.address.len();
    let skill = parts.take_skill()?;
    let url = if parts.address.len() == before {
        url
    } else {
        // Again without `@skill`, and with the user as the caller left it.
        let mut shorter = check_url(&parts)?;
        let _ = shorter.set_username(url.username());
        shorter
    };
    if url.path().trim_matches('/').is_empty() {
        return Err(error!(Usage, "the address has a host, but no repository")
            .hint("write it like `https://host/owner/repo.git`"));
    }
    let url = url.as_str().trim_end_matches('/').to_owned();
    assemble_request(Source::Git { url }, parts.folder()?, parts.fragment, skill)
}

/// Puts a git request together; the skill may stand before or behind the reference.
///
/// # Errors
/// `Usage` where two skills are named, or the reference cannot be one.
pub(super) fn assemble_request(
    source: Source,
    subdirectory: Option<RelPath>,
    behind: Option<&str>,
    skill: Option<&str>,
) -> Result<Request> {
    let (reference, second) = behind.map_or(Ok((Reference::Default, None)), parse_fragment)?;
    if let (Some(one), Some(two)) = (skill, second) {
        return Err(error!(Usage, "two skills are named, `{one}` and `{two}`")
            .hint(format!("write `{source}` with `--skill {one} --skill {two}`")));
    }
    Ok(Request { source, reference, subdirectory, skill: skill.or(second).map(str::to_owned) })
}

/// `file:///path`: a git repository, or an archive by its ending.
///
/// # Errors
/// `Usage` for a URL that does not name an absolute path of this machine.
pub(super) fn parse_file_url(mut parts: AddressParts) -> Result<Request> {
    let hint = "write three slashes: `file:///home/me/repo`";
    check_path(&decode_percent(parts.address)?)?;
    let url = Url::parse(parts.address)
        .map_err(|cause| error!(Usage, "the address cannot be read").cause(cause).hint(hint))?;
    if url.host_str().is_some_and(|host| !matches!(host, "" | "localhost")) || url.path() == "/" {
        return Err(error!(Usage, "the address has no path on this machine").hint(hint));
    }
    let path = decode_percent(url.path())?;
    if path.contains("//") {
        fail!(Usage, "the address has an empty part (`//`)");
    }
    refuse_foreign_archive(&path)?;
    if is_archive(&path) {
        let drive = path.trim_start_matches('/');
        let location = if drive.as_bytes().get(1) == Some(&b':') { drive } else { &path };
        return archive_request(location.to_owned(), &parts);
    }
    let skill = parts.take_skill()?;
    let url = Url::parse(parts.address)
        .map_err(|cause| error!(Usage, "the address cannot be read").cause(cause))?;
    if parts.query.is_some() {
        return Err(error!(Usage, "a repository address cannot have a query (`?…`)"));
    }
    let url = url.as_str().trim_end_matches('/').to_owned();
    assemble_request(Source::Git { url }, parts.folder()?, parts.fragment, skill)
}

/// An archive: a place in it may be named, a reference or a skill may not.
///
/// # Errors
/// `Usage` for a reference or skill behind `#`, and for a folder that cannot be one.
pub(super) fn archive_request(location: String, parts: &AddressParts) -> Result<Request> {
    if parts.fragment.is_some_and(|fragment| !fragment.is_empty()) {
        return Err(error!(Usage, "an archive has no branches, tags or commits, so nothing can follow `#`")
            .hint("to pin its bytes use `--integrity sha256:…`")
            .hint("to choose among its skills use `--skill NAME`"));
    }
    let subdirectory = parts.folder()?;
    let source = Source::Archive { location };
    Ok(Request { source, reference: Reference::Default, subdirectory, skill: None })
}

/// Refuses an archive's query that carries credentials (signed links of object stores,
/// tokens of raw files): the location is written into the registry.
///
/// # Errors
/// `Usage` for a query whose key is that of a credential.
pub(super) fn check_query(query: Option<&str>) -> Result<()> {
    const SECRET: [&str; 9] =
        ["token", "signature", "sig", "key", "apikey", "password", "secret", "credential", "auth"];
    let keys = query.unwrap_or_default().split('&').filter_map(|pair| pair.split('=').next());
    for key in keys {
        let key = key.to_ascii_lowercase();
        if key.split(['-', '_']).any(|word| SECRET.contains(&word)) {
            return Err(secret_error("the query of the address contains a credential")
                .hint("or download the archive yourself and install the file"));
        }
    }
    Ok(())
}

/// `user@host:path`, git's short form of ssh. Stays as it is: it means ssh, also for
/// github.com.
///
/// # Errors
/// `Usage` for a user, host or path that `ssh` would not take, and for what could be a port.
pub(super) fn parse_scp(text: &str) -> Result<Request> {
    let path_at = text.find(':').unwrap_or_default();
    let mut parts = AddressParts::of(text, path_at + 1, false);
    if parts.address.contains(char::is_whitespace) {
        fail!(Usage, "the address contains a space");
    }
    if text.contains("://") {
        // To git that is a URL of the scheme `git@host`, and so to what fetches it.
        return Err(error!(Usage, "the address looks like ssh shorthand, but contains `://`")
            .hint("write it like `git@host:owner/repo.git`"));
    }
    let skill = parts.take_skill()?;
    let (host, path) = parts.address.split_once(':').unwrap_or((parts.address, ""));
    let (user, host) = host.split_once('@').unwrap_or(("", host));
    check_user(user)?;
    check_host(host)?;
    check_path(path)?;
    let path = path.trim_end_matches('/');
    if path.is_empty() || path.starts_with('-') {
        return Err(error!(Usage, "the address has a host, but no repository")
            .hint("write it like `git@host:owner/repo.git`"));
    }
    if path.ends_with(':') {
        // With a folder behind it, `:` and `//` would read as the end of a scheme.
        return Err(error!(Usage, "the name of a repository cannot end with `:`")
            .hint("write it like `git@host:owner/repo.git`"));
    }
    if path.starts_with(|c: char| c.is_ascii_digit()) && path.split('/').count() > 2 {
        let digits = path.split('/').next().unwrap_or_default();
        if digits.parse::<u16>().is_ok() {
            let rest = path.get(digits.len()..).unwrap_or_default();
            return Err(error!(Usage, "`:{digits}` can be a port or a folder")
                .hint(format!("for a port write `ssh://{user}@{host}:{digits}{rest}`")));
        }
    }
    let url = parts.address.trim_end_matches('/').to_owned();
    assemble_request(Source::Git { url }, parts.folder()?, parts.fragment, skill)
}

/// What is printed for a git address: `git+` where the address alone would not say that
/// it is git, or would be the source of a known host, which the settings may have elsewhere.
pub(super) fn git_text(url: &str) -> String {
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
    let host = rest.map(|rest| rest.split(['/', ':']).next().unwrap_or_default());
    let host = host.map(|host| host.rsplit('@').next().unwrap_or_default().to_ascii_lowercase());
    let host = host.as_deref().map(|host| host.strip_prefix("www.").unwrap_or(host));
    let is_known = matches!(host, Some("github.com" | "gitlab.com" | "bitbucket.org"));
    if rest.is_some() && (is_known || !url.ends_with(".git")) { format!("git+{url}") } else { url.to_owned() }
}

/// `text//folder`, before a query. Only addresses are encoded; a path stays as it is.
pub(super) fn join_folder(text: &str, folder: &RelPath) -> String {
    // A user of `user@host:path` may begin with a dot or `~` too.
    let start = text.trim_start_matches(['.', '~']);
    let local = start.is_empty() || start.starts_with(['/', '\\']) || is_drive(text);
    if local {
        return format!("{text}//{folder}");
    }
    let (text, query) = if text.contains("://") { cut_at_char(text, '?') } else { (text, None) };
    let query = query.map(|query| format!("?{query}")).unwrap_or_default();
    format!("{text}//{}{query}", encode_folder(folder.as_str()))
}

/// The last part of an archive's place, without a query.
pub(super) fn file_name(location: &str) -> &str {
    let path = if location.contains("://") { cut_at_char(location, '?').0 } else { location };
    last_part(path)
}

/// `host/path` in lower-case host, without user, scheme and `.git`.
pub(super) fn git_name(url: &str) -> String {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let at = rest.find(['/', ':']).unwrap_or(rest.len());
    let host = rest[..at].rsplit('@').next().unwrap_or_default();
    format!(
        "{}{}",
        host.to_ascii_lowercase(),
        without_git(&rest[at..]).replacen(':', "/", usize::from(!url.contains("://")))
    )
}

/// What two spellings of one git address have in common.
pub(super) fn git_identity(url: &str) -> String {
    let (scheme, rest) = match url.split_once("://") {
        Some((scheme, rest)) => (scheme, rest.to_owned()),
        None => ("ssh", url.replacen(':', "/", 1)),
    };
    let at = rest.find('/').unwrap_or(rest.len());
    let path = without_git(rest[at..].trim_matches('/'));
    format!("{}://{}/{path}", scheme.to_ascii_lowercase(), rest[..at].to_ascii_lowercase())
}
