//! `registry mirror`: a verified copy of a registry, which is a registry again.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use wildmatch::WildMatch;

use crate::ops::settle::open_session;
use crate::registry_files::{MAX_DERIVED, MAX_DESCRIPTION, RegistryFiles, RegistryReader, check_archive};
use crate::workspace::{Observer, Workspace};
use ba_agent_core::digest::Digest;
use ba_agent_core::error::{Error, Result, error, fail, printable};
use ba_agent_core::remote_registry::derived::{
    CatalogueEntry, CataloguePointer, VersionIndex, newest_version, parse_catalogue,
};
use ba_agent_core::remote_registry::{
    CATALOGUE_POINTER, DESCRIPTION_FILE, MAX_INDEX_BYTES, PublishedVersion, RegistryDescription, ScopedName,
    version_index_path, version_key, write_version_index,
};
use ba_agent_objects::Objects;
use ba_agent_system::fsx;
use ba_agent_system::parallel::{MAX_HOSTS, run_jobs};

/// What a copy of a part notes of itself.
pub(super) const MIRROR_FILE: &str = "mirror.json";

/// What is copied, and where to.
#[derive(Debug, Clone, Default)]
pub struct MirrorOptions {
    /// An address, a folder or a bucket.
    pub source: String,
    /// A folder or a bucket.
    pub dest: String,
    /// Only skills whose names match one of these: `@acme/*`.
    pub only: Vec<String>,
    /// Only the newest version of each.
    pub latest: bool,
}

/// What was copied.
#[derive(Debug, Default, Serialize)]
pub struct MirrorReport {
    pub source: String,
    pub dest: String,
    /// Skills of the source that were asked for.
    pub skills: usize,
    /// Skills whose index was not yet the same.
    pub changed: Vec<String>,
    /// Archives that were copied, and their bytes.
    pub archives: usize,
    pub bytes: u64,
    /// True when nothing had changed.
    pub unchanged: bool,
}

/// What a copy of a part remembers, so that the next run sees at once that nothing changed.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct PartialMirror {
    catalogue: Digest,
    description: Digest,
    only: Vec<String>,
    latest: bool,
}

/// Copies a registry: what the copy does not have yet, each archive held against its line, each
/// index against the catalogue and against what was copied before.
///
/// # Errors
/// `NotFound` where there is no registry; `Integrity` for a source that contradicts itself, or has
/// lost or changed what was copied before; `Conflict` for a destination that is something else;
/// those of reading and writing. What was copied until then is sound.
pub fn mirror_registry(
    workspace: &Workspace,
    options: &MirrorOptions,
    observer: &dyn Observer,
) -> Result<MirrorReport> {
    let session = open_session(workspace, observer)?;
    session.note_typed(&options.source);
    let world = session.world();
    let source = RegistryReader::open(&options.source, &session.env, world.net())?;
    let dest = Objects::open(&options.dest, &session.env, world.net())?;
    let mut report = MirrorReport { source: source.shown(), dest: dest.shown(), ..MirrorReport::default() };
    let is_same_folder = match (&source, &dest) {
        (RegistryReader::Objects(Objects::Folder(from)), Objects::Folder(to)) => {
            fsx::real_path(from.folder()) == fsx::real_path(to.folder())
        }
        _ => report.source == report.dest,
    };
    if is_same_folder {
        fail!(Usage, "`{}` cannot be a mirror of itself", report.dest);
    }
    observer.begin(&format!("Reading {}", report.source));
    let Some(pointer_bytes) = source.get(CATALOGUE_POINTER, MAX_DESCRIPTION)? else {
        return Err(error!(NotFound, "there is no registry at `{}`", report.source)
            .hint("a registry has a `catalogue.json` at its top; `ba-agent registry build DIR` makes it"));
    };
    let pointer = CataloguePointer::parse(&pointer_bytes)?;
    let part = note_of_part(options, &pointer);
    if is_current(&dest, &pointer_bytes, part.as_ref())? {
        report.skills = usize::try_from(pointer.skills).unwrap_or_default();
        report.unchanged = true;
        return Ok(report);
    }
    let mirror = Mirror::open(&source, dest, options, observer)?;
    let entries = mirror.read_catalogue(&pointer)?;
    mirror.check_nothing_lost(&entries)?;
    report.skills = entries.len();
    observer.begin(&format!("Copying {}", report.source));
    let copied =
        run_jobs(MAX_HOSTS, &entries, || observer.check_cancelled(), |entry| mirror.copy_skill(entry))?;
    for (entry, copied) in entries.iter().zip(copied) {
        let Some((archives, bytes)) = copied else { continue };
        report.changed.push(entry.name.to_string());
        report.archives += archives;
        report.bytes += bytes;
    }
    mirror.finish(part.as_ref(), &pointer_bytes, observer)?;
    Ok(report)
}

