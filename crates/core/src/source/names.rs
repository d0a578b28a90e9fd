//! Names that stand in sources: repositories, skills, marketplace entries, folders and
//! archives. What each may hold, and how it is written where a character would mean
//! something else.

use percent_encoding::percent_decode_str;

use super::reference::looks_like_reference;
use super::{Reference, Source};
use crate::error::{Result, error, fail, is_unprintable, printable};
use crate::path::RelPath;

/// Endings of archives that are read, longest first.
const ARCHIVES: [&str; 5] = [".tar.gz", ".skill", ".zip", ".tgz", ".tar"];

/// Endings of archives that are not, so that the message can say so.
const FOREIGN_ARCHIVES: [&str; 10] =
    [".tar.xz", ".tar.bz2", ".tar.zst", ".tar.lz", ".txz", ".tbz2", ".7z", ".rar", ".gz", ".xz"];

/// The words before a `:` that mean something here.
pub(super) const PREFIXES: [&str; 8] =
    ["github:", "gitlab:", "bitbucket:", "builtin:", "https://", "ssh://", "file://", "git+https://"];

/// Words that follow `owner/repo` in the address of a page, not in a repository. A
/// folder of such a name is written behind `//`.
pub(super) const PAGE_WORDS: [&str; 12] = [
    "tree", "blob", "raw", "blame", "edit", "commit", "commits", "releases", "archive", "src", "pull",
    "issues",
];

/// Checks the names of a GitHub repository: an account has at most 39 letters, digits and
/// `-` (or `_`, for accounts that a company manages), a repository at most 100 with `.`.
///
/// # Errors
/// `Usage` for a name that the host does not allow.
pub(super) fn github_source(owner: &str, repo: &str) -> Result<Source> {
    check_word(owner, 39, "-_", "the name of an account")?;
    check_repo(repo)?;
    Ok(Source::Github { owner: owner.to_owned(), repo: repo.to_owned() })
}

/// Checks the names of a Bitbucket repository; a workspace has at most 62 characters.
///
/// # Errors
/// `Usage` for a name that the host does not allow.
pub(super) fn bitbucket_source(workspace: &str, repo: &str) -> Result<Source> {
    check_word(workspace, 62, "-_", "the name of a workspace")?;
    check_repo(repo)?;
    Ok(Source::Bitbucket { workspace: workspace.to_owned(), repo: repo.to_owned() })
}

/// Checks the path of a GitLab project: at least one group, each part at most 255 long.
///
/// # Errors
/// `Usage` for a name that the host does not allow.
pub(super) fn gitlab_source(project: &str) -> Result<Source> {
    if !project.contains('/') {
        fail!(Usage, "`{}` is not a project: expected a group and a repository", printable(project, false));
    }
    for word in project.split('/') {
        check_word(word, 255, "-_.", "a part of a project's path")?;
    }
    check_repo(last_part(project))?;
    Ok(Source::Gitlab { project: project.to_owned() })
}

/// No host lets a name end in `.git`, and one ending was taken off already.
fn check_repo(repo: &str) -> Result<()> {
    if repo.ends_with(".git") {
        fail!(Usage, "`{}` cannot be the name of a repository: it ends in `.git`", printable(repo, false));
    }
    check_word(repo, 100, "-_.", "the name of a repository")
}

fn check_word(word: &str, longest: usize, others: &str, what: &str) -> Result<()> {
    let sound = word.chars().all(|c| c.is_ascii_alphanumeric() || others.contains(c));
    if sound
        && !word.is_empty()
        && word.len() <= longest
        && !word.starts_with('-')
        && !matches!(word, "." | "..")
    {
        return Ok(());
    }
    fail!(Usage, "`{}` cannot be {what}", printable(word, false))
}

/// True for what may stand behind `@`: a name, as lenient as names in the wild are, that
/// cannot be taken for a version.
pub(super) fn is_skill_name(text: &str) -> bool {
    let edge = |c: char| c.is_alphanumeric() || c == '_';
    text.chars().count() <= 64
        && text.starts_with(edge)
        && text.ends_with(edge)
        && text.chars().all(|c| c.is_alphanumeric() || matches!(c, '-' | '_' | '.' | ':' | ' '))
        && !looks_like_reference(text)
}

/// What an entry may be called without quotes: no sign that means something in a source, and
/// not the name of a file that would be an archive.
pub(super) fn is_entry_name(text: &str) -> bool {
    let sound = |c: char| !matches!(c, '/' | '\\' | ':' | '@' | '#' | '"') && !is_unprintable(c);
    (1..=128).contains(&text.chars().count())
        && text.trim() == text
        && !text.starts_with(['-', '~'])
        && text.chars().all(sound)
        && !is_archive(text)
}

/// Names of marketplaces and of what is built in: letters, digits, `-`, `_`, not beginning with `-`.
pub(super) fn is_plain_name(text: &str) -> bool {
    let sound = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
    (1..=128).contains(&text.len()) && !text.starts_with('-') && text.bytes().all(sound)
}

