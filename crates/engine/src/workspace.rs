//! World: the context of every command. A [`Workspace`] is opened once, by whoever calls the
//! engine; each command opens a [`Session`] of it and reads settings, registry and the disk
//! anew, so that one process may run many commands, from several threads, and always sees what
//! others changed in between.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use url::Url;

use crate::builtin::BuiltinSkills;
use crate::fetch::World;
use crate::fetch::marketplace::Place;
use crate::install_dirs::InstallDirs;
use crate::install_state::InstallState;
use crate::scope::Scope;
use crate::settings::Settings;
use crate::store::marketplaces::{self, Marketplaces, RegisteredMarketplace};
use crate::store::{LOCK_WAIT, Recovery, StateDir, Store, Transaction};
use ba_agent_core::agents::InstallTarget;
use ba_agent_core::error::{Error, Kind, Result};
use ba_agent_core::registry::Registry;
use ba_agent_core::skill::SkillName;
use ba_agent_core::source::{Request, Source};
use ba_agent_git::url_of;
use ba_agent_net::credentials::origin;
use ba_agent_system::cache::Cache;
use ba_agent_system::env::Env;
use ba_agent_system::fsx;
use ba_agent_system::progress::Progress;

/// Who is told what a command does while it runs: the terminal, or a test.
pub trait Observer: Progress {
    /// Something has happened that is worth telling before the command ends.
    fn notice(&self, notice: Notice<'_>);
}

/// What is told while a command runs, in the order in which it happens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice<'a> {
    /// Something worth knowing.
    Note(&'a str),
    /// Something is not as it should be, and the command goes on.
    Warning(&'a str),
    /// A source was fetched, and its skills were chosen.
    Resolved(ResolvedNotice),
}

/// See [`Notice::Resolved`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResolvedNotice {
    /// The source and its state, for instance `anthropics/skills main (3f2a1c9)`.
    pub source: String,
    /// How many skills it offers, and how many of them were chosen.
    pub found: usize,
    pub chosen: usize,
    /// Skills that were left out, one sentence each.
    pub left_out: Vec<String>,
    /// What the rules say of the chosen ones, one sentence each.
    pub warnings: Vec<String>,
}

/// Which skills a workspace is about, and how it may reach others.
#[derive(Debug, Clone, Default)]
pub struct WorkspaceOptions {
    /// The skills of the user's account instead of a project's.
    pub global: bool,
    /// Use this project folder instead of the one found from the working directory.
    pub project: Option<PathBuf>,
    /// Open no connection.
    pub offline: bool,
    /// The skills that the program ships, for `builtin:NAME`.
    pub builtin: BuiltinSkills,
}

/// A project or a user's account, as a caller of the engine holds it. Remembers nothing of what
/// commands read; may be shared by threads.
#[derive(Debug, Clone)]
pub struct Workspace {
    env: Env,
    options: WorkspaceOptions,
}

/// What one command works with: where skills, registry, cache and settings are. Everything that
/// is remembered to save work is remembered here, and ends with the command.
pub(crate) struct Session<'w> {
    pub(crate) env: Env,
    pub(crate) scope: Scope,
    pub(crate) settings: Settings,
    pub(crate) store: Store,
    pub(crate) places: Arc<InstallDirs>,
    pub(crate) cache: Cache,
    pub(crate) offline: bool,
    pub(crate) builtin: BuiltinSkills,
    pub(crate) observer: &'w dyn Observer,
    /// Sources on the command line. See [`Session::note_typed`].
    pub(crate) typed: Mutex<Vec<String>>,
}

impl Workspace {
    /// A workspace in these surroundings. Nothing is read before a command begins.
    pub fn new(env: Env, options: WorkspaceOptions) -> Self {
        Self { env, options }
    }

    /// No connection may be opened.
    pub(crate) fn is_offline(&self) -> bool {
        self.options.offline
    }

    /// The surroundings.
    pub fn env(&self) -> &Env {
        &self.env
    }

