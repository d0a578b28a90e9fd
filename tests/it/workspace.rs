//! Where a command keeps its own state, and what it does where there is no place for it.

use crate::env::TestEnv;

#[cfg(unix)]
#[test]
fn a_working_directory_that_is_gone_is_no_hindrance_with_a_project() {
    let env = TestEnv::new();
    env.skill("src/pdf");
    env.run(&["skill", "install", "../src/pdf"]).ends(0);
    let project = env.project().display().to_string();
    let from_nowhere = |args: &[&str]| {
        let gone = env.path("gone");
        std::fs::create_dir(&gone).unwrap();
        let ours = env.command(&[]);
        let mut shell = std::process::Command::new("sh");
        shell.current_dir(&gone).env_clear();
        shell.envs(ours.get_envs().filter_map(|(name, value)| Some((name, value?))));
        shell.args(["-c", "rmdir \"$PWD\" && exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_ba-agent")]).args(args);
        env.done(shell.output().unwrap())
    };
    let run = from_nowhere(&["skill", "list", "--project", &project]).ends(0);
    assert!(run.stdout.contains("pdf"), "{}", run.stdout);
    let run = from_nowhere(&["skill", "list"]).ends(1);
    assert!(
        run.stderr.contains("caused by:") && run.stderr.contains("hint: change to a folder"),
        "{}",
        run.stderr
    );
    let run = from_nowhere(&["skill", "list", "--json"]).ends(1);
    assert_eq!(run.json()["error"]["kind"], "failed");
    assert!(run.json()["error"]["hints"].to_string().contains("--project"));
}

/// A container that runs as a user whom its system does not know.
#[cfg(target_os = "linux")]
#[test]
fn a_user_without_a_home_can_install_and_list() {
    use std::os::unix::fs::PermissionsExt as _;
    use std::os::unix::process::CommandExt as _;
    let env = TestEnv::new();
    env.skill("src/pdf");
    for folder in ["", "project", "src", "tmp"] {
        std::fs::create_dir_all(env.path(folder)).unwrap();
        std::fs::set_permissions(env.path(folder), std::fs::Permissions::from_mode(0o777)).unwrap();
    }
    let run = |args: &[&str]| {
        let mut command = env.command(args);
        for variable in ["HOME", "BA_AGENT_CACHE_DIR", "BA_AGENT_CONFIG_DIR"] {
            command.env_remove(variable);
        }
        command.env("TMPDIR", env.path("tmp")).uid(54321).gid(54321);
        command.output().ok().map(|output| env.done(output))
    };
    let Some(first) = run(&["skill", "list"]) else {
        return skipped("only root can run it as somebody else");
    };
    first.ends(0);
    run(&["skill", "install", "../src/pdf"]).unwrap().ends(0).says("BA_AGENT_DATA_DIR");
    assert!(run(&["skill", "list"]).unwrap().ends(0).stdout.contains("pdf"));
    run(&["skill", "rollback"]).unwrap().ends(0);
    assert!(!env.path("project/.claude/skills/pdf").exists());
    // A folder of that name that others can write is not used: nothing in it would be ours.
    let own = env.path("tmp/ba-agent-54321");
    std::fs::set_permissions(&own, std::fs::Permissions::from_mode(0o777)).unwrap();
    run(&["skill", "install", "../src/pdf"]).unwrap().ends(1).says("no home directory");
}

#[cfg(target_os = "linux")]
#[allow(clippy::print_stderr)]
fn skipped(why: &str) {
    eprintln!("skipped: {why}");
}

#[test]
fn a_change_that_was_killed_is_only_reported_by_frozen() {
    let env = TestEnv::new();
    env.skill("src/pdf");
    env.skill("src/docx");
    env.run(&["skill", "install", "../src/pdf"]).ends(0);
    let mut command = env.command(&["skill", "install", "../src/docx"]);
    assert!(!command.env("BA_AGENT_FAULT", "kill:16").output().unwrap().status.success());
    let journal = env.state().join("journal.json");
    assert!(journal.exists(), "the step is not one while the journal is there");
    let before = env.picture("");
    env.run(&["skill", "install", "--frozen"]).ends(0).says("`--frozen` repairs nothing");
    assert_eq!(env.picture(""), before);
    std::fs::remove_dir_all(env.path("project/.claude/skills/pdf")).unwrap();
    let before = env.picture("project");
    env.run(&["skill", "install", "--frozen"]).ends(7).says("doctor --fix");
    assert_eq!(env.picture("project"), before);
    env.run(&["doctor", "--fix"]);
    assert!(!journal.exists());
    env.run(&["skill", "install", "--frozen"]).ends(0);
}

/// A record that cannot be read is never passed over: `rollback` would undo another change.
#[test]
fn an_unreadable_record_is_an_error_that_names_it() {
    let env = TestEnv::new();
    for name in ["pdf", "docx"] {
        env.skill(&format!("src/{name}"));
        env.run(&["skill", "install", &format!("../src/{name}")]).ends(0);
    }
    let newest = env.state().join("history/00000002.json");
    for text in ["", "{", "\u{0}\u{0}"] {
        std::fs::write(&newest, text).unwrap();
        let before = env.picture("project");
        for command in ["rollback", "history"] {
            let run = env.run(&["skill", command]).ends(8);
            assert!(run.stderr.contains("00000002.json") && run.stderr.contains("hint:"), "{}", run.stderr);
        }
        assert_eq!(env.picture("project"), before);
    }
    std::fs::remove_file(newest).unwrap();
    env.run(&["skill", "rollback"]).ends(0);
    assert!(!env.path("project/.claude/skills/pdf").exists());
}

/// Without its record a change could not be turned back: then it is not made.
#[test]
fn a_history_that_cannot_be_written_stops_the_change() {
    let env = TestEnv::new();
    env.skill("src/pdf");
    env.skill("src/docx");
    env.run(&["skill", "install", "../src/pdf"]).ends(0);
    let history = env.state().join("history");
    std::fs::remove_dir_all(&history).unwrap();
    std::fs::write(&history, "in the way").unwrap();
    env.write("project/.claude/skills/pdf/SKILL.md", "edited");
    let before = env.picture("project");
    env.run(&["skill", "install", "../src/docx"]).ends(1).says("the record of this change cannot be kept");
    env.run(&["skill", "install", "--force"]).ends(1).says("kept");
    assert_eq!(env.picture("project"), before);
}
