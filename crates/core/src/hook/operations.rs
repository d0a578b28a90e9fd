//! What a user or a skill forbids or wants to be asked for, held against what an agent is about to
//! do. An operation is written as a command (`rm -rf`, `git push --force`), as a tool (`WebFetch`,
//! `Bash(npm publish:*)`), or by a name that means the same for every agent (`shell_exec`).
//!
//! A command is found however it is spelt: flags in any order, together or apart, long or short;
//! behind `&&`, `sudo`, `env` or `xargs`; inside `sh -c '…'`, `$(…)` and what is piped into a shell.
//! A line that is too long or too deep to be looked through is what it has the program's name of.
//! Not found is what only running it would show: aliases, functions and variables (`$X -rf`), scripts
//! in files, other languages (`python -c`), text that is decoded first. This keeps a model from a
//! mistake; against somebody who means it, only a sandbox helps.

use std::collections::BTreeSet;

use serde_json::Value;

use super::HookInput;
use super::shell::{SimpleCommand, split_commands, split_words};

/// How deep a command inside of a command is looked at.
const DEEPEST: usize = 8;
/// How many words of the commands of a line are looked at.
const MOST_WORDS: usize = 2_000_000;

/// Tools that give a text to a shell, of all agents.
const SHELL_TOOLS: &[&str] =
    &["Bash", "PowerShell", "bash", "shell", "exec_command", "local_shell", "run_shell_command"];

/// Names that mean the same for every agent, with the tools that they are.
const NAMED_TOOLS: &[(&str, &[&str])] = &[
    ("shell_exec", SHELL_TOOLS),
    (
        "file_read",
        &[
            "Read",
            "Glob",
            "Grep",
            "LS",
            "NotebookRead",
            "read_file",
            "read_many_files",
            "glob",
            "grep_search",
            "list_directory",
            "view_image",
        ],
    ),
    ("file_write", &["Write", "Edit", "MultiEdit", "NotebookEdit", "write_file", "replace", "apply_patch"]),
    ("http_get", &["WebFetch", "WebSearch", "web_fetch", "google_web_search", "web_search"]),
];

/// Programs that others are run by; the words behind them are looked at as commands.
const WRAPPERS: &[&str] = &[
    "sudo",
    "doas",
    "env",
    "nohup",
    "setsid",
    "exec",
    "command",
    "builtin",
    "time",
    "nice",
    "ionice",
    "stdbuf",
    "timeout",
    "xargs",
    "busybox",
    "toybox",
    "chroot",
    "unshare",
    "flock",
    "watch",
    "su",
    "ssh",
    "script",
    "parallel",
    "strace",
    "caffeinate",
    "find",
    "fd",
    "docker",
    "podman",
    "kubectl",
    "nix-shell",
    "runuser",
    "pkexec",
    "gosu",
    "su-exec",
    "setpriv",
    "nsenter",
    "taskset",
    "chrt",
    "prlimit",
    "unbuffer",
    "fakeroot",
    "proot",
    "bwrap",
    "firejail",
    "systemd-run",
    "systemd-inhibit",
    "valgrind",
    "ltrace",
    "entr",
    "direnv",
    "uv",
    "poetry",
    "pipenv",
    "bundle",
    "npx",
    "npm",
    "pnpm",
    "yarn",
    "mise",
    "function",
];
const SHELLS: &[&str] =
    &["sh", "bash", "zsh", "dash", "ksh", "mksh", "ash", "rbash", "fish", "pwsh", "powershell", "cmd"];
/// Shells to which all words behind the flag are one script.
const JOINING_SHELLS: &[&str] = &["pwsh", "powershell", "cmd"];
/// Programs that run what they read.
const READERS: &[&str] = &["source", ".", "at", "batch"];
/// Programs whose flags of one dash have more than one letter.
const LONG_WITH_ONE_DASH: &[&str] = &["find", "terraform", "tofu", "go", "java", "openssl", "ffmpeg"];
const DATABASES: &[&str] = &[
    "psql",
    "mysql",
    "mariadb",
    "sqlite3",
    "mongosh",
    "mongo",
    "redis-cli",
    "duckdb",
    "sqlcmd",
    "clickhouse",
];
const WRITING_WORDS: &[&str] =
    &["insert", "update", "delete", "drop", "alter", "truncate", "create", "grant", "merge", "replace"];

