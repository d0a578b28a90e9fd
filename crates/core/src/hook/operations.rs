//! What a user or a skill forbids or wants to be asked for, held against what an agent is about to
//! do. An operation is written as a command (`rm -rf`, `git push --force`), as a tool (`WebFetch`,
//! `Bash(npm publish:*)`), or by a name that means the same for every agent (`shell_exec`).
//!
//! A command is found however it is spelt: flags in any order, together or apart, long or short;
//! behind `&&`, `sudo`, `env` or `xargs`; inside `sh -c '…'`, `$(…)` and what is piped into a shell.
//! Not found is what only running it would show: aliases, functions and variables (`$X -rf`), scripts
//! in files, other languages (`python -c`), text that is decoded first. This keeps a model from a
//! mistake; against somebody who means it, only a sandbox helps.

use serde_json::Value;

use super::HookInput;
use super::shell::{SimpleCommand, split_commands, split_words};

/// How deep a command inside of a command is looked at.
const DEEPEST: usize = 6;
/// How many commands of a line are looked at, and how many words of one that another runs.
const MOST_COMMANDS: usize = 10_000;
const LONGEST_COMMAND: usize = 256;

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
];
const SHELLS: &[&str] = &["sh", "bash", "zsh", "dash", "ksh", "ash", "fish", "pwsh", "powershell", "cmd"];
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
        let (flags, operands) = read_flags(rest);
        Some(Self::Command { program: program_name(program), flags, operands })
    }

    /// True where a tool with this input is this operation.
    fn is_of(&self, input: &HookInput, commands: &[Vec<String>], lines: &[String]) -> bool {
        match self {
            Self::Tools(tools) => tools.contains(&input.tool),
            Self::DatabaseWrite => {
                let is_client = |words: &Vec<String>| {
                    words.first().is_some_and(|word| DATABASES.contains(&program_name(word).as_str()))
                };
                let is_database = input.tool.starts_with("mcp_") || commands.iter().any(is_client);
                is_database && says_any(&input.tool_input, WRITING_WORDS, 0)
            }
            Self::Command { program, flags, operands } => {
                commands.iter().any(|words| is_command(words, program, flags, operands))
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
    let lines = input.shell_commands();
    let mut commands = Vec::new();
    for line in &lines {
        for command in split_commands(line) {
            unfold_command(&command, 0, &mut commands);
        }
    }
    operations.into_iter().find(|text| {
        *text == input.tool
            || Operation::parse(text).is_some_and(|operation| operation.is_of(input, &commands, &lines))
    })
}

/// A command, and those that it runs.
fn unfold_command(command: &SimpleCommand, depth: usize, found: &mut Vec<Vec<String>>) {
    let is_assignment = |word: &&String| {
        word.split_once('=').is_some_and(|(name, _)| {
            !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || c == '_')
        })
    };
    let skipped = command.words.iter().take_while(is_assignment).count();
    let words = command.words.get(skipped..).unwrap_or_default();
    let Some((program, rest)) = words.split_first() else { return };
    found.push(words.to_vec());
    if depth >= DEEPEST || found.len() >= MOST_COMMANDS {
        return;
    }
    let name = program_name(program);
    if SHELLS.contains(&name.as_str()) {
        unfold_line(&command.input, depth, found);
        // Behind `-c` stands a script, whatever else stands between.
        let is_c = |word: &String| {
            word.starts_with(['-', '/']) && !word.starts_with("--") && word.to_ascii_lowercase().contains('c')
        };
        let at = rest.iter().position(is_c).unwrap_or(rest.len());
        let scripts = rest.iter().skip(at + 1).filter(|word| !word.starts_with('-'));
        scripts.for_each(|word| unfold_line(word, depth, found));
    } else if name == "eval" {
        unfold_line(&rest.join(" "), depth, found);
    } else if WRAPPERS.contains(&name.as_str()) {
        // Which words are values of its own flags differs from program to program: each word behind
        // it may begin the command.
        for (at, word) in rest.iter().enumerate().filter(|(_, word)| !word.starts_with('-')) {
            if word.contains(char::is_whitespace) {
                unfold_line(word, depth, found);
            }
            if found.len() >= MOST_COMMANDS {
                break;
            }
            let words = rest.iter().skip(at).take(LONGEST_COMMAND);
            let words: Vec<String> = words.take_while(|word| *word != ";" && *word != "+").cloned().collect();
            let first = program_name(word);
            if SHELLS.contains(&first.as_str()) || first == "eval" {
                unfold_command(&SimpleCommand { words, input: command.input.clone() }, depth + 1, found);
            } else {
                found.push(words);
            }
        }
    }
}

fn unfold_line(line: &str, depth: usize, found: &mut Vec<Vec<String>>) {
    split_commands(line).iter().for_each(|command| unfold_command(command, depth + 1, found));
}

fn is_command(words: &[String], program: &str, flags: &Flags, operands: &[String]) -> bool {
    let Some((first, rest)) = words.split_first() else { return false };
    if program_name(first) != program {
        return false;
    }
    let (has, given) = read_flags(rest);
    let mut given = given.iter();
    flags.are_in(&has) && operands.iter().all(|wanted| given.any(|word| word == wanted))
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
