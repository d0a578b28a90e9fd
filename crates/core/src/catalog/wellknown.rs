//! Well-known discovery: the index of skills that a host serves, in both of its versions
//! (agent-skills-discovery RFC, 0.2.0 and 0.1.0).

use std::collections::BTreeSet;

use serde::Deserialize;
use url::Url;

use super::{Catalog, CatalogEntry, EntrySource};
use crate::digest::Digest;
use crate::error::{Result, error, printable};
use crate::path::RelPath;
use crate::skill::{LOWER_MANIFEST, MANIFEST};
use crate::source::Source;

/// Where an index is looked for below the root of a host, the newer version first.
pub const INDEXES: [&str; 2] = ["/.well-known/agent-skills/index.json", "/.well-known/skills/index.json"];

/// The schema of version 0.2; another one is not guessed at.
pub(crate) const WELL_KNOWN_SCHEMA: &str = "https://schemas.agentskills.io/discovery/0.2.0/schema.json";

/// An index, read.
#[derive(Debug, PartialEq)]
pub struct WellKnownCatalog {
    pub catalogue: Catalog,
    /// Entries that were left out, with the reason.
    pub skipped: Vec<String>,
}

#[derive(Deserialize)]
struct WellKnownIndex {
    #[serde(rename = "$schema")]
    schema: Option<String>,
    skills: Vec<WellKnownSkill>,
}

#[derive(Deserialize)]
struct WellKnownSkill {
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
/// `Invalid` for what is not an index, and for a schema that is not known.
pub fn read_well_known(text: &str, url: &Url) -> Result<WellKnownCatalog> {
    let index = parse_index(text, url)?;
    let is_new = index.schema.is_some();
    let mut served = WellKnownCatalog { catalogue: Catalog::default(), skipped: Vec::new() };
    for skill in &index.skills {
        let source = if is_new { parse_new_entry(skill, url) } else { parse_old_entry(skill, url) };
        match source {
            Ok(source) => served.catalogue.plugins.push(CatalogEntry::from_index(
                &skill.name,
                skill.description.clone(),
                source,
            )),
            Err(reason) => served.skipped.push(format!("{}: {reason}", printable(&skill.name, false))),
        }
    }
    Ok(served)
}

fn parse_index(text: &str, url: &Url) -> Result<WellKnownIndex> {
    let index: WellKnownIndex = serde_json::from_str(text).map_err(|e| {
        error!(Invalid, "`{}` is not a valid index of skills", printable(url.as_str(), false)).cause(e)
    })?;
    match index.schema.as_deref().filter(|schema| *schema != WELL_KNOWN_SCHEMA) {
        None => Ok(index),
        Some(schema) => {
            Err(error!(Invalid, "the index has the unknown schema `{}`", printable(schema, false))
                .hint(format!("this version reads `{WELL_KNOWN_SCHEMA}`; a newer ba-agent may read it")))
        }
    }
}

/// An entry of version 0.2: a URL from the index, and a digest that must be there.
fn parse_new_entry(skill: &WellKnownSkill, index: &Url) -> Result<EntrySource, String> {
    let address = skill.url.as_deref().ok_or("it has no `url`")?;
    let url = index.join(address).map_err(|e| format!("its `url` cannot be read: {e}"))?;
    let digest = skill.digest.as_deref().ok_or("it has no `digest`")?;
    let sha256: Digest = digest.parse().map_err(|_| "its `digest` is not a sha256".to_owned())?;
    let url = url.to_string();
    match skill.kind.as_deref() {
        Some("skill-md") => Ok(EntrySource::Manifest { url, sha256 }),
        Some("archive") => Ok(EntrySource::Archive { url, sha256: Some(sha256) }),
        other => Err(format!("its type `{}` is not known", printable(other.unwrap_or(""), false))),
    }
}

/// An entry of version 0.1: files below a folder of its name, without digests.
fn parse_old_entry(skill: &WellKnownSkill, index: &Url) -> Result<EntrySource, String> {
    let url = served_folder(skill, index).ok_or("its name cannot be part of a URL")?;
    served_paths(skill)?;
    Ok(EntrySource::Served { url: url.to_string() })
}

/// The folder that the files of a skill are served in, by the name of the skill.
fn served_folder(skill: &WellKnownSkill, index: &Url) -> Option<Url> {
    let mut url = index.join("./").ok()?;
    url.set_query(None);
    url.path_segments_mut().ok()?.pop_if_empty().push(&skill.name);
    let source: Source = url.as_str().parse().ok()?;
    (source == Source::Served { url: url.to_string() }).then_some(url)
}

/// The files of a skill, held to the rule of paths. The error is the reason alone.
fn served_paths(skill: &WellKnownSkill) -> Result<Vec<RelPath>, String> {
    let mut paths = BTreeSet::new();
    for file in &skill.files {
        let path = RelPath::parse(file.as_bytes())
            .map_err(|reason| format!("its file `{}` {reason}", printable(file, false)))?;
        if let Some(twice) = paths.replace(path) {
            return Err(format!("its file `{twice}` is listed twice"));
        }
    }
    if !paths.iter().any(|path| matches!(path.as_str(), MANIFEST | LOWER_MANIFEST)) {
        return Err(format!("it lists no {MANIFEST}"));
    }
    Ok(paths.into_iter().collect())
}

/// The files of the skill that is served at `at`, by the index of version 0.1 beside it, and
/// where each is.
///
/// # Errors
/// `Invalid` for what is no such index and for names of files that must not be written;
/// `NotFound` for a skill that it does not list.
pub fn served_files(text: &str, index: &Url, at: &Url) -> Result<Vec<(RelPath, Url)>> {
    let read = parse_index(text, index)?;
    let shown = printable(at.as_str(), false);
    if read.schema.is_some() {
        return Err(error!(Invalid, "the index beside `{shown}` lists archives, not files")
            .hint("register the host with `ba-agent marketplace add NAME https://host`"));
    }
    let Some(skill) = read.skills.iter().find(|skill| served_folder(skill, index).as_ref() == Some(at))
    else {
        return Err(error!(NotFound, "the index beside `{shown}` does not list that skill"));
    };
    let paths = served_paths(skill).map_err(|reason| error!(Invalid, "`{shown}` is refused: {reason}"))?;
    let below = |path: RelPath| {
        let mut url = at.clone();
        url.path_segments_mut().ok()?.extend(path.as_str().split('/'));
        Some((path, url))
    };
    Ok(paths.into_iter().filter_map(below).collect())
}
