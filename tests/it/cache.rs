//! `cache`: its commands, and that nothing goes wrong when it is emptied under other commands.

use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::env::{TestEnv, picture, skill_md};

/// A world whose cache holds three skills.
fn filled() -> TestEnv {
    let env = TestEnv::new();
    for name in ["one", "two", "three"] {
        env.skill(&format!("src/{name}")).file("data", vec![b'x'; 2000]);
    }
    env.run(&["skill", "install", "../src", "--all"]).ends(0);
    env
}

/// The files that hold trees.
fn trees(env: &TestEnv) -> Vec<String> {
    env.picture("cache").into_iter().filter(|(_, text)| text != "/").map(|(path, _)| path).collect()
}

#[test]
fn it_says_where_it_is_and_how_large() {
    let env = filled();
    assert_eq!(env.run(&["cache", "dir"]).ends(0).stdout, "[ROOT]/cache\n");
    assert_eq!(env.run(&["cache", "dir", "--json"]).ends(0).json()["dir"], "[ROOT]/cache");
    let told = env.run(&["cache", "size", "--json"]).ends(0).json();
    assert_eq!((&told["trees"], &told["limit"]), (&3.into(), &(1 << 30).into()));
    assert!(told["bytes"].as_u64().unwrap() > 6000);
    let said = env.run(&["cache", "size"]).ends(0).stdout;
    assert!(said.starts_with("3 skills, ") && said.ends_with(" of at most 1.0 GiB\n"), "{said}");
    // It is no project's: also where there is none.
    assert_eq!(env.run_in("home", &["cache", "size", "--json"]).ends(0).json()["trees"], 3);
}

#[test]
fn it_is_pruned_to_the_limit_or_to_a_size() {
    let env = filled();
    env.run(&["cache", "prune"]).ends(0).says("Removed 0 skills (0 B)");
    assert_eq!(env.run(&["cache", "prune", "--to", "5000", "--json"]).ends(0).json()["removed"]["trees"], 1);
    env.write("settings/config.yaml", "skills:\n  cache_limit: 3KiB\n");
    let told = env.run(&["cache", "prune", "--json"]).ends(0).json();
    assert_eq!((&told["removed"]["trees"], &told["left"]["trees"]), (&1.into(), &1.into()));
    for bad in ["", "x", "1 light-year", "-1", "99999999999999999999", "18446744073709551615GiB"] {
        env.run(&["cache", "prune", "--to", bad]).ends(2);
    }
    assert_eq!(trees(&env).len(), 1);
}

#[test]
fn it_is_cleared_only_when_somebody_says_yes() {
    let env = filled();
    env.run(&["cache", "clear"]).ends(2).says("--yes");
    assert_eq!(trees(&env).len(), 3);
    assert_eq!(env.run(&["cache", "clear", "--yes", "--json"]).ends(0).json()["left"]["trees"], 0);
    assert!(trees(&env).is_empty());
    // Nothing there, nothing asked.
    env.run(&["cache", "clear"]).ends(0);
    std::fs::remove_dir_all(env.path("cache")).unwrap();
    env.run(&["cache", "clear"]).ends(0);
    assert_eq!(env.run(&["cache", "size", "--json"]).ends(0).json()["trees"], 0);
}

#[test]
fn a_corrupted_entry_is_not_used_and_goes() {
    let env = filled();
    env.write("project/.claude/skills/one/data", "edited");
    assert!(env.run(&["skill", "diff", "one"]).ends(0).stdout.contains("-xxxx"));
    let digest = env.registry()["skills"]["one"]["digest"].as_str().unwrap().to_owned();
    let hex = digest.strip_prefix("sha256:").unwrap();
    let file = format!("cache/trees/{}/{}", &hex[..2], &hex[2..]);
    let mut bytes = std::fs::read(env.path(&file)).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    env.write(&file, bytes);
    // Not used, and gone; the source has the same bytes, and is asked instead.
    assert!(env.run(&["skill", "diff", "one"]).ends(0).stdout.contains("-xxxx"));
    assert!(!env.path(&file).exists());
    std::fs::rename(env.path("src"), env.path("away")).unwrap();
    env.run(&["skill", "diff", "one", "--offline"]).ends(3).says(&digest);
    std::fs::rename(env.path("away"), env.path("src")).unwrap();
    // Installed again from its source it is there again, and sound.
    env.run(&["skill", "install", "../src", "-s", "one", "--force"]).ends(0);
    env.write("project/.claude/skills/one/data", "edited");
    env.run(&["skill", "diff", "one"]).ends(0);
}

