//! `skill disable` and `skill enable`: agents lose a skill and get it back, to the last byte, with
//! what somebody has edited in it, whatever happens meanwhile.

use std::collections::BTreeMap;

use crate::dice::times;
use crate::env::{TestEnv, copy_tree, skill_md};

/// `pdf` and `docx` of a repository, for three agents with folders of their own.
fn world(more: &[&str]) -> TestEnv {
    let env = TestEnv::new();
    env.skill("src/skills/pdf").file("references/a.md", "a\n").file("scripts/run.sh", "#!/bin/sh\n");
    env.skill("src/skills/docx");
    env.git_repo("repo.git", &env.path("src"));
    let url = format!("file://{}", env.path("repo.git").display());
    let mut args = vec!["skill", "install", &url, "--all", "--agent", "claude-code,codex,windsurf"];
    args.extend(more);
    env.run(&args).ends(0);
    env
}

/// Edits that a copy could lose: of a file, a new one, one that is gone, a mode, a link, an empty
/// folder, another repository.
fn edit(env: &TestEnv, folder: &str) {
    env.write(&format!("{folder}/SKILL.md"), skill_md("pdf", "My own words. Use it when I say so."));
    env.write(&format!("{folder}/mine/notes.md"), "mine\n");
    env.write(&format!("{folder}/.git/HEAD"), "ref: refs/heads/main\n");
    env.write(&format!("{folder}/__pycache__/x.pyc"), [0, 159, 146, 150]);
    std::fs::remove_file(env.path(&format!("{folder}/references/a.md"))).unwrap();
    std::fs::create_dir_all(env.path(&format!("{folder}/empty"))).unwrap();
    #[cfg(unix)]
    {
        use std::os::unix::fs::{PermissionsExt as _, symlink};
        let script = env.path(&format!("{folder}/scripts/run.sh"));
        std::fs::set_permissions(script, std::fs::Permissions::from_mode(0o755)).unwrap();
        symlink("nowhere", env.path(&format!("{folder}/odd"))).unwrap();
    }
}

/// Skills and registry of the project, wherever they lie; an empty folder for disabled ones is as
/// good as none.
fn state(env: &TestEnv) -> BTreeMap<String, String> {
    let mut all = env.picture("project");
    all.retain(|path, _| !matches!(path.trim_end_matches('/'), ".ba-agent" | ".ba-agent/disabled"));
    all
}

fn entry(env: &TestEnv, name: &str) -> serde_json::Value {
    env.registry()["skills"][name].clone()
}

const EDITED: &str = "project/.claude/skills/pdf";

#[test]
fn what_is_disabled_is_out_of_every_folder_and_comes_back_to_the_last_byte() {
    for mode in [&[][..], &["--copy"]] {
        let env = world(mode);
        if mode.is_empty() {
            edit(&env, EDITED);
        } else {
            // Of copies only one is kept, so all are edited alike.
            for folder in [".claude", ".agents", ".windsurf"] {
                edit(&env, &format!("project/{folder}/skills/pdf"));
            }
        }
        let before = state(&env);
        env.run(&["skill", "disable", "pdf"]).ends(0).says("Disabled pdf, kept in .ba-agent/disabled");
        for folder in [".claude", ".agents", ".windsurf"] {
            assert!(!env.path(&format!("project/{folder}/skills/pdf")).exists(), "{folder}");
            assert!(env.path(&format!("project/{folder}/skills/docx/SKILL.md")).is_file(), "{folder}");
        }
        assert_eq!(entry(&env, "pdf")["enabled"], false);
        assert_eq!(entry(&env, "pdf")["targets"].as_array().unwrap().len(), 3);
        env.run(&["skill", "disable", "pdf"]).ends(0).says("disabled already");
        env.run(&["skill", "enable", "pdf"]).ends(0).says("Enabled pdf in .claude/skills");
        assert!(state(&env) == before, "{:?}\n{before:?}", state(&env));
        env.run(&["skill", "enable", "pdf"]).ends(0).says("enabled already");
    }
}

