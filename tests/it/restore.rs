//! `skill restore`: what was edited, deleted or linked elsewhere is as it was installed again, and
//! nothing that somebody wrote is lost.

use crate::env::TestEnv;

/// `pdf` and `docx`, for two agents, out of a repository.
fn installed() -> TestEnv {
    let env = TestEnv::new();
    for name in ["pdf", "docx"] {
        env.skill(&format!("src/skills/{name}"))
            .file("notes.md", format!("Notes of {name}.\n"))
            .executable("scripts/run.sh", "#!/bin/sh\n");
    }
    env.git_repo("repo.git", &env.path("src"));
    let url = format!("file://{}", env.path("repo.git").display());
    env.run(&["skill", "install", &url, "--all", "-a", "universal", "-a", "claude-code"]).ends(0);
    env
}

/// Every way in which a skill can be other than it was installed, each alone and all together.
#[cfg(unix)]
#[test]
fn whatever_was_changed_is_as_it_was_installed() {
    use std::os::unix::fs::{PermissionsExt, symlink};
    type Deed = fn(&TestEnv);
    let deeds: &[(&str, Deed, bool)] = &[
        ("changed", |env| drop(env.write("project/.agents/skills/pdf/SKILL.md", "mine")), true),
        ("added", |env| drop(env.write("project/.agents/skills/pdf/more/own.md", "mine")), true),
        (
            "deleted",
            |env| std::fs::remove_file(env.path("project/.agents/skills/pdf/notes.md")).unwrap(),
            false,
        ),
        (
            "mode",
            |env| {
                let file = env.path("project/.agents/skills/pdf/scripts/run.sh");
                std::fs::set_permissions(file, PermissionsExt::from_mode(0o644)).unwrap();
            },
            true,
        ),
        (
            "link elsewhere",
            |env| {
                let link = env.path("project/.claude/skills/pdf");
                std::fs::remove_file(&link).unwrap();
                symlink("/nowhere", link).unwrap();
            },
            false,
        ),
        ("no link", |env| std::fs::remove_file(env.path("project/.claude/skills/pdf")).unwrap(), false),
    ];
    let env = installed();
    std::fs::remove_dir_all(env.path("repo.git")).unwrap();
    let (clean, registry) = (env.picture("project"), env.read("project/config/skills_registry.json"));
    let restore = ["skill", "restore", "pdf", "--offline"];
    let check = |deeds: &[&(&str, Deed, bool)]| {
        let names: Vec<&str> = deeds.iter().map(|(name, ..)| *name).collect();
        deeds.iter().for_each(|(_, deed, _)| deed(&env));
        let edited = env.picture("project");
        assert_ne!(edited, clean, "{names:?}");
        env.run(&["skill", "verify", "pdf"]).ends(6);
        env.run(&["skill", "restore", "pdf", "--offline", "--dry-run"]).ends(0).says("Would restore pdf");
        let loses = deeds.iter().any(|(.., loses)| *loses);
        if loses {
            env.run(&restore).ends(7).says("needs confirmation").says("--yes");
        }
        assert_eq!(env.picture("project"), edited, "{names:?}");
        let run = env.run(&[&restore[..], &["--yes"]].concat()).ends(0).says("Restored pdf");
        assert_eq!(env.picture("project"), clean, "{names:?}: {}", run.stderr);
        assert_eq!(env.read("project/config/skills_registry.json"), registry);
        env.run(&["skill", "verify"]).ends(0);
        if loses {
            let run = env.run(&["skill", "rollback", "--offline"]).ends(0).says("restore of pdf");
            let back = env.picture("project");
            for (path, what) in edited.iter().filter(|(path, _)| path.contains(".agents/skills/pdf")) {
                assert_eq!(back.get(path), Some(what), "{path} of {names:?}: {}", run.stderr);
            }
            env.run(&[&restore[..], &["--yes"]].concat()).ends(0);
            assert_eq!(env.picture("project"), clean, "{names:?}");
        }
    };
    deeds.iter().for_each(|deed| check(&[deed]));
    check(&deeds.iter().take(5).collect::<Vec<_>>());
}

#[test]
fn only_what_is_named_is_put_back() {
    let env = installed();
    for name in ["pdf", "docx"] {
        env.write(&format!("project/.agents/skills/{name}/SKILL.md"), "mine");
    }
    let json = env.run(&["skill", "restore", "pdf", "--yes", "--json"]).ends(0).json();
    assert_eq!(
        (&json["skills"][0]["name"], &json["skills"][0]["action"]),
        (&"pdf".into(), &"replace".into())
    );
    assert_eq!(json["faults"]["pdf"][0]["what"], "changed");
    assert!(json["skills"][1].is_null());
    assert_eq!(env.read("project/.agents/skills/docx/SKILL.md"), "mine");
    env.run(&["skill", "restore", "pdf"]).ends(0).says("Unchanged pdf");
    env.run(&["skill", "restore", "pfd"]).ends(3).says("did you mean `pdf`");
    env.run(&["skill", "restore"]).ends(2);
}

/// The commands that find edits name the one that discards them.
#[test]
fn whoever_finds_edits_names_it() {
    let env = installed();
    env.write("project/.agents/skills/pdf/SKILL.md", "mine");
    let words = "`ba-agent skill restore pdf`";
    env.run(&["skill", "verify"]).ends(6).says(words);
    for args in [&["skill", "install"][..], &["skill", "uninstall", "pdf"]] {
        env.run(args).ends(7).says(words);
    }
}

