//! Faces: the command line. `Cli` is what was typed, [`Context`] what it means here; each
//! verb below `cli/` parses, does and reports.

mod cache;
mod completions;
pub(crate) use completions::VARIABLE as COMPLETION_VARIABLE;
mod diff;
mod doctor;
mod export;
mod history;
mod import;
mod init;
mod install;
mod list;
mod man;
mod marketplace;
mod outdated;
mod pin;
mod rollback;
mod search;
mod settle;
mod show;
mod uninstall;
mod update;
mod validate;
mod verify;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::error::{ContextKind, ContextValue};
use clap::{Args, CommandFactory as _, Parser, Subcommand};

use crate::agents::InstallTarget;
use crate::cache::Cache;
use crate::env::Env;
use crate::error::{Error, Kind, Result};
use crate::fetch::World;
use crate::fsx;
use crate::install_dirs::InstallDirs;
use crate::ops::apply::{self, Means, Report};
use crate::ops::plan::Plan;
use crate::scope::Scope;
use crate::settings::Settings;
use crate::source::{Request, Source};
use crate::store::marketplaces::Marketplaces;
use crate::store::{LOCK_WAIT, Recovery, Store, Transaction, Workspace};
use crate::ui::{ColorChoice, Manner, Ui};

/// Install, pin, verify, update and remove agent skills.
#[derive(Debug, Parser)]
#[command(
    name = "ba-agent",
    version,
    about = "A package manager for agent skills",
    long_about = "A package manager for agent skills: folders with a SKILL.md that an AI agent reads.\n\n\
        Skills come from GitHub, any git remote, ZIP and tar archives and local folders. What is \
        installed is recorded in config/skills_registry.json, which is the lock file too.",
    after_long_help = "Examples:\n  \
        ba-agent skill install anthropics/skills --skill pdf\n  \
        ba-agent skill list\n  \
        ba-agent completions bash > ~/.local/share/bash-completion/completions/ba-agent\n\n\
        Exit status: 0 done, 1 failed, 2 wrong usage, 3 not found, 4 authentication, 5 network,\n\
        6 integrity or drift, 7 conflict, 8 invalid skill or manifest, 130 interrupted.",
    propagate_version = true,
    arg_required_else_help = true
)]
pub(crate) struct Cli {
    #[command(flatten)]
    globals: Globals,
    #[command(subcommand)]
    command: Command,
}

/// Flags that every command has.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Global options")]
pub(crate) struct Globals {
    /// Print one JSON document on stdout instead of text.
    #[arg(long, global = true)]
    json: bool,
    /// Print only errors.
    #[arg(long, short, global = true, conflicts_with = "verbose")]
    quiet: bool,
    /// Print more details.
    #[arg(long, short, global = true)]
    verbose: bool,
    /// Open no connection: use only what is on this machine.
    #[arg(long, global = true)]
    offline: bool,
    /// Answer every question with yes.
    #[arg(long, short, global = true)]
    yes: bool,
    /// Use the skills of your user account instead of a project's.
    #[arg(long, short, global = true)]
    global: bool,
    /// Use this project folder instead of the one found from the working directory.
    #[arg(long, global = true, value_name = "DIR", value_hint = clap::ValueHint::DirPath)]
    project: Option<PathBuf>,
    /// When to use colour.
    #[arg(long, global = true, value_enum, default_value = "auto", value_name = "WHEN")]
    color: ColorChoice,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Install, list, show, check and remove skills.
    #[command(
        subcommand,
        visible_alias = "skills",
        arg_required_else_help = true,
        after_help = "Examples:\n  ba-agent skill install anthropics/skills --skill pdf\n  \
            ba-agent skill list\n  ba-agent skill update --dry-run\n  ba-agent skill rollback"
    )]
    Skill(Skill),
    /// Show the cache of skills, or make it smaller.
    #[command(
        subcommand,
        arg_required_else_help = true,
        after_help = "Examples:\n  ba-agent cache size\n  ba-agent cache prune --to 100MiB"
    )]
    Cache(cache::Command),
    /// Look for everything that could be wrong here, and fix what is safe to fix.
    Doctor(doctor::Doctor),
    /// Register, list, update and check marketplaces: catalogues of skills.
    #[command(
        subcommand,
        visible_alias = "market",
        arg_required_else_help = true,
        after_help = "Examples:\n  ba-agent marketplace add anthropic anthropics/skills\n  \
            ba-agent marketplace show anthropic\n  ba-agent skill search pdf\n  \
            ba-agent skill install pdf@anthropic"
    )]
    Marketplace(marketplace::Marketplace),
    /// Print the completion script of a shell.
    Completions(completions::Completions),
    /// Write the man pages of every command into a folder.
    Man(man::Man),
}

