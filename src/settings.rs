//! World: `config.yaml`, read strictly: an unknown key is an error that names the line.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use fs_err as fs;
use serde::Deserialize;

use crate::error::{Result, error};
use crate::layout::Env;
use crate::tree::Limits;

/// A token or password. It has no `Display`, and its `Debug` says nothing, so that it
/// cannot come into a message, a log or a file by accident.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Secret(String);

impl Secret {
    pub(crate) fn new(value: impl Into<String>) -> Self {
        Self(value.into())
    }

    /// The value itself, for the one place that puts it into a request.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// What the user and the project have set; the project's value goes first.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    /// Skill folder of the default target, from the base of the scope.
    pub(crate) install_dir: Option<String>,
    /// Registry file, from the base of the scope.
    pub(crate) registry: Option<String>,
    /// Default targets, by agent name; empty means `claude-code`.
    pub(crate) agents: Vec<String>,
    /// Upper bound of the cache in bytes.
    pub(crate) cache_limit: u64,
    /// Base URLs without a slash at the end; GitHub Enterprise and tests set them.
    pub(crate) github_url: String,
    pub(crate) gitlab_url: String,
    pub(crate) bitbucket_url: String,
    /// The npm registry that entries of marketplaces mean which name none.
    pub(crate) npm_url: String,
    pub(crate) github_token: Option<Secret>,
    pub(crate) gitlab_token: Option<Secret>,
    pub(crate) bitbucket_token: Option<Secret>,
    /// Whether plain http to other hosts than loopback is allowed.
    pub(crate) allow_http: bool,
    /// A PEM file of further certificate authorities.
    pub(crate) ca_file: Option<PathBuf>,
    /// Refuse commits that no branch or tag reaches.
    pub(crate) require_reachable: bool,
    pub(crate) limits: Limits,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            install_dir: None,
            registry: None,
            agents: Vec::new(),
            cache_limit: 1 << 30,
            github_url: "https://github.com".into(),
            gitlab_url: "https://gitlab.com".into(),
            bitbucket_url: "https://bitbucket.org".into(),
            npm_url: "https://registry.npmjs.org".into(),
            github_token: None,
            gitlab_token: None,
            bitbucket_token: None,
            allow_http: false,
            ca_file: None,
            require_reachable: false,
            limits: Limits::default(),
        }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    #[serde(default)]
    skills: Section,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Section {
    install_dir: Option<String>,
    registry: Option<String>,
    agents: Option<Vec<String>>,
    cache_limit: Option<Size>,
    github_url: Option<String>,
    gitlab_url: Option<String>,
    bitbucket_url: Option<String>,
    npm_url: Option<String>,
    allow_http: Option<bool>,
    ca_file: Option<PathBuf>,
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
        let text = value.as_str().unwrap_or_default().trim();
        let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
        let factor: u64 = match unit.trim().to_ascii_lowercase().as_str() {
            "" | "b" => 1,
            "kb" => 1_000,
            "mb" => 1_000_000,
            "gb" => 1_000_000_000,
            "kib" | "k" => 1 << 10,
            "mib" | "m" => 1 << 20,
            "gib" | "g" => 1 << 30,
            _ => return Err(format!("`{text}` is no size; write for instance 1GiB")),
        };
        let number: u64 =
            number.parse().map_err(|_| format!("`{text}` is no size; write for instance 1GiB"))?;
        number.checked_mul(factor).map(Self).ok_or_else(|| format!("`{text}` is too large"))
    }
}

impl Settings {
    /// Reads the user's file, then the project's over it, then the environment over both.
    ///
    /// # Errors
    /// `Usage` for a file that is no YAML, has an unknown key or a wrong type, with the
    /// line; and for `${VAR}` with no closing brace.
    pub(crate) fn load(env: &Env, files: &[PathBuf]) -> Result<Self> {
        let mut settings = Self::default();
        for file in files {
            match fs::read_to_string(file) {
                Ok(text) => settings.merge(parse(&text, file)?, env)?,
                Err(e)
                    if matches!(
                        e.kind(),
                        std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory
                    ) => {}
                Err(e) => return Err(e.into()),
            }
        }
        settings.merge_environment(env);
        Ok(settings)
    }

