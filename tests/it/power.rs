//! Power cuts: a command runs on a file system of its own, an ext4 in an image; at some moment
//! everything stops. What the image holds then is all that the disk had got: it is mounted again,
//! and after the next command there must be the old state or the new one.
//!
//! Such a file system needs Linux, `mkfs.ext4`, a loop device and the right to mount; without
//! them the test is skipped with a message, unless `BA_AGENT_REQUIRE_POWER` is set.
//!
//! `cargo test` runs a short form, `tests/figures` the long one.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::time::Duration;

use crate::dice::{Dice, figure, times};
use crate::env::{TestEnv, commit, picture, skill_md};

const NAMES: [&str; 6] = ["a", "b", "c", "d", "e", "f"];

/// How the disk is mounted: what the kernel writes when, and in which order.
const MOUNTS: [&str; 6] = [
    "data=ordered",
    "data=writeback",
    "data=writeback,noauto_da_alloc",
    "data=ordered,nodelalloc",
    "data=writeback,nodelalloc",
    "data=journal",
];

/// What the kernel had written of its own accord before the power was cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Written {
    /// Nothing: the disk has what the program waited for.
    Nothing,
    /// All names and folders, and no bytes that nobody waited for.
    Names,
    /// The same, and the bytes of some files.
    SomeFiles,
    /// The bytes of some files, and what comes with them.
    SomeFilesAlone,
    Everything,
}

const WRITTEN: [Written; 5] =
    [Written::Nothing, Written::Names, Written::SomeFiles, Written::SomeFilesAlone, Written::Everything];

/// A disk that is mounted; no longer once this is gone.
struct Mounted<'a>(&'a Path);

impl<'a> Mounted<'a> {
    fn new(image: &Path, at: &'a Path, options: &str) -> Result<Self, String> {
        let options = format!("loop,{options}");
        run("mount", &["-t", "ext4", "-o", &options, text(image), text(at)]).map(|()| Self(at))
    }
}