fn note_of_part(options: &MirrorOptions, pointer: &CataloguePointer) -> Option<PartialMirror> {
    let is_part = options.latest || !options.only.is_empty();
    is_part.then(|| PartialMirror {
        catalogue: pointer.digest.clone(),
        description: pointer.description.clone(),
        only: options.only.clone(),
        latest: options.latest,
    })
}

/// Whether the copy is of this very state.
fn is_current(dest: &Objects<'_>, pointer: &[u8], part: Option<&PartialMirror>) -> Result<bool> {
    let note = dest.get(MIRROR_FILE, MAX_DESCRIPTION)?;
    match (part, note) {
        (None, None) => {
            Ok(dest.get(CATALOGUE_POINTER, MAX_DESCRIPTION)?.is_some_and(|there| there.bytes == pointer))
        }
        (Some(part), Some(note)) => {
            Ok(serde_json::from_slice::<PartialMirror>(&note.bytes).is_ok_and(|note| note == *part))
        }
        _ => Ok(false),
    }
}

struct Mirror<'a> {
    source: &'a RegistryReader<'a>,
    dest: RegistryFiles<'a>,
    /// As the source serves it.
    description: Vec<u8>,
    options: &'a MirrorOptions,
}

impl<'a> Mirror<'a> {
    fn open(
        source: &'a RegistryReader<'a>,
        dest: Objects<'a>,
        options: &'a MirrorOptions,
        observer: &dyn Observer,
    ) -> Result<Self> {
        let Some(bytes) = source.get(DESCRIPTION_FILE, MAX_DESCRIPTION)? else {
            return Err(error!(NotFound, "there is no registry at `{}`", source.shown())
                .hint("a registry has a `registry.json` at its top: is the address right?"));
        };
        let description = RegistryDescription::parse(&bytes)?;
        let dest = match RegistryFiles::open(dest)? {
            Ok(there) if there.description().name != description.name => {
                return Err(error!(Conflict, "`{}` is another registry", there.objects().shown())
                    .cause(format!(
                        "it calls itself `{}`, the source `{}`",
                        there.description().name,
                        description.name
                    ))
                    .hint("name an empty folder, or the copy of this registry"));
            }
            Ok(there) => there,
            Err(objects) => {
                observer.begin(&format!("Beginning {}", objects.shown()));
                RegistryFiles::create(objects, &description.name)?
            }
        };
        Ok(Self { source, dest: dest.with_description(description), description: bytes, options })
    }

    fn read_catalogue(&self, pointer: &CataloguePointer) -> Result<Vec<CatalogueEntry>> {
        let bytes = self.source.get(&pointer.path, pointer.size.min(MAX_DERIVED))?.unwrap_or_default();
        if Digest::of(&bytes) != pointer.digest {
            return Err(self.contradiction("its catalogue is missing, or has other bytes than it says"));
        }
        let only: Vec<WildMatch> = self.options.only.iter().map(|pattern| WildMatch::new(pattern)).collect();
        let is_wanted = |name: &ScopedName| {
            only.is_empty() || only.iter().any(|pattern| pattern.matches(&name.to_string()))
        };
        let entries: Vec<CatalogueEntry> =
            parse_catalogue(&bytes)?.into_iter().filter(|entry| is_wanted(&entry.name)).collect();
        if entries.is_empty() && !only.is_empty() {
            return Err(error!(NotFound, "no skill of `{}` matches", self.source.shown())
                .hint("write `--only '@owner/*'`, or the whole name of a skill"));
        }
        Ok(entries)
    }

    fn contradiction(&self, why: impl AsRef<str>) -> Error {
        error!(Integrity, "the registry `{}` contradicts itself", self.source.shown())
            .cause(why.as_ref())
            .hint("it may have changed while it was copied: run it again; else `ba-agent registry check` says more")
    }

    /// A name is never freed: a skill that was copied must still be there.
    fn check_nothing_lost(&self, entries: &[CatalogueEntry]) -> Result<()> {
        if !self.options.only.is_empty() {
            return Ok(());
        }
        let there: BTreeSet<&ScopedName> = entries.iter().map(|entry| &entry.name).collect();
        for name in self.dest.read_indexes(|_, error| Err(error))?.keys() {
            if !there.contains(name) {
                return Err(error!(Integrity, "`{}` has lost the skill `{name}`", self.source.shown())
                    .cause("a registry never frees a name, and the copy has it")
                    .hint("nothing was changed; ask who runs the registry"));
            }
        }
        Ok(())
    }