#[derive(Debug, Subcommand)]
enum Skill {
    /// Install skills from a source, or restore those in the registry.
    #[command(visible_alias = "add")]
    Install(install::Install),
    /// Remove skills from every target and from the registry.
    #[command(visible_alias = "remove", alias = "rm")]
    Uninstall(uninstall::Uninstall),
    /// Move skills to what their reference is now.
    #[command(visible_alias = "upgrade")]
    Update(update::Update),
    /// List the skills that are behind their source, without changing anything.
    Outdated(outdated::Outdated),
    /// Hold a skill at a commit.
    Pin(pin::Pin),
    /// Let a held skill move again.
    Unpin(pin::Unpin),
    /// Go back to the state before the last change, or an earlier one.
    #[command(visible_alias = "undo")]
    Rollback(rollback::Rollback),
    /// List the last changes.
    History(history::History),
    /// Write what is installed as another tool's lock file.
    Export(export::Export),
    /// List installed skills.
    #[command(visible_alias = "ls")]
    List(list::List),
    /// Search registered marketplaces and installed skills.
    #[command(visible_alias = "find")]
    Search(search::Search),
    /// Show everything about a skill, installed or not, without installing it.
    #[command(visible_alias = "info")]
    Show(show::Show),
    /// Check skills against the rules, all findings at once.
    #[command(visible_alias = "lint")]
    Validate(validate::Validate),
    /// Check the installed files against the registry.
    Verify(verify::Verify),
    /// Show the local edits of a skill, line by line.
    Diff(diff::Diff),
    /// Make a new skill that passes `validate`.
    #[command(visible_alias = "new")]
    Init(init::Init),
}

impl Cli {
    /// The command line's definition, for completions, man pages and tests.
    pub(crate) fn definition() -> clap::Command {
        Self::command()
    }

    /// `--project DIR`.
    pub(crate) fn project(&self) -> Option<&Path> {
        self.globals.project.as_deref()
    }

    pub(crate) fn manner(&self) -> Manner {
        let Globals { json, quiet, verbose, yes, color, .. } = self.globals;
        Manner { json, quiet, verbose, yes, color }
    }

    /// Runs the command; the exit status is 0 unless the command says otherwise.
    pub(crate) fn run(self, env: &Env, ui: &Ui) -> Result<u8> {
        let cx = Context { env, ui, globals: self.globals };
        match self.command {
            Command::Completions(command) => command.run(&cx),
            Command::Man(command) => command.run(&cx),
            Command::Cache(command) => command.run(&cx),
            Command::Doctor(command) => command.run(&cx),
            Command::Marketplace(command) => command.run(&cx),
            Command::Skill(skill) => match skill {
                Skill::Install(command) => command.run(&cx),
                Skill::Uninstall(command) => command.run(&cx),
                Skill::Update(command) => command.run(&cx),
                Skill::Outdated(command) => command.run(&cx),
                Skill::Pin(command) => command.run(&cx),
                Skill::Unpin(command) => command.run(&cx),
                Skill::Rollback(command) => command.run(&cx),
                Skill::History(command) => command.run(&cx),
                Skill::Export(command) => command.run(&cx),
                Skill::List(command) => command.run(&cx),
                Skill::Search(command) => command.run(&cx),
                Skill::Show(command) => command.run(&cx),
                Skill::Validate(command) => command.run(&cx),
                Skill::Verify(command) => command.run(&cx),
                Skill::Diff(command) => command.run(&cx),
                Skill::Init(command) => command.run(&cx),
            },
        }
    }
}

/// What every command is given: the surroundings, the way to talk, the global flags.
pub(crate) struct Context<'a> {
    pub(crate) env: &'a Env,
    pub(crate) ui: &'a Ui,
    globals: Globals,
}

/// The scope of a command with everything that follows from it.
pub(crate) struct Place {
    pub(crate) scope: Scope,
    pub(crate) settings: Settings,
    pub(crate) store: Store,
    pub(crate) places: Arc<InstallDirs>,
    pub(crate) cache: Cache,
}

