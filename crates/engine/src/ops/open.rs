//! `skill open`: the page on which the host of a skill shows it.

use serde::Serialize;
use url::Url;

use super::show::{self, ShowOptions};
use crate::workspace::{Observer, Session, Workspace};
use ba_agent_core::error::{Error, Result, error};
use ba_agent_core::registry::LockEntry;
use ba_agent_core::skill::SkillName;
use ba_agent_core::source::{Request, Source, folder_page};
use ba_agent_git::url_of;
use ba_agent_net::credentials::origin;

/// A skill and its page.
#[derive(Debug, Serialize)]
pub struct SkillPage {
    pub name: SkillName,
    /// The address, of plain ASCII.
    pub url: String,
    /// The user has named the host, or everybody knows it. The page of another one, which only the
    /// project names, is not opened for the user.
    pub is_host_of_user: bool,
}

/// Hosts of repositories that everybody knows.
const PUBLIC: [&str; 4] =
    ["https://github.com", "https://gitlab.com", "https://bitbucket.org", "https://codeberg.org"];

/// The page of an installed skill at its commit, or of a skill of a source.
///
/// # Errors
/// Those of [`show::show`]; `NotFound` for a skill that has no page, `Usage` for a source with
/// several skills.
pub fn find_page(workspace: &Workspace, options: &ShowOptions, observer: &dyn Observer) -> Result<SkillPage> {
    let session = super::settle::open_session(workspace, observer)?;
    let (name, entry) = show::find_one(&session, options)?;
    let source = Request::parse(&entry.source)?.source;
    let folder = entry.path.as_deref().unwrap_or_default();
    let page = url_of(&source, &session.settings.hosts)
        .and_then(|url| folder_page(&source, &url, entry.pin.commit.as_deref(), folder));
    let url = page.ok_or_else(|| error_of_no_page(&name, &entry))?;
    let is_host_of_user = Url::parse(&url).is_ok_and(|url| is_host_of_user(&session, &source, &url));
    Ok(SkillPage { name, url, is_host_of_user })
}

fn is_host_of_user(session: &Session<'_>, source: &Source, url: &Url) -> bool {
    let named = session.settings.hosts.named_by_user;
    let is_here = |text: &str| {
        let text = text.strip_prefix("git+").unwrap_or(text);
        Url::parse(text).is_ok_and(|one| one.has_host() && origin(&one) == origin(url))
    };
    match source {
        Source::Github { .. } => named.github,
        Source::Gitlab { .. } => named.gitlab,
        Source::Bitbucket { .. } => named.bitbucket,
        _ => {
            PUBLIC.iter().any(|host| is_here(host))
                || session.sources_of_user().iter().any(|one| is_here(one))
        }
    }
}

fn error_of_no_page(name: &SkillName, entry: &LockEntry) -> Error {
    error!(NotFound, "`{name}` comes from {}, which has no page in the web", entry.source).hint(format!(
        "`ba-agent skill path {name}` prints its folder, `ba-agent skill show {name}` what is in it"
    ))
}
