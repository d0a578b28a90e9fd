//! What Claude Code keeps of its plugins in `~/.claude/plugins`: `installed_plugins.json` (versions
//! 1 and 2) and `known_marketplaces.json`. Neither has a specification; they were read off real
//! files.

use serde::Deserialize;
use serde_json::{Map, Value};

use super::{SkippedSkill, commit_sha, unknown_version};
use crate::error::{Error, Result, error};
use crate::source::Sha;

/// A plugin that is installed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstalledPlugin {
    /// Its entry in the catalogue, and what the marketplace is called.
    pub entry: String,
    pub marketplace: String,
    /// The commit that it was installed from.
    pub commit: Option<Sha>,
    /// The project that it is installed for; `None` for the user's.
    pub project: Option<String>,
}

/// A marketplace that is registered: its name, and its source as `marketplace add` takes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownMarketplace {
    pub name: String,
    pub source: String,
}

#[derive(Deserialize)]
struct PluginsDocument {
    version: u64,
    plugins: Map<String, Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PluginInstallation {
    scope: Option<String>,
    project_path: Option<String>,
    git_commit_sha: Option<String>,
}

/// Reads `installed_plugins.json`; `None` for a text that is another document. In the order of
/// the file, each installation of a plugin once.
///
/// # Errors
/// `Conflict` for a version that is not known here, `Invalid` for a damaged document.
pub fn read_installed_plugins(file: &str, text: &str) -> Result<Option<Vec<InstalledPlugin>>> {
    let is_meant = serde_json::from_str::<Value>(text).is_ok_and(|value| {
        value.get("plugins").is_some_and(Value::is_object) && value.get("skills").is_none()
    });
    if !is_meant {
        return Ok(None);
    }
    let document: PluginsDocument = serde_json::from_str(text).map_err(|e| damaged(file, &e))?;
    if !matches!(document.version, 1 | 2) {
        return Err(unknown_version(
            file,
            &document.version.to_string(),
            "versions 1 and 2 of installed_plugins.json",
        ));
    }
    let mut all = Vec::new();
    for (name, value) in document.plugins {
        let Some((entry, marketplace)) = name.rsplit_once('@') else { continue };
        // Version 1 has one installation of each, the user's.
        let installations = match value {
            Value::Array(list) => list,
            one => vec![one],
        };
        for value in installations {
            let one: PluginInstallation = serde_json::from_value(value).map_err(|e| damaged(file, &e))?;
            let is_users = one.scope.as_deref().is_none_or(|scope| scope == "user");
            all.push(InstalledPlugin {
                entry: entry.to_owned(),
                marketplace: marketplace.to_owned(),
                commit: commit_sha(one.git_commit_sha.as_deref()),
                project: one.project_path.filter(|_| !is_users),
            });
        }
    }
    Ok(Some(all))
}

/// Reads `known_marketplaces.json`: what can be registered here too, and what cannot, with the
/// reason.
///
/// # Errors
/// `Invalid` for a document that is not one.
pub fn read_known_marketplaces(file: &str, text: &str) -> Result<(Vec<KnownMarketplace>, Vec<SkippedSkill>)> {
    let document: Map<String, Value> = serde_json::from_str(text).map_err(|e| damaged(file, &e))?;
    let (mut known, mut left_out) = (Vec::new(), Vec::new());
    for (name, value) in document {
        let Some(source) = value.get("source").and_then(Value::as_object) else {
            left_out.push(SkippedSkill::new(&name, "it does not say where it comes from"));
            continue;
        };
        match source_text(source) {
            Ok(source) => known.push(KnownMarketplace { name, source }),
            Err(reason) => left_out.push(SkippedSkill::new(&name, reason)),
        }
    }
    if known.is_empty() && left_out.is_empty() {
        return Err(error!(Invalid, "`{file}` names no marketplace")
            .hint("Claude Code keeps them in ~/.claude/plugins/known_marketplaces.json"));
    }
    Ok((known, left_out))
}

fn source_text(source: &Map<String, Value>) -> Result<String, String> {
    let text = |key: &str| source.get(key).and_then(Value::as_str).filter(|text| !text.is_empty());
    let with_ref = |place: String| match text("ref") {
        Some(reference) => format!("{place}#{reference}"),
        None => place,
    };
    let missing = || "it does not say where it comes from".to_owned();
    match text("source") {
        Some("github") => text("repo").map(|repo| with_ref(format!("github:{repo}"))).ok_or_else(missing),
        Some("git" | "url") => text("url").map(|url| with_ref(url.to_owned())).ok_or_else(missing),
        Some("directory" | "file" | "local") => text("path").map(str::to_owned).ok_or_else(missing),
        Some(other) => Err(format!("its source `{other}` is unknown")),
        None => Err(missing()),
    }
}

fn damaged(file: &str, cause: &serde_json::Error) -> Error {
    error!(Invalid, "`{file}` is damaged: line {}, column {}", cause.line(), cause.column())
        .cause(cause)
        .hint("Claude Code writes it anew; nothing was imported")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_versions_are_read() {
        let sha = "3f2a1c9d8e7b6a5f4e3d2c1b0a9f8e7d6c5b4a39";
        let two = format!(
            r#"{{"version":2,"plugins":{{"kit@acme":[{{"scope":"user","installPath":"/x","version":"1.0","gitCommitSha":"{sha}"}},
            {{"scope":"project","projectPath":"/p","installPath":"/y","version":"unknown"}}]}}}}"#
        );
        let read = read_installed_plugins("f", &two).unwrap().unwrap();
        assert_eq!((read[0].entry.as_str(), read[0].marketplace.as_str()), ("kit", "acme"));
        assert_eq!(read[0].commit.as_ref().unwrap().as_str(), sha);
        assert_eq!((read[0].project.as_deref(), read[1].project.as_deref()), (None, Some("/p")));
        let one = r#"{"version":1,"plugins":{"a@b@c":{"installPath":"/x","version":"1.0"}}}"#;
        let read = read_installed_plugins("f", one).unwrap().unwrap();
        assert_eq!((read[0].entry.as_str(), read[0].marketplace.as_str()), ("a@b", "c"));
        assert_eq!(read_installed_plugins("f", r#"{"version":1,"skills":{}}"#).unwrap(), None);
        assert_eq!(read_installed_plugins("f", "nothing").unwrap(), None);
        let kind = |text: &str| read_installed_plugins("f", text).unwrap_err().kind;
        assert_eq!(kind(r#"{"version":3,"plugins":{}}"#), crate::error::Kind::Conflict);
        assert_eq!(kind(r#"{"version":2,"plugins":{"a@b":[7]}}"#), crate::error::Kind::Invalid);
    }

    #[test]
    fn marketplaces_are_what_can_be_added() {
        let text = r#"{"a":{"source":{"source":"github","repo":"o/r","ref":"v1"},"installLocation":"/x"},
            "b":{"source":{"source":"git","url":"https://h/r.git"}},"c":{"source":{"source":"directory","path":"/srv/c"}},
            "d":{"source":{"source":"npm","package":"x"}},"e":{}}"#;
        let (known, left_out) = read_known_marketplaces("f", text).unwrap();
        let sources: Vec<&str> = known.iter().map(|one| one.source.as_str()).collect();
        assert_eq!(sources, ["github:o/r#v1", "https://h/r.git", "/srv/c"]);
        assert_eq!(left_out.iter().map(|one| one.name.as_str()).collect::<Vec<_>>(), ["d", "e"]);
        assert!(read_known_marketplaces("f", "{}").is_err() && read_known_marketplaces("f", "[").is_err());
    }
}
