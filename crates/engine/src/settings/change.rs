//! World: single settings: what each is and who says so, and how a file is changed.

use std::path::{Path, PathBuf};

use super::keys::{Key, Project, Value, ValueKind};
use super::remote_registries::{RegistrySection, RegistrySections, parse_age, write_age};
use super::sections::parse_ratio;
use super::{Document, Settings, leads_out, leads_out_error, parse, project_values};
use ba_agent_core::error::{Result, error, fail, printable};
use ba_agent_core::schema::{self, schema_address};
use ba_agent_core::settings_text::{quote_scalar, set_key, unset_key};
use ba_agent_core::text::{find_nearest, parse_bytes, write_exact_bytes};
use ba_agent_system::env::Env;
use ba_agent_system::fsx;

/// Who says what a setting is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum SettingOrigin {
    /// Nobody.
    Default,
    /// The user's file.
    User,
    /// The project's file.
    Project,
    /// A variable.
    Environment,
}

/// One setting as it counts.
#[derive(Debug, Clone, serde::Serialize)]
pub struct EffectiveSetting {
    pub key: &'static str,
    /// As it is written; `None` for a token, which is not shown, and where there is no default.
    pub value: Option<String>,
    /// True for a token that is set.
    pub hidden: bool,
    pub origin: SettingOrigin,
    /// The file, or the variable.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    pub about: &'static str,
}

/// The variables that go before a key in the files, and those that stand in for it.
const VARIABLES: [(Key, &[&str]); 7] = [
    (Key::GithubUrl, &["BA_AGENT_GITHUB_URL"]),
    (Key::GitlabUrl, &["BA_AGENT_GITLAB_URL"]),
    (Key::BitbucketUrl, &["BA_AGENT_BITBUCKET_URL"]),
    (Key::NpmUrl, &["BA_AGENT_NPM_URL"]),
    (Key::GithubToken, &["GITHUB_TOKEN", "GH_TOKEN"]),
    (Key::GitlabToken, &["GITLAB_TOKEN"]),
    (Key::BitbucketToken, &["BITBUCKET_TOKEN"]),
];

impl Key {
    /// The key of this name.
    ///
    /// # Errors
    /// `NotFound`, with the nearest.
    pub(crate) fn of_name(name: &str) -> Result<Self> {
        let name = name.strip_prefix("skills.").unwrap_or(name);
        Self::ALL.iter().copied().find(|key| key.name() == name).ok_or_else(|| {
            let error = error!(NotFound, "`{}` is not a setting", printable(name, false));
            match find_nearest(name, Self::ALL.iter().map(|key| key.name())) {
                Some(near) => error.hint(format!("did you mean `{near}`?")),
                None => error.hint("`ba-agent config list` lists all"),
            }
        })
    }

    fn is_token(self) -> bool {
        self.name().starts_with("auth.")
    }

    fn is_bytes(self) -> bool {
        self.kind() == ValueKind::Bytes && self.rule().default.contains('B')
    }

    /// The value that words on a command line mean.
    ///
    /// # Errors
    /// `Usage` for what is no value of this key.
    fn parse_words(self, words: &[String]) -> Result<Value> {
        if self.kind() == ValueKind::List {
            let parts = words.iter().flat_map(|word| word.split(',')).map(str::trim);
            return Ok(Value::List(parts.filter(|part| !part.is_empty()).map(str::to_owned).collect()));
        }
        let [word] = words else {
            fail!(Usage, "`{}` takes one value", self.name());
        };
        let shown = printable(word, false);
        match self.kind() {
            ValueKind::Flag => match word.as_str() {
                "true" => Ok(Value::Flag(true)),
                "false" => Ok(Value::Flag(false)),
                _ => Err(error!(Usage, "`{}` is true or false", self.name())),
            },
            ValueKind::Bytes => {
                let size = parse_bytes(word).map_err(|why| error!(Usage, "{}", printable(&why, false)))?;
                Ok(Value::Size(size))
            }
            ValueKind::Count => word
                .parse()
                .map(Value::Size)
                .map_err(|_| error!(Usage, "`{}` takes a whole number, found `{shown}`", self.name())),
            ValueKind::Ratio => word
                .parse()
                .map_err(|_| format!("expected a number from 0 to 1, found `{shown}`"))
                .and_then(parse_ratio)
                .map(Value::Ratio)
                .map_err(|why| error!(Usage, "`{}`: {why}", self.name())),
            ValueKind::Choice(known) => match known.contains(&word.as_str()) {
                true => Ok(Value::Text(word.clone())),
                false => Err(error!(Usage, "`{}` is one of {}", self.name(), known.join(", "))),
            },
            ValueKind::Age => {
                let age = parse_age(word).map_err(|why| error!(Usage, "`{}`: {why}", self.name()))?;
                Ok(Value::Size(age))
            }
            ValueKind::Registries => Err(error!(Usage, "`registries` is not set as one value").hint(
                "`ba-agent registry add NAME URL` adds one, `ba-agent registry remove NAME` takes it out",
            )),
            ValueKind::Sources | ValueKind::Permissions => {
                Err(error!(Usage, "`{}` has several lines, which no one command writes", self.name())
                    .hint("write it by hand: `ba-agent config edit`"))
            }
            ValueKind::Text | ValueKind::List => self.parse_text(word),
        }
    }