    /// Finds the scope and reads its settings; repairs nothing. Commands begin with
    /// `ops::settle::open_session`, which does.
    ///
    /// # Errors
    /// Those of [`Scope::find`] and [`Settings::load`]; `Usage` for a lock timeout that is not a
    /// number.
    pub(crate) fn open_unrepaired<'w>(&self, observer: &'w dyn Observer) -> Result<Session<'w>> {
        let scope = self.find_scope()?;
        let settings = load_settings(&self.env, Some(&scope))?;
        self.open_with(scope, settings, observer)
    }

    /// A session with settings that were read already, which repairs nothing.
    ///
    /// # Errors
    /// `Failed` where there is no place for data and cache; `Usage` for a lock timeout that is not
    /// a number.
    pub(crate) fn open_with<'w>(
        &self,
        scope: Scope,
        settings: Settings,
        observer: &'w dyn Observer,
    ) -> Result<Session<'w>> {
        let env = self.env.at_present();
        let (store, places) = open_store(&env, &scope, &settings, lock_wait(&env)?)?;
        let cache = Cache::new(&env.cache_dir()?, settings.cache_limit);
        let (offline, builtin, typed) = (self.options.offline, self.options.builtin, Mutex::default());
        Ok(Session { env, scope, settings, store, places, cache, offline, builtin, observer, typed })
    }

    /// Whose skills the workspace is about.
    ///
    /// # Errors
    /// Those of [`Scope::find`].
    pub(crate) fn find_scope(&self) -> Result<Scope> {
        Scope::find(&self.env, self.options.global, self.options.project.as_deref())
    }

    /// The same surroundings for the skills and marketplaces of the user's account, where nothing
    /// that a project says counts.
    pub(crate) fn for_user(&self) -> Self {
        let options = WorkspaceOptions { global: true, project: None, ..self.options.clone() };
        Self { env: self.env.clone(), options }
    }

    /// The same workspace seen from another working directory, if that is a folder.
    pub(crate) fn at_folder(&self, folder: Option<&Path>) -> Self {
        let mut env = self.env.clone();
        if let Some(folder) = folder.filter(|folder| folder.is_absolute() && folder.is_dir()) {
            env.cwd = folder.to_path_buf();
        }
        Self { env, options: self.options.clone() }
    }

    /// The same surroundings, without a connection to anywhere.
    pub(crate) fn without_network(mut self) -> Self {
        self.options.offline = true;
        self
    }

    /// Itself, or the user's in the home directory, which is no project: for commands that work
    /// with catalogues, which somebody who has just come types there.
    pub(crate) fn or_user_at_home(&self) -> Self {
        let is_home = !self.options.global && self.options.project.is_none() && self.find_scope().is_err();
        let user = self.for_user();
        if is_home && user.find_scope().is_ok() { user } else { self.clone() }
    }

    /// True for the user's account, asked for as such.
    pub(crate) fn is_of_user(&self) -> bool {
        self.options.global
    }

    /// True where the project was named, and not only found.
    pub(crate) fn names_project(&self) -> bool {
        self.options.project.is_some()
    }

    /// The settings for commands that may run outside any project.
    ///
    /// # Errors
    /// Those of [`Settings::load`].
    pub(crate) fn settings(&self) -> Result<Settings> {
        load_settings(&self.env, self.find_scope().ok().as_ref())
    }
}

