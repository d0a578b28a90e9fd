//! `skill show`: what a person reads of a skill before and after it is installed, up to the bytes
//! of its files; and `skill path`, for what other programs do with them.

use crate::env::{TestEnv, skill_md};
use ba_agent_test_support::server::Server;

const BODY: &str = "# pdf\n\nRead `forms.md` first.\n\n- one item that is long enough to be broken on any screen, since it goes \
    on and on without saying much at all\n";

/// A skill in `src/pdf`, with a script that is not text.
fn one_skill() -> TestEnv {
    let env = TestEnv::new();
    env.skill("src/pdf")
        .file(
            "SKILL.md",
            format!("---\nname: pdf\ndescription: Reads forms. Use it for forms.\n---\n\n{BODY}"),
        )
        .file("forms.md", "Forms.\n")
        .file("data/odd.bin", b"\x00\xff\x1b[31m\r\n");
    env
}

#[test]
fn the_instructions_are_read_before_and_after_the_skill_is_installed() {
    let env = one_skill();
    for what in ["../src", "pdf"] {
        let run = env.run(&["skill", "show", what]).ends(0);
        assert!(run.stdout.starts_with("name          pdf\n"), "{}", run.stdout);
        assert!(run.stdout.ends_with(&format!("\n\n{BODY}\n")), "{}", run.stdout);
        let run = env.run(&["skill", "show", what, "--body"]).ends(0);
        assert_eq!(run.stdout, BODY);
        assert_eq!(env.run(&["skill", "show", what, "--json"]).ends(0).json()["skills"][0]["body"], BODY);
        env.run(&["skill", "install", "../src"]).ends(0);
    }
    // The registry is what is shown of a skill whose folder is gone.
    std::fs::remove_dir_all(env.path("project/.claude/skills/pdf")).unwrap();
    let view = &env.run(&["skill", "show", "pdf", "--json"]).ends(0).json()["skills"][0];
    assert_eq!((&view["state"], &view["body"]), (&"missing".into(), &serde_json::Value::Null));
    env.run(&["skill", "show", "pdf", "--file", "SKILL.md"]).ends(3).says("ba-agent skill install");
}

#[test]
fn of_several_skills_the_bodies_are_given_where_they_are_asked_for() {
    let env = TestEnv::new();
    env.skill("src/pdf");
    env.skill("src/docx");
    let bodies = |args: &[&str]| -> Vec<bool> {
        let report = env.run(&[&["skill", "show", "../src", "--json"], args].concat()).ends(0).json();
        report["skills"].as_array().unwrap().iter().map(|skill| skill["body"].is_string()).collect()
    };
    assert_eq!(
        (bodies(&[]), bodies(&["--body"]), bodies(&["-s", "pdf"])),
        (vec![false; 2], vec![true; 2], vec![true])
    );
    env.run(&["skill", "show", "../src", "--file", "SKILL.md"]).ends(2).says("--skill NAME");
}

#[test]
fn a_file_comes_byte_for_byte_and_from_nowhere_else() {
    let env = one_skill();
    let bytes =
        |what: &str, path: &str| env.command(&["skill", "show", what, "--file", path]).output().unwrap();
    for what in ["../src", "pdf"] {
        for path in ["data/odd.bin", "./data/odd.bin"] {
            assert_eq!(bytes(what, path).stdout, b"\x00\xff\x1b[31m\r\n", "{what} {path}");
        }
        env.run(&["skill", "show", what, "--file", "form.md"]).ends(3).says("did you mean `forms.md`?");
        for path in ["../pdf/SKILL.md", "/etc/hostname", "data//odd.bin", "", "a/../../../x"] {
            let run = env.run(&["skill", "show", what, "--file", path]).ends(2);
            assert_eq!(
                (run.stdout.as_str(), run.stderr.contains("is not a path in a skill")),
                ("", true),
                "{path}"
            );
        }
        env.run(&["skill", "show", what, "--file", "data"]).ends(if what == "pdf" { 7 } else { 3 });
        env.run(&["skill", "install", "../src"]).ends(0);
    }
}

