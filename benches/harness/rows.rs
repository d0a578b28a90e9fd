//! The rows of the table: what is compared with what, and how good it has to be.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::Path;
use std::rc::Rc;

use crate::measure::{Side, Step, Taken, in_turns};
use crate::options::Options;
use crate::repos;
use crate::table::{Table, circumstances};
use crate::world::{Repo, Road, World, count};

/// How good a row has to be: at least, and at best.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Goal {
    /// Times the floor of the same run.
    Ratio(f64, f64),
    /// Milliseconds.
    Ms(f64, f64),
    /// At least so many milliseconds, at best so many times the floor.
    MsThenRatio(f64, f64),
    None,
}

impl Goal {
    fn cells(self) -> [String; 2] {
        match self {
            Self::Ratio(least, goal) => [format!("{least} ×"), format!("{goal} ×")],
            Self::Ms(least, goal) => [format!("{least} ms"), format!("{goal} ms")],
            Self::MsThenRatio(least, goal) => [format!("{least} ms"), format!("{goal} ×")],
            Self::None => ["–".to_owned(), "–".to_owned()],
        }
    }

    fn verdict(self, ms: f64, ratio: f64) -> &'static str {
        let (least, goal) = match self {
            Self::Ratio(least, goal) => (ratio <= least, ratio <= goal),
            Self::Ms(least, goal) => (ms <= least, ms <= goal),
            Self::MsThenRatio(least, goal) => (ms <= least, ratio <= goal),
            Self::None => return "–",
        };
        match (least, goal) {
            (_, true) => "goal",
            (true, false) => "least",
            (false, false) => "missed",
        }
    }
}

/// Which skills of a repository are installed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Which {
    One,
    All,
}

struct Rows<'a> {
    world: &'a World,
    options: &'a Options,
    table: Table,
    repos: RefCell<BTreeMap<usize, Rc<Repo>>>,
}

const HEADING: &[&str] = &[
    "work",
    "server",
    "floor ms",
    "ours ms",
    "ratio",
    "before",
    "least",
    "goal",
    "reached",
    "MiB floor",
    "MiB ours",
    "peers ms",
];
/// Skills of the largest repository that other tools are measured on.
const MOST_FOR_PEERS: usize = 500;
/// Where [`HEADING`] has the ratio.
const RATIO: usize = 4;

/// Measures all rows that are wanted, prints them, and rewrites the README's table.
pub(crate) fn run(world: &World, options: &Options) {
    let place = world.file_system();
    let mut about = circumstances(&place);
    if options.before.is_some() {
        about.push_str("; \"before\" is another build in the same turns");
    }
    // What a disk shows is another matter: it has a table of its own.
    let name = if place == "tmpfs" { "rows" } else { "disk" };
    let mut rows =
        Rows { world, options, table: Table::new(name, &about, HEADING), repos: RefCell::default() };
    rows.start_up();
    for n in [66, 2_417] {
        rows.installs(n);
    }
    rows.offline();
    rows.again();
    rows.outdated();
    rows.update();
    rows.reading();
    rows.verify();
    rows.search();
    for path in &options.repos {
        let repo = world.real(path);
        for which in [Which::One, Which::All] {
            for road in [Road::Replay, Road::Live, Road::File] {
                rows.install(&repo, which, road, Goal::None);
            }
        }
    }
    if options.writes() {
        rows.table.write();
    }
}

