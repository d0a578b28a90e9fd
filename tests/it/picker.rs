//! Choosing from a list at a terminal: every command that has one, at the widths that people have,
//! and every way out of it. What keys do and what is drawn is tested beside the code.

#![cfg(unix)]

use rustix::process::{Pid, Signal, kill_process};

use crate::env::TestEnv;
use crate::pty::Terminal;

/// A source with six skills, of which some were installed.
fn world(installed: &[&str]) -> TestEnv {
    let env = TestEnv::new();
    for name in ["docx", "pdf", "pptx", "sql-review", "xlsx", "数据分析"] {
        let folder = if name.is_ascii() { name } else { "data" };
        let own = if name.is_ascii() { name } else { "data-cn" };
        let text = format!(
            "---\nname: {own}\ndescription: Works with {name} files in every way that one can think of, and \
             says so at some length, so that no line of a list has room for it. The end of {own}.\n---\nBody\n"
        );
        env.write(&format!("src/skills/{folder}/SKILL.md"), text);
    }
    if !installed.is_empty() {
        let mut args = vec!["skill", "install", "../src"];
        installed.iter().for_each(|name| args.extend(["--skill", name]));
        env.run(&args).ends(0);
    }
    env
}

fn names(env: &TestEnv) -> Vec<String> {
    env.registry()["skills"].as_object().unwrap().keys().cloned().collect()
}

fn open(env: &TestEnv, args: &[&str], (columns, rows): (u16, u16)) -> Terminal {
    Terminal::run_sized(env.command(args), columns, rows)
}

#[test]
fn a_person_chooses_at_every_width() {
    for (columns, rows) in [(40, 24), (80, 24), (110, 35)] {
        let env = world(&[]);
        let mut terminal = open(&env, &["skill", "install", "../src"], (columns, rows));
        let seen = terminal.wait_for_screen("the list", |screen| screen.contains("> [ ] data-cn"));
        assert!(seen.contains("6 of 6") && seen.contains("enter: take"), "{seen}");
        assert!(seen.contains("The end of data-cn."), "the whole description is not there\n{seen}");
        terminal.press("sq");
        let seen = terminal.wait_for_screen("what matches", |screen| screen.contains("> [ ] sql-review"));
        assert!(seen.contains("1 of 6") && !seen.contains("[ ] pdf"), "{seen}");
        terminal.press(" \u{15}\u{1b}[B ");
        terminal.wait_for_screen("two marks", |screen| screen.contains("2 marked"));
        terminal.press("\r");
        let (status, seen) = terminal.end_on_screen();
        assert_eq!(status.code(), Some(0), "{seen}");
        assert_eq!(names(&env), ["docx", "sql-review"]);
        // What was chosen is told once, and the list has gone.
        assert!(!seen.contains("Filter:") && !seen.contains("some length"), "{seen}");
    }
}

#[test]
fn all_that_are_chosen_leave_out_what_is_invalid_and_it_alone_is_refused() {
    let env = world(&[]);
    env.write("src/skills/broken/SKILL.md", "# Broken\n");
    let mut terminal = open(&env, &["skill", "install", "../src"], (80, 24));
    let seen = terminal.wait_for_screen("the list", |screen| screen.contains("> [ ] broken"));
    assert!(seen.contains("broken invalid") && seen.contains("no frontmatter"), "{seen}");
    terminal.press("\r");
    let (status, seen) = terminal.end_on_screen();
    assert_eq!(status.code(), Some(8), "{seen}");
    assert!(!env.path("project/.claude").exists());
    let mut terminal = open(&env, &["skill", "install", "../src"], (80, 24));
    terminal.wait_for_screen("the list", |screen| screen.contains("> [ ] broken"));
    terminal.press("\u{1}\r");
    let (status, seen) = terminal.end_on_screen();
    assert_eq!(status.code(), Some(0), "{seen}");
    assert!(seen.contains("broken") && seen.contains("no frontmatter"), "it is not told: {seen}");
    assert_eq!(names(&env), ["data-cn", "docx", "pdf", "pptx", "sql-review", "xlsx"]);
}

