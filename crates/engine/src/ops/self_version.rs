//! `self version`: what this program is, and whether there is a later one.

use semver::Version;
use serde::Serialize;
use serde_json::Value;

use crate::workspace::{Observer, Workspace};
use ba_agent_core::error::{Result, error, printable};
use ba_agent_net::http::Net;

/// Where releases are asked for, unless `BA_AGENT_RELEASES_URL` says so.
const RELEASES: &str = "https://api.github.com/repos/ba-agent/ba-agent/releases/latest";

/// Bytes of the answer; GitHub's has some tens of KiB.
const MAX_ANSWER: u64 = 1024 * 1024;

/// What this program is.
#[derive(Debug, Serialize)]
pub struct VersionReport {
    pub version: &'static str,
    /// The commit that a release was built from; absent where it was built by hand.
    pub commit: Option<&'static str>,
    /// The platform that it was built for.
    pub target: String,
    /// The latest release, where it was asked for.
    pub latest: Option<LatestRelease>,
}

/// The release that is offered now.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct LatestRelease {
    pub version: String,
    /// Its page.
    pub url: Option<String>,
    /// It is later than this program.
    pub newer: bool,
}

/// Says what this program is; with `check` it asks once for the latest release. Nothing is asked
/// otherwise, and nothing is sent but the request.
///
/// # Errors
/// `Network` offline and where the host does not answer; `Failed` for an answer that names no
/// version.
pub fn find_version(workspace: &Workspace, check: bool, observer: &dyn Observer) -> Result<VersionReport> {
    let latest = if check { Some(ask_for_latest(workspace, observer)?) } else { None };
    Ok(VersionReport {
        version: env!("CARGO_PKG_VERSION"),
        commit: option_env!("BA_AGENT_COMMIT"),
        target: option_env!("BA_AGENT_TARGET").map_or_else(platform, str::to_owned),
        latest,
    })
}

/// What the program itself knows of its platform.
fn platform() -> String {
    format!("{}-{}", std::env::consts::ARCH, std::env::consts::OS)
}

fn ask_for_latest(workspace: &Workspace, observer: &dyn Observer) -> Result<LatestRelease> {
    let env = workspace.env();
    if workspace.is_offline() {
        return Err(error!(Network, "the latest version is not known offline")
            .hint("run the command without `--offline`"));
    }
    let settings = workspace.settings()?;
    let net = Net::new(env, &settings.hosts, &settings.limits, false, observer);
    let url = env.var("BA_AGENT_RELEASES_URL").unwrap_or(RELEASES);
    let answer = net.download(url, MAX_ANSWER)?;
    read_release(&answer).ok_or_else(|| {
        error!(Failed, "the answer of {} names no version", printable(url, false))
            .hint("expected JSON with `tag_name`, as GitHub has it for a release")
    })
}

/// The release in an answer of GitHub's API.
fn read_release(answer: &[u8]) -> Option<LatestRelease> {
    let answer: Value = serde_json::from_slice(answer).ok()?;
    let tag = answer.get("tag_name")?.as_str()?;
    let latest = Version::parse(tag.strip_prefix('v').unwrap_or(tag)).ok()?;
    let own = Version::parse(env!("CARGO_PKG_VERSION")).ok()?;
    let url = answer.get("html_url").and_then(Value::as_str).map(|url| printable(url, false));
    Some(LatestRelease { version: latest.to_string(), url, newer: latest > own })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_of_a_host_is_read_with_care() {
        let newer =
            |text: &str| read_release(text.as_bytes()).map(|release| (release.version, release.newer));
        let own = env!("CARGO_PKG_VERSION");
        assert_eq!(newer(&format!(r#"{{"tag_name":"v{own}"}}"#)), Some((own.to_owned(), false)));
        assert_eq!(newer(r#"{"tag_name":"v999.0.0"}"#), Some(("999.0.0".to_owned(), true)));
        assert_eq!(newer(r#"{"tag_name":"0.0.1","html_url":5}"#), Some(("0.0.1".to_owned(), false)));
        for answer in ["", "[]", "{}", r#"{"tag_name":"latest"}"#, r#"{"tag_name":7}"#, "<html>"] {
            assert_eq!(newer(answer), None, "{answer}");
        }
        let odd = read_release(b"{\"tag_name\":\"v9.0.0\",\"html_url\":\"\x5cu001b[31m\"}").unwrap();
        assert_eq!(odd.url.as_deref(), Some("\\u{1b}[31m"));
    }
}
