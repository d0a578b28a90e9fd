//! `ba-agent config list|get|set|unset|edit`.

use clap::{Args, Subcommand};
use clap_complete::engine::ArgValueCandidates;

use super::CommandContext;
use super::complete::setting_keys;
use crate::editor::edit_in_editor;
use ba_agent_core::error::{Result, error};
use ba_agent_engine::ops;
use ba_agent_engine::ops::config::{ConfigChange, EffectiveSetting, SettingOrigin};

/// List, read and change settings, each with who says it.
#[derive(Debug, Subcommand)]
#[command(long_about = "List, read and change settings, each with who says it.\n\n\
    Settings are in `.ba-agent/config.yaml` of a project and, with --global, in `config.yaml` of your \
    configuration folder. A project's goes over your own, as far as it may say it; variables go over both. \
    Comments and order of a file stay.")]
pub(crate) enum Config {
    /// List every setting, its value, and where it comes from.
    #[command(
        visible_alias = "ls",
        after_help = "Examples:\n  ba-agent config list\n  ba-agent config list --json"
    )]
    List,
    Get(KeyArgs),
    Set(SetArgs),
    Unset(UnsetArgs),
    /// Open the settings in an editor; what cannot be used is not taken over.
    #[command(after_help = "Examples:\n  ba-agent config edit\n  EDITOR=nano ba-agent config edit --global")]
    Edit,
}

/// Print the value of a setting.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  ba-agent config get agents\n  ba-agent config get limits.file --json")]
pub(crate) struct KeyArgs {
    /// The setting, for instance `agents` or `limits.file`.
    #[arg(value_name = "KEY", add = ArgValueCandidates::new(setting_keys))]
    key: String,
}

/// Set a setting of the project, or with --global of your own.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  ba-agent config set agents claude-code cursor\n  \
    ba-agent config set limits.file 32MiB --global\n  ba-agent config set auth.github_token '${MY_TOKEN}' --global")]
pub(crate) struct SetArgs {
    /// The setting.
    #[arg(value_name = "KEY", add = ArgValueCandidates::new(setting_keys))]
    key: String,
    /// Its value; several for a list.
    #[arg(value_name = "VALUE", required = true)]
    values: Vec<String>,
}

/// Take a setting out of the file of the project, or with --global of your own.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  ba-agent config unset agents\n  ba-agent config unset github_url --global"
)]
pub(crate) struct UnsetArgs {
    /// The setting.
    #[arg(value_name = "KEY", add = ArgValueCandidates::new(setting_keys))]
    key: String,
}

impl Config {
    /// Lists, reads or changes settings.
    ///
    /// # Errors
    /// Those of [`ops::config`].
    pub(crate) fn run(self, cx: &CommandContext<'_>) -> Result<u8> {
        match self {
            Self::List => print_settings(cx, &ops::config::list_settings(&cx.workspace)?),
            Self::Get(KeyArgs { key }) => {
                let setting = ops::config::find_setting(&cx.workspace, &key)?;
                match cx.ui.json() {
                    true => cx.ui.print_json_document(&setting),
                    false => cx.ui.line(&shown(&setting)),
                }
            }
            Self::Set(SetArgs { key, values }) => change(cx, &key, Some(&values))?,
            Self::Unset(UnsetArgs { key }) => change(cx, &key, None)?,
            Self::Edit => edit(cx)?,
        }
        Ok(0)
    }
}

fn shown(setting: &EffectiveSetting) -> String {
    match (&setting.value, setting.hidden) {
        (Some(value), _) => value.clone(),
        (None, true) => "(hidden)".to_owned(),
        (None, false) => String::new(),
    }
}

fn print_settings(cx: &CommandContext<'_>, settings: &[EffectiveSetting]) {
    if cx.ui.json() {
        return cx.ui.print_json_document(&serde_json::json!({ "settings": settings }));
    }
    let cells = |setting: &EffectiveSetting| {
        let origin = match setting.origin {
            SettingOrigin::Default => "default",
            SettingOrigin::User => "user",
            SettingOrigin::Project => "project",
            SettingOrigin::Environment => setting.from.as_deref().unwrap_or("environment"),
        };
        vec![setting.key.to_owned(), shown(setting), origin.to_owned()]
    };
    cx.ui.print_as_table(&["key", "value", "from"], &settings.iter().map(cells).collect::<Vec<_>>());
}

fn change(cx: &CommandContext<'_>, key: &str, values: Option<&[String]>) -> Result<()> {
    let report = ops::config::change_setting(&cx.workspace, key, values, cx.ui)?;
    let ConfigChange { key, file, changed, setting } = &report;
    let verb = match (changed, values.is_some()) {
        (false, _) => "Unchanged",
        (true, true) => "Set",
        (true, false) => "Unset",
    };
    cx.ui.status(verb, &format!("{key} in {}", file.display()));
    if values.is_some_and(|values| shown(setting) != values.join(",") && !setting.hidden)
        && let SettingOrigin::Environment | SettingOrigin::Project = setting.origin
    {
        let by = setting.from.as_deref().unwrap_or_default();
        cx.ui.note(&format!("{key} is {} here still: {by} goes before that file", shown(setting)));
    }
    let is_plain_token = |values: &[String]| values.iter().any(|value| !value.contains("${"));
    if setting.hidden && values.is_some_and(is_plain_token) {
        cx.ui.warn("the token stands in that file as it is; `${NAME}` takes it from a variable");
    }
    if cx.ui.json() {
        cx.ui.print_json_document(&report);
    }
    Ok(())
}

fn edit(cx: &CommandContext<'_>) -> Result<()> {
    if cx.ui.json() {
        return Err(error!(Usage, "an editor has no JSON to print").hint("use `config set`"));
    }
    let edited = ops::config::begin_edit(&cx.workspace, cx.ui)?;
    edit_in_editor(cx.env(), &edited.copy)?;
    let verb = if ops::config::finish_edit(&cx.workspace, edited)? { "Changed" } else { "Unchanged" };
    cx.ui.status(verb, "the settings");
    Ok(())
}
