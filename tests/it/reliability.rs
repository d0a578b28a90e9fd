//! Kills, faults and crowds: whatever happens, there is the old state or the new one.
//!
//! `cargo test` runs a short form. The nightly form and the figures in `tests/README.md`:
//! `BA_AGENT_NIGHTLY=1 cargo test --test it reliability -- --nocapture --test-threads 1`.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use crate::dice::{Dice, times};
use crate::env::{TestEnv, commit, skill_md};

const NAMES: [&str; 8] = ["a", "b", "c", "d", "e", "f", "g", "h"];

/// A repository of eight skills in two editions; the first is tagged `v1`.
fn world() -> TestEnv {
    let env = TestEnv::new();
    for name in NAMES {
        let maker = env.skill(&format!("src/skills/{name}"));
        (0..4).fold(maker, |maker, n| {
            maker.file(&format!("references/{n}.md"), format!("{name} {n}\n").repeat(50))
        });
    }
    let repo = env.git_repo("repo.git", &env.path("src"));
    let first = repo.refname_to_id("refs/heads/main").unwrap();
    repo.reference("refs/heads/v1", first, false, "").unwrap();
    for name in NAMES {
        env.write(
            &format!("src/skills/{name}/SKILL.md"),
            skill_md(name, "The second edition, quite another."),
        );
        env.write(&format!("src/skills/{name}/references/5.md"), "new");
    }
    commit(&repo, "refs/heads/main", &env.path("src"), "second");
    env
}

fn url(env: &TestEnv) -> String {
    format!("file://{}", env.path("repo.git").display())
}

type State = (BTreeMap<String, String>, String);

/// Skills and registry, without times: they are fixed in tests anyway.
fn state(env: &TestEnv) -> State {
    let registry =
        std::fs::read_to_string(env.path("project/config/skills_registry.json")).unwrap_or_default();
    (env.picture("project/.claude"), registry)
}

/// What a command leaves beside skills and registry.
fn leftovers(env: &TestEnv) -> Vec<String> {
    let is_left =
        |path: &String| path.contains(".ba-agent-") || path.ends_with(".journal") || path.ends_with(".new");
    env.picture("project").into_keys().filter(is_left).collect()
}

/// The commands under attack, from the state in which `v1` is installed.
fn attacked(env: &TestEnv) -> Vec<Vec<String>> {
    let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
    vec![
        words(&format!("skill install {} --all --force", url(env))),
        words("skill uninstall a b c d e f g h"),
        words("skill update --yes"),
        words("skill rollback"),
        words("skill install --force"),
        words("skill pin a"),
    ]
}

/// Brings the project to the state in which the first edition is installed.
fn reset(env: &TestEnv, saved: &State) {
    for folder in ["project/.claude", "project/config"] {
        let _ = std::fs::remove_dir_all(env.path(folder));
    }
    for (path, content) in &saved.0 {
        if content != "/" {
            env.write(&format!("project/.claude/{path}"), content);
        }
    }
    env.write("project/config/skills_registry.json", &saved.1);
}

#[cfg(unix)]
#[test]
fn killed_at_any_moment_it_is_the_old_state_or_the_new_one() {
    let env = world();
    let old = install_first(&env);
    let mut dice = Dice::new(0x9E37_79B9_7F4A_7C15);
    let commands = attacked(&env);
    // How far each command runs before it ends by itself: steps, and microseconds.
    let mut reach = vec![[120, 20_000]; commands.len()];
    let mut news_of: BTreeMap<usize, State> = BTreeMap::new();
    let (mut killed, mut olds, mut news, mut ended) = (0, 0, 0, 0);
    for round in 0.. {
        if killed >= times(50, 500) {
            break;
        }
        let which = round % commands.len();
        let args: Vec<&str> = commands[which].iter().map(String::as_str).collect();
        let new = news_of.entry(which).or_insert_with(|| new_state(&env, &args, &old)).clone();
        assert!(new != old || args.contains(&"--force"), "{args:?} changes nothing");
        prepare(&env, &old);
        let mut command = env.command(&args);
        command.stderr(std::process::Stdio::null());
        // By turns at a chosen step of the transaction and at a moment by the clock.
        let manner = (round / commands.len()) % 2;
        let when = dice.roll(reach[which][manner]) + 1;
        let mut child = if manner == 0 {
            command.env("BA_AGENT_FAULT", format!("kill:{when}")).spawn().unwrap()
        } else {
            let mut child = command.spawn().unwrap();
            std::thread::sleep(Duration::from_micros(when as u64));
            let _ = child.kill();
            child
        };
        let status = child.wait().unwrap();
        assert!(status.success() || status.code().is_none(), "{args:?}: {status}");
        if status.success() {
            // Too late: it had ended. Aim earlier.
            reach[which][manner] = (when * 9 / 10).max(1);
            ended += 1;
        } else {
            killed += 1;
        }
        // The next command repairs, whatever it is.
        env.run(&["skill", "list"]).ends(0);
        let now = state(&env);
        assert!(now == old || now == new, "{args:?}: neither old nor new, round {round}, {when}");
        olds += usize::from(now == old);
        news += usize::from(now != old);
        env.run(&["skill", "verify"]).ends(0);
        assert_eq!(leftovers(&env), Vec::<String>::new(), "{args:?}");
    }
    assert!(news > 0 && olds > 0, "{news} new, {olds} old");
    println!(
        "kills: {killed} tried, {killed} survived ({olds} old, {news} new; {ended} more had ended before)"
    );
}

