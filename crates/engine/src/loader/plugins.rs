//! The plugins that Claude Code has installed: where each has its skills. Its own record says so;
//! nothing of a plugin is run.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::workspace::Session;
use ba_agent_system::fsx;

/// The largest record that is read.
const LARGEST: u64 = 4 << 20;

#[derive(Debug, Deserialize)]
struct PluginRecord {
    #[serde(default)]
    plugins: BTreeMap<String, PluginInstalls>,
}

/// Version 1 has one, version 2 one for each scope.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum PluginInstalls {
    Several(Vec<PluginInstall>),
    One(PluginInstall),
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct PluginInstall {
    install_path: Option<PathBuf>,
    #[serde(default)]
    scope: Option<String>,
    #[serde(default)]
    project_path: Option<PathBuf>,
}

/// Which plugins a settings file of Claude Code switches on or off.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct PluginSwitches {
    enabled_plugins: BTreeMap<String, serde_json::Value>,
}

/// The name of each plugin that is enabled here, and its folder of skills. A record that cannot be
/// read says nothing.
pub(super) fn find_plugins(session: &Session<'_>) -> Vec<(String, PathBuf)> {
    let Some(home) = &session.env.home else { return Vec::new() };
    let claude = home.join(".claude");
    let Some(record) = read_json::<PluginRecord>(&claude.join("plugins/installed_plugins.json")) else {
        return Vec::new();
    };
    let switches: PluginSwitches = read_json(&claude.join("settings.json")).unwrap_or_default();
    let mut found = Vec::new();
    for (key, installs) in record.plugins {
        if switches.enabled_plugins.get(&key).is_some_and(|on| on == &serde_json::Value::Bool(false)) {
            continue;
        }
        let installs = match installs {
            PluginInstalls::Several(all) => all,
            PluginInstalls::One(one) => vec![one],
        };
        let name = key.split('@').next().unwrap_or(&key).to_owned();
        let is_here = |install: &PluginInstall| match (install.scope.as_deref(), &install.project_path) {
            (Some("project" | "local"), Some(path)) => path == session.scope.base(),
            _ => true,
        };
        let paths = installs.into_iter().filter(is_here).filter_map(|install| install.install_path);
        for path in paths.filter(|path| path.is_absolute()) {
            found.push((name.clone(), path.join("skills")));
        }
    }
    found.dedup();
    found
}

fn read_json<T: serde::de::DeserializeOwned>(file: &Path) -> Option<T> {
    let bytes = fsx::read_plain_file(file, LARGEST).ok().flatten()?;
    serde_json::from_slice(&bytes).ok()
}
