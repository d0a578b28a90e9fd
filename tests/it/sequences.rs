//! The cache changes no answer: random sequences of commands, each played twice over http,
//! once with the cache that the commands before left and once with an empty one before every
//! step. Exit status, data on stdout and every byte on the disk must be the same.
//!
//! Both sides take turns in one folder, so that no path differs. A seed that fails is printed
//! with the shortest of its sequences that still fails; `BA_AGENT_SEED=N` plays one again.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::json;

use crate::dice::{Dice, figure, on_all_processors, times};
use crate::env::{TestEnv, commit, copy_tree, picture, skill_md};
use ba_agent_test_support::server::{AnswerCache, Play, Server};

/// 2026-01-02T03:04:05Z; a minute goes by with each step.
const BEGIN: u64 = 1_767_323_045;
const EDITIONS: usize = 4;
const REPOSITORIES: [&str; 3] = ["acme/skills", "acme/market", "solo/one"];
/// The second names another host in its settings. The third is another user's, whose own
/// settings do; all three share the cache.
const PROJECTS: [&str; 3] = ["one", "two", "three"];
/// Home, settings and data of the first user and of the second.
const USERS: [[&str; 3]; 2] = [["home", "settings", "data"], ["home2", "settings2", "data2"]];

/// Every state that the repositories go through, each in a folder of its own.
struct Upstream {
    env: TestEnv,
    answers: Arc<AnswerCache>,
    /// The commits of `acme/skills`, one for each edition.
    shas: Vec<String>,
}

impl Upstream {
    fn new() -> Self {
        let env = TestEnv::new();
        let shas = skills_editions(&env);
        market_editions(&env, &shas);
        solo_editions(&env);
        // What another host has under the same name.
        env.skill("other/skills/pdf").file("scripts/run.py", "print('another host')\n");
        drop(env.git_repo("srv/other/skills.git", &env.path("other")));
        env.skill("kit/kit").file("references/more.md", "More.\n");
        env.zip("kit.zip", &env.path("kit"));
        Self { env, answers: Arc::default(), shas }
    }

    /// A server for one sequence after the other, all repositories in their first edition.
    fn serve(&self) -> Option<Server> {
        let server = Server::start(&self.env.path("srv"))?;
        server.keep_answers(&self.answers);
        let url = server.url();
        let kit = std::fs::read(self.env.path("kit.zip")).unwrap();
        server.play("/files/kit.zip", Play::Bytes("application/zip", kit));
        let source = json!({ "source": "archive", "url": format!("{url}/files/kit.zip") });
        let plugins = json!([{ "name": "kit", "source": source, "description": "A kit in an archive." }]);
        let document = json!({ "name": "files", "owner": { "name": "F" }, "plugins": plugins });
        server.play("/files/marketplace.json", Play::Bytes("application/json", document.to_string().into()));
        server.play("/.well-known/agent-skills/", Play::Status(404));
        let index =
            json!({ "skills": [{ "name": "review", "description": "Reviews.", "files": ["SKILL.md"] }] });
        server.play(
            "/.well-known/skills/index.json",
            Play::Bytes("application/json", index.to_string().into()),
        );
        let review = skill_md("review", "Reviews code. Use it when code is to be reviewed.");
        server.play("/.well-known/skills/review/SKILL.md", Play::Bytes("text/markdown", review.into()));
        server.point("/mirror/acme/skills.git", "/other/skills.git");
        server.point("/mirror/acme/market.git", "/0/acme/market.git");
        Some(server)
    }
}

/// Writes a repository's state as one that can be served.
fn publish(env: &TestEnv, edition: usize, repository: &str) {
    let below = format!("{edition}/{repository}.git");
    copy_tree(&env.path(&format!("work/{repository}.git")), &env.path(&format!("srv/{below}")));
}

fn tag(repo: &git2::Repository, name: &str, at: git2::Oid) {
    repo.reference(&format!("refs/tags/{name}"), at, true, "").unwrap();
}

