//! Faces: the command line. `Cli` is what was typed, [`Context`] what it means here; each
//! verb below `cli/` parses, does and reports.

mod activate;
mod adopt;
mod agents;
mod annotations;
mod cache;
mod choice;
mod complete;
pub(crate) use complete::print_candidates;
mod completions;
mod config;
mod context;
pub(crate) use completions::VARIABLE as COMPLETION_VARIABLE;
mod deactivate;
mod deps;
mod diff;
mod disable;
mod doctor;
mod edit;
mod enable;
mod export;
mod follow_skill;
mod help;
mod history;
mod hook;
pub(crate) use hook::is_hook_run;
mod init;
mod install;
mod list;
mod login;
mod man;
mod marketplace;
mod mcp;
mod open;
mod outdated;
mod pack;
mod path;
mod pin;
mod publish;
mod recommend;
mod registry;
mod restore;
mod rollback;
mod search;
mod self_version;
mod serve;
mod shortcut;
mod show;
mod tree;
mod uninstall;
mod update;
mod usage;
mod usage_error;
mod use_version;
mod validate;
mod verify;
mod versions;
mod watch;
mod why;
mod yank;

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::error::ErrorKind;
use clap::{Args, CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

use crate::builtin::BUILTIN;
use usage_error::describe_usage_error;

use crate::ui::{ColorChoice, Manner, Ui};
use ba_agent_core::error::{Error, Result};
use ba_agent_engine::workspace::{Workspace, WorkspaceOptions};
use ba_agent_system::env::Env;

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
        ba-agent install anthropics/skills --skill pdf\n  \
        ba-agent list\n  \
        source <(ba-agent completions bash)\n\n\
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
    Skill(Box<SkillCommand>),
    #[command(
        subcommand,
        arg_required_else_help = true,
        after_help = "Examples:\n  ba-agent cache size\n  ba-agent cache prune --to 100MiB"
    )]
    Cache(cache::CacheCommand),
    Doctor(doctor::Doctor),
    #[command(
        subcommand,
        arg_required_else_help = true,
        after_help = "Examples:\n  ba-agent hook install --agent claude-code\n  ba-agent hook status"
    )]
    Hook(hook::Hook),
    Agents(agents::Agents),
    #[command(
        subcommand,
        arg_required_else_help = true,
        after_help = "Examples:\n  ba-agent config list\n  ba-agent config set agents claude-code cursor\n  \
            ba-agent config edit --global"
    )]
    Config(config::Config),
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
    /// Name, check, build and copy remote registries, which serve skills.
    #[command(
        subcommand,
        arg_required_else_help = true,
        after_help = "Examples:\n  ba-agent registry add acme https://skills.acme.example --serves @acme\n  \
            ba-agent registry list\n  ba-agent registry check ./registry\n  \
            ba-agent registry mirror https://skills.acme.example ./mirror"
    )]
    Registry(registry::RegistryCommand),
    Mcp(mcp::McpArgs),
    Login(login::LoginArgs),
    Logout(login::LogoutArgs),
    Whoami(login::WhoamiArgs),
    Serve(serve::ServeArgs),
    Completions(completions::Completions),
    Man(man::Man),
    /// Everything about the program itself.
    #[command(
        name = "self",
        subcommand,
        arg_required_else_help = true,
        after_help = "Examples:\n  ba-agent self version\n  ba-agent self version --check"
    )]
    Itself(self_version::SelfCommand),
}

