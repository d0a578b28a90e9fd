//! World: which folder receives a skill, target by target, and what stands there.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use crate::install_state::{self, DriftKind, FolderState, InstallState, InstallStates};
use crate::scope::Scope;
use crate::settings::{leads_out, leads_out_error, stays_inside};
use ba_agent_core::agents::InstallTarget;
use ba_agent_core::error::{Result, error, printable};
use ba_agent_core::registry::{InstallMode, LockEntry, Registry};
use ba_agent_core::skill::SkillName;
use ba_agent_core::source::{Request, Source};
use ba_agent_system::env::Env;
use ba_agent_system::fsx;

/// The skill folders of one scope.
#[derive(Debug)]
pub struct InstallDirs {
    base: PathBuf,
    home: Option<PathBuf>,
    is_user: bool,
    /// Where the default target has its skills, if the settings say so.
    install_dir: Option<PathBuf>,
    /// `base` without links.
    real_base: PathBuf,
    /// Folders outside of a project that its links may lead to.
    allowed: Vec<PathBuf>,
    /// Where the files of disabled skills lie, which no agent reads.
    disabled: InstallTarget,
    known: Mutex<RealPaths>,
}

/// The link that a recorded skill has in one of its folders.
#[derive(Debug)]
pub(crate) struct RecordedLink {
    /// What it says.
    pub(crate) text: PathBuf,
    /// Where it leads.
    pub(crate) to: PathBuf,
}

/// The answers so far. A command on thousands of skills asks for the real path of a folder
/// thousands of times, and must get the same one before and after it makes the folder.
#[derive(Debug, Default)]
struct RealPaths {
    /// Folders and what they are without links.
    real: BTreeMap<PathBuf, PathBuf>,
    /// The target that first had its skills in a real folder.
    targets: BTreeMap<PathBuf, InstallTarget>,
}

impl InstallDirs {
    pub(crate) fn new(env: &Env, scope: &Scope, install_dir: Option<&str>) -> Self {
        Self {
            base: scope.base().to_path_buf(),
            home: env.home.clone(),
            is_user: matches!(scope, Scope::User { .. }),
            install_dir: install_dir.map(|dir| env.from(scope.base(), dir)),
            real_base: real_path_of(scope.base()),
            allowed: Vec::new(),
            disabled: InstallTarget::Folder("./.ba-agent/disabled".to_owned()),
            known: Mutex::default(),
        }
    }

    /// The folder that holds the skills of a target. A root that is a link is resolved once,
    /// here, so that staging lies on the file system where the skills really are.
    pub(crate) fn root(&self, target: &InstallTarget) -> PathBuf {
        let root = self.root_as_written(target);
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let real = known.real.entry(root).or_insert_with_key(|root| real_path_of(root)).clone();
        known.targets.entry(real.clone()).or_insert_with(|| target.clone());
        real
    }

