//! What the settings of an agent say of single skills: hidden, listed by name alone, or for a
//! person to start. The texts were read by the caller.

use std::path::PathBuf;

use serde_json::Value;
use wildmatch::WildMatch;

use super::{LoadedSkill, OmitReason, SkillOrigin};

/// What an agent does with a skill.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SkillSwitch {
    On,
    /// The model is told its name, and not what it does.
    NameOnly,
    /// Only a person starts it.
    ByPerson,
    Off,
}

/// Which skills a line of the settings means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SkillSelector {
    Name(String),
    /// A name, whatever its case.
    AnyCase(String),
    /// A name with `*` and `?`.
    Pattern(String),
    /// The file itself, its links followed.
    Manifest(PathBuf),
    /// Those of one origin.
    Origin(SkillOrigin),
    /// Those that the agent brings itself.
    OwnOfAgent,
    All,
}

/// What all settings of an agent say, in the order in which they were read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SkillSwitches {
    rules: Vec<SwitchRule>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct SwitchRule {
    selector: SkillSelector,
    switch: SkillSwitch,
    /// Where it says so: a file and a key.
    said_by: String,
}

impl SkillSwitches {
    /// True where no setting says anything.
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// Adds a rule, which counts before those that are there. `said_by` names the file and the key.
    pub fn add_rule(&mut self, selector: SkillSelector, switch: SkillSwitch, said_by: String) {
        self.rules.push(SwitchRule { selector, switch, said_by });
    }

    /// Claude Code's `skillOverrides`.
    pub fn add_claude_settings(&mut self, settings: &Value, file: &str) {
        for (name, value) in settings.get("skillOverrides").and_then(Value::as_object).into_iter().flatten() {
            let switch = match value.as_str() {
                Some("on") => SkillSwitch::On,
                Some("name-only") => SkillSwitch::NameOnly,
                Some("user-invocable-only") => SkillSwitch::ByPerson,
                Some("off") => SkillSwitch::Off,
                _ => continue,
            };
            let said_by = format!("`skillOverrides` in `{file}`");
            self.add_rule(SkillSelector::Name(name.clone()), switch, said_by);
        }
    }

    /// Gemini CLI's `skills.disabled` and `skills.enabled`.
    pub fn add_gemini_settings(&mut self, settings: &Value, file: &str) {
        let Some(skills) = settings.get("skills") else { return };
        if let Some(enabled) = skills.get("enabled").and_then(Value::as_bool) {
            // A later file turns back what an earlier one says, and no name that either has.
            self.rules.retain(|rule| rule.selector != SkillSelector::All);
            let switch = if enabled { SkillSwitch::On } else { SkillSwitch::Off };
            let said_by = format!("`skills.enabled` in `{file}`");
            self.rules.insert(0, SwitchRule { selector: SkillSelector::All, switch, said_by });
        }
        let names = skills.get("disabled").and_then(Value::as_array).into_iter().flatten();
        for name in names.filter_map(Value::as_str) {
            let said_by = format!("`skills.disabled` in `{file}`");
            self.add_rule(SkillSelector::AnyCase(name.to_owned()), SkillSwitch::Off, said_by);
        }
    }

    /// OpenCode's `permission` and the older `tools`, for every agent and for the one that it
    /// starts with.
    pub fn add_opencode_settings(&mut self, settings: &Value, file: &str) {
        let of_agent = settings.get("agent").and_then(|agents| agents.get("build"));
        for (settings, place) in
            [Some(settings), of_agent].into_iter().flatten().zip(["permission", "agent.build.permission"])
        {
            if settings.get("tools").and_then(|tools| tools.get("skill")) == Some(&Value::Bool(false)) {
                let said_by = format!("`tools.skill` in `{file}`");
                self.add_rule(SkillSelector::All, SkillSwitch::Off, said_by);
            }
            let Some(permission) = settings.get("permission") else { continue };
            if let Some(action) = permission.as_str() {
                self.add_permission("*", action, format!("`{place}` in `{file}`"));
            }
            for (tool, rule) in permission.as_object().into_iter().flatten() {
                if !WildMatch::new(tool).matches("skill") {
                    continue;
                }
                let said_by = format!("`{place}.{tool}` in `{file}`");
                if let Some(action) = rule.as_str() {
                    self.add_permission("*", action, said_by.clone());
                }
                for (pattern, action) in rule.as_object().into_iter().flatten() {
                    self.add_permission(pattern, action.as_str().unwrap_or_default(), said_by.clone());
                }
            }
        }
    }

