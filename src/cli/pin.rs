//! `ba-agent skill pin NAME [SHA]` and `unpin NAME`.

use clap::Args;
use clap_complete::engine::ArgValueCandidates;

use super::CommandContext;
use super::choice::SkillChoice;
use super::complete::installed_names;
use ba_agent_core::error::Result;
use ba_agent_engine::ops;
use ba_agent_engine::ops::apply::Report;
use ba_agent_engine::ops::pin::PinOptions;

/// Hold a skill at a commit, or at a version.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  ba-agent skill pin pdf\n  ba-agent skill pin pdf <40 hex>\n  ba-agent skill pin pdf-tables 1.2.0"
)]
pub(crate) struct Pin {
    /// The skill. Without one you choose from a list, on a terminal.
    #[arg(value_name = "NAME", add = ArgValueCandidates::new(installed_names))]
    name: Option<String>,
    /// The commit, or the version of a skill from a registry; by default the installed one.
    #[arg(value_name = "SHA")]
    sha: Option<String>,
    /// Discard edits made since it was installed.
    #[arg(long, short)]
    force: bool,
}

/// Let a held skill move again.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  ba-agent skill unpin pdf")]
pub(crate) struct Unpin {
    /// The skill. Without one you choose from a list, on a terminal.
    #[arg(value_name = "NAME", add = ArgValueCandidates::new(installed_names))]
    name: Option<String>,
}

impl Pin {
    /// Holds a skill at a commit.
    ///
    /// # Errors
    /// Those of [`ops::pin::pin`].
    pub(crate) fn run(self, cx: &CommandContext<'_>) -> Result<u8> {
        let choice = SkillChoice {
            fits: |skill| !skill.entry.pinned && skill.entry.pin.short_text().is_some(),
            none: "no skill could be held: none comes from a commit or an archive and is not held already",
            ..SkillChoice::new("pin", "<NAME>", "skill pin <NAME> [SHA]")
        };
        let Some(name) = choice.name_or_choice(cx, self.name)? else { return Ok(0) };
        let options = PinOptions { name, sha: self.sha, force: self.force };
        print(cx, &ops::pin::pin(&cx.workspace, &options, cx.ui)?);
        Ok(0)
    }
}

impl Unpin {
    /// Lets a skill move again.
    ///
    /// # Errors
    /// Those of [`ops::pin::unpin`].
    pub(crate) fn run(self, cx: &CommandContext<'_>) -> Result<u8> {
        let choice = SkillChoice {
            fits: |skill| skill.entry.pinned,
            none: "no skill is held",
            ..SkillChoice::new("unpin", "<NAME>", "skill unpin <NAME>")
        };
        let Some(name) = choice.name_or_choice(cx, self.name)? else { return Ok(0) };
        print(cx, &ops::pin::unpin(&cx.workspace, &name, cx.ui)?);
        Ok(0)
    }
}

fn print(cx: &CommandContext<'_>, report: &Report) {
    if cx.ui.json() {
        cx.ui.print_json_document(report);
    }
    for done in &report.skills {
        let pin = done.entry.pin.short_text().unwrap_or_default();
        if done.entry.pinned {
            cx.ui.status("Held", &format!("{} at {pin}", done.name));
        } else {
            let reference = done.entry.reference.as_ref();
            let follows = reference.map_or("the default branch".to_owned(), ToString::to_string);
            cx.ui.status("Released", &format!("{}: `update` follows {follows} again", done.name));
        }
    }
}
