//! What killed commands leave: a journal, staging folders, half-written files; and what
//! earlier versions, or find_untracked, left where locks and journals once were.

use std::path::{Path, PathBuf};

use super::{DoctorContext, DoctorFinding, Examination, roots, shown};
use crate::store::STAGING_PREFIX;
use ba_agent_core::error::Result;
use ba_agent_system::fsx;

/// Looks for them; false when a change is half done, by a command that runs or was killed.
pub(super) fn examine_leftovers(context: &DoctorContext<'_>, seen: &mut Examination) -> bool {
    strange_state(context, seen);
    if context.session.store.is_busy() {
        seen.add(DoctorFinding::note(
            "busy",
            "another ba-agent is changing these skills just now".to_owned(),
        ));
        return false;
    }
    let has_journal = context.session.store.needs_recovery();
    if has_journal {
        let journal = context.session.store.state_dir().journal_file();
        seen.add(
            DoctorFinding::wrong("journal", format!("a killed command left its journal `{}`", shown(&journal)))
                .hint("the skills are checked once that is fixed; if it cannot be fixed, check the skills with `ba-agent skill verify`, then delete the journal")
                .fixed_by("finish or undo the change"),
        );
    }
    // What a journal names is no leftover: carrying the journal out takes it away.
    if !has_journal {
        examine_staging_folders(context, seen);
    }
    !has_journal
}

/// Journals and locks beside the registry. Nothing reads them: a project comes from whoever
/// wrote it. So they are an earlier version's, or somebody tried what that does.
fn strange_state(context: &DoctorContext<'_>, seen: &mut Examination) {
    let registry = context.session.store.registry_file();
    let stem = registry.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    for name in [format!(".{stem}.journal"), format!(".{stem}.lock"), ".skills_marketplaces.lock".to_owned()]
    {
        let file = registry.with_file_name(name);
        if fsx::exists(&file) {
            let what = format!("`{}` is ignored: journals and locks are in the data folder", shown(&file));
            seen.add(
                DoctorFinding::warning("stray", what)
                    .hint("an earlier version may have left it; look at it, then delete it"),
            );
        }
    }
}

fn examine_staging_folders(context: &DoctorContext<'_>, seen: &mut Examination) {
    let registry = context.session.store.read().unwrap_or_default();
    let (ours, others) = on_their_way(context, &roots(context, &registry));
    for path in ours {
        seen.add(
            DoctorFinding::wrong(
                "staging",
                format!("a killed command left `{}`", context.session.places.shown_to_user(&path)),
            )
            .fixed_by("remove it"),
        );
    }
    for path in others {
        seen.add(
            DoctorFinding::note(
                "staging",
                format!("`{}` belongs to a command of another project", context.session.places.shown_to_user(&path)),
            )
            .hint("if none runs, `ba-agent doctor --fix` in that project removes it")
            .hint(
                "if this project was copied from that one in the middle of a change: \
                 `ba-agent skill install --force` brings the skills to what the registry says, then delete the folder",
            ),
        );
    }
}

/// Staging folders and half-written files: those of this scope, and those of others that use
/// the same skill folders.
fn on_their_way(context: &DoctorContext<'_>, roots: &[PathBuf]) -> (Vec<PathBuf>, Vec<PathBuf>) {
    // Each scope clears up behind itself alone: the folders of another one may be in use
    // under another lock.
    let own = context.session.store.state_dir().staging_prefix();
    let (mut ours, mut others) = (Vec::new(), Vec::new());
    for root in roots {
        let (own, foreign): (Vec<_>, Vec<_>) =
            staging_folders(root).into_iter().partition(|path| name(path).starts_with(&own));
        ours.extend(own);
        others.extend(foreign);
    }
    // Beside the registry nothing is on its way while its lock is free.
    let registry = context.session.store.registry_file();
    let files = [registry.to_path_buf(), registry.with_file_name("skills_marketplaces.json")];
    ours.extend(files.iter().map(|file| fsx::new_beside(file)).filter(|file| file.is_file()));
    (ours, others)
}

fn staging_folders(root: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(root).into_iter().flatten().flatten();
    let mut paths: Vec<PathBuf> = entries
        .map(|entry| entry.path())
        .filter(|path| name(path).starts_with(STAGING_PREFIX) && fsx::is_real_folder(path))
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
pub(super) fn sweep_leftovers(context: &DoctorContext<'_>, roots: &[PathBuf]) -> Result<()> {
    for path in on_their_way(context, roots).0 {
        fsx::remove(&path)?;
    }
    Ok(())
}