#[cfg(unix)]
/// Which skill a file is of must be said before all of them are fetched.
#[test]
fn a_file_of_one_of_many_skills_costs_no_more_than_their_names() {
    let env = TestEnv::new();
    let Some(server) = Server::start(&env.path("srv")) else { return };
    let mut noise = 1_u64;
    for name in ["pdf", "docx", "xlsx"] {
        let mut next = || {
            noise = noise.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            u8::try_from(noise >> 56).unwrap()
        };
        let bytes: Vec<u8> = (0..100_000).map(|_| next()).collect();
        env.skill(&format!("src/skills/{name}")).file("large.bin", bytes).file("small.md", name);
    }
    env.git_repo("srv/acme/skills.git", &env.path("src"));
    let url = format!("{}/acme/skills.git", server.url());
    let run =
        env.run(&["skill", "show", &url, "--file", "small.md"]).ends(2).says("one of them must be named");
    assert!(run.stderr.contains("docx, pdf, xlsx"), "{}", run.stderr);
    assert!(server.sent() < 20_000, "{} bytes", server.sent());
    let run = env.run(&["skill", "show", &url, "--skill", "pdf", "--file", "small.md"]).ends(0);
    assert_eq!(run.stdout, "pdf");
}

#[test]
fn a_link_in_an_installed_skill_shows_no_file_of_somebody_else() {
    let env = one_skill();
    env.run(&["skill", "install", "../src"]).ends(0);
    env.write("secret.txt", "do not show\n");
    std::os::unix::fs::symlink(env.path("secret.txt"), env.path("project/.claude/skills/pdf/x.txt")).unwrap();
    let run = env.run(&["skill", "show", "pdf", "--file", "x.txt"]).ends(2);
    assert!(run.stdout.is_empty() && !run.stderr.contains("do not show"), "{}", run.stderr);
}

#[test]
fn the_path_of_a_skill_is_one_line_for_other_programs() {
    let env = one_skill();
    env.skill("src/docx").file("SKILL.md", skill_md("docx", "Does docx. Use it for docx."));
    env.run(&["skill", "install", "../src", "--all", "--agent", "claude-code", "--agent", "cursor"]).ends(0);
    let output = env.command(&["skill", "path", "pdf", "docx"]).output().unwrap();
    let lines = String::from_utf8(output.stdout).unwrap();
    let folders: Vec<&std::path::Path> = lines.lines().map(std::path::Path::new).collect();
    assert!(folders[0].join("forms.md").exists() && folders[1].join("SKILL.md").exists(), "{lines}");
    let report = env.run(&["skill", "path", "pdf", "--json"]).ends(0).json();
    let folders = report["skills"][0]["folders"].as_array().unwrap();
    assert_eq!((folders.len(), &folders[0]), (2, &report["skills"][0]["path"]));
    env.run(&["skill", "path", "pd"]).ends(3).says("did you mean `pdf`?");
}

#[cfg(unix)]
mod at_a_terminal {
    use super::one_skill;
    use crate::pty::Terminal;

    /// What a terminal of 100 columns and 40 rows shows, where the pager is this.
    fn shown(pager: Option<&str>, lines: usize) -> String {
        let env = one_skill();
        let long: String = (0..lines).map(|number| format!("line {number}\n")).collect();
        env.write("src/pdf/forms.md", long);
        let mut command = env.command(&["skill", "show", "../src", "--file", "forms.md"]);
        if let Some(pager) = pager {
            command.env("PAGER", pager);
        }
        let mut terminal = Terminal::run(command);
        terminal.wait_for_end();
        assert!(terminal.has_its_modes(), "{pager:?}");
        let (status, seen) = terminal.end();
        assert!(status.success(), "{seen}");
        seen
    }

    #[test]
    fn what_does_not_fit_goes_through_the_pager() {
        assert!(shown(Some("sed s/line/row/"), 60).contains("row 59"));
        assert!(shown(Some("sed s/line/row/"), 20).contains("line 19"), "it fits");
        for none in ["cat", "no-such-pager --flag"] {
            assert!(shown(Some(none), 60).contains("line 59"), "{none}");
        }
        // One that fails, or is killed while it has the terminal, hides nothing.
        for failing in ["exit 3", "kill -KILL $$", "stty raw -echo; kill -KILL $$"] {
            assert!(shown(Some(failing), 60).contains("line 59"), "{failing}");
        }
        // A pager that ends early, as `less` does at `q`, has shown enough.
        assert!(!shown(Some("head -n 1"), 20_000).contains("line 19999"));
    }

    #[test]
    fn lines_are_broken_between_words() {
        let env = one_skill();
        let mut command = env.command(&["skill", "show", "../src"]);
        command.env("PAGER", "cat");
        let (status, seen) = Terminal::run(command).end();
        assert!(status.success());
        let lines: Vec<&str> = seen.lines().collect();
        let item = lines.iter().position(|line| line.starts_with("- one item")).unwrap();
        assert!(lines[item].len() <= 100 && lines[item + 1].starts_with("  "), "{:?}", &lines[item..]);
    }
}
