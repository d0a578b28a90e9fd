//! A command that could not write all of its output does not end with 0. Every command of the
//! definition is tried, so that a new one cannot be forgotten.
#![cfg(unix)]

use std::collections::BTreeSet;
use std::fs::OpenOptions;
use std::os::unix::process::ExitStatusExt as _;
use std::process::Stdio;

use crate::env::{TestEnv, copy_tree};

/// A way to run each command so that it prints data on stdout.
pub(crate) const PRINTING: &[&str] = &[
    "skill install builtin:skill-finder --dry-run --json",
    "skill install --frozen --json",
    "skill adopt lying --json",
    "skill uninstall docx --json",
    "skill deps docx",
    "skill deps docx --json",
    "skill tree",
    "skill tree --json",
    "skill why docx --json",
    "skill disable docx --json",
    "skill enable docx --json",
    "skill versions docx",
    "skill versions docx --json",
    "skill use docx --version latest --json",
    "skill update --json",
    "skill context",
    "skill context --json",
    "skill outdated --json",
    "skill outdated --all",
    "skill following --json",
    "skill pin pdf --json",
    "skill unpin pdf --json",
    "skill restore pdf --json",
    "skill rollback --json",
    "skill history",
    "skill history --json",
    "skill export",
    "skill list",
    "skill list --json",
    "skill search pdf",
    "skill search pdf --json",
    "skill recommend docx --json",
    "skill usage --json",
    "hook status",
    "hook install --agent codex --json",
    "hook uninstall --agent codex --json",
    "skill show pdf",
    "skill show pdf --json",
    "skill show ../src --json",
    "skill show pdf --body",
    "skill show pdf --file SKILL.md",
    "skill activate pdf",
    "skill activate pdf --messages host",
    "skill activate pdf --session open --json",
    "skill deactivate pdf --session open --json",
    "skill path pdf",
    "skill path pdf --json",
    "skill open https://git.example/acme/skills.git --skill pdf --print",
    "skill open https://git.example/acme/skills.git --skill pdf --print --json",
    "skill validate ../src/skills/pdf --json",
    "skill verify --json",
    "skill diff docx",
    "skill diff docx --json",
    "skill init fresh --json",
    "skill pack ../src/skills/pdf",
    "skill pack ../src/skills/pdf --json",
    "skill publish ../src/skills/pdf --as @acme --to ../published --yes",
    "skill publish ../src/skills/pdf --as @acme --to ../published --dry-run --json",
    "skill yank @acme/pdf@0.1.0 --to ../published --json",
    "registry build ../published --json",
    "registry check ../published --json",
    "registry mirror ../published ../mirror --json",
    "marketplace add more ../src --scope project --json",
    "marketplace list",
    "marketplace list --json",
    "marketplace remove acme --json",
    "marketplace update --json",
    "marketplace show acme",
    "marketplace show acme --json",
    "marketplace validate ../shop/.claude-plugin/marketplace.json --json",
    "marketplace init ../src --owner Somebody --json",
    "marketplace enable acme --json",
    "marketplace disable acme --json",
    "mcp config --agent claude-code",
    "mcp config --agent codex --write --json",
    "registry add more ../remote --json",
    "registry list",
    "registry list --json",
    "registry show remote",
    "registry show remote --json",
    "registry remove remote --json",
    "logout remote --json",
    "cache dir",
    "cache size --json",
    "cache prune --json",
    "cache clear --yes --json",
    "doctor --json",
    "agents",
    "agents --json",
    "config list",
    "config list --json",
    "config get agents",
    "config set agents codex --json",
    "config unset agents --json",
    "self version",
    "self version --json",
    "completions bash",
    "completions zsh",
    "man ../man --json",
];

