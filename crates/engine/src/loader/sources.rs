//! The folders that are looked through, in the order in which they count.

use std::path::{Path, PathBuf};

use super::plugins::find_plugins;
use crate::scope::Scope;
use crate::settings::runtime::ScanSource;
use crate::workspace::Session;
use ba_agent_core::agents::{Agent, InstallTarget};
use ba_agent_core::loader::{AgentRules, ManifestDialect, ProjectWalk, SkillOrigin};

/// One folder of skills.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SkillsFolder {
    pub(crate) origin: SkillOrigin,
    pub(crate) priority: i64,
    pub(crate) root: PathBuf,
    /// Folders below `root` that a skill may lie in; 1 for those of it alone.
    pub(crate) depth: usize,
    /// How its manifests are read.
    pub(crate) dialect: ManifestDialect,
    /// Skills inside of skills are found too.
    pub(crate) nested: bool,
    /// The folder may be a skill itself.
    pub(crate) root_itself: bool,
    /// The most folders that are looked through.
    pub(crate) most_folders: usize,
    /// The plugin that it is of.
    pub(crate) plugin: Option<String>,
    /// Whether changes in it are watched for.
    pub(crate) watched: bool,
    /// It was named by a project's settings: it must be inside of that.
    pub(crate) of_project: bool,
}

/// How deep a recursive source is looked through, as Codex and OpenClaw do.
const RECURSIVE_DEPTH: usize = 6;
/// Folders that are looked through below one that is recursive.
const MOST_FOLDERS: usize = 50_000;

/// The sources of this scope; with an agent those that it reads.
pub(crate) fn find_sources(session: &Session<'_>, agent: Option<&'static Agent>) -> Vec<SkillsFolder> {
    let mut sources = match agent {
        None => usual_sources(session),
        Some(agent) => sources_of_agent(session, agent),
    };
    sources.sort_by_key(|source| std::cmp::Reverse(source.priority));
    let mut seen: Vec<PathBuf> = Vec::new();
    sources.retain(|source| {
        let is_new = !seen.contains(&source.root);
        if is_new {
            seen.push(source.root.clone());
        }
        is_new
    });
    sources
}

fn source(origin: SkillOrigin, priority: i64, root: PathBuf) -> SkillsFolder {
    SkillsFolder {
        origin,
        priority,
        root,
        depth: 1,
        dialect: ManifestDialect::Ours,
        nested: false,
        root_itself: false,
        most_folders: MOST_FOLDERS,
        plugin: None,
        watched: true,
        of_project: false,
    }
}

/// The folders from the working directory up to the root of the project, the nearest first.
fn folders_to_root(session: &Session<'_>) -> Vec<PathBuf> {
    let Scope::Project { root } = &session.scope else { return Vec::new() };
    let cwd = std::fs::canonicalize(&session.env.cwd).unwrap_or_else(|_| session.env.cwd.clone());
    let real = std::fs::canonicalize(root).unwrap_or_else(|_| root.clone());
    let above = cwd.ancestors().take_while(|folder| *folder != real);
    let mut folders: Vec<PathBuf> = match cwd.starts_with(&real) {
        true => above.map(Path::to_path_buf).collect(),
        false => Vec::new(),
    };
    folders.push(root.clone());
    folders
}

/// User, project, plugins, and what the settings name.
fn usual_sources(session: &Session<'_>) -> Vec<SkillsFolder> {
    let mut sources = Vec::new();
    for scan in &session.settings.loader.scan_sources {
        sources.extend(expand_source(scan, session));
    }
    let user_priority = priority_of(&sources, SkillOrigin::User);
    let project_priority = priority_of(&sources, SkillOrigin::Project);
    if let Some(places) = session.store_of_user().map(|(_, places)| places) {
        let targets = known_targets(session);
        let roots = targets.iter().map(|target| places.root_as_written(target));
        sources.extend(roots.map(|root| source(SkillOrigin::User, user_priority, root)));
    }
    if session.scope.is_project() {
        let roots = known_targets(session).into_iter().map(|target| session.places.root_as_written(&target));
        sources.extend(roots.map(|root| source(SkillOrigin::Project, project_priority, root)));
    }
    let plugin_priority = priority_of(&sources, SkillOrigin::Plugin);
    sources.extend(plugin_sources(session, plugin_priority));
    sources
}

/// The skills of the plugins that Claude Code has installed for this user and project.
fn plugin_sources(session: &Session<'_>, priority: i64) -> Vec<SkillsFolder> {
    let plugins = find_plugins(session).into_iter();
    let of_plugin = |(name, root): (String, PathBuf)| SkillsFolder {
        plugin: Some(name),
        ..source(SkillOrigin::Plugin, priority, root)
    };
    plugins.map(of_plugin).collect()
}

fn priority_of(sources: &[SkillsFolder], origin: SkillOrigin) -> i64 {
    let of_origin = sources.iter().filter(|source| source.origin == origin).map(|source| source.priority);
    of_origin.max().unwrap_or_else(|| origin.default_priority())
}

