//! `ba-agent skill init NAME`.

use std::path::PathBuf;

use clap::Args;
use fs_err as fs;

use super::Context;
use crate::error::{Result, error};
use crate::fsx;
use crate::skill::{self, SkillName};

/// Make a new skill that passes `validate`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  ba-agent skill init pdf-tables\n  \
    ba-agent skill init pdf-tables --dir skills --description \"Reads tables out of PDFs. Use when …\"")]
pub(crate) struct Init {
    /// Its name, and that of its folder: a-z, 0-9 and single hyphens.
    #[arg(value_name = "NAME")]
    name: String,
    /// The folder to make it in.
    #[arg(long, value_name = "DIR", default_value = ".", value_hint = clap::ValueHint::DirPath)]
    dir: PathBuf,
    /// What it does and when to use it.
    #[arg(long, value_name = "TEXT", default_value = "")]
    description: String,
}

impl Init {
    pub(crate) fn run(self, cx: &Context<'_>) -> Result<u8> {
        let name: SkillName = self.name.parse()?;
        if let Some(reason) = name.portability_fault() {
            cx.ui.warn(&format!("`{name}` {reason}: many agents do not accept it"));
        }
        let folder = cx.env.absolute(&self.dir).join(name.as_str());
        if fsx::exists(&folder) {
            return Err(error!(Conflict, "`{}` already exists", folder.display())
                .hint("choose another name, or another folder with `--dir`"));
        }
        let made = fsx::create_folders(&folder)?;
        let text = skill::manifest_template(&name, &self.description);
        let written = fsx::write_new(&folder.join(skill::MANIFEST), text.as_bytes(), false);
        if let Err(error) = written {
            let _ = fs::remove_file(folder.join(skill::MANIFEST));
            fsx::remove_empty(&made);
            return Err(error.into());
        }
        let shown = self.dir.join(name.as_str());
        if cx.ui.json() {
            cx.ui.data(&serde_json::json!({ "name": name, "path": folder }));
        }
        cx.ui.status("Created", &format!("{}", shown.join(skill::MANIFEST).display()));
        cx.ui.detail(&format!("check it with `ba-agent skill validate {}`", shown.display()));
        Ok(0)
    }
}
