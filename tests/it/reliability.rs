//! Kills, faults and crowds: whatever happens, there is the old state or the new one. Each
//! attack runs over `file://`, where libgit2 reads the repository, and over http, where packs
//! are decoded and only what is wanted is fetched.
//!
//! `cargo test` runs a short form, `tests/figures` the long one.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use crate::dice::{Dice, figure, times};
use crate::env::{TestEnv, commit, copy_tree, skill_md};
use ba_agent_test_support::server::Server;

const NAMES: [&str; 8] = ["a", "b", "c", "d", "e", "f", "g", "h"];

/// How the repository is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    File,
    Http,
}

impl std::fmt::Display for Way {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::File => "file",
            Self::Http => "http",
        })
    }
}

/// A repository of eight skills in two editions, and a project.
struct World {
    env: TestEnv,
    way: Way,
    server: Option<Server>,
    url: String,
}

impl World {
    /// The branch `v1` has the first edition, `main` the second. `None` where git is missing.
    fn new(way: Way) -> Option<Self> {
        let env = TestEnv::new();
        let server = match way {
            Way::File => None,
            Way::Http => Some(Server::start(&env.path("srv"))?),
        };
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
            let text = skill_md(name, "The second edition, quite another.");
            env.write(&format!("src/skills/{name}/SKILL.md"), text);
            env.write(&format!("src/skills/{name}/references/5.md"), "new");
        }
        let second = commit(&repo, "refs/heads/main", &env.path("src"), "second");
        copy_tree(&env.path("repo.git"), &env.path("srv/first/repo.git"));
        copy_tree(&env.path("repo.git"), &env.path("srv/second/repo.git"));
        let served = git2::Repository::open(env.path("srv/second/repo.git")).unwrap();
        served.reference("refs/heads/v1", second, true, "").unwrap();
        let url = match &server {
            None => format!("file://{}", env.path("repo.git").display()),
            Some(server) => {
                server.keep_answers(&Arc::default());
                server.point("/repo.git", "/first/repo.git");
                format!("{}/repo.git", server.url())
            }
        };
        Some(Self { env, way, server, url })
    }

    /// `v1` has the second edition from now on.
    fn move_on(&self) {
        match &self.server {
            Some(server) => server.point("/repo.git", "/second/repo.git"),
            None => {
                let repo = git2::Repository::open(self.env.path("repo.git")).unwrap();
                let second = repo.refname_to_id("refs/heads/main").unwrap();
                repo.reference("refs/heads/v1", second, true, "").unwrap();
            }
        }
    }
}

type State = (BTreeMap<String, String>, String);

/// Skills and registry, without times: they are fixed in tests anyway.
fn state(env: &TestEnv) -> State {
    let registry =
        std::fs::read_to_string(env.path("project/config/skills_registry.json")).unwrap_or_default();
    (env.picture("project/.claude"), registry)
}

/// What a command leaves beside skills and registry, in the project or the data folder.
fn leftovers(env: &TestEnv) -> Vec<String> {
    let is_left = |path: &String| {
        let name = path.rsplit('/').next().unwrap();
        path.contains(".ba-agent-")
            || [".journal", "journal", ".new", ".old", ".tmp"].iter().any(|end| name.ends_with(end))
    };
    let below = ["project", "home/.local"].into_iter();
    below.flat_map(|folder| env.picture(folder).into_keys().filter(is_left).collect::<Vec<_>>()).collect()
}

/// What is unfinished in the cache.
fn unfinished_in_cache(env: &TestEnv) -> Vec<String> {
    let is_left = |path: &String| {
        path.contains(".new") || (path.contains("tmp/") && path.rsplit('/').next() != Some("tmp"))
    };
    env.picture("cache").into_keys().filter(is_left).collect()
}

/// A killed command cannot tidy up the cache; a later one does, as soon as nobody can be
/// writing there any more. Two days go by.
fn assert_cache_heals(env: &TestEnv) {
    let left = unfinished_in_cache(env);
    let old = SystemTime::UNIX_EPOCH + Duration::from_secs(1_767_323_045 - 2 * 86_400);
    for below in &left {
        if let Ok(file) = std::fs::File::open(env.path("cache").join(below)) {
            file.set_modified(old).unwrap();
        }
    }
    env.run(&["cache", "prune"]).ends(0);
    assert_eq!(unfinished_in_cache(env), Vec::<String>::new(), "of {}", left.len());
}

/// The commands under attack, from the state in which `v1` is installed.
fn attacked(world: &World) -> Vec<Vec<String>> {
    let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
    vec![
        words(&format!("skill install {} --all --force", world.url)),
        words("skill uninstall a b c d e f g h"),
        words("skill update --yes"),
        words("skill rollback"),
        words(&MENDS.join(" ")),
        words("skill pin a"),
    ]
}

