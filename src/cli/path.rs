//! `ba-agent skill path NAME…`.

use clap::Args;
use clap_complete::engine::ArgValueCandidates;

use super::CommandContext;
use super::complete::installed_names;
use ba_agent_core::error::{Result, printable};
use ba_agent_engine::ops::path::{find_paths, find_version_path};

/// Print the folders of installed skills, one a line.
#[derive(Debug, Args)]
#[command(
    disable_version_flag = true,
    after_help = "Examples:\n  ba-agent skill path pdf\n  cd \"$(ba-agent skill path pdf)\"\n  \
    $EDITOR \"$(ba-agent skill path pdf)/SKILL.md\"\n  ba-agent skill path pdf --version 1.0.0"
)]
pub(crate) struct PathArgs {
    /// The skills.
    #[arg(required = true, value_name = "NAME", add = ArgValueCandidates::new(installed_names))]
    names: Vec<String>,
    /// The folder with this version of the skill; `skill versions` lists those that there are.
    #[arg(long, value_name = "VERSION")]
    version: Option<String>,
}

impl PathArgs {
    /// Prints where skills are.
    ///
    /// # Errors
    /// Those of [`find_paths`].
    pub(crate) fn run(self, cx: &CommandContext<'_>) -> Result<u8> {
        let paths = match &self.version {
            None => find_paths(&cx.workspace, &self.names, cx.ui)?,
            Some(version) => {
                let find = |name: &String| find_version_path(&cx.workspace, name, version, cx.ui);
                self.names.iter().map(find).collect::<Result<_>>()?
            }
        };
        if cx.ui.json() {
            cx.ui.print_json_document(&serde_json::json!({ "skills": paths }));
            return Ok(0);
        }
        for skill in &paths {
            let path = skill.path.to_string_lossy();
            cx.ui.line(&if cx.ui.is_for_eyes() { printable(&path, false) } else { path.into_owned() });
        }
        Ok(0)
    }
}
