//! World: the words of the skills that an agent has, indexed once and kept in the cache, so that a
//! hook finds the right ones in a few milliseconds. Made anew where a skill is another one now.

use std::path::PathBuf;

use sha2::{Digest as _, Sha256};

use crate::loader::read_manifest_of;
use crate::workspace::Session;
use ba_agent_core::agents::Agent;
use ba_agent_core::loader::LoadedSkill;
use ba_agent_core::recommend::without_exclusions;
use ba_agent_core::search::{BorrowedText, IndexBuilder, SearchDocument, SearchIndex};
use ba_agent_system::fsx;

/// Raised with every change of what is indexed.
const VERSION: &str = "2";
/// Bytes of a body that are indexed; more or fewer put fewer right skills first.
const BODY: usize = 4_096;
/// The largest index that is read.
const LARGEST: u64 = 64 << 20;

/// The index of these skills, which are its documents in their order.
pub(crate) fn index_words(
    session: &Session<'_>,
    agent: Option<&'static Agent>,
    skills: &[LoadedSkill],
) -> WordIndex {
    let key = fingerprint_of(skills);
    let file = index_file(session, agent);
    let kept = file.as_ref().and_then(|file| fsx::read_plain_file(file, LARGEST).ok().flatten());
    if let Some(bytes) = kept.filter(|kept| kept.starts_with(&key)) {
        let kept = WordIndex { bytes, start: key.len() };
        if kept.read().is_some() {
            return kept;
        }
    }
    let mut builder = IndexBuilder::for_whole_bodies();
    for skill in skills {
        let body = read_body(session, skill);
        builder.add_document(&document_of(skill, &body), 0, &[]);
    }
    let index = builder.into_bytes("");
    if let Some(file) = file
        && fsx::create_private_folders(fsx::parent(&file)).is_ok()
    {
        // Two that write at once may spoil it: its sum says so to the next reader.
        let _ = fsx::write_atomic(&file, &[key.as_slice(), &index].concat());
    }
    WordIndex { bytes: index, start: 0 }
}

/// The bytes of an index, as they stand in its file.
pub(crate) struct WordIndex {
    bytes: Vec<u8>,
    start: usize,
}

impl WordIndex {
    pub(crate) fn read(&self) -> Option<SearchIndex<'_>> {
        SearchIndex::read(self.bytes.get(self.start..)?)
    }
}

fn index_file(session: &Session<'_>, agent: Option<&'static Agent>) -> Option<PathBuf> {
    let scope = session.store.state_dir().folder().file_name()?.to_string_lossy().into_owned();
    let agent = agent.map_or("any", |agent| agent.id);
    Some(session.env.cache_dir().ok()?.join("index").join(format!("{scope}-{agent}.words")))
}

/// What tells these skills, with what each says now, from all others.
fn fingerprint_of(skills: &[LoadedSkill]) -> Vec<u8> {
    let mut hash = Sha256::new();
    hash.update(VERSION);
    hash.update(env!("CARGO_PKG_VERSION"));
    for skill in skills {
        hash.update(skill.manifest.as_os_str().as_encoded_bytes());
        hash.update([0]);
        hash.update(skill.qualified.as_bytes());
        hash.update([0]);
        hash.update(skill.stamp.to_le_bytes());
    }
    hash.finalize().to_vec()
}

fn document_of<'a>(skill: &'a LoadedSkill, body: &'a str) -> SearchDocument<'a> {
    let facts = &skill.facts;
    let labels = |all: &'a [String]| all.iter().map(|one| BorrowedText(one.as_str().into())).collect();
    let description = without_exclusions(&facts.description);
    let description = match &facts.when_to_use {
        Some(when) => format!("{description} {when}").into(),
        None => description,
    };
    SearchDocument {
        name: skill.name.as_str().into(),
        description,
        tags: labels(&facts.tags),
        triggers: labels(&facts.triggers),
        category: facts.category.as_deref().unwrap_or_default().into(),
        plugin: skill.plugin.as_deref().unwrap_or_default().into(),
        body: body.into(),
        ..SearchDocument::default()
    }
}

/// The beginning of what stands below the frontmatter.
fn read_body(session: &Session<'_>, skill: &LoadedSkill) -> String {
    let bytes = read_manifest_of(skill, session).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let below = |text: &str| {
        let rest = text.trim_start_matches('\u{feff}').strip_prefix("---")?;
        let end = rest.find("\n---")?;
        Some(rest.get(end + 4..)?.to_owned())
    };
    let mut body = below(&text).unwrap_or_else(|| text.into_owned());
    let end = (0..=BODY.min(body.len())).rev().find(|end| body.is_char_boundary(*end)).unwrap_or(0);
    body.truncate(end);
    body
}