    /// `ask` asks when the skill is taken: the model is told of it.
    fn add_permission(&mut self, pattern: &str, action: &str, said_by: String) {
        let switch = match action {
            "deny" => SkillSwitch::Off,
            "allow" | "ask" => SkillSwitch::On,
            _ => return,
        };
        self.add_rule(SkillSelector::Pattern(pattern.to_owned()), switch, said_by);
    }

    /// What the last rule that means this skill says, and where. `real_manifest` is its file with
    /// its links followed.
    pub fn find(
        &self,
        skill: &LoadedSkill,
        real_manifest: impl Fn() -> PathBuf,
    ) -> Option<(SkillSwitch, &str)> {
        let is_own = || skill.folder.iter().any(|part| part == ".system");
        let means = |rule: &&SwitchRule| match &rule.selector {
            SkillSelector::Name(name) => *name == skill.name && skill.plugin.is_none(),
            SkillSelector::AnyCase(name) => name.to_lowercase() == skill.name.to_lowercase(),
            SkillSelector::Pattern(pattern) => WildMatch::new(pattern).matches(&skill.name),
            SkillSelector::Manifest(file) => *file == real_manifest(),
            SkillSelector::Origin(origin) => *origin == skill.origin,
            SkillSelector::OwnOfAgent => is_own(),
            SkillSelector::All => true,
        };
        self.rules.iter().rev().find(means).map(|rule| (rule.switch, rule.said_by.as_str()))
    }

    /// Where the settings say that the agent does not look at skills of this origin at all, so that
    /// these take no name from others.
    pub fn find_closed_origin(&self, origin: SkillOrigin) -> Option<&str> {
        let closes = |rule: &&SwitchRule| rule.selector == SkillSelector::Origin(origin);
        let rule = self.rules.iter().rev().find(closes).filter(|rule| rule.switch == SkillSwitch::Off);
        rule.map(|rule| rule.said_by.as_str())
    }

