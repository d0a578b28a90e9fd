//! Where an unmanaged skill comes from: what other tools have recorded of it, and where the same
//! bytes are known.

use std::collections::BTreeSet;
use std::path::PathBuf;

use super::layout::Layout;
use crate::install_state;
use crate::ops::gather::{Candidate, SkillRequest};
use crate::ops::import;
use crate::workspace::Session;
use ba_agent_core::error::{Result, printable};
use ba_agent_core::interop::{self, ImportedSkill, IntegrityClaim, LockImport};
use ba_agent_core::registry::{LockEntry, ReferenceRecord, Registry};
use ba_agent_core::skill::SkillName;
use ba_agent_core::source::{Reference, Request, Sha, Source};
use ba_agent_git::{compute_tree_id, recall_folder};
use ba_agent_system::fsx;

/// A source that somebody names for a skill.
#[derive(Debug, Clone)]
pub(crate) struct Claim {
    /// Who names it, for instance `skills-lock.json`.
    pub(crate) by: String,
    pub(crate) request: SkillRequest,
    /// What its content was when it was installed.
    pub(crate) integrity: Option<IntegrityClaim>,
}

/// Skills that are recorded already.
#[derive(Debug, Default)]
pub(crate) struct KnownSkills {
    pub(crate) here: Registry,
    /// Those of the user, seen from a project.
    pub(crate) of_user: Option<Registry>,
}

/// The lock files of other tools in this scope.
#[derive(Debug, Default)]
pub(crate) struct ForeignLocks(Vec<ForeignLock>);

#[derive(Debug)]
struct ForeignLock {
    /// As a person names it.
    shown: String,
    folder: PathBuf,
    import: LockImport,
}

impl ForeignLocks {
    /// Reads those that are there: of a project the files at its top, of a user those of the home.
    ///
    /// # Errors
    /// Those of reading: a damaged file is never taken for an empty one. `Usage` for one that is
    /// a link out of the project.
    pub(crate) fn read(session: &Session<'_>) -> Result<Self> {
        let mut locks = Self::default();
        for file in lock_files(session) {
            if !fsx::exists(&file) {
                continue;
            }
            let real = session.places.check_inside("lock file", &file)?;
            let shown = session.places.shown_to_user(&file);
            let import = interop::read_lock_file(&shown, &import::read_lock_file(&real)?)
                .map_err(|e| e.hint("to adopt without asking it: `--source SOURCE` or `--no-source`"))?;
            let folder = fsx::parent(&file).to_path_buf();
            locks.0.push(ForeignLock { shown, folder, import });
        }
        Ok(locks)
    }
}

