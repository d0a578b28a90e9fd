//! The registry as a lock: `install` without a source, `--frozen`, `--offline`.

use std::path::Path;

use crate::env::{TestEnv, commit, skill_md};

/// Two skills of a repository, one of an archive, one built in; installed.
fn installed() -> TestEnv {
    let env = TestEnv::new();
    env.skill("src/skills/pdf").file("scripts/run.sh", "#!/bin/sh\n");
    env.skill("src/skills/docx");
    env.skill("zipped/xlsx");
    drop(env.git_repo("repo.git", &env.path("src")));
    env.zip("x.zip", &env.path("zipped"));
    env.run(&["skill", "install", &url(&env), "--all", "--agent", "claude-code", "--agent", "augment"])
        .ends(0);
    env.run(&["skill", "install", "../x.zip"]).ends(0);
    env.run(&["skill", "install", "builtin:skill-finder"]).ends(0);
    env
}

fn url(env: &TestEnv) -> String {
    format!("file://{}", env.path("repo.git").display())
}

fn forget_skills(env: &TestEnv) {
    for folder in ["project/.claude", "project/.augment"] {
        std::fs::remove_dir_all(env.path(folder)).unwrap();
    }
}

fn forget_cache(env: &TestEnv) {
    std::fs::remove_dir_all(env.path("cache")).unwrap();
}

#[test]
fn the_registry_alone_brings_everything_back_to_the_byte() {
    let env = installed();
    let before = env.picture("project");
    for (flags, cached) in
        [(vec![], true), (vec![], false), (vec!["--frozen"], false), (vec!["--frozen", "--offline"], true)]
    {
        forget_skills(&env);
        if !cached {
            forget_cache(&env);
        }
        let mut args = vec!["skill", "install"];
        args.extend(&flags);
        env.run(&args).ends(0).says("Installed pdf");
        assert_eq!(env.picture("project"), before, "{flags:?} {cached}");
    }
    env.run(&["skill", "install"]).ends(0).says("Unchanged pdf");
}

#[test]
fn the_pin_holds_though_the_branch_moved_on() {
    let env = installed();
    let before = env.picture("project");
    env.write("src/skills/pdf/SKILL.md", skill_md("pdf", "The second edition of it, quite another."));
    let repo = git2::Repository::open(env.path("repo.git")).unwrap();
    commit(&repo, "refs/heads/main", &env.path("src"), "second");
    forget_skills(&env);
    forget_cache(&env);
    env.run(&["skill", "install", "--frozen"]).ends(0);
    assert_eq!(env.picture("project"), before);
}

#[test]
fn another_machine_gets_the_same_bytes() {
    let env = installed();
    let there = env.path("there");
    std::fs::create_dir_all(there.join("config")).unwrap();
    std::fs::copy(env.path("project/config/skills_registry.json"), there.join("config/skills_registry.json"))
        .unwrap();
    forget_cache(&env);
    env.run_in("there", &["skill", "install", "--frozen"]).ends(0);
    assert_eq!(env.picture("there/.claude"), env.picture("project/.claude"));
    assert_eq!(env.picture("there/.augment"), env.picture("project/.augment"));
}

#[test]
fn edits_stop_it_and_strangers_are_mentioned() {
    let env = installed();
    env.write("project/.claude/skills/mine/SKILL.md", "mine");
    env.run(&["skill", "install"]).ends(0).says("not touched: .claude/skills/mine");
    env.write("project/.claude/skills/pdf/SKILL.md", "edited");
    env.write("project/.claude/skills/docx/more.md", "added");
    let before = env.picture("project");
    for (flags, status) in [(&["skill", "install"][..], 7), (&["skill", "install", "--frozen"], 6)] {
        let run = env.run(flags).ends(status);
        assert!(run.stderr.contains("pdf: changed") && run.stderr.contains("docx: added"), "{}", run.stderr);
        assert_eq!(env.picture("project"), before);
    }
    env.run(&["skill", "install", "--force"]).ends(0);
    assert!(env.read("project/.claude/skills/pdf/SKILL.md").contains("Does pdf"));
    assert_eq!(env.read("project/.claude/skills/mine/SKILL.md"), "mine");
    // What was given up comes back.
    env.run(&["skill", "rollback"]).ends(0);
    assert_eq!(env.read("project/.claude/skills/pdf/SKILL.md"), "edited");
    assert_eq!(env.read("project/.claude/skills/docx/more.md"), "added");
}