impl Context<'_> {
    /// Finds the scope, reads its settings, repairs what a killed command left there.
    pub(crate) fn place(&self) -> Result<Place> {
        let place = self.unrepaired_place()?;
        let recovery = place.store.recover();
        if !matches!(recovery, Recovery::Running | Recovery::Blocked(_)) {
            self.settle(&place, recovery == Recovery::Finished);
        }
        match recovery {
            Recovery::Clean | Recovery::Running => {}
            Recovery::Finished => {
                self.ui.note("an earlier command was killed; its change was complete and has been cleaned up")
            }
            Recovery::Undone => {
                self.ui.note("an earlier command was killed; its unfinished change has been undone");
            }
            Recovery::Blocked(error) => {
                let why = std::iter::once(error.message).chain(error.causes).collect::<Vec<_>>().join(": ");
                self.ui.warn(&format!("a killed command has unfinished changes here: {why}"));
                error.hints.iter().for_each(|hint| self.ui.note(hint));
            }
        }
        Ok(place)
    }

    /// As [`Context::place`], for commands that repair nothing: what a killed command left is
    /// only reported.
    pub(crate) fn place_of_frozen(&self) -> Result<Place> {
        let place = self.unrepaired_place()?;
        if place.store.needs_recovery() && !place.store.is_busy() {
            self.ui.warn("a killed command has unfinished changes here; `--frozen` repairs nothing");
            self.ui.note("`ba-agent doctor --fix` repairs them");
        }
        self.tell_damaged(&place);
        Ok(place)
    }

    fn unrepaired_place(&self) -> Result<Place> {
        let scope = Scope::find(self.env, self.globals.global, self.globals.project.as_deref())?;
        let settings = self.settings_of(Some(&scope))?;
        self.as_it_stands(scope, settings)
    }

    /// The same without repairing anything, with settings that were read already.
    fn as_it_stands(&self, scope: Scope, settings: Settings) -> Result<Place> {
        let (store, places) = store_of(self.env, &scope, &settings, self.lock_wait()?)?;
        let cache = self.cache(&settings)?;
        Ok(Place { scope, settings, store, places, cache })
    }

    /// The cache of skill trees.
    pub(crate) fn cache(&self, settings: &Settings) -> Result<Cache> {
        Ok(Cache::new(&self.env.cache_dir()?, settings.cache_limit))
    }

    /// Applies a plan and returns what was done; `command` is what the history calls it.
    pub(crate) fn apply(
        &self,
        place: &Place,
        plan: Plan,
        transaction: Transaction,
        command: &str,
    ) -> Result<Report> {
        let data = place.store.workspace().folder();
        if self.env.is_temporary(data) {
            let data = data.display();
            self.ui.note(&format!(
                "there is no writable home directory: what `rollback` needs is kept in `{data}`; \
                 set BA_AGENT_DATA_DIR to keep it elsewhere"
            ));
        }
        let means = Means {
            places: &place.places,
            cache: &place.cache,
            limits: &place.settings.limits,
            now: self.env.now,
            command,
            progress: self.ui,
        };
        apply::apply(plan, transaction, &means)
    }

    /// The settings for commands that may run outside any project.
    pub(crate) fn settings(&self) -> Result<Settings> {
        let scope = Scope::find(self.env, self.globals.global, self.globals.project.as_deref()).ok();
        self.settings_of(scope.as_ref())
    }

    fn settings_of(&self, scope: Option<&Scope>) -> Result<Settings> {
        settings_of(self.env, scope)
    }

    pub(crate) fn lock_wait(&self) -> Result<std::time::Duration> {
        let Some(text) = self.env.var("BA_AGENT_LOCK_TIMEOUT") else { return Ok(LOCK_WAIT) };
        text.parse().map(std::time::Duration::from_secs).map_err(|_| {
            Error::new(
                Kind::Usage,
                format!("BA_AGENT_LOCK_TIMEOUT is `{text}`, which is not a number of seconds"),
            )
        })
    }

    /// What fetching needs.
    pub(crate) fn world<'w>(&'w self, place: &'w Place) -> World<'w> {
        let cache = Some(place.cache.clone());
        World::new(self.env, &place.settings, place.scope.base(), self.globals.offline, self.ui, cache)
            .with_own(Box::new(|| place.own()))
    }

    /// Says which marketplaces of the project stand in front of the user's of the same name,
    /// of those that `concerns` is true for.
    pub(crate) fn tell_hidden(&self, all: &Marketplaces, concerns: impl Fn(&str) -> bool) {
        for (name, own, hidden) in all.hiding().filter(|(name, ..)| concerns(name)) {
            self.ui.note(&format!(
                "`{name}` is {} here: this project has a marketplace of that name, so yours ({}) is not used",
                own.source, hidden.source
            ));
        }
    }

    pub(crate) fn offline(&self) -> bool {
        self.globals.offline
    }

    /// Says that the command waits for another one.
    pub(crate) fn waiting(&self) -> impl Fn(&str) {
        |what: &str| self.ui.note(what)
    }
}

impl Place {
    /// The file that records the marketplaces of this scope; it stands beside the registry.
    pub(crate) fn marketplaces_file(&self) -> PathBuf {
        self.store.registry_file().with_file_name("skills_marketplaces.json")
    }