#[derive(Debug, Subcommand)]
enum SkillCommand {
    #[command(visible_alias = "add")]
    Install(install::Install),
    #[command(visible_alias = "remove", alias = "rm")]
    Uninstall(uninstall::Uninstall),
    Adopt(adopt::Adopt),
    Context(context::ContextArgs),
    Enable(enable::Enable),
    Disable(disable::Disable),
    Versions(versions::VersionsArgs),
    Use(use_version::UseArgs),
    Watch(watch::WatchArgs),
    Deps(deps::DepsArgs),
    Tree(tree::TreeArgs),
    Why(why::WhyArgs),
    #[command(visible_alias = "upgrade")]
    Update(update::UpdateArgs),
    Outdated(outdated::Outdated),
    Follow(follow_skill::FollowArgs),
    Unfollow(follow_skill::UnfollowArgs),
    Following(follow_skill::FollowingArgs),
    Pin(pin::Pin),
    Unpin(pin::Unpin),
    Restore(restore::RestoreArgs),
    #[command(visible_alias = "undo")]
    Rollback(rollback::Rollback),
    History(history::HistoryArgs),
    Export(export::Export),
    #[command(visible_alias = "ls")]
    List(list::List),
    #[command(visible_alias = "find")]
    Search(search::SearchArgs),
    Recommend(recommend::RecommendArgs),
    Usage(usage::UsageArgs),
    #[command(visible_alias = "info")]
    Show(show::ShowArgs),
    Activate(activate::ActivateArgs),
    Deactivate(deactivate::DeactivateArgs),
    Path(path::PathArgs),
    Open(open::OpenArgs),
    Edit(edit::EditArgs),
    #[command(visible_alias = "lint")]
    Validate(validate::ValidateArgs),
    Verify(verify::Verify),
    Diff(diff::Diff),
    #[command(visible_alias = "new")]
    Init(init::Init),
    Pack(pack::PackArgs),
    Publish(publish::PublishArgs),
    Yank(yank::YankArgs),
}

impl Cli {
    /// The command line's definition, for completions, man pages and tests.
    pub(crate) fn definition() -> clap::Command {
        help::lay_out_help(Self::command(), &|_| true)
    }

    /// The same without pages of help, for who shows none.
    fn bare_definition() -> clap::Command {
        Self::command()
    }

    /// What was typed. The pages of help are laid out only for who asks for them.
    ///
    /// # Errors
    /// What is to be printed instead: a page of help, the version, or what is wrong.
    pub(crate) fn parse_args(args: Vec<OsString>) -> std::result::Result<Self, Box<UsageError>> {
        // Whoever seems to want a page has it from the one parse.
        let is_laid_out = args.iter().any(|arg| arg == "--help" || arg == "-h" || arg == "help");
        let mut definition = Self::command();
        if is_laid_out {
            let is_typed = |name: &str| args.iter().any(|arg| arg == name);
            let is_asked = |command: &clap::Command| {
                is_typed(command.get_name()) || command.get_all_aliases().any(is_typed)
            };
            definition = help::lay_out_help(definition, &is_asked);
        }
        let args = shortcut::with_skill_word(&definition, args);
        let parsed = definition.try_get_matches_from_mut(&args);
        // Taking its thousands of pieces apart takes as long as the parse, and the process soon ends.
        std::mem::forget(definition);
        match parsed.and_then(|matches| Self::from_arg_matches(&matches)) {
            Ok(cli) => Ok(cli),
            Err(error) if is_mistake(&error, &args) => {
                Err(Box::new(UsageError::Wrong(describe_usage_error(&error, &args))))
            }
            // The version is the same in any layout.
            Err(error) if is_laid_out || error.kind() == ErrorKind::DisplayVersion => {
                Err(Box::new(UsageError::Page(error)))
            }
            Err(error) => {
                let laid_out = Self::definition().try_get_matches_from(&args);
                Err(Box::new(UsageError::Page(laid_out.err().unwrap_or(error))))
            }
        }
    }

    /// `--project DIR`.
    pub(crate) fn project(&self) -> Option<&Path> {
        self.globals.project.as_deref()
    }

    pub(crate) fn output_manner(&self) -> Manner {
        let Globals { json, quiet, verbose, yes, color, .. } = self.globals;
        Manner { json, quiet, verbose, yes, color }
    }

