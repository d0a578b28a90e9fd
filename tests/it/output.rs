//! What is printed really arrives, or the status says that it did not.

use std::process::Stdio;

use crate::env::{Run, TestEnv};

fn world() -> TestEnv {
    let env = TestEnv::new();
    env.skill("src/pdf").file("notes.md", "one\n");
    env.run(&["skill", "install", "../src/pdf"]).ends(0);
    env.write("project/.claude/skills/pdf/new.md", "two\n");
    let catalogue =
        r#"{"name":"m","owner":{"name":"o"},"plugins":[{"name":"pdf","source":"./pdf","description":"d"}]}"#;
    env.write("src/.claude-plugin/marketplace.json", catalogue);
    env.run(&["marketplace", "add", "m", "../src"]).ends(0);
    env
}

#[cfg(target_os = "linux")]
fn into_full(env: &TestEnv, args: &[&str]) -> Run {
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    env.done(
        env.command(args).stdout(full).stderr(Stdio::piped()).spawn().unwrap().wait_with_output().unwrap(),
    )
}

/// Commands that print something on stdout, and the status when they can.
const TALKATIVE: &[(&[&str], i32)] = &[
    (&["--help"], 0),
    (&["--version"], 0),
    (&["skill", "install", "--help"], 0),
    (&["completions", "bash"], 0),
    (&["completions", "zsh", "--json"], 0),
    (&["skill", "list"], 0),
    (&["skill", "list", "--json"], 0),
    (&["skill", "show", "pdf"], 0),
    (&["skill", "export"], 0),
    (&["skill", "export", "--output", "-"], 0),
    (&["skill", "diff", "pdf"], 0),
    (&["skill", "diff", "pdf", "--stat"], 0),
    (&["skill", "history"], 0),
    (&["skill", "history", "--json"], 0),
    (&["skill", "outdated", "--json"], 0),
    (&["skill", "search", "pdf"], 0),
    (&["skill", "validate", "../src/pdf", "--json"], 0),
    (&["marketplace", "list"], 0),
    (&["marketplace", "show", "m"], 0),
    (&["cache", "dir"], 0),
    (&["cache", "size", "--json"], 0),
    (&["doctor", "--json"], 6),
    (&["man", "../man", "--json"], 0),
    (&["skill", "verify", "--json"], 6),
    (&["skill", "install", "../src/pdf", "--force", "--json"], 0),
    (&["skill", "uninstall", "pdf", "--json"], 0),
];

#[cfg(target_os = "linux")]
#[test]
fn output_that_could_not_be_written_is_no_success() {
    let env = world();
    for (args, sound) in TALKATIVE {
        let status = if *sound == 0 { 1 } else { *sound };
        let run = into_full(&env, args);
        let said =
            run.stderr.contains("could not be written to stdout") && run.stderr.contains("os error 28");
        assert!(said && run.status == status, "{args:?}: {run:?}");
    }
    // A failure keeps its status, and is told where it can be.
    let run = into_full(&env, &["skill", "show", "nothing", "--json"]).ends(3);
    run.says("`nothing`").says("could not be written to stdout");
    into_full(&env, &["skill", "list", "--no-such-flag", "--json"]).ends(2).says("--no-such-flag");
}

#[test]
fn a_reader_that_went_away_is_no_failure() {
    let env = world();
    for (args, sound) in TALKATIVE {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let child = env.command(args).stdout(writer).stderr(Stdio::piped()).spawn().unwrap();
        let run = env.done(child.wait_with_output().unwrap());
        assert_eq!(run.status, *sound, "{args:?}: {run:?}");
        assert!(!run.stderr.contains("error:"), "{args:?}: {run:?}");
    }
}

#[cfg(unix)]
#[test]
fn a_file_that_a_person_names_is_written_through() {
    let env = world();
    let bytes = |args: &[&str]| String::from_utf8(env.command(args).output().unwrap().stdout).unwrap();
    let text = bytes(&["skill", "export"]);
    assert!(text.contains("pdf"));
    assert_eq!(bytes(&["skill", "export", "--output", "-"]), text);
    assert!(!env.path("project/-").exists());
    std::os::unix::fs::symlink("kept.json", env.path("project/link.json")).unwrap();
    env.write(
        "project/kept.json",
        "much longer than what is written, and older, and of no use any more".repeat(99),
    );
    env.run(&["skill", "export", "--output", "link.json"]).ends(0);
    assert!(env.path("project/link.json").is_symlink());
    assert_eq!(env.read("project/kept.json"), text);
    let fifo = env.path("project/fifo");
    assert!(std::process::Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    let reader = std::thread::spawn({
        let fifo = fifo.clone();
        move || std::fs::read_to_string(fifo).unwrap()
    });
    env.run(&["skill", "export", "--output", "fifo"]).ends(0);
    assert_eq!(reader.join().unwrap(), text);
    use std::os::unix::fs::FileTypeExt as _;
    assert!(std::fs::symlink_metadata(fifo).unwrap().file_type().is_fifo());
    #[cfg(target_os = "linux")]
    env.run(&["skill", "export", "--output", "no/such/folder.json"])
        .ends(2)
        .says("its folder does not exist");
    env.run(&["skill", "export", "--output", "."]).ends(2).says("is a folder");
    env.run(&["skill", "export", "--output", "/dev/full"]).ends(1).says("os error 28");
}

#[test]
fn json_is_one_document_whatever_the_command() {
    let env = world();
    for (args, _) in TALKATIVE
        .iter()
        .filter(|(args, _)| args.iter().all(|arg| !arg.ends_with("help") && *arg != "--version"))
    {
        let mut args = args.to_vec();
        if !args.contains(&"--json") {
            args.push("--json");
        }
        env.run(&args).json();
    }
}