/// Skills that change, grow, move and go; tags of every form, one of which moves.
fn skills_editions(env: &TestEnv) -> Vec<String> {
    for name in ["pdf", "docx", "xlsx"] {
        let maker = env.skill(&format!("src/skills/{name}"));
        let maker = maker.file("references/long.md", format!("A line of {name}.\n").repeat(40));
        #[cfg(unix)]
        let maker =
            maker.executable("scripts/run.py", format!("print('{name}')\n")).link("GUIDE.md", "SKILL.md");
        drop(maker);
    }
    let repo = env.git_repo("work/acme/skills.git", &env.path("src"));
    let mut commits = vec![repo.refname_to_id("refs/heads/main").unwrap()];
    tag(&repo, "v1.0.0", commits[0]);
    repo.reference("refs/heads/feature/x", commits[0], true, "").unwrap();
    publish(env, 0, "acme/skills");
    for edition in 1..EDITIONS {
        let text = skill_md("pdf", &format!("Edition {edition} of it. Use it when PDF files are there."));
        env.write("src/skills/pdf/SKILL.md", text);
        match edition {
            1 => drop(env.skill("src/skills/pptx")),
            2 => {
                let text = skill_md("docx", "Does docx. Use it for docx.\nallowed-tools: Bash(rm:*) Write");
                env.write("src/skills/docx/SKILL.md", text);
            }
            _ => {
                std::fs::remove_dir_all(env.path("src/skills/xlsx")).unwrap();
                std::fs::create_dir_all(env.path("src/more")).unwrap();
                std::fs::rename(env.path("src/skills/docx"), env.path("src/more/docx")).unwrap();
            }
        }
        let at = commit(&repo, "refs/heads/main", &env.path("src"), &format!("edition {edition}"));
        for name in [&["v1.2.0", "pdf--v1.1.0"][..], &["v2.0.0"], &["v1.2.0"]][edition - 1] {
            tag(&repo, name, at);
        }
        if edition == 3 {
            repo.reference("refs/heads/feature/x", at, true, "").unwrap();
        }
        commits.push(at);
        publish(env, edition, "acme/skills");
    }
    commits.iter().map(ToString::to_string).collect()
}

/// A marketplace with entries of its own, of a tag, of a commit and of another repository.
fn market_editions(env: &TestEnv, shas: &[String]) {
    for name in ["office/skills/writer", "office/skills/calc", "extra/skills/notes"] {
        env.skill(&format!("market/plugins/{name}"));
    }
    for edition in 0..EDITIONS {
        let office = if edition == 3 { "papers" } else { "office" };
        let held = match edition {
            0 | 1 => json!({ "source": "github", "repo": "acme/skills", "ref": "v1.0.0" }),
            _ => json!({ "source": "github", "repo": "acme/skills", "sha": shas[1] }),
        };
        let plugins = json!([
            { "name": office, "source": "./plugins/office", "version": format!("1.{edition}.0"), "tags": ["work"] },
            { "name": "remote", "source": held, "description": "Skills of another repository." },
            { "name": "alone", "source": { "source": "github", "repo": "solo/one" } },
            { "name": "extra", "source": "./plugins/extra", "description": format!("Edition {edition}.") },
        ]);
        let renames = if edition == 3 { json!({ "office": "papers" }) } else { json!({}) };
        let document =
            json!({ "name": "acme", "owner": { "name": "A" }, "renames": renames, "plugins": plugins });
        env.write("market/.claude-plugin/marketplace.json", document.to_string());
        let text = skill_md("writer", &format!("Writes, edition {edition}. Use it for letters."));
        env.write("market/plugins/office/skills/writer/SKILL.md", text);
        if edition == 2 {
            std::fs::remove_dir_all(env.path("market/plugins/office/skills/calc")).unwrap();
        }
        let files = env.path("market");
        if edition == 0 {
            drop(env.git_repo("work/acme/market.git", &files));
        } else {
            let repo = git2::Repository::open(env.path("work/acme/market.git")).unwrap();
            commit(&repo, "refs/heads/main", &files, &format!("edition {edition}"));
        }
        publish(env, edition, "acme/market");
    }
}

/// A repository that is one skill, whose history is written anew in its third edition.
fn solo_editions(env: &TestEnv) {
    env.skill("solo/one");
    let repo = env.git_repo("work/solo/one.git", &env.path("solo/one"));
    publish(env, 0, "solo/one");
    for edition in 1..EDITIONS {
        env.write("solo/one/SKILL.md", skill_md("one", &format!("Edition {edition}. Use it for one thing.")));
        if edition == 2 {
            repo.find_reference("refs/heads/main").unwrap().delete().unwrap();
        }
        commit(&repo, "refs/heads/main", &env.path("solo/one"), &format!("edition {edition}"));
        publish(env, edition, "solo/one");
    }
}