pub(super) fn is_shell_tool(tool: &str) -> bool {
    SHELL_TOOLS.contains(&tool)
}

/// An operation as it is written in settings or in a skill.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Operation {
    /// One of these tools, whatever it is given.
    Tools(Vec<String>),
    /// Writing into a database.
    DatabaseWrite,
    /// A command: its program, its flags, the words that it begins with.
    Command { program: String, flags: Flags, operands: Vec<String> },
    /// Text that stands in a command.
    Text(String),
}

/// The flags of a command.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Flags {
    short: Vec<char>,
    long: Vec<String>,
}

impl Operation {
    /// Reads one; nothing for a text without a word.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        if let Some((_, tools)) = NAMED_TOOLS.iter().find(|(name, _)| *name == text) {
            return Some(Self::Tools(tools.iter().map(|tool| (*tool).to_owned()).collect()));
        }
        if text == "database_write" {
            return Some(Self::DatabaseWrite);
        }
        if let Some((tool, rest)) = text.split_once('(')
            && let Some(rule) = rest.strip_suffix(')')
            && is_tool_name(tool)
        {
            let rule = rule.trim_end_matches('*').trim_end_matches(':').trim();
            if rule.is_empty() || !is_shell_tool(tool) {
                return Some(Self::Tools(vec![tool.to_owned()]));
            }
            return Self::parse_command(rule);
        }
        let is_one_word = !text.contains(char::is_whitespace);
        if is_one_word
            && is_tool_name(text)
            && (text.starts_with(|c: char| c.is_ascii_uppercase()) || text.starts_with("mcp_"))
        {
            return Some(Self::Tools(vec![text.to_owned()]));
        }
        Self::parse_command(text)
    }

    fn parse_command(text: &str) -> Option<Self> {
        let words = split_words(text);
        let (program, rest) = words.split_first()?;
        let is_program = |c: char| c.is_alphanumeric() || "._/\\+-".contains(c);
        // `DROP TABLE` is no program, nor is `:(){ :|:& };:`.
        let is_statement =
            rest.iter().any(|word| !word.starts_with('-')) && program.chars().all(|c| c.is_ascii_uppercase());
        if program.is_empty() || is_statement || !program.chars().all(is_program) {
            let text = one_line(text);
            return (!text.is_empty()).then_some(Self::Text(text));
        }
        let program = program_name(program);
        let has_long = LONG_WITH_ONE_DASH.contains(&program.as_str());
        let (flags, operands) = if has_long { read_long_flags(rest) } else { read_flags(rest) };
        Some(Self::Command { program, flags, operands })
    }

    /// True where a tool with this input is this operation.
    fn is_of(&self, input: &HookInput, commands: &RunCommands, lines: &[String]) -> bool {
        match self {
            Self::Tools(tools) => tools.contains(&input.tool),
            Self::DatabaseWrite => {
                let is_client = |words: &Vec<String>| {
                    words.first().is_some_and(|word| DATABASES.contains(&program_name(word).as_str()))
                };
                let is_database = input.tool.starts_with("mcp_") || commands.all.iter().any(is_client);
                is_database && says_any(&input.tool_input, WRITING_WORDS, 0)
            }
            Self::Command { program, flags, operands } => {
                let has_name = |line: &String| {
                    let is_part = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '+');
                    line.split(|c| !is_part(c)).any(|word| word.to_ascii_lowercase() == *program)
                };
                commands.all.iter().any(|words| is_command(words, program, flags, operands))
                    || (commands.is_cut && lines.iter().any(has_name))
            }
            Self::Text(text) => lines.iter().any(|line| one_line(line).contains(text)),
        }
    }
}

