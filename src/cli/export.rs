//! `ba-agent skill export`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::Context;
use crate::error::{Result, error};
use crate::fsx;
use crate::interop::{self, Hosts};
use crate::skill::SkillName;

/// Write what is installed as another tool's lock file.
#[derive(Debug, Args)]
#[command(
    long_about = "Write what is installed as another tool's lock file, so that people with that tool get \
        the same skills. What that format cannot express is named on stderr.",
    after_help = "Examples:\n  ba-agent skill export --output skills-lock.json\n  \
        ba-agent skill export --format skills-lock"
)]
pub(crate) struct Export {
    /// Whose format.
    #[arg(long, value_enum, default_value = "skills-lock")]
    format: Format,
    /// The file to write, `-` being stdout; without it, stdout.
    #[arg(long, short, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    output: Option<PathBuf>,
}

/// `--format`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// `skills-lock.json` of `npx skills`.
    SkillsLock,
}

impl Export {
    pub(crate) fn run(self, cx: &Context<'_>) -> Result<u8> {
        let place = cx.place()?;
        let registry = place.store.read()?;
        let Format::SkillsLock = self.format;
        let settings = &place.settings;
        let hosts = Hosts {
            github: &settings.github_url,
            gitlab: &settings.gitlab_url,
            bitbucket: &settings.bitbucket_url,
        };
        let mut read = |name: &SkillName, path: &str| {
            let roots =
                registry.skills.get(name).map_or(Ok(Vec::new()), |entry| place.places.roots_of(entry))?;
            let root = roots.into_iter().next().unwrap_or_default();
            let file = root.join(name.as_str()).join(path);
            fsx::read_plain_file(&file, settings.limits.file)?
                .ok_or_else(|| error!(NotFound, "`{}` is not there", place.places.shown(&file)))
        };
        let export = interop::export_lock(&registry, &hosts, &mut read)?;
        for one in &export.left_out {
            cx.ui.warn(&format!("`{}` is left out: {}", one.name, one.reason));
        }
        export.notes.iter().for_each(|note| cx.ui.note(note));
        match self.output.as_ref().filter(|file| file.as_os_str() != "-") {
            Some(file) => {
                crate::fsx::write_through(&cx.env.absolute(file), export.text.as_bytes())?;
                cx.ui.status("Wrote", &file.display().to_string());
                if cx.ui.json() {
                    cx.ui.data(&serde_json::json!({ "written": file, "left_out": export.left_out }));
                }
            }
            None => cx.ui.print(&export.text),
        }
        Ok(0)
    }
}