/// One step of a sequence.
#[derive(Debug, Clone)]
enum Step {
    /// A command in a project. `{URL}` stands for the server's address.
    Run { project: &'static str, args: Vec<String> },
    /// A repository moves on to its next edition.
    Publish(usize),
    /// Somebody edits an installed skill.
    Edit { project: &'static str, skill: String },
    /// The skill folders are gone, as after a clone that does not hold them.
    Wipe(&'static str),
}

impl Step {
    fn is_command(&self) -> bool {
        matches!(self, Self::Run { .. })
    }

    fn is_offline(&self) -> bool {
        matches!(self, Self::Run { args, .. } if args.iter().any(|arg| arg == "--offline"))
    }

    /// Its stdout is data, which the cache has no part in. Offline it has one; and texts for
    /// people may say how old something is, or leave a diff out whose one side is not at hand.
    /// `marketplace list` counts the entries of the copies that are there, and fetches none.
    fn prints_data(&self) -> bool {
        let is_data = |args: &[String]| {
            args[0] != "cache"
                && args[..2] != ["marketplace", "list"]
                && args.iter().any(|arg| arg == "--json")
        };
        matches!(self, Self::Run { args, .. } if is_data(args)) && !self.is_offline()
    }
}

impl std::fmt::Display for Step {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Run { project, args } => write!(f, "({project}) ba-agent {}", args.join(" ")),
            Self::Publish(which) => write!(f, "{} moves on", REPOSITORIES[*which]),
            Self::Edit { project, skill } => write!(f, "({project}) {skill} is edited"),
            Self::Wipe(project) => write!(f, "({project}) .claude and .agents are deleted"),
        }
    }
}

const SKILLS: [&str; 10] = ["pdf", "docx", "xlsx", "pptx", "one", "writer", "calc", "notes", "kit", "review"];

/// What can be installed, as it is typed. `{SHA}` is a commit of `acme/skills`.
const SOURCES: [&str; 26] = [
    "acme/skills@pdf",
    "acme/skills@docx",
    "acme/skills --skill docx --skill xlsx",
    "acme/skills --all",
    "acme/skills/skills/xlsx",
    "acme/skills@pdf#v1.0.0",
    "acme/skills --all --ref v1.2.0",
    "acme/skills@pdf#^1",
    "acme/skills@docx#>=1,<3",
    "acme/skills#feature/x@docx",
    "acme/skills --skill pdf --sha {SHA}",
    "acme/skills --all --sha {SHA}",
    "acme/skills",
    "solo/one",
    "solo/one --as other",
    "office@m --all",
    "office:writer@m",
    "remote@m --skill pdf",
    "remote@m --all",
    "alone@m",
    "extra@m",
    "pdf@plain",
    "kit@files",
    "{URL}/files/kit.zip",
    "review@host",
    "{URL}/.well-known/skills/review",
];

const MARKETPLACES: [(&str, &str); 4] = [
    ("m", "acme/market"),
    ("plain", "acme/skills"),
    ("files", "{URL}/files/marketplace.json"),
    ("host", "{URL}"),
];

/// What one sequence is about: few things, so that its commands meet each other.
struct Theme<'a> {
    shas: &'a [String],
    sources: Vec<&'static str>,
    markets: Vec<(&'static str, &'static str)>,
    skills: Vec<&'static str>,
}

impl<'a> Theme<'a> {
    fn new(dice: &mut Dice, shas: &'a [String]) -> Self {
        let sources: Vec<_> = (0..3 + dice.roll(4)).map(|_| *dice.pick(&SOURCES)).collect();
        let needs =
            |(name, _): &&(&str, &str)| sources.iter().any(|source| source.contains(&format!("@{name}")));
        let markets: Vec<_> = MARKETPLACES.iter().filter(needs).copied().collect();
        let mut skills: Vec<_> = SKILLS
            .iter()
            .filter(|name| sources.iter().any(|source| source.contains(*name)))
            .copied()
            .collect();
        skills.push(*dice.pick(&SKILLS));
        Self { shas, sources, markets, skills }
    }

    fn words(&self, dice: &mut Dice, line: &str) -> Vec<String> {
        line.replace("{SHA}", dice.pick::<String>(self.shas)).split(' ').map(str::to_owned).collect()
    }