impl Rows<'_> {
    fn repo(&self, n: usize) -> Rc<Repo> {
        let known = self.repos.borrow().get(&n).cloned();
        known.unwrap_or_else(|| {
            let repo = Rc::new(self.world.synthetic(n));
            self.repos.borrow_mut().insert(n, Rc::clone(&repo));
            repo
        })
    }

    /// Measures floor, ours and peers in turns and adds the row.
    fn measure(&mut self, label: &str, server: &str, goal: Goal, rounds: usize, sides: &[Side<'_>]) {
        let rounds = self.options.rounds.unwrap_or(rounds);
        let other = sides.get(1).and_then(|ours| ours.with_steps("before", |step| self.world.before(step)));
        let sides: Vec<&Side<'_>> = sides.iter().chain(&other).collect();
        let mut taken = in_turns(&sides, rounds, &self.world.home()).into_iter();
        let (floor, ours) = (taken.next().unwrap(), taken.next().unwrap());
        let other = other.as_ref().and_then(|_| taken.next_back());
        let (Ok(floor), Ok(ours)) = (&floor, &ours) else {
            for message in [floor.err(), ours.err()].into_iter().flatten() {
                eprintln!("{message}");
            }
            return self.unmeasured(label, server, goal, "fails");
        };
        let ratio = ours.ms() / floor.ms();
        let peers = sides.iter().skip(2).zip(taken).map(|(side, taken)| match taken {
            Ok(taken) => format!("{} {:.0} ({:.1} ×)", side.name, taken.ms(), taken.ms() / floor.ms()),
            Err(message) => {
                eprintln!("{message}");
                format!("{} fails", side.name)
            }
        });
        let peers: Vec<String> = peers.collect();
        let [least, best] = goal.cells();
        let before = match other {
            Some(Ok(other)) => format!("{:.2}", other.ms() / floor.ms()),
            Some(Err(message)) => {
                eprintln!("{message}");
                "fails".to_owned()
            }
            None => self.table.before(&[label, server], RATIO).unwrap_or_else(|| "–".to_owned()),
        };
        self.table.row(&[
            label.to_owned(),
            server.to_owned(),
            spread(floor),
            spread(ours),
            format!("{ratio:.2}"),
            before,
            least,
            best,
            goal.verdict(ours.ms(), ratio).to_owned(),
            mib(floor),
            mib(ours),
            if peers.is_empty() { "–".to_owned() } else { peers.join(", ") },
        ]);
    }

    fn unmeasured(&mut self, label: &str, server: &str, goal: Goal, why: &str) {
        let [least, best] = goal.cells();
        let mut cells = vec![label.to_owned(), server.to_owned()];
        cells.extend(["–", why, "–", "–"].map(str::to_owned));
        cells.extend([least, best]);
        cells.extend(["–", "–", "–", "–"].map(str::to_owned));
        self.table.row(&cells);
    }

    fn start_up(&mut self) {
        for word in ["--version", "--help"] {
            let label = format!("start-up, `{word}`");
            if !self.options.wants(&label) {
                continue;
            }
            self.world.fresh("ours");
            let sides = [
                Side::plain("bare clap program", vec![self.world.role(&["floor-clap", word])]),
                Side::plain("ours", vec![self.world.ours("ours", &[word])]),
            ];
            self.measure(&label, "–", Goal::MsThenRatio(3.0, 1.5), 60, &sides);
        }
    }

    /// Cold installs out of a synthetic repository.
    fn installs(&mut self, n: usize) {
        let goals: &[(Which, Goal)] = match n {
            66 => &[(Which::One, Goal::Ratio(0.5, 0.27)), (Which::All, Goal::Ratio(0.6, 0.3))],
            _ => &[(Which::One, Goal::None), (Which::All, Goal::Ratio(0.5, 0.32))],
        };
        if !goals.iter().any(|(which, _)| self.options.wants(&label_of(*which, &count(n)))) {
            return;
        }
        let repo = self.repo(n);
        for (which, goal) in goals {
            for road in [Road::Replay, Road::Live, Road::File] {
                // The goals are set for the cached server.
                let goal = if road == Road::Replay { *goal } else { Goal::None };
                self.install(&repo, *which, road, goal);
            }
        }
    }

    fn install(&mut self, repo: &Repo, which: Which, road: Road, goal: Goal) {
        let label = label_of(which, &repo.label);
        if !self.options.wants(&label) {
            return;
        }
        let Some(url) = self.world.url(repo, road) else {
            return self.unmeasured(&label, road.name(), goal, "no git here");
        };
        let folders = match which {
            Which::One => &repo.made.folders[repo.made.folders.len() / 2..][..1],
            Which::All => &repo.made.folders[..],
        };
        let mut sides = vec![
            clone_and_copy(self.world, &url, folders),
            install_side(self.world, &url, folders, which, &[]),
        ];
        // Of thousands the others lose some or fail, after minutes.
        if road == Road::Replay && repo.made.folders.len() <= MOST_FOR_PEERS {
            sides.extend(peers(self.world, &url, folders, which));
        }
        let rounds = if folders.len() > 500 || repo.made.folders.len() > 500 { 5 } else { 15 };
        self.measure(&label, road.name(), goal, rounds, &sides);
    }

    /// From a warm cache, without a connection, against a plain copy.
    fn offline(&mut self) {
        let (label, goal) = ("install all of 66, cached, offline", Goal::Ratio(2.0, 1.2));
        if !self.options.wants(label) {
            return;
        }
        let repo = self.repo(66);
        let Some(url) = self.world.url(&repo, Road::Replay) else {
            return self.unmeasured(label, "–", goal, "no git here");
        };
        let project = self.world.fresh("warm");
        self.world.must(&self.world.ours("warm", &["skill", "install", &url, "--all", "--yes"]));
        // The registry stays and names the trees; the cache has them.
        let again = self.world.ours("warm", &["skill", "install", "--frozen", "--offline"]);
        let empty = || {
            self.world.discard(&project.join(".claude"));
        };
        empty();
        if again.run(&self.world.home(), None).is_err() {
            return self.unmeasured(label, "–", goal, "not yet");
        }
        let clone = self.world.path("clone");
        git_clone(self.world, &url, &clone);
        let side = clone_and_copy(self.world, &url, &repo.made.folders);
        let sides = [
            Side { name: "cp -r", steps: vec![copy(self.world, &clone, &repo.made.folders)], ..side },
            Side { name: "ours", prepare: Box::new(empty), ..Side::plain("ours", vec![again]) },
        ];
        self.measure(label, "–", goal, 15, &sides);
    }

    /// What another project has installed: only the branch is asked for.
    fn again(&mut self) {
        let label = "install all of 66, in a second project";
        if !self.options.wants(label) {
            return;
        }
        let repo = self.repo(66);
        let Some(url) = self.world.url(&repo, Road::Replay) else {
            return self.unmeasured(label, Road::Replay.name(), Goal::None, "no git here");
        };
        let project = self.world.fresh("warm");
        let install = self.world.ours("warm", &["skill", "install", &url, "--all", "--yes"]);
        self.world.must(&install);
        let empty = || {
            self.world.discard(&project);
            std::fs::create_dir_all(project.join(".git")).unwrap();
        };
        let sides = [
            clone_and_copy(self.world, &url, &repo.made.folders),
            Side { prepare: Box::new(empty), ..Side::plain("ours", vec![install]) },
        ];
        self.measure(label, Road::Replay.name(), Goal::None, 15, &sides);
    }

    fn outdated(&mut self) {
        let (label, goal) = ("outdated, 66 installed, nothing changed", Goal::Ratio(1.0, 0.5));
        if !self.options.wants(label) {
            return;
        }
        if !self.world.has(&["skill", "outdated"], &[]) {
            return self.unmeasured(label, Road::Replay.name(), goal, "not yet");
        }
        let repo = self.repo(66);
        let Some(url) = self.world.url(&repo, Road::Replay) else {
            return self.unmeasured(label, Road::Replay.name(), goal, "no git here");
        };
        self.world.fresh("old");
        self.world.must(&self.world.ours("old", &["skill", "install", &url, "--all", "--yes"]));
        let sides = [
            Side::plain(
                "git ls-remote",
                vec![Step::new("git", &["ls-remote", &url], &self.world.path("floor"))],
            ),
            Side::plain("ours", vec![self.world.ours("old", &["skill", "outdated"])]),
        ];
        self.measure(label, Road::Replay.name(), goal, 30, &sides);
    }

    fn update(&mut self) {
        let (label, goal) = ("update, 20 of 100 changed", Goal::Ratio(1.0, 0.3));
        if !self.options.wants(label) {
            return;
        }
        let world = self.world;
        if !world.has(&["skill", "update"], &["--yes"]) {
            return self.unmeasured(label, Road::Replay.name(), goal, "not yet");
        }
        let repo = self.repo(100);
        let Some(url) = world.url(&repo, Road::Replay) else {
            return self.unmeasured(label, Road::Replay.name(), goal, "no git here");
        };
        world.fresh("before");
        world.must(&world.ours("before", &["skill", "install", &url, "--all", "--yes"]));
        repos::change(&world.path("git").join(&repo.name), &repo.made, 20);
        world.forget();
        let renew = || {
            world.discard(&world.path("ours"));
            let (from, to) = (world.path("before"), world.path("ours"));
            let words = ["-a", &from.display().to_string(), &to.display().to_string()];
            world.must(&Step::new("cp", &words, &world.home()));
        };
        let sides = [
            clone_and_copy(world, &url, &repo.made.folders[..20]),
            Side {
                name: "ours",
                prepare: Box::new(renew),
                ..Side::plain("ours", vec![world.ours("ours", &["skill", "update", "--yes"])])
            },
        ];
        self.measure(label, Road::Replay.name(), goal, 10, &sides);
    }

    /// `list` and `show`: from the registry alone.
    fn reading(&mut self) {
        for (n, goal) in [(66, Goal::Ms(5.0, 3.0)), (1_000, Goal::None), (2_417, Goal::Ms(25.0, 15.0))] {
            let (list, show) =
                (format!("list, {} installed", count(n)), format!("show, {} installed", count(n)));
            if !self.options.wants(&list) && !self.options.wants(&show) {
                continue;
            }
            let repo = self.repo(n);
            let skills = installed(self.world, &repo, Road::File);
            if self.options.wants(&list) {
                let sides = [
                    Side::plain("ls", vec![Step::new("ls", &[], &skills)]),
                    Side::plain("ours", vec![self.world.ours("read", &["skill", "list"])]),
                ];
                self.measure(&list, "–", goal, 30, &sides);
            }
            if self.options.wants(&show) {
                let name = first_name(&skills);
                let sides = [
                    Side::plain("ls", vec![Step::new("ls", &["-lR", &name], &skills)]),
                    Side::plain("ours", vec![self.world.ours("read", &["skill", "show", &name])]),
                ];
                self.measure(&show, "–", Goal::None, 30, &sides);
            }
        }
    }

    fn verify(&mut self) {
        let (label, goal) = ("verify, 2,417 installed", Goal::Ratio(1.5, 1.1));
        if !self.options.wants(label) {
            return;
        }
        if !self.world.has(&["skill", "verify"], &[]) {
            return self.unmeasured(label, "–", goal, "not yet");
        }
        let repo = self.repo(2_417);
        let skills = installed(self.world, &repo, Road::File).display().to_string();
        let sides = [
            Side::plain("read and hash", vec![self.world.role(&["floor-hash", &skills])]),
            Side::plain("ours", vec![self.world.ours("read", &["skill", "verify"])]),
        ];
        self.measure(label, "–", goal, 10, &sides);
    }

    fn search(&mut self) {
        let goal = Goal::Ms(50.0, 30.0);
        for (label, kept, query, goal) in [
            ("search, 10,000 entries", Kept::Repository, "entry-7", goal),
            ("search, 10,000 entries, a sentence", Kept::Repository, SENTENCE, goal),
            ("search, 10,000 entries in a folder", Kept::Folder, "entry-7", Goal::None),
        ] {
            if self.options.wants(label) {
                self.search_for(label, kept, query, goal);
            }
        }
    }

    fn search_for(&mut self, label: &str, kept: Kept, query: &str, goal: Goal) {
        if !self.world.has(&["skill", "search"], &[]) || !self.world.has(&["marketplace", "add"], &[]) {
            return self.unmeasured(label, "–", goal, "not yet");
        }
        let ours = match searched(self.world, 10_000, kept, query) {
            Ok(side) => side,
            Err(message) => {
                eprintln!("{message}");
                return self.unmeasured(label, "–", goal, "not yet");
            }
        };
        let file = self.world.path("market").join(MANIFEST).display().to_string();
        let grep = Step::new("grep", &["-c", "entry-7", &file], &self.world.home());
        let sides = [Side::plain("grep", vec![grep]), ours];
        self.measure(label, "–", goal, 20, &sides);
    }
}