    fn parse_text(self, word: &str) -> Result<Value> {
        if self.name().ends_with("_url") {
            let is_host = url::Url::parse(word).is_ok_and(|url| {
                matches!(url.scheme(), "https" | "http") && url.has_host() && url.password().is_none()
            });
            if !is_host && !word.contains("${") {
                return Err(error!(Usage, "`{}` is not the address of a host", printable(word, false))
                    .hint("write for example https://github.example.org"));
            }
        }
        Ok(Value::Text(word.to_owned()))
    }

    /// A value as a person writes it.
    fn show(self, value: &Value) -> String {
        match value {
            Value::Size(size) if self.is_bytes() => write_exact_bytes(*size),
            Value::Size(seconds) if self.kind() == ValueKind::Age => write_age(*seconds),
            Value::Registries(all) => all
                .iter()
                .map(|(name, one)| format!("{} ({})", name.as_str(), one.url))
                .collect::<Vec<_>>()
                .join(", "),
            Value::List(list) => list.join(","),
            Value::Sources(sources) => {
                let one =
                    |source: &super::runtime::ScanSource| format!("{} ({})", source.path, source.priority);
                sources.iter().map(one).collect::<Vec<_>>().join(", ")
            }
            Value::Permissions(all) => all.keys().cloned().collect::<Vec<_>>().join(", "),
            Value::Text(text) => text.clone(),
            other => other.to_string(),
        }
    }

    /// A value as YAML on one line.
    fn write(self, value: &Value) -> String {
        match value {
            Value::Text(text) => quote_scalar(text),
            Value::List(list) => {
                format!("[{}]", list.iter().map(|one| quote_scalar(one)).collect::<Vec<_>>().join(", "))
            }
            other => self.show(other),
        }
    }
}

/// Every setting as it counts, in the order of the table.
///
/// # Errors
/// Those of [`Settings::load`].
pub(crate) fn list_settings(
    env: &Env,
    user: Option<&Path>,
    project: Option<&Path>,
) -> Result<Vec<EffectiveSetting>> {
    // Whoever lists them is told what is wrong with them.
    Settings::load(env, user, project)?;
    let of_user = user.map(super::read).transpose()?.flatten();
    let of_user = of_user.map(Document::into_values).transpose()?.unwrap_or_default();
    let of_project = project.map(project_values).transpose()?.unwrap_or_default();
    let own = Settings::load(env, user, None)?;
    let setting = |key: Key| {
        let found = of_user.iter().find(|(known, _)| *known == key).map(|(_, value)| value.clone());
        let said_by_project = of_project.iter().find(|(known, ..)| *known == key);
        let shown = |file: Option<&Path>| file.map(|file| file.display().to_string());
        let counts = |value: &Value| {
            let mut narrowed = own.clone();
            let file = project.unwrap_or(Path::new(""));
            narrowed.set_from_project(key, value.clone(), env, file).is_ok() && narrowed.ignored.is_empty()
        };
        let variables = VARIABLES.iter().find(|(known, _)| *known == key).map_or(&[][..], |(_, names)| names);
        let variable = variables.iter().find_map(|name| Some((*name, env.var(name)?)));
        let in_files = said_by_project
            .filter(|(_, value, _)| counts(value))
            .map(|(_, value, file)| (value.clone(), SettingOrigin::Project, shown(Some(file))))
            .or_else(|| Some((found?, SettingOrigin::User, shown(user))));
        let (value, origin, from) = match (variable, in_files) {
            // A token in the file goes before the variable, an address does not.
            (Some((name, value)), found) if !key.is_token() || found.is_none() => {
                (Some(value.to_owned()), SettingOrigin::Environment, Some(name.to_owned()))
            }
            (_, Some((value, origin, from))) => (Some(key.show(&value)), origin, from),
            _ => (default_of(key), SettingOrigin::Default, None),
        };
        let hidden = key.is_token() && origin != SettingOrigin::Default;
        let value = value.filter(|_| !key.is_token()).map(|value| printable(&value, false));
        EffectiveSetting { key: key.name(), value, hidden, origin, from, about: key.rule().about }
    };
    Ok(Key::ALL.iter().map(|key| setting(*key)).collect())
}

