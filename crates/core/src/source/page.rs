//! Pages: what a person copies out of a browser, on the known hosts and on any other that
//! runs the same software.

use url::Url;

use super::address::{AddressParts, archive_request, assemble_request, check_query, git_remote};
use super::names::{
    self, bitbucket_source, decode_percent, github_source, gitlab_source, is_archive, refuse_foreign_archive,
    without_git,
};
use super::reference::looks_like_reference;
use super::{Reference, Request, Sha, Source};
use crate::error::{Error, Result, error, fail, printable};
use crate::path::RelPath;

/// Hosts whose repositories are reached under the address of their page. A host whose
/// first label is one of [`FORGES`] is taken for one too.
const HOSTS: [&str; 6] =
    ["codeberg.org", "gitee.com", "gitcode.com", "framagit.org", "huggingface.co", "salsa.debian.org"];
const FORGES: [&str; 7] = ["git", "gitlab", "gitea", "forgejo", "github", "bitbucket", "ghe"];

/// First parts of github.com addresses that are no account.
const NO_OWNERS: [&str; 12] = [
    "orgs",
    "settings",
    "marketplace",
    "topics",
    "search",
    "sponsors",
    "collections",
    "features",
    "explore",
    "login",
    "apps",
    "users",
];

/// Where a page points: a state of the repository, and a folder in it.
struct PageTarget {
    reference: Reference,
    folder: Option<RelPath>,
}

/// Reads an `http(s)` address. `git` is true behind `git+`.
///
/// # Errors
/// `Usage` for the address of a page that does not lead to a repository, a folder of one or an archive.
pub(super) fn parse_page(url: Url, parts: AddressParts, git: bool) -> Result<Request> {
    let host = url.host_str().unwrap_or_default().to_ascii_lowercase();
    let host = host.strip_prefix("www.").unwrap_or(&host);
    match host {
        // Behind `git+` an address is an address, whatever the settings say of that host's sources.
        "github.com" | "gitlab.com" | "bitbucket.org" if git => {}
        "github.com" | "github.dev" => return github_page(&url, parts),
        "raw.githubusercontent.com" => return github_raw(&url, parts),
        "gitlab.com" => return gitlab_page(&url, parts),
        "bitbucket.org" => return bitbucket_page(&url, parts),
        "codeload.github.com" => return archive_at(&url, &parts),
        "skills.sh" => return Err(skills_site(&url)),
        "clawhub.ai" | "clawhub.com" => return Err(clawhub_error(&url)),
        "gist.github.com" if !url.path().ends_with(".git") => return Err(gist_error(&url)),
        _ => {}
    }
    parse_other_host(url, parts, git, host)
}

/// The parts of the path, decoded, without empty ones at the ends.
fn path_words(url: &Url) -> Result<Vec<String>> {
    let path = url.path().trim_matches('/');
    if path.is_empty() {
        return Ok(Vec::new());
    }
    path.split('/').map(decode_percent).collect()
}

fn github_page(url: &Url, mut parts: AddressParts) -> Result<Request> {
    let words = path_words(url)?;
    let [owner, repo, rest @ ..] = &words[..] else {
        return Err(error!(Usage, "`{}` is not a repository on github.com", printable(url.path(), false))
            .hint("write `https://github.com/owner/repo`, or `owner/repo`"));
    };
    if NO_OWNERS.contains(&owner.as_str()) {
        return Err(error!(Usage, "`github.com/{owner}` is a page, not an account")
            .hint("write `https://github.com/owner/repo`, or `owner/repo`"));
    }
    if rest.is_empty() {
        return repository_page(&mut parts, repo, |repo| github_source(owner, repo));
    }
    let source = github_source(owner, without_git(repo))?;
    match (rest[0].as_str(), rest.get(1).map(String::as_str)) {
        ("archive" | "zipball" | "tarball", _) | ("releases", Some("download")) => archive_at(url, &parts),
        ("raw", _) if is_archive(url.path()) => archive_at(url, &parts),
        ("wiki", _) => Err(error!(Usage, "a wiki contains no skills").hint(format!("write `{source}`"))),
        ("pull" | "compare", _) => Err(error!(Usage, "a pull request is not a place to install from")
            .hint("write the fork and branch that it comes from: `owner/repo#branch`")),
        _ => on_page(source, rest, &parts),
    }
}

