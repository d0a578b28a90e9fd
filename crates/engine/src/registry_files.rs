//! World: the files of a remote registry where they can be written: a folder, or a bucket. What is
//! published is written in an order in which a reader never sees a line whose archive is missing:
//! the archive, the line, then what is made of lines. What a kill leaves in between is made anew by
//! the next publication, or by `registry build`.

mod archives;
mod derive;
mod log;
mod reader;

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use semver::Version;

pub(crate) use archives::{check_archive, find_untrue_keys};
use ba_agent_core::digest::Digest;
use ba_agent_core::error::{Error, Result, error, fail, printable};
use ba_agent_core::remote_registry::derived::{DerivedFile, VersionIndex, derive_all_files, is_derived_path};
use ba_agent_core::remote_registry::{
    DESCRIPTION_FILE, MAX_INDEX_BYTES, PublishedVersion, RegistryDescription, ScopedName, VersionChange,
    append_version, change_version, version_index_path,
};
use ba_agent_objects::{ObjectTag, Objects};
use ba_agent_tlog::LogSigningKey;
pub(crate) use log::LOG_KEY_VARIABLE;
pub(crate) use reader::RegistryReader;

/// Bytes of a description.
pub(crate) const MAX_DESCRIPTION: u64 = 1 << 20;
/// Bytes of a derived file.
pub(crate) const MAX_DERIVED: u64 = 64 << 20;
/// Tries of a change that others make at the same time: each try somebody else has succeeded.
const TRIES: usize = 200;

/// A registry whose files can be written.
pub(crate) struct RegistryFiles<'a> {
    objects: Objects<'a>,
    description: RegistryDescription,
    /// What signs its log; without one nothing is logged.
    log_key: Option<LogSigningKey>,
}

/// What became of a publication.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Published {
    New,
    /// The same bytes were there under that version.
    AlreadyThere,
}

/// What [`RegistryFiles::build_files`] did.
#[derive(Debug, Default)]
pub(crate) struct BuiltFiles {
    pub(crate) skills: usize,
    pub(crate) versions: usize,
    /// Files that were written, since they were not there or were other.
    pub(crate) written: Vec<String>,
    /// Files that nothing leads to any more.
    pub(crate) removed: Vec<String>,
    /// How many there are.
    pub(crate) files: usize,
}

impl<'a> RegistryFiles<'a> {
    /// The registry at a place; `None` where there is none.
    ///
    /// # Errors
    /// `Invalid` for one that this program does not read; those of reading.
    pub(crate) fn open(objects: Objects<'a>) -> Result<Result<Self, Objects<'a>>> {
        match objects.get(DESCRIPTION_FILE, MAX_DESCRIPTION)? {
            Some(file) => {
                let description = RegistryDescription::parse(&file.bytes)?;
                Ok(Ok(Self { objects, description, log_key: None }))
            }
            None => Ok(Err(objects)),
        }
    }

    /// Begins a registry at a place where nothing is.
    ///
    /// # Errors
    /// `Conflict` for a folder with other files in it; those of writing.
    pub(crate) fn create(objects: Objects<'a>, name: &str) -> Result<Self> {
        if let Some(other) =
            objects.list("")?.iter().find(|one| !one.path.starts_with("b/") && one.path != ".lock")
        {
            return Err(error!(Conflict, "`{}` is not a registry, but has files in it", objects.shown())
                .cause(format!("for instance `{}`", printable(&other.path, false)))
                .hint("name an empty folder, or one that does not exist yet"));
        }
        let description = RegistryDescription::new(name);
        objects.put_if_absent(DESCRIPTION_FILE, &description.to_bytes())?;
        match Self::open(objects)? {
            Ok(files) => Ok(files),
            Err(objects) => fail!(Failed, "`{}` cannot be written", objects.shown()),
        }
    }

    /// The same files, of which this is said: those of a copy.
    pub(crate) fn with_description(self, description: RegistryDescription) -> Self {
        Self { description, ..self }
    }

    pub(crate) fn description(&self) -> &RegistryDescription {
        &self.description
    }

    pub(crate) fn objects(&self) -> &Objects<'a> {
        &self.objects
    }

    /// The index of a skill, with what it is known by; empty where there is none yet.
    ///
    /// # Errors
    /// Those of reading, and of a damaged index.
    pub(crate) fn index_of(&self, name: &ScopedName) -> Result<(VersionIndex, Option<ObjectTag>)> {
        match self.objects.get(&version_index_path(name), MAX_INDEX_BYTES)? {
            Some(file) => Ok((VersionIndex::parse(name, file.bytes)?, Some(file.etag))),
            None => Ok((VersionIndex::of_versions(Vec::new()), None)),
        }
    }

    /// An archive whose bytes are those of its digest; `None` where it is not there.
    ///
    /// # Errors
    /// `Integrity` for other bytes; those of reading.
    pub(crate) fn archive_of(&self, digest: &Digest) -> Result<Option<Vec<u8>>> {
        let path = self.description.blobs.path_of(digest);
        let Some(file) = self.objects.get(&path, self.description.limits.archive)? else { return Ok(None) };
        if Digest::of(&file.bytes) == *digest {
            return Ok(Some(file.bytes));
        }
        Err(error!(Integrity, "`{path}` is not the archive of its name")
            .hint("publish that version again from its files, or copy the file from a mirror"))
    }