    fn command(&self, dice: &mut Dice) -> Vec<String> {
        let (skill, source) = (*dice.pick(&self.skills), *dice.pick(&self.sources));
        let (market, place) = *dice.pick(if self.markets.is_empty() { &MARKETPLACES } else { &self.markets });
        let line = match dice.roll(42) {
            0..=13 => {
                let force = if dice.one_in(4) { " --force" } else { "" };
                let agents = ["", "", "", "", " --agent codex --agent claude-code", " --agent codex --copy"];
                format!("skill install {source}{force}{}", dice.pick(&agents))
            }
            14 => "skill install".to_owned(),
            15 | 16 => "skill install --frozen".to_owned(),
            17 => format!("skill install {source} --dry-run"),
            18 | 19 => "skill update".to_owned(),
            20 => format!("skill update {skill} --force"),
            21 => "skill update --dry-run".to_owned(),
            22 => "skill outdated --all --json".to_owned(),
            23 => "skill list --check --json".to_owned(),
            24 => format!("skill search {skill} --json"),
            25 => "skill search --json".to_owned(),
            26 => format!("skill show {source} --json"),
            27 => format!("skill show {skill} --json"),
            28 => "skill verify --json".to_owned(),
            29 => format!("skill diff {skill}"),
            30 => format!("skill pin {skill}"),
            31 => format!("skill unpin {skill}"),
            32 => "skill rollback".to_owned(),
            33 => "skill history --json".to_owned(),
            34 => format!("skill uninstall {skill}"),
            35 => format!("marketplace add {market} {place} --force"),
            36 | 37 => "marketplace update".to_owned(),
            38 => format!("marketplace show {market} --json"),
            39 => {
                (*dice.pick(&["marketplace list --json", "marketplace remove m", "skill export"])).to_owned()
            }
            40 => format!("skill pin {skill} {{SHA}}"),
            _ => (*dice.pick(&["cache prune", "cache clear --yes", "cache size"])).to_owned(),
        };
        self.words(dice, &line)
    }
}

/// The sequence of a seed: at least fifteen commands, and what happens between them.
fn sequence(seed: u64, shas: &[String]) -> Vec<Step> {
    let mut dice = Dice::new(seed);
    let theme = Theme::new(&mut dice, shas);
    let mut steps = Vec::new();
    for (market, place) in &theme.markets {
        let everywhere = if dice.one_in(3) { " --global" } else { "" };
        let args = theme.words(&mut dice, &format!("marketplace add {market} {place}{everywhere}"));
        steps.push(Step::Run { project: PROJECTS[0], args });
    }
    let commands = 15 + dice.roll(6);
    while steps.iter().filter(|step: &&Step| step.is_command()).count() < commands {
        let project = PROJECTS[[0, 0, 0, 0, 0, 0, 1, 1, 2][dice.roll(9)]];
        steps.push(match dice.roll(24) {
            0..=2 => Step::Publish(dice.roll(REPOSITORIES.len())),
            3 => Step::Wipe(project),
            4 => Step::Edit { project, skill: (*dice.pick(&theme.skills)).to_owned() },
            _ => {
                let mut args = theme.command(&mut dice);
                for (flag, rarely) in [("--offline", 9), ("--global", 10), ("--yes", 2)] {
                    if args[0] != "cache" && dice.one_in(rarely) {
                        args.push(flag.to_owned());
                    }
                }
                Step::Run { project, args }
            }
        });
    }
    steps
}

/// What a side has after a step.
#[derive(PartialEq)]
struct Outcome {
    status: i32,
    stdout: String,
    stderr: String,
    disk: BTreeMap<String, String>,
}

/// The two sides of one sequence. The one that acts is moved to `now`.
struct Stage<'a> {
    upstream: &'a Upstream,
    server: &'a Server,
    dir: PathBuf,
    time: u64,
}

impl<'a> Stage<'a> {
    fn new(upstream: &'a Upstream, server: &'a Server, dir: PathBuf) -> Self {
        let _ = std::fs::remove_dir_all(&dir);
        for side in ["warm", "cold"] {
            let write = |below: &str, text: &str| {
                let path = dir.join(side).join(below);
                std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                std::fs::write(path, text).unwrap();
            };
            for folder in ["home", "home2", "cache", "one/.git", "two/.git", "three/.git"] {
                std::fs::create_dir_all(dir.join(side).join(folder)).unwrap();
            }
            write("settings/config.yaml", &format!("skills:\n  github_url: {}\n", server.url()));
            let other = format!("skills:\n  github_url: {}/mirror\n", server.other_name());
            write("settings2/config.yaml", &other);
            write("two/.ba-agent/config.yaml", &format!("{other}  agents: [codex, claude-code]\n"));
        }
        for repository in REPOSITORIES {
            server.point(&format!("/{repository}.git"), &format!("/0/{repository}.git"));
        }
        Self { upstream, server, dir, time: BEGIN }
    }

