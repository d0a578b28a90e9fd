//! The pure parts, one call each, of whatever crate has them.

use std::path::Path;

use ba_agent_core::agents::InstallTarget;
use ba_agent_core::digest::{TreeDigest, sha256_hex};
use ba_agent_core::discover::{self, UnnamedSkill};
use ba_agent_core::error::Result;
use ba_agent_core::listing::{FileEntry, Limits, Listing, Node, check_portable};
use ba_agent_core::package::Package;
use ba_agent_core::path::RelPath;
use ba_agent_core::registry::{InstallMode, Registry, RegistrySummary};
use ba_agent_core::search::{self, SearchDocument, SearchQuery};
use ba_agent_core::skill::{self, Profile};
use ba_agent_core::source::{Reference, Request, Resolved, Revision};
use ba_agent_engine::fetch::{PackageSource, World};
use ba_agent_engine::install_state::{FolderState, InstallState, InstallStates};
use ba_agent_engine::ops::gather::{self, Candidate, Choice, SkillRequest};
use ba_agent_engine::ops::list;
use ba_agent_engine::ops::plan::{self, Wanted};
use ba_agent_engine::settings::Settings;
use ba_agent_system::env::Env;
use ba_agent_system::progress::Progress;

/// `skill::read` of a manifest; the number of findings.
pub(crate) fn read_manifest(bytes: &[u8]) -> usize {
    skill::read_manifest(skill::MANIFEST, None, bytes, Profile::Install, &Limits::default()).findings.len()
}

/// `skill::check_text` of a file beside it; the number of findings.
pub(crate) fn check_text(bytes: &[u8]) -> usize {
    skill::check_text("references/x.md", bytes, Profile::Install).len()
}

/// The digest of a tree of these files, their bytes hashed too.
///
/// # Panics
/// On a path that is no path of a tree.
pub(crate) fn digest(files: &[(String, Vec<u8>)]) -> String {
    let mut digest = TreeDigest::default();
    for (path, bytes) in files {
        let path = RelPath::parse(path.as_bytes()).expect("a sound path");
        digest.add_file(&path, "100644", &sha256_hex(bytes)).expect("each path once");
    }
    digest.finish_digest().to_string()
}

/// The folder of a skill.
///
/// # Panics
/// On a text that is no path.
pub(crate) fn folder(text: &str) -> RelPath {
    RelPath::of_folder(text).expect("a sound path")
}

/// `discover::name_all` of folders and written names; the number of findings.
pub(crate) fn name_all(skills: &[(RelPath, String)]) -> usize {
    let skills: Vec<_> =
        skills.iter().map(|(folder, name)| UnnamedSkill { folder, written: Some(name) }).collect();
    discover::name_all(&skills, "owner-repo").iter().map(|(_, findings)| findings.len()).sum()
}

/// Skills of one source that are to be installed.
#[derive(Debug)]
pub(crate) struct Skills {
    entries: Vec<FileEntry>,
    candidates: Vec<Candidate>,
    registry: Registry,
    seen: InstallStates,
}

struct Silent;

impl Progress for Silent {
    fn begin(&self, _: &str) {}
    fn advance(&self, _: u64, _: Option<u64>) {}
}

impl Skills {
    /// The skills of a tree of these files, gathered, and a registry that has them all.
    ///
    /// # Panics
    /// Where they are no skills.
    pub(crate) fn of(files: &[(String, Vec<u8>)]) -> Self {
        let entry = |(slot, (path, bytes)): (usize, &(String, Vec<u8>))| FileEntry {
            path: RelPath::parse(path.as_bytes()).expect("a sound path"),
            node: Node::File { executable: false },
            size: bytes.len() as u64,
            slot,
        };
        let entries: Vec<FileEntry> = files.iter().enumerate().map(entry).collect();
        let blobs = files.iter().map(|(_, bytes)| bytes.clone()).collect();
        let tree = Package::in_memory(Listing::new(entries.clone()), blobs);
        Self::gather(entries, tree).expect("skills that can be installed")
    }