/// The page of a repository itself: `…/repo`, `…/repo.git`, with `#ref` and `@skill`, and
/// what a browser leaves behind it.
fn repository_page(
    parts: &mut AddressParts,
    repo: &str,
    source: impl Fn(&str) -> Result<Source>,
) -> Result<Request> {
    let skill = parts.take_skill()?;
    let repo = if skill.is_some() { repo.rsplit_once('@').map_or(repo, |(repo, _)| repo) } else { repo };
    let stem = without_git(repo);
    let page = stem == repo;
    let anchor = |text: &str| {
        matches!(text, "" | "readme" | "readme-ov-file")
            || (parts.query.is_some() && !looks_like_reference(text))
    };
    if page && parts.fragment.is_some_and(anchor) {
        parts.fragment = None;
    }
    assemble_request(source(stem)?, parts.folder()?, parts.fragment, skill)
}

fn github_raw(url: &Url, parts: AddressParts) -> Result<Request> {
    let words = path_words(url)?;
    let [owner, repo, rest @ ..] = &words[..] else {
        fail!(Usage, "`{}` is not a file in a repository", printable(url.path(), false));
    };
    if is_archive(url.path()) {
        return archive_at(url, &parts);
    }
    finish_page(github_source(owner, repo)?, parse_tail(rest, true)?, &parts)
}

/// GitLab separates the project from the page by `/-/`; older links do without.
fn gitlab_page(url: &Url, mut parts: AddressParts) -> Result<Request> {
    let words = path_words(url)?;
    let Some((project, page)) = split_gitlab(&words) else {
        let [groups @ .., repo] = &words[..] else {
            fail!(Usage, "the address is not that of a project on gitlab.com");
        };
        let groups: String = groups.iter().map(|group| format!("{group}/")).collect();
        return repository_page(&mut parts, repo, |repo| gitlab_source(&format!("{groups}{repo}")));
    };
    let project = project.join("/");
    let source = gitlab_source(without_git(&project))?;
    if page.first().is_some_and(|word| word == "archive") || is_file_download(page) {
        return archive_at(url, &parts);
    }
    on_page(source, page, &parts)
}

fn split_gitlab(words: &[String]) -> Option<(&[String], &[String])> {
    if let Some(at) = words.iter().skip(1).position(|word| word == "-") {
        return Some((&words[..=at], words.get(at + 2..).unwrap_or_default()));
    }
    let page = |word: &String| matches!(word.as_str(), "tree" | "blob" | "raw" | "commit" | "commits");
    let at = words.iter().skip(2).position(page)? + 2;
    Some((&words[..at], &words[at..]))
}

/// `raw/<ref>/…/x.zip`: a file that is itself an archive.
fn is_file_download(page: &[String]) -> bool {
    page.first().is_some_and(|word| word == "raw") && page.last().is_some_and(|name| is_archive(name))
}

fn bitbucket_page(url: &Url, mut parts: AddressParts) -> Result<Request> {
    let words = path_words(url)?;
    let [workspace, repo, rest @ ..] = &words[..] else {
        return Err(error!(Usage, "`{}` is not a repository on bitbucket.org", printable(url.path(), false))
            .hint("write `https://bitbucket.org/workspace/repo`"));
    };
    if rest.is_empty() {
        return repository_page(&mut parts, repo, |repo| bitbucket_source(workspace, repo));
    }
    let source = bitbucket_source(workspace, without_git(repo))?;
    match rest[0].as_str() {
        "get" | "downloads" => archive_at(url, &parts),
        "branch" => {
            let name = rest[1..].join("/");
            finish_page(
                source,
                PageTarget { reference: parse_below("refs/heads/", &name)?, folder: None },
                &parts,
            )
        }
        "src" if rest.len() == 1 => {
            finish_page(source, PageTarget { reference: Reference::Default, folder: None }, &parts)
        }
        "src" => finish_page(source, tail_of(&rest[1..], rest.last())?, &parts),
        _ => on_page(source, rest, &parts),
    }
}

