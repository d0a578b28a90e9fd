//! `registry check`: everything in a registry, read again and held against each other.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::ops::settle::open_session;
use crate::registry_files::{MAX_DERIVED, MAX_DESCRIPTION, RegistryReader, check_archive, find_untrue_keys};
use crate::workspace::{Observer, Workspace};
use ba_agent_core::digest::Digest;
use ba_agent_core::error::{Error, Kind, Result, error, fail, printable};
use ba_agent_core::listing::Limits;
use ba_agent_core::remote_registry::derived::{
    CataloguePointer, VersionIndex, derive_all_files, is_derived_path, parse_catalogue,
};
use ba_agent_core::remote_registry::{
    CATALOGUE_POINTER, DESCRIPTION_FILE, LogDescription, MAX_INDEX_BYTES, PublishedVersion,
    RegistryDescription, ScopedName, version_index_path,
};
use ba_agent_core::transparency_log::{
    CHECKPOINT_FILE, LOG_FOLDER, LogEvent, VerifierKey, find_published_line, read_event, write_event,
};
use ba_agent_objects::ListedObject;
use ba_agent_system::parallel::{MAX_HOSTS, run_jobs};
use ba_agent_tlog::{open_checkpoint, verify_whole_log};

/// Something in a registry that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct RegistryFault {
    /// The file, from the top of the registry.
    pub path: String,
    /// What is wrong with it, in a sentence.
    pub message: String,
}

/// What was looked at, and what is wrong.
#[derive(Debug, Serialize)]
pub struct CheckReport {
    /// The registry, as a person calls it.
    pub registry: String,
    pub skills: usize,
    pub versions: usize,
    /// Archives that were unpacked, and their bytes.
    pub archives: usize,
    pub bytes: u64,
    /// Derived files that were held against what they are made of.
    pub files: usize,
    pub faults: Vec<RegistryFault>,
    /// Files that nothing leads to: archives whose publication was broken off, files of others.
    pub unused: Vec<String>,
}

/// Checks every line, archive and derived file of a registry.
///
/// # Errors
/// `NotFound` where there is no registry, `Invalid` for one of a newer layout; those of reading.
/// What is wrong is no error.
pub fn check_registry(workspace: &Workspace, place: &str, observer: &dyn Observer) -> Result<CheckReport> {
    let session = open_session(workspace, observer)?;
    session.note_typed(place);
    let world = session.world();
    let reader = RegistryReader::open(place, &session.env, world.net())?;
    let registry = reader.shown();
    let Some(bytes) = reader.get(DESCRIPTION_FILE, MAX_DESCRIPTION)? else {
        return Err(error!(NotFound, "there is no registry at `{registry}`")
            .hint("a registry has a `registry.json` at its top: is the address right?"));
    };
    let description = RegistryDescription::parse(&bytes)?;
    let mut check = RegistryCheck { reader: &reader, description, observer, faults: Vec::new() };
    let listed = reader.list()?;
    let skills = check.read_indexes(listed.as_deref())?;
    let (archives, bytes) = check.check_archives(&skills)?;
    let files = check.check_derived(&skills, listed.as_deref())?;
    check.check_log(&skills)?;
    check.faults.sort();
    check.faults.dedup();
    Ok(CheckReport {
        registry,
        skills: skills.len(),
        versions: skills.values().map(|index| index.versions.len()).sum(),
        archives,
        bytes,
        files,
        unused: find_unused(&check.description, &skills, listed.as_deref()),
        faults: check.faults,
    })
}

struct RegistryCheck<'a> {
    reader: &'a RegistryReader<'a>,
    description: RegistryDescription,
    observer: &'a dyn Observer,
    faults: Vec<RegistryFault>,
}

