//! What `loader:`, `runtime:` and `monitoring:` may say, with what counts where they say nothing.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use ba_agent_core::activation::ResourceLimits;

/// A folder of skills that the settings name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ScanSource {
    /// `~`, relative to the base of the scope, with `*` for any folder.
    pub(crate) path: String,
    #[serde(default)]
    pub(crate) priority: i64,
    /// Also folders below those of the skills.
    #[serde(default)]
    pub(crate) recursive: bool,
    #[serde(default = "yes")]
    pub(crate) watch_enabled: bool,
    /// True where a project's file says it: then it must be inside of that.
    #[serde(skip)]
    pub(crate) of_project: bool,
}

fn yes() -> bool {
    true
}

/// `loader:`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct LoaderSettings {
    pub(crate) scan_sources: Vec<ScanSource>,
    /// From this share of equal lines on a project's skill stands for the user's.
    pub(crate) project_skill_override_threshold: f64,
    /// `plain`, `xml`, `list` or `brackets`.
    pub(crate) format: String,
    /// Threads that read skills.
    pub(crate) max_workers: usize,
    /// Seconds after which an index is read anew, whatever it says.
    pub(crate) cache_ttl: u64,
    pub(crate) context_budget: BudgetSettings,
    pub(crate) dependency: DependencySettings,
    /// Versions that are kept beside the active one.
    pub(crate) keep_versions: usize,
}

/// `loader.context_budget:`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct BudgetSettings {
    pub(crate) total_chars: usize,
    pub(crate) metadata_ratio: f64,
    pub(crate) active_content_ratio: f64,
    pub(crate) buffer_ratio: f64,
    pub(crate) max_active: usize,
    pub(crate) min_description_chars: usize,
}

/// `loader.dependency:`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DependencySettings {
    /// Milliseconds, with whatever is fetched.
    pub(crate) resolution_timeout: u64,
    pub(crate) cyclic_dependency_action: CyclicAction,
    /// Repositories that dependencies may come from without a question.
    pub(crate) allow_sources: Vec<String>,
}

/// What becomes of skills that need each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum CyclicAction {
    /// They are installed, in the order of their names, and it is said.
    WarnAndSort,
    /// Nothing is.
    FailFast,
}

/// `runtime:`.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct RuntimeSettings {
    pub(crate) hot_swap: HotSwapSettings,
    pub(crate) permissions: PermissionSettings,
    /// By the name of the skill.
    pub(crate) skill_permissions: BTreeMap<String, SkillPermissions>,
    pub(crate) hook: HookSettings,
}

/// `runtime.hot_swap:`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct HotSwapSettings {
    pub(crate) enabled: bool,
    /// Milliseconds between two looks.
    pub(crate) watch_interval: u64,
    /// Seconds for which the files of the version before are still given.
    pub(crate) version_overlap: u64,
    /// Bad versions in a row after which a skill leaves the list.
    pub(crate) max_rollbacks: u32,
}

/// `runtime.permissions:`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PermissionSettings {
    pub(crate) default_allow: Vec<String>,
    pub(crate) require_approval: Vec<String>,
    /// Somebody has written `require_approval`: a hook asks for nothing that nobody named.
    pub(crate) is_approval_named: bool,
}

/// What `runtime.skill_permissions:` says of one skill.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct SkillPermissions {
    /// The user's word, which goes before the skill's own; absent where that counts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) allowed_tools: Option<Vec<String>>,
    /// The project's word: of whatever counts, nothing but these. A project allows nothing more
    /// than its user and the skill itself do.
    #[serde(skip)]
    pub(crate) narrowed_to: Option<Vec<String>>,
    pub(crate) forbidden_operations: Vec<String>,
    pub(crate) require_approval: Vec<String>,
    pub(crate) resource_limits: ResourceLimits,
}

/// `runtime.hook:`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct HookSettings {
    /// Below it no skill is named.
    pub(crate) min_score: f64,
    /// From it on one skill is enough.
    pub(crate) confident: f64,
    pub(crate) limit: usize,
}

/// `monitoring:`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct MonitoringSettings {
    /// Whether uses are noted, on this machine alone.
    pub(crate) usage_log: bool,
    pub(crate) alert_thresholds: AlertThresholds,
}

/// `monitoring.alert_thresholds:`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct AlertThresholds {
    /// Milliseconds.
    pub(crate) dependency_resolution_time: u64,
    pub(crate) skill_load_failure_rate: f64,
    pub(crate) permission_denial_rate: f64,
}

impl Default for LoaderSettings {
    fn default() -> Self {
        Self {
            scan_sources: default_sources(),
            project_skill_override_threshold: 0.8,
            format: "plain".to_owned(),
            max_workers: 4,
            cache_ttl: 300,
            context_budget: BudgetSettings::default(),
            dependency: DependencySettings::default(),
            keep_versions: 3,
        }
    }
}

/// The sources that there are without any setting.
fn default_sources() -> Vec<ScanSource> {
    let source = |path: &str, priority: i64, recursive: bool| ScanSource {
        path: path.to_owned(),
        priority,
        recursive,
        watch_enabled: true,
        of_project: false,
    };
    vec![
        source("~/.claude/skills", 100, false),
        source("./.claude/skills", 80, false),
        source("plugins/*/skills", 60, true),
    ]
}

impl Default for BudgetSettings {
    fn default() -> Self {
        Self {
            total_chars: 15_000,
            metadata_ratio: 0.4,
            active_content_ratio: 0.3,
            buffer_ratio: 0.1,
            max_active: 3,
            min_description_chars: 60,
        }
    }
}

impl Default for DependencySettings {
    fn default() -> Self {
        Self {
            resolution_timeout: 5_000,
            cyclic_dependency_action: CyclicAction::WarnAndSort,
            allow_sources: Vec::new(),
        }
    }
}

impl Default for HotSwapSettings {
    fn default() -> Self {
        Self { enabled: true, watch_interval: 2_000, version_overlap: 300, max_rollbacks: 3 }
    }
}

impl Default for PermissionSettings {
    fn default() -> Self {
        let words = |words: [&str; 2]| words.map(str::to_owned).to_vec();
        Self {
            default_allow: words(["file_read", "http_get"]),
            require_approval: words(["shell_exec", "database_write"]),
            is_approval_named: false,
        }
    }
}

impl Default for HookSettings {
    fn default() -> Self {
        Self { min_score: 0.35, confident: 0.7, limit: 3 }
    }
}

impl Default for MonitoringSettings {
    fn default() -> Self {
        Self {
            usage_log: true,
            alert_thresholds: AlertThresholds {
                dependency_resolution_time: 200,
                skill_load_failure_rate: 0.01,
                permission_denial_rate: 0.01,
            },
        }
    }
}