    /// Every file and folder that ba-agent keeps in this scope: skill folders, registry,
    /// marketplaces, settings.
    fn own(&self) -> Vec<PathBuf> {
        let mut targets = vec![InstallTarget::default()];
        let text = self.store.text().unwrap_or_default();
        let recorded = text.summary().unwrap_or_default().skills.into_values();
        let recorded = recorded.flat_map(|skill| skill.targets).map(|target| target.to_string());
        // A target that cannot be understood is told of where it is used.
        let named = self.settings.agents.iter().cloned().chain(recorded);
        targets.extend(named.filter_map(|text| InstallTarget::parse(&text).ok()));
        let mut own = self.places.owned_paths(&targets);
        own.extend([self.store.registry_file().to_path_buf(), self.marketplaces_file()]);
        own.extend([self.store.workspace().folder().to_path_buf(), self.scope.own_folder()]);
        own
    }

    /// The marketplaces that a command sees here: the scope's own, then the user's.
    ///
    /// # Errors
    /// Those of [`Marketplaces::read`], and `Usage` where the file leads out of the project.
    pub(crate) fn marketplaces(&self, env: &Env) -> Result<Marketplaces> {
        self.places.check_inside("list of marketplaces", &self.marketplaces_file())?;
        let user = env.config_dir().ok().map(|config| config.join("skills_marketplaces.json"));
        let mut all = Marketplaces::read(&self.marketplaces_file(), user.as_deref())?;
        // What the user registered is on the user's hosts, whatever hosts the project names.
        let user = settings_of(env, None)?;
        all.map_users(|source| crate::ops::marketplace::at_hosts_of(source, &user, &self.settings));
        Ok(all)
    }

    /// The same request with a path that does not depend on the working directory: from the
    /// base of the scope where it lies below or was written relative, else absolute. A source
    /// that is recorded already keeps the text of its record.
    pub(crate) fn anchor(&self, env: &Env, mut request: Request) -> Request {
        let (Source::Local { path: text } | Source::Archive { location: text }) = &request.source else {
            return request;
        };
        if text.contains("://") {
            return request;
        }
        let path = env.absolute(Path::new(text));
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
        let text = self.store.text().unwrap_or_default();
        let recorded = text.summary().unwrap_or_default().skills.into_values();
        let same = recorded.filter_map(|skill| Some(Request::parse(&skill.source).ok()?.source));
        let same = same.into_iter().find(|known| self.places.is_same_source(known, &source));
        request.source = same.unwrap_or(source);
        request
    }
}

/// The store of a scope, and the places of its skills.
fn store_of(
    env: &Env,
    scope: &Scope,
    settings: &Settings,
    wait: std::time::Duration,
) -> Result<(Store, Arc<InstallDirs>)> {
    let registry = scope.registry_file(env, settings.registry.as_deref());
    let places = InstallDirs::new(env, scope, settings.install_dir.as_deref());
    let places = Arc::new(places.allowing(&settings.allow_links_to));
    let workspace = Workspace::new(&env.data_dir()?, scope);
    Ok((Store::new(registry, workspace, Arc::clone(&places), wait), places))
}

/// The settings of the user, and over them those of the project.
fn settings_of(env: &Env, scope: Option<&Scope>) -> Result<Settings> {
    let (user, project) = settings_files(env, scope);
    Settings::load(env, user.as_deref(), project.as_deref())
}

/// The user's settings file and the project's; either may be missing on the disk.
fn settings_files(env: &Env, scope: Option<&Scope>) -> (Option<PathBuf>, Option<PathBuf>) {
    let user = env.config_dir().ok().map(|config| config.join("config.yaml"));
    let project = scope.filter(|scope| matches!(scope, Scope::Project { .. })).map(Scope::settings_file);
    (user, project)
}

/// `ba-agent install` was meant as `ba-agent skill install`: the nearest word of all is no help.
pub(crate) fn with_suggestion(mut error: clap::Error) -> clap::Error {
    let word = match error.get(ContextKind::InvalidSubcommand) {
        Some(ContextValue::String(word)) => word.clone(),
        _ => return error,
    };
    let definition = Cli::definition();
    let groups = definition.get_subcommands().filter(|group| group.get_name() != word);
    let meant = groups.filter_map(|group| {
        let verb = group.find_subcommand(&word)?;
        Some(format!("{} {}", group.get_name(), verb.get_name()))
    });
    let meant: Vec<String> = meant.collect();
    let at_top = definition.get_subcommands().all(|group| group.find_subcommand(&word).is_none());
    if !at_top && !meant.is_empty() {
        error.insert(ContextKind::SuggestedSubcommand, ContextValue::Strings(meant));
    }
    error
}

/// Names that the person may have meant, as hints.
pub(crate) fn did_you_mean<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> Option<String> {
    crate::text::find_nearest(word, known).map(|near| format!("did you mean `{near}`?"))
}
