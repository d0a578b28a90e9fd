//! What killed commands leave: journal, lock file, staging folders, half-written files.

use std::path::{Path, PathBuf};

use super::{Examination, Finding, Patient, roots, shown};
use crate::digest::sha256_hex;
use crate::error::Result;
use crate::fsx;

/// How everything that is on its way is named.
const ON_ITS_WAY: &str = ".ba-agent-";

/// Looks for them; false when a change is half done, by a command that runs or was killed.
pub(super) fn look(patient: &Patient<'_>, seen: &mut Examination) -> bool {
    let lock = lock_state(&patient.store.lock_file());
    if lock == LockState::Held {
        seen.add(Finding::note("busy", "another ba-agent is changing these skills just now".to_owned()));
        return false;
    }
    let has_journal = patient.store.needs_recovery();
    if has_journal {
        let journal = patient.store.journal_file();
        seen.add(
            Finding::wrong("journal", format!("a killed command left its journal `{}`", shown(&journal)))
                .hint("the skills are examined once that is mended; if it cannot be: check the skills with `ba-agent skill verify`, then delete it")
                .fixed_by("finish or turn back what the command began"),
        );
    }
    if lock == LockState::Stale {
        let file = patient.store.lock_file();
        seen.add(
            Finding::wrong(
                "lock",
                format!("a killed command left its lock file `{}`; nobody holds it", shown(&file)),
            )
            .fixed_by("remove it"),
        );
    }
    // What a journal names is no leftover: carrying the journal out takes it away.
    if !has_journal {
        stagings(patient, seen);
    }
    !has_journal
}

fn stagings(patient: &Patient<'_>, seen: &mut Examination) {
    let registry = patient.store.read().unwrap_or_default();
    let (ours, others) = on_their_way(patient, &roots(patient, &registry));
    for path in ours {
        seen.add(
            Finding::wrong("staging", format!("a killed command left `{}`", patient.places.shown(&path)))
                .fixed_by("remove it"),
        );
    }
    for path in others {
        seen.add(
            Finding::note(
                "staging",
                format!("`{}` belongs to a command of another project", patient.places.shown(&path)),
            )
            .hint("if none runs, `ba-agent doctor --fix` in that project removes it"),
        );
    }
}

/// Staging folders and half-written files: those of this registry, and those of others that
/// use the same skill folders.
fn on_their_way(patient: &Patient<'_>, roots: &[PathBuf]) -> (Vec<PathBuf>, Vec<PathBuf>) {
    let registry = patient.store.registry_file();
    // The store names its staging folders after the registry, so that each scope clears up
    // behind itself alone: the folders of another one may be in use under another lock.
    let own = format!("{ON_ITS_WAY}{}-", &sha256_hex(registry.to_string_lossy().as_bytes())[..8]);
    let (mut ours, mut others) = (Vec::new(), Vec::new());
    for root in roots {
        let folders = named(root).into_iter().filter(|path| path.is_dir());
        let (own, foreign): (Vec<_>, Vec<_>) = folders.partition(|path| name(path).starts_with(&own));
        ours.extend(own);
        others.extend(foreign);
    }
    // Beside the registry nothing is on its way while its lock is free.
    let folder = registry.parent().unwrap_or(Path::new("."));
    ours.extend(named(folder).into_iter().filter(|path| path.is_file()));
    (ours, others)
}

fn named(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut paths: Vec<PathBuf> = entries
        .map(|entry| entry.path())
        .filter(|path| name(path).starts_with(ON_ITS_WAY) && !path.is_symlink())
        .collect();
    paths.sort();
    paths
}

fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// Removes what killed commands left; the lock must be held, and no journal be there.
///
/// # Errors
/// `Failed` for what cannot be removed.
pub(super) fn sweep(patient: &Patient<'_>, roots: &[PathBuf]) -> Result<()> {
    for path in on_their_way(patient, roots).0 {
        fsx::remove(&path)?;
    }
    Ok(())
}

/// What a lock file means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LockState {
    /// None there, or an empty one, which may stay.
    Free,
    Held,
    /// It carries the number of a process that does not hold it.
    Stale,
}

/// Looks without taking the lock for itself or writing to the file.
fn lock_state(file: &Path) -> LockState {
    let Ok(open) = std::fs::File::open(file) else { return LockState::Free };
    if let Err(std::fs::TryLockError::WouldBlock) = open.try_lock_shared() {
        return LockState::Held;
    }
    match open.metadata() {
        Ok(meta) if meta.len() > 0 => LockState::Stale,
        _ => LockState::Free,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_file_is_seen_for_what_it_means() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("lock");
        assert_eq!(lock_state(&file), LockState::Free);
        std::fs::write(&file, "").unwrap();
        assert_eq!(lock_state(&file), LockState::Free);
        std::fs::write(&file, "123").unwrap();
        assert_eq!(lock_state(&file), LockState::Stale);
        let holder = std::fs::File::options().write(true).open(&file).unwrap();
        holder.lock().unwrap();
        assert_eq!(lock_state(&file), LockState::Held);
    }
}
