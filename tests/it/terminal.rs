//! What a person at a terminal meets: questions, tables and colour through a
//! pseudo-terminal, and completion as the scripts of the shells ask for it.

use crate::env::{Run, TestEnv};

/// A world with three skills in `src/`, of which `pdf` and `docx` are installed.
fn installed() -> TestEnv {
    let env = three();
    env.run(&["skill", "install", "../src", "-s", "pdf", "-s", "docx"]).ends(0);
    env
}

fn three() -> TestEnv {
    let env = TestEnv::new();
    for name in ["pdf", "docx", "xlsx"] {
        env.skill(&format!("src/skills/{name}"));
    }
    env
}

/// Asks for candidates as the script of `shell` does: a word for each line, with what
/// stands behind the separator cut off.
fn candidates(env: &TestEnv, shell: &str, words: &[&str]) -> Vec<String> {
    let separator = if shell == "fish" { '\t' } else { ':' };
    let mut command = env.command(&["--", "ba-agent"]);
    command.args(words).env("BA_AGENT_COMPLETE", shell);
    if shell != "fish" {
        command.env("_CLAP_COMPLETE_INDEX", words.len().to_string());
        command.env("_CLAP_IFS", if shell == "bash" { "\u{b}" } else { "\n" });
    }
    if shell == "bash" {
        command.env("_CLAP_COMPLETE_COMP_TYPE", "9").env("_CLAP_COMPLETE_SPACE", "false");
    }
    let run = env.done(command.output().unwrap()).ends(0);
    assert_eq!(run.stderr, "");
    let lines: Vec<&str> = match shell {
        "bash" => run.stdout.split('\u{b}').collect(),
        _ => run.stdout.lines().collect(),
    };
    lines.iter().map(|line| line.split(separator).next().unwrap().to_owned()).collect()
}

#[test]
fn every_shell_is_offered_the_installed_names() {
    let env = installed();
    for shell in ["bash", "zsh", "fish"] {
        let offered = candidates(&env, shell, &["skill", "uninstall", ""]);
        let names: Vec<&str> =
            offered.iter().map(String::as_str).filter(|word| !word.starts_with('-')).collect();
        assert_eq!(names, ["docx", "pdf"], "{shell}");
        assert_eq!(candidates(&env, shell, &["skill", "uninstall", "pd"]), ["pdf"], "{shell}");
        assert_eq!(candidates(&env, shell, &["skill", "show", "do"]), ["docx"], "{shell}");
        assert_eq!(candidates(&env, shell, &["skill", "unin"]), ["uninstall"], "{shell}");
        assert_eq!(
            candidates(&env, shell, &["skill", "install", "x", "--agent", "claude-c"]),
            ["claude-code"]
        );
    }
}

#[test]
fn completion_finds_the_registry_that_the_settings_name() {
    let env = three();
    env.write("project/.ba-agent/config.yaml", "skills:\n  registry: lock/skills.json\n");
    env.run(&["skill", "install", "../src", "-s", "pdf"]).ends(0);
    assert!(env.path("project/lock/skills.json").exists());
    assert_eq!(candidates(&env, "bash", &["skill", "uninstall", "p"]), ["pdf"]);
}

#[test]
fn completion_never_fails_over_a_damaged_registry() {
    let env = installed();
    env.write("project/config/skills_registry.json", "{ not json");
    let before = env.picture("project");
    let offered = candidates(&env, "bash", &["skill", "uninstall", ""]);
    assert!(offered.iter().all(|word| word.starts_with('-') || word.is_empty()), "{offered:?}");
    assert_eq!(env.picture("project"), before);
}

#[test]
fn without_a_terminal_nothing_is_asked_or_coloured() {
    let env = installed();
    let run = env.run(&["skill", "install", "../src"]).ends(2);
    assert!(!run.stderr.contains('\u{1b}') && run.stderr.contains("--skill NAME"), "{}", run.stderr);
    let run = env.run(&["skill", "list", "--color", "always"]).ends(0);
    assert!(run.stdout.lines().all(|line| line.contains('\t')), "{}", run.stdout);
    let run = env.run(&["skill", "install", "../none", "--color", "always"]).ends(3);
    assert!(run.stderr.contains("\u{1b}["), "{}", run.stderr);
}

#[cfg(unix)]
mod through_a_pty {
    use super::*;
    use crate::pty::Terminal;

    /// Runs to the end without pressing a key.
    fn shown(env: &TestEnv, args: &[&str], variables: &[(&str, &str)]) -> Run {
        let mut command = env.command(args);
        command.envs(variables.iter().copied());
        let (status, seen) = Terminal::run(command).end();
        let output = std::process::Output { status, stdout: seen.into_bytes(), stderr: Vec::new() };
        env.done(output)
    }