/// The first edition, installed, with a history that `rollback` can go back in: it takes
/// `a`, `b` and `c` away again.
fn prepare(env: &TestEnv, old: &State) {
    let _ = std::fs::remove_dir_all(env.home().join(".local"));
    reset(env, old);
    env.run(&["skill", "uninstall", "a", "b", "c"]).ends(0);
    env.run(&["skill", "rollback"]).ends(0);
    assert!(state(env) == *old);
}

/// Installs the first edition from a branch that has the second one afterwards.
fn install_first(env: &TestEnv) -> State {
    env.run(&["skill", "install", &url(env), "--all", "--ref", "v1"]).ends(0);
    let repo = git2::Repository::open(env.path("repo.git")).unwrap();
    let second = repo.refname_to_id("refs/heads/main").unwrap();
    repo.reference("refs/heads/v1", second, true, "").unwrap();
    state(env)
}

/// The state that a command leads to when nobody disturbs it.
fn new_state(env: &TestEnv, args: &[&str], old: &State) -> State {
    prepare(env, old);
    env.run(args).ends(0);
    state(env)
}

#[test]
fn a_fault_at_every_step_leaves_the_old_state() {
    let env = world();
    let old = install_first(&env);
    let (mut tried, mut survived) = (0, 0);
    let kinds = ["full", "denied", "cross", "io"];
    for (which, args) in attacked(&env).iter().enumerate() {
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        // At night every step with every fault; by day every fault on a share of the steps.
        let stride = times(7, 1);
        let mut step = 1 + which;
        loop {
            prepare(&env, &old);
            let kind = kinds[(step / stride) % kinds.len()];
            let mut command = env.command(&args);
            let output = command.env("BA_AGENT_FAULT", format!("{kind}:{step}")).output().unwrap();
            if output.status.success() {
                break;
            }
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(said.contains("error: "), "{said}");
            assert!(state(&env) == old, "{args:?} {kind}:{step}\n{said}");
            assert_eq!(leftovers(&env), Vec::<String>::new(), "{args:?} {kind}:{step}");
            tried += 1;
            survived += 1;
            step += stride;
            assert!(step < 2_000, "{args:?} never came through");
        }
    }
    println!("faults: {tried} tried, {survived} survived");
}

#[test]
fn many_processes_at_once_lose_nothing() {
    let env = world();
    let source = url(&env);
    let mut dice = Dice::new(0xD1B5_4A32_D192_ED03);
    let total = times(80, 400);
    let (mut running, mut started, mut done, mut refused) = (Vec::new(), 0, 0, 0);
    let begin = Instant::now();
    while started < total || !running.is_empty() {
        while started < total && running.len() < 16 {
            let name = NAMES[dice.roll(NAMES.len())];
            let reference = if dice.roll(2) == 0 { "v1" } else { "main" };
            let mut args = match dice.roll(4) {
                0 => vec!["skill", "uninstall", name],
                1 => vec!["skill", "update", "--yes"],
                _ => vec!["skill", "install", &source, "-s", name, "--ref", reference],
            };
            args.push("--quiet");
            let child = env.command(&args).stderr(std::process::Stdio::piped()).spawn().unwrap();
            running.push((args.join(" "), child));
            started += 1;
        }
        let (args, child) = running.remove(0);
        let output = child.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        // Removing what is not installed, or updating what another one just moved, is refused.
        let is_answer = said.contains("is installed in this project") || said.contains("in the meantime");
        assert!(output.status.success() || is_answer, "{args}: {said}");
        done += usize::from(output.status.success());
        refused += usize::from(!output.status.success());
    }
    env.run(&["skill", "verify"]).ends(0);
    let registry = env.registry();
    let recorded: BTreeSet<String> = registry["skills"].as_object().unwrap().keys().cloned().collect();
    let folders = std::fs::read_dir(env.path("project/.claude/skills")).unwrap();
    let there: BTreeSet<String> = folders.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    assert_eq!(there, recorded, "a skill without a record, or a record without a skill");
    assert_eq!(leftovers(&env), Vec::<String>::new());
    println!(
        "concurrency: {total} operations by 16 processes: {done} done, {refused} refused with the reason, 0 lost, {:.1} s",
        begin.elapsed().as_secs_f32()
    );
}

#[test]
fn a_cache_that_is_emptied_while_it_is_used_fails_nobody() {
    let env = world();
    let source = url(&env);
    env.run(&["skill", "install", &source, "--all", "--ref", "v1"]).ends(0);
    let rounds = times(6, 60);
    let trees = env.path("cache/trees");
    for _ in 0..rounds {
        std::fs::remove_dir_all(env.path("project/.claude")).unwrap();
        let mut child = env.command(&["skill", "install", "--frozen", "--quiet"]).spawn().unwrap();
        while child.try_wait().unwrap().is_none() {
            let _ = std::fs::remove_dir_all(&trees);
        }
        assert!(child.wait().unwrap().success());
        assert_eq!(std::fs::read_dir(env.path("project/.claude/skills")).unwrap().count(), NAMES.len());
    }
    println!("cache: {rounds} installs while it was emptied, {rounds} survived");
}