/// A file or folder by what it is called: Bitbucket and Gitea show both under one word.
fn tail_of(words: &[String], last: Option<&String>) -> Result<PageTarget> {
    let file = last.is_some_and(|name| name.to_ascii_lowercase().ends_with(".md"));
    parse_tail(words, file)
}

/// What stands behind the repository in the address of one of its pages.
fn on_page(source: Source, page: &[String], parts: &AddressParts) -> Result<Request> {
    let word = page.first().map(String::as_str).unwrap_or_default();
    let rest = page.get(1..).unwrap_or_default();
    let place = match (word, rest.first().map(String::as_str)) {
        ("tree" | "commits", Some(_)) => parse_tail(rest, false)?,
        ("blob" | "raw" | "blame" | "edit", Some(_)) => parse_tail(rest, true)?,
        ("commit", Some(sha)) => PageTarget { reference: Reference::parse(sha)?, folder: None },
        ("releases", Some("tag")) => {
            PageTarget { reference: parse_below("refs/tags/", &rest[1..].join("/"))?, folder: None }
        }
        ("releases" | "tags", Some(tag)) if tag != "latest" => {
            PageTarget { reference: parse_below("refs/tags/", &rest.join("/"))?, folder: None }
        }
        _ => {
            return Err(error!(
                Usage,
                "cannot install from the page `{}` of {}",
                printable(&page.join("/"), false),
                source.display_name()
            )
            .hint(format!("for the repository write `{source}`"))
            .hint("for a folder copy the address of its page, which has `/tree/` in it"));
        }
    };
    finish_page(source, place, parts)
}

fn parse_below(root: &str, name: &str) -> Result<Reference> {
    Reference::parse(&format!("{root}{name}"))
}

/// A reference, which may hold slashes, and what follows it. `file` is true where the last
/// word is a file: it must be `SKILL.md`, whose folder is meant.
fn parse_tail(words: &[String], file: bool) -> Result<PageTarget> {
    let mut words = words;
    if let [front @ .., last] = words
        && !front.is_empty()
        && last.eq_ignore_ascii_case("SKILL.md")
    {
        words = front;
    } else if file {
        let shown = printable(&words.join("/"), false);
        return Err(error!(Usage, "`{shown}` is a file, and not a `SKILL.md`")
            .hint("copy the address of the folder that contains the skill, or of its `SKILL.md`"));
    }
    if let [first, rest @ ..] = words
        && let Ok(sha) = first.parse::<Sha>()
    {
        let folder = check_folder(&rest.join("/"))?;
        return Ok(PageTarget { reference: Reference::Sha(sha), folder });
    }
    Ok(PageTarget { reference: Reference::parse_tail(&words.join("/"))?, folder: None })
}

fn check_folder(text: &str) -> Result<Option<RelPath>> {
    if text.is_empty() {
        return Ok(None);
    }
    RelPath::parse(text.as_bytes()).map(Some).map_err(|reason| {
        error!(Usage, "the folder `{}` cannot be used: it {reason}", printable(text, false))
    })
}

/// A request for a page. The fragment of a page is a place on it (`#L10`, `#usage`), unless
/// it can only be meant as a reference: then two are named.
fn finish_page(source: Source, place: PageTarget, parts: &AddressParts) -> Result<Request> {
    if let Some(second) = parts.fragment.filter(|text| looks_like_reference(text) || text.contains('@')) {
        return Err(error!(
            Usage,
            "the page address has one reference, and `#{}` is another",
            printable(second, false)
        )
        .hint(format!("write `{source}#{}`, with `--subdirectory` for a folder", printable(second, false))));
    }
    if parts.folder.is_some() {
        fail!(Usage, "the address of a page has an empty part (`//`)");
    }
    let PageTarget { reference, folder } = place;
    Ok(Request { source, reference, subdirectory: folder, skill: None })
}