#[test]
fn everything_else_knows_a_disabled_skill() {
    let env = world(&[]);
    edit(&env, EDITED);
    env.run(&["skill", "disable", "pdf"]).ends(0);
    env.run(&["skill", "list", "--check"]).ends(0).prints("disabled, edited");
    let plain = env.run(&["skill", "list"]).ends(0);
    assert!(plain.stdout.contains("\tdisabled"), "{}", plain.stdout);
    let listed = env.run(&["skill", "list", "--json"]).ends(0).json();
    assert_eq!(listed["skills"][1]["enabled"], false);
    assert_eq!(listed["unmanaged"], serde_json::json!([]));
    env.run(&["skill", "verify", "pdf"]).ends(6).prints(".ba-agent/disabled/pdf/SKILL.md");
    env.run(&["skill", "diff", "pdf"]).ends(0).prints("My own words");
    env.run(&["skill", "show", "pdf"]).ends(0).prints("disabled");
    env.run(&["skill", "path", "pdf"]).ends(0).prints("[PROJECT]/.ba-agent/disabled/pdf");
    env.run(&["doctor"]).prints("is not what was installed");
    env.run(&["skill", "install"]).ends(7).says("was edited");
    // Neither can be kept for a rollback.
    std::fs::remove_dir_all(env.path("project/.ba-agent/disabled/pdf/.git")).unwrap();
    let _ = std::fs::remove_file(env.path("project/.ba-agent/disabled/pdf/odd"));
    env.run(&["skill", "restore", "pdf", "--yes"]).ends(0);
    env.run(&["skill", "verify"]).ends(0);
    assert!(!env.path(EDITED).exists());
    env.run(&["skill", "install", "--frozen"]).ends(0);
    env.run(&["doctor"]).ends(0);
    env.run(&["skill", "history"]).ends(0).prints("~pdf disabled");
    env.run(&["skill", "uninstall", "pdf"]).ends(0).says("from .ba-agent/disabled");
    assert!(!env.path("project/.ba-agent/disabled/pdf").exists());
}

#[test]
fn an_update_reaches_a_disabled_skill_where_it_lies() {
    let env = world(&[]);
    env.run(&["skill", "disable", "pdf"]).ends(0);
    env.write("src/skills/pdf/SKILL.md", skill_md("pdf", "The second edition. Use it."));
    let repo = git2::Repository::open(env.path("repo.git")).unwrap();
    crate::env::commit(&repo, "refs/heads/main", &env.path("src"), "second");
    env.run(&["skill", "outdated", "pdf"]).ends(6);
    env.run(&["skill", "update", "--yes"]).ends(0);
    assert!(env.read("project/.ba-agent/disabled/pdf/SKILL.md").contains("second edition"));
    assert!(!env.path(EDITED).exists());
    env.run(&["skill", "verify"]).ends(0);
    // So does a new installation, and an edit is in its way as ever.
    let url = format!("file://{}", env.path("repo.git").display());
    env.run(&["skill", "install", &url, "--all"]).ends(0);
    assert!(!env.path(EDITED).exists());
    env.write("project/.ba-agent/disabled/pdf/mine.md", "mine\n");
    env.run(&["skill", "uninstall", "pdf"]).ends(7);
    env.run(&["skill", "enable", "pdf"]).ends(0);
    assert_eq!(env.read("project/.claude/skills/pdf/mine.md"), "mine\n");
    assert!(env.read("project/.claude/skills/pdf/SKILL.md").contains("second edition"));
    env.run(&["skill", "install", &url, "--all", "--enable", "--force"]).ends(0);
}

