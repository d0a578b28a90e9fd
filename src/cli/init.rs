//! `ba-agent skill init NAME`.

use std::path::PathBuf;

use clap::Args;

use super::CommandContext;
use ba_agent_core::error::Result;
use ba_agent_core::skill;
use ba_agent_engine::ops;
use ba_agent_engine::ops::init::{InitOptions, InitReport};

/// Make a new skill that passes `validate`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  ba-agent skill init pdf-tables\n  \
    ba-agent skill init pdf-tables --dir skills --description \"Reads tables out of PDFs. Use when …\"\n  \
    ba-agent skill init --from skill.yaml")]
pub(crate) struct Init {
    /// Its name, and that of its folder: a-z, 0-9 and single hyphens.
    #[arg(value_name = "NAME", required_unless_present = "from")]
    name: Option<String>,
    /// A skill.yaml (skills.claude.ai/v1) that is made a SKILL.md; NAME is then the one that it says.
    #[arg(long, value_name = "FILE", conflicts_with = "description", value_hint = clap::ValueHint::FilePath)]
    from: Option<PathBuf>,
    /// The folder to make it in.
    #[arg(long, value_name = "DIR", default_value = ".", value_hint = clap::ValueHint::DirPath)]
    dir: PathBuf,
    /// What it does and when to use it.
    #[arg(long, value_name = "TEXT", default_value = "")]
    description: String,
}

impl Init {
    /// Makes the folder of a new skill.
    ///
    /// # Errors
    /// Those of [`ops::init::init`].
    pub(crate) fn run(self, cx: &CommandContext<'_>) -> Result<u8> {
        let options =
            InitOptions { name: self.name, from: self.from, dir: self.dir, description: self.description };
        let InitReport { name, folder } = ops::init::init(&cx.workspace, &options, cx.ui)?;
        let shown = options.dir.join(name.as_str());
        if cx.ui.json() {
            cx.ui.print_json_document(&serde_json::json!({ "name": name, "path": folder }));
        }
        cx.ui.status("Created", &format!("{}", shown.join(skill::MANIFEST).display()));
        cx.ui.detail(&format!("check it with `ba-agent skill validate {}`", shown.display()));
        Ok(0)
    }
}