/// An archive by its address; the query stays, as it may choose what is sent.
fn archive_at(url: &Url, parts: &AddressParts) -> Result<Request> {
    refuse_foreign_archive(url.path())?;
    check_query(parts.query)?;
    let query = parts.query.filter(|query| !query.is_empty());
    archive_request(format!("{url}{}", query.map(|query| format!("?{query}")).unwrap_or_default()), parts)
}

fn gist_error(url: &Url) -> Error {
    let id = names::last_part(url.path().trim_end_matches('/'));
    error!(Usage, "the page of a gist is not a repository")
        .hint(format!("its repository is `https://gist.github.com/{}.git`", printable(id, false)))
}

/// Its skills are files of its own, which it hands out to its own program alone.
fn clawhub_error(url: &Url) -> Error {
    let name = url.path().trim_matches('/').rsplit('/').next().unwrap_or_default();
    let error = error!(Usage, "the pages of clawhub.ai are not a place to install from")
        .hint("if the page shows the skill's repository, write that: `owner/repo@skill-name`");
    match name.is_empty() {
        true => error,
        false => error.hint(format!("or look for it: `ba-agent skill search {}`", printable(name, false))),
    }
}

fn skills_site(url: &Url) -> Error {
    let error = error!(Usage, "the pages of skills.sh do not contain the skills themselves");
    match url.path().trim_matches('/').split('/').collect::<Vec<_>>()[..] {
        [owner, repo, skill] => {
            error.hint(format!("write `{}`", printable(&format!("{owner}/{repo}@{skill}"), false)))
        }
        _ => error.hint("write `owner/repo@skill-name`, as the page shows it"),
    }
}

/// Any other host: only what says by itself that it is an archive or a repository.
fn parse_other_host(url: Url, parts: AddressParts, git: bool, host: &str) -> Result<Request> {
    if !git {
        refuse_foreign_archive(url.path())?;
        if is_archive(url.path()) {
            return archive_at(&url, &parts);
        }
    }
    // A folder may be called so too; then nothing stands behind it.
    if url.path().split_once("/_git/").is_some_and(|(_, rest)| !rest.trim_matches('/').is_empty()) {
        return azure_page(url, parts);
    }
    let words = path_words(&url)?;
    if !git && is_served(&words) {
        return served_request(url, &words, parts);
    }
    if let Some((at, kind)) = split_gitea(&words) {
        return gitea_page(&url, &words, at, kind, &parts);
    }
    if let Some((repository, page)) = split_page(&words) {
        return on_page(git_source(&url, repository)?, page, &parts);
    }
    let forge = HOSTS.contains(&host) || host.split('.').next().is_some_and(|label| FORGES.contains(&label));
    if !git && !forge && url.path().ends_with("/SKILL.md") {
        // A skill that is one file, as hosts serve it for discovery.
        return archive_at(&url, &parts);
    }
    let repository = without_skill(url.path().trim_end_matches('/'));
    if git || repository.ends_with(".git") || (forge && words.len() >= 2) {
        return git_remote(url, parts);
    }
    let mut shown = url.clone();
    let _ = shown.set_username("");
    Err(error!(
        Usage,
        "`{}` does not say whether it is a repository or an archive",
        printable(shown.as_str(), false)
    )
    .hint(format!("for a git repository write `git+{shown}`"))
    .hint("an archive's address ends in .zip, .skill, .tar.gz, .tgz or .tar"))
}

/// `…/.well-known/skills/NAME`, the folder of a skill that a host serves by an index.
fn is_served(words: &[String]) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    let [.., well_known, folder, name] = words else { return false };
    well_known == ".well-known"
        && matches!(folder.as_str(), "skills" | "agent-skills")
        && name.bytes().all(plain)
        && !name.starts_with('.')
        && name != "index.json"
}

fn served_request(mut url: Url, words: &[String], parts: AddressParts) -> Result<Request> {
    if parts.fragment.is_some_and(|fragment| !fragment.is_empty()) || parts.query.is_some() {
        return Err(error!(Usage, "`?…` and `#…` cannot be used with a skill that a host serves")
            .hint("omit it; to pin its files use `--integrity sha256:…`"));
    }
    url.set_path(&words.join("/"));
    let source = Source::Served { url: url.to_string() };
    Ok(Request { source, reference: Reference::Default, subdirectory: parts.folder()?, skill: None })
}