/// The first of these operations that a tool with this input would be; of one that cannot be read
/// nothing is.
pub fn find_forbidden<'o>(
    input: &HookInput,
    operations: impl IntoIterator<Item = &'o str>,
) -> Option<&'o str> {
    let operations: Vec<(&str, Option<Operation>)> =
        operations.into_iter().map(|text| (text, Operation::parse(text))).collect();
    let lines = input.shell_commands();
    let mut commands = RunCommands::default();
    for operation in operations.iter().filter_map(|(_, operation)| operation.as_ref()) {
        match operation {
            Operation::Command { program, .. } => drop(commands.wanted.insert(program.clone())),
            Operation::DatabaseWrite => {
                commands.wanted.extend(DATABASES.iter().map(|name| (*name).to_owned()));
            }
            Operation::Tools(_) | Operation::Text(_) => {}
        }
    }
    for line in &lines {
        commands.add_line(line, 0);
    }
    let is_this = |(text, operation): &(&str, Option<Operation>)| {
        *text == input.tool
            || operation.as_ref().is_some_and(|operation| operation.is_of(input, &commands, &lines))
    };
    operations.iter().find(|one| is_this(one)).map(|(text, _)| *text)
}

/// The commands that a tool would run, those that others run among them.
#[derive(Default)]
struct RunCommands {
    /// The programs that somebody asks about; others are not kept where one could be run by each of
    /// many words.
    wanted: BTreeSet<String>,
    all: Vec<Vec<String>>,
    /// Words of all of them.
    words: usize,
    /// Something was too long or too deep to be looked at.
    is_cut: bool,
}

impl RunCommands {
    fn add_line(&mut self, line: &str, depth: usize) {
        if depth > DEEPEST || self.words > MOST_WORDS {
            self.is_cut = true;
            return;
        }
        let commands = split_commands(line);
        self.is_cut |= commands.is_cut;
        commands.all.iter().for_each(|command| self.add(command, depth));
    }

    fn keep(&mut self, words: Vec<String>) {
        self.words = self.words.saturating_add(words.len());
        if self.words > MOST_WORDS {
            self.is_cut = true;
        } else {
            self.all.push(words);
        }
    }

    /// A command, and those that it runs.
    fn add(&mut self, command: &SimpleCommand, depth: usize) {
        let skipped = command.words.iter().take_while(|word| is_assignment(word)).count();
        let words = command.words.get(skipped..).unwrap_or_default();
        let Some((program, rest)) = words.split_first() else { return };
        let name = program_name(program);
        let mut own = words.to_vec();
        if name == "xargs" {
            // What it reads becomes words of the command.
            own.extend(command.input.split_whitespace().map(str::to_owned));
        }
        let rest = if name == "xargs" { own.get(1..).unwrap_or_default().to_vec() } else { rest.to_vec() };
        self.keep(own);
        if SHELLS.contains(&name.as_str()) {
            self.add_line_in(&command.input, depth);
            self.add_scripts(&name, &rest, depth);
        } else if READERS.contains(&name.as_str()) {
            self.add_line_in(&command.input, depth);
        } else if name == "eval" {
            self.add_line_in(&rest.join(" "), depth);
        } else if name == "trap" {
            rest.iter().take(1).for_each(|word| self.add_line_in(word, depth));
        } else if name == "git" {
            self.add_of_git(&rest, depth);
        } else if WRAPPERS.contains(&name.as_str()) {
            self.add_wrapped(&rest, &command.input, depth);
        }
    }

    fn add_line_in(&mut self, line: &str, depth: usize) {
        if !line.trim().is_empty() {
            self.add_line(line, depth + 1);
        }
    }