    /// Runs the command; the exit status is 0 unless the command says otherwise.
    ///
    /// # Errors
    /// Those of the command: their kind is the exit status.
    pub(crate) fn run(self, env: Env, ui: &Ui) -> Result<u8> {
        let Globals { global, offline, project, .. } = self.globals;
        let options = WorkspaceOptions { global, project, offline, builtin: BUILTIN };
        let cx = CommandContext { workspace: Workspace::new(env, options), ui };
        match self.command {
            Command::Completions(command) => command.run(&cx),
            Command::Man(command) => command.run(&cx),
            Command::Itself(command) => command.run(&cx),
            Command::Cache(command) => command.run(&cx),
            Command::Doctor(command) => command.run(&cx),
            Command::Hook(command) => command.run(&cx),
            Command::Agents(command) => command.run(&cx),
            Command::Config(command) => command.run(&cx),
            Command::Marketplace(command) => command.run(&cx),
            Command::Mcp(command) => command.run(&cx),
            Command::Registry(command) => command.run(&cx),
            Command::Login(command) => command.run(&cx),
            Command::Logout(command) => command.run(&cx),
            Command::Whoami(command) => command.run(&cx),
            Command::Serve(command) => command.run(&cx),
            Command::Skill(skill) => match *skill {
                SkillCommand::Install(command) => command.run(&cx),
                SkillCommand::Uninstall(command) => command.run(&cx),
                SkillCommand::Adopt(command) => command.run(&cx),
                SkillCommand::Context(command) => command.run(&cx),
                SkillCommand::Enable(command) => command.run(&cx),
                SkillCommand::Disable(command) => command.run(&cx),
                SkillCommand::Versions(command) => command.run(&cx),
                SkillCommand::Use(command) => command.run(&cx),
                SkillCommand::Watch(command) => command.run(&cx),
                SkillCommand::Deps(command) => command.run(&cx),
                SkillCommand::Tree(command) => command.run(&cx),
                SkillCommand::Why(command) => command.run(&cx),
                SkillCommand::Update(command) => command.run(&cx),
                SkillCommand::Outdated(command) => command.run(&cx),
                SkillCommand::Follow(command) => command.run(&cx),
                SkillCommand::Unfollow(command) => command.run(&cx),
                SkillCommand::Following(command) => command.run(&cx),
                SkillCommand::Pin(command) => command.run(&cx),
                SkillCommand::Unpin(command) => command.run(&cx),
                SkillCommand::Restore(command) => command.run(&cx),
                SkillCommand::Rollback(command) => command.run(&cx),
                SkillCommand::History(command) => command.run(&cx),
                SkillCommand::Export(command) => command.run(&cx),
                SkillCommand::List(command) => command.run(&cx),
                SkillCommand::Search(command) => command.run(&cx),
                SkillCommand::Recommend(command) => command.run(&cx),
                SkillCommand::Usage(command) => command.run(&cx),
                SkillCommand::Show(command) => command.run(&cx),
                SkillCommand::Activate(command) => command.run(&cx),
                SkillCommand::Deactivate(command) => command.run(&cx),
                SkillCommand::Path(command) => command.run(&cx),
                SkillCommand::Open(command) => command.run(&cx),
                SkillCommand::Edit(command) => command.run(&cx),
                SkillCommand::Validate(command) => command.run(&cx),
                SkillCommand::Verify(command) => command.run(&cx),
                SkillCommand::Diff(command) => command.run(&cx),
                SkillCommand::Init(command) => command.run(&cx),
                SkillCommand::Pack(command) => command.run(&cx),
                SkillCommand::Publish(command) => command.run(&cx),
                SkillCommand::Yank(command) => command.run(&cx),
            },
        }
    }
}

/// True where something is wrong; false where a page of help or the version is the answer.
fn is_mistake(error: &clap::Error, args: &[OsString]) -> bool {
    // Who typed nothing gets the page, a program one document.
    let is_page = error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand;
    error.use_stderr() && (!is_page || args.iter().any(|arg| arg == "--json"))
}

/// Why a command line is not run.
#[derive(Debug)]
pub(crate) enum UsageError {
    /// Help or the version was asked for.
    Page(clap::Error),
    /// It was not understood.
    Wrong(Error),
}

/// What every command of the face is given: the workspace, and the way to talk.
pub(crate) struct CommandContext<'a> {
    pub(crate) workspace: Workspace,
    pub(crate) ui: &'a Ui,
}

impl CommandContext<'_> {
    pub(crate) fn env(&self) -> &Env {
        self.workspace.env()
    }
}