/// A path without `@skill` at its end.
fn without_skill(path: &str) -> &str {
    let name_at = path.rfind('/').map_or(0, |at| at + 1);
    path[name_at..].find('@').map_or(path, |at| &path[..name_at + at])
}

/// The repository and the page on hosts that are laid out as GitHub (GitHub Enterprise,
/// Hugging Face) or GitLab are.
fn split_page(words: &[String]) -> Option<(&[String], &[String])> {
    if let Some(dash) = words.iter().skip(1).position(|word| word == "-") {
        return Some((&words[..=dash], words.get(dash + 2..).unwrap_or_default()));
    }
    let at = words.iter().skip(2).position(|w| matches!(w.as_str(), "tree" | "blob" | "commit"))? + 2;
    Some((&words[..at], &words[at..]))
}

/// Gitea and Forgejo: `…/src/branch/main/path`, and `raw` likewise.
fn split_gitea(words: &[String]) -> Option<(usize, &str)> {
    let at = words.iter().skip(2).position(|word| matches!(word.as_str(), "src" | "raw"))? + 2;
    let kind = words.get(at + 1)?.as_str();
    matches!(kind, "branch" | "tag" | "commit").then_some((at, kind))
}

fn gitea_page(url: &Url, words: &[String], at: usize, kind: &str, parts: &AddressParts) -> Result<Request> {
    let rest = words.get(at + 2..).unwrap_or_default();
    let mut place: Vec<String> = match kind {
        "branch" => vec!["refs".into(), "heads".into()],
        "tag" => vec!["refs".into(), "tags".into()],
        _ => Vec::new(),
    };
    if rest.is_empty() {
        fail!(Usage, "the address has no {kind}");
    }
    place.extend_from_slice(rest);
    let source = git_source(url, words.get(..at).unwrap_or_default())?;
    finish_page(source, tail_of(&place, rest.last().filter(|_| rest.len() > 1))?, parts)
}

/// The repository of a page on some other host.
///
/// # Errors
/// `Usage` where the rest of the address is a page again, or could name a skill.
fn git_source(url: &Url, repository: &[String]) -> Result<Source> {
    let last = repository.last().map(String::as_str).unwrap_or_default();
    if split_page(repository).is_some() || split_gitea(repository).is_some() || last.contains('@') {
        return Err(error!(Usage, "cannot tell where the repository ends in the address")
            .hint("write `git+https://host/path/to/repo`, with `--ref` and `--subdirectory`"));
    }
    let mut url = url.clone();
    url.set_path(&repository.join("/"));
    url.set_query(None);
    Ok(Source::Git { url: url.as_str().trim_end_matches('/').to_owned() })
}

/// Azure DevOps: `…/_git/repo?path=/skills/pdf&version=GBmain`. `GB` is a branch, `GT` a
/// tag, `GC` a commit. Its clone addresses carry the organisation as a user name.
fn azure_page(mut url: Url, mut parts: AddressParts) -> Result<Request> {
    let _ = url.set_username("");
    let query = parts.query.take();
    if query.is_none() {
        return git_remote(url, parts);
    }
    let (mut reference, mut folder) = (Reference::Default, None);
    for pair in query.unwrap_or_default().split('&') {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        let value = decode_percent(value)?;
        match (key, value.get(..2), value.get(2..)) {
            ("path", ..) => folder = names::parse_folder(value.trim_start_matches('/'))?,
            ("version", Some("GB"), Some(name)) => reference = parse_below("refs/heads/", name)?,
            ("version", Some("GT"), Some(name)) => reference = parse_below("refs/tags/", name)?,
            ("version", Some("GC"), Some(sha)) => reference = Reference::parse(sha)?,
            _ => {}
        }
    }
    let source = Source::Git { url: url.as_str().trim_end_matches('/').to_owned() };
    finish_page(source, PageTarget { reference, folder }, &parts)
}
