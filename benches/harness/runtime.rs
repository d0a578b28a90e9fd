//! What an agent waits for at run time: context, activation, hooks, recommendations, the MCP
//! server, watching; beside what other programs do for the same. One turn of a row is one run
//! of each.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::measure::{Side, Step, Taken, found, in_turns};
use crate::options::Options;
use crate::rows::installed;
use crate::table::{Table, circumstances};
use crate::world::{OURS, Road, World, count};

const HEADING: &[&str] = &["work", "by", "ms", "MiB", "goal", "reached"];
const ROUNDS: usize = 30;
/// How long `skill watch` is left alone to see what it costs.
const IDLE: Duration = Duration::from_secs(20);
/// What a second of processor time is in `/proc/PID/stat`.
const TICKS: f64 = 100.0;

/// Milliseconds, and MiB of the process, that a row may take.
#[derive(Debug, Clone, Copy)]
struct Goal {
    ms: f64,
    mib: Option<f64>,
}

struct Runtime<'w> {
    world: &'w World,
    options: &'w Options,
    table: Table,
}

/// Measures all rows that are wanted and writes the table.
pub(crate) fn run(world: &World, options: &Options) {
    let about = circumstances(&world.file_system());
    let mut runtime = Runtime { world, options, table: Table::new("runtime", &about, HEADING) };
    for n in [66, 2_417] {
        let repo = world.synthetic(n);
        let skills = installed(world, &repo, Road::File);
        runtime.context(n, &skills);
        if n > 66 {
            runtime.one_skill(n, &skills);
            runtime.hook(n, &skills);
            runtime.mcp(n);
            runtime.watch(n, &skills);
        }
    }
    if options.writes() {
        runtime.table.write();
    }
}