#[test]
fn one_agent_of_three_loses_it() {
    let env = world(&[]);
    edit(&env, EDITED);
    let before = state(&env);
    // The files were in the folder of the agent that goes: the next one has them.
    env.run(&["skill", "disable", "pdf", "--agent", "claude"]).ends(2);
    env.run(&["skill", "disable", "pdf", "--agent", "goose"]).ends(3).says("is installed for claude-code");
    env.run(&["skill", "disable", "pdf", "--agent", "claude-code"])
        .ends(0)
        .says("Disabled pdf for claude-code; it stays for codex, windsurf");
    assert!(!env.path(EDITED).exists());
    assert_eq!(env.read("project/.agents/skills/pdf/mine/notes.md"), "mine\n");
    assert!(env.path("project/.windsurf/skills/pdf").is_symlink());
    env.run(&["skill", "disable", "pdf", "--agent", "codex,windsurf"]).ends(0);
    assert_eq!(entry(&env, "pdf")["enabled"], false);
    env.run(&["skill", "enable", "pdf", "--agent", "windsurf"]).ends(0).says("stays disabled for");
    assert_eq!(entry(&env, "pdf")["targets"], serde_json::json!(["windsurf"]));
    env.run(&["skill", "verify", "pdf"]).ends(6);
    env.run(&["skill", "enable", "pdf"]).ends(0);
    assert!(state(&env) == before);
    // An installation that names no agent leaves it so.
    std::fs::remove_dir_all(env.path("project/.claude/skills/pdf/.git")).unwrap();
    let _ = std::fs::remove_file(env.path("project/.claude/skills/pdf/odd"));
    env.run(&["skill", "restore", "pdf", "--yes"]).ends(0);
    env.run(&["skill", "disable", "pdf", "-a", "codex"]).ends(0);
    let url = format!("file://{}", env.path("repo.git").display());
    env.run(&["skill", "install", &url, "--all", "--force"]).ends(0);
    assert!(!env.path("project/.agents/skills/pdf").exists());
    env.run(&["skill", "install", &url, "-s", "pdf", "-a", "codex"]).ends(0);
    assert!(env.path("project/.agents/skills/pdf").exists());
    assert_eq!(entry(&env, "pdf")["disabled_for"], serde_json::Value::Null);
}

#[test]
fn agents_that_share_a_folder_are_told_apart_in_words() {
    let env = world(&[]);
    let url = format!("file://{}", env.path("repo.git").display());
    env.run(&["skill", "install", &url, "-s", "docx", "-a", "codex,cursor"]).ends(0);
    env.run(&["skill", "disable", "docx", "-a", "cursor"])
        .ends(0)
        .says("cursor still reads `docx`: it shares the folder `.agents/skills` with codex");
}

#[test]
fn a_clone_restores_what_is_disabled_and_enables_it() {
    let env = world(&[]);
    env.run(&["skill", "disable", "pdf"]).ends(0);
    copy_tree(&env.path("project/config"), &env.path("clone/config"));
    let clone = |args: &[&str]| env.run_in("clone", args);
    clone(&["skill", "install", "--frozen"]).ends(0);
    assert!(!env.path("clone/.claude/skills/pdf").exists());
    assert!(env.path("clone/.ba-agent/disabled/pdf/SKILL.md").is_file());
    // A clone that was never restored has nothing to move: the files are fetched.
    copy_tree(&env.path("project/config"), &env.path("bare/config"));
    std::fs::remove_dir_all(env.path("cache")).unwrap();
    env.run_in("bare", &["skill", "enable", "pdf"]).ends(0);
    assert!(env.path("bare/.claude/skills/pdf/references/a.md").is_file());
    assert!(env.path("bare/.windsurf/skills/pdf").is_symlink());
}

#[test]
fn the_users_own_lie_beside_their_state() {
    let env = TestEnv::new();
    env.skill("src/pdf");
    env.run(&["skill", "install", "../src/pdf", "--global"]).ends(0);
    env.write("home/.claude/skills/pdf/mine.md", "mine\n");
    let before = env.picture("home/.claude");
    env.run(&["skill", "disable", "pdf", "-g"]).ends(0).says("workspaces/");
    assert!(!env.path("home/.claude/skills/pdf").exists());
    assert!(!env.path("home/.ba-agent").exists() && !env.path("project/.ba-agent").exists());
    env.run(&["skill", "list", "-g"]).ends(0).prints("disabled");
    env.run(&["skill", "enable", "pdf", "-g"]).ends(0);
    assert_eq!(env.picture("home/.claude"), before);
}

