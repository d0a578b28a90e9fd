//! World: `config.yaml`, read strictly: an unknown key is an error that names the line.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use fs_err as fs;
use serde::Deserialize;

use crate::error::{Result, error, printable};
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
    // False where a project named the host: the user's token is not for it.
    github_token_goes: bool,
    gitlab_token_goes: bool,
    bitbucket_token_goes: bool,
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
            github_token_goes: true,
            gitlab_token_goes: true,
            bitbucket_token_goes: true,
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
        bytes(value.as_str().unwrap_or_default()).map(Self)
    }
}

/// Bytes as a person writes them: `1GiB`, `64 MiB`, `500kB` or a plain number.
///
/// # Errors
/// What is wrong with the text, in a sentence.
pub(crate) fn bytes(text: &str) -> Result<u64, String> {
    let text = text.trim();
    let no_size = || format!("`{}` is no size; write for instance 1GiB", printable(text, false));
    let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
    let factor: u64 = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "kb" => 1_000,
        "mb" => 1_000_000,
        "gb" => 1_000_000_000,
        "kib" | "k" => 1 << 10,
        "mib" | "m" => 1 << 20,
        "gib" | "g" => 1 << 30,
        _ => return Err(no_size()),
    };
    let number: u64 = number.parse().map_err(|_| no_size())?;
    number.checked_mul(factor).ok_or_else(|| format!("`{text}` is too large"))
}

impl Settings {
    /// Reads the user's file, then the project's over it, then the environment over both.
    ///
    /// A project's file comes with the project, from whoever wrote it: it may not lead
    /// outside of the project, nor a token or a variable to another host.
    ///
    /// # Errors
    /// `Usage` for a file that is no YAML, has an unknown key or a wrong type, with the
    /// line; for `${VAR}` with no closing brace; for what a project's file may not say.
    pub(crate) fn load(env: &Env, user: Option<&Path>, project: Option<&Path>) -> Result<Self> {
        let mut settings = Self::default();
        if let Some(document) = user.map(read).transpose()?.flatten() {
            settings.merge(document, env)?;
        }
        if let Some(file) = project
            && let Some(document) = read(file)?
        {
            settings.merge_project(document, env, file)?;
        }
        settings.merge_environment(env);
        Ok(settings)
    }