    fn gather(entries: Vec<FileEntry>, tree: Package) -> Result<Self> {
        let (env, settings) = (Env::read(None)?, Settings::default());
        let world = World::new(&env, &settings, Path::new("/"), true, &Silent, None);
        let request = Request::parse("owner/repo")?;
        let resolved = Resolved {
            source: request.source.clone(),
            reference: Reference::Default,
            chosen: None,
            pin: Revision::Commit("0123456789012345678901234567890123456789".parse()?),
            subdirectory: None,
        };
        let ask = SkillRequest { choice: Choice::All, ..SkillRequest::of(request) };
        let mut looked = gather::look_in(&ask, PackageSource::whole(resolved, tree), None, &world)?;
        looked.choose(&mut |_| Ok(Vec::new()))?;
        let gathered = looked.gather(&settings.limits)?;
        let (mut registry, mut seen) = (Registry::default(), InstallStates::new());
        for candidate in &gathered.candidates {
            let (digest, files) = candidate.digest()?.clone();
            let on_disk = vec![(String::new(), FolderState::Folder(files.clone()))];
            seen.insert(
                candidate.name.clone(),
                InstallState { recorded: on_disk, ..InstallState::default() },
            );
            let mut entry = candidate.record(digest, files, env.now);
            entry.targets = vec![InstallTarget::default().to_string()];
            registry.skills.insert(candidate.name.clone(), entry);
        }
        Ok(Self { entries, candidates: gathered.candidates, registry, seen })
    }

    /// What `plan` takes, apart from it because making it costs too.
    pub(crate) fn wanted(&self) -> Wanting {
        let wanted = |candidate: &Candidate| Wanted {
            candidate: candidate.clone(),
            targets: vec![InstallTarget::default()],
            mode: InstallMode::Link,
            pinned: false,
            enabled: true,
            keep: 0,
            reason: plan::InstallReason::Asked,
        };
        Wanting(self.candidates.iter().map(wanted).collect())
    }

    /// `plan::install` where nothing is installed (`again`: where all is); the steps.
    pub(crate) fn plan(&self, wanted: Wanting, again: bool) -> usize {
        let (registry, seen) = (Registry::default(), InstallStates::new());
        let (registry, seen) = if again { (&self.registry, &self.seen) } else { (&registry, &seen) };
        plan::install(wanted.0, registry, seen, false).map_or(0, |plan| plan.steps.len())
    }

    /// `check_portable` of all files as if they were one skill; 0 where they pass.
    pub(crate) fn check_portable(&self) -> usize {
        let limits = Limits { skill_files: usize::MAX, unpacked: u64::MAX, ..Limits::default() };
        usize::from(check_portable(&self.entries, &limits).is_err())
    }

    /// The text of a registry with all of them.
    pub(crate) fn registry_text(&self) -> String {
        self.registry.to_text()
    }
}

/// What is to be planned.
#[derive(Debug)]
pub(crate) struct Wanting(Vec<Wanted>);

/// `RegistrySummary::parse` and the rows of `list`; how many.
pub(crate) fn list(registry: &str) -> usize {
    RegistrySummary::parse(registry, "registry")
        .map_or(0, |overview| list::list_skills(overview, None).count())
}

/// `search::rank` of `query` among documents of these names and descriptions; how many match.
pub(crate) fn search(documents: &[(String, String)], query: &str) -> usize {
    let document = |(name, description): &(String, String)| SearchDocument {
        name: name.clone().into(),
        description: description.clone().into(),
        ..SearchDocument::default()
    };
    let documents: Vec<SearchDocument<'_>> = documents.iter().map(document).collect();
    let index = search::build_index(&documents);
    search::SearchIndex::read(&index)
        .map_or(0, |index| search::rank_documents(&[index], &SearchQuery::parse(query)).hits.len())
}
