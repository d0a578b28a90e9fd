//! Every command explains itself, with examples, and refuses what it does not know.

use crate::env::TestEnv;

/// The words of every command, from the definition itself.
fn commands() -> Vec<Vec<String>> {
    fn walk(command: &clap::Command, words: Vec<String>, all: &mut Vec<Vec<String>>) {
        all.push(words.clone());
        for sub in command.get_subcommands() {
            let mut words = words.clone();
            words.push(sub.get_name().to_owned());
            walk(sub, words, all);
        }
    }
    let mut all = Vec::new();
    walk(&ba_agent::command(), Vec::new(), &mut all);
    all
}

#[test]
fn every_command_has_help_and_examples() {
    let env = TestEnv::new();
    let commands = commands();
    assert!(commands.len() >= 10, "{commands:?}");
    for words in &commands {
        let mut args: Vec<&str> = words.iter().map(String::as_str).collect();
        args.push("--help");
        let run = env.run(&args).ends(0);
        assert!(run.stdout.contains("Usage:"), "{words:?}");
        assert!(run.stdout.contains("Example"), "{words:?} has no example:\n{}", run.stdout);
    }
}

#[test]
fn an_unknown_flag_is_an_error_with_status_2() {
    let env = TestEnv::new();
    for words in commands() {
        let mut args: Vec<&str> = words.iter().map(String::as_str).collect();
        args.push("--no-such-flag");
        let run = env.run(&args).ends(2);
        assert!(run.stderr.contains("--no-such-flag"), "{}", run.stderr);
    }
    let run = env.run(&["skill", "list", "--jsno"]).ends(2);
    assert!(run.stderr.contains("--json"), "no suggestion:\n{}", run.stderr);
}

#[test]
fn a_wrong_usage_is_json_when_json_was_asked_for() {
    let env = TestEnv::new();
    let run = env.run(&["skill", "list", "--json", "--no-such-flag"]).ends(2);
    assert_eq!(run.json()["error"]["kind"], "usage");
}

#[test]
fn the_version_is_the_crates() {
    let run = TestEnv::new().run(&["--version"]).ends(0);
    assert_eq!(run.stdout, format!("ba-agent {}\n", env!("CARGO_PKG_VERSION")));
}
