//! The settings in which agents switch single skills off: where each agent has them. They are only
//! read; what they mean, `ba_agent_core::loader` says.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::workspace::Session;
use ba_agent_core::agents::Agent;
use ba_agent_core::error::printable;
use ba_agent_core::json_edit::read_commented_json;
use ba_agent_core::loader::{SkillOrigin, SkillSelector, SkillSwitch, SkillSwitches};
use ba_agent_system::fsx;

/// The largest settings that are read.
const LARGEST: u64 = 1 << 20;

/// What the settings of this agent say here. One that cannot be read says nothing.
pub(super) fn read_switches(session: &Session<'_>, agent: Option<&'static Agent>) -> SkillSwitches {
    let settings = AgentSettings { session, project: project_folder(session) };
    let mut switches = SkillSwitches::default();
    match agent.map(|agent| agent.id) {
        Some("claude-code") => settings.add_claude(&mut switches),
        Some("codex") => settings.add_codex(&mut switches),
        Some("gemini-cli") => settings.add_gemini(&mut switches),
        Some("opencode") => settings.add_opencode(&mut switches),
        _ => {}
    }
    switches
}

fn project_folder(session: &Session<'_>) -> Option<PathBuf> {
    session.scope.is_project().then(|| session.scope.base().to_path_buf())
}

struct AgentSettings<'s, 'o> {
    session: &'s Session<'o>,
    project: Option<PathBuf>,
}

impl AgentSettings<'_, '_> {
    fn of_user(&self, file: &str) -> Option<PathBuf> {
        self.session.env.home.as_ref().map(|home| home.join(file))
    }

    fn of_project(&self, file: &str) -> Option<PathBuf> {
        self.project.as_ref().map(|folder| folder.join(file))
    }

    /// A settings file with comments, and how a person writes its path.
    fn read(&self, file: Option<PathBuf>) -> Option<(Value, String)> {
        let file = file?;
        let settings = read_commented_json(&read_text(&file)?).ok()?;
        Some((settings, self.shown(&file)))
    }

    fn shown(&self, file: &Path) -> String {
        let in_project = self.project.as_ref().and_then(|folder| file.strip_prefix(folder).ok());
        let at_home = self.session.env.home.as_ref().and_then(|home| file.strip_prefix(home).ok());
        let text = match (in_project, at_home) {
            (Some(rest), _) => rest.display().to_string(),
            (None, Some(rest)) => format!("~/{}", rest.display()),
            (None, None) => file.display().to_string(),
        };
        printable(&text, false)
    }

    fn add_claude(&self, switches: &mut SkillSwitches) {
        let files = [
            self.of_user(".claude/settings.json"),
            self.of_project(".claude/settings.json"),
            self.of_project(".claude/settings.local.json"),
            Some(PathBuf::from("/etc/claude-code/managed-settings.json")),
        ];
        for (settings, file) in files.into_iter().filter_map(|file| self.read(file)) {
            switches.add_claude_settings(&settings, &file);
        }
    }

    /// Its user's settings alone: those of a project say nothing about skills.
    fn add_codex(&self, switches: &mut SkillSwitches) {
        let Some(file) = self.of_user(".codex/config.toml") else { return };
        let Some(document) = read_text(&file).and_then(|text| text.parse::<toml_edit::DocumentMut>().ok())
        else {
            return;
        };
        let Some(skills) = document.get("skills").and_then(|item| item.as_table_like()) else { return };
        let shown = self.shown(&file);
        let is_off = |key: &str| {
            let value = key.split('.').try_fold(document.get("skills")?, |item, part| item.get(part));
            value.and_then(toml_edit::Item::as_bool).map(|on| !on)
        };
        if is_off("bundled.enabled") == Some(true) {
            let said_by = format!("`skills.bundled` in `{shown}`");
            switches.add_rule(SkillSelector::OwnOfAgent, SkillSwitch::Off, said_by);
        }
        for rule in config_tables(skills) {
            let text = |key: &str| rule.get(key).and_then(toml_edit::Item::as_str);
            let Some(enabled) = rule.get("enabled").and_then(toml_edit::Item::as_bool) else { continue };
            let selector = match (text("path"), text("name").map(str::trim)) {
                (Some(path), None) => {
                    let path = self.session.env.from(file.parent().unwrap_or(&file), path);
                    SkillSelector::Manifest(fsx::real_path(&path))
                }
                (None, Some(name)) if !name.is_empty() => SkillSelector::Name(name.to_owned()),
                _ => continue,
            };
            let switch = if enabled { SkillSwitch::On } else { SkillSwitch::Off };
            switches.add_rule(selector, switch, format!("`skills.config` in `{shown}`"));
        }
        if is_off("include_instructions") == Some(true) {
            let said_by = format!("`skills.include_instructions` in `{shown}`");
            switches.add_rule(SkillSelector::All, SkillSwitch::Off, said_by);
        }
    }