fn label_of(which: Which, n: &str) -> String {
    format!("install {} of {n}, cold", if which == Which::One { "1" } else { "all" })
}

fn spread(taken: &Taken) -> String {
    let (low, high) = taken.quartiles;
    let digits = if taken.ms() < 20.0 { 1 } else { 0 };
    let ms = |time: std::time::Duration| format!("{:.digits$}", time.as_secs_f64() * 1e3);
    format!("{} ({}–{})", ms(taken.median), ms(low), ms(high))
}

fn mib(taken: &Taken) -> String {
    if taken.peak == 0 { "–".to_owned() } else { format!("{:.0}", taken.peak as f64 / 1024.0) }
}

/// The floor of every install: what a person types who has no tool.
pub(crate) fn clone_and_copy<'a>(world: &'a World, url: &str, folders: &[String]) -> Side<'a> {
    let (floor, wanted) = (world.path("floor"), folders.len());
    let empty = move || {
        world.discard(&floor);
        std::fs::create_dir_all(floor.join("skills")).unwrap();
    };
    let skills = world.path("floor/skills");
    let clone = world.path("floor/clone");
    let words = ["clone", "--quiet", "--depth", "1", url, &clone.display().to_string()];
    Side {
        name: "git clone --depth 1, cp -r",
        prepare: Box::new(empty),
        steps: vec![Step::new("git", &words, &world.home()), copy(world, &clone, folders)],
        check: Box::new(move || holds(&skills, wanted.min(1))),
    }
}