impl RegistryCheck<'_> {
    fn fault(&mut self, path: &str, message: impl Into<String>) {
        self.faults.push(RegistryFault { path: printable(path, false), message: message.into() });
    }

    /// Notes what a reader refused; what it could not reach ends the check.
    fn refused(&mut self, path: &str, error: Error) -> Result<()> {
        if matches!(error.kind, Kind::Network | Kind::Auth | Kind::Interrupted | Kind::Failed) {
            return Err(error);
        }
        self.faults.push(fault_of_error(path, &error));
        Ok(())
    }

    /// The log, from its first leaf to its last, and each line against its leaf.
    fn check_log(&mut self, skills: &BTreeMap<ScopedName, VersionIndex>) -> Result<()> {
        let Some(log) = self.description.log.clone() else { return Ok(()) };
        match self.read_publications(&log) {
            Ok(logged) => self.compare_with_log(skills, &logged),
            Err(error) => self.refused(&format!("{LOG_FOLDER}/{CHECKPOINT_FILE}"), error)?,
        }
        Ok(())
    }

    /// What the log says was published, by its place.
    fn read_publications(&self, log: &LogDescription) -> Result<BTreeMap<u64, Vec<u8>>> {
        let key: VerifierKey = log.key.parse()?;
        let mut read = |path: &str| self.reader.get(&format!("{LOG_FOLDER}/{path}"), MAX_DERIVED);
        let Some(note) = read(CHECKPOINT_FILE)? else {
            fail!(Integrity, "is missing, and the registry has a log")
        };
        let checkpoint = open_checkpoint(&note, &key)?;
        let mut logged = BTreeMap::new();
        verify_whole_log(&checkpoint, &mut read, &mut |place, leaf| {
            if let Some(LogEvent::Publish { .. }) = read_event(leaf)? {
                logged.insert(place, leaf.to_vec());
            }
            Ok(())
        })?;
        Ok(logged)
    }

    fn compare_with_log(
        &mut self,
        skills: &BTreeMap<ScopedName, VersionIndex>,
        logged: &BTreeMap<u64, Vec<u8>>,
    ) {
        for (name, index) in skills {
            for line in &index.versions {
                let leaf = find_published_line(&index.bytes, line)
                    .and_then(|text| write_event(&LogEvent::publication(text).ok()?).ok());
                let place = line.leaf.and_then(|place| logged.get(&place));
                if leaf.is_none() || place != leaf.as_ref() {
                    let message = format!("the version {} is not as the log has it", line.version);
                    self.fault(&version_index_path(name), message);
                }
            }
        }
    }

    /// All indexes: those that are listed, or, of a web server, those that the catalogue names.
    fn read_indexes(
        &mut self,
        listed: Option<&[ListedObject]>,
    ) -> Result<BTreeMap<ScopedName, VersionIndex>> {
        let names: Vec<ScopedName> = match listed {
            Some(files) => {
                files.iter().filter_map(|file| file.path.strip_suffix("/index.jsonl")?.parse().ok()).collect()
            }
            None => self.names_of_catalogue()?,
        };
        self.observer.begin("Reading the indexes");
        let reader = self.reader;
        let read = run_jobs(
            MAX_HOSTS,
            &names,
            || self.observer.check_cancelled(),
            |name| Ok::<_, Error>(reader.get(&version_index_path(name), MAX_INDEX_BYTES)),
        )?;
        let mut skills = BTreeMap::new();
        for (name, bytes) in names.into_iter().zip(read) {
            let path = version_index_path(&name);
            match bytes {
                Ok(Some(bytes)) => match VersionIndex::parse(&name, bytes) {
                    Ok(index) => drop(skills.insert(name, index)),
                    Err(error) => self.refused(&path, error)?,
                },
                Ok(None) => self.fault(&path, "is missing, but the catalogue lists the skill"),
                Err(error) => self.refused(&path, error)?,
            }
        }
        Ok(skills)
    }

    fn names_of_catalogue(&mut self) -> Result<Vec<ScopedName>> {
        let Some(bytes) = self.reader.get(CATALOGUE_POINTER, MAX_DERIVED)? else {
            self.fault(CATALOGUE_POINTER, "is missing, so that its skills are not known");
            return Ok(Vec::new());
        };
        let pointer = CataloguePointer::parse(&bytes)?;
        let catalogue = self.reader.get(&pointer.path, MAX_DERIVED)?.unwrap_or_default();
        if Digest::of(&catalogue) != pointer.digest {
            self.fault(&pointer.path, "is missing, or has other bytes than its name says");
            return Ok(Vec::new());
        }
        Ok(parse_catalogue(&catalogue)?.into_iter().map(|entry| entry.name).collect())
    }

    /// Unpacks each archive; how many there are, and their bytes.
    fn check_archives(&mut self, skills: &BTreeMap<ScopedName, VersionIndex>) -> Result<(usize, u64)> {
        let lines: Vec<&PublishedVersion> =
            skills.values().flat_map(|index| &index.versions).filter(|line| line.removed.is_none()).collect();
        self.observer.begin("Unpacking the archives");
        let (reader, description) = (self.reader, &self.description);
        let checked = run_jobs(
            MAX_HOSTS,
            &lines,
            || self.observer.check_cancelled(),
            |line| {
                let path = description.blobs.path_of(&line.digest);
                Ok::<_, Error>(check_line(reader, description, line, &path))
            },
        )?;
        let (mut archives, mut bytes) = (0, 0);
        for (line, result) in lines.iter().zip(checked) {
            let path = self.description.blobs.path_of(&line.digest);
            match result {
                Ok(messages) => {
                    archives += 1;
                    bytes += line.size;
                    for message in messages {
                        self.fault(&version_index_path(&line.name), message);
                    }
                }
                Err(error) => self.refused(&path, error)?,
            }
        }
        Ok((archives, bytes))
    }

    /// Holds each derived file against what it is made of; how many there are.
    fn check_derived(
        &mut self,
        skills: &BTreeMap<ScopedName, VersionIndex>,
        listed: Option<&[ListedObject]>,
    ) -> Result<usize> {
        let files = derive_all_files(&self.description, skills);
        self.observer.begin("Reading the derived files");
        let reader = self.reader;
        let read = run_jobs(
            MAX_HOSTS,
            &files,
            || self.observer.check_cancelled(),
            |file| Ok::<_, Error>(reader.get(&file.path, MAX_DERIVED)),
        )?;
        for (file, there) in files.iter().zip(read) {
            match there {
                Ok(Some(bytes)) if bytes == file.bytes => {}
                Ok(Some(_)) => {
                    self.fault(&file.path, "is not what the indexes say: `registry build` makes it anew")
                }
                Ok(None) => self.fault(&file.path, "is missing: `registry build` makes it"),
                Err(error) => self.refused(&file.path, error)?,
            }
        }
        let wanted: BTreeSet<&str> = files.iter().map(|file| file.path.as_str()).collect();
        for file in listed.unwrap_or_default() {
            // The catalogue before the last one stays for who was reading it.
            let is_old_catalogue = file.path.starts_with("catalogue/");
            if is_derived_path(&file.path) && !wanted.contains(file.path.as_str()) && !is_old_catalogue {
                self.fault(&file.path, "is made of nothing that is there: `registry build` removes it");
            }
        }
        Ok(files.len())
    }
}

