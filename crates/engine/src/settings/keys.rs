//! The table of settings: of each key who may set it, whether `${VAR}` expands in it, what it
//! is for. The README's table is checked against this one.

use std::collections::BTreeMap;
use std::fmt;

use super::remote_registries::RegistrySections;
use super::runtime::{ScanSource, SkillPermissions};
use ba_agent_core::error::{Result, error, printable};
use ba_agent_system::env::Env;

/// What a project's file may say of a key. It comes from whoever wrote the project.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Project {
    /// Anything.
    May,
    /// A path inside the project.
    Inside,
    /// What is narrower than the user's own: a lower limit, a demand more.
    Narrows,
    /// Nothing: it is the user's.
    Never,
}

/// One row of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rule {
    pub(super) project: Project,
    /// Whether `${VAR}` takes the environment's value, in the user's own file. In a project's
    /// it never does.
    pub(super) expands: bool,
    /// The default, as the README shows it.
    pub(super) default: &'static str,
    pub(super) about: &'static str,
}

macro_rules! keys {
    ($($key:ident $name:literal $project:ident $expands:literal $default:literal $about:literal;)+) => {
        /// A setting.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub(super) enum Key { $($key),+ }

        impl Key {
            pub(super) const ALL: &[Self] = &[$(Self::$key),+];

            /// As it is written: below `skills:`, or with the name of its own section.
            pub(super) fn name(self) -> &'static str {
                match self { $(Self::$key => $name),+ }
            }

            pub(super) fn rule(self) -> Rule {
                match self {
                    $(Self::$key => Rule {
                        project: Project::$project, expands: $expands, default: $default, about: $about,
                    }),+
                }
            }

            /// The limit of this name.
            ///
            /// # Errors
            /// `Usage` where there is none.
            pub(super) fn of_limit(name: &str) -> Result<Self> {
                let limits = [$((Self::$key, $name)),+].into_iter();
                let mut limits = limits.filter_map(|(key, name)| Some((key, name.strip_prefix("limits.")?)));
                let names: Vec<&str> = limits.clone().map(|(_, name)| name).collect();
                limits.find(|(_, limit)| *limit == name).map(|(key, _)| key).ok_or_else(|| {
                    error!(Usage, "unknown limit `{}`", printable(name, false))
                        .hint(format!("the limits are {}", names.join(", ")))
                })
            }
        }
    };
}

