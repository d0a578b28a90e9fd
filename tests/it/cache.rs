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
    let files = env.picture("cache").into_iter().filter(|(_, text)| text != "/");
    files.map(|(path, _)| path).filter(|path| path.starts_with("trees/")).collect()
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

/// Whatever is kept, by whatever commands: all of it is counted, and stays below the limit.
#[test]
fn the_limit_is_kept_by_every_command() {
    let mut env = TestEnv::new();
    let Some(server) = ba_agent_test_support::server::Server::start(&env.path("srv")) else { return };
    env.set("BA_AGENT_GITHUB_URL", server.url());
    env.write("settings/config.yaml", "skills:\n  cache_limit: 500KiB\n");
    let limit = 500 * 1024;
    let in_files = || -> u64 {
        let all = walkdir::WalkDir::new(env.path("cache")).into_iter().flatten();
        all.filter_map(|entry| entry.metadata().ok())
            .filter(std::fs::Metadata::is_file)
            .map(|meta| meta.len())
            .sum()
    };
    for n in 0..12 {
        let noise: Vec<u8> =
            (0..50_000u32).flat_map(|k| (k + n).wrapping_mul(2_654_435_761).to_le_bytes()).collect();
        env.skill(&format!("src-{n}/skills/skill-{n}")).file("data", noise);
        env.git_repo(&format!("srv/o/r{n}.git"), &env.path(&format!("src-{n}")));
        env.run(&["skill", "install", &format!("o/r{n}")]).ends(0);
        env.run(&["marketplace", "add", &format!("m{n}"), &format!("o/r{n}")]).ends(0);
        let told = env.run(&["cache", "size", "--json"]).ends(0).json();
        let bytes = told["bytes"].as_u64().unwrap();
        assert!(bytes <= limit + limit / 10, "{n}: {told}");
        assert!(in_files() <= bytes + 20_000, "{n}: {} in files, {told}", in_files());
    }
    assert!(in_files() > limit / 2, "what fits is kept");
    env.run(&["cache", "clear", "--yes"]).ends(0);
    assert!(in_files() < 100, "{:?}", env.picture("cache").keys());
}

/// What killed commands left is counted, and goes when it is old.
#[test]
fn leftovers_of_killed_commands_are_counted_and_go() {
    let env = filled();
    let before = env.run(&["cache", "size", "--json"]).ends(0).json()["bytes"].as_u64().unwrap();
    let left = [
        env.write("cache/tmp/git-abcdef/pack/tmp_pack", vec![1; 100_000]),
        env.write("cache/trees/aa/.new-abcdef", vec![1; 50_000]),
    ];
    let told = env.run(&["cache", "size", "--json"]).ends(0).json();
    assert_eq!((told["bytes"].as_u64().unwrap(), &told["trees"]), (before + 150_000, &3.into()));
    // Somebody may be at it.
    env.run(&["cache", "prune"]).ends(0);
    assert!(left.iter().all(|path| path.exists()));
    let long_ago = std::time::SystemTime::now() - std::time::Duration::from_secs(3 * 24 * 60 * 60);
    let age = |path: &std::path::Path| std::fs::File::open(path).unwrap().set_modified(long_ago).unwrap();
    for below in [
        "cache/tmp/git-abcdef/pack/tmp_pack",
        "cache/tmp/git-abcdef/pack",
        "cache/tmp/git-abcdef",
        "cache/trees/aa/.new-abcdef",
    ] {
        age(&env.path(below));
    }
    env.run(&["cache", "prune"]).ends(0);
    assert!(!env.path("cache/tmp/git-abcdef").exists() && !left[1].exists());
    assert_eq!(env.run(&["cache", "size", "--json"]).ends(0).json()["bytes"], before);
}

/// A cache may have more bundles than a process may have open files.
#[cfg(unix)]
#[test]
fn many_bundles_need_few_files() {
    let env = TestEnv::new();
    for n in 0..20 {
        env.skill(&format!("src/skill-{n}"));
    }
    env.run(&["skill", "install", "../src", "--all"]).ends(0);
    let bundle = std::fs::read_dir(env.path("cache/trees/bundles")).unwrap().next().unwrap().unwrap().path();
    for n in 0..200 {
        std::fs::copy(&bundle, bundle.with_file_name(format!("copy{n}"))).unwrap();
    }
    std::fs::remove_dir_all(env.path("src")).unwrap();
    std::fs::remove_dir_all(env.path("project/.claude/skills")).unwrap();
    let program = env!("CARGO_BIN_EXE_ba-agent");
    let mut command = env.command(&[]);
    let sandboxed = std::mem::replace(&mut command, std::process::Command::new("sh"));
    command.arg("-c").arg("ulimit -n 40; exec \"$0\" skill install --frozen --offline").arg(program);
    command.current_dir(env.project()).env_clear();
    command.envs(sandboxed.get_envs().filter_map(|(name, value)| Some((name, value?))));
    env.done(command.output().unwrap()).ends(0);
    env.run(&["skill", "verify"]).ends(0);
}
