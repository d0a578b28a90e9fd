//! Edits that are given up with `--force`: a command either keeps what goes, so that `rollback`
//! puts it back to the byte, or stops and leaves everything as it is.
#![cfg(unix)]

use std::collections::BTreeMap;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;

use crate::env::TestEnv;

type Edit = (&'static str, fn(&Path));

fn write(at: &Path, text: &str) {
    std::fs::create_dir_all(at.parent().unwrap()).unwrap();
    std::fs::write(at, text).unwrap();
}

/// Ways to edit the folder of an installed skill, so that something would be lost.
const EDITS: [Edit; 12] = [
    ("a changed file", |at| write(&at.join("SKILL.md"), "mine")),
    ("a further file", |at| write(&at.join("deep/er/own.md"), "own")),
    ("a mode", |at| {
        std::fs::set_permissions(at.join("more.md"), std::fs::Permissions::from_mode(0o755)).unwrap();
    }),
    ("a link inside", |at| symlink("more.md", at.join("inner")).unwrap()),
    ("a link to nothing", |at| symlink("nowhere", at.join("dangling")).unwrap()),
    ("a link out", |at| symlink("/etc/hostname", at.join("out")).unwrap()),
    ("a file that became a link", |at| {
        std::fs::remove_file(at.join("more.md")).unwrap();
        symlink("../../../elsewhere.md", at.join("more.md")).unwrap();
    }),
    ("a name of other bytes", |at| {
        write(&at.join(std::ffi::OsStr::from_bytes(b"latin-\xe9.md")), "other bytes");
    }),
    ("twins", |at| {
        write(&at.join("Twin.md"), "one");
        write(&at.join("twin.md"), "two");
    }),
    ("a name that Windows keeps", |at| write(&at.join("aux.md"), "aux")),
    ("a pipe", |at| {
        let pipe = at.join("pipe");
        rustix::fs::mkfifoat(rustix::fs::CWD, pipe, rustix::fs::Mode::from_raw_mode(0o644)).unwrap();
    }),
    ("a folder for a file", |at| {
        std::fs::remove_file(at.join("more.md")).unwrap();
        write(&at.join("more.md/inside"), "in the place of a file");
    }),
];

/// Everything below a folder but folders: kind, mode, and bytes or target.
fn picture(root: &Path) -> BTreeMap<String, String> {
    let mut out = BTreeMap::new();
    for entry in walkdir::WalkDir::new(root).into_iter().map(Result::unwrap) {
        let kind = entry.file_type();
        let content = if kind.is_symlink() {
            std::fs::read_link(entry.path()).unwrap().display().to_string()
        } else if kind.is_file() {
            let mode = entry.metadata().unwrap().permissions().mode() & 0o111;
            format!("{mode:o} {}", String::from_utf8_lossy(&std::fs::read(entry.path()).unwrap()))
        } else if kind.is_dir() {
            continue;
        } else {
            "special".to_owned()
        };
        out.insert(format!("{:?}", entry.path().strip_prefix(root).unwrap()), content);
    }
    out
}

fn installed(more: &[&str]) -> TestEnv {
    let env = TestEnv::new();
    env.skill("src/pdf").file("more.md", "more");
    env.run(&[&["skill", "install", "../src/pdf"], more].concat()).ends(0);
    env.write(
        "src/pdf/SKILL.md",
        crate::env::skill_md("pdf", "Another edition, so that there is an update."),
    );
    env
}

const COMMANDS: [&[&str]; 4] = [
    &["skill", "update", "--force"],
    &["skill", "uninstall", "pdf", "--force"],
    &["skill", "install", "../src/pdf", "--force"],
    &["skill", "install", "--force"],
];

/// Runs a command that gives edits up: what was there is there, or comes back.
fn check(env: &TestEnv, what: &str, args: &[&str]) {
    let folder = env.path("project");
    let of_skills = |folder: &Path| {
        let mut all = picture(folder);
        all.retain(|path, _| !path.contains("config/"));
        all
    };
    let before = of_skills(&folder);
    let run = env.run(args);
    match run.status {
        0 if of_skills(&folder) == before => {}
        0 => {
            let back = env.run(&["skill", "rollback"]);
            assert_eq!(back.status, 0, "{what}, {args:?}: {}{}", run.stderr, back.stderr);
        }
        7 => assert!(run.stderr.contains("hint: "), "{what}, {args:?}: {}", run.stderr),
        _ => panic!("{what}, {args:?}: {run:?}"),
    }
    assert_eq!(of_skills(&folder), before, "{what}, {args:?}: {}", run.stderr);
}

#[test]
fn what_force_takes_away_comes_back_or_stays() {
    for (what, edit) in EDITS {
        for args in COMMANDS {
            let env = installed(&[]);
            edit(&env.path("project/.claude/skills/pdf"));
            check(&env, what, args);
        }
    }
}

/// In the second of two copies, in both alike, and in each its own.
#[test]
fn edits_of_every_copy_come_back_or_stay() {
    let two = ["--agent", "claude-code", "--agent", "augment", "--copy"];
    let folders = ["project/.claude/skills/pdf", "project/.augment/skills/pdf"];
    for args in COMMANDS {
        let env = installed(&two);
        folders.iter().for_each(|folder| write(&env.path(folder).join("own.md"), "alike"));
        check(&env, "alike", args);
        let env = installed(&two);
        folders.iter().for_each(|folder| write(&env.path(folder).join("own.md"), folder));
        check(&env, "apart", args);
        // The edit of one copy comes back in both.
        let env = installed(&two);
        write(&env.path(folders[1]).join("own.md"), "in the second");
        env.run(args).ends(0);
        env.run(&["skill", "rollback"]).ends(0);
        assert_eq!(env.read(&format!("{}/own.md", folders[1])), "in the second", "{args:?}");
        // Somebody's folder in the place of a link.
        let env = installed(&two[..4]);
        std::fs::remove_file(env.path(folders[1])).unwrap();
        write(&env.path(folders[1]).join("own.md"), "in the place of a link");
        env.run(args).ends(0);
        env.run(&["skill", "rollback"]).ends(0);
        assert!(env.path(folders[0]).join("own.md").exists(), "{args:?}");
    }
}

/// Somebody's folder that has the name of a skill.
#[test]
fn a_folder_that_an_installation_replaced_comes_back() {
    for agent in ["claude-code", "augment"] {
        let env = TestEnv::new();
        env.skill("src/pdf");
        let root = if agent == "augment" { ".augment" } else { ".claude" };
        write(&env.path(&format!("project/{root}/skills/pdf/own/notes.md")), "somebody's");
        let agents = ["--agent", "claude-code", "--agent", "augment", "--force"];
        check(&env, agent, &[&["skill", "install", "../src/pdf"], &agents[..]].concat());
        assert_eq!(env.registry()["skills"], serde_json::json!({}));
        env.run(&["skill", "verify"]).ends(0);
        let own = env.path(&format!("project/{root}/skills/pdf/own/notes.md"));
        env.run(&["skill", "rollback"]).ends(7).says("did not install");
        env.run(&["skill", "rollback", "--force"]).ends(0);
        assert!(!own.exists());
        env.run(&["skill", "verify"]).ends(0);
        env.run(&["skill", "rollback"]).ends(0);
        assert!(own.exists());
    }
    let env = TestEnv::new();
    env.skill("src/pdf");
    write(&env.path("project/.claude/skills/pdf/pdf.md"), "of one");
    write(&env.path("project/.augment/skills/pdf/pdf.md"), "of another");
    let args = ["skill", "install", "../src/pdf", "--agent", "claude-code", "--agent", "augment", "--force"];
    check(&env, "two of them", &args);
}

/// What somebody has put where an uninstalled skill was.
#[test]
fn a_rollback_takes_nobodys_folder() {
    let env = installed(&["--agent", "claude-code", "--agent", "augment", "--copy"]);
    env.run(&["skill", "uninstall", "pdf"]).ends(0);
    let own = env.path("project/.augment/skills/pdf/own.md");
    write(&own, "my work");
    for args in
        [&["skill", "rollback"][..], &["skill", "rollback", "pdf"], &["skill", "rollback", "--dry-run"]]
    {
        env.run(args).ends(7).says("did not install");
        assert_eq!(std::fs::read_to_string(&own).unwrap(), "my work");
    }
    env.run(&["skill", "rollback", "--force"]).ends(0);
    env.run(&["skill", "verify"]).ends(0);
    env.run(&["skill", "rollback"]).ends(0);
    assert_eq!(std::fs::read_to_string(&own).unwrap(), "my work");
    // A link or a file goes for good, so it only goes with `--force`.
    std::fs::remove_dir_all(own.parent().unwrap()).unwrap();
    symlink("elsewhere", own.parent().unwrap()).unwrap();
    env.run(&["skill", "rollback"]).ends(7).says("did not install");
    assert!(own.parent().unwrap().is_symlink());
}

/// Beside a skill that is installed a stranger's folder is not kept: the hint does not say so.
#[test]
fn what_is_replaced_for_good_is_called_that() {
    let env = installed(&["--agent", "claude-code", "--agent", "augment", "--copy"]);
    env.run(&["skill", "uninstall", "pdf"]).ends(0);
    env.run(&["skill", "install", "../src", "--agent", "claude-code"]).ends(0);
    let own = env.path("project/.augment/skills/pdf/own.md");
    write(&own, "my work");
    env.run(&["skill", "rollback", "--to", "2"]).ends(7).says("replaces it for good");
    assert_eq!(std::fs::read_to_string(&own).unwrap(), "my work");
}

#[test]
fn a_folder_in_the_place_of_a_live_link_stays() {
    for args in COMMANDS {
        let env = installed(&["--link"]);
        let at = env.path("project/.claude/skills/pdf");
        std::fs::remove_file(&at).unwrap();
        write(&at.join("own.md"), "somebody's");
        check(&env, "a folder for a live link", args);
    }
}