    /// Why the model is not told of this skill, where it is not.
    pub fn reason_to_omit(
        &self,
        skill: &LoadedSkill,
        real_manifest: impl Fn() -> PathBuf,
    ) -> Option<(OmitReason, String)> {
        match self.find(skill, real_manifest)? {
            (SkillSwitch::Off, said_by) => Some((OmitReason::Disabled, format!("{said_by} switches it off"))),
            (SkillSwitch::ByPerson, said_by) => {
                Some((OmitReason::ModelInvocation, format!("{said_by}: only a person starts it")))
            }
            (SkillSwitch::On | SkillSwitch::NameOnly, _) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::loader::SkillFacts;
    use serde_json::json;

    fn skill(name: &str, origin: SkillOrigin) -> LoadedSkill {
        let folder = PathBuf::from(format!("/s/{name}"));
        LoadedSkill {
            name: name.to_owned(),
            qualified: name.to_owned(),
            origin,
            priority: 0,
            plugin: (origin == SkillOrigin::Plugin).then(|| "p".to_owned()),
            manifest: folder.join("SKILL.md"),
            folder,
            facts: SkillFacts::default(),
            digest: None,
            fallback: false,
            stamp: 0,
        }
    }

    fn switch_of(switches: &SkillSwitches, name: &str) -> Option<SkillSwitch> {
        let skill = skill(name, SkillOrigin::User);
        switches.find(&skill, || skill.manifest.clone()).map(|(switch, _)| switch)
    }

    #[test]
    fn later_settings_of_claude_code_count_first() {
        let mut switches = SkillSwitches::default();
        let user =
            json!({"skillOverrides": {"a": "off", "b": "name-only", "c": "user-invocable-only", "d": 1}});
        switches.add_claude_settings(&user, "u");
        switches.add_claude_settings(&json!({"skillOverrides": {"a": "on"}}), "p");
        switches.add_claude_settings(&json!({"skillOverrides": []}), "l");
        let of = |name| switch_of(&switches, name);
        assert_eq!([of("a"), of("b"), of("d")], [Some(SkillSwitch::On), Some(SkillSwitch::NameOnly), None]);
        let why = |name: &str, origin| switches.reason_to_omit(&skill(name, origin), PathBuf::new);
        let said = "`skillOverrides` in `u`: only a person starts it".to_owned();
        assert_eq!(why("c", SkillOrigin::User), Some((OmitReason::ModelInvocation, said)));
        assert_eq!(why("c", SkillOrigin::Plugin), None);
        assert_eq!(why("b", SkillOrigin::User), None);
    }

    #[test]
    fn gemini_cli_adds_up_what_is_disabled_and_takes_the_last_word_for_all() {
        let mut switches = SkillSwitches::default();
        switches.add_gemini_settings(&json!({"skills": {"disabled": ["Deploy"], "enabled": false}}), "u");
        assert_eq!(switch_of(&switches, "other"), Some(SkillSwitch::Off));
        switches.add_gemini_settings(&json!({"skills": {"disabled": ["x"], "enabled": true}}), "p");
        let of = |name| switch_of(&switches, name);
        assert_eq!([of("deploy"), of("x")], [Some(SkillSwitch::Off); 2]);
        assert_eq!(of("other"), Some(SkillSwitch::On));
    }

    #[test]
    fn the_last_permission_of_opencode_that_fits_counts() {
        let mut switches = SkillSwitches::default();
        let settings = json!({
            "permission": {"bash": "deny", "skill": {"*": "deny", "x-*": "allow", "x-1": "ask", "x-2": "deny"}},
            "agent": {"build": {"permission": {"skill": {"y": "allow"}}}},
        });
        switches.add_opencode_settings(&settings, "f");
        for (name, expected) in [
            ("a", SkillSwitch::Off),
            ("x-1", SkillSwitch::On),
            ("x-2", SkillSwitch::Off),
            ("y", SkillSwitch::On),
        ] {
            assert_eq!(switch_of(&switches, name), Some(expected), "{name}");
        }
        let mut all = SkillSwitches::default();
        all.add_opencode_settings(&json!({"permission": {"*": "deny"}}), "f");
        all.add_opencode_settings(&json!({"permission": {"skill": "allow"}, "tools": {"skill": true}}), "g");
        assert_eq!(switch_of(&all, "a"), Some(SkillSwitch::On));
        all.add_opencode_settings(&json!({"tools": {"skill": false}}), "h");
        assert_eq!(switch_of(&all, "a"), Some(SkillSwitch::Off));
    }

    #[test]
    fn a_file_and_what_an_agent_brings_can_be_meant() {
        let mut switches = SkillSwitches::default();
        let file = PathBuf::from("/s/a/SKILL.md");
        switches.add_rule(SkillSelector::Manifest(file), SkillSwitch::Off, "f".to_owned());
        switches.add_rule(SkillSelector::OwnOfAgent, SkillSwitch::Off, "f".to_owned());
        assert_eq!((switch_of(&switches, "a"), switch_of(&switches, "b")), (Some(SkillSwitch::Off), None));
        assert_eq!(switch_of(&switches, ".system"), Some(SkillSwitch::Off));
        let of_project = SkillSelector::Origin(SkillOrigin::Project);
        switches.add_rule(of_project, SkillSwitch::Off, "why".to_owned());
        assert_eq!(switches.find_closed_origin(SkillOrigin::Project), Some("why"));
        assert_eq!(switches.find_closed_origin(SkillOrigin::User), None);
    }
}