    fn now(&self) -> PathBuf {
        self.dir.join("now")
    }

    /// Lets a side do something in the common folder.
    fn on<T>(&self, side: &str, act: impl FnOnce() -> T) -> T {
        std::fs::rename(self.dir.join(side), self.now()).unwrap();
        let result = act();
        std::fs::rename(self.now(), self.dir.join(side)).unwrap();
        result
    }

    fn run(&self, project: &str, args: &[String]) -> Outcome {
        let now = self.now();
        let args: Vec<String> = args.iter().map(|arg| arg.replace("{URL}", &self.server.url())).collect();
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let mut command = self.upstream.env.command(&args);
        command.current_dir(now.join(project)).env("SOURCE_DATE_EPOCH", self.time.to_string());
        let [home, settings, data] = USERS[usize::from(project == PROJECTS[2])];
        for (variable, folder) in [
            ("HOME", home),
            ("USERPROFILE", home),
            ("BA_AGENT_CACHE_DIR", "cache"),
            ("BA_AGENT_CONFIG_DIR", settings),
            ("BA_AGENT_DATA_DIR", data),
        ] {
            command.env(variable, now.join(folder));
        }
        let output = command.output().unwrap();
        Outcome {
            status: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
            disk: self.disk(),
        }
    }

    /// All that the commands may have changed, but for the cache and the history.
    fn disk(&self) -> BTreeMap<String, String> {
        let users = USERS.iter().flat_map(|[home, settings, _]| [home, settings]);
        let pictures = PROJECTS.iter().chain(users).flat_map(|folder| {
            let below = picture(&self.now().join(folder)).into_iter();
            below.map(move |(path, content)| (format!("{folder}/{path}"), content))
        });
        pictures.collect()
    }

    /// Plays a step on both sides and says how they differ.
    fn play(&mut self, step: &Step, editions: &mut [usize; 3]) -> Result<(), String> {
        self.time += 60;
        match step {
            Step::Run { project, args } => return self.command(step, project, args),
            Step::Publish(which) => {
                editions[*which] = (editions[*which] + 1).min(EDITIONS - 1);
                let repository = REPOSITORIES[*which];
                let to = format!("/{}/{repository}.git", editions[*which]);
                self.server.point(&format!("/{repository}.git"), &to);
            }
            Step::Edit { project, skill } => {
                for side in ["warm", "cold"] {
                    let file =
                        self.dir.join(side).join(project).join(".claude/skills").join(skill).join("SKILL.md");
                    if let Ok(text) = std::fs::read_to_string(&file) {
                        std::fs::write(&file, text + "\nMy own line.\n").unwrap();
                    }
                }
            }
            Step::Wipe(project) => {
                for side in ["warm", "cold"] {
                    for folder in [".claude", ".agents", ".codex"] {
                        let _ = std::fs::remove_dir_all(self.dir.join(side).join(project).join(folder));
                    }
                }
            }
        }
        Ok(())
    }

    fn command(&self, step: &Step, project: &str, args: &[String]) -> Result<(), String> {
        let before = self.on("cold", || self.disk());
        let warm = self.on("warm", || self.run(project, args));
        let cold = self.on("cold", || {
            let _ = std::fs::remove_dir_all(self.now().join("cache"));
            self.run(project, args)
        });
        for (side, run) in [("warm", &warm), ("cold", &cold)] {
            if !(0..=8).contains(&run.status) || run.stderr.contains("panicked") {
                return Err(format!("{side}: status {}\n{}", run.status, run.stderr));
            }
        }
        if step.is_offline() && cold.status != 0 && cold.status != warm.status {
            // Without a cache there is nothing offline: that is said, and nothing is changed.
            if !matches!(cold.status, 3 | 5) {
                return Err(format!("offline and cold: status {}\n{}", cold.status, cold.stderr));
            }
            difference(&before, &cold.disk)
                .map_or(Ok(()), |text| Err(format!("offline and cold: {text}")))?;
            self.take_over();
            return Ok(());
        }
        compare(step, &warm, &cold)
    }

