//! Daily journeys, typed at a terminal: keys and seconds of this program, and of `npx skills`
//! where that is installed. Both see one real repository under its public address, which a
//! server on loopback answers for.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use crate::options::Options;
use crate::pty::Terminal;
use crate::table::{Table, circumstances};
use crate::world::{OURS, World};

const HEADING: &[&str] = &["journey", "ba-agent", "keys", "s", "npx skills", "keys", "s"];
const ROUNDS: usize = 5;

/// The skill that is known by name.
const SKILL: &str = "pdf";

/// An arrow key.
const DOWN: &str = "\u{1b}[B";

/// Who types.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tool {
    Ours,
    Npx,
}

/// A command line, and what is pressed once these words stand on the screen.
struct Line {
    typed: String,
    answers: Vec<(String, String)>,
}

impl Line {
    fn new(typed: impl Into<String>) -> Self {
        Self { typed: typed.into(), answers: Vec::new() }
    }

    /// Then waits for `words` and presses `keys`.
    fn answer(mut self, words: &str, keys: &str) -> Self {
        self.answers.push((words.to_owned(), keys.to_owned()));
        self
    }

    /// Keys, with the Enter behind the command; an arrow key sends three bytes and is one key.
    fn keys(&self) -> usize {
        let pressed = |keys: &str| keys.replace(DOWN, "x").chars().count();
        self.typed.chars().count() + 1 + self.answers.iter().map(|(_, keys)| pressed(keys)).sum::<usize>()
    }
}

/// How one tool goes a journey, or why it cannot.
type Way = Result<Vec<Line>, &'static str>;

struct Journey<'w> {
    name: &'static str,
    /// What the state is made of before the clock runs.
    ready: fn(&Stage<'w>, Tool),
    ours: Way,
    theirs: Way,
}

/// The published repository, and a home and a project for each tool.
struct Stage<'w> {
    world: &'w World,
    /// `owner/name`, as it is typed.
    name: String,
    /// The bare repository that is served; its branch moves.
    git: PathBuf,
    branch: String,
    newest: String,
    /// The commit before the last one that changed [`SKILL`].
    older: String,
}

/// Types every journey and writes the table.
pub(crate) fn run(world: &World, options: &Options) {
    let Some(stage) = options.repos.first().and_then(|path| Stage::publish(world, path)) else {
        eprintln!("`--journeys` needs git, and `--repo …/OWNER/NAME.git` with a skill `{SKILL}` in it");
        std::process::exit(2);
    };
    let about =
        format!("{}; on {} at {}", circumstances(&world.file_system()), stage.name, &stage.newest[..7]);
    let mut table = Table::new("journeys", &about, HEADING);
    for journey in stage.journeys() {
        if options.wants(journey.name) {
            let [ours, theirs] = stage.measure(&journey, options.rounds.unwrap_or(ROUNDS));
            let mut cells = vec![journey.name.to_owned()];
            cells.extend(ours);
            cells.extend(theirs);
            table.row(&cells);
        }
    }
    if options.writes() {
        table.write();
    }
}

impl<'w> Stage<'w> {
    /// Serves a copy of the repository under the last two parts of its path.
    fn publish(world: &'w World, path: &Path) -> Option<Self> {
        let mut parts = path.iter().rev().map(|part| part.to_string_lossy().into_owned());
        let (name, owner) = (parts.next()?, parts.next()?);
        let name = format!("{owner}/{}", name.trim_end_matches(".git"));
        let git = world.path("git").join(format!("{name}.git"));
        world.served()?;
        let path = path.canonicalize().ok()?;
        git_says(
            Path::new("."),
            &["clone", "--quiet", "--bare", &path.to_string_lossy(), &git.to_string_lossy()],
        )?;
        git_says(&git, &["config", "uploadpack.allowFilter", "true"])?;
        let branch = git_says(&git, &["symbolic-ref", "HEAD"])?;
        let newest = git_says(&git, &["rev-parse", "HEAD"])?;
        let folders = git_says(&git, &["ls-tree", "-r", "-d", "--name-only", "HEAD"])?;
        let folder = folders.lines().find(|folder| folder.rsplit('/').next() == Some(SKILL))?;
        let changed = git_says(&git, &["log", "-1", "--format=%H", "HEAD", "--", folder])?;
        let older = git_says(&git, &["rev-parse", &format!("{changed}^")])?;
        Some(Self { world, name, git, branch, newest, older })
    }

    /// Moves the branch to this commit.
    fn move_to(&self, commit: &str) {
        git_says(&self.git, &["update-ref", &self.branch, commit]).unwrap();
        self.world.forget();
    }