keys! {
    InstallDir "install_dir" Inside true "`.claude/skills`" "skill folder of the default target";
    Registry "registry" Inside true "`config/skills_registry.json`" "the registry file";
    Agents "agents" May false "`[claude-code]`" "default targets";
    AllowLinksTo "allow_links_to" Never true "`[]`" "folders outside a project that its links may point at";
    CacheLimit "cache_limit" Never false "`1GiB`" "size of the cache, for all projects";
    GithubUrl "github_url" May true "`https://github.com`" "GitHub Enterprise; a host that a project names gets no token";
    GitlabUrl "gitlab_url" May true "`https://gitlab.com`" "the same for GitLab";
    BitbucketUrl "bitbucket_url" May true "`https://bitbucket.org`" "the same for Bitbucket";
    NpmUrl "npm_url" May true "`https://registry.npmjs.org`" "npm registry of marketplace entries that name none";
    AllowHttp "allow_http" Never false "`false`" "plain http to hosts other than this machine";
    CaFile "ca_file" Never true "–" "PEM file of additional certificate authorities";
    RequireReachable "require_reachable" Narrows false "`false`" "refuse commits that no branch or tag contains";
    GithubToken "auth.github_token" Never true "`${GITHUB_TOKEN}`, `${GH_TOKEN}`" "sent only to `github_url`";
    GitlabToken "auth.gitlab_token" Never true "`${GITLAB_TOKEN}`" "sent only to `gitlab_url`";
    BitbucketToken "auth.bitbucket_token" Never true "`${BITBUCKET_TOKEN}`" "sent only to `bitbucket_url`";
    LimitDownload "limits.download" Narrows false "`64MiB`" "an archive or manifest that is downloaded or read";
    LimitPack "limits.pack" Narrows false "`256MiB`" "what a git host sends at once";
    LimitUnpacked "limits.unpacked" Narrows false "`64MiB`" "an unpacked archive, or one skill";
    LimitFile "limits.file" Narrows false "`16MiB`" "one file";
    LimitEntries "limits.entries" Narrows false "`20000`" "entries of an archive";
    LimitSkillFiles "limits.skill_files" Narrows false "`2000`" "files of one skill";
    LimitDepth "limits.depth" Narrows false "`32`" "folders above a file inside a skill or archive";
    LimitManifest "limits.manifest" Narrows false "`1MiB`" "a `SKILL.md`";
    LimitFrontmatter "limits.frontmatter" Narrows false "`64KiB`" "the frontmatter in it";
    ScanSources "loader.scan_sources" Narrows true "`~/.claude/skills`, `./.claude/skills`, `plugins/*/skills`" "folders of skills besides these, each with `path`, `priority`, `recursive`, `watch_enabled`; or another priority for one of these";
    OverrideThreshold "loader.project_skill_override_threshold" Narrows false "`0.8`" "share of equal lines from which a project's skill stands for yours of the same name";
    ContextFormat "loader.format" May false "`plain`" "how skills are listed: `plain`, `xml`, `list` or `brackets`";
    MaxWorkers "loader.max_workers" Narrows false "`4`" "threads that read skills";
    CacheTtl "loader.cache_ttl" May false "`300`" "seconds after which a server looks at everything anew; a changed file counts at once";
    BudgetChars "loader.context_budget.total_chars" Narrows false "`15000`" "characters that skills may take of an agent's context";
    BudgetMetadata "loader.context_budget.metadata_ratio" May false "`0.4`" "share of it for the list of skills";
    BudgetActive "loader.context_budget.active_content_ratio" May false "`0.3`" "share of it for active skills";
    BudgetBuffer "loader.context_budget.buffer_ratio" May false "`0.1`" "share of it that stays free";
    MaxActive "loader.context_budget.max_active" Narrows false "`3`" "skills that are active at once";
    MinDescription "loader.context_budget.min_description_chars" May false "`60`" "shorter than that no description is cut; names are listed instead";
    ResolutionTimeout "loader.dependency.resolution_timeout" Narrows false "`5000`" "milliseconds for resolving dependencies, with what is fetched";
    CyclicAction "loader.dependency.cyclic_dependency_action" Narrows false "`warn_and_sort`" "skills that need each other: `warn_and_sort` or `fail_fast`";
    AllowSources "loader.dependency.allow_sources" Never false "`[]`" "repositories that dependencies may come from without a question";
    KeepVersions "loader.keep_versions" Narrows false "`3`" "versions of a skill that are kept beside the active one";
    HotSwapEnabled "runtime.hot_swap.enabled" Narrows false "`true`" "whether a running server takes over changed skills";
    WatchInterval "runtime.hot_swap.watch_interval" Narrows false "`2000`" "milliseconds between two looks";
    VersionOverlap "runtime.hot_swap.version_overlap" Narrows false "`300`" "seconds for which sessions still get the version that they began with";
    MaxRollbacks "runtime.hot_swap.max_rollbacks" Narrows false "`3`" "broken versions in a row after which a skill is no longer offered";
    DefaultAllow "runtime.permissions.default_allow" Narrows false "`[file_read, http_get]`" "what every active skill may do";
    RequireApproval "runtime.permissions.require_approval" Narrows false "`[shell_exec, database_write]`" "what a person is asked for; a project's come on top of yours";
    SkillPermissions "runtime.skill_permissions" Narrows false "`{}`" "by name of a skill: `allowed_tools`, `forbidden_operations`, `require_approval`, `resource_limits`";
    HookMinScore "runtime.hook.min_score" Narrows false "`0.35`" "score below which the hook names no skill";
    HookConfident "runtime.hook.confident" Narrows false "`0.7`" "score from which it names that skill alone";
    HookLimit "runtime.hook.limit" Narrows false "`3`" "skills that it names at once";
    UsageLog "monitoring.usage_log" Narrows false "`true`" "whether uses of skills are noted, on this machine alone";
    AlertResolution "monitoring.alert_thresholds.dependency_resolution_time" May false "`200`" "milliseconds of resolving from which a warning is given";
    AlertFailures "monitoring.alert_thresholds.skill_load_failure_rate" May false "`0.01`" "the same for the share of skills that do not load";
    AlertDenials "monitoring.alert_thresholds.permission_denial_rate" May false "`0.01`" "the same for the share of operations that are denied";
    Registries "registries" May false "`{}`" "remote registries by name, each with `url`, `scopes`, `mirrors`, `default`, `log_key`; one that a project names gets no token, and no owner that yours has";
    FollowedSkills "follows.skills" Never false "`[]`" "skills of registries that you follow; `skill follow` writes it";
    NotifiedSkills "follows.notify" Never false "`[]`" "those of them of which `outdated` tells what is new";
    MinimumReleaseAge "minimum_release_age" Narrows false "`0`" "how old a version in a registry must be to be taken, such as `24h`, unless it is named exactly";
}

