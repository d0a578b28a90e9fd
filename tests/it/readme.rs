//! The README says what the program does: its commands are understood. `tour.rs` types them.

use std::sync::Mutex;

const README: &str = include_str!("../../README.md");
pub(crate) const PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/README.md");

/// Held by a test that may write the README.
pub(crate) static WRITING: Mutex<()> = Mutex::new(());

/// The words of a command line as a shell splits them: blanks, and double quotes.
fn words(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quoted = false;
    for c in line.split(" #").next().unwrap().trim().chars() {
        match c {
            '"' => quoted = !quoted,
            ' ' if !quoted => words.push(String::new()),
            c => words.last_mut().unwrap().push(c),
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

#[test]
fn every_command_of_the_readme_is_one() {
    let is_command = |line: &&str| line.starts_with("$ ba-agent ") || line.starts_with("ba-agent skill ");
    let lines: Vec<&str> = README.lines().map(str::trim).filter(is_command).collect();
    assert!(lines.len() > 15, "{lines:?}");
    for line in lines {
        let command = line.trim_start_matches("$ ");
        let command = command.split('|').next().unwrap();
        let parsed = ba_agent::command().try_get_matches_from(words(command));
        assert!(parsed.is_ok(), "{line}\n{}", parsed.unwrap_err());
    }
}

/// `GROUP VERB` and what it does, of every command that can be typed.
fn commands(path: &str, command: &clap::Command, rows: &mut Vec<String>) {
    let below = command.get_subcommands().filter(|sub| sub.get_name() != "help" && !sub.is_hide_set());
    for sub in below {
        let path = format!("{path} {}", sub.get_name());
        // What can be typed without a word behind it is a command, whatever else is below it.
        if !sub.has_subcommands() || !sub.is_subcommand_required_set() {
            rows.push(format!("| `{}` | {} |\n", path.trim(), sub.get_about().unwrap()));
        }
        commands(&path, sub, rows);
    }
}

/// `UPDATE_GOLDEN=1` writes it anew.
#[test]
fn the_table_of_commands_is_what_can_be_typed() {
    let mut rows = Vec::new();
    commands("", &ba_agent::command(), &mut rows);
    assert!(rows.len() > 30, "{rows:?}");
    let head = "## Commands\n\n| command | does |\n|---|---|\n";
    let _guard = WRITING.lock();
    let readme = std::fs::read_to_string(PATH).unwrap();
    let (before, rest) = readme.split_once(head).unwrap();
    let end = rest.find("\n\n").map_or(0, |at| at + 1);
    let end = if rest.starts_with('\n') { 0 } else { end };
    let (now, after) = rest.split_at(end);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(PATH, format!("{before}{head}{}{after}", rows.concat())).unwrap();
        return;
    }
    snapbox::assert_data_eq!(now.to_owned(), snapbox::Data::from(rows.concat()).raw());
}

/// What the built-in skills tell an agent to type.
#[test]
fn every_command_of_a_builtin_skill_is_one() {
    let texts = [
        include_str!("../../builtin/skill-finder/SKILL.md"),
        include_str!("../../builtin/skill-author/SKILL.md"),
        include_str!("../../builtin/skill-author/references/keys.md"),
        include_str!("../../builtin/skill-author/references/checklist.md"),
    ];
    let commands = texts.iter().flat_map(|text| text.split('`').skip(1).step_by(2));
    let commands = commands.filter(|code| code.starts_with("ba-agent ") && !code.contains("--help"));
    let mut seen = 0;
    for command in commands {
        let parsed = ba_agent::command().try_get_matches_from(words(command));
        assert!(parsed.is_ok(), "{command}\n{}", parsed.unwrap_err());
        seen += 1;
    }
    assert!(seen > 30, "only {seen} commands were seen");
}