/// What is wrong with a line whose archive is sound.
fn check_line(
    reader: &RegistryReader<'_>,
    description: &RegistryDescription,
    line: &PublishedVersion,
    path: &str,
) -> Result<Vec<String>> {
    let cap = description.limits.archive.max(Limits::default().download);
    let Some(archive) = reader.get(path, cap)? else {
        return Err(error!(NotFound, "is missing, but `{}` {} has it", line.name, line.version));
    };
    let package = check_archive(line, &archive, &description.limits)?;
    let untrue = find_untrue_keys(line, &archive, &package)?;
    let say = |key: String| format!("the line of {} says another `{key}` than its archive", line.version);
    Ok(untrue.into_iter().map(say).collect())
}

fn fault_of_error(path: &str, error: &Error) -> RegistryFault {
    let parts = std::iter::once(&error.message).chain(&error.causes);
    let message = parts.map(String::as_str).collect::<Vec<_>>().join(": ");
    RegistryFault { path: printable(path, false), message: printable(&message, false) }
}

/// Files that nothing leads to.
fn find_unused(
    description: &RegistryDescription,
    skills: &BTreeMap<ScopedName, VersionIndex>,
    listed: Option<&[ListedObject]>,
) -> Vec<String> {
    let lines = skills.values().flat_map(|index| &index.versions).filter(|line| line.removed.is_none());
    let used: BTreeSet<String> = lines.map(|line| description.blobs.path_of(&line.digest)).collect();
    let is_known = |path: &str| {
        used.contains(path)
            || is_derived_path(path)
            || path.ends_with("/index.jsonl")
            || path.starts_with("log/")
            || matches!(path, DESCRIPTION_FILE | super::mirror::MIRROR_FILE)
    };
    let files = listed.unwrap_or_default().iter();
    files.filter(|file| !is_known(&file.path)).map(|file| printable(&file.path, false)).collect()
}