/// Two skills of a repository and a marketplace.
pub(crate) fn world() -> TestEnv {
    let env = TestEnv::new();
    env.skill("src/skills/pdf");
    env.skill("src/skills/docx");
    env.git_repo("repo.git", &env.path("src"));
    let url = format!("file://{}", env.path("repo.git").display());
    env.run(&["skill", "install", &url, "--all"]).ends(0);
    // The same repository under an address that has a page.
    let instead = format!("[url \"{url}\"]\n\tinsteadOf = https://git.example/acme/skills.git\n");
    env.write("home/.gitconfig", instead);
    env.skill("project/.claude/skills/lying");
    env.skill("shop/kit/skills/sql");
    let plugins = serde_json::json!([{ "name": "kit", "source": "./kit" }]);
    let document = serde_json::json!({ "name": "acme", "owner": { "name": "A" }, "plugins": plugins });
    env.write("shop/.claude-plugin/marketplace.json", document.to_string());
    env.run(&["marketplace", "add", "acme", "../shop", "--scope", "project"]).ends(0);
    env.write("remote/registry.json", "{\"schema\":1,\"name\":\"remote\"}");
    env.run(&["registry", "add", "remote", "../remote", "--serves", "@team"]).ends(0);
    env.run(&["skill", "activate", "pdf", "--session", "open"]).ends(0);
    for folder in ["project", "home", "settings"] {
        copy_tree(&env.path(folder), &env.path("saved").join(folder));
    }
    env
}

/// Goes back to the beginning; for `diff` one skill is edited.
pub(crate) fn reset(env: &TestEnv, line: &str) {
    for folder in ["project", "home", "settings"] {
        std::fs::remove_dir_all(env.path(folder)).unwrap();
        copy_tree(&env.path("saved").join(folder), &env.path(folder));
    }
    if line.contains("diff") {
        env.write("project/.claude/skills/docx/mine.md", "mine\n");
    }
}

pub(crate) fn words(line: &str) -> Vec<&str> {
    line.split(' ').collect()
}

#[test]
fn every_command_that_prints_is_tried() {
    let mut known = BTreeSet::new();
    let mut stack = vec![(String::new(), ba_agent::command())];
    while let Some((path, command)) = stack.pop() {
        let below: Vec<_> =
            command.get_subcommands().filter(|sub| sub.get_name() != "help").cloned().collect();
        if below.is_empty() {
            known.insert(path.trim().to_owned());
        }
        stack.extend(below.into_iter().map(|sub| (format!("{path} {}", sub.get_name()), sub)));
    }
    // An editor needs a terminal: tests/it/open_edit.rs has one.
    known.remove("skill edit");
    known.remove("config edit");
    // Prints when something happens: tests/it/watch.rs lets it.
    known.remove("skill watch");
    // A host must answer first: tests/it/registries.rs has one.
    for name in ["login", "whoami", "skill follow", "skill unfollow"] {
        known.remove(name);
    }
    // Another program prints.
    known.remove("serve");
    // Whatever is wrong, an agent that runs it as its hook must not be hindered: tests/it/hook.rs.
    known.remove("hook run");
    let tried =
        |name: &&String| PRINTING.iter().any(|line| format!("{line} ").starts_with(&format!("{name} ")));
    let missing: Vec<&String> = known.iter().filter(|name| !tried(name)).collect();
    assert!(missing.is_empty(), "no line of this file runs {missing:?}");
    assert!(known.len() > 30, "{known:?}");
}

#[test]
fn output_that_cannot_be_written_is_a_failure() {
    // It can be opened by everybody, and every write to it finds the disk full.
    let Ok(full) = OpenOptions::new().write(true).open("/dev/full") else { return };
    let (env, mut faults) = (world(), Vec::new());
    for line in PRINTING {
        reset(&env, line);
        let output = env.command(&words(line)).stdout(full.try_clone().unwrap()).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        if output.status.code() != Some(1) || !said.contains("error") {
            faults.push(format!("{line}: {:?} {said}", output.status.code()));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// `ba-agent skill list | head -1`: the reader has seen enough, which is no failure.
#[test]
fn a_closed_pipe_is_no_failure() {
    let env = world();
    for line in PRINTING {
        reset(&env, line);
        let expected = env.command(&words(line)).output().unwrap();
        reset(&env, line);
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = env.command(&words(line)).stdout(Stdio::from(writer)).output().unwrap();
        let ended = (output.status.code(), output.status.signal());
        assert_eq!(
            ended,
            (expected.status.code(), None),
            "{line}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        assert!(!String::from_utf8_lossy(&output.stderr).contains("panicked"), "{line}");
    }
}