/// The command, what Enter does on the first line, and the words that say so.
#[test]
fn a_command_without_a_name_asks_which() {
    let edited = || {
        let env = world(&["pdf", "docx"]);
        env.write(
            "project/.claude/skills/pdf/SKILL.md",
            "---\nname: pdf\ndescription: Mine now.\n---\nMine\n",
        );
        env
    };
    let market = || {
        let env = world(&["docx", "pdf"]);
        env.run(&["marketplace", "add", "acme", "../src"]).ends(0);
        env
    };
    let plain = || world(&["docx", "pdf"]);
    type World<'a> = &'a dyn Fn() -> TestEnv;
    for (args, make, shown, said) in [
        (&["skill", "uninstall"][..], &plain as World<'_>, "> [ ] docx", "Removed docx"),
        (&["skill", "show"], &plain, "> docx", "Works with docx files"),
        (&["skill", "diff"], &edited, "> pdf", "+Mine"),
        (&["skill", "rollback"], &plain, "> change 1", "Removed pdf"),
        (&["marketplace", "remove"], &market, "> [ ] acme", "Removed acme"),
        (&["marketplace", "show"], &market, "> acme", "sql-review"),
        (&["marketplace", "disable"], &market, "> [ ] acme", "Disabled acme"),
    ] {
        for (columns, rows) in [(40, 24), (80, 24), (110, 35)] {
            let env = make();
            let before = env.picture("project");
            let mut command = env.command(args);
            command.env("PAGER", "cat");
            let mut terminal = Terminal::run_sized(command, columns, rows);
            terminal.wait_for_screen(shown, |screen| screen.contains(shown));
            terminal.press("\u{1b}");
            let (status, seen) = terminal.end_on_screen();
            assert_eq!(status.code(), Some(130), "{args:?}: {seen}");
            assert!(seen.contains("nothing was chosen"), "{args:?}: {seen}");
            assert_eq!(env.picture("project"), before, "{args:?}");

            let mut command = env.command(args);
            command.env("PAGER", "cat");
            let mut terminal = Terminal::run_sized(command, columns, rows);
            terminal.wait_for_screen(shown, |screen| screen.contains(shown));
            terminal.press("\r");
            let (status, seen) = terminal.end_on_screen();
            assert_eq!(status.code(), Some(0), "{args:?}: {seen}");
            assert!(seen.contains(said), "{args:?}: {seen}");
        }
    }
}

#[test]
fn only_what_can_be_held_or_released_is_offered() {
    let env = TestEnv::new();
    for name in ["one", "two"] {
        env.skill(&format!("src/{name}"));
    }
    drop(env.git_repo("srv/skills.git", &env.path("src")));
    let url = format!("file://{}", env.path("srv/skills.git").display());
    env.run(&["skill", "install", &url, "--all"]).ends(0);
    let mut terminal = open(&env, &["skill", "pin"], (80, 24));
    terminal.wait_for_screen("both", |screen| screen.contains("> one") && screen.contains("  two"));
    terminal.press("\r");
    let (status, seen) = terminal.end_on_screen();
    assert_eq!(status.code(), Some(0), "{seen}");
    assert!(seen.contains("Held one"), "{seen}");
    let mut terminal = open(&env, &["skill", "unpin"], (80, 24));
    let seen = terminal.wait_for_screen("one", |screen| screen.contains("> one"));
    assert!(!seen.contains("two"), "{seen}");
    terminal.press("\r");
    assert_eq!(terminal.end().0.code(), Some(0));
    let (status, seen) = open(&env, &["skill", "unpin"], (80, 24)).end();
    assert!(status.success() && seen.contains("no skill is held"), "{seen}");
}

#[test]
fn who_cannot_be_asked_is_told_what_is_missing() {
    let env = world(&["pdf"]);
    env.run(&["marketplace", "add", "acme", "../src"]).ends(0);
    for (args, usage) in [
        (&["skill", "uninstall"][..], "skill uninstall <NAME>..."),
        (&["skill", "show"], "skill show <NAME|SOURCE>"),
        (&["skill", "diff"], "skill diff <NAME>"),
        (&["skill", "pin"], "skill pin <NAME> [SHA]"),
        (&["skill", "unpin"], "skill unpin <NAME>"),
        (&["marketplace", "remove"], "marketplace remove <NAME>..."),
        (&["marketplace", "show"], "marketplace show <NAME> [ENTRY]"),
        (&["marketplace", "enable"], "marketplace enable <NAME>..."),
    ] {
        let before = env.picture("project");
        let missing = "the following required arguments were not provided: <NAME";
        let hint = format!("hint: usage: ba-agent {usage}");
        env.run(args).ends(2).says(missing).says(&hint);
        for flag in ["--yes", "--json", "--quiet"] {
            let (status, seen) = open(&env, &[args, &[flag]].concat(), (80, 24)).end();
            assert_eq!(status.code(), Some(2), "{args:?} {flag}: {seen}");
            assert!(!seen.contains("Filter"), "{args:?} {flag}: {seen}");
        }
        assert_eq!(env.picture("project"), before);
    }
}

#[test]
fn what_was_found_is_installed_from_the_list() {
    for size in [(40, 24), (80, 24), (110, 35)] {
        let env = world(&[]);
        env.run(&["marketplace", "add", "acme", "../src"]).ends(0);
        // Esc leaves the rows as without a list.
        let mut terminal = open(&env, &["skill", "search", "pdf"], size);
        terminal.wait_for_screen("the list", |screen| screen.contains("> [ ] pdf"));
        terminal.press("\u{1b}");
        let (status, seen) = terminal.end_on_screen();
        assert_eq!(status.code(), Some(0), "{seen}");
        assert!(seen.contains("pdf@acme") && seen.contains("install with"), "{seen}");
        assert!(!env.path("project/.claude").exists());
        let mut terminal = open(&env, &["skill", "search", "pdf"], size);
        terminal.wait_for_screen("the list", |screen| screen.contains("> [ ] pdf"));
        terminal.press("\r");
        let (status, seen) = terminal.end_on_screen();
        assert_eq!(status.code(), Some(0), "{seen}");
        assert!(seen.contains("Installed pdf"), "{seen}");
        assert_eq!(names(&env), ["pdf"]);
        for flag in ["--list", "--yes", "--quiet", "--json"] {
            let (status, seen) = open(&env, &["skill", "search", "pdf", flag], size).end();
            assert_eq!(status.code(), Some(0), "{flag}: {seen}");
            assert!(!seen.contains("\u{1b}[?1049h"), "{flag}: {seen}");
        }
    }
}

/// Ctrl-C as a key, signals from elsewhere, and the end of the terminal.
#[test]
fn every_way_out_leaves_disk_and_terminal_as_they_were() {
    let env = world(&[]);
    let before = env.picture("project");
    let install = &["skill", "install", "../src"];
    let opened = || {
        let mut terminal = open(&env, install, (80, 24));
        terminal.wait_for_screen("the list", |screen| screen.contains("> [ ] data-cn"));
        assert!(terminal.is_on_second_screen() && !terminal.has_its_modes());
        terminal
    };
    for (key, words) in [("\u{3}", "stopped before anything was changed"), ("\u{4}", "nothing was chosen")] {
        let mut terminal = opened();
        terminal.press(key);
        let (status, seen) = terminal.end_on_screen();
        assert_eq!(status.code(), Some(130), "{seen}");
        assert!(seen.contains(words), "{seen}");
    }
    for (signal, words) in [
        (Signal::TERM, "stopped by SIGTERM"),
        (Signal::INT, "stopped by Ctrl-C"),
        (Signal::HUP, "was closed"),
    ] {
        let terminal = opened();
        kill_process(Pid::from_child(&terminal.child), signal).unwrap();
        let (status, seen) = terminal.end_on_screen();
        assert_eq!(status.code(), Some(130), "{seen}");
        assert!(seen.contains(words), "{seen}");
    }
    assert_eq!(opened().hang_up().code(), Some(130));
    let mut halted = opened();
    halted.halt(&"a\u{7f}".repeat(200));
    std::thread::sleep(std::time::Duration::from_millis(300));
    kill_process(Pid::from_child(&halted.child), Signal::TERM).unwrap();
    assert_eq!(halted.status().code(), Some(130));
    assert_eq!(env.picture("project"), before);
}

#[test]
fn a_plain_question_ends_with_its_terminal_too() {
    let env = world(&["pdf"]);
    let ask = || {
        let mut terminal = open(&env, &["cache", "clear"], (80, 24));
        terminal.wait_for("from the cache?");
        // It waits for a key when the terminal has its modes.
        let is_asked = (0..6_000).any(|_| {
            std::thread::sleep(std::time::Duration::from_millis(5));
            !terminal.has_its_modes()
        });
        assert!(is_asked, "the question takes no key");
        terminal
    };
    assert_eq!(ask().hang_up().code(), Some(130));
    for signal in [Signal::TERM, Signal::HUP] {
        let terminal = ask();
        kill_process(Pid::from_child(&terminal.child), signal).unwrap();
        let (status, seen) = terminal.end_on_screen();
        assert_eq!(status.code(), Some(130), "{seen}");
        assert!(seen.contains("error: stopped "), "{seen}");
    }
    let mut terminal = ask();
    terminal.press("n");
    let (status, seen) = terminal.end_on_screen();
    assert_eq!(status.code(), Some(130), "{seen}");
    assert!(seen.contains("nothing was deleted") && !seen.contains("terminal"), "{seen}");
    let mut terminal = ask();
    terminal.press("\u{3}");
    let (status, seen) = terminal.end_on_screen();
    assert_eq!(status.code(), Some(130), "{seen}");
    let error = seen.lines().find(|line| line.contains("error:")).unwrap();
    assert!(error.starts_with("error: stopped before anything was changed"), "{seen}");
    assert!(!seen.contains("IO error") && !seen.contains("interrupted"), "{seen}");
}

#[test]
fn a_screen_of_any_size_and_one_that_changes() {
    let env = world(&[]);
    for size in [(20, 1), (1, 1), (20, 2), (8, 5), (200, 100), (20, 60)] {
        let mut terminal = open(&env, &["skill", "install", "../src"], size);
        terminal.wait_for_screen("a line", |screen| screen.contains('>'));
        terminal.press("xls");
        terminal.press("\u{1b}[6~\u{1b}[5~");
        terminal.resize(60, 20);
        let words = ["> [ ] xlsx", "Filter: xls ", "1 of 6", "enter: take"];
        terminal.wait_for_screen("more", |screen| words.iter().all(|words| screen.contains(words)));
        terminal.resize(30, 6);
        terminal.wait_for_screen("less", |screen| screen.contains("> [ ] xlsx") && !screen.contains("─"));
        terminal.press("\u{3}");
        assert_eq!(terminal.end_on_screen().0.code(), Some(130));
    }
}

#[test]
fn a_pasted_line_only_filters() {
    let env = world(&[]);
    let mut terminal = open(&env, &["skill", "install", "../src"], (80, 24));
    terminal.wait_for_screen("the list", |screen| screen.contains("> [ ] data-cn"));
    terminal.press("\u{1b}[200~pdf\r\u{1b}[201~");
    terminal.wait_for_screen("what matches", |screen| screen.contains("> [ ] pdf"));
    terminal.press("\r");
    assert_eq!(terminal.end().0.code(), Some(0));
    assert_eq!(names(&env), ["pdf"]);
}

#[test]
fn without_colour_it_is_all_there() {
    let env = world(&[]);
    let mut command = env.command(&["skill", "install", "../src"]);
    command.env("NO_COLOR", "1");
    let mut terminal = Terminal::run_sized(command, 80, 24);
    terminal.wait_for_screen("the list", |screen| screen.contains("> [ ] data-cn"));
    terminal.press(" \r");
    let (status, seen) = terminal.end();
    assert_eq!(status.code(), Some(0), "{seen}");
    // Cursor and modes, but no looks.
    let looks = seen
        .split("\u{1b}[")
        .skip(1)
        .filter_map(|rest| rest.find(|c: char| c.is_ascii_alphabetic()).map(|end| &rest[..=end]));
    assert_eq!(looks.filter(|code| code.ends_with('m')).collect::<Vec<_>>(), Vec::<&str>::new());
}

#[test]
fn a_terminal_of_lines_gets_numbers() {
    let env = world(&[]);
    let numbered = |args: &[&str]| {
        let mut command = env.command(args);
        command.env("TERM", "dumb");
        let mut terminal = Terminal::run_sized(command, 80, 24);
        terminal.wait_for("an empty answer leaves: ");
        terminal
    };
    let mut terminal = numbered(&["skill", "install", "../src"]);
    terminal.press("2,nothing\n");
    terminal.wait_for("`nothing` is not in the list.");
    terminal.press("2-3 xlsx\n");
    let (status, seen) = terminal.end();
    assert_eq!(status.code(), Some(0), "{seen}");
    assert!(!seen.contains('\u{1b}'), "{seen:?}");
    assert_eq!(names(&env), ["docx", "pdf", "xlsx"]);
    let mut terminal = numbered(&["skill", "uninstall"]);
    terminal.press("\n");
    let (status, seen) = terminal.end();
    assert_eq!(status.code(), Some(130), "{seen}");
    assert_eq!(numbered(&["skill", "uninstall"]).hang_up().code(), Some(130));
    assert_eq!(names(&env), ["docx", "pdf", "xlsx"]);
}
