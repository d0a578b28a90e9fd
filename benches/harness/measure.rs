//! Runs contestants in turns and takes their times and their peak memory.

use std::borrow::Borrow;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// One process of a contestant.
#[derive(Debug, Clone)]
pub(crate) struct Step {
    program: PathBuf,
    words: Vec<String>,
    cwd: PathBuf,
    variables: Vec<(String, String)>,
    /// What stands in its standard input; nothing.
    input: Option<PathBuf>,
}

impl Step {
    pub(crate) fn new(program: impl Into<PathBuf>, words: &[&str], cwd: &Path) -> Self {
        let words = words.iter().map(|word| (*word).to_owned()).collect();
        Self {
            program: found(program.into()),
            words,
            cwd: cwd.to_owned(),
            variables: Vec::new(),
            input: None,
        }
    }

    /// The same, done by another program.
    pub(crate) fn by(mut self, program: &Path) -> Self {
        program.clone_into(&mut self.program);
        self
    }

    pub(crate) fn words(mut self, more: impl IntoIterator<Item = String>) -> Self {
        self.words.extend(more);
        self
    }

    pub(crate) fn with(mut self, name: &str, value: impl AsRef<Path>) -> Self {
        self.variables.push((name.to_owned(), value.as_ref().display().to_string()));
        self
    }

    /// With this file as its standard input.
    pub(crate) fn input(mut self, file: &Path) -> Self {
        self.input = Some(file.to_owned());
        self
    }

    /// Ready to start: an environment that nothing outside can influence, silent but for
    /// what it says of a failure, which goes into `talk`.
    fn command(&self, home: &Path, talk: &Path, peak: Option<&Path>) -> Command {
        let mut command = match peak {
            None => Command::new(&self.program),
            Some(file) => {
                let mut wrapped = Command::new(std::env::current_exe().unwrap());
                wrapped.arg("peak").arg(file).arg(&self.program);
                wrapped
            }
        };
        command
            .args(&self.words)
            .current_dir(&self.cwd)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", home)
            .env("LC_ALL", "C")
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_TERMINAL_PROMPT", "0")
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .stdin(
                self.input
                    .as_ref()
                    .map_or_else(Stdio::null, |file| std::fs::File::open(file).unwrap().into()),
            )
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(talk).unwrap());
        command
    }

    /// Runs it once; what it said where it failed.
    pub(crate) fn run(&self, home: &Path, peak: Option<&Path>) -> Result<Duration, String> {
        let talk = home.join("talk");
        let mut command = self.command(home, &talk, peak);
        let start = Instant::now();
        let status = command.status().map_err(|e| format!("{}: {e}", self.program.display()))?;
        let took = start.elapsed();
        if status.success() {
            return Ok(took);
        }
        let said = String::from_utf8_lossy(&std::fs::read(&talk).unwrap_or_default()).into_owned();
        Err(format!("{} {} ended with {status}:\n{said}", self.program.display(), self.words.join(" ")))
    }
}

/// A program of the `PATH` by its whole path. Looked for by the standard library, it would
/// be started by `fork`, which costs 18 ms in a process as large as this one has become;
/// with a whole path it is `posix_spawn` for every side.
pub(crate) fn found(program: PathBuf) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut places = std::env::split_paths(&path).map(|folder| folder.join(&program));
    let found = if program.is_absolute() { None } else { places.find(|place| place.is_file()) };
    found.unwrap_or(program)
}

/// One side of a row: what is made ready before each run (not timed), what is timed, and
/// what must be true after it.
pub(crate) struct Side<'a> {
    pub(crate) name: &'a str,
    pub(crate) prepare: Box<dyn Fn() + 'a>,
    pub(crate) steps: Vec<Step>,
    pub(crate) check: Box<dyn Fn() -> Result<(), String> + 'a>,
}

impl<'a> Side<'a> {
    /// A side that needs nothing and leaves nothing.
    pub(crate) fn plain(name: &'a str, steps: Vec<Step>) -> Self {
        Self { name, prepare: Box::new(|| ()), steps, check: Box::new(|| Ok(())) }
    }

    /// The same side with other steps; `None` where one of them has none to take its place.
    pub(crate) fn with_steps(&self, name: &'a str, step: impl Fn(&Step) -> Option<Step>) -> Option<Side<'_>> {
        let steps = self.steps.iter().map(step).collect::<Option<Vec<Step>>>()?;
        Some(Side { name, prepare: Box::new(|| (self.prepare)()), steps, check: Box::new(|| (self.check)()) })
    }

    fn once(&self, home: &Path, peak: Option<&Path>) -> Result<Duration, String> {
        (self.prepare)();
        self.steps.iter().map(|step| step.run(home, peak)).sum()
    }

    /// The largest of its processes, in KiB.
    fn peak(&self, home: &Path) -> Result<u64, String> {
        let file = home.join("peak");
        (self.prepare)();
        let mut most = 0;
        for step in &self.steps {
            step.run(home, Some(&file))?;
            let text = std::fs::read_to_string(&file).unwrap_or_default();
            most = most.max(text.trim().parse().unwrap_or(0));
        }
        Ok(most)
    }
}

/// What one side took.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Taken {
    pub(crate) median: Duration,
    /// Half of the runs lie between these.
    pub(crate) quartiles: (Duration, Duration),
    /// KiB; 0 where it is not known.
    pub(crate) peak: u64,
}

impl Taken {
    pub(crate) fn of(mut times: Vec<Duration>, peak: u64) -> Self {
        times.sort();
        let at = |part: usize| times[(times.len() - 1) * part / 4];
        Self { median: at(2), quartiles: (at(1), at(3)), peak }
    }

    pub(crate) fn ms(&self) -> f64 {
        self.median.as_secs_f64() * 1e3
    }
}

/// Runs the sides in turns, `rounds` times and once before to warm up. A side that fails
/// has its message and does not run again.
pub(crate) fn in_turns<'a, S: Borrow<Side<'a>>>(
    sides: &[S],
    rounds: usize,
    home: &Path,
) -> Vec<Result<Taken, String>> {
    let sides: Vec<&Side<'a>> = sides.iter().map(Borrow::borrow).collect();
    let mut times: Vec<Result<Vec<Duration>, String>> = sides.iter().map(|_| Ok(Vec::new())).collect();
    for round in 0..=rounds {
        for (side, times) in sides.iter().zip(&mut times) {
            let Ok(all) = times else { continue };
            match side.once(home, None) {
                Ok(_) if round == 0 => {
                    if let Err(message) = (side.check)() {
                        *times = Err(format!("{}: {message}", side.name));
                    }
                }
                Ok(took) => all.push(took),
                Err(message) => *times = Err(format!("{}: {message}", side.name)),
            }
        }
    }
    let peaks = sides.iter().map(|side| side.peak(home));
    times.into_iter().zip(peaks).map(|(times, peak)| Ok(Taken::of(times?, peak?))).collect()
}