    fn measure(&self, journey: &Journey<'w>, rounds: usize) -> [[String; 3]; 2] {
        let none = Err("not installed here");
        let theirs = if found("skills").is_some() { &journey.theirs } else { &none };
        let ways = [(Tool::Ours, &journey.ours), (Tool::Npx, theirs)];
        let mut times: [Vec<Duration>; 2] = Default::default();
        for round in 0..=rounds {
            for ((tool, way), times) in ways.iter().zip(&mut times) {
                let Ok(lines) = way else { continue };
                (journey.ready)(self, *tool);
                let took = lines.iter().map(|line| self.type_line(*tool, line)).sum();
                // The first round warms the disk and the server, and does not count.
                if round > 0 {
                    times.push(took);
                }
            }
        }
        let mut sides = ways.iter().zip(times).map(|((_, way), mut times)| {
            times.sort();
            let lines = match way {
                Ok(lines) => lines,
                Err(why) => return [(*why).to_owned(), "–".to_owned(), "–".to_owned()],
            };
            let typed: Vec<String> = lines.iter().map(|line| format!("`{}`", line.typed)).collect();
            let keys: usize = lines.iter().map(Line::keys).sum();
            let median = times.get(times.len() / 2).map_or(0.0, Duration::as_secs_f64);
            [typed.join(", "), keys.to_string(), format!("{median:.2}")]
        });
        [sides.next().unwrap(), sides.next().unwrap()]
    }

    fn home(&self, tool: Tool) -> PathBuf {
        self.world.path(if tool == Tool::Ours { "journey-ours" } else { "journey-npx" })
    }

    fn project(&self, tool: Tool) -> PathBuf {
        self.home(tool).join("project")
    }

    /// A new account with an empty project, and a repository that stands at its newest commit.
    fn begin(&self, tool: Tool) {
        self.move_to(&self.newest);
        let home = self.home(tool);
        self.world.discard(&home);
        std::fs::create_dir_all(self.project(tool).join(".git")).unwrap();
        self.connect(tool, &self.world.served().unwrap());
    }

    /// Has `https://github.com/` answered by this server.
    fn connect(&self, tool: Tool, url: &str) {
        let config =
            format!("[url \"{url}/\"]\n\tinsteadOf = https://github.com/\n[safe]\n\tdirectory = *\n");
        std::fs::write(self.home(tool).join(".gitconfig"), config).unwrap();
    }

    /// Types a line at a terminal of 100 columns; how long it took, the answers included.
    fn type_line(&self, tool: Tool, line: &Line) -> Duration {
        let mut words = line.typed.split(' ');
        let program = match words.next().unwrap() {
            "ba-agent" => PathBuf::from(OURS),
            // Without the start-up of npx itself.
            "npx" => found(words.next().unwrap()).unwrap(),
            other => found(other).unwrap(),
        };
        let home = self.home(tool);
        let mut command = Command::new(program);
        command.args(words).current_dir(self.project(tool)).env_clear();
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("HOME", &home);
        command.env("PAGER", "cat").env("DISABLE_TELEMETRY", "1").env("LANG", "C.UTF-8");
        let start = Instant::now();
        let mut terminal = Terminal::run(command);
        for (words, keys) in &line.answers {
            terminal.wait_for_screen(words, |screen| screen.contains(words.as_str()));
            terminal.press(keys);
        }
        let (status, screen) = terminal.end();
        let took = start.elapsed();
        assert!(status.success(), "`{}` ended with {status}:\n{screen}", line.typed);
        took
    }

    /// Types lines whose time does not count.
    fn must(&self, tool: Tool, ours: &[String], theirs: &[String]) {
        for typed in if tool == Tool::Ours { ours } else { theirs } {
            self.type_line(tool, &Line::new(typed.clone()));
        }
    }

    fn install(&self, tool: Tool, skill: &str) {
        let name = &self.name;
        let ours = format!("ba-agent install {name}@{skill}");
        self.must(tool, &[ours], &[format!("npx skills add {name}@{skill} -y")]);
    }