impl Runtime<'_> {
    fn ours(&self, words: &[&str]) -> Step {
        self.world.ours("read", words)
    }

    /// One row for each side of a work, ours first; the goal is ours.
    fn measure(&mut self, work: &str, goal: Goal, sides: &[Side<'_>]) {
        if !self.options.wants(work) {
            return;
        }
        let rounds = self.options.rounds.unwrap_or(ROUNDS);
        let taken = in_turns(sides, rounds, &self.world.home());
        for (at, (side, taken)) in sides.iter().zip(taken).enumerate() {
            match taken {
                Ok(taken) => self.row(work, side.name, &taken, (at == 0).then_some(goal)),
                Err(message) => self.unmeasured(work, side.name, &message),
            }
        }
    }

    fn row(&mut self, work: &str, by: &str, taken: &Taken, goal: Option<Goal>) {
        let ms = |time: Duration| time.as_secs_f64() * 1e3;
        let (low, high) = taken.quartiles;
        let mib = taken.peak as f64 / 1024.0;
        let (wanted, reached) = match goal {
            None => ("–".to_owned(), "–"),
            Some(goal) => {
                let is_small = goal.mib.is_none_or(|most| mib <= most);
                let memory = goal.mib.map_or_else(String::new, |most| format!(", {most} MiB"));
                let is_reached = taken.ms() <= goal.ms && is_small;
                (format!("{} ms{memory}", goal.ms), if is_reached { "goal" } else { "missed" })
            }
        };
        let time = format!("{:.1} ({:.1}–{:.1})", taken.ms(), ms(low), ms(high));
        let mib = if taken.peak == 0 { "–".to_owned() } else { format!("{mib:.0}") };
        self.table.row(&[work.to_owned(), by.to_owned(), time, mib, wanted, reached.to_owned()]);
    }

    fn unmeasured(&mut self, work: &str, by: &str, why: &str) {
        eprintln!("{work}, {by}: {why}");
        let cells = [work, by, "not measured", "–", "–", "–"];
        self.table.row(&cells.map(str::to_owned));
    }

    /// Each program of somebody else that is in `PATH`.
    fn others<'s>(&self, sides: &mut Vec<Side<'s>>, name: &'s str, program: &str, step: impl Fn() -> Step) {
        if found(program.into()).is_absolute() {
            sides.push(Side::plain(name, vec![step()]));
        }
    }

    fn context(&mut self, n: usize, skills: &Path) {
        let project = self.world.path("read/project");
        let step = self.ours(&["skill", "context"]);
        let folders = read_by_strictyaml(skills);
        let name = format!("agentskills to-prompt, the {} that it reads", count(folders.len()));
        let mut sides = vec![Side::plain("ba-agent", vec![step.clone()])];
        self.others(&mut sides, &name, "agentskills", || {
            Step::new("agentskills", &["to-prompt"], &project).words(folders.clone())
        });
        let home = self.world.path("openskills");
        self.others(&mut sides, "openskills sync", "openskills", || {
            Step::new("openskills", &["sync", "--yes"], &project).with("HOME", &home)
        });
        let goal = Goal { ms: if n > 66 { 15.0 } else { 5.0 }, mib: None };
        self.measure(&format!("context, {} installed", count(n)), goal, &sides);
        let cache = self.world.path("read/cache/index");
        let cold = Side {
            name: "ba-agent",
            prepare: Box::new(|| drop(std::fs::remove_dir_all(&cache))),
            steps: vec![step],
            check: Box::new(|| Ok(())),
        };
        let goal = Goal { ms: 60.0, mib: None };
        self.measure(&format!("context, {} installed, no index", count(n)), goal, &[cold]);
    }

    fn one_skill(&mut self, n: usize, skills: &Path) {
        let folder = folders_of(skills).into_iter().next().unwrap();
        let name = folder.file_name().unwrap().to_string_lossy().into_owned();
        for (work, words, ms) in [
            ("activate", &["skill", "activate", &name][..], 5.0),
            ("recommend", &["skill", "recommend", "a table out of an invoice"], 25.0),
            ("tree", &["skill", "tree"], 15.0),
        ] {
            let side = Side::plain("ba-agent", vec![self.ours(words)]);
            self.measure(&format!("{work}, {} installed", count(n)), Goal { ms, mib: None }, &[side]);
        }
    }

    /// A prompt goes in, what is said of skills comes out.
    fn hook(&mut self, n: usize, skills: &Path) {
        let project = self.world.path("read/project");
        let input = self.world.path("prompt.json");
        let prompt = json!({"session_id": "s", "cwd": project, "hook_event_name": "UserPromptSubmit",
            "transcript_path": "/nowhere", "prompt": "Please take the tables out of this invoice."});
        std::fs::write(&input, prompt.to_string()).unwrap();
        let [reminder, search, rules] = write_hooks(&self.world.path("hooks"), skills);
        let ours = self.ours(&["hook", "run", "--agent", "claude-code"]).input(&input);
        let script = |program: &str, file: &PathBuf| {
            Step::new(program, &[&file.display().to_string()], &project).input(&input)
        };
        let mut sides = vec![Side::plain("ba-agent", vec![ours])];
        sides.push(Side::plain("sh, a fixed reminder", vec![script("sh", &reminder)]));
        sides.push(Side::plain("sh and grep over all SKILL.md", vec![script("sh", &search)]));
        self.others(&mut sides, "node, a file of rules", "node", || script("node", &rules));
        let goal = Goal { ms: 25.0, mib: Some(20.0) };
        self.measure(&format!("hook, {} installed", count(n)), goal, &sides);
    }

    fn mcp(&mut self, n: usize) {
        let works = ["mcp, spawn to initialize", "mcp, tools/list", "mcp, skills/list, a page of 100"];
        let works = works.map(|work| format!("{work}, {} installed", count(n)));
        if !works.iter().any(|work| self.options.wants(work)) {
            return;
        }
        let mut times: [Vec<Duration>; 3] = Default::default();
        let mut peak = 0;
        for round in 0..=self.options.rounds.unwrap_or(ROUNDS) {
            match Conversation::hold(self.world) {
                Err(message) => return self.unmeasured(&works[0], "ba-agent", &message),
                Ok(held) if round > 0 => {
                    times.iter_mut().zip(held.times).for_each(|(times, time)| times.push(time));
                    peak = peak.max(held.peak);
                }
                Ok(_) => {}
            }
        }
        let goals =
            [Goal { ms: 5.0, mib: Some(16.0) }, Goal { ms: 1.0, mib: None }, Goal { ms: 5.0, mib: None }];
        for ((work, times), goal) in works.iter().zip(times).zip(goals) {
            self.row(work, "ba-agent", &Taken::of(times, peak), Some(goal));
        }
    }

    /// Processor time while nothing happens, and how long a change takes to be said.
    fn watch(&mut self, n: usize, skills: &Path) {
        let work = format!("watch, {} installed", count(n));
        if !self.options.wants(&work) {
            return;
        }
        match watch_once(self.world, skills) {
            Err(message) => self.unmeasured(&work, "ba-agent", &message),
            Ok((share, times, peak)) => {
                let goal = Goal { ms: 2_100.0, mib: None };
                let taken = Taken::of(times, peak);
                self.row(&format!("{work}, a change is said"), "ba-agent", &taken, Some(goal));
                let cells = [
                    format!("{work}, nothing happens"),
                    "ba-agent".to_owned(),
                    format!("{share:.2} % of a core"),
                    format!("{:.0}", peak as f64 / 1024.0),
                    "0.5 %".to_owned(),
                    if share <= 0.5 { "goal" } else { "missed" }.to_owned(),
                ];
                self.table.row(&cells);
            }
        }
    }
}

