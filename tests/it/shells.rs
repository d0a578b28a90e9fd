//! The committed completion scripts, in the shells that they are for: Tab is pressed, then
//! Enter, and the skill whose name was completed is gone.
//!
//! A shell that is not installed is skipped with a message, unless `BA_AGENT_REQUIRE_SHELLS`
//! is set.
#![cfg(unix)]

use std::path::Path;
use std::process::{Command, Stdio};

use crate::env::TestEnv;
use crate::pty::Terminal;

fn installed() -> TestEnv {
    let env = TestEnv::new();
    for name in ["pdf", "docx", "data-sql"] {
        env.skill(&format!("src/skills/{name}"));
    }
    env.run(&["skill", "install", "../src", "--all"]).ends(0);
    env
}

/// The shell with the environment of the test and the program in its `PATH`; `None`, with a
/// printed line, where it is not installed.
#[allow(clippy::print_stderr, clippy::disallowed_methods)]
fn shell(env: &TestEnv, name: &str, args: &[&str]) -> Option<Command> {
    let is_there = Command::new(name).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    if !is_there.is_ok_and(|status| status.success()) {
        assert!(
            std::env::var_os("BA_AGENT_REQUIRE_SHELLS").is_none(),
            "{name} is missing, and BA_AGENT_REQUIRE_SHELLS is set"
        );
        eprintln!("skipped: there is no {name} here");
        return None;
    }
    let mut command = Command::new(name);
    let ours = env.command(&[]);
    command.args(args).current_dir(env.project()).env_clear();
    command.envs(ours.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let program = Path::new(env!("CARGO_BIN_EXE_ba-agent")).parent().unwrap();
    let path = std::env::var("PATH").unwrap_or_default();
    command
        .env("PATH", format!("{}:{path}", program.display()))
        .env("PS1", "ready> ")
        .env("HISTFILE", "")
        .env("NO_COLOR", "1");
    Some(command)
}

fn script(name: &str) -> String {
    format!("{}/completions/{name}", env!("CARGO_MANIFEST_DIR"))
}

/// Types at a prompt, completes with Tab, and lets the line run.
fn complete_and_run(env: &TestEnv, shell: Command, prepare: &str) {
    let mut terminal = Terminal::run(shell);
    terminal.wait_for("ready> ");
    // The quotes keep the echo of what is typed apart from what it prints.
    terminal.press(&format!("{prepare}; echo pre''pared\r"));
    terminal.wait_for("prepared");
    terminal.wait_for("ready> ");
    for (typed, removed) in [
        ("ba-agent skill uninstall p\t\r", "Removed pdf"),
        ("ba-agent skill unin\tdata\t\r", "Removed data-sql"),
        ("ba-agent sk\tuninst\tdo\t--qui\t && echo gone''now\r", "gonenow"),
    ] {
        terminal.press(typed);
        terminal.wait_for(removed);
        terminal.wait_for("ready> ");
    }
    terminal.press("exit\r");
    terminal.end();
    assert_eq!(env.registry()["skills"], serde_json::json!({}));
}

#[test]
fn bash_completes_the_names_of_installed_skills() {
    let env = installed();
    let Some(bash) = shell(&env, "bash", &["--norc", "--noprofile", "-i"]) else { return };
    complete_and_run(&env, bash, &format!("source '{}'", script("ba-agent.bash")));
}

#[test]
fn zsh_completes_the_names_of_installed_skills() {
    let env = installed();
    let Some(zsh) = shell(&env, "zsh", &["-f", "-i"]) else { return };
    let prepare = format!("autoload -Uz compinit && compinit -u -D && source '{}'", script("_ba-agent"));
    complete_and_run(&env, zsh, &prepare);
}

#[test]
fn fish_completes_the_names_of_installed_skills() {
    let env = installed();
    for (typed, expected) in [
        ("ba-agent skill uninstall p", &["pdf"][..]),
        ("ba-agent skill uninstall d", &["data-sql", "docx"]),
        ("ba-agent skill unin", &["uninstall"]),
        ("ba-agent skill install x --agent claude-c", &["claude-code"]),
    ] {
        let line = format!("source '{}'; complete -C '{typed}'", script("ba-agent.fish"));
        let Some(mut fish) = shell(&env, "fish", &["--no-config", "-c", &line]) else { return };
        let output = fish.stdin(Stdio::null()).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        let offered: Vec<&str> = text.lines().map(|line| line.split('\t').next().unwrap()).collect();
        assert_eq!(offered, expected, "{typed}: {output:?}");
    }
}

/// `@`, `:` and `=` end a word of bash, and none of ours.
#[test]
fn bash_completes_behind_its_own_word_breaks() {
    let env = installed();
    env.skill("shop/skills/extra");
    env.run(&["marketplace", "add", "acme", "../shop"]).ends(0);
    let Some(bash) = shell(&env, "bash", &["--norc", "--noprofile", "-i"]) else { return };
    let mut terminal = Terminal::run(bash);
    terminal.wait_for("ready> ");
    terminal.press(&format!("source '{}'; echo pre''pared\r", script("ba-agent.bash")));
    terminal.wait_for("prepared");
    terminal.wait_for("ready> ");
    for (typed, said) in [
        ("ba-agent install extra@a\t --dry-run\r", "extra in "),
        ("ba-agent install ex\t --dry-run\r", "extra in "),
        ("ba-agent list --color=ne\t && echo gone''now\r", "gonenow"),
        ("ba-agent install ../shop/sk\tex\t --dry-run\r", "extra in "),
        ("ba-agent install builtin:x\t\r", "builtin:x"),
    ] {
        terminal.press(typed);
        terminal.wait_for(said);
        terminal.wait_for("ready> ");
    }
    terminal.press("exit\r");
    terminal.end();
}

/// The lines of the README, on an account on which nothing was set up.
#[test]
fn the_lines_of_the_readme_work_on_a_fresh_account() {
    let env = installed();
    let readme = include_str!("../../README.md");
    let (_, part) = readme.split_once("## Completions and man pages").unwrap();
    let lines = part.split("```").nth(1).unwrap().trim_start_matches("sh\n");
    let Some(mut sh) = shell(&env, "bash", &["--norc", "--noprofile", "-e", "-c", lines]) else { return };
    let output = sh.stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success() && output.stdout.is_empty(), "{output:?}");
    let home = env.home();
    for file in [
        ".local/share/bash-completion/completions/ba-agent",
        ".zfunc/_ba-agent",
        ".config/fish/completions/ba-agent.fish",
        ".config/elvish/lib/ba-agent.elv",
        ".local/share/man/man1/ba-agent.1",
    ] {
        assert!(home.join(file).metadata().unwrap().len() > 100, "{file}");
    }
    let line = "complete -C 'ba-agent skill uninstall p'";
    if let Some(mut fish) = shell(&env, "fish", &["-c", line]) {
        let output = fish.stdin(Stdio::null()).output().unwrap();
        assert!(String::from_utf8_lossy(&output.stdout).starts_with("pdf"), "{output:?}");
    }
    let Some(zsh) = shell(&env, "zsh", &["-i"]) else { return };
    let mut terminal = Terminal::run(zsh);
    terminal.press("PS1='ready> '; echo pre''pared\r");
    terminal.wait_for("prepared");
    terminal.wait_for("ready> ");
    // The very first TAB is answered too.
    terminal.press("ba-agent skill uninstall p\t\r");
    terminal.wait_for("Removed pdf");
    terminal.press("exit\r");
    terminal.end();
}

/// What the program prints is what is committed; a shell must at least be able to read it.
#[test]
fn every_script_is_one_that_its_shell_can_read() {
    let env = installed();
    for (name, file) in [("bash", "ba-agent.bash"), ("zsh", "_ba-agent"), ("fish", "ba-agent.fish")] {
        let Some(mut command) = shell(&env, name, &["-n", &script(file)]) else { continue };
        let output = command.stdin(Stdio::null()).output().unwrap();
        assert!(output.status.success() && output.stderr.is_empty(), "{name}: {output:?}");
    }
}
