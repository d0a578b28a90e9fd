//! `skill open` and `skill edit`: programs that a person asked for, and none that a project names.
#![cfg(unix)]

use std::os::unix::fs::{PermissionsExt as _, symlink};

use crate::env::TestEnv;
use crate::pty::Terminal;
use crate::schemas::document_faults;
use ba_agent_test_support::server::Server;

/// A program that the user's environment names.
fn program(env: &TestEnv, name: &str, text: &str) -> String {
    let path = env.write(&format!("bin/{name}"), format!("#!/bin/sh\n{text}\n"));
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    path.display().to_string()
}

#[test]
fn the_page_of_a_skill_is_opened_or_printed() {
    let mut env = TestEnv::new();
    let Some(server) = Server::start(&env.path("srv")) else { return };
    env.skill("src/skills/pdf");
    env.skill("src/skills/docx");
    let repo = env.git_repo("srv/acme/skills.git", &env.path("src"));
    let commit = repo.refname_to_id("refs/heads/main").unwrap();
    env.set("BA_AGENT_GITHUB_URL", server.url());
    env.run(&["skill", "install", "acme/skills@pdf"]).ends(0);
    let page = |skill: &str| format!("{}/acme/skills/tree/{commit}/skills/{skill}\n", server.url());
    assert_eq!(env.run(&["skill", "open", "pdf", "--print"]).ends(0).stdout, page("pdf"));
    assert_eq!(env.run(&["skill", "open", "acme/skills@docx", "--print"]).ends(0).stdout, page("docx"));
    env.run(&["skill", "open", "acme/skills", "--print"]).ends(2).says("one of them must be named");
    // Without a desktop and without a named browser there is nothing to open it with.
    assert_eq!(env.run(&["skill", "open", "pdf"]).ends(0).says("set BROWSER").stdout, page("pdf"));
    env.set(
        "BROWSER",
        format!(
            "{} --new",
            program(&env, "browser", &format!("echo \"$@\" > {}", env.path("opened").display()))
        ),
    );
    let run = env.run(&["skill", "open", "pdf"]).ends(0).says("Opening ");
    assert_eq!((run.stdout.as_str(), env.read("opened")), ("", format!("--new {}", page("pdf"))));
    assert_eq!(env.run(&["skill", "open", "pdf", "--json"]).ends(0).json()["opened"], true);
    let failing = program(&env, "failing", "exit 3");
    env.set("BROWSER", failing);
    assert_eq!(env.run(&["skill", "open", "pdf"]).ends(0).stdout, page("pdf"));
    env.skill("local/mine");
    env.run(&["skill", "install", "../local/mine"]).ends(0);
    env.run(&["skill", "open", "mine"]).ends(3).says("`ba-agent skill path mine`");
    env.run(&["skill", "open", "minee"]).ends(3).says("did you mean `mine`?");
}

/// A cloned project may name a host, and nobody's browser goes there for it.
#[test]
fn a_host_that_only_the_project_names_is_not_opened() {
    let mut env = TestEnv::new();
    let Some(server) = Server::start(&env.path("srv")) else { return };
    env.skill("src/skills/pdf");
    env.git_repo("srv/acme/skills.git", &env.path("src"));
    env.write("project/.ba-agent/config.yaml", format!("skills:\n  github_url: {}\n", server.url()));
    env.run(&["skill", "install", "acme/skills@pdf"]).ends(0);
    let opened = program(&env, "browser", &format!("touch {}", env.path("opened").display()));
    env.set("BROWSER", opened);
    let run = env.run(&["skill", "open", "pdf"]).ends(0).says("only this project names that host");
    assert!(run.stdout.contains("/acme/skills/tree/") && !env.path("opened").exists(), "{}", run.stdout);
    let registry = env.read("project/config/skills_registry.json");
    let other = registry
        .replace("\"github:acme/skills\"", "\"https://evil.example/o/r.git\"")
        .replace("\"kind\": \"github\"", "\"kind\": \"git\"");
    assert_ne!(registry, other);
    env.write("project/config/skills_registry.json", other);
    env.run(&["skill", "open", "pdf"]).ends(0).says("only this project names that host");
    assert!(!env.path("opened").exists());
}

/// Runs `skill edit pdf` at a terminal; the status and what was shown.
fn edited(env: &TestEnv, editor: &str, more: &[&str]) -> (i32, String) {
    let mut command = env.command(&[&["skill", "edit", "pdf"], more].concat());
    command.env("EDITOR", editor).env("NO_COLOR", "1").env("TERM", "dumb");
    let (status, seen) = Terminal::run(command).end();
    // Lines are broken where the terminal ends.
    (status.code().unwrap(), seen.split_whitespace().collect::<Vec<_>>().join(" "))
}

#[test]
fn a_skill_is_edited_checked_and_told_apart() {
    let env = TestEnv::new();
    env.skill("src/pdf");
    env.run(&["skill", "install", "../src/pdf"]).ends(0);
    let manifest = "project/.claude/skills/pdf/SKILL.md";
    let before = env.read(manifest);
    env.run(&["skill", "edit", "pdf"]).ends(2).says("an editor needs a terminal");
    assert!(matches!(edited(&env, " ", &[]), (2, seen) if seen.contains("set VISUAL or EDITOR")));
    assert!(matches!(edited(&env, "true", &[]), (0, seen) if seen.contains("Unchanged pdf")));
    assert!(matches!(edited(&env, "exit 3 #", &[]), (1, seen) if seen.contains("failed")));
    assert_eq!(env.read(manifest), before);
    // The value has arguments; the path is one word, whatever is in it.
    let append = program(&env, "append", "echo \"$1\" >> \"$2\"");
    let (status, seen) = edited(&env, &format!("{append} 'one more'"), &[]);
    assert!(status == 0 && seen.contains("Edited pdf: 1 line new, 0 gone"), "{seen}");
    assert!(seen.contains("skill restore pdf"), "{seen}");
    assert_eq!(env.read(manifest), before.clone() + "one more\n");
    env.run(&["skill", "verify"]).ends(6);
    let (status, seen) = edited(&env, &format!("{append} again"), &["--json"]);
    let document = &seen[seen.find('{').unwrap()..];
    assert_eq!((status, document_faults(&["skill", "edit", "--json"], document)), (0, vec![]), "{seen}");
    // What breaks the rules is said, and kept.
    let (status, seen) = edited(&env, &program(&env, "empty", "echo '# no frontmatter' > \"$1\""), &[]);
    assert!(status == 8 && seen.contains("error["), "{seen}");
    env.run(&["skill", "restore", "pdf", "--yes"]).ends(0);
    assert_eq!(env.read(manifest), before);
}

/// Neither does a project name the editor, nor lead it to a file of somebody else.
#[test]
fn a_project_decides_neither_the_editor_nor_the_file() {
    let env = TestEnv::new();
    env.skill("src/pdf");
    env.run(&["skill", "install", "../src/pdf"]).ends(0);
    let manifest = env.path("project/.claude/skills/pdf/SKILL.md");
    let outside = env.write("home/.profile", "precious\n");
    std::fs::remove_file(&manifest).unwrap();
    symlink(&outside, &manifest).unwrap();
    let (status, seen) = edited(&env, &program(&env, "append", "echo more >> \"$1\""), &[]);
    assert!(status == 2 && seen.contains("of the project is outside it"), "{status} {seen}");
    assert_eq!(env.read("home/.profile"), "precious\n");
    env.write("project/.ba-agent/config.yaml", "skills:\n  editor: touch owned\n");
    env.run(&["skill", "list"]).ends(2);
}
