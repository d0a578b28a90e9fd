//! `index.jsonl`: the versions of one skill, a line each, oldest first.
//!
//! A reader passes over keys it does not know and lines whose `v` it does not know; a writer keeps
//! both to the byte. Of the lines that it knows, each must be right: one that is passed over could
//! be the one that says `yanked`.

use std::collections::BTreeSet;

use semver::Version;
use serde::Deserialize;
use serde_json::Value;

use super::published_version::{LINE_FORM, PublishedVersion, Removal, version_key};
use super::scoped_name::ScopedName;
use crate::error::{Error, Result, error, printable};
use crate::json::Json;

/// Versions that a skill may have.
pub const MAX_VERSIONS: usize = 1_000;
/// Bytes of a line.
const MAX_LINE: usize = 64 * 1024;
/// Bytes that are read of an index.
pub const MAX_INDEX_BYTES: u64 = 16 * 1024 * 1024;
/// Bytes that an archive or its files may be said to have: what a double holds exactly is more.
const MAX_STATED_BYTES: u64 = 1 << 40;
/// Characters of a version: folders are named after it.
const MAX_VERSION_TEXT: usize = 64;

/// Reads the versions of the skill `name`.
///
/// # Errors
/// `Integrity` for a line that cannot be read or belongs to another skill, for a version that is
/// there twice, and for an index that is cut off or breaks a limit.
pub fn parse_version_index(name: &ScopedName, bytes: &[u8]) -> Result<Vec<PublishedVersion>> {
    let mut versions: Vec<PublishedVersion> = Vec::new();
    let mut keys = BTreeSet::new();
    for (line, text) in split_lines(name, bytes)? {
        let Some(version) = parse_line(text).map_err(|why| damaged(name, &format!("line {line}: {why}")))?
        else {
            continue;
        };
        if version.name != *name {
            return Err(damaged(name, &format!("line {line} belongs to `{}`", version.name)));
        }
        if !keys.insert(version_key(&version.version)) {
            let twice = printable(&version.version.to_string(), false);
            return Err(damaged(
                name,
                &format!("line {line}: the version {twice} is not the first of that number"),
            ));
        }
        versions.push(version);
    }
    Ok(versions)
}

/// The index of these versions: the same bytes on every machine.
pub fn write_version_index(versions: &[PublishedVersion]) -> Vec<u8> {
    versions.iter().map(PublishedVersion::to_line).collect::<String>().into_bytes()
}

fn damaged(name: &ScopedName, why: &str) -> Error {
    error!(Integrity, "the index of `{name}` cannot be read").cause(why).hint(
        "the registry is damaged, or is not what it says: `ba-agent registry check` names all that is wrong",
    )
}

/// The lines with their numbers. A cut at the end of a line is seen by whoever counts bytes.
fn split_lines<'a>(name: &ScopedName, bytes: &'a [u8]) -> Result<Vec<(usize, &'a [u8])>> {
    if bytes.len() as u64 > MAX_INDEX_BYTES {
        return Err(damaged(name, &format!("it has more than {MAX_INDEX_BYTES} bytes")));
    }
    if bytes.last().is_some_and(|last| *last != b'\n') {
        return Err(damaged(name, "it is cut off: its last line has no end"));
    }
    let lines = bytes.split(|b| *b == b'\n').enumerate().map(|(at, line)| (at + 1, line));
    let lines: Vec<_> = lines.filter(|(_, line)| !line.is_empty()).collect();
    if lines.len() > MAX_VERSIONS {
        return Err(damaged(name, &format!("it has more than {MAX_VERSIONS} versions")));
    }
    match lines.iter().find(|(_, line)| line.len() > MAX_LINE) {
        Some((at, _)) => Err(damaged(name, &format!("line {at} has more than {MAX_LINE} bytes"))),
        None => Ok(lines),
    }
}

/// A line; `None` for a form that is not known.
///
/// # Errors
/// What is wrong with it, in a sentence.
pub(super) fn parse_line(text: &[u8]) -> Result<Option<PublishedVersion>, String> {
    #[derive(Deserialize)]
    struct LineHead {
        v: Value,
    }
    let head: LineHead = serde_json::from_slice(text).map_err(|e| e.to_string())?;
    if head.v.as_u64() != Some(LINE_FORM) {
        return Ok(None);
    }
    let version: PublishedVersion = serde_json::from_slice(text).map_err(|e| e.to_string())?;
    if version.version.to_string().len() > MAX_VERSION_TEXT {
        return Err(format!("its version has more than {MAX_VERSION_TEXT} characters"));
    }
    if version.size.max(version.unpacked).max(version.files) > MAX_STATED_BYTES {
        return Err("it says a size that no archive has".to_owned());
    }
    Ok(Some(version))
}

