//! The derived files of one skill after its index changed, while others change theirs.

use std::collections::BTreeSet;

use semver::Version;

use super::{MAX_DERIVED, RegistryFiles, TRIES};
use ba_agent_core::digest::Digest;
use ba_agent_core::error::Result;
use ba_agent_core::remote_registry::derived::{
    CATALOGUE_FOLDER, CatalogueEntry, CataloguePointer, DerivedFile, derive_owner_files, derive_root_files,
    derive_skill_files, parse_catalogue,
};
use ba_agent_core::remote_registry::{CATALOGUE_POINTER, REVOKED_FILE, ScopedName};
use ba_agent_objects::{ObjectTag, StoredObject};

/// The catalogue that `catalogue.json` leads to.
struct CurrentCatalogue {
    entries: Vec<CatalogueEntry>,
    path: String,
    etag: ObjectTag,
}

impl RegistryFiles<'_> {
    /// Makes the files of a skill anew, those of its owner, and those of the registry, out of its
    /// index and the catalogue. Of the files of single versions only that of `version` is written:
    /// the others never change.
    ///
    /// # Errors
    /// `Conflict` where others write all the time; those of reading and writing.
    pub(crate) fn derive_skill(&self, name: &ScopedName, version: Option<&Version>) -> Result<()> {
        for _ in 0..TRIES {
            let (index, _) = self.index_of(name)?;
            let own = derive_skill_files(self.description(), name, &index.versions);
            for file in own.iter().filter(|file| is_of_version(file, name, version)) {
                self.objects().put(&file.path, &file.bytes)?;
            }
            let Some(current) = self.current_catalogue()? else {
                // The first publication, or a catalogue that was lost: all of it.
                self.build_files()?;
                return Ok(());
            };
            let entry = CatalogueEntry::of_index(name, &index.bytes, &index.versions);
            let mut entries = current.entries.clone();
            entries.retain(|other| other.name != *name);
            entries.push(entry);
            entries.sort_by(|a, b| a.name.cmp(&b.name));
            if self.replace_catalogue(name, &entries, &current)? {
                return Ok(());
            }
        }
        Err(self.too_busy_error())
    }

    /// Writes what is made of these entries; false where another writer was faster, whose entries
    /// are missing in these then.
    fn replace_catalogue(
        &self,
        name: &ScopedName,
        entries: &[CatalogueEntry],
        current: &CurrentCatalogue,
    ) -> Result<bool> {
        let root = derive_root_files(self.description(), entries);
        let is_catalogue = |file: &&DerivedFile| file.path.starts_with(CATALOGUE_FOLDER);
        let (Some(catalogue), Some(pointer)) = (
            root.iter().find(|file| is_catalogue(file) && file.path != CATALOGUE_POINTER),
            root.iter().find(|file| file.path == CATALOGUE_POINTER),
        ) else {
            return Ok(false);
        };
        let objects = self.objects();
        objects.put_if_absent(&catalogue.path, &catalogue.bytes)?;
        if !objects.put_if_match(&pointer.path, &pointer.bytes, Some(&current.etag))? {
            return Ok(false);
        }
        // Somebody who cleaned up may have taken it for one that nothing leads to.
        objects.put_if_absent(&catalogue.path, &catalogue.bytes)?;
        let owner = derive_owner_files(self.description(), name.owner(), entries);
        for file in owner.iter().chain(root.iter().filter(|file| !is_catalogue(file))) {
            objects.put(&file.path, &file.bytes)?;
        }
        if objects.get(REVOKED_FILE, MAX_DERIVED)?.is_none() {
            objects.put_if_absent(REVOKED_FILE, b"")?;
        }
        self.remove_old_catalogues(&[&catalogue.path, &current.path])?;
        // Another one may have written the same files in the meantime, out of a newer catalogue.
        let now = objects.get(CATALOGUE_POINTER, MAX_DERIVED)?;
        Ok(now.is_some_and(|now| now.bytes == pointer.bytes))
    }

    /// The catalogue; `None` where there is none, or one that cannot be read.
    fn current_catalogue(&self) -> Result<Option<CurrentCatalogue>> {
        // Between reading where it is and reading it, it may be replaced and cleaned up.
        for _ in 0..3 {
            let Some(StoredObject { bytes, etag }) = self.objects().get(CATALOGUE_POINTER, MAX_DERIVED)?
            else {
                return Ok(None);
            };
            let Ok(pointer) = CataloguePointer::parse(&bytes) else { return Ok(None) };
            let file = self.objects().get(&pointer.path, MAX_DERIVED)?;
            let sound = file.filter(|file| Digest::of(&file.bytes) == pointer.digest);
            if let Some(entries) = sound.and_then(|file| parse_catalogue(&file.bytes).ok()) {
                return Ok(Some(CurrentCatalogue { entries, path: pointer.path, etag }));
            }
        }
        Ok(None)
    }

    /// Who reads the last one still finds it; those before it are removed.
    fn remove_old_catalogues(&self, keep: &[&str]) -> Result<()> {
        let keep: BTreeSet<&str> = keep.iter().copied().collect();
        for file in self.objects().list(CATALOGUE_FOLDER)? {
            if !keep.contains(file.path.as_str()) {
                self.objects().delete(&file.path)?;
            }
        }
        Ok(())
    }
}

/// Whether a file is to be written after `version` changed: the two of the skill itself, and the
/// index of that version.
fn is_of_version(file: &DerivedFile, name: &ScopedName, version: Option<&Version>) -> bool {
    let below = file.path.strip_prefix(&format!("{name}/")).unwrap_or(&file.path);
    if below.starts_with(".well-known/") || below == "feed.atom" {
        return true;
    }
    version.is_some_and(|version| {
        let folder = Version { build: semver::BuildMetadata::EMPTY, ..version.clone() };
        below.starts_with(&format!("{folder}/"))
    })
}