    /// Behind `-c` of a shell stands a script, whatever else stands between.
    fn add_scripts(&mut self, shell: &str, rest: &[String], depth: usize) {
        let is_c = |word: &String| {
            word.starts_with(['-', '/']) && !word.starts_with("--") && word.to_ascii_lowercase().contains('c')
        };
        let at = rest.iter().position(is_c).unwrap_or(rest.len());
        let behind = rest.get(at + 1..).unwrap_or_default();
        if JOINING_SHELLS.contains(&shell) {
            self.add_line_in(&behind.join(" "), depth);
        }
        let scripts = behind.iter().filter(|word| !word.starts_with('-'));
        scripts.for_each(|word| self.add_line_in(word, depth));
    }

    /// Which words are values of a wrapper's own flags differs from program to program: each word
    /// behind it may begin the command.
    fn add_wrapped(&mut self, rest: &[String], input: &str, depth: usize) {
        for (at, word) in rest.iter().enumerate() {
            if self.words > MOST_WORDS {
                self.is_cut = true;
                return;
            }
            let has_blank = word.contains([' ', '\t', '\n']);
            if word.starts_with('-') {
                // `-S'rm -rf x'`, `--exec='rm -rf x'`.
                if has_blank {
                    self.add_line_in(word.get(2..).unwrap_or_default(), depth);
                    self.add_line_in(word.split_once('=').map_or("", |(_, script)| script), depth);
                }
                continue;
            }
            if has_blank {
                self.add_line_in(word, depth);
            }
            let first = program_name(word);
            let runs_others = SHELLS.contains(&first.as_str()) || matches!(first.as_str(), "eval" | "git");
            if !runs_others && !self.wanted.contains(&first) && !is_pattern(word) {
                continue;
            }
            let words = rest.iter().skip(at).take_while(|word| *word != ";" && *word != "+").cloned();
            let words: Vec<String> = words.collect();
            match runs_others {
                false => self.keep(words),
                true if depth > DEEPEST => self.is_cut = true,
                true => {
                    let command = SimpleCommand::new(words, input);
                    self.add(&command, depth + 1);
                }
            }
        }
    }

    /// What git is told to run: an alias on the line, `--exec`, `bisect run`, `submodule foreach`.
    fn add_of_git(&mut self, rest: &[String], depth: usize) {
        for (at, word) in rest.iter().enumerate() {
            let next = rest.get(at + 1..).unwrap_or_default();
            let script = word.split_once('=').map(|(key, script)| (key.to_ascii_lowercase(), script));
            match (word.as_str(), script) {
                (_, Some((key, script))) if key.starts_with("alias.") => match script.strip_prefix('!') {
                    Some(script) => self.add_line_in(script, depth),
                    None => self.add_line_in(&format!("git {script}"), depth),
                },
                (_, Some((key, script))) if key == "--exec" || key.ends_with("-filter") => {
                    self.add_line_in(script, depth);
                }
                ("-x" | "--exec", _) => next.iter().take(1).for_each(|one| self.add_line_in(one, depth)),
                ("run" | "foreach", _) => {
                    self.add_line_in(&next.join(" "), depth);
                    self.add_wrapped(next, "", depth);
                }
                (word, _) if word.ends_with("-filter") => {
                    next.iter().take(1).for_each(|one| self.add_line_in(one, depth));
                }
                _ => {}
            }
        }
    }
}

/// `NAME=value`, `NAME+=value`, `NAME[1]=value`.
fn is_assignment(word: &str) -> bool {
    word.split_once('=').is_some_and(|(name, _)| {
        let name = name.strip_suffix('+').unwrap_or(name);
        let name =
            name.split_once('[').filter(|(_, rest)| rest.ends_with(']')).map_or(name, |(name, _)| name);
        !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || c == '_')
    })
}

