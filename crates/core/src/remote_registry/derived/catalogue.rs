//! The catalogue: the newest version of every skill in one file, for a search without a network
//! and for whoever derives the files of a registry. It is named by its digest, so it never
//! changes; `catalogue.json` says which one is the newest.

use std::io::{Read as _, Write as _};

use flate2::bufread::GzDecoder;
use flate2::{Compression, GzBuilder};
use serde::{Deserialize, Serialize};

use super::DerivedFile;
use crate::digest::Digest;
use crate::error::{Error, Result, error};
use crate::path::RelPath;
use crate::remote_registry::layout::CATALOGUE_POINTER;
use crate::remote_registry::published_version::PublishedVersion;
use crate::remote_registry::version_index::parse_line;

/// The folder of the catalogues.
pub const CATALOGUE_FOLDER: &str = "catalogue";
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

/// The catalogue of these versions, and the file that leads to it.
pub(super) fn write_catalogue(newest: &[&PublishedVersion]) -> Vec<DerivedFile> {
    let mut sorted = newest.to_vec();
    sorted.sort_by(|a, b| a.name.cmp(&b.name));
    let text: String = sorted.iter().map(|line| line.to_line()).collect();
    let mut gzip = GzBuilder::new().mtime(0).operating_system(255).write(Vec::new(), Compression::best());
    // Memory takes every byte.
    let bytes = gzip.write_all(text.as_bytes()).and_then(|()| gzip.finish()).unwrap_or_default();
    let digest = Digest::of(&bytes);
    let path = format!("{CATALOGUE_FOLDER}/{}.jsonl.gz", digest.as_hex());
    let (size, skills) = (bytes.len() as u64, sorted.len() as u64);
    let pointer = CataloguePointer { schema: 1, path: path.clone(), digest, size, skills };
    let mut text = serde_json::to_string_pretty(&pointer).unwrap_or_default();
    text.push('\n');
    let pointer = DerivedFile { path: CATALOGUE_POINTER.to_owned(), bytes: text.into_bytes() };
    vec![DerivedFile { path, bytes }, pointer]
}

/// Reads a catalogue whose digest was checked: a line for each skill, in the order of their names.
///
/// # Errors
/// `Integrity` for what is not a catalogue, and for one that unpacks to too much.
pub fn parse_catalogue(bytes: &[u8]) -> Result<Vec<PublishedVersion>> {
    let mut text = Vec::new();
    let read = GzDecoder::new(bytes).take(MAX_UNPACKED + 1).read_to_end(&mut text);
    read.map_err(|e| damaged(&e.to_string()))?;
    if text.len() as u64 > MAX_UNPACKED {
        return Err(damaged(&format!("it unpacks to more than {MAX_UNPACKED} bytes")));
    }
    let mut lines: Vec<PublishedVersion> = Vec::new();
    for (at, line) in text.split(|b| *b == b'\n').enumerate().filter(|(_, line)| !line.is_empty()) {
        let read = parse_line(line).map_err(|why| damaged(&format!("line {}: {why}", at + 1)))?;
        let Some(read) = read else { continue };
        if lines.last().is_some_and(|last| last.name >= read.name) {
            return Err(damaged(&format!("line {}: `{}` stands at the wrong place", at + 1, read.name)));
        }
        lines.push(read);
    }
    Ok(lines)
}
