//! Well-known discovery: the index of skills that a host serves, in both of its versions
//! (agent-skills-discovery RFC, 0.2.0 and 0.1.0).

use serde::Deserialize;
use url::Url;

use super::{Catalogue, EntrySource, Plugin};
use crate::digest::Digest;
use crate::error::{Result, error, printable};

/// Where an index is looked for below the root of a host, the newer version first.
pub(crate) const INDEXES: [&str; 2] =
    ["/.well-known/agent-skills/index.json", "/.well-known/skills/index.json"];

/// The schema of version 0.2; another one is not guessed at.
const SCHEMA: &str = "https://schemas.agentskills.io/discovery/0.2.0/schema.json";

/// An index, read.
#[derive(Debug, PartialEq)]
pub(crate) struct Served {
    pub(crate) catalogue: Catalogue,
    /// Entries that were left out, with the reason.
    pub(crate) skipped: Vec<String>,
}

#[derive(Deserialize)]
struct Index {
    #[serde(rename = "$schema")]
    schema: Option<String>,
    skills: Vec<Skill>,
}

#[derive(Deserialize)]
struct Skill {
    name: String,
    #[serde(default)]
    description: Option<String>,
    #[serde(default, rename = "type")]
    kind: Option<String>,
    #[serde(default)]
    url: Option<String>,
    #[serde(default)]
    digest: Option<String>,
    #[serde(default)]
    files: Vec<String>,
}

/// Reads the index that came from `url`.
///
/// # Errors
/// `Invalid` for what is no index, and for a schema that is not known.
pub(crate) fn read(text: &str, url: &Url) -> Result<Served> {
    let index: Index = serde_json::from_str(text).map_err(|e| {
        error!(Invalid, "`{}` is no index of skills", printable(url.as_str(), false)).cause(e)
    })?;
    if let Some(schema) = index.schema.as_deref().filter(|schema| *schema != SCHEMA) {
        return Err(error!(
            Invalid,
            "the index has the schema `{}`, which is not known here",
            printable(schema, false)
        )
        .hint(format!("known is `{SCHEMA}`; a newer ba-agent may know more")));
    }
    let is_new = index.schema.is_some();
    let mut served = Served { catalogue: Catalogue::default(), skipped: Vec::new() };
    for skill in &index.skills {
        let source = if is_new { new(skill, url) } else { old(skill, url) };
        match source {
            Ok(source) => {
                served.catalogue.plugins.push(Plugin::made(&skill.name, skill.description.clone(), source))
            }
            Err(reason) => served.skipped.push(format!("{}: {reason}", printable(&skill.name, false))),
        }
    }
    Ok(served)
}

/// An entry of version 0.2: a URL from the index, and a digest that must be there.
fn new(skill: &Skill, index: &Url) -> Result<EntrySource, String> {
    let address = skill.url.as_deref().ok_or("it has no `url`")?;
    let url = index.join(address).map_err(|e| format!("its `url` cannot be read: {e}"))?;
    let digest = skill.digest.as_deref().ok_or("it has no `digest`")?;
    let sha256: Digest = digest.parse().map_err(|_| "its `digest` is no sha256".to_owned())?;
    let (url, sha256) = (url.to_string(), Some(sha256));
    match skill.kind.as_deref() {
        Some("skill-md") => Ok(EntrySource::Manifest { url, sha256 }),
        Some("archive") => Ok(EntrySource::Archive { url, sha256 }),
        other => Err(format!("its type `{}` is not known", printable(other.unwrap_or(""), false))),
    }
}

/// An entry of version 0.1: files below a folder of its name, without digests. Only a skill
/// that is one file can be recorded so that it can be installed again.
fn old(skill: &Skill, index: &Url) -> Result<EntrySource, String> {
    if skill.files.as_slice() != ["SKILL.md"] {
        return Err("it has several files and no digest (version 0.1): ask for an archive of it".to_owned());
    }
    let sound =
        !skill.name.is_empty() && !skill.name.contains(['/', '\\', '?', '#', '%']) && skill.name != "..";
    let url = sound.then(|| index.join(&format!("{}/SKILL.md", skill.name)).ok()).flatten();
    let url = url.ok_or("its name cannot be part of a URL")?.to_string();
    Ok(EntrySource::Manifest { url, sha256: None })
}