/// What kind of value a key has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ValueKind {
    Text,
    List,
    /// `1GiB`, or a number.
    Bytes,
    Count,
    Flag,
    /// From 0 to 1.
    Ratio,
    /// One of these words.
    Choice(&'static [&'static str]),
    Sources,
    Permissions,
    Registries,
    /// `24h`, or a number of seconds.
    Age,
}

impl Key {
    /// What kind of value it has.
    pub(super) fn kind(self) -> ValueKind {
        match self {
            Self::Agents
            | Self::AllowLinksTo
            | Self::AllowSources
            | Self::FollowedSkills
            | Self::NotifiedSkills
            | Self::DefaultAllow
            | Self::RequireApproval => ValueKind::List,
            Self::AllowHttp | Self::RequireReachable | Self::HotSwapEnabled | Self::UsageLog => {
                ValueKind::Flag
            }
            Self::OverrideThreshold
            | Self::BudgetMetadata
            | Self::BudgetActive
            | Self::BudgetBuffer
            | Self::HookMinScore
            | Self::HookConfident
            | Self::AlertFailures
            | Self::AlertDenials => ValueKind::Ratio,
            Self::MaxWorkers
            | Self::CacheTtl
            | Self::BudgetChars
            | Self::MaxActive
            | Self::MinDescription
            | Self::ResolutionTimeout
            | Self::KeepVersions
            | Self::WatchInterval
            | Self::VersionOverlap
            | Self::MaxRollbacks
            | Self::HookLimit
            | Self::AlertResolution => ValueKind::Count,
            Self::ContextFormat => ValueKind::Choice(FORMATS),
            Self::CyclicAction => ValueKind::Choice(CYCLIC_ACTIONS),
            Self::ScanSources => ValueKind::Sources,
            Self::SkillPermissions => ValueKind::Permissions,
            Self::Registries => ValueKind::Registries,
            Self::MinimumReleaseAge => ValueKind::Age,
            _ if self == Self::CacheLimit || self.name().starts_with("limits.") => ValueKind::Bytes,
            _ => ValueKind::Text,
        }
    }

    /// The keys of the YAML document that lead to it.
    pub(super) fn path(self) -> Vec<&'static str> {
        let is_alone = matches!(self, Self::Registries | Self::MinimumReleaseAge);
        let own = is_alone || SECTIONS.iter().any(|section| self.name().starts_with(section));
        (!own).then_some("skills").into_iter().chain(self.name().split('.')).collect()
    }
}

/// The sections beside `skills:`.
const SECTIONS: [&str; 4] = ["loader.", "runtime.", "monitoring.", "follows."];
/// See [`Key::ContextFormat`].
pub(super) const FORMATS: &[&str] = &["plain", "xml", "list", "brackets"];
/// See [`Key::CyclicAction`].
const CYCLIC_ACTIONS: &[&str] = &["warn_and_sort", "fail_fast"];

/// What a key is set to.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    Text(String),
    List(Vec<String>),
    Size(u64),
    Flag(bool),
    Ratio(f64),
    Sources(Vec<ScanSource>),
    Permissions(BTreeMap<String, SkillPermissions>),
    Registries(RegistrySections),
}

impl Value {
    /// Every text in it.
    pub(super) fn texts(&self) -> Vec<&String> {
        match self {
            Self::Text(text) => vec![text],
            Self::List(list) => list.iter().collect(),
            Self::Sources(sources) => sources.iter().map(|source| &source.path).collect(),
            Self::Permissions(all) => all
                .iter()
                .flat_map(|(name, one)| {
                    let lists = [&one.forbidden_operations, &one.require_approval];
                    let lists = lists.into_iter().chain(&one.allowed_tools).flatten();
                    let limits = &one.resource_limits;
                    let limits = [&limits.max_cpu_time, &limits.max_memory, &limits.max_disk_io];
                    std::iter::once(name).chain(lists).chain(limits.into_iter().flatten())
                })
                .collect(),
            // Its names, addresses and owners were held to their rules when they were read.
            Self::Registries(all) => all.values().filter_map(|one| one.log_key.as_ref()).collect(),
            Self::Size(_) | Self::Flag(_) | Self::Ratio(_) => Vec::new(),
        }
    }