fn copy(world: &World, clone: &Path, folders: &[String]) -> Step {
    let to = world.path("floor/skills").display().to_string();
    Step::new("cp", &["-r"], clone).words(folders.iter().cloned().chain([to]))
}

fn git_clone(world: &World, url: &str, to: &Path) {
    world.discard(to);
    let words = ["clone", "--quiet", "--depth", "1", url, &to.display().to_string()];
    world.must(&Step::new("git", &words, &world.home()));
}

fn install_side<'a>(
    world: &'a World,
    url: &str,
    folders: &[String],
    which: Which,
    more: &[&str],
) -> Side<'a> {
    let chosen = match which {
        Which::One => vec!["--skill".to_owned(), folders[0].clone()],
        Which::All => vec!["--all".to_owned()],
    };
    let step = world.ours("ours", &["skill", "install", url, "--yes"]).words(chosen);
    let (skills, wanted) = (world.path("ours/project/.claude/skills"), folders.len());
    Side {
        name: "ours",
        prepare: Box::new(move || {
            world.fresh("ours");
        }),
        steps: vec![step.words(more.iter().map(|word| (*word).to_owned()))],
        check: Box::new(move || holds(&skills, wanted)),
    }
}

/// That there are at least so many skills in a folder.
fn holds(skills: &Path, wanted: usize) -> Result<(), String> {
    let entries = std::fs::read_dir(skills).map_err(|e| format!("{}: {e}", skills.display()))?;
    let found = entries.flatten().filter(|entry| entry.path().join("SKILL.md").is_file()).count();
    if found < wanted { Err(format!("{found} of {wanted} skills are there")) } else { Ok(()) }
}