fn default_of(key: Key) -> Option<String> {
    let text = key.rule().default.replace('`', "");
    let text = text.trim_matches(['[', ']', '{', '}']);
    (text != "–").then(|| text.to_owned())
}

/// A settings file of one scope that is to be changed.
#[derive(Debug)]
pub(crate) struct SettingsFile {
    /// Without links.
    pub(crate) file: PathBuf,
    is_project: bool,
    /// What stood there when it was read.
    before: Option<Vec<u8>>,
}

impl SettingsFile {
    /// Reads the file of a scope; it need not be there.
    ///
    /// # Errors
    /// `Usage` where a project's leads out of it; those of reading.
    pub(crate) fn read(file: &Path, project_root: Option<&Path>, allowed: &[PathBuf]) -> Result<Self> {
        if let Some(root) = project_root
            && let Some(outside) = leads_out(file, root, allowed)
        {
            return Err(leads_out_error("settings", file, &outside));
        }
        let before = fsx::read_plain_file(file, super::LARGEST)?;
        Ok(Self { file: fsx::real_path(file), is_project: project_root.is_some(), before })
    }

    /// What is written there.
    ///
    /// # Errors
    /// `Usage` for what is not UTF-8.
    pub(crate) fn text(&self) -> Result<String> {
        String::from_utf8(self.before.clone().unwrap_or_default())
            .map_err(|e| error!(Usage, "the settings in `{}` are not UTF-8", self.file.display()).cause(e))
    }

    /// A first line for a file that is new: editors know from it what can stand there.
    pub(crate) fn new_text() -> String {
        format!("# yaml-language-server: $schema={}\n", schema_address(schema::SETTINGS))
    }

    /// The text with a key set, or unset; `None` where it says so already.
    ///
    /// # Errors
    /// `Usage` for what is no value, or not this file's to say, and for a text in which the key
    /// cannot be found line by line.
    pub(crate) fn with_change(
        &self,
        name: &str,
        words: Option<&[String]>,
        env: &Env,
    ) -> Result<Option<String>> {
        let key = Key::of_name(name)?;
        let text = self.text()?;
        let before = parse(&text, &self.file).and_then(Document::into_values)?;
        let value = words.map(|words| key.parse_words(words)).transpose()?;
        if before.iter().find(|(known, _)| *known == key).map(|(_, value)| value) == value.as_ref() {
            return Ok(None);
        }
        if let Some(value) = &value {
            self.check_value(key, value, env)?;
        }
        let old = if text.is_empty() { Self::new_text() } else { text };
        let new = match &value {
            Some(value) => set_key(&old, &key.path(), &key.write(value)),
            None => unset_key(&old, &key.path()),
        };
        let mut wanted: Vec<(Key, Value)> = before.into_iter().filter(|(known, _)| *known != key).collect();
        wanted.extend(value.map(|value| (key, value)));
        let mut found = parse(&new, &self.file).and_then(Document::into_values).unwrap_or_default();
        wanted.sort_by_key(|(key, _)| *key);
        found.sort_by_key(|(key, _)| *key);
        if wanted != found {
            return Err(error!(
                Usage,
                "`{}` is written in a way that cannot be changed key by key",
                self.file.display()
            )
            .hint("change it by hand: `ba-agent config edit`"));
        }
        Ok(Some(new))
    }

    /// The registries that the file names.
    ///
    /// # Errors
    /// `Usage` for a file that cannot be used.
    pub(crate) fn registries(&self) -> Result<RegistrySections> {
        self.registries_in(&self.text()?)
    }