/// Processes that install, compare and remove, each in a project of its own, while another
/// empties the cache that they share again and again.
#[test]
fn it_may_be_emptied_while_others_use_it() {
    const PROJECTS: usize = 3;
    const ROUNDS: usize = 4;
    let env = TestEnv::new();
    for name in ["one", "two", "three", "four"] {
        env.skill(&format!("src/{name}")).file("data", name.repeat(1000));
    }
    let done = AtomicBool::new(false);
    let mut pruned = 0;
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..PROJECTS)
            .map(|n| {
                let env = &env;
                let project = format!("projects/{n}");
                std::fs::create_dir_all(env.path(&project).join(".git")).unwrap();
                scope.spawn(move || (0..ROUNDS).for_each(|_| round(env, &project)))
            })
            .collect();
        let emptier = scope.spawn(|| {
            let mut runs = 0;
            // At least a few times, at most a hundred, whoever is quicker.
            while (!done.load(Ordering::Relaxed) || runs < 4) && runs < 100 {
                let args: &[&str] = if runs % 2 == 0 {
                    &["cache", "clear", "--yes"]
                } else {
                    &["cache", "prune", "--to", "4KiB"]
                };
                let output =
                    env.command(args).stdout(Stdio::piped()).stderr(Stdio::piped()).output().unwrap();
                env.done(output).ends(0);
                runs += 1;
            }
            runs
        });
        for worker in workers {
            worker.join().unwrap();
        }
        done.store(true, Ordering::Relaxed);
        pruned = emptier.join().unwrap();
    });
    assert!(pruned >= 4);
    let left: Vec<_> = trees(&env).into_iter().filter(|path| path.contains(".new-")).collect();
    assert!(left.is_empty(), "{left:?}");
}

fn round(env: &TestEnv, project: &str) {
    let run = |args: &[&str]| env.run_in(project, args);
    let source = env.path("src").display().to_string();
    run(&["skill", "install", &source, "--all"]).ends(0);
    run(&["skill", "verify"]).ends(0);
    let at = env.path(project).join(".claude/skills/one/SKILL.md");
    std::fs::write(at, skill_md("one", "Edited, to be compared.")).unwrap();
    // With the tree or without it, but never with a wrong one.
    let diff = run(&["skill", "diff", "one"]);
    match diff.status {
        0 => assert!(diff.stdout.contains("-description: Does one."), "{}", diff.stdout),
        3 => assert!(diff.stderr.contains("is not in the cache"), "{}", diff.stderr),
        _ => panic!("{diff:?}"),
    }
    run(&["skill", "uninstall", "one", "two", "three", "four", "--force"]).ends(0);
    assert!(picture(&env.path(project).join(".claude/skills")).is_empty());
}

/// A link is part of the digest, so what is kept of it must come back too.
#[cfg(unix)]
#[test]
fn a_skill_with_links_comes_back_out_of_it() {
    let env = TestEnv::new();
    env.skill("src/review").file("AGENTS.md", "agents\n").link("CLAUDE.md", "AGENTS.md");
    env.run(&["skill", "install", "../src/review"]).ends(0);
    let before = env.picture("project/.claude/skills");
    std::fs::remove_dir_all(env.path("project/.claude/skills")).unwrap();
    std::fs::remove_dir_all(env.path("src")).unwrap();
    env.run(&["skill", "install", "--frozen", "--offline"]).ends(0);
    assert_eq!(env.picture("project/.claude/skills"), before);
}

/// Many skills at once are kept in one file; each comes back by itself, and all are counted.
#[test]
fn many_skills_are_kept_together() {
    let env = TestEnv::new();
    for n in 0..40 {
        env.skill(&format!("src/skill-{n}")).file("data", format!("data of {n}"));
    }
    env.run(&["skill", "install", "../src", "--all"]).ends(0);
    assert_eq!(trees(&env).len(), 1);
    assert_eq!(env.run(&["cache", "size", "--json"]).ends(0).json()["trees"], 40);
    let before = env.picture("project/.claude/skills");
    std::fs::remove_dir_all(env.path("project/.claude/skills/skill-7")).unwrap();
    std::fs::remove_dir_all(env.path("src")).unwrap();
    env.run(&["skill", "install", "--frozen", "--offline"]).ends(0);
    assert_eq!(env.picture("project/.claude/skills"), before);
    assert_eq!(trees(&env).len(), 1, "what is kept is not kept again");
    assert_eq!(env.run(&["cache", "clear", "--yes", "--json"]).ends(0).json()["removed"]["trees"], 40);
}