/// Claude Code, and the agents and folders that the settings name.
fn known_targets(session: &Session<'_>) -> Vec<InstallTarget> {
    let mut targets = vec![InstallTarget::default()];
    for target in session.named_targets() {
        // A folder of a project is not one of the user's account.
        if matches!(target, InstallTarget::Agent(_)) && !targets.contains(&target) {
            targets.push(target);
        }
    }
    targets
}

/// The folders that one entry of `scan_sources` means.
fn expand_source(scan: &ScanSource, session: &Session<'_>) -> Vec<SkillsFolder> {
    let is_of_user = scan.path.starts_with('~') || Path::new(&scan.path).is_absolute();
    let depth = if scan.recursive { RECURSIVE_DEPTH } else { 1 };
    let make = |origin, root, plugin| SkillsFolder {
        depth,
        plugin,
        watched: scan.watch_enabled,
        of_project: scan.of_project,
        ..source(origin, scan.priority, root)
    };
    let path = scan.plain_path();
    match (path, is_of_user) {
        ("~/.claude/skills", _) => {
            let home = session.env.home.iter();
            home.map(|home| make(SkillOrigin::User, home.join(".claude/skills"), None)).collect()
        }
        (".claude/skills", false) => folders_to_root(session)
            .into_iter()
            .map(|folder| make(SkillOrigin::Project, folder.join(".claude/skills"), None))
            .collect(),
        ("plugins/*/skills", false) if !session.scope.is_project() => Vec::new(),
        (path, _) => {
            let whole = session.env.from(session.scope.base(), path);
            let expanded = expand_stars(&whole).into_iter();
            let folder = |(root, star): (PathBuf, Option<String>)| match star {
                Some(plugin) if path.starts_with("plugins/") => make(SkillOrigin::Plugin, root, Some(plugin)),
                _ => make(SkillOrigin::Extra, root, None),
            };
            expanded.map(folder).collect()
        }
    }
}

/// Each folder that a path with one `*` as a whole part means, with what stands for the star.
fn expand_stars(path: &Path) -> Vec<(PathBuf, Option<String>)> {
    let mut parts = path.iter();
    let before: PathBuf = parts.by_ref().take_while(|part| *part != "*").collect();
    let after: PathBuf = parts.collect();
    if before == path {
        return vec![(before, None)];
    }
    let entries = std::fs::read_dir(&before).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
    names.retain(|name| !name.starts_with('.'));
    names.sort();
    names.into_iter().map(|name| (before.join(&name).join(&after), Some(name))).collect()
}

/// The folders that an agent reads, with priorities that are nothing but its order.
fn sources_of_agent(session: &Session<'_>, agent: &'static Agent) -> Vec<SkillsFolder> {
    let rules = AgentRules::of(agent);
    let target = InstallTarget::Agent(agent);
    let user_places = session.store_of_user().map(|(_, places)| places);
    let own_user = user_places.map(|places| places.root_as_written(&target));
    let (mut project, mut user) = (Vec::new(), Vec::new());
    let named = |dirs: &'static [&'static str], usual: &'static str| match dirs {
        [] => vec![usual],
        dirs => dirs.to_vec(),
    };
    if session.scope.is_project() {
        let mut folders = folders_to_root(session);
        if rules.walk == ProjectWalk::Here {
            folders.truncate(1);
        }
        for folder in folders {
            project.extend(named(rules.project, agent.project_dir).into_iter().map(|dir| folder.join(dir)));
        }
        project.push(session.places.root_as_written(&target));
    }
    if let Some(home) = &session.env.home {
        user.extend(named(rules.user, agent.user_dir).into_iter().map(|dir| home.join(dir)));
    }
    user.extend(own_user);
    user.extend(rules.machine.iter().map(PathBuf::from));
    let project = project.into_iter().map(|root| (SkillOrigin::Project, root));
    let user = user.into_iter().map(|root| (SkillOrigin::User, root));
    let ordered: Vec<(SkillOrigin, PathBuf)> = match rules.user_first {
        true => user.chain(project).collect(),
        false => project.chain(user).collect(),
    };
    let last = i64::try_from(ordered.len()).unwrap_or_default();
    let folder = |(nth, (origin, root)): (i64, (SkillOrigin, PathBuf))| SkillsFolder {
        depth: rules.depth,
        dialect: rules.dialect,
        nested: rules.nested,
        root_itself: rules.root_itself,
        most_folders: rules.most_folders.unwrap_or(MOST_FOLDERS),
        ..source(origin, last - nth, root)
    };
    let mut sources: Vec<SkillsFolder> = (0..).zip(ordered).map(folder).collect();
    if agent.id == "claude-code" {
        let of_plugins = plugin_sources(session, -1).into_iter();
        sources.extend(of_plugins.map(|source| SkillsFolder { dialect: rules.dialect, ..source }));
    }
    sources
}