    fn registries_in(&self, text: &str) -> Result<RegistrySections> {
        let values = parse(text, &self.file).and_then(Document::into_values)?;
        let mut registries = values.into_iter().filter_map(|(_, value)| match value {
            Value::Registries(all) => Some(all),
            _ => None,
        });
        Ok(registries.next().unwrap_or_default())
    }

    /// The text with the registry of this name, or without it; `None` where it says so already.
    ///
    /// # Errors
    /// `Usage` for a text in which `registries:` cannot be found line by line, and for what is not
    /// this file's to say.
    pub(crate) fn with_registry(
        &self,
        name: &str,
        section: Option<&RegistrySection>,
        env: &Env,
    ) -> Result<Option<String>> {
        let text = self.text()?;
        let mut wanted = self.registries_in(&text)?;
        let before = wanted.iter().find(|(known, _)| known.as_str() == name).map(|(_, one)| one.clone());
        if before.as_ref() == section {
            return Ok(None);
        }
        wanted.retain(|known, _| known.as_str() != name);
        if let Some(section) = section {
            let key = name.to_owned().try_into().map_err(|why: String| error!(Usage, "{why}"))?;
            wanted.insert(key, section.clone());
        }
        self.check_value(Key::Registries, &Value::Registries(wanted.clone()), env)?;
        let old = if text.is_empty() { Self::new_text() } else { text };
        let new = match section {
            Some(section) => set_key(&old, &["registries", name], &section.to_yaml()),
            None => unset_key(&old, &["registries", name]),
        };
        if self.registries_in(&new).ok() != Some(wanted) {
            return Err(error!(
                Usage,
                "`registries` in `{}` is written in a way that cannot be changed line by line",
                self.file.display()
            )
            .hint("change it by hand: `ba-agent config edit`"));
        }
        Ok(Some(new))
    }

    /// True where this scope may say it, and it can be used.
    fn check_value(&self, key: Key, value: &Value, env: &Env) -> Result<()> {
        let mut settings = Settings::default();
        if self.is_project {
            if key.rule().project == Project::Never {
                return Err(error!(Usage, "`{}` cannot be set by a project", key.name()).hint(format!(
                    "for your own settings: `ba-agent config set {} … --global`",
                    key.name()
                )));
            }
            settings.set_from_project(key, value.clone(), env, &self.file)?;
            if let Some(ignored) = settings.ignored.first().filter(|_| key == Key::Registries) {
                return Err(error!(Usage, "{ignored}"));
            }
        } else {
            let value = if key.rule().expands { value.clone().expanded(env)? } else { value.clone() };
            settings.set_value_of(key, value, env);
        }
        settings.check_sections()?;
        settings.targets().map(drop)
    }

    /// Checks a whole text as the settings of this scope.
    ///
    /// # Errors
    /// `Usage`, with the line, for what cannot be used.
    pub(crate) fn check_text(&self, text: &str, env: &Env) -> Result<()> {
        for (key, value) in parse(text, &self.file).and_then(Document::into_values)? {
            self.check_value(key, &value, env)?;
        }
        Ok(())
    }

    /// Writes the new text as a whole, if the file is still as it was read.
    ///
    /// # Errors
    /// `Conflict` where somebody changed it meanwhile; `Failed` where it cannot be written.
    pub(crate) fn write(&self, text: &str) -> Result<()> {
        if fsx::read_plain_file(&self.file, super::LARGEST)? != self.before {
            return Err(error!(Conflict, "`{}` was changed meanwhile", self.file.display())
                .hint("nothing was written: run the command again"));
        }
        fsx::create_folders(fsx::parent(&self.file))?;
        fsx::write_atomic(&self.file, text.as_bytes())
    }

    /// The note that an editor leaves beside a file that it has open.
    pub(crate) fn editors_note(&self) -> Option<PathBuf> {
        let name = self.file.file_name()?.to_str()?;
        let beside = [format!(".{name}.swp"), format!(".#{name}"), format!("#{name}#")];
        beside.iter().map(|note| self.file.with_file_name(note)).find(|note| note.symlink_metadata().is_ok())
    }
}

/// The name of a setting as the table has it.
///
/// # Errors
/// `NotFound`, with the nearest.
pub(crate) fn known_name(name: &str) -> Result<&'static str> {
    Key::of_name(name).map(Key::name)
}
