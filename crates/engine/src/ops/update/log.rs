//! What happened upstream between what is installed and what it would be: for people who look
//! before they update.

use serde::Serialize;

use crate::fetch::World;
use crate::fetch::typed_host::is_same_place;
use ba_agent_core::path::RelPath;
use ba_agent_core::registry::{FollowedRevision, LockEntry};
use ba_agent_core::source::{Request, Resolved, Revision, compare_page};
use ba_agent_git::{CommitsBetween, url_of};

/// The commits that touch one skill, and where they can be seen.
#[derive(Debug, Default, Serialize)]
pub struct UpdateLog {
    /// Newest first.
    pub commits: Vec<UpdateCommit>,
    /// There are more commits than were looked through.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub is_cut: bool,
    /// Why no commits can be named.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unrelated: Option<String>,
    /// The page of the host that compares both states.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub compare: Option<String>,
}

/// A commit that touches a skill. The subject is untrusted text.
#[derive(Debug, Serialize)]
pub struct UpdateCommit {
    pub commit: String,
    pub subject: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<jiff::Timestamp>,
}

/// Digits of a commit in the address of a page: enough in any repository.
const DIGITS: usize = 12;

/// The log of a skill that moves within its repository; `None` for other sources.
pub(super) fn log_of_update(
    entry: &LockEntry,
    after: &LockEntry,
    resolved: &Resolved,
    between: &CommitsBetween,
    world: &World<'_>,
) -> Option<UpdateLog> {
    let source = &resolved.source;
    let hosts = &world.settings.hosts;
    let is_same = Request::parse(&entry.source).is_ok_and(|old| is_same_place(&old.source, source, hosts));
    let (Revision::Commit(old), Revision::Commit(new)) = (entry.pin.to_revision().ok()?, &resolved.pin)
    else {
        return None;
    };
    if !is_same || old == *new {
        return None;
    }
    let folders = [entry.folder().ok()?, after.folder().ok()?];
    let folders: Vec<&RelPath> =
        if folders[0] == folders[1] { vec![&folders[0]] } else { folders.iter().collect() };
    let (before, now) = (FollowedRevision::from(entry), FollowedRevision::from(after));
    let is_rewritten = between.rewritten().contains(&old);
    let found = between.log(&old, &folders, entry.pin.tree.as_deref());
    let unrelated = match &found {
        None if is_rewritten || (between.was_asked() && !between.leads_from(&old)) => Some(format!(
            "{} does not contain {}, so no commits can be listed",
            now.label().unwrap_or_default(),
            before.label().unwrap_or_default()
        )),
        _ => None,
    };
    let compare = || {
        let url = url_of(source, world.git.net.hosts)?;
        let short = |sha: &str| sha.get(..DIGITS).unwrap_or(sha).to_owned();
        let (from, to) = match (before.tag(), now.tag()) {
            (Some(from), Some(to)) if from != to => (from.to_owned(), to.to_owned()),
            _ => (short(old.as_str()), short(new.as_str())),
        };
        compare_page(source, &url, &from, &to)
    };
    let compare = if unrelated.is_some() { None } else { compare() };
    let (commits, is_cut) = found.map_or((Vec::new(), false), |log| (log.commits, log.is_cut));
    let commits = commits.into_iter().map(|one| UpdateCommit {
        commit: one.sha.to_string(),
        subject: one.subject,
        at: one.at,
    });
    Some(UpdateLog { commits: commits.collect(), is_cut, unrelated, compare })
}