#[test]
fn offline_says_exactly_what_is_missing() {
    let env = installed();
    let registry = env.read("project/config/skills_registry.json");
    env.write(
        "project/config/skills_registry.json",
        registry.replace(&url(&env), "https://host.invalid/o/r.git"),
    );
    forget_skills(&env);
    forget_cache(&env);
    let run = env.run(&["skill", "install", "--offline"]).ends(3);
    assert!(run.stderr.contains("2 skills are not in the cache: docx, pdf"), "{}", run.stderr);
    assert!(!env.path("project/.claude/skills/xlsx").exists(), "all or nothing");
}

#[test]
fn other_bytes_at_the_same_pin_are_refused() {
    let env = installed();
    forget_skills(&env);
    forget_cache(&env);
    // An archive that was built anew.
    env.skill("zipped/xlsx").file("more.md", "more");
    env.zip("x.zip", &env.path("zipped"));
    let run = env.run(&["skill", "install", "--frozen"]).ends(6);
    assert!(run.stderr.contains("xlsx") && run.stderr.contains("that was expected"), "{}", run.stderr);
    assert!(!env.path("project/.claude/skills").exists());
    // A registry whose digest was tampered with.
    let env = installed();
    let digest = env.registry()["skills"]["pdf"]["digest"].as_str().unwrap().to_owned();
    let text = env.read("project/config/skills_registry.json");
    env.write(
        "project/config/skills_registry.json",
        text.replace(&digest, &format!("sha256:{}", "0".repeat(64))),
    );
    forget_skills(&env);
    let before = env.read("project/config/skills_registry.json");
    env.run(&["skill", "install", "--frozen"]).ends(6).says("`pdf` from");
    assert_eq!(env.read("project/config/skills_registry.json"), before, "never rewritten");
}

/// Such a path is never looked for, in a package or on the disk.
#[test]
fn a_recorded_folder_that_no_source_can_have_is_refused() {
    let env = installed();
    let sound = env.read("project/config/skills_registry.json");
    forget_skills(&env);
    for (folder, why) in [
        ("../../src/skills/pdf", "leads out of the folder"),
        ("/etc", "is absolute"),
        ("skills/pdf/", "has an empty part"),
        ("skills/.git", "spells `.git`"),
    ] {
        forget_cache(&env);
        let before = sound.replace("\"path\": \"skills/pdf\"", &format!("\"path\": \"{folder}\""));
        assert_ne!(before, sound);
        env.write("project/config/skills_registry.json", &before);
        let run = env.run(&["skill", "install", "--frozen"]).ends(6);
        assert!(run.stderr.contains(&format!("the path `{folder}` {why}")), "{}", run.stderr);
        assert!(run.stderr.contains("`pdf` is recorded in a folder"), "{}", run.stderr);
        assert!(!env.path("project/.claude/skills").exists(), "all or nothing");
        assert_eq!(env.read("project/config/skills_registry.json"), before, "never rewritten");
        std::fs::create_dir_all(env.path("cache")).unwrap();
    }
    // In a newer state of its source it is found by its name, as if its folder had been renamed.
    env.write("src/skills/pdf/SKILL.md", skill_md("pdf", "The second edition of it, quite another."));
    let repo = git2::Repository::open(env.path("repo.git")).unwrap();
    commit(&repo, "refs/heads/main", &env.path("src"), "second");
    env.run(&["skill", "update", "pdf"]).ends(0).says("Updated pdf");
    assert_eq!(env.registry()["skills"]["pdf"]["path"], "skills/pdf");
}

#[test]
fn a_commit_that_is_gone_is_said_to_be() {
    let env = installed();
    std::fs::remove_dir_all(env.path("repo.git")).unwrap();
    drop(env.git_repo("repo.git", Path::new(&env.path("zipped"))));
    forget_skills(&env);
    forget_cache(&env);
    let run = env.run(&["skill", "install"]).ends(3).says("there is no commit");
    assert!(run.stderr.contains("`ba-agent skill update docx --source SOURCE`"), "{}", run.stderr);
}