fn is_command(words: &[String], program: &str, flags: &Flags, operands: &[String]) -> bool {
    let Some((first, rest)) = words.split_first() else { return false };
    let name = program_name(first);
    if name != program && !(is_pattern(first) && matches_pattern(&name, program)) {
        return false;
    }
    let has_long = LONG_WITH_ONE_DASH.contains(&program);
    let (mut has, given) = if has_long { read_long_flags(rest) } else { read_flags(rest) };
    if program == "git"
        && given.iter().any(|word| word == "push")
        && given.iter().any(|word| word.starts_with('+'))
    {
        // A branch with a `+` before it is pushed by force.
        has.long.push("force".to_owned());
    }
    let mut given = given.iter();
    flags.are_in(&has) && operands.iter().all(|wanted| given.any(|word| word == wanted))
}

/// A name that the shell replaces with those of files: `/bin/r?`.
fn is_pattern(word: &str) -> bool {
    word.contains(['?', '*', '['])
}

/// Whether a pattern of a shell may stand for a name; what is in brackets may be anything.
fn matches_pattern(pattern: &str, name: &str) -> bool {
    // Only `*` stands for nothing or for much: at most so many ways as there are places for one.
    let pattern: Vec<char> = simplify_pattern(pattern);
    let name: Vec<char> = name.chars().collect();
    let mut reached = vec![false; name.len() + 1];
    reached[0] = true;
    for sign in pattern {
        let mut next = vec![false; name.len() + 1];
        for at in 0..=name.len() {
            match sign {
                '*' => next[at] = reached[at] || (at > 0 && next[at - 1]),
                sign if at > 0 => next[at] = reached[at - 1] && (sign == '?' || sign == name[at - 1]),
                _ => {}
            }
        }
        reached = next;
    }
    reached[name.len()]
}

/// Brackets as `?`.
fn simplify_pattern(pattern: &str) -> Vec<char> {
    let mut simple = Vec::new();
    let mut chars = pattern.chars();
    while let Some(c) = chars.next() {
        if c == '[' && chars.clone().any(|c| c == ']') {
            chars.by_ref().find(|c| *c == ']');
            simple.push('?');
        } else {
            simple.push(c);
        }
    }
    simple
}

/// The name of a program without its folder and ending.
fn program_name(word: &str) -> String {
    let name = word.rsplit(['/', '\\']).next().unwrap_or(word).to_ascii_lowercase();
    name.strip_suffix(".exe").unwrap_or(&name).to_owned()
}

/// Flags and other words.
fn read_flags(words: &[String]) -> (Flags, Vec<String>) {
    let (mut flags, mut operands) = (Flags::default(), Vec::new());
    let mut words = words.iter();
    while let Some(word) = words.next() {
        match word.strip_prefix("--") {
            Some("") => {
                operands.extend(words.by_ref().cloned());
            }
            Some(long) => flags.long.push(long.split('=').next().unwrap_or(long).to_owned()),
            None => match word.strip_prefix('-').filter(|short| !short.is_empty()) {
                Some(short) => flags.short.extend(short.chars()),
                None => operands.push(word.clone()),
            },
        }
    }
    (flags, operands)
}

/// The same of a program whose long flags have one dash.
fn read_long_flags(words: &[String]) -> (Flags, Vec<String>) {
    let (flags, operands): (Vec<&String>, Vec<&String>) =
        words.iter().partition(|word| word.starts_with('-') && word.len() > 1);
    let name = |word: &String| word.trim_start_matches('-').split('=').next().unwrap_or_default().to_owned();
    let long = flags.into_iter().map(name).collect();
    (Flags { short: Vec::new(), long }, operands.into_iter().cloned().collect())
}

/// Long flags that have the same short one wherever they are known.
const SAME: &[(&str, &[char])] = &[("recursive", &['r', 'R']), ("force", &['f'])];