    fn add_gemini(&self, switches: &mut SkillSwitches) {
        let of_user = self.read(self.of_user(".gemini/settings.json"));
        let of_machine = self.read(Some(PathBuf::from("/etc/gemini-cli/settings.json")));
        let is_trusted = self.gemini_trusts_project(of_machine.as_ref().or(of_user.as_ref()));
        let of_project = self.read(self.of_project(".gemini/settings.json").filter(|_| is_trusted));
        for (settings, file) in [of_user, of_project, of_machine].into_iter().flatten() {
            switches.add_gemini_settings(&settings, &file);
        }
        if !is_trusted {
            let said_by = "a folder that is not trusted (`~/.gemini/trustedFolders.json`)".to_owned();
            let of_project = SkillSelector::Origin(SkillOrigin::Project);
            switches.add_rule(of_project, SkillSwitch::Off, said_by);
        }
    }

    /// Whether Gemini CLI reads what the project brings: its user has said so of the folder or one
    /// above it, or asks for no such word.
    fn gemini_trusts_project(&self, settings: Option<&(Value, String)>) -> bool {
        let asks = settings.and_then(|(settings, _)| settings.pointer("/security/folderTrust/enabled"));
        let Some(project) = self.project.as_deref() else { return true };
        match self.session.env.var("GEMINI_CLI_TRUST_WORKSPACE") {
            Some("true") => return true,
            Some("false") => return false,
            _ => {}
        }
        if asks == Some(&Value::Bool(false)) {
            return true;
        }
        let here = fsx::real_path(project);
        let trusted = self.read(self.of_user(".gemini/trustedFolders.json"));
        let rules = trusted.as_ref().and_then(|(folders, _)| folders.as_object()).into_iter().flatten();
        let said = rules.filter_map(|(folder, word)| {
            let folder = fsx::real_path(Path::new(folder));
            let (folder, is_trusted) = match word.as_str()? {
                "TRUST_FOLDER" => (folder, true),
                "TRUST_PARENT" => (folder.parent()?.to_path_buf(), true),
                "DO_NOT_TRUST" => (folder, false),
                _ => return None,
            };
            here.starts_with(&folder).then(|| (folder.components().count(), is_trusted))
        });
        said.max_by_key(|(depth, _)| *depth).is_some_and(|(_, is_trusted)| is_trusted)
    }

    fn add_opencode(&self, switches: &mut SkillSwitches) {
        const NAMES: [&str; 2] = ["opencode.json", "opencode.jsonc"];
        let at = |folder: &str, find: fn(&Self, &str) -> Option<PathBuf>| {
            NAMES.map(|name| find(self, &format!("{folder}{name}")))
        };
        let files = [self.of_user(".config/opencode/config.json")]
            .into_iter()
            .chain(at(".config/opencode/", Self::of_user))
            .chain(at("", Self::of_project))
            .chain(at(".opencode/", Self::of_user))
            .chain(at(".opencode/", Self::of_project));
        for (settings, file) in files.filter_map(|file| self.read(file)) {
            switches.add_opencode_settings(&settings, &file);
        }
    }
}

/// The tables of `[[skills.config]]`, also where they are written in one line.
fn config_tables(skills: &dyn toml_edit::TableLike) -> Vec<&dyn toml_edit::TableLike> {
    match skills.get("config") {
        Some(toml_edit::Item::ArrayOfTables(tables)) => {
            tables.iter().map(|table| table as &dyn toml_edit::TableLike).collect()
        }
        Some(toml_edit::Item::Value(toml_edit::Value::Array(array))) => array
            .iter()
            .filter_map(|value| Some(value.as_inline_table()? as &dyn toml_edit::TableLike))
            .collect(),
        _ => Vec::new(),
    }
}

fn read_text(file: &Path) -> Option<String> {
    let bytes = fsx::read_plain_file(file, LARGEST).ok().flatten()?;
    String::from_utf8(bytes).ok()
}