impl Drop for Mounted<'_> {
    fn drop(&mut self) {
        // A process of another test that is just being started holds what this one has open.
        for _ in 0..500 {
            if run("umount", &[text(self.0)]).is_ok() {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("{} cannot be unmounted", self.0.display());
    }
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn run(program: &str, args: &[&str]) -> Result<(), String> {
    let output = Command::new(program).args(args).output().map_err(|e| format!("{program}: {e}"))?;
    match output.status.success() {
        true => Ok(()),
        false => Err(format!("{program} {args:?}: {}", String::from_utf8_lossy(&output.stderr))),
    }
}

type State = (BTreeMap<String, String>, String);

/// A machine with a disk, and beside it a repository of skills in two editions.
struct Machine {
    env: TestEnv,
    url: String,
    disk: PathBuf,
    restarts: usize,
}

impl Machine {
    /// `None` where nothing can be mounted.
    fn new() -> Option<Self> {
        let env = TestEnv::new();
        for name in NAMES {
            let maker = env.skill(&format!("src/skills/{name}"));
            (0..3).fold(maker, |maker, n| {
                maker.file(&format!("references/{n}.md"), format!("{name} {n}\n").repeat(400 * (n + 1)))
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
            env.write(&format!("src/skills/{name}/references/5.md"), format!("new of {name}\n").repeat(900));
        }
        commit(&repo, "refs/heads/main", &env.path("src"), "second");
        let url = format!("file://{}", env.path("repo.git").display());
        let disk = env.path("disk");
        std::fs::create_dir(&disk).unwrap();
        let machine = Self { env, url, disk, restarts: 0 };
        match machine.make_disks() {
            Ok(()) => Some(machine),
            Err(why) => {
                assert!(
                    std::env::var_os("BA_AGENT_REQUIRE_POWER").is_none(),
                    "nothing can be mounted, and BA_AGENT_REQUIRE_POWER is set: {why}"
                );
                skipped(&why);
                None
            }
        }
    }

    /// Two disks: one with an empty project, one where the first edition is installed, in such a
    /// way that `update` brings the second.
    fn make_disks(&self) -> Result<(), String> {
        let image = self.image("empty");
        std::fs::File::create(&image).and_then(|file| file.set_len(24 << 20)).map_err(|e| e.to_string())?;
        run("mkfs.ext4", &["-q", "-F", "-b", "1024", "-J", "size=1", text(&image)])?;
        let mounted = Mounted::new(&image, &self.disk, "data=ordered")?;
        for folder in ["home", "project/.git", "cache"] {
            std::fs::create_dir_all(self.disk.join(folder)).unwrap();
        }
        drop(mounted);
        self.copy("empty", "installed");
        let mounted = Mounted::new(&self.image("installed"), &self.disk, "data=ordered")?;
        let repo = git2::Repository::open(self.env.path("repo.git")).unwrap();
        let [first, second] =
            ["refs/heads/v1", "refs/heads/main"].map(|name| repo.refname_to_id(name).unwrap());
        self.must(&["skill", "install", &self.url, "--all", "--ref", "v1"]);
        self.must(&["skill", "uninstall", "a", "b"]);
        self.must(&["skill", "rollback"]);
        repo.reference("refs/heads/v1", second, true, "").unwrap();
        repo.reference("refs/heads/first", first, true, "").unwrap();
        drop(mounted);
        Ok(())
    }

    fn image(&self, name: &str) -> PathBuf {
        self.env.path(&format!("{name}.img"))
    }

    fn copy(&self, from: &str, to: &str) {
        std::fs::copy(self.image(from), self.image(to)).unwrap();
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = self.env.command(args);
        command
            .current_dir(self.disk.join("project"))
            .env("HOME", self.disk.join("home"))
            .env("BA_AGENT_CACHE_DIR", self.disk.join("cache"));
        command
    }

    fn must(&self, args: &[&str]) {
        let output = self.command(args).output().unwrap();
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    }

    /// Skills and registry. Where nothing is installed it is the same whether there are an empty
    /// folder and an empty registry, as after an `uninstall`, or none.
    fn state(&self) -> State {
        let mut files = picture(&self.disk.join("project/.claude"));
        files.retain(|_, content| content != "/");
        let registry = self.disk.join("project/config/skills_registry.json");
        let registry = std::fs::read_to_string(registry).unwrap_or_default();
        (files, if registry.contains("\"digest\"") { registry } else { String::new() })
    }

    /// What a command leaves beside skills and registry.
    fn leftovers(&self) -> Vec<String> {
        let is_left = |path: &String| {
            let name = path.rsplit('/').next().unwrap();
            path.contains(".ba-agent-")
                || ["journal.json", ".new", ".pending"].iter().any(|end| name.ends_with(end))
        };
        let folders = [self.disk.join("project"), self.disk.join("home")];
        folders.iter().flat_map(|folder| picture(folder).into_keys().filter(is_left)).collect()
    }

    /// The state that a command leads to when nothing disturbs it.
    fn undisturbed(&self, disk: &str, args: &[&str]) -> (State, State) {
        self.copy(disk, "work");
        let mounted = Mounted::new(&self.image("work"), &self.disk, "data=ordered").unwrap();
        let old = self.state();
        self.must(args);
        let new = self.state();
        drop(mounted);
        (old, new)
    }

    /// Makes the kernel write.
    fn write_back(&self, written: Written, dice: &mut Dice) {
        let files = walkdir::WalkDir::new(&self.disk).into_iter().flatten();
        let files: Vec<_> = files.filter(|entry| entry.file_type().is_file()).collect();
        if matches!(written, Written::SomeFiles | Written::SomeFilesAlone) {
            for file in files.iter().filter(|_| dice.one_in(3)) {
                std::fs::File::open(file.path()).and_then(|file| file.sync_data()).unwrap();
            }
        }
        if matches!(written, Written::SomeFiles | Written::Names) {
            let mut other = std::fs::File::create(self.disk.join("other")).unwrap();
            other.write_all(b"of another program").unwrap();
            other.sync_all().unwrap();
        }
        if written == Written::Everything {
            run("sync", &["-f", text(&self.disk)]).unwrap();
        }
    }
}

/// One cut: which command, when it ends, what the disk has got, what comes next.
#[derive(Debug)]
struct Cut<'a> {
    disk: &'a str,
    args: &'a [&'a str],
    mount: &'a str,
    written: Written,
    /// The step in which the power is cut; after the end of the command where it has fewer.
    step: Option<usize>,
    /// Without the source, only what the disk has can help.
    is_cut_off: bool,
    has_cache: bool,
}

/// What a command led to.
#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    Old,
    New,
    NewAfterRestoring,
    OldAfterTurningBack,
}

impl Machine {
    fn cut(&mut self, cut: &Cut<'_>, states: &(State, State), dice: &mut Dice) -> Result<Outcome, String> {
        self.copy(cut.disk, "work");
        let mounted = Mounted::new(&self.image("work"), &self.disk, cut.mount)?;
        let mut command = self.command(cut.args);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        if let Some(step) = cut.step {
            command.env("BA_AGENT_FAULT", format!("kill:{step}"));
        }
        let status = command.status().unwrap();
        if !status.success() && status.code().is_some() {
            return Err(format!("{cut:?} ended with {status}"));
        }
        self.write_back(cut.written, dice);
        self.copy("work", "cut");
        drop(mounted);
        let mounted = Mounted::new(&self.image("cut"), &self.disk, cut.mount)?;
        if !cut.has_cache {
            std::fs::remove_dir_all(self.disk.join("cache")).unwrap();
        }
        self.restarts += 1;
        let boot = format!("boot:{}", self.restarts);
        let gone = self.env.path("gone.git");
        if cut.is_cut_off {
            std::fs::rename(self.env.path("repo.git"), &gone).unwrap();
        }
        let next = |args: &[&str]| self.command(args).env("BA_AGENT_FAULT", &boot).output().unwrap();
        let list = next(&["skill", "list"]);
        let history = next(&["skill", "history"]);
        let verify = next(&["skill", "verify"]);
        if cut.is_cut_off {
            std::fs::rename(&gone, self.env.path("repo.git")).unwrap();
        }
        let said = String::from_utf8_lossy(&list.stderr).into_owned();
        let now = self.state();
        let fault = |what: &str| {
            let named = |state: &State| {
                state.0.iter().map(|(path, text)| (path.clone(), text.len())).collect::<Vec<_>>()
            };
            Err(format!(
                "{what}\n{cut:?}\n{said}\n{}\nnow {:?}\nold {:?}\nnew {:?}",
                String::from_utf8_lossy(&verify.stderr),
                named(&now),
                named(&states.0),
                named(&states.1)
            ))
        };
        if now != states.0 && now != states.1 {
            return fault("neither old nor new");
        }
        if !list.status.success() || !history.status.success() || !verify.status.success() {
            return fault("the next command fails");
        }
        if !self.leftovers().is_empty() {
            return fault(&format!("left behind: {:?}", self.leftovers()));
        }
        drop(mounted);
        Ok(
            match (
                now == states.1,
                said.contains("; restored: "),
                said.contains("restored to the state before"),
            ) {
                (true, true, _) => Outcome::NewAfterRestoring,
                (true, false, _) => Outcome::New,
                (false, _, true) => Outcome::OldAfterTurningBack,
                (false, _, false) => Outcome::Old,
            },
        )
    }
}

#[allow(clippy::print_stderr, reason = "it is for people")]
fn skipped(why: &str) {
    eprintln!("skipped: no disk to cut the power of: {why}");
}

#[test]
fn after_a_power_cut_it_is_the_old_state_or_the_new_one() {
    let seeds = Mutex::new((0..times(3, 8)).collect::<Vec<usize>>());
    let (total, counts) = (times(18, 1_000), Mutex::new(BTreeMap::new()));
    let each = total.div_ceil(seeds.lock().unwrap().len());
    // Mounting is waiting: more machines than processors.
    std::thread::scope(|scope| {
        while let Some(seed) = { seeds.lock().unwrap().pop() } {
            let counts = &counts;
            scope.spawn(move || many_cuts(seed, each, counts));
        }
    });
    let counts: BTreeMap<&str, usize> = counts.into_inner().unwrap();
    let done: usize = counts.values().sum();
    if done > 0 {
        let more: Vec<String> = counts.iter().map(|(what, count)| format!("{count} {what}")).collect();
        figure("power cuts on ext4", done, done, &more.join(", "));
        assert!(counts.len() >= 3, "{counts:?}");
    }
}

fn many_cuts(seed: usize, cuts: usize, counts: &Mutex<BTreeMap<&'static str, usize>>) {
    let Some(mut machine) = Machine::new() else { return };
    let url = machine.url.clone();
    let install = ["skill", "install", &url, "--all", "--force"];
    let commands: [(&str, &[&str]); 6] = [
        ("empty", &install),
        ("installed", &["skill", "update", "--yes"]),
        ("installed", &install),
        ("installed", &["skill", "uninstall", "a", "b", "c", "d", "e", "f"]),
        ("installed", &["skill", "rollback"]),
        ("installed", &["skill", "pin", "a"]),
    ];
    let states: Vec<(State, State)> =
        commands.iter().map(|(disk, args)| machine.undisturbed(disk, args)).collect();
    let mut dice = Dice::new(0xA076_1D64_78BD_642F ^ seed as u64);
    // About so many steps each command takes on the disk.
    let steps = [120, 120, 120, 40, 60, 14];
    for round in 0..cuts {
        // The first and the second are what most people do.
        let which = if dice.one_in(2) { (round + seed) % 2 } else { (round + seed) % commands.len() };
        let (disk, args) = commands[which];
        let is_cut_off = dice.one_in(4);
        let cut = Cut {
            disk,
            args,
            mount: dice.pick::<&str>(&MOUNTS),
            written: *dice.pick(&WRITTEN),
            step: (!dice.one_in(3)).then(|| dice.roll(steps[which]) + 1),
            is_cut_off,
            has_cache: !dice.one_in(3),
        };
        let outcome = machine
            .cut(&cut, &states[which], &mut dice)
            .unwrap_or_else(|fault| panic!("seed {seed}, round {round}: {fault}"));
        let what = match outcome {
            Outcome::Old => "old",
            Outcome::New => "new",
            Outcome::NewAfterRestoring => "new after skills were put back",
            Outcome::OldAfterTurningBack => "old after the change was turned back",
        };
        *counts.lock().unwrap().entry(what).or_default() += 1;
    }
}

/// What a power cut does to files, done by hand, where nothing can be mounted.
fn damage(env: &TestEnv) {
    let record = env.state().join("unsettled");
    let text = std::fs::read_to_string(&record).unwrap();
    // As if everything that follows had happened before.
    let line = text.lines().nth(1).unwrap().to_owned();
    let mut words: Vec<&str> = line.split(' ').collect();
    words[1] = "99999999999999";
    std::fs::write(&record, text.replace(&line, &words.join(" "))).unwrap();
    std::fs::write(env.path("project/.claude/skills/a/SKILL.md"), "").unwrap();
    std::fs::remove_file(env.path("project/.claude/skills/b/references/1.md")).unwrap();
}

fn restarted(env: &TestEnv, args: &[&str]) -> crate::env::Run {
    env.done(env.command(args).env("BA_AGENT_FAULT", "boot:2").output().unwrap())
}

fn installed() -> TestEnv {
    let env = TestEnv::new();
    for name in ["a", "b", "c"] {
        env.skill(&format!("src/skills/{name}")).file("references/1.md", name.repeat(5_000));
    }
    env.run(&["skill", "install", "../src", "--all"]).ends(0);
    env
}

#[test]
fn what_the_disk_did_not_get_is_put_back_by_the_first_command_after_a_restart() {
    let env = installed();
    let sound = env.picture("project");
    damage(&env);
    // In the same run of the system it is an edit like any other.
    env.run(&["skill", "verify"]).ends(6);
    let run = restarted(&env, &["skill", "list"]).ends(0);
    assert!(run.stderr.contains("restored: `a`, `b`"), "{}", run.stderr);
    assert_eq!(env.picture("project"), sound);
    assert_eq!(restarted(&env, &["skill", "verify"]).ends(0).stderr.matches("machine stopped").count(), 0);
}

#[test]
fn what_cannot_be_put_back_is_as_before_the_change() {
    let env = installed();
    env.run(&["skill", "uninstall", "c"]).ends(0);
    damage(&env);
    std::fs::remove_dir_all(env.path("src")).unwrap();
    std::fs::remove_dir_all(env.path("cache")).unwrap();
    let run = restarted(&env, &["skill", "list"]).ends(0);
    assert!(
        run.stderr.contains("cannot be fetched now") && run.stderr.contains("run the lost command again"),
        "{}",
        run.stderr
    );
    assert!(run.stdout.is_empty(), "{}", run.stdout);
    restarted(&env, &["skill", "verify"]).ends(0);
}

#[test]
fn edits_of_before_the_restart_stay() {
    let env = installed();
    std::thread::sleep(Duration::from_millis(30));
    env.write("project/.claude/skills/a/SKILL.md", "My own words.\n");
    std::fs::remove_file(env.path("project/.claude/skills/b/references/1.md")).unwrap();
    let before = env.picture("project");
    let run = restarted(&env, &["skill", "list"]).ends(0);
    assert!(!run.stderr.contains("machine stopped"), "{}", run.stderr);
    assert_eq!(env.picture("project"), before);
    assert!(!env.state().join("unsettled").exists(), "it was looked at");
}

#[test]
fn a_frozen_command_only_says_what_the_disk_did_not_get() {
    let env = installed();
    damage(&env);
    let before = env.picture("project");
    let run = restarted(&env, &["skill", "install", "--frozen"]);
    assert_ne!(run.status, 0);
    assert!(run.stderr.contains("all of `a`, `b` reached the disk"), "{}", run.stderr);
    assert_eq!(env.picture("project"), before);
}

#[test]
fn a_record_of_what_is_unsettled_that_cannot_be_read_means_everything() {
    let env = installed();
    let sound = env.picture("project");
    damage(&env);
    // Written after the damage was done.
    std::fs::write(env.state().join("unsettled"), [0; 40]).unwrap();
    let run = restarted(&env, &["skill", "list"]).ends(0);
    assert!(run.stderr.contains("restored: `a`, `b`"), "{}", run.stderr);
    assert_eq!(env.picture("project"), sound);
}
