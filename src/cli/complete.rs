//! What is offered at a TAB: the library reads the line by the definition, this file adds what
//! only this machine knows, and leaves out what nobody would want.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::Duration;

use clap::builder::StyledStr;
use clap_complete::engine::{
    ArgValueCompleter, CompletionCandidate, PathCompleter, ValueCompleter as _, complete,
};
use clap_complete::env::{Bash, Elvish, EnvCompleter, Fish, Powershell, Zsh};

use super::Cli;
use super::shortcut::{is_short_form, position_of_word, with_skill_word};
use crate::builtin::BUILTIN;
use ba_agent_core::error::{is_unprintable, printable};
use ba_agent_engine::ops::complete as known;
use ba_agent_engine::ops::complete::KnownWord;
use ba_agent_engine::workspace::{Workspace, WorkspaceOptions};
use ba_agent_system::env::Env;

/// Nobody waits longer for a TAB, whatever a project or a disk does.
const PATIENCE: Duration = Duration::from_secs(2);
/// Letters of a description.
const ABOUT: usize = 60;

/// The line before the word that is completed, for whoever knows more than the definition.
static LINE: OnceLock<TypedLine> = OnceLock::new();

struct TypedLine {
    words: Vec<String>,
    workspace: Workspace,
}

/// Prints the candidates for the line in `args`, in the form that the shell wants. What goes wrong
/// gives no candidates: a TAB never prints an error.
pub(crate) fn print_candidates(shell: &str, args: Vec<OsString>, index: Option<&str>) -> Option<Vec<u8>> {
    std::thread::spawn(|| {
        std::thread::sleep(PATIENCE);
        std::process::exit(0);
    });
    let shell: &dyn EnvCompleter = match shell {
        "bash" => &Bash,
        "elvish" => &Elvish,
        "fish" => &Fish,
        "powershell" => &Powershell,
        "zsh" => &Zsh,
        _ => return None,
    };
    let mut words: Vec<OsString> = args.into_iter().skip_while(|arg| arg != "--").skip(1).collect();
    let index = index.and_then(|text| text.parse().ok()).unwrap_or_else(|| words.len().saturating_sub(1));
    words.truncate(index + 1);
    while words.len() <= index {
        words.push(OsString::new());
    }
    let quotes_itself = matches!(shell.name(), "zsh" | "fish");
    let candidates = find_candidates(words, quotes_itself)?;
    let mut printed = Vec::new();
    print_for(shell, candidates, index, &mut printed)?;
    Some(printed)
}

/// A word, and what it is.
type Offered = (OsString, Option<StyledStr>);

/// The library writes each shell's form for what it has found; here it finds what was found before.
fn print_for(
    shell: &dyn EnvCompleter,
    candidates: Vec<Offered>,
    index: usize,
    to: &mut Vec<u8>,
) -> Option<()> {
    let candidate = |(word, about): &Offered| CompletionCandidate::new(word.clone()).help(about.clone());
    let found = move |_: &OsStr| candidates.iter().map(candidate).collect::<Vec<_>>();
    let anything = clap::Arg::new("words").num_args(0..).add(ArgValueCompleter::new(found));
    let mut command = clap::Command::default().name("ba-agent").disable_help_flag(true).arg(anything);
    shell.write_complete(&mut command, vec![OsString::new(); index + 1], None, to).ok()
}

/// What can stand in the place of the last of `words`.
fn find_candidates(words: Vec<OsString>, quotes_itself: bool) -> Option<Vec<Offered>> {
    let env = Env::read(None).ok()?;
    let folder = env.cwd.clone();
    let mut definition = completing_definition();
    let last = words.last()?.to_string_lossy().into_owned();
    let before: Vec<String> =
        words[..words.len() - 1].iter().map(|word| word.to_string_lossy().into_owned()).collect();
    let workspace = Workspace::new(env, workspace_options(&before));
    LINE.set(TypedLine { words: before.clone(), workspace }).ok()?;
    let is_first = position_of_word(&definition, &words, 1) == Some(words.len() - 1);
    let mut found = Vec::new();
    if is_first && !last.starts_with('-') {
        // The verbs of `skill` stand here too.
        let mut longer = words.clone();
        longer.insert(words.len() - 1, "skill".into());
        let verbs = complete(&mut definition.clone(), longer, words.len(), Some(&folder)).ok()?;
        let is_verb = |word: &CompletionCandidate| {
            word.get_value().to_str().is_some_and(|word| is_short_form(&definition, word))
        };
        found.extend(verbs.into_iter().filter(is_verb));
    }
    let words = with_skill_word(&definition, words);
    let at = words.len() - 1;
    found.extend(complete(&mut definition, words, at, Some(&folder)).ok()?);
    let is_wanted = |candidate: &CompletionCandidate| {
        let Some(value) = candidate.get_value().to_str() else { return false };
        value.starts_with('-') == last.starts_with('-')
            && is_safe_to_insert(value, quotes_itself)
            && (value.starts_with('-') || value == last || !before[1..].iter().any(|word| word == value))
    };
    found.retain(is_wanted);
    Some(found.into_iter().map(plain_candidate).collect())
}

