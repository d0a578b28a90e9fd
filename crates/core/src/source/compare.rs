//! The pages on which a host shows a folder at a commit, and what lies between two commits.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use url::Url;

use super::Source;
use super::names::without_git;

/// Software of hosts, by the form of that page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Forge {
    Github,
    Gitlab,
    Bitbucket,
    Gitea,
}

/// What may stand in a path as it is; of references all else is escaped.
const PLAIN: AsciiSet =
    NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'/').remove(b'@');

/// The address at which a person sees what came between `old` and `new`, which are commits or
/// tags; `url` is the git address of the source. `None` for hosts of which nothing is known.
pub fn compare_page(source: &Source, url: &str, old: &str, new: &str) -> Option<String> {
    let base = web_address(url)?;
    let forge = match source {
        Source::Github { .. } => Forge::Github,
        Source::Gitlab { .. } => Forge::Gitlab,
        Source::Bitbucket { .. } => Forge::Bitbucket,
        Source::Git { .. } => forge_of_host(base.host_str()?)?,
        _ => return None,
    };
    let [old, new] = [old, new].map(|text| utf8_percent_encode(text, &PLAIN).to_string());
    let text = base.as_str().trim_end_matches('/');
    Some(match forge {
        Forge::Github | Forge::Gitea => format!("{text}/compare/{old}...{new}"),
        Forge::Gitlab => format!("{text}/-/compare/{old}...{new}"),
        Forge::Bitbucket => format!("{text}/branches/compare/{new}%0D{old}"),
    })
}

/// The address at which a person sees a folder of a source at a commit; `url` is the git address
/// of the source. Of hosts of which nothing is known it is the page of the repository; `None` for
/// what has no page.
pub fn folder_page(source: &Source, url: &str, commit: Option<&str>, folder: &str) -> Option<String> {
    let base = web_address(url)?;
    let forge = match source {
        Source::Github { .. } => Some(Forge::Github),
        Source::Gitlab { .. } => Some(Forge::Gitlab),
        Source::Bitbucket { .. } => Some(Forge::Bitbucket),
        Source::Git { .. } => forge_of_host(base.host_str()?),
        _ => return None,
    };
    let text = base.as_str().trim_end_matches('/');
    let (Some(forge), Some(commit)) = (forge, commit) else { return Some(text.to_owned()) };
    let [commit, folder] = [commit, folder].map(|text| utf8_percent_encode(text, &PLAIN).to_string());
    let page = match forge {
        Forge::Github => format!("{text}/tree/{commit}/{folder}"),
        Forge::Gitlab => format!("{text}/-/tree/{commit}/{folder}"),
        Forge::Bitbucket => format!("{text}/src/{commit}/{folder}"),
        Forge::Gitea => format!("{text}/src/commit/{commit}/{folder}"),
    };
    Some(page.trim_end_matches('/').to_owned())
}

fn forge_of_host(host: &str) -> Option<Forge> {
    let first = host.split('.').next().unwrap_or_default();
    Some(match (host, first) {
        ("github.com", _) | (_, "github" | "ghe") => Forge::Github,
        ("gitlab.com" | "framagit.org" | "salsa.debian.org", _) | (_, "gitlab") => Forge::Gitlab,
        ("bitbucket.org", _) => Forge::Bitbucket,
        ("codeberg.org" | "gitea.com", _) | (_, "gitea" | "forgejo") => Forge::Gitea,
        _ => return None,
    })
}

