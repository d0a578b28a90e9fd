//! The catalogue: the newest version of every skill in one file, for a search without a network
//! and for whoever derives the files of a registry. It is named by its digest, so it never
//! changes; `catalogue.json` says which one is the newest.
//!
//! Each line says the digest of the skill's index too, so that the catalogue changes whenever
//! anything does: whoever has a copy of the registry sees in one small file whether it is current.
//! A skill without a version that may be taken has a line of another form, which readers of
//! versions pass over.

use std::io::{Read as _, Write as _};

use flate2::bufread::GzDecoder;
use flate2::{Compression, GzBuilder};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{DerivedFile, newest_version};
use crate::digest::Digest;
use crate::error::{Error, Result, error};
use crate::path::RelPath;
use crate::remote_registry::description::RegistryDescription;
use crate::remote_registry::layout::CATALOGUE_POINTER;
use crate::remote_registry::published_version::PublishedVersion;
use crate::remote_registry::scoped_name::ScopedName;
use crate::remote_registry::version_index::parse_line;

/// The folder of the catalogues.
pub const CATALOGUE_FOLDER: &str = "catalogue";
/// The form of a line about a skill that has no version to take.
const FORM_WITHOUT_VERSION: &str = "none";
/// Bytes that a catalogue may unpack to: 300,000 skills.
const MAX_UNPACKED: u64 = 256 * 1024 * 1024;

/// `catalogue.json`: where the newest catalogue is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CataloguePointer {
    /// The version of the form.
    pub schema: u64,
    /// From the top of the registry.
    pub path: String,
    /// Of its bytes.
    pub digest: Digest,
    /// Of its bytes, how many.
    pub size: u64,
    /// How many it lists.
    pub skills: u64,
    /// Of the registry's description, as this program writes it.
    pub description: Digest,
}

impl CataloguePointer {
    /// Reads the file.
    ///
    /// # Errors
    /// `Integrity` for what is not such a file, or leads out of the registry.
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        let read: Self = serde_json::from_slice(bytes).map_err(|e| damaged(&e.to_string()))?;
        if read.schema != 1 {
            return Err(damaged(&format!("its form is {}, expected 1", read.schema))
                .hint("a newer ba-agent may read it"));
        }
        match RelPath::parse(read.path.as_bytes()) {
            Ok(_) if read.path.starts_with("catalogue/") => Ok(read),
            _ => Err(damaged("its path does not lie below `catalogue/`")),
        }
    }
}

fn damaged(why: &str) -> Error {
    error!(Integrity, "the registry's catalogue cannot be read").cause(why)
}

/// What the catalogue knows of a skill.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CatalogueEntry {
    pub name: ScopedName,
    /// Of the bytes of its index.
    pub index: Digest,
    /// The version that stands for it; none where none may be taken.
    pub newest: Option<PublishedVersion>,
}

impl CatalogueEntry {
    /// What stands in the catalogue for an index of these bytes and versions.
    pub fn of_index(name: &ScopedName, bytes: &[u8], versions: &[PublishedVersion]) -> Self {
        Self { name: name.clone(), index: Digest::of(bytes), newest: newest_version(versions).cloned() }
    }

    fn to_line(&self) -> String {
        let index = Value::from(self.index.to_string());
        let mut line = match &self.newest {
            Some(newest) => serde_json::to_value(newest).unwrap_or_default(),
            None => json!({ "v": FORM_WITHOUT_VERSION, "name": self.name }),
        };
        if let Value::Object(members) = &mut line {
            members.insert("index".to_owned(), index);
        }
        format!("{line}\n")
    }

    /// A line; `None` for a form that is not known.
    fn parse(text: &[u8]) -> Result<Option<Self>, String> {
        #[derive(Deserialize)]
        struct EntryHead {
            v: Value,
            name: Value,
            index: Value,
        }
        let head: EntryHead = serde_json::from_slice(text).map_err(|e| e.to_string())?;
        let newest = parse_line(text)?;
        if newest.is_none() && head.v != FORM_WITHOUT_VERSION {
            return Ok(None);
        }
        let name = serde_json::from_value(head.name).map_err(|e| e.to_string())?;
        let index = serde_json::from_value(head.index).map_err(|e| e.to_string())?;
        Ok(Some(Self { name, index, newest }))
    }
}

/// The catalogue of these skills, and the file that leads to it.
pub(super) fn write_catalogue(
    description: &RegistryDescription,
    entries: &[CatalogueEntry],
) -> Vec<DerivedFile> {
    let mut sorted: Vec<&CatalogueEntry> = entries.iter().collect();
    sorted.sort_by(|a, b| a.name.cmp(&b.name));
    let text: String = sorted.iter().map(|entry| entry.to_line()).collect();
    let mut gzip = GzBuilder::new().mtime(0).operating_system(255).write(Vec::new(), Compression::best());
    // Memory takes every byte.
    let bytes = gzip.write_all(text.as_bytes()).and_then(|()| gzip.finish()).unwrap_or_default();
    let digest = Digest::of(&bytes);
    let path = format!("{CATALOGUE_FOLDER}/{}.jsonl.gz", digest.as_hex());
    let pointer = CataloguePointer {
        schema: 1,
        path: path.clone(),
        digest,
        size: bytes.len() as u64,
        skills: sorted.len() as u64,
        description: Digest::of(&description.to_bytes()),
    };
    let mut text = serde_json::to_string_pretty(&pointer).unwrap_or_default();
    text.push('\n');
    let pointer = DerivedFile { path: CATALOGUE_POINTER.to_owned(), bytes: text.into_bytes() };
    vec![DerivedFile { path, bytes }, pointer]
}

/// Reads a catalogue whose digest was checked: a line for each skill, in the order of their names.
///
/// # Errors
/// `Integrity` for what is not a catalogue, and for one that unpacks to too much.
pub fn parse_catalogue(bytes: &[u8]) -> Result<Vec<CatalogueEntry>> {
    let mut text = Vec::new();
    let read = GzDecoder::new(bytes).take(MAX_UNPACKED + 1).read_to_end(&mut text);
    read.map_err(|e| damaged(&e.to_string()))?;
    if text.len() as u64 > MAX_UNPACKED {
        return Err(damaged(&format!("it unpacks to more than {MAX_UNPACKED} bytes")));
    }
    let mut entries: Vec<CatalogueEntry> = Vec::new();
    for (at, line) in text.split(|b| *b == b'\n').enumerate().filter(|(_, line)| !line.is_empty()) {
        let read = CatalogueEntry::parse(line).map_err(|why| damaged(&format!("line {}: {why}", at + 1)))?;
        let Some(read) = read else { continue };
        if entries.last().is_some_and(|last| last.name >= read.name) {
            return Err(damaged(&format!("line {}: `{}` stands at the wrong place", at + 1, read.name)));
        }
        entries.push(read);
    }
    Ok(entries)
}
