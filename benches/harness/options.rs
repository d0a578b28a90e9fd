//! What `cargo bench -- …` understands.

use std::path::PathBuf;

pub(crate) const HELP: &str = "\
cargo bench -- [OPTIONS]

  --repo PATH   also measure on this git repository (or BA_AGENT_BENCH_REPO)
  --only TEXT   only rows whose name holds TEXT; the README is not rewritten
  --rounds N    rounds of each row, instead of what suits its length
  --dir DIR     work below DIR instead of a tmpfs; on a disk the table of the disk is rewritten
  --before EXE  another build of ba-agent, measured in the same turns as this one
  --journeys    what a person types in a day, beside `npx skills` where it is installed;
                on the first `--repo`, which is `…/OWNER/NAME.git` and has a skill `pdf`
  --runtime     what an agent waits for at run time, beside what others do for the same
  --scale       the scaling table instead of the rows
  --pure        only the pure parts
  --no-write    leave the README as it is";

/// The options of one run.
#[derive(Debug, Default)]
pub(crate) struct Options {
    pub(crate) repos: Vec<PathBuf>,
    pub(crate) only: Option<String>,
    pub(crate) rounds: Option<usize>,
    pub(crate) dir: Option<PathBuf>,
    pub(crate) before: Option<PathBuf>,
    pub(crate) journeys: bool,
    pub(crate) runtime: bool,
    pub(crate) scale: bool,
    pure: bool,
    no_write: bool,
}

impl Options {
    /// Reads the arguments; `--bench`, which cargo adds, says nothing.
    ///
    /// # Errors
    /// What to print for an option that there is not.
    pub(crate) fn parse(words: &[String]) -> Result<Self, String> {
        let mut options = Self::default();
        options.repos.extend(std::env::var_os("BA_AGENT_BENCH_REPO").map(PathBuf::from));
        let mut words = words.iter();
        while let Some(word) = words.next() {
            let mut value = || words.next().cloned().ok_or(format!("{word} needs a value\n\n{HELP}"));
            match word.as_str() {
                "--bench" => {}
                "--repo" => options.repos.push(value()?.into()),
                "--only" => options.only = Some(value()?),
                "--rounds" => options.rounds = Some(value()?.parse().map_err(|e| format!("--rounds: {e}"))?),
                "--before" => options.before = Some(value()?.into()),
                "--dir" => options.dir = Some(value()?.into()),
                "--journeys" => options.journeys = true,
                "--runtime" => options.runtime = true,
                "--scale" => options.scale = true,
                "--pure" => options.pure = true,
                "--no-write" => options.no_write = true,
                _ => return Err(HELP.to_owned()),
            }
        }
        Ok(options)
    }

    /// True when the README's table is to be rewritten: by whole runs only.
    pub(crate) fn writes(&self) -> bool {
        !self.no_write && self.only.is_none()
    }

    pub(crate) fn wants(&self, label: &str) -> bool {
        self.only.as_ref().is_none_or(|part| label.contains(part.as_str()))
    }

    pub(crate) fn wants_pure(&self) -> bool {
        self.pure || (self.only.is_none() && !self.scale && !self.journeys && !self.runtime)
    }

    pub(crate) fn wants_rows(&self) -> bool {
        !self.pure
    }
}