    /// The same with each `${VAR}` replaced by the environment's value.
    ///
    /// # Errors
    /// `Usage` for one without a closing brace.
    pub(super) fn expanded(self, env: &Env) -> Result<Self> {
        Ok(match self {
            Self::Text(text) => Self::Text(expand(&text, env)?),
            Self::List(list) => Self::List(list.iter().map(|text| expand(text, env)).collect::<Result<_>>()?),
            Self::Sources(sources) => Self::Sources(
                sources
                    .into_iter()
                    .map(|source| Ok(ScanSource { path: expand(&source.path, env)?, ..source }))
                    .collect::<Result<_>>()?,
            ),
            other => other,
        })
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.write_str(&printable(text, false)),
            Self::List(list) => write!(f, "[{}]", printable(&list.join(", "), false)),
            Self::Size(size) => write!(f, "{size}"),
            Self::Flag(flag) => write!(f, "{flag}"),
            Self::Ratio(ratio) => write!(f, "{ratio}"),
            Self::Sources(sources) => {
                let paths: Vec<&str> = sources.iter().map(|source| source.path.as_str()).collect();
                write!(f, "[{}]", printable(&paths.join(", "), false))
            }
            Self::Permissions(all) => {
                let names: Vec<&str> = all.keys().map(String::as_str).collect();
                write!(f, "{{{}}}", printable(&names.join(", "), false))
            }
            Self::Registries(all) => {
                let one = |(name, one): (
                    &super::remote_registries::RegistryName,
                    &super::remote_registries::RegistrySection,
                )| { format!("{}: {}", name.as_str(), one.url) };
                write!(f, "{{{}}}", all.iter().map(one).collect::<Vec<_>>().join(", "))
            }
        }
    }
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