#[test]
fn a_rollback_takes_the_edits_along() {
    let env = world(&[]);
    edit(&env, EDITED);
    let before = state(&env);
    env.run(&["skill", "disable", "pdf"]).ends(0);
    let disabled = state(&env);
    env.run(&["skill", "rollback"]).ends(0);
    assert!(state(&env) == before);
    env.run(&["skill", "rollback"]).ends(0);
    assert!(state(&env) == disabled);
}

/// A live link goes and comes as the link that it is.
#[cfg(unix)]
#[test]
fn a_live_link_is_no_copy() {
    let env = TestEnv::new();
    env.skill("project/authored/pdf");
    env.run(&["skill", "install", "./authored/pdf", "--link", "-a", "claude-code,windsurf"]).ends(0);
    let before = state(&env);
    env.run(&["skill", "disable", "pdf"]).ends(0);
    assert!(env.path("project/.ba-agent/disabled/pdf").is_symlink());
    env.run(&["skill", "verify"]).ends(0);
    env.run(&["skill", "enable", "pdf"]).ends(0);
    assert!(state(&env) == before);
}

#[test]
fn what_somebody_put_in_the_way_is_not_replaced() {
    let env = world(&[]);
    env.write("project/.ba-agent/disabled/pdf/mine.md", "mine\n");
    env.run(&["skill", "disable", "pdf"]).ends(7).says("did not install");
    std::fs::remove_dir_all(env.path("project/.ba-agent")).unwrap();
    env.run(&["skill", "disable", "pdf"]).ends(0);
    env.skill("project/.claude/skills/pdf");
    let listed = env.run(&["skill", "list", "--json"]).ends(0).json();
    assert_eq!(listed["unmanaged"][0]["path"], ".claude/skills/pdf");
    env.run(&["skill", "enable", "pdf"]).ends(7).says("did not install");
    std::fs::remove_dir_all(env.path(EDITED)).unwrap();
    env.run(&["skill", "enable", "pdf"]).ends(0);
    // A folder where a link was is somebody's work too, and copies that differ are two works.
    std::fs::remove_file(env.path("project/.windsurf/skills/pdf")).unwrap();
    env.write("project/.windsurf/skills/pdf/own.md", "own\n");
    let before = state(&env);
    env.run(&["skill", "disable", "pdf"]).ends(7).says("`.windsurf/skills/pdf` is a folder where a link was");
    assert!(state(&env) == before);
    let env = world(&["--copy"]);
    env.write("project/.windsurf/skills/pdf/own.md", "own\n");
    env.run(&["skill", "disable", "pdf"]).ends(7).says("edited in different ways");
}

/// The size is looked at before a byte is read.
#[cfg(unix)]
#[test]
fn an_enormous_file_is_not_copied() {
    let env = world(&[]);
    let file = env.path("project/.claude/skills/pdf/hole.bin");
    std::fs::File::create(file).unwrap().set_len(1 << 40).unwrap();
    env.run(&["skill", "disable", "pdf"]).ends(7).says("too large to be moved");
}

#[cfg(unix)]
#[test]
fn a_pipe_in_a_skill_is_not_waited_for() {
    let env = world(&[]);
    let pipe = env.path("project/.claude/skills/pdf/pipe");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status();
    if made.is_ok_and(|status| status.success()) {
        env.run(&["skill", "disable", "pdf"]).ends(7).says("is not a regular file or a link");
        assert!(env.path("project/.claude/skills/pdf/SKILL.md").is_file());
    }
}

