//! `registry.json`: what a remote registry says of itself.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::scoped_name::ScopedName;
use crate::digest::Digest;
use crate::error::{Result, error, is_unprintable};
use crate::path::RelPath;
use crate::text::{parse_bytes, write_exact_bytes};

/// The version of the layout that this program knows.
const SCHEMA: u64 = 1;
/// Characters of a registry's name.
const MAX_NAME: usize = 100;

/// `registry.json`. Keys that are not known are passed over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegistryDescription {
    /// The version of the layout.
    pub schema: u64,
    /// What people call it.
    pub name: String,
    /// Where it stands; a folder that is served from several places says none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Where its server answers; absent where it is files alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api: Option<String>,
    /// Who may read.
    #[serde(default)]
    pub auth: RegistryAuth,
    /// Where its archives are.
    #[serde(default)]
    pub blobs: BlobTemplate,
    /// The log of what was published.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log: Option<LogDescription>,
    /// What it takes.
    #[serde(default)]
    pub limits: PublishingLimits,
    /// The skills that its first page shows.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub featured: Vec<ScopedName>,
    /// Skills that are installed together, by the name of the set.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub sets: BTreeMap<String, Vec<ScopedName>>,
}

impl RegistryDescription {
    /// A new registry of files alone.
    pub fn new(name: &str) -> Self {
        Self {
            schema: SCHEMA,
            name: name.to_owned(),
            url: None,
            api: None,
            auth: RegistryAuth::None,
            blobs: BlobTemplate::default(),
            log: None,
            limits: PublishingLimits::default(),
            featured: Vec::new(),
            sets: BTreeMap::new(),
        }
    }

    /// Reads the file.
    ///
    /// # Errors
    /// `Invalid` for what is not such a file, and for a layout that is newer than this program.
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        #[derive(Deserialize)]
        struct DescriptionHead {
            schema: u64,
        }
        let unreadable =
            |cause: String| error!(Invalid, "the registry's `registry.json` cannot be read").cause(cause);
        let head: DescriptionHead = serde_json::from_slice(bytes).map_err(|e| {
            unreadable(e.to_string())
                .hint("is this the address of a registry? It must lead to its top folder")
        })?;
        if head.schema != SCHEMA {
            return Err(error!(Invalid, "the registry has the layout {}, expected {SCHEMA}", head.schema)
                .hint("a newer ba-agent may read it"));
        }
        let read: Self = serde_json::from_slice(bytes).map_err(|e| unreadable(e.to_string()))?;
        if read.name.is_empty() || read.name.chars().count() > MAX_NAME || read.name.contains(is_unprintable)
        {
            return Err(unreadable(format!("its `name` must have 1-{MAX_NAME} characters that can be seen")));
        }
        Ok(read)
    }

    /// The file: the same bytes for the same description.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut text = serde_json::to_string_pretty(self).unwrap_or_default();
        text.push('\n');
        text.into_bytes()
    }
}

/// Who may read a registry.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RegistryAuth {
    /// Everybody.
    #[default]
    None,
    /// Who has a token, which goes with every GET.
    Read,
}

/// The log of a registry: what its tree heads are signed with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogDescription {
    pub origin: String,
    /// The verifier's key, as signed notes write it.
    pub key: String,
}

/// What a registry takes of a published skill.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PublishingLimits {
    /// Bytes of the archive.
    #[serde(deserialize_with = "read_bytes", serialize_with = "write_bytes")]
    pub archive: u64,
    /// Bytes of its files.
    #[serde(deserialize_with = "read_bytes", serialize_with = "write_bytes")]
    pub unpacked: u64,
    /// How many files it has.
    pub files: usize,
}

impl Default for PublishingLimits {
    fn default() -> Self {
        Self { archive: 20 << 20, unpacked: 50 << 20, files: 1_000 }
    }
}

/// `20MiB` or a number.
fn read_bytes<'de, D: Deserializer<'de>>(from: D) -> Result<u64, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum BytesText {
        Number(u64),
        Text(String),
    }
    match BytesText::deserialize(from)? {
        BytesText::Number(number) => Ok(number),
        BytesText::Text(text) => parse_bytes(&text).map_err(serde::de::Error::custom),
    }
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn write_bytes<S: Serializer>(bytes: &u64, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(&write_exact_bytes(*bytes))
}

/// Where an archive is, from the top of the registry: `{digest}` stands for its 64 hex digits,
/// `{2}` for the first two of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct BlobTemplate(String);

impl BlobTemplate {
    /// The path of an archive.
    pub fn path_of(&self, digest: &Digest) -> String {
        let hex = digest.as_hex();
        self.0.replace("{2}", hex.get(..2).unwrap_or_default()).replace("{digest}", hex)
    }
}

impl Default for BlobTemplate {
    fn default() -> Self {
        Self(format!("{}/{{2}}/{{digest}}.tar.gz", super::layout::BLOBS_FOLDER))
    }
}

impl TryFrom<String> for BlobTemplate {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let template = Self(text);
        let path = template.path_of(&Digest::of(b""));
        let is_sound = template.0.contains("{digest}")
            && !path.contains(|c: char| matches!(c, '{' | '}' | '?' | '#' | '%' | ':') || !c.is_ascii())
            && RelPath::parse(path.as_bytes()).is_ok();
        if is_sound {
            return Ok(template);
        }
        Err("`blobs` must be a path below the registry with `{digest}` in it".to_owned())
    }
}

impl From<BlobTemplate> for String {
    fn from(template: BlobTemplate) -> Self {
        template.0
    }
}

impl fmt::Display for BlobTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