impl Session<'_> {
    /// How long this command waits for another one.
    ///
    /// # Errors
    /// `Usage` for a lock timeout that is not a number.
    pub(crate) fn lock_wait(&self) -> Result<Duration> {
        lock_wait(&self.env)
    }

    /// Tells something worth knowing.
    pub(crate) fn note(&self, text: &str) {
        self.observer.notice(Notice::Note(text));
    }

    /// Tells that something is not as it should be.
    pub(crate) fn warn(&self, text: &str) {
        self.observer.notice(Notice::Warning(text));
    }

    /// Tells what was found of a command that was killed.
    pub(crate) fn report_recovery(&self, recovery: Recovery) {
        match recovery {
            Recovery::Clean | Recovery::Running => {}
            Recovery::Finished => {
                self.note("an earlier command was killed; its change was complete and has been cleaned up");
            }
            Recovery::Undone => {
                self.note("an earlier command was killed; its unfinished change has been undone");
            }
            Recovery::Blocked(error) => {
                let why = std::iter::once(error.message).chain(error.causes).collect::<Vec<_>>().join(": ");
                self.warn(&format!("a killed command has unfinished changes here: {why}"));
                error.hints.iter().for_each(|hint| self.note(hint));
            }
        }
    }

    /// Takes the lock, repairs what a killed command left, reads the registry.
    ///
    /// # Errors
    /// Those of [`Store::begin`].
    pub(crate) fn begin(&self) -> Result<Transaction> {
        self.store.begin(&|what| self.note(what))
    }

    /// As [`Session::begin`], for commands that repair nothing.
    ///
    /// # Errors
    /// Those of [`Store::begin_unrepaired`].
    pub(crate) fn begin_unrepaired(&self) -> Result<Transaction> {
        self.store.begin_unrepaired(&|what| self.note(what))
    }

    /// What fetching needs.
    pub(crate) fn world(&self) -> World<'_> {
        let (base, cache) = (self.scope.base(), Some(self.cache.clone()));
        World::new(&self.env, &self.settings, base, self.offline, self.observer, cache)
            .with_builtin(self.builtin)
            .with_own(Box::new(|| self.own_paths()))
            .with_sources_of_user(Box::new(|| self.sources_of_user()))
    }

    /// Notes that a source was typed in this command, and not read in a file of the project: its
    /// host is the user's own choice.
    pub(crate) fn note_typed(&self, source: &str) {
        self.typed.lock().unwrap_or_else(PoisonError::into_inner).push(source.to_owned());
    }

    /// Keeps which hosts were typed, now that what was asked of them is done: the next command of
    /// this project may ask them in the same way.
    pub(crate) fn keep_typed_hosts(&self) {
        let typed = self.typed.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let urls = typed.iter().filter_map(|text| Url::parse(text.strip_prefix("git+").unwrap_or(text)).ok());
        for url in urls.filter(|url| matches!(url.scheme(), "https" | "http")) {
            let name = utf8_percent_encode(&origin(&url), NON_ALPHANUMERIC).to_string();
            let folder = self.store.state_dir().hosts_folder();
            // Without it the next command says what it wants.
            let _ = std::fs::create_dir_all(&folder).and_then(|()| std::fs::File::create(folder.join(name)));
        }
    }

    fn typed_hosts(&self) -> impl Iterator<Item = String> {
        let files = std::fs::read_dir(self.store.state_dir().hosts_folder()).into_iter().flatten().flatten();
        files.filter_map(|file| {
            let name = file.file_name().into_string().ok()?;
            Some(percent_decode_str(&name).decode_utf8().ok()?.into_owned())
        })
    }

    /// What the user has named of sources: on the command line, as marketplaces, and in a registry
    /// that is the user's own.
    pub(crate) fn sources_of_user(&self) -> Vec<String> {
        let mut all = self.typed.lock().unwrap_or_else(PoisonError::into_inner).clone();
        all.extend(self.typed_hosts());
        if let Ok(known) = self.marketplaces() {
            let is_of_user = |name: &str| !self.scope.is_project() || !known.is_own(name);
            let named = known.all().filter(|(name, _)| is_of_user(name));
            all.extend(named.map(|(_, one)| one.source.clone()));
        }
        if !self.scope.is_project() {
            let text = self.store.read_registry_text().unwrap_or_default();
            let recorded = text.summary().unwrap_or_default().skills.into_iter().map(|(_, entry)| entry);
            all.extend(recorded.map(|skill| skill.source.to_string()));
        }
        all
    }

    /// What stands on the disk at the recorded places of one skill.
    ///
    /// # Errors
    /// Those of [`InstallDirs::see`].
    pub(crate) fn inspect_one(&self, name: &SkillName, registry: &Registry) -> Result<InstallState> {
        let mut seen = self.places.inspect_recorded(std::iter::once(name), registry)?;
        Ok(seen.remove(name).unwrap_or_default())
    }

    /// The file that records the marketplaces of this scope; it stands beside the registry.
    pub(crate) fn marketplaces_file(&self) -> PathBuf {
        self.store.registry_file().with_file_name("skills_marketplaces.json")
    }

    /// Every file and folder that ba-agent keeps in this scope: skill folders, registry,
    /// marketplaces, settings.
    fn own_paths(&self) -> Vec<PathBuf> {
        let mut targets = vec![InstallTarget::default()];
        let text = self.store.read_registry_text().unwrap_or_default();
        let recorded = text.summary().unwrap_or_default().skills.into_iter().map(|(_, entry)| entry);
        let recorded = recorded.flat_map(|skill| skill.targets).map(|target| target.to_string());
        // A target that cannot be understood is told of where it is used.
        let named = self.settings.agents.iter().cloned().chain(recorded);
        targets.extend(named.filter_map(|text| InstallTarget::parse(&text).ok()));
        let mut own = self.places.owned_paths(&targets);
        own.extend([self.store.registry_file().to_path_buf(), self.marketplaces_file()]);
        own.extend([self.store.state_dir().folder().to_path_buf(), self.scope.own_folder()]);
        own
    }

    /// Warns of a source that this machine alone has: a project's registry is for everybody who has
    /// the project.
    pub(crate) fn warn_of_machine(&self, source: &Source) {
        if !self.scope.is_project() || !source.is_of_this_machine() {
            return;
        }
        let what = match source {
            Source::Local { .. } => "a path on this machine",
            Source::Archive { location } if !location.contains("://") => "a path on this machine",
            _ => "which only this machine has",
        };
        self.warn(&format!(
            "the registry will name `{source}`, {what}: others with the project cannot restore from it; use a path inside the project or a repository that they reach"
        ));
    }

    /// The registry of the user's account, as far as it can be read.
    pub(crate) fn registry_of_user(&self) -> Option<Registry> {
        self.store_of_user()?.0.read().ok()
    }

    /// The store of the user's account and the places of its skills; the session's own in the
    /// user's scope. `None` where there is no home.
    pub(crate) fn store_of_user(&self) -> Option<(Store, Arc<InstallDirs>)> {
        if !self.scope.is_project() {
            return Some((self.store.clone(), Arc::clone(&self.places)));
        }
        let scope = Scope::find(&self.env, true, None).ok()?;
        let settings = load_settings(&self.env, Some(&scope)).ok()?;
        open_store(&self.env, &scope, &settings, LOCK_WAIT).ok()
    }

    /// The targets that the settings name.
    pub(crate) fn named_targets(&self) -> Vec<InstallTarget> {
        // One that cannot be understood is told of where it is used.
        self.settings.agents.iter().filter_map(|text| InstallTarget::parse(text).ok()).collect()
    }

    /// The marketplaces that a command sees here: the scope's own, then the user's. A project's
    /// own stands before the user's of the same name.
    ///
    /// # Errors
    /// Those of [`Marketplaces::read`], and `Usage` where the file leads out of the project.
    pub(crate) fn marketplaces(&self) -> Result<Marketplaces> {
        let mut all = self.read_marketplaces()?;
        // What the user registered is on the user's hosts, whatever hosts the project names.
        let user = load_settings(&self.env, None)?;
        let home = Scope::find(&self.env, true, None).ok();
        all.map_users(|source| match at_hosts_of(source, &user, &self.settings) {
            Some(there) => Some(there),
            None => {
                let Ok(Place::Tree { mut request, manifest }) = Place::parse(source) else { return None };
                request.source = with_whole_path(&request.source, home.as_ref()?.base(), &self.env)?;
                Some(Place::Tree { request, manifest }.text())
            }
        });
        Ok(all)
    }

    /// The marketplaces as their files say, whatever the settings are.
    ///
    /// # Errors
    /// Those of [`Marketplaces::read`], and `Usage` where the file leads out of the project.
    pub(crate) fn read_marketplaces(&self) -> Result<Marketplaces> {
        self.places.check_inside("list of marketplaces", &self.marketplaces_file())?;
        let user = self.env.config_dir().ok().map(|config| config.join("skills_marketplaces.json"));
        Marketplaces::read(&self.marketplaces_file(), user.as_deref())
    }

    /// Changes the recorded marketplaces of this scope, under their own lock.
    ///
    /// # Errors
    /// Those of [`marketplaces::change`] and of `change`.
    pub(crate) fn change_marketplaces<T>(
        &self,
        change: impl FnOnce(&mut std::collections::BTreeMap<String, RegisteredMarketplace>) -> Result<T>,
    ) -> Result<T> {
        let lock = self.store.state_dir().marketplaces_lock_file();
        let file = self.places.check_inside("list of marketplaces", &self.marketplaces_file())?;
        marketplaces::change(&file, &lock, lock_wait(&self.env)?, &|what: &str| self.note(what), change)
    }

    /// Tells which marketplaces of the project stand in front of the user's of the same name,
    /// of those that `concerns` is true for.
    pub(crate) fn note_hidden_marketplaces(&self, all: &Marketplaces, concerns: impl Fn(&str) -> bool) {
        for (name, own, hidden) in all.hidden_by_project().filter(|(name, ..)| concerns(name)) {
            self.note(&format!(
                "`{name}` is {} here: this project has a marketplace of that name, so yours ({}) is not used",
                own.source, hidden.source
            ));
        }
    }

    /// Tells which repositories of marketplaces were followed to another address.
    pub(crate) fn note_moved_marketplaces(&self, world: &World<'_>) {
        for (from, to) in world.git.moved_repositories() {
            self.note(&format!(
                "{from} has moved to {to}; `ba-agent marketplace add NAME {to} --force` records that"
            ));
        }
    }

    /// The same request with a path that does not depend on the working directory: from the
    /// base of the scope where it lies below or was written relative, else absolute. A source
    /// that is recorded already keeps the text of its record.
    pub(crate) fn anchor(&self, mut request: Request) -> Request {
        let (Source::Local { path: text } | Source::Archive { location: text }) = &request.source else {
            return request;
        };
        if text.contains("://") {
            return request;
        }
        let path = self.env.absolute(Path::new(text));
        let path = std::fs::canonicalize(&path).unwrap_or(path);
        let base = std::fs::canonicalize(self.scope.base()).unwrap_or_else(|_| self.scope.base().into());
        let is_relative = Path::new(text).is_relative() && !text.starts_with('~');
        let from_base = fsx::relative(&base, &path).filter(|_| is_relative || path.starts_with(&base));
        let written = match from_base {
            Some(way) if way.starts_with("..") => way.display().to_string(),
            Some(way) => format!("./{}", way.display()),
            None => path.display().to_string(),
        };
        // A slash tells a folder from an archive, whatever it is called.
        let is_folder = matches!(request.source, Source::Local { .. }) || path.is_dir();
        let source = match written.parse() {
            Ok(Source::Archive { .. }) if is_folder => Source::Local { path: format!("{written}/") },
            _ if is_folder => Source::Local { path: written },
            _ => Source::Archive { location: written },
        };
        let text = self.store.read_registry_text().unwrap_or_default();
        let recorded = text.summary().unwrap_or_default().skills.into_iter().map(|(_, entry)| entry);
        let same = recorded.filter_map(|skill| Some(Request::parse(&skill.source).ok()?.source));
        let same = same.into_iter().find(|known| self.places.is_same_source(known, &source));
        request.source = same.unwrap_or(source);
        request
    }

    /// As [`Session::anchor`]; in the user's scope by the whole path, since what is recorded there
    /// is read in every project.
    pub(crate) fn anchor_marketplace(&self, request: Request) -> Request {
        let mut request = self.anchor(request);
        if !self.scope.is_project()
            && let Some(source) = with_whole_path(&request.source, self.scope.base(), &self.env)
        {
            request.source = source;
        }
        request
    }
}