/// What a project says leads nowhere: its folder for disabled skills stays inside of it.
#[cfg(unix)]
#[test]
fn a_hostile_folder_for_disabled_skills_is_refused() {
    use std::os::unix::fs::symlink;
    let env = world(&[]);
    std::fs::create_dir_all(env.path("outside")).unwrap();
    std::fs::create_dir_all(env.path("project/.ba-agent")).unwrap();
    symlink(env.path("outside"), env.path("project/.ba-agent/disabled")).unwrap();
    let before = env.picture("project");
    env.run(&["skill", "disable", "pdf"]).ends(2).says("outside");
    assert_eq!(env.picture("project"), before);
    assert!(env.picture("outside").is_empty());
    std::fs::remove_file(env.path("project/.ba-agent/disabled")).unwrap();
    env.write("project/.ba-agent/disabled", "a file");
    env.run(&["skill", "disable", "pdf"]).ends(7).says("is a file");
    // A registry that calls everything disabled takes from outside no more than it could before.
    std::fs::remove_file(env.path("project/.ba-agent/disabled")).unwrap();
    env.run(&["skill", "disable", "pdf"]).ends(0);
    std::fs::remove_dir_all(env.path("project/.ba-agent/disabled")).unwrap();
    env.skill("outside/pdf");
    symlink(env.path("outside"), env.path("project/.ba-agent/disabled")).unwrap();
    let outside = env.picture("outside");
    for args in [
        &["skill", "enable", "pdf"][..],
        &["skill", "verify"],
        &["skill", "uninstall", "pdf", "--force"],
        &["skill", "install", "--force"],
        &["skill", "update", "--force", "--yes"],
    ] {
        env.run(args).ends(2);
        assert_eq!(env.picture("outside"), outside, "{args:?}");
    }
    env.run(&["skill", "list"]).ends(0);
    env.run(&["doctor"]);
    assert_eq!(env.picture("outside"), outside);
}

/// A link that leads out of a skill is not made anew somewhere else in a project.
#[cfg(unix)]
#[test]
fn a_link_out_of_a_skill_is_not_moved() {
    use std::os::unix::fs::symlink;
    let env = world(&[]);
    let link = env.path("project/.claude/skills/pdf/references/link");
    for (target, moves) in [
        ("../SKILL.md", true),
        ("../../pdf/SKILL.md", false),
        ("/etc/hosts", false),
        ("../../../../../outside", false),
        ("nothing", true),
        ("../scripts/../..", false),
    ] {
        symlink(target, &link).unwrap();
        let before = state(&env);
        let run = env.run(&["skill", "disable", "pdf"]).ends(if moves { 0 } else { 7 });
        if moves {
            env.run(&["skill", "enable", "pdf"]).ends(0);
        } else {
            assert!(run.stderr.contains("outside of the skill"), "{}", run.stderr);
        }
        assert!(state(&env) == before, "{target}");
        std::fs::remove_file(&link).unwrap();
    }
}

/// Skills that need each other, as their frontmatter says.
fn needing() -> TestEnv {
    let env = TestEnv::new();
    let skill = |name: &str, more: &str| {
        let text = skill_md(name, &format!("Does {name}. Use it when {name} is wanted."));
        env.write(&format!("src/skills/{name}/SKILL.md"), text.replacen("---\n", &format!("---\n{more}"), 1));
    };
    skill("shared", "");
    skill("drive", "metadata:\n  openclaw:\n    requires:\n      skills: [shared]\n");
    skill("recipe", "metadata:\n  openclaw:\n    requires:\n      skills: [drive]\n");
    skill("alone", "");
    env.git_repo("repo.git", &env.path("src"));
    let url = format!("file://{}", env.path("repo.git").display());
    env.run(&["skill", "install", &url, "--all"]).ends(0);
    let path = env.path("project/config/skills_registry.json");
    let mut registry = env.registry();
    for (name, need) in [("drive", "shared"), ("recipe", "drive")] {
        let key = "metadata.openclaw.requires.skills";
        registry["skills"][name]["dependencies"] =
            serde_json::json!([{ "at": "SKILL.md:2", "key": key, "kind": "declared", "name": need }]);
    }
    std::fs::write(path, registry.to_string()).unwrap();
    env
}

#[test]
fn what_an_enabled_skill_needs_stays_and_comes_with_it() {
    let env = needing();
    let before = env.picture("project");
    env.run(&["skill", "disable", "shared"])
        .ends(7)
        .says("`shared` is needed by drive, recipe")
        .says("`ba-agent skill disable drive recipe shared`");
    assert_eq!(env.picture("project"), before);
    env.run(&["skill", "disable", "drive", "recipe", "shared"]).ends(0);
    env.run(&["skill", "disable", "alone"]).ends(0);
    let run = env.run(&["skill", "enable", "recipe", "--json"]).ends(0);
    assert_eq!(run.json()["pulled"], serde_json::json!(["drive", "shared"]));
    for name in ["recipe", "drive", "shared"] {
        assert_ne!(entry(&env, name)["enabled"], false, "{name}");
    }
    assert_eq!(entry(&env, "alone")["enabled"], false);
    // What is disabled needs nothing.
    env.run(&["skill", "disable", "recipe"]).ends(0);
    env.run(&["skill", "disable", "drive"]).ends(0);
    env.run(&["skill", "disable", "shared"]).ends(0);
}

