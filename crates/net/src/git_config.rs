//! What the user's own git configuration says, read as git reads it outside of a
//! repository: the system's file, the user's files with what they include, and the
//! environment (`GIT_CONFIG_COUNT`, `GIT_CONFIG_PARAMETERS`), in that order.
//!
//! The configuration of the *project* (`.git/config`) is left out: a clone brings none, but a
//! folder that came in an archive may, and nothing in a project may lead a request elsewhere.
//!
//! The files are parsed by libgit2, which is in this program already, and not by `gix-config`,
//! which would add some twenty-five crates for the same. The rules over the parsed settings,
//! which libgit2 does not have, are in [`urlmatch`].

mod include;
pub(crate) mod urlmatch;

use std::path::{Path, PathBuf};

use git2::Config;
use url::Url;

use ba_agent_core::error::{Result, error, printable};
use ba_agent_system::env::Env;
use include::Location;

/// How deep files may include others, as in git.
const DEEPEST: usize = 10;
/// More pairs in `GIT_CONFIG_COUNT` are no honest configuration.
const MOST_PAIRS: usize = 10_000;

/// One `section.subsection.name = value`.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Setting {
    /// In lower case.
    section: String,
    /// As it is written: a URL, for most that matter here.
    subsection: Option<String>,
    /// In lower case.
    name: String,
    /// `None` for a name without `=`, which means true.
    value: Option<String>,
}

/// All settings, the later ones over the earlier.
#[derive(Debug, Default)]
pub struct GitConfig {
    settings: Vec<Setting>,
}

impl GitConfig {
    /// Reads it. `GIT_CONFIG_NOSYSTEM`, `GIT_CONFIG_SYSTEM`, `GIT_CONFIG_GLOBAL` and
    /// `XDG_CONFIG_HOME` mean what git(1) says.
    ///
    /// # Errors
    /// `Usage` when a file is there and cannot be parsed, and for variables that git would
    /// refuse.
    pub fn load(env: &Env) -> Result<Self> {
        let mut config = Self::default();
        let location = Location::find(env);
        for file in configuration_files(env) {
            config.add_file(&file, &location, 0)?;
        }
        config.add_counted(env)?;
        config.add_parameters(env)?;
        Ok(config)
    }

    fn add_file(&mut self, file: &Path, location: &Location, depth: usize) -> Result<()> {
        // Nothing but a plain file is opened: a FIFO would never end.
        if !file.is_file() {
            return Ok(());
        }
        let unusable = |e: git2::Error| {
            error!(Usage, "your git configuration cannot be read: `{}`", file.display())
                .cause(printable(e.message(), false))
                .hint("`git config --list --show-origin` names the file and line")
        };
        let config = Config::open(file).map_err(unusable)?;
        let mut entries = config.entries(None).map_err(unusable)?;
        while let Some(entry) = entries.next() {
            let entry = entry.map_err(unusable)?;
            // What is not UTF-8 names nothing that is looked for here.
            let Ok(name) = entry.name() else { continue };
            let value = if entry.has_value() { entry.value().ok().map(str::to_owned) } else { None };
            if entry.has_value() && value.is_none() {
                continue;
            }
            if depth < DEEPEST
                && let Some(other) = location.included(name, value.as_deref(), file)
            {
                self.add_file(&other, location, depth + 1)?;
            }
            self.add(name, value);
        }
        Ok(())
    }

    /// Adds a setting; a key without a dot is none.
    fn add(&mut self, key: &str, value: Option<String>) -> bool {
        let (Some((section, _)), Some((front, name))) = (key.split_once('.'), key.rsplit_once('.')) else {
            return false;
        };
        let subsection = front.get(section.len() + 1..).map(str::to_owned);
        let (section, name) = (section.to_ascii_lowercase(), name.to_ascii_lowercase());
        if section.is_empty() || name.is_empty() {
            return false;
        }
        self.settings.push(Setting { section, subsection, name, value });
        true
    }

    /// `GIT_CONFIG_COUNT` and its pairs of variables.
    fn add_counted(&mut self, env: &Env) -> Result<()> {
        let Some(text) = env.var("GIT_CONFIG_COUNT") else { return Ok(()) };
        let refused = |what: String| {
            error!(Usage, "the git configuration in the environment cannot be read: {what}")
                .hint("GIT_CONFIG_COUNT=N needs GIT_CONFIG_KEY_0 and GIT_CONFIG_VALUE_0 and so on, N pairs")
        };
        let count = text.parse::<usize>().ok().filter(|count| *count <= MOST_PAIRS);
        let count =
            count.ok_or_else(|| refused(format!("GIT_CONFIG_COUNT is `{}`", printable(text, false))))?;
        for at in 0..count {
            let read = |name: String| env.set_var(&name).ok_or_else(|| refused(format!("{name} is not set")));
            let key = read(format!("GIT_CONFIG_KEY_{at}"))?;
            let value = read(format!("GIT_CONFIG_VALUE_{at}"))?;
            if !self.add(key, Some(value.to_owned())) {
                return Err(refused(format!("`{}` is not a key", printable(key, false))));
            }
        }
        Ok(())
    }

