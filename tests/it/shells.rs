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