/// The page of a repository by its git address: without user, port of ssh, `.git` and query.
fn web_address(url: &str) -> Option<Url> {
    let url = url.strip_prefix("git+").unwrap_or(url);
    let mut page = match Url::parse(url) {
        Ok(parsed) if matches!(parsed.scheme(), "http" | "https") => parsed,
        Ok(parsed) if parsed.scheme() == "ssh" => {
            Url::parse(&format!("https://{}{}", parsed.host_str()?, parsed.path())).ok()?
        }
        Ok(_) if url.contains("://") => return None,
        _ => {
            // `git@host:owner/repo`, as ssh takes it.
            let (host, path) = url.split_once(':').filter(|(host, _)| !host.contains('/'))?;
            let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
            Url::parse(&format!("https://{host}/{}", path.trim_start_matches('/'))).ok()?
        }
    };
    page.set_username("").ok()?;
    page.set_password(None).ok()?;
    page.set_query(None);
    page.set_fragment(None);
    let path = without_git(page.path().trim_end_matches('/')).to_owned();
    page.set_path(&path);
    (path.len() > 1).then_some(page)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_has_a_page_where_its_host_is_known() {
        let check = |source: &str, url: &str, folder: &str, expected: Option<&str>| {
            let source: Source = source.parse().unwrap();
            assert_eq!(folder_page(&source, url, Some("c0ffee"), folder).as_deref(), expected, "{url}");
        };
        let github = Some("https://github.com/o/r/tree/c0ffee/skills/a%20b");
        check("github:o/r", "https://github.com/o/r.git", "skills/a b", github);
        check("github:o/r", "https://github.com/o/r.git", "", Some("https://github.com/o/r/tree/c0ffee"));
        check(
            "gitlab:g/r",
            "https://gitlab.com/g/r.git",
            "x",
            Some("https://gitlab.com/g/r/-/tree/c0ffee/x"),
        );
        check(
            "bitbucket:w/r",
            "https://bitbucket.org/w/r.git",
            "x",
            Some("https://bitbucket.org/w/r/src/c0ffee/x"),
        );
        let gitea = "https://codeberg.org/o/r.git";
        check(gitea, gitea, "x", Some("https://codeberg.org/o/r/src/commit/c0ffee/x"));
        let ssh = "git@github.com:o/r.git";
        check(ssh, ssh, "x", Some("https://github.com/o/r/tree/c0ffee/x"));
        let unknown = "https://user:pw@git.example/o/r.git";
        check("https://git.example/o/r.git", unknown, "x", Some("https://git.example/o/r"));
        check("file:///srv/r.git", "file:///srv/r.git", "x", None);
        check("./folder", "https://github.com/o/r.git", "x", None);
    }

    #[test]
    fn each_host_has_its_form() {
        for (source, url, expected) in [
            ("github:o/r", "https://github.com/o/r.git", Some("https://github.com/o/r/compare/v1...v2")),
            ("github:o/r", "https://ghe.example/o/r.git", Some("https://ghe.example/o/r/compare/v1...v2")),
            (
                "gitlab:g/s/r",
                "https://gitlab.com/g/s/r.git",
                Some("https://gitlab.com/g/s/r/-/compare/v1...v2"),
            ),
            (
                "bitbucket:w/r",
                "https://bitbucket.org/w/r.git",
                Some("https://bitbucket.org/w/r/branches/compare/v2%0Dv1"),
            ),
            (
                "git@github.com:o/r.git",
                "git@github.com:o/r.git",
                Some("https://github.com/o/r/compare/v1...v2"),
            ),
            (
                "ssh://git@gitlab.example:2222/g/r.git",
                "ssh://git@gitlab.example:2222/g/r.git",
                Some("https://gitlab.example/g/r/-/compare/v1...v2"),
            ),
            (
                "https://codeberg.org/o/r.git",
                "https://me:secret@codeberg.org/o/r.git?x=1",
                Some("https://codeberg.org/o/r/compare/v1...v2"),
            ),
            ("https://git.example/o/r.git", "https://git.example/o/r.git", None),
            ("file:///srv/o/r.git", "file:///srv/o/r.git", None),
            ("./folder", "./folder", None),
        ] {
            let source: Source = source.parse().unwrap();
            assert_eq!(compare_page(&source, url, "v1", "v2").as_deref(), expected, "{url}");
        }
    }

    /// A tag may be called anything that git allows: it stays one part of the address.
    #[test]
    fn odd_tags_are_escaped() {
        let source: Source = "github:o/r".parse().unwrap();
        let page = compare_page(&source, "https://github.com/o/r", "a/b#c?d%e", "pdf@1.0.0+é\u{1b}").unwrap();
        assert_eq!(page, "https://github.com/o/r/compare/a/b%23c%3Fd%25e...pdf@1.0.0%2B%C3%A9%1B");
    }
}