#[test]
fn categories_say_what_can_be_disabled() {
    let env = TestEnv::new();
    for (name, category) in
        [("base", "core"), ("daily", "Office"), ("expert", "professional"), ("other", "professional")]
    {
        let text = skill_md(name, &format!("Does {name}. Use it when {name} is wanted."));
        let text = text.replacen("---\n", &format!("---\ncategory: {category}\n"), 1);
        env.write(&format!("src/skills/{name}/SKILL.md"), text);
    }
    env.git_repo("repo.git", &env.path("src"));
    let url = format!("file://{}", env.path("repo.git").display());
    env.run(&["skill", "install", &url, "--all"]).ends(0).says("expert");
    let enabled = |name: &str| entry(&env, name)["enabled"] != false;
    assert!(enabled("base") && enabled("daily") && !enabled("expert") && !enabled("other"));
    assert!(!env.path("project/.claude/skills/expert").exists());
    env.run(&["skill", "verify"]).ends(0);
    env.run(&["skill", "disable", "base"]).ends(7).says("core skill");
    env.run(&["skill", "disable", "base", "-a", "claude-code"]).ends(7);
    env.run(&["skill", "disable", "daily"]).ends(0);
    let run = env.run(&["skill", "list", "--category", "PROFESSIONAL", "--json"]).ends(0).json();
    let names: Vec<&str> =
        run["skills"].as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["expert", "other"]);
    // What somebody chooses by its name, agents get.
    env.run(&["skill", "uninstall", "expert"]).ends(0);
    env.run(&["skill", "install", &url, "-s", "expert"]).ends(0);
    assert!(enabled("expert") && !enabled("other") && !enabled("daily"));
    env.run(&["skill", "install", &url, "--all", "--enable"]).ends(0);
    assert!(enabled("other") && enabled("daily"));
    assert!(env.path("project/.claude/skills/other/SKILL.md").is_file());
    env.run(&["skill", "uninstall", "base"]).ends(0);
}

/// Where a command may be killed: the state before it, and what leads there and back.
fn saved(env: &TestEnv) -> impl Fn() + '_ {
    let _ = std::fs::remove_dir_all(env.path("saved"));
    for folder in ["project", "home"] {
        copy_tree(&env.path(folder), &env.path("saved").join(folder));
    }
    move || {
        for folder in ["project", "home"] {
            let _ = std::fs::remove_dir_all(env.path(folder));
            copy_tree(&env.path("saved").join(folder), &env.path(folder));
        }
    }
}

fn leftovers(env: &TestEnv) -> Vec<String> {
    let is_left = |path: &String| path.contains("/.ba-agent-") || path.ends_with("journal.json");
    let below = ["project", "home/.local"].into_iter();
    below.flat_map(|folder| env.picture(folder).into_keys().filter(is_left).collect::<Vec<_>>()).collect()
}

/// Kills, and lets the disk fail, at the steps of a command: the old state or the new one, edits
/// and all, and nothing beside it.
fn attack(env: &TestEnv, args: &[&str]) {
    let again = saved(env);
    let old = state(env);
    env.run(args).ends(0);
    let new = state(env);
    assert!(old != new);
    let (mut olds, mut news, mut step) = (0, 0, 0);
    loop {
        step += times(4, 1);
        let kinds = ["kill", "full", "denied", "io", "cross"];
        let kinds = if times(0, 1) == 0 { &[kinds[0], kinds[1 + step / 4 % 4]][..] } else { &kinds[..] };
        let mut ended = 0;
        for kind in kinds {
            again();
            let fault = format!("{kind}:{step}");
            let output = env.command(args).env("BA_AGENT_FAULT", &fault).output().unwrap();
            ended += usize::from(output.status.success());
            env.run(&["skill", "list"]).ends(0);
            let now = state(env);
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(now == old || now == new, "{args:?} {fault}: neither old nor new\n{said}\n{now:?}");
            assert!(!output.status.success() || now == new, "{args:?} {fault}: done, but not all of it");
            assert_eq!(leftovers(env), Vec::<String>::new(), "{args:?} {fault}");
            olds += usize::from(now == old);
            news += usize::from(now == new);
        }
        if ended == kinds.len() && step > 40 {
            break;
        }
        assert!(step < 2000, "{args:?} never comes through");
    }
    assert!(olds > 5 && news > 0, "{olds} old, {news} new");
}

