//! What a command without a name is about: on a terminal the person chooses, elsewhere it is a
//! wrong usage, as before.

use super::CommandContext;
use crate::picker::{PickerItem, PickerQuestion, SelectionMode};
use ba_agent_core::error::{Error, Kind, Result};
use ba_agent_engine::ops;
use ba_agent_engine::ops::list::ListedSkill;

/// How a command asks which of the installed skills it is about.
pub(super) struct SkillChoice {
    /// As in `Uninstall which skills?`, and what Enter does.
    pub(super) verb: &'static str,
    pub(super) mode: SelectionMode,
    /// What is missing where nobody can be asked, as the usage has it.
    pub(super) missing: &'static str,
    pub(super) usage: &'static str,
    /// Which skills it can be about, and what is said where there are none.
    pub(super) fits: fn(&ListedSkill<'_>) -> bool,
    pub(super) none: &'static str,
    /// Whether the files are looked at first, so that `fits` knows which were edited.
    pub(super) with_state: bool,
}

impl SkillChoice {
    pub(super) fn new(verb: &'static str, missing: &'static str, usage: &'static str) -> Self {
        let none = "no skills are installed here";
        let mode = SelectionMode::One;
        Self { verb, mode, missing, usage, fits: |_| true, none, with_state: false }
    }

    /// The name that was typed, or that the person chooses.
    ///
    /// # Errors
    /// Those of [`SkillChoice::choose_skills`].
    pub(super) fn name_or_choice(
        &self,
        cx: &CommandContext<'_>,
        typed: Option<String>,
    ) -> Result<Option<String>> {
        match typed {
            Some(name) => Ok(Some(name)),
            None => Ok(self.choose_skills(cx)?.into_iter().next()),
        }
    }

    /// The names that the person chooses; none where no skill is one that it can be about, which is
    /// told.
    ///
    /// # Errors
    /// `Usage` where nobody can be asked, `Interrupted` when the person leaves; those of
    /// [`ops::list::list`].
    pub(super) fn choose_skills(&self, cx: &CommandContext<'_>) -> Result<Vec<String>> {
        if !cx.ui.may_ask_which() {
            return Err(missing_argument(self.missing, self.usage));
        }
        let report = ops::list::list(&cx.workspace, self.with_state, cx.ui)?;
        let skills: Vec<ListedSkill<'_>> = report.read()?.skills.filter(self.fits).collect();
        if skills.is_empty() {
            cx.ui.note(self.none);
            return Ok(Vec::new());
        }
        let skill = if self.mode == SelectionMode::Many { "skills" } else { "skill" };
        let title = format!("Which {skill} of this {} to {}?", report.scope, self.verb);
        let items = skills.iter().map(item_of_skill).collect();
        let chosen = cx.ui.choose(PickerQuestion::new(&title, self.verb, self.mode, items))?;
        Ok(chosen.iter().filter_map(|at| skills.get(*at)).map(|skill| skill.name.to_string()).collect())
    }
}

/// The error for an argument that is needed where nobody can be asked for it.
fn missing_argument(missing: &str, usage: &str) -> Error {
    Error::new(Kind::Usage, format!("the following required arguments were not provided: {missing}"))
        .hint(format!("usage: ba-agent {usage}"))
        .hint("on a terminal, without `--yes`, `--json` and `--quiet`, you can choose from a list")
}

fn item_of_skill(skill: &ListedSkill<'_>) -> PickerItem {
    let entry = &skill.entry;
    let version = entry.version.as_deref().map(str::to_owned).or_else(|| entry.pin.short_text());
    let held = entry.pinned.then(|| "held".to_owned());
    let state = skill.state.filter(|state| *state != "ok").map(str::to_owned);
    let disabled = (!entry.enabled).then(|| "disabled".to_owned());
    let facts: Vec<String> = version.into_iter().chain(held).chain(disabled).chain(state).collect();
    let targets: Vec<&str> = entry.targets.iter().map(|target| &**target).collect();
    PickerItem::new(skill.name.as_str())
        .in_group(&entry.source)
        .with_fact(&facts.join(", "))
        .described(entry.description.as_deref().unwrap_or_default())
        .with_detail(&format!("source: {}", entry.source))
        .with_detail(&format!("targets: {}", targets.join(", ")))
}

/// The marketplaces that were typed, or those that are chosen.
///
/// # Errors
/// `Usage` where nobody can be asked, `Interrupted` when the person leaves; those of
/// [`ops::marketplace::list`].
pub(super) fn choose_marketplaces(
    cx: &CommandContext<'_>,
    verb: &'static str,
    mode: SelectionMode,
    usage: &'static str,
) -> Result<Vec<String>> {
    if !cx.ui.may_ask_which() {
        let missing = if mode == SelectionMode::Many { "<NAME>..." } else { "<NAME>" };
        return Err(missing_argument(missing, usage));
    }
    let rows = ops::marketplace::list(&cx.workspace, cx.ui)?;
    if rows.is_empty() {
        cx.ui.note("no marketplace is registered");
        return Ok(Vec::new());
    }
    let item = |row: &ops::marketplace::ListedMarketplace| {
        let state = if row.enabled { row.scope.to_owned() } else { format!("{}, disabled", row.scope) };
        PickerItem::new(&row.name).with_fact(&state).described(&row.source)
    };
    let word = if mode == SelectionMode::Many { "marketplaces" } else { "marketplace" };
    let title = format!("Which {word} to {verb}?");
    let question = PickerQuestion::new(&title, verb, mode, rows.iter().map(item).collect());
    let chosen = cx.ui.choose(question)?;
    Ok(chosen.iter().filter_map(|at| rows.get(*at)).map(|row| row.name.clone()).collect())
}
