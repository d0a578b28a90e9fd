//! What is done with the redirects of repositories.

use url::Url;

use ba_agent_core::error::{Result, error, fail, printable};
use ba_agent_net::hosts::HostSettings;

/// Whether a redirect stays with the same host, and the same repository but for `.git` or a
/// slash at the end.
pub(super) fn is_same(from: &Url, to: &Url) -> bool {
    let identity = |url: &Url| {
        let path = url.path().trim_end_matches("/info/refs").trim_end_matches('/');
        path.strip_suffix(".git").unwrap_or(path).to_lowercase()
    };
    let secured =
        from.scheme() == "http" && to.scheme() == "https" && from.port().is_none() && to.port().is_none();
    let here =
        from.host() == to.host() && (from.port_or_known_default() == to.port_or_known_default() || secured);
    here && identity(from) == identity(to)
}

/// The rule where nothing but the address vouches for what comes: a new name is shown, not
/// followed. Whoever holds the old name later decides where it leads ("repo-jacking").
///
/// # Errors
/// `NotFound` for another repository, with its address.
pub(super) fn refuse_move(settings: &HostSettings, from: &Url, to: &Url) -> Result<()> {
    if is_same(from, to) {
        return Ok(());
    }
    let shown = source_of(settings, to);
    Err(error!(NotFound, "the repository has moved to {shown}")
        .cause(format!("{} redirects there", printable(from.host_str().unwrap_or("the host"), false)))
        .hint(format!("check that it is the one you mean, then use {shown}"))
        .hint(format!("for a skill that is installed: `ba-agent skill update NAME --source {shown}`"))
        .hint(format!("for a marketplace: `ba-agent marketplace add NAME {shown} --force`")))
}

/// The rule where a commit and a digest are recorded, which decide whoever sends the bytes.
/// Logins stay with their own host all the same.
///
/// # Errors
/// `NotFound` for what is not a repository.
pub(super) fn allow_move(settings: &HostSettings, from: &Url, to: &Url) -> Result<()> {
    if !to.path().ends_with("/info/refs") {
        let host = printable(from.host_str().unwrap_or("the host"), false);
        fail!(NotFound, "{host} redirects to `{}`, which is not a repository", source_of(settings, to));
    }
    Ok(())
}

/// The repository of a request, as a person writes it: `owner/repo` where it is on the GitHub
/// of the settings.
pub(super) fn source_of(settings: &HostSettings, url: &Url) -> String {
    let mut shown = url.clone();
    shown.set_query(None);
    shown.set_path(url.path().trim_end_matches("/info/refs"));
    let short = shown.as_str().strip_prefix(settings.github_url.as_str());
    let short =
        short.and_then(|path| path.strip_prefix('/')).map(|path| path.strip_suffix(".git").unwrap_or(path));
    let is_name = |path: &&str| path.split('/').filter(|part| !part.is_empty()).count() == 2;
    printable(short.filter(is_name).unwrap_or(shown.as_str()), false)
}

#[cfg(test)]
mod tests;
