//! `loader:`, `runtime:` and `monitoring:` as they are written, and what a project's file may
//! change in them.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::Settings;
use super::keys::{FORMATS, Key, Value};
use super::runtime::{CyclicAction, ScanSource, SkillPermissions};
use ba_agent_core::error::{Result, fail, printable};

/// The three sections of a document.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RuntimeSections {
    loader: LoaderSection,
    runtime: RuntimeSection,
    monitoring: MonitoringSection,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct LoaderSection {
    scan_sources: Option<Vec<ScanSource>>,
    project_skill_override_threshold: Option<Ratio>,
    format: Option<FormatName>,
    max_workers: Option<u64>,
    cache_ttl: Option<u64>,
    context_budget: BudgetSection,
    dependency: DependencySection,
    keep_versions: Option<u64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct BudgetSection {
    total_chars: Option<u64>,
    metadata_ratio: Option<Ratio>,
    active_content_ratio: Option<Ratio>,
    buffer_ratio: Option<Ratio>,
    max_active: Option<u64>,
    min_description_chars: Option<u64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct DependencySection {
    resolution_timeout: Option<u64>,
    cyclic_dependency_action: Option<CyclicAction>,
    allow_sources: Option<Vec<String>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RuntimeSection {
    hot_swap: HotSwapSection,
    permissions: PermissionSection,
    skill_permissions: Option<BTreeMap<String, SkillPermissions>>,
    hook: HookSection,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct HotSwapSection {
    enabled: Option<bool>,
    watch_interval: Option<u64>,
    version_overlap: Option<u64>,
    max_rollbacks: Option<u64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct PermissionSection {
    default_allow: Option<Vec<String>>,
    require_approval: Option<Vec<String>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct HookSection {
    min_score: Option<Ratio>,
    confident: Option<Ratio>,
    limit: Option<u64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct MonitoringSection {
    usage_log: Option<bool>,
    alert_thresholds: AlertSection,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct AlertSection {
    dependency_resolution_time: Option<u64>,
    skill_load_failure_rate: Option<Ratio>,
    permission_denial_rate: Option<Ratio>,
}

/// A number from 0 to 1.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(try_from = "f64")]
struct Ratio(f64);

impl TryFrom<f64> for Ratio {
    type Error = String;

    fn try_from(value: f64) -> Result<Self, String> {
        parse_ratio(value).map(Self)
    }
}

/// A number from 0 to 1.
///
/// # Errors
/// What is wrong with it, in a sentence.
pub(super) fn parse_ratio(value: f64) -> Result<f64, String> {
    match (0.0..=1.0).contains(&value) {
        true => Ok(value),
        false => Err(format!("expected a number from 0 to 1, found {value}")),
    }
}

/// A format of the list of skills.
#[derive(Debug, Deserialize)]
#[serde(try_from = "String")]
struct FormatName(String);

impl TryFrom<String> for FormatName {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        match FORMATS.contains(&text.as_str()) {
            true => Ok(Self(text)),
            false => Err(format!("expected {}, found `{}`", FORMATS.join(", "), printable(&text, false))),
        }
    }
}

fn ratio(value: Option<Ratio>) -> Option<Value> {
    value.map(|ratio| Value::Ratio(ratio.0))
}

fn action_name(action: CyclicAction) -> &'static str {
    match action {
        CyclicAction::WarnAndSort => "warn_and_sort",
        CyclicAction::FailFast => "fail_fast",
    }
}

impl RuntimeSections {
    /// The sections of a document that has others too.
    pub(super) fn of(loader: LoaderSection, runtime: RuntimeSection, monitoring: MonitoringSection) -> Self {
        Self { loader, runtime, monitoring }
    }

    /// What is set. Every field is named here: one that is forgotten does not compile.
    pub(super) fn into_values(self) -> Vec<(Key, Value)> {
        let Self { loader, runtime, monitoring } = self;
        let MonitoringSection { usage_log, alert_thresholds } = monitoring;
        let AlertSection { dependency_resolution_time, skill_load_failure_rate, permission_denial_rate } =
            alert_thresholds;
        let mut values = loader.into_values();
        values.extend(runtime.into_values());
        values.extend([
            (Key::UsageLog, usage_log.map(Value::Flag)),
            (Key::AlertResolution, dependency_resolution_time.map(Value::Size)),
            (Key::AlertFailures, ratio(skill_load_failure_rate)),
            (Key::AlertDenials, ratio(permission_denial_rate)),
        ]);
        values.into_iter().filter_map(|(key, value)| Some((key, value?))).collect()
    }
}

impl LoaderSection {
    fn into_values(self) -> Vec<(Key, Option<Value>)> {
        let Self {
            scan_sources,
            project_skill_override_threshold,
            format,
            max_workers,
            cache_ttl,
            context_budget,
            dependency,
            keep_versions,
        } = self;
        let BudgetSection {
            total_chars,
            metadata_ratio,
            active_content_ratio,
            buffer_ratio,
            max_active,
            min_description_chars,
        } = context_budget;
        let DependencySection { resolution_timeout, cyclic_dependency_action, allow_sources } = dependency;
        let action = cyclic_dependency_action.map(|action| Value::Text(action_name(action).to_owned()));
        vec![
            (Key::ScanSources, scan_sources.map(Value::Sources)),
            (Key::OverrideThreshold, ratio(project_skill_override_threshold)),
            (Key::ContextFormat, format.map(|format| Value::Text(format.0))),
            (Key::MaxWorkers, max_workers.map(Value::Size)),
            (Key::CacheTtl, cache_ttl.map(Value::Size)),
            (Key::BudgetChars, total_chars.map(Value::Size)),
            (Key::BudgetMetadata, ratio(metadata_ratio)),
            (Key::BudgetActive, ratio(active_content_ratio)),
            (Key::BudgetBuffer, ratio(buffer_ratio)),
            (Key::MaxActive, max_active.map(Value::Size)),
            (Key::MinDescription, min_description_chars.map(Value::Size)),
            (Key::ResolutionTimeout, resolution_timeout.map(Value::Size)),
            (Key::CyclicAction, action),
            (Key::AllowSources, allow_sources.map(Value::List)),
            (Key::KeepVersions, keep_versions.map(Value::Size)),
        ]
    }
}

impl RuntimeSection {
    fn into_values(self) -> Vec<(Key, Option<Value>)> {
        let Self { hot_swap, permissions, skill_permissions, hook } = self;
        let HotSwapSection { enabled, watch_interval, version_overlap, max_rollbacks } = hot_swap;
        let PermissionSection { default_allow, require_approval } = permissions;
        let HookSection { min_score, confident, limit } = hook;
        vec![
            (Key::HotSwapEnabled, enabled.map(Value::Flag)),
            (Key::WatchInterval, watch_interval.map(Value::Size)),
            (Key::VersionOverlap, version_overlap.map(Value::Size)),
            (Key::MaxRollbacks, max_rollbacks.map(Value::Size)),
            (Key::DefaultAllow, default_allow.map(Value::List)),
            (Key::RequireApproval, require_approval.map(Value::List)),
            (Key::SkillPermissions, skill_permissions.map(Value::Permissions)),
            (Key::HookMinScore, ratio(min_score)),
            (Key::HookConfident, ratio(confident)),
            (Key::HookLimit, limit.map(Value::Size)),
        ]
    }
}

fn count(value: u64) -> usize {
    usize::try_from(value).unwrap_or(usize::MAX)
}

impl Settings {
    /// Sets a key of one of the three sections.
    pub(super) fn set_section_value(&mut self, key: Key, value: Value) {
        match value {
            Value::Size(size) => self.set_section_count(key, size),
            Value::Ratio(ratio) => self.set_section_ratio(key, ratio),
            Value::Flag(flag) => match key {
                Key::HotSwapEnabled => self.runtime.hot_swap.enabled = flag,
                _ => self.monitoring.usage_log = flag,
            },
            Value::Text(text) => match key {
                Key::ContextFormat => self.loader.format = text,
                _ => {
                    self.loader.dependency.cyclic_dependency_action = match text.as_str() {
                        "fail_fast" => CyclicAction::FailFast,
                        _ => CyclicAction::WarnAndSort,
                    }
                }
            },
            Value::List(list) => match key {
                Key::AllowSources => self.loader.dependency.allow_sources = list,
                Key::FollowedSkills => self.followed = list,
                Key::NotifiedSkills => self.notified = list,
                Key::DefaultAllow => self.runtime.permissions.default_allow = list,
                _ => {
                    self.runtime.permissions.require_approval = list;
                    self.runtime.permissions.is_approval_named = true;
                }
            },
            Value::Sources(sources) => self.add_sources(sources),
            Value::Permissions(all) => self.runtime.skill_permissions = all,
            Value::Registries(all) => self.set_registries(all),
        }
    }

    fn set_section_count(&mut self, key: Key, size: u64) {
        let (budget, hot_swap) = (&mut self.loader.context_budget, &mut self.runtime.hot_swap);
        match key {
            Key::MaxWorkers => self.loader.max_workers = count(size),
            Key::CacheTtl => self.loader.cache_ttl = size,
            Key::BudgetChars => budget.total_chars = count(size),
            Key::MaxActive => budget.max_active = count(size),
            Key::MinDescription => budget.min_description_chars = count(size),
            Key::ResolutionTimeout => self.loader.dependency.resolution_timeout = size,
            Key::KeepVersions => self.loader.keep_versions = count(size),
            Key::WatchInterval => hot_swap.watch_interval = size,
            Key::VersionOverlap => hot_swap.version_overlap = size,
            Key::MaxRollbacks => hot_swap.max_rollbacks = u32::try_from(size).unwrap_or(u32::MAX),
            Key::HookLimit => self.runtime.hook.limit = count(size),
            Key::AlertResolution => self.monitoring.alert_thresholds.dependency_resolution_time = size,
            Key::MinimumReleaseAge => self.minimum_release_age = size,
            _ => {}
        }
    }

    fn set_section_ratio(&mut self, key: Key, ratio: f64) {
        let budget = &mut self.loader.context_budget;
        match key {
            Key::OverrideThreshold => self.loader.project_skill_override_threshold = ratio,
            Key::BudgetMetadata => budget.metadata_ratio = ratio,
            Key::BudgetActive => budget.active_content_ratio = ratio,
            Key::BudgetBuffer => budget.buffer_ratio = ratio,
            Key::HookMinScore => self.runtime.hook.min_score = ratio,
            Key::HookConfident => self.runtime.hook.confident = ratio,
            Key::AlertFailures => self.monitoring.alert_thresholds.skill_load_failure_rate = ratio,
            Key::AlertDenials => self.monitoring.alert_thresholds.permission_denial_rate = ratio,
            _ => {}
        }
    }

    /// Adds folders; one that is known already gets what is said of it now.
    fn add_sources(&mut self, sources: Vec<ScanSource>) {
        for source in sources {
            let known = &mut self.loader.scan_sources;
            match known.iter_mut().find(|one| one.is_same_folder(&source)) {
                Some(one) => *one = source,
                None => known.push(source),
            }
        }
    }

    /// What a project's file says on top of the user's own, where that has several values.
    pub(super) fn add_from_project(&mut self, key: Key, value: Value) {
        match (key, value) {
            (Key::RequireApproval, Value::List(list)) => {
                add_missing(&mut self.runtime.permissions.require_approval, list);
                self.runtime.permissions.is_approval_named = true;
            }
            (Key::SkillPermissions, Value::Permissions(all)) => {
                for (name, of_project) in all {
                    self.runtime.skill_permissions.entry(name).or_default().narrow(of_project);
                }
            }
            (Key::ScanSources, Value::Sources(mut sources)) => {
                // A project's skills never go before what its own folder may.
                let own = self.loader.scan_sources.iter().find(|one| one.plain_path() == ".claude/skills");
                let highest = own.map_or(80, |own| own.priority);
                for source in &mut sources {
                    source.of_project = true;
                    if source.priority > highest {
                        self.ignored.push(format!(
                            "the priority {} of `{}` is higher than that of a project, {highest}, which it gets",
                            source.priority,
                            printable(&source.path, false)
                        ));
                        source.priority = highest;
                    }
                }
                self.add_sources(sources);
            }
            (key, value) => self.set_section_value(key, value),
        }
    }

    /// True where nothing in the three sections is wider than before.
    pub(super) fn has_narrower_sections(&self, before: &Self) -> bool {
        let (is, was) = (&self.loader, &before.loader);
        let (swap, swapped) = (&self.runtime.hot_swap, &before.runtime.hot_swap);
        let (allow, allowed) = (&self.runtime.permissions, &before.runtime.permissions);
        let (hook, hooked) = (&self.runtime.hook, &before.runtime.hook);
        let is_strict = |action| action == CyclicAction::FailFast;
        is.project_skill_override_threshold >= was.project_skill_override_threshold
            && is.max_workers <= was.max_workers
            && is.context_budget.total_chars <= was.context_budget.total_chars
            && is.context_budget.max_active <= was.context_budget.max_active
            && is.dependency.resolution_timeout <= was.dependency.resolution_timeout
            && is_strict(is.dependency.cyclic_dependency_action)
                >= is_strict(was.dependency.cyclic_dependency_action)
            && is.dependency.allow_sources == was.dependency.allow_sources
            && is.keep_versions <= was.keep_versions
            && swap.enabled <= swapped.enabled
            && swap.watch_interval >= swapped.watch_interval
            && swap.version_overlap <= swapped.version_overlap
            && swap.max_rollbacks <= swapped.max_rollbacks
            && allow.default_allow.iter().all(|one| allowed.default_allow.contains(one))
            && allowed.require_approval.iter().all(|one| allow.require_approval.contains(one))
            && before.runtime.skill_permissions.iter().all(|(name, was)| {
                self.runtime.skill_permissions.get(name).is_some_and(|is| is.is_narrower(was))
            })
            && hook.min_score >= hooked.min_score
            && hook.confident >= hooked.confident
            && hook.limit <= hooked.limit
            && self.monitoring.usage_log <= before.monitoring.usage_log
    }

    /// Checks what hangs together.
    ///
    /// # Errors
    /// `Usage` for shares of the context that are more than the whole, for a context that nothing
    /// fits into, and for no thread at all.
    pub(super) fn check_sections(&self) -> Result<()> {
        let budget = &self.loader.context_budget;
        let shares = budget.metadata_ratio + budget.active_content_ratio + budget.buffer_ratio;
        if shares > 1.0 + 1e-9 {
            fail!(
                Usage,
                "the shares of `loader.context_budget` are {shares} together; expected 1 at most: the rest is \
                 the system's"
            );
        }
        if budget.total_chars < SMALLEST_BUDGET {
            fail!(
                Usage,
                "`loader.context_budget.total_chars` is {}; expected {SMALLEST_BUDGET} or more",
                budget.total_chars
            );
        }
        if self.loader.max_workers == 0 {
            fail!(Usage, "`loader.max_workers` is 0; expected 1 or more");
        }
        self.check_registries()
    }

    /// What a key of one of the three sections is set to.
    #[cfg(test)]
    pub(super) fn value_of_section(&self, key: Key) -> Option<Value> {
        let (loader, budget) = (&self.loader, &self.loader.context_budget);
        let (swap, hook) = (&self.runtime.hot_swap, &self.runtime.hook);
        let alerts = &self.monitoring.alert_thresholds;
        let size = |n: usize| Value::Size(n as u64);
        Some(match key {
            Key::ScanSources => Value::Sources(loader.scan_sources.clone()),
            Key::OverrideThreshold => Value::Ratio(loader.project_skill_override_threshold),
            Key::ContextFormat => Value::Text(loader.format.clone()),
            Key::MaxWorkers => size(loader.max_workers),
            Key::CacheTtl => Value::Size(loader.cache_ttl),
            Key::BudgetChars => size(budget.total_chars),
            Key::BudgetMetadata => Value::Ratio(budget.metadata_ratio),
            Key::BudgetActive => Value::Ratio(budget.active_content_ratio),
            Key::BudgetBuffer => Value::Ratio(budget.buffer_ratio),
            Key::MaxActive => size(budget.max_active),
            Key::MinDescription => size(budget.min_description_chars),
            Key::ResolutionTimeout => Value::Size(loader.dependency.resolution_timeout),
            Key::CyclicAction => {
                Value::Text(action_name(loader.dependency.cyclic_dependency_action).to_owned())
            }
            Key::AllowSources => Value::List(loader.dependency.allow_sources.clone()),
            Key::KeepVersions => size(loader.keep_versions),
            Key::HotSwapEnabled => Value::Flag(swap.enabled),
            Key::WatchInterval => Value::Size(swap.watch_interval),
            Key::VersionOverlap => Value::Size(swap.version_overlap),
            Key::MaxRollbacks => Value::Size(swap.max_rollbacks.into()),
            Key::DefaultAllow => Value::List(self.runtime.permissions.default_allow.clone()),
            Key::RequireApproval => Value::List(self.runtime.permissions.require_approval.clone()),
            Key::SkillPermissions => Value::Permissions(self.runtime.skill_permissions.clone()),
            Key::HookMinScore => Value::Ratio(hook.min_score),
            Key::HookConfident => Value::Ratio(hook.confident),
            Key::HookLimit => size(hook.limit),
            Key::UsageLog => Value::Flag(self.monitoring.usage_log),
            Key::AlertResolution => Value::Size(alerts.dependency_resolution_time),
            Key::AlertFailures => Value::Ratio(alerts.skill_load_failure_rate),
            Key::AlertDenials => Value::Ratio(alerts.permission_denial_rate),
            Key::Registries => Value::Registries(BTreeMap::new()),
            Key::FollowedSkills => Value::List(self.followed.clone()),
            Key::NotifiedSkills => Value::List(self.notified.clone()),
            Key::MinimumReleaseAge => Value::Size(self.minimum_release_age),
            _ => return None,
        })
    }
}

/// Characters of the smallest context that says anything of skills.
pub(crate) const SMALLEST_BUDGET: usize = 200;

fn add_missing(list: &mut Vec<String>, more: Vec<String>) {
    for one in more {
        if !list.contains(&one) {
            list.push(one);
        }
    }
}

impl ScanSource {
    /// The path in one spelling.
    pub(crate) fn plain_path(&self) -> &str {
        self.path.trim_start_matches("./").trim_end_matches('/')
    }

    fn is_same_folder(&self, other: &Self) -> bool {
        self.plain_path() == other.plain_path()
    }
}

impl SkillPermissions {
    /// Takes over what a project says on top: it forbids more, and allows nothing more.
    fn narrow(&mut self, of_project: Self) {
        let Self { allowed_tools, narrowed_to, forbidden_operations, require_approval, resource_limits } =
            of_project;
        add_missing(&mut self.forbidden_operations, forbidden_operations);
        add_missing(&mut self.require_approval, require_approval);
        for tools in allowed_tools.into_iter().chain(narrowed_to) {
            self.narrowed_to = Some(match self.narrowed_to.take() {
                Some(before) => before.into_iter().filter(|one| tools.contains(one)).collect(),
                None => tools,
            });
        }
        let own = &mut self.resource_limits;
        own.max_cpu_time = own.max_cpu_time.take().or(resource_limits.max_cpu_time);
        own.max_memory = own.max_memory.take().or(resource_limits.max_memory);
        own.max_disk_io = own.max_disk_io.take().or(resource_limits.max_disk_io);
    }

    fn is_narrower(&self, before: &Self) -> bool {
        let limits = (&self.resource_limits, &before.resource_limits);
        let kept = |is: &Option<String>, was: &Option<String>| was.is_none() || is == was;
        self.allowed_tools == before.allowed_tools
            && before.forbidden_operations.iter().all(|one| self.forbidden_operations.contains(one))
            && before.require_approval.iter().all(|one| self.require_approval.contains(one))
            && kept(&limits.0.max_cpu_time, &limits.1.max_cpu_time)
            && kept(&limits.0.max_memory, &limits.1.max_memory)
            && kept(&limits.0.max_disk_io, &limits.1.max_disk_io)
    }
}
