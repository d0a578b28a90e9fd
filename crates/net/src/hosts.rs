//! What is set about hosts: where the known ones are, who the user is to them, and what is
//! asked of their answers. Whoever reads settings fills it in; here nothing is read.

use std::fmt;
use std::path::PathBuf;

/// A token or password. It has no `Display`, and its `Debug` says nothing, so that it
/// cannot come into a message, a log or a file by accident.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Keeps a value that must not be shown.
    pub fn new(value: impl Into<String>) -> Self {
        Self(value.into())
    }

    /// The value itself, for the one place that puts it into a request.
    pub fn expose_secret_text(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// The hosts that sources name without a URL, and how all hosts are asked.
#[derive(Debug, Clone)]
pub struct HostSettings {
    /// Base URLs without a slash at the end; GitHub Enterprise and tests set them.
    pub github_url: String,
    pub gitlab_url: String,
    pub bitbucket_url: String,
    /// The npm registry that entries of marketplaces mean which name none.
    pub npm_url: String,
    pub github_token: Option<Secret>,
    pub gitlab_token: Option<Secret>,
    pub bitbucket_token: Option<Secret>,
    /// Whether plain http to other hosts than loopback is allowed.
    pub allow_http: bool,
    /// A PEM file of further certificate authorities.
    pub ca_file: Option<PathBuf>,
    /// Refuse commits that no branch or tag reaches.
    pub require_reachable: bool,
    /// Which base URLs are the user's own word.
    pub named_by_user: NamedByUser,
    /// Addresses of the remote registries that the user names.
    pub registries_of_user: Vec<String>,
    /// Addresses of those that only a project names.
    pub registries_of_project: Vec<String>,
}

/// Whether each base URL is the user's own word (or the default). A token is never sent to a
/// host that only a project names.
#[derive(Debug, Clone, Copy)]
pub struct NamedByUser {
    pub github: bool,
    pub gitlab: bool,
    pub bitbucket: bool,
    pub npm: bool,
}

impl Default for HostSettings {
    fn default() -> Self {
        Self {
            github_url: "https://github.com".into(),
            gitlab_url: "https://gitlab.com".into(),
            bitbucket_url: "https://bitbucket.org".into(),
            npm_url: "https://registry.npmjs.org".into(),
            github_token: None,
            gitlab_token: None,
            bitbucket_token: None,
            allow_http: false,
            ca_file: None,
            require_reachable: false,
            named_by_user: NamedByUser { github: true, gitlab: true, bitbucket: true, npm: true },
            registries_of_user: Vec::new(),
            registries_of_project: Vec::new(),
        }
    }
}

impl HostSettings {
    /// The base URLs: GitHub, GitLab, Bitbucket, npm.
    pub fn host_url_settings(&self) -> [&str; 4] {
        [&self.github_url, &self.gitlab_url, &self.bitbucket_url, &self.npm_url]
    }

    /// The base URLs that the user names, or that nobody does.
    pub(crate) fn urls_of_user(&self) -> Vec<&str> {
        let own = self.registries_of_user.iter().map(String::as_str);
        self.urls_where(true).into_iter().chain(own).collect()
    }

    /// The base URLs that only the project names. Their hosts get no credential of the
    /// user's, whatever else the user has for them.
    pub fn urls_of_project(&self) -> Vec<&str> {
        let own = self.registries_of_project.iter().map(String::as_str);
        self.urls_where(false).into_iter().chain(own).collect()
    }

    fn urls_where(&self, is_of_user: bool) -> Vec<&str> {
        let NamedByUser { github, gitlab, bitbucket, npm } = self.named_by_user;
        let named = self.host_url_settings().into_iter().zip([github, gitlab, bitbucket, npm]);
        named.filter(|(_, by_user)| *by_user == is_of_user).map(|(url, _)| url).collect()
    }
}