impl Flags {
    /// True where all of these are among `given`, long or short; a long one may be cut, as programs
    /// let it be.
    fn are_in(&self, given: &Self) -> bool {
        let has_long = |wanted: &str| {
            given.long.iter().any(|long| !long.is_empty() && wanted.starts_with(long.as_str()))
        };
        let short = self.short.iter().all(|c| {
            let same = SAME.iter().find(|(_, short)| short.contains(c));
            given.short.contains(c)
                || same.is_some_and(|(long, short)| {
                    has_long(long) || short.iter().any(|c| given.short.contains(c))
                })
        });
        let long = self.long.iter().all(|long| {
            let same = SAME.iter().find(|(known, _)| known == long);
            has_long(long) || same.is_some_and(|(_, short)| short.iter().any(|c| given.short.contains(c)))
        });
        short && long
    }
}

fn is_tool_name(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-')
}

/// A text in small letters with one blank between words.
fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase()
}

fn says_any(value: &Value, words: &[&str], depth: usize) -> bool {
    match value {
        Value::String(text) => {
            let text = text.to_ascii_lowercase();
            text.split(|c: char| !c.is_ascii_alphanumeric()).any(|word| words.contains(&word))
        }
        Value::Array(all) => depth < 16 && all.iter().any(|one| says_any(one, words, depth + 1)),
        Value::Object(all) => depth < 16 && all.values().any(|one| says_any(one, words, depth + 1)),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn is_found(operation: &str, tool: &str, input: &Value) -> bool {
        let text =
            json!({"hook_event_name": "PreToolUse", "tool_name": tool, "tool_input": input}).to_string();
        let input = HookInput::parse(text.as_bytes(), None).unwrap();
        find_forbidden(&input, [operation]).is_some()
    }

    fn is_run(operation: &str, command: &str) -> bool {
        is_found(operation, "Bash", &json!({"command": command}))
    }

    #[test]
    fn a_command_is_found_however_it_is_spelt() {
        for command in [
            "rm -rf x",
            "rm  -fr x",
            "rm -r -f x",
            "rm -Rf x",
            "rm x -rf",
            "rm --recursive --force x",
            "rm --rec -f x",
            "/bin/rm -rf x",
            "\\rm -rf x",
            "r''m -rf x",
            "'rm' '-rf' x",
            "$'\\x72m' -rf x",
            "rm -rfv -- x",
            "cd /tmp && rm -rf x",
            "true; rm -rf x",
            "false || rm -rf x",
            "ls | xargs rm -rf",
            "sudo rm -rf x",
            "sudo -u root -E rm -rf x",
            "env A=1 rm -rf x",
            "A=1 B=2 rm -rf x",
            "nohup timeout 5 rm -rf x &",
            "sh -c 'rm -rf x'",
            "bash -lc \"cd x && rm -rf y\"",
            "sudo sh -c 'sudo rm -rf x'",
            "bash -c 'bash -c \"rm -rf x\"'",
            "eval 'rm -rf x'",
            "echo $(rm -rf x)",
            "echo `rm -rf x`",
            "(rm -rf x)",
            "{ rm -rf x; }",
            "if true; then rm -rf x; fi",
            "for f in *; do rm -rf $f; done",
            "find . -name x -exec rm -rf {} \\;",
            "echo 'rm -rf x' | sh",
            "sh <<EOF\nrm -rf x\nEOF",
            "bash <<< 'rm -rf x'",
            "docker run x rm -rf /data",
            "ssh host 'rm -rf x'",
            "true\nrm -rf x",
            "rm \\\n -rf x",
            "time rm -rf x",
            "! rm -rf x",
        ] {
            assert!(is_run("rm -rf", command), "{command}");
        }
    }

    /// What somebody writes who wants to get past it, and what a shell makes of the line alone.
    #[test]
    fn tricks_that_a_shell_sees_through_are_seen_through() {
        let padded = format!("{} sh -c 'rm -rf x'", "true; ".repeat(20_000));
        let many_words = format!("sudo rm {} -rf", "x ".repeat(1_000));
        for command in [
            // The words of the line.
            "rm${IFS}-rf${IFS}x",
            "rm$IFS-rf$IFS.",
            "rm${IFS%?}-rf x",
            "{rm,-rf,x}",
            "r{m,} -rf x; rm -r{f,} x",
            "$\"rm\" -rf x",
            "$'\\x72\\155' -rf x",
            "/bin/r? -rf x",
            "/*/r[m] -rf x",
            "sudo /bin/r* -rf x",
            "A=1\u{a0}B rm -rf x",
            "x\u{2003}# ; rm -rf x",
            "x\r# ; rm -rf x",
            "A+=1 rm -rf x",
            "A[0]=1 rm -rf x",
            "{fd}>y rm -rf x",
            "<y 2>&1 rm -rf x",
            "function f { rm -rf x; }; f",
            "f() { rm -rf x; }",
            "coproc rm -rf x",
            "case x in x) rm -rf x;; esac",
            "trap 'rm -rf x' EXIT",
            // What is inside of others.
            "echo $(case x in x) rm -rf y;; esac)",
            "echo `echo \\`rm -rf x\\``",
            "$(echo rm) -rf x",
            "`printf rm` -rf x",
            "$(echo rm -rf x)",
            "echo \"${x:-$(rm -rf y)}\"",
            "cat <<EOF\n$(rm -rf x)\nEOF",
            "cat <<EOF\nit's `rm -rf x`\nEOF",
            "cat <<EOF\n\tEOF\n'\nEOF\nrm -rf x #'",
            "sh <<EOF && echo done\nrm -rf x\nEOF",
            "cat <<EOF | sh\nrm -rf x\nEOF",
            "bash -c \"$(cat <<EOF\nrm -rf x\nEOF\n)\"",
            "echo rm -rf x | cat | sudo sh",
            "(echo rm -rf x) | sh -s \"$(true)\"",
            "sh < <(echo rm -rf x)",
            "source <(echo rm -rf x)",
            ". /dev/stdin <<< 'rm -rf x'",
            "at now <<< 'rm -rf x'",
            "echo '-rf x' | xargs rm",
            // What runs others.
            "command -p rm -rf x",
            "env -i A=1 rm -rf x",
            "env -S'rm -rf x'",
            "su -c'rm -rf x'",
            "busybox rm -rf x",
            "npm exec -- rm -rf x",
            "uv run rm -rf x",
            "git -c alias.x='!rm -rf y' x",
            "git rebase --exec 'rm -rf x' main",
            "git submodule foreach rm -rf x",
            "git bisect run sh -c 'rm -rf x'",
            "git filter-branch --tree-filter 'rm -rf x'",
            "sudo git -c alias.x='!rm -rf y' x",
            "pwsh -Command rm -rf x",
            "cmd /c rm -rf x",
            "eval eval eval eval eval eval eval eval eval eval rm -rf x",
            &padded,
            &many_words,
        ] {
            assert!(is_run("rm -rf", command), "{}", command.get(..200).unwrap_or(command));
        }
        assert!(is_run("git push --force", "git push origin +main"));
        assert!(is_run("git push --force", "git -c alias.p='push -f' p"));
        assert!(is_run("find -delete", "find . -type f -delete"));
        assert!(!is_run("find -delete", "find . -ls -depth -type f"));
        assert!(is_run("terraform apply -auto-approve", "terraform apply --auto-approve x"));
    }

    /// A line that cannot be looked through is none that passes.
    #[test]
    fn what_is_too_much_to_be_looked_at_counts_by_its_name() {
        let deep = |script: &str| format!("{}{script}{}", "$(".repeat(50), ")".repeat(50));
        let long = |script: &str| format!("{} {script}", "true;".repeat(300_000));
        for wrap in [&deep as &dyn Fn(&str) -> String, &long] {
            assert!(is_run("rm -rf", &wrap("rm -rf x")));
            assert!(!is_run("rm -rf", &wrap("farm x")));
        }
        let words = format!("sudo {}", "rm ".repeat(100_000));
        assert!(is_run("rm -rf", &words));
    }

    #[test]
    fn what_is_something_else_is_not_found() {
        for command in [
            "rm x",
            "rm -r x",
            "rm -f x",
            "rm -- -rf",
            "ls -rf",
            "echo 'rm -rf x'",
            "echo rm -rf x > notes.txt",
            "git commit -m 'do not rm -rf'",
            "grep -rf patterns .",
            "cat <<EOF\nrm -rf x\nEOF",
            "# rm -rf x",
            "farm -rf x",
            "cat <<EOF > notes; sh build.sh\nrm -rf x\nEOF",
            "cat <<'EOF'\n$(rm -rf x)\nEOF",
            "echo '{rm,-rf,x}' \"rm$IFS-rf\"",
            "ls *.rs | wc -l -rf",
            "sudo ls -rf x",
            "git log --format='rm -rf'",
            "git push --force-with-lease",
            "npm run build",
            "",
        ] {
            assert!(!is_run("rm -rf", command), "{command}");
        }
    }

    /// What is said above not to be caught is not: who reads it can rely on it.
    #[test]
    fn what_only_running_would_show_is_not_found() {
        for command in ["X=rm; $X -rf y", "alias k='rm -rf'; k x", "./clean.sh", "python -c 'import shutil'"]
        {
            assert!(!is_run("rm -rf", command), "{command}");
        }
    }

    #[test]
    fn operations_are_written_in_several_ways() {
        assert!(is_run("git push --force", "git -C x push origin main -f"));
        assert!(is_run("git push", "git push"));
        assert!(!is_run("git push --force", "git push") && !is_run("git push", "git pull"));
        assert!(
            is_run("Bash(npm publish:*)", "npm publish --tag x")
                && !is_run("Bash(npm publish:*)", "npm test")
        );
        assert!(is_run("Bash", "ls") && is_run("shell_exec", "ls") && !is_run("file_write", "ls"));
        assert!(is_run("curl", "a; curl x") && is_run("DROP TABLE", "psql -c 'drop  table x'"));
        assert!(is_run(":(){ :|:& };:", ":(){ :|:& };:"));
        assert!(is_found("file_write", "Write", &json!({"file_path": "x"})));
        assert!(
            is_found("file_read", "read_file", &json!({})) && is_found("WebFetch", "WebFetch", &json!({}))
        );
        assert!(is_found("mcp__db__query", "mcp__db__query", &json!({})));
        assert!(
            is_run("database_write", "psql -c 'DELETE FROM x'")
                && !is_run("database_write", "psql -c 'SELECT 1'")
        );
        assert!(is_found("database_write", "mcp__db__query", &json!({"sql": "insert into x"})));
        assert!(!is_run("", "ls") && !is_run("   ", "ls") && !is_run("()", "ls"));
        assert!(is_found("rm -rf", "exec_command", &json!({"cmd": "rm -rf x"})));
        assert!(is_found("rm -rf", "shell", &json!({"command": ["bash", "-lc", "rm -rf 'x y'"]})));
        assert!(!is_found("rm -rf", "Write", &json!({"content": "rm -rf x", "command": "rm -rf x"})));
    }

    proptest! {
        #[test]
        fn no_command_makes_it_panic(operation in "\\PC{0,30}", command in "\\PC{0,80}") {
            let _ = is_run(&operation, &command);
        }

        /// However it is wrapped, as often as one likes.
        #[test]
        fn wrapping_hides_nothing(wraps in proptest::collection::vec(0usize..6, 0..5)) {
            let mut command = "rm -rf x".to_owned();
            for wrap in wraps {
                command = match wrap {
                    0 => format!("sudo {command}"),
                    1 => format!("true && {command}"),
                    2 => format!("({command})"),
                    3 => format!("sh -c '{}'", command.replace('\'', "'\\''")),
                    4 => format!("echo $({command})"),
                    _ => format!("if true; then {command}; fi"),
                };
            }
            prop_assert!(is_run("rm -rf", &command), "{}", command);
        }
    }
}