/// The project `read` with everything of a repository installed; its skills folder.
pub(crate) fn installed(world: &World, repo: &Repo, road: Road) -> std::path::PathBuf {
    let project = world.fresh("read");
    let url = world.url(repo, road).unwrap();
    world.must(&world.ours("read", &["skill", "install", &url, "--all", "--yes"]));
    project.join(".claude/skills")
}

fn first_name(skills: &Path) -> String {
    let names = std::fs::read_dir(skills).unwrap().flatten().map(|entry| entry.file_name());
    names.min().unwrap().to_string_lossy().into_owned()
}

/// What a marketplace is: a repository, whose copy has an index, or a folder of this machine, which
/// every search reads as it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kept {
    Repository,
    Folder,
}

/// A search among `n` entries of a marketplace, in a project of its own that has it.
///
/// # Errors
/// What the program says where it cannot register one.
pub(crate) fn searched<'w>(world: &'w World, n: usize, kept: Kept, query: &str) -> Result<Side<'w>, String> {
    world.fresh("find");
    let folder = world.path("market");
    world.discard(&folder);
    market_of(&folder, n);
    let source = match kept {
        Kept::Folder => folder.display().to_string(),
        Kept::Repository => repos::commit_folder(&folder),
    };
    world.ours("find", &["marketplace", "add", "market", &source]).run(&world.home(), None)?;
    Ok(Side::plain("ours", vec![world.ours("find", &["skill", "search", query])]))
}