/// One line of description without control characters, and no groups of the library's.
fn plain_candidate(candidate: CompletionCandidate) -> Offered {
    let help = candidate.get_help().map(|help| {
        let text = printable(help.to_string().lines().next().unwrap_or_default(), false);
        text.chars().take(ABOUT).collect::<String>().into()
    });
    (candidate.get_value().to_owned(), help)
}

/// False for what a shell would not take as one word, or would run: a candidate is inserted into
/// a command line as it stands, and may come from whoever named a file or a branch.
fn is_safe_to_insert(value: &str, quotes_itself: bool) -> bool {
    let is_plain = |c: char| c.is_alphanumeric() || "-_./@:+=,%~^#".contains(c);
    !value.is_empty()
        && value.chars().all(|c| is_plain(c) || (quotes_itself && !is_unprintable(c)))
        && !value.starts_with('#')
}

/// The definition with each command under its own name alone; an alias is understood, and offered
/// only where nothing else begins so.
fn completing_definition() -> clap::Command {
    fn prepare(above: &str, command: clap::Command) -> clap::Command {
        let name = format!("{above} {}", command.get_name());
        let visible = command.get_visible_aliases().count();
        let aliases: Vec<String> = command.get_all_aliases().map(str::to_owned).collect();
        let command = match visible {
            0 => command,
            _ => command.visible_alias(clap::builder::Resettable::Reset).aliases(aliases),
        };
        let command = command.mut_args(|arg| match completer_of(name.trim_start(), arg.get_id().as_str()) {
            Some(completer) => arg.add(ArgValueCompleter::new(completer)),
            None => arg,
        });
        command.mut_subcommands(|below| prepare(&name, below))
    }
    Cli::bare_definition().mut_subcommands(|command| prepare("", command))
}

type Completer = fn(&OsStr) -> Vec<CompletionCandidate>;

/// Who knows what an argument can be, by the names of its command and its own.
fn completer_of(command: &str, argument: &str) -> Option<Completer> {
    Some(match (command, argument) {
        ("skill install", "sources") => sources,
        ("skill show", "what") => skills_and_sources,
        ("skill install", "skills") | ("skill show", "skill") => skills_of_source,
        ("skill install" | "skill show", "reference") => refs_of_source,
        ("skill install" | "skill search", "marketplace") => marketplaces,
        ("skill install", "allow") => codes,
        ("skill search", "tag") => tags,
        ("skill search", "category") => categories,
        ("skill rollback", "to") => changes,
        ("skill update", "source") | ("marketplace add", "words") => paths,
        ("marketplace show", "name") => marketplaces,
        ("marketplace remove" | "marketplace update", "names") => marketplaces,
        ("marketplace enable" | "marketplace disable", "names") => marketplaces,
        _ => return None,
    })
}

fn line() -> Option<&'static TypedLine> {
    LINE.get()
}

/// `--project DIR` and `--global` as far as they are typed.
fn workspace_options(words: &[String]) -> WorkspaceOptions {
    let project = value_in(words, &["--project"]).map(PathBuf::from);
    let global = words.iter().any(|word| word == "--global" || word == "-g");
    WorkspaceOptions { global: global && project.is_none(), project, offline: true, builtin: BUILTIN }
}

/// The last value of a flag on the line.
fn value_in(words: &[String], flags: &[&str]) -> Option<String> {
    let value = |(at, word): (usize, &String)| {
        if flags.contains(&word.as_str()) {
            return words.get(at + 1).cloned();
        }
        flags.iter().find_map(|flag| word.strip_prefix(*flag)?.strip_prefix('=').map(str::to_owned))
    };
    words.iter().enumerate().filter_map(value).next_back()
}

/// The source on the line: the first word behind the verb that is no flag and no value of one.
fn typed_source(words: &[String]) -> Option<&str> {
    let mut at = 1;
    while let Some(word) = words.get(at) {
        let takes_value =
            ["--project", "--agent", "-a", "--skill", "-s", "--ref", "--from", "--allow", "--as"];
        if takes_value.contains(&word.as_str()) {
            at += 2;
            continue;
        }
        if !word.starts_with('-') && word.contains(['/', ':']) {
            return Some(word);
        }
        at += 1;
    }
    None
}