/// Where a marketplace of the user is for a project whose settings name another host: the
/// whole address, which does not hang on settings. `None` where both mean the same.
fn at_hosts_of(source: &str, user: &Settings, project: &Settings) -> Option<String> {
    let Ok(Place::Tree { mut request, manifest }) = Place::parse(source) else { return None };
    let url = url_of(&request.source, &user.hosts)?;
    if url_of(&request.source, &project.hosts).as_ref() == Some(&url) {
        return None;
    }
    request.source = Source::Git { url };
    Some(Place::Tree { request, manifest }.text())
}

/// A local source by its whole path, where it has a relative one that starts from `base`; `None`
/// where it reads the same from everywhere.
fn with_whole_path(source: &Source, base: &Path, env: &Env) -> Option<Source> {
    let whole = |path: &str| {
        let is_relative = !path.contains("://") && !path.starts_with('~') && Path::new(path).is_relative();
        let slash = if path.ends_with('/') { "/" } else { "" };
        let path = env.from(base, path);
        let path = std::fs::canonicalize(&path).unwrap_or(path);
        is_relative.then(|| format!("{}{slash}", path.display()))
    };
    match source {
        Source::Local { path } => whole(path).map(|path| Source::Local { path }),
        Source::Archive { location } => whole(location).map(|location| Source::Archive { location }),
        _ => None,
    }
}

