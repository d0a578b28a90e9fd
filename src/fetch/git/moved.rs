//! World: what is done with the redirects of repositories.

use url::Url;

use crate::error::{Result, error, fail, printable};

/// The rule where nothing but the address vouches for what comes: the same host, and the same
/// repository but for `.git` or a slash at the end. A new name is shown, not followed: whoever
/// holds the old name later decides where it leads ("repo-jacking").
pub(super) fn same_repository(from: &Url, to: &Url) -> Result<()> {
    let identity = |url: &Url| {
        let path = url.path().trim_end_matches("/info/refs").trim_end_matches('/');
        path.strip_suffix(".git").unwrap_or(path).to_lowercase()
    };
    let secured =
        from.scheme() == "http" && to.scheme() == "https" && from.port().is_none() && to.port().is_none();
    let here =
        from.host() == to.host() && (from.port_or_known_default() == to.port_or_known_default() || secured);
    if here && identity(from) == identity(to) {
        return Ok(());
    }
    let shown = shown(to);
    Err(error!(NotFound, "the repository has moved to {shown}")
        .cause(format!("{} redirects there", printable(from.host_str().unwrap_or("the host"), false)))
        .hint(format!("check that it is the one you mean, then use {shown}"))
        .hint(format!("for a skill that is installed: `ba-agent skill update NAME --source {shown}`")))
}

/// The rule where a commit and a digest are recorded, which decide whoever sends the bytes.
/// Logins stay with their own host all the same.
pub(super) fn any_repository(from: &Url, to: &Url) -> Result<()> {
    if !to.path().ends_with("/info/refs") {
        let host = printable(from.host_str().unwrap_or("the host"), false);
        fail!(NotFound, "{host} redirects to `{}`, which is not a repository", shown(to));
    }
    Ok(())
}

/// The repository of a request, as a person writes it.
pub(super) fn shown(url: &Url) -> String {
    let mut shown = url.clone();
    shown.set_query(None);
    shown.set_path(url.path().trim_end_matches("/info/refs"));
    printable(shown.as_str(), false)
}