/// What is printed for an entry of a marketplace: in quotes where the name alone would be
/// read as something else.
pub(super) fn entry_text(entry: &str, marketplace: &str) -> String {
    let plain = match entry.split_once(':') {
        None => is_entry_name(entry),
        Some((entry, skill)) => {
            let prefix = format!("{}:", entry.to_ascii_lowercase());
            let means_more = PREFIXES.iter().any(|known| known.starts_with(&prefix)) || prefix == "http:";
            is_entry_name(entry) && is_entry_name(skill) && !entry.contains('.') && !means_more
        }
    };
    if plain && !looks_like_reference(marketplace) {
        format!("{entry}@{marketplace}")
    } else {
        format!("\"{entry}\"@{marketplace}")
    }
}

/// A folder of a source, decoded; a closing `SKILL.md` means the folder that holds it.
///
/// # Errors
/// `Usage` for a folder that is not a valid [`RelPath`].
pub(super) fn parse_folder(text: &str) -> Result<Option<RelPath>> {
    let text = decode_percent(text)?;
    let text = without_manifest(text.trim_end_matches('/'));
    if text.is_empty() {
        return Ok(None);
    }
    RelPath::parse(text.as_bytes()).map(Some).map_err(|reason| {
        error!(Usage, "the folder `{}` cannot be used: it {reason}", printable(text, false))
            .hint("name the folder from the top of the source, like `skills/pdf`")
    })
}

/// `a/b/SKILL.md` is `a/b`.
pub(super) fn without_manifest(mut path: &str) -> &str {
    loop {
        let (parent, name) = path.rsplit_once(['/', '\\']).unwrap_or(("", path));
        if !name.eq_ignore_ascii_case("SKILL.md") {
            return path;
        }
        path = parent;
    }
}

/// Whether a path or address ends like an archive that is read here.
pub(super) fn is_archive(path: &str) -> bool {
    archive_stem(path).len() < path.len()
}

/// The name without the ending of an archive.
pub(super) fn archive_stem(name: &str) -> &str {
    ARCHIVES.iter().find_map(|ending| strip_ending(name, ending)).unwrap_or(name)
}

/// # Errors
/// `Usage` for archives of a kind that is not read.
pub(super) fn refuse_foreign_archive(path: &str) -> Result<()> {
    match FOREIGN_ARCHIVES.iter().find(|ending| strip_ending(path, ending).is_some() && !is_archive(path)) {
        Some(ending) => Err(error!(Usage, "archives ending in `{ending}` are not supported")
            .hint("pack the skill as .zip, .skill, .tar.gz, .tgz or .tar")),
        None => Ok(()),
    }
}

fn strip_ending<'a>(text: &'a str, ending: &str) -> Option<&'a str> {
    let at = text.len().checked_sub(ending.len()).filter(|at| text.is_char_boundary(*at))?;
    let (stem, end) = text.split_at(at);
    (end.eq_ignore_ascii_case(ending) && !stem.is_empty() && !stem.ends_with(['/', '\\'])).then_some(stem)
}

/// `C:\` or `C:/`.
pub(super) fn is_drive(text: &str) -> bool {
    let mut chars = text.chars();
    chars.next().is_some_and(|c| c.is_ascii_alphabetic())
        && chars.next() == Some(':')
        && matches!(chars.next(), Some('/' | '\\'))
}

/// The last part of a path or address.
pub(super) fn last_part(text: &str) -> &str {
    text.rsplit(['/', '\\', ':']).next().unwrap_or(text)
}

/// What stands behind the last colon: the skill of `entry:skill`.
pub(super) fn last_word(name: &str) -> &str {
    name.rsplit(':').next().unwrap_or(name)
}

/// A name without a closing `.git`.
pub(super) fn without_git(text: &str) -> &str {
    text.strip_suffix(".git").filter(|stem| !stem.is_empty()).unwrap_or(text)
}

/// `%20` and the like, as browsers write them.
///
/// # Errors
/// `Usage` for text that is not UTF-8 when decoded, or has characters that cannot be printed.
pub(super) fn decode_percent(text: &str) -> Result<String> {
    match percent_decode_str(text).decode_utf8() {
        Ok(text) if !text.chars().any(crate::error::is_unprintable) => Ok(text.into_owned()),
        _ => fail!(
            Usage,
            "`{}` contains escaped characters (`%…`) that a name cannot have",
            printable(text, false)
        ),
    }
}

/// Hides the characters of a folder that mean something in a source.
pub(super) fn encode_folder(text: &str) -> String {
    escape_characters(text, &['%', '#', '@', '?', ' '])
}

/// The text of a reference behind `#`, where an `@` would begin the name of a skill.
pub(super) fn reference_text(reference: &Reference) -> String {
    encode_reference(&reference.to_string())
}

/// The same for a reference, where `@` means something only before what can be a skill.
fn encode_reference(text: &str) -> String {
    let skill = text.rsplit_once('@').is_some_and(|(_, skill)| is_skill_name(skill));
    escape_characters(text, if skill { &['%', '@', ' '] } else { &['%', ' '] })
}

fn escape_characters(text: &str, special: &[char]) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match special.contains(&c) {
            true => out.push_str(&format!("%{:02X}", u32::from(c))),
            false => out.push(c),
        }
    }
    out
}