    #[test]
    fn what_matches_is_bold_and_what_is_near_is_offered() {
        let env = three();
        env.skill("src/skills/invoice");
        env.run(&["marketplace", "add", "acme", "../src"]).ends(0);
        let run = shown(&env, &["skill", "search", "pdf", "--list"], &[]).ends(0);
        assert!(run.stdout.contains("\u{1b}[1mpdf\u{1b}[0m"), "{:?}", run.stdout);
        let run = shown(&env, &["skill", "search", "envoise"], &[]).ends(0);
        assert!(run.stdout.contains("nothing was found for `envoise`"), "{:?}", run.stdout);
        assert!(run.stdout.contains("did you mean invoice?"), "{:?}", run.stdout);
    }

    #[test]
    fn of_several_skills_the_person_chooses() {
        let env = three();
        let mut terminal = Terminal::run(env.command(&["skill", "install", "../src"]));
        terminal.wait_for_screen("the list", |screen| screen.contains("> [ ] docx"));
        terminal.press(" ");
        terminal.wait_for_screen("the mark", |screen| screen.contains("> [x] docx"));
        terminal.press("\r");
        let (status, seen) = terminal.end();
        assert_eq!(status.code(), Some(0), "{seen}");
        assert!(seen.contains("docx in .claude/skills"), "{seen}");
        let names: Vec<_> = env.registry()["skills"].as_object().unwrap().keys().cloned().collect();
        assert_eq!(names, ["docx"]);
    }

    #[test]
    fn grown_grants_are_asked_about_skill_by_skill() {
        let env = TestEnv::new();
        let text = |name: &str, tools: &str| {
            format!(
                "---\nname: {name}\ndescription: Does {name}. Use it when it is wanted.\nallowed-tools: {tools}\n---\nBody\n"
            )
        };
        for name in ["one", "two"] {
            env.write(&format!("src/skills/{name}/SKILL.md"), text(name, "Read"));
        }
        env.run(&["skill", "install", "../src", "--all"]).ends(0);
        for name in ["one", "two"] {
            env.write(&format!("src/skills/{name}/SKILL.md"), text(name, "Read, Bash"));
        }
        let mut terminal = Terminal::run(env.command(&["skill", "update"]));
        terminal.wait_for("Which ones?");
        terminal.wait_for("two");
        terminal.press("\r");
        terminal.wait_for("Update `one` anyway?");
        terminal.press("d\r");
        terminal.wait_for("+allowed-tools: Read, Bash");
        terminal.wait_for("Update `one` anyway?");
        terminal.press("\r");
        terminal.wait_for("Update `two` anyway?");
        terminal.press("y\r");
        let (status, seen) = terminal.end();
        assert_eq!(status.code(), Some(0), "{seen}");
        assert!(env.read("project/.claude/skills/two/SKILL.md").contains("Bash"));
        assert!(!env.read("project/.claude/skills/one/SKILL.md").contains("Bash"));
        // No is what an empty answer means.
        let mut terminal = Terminal::run(env.command(&["skill", "update"]));
        terminal.wait_for("Update `one` anyway?");
        terminal.press("\r");
        let (status, seen) = terminal.end();
        assert_eq!(status.code(), Some(7), "{seen}");
        env.run(&["skill", "update"]).ends(7).says("needs confirmation");
        env.run(&["skill", "update", "--yes"]).ends(0);
    }

    #[test]
    fn json_and_yes_ask_nothing() {
        let env = three();
        for flag in ["--json", "--yes"] {
            let run = shown(&env, &["skill", "install", "../src", flag], &[]).ends(2);
            assert!(!run.stdout.contains("Which ones?"), "{}", run.stdout);
        }
    }

    #[test]
    fn a_table_has_a_heading_and_colour_unless_it_is_not_wanted() {
        let env = installed();
        let run = shown(&env, &["skill", "list"], &[]).ends(0);
        assert!(run.stdout.contains("NAME") && run.stdout.contains("\u{1b}["), "{:?}", run.stdout);
        for (args, variables) in [
            (&["skill", "list", "--color", "never"][..], &[][..]),
            (&["skill", "list"], &[("NO_COLOR", "1")]),
            (&["skill", "list"], &[("TERM", "dumb")]),
        ] {
            let run = shown(&env, args, variables).ends(0);
            assert!(run.stdout.contains("NAME"), "{}", run.stdout);
            assert!(!run.stdout.contains('\u{1b}'), "{args:?} {variables:?}: {:?}", run.stdout);
        }
    }