/// The variables of our own that are read, with what they are for.
#[cfg(test)]
const VARIABLES: &[(&str, &str)] = &[
    ("BA_AGENT_CONFIG_DIR", "`<config dir>`: your settings, your registry and your marketplaces"),
    ("BA_AGENT_CACHE_DIR", "`<cache dir>`: what was fetched; may be deleted at any time"),
    ("BA_AGENT_DATA_DIR", "`<data dir>`: locks, journals, and the history that `rollback` reads"),
    ("BA_AGENT_LOG_KEY", "the file of the private key that signs the log of a registry of files"),
    ("BA_AGENT_GITHUB_URL", "goes before `github_url`"),
    ("BA_AGENT_GITLAB_URL", "goes before `gitlab_url`"),
    ("BA_AGENT_BITBUCKET_URL", "goes before `bitbucket_url`"),
    ("BA_AGENT_NPM_URL", "goes before `npm_url`"),
    (
        "BA_AGENT_PAGER",
        "goes before `PAGER`: what `skill show` goes through where it does not fit on the screen; `less` without either, `cat` for none",
    ),
    ("BA_AGENT_RELEASES_URL", "where `self version --check` asks for the latest release"),
    (
        "BA_AGENT_TOKEN_",
        "with the name of a registry of your own settings behind it, in capitals and `_` for `-`: the token for it; goes before what `login` has kept",
    ),
    ("BA_AGENT_LOCK_TIMEOUT", "seconds that a command waits for another one; 300"),
    ("BA_AGENT_COMPLETE", "set by the completion scripts of the shells"),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Settings;

    /// The program's README; nothing where this crate stands alone.
    fn read_me() -> Option<String> {
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../README.md")).ok()
    }

    /// A row of the README's table.
    fn row(key: Key) -> String {
        let Rule { project, expands, default, about } = key.rule();
        let project = match project {
            Project::May => "yes",
            Project::Inside => "inside itself",
            Project::Narrows => "only narrower",
            Project::Never => "no",
        };
        let variables = if expands { "yes" } else { "no" };
        format!("| `{}` | {default} | {project} | {variables} | {about} |\n", key.name())
    }

    #[test]
    fn every_setting_stands_in_the_readme() {
        let table: String = Key::ALL.iter().map(|key| row(*key)).collect();
        let Some(text) = read_me() else { return };
        assert!(text.contains(&table), "the README's table of settings must be:\n{table}");
    }

    #[test]
    fn every_variable_stands_in_the_readme() {
        let rows: String =
            VARIABLES.iter().map(|(name, about)| format!("| `{name}` | {about} |\n")).collect();
        let Some(text) = read_me() else { return };
        assert!(text.contains(&rows), "the README's table of variables must be:\n{rows}");
        let root = std::path::Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."));
        let sources = ["src", "crates"].map(|folder| walkdir::WalkDir::new(root.join(folder)));
        // Variables of tests stand in what is said of the tests.
        let is_for_tests = |file: &walkdir::DirEntry| {
            let below = file.path().strip_prefix(root).unwrap_or(file.path());
            below.iter().any(|part| part == "test-support" || part == "tests")
        };
        for file in sources.into_iter().flatten().map(Result::unwrap).filter(|file| !is_for_tests(file)) {
            let Ok(text) = std::fs::read_to_string(file.path()) else { continue };
            for (at, _) in text.match_indices(concat!("\"BA", "_AGENT_")) {
                let is_of_name = |c: char| c.is_ascii_uppercase() || c == '_';
                let name = text[at + 1..].split(|c| !is_of_name(c)).next().unwrap();
                // Faults are for tests of debug builds, the others are read while a release is built.
                let is_ours = ["BA_AGENT_FAULT", "BA_AGENT_COMMIT", "BA_AGENT_TARGET"].contains(&name);
                let is_known = is_ours || VARIABLES.iter().any(|(known, _)| *known == name);
                assert!(is_known, "{name} of {} is in no table", file.path().display());
            }
        }
    }

    /// The schema for editors knows the same keys.
    #[test]
    fn the_schema_has_every_key() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../schemas/settings.schema.json");
        let Ok(text) = std::fs::read_to_string(path) else { return };
        let schema: serde_json::Value = serde_json::from_str(&text).unwrap();
        fn collect(before: &str, one: &serde_json::Value, names: &mut Vec<String>) {
            match one["properties"].as_object() {
                Some(below) => {
                    for (key, one) in below {
                        collect(&format!("{before}.{key}"), one, names);
                    }
                }
                None => names.push(before.trim_start_matches('.').trim_start_matches("skills.").to_owned()),
            }
        }
        let mut names = Vec::new();
        collect("", &schema, &mut names);
        names.sort();
        let mut known: Vec<&str> = Key::ALL.iter().map(|key| key.name()).collect();
        known.sort_unstable();
        assert_eq!(names, known);
    }

    /// The table and the reader name the same keys, and the defaults are what it says.
    #[test]
    fn every_key_can_be_read() {
        let of = |key: Key| {
            let value = match key.kind() {
                ValueKind::Text => "x".to_owned(),
                ValueKind::List => "[x]".to_owned(),
                ValueKind::Bytes | ValueKind::Count | ValueKind::Ratio => "1".to_owned(),
                ValueKind::Flag => "true".to_owned(),
                ValueKind::Choice(words) => words[0].to_owned(),
                ValueKind::Sources => "[{path: x}]".to_owned(),
                ValueKind::Permissions => "{x: {allowed_tools: [Read]}}".to_owned(),
                ValueKind::Registries => "{x: {url: 'https://x'}}".to_owned(),
                ValueKind::Age => "24h".to_owned(),
            };
            let path = key.path();
            let open: String = path.iter().map(|part| format!("{{{part}: ")).collect();
            format!("{open}{value}{}", "}".repeat(path.len()))
        };
        for key in Key::ALL {
            let document: crate::settings::Document = serde_yaml::from_str(&of(*key)).unwrap();
            let values = document.into_values().unwrap();
            assert_eq!(values.iter().map(|(key, _)| *key).collect::<Vec<_>>(), [*key], "{}", of(*key));
        }
        let settings = Settings::default();
        let limits = &settings.limits;
        for (key, value) in [
            (Key::CacheLimit, settings.cache_limit),
            (Key::LimitDownload, limits.download),
            (Key::LimitPack, limits.pack),
            (Key::LimitUnpacked, limits.unpacked),
            (Key::LimitFile, limits.file),
            (Key::LimitEntries, limits.entries as u64),
            (Key::LimitSkillFiles, limits.skill_files as u64),
            (Key::LimitDepth, limits.depth as u64),
            (Key::LimitManifest, limits.manifest),
            (Key::LimitFrontmatter, limits.frontmatter),
        ] {
            let shown = key.rule().default.trim_matches('`');
            assert_eq!(ba_agent_core::text::parse_bytes(shown), Ok(value), "{}", key.name());
        }
        for key in Key::ALL.iter().filter(|key| key.path()[0] != "skills") {
            let shown = key.rule().default.trim_matches('`');
            let said = settings.value_of_section(*key).unwrap().to_string();
            assert!(*key == Key::ScanSources || said == shown, "{}: {said}", key.name());
        }
        for (key, url) in [
            (Key::GithubUrl, &settings.hosts.github_url),
            (Key::GitlabUrl, &settings.hosts.gitlab_url),
            (Key::BitbucketUrl, &settings.hosts.bitbucket_url),
            (Key::NpmUrl, &settings.hosts.npm_url),
        ] {
            assert_eq!(key.rule().default.trim_matches('`'), url, "{}", key.name());
        }
    }
}