    /// `GIT_CONFIG_PARAMETERS`, in which `git -c key=value` hands its settings on.
    fn add_parameters(&mut self, env: &Env) -> Result<()> {
        let Some(text) = env.var("GIT_CONFIG_PARAMETERS") else { return Ok(()) };
        let pairs = parse_config_parameters(text);
        let sound = pairs.is_some_and(|pairs| pairs.into_iter().all(|(key, value)| self.add(&key, value)));
        if sound {
            return Ok(());
        }
        Err(error!(Usage, "GIT_CONFIG_PARAMETERS cannot be read")
            .hint("git writes it as 'key'='value', with the quotes; leave it to `git -c key=value`"))
    }

    fn values_of_key(&self, section: &'static str, name: &'static str) -> impl Iterator<Item = &Setting> {
        self.settings.iter().filter(move |one| one.section == section && one.name == name)
    }

    /// The last value of a setting without a subsection; `None` where there is none, and
    /// where it is empty.
    pub fn last_text_of_key(&self, section: &'static str, name: &'static str) -> Option<&str> {
        let plain = self.values_of_key(section, name).filter(|one| one.subsection.is_none());
        plain.last().and_then(|one| one.value.as_deref()).filter(|value| !value.is_empty())
    }

    /// `url` after `url.<base>.insteadOf`: the longest prefix that matches is replaced, as
    /// git-config(1) says. `None` when none matches.
    pub fn instead_of(&self, url: &str) -> Option<String> {
        let mut best: Option<(usize, String)> = None;
        for one in self.values_of_key("url", "insteadof") {
            let (Some(base), Some(prefix)) = (&one.subsection, &one.value) else { continue };
            let Some(rest) = url.strip_prefix(prefix.as_str()) else { continue };
            if best.as_ref().is_none_or(|(length, _)| prefix.len() > *length) {
                best = Some((prefix.len(), format!("{base}{rest}")));
            }
        }
        best.map(|(_, url)| url)
    }

    /// The addresses that `url.<base>.insteadOf` puts in the place of others.
    pub(crate) fn instead_of_bases(&self) -> impl Iterator<Item = &str> {
        self.values_of_key("url", "insteadof").filter_map(|one| one.subsection.as_deref())
    }

    /// The values of `http.NAME` and `http.<url>.NAME` for a request to `url`, by git's rule:
    /// one whose URL says less than that of an earlier one is passed over. The last one wins,
    /// where one is wanted.
    pub(crate) fn http_values_for_url(&self, name: &'static str, url: &Url) -> Vec<HttpValue<'_>> {
        let (mut values, mut best) = (Vec::new(), urlmatch::Rank::default());
        for one in self.values_of_key("http", name) {
            let rank = match &one.subsection {
                None => Some(urlmatch::Rank::default()),
                Some(scope) => urlmatch::rank_of_url_scope(scope, url, None),
            };
            let Some(rank) = rank.filter(|rank| *rank >= best) else { continue };
            best = rank;
            values.push(HttpValue { value: one.value.as_deref(), is_for_all: one.subsection.is_none() });
        }
        values
    }

    /// The value of `http.NAME` that counts for `url`, empty texts among them.
    pub(crate) fn http_text(&self, name: &'static str, url: &Url) -> Option<&str> {
        self.http_values_for_url(name, url).last().and_then(|one| one.value)
    }

    /// The helpers for a repository at `url`, in order, and whether each is set for every host.
    pub(crate) fn credential_helpers_for<'a>(
        &'a self,
        url: &'a Url,
        user: Option<&'a str>,
    ) -> impl Iterator<Item = (&'a str, bool)> {
        let all = self.credential_settings_for("helper", url, user);
        all.filter_map(|one| Some((one.value.as_deref()?, one.subsection.is_none())))
    }