fn lock_files(session: &Session<'_>) -> Vec<PathBuf> {
    let base = session.scope.base();
    if session.scope.is_project() {
        return ["skills-lock.json", ".skill-lock.json", "apm.lock.yaml"].map(|name| base.join(name)).into();
    }
    let state = session.env.var("XDG_STATE_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    let state = state.map(|state| state.join("skills/.skill-lock.json"));
    state.into_iter().chain([base.join(".agents/.skill-lock.json")]).collect()
}

/// The sources that are named for a skill, the surest first: what tools have recorded in lock
/// files, what `gh skill` has written into the manifest, and skills that are recorded already
/// with the same bytes. Where there is none, the repositories that the cache knows are looked
/// through.
///
/// # Errors
/// Those of [`Candidate::digest`].
pub(crate) fn find_claims(
    layout: &Layout,
    found: &Candidate,
    locks: &ForeignLocks,
    known: &KnownSkills,
    session: &Session<'_>,
) -> Result<Vec<Claim>> {
    let mut claims = Vec::new();
    for lock in &locks.0 {
        let is_meant = |name: &str| SkillName::nearest_to(name).as_ref() == Some(&layout.name);
        for left_out in lock.import.left_out.iter().filter(|one| is_meant(&one.name)) {
            session.note(&format!(
                "{}: what {} says of it cannot be used: {}",
                layout.name, lock.shown, left_out.reason
            ));
        }
        for skill in lock.import.skills.iter().filter(|one| is_meant(&one.name)) {
            claims.extend(claim_of(&lock.shown, skill, &lock.folder, layout, session));
        }
    }
    if let Some(front) = &found.document.frontmatter {
        match interop::read_gh_metadata(layout.name.as_str(), front) {
            Some(Ok(skill)) => {
                claims.extend(claim_of("gh skill, in SKILL.md", &skill, &layout.folder, layout, session));
            }
            Some(Err(reason)) => {
                session.note(&format!("{}: what `gh skill` says of it cannot be used: {reason}", layout.name))
            }
            None => {}
        }
    }
    let digest = &found.digest()?.0;
    let here = known.here.skills.values().map(|entry| (entry, false));
    let of_user = known.of_user.iter().flat_map(|known| known.skills.values()).map(|entry| (entry, true));
    for (entry, is_users) in here.chain(of_user).filter(|(entry, _)| entry.digest == *digest) {
        let by = "a skill of the same bytes that is recorded already";
        let Some(request) = recorded_request(entry) else { continue };
        let source = &request.request.source;
        if !is_users {
            claims.extend(usable_claim(by, request, layout, session));
        } else if source.is_git() {
            // A path in the user's registry starts from elsewhere.
            claims.push(named_claim(by, request, layout));
        }
    }
    if claims.is_empty() {
        claims.extend(find_in_cache(layout, known, session));
    }
    Ok(claims)
}

/// A repository that is recorded or registered and of which the cache has the very folder, at the
/// commit where that was.
fn find_in_cache(layout: &Layout, known: &KnownSkills, session: &Session<'_>) -> Option<Claim> {
    let bytes = |path: &str, line: &str| install_state::read_entry(&layout.folder, path, line).ok();
    let files: Option<Vec<(&str, &str, Vec<u8>)>> = layout
        .files
        .iter()
        .map(|(path, line)| Some((path.as_str(), line.get(..6)?, bytes(path, line)?)))
        .collect();
    let tree = compute_tree_id(files?)?;
    let marketplaces = session.marketplaces().ok()?;
    let registered = marketplaces.enabled().map(|(_, marketplace)| marketplace.source.as_str());
    let of_user = known.of_user.iter().flat_map(|known| known.skills.values());
    let recorded = known.here.skills.values().chain(of_user).map(|entry| entry.source.as_str());
    let sources: BTreeSet<&str> = registered.chain(recorded).collect();
    sources.into_iter().find_map(|text| {
        let source = Request::parse(text).ok()?.source;
        let (commit, folder) = recall_folder(&source, &tree, &session.settings.hosts, &session.cache)?;
        let subdirectory = (!folder.is_root()).then_some(folder);
        let request = Request { source, reference: Reference::Default, subdirectory, skill: None };
        let request = SkillRequest { commit: Some(commit), ..SkillRequest::of(request) };
        usable_claim("the cache, which has the same folder of it", request, layout, session)
    })
}

/// Where a recorded skill comes from, at its commit.
fn recorded_request(entry: &LockEntry) -> Option<SkillRequest> {
    let mut request = Request::parse(&entry.source).ok()?;
    request.subdirectory = entry.folder().ok().filter(|folder| !folder.is_root());
    if let Some(Ok(reference)) = entry.reference.as_ref().map(ReferenceRecord::to_reference) {
        request.reference = reference;
    }
    let commit = entry.pin.commit.as_deref().and_then(|sha| sha.parse::<Sha>().ok());
    Some(SkillRequest { commit, ..SkillRequest::of(request) })
}

fn named_claim(by: &str, request: SkillRequest, layout: &Layout) -> Claim {
    let request = SkillRequest { alias: Some(layout.name.clone()), ..request };
    Claim { by: by.to_owned(), request, integrity: None }
}

fn claim_of(
    by: &str,
    skill: &ImportedSkill,
    folder: &std::path::Path,
    layout: &Layout,
    session: &Session<'_>,
) -> Option<Claim> {
    let claim = usable_claim(by, import::request_of(session, skill, folder), layout, session)?;
    Some(Claim { integrity: skill.integrity.clone(), ..claim })
}

/// A claim that may be asked. A project's files name no path outside of the project, and no skill
/// is its own source.
fn usable_claim(by: &str, request: SkillRequest, layout: &Layout, session: &Session<'_>) -> Option<Claim> {
    let source = &request.request.source;
    if matches!(source, Source::Own { .. } | Source::Builtin { .. } | Source::Marketplace { .. }) {
        return None;
    }
    if is_on_this_machine(source) {
        let subdirectory = request.request.subdirectory.as_ref().map_or("", |folder| folder.as_str());
        let Some(place) = session.places.local_path(source, subdirectory) else {
            session.note(&format!(
                "{}: {by} names `{}`, which is not there",
                layout.name,
                printable(&source.to_string(), false)
            ));
            return None;
        };
        if !session.places.is_inside(&place) {
            session.warn(&format!(
                "{}: {by} names `{}`, which is outside of the project: it is not read",
                layout.name,
                printable(&source.to_string(), false)
            ));
            return None;
        }
        if std::fs::canonicalize(&layout.folder).is_ok_and(|folder| folder == place) {
            return None;
        }
    }
    Some(named_claim(by, request, layout))
}

/// True for a source that is a path of this machine.
fn is_on_this_machine(source: &Source) -> bool {
    match source {
        Source::Local { .. } => true,
        Source::Archive { location } => !location.contains("://") || location.starts_with("file:"),
        Source::Git { url } => url.starts_with("file:"),
        _ => false,
    }
}