    /// The target that has its skills in `root`, a folder that [`InstallDirs::roots`] gave.
    pub(crate) fn target_of(&self, root: &Path) -> Option<InstallTarget> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.targets.get(root).cloned()
    }

    /// `project` or `user`.
    pub(crate) fn scope(&self) -> &'static str {
        if self.is_user { "user" } else { "project" }
    }

    /// True when a target has a folder, or something in its place.
    pub(crate) fn is_there(&self, target: &InstallTarget) -> bool {
        fsx::exists(&self.root_as_written(target))
    }

    /// The folder of a target as it is written, through whatever links.
    pub(crate) fn root_as_written(&self, target: &InstallTarget) -> PathBuf {
        match (target, &self.install_dir) {
            (target, Some(dir)) if *target == InstallTarget::default() => dir.clone(),
            (InstallTarget::Agent(agent), _) => {
                self.base.join(if self.is_user { agent.user_dir } else { agent.project_dir })
            }
            (InstallTarget::Folder(path), _) => match (path.strip_prefix("~/"), &self.home) {
                (Some(rest), Some(home)) => home.join(rest),
                _ => self.base.join(path),
            },
        }
    }

    /// Every folder that these targets take, without links and as it is written: neither is
    /// part of a source that happens to lie around it.
    pub(crate) fn owned_paths(&self, targets: &[InstallTarget]) -> Vec<PathBuf> {
        let written = targets.iter().map(|target| self.root_as_written(target));
        let written = written.map(|root| self.real_base.join(root.strip_prefix(&self.base).unwrap_or(&root)));
        self.roots(targets).into_iter().chain(written).collect()
    }

    /// True for two texts of one folder or archive of this machine.
    pub(crate) fn is_same_source(&self, one: &Source, other: &Source) -> bool {
        let is_local = |source: &Source| matches!(source, Source::Local { .. } | Source::Archive { .. });
        is_local(one)
            && std::mem::discriminant(one) == std::mem::discriminant(other)
            && self.local_path(one, "").is_some_and(|place| Some(place) == self.local_path(other, ""))
    }

    /// Where a source lies on this machine, without links; `None` for one that does not, or
    /// that is gone. `folder` is the skill's own in it.
    pub(crate) fn local_path(&self, source: &Source, folder: &str) -> Option<PathBuf> {
        let path = match source {
            Source::Local { path } => path.as_str(),
            Source::Archive { location } if !location.contains("://") => location,
            Source::Archive { location: url } | Source::Git { url } => url.strip_prefix("file://")?,
            _ => return None,
        };
        let path = match (path.strip_prefix("~/"), &self.home) {
            (Some(rest), Some(home)) => home.join(rest),
            _ => self.base.join(path),
        };
        // Archives and repositories are one thing, whatever is taken out of them.
        let folder = if matches!(source, Source::Local { .. }) { folder } else { "" };
        std::fs::canonicalize(if folder.is_empty() { path } else { path.join(folder) }).ok()
    }

    /// The folders of several targets, each once, in their order.
    pub(crate) fn roots(&self, targets: &[InstallTarget]) -> Vec<PathBuf> {
        let mut roots = Vec::new();
        for target in targets {
            let root = self.root(target);
            if !roots.contains(&root) {
                roots.push(root);
            }
        }
        roots
    }

    /// The same with the folder for what a user disables; a project has one of its own.
    pub(crate) fn keeping_disabled_in(mut self, folder: &Path) -> Self {
        if self.is_user {
            self.disabled = InstallTarget::Folder(folder.display().to_string());
        }
        self
    }

    /// The same with the folders that links of a project may lead to.
    pub(crate) fn allowing_links_to(self, allowed: &[PathBuf]) -> Self {
        Self { allowed: allowed.to_vec(), ..self }
    }

    /// `path` without links, for something that is read or written under a name that a project
    /// chooses. In a project it must be inside, or where the user allows; a user's own may be
    /// anywhere.
    ///
    /// # Errors
    /// `Usage` where a link leads out of the project.
    pub(crate) fn check_inside(&self, what: &str, path: &Path) -> Result<PathBuf> {
        // A name that does not begin in the project is not the project's: the user chose it.
        let is_of_project = !self.is_user
            && path.starts_with(&self.base)
            && !path.components().any(|part| part == std::path::Component::ParentDir);
        match leads_out(path, &self.real_base, &self.allowed).filter(|_| is_of_project) {
            Some(outside) => Err(leads_out_error(what, path, &outside)),
            None => Ok(fsx::real_path(path)),
        }
    }

    /// True for what a link in a skills folder may lead to without its user having typed it:
    /// in a project what is inside of it, what the user allows, and other skills folders.
    pub(crate) fn may_link_to(&self, path: &Path) -> bool {
        self.is_user
            || leads_out(path, &self.real_base, &self.allowed).is_none()
            || path.parent().is_some_and(|root| self.target_of(root).is_some())
    }

    /// What a link in `root` says that leads to `folder`: relative where that lies in the project,
    /// so that every clone has it, wherever it is.
    pub(crate) fn link_text(&self, root: &Path, folder: &Path) -> PathBuf {
        let real = fsx::real_path(folder);
        let is_shared = !self.is_user && real.starts_with(&self.real_base);
        fsx::relative(root, &real).filter(|_| is_shared).unwrap_or_else(|| folder.components().collect())
    }

    /// The link that a recorded skill has in the folder at `at` of its `roots`; `None` where it
    /// has its files there, and where what a live link leads to is not there.
    pub(crate) fn recorded_link(
        &self,
        name: &SkillName,
        entry: &LockEntry,
        roots: &[PathBuf],
        at: usize,
    ) -> Option<RecordedLink> {
        let root = roots.get(at)?;
        match entry.mode {
            InstallMode::Link if at > 0 => {
                let to = roots.first()?.join(name.as_str());
                Some(RecordedLink { text: fsx::relative(root, &to).unwrap_or_else(|| to.clone()), to })
            }
            InstallMode::Live => {
                let source = Request::parse(&entry.source).ok()?.source;
                let to = self.local_path(&source, entry.path.as_deref().unwrap_or_default())?;
                Some(RecordedLink { text: self.link_text(root, &to), to })
            }
            InstallMode::Link | InstallMode::Copy => None,
        }
    }

    /// True for a link that is not what it was recorded as and can be made anew: it leads
    /// elsewhere or nowhere, or says where this clone lies.
    fn is_wrong_link(
        &self,
        name: &SkillName,
        entry: &LockEntry,
        roots: &[PathBuf],
        at: usize,
        found: &FolderState,
    ) -> bool {
        let FolderState::Link(text) = found else { return false };
        let Some(link) = self.recorded_link(name, entry, roots, at).filter(|link| link.text != *text) else {
            return false;
        };
        let place = roots.get(at).map(|root| root.join(name.as_str())).unwrap_or_default();
        let leads_there = std::fs::canonicalize(&place).ok().zip(std::fs::canonicalize(&link.to).ok());
        let is_right = leads_there.is_some_and(|(one, other)| one == other)
            && (text.is_relative() || link.text.is_absolute());
        !is_right && link.to.is_dir() && (entry.mode != InstallMode::Live || self.may_link_to(&link.to))
    }

    /// True for what lies in the project, or where the user allows; for a user's own scope that is
    /// everything.
    pub(crate) fn is_inside(&self, path: &Path) -> bool {
        self.is_user || leads_out(path, &self.real_base, &self.allowed).is_none()
    }

    /// Says whether a target may be used here. A registry comes with its project, from whoever
    /// wrote it: its folders stay inside the project, also through links. The user's own may
    /// be anywhere.
    ///
    /// # Errors
    /// `Usage` for a folder that leads out of the project.
    pub(crate) fn check_links_of(&self, target: &InstallTarget) -> Result<()> {
        match target {
            InstallTarget::Folder(path) if !self.is_user && !stays_inside(path) => {
                let shown = printable(path, false);
                let is_absolute = Path::new(path).starts_with(&self.base) && !path.contains("..");
                let what = if is_absolute { "an absolute path" } else { "outside the project" };
                Err(error!(Usage, "the target `{shown}` is {what}")
                    .hint("skills of a project stay in the project, in a folder written from its top: `./path`; for other folders add `--global`"))
            }
            _ => self.check_inside("skills folder", &self.root_as_written(target)).map(drop),
        }
    }

    /// The targets that have a recorded skill: of a disabled one the folder where such skills lie.
    ///
    /// # Errors
    /// `Usage` for a target in the registry that is none.
    pub(crate) fn targets_of(&self, entry: &LockEntry) -> Result<Vec<InstallTarget>> {
        let targets: Vec<InstallTarget> =
            entry.targets.iter().map(|text| InstallTarget::parse(text)).collect::<Result<_>>()?;
        Ok(self.targets_in_use(targets, entry.enabled))
    }

    /// These targets, or instead of them the folder where disabled skills lie.
    pub(crate) fn targets_in_use(&self, targets: Vec<InstallTarget>, is_enabled: bool) -> Vec<InstallTarget> {
        if is_enabled { targets } else { vec![self.disabled.clone()] }
    }

    /// The folders that a recorded skill is in.
    ///
    /// # Errors
    /// `Usage` for a target in the registry that is none, or leads out of the project.
    pub(crate) fn roots_of(&self, entry: &LockEntry) -> Result<Vec<PathBuf>> {
        let targets = self.targets_of(entry)?;
        targets.iter().try_for_each(|target| self.check_links_of(target))?;
        Ok(self.roots(&targets))
    }

    /// The state of each skill's install folders: the recorded ones, then the newly requested.
    ///
    /// # Errors
    /// `Failed` for folders that cannot be read, `Usage` for a recorded target that is not valid.
    pub(crate) fn inspect<'a>(
        &self,
        names: impl Iterator<Item = (&'a SkillName, &'a [InstallTarget])>,
        registry: &Registry,
    ) -> Result<InstallStates> {
        let mut states = InstallStates::new();
        // In a folder that is not there is nothing, whatever thousands of skills are called.
        let mut absent: BTreeMap<PathBuf, bool> = BTreeMap::new();
        for (name, targets) in names {
            let recorded = registry.skills.get(name).map_or(Ok(Vec::new()), |entry| self.roots_of(entry))?;
            let further = self.roots(targets).into_iter().filter(|root| !recorded.contains(root));
            let mut line_ends = BTreeSet::new();
            let mut look = |root: &PathBuf| {
                if *absent.entry(root.clone()).or_insert_with(|| !fsx::exists(root)) {
                    return Ok(FolderState::Missing);
                }
                install_state::inspect_folder(&root.join(name.as_str()))
            };
            let mut look_recorded = |root: &PathBuf| {
                let found = look(root)?;
                if let (FolderState::Folder(files), Some(entry)) = (&found, registry.skills.get(name)) {
                    let drifts = install_state::drift_in(&root.join(name.as_str()), &entry.files, files);
                    let only = drifts.into_iter().filter(|one| one.change == DriftKind::LineEnds);
                    line_ends.extend(only.map(|one| one.path));
                }
                Ok((self.shown_to_user(&root.join(name.as_str())), found))
            };
            let seen: Vec<_> = recorded.iter().map(&mut look_recorded).collect::<Result<_>>()?;
            let further = further.map(|root| look(&root)).collect::<Result<_>>()?;
            let has_wrong_link = registry.skills.get(name).is_some_and(|entry| {
                let is_wrong = |(at, (_, found)): (usize, &(String, FolderState))| {
                    self.is_wrong_link(name, entry, &recorded, at, found)
                };
                seen.iter().enumerate().any(is_wrong)
            });
            let state = InstallState {
                recorded: seen,
                line_ends,
                further,
                has_wrong_link,
                ..InstallState::default()
            };
            states.insert(name.clone(), state);
        }
        Ok(states)
    }

    /// Like [`InstallDirs::inspect`], for skills as the registry records them.
    ///
    /// # Errors
    /// Those of [`InstallDirs::inspect`].
    pub(crate) fn inspect_recorded<'a>(
        &self,
        names: impl Iterator<Item = &'a SkillName>,
        registry: &Registry,
    ) -> Result<InstallStates> {
        self.inspect(names.map(|name| (name, &[][..])), registry)
    }

    /// Skills that lie in the folders of recorded ones without being recorded, as a person names
    /// their paths. They are reported, never changed.
    ///
    /// # Errors
    /// `Usage` for a target in the registry that is none.
    pub(crate) fn find_untracked(&self, registry: &Registry) -> Result<Vec<String>> {
        let default = InstallTarget::default();
        let mut roots = Vec::new();
        if self.check_links_of(&default).is_ok() {
            roots.push(self.root(&default));
        }
        for entry in registry.skills.values() {
            roots.extend(self.roots_of(entry)?);
        }
        roots.sort();
        roots.dedup();
        let mut untracked = Vec::new();
        for root in roots {
            let Ok(entries) = std::fs::read_dir(&root) else { continue };
            for name in entries.flatten().filter_map(|entry| entry.file_name().into_string().ok()) {
                let is_known = registry.skills.keys().any(|known| known.as_str() == name);
                if !is_known && !name.starts_with('.') && root.join(&name).is_dir() {
                    untracked.push(self.shown_to_user(&root.join(&name)));
                }
            }
        }
        untracked.sort();
        Ok(untracked)
    }

    /// A folder as a person names it: from the base of the scope where it lies below.
    pub(crate) fn shown_to_user(&self, root: &Path) -> String {
        let below = root.strip_prefix(&self.base).or_else(|_| root.strip_prefix(&self.real_base));
        match below {
            Ok(below) if self.is_user => format!("~/{}", below.display()),
            Ok(below) => below.display().to_string(),
            Err(_) => root.display().to_string(),
        }
    }
}

/// A path without links, as far as it is there: what is missing cannot be a link.
fn real_path_of(path: &Path) -> PathBuf {
    let there = path.ancestors().find_map(|above| Some((above, std::fs::canonicalize(above).ok()?)));
    let Some((above, found)) = there else { return path.to_path_buf() };
    match path.strip_prefix(above) {
        Ok(rest) if rest.as_os_str().is_empty() => found,
        Ok(rest) => found.join(rest),
        Err(_) => path.to_path_buf(),
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn links_are_resolved_as_far_as_a_path_is_there() {
        let dir = tempfile::tempdir().unwrap();
        let top = dir.path().canonicalize().unwrap();
        std::fs::create_dir(top.join("there")).unwrap();
        std::os::unix::fs::symlink("there", top.join("link")).unwrap();
        let check =
            |path: &str, expected: &str| assert_eq!(real_path_of(&top.join(path)), top.join(expected));
        check("link", "there");
        check("link/.claude/skills", "there/.claude/skills");
        check("missing/x", "missing/x");
        std::fs::create_dir_all(top.join("there/.claude/skills")).unwrap();
        check("link/.claude/skills", "there/.claude/skills");
    }
}