    /// Titles, cursor moves and reordering of a skill's text do not reach the terminal.
    #[test]
    fn a_skill_cannot_write_to_the_terminal() {
        let env = TestEnv::new();
        let evil = "---\nname: evil\ndescription: \"a \\e]0;owned\\a \\e[2J \\u202eflipped thing for a test\"\n---\nBody\n";
        env.write("src/skills/evil/SKILL.md", evil);
        env.skill("src/skills/good");
        for args in [
            &["skill", "show", "../src"][..],
            &["skill", "validate", "../src"],
            &["skill", "install", "../src", "--all"],
        ] {
            let run = shown(&env, args, &[]);
            for raw in ["\u{1b}]", "\u{1b}[2J", "\u{7}", "\u{202e}"] {
                assert!(!run.stdout.contains(raw), "{args:?}: {raw:?} in {:?}", run.stdout);
            }
        }
        let mut terminal = Terminal::run(env.command(&["skill", "install", "../src"]));
        terminal.wait_for_screen("the list", |screen| screen.contains("good"));
        terminal.press("\r");
        let (_, seen) = terminal.end();
        assert!(
            !seen.contains("\u{1b}]") && !seen.contains("\u{1b}[2J") && !seen.contains('\u{202e}'),
            "{seen:?}"
        );
    }
}

/// What a message says can be read, and what it quotes can be copied.
#[cfg(unix)]
#[test]
fn messages_are_broken_between_words() {
    let env = three();
    for columns in [40, 80] {
        let mut command = env.command(&["skill", "install", "pdf"]);
        command.env("NO_COLOR", "1");
        let (status, seen) = crate::pty::Terminal::run_at(command, columns).end();
        assert_eq!(status.code(), Some(2), "{seen}");
        let lines: Vec<&str> = seen.lines().map(|line| line.trim_end()).collect();
        assert!(lines.iter().all(|line| line.chars().count() <= usize::from(columns)), "{columns}: {seen}");
        let said = lines.iter().map(|line| line.trim_start()).collect::<Vec<_>>().join(" ");
        let said = said.split_whitespace().collect::<Vec<_>>().join(" ");
        for words in
            ["does not say where the skill comes from", "write `owner/repo`", "`ba-agent skill search pdf`"]
        {
            assert!(said.contains(words), "{columns}: no {words:?} in {said}");
        }
    }
    // In a pipe a message is one line.
    let run = env.run(&["skill", "install", "pdf"]).ends(2);
    assert!(run.stderr.contains("error: `pdf` does not say where the skill comes from\n"), "{}", run.stderr);
}

/// What is printed is broken between words too, and goes on where it belongs.
#[cfg(unix)]
#[test]
fn what_needs_what_is_broken_between_words() {
    let env = TestEnv::new();
    let needs = "---\nname: NAME\ndescription: Does what it says. Use it when that is wanted.\nrequires: [NEED]\n---\nText.\n";
    let chain = ["report-of-the-quarter", "charts-with-many-colours", "tables-of-all-kinds"];
    for (name, need) in
        chain.iter().zip(["charts-with-many-colours", "tables-of-all-kinds", "not-there-at-all"])
    {
        env.write(
            &format!("project/.claude/skills/{name}/SKILL.md"),
            needs.replace("NAME", name).replace("NEED", need),
        );
    }
    env.run(&["skill", "adopt", "--all"]).ends(0);
    env.write("project/.claude/skills/broken/SKILL.md", "---\nname: [\n---\n");
    let words = |text: &str| {
        let text: String = text.chars().map(|c| if "│├└─".contains(c) { ' ' } else { c }).collect();
        text.split_whitespace().map(str::to_owned).collect::<Vec<_>>().join(" ")
    };
    for (args, said) in [
        (&["skill", "tree"][..], "charts-with-many-colours tables-of-all-kinds not-there-at-all (missing)"),
        (&["skill", "deps", "report-of-the-quarter"], "tables-of-all-kinds not-there-at-all (missing)"),
        (
            &["skill", "why", "not-there-at-all"],
            "report-of-the-quarter -> charts-with-many-colours -> tables-of-all-kinds -> not-there-at-all",
        ),
        (&["skill", "context"], "`broken` (invalid): line 2: not YAML"),
    ] {
        for columns in [40, 80, 110] {
            let mut command = env.command(args);
            command.env("NO_COLOR", "1");
            let (_, seen) = crate::pty::Terminal::run_at(command, columns).end();
            let fits = |line: &str| line.trim_end().chars().count() <= usize::from(columns);
            assert!(seen.lines().all(fits), "{args:?} {columns}: {seen}");
            let is_table = args[1] == "context" && columns > 40;
            assert!(is_table || words(&seen).contains(said), "{args:?} {columns}: {seen}");
        }
    }
    let mut command = env.command(&["skill", "tree"]);
    command.env("NO_COLOR", "1");
    let (_, seen) = crate::pty::Terminal::run_at(command, 40).end();
    assert!(seen.contains("\n└── charts-with-many-colours"), "{seen}");
}