#[cfg(unix)]
#[test]
fn killed_at_any_moment_it_is_the_old_state_or_the_new_one() {
    kill(Way::File);
}

#[cfg(unix)]
#[test]
fn killed_at_any_moment_over_http_it_is_the_old_state_or_the_new_one() {
    kill(Way::Http);
}

#[cfg(unix)]
fn kill(way: Way) {
    let Some(world) = World::new(way) else { return };
    let env = &world.env;
    install_first(&world);
    let mut dice = Dice::new(0x9E37_79B9_7F4A_7C15);
    let commands = attacked(&world);
    // How far each command runs before it ends by itself: steps, and microseconds.
    let mut reach = vec![[120, 20_000]; commands.len()];
    let mut news_of: BTreeMap<usize, State> = BTreeMap::new();
    let (mut killed, mut olds, mut news, mut ended) = (0, 0, 0, 0);
    for round in 0.. {
        if killed >= times(30, 500) {
            break;
        }
        let which = round % commands.len();
        let args: Vec<&str> = commands[which].iter().map(String::as_str).collect();
        let new = news_of.entry(which).or_insert_with(|| new_state(&world, &args)).clone();
        let old = prepare(&world, &args);
        assert!(new != old, "{args:?} changes nothing");
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
        let now = state(env);
        assert!(now == old || now == new, "{args:?}: neither old nor new, round {round}, {when}");
        olds += usize::from(now == old);
        news += usize::from(now != old);
        env.run(&["skill", "verify"]).ends(if now == old && args == MENDS { 6 } else { 0 });
        assert_eq!(leftovers(env), Vec::<String>::new(), "{args:?}");
    }
    assert!(news > 0 && olds > 0, "{news} new, {olds} old");
    assert_cache_heals(env);
    let more = format!("{olds} old, {news} new; {ended} more had ended before");
    figure(&format!("kills over {way}"), killed, killed, &more);
}

const CHANGED: [&str; 3] = ["project/.claude", "project/config", "home/.local"];

/// Installs the first edition from a branch that has the second one afterwards, with a
/// history that `rollback` can go back in: it takes `a`, `b` and `c` away again.
fn install_first(world: &World) {
    let env = &world.env;
    env.run(&["skill", "install", &world.url, "--all", "--ref", "v1"]).ends(0);
    let old = state(env);
    world.move_on();
    let _ = std::fs::remove_dir_all(env.path("home/.local"));
    env.run(&["skill", "uninstall", "a", "b", "c"]).ends(0);
    env.run(&["skill", "rollback"]).ends(0);
    assert!(state(env) == old);
    for folder in CHANGED {
        copy_tree(&env.path(folder), &env.path("saved").join(folder));
    }
}

/// Brings the project to the state of [`install_first`], and says it. What the registry is to
/// mend is damaged then. Over http the cache is empty, so that all is fetched.
fn prepare(world: &World, args: &[&str]) -> State {
    let env = &world.env;
    for folder in CHANGED {
        let _ = std::fs::remove_dir_all(env.path(folder));
        copy_tree(&env.path("saved").join(folder), &env.path(folder));
    }
    if world.way == Way::Http {
        let _ = std::fs::remove_dir_all(env.path("cache"));
    }
    if args == MENDS {
        std::fs::remove_dir_all(env.path("project/.claude/skills/a")).unwrap();
        env.write("project/.claude/skills/b/references/2.md", "My own words.\n");
        env.write("project/.claude/skills/c/mine.md", "My own file.\n");
    }
    state(env)
}

/// The command that brings the disk to what the registry says.
const MENDS: [&str; 3] = ["skill", "install", "--force"];

/// The state that a command leads to when nobody disturbs it.
fn new_state(world: &World, args: &[&str]) -> State {
    prepare(world, args);
    world.env.run(args).ends(0);
    state(&world.env)
}

#[test]
fn a_fault_at_every_step_leaves_the_old_state() {
    fault(Way::File);
}

#[test]
fn a_fault_at_every_step_over_http_leaves_the_old_state() {
    fault(Way::Http);
}