    /// Copies what is missing of a skill; `None` where nothing is, else how many archives and
    /// bytes.
    fn copy_skill(&self, entry: &CatalogueEntry) -> Result<Option<(usize, u64)>> {
        let (own, etag) = self.dest.index_of(&entry.name)?;
        let has_all = !self.options.latest && etag.is_some() && Digest::of(&own.bytes) == entry.index;
        if has_all {
            return Ok(None);
        }
        let path = version_index_path(&entry.name);
        let bytes = self.source.get(&path, MAX_INDEX_BYTES)?.unwrap_or_default();
        if Digest::of(&bytes) != entry.index {
            return Err(self.contradiction(format!("`{path}` is not the one that its catalogue names")));
        }
        let index = VersionIndex::parse(&entry.name, bytes)?;
        self.check_history(&entry.name, &own, &index)?;
        let (lines, bytes): (Vec<PublishedVersion>, Vec<u8>) = if self.options.latest {
            let lines: Vec<PublishedVersion> = newest_version(&index.versions).into_iter().cloned().collect();
            let bytes = write_version_index(&lines);
            (lines, bytes)
        } else {
            (index.versions, index.bytes)
        };
        if bytes == own.bytes || lines.is_empty() && self.options.latest {
            return Ok(None);
        }
        let (mut archives, mut size) = (0, 0);
        for line in lines.iter().filter(|line| line.removed.is_none()) {
            if self.copy_archive(line)? {
                archives += 1;
                size += line.size;
            }
        }
        self.dest.objects().put(&path, &bytes)?;
        Ok(Some((archives, size)))
    }

    /// Every line that was copied is still there, with the same archive and files.
    fn check_history(&self, name: &ScopedName, own: &VersionIndex, new: &VersionIndex) -> Result<()> {
        for line in &own.versions {
            let key = version_key(&line.version);
            let same = new.versions.iter().find(|other| version_key(&other.version) == key);
            if same.is_none_or(|other| other.digest != line.digest || other.tree != line.tree) {
                let shown = self.source.shown();
                return Err(error!(
                    Integrity,
                    "`{shown}` says something else of `{name}` {} than before", line.version
                )
                .cause("a published version never changes, and the copy has it")
                .hint("nothing of this skill was changed; ask who runs the registry"));
            }
        }
        Ok(())
    }

    /// True when it was not there yet.
    fn copy_archive(&self, line: &PublishedVersion) -> Result<bool> {
        let path = self.dest.description().blobs.path_of(&line.digest);
        if self.dest.archive_of(&line.digest).ok().flatten().is_some() {
            return Ok(false);
        }
        let Some(archive) = self.source.get(&path, line.size)? else {
            return Err(
                self.contradiction(format!("the archive of `{}` {} is missing", line.name, line.version))
            );
        };
        check_archive(line, &archive, &self.dest.description().limits)?;
        self.dest.objects().put(&path, &archive)?;
        Ok(true)
    }

    /// The description as it is served, what is made of the indexes, and last which state this is.
    fn finish(&self, part: Option<&PartialMirror>, pointer: &[u8], observer: &dyn Observer) -> Result<()> {
        let objects = self.dest.objects();
        self.remove_taken_down()?;
        if objects.get(DESCRIPTION_FILE, MAX_DESCRIPTION)?.is_none_or(|there| there.bytes != self.description)
        {
            objects.put(DESCRIPTION_FILE, &self.description)?;
        }
        if part.is_none() {
            objects.delete(MIRROR_FILE)?;
        }
        self.dest.build_files()?;
        if let Some(part) = part {
            let mut note = serde_json::to_vec_pretty(part).unwrap_or_default();
            note.push(b'\n');
            return objects.put(MIRROR_FILE, &note);
        }
        if objects.get(CATALOGUE_POINTER, MAX_DESCRIPTION)?.is_none_or(|there| there.bytes != pointer) {
            observer.notice(crate::workspace::Notice::Warning(&format!(
                "the derived files of `{}` are not what its indexes say; those of the copy are right",
                printable(&self.source.shown(), false)
            )));
        }
        Ok(())
    }

    /// Archives of removed versions, where no other version has the same.
    fn remove_taken_down(&self) -> Result<()> {
        let skills = self.dest.read_indexes(|_, error| Err(error))?;
        let lines = || skills.values().flat_map(|index| &index.versions);
        let used: BTreeSet<&Digest> =
            lines().filter(|line| line.removed.is_none()).map(|line| &line.digest).collect();
        for line in lines().filter(|line| line.removed.is_some() && !used.contains(&line.digest)) {
            self.dest.objects().delete(&self.dest.description().blobs.path_of(&line.digest))?;
        }
        Ok(())
    }
}
