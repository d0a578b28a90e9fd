//! The index of version 0.2 of agent-skills-discovery, which other programs install from.

use std::collections::BTreeSet;

use semver::Version;
use serde::Serialize;

use super::DerivedFile;
use crate::catalog::WELL_KNOWN_SCHEMA;
use crate::remote_registry::description::RegistryDescription;
use crate::remote_registry::published_version::PublishedVersion;

/// Where the index of a folder stands below it.
const INDEX: &str = ".well-known/agent-skills/index.json";

#[derive(Serialize)]
struct IndexDocument<'a> {
    #[serde(rename = "$schema")]
    schema: &'static str,
    skills: Vec<IndexedSkill<'a>>,
}

#[derive(Serialize)]
struct IndexedSkill<'a> {
    name: &'a str,
    #[serde(rename = "type")]
    kind: &'static str,
    description: &'a str,
    url: String,
    digest: String,
}

/// The folder of a version: what a version is alone by, so without build metadata.
pub(super) fn version_folder(version: &Version) -> String {
    Version { build: semver::BuildMetadata::EMPTY, ..version.clone() }.to_string()
}

/// The index of `folder` (`""` or with a `/` at its end). Of two skills of one name the first is
/// listed: a name is a folder for whoever reads it.
pub(super) fn write_index(
    description: &RegistryDescription,
    folder: &str,
    lines: &[&PublishedVersion],
) -> DerivedFile {
    let path = format!("{folder}{INDEX}");
    let up = "../".repeat(path.matches('/').count());
    let mut seen = BTreeSet::new();
    let skills = lines.iter().filter(|line| seen.insert(line.name.name())).map(|line| IndexedSkill {
        name: line.name.name().as_str(),
        kind: "archive",
        description: &line.description,
        url: format!("{up}{}", description.blobs.path_of(&line.digest)),
        digest: line.digest.to_string(),
    });
    let document = IndexDocument { schema: WELL_KNOWN_SCHEMA, skills: skills.collect() };
    let mut text = serde_json::to_string_pretty(&document).unwrap_or_default();
    text.push('\n');
    DerivedFile { path, bytes: text.into_bytes() }
}
