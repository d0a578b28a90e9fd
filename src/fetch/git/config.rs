//! World: what the user's own git configuration says, read from the files that git
//! reads outside a repository: `insteadOf`, `core.sshCommand`, credential helpers.

use std::path::PathBuf;

use git2::{Config, ConfigLevel};

use crate::error::{Error, Result, error, printable};
use crate::layout::Env;

/// The system, XDG and global configuration, later files over earlier ones.
/// `GIT_CONFIG_NOSYSTEM`, `GIT_CONFIG_SYSTEM`, `GIT_CONFIG_GLOBAL` and
/// `XDG_CONFIG_HOME` mean what git(1) says.
///
/// # Errors
/// `Usage` when a file is there and cannot be parsed.
pub(crate) fn load(env: &Env) -> Result<Config> {
    let unusable = |e: git2::Error| {
        error!(Usage, "your git configuration cannot be read")
            .cause(printable(e.message(), false))
            .hint("`git config --list --show-origin` names the file and line")
    };
    let mut config = Config::new().map_err(unusable)?;
    for (level, file) in files(env) {
        if file.is_file() {
            config.add_file(&file, level, false).map_err(unusable)?;
        }
    }
    Ok(config)
}

fn files(env: &Env) -> Vec<(ConfigLevel, PathBuf)> {
    let mut files = Vec::new();
    let no_system = env.var("GIT_CONFIG_NOSYSTEM").is_some_and(|v| !matches!(v, "0" | "false" | "no"));
    if !no_system {
        let system = env.var("GIT_CONFIG_SYSTEM").map(PathBuf::from);
        files.extend(system.or_else(|| Config::find_system().ok()).map(|f| (ConfigLevel::System, f)));
    }
    if let Some(global) = env.var("GIT_CONFIG_GLOBAL") {
        files.push((ConfigLevel::Global, PathBuf::from(global)));
        return files;
    }
    let xdg = env.var("XDG_CONFIG_HOME").map(PathBuf::from);
    let xdg = xdg.or_else(|| env.home.as_ref().map(|home| home.join(".config")));
    files.extend(xdg.map(|dir| (ConfigLevel::XDG, dir.join("git/config"))));
    files.extend(env.home.as_ref().map(|home| (ConfigLevel::Global, home.join(".gitconfig"))));
    files
}

/// `url` after `url.<base>.insteadOf`: the longest prefix that matches is replaced, as
/// git-config(1) says. `None` when none matches.
///
/// # Errors
/// `Failed` when the configuration cannot be listed.
pub(crate) fn instead_of(config: &Config, url: &str) -> Result<Option<String>> {
    let failed = |e: git2::Error| -> Error { error!(Failed, "{}", printable(e.message(), false)) };
    let mut best: Option<(usize, String)> = None;
    let mut entries = config.entries(Some(r"^url\..*\.insteadof$")).map_err(failed)?;
    while let Some(entry) = entries.next() {
        let entry = entry.map_err(failed)?;
        let (Ok(name), Ok(prefix)) = (entry.name(), entry.value()) else { continue };
        let base = name.strip_prefix("url.").and_then(|rest| rest.strip_suffix(".insteadof"));
        let (Some(base), Some(rest)) = (base, url.strip_prefix(prefix)) else { continue };
        if best.as_ref().is_none_or(|(length, _)| prefix.len() > *length) {
            best = Some((prefix.len(), format!("{base}{rest}")));
        }
    }
    Ok(best.map(|(_, url)| url))
}

/// One text of the configuration, `None` where it is not set.
pub(crate) fn text(config: &Config, key: &str) -> Option<String> {
    config.get_string(key).ok().filter(|value| !value.is_empty())
}