fn folders_of(skills: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(skills).unwrap().flatten().map(|entry| entry.path());
    let mut folders: Vec<PathBuf> = entries.filter(|path| path.join("SKILL.md").is_file()).collect();
    folders.sort();
    folders
}

/// The folders that `agentskills` reads: one manifest with braces in its frontmatter ends it.
fn read_by_strictyaml(skills: &Path) -> Vec<String> {
    let reads = |folder: &PathBuf| {
        let text = std::fs::read_to_string(folder.join("SKILL.md")).unwrap_or_default();
        !text.split("\n---").next().unwrap_or_default().contains(": {")
    };
    folders_of(skills).into_iter().filter(reads).map(|folder| folder.display().to_string()).collect()
}

/// Hooks as people write them: one that reminds, one that searches, one with rules.
fn write_hooks(folder: &Path, skills: &Path) -> [PathBuf; 3] {
    std::fs::create_dir_all(folder).unwrap();
    let write = |name: &str, text: String| {
        let file = folder.join(name);
        std::fs::write(&file, text).unwrap();
        file
    };
    let reminder = "cat > /dev/null\necho 'Before you begin, look whether one of your skills fits.'\n";
    let search = format!(
        "words=$(sed 's/.*\"prompt\":\"//' | tr -cs a-zA-Z '\\n' | grep -E '.{{5,}}' | sort -u | paste -sd '|')\n\
         grep -liE \"^description:.*($words)\" {}/*/SKILL.md | head -3\nexit 0\n",
        skills.display()
    );
    let names = folders_of(skills).into_iter().map(|f| f.file_name().unwrap().to_string_lossy().into_owned());
    let rule = |name: String| {
        let keywords: Vec<&str> = name.split(['-', '_']).collect();
        let value = json!({"promptTriggers": {"keywords": keywords, "intentPatterns":
            [format!("(make|take|write).*?{name}")]}});
        (name.clone(), value)
    };
    let rules: serde_json::Map<String, Value> = names.map(rule).collect();
    let file = write("rules.json", json!({"skills": rules}).to_string());
    let script = format!(
        "import {{ readFileSync }} from 'node:fs';\n\
         const prompt = JSON.parse(readFileSync(0, 'utf8')).prompt.toLowerCase();\n\
         const rules = JSON.parse(readFileSync({:?}, 'utf8')).skills;\n\
         const fits = ([, rule]) => rule.promptTriggers.keywords.some(word => prompt.includes(word))\n\
           || rule.promptTriggers.intentPatterns.some(text => new RegExp(text, 'i').test(prompt));\n\
         console.log(Object.entries(rules).filter(fits).map(([name]) => name).slice(0, 3).join('\\n'));\n",
        file.display().to_string()
    );
    [write("reminder.sh", reminder.to_owned()), write("search.sh", search), write("rules.mjs", script)]
}