    /// The file of a project, which is not the user's own word.
    fn merge_project(&mut self, document: Document, env: &Env, file: &Path) -> Result<()> {
        let section = &document.skills;
        for (key, value) in [("install_dir", &section.install_dir), ("registry", &section.registry)] {
            if value.as_deref().is_some_and(|path| !stays_inside(path)) {
                return Err(error!(Usage, "`{key}` in `{}` leads out of the project", file.display())
                    .hint("write a path inside the project; other folders are for your own settings"));
            }
        }
        for value in [&section.github_url, &section.gitlab_url, &section.bitbucket_url] {
            if value.as_deref().is_some_and(|url| url.contains("${")) {
                return Err(error!(Usage, "a URL in `{}` takes a variable's value", file.display())
                    .hint("a project could send your variables anywhere: write the URL out"));
            }
        }
        if section.ca_file.is_some() || section.allow_http.is_some() {
            return Err(error!(
                Usage,
                "`ca_file` and `allow_http` in `{}` are not the project's to say",
                file.display()
            )
            .hint("put them into your own settings"));
        }
        let own = (self.github_url.clone(), self.gitlab_url.clone(), self.bitbucket_url.clone());
        self.merge(document, env)?;
        for (was, is, token) in [
            (own.0, &self.github_url, &mut self.github_token_goes),
            (own.1, &self.gitlab_url, &mut self.gitlab_token_goes),
            (own.2, &self.bitbucket_url, &mut self.bitbucket_token_goes),
        ] {
            *token = was == *is;
        }
        Ok(())
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
        for (variable, slot, goes) in [
            ("BA_AGENT_GITHUB_URL", &mut self.github_url, &mut self.github_token_goes),
            ("BA_AGENT_GITLAB_URL", &mut self.gitlab_url, &mut self.gitlab_token_goes),
            ("BA_AGENT_BITBUCKET_URL", &mut self.bitbucket_url, &mut self.bitbucket_token_goes),
        ] {
            if let Some(value) = env.var(variable) {
                *slot = value.trim_end_matches('/').to_owned();
                *goes = true;
            }
        }
        if let Some(value) = env.var("BA_AGENT_NPM_URL") {
            self.npm_url = value.trim_end_matches('/').to_owned();
        }
        for (variables, slot, goes) in [
            (&["GITHUB_TOKEN", "GH_TOKEN"][..], &mut self.github_token, self.github_token_goes),
            (&["GITLAB_TOKEN"][..], &mut self.gitlab_token, self.gitlab_token_goes),
            (&["BITBUCKET_TOKEN"][..], &mut self.bitbucket_token, self.bitbucket_token_goes),
        ] {
            let found = variables.iter().find_map(|name| env.var(name)).map(Secret::new);
            *slot = slot.take().or(found).filter(|_| goes);
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

/// The document of a file; nothing where there is none.
fn read(file: &Path) -> Result<Option<Document>> {
    match fs::read_to_string(file) {
        Ok(text) => parse(&text, file).map(Some),
        Err(e) if matches!(e.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory) => {
            Ok(None)
        }
        Err(e) => Err(e.into()),
    }
}

/// True for a relative path that does not climb.
pub(crate) fn stays_inside(path: &str) -> bool {
    use std::path::Component;
    let climbs = Path::new(path).components().any(|c| !matches!(c, Component::Normal(_) | Component::CurDir));
    !climbs && !path.starts_with('~') && !path.contains(['\\', '$'])
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;

    fn load(user: &str, project: &str, variables: &[(&str, &str)]) -> Result<Settings> {
        let dir = tempfile::tempdir().unwrap();
        let env = Env::for_test(dir.path(), variables);
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
        assert_eq!(settings.github_url, "http://127.0.0.1:9");
        assert_eq!(settings.agents, ["cursor"]);
    }

    #[test]
    fn a_project_cannot_send_a_token_or_a_variable_anywhere() {
        let token = [("GITHUB_TOKEN", "canary"), ("SECRET", "canary")];
        let evil = "skills:\n  github_url: https://evil.example\n";
        assert_eq!(load("", evil, &token).unwrap().github_token, None);
        let with_auth = format!("{evil}  auth:\n    github_token: ${{GITHUB_TOKEN}}\n");
        assert_eq!(load("", &with_auth, &token).unwrap().github_token, None);
        assert!(load(evil, "", &token).unwrap().github_token.is_some(), "the user's own word");
        assert!(load(evil, evil, &token).unwrap().github_token.is_some(), "the project says the same");
        assert!(load("", "", &token).unwrap().github_token.is_some());
        for project in [
            "skills:\n  github_url: https://evil.example/${SECRET}\n",
            "skills:\n  install_dir: ../../x\n",
            "skills:\n  install_dir: /etc\n",
            "skills:\n  install_dir: ~/x\n",
            "skills:\n  install_dir: ${HOME}/x\n",
            "skills:\n  registry: ../x.json\n",
            "skills:\n  allow_http: true\n",
            "skills:\n  ca_file: evil.pem\n",
        ] {
            assert_eq!(load("", project, &token).unwrap_err().kind, Kind::Usage, "{project}");
        }
    }

    #[test]
    fn what_is_not_understood_is_an_error_that_names_the_line() {
        for (text, words) in [
            ("skills:\n  instal_dir: x\n", "line 2"),
            ("skills: [", "line"),
            ("skills:\n  cache_limit: lots\n", "no size"),
            ("skills:\n  limits:\n    fil: 1\n", "no limit named"),
            ("skills:\n  agents: cursor\n", "line"),
        ] {
            let error = load(text, "", &[]).unwrap_err();
            let said = format!("{} {:?}", error.message, error.causes);
            assert!(error.kind == Kind::Usage && said.contains(words), "{text}: {said}");
        }
        assert!(load("# nothing\n\n", "", &[]).is_ok());
    }

    #[test]
    fn a_secret_says_nothing_of_itself() {
        let settings = load("", "", &[("GITHUB_TOKEN", "canary")]).unwrap();
        assert!(!format!("{settings:?}").contains("canary"));
    }
}