#[cfg(unix)]
#[test]
fn killed_at_any_step_the_edits_are_in_one_place_or_the_other() {
    let env = world(&[]);
    edit(&env, EDITED);
    attack(&env, &["skill", "disable", "pdf", "docx"]);
    attack(&env, &["skill", "enable", "pdf"]);
    attack(&env, &["skill", "disable", "docx", "pdf", "-a", "claude-code"]);
}

/// After a restart what was written shortly before is held against the registry: edits that a
/// command has moved are no damage.
#[test]
fn edits_that_were_moved_outlive_a_restart() {
    let env = world(&[]);
    edit(&env, EDITED);
    let before = state(&env);
    let run = |boot: u32, args: &[&str]| {
        let boot = format!("boot:{boot}");
        env.done(env.command(args).env("BA_AGENT_FAULT", &boot).output().unwrap()).ends(0)
    };
    run(1, &["skill", "disable", "pdf"]);
    let disabled = state(&env);
    run(2, &["skill", "list"]);
    assert!(state(&env) == disabled);
    run(2, &["skill", "enable", "pdf"]);
    run(3, &["skill", "list"]);
    assert!(state(&env) == before);
    // So are those that a rollback has brought back.
    env.run(&["skill", "uninstall", "docx"]).ends(0);
    env.write("project/.claude/skills/pdf/mine/more.md", "more\n");
    std::fs::remove_dir_all(env.path("project/.claude/skills/pdf/.git")).unwrap();
    std::fs::remove_dir_all(env.path("project/.claude/skills/pdf/empty")).unwrap();
    std::fs::remove_dir_all(env.path("project/.claude/skills/pdf/references")).unwrap();
    #[cfg(unix)]
    std::fs::remove_file(env.path("project/.claude/skills/pdf/odd")).unwrap();
    let edited = env.picture(EDITED);
    run(3, &["skill", "uninstall", "pdf", "--force"]);
    run(4, &["skill", "rollback"]);
    assert_eq!(env.picture(EDITED), edited);
    run(5, &["skill", "list"]);
    assert_eq!(env.picture(EDITED), edited);
}

/// Which agents do not get a skill, and with which command they get it back, stands in what they are told.
#[test]
fn the_context_of_an_agent_says_what_is_disabled_for_it() {
    let env = world(&[]);
    let omitted = |agent: &str| -> Vec<serde_json::Value> {
        let report = env.run(&["skill", "context", "--for", agent, "--json"]).ends(0).json();
        let listed = report["skills"].as_array().unwrap().iter().any(|skill| skill["name"] == "pdf");
        let omitted = report["omitted"].as_array().unwrap().iter();
        let omitted: Vec<serde_json::Value> = omitted.filter(|one| one["name"] == "pdf").cloned().collect();
        assert_eq!(listed, omitted.is_empty(), "{agent}: {report}");
        omitted
    };
    env.run(&["skill", "disable", "pdf", "--agent", "codex"]).ends(0);
    assert_eq!(omitted("claude-code").len(), 0);
    let [one] = &omitted("codex")[..] else { panic!("one is left out") };
    assert_eq!(one["reason"], "disabled");
    let detail = one["detail"].as_str().unwrap();
    assert!(detail.contains("`ba-agent skill enable pdf --agent codex` puts it back"), "{detail}");
    env.run(&["skill", "enable", "pdf", "--agent", "codex"]).ends(0);
    assert_eq!(omitted("codex").len(), 0);
}
