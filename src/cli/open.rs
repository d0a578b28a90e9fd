//! `ba-agent skill open NAME|SOURCE`.

use clap::Args;
use clap_complete::engine::ArgValueCandidates;

use super::CommandContext;
use super::choice::SkillChoice;
use super::complete::installed_names;
use crate::browser::open_in_browser;
use ba_agent_core::error::Result;
use ba_agent_engine::ops::open::find_page;
use ba_agent_engine::ops::show::ShowOptions;

/// Open the page of a skill in the browser.
#[derive(Debug, Args)]
#[command(
    long_about = "Open the page of a skill in the browser.\n\n\
        That is the folder of the skill on the pages of its host, of an installed skill at the \
        commit that is installed. The browser is that of BROWSER, else the desktop's; without \
        one the address is printed. A host that only the project names is not opened: its \
        address is printed.",
    after_help = "Examples:\n  ba-agent skill open pdf\n  ba-agent skill open anthropics/skills@pdf\n  \
        ba-agent skill open pdf --print"
)]
pub(crate) struct OpenArgs {
    /// The name of an installed skill, or a source as for `install`.
    #[arg(value_name = "NAME|SOURCE", add = ArgValueCandidates::new(installed_names))]
    what: Option<String>,
    /// The skill of the source.
    #[arg(long, short = 's', value_name = "NAME")]
    skill: Option<String>,
    /// Print the address instead of opening it.
    #[arg(long)]
    print: bool,
}

impl OpenArgs {
    /// Opens the page of a skill, or prints its address.
    ///
    /// # Errors
    /// Those of [`find_page`].
    pub(crate) fn run(self, cx: &CommandContext<'_>) -> Result<u8> {
        let choice = SkillChoice::new("open", "<NAME|SOURCE>", "skill open <NAME|SOURCE>");
        let Some(what) = choice.name_or_choice(cx, self.what)? else { return Ok(0) };
        let options = ShowOptions { what, skill: self.skill, ..ShowOptions::default() };
        let page = find_page(&cx.workspace, &options, cx.ui)?;
        let may_open = !self.print && page.is_host_of_user;
        if may_open {
            cx.ui.status("Opening", &page.url);
        }
        let opened = may_open && open_in_browser(cx.env(), &page.url);
        if cx.ui.json() {
            cx.ui.print_json_document(
                &serde_json::json!({ "name": page.name, "url": page.url, "opened": opened }),
            );
        } else if !opened {
            if !page.is_host_of_user && !self.print {
                cx.ui.note("only this project names that host: open the address yourself if you trust it");
            } else if !self.print {
                cx.ui.note("there is no browser here: set BROWSER, or open the address elsewhere");
            }
            cx.ui.line(&page.url);
        }
        Ok(0)
    }
}