/// Our program in the project that the rows read, for a conversation.
fn start(world: &World, words: &[&str]) -> Result<Child, String> {
    let mut command = Command::new(OURS);
    let root = world.path("read");
    command.args(words).current_dir(root.join("project")).env_clear();
    command.env("HOME", world.home()).env("PATH", std::env::var_os("PATH").unwrap_or_default());
    for (name, folder) in
        [("BA_AGENT_CACHE_DIR", "cache"), ("BA_AGENT_CONFIG_DIR", "config"), ("BA_AGENT_DATA_DIR", "data")]
    {
        command.env(name, root.join(folder));
    }
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    command.spawn().map_err(|e| e.to_string())
}

/// The largest memory of a running process, in KiB; 0 where there is no `/proc`.
fn peak_of(child: &Child) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}

/// What one server answered, in the order that it was asked.
struct Conversation {
    times: [Duration; 3],
    peak: u64,
}

impl Conversation {
    /// Starts a server, asks it, and ends it by closing its input.
    fn hold(world: &World) -> Result<Self, String> {
        let begun = Instant::now();
        let mut child = start(world, &["mcp"])?;
        let mut input = child.stdin.take().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut ask = |id: u32, method: &str, params: Value| -> Result<(), String> {
            let line = json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params});
            writeln!(input, "{line}").and_then(|()| input.flush()).map_err(|e| e.to_string())?;
            loop {
                let line = lines.next().ok_or("the server said nothing")?.map_err(|e| e.to_string())?;
                let answer: Value = serde_json::from_str(&line).map_err(|e| e.to_string())?;
                if answer["id"] == json!(id) {
                    return answer.get("result").map(|_| ()).ok_or(line);
                }
            }
        };
        let extension = json!({"extensions": {"io.modelcontextprotocol/skills": {}}});
        let hello = json!({"protocolVersion": "2025-11-25", "capabilities": extension,
            "clientInfo": {"name": "bench", "version": "1"}});
        let mut times = [Duration::ZERO; 3];
        ask(1, "initialize", hello)?;
        times[0] = begun.elapsed();
        for (at, method) in [(1, "tools/list"), (2, "skills/list")] {
            let begun = Instant::now();
            ask(at + 1, method, json!({}))?;
            times[at as usize] = begun.elapsed();
        }
        let peak = peak_of(&child);
        drop(input);
        child.wait().map_err(|e| e.to_string())?;
        Ok(Self { times, peak })
    }
}

/// Share of a core in percent, times from a change to its line, and the largest memory in KiB.
fn watch_once(world: &World, skills: &Path) -> Result<(f64, Vec<Duration>, u64), String> {
    let mut child = start(world, &["skill", "watch", "--json"])?;
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    std::thread::sleep(Duration::from_secs(3));
    if child.try_wait().map_err(|e| e.to_string())?.is_some() {
        return Err("it ended by itself".to_owned());
    }
    let before = processor_time(&child);
    std::thread::sleep(IDLE);
    let share = (processor_time(&child) - before) / IDLE.as_secs_f64() * 100.0;
    let mut times = Vec::new();
    for folder in folders_of(skills).into_iter().take(5) {
        let file = folder.join("SKILL.md");
        let text = std::fs::read_to_string(&file).map_err(|e| e.to_string())?;
        let begun = Instant::now();
        std::fs::write(&file, text + "\nOne line more.\n").map_err(|e| e.to_string())?;
        lines.next().ok_or("nothing was said")?.map_err(|e| e.to_string())?;
        times.push(begun.elapsed());
        // The next change comes at another moment between two looks.
        std::thread::sleep(Duration::from_millis(700));
    }
    let peak = peak_of(&child);
    child.kill().and_then(|()| child.wait()).map_err(|e| e.to_string())?;
    Ok((share, times, peak))
}

/// Seconds that a process has computed so far.
fn processor_time(child: &Child) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", child.id())).unwrap_or_default();
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
    fields.skip(11).take(2).filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>() / TICKS
}