fn fault(way: Way) {
    let Some(world) = World::new(way) else { return };
    let env = &world.env;
    install_first(&world);
    let (mut tried, mut tolerated) = (0, 0);
    for (which, args) in attacked(&world).iter().enumerate() {
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let new = new_state(&world, &args);
        let steps = count_steps(&world, &args);
        // At night every step with every fault; by day every fault on a share of the steps.
        for step in (1 + which % 3..=steps).step_by(times(9, 1)) {
            let kinds = ["full", "denied", "cross", "io"];
            let by_day = [kinds[step % kinds.len()]];
            for kind in if times(0, 1) == 0 { &by_day[..] } else { &kinds[..] } {
                let old = prepare(&world, &args);
                let output =
                    env.command(&args).env("BA_AGENT_FAULT", format!("{kind}:{step}")).output().unwrap();
                let said = String::from_utf8_lossy(&output.stderr).into_owned();
                let at = format!("{args:?} {kind}:{step}\n{said}");
                tried += 1;
                // What could not be tidied up is, by the next command.
                if !leftovers(env).is_empty() {
                    env.run(&["skill", "list"]).ends(0);
                    assert_eq!(leftovers(env), Vec::<String>::new(), "{at}");
                }
                if output.status.success() {
                    // What failed was not needed: then everything else was done.
                    tolerated += 1;
                    assert!(state(env) == new, "done, but not all of it: {at}");
                } else {
                    assert!(said.contains("error: ") && state(env) == old, "{at}");
                }
                assert_eq!(unfinished_in_cache(env), Vec::<String>::new(), "{at}");
            }
        }
    }
    let more = format!("{tolerated} in steps that the command can do without");
    figure(&format!("faults over {way}"), tried, tried, &more);
}

/// How many steps a command takes on the disk: the last at which it can be killed.
fn count_steps(world: &World, args: &[&str]) -> usize {
    let dies = |step: usize| {
        prepare(world, args);
        let mut command = world.env.command(args);
        command.stderr(std::process::Stdio::null()).env("BA_AGENT_FAULT", format!("kill:{step}"));
        !command.status().unwrap().success()
    };
    let mut most = 16;
    while dies(most) {
        most *= 2;
        assert!(most < 10_000, "{args:?} never comes through");
    }
    let mut least = 0;
    while least + 1 < most {
        let middle = least.midpoint(most);
        if dies(middle) {
            least = middle;
        } else {
            most = middle;
        }
    }
    assert!(least > 0, "{args:?} changes nothing");
    least
}

#[test]
fn many_processes_at_once_lose_nothing() {
    crowd(Way::File);
}

#[test]
fn many_processes_at_once_over_http_lose_nothing() {
    crowd(Way::Http);
}

fn crowd(way: Way) {
    let Some(world) = World::new(way) else { return };
    let (env, source) = (&world.env, &world.url);
    let mut dice = Dice::new(0xD1B5_4A32_D192_ED03);
    let total = times(80, 400);
    let (mut running, mut started, mut done, mut refused) = (Vec::new(), 0, 0, 0);
    let begin = Instant::now();
    while started < total || !running.is_empty() {
        while started < total && running.len() < 16 {
            let name = NAMES[dice.roll(NAMES.len())];
            let reference = if dice.one_in(2) { "v1" } else { "main" };
            let mut args = match dice.roll(5) {
                0 => vec!["skill", "uninstall", name],
                1 => vec!["skill", "update", "--yes"],
                // A cache that is emptied meanwhile is nobody's loss.
                2 if dice.one_in(3) => vec!["cache", "clear", "--yes"],
                _ => vec!["skill", "install", source, "-s", name, "--ref", reference],
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
    assert_eq!(leftovers(env), Vec::<String>::new());
    assert_eq!(unfinished_in_cache(env), Vec::<String>::new());
    let more =
        format!("{done} done, {refused} refused with the reason, {:.1} s", begin.elapsed().as_secs_f32());
    figure(&format!("operations by 16 processes over {way}"), total, total, &more);
}

#[test]
fn a_cache_that_is_emptied_while_it_is_used_fails_nobody() {
    empty_cache(Way::File);
}

#[test]
fn a_cache_that_is_emptied_while_it_is_used_over_http_fails_nobody() {
    empty_cache(Way::Http);
}

fn empty_cache(way: Way) {
    let Some(world) = World::new(way) else { return };
    let env = &world.env;
    env.run(&["skill", "install", &world.url, "--all", "--ref", "v1"]).ends(0);
    let rounds = times(6, 60);
    for round in 0..rounds {
        std::fs::remove_dir_all(env.path("project/.claude")).unwrap();
        // Parts of it by turns, and the whole.
        let folders: Vec<_> =
            std::fs::read_dir(env.path("cache")).unwrap().map(|e| e.unwrap().path()).collect();
        let victim = if round % 3 == 0 { env.path("cache") } else { folders[round % folders.len()].clone() };
        let mut child = env.command(&["skill", "install", "--frozen", "--quiet"]).spawn().unwrap();
        while child.try_wait().unwrap().is_none() {
            let _ = std::fs::remove_dir_all(&victim);
        }
        assert!(child.wait().unwrap().success(), "without {}", victim.display());
        assert_eq!(std::fs::read_dir(env.path("project/.claude/skills")).unwrap().count(), NAMES.len());
        std::fs::create_dir_all(env.path("cache/one")).unwrap();
    }
    figure(&format!("installs over {way} while the cache was emptied"), rounds, rounds, "");
}