/// The index with one more version; `None` when the same bytes are there under that version.
///
/// # Errors
/// `Conflict` when other bytes are, when the version was removed, and where a skill has all
/// versions that it may have; those of [`parse_version_index`].
pub fn append_version(index: &[u8], new: &PublishedVersion) -> Result<Option<Vec<u8>>> {
    let versions = parse_version_index(&new.name, index)?;
    let key = version_key(&new.version);
    if let Some(there) = versions.iter().find(|one| version_key(&one.version) == key) {
        return match &there.removed {
            None if there.digest == new.digest => Ok(None),
            None => Err(error!(
                Conflict,
                "`{}` {} is published already, with other files", new.name, there.version
            )
            .hint(
                "a published version never changes: publish a higher one, for instance with `--bump patch`",
            )),
            Some(_) => Err(error!(Conflict, "`{}` {} was removed", new.name, there.version)
                .hint("a removed version never comes back: publish a higher one")),
        };
    }
    let lines = split_lines(&new.name, index)?;
    let is_of_another_form = |text: &[u8]| find_version(text).is_some_and(|one| version_key(&one) == key);
    if lines.iter().any(|(_, text)| is_of_another_form(text)) {
        return Err(error!(Conflict, "`{}` {} is published already", new.name, new.version)
            .hint("a newer ba-agent published it: publish a higher version"));
    }
    if lines.len() >= MAX_VERSIONS {
        return Err(error!(Conflict, "`{}` has {MAX_VERSIONS} versions, which is the limit", new.name));
    }
    Ok(Some([index, new.to_line().as_bytes()].concat()))
}

/// The version that a line of any form says.
fn find_version(text: &[u8]) -> Option<Version> {
    #[derive(Deserialize)]
    struct VersionOfLine {
        version: Version,
    }
    serde_json::from_slice::<VersionOfLine>(text).ok().map(|line| line.version)
}

/// What may change in a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VersionChange {
    /// Nobody should newly take it.
    Yank { reason: Option<String> },
    /// It may be taken again.
    Unyank,
    /// Its archive is not served any more.
    Remove(Removal),
}

/// The index with one version changed; `None` when it says so already. All other lines, and the
/// keys of this one that are not known, stay as they are.
///
/// # Errors
/// `NotFound` for a version that is not there; `Conflict` for one that was removed; those of
/// [`parse_version_index`].
pub fn change_version(
    name: &ScopedName,
    index: &[u8],
    version: &Version,
    change: &VersionChange,
) -> Result<Option<Vec<u8>>> {
    let versions = parse_version_index(name, index)?;
    let key = version_key(version);
    let Some(there) = versions.iter().find(|one| version_key(&one.version) == key) else {
        return Err(error!(NotFound, "`{name}` has no version {version}").hint(list_versions(&versions)));
    };
    if there.removed.is_some() {
        return Err(error!(Conflict, "`{name}` {version} was removed, and stays so"));
    }
    let mut changed = Vec::with_capacity(index.len() + 256);
    for (_, text) in split_lines(name, index)? {
        match parse_line(text).ok().flatten().filter(|one| one.version == there.version) {
            Some(_) => changed.extend(change_line(text, change).map_err(|why| damaged(name, &why))?.bytes()),
            None => changed.extend_from_slice(text),
        }
        changed.push(b'\n');
    }
    Ok((changed != index).then_some(changed))
}

/// The line with the keys of a change; the others keep their order and their bytes.
fn change_line(text: &[u8], change: &VersionChange) -> Result<String, String> {
    let text = std::str::from_utf8(text).map_err(|e| e.to_string())?;
    let read = Json::parse(text).map_err(|fault| fault.message)?;
    let members = read.as_object().ok_or("it is not an object")?;
    let mut members: Vec<(String, String)> = members
        .into_iter()
        .map(|(key, value)| {
            (key.text.into_owned(), text.get(value.offset()..value.end()).unwrap_or_default().to_owned())
        })
        .collect();
    let mut set = |key: &str, value: Option<Value>| match value {
        None => members.retain(|(name, _)| name != key),
        Some(value) => match members.iter_mut().find(|(name, _)| name == key) {
            Some(member) => member.1 = value.to_string(),
            None => members.push((key.to_owned(), value.to_string())),
        },
    };
    match change {
        VersionChange::Yank { reason } => {
            set("yanked", Some(true.into()));
            set("yank_reason", reason.as_deref().map(Value::from));
        }
        VersionChange::Unyank => {
            set("yanked", Some(false.into()));
            set("yank_reason", None);
        }
        VersionChange::Remove(removal) => set("removed", serde_json::to_value(removal).ok()),
    }
    let members: Vec<String> =
        members.iter().map(|(key, value)| format!("{}:{value}", Value::from(key.as_str()))).collect();
    Ok(format!("{{{}}}", members.join(",")))
}

/// The newest versions that may be taken, for a hint.
pub(super) fn list_versions(versions: &[PublishedVersion]) -> String {
    const SHOWN: usize = 6;
    let mut offered: Vec<&Version> =
        versions.iter().filter(|one| one.is_offered()).map(|one| &one.version).collect();
    offered.sort();
    let shown: Vec<String> = offered.iter().rev().take(SHOWN).map(|one| format!("`{one}`")).collect();
    match (shown.is_empty(), offered.len() > SHOWN) {
        (true, _) => "it has no version that may be taken".to_owned(),
        (false, false) => format!("it has {}", shown.join(", ")),
        (false, true) => format!("the newest of its {} versions are {}", offered.len(), shown.join(", ")),
    }
}