    fn journeys(&self) -> Vec<Journey<'w>> {
        let (name, newest) = (&self.name, &self.newest);
        let line = |typed: &str| Line::new(typed.replace("REPO", name).replace("SKILL", SKILL));
        let lines = |typed: &[&str]| Ok(typed.iter().map(|typed| line(typed)).collect());
        vec![
            Journey {
                name: "install a skill that one knows",
                ready: Stage::begin,
                ours: lines(&["ba-agent add REPO@SKILL"]),
                theirs: lines(&["npx skills add REPO@SKILL -y"]),
            },
            Journey {
                name: "find something for PDF forms, knowing no source",
                ready: Stage::begin,
                // The first of the known catalogues, then the first of what it has.
                ours: Ok(vec![
                    line("ba-agent search pdf forms")
                        .answer("Which of these public ones", "\r")
                        .answer("Install which?", "\r"),
                ]),
                theirs: Err("`npx skills find` asks its own site, which is not here"),
            },
            Journey {
                name: "choose one of many",
                ready: Stage::begin,
                ours: Ok(vec![
                    line("ba-agent add REPO").answer("Filter:", SKILL).answer("Filter: pdf", "\r"),
                ]),
                theirs: Ok(vec![
                    line("npx skills add REPO")
                        .answer("Select All", &DOWN.repeat(5))
                        .answer("anything with PDF", " ")
                        .answer("● pdf", "\r")
                        .answer("Which agents", "\r")
                        .answer("Installation scope", "\r")
                        .answer("Installation method", "\r")
                        .answer("Proceed with", "\r")
                        .answer("find-skills", "n"),
                ]),
            },
            Journey {
                name: "read it before use",
                ready: Stage::begin,
                ours: lines(&["ba-agent show REPO@SKILL"]),
                theirs: lines(&["npx skills use REPO@SKILL"]),
            },
            Journey {
                name: "a fresh clone of a team's project, three skills",
                ready: Stage::clone_of_team,
                ours: lines(&["ba-agent install"]),
                theirs: lines(&["npx skills experimental_install"]),
            },
            Journey {
                name: "in CI, at one commit",
                ready: Stage::begin,
                ours: Ok(vec![Line::new(format!("ba-agent add {name}@{SKILL} --sha {newest}"))]),
                theirs: Err("takes no commit"),
            },
            Journey {
                name: "the weekly update, after a look",
                ready: Stage::behind,
                // It wants a new executable, so that it asks: first the difference, then yes.
                ours: Ok(vec![line("ba-agent update").answer("anyway?", "d\r").answer("anyway?", "y\r")]),
                theirs: lines(&["npx skills update -y"]),
            },
            Journey {
                name: "a skill of one's own, tried at once",
                ready: Stage::begin,
                ours: lines(&["ba-agent init my-skill", "ba-agent add ./my-skill"]),
                theirs: lines(&["npx skills init my-skill", "npx skills add ./my-skill -y"]),
            },
            Journey {
                name: "for three agents",
                ready: Stage::begin,
                ours: lines(&["ba-agent add REPO@SKILL -a claude-code,cursor,codex"]),
                theirs: lines(&["npx skills add REPO@SKILL -a claude-code cursor codex -y"]),
            },
            Journey {
                name: "on a plane, in a second project",
                ready: Stage::on_a_plane,
                ours: lines(&["ba-agent add REPO@SKILL --offline"]),
                theirs: Err("fails: it clones each time"),
            },
            Journey {
                name: "remove one, by picking",
                ready: Stage::with_three,
                ours: Ok(vec![line("ba-agent remove").answer("Filter:", SKILL).answer("Filter: pdf", "\r")]),
                theirs: Ok(vec![
                    line("npx skills remove")
                        .answer("Select skills", DOWN)
                        .answer("Select skills", " ")
                        .answer("◼ pdf", "\r")
                        .answer("Are you sure", "\r"),
                ]),
            },
        ]
    }

    fn with_three(&self, tool: Tool) {
        self.begin(tool);
        for skill in [SKILL, "docx", "xlsx"] {
            self.install(tool, skill);
        }
    }

    /// What somebody has who cloned a project of three skills on a new machine.
    fn clone_of_team(&self, tool: Tool) {
        self.with_three(tool);
        let lock = if tool == Tool::Ours { "config/skills_registry.json" } else { "skills-lock.json" };
        let kept = std::fs::read(self.project(tool).join(lock)).unwrap();
        self.begin(tool);
        let lock = self.project(tool).join(lock);
        std::fs::create_dir_all(lock.parent().unwrap()).unwrap();
        std::fs::write(lock, kept).unwrap();
    }

    /// An installation of the older commit, and a source that went on.
    fn behind(&self, tool: Tool) {
        self.begin(tool);
        self.move_to(&self.older);
        self.install(tool, SKILL);
        self.move_to(&self.newest);
    }

    /// A second project of the same account, and no network any more.
    fn on_a_plane(&self, tool: Tool) {
        self.begin(tool);
        self.install(tool, SKILL);
        self.connect(tool, "http://127.0.0.1:9");
        self.world.discard(&self.project(tool));
        std::fs::create_dir_all(self.project(tool).join(".git")).unwrap();
    }
}

/// A program of the `PATH`.
fn found(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).map(|folder| folder.join(program)).find(|place| place.is_file())
}

/// What git says, without the line's end; `None` where it fails.
fn git_says(folder: &Path, words: &[&str]) -> Option<String> {
    let output = Command::new("git").args(words).current_dir(folder).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
