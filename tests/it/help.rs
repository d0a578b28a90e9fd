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
    // What stands behind `serve` is another program's.
    for words in commands().into_iter().filter(|words| *words != ["serve"]) {
        let mut args: Vec<&str> = words.iter().map(String::as_str).collect();
        args.push("--no-such-flag");
        // Status 2 of a hook is a word against the request itself.
        let run = env.run(&args).ends(if words == ["hook", "run"] { 0 } else { 2 });
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

/// `ba-agent install` is `ba-agent skill install`, to the last byte of what is printed and written.
#[test]
fn the_word_skill_may_be_left_out() {
    let run_all = |word: &[&str]| {
        let env = TestEnv::new();
        env.skill("src/pdf");
        let mut runs = Vec::new();
        for rest in [
            &["install", "../src/pdf"][..],
            &["list", "--json"],
            &["--json", "show", "pdf"],
            &["verify"],
            &["ls"],
            &["uninstall", "pfd"],
            &["remove", "pdf"],
            &["update", "--help"],
        ] {
            let at = usize::from(rest[0].starts_with('-'));
            let args = [&rest[..at], word, &rest[at..]].concat();
            runs.push(env.run(&args));
        }
        (runs, env.picture("project"))
    };
    assert_eq!(run_all(&[]), run_all(&["skill"]));
}

#[test]
fn every_command_of_skill_stands_in_a_group_of_its_help() {
    let page = TestEnv::new().run(&["skill", "--help"]).ends(0).stdout;
    assert!(!page.contains("\nOther:\n"), "add the new command to GROUPS in src/cli/help.rs:\n{page}");
    let skill = ba_agent::command().find_subcommand("skill").unwrap().clone();
    for command in skill.get_subcommands().map(clap::Command::get_name) {
        assert_eq!(page.matches(&format!("\n  {command} ")).count(), 1, "{command} in:\n{page}");
    }
}

#[test]
fn the_short_help_explains_what_the_command_has_of_its_own() {
    let env = TestEnv::new();
    for words in commands().iter().skip(1) {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let short = env.run(&[&words[..], &["-h"]].concat()).ends(0).stdout;
        assert!(!short.contains("--offline  ") && short.contains("Global options ("), "{words:?}\n{short}");
        let long = env.run(&[&words[..], &["--help"]].concat()).ends(0).stdout;
        assert!(long.contains("      --offline\n"), "{words:?}\n{long}");
    }
}

#[test]
fn a_mistyped_command_is_answered_with_what_was_meant() {
    let env = TestEnv::new();
    for (typed, message, hint) in [
        (&["instal"][..], "`instal` is not a command of `ba-agent`", "did you mean `ba-agent install`?"),
        (&["serach", "x"], "`serach` is not a command", "did you mean `ba-agent search`?"),
        (&["marketplac", "add"], "`marketplac` is not", "did you mean `ba-agent marketplace`?"),
        (&["clear"], "`clear` is not", "did you mean `ba-agent cache clear`?"),
        (&["skill", "clear"], "of `ba-agent skill`", "did you mean `ba-agent cache clear`?"),
        (&["skill", "i"], "of `ba-agent skill`", "`ba-agent skill install`"),
        (&["--project", "x", "skill", "unin"], "of `ba-agent skill`", "`ba-agent skill uninstall`"),
        (&["skill", "zzz"], "of `ba-agent skill`", "`ba-agent skill --help` lists the commands"),
        (&["skill", "list", "--chek"], "--chek", "a similar argument exists: '--check'"),
        (&["skill", "pin"], "<NAME>", "usage: ba-agent skill pin "),
        (&["--color", "x", "list"], "invalid value 'x'", "possible values: auto, always, never"),
    ] {
        let run = env.run(typed).ends(2).says(message).says(hint);
        assert!(run.stderr.starts_with("error: ") && run.stderr.contains("\n\nhint: "), "{}", run.stderr);
        assert!(!run.stderr.contains("tip:") && run.stdout.is_empty(), "{run:?}");
        let json = env.run(&[typed, &["--json"]].concat()).ends(2).json();
        let hints = json["error"]["hints"].as_array().unwrap();
        assert!(hints.iter().any(|one| one.as_str().unwrap().contains(hint)), "{json}");
    }
}

/// `NO_COLOR` before `CLICOLOR_FORCE`, both before what the terminal is.
#[test]
fn variables_decide_about_colour() {
    for (variables, is_coloured) in [
        (&[][..], false),
        (&[("CLICOLOR_FORCE", "1")], true),
        (&[("FORCE_COLOR", "1")], true),
        (&[("CLICOLOR_FORCE", "0")], false),
        (&[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")], false),
        (&[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "")], true),
        (&[("CLICOLOR_FORCE", "1"), ("CLICOLOR", "0"), ("TERM", "dumb")], true),
    ] {
        let mut env = TestEnv::new();
        variables.iter().for_each(|(name, value)| env.set(name, *value));
        for args in [&["skill", "show", "nothing"][..], &["skill", "zzz"]] {
            assert_eq!(env.run(args).stderr.contains("\u{1b}["), is_coloured, "{variables:?} {args:?}");
        }
        assert!(!env.run(&["skill", "show", "nothing", "--color=never"]).stderr.contains('\u{1b}'));
    }
}

/// A sentence beside the variant of a command would silently take the place of the paragraphs that
/// its arguments have.
#[test]
fn every_long_description_is_shown() {
    fn count(command: &clap::Command) -> usize {
        usize::from(command.get_long_about().is_some()) + command.get_subcommands().map(count).sum::<usize>()
    }
    let sources = [env!("CARGO_MANIFEST_DIR"), "/src/cli"].concat();
    let files = walkdir::WalkDir::new(sources).into_iter().map(Result::unwrap);
    let files = files.filter(|entry| entry.file_type().is_file());
    let files = files.map(|entry| std::fs::read_to_string(entry.path()).unwrap());
    let written: usize = files.map(|text| text.matches("long_about = ").count()).sum();
    let shown: usize = ba_agent::command().get_subcommands().map(count).sum();
    assert_eq!(shown, written, "take the comment above the variant away: its struct has one");
}