    /// The values of `credential.NAME` and `credential.<url>.NAME` for a repository at `url`,
    /// whose user may be known. Here git takes every one that fits, in order.
    pub(crate) fn credential_values_for<'a>(
        &'a self,
        name: &'static str,
        url: &'a Url,
        user: Option<&'a str>,
    ) -> impl Iterator<Item = Option<&'a str>> {
        self.credential_settings_for(name, url, user).map(|one| one.value.as_deref())
    }

    fn credential_settings_for<'a>(
        &'a self,
        name: &'static str,
        url: &'a Url,
        user: Option<&'a str>,
    ) -> impl Iterator<Item = &'a Setting> {
        let fits = move |one: &&Setting| match &one.subsection {
            None => true,
            Some(scope) => {
                urlmatch::rank_of_url_scope(scope, url, user).is_some()
                    || urlmatch::fits_in_part(scope, url, user)
            }
        };
        self.values_of_key("credential", name).filter(fits)
    }
}

/// One value of `http.*`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct HttpValue<'a> {
    /// `None` for a name without `=`.
    pub(crate) value: Option<&'a str>,
    /// It names no URL, so it is meant for any host.
    pub(crate) is_for_all: bool,
}

/// What git takes for true.
pub(crate) fn is_true(value: Option<&str>) -> bool {
    let Some(value) = value else { return true };
    let word = value.to_ascii_lowercase();
    matches!(word.as_str(), "true" | "yes" | "on") || word.parse::<i64>().is_ok_and(|number| number != 0)
}

fn configuration_files(env: &Env) -> Vec<PathBuf> {
    let mut files = Vec::new();
    if !env.var("GIT_CONFIG_NOSYSTEM").is_some_and(|value| is_true(Some(value))) {
        match env.set_var("GIT_CONFIG_SYSTEM") {
            Some(file) => files.push(PathBuf::from(file)),
            None => files.extend(Config::find_system()),
        }
    }
    if let Some(global) = env.set_var("GIT_CONFIG_GLOBAL") {
        files.push(PathBuf::from(global));
        return files;
    }
    let xdg = env.var("XDG_CONFIG_HOME").map(PathBuf::from);
    let xdg = xdg.or_else(|| env.home.as_ref().map(|home| home.join(".config")));
    files.extend(xdg.map(|dir| dir.join("git/config")));
    files.extend(env.home.as_ref().map(|home| home.join(".gitconfig")));
    files
}

/// The pairs of `GIT_CONFIG_PARAMETERS`: `'key'='value'`, `'key'=` for a name alone, or, as
/// older versions of git write it, `'key=value'`. `None` for anything else.
fn parse_config_parameters(text: &str) -> Option<Vec<(String, Option<String>)>> {
    let mut pairs = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let (key, after) = unquote_shell_text(rest)?;
        let (pair, after) = match after.strip_prefix('=') {
            Some(after) if after.starts_with('\'') => {
                let (value, after) = unquote_shell_text(after)?;
                ((key, Some(value)), after)
            }
            Some(after) => ((key, None), after),
            None => match key.split_once('=') {
                Some((key, value)) => ((key.to_owned(), Some(value.to_owned())), after),
                None => ((key, None), after),
            },
        };
        pairs.push(pair);
        if !after.is_empty() && !after.starts_with([' ', '\t', '\n']) {
            return None;
        }
        rest = after.trim_start();
    }
    Some(pairs)
}

/// A word in `'…'`, in which `'\''` and `'\!'` stand for one character; and what follows.
fn unquote_shell_text(text: &str) -> Option<(String, &str)> {
    let mut rest = text.strip_prefix('\'')?;
    let mut word = String::new();
    loop {
        let (part, after) = rest.split_once('\'')?;
        word.push_str(part);
        let escaped = after.strip_prefix('\\').filter(|after| after.starts_with(['\'', '!']));
        match escaped.and_then(|after| Some((after.chars().next()?, after.get(1..)?.strip_prefix('\'')?))) {
            Some((escaped, more)) => {
                word.push(escaped);
                rest = more;
            }
            None => return Some((word, after)),
        }
    }
}

/// Whatever the text: pairs that are read can be quoted as git does, and are read alike.
#[cfg(any(test, fuzzing))]
pub(crate) fn check_any_parameters(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Some(pairs) = parse_config_parameters(text) else { return };
    let quote = |word: &str| format!("'{}'", word.replace('\'', "'\\''").replace('!', "'\\!'"));
    let written = |(key, value): &(String, Option<String>)| {
        format!("{}={}", quote(key), value.as_deref().map(quote).unwrap_or_default())
    };
    let line = pairs.iter().map(written).collect::<Vec<_>>().join(" ");
    assert_eq!(parse_config_parameters(&line), Some(pairs), "{line}");
}

#[cfg(test)]
mod tests;