fn lock_wait(env: &Env) -> Result<Duration> {
    let Some(text) = env.var("BA_AGENT_LOCK_TIMEOUT") else { return Ok(LOCK_WAIT) };
    text.parse().map(Duration::from_secs).map_err(|_| {
        Error::new(
            Kind::Usage,
            format!("BA_AGENT_LOCK_TIMEOUT is `{text}`, which is not a number of seconds"),
        )
    })
}

/// The store of a scope, and the places of its skills.
///
/// # Errors
/// `Failed` where there is no place for data.
pub(crate) fn open_store(
    env: &Env,
    scope: &Scope,
    settings: &Settings,
    wait: Duration,
) -> Result<(Store, Arc<InstallDirs>)> {
    let registry = scope.registry_file(env, settings.registry.as_deref());
    let places = InstallDirs::new(env, scope, settings.install_dir.as_deref());
    let state = StateDir::new(&env.data_dir()?, scope);
    let places = places.keeping_disabled_in(&state.disabled_folder());
    let places = Arc::new(places.allowing_links_to(&settings.allow_links_to));
    Ok((Store::new(registry, state, Arc::clone(&places), wait), places))
}

/// The settings of the user, and over them those of the project.
///
/// # Errors
/// Those of [`Settings::load`].
pub(crate) fn load_settings(env: &Env, scope: Option<&Scope>) -> Result<Settings> {
    let (user, project) = settings_files(env, scope);
    Settings::load(env, user.as_deref(), project.as_deref())
}

/// The user's settings file and the project's; either may be missing on the disk.
pub(crate) fn settings_files(env: &Env, scope: Option<&Scope>) -> (Option<PathBuf>, Option<PathBuf>) {
    let user = env.config_dir().ok().map(|config| config.join("config.yaml"));
    let project = scope.filter(|scope| matches!(scope, Scope::Project { .. })).map(Scope::settings_file);
    (user, project)
}

#[cfg(test)]
impl Observer for ba_agent_test_support::Counting {
    fn notice(&self, _: Notice<'_>) {}
}