#[test]
fn a_broken_cache_is_detected_and_fetched_anew() {
    let env = installed();
    let before = env.picture("project");
    for path in env.picture("cache").keys().filter(|path| path.starts_with("trees/") && path.len() > 60) {
        let mut bytes = std::fs::read(env.path(&format!("cache/{path}"))).unwrap();
        let last = bytes.len() - 1;
        bytes[last] ^= 1;
        env.write(&format!("cache/{path}"), bytes);
    }
    forget_skills(&env);
    env.run(&["skill", "install", "--frozen"]).ends(0);
    assert_eq!(env.picture("project"), before);
}

/// A cache that is found broken only when its files are written is fetched anew, without the
/// lock; what cannot be fetched is named as it is with an empty cache.
#[test]
fn a_broken_cache_is_that_of_nothing() {
    let env = installed();
    let spoil = || {
        for path in env.picture("cache").keys().filter(|path| path.starts_with("trees/") && path.len() > 60) {
            let file = env.path(&format!("cache/{path}"));
            let length = std::fs::metadata(&file).unwrap().len();
            std::fs::File::options().write(true).open(&file).unwrap().set_len(length - 1).unwrap();
        }
    };
    spoil();
    forget_skills(&env);
    env.run(&["skill", "install", "--frozen", "--dry-run"]).ends(0);
    env.run(&["skill", "install", "--frozen"]).ends(0);
    forget_skills(&env);
    spoil();
    std::fs::remove_file(env.path("x.zip")).unwrap();
    env.run(&["skill", "install", "--frozen"]).ends(3).says("`xlsx`");
    env.run(&["skill", "install", "--frozen", "--dry-run"]).ends(3).says("`xlsx`");
    assert!(!env.path("project/.claude/skills/pdf").exists());
    let before = env.picture("project");
    env.run(&["skill", "rollback", "pdf", "--dry-run"]).ends(0);
    assert_eq!(env.picture("project"), before);
}

/// What is opened is closed after it was written: memory does not grow with what is recorded.
#[cfg(target_os = "linux")]
#[test]
fn a_restore_takes_the_memory_of_a_few_skills() {
    let env = TestEnv::new();
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let (skills, limit) = (64 + 16 * cores, 10 + 3 * cores);
    for n in 0..skills {
        let bytes = vec![u8::try_from(n % 256).unwrap(); 1 << 18];
        env.skill(&format!("src/skill-{n}")).file("data.bin", bytes);
    }
    env.run(&["skill", "install", "../src", "--all"]).ends(0);
    std::fs::remove_dir_all(env.path("src")).unwrap();
    std::fs::remove_dir_all(env.path("project/.claude/skills")).unwrap();
    let program = env!("CARGO_BIN_EXE_ba-agent");
    let sandboxed = env.command(&[]);
    let mut command = std::process::Command::new("sh");
    let line = format!("ulimit -d {}; exec \"$0\" skill install --frozen --offline", limit << 10);
    command.args(["-c", &line]).arg(program).current_dir(env.project()).env_clear();
    command.envs(sandboxed.get_envs().filter_map(|(name, value)| Some((name, value?))));
    env.done(command.output().unwrap()).ends(0);
    env.run(&["skill", "verify"]).ends(0);
}

#[test]
fn flags_that_choose_need_a_source() {
    let env = installed();
    for flag in [&["--all"][..], &["--skill", "pdf"], &["--agent", "cursor"], &["--ref", "main"]] {
        let mut args = vec!["skill", "install"];
        args.extend(flag);
        env.run(&args).ends(2).says("needs a source");
    }
    env.run(&["skill", "install", "builtin:skill-finder", "--frozen"]).ends(2);
}

#[test]
fn a_missing_link_of_a_further_agent_comes_back() {
    let env = installed();
    let before = env.picture("project");
    std::fs::remove_file(env.path("project/.augment/skills/pdf")).unwrap();
    env.run(&["skill", "install"]).ends(0).says("Replaced pdf");
    assert_eq!(env.picture("project"), before);
}