/// What no cache has any more is fetched at its commit; without a connection that is said.
#[test]
fn the_files_come_from_the_source_where_the_cache_has_none() {
    let env = installed();
    env.run(&["cache", "clear", "--yes"]).ends(0);
    env.write("project/.agents/skills/pdf/SKILL.md", "mine");
    env.run(&["skill", "restore", "pdf", "--yes"]).ends(0);
    env.run(&["skill", "verify"]).ends(0);
    env.run(&["cache", "clear", "--yes"]).ends(0);
    std::fs::remove_dir_all(env.path("repo.git")).unwrap();
    env.write("project/.agents/skills/pdf/SKILL.md", "mine");
    // The copy that the first one kept is not the one that was installed.
    env.run(&["skill", "restore", "pdf", "--yes"]).ends(3);
    assert_eq!(env.read("project/.agents/skills/pdf/SKILL.md"), "mine");
}

#[cfg(unix)]
mod at_a_terminal {
    use super::installed;
    use crate::pty::Terminal;

    #[test]
    fn no_is_the_default_and_d_shows_what_would_go() {
        let env = installed();
        env.write("project/.agents/skills/pdf/notes.md", "mine\n");
        let edited = env.picture("project");
        let mut terminal = Terminal::run(env.command(&["skill", "restore", "pdf"]));
        terminal.wait_for("Discard the edits of `pdf`?");
        terminal.press("d\r");
        terminal.wait_for("+mine");
        terminal.wait_for("Discard the edits of `pdf`?");
        terminal.press("\r");
        let (status, seen) = terminal.end();
        assert_eq!(status.code(), Some(2), "{seen}");
        assert!(seen.contains("nothing was changed"), "{seen}");
        assert_eq!(env.picture("project"), edited);
        let mut terminal = Terminal::run(env.command(&["skill", "restore", "pdf"]));
        terminal.wait_for("Discard the edits of `pdf`?");
        terminal.press("y\r");
        assert_eq!(terminal.end().0.code(), Some(0));
        assert_eq!(env.read("project/.agents/skills/pdf/notes.md"), "Notes of pdf.\n");
    }

    #[test]
    fn ctrl_c_at_the_question_changes_nothing() {
        let env = installed();
        env.write("project/.agents/skills/pdf/notes.md", "mine\n");
        let edited = env.picture("project");
        let mut terminal = Terminal::run(env.command(&["skill", "restore", "pdf"]));
        terminal.wait_for("Discard the edits of `pdf`?");
        while terminal.child.try_wait().unwrap().is_none() {
            terminal.press("\u{3}");
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        assert_eq!(terminal.end().0.code(), Some(130));
        assert_eq!(env.picture("project"), edited);
    }

    /// Going back before an installation takes the skill away, so that is asked about.
    #[test]
    fn a_rollback_says_what_it_takes_back_and_asks_before_skills_go() {
        let env = installed();
        let before = env.picture("project");
        let mut terminal = Terminal::run(env.command(&["skill", "rollback", "--to", "1"]));
        terminal.wait_for("Undo change 1: install of docx, pdf, just now? This removes docx, pdf.");
        terminal.press("\r");
        let (status, seen) = terminal.end();
        assert_eq!(status.code(), Some(2), "{seen}");
        assert_eq!(env.picture("project"), before);
        // What was taken away comes back without a question.
        env.run(&["skill", "uninstall", "pdf"]).ends(0);
        let (status, seen) = Terminal::run(env.command(&["skill", "rollback", "--to", "2"])).end();
        assert_eq!(status.code(), Some(0), "{seen}");
        assert!(seen.contains("Undone") && seen.contains("change 2: uninstall of pdf"), "{seen}");
        assert_eq!(env.picture("project"), before);
        let run = env.run(&["skill", "rollback", "--to", "1", "--dry-run"]).ends(0);
        let run = run.says("3 changes, from 3 back to change 1: install of docx, pdf");
        assert!(run.stderr.contains("Would remove docx"), "{}", run.stderr);
        // Where nobody can be asked, the command is the answer.
        env.run(&["skill", "rollback", "--to", "1"]).ends(0).says("Removed pdf");
    }

    #[test]
    fn tables_fit_a_narrow_terminal_and_break_no_word() {
        let env = installed();
        env.run(&["skill", "uninstall", "docx"]).ends(0);
        env.run(&["marketplace", "add", "acme", "../src"]).ends(0);
        let commit = env.registry()["skills"]["pdf"]["pin"]["commit"].as_str().unwrap()[..7].to_owned();
        env.write("project/.agents/skills/pdf/notes.md", "mine");
        for (args, words) in [
            (&["skill", "list"][..], ["pdf", &commit]),
            (&["skill", "history"], ["pdf", &commit]),
            (&["skill", "verify"], ["changed", ".agents/skills/pdf"]),
            (&["skill", "outdated", "--all"], ["pdf", &commit]),
            (&["marketplace", "list"], ["acme", "just"]),
            (&["marketplace", "show", "acme"], ["pdf", "docx"]),
        ] {
            for columns in [40_u16, 80] {
                let mut command = env.command(args);
                command.env("NO_COLOR", "1").env("TERM", "dumb");
                let (_, seen) = Terminal::run_at(command, columns).end();
                let longest = seen.lines().map(|line| line.trim_end().chars().count()).max().unwrap();
                assert!(longest <= usize::from(columns), "{columns}: {seen}");
                assert!(words.iter().all(|word| seen.contains(word)), "{words:?}: {seen}");
            }
        }
    }
}