/// What an agent passes: a whole sentence.
const SENTENCE: &str = "find me something that does thing 13 with 7 and then tells how it went";

/// Where a catalogue stands below its folder.
const MANIFEST: &str = ".claude-plugin/marketplace.json";

/// Writes a catalogue of `n` entries below `folder`.
fn market_of(folder: &Path, n: usize) {
    let entry = |i: usize| {
        serde_json::json!({
            "name": format!("entry-{i}"),
            "description": format!("Does thing {} with {} and tells how it went", i % 97, i % 31),
            "source": { "source": "github", "repo": format!("owner-{}/repo-{i}", i % 700) },
        })
    };
    let plugins: Vec<_> = (0..n).map(entry).collect();
    let market = serde_json::json!({ "name": "large", "owner": { "name": "Bench" }, "plugins": plugins });
    let file = folder.join(MANIFEST);
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    std::fs::write(&file, serde_json::to_vec_pretty(&market).unwrap()).unwrap();
}

/// Other tools that are on this machine. They are started without a network of their own
/// (`npx` offline), and what they print or leave is not looked at beyond their exit status
/// and the number of skills in `.claude/skills`.
fn peers<'a>(world: &'a World, url: &str, folders: &[String], which: Which) -> Vec<Side<'a>> {
    let name = folders[0].rsplit('/').next().unwrap_or_default();
    let skill = if which == Which::One { name } else { "*" };
    let npx: &[&str] = &[
        "--offline",
        "--no",
        "--",
        "skills",
        "add",
        url,
        "--skill",
        skill,
        "--agent",
        "claude-code",
        "--copy",
        "--yes",
    ];
    let mut apm = vec!["install", url, "--target", "claude"];
    if which == Which::One {
        apm.extend(["--skill", name]);
    }
    let known: [(&'static str, &str, &[&str], &[&str]); 2] = [
        ("npx skills", "npx", &["--offline", "--no", "--", "skills", "--help"], npx),
        ("apm", "apm", &["--version"], &apm),
    ];
    let there = known.into_iter().filter(|(_, program, probe, _)| {
        Step::new(program, probe, &world.home()).run(&world.home(), None).is_ok()
    });
    let wanted = folders.len();
    let side = |(name, program, _, words): (&'static str, &str, &[&str], &[&str])| {
        let project = world.path("peer/project");
        let skills = project.join(".claude/skills");
        Side {
            name,
            prepare: Box::new(move || {
                world.fresh("peer");
            }),
            steps: vec![Step::new(program, words, &project)],
            check: Box::new(move || holds(&skills, wanted)),
        }
    };
    there.map(side).collect()
}