fn offer(words: Vec<KnownWord>, begin: &OsStr) -> Vec<CompletionCandidate> {
    let begin = begin.to_string_lossy();
    let fitting = words.into_iter().filter(|known| known.word.starts_with(&*begin));
    fitting.map(|known| CompletionCandidate::new(known.word).help(known.about.map(Into::into))).collect()
}

/// Names of the skills that are installed here, in the project and for the user.
pub(crate) fn installed_names() -> Vec<CompletionCandidate> {
    line().map_or_else(Vec::new, |line| offer(known::known_skills(&line.workspace), OsStr::new("")))
}

/// Names of the remote registries in the settings.
pub(crate) fn registry_names() -> Vec<CompletionCandidate> {
    line().map_or_else(Vec::new, |line| offer(known::known_registries(&line.workspace), OsStr::new("")))
}

/// Skills of registries that are followed.
pub(crate) fn followed_names() -> Vec<CompletionCandidate> {
    line().map_or_else(Vec::new, |line| offer(known::known_followed(&line.workspace), OsStr::new("")))
}

/// Names of the skills that lie here without being installed.
pub(crate) fn unmanaged_names() -> Vec<CompletionCandidate> {
    line().map_or_else(Vec::new, |line| offer(known::known_unmanaged(&line.workspace), OsStr::new("")))
}

/// Ids of the agents that can be targets.
pub(crate) fn agent_names() -> Vec<CompletionCandidate> {
    let agents = ba_agent_core::agents::all_agents().iter();
    agents.map(|agent| CompletionCandidate::new(agent.id).help(Some(agent.name.into()))).collect()
}

fn paths(begin: &OsStr) -> Vec<CompletionCandidate> {
    PathCompleter::any().complete(begin)
}

fn marketplaces(begin: &OsStr) -> Vec<CompletionCandidate> {
    line().map_or_else(Vec::new, |line| offer(known::known_marketplaces(&line.workspace), begin))
}

/// Catalogue names, the skills of `owner/repo@`, folders and archives.
fn sources(begin: &OsStr) -> Vec<CompletionCandidate> {
    let Some(line) = line() else { return Vec::new() };
    let text = begin.to_string_lossy();
    if let Some((source, _)) = text.rsplit_once('@').filter(|(source, _)| source.contains('/')) {
        let mut skills = known::known_skills_of(&line.workspace, source, None);
        skills.iter_mut().for_each(|skill| skill.word = format!("{source}@{}", skill.word));
        return offer(skills, begin);
    }
    let marketplace = value_in(&line.words, &["--source"]);
    let mut found = offer(known::known_entries(&line.workspace, &text, marketplace.as_deref()), begin);
    if marketplace.is_none() {
        found.extend(paths(begin));
    }
    found
}

fn skills_and_sources(begin: &OsStr) -> Vec<CompletionCandidate> {
    let mut found = line().map_or_else(Vec::new, |line| offer(known::known_skills(&line.workspace), begin));
    found.extend(sources(begin));
    found
}

fn skills_of_source(begin: &OsStr) -> Vec<CompletionCandidate> {
    let Some(line) = line() else { return Vec::new() };
    let Some(source) = typed_source(&line.words) else { return Vec::new() };
    let reference = value_in(&line.words, &["--ref"]);
    offer(known::known_skills_of(&line.workspace, source, reference.as_deref()), begin)
}

fn refs_of_source(begin: &OsStr) -> Vec<CompletionCandidate> {
    let Some(line) = line() else { return Vec::new() };
    let Some(source) = typed_source(&line.words) else { return Vec::new() };
    offer(known::known_refs(&line.workspace, source), begin)
}

fn changes(begin: &OsStr) -> Vec<CompletionCandidate> {
    line().map_or_else(Vec::new, |line| offer(known::known_changes(&line.workspace), begin))
}

fn categories(begin: &OsStr) -> Vec<CompletionCandidate> {
    line().map_or_else(Vec::new, |line| offer(known::known_labels(&line.workspace).0, begin))
}

fn tags(begin: &OsStr) -> Vec<CompletionCandidate> {
    line().map_or_else(Vec::new, |line| offer(known::known_labels(&line.workspace).1, begin))
}

fn codes(begin: &OsStr) -> Vec<CompletionCandidate> {
    let codes = ba_agent_core::skill::allowable_codes();
    offer(codes.map(|code| KnownWord { word: code.to_owned(), about: None }).collect(), begin)
}

/// Names of the settings.
pub(crate) fn setting_keys() -> Vec<CompletionCandidate> {
    offer(known::known_settings(), OsStr::new(""))
}