    /// The cold side goes on from where the warm one is.
    fn take_over(&self) {
        let (warm, cold) = (self.dir.join("warm"), self.dir.join("cold"));
        std::fs::remove_dir_all(&cold).unwrap();
        copy_tree(&warm, &cold);
    }
}

fn compare(step: &Step, warm: &Outcome, cold: &Outcome) -> Result<(), String> {
    let said = || {
        format!(
            "warm cache: status {}\n{}{}\nempty cache: status {}\n{}{}",
            warm.status, warm.stdout, warm.stderr, cold.status, cold.stdout, cold.stderr
        )
    };
    if warm.status != cold.status {
        return Err(format!("the status differs\n{}", said()));
    }
    if let Some(text) = difference(&warm.disk, &cold.disk) {
        return Err(format!("{text}\n{}", said()));
    }
    if step.prints_data() && warm.stdout != cold.stdout {
        return Err(format!("the data differ\n{}", said()));
    }
    Ok(())
}

/// The first path at which two disks differ.
fn difference(one: &BTreeMap<String, String>, other: &BTreeMap<String, String>) -> Option<String> {
    let differs = |path: &&String| one.get(*path) != other.get(*path);
    let path = one.keys().chain(other.keys()).find(differs)?;
    Some(format!("`{path}` differs:\n{:?}\n{:?}", one.get(path), other.get(path)))
}

/// Plays a whole sequence; the fault with the number of its step.
fn play(upstream: &Upstream, server: &Server, dir: &Path, steps: &[Step]) -> Result<(), (usize, String)> {
    let mut stage = Stage::new(upstream, server, dir.to_owned());
    let mut editions = [0; 3];
    server.forget_requests();
    for (number, step) in steps.iter().enumerate() {
        stage.play(step, &mut editions).map_err(|text| (number, text))?;
    }
    let _ = std::fs::remove_dir_all(dir);
    Ok(())
}

/// Leaves out steps, many at first, while the sequence still fails.
fn shortest(
    mut steps: Vec<Step>,
    mut fault: String,
    fails: impl Fn(&[Step]) -> Option<(usize, String)>,
) -> (Vec<Step>, String) {
    let mut chunk = steps.len().div_ceil(2);
    loop {
        let mut at = 0;
        while at < steps.len() {
            let mut fewer = steps.clone();
            fewer.drain(at..(at + chunk).min(fewer.len()));
            match fails(&fewer) {
                Some((last, text)) => {
                    fewer.truncate(last + 1);
                    (steps, fault) = (fewer, text);
                }
                None => at += chunk,
            }
        }
        if chunk == 1 {
            return (steps, fault);
        }
        chunk = chunk.div_ceil(2).min(steps.len().max(1));
    }
}

#[test]
fn the_cache_changes_no_answer() {
    let upstream = Upstream::new();
    if upstream.serve().is_none() {
        return;
    }
    let only: Option<u64> = std::env::var("BA_AGENT_SEED").ok().map(|seed| seed.parse().unwrap());
    let total = only.map_or(times(100, 5_000), |_| 1);
    let (commands, offline) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let begin = || (TestEnv::new(), upstream.serve().unwrap());
    let result = on_all_processors(total, begin, |(env, server), number| {
        let seed = only.unwrap_or(number as u64);
        let steps = sequence(seed, &upstream.shas);
        commands.fetch_add(steps.iter().filter(|step| step.is_command()).count(), Ordering::SeqCst);
        offline.fetch_add(steps.iter().filter(|step| step.is_offline()).count(), Ordering::SeqCst);
        let dir = env.path("stage");
        let fails = |steps: &[Step]| play(&upstream, server, &dir, steps).err();
        let Some((last, fault)) = fails(&steps) else { return Ok(()) };
        let (steps, fault) = shortest(steps[..=last].to_vec(), fault, fails);
        let lines: Vec<String> = steps.iter().map(ToString::to_string).collect();
        Err(format!("BA_AGENT_SEED={seed}\n{}\n{fault}", lines.join("\n")))
    });
    if let Err(text) = result {
        panic!("{text}");
    }
    let more = format!("{} commands, {} of them offline", commands.into_inner(), offline.into_inner());
    figure("sequences with a warm and with an empty cache", total, total, &more);
}