    fn merge(&mut self, document: Document, env: &Env) -> Result<()> {
        let Section { auth, limits, .. } = &document.skills;
        for (name, size) in limits {
            self.set_limit(name, size.0)?;
        }
        for (token, slot) in [
            (&auth.github_token, &mut self.github_token),
            (&auth.gitlab_token, &mut self.gitlab_token),
            (&auth.bitbucket_token, &mut self.bitbucket_token),
        ] {
            if let Some(text) = token {
                let value = expand(text, env)?;
                *slot = (!value.is_empty()).then(|| Secret::new(value)).or(slot.take());
            }
        }
        let section = document.skills;
        for (value, slot) in
            [(section.install_dir, &mut self.install_dir), (section.registry, &mut self.registry)]
        {
            if let Some(text) = value {
                *slot = Some(expand(&text, env)?);
            }
        }
        for (value, slot) in [
            (section.github_url, &mut self.github_url),
            (section.gitlab_url, &mut self.gitlab_url),
            (section.bitbucket_url, &mut self.bitbucket_url),
            (section.npm_url, &mut self.npm_url),
        ] {
            if let Some(text) = value {
                *slot = expand(&text, env)?.trim_end_matches('/').to_owned();
            }
        }
        self.agents = section.agents.unwrap_or(std::mem::take(&mut self.agents));
        self.cache_limit = section.cache_limit.map_or(self.cache_limit, |size| size.0);
        self.allow_http = section.allow_http.unwrap_or(self.allow_http);
        self.require_reachable = section.require_reachable.unwrap_or(self.require_reachable);
        self.ca_file = section.ca_file.map(|path| env.absolute(&path)).or(self.ca_file.take());
        Ok(())
    }

    fn merge_environment(&mut self, env: &Env) {
        for (variable, slot) in [
            ("BA_AGENT_GITHUB_URL", &mut self.github_url),
            ("BA_AGENT_GITLAB_URL", &mut self.gitlab_url),
            ("BA_AGENT_BITBUCKET_URL", &mut self.bitbucket_url),
            ("BA_AGENT_NPM_URL", &mut self.npm_url),
        ] {
            if let Some(value) = env.var(variable) {
                *slot = value.trim_end_matches('/').to_owned();
            }
        }
        for (variables, slot) in [
            (&["GITHUB_TOKEN", "GH_TOKEN"][..], &mut self.github_token),
            (&["GITLAB_TOKEN"][..], &mut self.gitlab_token),
            (&["BITBUCKET_TOKEN"][..], &mut self.bitbucket_token),
        ] {
            let found = variables.iter().find_map(|name| env.var(name)).map(Secret::new);
            *slot = slot.take().or(found);
        }
        if let Some(path) = env.var("SSL_CERT_FILE") {
            self.ca_file.get_or_insert_with(|| env.absolute(Path::new(path)));
        }
    }

    fn set_limit(&mut self, name: &str, value: u64) -> Result<()> {
        let limits = &mut self.limits;
        let count = usize::try_from(value).unwrap_or(usize::MAX);
        match name {
            "download" => limits.download = value,
            "pack" => limits.pack = value,
            "unpacked" => limits.unpacked = value,
            "file" => limits.file = value,
            "entries" => limits.entries = count,
            "skill_files" => limits.skill_files = count,
            "depth" => limits.depth = count,
            "manifest" => limits.manifest = value,
            "frontmatter" => limits.frontmatter = value,
            _ => {
                return Err(error!(Usage, "there is no limit named `{name}`").hint(
                    "the limits are download, pack, unpacked, file, entries, skill_files, depth, manifest, frontmatter",
                ));
            }
        }
        Ok(())
    }
}

fn parse(text: &str, file: &Path) -> Result<Document> {
    if text.lines().all(|line| line.trim().is_empty() || line.trim_start().starts_with('#')) {
        return Ok(Document::default());
    }
    serde_yaml::from_str(text).map_err(|e| {
        error!(Usage, "the settings in `{}` cannot be used", file.display())
            .cause(e)
            .hint("mend the line that is named, or delete it; every key is optional")
    })
}

/// Replaces each `${VAR}` by the environment's value, nothing where it is not set.
fn expand(text: &str, env: &Env) -> Result<String> {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        let (name, tail) = after.split_once('}').ok_or_else(|| {
            error!(Usage, "a setting has `${{` without a closing brace")
                .hint("write ${NAME} for the value of an environment variable")
        })?;
        out.push_str(before);
        out.push_str(env.var(name).unwrap_or(""));
        rest = tail;
    }
    out.push_str(rest);
    Ok(out)
}
