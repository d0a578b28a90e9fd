//! Which of the skills on a machine an agent is offered: where each comes from, which of several
//! of one name counts, and what is left out and why. The bytes were read by the caller.

mod agents;
mod dialect;
mod facts;
mod precedence;
mod switches;

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::digest::Digest;

pub use agents::{AgentRules, NamedBy, ProjectWalk};
pub use dialect::ManifestDialect;
pub use facts::{Readiness, SkillFacts};
pub use precedence::{NameRule, SettledNames, settle_names};
pub use switches::{SkillSelector, SkillSwitch, SkillSwitches};

/// Where a skill comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SkillOrigin {
    /// The skills of the user's account.
    User,
    /// The skills of the project.
    Project,
    /// A plugin, which may bring several.
    Plugin,
    /// What the program carries itself.
    Builtin,
    /// A folder that only the settings name.
    Extra,
}

impl SkillOrigin {
    /// As reports name it, and as it stands before a name: `project:deploy`.
    pub fn name(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Project => "project",
            Self::Plugin => "plugin",
            Self::Builtin => "builtin",
            Self::Extra => "extra",
        }
    }

    /// The priority that it has where the settings say nothing else.
    pub fn default_priority(self) -> i64 {
        match self {
            Self::User => 100,
            Self::Project => 80,
            Self::Plugin => 60,
            Self::Builtin => 40,
            Self::Extra => 0,
        }
    }
}

/// A skill that was found and can be read.
#[derive(Debug, Clone, PartialEq)]
pub struct LoadedSkill {
    /// What its folder is called, or what it calls itself, as the agent has it.
    pub name: String,
    /// The name that means this skill and no other: `deploy`, `project:deploy`, `plugin:deploy`.
    pub qualified: String,
    pub origin: SkillOrigin,
    pub priority: i64,
    /// The plugin that brings it.
    pub plugin: Option<String>,
    /// Absolute; `builtin:NAME` for a skill that the program carries.
    pub folder: PathBuf,
    pub manifest: PathBuf,
    pub facts: SkillFacts,
    /// The registry's, of a skill that it records.
    pub digest: Option<Digest>,
    /// True where the newest text cannot be read and an older one stands in for it.
    pub fallback: bool,
    /// What tells the state of its manifest's file from another one; 0 where it has no file.
    pub stamp: u64,
}

/// Why a skill is not offered to the model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OmitReason {
    /// There is no room for it.
    Budget,
    /// The user switched it off.
    Disabled,
    /// It says itself that only a person starts it.
    ModelInvocation,
    /// A program, a variable or a system that it needs is not there.
    Requires,
    /// A skill that it needs is not there.
    Dependency,
    /// Its `SKILL.md` cannot be used.
    Invalid,
    /// Another skill of its name counts.
    Shadowed,
}

impl OmitReason {
    /// As reports name it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Budget => "budget",
            Self::Disabled => "disabled",
            Self::ModelInvocation => "model_invocation",
            Self::Requires => "requires",
            Self::Dependency => "dependency",
            Self::Invalid => "invalid",
            Self::Shadowed => "shadowed",
        }
    }
}

/// A skill that is there and not offered.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct OmittedSkill {
    /// The name that it would be offered under.
    pub name: String,
    pub reason: OmitReason,
    /// The reason in a sentence.
    pub detail: String,
    /// The skill itself, where it can be read: a person may still start it.
    #[serde(skip)]
    pub skill: Option<Box<LoadedSkill>>,
}

/// Which rule decided between several skills of one name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConflictRule {
    /// The higher priority.
    Priority,
    /// A project's version of the same skill, or none that is near enough.
    OverrideThreshold,
    /// The agent's own order.
    Agent,
}

/// Several skills of one name, and what became of them.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SkillConflict {
    pub name: String,
    /// The origin of the one that the name means.
    pub winner: &'static str,
    /// The origins of the others.
    pub over: Vec<&'static str>,
    /// The share of lines that are the same, where the rule asks for it.
    pub similarity: Option<f64>,
    pub rule: ConflictRule,
}

/// Something about a source or a skill that somebody should look at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LoadFinding {
    /// The file or folder.
    pub path: String,
    pub message: String,
}
