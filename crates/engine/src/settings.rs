//! World: `config.yaml`, read strictly: an unknown key is an error that names the line.

pub(crate) mod change;
mod keys;
pub mod remote_registries;
#[allow(dead_code, reason = "the commands that use it follow")]
pub(crate) mod runtime;
mod sections;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use keys::{Key, Project, Value};
use remote_registries::{RegistrySections, ReleaseAge, RemoteRegistries};
use runtime::{LoaderSettings, MonitoringSettings, RuntimeSettings};
pub(crate) use sections::SMALLEST_BUDGET;
use sections::{LoaderSection, MonitoringSection, RuntimeSection, RuntimeSections};

use ba_agent_core::agents::InstallTarget;
use ba_agent_core::error::{Error, Result, error, printable};
use ba_agent_core::listing::Limits;
use ba_agent_core::text::parse_bytes;
use ba_agent_net::hosts::{HostSettings, NamedByUser, Secret};
use ba_agent_system::env::Env;
use ba_agent_system::fsx;

/// What the user and the project have set; the project's value goes first.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Skill folder of the default target, from the base of the scope.
    pub(crate) install_dir: Option<String>,
    /// Registry file, from the base of the scope.
    pub(crate) registry: Option<String>,
    /// Default targets, by agent name; empty means `claude-code`.
    pub(crate) agents: Vec<String>,
    /// Upper bound of the cache in bytes.
    pub(crate) cache_limit: u64,
    /// What is set about hosts.
    pub(crate) hosts: HostSettings,
    pub limits: Limits,
    /// Folders outside a project that links of it may lead to.
    pub(crate) allow_links_to: Vec<PathBuf>,
    /// Where skills are looked for, and what an agent is told of them.
    pub(crate) loader: LoaderSettings,
    /// What an active skill may do.
    pub(crate) runtime: RuntimeSettings,
    /// What is noted of the use of skills.
    pub(crate) monitoring: MonitoringSettings,
    /// Who serves the skills of which owner.
    pub(crate) remote_registries: RemoteRegistries,
    /// Skills of registries that the user wants to hear of, and those of them of which other commands
    /// tell what is new.
    pub(crate) followed: Vec<String>,
    pub(crate) notified: Vec<String>,
    /// Seconds for which a version in a registry is not taken, unless it is named exactly.
    pub(crate) minimum_release_age: u64,
    /// What a project's file says and does not count, in sentences.
    pub(crate) ignored: Vec<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            install_dir: None,
            registry: None,
            agents: Vec::new(),
            cache_limit: 1 << 30,
            hosts: HostSettings::default(),
            limits: Limits::default(),
            allow_links_to: Vec::new(),
            loader: LoaderSettings::default(),
            runtime: RuntimeSettings::default(),
            monitoring: MonitoringSettings::default(),
            remote_registries: RemoteRegistries::default(),
            followed: Vec::new(),
            notified: Vec::new(),
            minimum_release_age: 0,
            ignored: Vec::new(),
        }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Document {
    skills: Section,
    loader: LoaderSection,
    runtime: RuntimeSection,
    monitoring: MonitoringSection,
    registries: Option<RegistrySections>,
    minimum_release_age: Option<ReleaseAge>,
    follows: FollowsSection,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct FollowsSection {
    skills: Option<Vec<String>>,
    notify: Option<Vec<String>>,
}

impl Document {
    /// What is set in all of its sections.
    ///
    /// # Errors
    /// `Usage` for a limit that there is none of.
    fn into_values(self) -> Result<Vec<(Key, Value)>> {
        let Self { skills, loader, runtime, monitoring, registries, minimum_release_age, follows } = self;
        let mut values = skills.into_values()?;
        values.extend(RuntimeSections::of(loader, runtime, monitoring).into_values());
        values.extend(registries.map(|all| (Key::Registries, Value::Registries(all))));
        let FollowsSection { skills, notify } = follows;
        values.extend(skills.map(|list| (Key::FollowedSkills, Value::List(list))));
        values.extend(notify.map(|list| (Key::NotifiedSkills, Value::List(list))));
        values.extend(minimum_release_age.map(|age| (Key::MinimumReleaseAge, Value::Size(age.0))));
        Ok(values)
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Section {
    install_dir: Option<String>,
    registry: Option<String>,
    agents: Option<Vec<String>>,
    allow_links_to: Option<Vec<String>>,
    cache_limit: Option<Size>,
    github_url: Option<String>,
    gitlab_url: Option<String>,
    bitbucket_url: Option<String>,
    npm_url: Option<String>,
    allow_http: Option<bool>,
    ca_file: Option<String>,
    require_reachable: Option<bool>,
    auth: Auth,
    limits: BTreeMap<String, Size>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Auth {
    github_token: Option<String>,
    gitlab_token: Option<String>,
    bitbucket_token: Option<String>,
}

impl Section {
    /// What is set. Every field is named here: one that is forgotten does not compile.
    ///
    /// # Errors
    /// `Usage` for a limit that there is none of.
    fn into_values(self) -> Result<Vec<(Key, Value)>> {
        let Self {
            install_dir,
            registry,
            agents,
            allow_links_to,
            cache_limit,
            github_url,
            gitlab_url,
            bitbucket_url,
            npm_url,
            allow_http,
            ca_file,
            require_reachable,
            auth: Auth { github_token, gitlab_token, bitbucket_token },
            limits,
        } = self;
        let size = |size: Size| Value::Size(size.0);
        let mut values = vec![
            (Key::InstallDir, install_dir.map(Value::Text)),
            (Key::Registry, registry.map(Value::Text)),
            (Key::Agents, agents.map(Value::List)),
            (Key::AllowLinksTo, allow_links_to.map(Value::List)),
            (Key::CacheLimit, cache_limit.map(size)),
            (Key::GithubUrl, github_url.map(Value::Text)),
            (Key::GitlabUrl, gitlab_url.map(Value::Text)),
            (Key::BitbucketUrl, bitbucket_url.map(Value::Text)),
            (Key::NpmUrl, npm_url.map(Value::Text)),
            (Key::AllowHttp, allow_http.map(Value::Flag)),
            (Key::CaFile, ca_file.map(Value::Text)),
            (Key::RequireReachable, require_reachable.map(Value::Flag)),
            (Key::GithubToken, github_token.map(Value::Text)),
            (Key::GitlabToken, gitlab_token.map(Value::Text)),
            (Key::BitbucketToken, bitbucket_token.map(Value::Text)),
        ];
        for (name, value) in limits {
            values.push((Key::of_limit(&name)?, Some(size(value))));
        }
        Ok(values.into_iter().filter_map(|(key, value)| Some((key, value?))).collect())
    }
}

/// `1GiB`, `64 MiB`, `500kB` or a plain number of bytes.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(try_from = "serde_yaml::Value")]
struct Size(u64);

impl TryFrom<serde_yaml::Value> for Size {
    type Error = String;

    fn try_from(value: serde_yaml::Value) -> Result<Self, String> {
        if let Some(number) = value.as_u64() {
            return Ok(Self(number));
        }
        parse_bytes(value.as_str().unwrap_or_default()).map(Self)
    }
}

impl Settings {
    /// Reads the user's file, then the project's over it, then the environment over both.
    ///
    /// A project's file comes with the project, from whoever wrote it: the table in
    /// [`check_source_keys`] says of each key what it may say.
    ///
    /// # Errors
    /// `Usage` for a file that is no YAML, has an unknown key or a wrong type, with the
    /// line; for `${VAR}` with no closing brace; for what a project's file may not say.
    pub(crate) fn load(env: &Env, user: Option<&Path>, project: Option<&Path>) -> Result<Self> {
        let mut settings = Self::default();
        if let Some(document) = user.map(read).transpose()?.flatten() {
            for (key, value) in document.into_values()? {
                let value = if key.rule().expands { value.expanded(env)? } else { value };
                settings.set_value_of(key, value, env);
            }
        }
        if let Some(file) = project {
            settings.load_project(file, env)?;
        }
        settings.merge_environment(env);
        settings.check_sections().map_err(|error| name_loader_files(error, user, project))?;
        Ok(settings)
    }

    /// The agents and folders that receive skills when none is named.
    ///
    /// # Errors
    /// `Usage` for an agent that is not known.
    pub(crate) fn targets(&self) -> Result<Vec<InstallTarget>> {
        let mut targets = Vec::new();
        for name in &self.agents {
            let target = InstallTarget::parse(name)
                .map_err(|e| e.wrap(format!("the setting `agents` names `{}`", printable(name, false))))?;
            if !targets.contains(&target) {
                targets.push(target);
            }
        }
        Ok(if targets.is_empty() { vec![InstallTarget::default()] } else { targets })
    }

    fn load_project(&mut self, file: &Path, env: &Env) -> Result<()> {
        if let Some(root) = file.parent().and_then(Path::parent) {
            for file in [&root.join(LOADER_FILE), file] {
                if let Some(outside) = leads_out(file, root, &self.allow_links_to) {
                    return Err(leads_out_error("settings", file, &outside));
                }
            }
        }
        let own = self.hosts.host_url_settings().map(str::to_owned);
        for (key, value, file) in project_values(file)? {
            self.set_from_project(key, value, env, &file)?;
        }
        let named_by_user = self
            .hosts
            .host_url_settings()
            .iter()
            .zip(&own)
            .map(|(is, was)| *is == was.as_str())
            .collect::<Vec<_>>();
        if let [github, gitlab, bitbucket, npm] = named_by_user[..] {
            self.hosts.named_by_user = NamedByUser { github, gitlab, bitbucket, npm };
        }
        Ok(())
    }

    /// One value of a project's file, as far as it is the project's to say.
    fn set_from_project(&mut self, key: Key, value: Value, env: &Env, file: &Path) -> Result<()> {
        let refused = |what: &str| error!(Usage, "`{}` in `{}` {what}", key.name(), file.display());
        if value.texts().iter().any(|text| text.contains("${")) {
            return Err(refused("uses an environment variable")
                .hint("a project could send your variables anywhere: write the value out, or set it in your own settings"));
        }
        match key.rule().project {
            Project::May if key == Key::Registries => {
                if let Value::Registries(all) = value {
                    self.add_registries_of_project(all, &file.display().to_string());
                }
            }
            Project::May => self.set_value_of(key, value, env),
            Project::Inside => {
                if value.texts().iter().any(|path| !stays_inside(path)) {
                    return Err(refused("is outside the project, or inside its `.git`")
                        .hint("write a path inside the project; other folders are for your own settings"));
                }
                self.set_value_of(key, value, env);
            }
            Project::Narrows => {
                if key == Key::ScanSources && value.texts().iter().any(|path| !stays_inside(path)) {
                    return Err(refused("names a folder outside the project, or inside its `.git`")
                        .hint("write a path inside the project; other folders are for your own settings"));
                }
                let (before, wanted) = (self.clone(), value.clone());
                match key.path().first() {
                    Some(&"skills") => self.set_value_of(key, value, env),
                    _ => self.add_from_project(key, value),
                }
                if !self.is_narrower(&before) {
                    *self = before;
                    self.ignored.push(format!(
                        "`{}: {wanted}` in `{}` goes beyond your own setting and is ignored",
                        key.name(),
                        file.display()
                    ));
                }
            }
            Project::Never => {
                return Err(refused("cannot be set by a project").hint(format!(
                    "put `{}` into your own settings; `ba-agent doctor --global --verbose` names their folder",
                    key.name()
                )));
            }
        }
        Ok(())
    }

    /// True when no limit is higher than before and no demand was dropped.
    fn is_narrower(&self, before: &Self) -> bool {
        let Limits { download, pack, unpacked, file, entries, skill_files, depth, manifest, frontmatter } =
            &self.limits;
        let was = &before.limits;
        *download <= was.download
            && *pack <= was.pack
            && *unpacked <= was.unpacked
            && *file <= was.file
            && *entries <= was.entries
            && *skill_files <= was.skill_files
            && *depth <= was.depth
            && *manifest <= was.manifest
            && *frontmatter <= was.frontmatter
            && self.minimum_release_age >= before.minimum_release_age
            && self.hosts.require_reachable >= before.hosts.require_reachable
            && self.has_narrower_sections(before)
    }

    /// Sets a value of the kind that [`Section::into_values`] gives the key.
    fn set_value_of(&mut self, key: Key, value: Value, env: &Env) {
        if key.path().first() != Some(&"skills") {
            return self.set_section_value(key, value);
        }
        match value {
            Value::Text(text) => self.set_text(key, text, env),
            Value::List(list) => match key {
                Key::AllowLinksTo => {
                    self.allow_links_to = list.iter().map(|path| env.absolute(Path::new(path))).collect();
                }
                _ => self.agents = list,
            },
            Value::Size(size) => self.set_size(key, size),
            Value::Flag(flag) => match key {
                Key::AllowHttp => self.hosts.allow_http = flag,
                _ => self.hosts.require_reachable = flag,
            },
            Value::Ratio(_) | Value::Sources(_) | Value::Permissions(_) | Value::Registries(_) => {}
        }
    }

    fn set_text(&mut self, key: Key, text: String, env: &Env) {
        let url = |text: &str| text.trim_end_matches('/').to_owned();
        // A variable that is not set is no token.
        let token = |text: String, slot: &mut Option<Secret>| {
            if !text.is_empty() {
                *slot = Some(Secret::new(text));
            }
        };
        match key {
            Key::InstallDir => self.install_dir = Some(text),
            Key::Registry => self.registry = Some(text),
            Key::GithubUrl => self.hosts.github_url = url(&text),
            Key::GitlabUrl => self.hosts.gitlab_url = url(&text),
            Key::BitbucketUrl => self.hosts.bitbucket_url = url(&text),
            Key::NpmUrl => self.hosts.npm_url = url(&text),
            Key::CaFile => self.hosts.ca_file = Some(env.absolute(Path::new(&text))),
            Key::GithubToken => token(text, &mut self.hosts.github_token),
            Key::GitlabToken => token(text, &mut self.hosts.gitlab_token),
            Key::BitbucketToken => token(text, &mut self.hosts.bitbucket_token),
            _ => {}
        }
    }

    fn set_size(&mut self, key: Key, size: u64) {
        let limits = &mut self.limits;
        let count = usize::try_from(size).unwrap_or(usize::MAX);
        match key {
            Key::CacheLimit => self.cache_limit = size,
            Key::LimitDownload => limits.download = size,
            Key::LimitPack => limits.pack = size,
            Key::LimitUnpacked => limits.unpacked = size,
            Key::LimitFile => limits.file = size,
            Key::LimitEntries => limits.entries = count,
            Key::LimitSkillFiles => limits.skill_files = count,
            Key::LimitDepth => limits.depth = count,
            Key::LimitManifest => limits.manifest = size,
            Key::LimitFrontmatter => limits.frontmatter = size,
            _ => {}
        }
    }

    fn merge_environment(&mut self, env: &Env) {
        let hosts = &mut self.hosts;
        let named = &mut hosts.named_by_user;
        for (variable, slot, named_by_user) in [
            ("BA_AGENT_GITHUB_URL", &mut hosts.github_url, &mut named.github),
            ("BA_AGENT_GITLAB_URL", &mut hosts.gitlab_url, &mut named.gitlab),
            ("BA_AGENT_BITBUCKET_URL", &mut hosts.bitbucket_url, &mut named.bitbucket),
            ("BA_AGENT_NPM_URL", &mut hosts.npm_url, &mut named.npm),
        ] {
            if let Some(value) = env.var(variable) {
                *slot = value.trim_end_matches('/').to_owned();
                *named_by_user = true;
            }
        }
        for (variables, slot, may_send) in [
            (&["GITHUB_TOKEN", "GH_TOKEN"][..], &mut hosts.github_token, named.github),
            (&["GITLAB_TOKEN"][..], &mut hosts.gitlab_token, named.gitlab),
            (&["BITBUCKET_TOKEN"][..], &mut hosts.bitbucket_token, named.bitbucket),
        ] {
            let found = variables.iter().find_map(|name| env.var(name)).map(Secret::new);
            *slot = slot.take().or(found).filter(|_| may_send);
        }
    }
}

/// The name of each key, and what it is for.
pub(crate) fn describe_keys() -> impl Iterator<Item = (&'static str, &'static str)> {
    Key::ALL.iter().map(|key| (key.name(), key.rule().about))
}

/// The largest settings file that is read.
const LARGEST: u64 = 1 << 20;

/// Beside `.ba-agent/`, what the loaders of other programs read: the sections `loader:`,
/// `runtime:` and `monitoring:` alone. The project's own settings go before it.
const LOADER_FILE: &str = "claude-skills-loader-config.yaml";

/// What the two files of a project say, by the file; of one key the later counts.
///
/// # Errors
/// Those of [`read`].
fn project_values(file: &Path) -> Result<Vec<(Key, Value, PathBuf)>> {
    let mut values = Vec::new();
    if let Some(beside) = file.parent().and_then(Path::parent).map(|root| root.join(LOADER_FILE))
        && let Some(text) = read_text(&beside)?
    {
        let sections: RuntimeSections = parse(&text, &beside)?;
        values.extend(sections.into_values().into_iter().map(|(key, value)| (key, value, beside.clone())));
    }
    if let Some(document) = read(file)? {
        let own = document.into_values()?;
        values.retain(|(key, ..)| !own.iter().any(|(known, _)| known == key));
        values.extend(own.into_iter().map(|(key, value)| (key, value, file.to_path_buf())));
    }
    Ok(values)
}

/// Names the files that say something of the loader, to an error about all of that together.
fn name_loader_files(error: Error, user: Option<&Path>, project: Option<&Path>) -> Error {
    let of_user = user.and_then(|file| Some((file, read(file).ok()??.into_values().ok()?)));
    let of_user = of_user.map(|(file, values)| {
        values.into_iter().map(|(key, value)| (key, value, file.to_path_buf())).collect::<Vec<_>>()
    });
    let of_project = project.and_then(|file| project_values(file).ok());
    let values = [of_user, of_project].into_iter().flatten().flatten();
    let files: std::collections::BTreeSet<PathBuf> =
        values.filter(|(key, ..)| key.path().first() == Some(&"loader")).map(|(.., file)| file).collect();
    files.iter().fold(error, |error, file| error.cause(format!("`{}` says so", file.display())))
}

/// The document of a file; nothing where there is none.
fn read(file: &Path) -> Result<Option<Document>> {
    read_text(file)?.map(|text| parse(&text, file)).transpose()
}

fn read_text(file: &Path) -> Result<Option<String>> {
    let Some(bytes) = fsx::read_plain_file(file, LARGEST)? else { return Ok(None) };
    let text = String::from_utf8(bytes)
        .map_err(|e| error!(Usage, "the settings in `{}` are not UTF-8", file.display()).cause(e))?;
    Ok(Some(text))
}

/// True for a relative path to something below the project that is not its repository.
pub(crate) fn stays_inside(path: &str) -> bool {
    use std::path::Component;
    let is_below = |c: &Component<'_>| match c {
        Component::CurDir => true,
        Component::Normal(name) => !name.eq_ignore_ascii_case(".git"),
        _ => false,
    };
    let mut parts = Path::new(path).components().peekable();
    parts.clone().any(|c| c != Component::CurDir)
        && parts.all(|c| is_below(&c))
        && !path.starts_with('~')
        && !path.contains(['\\', '$'])
}

/// Where `path` really is, if that is neither in `root` nor in one of the folders that the
/// user allows, or in a repository's `.git`, whose hooks are run.
pub(crate) fn leads_out(path: &Path, root: &Path, allowed: &[PathBuf]) -> Option<PathBuf> {
    let real = fsx::real_path(path);
    let is_below = |folder: &Path| {
        let below = real.strip_prefix(fsx::real_path(folder)).ok();
        below.is_some_and(|below| !below.iter().any(|name| name.eq_ignore_ascii_case(".git")))
    };
    (!is_below(root) && !allowed.iter().any(|folder| is_below(folder))).then_some(real)
}

/// The error for a file or folder of a project that is somewhere else in truth.
pub(crate) fn leads_out_error(what: &str, path: &Path, outside: &Path) -> Error {
    error!(Usage, "the {what} `{}` of the project is outside it", path.display())
        .cause(format!("without links it is `{}`", printable(&outside.to_string_lossy(), false)))
        .hint("such a link could make a project change any of your files: remove it")
        .hint("if you trust it, name the folder it leads to under `skills: allow_links_to:` in your own settings")
}

fn parse<T: Default + serde::de::DeserializeOwned>(text: &str, file: &Path) -> Result<T> {
    if text.lines().all(|line| line.trim().is_empty() || line.trim_start().starts_with('#')) {
        return Ok(T::default());
    }
    serde_yaml::from_str(text).map_err(|e| {
        error!(Usage, "the settings in `{}` cannot be used", file.display())
            .cause(e)
            .hint("fix the line above, or delete it; all keys are optional")
    })
}

/// Any text as the settings of a project: no variable of the user is expanded, nothing is
/// wider than before, and nothing that is the user's alone is set.
#[cfg(any(test, fuzzing))]
pub fn check_any(data: &[u8]) {
    const SECRET: &str = "value-of-the-users-variable";
    let Ok(text) = std::str::from_utf8(data) else { return };
    let env = Env::isolated(Path::new("/nowhere"), &[("TOKEN", SECRET), ("HOME", SECRET)]);
    let file = Path::new("/nowhere/project/.ba-agent/config.yaml");
    let Ok(values) = parse(text, file).and_then(Document::into_values) else { return };
    let before = Settings::default();
    let mut settings = before.clone();
    for (key, value) in values {
        if settings.set_from_project(key, value, &env, file).is_err() {
            return;
        }
    }
    assert!(settings.is_narrower(&before));
    assert!(!format!("{settings:?}").contains(SECRET) || text.contains(SECRET));
    assert_eq!(settings.cache_limit, before.cache_limit);
    assert!(
        settings.allow_links_to.is_empty() && settings.hosts.ca_file.is_none() && !settings.hosts.allow_http
    );
    for token in [&settings.hosts.github_token, &settings.hosts.gitlab_token, &settings.hosts.bitbucket_token]
    {
        assert!(token.is_none());
    }
    for path in settings.install_dir.iter().chain(&settings.registry) {
        assert!(stays_inside(path));
    }
}

#[cfg(test)]
mod tests {
    use super::keys::ValueKind;
    use super::*;
    use ba_agent_core::error::Kind;

    fn load(user: &str, project: &str, variables: &[(&str, &str)]) -> Result<Settings> {
        let dir = tempfile::tempdir().unwrap();
        let env = Env::isolated(dir.path(), variables);
        let (a, b) = (dir.path().join("user.yaml"), dir.path().join("project.yaml"));
        std::fs::write(&a, user).unwrap();
        std::fs::write(&b, project).unwrap();
        Settings::load(&env, Some(&a), Some(&b))
    }

    #[test]
    fn the_project_goes_before_the_user_and_the_environment_before_both() {
        let settings = load(
            "skills:\n  install_dir: a\n  cache_limit: 2 MiB\n  limits:\n    file: 1kB\n",
            "skills:\n  install_dir: b\n  agents: [cursor]\n",
            &[("BA_AGENT_GITHUB_URL", "http://127.0.0.1:9/")],
        )
        .unwrap();
        assert_eq!(settings.install_dir.as_deref(), Some("b"));
        assert_eq!((settings.cache_limit, settings.limits.file), (2 << 20, 1000));
        assert_eq!(settings.hosts.github_url, "http://127.0.0.1:9");
        assert_eq!(settings.agents, ["cursor"]);
    }

    #[test]
    fn a_project_cannot_send_a_token_or_a_variable_anywhere() {
        let token = [("GITHUB_TOKEN", "canary"), ("SECRET", "canary")];
        let evil = "skills:\n  github_url: https://evil.example\n";
        assert_eq!(load("", evil, &token).unwrap().hosts.github_token, None);
        assert!(load(evil, "", &token).unwrap().hosts.github_token.is_some(), "the user's own word");
        assert!(load(evil, evil, &token).unwrap().hosts.github_token.is_some(), "the project says the same");
        assert!(load("", "", &token).unwrap().hosts.github_token.is_some());
        for project in [
            "skills:\n  github_url: https://evil.example/${SECRET}\n",
            "skills:\n  install_dir: ../../x\n",
            "skills:\n  install_dir: /etc\n",
            "skills:\n  install_dir: ~/x\n",
            "skills:\n  install_dir: ${HOME}/x\n",
            "skills:\n  install_dir: .git/hooks\n",
            "skills:\n  install_dir: a/.GIT/x\n",
            "skills:\n  install_dir: ''\n",
            "skills:\n  install_dir: .\n",
            "skills:\n  registry: ../x.json\n",
            "skills:\n  registry: .git/hooks/post-checkout\n",
            "skills:\n  npm_url: https://evil.example/${SECRET}\n",
            "skills:\n  agents: ['./${SECRET}']\n",
            "skills:\n  cache_limit: 1\n",
            "skills:\n  allow_links_to: [/]\n",
            "skills:\n  auth:\n    github_token: x\n",
            "skills:\n  auth:\n    github_token: ${GITHUB_TOKEN}\n",
            "skills:\n  allow_http: true\n",
            "skills:\n  ca_file: evil.pem\n",
        ] {
            assert_eq!(load("", project, &token).unwrap_err().kind, Kind::Usage, "{project}");
        }
    }

    /// Of every key that there is: a project's value counts as the table says, and no variable
    /// of the user's is in what comes out.
    #[test]
    fn a_project_sets_what_the_table_lets_it() {
        let write = |key: Key, text: &str| {
            let path = key.path();
            let lines =
                path.iter().enumerate().map(|(depth, part)| format!("\n{}{part}:", "  ".repeat(depth)));
            format!("{} {text}\n", lines.collect::<String>())
        };
        let values = |key: Key| match key.kind() {
            ValueKind::List if key == Key::DefaultAllow => ["[file_read]", "['./${SECRET}']"],
            ValueKind::List => ["[./a]", "['./${SECRET}']"],
            ValueKind::Flag => ["true", "'${SECRET}'"],
            ValueKind::Bytes => ["1", "'${SECRET}'"],
            ValueKind::Count => ["1000", "'${SECRET}'"],
            ValueKind::Ratio => ["0.1", "'${SECRET}'"],
            ValueKind::Choice(words) => [words[0], "'${SECRET}'"],
            ValueKind::Sources => ["[{path: ./a}]", "[{path: './${SECRET}'}]"],
            ValueKind::Permissions => ["{x: {allowed_tools: [Read]}}", "{x: {allowed_tools: ['${SECRET}']}}"],
            ValueKind::Text => ["./a", "./${SECRET}/a"],
            ValueKind::Registries => ["{x: {url: 'https://x'}}", "{x: {url: 'https://${SECRET}'}}"],
            ValueKind::Age => ["1h", "'${SECRET}'"],
        };
        let secret = [("SECRET", "canary"), ("GITHUB_TOKEN", "canary")];
        for key in Key::ALL {
            let [plain, variable] = values(*key);
            let may = key.rule().project != Project::Never;
            assert_eq!(load("", &write(*key, plain), &secret).is_ok(), may, "{}", key.name());
            assert!(load("", &write(*key, variable), &secret).is_err(), "{}", key.name());
            let own = load(&write(*key, variable), "", &secret);
            if key.rule().expands {
                assert!(own.is_ok(), "{}", key.name());
            }
            if key.rule().project == Project::Narrows && key.name().starts_with("limits.") {
                let (low, high) = (write(*key, "10"), write(*key, "1000000000"));
                let limits = |user: &str, project: &str| load(user, project, &[]).unwrap();
                assert_eq!(limits(&low, &high).limits, limits(&low, "").limits, "{}", key.name());
                assert_eq!(limits(&low, &high).ignored.len(), 1, "{}", key.name());
                assert_eq!(limits(&high, &low).limits, limits("", &low).limits, "{}", key.name());
            }
        }
        let reachable = |user: &str, project: &str| load(user, project, &[]).unwrap().hosts.require_reachable;
        let (on, off) = (write(Key::RequireReachable, "true"), write(Key::RequireReachable, "false"));
        assert!(reachable(&on, &off) && reachable("", &on) && reachable(&off, &on) && !reachable(&off, &off));
    }

    #[test]
    fn hosts_of_a_project_are_known() {
        let evil = "skills:\n  npm_url: https://n.example\n  gitlab_url: https://g.example/\n";
        let of = |user: &str, project: &str, vars: &[(&str, &str)]| {
            let settings = load(user, project, vars).unwrap();
            settings.hosts.urls_of_project().into_iter().map(str::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(of("", evil, &[]), ["https://g.example", "https://n.example"]);
        assert_eq!(of(evil, evil, &[]), Vec::<String>::new());
        assert_eq!(of("", evil, &[("BA_AGENT_NPM_URL", "https://x.example")]), ["https://g.example"]);
    }

    #[cfg(unix)]
    #[test]
    fn settings_of_a_project_that_lead_out_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let env = Env::isolated(dir.path(), &[]);
        let file = dir.path().join("p/.ba-agent/config.yaml");
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        let outside = dir.path().join("outside.yaml");
        std::fs::write(&outside, "skills:\n  agents: [cursor]\n").unwrap();
        std::os::unix::fs::symlink(&outside, &file).unwrap();
        let error = Settings::load(&env, None, Some(&file)).unwrap_err();
        assert!(error.kind == Kind::Usage && error.hints[1].contains("allow_links_to"), "{error:?}");
        let user = dir.path().join("user.yaml");
        std::fs::write(&user, format!("skills:\n  allow_links_to: ['{}']\n", dir.path().display())).unwrap();
        assert_eq!(Settings::load(&env, Some(&user), Some(&file)).unwrap().agents, ["cursor"]);
        std::fs::remove_file(&file).unwrap();
        std::process::Command::new("mkfifo").arg(&file).status().unwrap();
        assert_eq!(Settings::load(&env, None, Some(&file)).unwrap_err().kind, Kind::Conflict);
    }

    #[test]
    fn what_is_not_understood_is_an_error_that_names_the_line() {
        for (text, words) in [
            ("skills:\n  instal_dir: x\n", "line 2"),
            ("skills: [", "line"),
            ("skills:\n  cache_limit: lots\n", "not a valid size"),
            ("skills:\n  limits:\n    fil: 1\n", "unknown limit"),
            ("skills:\n  agents: cursor\n", "line"),
            ("loader:\n  formt: plain\n", "line 2"),
            ("loader:\n  format: html\n", "expected plain, xml, list, brackets, found `html`"),
            ("loader:\n  context_budget:\n    metadata_ratio: 1.2\n", "line 3"),
            ("loader:\n  context_budget: {metadata_ratio: 0.9}\n", "shares of `loader.context_budget`"),
            ("loader:\n  context_budget: {total_chars: 199}\n", "expected 200 or more"),
            ("loader:\n  scan_sources: [{priority: 3}]\n", "path"),
            ("loader:\n  dependency:\n    cyclic_dependency_action: ignore\n", "line 3"),
            ("runtime:\n  skill_permissions:\n    x: {allowed: [Read]}\n", "line 3"),
            ("monitoring:\n  usage_log: 3\n", "line 2"),
        ] {
            let error = load(text, "", &[]).unwrap_err();
            let said = format!("{} {:?}", error.message, error.causes);
            assert!(error.kind == Kind::Usage && said.contains(words), "{text}: {said}");
        }
        assert!(load("# nothing\n\n", "", &[]).is_ok());
    }

    /// What a project may say of what agents see and do: never more than its user allows.
    #[test]
    fn a_project_narrows_what_skills_may_and_never_widens_it() {
        let user = "runtime:\n  permissions: {default_allow: [file_read], require_approval: [shell_exec]}\n  \
                    skill_permissions: {pdf: {allowed_tools: [Read], forbidden_operations: [rm]}}\n";
        let with = |project: &str| load(user, project, &[]).unwrap();
        let more = with(
            "runtime:\n  permissions: {require_approval: [http_get]}\n  \
                         skill_permissions: {pdf: {allowed_tools: [Bash], forbidden_operations: [dd]}, x: {allowed_tools: [Bash]}}\n",
        );
        assert_eq!(more.runtime.permissions.require_approval, ["shell_exec", "http_get"]);
        let pdf = &more.runtime.skill_permissions["pdf"];
        assert_eq!(pdf.allowed_tools.as_deref(), Some(&["Read".to_owned()][..]));
        assert_eq!(pdf.narrowed_to.as_deref(), Some(&["Bash".to_owned()][..]));
        assert_eq!(pdf.forbidden_operations, ["rm", "dd"]);
        assert_eq!(more.runtime.skill_permissions["x"].allowed_tools, None);
        assert!(more.ignored.is_empty(), "{:?}", more.ignored);
        for wider in [
            "runtime: {permissions: {default_allow: [file_read, shell_exec]}}",
            "loader: {project_skill_override_threshold: 0.1}",
            "loader: {context_budget: {total_chars: 90000}}",
            "loader: {keep_versions: 400}",
            "runtime: {hook: {limit: 50}}",
            "runtime: {hot_swap: {watch_interval: 1}}",
        ] {
            let settings = with(wider);
            assert_eq!(settings.ignored.len(), 1, "{wider}");
            assert_eq!(
                (settings.loader, settings.runtime),
                (LoaderSettings::default(), load(user, "", &[]).unwrap().runtime),
                "{wider}"
            );
        }
        assert_eq!(
            load("", "loader: {dependency: {allow_sources: [x]}}", &[]).unwrap_err().kind,
            Kind::Usage
        );
        assert!(
            load("monitoring: {usage_log: false}", "monitoring: {usage_log: true}", &[])
                .unwrap()
                .ignored
                .len()
                == 1
        );
    }

    #[test]
    fn a_project_names_folders_of_its_own_and_puts_none_before_its_users() {
        let sources = |user: &str, project: &str| load(user, project, &[]).map(|all| all.loader.scan_sources);
        let all =
            sources("", "loader: {scan_sources: [{path: ./team/skills, priority: 900, recursive: true}]}")
                .unwrap();
        assert_eq!((all.len(), all[3].priority, all[3].of_project), (4, 80, true));
        for outside in ["/etc", "~/x", "../x", "a/../../x", ".git/x"] {
            let text = format!("loader: {{scan_sources: [{{path: '{outside}'}}]}}");
            assert_eq!(sources("", &text).unwrap_err().kind, Kind::Usage, "{outside}");
        }
        let own = sources(
            "loader: {scan_sources: [{path: ~/.claude/skills, priority: 10}, {path: /opt/skills}]}",
            "",
        );
        let own = own.unwrap();
        assert_eq!((own.len(), own[0].priority, own[3].path.as_str()), (4, 10, "/opt/skills"));
    }

    #[test]
    fn the_file_that_other_loaders_read_has_the_three_sections_and_goes_below_the_own() {
        let dir = tempfile::tempdir().unwrap();
        let env = Env::isolated(dir.path(), &[]);
        let file = dir.path().join("p/.ba-agent/config.yaml");
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        let beside = dir.path().join("p").join(LOADER_FILE);
        std::fs::write(&beside, "loader:\n  format: xml\n  context_budget: {buffer_ratio: 0.2}\n").unwrap();
        std::fs::write(&file, "loader:\n  format: list\n").unwrap();
        let settings = Settings::load(&env, None, Some(&file)).unwrap();
        assert_eq!(settings.loader.format, "list");
        assert!((settings.loader.context_budget.buffer_ratio - 0.2).abs() < 1e-9);
        std::fs::write(&beside, "skills:\n  agents: [cursor]\n").unwrap();
        let error = Settings::load(&env, None, Some(&file)).unwrap_err();
        assert!(error.kind == Kind::Usage && error.message.contains(LOADER_FILE), "{error:?}");
    }

    #[test]
    fn a_secret_says_nothing_of_itself() {
        let settings = load("", "", &[("GITHUB_TOKEN", "canary")]).unwrap();
        assert!(!format!("{settings:?}").contains("canary"));
    }
}