    /// Publishes a version: its archive, its line, and what is made of it.
    ///
    /// # Errors
    /// `Conflict` where other bytes are there under that version; those of reading and writing.
    pub(crate) fn publish(&self, line: &PublishedVersion, archive: &[u8]) -> Result<Published> {
        // A version that cannot be published leaves nothing.
        let is_new = append_version(&self.index_of(&line.name)?.0.bytes, line)?.is_some();
        let path = self.description.blobs.path_of(&line.digest);
        if !self.objects.put_if_absent(&path, archive)? {
            // Another skill has the same bytes, or a kill came between archive and line. What is
            // there under this name is these bytes, or damaged.
            let there = self.objects.get(&path, self.description.limits.archive).ok().flatten();
            if there.is_none_or(|file| file.bytes != archive) {
                self.objects.put(&path, archive)?;
            }
        }
        let line = if is_new { &self.log_publication(line)? } else { line };
        let changed = self.change_index(&line.name, |index| append_version(index, line))?;
        self.derive_skill(&line.name, Some(&line.version))?;
        Ok(if changed { Published::New } else { Published::AlreadyThere })
    }

    /// Changes what a line says of its version; false where it says so already.
    ///
    /// # Errors
    /// Those of [`change_version`], of reading and of writing.
    pub(crate) fn change_line(
        &self,
        name: &ScopedName,
        version: &Version,
        change: &VersionChange,
        at: Timestamp,
    ) -> Result<bool> {
        if change_version(name, &self.index_of(name)?.0.bytes, version, change)?.is_some() {
            self.log_change(name, version, change, at)?;
        }
        let changed = self.change_index(name, |index| change_version(name, index, version, change))?;
        self.derive_skill(name, None)?;
        Ok(changed)
    }

    /// Replaces an index by what `edit` makes of it, again where somebody was faster.
    fn change_index(
        &self,
        name: &ScopedName,
        edit: impl Fn(&[u8]) -> Result<Option<Vec<u8>>>,
    ) -> Result<bool> {
        for _ in 0..TRIES {
            let (index, etag) = self.index_of(name)?;
            let Some(new) = edit(&index.bytes)? else { return Ok(false) };
            if self.objects.put_if_match(&version_index_path(name), &new, etag.as_ref())? {
                return Ok(true);
            }
        }
        Err(self.too_busy_error())
    }

    fn too_busy_error(&self) -> Error {
        error!(Conflict, "others are writing to `{}` all the time", self.objects.shown())
            .hint("try again when they are done")
    }

    /// All indexes. One that cannot be read is handed to `on_fault`, and left out.
    ///
    /// # Errors
    /// Those of reading, and what `on_fault` makes of a fault.
    pub(crate) fn read_indexes(
        &self,
        mut on_fault: impl FnMut(&str, Error) -> Result<()>,
    ) -> Result<BTreeMap<ScopedName, VersionIndex>> {
        let mut skills = BTreeMap::new();
        for file in self.objects.list("")? {
            let Some(named) = file.path.strip_suffix("/index.jsonl") else { continue };
            let Ok(name) = named.parse::<ScopedName>() else { continue };
            let Some(bytes) = self.objects.get(&file.path, MAX_INDEX_BYTES)? else { continue };
            match VersionIndex::parse(&name, bytes.bytes) {
                Ok(index) => drop(skills.insert(name, index)),
                Err(error) => on_fault(&file.path, error)?,
            }
        }
        Ok(skills)
    }

    /// Makes all derived files anew: writes those that are not there or other, and removes those
    /// that nothing leads to.
    ///
    /// # Errors
    /// `Integrity` for an index that cannot be read; those of reading and writing.
    pub(crate) fn build_files(&self) -> Result<BuiltFiles> {
        let skills = self
            .read_indexes(|path, error| Err(error.cause(format!("`{path}`")).hint("nothing was changed")))?;
        let files = derive_all_files(&self.description, &skills);
        let mut built = BuiltFiles {
            skills: skills.len(),
            versions: skills.values().map(|index| index.versions.len()).sum(),
            files: files.len(),
            ..BuiltFiles::default()
        };
        let mut changed: Vec<&DerivedFile> = Vec::new();
        for file in &files {
            let there = self.objects.get(&file.path, MAX_DERIVED)?;
            if there.is_none_or(|there| there.bytes != file.bytes) {
                changed.push(file);
            }
        }
        self.write_all(&changed)?;
        built.written = changed.iter().map(|file| file.path.clone()).collect();
        let wanted: BTreeSet<&str> = files.iter().map(|file| file.path.as_str()).collect();
        for file in self.objects.list("")? {
            if is_derived_path(&file.path) && !wanted.contains(file.path.as_str()) {
                self.objects.delete(&file.path)?;
                built.removed.push(file.path);
            }
        }
        Ok(built)
    }

    /// Writes derived files, that which leads to the catalogue last.
    ///
    /// # Errors
    /// Those of writing.
    pub(crate) fn write_all(&self, files: &[&DerivedFile]) -> Result<()> {
        let (last, first): (Vec<&DerivedFile>, Vec<&DerivedFile>) =
            files.iter().copied().partition(|file| file.path == "catalogue.json");
        let pairs = first.iter().chain(&last).map(|file| (file.path.as_str(), file.bytes.as_slice()));
        match &self.objects {
            Objects::Folder(folder) => folder.put_all(pairs),
            Objects::S3(_) => {
                for (path, bytes) in pairs {
                    self.objects.put(path, bytes)?;
                }
                Ok(())
            }
        }
    }
}
